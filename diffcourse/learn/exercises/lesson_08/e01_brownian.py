"""Brownian motion from its increments."""

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


def brownian(z: Tensor, times: list[float]) -> Tensor:
    """Paths of Brownian motion, seen at rising times, from standard Gaussian numbers.

    Between two times the path moves by an increment that is Gaussian, has mean 0 and a variance
    equal to the time that passes, and depends on nothing before. At times[0] it stands at 0.
    z (K, N) standard Gaussian: row k makes the increment from times[k] to times[k + 1] of all
    N paths. times K + 1 numbers, not always evenly spaced. Returns (K + 1, N), a row for each
    time. Differentiable in z.
    """
    spans = torch.tensor(times).diff().to(z)
    steps = spans.sqrt()[:, None] * z
    return torch.cat([torch.zeros_like(z[:1]), steps.cumsum(dim=0)])


EXERCISE = Exercise(
    name="08.brownian",
    title="Brownian motion",
    minutes=4,
    level=1,
    reference=brownian,
)
