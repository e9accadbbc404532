"""The network that a perfect training would give, for data so simple that it can be written down."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.mixture import GaussianMixture
from diffcourse.schedule import Level


def exact_noise(x: Tensor, t: Tensor, alpha_bars: Tensor, mean: float, std: float) -> Tensor:
    """What a network that predicts the noise would say after a perfect training.

    Every number of a clean image is drawn from N(mean, std²), independently of all others, and
    x_t = √ᾱ_t·x0 + √(1-ᾱ_t)·eps with standard Gaussian eps. x (B, C, H, W) are noisy images,
    t (B,), int64, the step of each; alpha_bars (T,) lie strictly between 0 and 1; std may be 0.
    Returns, of x's shape, the prediction of eps whose mean squared error is smallest.
    Differentiable in x.
    """
    alpha_bar = alpha_bars[t].view(-1, 1, 1, 1)
    variance = alpha_bar * std**2 + 1 - alpha_bar
    return (1 - alpha_bar).sqrt() * (x - alpha_bar.sqrt() * mean) / variance


def by_bayes(x, t, alpha_bars, mean, std):
    """The clean image's posterior mean, by precisions; then the noise that is left."""
    ab = alpha_bars[t][:, None, None, None]
    if std == 0:
        return (x - ab.sqrt() * mean) / (1 - ab).sqrt()
    precision = 1 / std**2 + ab / (1 - ab)
    x0 = (mean / std**2 + ab.sqrt() * x / (1 - ab)) / precision
    return (x - ab.sqrt() * x0) / (1 - ab).sqrt()


def by_score(x, t, alpha_bars, mean, std):
    """eps = -sigma · score, and the score of a Gaussian by autograd."""
    out = []
    for image, step in zip(x, t.tolist(), strict=True):
        ab = float(alpha_bars[step])
        law = torch.distributions.Normal(ab**0.5 * mean, (ab * std**2 + 1 - ab) ** 0.5)
        image = image if image.requires_grad else image.detach().requires_grad_()
        with torch.enable_grad():
            (score,) = torch.autograd.grad(law.log_prob(image).sum(), image, create_graph=True)
        out.append(-((1 - ab) ** 0.5) * score)
    return torch.stack(out)


def in_package(x: Tensor, t: Tensor, alpha_bars: Tensor, mean: float, std: float) -> Tensor:
    rows = []
    for image, step in zip(x, t.tolist(), strict=True):
        ab = float(alpha_bars[step])
        flat = image.flatten()
        one = GaussianMixture(torch.full((1, len(flat)), mean, dtype=x.dtype), std)
        rows.append(one.denoise(flat[None], Level(step, ab**0.5, (1 - ab) ** 0.5)).eps.view_as(image))
    return torch.stack(rows)


def _by_precisions(x, t, alpha_bars, mean, std):
    alpha, sigma = _factors(t, alpha_bars)
    x0 = (mean / std**2 + alpha * x / sigma**2) / (1 / std**2 + alpha**2 / sigma**2)
    return (x - alpha * x0) / sigma


def _factors(t: Tensor, alpha_bars: Tensor) -> tuple[Tensor, Tensor]:
    ab = alpha_bars[t].view(-1, 1, 1, 1)
    return ab.sqrt(), (1 - ab).sqrt()


def _of(formula: Callable) -> Callable:
    """formula(x, alpha, sigma, mean, std)"""
    return lambda x, t, alpha_bars, mean, std: formula(x, *_factors(t, alpha_bars), mean, std)


def draw(B: int, shape: tuple, alpha_bars: list[float], mean: float, std: float) -> Callable:
    return lambda g: (
        normal(g, B, *shape),
        torch.randint(len(alpha_bars), (B,), generator=g),
        torch.tensor(alpha_bars),
        mean,
        std,
    )


BARS = torch.tensor([0.99, 0.6, 0.1])


def finds_all_noise_of_a_point(f: Callable) -> bool:
    """With std 0 the clean image is known, and so is the noise."""
    eps = torch.linspace(-2, 2, 12).view(3, 1, 2, 2)
    t = torch.tensor([0, 1, 2])
    alpha, sigma = _factors(t, BARS)
    return close(f(alpha * 0.3 + sigma * eps, t, BARS, 0.3, 0.0), eps, 1e-3)


def keeps_noise_of_unit_data(f: Callable) -> bool:
    """For data of mean 0 and variance 1, x_t has variance 1 at every step, and sigma·x_t is best."""
    x = torch.linspace(-1, 2, 12).view(3, 1, 2, 2)
    t = torch.tensor([2, 0, 1])
    return close(f(x, t, BARS, 0.0, 1.0), (1 - BARS[t]).sqrt().view(-1, 1, 1, 1) * x, 1e-3)


EXERCISE = Exercise(
    name="11.exact_noise",
    title="The network of a perfect training",
    minutes=10,
    level=2,
    reference=exact_noise,
    alternatives=[by_bayes, by_score],
    gradients=["x"],
    package=InPackage("GaussianMixture(mean, std).denoise(x, at).eps", in_package),
    tolerance=1e-3,
    allowed={"std negated": "only its square counts"},
    cases=[
        (torch.tensor([[[[1.0]]]]), torch.tensor([1]), torch.tensor([0.9, 0.36]), 0.5, 0.5),
        draw(3, (1, 2, 2), [0.98, 0.5, 0.04], 0.5, 0.4),
        draw(4, (2, 3, 1), [0.9, 0.3], -0.7, 0.2),
        draw(2, (1, 2, 3), [0.95, 0.6, 0.2, 0.01], 0.2, 1.7),
        draw(2, (1, 2, 2), [0.8, 0.1], 0.4, 0.0),
        (torch.ones(2, 1, 1, 2), torch.tensor([2, 0]), torch.tensor([0.999, 0.9, 0.5]), 0.0, 0.3),
    ],
    invariants=[
        Invariant(
            "one point",
            finds_all_noise_of_a_point,
            "With std 0 all clean images are the same, so the noise in x_t is known exactly. Yours does not find it.",
        ),
        Invariant(
            "unit data",
            keeps_noise_of_unit_data,
            "For data with mean 0 and std 1, x_t has variance 1 at all steps, and eps and x_t have the covariance sigma. So the best "
            "prediction is sigma times x_t. Yours is another one.",
        ),
    ],
    mistakes=[
        Mistake(
            "std 0 by precisions",
            lambda x, t, alpha_bars, mean, std: _by_precisions(x, t, alpha_bars, mean, torch.tensor(std)),
            "Right, but for std = 0: 1/std² is infinite there, and infinity over infinity is no number. std may be 0.",
        ),
        Mistake(
            "std 0 by precisions, in plain numbers",
            _by_precisions,
            "Right, but for std = 0: there 1/std² is a division by zero. std may be 0.",
        ),
        Mistake(
            "clean image known",
            _of(lambda x, a, s, m, d: (x - a * m) / s),
            "You take the mean for the clean image, as if the data did not scatter. Of x - alpha·mean, some is noise and some is image.",
        ),
        Mistake(
            "standardised",
            _of(lambda x, a, s, m, d: (x - a * m) / (a**2 * d**2 + s**2).sqrt()),
            "You standardise x_t: yours has variance 1. A best guess of something uncertain varies less than the thing itself.",
        ),
        Mistake(
            "no mean",
            _of(lambda x, a, s, m, d: s * x / (a**2 * d**2 + s**2)),
            "Right for data with mean 0. What does the mean of the data do to that of x_t?",
        ),
        Mistake(
            "mean not faded",
            _of(lambda x, a, s, m, d: s * (x - m) / (a**2 * d**2 + s**2)),
            "You subtract the data's mean. In x_t the image has a factor, and its mean with it.",
        ),
        Mistake(
            "mean faded twice",
            _of(lambda x, a, s, m, d: s * (x - a**2 * m) / (a**2 * d**2 + s**2)),
            "You multiply the mean by ᾱ. By what is the image multiplied in x_t?",
        ),
        Mistake(
            "std for variance",
            _of(lambda x, a, s, m, d: s * (x - a * m) / (a**2 * d + s**2)),
            "You add a variance and a standard deviation.",
        ),
        Mistake(
            "added deviations",
            _of(lambda x, a, s, m, d: s * (x - a * m) / (a * d + s) ** 2),
            "You add standard deviations. Of independent things, what adds up?",
        ),
        Mistake(
            "no sigma",
            _of(lambda x, a, s, m, d: (x - a * m) / (a**2 * d**2 + s**2)),
            "A factor is missing: this is minus the score of x_t. What leads from the score to the noise?",
        ),
        Mistake(
            "variance for sigma",
            _of(lambda x, a, s, m, d: s**2 * (x - a * m) / (a**2 * d**2 + s**2)),
            "This is the best guess of sigma·eps, the noise as it stands in x_t. eps itself is asked for.",
        ),
        Mistake(
            "the score",
            _of(lambda x, a, s, m, d: -(x - a * m) / (a**2 * d**2 + s**2)),
            "This is the score of x_t. What leads from it to the noise?",
        ),
        Mistake("sign", _of(lambda x, a, s, m, d: -s * (x - a * m) / (a**2 * d**2 + s**2)), "The sign is turned."),
        Mistake(
            "the image",
            _of(lambda x, a, s, m, d: m + a * d**2 * (x - a * m) / (a**2 * d**2 + s**2)),
            "This is the best guess of the clean image. The noise is asked for.",
        ),
        Mistake(
            "the image's part",
            _of(lambda x, a, s, m, d: a * d**2 * (x - a * m) / (a**2 * d**2 + s**2)),
            "You take the image's share of what is left, and not the noise's.",
        ),
        Mistake(
            "data's scatter not faded",
            _of(lambda x, a, s, m, d: s * (x - a * m) / (d**2 + s**2)),
            "You add the data's variance as it is before the noising. In x_t the image has a factor.",
        ),
        Mistake(
            "alpha not squared",
            _of(lambda x, a, s, m, d: s * (x - a * m) / (a * d**2 + s**2)),
            "In the variance of x_t, the image's factor has to be squared.",
        ),
        Mistake(
            "alpha_bar for its root",
            lambda x, t, alpha_bars, mean, std: _of(lambda x, a, s, m, d: s**2 * (x - a**2 * m) / (a**4 * d**2 + s**4))(
                x, t, alpha_bars, mean, std
            ),
            "You use ᾱ and 1 - ᾱ themselves as factors of image and noise. x_t has their roots.",
        ),
        Mistake(
            "exchanged",
            _of(lambda x, a, s, m, d: a * (x - s * m) / (s**2 * d**2 + a**2)),
            "The factors of image and noise stand in each other's places.",
        ),
        Mistake(
            "one step for all",
            lambda x, t, alpha_bars, mean, std: exact_noise(x, t[:1].expand(len(x)), alpha_bars, mean, std),
            "You use the first image's step for all of them. Each has its own.",
        ),
    ],
    hints=[
        "x_t and eps are jointly Gaussian. The best guess of one from the other is then a straight line.",
        "Its slope is a covariance over a variance. What is the variance of x_t, and what has x_t in common with eps?",
        "Take the mean of x_t away; divide by the variance of x_t, in which image and noise add up; multiply by the covariance of x_t "
        "and eps.",
    ],
    insight="Hand it to any sampler as the network, and the samples must have this mean and this standard deviation. A sampler that "
    "misses them is wrong, and no training was needed to know it.",
)
