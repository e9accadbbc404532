"""What `10.fool` is checked with: data that a set of points can fool, and what the set is worth."""

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from diffcourse.metrics import covered, populated
from diffcourse.metrics.points import apart
from diffcourse.mixture import GaussianMixture

# -- what a set of points is worth ------------------------------------------------------------------------------------


class Judge:
    """Real points, and what n points that stand for them are worth beside n fresh ones."""

    def __init__(self, draw: Callable[[int, torch.Generator], Tensor], m: int, n: int, seed: int):
        self.draw, self.n, self.seed = draw, n, seed
        self.real = draw(m, torch.Generator().manual_seed(seed))

    @property
    def generator(self) -> torch.Generator:
        """The one that cases and invariants hand to an answer, at its beginning."""
        return torch.Generator().manual_seed(100 + self.seed)

    @cached_property
    def gap(self) -> float:
        """The median distance of a real point to its nearest neighbour."""
        return apart(self.real, self.real).kthvalue(2, dim=1).values.median().item()

    @cached_property
    def fresh(self) -> tuple[float, float]:
        """Precision and coverage of n fresh real points, the mean of ten draws."""
        g = torch.Generator().manual_seed(1000 + self.seed)
        draws = [self.draw(self.n, g) for _ in range(10)]
        precisions = [covered(points, self.real).precision for points in draws]
        return sum(precisions) / 10, sum(populated(points, self.real).coverage for points in draws) / 10

    def worth(self, points: Tensor) -> tuple[str, str, str, str]:
        """What is said of precision, of coverage, of points that are alike, and of copies."""
        real, points = self.real.to(points.dtype).double(), points.detach().double()  # a copy in float32 is a copy
        precision, covers = covered(points, real).precision, populated(points, real).coverage
        least, most = self.fresh
        own = apart(points, points).fill_diagonal_(math.inf).amin(dim=1) < 1e-7 * self.gap
        copies = apart(points, real).amin(dim=1) < 1e-7 * self.gap
        return (
            "as high as of fresh ones" if precision >= least else "lower than of fresh ones" if precision else "none",
            "below half" if covers < most / 2 else "half or more",
            _how_many(own),
            _how_many(copies),
        )


def _how_many(mask: Tensor) -> str:
    return "all" if bool(mask.all()) else "some" if bool(mask.any()) else "none"


def _mixture(means: list, stds: float | list, scale: float = 1.0, shift: float = 0.0, weights: list | None = None):
    mixture = GaussianMixture(means, stds, weights)
    return lambda n, g: shift + scale * mixture.sample(n, generator=g)


def _arc(n: int, g: torch.Generator) -> Tensor:
    """A noisy half circle, tiny."""
    angle = math.pi * torch.rand(n, generator=g, dtype=torch.float64)
    circle = torch.stack([angle.cos(), angle.sin()], dim=1)
    return 0.02 * (circle + 0.05 * torch.randn(n, 2, generator=g, dtype=torch.float64))


_RING = GaussianMixture.ring(8, 1.0, 0.05)
_CORNERS = [[3.0, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]]
_SIMPLEX = (4 * torch.eye(8)).tolist()

JUDGES = {
    judge.n: judge
    for judge in (
        Judge(lambda n, g: _RING.sample(n, generator=g), 200, 100, 0),
        Judge(_mixture(_CORNERS, [0.3, 0.6, 0.9], 30.0, 20.0, [5, 3, 2]), 160, 80, 1),
        Judge(_arc, 120, 60, 2),
        Judge(_mixture([[2.0, -1.0]], 1.0), 180, 90, 3),
        Judge(_mixture(_SIMPLEX, 1.0, 0.5), 220, 70, 4),
    )
}
"""By the number of points that is asked for, so that an answer's shape says whose it is."""
