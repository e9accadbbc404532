"""The loss of flow matching."""

from collections.abc import Callable

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def flow_loss(
    network: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
) -> Tensor:
    """The loss with which a network learns the velocity of the straight path, for each point.

    The path goes from the data at t = 0 to the noise at t = 1, in a straight line and at an
    even pace. network(x, t), x (B, …) and t (B,), returns its guess of dx/dt, in x's shape.
    x0 (B, …) data, eps (B, …) noise, t (B,) in [0, 1], one for each point. Returns (B,): of
    each point, the mean over its entries of the squared error. Differentiable in the network's
    parameters, x0 and eps.
    """
    each = t.view(-1, *[1] * (x0.ndim - 1))
    x_t = (1 - each) * x0 + each * eps
    error = network(x_t, t) - (eps - x0)
    return error.flatten(1).square().mean(dim=1)


EXERCISE = Exercise(
    name="08.flow_loss",
    title="The loss of flow matching",
    minutes=6,
    level=2,
    reference=flow_loss,
)
