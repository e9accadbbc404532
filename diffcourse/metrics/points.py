"""Points, features among them: distances of clouds, what one cloud covers of another, and data of your own."""

import contextlib
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from diffcourse.checks import whole
from diffcourse.denoiser import evaluating
from diffcourse.images import check_images, check_points


class Distance(NamedTuple):
    """A Fréchet distance, its floor (what as many real ones would get), and the number of images or points.

    ratio: value/floor; where the floor is 0, inf for a value above it and nan for none.
    """

    value: float
    floor: float
    n: int

    @property
    def ratio(self) -> float:
        return self.value / self.floor if self.floor else math.inf if self.value > 0 else math.nan

    def __str__(self) -> str:
        return f"distance {self.value:.3f}, floor {self.floor:.3f}: {self.ratio:.2f} times the floor (n = {self.n})"


def statistics(feats: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F), the unbiased one, of features or points (N, F), N at least 2; float64."""
    feats = check_points(feats, "features", least=2)
    mean, cov = feats.mean(dim=0), torch.cov(feats.T).view(feats.shape[1], -1)
    if not bool(cov.isfinite().all()):
        raise ValueError(f"features must be small enough to be squared, got up to {float(feats.abs().max()):g}")
    return mean, cov


def frechet_distance(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """|m_a - m_b|² + tr(C_a + C_b - 2·(C_a·C_b)^(1/2)) for two (mean, covariance) pairs; float64.

    The squared Wasserstein-2 distance of two Gaussians (Dowson & Landau 1982), used on network features by Heusel et al. 2017, equation 6.
    (C_a·C_b)^(1/2) has the trace of (C_a^(1/2)·C_b·C_a^(1/2))^(1/2), which is symmetric: two eigenvalue problems, no complex numbers.
    Covariances may be singular or 0, as of points that are all the same: between two such points it is |m_a - m_b|².
    """
    (mean_a, cov_a), (mean_b, cov_b) = _moments("a", a), _moments("b", b)
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"a and b must be of as many features, got {len(mean_a)} and {len(mean_b)}")
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = ((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross).item()
    if not math.isfinite(distance):
        raise ValueError("a and b must be small enough to be squared: their distance is not finite")
    return max(0.0, distance)


def _moments(name: str, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F) in float64, as `statistics` gives them."""
    wanted = f"{name} must be a pair, mean (F,) and covariance (F, F), as `statistics` gives it"
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        kind = f"a tensor {tuple(pair.shape)}" if isinstance(pair, Tensor) else type(pair).__name__
        raise TypeError(f"{wanted}, got {kind}")
    mean, cov = pair
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
        raise ValueError(f"{wanted}, got shapes {tuple(mean.shape)} and {tuple(cov.shape)}")
    mean = check_points(mean[None], f"{name}'s mean")[0]
    cov = check_points(cov, f"{name}'s covariance")
    size = cov.abs().max()
    if bool((cov - cov.T).abs().max() > 1e-4 * size) or bool(cov.diagonal().min() < -1e-4 * size):
        raise ValueError(f"{name}'s covariance must be symmetric, with variances of at least 0 on its diagonal")
    return mean, cov


class PrecisionRecall(NamedTuple):
    """Precision: the share of n drawn images among real ones. Recall: the share of `real` real images among drawn ones."""

    precision: float
    recall: float
    n: int
    real: int

    def __str__(self) -> str:
        return f"precision {self.precision:.1%}, recall {self.recall:.1%} (n = {self.n}, {self.real} real)"


def covered(drawn: Tensor, real: Tensor, *, k: int = 3) -> PrecisionRecall:
    """`precision_recall` of features or points: drawn (N, F) and real (M, F), N and M above k."""
    drawn, real = _neighbours(drawn, real, k)
    between, real_reach, drawn_reach = apart(drawn, real), _reach(real, k), _reach(drawn, k)  # (N, M), (M,), (N,)
    precision = (between <= real_reach).any(dim=1).double().mean().item()
    recall = (between <= drawn_reach[:, None]).any(dim=0).double().mean().item()
    return PrecisionRecall(precision, recall, len(drawn), len(real))


class DensityCoverage(NamedTuple):
    """Density: how many real neighbourhoods hold a drawn image, 1 for real ones. Coverage: the share of real ones that hold any."""

    density: float
    coverage: float
    n: int
    real: int

    def __str__(self) -> str:
        return f"density {self.density:.3f}, coverage {self.coverage:.1%} (n = {self.n}, {self.real} real)"


def populated(drawn: Tensor, real: Tensor, *, k: int = 5) -> DensityCoverage:
    """`density_coverage` of features or points: drawn (N, F), and real (M, F), M above k."""
    return counted(inside(drawn, real, k=k), k=k)


def inside(drawn: Tensor, real: Tensor, *, k: int = 5) -> Tensor:
    """In which real neighbourhoods each drawn point lies: (N, M), True or False."""
    drawn, real = _neighbours(drawn, real, k, drawn_alone=True)
    return apart(drawn, real) <= _reach(real, k)


def counted(inside: Tensor, *, k: int = 5) -> DensityCoverage:
    """`populated` of what `inside` has found."""
    density, coverage = inside.sum(dim=1).double().mean().item() / k, inside.any(dim=0).double().mean().item()
    return DensityCoverage(density, coverage, *inside.shape)


def expected_coverage(n: int, real: int, *, k: int = 5) -> float:
    """The mean coverage of `real` points by n drawn from the same continuous distribution, whatever it is.

    1 - (M-1)···(M-k)/((N+M-1)···(N+M-k)): of the N drawn and M - 1 other real points, the k nearest to a real one are all real by chance
    (Naeem et al. 2020, equation 8, is N = M). The mean density is 1. What scores less is narrower or elsewhere.
    """
    n, real, k = whole("n", n, 1), whole("real", real, 2), whole("k", k, 1)
    if k >= real:
        raise ValueError(f"k must be below the number of real points, {real}, got {k}")
    return 1 - math.prod((real - j) / (n + real - j) for j in range(1, k + 1))


def _neighbours(drawn: Tensor, real: Tensor, k: int, drawn_alone: bool = False) -> tuple[Tensor, Tensor]:
    """Two sets of points of one dimension, of which each member has k others beside it; those drawn need none if they stand alone."""
    whole("k", k, 1)
    drawn, real = (
        check_points(drawn, "drawn", least=1 if drawn_alone else k + 1),
        check_points(real, "real", least=k + 1),
    )
    if drawn.shape[1] != real.shape[1]:
        raise ValueError(f"drawn and real must be of as many features, got {drawn.shape[1]} and {real.shape[1]}")
    return drawn, real


def apart(a: Tensor, b: Tensor) -> Tensor:
    """The distances (N, M) of two sets, without the cancellation of |a|² + |b|² - 2·a·b."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def _reach(members: Tensor, k: int) -> Tensor:
    """How far each member's k-th nearest neighbour is: the nearest is itself, at distance 0, so it is the (k + 1)-th smallest distance."""
    return torch.cat([apart(x, members).kthvalue(k + 1, dim=1).values for x in members.split(1000)])


class Comparison(NamedTuple):
    """Samples against real data, each number beside what real data score in their place: `compare` makes it."""

    distance: Distance
    covered: PrecisionRecall
    ceiling: PrecisionRecall
    populated: DensityCoverage
    populated_ceiling: DensityCoverage

    def __str__(self) -> str:
        told = []
        for (first, second), ours, best in (
            (("precision", "recall"), self.covered, self.ceiling),
            (("density", "coverage"), self.populated, self.populated_ceiling),
        ):
            form = ".2f" if first == "density" else ".1%"
            told += [
                f"{first} {ours[0]:{form}} (real: {best[0]:{form}})",
                f"{second} {ours[1]:.1%} (real: {best[1]:.1%})",
            ]
        return f"{self.distance}; {', '.join(told)}; {self.covered.real} real"


def compare(
    samples: Tensor,
    real: Tensor,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    k: int = 3,
    splits: int = 5,
    seed: int = 0,
) -> Comparison:
    """How good samples are, judged by real data alone: Fréchet distance with its floor, the shares with their ceilings.

    samples, real  points (N, D), or images (N, C, H, W) in [-1, 1] of any size
    features       for images: a function or module that makes features (B, F) of images (B, C, H, W), asked for 100 at a time;
                   `metrics.features` for digits. Points are their own features
    k              neighbours, of precision and recall; density and coverage take 5, or as many as there are (`density_coverage`)
    splits         in how many ways the real data are split, drawn with `seed`

    n of the real data are held out, n of the samples stand in their place, and both are compared with the rest of the real data: n is
    the number of samples, half of the real data at most (samples beyond are left out at random). The distances are means over `splits`;
    precision, recall, density and coverage, which scatter less, are of the first.

        print(metrics.compare(model_points, data.toy("swiss_roll", 2000)))
        metrics.compare(images, photos, features=my_network).distance.ratio
    """
    if features is not None and not callable(features):
        raise TypeError(f"features must be a function of images, got {type(features).__name__}")
    made = []
    for name, given in (("samples", samples), ("real", real)):
        if isinstance(given, Tensor) and given.ndim == 2 and features is None:
            made.append(given)
        elif features is None:
            check_images(given, name=name)
            raise ValueError(
                f"features must be a function of images for {name} {tuple(given.shape)}, got none: `metrics.features` for digits"
            )
        else:
            made.append(_features_of(check_images(given, name=name), features))
    far, (some, held, rest) = distance_in_parts(made[0], made[1], ("samples", "real"), seed, splits, k)
    five = min(5, len(rest) - 1)
    return Comparison(
        far,
        covered(some, rest, k=k),
        covered(held, rest, k=k),
        populated(some, rest, k=five),
        populated(held, rest, k=five),
    )


def distance_in_parts(
    drawn: Tensor, real: Tensor, names: tuple[str, str], seed: int, splits: int = 5, k: int = 1
) -> tuple[Distance, list[Tensor]]:
    """The distance of features (N, F) to parts of real ones (M, F), and its floor; and of the first split: drawn, held out, the rest."""
    whole("k", k, 1)
    whole("splits", splits, 1)
    few = max(2, k + 1)
    drawn, real = check_points(drawn, names[0], least=few), check_points(real, names[1], least=2 * few)
    if drawn.shape[1] != real.shape[1]:
        raise ValueError(f"{' and '.join(names)} must be of as many features, got {drawn.shape[1]} and {real.shape[1]}")
    if not bool((real != real[0]).any()):
        raise ValueError(f"{names[1]} must differ from each other, got {len(real)} times the same: there is no floor")
    whole("seed", seed, -(2**63))
    g = torch.Generator().manual_seed(seed)
    n = min(len(drawn), len(real) // 2)
    values, floors = [], []
    parts: list[Tensor] = []
    for _ in range(splits):
        some, order = drawn[torch.randperm(len(drawn), generator=g)[:n]], torch.randperm(len(real), generator=g)
        held, rest = real[order[:n]], real[order[n:]]
        target = statistics(rest)
        values.append(frechet_distance(statistics(some), target))
        floors.append(frechet_distance(statistics(held), target))
        parts = parts or [some, held, rest]
    return Distance(sum(values) / splits, sum(floors) / splits, n), parts


def _features_of(images: Tensor, function: Callable[[Tensor], Tensor], size: int = 100) -> Tensor:
    """features (N, F) of images, without gradients; a module is asked where its parameters are, and in evaluation mode."""
    parameter = next(function.parameters(), None) if isinstance(function, nn.Module) else None
    mode = evaluating(function) if isinstance(function, nn.Module) else contextlib.nullcontext()
    found = []
    with torch.no_grad(), mode:
        for part in images.split(size):
            made = function(part if parameter is None else part.to(parameter))
            if not isinstance(made, Tensor) or made.ndim != 2 or len(made) != len(part):
                came = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
                raise ValueError(f"features must make ({len(part)}, F) of images {tuple(part.shape)}, got {came}")
            found.append(made.cpu())
    return check_points(torch.cat(found), "what features made")


class Alike(NamedTuple):
    """Are two samples from one distribution? Their energy distance, and the share `p` of random regroupings that lie as far apart."""

    distance: float
    p: float
    regroupings: int

    def __str__(self) -> str:
        return f"energy distance {self.distance:.4f}, p = {self.p:.3f} ({self.regroupings} regroupings)"


def alike(a: Tensor, b: Tensor, *, regroupings: int = 199, seed: int = 0) -> Alike:
    """The energy distance 2·E|a - b| - E|a - a'| - E|b - b'| of points (N, D) and (M, D), with a permutation test (Székely & Rizzo 2013).

    0 for equal distributions, and for no others; it grows with any difference, of place, spread or shape. In the units of the points. p is
    the share of groupings, the given one among them, at least as far apart: below 0.01 the two are hardly of one distribution. Needs the
    (N + M)² distances at once: 4,000 points take 128 MB.
    """
    a, b = check_points(a, "a", least=2).double(), check_points(b, "b", least=2).double()
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must have as many coordinates, got {a.shape[1]} and {b.shape[1]}")
    n, both = len(a), torch.cat([a, b])
    g = torch.Generator().manual_seed(whole("seed", seed, -(2**63)))
    orders = [torch.arange(len(both))]
    orders += [torch.randperm(len(both), generator=g) for _ in range(whole("regroupings", regroupings, 1))]
    signs = torch.full((len(both), len(orders)), -1 / len(b), dtype=torch.float64)
    for column, order in enumerate(orders):
        signs[order[:n], column] = 1 / n
    distances = -(signs * (torch.cdist(both, both) @ signs)).sum(dim=0)
    as_far = (distances >= distances[0] * (1 - 1e-9)).double().mean()
    return Alike(max(0.0, float(distances[0])), float(as_far), regroupings)
