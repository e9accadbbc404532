import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class SinusoidalPosEmb(nn.Module):
    def __init__(self, dim, max_period=50):
        super().__init__()
        self.register_buffer("freq", max_period ** (torch.arange(dim // 2) / (dim // 2 - 1)))

    def forward(self, x):
        emb = x[:, None] * self.freq[None]
        return torch.cat((emb.sin(), emb.cos()), dim=-1)


class Net(nn.Module):
    """Noise predictor. Works on relative time in [0, 1), so that the number of steps may change later."""

    def __init__(self, n_steps, width=160, dim=64):
        super().__init__()
        self.n_steps = n_steps
        self.time = nn.Sequential(SinusoidalPosEmb(32), nn.Linear(32, width), nn.SiLU(), nn.Linear(width, width))
        self.inp = nn.Linear(dim, width)
        self.hid = nn.Linear(width, width)
        self.out = nn.Linear(width, dim)

    def forward(self, x, t):
        rel = t // self.n_steps
        emb = self.time(rel)
        h = F.silu(self.inp(x.flatten(1)) + emb)
        h = F.silu(self.hid(h) + emb)
        return self.out(h).reshape(x.shape)


class Trainer:
    def __init__(self, model, n_steps=1000):
        self.model, self.n_steps = model, n_steps
        self.betas = torch.linspace(1e-4, 0.02, n_steps)
        self.alphas_cumprod = (1 - self.betas).cumprod(0)

    def noise(self, x, t, eps):
        ac = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        return ac.sqrt() * x + (1 - ac).sqrt() * eps

    def loss(self, model, x):
        t = torch.randint(0, self.n_steps, (x.size(0),))
        eps = torch.randn_like(x)
        return F.mse_loss(model(self.noise(x, t, eps), t), eps)

    def fit(self, images, iterations=500, batch=128, lr=2e-3):
        opt = torch.optim.Adam(self.model.parameters(), lr=lr)
        history = []
        for _ in range(iterations):
            value = self.loss(self.model, images[torch.randint(len(images), (batch,))])
            opt.zero_grad()
            value.backward()
            opt.step()
            history.append(value.item())
        return history


# letters L, T, O on 8x8, shifted by one pixel at random
glyphs = -torch.ones(3, 8, 8)
glyphs[0, 1:7, 2] = glyphs[0, 6, 2:6] = 1
glyphs[1, 1, 1:6] = glyphs[1, 1:7, 3] = 1
glyphs[2, 1:7, 2] = glyphs[2, 1:7, 5] = glyphs[2, 1, 2:6] = glyphs[2, 6, 2:6] = 1
data = (
    torch.stack(
        [torch.roll(glyphs[i % 3], (int(a), int(b)), (0, 1)) for i, (a, b) in enumerate(torch.randint(-1, 2, (900, 2)))]
    ).unsqueeze(1)
    * 0.9
)

network = Net(1000)
trainer = Trainer(network)
curve = trainer.fit(data)
print(curve[0], sum(curve[-50:]) / 50)
schedule = trainer.betas
loss = trainer.loss
