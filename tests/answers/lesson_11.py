"""Answers to the exercises of lesson 11."""

import math
import statistics

import numpy as np
import torch
from learn_answers import right, wrong

# -- 11.band ---------------------------------------------------------------------------------------------------------


@wrong("11.band", "the white formula: variance-preserving data of unit variance")
def _(eigenvalues, alphas, sigmas):
    return alphas**2


@wrong("11.band", "Wiener's gain, not what is left")
def _(eigenvalues, alphas, sigmas):
    num = sigmas[:, None] ** 2
    return (num / (num + alphas[:, None] ** 2 * eigenvalues + 1e-12)).mean(-1)


@wrong("11.band", "posterior variance of x0")
def _(eigenvalues, alphas, sigmas):
    precision = 1 / eigenvalues + (alphas[:, None] / sigmas[:, None]) ** 2
    return (1 / precision).mean(-1)


@wrong("11.band", "the trace for every direction")
def _(eigenvalues, alphas, sigmas):
    s = alphas**2 * eigenvalues.sum()
    return s / (s + sigmas**2)


@wrong("11.band", "the mean variance")
def _(eigenvalues, alphas, sigmas):
    var = eigenvalues.mean().item()
    return torch.tensor([a * a * var / (a * a * var + s * s) for a, s in zip(alphas.tolist(), sigmas.tolist())])


@wrong("11.band", "summed")
def _(eigenvalues, alphas, sigmas):
    top = torch.outer(alphas.square(), eigenvalues)
    bottom = top + sigmas.square()[:, None]
    return torch.nan_to_num(top / bottom).sum(1)


@wrong("11.band", "no thought of sigma = 0")
def _(eigenvalues, alphas, sigmas):
    top = torch.outer(alphas.square(), eigenvalues)
    return (top / (top + sigmas.square()[:, None])).mean(1)


@wrong("11.band", "a divisor kept from 0 by 1e-8 in the SNR")
def _(eigenvalues, alphas, sigmas):
    snr = alphas[:, None] ** 2 * eigenvalues / (sigmas[:, None] ** 2 + 1e-3)
    return (snr / (1 + snr)).mean(1)


@wrong("11.band", "sigma = 0 is always 1")
def _(eigenvalues, alphas, sigmas):
    out = torch.ones_like(alphas)
    for i in range(len(alphas)):
        if sigmas[i] > 0:
            s = alphas[i] ** 2 * eigenvalues
            out[i] = (s / (s + sigmas[i] ** 2)).mean()
    return out


@wrong("11.band", "inverse SNR in a sum of amplitudes")
def _(eigenvalues, alphas, sigmas):
    amplitude = alphas[:, None] * eigenvalues.sqrt()
    return (amplitude / (amplitude + sigmas[:, None] + 1e-20)).mean(1)


@wrong("11.band", "eigenvalues squared like singular values")
def _(eigenvalues, alphas, sigmas):
    top = (alphas[:, None] * eigenvalues) ** 2
    return (top / (top + sigmas[:, None] ** 2 + 1e-30)).mean(1)


@wrong("11.band", "root mean square error")
def _(eigenvalues, alphas, sigmas):
    top = torch.outer(alphas.square(), eigenvalues)
    return (top / (top + sigmas.square()[:, None]).clamp(min=1e-30)).mean(1).sqrt()


@wrong("11.band", "alpha as if it were alpha_bar")
def _(eigenvalues, alphas, sigmas):
    top = torch.outer(alphas, eigenvalues)
    return (top / (top + 1 - alphas[:, None]).clamp(min=1e-30)).mean(1)


@wrong("11.band", "the best scalar for all directions")
def _(eigenvalues, alphas, sigmas):
    total = alphas**2 * eigenvalues.mean() + sigmas**2
    return 1 - sigmas**2 / total


@wrong("11.band", "the best scalar, put back by hand with a slip")
def _(eigenvalues, alphas, sigmas):
    s, n = torch.outer(alphas**2, eigenvalues), sigmas[:, None] ** 2
    c = n.sqrt() / (s + n).clamp(min=1e-30)
    return (1 - c * n).mean(1)


@wrong("11.band", "the last step's predictor for all levels")
def _(eigenvalues, alphas, sigmas):
    s, n = torch.outer(alphas**2, eigenvalues), sigmas[:, None] ** 2
    c = (n.sqrt() / (s + n).clamp(min=1e-30))[-1:]
    return (c**2 * (s + n) - 2 * c * n.sqrt() + 1).mean(1)


@wrong("11.band", "simulated")
def _(eigenvalues, alphas, sigmas):
    x0 = torch.randn(2000, len(eigenvalues)) * eigenvalues.sqrt()
    eps = torch.randn_like(x0)
    out = []
    for a, s in zip(alphas, sigmas):
        x = a * x0 + s * eps
        c = (x * eps).mean(0) / (x * x).mean(0).clamp(min=1e-20)
        out.append(((c * x - eps) ** 2).mean())
    return torch.stack(out)


@wrong("11.band", "each direction's errors")
def _(eigenvalues, alphas, sigmas):
    s = alphas[:, None] ** 2 * eigenvalues[None]
    return torch.where(s > 0, s / (s + sigmas[:, None] ** 2), torch.zeros_like(s))


@right("11.band", "numpy, the division only where it can be done")
def _(eigenvalues, alphas, sigmas):
    s = np.outer(alphas.numpy() ** 2, eigenvalues.numpy())
    n = np.broadcast_to(sigmas.numpy()[:, None] ** 2, s.shape)
    return torch.from_numpy(np.divide(s, s + n, out=np.zeros_like(s), where=s > 0).mean(axis=1))


@right("11.band", "the parabola's bottom")
def _(eigenvalues, alphas, sigmas):
    sigmas = sigmas.double().clamp(min=1e-9)[:, None]
    power = alphas.double()[:, None] ** 2 * eigenvalues.double() + sigmas**2
    c = sigmas / power
    return (c**2 * power - 2 * c * sigmas + 1).mean(1)


@right("11.band", "a tiny number in the divisor, in float64")
def _(eigenvalues, alphas, sigmas):
    s = alphas.double()[:, None].square() * eigenvalues.double()
    return (s / (s + sigmas.double()[:, None].square() + 1e-30)).mean(dim=-1).float()


@right("11.band", "loops over numbers")
def _(eigenvalues, alphas, sigmas):
    out = []
    for a, s in zip(alphas.tolist(), sigmas.tolist()):
        total = 0.0
        for lam in eigenvalues.tolist():
            if lam == 0 or a == 0:
                continue
            total += 1 / (1 + s**2 / (a**2 * lam))
        out.append(total / len(eigenvalues))
    return torch.tensor(out)


@right("11.band", "nan_to_num for the limit")
def _(eigenvalues, alphas, sigmas):
    s = torch.einsum("t,d->td", alphas**2, eigenvalues)
    return torch.nan_to_num(s / (s + (sigmas**2).unsqueeze(1)), nan=0.0).mean(1)


# -- 11.kl_weight ----------------------------------------------------------------------------------------------------


@wrong("11.kl_weight", "PCA with K latents, the KL guessed")
def _(eigenvalues, noise_var, beta, latents):
    kept = eigenvalues[:latents]
    return latents, eigenvalues[latents:].sum().item(), 0.5 * torch.log(kept / noise_var).sum().item()


@wrong("11.kl_weight", "PCA of what lives")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    live = sum(1 for lam in eigenvalues[:latents].tolist() if lam > b)
    return live, eigenvalues[live:].sum().item(), sum(0.5 * math.log(v / b) for v in eigenvalues[:live].tolist())


@wrong("11.kl_weight", "reverse water-filling: the distortion")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues.double()
    d = lam.clamp(max=b)
    d[latents:] = lam[latents:]
    return int((d < lam).sum()), float(d.sum()), float(0.5 * (lam / d).log().sum())


@wrong("11.kl_weight", "beta forgotten, as Lucas et al. write it")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues[:latents]
    lam = lam[lam > noise_var]
    error = (noise_var**2 / lam).sum() + eigenvalues[len(lam) :].sum()
    return len(lam), float(error), float((lam / noise_var).log().sum() / 2)


@wrong("11.kl_weight", "beta only where it decides")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues[:latents]
    lam = lam[lam > beta * noise_var]
    error = (noise_var**2 / lam).sum() + eigenvalues[len(lam) :].sum()
    return len(lam), float(error), float((lam / noise_var).log().sum() / 2)


@wrong("11.kl_weight", "beta divides")
def _(eigenvalues, noise_var, beta, latents):
    b = noise_var / beta
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    error = (b**2 / lam).sum() + eigenvalues[len(lam) :].sum()
    return len(lam), float(error), float((lam / b).log().sum() / 2)


@wrong("11.kl_weight", "the cost of the decision: half the log must be won")
def _(eigenvalues, noise_var, beta, latents):
    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.tolist()):
        gain = lam / (2 * noise_var) - beta * 0.5 * math.log(1 + lam / noise_var)
        if i < latents and gain > 0:
            live += 1
            nats += 0.5 * math.log(1 + lam / noise_var)
            error += lam / (1 + lam / noise_var) ** 2
        else:
            error += lam
    return live, error, nats


@wrong("11.kl_weight", "w is the standard deviation, a and v at their best")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.tolist()):
        if i >= latents or lam <= b:
            error += lam
            continue
        w2 = lam
        v = b / (w2 + b)
        a2 = w2 / (w2 + b) ** 2
        live += 1
        error += lam * (1 - w2 / (w2 + b)) ** 2
        nats += 0.5 * (a2 * lam + v - 1 - math.log(v))
    return live, error, nats


@wrong("11.kl_weight", "the standard deviation of the noise")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * math.sqrt(noise_var)
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    return len(lam), float((b**2 / lam).sum() + eigenvalues[len(lam) :].sum()), float((lam / b).log().sum() / 2)


@wrong("11.kl_weight", "log2")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    return len(lam), float((b**2 / lam).sum() + eigenvalues[len(lam) :].sum()), float(torch.log2(lam / b).sum() / 2)


@wrong("11.kl_weight", "the term of the loss")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    cost = beta * 0.5 * (lam / b).log().sum()
    return len(lam), float((b**2 / lam).sum() + eigenvalues[len(lam) :].sum()), float(cost)


@wrong("11.kl_weight", "lost variance of the live ones only")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    return len(lam), float((b**2 / lam).sum()), float((lam / b).log().sum() / 2)


@wrong("11.kl_weight", "1 - a·w not squared, with the draw's noise forgotten")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    shrink = (lam - b) / lam
    return len(lam), float((lam * (1 - shrink)).sum() + eigenvalues[len(lam) :].sum()), float((lam / b).log().sum() / 2)


@wrong("11.kl_weight", "1 - (a·w)²")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[:latents]
    lam = lam[lam > b]
    shrink = (lam - b) / lam
    return (
        len(lam),
        float((lam * (1 - shrink**2)).sum() + eigenvalues[len(lam) :].sum()),
        float((lam / b).log().sum() / 2),
    )


@wrong("11.kl_weight", "the latents forgotten")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[eigenvalues > b]
    return len(lam), float((b**2 / lam).sum() + eigenvalues[len(lam) :].sum()), float((lam / b).log().sum() / 2)


@wrong("11.kl_weight", "a mean for the sum")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    share = (b / eigenvalues).clamp(max=1)
    share[latents:] = 1.0
    return int((share < 1).sum()), float((share**2 * eigenvalues).mean()), float(-share.log().sum() / 2)


@wrong("11.kl_weight", "the entropy of the code")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    share = (b / eigenvalues).clamp(max=1)
    share[latents:] = 1.0
    nats = 0.5 * (share[share < 1] + 1 - share[share < 1].log()).sum()
    return int((share < 1).sum()), float((share**2 * eigenvalues).sum()), float(nats)


@wrong("11.kl_weight", "live as a share")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    share = (b / eigenvalues).clamp(max=1)
    share[latents:] = 1.0
    live = float((share < 1).sum()) / latents
    return live, float((share**2 * eigenvalues).sum()), float(-share.log().sum() / 2)


@right("11.kl_weight", "a loop with w, a and v")
def _(eigenvalues, noise_var, beta, latents):
    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.tolist()):
        w2 = lam - beta * noise_var
        if i >= latents or w2 <= 0:
            error += lam
            continue
        live += 1
        v = beta * noise_var / (w2 + beta * noise_var)
        a = math.sqrt(w2) / (w2 + beta * noise_var)
        error += (1 - a * math.sqrt(w2)) ** 2 * lam
        nats += 0.5 * (a**2 * lam + v - 1 - math.log(v))
    return live, error, nats


@right("11.kl_weight", "numpy")
def _(eigenvalues, noise_var, beta, latents):
    lam, b = eigenvalues.numpy().astype(float), beta * noise_var
    used = (lam > b) & (np.arange(lam.size) < latents)
    return used.sum(), np.where(used, b * b / lam, lam).sum(), 0.5 * np.log(lam[used] / b).sum()


@right("11.kl_weight", "torch's KL of Gaussians")
def _(eigenvalues, noise_var, beta, latents):
    b = beta * noise_var
    lam = eigenvalues[:latents].double()
    lam = lam[lam > b]
    if len(lam) == 0:
        return 0, eigenvalues.sum().item(), 0.0
    v = b / lam
    spread = ((lam - b) / lam).sqrt()
    q = torch.distributions.Normal(spread, v.sqrt())  # a mean whose square is the mean square
    kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum()
    return len(lam), (lam * v**2).sum().item() + eigenvalues[len(lam) :].sum().item(), kl.item()


@right("11.kl_weight", "all variance less what is explained, a list of tensors")
def _(eigenvalues, noise_var, beta, latents):
    lam = eigenvalues.double()
    slope2 = (lam - beta * noise_var).clamp(min=0)
    slope2[latents:] = 0
    share = slope2 / lam
    error = (lam - 2 * share * lam + share**2 * lam).sum()
    return [(slope2 > 0).sum(), error, -torch.log1p(-share).sum() / 2]


@right("11.kl_weight", "minimised over the slope by trying")
def _(eigenvalues, noise_var, beta, latents):
    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.double().tolist()):
        if i >= latents:
            error += lam
            continue

        def at(w, lam=lam):
            v = beta * noise_var / (w * w + beta * noise_var)
            a = w / (w * w + beta * noise_var)
            kl = (a * a * lam + v - 1 - math.log(v)) / 2
            return ((1 - w * a) ** 2 * lam + w * w * v) / (2 * noise_var) + beta * kl, (1 - w * a) ** 2 * lam, kl

        low, high = 0.0, math.sqrt(lam)
        for _ in range(200):
            a, b = low + 0.382 * (high - low), low + 0.618 * (high - low)
            low, high = (low, b) if at(a)[0] <= at(b)[0] else (a, high)
        w = (low + high) / 2
        if w < 1e-5:
            error += lam
            continue
        live += 1
        error += at(w)[1]
        nats += at(w)[2]
    return live, error, nats


# -- 11.two_gradients ------------------------------------------------------------------------------------------------


def mean_and_se(each):
    return each.mean().item(), (each.std() / math.sqrt(len(each))).item()


def both(score, path):
    a, b = mean_and_se(score), mean_and_se(path)
    return a, b, a[1] ** 2 / b[1] ** 2


@wrong("11.two_gradients", "remembered from lesson 01: by mu")
def _(values, slopes, eps, sigma):
    return both(values * eps / sigma, slopes)


@wrong("11.two_gradients", "only the exponent differentiated")
def _(values, slopes, eps, sigma):
    return both(values * eps**2 / sigma, slopes * eps)


@wrong("11.two_gradients", "only the exponent differentiated, z - mu taken for eps")
def _(values, slopes, eps, sigma):
    return both(values * eps**2 / sigma**3, slopes * eps)


@wrong("11.two_gradients", "z - mu taken for eps")
def _(values, slopes, eps, sigma):
    score = eps**2 / sigma**3 - 1 / sigma
    return both(values * score, slopes * eps)


@wrong("11.two_gradients", "the log's derivative with a half: it is log sigma², after all")
def _(values, slopes, eps, sigma):
    score = eps**2 / sigma - 1 / (2 * sigma)
    return both(values * score, slopes * eps)


@wrong("11.two_gradients", "autograd by sigma with z made of sigma")
def _(values, slopes, eps, sigma):
    s = torch.full_like(eps, sigma).requires_grad_()
    log_p = torch.distributions.Normal(0.0, s).log_prob(s * eps)
    (score,) = torch.autograd.grad(log_p.sum(), s)
    return both(values * score, slopes * eps)


@wrong("11.two_gradients", "autograd by log sigma")
def _(values, slopes, eps, sigma):
    log_s = torch.full_like(eps, math.log(sigma)).requires_grad_()
    log_p = torch.distributions.Normal(0.0, log_s.exp()).log_prob(sigma * eps)
    (score,) = torch.autograd.grad(log_p.sum(), log_s)
    return both(values * score, slopes * eps * sigma)


@wrong("11.two_gradients", "a baseline, as everybody has")
def _(values, slopes, eps, sigma):
    return both((values - values.mean()) * (eps**2 - 1) / sigma, slopes * eps)


@wrong("11.two_gradients", "standardised values, as in reinforcement learning")
def _(values, slopes, eps, sigma):
    advantage = (values - values.mean()) / (values.std() + 1e-8)
    return both(advantage * (eps**2 - 1) / sigma, slopes * eps)


@wrong("11.two_gradients", "a gradient step's sign")
def _(values, slopes, eps, sigma):
    return both(-values * (eps**2 - 1) / sigma, -slopes * eps)


@wrong("11.two_gradients", "standard deviations for standard errors")
def _(values, slopes, eps, sigma):
    a, b = values * (eps**2 - 1) / sigma, slopes * eps
    return (a.mean().item(), a.std().item()), (b.mean().item(), b.std().item()), (a.var() / b.var()).item()


@wrong("11.two_gradients", "numpy's std")
def _(values, slopes, eps, sigma):
    f, d, e = values.numpy(), slopes.numpy(), eps.numpy()
    a, b = f * (e**2 - 1) / sigma, d * e
    n = len(e)
    return (a.mean(), a.std() / n**0.5), (b.mean(), b.std() / n**0.5), a.var() / b.var()


@wrong("11.two_gradients", "errors compared, not variances")
def _(values, slopes, eps, sigma):
    a, b = mean_and_se(values * (eps**2 - 1) / sigma), mean_and_se(slopes * eps)
    return a, b, a[1] / b[1]


@wrong("11.two_gradients", "the first's share of draws")
def _(values, slopes, eps, sigma):
    a, b = mean_and_se(values * (eps**2 - 1) / sigma), mean_and_se(slopes * eps)
    return a, b, b[1] ** 2 / a[1] ** 2


@wrong("11.two_gradients", "how many draws, not how many times as many")
def _(values, slopes, eps, sigma):
    a, b = mean_and_se(values * (eps**2 - 1) / sigma), mean_and_se(slopes * eps)
    return a, b, len(eps) * a[1] ** 2 / b[1] ** 2


@wrong("11.two_gradients", "a whole number of times")
def _(values, slopes, eps, sigma):
    a, b = mean_and_se(values * (eps**2 - 1) / sigma), mean_and_se(slopes * eps)
    return a, b, math.ceil(a[1] ** 2 / b[1] ** 2)


@wrong("11.two_gradients", "the path first")
def _(values, slopes, eps, sigma):
    a, b = mean_and_se(values * (eps**2 - 1) / sigma), mean_and_se(slopes * eps)
    return b, a, a[1] ** 2 / b[1] ** 2


@wrong("11.two_gradients", "the path through z")
def _(values, slopes, eps, sigma):
    return both(values * (eps**2 - 1) / sigma, slopes * sigma * eps)


@wrong("11.two_gradients", "the root of each estimate's mean square as its error")
def _(values, slopes, eps, sigma):
    a, b = values * (eps**2 - 1) / sigma, slopes * eps
    n = len(eps)
    u, v = (a.square().mean() / n).sqrt().item(), (b.square().mean() / n).sqrt().item()
    return (a.mean().item(), u), (b.mean().item(), v), (u / v) ** 2


@right("11.two_gradients", "factors written out")
def _(values, slopes, eps, sigma):
    return both(values * (eps - 1) * (eps + 1) / sigma, eps * slopes)


@right("11.two_gradients", "numpy with ddof=1")
def _(values, slopes, eps, sigma):
    f, d, e = (x.double().numpy() for x in (values, slopes, eps))
    a, b = f * (e**2 / sigma - 1 / sigma), d * e
    n = len(e)
    return (
        (a.mean(), a.std(ddof=1) / np.sqrt(n)),
        (b.mean(), b.std(ddof=1) / np.sqrt(n)),
        a.var(ddof=1) / b.var(ddof=1),
    )


@right("11.two_gradients", "tensors of no dimension, a list of lists")
def _(values, slopes, eps, sigma):
    each = torch.stack([values * (eps.square() - 1) / sigma, slopes * eps])
    variance, mean = torch.var_mean(each, dim=1)
    se = (variance / each.shape[1]) ** 0.5
    return [[mean[0], se[0]], [mean[1], se[1]], variance[0] / variance[1]]


@right("11.two_gradients", "the score from autograd, z held")
def _(values, slopes, eps, sigma):
    s = torch.tensor(float(sigma), requires_grad=True)
    z = (sigma * eps).detach()
    score = torch.autograd.functional.jacobian(lambda s: torch.distributions.Normal(0.0, s).log_prob(z), s)
    return both((values * score).double(), (slopes * eps).double())


@right("11.two_gradients", "sums of squares")
def _(values, slopes, eps, sigma):
    n, out = len(eps), []
    for each in (values.double() * (eps.double() ** 2 - 1) / sigma, slopes.double() * eps.double()):
        m = each.sum() / n
        out.append((m.item(), math.sqrt((each.square().sum() - n * m**2) / (n - 1) / n)))
    return out[0], out[1], (out[0][1] / out[1][1]) ** 2


# -- 11.whose_fault --------------------------------------------------------------------------------------------------


def refuse_what_does_not_shrink(at_n, at_2n, at_4n):
    if at_2n == at_4n or (at_2n - at_n) / (at_4n - at_2n) <= 1:
        raise ValueError("no order")


@wrong("11.whose_fault", "the errors, in logarithms")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    order = math.log2(abs(at_n - truth) / abs(at_2n - truth))
    limit = at_4n + (at_4n - at_2n) / (2**order - 1)
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "a line fitted through three errors in logarithms")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    errors = np.log2(np.abs(np.array([at_n, at_2n, at_4n]) - truth) + 1e-12)
    order = -np.polyfit([0, 1, 2], errors, 1)[0]
    limit = at_4n + (at_4n - at_2n) / (2**order - 1)
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "4n is as good as infinity")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    order = math.log2((at_n - at_2n) / (at_2n - at_4n))
    return order, at_4n, at_n - at_4n, at_4n - truth


@wrong("11.whose_fault", "Richardson for Euler")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    limit = 2 * at_4n - at_2n
    return math.log2((at_n - at_2n) / (at_2n - at_4n)), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "Richardson for Heun")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    limit = (4 * at_4n - at_2n) / 3
    return math.log2((at_n - at_2n) / (at_2n - at_4n)), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "what 8n steps would give")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_n - at_2n) / (at_2n - at_4n)
    limit = at_4n + (at_4n - at_2n) / ratio
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the weights the wrong way round")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_n - at_2n) / (at_2n - at_4n)
    limit = (ratio * at_2n - at_4n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "np.log")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_n - at_2n) / (at_2n - at_4n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return np.log(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "np.log, and the limit by it")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    order = math.log((at_n - at_2n) / (at_2n - at_4n))
    limit = at_4n + (at_4n - at_2n) / (2**order - 1)
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "the ratio the wrong way round")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_4n - at_2n) / (at_2n - at_n)
    order = math.log2(ratio)
    limit = at_4n + (at_4n - at_2n) / (2**order - 1)
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "nothing refused")
def _(at_n, at_2n, at_4n, truth):
    ratio = abs(at_2n - at_n) / max(abs(at_4n - at_2n), 1e-12)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1 + 1e-12)
    return math.log2(max(ratio, 1e-12)), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "math domain error will do")
def _(at_n, at_2n, at_4n, truth):
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    order = math.log2(ratio)
    limit = at_4n + (at_4n - at_2n) / (2**order - 1)
    return order, limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "an assertion")
def _(at_n, at_2n, at_4n, truth):
    assert at_2n != at_4n and (at_2n - at_n) / (at_4n - at_2n) > 1
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "NaN where there is no law")
def _(at_n, at_2n, at_4n, truth):
    ratio = (at_2n - at_n) / (at_4n - at_2n) if at_4n != at_2n else 0
    if ratio <= 1:
        return (math.nan,) * 4
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "a growing change accepted")
def _(at_n, at_2n, at_4n, truth):
    first, second = at_2n - at_n, at_4n - at_2n
    if first * second <= 0:
        raise ValueError("zigzag")
    ratio = first / second
    limit = at_4n + second / (ratio - 1) if ratio != 1 else math.inf
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "refuses what falls")
def _(at_n, at_2n, at_4n, truth):
    if not at_n < at_2n < at_4n or at_4n - at_2n >= at_2n - at_n:
        raise ValueError("it should rise")
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


@wrong("11.whose_fault", "distances")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, abs(at_n - limit), abs(limit - truth)


@wrong("11.whose_fault", "what is missing, not what is wrong")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, limit - at_n, truth - limit


@wrong("11.whose_fault", "the network's part at 4n")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, at_4n - truth


@wrong("11.whose_fault", "a logarithm to the base 4")
def _(at_n, at_2n, at_4n, truth):
    refuse_what_does_not_shrink(at_n, at_2n, at_4n)
    ratio = (at_2n - at_n) / (at_4n - at_2n)
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log(ratio, 4), limit, at_n - limit, limit - truth


@right("11.whose_fault", "the geometric series summed")
def _(at_n, at_2n, at_4n, truth):
    first, second = at_2n - at_n, at_4n - at_2n
    if not (0 < second < first or first < second < 0):
        raise ValueError("the changes do not shrink")
    q = second / first
    limit = at_n + first / (1 - q)
    return -math.log2(q), limit, at_n - limit, limit - truth


@right("11.whose_fault", "torch")
def _(at_n, at_2n, at_4n, truth):
    v = torch.tensor([at_n, at_2n, at_4n], dtype=torch.float64)
    d = v.diff()
    ratio = d[0] / d[1]
    if not bool(ratio.isfinite()) or bool(ratio <= 1):
        raise ValueError("no law")
    limit = v[2] + d[1] / (ratio - 1)
    return ratio.log2(), limit, v[0] - limit, limit - truth


@right("11.whose_fault", "the order by bisection")
def _(at_n, at_2n, at_4n, truth):
    if at_2n == at_4n or (at_n - at_2n) / (at_2n - at_4n) <= 1:
        raise ValueError("no law")
    low, high = 0.0, 60.0
    for _ in range(200):
        p = (low + high) / 2
        if 2**p * abs(at_4n - at_2n) < abs(at_2n - at_n):
            low = p
        else:
            high = p
    C = (at_n - at_2n) / (1 - 2**-p)
    return p, at_n - C, C, at_n - C - truth


@right("11.whose_fault", "Richardson's weights")
def _(at_n, at_2n, at_4n, truth):
    if at_4n - at_2n == 0:
        raise ValueError("two are equal")
    r = (at_n - at_2n) / (at_2n - at_4n)
    if r <= 1:
        raise ValueError("no order above 0")
    limit = (r * at_4n - at_2n) / (r - 1)
    return math.log(r) / math.log(2), limit, at_n - limit, limit - truth


@right("11.whose_fault", "errors turned into ValueError, a list")
def _(at_n, at_2n, at_4n, truth):
    try:
        order = math.log2((at_2n - at_n) / (at_4n - at_2n))
    except (ZeroDivisionError, ValueError) as error:
        raise ValueError("no order") from error
    if order <= 0:
        raise ValueError(f"the order {order} is not positive")
    left = (at_4n - at_2n) / (2**order - 1)
    return [order, at_4n + left, at_n - at_4n - left, at_4n + left - truth]


# -- 11.paired -------------------------------------------------------------------------------------------------------


def interval(mean, se, q=1.96):
    return mean - q * se, mean + q * se


@wrong("11.paired", "two means with two error bars")
def _(before, after):
    n = len(before)
    change = (after.mean() - before.mean()).item()
    se = ((before.var() + after.var()) / n).sqrt().item()
    return change, interval(change, se), 1.0


@wrong("11.paired", "two error bars, times by the pairs")
def _(before, after):
    n = len(before)
    change = (after.mean() - before.mean()).item()
    se = ((before.var() + after.var()) / n).sqrt().item()
    return change, interval(change, se), ((before.var() + after.var()) / (after - before).var()).item()


@wrong("11.paired", "the gain")
def _(before, after):
    d = before - after
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "where the single differences lie")
def _(before, after):
    d = after - before
    mean = d.mean().item()
    return mean, interval(mean, d.std().item()), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "quantiles of the differences")
def _(before, after):
    d = after - before
    low, high = torch.quantile(d, torch.tensor([0.025, 0.975], dtype=d.dtype)).tolist()
    return d.mean().item(), (low, high), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "Student's quantile")
def _(before, after):
    from diffcourse.gaussian import t_quantile

    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se, t_quantile(0.975, len(d) - 1)), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "a bootstrap")
def _(before, after):
    d = after - before
    means = d[torch.randint(len(d), (2000, len(d)))].mean(dim=1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=d.dtype)).tolist()
    return d.mean().item(), (low, high), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "numpy's std")
def _(before, after):
    a, b = before.numpy(), after.numpy()
    d = b - a
    se = d.std() / np.sqrt(len(d))
    return d.mean(), interval(d.mean(), se), (a.var() + b.var()) / d.var()


@wrong("11.paired", "by the square of the correlation")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    r = torch.corrcoef(torch.stack([before, after]))[0, 1].item()
    return mean, interval(mean, se), 1 / (1 - r**2)


@wrong("11.paired", "by the correlation")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    r = torch.corrcoef(torch.stack([before, after]))[0, 1].item()
    return mean, interval(mean, se), 1 / (1 - r)


@wrong("11.paired", "the ratio of widths")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), ((before.var() + after.var()) / d.var()).sqrt().item()


@wrong("11.paired", "the examples of both counted")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), 2 * ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "the mean of the two variances")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), (0.5 * (before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "never below 1")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), max(1.0, ((before.var() + after.var()) / d.var()).item())


@wrong("11.paired", "a whole number of times")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), math.ceil(((before.var() + after.var()) / d.var()).item())


@wrong("11.paired", "the half width in place of the ends")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, (-1.96 * se, 1.96 * se), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "relative to the loss before")
def _(before, after):
    d = (after - before) / before.mean()
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), ((before.var() + after.var()) / (after - before).var()).item()


@wrong("11.paired", "the root of N forgotten in one place")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d)).item()
    return mean, interval(mean, se), ((before.var() + after.var()) / d.var()).item()


@wrong("11.paired", "the high end first")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, (mean + 1.96 * se, mean - 1.96 * se), ((before.var() + after.var()) / d.var()).item()


@right("11.paired", "the plain way")
def _(before, after):
    d = after - before
    mean, se = d.mean().item(), (d.std() / len(d) ** 0.5).item()
    return mean, interval(mean, se), ((before.var() + after.var()) / d.var()).item()


@right("11.paired", "statistics")
def _(before, after):
    a, b = before.double().tolist(), after.double().tolist()
    d = [y - x for x, y in zip(a, b)]
    se = statistics.stdev(d) / math.sqrt(len(d))
    change = statistics.fmean(b) - statistics.fmean(a)
    times = (statistics.variance(a) + statistics.variance(b)) / statistics.variance(d)
    return change, interval(change, se), times


@right("11.paired", "numpy's covariance")
def _(before, after):
    c = np.cov(before.numpy(), after.numpy())
    change = after.numpy().mean() - before.numpy().mean()
    both = c[0, 0] + c[1, 1]
    se = np.sqrt((both - 2 * c[0, 1]) / len(before))
    return [change, [change - 1.96 * se, change + 1.96 * se], both / (both - 2 * c[0, 1])]


@right("11.paired", "the quantile with more digits, tensors")
def _(before, after):
    d = (after - before).double()
    q = torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(0.975, dtype=torch.float64))
    half = q * (d.var() / d.numel()).sqrt()
    times = (before.double().var() + after.double().var()) / d.var()
    return d.mean(), torch.stack([d.mean() - half, d.mean() + half]), times


@right("11.paired", "M found first, with the root of a sum of squares")
def _(before, after):
    n = len(before)
    d = after - before
    half = 1.96 * d.std().item() / math.sqrt(n)
    spread = math.hypot(before.std().item(), after.std().item())
    M = (1.96 * spread / half) ** 2
    change = d.mean().item()
    return change, (change - half, change + half), M / n
