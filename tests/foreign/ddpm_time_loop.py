"""Sampling loop rewritten without `reversed(range(...))`, which confused my students."""

import torch
import torch.nn.functional as F

n_steps = 200
torch.manual_seed(0)

beta = torch.linspace(5e-4, 0.1, n_steps)
alpha = 1 - beta
alpha_bar = alpha.cumprod(0)


def forward_diffusion(x0, t):
    """x_t and the noise that is in it"""
    noise = torch.randn_like(x0)
    a = alpha_bar[t].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise, noise


def train_loss(model, x0):
    t = torch.randint(0, n_steps, (x0.shape[0],))
    x_t, noise = forward_diffusion(x0, t)
    return F.mse_loss(model(x_t, t), noise)


def denoise_step(model, x, i):
    t = torch.full((x.shape[0],), i, dtype=torch.long)
    eps = model(x, t)
    mean = (x - beta[i] / (1 - alpha_bar[i]).sqrt() * eps) / alpha[i].sqrt()
    if i == 0:
        return mean  # the last step is without noise
    return mean + beta[i].sqrt() * torch.randn_like(x)


@torch.no_grad()
def generate(model, shape):
    was_training = model.training
    model.eval()
    x = torch.randn(shape)
    i = 0
    while i < n_steps:  # n_steps denoising steps
        x = denoise_step(model, x, i)
        i += 1
    model.train(was_training)
    return x


images = torch.rand(500, 3, 8, 8).round() * 2 - 1  # random binary textures

data, schedule, loss, sampler = images, beta, train_loss, generate
