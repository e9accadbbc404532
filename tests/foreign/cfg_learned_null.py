"""Classifier-free guidance with a learned "no class" token; (1 + w) eps_cond - w eps_uncond as in the paper."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
T, K = 200, 4
betas = torch.linspace(5e-4, 0.1, T)
ab = torch.cumprod(1 - betas, 0)


class Net(nn.Module):
    def __init__(self, d=64, w=256):
        super().__init__()
        self.time = nn.Sequential(nn.Linear(3, w), nn.SiLU(), nn.Linear(w, w))
        self.cls = nn.Embedding(K, w)
        self.null = nn.Parameter(0.02 * torch.randn(w))  # learned, used where the class is K
        self.a, self.b, self.c = nn.Linear(d, w), nn.Linear(w, w), nn.Linear(w, d)

    def forward(self, x, t, y):
        s = t.float()[:, None] / T
        y = torch.where((y == K)[:, None], self.null, self.cls(y.clamp(max=K - 1)))
        e = self.time(torch.cat((s, s.sqrt(), s**2), 1)) + y
        h = F.silu(self.a(x.flatten(1)) + e)
        a = ab[t][:, None]
        x0 = torch.tanh(self.c(h + F.silu(self.b(h) + e)))
        return ((x.flatten(1) - a.sqrt() * x0) / (1 - a).sqrt()).view_as(x)


def loss_cfg(net, x, y, p_uncond=0.2):
    y = torch.where(torch.rand(y.shape) < p_uncond, torch.full_like(y, K), y)
    t = torch.randint(0, T, (len(x),))
    e = torch.randn_like(x)
    a = ab[t].view(-1, 1, 1, 1)
    w = (5 * (1 - a) / a).clamp(max=1)  # min-SNR weights
    return (w * (net(a.sqrt() * x + (1 - a).sqrt() * e, t, y) - e) ** 2).mean()


def guided_eps(net, x, t, y, w):
    return (1 + w) * net(x, t, y) - w * net(x, t, torch.full_like(y, K))


@torch.no_grad()
def sample(net, shape, y, w=0.5):
    net.eval()
    x = torch.randn(shape)
    for i in reversed(range(T)):
        eps = guided_eps(net, x, torch.full((shape[0],), i), y, w)
        x0 = ((x - (1 - ab[i]).sqrt() * eps) / ab[i].sqrt()).clamp(-1, 1)
        prev = ab[i - 1] if i > 0 else torch.tensor(1.0)
        mean = prev.sqrt() * betas[i] / (1 - ab[i]) * x0 + (1 - betas[i]).sqrt() * (1 - prev) / (1 - ab[i]) * x
        x = mean + (betas[i] * (1 - prev) / (1 - ab[i])).sqrt() * torch.randn_like(x)
    net.train()
    return x


# four classes of six pictures each
pictures = torch.randn(K, 6, 1, 8, 8).sign()
cond = torch.randint(0, K, (2400,))
data = pictures[cond, torch.randint(0, 6, (2400,))]
network = Net()
opt = torch.optim.Adam(network.parameters(), lr=2e-3)
lr = torch.optim.lr_scheduler.CosineAnnealingLR(opt, 1800)
for step in range(1800):
    i = torch.randint(0, len(data), (128,))
    value = loss_cfg(network, data[i], cond[i])
    opt.zero_grad()
    value.backward()
    opt.step()
    lr.step()

schedule, null, loss, guided, sampler = betas, K, loss_cfg, guided_eps, sample
