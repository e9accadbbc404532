import copy
import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn


# ---- standard_error
@wrong("00b.standard_error", "the spread itself")
def _(draws):
    return draws.std()


@wrong("00b.standard_error", "divided by n, no root")
def _(draws):
    return draws.std() / len(draws)


@wrong("00b.standard_error", "root of n - 1")
def _(draws):
    return draws.std() / math.sqrt(len(draws) - 1)


@wrong("00b.standard_error", "spread with n")
def _(draws):
    return draws.std(unbiased=False) / len(draws) ** 0.5


@wrong("00b.standard_error", "variance over root n")
def _(draws):
    return draws.var() / len(draws) ** 0.5


@wrong("00b.standard_error", "numpy's std by default")
def _(draws):
    return torch.tensor(np.std(draws.detach().numpy()) / np.sqrt(draws.shape[0]))


@wrong("00b.standard_error", "n hard-coded as 100")
def _(draws):
    return draws.std() / 10


@right("00b.standard_error", "root of variance over n")
def _(draws):
    return (draws.var() / draws.numel()).sqrt()


@right("00b.standard_error", "numpy with ddof")
def _(draws):
    d = draws.detach().numpy().astype(np.float64)
    return torch.tensor(np.std(d, ddof=1) / np.sqrt(d.size), dtype=draws.dtype)


@right("00b.standard_error", "a loop in plain numbers")
def _(draws):
    values = [float(d) for d in draws]
    n = len(values)
    m = sum(values) / n
    total = 0.0
    for v in values:
        total += (v - m) ** 2
    return torch.tensor(math.sqrt(total / (n - 1) / n))


# ---- weighted_sum
@wrong("00b.weighted_sum", "stds add up")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, a * std_x + b * std_y


@wrong("00b.weighted_sum", "absolute stds add up")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, abs(a) * std_x + abs(b) * std_y


@wrong("00b.weighted_sum", "the variance")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, a**2 * std_x**2 + b**2 * std_y**2


@wrong("00b.weighted_sum", "weights not squared")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, math.sqrt(abs(a) * std_x**2 + abs(b) * std_y**2)


@wrong("00b.weighted_sum", "stds not squared")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, math.sqrt(a**2 * std_x + b**2 * std_y)


@wrong("00b.weighted_sum", "negative weight takes variance away")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, math.sqrt(abs(a * abs(a) * std_x**2 + b * abs(b) * std_y**2))


@wrong("00b.weighted_sum", "mean without weights")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return mean_x + mean_y, math.hypot(a * std_x, b * std_y)


@wrong("00b.weighted_sum", "std first")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return math.hypot(a * std_x, b * std_y), a * mean_x + b * mean_y


@wrong("00b.weighted_sum", "normalised weights")
def _(a, b, mean_x, std_x, mean_y, std_y):
    s = a + b if a + b != 0 else 1.0
    return (a * mean_x + b * mean_y) / s, math.hypot(a * std_x, b * std_y) / abs(s)


@right("00b.weighted_sum", "hypot")
def _(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, math.hypot(a * std_x, b * std_y)


@right("00b.weighted_sum", "numpy dot and norm")
def _(a, b, mean_x, std_x, mean_y, std_y):
    w = np.array([a, b], dtype=np.float64)
    return float(w @ np.array([mean_x, mean_y])), float(np.linalg.norm(w * np.array([std_x, std_y])))


# ---- posterior_on_grid
@wrong("00b.posterior_on_grid", "sums to 1, dx forgotten")
def _(prior, likelihood, dx):
    p = prior * likelihood
    return p / p.sum()


@wrong("00b.posterior_on_grid", "not normalised")
def _(prior, likelihood, dx):
    return prior * likelihood


@wrong("00b.posterior_on_grid", "prior forgotten")
def _(prior, likelihood, dx):
    return likelihood / (likelihood.sum() * dx)


@wrong("00b.posterior_on_grid", "multiplied by dx")
def _(prior, likelihood, dx):
    p = prior * likelihood
    return p / p.sum() * dx


@wrong("00b.posterior_on_grid", "divided by the area of the likelihood, again")
def _(prior, likelihood, dx):
    return prior * likelihood / (likelihood.sum() * dx)


@wrong("00b.posterior_on_grid", "softmax of the product, again")
def _(prior, likelihood, dx):
    return torch.softmax(prior * likelihood, 0) / dx


@wrong("00b.posterior_on_grid", "prior and likelihood averaged")
def _(prior, likelihood, dx):
    p = prior + likelihood
    return p / (p.sum() * dx)


@wrong("00b.posterior_on_grid", "trapezoids")
def _(prior, likelihood, dx):
    p = prior * likelihood
    return p / torch.trapezoid(p, dx=dx)


@wrong("00b.posterior_on_grid", "dx hard-coded")
def _(prior, likelihood, dx):
    p = prior * likelihood
    return p / (p.sum() * 0.01)


@right("00b.posterior_on_grid", "float64")
def _(prior, likelihood, dx):
    p = prior.double() * likelihood.double()
    return (p / (p.sum() * dx)).to(prior.dtype)


@right("00b.posterior_on_grid", "numpy")
def _(prior, likelihood, dx):
    p = prior.numpy().astype(np.float64) * likelihood.numpy().astype(np.float64)
    evidence = np.sum(p) * dx
    return torch.from_numpy(p / evidence).to(prior.dtype)


@right("00b.posterior_on_grid", "in logs, softmax")
def _(prior, likelihood, dx):
    logs = prior.double().log() + likelihood.double().log()
    return (torch.softmax(logs, dim=0) / dx).to(prior.dtype)


# ---- responsibilities
@wrong("00b.responsibilities", "densities, underflow")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    p = weights * torch.exp(-0.5 * z**2) / (stds * math.sqrt(2 * math.pi))
    return p / p.sum(1, keepdim=True)


@wrong("00b.responsibilities", "small number in the denominator")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    p = weights * torch.exp(-0.5 * z**2) / (stds * math.sqrt(2 * math.pi))
    return p / (p.sum(1, keepdim=True) + 1e-12)


@wrong("00b.responsibilities", "uniform where it underflows")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    p = weights * torch.exp(-0.5 * z**2) / stds
    r = p / p.sum(1, keepdim=True)
    return torch.nan_to_num(r, nan=1 / len(means))


@wrong("00b.responsibilities", "weights forgotten")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    return torch.softmax(-0.5 * z**2 - stds.log(), dim=1)


@wrong("00b.responsibilities", "1/std forgotten")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    return torch.softmax(-0.5 * z**2 + weights.log(), dim=1)


@wrong("00b.responsibilities", "softmax over the points, again")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    return torch.softmax(-0.5 * z**2 - stds.log() + weights.log(), dim=0)


@wrong("00b.responsibilities", "std for variance")
def _(x, means, stds, weights):
    d = (x[:, None] - means) ** 2
    return torch.softmax(-0.5 * d / stds - 0.5 * stds.log() + weights.log(), dim=1)


@wrong("00b.responsibilities", "weights not in logs")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    return torch.softmax(-0.5 * z**2 - stds.log() + weights, dim=1)


@wrong("00b.responsibilities", "the nearest bump takes all")
def _(x, means, stds, weights):
    k = (x[:, None] - means).abs().argmin(1)
    return F.one_hot(k, len(means)).to(x.dtype)


@wrong("00b.responsibilities", "half of the exponent forgotten")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    return torch.softmax(-(z**2) - stds.log() + weights.log(), dim=1)


@wrong("00b.responsibilities", "log responsibilities")
def _(x, means, stds, weights):
    z = (x[:, None] - means) / stds
    return torch.log_softmax(-0.5 * z**2 - stds.log() + weights.log(), dim=1)


@right("00b.responsibilities", "torch.distributions in float64")
def _(x, means, stds, weights):
    normal = torch.distributions.Normal(means.double(), stds.double())
    logs = normal.log_prob(x.double().unsqueeze(1)) + weights.double().log()
    return (logs - torch.logsumexp(logs, dim=1, keepdim=True)).exp().to(x.dtype)


@right("00b.responsibilities", "a loop over bumps, row maximum taken off")
def _(x, means, stds, weights):
    xd = x.double()
    columns = []
    for m, s, w in zip(means.double(), stds.double(), weights.double()):
        columns.append(w.log() - s.log() - (xd - m) ** 2 / (2 * s**2))
    logs = torch.stack(columns, dim=1)
    p = torch.exp(logs - logs.max(dim=1, keepdim=True).values)
    return (p / p.sum(dim=1, keepdim=True)).to(x.dtype)


# ---- gaussian_kl
@wrong("00b.gaussian_kl", "the other way round")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_q / std_p) + (std_p**2 + (mean_q - mean_p) ** 2) / (2 * std_q**2) - 0.5


@wrong("00b.gaussian_kl", "minus one half forgotten")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p / std_q) + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2)


@wrong("00b.gaussian_kl", "logarithm upside down")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_q / std_p) + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2) - 0.5


@wrong("00b.gaussian_kl", "stds taken for variances")
def _(mean_q, std_q, mean_p, std_p):
    return 0.5 * (torch.log(std_p / std_q) + (std_q + (mean_q - mean_p) ** 2) / std_p - 1)


@wrong("00b.gaussian_kl", "one number")
def _(mean_q, std_q, mean_p, std_p):
    k = torch.log(std_p / std_q) + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2) - 0.5
    return k.sum()


@wrong("00b.gaussian_kl", "bits")
def _(mean_q, std_q, mean_p, std_p):
    k = torch.log(std_p / std_q) + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2) - 0.5
    return k / math.log(2)


@wrong("00b.gaussian_kl", "p taken as standard")
def _(mean_q, std_q, mean_p, std_p):
    return 0.5 * (std_q**2 + mean_q**2 - 1) - std_q.log()


@wrong("00b.gaussian_kl", "means forgotten")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p / std_q) + std_q**2 / (2 * std_p**2) - 0.5


@wrong("00b.gaussian_kl", "mean difference not over the variance")
def _(mean_q, std_q, mean_p, std_p):
    return torch.log(std_p / std_q) + std_q**2 / (2 * std_p**2) + (mean_q - mean_p) ** 2 / 2 - 0.5


@wrong("00b.gaussian_kl", "symmetric")
def _(mean_q, std_q, mean_p, std_p):
    d = (mean_q - mean_p) ** 2
    return 0.25 * ((std_q**2 + d) / std_p**2 + (std_p**2 + d) / std_q**2) - 0.5


@right("00b.gaussian_kl", "torch.distributions")
def _(mean_q, std_q, mean_p, std_p):
    q = torch.distributions.Normal(mean_q.double(), std_q.double())
    p = torch.distributions.Normal(mean_p.double(), std_p.double())
    return torch.distributions.kl_divergence(q, p).to(mean_q.dtype)


@right("00b.gaussian_kl", "a loop with math")
def _(mean_q, std_q, mean_p, std_p):
    out = []
    for mq, sq, mp, sp in zip(mean_q.tolist(), std_q.tolist(), mean_p.tolist(), std_p.tolist()):
        r = sq / sp
        out.append(0.5 * (r * r + ((mq - mp) / sp) ** 2 - 1) - math.log(r))
    return torch.tensor(out, dtype=mean_q.dtype)


# ---- log_mean_exp
@wrong("00b.log_mean_exp", "exp, mean, log")
def _(log_y):
    return log_y.exp().mean(dim=1).log()


@wrong("00b.log_mean_exp", "the same in float64")
def _(log_y):
    return log_y.double().exp().mean(dim=1).log().to(log_y.dtype)


@wrong("00b.log_mean_exp", "a sum, not an average")
def _(log_y):
    return torch.logsumexp(log_y, dim=1)


@wrong("00b.log_mean_exp", "down the columns")
def _(log_y):
    return torch.logsumexp(log_y, dim=0) - math.log(log_y.shape[0])


@wrong("00b.log_mean_exp", "log of B")
def _(log_y):
    return torch.logsumexp(log_y, dim=1) - math.log(log_y.shape[0])


@wrong("00b.log_mean_exp", "divided by n in logs")
def _(log_y):
    return torch.logsumexp(log_y, dim=1) / log_y.shape[1]


@wrong("00b.log_mean_exp", "average of the logs")
def _(log_y):
    return log_y.mean(dim=1)


@wrong("00b.log_mean_exp", "one maximum for all rows")
def _(log_y):
    m = log_y.max()
    return m + (log_y - m).exp().mean(dim=1).log()


@wrong("00b.log_mean_exp", "clamped")
def _(log_y):
    return log_y.exp().mean(dim=1).clamp_min(1e-30).log()


@wrong("00b.log_mean_exp", "maximum only")
def _(log_y):
    return log_y.max(dim=1).values - math.log(log_y.shape[1])


@wrong("00b.log_mean_exp", "maximum not put back")
def _(log_y):
    m = log_y.max(dim=1, keepdim=True).values
    return (log_y - m).exp().mean(dim=1).log()


@wrong("00b.log_mean_exp", "a column")
def _(log_y):
    return torch.logsumexp(log_y, dim=1, keepdim=True) - math.log(log_y.shape[1])


@right("00b.log_mean_exp", "logsumexp of shifted logs")
def _(log_y):
    return torch.logsumexp(log_y - math.log(log_y.size(-1)), dim=-1)


@right("00b.log_mean_exp", "numpy logaddexp")
def _(log_y):
    a = log_y.detach().numpy().astype(np.float64)
    return torch.from_numpy(np.logaddexp.reduce(a, axis=1) - np.log(a.shape[1])).to(log_y.dtype)


# ---- noisy_batch
@wrong("00b.noisy_batch", "broadcast along the last axis")
def _(x0, alpha, sigma, eps):
    return alpha * x0 + sigma * eps


@wrong("00b.noisy_batch", "images only")
def _(x0, alpha, sigma, eps):
    return alpha[:, None, None, None] * x0 + sigma[:, None, None, None] * eps


@wrong("00b.noisy_batch", "points only")
def _(x0, alpha, sigma, eps):
    return alpha[:, None] * x0 + sigma[:, None] * eps


@wrong("00b.noisy_batch", "images and points, nothing else")
def _(x0, alpha, sigma, eps):
    if x0.dim() == 4:
        a, s = alpha.view(-1, 1, 1, 1), sigma.view(-1, 1, 1, 1)
    else:
        a, s = alpha.view(-1, 1), sigma.view(-1, 1)
    return a * x0 + s * eps


@wrong("00b.noisy_batch", "first level for all")
def _(x0, alpha, sigma, eps):
    return alpha[0] * x0 + sigma[0] * eps


@wrong("00b.noisy_batch", "mean level for all")
def _(x0, alpha, sigma, eps):
    return alpha.mean() * x0 + sigma.mean() * eps


@wrong("00b.noisy_batch", "own noise")
def _(x0, alpha, sigma, eps):
    shape = (-1,) + (1,) * (x0.dim() - 1)
    return alpha.view(shape) * x0 + sigma.view(shape) * torch.randn_like(x0)


@wrong("00b.noisy_batch", "sigma worked out from alpha")
def _(x0, alpha, sigma, eps):
    shape = (-1,) + (1,) * (x0.dim() - 1)
    a = alpha.view(shape)
    return a * x0 + (1 - a**2).clamp_min(0).sqrt() * eps


@wrong("00b.noisy_batch", "roots of both")
def _(x0, alpha, sigma, eps):
    shape = (-1,) + (1,) * (x0.dim() - 1)
    return alpha.view(shape).sqrt() * x0 + sigma.view(shape).sqrt() * eps


@wrong("00b.noisy_batch", "flattened result")
def _(x0, alpha, sigma, eps):
    n = len(x0)
    return alpha[:, None] * x0.reshape(n, -1) + sigma[:, None] * eps.reshape(n, -1)


@right("00b.noisy_batch", "batch axis moved to the end")
def _(x0, alpha, sigma, eps):
    out = x0.movedim(0, -1) * alpha + eps.movedim(0, -1) * sigma
    return out.movedim(-1, 0)


@right("00b.noisy_batch", "a loop over the batch")
def _(x0, alpha, sigma, eps):
    return torch.stack([alpha[i] * x0[i] + sigma[i] * eps[i] for i in range(x0.shape[0])])


@right("00b.noisy_batch", "flatten and back")
def _(x0, alpha, sigma, eps):
    n = x0.shape[0]
    flat = alpha.reshape(n, 1) * x0.reshape(n, -1) + sigma.reshape(n, 1) * eps.reshape(n, -1)
    return flat.reshape(x0.shape)


# ---- score
@wrong("00b.score", "mean of the log densities")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(y).mean(), y)[0]


@wrong("00b.score", "gradient of the density")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(y).exp().sum(), y)[0]


@wrong("00b.score", "minus sign")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(-log_prob(y).sum(), y)[0]


@wrong("00b.score", "x itself made to need a gradient")
def _(log_prob, x):
    x.requires_grad_(True)
    log_prob(x).sum().backward()
    return x.grad


@wrong("00b.score", "a standard Gaussian taken for granted")
def _(log_prob, x):
    return -x


@wrong("00b.score", "first point only")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(y)[0], y)[0]


@wrong("00b.score", "no sum")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(y), y)[0]


@wrong("00b.score", "a tuple")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(y).sum(), y)


@wrong("00b.score", "log of log p")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    return torch.autograd.grad(log_prob(y).abs().log().sum(), y)[0]


@wrong("00b.score", "unit length")
def _(log_prob, x):
    y = x.detach().clone().requires_grad_(True)
    g = torch.autograd.grad(log_prob(y).sum(), y)[0]
    return F.normalize(g, dim=1)


@right("00b.score", "grad_outputs of ones")
def _(log_prob, x):
    with torch.enable_grad():
        y = x.detach().clone().requires_grad_(True)
        out = log_prob(y)
        (g,) = torch.autograd.grad(out, y, grad_outputs=torch.ones_like(out))
    return g


@right("00b.score", "functional jacobian of the sum")
def _(log_prob, x):
    return torch.autograd.functional.jacobian(lambda y: log_prob(y).sum(), x.detach())


@right("00b.score", "point by point")
def _(log_prob, x):
    rows = []
    for i in range(len(x)):
        y = x[i : i + 1].detach().clone().requires_grad_(True)
        rows.append(torch.autograd.grad(log_prob(y).sum(), y)[0])
    return torch.cat(rows, dim=0)


# ---- train
@wrong("00b.train", "the caller's network is trained")
def _(network, batches, lr):
    opt = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(network(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(network.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "zero_grad forgotten")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "zero_grad between backward and step")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        loss.backward()
        opt.zero_grad()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "SGD, again")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.SGD(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "a new optimizer each step")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    losses = []
    for x_t, x0 in batches:
        opt = torch.optim.Adam(net.parameters(), lr=lr)
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "loss after the step")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        with torch.no_grad():
            losses.append(F.mse_loss(net(x_t), x0).item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "input and target swapped")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x0), x_t)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "learning rate hard-coded")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters())
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "summed squares")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = ((net(x_t) - x0) ** 2).sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "AdamW")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.AdamW(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "optimizer of the original")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@wrong("00b.train", "last loss only")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
    return nn.utils.parameters_to_vector(net.parameters()).detach(), loss.detach()


@wrong("00b.train", "parameters not detached")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.mse_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()), torch.tensor(losses)


@wrong("00b.train", "absolute error")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    opt = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = F.l1_loss(net(x_t), x0)
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(net.parameters()).detach(), torch.tensor(losses)


@right("00b.train", "nn.MSELoss, tensor filled in place")
def _(network, batches, lr):
    model = copy.deepcopy(network)
    criterion = nn.MSELoss()
    adam = torch.optim.Adam(params=model.parameters(), lr=lr)
    losses = torch.zeros(len(batches))
    for i, (noisy, clean) in enumerate(batches):
        adam.zero_grad(set_to_none=True)
        loss = criterion(model(noisy), clean)
        losses[i] = loss.detach()
        loss.backward()
        adam.step()
    with torch.no_grad():
        vec = nn.utils.parameters_to_vector(model.parameters()).clone()
    return vec, losses


@right("00b.train", "Adam by hand")
def _(network, batches, lr):
    net = copy.deepcopy(network)
    params = list(net.parameters())
    m = [torch.zeros_like(p) for p in params]
    v = [torch.zeros_like(p) for p in params]
    losses = []
    for step, (x_t, x0) in enumerate(batches, start=1):
        net.zero_grad()
        loss = (net(x_t) - x0).pow(2).mean()
        loss.backward()
        losses.append(loss.item())
        with torch.no_grad():
            for i, p in enumerate(params):
                if p.grad is None:
                    continue
                m[i].lerp_(p.grad, 1 - 0.9)
                v[i].mul_(0.999).addcmul_(p.grad, p.grad, value=1 - 0.999)
                denom = (v[i].sqrt() / math.sqrt(1 - 0.999**step)).add_(1e-8)
                p.addcdiv_(m[i], denom, value=-lr / (1 - 0.9**step))
    return nn.utils.parameters_to_vector(params).detach(), torch.tensor(losses)
