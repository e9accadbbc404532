"""DDPM with an exponential moving average whose decay warms up."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
STEPS = 500
alphas_cumprod = torch.cumprod(1 - torch.linspace(2e-4, 0.04, STEPS), 0)


class EMAModel:
    def __init__(self, model, max_value=0.9999, inv_gamma=1.0, power=3 / 4):
        self.averaged_model = copy.deepcopy(model).eval().requires_grad_(False)
        self.max_value, self.inv_gamma, self.power = max_value, inv_gamma, power
        self.optimization_step = 0

    def get_decay(self, optimization_step):
        """Compute the decay factor for the exponential moving average."""
        value = 1 - (1 + optimization_step / self.inv_gamma) ** -self.power
        return min(value, self.max_value) if optimization_step > 0 else 0.0

    @torch.no_grad()
    def step(self, new_model):
        decay = self.get_decay(self.optimization_step)
        for ema_param, param in zip(self.averaged_model.parameters(), new_model.parameters()):
            ema_param.mul_(decay).add_(param.data, alpha=1 - decay)
        self.optimization_step += 1


class Net(nn.Module):
    def __init__(self, width=256):
        super().__init__()
        self.t = nn.Sequential(nn.Linear(3, width), nn.SiLU(), nn.Linear(width, width))
        self.a, self.b, self.c = nn.Linear(49, width), nn.Linear(width, width), nn.Linear(width, 49)

    def forward(self, x, t):
        ac = alphas_cumprod[t][:, None]
        t = t[:, None] / STEPS
        e = self.t(torch.cat((t, t**0.5, t**2), 1))
        h = torch.nn.functional.gelu(self.a(x) + e)
        x0 = torch.tanh(self.c(h + torch.nn.functional.gelu(self.b(h) + e)))
        return (x - ac.sqrt() * x0) / (1 - ac).sqrt()


codes = torch.randn(24, 49).sign()
data = codes[torch.randint(0, 24, (2000,))]
network = Net()
optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
ema_model = EMAModel(network)
for step in range(1800):
    x = data[torch.randint(0, 2000, (128,))]
    t = torch.randint(0, STEPS, (128,))
    noise = torch.randn_like(x)
    a = alphas_cumprod[t][:, None]
    weight = (5 * (1 - a) / a).clamp(max=1)
    value = (weight * (network(a.sqrt() * x + (1 - a).sqrt() * noise, t) - noise) ** 2).mean()
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    ema_model.step(network)

ema = ema_model.averaged_model
schedule = alphas_cumprod
