"""Answers to the exercises of lesson 02."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong

from diffcourse import DiffusionSchedule

BARS = DiffusionSchedule.linear().alpha_bars


def per_image(v):
    return v.view(-1, 1, 1, 1)


def noised(x0, t, noise, alpha_bars):
    bars = per_image(alpha_bars[t]).to(x0.dtype)
    return bars.sqrt() * x0 + (1 - bars).sqrt() * noise


def cosine_squared(T, s):
    """f(t) for t = 0 … T."""
    return torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2


def posterior(x0, x_t, t, betas, alpha_bars, previous=None):
    """Mean and variance of q(x_{t-1} | x_t, x_0); `previous` stands for alpha_bar_{t-1}."""
    if previous is None:
        previous = alpha_bars[t - 1] if t > 0 else torch.ones((), dtype=alpha_bars.dtype)
    beta, bar = betas[t], alpha_bars[t]
    mean = previous.sqrt() * beta / (1 - bar) * x0 + (1 - beta).sqrt() * (1 - previous) / (1 - bar) * x_t
    return mean, beta * (1 - previous) / (1 - bar)


def reverse_mean(x_t, eps, t, betas, alpha_bars):
    return (x_t - betas[t] / (1 - alpha_bars[t]).sqrt() * eps) / (1 - betas[t]).sqrt()


def kl_terms(mean_q, var_q, mean_p, var_p):
    """The KL of each coordinate."""
    return 0.5 * (var_q / var_p - 1 - torch.log(var_q / var_p) + (mean_q - mean_p) ** 2 / var_p)


def x0_factor(t, betas, alpha_bars):
    """The factor of x_0 in the posterior's mean, for t >= 1."""
    return alpha_bars[t - 1].sqrt() * betas[t] / (1 - alpha_bars[t])


def variance(t, betas, alpha_bars):
    """The posterior's, for t >= 1."""
    return betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t])


def right_weights(betas, alpha_bars):
    return betas[1:] / (2 * (1 - betas[1:]) * (1 - alpha_bars[:-1]))


# -- 02.forward_step -------------------------------------------------------------------------------------------------


@wrong("02.forward_step", "both under one root")
def _(x, beta, noise):
    return (1 - beta) ** 0.5 * (x + noise)


@wrong("02.forward_step", "noise of its own")
def _(x, beta, noise):
    return (1 - beta) ** 0.5 * x + beta**0.5 * torch.randn_like(x)


@wrong("02.forward_step", "the root of a sum of squares")
def _(x, beta, noise):
    return ((1 - beta) * x**2 + beta * noise**2) ** 0.5


@wrong("02.forward_step", "in place")
def _(x, beta, noise):
    x *= (1 - beta) ** 0.5
    x += beta**0.5 * noise
    return x


@wrong("02.forward_step", "the sign of the noise")
def _(x, beta, noise):
    return (1 - beta) ** 0.5 * x - beta**0.5 * noise


@wrong("02.forward_step", "torch.normal, which draws for itself")
def _(x, beta, noise):
    return torch.normal((1 - beta) ** 0.5 * x, beta**0.5)


@right("02.forward_step", "a loop")
def _(x, beta, noise):
    return torch.stack([math.sqrt(1 - beta) * a + math.sqrt(beta) * b for a, b in zip(x, noise)])


@right("02.forward_step", "float64")
def _(x, beta, noise):
    return (1 - beta) ** 0.5 * x.double() + beta**0.5 * noise.double()


@right("02.forward_step", "mul and add")
def _(x, beta, noise):
    return x.mul((1 - beta) ** 0.5).add(noise, alpha=beta**0.5)


# -- 02.alpha_bars ---------------------------------------------------------------------------------------------------


@wrong("02.alpha_bars", "1 minus the sum")
def _(betas):
    return 1 - torch.cumsum(betas, 0)


@wrong("02.alpha_bars", "the product of the roots")
def _(betas):
    return torch.cumprod((1 - betas).sqrt(), 0)


@wrong("02.alpha_bars", "powers of each alpha")
def _(betas):
    return (1 - betas) ** torch.arange(1, len(betas) + 1)


@wrong("02.alpha_bars", "from the end")
def _(betas):
    return torch.cumprod((1 - betas).flip(0), 0).flip(0)


@wrong("02.alpha_bars", "one product")
def _(betas):
    return torch.prod(1 - betas)


@wrong("02.alpha_bars", "half precision")
def _(betas):
    return torch.cumprod(1 - betas.half(), 0)


@right("02.alpha_bars", "a loop")
def _(betas):
    out = []
    p = 1.0
    for b in betas.tolist():
        p *= 1 - b
        out.append(p)
    return torch.tensor(out)


@right("02.alpha_bars", "by logarithms")
def _(betas):
    return torch.exp(torch.log1p(-betas).cumsum(0))


@right("02.alpha_bars", "products of beginnings")
def _(betas):
    return torch.stack([(1 - betas[: i + 1]).prod() for i in range(len(betas))])


@right("02.alpha_bars", "float32")
def _(betas):
    return torch.cumprod(1 - betas.float(), 0)


# -- 02.q_sample -----------------------------------------------------------------------------------------------------


@wrong("02.q_sample", "no reshaping")
def _(x0, t, alpha_bars, noise):
    return alpha_bars[t].sqrt() * x0 + (1 - alpha_bars[t]).sqrt() * noise


@wrong("02.q_sample", "the step before")
def _(x0, t, alpha_bars, noise):
    return per_image(alpha_bars[t - 1]).sqrt() * x0 + (1 - per_image(alpha_bars[t - 1])).sqrt() * noise


@wrong("02.q_sample", "1 - sqrt(alpha_bar) for the noise")
def _(x0, t, alpha_bars, noise):
    return per_image(alpha_bars[t]).sqrt() * x0 + (1 - per_image(alpha_bars[t]).sqrt()) * noise


@wrong("02.q_sample", "alpha_bars taken for betas")
def _(x0, t, alpha_bars, noise):
    return (
        per_image(torch.cumprod(1 - alpha_bars, 0)[t]).sqrt() * x0
        + (1 - per_image(torch.cumprod(1 - alpha_bars, 0)[t])).sqrt() * noise
    )


@wrong("02.q_sample", "reshaped to channels")
def _(x0, t, alpha_bars, noise):
    return alpha_bars[t].view(1, -1, 1, 1).sqrt() * x0 + (1 - alpha_bars[t].view(1, -1, 1, 1)).sqrt() * noise


@wrong("02.q_sample", "the noise without its root")
def _(x0, t, alpha_bars, noise):
    return per_image(alpha_bars[t]).sqrt() * x0 + (1 - per_image(alpha_bars[t])) * noise


@wrong("02.q_sample", "the mean level")
def _(x0, t, alpha_bars, noise):
    return alpha_bars[t].mean().sqrt() * x0 + (1 - alpha_bars[t].mean()).sqrt() * noise


@right("02.q_sample", "einsum")
def _(x0, t, alpha_bars, noise):
    return torch.einsum("b,bchw->bchw", alpha_bars[t].sqrt().to(x0.dtype), x0) + torch.einsum(
        "b,bchw->bchw", (1 - alpha_bars[t]).sqrt().to(x0.dtype), noise
    )


@right("02.q_sample", "gather")
def _(x0, t, alpha_bars, noise, **more):
    bars = alpha_bars.gather(-1, t).reshape(len(t), *[1] * (x0.ndim - 1))
    return bars.sqrt() * x0 + (1 - bars).sqrt() * noise


# -- 02.noise_row ----------------------------------------------------------------------------------------------------


@wrong("02.noise_row", "fresh noise every time")
def _(image, times, alpha_bars, noise):
    return torch.stack(
        [alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * torch.randn_like(image) for t in times]
    )


@wrong("02.noise_row", "a list")
def _(image, times, alpha_bars, noise):
    return [alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise for t in times]


@wrong("02.noise_row", "joined along the channels")
def _(image, times, alpha_bars, noise):
    return torch.cat([alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise for t in times])


@wrong("02.noise_row", "stacked along the wrong dimension")
def _(image, times, alpha_bars, noise):
    return torch.stack([alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise for t in times], 1)


@wrong("02.noise_row", "the first time for all")
def _(image, times, alpha_bars, noise):
    return torch.stack([alpha_bars[times[0]].sqrt() * image + (1 - alpha_bars[times[0]]).sqrt() * noise for t in times])


@wrong("02.noise_row", "the signal without its root")
def _(image, times, alpha_bars, noise):
    return torch.stack([alpha_bars[t] * image + (1 - alpha_bars[t]).sqrt() * noise for t in times])


@right("02.noise_row", "as a batch")
def _(image, times, alpha_bars, noise):
    n = len(times)
    return noised(image.expand(n, *image.shape), torch.tensor(times), noise.expand(n, *noise.shape), alpha_bars)


# -- 02.snr ----------------------------------------------------------------------------------------------------------


@wrong("02.snr", "a ratio of amplitudes")
def _(alpha_bars):
    return (alpha_bars / (1 - alpha_bars)).sqrt()


@wrong("02.snr", "upside down")
def _(alpha_bars):
    return (1 - alpha_bars) / alpha_bars


@wrong("02.snr", "its logarithm")
def _(alpha_bars):
    return torch.log(alpha_bars / (1 - alpha_bars))


@wrong("02.snr", "squared")
def _(alpha_bars):
    return (alpha_bars / (1 - alpha_bars)) ** 2


@wrong("02.snr", "a difference")
def _(alpha_bars):
    return alpha_bars - (1 - alpha_bars)


@wrong("02.snr", "the root of the signal alone")
def _(alpha_bars):
    return alpha_bars.sqrt() / (1 - alpha_bars)


@right("02.snr", "one over the ratio")
def _(alpha_bars):
    return 1 / (1 / alpha_bars - 1)


@right("02.snr", "a loop")
def _(alpha_bars):
    return torch.tensor([a / (1 - a) for a in alpha_bars.tolist()])


@right("02.snr", "torch.logit")
def _(alpha_bars):
    return torch.logit(alpha_bars).exp()


# -- 02.lost_at ------------------------------------------------------------------------------------------------------


wrong("02.lost_at", "one too early")(258)
wrong("02.lost_at", "that of the cosine schedule")(496)
wrong("02.lost_at", "far too late")(740)
wrong("02.lost_at", "between two indices")(258.6)
wrong("02.lost_at", "the mask itself")(BARS / (1 - BARS) < 1)
wrong("02.lost_at", "all such indices")((BARS / (1 - BARS) < 1).nonzero())
right("02.lost_at", "a number")(259)
right("02.lost_at", "a NumPy number")(np.int64(259))
right("02.lost_at", "argmax of the mask")((BARS / (1 - BARS) < 1).int().argmax())
# Right: a tensor of one element is taken for its number.
right("02.lost_at", "a tensor that holds one number")((BARS / (1 - BARS) < 1).nonzero()[0])


# -- 02.cosine_betas -------------------------------------------------------------------------------------------------


@wrong("02.cosine_betas", "not held below 0.999")
def _(T, s=0.008):
    f = cosine_squared(T, s)
    return 1 - f[1:] / f[:-1]


@wrong("02.cosine_betas", "held above 0.0001 as well")
def _(T, s=0.008):
    f = cosine_squared(T, s)
    return (1 - f[1:] / f[:-1]).clamp(0.0001, 0.999)


@wrong("02.cosine_betas", "alpha_bar instead of beta")
def _(T, s=0.008):
    f = cosine_squared(T, s)
    return f[1:] / f[0]


@wrong("02.cosine_betas", "alpha instead of beta")
def _(T, s=0.008):
    f = cosine_squared(T, s)
    return f[1:] / f[:-1]


@wrong("02.cosine_betas", "1 - alpha_bar")
def _(T, s=0.008):
    f = cosine_squared(T, s)
    return (1 - f[1:] / f[0]).clamp(max=0.999)


@wrong("02.cosine_betas", "s is ignored")
def _(T, s=0.008):
    f = cosine_squared(T, 0.008)
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@wrong("02.cosine_betas", "without s")
def _(T, s=0.008):
    f = cosine_squared(T, 0.0)
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@wrong("02.cosine_betas", "divided by T + 1")
def _(T, s=0.008):
    f = torch.cos((torch.arange(T + 1) / (T + 1) + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@wrong("02.cosine_betas", "the ratio upside down")
def _(T, s=0.008):
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[:-1] / f[1:]).clamp(max=0.999)


@wrong("02.cosine_betas", "in degrees")
def _(T, s=0.008):
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * 90) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@right("02.cosine_betas", "a loop")
def _(T, s=0.008):
    def f(t):
        return math.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2

    return torch.tensor([min(1 - f(t) / f(t - 1), 0.999) for t in range(1, T + 1)])


@right("02.cosine_betas", "linspace, with a keyword argument")
def _(T, s=0.008, max_beta=0.999):
    f = torch.cos((torch.linspace(0, 1, T + 1) + s) / (1 + s) * math.pi / 2).square()
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta)


# -- 02.signal_at_500 ------------------------------------------------------------------------------------------------


wrong("02.signal_at_500", "the factor of the noise")((0.96, 0.712))
wrong("02.signal_at_500", "one index too early")((0.28, 0.703))
wrong("02.signal_at_500", "one number")(0.279)
wrong("02.signal_at_500", "both factors of both")(((0.279, 0.96), (0.702, 0.712)))
wrong("02.signal_at_500", "in per cent")((27.9, 70.2))
right("02.signal_at_500", "a list")([0.279, 0.702])
right("02.signal_at_500", "two tensors without dimensions")((torch.tensor(0.2789), torch.tensor(0.7017)))
right("02.signal_at_500", "NumPy numbers")((np.float64(0.279), np.float32(0.702)))
# Right: a tensor is taken for a tuple of numbers.
right("02.signal_at_500", "a tensor that holds both")(torch.tensor([0.2789, 0.7017]))


# -- 02.wasted -------------------------------------------------------------------------------------------------------


@wrong("02.wasted", "the count")
def _(alpha_bars, threshold=0.01):
    return float((alpha_bars < threshold).sum())


@wrong("02.wasted", "the share above")
def _(alpha_bars, threshold=0.01):
    return (alpha_bars > threshold).double().mean().item()


@wrong("02.wasted", "in per cent")
def _(alpha_bars, threshold=0.01):
    return 100 * (alpha_bars < threshold).double().mean().item()


@wrong("02.wasted", "amplitude instead of variance")
def _(alpha_bars, threshold=0.01):
    return (alpha_bars.sqrt() < threshold).double().mean().item()


@wrong("02.wasted", "the ratio of signal and noise")
def _(alpha_bars, threshold=0.01):
    return (alpha_bars / (1 - alpha_bars) < threshold).double().mean().item()


@wrong("02.wasted", "at most instead of less")
def _(alpha_bars, threshold=0.01):
    return (alpha_bars <= threshold).double().mean().item()


@wrong("02.wasted", "divided by 1000")
def _(alpha_bars, threshold=0.01):
    return (alpha_bars < threshold).sum().item() / 1000


@right("02.wasted", "a loop")
def _(alpha_bars, threshold=0.01):
    return sum(1 for a in alpha_bars if a < threshold) / len(alpha_bars)


@right("02.wasted", "NumPy")
def _(alpha_bars, threshold=0.01):
    return (alpha_bars.numpy() < threshold).mean()


@right("02.wasted", "count_nonzero")
def _(alpha_bars, threshold=0.01):
    return torch.count_nonzero(alpha_bars < threshold) / alpha_bars.numel()


# -- 02.posterior ----------------------------------------------------------------------------------------------------


@wrong("02.posterior", "alpha_bars[-1] at t = 0")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars, alpha_bars[t - 1])


@wrong("02.posterior", "beta for the variance")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars)[0], betas[t]


@wrong("02.posterior", "beta for the variance at t = 0")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars) if t > 0 else (x0, betas[0])


@wrong("02.posterior", "x_t for the mean at t = 0")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars) if t > 0 else (x_t, torch.tensor(0.0))


@wrong("02.posterior", "alpha_bar_t in the place of alpha_bar_{t-1}")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars, alpha_bars[t])


@wrong("02.posterior", "alpha_bar in the place of alpha")
def _(x0, x_t, t, betas, alpha_bars):
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    b = betas[t]
    a = alpha_bars[t]
    return prev.sqrt() * b / (1 - a) * x0 + a.sqrt() * (1 - prev) / (1 - a) * x_t, b * (1 - prev) / (1 - a)


@wrong("02.posterior", "the mean alone")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars)[0]


@wrong("02.posterior", "without the roots")
def _(x0, x_t, t, betas, alpha_bars):
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    b = betas[t]
    a = alpha_bars[t]
    return prev * b / (1 - a) * x0 + (1 - b) * (1 - prev) / (1 - a) * x_t, b * (1 - prev) / (1 - a)


@wrong("02.posterior", "alpha_bar_{-1} taken as 0")
def _(x0, x_t, t, betas, alpha_bars):
    return posterior(x0, x_t, t, betas, alpha_bars, alpha_bars[t - 1] if t > 0 else torch.zeros(()))


# Label corrected from right: the stub asks for a number or a tensor without dimensions.
@wrong("02.posterior", "the variance with a dimension")
def _(x0, x_t, t, betas, alpha_bars):
    m, v = posterior(x0, x_t, t, betas, alpha_bars)
    return m, v.reshape(1)


# Label corrected from right: the stub asks for a number or a tensor without dimensions.
@wrong("02.posterior", "the variance in x0's shape")
def _(x0, x_t, t, betas, alpha_bars):
    m, v = posterior(x0, x_t, t, betas, alpha_bars)
    return m, v.expand_as(m)


@right("02.posterior", "1 put before the table")
def _(x0, x_t, t, betas, alpha_bars):
    prev = F.pad(alpha_bars[:-1], (1, 0), value=1.0)[t]
    return posterior(x0, x_t, t, betas, alpha_bars, prev)


@right("02.posterior", "by precisions")
def _(x0, x_t, t, betas, alpha_bars):
    if t == 0:
        return x0.clone(), 0.0
    p = alpha_bars[t - 1]
    b = betas[t]
    a = 1 - b
    var = 1 / (a / b + 1 / (1 - p))
    return var * (a.sqrt() / b * x_t + p.sqrt() / (1 - p) * x0), var


@right("02.posterior", "plain numbers, with a keyword argument")
def _(x0, x_t, t, betas, alpha_bars, clip=False):
    b = betas[t].item()
    a = alpha_bars[t].item()
    p = alpha_bars[t - 1].item() if t else 1.0
    return math.sqrt(p) * b / (1 - a) * x0 + math.sqrt(1 - b) * (1 - p) / (1 - a) * x_t, b * (1 - p) / (1 - a)


# -- 02.reverse_mean -------------------------------------------------------------------------------------------------


@wrong("02.reverse_mean", "the noise alone is divided")
def _(x_t, eps, t, betas, alpha_bars):
    return x_t - betas[t] / (1 - alpha_bars[t]).sqrt() * eps / (1 - betas[t]).sqrt()


@wrong("02.reverse_mean", "multiplied by sqrt(alpha)")
def _(x_t, eps, t, betas, alpha_bars):
    return (x_t - betas[t] / (1 - alpha_bars[t]).sqrt() * eps) * (1 - betas[t]).sqrt()


@wrong("02.reverse_mean", "the noise subtracted as it is")
def _(x_t, eps, t, betas, alpha_bars):
    return x_t - eps


@wrong("02.reverse_mean", "sqrt(beta) as the factor")
def _(x_t, eps, t, betas, alpha_bars):
    return (x_t - betas[t].sqrt() * eps) / (1 - betas[t]).sqrt()


@wrong("02.reverse_mean", "the sign")
def _(x_t, eps, t, betas, alpha_bars):
    return (x_t + betas[t] / (1 - alpha_bars[t]).sqrt() * eps) / (1 - betas[t]).sqrt()


@wrong("02.reverse_mean", "fresh noise added")
def _(x_t, eps, t, betas, alpha_bars):
    return reverse_mean(x_t, eps, t, betas, alpha_bars) + betas[t].sqrt() * torch.randn_like(x_t)


@wrong("02.reverse_mean", "one index too early")
def _(x_t, eps, t, betas, alpha_bars):
    return reverse_mean(x_t, eps, t - 1, betas, alpha_bars)


@right("02.reverse_mean", "by way of the clean image")
def _(x_t, eps, t, betas, alpha_bars):
    x0 = (x_t - (1 - alpha_bars[t]).sqrt() * eps) / alpha_bars[t].sqrt()
    return posterior(x0, x_t, t, betas, alpha_bars)[0]


@right("02.reverse_mean", "reciprocal root")
def _(x_t, eps, t, betas, alpha_bars):
    return torch.rsqrt(1 - betas[t]) * (x_t - (1 - (1 - betas[t])) / torch.sqrt(1 - alpha_bars[t]) * eps)


@right("02.reverse_mean", "a loop")
def _(x_t, eps, t, betas, alpha_bars):
    return torch.stack([reverse_mean(a, b, t, betas, alpha_bars) for a, b in zip(x_t, eps)])


# -- 02.gaussian_kl --------------------------------------------------------------------------------------------------


@wrong("02.gaussian_kl", "1/2 is forgotten")
def _(mean_q, var_q, mean_p, var_p):
    return 2 * kl_terms(mean_q, var_q, mean_p, var_p).sum(1)


@wrong("02.gaussian_kl", "summed over the batch")
def _(mean_q, var_q, mean_p, var_p):
    return kl_terms(mean_q, var_q, mean_p, var_p).sum()


@wrong("02.gaussian_kl", "over the wrong dimension")
def _(mean_q, var_q, mean_p, var_p):
    return kl_terms(mean_q, var_q, mean_p, var_p).sum(0)


@wrong("02.gaussian_kl", "not summed")
def _(mean_q, var_q, mean_p, var_p):
    return kl_terms(mean_q, var_q, mean_p, var_p)


@wrong("02.gaussian_kl", "the other direction")
def _(mean_q, var_q, mean_p, var_p):
    return kl_terms(mean_p, var_p, mean_q, var_q).sum(1)


@wrong("02.gaussian_kl", "the sign of the logarithm")
def _(mean_q, var_q, mean_p, var_p):
    return (0.5 * (var_q / var_p - 1 + torch.log(var_q / var_p) + (mean_q - mean_p) ** 2 / var_p)).sum(1)


@wrong("02.gaussian_kl", "1 counted once, not in every coordinate")
def _(mean_q, var_q, mean_p, var_p):
    return 0.5 * ((var_q / var_p - torch.log(var_q / var_p) + (mean_q - mean_p) ** 2 / var_p).sum(1) - 1)


@wrong("02.gaussian_kl", "the shift divided by the other variance")
def _(mean_q, var_q, mean_p, var_p):
    return (0.5 * (var_q / var_p - 1 - torch.log(var_q / var_p) + (mean_q - mean_p) ** 2 / var_q)).sum(1)


@wrong("02.gaussian_kl", "the shift is not squared")
def _(mean_q, var_q, mean_p, var_p):
    return (0.5 * (var_q / var_p - 1 - torch.log(var_q / var_p) + (mean_q - mean_p).abs() / var_p)).sum(1)


@wrong("02.gaussian_kl", "logarithms of base 2")
def _(mean_q, var_q, mean_p, var_p):
    return (0.5 * (var_q / var_p - 1 - torch.log2(var_q / var_p) + (mean_q - mean_p) ** 2 / var_p)).sum(1)


@right("02.gaussian_kl", "loops")
def _(mean_q, var_q, mean_p, var_p):
    return torch.stack([sum(kl_terms(a, b, c, d) for a, b, c, d in zip(*r)) for r in zip(mean_q, var_q, mean_p, var_p)])


@right("02.gaussian_kl", "float64")
def _(mean_q, var_q, mean_p, var_p):
    return kl_terms(mean_q.double(), var_q.double(), mean_p.double(), var_p.double()).sum(1)


@right("02.gaussian_kl", "einsum")
def _(mean_q, var_q, mean_p, var_p):
    return torch.einsum("bd->b", kl_terms(mean_q, var_q, mean_p, var_p))


# -- 02.step_kl ------------------------------------------------------------------------------------------------------


@wrong("02.step_kl", "the factor is not squared")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t, betas, alpha_bars)
    return c * ((x0 - x0_guess) ** 2).sum(1) / (2 * variance(t, betas, alpha_bars))


@wrong("02.step_kl", "beta for the variance")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t, betas, alpha_bars)
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / (2 * betas[t])


@wrong("02.step_kl", "the mean over the coordinates")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t, betas, alpha_bars)
    return ((c * (x0 - x0_guess)) ** 2).mean(1) / (2 * variance(t, betas, alpha_bars))


@wrong("02.step_kl", "1/2 is forgotten")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t, betas, alpha_bars)
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / variance(t, betas, alpha_bars)


@wrong("02.step_kl", "the factor of x_t")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = (1 - betas[t]).sqrt() * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t])
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / (2 * variance(t, betas, alpha_bars))


@wrong("02.step_kl", "one index too late")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t + 1, betas, alpha_bars)
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / (2 * variance(t + 1, betas, alpha_bars))


@wrong("02.step_kl", "standard deviation for variance")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t, betas, alpha_bars)
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / (2 * variance(t, betas, alpha_bars).sqrt())


@wrong("02.step_kl", "the brackets of the denominator are missing")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = x0_factor(t, betas, alpha_bars)
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / 2 * betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t])


@wrong("02.step_kl", "the factor without its root")
def _(x0, x0_guess, t, betas, alpha_bars):
    c = alpha_bars[t - 1] * betas[t] / (1 - alpha_bars[t])
    return ((c * (x0 - x0_guess)) ** 2).sum(1) / (2 * variance(t, betas, alpha_bars))


@right("02.step_kl", "the KL of the two posteriors")
def _(x0, x0_guess, t, betas, alpha_bars):
    x_t = torch.zeros_like(x0)
    mean, var = posterior(x0, x_t, t, betas, alpha_bars)
    guessed, _ = posterior(x0_guess, x_t, t, betas, alpha_bars)
    return kl_terms(mean, var.expand_as(mean), guessed, var.expand_as(mean)).sum(1)


@right("02.step_kl", "a loop")
def _(x0, x0_guess, t, betas, alpha_bars):
    c, var = x0_factor(t, betas, alpha_bars), variance(t, betas, alpha_bars)
    return torch.stack([((c * (a - b)) ** 2).sum() / (2 * var) for a, b in zip(x0, x0_guess)])


# -- 02.noise_weights ------------------------------------------------------------------------------------------------


@wrong("02.noise_weights", "beta for the variance")
def _(betas, alpha_bars):
    return (betas / (2 * (1 - betas) * (1 - alpha_bars)))[1:]


@wrong("02.noise_weights", "1/2 is forgotten")
def _(betas, alpha_bars):
    return 2 * right_weights(betas, alpha_bars)


@wrong("02.noise_weights", "alpha_bar_t in the place of alpha_bar_{t-1}")
def _(betas, alpha_bars):
    return (betas**2 / (2 * betas * (1 - betas) * (1 - alpha_bars)))[1:]


@wrong("02.noise_weights", "the last entry left out instead of the first")
def _(betas, alpha_bars):
    b = betas[:-1]
    a = alpha_bars[:-1]
    p = alpha_bars[1:]
    return b**2 / (2 * b * (1 - p) / (1 - a) * (1 - b) * (1 - a))


@wrong("02.noise_weights", "one over the weight")
def _(betas, alpha_bars):
    return 1 / right_weights(betas, alpha_bars)


@wrong("02.noise_weights", "beta is not squared")
def _(betas, alpha_bars):
    return right_weights(betas, alpha_bars) / betas[1:]


@wrong("02.noise_weights", "the beta of the step before")
def _(betas, alpha_bars):
    b1 = betas[1:]
    a = alpha_bars[1:]
    p = alpha_bars[:-1]
    return betas[:-1] ** 2 / (2 * b1 * (1 - p) / (1 - a) * (1 - b1) * (1 - a))


@wrong("02.noise_weights", "the root of 1 - alpha_bar")
def _(betas, alpha_bars):
    return right_weights(betas, alpha_bars) * (1 - alpha_bars[1:]).sqrt()


@right("02.noise_weights", "shortened")
def _(betas, alpha_bars):
    return betas[1:] / (2 * (1 - betas[1:]) * (1 - alpha_bars[:-1]))


@right("02.noise_weights", "by signal-to-noise ratios")
def _(betas, alpha_bars):
    s = alpha_bars / (1 - alpha_bars)
    return 0.5 * (s[:-1] - s[1:]) / s[1:]


# -- 02.simple_loss --------------------------------------------------------------------------------------------------


@wrong("02.simple_loss", "x0 as the target")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - x0) ** 2).mean()


@wrong("02.simple_loss", "the sum of the squares")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - noise) ** 2).sum()


@wrong("02.simple_loss", "one number an image")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - noise) ** 2).mean(dim=(1, 2, 3))


@wrong("02.simple_loss", "the root of the mean")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - noise) ** 2).mean().sqrt()


# Nothing can be trained with it.
@wrong("02.simple_loss", "the guess is detached")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t).detach() - noise) ** 2).mean()


# Nothing can be trained with it.
@wrong("02.simple_loss", "under no_grad")
@torch.no_grad()
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - noise) ** 2).mean()


@wrong("02.simple_loss", "t as a share of the chain")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t / len(alpha_bars)) - noise) ** 2).mean()


@wrong("02.simple_loss", "averaged before squaring")
def _(network, x0, t, noise, alpha_bars):
    return (network(noised(x0, t, noise, alpha_bars), t) - noise).mean() ** 2


@wrong("02.simple_loss", "x_t as the target")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - noised(x0, t, noise, alpha_bars)) ** 2).mean()


@wrong("02.simple_loss", "the scaled noise as the target")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), t) - (1 - per_image(alpha_bars[t])).sqrt() * noise) ** 2).mean()


@wrong("02.simple_loss", "noise of its own")
def _(network, x0, t, noise, alpha_bars):
    n = torch.randn_like(x0)
    return ((network(noised(x0, t, n, alpha_bars), t) - n) ** 2).mean()


@wrong("02.simple_loss", "alpha_bar instead of t for the network")
def _(network, x0, t, noise, alpha_bars):
    return ((network(noised(x0, t, noise, alpha_bars), alpha_bars[t]) - noise) ** 2).mean()


# Wrong: the network gets t as it is, in whole numbers.
@wrong("02.simple_loss", "t as a float for the network")
def _(network, x0, t, noise, alpha_bars):
    return F.mse_loss(network(noised(x0, t, noise, alpha_bars), t.float()), noise)


@right("02.simple_loss", "F.mse_loss")
def _(network, x0, t, noise, alpha_bars):
    return F.mse_loss(network(noised(x0, t, noise, alpha_bars), t), noise)


@right("02.simple_loss", "the mean over the images' losses")
def _(network, x0, t, noise, alpha_bars):
    x = noised(x0, t, noise, alpha_bars)
    p = network(x, t)
    return sum(F.mse_loss(a, b) for a, b in zip(p, noise)) / len(x0)


@right("02.simple_loss", "image by image")
def _(network, x0, t, noise, alpha_bars):
    losses = []
    for i in range(len(x0)):
        one = slice(i, i + 1)
        guess = network(noised(x0[one], t[one], noise[one], alpha_bars), t[one])
        losses.append(F.mse_loss(guess, noise[one]))
    return torch.stack(losses).mean()
