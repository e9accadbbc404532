"""
# Denoising Diffusion Probabilistic Models (DDPM), after the annotated implementation of labml.ai
"""

from typing import Optional

import torch
import torch.nn.functional as F
import torch.utils.data
from torch import nn


def gather(consts: torch.Tensor, t: torch.Tensor):
    """Gather consts for $t$ and reshape to feature map shape"""
    c = consts.gather(-1, t)
    return c.reshape(-1, 1, 1, 1)


class DenoiseDiffusion:
    def __init__(self, eps_model: nn.Module, n_steps: int):
        self.eps_model = eps_model
        # Create $\beta_1, \dots, \beta_T$ linearly increasing variance schedule
        self.beta = torch.linspace(0.0001, 0.02, n_steps)
        # $\alpha_t = 1 - \beta_t$
        self.alpha = 1.0 - self.beta
        # $\bar\alpha_t = \prod_{s=1}^t \alpha_s$
        self.alpha_bar = torch.cumprod(self.alpha, dim=0)
        self.n_steps = n_steps
        # $\sigma^2 = \beta$
        self.sigma2 = self.beta

    def q_xt_x0(self, x0: torch.Tensor, t: torch.Tensor):
        """Get $q(x_t|x_0)$ distribution"""
        a = gather(self.alpha, t)
        mean = a**0.5 * x0
        var = 1 - a
        return mean, var

    def q_sample(self, x0: torch.Tensor, t: torch.Tensor, eps: Optional[torch.Tensor] = None):
        if eps is None:
            eps = torch.randn_like(x0)
        mean, var = self.q_xt_x0(x0, t)
        return mean + (var**0.5) * eps

    def p_sample(self, xt: torch.Tensor, t: torch.Tensor):
        eps_theta = self.eps_model(xt, t)
        alpha_bar = gather(self.alpha_bar, t)
        alpha = gather(self.alpha, t)
        eps_coef = (1 - alpha) / (1 - alpha_bar) ** 0.5
        mean = 1 / (alpha**0.5) * (xt - eps_coef * eps_theta)
        var = gather(self.sigma2, t)
        eps = torch.randn(xt.shape)
        return mean + (var**0.5) * eps

    def loss(self, x0: torch.Tensor, noise: Optional[torch.Tensor] = None):
        batch_size = x0.shape[0]
        t = torch.randint(0, self.n_steps, (batch_size,), dtype=torch.long)
        if noise is None:
            noise = torch.randn_like(x0)
        xt = self.q_sample(x0, t, eps=noise)
        eps_theta = self.eps_model(xt, t)
        return F.mse_loss(noise, eps_theta)


class EpsModel(nn.Module):
    def __init__(self, n_channels: int = 16, n_steps: int = 1000):
        super().__init__()
        self.time = nn.Embedding(n_steps, n_channels)
        self.first = nn.Conv2d(1, n_channels, 3, padding=1)
        self.act = nn.SiLU()
        self.last = nn.Conv2d(n_channels, 1, 3, padding=1)

    def forward(self, x: torch.Tensor, t: torch.Tensor):
        return self.last(self.act(self.first(x) + self.time(t)[:, :, None, None]))


torch.manual_seed(1)
eps_model = EpsModel()
diffusion = DenoiseDiffusion(eps_model, n_steps=1000)


def blobs(n, size=16):
    g = torch.linspace(-1, 1, size)
    yy, xx = torch.meshgrid(g, g, indexing="ij")
    cx, cy = torch.rand(n, 1, 1) - 0.5, torch.rand(n, 1, 1) - 0.5
    r = 0.15 + 0.3 * torch.rand(n, 1, 1)
    return (2 * torch.exp(-((xx - cx) ** 2 + (yy - cy) ** 2) / (2 * r**2)) - 1).unsqueeze(1)


data = blobs(1024)
schedule = diffusion.beta
q_sample = diffusion.q_sample


def loss(model, x0):
    return DenoiseDiffusion(model, 1000).loss(x0)
