import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong

# ---- alpha_bars


@wrong("02.alpha_bars", "one minus the sum of the betas")
def _(betas):
    return 1 - torch.cumsum(betas, 0)


@wrong("02.alpha_bars", "product without the step itself")
def _(betas):
    return torch.cat([torch.ones(1, dtype=betas.dtype), torch.cumprod(1 - betas, 0)[:-1]])


@wrong("02.alpha_bars", "product of the betas")
def _(betas):
    return betas.cumprod(dim=0)


@wrong("02.alpha_bars", "the share of noise instead")
def _(betas):
    return 1 - torch.cumprod(1 - betas, dim=0)


@wrong("02.alpha_bars", "only the product of all")
def _(betas):
    return torch.prod(1 - betas)


@wrong("02.alpha_bars", "root of the product")
def _(betas):
    return torch.cumprod(torch.sqrt(1 - betas), dim=0)


@wrong("02.alpha_bars", "exp of minus the sum")
def _(betas):
    return torch.exp(-torch.cumsum(betas, dim=0))


@wrong("02.alpha_bars", "changes betas in place")
def _(betas):
    betas.neg_().add_(1)
    return torch.cumprod(betas, dim=0)


@wrong("02.alpha_bars", "T = 1000 by hand")
def _(betas):
    out = torch.zeros(1000)
    p = 1.0
    for i in range(1000):
        p = p * (1 - betas[i])
        out[i] = p
    return out


@right("02.alpha_bars", "loop with a running product")
def _(betas):
    out = []
    product = 1.0
    for beta in betas:
        product = product * (1 - beta)
        out.append(product)
    return torch.stack(out)


@right("02.alpha_bars", "exp of summed logs in float64")
def _(betas):
    return torch.log1p(-betas.double()).cumsum(0).exp().to(betas.dtype)


@right("02.alpha_bars", "numpy, float64")
def _(betas):
    return torch.from_numpy(np.cumprod(1.0 - betas.detach().numpy().astype(np.float64)))


# ---- noise_row


@wrong("02.noise_row", "fresh noise each time")
def _(image, times, alpha_bars, noise):
    return torch.stack(
        [alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * torch.randn_like(image) for t in times]
    )


@wrong("02.noise_row", "no roots")
def _(image, times, alpha_bars, noise):
    return torch.stack([alpha_bars[t] * image + (1 - alpha_bars[t]) * noise for t in times])


@wrong("02.noise_row", "stacked along channels")
def _(image, times, alpha_bars, noise):
    return torch.stack([alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise for t in times], dim=1)


@wrong("02.noise_row", "cat instead of stack")
def _(image, times, alpha_bars, noise):
    return torch.cat([alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise for t in times], dim=0)


@wrong("02.noise_row", "counts the rows instead of the times")
def _(image, times, alpha_bars, noise):
    rows = []
    for i, t in enumerate(times):
        a = alpha_bars[i]
        rows.append(a.sqrt() * image + (1 - a).sqrt() * noise)
    return torch.stack(rows)


@wrong("02.noise_row", "index one too low")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[torch.tensor(times) - 1].view(-1, 1, 1, 1)
    return a.sqrt() * image + (1 - a).sqrt() * noise


@wrong("02.noise_row", "noises the noised image again")
def _(image, times, alpha_bars, noise):
    rows = []
    x = image
    for t in times:
        x = alpha_bars[t].sqrt() * x + (1 - alpha_bars[t]).sqrt() * noise
        rows.append(x)
    return torch.stack(rows)


@wrong("02.noise_row", "times sorted first")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[torch.tensor(sorted(times))][:, None, None, None]
    return a.sqrt() * image + (1 - a).sqrt() * noise


@wrong("02.noise_row", "clamped to [-1, 1] for the picture")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[torch.tensor(times)][:, None, None, None]
    return (a.sqrt() * image + (1 - a).sqrt() * noise).clamp(-1, 1)


@wrong("02.noise_row", "image changed in place")
def _(image, times, alpha_bars, noise):
    rows = []
    clean = image.clone()
    for t in times:
        image.copy_(clean)
        image.mul_(alpha_bars[t].sqrt()).add_(noise * (1 - alpha_bars[t]).sqrt())
        rows.append(image.clone())
    return torch.stack(rows)


@right("02.noise_row", "broadcast over a level axis")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[torch.tensor(times, dtype=torch.long)].reshape(-1, 1, 1, 1)
    return torch.sqrt(a) * image.unsqueeze(0) + torch.sqrt(1 - a) * noise.unsqueeze(0)


@right("02.noise_row", "fills an empty tensor")
def _(image, times, alpha_bars, noise):
    out = torch.empty(len(times), *image.shape, dtype=image.dtype)
    for k, t in enumerate(times):
        ab = float(alpha_bars[t])
        out[k] = math.sqrt(ab) * image + math.sqrt(1 - ab) * noise
    return out


@right("02.noise_row", "two outer products by einsum")
def _(image, times, alpha_bars, noise):
    a = alpha_bars[torch.tensor(times, dtype=torch.long)].to(image.dtype)
    return torch.einsum("n,chw->nchw", a**0.5, image) + torch.einsum("n,chw->nchw", (1 - a) ** 0.5, noise)


# ---- posterior


@wrong("02.posterior", "index -1 wraps round at t = 0")
def _(x0, x_t, t, betas, alpha_bars):
    ab, prev, beta = alpha_bars[t], alpha_bars[t - 1], betas[t]
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return mean, beta * (1 - prev) / (1 - ab)


@wrong("02.posterior", "alpha_bar_{-1} is 0")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(0.0)
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return mean, beta * (1 - prev) / (1 - ab)


@wrong("02.posterior", "x0 and x_t swapped")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = prev.sqrt() * beta / (1 - ab) * x_t + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x0
    return mean, beta * (1 - prev) / (1 - ab)


@wrong("02.posterior", "alpha_t without its root")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta) * (1 - prev) / (1 - ab) * x_t
    return mean, beta * (1 - prev) / (1 - ab)


@wrong("02.posterior", "beta as the variance")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return mean, beta


@wrong("02.posterior", "standard deviation instead of variance")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return mean, (beta * (1 - prev) / (1 - ab)).sqrt()


@wrong("02.posterior", "sqrt(alpha_bar_t) before x0")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = ab.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return mean, beta * (1 - prev) / (1 - ab)


@wrong("02.posterior", "precisions, nan at t = 0")
def _(x0, x_t, t, betas, alpha_bars):
    beta = betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.ones_like(beta)
    var = 1 / ((1 - beta) / beta + 1 / (1 - prev))
    mean = var * ((1 - beta).sqrt() / beta * x_t + prev.sqrt() / (1 - prev) * x0)
    return mean, var


@wrong("02.posterior", "mean under no_grad")
def _(x0, x_t, t, betas, alpha_bars):
    with torch.no_grad():
        ab, beta = alpha_bars[t], betas[t]
        prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
        mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
        return mean, beta * (1 - prev) / (1 - ab)


@wrong("02.posterior", "variance first")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return beta * (1 - prev) / (1 - ab), mean


@wrong("02.posterior", "variance spread over x0's shape")
def _(x0, x_t, t, betas, alpha_bars):
    ab, beta = alpha_bars[t], betas[t]
    prev = alpha_bars[t - 1] if t > 0 else torch.tensor(1.0)
    mean = prev.sqrt() * beta / (1 - ab) * x0 + (1 - beta).sqrt() * (1 - prev) / (1 - ab) * x_t
    return mean, (beta * (1 - prev) / (1 - ab)) * torch.ones_like(x0)


@right("02.posterior", "alpha_bars padded with a 1 in front")
def _(x0, x_t, t, betas, alpha_bars):
    padded = F.pad(alpha_bars, (1, 0), value=1.0)
    prev, now, beta = padded[t], padded[t + 1], betas[t]
    c0 = prev.sqrt() * beta / (1 - now)
    ct = (1 - beta).sqrt() * (1 - prev) / (1 - now)
    return c0 * x0 + ct * x_t, beta * (1 - prev) / (1 - now)


@right("02.posterior", "plain numbers, variance a float")
def _(x0, x_t, t, betas, alpha_bars):
    beta = betas[t].item()
    ab = alpha_bars[t].item()
    ab_prev = 1.0 if t == 0 else alpha_bars[t - 1].item()
    mean = (math.sqrt(ab_prev) * beta * x0 + math.sqrt(1 - beta) * (1 - ab_prev) * x_t) / (1 - ab)
    return mean, beta * (1 - ab_prev) / (1 - ab)


@right("02.posterior", "mean by torch.add in float64 scalars")
def _(x0, x_t, t, betas, alpha_bars):
    b, a = betas.double(), alpha_bars.double()
    prev = a[t - 1] if t >= 1 else torch.ones((), dtype=torch.float64)
    share = (1 - prev) / (1 - a[t])
    mean = torch.add((b[t] * prev.sqrt() / (1 - a[t])) * x0, (torch.sqrt(1 - b[t]) * share) * x_t)
    return mean, b[t] * share


# ---- gaussian_kl


@wrong("02.gaussian_kl", "mean over coordinates")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return (0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_p)).mean(dim=1)


@wrong("02.gaussian_kl", "sum over the batch too")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return (0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_p)).sum()


@wrong("02.gaussian_kl", "sum over the wrong axis")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return (0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_p)).sum(0)


@wrong("02.gaussian_kl", "p and q swapped")
def _(mean_q, var_q, mean_p, var_p):
    r = var_p / var_q
    return 0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_q).sum(1)


@wrong("02.gaussian_kl", "no half")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_p).sum(1)


@wrong("02.gaussian_kl", "bits")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return 0.5 * (r - 1 - torch.log2(r) + (mean_q - mean_p) ** 2 / var_p).sum(1)


@wrong("02.gaussian_kl", "variances given to Normal as scales")
def _(mean_q, var_q, mean_p, var_p):
    q = torch.distributions.Normal(mean_q, var_q)
    p = torch.distributions.Normal(mean_p, var_p)
    return torch.distributions.kl_divergence(q, p).sum(-1)


@wrong("02.gaussian_kl", "keeps the axis")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return 0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_p).sum(1, keepdim=True)


@wrong("02.gaussian_kl", "squared difference over var_q")
def _(mean_q, var_q, mean_p, var_p):
    r = var_q / var_p
    return 0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_q).sum(1)


@wrong("02.gaussian_kl", "detached target q")
def _(mean_q, var_q, mean_p, var_p):
    mean_q, var_q = mean_q.detach(), var_q.detach()
    r = var_q / var_p
    return 0.5 * (r - 1 - r.log() + (mean_q - mean_p) ** 2 / var_p).sum(1)


@wrong("02.gaussian_kl", "equal variances taken for granted")
def _(mean_q, var_q, mean_p, var_p):
    return ((mean_q - mean_p) ** 2 / (2 * var_p)).sum(1)


@right("02.gaussian_kl", "torch.distributions")
def _(mean_q, var_q, mean_p, var_p):
    q = torch.distributions.Normal(mean_q, var_q.sqrt())
    p = torch.distributions.Normal(mean_p, var_p.sqrt())
    return torch.distributions.kl_divergence(q, p).sum(dim=-1)


@right("02.gaussian_kl", "loop over coordinates")
def _(mean_q, var_q, mean_p, var_p):
    total = torch.zeros(mean_q.shape[0], dtype=mean_q.dtype)
    for d in range(mean_q.shape[1]):
        vq, vp = var_q[:, d], var_p[:, d]
        diff = mean_q[:, d] - mean_p[:, d]
        total = total + (torch.log(vp) - torch.log(vq)) / 2 + (vq + diff * diff) / (2 * vp) - 0.5
    return total


@right("02.gaussian_kl", "einsum with precisions")
def _(mean_q, var_q, mean_p, var_p):
    diff = mean_q - mean_p
    square = torch.einsum("bd,bd,bd->b", diff, diff, 1 / var_p)
    trace = (var_q / var_p - 1).sum(1)
    logs = (var_q.log() - var_p.log()).sum(1)
    return (trace - logs + square) / 2


# ---- noise_weights


@wrong("02.noise_weights", "t = 0 kept")
def _(betas, alpha_bars):
    prev = torch.cat([torch.ones(1, dtype=alpha_bars.dtype), alpha_bars[:-1]])
    var = betas * (1 - prev) / (1 - alpha_bars)
    return betas**2 / (2 * var * (1 - betas) * (1 - alpha_bars))


@wrong("02.noise_weights", "beta as the variance")
def _(betas, alpha_bars):
    b, a = betas[1:], alpha_bars[1:]
    return b**2 / (2 * b * (1 - b) * (1 - a))


@wrong("02.noise_weights", "last dropped instead of first")
def _(betas, alpha_bars):
    b, a, prev = betas[:-1], alpha_bars[:-1], alpha_bars[1:]
    var = b * (1 - prev) / (1 - a)
    return b**2 / (2 * var * (1 - b) * (1 - a))


@wrong("02.noise_weights", "beta not squared")
def _(betas, alpha_bars):
    b, a, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    var = b * (1 - prev) / (1 - a)
    return b / (2 * var * (1 - b) * (1 - a))


@wrong("02.noise_weights", "the 2 forgotten")
def _(betas, alpha_bars):
    b, a, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    var = b * (1 - prev) / (1 - a)
    return b**2 / (var * (1 - b) * (1 - a))


@wrong("02.noise_weights", "alpha forgotten")
def _(betas, alpha_bars):
    b, a, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    var = b * (1 - prev) / (1 - a)
    return b**2 / (2 * var * (1 - a))


@wrong("02.noise_weights", "alpha_bar in alpha's place")
def _(betas, alpha_bars):
    b, a, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    var = b * (1 - prev) / (1 - a)
    return b**2 / (2 * var * a * (1 - a))


@wrong("02.noise_weights", "variance squared")
def _(betas, alpha_bars):
    b, a, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    var = b * (1 - prev) / (1 - a)
    return b**2 / (2 * var**2 * (1 - b) * (1 - a))


@wrong("02.noise_weights", "a zero put in for t = 0")
def _(betas, alpha_bars):
    b, a, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    w = b / (2 * (1 - b) * (1 - prev))
    return torch.cat([torch.zeros(1, dtype=w.dtype), w])


@wrong("02.noise_weights", "normalized to sum one")
def _(betas, alpha_bars):
    w = betas[1:] / (2 * (1 - betas[1:]) * (1 - alpha_bars[:-1]))
    return w / w.sum()


@right("02.noise_weights", "cancelled by hand")
def _(betas, alpha_bars):
    return betas[1:] / (2 * (1 - betas[1:]) * (1 - alpha_bars[:-1]))


@right("02.noise_weights", "loop with plain numbers")
def _(betas, alpha_bars):
    b, a = betas.tolist(), alpha_bars.tolist()
    weights = []
    for t in range(1, len(b)):
        var = b[t] * (1 - a[t - 1]) / (1 - a[t])
        weights.append(b[t] ** 2 / (2 * var * (1 - b[t]) * (1 - a[t])))
    return torch.tensor(weights, dtype=betas.dtype)


@right("02.noise_weights", "roll, then without entry 0")
def _(betas, alpha_bars):
    prev = torch.roll(alpha_bars, 1)
    var = betas * (1 - prev) / (1 - alpha_bars)
    return (betas.square() / (2 * var * (1 - betas) * (1 - alpha_bars)))[1:]


# ---- step_kl


def middle(measure, power=1):
    """The measured difference of the means over twice a power of the variance."""

    def kl(x0, x0_guess, t, betas, alpha_bars):
        before, bar, beta = alpha_bars[t - 1], alpha_bars[t], betas[t]
        return measure(before.sqrt() * beta / (1 - bar) * (x0 - x0_guess)) / (
            2 * (beta * (1 - before) / (1 - bar)) ** power
        )

    return kl


wrong("02.step_kl", "the distance")(middle(lambda d: d.norm(dim=1)))
wrong("02.step_kl", "absolute values")(middle(lambda d: d.abs().sum(1)))
wrong("02.step_kl", "square of the sum")(middle(lambda d: d.sum(1) ** 2))
wrong("02.step_kl", "the variance squared")(middle(lambda d: d.square().sum(1), 2))
wrong("02.step_kl", "no variance")(middle(lambda d: d.square().sum(1), 0))


@wrong("02.step_kl", "the SNR before, not its drop")
def _(x0, x0_guess, t, betas, alpha_bars):
    return 0.5 * (alpha_bars / (1 - alpha_bars))[t - 1] * (x0 - x0_guess).square().sum(1)


@right("02.step_kl", "einsum")
def _(x0, x0_guess, t, betas, alpha_bars):
    return middle(lambda d: torch.einsum("bd,bd->b", d, d))(x0, x0_guess, t, betas, alpha_bars)
