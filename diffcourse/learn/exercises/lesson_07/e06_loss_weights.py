"""What a loss on another prediction weighs."""

from collections.abc import Callable

import torch

from diffcourse.learn.exercise import Exercise, Invariant, Mistake


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


def loss_weights_by_example(alpha, sigma):
    """From a single score, x0 and eps, in one dimension."""
    score, x0, eps = 0.7, -0.3, 1.1
    loss = (score + eps / sigma) ** 2 / 2
    eps_hat = -sigma * score
    x0_hat = (alpha * x0 + sigma * eps + sigma**2 * score) / alpha
    v, v_hat = alpha * eps - sigma * x0, alpha * eps_hat - sigma * x0_hat
    return (eps_hat - eps) ** 2 / loss, (x0_hat - x0) ** 2 / loss, (v_hat - v) ** 2 / loss


def loss_weights_by_nsr(alpha, sigma):
    u = sigma / alpha
    return torch.tensor([1.0, u**2, (alpha + u * sigma) ** 2], dtype=torch.float64) * 2 * sigma**2


def _weights(
    eps: Callable = lambda a, s: 2 * s**2,
    x0: Callable = lambda w, a, s: w * s**2 / a**2,
    v: Callable = lambda w, a, s: w * ((a**2 + s**2) / a) ** 2,
) -> Callable:
    """loss_weights with a part of its own; the first factor is handed on."""

    def wrong(alpha, sigma):
        w = eps(alpha, sigma)
        return w, x0(w, alpha, sigma), v(w, alpha, sigma)

    return wrong


def _interchanged(alpha, sigma):
    eps, x0, v = loss_weights(alpha, sigma)
    return x0, eps, v


def all_alike_where(f: Callable) -> bool:
    """Where alpha = sigma, an error of the noise is as long as one of the image."""
    eps, x0, _ = f(0.4, 0.4)
    return abs(float(eps) - float(x0)) < 1e-5


EXERCISE = Exercise(
    name="07.loss_weights",
    title="DDPM's loss, and two more",
    minutes=7,
    level=3,
    reference=loss_weights,
    alternatives=[loss_weights_by_example, loss_weights_by_nsr],
    cases=[(0.8, 0.6), (1.0, 0.5), (0.3, 2.0), (0.5, 0.5)],
    invariants=[
        Invariant(
            "noise and image alike",
            all_alike_where,
            "Where α = σ, an error in the noise and one in the image weigh alike: α·x₀ + σ·ε is xₜ, so one error makes up for the other. "
            "Yours differ.",
        ),
    ],
    mistakes=[
        Mistake(
            "no half",
            _weights(eps=lambda a, s: s**2),
            "All three are half of what they should be. denoising_loss has a ½ that the other losses have not.",
        ),
        Mistake(
            "halved twice",
            _weights(eps=lambda a, s: s**2 / 2),
            "All three are a quarter of what they should be: the ½ of denoising_loss has to be undone, not repeated.",
        ),
        Mistake(
            "the other direction",
            lambda a, s: tuple(1 / w for w in loss_weights(a, s)),
            "These lead the other way, from the other losses to the denoising loss.",
        ),
        Mistake(
            "not squared",
            _weights(lambda a, s: 2 * s, lambda w, a, s: w * s / a, lambda w, a, s: w * (a**2 + s**2) / a),
            "Your factors are those of the errors. The losses are squares of them.",
        ),
        Mistake(
            "divided by the variance",
            _weights(eps=lambda a, s: 2 / s**2),
            "You divide by σ². eps_hat − eps is −σ times the error of the score: multiply.",
        ),
        Mistake(
            "first factor once",
            _weights(x0=lambda w, a, s: s**2 / a**2, v=lambda w, a, s: ((a**2 + s**2) / a) ** 2),
            "The first is right. The two others lead from the loss of eps on: asked is what leads from the denoising loss.",
        ),
        Mistake(
            "from the loss of eps",
            lambda a, s: (1.0, s**2 / a**2, ((a**2 + s**2) / a) ** 2),
            "These lead from the loss of eps to all three. Asked is what leads from the denoising loss of the score.",
        ),
        Mistake(
            "x0 upside down",
            _weights(x0=lambda w, a, s: w * a**2 / s**2),
            "The factor of x0 has α and σ interchanged: at small noise a wrong score hardly harms the image.",
        ),
        Mistake(
            "x0 without alpha",
            _weights(x0=lambda w, a, s: w * s**2),
            "The factor of x0 lacks α: the image is (xₜ − σ·ε)/α, so its errors are divided by α.",
        ),
        Mistake(
            "x0 without sigma",
            _weights(x0=lambda w, a, s: w / a**2),
            "The factor of x0 lacks a σ²: Tweedie's formula multiplies the score by σ², and the loss squares that.",
        ),
        Mistake(
            "v on a circle",
            _weights(v=lambda w, a, s: w / a**2),
            "Your factor of v holds where α² + σ² = 1. Other paths do not keep the variance.",
        ),
        Mistake(
            "v half squared",
            _weights(v=lambda w, a, s: w * (a**2 + s**2) / a**2),
            "The first two are right. In your v the sum α² + σ² is not squared, and the α below it is: the error as a whole is squared.",
        ),
        Mistake(
            "v by alpha alone",
            _weights(v=lambda w, a, s: w * a**2),
            "Your factor of v counts the error of the noise only. The image that is taken off has one too.",
        ),
        Mistake(
            "v with the wrong sign",
            _weights(v=lambda w, a, s: w * (a - s**2 / a) ** 2),
            "In your v the two errors work against each other. If the noise is taken too large, the image comes out too small, and v takes "
            "the image off: they add up.",
        ),
        Mistake(
            "v as if independent",
            _weights(v=lambda w, a, s: w * (a**2 + s**4 / a**2)),
            "In your v the squares of the two errors add up, as if they were independent. One is a multiple of the other: the errors "
            "themselves add up.",
        ),
        Mistake(
            "v like eps",
            _weights(v=lambda w, a, s: w),
            "Your v weighs as eps does. v holds the image as well: what is an error of the score worth there?",
        ),
        Mistake(
            "x0 and eps interchanged",
            _interchanged,
            "All three are right, but the first two are interchanged: eps, x0, v.",
        ),
        Mistake(
            "all alike",
            _weights(x0=lambda w, a, s: w, v=lambda w, a, s: w),
            "You give all three losses the factor of eps. An error in the score is worth another one in the image, and in v.",
        ),
    ],
    gradients=[],  # plain numbers will do
    allowed={"alpha negated": "only its square counts", "sigma negated": "only its square counts"},
    hints=[
        "Let e be the error of the score, score + ε/σ, so that denoising_loss is ½·|e|². Say the three other errors in e.",
        "xₜ is known: what is too much in σ·eps_hat is too little in α·x0_hat. So one error gives the next.",
        "eps_hat − eps is −σ·e. The error of the image is that times −σ/α; v's is α times the first less σ times the second. Square, and "
        "undo the ½.",
    ],
    insight="DDPM's simple loss is denoising score matching at every level, each weighted by 2·σ²: its large losses at small noise are "
    "weighed down. To choose what a network predicts is to choose such a weight.",
)
