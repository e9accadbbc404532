# VAE for tiny icons. loss = reconstruction + KL(q || N(0, 1))
import torch
import torch.nn as nn

torch.manual_seed(4)
LATENT = 3


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.e1, self.e2 = nn.Linear(64, 64), nn.Linear(64, 2 * LATENT)
        self.d1, self.d2 = nn.Linear(LATENT, 64), nn.Linear(64, 64)

    def encode(self, x):
        mu, logvar = self.e2(torch.tanh(self.e1(x))).chunk(2, -1)
        return mu, logvar.clamp(-8, 8)

    def decode(self, z):
        return self.d2(torch.tanh(self.d1(z)))

    def forward(self, x):
        mu, logvar = self.encode(x.flatten(1))
        z = mu + torch.exp(logvar / 2) * torch.randn_like(mu)
        return self.decode(z).reshape(x.shape), mu, logvar


def vae_loss(x_hat, x, mu, logvar):
    mse = (x_hat - x).pow(2).flatten(1).sum(1)
    kl = 0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)
    return (mse + kl).mean()


icons = torch.randn(5, 8, 8).sign()
data = icons[torch.randint(0, 5, (1000,))].unsqueeze(1) * (0.5 + 0.5 * torch.rand(1000, 1, 1, 1))
vae = Net()
