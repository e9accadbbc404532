"""The SDE of any path."""

import math

from diffcourse import sde
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises.lesson_08._cases import still


def drift_and_diffusion(
    alpha: float,
    sigma: float,
    d_alpha: float,
    d_sigma: float,
) -> tuple[float, float]:
    """The f and the g at one time t for which dx = f·x·dt + g·dw runs along a path.

    The path: x_t = alpha(t)·x0 + sigma(t)·eps, for any data x0. alpha and sigma are the values
    at t, d_alpha and d_sigma their rates of change, d/dt; all are numbers, alpha and sigma > 0.
    Ask what a short step of the SDE does to the mean of x, and what to its variance, at a given
    x0. Returns (f, g), g >= 0; no path comes here whose noise would have to be taken out again.
    """
    f = d_alpha / alpha
    return f, (2 * sigma * (d_sigma - f * sigma)) ** 0.5


def by_the_variance(alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    growth = 2 * sigma * d_sigma  # of sigma²
    return f, math.sqrt(growth - 2 * f * sigma**2)


def by_the_ratio(alpha, sigma, d_alpha, d_sigma):
    """g = alpha·sqrt(d(nsr²)/dt)."""
    nsr, d_nsr = sigma / alpha, (d_sigma * alpha - sigma * d_alpha) / alpha**2
    return d_alpha / alpha, alpha * math.sqrt(2 * nsr * d_nsr)


def in_package(alpha: float, sigma: float, d_alpha: float, d_sigma: float) -> tuple[float, float]:
    path = still(alpha, sigma, d_alpha, d_sigma)
    return path.drift(0.5), path.diffusion(0.5)


def _root(v: float) -> float:
    return abs(v) ** 0.5


def on(path: sde.Path, t: float) -> tuple[float, float, float, float]:
    at = path.at(t)
    return float(at.alpha), float(at.sigma), *path.rates(t)


def a_short_step_stays_on_the_path(answer) -> bool:
    """Mean and variance after dt, to the second order in it, on the straight path."""
    t, dt = 0.4, 1e-4
    f, g = (float(v) for v in answer(1 - t, t, -1.0, 1.0))
    mean = (1 + f * dt) * (1 - t)
    variance = (1 + f * dt) ** 2 * t**2 + g**2 * dt
    return abs(mean - (1 - t - dt)) < 1e-6 and abs(variance - (t + dt) ** 2) < 1e-6


def vp_has_root_beta(answer) -> bool:
    return close(answer(*on(sde.VP(0.1, 20.0), 0.3)), (-(0.1 + 0.3 * 19.9) / 2, (0.1 + 0.3 * 19.9) ** 0.5), 1e-4)


EXERCISE = Exercise(
    name="08.drift_and_diffusion",
    title="Every path has an SDE",
    minutes=8,
    level=2,
    reference=drift_and_diffusion,
    alternatives=[by_the_variance, by_the_ratio],
    cases=[
        (0.5, 0.25, -0.5, 1.0),
        on(sde.Straight(), 0.7),
        on(sde.VP(), 0.3),
        on(sde.VE(0.01, 50.0), 0.6),
        (1.5, 0.2, 0.4, 0.9),
        (0.5, 0.25, -0.5, -0.25),
        (2.0, 0.75, -1.5, -0.25),
        on(sde.VP(), 1.0),
    ],
    invariants=[
        Invariant(
            "a short step stays on the path",
            a_short_step_stays_on_the_path,
            "From alpha = 0.6, sigma = 0.4 of the straight path a step of dt = 0.0001 should lead to a mean of 0.5999·x0 and a variance of "
            "0.4001². With your f and g it leads elsewhere.",
        ),
        Invariant(
            "a VP path",
            vp_has_root_beta,
            "On a VP path of rate beta the answer must be f = −beta/2 and g² = beta. Yours gives something else there.",
        ),
    ],
    mistakes=[
        Mistake(
            "g squared",
            lambda a, s, da, ds: (da / a, 2 * s * (ds - da / a * s)),
            "Your g is g², the rate at which the noise adds variance. g is its root.",
        ),
        Mistake(
            "without the 2",
            lambda a, s, da, ds: (da / a, _root(s * (ds - da / a * s))),
            "A factor 2 is missing: the derivative of σ² is 2·σ·σ′.",
        ),
        Mistake(
            "the shrinking forgotten",
            lambda a, s, da, ds: (da / a, _root(2 * s * ds)),
            "Your g² is the growth of σ² alone. The drift f·x moves the variance too: where it shrinks x it takes some away, which the "
            "noise has to make up for.",
        ),
        Mistake(
            "the sign of the shrinking",
            lambda a, s, da, ds: (da / a, _root(2 * s * (ds + da / a * s))),
            "The drift's share has the wrong sign. With f < 0 the drift takes variance away, so the noise must add more than σ² grows by.",
        ),
        Mistake(
            "variance shrinks like x",
            lambda a, s, da, ds: (da / a, _root(2 * s * ds - da / a * s**2)),
            "You let the variance shrink at the rate f. x shrinks at the rate f; its variance is a square, and shrinks twice as fast.",
        ),
        Mistake(
            "the ratio's growth",
            lambda a, s, da, ds: (da / a, _root(2 * s / a * (ds * a - s * da) / a**2)),
            "Your g is that of y = x/alpha, in which nothing shrinks. x = alpha·y, so its noise is alpha times as strong.",
        ),
        Mistake(
            "f from sigma",
            lambda a, s, da, ds: (ds / s, _root(2 * s * (ds - da / a * s))),
            "Your f is σ′/σ. The mean at a given x0 is alpha·x0, and only the drift moves it: noise has mean 0.",
        ),
        Mistake(
            "f is the rate itself",
            lambda a, s, da, ds: (da, _root(2 * s * (ds - da / a * s))),
            "Your f is the rate of alpha. In the SDE it stands beside x, whose mean is alpha·x0 already: a rate of change per unit.",
        ),
        Mistake(
            "f is the rate itself, throughout",
            lambda a, s, da, ds: (da, _root(2 * s * (ds - da * s))),
            "Your f is the rate of alpha, in both places. In the SDE it stands beside x, whose mean is alpha·x0 already: a rate per unit.",
        ),
        Mistake(
            "sign of f",
            lambda a, s, da, ds: (-da / a, _root(2 * s * (ds - da / a * s))),
            "Your f has the wrong sign: forward in time, where alpha falls, x shrinks.",
        ),
        Mistake(
            "sign of f, throughout",
            lambda a, s, da, ds: (-da / a, _root(2 * s * (ds + da / a * s))),
            "Your f has the wrong sign, and your g follows it: forward in time, where alpha falls, x shrinks.",
        ),
        Mistake(
            "twice f",
            lambda a, s, da, ds: (2 * da / a, _root(2 * s * (ds - da / a * s))),
            "Your f is the rate of alpha². It stands beside x, not beside its square.",
        ),
        Mistake(
            "g is the rate of sigma",
            lambda a, s, da, ds: (da / a, ds),
            "Your g is σ′. Standard deviations of independent noises do not add up, their squares do: look at σ² and its rate of change.",
        ),
        Mistake(
            "the two interchanged",
            lambda a, s, da, ds: (_root(2 * s * (ds - da / a * s)), da / a),
            "You return g first. (f, g) is asked for.",
        ),
        Mistake(
            "the rates themselves",
            lambda a, s, da, ds: (da, ds),
            "These are the rates of alpha and sigma. f stands beside x, whose mean is alpha·x0 already; and what noise adds up to is a "
            "variance: look at sigma² and its rate of change.",
        ),
        Mistake(
            "a VP path's g",
            lambda a, s, da, ds: (da / a, _root(2 * da / a)),
            "Your g is that of paths with alpha² + sigma² = 1, where g² = −2·f. Here sigma is any, and moves at a rate of its own.",
        ),
        Mistake(
            "standard deviations added",
            lambda a, s, da, ds: (da / a, ds - da / a * s),
            "Your g is what is missing at the rate of sigma. Standard deviations of independent noises do not add up, their squares do: "
            "look at sigma² and its rate of change.",
        ),
    ],
    gradients=[],
    hints=[
        "At a given x0 the mean is alpha·x0 and the variance σ². A short step multiplies x by 1 + f·dt and adds noise of variance g²·dt.",
        "The mean gives f alone: compare (1 + f·dt)·alpha with alpha + alpha′·dt.",
        "The variance: (1 + f·dt)²·σ² + g²·dt, to the first order in dt, must be σ² + 2·σ·σ′·dt. Solve for g.",
    ],
    package=InPackage("path.drift(t), path.diffusion(t)", in_package),
    insight="Every path has its SDE. In y = x/alpha the drift is gone, and g² is alpha² times the rate at which (σ/alpha)² grows: a path "
    "is no more than a clock for that ratio, and a scale.",
)
