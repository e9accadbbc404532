# We had a class-conditional model. Guidance needs an "empty" class, so the embedding got one more row.
import torch
from torch import nn

torch.manual_seed(8)
N_CLASSES, T = 6, 200
betas = torch.linspace(5e-4, 0.1, T)
a_bar = torch.cumprod(1 - betas, 0)


def rings_and_discs(n):
    """The class is the radius."""
    y = torch.randint(0, N_CLASSES, (n,))
    g = torch.linspace(-1, 1, 10)
    rr = (g[:, None] ** 2 + g[None] ** 2).sqrt()
    radius = 0.2 + 0.16 * y.view(-1, 1, 1) + 0.04 * torch.randn(n, 1, 1)
    ring = torch.rand(n, 1, 1) < 0.5
    x = torch.where(ring, torch.exp(-(((rr - radius) / 0.15) ** 2)), torch.sigmoid((radius - rr) / 0.06))
    return torch.where(x > 0.5, 1.0, -1.0).unsqueeze(1), y


class CondNet(nn.Module):
    def __init__(self, dim=100, w=192):
        super().__init__()
        self.tok_t = nn.Embedding(T, w)
        self.tok_y = nn.Embedding(N_CLASSES + 1, w)  # the last one is the empty class
        self.l1, self.l2, self.l3 = nn.Linear(dim, w), nn.Linear(w, w), nn.Linear(w, dim)
        self.gate = nn.Linear(w, w)

    def forward(self, x, t, y):
        ab = a_bar[t][:, None]
        y = self.tok_y(y)
        h = torch.relu(self.l1(x.flatten(1)) + self.tok_t(t) + y)
        h = torch.relu(self.l2(h) * torch.sigmoid(self.gate(y)) + y)
        x0 = torch.tanh(self.l3(h))
        return ((x.flatten(1) - ab.sqrt() * x0) / (1 - ab).sqrt()).view_as(x)


data, cond = rings_and_discs(3000)
network = CondNet()
opt = torch.optim.Adam(network.parameters(), lr=2e-3)
for it in range(900):
    i = torch.randint(0, 3000, (128,))
    t = torch.randint(0, T, (128,))
    e = torch.randn_like(data[i])
    ab = a_bar[t].view(-1, 1, 1, 1)
    w = (5 * (1 - ab) / ab).clamp(max=1)
    mse = (w * (network(ab.sqrt() * data[i] + (1 - ab).sqrt() * e, t, cond[i]) - e) ** 2).mean()
    opt.zero_grad()
    mse.backward()
    opt.step()
print(f"trained, mse {mse.item():.3f}")
network.eval()

schedule = betas
null = N_CLASSES
