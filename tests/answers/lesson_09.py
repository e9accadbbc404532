"""Answers to the exercises of lesson 09."""

import copy
import math
from fractions import Fraction

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong
from torch import nn

# -- 09.plms_weights -------------------------------------------------------------------------------------------------


def moments(order, lo=0, hi=1, places=None):
    """Weights with which the integral of 1, u, u², … from lo to hi comes out."""
    places = np.arange(0, -order, -1) if places is None else places
    powers = np.vander(places, order, increasing=True).T.astype(float)
    integrals = [(hi ** (k + 1) - lo ** (k + 1)) / (k + 1) for k in range(order)]
    return np.linalg.solve(powers, integrals).tolist()


@wrong("09.plms_weights", "the oldest first")
def _(order):
    return moments(order)[::-1]


@wrong("09.plms_weights", "over the step behind, from -1 to 0")
def _(order):
    return moments(order, -1, 0)


@wrong("09.plms_weights", "the new place is among them (Adams-Moulton)")
def _(order):
    return moments(order, places=np.arange(1, 1 - order, -1))


@wrong("09.plms_weights", "the polynomial's value at 1")
def _(order):
    return [float((-1) ** j * math.comb(order, j + 1)) for j in range(order)]


@wrong("09.plms_weights", "the polynomial's value in the middle of the step")
def _(order):
    places = np.arange(0, -order, -1)
    powers = np.vander(places, order, increasing=True).T.astype(float)
    return np.linalg.solve(powers, [0.5**k for k in range(order)]).tolist()


@wrong("09.plms_weights", "the table of PLMS ends with order 4")
def _(order):
    table = {
        1: [1.0],
        2: [3 / 2, -1 / 2],
        3: [23 / 12, -16 / 12, 5 / 12],
        4: [55 / 24, -59 / 24, 37 / 24, -9 / 24],
    }
    return table[min(order, 4)]


@wrong("09.plms_weights", "places in front instead of behind")
def _(order):
    return moments(order, places=np.arange(order))


@wrong("09.plms_weights", "one slope too many")
def _(order):
    return moments(order + 1)


@wrong("09.plms_weights", "the integral without its 1/(k + 1)")
def _(order):
    powers = np.vander(-np.arange(order), order, increasing=True).T.astype(float)
    return np.linalg.solve(powers, np.ones(order)).tolist()


@wrong("09.plms_weights", "the table of PLMS, filled up with zeros")
def _(order):
    return moments(min(order, 4)) + [0.0] * (order - 4)


@wrong("09.plms_weights", "the table ends with order 5")
def _(order):
    return moments(min(order, 5)) + [0.0] * (order - 5)


@wrong("09.plms_weights", "the table ends with order 3")
def _(order):
    return moments(min(order, 3))


@right("09.plms_weights", "the moments, solved with numpy")
def _(order):
    return moments(order)


@right("09.plms_weights", "Lagrange's polynomials in fractions")
def _(order):
    weights = []
    for j in range(order):
        poly = [Fraction(1)]  # the constant first
        for m in range(order):
            if m == j:
                continue
            longer = [Fraction(0)] * (len(poly) + 1)
            for k, c in enumerate(poly):
                longer[k] += c * m / (m - j)
                longer[k + 1] += c / (m - j)
            poly = longer
        weights.append(float(sum(c / (k + 1) for k, c in enumerate(poly))))
    return weights


@right("09.plms_weights", "backward differences")
def _(order):
    gammas = [1, 1 / 2, 5 / 12, 3 / 8, 251 / 720, 95 / 288]
    weights = [0.0] * order
    for k in range(order):
        for j in range(k + 1):
            weights[j] += gammas[k] * (-1) ** j * math.comb(k, j)
    return weights


@right("09.plms_weights", "numpy's polynomials")
def _(order):
    weights = []
    for j in range(order):
        others = [-m for m in range(order) if m != j]
        poly = np.poly1d(np.poly(others)) if others else np.poly1d([1.0])
        whole = np.polyint(poly)
        weights.append(float((whole(1) - whole(0)) / poly(-j)))
    return weights


@right("09.plms_weights", "Gauss's rule with torch")
def _(order):
    nodes, w = np.polynomial.legendre.leggauss(4)
    u, w = torch.tensor((nodes + 1) / 2), torch.tensor(w / 2)
    places = -torch.arange(order, dtype=torch.float64)
    out = []
    for j in range(order):
        rest = torch.cat([places[:j], places[j + 1 :]])
        out.append((w * ((u[:, None] - rest) / (places[j] - rest)).prod(1)).sum().item())
    return out


# -- 09.zero_snr -----------------------------------------------------------------------------------------------------


def betas_of(ab):
    return torch.cat([1 - ab[:1], 1 - ab[1:] / ab[:-1]])


@wrong("09.zero_snr", "shifted and scaled without the root")
def _(alpha_bars):
    ab = alpha_bars[0] * (alpha_bars - alpha_bars[-1]) / (alpha_bars[0] - alpha_bars[-1])
    return betas_of(ab)


@wrong("09.zero_snr", "shifted, and the first signal is lost")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    return betas_of((a - a[-1]) ** 2)


@wrong("09.zero_snr", "the first signal is made 1")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    return betas_of(((a - a[-1]) / (a[0] - a[-1])) ** 2)


@wrong("09.zero_snr", "the products instead of the betas")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    return ((a - a[-1]) * a[0] / (a[0] - a[-1])) ** 2


@wrong("09.zero_snr", "the alphas 1 - beta instead of the betas")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    return 1 - betas_of(((a - a[-1]) * a[0] / (a[0] - a[-1])) ** 2)


@wrong("09.zero_snr", "the first beta is 0")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    betas = betas_of(((a - a[-1]) * a[0] / (a[0] - a[-1])) ** 2)
    betas[0] = 0
    return betas


@wrong("09.zero_snr", "the square is forgotten on the way back")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    return betas_of((a - a[-1]) * a[0] / (a[0] - a[-1]))


@wrong("09.zero_snr", "only the last signal is cut to 0")
def _(alpha_bars):
    ab = alpha_bars.clone()
    ab[-1] = 0
    return betas_of(ab)


@wrong("09.zero_snr", "the last beta is kept below 0.999")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    return betas_of(((a - a[-1]) * a[0] / (a[0] - a[-1])) ** 2).clamp(max=0.999)


@wrong("09.zero_snr", "in place: the last signal is gone before the scale is made")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    a -= a[-1].clone()
    a *= a[0] / (a[0] - a[-1])
    return betas_of(a**2)


@wrong("09.zero_snr", "one beta too few")
def _(alpha_bars):
    a = alpha_bars.sqrt()
    ab = ((a - a[-1]) * a[0] / (a[0] - a[-1])) ** 2
    return 1 - ab[1:] / ab[:-1]


@right("09.zero_snr", "a and b by hand")
def _(alpha_bars):
    s = alpha_bars.sqrt()
    a = s[0] / (s[0] - s[-1])
    b = -a * s[-1]
    bars = (a * s + b) ** 2
    bars[-1] = 0
    return 1 - bars / torch.cat([torch.ones(1, dtype=bars.dtype), bars[:-1]])


@right("09.zero_snr", "a and b from a system of equations")
def _(alpha_bars):
    s = alpha_bars.sqrt()
    one = torch.ones_like(s)
    ab = torch.linalg.solve(torch.stack([s, one], 1)[[0, -1]], torch.stack([s[0], 0 * s[0]]))
    new = torch.stack([s, one], 1) @ ab
    return 1 - F.pad(new[1:] / new[:-1], (1, 0), value=new[0].item()) ** 2


@right("09.zero_snr", "a loop over plain numbers")
def _(alpha_bars):
    s = [math.sqrt(v) for v in alpha_bars.tolist()]
    signals = [s[0] * (v - s[-1]) / (s[0] - s[-1]) for v in s]
    betas, before = [], 1.0
    for v in signals:
        betas.append(1 - (v / before) ** 2)
        before = v
    return torch.tensor(betas, dtype=torch.float64)


@right("09.zero_snr", "numpy, with logarithms")
def _(alpha_bars):
    s = np.sqrt(alpha_bars.detach().numpy())
    s = np.interp(s, [s[-1], s[0]], [0, s[0]])
    with np.errstate(divide="ignore"):
        return torch.from_numpy(-np.expm1(2 * np.diff(np.log(s), prepend=0)))


# -- 09.begin --------------------------------------------------------------------------------------------------------


def noised(x0, noise, at):
    return at.alpha * x0 + at.sigma * noise


@wrong("09.begin", "rounded to the nearest")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - round(n * strength) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "the part that is skipped")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[int(n * strength) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "n is the number of levels")
def _(x0, noise, levels, strength):
    n = len(levels)
    left = levels[min(n - int(n * strength), n - 1) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "as many levels as steps")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[-max(int(n * strength), 1) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "-0 takes the whole walk")
def _(x0, noise, levels, strength):
    k = int((len(levels) - 1) * strength)
    left = [levels[-k - 1], *levels[-k:]]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "at least one step")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - max(int(n * strength), 1) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "no exception for strength 1")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "the bare noise for strength 1")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return noise.clone(), left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "sigma times the noise for strength 1")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return left[0].sigma * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "the variance as a factor for strength 1")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return (left[0].alpha ** 2 + left[0].sigma ** 2) * noise, left
    return noised(x0, noise, left[0]), left


@wrong("09.begin", "noised to the noisiest level of all")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, levels[0]), left


@wrong("09.begin", "the level where x stands is not among those left")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left[1:]
    return noised(x0, noise, left[0]), left[1:]


@wrong("09.begin", "strength mixes the noise in")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return (1 - strength) * x0 + strength * noise, left


@wrong("09.begin", "pure noise already where all but the first steps are taken")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    k = int(n * strength)
    left = levels[n - k :]
    if k >= n - 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


def from_the_first(x0, noise, rest, strength):
    """x at the first of the levels that are left, and these."""
    at = rest[0]
    return (math.hypot(at.alpha, at.sigma) * noise if strength == 1 else noised(x0, noise, at)), rest


@wrong("09.begin", "one step at least, by max of the count")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    return from_the_first(x0, noise, levels[n - max(int(n * strength), 1) :], strength)


@wrong("09.begin", "one step at least, unless the strength is 0")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    k = max(int(n * strength), 1) if strength else 0
    return from_the_first(x0, noise, levels[n - k :], strength)


@wrong("09.begin", "the level of the start joined to the last k, also for k = 0")
def _(x0, noise, levels, strength):
    k = int((len(levels) - 1) * strength)
    return from_the_first(x0, noise, [levels[-k - 1], *levels[-k:]], strength)


@wrong("09.begin", "sigma of alpha throughout, as if squares added up to 1")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    rest = levels[n - int(n * strength) :]
    a = rest[0].alpha
    s = math.sqrt(1 - a * a)
    return (math.hypot(a, s) * noise if strength == 1 else a * x0 + s * noise), rest


@wrong("09.begin", "sigma of alpha, and it alone for strength 1")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    rest = levels[n - int(n * strength) :]
    a = rest[0].alpha
    return (noise * (1 - a * a) ** 0.5 if strength == 1 else noised(x0, noise, rest[0])), rest


@wrong("09.begin", "levels popped from the caller's list")
def _(x0, noise, levels, strength):
    k = int((len(levels) - 1) * strength)
    while len(levels) > k + 1:
        levels.pop(0)
    return from_the_first(x0, noise, levels, strength)


@right("09.begin", "x0 itself where no step is left, the levels a tuple")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    k = int(n * strength)
    return from_the_first(x0, noise, tuple(levels[n - k :]), strength) if k else (x0, levels[-1:])


@right("09.begin", "cut from the front")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    left = levels[n - int(n * strength) :]
    if strength == 1:
        return math.hypot(left[0].alpha, left[0].sigma) * noise, left
    return noised(x0, noise, left[0]), left


@right("09.begin", "cut from the end, the noise first")
def _(x0, noise, levels, strength):
    left = list(levels[-int((len(levels) - 1) * strength) - 1 :])
    a, s = left[0].alpha, left[0].sigma
    if strength >= 1:
        return noise * (a**2 + s**2) ** 0.5, left
    return torch.add(a * x0, noise, alpha=s), left


@right("09.begin", "levels thrown away one after the other")
def _(x0, noise, levels, strength):
    left = list(levels)
    taken = math.floor((len(levels) - 1) * strength)
    while len(left) > taken + 1:
        left.pop(0)
    picture = x0.clone()
    if strength == 1.0:
        spread = torch.tensor([left[0].alpha, left[0].sigma], dtype=torch.float64).norm().item()
        return noise.mul(spread), left
    picture *= left[0].alpha
    return picture.add(noise, alpha=left[0].sigma), left


@right("09.begin", "all steps are taken, in double")
def _(x0, noise, levels, strength):
    n = len(levels) - 1
    k = int(n * strength)
    at = levels[n - k]
    if k == n:
        x = noise.double() * math.sqrt(at.alpha**2 + at.sigma**2)
    else:
        x = x0.double() * at.alpha + noise.double() * at.sigma
    return x.to(x0.dtype), levels[n - k :]


# -- 09.inpaint ------------------------------------------------------------------------------------------------------


@wrong("09.inpaint", "the mask the other way round")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, noised(x0, noise, to), x)
    return x


@wrong("09.inpaint", "the picture as it looks at the level before")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, noised(x0, noise, at))
    return x


@wrong("09.inpaint", "the clean picture at every level")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, x0)
    return x


@wrong("09.inpaint", "put back before each step, not after")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = torch.where(mask, x, noised(x0, noise, at))
        x = step(denoise(x, at), to)
    return x


@wrong("09.inpaint", "put back at the start too")
def _(denoise, x, levels, step, x0, noise, mask):
    x = torch.where(mask, x, noised(x0, noise, levels[0]))
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, noised(x0, noise, to))
    return x


@wrong("09.inpaint", "not after the last step")
def _(denoise, x, levels, step, x0, noise, mask):
    for i in range(len(levels) - 1):
        x = step(denoise(x, levels[i]), levels[i + 1])
        if i < len(levels) - 2:
            x = torch.where(mask, x, noised(x0, noise, levels[i + 1]))
    return x


@wrong("09.inpaint", "only at the end")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
    return torch.where(mask, x, x0)


@wrong("09.inpaint", "new noise at every level")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, noised(x0, torch.randn_like(x0), to))
    return x


@wrong("09.inpaint", "the estimate is mended instead of x")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        now = denoise(x, at)
        x = step(torch.where(mask, now, noised(x0, noise, to)), to)
    return x


@wrong("09.inpaint", "one step too few")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels[:-2], levels[1:-1]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, noised(x0, noise, to))
    return x


@wrong("09.inpaint", "the known part is added")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to) + ~mask * noised(x0, noise, to)
    return x


@wrong("09.inpaint", "the picture is noised in place")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x0 *= to.alpha
        x0 += to.sigma * noise
        x = torch.where(mask, x, x0)
    return x


@wrong("09.inpaint", "the model is asked at the level to")
def _(denoise, x, levels, step, x0, noise, mask):
    for to in levels[1:]:
        x = step(denoise(x, to), to)
        x = torch.where(mask, x, noised(x0, noise, to))
    return x


@wrong("09.inpaint", "the first channel only")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to).clone()
        x[:, :1][~mask] = noised(x0, noise, to)[:, :1][~mask]
    return x


@right("09.inpaint", "where")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:]):
        x = step(denoise(x, at), to)
        x = torch.where(mask, x, noised(x0, noise, to))
    return x


@right("09.inpaint", "products with the mask as numbers")
def _(denoise, x, levels, step, x0, noise, mask):
    m = mask.to(x.dtype)
    for i in range(1, len(levels)):
        y = step(denoise(x, levels[i - 1]), levels[i])
        x = m * y + (1 - m) * (levels[i].alpha * x0 + levels[i].sigma * noise)
    return x


@right("09.inpaint", "written into a copy, by index")
def _(denoise, x, levels, step, x0, noise, mask):
    keep = (~mask).expand_as(x)
    at = levels[0]
    for to in levels[1:]:
        x = step(denoise(x, at), to).clone()
        x[keep] = to.alpha * x0[keep] + to.sigma * noise[keep]
        at = to
    return x


@right("09.inpaint", "all known pictures beforehand, picture by picture")
def _(denoise, x, levels, step, x0, noise, mask):
    known = torch.stack([x0 * at.alpha + noise * at.sigma for at in levels])
    for i in range(len(levels) - 1):
        y = step(denoise(x, levels[i]), levels[i + 1])
        x = torch.stack([k.masked_scatter(m.expand_as(k), v[m.expand_as(v)]) for k, v, m in zip(known[i + 1], y, mask)])
    return x


@right("09.inpaint", "the mask as numbers")
def _(denoise, x, levels, step, x0, noise, mask):
    for at, to in zip(levels, levels[1:], strict=False):
        x = mask * step(denoise(x, at), to) + ~mask * (to.alpha * x0 + to.sigma * noise)
    return x


@wrong("09.inpaint", "levels popped from the caller's list")
def _(denoise, x, levels, step, x0, noise, mask):
    at = levels.pop(0)
    while levels:
        to = levels.pop(0)
        x = torch.where(mask, step(denoise(x, at), to), to.alpha * x0 + to.sigma * noise)
        at = to
    return x


# -- 09.several ------------------------------------------------------------------------------------------------------


@wrong("09.several", "the weighted sum of the prompts alone")
def _(eps, weights):
    return sum(w * e for w, e in zip(weights, eps[1:]))


@wrong("09.several", "the weights are made to add up to 1")
def _(eps, weights):
    total = sum(weights)
    out = eps[0]
    for w, e in zip(weights, eps[1:]):
        out = out + w / total * (e - eps[0])
    return out


@wrong("09.several", "the mean of the guided ones")
def _(eps, weights):
    return torch.stack([eps[0] + w * (e - eps[0]) for w, e in zip(weights, eps[1:])]).mean(0)


@wrong("09.several", "the sum of the guided ones")
def _(eps, weights):
    return torch.stack([eps[0] + w * (e - eps[0]) for w, e in zip(weights, eps[1:])]).sum(0)


@wrong("09.several", "one after the other, each from the last result")
def _(eps, weights):
    out = eps[0]
    for w, e in zip(weights, eps[1:]):
        out = out + w * (e - out)
    return out


@wrong("09.several", "the row without a text is forgotten at the end")
def _(eps, weights):
    return sum(w * (e - eps[0]) for w, e in zip(weights, eps[1:]))


@wrong("09.several", "weights of 1 + w")
def _(eps, weights):
    return eps[0] + sum((1 + w) * (e - eps[0]) for w, e in zip(weights, eps[1:]))


@wrong("09.several", "the difference the other way round")
def _(eps, weights):
    return eps[0] + sum(w * (eps[0] - e) for w, e in zip(weights, eps[1:]))


@wrong("09.several", "the sign of a score is left")
def _(eps, weights):
    return -(eps[0] + sum(w * (e - eps[0]) for w, e in zip(weights, eps[1:])))


@wrong("09.several", "the row without a text once, whatever the weights")
def _(eps, weights):
    return eps[0] + sum(w * e for w, e in zip(weights, eps[1:]))


@wrong("09.several", "no negative weights")
def _(eps, weights):
    return eps[0] + sum(max(w, 0) * (e - eps[0]) for w, e in zip(weights, eps[1:]))


@wrong("09.several", "only the first prompt")
def _(eps, weights):
    return eps[0] + weights[0] * (eps[1] - eps[0])


@wrong("09.several", "the gradient is cut off")
def _(eps, weights):
    w = torch.tensor(weights, dtype=eps.dtype)
    e = eps.detach()
    return e[0] + torch.tensordot(w, e[1:] - e[0], 1)


@wrong("09.several", "the gradient of the row without a text is cut off")
def _(eps, weights):
    free = eps[0].detach()
    return free + sum(w * (e - free) for w, e in zip(weights, eps[1:]))


@right("09.several", "a sum in a loop")
def _(eps, weights):
    out = eps[0].clone()
    for k, w in enumerate(weights, start=1):
        out = out + w * (eps[k] - eps[0])
    return out


@right("09.several", "one weight for each row, einsum")
def _(eps, weights):
    w = torch.tensor([1 - sum(weights), *weights], dtype=eps.dtype, device=eps.device)
    return torch.einsum("k,k...->...", w, eps)


@right("09.several", "scores, with a sigma that cancels")
def _(eps, weights):
    sigma = 0.5
    score = -eps / sigma
    w = torch.as_tensor(weights, dtype=eps.dtype).view(-1, *[1] * (eps.ndim - 1))
    q = score[0] + (w * (score[1:] - score[:1])).sum(0)
    return -sigma * q


@right("09.several", "a matrix product in double")
def _(eps, weights):
    w = torch.tensor([weights], dtype=torch.float64)
    rows = eps.double().flatten(1)
    out = (1 - w.sum()) * rows[0] + (w @ rows[1:]).squeeze(0)
    return out.view(eps.shape[1:]).to(eps.dtype)


# -- 09.LoRA ---------------------------------------------------------------------------------------------------------


class LoRA(nn.Module):
    """A plain answer, for others to spoil."""

    def __init__(self, linear, rank, scale=1.0):
        super().__init__()
        self.linear = linear
        for p in linear.parameters():
            p.requires_grad_(False)
        self.scale = scale
        like = {"dtype": linear.weight.dtype, "device": linear.weight.device}
        self.down = nn.Parameter(torch.randn(rank, linear.in_features, **like) / rank)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank, **like))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.down.T @ self.up.T)

    def merged(self):
        new = copy.deepcopy(self.linear)
        with torch.no_grad():
            new.weight += self.scale * self.up @ self.down
        return new


@wrong("09.LoRA", "the layer still learns")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        for p in linear.parameters():
            p.requires_grad_(True)


@wrong("09.LoRA", "the bias still learns")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        nn.Module.__init__(self)
        self.linear, self.scale = linear, scale
        linear.weight.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / rank)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))


@wrong("09.LoRA", "a copy of the layer")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(copy.deepcopy(linear), rank, scale)


@wrong("09.LoRA", "frozen by no_grad alone")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        nn.Module.__init__(self)
        self.linear, self.scale = linear, scale
        self.down = nn.Parameter(torch.randn(rank, linear.in_features) / rank)
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        with torch.no_grad():
            y = self.linear(x)
        return y + self.scale * (x @ self.down.T @ self.up.T)


@wrong("09.LoRA", "no gradient flows through the layer to x")
class _(LoRA):
    def forward(self, x):
        with torch.no_grad():
            y = self.linear(x)
        return y + self.scale * (x @ self.down.T @ self.up.T)


@wrong("09.LoRA", "standard deviation 1")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        nn.init.normal_(self.down)


@wrong("09.LoRA", "variance 1/rank")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        nn.init.normal_(self.down, std=rank**-0.5)


@wrong("09.LoRA", "uniform, as in nn.Linear")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))


@wrong("09.LoRA", "down starts at 0 and up is drawn")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        nn.init.zeros_(self.down)
        nn.init.normal_(self.up, std=1 / rank)


@wrong("09.LoRA", "both start at 0")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        nn.init.zeros_(self.down)


@wrong("09.LoRA", "the scale is divided by the rank")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale / rank)


@wrong("09.LoRA", "the scale is forgotten in forward")
class _(LoRA):
    def forward(self, x):
        return self.linear(x) + x @ self.down.T @ self.up.T


@wrong("09.LoRA", "the scale is forgotten in merged")
class _(LoRA):
    def merged(self):
        new = copy.deepcopy(self.linear)
        with torch.no_grad():
            new.weight += self.up @ self.down
        return new


@wrong("09.LoRA", "the scale for the layer as well")
class _(LoRA):
    def forward(self, x):
        return self.scale * (self.linear(x) + x @ self.down.T @ self.up.T)


@wrong("09.LoRA", "merged into the layer itself")
class _(LoRA):
    def merged(self):
        self.linear.weight.data += self.scale * self.up.data @ self.down.data
        return self.linear


@wrong("09.LoRA", "merged without a bias")
class _(LoRA):
    def merged(self):
        new = nn.Linear(self.linear.in_features, self.linear.out_features, bias=False)
        new.weight = nn.Parameter((self.linear.weight + self.scale * self.up @ self.down).detach())
        return new


@wrong("09.LoRA", "merged: always a bias, left as it was drawn where there is none")
class _(LoRA):
    def merged(self):
        new = nn.Linear(self.linear.in_features, self.linear.out_features)
        new.weight = nn.Parameter((self.linear.weight + self.scale * self.up @ self.down).detach())
        if self.linear.bias is not None:
            new.bias = nn.Parameter(self.linear.bias.detach().clone())
        return new


@wrong("09.LoRA", "merged: a layer with the same bias in memory")
class _(LoRA):
    def merged(self):
        old = self.linear
        new = nn.Linear(old.in_features, old.out_features, bias=old.bias is not None)
        new.weight = nn.Parameter((old.weight + self.scale * self.up @ self.down).detach())
        if old.bias is not None:
            new.bias = old.bias
        return new


@wrong("09.LoRA", "merged: a new layer that has the old weights for its own")
class _(LoRA):
    def merged(self):
        old = self.linear
        new = nn.Linear(old.in_features, old.out_features, bias=old.bias is not None)
        new.weight.data = old.weight.data
        if old.bias is not None:
            new.bias.data = old.bias.data.clone()
        new.weight.data += self.scale * (self.up @ self.down).data
        return new


@wrong("09.LoRA", "merged fails without a bias")
class _(LoRA):
    def merged(self):
        old = self.linear
        new = nn.Linear(old.in_features, old.out_features)
        with torch.no_grad():
            new.weight.copy_(old.weight + self.scale * self.up @ self.down)
            new.bias.copy_(old.bias)
        return new


@wrong("09.LoRA", "merged takes the correction away")
class _(LoRA):
    def merged(self):
        new = copy.deepcopy(self.linear)
        with torch.no_grad():
            new.weight -= self.scale * self.up @ self.down
        return new


@wrong("09.LoRA", "down and up as buffers")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        nn.Module.__init__(self)
        self.linear, self.scale = linear, scale
        linear.requires_grad_(False)
        self.register_buffer("down", torch.randn(rank, linear.in_features) / rank)
        self.register_buffer("up", torch.zeros(linear.out_features, rank))


@wrong("09.LoRA", "down and up the other way round in shape")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        nn.Module.__init__(self)
        self.linear, self.scale = linear, scale
        linear.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(linear.in_features, rank) / rank)
        self.up = nn.Parameter(torch.zeros(rank, linear.out_features))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.down @ self.up)

    def merged(self):
        new = copy.deepcopy(self.linear)
        with torch.no_grad():
            new.weight += self.scale * (self.down @ self.up).T
        return new


@wrong("09.LoRA", "two layers with biases of their own instead of parameters")
class _(nn.Module):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__()
        self.linear, self.scale = linear.requires_grad_(False), scale
        self.down = nn.Linear(linear.in_features, rank)
        self.up = nn.Linear(rank, linear.out_features)
        nn.init.normal_(self.down.weight, std=1 / rank)
        nn.init.zeros_(self.up.weight)

    def forward(self, x):
        return self.linear(x) + self.scale * self.up(self.down(x))

    def merged(self):
        new = copy.deepcopy(self.linear)
        with torch.no_grad():
            new.weight += self.scale * self.up.weight @ self.down.weight
        return new


@wrong("09.LoRA", "merged leaves what has been learnt out")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank, scale)
        self.delta = (scale * self.up @ self.down).detach()

    def merged(self):
        new = copy.deepcopy(self.linear)
        with torch.no_grad():
            new.weight += self.delta
        return new


@wrong("09.LoRA", "a ReLU between down and up")
class _(LoRA):
    def forward(self, x):
        return self.linear(x) + self.scale * F.linear(F.relu(F.linear(x, self.down)), self.up)


@wrong("09.LoRA", "merged thaws the layer")
class _(LoRA):
    def merged(self):
        self.linear.requires_grad_(True)
        return super().merged()


@wrong("09.LoRA", "merged freezes all of the module")
class _(LoRA):
    def merged(self):
        self.requires_grad_(False)
        return super().merged()


@wrong("09.LoRA", "forward thaws the layer")
class _(LoRA):
    def forward(self, x):
        y = super().forward(x)
        self.linear.requires_grad_(True)
        return y


@wrong("09.LoRA", "merged: the weight a tensor on the graph of down and up")
class _(LoRA):
    def merged(self):
        new = copy.deepcopy(self.linear)
        del new.weight
        new.weight = self.linear.weight + self.scale * self.up @ self.down
        return new


@wrong("09.LoRA", "merged: the bias a plain tensor")
class _(LoRA):
    def merged(self):
        new = super().merged()
        if new.bias is not None:
            bias = new.bias.detach().clone()
            del new.bias
            new.bias = bias
        return new


@wrong("09.LoRA", "the scale learns too")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank)
        del self.scale
        self.scale = nn.Parameter(torch.tensor(scale))


@wrong("09.LoRA", "the scale twice in forward")
class _(LoRA):
    def forward(self, x):
        return self.linear(x) + self.scale**2 * (x @ self.down.T @ self.up.T)


@wrong("09.LoRA", "merged gives a LoRA")
class _(LoRA):
    def merged(self):
        return copy.deepcopy(self)


@wrong("09.LoRA", "merged switches the correction off in the module")
class _(LoRA):
    def merged(self):
        new = super().merged()
        nn.init.zeros_(self.up)
        return new


@right("09.LoRA", "the scale in a buffer")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank)
        del self.scale
        self.register_buffer("scale", torch.tensor(scale))


@right("09.LoRA", "the scale in a buffer that is not saved")
class _(LoRA):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__(linear, rank)
        del self.scale
        self.register_buffer("scale", torch.full((1,), scale), persistent=False)


@right("09.LoRA", "merged: a new parameter made of the sum, frozen")
class _(LoRA):
    def merged(self):
        old = self.linear
        new = nn.Linear(old.in_features, old.out_features, bias=old.bias is not None)
        new.weight = nn.Parameter(old.weight + self.scale * self.up @ self.down, requires_grad=False)
        if old.bias is not None:
            new.bias = nn.Parameter(old.bias.clone(), requires_grad=False)
        return new


@right("09.LoRA", "a copy of the layer, added to")
class _(LoRA):
    pass


@right("09.LoRA", "F.linear, and a layer built anew")
class _(nn.Module):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.rank, self.scale = rank, scale
        self.down = nn.Parameter(torch.empty(rank, linear.in_features).to(linear.weight))
        self.up = nn.Parameter(torch.zeros(linear.out_features, rank).to(linear.weight))
        nn.init.normal_(self.down, mean=0.0, std=1 / rank)

    def forward(self, x):
        return (
            F.linear(x, self.linear.weight, self.linear.bias) + F.linear(F.linear(x, self.down), self.up) * self.scale
        )

    @torch.no_grad()
    def merged(self):
        out, into = self.linear.weight.shape
        new = nn.Linear(into, out, bias=self.linear.bias is not None).to(self.linear.weight)
        new.weight.copy_(torch.addmm(self.linear.weight, self.up, self.down, alpha=self.scale))
        if new.bias is not None:
            new.bias.copy_(self.linear.bias)
        return new


@right("09.LoRA", "einsum, and merged by its state")
class _(nn.Module):
    def __init__(self, linear, rank, scale=1.0):
        super().__init__()
        linear.weight.requires_grad = False
        if linear.bias is not None:
            linear.bias.requires_grad = False
        self.linear = linear
        self.scale = scale
        w = linear.weight
        self.register_parameter("down", nn.Parameter(torch.normal(0.0, 1 / rank, (rank, w.shape[1])).to(w)))
        self.register_parameter("up", nn.Parameter(w.new_zeros(w.shape[0], rank)))

    def forward(self, x):
        small = torch.einsum("...i,ri->...r", x, self.down)
        return self.linear(x) + torch.einsum("...r,or->...o", self.scale * small, self.up)

    def merged(self):
        state = {name: p.detach().clone() for name, p in self.linear.state_dict().items()}
        for r in range(self.down.shape[0]):
            state["weight"] += self.scale * torch.outer(self.up[:, r], self.down[r]).detach()
        new = nn.Linear(*reversed(state["weight"].shape), bias="bias" in state, dtype=state["weight"].dtype)
        new.load_state_dict(state)
        return new


@right("09.LoRA", "merged from what it does to the unit vectors")
class _(LoRA):
    def merged(self):
        old = self.linear
        with torch.no_grad():
            eye = torch.eye(old.in_features, dtype=old.weight.dtype)
            offset = self(torch.zeros_like(eye[:1]))
            new = nn.Linear(old.in_features, old.out_features, bias=old.bias is not None, dtype=old.weight.dtype)
            new.weight.copy_((self(eye) - offset).T)
            if old.bias is not None:
                new.bias.copy_(offset[0])
        return new


# -- 09.extract ------------------------------------------------------------------------------------------------------


def svd(m):
    return torch.linalg.svd(m, full_matrices=False)


@wrong("09.extract", "of the weight after, not of the change")
def _(before, after, rank):
    u, s, vh = svd(after)
    return vh[:rank], u[:, :rank] * s[:rank]


@wrong("09.extract", "the change the other way round")
def _(before, after, rank):
    u, s, vh = svd(before - after)
    return vh[:rank], u[:, :rank] * s[:rank]


@wrong("09.extract", "up first")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    return u[:, :rank] * s[:rank], vh[:rank]


@wrong("09.extract", "without the singular values")
def _(before, after, rank):
    u, _, vh = svd(after - before)
    return vh[:rank], u[:, :rank]


@wrong("09.extract", "the singular values twice")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    return s[:rank, None] * vh[:rank], u[:, :rank] * s[:rank]


@wrong("09.extract", "the smallest singular values")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    return vh[-rank:], u[:, -rank:] * s[-rank:]


@wrong("09.extract", "eigh sorts upwards")
def _(before, after, rank):
    d = after - before
    _, v = torch.linalg.eigh(d.T @ d)
    down = v[:, :rank].T
    return down, d @ down.T


@wrong("09.extract", "V for its transpose")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    return vh[:, :rank].T, u[:, :rank] * s[:rank]


@wrong("09.extract", "the first rows of the change")
def _(before, after, rank):
    d = after - before
    up = torch.zeros(d.shape[0], rank, dtype=d.dtype)
    up[:rank] = torch.eye(rank, dtype=d.dtype)
    return d[:rank], up


@wrong("09.extract", "the largest rows of the change, and least squares")
def _(before, after, rank):
    d = after - before
    down = d[d.norm(dim=1).topk(rank).indices]
    return down, d @ torch.linalg.pinv(down)


@wrong("09.extract", "a random down as at the start of a LoRA, and the best up for it")
def _(before, after, rank):
    d = after - before
    down = torch.randn(rank, d.shape[1], dtype=d.dtype) / rank
    return down, torch.linalg.lstsq(down.T, d.T).solution.T


@wrong("09.extract", "one rank too few")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    s = s.clone()
    s[rank - 1 :] = 0
    return vh[:rank], u[:, :rank] * s[:rank]


@wrong("09.extract", "always all of the change")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    return vh, u * s


@wrong("09.extract", "the SVD of the relative change")
def _(before, after, rank):
    u, s, vh = svd(after / before - 1)
    return vh[:rank], u[:, :rank] * s[:rank]


@right("09.extract", "the singular values into up")
def _(before, after, rank):
    u, s, vh = svd(after - before)
    return vh[:rank], u[:, :rank] * s[:rank]


@right("09.extract", "numpy in double, a root for each")
def _(before, after, rank):
    u, s, vh = np.linalg.svd((after.double() - before.double()).detach().numpy())
    root = np.sqrt(s[:rank])
    down, up = root[:, None] * vh[:rank], u[:, :rank] * root
    return torch.from_numpy(down).to(after.dtype), torch.from_numpy(up).to(after.dtype)


@right("09.extract", "the eigenvectors of the smaller square")
def _(before, after, rank):
    d = (after - before).double()
    if d.shape[0] < d.shape[1]:
        up = torch.linalg.eigh(d @ d.T).eigenvectors[:, -rank:]
        return (up.T @ d).to(after.dtype), up.to(after.dtype)
    down = torch.linalg.eigh(d.T @ d).eigenvectors.T[-rank:]
    return down.to(after.dtype), (d @ down.T).to(after.dtype)


@right("09.extract", "orthogonal iteration")
def _(before, after, rank):
    d = (after - before).double()
    q = torch.linalg.qr(torch.randn(d.shape[1], rank, dtype=d.dtype))[0]
    for _ in range(3000):
        q = torch.linalg.qr(d.T @ (d @ q))[0]
    return q.T.to(after.dtype), (d @ q).to(after.dtype)


@right("09.extract", "one direction after the other is taken off")
def _(before, after, rank):
    rest = (after - before).double()
    down, up = [], []
    for _ in range(rank):
        u, s, v = torch.svd(rest)
        down.append(v[:, 0])
        up.append(s[0] * u[:, 0])
        rest = rest - torch.outer(up[-1], down[-1])
    return torch.stack(down).to(after.dtype), torch.stack(up, 1).to(after.dtype)


# -- 09.learn_word ---------------------------------------------------------------------------------------------------


@wrong("09.learn_word", "all rows learn")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        t = (t - lr * g).detach().requires_grad_()
    return t.detach()


@wrong("09.learn_word", "all rows learn, and the others are put back at the end")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        t = (t - lr * g).detach().requires_grad_()
    out = table.detach().clone()
    out[row] = t[row].detach()
    return out


@wrong("09.learn_word", "the caller's table is written")
def _(loss, table, row, steps, lr):
    t = table.detach()
    for _ in range(steps):
        leaf = t.clone().requires_grad_()
        (g,) = torch.autograd.grad(loss(leaf), leaf)
        t[row] -= lr * g[row]
    return t.clone()


@wrong("09.learn_word", "the caller's parameter gets a grad")
def _(loss, table, row, steps, lr):
    t = table.clone()
    if not t.requires_grad:
        t.requires_grad_()
    for _ in range(steps):
        t.retain_grad()
        loss(t).backward()
        g = t.grad
        new = t.detach().clone()
        new[row] -= lr * g[row]
        t = new.requires_grad_()
    return t.detach()


@wrong("09.learn_word", "Adam")
def _(loss, table, row, steps, lr):
    fixed = table.detach()
    word = nn.Parameter(fixed[row].clone())
    optimizer = torch.optim.Adam([word], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(torch.cat([fixed[:row], word[None], fixed[row + 1 :]])).backward()
        optimizer.step()
    out = fixed.clone()
    out[row] = word.detach()
    return out


@wrong("09.learn_word", "the gradients add up")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        loss(t).backward()
        with torch.no_grad():
            t[row] -= lr * t.grad[row]
    return t.detach()


@wrong("09.learn_word", "the first gradient for all steps")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    (g,) = torch.autograd.grad(loss(t), t)
    out = t.detach().clone()
    for _ in range(steps):
        out[row] -= lr * g[row]
    return out


@wrong("09.learn_word", "uphill")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        with torch.no_grad():
            t[row] += lr * g[row]
    return t.detach()


@wrong("09.learn_word", "one step too many")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps + 1):
        (g,) = torch.autograd.grad(loss(t), t)
        with torch.no_grad():
            t[row] -= lr * g[row]
    return t.detach()


@wrong("09.learn_word", "weight decay, which reaches the other rows too")
def _(loss, table, row, steps, lr):
    t = nn.Parameter(table.detach().clone())
    optimizer = torch.optim.SGD([t], lr=lr, weight_decay=1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(t).backward()
        keep = torch.zeros_like(t)
        keep[row] = 1
        t.grad *= keep
        optimizer.step()
    return t.detach()


@wrong("09.learn_word", "momentum 0.9")
def _(loss, table, row, steps, lr):
    t = nn.Parameter(table.detach().clone())
    optimizer = torch.optim.SGD([t], lr=lr, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(t).backward()
        t.grad[:row] = 0
        t.grad[row + 1 :] = 0
        optimizer.step()
    return t.detach()


@wrong("09.learn_word", "not detached")
def _(loss, table, row, steps, lr):
    t = nn.Parameter(table.detach().clone())
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        with torch.no_grad():
            t[row] -= lr * g[row]
    return t


@wrong("09.learn_word", "the learnt row alone")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        with torch.no_grad():
            t[row] -= lr * g[row]
    return t.detach()[row]


@wrong("09.learn_word", "the mask covers the row instead of the others")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        g = g.clone()
        g[row] = 0
        with torch.no_grad():
            t -= lr * g
    return t.detach()


@wrong("09.learn_word", "a column instead of a row")
def _(loss, table, row, steps, lr):
    t = table.detach().clone().requires_grad_()
    for _ in range(steps):
        (g,) = torch.autograd.grad(loss(t), t)
        with torch.no_grad():
            t[:, row % t.shape[1]] -= lr * g[:, row % t.shape[1]]
    return t.detach()


@wrong("09.learn_word", "with 0 steps the caller's table itself")
def _(loss, table, row, steps, lr):
    t = table.detach()
    for _ in range(steps):
        leaf = t.clone().requires_grad_()
        (g,) = torch.autograd.grad(loss(leaf), leaf)
        t = leaf.detach()
        t[row] -= lr * g[row]
    return t


@right("09.learn_word", "the whole gradient, one row of it used")
def _(loss, table, row, steps, lr):
    t = table.detach().clone()
    for _ in range(steps):
        t.requires_grad_(True)
        (g,) = torch.autograd.grad(loss(t), t)
        t = t.detach()
        t[row] -= lr * g[row]
    return t


@right("09.learn_word", "only the row is a leaf, SGD of torch")
def _(loss, table, row, steps, lr):
    fixed = table.detach().clone()
    word = nn.Parameter(fixed[row].clone())
    optimizer = torch.optim.SGD([word], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(torch.cat([fixed[:row], word[None], fixed[row + 1 :]])).backward()
        optimizer.step()
    fixed[row] = word.detach()
    return fixed


@right("09.learn_word", "a copy as a parameter, put right after every step")
def _(loss, table, row, steps, lr):
    old = table.detach().clone()
    t = nn.Parameter(old.clone())
    others = torch.arange(len(old)) != row
    for _ in range(steps):
        t.grad = None
        loss(t).backward()
        with torch.no_grad():
            t.add_(t.grad, alpha=-lr)
            t[others] = old[others]
    return t.detach()


@right("09.learn_word", "torch.func and where")
def _(loss, table, row, steps, lr):
    old = table.detach().clone()
    chosen = F.one_hot(torch.tensor(row), len(old)).bool()[:, None]
    word = old[row]
    slope = torch.func.grad(lambda w: loss(torch.where(chosen, w, old)))
    for _ in range(steps):
        word = word - lr * slope(word)
    return torch.where(chosen, word, old).detach()


# -- 09.zero_conv ----------------------------------------------------------------------------------------------------


@wrong("09.zero_conv", "the mean over the places")
def _(grad, c, V, W):
    n = len(c)
    return {"W": grad.T @ (c @ V.T) / n, "b": grad.mean(0), "V": W.T @ grad.T @ c / n}


@wrong("09.zero_conv", "the bias's mean over the places")
def _(grad, c, V, W):
    return {"W": grad.T @ (c @ V.T), "b": grad.mean(0), "V": W.T @ grad.T @ c}


@wrong("09.zero_conv", "W is taken for zero")
def _(grad, c, V, W):
    return {"W": grad.T @ (c @ V.T), "b": grad.sum(0), "V": torch.zeros_like(V)}


@wrong("09.zero_conv", "nothing comes through at the start: all zero")
def _(grad, c, V, W):
    return {"W": torch.zeros_like(W), "b": torch.zeros(len(W), dtype=W.dtype), "V": torch.zeros_like(V)}


@wrong("09.zero_conv", "W is taken for the identity")
def _(grad, c, V, W):
    first = torch.eye(*W.shape, dtype=W.dtype)
    return {"W": grad.T @ (c @ V.T), "b": grad.sum(0), "V": first.T @ grad.T @ c}


@wrong("09.zero_conv", "W's with the output in place of the input")
def _(grad, c, V, W):
    y = c @ V.T @ W.T
    return {"W": grad.T @ y @ W, "b": grad.sum(0), "V": W.T @ grad.T @ c}


@wrong("09.zero_conv", "transposed")
def _(grad, c, V, W):
    return {"W": (c @ V.T).T @ grad, "b": grad.sum(0), "V": c.T @ grad @ W}


@wrong("09.zero_conv", "the sum over the outputs for the bias")
def _(grad, c, V, W):
    return {"W": grad.T @ (c @ V.T), "b": grad.sum(1), "V": W.T @ grad.T @ c}


@wrong("09.zero_conv", "a step against the gradient")
def _(grad, c, V, W):
    return {"W": -grad.T @ (c @ V.T), "b": -grad.sum(0), "V": -W.T @ grad.T @ c}


@wrong("09.zero_conv", "the bias has a gradient of one for each place")
def _(grad, c, V, W):
    return {"W": grad.T @ (c @ V.T), "b": torch.full((len(W),), float(len(c)), dtype=W.dtype), "V": W.T @ grad.T @ c}


@wrong("09.zero_conv", "the last place alone")
def _(grad, c, V, W):
    for g, k in zip(grad, c):
        out = {"W": torch.outer(g, V @ k), "b": g, "V": torch.outer(W.T @ g, k)}
    return out


@wrong("09.zero_conv", "the control c where the input h belongs")
def _(grad, c, V, W):
    return {"W": grad.T @ c, "b": grad.sum(0), "V": W.T @ grad.T @ c}


@wrong("09.zero_conv", "the bias a row")
def _(grad, c, V, W):
    return {"W": grad.T @ (c @ V.T), "b": grad.sum(0, keepdim=True), "V": W.T @ grad.T @ c}


@wrong("09.zero_conv", "V's with the new W, after a step")
def _(grad, c, V, W):
    dW = grad.T @ (c @ V.T)
    return {"W": dW, "b": grad.sum(0), "V": (W - dW).T @ grad.T @ c}


@wrong("09.zero_conv", "V's twice as large")
def _(grad, c, V, W):
    return {"W": grad.T @ (c @ V.T), "b": grad.sum(0), "V": 2 * W.T @ grad.T @ c}


@wrong("09.zero_conv", "V's from h where the sizes allow it")
def _(grad, c, V, W):
    seen = c @ V.T if len(V) == V.shape[1] else c
    return {"W": grad.T @ (c @ V.T), "b": grad.sum(0), "V": W.T @ grad.T @ seen}


@wrong("09.zero_conv", "the keys dW, db and dV")
def _(grad, c, V, W):
    return {"dW": grad.T @ (c @ V.T), "db": grad.sum(0), "dV": W.T @ grad.T @ c}


@wrong("09.zero_conv", "by autograd")
def _(grad, c, V, W):
    V, W = V.clone().requires_grad_(), W.clone().requires_grad_()
    b = torch.zeros(len(W), requires_grad=True)
    found = torch.autograd.grad(c @ V.T @ W.T + b, (W, b, V), grad)
    return dict(zip("WbV", found, strict=True))


@right("09.zero_conv", "matrix products")
def _(grad, c, V, W):
    return {"W": grad.T @ c @ V.T, "b": grad.sum(0), "V": W.T @ grad.T @ c}


@right("09.zero_conv", "einsum")
def _(grad, c, V, W):
    h = torch.einsum("ni,mi->nm", c, V)
    back = torch.einsum("no,om->nm", grad, W)
    return {
        "W": torch.einsum("no,nm->om", grad, h),
        "b": torch.einsum("no->o", grad),
        "V": torch.einsum("nm,ni->mi", back, c),
    }


@right("09.zero_conv", "a loop over the places")
def _(grad, c, V, W):
    dW, dV = torch.zeros_like(W), torch.zeros_like(V)
    db = torch.zeros(W.shape[0], dtype=W.dtype)
    for g, k in zip(grad, c):
        dW += torch.outer(g, V @ k)
        db += g
        dV += torch.outer(W.T @ g, k)
    return {"W": dW, "b": db, "V": dV}


@right("09.zero_conv", "in double, with ones for the sum, another order")
def _(grad, c, V, W):
    g, k = grad.double().t(), c.double()
    both = g @ torch.cat([k, torch.ones(len(k), 1, dtype=torch.float64)], 1)
    out = {"V": W.double().t() @ both[:, :-1], "b": both[:, -1], "W": both[:, :-1] @ V.double().t()}
    return {name: v.to(grad.dtype) for name, v in out.items()}


# -- 09.two_in_one ---------------------------------------------------------------------------------------------------


@wrong("09.two_in_one", "the end itself")
def _(x, end, at, to):
    return end.clone()


@wrong("09.two_in_one", "the end, with its noise not taken off")
def _(x, end, at, to):
    return end / to.alpha


@wrong("09.two_in_one", "the ratio of the sigmas upside down")
def _(x, end, at, to):
    r = at.sigma / max(to.sigma, 1e-12)
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "sigma of alpha, as if squares added up to 1")
def _(x, end, at, to):
    s, t = math.sqrt(max(1 - at.alpha**2, 0)), math.sqrt(max(1 - to.alpha**2, 0))
    return (s * end - t * x) / (s * to.alpha - t * at.alpha)


@wrong("09.two_in_one", "through eps, with a division by the signal at `at`")
def _(x, end, at, to):
    eps = (at.alpha * end - to.alpha * x) / (at.alpha * to.sigma - to.alpha * at.sigma)
    return (x - at.sigma * eps) / at.alpha


@wrong("09.two_in_one", "divided by the sigma of `to`")
def _(x, end, at, to):
    return (end / to.sigma - x / at.sigma) / (to.alpha / to.sigma - at.alpha / at.sigma)


@wrong("09.two_in_one", "the eps instead of the x0")
def _(x, end, at, to):
    x0 = (at.sigma * end - to.sigma * x) / (at.sigma * to.alpha - to.sigma * at.alpha)
    return (x - at.alpha * x0) / at.sigma


@wrong("09.two_in_one", "at.alpha forgotten below")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (end - r * x) / (to.alpha - r)


@wrong("09.two_in_one", "the ratio of the sigmas upside down, all over")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (x - r * end) / (at.alpha - r * to.alpha)


@wrong("09.two_in_one", "the signals' squares taken for what the sigmas leave")
def _(x, end, at, to):
    r = math.sqrt(max(1 - to.alpha**2, 0) / max(1 - at.alpha**2, 1e-9))
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "a plus below")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (end - r * x) / (to.alpha + r * at.alpha)


@wrong("09.two_in_one", "not divided at all")
def _(x, end, at, to):
    return end - to.sigma / at.sigma * x


@wrong("09.two_in_one", "at and to exchanged")
def _(x, end, at, to):
    return (to.sigma * end - at.sigma * x) / (to.sigma * at.alpha - at.sigma * to.alpha)


@wrong("09.two_in_one", "the line from x to the end, carried on to no noise")
def _(x, end, at, to):
    return x + (end - x) * at.sigma / (at.sigma - to.sigma)


@wrong("09.two_in_one", "the ratio of the variances")
def _(x, end, at, to):
    r = (to.sigma / at.sigma) ** 2
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "a clean level is left alone")
def _(x, end, at, to):
    if to.sigma == 0:
        return x.clone()
    return (at.sigma * end - to.sigma * x) / (at.sigma * to.alpha - to.sigma * at.alpha)


@wrong("09.two_in_one", "the ratio upside down, 0 for a clean end")
def _(x, end, at, to):
    r = at.sigma / to.sigma if to.sigma > 0 else 0
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "the ratio upside down, the clean end by itself")
def _(x, end, at, to):
    if to.sigma == 0:
        return end
    return (to.sigma * end - at.sigma * x) / (to.sigma * to.alpha - at.sigma * at.alpha)


@wrong("09.two_in_one", "x less a share of the end")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (x - r * end) / (at.alpha - r * to.alpha)


@wrong("09.two_in_one", "sigma of alpha, held above 0")
def _(x, end, at, to):
    r = ((1 - to.alpha**2) / max(1 - at.alpha**2, 1e-9)) ** 0.5 if to.alpha < 1 else 0
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "sigma of alpha, in tensors")
def _(x, end, at, to):
    a, b = torch.tensor(at.alpha), torch.tensor(to.alpha)
    r = (1 - b**2).sqrt() / (1 - a**2).sqrt()
    return (end - r * x) / (b - r * a)


@wrong("09.two_in_one", "sigma of alpha, with 1e-8 below")
def _(x, end, at, to):
    r = (1 - to.alpha**2) ** 0.5 / ((1 - at.alpha**2) ** 0.5 + 1e-8)
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "sigma as 1 - alpha")
def _(x, end, at, to):
    r = (1 - to.alpha) / max(1 - at.alpha, 1e-9)
    return (end - r * x) / (to.alpha - r * at.alpha)


@wrong("09.two_in_one", "the sign below turned round")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (end - r * x) / (r * at.alpha - to.alpha)


@wrong("09.two_in_one", "the end's alpha taken for 1")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (end - r * x) / (1 - r * at.alpha)


@right("09.two_in_one", "the ratio of the sigmas, as in the paper")
def _(x, end, at, to):
    r = to.sigma / at.sigma
    return (end - r * x) / (to.alpha - r * at.alpha)


@right("09.two_in_one", "a system of two equations")
def _(x, end, at, to):
    m = torch.tensor([[at.alpha, at.sigma], [to.alpha, to.sigma]], dtype=torch.float64)
    both = torch.stack([x.double().flatten(), end.double().flatten()])
    return torch.linalg.solve(m, both)[0].view_as(x).to(x.dtype)


@right("09.two_in_one", "eps first, then x0 at `to`")
def _(x, end, at, to):
    eps = (to.alpha * x - at.alpha * end) / (to.alpha * at.sigma - at.alpha * to.sigma)
    return (end - to.sigma * eps) / to.alpha


@right("09.two_in_one", "from where two guesses of x0 come out")
def _(x, end, at, to):
    def walk(x0):
        eps = (x - at.alpha * x0) / at.sigma
        return to.alpha * x0 + to.sigma * eps

    zero, one = walk(torch.zeros_like(x)), walk(torch.ones_like(x))
    return (end - zero) / (one - zero)
