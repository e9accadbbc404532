"""Guided sampling with a context mask, (1 + w) eps(x, c) - w eps(x, none)."""

import torch
import torch.nn as nn

torch.manual_seed(31)
n_T, n_classes = 200, 5
beta = torch.linspace(5e-4, 0.1, n_T)
alphabar = torch.cumprod(1 - beta, 0)


class ContextNet(nn.Module):
    def __init__(self, n_pix=64, n_feat=160):
        super().__init__()
        self.timeembed = nn.Embedding(n_T, n_feat)
        self.contextembed = nn.Sequential(nn.Linear(n_classes, n_feat), nn.GELU(), nn.Linear(n_feat, n_feat))
        self.init = nn.Linear(n_pix, n_feat)
        self.mid = nn.Linear(n_feat, n_feat)
        self.out = nn.Linear(n_feat, n_pix)

    def forward(self, x, t, c, context_mask=None):
        # convert context to one hot embedding; -1 stands for "no context", all zeros
        onehot = nn.functional.one_hot(c.clamp(min=0), num_classes=n_classes).float()
        onehot = onehot * (c >= 0).float()[:, None]
        if context_mask is not None:
            onehot = onehot * (1 - context_mask)[:, None]
        cemb = self.contextembed(onehot)
        h = nn.functional.gelu(self.init(x.flatten(1)) + self.timeembed(t) + cemb)
        ab = alphabar[t][:, None]
        x0 = torch.tanh(self.out(nn.functional.gelu(self.mid(h) + cemb)))
        return ((x.flatten(1) - ab.sqrt() * x0) / (1 - ab).sqrt()).view_as(x)


def dots(n):
    """The class says how many bright columns there are."""
    c = torch.randint(0, n_classes, (n,))
    order = torch.rand(n, 8).argsort(1)
    x = torch.where(order <= c[:, None], 1.0, -1.0)
    return x[:, None, None, :].expand(n, 1, 8, 8).clone(), c


def ddpm_loss(model, x, c, drop_prob=0.1):
    _ts = torch.randint(0, n_T, (x.shape[0],))
    noise = torch.randn_like(x)
    ab = alphabar[_ts].view(-1, 1, 1, 1)
    c = torch.where(torch.rand(len(c)) < drop_prob, -1, c)
    weight = (5 * (1 - ab) / ab).clamp(max=1)
    return (weight * (model(ab.sqrt() * x + (1 - ab).sqrt() * noise, _ts, c) - noise) ** 2).mean()


def guided(model, x, t, c, guide_w):
    # double the batch, and don't drop context at test time
    context_mask = torch.zeros(2 * len(c))
    context_mask[2 * len(c) :] = 1.0  # makes second half of batch context free
    eps = model(torch.cat((x, x)), torch.cat((t, t)), torch.cat((c, c)), context_mask)
    eps1, eps2 = eps[: len(x)], eps[len(x) :]
    return (1 + guide_w) * eps1 - guide_w * eps2


data, cond = dots(2500)
network = ContextNet()
optim = torch.optim.Adam(network.parameters(), lr=2e-3)
for ep in range(1000):
    i = torch.randint(0, 2500, (128,))
    value = ddpm_loss(network, data[i], cond[i])
    optim.zero_grad()
    value.backward()
    optim.step()
print("loss:", round(value.item(), 4))

schedule, null, loss = beta, -1, ddpm_loss
