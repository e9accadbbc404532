"""An SDE, step by step."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


def euler_maruyama(
    drift: Callable[[Tensor, float], Tensor],
    diffusion: Callable[[float], float],
    x: Tensor,
    times: list[float],
    noise: Callable[[], Tensor],
) -> Tensor:
    """Follow dx = drift(x, t)·dt + diffusion(t)·dw from x at times[0] through all times.

    Over a step, drift and diffusion are held at what they are at its start; dw is the increment
    of Brownian motion over it. times (K + 1 numbers) rise, or fall: then dt < 0, and dw has the
    variance |dt|.
    drift(x, t) returns x's shape, diffusion(t) a number, noise() standard Gaussian noise of x's
    shape, another at each call: one call a step. x (B, …). Returns (K + 1, B, …), x at each
    time, the start first; the caller's x stays as it is. Differentiable in x.
    """
    xs = [x]
    for t, to in pairwise(times):
        dt = to - t
        x = x + drift(x, t) * dt + diffusion(t) * abs(dt) ** 0.5 * noise()
        xs.append(x)
    return torch.stack(xs)


EXERCISE = Exercise(
    name="08.euler_maruyama",
    title="Follow an SDE",
    minutes=6,
    level=1,
    reference=euler_maruyama,
)
