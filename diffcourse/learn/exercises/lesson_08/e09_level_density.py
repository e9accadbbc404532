"""How often each level of noise is trained."""

import math

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises.lesson_08._cases import spread


def level_density(log_nsr: Tensor) -> Tensor:
    """How often uniform times on the straight path train each level of noise.

    x_t = (1 - t)·x0 + t·eps, t uniform in [0, 1]. Any path passes the same levels, so they are
    compared by log(sigma/alpha), the natural logarithm. Derive its density when t is uniform.
    log_nsr (N,), any real numbers. Returns the density at each, (N,). No gradient is needed.
    """
    t = torch.sigmoid(log_nsr)
    return t * torch.sigmoid(-log_nsr)


def by_cosh(log_nsr):
    return 0.25 / torch.cosh(log_nsr / 2) ** 2


def by_the_ratio(log_nsr):
    smaller = torch.exp(-log_nsr.abs())  # sigma/alpha or alpha/sigma: the density is the same on both sides of 0
    return smaller / (1 + smaller) ** 2


def by_autograd(log_nsr):
    with torch.enable_grad():
        at = log_nsr.detach().clone().requires_grad_()
        t = torch.sigmoid(at)
        (density,) = torch.autograd.grad(t.sum(), at)
    return density


def _t(log_nsr: Tensor) -> Tensor:
    return torch.sigmoid(log_nsr)


def is_a_density(f) -> bool:
    grid = torch.linspace(-25, 25, 5001, dtype=torch.float64)
    p = torch.as_tensor(f(grid)).double()
    return bool((p >= 0).all()) and abs(float(torch.trapezoid(p, grid)) - 1) < 1e-3


def is_the_histogram(f) -> bool:
    """Shares of 100,000 uniform times whose level lies between the edges."""
    t = torch.rand(100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    levels = torch.log(t / (1 - t))
    for low, high in ((-3.0, -2.0), (-0.5, 0.5), (1.0, 2.5)):
        grid = torch.linspace(low, high, 101, dtype=torch.float64)
        share = float(torch.trapezoid(torch.as_tensor(f(grid)).double(), grid))
        if abs(share - float(((levels > low) & (levels < high)).double().mean())) > 0.01:
            return False
    return True


def far_out(f) -> bool:
    return close(f(torch.tensor([-1000.0, -200.0, 0.0, 200.0, 1000.0])), torch.tensor([0.0, 0, 0.25, 0, 0]))


EXERCISE = Exercise(
    name="08.level_density",
    title="Which levels are trained how often",
    minutes=8,
    level=3,
    reference=level_density,
    alternatives=[by_cosh, by_the_ratio, by_autograd],
    cases=[
        (torch.tensor([0.0, 1.0, -2.0]),),
        spread(5, -4.0, 4.0),
        spread(6, -5.0, 1.0),
        (torch.tensor([math.log(0.5), math.log(3.0)]),),
        (torch.tensor([-5.0, 3.0, 5.0]),),
    ],
    invariants=[
        Invariant(
            "is a density",
            is_a_density,
            "A density is nowhere negative, and its integral over all levels is 1. Yours has another integral, or is negative somewhere.",
        ),
        Invariant(
            "is the histogram",
            is_the_histogram,
            "Of 100,000 uniform times, counted by their level, your density gives other shares than the count does.",
        ),
        Invariant(
            "far out",
            far_out,
            "Right where signal and noise are comparable. At a level of 1000 or −1000 yours is not 0, or not a number: e to such a level "
            "is too large for a float, and infinity over infinity is NaN. Levels may be any real numbers; torch.sigmoid goes to 0 and 1 "
            "in peace.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "even",
            torch.ones_like,
            "Yours is even, as t is. But evenly spaced times are not evenly spaced levels: from t = 0.98 to 0.99 the ratio doubles.",
        ),
        Mistake(
            "the time",
            _t,
            "This is the t of each level: the share of times below it. A density is how fast that share grows.",
        ),
        Mistake(
            "the remaining time",
            lambda log_nsr: torch.sigmoid(-log_nsr),
            "This is 1 − t at each level: the share of times above it. A density is how fast the share below grows.",
        ),
        Mistake(
            "upside down",
            lambda log_nsr: 1 / (_t(log_nsr) * _t(-log_nsr)),
            "This is the rate at which the level changes with t. Where it is high the levels are passed quickly, so that they are trained "
            "seldom: yours says often.",
        ),
        Mistake(
            "density of the ratio",
            lambda log_nsr: _t(-log_nsr) ** 2,
            "This is the density of the ratio sigma/alpha. Asked for is that of its logarithm: the axis is stretched in another way.",
        ),
        Mistake(
            "density of the ratio, taken at its logarithm",
            lambda log_nsr: 1 / (1 + log_nsr) ** 2,
            "This is the density of the ratio, with its logarithm put in the place of the ratio.",
        ),
        Mistake(
            "log of the squares",
            lambda log_nsr: _t(2 * log_nsr) * _t(-2 * log_nsr),
            "Your t is the sigmoid of twice the level, as if alpha² were 1 − t, and the 2 of the inner derivative is lost. On the "
            "straight path alpha itself is 1 − t.",
        ),
        Mistake(
            "log of the squares, in full",
            lambda log_nsr: 2 * _t(2 * log_nsr) * _t(-2 * log_nsr),
            "You have alpha² = 1 − t and sigma² = t. On the straight path alpha and sigma themselves are 1 − t and t.",
        ),
        Mistake(
            "half",
            lambda log_nsr: _t(log_nsr) * _t(-log_nsr) / 2,
            "Yours is right in shape and half as high: its integral is ½. The levels are all of log(sigma/alpha), not of half of it.",
        ),
        Mistake(
            "t for 1 - t",
            lambda log_nsr: _t(log_nsr) ** 2,
            "You have t twice. The time as a function of the level is t = r/(1 + r); both t and 1 − t come into its derivative.",
        ),
        Mistake(
            "t² among the shares",
            lambda log_nsr: _t(log_nsr) ** 2 * _t(-log_nsr),
            "One factor t is too many. Look at the step from the ratio r to log r: dr is r times the step in log r, and r is not t.",
        ),
        Mistake(
            "a Gaussian",
            lambda log_nsr: torch.exp(-(log_nsr**2) / 2) / math.sqrt(2 * math.pi),
            "This is the standard Gaussian: what a log-normal choice of levels, or logit-normal times, would give. Here t is uniform.",
        ),
        Mistake(
            "its logarithm",
            lambda log_nsr: torch.log(_t(log_nsr) * _t(-log_nsr)),
            "This is the logarithm of the density. The density itself is asked for.",
        ),
    ],
    gradients=[],
    allowed={"log_nsr negated": "the density is the same on both sides of 0"},
    hints=[
        "Which t has the ratio sigma/alpha = r? And with the level l = log r, which t has the level l?",
        "The share of uniform times below the level l is t(l) itself. Its derivative by l is the density.",
        "t(l) = 1/(1 + e⁻ˡ), the sigmoid. Its derivative can be written with t and 1 − t alone.",
    ],
    insight="The logistic density: highest where signal and noise are equal, and far out an e-th as high with each step of 1. For "
    "sampling a path is only a scale and a clock; in training its clock decides which levels are seen how often, and that does matter.",
)
