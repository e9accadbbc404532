"""How straight is a way?"""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def bend(xs: Tensor) -> Tensor:
    """How much longer a way is than it need be, as a share: 0 where it is straight.

    xs (K + 1, B, …): the places of B points at K + 1 times, joined by straight lines; no way
    ends where it began. A way twice as long as the distance of its ends has bend 1. How fast
    it is walked, and in how many steps, does not matter. Returns (B,). No gradient is needed.
    """
    way = xs.diff(dim=0).flatten(2).norm(dim=2).sum(dim=0)
    ends = (xs[-1] - xs[0]).flatten(1).norm(dim=1)
    return way / ends - 1


EXERCISE = Exercise(
    name="08.bend",
    title="How straight is a way?",
    minutes=4,
    level=1,
    reference=bend,
)
