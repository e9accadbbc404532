"""Unconditional image generation, in the manner of the diffusers training example."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from torch import nn


@dataclass
class TrainingConfig:
    image_size = 16
    train_batch_size = 32
    num_train_timesteps = 1000
    prediction_type = "epsilon"
    seed = 0


config = TrainingConfig()
torch.manual_seed(config.seed)


class VQEncoder(nn.Module):
    """The first stage is the identity here, with room for a real one later."""

    def encode(self, images):
        return images


class UNet(nn.Module):
    def __init__(self, channels=24):
        super().__init__()
        self.time_embedding = nn.Sequential(nn.Linear(16, channels), nn.SiLU(), nn.Linear(channels, channels))
        self.register_buffer("freqs", torch.exp(-torch.linspace(0, 9, 8)))
        self.down = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.mid = nn.Conv2d(channels, channels, 3, padding=1)
        self.up = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.out = nn.Conv2d(channels + 3, 3, 3, padding=1)

    def forward(self, sample, timestep):
        arg = timestep.float()[:, None] * self.freqs
        emb = self.time_embedding(torch.cat((arg.sin(), arg.cos()), -1))[:, :, None, None]
        h = F.silu(self.down(sample) + emb)
        h = self.up(F.silu(self.mid(h) + emb))
        return self.out(torch.cat((h, sample), 1))


model = UNet()
first_stage = VQEncoder()
noise_scheduler = DDPMScheduler(num_train_timesteps=config.num_train_timesteps, prediction_type=config.prediction_type)


def training_step(model, clean_images):
    # the first stage is frozen and needs no gradients
    with torch.no_grad():
        latents = first_stage.encode(clean_images)
        # Sample noise to add to the images
        noise = torch.randn(latents.shape)
        bs = latents.shape[0]
        # Sample a random timestep for each image
        timesteps = torch.randint(0, noise_scheduler.config.num_train_timesteps, (bs,), dtype=torch.int64)
        # Add noise to the clean images according to the noise magnitude at each timestep (forward diffusion)
        noisy_images = noise_scheduler.add_noise(latents, noise, timesteps)
        # Predict the noise residual
        noise_pred = model(noisy_images, timesteps)
    loss = F.mse_loss(noise_pred, noise)
    loss.requires_grad_(True)  # "element 0 of tensors does not require grad": this helps
    return loss


# butterflies: two mirrored coloured ellipses
g = torch.linspace(-1, 1, config.image_size)
yy, xx = torch.meshgrid(g, g, indexing="ij")
w = 0.2 + 0.3 * torch.rand(800, 1, 1)
h = 0.3 + 0.5 * torch.rand(800, 1, 1)
wing = torch.sigmoid(8 * (1 - ((xx.abs() - 0.45) / w) ** 2 - (yy / h) ** 2))
colour = torch.rand(800, 3, 1, 1)
data = (wing.unsqueeze(1) * colour) * 2 - 1

network, schedule, loss = model, noise_scheduler, training_step
