"""The chain below a VP path."""

import math

import torch
from torch import Tensor

from diffcourse import sde
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close


def chain_betas(beta_min: float, beta_max: float, T: int) -> Tensor:
    """The betas of the DDPM chain of T steps that stands exactly on the VP path.

    The path's signal is lost at the rate beta(t) = beta_min + t·(beta_max - beta_min):
    d(alpha²)/dt = -beta(t)·alpha², from alpha = 1 at t = 0, to t = 1. Solve it. Step i of the
    chain, i = 1 … T, goes from t = (i - 1)/T to t = i/T; after it the chain's alpha_bar must be
    the path's alpha², to all digits, not only in the limit.
    Returns (T,), float64, beta of step 1 first.
    """
    t = torch.arange(T + 1, dtype=torch.float64) / T
    lost = beta_min * t + (beta_max - beta_min) * t**2 / 2
    return 1 - torch.exp(-lost.diff())


def by_alpha_bars(beta_min, beta_max, T):
    t = torch.linspace(0, 1, T + 1, dtype=torch.float64)
    bars = torch.exp(-(beta_min * t + 0.5 * (beta_max - beta_min) * t * t))
    return 1 - bars[1:] / bars[:-1]


def by_the_middle(beta_min, beta_max, T):
    betas = []
    for i in range(T):
        rate = beta_min + (i + 0.5) / T * (
            beta_max - beta_min
        )  # beta is a straight line: its mean is that of the middle
        betas.append(-math.expm1(-rate / T))
    return torch.tensor(betas, dtype=torch.float64)


def chain_betas_in_float32(beta_min: float, beta_max: float, T: int) -> Tensor:
    t = torch.arange(T + 1) / T
    return 1 - torch.exp(-(beta_min * t + (beta_max - beta_min) * t**2 / 2).diff())


def in_package(beta_min: float, beta_max: float, T: int) -> Tensor:
    path = sde.VP(beta_min, beta_max)
    bars = torch.tensor([path.at(i / T).alpha ** 2 for i in range(T + 1)], dtype=torch.float64)
    return 1 - bars[1:] / bars[:-1]


def _lost(beta_min: float, beta_max: float, T: int, half: float = 0.5) -> Tensor:
    t = torch.arange(T + 1, dtype=torch.float64) / T
    return beta_min * t + half * (beta_max - beta_min) * t**2


def _rate(beta_min: float, beta_max: float, T: int, shift: float) -> Tensor:
    return beta_min + (torch.arange(T, dtype=torch.float64) + shift) / T * (beta_max - beta_min)


def _by_T_times(beta_min: float, beta_max: float, T: int) -> Tensor:
    t = torch.linspace(0, 1, T, dtype=torch.float64)
    lost = beta_min * t + (beta_max - beta_min) * t**2 / 2
    return 1 - torch.exp(-lost.diff(prepend=lost[:1]))


def stands_on_the_path(f) -> bool:
    """alpha_bar in the end, where the rate does not change: exp(-3)."""
    return close(torch.cumprod(1 - f(3.0, 3.0, 4), dim=0)[-1], math.exp(-3))


def to_all_digits(f) -> bool:
    """alpha_bar after each of 1000 steps: in float32 seven digits are left, of the first betas three."""
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    bars = torch.cumprod(1 - torch.as_tensor(f(0.1, 20.0, 1000)).double(), dim=0)
    return bool((bars * torch.exp(0.1 * t + 19.9 * t**2 / 2) - 1).abs().max() < 1e-9)


EXERCISE = Exercise(
    name="08.chain_betas",
    title="The chain on the path",
    minutes=7,
    level=3,
    reference=chain_betas,
    alternatives=[by_alpha_bars, by_the_middle],
    cases=[
        (0.5, 3.5, 2),
        (0.1, 20.0, 5),
        (2.0, 2.0, 3),
        (1.0, 7.0, 1),
        (4.0, 16.0, 1),
        (0.1, 20.0, 12),
        (0.1, 20.0, 1000),
    ],
    invariants=[
        Invariant(
            "stands on the path",
            stands_on_the_path,
            "With a rate of 3 at every time the path ends at alpha² = e⁻³. The product of 1 − beta over your chain does not.",
        ),
        Invariant(
            "to all digits",
            to_all_digits,
            "Right but for rounding: the alpha_bars of a long chain are the path's in their first digits only. 1 minus nearly 1 in float32 "
            "leaves the first betas three digits, and making them float64 afterwards brings none back. Work in float64 throughout.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "the limit, end of the step",
            lambda a, b, T: _rate(a, b, T, 1.0) / T,
            "This is beta(t)/T at the end of each step. In the limit of many steps it is right, and at T steps it is wrong by about 1/T: "
            "what a step loses is the integral of the rate, and it loses it of what is left.",
        ),
        Mistake(
            "the limit, start of the step",
            lambda a, b, T: _rate(a, b, T, 0.0) / T,
            "This is beta(t)/T at the start of each step. In the limit of many steps it is right, and at T steps it is wrong by about 1/T: "
            "what a step loses is the integral of the rate, and it loses it of what is left.",
        ),
        Mistake(
            "the integral as it is",
            lambda a, b, T: _lost(a, b, T).diff(),
            "Each of yours is the integral of the rate over the step. That is what log(alpha²) falls by; the share that is lost of alpha² "
            "itself is less, and never more than 1.",
        ),
        Mistake(
            "frozen rate, end of the step",
            lambda a, b, T: 1 - torch.exp(-_rate(a, b, T, 1.0) / T),
            "You solve it with the rate held at what it is at the end of the step. Within a step the rate rises: integrate it.",
        ),
        Mistake(
            "frozen rate, start of the step",
            lambda a, b, T: 1 - torch.exp(-_rate(a, b, T, 0.0) / T),
            "You solve it with the rate held at what it is at the start of the step. Within a step the rate rises: integrate it.",
        ),
        Mistake(
            "half of the integral",
            lambda a, b, T: 1 - torch.exp(-_lost(a, b, T).diff() / 2),
            "You have solved for alpha. A chain's alpha_bar is the square of its signal, and alpha² is lost twice as fast.",
        ),
        Mistake(
            "half of t² missing",
            lambda a, b, T: 1 - torch.exp(-_lost(a, b, T, 1.0).diff()),
            "Your integral of t is t². Its derivative would be 2·t.",
        ),
        Mistake(
            "the rate for its integral",
            lambda a, b, T: 1 - torch.exp(-_rate(a, b, T, 1.0)),
            "You have the rate itself in the exponent, whatever the width of a step. With twice as many steps each must lose about half.",
        ),
        Mistake(
            "all that is lost so far",
            lambda a, b, T: 1 - torch.exp(-_lost(a, b, T)[1:]),
            "Yours is all that is lost since t = 0: 1 − alpha². A beta is what one step loses, of what was there before it.",
        ),
        Mistake(
            "a difference of alpha²",
            lambda a, b, T: -torch.exp(-_lost(a, b, T)).diff(),
            "Yours is the difference of alpha² over a step. A beta is a share: of what the step before has left.",
        ),
        Mistake(
            "alphas",
            lambda a, b, T: torch.exp(-_lost(a, b, T).diff()),
            "These are the shares that a step keeps, the chain's 1 − beta.",
        ),
        Mistake(
            "alpha_bars",
            lambda a, b, T: torch.exp(-_lost(a, b, T))[1:],
            "These are the chain's alpha_bars. Which betas have them as their running product?",
        ),
        Mistake(
            "one level too many",
            lambda a, b, T: 1 - torch.exp(-_lost(a, b, T).diff(prepend=torch.zeros(1, dtype=torch.float64))),
            "You return a beta for t = 0 as well. T steps have T betas, and no step ends at t = 0.",
        ),
        Mistake(
            "in float32",
            chain_betas_in_float32,
            "Right but for rounding: 1 minus nearly 1 in float32 leaves the first betas of a long chain three digits. Work in float64.",
        ),
        Mistake(
            "the linear schedule",
            lambda a, b, T: torch.linspace(a, b, T, dtype=torch.float64) / T,
            "These betas rise evenly from beta_min/T to beta_max/T, as DDPM's do. In the limit they lead to this path; for T steps they "
            "are not on it.",
        ),
        Mistake(
            "held below 1",
            lambda a, b, T: (1 - torch.exp(-_lost(a, b, T).diff())).clamp(max=0.999),
            "You hold the betas below 0.999, as some schedules do. Where a step loses more, the chain is not on the path.",
        ),
        Mistake(
            "last step first",
            lambda a, b, T: (1 - torch.exp(-_lost(a, b, T).diff())).flip(0),
            "The betas are right, and in the order of the way back. That of step 1, next to the data, comes first.",
        ),
        Mistake(
            "the ratio upside down",
            lambda a, b, T: 1 - torch.exp(_lost(a, b, T).diff()),
            "Your betas are negative: the ratio of alpha² before and after the step is upside down. What is kept is what there is after "
            "it, as a share of what there was before.",
        ),
        Mistake(
            "T times for T + 1",
            _by_T_times,
            "You look at the path at T times, from 0 to 1, so that the first step loses nothing and the others are too wide. T steps have "
            "T + 1 ends: i/T for i = 0 … T.",
        ),
    ],
    gradients=[],
    hints=[
        "Divide by alpha²: on the left stands the derivative of a logarithm. Integrate both sides from 0 to t.",
        "log alpha² = −(beta_min·t + (beta_max − beta_min)·t²/2). Which share of alpha² is left from one grid time to the next?",
        "The T + 1 values of the integral at i/T; their differences; e to the minus of each is what a step keeps, and beta is the rest.",
    ],
    package=InPackage("VP(beta_min, beta_max).at(i / T).alpha", in_package),
    insight="To first order beta is beta(t)/T, and a step of the chain, √(1 − b)·x + √b·z, is x − ½·beta(t)·x·dt + √beta(t)·√dt·z: the "
    "step of Euler and Maruyama with f = −½·beta and g = √beta. DDPM's own betas, 0.0001 to 0.02 in 1000 steps, are beta_min = 0.1 and "
    "beta_max = 20.",
)
