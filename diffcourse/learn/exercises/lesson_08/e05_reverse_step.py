"""A step back in time, with as much noise as one likes."""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def reverse_step(
    x: Tensor,
    score: Tensor,
    f: float,
    g: float,
    dt: float,
    eta: float,
    z: Tensor,
) -> Tensor:
    """One step of size dt < 0, back towards the data, of Euler and Maruyama.

    Forward, dx = f·x·dt + g·dw; score (B, …) is the gradient of log p_t at x. The process to
    step along has noise of strength eta·g in the place of g, eta >= 0, and the drift that gives
    it, run back, the same distribution p_t at every time: eta = 1 is the reverse SDE, eta = 0
    is an ODE, others lie between or beyond. Derive its drift for every eta.
    x, z (fresh standard Gaussian noise) (B, …); f, g, dt, eta numbers. Returns x at t + dt, of
    x's shape. Differentiable in x, score and z.
    """
    drift = f * x - (1 + eta**2) / 2 * g**2 * score
    return x + drift * dt + eta * g * (-dt) ** 0.5 * z


EXERCISE = Exercise(
    name="08.reverse_step",
    title="Back, with as much noise as you like",
    minutes=8,
    level=3,
    reference=reverse_step,
)
