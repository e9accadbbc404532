"""What the two exercises in which a sampler is written are checked with."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diffcourse.denoiser import Estimate
from diffcourse.learn.exercise import Case, Invariant
from diffcourse.learn.exercises._cases import normal
from diffcourse.mixture import GaussianMixture
from diffcourse.samplers import trajectory
from diffcourse.schedule import Level


def level(nsr: float) -> Level:
    """The level at which sigma/alpha is this."""
    return Level(0.0, 1 / (1 + nsr**2) ** 0.5, nsr / (1 + nsr**2) ** 0.5)


def seen(g: torch.Generator, nsr: float, *shape: int) -> Estimate:
    """An estimate at this level, of any x and eps."""
    x, eps, at = normal(g, *shape), normal(g, *shape), level(nsr)
    return Estimate(x, at, x0=(x - at.sigma * eps) / at.alpha, eps=eps)


class Drawn:
    """A `noise` that gives this at the first call, and another noise at each later one."""

    def __init__(self, noise: Tensor):
        self.noise, self.calls = noise, 0

    def __call__(self) -> Tensor:
        self.calls += 1
        return self.calls * self.noise


def remembering(past: list[float], now: float, to: float, *shape: int) -> Callable:
    """A step with estimates at `past` to remember."""
    return lambda g: Case(inputs=(seen(g, now, *shape), level(to), [seen(g, u, *shape) for u in past]), method="step")


def fresh(now: float, to: float, *shape: int) -> Callable:
    """A step that may draw noise."""
    return lambda g: Case(
        inputs=(seen(g, now, *shape), level(to), (), None, Drawn(normal(g, *shape))),
        method="step",
    )


def leaves_as_it_came(cls: type) -> bool:
    """Does a step change the estimate, or those to remember?"""
    g = torch.Generator().manual_seed(2)
    estimates = [seen(g, nsr, 2, 3) for nsr in (3.0, 2.0)]
    before = [[part.clone() for part in (e.x, e.x0, e.eps)] for e in estimates]
    cls().step(estimates[1], level(1.0), past=(estimates[0],), noise=Drawn(torch.ones(2, 3)))
    return all(
        torch.equal(a, b)
        for parts, e in zip(before, estimates, strict=True)
        for a, b in zip(parts, (e.x, e.x0, e.eps), strict=True)
    )


UNCHANGED = Invariant(
    "leaves the estimates as they came",
    leaves_as_it_came,
    "The step changes an estimate that it was given, in place: the caller's x is another one afterwards. Look for /=, += or a method "
    "that ends with an underscore.",
)


def errors(sampler: Any) -> list[float]:
    """On the exact Gaussian N(0, 0.5²), with 40 and with 80 steps that shrink towards the data."""
    gauss, found = GaussianMixture([0.0], 0.5), []
    for n in (40, 80):
        levels = [level(6 ** (1 - i / n) * 0.1 ** (i / n)) for i in range(n + 1)]
        *_, end = trajectory(gauss.denoise, torch.ones(1, 1, dtype=torch.float64), levels, sampler)
        first, last = ((0.25 * at.alpha**2 + at.sigma**2) ** 0.5 for at in (levels[0], levels[-1]))
        found.append(abs(end.x.item() - last / first))
    return found
