"""Guidance and clipping: functions that take a `Denoise` and return another, for any sampler.

Guidance asks twice, and goes from one answer through the other and on: from unconditional through conditional, from a bad model through a
good one. Each function here checks its arguments; the dataclass below it, which it returns, does the work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from diffcourse.checks import check_floating, check_function, number, told
from diffcourse.denoiser import (
    PREDICTS,
    Denoise,
    Denoiser,
    Estimate,
    ask,
    check_condition,
    cut,
    estimate,
    evaluating,
    expand,
    module_of,
    rows,
)
from diffcourse.schedule import Level

MOST = 1000.0
"""Guidance beyond this is a slip: of an answer's seven digits in float32 it leaves fewer than four."""


def extrapolated(start: Estimate, end: Estimate, w: float | Tensor) -> Estimate:
    """start + w·(end - start), for x0 and for eps: what all guidance is."""
    x0, eps = (a + w * (b - a) for a, b in ((start.x0, end.x0), (start.eps, end.eps)))
    return start._replace(x0=x0, eps=eps)


# -- classifier-free guidance ---------------------------------------------------------------------------------------------


def guided(
    denoiser: Denoiser,
    cond: Any,
    guidance: float,
    *,
    uncond: Any = None,
    interval: tuple[float, float] | None = None,
    rescale: float = 0.0,
) -> Denoise:
    """Classifier-free guidance, eps = eps_uncond + guidance·(eps_cond - eps_uncond), and the same for x0.

    Ho & Salimans 2022, equation 6, with guidance w = 1 + their weight (see `from_weight`): w = 1 is the plain conditional model, w = 0 the
    unconditional one (one call each), any other w is one call on the doubled batch [uncond, cond].
    uncond defaults to the denoiser's null condition; a negative prompt replaces it. interval=(lo, hi) guides only where lo <= sigma/alpha
    <= hi (Kynkäänniemi et al. 2024) and is the plain conditional model elsewhere, one call. rescale in [0, 1] passes the network's guided
    output through `rescaled` with that share (on v, if the denoiser does not say what it predicts).
    """
    guidance = _check_guidance(guidance, interval)
    check_function("denoiser", denoiser, "a Denoiser, or a function (x, level, cond) -> Estimate")
    if cond is None:
        raise ValueError("cond must be a condition, got None; for the unconditional model call the denoiser itself")
    check_condition(cond, "cond")
    uncond = getattr(denoiser, "null", None) if uncond is None else uncond
    if uncond is None and (guidance != 1):
        raise ValueError("uncond is missing: give uncond=..., or build the Denoiser with null=...")
    if uncond is not None:
        check_condition(uncond, "uncond")
    return Guided(denoiser, cond, guidance, uncond, interval, number("rescale", rescale, 0, 1))


@dataclass(frozen=True)
class Guided:
    """See `guided`."""

    denoise: Callable[..., Estimate]
    cond: Any
    guidance: float
    uncond: Any
    interval: tuple[float, float] | None
    rescale: float = 0.0

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        w = _inside(self.guidance, self.interval, at)
        if not isinstance(w, Tensor) and (w == 1 or (w == 0 and not self.rescale)):
            return ask(self.denoise, x, at, self.cond if w else self.uncond)
        both = torch.cat([expand(self.uncond, x, "uncond"), expand(self.cond, x)])
        twice = Level(*(torch.cat([v, v]) if isinstance(v, Tensor) else v for v in at))
        e = ask(self.denoise, torch.cat([x, x]), twice, both)
        none, given = (Estimate(x, at, *half) for half in zip(e.x0.chunk(2), e.eps.chunk(2), strict=True))
        now = extrapolated(none, given, w)
        if not self.rescale:
            return now
        predicts = getattr(self.denoise, "predicts", "v")
        a, b = PREDICTS[predicts](at)
        output = rescaled(a * now.x0 + b * now.eps, a * given.x0 + b * given.eps, self.rescale)
        return estimate(output, x, at, predicts)

    def rows(self, lo: int, hi: int, n: int) -> "Guided":
        cond, uncond = cut(self.cond, lo, hi, n), cut(self.uncond, lo, hi, n, "uncond")
        return Guided(self.denoise, cond, self.guidance, uncond, self.interval, self.rescale)


def from_weight(weight: float) -> float:
    """The guidance w = 1 + weight, for a weight as Ho & Salimans write it: (1 + weight)·eps_cond - weight·eps_uncond (2022, equation 6).

    Their weight 0 is the plain conditional model, which is guidance 1 here, in Stable Diffusion and in diffusers.
    """
    return 1.0 + number("weight", weight)


def rescaled(output: Tensor, cond_output: Tensor, share: float = 0.7) -> Tensor:
    """share·output·std(cond_output)/std(output) + (1 - share)·output: guided outputs brought back to the spread of the conditional ones.

    Lin et al. 2024, section 3.4, equations 14 to 16 (their phi is `share`). Both (B, …), standard deviations over each image. An output
    that is constant but for rounding has no spread to be brought back, and stays what it is: a network whose last layer is still zero.
    """
    check_floating("output", output)
    check_floating("cond_output", cond_output)
    share = number("share", share, 0, 1)
    if output.shape != cond_output.shape or output.ndim < 2:
        raise ValueError(
            f"output and cond_output must be (B, …) of one shape, got {tuple(output.shape)} and {tuple(cond_output.shape)}"
        )
    if output[0].numel() < 2:
        raise ValueError(
            f"output must have two numbers an image or more to have a spread, got shape {tuple(output.shape)}"
        )
    over = tuple(range(1, output.ndim))
    spread = output.std(dim=over, keepdim=True)
    even = spread <= 8 * torch.finfo(output.dtype).eps * output.abs().amax(dim=over, keepdim=True)
    ratio = torch.where(even, 1.0, cond_output.std(dim=over, keepdim=True) / spread.masked_fill(even, 1.0))
    return output * (share * ratio + (1 - share))


# -- guidance by a bad version of the model -----------------------------------------------------------------------------


def autoguided(
    denoise: Denoise, weak: Denoise, guidance: float, *, interval: tuple[float, float] | None = None
) -> Denoise:
    """Guidance by a bad version of the model itself: x0 = x0_weak + guidance·(x0 - x0_weak), and the same for eps.

    Karras et al. 2024, "Guiding a diffusion model with a bad version of itself": D_1 is `denoise`, D_0 is `weak`. Both get the same
    condition, autoguided(model.given(labels), early.given(labels), 2.0), and must have been trained on the same schedule.
    guidance 1 calls only `denoise`, 0 only `weak`; interval as in `guided`.
    """
    guidance = _check_guidance(guidance, interval)
    for name, value in (("denoise", denoise), ("weak", weak)):
        check_function(name, value, "a function (x, level) -> Estimate")
    return Autoguided(denoise, weak, guidance, interval)


@dataclass(frozen=True)
class Autoguided:
    """See `autoguided`."""

    denoise: Denoise
    weak: Denoise
    guidance: float
    interval: tuple[float, float] | None

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        w = _inside(self.guidance, self.interval, at)
        if not isinstance(w, Tensor) and w == 1:
            return ask(self.denoise, x, at)
        with evaluating(module_of(self.weak)):
            weak = ask(self.weak, x, at)
        return weak if not isinstance(w, Tensor) and w == 0 else extrapolated(weak, ask(self.denoise, x, at), w)

    def rows(self, lo: int, hi: int, n: int) -> "Autoguided":
        strong, weak = rows(self.denoise, lo, hi, n), rows(self.weak, lo, hi, n)
        return Autoguided(strong, weak, self.guidance, self.interval)


# -- clipping ------------------------------------------------------------------------------------------------------------


def clipped(denoise: Denoise, low: float = -1.0, high: float = 1.0) -> Denoise:
    """Clamp x0 to the range of the data and derive eps anew, so that x = alpha·x0 + sigma·eps still holds. Goes around `guided`.

    Not clip_sample of diffusers' schedulers: that clamps x0 and keeps the network's eps (DDIM's use_clipped_model_output=True derives it
    anew too), so where x0 is clipped the images differ. DDPM uses no eps, and is the same.
    """
    check_function("denoise", denoise, "a function (x, level) -> Estimate")
    if not number("low", low) < number("high", high):
        raise ValueError(f"low must be below high, got {low} and {high}")
    return Clipped(denoise, float(low), float(high))


@dataclass(frozen=True)
class Clipped:
    """See `clipped`."""

    denoise: Denoise
    low: float
    high: float

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        x0 = ask(self.denoise, x, at).x0.clamp(self.low, self.high)
        return estimate(x0, x, at, "x0")

    def rows(self, lo: int, hi: int, n: int) -> "Clipped":
        return Clipped(rows(self.denoise, lo, hi, n), self.low, self.high)


# -- small helpers -------------------------------------------------------------------------------------------------------


def _inside(guidance: float, interval: tuple[float, float] | None, at: Level) -> float | Tensor:
    """The guidance at this level: 1 outside the interval."""
    if interval is None:
        return guidance
    inside = (interval[0] <= at.nsr) & (at.nsr <= interval[1])
    if isinstance(inside, Tensor):
        return torch.where(inside, guidance, 1.0)
    return guidance if inside else 1.0


def _check_guidance(guidance: Any, interval: Any) -> float:
    if interval is not None:
        if not isinstance(interval, (tuple, list)) or len(interval) != 2:
            raise TypeError(f"interval must be (lo, hi) in units of sigma/alpha, got {told(interval)}")
        lo, hi = interval
        if not (isinstance(lo, Real) and isinstance(hi, Real) and 0 <= float(lo) <= float(hi)):
            raise ValueError(f"interval must be (lo, hi) with 0 <= lo <= hi in units of sigma/alpha, got {interval}")
    return number("guidance", number("guidance", guidance), -MOST, MOST)
