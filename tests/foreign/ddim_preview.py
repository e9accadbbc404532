"""DDIM sampler (Song et al., 2020), with a fast preview."""

import numpy as np
import torch


def make_ddim_timesteps(ddim_discr_method, num_ddim_timesteps, num_ddpm_timesteps):
    if ddim_discr_method == "uniform":
        ddim_timesteps = np.linspace(0, num_ddpm_timesteps - 1, num_ddim_timesteps).astype(int)
    elif ddim_discr_method == "quad":
        ddim_timesteps = (np.linspace(0, np.sqrt(num_ddpm_timesteps * 0.8), num_ddim_timesteps) ** 2).astype(int)
    else:
        raise NotImplementedError(ddim_discr_method)
    return ddim_timesteps


class DDIMSampler:
    def __init__(self, betas, ddim_num_steps=50, ddim_discretize="uniform", ddim_eta=0.0):
        self.ddpm_num_timesteps = len(betas)
        self.alphas_cumprod = np.cumprod(1.0 - np.asarray(betas), axis=0)
        self.ddim_timesteps = make_ddim_timesteps(ddim_discretize, ddim_num_steps, self.ddpm_num_timesteps)
        self.ddim_alphas = self.alphas_cumprod[self.ddim_timesteps]
        self.ddim_alphas_prev = np.append(1.0, self.ddim_alphas[:-1])
        self.ddim_sigmas = ddim_eta * np.sqrt(
            (1 - self.ddim_alphas_prev) / (1 - self.ddim_alphas) * (1 - self.ddim_alphas / self.ddim_alphas_prev)
        )

    @torch.no_grad()
    def sample(self, model, shape):
        img = torch.randn(shape)
        for index in reversed(range(len(self.ddim_timesteps))):
            step = int(self.ddim_timesteps[index])
            ts = torch.full((shape[0],), step, dtype=torch.long)
            e_t = model(img, ts)
            a_t, a_prev = float(self.ddim_alphas[index]), float(self.ddim_alphas_prev[index])
            sigma_t = float(self.ddim_sigmas[index])
            # current prediction for x_0
            pred_x0 = (img - (1.0 - a_t) ** 0.5 * e_t) / a_t**0.5
            # direction pointing to x_t
            dir_xt = (1.0 - a_prev - sigma_t**2) ** 0.5 * e_t
            noise = sigma_t * torch.randn(shape)
            img = a_prev**0.5 * pred_x0 + dir_xt + noise
        return img


torch.manual_seed(0)
betas = np.linspace(0.0001, 0.02, 1000)
PREVIEW_STEPS = 3  # quick look, full quality below takes a minute
FULL_STEPS = 50


def sample_images(model, shape, num_steps=PREVIEW_STEPS, eta=0.0):
    return DDIMSampler(betas, ddim_num_steps=num_steps, ddim_eta=eta).sample(model, shape)


def two_tone(n):
    x = torch.ones(n, 1, 12, 12)
    cut = torch.randint(2, 11, (n,))
    for i, c in enumerate(cut):
        x[i, :, :, :c] = -1
    return x


data = two_tone(600)
schedule = betas
sampler = sample_images
