import math

import torch
import torch.nn.functional as F

# -----------------------------------------------------------------------------
# hyperparameters
timesteps = 150
image_size = 8
seed = 1337
# -----------------------------------------------------------------------------
torch.manual_seed(seed)


def cosine_beta_schedule(timesteps, s=0.008):
    x = torch.linspace(0, timesteps, timesteps + 1)
    alphas_cumprod = torch.cos(((x / timesteps) + s) / (1 + s) * math.pi * 0.5) ** 2
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    betas = 1 - (alphas_cumprod[1:] / alphas_cumprod[:-1])
    return torch.clip(betas, 0.0001, 0.9999)


betas = cosine_beta_schedule(timesteps)
alphas = 1.0 - betas
alphas_cumprod = torch.cumprod(alphas, axis=0)
alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)


def p_sample(model, x, t_index):
    t = torch.full((x.shape[0],), t_index, dtype=torch.long)
    # x_0 from the predicted noise, then the mean of the posterior
    ac, ac_prev = alphas_cumprod[t_index], alphas_cumprod_prev[t_index]
    x0 = (x - (1 - ac).sqrt() * model(x, t)) / ac.sqrt()
    mean = (ac_prev.sqrt() * betas[t_index] * x0 + alphas[t_index].sqrt() * (1 - ac_prev) * x) / (1 - ac)
    if t_index == 0:
        return mean
    return mean + posterior_variance[t_index].sqrt() * torch.randn_like(x)


def p_sample_loop(model, shape):
    """returns the whole trajectory, for the animation"""
    model.eval()
    img = torch.randn(shape)
    imgs = []
    for i in reversed(range(0, timesteps)):
        img = p_sample(model, img, i)
        imgs.append(img)
    model.train()
    return imgs


def sampler(model, shape):
    return p_sample_loop(model, shape)[-1]


# arrows
arrow = -torch.ones(8, 8)
arrow[3:5, 1:7] = 1
arrow[2, 5] = arrow[5, 5] = arrow[1, 4] = arrow[6, 4] = 1
data = torch.stack(
    [torch.rot90(arrow, int(k)) * float(s) for k, s in zip(torch.arange(512) % 4, torch.rand(512) * 0.5 + 0.5)]
)
data = data[:, None]
schedule = betas
