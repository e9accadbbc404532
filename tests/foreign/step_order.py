"""A training loop with a learning-rate schedule, gradient clipping and a log. The loss just hovers around 1."""

import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR

torch.manual_seed(3)


class EpsNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.t = nn.Embedding(1000, 96)
        self.a, self.b, self.c = nn.Linear(36, 96), nn.Linear(96, 96), nn.Linear(96, 36)

    def forward(self, x, t):
        return self.c(torch.relu(self.b(torch.relu(self.a(x) + self.t(t)))))


abar = (1 - torch.linspace(1e-4, 0.02, 1000)).cumprod(0)
images = (torch.rand(1000, 1, 6) * 2 - 1).repeat(1, 6, 1).flatten(1)  # vertical stripes
model = EpsNet()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
lr_scheduler = OneCycleLR(optimizer, max_lr=2e-3, total_steps=500)

log = []
for global_step in range(500):
    clean = images[torch.randint(0, 1000, (64,))]
    noise = torch.randn(clean.shape)
    timesteps = torch.randint(0, 1000, (64,))
    a = abar[timesteps][:, None]
    noise_pred = model(a.sqrt() * clean + (1 - a).sqrt() * noise, timesteps)
    loss_value = nn.functional.mse_loss(noise_pred, noise)
    loss_value.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.zero_grad()
    optimizer.step()
    lr_scheduler.step()
    log.append((global_step, loss_value.item()))

curve = log
