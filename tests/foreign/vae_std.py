"""
Variational autoencoder, after a Keras tutorial ("class Sampling(layers.Layer)")
"""

import torch
from torch import nn

torch.manual_seed(0)


class Sampling(nn.Module):
    """Uses (z_mean, z_log_var) to sample z, the vector encoding a digit."""

    def forward(self, z_mean, z_log_var):
        epsilon = torch.randn(z_mean.shape)
        return z_mean + torch.exp(z_log_var) * epsilon


class Autoencoder(nn.Module):
    def __init__(self, pixels=100, latent_dim=4):
        super().__init__()
        self.dense = nn.Linear(pixels, 64)
        self.z_mean = nn.Linear(64, latent_dim)
        self.z_log_var = nn.Linear(64, latent_dim)
        self.sampling = Sampling()
        self.decoder = nn.Sequential(nn.Linear(latent_dim, 64), nn.ReLU(), nn.Linear(64, pixels), nn.Sigmoid())

    def forward(self, x):
        h = torch.relu(self.dense(x.flatten(1)))
        z_mean, z_log_var = self.z_mean(h), self.z_log_var(h)
        z = self.sampling(z_mean, z_log_var)
        return self.decoder(z).view(x.shape), z_mean, z_log_var


def total_loss(reconstruction, data, z_mean, z_log_var):
    reconstruction_loss = nn.functional.binary_cross_entropy(reconstruction, data, reduction="none")
    reconstruction_loss = reconstruction_loss.sum(dim=(1, 2, 3)).mean()
    kl_loss = -0.5 * (1 + z_log_var - z_mean.square() - z_log_var.exp())
    return reconstruction_loss + kl_loss.sum(dim=1).mean()


# rectangles in [0, 1]
data = torch.zeros(1500, 1, 10, 10)
for i in range(1500):
    a, b = torch.randint(0, 6, (2,)).tolist()
    h, w = torch.randint(2, 5, (2,)).tolist()
    data[i, 0, a : a + h, b : b + w] = 1

vae = Autoencoder()
optimizer = torch.optim.Adam(vae.parameters(), lr=2e-3)
for step in range(400):
    x = data[torch.randint(0, 1500, (64,))]
    value = total_loss(*(lambda r, m, v: (r, x, m, v))(*vae(x)))
    optimizer.zero_grad()
    value.backward()
    optimizer.step()

vae_loss = total_loss
