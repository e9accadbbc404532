"""The score of a mixture of Gaussians."""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def mixture_score(x: Tensor, means: Tensor, stds: Tensor, weights: Tensor) -> Tensor:
    """The score ∇ log p of the mixture p(x) = sum_k weights_k·N(x; means_k, stds_k²·I).

    x (B, D) points; means (K, D), stds (K,) and weights (K,), which add up to 1. To derive.
    Returns (B, D): an arrow for each point, finite also so far out that p(x) rounds to 0.
    Differentiable in x.
    """
    squares = (x[:, None] - means).square().sum(dim=2)
    log_joint = weights.log() - means.shape[1] * stds.log() - squares / (2 * stds**2)
    share = log_joint.softmax(dim=1)[..., None]
    return (share * (means - x[:, None]) / stds[:, None] ** 2).sum(dim=1)


EXERCISE = Exercise(
    name="07.mixture_score", title="The arrows of a mixture", reference=mixture_score, minutes=8, level=2
)
