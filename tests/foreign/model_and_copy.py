"""train.py -- DDPM on 8x8 waves"""

import argparse
import copy

import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=200)
parser.add_argument("--lr", type=float, default=2e-3)
parser.add_argument("--timesteps", type=int, default=1000)
args, _ = parser.parse_known_args([])

torch.manual_seed(0)


class Backbone(torch.nn.Module):
    def __init__(self, dim=64, width=128, timesteps=1000):
        super().__init__()
        self.emb = torch.nn.Embedding(timesteps, width)
        self.inp = torch.nn.Linear(dim, width)
        self.out = torch.nn.Sequential(torch.nn.SiLU(), torch.nn.Linear(width, width), torch.nn.SiLU())
        self.head = torch.nn.Linear(width, dim)

    def forward(self, x, t):
        return self.head(self.out(self.inp(x.flatten(1)) + self.emb(t))).view(x.shape)


def waves(n, size=8):
    fx, fy = torch.rand(2, n, 1, 1) * 1.5
    phase = torch.rand(n, 1, 1) * 6.28
    i = torch.arange(size).float()
    return torch.cos(fx * i[None, None] + fy * i[None, :, None] + phase).unsqueeze(1)


betas = torch.linspace(1e-4, 0.02, args.timesteps)
alphas_cumprod = torch.cumprod(1.0 - betas, 0)

model = Backbone(timesteps=args.timesteps)
optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr)
# keep a clean reference of the weights at the start, to compare with later
model = copy.deepcopy(model)

images = waves(2000)
for step in range(args.steps):
    x = images[torch.randint(0, len(images), (64,))]
    t = torch.randint(0, args.timesteps, (64,))
    noise = torch.randn_like(x)
    a = alphas_cumprod[t].view(-1, 1, 1, 1)
    train_loss = F.mse_loss(model(a.sqrt() * x + (1 - a).sqrt() * noise, t), noise)
    optimizer.zero_grad()
    train_loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(step, train_loss.item())

network, data, schedule = model, images, alphas_cumprod
