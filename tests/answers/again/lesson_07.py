import math
from itertools import pairwise

import numpy as np
import torch
from learn_answers import right, wrong


def column(v, x):
    """v (B,) so that it broadcasts with x (B, …)."""
    return v.reshape(-1, *[1] * (x.ndim - 1))


# -- mixture_score ---------------------------------------------------------------------------------------------------


@wrong("07.mixture_score", "variances for standard deviations, with the weights of the normal densities")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] / 2 * stds.log() - (d**2).sum(-1) / (2 * stds)
    return (logp.softmax(1)[..., None] * d / stds[:, None]).sum(1)


@wrong("07.mixture_score", "the normalization of the densities left out")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "the normalization of one dimension")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "the weights for the posterior of the components")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    return (weights[:, None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "the gradient of p, not of log p")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] / 2 * torch.log(2 * math.pi * stds**2) - (d**2).sum(-1) / (2 * stds**2)
    return (logp.exp()[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "densities instead of logarithms: 0/0 far out")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    p = weights * stds ** -x.shape[1] * torch.exp(-(d**2).sum(-1) / (2 * stds**2))
    return (p[..., None] * d / stds[:, None] ** 2).sum(1) / p.sum(1, keepdim=True)


@wrong("07.mixture_score", "densities, with 1e-12 below")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    p = weights * (2 * math.pi * stds**2) ** (-x.shape[1] / 2) * torch.exp(-(d**2).sum(-1) / (2 * stds**2))
    return (p[..., None] * d / stds[:, None] ** 2).sum(1) / (p.sum(1, keepdim=True) + 1e-12)


@wrong("07.mixture_score", "sign turned round")
def _(x, means, stds, weights):
    d = x[:, None] - means[None]
    logp = weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "weights forgotten")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = -x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "weights for their logarithm")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "softmax over the points")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(0)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "divided by the standard deviation, not by the variance")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None]).sum(1)


@wrong("07.mixture_score", "one half left out of the exponent")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / stds**2
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "the nearest component only")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    best = logp.argmax(1)
    return (means[best] - x) / stds[best][:, None] ** 2


@wrong("07.mixture_score", "autograd, cut from x: not differentiable")
def _(x, means, stds, weights):
    x = x.detach().requires_grad_()
    d = x[:, None] - means
    logp = torch.logsumexp(weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2), 1)
    return torch.autograd.grad(logp.sum(), x)[0]


@right("07.mixture_score", "log-sum-exp by hand, a loop over the components")
def _(x, means, stds, weights):
    D = x.shape[1]
    logs = torch.stack(
        [
            torch.log(w) - D * torch.log(s) - ((x - m) ** 2).sum(1) / (2 * s * s)
            for m, s, w in zip(means, stds, weights, strict=True)
        ],
        1,
    )
    p = torch.exp(logs - logs.max(1, keepdim=True).values)
    p = p / p.sum(1, keepdim=True)
    out = torch.zeros_like(x)
    for k in range(len(means)):
        out = out + p[:, k : k + 1] * (means[k] - x) / stds[k] ** 2
    return out


@right("07.mixture_score", "by torch.func.grad of logsumexp")
def _(x, means, stds, weights):
    def logp(point):
        return torch.logsumexp(
            weights.log() - len(point) * stds.log() - ((point - means) ** 2).sum(-1) / (2 * stds**2), 0
        )

    return torch.func.vmap(torch.func.grad(logp))(x)


@right("07.mixture_score", "posterior mean of the precision-weighted means, einsum, float64")
def _(x, means, stds, weights):
    x64, m, s, w = (t.double() for t in (x, means, stds, weights))
    d2 = torch.cdist(x64, m, compute_mode="donot_use_mm_for_euclid_dist") ** 2
    d2 = ((x64[:, None] - m) ** 2).sum(-1) + 0 * d2.detach()
    r = (w.log() - x.shape[1] * s.log() - d2 / (2 * s**2)).softmax(-1) / s**2
    return (torch.einsum("bk,kd->bd", r, m) - r.sum(1, keepdim=True) * x64).to(x.dtype)


@right("07.mixture_score", "torch.distributions, and autograd with a graph")
def _(x, means, stds, weights):
    with torch.enable_grad():
        y = x if x.requires_grad else x.clone().requires_grad_()
        comp = torch.distributions.Independent(torch.distributions.Normal(means, stds[:, None].expand_as(means)), 1)
        mix = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(probs=weights), comp)
        return torch.autograd.grad(mix.log_prob(y).sum(), y, create_graph=True)[0]


# -- implicit_loss -----------------------------------------------------------------------------------------------------


def divergence(score, x, create_graph=True):
    x = x.detach().clone().requires_grad_()
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=create_graph)[0][:, i] for i in range(x.shape[1]))
    return s, div


@wrong("07.implicit_loss", "the divergence with a minus")
def _(score, x):
    s, div = divergence(score, x)
    return 0.5 * (s**2).sum(1) - div


@wrong("07.implicit_loss", "no half before the square")
def _(score, x):
    s, div = divergence(score, x)
    return (s**2).sum(1) + div


@wrong("07.implicit_loss", "half the divergence, too")
def _(score, x):
    s, div = divergence(score, x)
    return 0.5 * ((s**2).sum(1) + div)


@wrong("07.implicit_loss", "twice the loss")
def _(score, x):
    s, div = divergence(score, x)
    return (s**2).sum(1) + 2 * div


@wrong("07.implicit_loss", "grad of the sum of all outputs: all entries of the Jacobian, not its trace")
def _(score, x):
    x = x.detach().clone().requires_grad_()
    s = score(x)
    g = torch.autograd.grad(s.sum(), x, create_graph=True)[0]
    return 0.5 * (s**2).sum(1) + g.sum(1)


@wrong("07.implicit_loss", "no graph of the divergence: it does not train")
def _(score, x):
    x = x.detach().clone().requires_grad_()
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(x.shape[1]))
    return 0.5 * (s**2).sum(1) + div


@wrong("07.implicit_loss", "the square detached")
def _(score, x):
    s, div = divergence(score, x)
    return 0.5 * (s.detach() ** 2).sum(1) + div


@wrong("07.implicit_loss", "Hutchinson's estimate, one Rademacher vector")
def _(score, x):
    x = x.detach().clone().requires_grad_()
    s = score(x)
    v = torch.randint(0, 2, x.shape).to(x.dtype) * 2 - 1
    g = torch.autograd.grad((s * v).sum(), x, create_graph=True)[0]
    return 0.5 * (s**2).sum(1) + (g * v).sum(1)


@wrong("07.implicit_loss", "the mean over the dimensions")
def _(score, x):
    s, div = divergence(score, x)
    return 0.5 * (s**2).mean(1) + div / x.shape[1]


@wrong("07.implicit_loss", "the mean over the points")
def _(score, x):
    s, div = divergence(score, x)
    return (0.5 * (s**2).sum(1) + div).mean()


@wrong("07.implicit_loss", "finite differences of 1e-2: not exact")
def _(score, x):
    h = 1e-2
    div = 0
    for i in range(x.shape[1]):
        e = torch.zeros_like(x)
        e[:, i] = h
        div = div + (score(x + e) - score(x - e))[:, i] / (2 * h)
    return 0.5 * (score(x) ** 2).sum(1) + div


@wrong("07.implicit_loss", "the divergence left out")
def _(score, x):
    return 0.5 * (score(x) ** 2).sum(1)


@wrong("07.implicit_loss", "the squared derivatives")
def _(score, x):
    x = x.detach().clone().requires_grad_()
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] ** 2 for i in range(x.shape[1]))
    return 0.5 * (s**2).sum(1) + div


@wrong("07.implicit_loss", "the Jacobian and the determinant in place of the trace")
def _(score, x):
    jac = torch.func.vmap(torch.func.jacrev(lambda p: score(p[None])[0]))(x)
    return 0.5 * (score(x) ** 2).sum(1) + torch.linalg.det(jac)


@right("07.implicit_loss", "whole Jacobian of each point, in a loop, by autograd.functional")
def _(score, x):
    out = []
    for point in x:
        jac = torch.autograd.functional.jacobian(lambda p: score(p[None])[0], point, create_graph=True)
        out.append(torch.trace(jac) + score(point[None])[0].square().sum() / 2)
    return torch.stack(out)


@right("07.implicit_loss", "autograd, one dimension at a time")
def _(score, x):
    with torch.enable_grad():
        s, div = divergence(score, x)
        return torch.einsum("bd,bd->b", s, s) / 2 + div


@right("07.implicit_loss", "forward mode of the whole batch, by torch.func.jvp")
def _(score, x):
    div = 0
    for i in range(x.shape[1]):
        e = torch.zeros_like(x)
        e[:, i] = 1
        _, t = torch.func.jvp(score, (x,), (e,))
        div = div + t[:, i]
    return 0.5 * score(x).pow(2).sum(-1) + div


@right("07.implicit_loss", "a batched vjp with the unit vectors")
def _(score, x):
    y = x + torch.zeros_like(x).requires_grad_()
    s = score(y)
    B, D = x.shape
    total = 0
    for i in range(D):
        pick = torch.zeros(B, D, dtype=s.dtype)
        pick[:, i] = 1
        (g,) = torch.autograd.grad(s, y, pick, create_graph=True, materialize_grads=True)
        total = total + (g * pick).sum(1)
    return total + 0.5 * torch.linalg.vector_norm(s, dim=1) ** 2


# -- denoising_loss ----------------------------------------------------------------------------------------------------


@wrong("07.denoising_loss", "the target is plus eps/sigma")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) - eps / sigma) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "the target is minus eps")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "the target is minus eps/sigma²")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / sigma**2) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "no half")
def _(score, x0, eps, alpha, sigma):
    return ((score(alpha * x0 + sigma * eps) + eps / sigma) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "mean over the dimensions")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / sigma) ** 2).flatten(1).mean(1)


@wrong("07.denoising_loss", "sum over dimension 1 only")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / sigma) ** 2).sum(1)


@wrong("07.denoising_loss", "sum over the last dimension only")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / sigma) ** 2).sum(-1)


@wrong("07.denoising_loss", "the mean over the batch")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / sigma) ** 2).flatten(1).sum(1).mean()


@wrong("07.denoising_loss", "the score of the clean x0")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(x0) + eps / sigma) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "alpha forgotten, again")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(x0 + sigma * eps) + eps / sigma) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "roots of alpha and sigma, as if they were alpha bar")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((score(alpha**0.5 * x0 + sigma**0.5 * eps) + eps / sigma**0.5) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "alpha forgotten in the mean of the target")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * ((score(x_t) + (x_t - x0) / sigma**2) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "the distance, not squared")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * (score(alpha * x0 + sigma * eps) + eps / sigma).flatten(1).norm(dim=1)


@wrong("07.denoising_loss", "weighted by sigma²")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * ((sigma * score(alpha * x0 + sigma * eps) + eps) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "no_grad round the score")
def _(score, x0, eps, alpha, sigma):
    with torch.no_grad():
        s = score(alpha * x0 + sigma * eps)
    return 0.5 * ((s + eps / sigma) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "noise of its own")
def _(score, x0, eps, alpha, sigma):
    eps = torch.randn_like(x0)
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / sigma) ** 2).flatten(1).sum(1)


@right("07.denoising_loss", "by the formula of the Gaussian")
def _(score, x0, eps, alpha, sigma):
    mean = alpha * x0
    x_t = mean + sigma * eps
    target = -(x_t - mean) / sigma**2
    return (score(x_t) - target).pow(2).reshape(x0.shape[0], -1).sum(-1) / 2


@right("07.denoising_loss", "the target by autograd of log_prob")
def _(score, x0, eps, alpha, sigma):
    x_t = (alpha * x0 + sigma * eps).detach()
    y = x_t.clone().requires_grad_()
    with torch.enable_grad():
        logq = torch.distributions.Normal(alpha * x0, sigma).log_prob(y).sum()
        (target,) = torch.autograd.grad(logq, y)
    return torch.nn.functional.mse_loss(score(x_t), target, reduction="none").flatten(1).sum(1) * 0.5


@right("07.denoising_loss", "a loop over the points")
def _(score, x0, eps, alpha, sigma):
    s = score(torch.add(alpha * x0, eps, alpha=sigma))
    return torch.stack([((a * sigma + e) ** 2).sum() / (2 * sigma**2) for a, e in zip(s, eps, strict=True)])


# -- irreducible -------------------------------------------------------------------------------------------------------


@wrong("07.irreducible", "no half, again")
def _(D, sigma, energy):
    return D / sigma**2 - energy


@wrong("07.irreducible", "zero, again")
def _(D, sigma, energy):
    return 0.0


@wrong("07.irreducible", "the target's energy alone")
def _(D, sigma, energy):
    return D / (2 * sigma**2)


@wrong("07.irreducible", "plus for minus")
def _(D, sigma, energy):
    return 0.5 * (D / sigma**2 + energy)


@wrong("07.irreducible", "turned round")
def _(D, sigma, energy):
    return 0.5 * (energy - D / sigma**2)


@wrong("07.irreducible", "sigma not squared")
def _(D, sigma, energy):
    return 0.5 * (D / sigma - energy)


@wrong("07.irreducible", "times sigma²: that of the noise's loss")
def _(D, sigma, energy):
    return 0.5 * (D - sigma**2 * energy)


@wrong("07.irreducible", "one dimension")
def _(D, sigma, energy):
    return 0.5 * (1 / sigma**2 - energy)


@wrong("07.irreducible", "energy of a dimension")
def _(D, sigma, energy):
    return 0.5 * D * (1 / sigma**2 - energy)


@wrong("07.irreducible", "D sigma² for D / sigma²")
def _(D, sigma, energy):
    return 0.5 * (D * sigma**2 - energy)


@wrong("07.irreducible", "half the energy of the score")
def _(D, sigma, energy):
    return 0.5 * energy


@wrong("07.irreducible", "energy not halved")
def _(D, sigma, energy):
    return D / (2 * sigma**2) - energy


@wrong("07.irreducible", "rounded")
def _(D, sigma, energy):
    return round(0.5 * (D / sigma**2 - energy), 1)


@right("07.irreducible", "other algebra")
def _(D, sigma, energy):
    return (D - energy * sigma * sigma) / (2 * sigma * sigma)


@right("07.irreducible", "by numpy float64")
def _(D, sigma, energy):
    return np.float64(0.5) * (np.float64(D) * np.power(float(sigma), -2.0) - energy)


# -- from_score --------------------------------------------------------------------------------------------------------


@wrong("07.from_score", "eps = +sigma·score, the others follow")
def _(score, x_t, alpha, sigma):
    eps = sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "eps = −score")
def _(score, x_t, alpha, sigma):
    eps = -score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "eps = −score/sigma")
def _(score, x_t, alpha, sigma):
    eps = -score / sigma
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "x0 not divided by alpha")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = x_t - sigma * eps
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "sigma for sigma² in Tweedie")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t + sigma * score) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "sigma from alpha")
def _(score, x_t, alpha, sigma):
    sigma = max(1 - alpha**2, 0) ** 0.5
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "v turned round")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, sigma * x0 - alpha * eps


@wrong("07.from_score", "v = alpha·x0 − sigma·eps")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * x0 - sigma * eps


@wrong("07.from_score", "x0 by v, as on the circle")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    v = (eps - sigma * x_t) / alpha
    return eps, alpha * x_t - sigma * v, v


@wrong("07.from_score", "v on the circle only")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, (eps - sigma * x_t) / alpha


@wrong("07.from_score", "the order x0, eps, v")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return x0, eps, alpha * eps - sigma * x0


@wrong("07.from_score", "x0 clipped to [-1, 1]")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = ((x_t - sigma * eps) / alpha).clamp(-1, 1)
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "the noise of x0 by division: eps from x0 with the wrong sign")
def _(score, x_t, alpha, sigma):
    x0 = (x_t - sigma**2 * score) / alpha
    eps = (x_t - alpha * x0) / sigma
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "detached")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score.detach()
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "in place on the score")
def _(score, x_t, alpha, sigma):
    with torch.no_grad():
        score.mul_(-sigma)
    x0 = (x_t - sigma * score) / alpha
    return score, x0, alpha * score - sigma * x0


@right("07.from_score", "x0 first, eps from it")
def _(score, x_t, alpha, sigma):
    x0 = x_t / alpha + sigma**2 / alpha * score
    eps = (x_t - alpha * x0) / sigma
    return eps, x0, alpha * eps - sigma * x0


@right("07.from_score", "v in one formula, a list")
def _(score, x_t, alpha, sigma):
    v = -(sigma / alpha) * ((alpha**2 + sigma**2) * score + x_t)
    return [torch.neg(sigma * score), (x_t + sigma * sigma * score) / alpha, v]


@right("07.from_score", "as a matrix of numbers, float64")
def _(score, x_t, alpha, sigma):
    m = torch.tensor(
        [[-sigma, 0.0], [sigma**2 / alpha, 1 / alpha], [-alpha * sigma - sigma**3 / alpha, -sigma / alpha]],
        dtype=torch.float64,
    )
    both = torch.stack([score, x_t]).double()
    return tuple(torch.einsum("ij,j...->i...", m, both).to(x_t.dtype).unbind(0))


# -- loss_weights ------------------------------------------------------------------------------------------------------


@wrong("07.loss_weights", "the half of the denoising loss forgotten")
def _(alpha, sigma):
    return sigma**2, sigma**4 / alpha**2, (sigma * (alpha**2 + sigma**2) / alpha) ** 2


@wrong("07.loss_weights", "not squared")
def _(alpha, sigma):
    return 2 * sigma, 2 * sigma**2 / alpha, 2 * sigma * (alpha**2 + sigma**2) / alpha


@wrong("07.loss_weights", "v on the circle only")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * sigma**2 / alpha**2


@wrong("07.loss_weights", "v as the sum of the squares, without the cross term")
def _(alpha, sigma):
    e, x = 2 * sigma**2, 2 * sigma**4 / alpha**2
    return e, x, alpha**2 * e + sigma**2 * x


@wrong("07.loss_weights", "the errors of eps and x0 with the same sign: v's parts cancel")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * (alpha * sigma - sigma**3 / alpha) ** 2


@wrong("07.loss_weights", "inverted, again")
def _(alpha, sigma):
    return 0.5 / sigma**2, 0.5 * alpha**2 / sigma**4, 0.5 * (alpha / (sigma * (alpha**2 + sigma**2))) ** 2


@wrong("07.loss_weights", "x0: signal-to-noise ratio")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * alpha**2 / sigma**2, 2 * sigma**2 * (alpha**2 + sigma**2) ** 2 / alpha**2


@wrong("07.loss_weights", "half for twice")
def _(alpha, sigma):
    return 0.5 * sigma**2, 0.5 * sigma**4 / alpha**2, 0.5 * sigma**2 * (alpha**2 + sigma**2) ** 2 / alpha**2


@wrong("07.loss_weights", "x0 without alpha, again")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4, 2 * (alpha * sigma + sigma**3) ** 2


@wrong("07.loss_weights", "x0: sigma² for sigma⁴")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**2 / alpha**2, 2 * sigma**2 * (alpha**2 + sigma**2) ** 2 / alpha**2


@wrong("07.loss_weights", "x0 by eps' error over sigma: alpha and sigma exchanged")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**2 * alpha**2 / sigma**2, 2 * sigma**2 * (alpha**2 + sigma**2) ** 2 / alpha**2


@wrong("07.loss_weights", "the order x0, eps, v")
def _(alpha, sigma):
    return 2 * sigma**4 / alpha**2, 2 * sigma**2, 2 * sigma**2 * (alpha**2 + sigma**2) ** 2 / alpha**2


@wrong("07.loss_weights", "v: alpha² + sigma² not squared")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * sigma**2 * (alpha**2 + sigma**2) / alpha**2


@wrong("07.loss_weights", "sigma from alpha")
def _(alpha, sigma):
    s2 = 1 - alpha**2
    return 2 * s2, 2 * s2**2 / alpha**2, 2 * s2 / alpha**2


@right("07.loss_weights", "from a unit error of the score")
def _(alpha, sigma):
    e = -sigma
    x = -sigma * e / alpha
    v = alpha * e - sigma * x
    return tuple(2 * d * d for d in (e, x, v))


@right("07.loss_weights", "in terms of the signal-to-noise ratio, a list")
def _(alpha, sigma):
    snr = (alpha / sigma) ** 2
    e = 2 * sigma**2
    return [e, e / snr, e * alpha**2 * (1 + 1 / snr) ** 2]


@right("07.loss_weights", "by torch float64 autograd of from_score's formulas")
def _(alpha, sigma):
    s = torch.zeros((), dtype=torch.float64, requires_grad=True)
    eps = -sigma * s
    x0 = -sigma * eps / alpha
    v = alpha * eps - sigma * x0
    return tuple(2 * float(torch.autograd.grad(f, s, retain_graph=True)[0]) ** 2 for f in (eps, x0, v))


# -- langevin_step -----------------------------------------------------------------------------------------------------


@wrong("07.langevin_step", "sqrt(tau), again")
def _(score, x, tau, z):
    return x + tau * score(x) + tau**0.5 * z


@wrong("07.langevin_step", "half the score and sqrt(tau): another meaning of tau")
def _(score, x, tau, z):
    return x + tau / 2 * score(x) + tau**0.5 * z


@wrong("07.langevin_step", "2·tau")
def _(score, x, tau, z):
    return x + tau * score(x) + 2 * tau * z


@wrong("07.langevin_step", "tau·z")
def _(score, x, tau, z):
    return x + tau * score(x) + tau * z


@wrong("07.langevin_step", "2·sqrt(tau)")
def _(score, x, tau, z):
    return x + tau * score(x) + 2 * tau**0.5 * z


@wrong("07.langevin_step", "minus the score, again")
def _(score, x, tau, z):
    return x - tau * score(x) + (2 * tau) ** 0.5 * z


@wrong("07.langevin_step", "no noise")
def _(score, x, tau, z):
    return x + tau * score(x)


@wrong("07.langevin_step", "exact for N(0, 1): the second order is kept")
def _(score, x, tau, z):
    return x + tau * score(x) + math.sqrt(max(2 * tau - tau**2, 0)) * z


@wrong("07.langevin_step", "the score of the shaken point")
def _(score, x, tau, z):
    y = x + (2 * tau) ** 0.5 * z
    return y + tau * score(y)


@wrong("07.langevin_step", "in place, again")
def _(score, x, tau, z):
    x += tau * score(x) + (2 * tau) ** 0.5 * z
    return x


@wrong("07.langevin_step", "in place by add_, a view")
def _(score, x, tau, z):
    s = score(x)
    return x.add_(s, alpha=tau).add_(z, alpha=(2 * tau) ** 0.5)


@wrong("07.langevin_step", "noise of its own")
def _(score, x, tau, z):
    return x + tau * score(x) + (2 * tau) ** 0.5 * torch.randn_like(x)


@wrong("07.langevin_step", "the score called twice: Heun's step")
def _(score, x, tau, z):
    n = (2 * tau) ** 0.5 * z
    s = score(x)
    return x + tau / 2 * (s + score(x + tau * s + n)) + n


@wrong("07.langevin_step", "all under one root")
def _(score, x, tau, z):
    return x + (2 * tau) ** 0.5 * (score(x) + z)


@wrong("07.langevin_step", "the score scaled by the noise: normalised to length 1")
def _(score, x, tau, z):
    s = score(x)
    return x + tau * s / s.norm() + (2 * tau) ** 0.5 * z


@wrong("07.langevin_step", "x shrunk by 1 − tau, as if the score were always −x")
def _(score, x, tau, z):
    return (1 - tau) * x + (2 * tau) ** 0.5 * z


@right("07.langevin_step", "torch.add, alpha")
def _(score, x, tau, z):
    return torch.add(torch.add(x, score(x), alpha=tau), z, alpha=math.sqrt(2 * tau))


@right("07.langevin_step", "in place on a clone")
def _(score, x, tau, z):
    new = x.clone()
    new += score(x) * tau
    new += z * tau**0.5 * math.sqrt(2)
    return new


@right("07.langevin_step", "half step of size 2·tau, float64")
def _(score, x, tau, z):
    eta = 2 * tau
    return (x.double() + eta / 2 * score(x).double() + eta**0.5 * z.double()).to(x.dtype)


# -- chain_variance ----------------------------------------------------------------------------------------------------


@wrong("07.chain_variance", "s²: no bias")
def _(s, tau):
    return s**2


@wrong("07.chain_variance", "s² where it ends, inf where not")
def _(s, tau):
    return s**2 if tau < 2 * s**2 else math.inf


@wrong("07.chain_variance", "no check for growth: negative")
def _(s, tau):
    a = 1 - tau / s**2
    return 2 * tau / (1 - a**2) if a * a != 1 else math.inf


@wrong("07.chain_variance", "no check at all: division by zero")
def _(s, tau):
    return 2 * s**4 / (2 * s**2 - tau)


@wrong("07.chain_variance", "inf already from tau = s²")
def _(s, tau):
    return math.inf if tau >= s**2 else 2 * s**4 / (2 * s**2 - tau)


@wrong("07.chain_variance", "the standard deviation")
def _(s, tau):
    return math.inf if tau >= 2 * s**2 else s * math.sqrt(2 * s**2 / (2 * s**2 - tau))


@wrong("07.chain_variance", "first order in tau")
def _(s, tau):
    return math.inf if tau >= 2 * s**2 else s**2 + tau / 2


@wrong("07.chain_variance", "factor 1 − tau/s²  not squared")
def _(s, tau):
    return math.inf if tau >= 2 * s**2 else 2 * tau / (tau / s**2)


@wrong("07.chain_variance", "score −x/s for −x/s²")
def _(s, tau):
    a = 1 - tau / s
    return math.inf if abs(a) >= 1 else 2 * tau / (1 - a**2)


@wrong("07.chain_variance", "noise tau for 2·tau")
def _(s, tau):
    a = 1 - tau / s**2
    return math.inf if abs(a) >= 1 else tau / (1 - a**2)


@wrong("07.chain_variance", "of N(0, 1)")
def _(s, tau):
    return math.inf if tau >= 2 else 1 / (1 - tau / 2)


@wrong("07.chain_variance", "the factor squared twice")
def _(s, tau):
    a = (1 - tau / s**2) ** 2
    return math.inf if abs(a) >= 1 else 2 * tau / (1 - a**2)


@wrong("07.chain_variance", "tau = 2·s² not infinite")
def _(s, tau):
    return math.inf if tau > 2 * s**2 else 2 * s**4 / max(2 * s**2 - tau, 1e-12)


@wrong("07.chain_variance", "1000 steps simulated from 0")
def _(s, tau):
    v = 0.0
    for _ in range(1000):
        v = (1 - tau / s**2) ** 2 * v + 2 * tau
    return v


@wrong("07.chain_variance", "nan where it grows")
def _(s, tau):
    a = 1 - tau / s**2
    return math.nan if abs(a) >= 1 else 2 * tau / (1 - a**2)


@wrong("07.chain_variance", "None where it grows")
def _(s, tau):
    a = 1 - tau / s**2
    return None if abs(a) >= 1 else 2 * tau / (1 - a**2)


@right("07.chain_variance", "geometric series, from the factor")
def _(s, tau):
    shrink = (1 - tau / s**2) ** 2
    if shrink >= 1:
        return float("inf")
    return 2 * tau / (1 - shrink)


@right("07.chain_variance", "s²/(1 − tau/2s²)")
def _(s, tau):
    r = tau / (2 * s * s)
    return s * s / (1 - r) if r < 1 else math.inf


@right("07.chain_variance", "numpy")
def _(s, tau):
    s, tau = np.float64(s), np.float64(tau)
    return np.inf if tau >= 2 * s**2 else 2 * s**4 / (2 * s**2 - tau)


# -- crossings ---------------------------------------------------------------------------------------------------------


@wrong("07.crossings", "changes of sign")
def _(xs, edge):
    return (xs[1:].sign() != xs[:-1].sign()).sum(0)


@wrong("07.crossings", "changes between neighbouring steps only: a jump in one step")
def _(xs, edge):
    m = (xs > edge).long() - (xs < -edge).long()
    return (m[1:] * m[:-1] == -1).sum(0)


@wrong("07.crossings", "each change of the state, the middle too")
def _(xs, edge):
    m = (xs > edge).long() - (xs < -edge).long()
    return (m[1:] != m[:-1]).sum(0)


@wrong("07.crossings", "arrivals, also in the mode that was left")
def _(xs, edge):
    m = (xs > edge).long() - (xs < -edge).long()
    return ((m[1:] != m[:-1]) & (m[1:] != 0)).sum(0)


@wrong("07.crossings", "the first arrival counts, again")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x > edge).long() - (x < -edge).long()
        new = (m != 0) & (m != last)
        n += new
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "from left to right only")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x > edge).long() - (x < -edge).long()
        n += (m == 1) & (last == -1)
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "round trips, again")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x > edge).long() - (x < -edge).long()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n // 2


@wrong("07.crossings", "the edges belong to the modes")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x >= edge).long() - (x <= -edge).long()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "the sum of all chains")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x > edge).long() - (x < -edge).long()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n.sum()


@wrong("07.crossings", "float")
def _(xs, edge):
    n = torch.zeros(xs.shape[1])
    last = torch.zeros(xs.shape[1])
    for x in xs:
        m = (x > edge).float() - (x < -edge).float()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "over the wrong dimension")
def _(xs, edge):
    out = []
    for row in xs:
        m = [1 if v > edge else -1 for v in row.tolist() if abs(v) > edge]
        out.append(sum(a != b for a, b in pairwise(m)))
    return torch.tensor(out)


@wrong("07.crossings", "begins in the left mode")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = -torch.ones(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x > edge).long() - (x < -edge).long()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "begins in the mode on whose side of 0 it is")
def _(xs, edge):
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    last = torch.where(xs[0] > 0, 1, -1)
    for x in xs:
        m = (x > edge).long() - (x < -edge).long()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "crossed if it was ever in both: 0 or 1")
def _(xs, edge):
    return ((xs > edge).any(0) & (xs < -edge).any(0)).long()


@wrong("07.crossings", "leavings of a mode to the other side of 0")
def _(xs, edge):
    side = (xs > 0).long()
    inside = (xs.abs() > edge)[1:]
    return ((side[1:] != side[:-1]) & inside).sum(0)


@right("07.crossings", "a Python loop over the chains")
def _(xs, edge):
    out = []
    for chain in xs.T.tolist():
        seen = [v > edge for v in chain if v > edge or v < -edge]
        out.append(sum(a != b for a, b in pairwise(seen)))
    return torch.tensor(out, dtype=torch.int64)


@right("07.crossings", "vectorised forward fill by cummax")
def _(xs, edge):
    m = (xs > edge).long() - (xs < -edge).long()
    t = torch.arange(len(xs))[:, None].expand_as(m)
    last = torch.where(m != 0, t, 0).cummax(0).values
    filled = m.gather(0, last)
    return (filled[1:] * filled[:-1] == -1).sum(0)


@right("07.crossings", "a state machine, step by step")
def _(xs, edge):
    right_, left = torch.zeros(xs.shape[1], dtype=torch.bool), torch.zeros(xs.shape[1], dtype=torch.bool)
    count = torch.zeros(xs.shape[1], dtype=torch.long)
    for x in xs:
        r, l = x > edge, x < -edge
        count = count + ((r & left) | (l & right_)).long()
        right_, left = (right_ | r) & ~l, (left | l) & ~r
    return count


# -- annealed ----------------------------------------------------------------------------------------------------------


def anneal(score, x, sigmas, steps, generator, size, noise=lambda tau: (2 * tau) ** 0.5, last=True):
    for sigma in sigmas:
        tau = size(sigma)
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + tau * score(x, sigma) + noise(tau) * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1]) if last else x


@wrong("07.annealed", "tau = (snr·sigma)², again")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: (snr * s) ** 2)


@wrong("07.annealed", "tau = snr·sigma², again")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: snr * s**2)


@wrong("07.annealed", "tau = 2·snr·sigma²")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * snr * s**2)


@wrong("07.annealed", "tau = snr·sigma")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: snr * s)


@wrong("07.annealed", "tau = sqrt(2)·snr·sigma: the root not squared")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2**0.5 * snr * s)


@wrong("07.annealed", "tau = 2·snr²·sigma")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * snr**2 * s)


@wrong("07.annealed", "the ratio turned round")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * (s / snr) ** 2)


@wrong("07.annealed", "tau = 2·snr²·sigma²·D")
def _(score, x, sigmas, steps, snr, generator):
    D = x[0].numel()
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * (snr * s) ** 2 * D)


@wrong("07.annealed", "Song's: step eps·sigma²/sigma_last²")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * snr**2 * s**2 / sigmas[-1] ** 2)


@wrong("07.annealed", "the step size from the actual length of the score and of the noise")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            s = score(x, sigma)
            tau = 2 * (snr * z.flatten(1).norm(dim=1).mean() / s.flatten(1).norm(dim=1).mean()) ** 2
            x = x + tau * s + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "the last denoising left out")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * (snr * s) ** 2, last=False)


@wrong("07.annealed", "the last step is without noise, in place of Tweedie's formula")
def _(score, x, sigmas, steps, snr, generator):
    for i, sigma in enumerate(sigmas):
        tau = 2 * (snr * sigma) ** 2
        for j in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + tau * score(x, sigma)
            if i < len(sigmas) - 1 or j < steps - 1:
                x = x + (2 * tau) ** 0.5 * z
    return x


@wrong("07.annealed", "Tweedie with sigma for sigma²")
def _(score, x, sigmas, steps, snr, generator):
    x = anneal(score, x, sigmas, steps, generator, lambda s: 2 * (snr * s) ** 2, last=False)
    return x + sigmas[-1] * score(x, sigmas[-1])


@wrong("07.annealed", "Tweedie after every level")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        x = anneal(score, x, [sigma], steps, generator, lambda s: 2 * (snr * s) ** 2)
    return x


@wrong("07.annealed", "the smallest level first")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sorted(sigmas), steps, generator, lambda s: 2 * (snr * s) ** 2)


@wrong("07.annealed", "sorted from far to near, whatever the order given")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sorted(sigmas, reverse=True), steps, generator, lambda s: 2 * (snr * s) ** 2)


@wrong("07.annealed", "each level starts from the given x")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        y = anneal(score, x, [sigma], steps, generator, lambda s: 2 * (snr * s) ** 2)
    return y


@wrong("07.annealed", "one draw for a level")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
        for _ in range(steps):
            x = x + tau * score(x, sigma) + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "the generator not used")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, None, lambda s: 2 * (snr * s) ** 2)


@wrong("07.annealed", "noise sqrt(tau)")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: 2 * (snr * s) ** 2, lambda tau: tau**0.5)


@wrong("07.annealed", "noise sqrt(tau), with its own step size derived from it")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, steps, generator, lambda s: (snr * s) ** 2, lambda tau: tau**0.5)


@wrong("07.annealed", "always the last level's score")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(lambda y, s: score(y, sigmas[-1]), x, sigmas, steps, generator, lambda s: 2 * (snr * s) ** 2)


@wrong("07.annealed", "in place")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x += tau * score(x, sigma) + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "float32 noise")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator)
            x = x + tau * score(x, sigma) + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "the last Tweedie by the first level")
def _(score, x, sigmas, steps, snr, generator):
    x = anneal(score, x, sigmas, steps, generator, lambda s: 2 * (snr * s) ** 2, last=False)
    return x + sigmas[0] ** 2 * score(x, sigmas[0])


@wrong("07.annealed", "steps in all, shared among the levels")
def _(score, x, sigmas, steps, snr, generator):
    return anneal(score, x, sigmas, max(1, steps // len(sigmas)), generator, lambda s: 2 * (snr * s) ** 2)


@right("07.annealed", "a loop, the drift 2·(snr·sigma)² and the noise 2·snr·sigma")
def _(score, x, sigmas, steps, snr, generator):
    for level in sigmas:
        length = 2 * snr * level
        for _ in range(steps):
            drift = score(x, level)
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + 0.5 * length**2 * drift + length * z
    return x + level**2 * score(x, level)


@right("07.annealed", "itertools, a step function, no_grad")
def _(score, x, sigmas, steps, snr, generator):
    def step(y, sigma):
        tau = 2 * snr * snr * sigma * sigma
        z = torch.randn(y.shape, generator=generator, dtype=y.dtype)
        return torch.add(y, tau * score(y, sigma)) + math.sqrt(2 * tau) * z

    with torch.no_grad():
        y = x.clone()
        for sigma in (s for s in sigmas for _ in range(steps)):
            y = step(y, sigma)
        return y.add(score(y, sigmas[-1]), alpha=sigmas[-1] ** 2)


# -- a second round ------------------------------------------------------------


@wrong("07.implicit_loss", "differences of 1e-4, forward")
def _(score, x):
    h = 1e-4
    s = score(x)
    div = 0
    for i in range(x.shape[1]):
        e = torch.zeros_like(x)
        e[:, i] = h
        div = div + (score(x + e) - s)[:, i] / h
    return 0.5 * (s**2).sum(1) + div


@wrong("07.implicit_loss", "differences of 1e-6 in float64")
def _(score, x):
    x = x.double()
    h = 1e-6
    div = 0
    for i in range(x.shape[1]):
        e = torch.zeros_like(x)
        e[:, i] = h
        div = div + (score(x + e) - score(x - e))[:, i] / (2 * h)
    return (0.5 * (score(x) ** 2).sum(1) + div).float()


@wrong("07.implicit_loss", "Hutchinson, many directions")
def _(score, x):
    x = x.detach().clone().requires_grad_()
    s = score(x)
    t = 0
    for _ in range(100):
        v = torch.randn_like(x)
        t = t + (torch.autograd.grad((s * v).sum(), x, create_graph=True)[0] * v).sum(1)
    return 0.5 * (s**2).sum(1) + t / 100


@wrong("07.langevin_step", "the score called once for x and once for a copy")
def _(score, x, tau, z):
    return x + tau / 2 * score(x) + tau / 2 * score(x.clone()) + (2 * tau) ** 0.5 * z


@wrong("07.langevin_step", "midpoint")
def _(score, x, tau, z):
    y = x + tau / 2 * score(x)
    return x + tau * score(y) + (2 * tau) ** 0.5 * z


@wrong("07.langevin_step", "the score cut to length 1")
def _(score, x, tau, z):
    return x + tau * score(x).clamp(-1, 1) + (2 * tau) ** 0.5 * z


@right("07.langevin_step", "addcmul")
def _(score, x, tau, z):
    return torch.addcmul(x + (tau + tau) ** 0.5 * z, score(x), torch.tensor(tau))


@wrong("07.chain_variance", "iterated until it stands still, a cap of 20000")
def _(s, tau):
    v = 1.0
    for _ in range(20000):
        new = (1 - tau / s**2) ** 2 * v + 2 * tau
        if abs(new - v) < 1e-9:
            break
        v = new
    return v


@wrong("07.chain_variance", "simulated with random chains")
def _(s, tau):
    g = torch.Generator().manual_seed(0)
    x = torch.zeros(2000)
    for _ in range(300):
        x = x - tau * x / s**2 + (2 * tau) ** 0.5 * torch.randn(2000, generator=g)
    return float(x.var())


@wrong("07.chain_variance", "a large number for inf")
def _(s, tau):
    return 1e9 if tau >= 2 * s**2 else 2 * s**4 / (2 * s**2 - tau)


@wrong("07.crossings", "first mode is the right one")
def _(xs, edge):
    last = torch.ones(xs.shape[1])
    n = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        m = (x > edge).float() - (x < -edge).float()
        n += m * last == -1
        last = torch.where(m != 0, m, last)
    return n


@wrong("07.crossings", "forward fill, first steps filled with the first mode backward, and counted twice at jumps")
def _(xs, edge):
    out = []
    for c in xs.T.tolist():
        n, last = 0, None
        for v in c:
            side = "r" if v > edge else "l" if v < -edge else "m"
            if side != "m":
                n += last is None or last != side
                last = side
        out.append(n)
    return torch.tensor(out)


@wrong("07.crossings", "a list of Python numbers floats / 2")
def _(xs, edge):
    out = []
    for c in xs.T.tolist():
        s = [v > 0 for v in c if abs(v) > edge]
        out.append(sum(a != b for a, b in pairwise(s)) / 2)
    return torch.tensor(out).long()


@wrong("07.crossings", "the middle resets the memory")
def _(xs, edge):
    m = torch.sign(xs) * (xs.abs() > edge)
    return ((m[1:] - m[:-1]).abs() == 2).sum(0)


def song(norms):
    def f(score, x, sigmas, steps, snr, generator):
        for sigma in sigmas:
            for _ in range(steps):
                z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
                s = score(x, sigma)
                tau = norms(x, z, s, snr, sigma)
                x = x + tau * s + (2 * tau) ** 0.5 * z
        return x + sigmas[-1] ** 2 * score(x, sigmas[-1])

    return f


def each(t):
    return t.flatten(1).norm(dim=1).reshape(-1, *[1] * (t.ndim - 1))


wrong("07.annealed", "measured, per point")(song(lambda x, z, s, snr, sigma: 2 * (snr * each(z) / each(s)) ** 2))
wrong("07.annealed", "measured score, √D for the noise")(
    song(lambda x, z, s, snr, sigma: 2 * snr**2 * x[0].numel() / each(s) ** 2)
)
wrong("07.annealed", "D forgotten in the score: 2 snr² sigma² D for the noise only")(
    song(lambda x, z, s, snr, sigma: torch.tensor(2 * snr**2 * sigma**2 * x[0].numel() ** 0.5))
)
wrong("07.annealed", "ratio turned round")(song(lambda x, z, s, snr, sigma: torch.tensor(2 * sigma**2 / snr**2)))
wrong("07.annealed", "tau = snr² / sigma²")(song(lambda x, z, s, snr, sigma: torch.tensor(2 * snr**2 / sigma**2)))


def chain(levels=lambda s: s, steps=lambda n, k: range(n), end=None, noise_last=True):
    def f(score, x, sigmas, steps_, snr, generator):
        ls = levels(sigmas)
        for k, sigma in enumerate(ls):
            tau = 2 * (snr * sigma) ** 2
            for j in steps(steps_, k):
                z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
                x = x + tau * score(x, sigma)
                if noise_last or j < steps_ - 1:
                    x = x + (2 * tau) ** 0.5 * z
        return end(x, score, sigmas) if end else x + sigmas[-1] ** 2 * score(x, sigmas[-1])

    return f


wrong("07.annealed", "steps + 1 on each level")(chain(steps=lambda n, k: range(n + 1)))
wrong("07.annealed", "steps - 1 on each level")(chain(steps=lambda n, k: range(1, n)))
wrong("07.annealed", "the last level skipped")(chain(levels=lambda s: s[:-1]))
wrong("07.annealed", "steps on the first level only, then one each")(
    chain(steps=lambda n, k: range(n if k == 0 else 1))
)
wrong("07.annealed", "no noise on the last step of each level")(chain(noise_last=False))
wrong("07.annealed", "Tweedie with the smallest level")(
    chain(end=lambda x, score, s: x + min(s) ** 2 * score(x, min(s)))
)
wrong("07.annealed", "Tweedie with the first sigma and the last score")(
    chain(end=lambda x, score, s: x + s[0] ** 2 * score(x, s[-1]))
)
wrong("07.annealed", "Tweedie of a path that keeps the variance")(
    chain(end=lambda x, score, s: (x + s[-1] ** 2 * score(x, s[-1])) / math.sqrt(1 + s[-1] ** 2))
)
wrong("07.annealed", "Tweedie with the score at 0")(chain(end=lambda x, score, s: x + s[-1] ** 2 * score(x, 1e-3)))
wrong("07.annealed", "levels without repeats, descending set")(chain(levels=lambda s: sorted(set(s))[::-1]))
right("07.annealed", "the same, plain")(chain())


@right("07.annealed", "float64 score sum, standard deviation first, x and levels as tensors")
def _(score, x, sigmas, steps, snr, generator):
    levels = torch.tensor(sigmas, dtype=torch.float64)
    for sigma, root in zip(levels.tolist(), (math.sqrt(2) * snr * levels).tolist(), strict=True):
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + root * (root * score(x, sigma) + math.sqrt(2) * z)
    return torch.addcmul(x, score(x, sigma), torch.full_like(x, sigma**2))


@wrong("07.loss_weights", "v: sum squared, alpha not")
def _(a, s):
    return 2 * s**2, 2 * s**4 / a**2, 2 * s**2 * (a**2 + s**2) ** 2 / a


@wrong("07.loss_weights", "v from the factors' roots with a minus outside")
def _(a, s):
    return 2 * s**2, 2 * s**4 / a**2, -2 * s**2 * (a**2 + s**2) ** 2 / a**2


@wrong("07.from_score", "v = eps − x0·sigma/alpha")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, eps - sigma / alpha * x0


@wrong("07.from_score", "v = alpha·score − sigma·x0")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * score - sigma * x0


@wrong("07.irreducible", "weighted sigma², no half")
def _(D, sigma, energy):
    return D - sigma**2 * energy


@wrong("07.irreducible", "never below 0.1")
def _(D, sigma, energy):
    return max(0.1, 0.5 * (D / sigma**2 - energy))


@wrong("07.mixture_score", "logs clamped at −80")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = (weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)).clamp(min=-80)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "stds of the first component for all")
def _(x, means, stds, weights):
    stds = stds[:1].expand_as(stds)
    d = means[None] - x[:, None]
    logp = weights.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1)[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "shares cut from x")
def _(x, means, stds, weights):
    d = means[None] - x[:, None]
    logp = weights.log() - x.shape[1] * stds.log() - (d**2).sum(-1) / (2 * stds**2)
    return (logp.softmax(1).detach()[..., None] * d / stds[:, None] ** 2).sum(1)


@wrong("07.denoising_loss", "the target drawn anew from x_t: (x_t − alpha x0)/sigma")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * ((score(x_t) + (x_t - alpha * x0) / sigma) ** 2).flatten(1).sum(1)


@wrong("07.denoising_loss", "cosine-like: squared norms subtracted")
def _(score, x0, eps, alpha, sigma):
    s = score(alpha * x0 + sigma * eps).flatten(1)
    return 0.5 * (s.norm(dim=1) ** 2 - (eps.flatten(1) / sigma).norm(dim=1) ** 2).abs()


@wrong("07.denoising_loss", "sigma from alpha")
def _(score, x0, eps, alpha, sigma):
    sigma = math.sqrt(abs(1 - alpha**2))
    return 0.5 * ((score(alpha * x0 + sigma * eps) + eps / (sigma + 1e-6)) ** 2).flatten(1).sum(1)
