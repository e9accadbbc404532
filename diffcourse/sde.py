"""Noise as a stochastic process: continuous paths, the SDE that runs along one, its reverse, and the ODE with the same marginals.

Every path x_t = alpha(t)·x_0 + sigma(t)·eps has the marginals of dx = f·x·dt + g·dw with f = alpha'/alpha and g² = 2·sigma·(sigma' -
f·sigma) (Song et al. 2021, section 3.4; Kingma et al. 2021, section 3): `Path.rates`, `Path.drift`, `Path.diffusion`. What runs back with
the same marginals, for any eta >= 0, is dx = [velocity - ½·eta²·g²·score]·dt + eta·g·dw with dt < 0 and

    velocity = alpha'·x0 + sigma'·eps = f·x - ½·g²·score                                     `velocity`

where x0 and eps are the means that a denoiser estimates: eta = 0 is the probability-flow ODE, on the straight path flow matching (Lipman et
al. 2023), eta = 1 the reverse SDE of Anderson (1982). t = 0 is the data and t = 1 the noise.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diffcourse.checks import (
    check_alike,
    check_batch,
    check_finite,
    check_floating,
    check_function,
    number,
    told,
    whole,
)
from diffcourse.denoiser import Denoise, Estimate, ask, evaluating, module_of
from diffcourse.gaussian import gaussian_nll
from diffcourse.rng import Generators, check_generators, draw
from diffcourse.samplers import Ask, Noise, Past, Sampler
from diffcourse.schedule import CLEAN, Level, check_level
from diffcourse.score import AnnealedLangevin, divergence

__all__ = [
    "VE",
    "VP",
    "Likelihood",
    "Path",
    "PredictorCorrector",
    "ReverseSDE",
    "Straight",
    "bend",
    "brownian",
    "density_floor",
    "euler_maruyama",
    "forward_sde",
    "likelihood",
    "rising_levels",
    "velocity",
]


# -- paths ------------------------------------------------------------------------------------------------------------


class Path:
    """A path in continuous time, t in [0, 1]: what a subclass gives is alpha and sigma at t, their rates of change, and the t of a ratio.

    It is a `NoisePath`, so samplers, `Denoiser`, its loss and guidance take it in place of a DiffusionSchedule.
    """

    smallest = 0.0
    """Times below it are not trained: where sigma is 0, a network's target may be infinite."""

    def signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """alpha(t) and sigma(t), of t's shape, for a tensor t of any shape."""
        raise NotImplementedError

    def rates(self, t: float) -> tuple[float, float]:
        """d alpha/dt and d sigma/dt at a number t."""
        raise NotImplementedError

    def time_of(self, nsr: float) -> float:
        """The t at which sigma/alpha is `nsr`, the inverse of `at`."""
        raise NotImplementedError

    def at(self, t: float | Tensor, like: Tensor | None = None) -> Level:
        """The level at time t in [0, 1]: floats for a number; for t (B,) tensors (B, 1, …, 1) in the dtype and on the device of `like`."""
        if not isinstance(t, Tensor) or t.ndim == 0:
            t = number("t", t, 0, 1)
            alpha, sigma = self.signal_and_noise(torch.tensor(t, dtype=torch.float64))
            return Level(t, float(alpha), float(sigma))
        check_floating("t", t)
        if t.ndim != 1 or (like is not None and like.ndim and len(t) not in (1, len(like))):
            raise ValueError(f"t must be a number or (B,) for like (B, …), got shape {tuple(t.shape)}")
        if t.device.type == "cpu" and not bool(((t >= 0) & (t <= 1)).all()):
            raise ValueError(f"t must lie in [0, 1], got values from {t.min():g} to {t.max():g}")
        parts = (t, *self.signal_and_noise(t.double() if t.device.type == "cpu" else t))
        if like is None:
            return Level(*parts)
        check_floating("like", like)
        return Level(*(v.to(like.dtype).to(like.device).view(-1, *[1] * (like.ndim - 1)) for v in parts))

    def levels(self, steps: int, last: Level = CLEAN) -> list[Level]:
        """`steps` levels at t = 1, 1 - 1/steps, … 1/steps, and `last`: steps + 1 in all."""
        steps = whole("steps", steps, 1)
        check_level("last", last)
        return [*(self.at(1 - i / steps) for i in range(steps)), last]

    def times(self, u: Tensor) -> Tensor:
        """Training times for numbers u in [0, 1), evenly from `smallest` to 1."""
        check_floating("u", u)
        return self.smallest + (1 - self.smallest) * u

    def drift(self, t: float) -> float:
        """f(t) = alpha'/alpha of dx = f·x·dt + g·dw, per unit of time."""
        at = self.at(t)
        if at.alpha == 0:
            raise ValueError(
                f"t must keep some signal, got alpha = 0 at t={t:g}, where the drift alpha'/alpha is infinite"
            )
        return self.rates(t)[0] / float(at.alpha)

    def diffusion(self, t: float) -> float:
        """g(t) of dx = f·x·dt + g·dw: g² = 2·sigma·(sigma' - f·sigma), in units of x per root of time."""
        sigma = float(self.at(t).sigma)
        return max(0.0, 2 * sigma * (self.rates(t)[1] - self.drift(t) * sigma)) ** 0.5


@dataclass(frozen=True)
class VP(Path):
    """Variance-preserving: beta(t) = beta_min + t·(beta_max - beta_min), f = -½·beta, g = sqrt(beta) (Song et al. 2021, equation 11).

    alpha² = exp(-∫beta), sigma² = 1 - alpha²: the limit of DDPM's chain with betas beta(t)/T as T grows (their appendix B).
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    smallest = 1e-5

    def __post_init__(self):
        number("beta_min", self.beta_min, above=0)
        number("beta_max", self.beta_max, self.beta_min)

    def beta(self, t: float) -> float:
        """The rate at which signal is lost, d log(alpha²)/dt = -beta."""
        return self.beta_min + number("t", t, 0, 1) * (self.beta_max - self.beta_min)

    def signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        lost = self.beta_min * t + (self.beta_max - self.beta_min) * t**2 / 2
        return torch.exp(-lost / 2), (-torch.expm1(-lost)).sqrt()

    def rates(self, t: float) -> tuple[float, float]:
        (_, alpha, sigma), beta = map(float, self.at(t)), self.beta(t)
        if sigma == 0:
            raise ValueError("t must be above 0, where sigma of a VP path rises infinitely fast")
        return -beta * alpha / 2, beta * alpha**2 / (2 * sigma)

    def drift(self, t: float) -> float:
        return -self.beta(t) / 2  # also at t = 0, where the rate of sigma is infinite

    def diffusion(self, t: float) -> float:
        return self.beta(t) ** 0.5

    def time_of(self, nsr: float) -> float:
        lost = math.log1p(number("nsr", nsr, 0, float(self.at(1.0).nsr) * (1 + 1e-9)) ** 2)
        a, b = (self.beta_max - self.beta_min) / 2, self.beta_min
        return min(1.0, 2 * lost / (b + math.sqrt(b * b + 4 * a * lost)))  # of a·t² + b·t = lost, without cancellation


@dataclass(frozen=True)
class VE(Path):
    """Variance-exploding: alpha = 1, sigma = sigma_min·(sigma_max/sigma_min)^t, f = 0 (Song et al. 2021, equation 9): SMLD's levels."""

    sigma_min: float = 0.01
    sigma_max: float = 50.0

    def __post_init__(self):
        number("sigma_min", self.sigma_min, above=0)
        number("sigma_max", self.sigma_max, above=self.sigma_min)

    @property
    def _log_ratio(self) -> float:
        return math.log(self.sigma_max / self.sigma_min)

    def signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return torch.ones_like(t), self.sigma_min * torch.exp(self._log_ratio * t)

    def rates(self, t: float) -> tuple[float, float]:
        return 0.0, self._log_ratio * float(self.at(t).sigma)

    def time_of(self, nsr: float) -> float:
        nsr = number("nsr", nsr, self.sigma_min * (1 - 1e-9), self.sigma_max * (1 + 1e-9))
        return min(1.0, max(0.0, math.log(nsr / self.sigma_min) / self._log_ratio))

    def levels(self, steps: int, last: Level = CLEAN) -> list[Level]:
        """`steps` levels from t = 1 to t = 0, whose sigmas fall by one ratio (Song & Ermon 2019), and `last`."""
        steps = whole("steps", steps, 1)
        check_level("last", last)
        return [*(self.at(1 - i / max(1, steps - 1)) for i in range(steps)), last]


@dataclass(frozen=True)
class Straight(Path):
    """alpha = 1 - t, sigma = t: the straight line from data to noise (Lipman et al. 2023; Liu et al. 2023). velocity = eps - x0.

    Lipman et al. count the other way, t = 1 at the data: their time is 1 - t and their velocity is the negative of this one.
    """

    smallest = 1e-5

    def signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return 1 - t, t

    def rates(self, t: float) -> tuple[float, float]:
        number("t", t, 0, 1)
        return -1.0, 1.0

    def time_of(self, nsr: float) -> float:
        if isinstance(nsr, float) and nsr == math.inf:
            return 1.0
        nsr = number("nsr", nsr, 0)
        return nsr / (1 + nsr)


def velocity(path: Path, now: Estimate) -> Tensor:
    """dx/dt = alpha'(t)·x0 + sigma'(t)·eps: the probability-flow ODE's slope, and what flow matching learns; of x's shape."""
    alpha, sigma = _rates(path, now.at)
    return alpha * now.x0 + sigma * now.eps


# -- running forward --------------------------------------------------------------------------------------------------


def brownian(n: int, times: Sequence[float], *, dims: int = 1, generator: Generators = None) -> Tensor:
    """n Brownian motions at rising `times`, from 0 at times[0]: (len(times), n, dims) float64; an increment over dt is N(0, dt)."""
    like = torch.zeros(whole("n", n, 1), whole("dims", dims, 1), dtype=torch.float64)
    return torch.stack(list(euler_maruyama(lambda x, t: torch.zeros_like(x), 1.0, like, times, generator=generator)))


def euler_maruyama(
    drift: Callable[[Tensor, float], Tensor],
    diffusion: Callable[[float], float] | float,
    x: Tensor,
    times: Sequence[float],
    *,
    generator: Generators = None,
) -> Iterator[Tensor]:
    """x + drift(x, t)·dt + diffusion(t)·sqrt(|dt|)·z: yields x at each of `times`, the start at times[0] first (Maruyama 1955).

    drift maps x (B, …) and a number to x's shape, diffusion a number to a number, or is one. Times rise, or fall: then the drift is that of
    the reverse SDE and dt < 0. For a diffusion that does not depend on x the error of a path falls with dt, of its distribution too. No
    gradients; ValueError where x becomes nan or inf.
    """
    check_function("drift", drift, "a function (x, t) -> tensor")
    check_batch("x", x)
    times = [number(f"times[{i}]", t) for i, t in enumerate(times)]
    if len(times) < 2 or not (times == sorted(set(times)) or times == sorted(set(times), reverse=True)):
        raise ValueError(f"times must be two or more, all rising or all falling, got {told(times)}")
    check_generators(generator, len(x))
    return _euler_maruyama(drift, diffusion, x, times, generator)


def _euler_maruyama(drift, diffusion, x: Tensor, times: list[float], generator: Generators) -> Iterator[Tensor]:
    yield x
    for t, to in pairwise(times):
        g = number("diffusion(t)", diffusion(t) if callable(diffusion) else diffusion, 0)
        with torch.no_grad():
            slope = drift(x, t)
            check_alike("what drift returns", slope, "x", x)
            x = x + slope * (to - t)
            if g:
                x = x + g * abs(to - t) ** 0.5 * draw(x, generator)
        check_finite(f"x at t={to:g}", x)
        yield x


def forward_sde(path: Path, x0: Tensor, times: Sequence[float], *, generator: Generators = None) -> Iterator[Tensor]:
    """The path's own SDE dx = f·x·dt + g·dw from data x0 at times[0], by `euler_maruyama`: yields x at each time."""
    _check_path(path)
    return euler_maruyama(lambda x, t: path.drift(t) * x, path.diffusion, x0, times, generator=generator)


# -- running back -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReverseSDE:
    """A sampler: one Euler-Maruyama step of dx = [velocity - ½·eta²·g²·score]·dt + eta·g·dw, in the path's own time.

    eta = 1 is the reverse SDE (Anderson 1982; Song et al. 2021, equation 6), eta = 0 Euler's method on the probability-flow ODE
    (equation 13). The step to CLEAN returns the mean x0, without noise. As steps shrink, eta = 1 becomes DDPM's step and eta = 0 DDIM's.
    """

    path: Path
    eta: float = 1.0
    history = 0

    def __post_init__(self):
        _check_path(self.path)
        number("eta", self.eta, 0)

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        if to.sigma == 0:
            return now.x0
        dt = to.t - now.at.t
        slope = velocity(self.path, now)
        if not self.eta:
            return now.x + dt * slope
        if dt > 0:
            raise ValueError(f"to must not be noisier than now where noise is drawn, got t={now.at.t:g} to t={to.t:g}")
        if noise is None:
            raise TypeError("noise is missing: the reverse SDE draws at every step")
        g = self.eta * self.path.diffusion(float(now.at.t))
        return now.x + dt * (slope - g**2 / 2 * now.score) + g * (-dt) ** 0.5 * noise()


@dataclass(frozen=True)
class PredictorCorrector:
    """A sampler: a step of `predictor`, then `steps` Langevin steps at the level that it reached (Song et al. 2021, algorithms 2 to 5).

    snr as in `AnnealedLangevin`: a corrector's step is 2·(snr·sigma)². The network is called 1 + steps times a level; the step to CLEAN
    is the predictor's alone.
    """

    predictor: Sampler
    steps: int = 1
    snr: float = 0.16

    def __post_init__(self):
        AnnealedLangevin(self.steps, self.snr)

    @property
    def history(self) -> int:
        return self.predictor.history

    def step(self, now: Estimate, to: Level, *, past: Past = (), denoise: Ask = None, noise: Noise = None) -> Tensor:
        x = self.predictor.step(now, to, past=past, denoise=denoise, noise=noise)
        if to.sigma == 0:
            return x
        if denoise is None:
            raise TypeError("denoise is missing: the corrector asks the network again")
        return AnnealedLangevin(self.steps, self.snr).step(denoise(x, to), to, denoise=denoise, noise=noise)


# -- likelihood -------------------------------------------------------------------------------------------------------


class Likelihood(NamedTuple):
    """log p of each point at the first level, (B,) float64 nats; the noise `x` that the ODE takes it to; the calls of the network."""

    nats: Tensor
    x: Tensor
    calls: int


def likelihood(
    denoise: Denoise,
    x: Tensor,
    levels: Sequence[Level],
    *,
    probe: Tensor | None = None,
    prior: Callable[[Tensor], Tensor] | None = None,
) -> Likelihood:
    """log p(x) by the probability-flow ODE (Song et al. 2021, equation 39; Chen et al. 2018): log p_T(x_T) + ∫ div(dx/dt) dt.

    x (B, …) lies at levels[0], and levels rise from there to the noise: Heun's method in sigma/alpha, where d(x/alpha)/d(sigma/alpha) is
    eps. probe: one for the whole trajectory, see `score.divergence`; None is the exact trace, D passes back a call. prior: log p_T, from
    x (B, …) to (B,) nats; where it is missing that of the noise `sample` starts from, N(0, alpha² + sigma²). What comes out is the density
    of the model's data *noised to levels[0]*, see `density_floor`.
    """
    check_function("denoise", denoise, "callable, the first of (denoise, x, levels)")
    check_batch("x", x)
    if not isinstance(levels, Sequence) or len(levels) < 2:
        raise ValueError(f"levels must be a list of two Levels or more, got {told(levels)}")
    for i, at in enumerate(levels):
        check_level(f"levels[{i}]", at)
    if any(at.alpha == 0 or at.sigma == 0 for at in levels) or any(to.nsr <= at.nsr for at, to in pairwise(levels)):
        raise ValueError("levels must rise from the least noisy one, and all keep some signal and hold some noise")
    last = levels[-1]
    y, total, calls, dims = x / levels[0].alpha, torch.zeros(len(x), dtype=torch.float64), 0, x[0].numel()

    def slopes(y: Tensor, at: Level) -> tuple[Tensor, Tensor]:
        nonlocal calls
        calls += 1
        kept = []

        def eps(y: Tensor) -> Tensor:
            kept.append(ask(denoise, at.alpha * y, at).eps)
            return kept[-1]

        trace = divergence(eps, y, probe=probe)
        return kept[-1].detach(), trace.double().cpu()

    with torch.no_grad(), evaluating(module_of(denoise)):
        for at, to in pairwise(levels):
            h = to.nsr - at.nsr
            first, trace = slopes(y, at)
            second, other = slopes(y + h * first, to)
            y, total = y + h / 2 * (first + second), total + h / 2 * (trace + other)
        x = last.alpha * y
        check_finite("x at the last level", x)
        end = -gaussian_nll(x, 0.0, last.alpha**2 + last.sigma**2) if prior is None else prior(x)
        if not isinstance(end, Tensor) or end.shape != (len(x),):
            raise ValueError(f"prior must return log p of each point, ({len(x)},), got {told(end)}")
    return Likelihood(end.to(total) + total + dims * math.log(last.alpha / levels[0].alpha), x, calls)


def rising_levels(path: Any, first: float, last: float, steps: int) -> list[Level]:
    """steps + 1 levels from t = `first` up to t = `last`, evenly in log(sigma/alpha): where `likelihood` goes.

    path: one with `at` and `time_of`, such as VP() or a DiffusionSchedule, whose t are steps: 0 and T - 1.
    """
    if (
        isinstance(path, type)
        or not callable(getattr(path, "at", None))
        or not callable(getattr(path, "time_of", None))
    ):
        raise TypeError(f"path must be one with at and time_of, such as sde.VP(), got {told(path)}")
    start, end, steps = path.at(first), path.at(last), whole("steps", steps, 1)
    for name, at, t in (("first", start, first), ("last", end, last)):
        if at.alpha == 0 or at.sigma == 0:
            raise ValueError(f"{name} must be a time with some signal and some noise, got t={t:g}")
    if end.nsr <= start.nsr:
        raise ValueError(f"last must be noisier than first, got t={first:g} to t={last:g}")
    low, high = math.log(start.nsr), math.log(end.nsr)
    inner = (path.at(path.time_of(math.exp(low + (high - low) * i / steps))) for i in range(1, steps))
    return [start, *inner, end]


def density_floor(at: Level, bin_width: float = 1.0) -> float:
    """log2(nsr·sqrt(2π)) - log2(bin_width): bits a dimension below which no density of data noised to `at` can come, however good.

    Noise of standard deviation nsr in units of the data caps the density at (nsr·sqrt(2π))^-D. Images of 256 greys in [-1, 1] have
    bin_width 2/255.
    """
    check_level("at", at)
    return math.log2(
        number("at.nsr", at.nsr, above=0) * math.sqrt(2 * math.pi) / number("bin_width", bin_width, above=0)
    )


# -- straightness -----------------------------------------------------------------------------------------------------


def bend(xs: Sequence[Tensor]) -> Tensor:
    """Length of the way x_0, x_1, … over the distance of its ends, less 1, (B,): 0 for a straight line, whatever its speed."""
    if not isinstance(xs, Sequence) or len(xs) < 2:
        raise ValueError(f"xs must be a list of two tensors or more along a way, got {told(xs)}")
    for i, x in enumerate(xs):
        check_alike(f"xs[{i}]", x, "xs[0]", xs[0])
    way = sum((b - a).flatten(1).norm(dim=1) for a, b in pairwise(xs))
    ends = (xs[-1] - xs[0]).flatten(1).norm(dim=1)
    if bool((ends == 0).any()):
        raise ValueError("xs must end elsewhere than they begin")
    return way / ends - 1


# -- small helpers ----------------------------------------------------------------------------------------------------


def _rates(path: Path, at: Level) -> tuple[float, float]:
    _check_path(path)
    return path.rates(number("at.t", at.t))


def _check_path(path: Any) -> None:
    if isinstance(path, type) or not callable(getattr(path, "rates", None)) or not callable(getattr(path, "at", None)):
        raise TypeError(f"path must be one with rates, such as sde.VP(), got {told(path)}")
