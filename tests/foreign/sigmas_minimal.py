"""Diffusion in sixty lines: no betas, only sigmas. x_sigma = x0 + sigma * eps, and the model sees sigma."""

from itertools import pairwise

import torch
from torch import nn

torch.manual_seed(0)


class Schedule:
    """Diffusion noise schedules parameterized by sigma"""

    def __init__(self, sigmas):
        self.sigmas = sigmas

    def __getitem__(self, i):
        return self.sigmas[i]

    def __len__(self):
        return len(self.sigmas)

    def sample_batch(self, x0):
        return self[torch.randint(len(self), (x0.shape[0],))]


class ScheduleLogLinear(Schedule):
    def __init__(self, N, sigma_min=0.02, sigma_max=10):
        super().__init__(torch.logspace(torch.log10(torch.tensor(sigma_min)), torch.log10(torch.tensor(sigma_max)), N))


def generate_train_sample(x0, schedule):
    sigma = schedule.sample_batch(x0)
    eps = torch.randn_like(x0)
    return sigma, eps


class TimeInputMLP(nn.Module):
    def __init__(self, dim, hidden_dims=(128, 128)):
        super().__init__()
        layers = []
        for in_dim, out_dim in pairwise((dim + 2,) + hidden_dims):
            layers.extend([nn.Linear(in_dim, out_dim), nn.GELU()])
        layers.append(nn.Linear(hidden_dims[-1], dim))
        self.net = nn.Sequential(*layers)

    def forward(self, x, sigma):
        s = torch.log(sigma).view(-1, 1) / 2
        sigma_embeds = torch.cat((s.sin(), s.cos()), dim=1)
        scale = (1 + sigma.view(-1, 1) ** 2).sqrt()
        return self.net(torch.cat([x / scale, sigma_embeds], dim=1))


def get_loss(model, x0):
    sigma, eps = generate_train_sample(x0, sigma_schedule)
    return nn.MSELoss()(eps, model(x0 + sigma.view(-1, 1) * eps, sigma))


# a swiss roll on each pair of coordinates
a = torch.rand(3000, 2) * 9 + 4
data = torch.stack((a * a.cos(), a * a.sin()), -1).flatten(1) / 8
sigma_schedule = ScheduleLogLinear(N=200)
mlp = TimeInputMLP(dim=4)
optimizer = torch.optim.Adam(mlp.parameters(), lr=1e-3)
curve = []
for _ in range(1500):
    optimizer.zero_grad()
    l = get_loss(mlp, data[torch.randint(len(data), (256,))])
    curve.append(l.item())
    l.backward()
    optimizer.step()

loss = get_loss
