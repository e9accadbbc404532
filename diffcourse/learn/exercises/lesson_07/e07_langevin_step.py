"""A step of Langevin dynamics."""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def langevin_step(score, x: Tensor, tau: float, z: Tensor) -> Tensor:
    """One step of Langevin dynamics: x moves by tau times the score, and is shaken by z.

    How strongly it is shaken is to be derived: points that are drawn from the density of the
    score must stay so, for small tau to first order. N(0, 1), whose score is −x, tells it.
    score: a function of x (B, …) -> (B, …), to be called once; tau a number above 0; z standard
    Gaussian noise of x's shape. Returns the new x; the old one stays as it is.
    """
    return x + tau * score(x) + (2 * tau) ** 0.5 * z


EXERCISE = Exercise(
    name="07.langevin_step",
    title="A step of Langevin dynamics",
    reference=langevin_step,
    minutes=5,
    level=2,
    gradients=[],
)
