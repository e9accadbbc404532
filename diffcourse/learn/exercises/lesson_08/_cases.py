"""What several exercises of lesson 08 are checked with."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffcourse.mixture import GaussianMixture
from diffcourse.sde import Path

MIXTURE = GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.4, 0.7], [0.3, 0.7])


class Drawn:
    """For a case: stands for `noise()`, each call another Gaussian tensor of this shape, the same ones in every run; counts the calls."""

    def __init__(self, *shape: int, seed: int = 0):
        self.shape, self.seed, self.calls = shape, seed, 0

    def __call__(self) -> Tensor:
        self.calls += 1
        return torch.randn(self.shape, generator=torch.Generator().manual_seed(1000 * self.seed + self.calls))


def gaussian(*shape: int, seed: int = 0) -> Tensor:
    """For an invariant: float64 Gaussian noise of this shape."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Net(nn.Module):
    """For a case: a small network of x (B, …) and t (B,), told apart in both, that takes nothing else."""

    def __init__(self, seed: int = 0):
        super().__init__()
        g = torch.Generator().manual_seed(seed)
        self.weights = nn.Parameter(torch.randn(3, generator=g))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        if not isinstance(t, Tensor) or t.shape != (len(x),):
            raise ValueError(f"t must be a tensor with one time for each row of x, ({len(x)},), got {told_shape(t)}")
        a, b, c = self.weights
        return torch.tanh(a * x + b * t.view(-1, *[1] * (x.ndim - 1)).to(x)) + c * x**2


def told_shape(t: object) -> str:
    return f"shape {tuple(t.shape)}" if isinstance(t, Tensor) else type(t).__name__


def still(alpha: float, sigma: float, d_alpha: float, d_sigma: float) -> Path:
    """A path that has these values and rates at every time."""
    return _Still(alpha, sigma, d_alpha, d_sigma)


class _Still(Path):
    def __init__(self, *values: float):
        self.values = values

    def signal_and_noise(self, t: Tensor) -> tuple[Tensor, Tensor]:
        return self.values[0] + 0 * t, self.values[1] + 0 * t

    def rates(self, t: float) -> tuple[float, float]:
        return self.values[2], self.values[3]


def spread(n: int, low: float, high: float) -> Callable:
    """A case: n numbers between low and high, drawn afresh."""
    return lambda g: (low + (high - low) * torch.rand(n, generator=g),)


def nats(n: int, pixels: int, low: float, high: float) -> Callable:
    """A case: log densities, of either sign, of n pictures stored from low to high."""
    return lambda g: (pixels * (3 * torch.rand(n, generator=g) - 2), pixels, low, high)
