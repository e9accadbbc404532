"""Answers to the exercises of lesson 10."""

import math
import statistics

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import distributions as D

from diffcourse import metrics

# -- 10.two_directions -----------------------------------------------------------------------------------------------


def weights_of(log_p):
    w = (log_p - log_p.max()).exp()
    return w / w.sum()


def by_moments(x, log_p):
    w = weights_of(log_p)
    m = (w * x).sum().item()
    return m, math.sqrt((w * (x - m) ** 2).sum().item())


def all_candidates(x, means, stds):
    """log q of every candidate, (K, L, N)."""
    return D.Normal(means[:, None, None], stds[None, :, None]).log_prob(x)


def at_the_smallest(cost, means, stds):
    i, j = np.unravel_index(int(cost.argmin()), cost.shape)
    return means[i].item(), stds[j].item()


@wrong("10.two_directions", "the names of p and q exchanged")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    reverse = (log_q.exp() * (log_q - log_p)).sum(-1)
    return at_the_smallest(reverse, means, stds), by_moments(x, log_p)


@wrong("10.two_directions", "both by trying")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    p = weights_of(log_p)
    forward = (p * (p.clamp(min=1e-300).log() - log_q)).sum(-1)
    reverse = (log_q.exp() * (log_q - log_p)).sum(-1)
    return at_the_smallest(forward, means, stds), at_the_smallest(reverse, means, stds)


@wrong("10.two_directions", "the reverse one is weighed by p too")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    reverse = (weights_of(log_p) * (log_q - log_p)).sum(-1).neg()
    return by_moments(x, log_p), at_the_smallest(reverse, means, stds)


@wrong("10.two_directions", "exp of log_p, divided by its sum")
def _(x, log_p, means, stds):
    p = log_p.exp()
    p = p / p.sum()
    m = (p * x).sum()
    s = ((x - m).pow(2) * p).sum().sqrt()
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return (m.item(), s.item()), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "all in densities, logarithms taken of them")
def _(x, log_p, means, stds):
    p = log_p.exp()
    p = p / p.sum()
    m = (p * x).sum()
    s = ((x - m).pow(2) * p).sum().sqrt()
    q = all_candidates(x, means, stds).exp()
    kl = (q * torch.log(q / p)).sum(-1)
    return (m.item(), s.item()), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "the largest subtracted, then logarithms of densities")
def _(x, log_p, means, stds):
    p = torch.exp(log_p - log_p.max())
    p = p / p.sum()
    q = all_candidates(x, means, stds).exp()
    kl = (q * (q.log() - p.log())).sum(-1)
    return by_moments(x, log_p), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "the same, NaN counted as 0")
def _(x, log_p, means, stds):
    p = torch.exp(log_p - log_p.max())
    p = p / p.sum()
    q = all_candidates(x, means, stds).exp()
    kl = (q * (q.log() - p.log())).nan_to_num(0.0, 0.0, 0.0).sum(-1)
    return by_moments(x, log_p), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "F.kl_div with its arguments the usual wrong way")
def _(x, log_p, means, stds):
    log_p = log_p.log_softmax(0)
    log_q = all_candidates(x, means, stds).log_softmax(-1)
    kl = F.kl_div(log_q, log_p.expand_as(log_q), reduction="none", log_target=True).sum(-1)
    return by_moments(x, log_p), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "a variance")
def _(x, log_p, means, stds):
    w = weights_of(log_p)
    m = (w * x).sum()
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return (m.item(), ((x - m) ** 2 * w).sum().item()), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "torch.std of x weighted")
def _(x, log_p, means, stds):
    w = weights_of(log_p)
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return ((w * x).sum().item(), (w * x).std().item()), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "cross-entropy for the divergence")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    cost = -(log_q.exp() * log_p).sum(-1)
    return by_moments(x, log_p), at_the_smallest(cost, means, stds)


@wrong("10.two_directions", "the second at the highest point of p, by the nearest candidates")
def _(x, log_p, means, stds):
    peak = x[log_p.argmax()]
    i = (means - peak).abs().argmin()
    log_q = all_candidates(x, means[i : i + 1], stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)[0]
    return by_moments(x, log_p), (means[i].item(), stds[kl.argmin()].item())


@wrong("10.two_directions", "a Gaussian without its factor")
def _(x, log_p, means, stds):
    log_q = -((x - means[:, None, None]) ** 2) / (2 * stds[None, :, None] ** 2)
    q = log_q.exp()
    kl = (q * (log_q - log_p)).sum(-1)
    return by_moments(x, log_p), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "q's variance is its standard deviation")
def _(x, log_p, means, stds):
    log_q = D.Normal(means[:, None, None], stds[None, :, None].sqrt()).log_prob(x)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return by_moments(x, log_p), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "the median of p")
def _(x, log_p, means, stds):
    w = weights_of(log_p)
    m = x[(w.cumsum(0) >= 0.5).nonzero()[0, 0]]
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return (m.item(), (w * (x - m) ** 2).sum().sqrt().item()), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "the larger of the two bumps by its place only, spread of all p")
def _(x, log_p, means, stds):
    m, s = by_moments(x, log_p)
    return (m, s), (x[log_p.argmax()].item(), s)


@wrong("10.two_directions", "(std, mean)")
def _(x, log_p, means, stds):
    m, s = by_moments(x, log_p)
    log_q = all_candidates(x, means, stds)
    a, b = at_the_smallest((log_q.exp() * (log_q - log_p)).sum(-1), means, stds)
    return (s, m), (b, a)


@wrong("10.two_directions", "the index by the wrong length")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    k = int((log_q.exp() * (log_q - log_p)).sum(-1).argmin())
    return by_moments(x, log_p), (means[k % len(means)].item(), stds[(k // len(means)) % len(stds)].item())


@right("10.two_directions", "numpy, weights by the trapezoid rule")
def _(x, log_p, means, stds):
    x, lp = x.numpy(), log_p.numpy() - float(log_p.max())
    p = np.exp(lp)
    p /= np.trapezoid(p, x) if hasattr(np, "trapezoid") else np.trapz(p, x)
    dx = x[1] - x[0]
    m = np.sum(p * x) * dx
    s = np.sqrt(np.sum(p * (x - m) ** 2) * dx)
    best = min(
        ((mu, sd) for mu in means.numpy() for sd in stds.numpy()),
        key=lambda c: (
            np.sum(
                np.exp(-0.5 * ((x - c[0]) / c[1]) ** 2) / c[1] * (-0.5 * ((x - c[0]) / c[1]) ** 2 - np.log(c[1]) - lp)
            )
            / np.sum(np.exp(-0.5 * ((x - c[0]) / c[1]) ** 2) / c[1])
        ),
    )
    return (float(m), float(s)), (float(best[0]), float(best[1]))


@right("10.two_directions", "F.kl_div with its arguments the right way")
def _(x, log_p, means, stds):
    log_p = log_p.log_softmax(0)
    log_q = all_candidates(x, means, stds).log_softmax(-1)
    kl = F.kl_div(log_p.expand_as(log_q), log_q, reduction="none", log_target=True).sum(-1)
    return by_moments(x, log_p), at_the_smallest(kl, means, stds)


@right("10.two_directions", "the entropy from its formula, the first found by Newton")
def _(x, log_p, means, stds):
    w = weights_of(log_p)
    theta = torch.tensor([0.0, 1.0], dtype=torch.float64)
    for _ in range(60):  # mean, log std
        m, s = theta[0], theta[1].exp()
        z = (x - m) / s
        grad_m, grad_s = -(w * z).sum() / s, 1 - (w * z**2).sum()
        theta = theta - torch.stack([grad_m * s**2, grad_s.clamp(-0.5, 0.5) / 2])
    log_q = all_candidates(x, means, stds)
    q = log_q.exp() * (x[1] - x[0])
    cost = -(0.5 * math.log(2 * math.pi * math.e) + stds.log()) - (q * log_p).sum(-1)
    i, j = divmod(cost.argmin().item(), len(stds))
    return (theta[0].item(), theta[1].exp().item()), (means[i].item(), stds[j].item())


@right("10.two_directions", "the last of equally good ones, tensors of one element")
def _(x, log_p, means, stds):
    w = log_p.softmax(-1)
    m = w @ x
    s = torch.sqrt(w @ x**2 - m**2)
    pairs = torch.cartesian_prod(means.flip(0), stds)
    log_q = D.Normal(pairs[:, :1], pairs[:, 1:]).log_prob(x)
    kl = ((log_q - log_p) * log_q.exp()).sum(1)
    return (m, s), tuple(pairs[kl.argmin()])


@right("10.two_directions", "a lattice of Python loops")
def _(x, log_p, means, stds):
    top = float(log_p.max())
    xs, lp = x.tolist(), [v - top for v in log_p.tolist()]
    total = sum(math.exp(v) for v in lp)
    m = sum(math.exp(v) * a for v, a in zip(lp, xs, strict=True)) / total
    var = sum(math.exp(v) * (a - m) ** 2 for v, a in zip(lp, xs, strict=True)) / total
    found = {}
    for mu in means.tolist():
        for sd in stds.tolist():
            q = D.Normal(torch.tensor(mu, dtype=torch.float64), torch.tensor(sd, dtype=torch.float64))
            lq = q.log_prob(x)
            found[mu, sd] = float((lq.exp() * (lq - log_p)).sum())
    return (m, var**0.5), min(found, key=found.get)


@wrong("10.two_directions", "numpy's cov with weights, which corrects for a small sample")
def _(x, log_p, means, stds):
    w = weights_of(log_p)
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    first = float((w * x).sum()), float(np.cov(x.numpy(), aweights=w.numpy())) ** 0.5
    return first, at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "the mean at the narrowest q, then the standard deviation")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    i = kl[:, 0].argmin()
    return by_moments(x, log_p), (means[i].item(), stds[kl[i].argmin()].item())


@wrong("10.two_directions", "shares among candidates, not along x")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    q = log_q.softmax(0)
    return by_moments(x, log_p), at_the_smallest((q * (log_q - log_p)).sum(-1), means, stds)


@wrong("10.two_directions", "indices for values")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    k = int((log_q.exp() * (log_q - log_p)).sum(-1).argmin())
    return by_moments(x, log_p), (float(k // len(stds)), float(k % len(stds)))


@wrong("10.two_directions", "the second with the mean of p")
def _(x, log_p, means, stds):
    m, s = by_moments(x, log_p)
    i = (means - m).abs().argmin()
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return (m, s), (means[i].item(), stds[kl[i].argmin()].item())


@wrong("10.two_directions", "rounded to one digit")
def _(x, log_p, means, stds):
    m, s = by_moments(x, log_p)
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return (round(m, 1), round(s, 1)), at_the_smallest(kl, means, stds)


@wrong("10.two_directions", "the mean of the two divergences for the second")
def _(x, log_p, means, stds):
    log_p = log_p.log_softmax(0)
    log_q = all_candidates(x, means, stds).log_softmax(-1)
    both = (log_q.exp() * (log_q - log_p)).sum(-1) + (log_p.exp() * (log_p - log_q)).sum(-1)
    return by_moments(x, log_p), at_the_smallest(both, means, stds)


@right("10.two_directions", "one tensor (2, 2)")
def _(x, log_p, means, stds):
    log_q = all_candidates(x, means, stds)
    kl = (log_q.exp() * (log_q - log_p)).sum(-1)
    return torch.tensor([by_moments(x, log_p), at_the_smallest(kl, means, stds)], dtype=torch.float64)


@right("10.two_directions", "numpy's average and its floats")
def _(x, log_p, means, stds):
    x, lp = x.numpy(), log_p.numpy()
    w = np.exp(lp - lp.max())
    m = np.average(x, weights=w)
    s = np.sqrt(np.average((x - m) ** 2, weights=w))
    mu, sd = np.meshgrid(means.numpy(), stds.numpy(), indexing="ij")
    z = (x - mu[..., None]) / sd[..., None]
    lq = -(z**2) / 2
    q = np.exp(lq)
    q /= q.sum(-1, keepdims=True)
    cost = (q * (lq - lp)).sum(-1) - np.log(sd)
    best = np.unravel_index(cost.argmin(), cost.shape)
    return (m, s), (mu[best], sd[best])


# -- 10.best_discriminator -------------------------------------------------------------------------------------------


def to_divergence(real, fake):
    return 0.5 * (F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()) + math.log(2)


@wrong("10.best_discriminator", "D itself")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a.sigmoid(), b.sigmoid(), to_divergence(a, b)


@wrong("10.best_discriminator", "p/(p+q) by exp, then the logit")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    d_real = log_p_real.exp() / (log_p_real.exp() + log_q_real.exp())
    d_fake = log_p_fake.exp() / (log_p_fake.exp() + log_q_fake.exp())
    js = 0.5 * (d_real.log().mean() + (1 - d_fake).log().mean()) + math.log(2)
    return torch.logit(d_real), torch.logit(d_fake), js


@wrong("10.best_discriminator", "stable logits, log of the sigmoid for the value")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    d_real, d_fake = torch.sigmoid(a), torch.sigmoid(b)
    return a, b, 0.5 * (torch.log(d_real).mean() + torch.log(1 - d_fake).mean() + math.log(4))


@wrong("10.best_discriminator", "the same, with 1e-12 inside")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    d_real, d_fake = torch.sigmoid(a), torch.sigmoid(b)
    return a, b, 0.5 * (torch.log(d_real + 1e-12).mean() + torch.log(1 - d_fake + 1e-12).mean() + math.log(4))


@wrong("10.best_discriminator", "D clamped to [1e-6, 1 - 1e-6]")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    d_real, d_fake = torch.sigmoid(a).clamp(1e-6, 1 - 1e-6), torch.sigmoid(b).clamp(1e-6, 1 - 1e-6)
    return a, b, 0.5 * (torch.log(d_real).mean() + torch.log(1 - d_fake).mean() + math.log(4))


@wrong("10.best_discriminator", "the value of the game")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, F.logsigmoid(a).mean() + F.logsigmoid(-b).mean()


@wrong("10.best_discriminator", "value + log 4, not halved")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, F.logsigmoid(a).mean() + F.logsigmoid(-b).mean() + math.log(4)


@wrong("10.best_discriminator", "the middle is the sum")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    m_real = torch.logaddexp(log_p_real, log_q_real)
    m_fake = torch.logaddexp(log_p_fake, log_q_fake)
    js = 0.5 * (log_p_real - m_real).mean() + 0.5 * (log_q_fake - m_fake).mean()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, js


@wrong("10.best_discriminator", "the middle of the logarithms")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    m_real, m_fake = (log_p_real + log_q_real) / 2, (log_p_fake + log_q_fake) / 2
    js = 0.5 * (log_p_real - m_real).mean() + 0.5 * (log_q_fake - m_fake).mean()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, js


@wrong("10.best_discriminator", "KL(q || m) with p's logarithm")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    m_real = torch.logaddexp(log_p_real, log_q_real) - math.log(2)
    m_fake = torch.logaddexp(log_p_fake, log_q_fake) - math.log(2)
    js = 0.5 * (log_p_real - m_real).mean() + 0.5 * (log_p_fake - m_fake).mean()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, js


@wrong("10.best_discriminator", "q first: the logit of fake")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_q_real - log_p_real, log_q_fake - log_p_fake
    return a, b, 0.5 * (F.logsigmoid(-a).mean() + F.logsigmoid(b).mean()) + math.log(2)


@wrong("10.best_discriminator", "log D for the logit")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a = log_p_real - torch.logaddexp(log_p_real, log_q_real)
    b = log_p_fake - torch.logaddexp(log_p_fake, log_q_fake)
    return a, b, to_divergence(log_p_real - log_q_real, log_p_fake - log_q_fake)


@wrong("10.best_discriminator", "binary cross-entropy over all pictures at once")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    logits, labels = torch.cat([a, b]), torch.cat([torch.ones_like(a), torch.zeros_like(b)])
    return a, b, math.log(2) - F.binary_cross_entropy_with_logits(logits, labels)


@wrong("10.best_discriminator", "the loss of the discriminator")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    loss = F.binary_cross_entropy_with_logits(a, torch.ones_like(a))
    loss = loss + F.binary_cross_entropy_with_logits(b, torch.zeros_like(b))
    return a, b, loss


@wrong("10.best_discriminator", "the difference of mean logits")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, (a.mean() - b.mean()) / 2


@wrong("10.best_discriminator", "non-saturating: log D on both")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, 0.5 * (F.logsigmoid(a).mean() - F.logsigmoid(b).mean()) + math.log(2)


@wrong("10.best_discriminator", "log 2 in bits")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, 0.5 * (F.logsigmoid(a).mean() + F.logsigmoid(-b).mean()) + 1


@right("10.best_discriminator", "numpy's logaddexp")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    pr, qr, pf, qf = (v.double().numpy() for v in (log_p_real, log_q_real, log_p_fake, log_q_fake))
    js = 0.5 * (-np.logaddexp(0, qr - pr).mean() - np.logaddexp(0, pf - qf).mean()) + np.log(2)
    return torch.from_numpy(pr - qr), torch.from_numpy(pf - qf), torch.tensor(js)


@right("10.best_discriminator", "a number for the divergence")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, to_divergence(a, b).item()


@right("10.best_discriminator", "both KL divergences to the middle")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    half = math.log(0.5)
    m_real = torch.stack([log_p_real, log_q_real]).logsumexp(0) + half
    m_fake = torch.stack([log_p_fake, log_q_fake]).logsumexp(0) + half
    return (
        log_p_real - log_q_real,
        log_p_fake - log_q_fake,
        ((log_p_real - m_real).mean() + (log_q_fake - m_fake).mean()) / 2,
    )


@right("10.best_discriminator", "cross-entropy with logits")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    loss = F.binary_cross_entropy_with_logits(a, torch.ones_like(a))
    loss += F.binary_cross_entropy_with_logits(b, torch.zeros_like(b))
    return [a, b, math.log(2) - loss / 2]


@right("10.best_discriminator", "log D and log(1 - D) kept, their difference for the logit")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    def both(log_p, log_q):
        logs = torch.stack([log_p, log_q], 1).double().log_softmax(1)
        return logs[:, 0], logs[:, 1]

    (d_real, r_real), (d_fake, r_fake) = both(log_p_real, log_q_real), both(log_p_fake, log_q_fake)
    return d_real - r_real, d_fake - r_fake, 0.5 * (d_real.mean() + r_fake.mean() + math.log(4))


@wrong("10.best_discriminator", "weighed by the densities, though the pictures are samples")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    m_real = torch.logaddexp(log_p_real, log_q_real) - math.log(2)
    m_fake = torch.logaddexp(log_p_fake, log_q_fake) - math.log(2)
    js = 0.5 * (log_p_real.exp() * (log_p_real - m_real)).sum() + 0.5 * (log_q_fake.exp() * (log_q_fake - m_fake)).sum()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, js


@wrong("10.best_discriminator", "F.kl_div of the samples' logarithms")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    m_real = torch.logaddexp(log_p_real, log_q_real) - math.log(2)
    m_fake = torch.logaddexp(log_p_fake, log_q_fake) - math.log(2)
    js = F.kl_div(m_real, log_p_real, log_target=True, reduction="mean")
    js = js + F.kl_div(m_fake, log_q_fake, log_target=True, reduction="mean")
    return log_p_real - log_q_real, log_p_fake - log_q_fake, js / 2


@wrong("10.best_discriminator", "the logit of a sigmoid")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return torch.logit(torch.sigmoid(a)), torch.logit(torch.sigmoid(b)), to_divergence(a, b)


@wrong("10.best_discriminator", "log(1 + exp) by hand")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    js = math.log(2) - 0.5 * (torch.log(1 + torch.exp(-a)).mean() + torch.log(1 + torch.exp(b)).mean())
    return a, b, js


@wrong("10.best_discriminator", "log 2 taken away")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, 0.5 * (F.logsigmoid(a).mean() + F.logsigmoid(-b).mean()) - math.log(2)


@wrong("10.best_discriminator", "half of the pictures are real, added to the logit")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real + math.log(0.5), log_p_fake - log_q_fake + math.log(0.5)
    return a, b, to_divergence(a, b)


@wrong("10.best_discriminator", "the divergence by picture, not averaged")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, torch.cat([F.logsigmoid(a) + math.log(2), F.logsigmoid(-b) + math.log(2)])


@wrong("10.best_discriminator", "absolute value of the divergence")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, to_divergence(a, b).abs()


@right("10.best_discriminator", "in float64, one number in a list")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a, b = (log_p_real - log_q_real).double(), (log_p_fake - log_q_fake).double()
    return a, b, to_divergence(a, b).reshape(1)


@right("10.best_discriminator", "stable by hand")
def _(log_p_real, log_q_real, log_p_fake, log_q_fake):
    def log_sigmoid(a):
        return a.clamp(max=0) - torch.log1p(torch.exp(-a.abs()))

    a, b = log_p_real - log_q_real, log_p_fake - log_q_fake
    return a, b, (log_sigmoid(a).mean() + log_sigmoid(-b).mean()) / 2 + math.log(2)


# -- 10.generator_pull -----------------------------------------------------------------------------------------------


def pulled(logits, slopes, first, second):
    """The chain rule, with these derivatives of the losses of one picture by its logit."""
    n = logits.shape[0]
    return first[:, None] * slopes / n, second[:, None] * slopes / n


def derived(logits, loss):
    a = logits.clone().requires_grad_(True)
    loss(a).backward()
    return a.grad


@wrong("10.generator_pull", "autograd of log(1 - sigmoid)")
def _(logits, slopes):
    first = derived(logits, lambda a: torch.log(1 - torch.sigmoid(a)).mean())
    second = derived(logits, lambda a: -torch.log(torch.sigmoid(a)).mean())
    return first[:, None] * slopes, second[:, None] * slopes


@wrong("10.generator_pull", "autograd with 1e-7 under the logarithms")
def _(logits, slopes):
    first = derived(logits, lambda a: torch.log(1 - torch.sigmoid(a) + 1e-7).mean())
    second = derived(logits, lambda a: -torch.log(torch.sigmoid(a) + 1e-7).mean())
    return first[:, None] * slopes, second[:, None] * slopes


@wrong("10.generator_pull", "autograd with D clamped")
def _(logits, slopes):
    def sure(a):
        return torch.sigmoid(a).clamp(1e-6, 1 - 1e-6)

    first = derived(logits, lambda a: torch.log(1 - sure(a)).mean())
    second = derived(logits, lambda a: -torch.log(sure(a)).mean())
    return first[:, None] * slopes, second[:, None] * slopes


@wrong("10.generator_pull", "ascent instead of descent")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, D_, 1 - D_)


@wrong("10.generator_pull", "no mean")
def _(logits, slopes):
    D_ = torch.sigmoid(logits).unsqueeze(1)
    return -D_ * slopes, -(1 - D_) * slopes


@wrong("10.generator_pull", "mean of everything")
def _(logits, slopes):
    D_ = torch.sigmoid(logits).unsqueeze(1)
    return -D_ * slopes / slopes.numel(), -(1 - D_) * slopes / slopes.numel()


@wrong("10.generator_pull", "derivatives by D")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -1 / (1 - D_), -1 / D_)


@wrong("10.generator_pull", "derivatives by D, for logits that are clamped")
def _(logits, slopes):
    D_ = torch.sigmoid(logits.clamp(-30, 30))
    return pulled(logits, slopes, -1 / (1 - D_), -1 / D_)


@wrong("10.generator_pull", "swapped factors: 1 - D for the first")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, D_ - 1, -D_)


@wrong("10.generator_pull", "both the sigmoid's slope")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -D_ * (1 - D_), -D_ * (1 - D_))


@wrong("10.generator_pull", "slopes taken for those of D")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -1 / (1 - D_).clamp(min=1e-9), -1 / D_.clamp(min=1e-9))


@wrong("10.generator_pull", "non-saturating is minus minimax")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -D_, D_)


@wrong("10.generator_pull", "the sign of the second")
def _(logits, slopes):
    return pulled(logits, slopes, -torch.sigmoid(logits), torch.sigmoid(-logits))


@wrong("10.generator_pull", "exp(a)/(1 + exp(a))")
def _(logits, slopes):
    e = torch.exp(logits)
    return pulled(logits, slopes, -e / (1 + e), -1 / (1 + e))


@wrong("10.generator_pull", "the losses' values")
def _(logits, slopes):
    return pulled(logits, slopes, F.logsigmoid(-logits), -F.logsigmoid(logits))


@wrong("10.generator_pull", "slopes forgotten")
def _(logits, slopes):
    n, d = slopes.shape
    return tuple(v.unsqueeze(1).expand(n, d) / n for v in (-torch.sigmoid(logits), -torch.sigmoid(-logits)))


@wrong("10.generator_pull", "BCE of fakes as 0 for the minimax loss, sign not turned")
def _(logits, slopes):
    first = derived(logits, lambda a: F.binary_cross_entropy_with_logits(a, torch.zeros_like(a)))
    second = derived(logits, lambda a: F.binary_cross_entropy_with_logits(a, torch.ones_like(a)))
    return first[:, None] * slopes, second[:, None] * slopes


@wrong("10.generator_pull", "the mean over pictures of the gradient")
def _(logits, slopes):
    first = (-torch.sigmoid(logits)[:, None] * slopes).mean(0)
    second = (-torch.sigmoid(-logits)[:, None] * slopes).mean(0)
    return first.expand_as(slopes), second.expand_as(slopes)


@right("10.generator_pull", "D and 1 - D")
def _(logits, slopes):
    D_ = logits.sigmoid()[:, None]
    return -D_ * slopes / len(D_), (D_ - 1) * slopes / len(D_)


@right("10.generator_pull", "autograd of softplus")
def _(logits, slopes):
    first = derived(logits, lambda a: -F.softplus(a).mean())
    second = derived(logits, lambda a: F.softplus(-a).mean())
    return first[:, None] * slopes, second[:, None] * slopes


@right("10.generator_pull", "through pixels of linear pictures, autograd to the pixels")
def _(logits, slopes):
    out = []
    for sign in (1, -1):
        pixels = torch.zeros_like(slopes, requires_grad=True)
        a = logits + (pixels * slopes).sum(1)
        loss = sign * F.logsigmoid(-sign * a).mean()
        out.append(torch.autograd.grad(loss, pixels)[0])
    return tuple(out)


@right("10.generator_pull", "torch.func, picture by picture")
def _(logits, slopes):
    first = torch.func.vmap(torch.func.grad(lambda a: F.logsigmoid(-a)))(logits)
    second = torch.func.vmap(torch.func.grad(lambda a: -F.logsigmoid(a)))(logits)
    return torch.diag(first) @ slopes / len(slopes), torch.diag(second) @ slopes / len(slopes)


@right("10.generator_pull", "numpy's tanh")
def _(logits, slopes):
    D_ = (1 + np.tanh(logits.numpy() / 2)) / 2
    rest = (1 - np.tanh(logits.numpy() / 2)) / 2
    s = slopes.numpy() / len(slopes)
    return torch.from_numpy(-D_[:, None] * s), torch.from_numpy(-rest[:, None] * s)


@wrong("10.generator_pull", "the chain rule written out: 0/0 at the ends")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -D_ * (1 - D_) / (1 - D_), -D_ * (1 - D_) / D_)


@wrong("10.generator_pull", "the chain rule written out, a small number below")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -D_ * (1 - D_) / (1 - D_ + 1e-8), -D_ * (1 - D_) / (D_ + 1e-8))


@wrong("10.generator_pull", "hinge: all pulled alike by the second")
def _(logits, slopes):
    return pulled(logits, slopes, -torch.sigmoid(logits), -torch.ones_like(logits))


@wrong("10.generator_pull", "least squares")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return pulled(logits, slopes, -D_, (D_ - 1) * D_ * (1 - D_))


@wrong("10.generator_pull", "softmax over the batch")
def _(logits, slopes):
    D_ = logits.softmax(0)
    return pulled(logits, slopes, -D_, D_ - 1)


@wrong("10.generator_pull", "minus log(1 - D) for the second")
def _(logits, slopes):
    return pulled(logits, slopes, torch.sigmoid(logits), -torch.sigmoid(-logits))


@wrong("10.generator_pull", "a mean over pixels")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)[:, None]
    return -D_ * slopes / slopes.shape[-1], (D_ - 1) * slopes / slopes.shape[-1]


@wrong("10.generator_pull", "derivatives by the logits")
def _(logits, slopes):
    D_ = torch.sigmoid(logits)
    return -D_ / len(D_), (D_ - 1) / len(D_)


@right("10.generator_pull", "the second from the first")
def _(logits, slopes):
    first = torch.mul(slopes, torch.sigmoid(logits).unsqueeze(-1)).neg() / slopes.size(0)
    return first, -slopes / slopes.size(0) - first


@right("10.generator_pull", "two cases by sign")
def _(logits, slopes):
    e = torch.exp(-logits.abs())
    D_ = torch.where(logits >= 0, 1 / (1 + e), e / (1 + e))
    rest = torch.where(logits >= 0, e / (1 + e), 1 / (1 + e))
    return pulled(logits, slopes, -D_, -rest)


# -- 10.modes --------------------------------------------------------------------------------------------------------


def assigned(points, centres):
    d = (points[:, None, :] - centres[None, :, :]).norm(dim=-1)
    return d.min(1)


@wrong("10.modes", "every point at its nearest centre")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    counts = torch.bincount(k, minlength=len(centres))
    fair = len(points) / len(centres)
    return int((counts >= fair / 5).sum()), float((d <= within * std).double().mean())


@wrong("10.modes", "one good point is enough")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    return len(k[good].unique()), good.double().mean().item()


@wrong("10.modes", "fair share of the good points")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    fair = good.sum() / len(centres)
    return int(((counts >= 0.2 * fair) & (counts > 0)).sum()), good.double().mean().item()


@wrong("10.modes", "strictly more than a fifth")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts > len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "strictly inside")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d < within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "a fifth of all points")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts / len(points) >= 0.2).sum()), good.double().mean().item()


@wrong("10.modes", "squared distances, bar not squared")
def _(points, centres, std, within):
    d, k = ((points[:, None] - centres) ** 2).sum(-1).min(1)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "within is a distance")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "good in each coordinate")
def _(points, centres, std, within):
    _, k = assigned(points, centres)
    good = ((points - centres[k]).abs() <= within * std).all(1)
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "a point counts for every mode it is near to")
def _(points, centres, std, within):
    near = torch.cdist(points, centres) <= within * std
    counts = near.sum(0)
    return int((counts >= len(points) / len(centres) / 5).sum()), near.any(1).double().mean().item()


@wrong("10.modes", "a point counts for every mode it is near to, shares added")
def _(points, centres, std, within):
    near = torch.cdist(points, centres) <= within * std
    shares = near.double().mean(0)
    return int((shares >= 0.2 / len(centres)).sum()), shares.sum().item()


@wrong("10.modes", "the bar as a whole number, rounded down, at least 1")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    bar = max(1, len(points) // (5 * len(centres)))
    return int((counts >= bar).sum()), good.double().mean().item()


@wrong("10.modes", "the share of good points among those of modes that are reached")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    reached = counts >= len(points) / len(centres) / 5
    return int(reached.sum()), counts[reached].sum().item() / len(points)


@wrong("10.modes", "the number of good points")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), int(good.sum())


@wrong("10.modes", "fair share of the good, by mean shares")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    k = k[d <= within * std]
    found = sum((k == i).double().mean() >= 0.2 / len(centres) for i in range(len(centres)))
    return int(found), len(k) / len(points)


@wrong("10.modes", "which modes, not how many")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return (counts >= len(points) / len(centres) / 5), good.double().mean().item()


@wrong("10.modes", "the nearest point of each centre")
def _(points, centres, std, within):
    d = torch.cdist(points, centres)
    good = d.min(1).values <= within * std
    return int((d.min(0).values <= within * std).sum()), good.double().mean().item()


@right("10.modes", "numpy")
def _(points, centres, std, within):
    d = np.linalg.norm(points.numpy()[:, None].astype(float) - centres.numpy()[None].astype(float), axis=-1)
    k, d = d.argmin(1), d.min(1)
    good = d <= within * std
    counts = np.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), float(good.mean())


@right("10.modes", "loops and a dictionary")
def _(points, centres, std, within):
    tally = {}
    for p in points:
        dists = [math.dist(p.tolist(), c.tolist()) for c in centres]
        if min(dists) <= within * std:
            i = dists.index(min(dists))
            tally[i] = tally.get(i, 0) + 1
    bar = 0.2 * len(points) / len(centres)
    return len([n for n in tally.values() if n >= bar]), sum(tally.values()) / len(points)


@right("10.modes", "squares on both sides")
def _(points, centres, std, within):
    d2, k = (points[:, None] - centres).square().sum(-1).min(1)
    good = d2 <= (within * std) ** 2
    counts = F.one_hot(k, len(centres))[good].sum(0)
    return (counts / len(points) >= 1 / (5 * len(centres))).sum().item(), good.float().mean().item()


@right("10.modes", "mode by mode")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    found = 0
    for i in range(len(centres)):
        mine = (k == i) & (d / std <= within)
        found += int(mine.double().mean() * len(centres) >= 0.2 - 1e-9)
    return found, (d / std <= within).double().mean()


@wrong("10.modes", "a mode of whose points a fifth are good")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    near = torch.bincount(k, minlength=len(centres))
    mine = torch.bincount(k[good], minlength=len(centres))
    return int(((mine >= 0.2 * near) & (near > 0)).sum()), good.double().mean().item()


@wrong("10.modes", "within on the diagonal")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std * math.sqrt(2)
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), good.double().mean().item()


@wrong("10.modes", "the bar rounded to the nearest whole number")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= round(len(points) / len(centres) / 5)).sum()), good.double().mean().item()


@wrong("10.modes", "percent")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres) / 5).sum()), 100 * good.double().mean().item()


@wrong("10.modes", "the whole fair share")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= len(points) / len(centres)).sum()), good.double().mean().item()


@wrong("10.modes", "modes whose middle of points is near the centre")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    found = 0
    for i in range(len(centres)):
        mine = points[k == i]
        if len(mine) >= len(points) / len(centres) / 5 and (mine.mean(0) - centres[i]).norm() <= within * std:
            found += 1
    return found, (d <= within * std).double().mean().item()


@wrong("10.modes", "a fifth of the median of the counts")
def _(points, centres, std, within):
    d, k = assigned(points, centres)
    good = d <= within * std
    counts = torch.bincount(k[good], minlength=len(centres))
    return int((counts >= 0.2 * counts.median()).sum()), good.double().mean().item()


@right("10.modes", "the bar rounded up")
def _(points, centres, std, within):
    d, k = assigned(points / std, centres / std)
    counts = torch.bincount(k[d <= within * (1 + 1e-6)], minlength=len(centres))
    bar = math.ceil(len(points) / (5 * len(centres)))
    return (counts >= bar).sum(), counts.sum() / len(points)


@right("10.modes", "histc of the labels")
def _(points, centres, std, within):
    d, k = torch.cdist(points.double(), centres.double()).min(1)
    good = d <= within * std
    K = len(centres)
    counts = torch.histc(k[good].double(), bins=K, min=-0.5, max=K - 0.5)
    return int(sum(c * K >= 0.2 * len(points) for c in counts.tolist())), good.float().mean().item()


# -- 10.coverage -----------------------------------------------------------------------------------------------------


def radii(among, k):
    return torch.sort(among, dim=1)[0][:, k]


def both_of(inside, k):
    return inside.double().sum(1).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "the k-th with itself")
def _(between, among, k):
    return both_of(between <= torch.sort(among, dim=1)[0][:, k - 1], k)


@wrong("10.coverage", "the index one too far")
def _(between, among, k):
    r = among.sort(1).values[:, min(k + 1, len(among) - 1)]
    return both_of(between <= r, k)


@wrong("10.coverage", "zeros taken out")
def _(between, among, k):
    r = torch.tensor([sorted(d for d in row if d > 0)[k - 1] for row in among.tolist()], dtype=between.dtype)
    return both_of(between <= r, k)


@wrong("10.coverage", "strictly inside, as in the authors' code")
def _(between, among, k):
    return both_of(between < radii(among, k), k)


@wrong("10.coverage", "density not divided by k")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.sum(1).double().mean().item(), inside.any(0).double().mean().item()


@wrong("10.coverage", "density by all pairs")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().mean().item(), inside.any(0).double().mean().item()


@wrong("10.coverage", "density clamped")
def _(between, among, k):
    density, covered = both_of(between <= radii(among, k), k)
    return min(density, 1.0), covered


@wrong("10.coverage", "precision and coverage")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.any(1).double().mean().item(), inside.any(0).double().mean().item()


@wrong("10.coverage", "coverage along the wrong axis")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().sum(1).mean().item() / k, inside.any(1).double().mean().item()


@wrong("10.coverage", "density as a mean over the real ones")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().sum(0).mean().item() / k, inside.any(0).double().mean().item()


@wrong("10.coverage", "balls around the drawn ones")
def _(between, among, k):
    r = between.sort(1).values[:, k - 1]
    return both_of(between <= r[:, None], k)


@wrong("10.coverage", "the radius is the mean to the k nearest")
def _(between, among, k):
    r = among.sort(1).values[:, 1 : k + 1].mean(1)
    return both_of(between <= r, k)


@wrong("10.coverage", "topk without largest=False")
def _(between, among, k):
    r = among.topk(k + 1, dim=1).values[:, -1]
    return both_of(between <= r, k)


@wrong("10.coverage", "topk without largest=False, of others alone")
def _(between, among, k):
    r = among.topk(k, dim=1).values[:, -1]
    return both_of(between <= r, k)


@wrong("10.coverage", "coverage: the nearest real one of each drawn, counted once")
def _(between, among, k):
    inside = between <= radii(among, k)
    hit = between.argmin(1).unique()
    return inside.double().sum(1).mean().item() / k, len(hit) / len(among)


@wrong("10.coverage", "coverage in units of k as well")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().sum(1).mean().item() / k, (inside.double().sum(0) / k).clamp(max=1).mean().item()


@wrong("10.coverage", "the radius along the wrong axis of between")
def _(between, among, k):
    r = between.sort(0).values[min(k, len(between)) - 1]
    return both_of(between <= r, k)


@wrong("10.coverage", "coverage first")
def _(between, among, k):
    density, covered = both_of(between <= radii(among, k), k)
    return covered, density


@wrong("10.coverage", "density of those in any ball")
def _(between, among, k):
    inside = between <= radii(among, k)
    n = inside.double().sum(1)
    return (n[n > 0].mean() / k).item() if bool((n > 0).any()) else 0.0, inside.any(0).double().mean().item()


@right("10.coverage", "numpy's partition")
def _(between, among, k):
    b, a = between.numpy(), among.numpy().copy()
    np.fill_diagonal(a, np.inf)
    r = np.partition(a, k - 1, axis=1)[:, k - 1]
    hits = b <= r[None, :]
    return float(hits.sum() / (k * len(b))), float(hits.any(axis=0).mean())


@right("10.coverage", "topk of the smallest")
def _(between, among, k):
    r = among.topk(k + 1, dim=1, largest=False).values[:, -1]
    inside = (between - r) <= 0
    return inside.sum() / k / len(between), inside.any(0).double().mean()


@right("10.coverage", "rank by counting")
def _(between, among, k):
    M = len(among)
    covered, pairs = 0, 0
    for j in range(M):
        others = torch.cat([among[j, :j], among[j, j + 1 :]])
        r = others.sort().values[k - 1]
        n = int((between[:, j] <= r).sum())
        pairs += n
        covered += n > 0
    return pairs / (k * len(between)), covered / M


@right("10.coverage", "transposed all through")
def _(between, among, k):
    r = among.mT.kthvalue(k + 1, 0).values
    inside = r.unsqueeze(1) >= between.mT
    return inside.float().sum(0).div(k).mean().item(), inside.amax(1).float().mean().item()


@wrong("10.coverage", "the diagonal filled in place")
def _(between, among, k):
    among.fill_diagonal_(torch.inf)
    return both_of(between <= among.sort(1).values[:, k - 1], k)


@wrong("10.coverage", "coverage with the ball to the nearest")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().sum(1).mean().item() / k, (between <= radii(among, 1)).any(0).double().mean().item()


@wrong("10.coverage", "half-way to the k-th")
def _(between, among, k):
    return both_of(between <= radii(among, k) / 2, k)


@wrong("10.coverage", "the largest ball for all")
def _(between, among, k):
    return both_of(between <= radii(among, k).max(), k)


@wrong("10.coverage", "the nearest real one alone decides")
def _(between, among, k):
    d, j = between.min(1)
    hit = d <= radii(among, k)[j]
    return hit.double().mean().item(), len(j[hit].unique()) / len(among)


@wrong("10.coverage", "coverage needs as many as k")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().sum(1).mean().item() / k, (inside.sum(0) >= k).double().mean().item()


@wrong("10.coverage", "recall's way: real ones that have a drawn one nearer than the k-th drawn")
def _(between, among, k):
    inside = between <= radii(among, k)
    r = between.sort(1).values[:, k - 1]
    return inside.double().sum(1).mean().item() / k, (between <= r[:, None]).any(0).double().mean().item()


@wrong("10.coverage", "density over k + 1")
def _(between, among, k):
    inside = between <= radii(among, k)
    return inside.double().sum(1).mean().item() / (k + 1), inside.any(0).double().mean().item()


@right("10.coverage", "copied, the diagonal filled")
def _(between, among, k):
    away = among.clone()
    away.fill_diagonal_(torch.inf)
    return both_of(between <= away.sort(1).values[:, k - 1], k)


@right("10.coverage", "the nearest drawn one decides coverage")
def _(between, among, k):
    r = radii(among, k)
    density = torch.stack([(row <= r).double().sum() for row in between]).mean() / k
    return density, (between.amin(0) <= r).double().mean()


# -- 10.fool ---------------------------------------------------------------------------------------------------------


def typical_step(real):
    d = torch.cdist(real, real)
    return (d + torch.eye(len(real), dtype=real.dtype) * 1e9).min(1).values.median()


def covers(points, real, k=5):
    d = torch.cdist(real, real).sort(1).values[:, k]
    return (torch.cdist(real, points).min(1).values <= d).double().mean()


@wrong("10.fool", "one real point, n times")
def _(real, n, generator):
    return real[0].repeat(n, 1)


@wrong("10.fool", "the most typical point, n times")
def _(real, n, generator):
    i = torch.cdist(real, real).sum(1).argmin()
    return real[i].repeat(n, 1)


@wrong("10.fool", "the first n")
def _(real, n, generator):
    return real[:n].clone()


@wrong("10.fool", "bootstrap")
def _(real, n, generator):
    return real[torch.randint(0, len(real), (n,), generator=generator)]


@wrong("10.fool", "ten points again and again")
def _(real, n, generator):
    return real[:10].repeat(n // 10 + 1, 1)[:n]


@wrong("10.fool", "a jitter of 0.01 in every unit")
def _(real, n, generator):
    i = torch.randint(0, 10, (n,), generator=generator)
    return real[i] + 0.01 * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "a jitter of 1e-8")
def _(real, n, generator):
    i = torch.randint(0, 10, (n,), generator=generator)
    return real[i] + 1e-8 * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "a Gaussian with mean and covariance of the data")
def _(real, n, generator):
    L = torch.linalg.cholesky(torch.cov(real.T))
    return real.mean(0) + torch.randn(n, real.shape[1], generator=generator).to(real) @ L.T


@wrong("10.fool", "a small Gaussian around the mean")
def _(real, n, generator):
    return real.mean(0) + 0.05 * real.std(0) * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "between any two")
def _(real, n, generator):
    a = real[torch.randint(0, len(real), (n,), generator=generator)]
    b = real[torch.randint(0, len(real), (n,), generator=generator)]
    w = torch.rand(n, 1, generator=generator)
    return w * a + (1 - w) * b


@wrong("10.fool", "all real points with a little noise")
def _(real, n, generator):
    i = torch.randperm(len(real), generator=generator)[:n]
    return real[i] + 0.1 * typical_step(real) * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "one mode, with the spread of all data")
def _(real, n, generator):
    return real[0] + 0.5 * real.std(0) * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "uniform in the box")
def _(real, n, generator):
    low, high = real.min(0).values, real.max(0).values
    return low + (high - low) * torch.rand(n, real.shape[1], generator=generator)


@wrong("10.fool", "noise from elsewhere")
def _(real, n, generator):
    steps = torch.randn(n, real.shape[1])
    return real[torch.arange(n) % 10] + 0.1 * typical_step(real) * steps / steps.norm(dim=1, keepdim=True)


@wrong("10.fool", "as many as there are real ones")
def _(real, n, generator):
    step = 0.1 * typical_step(real)
    return real[torch.arange(len(real)) % 10] + step * torch.rand(len(real), real.shape[1], generator=generator)


@wrong("10.fool", "the left half")
def _(real, n, generator):
    left = real[real[:, 0] < real[:, 0].median()]
    i = torch.randint(0, len(left), (n,), generator=generator)
    return left[i] + 0.1 * typical_step(real) * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "standard Gaussian noise")
def _(real, n, generator):
    return torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "the precision, too")
def _(real, n, generator):
    points = real[torch.arange(n) % 10] + 0.1 * typical_step(real) * torch.rand(n, real.shape[1], generator=generator)
    return points, metrics.covered(points, real).precision


@right("10.fool", "jitter around the first ten")
def _(real, n, generator):
    step = torch.rand(n, real.shape[1], generator=generator) - 0.5
    return real[torch.arange(n) % 10] + 0.1 * typical_step(real) * step


@right("10.fool", "all in one ball, drawn and kept if precise")
def _(real, n, generator):
    d = torch.cdist(real, real).sort(1).values[:, 3]
    centre, reach = real[d.argmin()], d.min()
    kept = []
    while len(kept) < n:
        p = centre + reach * (2 * torch.rand(real.shape[1], generator=generator) - 1)
        if 0.01 * reach < (p - centre).norm() < reach and (real - p).norm(dim=1).min() > 0.001 * reach:
            kept.append(p)
    return torch.stack(kept)


@right("10.fool", "around more and more points while coverage allows it")
def _(real, n, generator):
    step = 0.2 * typical_step(real) / real.shape[1] ** 0.5
    noise = torch.randn(n, real.shape[1], generator=generator).to(real)
    order = torch.cdist(real[:1], real)[0].argsort()
    points = None
    for few in range(1, len(real)):
        new = real[order[torch.arange(n) % few]] + step * noise
        if points is not None and covers(new, real) > 0.3:
            break
        points = new
    return points


@right("10.fool", "a line through a point, in numpy")
def _(real, n, generator):
    x = real.double().numpy()
    d = np.linalg.norm(x[:, None] - x[None], axis=-1)
    np.fill_diagonal(d, np.inf)
    i = d.min(1).argmin()
    out = np.repeat(x[i][None], n, 0)
    out[:, 0] += np.linspace(0.1, 0.9, n) * d[i].min()
    return torch.from_numpy(out)


@right("10.fool", "neighbours of one point, in float32")
def _(real, n, generator):
    x = real.float()
    idx = torch.cdist(x[5:6], x)[0].topk(8, largest=False).indices
    a = x[idx[torch.randint(8, (n,), generator=generator)]]
    direction = F.normalize(torch.randn(n, x.shape[1], generator=generator), dim=1)
    d = torch.cdist(x, x).sort(1).values[:, 1]
    return a + 0.5 * d[idx].min() * torch.rand(n, 1, generator=generator) * direction


# -- 10.copies -------------------------------------------------------------------------------------------------------


def nn(a, b):
    return torch.cdist(a, b).min(dim=1)[0]


@wrong("10.copies", "nearest of the generated ones")
def _(generated, train, test, level):
    d = torch.cdist(generated, generated)
    d.fill_diagonal_(float("inf"))
    return (d.min(1).values <= torch.quantile(nn(test, train), level)).float().mean().item()


@wrong("10.copies", "quantile of 1 - level")
def _(generated, train, test, level):
    return (nn(generated, train) <= torch.quantile(nn(test, train), 1 - level)).float().mean().item()


@wrong("10.copies", "farther than the border")
def _(generated, train, test, level):
    return (nn(generated, train) > torch.quantile(nn(test, train), level)).float().mean().item()


@wrong("10.copies", "level is the border")
def _(generated, train, test, level):
    return (nn(generated, train) < level).float().mean().item()


@wrong("10.copies", "a tenth of the mean distance")
def _(generated, train, test, level):
    return (nn(generated, train) < 0.1 * nn(test, train).mean()).float().mean().item()


@wrong("10.copies", "half of the mean distance")
def _(generated, train, test, level):
    return (nn(generated, train) < 0.5 * nn(test, train).mean()).float().mean().item()


@wrong("10.copies", "an absolute border of 0.1")
def _(generated, train, test, level):
    return (nn(generated, train) < 0.1).float().mean().item()


@wrong("10.copies", "quantile of training distances with themselves in it")
def _(generated, train, test, level):
    return (nn(generated, train) <= torch.quantile(nn(train, train), level)).float().mean().item()


@wrong("10.copies", "leave-one-out among the training images")
def _(generated, train, test, level):
    d = torch.cdist(train, train) + torch.eye(len(train)) * 1e9
    return (nn(generated, train) <= torch.quantile(d.min(1).values, level)).float().mean().item()


@wrong("10.copies", "nearest test images")
def _(generated, train, test, level):
    return (nn(generated, test) <= torch.quantile(nn(test, train), level)).float().mean().item()


@wrong("10.copies", "nearest along the other axis")
def _(generated, train, test, level):
    own = torch.cdist(generated, train).min(dim=0).values
    usual = torch.cdist(test, train).min(dim=0).values
    return (own <= torch.quantile(usual, level)).float().mean().item()


@wrong("10.copies", "all pairs")
def _(generated, train, test, level):
    border = torch.quantile(torch.cdist(test, train).flatten(), level)
    return (torch.cdist(generated, train) <= border).float().mean().item()


@wrong("10.copies", "all pairs for the border")
def _(generated, train, test, level):
    border = torch.quantile(torch.cdist(test, train).flatten(), level)
    return (nn(generated, train) <= border).float().mean().item()


@wrong("10.copies", "squares against distances")
def _(generated, train, test, level):
    own = ((generated[:, None] - train[None]) ** 2).sum(-1).min(1).values
    return (own <= torch.quantile(nn(test, train), level)).float().mean().item()


@wrong("10.copies", "a count")
def _(generated, train, test, level):
    return int((nn(generated, train) <= torch.quantile(nn(test, train), level)).sum())


@wrong("10.copies", "per cent")
def _(generated, train, test, level):
    return 100 * (nn(generated, train) <= torch.quantile(nn(test, train), level)).float().mean().item()


@wrong("10.copies", "which ones")
def _(generated, train, test, level):
    return nn(generated, train) <= torch.quantile(nn(test, train), level)


@wrong("10.copies", "mean over pixels of the distance, and the minimum of test")
def _(generated, train, test, level):
    return (nn(generated, train) <= nn(test, train).min()).float().mean().item()


@wrong("10.copies", "one place too low in the sorted list, and below it")
def _(generated, train, test, level):
    usual = nn(test, train).sort().values
    return (nn(generated, train) < usual[int(round(level * len(test))) - 1]).float().mean().item()


@wrong("10.copies", "one place too high in the sorted list")
def _(generated, train, test, level):
    usual = nn(test, train).sort().values
    return (nn(generated, train) <= usual[int(round(level * len(test)))]).float().mean().item()


@wrong("10.copies", "nearer to training than to test images")
def _(generated, train, test, level):
    return (nn(generated, train) < nn(generated, test)).float().mean().item()


@wrong("10.copies", "exact copies only")
def _(generated, train, test, level):
    return torch.isclose(nn(generated, train), torch.zeros(len(generated))).float().mean().item()


@right("10.copies", "torch's quantile")
def _(generated, train, test, level):
    return (nn(generated, train) <= torch.quantile(nn(test, train), level)).float().mean()


@right("10.copies", "kthvalue")
def _(generated, train, test, level):
    border = nn(test, train).kthvalue(round(level * len(test))).values
    return float((nn(generated, train) <= border).sum()) / len(generated)


@right("10.copies", "numpy, squared on both sides")
def _(generated, train, test, level):
    g, t, s = (v.double().numpy() for v in (generated, train, test))

    def nearest(a):
        return ((a[:, None, :] - t[None]) ** 2).sum(-1).min(1)

    usual = np.sort(nearest(s))
    return float((nearest(g) <= usual[round(level * len(s)) - 1]).mean())


@right("10.copies", "counting who is nearer, in a loop")
def _(generated, train, test, level):
    usual = [torch.linalg.norm(train - t, dim=1).min().item() for t in test]
    found = 0
    for image in generated:
        d = torch.linalg.norm(train - image, dim=1).min().item()
        found += sum(u < d for u in usual) < level * len(usual) - 0.5
    return found / len(generated)


@right("10.copies", "topk")
def _(generated, train, test, level):
    closest = nn(test, train).topk(round(level * len(test)), largest=False).values
    return (nn(generated, train) <= closest.max()).double().mean().item()


# -- 10.exact_minimiser ----------------------------------------------------------------------------------------------


@wrong("10.exact_minimiser", "the mean of the training set")
def _(x, train, alpha, sigma):
    return train.mean(0).repeat(len(x), 1)


@wrong("10.exact_minimiser", "the nearest training point")
def _(x, train, alpha, sigma):
    return train[torch.cdist(x, alpha * train).argmin(1)]


@wrong("10.exact_minimiser", "the nearest, without alpha")
def _(x, train, alpha, sigma):
    return train[torch.cdist(x, train).argmin(1)]


@wrong("10.exact_minimiser", "without alpha")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x, train) ** 2
    return F.softmax(-d2 / (2 * sigma**2), dim=-1) @ train


@wrong("10.exact_minimiser", "sigma not squared")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x, alpha * train) ** 2
    return F.softmax(-d2 / (2 * sigma), dim=-1) @ train


@wrong("10.exact_minimiser", "no factor 2")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x, alpha * train) ** 2
    return F.softmax(-d2 / sigma**2, dim=-1) @ train


@wrong("10.exact_minimiser", "distance not squared")
def _(x, train, alpha, sigma):
    return F.softmax(-torch.cdist(x, alpha * train) / (2 * sigma**2), dim=-1) @ train


@wrong("10.exact_minimiser", "softmax over the batch")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x, alpha * train) ** 2
    return F.softmax(-d2 / (2 * sigma**2), dim=0) @ train


@wrong("10.exact_minimiser", "exponentials and their sum")
def _(x, train, alpha, sigma):
    w = torch.exp(-(((x[:, None] - alpha * train[None]) ** 2).sum(-1)) / (2 * sigma**2))
    return (w[..., None] * train).sum(1) / w.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "exponentials in float64")
def _(x, train, alpha, sigma):
    x, train = x.double(), train.double()
    w = torch.exp(-(((x[:, None] - alpha * train[None]) ** 2).sum(-1)) / (2 * sigma**2))
    return (w[..., None] * train).sum(1) / w.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "exponentials, and 1e-12 below")
def _(x, train, alpha, sigma):
    w = torch.exp(-(((x[:, None] - alpha * train[None]) ** 2).sum(-1)) / (2 * sigma**2))
    return w @ train / (w.sum(1, keepdim=True) + 1e-12)


@wrong("10.exact_minimiser", "x over alpha")
def _(x, train, alpha, sigma):
    return x / alpha


@wrong("10.exact_minimiser", "distance of x/alpha, with sigma")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x / alpha, train) ** 2
    return torch.softmax(-d2 / (2 * sigma**2), 1) @ train


@wrong("10.exact_minimiser", "plus sign")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x, alpha * train) ** 2
    return torch.softmax(d2 / (2 * sigma**2), 1) @ train


@wrong("10.exact_minimiser", "the noise that belongs to it")
def _(x, train, alpha, sigma):
    d2 = torch.cdist(x, alpha * train) ** 2
    x0 = torch.softmax(-d2 / (2 * sigma**2), 1) @ train
    return (x - alpha * x0) / sigma


@wrong("10.exact_minimiser", "the noisy mean, alpha times x0")
def _(x, train, alpha, sigma):
    noisy = alpha * train
    return torch.softmax(-(torch.cdist(x, noisy) ** 2) / (2 * sigma**2), 1) @ noisy


@wrong("10.exact_minimiser", "all entries of the squares in the mean")
def _(x, train, alpha, sigma):
    d2 = ((x[:, None] - alpha * train[None]) ** 2).mean(-1)
    return torch.softmax(-d2 / (2 * sigma**2), 1) @ train


@wrong("10.exact_minimiser", "each coordinate by itself")
def _(x, train, alpha, sigma):
    d2 = (x[:, None] - alpha * train[None]) ** 2
    return (torch.softmax(-d2 / (2 * sigma**2), 1) * train).sum(1)


@wrong("10.exact_minimiser", "the likelihoods alone")
def _(x, train, alpha, sigma):
    return torch.softmax(-(torch.cdist(x, alpha * train) ** 2) / (2 * sigma**2), 1)


@wrong("10.exact_minimiser", "inner products without lengths")
def _(x, train, alpha, sigma):
    return torch.softmax(alpha * x @ train.T / sigma**2, 1) @ train


@wrong("10.exact_minimiser", "a drawn training point")
def _(x, train, alpha, sigma):
    w = torch.softmax(-(torch.cdist(x, alpha * train) ** 2) / (2 * sigma**2), 1)
    return train[torch.multinomial(w, 1)[:, 0]]


@wrong("10.exact_minimiser", "sigma kept away from 0")
def _(x, train, alpha, sigma):
    sigma = max(sigma, 0.1)
    return torch.softmax(-(torch.cdist(x, alpha * train) ** 2) / (2 * sigma**2 + 0.1), 1) @ train


@right("10.exact_minimiser", "softmax of cdist")
def _(x, train, alpha, sigma):
    return torch.softmax(-0.5 * (torch.cdist(x, alpha * train) / sigma) ** 2, dim=1) @ train


@right("10.exact_minimiser", "shifted exponentials")
def _(x, train, alpha, sigma):
    e = -((x[:, None] - alpha * train[None]) ** 2).sum(-1) / (2 * sigma**2)
    w = torch.exp(e - e.max(1, keepdim=True).values)
    return (w[..., None] * train).sum(1) / w.sum(1, keepdim=True)


@right("10.exact_minimiser", "numpy")
def _(x, train, alpha, sigma):
    a, t = x.double().numpy(), train.double().numpy()
    e = -((a[:, None] - alpha * t[None]) ** 2).sum(-1) / (2 * sigma**2)
    e -= e.max(1, keepdims=True)
    w = np.exp(e)
    return torch.from_numpy((w / w.sum(1, keepdims=True)) @ t)


@right("10.exact_minimiser", "a mixture of torch's distributions")
def _(x, train, alpha, sigma):
    normal = torch.distributions.MultivariateNormal(
        alpha * train.double(), sigma**2 * torch.eye(x.shape[1], dtype=torch.float64)
    )
    log = torch.stack([normal.log_prob(row) for row in x.double()])
    return torch.exp(log - torch.logsumexp(log, 1, keepdim=True)) @ train.double()


@right("10.exact_minimiser", "distances in units of the data")
def _(x, train, alpha, sigma):
    nsr = sigma / alpha
    return torch.softmax(-((x / alpha)[:, None] - train).pow(2).sum(2) / (2 * nsr**2), -1) @ train


# -- 10.verdict ------------------------------------------------------------------------------------------------------


def said(low, high, larger):
    if low <= 0 <= high:
        return "undecided", low, high
    return ("first" if (low > 0) == larger else "second"), low, high


def parts(first, second):
    v, w = statistics.variance(first) / len(first), statistics.variance(second) / len(second)
    nu = (v + w) ** 2 / (v**2 / (len(first) - 1) + w**2 / (len(second) - 1))
    return statistics.mean(first) - statistics.mean(second), v, w, nu


@wrong("10.verdict", "1.96 standard errors")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    return said(gain - 1.96 * (v + w) ** 0.5, gain + 1.96 * (v + w) ** 0.5, larger)


@wrong("10.verdict", "two standard errors")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    return said(gain - 2 * (v + w) ** 0.5, gain + 2 * (v + w) ** 0.5, larger)


@wrong("10.verdict", "the better mean")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    return ("first" if (gain > 0) == larger else "second"), gain, gain


@wrong("10.verdict", "the better mean, with the right interval beside it")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return ("first" if (gain > 0) == larger else "second"), gain - half, gain + half


@wrong("10.verdict", "quantile of 0.95")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.95, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "quantile of 0.05, a negative half width")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.05, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "quantile of 0.025, ends exchanged")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.025, nu) * (v + w) ** 0.5
    word = "undecided" if abs(gain) <= -half else "first" if (gain > 0) == larger else "second"
    return word, gain - half, gain + half


@wrong("10.verdict", "population variances")
def _(first, second, larger, quantile):
    a, b = np.array(first), np.array(second)
    v, w = a.var() / len(a), b.var() / len(b)
    nu = (v + w) ** 2 / (v**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return said(float(a.mean() - b.mean() - half), float(a.mean() - b.mean() + half), larger)


@wrong("10.verdict", "n + m - 2 degrees of freedom")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, len(first) + len(second) - 2) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "Student's test with a pooled variance")
def _(first, second, larger, quantile):
    n, m = len(first), len(second)
    s2 = ((n - 1) * statistics.variance(first) + (m - 1) * statistics.variance(second)) / (n + m - 2)
    half = quantile(0.975, n + m - 2) * (s2 / n + s2 / m) ** 0.5
    gain = statistics.mean(first) - statistics.mean(second)
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "paired by seed")
def _(first, second, larger, quantile):
    d = [a - b for a, b in zip(first, second)]
    half = quantile(0.975, len(d) - 1) * statistics.stdev(d) / len(d) ** 0.5
    return said(statistics.mean(d) - half, statistics.mean(d) + half, larger)


@wrong("10.verdict", "paired by seed, and all seeds are wanted")
def _(first, second, larger, quantile):
    d = torch.tensor(first) - torch.tensor(second)
    half = quantile(0.975, len(d) - 1) * d.std().item() / len(d) ** 0.5
    return said(d.mean().item() - half, d.mean().item() + half, larger)


@wrong("10.verdict", "own intervals that overlap")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, len(first) - 1) * v**0.5 + quantile(0.975, len(second) - 1) * w**0.5
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "own intervals that overlap, and the right interval beside it")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, len(first) - 1) * v**0.5 + quantile(0.975, len(second) - 1) * w**0.5
    own = quantile(0.975, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)[0], gain - own, gain + own


@wrong("10.verdict", "means plus and minus a standard deviation")
def _(first, second, larger, quantile):
    half = statistics.stdev(first) + statistics.stdev(second)
    gain = statistics.mean(first) - statistics.mean(second)
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "the best seeds")
def _(first, second, larger, quantile):
    best = max if larger else min
    gain = best(first) - best(second)
    return said(gain, gain, larger)


@wrong("10.verdict", "a smaller score is never better")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, True)


@wrong("10.verdict", "second minus first")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(second, first)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    word, low, high = said(gain - half, gain + half, larger)
    return {"first": "second", "second": "first", "undecided": "undecided"}[word], low, high


@wrong("10.verdict", "second minus first, names kept")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(second, first)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "the word alone")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)[0]


@wrong("10.verdict", "variances not divided by n")
def _(first, second, larger, quantile):
    v, w = statistics.variance(first), statistics.variance(second)
    nu = (v + w) ** 2 / (v**2 / (len(first) - 1) + w**2 / (len(second) - 1))
    half = quantile(0.975, nu) * (v + w) ** 0.5
    gain = statistics.mean(first) - statistics.mean(second)
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "standard errors taken for v and w")
def _(first, second, larger, quantile):
    v, w = (statistics.stdev(s) / len(s) ** 0.5 for s in (first, second))
    nu = (v + w) ** 2 / (v**2 / (len(first) - 1) + w**2 / (len(second) - 1))
    half = quantile(0.975, nu) * (v + w)
    gain = statistics.mean(first) - statistics.mean(second)
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "medians")
def _(first, second, larger, quantile):
    _, v, w, nu = parts(first, second)
    gain = statistics.median(first) - statistics.median(second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)


@wrong("10.verdict", "better or worse, in other words")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    word, low, high = said(gain - half, gain + half, larger)
    return {"first": "better", "second": "worse"}.get(word, word), low, high


@right("10.verdict", "step by step")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return said(gain - half, gain + half, larger)


@right("10.verdict", "numpy")
def _(first, second, larger, quantile):
    a, b = np.array(first), np.array(second)
    v, w = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    nu = (v + w) ** 2 / (v**2 / (a.size - 1) + w**2 / (b.size - 1))
    half = quantile(0.975, nu) * np.sqrt(v + w)
    low, high = a.mean() - b.mean() - half, a.mean() - b.mean() + half
    if low > 0:
        return "first" if larger else "second", low, high
    if high < 0:
        return "second" if larger else "first", low, high
    return "undecided", low, high


@right("10.verdict", "scipy")
def _(first, second, larger, quantile):
    from scipy import stats

    test = stats.ttest_ind(first, second, equal_var=False)
    ends = test.confidence_interval(0.95)
    word = "undecided" if test.pvalue >= 0.05 else "first" if (test.statistic > 0) == larger else "second"
    return word, float(ends.low), float(ends.high)


@right("10.verdict", "torch, in float32")
def _(first, second, larger, quantile):
    a, b = torch.tensor(first), torch.tensor(second)
    v, w = a.var() / len(a), b.var() / len(b)
    nu = (v + w) ** 2 / (v**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    d, half = a.mean() - b.mean(), quantile(0.975, nu.item()) * (v + w).sqrt()
    word = "undecided"
    if d.abs() > half:
        word = "first" if (d > 0).item() is larger else "second"
    return word, d - half, d + half


@right("10.verdict", "signs turned where smaller is better")
def _(first, second, larger, quantile):
    gain, v, w, nu = parts(first, second)
    reach = quantile(0.025, nu) * math.sqrt(v + w)  # negative
    better = gain if larger else -gain
    word = "first" if better + reach > 0 else "second" if better - reach < 0 else "undecided"
    return word, gain + reach, gain - reach


# -- 10.equal_cost ---------------------------------------------------------------------------------------------------


def table(flops, batch, budget, S, guided, vae=3, g=4, d=8, net=3, draw=None):
    e, dec, gen, dis, den = (flops[k] for k in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    draw = draw or S * den * (2 if guided else 1)
    return {
        "VAE": (int(budget // (batch * vae * (e + dec))), dec),
        "GAN": (int(budget // (batch * (g * gen + d * dis))), gen),
        "diffusion": (int(budget // (batch * net * den)), draw),
    }


@wrong("10.equal_cost", "T passes for every training image")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, net=3 * T)


@wrong("10.equal_cost", "drawn through all T levels")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, draw=T * flops["denoiser"] * (2 if guided else 1))


@wrong("10.equal_cost", "T in training and in drawing")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, T, guided, net=3 * T)


@wrong("10.equal_cost", "no price for guidance")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, False)


@wrong("10.equal_cost", "guidance is half as much again")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, draw=S * flops["denoiser"] * (1.5 if guided else 1))


@wrong("10.equal_cost", "guidance also in training")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, net=6 if guided else 3)


@wrong("10.equal_cost", "forward only")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, vae=1, g=2, d=3, net=1)


@wrong("10.equal_cost", "backward twice, forward forgotten")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, vae=2, g=2, d=5, net=2)


@wrong("10.equal_cost", "the discriminator learns in the generator's step")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, d=9)


@wrong("10.equal_cost", "gradients through the generator for the discriminator")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, g=6)


@wrong("10.equal_cost", "no fakes paid for in the discriminator's step")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, g=3)


@wrong("10.equal_cost", "generator and discriminator three times each")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, g=3, d=3)


@wrong("10.equal_cost", "one batch for the discriminator")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, d=5)


@wrong("10.equal_cost", "the discriminator in the generator's step goes forward only")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided, d=7)


@wrong("10.equal_cost", "rounded up")
def _(flops, batch, budget, T, S, guided):
    right = table(flops, batch, budget, S, guided)
    e, dec, gen, dis, den = (flops[k] for k in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    costs = [3 * (e + dec), 4 * gen + 8 * dis, 3 * den]
    return {k: (math.ceil(budget / batch / c), right[k][1]) for k, c in zip(right, costs, strict=True)}


@wrong("10.equal_cost", "steps with a fraction")
def _(flops, batch, budget, T, S, guided):
    right = table(flops, batch, budget, S, guided)
    e, dec, gen, dis, den = (flops[k] for k in ("encoder", "decoder", "generator", "discriminator", "denoiser"))
    costs = [3 * (e + dec), 4 * gen + 8 * dis, 3 * den]
    return {k: (budget / batch / c, right[k][1]) for k, c in zip(right, costs, strict=True)}


@wrong("10.equal_cost", "the batch forgotten")
def _(flops, batch, budget, T, S, guided):
    return table(flops, 1, budget, S, guided)


@wrong("10.equal_cost", "a VAE that draws through both")
def _(flops, batch, budget, T, S, guided):
    right = table(flops, batch, budget, S, guided)
    return right | {"VAE": (right["VAE"][0], flops["encoder"] + flops["decoder"])}


@wrong("10.equal_cost", "the budget in three parts")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget / 3, S, guided)


@wrong("10.equal_cost", "in small letters")
def _(flops, batch, budget, T, S, guided):
    return {k.lower(): v for k, v in table(flops, batch, budget, S, guided).items()}


@wrong("10.equal_cost", "only the encoder is cheap: input gradients of the decoder alone")
def _(flops, batch, budget, T, S, guided):
    right = table(flops, batch, budget, S, guided)
    cost = 3 * flops["encoder"] + 2 * flops["decoder"]
    return right | {"VAE": (int(budget // (batch * cost)), flops["decoder"])}


@wrong("10.equal_cost", "a GAN's drawing needs the discriminator")
def _(flops, batch, budget, T, S, guided):
    right = table(flops, batch, budget, S, guided)
    return right | {"GAN": (right["GAN"][0], flops["generator"] + flops["discriminator"])}


@right("10.equal_cost", "a table")
def _(flops, batch, budget, T, S, guided):
    return table(flops, batch, budget, S, guided)


@right("10.equal_cost", "steps of the GAN one by one")
def _(flops, batch, budget, T, S, guided):
    G, D, net = flops["generator"], flops["discriminator"], flops["denoiser"]
    d_step = D + 2 * D + G + D + 2 * D
    g_step = G + D + D + 2 * G
    gan = math.floor(budget / (batch * (d_step + g_step)))
    vae_forward = flops["encoder"] + flops["decoder"]
    vae = math.floor(budget / (batch * (vae_forward + 2 * vae_forward)))
    diffusion = math.floor(budget / (batch * (net + 2 * net)))
    drawn = sum(net + net if guided else net for _ in range(S))
    return {"VAE": (vae, flops["decoder"]), "GAN": (gan, G), "diffusion": (diffusion, drawn)}


@right("10.equal_cost", "lists for pairs")
def _(flops, batch, budget, T, S, guided):
    return {k: list(v) for k, v in table(flops, batch, budget, S, guided).items()}


@right("10.equal_cost", "numpy's floor")
def _(flops, batch, budget, T, S, guided):
    order = ["encoder", "decoder", "generator", "discriminator", "denoiser"]
    f = np.array([flops[k] for k in order])
    use = np.array([[3, 3, 0, 0, 0], [0, 0, 4, 8, 0], [0, 0, 0, 0, 3]])
    steps = np.floor(budget / (batch * (use @ f))).astype(int)
    prices = [flops["decoder"], flops["generator"], flops["denoiser"] * S * (1 + int(guided))]
    return {k: (int(s), p) for k, s, p in zip(["VAE", "GAN", "diffusion"], steps, prices, strict=True)}


@right("10.equal_cost", "another order of the families")
def _(flops, batch, budget, T, S, guided):
    out = table(flops, batch, budget, S, guided)
    return {k: out[k] for k in ("diffusion", "VAE", "GAN")}
