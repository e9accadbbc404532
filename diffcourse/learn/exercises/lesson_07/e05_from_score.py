"""A score in the words of the other predictions."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.denoiser import estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.schedule import Level


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


def from_score_by_tweedie(score, x_t, alpha, sigma):
    x0 = (x_t + sigma**2 * score) / alpha
    eps = (x_t - alpha * x0) / sigma
    return [eps, x0, alpha * eps - sigma * x0]


def from_score_by_numbers(score, x_t, alpha, sigma):
    ratio = sigma / alpha
    return (
        score * -sigma,
        x_t / alpha + sigma * ratio * score,
        -ratio * x_t - ratio * (alpha**2 + sigma**2) * score,
    )


def in_package(score, x_t, alpha, sigma):
    at = Level(0.0, alpha, sigma)
    found = estimate(score, x_t, at, "score")
    return found.eps, found.x0, alpha * found.eps - sigma * found.x0


def _from(
    eps: Callable = lambda s, x, a, sg: -sg * s,
    x0: Callable = lambda e, s, x, a, sg: (x - sg * e) / a,
    v: Callable = lambda e, x0, x, a, sg: a * e - sg * x0,
    order: Callable = lambda e, x0, v: (e, x0, v),
) -> Callable:
    """from_score with a part of its own."""

    def wrong(score, x_t, alpha, sigma):
        noise = eps(score, x_t, alpha, sigma)
        image = x0(noise, score, x_t, alpha, sigma)
        return order(noise, image, v(noise, image, x_t, alpha, sigma))

    return wrong


def case(alpha: float, sigma: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), alpha, sigma)


def makes_up_x(f: Callable) -> bool:
    x = torch.tensor([[1.0, -2.0]])
    eps, x0, _ = f(torch.tensor([[0.7, 0.2]]), x, 0.5, 1.5)
    return close(0.5 * torch.as_tensor(x0) + 1.5 * torch.as_tensor(eps), x)


EXERCISE = Exercise(
    name="07.from_score",
    title="One prediction in four forms",
    minutes=6,
    level=2,
    reference=from_score,
    alternatives=[from_score_by_tweedie, from_score_by_numbers],
    cases=[
        (torch.tensor([[1.0, -0.5]]), torch.tensor([[0.4, 2.0]]), 0.8, 0.6),
        case(1.0, 0.3, 3, 2),
        case(0.4, 2.5, 2, 3),
        case(0.7, 0.2, 2, 1, 2, 2),
    ],
    invariants=[
        Invariant(
            "they make up x",
            makes_up_x,
            "Your x0 and eps do not make up xₜ: alpha·x0 + sigma·eps has to be xₜ, in the mean given xₜ too.",
        ),
    ],
    mistakes=[
        Mistake(
            "sign of the noise",
            _from(eps=lambda s, x, a, sg: sg * s),
            "Your eps points the way the score does. The score leads back to the data, the noise led away from them.",
        ),
        Mistake(
            "divided by sigma",
            _from(eps=lambda s, x, a, sg: -s / sg),
            "You divide the score by σ to get the noise. The score of q(xₜ | x₀) is −ε/σ: solve it for ε.",
        ),
        Mistake(
            "by the variance",
            _from(eps=lambda s, x, a, sg: -(sg**2) * s),
            "Your eps is −σ²·score: that is the mean of all that was added, σ·ε, not of ε.",
        ),
        Mistake(
            "the score as it is",
            _from(eps=lambda s, x, a, sg: -s),
            "Your eps is minus the score, whatever σ is. The score of q(xₜ | x₀) is −ε/σ.",
        ),
        Mistake(
            "x0 not brought to strength",
            _from(x0=lambda e, s, x, a, sg: x - sg * e),
            "Your x0 is xₜ without its noise: that is α·x₀, still shrunk.",
        ),
        Mistake(
            "x0 divided by alpha squared",
            _from(x0=lambda e, s, x, a, sg: (x - sg * e) / a**2),
            "You divide by α². Here α is the image's own factor, not ᾱ's root of a root: α once.",
        ),
        Mistake(
            "x0 with sigma for its square",
            _from(x0=lambda e, s, x, a, sg: (x + sg * s) / a),
            "In your x0 the score has the factor σ. Put eps = −σ·score into xₜ − σ·ε: which power comes out?",
        ),
        Mistake(
            "sign in x0",
            _from(x0=lambda e, s, x, a, sg: (x + sg * e) / a),
            "Your x0 has the noise added once more. It is to be taken off xₜ.",
        ),
        Mistake(
            "only the noise divided",
            _from(x0=lambda e, s, x, a, sg: x - sg * e / a),
            "In your x0 only the noise is divided by α: both terms are.",
        ),
        Mistake(
            "alpha from sigma",
            _from(x0=lambda e, s, x, a, sg: (x - sg * e) / max(1 - sg**2, 0.01) ** 0.5),
            "You work α out from σ. Not every path has α² + σ² = 1: take the α that is given.",
        ),
        Mistake(
            "sigma from alpha",
            _from(
                eps=lambda s, x, a, sg: -((1 - a**2) ** 0.5) * s,
                x0=lambda e, s, x, a, sg: (x - (1 - a**2) ** 0.5 * e) / a,
                v=lambda e, x0, x, a, sg: a * e - (1 - a**2) ** 0.5 * x0,
            ),
            "You work σ out from α. Not every path has α² + σ² = 1: take the σ that is given.",
        ),
        Mistake(
            "sign of v",
            _from(v=lambda e, x0, x, a, sg: sg * x0 - a * e),
            "eps and x0 are right. Your v has the other sign: the noise counts with plus.",
        ),
        Mistake(
            "v with its factors swapped",
            _from(v=lambda e, x0, x, a, sg: sg * e - a * x0),
            "eps and x0 are right. In your v the factors are interchanged: α belongs to the noise there.",
        ),
        Mistake(
            "v with noise and image swapped",
            _from(v=lambda e, x0, x, a, sg: a * x0 - sg * e),
            "eps and x0 are right. In your v noise and image are interchanged: α belongs to the noise, and the image is taken off.",
        ),
        Mistake(
            "v with a plus",
            _from(v=lambda e, x0, x, a, sg: a * e + sg * x0),
            "eps and x0 are right. In v the image is taken off.",
        ),
        Mistake(
            "v by circle",
            _from(v=lambda e, x0, x, a, sg: (a * x - x0) / sg),
            "eps and x0 are right. Your v comes from x₀ = α·xₜ − σ·v, which holds where α² + σ² = 1 only. Use the definition.",
        ),
        Mistake(
            "v by circle, from the noise",
            _from(v=lambda e, x0, x, a, sg: (e - sg * x) / a),
            "eps and x0 are right. Your v comes from ε = σ·xₜ + α·v, which holds where α² + σ² = 1 only. Use the definition.",
        ),
        Mistake(
            "v from the noisy image",
            _from(v=lambda e, x0, x, a, sg: a * e - sg * x),
            "eps and x0 are right. Your v takes off σ·xₜ: it is the predicted clean image that belongs there.",
        ),
        Mistake(
            "the flow for v",
            _from(v=lambda e, x0, x, a, sg: e - x0),
            "eps and x0 are right. Your v is ε − x₀, the velocity of the straight path: here v has the factors α and σ.",
        ),
        Mistake(
            "without v",
            _from(order=lambda e, x0, v: (e, x0)),
            "Both are right, and the third is missing: v.",
        ),
        Mistake(
            "x0 first",
            _from(order=lambda e, x0, v: (x0, e, v)),
            "All three are right, but the first two are interchanged: eps first.",
        ),
        Mistake(
            "v first",
            _from(order=lambda e, x0, v: (v, e, x0)),
            "All three are right, but in another order: eps, x0, v.",
        ),
    ],
    gradients=["score", "x_t"],
    package=InPackage('estimate(score, x_t, at, predicts="score"), and v from its eps and x0', in_package),
    hints=[
        "The score of the noised data is the mean of −ε/σ given xₜ. Which of the three does that give at once?",
        "Take the mean given xₜ on both sides of xₜ = α·x0 + σ·eps: it holds for the means too. Solve it for x0.",
        "v is linear in eps and x0, so its mean is the same combination of their means.",
    ],
    insight="One arrow, four names. Your x0 is Tweedie's formula, (xₜ + σ²·score)/α: the best guess at the image "
    "is one step along the score.",
)
