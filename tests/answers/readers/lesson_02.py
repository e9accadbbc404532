"""Answers to the exercises of lesson 02 by readers of the executed lesson, from the stubs alone."""

import math

import numpy as np
import torch
from learn_answers import right, wrong

# 02.snr -----------------------------------------------------------------------------------------------------------


@wrong("02.snr", "amplitudes compared")
def _(alpha_bars):
    return alpha_bars.sqrt() / (1 - alpha_bars).sqrt()


@wrong("02.snr", "in decibels")
def _(alpha_bars):
    return 10 * torch.log10(alpha_bars / (1 - alpha_bars))


@wrong("02.snr", "share of the signal in the whole")
def _(alpha_bars):
    return alpha_bars / (alpha_bars + (1 - alpha_bars))


@wrong("02.snr", "noise over signal by mistake")
def _(alpha_bars):
    return 1 / alpha_bars - 1


@right("02.snr", "exp of the logit")
def _(alpha_bars):
    return torch.logit(alpha_bars).exp()


@right("02.snr", "one over one over minus one")
def _(alpha_bars):
    return (alpha_bars.reciprocal() - 1).reciprocal()


# 02.wasted --------------------------------------------------------------------------------------------------------


@wrong("02.wasted", "threshold on the amplitude")
def _(alpha_bars, threshold=0.01):
    return float((alpha_bars.sqrt() < threshold).double().mean())


@wrong("02.wasted", "threshold on the signal-to-noise ratio")
def _(alpha_bars, threshold=0.01):
    return float((alpha_bars / (1 - alpha_bars) < threshold).double().mean())


@wrong("02.wasted", "count of the steps")
def _(alpha_bars, threshold=0.01):
    return int((alpha_bars < threshold).sum())


@wrong("02.wasted", "in percent")
def _(alpha_bars, threshold=0.01):
    return 100 * float((alpha_bars < threshold).double().mean())


@wrong("02.wasted", "the steps that are not wasted")
def _(alpha_bars, threshold=0.01):
    return float((alpha_bars > threshold).double().mean())


@wrong("02.wasted", "always one in a hundred")
def _(alpha_bars, threshold=0.01):
    return float((alpha_bars < 0.01).double().mean())


@wrong("02.wasted", "always a thousand steps")
def _(alpha_bars, threshold=0.01):
    return int((alpha_bars < threshold).sum()) / 1000


@right("02.wasted", "a loop that counts")
def _(alpha_bars, threshold=0.01):
    few = sum(1 for bar in alpha_bars.tolist() if bar < threshold)
    return few / len(alpha_bars)


@right("02.wasted", "numpy")
def _(alpha_bars, threshold=0.01):
    return np.mean(np.asarray(alpha_bars) < threshold)


# 02.noise_row -----------------------------------------------------------------------------------------------------


@wrong("02.noise_row", "another noise for each time")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[times].view(-1, 1, 1, 1)
    return a.sqrt() * image + (1 - a).sqrt() * torch.randn(len(times), *image.shape)


@wrong("02.noise_row", "noise on top of noise")
def _(image, times, alpha_bars, noise):
    out, x = [], image
    for t in times:
        x = alpha_bars[t].sqrt() * x + (1 - alpha_bars[t]).sqrt() * noise
        out.append(x)
    return torch.stack(out)


@wrong("02.noise_row", "no roots at all")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[times][:, None, None, None]
    return a * image + (1 - a) * noise


@wrong("02.noise_row", "the papers' times")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[[max(t - 1, 0) for t in times]][:, None, None, None]
    return a.sqrt() * image + (1 - a).sqrt() * noise


@wrong("02.noise_row", "image kept at full strength")
def _(image, times, alpha_bars, noise):
    return torch.stack([image + (1 - alpha_bars[t]).sqrt() * noise for t in times])


@right("02.noise_row", "outer products")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[torch.tensor(times)].to(image.dtype)
    return torch.einsum("t,chw->tchw", a.sqrt(), image) + torch.einsum("t,chw->tchw", (1 - a).sqrt(), noise)


@right("02.noise_row", "a list of pictures")
def _(image, times, alpha_bars, noise):
    pictures = []
    for t in times:
        bar = float(alpha_bars[t])
        pictures.append((math.sqrt(bar) * image + math.sqrt(1 - bar) * noise)[None])
    return torch.cat(pictures)


# 02.noise_weights -------------------------------------------------------------------------------------------------


@wrong("02.noise_weights", "the variance beta in place of the posterior's")
def _(betas, alpha_bars):
    return (betas / (2 * (1 - betas) * (1 - alpha_bars)))[1:]


@wrong("02.noise_weights", "the next alpha_bar for the one before")
def _(betas, alpha_bars):
    var = betas[:-1] * (1 - alpha_bars[1:]) / (1 - alpha_bars[:-1])
    return betas[:-1] ** 2 / (2 * var * (1 - betas[:-1]) * (1 - alpha_bars[:-1]))


@wrong("02.noise_weights", "alpha_bar for alpha")
def _(betas, alpha_bars):
    var = betas[1:] * (1 - alpha_bars[:-1]) / (1 - alpha_bars[1:])
    return betas[1:] ** 2 / (2 * var * alpha_bars[1:] * (1 - alpha_bars[1:]))


@wrong("02.noise_weights", "two forgotten")
def _(betas, alpha_bars):
    var = betas[1:] * (1 - alpha_bars[:-1]) / (1 - alpha_bars[1:])
    return betas[1:] ** 2 / (var * (1 - betas[1:]) * (1 - alpha_bars[1:]))


@wrong("02.noise_weights", "an infinite first entry kept")
def _(betas, alpha_bars):
    before = torch.cat([torch.ones(1, dtype=alpha_bars.dtype), alpha_bars[:-1]])
    var = betas * (1 - before) / (1 - alpha_bars)
    return betas**2 / (2 * var * (1 - betas) * (1 - alpha_bars))


@right("02.noise_weights", "cancelled by hand, again")
def _(betas, alpha_bars):
    b = betas[1:]
    return b / (2 * (1 - b) * (1 - alpha_bars[:-1]))


@right("02.noise_weights", "half the loss of SNR, turned into noise")
def _(betas, alpha_bars):
    snr = alpha_bars / (1 - alpha_bars)
    return (snr[:-1] - snr[1:]) / 2 / snr[1:]


# 02.simple_loss ---------------------------------------------------------------------------------------------------


@wrong("02.simple_loss", "sum over pixels, mean over images")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars[t].view(-1, 1, 1, 1).to(x0.dtype)
    eps = network(a.sqrt() * x0 + (1 - a).sqrt() * noise, t)
    return ((eps - noise) ** 2).sum(dim=(1, 2, 3)).mean()


@wrong("02.simple_loss", "the network's noise against the noisy image")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars[t].view(-1, 1, 1, 1).to(x0.dtype)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    return ((network(x_t, t) - x_t) ** 2).mean()


@wrong("02.simple_loss", "time scaled to 0 and 1")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars[t].view(-1, 1, 1, 1).to(x0.dtype)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    return ((network(x_t, t / len(alpha_bars)) - noise) ** 2).mean()


@wrong("02.simple_loss", "norm in place of the squared error")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars[t].view(-1, 1, 1, 1).to(x0.dtype)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    return torch.linalg.vector_norm(network(x_t, t) - noise) / noise.numel() ** 0.5


@wrong("02.simple_loss", "one level for the whole batch")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars[t[0]].to(x0.dtype)
    x_t = a.sqrt() * x0 + (1 - a).sqrt() * noise
    return ((network(x_t, t) - noise) ** 2).mean()


@right("02.simple_loss", "image by image means")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars.gather(0, t).reshape(-1, 1, 1, 1).to(x0.dtype)
    x_t = torch.sqrt(a) * x0 + torch.sqrt(1 - a) * noise
    return (network(x_t, t) - noise).pow(2).flatten(1).mean(1).mean()


@right("02.simple_loss", "mse_loss")
def _(network, x0, t, noise, alpha_bars):
    a = alpha_bars[t][..., None, None, None].type_as(x0)
    return torch.nn.functional.mse_loss(
        network(torch.lerp(a.sqrt() * x0, noise, 0.0) + (1 - a).sqrt() * noise, t), noise
    )
