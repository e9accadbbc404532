"""Answers to the exercises of lesson 07."""

import math

import numpy as np
import torch
from learn_answers import right, wrong
from torch.distributions import MultivariateNormal

# -- 07.mixture_score ------------------------------------------------------------------------------------------------


def density(x, means, stds, weights):
    """Each mode's part of p at each point, (B, K)."""
    D = x.shape[1]
    d2 = ((x[:, None, :] - means[None]) ** 2).sum(-1)
    return weights * torch.exp(-0.5 * d2 / stds**2) / ((2 * math.pi) ** (D / 2) * stds**D)


@wrong("07.mixture_score", "plain densities, nan far out")
def _(x, means, stds, weights):
    p = density(x, means, stds, weights)
    pulls = -(x[:, None, :] - means) / stds[:, None] ** 2
    return (p[:, :, None] * pulls).sum(1) / p.sum(1)[:, None]


@wrong("07.mixture_score", "a little epsilon below the line")
def _(x, means, stds, weights):
    p = density(x, means, stds, weights)
    pulls = -(x[:, None, :] - means) / stds[:, None] ** 2
    return (p[:, :, None] * pulls).sum(1) / (p.sum(1)[:, None] + 1e-10)


@wrong("07.mixture_score", "gradient of p")
def _(x, means, stds, weights):
    p = density(x, means, stds, weights)
    return (p[:, :, None] * (means - x[:, None, :]) / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "weights for shares")
def _(x, means, stds, weights):
    return torch.einsum("k,bkd->bd", weights / stds**2, means - x[:, None])


@wrong("07.mixture_score", "x - mean")
def _(x, means, stds, weights):
    r = torch.softmax(density(x, means, stds, weights).log(), 1)
    return (r[:, :, None] * (x[:, None, :] - means) / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "the normaliser forgotten")
def _(x, means, stds, weights):
    d2 = ((x[:, None] - means) ** 2).sum(-1)
    r = torch.softmax(torch.log(weights) - d2 / (2 * stds**2), dim=-1)
    return (r[..., None] * (means - x[:, None]) / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "normaliser of one dimension")
def _(x, means, stds, weights):
    d2 = ((x[:, None] - means) ** 2).sum(-1)
    r = torch.softmax(torch.log(weights) - torch.log(stds) - d2 / (2 * stds**2), dim=-1)
    return (r[..., None] * (means - x[:, None]) / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "softmax without the weights")
def _(x, means, stds, weights):
    d2 = ((x[:, None] - means) ** 2).sum(-1)
    r = torch.softmax(-x.shape[1] * torch.log(stds) - d2 / (2 * stds**2), dim=-1)
    return (r[..., None] * (means - x[:, None]) / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "the mean of all modes first")
def _(x, means, stds, weights):
    mean = (weights[:, None] * means).sum(0)
    return (mean - x) / (weights * stds**2).sum()


@wrong("07.mixture_score", "squares not summed over the dimensions")
def _(x, means, stds, weights):
    d2 = (x[:, None] - means) ** 2
    logs = torch.log(weights)[:, None] - torch.log(stds)[:, None] - d2 / (2 * stds[:, None] ** 2)
    return (torch.softmax(logs, dim=1) * (means - x[:, None]) / stds[:, None] ** 2).sum(1)


@wrong("07.mixture_score", "autograd without a graph for x")
def _(x, means, stds, weights):
    y = x.detach().clone().requires_grad_()
    d2 = ((y[:, None] - means) ** 2).sum(-1)
    logp = torch.logsumexp(weights.log() - x.shape[1] * stds.log() - d2 / (2 * stds**2), dim=1)
    return torch.autograd.grad(logp.sum(), y)[0]


@right("07.mixture_score", "multivariate normals and logsumexp")
def _(x, means, stds, weights):
    eye = torch.eye(x.shape[1], dtype=x.dtype)
    logs = torch.stack(
        [MultivariateNormal(m, s**2 * eye).log_prob(x) + w.log() for m, s, w in zip(means, stds, weights)], dim=1
    )
    r = torch.exp(logs - torch.logsumexp(logs, dim=1, keepdim=True))
    return sum(r[:, k : k + 1] * (means[k] - x) / stds[k] ** 2 for k in range(len(means)))


@right("07.mixture_score", "the largest logarithm taken off by hand")
def _(x, means, stds, weights):
    d2 = (x[:, None] - means[None]).pow(2).sum(-1)
    logs = torch.log(weights / stds ** x.shape[1]) - 0.5 * d2 / stds**2
    p = torch.exp(logs - logs.max(dim=1, keepdim=True).values)
    p = p / p.sum(1, keepdim=True)
    return (p / stds**2) @ means - (p / stds**2).sum(1, keepdim=True) * x


@right("07.mixture_score", "autograd with a graph")
def _(x, means, stds, weights):
    if not x.requires_grad:
        x = x.clone().requires_grad_(True)
    d2 = torch.cdist(x, means) ** 2
    logp = torch.logsumexp(torch.log(weights) - x.shape[1] * torch.log(stds) - d2 / (2 * stds**2), dim=1)
    return torch.autograd.grad(logp.sum(), x, create_graph=True)[0]


# -- 07.implicit_loss ------------------------------------------------------------------------------------------------


@wrong("07.implicit_loss", "gradient of the sum of all, summed")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    g = torch.autograd.grad(s.sum(), x, create_graph=True)[0]
    return 0.5 * (s**2).sum(1) + g.sum(1)


@wrong("07.implicit_loss", "minus the divergence")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return 0.5 * (s**2).sum(1) - div


@wrong("07.implicit_loss", "no half")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return (s**2).sum(1) + div


@wrong("07.implicit_loss", "the form with 2 tr, as in a paper")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return (s**2).sum(1) + 2 * div


@wrong("07.implicit_loss", "no create_graph")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(x.shape[1]))
    return 0.5 * (s**2).sum(1) + div


@wrong("07.implicit_loss", "mean over the batch")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return (0.5 * (s**2).sum(1) + div).mean()


@wrong("07.implicit_loss", "Hutchinson with signs")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    v = torch.sign(torch.randn_like(x))
    g = torch.autograd.grad((s * v).sum(), x, create_graph=True)[0]
    return 0.5 * (s**2).sum(1) + (g * v).sum(1)


@wrong("07.implicit_loss", "backward into x.grad")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    s.sum().backward(retain_graph=True)
    return 0.5 * (s**2).sum(1) + x.grad.sum(1)


@wrong("07.implicit_loss", "only the norm")
def _(score, x):
    return score(x).pow(2).sum(1) / 2


@wrong("07.implicit_loss", "mean over dimensions")
def _(score, x):
    x = x.clone().detach().requires_grad_(True)
    s = score(x)
    div = sum(torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return 0.5 * (s**2).mean(1) + div


@right("07.implicit_loss", "unit vectors as cotangents")
def _(score, x):
    x = x.detach().clone().requires_grad_(True)
    s = score(x)
    total = 0.5 * (s * s).sum(-1)
    for i in range(x.size(1)):
        e = torch.zeros_like(s)
        e[:, i] = 1
        total = total + torch.autograd.grad(s, x, grad_outputs=e, create_graph=True)[0][:, i]
    return total


@right("07.implicit_loss", "the Jacobian of each point")
def _(score, x):
    out = []
    for p in x.detach():
        J = torch.autograd.functional.jacobian(lambda v: score(v[None])[0], p, create_graph=True)
        out.append(0.5 * score(p[None])[0].square().sum() + torch.trace(J))
    return torch.stack(out)


@right("07.implicit_loss", "vmap and jacfwd")
def _(score, x):
    J = torch.func.vmap(torch.func.jacfwd(lambda v: score(v.unsqueeze(0)).squeeze(0)))(x)
    return torch.sum(score(x) ** 2, dim=1) / 2 + J.diagonal(dim1=-2, dim2=-1).sum(-1)


# -- 07.denoising_loss -----------------------------------------------------------------------------------------------


@wrong("07.denoising_loss", "sign")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * (score(x_t) - eps / sigma).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "1/sigma²")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * (score(x_t) + eps / sigma**2).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "eps as it is")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * (score(x_t) + eps).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "alpha forgotten")
def _(score, x0, eps, alpha, sigma):
    x_t = x0 + sigma * eps
    return 0.5 * (score(x_t) + eps / sigma).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "from x_t - x0, without alpha")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    target = -(x_t - x0) / sigma**2
    return 0.5 * (score(x_t) - target).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "asked at x0")
def _(score, x0, eps, alpha, sigma):
    return 0.5 * (score(x0) + eps / sigma).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "mean over all")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * ((score(x_t) + eps / sigma) ** 2).mean()


@wrong("07.denoising_loss", "mean of the sums")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * ((score(x_t) + eps / sigma) ** 2).flatten(1).sum(1).mean()


@wrong("07.denoising_loss", "sum over the last dimension")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * ((score(x_t) + eps / sigma) ** 2).sum(-1)


@wrong("07.denoising_loss", "alpha and sigma as shares of the variance")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha**0.5 * x0 + sigma**0.5 * eps
    return 0.5 * (score(x_t) + eps / sigma**0.5).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "score detached")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * eps
    return 0.5 * (score(x_t).detach() + eps / sigma).flatten(1).pow(2).sum(1)


@wrong("07.denoising_loss", "the noised points drawn anew")
def _(score, x0, eps, alpha, sigma):
    x_t = alpha * x0 + sigma * torch.randn_like(x0)
    return 0.5 * (score(x_t) + eps / sigma).flatten(1).pow(2).sum(1)


@right("07.denoising_loss", "the score of a Gaussian")
def _(score, x0, eps, alpha, sigma):
    mean = alpha * x0
    x_t = mean + sigma * eps
    diff = score(x_t) + (x_t - mean) / sigma**2
    return (diff**2).sum(dim=tuple(range(1, x0.ndim))) / 2


@right("07.denoising_loss", "multiplied out")
def _(score, x0, eps, alpha, sigma):
    s = score(alpha * x0 + sigma * eps).reshape(len(x0), -1)
    e = (eps / sigma).reshape(len(x0), -1)
    return (s * s).sum(1) / 2 + (s * e).sum(1) + (e * e).sum(1) / 2


# -- 07.irreducible --------------------------------------------------------------------------------------------------


@wrong("07.irreducible", "zero")
def _(D, sigma, energy):
    return 0


@wrong("07.irreducible", "the target's square")
def _(D, sigma, energy):
    return D / (2 * sigma**2)


@wrong("07.irreducible", "plus")
def _(D, sigma, energy):
    return 0.5 * D / sigma**2 + 0.5 * energy


@wrong("07.irreducible", "half of one only")
def _(D, sigma, energy):
    return 0.5 * D / sigma**2 - energy


@wrong("07.irreducible", "no half")
def _(D, sigma, energy):
    return D / sigma**2 - energy


@wrong("07.irreducible", "the trace of sigma² I")
def _(D, sigma, energy):
    return 0.5 * (D * sigma**2 - energy)


@wrong("07.irreducible", "D/sigma")
def _(D, sigma, energy):
    return 0.5 * (D / sigma - energy)


@wrong("07.irreducible", "half of the energy")
def _(D, sigma, energy):
    return energy / 2


@wrong("07.irreducible", "negative")
def _(D, sigma, energy):
    return 0.5 * energy - 0.5 * D / sigma**2


@right("07.irreducible", "half the difference")
def _(D, sigma, energy):
    return 0.5 * (D / sigma**2 - energy)


@right("07.irreducible", "numpy")
def _(D, sigma, energy):
    return np.float64(D) / np.square(sigma) / 2 - energy / 2


# -- 07.from_score ---------------------------------------------------------------------------------------------------


@wrong("07.from_score", "eps = score / sigma")
def _(score, x_t, alpha, sigma):
    eps = -score / sigma
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "sign of eps")
def _(score, x_t, alpha, sigma):
    eps = sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "Tweedie without alpha")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = x_t + sigma**2 * score
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "Tweedie with sigma")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t + sigma * score) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "v = eps - x0")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, eps - x0


@wrong("07.from_score", "v of a circle")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, (alpha * x_t - x0) / sigma


@wrong("07.from_score", "sigma worked out")
def _(score, x_t, alpha, sigma):
    sigma = abs(1 - alpha**2) ** 0.5
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "x0 first")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return x0, eps, alpha * eps - sigma * x0


@wrong("07.from_score", "clamped")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    x0 = ((x_t - sigma * eps) / alpha).clamp(-1, 1)
    return eps, x0, alpha * eps - sigma * x0


@wrong("07.from_score", "without v")
def _(score, x_t, alpha, sigma):
    eps = -sigma * score
    return eps, (x_t - sigma * eps) / alpha


@right("07.from_score", "Tweedie first")
def _(score, x_t, alpha, sigma):
    x0 = (x_t + sigma**2 * score) / alpha
    eps = (x_t - alpha * x0) / sigma
    return eps, x0, alpha * eps - sigma * x0


@right("07.from_score", "v in one line")
def _(score, x_t, alpha, sigma):
    v = -alpha * sigma * score - sigma / alpha * x_t - sigma**3 / alpha * score
    return -sigma * score, x_t / alpha + sigma**2 / alpha * score, v


# -- 07.loss_weights -------------------------------------------------------------------------------------------------


@wrong("07.loss_weights", "no 2")
def _(alpha, sigma):
    return sigma**2, sigma**4 / alpha**2, sigma**2 * (alpha + sigma**2 / alpha) ** 2


@wrong("07.loss_weights", "inverted")
def _(alpha, sigma):
    a, b, c = 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * sigma**2 * (alpha + sigma**2 / alpha) ** 2
    return 1 / a, 1 / b, 1 / c


@wrong("07.loss_weights", "v with alpha² + sigma² = 1")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * sigma**2 / alpha**2


@wrong("07.loss_weights", "v's squares added")
def _(alpha, sigma):
    a, b = 2 * sigma**2, 2 * sigma**4 / alpha**2
    return a, b, alpha**2 * a + sigma**2 * b


@wrong("07.loss_weights", "v with a minus")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * sigma**2 * (alpha - sigma**2 / alpha) ** 2


@wrong("07.loss_weights", "from the loss of eps")
def _(alpha, sigma):
    return 1, sigma**2 / alpha**2, (alpha + sigma**2 / alpha) ** 2


@wrong("07.loss_weights", "x0 upside down")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * alpha**2, 2 * sigma**2 * (alpha + sigma**2 / alpha) ** 2


@wrong("07.loss_weights", "x0 without alpha")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4, 2 * sigma**2 * (alpha + sigma**2) ** 2


@wrong("07.loss_weights", "v alone by alpha")
def _(alpha, sigma):
    return 2 * sigma**2, 2 * sigma**4 / alpha**2, 2 * sigma**2 * alpha**2


@right("07.loss_weights", "written out")
def _(alpha, sigma):
    a2, s2 = alpha**2, sigma**2
    return 2 * s2, 2 * s2 * s2 / a2, 2 * s2 * (a2 + s2) ** 2 / a2


@right("07.loss_weights", "a list")
def _(alpha, sigma):
    nsr = sigma / alpha
    w = 2 * sigma**2
    return [w, w * nsr**2, w * (alpha + sigma * nsr) ** 2]


# -- 07.langevin_step ------------------------------------------------------------------------------------------------


@wrong("07.langevin_step", "sqrt(tau)")
def _(score, x, tau, z):
    return x + tau * score(x) + math.sqrt(tau) * z


@wrong("07.langevin_step", "half step convention")
def _(score, x, tau, z):
    return x + tau / 2 * score(x) + math.sqrt(tau) * z


@wrong("07.langevin_step", "2 tau")
def _(score, x, tau, z):
    return x + tau * score(x) + 2 * tau * z


@wrong("07.langevin_step", "sqrt(2) tau")
def _(score, x, tau, z):
    return x + tau * score(x) + math.sqrt(2) * tau * z


@wrong("07.langevin_step", "2 sqrt(tau)")
def _(score, x, tau, z):
    return x + tau * score(x) + 2 * math.sqrt(tau) * z


@wrong("07.langevin_step", "minus the score")
def _(score, x, tau, z):
    return x - tau * score(x) + math.sqrt(2 * tau) * z


@wrong("07.langevin_step", "in place")
def _(score, x, tau, z):
    x += tau * score(x) + math.sqrt(2 * tau) * z
    return x


@wrong("07.langevin_step", "the exact keeper of N(0, 1)")
def _(score, x, tau, z):
    return x + tau * score(x) + math.sqrt(abs(1 - (1 - tau) ** 2)) * z


@wrong("07.langevin_step", "its own noise")
def _(score, x, tau, z):
    return x + tau * score(x) + math.sqrt(2 * tau) * torch.randn(x.shape)


@wrong("07.langevin_step", "a unit arrow")
def _(score, x, tau, z):
    s = score(x)
    return x + tau * s / s.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1)) + math.sqrt(2 * tau) * z


@right("07.langevin_step", "math.sqrt")
def _(score, x, tau, z):
    return x + tau * score(x) + math.sqrt(2 * tau) * z


@right("07.langevin_step", "without a graph")
def _(score, x, tau, z):
    with torch.no_grad():
        drift = tau * score(x)
        noise = (2 * tau) ** 0.5 * z
        return x + (drift + noise)


@right("07.langevin_step", "noise first, then the drift at the old x")
def _(score, x, tau, z):
    new = x + np.sqrt(2 * tau) * z
    new = new + tau * score(x)
    return new.detach()


# -- 07.chain_variance -----------------------------------------------------------------------------------------------


@wrong("07.chain_variance", "s²")
def _(s, tau):
    return s**2


@wrong("07.chain_variance", "no inf")
def _(s, tau):
    return s**2 / (1 - tau / (2 * s**2))


@wrong("07.chain_variance", "inf behind the limit only")
def _(s, tau):
    if tau > 2 * s**2:
        return math.inf
    return 2 * tau / (1 - (1 - tau / s**2) ** 2)


@wrong("07.chain_variance", "inf from s²")
def _(s, tau):
    if tau >= s**2:
        return math.inf
    return 2 * tau / (1 - (1 - tau / s**2) ** 2)


@wrong("07.chain_variance", "no square of the factor")
def _(s, tau):
    a = 1 - tau / s**2
    return math.inf if abs(a) >= 1 else 2 * tau / (1 - a)


@wrong("07.chain_variance", "noise tau")
def _(s, tau):
    a = 1 - tau / s**2
    return math.inf if abs(a) >= 1 else tau / (1 - a**2)


@wrong("07.chain_variance", "score -x/s")
def _(s, tau):
    a = 1 - tau / s
    return math.inf if abs(a) >= 1 else 2 * tau / (1 - a**2)


@wrong("07.chain_variance", "standard deviation")
def _(s, tau):
    a = 1 - tau / s**2
    return math.inf if abs(a) >= 1 else (2 * tau / (1 - a**2)) ** 0.5


@wrong("07.chain_variance", "a thousand steps from s²")
def _(s, tau):
    v = s**2
    for _ in range(1000):
        v = (1 - tau / s**2) ** 2 * v + 2 * tau
    return v


@wrong("07.chain_variance", "first order")
def _(s, tau):
    return math.inf if tau >= 2 * s**2 else s**2 + tau / 2


@wrong("07.chain_variance", "an error where there is none")
def _(s, tau):
    if tau >= 2 * s**2:
        raise ValueError("the chain diverges")
    return 2 * tau / (1 - (1 - tau / s**2) ** 2)


@wrong("07.chain_variance", "|a| > 1 for the end")
def _(s, tau):
    a = 1 - tau / s**2
    if abs(a) > 1:
        return math.inf
    return 2 * tau / (1 - a * a)


@right("07.chain_variance", "geometric series")
def _(s, tau):
    a = 1 - tau / s**2
    return float("inf") if a <= -1 else 2 * tau / ((1 - a) * (1 + a))


@right("07.chain_variance", "2s⁴/(2s² - tau)")
def _(s, tau):
    return 2 * s**4 / (2 * s**2 - tau) if tau < 2 * s**2 else np.inf


# -- 07.crossings ----------------------------------------------------------------------------------------------------


@wrong("07.crossings", "sign changes")
def _(xs, edge):
    return (torch.sign(xs[1:]) != torch.sign(xs[:-1])).sum(0)


@wrong("07.crossings", "only whole jumps")
def _(xs, edge):
    a, b = xs[:-1], xs[1:]
    return (((a > edge) & (b < -edge)) | ((a < -edge) & (b > edge))).sum(0)


@wrong("07.crossings", "every new state")
def _(xs, edge):
    state = (xs > edge).int() - (xs < -edge).int()
    return (state[1:] != state[:-1]).sum(0)


@wrong("07.crossings", "the first arrival counts")
def _(xs, edge):
    out = []
    for chain in xs.T:
        last, n = 0, 0
        for x in chain.tolist():
            now = 1 if x > edge else -1 if x < -edge else last
            n += now != last
            last = now
        out.append(n)
    return torch.tensor(out)


@wrong("07.crossings", "at least the edge")
def _(xs, edge):
    out = []
    for chain in xs.T:
        seen = [1 if x >= edge else -1 for x in chain.tolist() if abs(x) >= edge]
        out.append(sum(a != b for a, b in zip(seen, seen[1:])))
    return torch.tensor(out)


@wrong("07.crossings", "round trips")
def _(xs, edge):
    out = []
    for chain in xs.T:
        seen = [1 if x > edge else -1 for x in chain.tolist() if abs(x) > edge]
        out.append(sum(a != b for a, b in zip(seen, seen[1:])) // 2)
    return torch.tensor(out)


@wrong("07.crossings", "the sum")
def _(xs, edge):
    n = 0
    for chain in xs.T:
        seen = [1 if x > edge else -1 for x in chain.tolist() if abs(x) > edge]
        n += sum(a != b for a, b in zip(seen, seen[1:]))
    return torch.tensor(n)


@wrong("07.crossings", "the sign of the start as the first mode")
def _(xs, edge):
    side, count = torch.sign(xs[0]), torch.zeros(xs.shape[1], dtype=torch.long)
    for x in xs[1:]:
        new = torch.where(x > edge, 1.0, torch.where(x < -edge, -1.0, side))
        count += (new * side == -1).long()
        side = new
    return count


@wrong("07.crossings", "floats")
def _(xs, edge):
    side, count = torch.zeros(xs.shape[1]), torch.zeros(xs.shape[1])
    for x in xs:
        new = torch.where(x > edge, 1.0, torch.where(x < -edge, -1.0, side))
        count += new * side == -1
        side = new
    return count


@right("07.crossings", "the state carried along")
def _(xs, edge):
    side = torch.zeros(xs.shape[1])
    count = torch.zeros(xs.shape[1], dtype=torch.long)
    for x in xs:
        new = torch.where(x > edge, 1.0, torch.where(x < -edge, -1.0, side))
        count += (new * side == -1).long()
        side = new
    return count


@right("07.crossings", "numpy, filled forward")
def _(xs, edge):
    a = xs.numpy()
    state = np.where(a > edge, 1, np.where(a < -edge, -1, 0))
    for k in range(1, len(state)):
        state[k] = np.where(state[k] == 0, state[k - 1], state[k])
    return torch.from_numpy((state[1:] * state[:-1] == -1).sum(0))


@wrong("07.crossings", "along the chains in place of the steps")
def _(xs, edge):
    out = []
    for step in xs:
        seen = [1 if x > edge else -1 for x in step.tolist() if abs(x) > edge]
        out.append(sum(a != b for a, b in zip(seen, seen[1:])))
    return torch.tensor(out)


# -- 07.annealed -----------------------------------------------------------------------------------------------------


def walk(score, x, sigmas, steps, tau, generator):
    """Langevin steps of the size tau(sigma) on all levels."""
    for sigma in sigmas:
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + tau(sigma) * score(x, sigma) + (2 * tau(sigma)) ** 0.5 * z
    return x


@wrong("07.annealed", "no denoising at the end")
def _(score, x, sigmas, steps, snr, generator):
    return walk(score, x, sigmas, steps, lambda s: 2 * (snr * s) ** 2, generator)


@wrong("07.annealed", "tau = (snr·sigma)²")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas, steps, lambda s: (snr * s) ** 2, generator)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "tau = snr·sigma²")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas, steps, lambda s: snr * s**2, generator)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "tau = 2·snr·sigma")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas, steps, lambda s: 2 * snr * s, generator)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "by the norms of this score and this noise")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            g = score(x, sigma)
            tau = 2 * (snr * z.norm() / g.norm()) ** 2
            x = x + tau * g + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "the last sigma for all steps")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas, steps, lambda s: 2 * (snr * sigmas[-1]) ** 2, generator)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "Tweedie with sigma")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas, steps, lambda s: 2 * (snr * s) ** 2, generator)
    return x + sigmas[-1] * score(x, sigmas[-1])


@wrong("07.annealed", "the levels the other way round")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas[::-1], steps, lambda s: 2 * (snr * s) ** 2, generator)
    return x + sigmas[0] ** 2 * score(x, sigmas[0])


@wrong("07.annealed", "noise of the global generator")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        for _ in range(steps):
            tau = 2 * (snr * sigma) ** 2
            x = x + tau * score(x, sigma) + (2 * tau) ** 0.5 * torch.randn_like(x)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "all noise drawn at the end of a level")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        for _ in range(steps):
            x = x + tau * score(x, sigma)
        x = x + (2 * tau * steps) ** 0.5 * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


@wrong("07.annealed", "a Langevin step without noise at the end")
def _(score, x, sigmas, steps, snr, generator):
    x = walk(score, x, sigmas, steps, lambda s: 2 * (snr * s) ** 2, generator)
    return x + 2 * (snr * sigmas[-1]) ** 2 * score(x, sigmas[-1])


@right("07.annealed", "two loops")
def _(score, x, sigmas, steps, snr, generator):
    for sigma in sigmas:
        tau = 2 * snr**2 * sigma**2
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + tau * score(x, sigma) + math.sqrt(2 * tau) * z
    return x + sigma**2 * score(x, sigma)


@right("07.annealed", "in place on a copy")
def _(score, x, sigmas, steps, snr, generator):
    x = x.clone()
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        for _ in range(steps):
            x += tau * score(x, sigma) + 2 * snr * sigma * torch.randn(x.shape, generator=generator, dtype=x.dtype)
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])
