"""The velocity of the ODE, from a network that predicts noise."""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def velocity(
    x: Tensor,
    eps: Tensor,
    alpha: float,
    sigma: float,
    d_alpha: float,
    d_sigma: float,
) -> Tensor:
    """dx/dt of the ODE that carries the distribution of a path x_t = alpha·x0 + sigma·eps.

    eps (B, …) is what a network predicts at x (B, …): the mean of the noise, given x. alpha and
    sigma are the path's values at this t, both > 0, d_alpha and d_sigma their rates of change.
    Returns x's shape. Differentiable in x and eps.
    """
    x0 = (x - sigma * eps) / alpha
    return d_alpha * x0 + d_sigma * eps


EXERCISE = Exercise(
    name="08.velocity",
    title="The ODE, from the predicted noise",
    minutes=6,
    level=2,
    reference=velocity,
)
