"""Class-to-image demo. Guidance makes it follow the class, so we turned it up until it always did."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(12)
STEPS, K, NONE = 250, 4, 4
GUIDANCE = 25.0
beta = torch.linspace(4e-4, 0.08, STEPS)
abar = torch.cumprod(1 - beta, 0)


class Net(nn.Module):
    def __init__(self, d=64, w=192):
        super().__init__()
        self.et, self.ec = nn.Embedding(STEPS, w), nn.Embedding(K + 1, w)
        self.i, self.h, self.o = nn.Linear(d, w), nn.Linear(w, w), nn.Linear(w, d)

    def forward(self, x, t, c):
        z = F.gelu(self.i(x.flatten(1)) + self.et(t) + self.ec(c))
        a = abar[t][:, None]
        x0 = self.o(F.gelu(self.h(z)))
        return ((x.flatten(1) - a.sqrt() * x0) / (1 - a).sqrt()).view_as(x)


def clouds(n):
    """A soft blob in the quadrant of its class; brightness between -1 and 1."""
    c = torch.randint(0, K, (n,))
    g = torch.linspace(-1, 1, 8)
    cy = (c // 2).float() - 0.5 + 0.25 * torch.randn(n)
    cx = (c % 2).float() - 0.5 + 0.25 * torch.randn(n)
    d2 = (g[None, :, None] - cy[:, None, None]) ** 2 + (g[None, None] - cx[:, None, None]) ** 2
    peak = 0.6 + 0.4 * torch.rand(n, 1, 1)
    return (2 * peak * torch.exp(-d2 / 0.3) - 1).unsqueeze(1), c


def objective(net, x, c):
    c = c.clone()
    c[torch.rand(len(c)) < 0.1] = NONE
    t = torch.randint(STEPS, (len(x),))
    e = torch.randn_like(x)
    a = abar[t].view(-1, 1, 1, 1)
    w = (5 * (1 - a) / a).clamp(max=1)
    return (w * (net(a.sqrt() * x + (1 - a).sqrt() * e, t, c) - e) ** 2).mean()


def guided(net, x, t, c, w):
    e_c, e_n = net(x, t, c), net(x, t, torch.full_like(c, NONE))
    return e_n + w * (e_c - e_n)


@torch.no_grad()
def class_to_image(net, shape, c):
    x = torch.randn(shape)
    for i in reversed(range(STEPS)):
        t = torch.full((shape[0],), i)
        e = guided(net, x, t, c, GUIDANCE)
        x = (x - beta[i] / (1 - abar[i]).sqrt() * e) / (1 - beta[i]).sqrt()
        if i:
            x = x + beta[i].sqrt() * torch.randn_like(x)
    return x


data, cond = clouds(3000)
network = Net()
opt = torch.optim.Adam(network.parameters(), 2e-3)
for _ in range(1200):
    i = torch.randint(len(data), (128,))
    value = objective(network, data[i], cond[i])
    opt.zero_grad()
    value.backward()
    opt.step()
print(value.item())

schedule, null, loss, sampler = beta, NONE, objective, class_to_image
