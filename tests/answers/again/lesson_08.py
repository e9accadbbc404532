import itertools
import math

import numpy as np
import torch
from learn_answers import right, wrong
from torch.nn import functional as F


def like(t, x):
    """t (B,), so that it multiplies x (B, …)."""
    return t.reshape(-1, *[1] * (x.ndim - 1))


# ---- brownian


@wrong("08.brownian", "increments of dt, not of its root")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt[:, None] * z, 0)])


@wrong("08.brownian", "the times taken as evenly spaced")
def _(z, times):
    dt = (times[-1] - times[0]) / len(z)
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt**0.5 * z, 0)])


@wrong("08.brownian", "the first step for all steps")
def _(z, times):
    w = torch.cumsum((times[1] - times[0]) ** 0.5 * z, 0)
    return torch.cat([torch.zeros(1, z.shape[1]), w])


@wrong("08.brownian", "no row for the start")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return torch.cumsum(dt.sqrt()[:, None] * z, 0)


@wrong("08.brownian", "not summed")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return torch.cat([torch.zeros_like(z[:1]), dt.sqrt()[:, None] * z])


@wrong("08.brownian", "the right variance at each time, independent of one another")
def _(z, times):
    t = torch.tensor(times, dtype=z.dtype) - times[0]
    return torch.cat([torch.zeros_like(z[:1]), t[1:].sqrt()[:, None] * z])


@wrong("08.brownian", "increments of the time itself, summed")
def _(z, times):
    t = torch.tensor(times, dtype=z.dtype) - times[0]
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(t[1:].sqrt()[:, None] * z, 0)])


@wrong("08.brownian", "differences of the roots")
def _(z, times):
    root = torch.tensor(times, dtype=z.dtype).sqrt()
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(torch.diff(root)[:, None] * z, 0)])


@wrong("08.brownian", "the first increment counted from time 0")
def _(z, times):
    w, rows = torch.zeros_like(z[0]), [torch.zeros_like(z[0])]
    before = 0.0
    for k in range(len(z)):
        w = w + (times[k + 1] - before) ** 0.5 * z[k]
        before = times[k + 1]
        rows.append(w)
    return torch.stack(rows)


@wrong("08.brownian", "cumsum over the wrong axis")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt.sqrt()[:, None] * z, 1)])


@wrong("08.brownian", "the sum divided by the number of steps")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt.sqrt()[:, None] * z, 0) / len(z)])


@wrong("08.brownian", "no gradient")
def _(z, times):
    w = np.zeros((len(times), z.shape[1]))
    for k in range(len(times) - 1):
        w[k + 1] = w[k] + np.sqrt(times[k + 1] - times[k]) * z[k].detach().numpy()
    return torch.tensor(w, dtype=z.dtype)


@wrong("08.brownian", "z scaled in place")
def _(z, times):
    with torch.no_grad():
        for k in range(len(z)):
            z[k] *= (times[k + 1] - times[k]) ** 0.5
    return torch.cat([torch.zeros_like(z[:1]), z.cumsum(0)])


@wrong("08.brownian", "the start is the time of the start")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return times[0] + torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt.sqrt()[:, None] * z, 0)])


@wrong("08.brownian", "z added along, root after the sum")
def _(z, times):
    t = torch.tensor(times, dtype=z.dtype) - times[0]
    w = torch.cumsum(z, 0) / torch.arange(1, len(z) + 1).sqrt()[:, None]
    return torch.cat([torch.zeros_like(z[:1]), t[1:].sqrt()[:, None] * w])


@wrong("08.brownian", "the transpose: (N, K + 1)")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype))
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt.sqrt()[:, None] * z, 0)]).T


@wrong("08.brownian", "a bridge back to 0")
def _(z, times):
    t = torch.tensor(times, dtype=z.dtype)
    w = torch.cat([torch.zeros_like(z[:1]), torch.cumsum(t.diff().sqrt()[:, None] * z, 0)])
    return w - ((t - t[0]) / (t[-1] - t[0]))[:, None] * w[-1]


@wrong("08.brownian", "widths shifted by one: the step before")
def _(z, times):
    dt = torch.diff(torch.tensor(times, dtype=z.dtype)).roll(1)
    return torch.cat([torch.zeros_like(z[:1]), torch.cumsum(dt.sqrt()[:, None] * z, 0)])


@right("08.brownian", "a loop")
def _(z, times):
    rows = [torch.zeros(z.shape[1], dtype=z.dtype)]
    for (a, b), row in zip(itertools.pairwise(times), z, strict=True):
        rows.append(rows[-1] + math.sqrt(b - a) * row)
    return torch.stack(rows)


@right("08.brownian", "a lower triangular matrix, in float64")
def _(z, times):
    t = torch.tensor(times, dtype=torch.float64)
    lower = torch.tril(torch.ones(len(times), len(times) - 1, dtype=torch.float64), -1)
    return torch.einsum("jk,k,kn->jn", lower, (t[1:] - t[:-1]).sqrt(), z.double()).to(z.dtype)


@right("08.brownian", "padded, then summed")
def _(z, times):
    root = torch.tensor([b - a for a, b in zip(times, times[1:])], dtype=z.dtype) ** 0.5
    return F.pad(z * root.unsqueeze(1), (0, 0, 1, 0)).cumsum(dim=0)


# ---- euler_maruyama


def follow(step):
    """The loop, with a step of one's own: step(drift, diffusion, x, now, then, noise)."""

    def answer(drift, diffusion, x, times, noise):
        xs = [x]
        for now, then in itertools.pairwise(times):
            xs.append(step(drift, diffusion, xs[-1], now, then, noise))
        return torch.stack(xs)

    return answer


@follow
def heun(f, g, x, a, b, n):
    dw = abs(b - a) ** 0.5 * n()
    guess = x + f(x, a) * (b - a) + g(a) * dw
    return x + (f(x, a) + f(guess, b)) / 2 * (b - a) + g(a) * dw


@follow
def after_noise(f, g, x, a, b, n):
    x = x + g(a) * abs(b - a) ** 0.5 * n()
    return x + f(x, a) * (b - a)


wrong("08.euler_maruyama", "the noise by |dt|, not its root")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + g(a) * abs(b - a) * n())
)
wrong("08.euler_maruyama", "torch.sqrt of a negative dt")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + g(a) * torch.sqrt(torch.tensor(b - a)) * n())
)
wrong("08.euler_maruyama", "math.sqrt of a negative dt")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + g(a) * math.sqrt(b - a) * n())
)
wrong("08.euler_maruyama", "a step of |dt|")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * abs(b - a) + g(a) * abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "diffusion at the step's end")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + g(b) * abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "drift and diffusion at the step's end")(
    follow(lambda f, g, x, a, b, n: x + f(x, b) * (b - a) + g(b) * abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "drift and diffusion at the middle")(
    follow(lambda f, g, x, a, b, n: x + f(x, (a + b) / 2) * (b - a) + g((a + b) / 2) * abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "diffusion squared")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + g(a) ** 2 * abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "diffusion taken as the variance's rate")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + (g(a) * abs(b - a)) ** 0.5 * n())
)
wrong("08.euler_maruyama", "noise without diffusion")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "no noise")(follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a)))
wrong("08.euler_maruyama", "noise of its own")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) * (b - a) + g(a) * abs(b - a) ** 0.5 * torch.randn_like(x))
)
wrong("08.euler_maruyama", "the drift not multiplied by dt")(
    follow(lambda f, g, x, a, b, n: x + f(x, a) + g(a) * abs(b - a) ** 0.5 * n())
)
wrong("08.euler_maruyama", "Heun's step")(heun)
wrong("08.euler_maruyama", "drift at the place after the noise")(after_noise)


@wrong("08.euler_maruyama", "one noise for all steps")
def _(drift, diffusion, x, times, noise):
    z, xs = noise(), [x]
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * z
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "even steps")
def _(drift, diffusion, x, times, noise):
    dt, xs = (times[-1] - times[0]) / (len(times) - 1), [x]
    for t in times[:-1]:
        x = x + drift(x, t) * dt + diffusion(t) * abs(dt) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "without the start")
def _(drift, diffusion, x, times, noise):
    xs = []
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "the last x alone")
def _(drift, diffusion, x, times, noise):
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
    return x


@wrong("08.euler_maruyama", "a list of xs that are one tensor, changed in place")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        x += drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "right values, the caller's x changed in place")
def _(drift, diffusion, x, times, noise):
    xs = [x.clone()]
    for a, b in zip(times, times[1:]):
        x += drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
        xs.append(x.clone())
    return torch.stack(xs)


@wrong("08.euler_maruyama", "the points before the steps")
def _(drift, diffusion, x, times, noise):
    xs = [x, x]
    for a, b in list(zip(times, times[1:]))[:-1]:
        x = x + drift(x, a) * (b - a) + diffusion(a) * abs(b - a) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "no noise in the last step")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for k in range(len(times) - 1):
        dt = times[k + 1] - times[k]
        x = x + drift(x, times[k]) * dt
        if k < len(times) - 2:
            x = x + diffusion(times[k]) * abs(dt) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "dt ** 0.5, which is complex where dt < 0")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * (b - a) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "a root that is kept from NaN by a clamp")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        x = x + drift(x, a) * (b - a) + diffusion(a) * max(b - a, 0) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


@wrong("08.euler_maruyama", "Milstein's idea: noise with its own square")
def _(drift, diffusion, x, times, noise):
    xs = [x]
    for a, b in zip(times, times[1:]):
        dw = abs(b - a) ** 0.5 * noise()
        x = x + drift(x, a) * (b - a) + diffusion(a) * dw + 0.5 * diffusion(a) ** 2 * (dw**2 - abs(b - a))
        xs.append(x)
    return torch.stack(xs)


@right("08.euler_maruyama", "filled row by row")
def _(drift, diffusion, x, times, noise):
    with torch.no_grad():
        out = torch.empty(len(times), *x.shape, dtype=x.dtype)
        out[0] = x
        for k in range(1, len(times)):
            t, dt = times[k - 1], times[k] - times[k - 1]
            out[k] = out[k - 1] + dt * drift(out[k - 1], t)
            out[k] += diffusion(t) * math.sqrt(abs(dt)) * noise()
    return out


@right("08.euler_maruyama", "itertools.accumulate, noise asked first")
def _(drift, diffusion, x, times, noise):
    def step(x, ab):
        a, b = ab
        dw = noise() * np.sqrt(np.abs(b - a))
        return x + drift(x, a) * (b - a) + dw * diffusion(a)

    return torch.stack(list(itertools.accumulate(zip(times, times[1:]), step, initial=x)))


# ---- chain_betas


def ratio(signal):
    def answer(beta_min, beta_max, T):
        a = signal(torch.linspace(0, 1, T + 1, dtype=torch.float64), beta_min, beta_max)
        return 1 - a[1:] / a[:-1]

    return answer


@wrong("08.chain_betas", "the rate over T, at the steps' ends")
def _(beta_min, beta_max, T):
    t = torch.arange(1, T + 1, dtype=torch.float64) / T
    return (beta_min + t * (beta_max - beta_min)) / T


@wrong("08.chain_betas", "DDPM's linspace over T")
def _(beta_min, beta_max, T):
    return torch.linspace(beta_min / T, beta_max / T, T, dtype=torch.float64)


@wrong("08.chain_betas", "the rate itself, not over T")
def _(beta_min, beta_max, T):
    return torch.linspace(beta_min, beta_max, T, dtype=torch.float64)


@wrong("08.chain_betas", "the rate over T at the middle")
def _(beta_min, beta_max, T):
    t = (torch.arange(T, dtype=torch.float64) + 0.5) / T
    return (beta_min + t * (beta_max - beta_min)) / T


@wrong("08.chain_betas", "exp of the rate at the step's end")
def _(beta_min, beta_max, T):
    t = torch.arange(1, T + 1, dtype=torch.float64) / T
    return 1 - torch.exp(-(beta_min + t * (beta_max - beta_min)) / T)


@wrong("08.chain_betas", "exp of the rate at the step's start")
def _(beta_min, beta_max, T):
    t = torch.arange(T, dtype=torch.float64) / T
    return 1 - torch.exp(-(beta_min + t * (beta_max - beta_min)) / T)


wrong("08.chain_betas", "alpha, not alpha squared")(
    ratio(lambda t, low, high: torch.exp(-(low * t + (high - low) * t**2 / 2) / 2))
)
wrong("08.chain_betas", "no half before t squared")(
    ratio(lambda t, low, high: torch.exp(-(low * t + (high - low) * t**2)))
)
wrong("08.chain_betas", "the rate taken as constant: exp(-beta(t) t)")(
    ratio(lambda t, low, high: torch.exp(-(low + (high - low) * t) * t))
)
wrong("08.chain_betas", "the integral without beta_min")(
    ratio(lambda t, low, high: torch.exp(-(high - low) * t**2 / 2))
)
wrong("08.chain_betas", "the equation solved with alpha squared squared")(
    ratio(lambda t, low, high: torch.exp(-2 * (low * t + (high - low) * t**2 / 2)))
)


@wrong("08.chain_betas", "the ratio upside down")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return 1 - a[:-1] / a[1:]


@wrong("08.chain_betas", "the ratio, not 1 minus it")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return a[1:] / a[:-1]


@wrong("08.chain_betas", "1 minus alpha_bar")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)[1:]
    return 1 - torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))


@wrong("08.chain_betas", "differences of alpha_bar, not divided")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return a[:-1] - a[1:]


@wrong("08.chain_betas", "the integral over each step, without exp")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    return torch.diff(beta_min * t + (beta_max - beta_min) * t**2 / 2)


@wrong("08.chain_betas", "T + 1 numbers, with a 0 for step 0")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return torch.cat([torch.zeros(1, dtype=torch.float64), 1 - a[1:] / a[:-1]])


@wrong("08.chain_betas", "T times only: linspace(0, 1, T)")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return 1 - a / torch.cat([torch.ones(1, dtype=torch.float64), a[:-1]])


@wrong("08.chain_betas", "float32 throughout")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return 1 - a[1:] / a[:-1]


@wrong("08.chain_betas", "float32, made float64 at the end")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return (1 - a[1:] / a[:-1]).double()


@wrong("08.chain_betas", "clipped at 0.999 as in cosine schedules")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return (1 - a[1:] / a[:-1]).clamp(max=0.999)


@wrong("08.chain_betas", "last step first")
def _(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    a = torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2))
    return (1 - a[1:] / a[:-1]).flip(0)


@wrong("08.chain_betas", "linspace of the square roots, as in latent diffusion")
def _(beta_min, beta_max, T):
    return torch.linspace((beta_min / T) ** 0.5, (beta_max / T) ** 0.5, T, dtype=torch.float64) ** 2


@wrong("08.chain_betas", "Euler's steps of the equation for alpha squared")
def _(beta_min, beta_max, T):
    i = torch.arange(T, dtype=torch.float64) / T
    return (beta_min + i * (beta_max - beta_min)) / T


@wrong("08.chain_betas", "a Riemann sum of 1000 for the integral")
def _(beta_min, beta_max, T):
    n = 1000
    t = (torch.arange(T * n, dtype=torch.float64)) / (T * n)
    return 1 - torch.exp(-((beta_min + t * (beta_max - beta_min)) / (T * n)).reshape(T, n).sum(1))


@wrong("08.chain_betas", "a list")
def _(beta_min, beta_max, T):
    return [1 - math.exp(-(beta_min + (beta_max - beta_min) * (i - 0.5) / T) / T) for i in range(1, T + 1)]


right("08.chain_betas", "the ratio of the path")(
    ratio(lambda t, low, high: torch.exp(-(low * t + (high - low) * t**2 / 2)))
)


@right("08.chain_betas", "expm1 of the rate at the middle, which is exact for a line")
def _(beta_min, beta_max, T):
    i = torch.arange(1, T + 1, dtype=torch.float64)
    return -torch.expm1(-(beta_min + (i - 0.5) / T * (beta_max - beta_min)) / T)


@right("08.chain_betas", "a loop, in Python's numbers")
def _(beta_min, beta_max, T):
    def signal(t):
        return math.exp(-t * (beta_min + (beta_max - beta_min) * t / 2))

    betas, bar = [], 1.0
    for i in range(1, T + 1):
        betas.append(1 - signal(i / T) / bar)
        bar *= 1 - betas[-1]
    return torch.tensor(betas, dtype=torch.float64)


# ---- drift_and_diffusion
wrong("08.drift_and_diffusion", "d_alpha and d_sigma")(lambda a, s, da, ds: (da, ds))
wrong("08.drift_and_diffusion", "the variance's rate without what the drift does to it")(
    lambda a, s, da, ds: (da / a, math.sqrt(abs(2 * s * ds)))
)
wrong("08.drift_and_diffusion", "g squared")(lambda a, s, da, ds: (da / a, 2 * s * ds - 2 * da / a * s**2))
wrong("08.drift_and_diffusion", "the drift's part once, not twice")(
    lambda a, s, da, ds: (da / a, math.sqrt(abs(2 * s * ds - da / a * s**2)))
)
wrong("08.drift_and_diffusion", "the drift's part added")(
    lambda a, s, da, ds: (da / a, math.sqrt(abs(2 * s * ds + 2 * da / a * s**2)))
)
wrong("08.drift_and_diffusion", "no factor 2")(lambda a, s, da, ds: (da / a, math.sqrt(abs(s * ds - da / a * s**2))))
wrong("08.drift_and_diffusion", "f of alpha squared")(
    lambda a, s, da, ds: (2 * da / a, math.sqrt(2 * s * ds - 2 * da / a * s**2))
)
wrong("08.drift_and_diffusion", "f is d_alpha, in both")(
    lambda a, s, da, ds: (da, math.sqrt(abs(2 * s * ds - 2 * da * s**2)))
)
wrong("08.drift_and_diffusion", "f is d_alpha, g right")(
    lambda a, s, da, ds: (da, math.sqrt(2 * s * ds - 2 * da / a * s**2))
)
wrong("08.drift_and_diffusion", "g from the standard deviation: d_sigma - f sigma")(
    lambda a, s, da, ds: (da / a, ds - da / a * s)
)
wrong("08.drift_and_diffusion", "g of the VP path only: sqrt(-2 f)")(
    lambda a, s, da, ds: (da / a, math.sqrt(max(-2 * da / a, 0)))
)
wrong("08.drift_and_diffusion", "f with the other sign, g right")(
    lambda a, s, da, ds: (-da / a, math.sqrt(2 * s * ds - 2 * da / a * s**2))
)
wrong("08.drift_and_diffusion", "f from sigma: d_sigma / sigma")(
    lambda a, s, da, ds: (ds / s, math.sqrt(abs(2 * s * ds - 2 * da / a * s**2)))
)
wrong("08.drift_and_diffusion", "rate of sigma over alpha squared, not scaled back")(
    lambda a, s, da, ds: (da / a, math.sqrt(2 * (s / a) * (ds * a - s * da) / a**2))
)
wrong("08.drift_and_diffusion", "g the other root")(
    lambda a, s, da, ds: (da / a, -math.sqrt(2 * s * ds - 2 * da / a * s**2))
)
wrong("08.drift_and_diffusion", "the two swapped")(
    lambda a, s, da, ds: (math.sqrt(2 * s * ds - 2 * da / a * s**2), da / a)
)
right("08.drift_and_diffusion", "the rate of (sigma/alpha) squared, scaled back")(
    lambda a, s, da, ds: (da / a, a * math.sqrt(max(0.0, 2 * s * (ds * a - s * da) / a**3)))
)


@right("08.drift_and_diffusion", "by autograd, through logarithms")
def _(alpha, sigma, d_alpha, d_sigma):
    t = torch.zeros((), dtype=torch.float64, requires_grad=True)
    a, s = alpha + t * d_alpha, sigma + t * d_sigma
    (f,) = torch.autograd.grad(torch.log(a), t, retain_graph=True)
    (rate,) = torch.autograd.grad(torch.log(s / a), t)
    return f.item(), math.sqrt(max(2 * rate.item(), 0)) * sigma


@right("08.drift_and_diffusion", "a tuple of NumPy's numbers")
def _(alpha, sigma, d_alpha, d_sigma):
    f = np.float64(d_alpha) / alpha
    return f, np.sqrt(np.maximum(2 * sigma * (d_sigma - f * sigma), 0))


for label, formula in {
    "plain": lambda a, s, da, ds: (da / a, math.sqrt(2 * s * ds - 2 * da / a * s**2)),
    "factored by sigma": lambda a, s, da, ds: (da / a, math.sqrt(2 * s * (ds - da / a * s))),
    "factored by sigma squared": lambda a, s, da, ds: (da / a, math.sqrt(2 * s**2 * (ds / s - da / a))),
    "over alpha": lambda a, s, da, ds: (da / a, (2 * s * (ds * a - s * da) / a) ** 0.5),
    "of y = x / alpha": lambda a, s, da, ds: (da / a, a * math.sqrt(2 * (s / a) * (ds / a - s * da / a**2))),
    "2 f sigma squared last": lambda a, s, da, ds: (da / a, np.sqrt(2 * s * ds - 2 * (da / a) * s * s)),
}.items():
    right("08.drift_and_diffusion", label)(formula)

# ---- reverse_step


def back(share=lambda eta: (1 + eta**2) / 2, noise=lambda eta: eta):
    def answer(x, score, f, g, dt, eta, z):
        return x + (f * x - share(eta) * g**2 * score) * dt + noise(eta) * g * abs(dt) ** 0.5 * z

    return answer


wrong("08.reverse_step", "the reverse SDE's drift for every eta")(back(lambda eta: 1.0))
wrong("08.reverse_step", "the ODE's drift for every eta")(back(lambda eta: 0.5))
wrong("08.reverse_step", "drift between the two in proportion to eta")(back(lambda eta: (1 + eta) / 2))
wrong("08.reverse_step", "eta squared in the drift, none at eta 0")(back(lambda eta: eta**2))
wrong("08.reverse_step", "eta in the drift, none at eta 0")(back(lambda eta: eta))
wrong("08.reverse_step", "half of eta squared, the forward part forgotten")(back(lambda eta: eta**2 / 2))
wrong("08.reverse_step", "no half")(back(lambda eta: 1 + eta**2))
wrong("08.reverse_step", "1 - eta squared / 2")(back(lambda eta: 1 - eta**2 / 2))
wrong("08.reverse_step", "(1 - eta squared) / 2: as if it ran forward")(back(lambda eta: (1 - eta**2) / 2))
wrong("08.reverse_step", "full noise for every eta")(back(noise=lambda eta: 1.0))
wrong("08.reverse_step", "the noise by eta squared")(back(noise=lambda eta: eta**2))
wrong("08.reverse_step", "the noise by the root of eta")(back(noise=lambda eta: eta**0.5))
wrong("08.reverse_step", "eta clipped to 1")(back(lambda eta: (1 + min(eta, 1) ** 2) / 2, lambda eta: min(eta, 1)))


@wrong("08.reverse_step", "root of dt < 0")
def _(x, score, f, g, dt, eta, z):
    dt = torch.tensor(dt)
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * torch.sqrt(dt) * z


@wrong("08.reverse_step", "noise by |dt|")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * abs(dt) * z


@wrong("08.reverse_step", "a step of |dt|: forward")
def _(x, score, f, g, dt, eta, z):
    dt = abs(dt)
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * dt**0.5 * z


@wrong("08.reverse_step", "the score added")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x + (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "g, not g squared, at the score")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - (1 + eta**2) / 2 * g * score) * dt + eta * g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "the drift f without x")
def _(x, score, f, g, dt, eta, z):
    return x + (f - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "the drift with the sign of Anderson's reversed time")
def _(x, score, f, g, dt, eta, z):
    return x + (-f * x + (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "eta·g in the place of g in the reverse SDE")
def _(x, score, f, g, dt, eta, z):
    g = eta * g
    return x + (f * x - g**2 * score) * dt + g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "noise without g")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "SDE or ODE by a switch")
def _(x, score, f, g, dt, eta, z):
    if eta == 0:
        return x + (f * x - 0.5 * g**2 * score) * dt
    return x + (f * x - g**2 * score) * dt + g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "no gradient through the score")
def _(x, score, f, g, dt, eta, z):
    score = score.detach()
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "x changed in place")
def _(x, score, f, g, dt, eta, z):
    with torch.no_grad():
        x += (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * (-dt) ** 0.5 * z
    return x


@wrong("08.reverse_step", "dt ** 0.5, which is complex")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * dt**0.5 * z


@wrong("08.reverse_step", "math.sqrt(dt)")
def _(x, score, f, g, dt, eta, z):
    return x + (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * math.sqrt(dt) * z


@wrong("08.reverse_step", "a step of -dt with the reversed drift, the score's sign wrong")
def _(x, score, f, g, dt, eta, z):
    return x - (f * x - (1 + eta**2) / 2 * g**2 * score) * dt + eta * g * (-dt) ** 0.5 * z


@wrong("08.reverse_step", "mixed linearly from ODE step and SDE step")
def _(x, score, f, g, dt, eta, z):
    ode = x + (f * x - g**2 / 2 * score) * dt
    sde = x + (f * x - g**2 * score) * dt + g * (-dt) ** 0.5 * z
    return (1 - eta) * ode + eta * sde


@right("08.reverse_step", "the ODE, and Langevin's step at its side")
def _(x, score, f, g, dt, eta, z):
    h = -dt
    ode = f * x - g**2 * score / 2
    return x - h * ode + h * (eta * g) ** 2 / 2 * score + math.sqrt(h) * eta * g * z


@right("08.reverse_step", "in float64")
def _(x, score, f, g, dt, eta, z):
    a, s, n = x.double(), score.double(), z.double()
    new = a * (1 + f * dt) - 0.5 * (g * g + (eta * g) ** 2) * dt * s + np.sqrt((eta * g) ** 2 * abs(dt)) * n
    return new.to(x.dtype)


@right("08.reverse_step", "torch.add, out of place")
def _(x, score, f, g, dt, eta, z):
    drift = torch.add(f * x, score, alpha=-(g**2) * (1 + eta**2) / 2)
    return torch.add(x.add(drift, alpha=dt), z, alpha=eta * g * math.sqrt(-dt))


# ---- velocity
wrong("08.velocity", "x in the place of x0")(lambda x, eps, a, s, da, ds: da * x + ds * eps)
wrong("08.velocity", "the drift alone")(lambda x, eps, a, s, da, ds: da / a * x)
wrong("08.velocity", "the drift, and d_sigma eps")(lambda x, eps, a, s, da, ds: da / a * x + ds * eps)
wrong("08.velocity", "the reverse SDE's drift: no half")(
    lambda x, eps, a, s, da, ds: da / a * x + 2 * (ds - da / a * s) * eps
)
wrong("08.velocity", "the score with the wrong sign")(lambda x, eps, a, s, da, ds: da / a * x - (ds - da / a * s) * eps)
wrong("08.velocity", "eps taken as the score")(lambda x, eps, a, s, da, ds: da / a * x - (s * ds - da / a * s**2) * eps)
wrong("08.velocity", "the score is -eps over sigma squared")(
    lambda x, eps, a, s, da, ds: da / a * x + (ds - da / a * s) * eps / s
)
wrong("08.velocity", "the score is -eps: not divided by sigma")(
    lambda x, eps, a, s, da, ds: da / a * x + (s * ds - da / a * s**2) * eps
)
wrong("08.velocity", "the straight path's: eps - x0")(lambda x, eps, a, s, da, ds: eps - (x - s * eps) / a)
wrong("08.velocity", "x0 not divided by alpha")(lambda x, eps, a, s, da, ds: da * (x - s * eps) + ds * eps)
wrong("08.velocity", "x0 with alpha + sigma = 1")(lambda x, eps, a, s, da, ds: da * (x - s * eps) / (1 - s) + ds * eps)
wrong("08.velocity", "x0 with alpha squared + sigma squared = 1")(
    lambda x, eps, a, s, da, ds: da * (x - (abs(1 - a**2)) ** 0.5 * eps) / a + ds * eps
)
wrong("08.velocity", "the whole of it negated")(lambda x, eps, a, s, da, ds: -(da * (x - s * eps) / a + ds * eps))
wrong("08.velocity", "v of lesson 5: alpha eps - sigma x0")(
    lambda x, eps, a, s, da, ds: a * eps - s * (x - s * eps) / a
)
wrong("08.velocity", "g without the drift's part")(
    lambda x, eps, a, s, da, ds: da / a * x + 0.5 * (2 * s * ds) * eps / s
)
wrong("08.velocity", "eps detached")(lambda x, eps, a, s, da, ds: da * (x - s * eps.detach()) / a + ds * eps.detach())
wrong("08.velocity", "g squared's root forced: abs of it")(
    lambda x, eps, a, s, da, ds: da / a * x + abs(s * ds - da / a * s**2) ** 0.5 * eps / s
)


@wrong("08.velocity", "forward SDE's drift against the score, sign of the whole second half")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * d_sigma - 2 * f * sigma**2
    return f * x + g2 * (-eps / sigma)


@wrong("08.velocity", "VP's: f (x - eps / sigma)")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return d_alpha / alpha * (x - eps / sigma)


@wrong("08.velocity", "alpha clamped")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    x0 = (x - sigma * eps) / max(alpha, 0.1)
    return d_alpha * x0 + d_sigma * eps


@wrong("08.velocity", "x0 clipped to [-1, 1], as samplers do")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    return d_alpha * ((x - sigma * eps) / alpha).clamp(-1, 1) + d_sigma * eps


@right("08.velocity", "through x0")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    x0 = (x - sigma * eps) / alpha
    return d_alpha * x0 + d_sigma * eps


@right("08.velocity", "f, g and the score, in float64")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * d_sigma - 2 * f * sigma**2
    return (f * x.double() - g2 / 2 * (-eps.double() / sigma)).to(x.dtype)


@right("08.velocity", "lerped by the rate of log(sigma/alpha)")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    rate = d_sigma / sigma - d_alpha / alpha
    return (d_alpha / alpha) * x + sigma * rate * eps


@right("08.velocity", "g by a root, as the exercise before had it")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g = math.sqrt(2 * sigma * d_sigma - 2 * f * sigma**2)
    return f * x - 0.5 * g**2 * (-eps / sigma)


@right("08.velocity", "as the derivative of the path, at x0 and eps held")
def _(x, eps, alpha, sigma, d_alpha, d_sigma):
    x0 = (x - sigma * eps) / alpha
    return torch.stack([x0, eps], -1) @ torch.tensor([d_alpha, d_sigma], dtype=x.dtype)


# ---- flow_loss


def loss(target=lambda x0, e: e - x0, point=lambda x0, e, t: (1 - t) * x0 + t * e, times=lambda t: t):
    def answer(network, x0, eps, t):
        error = network(point(x0, eps, like(t, x0)), times(t)) - target(x0, eps)
        return (error**2).reshape(len(x0), -1).mean(1)

    return answer


wrong("08.flow_loss", "towards the data: x0 - eps")(loss(lambda x0, e: x0 - e))
wrong("08.flow_loss", "the noise as the target")(loss(lambda x0, e: e))
wrong("08.flow_loss", "the data as the target")(loss(lambda x0, e: x0))
wrong("08.flow_loss", "data at t = 1")(loss(point=lambda x0, e, t: t * x0 + (1 - t) * e))
wrong("08.flow_loss", "data at t = 1, target too")(loss(lambda x0, e: x0 - e, lambda x0, e, t: t * x0 + (1 - t) * e))
wrong("08.flow_loss", "roots: a variance-preserving path")(
    loss(point=lambda x0, e, t: (1 - t) ** 0.5 * x0 + t**0.5 * e)
)
wrong("08.flow_loss", "sigma_min: a little noise at the data")(
    loss(lambda x0, e: e - (1 - 1e-2) * x0, lambda x0, e, t: (1 - t) * x0 + (1e-2 + (1 - 1e-2) * t) * e)
)
wrong("08.flow_loss", "time in steps of a thousand")(loss(times=lambda t: 1000 * t))
wrong("08.flow_loss", "the network told 1 - t")(loss(times=lambda t: 1 - t))
wrong("08.flow_loss", "targets detached")(loss(lambda x0, e: (e - x0).detach()))
wrong("08.flow_loss", "the point detached")(loss(point=lambda x0, e, t: ((1 - t) * x0 + t * e).detach()))
wrong("08.flow_loss", "the network at the data")(loss(point=lambda x0, e, t: x0))


@wrong("08.flow_loss", "the velocity from the point: eps - x_t")
def _(network, x0, eps, t):
    xt = (1 - like(t, x0)) * x0 + like(t, x0) * eps
    return (network(xt, t) - (eps - xt)).square().reshape(len(x0), -1).mean(1)


@wrong("08.flow_loss", "one mean over all")
def _(network, x0, eps, t):
    s = like(t, x0)
    return F.mse_loss(network((1 - s) * x0 + s * eps, t), eps - x0)


@wrong("08.flow_loss", "the sum over a point's entries")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().reshape(len(x0), -1).sum(1)


@wrong("08.flow_loss", "the mean over the last axis alone")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().mean(-1)


@wrong("08.flow_loss", "the mean over the batch")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().mean(0)


@wrong("08.flow_loss", "the error not squared")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).abs().reshape(len(x0), -1).mean(1)


@wrong("08.flow_loss", "a root at the end")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().reshape(len(x0), -1).mean(1).sqrt()


@wrong("08.flow_loss", "t broadcast over the last axis")
def _(network, x0, eps, t):
    xt = (1 - t) * x0 + t * eps
    return (network(xt, t) - (eps - x0)).square().reshape(len(x0), -1).mean(1)


@wrong("08.flow_loss", "t as (B, 1): for flat data only")
def _(network, x0, eps, t):
    s = t[:, None]
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().mean(1)


@wrong("08.flow_loss", "t as (B, 1, 1, 1): for pictures only")
def _(network, x0, eps, t):
    s = t[:, None, None, None]
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().mean((1, 2, 3))


@wrong("08.flow_loss", "the network given the t that was reshaped")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, s) - (eps - x0)).square().reshape(len(x0), -1).mean(1)


@wrong("08.flow_loss", "weighted by t")
def _(network, x0, eps, t):
    s = like(t, x0)
    return t * (network((1 - s) * x0 + s * eps, t) - (eps - x0)).square().reshape(len(x0), -1).mean(1)


@wrong("08.flow_loss", "a division by t: 1 / t weights")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).pow(2).flatten(1).mean(1) / t


@wrong("08.flow_loss", "the network's prediction detached")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t).detach() - (eps - x0)).pow(2).flatten(1).mean(1)


@wrong("08.flow_loss", "Huber's loss")
def _(network, x0, eps, t):
    s = like(t, x0)
    each = F.smooth_l1_loss(network((1 - s) * x0 + s * eps, t), eps - x0, reduction="none")
    return each.flatten(1).mean(1)


@wrong("08.flow_loss", "half of the squared error")
def _(network, x0, eps, t):
    s = like(t, x0)
    return 0.5 * (network((1 - s) * x0 + s * eps, t) - (eps - x0)).pow(2).flatten(1).mean(1)


@wrong("08.flow_loss", "keepdim: (B, 1)")
def _(network, x0, eps, t):
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).pow(2).flatten(1).mean(1, keepdim=True)


@wrong("08.flow_loss", "times of its own")
def _(network, x0, eps, t):
    t = torch.rand(len(x0))
    s = like(t, x0)
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).pow(2).flatten(1).mean(1)


@wrong("08.flow_loss", "one time for the batch")
def _(network, x0, eps, t):
    s = t[0]
    return (network((1 - s) * x0 + s * eps, t) - (eps - x0)).pow(2).flatten(1).mean(1)


@right("08.flow_loss", "lerp, mse_loss and flatten")
def _(network, x0, eps, t):
    xt = torch.lerp(x0, eps, like(t, x0).expand_as(x0))
    each = F.mse_loss(network(xt, t), eps - x0, reduction="none")
    return each.view(x0.shape[0], -1).mean(dim=-1)


@right("08.flow_loss", "einsum and a squared norm over the count")
def _(network, x0, eps, t):
    xt = torch.einsum("b,b...->b...", 1 - t, x0) + torch.einsum("b,b...->b...", t, eps)
    error = (network(xt, t) + x0 - eps).reshape(len(x0), -1)
    return torch.einsum("bd,bd->b", error, error) / error.shape[1]


@right("08.flow_loss", "the path from the data on, a loop over points for the means")
def _(network, x0, eps, t):
    v = eps - x0
    guess = network(x0 + like(t, x0) * v, t)
    return torch.stack([((a - b) ** 2).mean() for a, b in zip(guess, v)])


@right("08.flow_loss", "mean over all but the first axis, by dims")
def _(network, x0, eps, t):
    s = t[(...,) + (None,) * (x0.ndim - 1)]
    return ((network((1 - s) * x0 + s * eps, t) - eps + x0) ** 2).mean(dim=list(range(1, x0.ndim)))


@right("08.flow_loss", "flatten from 1")
def _(network, x0, eps, t):
    s = t.view(t.shape + (1,) * (x0.ndim - 1))
    return (network(s * eps + (1 - s) * x0, t) - (eps - x0)).pow(2).flatten(1).mean(1)


# ---- converted


def conv(
    velocity=lambda u: -u, time=lambda t: 1 - t, x0=lambda x, v, t: x - t * v, eps=lambda x, v, t: x + (1 - t) * v
):
    def answer(theirs, x, t):
        v, s = velocity(theirs(x, time(t))), like(t, x)
        return v, x0(x, v, s), eps(x, v, s)

    return answer


wrong("08.converted", "the sign kept, in all")(conv(lambda u: u))
wrong("08.converted", "our time for theirs")(conv(time=lambda t: t))
wrong("08.converted", "our time for theirs, the sign kept")(conv(lambda u: u, lambda t: t))
wrong("08.converted", "data and noise swapped by their times")(
    conv(x0=lambda x, v, t: x + (1 - t) * v, eps=lambda x, v, t: x - t * v)
)
wrong("08.converted", "x0 with 1 - t")(conv(x0=lambda x, v, t: x - (1 - t) * v))
wrong("08.converted", "x0 and eps with each other's times")(
    conv(x0=lambda x, v, t: x - (1 - t) * v, eps=lambda x, v, t: x + t * v)
)
wrong("08.converted", "x0 right, eps = x0 - v")(conv(eps=lambda x, v, t: x - t * v - v))
wrong("08.converted", "eps as v + x")(conv(eps=lambda x, v, t: x + v))
wrong("08.converted", "x0 as x - v")(conv(x0=lambda x, v, t: x - v))
wrong("08.converted", "eps divided by t")(conv(eps=lambda x, v, t: (x - (1 - t) * (x - t * v)) / t))
wrong("08.converted", "x0 divided by 1 - t")(conv(x0=lambda x, v, t: (x - t * (x + (1 - t) * v)) / (1 - t)))
wrong("08.converted", "x0 with a clamp of 1 - t at the division")(
    conv(x0=lambda x, v, t: (x - t * (x + (1 - t) * v)) / (1 - t).clamp(min=1e-3))
)
wrong("08.converted", "x0 clipped to [-1, 1]")(conv(x0=lambda x, v, t: (x - t * v).clamp(-1, 1)))


@wrong("08.converted", "their velocity for the velocity, x0 and eps right")
def _(theirs, x, t):
    u, s = theirs(x, 1 - t), like(t, x)
    return u, x + s * u, x - (1 - s) * u


@wrong("08.converted", "asked for twice")
def _(theirs, x, t):
    s = like(t, x)
    return -theirs(x, 1 - t), x + s * theirs(x, 1 - t), x - (1 - s) * theirs(x, 1 - t)


@wrong("08.converted", "point by point")
def _(theirs, x, t):
    v = -torch.cat([theirs(x[i : i + 1], 1 - t[i : i + 1]) for i in range(len(x))])
    return v, x - like(t, x) * v, x + (1 - like(t, x)) * v


@wrong("08.converted", "order x0, eps, velocity")
def _(theirs, x, t):
    v, s = -theirs(x, 1 - t), like(t, x)
    return x - s * v, x + (1 - s) * v, v


@wrong("08.converted", "order velocity, eps, x0")
def _(theirs, x, t):
    v, s = -theirs(x, 1 - t), like(t, x)
    return v, x + (1 - s) * v, x - s * v


@wrong("08.converted", "the velocity alone")
def _(theirs, x, t):
    return -theirs(x, 1 - t)


@wrong("08.converted", "without gradient")
def _(theirs, x, t):
    with torch.no_grad():
        v = -theirs(x, 1 - t)
    return v, x - like(t, x) * v, x + (1 - like(t, x)) * v


@wrong("08.converted", "t not reshaped")
def _(theirs, x, t):
    v = -theirs(x, 1 - t)
    return v, x - t * v, x + (1 - t) * v


@wrong("08.converted", "t as (B, 1)")
def _(theirs, x, t):
    v, s = -theirs(x, 1 - t), t[:, None]
    return v, x - s * v, x + (1 - s) * v


@wrong("08.converted", "the s given reshaped")
def _(theirs, x, t):
    s = like(1 - t, x)
    u = theirs(x, s)
    return -u, x + (1 - s) * u, x - s * u


@wrong("08.converted", "x put back at another point: 1 - x")
def _(theirs, x, t):
    v, s = -theirs(1 - x, 1 - t), like(t, x)
    return v, x - s * v, x + (1 - s) * v


@wrong("08.converted", "the velocity over a safe time: x0 right by t clamped")
def _(theirs, x, t):
    v = -theirs(x, 1 - t)
    s = like(t, x).clamp(1e-3, 1 - 1e-3)
    return v, x - s * v, x + (1 - s) * v


@wrong("08.converted", "only for one time: t[0]")
def _(theirs, x, t):
    v, s = -theirs(x, 1 - t), t[0]
    return v, x - s * v, x + (1 - s) * v


@wrong("08.converted", "x detached for the network")
def _(theirs, x, t):
    v, s = -theirs(x.detach(), 1 - t), like(t, x)
    return v, x - s * v, x + (1 - s) * v


@wrong("08.converted", "velocity negated, ends of theirs with the sign of ours")
def _(theirs, x, t):
    v, s = -theirs(x, 1 - t), like(t, x)
    return v, x + s * v, x - (1 - s) * v


@right("08.converted", "their notation throughout, negated at the end")
def _(theirs, x, t):
    s = 1.0 - t
    u = theirs(x, s)
    data = x + torch.einsum("b,b...->b...", 1 - s, u)
    noise = x - torch.einsum("b,b...->b...", s, u)
    return u.neg(), data, noise


@right("08.converted", "eps from x0, a list")
def _(theirs, x, t):
    v = -theirs(x, 1 - t)
    x0 = x - v * t.view(-1, *(1,) * (x.dim() - 1))
    return [v, x0, x0 + v]


# ---- level_density
wrong("08.level_density", "sigmoid: the time, or the share below")(lambda x: torch.sigmoid(x))
wrong("08.level_density", "one over it: dl/dt")(lambda x: 1 / (torch.sigmoid(x) * torch.sigmoid(-x)))
wrong("08.level_density", "its logarithm")(lambda x: F.logsigmoid(x) + F.logsigmoid(-x))
wrong("08.level_density", "a standard Gaussian")(lambda x: torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi))
wrong("08.level_density", "uniform")(lambda x: torch.ones_like(x))
wrong("08.level_density", "exp for the ratio: inf / inf far out")(lambda x: torch.exp(x) / (1 + torch.exp(x)) ** 2)
wrong("08.level_density", "exp(-x): inf / inf on the other side")(lambda x: torch.exp(-x) / (1 + torch.exp(-x)) ** 2)
wrong("08.level_density", "of log of the ratio's square")(lambda x: torch.sigmoid(x / 2) * torch.sigmoid(-x / 2) / 2)
wrong("08.level_density", "of the ratio, not of its logarithm")(lambda x: 1 / (1 + torch.exp(x)) ** 2)
wrong("08.level_density", "twice as steep")(lambda x: 2 * torch.sigmoid(2 * x) * torch.sigmoid(-2 * x))
wrong("08.level_density", "log_nsr taken as the ratio itself")(lambda x: 1 / (1 + x) ** 2)
wrong("08.level_density", "log_nsr taken as the time")(lambda x: x * (1 - x))
wrong("08.level_density", "made to sum to 1 over the given levels")(
    lambda x: torch.softmax(F.logsigmoid(x) + F.logsigmoid(-x), 0)
)
wrong("08.level_density", "the cosine path's: sech / pi")(lambda x: 1 / (math.pi * torch.cosh(x)))
wrong("08.level_density", "no square: exp(x) / (1 + exp(x))")(lambda x: torch.exp(x) / (1 + torch.exp(x)))
wrong("08.level_density", "a histogram of sampled times")(
    lambda x: torch.stack(
        [((torch.logit((torch.arange(10000) + 0.5) / 10000) - v).abs() < 0.1).float().mean() / 0.2 for v in x]
    )
)
wrong("08.level_density", "of the logarithm to base 10")(
    lambda x: math.log(10) * torch.sigmoid(x * math.log(10)) * torch.sigmoid(-x * math.log(10))
)
wrong("08.level_density", "the sum for the product: sigmoid + (1 - sigmoid)")(
    lambda x: torch.sigmoid(x) + torch.sigmoid(-x)
)


@wrong("08.level_density", "naive, with a clamp that hides the overflow at 20")
def _(log_nsr):
    x = log_nsr.clamp(-3, 3)
    return torch.exp(x) / (1 + torch.exp(x)) ** 2


@wrong("08.level_density", "of log(alpha/sigma) and t: negative")
def _(log_nsr):
    return -torch.sigmoid(log_nsr) * torch.sigmoid(-log_nsr)


@wrong("08.level_density", "at t in place of its level: naive with t = exp / (1 + exp), dl/dt forgotten 1/t")
def _(log_nsr):
    t = torch.sigmoid(log_nsr)
    return t**2


@wrong("08.level_density", "1 - t")
def _(log_nsr):
    return 1 - torch.sigmoid(log_nsr)


right("08.level_density", "s (1 - s), in float64")(
    lambda x: (torch.sigmoid(x.double()) * (1 - torch.sigmoid(x.double()))).to(x.dtype)
)
right("08.level_density", "sech squared")(lambda x: 1 / (4 * torch.cosh(x.double() / 2) ** 2))


@right("08.level_density", "autograd of the time")
def _(log_nsr):
    with torch.enable_grad():
        x = log_nsr.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(torch.sigmoid(-x.abs()).sum(), x)
    return slope.abs() + torch.where(log_nsr == 0, 0.25 - slope.abs(), torch.zeros_like(slope))


right("08.level_density", "torch.distributions, exp of the logistic's log_prob")(
    lambda x: torch.exp(-x.abs() - 2 * torch.log1p(torch.exp(-x.abs())))
)


@right("08.level_density", "(1 - tanh squared) / 4")
def _(log_nsr):
    return (1 - torch.tanh(log_nsr.double() / 2) ** 2) / 4


@right("08.level_density", "softmax of two, multiplied")
def _(log_nsr):
    return torch.softmax(torch.stack([log_nsr, torch.zeros_like(log_nsr)]), 0).prod(0)


# ---- bend


def parts(xs):
    steps = torch.diff(xs, dim=0).flatten(2) if xs.ndim > 2 else torch.diff(xs, dim=0)[..., None]
    whole = (xs[-1] - xs[0]).reshape(xs.shape[1], -1)
    return steps, whole


def of(formula):
    return lambda xs: formula(*parts(xs))


wrong("08.bend", "1 not subtracted")(of(lambda s, w: s.norm(dim=-1).sum(0) / w.norm(dim=-1)))
wrong("08.bend", "the difference, not as a share")(of(lambda s, w: s.norm(dim=-1).sum(0) - w.norm(dim=-1)))
wrong("08.bend", "as a share of the way walked")(of(lambda s, w: 1 - w.norm(dim=-1) / s.norm(dim=-1).sum(0)))
wrong("08.bend", "upside down")(of(lambda s, w: w.norm(dim=-1) / s.norm(dim=-1).sum(0) - 1))
wrong("08.bend", "squared lengths")(of(lambda s, w: s.square().sum((0, 2)) / w.square().sum(-1) - 1))
wrong("08.bend", "squared lengths, times the steps: for even pace")(
    of(lambda s, w: len(s) * s.square().sum((0, 2)) / w.square().sum(-1) - 1)
)
wrong("08.bend", "root of the sum of squares")(of(lambda s, w: s.square().sum((0, 2)).sqrt() / w.norm(dim=-1) - 1))
wrong("08.bend", "mean step for the sum")(of(lambda s, w: s.norm(dim=-1).mean(0) / w.norm(dim=-1) - 1))
wrong("08.bend", "distances along the axes")(of(lambda s, w: s.abs().sum((0, 2)) / w.abs().sum(-1) - 1))
wrong("08.bend", "per coordinate, then the mean")(of(lambda s, w: (s.abs().sum(0) / w.abs()).mean(-1) - 1))
wrong("08.bend", "the batch's mean")(of(lambda s, w: (s.norm(dim=-1).sum(0) / w.norm(dim=-1) - 1).mean()))
wrong("08.bend", "over the batch's total")(of(lambda s, w: s.norm(dim=-1).sum(0) / w.norm(dim=-1).sum() - 1))
wrong("08.bend", "in percent")(of(lambda s, w: 100 * (s.norm(dim=-1).sum(0) / w.norm(dim=-1) - 1)))
wrong("08.bend", "deviation of the velocity from the straight one")(
    of(lambda s, w: (len(s) * s - w).square().mean((0, 2)))
)
wrong("08.bend", "deviation of the velocity, as a share")(
    of(lambda s, w: (len(s) * s - w).square().sum(-1).mean(0) / w.square().sum(-1))
)
wrong("08.bend", "without the last step")(of(lambda s, w: s[:-1].norm(dim=-1).sum(0) / w.norm(dim=-1) - 1))
wrong("08.bend", "distances from the start")(
    lambda xs: (xs[1:] - xs[:1]).flatten(2).norm(dim=-1).sum(0) / (xs[-1] - xs[0]).flatten(1).norm(dim=-1) - 1
)
wrong("08.bend", "largest distance from the chord, as a share")(
    lambda xs: (
        (xs - (xs[0] + torch.linspace(0, 1, len(xs)).reshape(-1, *[1] * (xs.ndim - 1)) * (xs[-1] - xs[0])))
        .reshape(len(xs), xs.shape[1], -1)
        .norm(dim=-1)
        .amax(0)
        / (xs[-1] - xs[0]).reshape(xs.shape[1], -1).norm(dim=-1)
    )
)


@wrong("08.bend", "norm over the last axis alone")
def _(xs):
    return (xs[1:] - xs[:-1]).norm(dim=-1).sum(0) / (xs[-1] - xs[0]).norm(dim=-1) - 1


@wrong("08.bend", "the batch's axis taken for the times'")
def _(xs):
    steps = torch.diff(xs, dim=1).flatten(2).norm(dim=-1).sum(1)
    return steps / (xs[:, -1] - xs[:, 0]).flatten(1).norm(dim=-1) - 1


@wrong("08.bend", "1e-3 in the denominator")
def _(xs):
    steps, whole = parts(xs)
    return steps.norm(dim=-1).sum(0) / (whole.norm(dim=-1) + 1e-3) - 1


@wrong("08.bend", "1e-8 kept, but the first and last alone by time, K + 1 as steps")
def _(xs):
    steps = xs[1:] - xs[:-1]
    n = steps.reshape(*steps.shape[:2], -1).norm(dim=-1)
    return n.mean(0) * len(xs) / (xs[-1] - xs[0]).reshape(xs.shape[1], -1).norm(dim=-1) - 1


@wrong("08.bend", "the largest step over the distance")
def _(xs):
    steps = xs[1:] - xs[:-1]
    n = steps.reshape(*steps.shape[:2], -1).norm(dim=-1)
    return n.amax(0) * len(n) / (xs[-1] - xs[0]).reshape(xs.shape[1], -1).norm(dim=-1) - 1


@wrong("08.bend", "the batch as one place")
def _(xs):
    steps = (xs[1:] - xs[:-1]).flatten(1).norm(dim=1).sum()
    whole = (xs[-1] - xs[0]).norm()
    return (steps / whole - 1).expand(xs.shape[1])


@wrong("08.bend", "bend from the mean angle of the steps")
def _(xs):
    steps = (xs[1:] - xs[:-1]).flatten(2)
    whole = (xs[-1] - xs[0]).flatten(1)
    return 1 - torch.cosine_similarity(steps, whole[None], dim=-1).mean(0)


@right("08.bend", "a loop over points and times")
def _(xs):
    out = []
    for b in range(xs.shape[1]):
        p = xs[:, b]
        out.append(sum(torch.dist(p[k], p[k + 1]) for k in range(len(p) - 1)) / torch.dist(p[0], p[-1]) - 1)
    return torch.stack(out)


@right("08.bend", "the surplus over the distance, in float64")
def _(xs):
    p = xs.double().reshape(*xs.shape[:2], -1)
    short = torch.linalg.vector_norm(p[-1] - p[0], dim=-1)
    long = torch.linalg.vector_norm(p[1:] - p[:-1], dim=-1).sum(0)
    return ((long - short) / short).to(xs.dtype)


@right("08.bend", "NumPy")
def _(xs):
    p = xs.detach().numpy().reshape(xs.shape[0], xs.shape[1], -1)
    way = np.sqrt((np.diff(p, axis=0) ** 2).sum(-1)).sum(0)
    return torch.from_numpy(way / np.sqrt(((p[-1] - p[0]) ** 2).sum(-1)) - 1)


# ---- bits_per_pixel
LN2 = math.log(2)
wrong("08.bits_per_pixel", "width over 256")(lambda p, n, low, high: -(p / n + math.log((high - low) / 256)) / LN2)
wrong("08.bits_per_pixel", "without the width")(lambda p, n, low, high: -p / n / LN2)
wrong("08.bits_per_pixel", "the width of one pixel only")(
    lambda p, n, low, high: -(p + math.log((high - low) / 255)) / n / LN2
)
wrong("08.bits_per_pixel", "nats")(lambda p, n, low, high: -(p / n + math.log((high - low) / 255)))
wrong("08.bits_per_pixel", "times ln 2")(lambda p, n, low, high: -(p / n + math.log((high - low) / 255)) * LN2)
wrong("08.bits_per_pixel", "the sign")(lambda p, n, low, high: (p / n + math.log((high - low) / 255)) / LN2)
wrong("08.bits_per_pixel", "bits of the picture")(lambda p, n, low, high: -(p + n * math.log((high - low) / 255)) / LN2)
wrong("08.bits_per_pixel", "divided by the width")(
    lambda p, n, low, high: -(p / n - math.log((high - low) / 255)) / LN2
)
wrong("08.bits_per_pixel", "8 bits added, for numbers from 0 to 1")(lambda p, n, low, high: -p / n / LN2 + 8)
wrong("08.bits_per_pixel", "7 bits added, for numbers from -1 to 1")(lambda p, n, low, high: -p / n / LN2 + 7)
wrong("08.bits_per_pixel", "the width from high alone")(lambda p, n, low, high: -(p / n + math.log(high / 255)) / LN2)
wrong("08.bits_per_pixel", "width 1 / 255")(lambda p, n, low, high: -(p / n + math.log(1 / 255)) / LN2)
wrong("08.bits_per_pixel", "the whole span for the width")(
    lambda p, n, low, high: -(p / n + math.log(high - low)) / LN2
)
wrong("08.bits_per_pixel", "log2 of the width, log_p left in nats")(
    lambda p, n, low, high: -(p / n + math.log2((high - low) / 255))
)
wrong("08.bits_per_pixel", "width in nats, log_p in bits")(
    lambda p, n, low, high: -(p / n / LN2 + math.log((high - low) / 255))
)
wrong("08.bits_per_pixel", "log_p taken as of one pixel")(
    lambda p, n, low, high: -(p + math.log((high - low) / 255)) / LN2
)
wrong("08.bits_per_pixel", "log_p as the density: log2(log_p)")(
    lambda p, n, low, high: -torch.log2(p.abs() * ((high - low) / 255) ** n) / n
)
wrong("08.bits_per_pixel", "by the probability: it becomes 0 or inf")(
    lambda p, n, low, high: -torch.log2(torch.exp(p) * ((high - low) / 255) ** n) / n
)
wrong("08.bits_per_pixel", "the batch's mean")(
    lambda p, n, low, high: (-(p / n + math.log((high - low) / 255)) / LN2).mean()
)
wrong("08.bits_per_pixel", "never below 0")(
    lambda p, n, low, high: (-(p / n + math.log((high - low) / 255)) / LN2).clamp(min=0)
)
wrong("08.bits_per_pixel", "no gradient")(
    lambda p, n, low, high: torch.tensor([-(v / n + math.log((high - low) / 255)) / LN2 for v in p.tolist()])
)
wrong("08.bits_per_pixel", "log10")(lambda p, n, low, high: -(p / n + math.log((high - low) / 255)) / math.log(10))


@wrong("08.bits_per_pixel", "bits from 0 to 255 added: + 8")
def _(log_p, pixels, low, high):
    return 8 - log_p / (pixels * math.log(2)) - math.log2(high - low)


@wrong("08.bits_per_pixel", "the mean over pixels taken of the width only")
def _(log_p, pixels, low, high):
    return -(log_p + math.log((high - low) / 255)) / (pixels * math.log(2))


right("08.bits_per_pixel", "torch.log2 of the width, plus log_p in bits")(
    lambda p, n, low, high: -p * math.log2(math.e) / n - math.log2((high - low) / 255)
)


@right("08.bits_per_pixel", "the density in units of greys first")
def _(log_p, pixels, low, high):
    in_greys = log_p.double() - pixels * math.log(255 / (high - low))
    return (in_greys / (-pixels * LN2)).to(log_p.dtype)


@right("08.bits_per_pixel", "the greys laid out by linspace, NumPy's logaddexp unit")
def _(log_p, pixels, low, high):
    greys = np.linspace(low, high, 256)
    width = float(greys[1] - greys[0])
    return torch.sub(-math.log2(width), log_p / (pixels * np.log(2.0)))


# ---- fewest_bits


def floor(density):
    return lambda alpha, sigma, width: -math.log2(density(alpha, sigma) * width)


ROOT = math.sqrt(2 * math.pi)
wrong("08.fewest_bits", "sigma not divided by alpha")(floor(lambda a, s: 1 / (ROOT * s)))
wrong("08.fewest_bits", "sigma times alpha")(floor(lambda a, s: 1 / (ROOT * s * a)))
wrong("08.fewest_bits", "the Gaussian's entropy")(floor(lambda a, s: 1 / (math.sqrt(math.e) * ROOT * s / a)))
wrong("08.fewest_bits", "no 2 pi")(floor(lambda a, s: a / s))
wrong("08.fewest_bits", "2 pi without the root")(floor(lambda a, s: a / (2 * math.pi * s)))
wrong("08.fewest_bits", "the variance for the width of the noise")(floor(lambda a, s: 1 / (ROOT * (s / a) ** 2)))
wrong("08.fewest_bits", "root of pi only")(floor(lambda a, s: a / (math.sqrt(math.pi) * s)))
wrong("08.fewest_bits", "density at one sigma")(floor(lambda a, s: a / (ROOT * s) * math.exp(-0.5)))
wrong("08.fewest_bits", "alpha upside down")(floor(lambda a, s: 1 / (ROOT * s / a) / a**2))
wrong("08.fewest_bits", "the sign")(lambda a, s, w: math.log2(w * a / (ROOT * s)))
wrong("08.fewest_bits", "nats")(lambda a, s, w: -math.log(w * a / (ROOT * s)))
wrong("08.fewest_bits", "without the width")(lambda a, s, w: -math.log2(a / (ROOT * s)))
wrong("08.fewest_bits", "divided by the width")(lambda a, s, w: -math.log2(a / (ROOT * s) / w))
wrong("08.fewest_bits", "never below 0")(lambda a, s, w: max(0.0, -math.log2(w * a / (ROOT * s))))
wrong("08.fewest_bits", "the probability by the error function")(
    lambda a, s, w: -math.log2(math.erf(w * a / (2 * math.sqrt(2) * s)))
)
wrong("08.fewest_bits", "a standard Gaussian's data with it")(
    lambda a, s, w: -math.log2(w / (ROOT * math.sqrt(1 + (s / a) ** 2)))
)
wrong("08.fewest_bits", "the signal-to-noise capacity")(lambda a, s, w: 0.5 * math.log2(1 + (a / s) ** 2))
wrong("08.fewest_bits", "the half forgotten: log2(2 pi s squared)")(
    lambda a, s, w: math.log2(2 * math.pi * (s / a) ** 2) - math.log2(w)
)
wrong("08.fewest_bits", "the density, in no bits")(lambda a, s, w: w * a / (ROOT * s))


@wrong("08.fewest_bits", "alpha and sigma in one: sigma over the root of their squares' sum")
def _(alpha, sigma, width):
    return 0.5 * math.log2(2 * math.pi * sigma**2 / (alpha**2 + sigma**2)) - math.log2(width)


@wrong("08.fewest_bits", "log2 of e in it: base changed twice")
def _(alpha, sigma, width):
    return -math.log2(width * alpha / (math.sqrt(2 * math.pi) * sigma)) / math.log(2)


@wrong("08.fewest_bits", "uniform noise of sigma's width")
def _(alpha, sigma, width):
    return math.log2(math.sqrt(12) * sigma / alpha / width)


right("08.fewest_bits", "log2 of the parts")(
    lambda a, s, w: math.log2(s) - math.log2(a) - math.log2(w) + 0.5 * math.log2(2 * math.pi)
)


@right("08.fewest_bits", "torch.distributions at its mean")
def _(alpha, sigma, width):
    peak = torch.distributions.Normal(0.0, torch.tensor(sigma / alpha, dtype=torch.float64)).log_prob(
        torch.zeros((), dtype=torch.float64)
    )
    return float(-(peak + math.log(width)) / math.log(2))


right("08.fewest_bits", "NumPy's number")(
    lambda alpha, sigma, width: 0.5 * np.log2(2 * np.pi * (sigma / (alpha * width)) ** 2)
)
