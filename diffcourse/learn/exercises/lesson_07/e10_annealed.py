"""Annealed Langevin dynamics."""

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


def annealed(
    score,
    x: Tensor,
    sigmas: list[float],
    steps: int,
    snr: float,
    generator: torch.Generator,
) -> Tensor:
    """Langevin dynamics on one level of noise after the other.

    score(x, sigma) is the score, x (B, …) -> (B, …), of data to which noise of standard
    deviation sigma was added: x_t = x0 + sigma·eps. sigmas are the levels, in the order in
    which they are visited. On each, `steps` Langevin steps from where the last level ended, of
    a size tau that depends on the level only, to be derived: where the score is as long as one
    of pure noise, |score| = √D/sigma in D dimensions, its part of a step is snr times as long
    as that of the noise, whose z counts as √D long.
    For each step draws z = torch.randn(x.shape, generator=generator, dtype=x.dtype). After the
    last level returns the mean of x0 given x, by Tweedie's formula: no noise is left on it.
    """
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + tau * score(x, sigma) + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


EXERCISE = Exercise(name="07.annealed", title="From far to near", reference=annealed, minutes=10, level=3, gradients=[])
