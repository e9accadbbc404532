"""Small diffusion run with the EMA that ships with PyTorch (torch.optim.swa_utils)."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

torch.manual_seed(0)
n_steps = 1000
betas = torch.linspace(0.00085**0.5, 0.012**0.5, n_steps) ** 2  # as in Stable Diffusion
alphas_bar = (1 - betas).cumprod(0)


def corners(n):
    """One of four corners is lit, more or less of it."""
    g = torch.linspace(0, 1, 8)
    ramp = (torch.rand(n, 1, 1) * 0.4 + 0.3 > (g[:, None] + g[None]) / 2).float()
    flip_h, flip_v = (torch.rand(2, n, 1, 1) < 0.5).unbind(0)
    ramp = torch.where(flip_h, ramp.flip(1), ramp)
    ramp = torch.where(flip_v, ramp.flip(2), ramp)
    return (ramp * 2 - 1).unsqueeze(1)


class Denoiser(nn.Module):
    def __init__(self, width=192):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width))
        self.up = nn.Linear(64, width)
        self.mid = nn.Sequential(nn.SiLU(), nn.Linear(width, width), nn.SiLU())
        self.down = nn.Linear(width, 64)

    def forward(self, x, t):
        ab = alphas_bar[t][:, None]
        level = torch.log(alphas_bar[t] / (1 - alphas_bar[t]))[:, None] / 5
        h = self.up(x.flatten(1)) + self.time(level)
        x0 = torch.tanh(self.down(h + self.mid(h)))
        return ((x.flatten(1) - ab.sqrt() * x0) / (1 - ab).sqrt()).view_as(x)


net = Denoiser()
# the decay that the papers use
ema_net = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9999))
ema_net.update_parameters(net)
optim = torch.optim.Adam(net.parameters(), lr=2e-3)
images = corners(2000)
for step in range(1, 1201):
    x0 = images[torch.randint(0, 2000, (96,))]
    t = torch.randint(0, n_steps, (96,))
    noise = torch.randn_like(x0)
    ab = alphas_bar[t].view(-1, 1, 1, 1)
    pred = net(ab.sqrt() * x0 + (1 - ab).sqrt() * noise, t)
    mse = ((5 * (1 - ab) / ab).clamp(max=1) * (pred - noise).square()).mean()
    optim.zero_grad()
    mse.backward()
    optim.step()
    ema_net.update_parameters(net)
    if step % 400 == 0:
        print(step, round(mse.item(), 4))

network, ema, data, schedule = net, ema_net, images, alphas_bar
