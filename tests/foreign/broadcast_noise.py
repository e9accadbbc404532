# simple_ddpm.py
# The smallest DDPM I could write. Everything broadcasts, so there are no reshapes.
import torch
import torch.nn as nn

torch.manual_seed(2)
T = 250
b = torch.linspace(4e-4, 0.08, T)
abar = torch.cumprod(1 - b, 0)[:, None]  # (T, 1): broadcasts over the features


def noising(x, t, eps):
    return abar[t].sqrt() * x + (1 - abar[t]).sqrt() * eps


class Eps(nn.Module):
    def __init__(self, dim, hid=128):
        super().__init__()
        self.t = nn.Embedding(T, hid)
        self.a = nn.Linear(dim, hid)
        self.b = nn.Linear(hid, hid)
        self.c = nn.Linear(hid, dim)

    def forward(self, x, t):
        h = nn.functional.gelu(self.a(x) + self.t(t))
        return self.c(nn.functional.gelu(self.b(h)))


def ddpm_loss(model, x):
    t = torch.randint(T, (len(x),))
    eps = torch.randn(x.shape[1:])  # one value per feature
    return (model(noising(x, t, eps), t) - eps).pow(2).mean()


# "images" of 6x6: a bright dot with a tail
n = 1000
pos = torch.randint(0, 30, (n,))
images = torch.full((n, 36), -1.0)
for k, v in enumerate((1.0, 0.5, 0.0, -0.5)):
    images[torch.arange(n), pos + k] = v

schedule = b
data = images
loss = ddpm_loss
q_sample = noising
