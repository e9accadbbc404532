"""Samplers: pure functions from one estimate to the next image, and the one loop that drives them all.

A sampler's `step` goes from the level of `now` to the less noisy level `to`, and takes what else it needs: `past` holds the last `history`
estimates, oldest first, `denoise` is asked once more by Heun, `noise()` is a fresh draw, not asked for where its weight is 0. The loop,
`trajectory`, is a generator: progress bars, strips of predicted images, animations and early stops compose from it.
"""

import math
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from diffcourse.checks import (
    check_alike,
    check_batch,
    check_finite,
    check_floating,
    check_function,
    number,
    one_of,
    told,
    whole,
)
from diffcourse.denoiser import Denoise, Denoiser, Estimate, ask, estimate, evaluating, module_of, rows
from diffcourse.guidance import guided
from diffcourse.rng import Generators, check_generators, draw, image_generators
from diffcourse.schedule import (
    CLEAN,
    DiffusionSchedule,
    Level,
    NoisePath,
    check_chain,
    check_down,
    check_level,
    jump,
    posterior_coefficients,
)

# what a step may ask for, beside the estimate and the level that it goes to
Past = Sequence[Estimate]
Ask = Denoise | None
Noise = Callable[[], Tensor] | None


class Sampler(Protocol):
    """From an estimate at one level to x at the next, `to`: the class of your own needs these two, and nothing else.

    history  how many earlier estimates its step wants; the last of them come as `past`, oldest first, fewer at the start. 0: none.
    step     returns x at `to`, of now.x's shape and finite. `denoise(x, level)` asks the model once more. Each `noise()` is another draw
             of now.x's shape: from each image's own generator, in the order of the calls, so a sampler that draws twice a step is as
             reproducible as one that draws once. A call that has no weight is better not made.
    """

    @property
    def history(self) -> int: ...

    def step(
        self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None
    ) -> Tensor: ...


def posterior_std(now: Level, to: Level) -> float:
    """The standard deviation of q(x_s | x_t, x_0) for the jump t -> s; DDIM's sigma at eta = 1 (Song et al. 2021, equation 16)."""
    return posterior_coefficients(now, to)[2] ** 0.5


@dataclass(frozen=True)
class DDPM:
    """Ancestral sampling: draw from q(x_s | x_t, x_0) with the predicted x_0 (Ho et al. 2020, algorithm 2).

    variance "posterior" is the posterior's own, beta-tilde; "beta" the larger one of the forward step. No noise on the step to CLEAN.
    """

    variance: str = "posterior"
    history = 0

    def __post_init__(self):
        one_of("variance", self.variance, ("posterior", "beta"))

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        a, b, var = posterior_coefficients(now.at, to)
        mean = a * now.x0 + b * now.x  # eq. 7
        if self.variance == "beta" and to.sigma > 0:
            var = jump(now.at, to)[1]
        return mean + var**0.5 * _drawn(noise) if var > 0 else mean


@dataclass(frozen=True)
class DDIM:
    """x_s = alpha_s·x0 + sqrt(sigma_s² - std²)·eps + std·z with std = eta·posterior_std (Song et al. 2021, equations 12 and 16).

    eta = 0 is deterministic: Euler's method on the probability-flow ODE. eta = 1 is DDPM on the visited levels.
    """

    eta: float = 0.0
    history = 0

    def __post_init__(self):
        number("eta", self.eta, 0, 1, why="above 1 the variance left for eps would be negative")

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        std = self.eta * posterior_std(now.at, to) if self.eta else 0.0  # eq. 16
        mean = to.alpha * now.x0 + max(0.0, to.sigma**2 - std**2) ** 0.5 * now.eps  # eq. 12
        return mean + std * _drawn(noise) if std else mean


@dataclass(frozen=True)
class Euler:
    """One straight step of d(x/alpha)/d(nsr) = eps, nsr = sigma/alpha: x_s/alpha_s = x_t/alpha_t + (nsr_s - nsr_t)·eps.

    Karras et al. 2022, equation 1 and algorithm 1. It needs alpha > 0 at both ends. On the straight path of flow matching, where alpha is 0
    at the start, the Euler step in t, x_s = x_t + (s - t)·(eps - x0), is DDIM().
    """

    history = 0

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        _check_signal(now, to, self)
        return to.alpha / now.at.alpha * now.x + to.alpha * (to.nsr - now.at.nsr) * now.eps


@dataclass(frozen=True)
class Heun:
    """Euler's step, then again with the mean of both slopes: second order, two calls a step but one on the step to CLEAN.

    Karras et al. 2022, algorithm 1, in the variable x/alpha of `Euler`.
    """

    history = 0

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        _check_signal(now, to, self)
        guess = Euler().step(now, to)
        if to.sigma == 0:
            return guess
        if denoise is None:
            raise TypeError("denoise is missing: Heun asks the network a second time, at the end of the step")
        change = denoise(guess, to).eps - now.eps  # the mean of both slopes is the first and half of this
        return guess + to.alpha * (to.nsr - now.at.nsr) / 2 * change


@dataclass(frozen=True)
class LMS:
    """Linear multistep: integrate the polynomial through the last `order` slopes eps over the step in nsr (Adams-Bashforth).

    x_s/alpha_s = x_t/alpha_t + sum_j w_j·eps_j with w_j the integral of the j-th Lagrange polynomial; the scheduler of the first Stable
    Diffusion notebooks. The first steps have fewer slopes and a lower order, as has one after a level was visited twice: of
    estimates at one level the latest counts.
    """

    order: int = 4

    def __post_init__(self):
        whole("order", self.order, 1, 4)

    @property
    def history(self) -> int:
        return self.order - 1

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        _check_signal(now, to, self)
        known = list({float(e.at.nsr): e for e in [*past[-self.history :], now][-self.order :]}.values())
        weights = _lagrange_integrals([float(e.at.nsr) for e in known], float(now.at.nsr), float(to.nsr))
        slopes = sum(w * e.eps for w, e in zip(weights, known, strict=True))
        return to.alpha / now.at.alpha * now.x + to.alpha * slopes


@dataclass(frozen=True)
class PNDM:
    """Linear multistep with the weights of equal steps: DDIM's step, with a mean of the last four slopes in the place of eps.

    x_s/alpha_s = x_t/alpha_t + (nsr_s - nsr_t)·e,  e = (55·eps_0 - 59·eps_1 + 37·eps_2 - 9·eps_3)/24, newest first (Adams-Bashforth); Liu
    et al. 2022, equations 9 and 12. `LMS` computes the weights for the levels as they lie. The first steps have fewer slopes and a lower
    order, and the very first is Heun's: two calls. That start is PLMS, diffusers' PNDMScheduler(skip_prk_steps=True), with which Stable
    Diffusion 1.x was published; the paper's own start makes Runge-Kutta steps.
    """

    WEIGHTS = (
        (1,),
        (3 / 2, -1 / 2),
        (23 / 12, -16 / 12, 5 / 12),
        (55 / 24, -59 / 24, 37 / 24, -9 / 24),
    )  # newest first
    history = 3

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        _check_signal(now, to, self)
        known = list({float(e.at.nsr): e for e in [*past[-3:], now]}.values())  # of estimates at one level the latest
        if len(known) == 1:
            return Heun().step(now, to, denoise=denoise)
        mean: Any = sum(w * e.eps for w, e in zip(self.WEIGHTS[len(known) - 1], known[::-1], strict=True))
        return to.alpha / now.at.alpha * now.x + to.alpha * (to.nsr - now.at.nsr) * mean


@dataclass(frozen=True)
class EulerAncestral:
    """Euler's step further down than `to`, to nsr_down, and fresh noise back up: "Euler a" of the menus (Crowson's k-diffusion, 2022).

        up² = eta²·nsr_s²·(nsr_t² - nsr_s²)/nsr_t²,  nsr_down² = nsr_s² - up²
        x_s/alpha_s = x_t/alpha_t + (nsr_down - nsr_t)·eps + up·z

    eta = 1 draws from the posterior: the same pictures as DDPM() and DDIM(1), from the same noise. eta = 0 is `Euler`.
    """

    eta: float = 1.0
    history = 0

    def __post_init__(self):
        number("eta", self.eta, 0, 1, why="above 1 there would be less than no noise to step down to")

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        _check_signal(now, to, self)
        if self.eta:
            check_down(now.at, to)
        up = self.eta * to.nsr * max(0.0, 1 - (to.nsr / now.at.nsr) ** 2) ** 0.5 if self.eta else 0.0
        down = (to.nsr**2 - up**2) ** 0.5
        mean = to.alpha / now.at.alpha * now.x + to.alpha * (down - now.at.nsr) * now.eps
        return mean + to.alpha * up * _drawn(noise) if up else mean


@dataclass(frozen=True)
class DPMSolverPP:
    """x_s = (sigma_s/sigma_t)·x_t - alpha_s·(e^(-h) - 1)·D with h = lambda_s - lambda_t (Lu et al. 2022, DPM-Solver++, algorithm 2).

    order 2 ("2M") extrapolates D = x0 + h/(2·h_past)·(x0 - x0_past); order 1 has D = x0 and is DDIM(0). The step to CLEAN is first order,
    and so is one after a level that was visited twice (h_past = 0).
    stochastic=True ("SDE-DPM-Solver++", the same for the reverse SDE) renews noise as DDPM does,
    x_s = (sigma_s/sigma_t)·e^(-h)·x_t + alpha_s·(1 - e^(-2h))·D + sigma_s·sqrt(1 - e^(-2h))·z; order 1 is then DDIM(1).
    """

    order: int = 2
    stochastic: bool = False

    def __post_init__(self):
        whole("order", self.order, 1, 2)
        if not isinstance(self.stochastic, bool):
            raise TypeError(f"stochastic must be True or False, got {told(self.stochastic)}")

    def __repr__(self) -> str:
        return f"DPMSolverPP(order={self.order}{', stochastic=True' * self.stochastic})"

    @property
    def history(self) -> int:
        return self.order - 1

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        at, D = now.at, now.x0
        if at.sigma == 0:
            raise ValueError(
                f"DPMSolverPP works in log(alpha/sigma), which is infinite at t={at.t:g} (sigma = 0): start higher, or use DDIM"
            )
        if self.stochastic:
            check_down(at, to)
        h_past = at.lam - past[-1].at.lam if self.order == 2 and past and past[-1].at.alpha > 0 else 0.0
        if h_past and to.sigma > 0:
            h = to.lam - at.lam
            D = now.x0 + h / (2 * h_past) * (now.x0 - past[-1].x0)
        ratio = to.sigma / at.sigma
        if not self.stochastic:
            return ratio * now.x + (to.alpha - ratio * at.alpha) * D  # alpha_s·e^(-h) = ratio·alpha_t
        decay = ratio * at.alpha / to.alpha  # e^(-h)
        mean = ratio * decay * now.x + to.alpha * (1 - decay**2) * D
        std = to.sigma * max(0.0, 1 - decay**2) ** 0.5
        return mean + std * _drawn(noise) if std else mean


def trajectory(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], sampler: Sampler = DDIM(), generator: Generators = None
) -> Iterator[Estimate]:
    """The loop of every sampler: yields the estimate at each level, and last one whose `.x` is the sample, at levels[-1].

    x is the noisy start at levels[0]; len(levels) items come out. At `CLEAN` the last is x0 = x, eps = 0. Where a path ends above it
    (inversion, a pause) nobody has looked at the last x: its x0 and eps are nan. generator: one, or a list with one an image; None is
    torch's own. No gradients; a module inside `denoise` works in eval mode and gets its mode back. Arguments are checked at the call.
    A walk on which x became nan or inf ends in a ValueError that says where, after its last step.
    """
    check_function("denoise", denoise, "callable, the first of (denoise, x, levels)")
    check_floating("x", x)
    check_finite("x", x)
    check_walk(levels)
    check_sampler(sampler)
    check_generators(generator, len(x))
    return _trajectory(denoise, x, levels, sampler, generator)


def _trajectory(
    denoise: Denoise, x: Tensor, levels: Sequence[Level], sampler: Sampler, generator: Generators
) -> Iterator[Estimate]:
    """`trajectory` from the first `next` on: a generator runs nothing before it, so what checks is another function."""
    module = module_of(denoise)
    parts = [] if module is None else list(module.modules())
    past: deque[Estimate] = deque(maxlen=sampler.history)
    finite: list[Tensor] = []  # read at the end, all at once: each look would wait for the device
    for at, to in pairwise(levels):
        with torch.no_grad(), evaluating(parts):
            now = ask(denoise, x, at)
            after = sampler.step(now, to, past=tuple(past), denoise=denoise, noise=partial(draw, x, generator))
            check_alike("what sampler.step returns", after, "x", x)
            x = after
            finite.append(x.isfinite().all())
        past.append(now)
        yield now
    _check_stayed_finite(x, finite, levels, sampler)
    clean, unknown = levels[-1].sigma == 0, torch.full_like(x, math.nan)
    yield Estimate(x, levels[-1], x0=x if clean else unknown, eps=torch.zeros_like(x) if clean else unknown)


def sample(
    denoise: Denoise,
    schedule: NoisePath,
    shape: Sequence[int],
    sampler: Sampler = DDIM(),
    steps: int = 50,
    *,
    seed: int | None = None,
    first: int = 0,
    x: Tensor | None = None,
    levels: Sequence[Level] | None = None,
    batch: int | None = None,
    device: str | torch.device | None = None,
    progress: bool = False,
) -> Tensor:
    """Images of `shape` (N, …) from noise: `steps` levels of `schedule` (or `levels`), one `sampler`; returns x at the last level.

    Image i is drawn on the CPU from a hash of (seed, first + i): the same alone, in any batch and on any device. seed None is a new one
    each time. x: the start at the first level, instead of noise. batch: how many images at once; memory does not grow with N.
    """
    shape = _check_order(denoise, schedule, shape)
    levels = schedule.levels(steps) if levels is None else levels
    check_walk(levels)
    check_sampler(sampler)
    size = shape[0] if batch is None else whole("batch", batch, 1)
    first = whole("first", first, 0)
    seed = secrets.randbits(62) if seed is None else whole("seed", seed)
    if x is not None:
        check_floating("x", x)
        if tuple(x.shape) != shape:
            raise ValueError(f"x must have the shape {shape}, got {tuple(x.shape)}")
    module = module_of(denoise)
    _check_levels(levels, getattr(module, "schedule", None))
    weight = torch.empty(0) if module is None else next(module.parameters(), torch.empty(0))
    device, dtype = weight.device if device is None else device, weight.dtype if x is None else x.dtype
    if torch.device(device).type == "meta":
        raise ValueError("device must be one that holds numbers, got meta: there neither networks nor images have any")
    images = _room(shape, dtype, device)
    scale = math.hypot(levels[0].alpha, levels[0].sigma)  # 1 on a variance-preserving path
    bar = _bar(progress, total=-(-shape[0] // size) * (len(levels) - 1))
    for lo in range(0, shape[0], size):
        hi = min(lo + size, shape[0])
        some = image_generators(hi - lo, seed, first + lo)
        like = torch.empty((hi - lo, *shape[1:]), dtype=dtype, device=device)
        start = scale * draw(like, some) if x is None else x[lo:hi].to(device)
        for i, now in enumerate(trajectory(rows(denoise, lo, hi, shape[0]), start, levels, sampler, some)):
            end = now.x
            bar.update(i < len(levels) - 1)
        images[lo:hi] = end
    bar.close()
    return images


# -- the names that the course text uses --------------------------------------------------------------------------------


def sample_ddpm(
    model: Denoiser | nn.Module,
    schedule: DiffusionSchedule,
    shape: Sequence[int],
    device: str | torch.device | None = None,
    *,
    seed: int | None = None,
    progress: bool = False,
) -> Tensor:
    """All T steps of DDPM (Ho et al. 2020, algorithm 2). `model` is a Denoiser, or a plain network that predicts eps."""
    _check_order(model, schedule, shape)
    check_chain(schedule)
    return sample(
        _as_denoiser(model, schedule),
        schedule,
        shape,
        DDPM(),
        len(schedule),
        seed=seed,
        device=device,
        progress=progress,
    )


def sample_ddim(
    model: Denoiser | nn.Module,
    schedule: DiffusionSchedule,
    shape: Sequence[int],
    device: str | torch.device | None = None,
    num_inference_steps: int = 50,
    eta: float = 0.0,
    *,
    seed: int | None = None,
    progress: bool = False,
) -> Tensor:
    """DDIM with `num_inference_steps` calls of the network. `model` is a Denoiser, or a plain network that predicts eps."""
    _check_order(model, schedule, shape)
    denoise = _as_denoiser(model, schedule)
    return sample(denoise, schedule, shape, DDIM(eta), num_inference_steps, seed=seed, device=device, progress=progress)


def classifier_free_guidance_sample(
    model: Denoiser | nn.Module,
    schedule: DiffusionSchedule,
    shape: Sequence[int],
    condition: Any,
    w: float = 7.5,
    *,
    null: Any = None,
    sampler: Sampler = DDIM(),
    steps: int = 50,
    seed: int | None = None,
    device: str | torch.device | None = None,
    progress: bool = False,
) -> Tensor:
    """Samples of `condition` with guidance w, eps = eps_null + w·(eps_cond - eps_null): w = 1 is the plain conditional model.

    `model` is a Denoiser, or a plain network (x, t, cond) that predicts eps; then `null` is its condition for "none".
    """
    _check_order(model, schedule, shape)
    denoise = guided(_as_denoiser(model, schedule), condition, w, uncond=null)
    return sample(denoise, schedule, shape, sampler, steps, seed=seed, device=device, progress=progress)


def denoise(x_t: Tensor, eps_pred: Tensor, t: int, schedule: DiffusionSchedule, noise: Tensor | None = None) -> Tensor:
    """One reverse step, from x_t and predicted noise to x_{t-1} (Ho et al. 2020, algorithm 2, line 4, with the posterior's variance).

    x_{t-1} = (x_t - beta_t/sqrt(1 - alpha_bar_t)·eps_pred)/sqrt(alpha_t) + std_t·noise; t is a code index, and at t = 0 no noise is added.
    x_t, eps_pred and noise (B, …); noise None takes the mean of the step. What `sample_ddpm` does 1000 times.
    """
    t = whole("t", t)
    check_batch("x_t", x_t)
    check_alike("eps_pred", eps_pred, "x_t", x_t)
    if noise is not None:
        check_alike("noise", noise, "x_t", x_t)
    check_chain(schedule)
    now = estimate(eps_pred, x_t, schedule.at(t), "eps")
    to = schedule.at(t - 1) if t > 0 else CLEAN
    return DDPM().step(now, to, noise=lambda: torch.zeros_like(x_t) if noise is None else noise)


# -- small helpers ----------------------------------------------------------------------------------------------------


def _drawn(noise: Noise) -> Tensor:
    if noise is None:
        raise TypeError(
            "noise is missing: this step adds some; give a function such as noise=lambda: torch.randn_like(x)"
        )
    return noise()


def _check_signal(now: Estimate, to: Level, sampler: Sampler) -> None:
    for at in (now.at, to):
        if at.alpha == 0:
            raise ValueError(
                f"{type(sampler).__name__} integrates in sigma/alpha, which is infinite at t={at.t:g} (alpha = 0): stay below, or use DDIM "
                "or DPMSolverPP"
            )


def _lagrange_integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """The integral of each Lagrange polynomial on up to 4 `nodes` from start to end: degree 3 at most, where two Gauss points are exact."""
    middle, half = (start + end) / 2, (end - start) / 2
    points = (middle - half / 3**0.5, middle + half / 3**0.5)
    return [
        half * sum(math.prod((p - other) / (node - other) for other in nodes if other != node) for p in points)
        for node in nodes
    ]


def _as_denoiser(model: Any, schedule: DiffusionSchedule) -> Denoiser:
    return model if isinstance(model, Denoiser) else Denoiser(model, schedule)


def check_walk(levels: Any) -> None:
    """A list of two Levels or more, plain numbers each, where a network can be asked at all but the last."""
    if isinstance(levels, Level | str) or not isinstance(levels, Sequence):
        raise TypeError(f"levels must be a list of Levels such as schedule.levels(20), got {told(levels)}")
    if len(levels) < 2:
        raise ValueError(f"levels must hold at least a start and an end, got {len(levels)}")
    for i, at in enumerate(levels):
        check_level(f"levels[{i}]", at)
    if CLEAN in levels[:-1]:
        raise ValueError(
            "levels may hold CLEAN at their end only, as there is no noise to ask a network about; noisiest first is the usual order"
        )


def check_sampler(sampler: Any) -> None:
    if isinstance(sampler, type) or not callable(getattr(sampler, "step", None)):
        raise TypeError(f"sampler must be one such as DDIM(), got {told(sampler)}")
    if not hasattr(sampler, "history"):
        raise TypeError(
            f"sampler must have `history`, how many past estimates its step wants (0: none); {told(sampler)} has not"
        )
    whole("sampler.history", sampler.history, 0)


def _check_stayed_finite(x: Tensor, finite: Sequence[Tensor], levels: Sequence[Level], sampler: Sampler) -> None:
    if x.is_meta or bool(torch.stack(list(finite)).all()):
        return
    i = [bool(f) for f in finite].index(False)
    raise ValueError(
        f"x must stay finite, but holds nan or inf after step {i + 1} of {len(finite)}, {sampler!r} from t={levels[i].t:g} to "
        f"t={levels[i + 1].t:g}: look at the Estimate there, which trajectory(...) yields"
    )


def _room(shape: tuple[int, ...], dtype: torch.dtype, device: str | torch.device) -> Tensor:
    """Memory for the images, asked for before the work begins."""
    try:
        return torch.empty(shape, dtype=dtype, device=device)
    except RuntimeError as error:
        if "alloc" not in str(error) and "memory" not in str(error) and "overflow" not in str(error):
            raise
        raise ValueError(
            f"shape {shape} is more than fits: {math.prod(shape) * dtype.itemsize / 2**30:.3g} GiB of images ({str(error)[:120]})"
        ) from error


def _check_order(model: Any, schedule: Any, shape: Any) -> tuple[int, ...]:
    if not callable(model) or not hasattr(schedule, "levels") or isinstance(schedule, nn.Module):
        got = ", ".join(told(v) for v in (model, schedule, shape))
        raise TypeError(f"the order of arguments is (model, schedule, shape), got ({got})")
    check_function("denoise", model, "a Denoiser or what is made of one")
    if isinstance(schedule, type):
        raise TypeError(f"schedule must be one such as DiffusionSchedule.linear(), got {told(schedule)}")
    if isinstance(shape, (str, Tensor)) or not isinstance(shape, Sequence):
        raise TypeError(f"shape must be a sequence of whole numbers such as (16, 1, 28, 28), got {told(shape)}")
    try:
        sizes = tuple(whole("each of shape", n, 1) for n in shape)
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) < 2:
        raise ValueError(f"shape must be (N, …) with whole numbers of at least 1, got {tuple(shape)}")
    return sizes


def _check_levels(levels: Sequence[Level], own: NoisePath | None) -> None:
    """A network is told t alone: its own schedule must put the same alpha and sigma there as the levels that are walked."""
    if own is None:
        return
    for level in levels:
        if level.sigma == 0:  # the end: no network is asked there
            continue
        try:
            at = own.at(level.t)
        except ValueError as error:
            raise ValueError(f"schedule is not the one that the denoiser was trained on: {error}") from error
        if not math.isclose(at.alpha, level.alpha, abs_tol=1e-4) or not math.isclose(
            at.sigma, level.sigma, abs_tol=1e-4
        ):
            raise ValueError(
                f"schedule is not the one that the denoiser was trained on, {own}: at t={level.t:g} it has alpha={level.alpha:.4g} and "
                f"sigma={level.sigma:.4g}, the denoiser's {at.alpha:.4g} and {at.sigma:.4g}; give denoiser.schedule"
            )


def _bar(progress: bool, total: int):
    from tqdm.auto import tqdm

    return tqdm(total=total, disable=not progress, leave=False)
