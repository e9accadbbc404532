"""Where the Langevin chain of one Gaussian ends."""

import math

from diffcourse.learn.exercise import Exercise


def chain_variance(s: float, tau: float) -> float:
    """The variance at which Langevin dynamics with steps of size tau ends, for p = N(0, s²).

    x begins anywhere, and takes as many steps as it likes; s and tau are numbers above 0.
    Exact, for any tau: a step is linear here, so it tells how the variance changes. To derive.
    Returns a number; math.inf where the variance grows for ever.
    """
    if tau >= 2 * s**2:
        return math.inf
    return s**2 / (1 - tau / (2 * s**2))


EXERCISE = Exercise(
    name="07.chain_variance", title="The bias of a step", reference=chain_variance, minutes=7, level=3, gradients=[]
)
