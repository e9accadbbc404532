"""What the exercises of several lessons are checked with."""

from collections.abc import Callable

import torch
from torch import Tensor


def normal(g: torch.Generator, *shape: int) -> Tensor:
    """For a case: standard Gaussian noise from its generator."""
    return torch.randn(shape, generator=g)


def refuses(*args: object) -> Callable[[Callable], bool]:
    """For an `Invariant`: the answer raises ValueError for these arguments."""

    def holds(f: Callable) -> bool:
        try:
            f(*args)
        except ValueError:
            return True
        except Exception:
            return False
        return False

    return holds
