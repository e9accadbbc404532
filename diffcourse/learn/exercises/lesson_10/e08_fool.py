"""Points that fool precision."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from diffcourse.learn.exercise import Case, Counts, Exercise, Invariant, Mistake
from diffcourse.learn.exercises.lesson_10._cases import JUDGES, Judge


def fool(real: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Draw n points that precision takes for real, though they show little of what is real.

    real (m, D): real points, in any unit, of a distribution that nobody tells you. Returns n
    points (n, D), n < m, for which all of this holds:
    - Precision is at least that of n fresh real points: the share of your points that are no
      farther from some real point than its third-nearest real neighbour (metrics.covered).
    - Coverage is below half of that of n fresh real points: the share of real points that have
      one of your points no farther away than their fifth-nearest real neighbour.
    - No two of your points are the same, and none is the same as a real one. The same are also
      points that are nearer than a ten-millionth of the median distance from a real point to
      its nearest neighbour.
    There are many ways, and any of them is right. What is random comes from generator. No
    gradient is needed.
    """
    distances = torch.cdist(real, real)
    few = distances[0].argsort()[: len(real) // 10]
    chosen = few[torch.randint(len(few), (n,), generator=generator)]
    gaps = distances[chosen].kthvalue(2, dim=1).values
    steps = torch.randn(n, real.shape[1], generator=generator)
    return real[chosen] + 0.3 * gaps[:, None] * steps / steps.norm(dim=1, keepdim=True)


def around_the_densest(real, n, generator):
    """All in the ball of the point with the nearest neighbours."""
    reach = torch.stack([(real - point).norm(dim=1).sort().values[3] for point in real])
    steps = torch.randn(n, real.shape[1], generator=generator, dtype=torch.float64)
    steps = steps / steps.norm(dim=1, keepdim=True) * torch.rand(n, 1, generator=generator)
    return real[reach.argmin()] + 0.99 * reach.min() * steps


def between_neighbours(real, n, generator):
    """Somewhere between a point and its nearest neighbour, for the densest twentieth."""
    distances = torch.cdist(real.double(), real.double()).fill_diagonal_(torch.inf)
    near, who = distances.min(dim=1)
    dense = near.argsort()[: len(real) // 20]
    i = dense[torch.randint(len(dense), (n,), generator=generator)]
    share = 0.1 + 0.8 * torch.rand(n, 1, generator=generator, dtype=torch.float64)
    return torch.lerp(real[i].double(), real[who[i]].double(), share)


def along_a_line(real, n, generator):
    """Nothing random: n points on the way to the nearest neighbour of one point."""
    start = real[n // 2]
    others = real[(real != start).any(dim=1)]
    end = others[(others - start).norm(dim=1).argmin()]
    return torch.stack([start + (i + 1) / (n + 2) * (end - start) for i in range(n)])


def worth(points: Tensor) -> tuple[str, str, str, str]:
    """What counts of n points; which real ones they stand for is told by their number."""
    judge = JUDGES[len(points)]
    if points.shape != (judge.n, judge.real.shape[1]) or not bool(points.isfinite().all()):
        raise ValueError("another shape, or not finite")
    return judge.worth(points)


def _any(real: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return real[torch.randint(len(real), (n,), generator=generator)]


def _noise(real: Tensor, n: int, generator: torch.Generator) -> Tensor:
    return torch.randn(n, real.shape[1], generator=generator)


def _gaps(real: Tensor) -> Tensor:
    return torch.cdist(real.double(), real.double()).kthvalue(2, dim=1).values


def _far(real: Tensor) -> Tensor:
    """A place where nothing is."""
    return real.mean(dim=0) + 20 * (real - real.mean(dim=0)).norm(dim=1).max() * torch.ones(real.shape[1])


def _some_outside(real: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """What is right, but for every second point, which lies where nothing is."""
    points = fool(real, n, generator)
    away = _far(real) + _gaps(real).median() * _noise(real, n, generator)
    return torch.where(torch.arange(n)[:, None] % 2 == 0, points, away.to(points))


def _everything_and_more(real: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """Three of four real with little noise, the others where nothing is."""
    points = real[torch.randperm(len(real), generator=generator)[:n]] + 0.05 * _gaps(real).min() * _noise(
        real, n, generator
    )
    away = _far(real) + _gaps(real).median() * _noise(real, n, generator)
    return torch.where(torch.arange(n)[:, None] % 6 != 0, points, away.to(points))


@lru_cache(maxsize=1)
def _worths(f: Callable) -> list[tuple[str, str, str, str]]:
    """What is said of an answer's points on all data, once for all invariants."""
    return [worth(f(judge.real.clone(), judge.n, judge.generator)) for judge in JUDGES.values()]


def _spoken(part: int, right: str) -> Callable[[Callable], bool]:
    """For an `Invariant`: in this respect the points are as wanted, for all data. An error where their shape is another."""

    def holds(f: Callable) -> bool:
        return all(said[part] == right for said in _worths(f))

    return holds


def repeats_itself(f: Callable) -> bool:
    """The same generator, the same points."""
    judge = next(iter(JUDGES.values()))
    made = [torch.as_tensor(f(judge.real.clone(), judge.n, judge.generator)) for _ in range(2)]
    return torch.equal(*made)


def case(judge: Judge) -> Callable:
    """A case: always the same points and generator, so that an answer can be judged by its output alone."""
    return lambda g: Case(args=(judge.real, judge.n, judge.generator))


EXERCISE = Exercise(
    name="10.fool",
    title="Points that fool precision",
    minutes=12,
    level=3,
    reference=fool,
    alternatives=[around_the_densest, between_neighbours, along_a_line],
    counts=Counts("points", worth, parts=("precision", "coverage", "share of points alike", "share of copies")),
    gradients=[],
    cases=[case(judge) for judge in JUDGES.values()],
    allowed=dict.fromkeys(
        [
            "real rows reversed",
            "generator another one",
            "torch.randn(*",
            "real[chosen] + *",
            "distances[chosen].*",
            "0.3 * gaps*",
            "len(real) // 10 -> 10",
            "steps.norm(*",
            "10 -> *",
            "2 -> 3",
            "1 -> 0 (3)",
            "0 -> *",
            "0.3 -> *",
        ],
        "other points, which fool as well",
    ),
    invariants=[
        Invariant(
            "precision",
            _spoken(0, "as high as of fresh ones"),
            "The precision of your points is lower than that of fresh real ones, at least for some data: too many lie where nothing real "
            "is near. How near to a real point must yours be to count, and is that the same everywhere, and in every unit?",
            before_form=True,
        ),
        Invariant(
            "coverage",
            _spoken(1, "below half"),
            "Your points are precise enough, but at least for some data they cover half of what fresh real ones cover, or more: they are "
            "too good. Which part of the real points could you leave out?",
            before_form=True,
        ),
        Invariant(
            "no two alike",
            _spoken(2, "none"),
            "Precise, and narrow; but at least for some data two of your points are the same, or as good as. Whoever looks at the points "
            "would see it.",
            before_form=True,
        ),
        Invariant(
            "no copies",
            _spoken(3, "none"),
            "Precise, and narrow; but at least for some data some of your points are real ones, or as good as. They are to be new.",
            before_form=True,
        ),
        Invariant(
            "the same generator, the same points",
            repeats_itself,
            "Your points fool, but the same generator gives other points the next time: something draws from elsewhere.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "one point",
            lambda real, n, generator: real[:1].expand(n, -1).clone(),
            "Every point of yours is a real one, or as good as, and comes more than once. Precision is fooled, but whoever looks at the "
            "points is not: they are to differ, and to be new.",
        ),
        Mistake(
            "the mean",
            lambda real, n, generator: real.mean(dim=0).expand(n, -1).clone(),
            "Your points come more than once, and for some data nothing real is near them: what lies in the middle of all is no typical "
            "point where the middle is empty.",
        ),
        Mistake(
            "fresh ones",
            _any,
            "Your points are real ones, some come more than once, and together they cover half of what fresh ones do, or more. Something "
            "is to be left out, and what is drawn is to be new.",
        ),
        Mistake(
            "some of the real ones",
            lambda real, n, generator: real[torch.randperm(len(real), generator=generator)[:n]],
            "You hand out real points, or as good as, and enough of them to cover half of what fresh ones do, or more. They are to be new, "
            "and to leave a large part out.",
        ),
        Mistake(
            "an honest model",
            lambda real, n, generator: (
                real[torch.randperm(len(real), generator=generator)[:n]]
                + 0.05 * _gaps(real).min() * _noise(real, n, generator)
            ),
            "Your points are precise, new and different, and they cover half of what fresh ones do, or more: not bad as a model. It is to "
            "be a bad one that precision praises.",
        ),
        Mistake(
            "a Gaussian",
            lambda real, n, generator: real.mean(dim=0) + real.std(dim=0) * _noise(real, n, generator),
            "Your points are spread as widely as all the data, like a Gaussian with their mean and spread. Too many of them lie where "
            "nothing real is near.",
        ),
        Mistake(
            "some outside",
            _some_outside,
            "Your points are new, different, and leave a large part out, for all data; but too many lie where nothing real is near. How "
            "far from a real point may one be?",
        ),
        Mistake(
            "everything, and some outside",
            _everything_and_more,
            "Your points cover half of what fresh ones cover or more, and too many lie where nothing real is near, for all data. Wanted is "
            "the reverse: a small part, and precise.",
        ),
        Mistake(
            "nowhere near",
            lambda real, n, generator: _far(real) + _gaps(real).median() * _noise(real, n, generator),
            "None of your points is near a real one: precision is 0.",
        ),
        Mistake(
            "new, but one point",
            lambda real, n, generator: (real[0] + 0.3 * _gaps(real)[0] * torch.eye(real.shape[1])[0]).expand(n, -1),
            "Your points are precise and new, but every one comes more than once, or as good as. No two are to be alike.",
        ),
    ],
    hints=[
        "Precision asks each of your points for a real neighbour. It never asks who is missing. What does a GAN do that has collapsed to "
        "one kind of digit?",
        "Near to real points you are safe. Choose a small part of them, a mode or a neighbourhood, and stay there: how many real points "
        "are then covered?",
        "A step from a real point that is shorter than the way to its nearest neighbour stays inside its ball. Give every point a step of "
        "its own, measured in that way, so that no unit matters.",
    ],
    insight="Precision forgives whatever is left out, and praises a collapsed model. That is why it never stands alone: coverage "
    "or recall beside it, each with what fresh real ones score.",
)
