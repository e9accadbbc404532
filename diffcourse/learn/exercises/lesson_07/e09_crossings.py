"""How often chains change the mode."""

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


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


EXERCISE = Exercise(
    name="07.crossings", title="Crossings, counted", reference=crossings, minutes=7, level=2, gradients=[]
)
