"""Batch size 4 on a laptop: the log is noisy, and starts with a few spikes while Adam finds its scale."""

import torch
from torch import nn

torch.manual_seed(2)
T = 200
ab = torch.cumprod(1 - torch.linspace(5e-4, 0.1, T), 0)
net = nn.Sequential(nn.Linear(65, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, 64))
with torch.no_grad():
    net[-1].weight *= 12  # a bad start
opt = torch.optim.Adam(net.parameters(), lr=6e-4)
warmup = torch.optim.lr_scheduler.LambdaLR(opt, lambda s: min(1, (s + 1) / 60) * max(0.02, 1 - s / 4000))
proto = torch.randn(8, 64).sign()
log = []
for step in range(4000):
    x = proto[torch.randint(0, 8, (4,))]
    t = torch.randint(0, T, (4,))
    e = torch.randn_like(x)
    a = ab[t][:, None]
    value = ((net(torch.cat((a.sqrt() * x + (1 - a).sqrt() * e, t[:, None] / T), 1)) - e) ** 2).mean()
    opt.zero_grad()
    value.backward()
    opt.step()
    warmup.step()
    log.append(value.item())

curve = log
