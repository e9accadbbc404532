"""What no score can learn away."""

from diffcourse.learn.exercise import Exercise


def irreducible(D: int, sigma: float, energy: float) -> float:
    """The least mean that denoising_loss can have, over all scores.

    D: dimensions of a point; sigma: standard deviation of the noise;
    energy: E|∇log p(x_t)|², the mean squared length of the exact score of the noised data.
    To derive. Returns a number.
    """
    return (D / sigma**2 - energy) / 2


EXERCISE = Exercise(
    name="07.irreducible", title="What is left of the loss", reference=irreducible, minutes=7, level=3, gradients=[]
)
