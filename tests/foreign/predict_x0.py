"""The network predicts the clean picture (x0-parameterisation); noise is put back with the posterior."""

import torch
from torch import nn

torch.manual_seed(0)
T = 400
beta = torch.linspace(0.1 / T, 20 / T, T)  # variance preserving SDE, discretised
alpha = 1 - beta
abar = alpha.cumprod(0)


class Decoder(nn.Module):
    def __init__(self, w=256):
        super().__init__()
        self.t = nn.Sequential(nn.Linear(2, w), nn.SiLU(), nn.Linear(w, w))
        self.f, self.g, self.h = nn.Linear(64, w), nn.Linear(w, w), nn.Linear(w, 64)

    def forward(self, x, t):
        a = abar[t][:, None]  # the network is told its noise level, not its step
        z = torch.relu(self.f(x.flatten(1)) + self.t(torch.cat((a.sqrt(), (1 - a).sqrt()), 1)))
        return torch.tanh(self.h(torch.relu(self.g(z) + z))).view_as(x)


def x0_loss(model, x0):
    t = torch.randint(0, T, (len(x0),))
    a = abar[t].view(-1, 1, 1, 1)
    return (model(a.sqrt() * x0 + (1 - a).sqrt() * torch.randn_like(x0), t) - x0).pow(2).flatten(1).sum(1).mean()


@torch.inference_mode()
def draw(model, shape):
    x = torch.randn(shape)
    for i in range(T - 1, 0, -1):
        x0 = model(x, torch.full((shape[0],), i))
        mean = (abar[i - 1].sqrt() * beta[i] * x0 + alpha[i].sqrt() * (1 - abar[i - 1]) * x) / (1 - abar[i])
        x = mean + (beta[i] * (1 - abar[i - 1]) / (1 - abar[i])).sqrt() * torch.randn(shape)
    return model(x, torch.zeros(shape[0], dtype=torch.long))  # the mean at t = 0 is the prediction itself


stamps = torch.randn(16, 1, 8, 8).sign()
data = stamps[torch.randint(0, 16, (2000,))]
network = Decoder()
opt = torch.optim.Adam(network.parameters(), lr=1.5e-3)
decay = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1500)
for step in range(1500):
    value = x0_loss(network, data[torch.randint(0, 2000, (128,))])
    opt.zero_grad()
    value.backward()
    opt.step()
    decay.step()

schedule, predicts, loss, sampler = beta, "x0", x0_loss, draw
