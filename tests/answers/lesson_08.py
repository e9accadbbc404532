"""Answers to the exercises of lesson 08."""

import math

import numpy as np
import torch
from learn_answers import right, wrong


def wide(t, x):
    return t.reshape(-1, *[1] * (x.ndim - 1))


# -- 08.brownian -----------------------------------------------------------------------------------------------------


@wrong("08.brownian", "the variance for the spread")
def _(z, times):
    dt = torch.diff(torch.tensor(times))
    return torch.cat([torch.zeros(1, z.shape[1]), torch.cumsum(dt[:, None] * z, 0)])


@wrong("08.brownian", "dt of a regular grid")
def _(z, times):
    dt = (times[-1] - times[0]) / len(z)
    return torch.cat([torch.zeros(1, z.shape[1]), torch.cumsum(math.sqrt(dt) * z, 0)])


@wrong("08.brownian", "root of the time itself")
def _(z, times):
    w = [torch.zeros(z.shape[1])]
    for k in range(len(z)):
        w.append(math.sqrt(times[k + 1] - times[0]) * z[k])
    return torch.stack(w)


@wrong("08.brownian", "starts at the first increment")
def _(z, times):
    dt = torch.diff(torch.tensor(times))
    return torch.cumsum(dt.sqrt()[:, None] * z, 0)


@wrong("08.brownian", "increments alone")
def _(z, times):
    dt = torch.diff(torch.tensor(times))
    return torch.cat([torch.zeros(1, z.shape[1]), dt.sqrt()[:, None] * z])


@wrong("08.brownian", "the sum of the draws times the root of the time")
def _(z, times):
    since = torch.tensor(times) - times[0]
    return since.sqrt()[:, None] * torch.cat([torch.zeros(1, z.shape[1]), z.cumsum(0)])


@wrong("08.brownian", "summed over the paths")
def _(z, times):
    dt = torch.diff(torch.tensor(times))
    return torch.cat([torch.zeros(1, z.shape[1]), torch.cumsum(dt.sqrt()[:, None] * z, 1)])


@right("08.brownian", "numpy for the widths")
def _(z, times):
    spread = torch.from_numpy(np.sqrt(np.diff(times))).to(z.dtype)
    w = torch.cumsum(z * spread.unsqueeze(1), dim=0)
    return torch.vstack([torch.zeros(1, z.size(1), dtype=z.dtype), w])


@right("08.brownian", "a list that grows")
def _(z, times):
    path = [0 * z[0]]
    for k, draw in enumerate(z):
        path.append(path[-1] + math.sqrt(times[k + 1] - times[k]) * draw)
    return torch.stack(path)


# -- 08.euler_maruyama -----------------------------------------------------------------------------------------------


@wrong("08.euler_maruyama", "dt beside the noise")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for k in range(len(times) - 1):
        dt = times[k + 1] - times[k]
        x = x + drift(x, times[k]) * dt + diffusion(times[k]) * abs(dt) * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "root of a negative dt")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for k in range(len(times) - 1):
        dt = times[k + 1] - times[k]
        x = x + drift(x, times[k]) * dt + diffusion(times[k]) * math.sqrt(dt) * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "|dt| everywhere")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for k in range(len(times) - 1):
        dt = abs(times[k + 1] - times[k])
        x = x + drift(x, times[k]) * dt + diffusion(times[k]) * dt**0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "asked at the end of the step")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for k in range(1, len(times)):
        dt = times[k] - times[k - 1]
        x = x + drift(x, times[k]) * dt + diffusion(times[k]) * abs(dt) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "x += in a list")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        x += drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "the last place alone")
def _(drift, diffusion, x, times, noise):
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
    return x


@wrong("08.euler_maruyama", "g² dt for the variance of the noise, without a root")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) ** 2 * abs(b - a) * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "noise drawn before the loop")
def _(drift, diffusion, x, times, noise):
    xs, z = [x], noise()
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * z
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "a list")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        xs.append(xs[-1] + drift(xs[-1], a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise())
    return xs


@right("08.euler_maruyama", "preallocated")
def _(drift, diffusion, x, times, noise):
    out = torch.empty((len(times), *x.shape), dtype=x.dtype)
    out[0] = x
    for k, (a, b) in enumerate(zip(times, times[1:])):
        dw = np.sqrt(np.abs(b - a)) * noise()
        x = x + drift(x, a) * (b - a) + diffusion(a) * dw
        out[k + 1] = x
    return out


@right("08.euler_maruyama", "the noise first, the drift of before")
def _(drift, diffusion, x, times, noise):
    xs = x[None]
    for a, b in zip(times, times[1:]):
        dw = abs(b - a) ** 0.5 * noise()
        xs = torch.cat([xs, (xs[-1] + (diffusion(a) * dw + (b - a) * drift(xs[-1], a)))[None]])
    return xs


# -- 08.chain_betas --------------------------------------------------------------------------------------------------


@wrong("08.chain_betas", "beta(t)/T")
def _(beta_min, beta_max, T):
    t = torch.arange(1, T + 1, dtype=torch.float64) / T
    return (beta_min + t * (beta_max - beta_min)) / T


@wrong("08.chain_betas", "beta in the middle, over T")
def _(beta_min, beta_max, T):
    t = (torch.arange(T, dtype=torch.float64) + 0.5) / T
    return (beta_min + t * (beta_max - beta_min)) / T


@wrong("08.chain_betas", "beta at the end, in the exponent")
def _(beta_min, beta_max, T):
    t = torch.arange(1, T + 1, dtype=torch.float64) / T
    return 1 - torch.exp(-(beta_min + t * (beta_max - beta_min)) / T)


@wrong("08.chain_betas", "for alpha instead of its square")
def _(beta_min, beta_max, T):
    t = torch.arange(T + 1, dtype=torch.float64) / T
    alpha = torch.exp(-0.5 * (beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return 1 - alpha[1:] / alpha[:-1]


@wrong("08.chain_betas", "minus the differences of alpha²")
def _(beta_min, beta_max, T):
    t = torch.arange(T + 1, dtype=torch.float64) / T
    bars = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return bars[:-1] - bars[1:]


@wrong("08.chain_betas", "the integral of t is t²")
def _(beta_min, beta_max, T):
    t = torch.arange(T + 1, dtype=torch.float64) / T
    bars = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2))
    return 1 - bars[1:] / bars[:-1]


@wrong("08.chain_betas", "divided by the later one")
def _(beta_min, beta_max, T):
    t = torch.arange(T + 1, dtype=torch.float64) / T
    bars = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return bars[:-1] / bars[1:] - 1


@wrong("08.chain_betas", "solved with beta(t)·t")
def _(beta_min, beta_max, T):
    t = torch.arange(T + 1, dtype=torch.float64) / T
    bars = torch.exp(-(beta_min + t * (beta_max - beta_min)) * t)
    return 1 - bars[1:] / bars[:-1]


@right("08.chain_betas", "a loop with the last alpha_bar kept")
def _(beta_min, beta_max, T):
    betas, before = [], 1.0
    for i in range(1, T + 1):
        t = i / T
        bar = math.exp(-t * (beta_min + 0.5 * t * (beta_max - beta_min)))
        betas.append(1 - bar / before)
        before = bar
    return torch.tensor(betas, dtype=torch.float64)


@right("08.chain_betas", "the integral over one step")
def _(beta_min, beta_max, T):
    a = torch.arange(T, dtype=torch.float64) / T
    b = a + 1 / T
    lost = beta_min * (b - a) + (beta_max - beta_min) * (b**2 - a**2) / 2
    return -torch.expm1(-lost)


# -- 08.drift_and_diffusion ------------------------------------------------------------------------------------------


@wrong("08.drift_and_diffusion", "only the growth of sigma²")
def _(alpha, sigma, d_alpha, d_sigma):
    return d_alpha / alpha, abs(2 * sigma * d_sigma) ** 0.5


@wrong("08.drift_and_diffusion", "g²")
def _(alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    return f, 2 * sigma * d_sigma - 2 * f * sigma**2


@wrong("08.drift_and_diffusion", "f once in the variance")
def _(alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    return f, abs(2 * sigma * d_sigma - f * sigma**2) ** 0.5


@wrong("08.drift_and_diffusion", "the rates themselves")
def _(alpha, sigma, d_alpha, d_sigma):
    return d_alpha, d_sigma


@wrong("08.drift_and_diffusion", "f and the rate of sigma")
def _(alpha, sigma, d_alpha, d_sigma):
    return d_alpha / alpha, d_sigma


@wrong("08.drift_and_diffusion", "sigma' without a 2")
def _(alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    return f, abs(sigma * d_sigma - 2 * f * sigma**2) ** 0.5


@wrong("08.drift_and_diffusion", "that of VP for all")
def _(alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    return f, abs(2 * f) ** 0.5


@wrong("08.drift_and_diffusion", "a minus too many")
def _(alpha, sigma, d_alpha, d_sigma):
    f = -d_alpha / alpha
    return f, abs(2 * sigma * d_sigma + 2 * f * sigma**2) ** 0.5


@right("08.drift_and_diffusion", "with math")
def _(alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * d_sigma - 2 * f * sigma * sigma
    return f, math.sqrt(max(g2, 0.0))


@right("08.drift_and_diffusion", "by the derivative of the squared ratio")
def _(alpha, sigma, d_alpha, d_sigma):
    rate = 2 * (sigma / alpha) * (d_sigma * alpha - sigma * d_alpha) / alpha**2
    return d_alpha / alpha, alpha * rate**0.5


# -- 08.reverse_step -------------------------------------------------------------------------------------------------


@wrong("08.reverse_step", "the forward SDE run backwards")
def _(x, score, f, g, dt, eta, z):
    return x + f * x * dt + eta * g * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "Anderson for every eta")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - g**2 * score) * dt + eta * g * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "eta·g in Anderson's formula")
def _(x, score, f, g, dt, eta, z):
    h = eta * g
    return x + (f * x - h**2 * score) * dt + h * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "half, and eta² in full")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - (0.5 + eta**2) * g**2 * score) * dt + eta * g * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "between the two by eta")
def _(x, score, f, g, dt, eta, z):
    share = (1 - eta) * 0.5 + eta * 1.0
    return x + (f * x - share * g**2 * score) * dt + eta * g * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "the score pushed away")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x + 0.5 * (1 + eta**2) * g**2 * score) * dt + eta * g * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "the noise with dt")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - 0.5 * (1 + eta**2) * g**2 * score) * dt + eta * g * dt * z


@wrong("08.reverse_step", "the root of a negative number")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - 0.5 * (1 + eta**2) * g**2 * score) * dt + eta * g * math.sqrt(dt) * z


@wrong("08.reverse_step", "1 - eta²")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - 0.5 * (1 - eta**2) * g**2 * score) * dt + eta * g * abs(dt) ** 0.5 * z


@wrong("08.reverse_step", "the drift alone")
def _(x, score, f, g, dt, eta, z):
    return (f * x - 0.5 * (1 + eta**2) * g**2 * score) * dt + eta * g * abs(dt) ** 0.5 * z


@right("08.reverse_step", "in parts")
def _(x, score, f, g, dt, eta, z):
    h = abs(dt)
    ode = -(f * x - 0.5 * g**2 * score) * h
    mend = 0.5 * (eta * g) ** 2 * score * h
    return x + ode + mend + math.sqrt(h) * eta * g * z


@right("08.reverse_step", "one expression")
def _(x, score, f, g, dt, eta, z):
    return x * (1 + f * dt) - dt * g * g * score * (0.5 + 0.5 * eta * eta) + z * (eta * g * math.sqrt(-dt))


# -- 08.velocity -----------------------------------------------------------------------------------------------------


@wrong("08.velocity", "x where x0 belongs")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return d_alpha * x + d_sigma * eps


@wrong("08.velocity", "noise minus data")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return eps - (x - sigma * eps) / alpha


@wrong("08.velocity", "the data not rescaled")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return d_alpha * (x - sigma * eps) + d_sigma * eps


@wrong("08.velocity", "towards the data")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return -d_alpha * (x - sigma * eps) / alpha - d_sigma * eps


@wrong("08.velocity", "eps as the score")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * (d_sigma - f * sigma)
    return f * x - g2 / 2 * eps


@wrong("08.velocity", "the reverse SDE's drift")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * (d_sigma - f * sigma)
    return f * x + g2 * eps / sigma


@wrong("08.velocity", "the score with a square")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * (d_sigma - f * sigma)
    return f * x + g2 / 2 * eps / sigma**2


@right("08.velocity", "f, g and the score")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * d_sigma - 2 * f * sigma**2
    return f * x + g2 * eps / (2 * sigma)


@right("08.velocity", "multiplied out")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return d_alpha / alpha * x + (d_sigma - sigma * d_alpha / alpha) * eps


# -- 08.flow_loss ----------------------------------------------------------------------------------------------------


@wrong("08.flow_loss", "x0 - eps")
def _(network, x0, eps, t):
    x_t = (1 - wide(t, x0)) * x0 + wide(t, x0) * eps
    return (network(x_t, t) - (x0 - eps)).square().flatten(1).mean(1)


@wrong("08.flow_loss", "the paper's time")
def _(network, x0, eps, t):
    x_t = wide(t, x0) * x0 + (1 - wide(t, x0)) * eps
    return (network(x_t, t) - (x0 - eps)).square().flatten(1).mean(1)


@wrong("08.flow_loss", "time not made wide")
def _(network, x0, eps, t):
    x_t = (1 - t) * x0 + t * eps
    return (network(x_t, t) - (eps - x0)).square().flatten(1).mean(1)


@wrong("08.flow_loss", "a number for the batch")
def _(network, x0, eps, t):
    x_t = (1 - wide(t, x0)) * x0 + wide(t, x0) * eps
    return torch.nn.functional.mse_loss(network(x_t, t), eps - x0)


@wrong("08.flow_loss", "the sum of squares")
def _(network, x0, eps, t):
    x_t = (1 - wide(t, x0)) * x0 + wide(t, x0) * eps
    return (network(x_t, t) - (eps - x0)).square().flatten(1).sum(1)


@wrong("08.flow_loss", "a loss for eps")
def _(network, x0, eps, t):
    x_t = (1 - wide(t, x0)) * x0 + wide(t, x0) * eps
    return (network(x_t, t) - eps).square().flatten(1).mean(1)


@wrong("08.flow_loss", "mean over the last dimension")
def _(network, x0, eps, t):
    x_t = (1 - wide(t, x0)) * x0 + wide(t, x0) * eps
    return (network(x_t, t) - (eps - x0)).square().mean(-1)


@wrong("08.flow_loss", "no gradient")
def _(network, x0, eps, t):
    x_t = (1 - wide(t, x0)) * x0 + wide(t, x0) * eps
    with torch.no_grad():
        guess = network(x_t, t)
    return (guess - (eps - x0)).square().flatten(1).mean(1)


@wrong("08.flow_loss", "the network at x0")
def _(network, x0, eps, t):
    return (network(x0, t) - (eps - x0)).square().flatten(1).mean(1)


@right("08.flow_loss", "x0 plus t times the velocity")
def _(network, x0, eps, t):
    velocity = eps - x0
    guess = network(x0 + wide(t, x0) * velocity, t)
    return ((guess - velocity) ** 2).mean(dim=tuple(range(1, x0.ndim)))


@right("08.flow_loss", "mse_loss without a reduction")
def _(network, x0, eps, t):
    x_t = torch.lerp(x0, eps, wide(t, x0).expand_as(x0))
    return torch.nn.functional.mse_loss(network(x_t, t), eps - x0, reduction="none").view(len(t), -1).mean(1)


# -- 08.converted ----------------------------------------------------------------------------------------------------


@wrong("08.converted", "sign forgotten")
def _(theirs, x, t):
    v = theirs(x, 1 - t)
    return v, x - wide(t, x) * v, x + (1 - wide(t, x)) * v


@wrong("08.converted", "time forgotten")
def _(theirs, x, t):
    v = -theirs(x, t)
    return v, x - wide(t, x) * v, x + (1 - wide(t, x)) * v


@wrong("08.converted", "velocity theirs, ends right")
def _(theirs, x, t):
    u, s = theirs(x, 1 - t), 1 - wide(t, x)
    return u, x + (1 - s) * u, x - s * u


@wrong("08.converted", "ends with theirs and t mixed up")
def _(theirs, x, t):
    u = theirs(x, 1 - t)
    return -u, x + (1 - wide(t, x)) * u, x - wide(t, x) * u


@wrong("08.converted", "data and noise interchanged")
def _(theirs, x, t):
    v = -theirs(x, 1 - t)
    return v, x + (1 - wide(t, x)) * v, x - wide(t, x) * v


@wrong("08.converted", "whole steps")
def _(theirs, x, t):
    v = -theirs(x, 1 - t)
    return v, x - v, x + v


@wrong("08.converted", "negative time")
def _(theirs, x, t):
    v = -theirs(x, -t)
    return v, x - wide(t, x) * v, x + (1 - wide(t, x)) * v


@wrong("08.converted", "velocity alone")
def _(theirs, x, t):
    return -theirs(x, 1 - t)


@right("08.converted", "from the data on")
def _(theirs, x, t):
    u = theirs(x, 1 - t)
    data = x + wide(t, x) * u
    return -u, data, data - u


@right("08.converted", "all in s")
def _(theirs, x, t):
    s = 1 - t
    u, s_ = theirs(x, s), wide(s, x)
    return -u, x + (1 - s_) * u, x - s_ * u


# -- 08.level_density ------------------------------------------------------------------------------------------------


@wrong("08.level_density", "uniform too")
def _(log_nsr):
    return torch.ones_like(log_nsr)


@wrong("08.level_density", "t as a function of the level")
def _(log_nsr):
    return torch.sigmoid(log_nsr)


@wrong("08.level_density", "density of the ratio")
def _(log_nsr):
    r = log_nsr.exp()
    return 1 / (1 + r) ** 2


@wrong("08.level_density", "the inverse derivative")
def _(log_nsr):
    t = torch.sigmoid(log_nsr)
    return 1 / t + 1 / (1 - t)


@wrong("08.level_density", "for log of sigma²/alpha²")
def _(log_nsr):
    t = torch.sigmoid(log_nsr / 2)
    return t * (1 - t) / 2


@wrong("08.level_density", "alpha² + sigma² = 1")
def _(log_nsr):
    r2 = torch.exp(2 * log_nsr)
    return 2 * r2 / (1 + r2) ** 2


@wrong("08.level_density", "the ratio the other way round")
def _(log_nsr):
    return -torch.sigmoid(-log_nsr) * (1 - torch.sigmoid(-log_nsr))


@wrong("08.level_density", "a normal density")
def _(log_nsr):
    return torch.exp(-(log_nsr**2) / 2) / math.sqrt(2 * math.pi)


@right("08.level_density", "1/(2 + 2·cosh)")
def _(log_nsr):
    return 1 / (2 + 2 * torch.cosh(log_nsr))


@right("08.level_density", "with exp")
def _(log_nsr):
    e = torch.exp(-log_nsr.abs())
    return e / (1 + e) ** 2


# -- 08.bend ---------------------------------------------------------------------------------------------------------


@wrong("08.bend", "length over distance")
def _(xs):
    way = (xs[1:] - xs[:-1]).flatten(2).norm(dim=-1).sum(0)
    return way / (xs[-1] - xs[0]).flatten(1).norm(dim=-1)


@wrong("08.bend", "length less distance")
def _(xs):
    way = (xs[1:] - xs[:-1]).flatten(2).norm(dim=-1).sum(0)
    return way - (xs[-1] - xs[0]).flatten(1).norm(dim=-1)


@wrong("08.bend", "the norm of everything")
def _(xs):
    way = sum((b - a).norm() for a, b in zip(xs, xs[1:]))
    return way / (xs[-1] - xs[0]).norm() - 1


@wrong("08.bend", "norm over the last dimension only")
def _(xs):
    way = (xs[1:] - xs[:-1]).norm(dim=-1).sum(0)
    return way / (xs[-1] - xs[0]).norm(dim=-1) - 1


@wrong("08.bend", "absolute differences")
def _(xs):
    way = (xs[1:] - xs[:-1]).abs().flatten(2).sum(-1).sum(0)
    return way / (xs[-1] - xs[0]).abs().flatten(1).sum(-1) - 1


@wrong("08.bend", "steps of one unit of time: the largest distance from the line")
def _(xs):
    k = torch.linspace(0, 1, len(xs)).view(-1, *[1] * (xs.ndim - 1)).to(xs)
    line = xs[0] + k * (xs[-1] - xs[0])
    return (xs - line).flatten(2).norm(dim=-1).amax(0)


@wrong("08.bend", "the share of the way that is too much")
def _(xs):
    way = (xs[1:] - xs[:-1]).flatten(2).norm(dim=-1).sum(0)
    return (way - (xs[-1] - xs[0]).flatten(1).norm(dim=-1)) / way


@right("08.bend", "root of a sum of squares")
def _(xs):
    flat = xs.flatten(2)
    way = sum(((b - a) ** 2).sum(-1).sqrt() for a, b in zip(flat, flat[1:]))
    ends = ((flat[-1] - flat[0]) ** 2).sum(-1).sqrt()
    return (way - ends) / ends


@right("08.bend", "point by point")
def _(xs):
    bends = []
    for b in range(xs.shape[1]):
        p = xs[:, b].reshape(len(xs), -1)
        bends.append((p[1:] - p[:-1]).norm(dim=1).sum() / (p[-1] - p[0]).norm() - 1)
    return torch.stack(bends)


# -- 08.bits_per_pixel -----------------------------------------------------------------------------------------------


@wrong("08.bits_per_pixel", "density only")
def _(log_p, pixels, low, high):
    return -log_p / (pixels * math.log(2))


@wrong("08.bits_per_pixel", "8 minus, as in glow")
def _(log_p, pixels, low, high):
    return -log_p / (pixels * math.log(2)) + 8


@wrong("08.bits_per_pixel", "256 greys in the range")
def _(log_p, pixels, low, high):
    return -log_p / (pixels * math.log(2)) + math.log2(256 / (high - low))


@wrong("08.bits_per_pixel", "the offset subtracted")
def _(log_p, pixels, low, high):
    return -log_p / (pixels * math.log(2)) - math.log2(255 / (high - low))


@wrong("08.bits_per_pixel", "log2 of a log")
def _(log_p, pixels, low, high):
    return -log_p / pixels + math.log2(255 / (high - low))


@wrong("08.bits_per_pixel", "offset divided by the pixels too")
def _(log_p, pixels, low, high):
    return (-log_p / math.log(2) + math.log2(255 / (high - low))) / pixels


@wrong("08.bits_per_pixel", "one picture's bits")
def _(log_p, pixels, low, high):
    return -log_p / math.log(2) + pixels * math.log2(255 / (high - low))


@wrong("08.bits_per_pixel", "a mean over the batch")
def _(log_p, pixels, low, high):
    return (-log_p / (pixels * math.log(2)) + math.log2(255 / (high - low))).mean()


@right("08.bits_per_pixel", "minus log2 of density and width")
def _(log_p, pixels, low, high):
    return -log_p / (pixels * math.log(2)) - math.log2((high - low) / 255)


@right("08.bits_per_pixel", "greys as units")
def _(log_p, pixels, low, high):
    in_greys = log_p - pixels * math.log(255 / (high - low))
    return -in_greys / math.log(2) / pixels


# -- 08.fewest_bits --------------------------------------------------------------------------------------------------


@wrong("08.fewest_bits", "sigma as it is")
def _(alpha, sigma, width):
    return math.log2(sigma * math.sqrt(2 * math.pi)) - math.log2(width)


@wrong("08.fewest_bits", "the entropy")
def _(alpha, sigma, width):
    return 0.5 * math.log2(2 * math.pi * math.e * (sigma / alpha) ** 2) - math.log2(width)


@wrong("08.fewest_bits", "natural logarithm")
def _(alpha, sigma, width):
    return math.log(sigma / alpha * math.sqrt(2 * math.pi) / width)


@wrong("08.fewest_bits", "log2 of noise over grey")
def _(alpha, sigma, width):
    return math.log2(sigma / alpha / width)


@wrong("08.fewest_bits", "no width")
def _(alpha, sigma, width):
    return math.log2(sigma / alpha * math.sqrt(2 * math.pi))


@wrong("08.fewest_bits", "never negative")
def _(alpha, sigma, width):
    return max(0, math.log2(sigma / alpha * math.sqrt(2 * math.pi) / width))


@wrong("08.fewest_bits", "2·pi·sigma")
def _(alpha, sigma, width):
    return math.log2(2 * math.pi * sigma / alpha / width)


@wrong("08.fewest_bits", "the variance under the root twice")
def _(alpha, sigma, width):
    return -math.log2(width / math.sqrt(2 * math.pi * (sigma / alpha)))


@right("08.fewest_bits", "half a log of the variance")
def _(alpha, sigma, width):
    variance = (sigma / alpha) ** 2
    return 0.5 * math.log2(2 * math.pi * variance) - math.log2(width)


@right("08.fewest_bits", "numpy")
def _(alpha, sigma, width):
    peak = alpha / (sigma * np.sqrt(2 * np.pi))
    return float(-np.log2(peak * width))
