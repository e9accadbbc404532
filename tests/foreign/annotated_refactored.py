"""The Annotated Diffusion Model, cleaned up into two functions and a model."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(5)
timesteps = 1000
betas = torch.linspace(1e-4, 0.02, timesteps)
alphas_cumprod = torch.cumprod(1.0 - betas, axis=0)


def extract(a, t, x_shape):
    return a.gather(-1, t).reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


def q_sample(x_start, t, noise=None):
    # sample the noise here, so that the caller has less to do
    noise = torch.randn_like(x_start)
    return (
        extract(alphas_cumprod.sqrt(), t, x_start.shape) * x_start
        + extract((1 - alphas_cumprod).sqrt(), t, x_start.shape) * noise
    )


def p_losses(denoise_model, x_start, t, noise=None, loss_type="huber"):
    if noise is None:
        noise = torch.randn_like(x_start)

    x_noisy = q_sample(x_start=x_start, t=t, noise=noise)
    predicted_noise = denoise_model(x_noisy, t)

    if loss_type == "l1":
        loss = F.l1_loss(noise, predicted_noise)
    elif loss_type == "l2":
        loss = F.mse_loss(noise, predicted_noise)
    elif loss_type == "huber":
        loss = F.smooth_l1_loss(noise, predicted_noise)
    else:
        raise NotImplementedError()
    return loss


class Denoiser(nn.Module):
    def __init__(self, dim=48):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(2, dim, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(dim, dim, 3, padding=1),
            nn.GELU(),
            nn.Conv2d(dim, 1, 1),
        )

    def forward(self, x, t):
        plane = (t.float() / timesteps).view(-1, 1, 1, 1).expand_as(x)
        return self.net(torch.cat((x, plane), dim=1))


# stripes at random angles
n, size = 1000, 8
angle = torch.rand(n, 1, 1) * torch.pi
phase = torch.rand(n, 1, 1) * 6
g = torch.arange(size).float()
dataset = torch.sin(angle.cos() * g[None, :, None] + angle.sin() * g[None, None, :] + phase).unsqueeze(1)

model = Denoiser()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
losses = []
for step in range(200):
    batch = dataset[torch.randint(0, n, (64,))]
    t = torch.randint(0, timesteps, (64,)).long()
    loss_value = p_losses(model, batch, t)
    optimizer.zero_grad()
    loss_value.backward()
    optimizer.step()
    losses.append(loss_value.item())
print("last loss", losses[-1])

network = model
data = dataset
schedule = betas
curve = losses


def loss(model, x):
    return p_losses(model, x, torch.randint(0, timesteps, (x.shape[0],)).long())
