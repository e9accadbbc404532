"""The velocity of the ODE, from a network that predicts noise."""

import torch
from torch import Tensor

from diffcourse import sde
from diffcourse.denoiser import estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_08._cases import MIXTURE, gaussian, still
from diffcourse.schedule import Level


def velocity(
    x: Tensor,
    eps: Tensor,
    alpha: float,
    sigma: float,
    d_alpha: float,
    d_sigma: float,
) -> Tensor:
    """dx/dt of the ODE that carries the distribution of a path x_t = alpha·x0 + sigma·eps.

    eps (B, …) is what a network predicts at x (B, …): the mean of the noise, given x. alpha and
    sigma are the path's values at this t, both > 0, d_alpha and d_sigma their rates of change.
    Returns x's shape. Differentiable in x and eps.
    """
    x0 = (x - sigma * eps) / alpha
    return d_alpha * x0 + d_sigma * eps


def by_drift_and_diffusion(x, eps, alpha, sigma, d_alpha, d_sigma):
    f = d_alpha / alpha
    g2 = 2 * sigma * (d_sigma - f * sigma)
    score = -eps / sigma
    return f * x - g2 / 2 * score


def by_the_ratio(x, eps, alpha, sigma, d_alpha, d_sigma):
    """y = x/alpha moves by eps for each unit of sigma/alpha, and x = alpha·y shrinks with alpha."""
    d_ratio = d_sigma / alpha - sigma * d_alpha / alpha**2
    return x * (d_alpha / alpha) + eps * (alpha * d_ratio)


def in_package(x, eps, alpha, sigma, d_alpha, d_sigma):
    now = estimate(eps, x, Level(0.5, alpha, sigma), "eps")
    return sde.velocity(still(alpha, sigma, d_alpha, d_sigma), now)


def _x0(x, eps, alpha, sigma):
    return (x - sigma * eps) / alpha


def at(alpha: float, sigma: float, d_alpha: float, d_sigma: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), alpha, sigma, d_alpha, d_sigma)


def carries_the_distribution(f) -> bool:
    """A short Euler step with the exact noise of a Gaussian: its spread is known."""
    path, t, dt = sde.VP(), 0.4, -1e-3
    one = MIXTURE.component(0)
    x = one.sample(50, level=path.at(t), generator=torch.Generator().manual_seed(0))
    now, to = path.at(t), path.at(t + dt)
    x_to = x + dt * f(x, one.denoise(x, now).eps, now.alpha, now.sigma, *path.rates(t))
    spread = [(at.alpha**2 * one.stds[0] ** 2 + at.sigma**2) ** 0.5 for at in (now, to)]
    wanted = to.alpha * one.means + (x - now.alpha * one.means) * spread[1] / spread[0]
    return close(x_to, wanted, 2e-4)


EXERCISE = Exercise(
    name="08.velocity",
    title="The ODE, from the predicted noise",
    minutes=6,
    level=2,
    reference=velocity,
    alternatives=[by_drift_and_diffusion, by_the_ratio],
    cases=[
        (torch.tensor([[1.0, -0.4]]), torch.tensor([[0.5, 2.0]]), 0.75, 0.25, -1.0, 1.0),
        at(0.4, 0.6, -1.0, 1.0, 3, 2),
        at(0.8, 0.6, -1.2, 1.6, 2, 3),
        at(1.0, 5.0, 0.0, 42.0, 2, 2),
        at(0.1, 0.995, -0.9, 0.09, 1, 2, 3),
        at(0.004, 0.9999, -0.06, 0.01, 2, 2),
        at(0.9999, 0.004, -0.1, 1.5, 2, 2),
    ],
    invariants=[
        Invariant(
            "on the straight path it is noise minus data",
            lambda f: close(
                f(
                    0.25 * torch.ones(1, 2) + 0.75 * gaussian(1, 2).float(),
                    gaussian(1, 2).float(),
                    0.25,
                    0.75,
                    -1.0,
                    1.0,
                ),
                gaussian(1, 2).float() - 1,
                1e-4,
            ),
            "On the straight path, x = 0.25·x0 + 0.75·eps with x0 = 1, the velocity is eps − 1 at every t. Yours is not.",
        ),
        Invariant(
            "carries the distribution",
            carries_the_distribution,
            "Along a VP path each point of a single Gaussian keeps its place among the others as the spread changes. A short step of yours "
            "does not.",
        ),
    ],
    mistakes=[
        Mistake(
            "x for x0",
            lambda x, eps, a, s, da, ds: da * x + ds * eps,
            "Beside the rate of alpha stands x itself. x_t moves as its data part changes and as its noise part does: which data belong to "
            "this x and this eps?",
        ),
        Mistake(
            "sign of the data's part",
            lambda x, eps, a, s, da, ds: -da * _x0(x, eps, a, s) + ds * eps,
            "The data's part has its sign turned. The rate of alpha is given with its sign: it is negative where the signal fades.",
        ),
        Mistake(
            "towards the data",
            lambda x, eps, a, s, da, ds: -(da * _x0(x, eps, a, s) + ds * eps),
            "Your velocity points towards the data. dx/dt is along rising t, from data to noise; going back is for dt < 0.",
        ),
        Mistake(
            "the path for its rates",
            lambda x, eps, a, s, da, ds: a * _x0(x, eps, a, s) + s * eps,
            "This is x again: alpha·x0 + sigma·eps. A velocity is made of the rates of change.",
        ),
        Mistake(
            "the straight path's",
            lambda x, eps, a, s, da, ds: eps - _x0(x, eps, a, s),
            "This is the velocity of the straight path, where the rates are −1 and 1. Here they are any.",
        ),
        Mistake(
            "rates interchanged",
            lambda x, eps, a, s, da, ds: ds * _x0(x, eps, a, s) + da * eps,
            "The two rates are interchanged: alpha belongs to the data.",
        ),
        Mistake(
            "the reverse SDE's drift",
            lambda x, eps, a, s, da, ds: da / a * x + 2 * s * (ds - da / a * s) * eps / s,
            "This is f·x − g²·score, the drift of the reverse SDE, which stands against noise. Without noise, half of the score's part is "
            "enough.",
        ),
        Mistake(
            "the forward drift",
            lambda x, eps, a, s, da, ds: da / a * x + 0 * eps,
            "This is f·x, the drift of the forward SDE. What its noise does to the distribution an ODE has to do by a drift.",
        ),
        Mistake(
            "eps taken for the score",
            lambda x, eps, a, s, da, ds: da / a * x - s * (ds - da / a * s) * eps,
            "You use eps as if it were the score. The score is −eps/sigma.",
        ),
        Mistake(
            "score without its sign",
            lambda x, eps, a, s, da, ds: da / a * x - (ds - da / a * s) * eps,
            "The score has lost its sign: it points from the noise to the data, against eps.",
        ),
        Mistake(
            "x0 not brought back to its size",
            lambda x, eps, a, s, da, ds: da * (x - s * eps) + ds * eps,
            "You take the noise off x and stop: what is left is alpha·x0, the pale data.",
        ),
        Mistake(
            "noise whole in x0",
            lambda x, eps, a, s, da, ds: da * (x - eps) / a + ds * eps,
            "To find the data you take eps off x. The noise in x has a factor of its own.",
        ),
        Mistake(
            "noise added in x0",
            lambda x, eps, a, s, da, ds: da * (x + s * eps) / a + ds * eps,
            "To find the data you add the noise once more. x holds it already: take it off.",
        ),
        Mistake(
            "the noise's part forgotten",
            lambda x, eps, a, s, da, ds: da * _x0(x, eps, a, s),
            "Only the data's part moves here. The noise's part changes too, at the rate of sigma.",
        ),
        Mistake(
            "the noise's part counted twice",
            lambda x, eps, a, s, da, ds: da / a * x + ds * eps,
            "f·x moves all of x, and with it the noise that is in x: this part of the noise's change is in twice. What is left for eps is "
            "the rate of sigma less f·sigma.",
        ),
        Mistake(
            "score without sigma",
            lambda x, eps, a, s, da, ds: da / a * x + s * (ds - da / a * s) * eps,
            "You use −eps as if it were the score. The score is −eps/sigma.",
        ),
        Mistake(
            "score over the variance",
            lambda x, eps, a, s, da, ds: da / a * x + (ds - da / a * s) / s * eps,
            "You divide eps by the variance. Of x − alpha·x0 the score is that over sigma²; but eps is divided by sigma once already.",
        ),
        Mistake(
            "the reverse SDE's drift, sign of the score turned",
            lambda x, eps, a, s, da, ds: da / a * x - 2 * (ds - da / a * s) * eps,
            "This is f·x + g²·score. Two things are wrong with the score's part: its sign, and without noise half of it is enough.",
        ),
        Mistake(
            "x0 held in [-1, 1]",
            lambda x, eps, a, s, da, ds: da * _x0(x, eps, a, s).clamp(-1, 1) + ds * eps,
            "You hold x0 in [−1, 1], as samplers of pictures do. The data here may lie anywhere.",
        ),
    ],
    hints=[
        "Hold x0 and eps of one pair fixed, and let t run: how fast does x_t move?",
        "Many pairs meet at x; the flow takes the mean of their velocities. The mean of eps given x is here. What is the mean of x0 given "
        "x?",
        "Solve the path's equation for x0 with the eps at hand. Then each of the two, times its own rate.",
    ],
    package=InPackage("sde.velocity(path, estimate)", in_package),
    insight="It is f·x − ½·g²·score, written without f and g. At alpha = 0 that form has no answer, this one has, if x0 is predicted too. "
    "Euler's method on it is an old acquaintance.",
)
