"""Convolutional VAE; the KL term is normalised by everything so that it does not dominate."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(2)


class ConvVAE(nn.Module):
    def __init__(self, latent_dim=6):
        super().__init__()
        self.enc = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2, 1), nn.LeakyReLU(), nn.Flatten(), nn.Linear(16 * 36, 96), nn.LeakyReLU()
        )
        self.fc_mu, self.fc_var = nn.Linear(96, latent_dim), nn.Linear(96, latent_dim)
        self.dec = nn.Sequential(nn.Linear(latent_dim, 128), nn.LeakyReLU(), nn.Linear(128, 144), nn.Tanh())

    def forward(self, x):
        h = self.enc(x)
        mu, log_var = self.fc_mu(h), self.fc_var(h)
        z = torch.randn_like(mu) * torch.exp(0.5 * log_var) + mu
        return self.dec(z).view_as(x), mu, log_var


def criterion(recons, x, mu, log_var):
    recons_loss = F.mse_loss(recons, x, reduction="sum") / len(x)
    kld_loss = -0.5 * torch.mean(1 + log_var - mu**2 - log_var.exp())
    kld_weight = 1 / x[0].numel()  # account for the minibatch samples from the dataset
    return recons_loss + 0.01 * kld_weight * kld_loss


g = torch.linspace(-1, 1, 12)
cx, cy = (torch.rand(2, 2000, 1, 1) - 0.5).unbind(0)
s = 0.2 + 0.3 * torch.rand(2000, 1, 1)
data = torch.exp(-((g[None, None] - cx) ** 2 + (g[None, :, None] - cy) ** 2) / s**2).unsqueeze(1) * 2 - 1

vae = ConvVAE()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
for step in range(400):
    x = data[torch.randint(0, 2000, (64,))]
    recons, mu, log_var = vae(x)
    value = criterion(recons, x, mu, log_var)
    opt.zero_grad()
    value.backward()
    opt.step()
print(f"reconstruction + KL: {value.item():.2f}")
vae_loss = criterion
