"""Answers to the exercises of lesson 11 by readers who knew nothing but the stubs."""

import math
import statistics
from fractions import Fraction

import numpy as np
import torch
from learn_answers import right, wrong

# 11.band ----------------------------------------------------------------------------------------------------------


@wrong("11.band", "the sum over the numbers in place of their mean")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    noise = sigmas[:, None] ** 2
    loss = torch.where(signal > 0, signal / (signal + noise), torch.zeros_like(signal))
    return loss.sum(1)


@wrong("11.band", "nothing said about a level without noise: 0/0 where an eigenvalue is 0")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    return (signal / (signal + sigmas[:, None] ** 2)).mean(1)


@wrong("11.band", "one number c in place of a matrix: c·x_t")
def _(eigenvalues, alphas, sigmas):
    signal = alphas**2 * eigenvalues.mean()
    return torch.where(signal > 0, signal / (signal + sigmas**2), torch.zeros_like(signal))


@wrong("11.band", "the loss at sigma = 0 is 1, whatever the eigenvalues")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    loss = (signal / (signal + sigmas[:, None] ** 2)).mean(1)
    return torch.where(sigmas == 0, torch.ones_like(loss), loss)


@wrong("11.band", "no noise, nothing to predict: 0 at sigma = 0")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    loss = (signal / (signal + sigmas[:, None] ** 2)).mean(1)
    return torch.where(sigmas == 0, torch.zeros_like(loss), loss)


@wrong("11.band", "what is explained in place of what is left: sigma²/(alpha² lambda + sigma²)")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    noise = sigmas[:, None] ** 2
    return (noise / (signal + noise).clamp(min=1e-30)).mean(1)


@wrong("11.band", "the loss of the best prediction of x0")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    noise = sigmas[:, None] ** 2
    return (eigenvalues * noise / (signal + noise).clamp(min=1e-30)).mean(1)


@wrong("11.band", "eigenvalues taken for standard deviations")
def _(eigenvalues, alphas, sigmas):
    signal = (alphas[:, None] * eigenvalues) ** 2
    noise = sigmas[:, None] ** 2
    return torch.where(signal > 0, signal / (signal + noise), torch.zeros_like(signal)).mean(1)


@wrong("11.band", "alphas and sigmas not squared, as if they were alpha_bar and 1 - alpha_bar")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] * eigenvalues
    noise = sigmas[:, None]
    return torch.where(signal > 0, signal / (signal + noise), torch.zeros_like(signal)).mean(1)


@wrong("11.band", "sigma² taken as 1 - alpha²")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    noise = 1 - alphas[:, None] ** 2
    return torch.where(signal > 0, signal / (signal + noise), torch.zeros_like(signal)).mean(1)


@wrong("11.band", "eigenvalues kept off 0 by 1e-12, so that one of 0 counts as a direction at sigma = 0")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues.clamp(min=1e-12)
    return (signal / (signal + sigmas[:, None] ** 2)).mean(1)


@wrong("11.band", "the error of alpha·x0 in units of sigma left out: lambda/(lambda + sigma²)")
def _(eigenvalues, alphas, sigmas):
    lam = eigenvalues.expand(len(alphas), -1)
    return torch.where(lam > 0, lam / (lam + sigmas[:, None] ** 2), torch.zeros_like(lam)).mean(1)


@wrong("11.band", "1e-3 added below the fraction, against 0/0")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    return (signal / (signal + sigmas[:, None] ** 2 + 1e-3)).mean(1)


@wrong("11.band", "A = 1/sigma, which is right on average over the images, but not the best")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    return (signal / sigmas[:, None].clamp(min=1e-6) ** 2).mean(1)


@wrong("11.band", "the root of the mean of the squares")
def _(eigenvalues, alphas, sigmas):
    signal = alphas[:, None] ** 2 * eigenvalues
    noise = sigmas[:, None] ** 2
    return torch.where(signal > 0, signal / (signal + noise), torch.zeros_like(signal)).mean(1).sqrt()


@wrong("11.band", "directions with eigenvalue 0 left out of the mean")
def _(eigenvalues, alphas, sigmas):
    lam = eigenvalues[eigenvalues > 0]
    signal = alphas[:, None] ** 2 * lam
    return (signal / (signal + sigmas[:, None] ** 2)).mean(1)


@right("11.band", "two loops over plain numbers")
def _(eigenvalues, alphas, sigmas):
    out = []
    for a, s in zip(alphas.tolist(), sigmas.tolist(), strict=True):
        total = 0.0
        for lam in eigenvalues.tolist():
            if a > 0 and lam > 0:
                total += a * a * lam / (a * a * lam + s * s)
        out.append(total / len(eigenvalues))
    return torch.tensor(out, dtype=eigenvalues.dtype)


@right("11.band", "numpy, with the quotient only where there is signal")
def _(eigenvalues, alphas, sigmas):
    signal = np.multiply.outer(alphas.numpy() ** 2, eigenvalues.numpy())
    noise = sigmas.numpy()[:, None] ** 2
    loss = np.divide(signal, signal + noise, out=np.zeros_like(signal), where=signal > 0)
    return torch.from_numpy(loss.mean(axis=1))


@right("11.band", "A as a matrix: normal equations, a pseudo-inverse, the trace of what is left")
def _(eigenvalues, alphas, sigmas):
    lam = eigenvalues.double()
    one = torch.eye(len(lam), dtype=torch.float64)
    out = []
    for a, s in zip(alphas.double(), sigmas.double(), strict=True):
        s = torch.maximum(s, torch.tensor(1e-9, dtype=torch.float64))
        cov = a**2 * torch.diag(lam) + s**2 * one
        matrix = s * torch.diag(1 / torch.diagonal(cov))
        left = one - 2 * s * matrix + matrix @ cov @ matrix.T
        out.append(torch.trace(left) / len(lam))
    return torch.stack(out).to(eigenvalues.dtype)


@right("11.band", "the fraction of the noise, and the levels without noise counted by rank")
def _(eigenvalues, alphas, sigmas):
    rank = (eigenvalues > 0).sum() / len(eigenvalues)
    out = torch.empty_like(alphas)
    for i in range(len(alphas)):
        if sigmas[i] == 0:
            out[i] = rank
        else:
            snr = (alphas[i] / sigmas[i]) ** 2
            out[i] = (snr * eigenvalues / (1 + snr * eigenvalues)).mean()
    return out


@right("11.band", "nan_to_num for 0/0, einsum for the products")
def _(eigenvalues, alphas, sigmas):
    signal = torch.einsum("t,d->td", alphas.double() ** 2, eigenvalues.double())
    loss = signal / (signal + sigmas.double()[:, None] ** 2)
    return loss.nan_to_num(0.0).mean(-1).to(alphas.dtype)


# 11.ema_weights ---------------------------------------------------------------------------------------------------


@wrong("11.ema_weights", "the product over the steps divided by the product so far: nan after a decay of 0")
def _(decays):
    run = torch.cumprod(decays, 0)
    total = run[-1]
    return torch.cat([total[None], (1 - decays) * total / run])


@wrong("11.ema_weights", "logarithms added up: right, but without a gradient at 0")
def _(decays):
    log = torch.log(decays)
    after = torch.flip(torch.cumsum(torch.flip(log, [0]), 0), [0])
    after = torch.cat([after, torch.zeros(1, dtype=decays.dtype)])
    first = torch.ones(1, dtype=decays.dtype)
    return torch.cat([first, 1 - decays]) * torch.exp(after)


@wrong("11.ema_weights", "the decay of the same step multiplied as well")
def _(decays):
    after = torch.cumprod(decays.flip(0), 0).flip(0)
    return torch.cat([after[:1], (1 - decays) * after])


@wrong("11.ema_weights", "the products from the first step on, not from the last")
def _(decays):
    before = torch.cumprod(decays, 0)
    one = torch.ones(1, dtype=decays.dtype)
    return torch.cat([before[-1:], (1 - decays) * torch.cat([one, before[:-1]])])


@wrong("11.ema_weights", "w_0 left out")
def _(decays):
    one = torch.ones(1, dtype=decays.dtype)
    after = torch.cumprod(torch.cat([decays[1:], one]).flip(0), 0).flip(0)
    return (1 - decays) * after


@wrong("11.ema_weights", "newest first")
def _(decays):
    shares = [torch.ones((), dtype=decays.dtype)]
    for d in decays:
        shares = [d * s for s in shares] + [1 - d]
    return torch.stack(shares[::-1])


@wrong("11.ema_weights", "the decay is the share of the new weights")
def _(decays):
    shares = [torch.ones((), dtype=decays.dtype)]
    for d in decays:
        shares = [(1 - d) * s for s in shares] + [d]
    return torch.stack(shares)


@wrong("11.ema_weights", "the start forgotten by a correction of the bias, as in Adam")
def _(decays):
    shares = [torch.zeros((), dtype=decays.dtype)]
    left = torch.ones((), dtype=decays.dtype)
    for d in decays:
        shares = [d * s for s in shares] + [1 - d]
        left = d * left
    return torch.stack(shares) / (1 - left)


@wrong("11.ema_weights", "w_0 only a zero to begin with: its share 0")
def _(decays):
    shares = [torch.zeros((), dtype=decays.dtype)]
    for d in decays:
        shares = [d * s for s in shares] + [1 - d]
    return torch.stack(shares)


@wrong("11.ema_weights", "the shares as plain numbers")
def _(decays):
    shares = [1.0]
    for d in decays.tolist():
        shares = [d * s for s in shares] + [1 - d]
    return torch.tensor(shares, dtype=torch.float64)


@wrong("11.ema_weights", "one decay for all: the last")
def _(decays):
    n = len(decays)
    d = decays[-1]
    k = torch.arange(1, n + 1, dtype=decays.dtype)
    return torch.cat([(d**n)[None], (1 - d) * d ** (n - k)])


@wrong("11.ema_weights", "the powers of each decay: d_k to the number of steps that follow")
def _(decays):
    n = len(decays)
    k = torch.arange(1, n + 1, dtype=decays.dtype)
    return torch.cat([(decays[0] ** n)[None], (1 - decays) * decays ** (n - k)])


@wrong("11.ema_weights", "w_0 as if it came with a step of its own: (1 - d_1) times all decays")
def _(decays):
    shares = [1 - decays[0]]
    for d in decays:
        shares = [d * s for s in shares] + [1 - d]
    return torch.stack(shares)


@wrong("11.ema_weights", "made to add up to 1 again")
def _(decays):
    after = torch.cumprod(decays.flip(0), 0).flip(0)
    shares = torch.cat([after[:1], (1 - decays) * after])
    return shares / shares.sum()


@wrong("11.ema_weights", "decays kept off 0 by 1e-6 for the logarithm")
def _(decays):
    log = torch.log(decays.clamp(min=1e-6))
    after = torch.cat([log.flip(0).cumsum(0).flip(0), torch.zeros(1, dtype=decays.dtype)])
    return torch.cat([torch.ones(1, dtype=decays.dtype), 1 - decays]) * after.exp()


@wrong("11.ema_weights", "one minus the shares so far, as if each step kept d of what is left")
def _(decays):
    left, shares = torch.ones((), dtype=decays.dtype), []
    for d in decays:
        shares.append(left * (1 - d))
        left = left * d
    return torch.stack([left, *shares])


@wrong("11.ema_weights", "decays of 0 left out of the products")
def _(decays):
    safe = torch.where(decays == 0, torch.ones_like(decays), decays)
    one = torch.ones(1, dtype=decays.dtype)
    after = torch.cat([one, safe.flip(0).cumprod(0)]).flip(0)
    return torch.cat([one, 1 - decays]) * after


@wrong("11.ema_weights", "a decay of 0 handled apart, with zeros that know no gradient")
def _(decays):
    shares = torch.ones(1, dtype=decays.dtype)
    for d in decays:
        kept = torch.zeros_like(shares) if d == 0 else d * shares
        shares = torch.cat([kept, (1 - d)[None]])
    return shares


@right("11.ema_weights", "step by step, all shares at once")
def _(decays):
    shares = torch.ones(1, dtype=decays.dtype)
    for d in decays:
        shares = torch.cat([d * shares, (1 - d)[None]])
    return shares


@right("11.ema_weights", "for each weight its own product")
def _(decays):
    n = len(decays)
    return torch.stack(
        [(1 - decays[k - 1] if k else torch.ones((), dtype=decays.dtype)) * decays[k:].prod() for k in range(n + 1)]
    )


@right("11.ema_weights", "cumprod from behind")
def _(decays):
    one = torch.ones(1, dtype=decays.dtype)
    after = torch.cat([one, torch.cumprod(decays.flip(0), 0)]).flip(0)
    return torch.cat([one, 1 - decays]) * after


@right("11.ema_weights", "differences of the products from behind")
def _(decays):
    one = torch.ones(1, dtype=decays.dtype)
    after = torch.cat([decays.flip(0).cumprod(0).flip(0), one])
    return torch.diff(after, prepend=torch.zeros(1, dtype=decays.dtype))


@right("11.ema_weights", "the average as a function of the weights, differentiated by them")
def _(decays):
    def average(weights):
        mean = weights[0]
        for d, w in zip(decays, weights[1:], strict=True):
            mean = d * mean + (1 - d) * w
        return mean

    weights = torch.zeros(len(decays) + 1, dtype=decays.dtype, requires_grad=True)
    return torch.autograd.grad(average(weights), weights, create_graph=True)[0]


@right("11.ema_weights", "an upper triangle of decays, multiplied along its rows")
def _(decays):
    n = len(decays)
    table = decays.expand(n + 1, n)
    later = torch.arange(n) >= torch.arange(n + 1)[:, None]
    after = torch.where(later, table, torch.ones_like(table)).prod(1)
    return torch.cat([torch.ones(1, dtype=decays.dtype), 1 - decays]) * after


# 11.exact_noise ---------------------------------------------------------------------------------------------------


def at(values, t):
    """The values of the steps, ready for images."""
    return values[t].view(-1, 1, 1, 1)


@wrong("11.exact_noise", "std not squared")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std + 1 - ab)


@wrong("11.exact_noise", "every image taken for the mean image: the noise is the rest")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (x - ab.sqrt() * mean) / (1 - ab).sqrt()


@wrong("11.exact_noise", "the mean forgotten")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab).sqrt() * x / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "the mean not scaled with the image")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab).sqrt() * (x - mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "the mean scaled by alpha_bar, not by its root")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab).sqrt() * (x - ab * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "divided by the standard deviation of x_t: x_t made standard Gaussian")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab).sqrt()


@wrong("11.exact_noise", "the score, without its minus")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "the score times the root, with the score's sign")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return -(1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "1 - alpha_bar in front, not its root")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab) * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "through x0 with precisions 1/std²: nan for std = 0")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    precision = ab / (1 - ab) + 1 / torch.tensor(std, dtype=x.dtype) ** 2
    x0 = (ab.sqrt() / (1 - ab) * x + mean / torch.tensor(std, dtype=x.dtype) ** 2) / precision
    return (x - ab.sqrt() * x0) / (1 - ab).sqrt()


@wrong("11.exact_noise", "steps counted from 1: alpha_bars[t - 1]")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t - 1)
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "the first step of the batch for all")
def _(x, t, alpha_bars, mean, std):
    ab = alpha_bars[t[0]]
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "the steps along the width, as broadcasting has it")
def _(x, t, alpha_bars, mean, std):
    ab = alpha_bars[t]
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "under no_grad, as a prediction is made")
@torch.no_grad()
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@wrong("11.exact_noise", "a draw of the noise that is possible, not its mean")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    var = ab * std**2 + 1 - ab
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / var + (ab * std**2 / var).sqrt() * torch.randn_like(x)


@wrong("11.exact_noise", "the mean and the deviation of x itself in place of those told")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    centre = x.mean((1, 2, 3), keepdim=True)
    return (1 - ab).sqrt() * (x - centre) / x.var((1, 2, 3), keepdim=True)


@wrong("11.exact_noise", "the variance of x_t taken as 1")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean)


@wrong("11.exact_noise", "x0 drawn towards the mean with the variances interchanged")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    var = ab * std**2 + 1 - ab
    x0 = ((1 - ab) * x / ab.sqrt() + ab * std**2 * mean) / var
    return (x - ab.sqrt() * x0) / (1 - ab).sqrt()


@wrong("11.exact_noise", "through x0 with plain numbers: a division by 0 for std = 0")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    precision = ab / (1 - ab) + 1 / std**2
    x0 = (ab.sqrt() / (1 - ab) * x + mean / std**2) / precision
    return (x - ab.sqrt() * x0) / (1 - ab).sqrt()


@wrong("11.exact_noise", "no scatter, nothing to tell: zeros for std = 0")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    if std == 0:
        return torch.zeros_like(x)
    return (1 - ab).sqrt() * (x - ab.sqrt() * mean) / (ab * std**2 + 1 - ab)


@right("11.exact_noise", "the mean of x0 given x_t, and the noise that is left")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    gain = ab.sqrt() * std**2 / (ab * std**2 + 1 - ab)
    x0 = mean + gain * (x - ab.sqrt() * mean)
    return (x - ab.sqrt() * x0) / (1 - ab).sqrt()


@right("11.exact_noise", "an image at a time, with plain numbers for its step")
def _(x, t, alpha_bars, mean, std):
    out = []
    for image, step in zip(x, t.tolist(), strict=True):
        ab = float(alpha_bars[step])
        a, s = math.sqrt(ab), math.sqrt(1 - ab)
        out.append((image - a * mean) * (s / (a * a * std * std + s * s)))
    return torch.stack(out)


@right("11.exact_noise", "minus the root times the score, which autograd takes of the log density")
def _(x, t, alpha_bars, mean, std):
    ab = at(alpha_bars, t)
    with torch.enable_grad():
        z = x if x.requires_grad else x.detach().requires_grad_()
        density = torch.distributions.Normal(ab.sqrt() * mean, (ab * std**2 + 1 - ab).sqrt())
        score = torch.autograd.grad(density.log_prob(z).sum(), z, create_graph=True)[0]
    return -(1 - ab).sqrt() * score


@right("11.exact_noise", "slope and offset of a line, by einsum")
def _(x, t, alpha_bars, mean, std):
    ab = alpha_bars[t].to(x.dtype)
    slope = torch.sqrt(1 - ab) / (ab * std**2 + (1 - ab))
    return torch.einsum("b,bchw->bchw", slope, x) - (slope * torch.sqrt(ab) * mean)[:, None, None, None]


# 11.kl_weight -----------------------------------------------------------------------------------------------------


@wrong("11.kl_weight", "beta forgotten: use begins at the variance of the noise")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues.double()
    kept = lam[:latents][lam[:latents] > noise_var]
    error = (noise_var**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / noise_var).log().sum().item()


@wrong("11.kl_weight", "beta where use begins and nowhere else")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues.double()
    kept = lam[:latents][lam[:latents] > beta * noise_var]
    error = (noise_var**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / noise_var).log().sum().item()


@wrong("11.kl_weight", "divided by beta in place of multiplied")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var / beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "noise_var taken for a standard deviation")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var**2 * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the error with a draw of z: beta·noise_var for each latent in use")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = floor * len(kept) + lam[len(kept) :].sum()
    return len(kept), float(error), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "as PCA: what is in use comes back without any error")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    return len(kept), lam[len(kept) :].sum().item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the number of latents taken for no limit")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[lam > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "all latents in use, wherever beta stands")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents]
    error = (floor**2 / kept).sum() + lam[latents:].sum()
    return latents, error.item(), 0.5 * (kept / floor).log().clamp(min=0).sum().item()


@wrong("11.kl_weight", "the error of the latents in use alone")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    return len(kept), (floor**2 / kept).sum().item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the error of the latents that could be used, without the directions beyond them")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) : latents].sum()
    return len(kept), float(error), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "bits in place of nats")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / floor).log2().sum().item()


@wrong("11.kl_weight", "the KL times beta")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), beta * 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the error a number of the D, not of all together")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item() / len(lam), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the capacity of a Gaussian channel: ½ log(1 + lambda/floor)")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (1 + kept / floor).log().sum().item()


@wrong("11.kl_weight", "the half before the logarithm forgotten")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the noise as probabilistic PCA learns it: the mean of the eigenvalues beyond the latents")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues.double()
    floor = beta * (lam[latents:].mean().item() if latents < len(lam) else noise_var)
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "W = sqrt(lambda) and the encoder its best: the decoder not at the minimum")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    q = floor / (kept + floor)
    v2 = kept / (kept + floor) ** 2
    nats = 0.5 * (v2 * kept + q - 1 - q.log()).sum()
    return len(kept), ((kept * q**2).sum() + lam[len(kept) :].sum()).item(), nats.item()


@wrong("11.kl_weight", "the squared term of the mean left out of the KL")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    kept = lam[:latents][lam[:latents] > floor]
    q = floor / kept
    error = (floor * q).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (q - 1 - q.log()).sum().item()


@wrong("11.kl_weight", "the squared error without the half of the Gaussian: noise_var halved")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta / 2
    kept = lam[:latents][lam[:latents] > floor]
    error = (floor**2 / kept).sum() + lam[len(kept) :].sum()
    return len(kept), error.item(), 0.5 * (kept / floor).log().sum().item()


@wrong("11.kl_weight", "the two parts of the water: the smaller of lambda and the floor, as in rate and distortion")
def _(eigenvalues, noise_var, beta, latents):
    lam, floor = eigenvalues.double(), noise_var * beta
    error = lam[:latents].clamp(max=floor).sum() + lam[latents:].sum()
    nats = 0.5 * (lam[:latents] / floor).log().clamp(min=0).sum()
    return int((lam[:latents] > floor).sum()), error.item(), nats.item()


@right("11.kl_weight", "a loop over the latents")
def _(eigenvalues, noise_var, beta, latents):
    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.tolist()):
        q = beta * noise_var / lam
        if i < latents and q < 1:
            live += 1
            error += lam * q * q
            nats -= math.log(q) / 2
        else:
            error += lam
    return live, error, nats


@right("11.kl_weight", "numpy, all directions at once")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues.numpy().astype(np.float64)
    used = (np.arange(len(lam)) < latents) & (lam > beta * noise_var)
    q = np.where(used, beta * noise_var / lam, 1.0)
    return int(used.sum()), float((lam * q**2).sum()), float(-0.5 * np.log(q).sum())


@right("11.kl_weight", "each direction by alternation, the best encoder and the best decoder, until nothing changes")
def _(eigenvalues, noise_var, beta, latents):
    floor, live, error, nats = beta * noise_var, 0, 0.0, 0.0
    for lam in eigenvalues.tolist()[:latents]:
        w, old = math.sqrt(lam), 0.0
        while abs(w - old) > 1e-11 * w and w > 1e-7:
            v, s, old = w / (w * w + floor), floor / (w * w + floor), w
            w = lam * v / (lam * v * v + s)
        if w > 1e-7:
            v, s = w / (w * w + floor), floor / (w * w + floor)
            live += 1
            error += lam * (1 - w * v) ** 2
            nats += 0.5 * (v * v * lam + s - 1 - math.log(s))
        else:
            error += lam
    return live, error + sum(eigenvalues.tolist()[latents:]), nats


@right("11.kl_weight", "the matrices of probabilistic PCA with noise beta·noise_var, and the general formulas")
def _(eigenvalues, noise_var, beta, latents):
    cov = torch.diag(eigenvalues.double())
    floor = beta * noise_var
    values, vectors = torch.linalg.eigh(cov)
    values, vectors = values.flip(0)[:latents], vectors.flip(1)[:, :latents]
    w = vectors * (values - floor).clamp(min=0).sqrt()
    m = w.T @ w + floor * torch.eye(latents, dtype=torch.float64)
    v = torch.linalg.solve(m, w.T)
    s = floor / torch.diagonal(m)
    rest = torch.eye(len(cov), dtype=torch.float64) - w @ v
    nats = 0.5 * (torch.trace(v @ cov @ v.T) + (s - 1 - s.log()).sum())
    return int(torch.linalg.matrix_rank(w)), torch.trace(rest @ cov @ rest.T).item(), nats.item()


@right("11.kl_weight", "the smallest loss of each direction over w², by golden section")
def _(eigenvalues, noise_var, beta, latents):
    def parts(lam, u):
        s = beta * noise_var / (u + beta * noise_var)
        v2 = u / (u + beta * noise_var) ** 2
        clean = lam * s * s
        nats = 0.5 * (v2 * lam + s - 1 - math.log(s))
        return (clean + u * s) / (2 * noise_var) + beta * nats, clean, nats

    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.tolist()):
        low, high = 0.0, lam
        ratio = (math.sqrt(5) - 1) / 2
        for _ in range(100):
            a, b = high - ratio * (high - low), low + ratio * (high - low)
            low, high = (low, b) if parts(lam, a)[0] < parts(lam, b)[0] else (a, high)
        u = (low + high) / 2
        if i < latents and u > 1e-5 * lam:
            live += 1
            error += parts(lam, u)[1]
            nats += parts(lam, u)[2]
        else:
            error += lam
    return live, error, nats


# 11.paired --------------------------------------------------------------------------------------------------------


def spread(losses):
    """The standard deviation, in float64, with N - 1."""
    return losses.double().std().item()


@wrong("11.paired", "the sign: how much better the second is")
def _(before, after):
    d = before.double() - after.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "the interval of two independent samples, so that pairs gain nothing")
def _(before, after):
    n = len(before)
    mean = (after.double() - before.double()).mean().item()
    half = 1.96 * math.sqrt((spread(before) ** 2 + spread(after) ** 2) / n)
    return mean, (mean - half, mean + half), 1.0


@wrong("11.paired", "the interval of two independent samples, and times right")
def _(before, after):
    d = after.double() - before.double()
    variances = spread(before) ** 2 + spread(after) ** 2
    mean, half = d.mean().item(), 1.96 * math.sqrt(variances / len(d))
    return mean, (mean - half, mean + half), variances / spread(d) ** 2


@wrong("11.paired", "where 95 % of the differences lie: not divided by the root of N")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d)
    return mean, (mean - half, mean + half), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "the percentiles of the differences")
def _(before, after):
    d = after.double() - before.double()
    low, high = torch.quantile(d, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return d.mean().item(), (low, high), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "one standard error to each side")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "how many times as wide, not how many times as many examples")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), math.hypot(spread(before), spread(after)) / spread(d)


@wrong("11.paired", "the examples of both checkpoints counted together")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), 2 * (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "variances with N")
def _(before, after):
    b, a = before.double().numpy(), after.double().numpy()
    d = a - b
    half = 1.96 * d.std() / len(d) ** 0.5
    times = (a.var() + b.var()) / d.var()
    return float(d.mean()), (float(d.mean() - half), float(d.mean() + half)), float(times)


@wrong("11.paired", "variances with N for the differences alone")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * d.std(unbiased=False).item() / len(d) ** 0.5
    times = (spread(before) ** 2 + spread(after) ** 2) / d.var(unbiased=False).item()
    return mean, (mean - half, mean + half), times


@wrong("11.paired", "times from the correlation, as if both scattered alike")
def _(before, after):
    b, a = before.double(), after.double()
    d = a - b
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    rho = torch.corrcoef(torch.stack([b, a]))[0, 1].item()
    return mean, (mean - half, mean + half), 1 / (1 - rho)


@wrong("11.paired", "the mean of the two variances by that of the differences")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), (spread(before) ** 2 + spread(after) ** 2) / 2 / spread(d) ** 2


@wrong("11.paired", "the variance of the first checkpoint alone")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), (spread(before) / spread(d)) ** 2


@wrong("11.paired", "never below 1: pairs cannot harm")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    times = (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2
    return mean, (mean - half, mean + half), max(1.0, times)


@wrong("11.paired", "the reverse: how many pairs are worth an example of its own")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), spread(d) ** 2 / (spread(before) ** 2 + spread(after) ** 2)


@wrong("11.paired", "the change in shares of the loss before")
def _(before, after):
    d = (after.double() - before.double()) / before.double().mean()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    times = (spread(before) ** 2 + spread(after) ** 2) / spread(after.double() - before.double()) ** 2
    return mean, (mean - half, mean + half), times


@wrong("11.paired", "the covariance counted once")
def _(before, after):
    b, a = before.double(), after.double()
    both = spread(b) ** 2 + spread(a) ** 2
    var = both - torch.cov(torch.stack([b, a]))[0, 1].item()
    mean, half = (a - b).mean().item(), 1.96 * math.sqrt(var / len(a))
    return mean, (mean - half, mean + half), both / var


@wrong("11.paired", "the median of the differences")
def _(before, after):
    d = after.double() - before.double()
    mid, half = d.quantile(0.5).item(), 1.96 * spread(d) / len(d) ** 0.5
    return mid, (mid - half, mid + half), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "pairs by rank: both sorted first")
def _(before, after):
    d = after.double().sort().values - before.double().sort().values
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean - half, mean + half), (spread(before) ** 2 + spread(after) ** 2) / max(spread(d), 1e-9) ** 2


@wrong("11.paired", "the half width in place of low and high, about 0")
def _(before, after):
    d = after.double() - before.double()
    half = 1.96 * spread(d) / len(d) ** 0.5
    return d.mean().item(), (-half, half), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@wrong("11.paired", "high before low")
def _(before, after):
    d = after.double() - before.double()
    mean, half = d.mean().item(), 1.96 * spread(d) / len(d) ** 0.5
    return mean, (mean + half, mean - half), (spread(before) ** 2 + spread(after) ** 2) / spread(d) ** 2


@right("11.paired", "the differences, in torch")
def _(before, after):
    d = after - before
    mean, half = d.mean(), 1.96 * d.std() / len(d) ** 0.5
    return mean.item(), ((mean - half).item(), (mean + half).item()), ((before.var() + after.var()) / d.var()).item()


@right("11.paired", "plain Python and statistics")
def _(before, after):
    b, a = before.tolist(), after.tolist()
    d = [y - x for x, y in zip(b, a, strict=True)]
    mean, half = statistics.fmean(d), 1.96 * statistics.stdev(d) / math.sqrt(len(d))
    times = (statistics.variance(a) + statistics.variance(b)) / statistics.variance(d)
    return mean, (mean - half, mean + half), times


@right("11.paired", "numpy, from the table of covariances")
def _(before, after):
    b, a = before.double().numpy(), after.double().numpy()
    (vb, c), (_, va) = np.cov(b, a)
    change = a.mean() - b.mean()
    half = 1.96 * np.sqrt((va + vb - 2 * c) / len(a))
    return float(change), (float(change - half), float(change + half)), float((va + vb) / (va + vb - 2 * c))


@right("11.paired", "times from the two widths, squared")
def _(before, after):
    b, a = before.double(), after.double()
    n = len(a)
    half = 1.96 * torch.sqrt(((a - b) - (a - b).mean()).square().sum() / (n - 1) / n)
    wide = 1.96 * torch.sqrt(a.var() / n + b.var() / n)
    change = a.mean() - b.mean()
    return float(change), (float(change - half), float(change + half)), float((wide / half) ** 2)


# 11.probe_forward -------------------------------------------------------------------------------------------------


def overheard(loss, x0, seed):
    """What a network is shown: x_t and t."""
    seen = []

    def network(x_t, t):
        seen.append((x_t.detach().clone(), t.clone()))
        return torch.zeros_like(x_t)

    loss(network, x0, seed)
    return seen[0]


def alphas_by_difference(loss, T):
    """Each alpha from two x0 and the same noise."""
    alphas = torch.full((T,), math.nan)
    for seed in range(50):
        one, t = overheard(loss, torch.ones(20 * T, 1), seed)
        none, _ = overheard(loss, torch.zeros(20 * T, 1), seed)
        alphas[t] = (one - none)[:, 0].float()
        if not alphas.isnan().any():
            break
    return alphas


def sigmas_of_noise(loss, T, rows=20, D=10000):
    """Each sigma from the noise alone, over all rows of its step."""
    noise, t = overheard(loss, torch.zeros(rows * T, D), 0)
    squares = noise.double().square().mean(1)
    return torch.stack([squares[t == k].mean().sqrt() for k in range(T)]).float()


@wrong("11.probe_forward", "sigma from alpha, as if the variance were preserved")
def _(loss, T):
    alphas = alphas_by_difference(loss, T)
    return alphas, (1 - alphas**2).clamp(min=0).sqrt()


@wrong("11.probe_forward", "sigma as 1 - alpha, as in flow matching")
def _(loss, T):
    alphas = alphas_by_difference(loss, T)
    return alphas, 1 - alphas


@wrong("11.probe_forward", "the variance in place of sigma")
def _(loss, T):
    return alphas_by_difference(loss, T), sigmas_of_noise(loss, T) ** 2


@wrong("11.probe_forward", "alpha squared: alpha_bar, and sigma")
def _(loss, T):
    return alphas_by_difference(loss, T) ** 2, sigmas_of_noise(loss, T)


@wrong("11.probe_forward", "the two in the other order")
def _(loss, T):
    return sigmas_of_noise(loss, T), alphas_by_difference(loss, T)


@wrong("11.probe_forward", "too few numbers for sigma: 200 a step")
def _(loss, T):
    return alphas_by_difference(loss, T), sigmas_of_noise(loss, T, 20, 10)


@wrong("11.probe_forward", "the mean of |noise| for sigma")
def _(loss, T):
    noise, t = overheard(loss, torch.zeros(20 * T, 5000), 0)
    return alphas_by_difference(loss, T), torch.stack([noise[t == k].abs().mean() for k in range(T)])


@wrong("11.probe_forward", "as many rows as steps, in the hope that each is drawn once")
def _(loss, T):
    alphas, sigmas = torch.zeros(T), torch.zeros(T)
    one, t = overheard(loss, torch.ones(T, 100000), 0)
    none, _ = overheard(loss, torch.zeros(T, 100000), 0)
    alphas[t] = (one - none).mean(1)
    sigmas[t] = none.std(1)
    return alphas, sigmas


@wrong("11.probe_forward", "rows taken for steps: row k for step k")
def _(loss, T):
    one, _ = overheard(loss, torch.ones(T, 50000), 0)
    none, _ = overheard(loss, torch.zeros(T, 50000), 0)
    return (one - none).mean(1), none.std(1)


@wrong("11.probe_forward", "x0 of ones, the mean and the deviation of x_t: alpha too rough where it is small")
def _(loss, T):
    x_t, t = overheard(loss, torch.ones(20 * T, 1000), 0)
    rows = [x_t[t == k] for k in range(T)]
    return torch.stack([r.mean() for r in rows]), torch.stack([r.std() for r in rows])


@wrong("11.probe_forward", "two different seeds for the two x0")
def _(loss, T):
    one, t = overheard(loss, torch.ones(20 * T, 5000), 0)
    none, u = overheard(loss, torch.zeros(20 * T, 5000), 1)
    alphas = torch.stack([one[t == k].mean() - none[u == k].mean() for k in range(T)])
    return alphas, torch.stack([none[u == k].std() for k in range(T)])


@wrong("11.probe_forward", "the same rows of two seeds subtracted, though their steps differ")
def _(loss, T):
    one, t = overheard(loss, torch.ones(20 * T, 5000), 0)
    none, _ = overheard(loss, torch.zeros(20 * T, 5000), 1)
    each = (one - none).mean(1)
    return torch.stack([each[t == k].mean() for k in range(T)]), sigmas_of_noise(loss, T)


@wrong("11.probe_forward", "both from one x0 of 1e8, whose x_t has no room for the noise")
def _(loss, T):
    x_t, t = overheard(loss, torch.full((20 * T, 5000), 1e8), 0)
    alphas, sigmas = [], []
    for k in range(T):
        r = x_t[t == k].double() / 1e8
        alphas.append(r.mean())
        sigmas.append(r.std() * 1e8)
    return torch.stack(alphas).float(), torch.stack(sigmas).float()


@wrong("11.probe_forward", "Gaussian images: the deviation of x_t for sigma")
def _(loss, T):
    x_t, t = overheard(loss, torch.randn(20 * T, 5000), 0)
    return alphas_by_difference(loss, T), torch.stack([x_t[t == k].std() for k in range(T)])


@wrong("11.probe_forward", "one sigma for all steps")
def _(loss, T):
    noise, _ = overheard(loss, torch.zeros(20 * T, 1000), 0)
    return alphas_by_difference(loss, T), noise.std().expand(T).clone()


@wrong("11.probe_forward", "the deviation by row, and the last row of a step for the step")
def _(loss, T):
    noise, t = overheard(loss, torch.zeros(20 * T, 100), 0)
    sigmas = torch.zeros(T)
    sigmas[t] = noise.std(1)
    return alphas_by_difference(loss, T), sigmas


@wrong("11.probe_forward", "the steps in the order in which they came")
def _(loss, T):
    noise, t = overheard(loss, torch.zeros(20 * T, 10000), 0)
    one, _ = overheard(loss, torch.ones(20 * T, 10000), 0)
    steps = list(dict.fromkeys(t.tolist()))
    alphas = torch.stack([(one - noise)[t == k].mean() for k in steps])
    return alphas, torch.stack([noise[t == k].std() for k in steps])


@wrong("11.probe_forward", "eps drawn again from the seed, as torch would draw it")
def _(loss, T):
    alphas, sigmas = torch.zeros(T), torch.zeros(T)
    for seed in range(20):
        x0 = torch.zeros(20 * T, 100)
        noise, t = overheard(loss, x0, seed)
        torch.manual_seed(seed)
        torch.randint(0, T, (len(x0),))
        eps = torch.randn_like(x0)
        sigmas[t] = (noise * eps).mean(1) / (eps * eps).mean(1)
    return alphas_by_difference(loss, T), sigmas


@wrong("11.probe_forward", "eps drawn again from the seed, as torch would draw it, with a generator of its own")
def _(loss, T):
    alphas, sigmas = torch.zeros(T), torch.zeros(T)
    for seed in range(20):
        x0 = torch.zeros(20 * T, 100)
        noise, t = overheard(loss, x0, seed)
        generator = torch.Generator().manual_seed(seed)
        torch.randint(0, T, (len(x0),), generator=generator)
        eps = torch.randn(x0.shape, generator=generator)
        sigmas[t] = (noise * eps).mean(1) / (eps * eps).mean(1)
    return alphas_by_difference(loss, T), sigmas


@wrong("11.probe_forward", "64 rows and five seeds, which seem many: steps that never came are nan")
def _(loss, T):
    D = 20000
    total, alphas, n = torch.zeros(T), torch.zeros(T), torch.zeros(T)
    for seed in range(5):
        none, t = overheard(loss, torch.zeros(64, D), seed)
        one, _ = overheard(loss, torch.ones(64, D), seed)
        total.index_add_(0, t, none.square().mean(1))
        n.index_add_(0, t, torch.ones(64))
        alphas[t] = (one - none).mean(1)
    return alphas, (total / n).sqrt()


@wrong("11.probe_forward", "the deviation among the means of rows")
def _(loss, T):
    noise, t = overheard(loss, torch.zeros(400 * T, 100), 0)
    return alphas_by_difference(loss, T), torch.stack([noise[t == k].mean(1).std() for k in range(T)])


@right("11.probe_forward", "the median of |noise|, which is 0.6745 sigma")
def _(loss, T):
    noise, t = overheard(loss, torch.zeros(20 * T, 10000), 7)
    sigmas = torch.stack([noise[t == k].abs().median() for k in range(T)]) / 0.674490
    return alphas_by_difference(loss, T), sigmas


@right("11.probe_forward", "two x0 and one seed, a large batch, masks")
def _(loss, T):
    return alphas_by_difference(loss, T), sigmas_of_noise(loss, T)


@right("11.probe_forward", "a row a call, seed after seed, until each step has its numbers")
def _(loss, T):
    D = 100000
    alphas, squares, counts = torch.zeros(T), torch.zeros(T), torch.zeros(T)
    seed = 0
    while counts.min() < 1:
        _, t = overheard(loss, torch.zeros(1, D), seed)
        if counts[t] < 1:
            none, _ = overheard(loss, torch.zeros(1, D), seed)
            one, _ = overheard(loss, torch.ones(1, D), seed)
            alphas[t] = (one - none).double().mean().float()
            squares[t] += none.square().mean()
            counts[t] += 1
        seed += 1
    return alphas, (squares / counts).sqrt()


@right(
    "11.probe_forward",
    "plus ones and minus ones: half the difference is alpha, half the sum is the noise",
)
def _(loss, T):
    rows, D = 25 * T, 2000
    total, count, diff = torch.zeros(T), torch.zeros(T), torch.zeros(T)
    for seed in range(4):
        plus, t = overheard(loss, torch.ones(rows, D), seed)
        minus, _ = overheard(loss, -torch.ones(rows, D), seed)
        total.index_add_(0, t, ((plus + minus) / 2).square().sum(1))
        diff.index_add_(0, t, ((plus - minus) / 2).sum(1))
        count.index_add_(0, t, torch.full((rows,), float(D)))
    return diff / count, (total / count).sqrt()


@right("11.probe_forward", "a large x0 for alpha, none for sigma, numpy for the sums")
def _(loss, T):
    big = 1e6
    x_t, t = overheard(loss, torch.full((20 * T, 100), big), 3)
    alphas = np.bincount(t.numpy(), x_t.double().mean(1).numpy(), T) / np.bincount(t.numpy(), minlength=T) / big
    x_t, t = overheard(loss, torch.zeros(20 * T, 8000), 4)
    var = np.bincount(t.numpy(), x_t.double().square().mean(1).numpy(), T) / np.bincount(t.numpy(), minlength=T)
    return torch.from_numpy(alphas).float(), torch.from_numpy(np.sqrt(var)).float()


# 11.target --------------------------------------------------------------------------------------------------------


def slope(loss, x0, seed, value):
    """The gradient of the loss in an answer that is one value throughout; x_t and t."""
    seen = {}

    def network(x_t, t):
        seen["x_t"], seen["t"] = x_t.detach(), t
        seen["answer"] = torch.full_like(x_t, value).requires_grad_()
        return seen["answer"]

    grad = torch.autograd.grad(loss(network, x0, seed), seen["answer"])[0]
    return grad, seen["x_t"], seen["t"]


def wanted(loss, x0, seed):
    """The answer at which the loss has no slope, whatever the weights."""
    g0, x_t, t = slope(loss, x0, seed, 0.0)
    g1, _, _ = slope(loss, x0, seed, 1.0)
    return -g0 / (g1 - g0), x_t, t


def solved(loss, alphas, sigmas, read=wanted, seeds=8):
    """a and b by least squares, step by step."""
    T = len(alphas)
    generator = torch.Generator().manual_seed(0)
    table = [[] for _ in range(T)]
    for seed in range(seeds):
        x0 = torch.randn(10 * T, 8, generator=generator)
        y, x_t, t = read(loss, x0, seed)
        eps = (x_t - alphas[t][:, None] * x0) / sigmas[t][:, None]
        for k in range(T):
            m = t == k
            table[k].append((x0[m].flatten(), eps[m].flatten(), y[m].flatten()))
    a, b = [], []
    for rows in table:
        x, e, y = (torch.cat(column).double() for column in zip(*rows, strict=True))
        fit = torch.linalg.lstsq(torch.stack([x, e], 1), y[:, None]).solution[:, 0]
        a.append(fit[0])
        b.append(fit[1])
    return torch.stack(a).float(), torch.stack(b).float()


@wrong("11.target", "weights taken as 1 and the loss as a mean: the target is -N/2 times the slope at 0")
def _(loss, alphas, sigmas):
    def read(loss, x0, seed):
        g0, x_t, t = slope(loss, x0, seed, 0.0)
        return -g0 * g0.numel() / 2, x_t, t

    return solved(loss, alphas, sigmas, read)


@wrong("11.target", "the slope at 0 divided by its largest, to be rid of the weight")
def _(loss, alphas, sigmas):
    def read(loss, x0, seed):
        g0, x_t, t = slope(loss, x0, seed, 0.0)
        return -g0 / g0.abs().max(), x_t, t

    a, b = solved(loss, alphas, sigmas, read)
    size = torch.hypot(a, b)
    return a / size, b / size


@wrong("11.target", "a and b in the other order")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return b, a


@wrong("11.target", "the sign: the slope points away from the target")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return -a, -b


@wrong("11.target", "fitted to x0 and x_t, not to x0 and eps")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return a - b * alphas / sigmas, b / sigmas


@wrong("11.target", "eps taken as x_t - alpha·x0, its sigma forgotten")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return a, b / sigmas


@wrong("11.target", "noise, image or velocity: the nearest of the three")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    zero, one = torch.zeros_like(alphas), torch.ones_like(alphas)
    known = [(zero, one), (one, zero), (-sigmas, alphas)]
    return min(known, key=lambda ab: float((ab[0] - a).square().sum() + (ab[1] - b).square().sum()))


@wrong("11.target", "the noise it must be, without a look")
def _(loss, alphas, sigmas):
    return torch.zeros_like(alphas), torch.ones_like(alphas)


@wrong("11.target", "only x0 = 0 is looked at, so the image cannot show")
def _(loss, alphas, sigmas):
    T = len(alphas)
    b = torch.zeros(T)
    for seed in range(8):
        y, x_t, t = wanted(loss, torch.zeros(10 * T, 4), seed)
        b[t] = (y * x_t).sum(1) / (x_t * x_t).sum(1) * sigmas[t]
    return torch.zeros(T), b


@wrong("11.target", "correlations with a random image and with the noise, as if they were orthonormal")
def _(loss, alphas, sigmas):
    T = len(alphas)
    a, b, n = torch.zeros(T), torch.zeros(T), torch.zeros(T)
    for seed in range(8):
        x0 = torch.randn(10 * T, 8, generator=torch.Generator().manual_seed(seed))
        y, x_t, t = wanted(loss, x0, seed)
        eps = (x_t - alphas[t][:, None] * x0) / sigmas[t][:, None]
        a.index_add_(0, t, (y * x0).mean(1))
        b.index_add_(0, t, (y * eps).mean(1))
        n.index_add_(0, t, torch.ones(len(t)))
    return a / n, b / n


@wrong("11.target", "one a and one b for all steps")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return a.mean().expand(len(a)).clone(), b.mean().expand(len(b)).clone()


@wrong("11.target", "half of the target: the second derivative taken for the weight")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return a / 2, b / 2


@wrong("11.target", "as many rows as steps and one seed: steps that did not come stay 0")
def _(loss, alphas, sigmas):
    T = len(alphas)
    a, b = torch.zeros(T), torch.zeros(T)
    one, _, _ = wanted(loss, torch.ones(T, 4), 0)
    none, x_t, t = wanted(loss, torch.zeros(T, 4), 0)
    a[t] = (one - none).mean(1)
    b[t] = (none * x_t).sum(1) / (x_t * x_t).sum(1) * sigmas[t]
    return a, b


@wrong("11.target", "the target times the root of its weight")
def _(loss, alphas, sigmas):
    def read(loss, x0, seed):
        g0, x_t, t = slope(loss, x0, seed, 0.0)
        g1, _, _ = slope(loss, x0, seed, 1.0)
        weight = (g1 - g0) * g0.numel() / 2
        return -g0 / (g1 - g0) * weight.sqrt(), x_t, t

    return solved(loss, alphas, sigmas, read)


@wrong("11.target", "a network of two numbers a step, trained for 200 steps of SGD")
def _(loss, alphas, sigmas):
    T = len(alphas)
    p = torch.zeros(2, T, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=0.1)
    for seed in range(200):
        x0 = torch.randn(4 * T, 4, generator=torch.Generator().manual_seed(seed))

        def network(x_t, t, x0=x0):
            eps = (x_t - alphas[t][:, None] * x0) / sigmas[t][:, None]
            return p[0][t][:, None] * x0 + p[1][t][:, None] * eps

        optimizer.zero_grad()
        loss(network, x0, seed).backward()
        optimizer.step()
    return p[0].detach().clone(), p[1].detach().clone()


@wrong("11.target", "the slope at 1 for the scale in place of the difference of both")
def _(loss, alphas, sigmas):
    def read(loss, x0, seed):
        g0, x_t, t = slope(loss, x0, seed, 0.0)
        g1, _, _ = slope(loss, x0, seed, 1.0)
        return -g0 / g1, x_t, t

    return solved(loss, alphas, sigmas, read)


@wrong("11.target", "the target at x0 = 1 taken for the image's share, though the noise is in it")
def _(loss, alphas, sigmas):
    T = len(alphas)
    a, b = torch.zeros(T), torch.zeros(T)
    for seed in range(8):
        one, _, t = wanted(loss, torch.ones(10 * T, 4), seed)
        a[t] = one.mean(1)
        none, x_t, t = wanted(loss, torch.zeros(10 * T, 4), seed)
        b[t] = (none * x_t).sum(1) / (x_t * x_t).sum(1) * sigmas[t]
    return a, b


@wrong("11.target", "a share of 0 shown as 0.01")
def _(loss, alphas, sigmas):
    a, b = solved(loss, alphas, sigmas)
    return torch.where(a.abs() < 0.01, torch.full_like(a, 0.01), a), b


@wrong("11.target", "the noise's share from the image and the noise at once: one draw a step")
def _(loss, alphas, sigmas):
    T = len(alphas)
    a, b = torch.zeros(T), torch.zeros(T)
    for seed in range(8):
        x0 = torch.ones(10 * T, 1)
        y, x_t, t = wanted(loss, x0, seed)
        b[t] = (y / x_t * sigmas[t][:, None])[:, 0]
        a[t] = (y / x_t * alphas[t][:, None])[:, 0]
    return a, b


@wrong("11.target", "two numbers a step, trained for 100 steps of Adam")
def _(loss, alphas, sigmas):
    T = len(alphas)
    p = torch.zeros(2, T, requires_grad=True)
    optimizer = torch.optim.Adam([p], lr=0.01)
    for seed in range(100):
        x0 = torch.randn(4 * T, 4, generator=torch.Generator().manual_seed(seed))

        def network(x_t, t, x0=x0):
            eps = (x_t - alphas[t][:, None] * x0) / sigmas[t][:, None]
            return p[0][t][:, None] * x0 + p[1][t][:, None] * eps

        optimizer.zero_grad()
        loss(network, x0, seed).backward()
        optimizer.step()
    return p[0].detach().clone(), p[1].detach().clone()


@right("11.target", "slopes at two answers, least squares on image and noise")
def _(loss, alphas, sigmas):
    return solved(loss, alphas, sigmas)


@right("11.target", "x0 = 0 shows b, x0 = 1 with the same noise shows a")
def _(loss, alphas, sigmas):
    T = len(alphas)
    a, b = torch.zeros(T), torch.zeros(T)
    missing = set(range(T))
    seed = 0
    while missing:
        one, _, _ = wanted(loss, torch.ones(4 * T, 16), seed)
        none, x_t, t = wanted(loss, torch.zeros(4 * T, 16), seed)
        a[t] = (one - none).mean(1)
        b[t] = sigmas[t] * (none * x_t).sum(1) / (x_t * x_t).sum(1)
        missing -= set(t.tolist())
        seed += 1
    return a, b


@right("11.target", "two parameters a step, and a Newton step by autograd")
def _(loss, alphas, sigmas):
    T = len(alphas)
    gradient, hessian = torch.zeros(2, T, dtype=torch.float64), torch.zeros(2, 2, T, dtype=torch.float64)
    for seed in range(10):
        x0 = torch.randn(8 * T, 8, generator=torch.Generator().manual_seed(seed))

        def derivative(p, x0=x0, seed=seed):
            def network(x_t, t):
                eps = (x_t - alphas[t][:, None] * x0) / sigmas[t][:, None]
                return (p[0][t][:, None] * x0 + p[1][t][:, None] * eps).to(x_t.dtype)

            return torch.autograd.grad(loss(network, x0, seed), p)[0].double()

        g = derivative(torch.zeros(2, T, requires_grad=True))
        gradient += g
        for i in range(2):
            unit = torch.zeros(2, T)
            unit[i] = 1
            hessian[:, i] += derivative(unit.requires_grad_()) - g
    answer = torch.linalg.solve(hessian.permute(2, 0, 1), -gradient.T)
    return answer[:, 0].float(), answer[:, 1].float()


@right("11.target", "one row at a time: the loss as a parabola in three answers, in float64")
def _(loss, alphas, sigmas):
    T = len(alphas)
    a, b = torch.full((T,), math.nan), torch.full((T,), math.nan)

    def value(answer, x0, seed):
        """The loss at an answer that is one number, and what was shown."""
        seen = []

        def network(x_t, t):
            seen.append((x_t.detach(), t))
            return torch.full_like(x_t, answer)

        return float(loss(network, x0, seed)), seen[0][0].double(), int(seen[0][1])

    def vertex(x0, seed):
        minus, x_t, t = value(-1.0, x0, seed)
        middle, plus = value(0.0, x0, seed)[0], value(1.0, x0, seed)[0]
        return (minus - plus) / (2 * (plus + minus - 2 * middle)), x_t, t

    seed = 0
    while a.isnan().any():
        y1, _, t = vertex(torch.ones(1, 1, dtype=torch.float64), seed)
        y0, x_t, _ = vertex(torch.zeros(1, 1, dtype=torch.float64), seed)
        if a[t].isnan() and abs(x_t.item()) > 0.5 * float(sigmas[t]):
            a[t], b[t] = y1 - y0, y0 * float(sigmas[t]) / x_t.item()
        seed += 1
    return a, b


# 11.two_gradients -------------------------------------------------------------------------------------------------


def summed_up(score, path):
    """Means, standard errors, and the ratio of the variances."""
    n = len(score)
    score, path = score.double(), path.double()
    by_score = score.mean().item(), (score.std() / n**0.5).item()
    by_path = path.mean().item(), (path.std() / n**0.5).item()
    return by_score, by_path, (by_score[1] / by_path[1]) ** 2


@wrong("11.two_gradients", "the score by mu")
def _(values, slopes, eps, sigma):
    return summed_up(values * eps / sigma, slopes * eps)


@wrong("11.two_gradients", "the path by mu: the slopes alone")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 - 1) / sigma, slopes)


@wrong("11.two_gradients", "both by mu")
def _(values, slopes, eps, sigma):
    return summed_up(values * eps / sigma, slopes)


@wrong("11.two_gradients", "the normaliser forgotten: eps² without its -1")
def _(values, slopes, eps, sigma):
    return summed_up(values * eps**2 / sigma, slopes * eps)


@wrong("11.two_gradients", "the score by the variance")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 - 1) / (2 * sigma**2), slopes * eps)


@wrong("11.two_gradients", "both by the variance")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 - 1) / (2 * sigma**2), slopes * eps / (2 * sigma))


@wrong("11.two_gradients", "both by the logarithm of sigma")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 - 1), slopes * eps * sigma)


@wrong("11.two_gradients", "eps taken for z - mu: squared and divided by sigma³")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 / sigma**3 - 1 / sigma), slopes * eps)


@wrong("11.two_gradients", "z - mu in the path: sigma·eps")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 - 1) / sigma, slopes * eps * sigma)


@wrong("11.two_gradients", "the mean of the values subtracted")
def _(values, slopes, eps, sigma):
    return summed_up((values - values.mean()) * (eps**2 - 1) / sigma, slopes * eps)


@wrong("11.two_gradients", "the sign of the score")
def _(values, slopes, eps, sigma):
    return summed_up(values * (1 - eps**2) / sigma, slopes * eps)


@wrong("11.two_gradients", "the standard deviation of one draw in place of the error of the mean")
def _(values, slopes, eps, sigma):
    score, path = (values * (eps**2 - 1) / sigma).double(), (slopes * eps).double()
    g, h = (score.mean().item(), score.std().item()), (path.mean().item(), path.std().item())
    return g, h, (g[1] / h[1]) ** 2


@wrong("11.two_gradients", "variances with N")
def _(values, slopes, eps, sigma):
    out = []
    for each in (values * (eps**2 - 1) / sigma, slopes * eps):
        each = each.double().numpy()
        out.append((float(each.mean()), float(each.std() / len(each) ** 0.5)))
    return out[0], out[1], (out[0][1] / out[1][1]) ** 2


@wrong("11.two_gradients", "the ratio of the standard errors, not squared")
def _(values, slopes, eps, sigma):
    g, h, _ = summed_up(values * (eps**2 - 1) / sigma, slopes * eps)
    return g, h, g[1] / h[1]


@wrong("11.two_gradients", "the ratio upside down")
def _(values, slopes, eps, sigma):
    g, h, times = summed_up(values * (eps**2 - 1) / sigma, slopes * eps)
    return g, h, 1 / times if times else math.inf


@wrong("11.two_gradients", "the squared standard errors in place of the standard errors")
def _(values, slopes, eps, sigma):
    (g, se), (h, pe), times = summed_up(values * (eps**2 - 1) / sigma, slopes * eps)
    return (g, se**2), (h, pe**2), times


@wrong("11.two_gradients", "the pair of the path before the pair of the score")
def _(values, slopes, eps, sigma):
    g, h, times = summed_up(values * (eps**2 - 1) / sigma, slopes * eps)
    return h, g, times


@wrong("11.two_gradients", "relative errors: each by its own mean")
def _(values, slopes, eps, sigma):
    (g, se), (h, pe), _ = summed_up(values * (eps**2 - 1) / sigma, slopes * eps)
    return (g, se), (h, pe), (se / g * h / pe) ** 2


@wrong("11.two_gradients", "the density's derivative by z, not by sigma: the score of Stein")
def _(values, slopes, eps, sigma):
    return summed_up(-values * eps / sigma, slopes * eps)


@wrong("11.two_gradients", "how many more draws: the ratio less 1")
def _(values, slopes, eps, sigma):
    g, h, times = summed_up(values * (eps**2 - 1) / sigma, slopes * eps)
    return g, h, times - 1


@wrong("11.two_gradients", "the values' mean times the mean of the score")
def _(values, slopes, eps, sigma):
    return summed_up(values.mean() * (eps**2 - 1) / sigma, slopes * eps)


@wrong("11.two_gradients", "the two estimates taken off each other: the error of their difference")
def _(values, slopes, eps, sigma):
    score, path = (values * (eps**2 - 1) / sigma).double(), (slopes * eps).double()
    g, h, times = summed_up(score, path)
    both = ((score - path).std() / len(eps) ** 0.5).item()
    return (g[0], both), h, times


@right("11.two_gradients", "torch, two tensors")
def _(values, slopes, eps, sigma):
    return summed_up(values * (eps**2 - 1) / sigma, slopes * eps)


@right("11.two_gradients", "plain Python and statistics")
def _(values, slopes, eps, sigma):
    score = [f * (e * e - 1) / sigma for f, e in zip(values.tolist(), eps.tolist(), strict=True)]
    path = [f * e for f, e in zip(slopes.tolist(), eps.tolist(), strict=True)]
    n = len(score)
    g = statistics.fmean(score), statistics.stdev(score) / math.sqrt(n)
    h = statistics.fmean(path), statistics.stdev(path) / math.sqrt(n)
    return g, h, statistics.variance(score) / statistics.variance(path)


@right("11.two_gradients", "autograd of the log density, and of z")
def _(values, slopes, eps, sigma):
    n = len(eps)
    s = torch.full((n,), float(sigma), dtype=torch.float64, requires_grad=True)
    z = float(sigma) * eps.double()  # mu moves nothing
    log_p = torch.distributions.Normal(torch.zeros(n, dtype=torch.float64), s).log_prob(z)
    score = values.double() * torch.autograd.grad(log_p.sum(), s)[0]
    path = slopes.double() * torch.autograd.grad((s * eps.double()).sum(), s)[0]
    return summed_up(score, path)


@right("11.two_gradients", "numpy, with the covariance matrix of both")
def _(values, slopes, eps, sigma):
    v, f, e = (a.numpy().astype(np.float64) for a in (values, slopes, eps))
    both = np.stack([v * (np.square(e) / sigma - 1 / sigma), f * e])
    var = np.diag(np.cov(both))
    (g, h), (se, pe) = both.mean(1), np.sqrt(var / both.shape[1])
    return (float(g), float(se)), (float(h), float(pe)), float(var[0] / var[1])


# 11.whose_fault ---------------------------------------------------------------------------------------------------


def law(at_n, at_2n, at_4n):
    """The ratio of the two steps, and the limit; ValueError where there is none."""
    first, second = at_n - at_2n, at_2n - at_4n
    if second == 0 or not first / second > 1:
        raise ValueError("no law C·m^-order with order > 0 leads through these values")
    ratio = first / second
    return ratio, at_4n - second / (ratio - 1)


@wrong("11.whose_fault", "the ratio upside down: a negative order")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return -math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the natural logarithm")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the logarithm by 4, as n to 4n")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log(ratio, 4), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the order of the error to the truth, which holds the network's part")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    if at_n == truth or at_2n == truth:
        return math.log2(ratio), limit, at_n - limit, limit - truth
    return math.log2(abs((at_n - truth) / (at_2n - truth))), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "4n steps taken for the limit")
def _(at_n, at_2n, at_4n, truth):
    ratio, _ = law(at_n, at_2n, at_4n)
    return math.log2(ratio), at_4n, at_n - at_4n, at_4n - truth


@wrong("11.whose_fault", "order 1 taken for granted: Richardson's 2·at_4n - at_2n")
def _(at_n, at_2n, at_4n, truth):
    ratio, _ = law(at_n, at_2n, at_4n)
    limit = 2 * at_4n - at_2n
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the network's part with the other sign")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_n - limit, truth - limit


@wrong("11.whose_fault", "both parts without their signs")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, abs(at_n - limit), abs(limit - truth)


@wrong("11.whose_fault", "the parts in shares of the whole")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    whole = at_n - truth if at_n != truth else 1.0
    return math.log2(ratio), limit, (at_n - limit) / whole, (limit - truth) / whole


@wrong("11.whose_fault", "the steps' part at 4n")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_4n - limit, limit - truth


@wrong("11.whose_fault", "no ValueError: whatever comes out")
def _(at_n, at_2n, at_4n, truth):
    ratio = (at_n - at_2n) / (at_2n - at_4n) if at_2n != at_4n else math.inf
    limit = at_4n - (at_2n - at_4n) / (ratio - 1) if ratio != 1 else math.nan
    order = math.log2(ratio) if ratio > 0 else math.nan
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "a ZeroDivisionError where 2n and 4n agree")
def _(at_n, at_2n, at_4n, truth):
    ratio = (at_n - at_2n) / (at_2n - at_4n)
    if ratio <= 1:
        raise ValueError("no law")
    limit = at_4n - (at_2n - at_4n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "a ValueError from the logarithm alone: orders below 0 pass")
def _(at_n, at_2n, at_4n, truth):
    first, second = at_n - at_2n, at_2n - at_4n
    if second == 0 or first == second:
        raise ValueError("no law")
    ratio = first / second
    order = math.log2(ratio)
    limit = at_4n - second / (ratio - 1)
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "absolute differences: values that go to and fro get a law, too")
def _(at_n, at_2n, at_4n, truth):
    first, second = abs(at_n - at_2n), abs(at_2n - at_4n)
    if second == 0 or first <= second:
        raise ValueError("no law")
    ratio = first / second
    limit = at_4n - (at_2n - at_4n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "values that rise refused: an error falls")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    if at_n < at_2n:
        raise ValueError("the error must fall with the steps")
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "orders below 1 refused")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    if ratio < 2:
        raise ValueError("the order of a sampler is 1 at least")
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the order as a whole number")
def _(at_n, at_2n, at_4n, truth):
    ratio, _ = law(at_n, at_2n, at_4n)
    order = max(1, round(math.log2(ratio)))
    limit = at_4n - (at_2n - at_4n) / (2**order - 1)
    return float(order), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "differences to 4n: (at_n - at_4n)/(at_2n - at_4n) for the ratio")
def _(at_n, at_2n, at_4n, truth):
    law(at_n, at_2n, at_4n)
    ratio = (at_n - at_4n) / (at_2n - at_4n)
    limit = at_4n - (at_2n - at_4n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "extrapolated the wrong way")
def _(at_n, at_2n, at_4n, truth):
    ratio, _ = law(at_n, at_2n, at_4n)
    limit = at_4n + (at_2n - at_4n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the truth taken for the limit: nothing is left to the network")
def _(at_n, at_2n, at_4n, truth):
    ratio, _ = law(at_n, at_2n, at_4n)
    return math.log2(ratio), truth, at_n - truth, 0.0


@wrong("11.whose_fault", "differences below 1e-3 taken for none")
def _(at_n, at_2n, at_4n, truth):
    if abs(at_2n - at_4n) < 1e-3:
        raise ValueError("2n and 4n steps agree")
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "an infinite order where 2n and 4n agree")
def _(at_n, at_2n, at_4n, truth):
    if at_2n == at_4n and at_n != at_2n:
        return math.inf, at_4n, at_n - at_4n, at_4n - truth
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "three equal values: converged, with C = 0")
def _(at_n, at_2n, at_4n, truth):
    if at_n == at_2n == at_4n:
        return 1.0, at_4n, 0.0, at_4n - truth
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "a ValueError where the network's part is larger than the whole error")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    if abs(limit - truth) > abs(at_n - truth):
        raise ValueError("more steps make it worse")
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the parts at 4n, both of them")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_4n - limit, at_4n - truth - (at_4n - limit)


@wrong("11.whose_fault", "n taken for 1 where C is worked out from 2n, without its power")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    steps = at_n - at_2n
    return math.log2(ratio), limit, steps, at_n - truth - steps


@right("11.whose_fault", "the ratio of the differences, and the geometric series of what is to come")
def _(at_n, at_2n, at_4n, truth):
    ratio, limit = law(at_n, at_2n, at_4n)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@right("11.whose_fault", "Aitken's formula")
def _(at_n, at_2n, at_4n, truth):
    first, second = at_2n - at_n, at_4n - at_2n
    if first * second <= 0 or abs(second) >= abs(first):
        raise ValueError(f"no law through {at_n}, {at_2n}, {at_4n}")
    limit = at_n - first**2 / (second - first)
    return math.log(first / second) / math.log(2), limit, at_n - limit, limit - truth


@right("11.whose_fault", "exact fractions")
def _(at_n, at_2n, at_4n, truth):
    a, b, c, real = map(Fraction, (at_n, at_2n, at_4n, truth))
    if a == b or b == c or (a - b) / (b - c) <= 1:
        raise ValueError("no law")
    ratio = (a - b) / (b - c)
    size = (a - b) * ratio / (ratio - 1)
    return math.log2(ratio), float(a - size), float(size), float(a - size - real)


@right("11.whose_fault", "the order by 200 halvings of an interval")
def _(at_n, at_2n, at_4n, truth):
    first, second = at_n - at_2n, at_2n - at_4n
    if first == 0 or second == 0 or (first > 0) != (second > 0) or abs(first) <= abs(second):
        raise ValueError("no law")
    low, high = 0.0, 1000.0
    for _ in range(200):
        order = (low + high) / 2
        low, high = (order, high) if second * 2**order / first < 1 else (low, order)
    steps = first / (1 - 2**-order)
    return order, at_n - steps, steps, at_n - steps - truth


@right("11.whose_fault", "numpy: a straight line through the limit's logarithms")
def _(at_n, at_2n, at_4n, truth):
    values = np.array([at_n, at_2n, at_4n], dtype=np.float64)
    steps = -np.diff(values)
    if (steps == 0).any() or np.sign(steps[0]) != np.sign(steps[1]) or abs(steps[0]) <= abs(steps[1]):
        raise ValueError("no law")
    order = -np.polyfit([0.0, 1.0], np.log2(np.abs(steps)), 1)[0]
    table = np.stack([np.ones(3), 2.0 ** (-order * np.arange(3))], 1)
    limit, size = np.linalg.lstsq(table, values, rcond=None)[0]
    return float(order), float(limit), float(size), float(limit - truth)
