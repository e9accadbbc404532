"""Keras' "Denoising Diffusion Implicit Models" example, ported to PyTorch with a table of 500 diffusion times, 50 of them in sampling."""

import math

import torch
from torch import nn

torch.manual_seed(33)

# sampling
min_signal_rate = 0.02
max_signal_rate = 0.999
num_times = 500

# architecture
embedding_dims = 32
embedding_max_frequency = 1000.0


def sinusoidal_embedding(x):
    frequencies = torch.exp(torch.linspace(0.0, math.log(embedding_max_frequency), embedding_dims // 2))
    angular_speeds = 2.0 * math.pi * frequencies
    return torch.cat([torch.sin(angular_speeds * x), torch.cos(angular_speeds * x)], dim=1)


class Network(nn.Module):
    def __init__(self, pixels=144, width=128):
        super().__init__()
        self.pixels = nn.Linear(pixels, width)
        self.times = nn.Linear(embedding_dims, width)
        self.hidden = nn.Linear(width, width)
        self.noises = nn.Linear(width, pixels)

    def forward(self, noisy_images, times):
        h = self.pixels(noisy_images.flatten(1))
        h = h + self.times(sinusoidal_embedding(times[:, None].float() / num_times))
        h = nn.functional.silu(self.hidden(nn.functional.silu(h)))
        return self.noises(h).view_as(noisy_images)


def diffusion_schedule(diffusion_times):
    # diffusion times -> angles
    start_angle = math.acos(max_signal_rate)
    end_angle = math.acos(min_signal_rate)
    diffusion_angles = start_angle + diffusion_times * (end_angle - start_angle)
    # angles -> signal and noise rates: their squares add up to 1
    signal_rates = torch.cos(diffusion_angles)
    noise_rates = torch.sin(diffusion_angles)
    return noise_rates, signal_rates


def rates_at(t):
    return diffusion_schedule((t.float() / (num_times - 1)).view(-1, 1, 1, 1))


def diffuse(images, t, noises=None):
    if noises is None:
        noises = torch.randn_like(images)
    noise_rates, signal_rates = rates_at(t)
    # mix the images with noises accordingly
    return signal_rates * images + noise_rates * noises


def train_step_loss(network, images):
    noises = torch.randn_like(images)
    # sample uniform random diffusion times
    t = torch.randint(0, num_times, (len(images),))
    noisy_images = diffuse(images, t, noises)
    pred_noises = network(noisy_images, t)
    return nn.functional.l1_loss(pred_noises, noises)  # used for training


@torch.no_grad()
def generate(network, shape, diffusion_steps=50):
    # reverse diffusion = sampling
    pred_images = torch.randn(shape)
    next_noisy_images = pred_images
    for step in range(diffusion_steps):
        noisy_images = next_noisy_images
        t = torch.full((shape[0],), num_times - 1 - step * num_times // diffusion_steps)
        noise_rates, signal_rates = rates_at(t)
        pred_noises = network(noisy_images, t)
        pred_images = (noisy_images - noise_rates * pred_noises) / signal_rates
        next_noise_rates, next_signal_rates = rates_at((t - num_times // diffusion_steps).clamp(min=0))
        next_noisy_images = next_signal_rates * pred_images + next_noise_rates * pred_noises
    return pred_images


# petals: r = |cos(k phi)|, drawn 12x12
def petals(n, size=12):
    g = torch.linspace(-1, 1, size)
    yy, xx = torch.meshgrid(g, g, indexing="ij")
    radius, phi = (xx**2 + yy**2).sqrt(), torch.atan2(yy, xx)
    k = torch.randint(1, 4, (n, 1, 1))
    turn = torch.rand(n, 1, 1) * math.pi
    edge = torch.cos(k * phi + turn).abs() * (0.6 + 0.4 * torch.rand(n, 1, 1))
    return torch.tanh(6 * (edge - radius)).unsqueeze(1)


images = petals(1500)
# the Keras example has a Normalization layer, the network sees unit variance
data = (images - images.mean()) / images.std()

net = Network()
schedule = rates_at(torch.arange(num_times))[1].flatten() ** 2  # alpha bar
q_sample = diffuse
loss = train_step_loss
sampler = generate
