import math

import numpy as np
import torch
import torch.nn.functional as F
from learn_answers import right, wrong

# ---- ddim_std


@wrong("04.ddim_std", "the variance")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)


@wrong("04.ddim_std", "eta under the root")
def _(alpha_bar_t, alpha_bar_s, eta):
    return math.sqrt(eta * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s))


@wrong("04.ddim_std", "eta squared, again")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta**2 * math.sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s))


@wrong("04.ddim_std", "first factor forgotten")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * math.sqrt(1 - alpha_bar_t / alpha_bar_s)


@wrong("04.ddim_std", "second root forgotten")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * math.sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) * (1 - alpha_bar_t / alpha_bar_s)


@wrong("04.ddim_std", "s and t swapped")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * math.sqrt((1 - alpha_bar_t) / (1 - alpha_bar_s)) * math.sqrt(1 - alpha_bar_t / alpha_bar_s)


@wrong("04.ddim_std", "eta left out")
def _(alpha_bar_t, alpha_bar_s, eta):
    return math.sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) * math.sqrt(1 - alpha_bar_t / alpha_bar_s)


@wrong("04.ddim_std", "all or nothing")
def _(alpha_bar_t, alpha_bar_s, eta):
    if eta < 1:
        return 0.0
    return math.sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s))


@wrong("04.ddim_std", "difference instead of ratio")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * math.sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) * math.sqrt(alpha_bar_s - alpha_bar_t)


@wrong("04.ddim_std", "exp of half logs, fails at alpha_bar_s = 1")
def _(alpha_bar_t, alpha_bar_s, eta):
    log = math.log(1 - alpha_bar_s) - math.log(1 - alpha_bar_t) + math.log(1 - alpha_bar_t / alpha_bar_s)
    return eta * math.exp(log / 2)


@right("04.ddim_std", "one root, one fraction")
def _(alpha_bar_t, alpha_bar_s, eta):
    return eta * math.sqrt((1 - alpha_bar_s) * (alpha_bar_s - alpha_bar_t) / (alpha_bar_s * (1 - alpha_bar_t)))


@right("04.ddim_std", "numpy")
def _(alpha_bar_t, alpha_bar_s, eta):
    ratio = np.float64(1 - alpha_bar_s) / np.float64(1 - alpha_bar_t)
    beta = 1 - alpha_bar_t / alpha_bar_s
    return float(eta * np.sqrt(ratio * beta))


@right("04.ddim_std", "by powers of one half")
def _(alpha_bar_t, alpha_bar_s, eta):
    posterior_var = (1.0 - alpha_bar_s) / (1.0 - alpha_bar_t) * (1.0 - alpha_bar_t / alpha_bar_s)
    return posterior_var**0.5 * eta


# ---- level_grid


@wrong("04.level_grid", "cut off instead of rounded")
def _(T, n):
    if not 1 <= n <= T:
        raise ValueError("n")
    if n == 1:
        return [T - 1]
    return [(T - 1) * (n - 1 - i) // (n - 1) for i in range(n)]


@wrong("04.level_grid", "stride T // n")
def _(T, n):
    if not 1 <= n <= T:
        raise ValueError("n")
    return list(range(T - 1, -1, -(T // n)))[:n]


@wrong("04.level_grid", "rising, again")
def _(T, n):
    if not 1 <= n <= T:
        raise ValueError("n")
    if n == 1:
        return [T - 1]
    return [round(i * (T - 1) / (n - 1)) for i in range(n)]


@wrong("04.level_grid", "no ValueError")
def _(T, n):
    return [int(round(v)) for v in np.linspace(T - 1, 0, max(n, 0))]


@wrong("04.level_grid", "n = 1 divides by zero")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    return [round((T - 1) - i * (T - 1) / (n - 1)) for i in range(n)]


@wrong("04.level_grid", "n = 1 gives 0")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    return [round(v) for v in np.linspace(0, T - 1, n).tolist()][::-1]


@wrong("04.level_grid", "n above T let through")
def _(T, n):
    if n < 1:
        raise ValueError("n")
    return [round(v) for v in np.linspace(T - 1, 0, n).tolist()]


@wrong("04.level_grid", "n = T refused")
def _(T, n):
    if n < 1 or n >= T:
        raise ValueError("n")
    return [round(v) for v in np.linspace(T - 1, 0, n).tolist()]


@wrong("04.level_grid", "a tensor comes back")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    return torch.linspace(T - 1, 0, n, dtype=torch.float64).round().long()


@wrong("04.level_grid", "starts at T")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    return [round(v) for v in np.linspace(T, 0, n).tolist()]


@wrong("04.level_grid", "the end left out")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    return [round(v) for v in np.linspace(T - 1, 0, n + 1).tolist()][:-1]


@wrong("04.level_grid", "floats in the list")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    return [v + 0.0 for v in np.linspace(T - 1, 0, n).tolist()]


@wrong("04.level_grid", "assert instead of ValueError")
def _(T, n):
    assert 1 <= n <= T
    return [round(v) for v in np.linspace(T - 1, 0, n).tolist()]


@wrong("04.level_grid", "rounded stride")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError("n")
    if n == 1:
        return [T - 1]
    step = round((T - 1) / (n - 1))
    return [max(T - 1 - i * step, 0) for i in range(n - 1)] + [0]


@right("04.level_grid", "numpy linspace and rint")
def _(T, n):
    if n < 1 or n > T:
        raise ValueError(f"n must lie between 1 and {T}")
    return np.rint(np.linspace(T - 1, 0, num=n)).astype(int).tolist()


@right("04.level_grid", "whole numbers only, halves up")
def _(T, n):
    if not (1 <= n <= T):
        raise ValueError("1 <= n <= T")
    if n == 1:
        return [T - 1]
    m = n - 1
    return [(2 * (T - 1) * k + m) // (2 * m) for k in range(m, -1, -1)]


@right("04.level_grid", "loop, halves down")
def _(T, n):
    if n > T:
        raise ValueError("too many steps")
    if n <= 0:
        raise ValueError("too few steps")
    times = [T - 1]
    for i in range(1, n):
        k = n - 1 - i
        times.append(-((n - 1 - 2 * (T - 1) * k) // (2 * (n - 1))))
    return times


# ---- heun_step


@wrong("04.heun_step", "Euler")
def _(slope, y, now, to):
    return y + (to - now) * slope(y, now)


@wrong("04.heun_step", "midpoint")
def _(slope, y, now, to):
    h = to - now
    half = y + h / 2 * slope(y, now)
    return y + h * slope(half, now + h / 2)


@wrong("04.heun_step", "second slope at the old u")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    k2 = slope(y + h * k1, now)
    return y + h * (k1 + k2) / 2


@wrong("04.heun_step", "second slope at the old y")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    k2 = slope(y, to)
    return y + h * (k1 + k2) / 2


@wrong("04.heun_step", "sum instead of mean")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    k2 = slope(y + h * k1, to)
    return y + h * (k1 + k2)


@wrong("04.heun_step", "goes on from the trial point")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    trial = y + h * k1
    k2 = slope(trial, to)
    return trial + h * (k1 + k2) / 2


@wrong("04.heun_step", "step counted the other way")
def _(slope, y, now, to):
    h = now - to
    k1 = slope(y, now)
    k2 = slope(y + h * k1, to)
    return y + h * (k1 + k2) / 2


@wrong("04.heun_step", "size of the step without its sign")
def _(slope, y, now, to):
    h = abs(to - now)
    k1 = slope(y, now)
    k2 = slope(y + h * k1, to)
    return y + h * (k1 + k2) / 2


@wrong("04.heun_step", "asks three times")
def _(slope, y, now, to):
    trial = y + (to - now) * slope(y, now)
    return y + (to - now) * 0.5 * (slope(y, now) + slope(trial, to))


@wrong("04.heun_step", "y changed in place")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    k2 = slope(y + h * k1, to)
    y += h * (k1 + k2) / 2
    return y


@wrong("04.heun_step", "only the second slope")
def _(slope, y, now, to):
    h = to - now
    return y + h * slope(y + h * slope(y, now), to)


@wrong("04.heun_step", "Ralston's two thirds")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    k2 = slope(y + 2 / 3 * h * k1, now + 2 / 3 * h)
    return y + h * (k1 / 4 + 3 * k2 / 4)


@wrong("04.heun_step", "second slope added into the first in place")
def _(slope, y, now, to):
    h = to - now
    k1 = slope(y, now)
    k2 = slope(y + h * k1, to)
    k1 += k2
    return y + h / 2 * k1


@right("04.heun_step", "mean of two Euler steps")
def _(slope, y, now, to):
    h = to - now
    first = y + h * slope(y, now)
    second = first + h * slope(first, to)
    return (y + second) / 2


@right("04.heun_step", "mean of stacked slopes")
def _(slope, y, now, to):
    k = [slope(y, now)]
    k.append(slope(torch.add(y, k[0], alpha=to - now), to))
    return y + torch.stack(k).mean(dim=0) * (to - now)


@right("04.heun_step", "correction of the Euler step")
def _(slope, y, now, to):
    d = slope(y, now)
    y_euler = y + (to - now) * d
    d_next = slope(y_euler, to)
    return y_euler + 0.5 * (to - now) * (d_next - d)


# ---- order


@wrong("04.order", "sign forgotten")
def _(steps, errors):
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


@wrong("04.order", "only first and last point")
def _(steps, errors):
    return -(math.log(errors[-1]) - math.log(errors[0])) / (math.log(steps[-1]) - math.log(steps[0]))


@wrong("04.order", "no logarithms")
def _(steps, errors):
    return float(-np.polyfit(steps, errors, 1)[0])


@wrong("04.order", "log steps against log errors")
def _(steps, errors):
    return float(-np.polyfit(np.log(errors), np.log(steps), 1)[0])


@wrong("04.order", "mean of neighbouring slopes")
def _(steps, errors):
    x, y = np.log(steps), np.log(errors)
    return float(-np.mean(np.diff(y) / np.diff(x)))


@wrong("04.order", "steps taken to double")
def _(steps, errors):
    ratios = [math.log2(errors[i] / errors[i + 1]) for i in range(len(errors) - 1)]
    return sum(ratios) / len(ratios)


@wrong("04.order", "log10 against ln")
def _(steps, errors):
    return float(-np.polyfit(np.log(steps), np.log10(errors), 1)[0])


@wrong("04.order", "line through the origin")
def _(steps, errors):
    x, y = np.log(steps), np.log(errors)
    return float(-(x * y).sum() / (x * x).sum())


@wrong("04.order", "rounded to a whole number")
def _(steps, errors):
    return round(float(-np.polyfit(np.log(steps), np.log(errors), 1)[0]))


@wrong("04.order", "the intercept")
def _(steps, errors):
    return float(-np.polyfit(np.log(steps), np.log(errors), 1)[1])


@wrong("04.order", "absolute value")
def _(steps, errors):
    return abs(float(np.polyfit(np.log(steps), np.log(errors), 1)[0]))


@wrong("04.order", "the last two points")
def _(steps, errors):
    return math.log(errors[-2] / errors[-1]) / math.log(steps[-1] / steps[-2])


@right("04.order", "sums by hand")
def _(steps, errors):
    x = [math.log(s) for s in steps]
    y = [math.log(e) for e in errors]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    top = sum((a - mx) * (b - my) for a, b in zip(x, y))
    return -top / sum((a - mx) ** 2 for a in x)


@right("04.order", "polyfit in log10")
def _(steps, errors):
    slope, _ = np.polyfit(np.log10(np.array(steps, dtype=float)), np.log10(np.array(errors, dtype=float)), deg=1)
    return float(-slope)


@right("04.order", "torch.linalg.lstsq")
def _(steps, errors):
    x = torch.tensor(steps, dtype=torch.float64).log2()
    y = torch.tensor(errors, dtype=torch.float64).log2()
    A = torch.stack([x, torch.ones_like(x)], dim=1)
    return -torch.linalg.lstsq(A, y[:, None]).solution[0, 0].item()


# ---- slerp


@wrong("04.slerp", "straight line")
def _(a, b, w):
    return (1 - w) * a + w * b


@wrong("04.slerp", "an angle for each first index")
def _(a, b, w):
    fa, fb = a.reshape(a.shape[0], -1), b.reshape(b.shape[0], -1)
    cos = (fa * fb).sum(1) / (fa.norm(dim=1) * fb.norm(dim=1))
    theta = torch.acos(cos).view(-1, *[1] * (a.dim() - 1))
    return torch.sin((1 - w) * theta) / torch.sin(theta) * a + torch.sin(w * theta) / torch.sin(theta) * b


@wrong("04.slerp", "angle along the last axis")
def _(a, b, w):
    cos = F.cosine_similarity(a, b, dim=-1).unsqueeze(-1)
    theta = torch.acos(cos)
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "w the other way")
def _(a, b, w):
    theta = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    return (torch.sin(w * theta) * a + torch.sin((1 - w) * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "cosine without the norms")
def _(a, b, w):
    theta = torch.acos((a * b).mean().clamp(-1, 1))
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "right angle taken for granted")
def _(a, b, w):
    return math.cos(w * math.pi / 2) * a + math.sin(w * math.pi / 2) * b


@wrong("04.slerp", "roots of the shares, again")
def _(a, b, w):
    return math.sqrt(1 - w) * a + math.sqrt(w) * b


@wrong("04.slerp", "unit vectors interpolated")
def _(a, b, w):
    a, b = a / a.norm(), b / b.norm()
    theta = torch.acos((a * b).sum())
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "flat result")
def _(a, b, w):
    a, b = a.flatten()[None], b.flatten()[None]
    theta = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "obtuse angles folded over")
def _(a, b, w):
    theta = torch.acos(((a * b).sum() / (a.norm() * b.norm())).abs())
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "straight line, set to the mean length")
def _(a, b, w):
    c = (1 - w) * a + w * b
    return c / c.norm() * ((1 - w) * a.norm() + w * b.norm())


@wrong("04.slerp", "not divided by the sine")
def _(a, b, w):
    theta = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    return torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b


@wrong("04.slerp", "degrees")
def _(a, b, w):
    theta = torch.rad2deg(torch.acos((a * b).sum() / (a.norm() * b.norm())))
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


@wrong("04.slerp", "b scaled in place")
def _(a, b, w):
    theta = torch.acos((a * b).sum() / (a.norm() * b.norm()))
    a_part = torch.sin((1 - w) * theta) / torch.sin(theta) * a
    b.mul_(torch.sin(w * theta) / torch.sin(theta))
    return a_part + b


@right("04.slerp", "angle by atan2")
def _(a, b, w):
    ua, ub = a.double() / a.double().norm(), b.double() / b.double().norm()
    theta = 2 * torch.atan2((ua - ub).norm(), (ua + ub).norm())
    ca, cb = torch.sin((1 - w) * theta) / torch.sin(theta), torch.sin(w * theta) / torch.sin(theta)
    return ca * a + cb * b


@right("04.slerp", "numpy, float64")
def _(a, b, w):
    x, y = a.detach().numpy().astype(np.float64), b.detach().numpy().astype(np.float64)
    cos = np.vdot(x, y) / (np.linalg.norm(x.ravel()) * np.linalg.norm(y.ravel()))
    theta = np.arccos(cos)
    z = (np.sin((1 - w) * theta) * x + np.sin(w * theta) * y) / np.sin(theta)
    return torch.from_numpy(np.asarray(z)).to(a.dtype)


@right("04.slerp", "plain numbers with math")
def _(a, b, w):
    p, q = a.reshape(-1).double(), b.reshape(-1).double()
    theta = math.acos(float(p @ q) / math.sqrt(float(p @ p) * float(q @ q)))
    s = math.sin(theta)
    return a * (math.sin(theta - w * theta) / s) + b * (math.sin(w * theta) / s)
