"""Density and coverage."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def coverage(between: Tensor, among: Tensor, k: int) -> tuple[float, float]:
    """How much is drawn where real pictures are dense, and how many of these are covered.

    between (N, M) holds the distances of N drawn pictures, in rows, to M real ones, in
    columns; among (M, M) those of the real ones to each other, with its diagonal 0. 1 <= k
    < M. The ball of a real picture reaches to the k-th nearest of the others, and what lies
    at its edge is in it. Precision asks whether a drawn picture lies in any ball. One real
    picture far from the rest has a huge ball, and all that is drawn there passes. Recall
    puts balls around the drawn pictures instead, and is fooled by drawn ones far from the
    rest. Wanted are two numbers that do better, both with the balls of real pictures.
    Density counts, for each drawn picture, in how many balls it lies: few in a gap with one
    huge ball, many where real ones crowd. Its mean is given in units of k, as a further
    real picture lies in k balls on average: real ones score 1, and more than 1 is possible.
    Coverage is the share of real pictures in whose ball at least one drawn picture lies.
    Returns density and coverage, two plain numbers. No gradient is needed.
    """
    reach = among.kthvalue(k + 1, dim=1).values  # the nearest of all is the picture itself
    inside = between <= reach  # (N, M)
    density = float(inside.double().sum() / (k * len(between)))
    return density, float(inside.any(dim=0).double().mean())


def by_sorting(between, among, k):
    M = len(among)
    others = among[~torch.eye(M, dtype=torch.bool)].view(M, M - 1)
    reach = others.sort(dim=1).values[:, k - 1]
    hits = (reach.unsqueeze(0) >= between).to(torch.float64)
    return hits.sum(1).mean().item() / k, hits.amax(0).mean().item()


def in_a_loop(between, among, k):
    real = among.tolist()
    radii = [sorted(d for j, d in enumerate(row) if j != i)[k - 1] for i, row in enumerate(real)]
    drawn = between.tolist()
    in_balls = [sum(d <= r for d, r in zip(row, radii, strict=True)) for row in drawn]
    covered = [any(row[j] <= radii[j] for row in drawn) for j in range(len(radii))]
    return sum(in_balls) / len(drawn) / k, sum(covered) / len(covered)


def by_the_nearest(between, among, k):
    """Coverage from the nearest drawn picture of each real one; the picture itself is put infinitely far away."""
    away = among + torch.diag(torch.full((len(among),), torch.inf, dtype=among.dtype))
    reach = away.topk(k, dim=1, largest=False).values.amax(1)
    covered = between.min(dim=0).values <= reach
    return float((between <= reach).sum(1).double().mean()) / k, float(covered.double().mean())


def _reach(among: Tensor, k: int) -> Tensor:
    return among.kthvalue(k + 1, dim=1).values


def _share(hits: Tensor) -> float:
    return float(hits.double().mean())


def _balls(
    reach: Callable[[Tensor, Tensor, int], Tensor] = lambda between, among, k: _reach(among, k),
    strict: bool = False,
    density: Callable[[Tensor, int], float] = lambda inside, k: float(inside.sum()) / (k * len(inside)),
    cover: Callable[[Tensor, int], float] = lambda inside, k: _share(inside.any(0)),
) -> Callable:
    """coverage with a part of its own."""

    def wrong(between, among, k):
        far = reach(between, among, k)
        inside = between < far if strict else between <= far
        return density(inside, k), cover(inside, k)

    return wrong


def _without_zeros(between: Tensor, among: Tensor, k: int) -> Tensor:
    return torch.stack([row[row > 0].sort().values[k - 1] for row in among])


def _among_all(between: Tensor, among: Tensor, k: int) -> Tensor:
    """The k-th nearest of all pictures, drawn ones too."""
    return torch.cat([among, between]).kthvalue(k + 1, dim=0).values


def points(drawn: Tensor, real: Tensor, k: int) -> tuple[Tensor, Tensor, int]:
    """Arguments from points in the plane."""
    exact = [torch.cdist(a.double(), real.double(), compute_mode="donot_use_mm_for_euclid_dist") for a in (drawn, real)]
    return exact[0], exact[1].fill_diagonal_(0.0), k


def clouds(
    N: int, M: int, k: int, spread: float = 1.0, shift: float = 0.0, outlier: float = 0.0, twins: int = 0
) -> Callable:
    """A case: real points, one of them perhaps far away and some of them twice, and drawn ones of another spread and place."""

    def made(g: torch.Generator) -> tuple[Tensor, Tensor, int]:
        real, drawn = normal(g, M, 2), spread * normal(g, N, 2) + shift
        real[0] += outlier
        real[M - twins :] = real[1 : 1 + twins]
        return points(drawn, real, k)

    return made


LINE = torch.tensor([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [4.0, 0.0], [7.0, 0.0]])


def fresh_real_ones(f: Callable) -> bool:
    """Density near 1, and coverage as Naeem et al.'s equation 8 says, for two sets from one distribution."""
    g = torch.Generator().manual_seed(1)
    sets = [f(*points(torch.randn(300, 2, generator=g), torch.randn(300, 2, generator=g), 5)) for _ in range(4)]
    density, covered = (sum(float(s[i]) for s in sets) / len(sets) for i in (0, 1))
    return abs(density - 1) < 0.1 and abs(covered - 0.9698) < 0.02


def in_the_gap(f: Callable) -> bool:
    """Drawn pictures in the gap to an outlier: in one ball out of 21, each."""
    g = torch.Generator().manual_seed(2)
    real = torch.cat([0.1 * torch.randn(20, 2, generator=g), torch.tensor([[10.0, 0.0]])])
    drawn = torch.tensor([[5.0, 0.1], [6.0, 0.0], [7.0, 0.0], [8.0, -0.1]])
    density, covered = f(*points(drawn, real, 4))
    return close(density, 0.25) and close(covered, 1 / 21)


def all_at_one_place(f: Callable) -> bool:
    """Five times the same picture, in the midst of nine real ones; 31 others are far away."""
    angles = torch.pi * torch.arange(8) / 4
    nine = torch.cat([torch.stack([angles.cos(), angles.sin()], dim=1), torch.zeros(1, 2)])
    others = torch.stack([torch.arange(31.0), torch.full((31,), 50.0)], dim=1)
    density, covered = f(*points(torch.zeros(5, 2), torch.cat([nine, others]), 4))
    return close(density, 9 / 4) and close(covered, 9 / 40)


EXERCISE = Exercise(
    name="10.coverage",
    title="Density and coverage",
    minutes=9,
    level=2,
    reference=coverage,
    alternatives=[by_sorting, in_a_loop, by_the_nearest],
    cases=[
        points(torch.tensor([[0.5, 0.0], [3.0, 0.0], [9.0, 0.0]]), LINE, 1),
        points(torch.tensor([[0.5, 0.0], [6.0, 1.0]]), LINE, 2),
        clouds(4, 6, 2),
        clouds(7, 9, 3, spread=0.3),
        clouds(12, 8, 1, spread=2.0),
        clouds(9, 12, 4, spread=1.5, outlier=20.0),
        clouds(6, 11, 2, shift=0.8, twins=3),
        clouds(20, 25, 5, spread=0.6, outlier=-6.0, twins=4),
        clouds(5, 7, 6),
        clouds(3, 10, 2, shift=30.0),
    ],
    invariants=[
        Invariant(
            "in the gap",
            in_the_gap,
            "20 real pictures close together, one far away, and four drawn in the gap between them; k = 4. Each of the four lies in one "
            "ball, that of the one far away: one over k for the density, and 1 of 21 real ones is covered. Yours says otherwise.",
        ),
        Invariant(
            "all at one place",
            all_at_one_place,
            "Nine real pictures close together, 31 others far from them, and the same picture drawn five times in the midst of the nine; "
            "k = 4. It lies in nine balls: 9/4 for the density, and 9 of 40 real ones are covered. Yours says otherwise.",
        ),
        Invariant(
            "fresh real ones",
            fresh_real_ones,
            "Fresh real pictures should have a density near 1, and here, with k = 5, a coverage of 97 %. Yours have not.",
        ),
    ],
    mistakes=[
        Mistake(
            "each its own neighbour",
            _balls(reach=lambda between, among, k: among.kthvalue(k, dim=1).values),
            "Your balls are too small: among the k nearest real pictures you count the picture itself, at distance 0.",
        ),
        Mistake(
            "one too far",
            _balls(reach=lambda between, among, k: among.kthvalue(min(k + 2, len(among)), dim=1).values),
            "Your balls reach to the neighbour behind the k-th.",
        ),
        Mistake(
            "without zeros",
            _balls(reach=_without_zeros),
            "Right where all real pictures differ. To leave the picture itself out you leave out all distances of 0, and with them a real "
            "picture that is the same as another.",
        ),
        Mistake(
            "the nearest",
            _balls(reach=lambda between, among, k: _reach(among, 1)),
            "Your balls reach to the nearest other real picture, whatever k is.",
        ),
        Mistake(
            "the farthest",
            _balls(reach=lambda between, among, k: among.amax(1)),
            "Your balls reach to the farthest real picture.",
        ),
        Mistake(
            "the k-th farthest",
            _balls(reach=lambda between, among, k: among.sort(1, descending=True).values[:, k - 1]),
            "Your balls reach to the k-th farthest picture: sorted the other way round.",
        ),
        Mistake(
            "the mean distance",
            _balls(reach=lambda between, among, k: among.sort(1).values[:, 1 : k + 1].mean(1)),
            "Your balls reach as far as the k nearest lie on average. To the k-th is asked for.",
        ),
        Mistake(
            "one ball for all",
            _balls(reach=lambda between, among, k: _reach(among, k).mean().expand(len(among))),
            "All your balls have the same size, the mean. Where real pictures lie apart the ball should be larger.",
        ),
        Mistake(
            "the median ball for all",
            _balls(reach=lambda between, among, k: _reach(among, k).median().expand(len(among))),
            "All your balls have the same size, the median. Where real pictures lie apart the ball should be larger.",
        ),
        Mistake(
            "neighbours among the drawn",
            _balls(reach=lambda between, among, k: between.kthvalue(min(k, len(between)), dim=0).values),
            "Your balls reach to the k-th nearest drawn picture, so each holds k of them by itself. The neighbours are real ones.",
        ),
        Mistake(
            "neighbours among all",
            _balls(reach=_among_all),
            "Your balls reach to the k-th nearest picture of all, drawn or real. The neighbours are real ones.",
        ),
        Mistake(
            "inside only",
            _balls(strict=True),
            "What lies exactly at the edge of a ball is in it. Yours is not.",
        ),
        Mistake(
            "not in units of k",
            _balls(density=lambda inside, k: float(inside.sum()) / len(inside)),
            "Coverage is right. Your density counts balls; it is asked for in units of k.",
        ),
        Mistake(
            "in units of M",
            _balls(density=lambda inside, k: _share(inside)),
            "Coverage is right. Your density is a share of all balls. In how many of them does a further real one lie?",
        ),
        Mistake(
            "by k and M",
            _balls(density=lambda inside, k: _share(inside) / k),
            "Coverage is right. Your density is divided by M too. Of the M balls a further real picture lies in k.",
        ),
        Mistake(
            "divided by M for N",
            _balls(density=lambda inside, k: float(inside.sum()) / (k * inside.shape[1])),
            "Coverage is right. Your density is a mean over the real pictures: the more are drawn, the larger it is. It is a mean over the "
            "drawn ones.",
        ),
        Mistake(
            "not above 1",
            _balls(density=lambda inside, k: min(1.0, float(inside.sum()) / (k * len(inside)))),
            "Coverage is right. You stop density at 1. More is possible, and says that the drawn pictures crowd where real ones do.",
        ),
        Mistake(
            "each not above 1",
            _balls(density=lambda inside, k: float((inside.sum(1) / k).clamp(max=1).double().mean())),
            "Coverage is right. You let no drawn picture count for more than 1. A crowded place may count for more.",
        ),
        Mistake(
            "precision",
            _balls(density=lambda inside, k: _share(inside.any(1))),
            "Coverage is right. In place of the density you give precision: it counts whether there is a ball, not how many.",
        ),
        Mistake(
            "k balls at least",
            _balls(density=lambda inside, k: _share(inside.sum(1) >= k)),
            "Coverage is right. In place of the density you give the share of drawn pictures that lie in k balls or more. It is a mean of "
            "how many.",
        ),
        Mistake(
            "precision for coverage",
            _balls(cover=lambda inside, k: _share(inside.any(1))),
            "Density is right. In place of coverage you give the share of drawn pictures that lie in any ball, which is precision. The "
            "share of real ones is asked for.",
        ),
        Mistake(
            "all for any",
            _balls(cover=lambda inside, k: _share(inside.all(0))),
            "Density is right. For coverage you ask that all drawn pictures lie in the ball. One is enough.",
        ),
        Mistake(
            "k drawn ones for coverage",
            _balls(cover=lambda inside, k: _share(inside.sum(0) >= k)),
            "Density is right. For coverage you ask for k drawn pictures in the ball. One is enough.",
        ),
        Mistake(
            "coverage in units of k",
            _balls(cover=lambda inside, k: _share(inside.any(0)) / k),
            "Density is right. Coverage is a plain share of the real pictures; you divide it by k too.",
        ),
        Mistake(
            "coverage of N",
            _balls(cover=lambda inside, k: float(inside.any(0).sum()) / len(inside)),
            "Density is right. You divide the number of real pictures that are covered by the number of drawn ones.",
        ),
        Mistake(
            "a count",
            _balls(cover=lambda inside, k: float(inside.any(0).sum())),
            "Density is right. You give the number of real pictures that are covered; their share is asked for.",
        ),
        Mistake(
            "exchanged",
            lambda between, among, k: coverage(between, among, k)[::-1],
            "Both are right, each in the place of the other: density comes first.",
        ),
    ],
    gradients=[],
    allowed={
        "between rows reversed": "the order of the drawn pictures does not matter",
        "float(*": "a tensor of one element serves as a number",
        "among.kthvalue(k + 1, dim=1) -> among.kthvalue(k + 1)": "the last dimension is the default",
        "1 -> 0 (2)": "among is symmetric: its columns are its rows",
    },
    hints=[
        "First a radius for each real picture, (M,), from `among` alone. Who is the nearest picture of all to a real one?",
        "Then one table (N, M) of yes and no: does this drawn picture lie in that ball? Each radius belongs to a column.",
        "Density adds the table up and divides, by the drawn pictures and by k. Coverage asks each column whether there is any yes.",
    ],
    insight="Coverage of fresh real pictures is not 1: with as many drawn, from the same distribution, and k = 5 it is 97 %, so give "
    "that number beside yours (Naeem et al. 2020, equation 8). No score is beyond reach: one picture drawn again and again may have "
    "a density of 2, and who draws copies of the real pictures is given full marks by both. "
    "In the package, `metrics.populated` takes the points themselves.",
)
