"""How much of the start is still in a moving average of weights."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close


def ema_weights(decays: Tensor) -> Tensor:
    """Of what an exponential moving average consists.

    A training goes through the weights w_0 (at random, before the first step), w_1, …, w_N.
    Their average begins as w_0, and at step k = 1, …, N becomes d_k times itself plus 1 - d_k
    times w_k. decays (N,), float64, are d_1, …, d_N, each from 0 to 1 (both may occur): they
    are not all equal where the average is warmed up.
    After step N the average is a sum of shares of w_0, w_1, …, w_N. Returns these N + 1
    shares, in this order. Differentiable in decays.
    """
    kept = decays.flip(0).cumprod(0).flip(0)  # d_k · … · d_N
    later = torch.cat([kept[1:], decays.new_ones(1)])
    return torch.cat([kept[:1], (1 - decays) * later])


def by_doing_it(decays):
    """The average of unit vectors."""
    average, rows = torch.eye(len(decays) + 1, dtype=decays.dtype)[0], torch.eye(len(decays) + 1, dtype=decays.dtype)
    for k, d in enumerate(decays, start=1):
        average = d * average + (1 - d) * rows[k]
    return average


def from_the_end(decays):
    """What is left for the steps before, from the last one back."""
    left, shares = torch.ones((), dtype=decays.dtype), []
    for d in reversed(list(decays)):
        shares.append(left * (1 - d))
        left = left * d
    return torch.stack([left, *reversed(shares)])


def _later(decays: Tensor) -> Tensor:
    return torch.cat([decays.flip(0).cumprod(0).flip(0)[1:], decays.new_ones(1)])


def _start(decays: Tensor) -> Tensor:
    return decays.prod()[None]


def sums_to_one(f: Callable) -> bool:
    return close(f(torch.tensor([0.5, 0.9, 0.7, 0.99]).double()).sum(), torch.tensor(1.0).double(), 1e-6)


def forgets(f: Callable) -> bool:
    """With the decay 0 the average is the newest weights."""
    return close(f(torch.tensor([0.3, 0.9, 0.0]).double()), torch.tensor([0.0, 0.0, 0.0, 1.0]).double(), 1e-6)


def keeps(f: Callable) -> bool:
    """With the decay 1 it never moves."""
    return close(f(torch.ones(3).double()), torch.tensor([1.0, 0.0, 0.0, 0.0]).double(), 1e-6)


EXERCISE = Exercise(
    name="11.ema_weights",
    title="What a moving average consists of",
    minutes=8,
    level=2,
    reference=ema_weights,
    alternatives=[by_doing_it, from_the_end],
    gradients=["decays"],
    allowed={"0 -> -1*": "the only dimension is also the last"},
    cases=[
        (torch.tensor([0.75]).double(),),
        (torch.tensor([0.5, 0.8]).double(),),
        (torch.tensor([0.2, 0.5, 0.9, 0.6]).double(),),
        (torch.tensor([0.9, 0.99, 0.3, 0.7, 0.95]).double(),),
        (torch.full((6,), 0.9).double(),),
        (torch.tensor([0.5, 0.0, 0.7]).double(),),
        (torch.tensor([0.6, 1.0, 0.8, 0.3]).double(),),
    ],
    invariants=[
        Invariant("sum", sums_to_one, "The shares of an average add up to 1. Yours do not."),
        Invariant(
            "newest only",
            forgets,
            "With decays 0.3, 0.9, 0 the last step forgets all that was before: the average is w_3 alone. Yours is another one.",
        ),
        Invariant(
            "never moves",
            keeps,
            "With decays of 1 the average never moves, and is w_0 alone. Yours is another one.",
        ),
    ],
    mistakes=[
        Mistake(
            "no start",
            lambda decays: (1 - decays) * _later(decays),
            "Right, but w_0 is missing: N shares instead of N + 1. The average began as w_0, and what is left of it is the point here.",
        ),
        Mistake(
            "newest first",
            lambda decays: ema_weights(decays).flip(0),
            "Right numbers, from w_N back to w_0. The start comes first.",
        ),
        Mistake(
            "later from the start",
            lambda decays: torch.cat(
                [_start(decays), (1 - decays) * torch.cat([decays.new_ones(1), decays.cumprod(0)[:-1]])]
            ),
            "You multiply the share of w_k by the decays of the steps before it. Which steps shrink it?",
        ),
        Mistake(
            "own decay too",
            lambda decays: torch.cat([_start(decays), (1 - decays) * decays.flip(0).cumprod(0).flip(0)]),
            "You shrink the share of w_k by its own step's decay as well. At step k it comes in with 1 - d_k; which decays meet it after "
            "that?",
        ),
        Mistake(
            "roles exchanged",
            lambda decays: ema_weights(1 - decays),
            "You give the new weights the share d_k, and the average the rest. It is the other way round.",
        ),
        Mistake(
            "never shrunk",
            lambda decays: torch.cat([_start(decays), 1 - decays]),
            "You give every w_k the share with which it came in. What do the later steps do to it?",
        ),
        Mistake(
            "last decay for all",
            lambda decays: ema_weights(decays[-1:].expand(len(decays)).clone()),
            "You use the last decay for all steps. Each step has its own.",
        ),
        Mistake(
            "mean decay",
            lambda decays: ema_weights(decays.mean().expand(len(decays)).clone()),
            "You use one decay, the mean, for all steps. Each step has its own.",
        ),
        Mistake(
            "first decay for all",
            lambda decays: ema_weights(decays[:1].expand(len(decays)).clone()),
            "You use the first decay for all steps. Each step has its own.",
        ),
        Mistake(
            "normalised by force",
            lambda decays: (
                (w := torch.cat([_start(decays), (1 - decays) * decays.flip(0).cumprod(0).flip(0)])) / w.sum()
            ),
            "You divide by the sum. Right shares add up to 1 by themselves; if yours did not, a factor is wrong.",
        ),
        Mistake(
            "start like the others",
            lambda decays: torch.cat([(1 - decays[:1]) * _start(decays), (1 - decays) * _later(decays)]),
            "The start has a factor too many: nobody took it in with 1 - d. It was there.",
        ),
        Mistake(
            "start forgotten a step early",
            lambda decays: torch.cat([decays[1:].prod()[None], (1 - decays) * _later(decays)]),
            "The first step shrinks the start as well.",
        ),
        Mistake(
            "equal shares",
            lambda decays: (
                torch.full((len(decays) + 1,), 1.0, dtype=decays.dtype) / (len(decays) + 1) + 0 * decays.sum()
            ),
            "You give all weights the same share. An exponential average prefers what is new.",
        ),
    ],
    hints=[
        "Follow w_k: with which factor does it come in, and what happens to it at every later step?",
        "Do it by hand for N = 2. The three shares add up to 1; that checks it.",
        "The share of w_k is 1 - d_k times the product of all later decays; what is left of w_0 is a product of them all. A cumulative "
        "product from the end gives all of these at once.",
    ],
    insight="With a constant decay of 0.9999, a training of 2,000 steps ends with an average of which four fifths are the random start.",
)
