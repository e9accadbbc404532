"""What several exercises of lesson 09 are checked with."""

import torch
from torch import Tensor

from diffcourse.denoiser import Estimate, estimate
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

SD = DiffusionSchedule.scaled_linear()
"""The schedule of Stable Diffusion 1.x."""


def walk(*nsrs: float) -> list[Level]:
    """Levels with these sigma/alpha on a variance-preserving path, and the clean end."""
    levels = [Level(100.0 * nsr, (1 + nsr**2) ** -0.5, nsr * (1 + nsr**2) ** -0.5) for nsr in nsrs]
    return [*levels, CLEAN]


def straight(*times: float) -> list[Level]:
    """Levels x = (1 - t)·x0 + t·noise, whose alpha² + sigma² is not 1, and the clean end."""
    return [*(Level(t, 1 - t, t) for t in times), CLEAN]


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    """For an invariant: float64 Gaussian noise of this shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def bent(x: Tensor, at: Level) -> Estimate:
    """Stands for a model: an estimate of the noise that knows x, also its neighbours, and the level."""
    eps = torch.tanh(1.5 * x + 0.3 * x.roll(1, -1)) - 0.2 * at.sigma * x
    return estimate(eps, x, at, "eps")
