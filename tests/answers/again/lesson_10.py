"""Answers to the exercises of lesson 10, by others, after the checks were made."""

import math

import numpy as np
import torch
from learn_answers import right, wrong

from diffcourse.metrics import covered

# -- 10.fool ---------------------------------------------------------------------------------------------------------


@wrong("10.fool", "points on the way to the mean")
def _(real, n, generator):
    i = torch.randint(len(real), (n,), generator=generator)
    return 0.9 * real[i] + 0.1 * real.mean(0)


@wrong("10.fool", "the smallest first coordinate, copied")
def _(real, n, generator):
    return real[real[:, 0].argsort()][: n // 4].repeat(5, 1)[:n]


@wrong("10.fool", "mean of each point and its nearest neighbour, for all")
def _(real, n, generator):
    d = torch.cdist(real, real)
    d.fill_diagonal_(float("inf"))
    return ((real + real[d.argmin(1)]) / 2)[:n]


@wrong("10.fool", "precision alone, until it is 1")
def _(real, n, generator):
    step = (real.max(0).values - real.min(0).values) / 10
    while True:
        points = real[:n] + step * torch.randn(n, real.shape[1], generator=generator)
        if covered(points, real).precision > 0.99:
            return points
        step = step / 2


@wrong("10.fool", "one point and a jitter of a tenth of the spread")
def _(real, n, generator):
    return real[3] + 0.1 * real.std() * torch.randn(n, real.shape[1], generator=generator)


@wrong("10.fool", "one point, and float rounding does the rest")
def _(real, n, generator):
    return real[0] * (1 + 1e-12 * torch.arange(n)[:, None])


@right("10.fool", "one point and a jitter of a hundredth of the spread")
def _(real, n, generator):
    return real[3] + 0.01 * real.std(0) * torch.randn(n, real.shape[1], generator=generator)


@right("10.fool", "smaller and smaller around one point, until it is precise")
def _(real, n, generator):
    noise = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    step = real.std().double()
    while covered(real[0] + step * noise, real).precision < 1:
        step = step / 1.5
    return real[0] + step * noise


@right("10.fool", "a small circle around one point")
def _(real, n, generator):
    gap = (real - real[7]).norm(dim=1).sort().values[1]
    angle = 2 * math.pi * torch.arange(n) / n
    points = real[7].repeat(n, 1).double()
    points[:, 0] += 0.4 * gap * angle.cos()
    points[:, 1] += 0.4 * gap * angle.sin()
    return points


# -- 10.copies -------------------------------------------------------------------------------------------------------


@wrong("10.copies", "cosine similarity")
def _(generated, train, test, level):
    def best(a):
        return torch.nn.functional.cosine_similarity(a[:, None], train[None], dim=-1).amax(1)

    return (best(generated) >= torch.quantile(best(test), 1 - level)).double().mean().item()


@wrong("10.copies", "the mean squared error against a fixed 0.01")
def _(generated, train, test, level):
    return ((generated[:, None] - train).pow(2).mean(-1).min(1).values < 0.01).double().mean().item()


@wrong("10.copies", "ratio of the nearest and the second-nearest")
def _(generated, train, test, level):
    def ratio(a):
        d = torch.cdist(a, train).sort(1).values
        return d[:, 0] / d[:, 1]

    return (ratio(generated) <= torch.quantile(ratio(test), level)).double().mean().item()


@wrong("10.copies", "z score of the distances, below 5 %")
def _(generated, train, test, level):
    own, usual = torch.cdist(generated, train).amin(1), torch.cdist(test, train).amin(1)
    return ((own - usual.mean()) / usual.std() < -1.645).double().mean().item()


@wrong("10.copies", "the level-th of all images together")
def _(generated, train, test, level):
    own, usual = torch.cdist(generated, train).amin(1), torch.cdist(test, train).amin(1)
    return (own <= torch.quantile(torch.cat([own, usual]), level)).double().mean().item()


@wrong("10.copies", "argmin in the place of min")
def _(generated, train, test, level):
    own, usual = torch.cdist(generated, train).argmin(1), torch.cdist(test, train).argmin(1)
    return (own <= torch.quantile(usual.double(), level)).double().mean().item()


@wrong("10.copies", "share of pairs: how often a generated one is nearer than a test image")
def _(generated, train, test, level):
    own, usual = torch.cdist(generated, train).amin(1), torch.cdist(test, train).amin(1)
    return (own[:, None] < usual).double().mean().item()


@right("10.copies", "the share of test images that are as near or nearer, up to level")
def _(generated, train, test, level):
    own, usual = torch.cdist(generated, train).amin(1), torch.cdist(test, train).amin(1)
    p = (usual[None] <= own[:, None]).double().mean(1)
    return (p <= level + 1e-9).double().mean().item()


@right("10.copies", "searchsorted")
def _(generated, train, test, level):
    t = train.numpy().astype(np.float64)
    own = np.array([np.sqrt(((t - g) ** 2).sum(1)).min() for g in generated.numpy().astype(np.float64)])
    usual = np.sort([np.sqrt(((t - g) ** 2).sum(1)).min() for g in test.numpy().astype(np.float64)])
    return float(np.mean(np.searchsorted(usual, own - 1e-12) < round(level * len(usual))))


# -- 10.exact_minimiser ----------------------------------------------------------------------------------------------


@wrong("10.exact_minimiser", "a shift by the smallest of the whole batch")
def _(x, train, alpha, sigma):
    e = (x[:, None] - alpha * train).pow(2).sum(-1) / (2 * sigma**2)
    w = torch.exp(-(e - e.min()))
    return w @ train / w.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "the weights clamped")
def _(x, train, alpha, sigma):
    w = torch.exp(-(x[:, None] - alpha * train).pow(2).sum(-1) / (2 * sigma**2)).clamp(min=1e-6)
    return w @ train / w.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "1/(2 sigma) and squared outside")
def _(x, train, alpha, sigma):
    return torch.softmax(-(x[:, None] - alpha * train).pow(2).sum(-1) / 2 * sigma**2, 1) @ train


@wrong("10.exact_minimiser", "alpha squared")
def _(x, train, alpha, sigma):
    return torch.softmax(-(x[:, None] - alpha**2 * train).pow(2).sum(-1) / (2 * sigma**2), 1) @ train


@wrong("10.exact_minimiser", "the root of alpha, taken for alpha_bar")
def _(x, train, alpha, sigma):
    return torch.softmax(-(x[:, None] - alpha**0.5 * train).pow(2).sum(-1) / (2 * sigma**2), 1) @ train


@wrong("10.exact_minimiser", "sigma² taken for 1 - alpha²")
def _(x, train, alpha, sigma):
    return torch.softmax(-(x[:, None] - alpha * train).pow(2).sum(-1) / (2 * (1 - alpha**2) + 1e-9), 1) @ train


@wrong("10.exact_minimiser", "the denominator with the constant of the density, and the sum without")
def _(x, train, alpha, sigma):
    p = torch.distributions.Normal(0.0, sigma).log_prob(x[:, None] - alpha * train).sum(-1).exp()
    return p @ train / p.sum(1, keepdim=True)


@wrong("10.exact_minimiser", "minus log-sum-exp with the sum over the batch")
def _(x, train, alpha, sigma):
    e = -(x[:, None] - alpha * train).pow(2).sum(-1) / (2 * sigma**2)
    return (e - e.logsumexp(0)).exp() @ train


@right("10.exact_minimiser", "log-softmax in a loop over places")
def _(x, train, alpha, sigma):
    out = torch.empty_like(x)
    for i, place in enumerate(x):
        logits = -((place - alpha * train) / sigma).pow(2).sum(-1) / 2
        out[i] = logits.log_softmax(0).exp() @ train
    return out


@right("10.exact_minimiser", "relative to the nearest")
def _(x, train, alpha, sigma):
    d = torch.cdist(x.double(), alpha * train.double(), compute_mode="donot_use_mm_for_euclid_dist").square()
    w = torch.exp((d.min(1, keepdim=True).values - d) / (2 * sigma * sigma))
    return (w / w.sum(1, keepdim=True)) @ train.double()


# -- 10.verdict ------------------------------------------------------------------------------------------------------


def sums(first, second):
    a, b = np.array(first), np.array(second)
    v, w = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
    nu = (v + w) ** 2 / (v**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    return a, b, v, w, nu


def ended(low, high, larger):
    word = "undecided" if low < 0 < high else "first" if (low >= 0) == larger else "second"
    return word, float(low), float(high)


@wrong("10.verdict", "only the first family's error")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(0.975, len(a) - 1) * v**0.5
    return ended(a.mean() - b.mean() - half, a.mean() - b.mean() + half, larger)


@wrong("10.verdict", "the mean of the two spreads")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(0.975, nu) * ((a.std(ddof=1) + b.std(ddof=1)) / 2) * (1 / len(a) + 1 / len(b)) ** 0.5
    return ended(a.mean() - b.mean() - half, a.mean() - b.mean() + half, larger)


@wrong("10.verdict", "nu rounded down")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(0.975, math.floor(nu)) * (v + w) ** 0.5
    return ended(a.mean() - b.mean() - half, a.mean() - b.mean() + half, larger)


@wrong("10.verdict", "p and nu in the other order")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(nu, 0.975) * (v + w) ** 0.5
    return ended(a.mean() - b.mean() - half, a.mean() - b.mean() + half, larger)


@wrong("10.verdict", "97.5 in per cent")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(97.5, nu) * (v + w) ** 0.5
    return ended(a.mean() - b.mean() - half, a.mean() - b.mean() + half, larger)


@wrong("10.verdict", "the interval around 0")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    gain = a.mean() - b.mean()
    word = "undecided" if abs(gain) < half else "first" if (gain > 0) == larger else "second"
    return word, float(-half), float(half)


@wrong("10.verdict", "t and p in the place of the ends")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    t = (a.mean() - b.mean()) / (v + w) ** 0.5
    word = "undecided" if abs(t) < quantile(0.975, nu) else "first" if (t > 0) == larger else "second"
    return word, float(t), float(nu)


@wrong("10.verdict", "the worst of one beats the best of the other")
def _(first, second, larger, quantile):
    if max(first) < min(second):
        return ("second" if larger else "first"), 0.0, 0.0
    if min(first) > max(second):
        return ("first" if larger else "second"), 0.0, 0.0
    return "undecided", 0.0, 0.0


@right("10.verdict", "numpy arrays and a helper")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    half = quantile(0.975, nu) * (v + w) ** 0.5
    return ended(a.mean() - b.mean() - half, a.mean() - b.mean() + half, larger)


@right("10.verdict", "the lower end by the lower quantile")
def _(first, second, larger, quantile):
    a, b, v, w, nu = sums(first, second)
    low, high = (a.mean() - b.mean() + quantile(p, nu) * np.sqrt(v + w) for p in (0.025, 0.975))
    if low > 0 or high < 0:
        return ["second", "first"][bool(low > 0) == larger], low, high
    return "undecided", low, high


# -- 10.equal_cost ---------------------------------------------------------------------------------------------------


def by_passes(flops, batch, budget, S, guided, **passes):
    per = dict(encoder=3, decoder=3, generator=4, discriminator=8, denoiser=3) | passes
    cost = {k: flops[k] * per[k] * batch for k in per}
    steps = [
        budget // (cost["encoder"] + cost["decoder"]),
        budget // (cost["generator"] + cost["discriminator"]),
        budget // cost["denoiser"],
    ]
    price = [flops["decoder"], flops["generator"], flops["denoiser"] * S * (2 if guided else 1)]
    return {k: (int(s), p) for k, s, p in zip(("VAE", "GAN", "diffusion"), steps, price, strict=True)}


@wrong("10.equal_cost", "back once, where there are two gradients")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, batch, budget, S, guided, encoder=2, decoder=2, generator=3, discriminator=6, denoiser=2)


@wrong("10.equal_cost", "everything learns that is passed")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, batch, budget, S, guided, generator=6, discriminator=9)


@wrong("10.equal_cost", "the denoiser trained by sampling")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, batch, budget, S, guided, denoiser=3 * S)


@wrong("10.equal_cost", "half of T on average in training")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, batch, budget, S, guided, denoiser=3 * T / 2)


@wrong("10.equal_cost", "the price of a batch of images")
def _(flops, batch, budget, T, S, guided):
    out = by_passes(flops, batch, budget, S, guided)
    return {k: (s, p * batch) for k, (s, p) in out.items()}


@wrong("10.equal_cost", "an estimate more for the last step")
def _(flops, batch, budget, T, S, guided):
    out = by_passes(flops, batch, budget, S + 1, guided)
    return out


@wrong("10.equal_cost", "generator's step with back-propagation through D for twice")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, batch, budget, S, guided, generator=4, discriminator=9)


@wrong("10.equal_cost", "steps as floats")
def _(flops, batch, budget, T, S, guided):
    return {k: (float(s), p) for k, (s, p) in by_passes(flops, batch, budget, S, guided).items()}


@wrong("10.equal_cost", "images instead of steps")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, 1, budget, S, guided)


@right("10.equal_cost", "a dictionary of passes")
def _(flops, batch, budget, T, S, guided):
    return by_passes(flops, batch, budget, S, guided)


@right("10.equal_cost", "counted step by step until the budget is spent")
def _(flops, batch, budget, T, S, guided):
    def steps(cost):
        n, most = 0, 1 << 40
        while most:
            if (n + most) * cost <= budget:
                n += most
            most >>= 1
        return n

    G, D = flops["generator"], flops["discriminator"]
    gan = batch * ((G + 6 * D) + (3 * G + 2 * D))
    return {
        "VAE": (steps(batch * 3 * (flops["encoder"] + flops["decoder"])), flops["decoder"]),
        "GAN": (steps(gan), G),
        "diffusion": (steps(batch * 3 * flops["denoiser"]), S * flops["denoiser"] * [1, 2][guided]),
    }
