"""The forward process: what the schedule says, and what her code does, `x_t = alpha·x0 + sigma·eps`, measured.

Every known mistake is a pair of factors (alpha, sigma) as functions of the step; what was measured is compared with each.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffcourse.clinic.case import Case, accepted, tensor_of
from diffcourse.clinic.spies import Unusable, attempt, put_back, seed_all

BARS = (
    "alphas_cumprod", "alpha_bars", "alphas_bar", "alpha_bar", "alphas_bars", "alpha_hat", "alphas_hat", "alpha_hats", "alpha_cumprod",
    "alphas_cum", "alphabar_t", "alpha_bar_t", "alphabar", "alphabars", "abar", "alphas_prod", "alphas_cumulative", "alpha_cum", "acp",
)  # fmt: skip
BETAS = ("betas", "beta", "beta_t", "beta_schedule")

LEFT = 0.065
"""alpha_bar at the last step above which an image shines through: the 300 steps of the annotated diffusion model end at 0.048, and
draw; the same betas over 250 steps end at 0.082, over 200 at 0.13, over 100 at 0.36. Ho et al. 2020
end at 0.00004, Stable Diffusion at 0.0047."""

CLOSE = 0.02
"""Root mean square error of measured factors up to which they are a hypothesis'. Measured: sound code is within 0.012."""


# -- what the schedule says -------------------------------------------------------------------------------------------


def read_schedule(case: Case, schedule: Any) -> None:
    """alpha_bars of the case, from betas, alpha_bars, or what holds them; and what is wrong with them."""
    betas, bars = _arrays(schedule)
    if betas is None and bars is None:
        raise Unusable("schedule holds neither betas nor alpha_bars")
    if bars is None and betas is not None:
        kind = _kind(betas)
        betas, bars = (betas, None) if kind == "betas" else (None, betas)
    named = None
    if betas is not None:
        own = np.cumprod(1 - betas)
        if betas[0] > 1.5 * betas[-1]:
            named = (
                "schedule-reversed",
                f"the betas fall, from {betas[0]:.4g} to {betas[-1]:.4g}, and the first step takes the most",
            )
        if bars is None:
            bars = own
        elif len(bars) == len(own) and np.abs(bars - own).max() > 0.02:
            if np.abs(bars - (1 - betas)).max() < 1e-3:
                named = ("alpha-for-alpha-bar", "the alpha_bars are 1 - beta of each step, not the product up to it")
            elif np.abs(bars - own[::-1]).max() < 1e-3:
                named = ("schedule-reversed", "the alpha_bars are the product of the betas from the end to the start")
    elif bars is not None and named is None and _are_alphas(bars):
        named = (
            "alpha-for-alpha-bar",
            f"values from {bars[0]:.4g} to {bars[-1]:.4g} over {len(bars)} steps are single steps' alphas, not their product",
        )
    assert bars is not None
    if len(bars) > 2 and bars[0] == 1 and bars[1] < 1 and len(bars) % 10 == 1:
        bars = bars[1:] if len(bars) % 50 == 1 else bars  # T + 1 values, of which the first is the image itself
        case.found.note("schedule", f"its first value is the clean image; the steps are the {len(bars)} behind it")
    if not np.isfinite(bars).all() or bars.min() < -1e-6 or bars.max() > 1 + 1e-6:
        raise Unusable(f"alpha_bars must lie in [0, 1], got {bars.min():.3g} to {bars.max():.3g}")
    bars = bars.clip(0, 1)
    case.alpha_bars = bars
    if named is None and bars[-1] > bars[0]:
        named = ("schedule-reversed", f"alpha_bar rises from {bars[0]:.4g} at t = 0 to {bars[-1]:.4g} at the last step")
    if named:
        case.found.name("schedule", *named)
    elif bars[-1] > LEFT:
        case.found.name(
            "schedule",
            "terminal-signal",
            f"sqrt(alpha_bar) is {bars[-1] ** 0.5:.2f} at the last of {len(bars)} steps, where at most {LEFT**0.5:.2f} is usual",
        )
    else:
        case.found.fine("schedule", f"{len(bars)} steps, alpha_bar from {bars[0]:.4g} to {bars[-1]:.2g}")


def _arrays(schedule: Any) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(betas, alpha_bars), where each is there."""
    if isinstance(schedule, (list, tuple, np.ndarray, Tensor)):
        return _array(schedule), None
    found: list[np.ndarray | None] = []
    for names in (BETAS, BARS):
        values = (schedule.get(n) if isinstance(schedule, Mapping) else getattr(schedule, n, None) for n in names)
        found.append(next((a for a in map(_array, values) if a is not None), None))
    return found[0], found[1]


def _array(value: Any) -> np.ndarray | None:
    if not isinstance(value, (list, tuple, np.ndarray, Tensor)):
        return None
    try:
        array = tensor_of(value).double().numpy().reshape(-1)
    except (TypeError, ValueError, RuntimeError):
        return None
    return array if array.size > 1 else None


def _kind(values: np.ndarray) -> str:
    """Betas or alpha_bars: alpha_bars begin, or end if they are reversed, near 1, and neighbours there are nearly equal."""
    first, last = values[0], values[-1]
    if first > last:
        return "bars" if first > 0.5 and values[1] > 0.8 * first else "betas"
    return "bars" if last > 0.9 and values[-2] > 0.9 * last and values.mean() > 0.05 else "betas"


def _are_alphas(bars: np.ndarray) -> bool:
    """Single steps' alphas: all near 1 over many steps, or 1 - value on a straight line."""
    if bars[-1] >= bars[0] or bars.min() < 0.5 or len(bars) < 10:
        return False
    bend = np.abs(np.diff(bars, 2)).max() / (bars[0] - bars[-1])
    return bool((len(bars) >= 50 and bars.min() > 0.9) or bend < 1e-4)


# -- what the code does -----------------------------------------------------------------------------------------------


class Hypothesis(NamedTuple):
    """A pair of factors as functions of the step, and what it would be."""

    name: str
    said: str
    alpha: np.ndarray
    sigma: np.ndarray


def hypotheses(bars: np.ndarray) -> list[Hypothesis]:
    """The sound one first, then each known mistake."""
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.nan_to_num(np.concatenate([bars[:1], bars[1:] / bars[:-1]])).clip(0, 1)
    a, s, root = bars**0.5, (1 - bars) ** 0.5, np.sqrt
    one, own = "alpha-for-alpha-bar", "the step's own alpha"
    return [
        Hypothesis("", "sqrt(alpha_bar) and sqrt(1 - alpha_bar)", a, s),
        Hypothesis("missing-root", "the image's factor is alpha_bar, not its root", bars, s),
        Hypothesis("missing-root", "the noise's factor is 1 - alpha_bar, not its root", a, 1 - bars),
        Hypothesis("missing-root", "both factors lack their root", bars, 1 - bars),
        Hypothesis("missing-root", "the noise's factor is sqrt(1 - sqrt(alpha_bar))", a, root(1 - a)),
        Hypothesis("missing-root", "the noise's factor is 1 - sqrt(alpha_bar)", a, 1 - a),
        Hypothesis(one, f"both factors are of {own}", root(step), root(1 - step)),
        Hypothesis(one, f"the image's factor is of {own}", root(step), s),
        Hypothesis(one, f"the noise's factor is of {own}", a, root(1 - step)),
        Hypothesis(one, f"both factors are of {own}, without roots", step, 1 - step),
        Hypothesis(one, f"both factors are of {own}, one without its root", step, root(1 - step)),
        Hypothesis(one, f"both factors are of {own}, one without its root", root(step), 1 - step),
        Hypothesis("forward-swapped", "the image has sqrt(1 - alpha_bar), the noise sqrt(alpha_bar)", s, a),
        Hypothesis("forward-swapped", "the image has 1 - alpha_bar, the noise alpha_bar", 1 - bars, bars),
        Hypothesis("forward-swapped", "both have sqrt(1 - alpha_bar)", s, s),
        Hypothesis("forward-swapped", "both have sqrt(alpha_bar)", a, a),
        Hypothesis("schedule-reversed", "t counts from the noisiest step", a[::-1], s[::-1]),
    ]


class Factors(NamedTuple):
    """Measured: at steps t, the image's factor, the noise's, and what is added whatever the image."""

    t: np.ndarray
    alpha: np.ndarray
    sigma: np.ndarray
    added: np.ndarray


class Moments:
    """Sums over pixels of pairs (x0, x_t), an example a row: from them factors follow for any group of examples."""

    def __init__(self) -> None:
        self.rows: list[np.ndarray] = []

    def add(self, x0: Tensor, x_t: Tensor) -> None:
        x, y = x0.detach().double().flatten(1), x_t.detach().double().reshape(len(x0), -1)
        rows = [x * 0 + 1, x, x * x, y, x * y, y * y]
        self.rows.append(torch.stack([row.sum(dim=1) for row in rows], dim=1).numpy())

    def factors(self, t: np.ndarray, groups: int = 16) -> Factors:
        """Least squares x_t = alpha·x0 + added, and the rest's deviation, in groups of neighbouring steps."""
        rows, order = np.concatenate(self.rows), np.argsort(t, kind="stable")
        parts = [p for p in np.array_split(order, min(groups, len(t))) if len(p)]
        out = []
        for part in parts:
            n, sx, sxx, sy, sxy, syy = rows[part].sum(axis=0)
            var = sxx / n - (sx / n) ** 2
            alpha = (sxy / n - sx * sy / n**2) / max(var, 1e-12)
            left = syy / n - (sy / n) ** 2 - alpha**2 * var
            out.append((t[part].mean(), alpha, max(left, 0.0) ** 0.5, (sy - alpha * sx) / n))
        return Factors(*np.array(out).T)


class Fit(NamedTuple):
    """The best hypothesis: its error, and by which numbers image and noise are scaled besides."""

    hypothesis: Hypothesis
    error: float
    image: float
    noise: float


def fit(seen: Factors, bars: np.ndarray, scaled: bool = True) -> Fit:
    """Which hypothesis is nearest, first as it stands, then with a constant scale of image and noise."""
    T = len(bars)
    at = seen.t.clip(0, T - 1)

    def of(h: Hypothesis) -> tuple[np.ndarray, np.ndarray]:
        return np.interp(at, np.arange(T), h.alpha), np.interp(at, np.arange(T), h.sigma)

    best: Fit | None = None
    for h in hypotheses(bars):
        a, s = of(h)
        error = float(np.sqrt(np.mean((seen.alpha - a) ** 2 + (seen.sigma - s) ** 2)))
        if best is None or error < (0.5 if best.hypothesis.name == "" and best.error < CLOSE else 1) * best.error:
            best = Fit(h, error, 1.0, 1.0)
    assert best is not None
    if best.error < CLOSE or not scaled:
        return best
    for h in hypotheses(bars):
        a, s = of(h)
        image, noise = float(seen.alpha @ a / (a @ a)), float(seen.sigma @ s / (s @ s))
        if image < 1e-3 or noise < 1e-3:
            continue
        error = float(np.sqrt(np.mean((seen.alpha / image - a) ** 2 + (seen.sigma / noise - s) ** 2)))
        if error < CLOSE and error < 0.5 * best.error:
            return Fit(h, error, image, noise)
    return best


def judge(case: Case, check: str, seen: Factors) -> Fit | None:
    """Name what the measured factors look like, and keep them: the other checks go by what her code does."""
    if case.alpha_bars is None:
        _without_schedule(case, check, seen)
        return None
    best = fit(seen, case.alpha_bars)
    h, T = best.hypothesis, len(case.alpha_bars)
    if best.error < CLOSE:
        case.path = h.alpha, h.sigma
        if h.name:
            case.found.name(check, h.name, h.said)
        else:
            case.found.fine(check, f"its factors are {h.said} within {best.error:.3f}")
    else:
        steps = np.arange(T)
        case.path = np.interp(steps, seen.t, seen.alpha), np.interp(steps, seen.t, seen.sigma)
        a, s = case.alpha_bars**0.5, (1 - case.alpha_bars) ** 0.5
        k = int(np.argmax((seen.alpha - np.interp(seen.t, steps, a)) ** 2))
        t = round(float(seen.t[k]))
        near = f"near t = {t} the factors are {seen.alpha[k]:.3f} and {seen.sigma[k]:.3f}, where the schedule has "
        near += f"{a[min(max(t, 0), T - 1)]:.3f} and {s[min(max(t, 0), T - 1)]:.3f}"
        case.found.note(check, f"not the schedule's, and none of the known mistakes: {near}")
    return best


def _without_schedule(case: Case, check: str, seen: Factors) -> None:
    """No schedule to compare with: the factors must fall and rise, and their squares add up to 1."""
    a, s = seen.alpha, seen.sigma
    if abs(a - a.mean()).max() < 0.05:
        case.found.note(check, "the factors hardly change with t, and no schedule was given to compare with")
    elif a[-1] > a[0] + 0.2:
        # the true one of both has betas without an outlier: those of alpha_bar = 1 - a², or of a² read backwards
        outlier = [np.max(b) / np.median(b) for b in (-np.diff(np.log(u.clip(1e-8))) for u in (1 - a**2, a[::-1] ** 2))]
        name = "forward-swapped" if outlier[0] <= 1.1 * outlier[1] else "schedule-reversed"
        case.found.name(check, name, f"the image's factor rises from {a[0]:.3f} to {a[-1]:.3f}")
    elif np.abs(a**2 + s**2 - 1).max() < 0.05:
        case.found.fine(check, "the squares of its factors add up to 1")
    elif np.abs(a**2 + s - 1).max() < 0.05:
        case.found.name(check, "missing-root", "the noise's factor is 1 - alpha², not its root")
    elif np.abs(a + s**2 - 1).max() < 0.05:
        case.found.name(check, "missing-root", "the image's factor is 1 - sigma², not its root")
    else:
        case.found.note(check, "the squares of its factors do not add up to 1: no schedule was given to say more")


# -- her q_sample -----------------------------------------------------------------------------------------------------


def check_q_sample(case: Case, q_sample: Any) -> None:
    """Her forward process at two dozen steps, on images of independent pixels; its noise is looked at too."""
    T = case.T or _last_step(case, q_sample) + 1
    generator = case.generator()
    n = int(np.clip(2**15 // case.pixels, 16, 4096))
    steps = np.unique(np.linspace(0, T - 1, min(T, 24)).round().astype(int))
    moments, at, rests = Moments(), [], []
    takes_noise = accepted(q_sample)[1] >= 3
    first = 0
    with put_back(case.network), torch.no_grad():
        seed_all(case.seed)
        for t in steps:
            x0 = torch.rand(n, *case.shape, generator=generator) * 2 - 1
            noise = torch.randn(x0.shape, generator=generator)
            out, first = _forward(q_sample, x0, int(t), noise if takes_noise else None, T, first)
            moments.add(x0, out)
            at.append(np.full(n, float(t)))
            rests.append((x0, out))
    seen = moments.factors(np.concatenate(at), groups=len(steps))
    if first == 0 and len(seen.t) > 3 and seen.alpha[0] < 0.3 and seen.alpha[1] > 0.9:  # t counts from 1
        seen = Factors(*(part[1:] for part in seen))
    judge(case, "q_sample", seen)
    if not takes_noise:
        units = []
        for (x0, out), alpha, sigma, added in zip(rests, seen.alpha, seen.sigma, seen.added, strict=False):
            if sigma > 0.05:
                units.append(((out - alpha * x0 - added) / sigma).reshape(n, -1))
        check_noise(case, "noise of q_sample", units, None, float(np.median(seen.added / seen.sigma.clip(0.05))))


def _forward(q_sample: Any, x0: Tensor, t: int, noise: Tensor | None, T: int, first: int) -> tuple[Tensor, int]:
    """x_t, whatever form of t her function likes."""
    n, problem = len(x0), None
    forms: list[Any] = [torch.full((n,), t), t, torch.tensor(t), torch.full((n,), t / T)]
    for form in forms:
        try:
            more = () if noise is None else (noise,)
            out = attempt("q_sample", q_sample, x0.clone(), form, *more)
        except Unusable as error:
            problem = problem or error
            continue
        out = out[0] if isinstance(out, (tuple, list)) else out
        out = tensor_of(out).float()
        if out.numel() == x0.numel():
            return out, first
        problem = Unusable(f"q_sample returned {tuple(out.shape)} for images {tuple(x0.shape)}")
    raise problem or Unusable("q_sample could not be called")


def _last_step(case: Case, q_sample: Any) -> int:
    """The largest t that her function takes: where its tables end."""
    x0, noise = torch.zeros(2, *case.shape), torch.zeros(2, *case.shape) if accepted(q_sample)[1] >= 3 else None

    def works(t: int) -> bool:
        try:
            with put_back(case.network), torch.no_grad():
                _forward(q_sample, x0, t, noise, 10**9, 0)
            return True
        except Unusable:
            return False

    low, high = 0, 2**14
    if not works(0) or works(high):
        return 999
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if works(middle) else (low, middle)
    return low


def check_noise(case: Case, check: str, units: list[Tensor], scale: float | None, mean: float) -> None:
    """Noise in units of its own deviation, a batch an entry: its scale, mean, fourth moment, and what images share.

    A Gaussian's fourth moment is 3, a uniform's 1.8; over 10,000 pixels it is known to 0.05. Noise with an offset for each image
    (Guttenberg 2023: 0.1·N(0, 1) a channel) is sound, and within the bands.
    """
    if not units:
        return
    z = torch.cat([u.reshape(-1) for u in units]).double()
    fourth = float((z**4).mean() / (z**2).mean() ** 2)
    common = float(torch.stack([(u.mean(dim=1) ** 2).mean() for u in units]).mean()) if units[0].shape[1] > 3 else 0.0
    shared = [float((u[0] * u[1]).mean()) for u in units if len(u) > 1 and u.shape[1] >= 16]
    if shared and float(np.median(shared)) > 0.8:
        case.found.name(check, "noise-not-gaussian", "all images of a batch have the same noise")
    elif common > 0.5:
        case.found.name(check, "noise-not-gaussian", "all pixels of an image have the same noise")
    elif abs(mean) > 0.2 and fourth < 2.4:
        case.found.name(
            check, "noise-not-gaussian", f"its mean is {mean:.2f} and its fourth moment {fourth:.1f}: uniform numbers"
        )
    elif fourth < 2.5 or fourth > 4.5:
        case.found.name(check, "noise-not-gaussian", f"its fourth moment is {fourth:.1f}, a Gaussian's is 3")
    elif abs(mean) > 0.2:
        case.found.name(check, "noise-not-gaussian", f"its mean is {mean:.2f}, not 0")
    elif scale is not None and not 0.8 < scale < 1.25:
        case.found.name(check, "noise-not-gaussian", f"its standard deviation is {scale:.2f}, not 1")
    else:
        case.found.fine(check, "N(0, 1), drawn anew for each image")
