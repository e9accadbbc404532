"""How often each level of noise is trained."""

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


def level_density(log_nsr: Tensor) -> Tensor:
    """How often uniform times on the straight path train each level of noise.

    x_t = (1 - t)·x0 + t·eps, t uniform in [0, 1]. Any path passes the same levels, so they are
    compared by log(sigma/alpha), the natural logarithm. Derive its density when t is uniform.
    log_nsr (N,), any real numbers, -30 to 30. Returns the density at each, (N,). No gradient
    is asked for.
    """
    t = torch.sigmoid(log_nsr)
    return t * torch.sigmoid(-log_nsr)


EXERCISE = Exercise(
    name="08.level_density",
    title="Which levels are trained how often",
    minutes=8,
    level=3,
    reference=level_density,
)
