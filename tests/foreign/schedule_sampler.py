"""Importance sampling of t, as ScheduleSampler of improved-diffusion does it: weights p_t, and losses divided by T p_t."""

import numpy as np
import torch as th


class ScheduleSampler:
    def weights(self):
        raise NotImplementedError

    def sample(self, batch_size):
        w = self.weights()
        p = w / np.sum(w)
        indices_np = np.random.choice(len(p), size=(batch_size,), p=p)
        indices = th.from_numpy(indices_np).long()
        weights = th.from_numpy(1 / (len(p) * p[indices_np])).float()
        return indices, weights


class SnrSampler(ScheduleSampler):
    """Looks more often at the middle of the schedule, never leaves a step out."""

    def __init__(self, alphas_cumprod, uniform_prob=0.3):
        logsnr = np.log(alphas_cumprod / (1 - alphas_cumprod))
        bell = np.exp(-0.5 * (logsnr / 2.0) ** 2)
        self._weights = (1 - uniform_prob) * bell / bell.sum() + uniform_prob / len(bell)

    def weights(self):
        return self._weights


np.random.seed(0)
th.manual_seed(0)
betas = np.linspace(1e-4, 2e-2, 1000, dtype=np.float64)
alphas_cumprod = np.cumprod(1 - betas)
schedule_sampler = SnrSampler(alphas_cumprod)
sqrt_ac = th.from_numpy(np.sqrt(alphas_cumprod)).float()
sqrt_1mac = th.from_numpy(np.sqrt(1 - alphas_cumprod)).float()


def q_sample(x_start, t, noise):
    return sqrt_ac[t][:, None, None, None] * x_start + sqrt_1mac[t][:, None, None, None] * noise


def loss(model, x_start):
    t, weights = schedule_sampler.sample(len(x_start))
    noise = th.randn_like(x_start)
    mse = ((model(q_sample(x_start, t, noise), t) - noise) ** 2).mean(dim=(1, 2, 3))
    return (mse * weights).mean()


size = np.arange(10)
freq = np.random.uniform(0.2, 1.2, size=(900, 1, 1))
phase = np.random.uniform(0, 6.28, size=(900, 1, 1))
data = th.from_numpy(np.sin(freq * np.hypot(size[:, None] - 4.5, size[None] - 4.5) + phase)).float()[:, None]
schedule = betas
