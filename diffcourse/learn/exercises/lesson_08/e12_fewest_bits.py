"""What no model can beat."""

import math

import torch

from diffcourse import sde
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake
from diffcourse.mixture import GaussianMixture
from diffcourse.schedule import Level


def fewest_bits(alpha: float, sigma: float, width: float) -> float:
    """Bits a pixel below which no model of slightly noisy data can come, however good it is.

    The model's density is that of y = x_t/alpha, for x_t = alpha·x0 + sigma·eps: data with a
    little noise left, in the units of the data. The data may be as simple as they like. How
    large can the density of y be anywhere, for each dimension? A grey is `width` wide, and its
    probability is taken to be the density times the width.
    alpha, sigma and width numbers > 0. Returns a number, which is below 0 where sigma is small.
    """
    return math.log2(sigma / alpha * math.sqrt(2 * math.pi) / width)


def by_the_density(alpha, sigma, width):
    highest = 1 / math.sqrt(2 * math.pi * (sigma / alpha) ** 2)
    return -math.log2(highest * width)


def by_torch(alpha, sigma, width):
    nsr = torch.tensor(sigma / alpha, dtype=torch.float64)
    peak = torch.distributions.Normal(torch.zeros_like(nsr), nsr).log_prob(torch.zeros_like(nsr))
    return float(-(peak + math.log(width)) / math.log(2))


def in_package(alpha, sigma, width):
    return sde.density_floor(Level(0.0, alpha, sigma), width)


def _floor(nsr=lambda a, s: s / a, room=lambda nsr: nsr * math.sqrt(2 * math.pi)):
    return lambda alpha, sigma, width: math.log2(room(nsr(alpha, sigma)) / width)


def a_single_picture_reaches_it(f) -> bool:
    """Data that are one point: their noised density has its peak there."""
    at, width = Level(0.0, 0.8, 0.6), 0.1
    point = GaussianMixture([[0.3]], 0.0)
    log_p = point.log_prob(torch.tensor([[0.3]], dtype=torch.float64) * at.alpha, at).item() + math.log(at.alpha)
    return abs(float(f(at.alpha, at.sigma, width)) + (log_p + math.log(width)) / math.log(2)) < 1e-4


EXERCISE = Exercise(
    name="08.fewest_bits",
    title="What no model can beat",
    minutes=7,
    level=3,
    reference=fewest_bits,
    alternatives=[by_the_density, by_torch],
    cases=[
        (0.8, 0.6, 0.25),
        (0.9995, 0.0292, 2 / 255),
        (0.6, 0.9, 1.0),
        (1.0, 0.01, 1 / 255),
        (0.3, 2.0, 3.0),
        (0.999, 0.001, 2 / 255),
    ],
    invariants=[
        Invariant(
            "a single picture reaches it",
            a_single_picture_reaches_it,
            "If all data are one and the same picture, its noised density is a Gaussian with its peak there: that costs just the fewest "
            "bits. By yours it costs another number.",
        ),
    ],
    mistakes=[
        Mistake(
            "the noise in x",
            _floor(nsr=lambda a, s: s),
            "Your noise has the spread sigma, which it has in x. In y = x/alpha, in the units of the data, it is larger.",
        ),
        Mistake(
            "alpha the wrong way",
            _floor(nsr=lambda a, s: s * a),
            "Your noise in y has the spread sigma·alpha. y is x divided by alpha, noise and all.",
        ),
        Mistake(
            "ratio upside down",
            _floor(nsr=lambda a, s: a / s),
            "Your ratio of noise and signal is upside down: less noise would cost more bits.",
        ),
        Mistake(
            "entropy of the noise",
            _floor(room=lambda nsr: nsr * math.sqrt(2 * math.pi * math.e)),
            "This is the entropy of the noise, the mean of minus log p. It holds for the mean over noisy data, but a single point may lie "
            "at the peak: how high is the density there?",
        ),
        Mistake(
            "the 2π without its root",
            _floor(room=lambda nsr: nsr * 2 * math.pi),
            "Before the exponential of a Gaussian stands one over its spread and the root of 2π.",
        ),
        Mistake(
            "root of pi",
            _floor(room=lambda nsr: nsr * math.sqrt(math.pi)),
            "Under the root stands 2π, not π.",
        ),
        Mistake(
            "the 2π forgotten",
            _floor(room=lambda nsr: nsr),
            "You compare the noise's spread with the grey. A Gaussian's peak is lower than one over its spread, by a known factor.",
        ),
        Mistake(
            "variance for the spread",
            _floor(room=lambda nsr: nsr**2 * math.sqrt(2 * math.pi)),
            "You have the variance of the noise where its standard deviation belongs: the peak's height is one over the latter.",
        ),
        Mistake(
            "nats",
            lambda a, s, width: math.log(s / a * math.sqrt(2 * math.pi) / width),
            "These are nats. Bits have the logarithm to the base 2.",
        ),
        Mistake(
            "the width's sign",
            lambda a, s, width: math.log2(s / a * math.sqrt(2 * math.pi) * width),
            "The width has the wrong sign: wider greys are easier to hit, and cost fewer bits.",
        ),
        Mistake(
            "the width forgotten",
            lambda a, s, width: math.log2(s / a * math.sqrt(2 * math.pi)),
            "These are the bits of the density itself. A grey's probability is the density times its width.",
        ),
        Mistake(
            "the sign",
            lambda a, s, width: -math.log2(s / a * math.sqrt(2 * math.pi) / width),
            "This is the logarithm of the greatest probability. The bits are minus that.",
        ),
        Mistake(
            "not below 0",
            lambda a, s, width: max(0.0, math.log2(s / a * math.sqrt(2 * math.pi) / width)),
            "You stop at 0. As a density times a width a “probability” may exceed 1, where the noise is much finer than a grey; then the "
            "floor says nothing, and the formula says so by being negative.",
        ),
        Mistake(
            "the density over a whole grey",
            lambda a, s, width: -math.log2(math.erf(width * a / s / math.sqrt(8))),
            "You integrate the peak over a whole grey: its true probability, never above 1. Here, as where such bits are published, "
            "density times width stands for it.",
        ),
        Mistake(
            "half forgotten",
            lambda a, s, width: math.log2(2 * math.pi * (s / a) ** 2 / width),
            "You have the logarithm of 2π·(spread)². Before the exponential of a Gaussian stands one over the root of that.",
        ),
    ],
    gradients=[],
    allowed={"alpha and width interchanged": "both stand below sigma, and may change places"},
    hints=[
        "y = x0 + (some spread)·eps. Which spread? The density of y is a mean, over all x0, of Gaussians of that spread.",
        "A mean is nowhere larger than the largest of its parts, and the largest value of a Gaussian is that at its centre.",
        "For one dimension: one over spread times √(2π). Times the width, minus the logarithm to the base 2.",
    ],
    package=InPackage("sde.density_floor(at, bin_width)", in_package),
    insight="For `mnist-ddpm` from its first level on, where the noise is 3.7 greys: 3.22 bits a pixel, for the best of all models. The "
    "variational bound ends in greys, not in noisy numbers, and gets below it. Two numbers named “bits a pixel” need not be comparable.",
)
