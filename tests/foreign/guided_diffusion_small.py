"""
A much reduced port of GaussianDiffusion: fixed small variance, epsilon prediction.
"""

import numpy as np
import torch as th
from torch import nn


def get_named_beta_schedule(schedule_name, num_diffusion_timesteps):
    if schedule_name == "linear":
        # Linear schedule from Ho et al.
        beta_start = 0.0001
        beta_end = 0.02
        return np.linspace(beta_start, beta_end, num_diffusion_timesteps, dtype=np.float64)
    raise NotImplementedError(f"unknown beta schedule: {schedule_name}")


def mean_flat(tensor):
    return tensor.mean(dim=list(range(1, len(tensor.shape))))


def _extract_into_tensor(arr, timesteps, broadcast_shape):
    res = th.from_numpy(arr).to(device=timesteps.device)[timesteps].float()
    while len(res.shape) < len(broadcast_shape):
        res = res[..., None]
    return res.expand(broadcast_shape)


class GaussianDiffusion:
    def __init__(self, *, betas):
        betas = np.array(betas, dtype=np.float64)
        self.betas = betas
        assert len(betas.shape) == 1, "betas must be 1-D"
        assert (betas > 0).all() and (betas <= 1).all()
        self.num_timesteps = int(betas.shape[0])
        alphas = 1.0 - betas
        self.alphas_cumprod = np.cumprod(alphas, axis=0)
        self.alphas_cumprod_prev = np.append(1.0, self.alphas_cumprod[:-1])
        self.sqrt_alphas_cumprod = np.sqrt(self.alphas_cumprod)
        self.sqrt_one_minus_alphas_cumprod = np.sqrt(1.0 - self.alphas_cumprod)
        self.sqrt_recip_alphas_cumprod = np.sqrt(1.0 / self.alphas_cumprod)
        self.sqrt_recipm1_alphas_cumprod = np.sqrt(1.0 / self.alphas_cumprod - 1)
        self.posterior_variance = betas * (1.0 - self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)
        self.posterior_mean_coef1 = betas * np.sqrt(self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)
        self.posterior_mean_coef2 = (1.0 - self.alphas_cumprod_prev) * np.sqrt(alphas) / (1.0 - self.alphas_cumprod)

    def q_sample(self, x_start, t, noise=None):
        if noise is None:
            noise = th.randn_like(x_start)
        assert noise.shape == x_start.shape
        return (
            _extract_into_tensor(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
            + _extract_into_tensor(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise
        )

    def p_sample(self, model, x, t):
        eps = model(x, t)
        pred_xstart = (
            _extract_into_tensor(self.sqrt_recip_alphas_cumprod, t, x.shape) * x
            - _extract_into_tensor(self.sqrt_recipm1_alphas_cumprod, t, x.shape) * eps
        )
        mean = (
            _extract_into_tensor(self.posterior_mean_coef1, t, x.shape) * pred_xstart
            + _extract_into_tensor(self.posterior_mean_coef2, t, x.shape) * x
        )
        noise = th.randn_like(x)
        nonzero_mask = (t != 0).float().view(-1, *([1] * (len(x.shape) - 1)))  # no noise when t == 0
        return mean + nonzero_mask * th.sqrt(_extract_into_tensor(self.posterior_variance, t, x.shape)) * noise

    def p_sample_loop(self, model, shape):
        img = th.randn(*shape)
        for i in list(range(self.num_timesteps))[::-1]:
            t = th.tensor([i] * shape[0])
            with th.no_grad():
                img = self.p_sample(model, img, t)
        return img

    def training_losses(self, model, x_start, t, noise=None):
        if noise is None:
            noise = th.randn_like(x_start)
        x_t = self.q_sample(x_start, t, noise=noise)
        model_output = model(x_t, t)
        return {"loss": mean_flat((noise - model_output) ** 2)}


class MLP(nn.Module):
    def __init__(self, size=64, hidden=128):
        super().__init__()
        self.time_embed = nn.Sequential(nn.Linear(1, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.inp = nn.Linear(size, hidden)
        self.out = nn.Linear(hidden, size)

    def forward(self, x, timesteps):
        h = self.inp(x.flatten(1)) + self.time_embed(timesteps[:, None].float() / 100)
        return self.out(th.nn.functional.silu(h)).view_as(x)


th.manual_seed(0)
# 100 steps instead of 1000, it is only a laptop
diffusion = GaussianDiffusion(betas=get_named_beta_schedule("linear", 100))
mlp = MLP()

# bright squares on dark ground, in [-1, 1]
data = -th.ones(512, 1, 8, 8)
for i, (r, c, s) in enumerate(zip(th.randint(0, 5, (512,)), th.randint(0, 5, (512,)), th.randint(2, 5, (512,)))):
    data[i, 0, r : r + s, c : c + s] = 1.0

schedule = diffusion.betas
q_sample = diffusion.q_sample


def loss(model, x):
    t = th.randint(0, diffusion.num_timesteps, (len(x),))
    return diffusion.training_losses(model, x, t)["loss"].mean()


def sampler(model, shape):
    return diffusion.p_sample_loop(model, shape)
