"""How straight is a way?"""

import torch
from torch import Tensor

from diffcourse import sde
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def bend(xs: Tensor) -> Tensor:
    """How much longer a way is than it need be, as a share: 0 where it is straight.

    xs (K + 1, B, …): the places of B points at K + 1 times, joined by straight lines; no way
    ends where it began. A way twice as long as the distance of its ends has bend 1. How fast
    it is walked, and in how many steps, does not matter. Returns (B,). No gradient is needed.
    """
    way = xs.diff(dim=0).flatten(2).norm(dim=2).sum(dim=0)
    ends = (xs[-1] - xs[0]).flatten(1).norm(dim=1)
    return way / ends - 1


def in_a_loop(xs):
    found = []
    for b in range(xs.shape[1]):
        way = sum(float(((q - p) ** 2).sum()) ** 0.5 for p, q in zip(xs[:-1, b], xs[1:, b], strict=True))
        found.append(way / float(((xs[-1, b] - xs[0, b]) ** 2).sum()) ** 0.5 - 1)
    return torch.tensor(found)


def by_linalg(xs):
    flat = xs.reshape(len(xs), xs.shape[1], -1)
    steps = torch.linalg.vector_norm(flat[1:] - flat[:-1], dim=-1)
    shortest = torch.linalg.vector_norm(flat[-1] - flat[0], dim=-1)
    return (steps.sum(0) - shortest) / shortest


def _steps(xs: Tensor) -> Tensor:
    return xs.diff(dim=0).flatten(2).norm(dim=2)


def _ends(xs: Tensor) -> Tensor:
    return (xs[-1] - xs[0]).flatten(1).norm(dim=1)


def ways(*shape: int):
    return lambda g: (normal(g, *shape).cumsum(dim=0),)


def pace_does_not_matter(f) -> bool:
    """A corner of 3 and 4, in two steps, in five uneven ones, with a rest."""
    corner = torch.tensor([[[0.0, 0]], [[3, 0]], [[3, 4]]])
    slowly = torch.tensor([[[0.0, 0]], [[0.5, 0]], [[0.5, 0]], [[3, 0]], [[3, 1]], [[3, 4]]])
    return close(f(corner), torch.tensor([0.4])) and close(f(slowly), torch.tensor([0.4]))


EXERCISE = Exercise(
    name="08.bend",
    title="How straight is a way?",
    minutes=4,
    level=1,
    reference=bend,
    alternatives=[in_a_loop, by_linalg],
    cases=[
        (torch.tensor([[[0.0, 0.0]], [[3.0, 0.0]], [[3.0, 4.0]]]),),
        ways(5, 3, 2),
        ways(3, 2, 4),
        ways(4, 2, 1, 3, 2),
        (torch.tensor([[[1.0, 2.0], [-1.0, 0.5]], [[2.0, 3.0], [1.0, 0.0]], [[5.0, 6.0], [0.5, 3.0]]]),),
    ],
    invariants=[
        Invariant(
            "straight is 0",
            lambda f: close(f(torch.tensor([0.0, 0.1, 0.7, 1.0])[:, None, None] * torch.ones(1, 2, 3)), torch.zeros(2)),
            "A straight way has bend 0, also if it is walked at an uneven pace. Yours has another one.",
        ),
        Invariant(
            "pace does not matter",
            pace_does_not_matter,
            "Three to the east, then four to the north: 7 instead of 5, whatever the pace, so the bend is 0.4. Yours is another one.",
        ),
    ],
    mistakes=[
        Mistake(
            "the ratio",
            lambda xs: _steps(xs).sum(0) / _ends(xs),
            "This is the length in units of the distance: 1 for a straight way. What is too much of it is asked for.",
        ),
        Mistake(
            "the difference",
            lambda xs: _steps(xs).sum(0) - _ends(xs),
            "This is how much too long the way is, in the units of x. A share is asked for, so that long and short ways can be compared.",
        ),
        Mistake(
            "a share of the way",
            lambda xs: 1 - _ends(xs) / _steps(xs).sum(0),
            "You divide what is too much by the length of the way. A way of twice the distance has bend 1: divide by the distance.",
        ),
        Mistake(
            "upside down",
            lambda xs: _ends(xs) / _steps(xs).sum(0) - 1,
            "Your fraction is upside down: the distance of the ends over the length of the way, which is never above 1.",
        ),
        Mistake(
            "squares added up",
            lambda xs: _steps(xs).square().sum(0) / _ends(xs).square() - 1,
            "You add up the squares of the steps. A way's length is the sum of their lengths; the sum of squares gets smaller with more "
            "steps.",
        ),
        Mistake(
            "coordinates added up",
            lambda xs: xs.diff(dim=0).abs().flatten(2).sum(2).sum(0) / (xs[-1] - xs[0]).abs().flatten(1).sum(1) - 1,
            "You add up coordinates, as one walks in a town of square blocks. Lengths are those of straight lines (Pythagoras).",
        ),
        Mistake(
            "net displacement of the steps",
            lambda xs: xs.diff(dim=0).sum(0).flatten(1).norm(dim=1) / _ends(xs) - 1,
            "You add up the steps and then take the length: that is the distance of the ends again. Take the length of each step first.",
        ),
        Mistake(
            "mean step",
            lambda xs: _steps(xs).mean(0) / _ends(xs) - 1,
            "You take the mean of the steps' lengths. A way is as long as all of them together.",
        ),
        Mistake(
            "longest for sum",
            lambda xs: _steps(xs).amax(0) / _ends(xs) - 1,
            "You take the longest step for the way. It is as long as all of them together.",
        ),
        Mistake(
            "last step forgotten",
            lambda xs: _steps(xs)[:-1].sum(0) / _ends(xs) - 1,
            "The last step is missing from the way.",
        ),
        Mistake(
            "first step forgotten",
            lambda xs: _steps(xs)[1:].sum(0) / _ends(xs) - 1,
            "The first step is missing from the way.",
        ),
        Mistake(
            "distance from the origin",
            lambda xs: _steps(xs).sum(0) / xs[-1].flatten(1).norm(dim=1) - 1,
            "You divide by the distance of the end from the origin. The way began elsewhere.",
        ),
        Mistake(
            "mean of the points",
            lambda xs: (_steps(xs).sum(0) / _ends(xs) - 1).mean(),
            "You return one number. Each of the B points has a way, and a bend, of its own.",
        ),
        Mistake(
            "only the last dimension",
            lambda xs: xs.diff(dim=0).norm(dim=-1).sum(0) / (xs[-1] - xs[0]).norm(dim=-1) - 1,
            "You take lengths along the last dimension alone. A picture has more: all its entries make up one place.",
        ),
        Mistake(
            "all points as one",
            lambda xs: xs.diff(dim=0).flatten(1).norm(dim=1).sum() / (xs[-1] - xs[0]).norm() - 1,
            "You take all points together as one place in a large space. Each of them has a way, and a bend, of its own.",
        ),
    ],
    gradients=[],
    allowed={
        "xs rows reversed": "a way is as long from its end",
        "xs negated": "a mirrored way bends as much",
        "xs doubled": "a magnified way bends as much",
        "xs halved": "a way made smaller bends as much",
        "xs one *": "a way that is moved bends as much",
    },
    hints=[
        "Two lengths: that of the whole way, and that of the line between its ends.",
        "A step's length is the root of the sum of squares over all entries of a point; steps add up over time, points stay apart.",
        "torch.diff along dimension 0, flatten what is behind B, norm; the sum over steps by the norm of last minus first; less 1.",
    ],
    package=InPackage("sde.bend(list(xs))", lambda xs: sde.bend(list(xs))),
    insight="A network that was taught straight lines still moves points along bent ones: at a place where lines cross it can only say "
    "their mean. Pairs that do not cross, such as those of reflow, have nothing to average.",
)
