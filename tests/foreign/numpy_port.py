"""DDPM with a numpy forward process (so that it runs in the data loader workers) and a torch model."""

import numpy as np
import torch
from torch import nn

rng = np.random.RandomState(0)
np.random.seed(0)
torch.manual_seed(0)

NUM_STEPS = 1000
betas = np.linspace(1e-4, 0.02, NUM_STEPS)
alphas_bar = np.cumprod(1.0 - betas)


def make_shapes(n, size=10):
    """Crosses and frames."""
    out = -np.ones((n, 1, size, size), dtype=np.float32)
    for i in range(n):
        r, c = rng.randint(2, size - 2, size=2)
        if rng.rand() < 0.5:
            out[i, 0, r, :] = 1
            out[i, 0, :, c] = 1
        else:
            k = rng.randint(1, 3)
            out[i, 0, r - k : r + k, c - k : c + k] = 1
            out[i, 0, r - k + 1 : r + k - 1, c - k + 1 : c + k - 1] = -1
    return out


def diffuse_batch(x0, t):
    """x0: (B, C, H, W) array, t: (B,) int array. Returns the noisy batch and the noise in it."""
    noise = np.random.rand(*x0.shape).astype(np.float32)
    ab = alphas_bar[t].reshape(-1, 1, 1, 1).astype(np.float32)
    return np.sqrt(ab) * x0 + np.sqrt(1.0 - ab) * noise, noise


class Model(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.t = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width))
        self.conv1 = nn.Conv2d(1, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x, t):
        h = torch.relu(self.conv1(x) + self.t(t.float().view(-1, 1) / NUM_STEPS)[:, :, None, None])
        return self.conv3(torch.relu(self.conv2(h)))


def loss(model, x0):
    t = np.random.randint(0, NUM_STEPS, size=len(x0))
    x_t, noise = diffuse_batch(x0.numpy(), t)
    pred = model(torch.from_numpy(x_t), torch.from_numpy(t))
    return ((pred - torch.from_numpy(noise)) ** 2).mean()


network = Model()
data = torch.from_numpy(make_shapes(1200))
schedule = betas

optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
curve = []
for i in range(200):
    batch = data[torch.randint(0, len(data), (64,))]
    l = loss(network, batch)
    optimizer.zero_grad()
    l.backward()
    optimizer.step()
    curve.append(l.item())
print("start %.3f end %.3f" % (curve[0], curve[-1]))
