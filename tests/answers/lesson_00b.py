"""Answers to the exercises of lesson 00b."""

import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn

from diffcourse import elbo


def log_joint(x, means, stds, weights):
    """log of weights·N(x; means, stds²), without the constant, (B, K)."""
    return weights.log() - stds.log() - (x[:, None] - means) ** 2 / (2 * stds**2)


def per_example(v, x):
    """v (B,) with as many dimensions as x."""
    return v.reshape(-1, *[1] * (x.dim() - 1))


def gradient(log_prob, x):
    x = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(x).sum(), x)[0]


def flat(network):
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def train_with(network, optimizer, batches, loss_of=F.mse_loss):
    """Trains the network itself; its parameters as one vector, and the losses."""
    losses = []
    for x_t, x0 in batches:
        loss = loss_of(network(x_t), x0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return flat(network), torch.stack(losses)


# -- 00b.standard_error ----------------------------------------------------------------------------------------------


@wrong("00b.standard_error", "the variance of the mean")
def _(draws):
    return draws.var() / len(draws)


@wrong("00b.standard_error", "variance over the root of n")
def _(draws):
    return draws.var() / len(draws) ** 0.5


@wrong("00b.standard_error", "the spread divided by n")
def _(draws):
    return draws.std() / len(draws)


@wrong("00b.standard_error", "the root of n - 1")
def _(draws):
    return draws.std() / (len(draws) - 1) ** 0.5


@wrong("00b.standard_error", "the lesson's true mean instead of the draws' own")
def _(draws):
    return ((draws - 1.936) ** 2).mean().sqrt() / len(draws) ** 0.5


@wrong("00b.standard_error", "the n of the lesson")
def _(draws):
    return draws.std() / 100000**0.5


@wrong("00b.standard_error", "the root of the spread over n")
def _(draws):
    return (draws.std() / len(draws)) ** 0.5


@wrong("00b.standard_error", "the mean absolute deviation")
def _(draws):
    return (draws - draws.mean()).abs().mean() / len(draws) ** 0.5


@right("00b.standard_error", "the root of variance over n")
def _(draws):
    return (draws.var() / draws.numel()).sqrt()


@right("00b.standard_error", "a Python number")
def _(draws):
    return float(draws.std()) / math.sqrt(draws.shape[0])


@right("00b.standard_error", "NumPy, made a tensor")
def _(draws):
    return torch.tensor(np.std(draws.numpy(), ddof=1) / np.sqrt(len(draws)))


@right("00b.standard_error", "in float64, with a keyword argument")
def _(draws, dim=0):
    return draws.double().std(dim) / draws.size(dim) ** 0.5


# -- 00b.weighted_sum ------------------------------------------------------------------------------------------------


@wrong("00b.weighted_sum", "the variance instead of the standard deviation")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, a**2 * std_x**2 + b**2 * std_y**2


@wrong("00b.weighted_sum", "the factors are missing in the mean")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return mean_x + mean_y, (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5


@wrong("00b.weighted_sum", "absolute factors in the mean")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return abs(a) * mean_x + abs(b) * mean_y, (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5


@wrong("00b.weighted_sum", "the two numbers interchanged")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5, a * mean_x + b * mean_y


@wrong("00b.weighted_sum", "absolute standard deviations are added")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, abs(a) * std_x + abs(b) * std_y


@wrong("00b.weighted_sum", "the factors are missing in the spread")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, (std_x**2 + std_y**2) ** 0.5


@wrong("00b.weighted_sum", "the larger of the two spreads")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, max(abs(a) * std_x, abs(b) * std_y)


@wrong("00b.weighted_sum", "the mean alone")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y


@wrong("00b.weighted_sum", "a sign kept in the squares")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, abs(a * abs(a) * std_x**2 + b * abs(b) * std_y**2) ** 0.5


@wrong("00b.weighted_sum", "a covariance added")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, (a**2 * std_x**2 + b**2 * std_y**2 + 2 * a * b * std_x * std_y) ** 0.5


@wrong("00b.weighted_sum", "the absolute value of the sum of the spreads")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, abs(a * std_x + b * std_y)


@right("00b.weighted_sum", "a list, with NumPy")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return [a * mean_x + b * mean_y, np.sqrt((a * std_x) ** 2 + (b * std_y) ** 2)]


@right("00b.weighted_sum", "the second as a tensor")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, torch.tensor((a * std_x) ** 2 + (b * std_y) ** 2).sqrt()


# It unpacks into two numbers, as a tuple does.
@right("00b.weighted_sum", "a tensor that holds both")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return torch.tensor([a * mean_x + b * mean_y, ((a * std_x) ** 2 + (b * std_y) ** 2) ** 0.5])


# -- 00b.posterior_on_grid -------------------------------------------------------------------------------------------


@wrong("00b.posterior_on_grid", "dx on the wrong side")
def _(prior, likelihood, dx):
    return prior * likelihood * dx / (prior * likelihood).sum()


@wrong("00b.posterior_on_grid", "added instead of multiplied")
def _(prior, likelihood, dx):
    return (prior + likelihood) / ((prior + likelihood).sum() * dx)


@wrong("00b.posterior_on_grid", "divided by the area of the likelihood")
def _(prior, likelihood, dx):
    return prior * likelihood / (likelihood.sum() * dx)


@wrong("00b.posterior_on_grid", "softmax of the product")
def _(prior, likelihood, dx):
    return torch.softmax(prior * likelihood, 0) / dx


@wrong("00b.posterior_on_grid", "the likelihood cancelled")
def _(prior, likelihood, dx):
    return prior * likelihood / likelihood


@wrong("00b.posterior_on_grid", "divided instead of multiplied")
def _(prior, likelihood, dx):
    return prior / likelihood / ((prior / likelihood).sum() * dx)


@wrong("00b.posterior_on_grid", "dx = 0.01 written down")
def _(prior, likelihood, dx):
    return prior * likelihood / 0.01 / (prior * likelihood).sum()


@wrong("00b.posterior_on_grid", "the peak is made 1")
def _(prior, likelihood, dx):
    return prior * likelihood / (prior * likelihood).max()


# Label corrected from right: the stub says how the area is counted, values times dx add up to 1.
@wrong("00b.posterior_on_grid", "normalised by the trapezoid rule")
def _(prior, likelihood, dx):
    return prior * likelihood / torch.trapezoid(prior * likelihood, dx=dx)


@right("00b.posterior_on_grid", "softmax of the logarithms")
def _(prior, likelihood, dx):
    return torch.softmax(prior.log() + likelihood.log(), 0) / dx


@right("00b.posterior_on_grid", "a loop")
def _(prior, likelihood, dx):
    out = [float(a * b) for a, b in zip(prior, likelihood)]
    s = sum(out) * dx
    return torch.tensor([o / s for o in out], dtype=prior.dtype)


@right("00b.posterior_on_grid", "einsum and dot")
def _(prior, likelihood, dx):
    return torch.einsum("i,i->i", prior, likelihood) / (torch.dot(prior, likelihood) * dx)


@right("00b.posterior_on_grid", "F.normalize")
def _(prior, likelihood, dx):
    return F.normalize(prior * likelihood, p=1, dim=0) / dx


# -- 00b.responsibilities --------------------------------------------------------------------------------------------


@wrong("00b.responsibilities", "underflow, hidden by a small number in the denominator")
def _(x, means, stds, weights):
    d = weights * torch.exp(-((x[:, None] - means) ** 2) / (2 * stds**2)) / stds
    return d / (d.sum(1, keepdim=True) + 1e-12)


@wrong("00b.responsibilities", "softmax over the points")
def _(x, means, stds, weights):
    return torch.softmax(log_joint(x, means, stds, weights), 0)


@wrong("00b.responsibilities", "the logarithms")
def _(x, means, stds, weights):
    return log_joint(x, means, stds, weights)


@wrong("00b.responsibilities", "std taken for the variance")
def _(x, means, stds, weights):
    return torch.softmax(weights.log() - stds.log() - (x[:, None] - means) ** 2 / (2 * stds), 1)


@wrong("00b.responsibilities", "the 2 in the exponent is forgotten")
def _(x, means, stds, weights):
    return torch.softmax(weights.log() - stds.log() - (x[:, None] - means) ** 2 / stds**2, 1)


@wrong("00b.responsibilities", "all or nothing")
def _(x, means, stds, weights):
    return F.one_hot(log_joint(x, means, stds, weights).argmax(1), len(means)).float()


@wrong("00b.responsibilities", "transposed")
def _(x, means, stds, weights):
    return torch.softmax(log_joint(x, means, stds, weights), 1).T


@wrong("00b.responsibilities", "softmax of densities")
def _(x, means, stds, weights):
    return torch.softmax(log_joint(x, means, stds, weights).double().exp(), 1)


@wrong("00b.responsibilities", "float64 after the exponential")
def _(x, means, stds, weights):
    d = (weights * torch.exp(-((x[:, None] - means) ** 2) / (2 * stds**2)) / stds).double()
    return d / d.sum(1, keepdim=True)


@wrong("00b.responsibilities", "float64 from the start, which underflows as well")
def _(x, means, stds, weights):
    x, means, stds, weights = [v.double() for v in (x, means, stds, weights)]
    d = weights * torch.exp(-((x[:, None] - means) ** 2) / (2 * stds**2)) / stds
    return d / d.sum(1, keepdim=True)


@wrong("00b.responsibilities", "NaN replaced by equal shares")
def _(x, means, stds, weights):
    d = weights * torch.exp(-((x[:, None] - means) ** 2) / (2 * stds**2)) / stds
    return torch.nan_to_num(d / d.sum(1, keepdim=True), nan=1 / len(means))


@wrong("00b.responsibilities", "the first bump alone")
def _(x, means, stds, weights):
    return torch.softmax(log_joint(x, means, stds, weights)[:, 0], 0)


@wrong("00b.responsibilities", "densities held above 1e-30")
def _(x, means, stds, weights):
    d = (weights * torch.exp(-((x[:, None] - means) ** 2) / (2 * stds**2)) / stds).clamp_min(1e-30)
    return d / d.sum(1, keepdim=True)


@right("00b.responsibilities", "logsumexp")
def _(x, means, stds, weights):
    return (
        log_joint(x, means, stds, weights) - torch.logsumexp(log_joint(x, means, stds, weights), 1, keepdim=True)
    ).exp()


@right("00b.responsibilities", "torch's Normal")
def _(x, means, stds, weights):
    return (torch.distributions.Normal(means, stds).log_prob(x[:, None]) + weights.log()).softmax(-1)


@right("00b.responsibilities", "float64, with a keyword argument")
def _(x, means, stds, weights, eps=0):
    return log_joint(x.double(), means.double(), stds.double(), weights.double()).softmax(1)


@right("00b.responsibilities", "bump by bump, stacked")
def _(x, means, stds, weights):
    each = [weights[k].log() + torch.distributions.Normal(means[k], stds[k]).log_prob(x) for k in range(len(means))]
    return torch.stack(each, 1).softmax(1)


# -- 00b.gaussian_kl -------------------------------------------------------------------------------------------------


@wrong("00b.gaussian_kl", "the other direction")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_q) - torch.log(std_p) - 0.5 + (std_p**2 + (mean_q - mean_p) ** 2) / (2 * std_q**2)


@wrong("00b.gaussian_kl", "standard deviations taken for variances")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p) - torch.log(std_q) - 0.5 + (std_q + (mean_q - mean_p) ** 2) / (2 * std_p)


@wrong("00b.gaussian_kl", "the logarithm upside down")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_q) - torch.log(std_p) - 0.5 + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2)


@wrong("00b.gaussian_kl", "the 2 in the denominator is forgotten")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p) - torch.log(std_q) - 0.5 + (std_q**2 + (mean_q - mean_p) ** 2) / std_p**2


@wrong("00b.gaussian_kl", "-1 instead of -1/2")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p) - torch.log(std_q) - 1 + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2)


@wrong("00b.gaussian_kl", "the sign")
def _(mean_q, std_q, mean_p, std_p):
    return -(torch.log(std_p) - torch.log(std_q) - 0.5 + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2))


@wrong("00b.gaussian_kl", "summed over the entries")
def _(mean_q, std_q, mean_p, std_p):
    return (torch.log(std_p) - torch.log(std_q) - 0.5 + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2)).sum()


@wrong("00b.gaussian_kl", "the logarithm of the variances, not halved")
def _(mean_q, std_q, mean_p, std_p):
    return 2 * (torch.log(std_p) - torch.log(std_q)) - 0.5 + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2)


@wrong("00b.gaussian_kl", "spread and shift squared together")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p) - torch.log(std_q) - 0.5 + (std_q + mean_q - mean_p) ** 2 / (2 * std_p**2)


@wrong("00b.gaussian_kl", "in bits")
def _(mean_q, std_q, mean_p, std_p):
    return (
        torch.log(std_p) - torch.log(std_q) - 0.5 + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2)
    ) / math.log(2)


@wrong("00b.gaussian_kl", "Monte Carlo")
def _(mean_q, std_q, mean_p, std_p):
    g = torch.Generator().manual_seed(0)
    z = mean_q + std_q * torch.randn(200000, len(mean_q), generator=g)
    return (
        torch.distributions.Normal(mean_q, std_q).log_prob(z) - torch.distributions.Normal(mean_p, std_p).log_prob(z)
    ).mean(0)


@right("00b.gaussian_kl", "torch's kl_divergence")
def _(mean_q, std_q, mean_p, std_p):
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(mean_q, std_q), normal(mean_p, std_p))


@right("00b.gaussian_kl", "written with variances")
def _(mean_q, std_q, mean_p, std_p):
    return 0.5 * (torch.log(std_p**2 / std_q**2) - 1 + (std_q / std_p) ** 2 + ((mean_p - mean_q) / std_p) ** 2)


# No gradient passes; the stub does not ask for one.
@right("00b.gaussian_kl", "a loop over plain numbers")
def _(mean_q, std_q, mean_p, std_p):
    return torch.tensor(
        [
            math.log(d / b) - 0.5 + (b * b + (a - c) ** 2) / 2 / d / d
            for a, b, c, d in zip(mean_q.tolist(), std_q.tolist(), mean_p.tolist(), std_p.tolist())
        ]
    )


@right("00b.gaussian_kl", "the package's own, with a dimension added")
def _(mean_q, std_q, mean_p, std_p):
    return elbo.gaussian_kl(mean_q[:, None], std_q[:, None] ** 2, mean_p[:, None], std_p[:, None] ** 2)


# -- 00b.log_mean_exp ------------------------------------------------------------------------------------------------


@wrong("00b.log_mean_exp", "the mean of the logarithms")
def _(log_y):
    return log_y.mean(1)


@wrong("00b.log_mean_exp", "the sum, not the mean")
def _(log_y):
    return torch.logsumexp(log_y, 1)


@wrong("00b.log_mean_exp", "divided by n")
def _(log_y):
    return torch.logsumexp(log_y, 1) / log_y.shape[1]


@wrong("00b.log_mean_exp", "over the wrong dimension")
def _(log_y):
    return torch.logsumexp(log_y, 0) - math.log(log_y.shape[0])


@wrong("00b.log_mean_exp", "n instead of its logarithm")
def _(log_y):
    return torch.logsumexp(log_y, 1) - log_y.shape[1]


@wrong("00b.log_mean_exp", "log n added")
def _(log_y):
    return torch.logsumexp(log_y, 1) + math.log(log_y.shape[1])


@wrong("00b.log_mean_exp", "the largest alone")
def _(log_y):
    return log_y.max(1).values


@wrong("00b.log_mean_exp", "the dimension is kept")
def _(log_y):
    return torch.logsumexp(log_y, 1, keepdim=True) - math.log(log_y.shape[1])


@wrong("00b.log_mean_exp", "float64 exponentials that underflow")
def _(log_y):
    return log_y.double().exp().mean(1).log()


# Inf where a row spreads widely.
@wrong("00b.log_mean_exp", "shifted by the row's mean")
def _(log_y):
    return log_y.mean(1) + (log_y - log_y.mean(1, keepdim=True)).exp().mean(1).log()


@right("00b.log_mean_exp", "the log of n inside")
def _(log_y):
    return torch.logsumexp(log_y - math.log(log_y.shape[1]), 1)


@right("00b.log_mean_exp", "a loop")
def _(log_y):
    o = []
    for r in log_y:
        m = max(r)
        o.append(m + math.log(sum(math.exp(v - m) for v in r) / len(r)))
    return torch.tensor([float(v) for v in o])


@right("00b.log_mean_exp", "NumPy")
def _(log_y):
    return torch.from_numpy(np.logaddexp.reduce(log_y.double().numpy(), axis=1) - np.log(log_y.shape[1]))


@right("00b.log_mean_exp", "a keyword argument")
def _(log_y, dim=-1):
    return log_y.logsumexp(dim) - torch.tensor(log_y.size(dim)).log()


# -- 00b.noisy_batch -------------------------------------------------------------------------------------------------


@wrong("00b.noisy_batch", "no reshaping")
def _(x0, alpha, sigma, eps):
    return alpha * x0 + sigma * eps


@wrong("00b.noisy_batch", "sigma squared")
def _(x0, alpha, sigma, eps):
    return per_example(alpha, x0) * x0 + per_example(sigma, x0) ** 2 * eps


@wrong("00b.noisy_batch", "alpha taken for alpha_bar")
def _(x0, alpha, sigma, eps):
    return per_example(alpha, x0).sqrt() * x0 + per_example(1 - alpha, x0).sqrt() * eps


@wrong("00b.noisy_batch", "noise of its own")
def _(x0, alpha, sigma, eps):
    return per_example(alpha, x0) * x0 + per_example(sigma, x0) * torch.randn_like(x0)


@wrong("00b.noisy_batch", "the level of the first example for all")
def _(x0, alpha, sigma, eps):
    return alpha[0] * x0 + sigma[0] * eps


@wrong("00b.noisy_batch", "the mean level for all")
def _(x0, alpha, sigma, eps):
    return alpha.mean() * x0 + sigma.mean() * eps


# Right only where alpha² + sigma² = 1, which the stub does not say.
@wrong("00b.noisy_batch", "sigma computed from alpha")
def _(x0, alpha, sigma, eps):
    return per_example(alpha, x0) * x0 + per_example((1 - alpha**2).clamp_min(0).sqrt(), x0) * eps


@wrong("00b.noisy_batch", "in place")
def _(x0, alpha, sigma, eps):
    x0 *= per_example(alpha, x0)
    x0 += per_example(sigma, x0) * eps
    return x0


@wrong("00b.noisy_batch", "alpha is forgotten")
def _(x0, alpha, sigma, eps):
    return x0 + per_example(sigma, x0) * eps


@wrong("00b.noisy_batch", "alpha before the bracket")
def _(x0, alpha, sigma, eps):
    return per_example(alpha, x0) * (x0 + per_example(sigma, x0) * eps)


@right("00b.noisy_batch", "transposed there and back")
def _(x0, alpha, sigma, eps):
    return (alpha * x0.transpose(0, -1) + sigma * eps.transpose(0, -1)).transpose(0, -1)


@right("00b.noisy_batch", "einsum")
def _(x0, alpha, sigma, eps):
    return torch.einsum("b,b...->b...", alpha, x0) + torch.einsum("b,b...->b...", sigma, eps)


@right("00b.noisy_batch", "float64")
def _(x0, alpha, sigma, eps, device=None):
    return per_example(alpha, x0).double() * x0.double() + per_example(sigma, x0).double() * eps.double()


@right("00b.noisy_batch", "vmap")
def _(x0, alpha, sigma, eps):
    return torch.vmap(lambda x, a, s, e: a * x + s * e)(x0, alpha, sigma, eps)


# -- 00b.score -------------------------------------------------------------------------------------------------------


@wrong("00b.score", "the sign")
def _(log_prob, x):
    return -gradient(log_prob, x)


@wrong("00b.score", "the gradient of p")
def _(log_prob, x):
    return gradient(lambda y: log_prob(y).exp(), x)


@wrong("00b.score", "x is changed: it asks for gradients afterwards")
def _(log_prob, x):
    x.requires_grad_(True)
    log_prob(x).sum().backward()
    return x.grad


@wrong("00b.score", "summed over the coordinates")
def _(log_prob, x):
    return gradient(log_prob, x).sum(1)


@wrong("00b.score", "log p itself")
def _(log_prob, x):
    return log_prob(x)


@wrong("00b.score", "backward from the mean")
def _(log_prob, x):
    y = x.clone().requires_grad_(True)
    log_prob(y).mean().backward()
    return y.grad


@right("00b.score", "backward with ones")
def _(log_prob, x):
    x = x.clone().requires_grad_(True)
    log_prob(x).backward(torch.ones(len(x)))
    return x.grad


@right("00b.score", "torch.func.grad")
def _(log_prob, x):
    return torch.func.grad(lambda y: log_prob(y).sum())(x)


@right("00b.score", "with create_graph")
def _(log_prob, x):
    x = x.detach().requires_grad_(True)
    return torch.autograd.grad(log_prob(x).sum(), x, create_graph=True)[0]


@right("00b.score", "a Jacobian a point")
def _(log_prob, x):
    return torch.stack([torch.autograd.functional.jacobian(lambda y: log_prob(y[None])[0], p) for p in x])


@right("00b.score", "torch.tensor of a tensor, which warns")
def _(log_prob, x):
    x = torch.tensor(x, requires_grad=True)
    log_prob(x).sum().backward()
    return x.grad


# -- 00b.train -------------------------------------------------------------------------------------------------------


@wrong("00b.train", "gradients cleared between backward and step")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(network(x_t), x0)
        loss.backward()
        optimizer.zero_grad()
        optimizer.step()
        losses.append(loss.detach())
    return flat(network), torch.stack(losses)


@wrong("00b.train", "no step")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(network(x_t), x0)
        optimizer.zero_grad()
        loss.backward()
        losses.append(loss.detach())
    return flat(network), torch.stack(losses)


@wrong("00b.train", "SGD")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    return train_with(network, torch.optim.SGD(network.parameters(), lr=lr), batches)


@wrong("00b.train", "no copy")
def _(network, batches, lr):
    return train_with(network, torch.optim.Adam(network.parameters(), lr=lr), batches)


@wrong("00b.train", "x_t and x0 interchanged")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    return train_with(network, optimizer, [(x0, x_t) for x_t, x0 in batches])


@wrong("00b.train", "the loss after the step")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        optimizer.zero_grad()
        F.mse_loss(network(x_t), x0).backward()
        optimizer.step()
        with torch.no_grad():
            losses.append(F.mse_loss(network(x_t), x0))
    return flat(network), torch.stack(losses)


@wrong("00b.train", "the target squeezed, so that every guess meets every target")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    return train_with(network, optimizer, batches, loss_of=lambda guess, x0: ((guess - x0.squeeze()) ** 2).mean())


@wrong("00b.train", "absolute errors")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    return train_with(network, optimizer, batches, loss_of=lambda guess, x0: (guess - x0).abs().mean())


@wrong("00b.train", "the losses as a list")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    vector, losses = train_with(network, torch.optim.Adam(network.parameters(), lr=lr), batches)
    return vector, list(losses)


@wrong("00b.train", "the optimizer holds the caller's network")
def _(network, batches, lr):
    mine = copy.deepcopy(network)
    return train_with(mine, torch.optim.Adam(network.parameters(), lr=lr), batches)


@wrong("00b.train", "the learning rate is ignored")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    return train_with(network, torch.optim.Adam(network.parameters()), batches)


@wrong("00b.train", "the network instead of the vector")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    _, losses = train_with(network, torch.optim.Adam(network.parameters(), lr=lr), batches)
    return network, losses


@right("00b.train", "losses by item")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    vector, losses = train_with(network, torch.optim.Adam(network.parameters(), lr=lr), batches)
    return vector, torch.tensor([loss.item() for loss in losses])


@right("00b.train", "gradients set to None, parameters joined by hand")
def _(network, batches, lr):
    network = copy.deepcopy(network).train()
    optimizer = torch.optim.Adam(list(network.parameters()), lr)
    losses = torch.zeros(len(batches))
    for i, (x_t, x0) in enumerate(batches):
        for parameter in network.parameters():
            parameter.grad = None
        loss = torch.mean((x0 - network(x_t)) ** 2)
        loss.backward()
        optimizer.step()
        losses[i] = loss.item()
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]), losses


@right("00b.train", "gradients cleared after the step")
def _(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr, foreach=False)
    losses = []
    optimizer.zero_grad()
    for x_t, x0 in batches:
        loss = nn.MSELoss()(network(x_t), x0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses += [loss]
    return flat(network), torch.tensor(losses)
