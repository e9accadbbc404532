"""Her sampler, run with a perfect network: data are N(mu, S²) pixel by pixel, whose denoiser is known in closed form.

What it returns must then have that mean and deviation, up to what the same number of sound steps would miss. Two runs from the same
random state, in the second of which the network's answers are shaken a little, give the factors of each step exactly, since all noise
cancels in their difference: x' = a·x + b·output + c·z.
"""

import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffcourse.clinic.case import Case, TimeForm, call_with, tensor_of
from diffcourse.clinic.network import mode_matters
from diffcourse.clinic.spies import Enough, Unusable, put_back, replaced, seed_all

MU, S = 0.35, 0.15
"""Means ±0.35 and deviation 0.15: four deviations lie inside [-1, 1], so clipping and dynamic thresholds of x0 change nothing."""

FEW, MANY = 0.40, 1.8
"""Deviations, in units of S, outside of which the walk's own steps lose the data. Exact recursions for linear, cosine and scaled-linear
betas: DDIM has 0.22 to 0.38 with 5 steps of 1000, 0.42 to 0.62 with 10, 0.64 to 0.80 with 20; DDPM 0.55 and more with 20."""

SECONDS = 15.0  # for one run of her sampler

NOISE_LEFT = 4e-3
"""Deviation of fresh noise in the result. The first beta of 1e-4 leaves 0.01, a cosine schedule's of 4e-5 0.0064; bytes 0.0023."""


def pattern(shape: Any) -> Tensor:
    """The mean image: ±MU, the same for every run."""
    sign = torch.randint(2, tuple(shape), generator=torch.Generator().manual_seed(20240811))
    return MU * (2.0 * sign - 1)


class Step(NamedTuple):
    """One step of a run: the noisy image, the level, and what was answered."""

    t: float
    x: Tensor
    out: Tensor


class Update(NamedTuple):
    """One step's factors: x' = a·x + b·output + c·z, b for each branch of guidance, and what no such step explains."""

    a: float
    b: tuple[float, ...]
    c: float
    left: float


UNKNOWN = Update(float("nan"), (), float("nan"), 1.0)


@dataclass
class Run:
    """A run of her sampler with the perfect network."""

    steps: list[Step] = field(default_factory=list)
    shakes: list[dict[str, Tensor]] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    calls: int = 0
    kept: bool = False
    branches: set[str] = field(default_factory=set)
    result: Any = None
    modes: set[bool] = field(default_factory=set)
    stopped: bool = False


def check_sampler(case: Case, sampler: Any) -> None:
    """All that the sampler shows."""
    check = "sampler"
    bars = case.alpha_bars
    if bars is None and case.path is not None:
        bars = case.path[0] ** 2
    _graph(case, sampler)
    scout = _run(case, sampler, bars, n=2, mode=True)
    if not scout.raw:
        raise Unusable("sampler never called the network that it was given")
    if bars is None:
        case.found.skip(check, "no schedule was given, so where it should land is not known")
        return
    _mode(case, scout)
    T = len(bars)
    steps = _steps(case, scout, T)
    if steps is None:
        case.found.skip(check, "the network is told the time in a form that could not be read as a step")
        return
    if not _walk(case, check, steps, bars):
        return
    if any(name in case.found.named for name in ("schedule-reversed", "alpha-for-alpha-bar")):
        case.found.skip(check, "where it should land depends on the schedule, which is to be mended first")
        return
    n = int(np.clip(8192 // case.pixels, 4, 4096))
    first = _run(case, sampler, bars, n)
    if first.stopped:
        case.found.skip(check, f"{len(first.steps)} steps took longer than {SECONDS:g} s")
        return
    wild = next((s for s in first.steps if not s.x.isfinite().all() or float(s.x.std()) > 30), None)
    if wild is not None:
        case.found.name(
            check,
            "misses-the-data",
            f"with a perfect network it explodes: at t = {wild.t:g} its deviation is {float(wild.x.std()):.3g}",
        )
        return
    second = _run(case, sampler, bars, n, shaken=first)
    updates = _updates(case, first, second)
    _verdict(case, check, first, updates, bars)


# -- running it -----------------------------------------------------------------------------------------------------------


def exact(case: Case, x: Tensor, alpha: float, sigma: float) -> Tensor:
    """What a perfect network returns for x: E[x0 | x] of N(mu, S²) = mu + alpha·S²/(alpha²·S² + sigma²)·(x - alpha·mu), as eps, x0 or v."""
    mu = pattern(x.shape[1:]).to(x)
    x0 = mu + alpha * S**2 / (alpha**2 * S**2 + sigma**2) * (x - alpha * mu)
    eps = (x - alpha * x0) / max(sigma, 1e-8)
    return {"eps": eps, "x0": x0, "v": alpha * eps - sigma * x0}[case.predicts]


def _run(
    case: Case, sampler: Any, bars: np.ndarray | None, n: int, shaken: Run | None = None, mode: bool = False
) -> Run:
    run = Run()
    generator = case.generator()
    cond = case.labels(n, generator)
    form = case.time_sampling or case.time

    def answer(x: Tensor, t: Any, rest: dict[Any, Any]) -> Tensor:
        run.calls += 1
        run.modes.add(bool(case.network.training))
        if mode:
            run.raw.append((torch.as_tensor(t).detach().clone(), len(x)))
            known = form or TimeForm.seen([torch.as_tensor(t)], 1000 if bars is None else len(bars), len(x))
        else:
            known = form
        step = None if known is None else known.steps(t, len(x))
        raw = 0.0 if step is None else float(step.mean())
        alpha, sigma = _level(raw, bars)
        parts = [slice(i, i + n) for i in range(0, len(x), n)] if len(x) % n == 0 and len(x) > n else [slice(None)]
        outs = []
        for part in parts:
            y = x[part].detach()
            branch = _branch(rest, part, cond, len(x), n)
            run.branches.add(branch)
            new = not run.steps or run.steps[-1].t != raw or not torch.equal(run.steps[-1].x, y)
            out = exact(case, y, alpha, sigma)
            if new:
                run.steps.append(Step(raw, y.clone(), out.clone()))
                run.shakes.append({})
            if shaken is not None:
                shake = _shake(case, y, alpha, sigma, len(run.steps), branch)
                run.shakes[-1][branch] = shake
                out = out + shake
            outs.append(out)
        return torch.cat(outs)

    spy = case.spy(answer, keep=False, until=time.process_time() + SECONDS)
    with put_back(case.network, case.functions.get("ema"), case.functions.get("vae")), torch.no_grad():
        seed_all(case.seed + 2)
        case.network.train()
        try:
            with replaced(case.network, spy):
                run.result = call_with(sampler, "sampler", case.network, (n, *case.shape), cond=cond)
        except Enough:
            run.stopped = True
        if mode:
            run.kept = not case.network.training  # the mode was left
    return run


def _level(step: float, bars: np.ndarray | None) -> tuple[float, float]:
    if bars is None:
        return 0.7, 0.7
    bar = float(np.interp(step, np.arange(len(bars)), bars))
    return bar**0.5, max(1 - bar, 0.0) ** 0.5


def _branch(rest: dict[Any, Any], part: slice, cond: Any, size: int, n: int) -> str:
    """Which branch of guidance a call belongs to: the one with her condition, or another."""
    if cond is None:
        return "plain"
    for value in rest.values():
        if isinstance(value, Tensor) and value.ndim and len(value) == size:
            rows = value[part]
            if rows.numel() == cond.numel() and torch.equal(rows.reshape(cond.shape).to(cond.dtype), cond):
                return "conditional"
    if any(isinstance(v, Tensor) and v.is_floating_point() and v.ndim >= 2 and len(v) == size for v in rest.values()):
        values = next(v for v in rest.values() if isinstance(v, Tensor) and v.is_floating_point() and v.ndim >= 2)
        rows = values[part].flatten(1)
        return "conditional" if bool((rows != rows[:1]).any()) else "unconditional"
    return "unconditional"


def _shake(case: Case, x: Tensor, alpha: float, sigma: float, k: int, branch: str) -> Tensor:
    """Noise on an answer, so small that the x0 that follows from it moves by a twentieth at most."""
    seed = case.seed + 7919 * k + {"plain": 0, "conditional": 1, "unconditional": 2}[branch]
    unit = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x)
    size = {"eps": 0.02 * min(1.0, alpha / max(sigma, 1e-8)), "x0": 0.02, "v": 0.02}[case.predicts]
    return max(size, 1e-5) * unit


def _graph(case: Case, sampler: Any) -> None:
    """Whether the image of the third step hangs on the first: then no step's memory is given back."""
    weight = next((p for p in case.network.parameters() if p.is_floating_point()), None)
    if weight is None:
        return
    xs: list[bool] = []
    last: list[Tensor] = []

    def answer(x: Tensor, t: Any, rest: dict[Any, Any]) -> Tensor:
        if not last or last[0].shape != x.shape or not torch.equal(last[0], x):
            xs.append(torch.is_grad_enabled() and x.requires_grad)
            last[:] = [x.detach().clone()]
        if len(xs) > 3:
            raise Enough("three steps are enough")
        return 0.1 * x + 0 * weight.reshape(-1)[0]

    generator = case.generator()
    with put_back(case.network, case.functions.get("ema"), case.functions.get("vae")), torch.enable_grad():
        seed_all(case.seed)
        weight.requires_grad_()
        try:
            with replaced(case.network, case.spy(answer, keep=False)):
                call_with(sampler, "sampler", case.network, (2, *case.shape), cond=case.labels(2, generator))
        except Enough:
            pass
    if len(xs) > 1 and all(xs[1:]):
        case.found.name("memory of the sampler", "keeps-graph", "x of the second step requires a gradient")
    elif xs:
        case.found.fine("memory of the sampler", "no gradients are recorded")


def _mode(case: Case, scout: Run) -> None:
    check = "mode after sampling"
    if not scout.kept:
        case.found.fine(check, "training, as before")
    elif mode_matters(case):
        case.found.name(check, "mode-left", "it was in training mode before, and is in evaluation mode after")
    else:
        case.found.note(
            check, "evaluation mode, where it was in training mode before; for this network both are the same"
        )


# -- which steps ----------------------------------------------------------------------------------------------------------


def _steps(case: Case, scout: Run, T: int) -> np.ndarray | None:
    """The visited steps, noisiest first if all is well; one entry a step of the walk."""
    raws = [raw for raw, _ in scout.raw]
    sizes = {len_ for _, len_ in scout.raw}
    form = TimeForm.seen(raws, T, max(sizes))
    if form is None:
        return None
    if case.time is not None:
        told, mine = case.time, form
        if max(told.scale, mine.scale) > 1.5 * min(told.scale, mine.scale) and (
            told.dtype.is_floating_point or mine.dtype.is_floating_point
        ):
            many = any(float(r.double().max()) > 1.5 for r in raws)
            if many != (told.scale == 1.0):
                case.found.name(
                    "time in the sampler",
                    "misses-the-data",
                    "the loss tells the network the time in another unit than the sampler does",
                )
        elif mine.first == 0 or told.first == mine.first:
            form = TimeForm(told.scale, told.first, mine.dtype, mine.ndim)
    case.time_sampling = form
    values = [form.steps(raw, size) for raw, size in scout.raw]
    steps = np.array([float(v.mean()) for v in values if v is not None])
    keep = np.concatenate([[True], np.diff(steps) != 0])
    return steps[keep]


def _walk(case: Case, check: str, steps: np.ndarray, bars: np.ndarray) -> bool:
    """Direction and start of the walk. False if the rest needs no look."""
    T = len(bars)
    check = "steps of the sampler"
    if len(steps) > 1 and steps[0] < steps[-1]:
        case.found.name(check, "wrong-direction", f"the first t is {steps[0]:g}, the last {steps[-1]:g}")
        return False
    stride = abs(steps[0] - steps[1]) if len(steps) > 1 else T
    signal = float(np.interp(steps[0], np.arange(T), bars)) ** 0.5
    # range(0, T, T // n) begins a stride below the top: no harm where the image is gone there, as with linear betas
    late = max(1.5 * stride, 0.02 * T) if signal < 0.2 else 0.02 * T
    if signal > max(0.1, 2 * bars.min() ** 0.5) and steps[0] < T - 1 - late:
        case.found.name(
            check,
            "starts-late",
            f"the first t is {steps[0]:g} of {T - 1}, where the image still has the factor {signal:.2f}",
        )
        return False
    case.found.fine(check, f"{len(steps)} steps, t from {steps[0]:g} to {steps[-1]:g}")
    return True


# -- factors of each step -------------------------------------------------------------------------------------------------


def _updates(case: Case, first: Run, second: Run) -> list[Update]:
    """The factors of each step but the last, from the difference of both runs; empty if they do not run in parallel."""
    if len(first.steps) != len(second.steps) or len(first.steps) < 2:
        return []
    updates = [UNKNOWN]  # both begin alike, so of the first step nothing is known
    for k in range(1, len(first.steps) - 1):
        now, then, after, after_then = first.steps[k], second.steps[k], first.steps[k + 1], second.steps[k + 1]
        if len({s.x.shape for s in (now, then, after, after_then)}) > 1:
            return []
        # the perfect answer moves with x, so an output of the second run is its own answer plus the shake
        moved = then.out - now.out
        columns = [then.x - now.x, *[second.shakes[k][b] + moved for b in sorted(second.shakes[k])]]
        X = torch.stack([c.flatten().double() for c in columns], dim=1)
        y = (after_then.x - after.x).flatten().double()
        scale = X.norm(dim=0).clamp(min=1e-30)
        c = (torch.linalg.lstsq(X / scale, y[:, None], driver="gelsd").solution[:, 0] / scale).numpy()
        left = float((y - X @ torch.as_tensor(c)).norm() / y.norm().clamp(min=1e-30))
        b = c[1:]
        rest = after.x - float(c[0]) * now.x - float(b.sum()) * now.out
        updates.append(Update(float(c[0]), tuple(map(float, b)), float(rest.std()), left))
    return updates


class Theory(NamedTuple):
    """A sound first-order step between two levels: x' = a·x + b·output + c·z."""

    a: float
    b: float
    posterior: float
    beta: float


def theory(case: Case, now: tuple[float, float], to: tuple[float, float]) -> Theory:
    """DDIM's and DDPM's factors for the jump from level now to level to, in terms of what the network returns (ancestral: eta = 1)."""
    (a, s), (a2, s2) = now, to
    a, s = max(a, 1e-8), max(s, 1e-8)
    beta = max(1 - (a / max(a2, 1e-8)) ** 2, 0.0)
    posterior = (beta * s2**2 / s**2) ** 0.5
    of_eps = max(s2**2 - posterior**2, 0.0) ** 0.5
    row = {
        "eps": (a2 / a, of_eps - a2 * s / a),
        "x0": (of_eps / s, a2 - of_eps * a / s),
        "v": (a2 * a + of_eps * s, of_eps * a - a2 * s),
    }[case.predicts]
    return Theory(*row, posterior, beta**0.5)


def _noise_kind(case: Case, run: Run, updates: list[Update], bars: np.ndarray) -> str:
    """What the factor of the noise is: "none", "std", "variance", "root" or "other"."""
    rows = []
    for k, update in enumerate(updates):
        now, to = (_level(run.steps[i].t, bars) for i in (k, k + 1))
        each = theory(case, now, to)
        if update.left < 0.02 and each.posterior > 1e-4 and each.posterior < 0.5:
            rows.append((update.c, each.posterior, each.beta))
    if len(rows) < 3:
        return "other"
    c, p, e = np.array(rows).T
    if np.median(c / p) < 1e-3:
        return "none"
    own = np.log(np.maximum(c, 1e-12))

    def off(std: np.ndarray) -> float:
        return float(np.median(np.abs(own - np.log(std))))

    sound = min(off(p), off(e))
    if np.median(c / p) > 0.9 and np.median(c / e) < 1.1:
        sound = 0.0
    for kind, power in (("variance", 2.0), ("root", 0.5)):
        if min(off(p**power), off(e**power)) < min(0.1, sound):
            return kind
    share = own - np.log(p)
    return "std" if sound < 0.1 or (share.std() < 0.1 and share.mean() < 0.1) else "other"


# -- the verdict ----------------------------------------------------------------------------------------------------------


def reference(bars: np.ndarray, steps: list[float], kind: str) -> tuple[float, float]:
    """(slope, deviation/S) where a sound sampler on these steps lands, by a linear recursion of mean and variance, pixel by pixel."""
    m, v = 0.0, 1.0
    levels = [_level(t, bars) for t in steps] + [(1.0, 0.0)]
    for (a, s), (a2, s2) in pairwise(levels):
        a, s = max(a, 1e-6), max(s, 1e-6)
        gain = a * S**2 / (a**2 * S**2 + s**2)
        beta = max(1 - (a / a2) ** 2, 0.0)
        posterior = beta * s2**2 / s**2
        of_eps = max(s2**2 - (0 if kind == "ddim" else posterior), 0.0) ** 0.5
        A = a2 * gain + of_eps * (1 - a * gain) / s
        M = a2 * (1 - gain * a) - of_eps * a * (1 - a * gain) / s
        added = {"ddim": 0.0, "ddpm": posterior, "beta": beta if s2 > 0 else 0.0}[kind]
        m, v = A * m + M, A**2 * v + added
    return m, v**0.5 / S


def _verdict(case: Case, check: str, run: Run, updates: list[Update], bars: np.ndarray) -> None:
    steps, last = run.steps, run.steps[-1]
    said = _first_odd(case, run, updates, bars)
    start = steps[0].x
    if not (0.9 < float(start.std()) < 1.1 and abs(float(start.mean())) < 0.1 + 3 / start.numel() ** 0.5):
        case.found.name(
            check,
            "misses-the-data",
            f"it starts from mean {float(start.mean()):.2f} and deviation {float(start.std()):.2f}, not from N(0, 1)",
        )
        return
    kind = _noise_kind(case, run, updates, bars)
    if kind in ("variance", "root"):
        what = "the variance, not the standard deviation" if kind == "variance" else "the root of a standard deviation"
        case.found.name(check, "variance-for-std", f"the noise of a step is scaled by {what}")
    _guidance(case, updates, run)
    slope, spread, noise = _landing(case, run, last)
    if noise is not None and noise > NOISE_LEFT:
        case.found.name(
            "last step",
            "noise-at-last-step",
            f"noise of deviation {noise:.3f} is added after the last call of the network",
        )
    if slope is None or spread is None:
        case.found.note(check, "what it returns could not be compared with what its last step predicts")
        slope, spread = _last_state(run, bars)
    ts = [s.t for s in steps]
    refs = [reference(bars, ts, k) for k in ("ddim", "ddpm")]
    if len(ts) >= 0.5 * len(bars):
        refs.append(reference(bars, ts, "beta"))
    low, high = min(1.0, *[r[1] for r in refs]), max(1.0, *[r[1] for r in refs])
    told = f"with a perfect network it lands at {slope:.2f} of the mean and {spread:.2f} of the deviation"
    within = 0.88 * low < spread < 1.15 * high and abs(slope - 1) < 0.1
    few = len(ts) < 0.5 * len(bars)
    growth = _growth(case, run, updates, bars)
    if abs(growth) > 1 and not (few and _single_steps(case, run, updates, bars)):
        case.found.name(
            check,
            "misses-the-data",
            f"over all steps x is multiplied by {np.exp(growth):.2g} times what sound steps do{said and '; ' + said}",
        )
    elif within and FEW <= spread <= MANY:
        case.found.fine(check, f"{told}, in {len(ts)} steps{said and '; ' + said}")
    elif few and (within or _single_steps(case, run, updates, bars)):
        case.found.name(check, "too-few-steps", f"{told}, in {len(ts)} of {len(bars)} steps")
    elif within:
        case.found.fine(check, f"{told}, which is all that {len(ts)} steps of this schedule can do")
    elif "noise-at-last-step" in case.found.named and noise is not None and abs(np.hypot(noise / S, 1) - spread) < 0.15:
        pass
    elif "terminal-signal" in case.found.named and kind != "other" and 0.7 < spread < 1.4:
        case.found.note(check, f"{told}, since it starts from what training has not seen")
    elif few and not (FEW <= spread <= MANY) and not said:
        case.found.name(check, "too-few-steps", f"{told}, in {len(ts)} of {len(bars)} steps")
    else:
        case.found.name(check, "misses-the-data", f"{told}{said and '; ' + said}")


def _single_steps(case: Case, run: Run, updates: list[Update], bars: np.ndarray) -> bool:
    """Whether the factors are those of a step to the neighbouring level, although the walk jumps."""
    hits = []
    for k, update in enumerate(updates):
        t = run.steps[k].t
        if t - run.steps[k + 1].t < 1.5 or t < 1:
            continue
        one = theory(case, _level(t, bars), _level(t - 1, bars))
        jump = theory(case, _level(t, bars), _level(run.steps[k + 1].t, bars))
        hits.append(abs(update.a - one.a) < 0.3 * abs(update.a - jump.a))
    return bool(hits) and float(np.mean(hits)) > 0.7


def _first_odd(case: Case, run: Run, updates: list[Update], bars: np.ndarray) -> str:
    """Where the factor of x is not that of a sound first-order step: "" if all are sound, or of higher order."""
    rows = []
    for k, update in enumerate(updates):
        each = theory(case, *(_level(run.steps[i].t, bars) for i in (k, k + 1)))
        if update.left < 0.02:
            rows.append((abs(update.a - each.a), run.steps[k].t, update.a, each.a, sum(update.b), each.b))
    if len(rows) < 0.5 * len(updates) or not rows:
        return ""
    rows.sort(reverse=True)
    off, t, a, right, b, right_b = rows[len(rows) // 20]
    if case.predicts == "eps" and off > 0.02 * abs(right):
        return f"at t = {t:g} x is multiplied by {a:.4g}, a sound step has {right:.4g}"
    rows.sort(key=lambda r: -abs(r[4] / (r[5] or 1) - 1))
    off, t, a, right, b, right_b = rows[len(rows) // 4]
    if case.predicts == "eps" and abs(b / (right_b or 1) - 1) > 0.3:
        return f"at t = {t:g} the predicted noise is multiplied by {b:.3g}, a sound step has {right_b:.3g}"
    return ""


def _growth(case: Case, run: Run, updates: list[Update], bars: np.ndarray) -> float:
    """The logarithm of all factors of x together, over that of sound steps: a sound first-order step has alpha'/alpha."""
    if case.predicts != "eps":
        return 0.0
    rows = [
        np.log(max(u.a, 1e-6) / theory(case, *(_level(run.steps[i].t, bars) for i in (k, k + 1))).a)
        for k, u in enumerate(updates)
        if u.left < 0.02
    ]
    return float(np.sum(rows)) if len(rows) > 0.8 * len(updates) else 0.0


def _last_state(run: Run, bars: np.ndarray) -> tuple[float, float]:
    """Slope of the mean and deviation/S of the image at the last call, in units of what they should be at its level."""
    last = run.steps[-1]
    alpha, sigma = _level(last.t, bars)
    mu = pattern(last.x.shape[1:]).to(last.x).expand_as(last.x)
    slope = float((last.x * mu).sum() / (mu * mu).sum())
    return slope / alpha, float((last.x - slope * mu).std()) / (alpha**2 * S**2 + sigma**2) ** 0.5


def _landing(case: Case, run: Run, last: Step) -> tuple[float | None, float | None, float | None]:
    """(slope, deviation/S) of what is returned, and the fresh noise in it in units of the data; None where it cannot be read."""
    y = result_of(run.result, last.x)
    if y is None:
        return None, None, None
    whole = not y.is_floating_point() or bool((y == y.round()).all())
    y = y.double()
    if whole or (float(y.max()) > 2.5 and float(y.min()) >= 0):
        y = y / 127.5 - 1
    elif float(y.min()) >= -1e-6 and float(y.max()) <= 1 + 1e-6:
        y = 2 * y - 1
    mu = pattern(last.x.shape[1:]).double().expand_as(last.x)
    each = case.pixels >= 48
    stretched = (
        each and bool((y.flatten(1).amax(1) > 1 - 1e-4).all()) and bool((y.flatten(1).amin(1) < -1 + 1e-4).all())
    )
    columns = [c.double().flatten(1) if each else c.double().reshape(1, -1) for c in (last.x, mu, torch.ones_like(mu))]
    X, target = torch.stack(columns, dim=2), y.flatten(1) if each else y.reshape(1, -1)
    c = torch.linalg.lstsq(X, target.unsqueeze(2), driver="gelsd").solution
    rest = (target.unsqueeze(2) - X @ c).std()
    explained = 1 - float(rest**2 / y.var().clamp(min=1e-12))
    slope = float((y * mu).sum() / (mu * mu).sum())
    spread = float((y - slope * mu - (y - slope * mu).mean()).std()) / S
    frames = (
        isinstance(run.result, list)
        and len(run.result) > 1
        and len(run.result) not in (len(run.steps), len(run.steps) + 1)
    )
    if explained < 0.5 or stretched or (frames and float(rest) > NOISE_LEFT):
        return None, None, None
    return slope, spread, float(rest)


def result_of(value: Any, like: Tensor) -> Tensor | None:
    """The images in what a sampler returned: a tensor, an array, pictures, or the last of a list of frames."""
    for name in ("images", "sample", "samples", "prev_sample", "x"):
        if not isinstance(value, (Tensor, np.ndarray, list, tuple)) and hasattr(value, name):
            value = getattr(value, name)
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        if not value:
            return None
        parts = [result_of(v, like) if isinstance(v, (list, tuple)) else _plain(v) for v in value]
        whole = [p for p in parts if p is not None and p.numel() == like.numel()]
        if whole:
            return _shaped(whole[0] if isinstance(value, tuple) else whole[-1], like)
        single = [p for p in parts if p is not None and p.numel() == like[0].numel()]
        if len(single) == len(like):
            return _shaped(torch.stack(single), like)
        many = [p for p in parts if p is not None and p.numel() and p.numel() % like.numel() == 0]
        return result_of(many[0], like) if many else None
    plain = _plain(value)
    if plain is None or plain.numel() < like.numel():
        return None
    if plain.numel() == like.numel():
        return _shaped(plain, like)
    if plain.shape[1:] == like.shape:  # frames first
        return plain[-1]
    if plain.ndim == like.ndim + 1 and plain.shape[0] == like.shape[0]:
        return _shaped(plain[:, -1], like)
    return None


def _plain(value: Any) -> Tensor | None:
    try:
        return tensor_of(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _shaped(y: Tensor, like: Tensor) -> Tensor:
    """Channels last become channels first."""
    if like.ndim == 4 and y.ndim == 4 and y.shape != like.shape and y.shape[-1] == like.shape[1]:
        y = y.movedim(-1, 1)
    return y.reshape(like.shape)


# -- guidance in the sampler ------------------------------------------------------------------------------------------------

MOST = 15.0
"""Weight above which guidance counts as too high: Stable Diffusion is used at 5 to 15, GLIDE at 3, class-conditional models below 10."""


def _guidance(case: Case, updates: list[Update], run: Run) -> None:
    """The weight of the conditional prediction in each step, from the factors of both branches."""
    both = [u.b for u in updates if len(u.b) == 2 and u.left < 0.05 and abs(sum(u.b)) > 1e-6]
    if len(both) < 2:
        return
    w = float(np.median([b[0] / sum(b) for b in both]))  # sorted: "conditional" before "unconditional"
    check = "guidance in the sampler"
    if w < -0.05:
        case.found.name(
            check,
            "guidance-swapped",
            f"the conditional prediction has the weight {w:.2f}, the unconditional {1 - w:.2f}",
        )
    elif abs(w) < 0.02:
        case.found.name(check, "guidance-ignored", "only the unconditional prediction counts")
    elif w > MOST:
        case.found.name(
            check, "guidance-too-high", f"the conditional prediction has the weight {w:.1f}; up to {MOST:g} is usual"
        )
    else:
        case.found.fine(check, f"the conditional prediction has the weight {w:.2f}")
