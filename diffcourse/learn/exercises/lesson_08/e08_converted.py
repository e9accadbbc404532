"""A network from another course, in our notation."""

from collections.abc import Callable

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def converted(
    theirs: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    t: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """What a flow network from another course says, in our notation.

    Theirs: time s, noise at s = 0 and data at s = 1, x_s = s·data + (1 - s)·noise, and
    theirs(x, s), x (B, …) and s (B,), predicts dx/ds, the velocity towards the data.
    Ours: time t, data at t = 0 and noise at t = 1, on the same straight line.
    x (B, …) and t (B,), our time, each in [0, 1]. theirs is called once, on the whole batch.
    Returns (velocity, x0, eps), each of x's shape: our dx/dt at x, and the data and the noise
    that it stands for. Differentiable in x.
    """
    each = t.view(-1, *[1] * (x.ndim - 1))
    v = -theirs(x, 1 - t)
    return v, x - each * v, x + (1 - each) * v


EXERCISE = Exercise(
    name="08.converted",
    title="Another course's network",
    minutes=6,
    level=2,
    reference=converted,
)
