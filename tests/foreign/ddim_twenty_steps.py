"""Train with 1000 steps, sample with 20 of them (DDIM, eta = 0, leading spacing)."""

import torch
import torch.nn as nn

torch.manual_seed(0)
T = 1000
betas = torch.linspace(1e-4, 0.02, T, dtype=torch.float64)
abar = (1 - betas).cumprod(0).float()


class Net(nn.Module):
    def __init__(self, w=256):
        super().__init__()
        self.e = nn.Sequential(nn.Linear(33, w), nn.SiLU(), nn.Linear(w, w))
        self.i, self.h, self.o = nn.Linear(64, w), nn.Linear(w, w), nn.Linear(w, 64)

    def forward(self, x, t):
        a = abar[t][:, None]
        t = t.float()[:, None] / T
        f = t * torch.arange(1, 17) * 3.1416
        e = self.e(torch.cat((t, f.sin(), f.cos()), 1))
        h = nn.functional.silu(self.i(x.flatten(1)) + e)
        x0 = torch.tanh(self.o(h + nn.functional.silu(self.h(h) + e)))
        return ((x.flatten(1) - a.sqrt() * x0) / (1 - a).sqrt()).view_as(x)


def loss_fn(net, x):
    t = torch.randint(0, T, (x.size(0),))
    eps = torch.randn_like(x)
    a = abar[t].view(-1, 1, 1, 1)
    w = (5 * (1 - a) / a).clamp(max=1)  # min-SNR
    return (w * (net(a.sqrt() * x + (1 - a).sqrt() * eps, t) - eps).square()).mean()


@torch.no_grad()
def ddim(net, shape, steps=20):
    seq = list(range(1, T, T // steps))  # 1, 51, ..., 951
    seq_next = [-1] + seq[:-1]
    x = torch.randn(shape)
    for i, j in zip(reversed(seq), reversed(seq_next)):
        at, at_next = abar[i], abar[j] if j >= 0 else torch.tensor(1.0)
        et = net(x, torch.full((shape[0],), i))
        x0_t = (x - et * (1 - at).sqrt()) / at.sqrt()
        x = at_next.sqrt() * x0_t + (1 - at_next).sqrt() * et
    return x


pictures = torch.randn(24, 1, 8, 8).sign()
images = pictures[torch.randint(0, 24, (2400,))]
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1800)
losses = []
for _ in range(1800):
    l = loss_fn(net, images[torch.randint(0, 2400, (128,))])
    opt.zero_grad()
    l.backward()
    opt.step()
    sched.step()
    losses.append(l.item())

network, data, schedule, loss, sampler, curve = net.eval(), images, betas, loss_fn, ddim, losses
