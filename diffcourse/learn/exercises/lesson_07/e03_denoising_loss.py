"""Vincent's loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_07._cases import AScore, pull
from diffcourse.schedule import Level
from diffcourse.score import denoising_loss as in_package


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


def denoising_loss_from_the_density(score, x0, eps, alpha, sigma):
    x_t = x0 * alpha + eps * sigma
    target = (alpha * x0 - x_t) / sigma**2
    return 0.5 * ((score(x_t) - target) ** 2).reshape(len(x0), -1).sum(-1)


def denoising_loss_by_autograd(score, x0, eps, alpha, sigma):
    x_t = (alpha * x0 + sigma * eps).detach().requires_grad_()
    log_q = torch.distributions.Normal(alpha * x0, sigma).log_prob(x_t)
    (target,) = torch.autograd.grad(log_q.sum(), x_t)
    return torch.stack([(a - b).pow(2).sum() / 2 for a, b in zip(score(x_t), target, strict=True)])


def _loss(
    x_t: Callable = lambda x0, eps, a, s: a * x0 + s * eps,
    target: Callable = lambda x0, eps, a, s: -eps / s,
    measure: Callable = lambda e: e.flatten(1).square().sum(dim=1) / 2,
) -> Callable:
    """denoising_loss with a part of its own."""
    return lambda score, x0, eps, a, s: measure(score(x_t(x0, eps, a, s)) - target(x0, eps, a, s))


def case(alpha: float, sigma: float, *shape: int):
    D = torch.Size(shape[1:]).numel()
    return lambda g: (AScore(g, D), normal(g, *shape), normal(g, *shape), alpha, sigma)


def exact_for_one_point(f: Callable) -> bool:
    """Data that are all one point: its noised score is −(x − 0.8·c)/σ², and has loss 0."""
    x0, eps = torch.full((3, 2), 0.5), torch.tensor([[0.3, -1.0], [2.0, 0.1], [-0.4, 0.0]])
    return close(f(lambda x: (0.4 - x) / 0.25, x0, eps, 0.8, 0.5), torch.zeros(3))


def four_times_the_other_way(f: Callable) -> bool:
    """A score as long as the target and opposite to it is twice that length away."""
    x0, eps = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 4.0]])
    return close(f(lambda x: torch.tensor([[6.0, 8.0]]), x0, eps, 0.7, 0.5), torch.tensor([200.0]))


EXERCISE = Exercise(
    name="07.denoising_loss",
    title="A loss from pairs",
    minutes=6,
    level=2,
    reference=denoising_loss,
    alternatives=[denoising_loss_from_the_density, denoising_loss_by_autograd],
    cases=[
        (pull, torch.tensor([[1.0, -0.5]]), torch.tensor([[0.6, 1.0]]), 0.5, 0.4),
        case(0.8, 0.6, 3, 2),
        case(1.0, 0.1, 2, 3),
        case(0.3, 2.5, 4, 1),
        case(0.9, 0.7, 2, 1, 2, 3),
    ],
    invariants=[
        Invariant(
            "nothing left for one point",
            exact_for_one_point,
            "Where all data are one point c, q(xₜ | x₀) is all of p, and its score −(x − α·c)/σ² must have the loss 0. Yours is not 0.",
        ),
        Invariant(
            "the other way",
            four_times_the_other_way,
            "A score as long as its target that points the other way is twice that length away from it: half the square of that must come "
            "out. Yours is another number. Distances are those of arrows, not of their lengths.",
        ),
    ],
    mistakes=[
        Mistake(
            "asked at the clean point",
            _loss(x_t=lambda x0, eps, a, s: x0),
            "The score is asked at the clean x₀. It is to be learnt where the noised points lie.",
        ),
        Mistake(
            "the wrong sign",
            _loss(target=lambda x0, eps, a, s: eps / s),
            "Your target is +ε/σ, which points away from α·x₀. The density q(xₜ | x₀) grows towards its mean.",
        ),
        Mistake(
            "the noise as target",
            _loss(target=lambda x0, eps, a, s: -eps),
            "Your target is −ε. The gradient of −|xₜ − α·x₀|²/(2σ²) has another power of σ: put xₜ − α·x₀ = σ·ε into it.",
        ),
        Mistake(
            "the noise itself as target",
            _loss(target=lambda x0, eps, a, s: eps),
            "Your target is ε, as for a network that predicts noise. A score differs from it by a factor and by its sign.",
        ),
        Mistake(
            "one power of σ too many",
            _loss(target=lambda x0, eps, a, s: -eps / s**2),
            "Your target is −ε/σ². In −(xₜ − α·x₀)/σ² the difference holds a σ itself.",
        ),
        Mistake(
            "the factor on top",
            _loss(target=lambda x0, eps, a, s: -eps * s),
            "Your target is −σ·ε. The less noise, the steeper the density: σ belongs below the line.",
        ),
        Mistake(
            "alpha forgotten in the target",
            _loss(target=lambda x0, eps, a, s: (x0 - a * x0 - s * eps) / s**2),
            "Your target points from xₜ to x₀. The mean of q(xₜ | x₀) is α·x₀.",
        ),
        Mistake(
            "alpha forgotten",
            _loss(x_t=lambda x0, eps, a, s: x0 + s * eps),
            "Your noised point has x₀ in full strength. On this path the data are shrunk by α too.",
        ),
        Mistake(
            "variance for standard deviation",
            _loss(x_t=lambda x0, eps, a, s: a * x0 + s**2 * eps),
            "You noise with σ²·ε. σ is the standard deviation of the noise: ε is multiplied by it as it is.",
        ),
        Mistake(
            "alpha from sigma",
            _loss(x_t=lambda x0, eps, a, s: max(0.0, 1 - s**2) ** 0.5 * x0 + s * eps),
            "You work α out as √(1 − σ²). Not every path keeps the variance: take the α that is given.",
        ),
        Mistake(
            "roots of alpha and sigma",
            _loss(x_t=lambda x0, eps, a, s: a**0.5 * x0 + (1 - a) ** 0.5 * eps if a <= 1 else x0),
            "You take alpha for ᾱ and put it under roots. Here α and σ are the factors of image and noise themselves.",
        ),
        Mistake(
            "points from the image",
            _loss(target=lambda x0, eps, a, s: x0),
            "You compare the score with x₀. A score is an arrow, and this is a place.",
        ),
        Mistake(
            "no half",
            _loss(measure=lambda e: e.flatten(1).square().sum(dim=1)),
            "Yours is the whole squared distance: half of it is asked for.",
        ),
        Mistake(
            "weighted by the variance",
            lambda score, x0, eps, a, s: s**2 * denoising_loss(score, x0, eps, a, s),
            "Yours is multiplied by σ², as one does where one network learns many levels (part 8). Here the loss is asked for as it is.",
        ),
        Mistake(
            "mean over the coordinates",
            _loss(measure=lambda e: e.flatten(1).square().mean(dim=1) / 2),
            "You take the mean over the coordinates. The squared distance is a sum.",
        ),
        Mistake(
            "one number",
            _loss(measure=lambda e: e.flatten(1).square().sum(dim=1).mean() / 2),
            "This is the mean over the points. Asked is one number a point; its mean is taken for training.",
        ),
        Mistake(
            "one number for all coordinates",
            _loss(measure=lambda e: e.square().mean() / 2),
            "You take the mean over points and coordinates. Asked is one number a point, summed over its coordinates.",
        ),
        Mistake(
            "summed over one dimension",
            _loss(measure=lambda e: e.square().sum(dim=1) / 2),
            "You sum over dimension 1 alone. Of images two dimensions stay: sum over all that follows the first.",
        ),
        Mistake(
            "summed over the last dimension",
            _loss(measure=lambda e: e.square().sum(dim=-1) / 2),
            "You sum over the last dimension alone. Of images others stay: sum over all that follows the first.",
        ),
        Mistake(
            "distance, not squared",
            _loss(measure=lambda e: e.flatten(1).norm(dim=1) / 2),
            "Yours is half the distance. Its square is asked for: only then the mean over x₀ is what is learnt.",
        ),
    ],
    gradients=["score"],
    package=InPackage(
        "denoising_loss(score, x0, at, noise=eps)",
        lambda score, x0, eps, alpha, sigma: in_package(score, x0, Level(0.0, alpha, sigma), noise=eps),
    ),
    hints=[
        "q(xₜ | x₀) is one Gaussian, of mean α·x₀ and standard deviation σ. You know the score of a Gaussian.",
        "It is −(xₜ − α·x₀)/σ². Put xₜ = α·x₀ + σ·ε into it, and much cancels.",
        "Make xₜ, ask the score there, take the target off, square, sum over all dimensions but the first, halve.",
    ],
    allowed={"score called twice": "the same at twice the price, which the stub does not forbid"},
    insight="Neither p nor a derivative was needed: pairs (x₀, ε) are enough. What is learnt is the score of the noised data, the mean of "
    "these targets given xₜ.",
)
