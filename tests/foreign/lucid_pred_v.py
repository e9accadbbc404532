from functools import partial
from math import pi

import torch
import torch.nn.functional as F
from einops import reduce
from torch import nn
from tqdm.auto import tqdm


def extract(a, t, x_shape):
    b, *_ = t.shape
    return a.gather(-1, t).reshape(b, *((1,) * (len(x_shape) - 1)))


def sigmoid_beta_schedule(timesteps, start=-3, end=3, tau=1):
    """
    sigmoid schedule
    proposed in https://arxiv.org/abs/2212.11972 - Figure 8
    """
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64) / timesteps
    v_start, v_end = torch.tensor(start / tau).sigmoid(), torch.tensor(end / tau).sigmoid()
    alphas_cumprod = (-((t * (end - start) + start) / tau).sigmoid() + v_end) / (v_end - v_start)
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    betas = 1 - (alphas_cumprod[1:] / alphas_cumprod[:-1])
    return torch.clip(betas, 0, 0.999)


class GaussianDiffusion(nn.Module):
    def __init__(self, *, image_size, timesteps=1000, objective="pred_v", min_snr_gamma=5):
        super().__init__()
        self.image_size, self.objective = image_size, objective
        betas = sigmoid_beta_schedule(timesteps)
        alphas = 1.0 - betas
        alphas_cumprod = torch.cumprod(alphas, dim=0)
        alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
        self.num_timesteps = timesteps
        register_buffer = lambda name, val: self.register_buffer(name, val.to(torch.float32))  # noqa: E731
        register_buffer("betas", betas)
        register_buffer("alphas_cumprod", alphas_cumprod)
        register_buffer("sqrt_alphas_cumprod", torch.sqrt(alphas_cumprod))
        register_buffer("sqrt_one_minus_alphas_cumprod", torch.sqrt(1.0 - alphas_cumprod))
        posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)
        # log calculation clipped because the posterior variance is 0 at the beginning of the diffusion chain
        register_buffer("posterior_log_variance_clipped", torch.log(posterior_variance.clamp(min=1e-20)))
        register_buffer("posterior_mean_coef1", betas * torch.sqrt(alphas_cumprod_prev) / (1.0 - alphas_cumprod))
        coef2 = (1.0 - alphas_cumprod_prev) * torch.sqrt(alphas) / (1.0 - alphas_cumprod)
        register_buffer("posterior_mean_coef2", coef2)
        # derive loss weight: https://arxiv.org/abs/2303.09556
        snr = alphas_cumprod / (1 - alphas_cumprod)
        register_buffer("loss_weight", snr.clamp(max=min_snr_gamma) / (snr + 1))

    def predict_v(self, x_start, t, noise):
        return (
            extract(self.sqrt_alphas_cumprod, t, x_start.shape) * noise
            - extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * x_start
        )

    def predict_start_from_v(self, x_t, t, v):
        return (
            extract(self.sqrt_alphas_cumprod, t, x_t.shape) * x_t
            - extract(self.sqrt_one_minus_alphas_cumprod, t, x_t.shape) * v
        )

    def q_sample(self, x_start, t, noise=None):
        noise = torch.randn_like(x_start) if noise is None else noise
        return (
            extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
            + extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise
        )

    @torch.inference_mode()
    def p_sample(self, model, x, t: int):
        batched_times = torch.full((x.shape[0],), t, dtype=torch.long)
        x_start = self.predict_start_from_v(x, batched_times, model(x, batched_times))
        x_start.clamp_(-1.0, 1.0)
        mean = (
            extract(self.posterior_mean_coef1, batched_times, x.shape) * x_start
            + extract(self.posterior_mean_coef2, batched_times, x.shape) * x
        )
        noise = torch.randn_like(x) if t > 0 else 0.0  # no noise if t == 0
        return mean + (0.5 * extract(self.posterior_log_variance_clipped, batched_times, x.shape)).exp() * noise

    def p_sample_loop(self, model, shape):
        img = torch.randn(shape)
        for t in tqdm(reversed(range(0, self.num_timesteps)), total=self.num_timesteps, disable=True):
            img = self.p_sample(model, img, t)
        return img

    def p_losses(self, model, x_start):
        t = torch.randint(0, self.num_timesteps, (x_start.shape[0],)).long()
        noise = torch.randn_like(x_start)
        target = self.predict_v(x_start, t, noise)
        loss = F.mse_loss(model(self.q_sample(x_start, t, noise), t), target, reduction="none")
        loss = reduce(loss, "b ... -> b", "mean")
        return (loss * extract(self.loss_weight, t, loss.shape)).mean()


torch.manual_seed(0)
diffusion = GaussianDiffusion(image_size=8, timesteps=500)

# moire: signs of a product of two waves
n, k = 800, torch.arange(8)
fx, fy = torch.rand(2, n, 1, 1).mul(pi / 2).unbind(0)
data = torch.sign(torch.cos(fx * k[None, None]) * torch.cos(fy * k[None, :, None]) + 0.1)[:, None]
schedule = diffusion.betas
predicts = "v"
q_sample = diffusion.q_sample
loss = diffusion.p_losses
sampler = partial(diffusion.p_sample_loop)
