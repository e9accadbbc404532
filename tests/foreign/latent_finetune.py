#!/usr/bin/env python
"""Latent diffusion training, cut down from a text-to-image example (no text, no accelerator)."""

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import nn

torch.manual_seed(1234)


class AutoencoderStub(nn.Module):
    """Stands in for the frozen VAE: 3x32x32 images -> 4x4x4 latents of the size that KL autoencoders have."""

    scaling_factor = 0.18215

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 8, stride=8, bias=False)
        self.requires_grad_(False)

    def encode(self, x):
        mean = 26.0 * self.conv(x)
        return mean + 0.05 * torch.randn_like(mean)


class LatentUNet(nn.Module):
    def __init__(self, ch=32):
        super().__init__()
        self.conv_in = nn.Conv2d(4, ch, 3, padding=1)
        self.time_proj = nn.Embedding(1000, ch)
        self.mid = nn.Conv2d(ch, ch, 3, padding=1)
        self.conv_out = nn.Conv2d(ch, 4, 3, padding=1)

    def forward(self, sample, timestep):
        h = F.silu(self.conv_in(sample) + self.time_proj(timestep)[:, :, None, None])
        return self.conv_out(F.silu(self.mid(h)))


def pictures(n):
    """Two-colour pictures with a soft horizon."""
    row = torch.linspace(-1, 1, 32).view(1, 1, 32, 1)
    sky, ground = torch.rand(n, 3, 1, 1) * 2 - 1, torch.rand(n, 3, 1, 1) * 2 - 1
    mask = torch.sigmoid(6 * (row - torch.rand(n, 1, 1, 1) + 0.5))
    return (sky * (1 - mask) + ground * mask).expand(n, 3, 32, 32)


vae = AutoencoderStub()
unet = LatentUNet()
noise_scheduler = DDPMScheduler(
    num_train_timesteps=1000, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
)

# Convert images to latent space once, the VAE is frozen
with torch.no_grad():
    latents = torch.cat([vae.encode(pixel_values) for pixel_values in pictures(1024).split(256)])


def train_loss(unet, latents):
    # Sample noise that we'll add to the latents
    noise = torch.randn_like(latents)
    bsz = latents.shape[0]
    # Sample a random timestep for each image
    timesteps = torch.randint(0, noise_scheduler.config.num_train_timesteps, (bsz,)).long()
    # Add noise to the latents according to the noise magnitude at each timestep
    noisy_latents = noise_scheduler.add_noise(latents, noise, timesteps)
    model_pred = unet(noisy_latents, timesteps)
    return F.mse_loss(model_pred.float(), noise.float(), reduction="mean")


del vae
data = latents
schedule = noise_scheduler
loss = train_loss
