"""Modes that are reached, and points that are good."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake
from diffcourse.learn.exercises._cases import normal
from diffcourse.mixture import GaussianMixture
from diffcourse.mixture import modes as modes_in_package


def modes(points: Tensor, centres: Tensor, std: float, within: float) -> tuple[int, float]:
    """How many modes of a mixture a generator reaches, and how many points are good.

    points (N, 2) are what the generator drew. The data are K Gaussians with equal weights
    around centres (K, 2), each with the standard deviation std in both directions. A point
    is good if the centre nearest to it is at most `within` standard deviations away
    (exactly that far is still good); it then belongs to this mode, and to no other. The
    fair share of a mode is how many points each would have if all N were good and no mode
    were favoured. A mode is reached if at least a fifth of its fair share belongs to it:
    neither a stray point nor a crowd between two modes reaches any.
    Returns the number of modes that are reached, an int, and the share of good points, a
    number from 0 to 1. No gradient is needed.
    """
    distance, nearest = torch.cdist(points, centres).min(dim=1)
    good = distance <= within * std
    counts = torch.bincount(nearest[good])
    reached = 5 * len(centres) * counts >= len(points)
    return int(reached.sum()), float(good.double().mean())


def in_a_loop(points, centres, std, within):
    counts, good = [0] * len(centres), 0
    for x, y in points.tolist():
        squares = [(x - a) ** 2 + (y - b) ** 2 for a, b in centres.tolist()]
        best = min(range(len(squares)), key=squares.__getitem__)
        if squares[best] ** 0.5 <= within * std:
            counts[best] += 1
            good += 1
    fair = len(points) / len(centres)
    return sum(count >= fair / 5 for count in counts), good / len(points)


def by_one_hot(points, centres, std, within):
    far = ((points[:, None] - centres) ** 2).sum(-1).sqrt() / std
    mine = (far == far.amin(1, keepdim=True)) & (far <= within)
    shares = mine.double().mean(0)
    return (shares >= 0.2 / len(centres)).sum().item(), shares.sum().item()


def _far(points: Tensor, centres: Tensor) -> Tensor:
    return torch.cdist(points, centres)


def _count(
    far: Callable[[Tensor, Tensor], Tensor] = _far,
    limit: Callable[[float, float], float] = lambda std, within: within * std,
    strict: bool = False,
    bar: Callable[[Tensor, int, int], Tensor] = lambda counts, N, K: 5 * K * counts >= N,
    only_good: bool = True,
    several: bool = False,
    share: Callable[[Tensor, Tensor], float] = lambda good, counts: float(good.double().mean()),
    told: Callable[[int, int], float] = lambda reached, K: reached,
) -> Callable:
    """modes with a part of its own."""

    def wrong(points, centres, std, within):
        table, K = far(points, centres), len(centres)
        distance, nearest = table.min(dim=1)
        inside = (lambda d: d < limit(std, within)) if strict else (lambda d: d <= limit(std, within))
        good = inside(distance)
        counts = torch.bincount(nearest[good] if only_good else nearest, minlength=K)
        if several:
            counts = inside(table).sum(0)
        return told(int(bar(counts, len(points), K).sum()), K), share(good, counts)

    return wrong


def drawn(K: int, served: list[int], std: float, within: float, junk: int = 0, radius: float = 1.0) -> Callable:
    """A case: K centres on a circle, as many points around each as `served` says, and some anywhere."""

    def made(g: torch.Generator) -> tuple:
        angles = 2 * torch.pi * torch.arange(K) / K + 0.3
        centres = radius * torch.stack([angles.cos(), angles.sin()], dim=1) + torch.tensor([0.4, -0.2])
        around = torch.repeat_interleave(centres, torch.tensor(served), dim=0)
        points = torch.cat([around + std * normal(g, len(around), 2), 1.5 * radius * normal(g, junk, 2)])
        return points[torch.randperm(len(points), generator=g)], centres, std, within

    return made


def places(points: list[list[float]], centres: list[list[float]], std: float, within: float) -> tuple:
    return torch.tensor(points), torch.tensor(centres), std, within


CORNERS = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]]


def served(counts: list[int], astray: int) -> tuple:
    """A case: as many points at each corner as `counts` says, and some in the middle."""
    at_corners = [corner for corner, n in zip(CORNERS, counts, strict=True) for _ in range(n)]
    return places(at_corners + [[2.0, 1.9]] * astray, CORNERS, 0.5, 2.0)


def one_stray(f: Callable) -> bool:
    """100 points at one mode, one at another."""
    points = torch.cat([torch.zeros(100, 2), torch.full((1, 2), 4.0)])
    return int(f(points, torch.tensor(CORNERS), 0.5, 3.0)[0]) == 1


def nothing_good(f: Callable) -> bool:
    found, share = f(torch.full((6, 2), 2.0), torch.tensor(CORNERS), 0.1, 3.0)
    return int(found) == 0 and float(share) == 0


def between_two(f: Callable) -> bool:
    """A crowd between two modes, nearest to one of them but far from it, reaches none."""
    points = torch.cat([torch.zeros(30, 2), torch.tensor([[1.9, 0.0]]).expand(30, 2)])
    return int(f(points + 0.0, torch.tensor(CORNERS), 0.5, 3.0)[0]) == 1


def a_fifth(f: Callable) -> bool:
    """Of 40 points and four modes, 2 are a fifth of the fair share and 1 is not."""
    points = torch.tensor(CORNERS).repeat_interleave(torch.tensor([20, 17, 2, 1]), dim=0)
    return int(f(points, torch.tensor(CORNERS), 0.5, 3.0)[0]) == 3


def true_samples(f: Callable) -> bool:
    """Where modes lie apart, 1 - exp(-within²/2) of true samples are good, and all modes are reached."""
    g = torch.Generator().manual_seed(0)
    points = 10 * torch.tensor(CORNERS).repeat(1000, 1) + 0.5 * torch.randn(4000, 2, generator=g)
    found, share = f(points, 10 * torch.tensor(CORNERS), 0.5, 2.0)
    return int(found) == 4 and abs(float(share) - 0.8647) < 0.02


def in_package(points: Tensor, centres: Tensor, std: float, within: float) -> tuple[int, float]:
    return modes_in_package(points, GaussianMixture(centres, std), within=within)[:2]


EXERCISE = Exercise(
    name="10.modes",
    title="How many modes are reached",
    minutes=8,
    level=2,
    reference=modes,
    alternatives=[in_a_loop, by_one_hot],
    package=InPackage("mixture.modes(points, mixture, within=3.0)", in_package),
    cases=[
        places([[0.0, 0.0], [4.0, 0.5], [0.5, 4.0], [1.5, 1.5], [0.25, 0.0]], CORNERS, 0.5, 2.0),
        places(
            [[0.0, 1.0], [0.5, 0.0], [3.0, 0.0], [4.0, 1.5], [1.0, 1.0], [0.0, -1.0], [4.0, 3.0], [2.5, 2.5]],
            CORNERS,
            0.5,
            2.0,
        ),
        places([[2.0, 2.0], [2.2, 1.9], [9.0, 9.0]], CORNERS, 0.25, 3.0),
        places(
            [[0.1 * i, 0.0] for i in range(12)] + [[0.0, 0.0]] * 7 + [[4.0, 0.0]], CORNERS[:3] + [[0.9, 0.3]], 0.4, 2.0
        ),
        places([[0.2, 0.0]] * 3 + [[0.0, 0.0]] * 3 + [[4.0, 0.0]] * 2, [[0.0, 0.0], [4.0, 0.0], [0.9, 0.3]], 0.4, 2.0),
        served([10, 8, 1, 1], astray=20),
        served([40, 5, 4, 3], astray=0),
        served([20, 17, 2, 5], astray=0),
        served([30, 2, 1, 0], astray=5),
        drawn(8, [30, 30, 30, 30, 3, 1, 0, 26], 0.05, 3.0, junk=10),
        drawn(5, [40, 8, 6, 3, 2], 0.1, 2.0, junk=42),
        drawn(6, [12, 5, 9, 0, 30, 4], 0.7, 1.0, junk=60),
        drawn(3, [20, 2, 1], 0.3, 1.5, radius=0.6, junk=4),
        drawn(4, [100, 6, 5, 4], 0.1, 2.5, junk=5, radius=2.0),
    ],
    invariants=[
        Invariant(
            "one stray point",
            one_stray,
            "100 points at one of four modes, one at another: only the first is reached, as one point is far less than a fifth of 101/4. "
            "You count another number.",
        ),
        Invariant(
            "nothing good",
            nothing_good,
            "Where all points lie far from every centre, none is good and no mode is reached. You find otherwise.",
        ),
        Invariant(
            "between two",
            between_two,
            "30 points at one mode, 30 half-way to another: those between are not good, so they reach nothing. You count another number.",
        ),
        Invariant(
            "a fifth is enough",
            a_fifth,
            "Four modes with 20, 17, 2 and 1 of 40 points: the fair share is 10, a fifth of it is 2, and 2 are enough. You count another "
            "number than three.",
        ),
        Invariant(
            "true samples",
            true_samples,
            "Of true samples of four Gaussians that lie far apart, 86.5 % lie within 2 standard deviations in the plane, and all four are "
            "reached. By yours it is otherwise.",
        ),
    ],
    mistakes=[
        Mistake(
            "any point counts",
            _count(only_good=False),
            "The share is right. For the modes you count every point at its nearest centre, however far away. Only good ones count.",
        ),
        Mistake(
            "one point is enough",
            _count(bar=lambda counts, N, K: counts > 0),
            "The share is right. You count a mode as reached by a single good point. A fifth of its fair share is asked for.",
        ),
        Mistake(
            "the fair share of the good",
            _count(bar=lambda counts, N, K: (5 * K * counts >= counts.sum()) & (counts > 0)),
            "The share is right. Your fair share is that of the good points alone, so a generator of little that is good reaches modes "
            "more easily. It is asked for of all N points.",
        ),
        Mistake(
            "the fair share of the good, of none too",
            _count(bar=lambda counts, N, K: 5 * K * counts >= counts.sum()),
            "The share is right. Your fair share is that of the good points alone: where none is good, even modes without a point are "
            "reached. It is asked for of all N points.",
        ),
        Mistake(
            "more than a fifth",
            _count(bar=lambda counts, N, K: 5 * K * counts > N),
            "The share is right. You ask for more than a fifth of the fair share. Exactly a fifth is enough.",
        ),
        Mistake(
            "all of the fair share",
            _count(bar=lambda counts, N, K: K * counts >= N),
            "The share is right. You ask for the whole fair share; by chance alone half of the modes have less. A fifth is enough.",
        ),
        Mistake(
            "a fifth of all",
            _count(bar=lambda counts, N, K: 5 * counts >= N),
            "The share is right. You ask for a fifth of all points. With more than five modes they could not all have that: it is a fifth "
            "of a mode's fair share.",
        ),
        Mistake(
            "a fifth of the fullest",
            _count(bar=lambda counts, N, K: (5 * counts >= counts.max()) & (counts > 0)),
            "The share is right. You compare each mode with the fullest one. The fair share is that of a generator that favours none.",
        ),
        Mistake(
            "a fifth, rounded down",
            _count(bar=lambda counts, N, K: counts >= N // (5 * K)),
            "The share is right. You round the bar down to a whole number, which may be 0. 2 points are less than 2.5.",
        ),
        Mistake(
            "modes without points are dropped",
            _count(bar=lambda counts, N, K: 5 * int((counts > 0).sum()) * counts >= N),
            "The share is right. For the fair share you divide by the modes that have a good point. There are K modes, the empty ones too.",
        ),
        Mistake(
            "closer than",
            _count(strict=True),
            "A point that is exactly `within` standard deviations away is good. Yours is not.",
        ),
        Mistake(
            "not in standard deviations",
            _count(limit=lambda std, within: within),
            "You compare the distance with `within` itself. It is counted in standard deviations.",
        ),
        Mistake(
            "one standard deviation",
            _count(limit=lambda std, within: std),
            "You compare the distance with one standard deviation, whatever `within` is.",
        ),
        Mistake(
            "squared distances",
            _count(far=lambda p, c: _far(p, c) ** 2),
            "You compare squared distances with a distance that is not squared.",
        ),
        Mistake(
            "variances",
            _count(far=lambda p, c: _far(p, c) ** 2, limit=lambda std, within: within * std**2),
            "You compare the squared distance, in variances, with `within`. Squared too, that would be right.",
        ),
        Mistake(
            "a square",
            _count(far=lambda p, c: (p[:, None] - c).abs().amax(-1)),
            "You take the larger one of the two coordinates' differences, so what is good is a square. The distance in the plane is asked "
            "for.",
        ),
        Mistake(
            "a diamond",
            _count(far=lambda p, c: (p[:, None] - c).abs().sum(-1)),
            "You add up the two coordinates' differences, so what is good is a square on its corner. The distance in the plane is asked "
            "for.",
        ),
        Mistake(
            "twice",
            _count(several=True),
            "The share is right. Where modes overlap, a point counts for each of yours. It belongs to the one whose centre is nearest.",
        ),
        Mistake(
            "twice, in the share too",
            _count(several=True, share=lambda good, counts: float(counts.sum()) / len(good)),
            "Where modes overlap, a point counts for each of yours, so that the share may be above 1. It belongs to the one whose centre "
            "is nearest.",
        ),
        Mistake(
            "the number of good points",
            _count(share=lambda good, counts: int(good.sum())),
            "The modes are right. The second is the number of good points; their share of all points is asked for.",
        ),
        Mistake(
            "the bad points",
            _count(share=lambda good, counts: 1 - float(good.double().mean())),
            "The modes are right. The second is the share of points that are not good.",
        ),
        Mistake(
            "the share of modes",
            _count(told=lambda reached, K: reached / K),
            "The share of good points is right. The first is a share too; the number of modes is asked for.",
        ),
        Mistake(
            "modes lost",
            _count(told=lambda reached, K: K - reached),
            "The share of good points is right. You count the modes that are not reached.",
        ),
        Mistake(
            "good points of modes that are reached",
            lambda points, centres, std, within: (
                modes(points, centres, std, within)[0],
                _in_reached(points, centres, std, within),
            ),
            "The modes are right. A point is good also where its mode is not reached; you leave those out.",
        ),
    ],
    gradients=[],
    allowed={
        "points rows reversed": "the points' order does not matter",
        "centres rows reversed": "the modes' order does not matter",
        "std and within interchanged": "only their product counts",
        "float(*": "a tensor of one element serves as a number",
    },
    hints=[
        "One table of distances (N, K). What is its minimum over the centres, and where is it?",
        "A point is good by its smallest distance alone. Count the good ones at each centre; torch.bincount does that.",
        "The fair share is N over K, good or not. Compare a fifth of that with each count; multiplied out, all is in whole numbers.",
    ],
    insight="One number would not do: a generator that draws one good point again and again has a share of 1, and one that draws a plain "
    "circle through eight centres can reach all eight, with few good points. True samples of Gaussians in the plane that lie apart have "
    "98.9 % within 3 standard deviations, not the 99.7 % of the line. The bar is a convention: say which one you took when you report the "
    "count.",
)


def _in_reached(points: Tensor, centres: Tensor, std: float, within: float) -> float:
    distance, nearest = _far(points, centres).min(dim=1)
    counts = torch.bincount(nearest[distance <= within * std], minlength=len(centres))
    return int(counts[5 * len(centres) * counts >= len(points)].sum()) / len(points)
