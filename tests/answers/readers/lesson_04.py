"""Answers to the exercises of lesson 04 by readers of the executed lesson, from the stubs alone."""

import math

import numpy as np
import torch
from learn_answers import right, wrong

# 04.ddim_std ------------------------------------------------------------------------------------------------------


@wrong("04.ddim_std", "beta of the jump read as a product of betas")
def _(alpha_bar_t, alpha_bar_s, eta):
    beta = (1 - alpha_bar_t) / (1 - alpha_bar_s) if alpha_bar_s < 1 else 1 - alpha_bar_t
    return eta * math.sqrt(abs(1 - beta) * (1 - alpha_bar_s) / (1 - alpha_bar_t))


@wrong("04.ddim_std", "beta of the jump as a difference of alpha_bars")
def _(alpha_bar_t, alpha_bar_s, eta):
    beta = alpha_bar_s - alpha_bar_t
    return eta * ((1 - alpha_bar_s) / (1 - alpha_bar_t) * beta) ** 0.5


@wrong("04.ddim_std", "eta inside the root")
def _(alpha_bar_t, alpha_bar_s, eta):
    beta = 1 - alpha_bar_t / alpha_bar_s
    return (eta * beta * (1 - alpha_bar_s) / (1 - alpha_bar_t)) ** 0.5


@wrong("04.ddim_std", "the forward noise of the jump, no posterior")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * math.sqrt(1 - alpha_bar_t / alpha_bar_s)


@wrong("04.ddim_std", "variance, with eta squared")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)


@right("04.ddim_std", "precisions added")
def _(alpha_bar_t, alpha_bar_s, eta):
    if alpha_bar_s == 1:
        return 0.0
    keep = alpha_bar_t / alpha_bar_s
    precision = keep / (1 - keep) + 1 / (1 - alpha_bar_s)
    return eta / math.sqrt(precision)


@right("04.ddim_std", "numpy, one root, one fraction")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * np.sqrt((1 - alpha_bar_s) * (alpha_bar_s - alpha_bar_t) / ((1 - alpha_bar_t) * alpha_bar_s))


# 04.dpmpp_guess ---------------------------------------------------------------------------------------------------


@wrong("04.dpmpp_guess", "read off at the end of the step")
def _(x0, x0_past, lam, lam_past, lam_to):
    slope = (x0 - x0_past) / (lam - lam_past)
    return x0 + slope * (lam_to - lam)


@wrong("04.dpmpp_guess", "half way between past and to")
def _(x0, x0_past, lam, lam_past, lam_to):
    slope = (x0 - x0_past) / (lam - lam_past)
    return x0_past + slope * (lam_to - lam_past) / 2


@wrong("04.dpmpp_guess", "steps taken as equally wide")
def _(x0, x0_past, lam, lam_past, lam_to):
    return 1.5 * x0 - 0.5 * x0_past


@wrong("04.dpmpp_guess", "ratio of the widths upside down")
def _(x0, x0_past, lam, lam_past, lam_to):
    r = (lam - lam_past) / (lam_to - lam)
    return (1 + r / 2) * x0 - r / 2 * x0_past


@wrong("04.dpmpp_guess", "mean of the last two guesses")
def _(x0, x0_past, lam, lam_past, lam_to):
    return (x0 + x0_past) / 2


@right("04.dpmpp_guess", "lerp with a weight beyond one")
def _(x0, x0_past, lam, lam_past, lam_to):
    middle = (lam + lam_to) / 2
    return torch.lerp(x0_past, x0, (middle - lam_past) / (lam - lam_past))


@right("04.dpmpp_guess", "Lagrange")
def _(x0, x0_past, lam, lam_past, lam_to):
    m = 0.5 * (lam + lam_to)
    return x0 * (m - lam_past) / (lam - lam_past) + x0_past * (m - lam) / (lam_past - lam)


# 04.slerp ---------------------------------------------------------------------------------------------------------


@wrong("04.slerp", "straight line pushed out to the shell")
def _(a, b, w):
    line = (1 - w) * a + w * b
    return line / line.norm() * ((1 - w) * a.norm() + w * b.norm())


@wrong("04.slerp", "angle of each row of its own")
def _(a, b, w):
    u, v = a / a.norm(dim=-1, keepdim=True), b / b.norm(dim=-1, keepdim=True)
    th = torch.arccos((u * v).sum(-1, keepdim=True))
    return (torch.sin((1 - w) * th) * a + torch.sin(w * th) * b) / torch.sin(th)


@wrong("04.slerp", "circle of a and b as if at right angles")
def _(a, b, w):
    return math.cos(w * math.pi / 2) * a + math.sin(w * math.pi / 2) * b


@wrong("04.slerp", "lengths thrown away")
def _(a, b, w):
    u, v = a / a.norm(), b / b.norm()
    th = torch.arccos((u * v).sum())
    return (torch.sin((1 - w) * th) * u + torch.sin(w * th) * v) / torch.sin(th)


@wrong("04.slerp", "w counted from b")
def _(a, b, w):
    th = torch.arccos((a * b).sum() / a.norm() / b.norm())
    return (torch.sin(w * th) * a + torch.sin((1 - w) * th) * b) / torch.sin(th)


@right("04.slerp", "two equations solved")
def _(a, b, w):
    c = float((a.double() * b.double()).sum() / (a.double().norm() * b.double().norm()))
    th = math.acos(c)
    left = np.array([[1.0, c], [c, 1.0]])
    p, q = np.linalg.solve(left, [math.cos(w * th), math.cos((1 - w) * th)])
    return float(p) * a + float(q) * b


@right("04.slerp", "flattened, cosine similarity")
def _(a, b, w):
    cos = torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0)
    th = cos.clamp(-1, 1).acos()
    p, q = ((1 - w) * th).sin() / th.sin(), (w * th).sin() / th.sin()
    return p * a + q * b


# 04.order ---------------------------------------------------------------------------------------------------------


@wrong("04.order", "first and last point only")
def _(steps, errors):
    return math.log(errors[0] / errors[-1]) / math.log(steps[-1] / steps[0])


@wrong("04.order", "mean of the slopes between neighbours")
def _(steps, errors):
    pairs = list(zip(steps, errors))
    slopes = [math.log(e / f) / math.log(m / n) for (n, e), (m, f) in zip(pairs, pairs[1:])]
    return sum(slopes) / len(slopes)


@wrong("04.order", "slope, falling")
def _(steps, errors):
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


@wrong("04.order", "line through the numbers themselves")
def _(steps, errors):
    return -np.polyfit(steps, errors, 1)[0]


@wrong("04.order", "log of the errors alone")
def _(steps, errors):
    return -np.polyfit(steps, np.log(errors), 1)[0]


@right("04.order", "covariance over variance, in base 2")
def _(steps, errors):
    x, y = np.log2(steps), np.log2(errors)
    return float(-((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


@right("04.order", "torch lstsq")
def _(steps, errors):
    x = torch.tensor(steps, dtype=torch.float64).log()
    y = torch.tensor(errors, dtype=torch.float64).log()
    design = torch.stack([torch.ones_like(x), -x], dim=1)
    return torch.linalg.lstsq(design, y[:, None]).solution[1, 0].item()


# 04.two_spreads ---------------------------------------------------------------------------------------------------


@wrong("04.two_spreads", "mean of standard deviations")
def _(samples):
    repeat = samples.std(dim=1, unbiased=False).mean()
    total = samples.flatten(0, 1).std(dim=0, unbiased=False).mean()
    return float(repeat), float(total)


@wrong("04.two_spreads", "spread between the starts' means as total")
def _(samples):
    repeat = samples.var(dim=1, unbiased=False).mean().sqrt()
    total = samples.mean(dim=1).var(dim=0, unbiased=False).mean().sqrt()
    return repeat.item(), total.item()


@wrong("04.two_spreads", "all numbers in one heap")
def _(samples):
    return samples.var(dim=1, unbiased=False).mean().sqrt().item(), samples.std(unbiased=False).item()


@wrong("04.two_spreads", "repeats and starts confused")
def _(samples):
    repeat = samples.var(dim=0, unbiased=False).mean().sqrt()
    total = samples.flatten(0, 1).var(dim=0, unbiased=False).mean().sqrt()
    return repeat.item(), total.item()


@wrong("04.two_spreads", "total inside each start summed up")
def _(samples):
    within = samples.var(dim=1, unbiased=False)
    return within.mean().sqrt().item(), within.sum(dim=0).mean().sqrt().item()


@right("04.two_spreads", "mean square minus squared mean, in float64")
def _(samples):
    s = samples.double()
    repeat = (s.square().mean(1) - s.mean(1).square()).clamp(min=0).mean().sqrt()
    total = (s.square().mean((0, 1)) - s.mean((0, 1)).square()).clamp(min=0).mean().sqrt()
    return repeat.item(), total.item()


@right("04.two_spreads", "numpy, variance within plus variance between")
def _(samples):
    s = samples.detach().numpy().astype(float)
    within = s.var(axis=1).mean()
    between = s.mean(axis=1).var(axis=0).mean()
    return float(np.sqrt(within)), float(np.sqrt(within + between))


# 04.level_grid ----------------------------------------------------------------------------------------------------


@wrong("04.level_grid", "one entry too many in the linspace")
def _(T, n):
    if not 1 <= n <= T:
        raise ValueError("n")
    return [round(t) for t in np.linspace(T - 1, 0, n + 1).tolist()][:-1]


@wrong("04.level_grid", "cut off in place of rounded")
def _(T, n):
    if not 1 <= n <= T:
        raise ValueError("n")
    return [int(t) for t in np.linspace(T - 1, 0, n)]


@wrong("04.level_grid", "stride of whole numbers from the top")
def _(T, n):
    if not 1 <= n <= T:
        raise ValueError("n")
    k = (T - 1) // max(n - 1, 1)
    return [T - 1 - k * i for i in range(n)]


@wrong("04.level_grid", "silent where n is too large")
def _(T, n):
    n = max(1, min(n, T))
    return np.linspace(T - 1, 0, n).round().astype(int).tolist()


@wrong("04.level_grid", "an assert for the error")
def _(T, n):
    assert 1 <= n <= T
    return np.linspace(T - 1, 0, n).round().astype(int).tolist()


@right("04.level_grid", "whole-number arithmetic")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError(f"n must lie between 1 and {T}, got {n}")
    if n == 1:
        return [T - 1]
    return [(2 * (T - 1) * (n - 1 - i) + (n - 1)) // (2 * (n - 1)) for i in range(n)]


@right("04.level_grid", "torch, reversed")
def _(T, n):
    if n not in range(1, T + 1):
        raise ValueError("n")
    if n == 1:
        return [T - 1]
    return torch.linspace(0, T - 1, n, dtype=torch.float64).round().int().flip(0).tolist()


# 04.ddim ----------------------------------------------------------------------------------------------------------


@wrong("04.ddim", "next entry by t minus one")
def _(predict_eps, x, times, alpha_bars):
    for t in times:
        a, b = alpha_bars[t], alpha_bars[t - 1] if t > 0 else torch.ones_like(alpha_bars[0])
        eps = predict_eps(x, t)
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    return x


@wrong("04.ddim", "stops at the last of the times")
def _(predict_eps, x, times, alpha_bars):
    for t, s in zip(times, times[1:]):
        a, b = alpha_bars[t], alpha_bars[s]
        eps = predict_eps(x, t)
        x = b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps
    return x


@wrong("04.ddim", "noise predicted anew at the next level")
def _(predict_eps, x, times, alpha_bars):
    for i, t in enumerate(times):
        a = alpha_bars[t]
        x0 = (x - (1 - a).sqrt() * predict_eps(x, t)) / a.sqrt()
        if i + 1 == len(times):
            return x0
        b = alpha_bars[times[i + 1]]
        x = b.sqrt() * x0 + (1 - b).sqrt() * predict_eps(x0, times[i + 1])
    return x


@wrong("04.ddim", "x overwritten in place")
def _(predict_eps, x, times, alpha_bars):
    for t, s in zip(times, [*times[1:], None]):
        a = alpha_bars[t]
        b = torch.ones_like(a) if s is None else alpha_bars[s]
        eps = predict_eps(x, t)
        x.copy_(b.sqrt() * (x - (1 - a).sqrt() * eps) / a.sqrt() + (1 - b).sqrt() * eps)
    return x


@wrong("04.ddim", "fresh noise in place of the predicted one")
def _(predict_eps, x, times, alpha_bars):
    for t, s in zip(times, [*times[1:], None]):
        a = alpha_bars[t]
        b = torch.ones_like(a) if s is None else alpha_bars[s]
        x0 = (x - (1 - a).sqrt() * predict_eps(x, t)) / a.sqrt()
        x = b.sqrt() * x0 + (1 - b).sqrt() * torch.randn_like(x)
    return x


@right("04.ddim", "Euler in y and u")
def _(predict_eps, x, times, alpha_bars):
    bars = [float(alpha_bars[t]) for t in times] + [1.0]
    y = x / bars[0] ** 0.5
    for t, a, b in zip(times, bars, bars[1:]):
        u, v = math.sqrt(1 / a - 1), math.sqrt(1 / b - 1)
        y = y + (v - u) * predict_eps(y * a**0.5, t)
    return y


@right("04.ddim", "by recursion")
def _(predict_eps, x, times, alpha_bars):
    def walk(x, left):
        if not left:
            return x
        a = float(alpha_bars[left[0]])
        b = float(alpha_bars[left[1]]) if len(left) > 1 else 1.0
        eps = predict_eps(x, left[0])
        return walk(math.sqrt(b / a) * (x - math.sqrt(1 - a) * eps) + math.sqrt(1 - b) * eps, left[1:])

    return walk(x, list(times))


# 04.heun_step -----------------------------------------------------------------------------------------------------


@wrong("04.heun_step", "midpoint method")
def _(slope, y, now, to):
    half = (to - now) / 2
    slope(y, now)
    return y + (to - now) * slope(y + half * slope(y, now), now + half)


@wrong("04.heun_step", "goes on from the end of the first arrow")
def _(slope, y, now, to):
    first = slope(y, now)
    end = y + (to - now) * first
    return end + (to - now) * (first + slope(end, to)) / 2


@wrong("04.heun_step", "second look at the old u")
def _(slope, y, now, to):
    first = slope(y, now)
    second = slope(y + (to - now) * first, now)
    return y + (to - now) * (first + second) / 2


@wrong("04.heun_step", "the end's slope alone")
def _(slope, y, now, to):
    return y + (to - now) * slope(y + (to - now) * slope(y, now), to)


@right("04.heun_step", "correction added to Euler's end")
def _(slope, y, now, to):
    first = slope(y, now)
    euler = torch.add(y, first, alpha=to - now)
    return euler + 0.5 * (to - now) * (slope(euler, to) - first)


@right("04.heun_step", "mean of two arrows")
def _(slope, y, now, to):
    arrow = (to - now) * slope(y, now)
    again = (to - now) * slope(y + arrow, to)
    return y + torch.stack([arrow, again]).mean(dim=0)
