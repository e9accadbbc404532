"""What the exercises of lesson 07 are checked with."""

import torch
from torch import Tensor, nn

from diffcourse.learn.exercises._cases import normal


class AScore(nn.Module):
    """Stands for a network in the cases: D coordinates, mixed, each point by itself."""

    def __init__(self, generator: torch.Generator, D: int):
        super().__init__()
        self.mix = nn.Parameter(normal(generator, D, D))
        self.shift = nn.Parameter(normal(generator, D))
        self.gain = nn.Parameter(normal(generator, D))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(1)
        mixed = (flat[:, :, None] * self.mix).sum(dim=1)  # by hand, so that x may be of another type than the weights
        return (self.gain * torch.tanh(mixed + self.shift) - flat).view_as(x)

    def __repr__(self) -> str:
        return "a small network"


def pull(x: Tensor) -> Tensor:
    """The score of N(1, 0.25·I)."""
    return (1 - x) / 0.25


class Counted:
    """A score that counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, *level: float) -> Tensor:
        self.calls += 1
        return torch.tanh(x) - x
