"""How often chains change the mode."""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.learn.exercises._cases import normal


def crossings(xs: Tensor, edge: float) -> Tensor:
    """How often each chain went from one mode to the other.

    xs (steps, n): the first coordinate of n chains after each step; edge a number above 0. A
    chain is in the right mode where x > edge, in the left one where x < −edge, and on its way
    in between. A crossing is an arrival in a mode by a chain that was last in the other one: to
    leave a mode and come back is none, however often 0 is passed.
    Returns (n,), int64.
    """
    side = torch.zeros_like(xs[0])  # 0: in neither yet
    count = torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        now = torch.where(x.abs() > edge, x.sign(), side)
        count = count + (now * side < 0)
        side = now
    return count


def crossings_chain_by_chain(xs, edge):
    counts = []
    for chain in xs.T:
        seen = [x for x in chain.tolist() if abs(x) > edge]
        counts.append(sum(a * b < 0 for a, b in pairwise(seen)))
    return torch.tensor(counts)


def crossings_by_masks(xs, edge):
    counts = []
    for j in range(xs.shape[1]):
        sides = (xs[:, j] > edge).long() - (xs[:, j] < -edge).long()
        sides = sides[sides != 0]
        counts.append((sides[1:] != sides[:-1]).sum())
    return torch.stack(counts)


def _steps(xs: Tensor, start: Callable, now: Callable, counts: Callable) -> Tensor:
    side, count = start(xs[0]), torch.zeros(xs.shape[1], dtype=torch.int64)
    for x in xs:
        new = now(x, side)
        count = count + counts(new, side)
        side = new
    return count


def _count(
    start: Callable = torch.zeros_like,
    now: Callable = lambda x, side, edge: torch.where(x.abs() > edge, x.sign(), side),
    counts: Callable = lambda new, side: new * side < 0,
) -> Callable:
    """crossings with a part of its own."""
    return lambda xs, edge: _steps(xs, start, lambda x, side: now(x, side, edge), counts)


def _direct(xs, edge):
    """From step to step alone."""
    sides = (xs > edge).long() - (xs < -edge).long()
    return (sides[1:] * sides[:-1] < 0).sum(dim=0)


def walk(steps: int, n: int, edge: float, size: float = 1.0):
    return lambda g: ((size * normal(g, steps, n)).cumsum(dim=0) + 2 * normal(g, n), edge)


PATHS = torch.tensor(
    [
        # begins between; right, back to the middle, right; left at last
        [0.0, 1.5, -0.5, 0.5, -0.5, 1.5, 0.2, -0.2, -1.5],
        # left, to 0 and back
        [-1.5, -0.5, 0.5, -0.5, -1.5, -2.0, -0.3, 0.4, -1.2],
        # at the edge itself: on the way
        [-2.0, 1.0, -1.0, 1.0, -1.0, 1.0, 0.9, 1.0, 0.5],
        # in one jump, there and back
        [2.0, -2.0, 2.0, 2.0, -1.1, -3.0, -0.1, 0.1, 1.1],
    ]
).T.contiguous()


def back_is_none(f: Callable) -> bool:
    xs = torch.tensor([[2.0], [0.3], [-0.3], [0.3], [-0.3], [2.0]])
    return int(torch.as_tensor(f(xs, 1.0)).reshape(-1)[0]) == 0


def both_ways(f: Callable) -> bool:
    xs = torch.tensor([[2.0], [0.5], [-2.0], [-0.5], [2.0]])
    return int(torch.as_tensor(f(xs, 1.0)).reshape(-1)[0]) == 2


def in_none_at_first(f: Callable) -> bool:
    """Chains that begin in between and arrive in a mode for the first time, from either side of 0 and from 0 itself."""
    start = torch.tensor([0.3, -0.3, 0.0, 0.3, -0.3, 0.0])
    end = torch.tensor([-2.0, -2.0, -2.0, 2.0, 2.0, 2.0])
    return not torch.as_tensor(f(torch.stack([start, end, end]), 1.0)).any()


EXERCISE = Exercise(
    name="07.crossings",
    title="Crossings, counted",
    minutes=7,
    level=2,
    reference=crossings,
    alternatives=[crossings_chain_by_chain, crossings_by_masks],
    cases=[
        (PATHS[:, :1].contiguous(), 1.0),
        (PATHS, 1.0),
        walk(40, 3, 1.0),
        walk(60, 4, 2.5, 1.5),
        walk(30, 2, 0.3, 0.5),
        (torch.full((3, 2), 0.5), 1.0),
    ],
    invariants=[
        Invariant(
            "back is none",
            back_is_none,
            "A chain that leaves the right mode, passes 0 three times and comes back to the right mode has not crossed. Yours "
            "counts something.",
        ),
        Invariant(
            "there and back",
            both_ways,
            "From right to left and back to right are two crossings, though the chain was between the modes on the way. Yours "
            "counts others.",
        ),
        Invariant(
            "in none at first",
            in_none_at_first,
            "A chain that begins in between has been in no mode yet, on whichever side of 0 it is: its first arrival is no crossing. "
            "Yours counts one.",
        ),
    ],
    mistakes=[
        Mistake(
            "signs of x",
            lambda xs, edge: (xs[1:].sign() != xs[:-1].sign()).sum(dim=0),
            "You count how often x changes its sign. On its way a chain may do that many times, the more often the smaller its steps: what "
            "counts is the mode that it was last in.",
        ),
        Mistake(
            "signs, multiplied",
            lambda xs, edge: (xs[1:] * xs[:-1] < 0).sum(dim=0),
            "You count how often 0 is passed. On its way a chain may pass it many times, the more often the smaller its steps: what counts "
            "is the mode that it was last in.",
        ),
        Mistake(
            "in one step only",
            _direct,
            "You compare each step with the one before, and see only chains that jump the whole way. Remember the mode of a chain while "
            "it is in between.",
        ),
        Mistake(
            "every change of place",
            lambda xs, edge: (lambda s: (s[1:] != s[:-1]).sum(dim=0))((xs > edge).long() - (xs < -edge).long()),
            "You count every change between left, middle and right: leaving and coming back count as well. Only an arrival from the other "
            "mode does.",
        ),
        Mistake(
            "every arrival",
            _count(
                now=lambda x, side, edge: torch.where(x.abs() > edge, x.sign(), 0 * side),
                counts=lambda new, side: (new != 0) & (new != side),
            ),
            "You count every arrival in a mode, also of a chain that comes back to where it was last.",
        ),
        Mistake(
            "the first arrival too",
            _count(counts=lambda new, side: new != side),
            "Your first arrival counts as a crossing where a chain begins between the modes, or anywhere: it was in no other mode before.",
        ),
        Mistake(
            "begins on the left",
            _count(start=lambda x: -torch.ones_like(x)),
            "Yours takes every chain to begin on the left. Some begin on the right, or in between.",
        ),
        Mistake(
            "begins on the side of its sign",
            _count(start=lambda x: x.sign()),
            "A chain that begins in between is taken to come from the mode that is nearer. It has been in none yet.",
        ),
        Mistake(
            "the edge belongs to the mode",
            _count(now=lambda x, side, edge: torch.where(x.abs() >= edge, x.sign(), side)),
            "You count x = ±edge to the modes. There a chain is still on its way: beyond the edge begins the mode.",
        ),
        Mistake(
            "to the right only",
            _count(counts=lambda new, side: (new * side < 0) & (new > 0)),
            "You count the arrivals on the right only. To the left is a crossing too.",
        ),
        Mistake(
            "to the left only",
            _count(counts=lambda new, side: (new * side < 0) & (new < 0)),
            "You count the arrivals on the left only. To the right is a crossing too.",
        ),
        Mistake(
            "there and back as one",
            lambda xs, edge: crossings(xs, edge) // 2,
            "You count there and back as one. Each way is a crossing.",
        ),
        Mistake(
            "all chains in one number",
            lambda xs, edge: crossings(xs, edge).sum(),
            "This is the sum over all chains. Asked is a number for each: how they spread tells how sure a mean of them is.",
        ),
        Mistake(
            "one number a step",
            lambda xs, edge: crossings(xs.T, edge),
            "You go along the chains instead of along the steps. Steps are the first dimension of xs.",
        ),
        Mistake(
            "yes or no",
            lambda xs, edge: crossings(xs, edge).clamp(max=1),
            "You say if a chain ever crossed. Asked is how often.",
        ),
        Mistake(
            "the ends compared",
            lambda xs, edge: (xs[0] * xs[-1] < 0).long(),
            "You compare where a chain begins with where it ends. On the way it may have crossed many times.",
        ),
        Mistake(
            "steps in the other mode",
            lambda xs, edge: (xs > edge).sum(dim=0),
            "You count the steps that a chain spends in a mode. Asked is how often it changes.",
        ),
    ],
    gradients=[],  # counts
    allowed={
        "xs negated": "left and right count alike",
        "xs rows reversed": "seen backwards, a crossing is one too",
        "0 -> 1": "a row of xs, for its shape alone",
        "0 -> -1": "a row of xs, for its shape alone",
    },
    hints=[
        "Strike the steps in between out of a chain. What is left of left, left, right, right, left, and where are its crossings?",
        "Or keep, for every chain, the mode that it was last in. A step in between changes nothing in it.",
        "For each step: 1 right, −1 left, and in between what it was before (torch.where). It has crossed where the new one is the old "
        "one's opposite; 0 stands for none yet.",
    ],
    insight="Passing 0 says little: a walk with finer steps passes it more often. Arrivals in a given time, steps times τ, hardly depend "
    "on that. The time between two of them grows as 1/p at the pass.",
)
