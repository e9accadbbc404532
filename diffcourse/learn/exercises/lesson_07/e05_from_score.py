"""A score in the words of the other predictions."""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def from_score(
    score: Tensor,
    x_t: Tensor,
    alpha: float,
    sigma: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """What a score at x_t = alpha·x0 + sigma·eps says of the noise, of the image, and of v.

    score and x_t (B, …); alpha and sigma numbers above 0, of any path: alpha² + sigma² need
    not be 1. Returns (eps, x0, v), each of x_t's shape: the means of eps, of x0 and of
    v = alpha·eps − sigma·x0, given x_t, that belong to this score. To derive.
    Differentiable in score and x_t.
    """
    eps = -sigma * score
    x0 = (x_t - sigma * eps) / alpha
    return eps, x0, alpha * eps - sigma * x0


EXERCISE = Exercise(
    name="07.from_score", title="One prediction in four forms", reference=from_score, minutes=6, level=2
)
