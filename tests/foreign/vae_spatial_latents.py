"""A convolutional VAE with a map of latents, Gaussian likelihood with a fixed sigma, in the manner of autoencoders for latent diffusion."""

import torch
from torch import nn

torch.manual_seed(0)
SIGMA = 0.3


class DiagonalGaussianDistribution:
    def __init__(self, parameters):
        self.mean, self.logvar = torch.chunk(parameters, 2, dim=1)
        self.logvar = torch.clamp(self.logvar, -30.0, 20.0)
        self.std = torch.exp(0.5 * self.logvar)

    def sample(self):
        return self.mean + self.std * torch.randn(self.mean.shape, device=self.mean.device)


class AutoencoderKL(nn.Module):
    def __init__(self, ch=24, z=2):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, ch, 4, 2, 1), nn.SiLU(), nn.Conv2d(ch, ch, 4, 2, 1), nn.SiLU(), nn.Conv2d(ch, 2 * z, 1)
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(z, ch, 3, 1, 1), nn.SiLU(), nn.ConvTranspose2d(ch, ch, 4, 2, 1), nn.SiLU(),
            nn.ConvTranspose2d(ch, 1, 4, 2, 1),
        )  # fmt: skip

    def forward(self, x):
        posterior = DiagonalGaussianDistribution(self.encoder(x))
        z = posterior.sample()
        return self.decoder(z), posterior.mean, posterior.logvar


def vae_loss(reconstructions, inputs, mean, logvar):
    # -log N(x; reconstruction, SIGMA^2) up to a constant
    nll = ((inputs - reconstructions) ** 2 / (2 * SIGMA**2)).sum(dim=[1, 2, 3])
    kl = 0.5 * torch.sum(mean**2 + logvar.exp() - 1.0 - logvar, dim=[1, 2, 3])
    return (nll + kl).mean()


g = torch.linspace(-1, 1, 12)
cx, cy = (1.2 * torch.rand(2, 1500, 1, 1) - 0.6).unbind(0)
data = torch.tanh(4 * (0.5 - ((g[None, None] - cx) ** 2 + (g[None, :, None] - cy) ** 2).sqrt())).unsqueeze(1)
vae = AutoencoderKL()
opt = torch.optim.Adam(vae.parameters(), lr=2e-3)
for step in range(500):
    x = data[torch.randint(0, 1500, (64,))]
    rec, m, lv = vae(x)
    value = vae_loss(rec, x, m, lv)
    opt.zero_grad()
    value.backward()
    opt.step()
    if step % 100 == 0:
        print(step, value.item())
