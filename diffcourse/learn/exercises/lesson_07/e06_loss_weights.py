"""What a loss on another prediction weighs."""

from diffcourse.learn.exercise import Exercise


def loss_weights(alpha: float, sigma: float) -> tuple[float, float, float]:
    """By what the denoising loss of a score is multiplied to become another loss.

    The others are |eps_hat − eps|², |x0_hat − x0|² and |v_hat − v|², summed over the
    dimensions, where eps_hat, x0_hat and v_hat are what the score says by `from_score`, and
    v = alpha·eps − sigma·x0.
    alpha and sigma numbers above 0, of any path: alpha² + sigma² need not be 1. To derive.
    Returns the three factors, in the order eps, x0, v.
    """
    of_eps = 2 * sigma**2
    return of_eps, of_eps * (sigma / alpha) ** 2, of_eps * (alpha + sigma**2 / alpha) ** 2


EXERCISE = Exercise(
    name="07.loss_weights",
    title="DDPM's loss, and three more",
    reference=loss_weights,
    minutes=7,
    level=3,
    gradients=[],
)
