"""A step of Langevin dynamics."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_07._cases import AScore, Counted, pull


def langevin_step(score, x: Tensor, tau: float, z: Tensor) -> Tensor:
    """One step of Langevin dynamics: x moves by tau times the score, and is shaken by z.

    How strongly it is shaken is to be derived: points that are drawn from the density of the
    score must stay so, where tau is small; what is of second order in tau is left out. N(0, 1),
    whose score is −x, tells it.
    score: a function of x (B, …) -> (B, …), to be called once; tau a number above 0; z standard
    Gaussian noise of x's shape. Returns the new x; the old one stays as it is.
    """
    return x + tau * score(x) + (2 * tau) ** 0.5 * z


def langevin_step_by_torch(score, x, tau, z):
    with torch.no_grad():
        return x.add(score(x), alpha=tau).add(z, alpha=float(torch.tensor(2.0 * tau, dtype=torch.float64).sqrt()))


def langevin_step_point_by_point(score, x, tau, z):
    arrows, noise = score(x), torch.sqrt(torch.tensor(tau * 2.0)) * z
    return torch.stack([p + tau * a + n for p, a, n in zip(x, arrows, noise, strict=True)])


def _step(shake: Callable = lambda tau: (2 * tau) ** 0.5, drift: Callable = lambda tau: tau) -> Callable:
    return lambda score, x, tau, z: x + drift(tau) * score(x) + shake(tau) * z


def case(tau: float, *shape: int):
    D = torch.Size(shape[1:]).numel()
    return lambda g: (AScore(g, D), normal(g, *shape), tau, normal(g, *shape))


def _moment(f: Callable, tau: float) -> float:
    """The variance after a step from N(0, 1): of the part that comes from x, and of that from z."""
    zero, one = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    return float(f(torch.neg, one, tau, zero)) ** 2 + float(f(torch.neg, zero, tau, one)) ** 2


def keeps_a_gaussian(f: Callable) -> bool:
    return abs(_moment(f, 1e-3) - 1) < 1e-4


def once(f: Callable) -> bool:
    score = Counted()
    f(score, torch.ones(2, 2), 0.1, torch.ones(2, 2))
    return score.calls == 1


def asked_at_x(f: Callable) -> bool:
    points: list[Tensor] = []

    def score(y: Tensor) -> Tensor:
        points.append(y.detach().clone())
        return torch.tanh(y) - y

    f(score, torch.full((2, 2), 0.7), 0.1, torch.ones(2, 2))
    return all(close(y, torch.full_like(y, 0.7)) for y in points)


def tau_times_the_score(f: Callable) -> bool:
    """Without noise, for scores of any length."""
    x, zero = torch.tensor([[1.0], [-2.0]]), torch.zeros(2, 1)
    return all(close(f(lambda y, c=c: c + 0 * y, x, 0.1, zero), x + 0.1 * c) for c in (0.01, 1.0, -30.0))


EXERCISE = Exercise(
    name="07.langevin_step",
    title="A step of Langevin dynamics",
    minutes=5,
    level=2,
    reference=langevin_step,
    alternatives=[langevin_step_by_torch, langevin_step_point_by_point],
    cases=[
        (pull, torch.tensor([[0.5, 2.0]]), 0.02, torch.tensor([[1.0, -0.5]])),
        case(0.1, 3, 2),
        case(1.5, 2, 3),
        case(0.3, 4, 1),
        case(0.05, 2, 1, 2, 2),
    ],
    invariants=[
        Invariant(
            "asked at x",
            asked_at_x,
            "Your score is asked at another point than x. A step asks it once, at the point from which it starts.",
        ),
        Invariant(
            "tau times the score",
            tau_times_the_score,
            "Where z is 0, x moves by τ times the score, however short or long that is. Yours moves by something else.",
        ),
        Invariant(
            "keeps a Gaussian",
            keeps_a_gaussian,
            "A step with τ = 0.001 has to leave the variance of N(0, 1) at 1, to first order in τ. Yours changes it by about τ or more.",
        ),
        Invariant(
            "asks once",
            once,
            "The step is right, but the score is called more than once: with a network each call has its price.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "shaken too little",
            _step(lambda tau: tau**0.5),
            "You shake with √τ. The drift shrinks the variance of N(0, 1) from 1 to (1 − τ)², which is less by about 2τ: how much has z to "
            "bring back?",
        ),
        Mistake(
            "variance for standard deviation",
            _step(lambda tau: 2 * tau),
            "You multiply z by 2τ. That is the variance it has to bring; its factor is a standard deviation.",
        ),
        Mistake(
            "the root over half",
            _step(lambda tau: 2 * tau**0.5),
            "Your root does not cover the 2: z brings the variance 4τ, twice what the drift takes.",
        ),
        Mistake(
            "the 2 alone under the root",
            _step(lambda tau: 2**0.5 * tau),
            "Your root covers the 2 alone: z brings the variance 2τ², which is next to nothing where τ is small. All points would run to "
            "the modes.",
        ),
        Mistake(
            "exact for N(0, 1)",
            _step(lambda tau: abs(1 - (1 - tau) ** 2) ** 0.5),
            "This keeps N(0, 1) exactly, and N(0, 1) only: τ² stands in it because of that score. Leave out what is of second order.",
        ),
        Mistake(
            "tau for both",
            _step(lambda tau: tau),
            "You multiply z by τ, as the score is. A drift adds up over steps as it is, noise adds up in its variance: z needs a root.",
        ),
        Mistake(
            "half a step",
            _step(lambda tau: tau**0.5, lambda tau: tau / 2),
            "This is a right step of half the size, with the other convention: τ/2 times the score. Here x moves by τ times the score.",
        ),
        Mistake(
            "twice the drift",
            _step(drift=lambda tau: 2 * tau),
            "You move by 2τ times the score: it is τ times that the stub asks for.",
        ),
        Mistake(
            "a right step, twice the size",
            _step(lambda tau: 2 * tau**0.5, lambda tau: 2 * tau),
            "This is a right step of twice the size. x moves by τ times the score, not by 2τ times.",
        ),
        Mistake(
            "downhill",
            _step(drift=lambda tau: -tau),
            "You go against the score, to where p falls. Noise alone carries points away from the modes; the score brings them back.",
        ),
        Mistake(
            "no noise",
            _step(lambda tau: 0.0),
            "z does not occur: every point climbs to a mode and stays there.",
        ),
        Mistake(
            "noise not scaled",
            _step(lambda tau: 1.0),
            "You add z as it is, whatever τ is. The smaller the step, the less noise.",
        ),
        Mistake(
            "no drift",
            _step(drift=lambda tau: 0.0),
            "The score does not occur: this is a random walk, which spreads for ever.",
        ),
        Mistake(
            "drift not scaled",
            _step(drift=lambda tau: 1.0),
            "You add the whole score, whatever τ is: it is τ times that.",
        ),
        Mistake(
            "where it has been",
            lambda score, x, tau, z: tau * score(x) + (2 * tau) ** 0.5 * z,
            "This is what x moves by. Returned is where it is afterwards.",
        ),
        Mistake(
            "shaken first",
            lambda score, x, tau, z: (lambda y: y + tau * score(y))(x + (2 * tau) ** 0.5 * z),
            "You shake first and ask for the score where that leads. It is asked at x.",
        ),
        Mistake(
            "moved first",
            lambda score, x, tau, z: (lambda y: x + tau * score(y) + (2 * tau) ** 0.5 * z)(x + tau * score(x)),
            "You ask for the score where the first half leads. It is asked at x.",
        ),
        Mistake(
            "drawn inside",
            lambda score, x, tau, z: x + tau * score(x) + (2 * tau) ** 0.5 * torch.randn_like(x),
            "You draw noise of your own. It is handed in as z.",
        ),
        Mistake(
            "the forward step of lesson 02",
            lambda score, x, tau, z: (1 - tau) ** 0.5 * x + tau**0.5 * z if tau < 1 else z,
            "This is the forward step of lesson 02, with τ for β: it leads to N(0, 1) and asks no score.",
        ),
    ],
    gradients=[],  # made for sampling: under no_grad it is right as well
    hints=[
        "For N(0, 1) the part without noise is x − τ·x. What variance has that, if x has 1?",
        "(1 − τ)² is 1 − 2τ, and τ² more, which is of second order. So the noise has to bring 2τ.",
        "Multiplied by c, z has the variance c². Add c·z to x and τ times the score.",
    ],
    insight="To second order nothing is kept: a variance of 1 becomes 1 + τ². That is the bias of the next exercise. In the package "
    "`langevin(score, x, tau, steps)` walks such steps.",
)
