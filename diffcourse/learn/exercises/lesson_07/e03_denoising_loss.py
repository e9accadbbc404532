"""Vincent's loss."""

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def denoising_loss(score, x0: Tensor, eps: Tensor, alpha: float, sigma: float) -> Tensor:
    """Vincent's loss: half the squared distance of score(x_t) from the score of q(x_t | x0).

    x_t is the noised x0, with mean alpha·x0 and standard deviation sigma; eps is its standard
    Gaussian noise. x0 and eps (B, …), alpha and sigma numbers, sigma > 0; score: a function of
    (B, …) -> (B, …).
    Returns (B,): for each point, summed over all that follows its first dimension.
    Differentiable in the score: a network is trained with it.
    """
    x_t = alpha * x0 + sigma * eps
    return (score(x_t) + eps / sigma).flatten(1).square().sum(dim=1) / 2


EXERCISE = Exercise(name="07.denoising_loss", title="A loss from pairs", reference=denoising_loss, minutes=6, level=2)
