"""A step back in time, with as much noise as one likes."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from diffcourse.denoiser import Estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_08._cases import MIXTURE, gaussian
from diffcourse.metrics import alike
from diffcourse.schedule import Level
from diffcourse.sde import VP, Path, ReverseSDE


def reverse_step(
    x: Tensor,
    score: Tensor,
    f: float,
    g: float,
    dt: float,
    eta: float,
    z: Tensor,
) -> Tensor:
    """One step of size dt < 0, back towards the data, of Euler and Maruyama.

    Forward, dx = f·x·dt + g·dw; score (B, …) is the gradient of log p_t at x. The process to
    step along has noise of strength eta·g in the place of g, eta >= 0, and the drift that gives
    it, run back, the same distribution p_t at every time: eta = 1 is the reverse SDE, eta = 0
    is an ODE, others lie between or beyond. Derive its drift for every eta.
    x, z (fresh standard Gaussian noise) (B, …); f, g, dt, eta numbers. Returns x at t + dt, of
    x's shape. Differentiable in x, score and z.
    """
    drift = f * x - (1 + eta**2) / 2 * g**2 * score
    return x + drift * dt + eta * g * (-dt) ** 0.5 * z


def flow_and_langevin(x, score, f, g, dt, eta, z):
    """The ODE, and Langevin's step at the same level, which leaves p_t as it is."""
    flow = dt * (f * x - 0.5 * g * g * score)
    tau = 0.5 * (eta * g) ** 2 * abs(dt)
    return x + flow + tau * score + (2 * tau) ** 0.5 * z


def with_h_above_0(x, score, f, g, dt, eta, z):
    h = -dt
    return (1 - f * h) * x + h * (g**2 / 2 + (eta * g) ** 2 / 2) * score + z * eta * g * h**0.5


def _step(drift, spread=lambda g, dt, eta: eta * g * abs(dt) ** 0.5, width=lambda dt: dt):
    """A step with a drift, a noise or a width of its own."""

    def wrong(x, score, f, g, dt, eta, z):
        return x + drift(x, score, f, g, eta) * width(dt) + spread(g, dt, eta) * z

    return wrong


def _right(x, score, f, g, eta):
    return f * x - (1 + eta**2) / 2 * g**2 * score


def step(f: float, g: float, dt: float, eta: float, *shape: int):
    return lambda rng: (normal(rng, *shape), normal(rng, *shape), f, g, dt, eta, normal(rng, *shape))


def walked(answer, eta: float, n: int = 500, steps: int = 150) -> Tensor:
    """Points that start as noise and end near the data, with the exact score of the mixture."""
    path, rng = VP(), torch.Generator().manual_seed(3)
    times = [(1 - i / steps) ** 2 * 0.97 + 0.03 for i in range(steps + 1)]
    x = MIXTURE.sample(n, level=path.at(times[0]), generator=rng)
    for t, to in pairwise(times):
        z = torch.randn(n, 2, generator=rng, dtype=torch.float64)
        x = answer(x, MIXTURE.score(x, path.at(t)), path.drift(t), path.diffusion(t), to - t, eta, z)
    return torch.as_tensor(x).detach().double()


def ends_at_the_data(answer) -> bool:
    """By the energy distance, with its permutation test."""
    data = MIXTURE.sample(500, level=VP().at(0.03), generator=torch.Generator().manual_seed(4))
    return all(alike(walked(answer, eta), data, regroupings=99).p > 0.01 for eta in (0.0, 1.0, 1.6))


def in_package(x, score, f, g, dt, eta, z):
    """`sde.ReverseSDE` on a path with these f and g, of alpha = sigma = 1 at the time."""

    class Here(Path):
        def signal_and_noise(self, t):
            return torch.ones_like(t), torch.ones_like(t)

        def rates(self, t):
            return f, f + g**2 / 2

    at = Level(0.5, 1.0, 1.0)
    now = Estimate(x, at, x0=x + score, eps=-score)
    return ReverseSDE(Here(), eta).step(now, Level(0.5 + dt, 1.0, 0.9), noise=lambda: z)


EXERCISE = Exercise(
    name="08.reverse_step",
    title="Back, with as much noise as you like",
    minutes=8,
    level=3,
    reference=reverse_step,
    alternatives=[flow_and_langevin, with_h_above_0],
    cases=[
        (torch.tensor([[1.0, -0.5]]), torch.tensor([[0.3, 2.0]]), -1.0, 1.5, -0.25, 1.0, torch.tensor([[0.5, -1.0]])),
        step(-0.7, 2.0, -0.1, 0.0, 3, 2),
        step(-5.0, 3.0, -0.02, 0.5, 2, 4),
        step(0.0, 1.3, -0.3, 1.7, 2, 3),
        step(0.4, 0.8, -0.5, 1.0, 1, 2, 3),
        step(-2.0, 0.0, -0.2, 1.2, 2, 2),
    ],
    invariants=[
        Invariant(
            "without noise it is the ODE",
            lambda f: close(
                f(torch.ones(1, 2), torch.tensor([[1.0, -2.0]]), -1.0, 2.0, -0.1, 0.0, gaussian(1, 2).float()),
                torch.tensor([[1.3, 0.7]]),
                1e-4,
            ),
            "With eta = 0 nothing may be drawn, and the step is one of Euler's on the ODE. Yours is another one.",
        ),
        Invariant(
            "ends at the data",
            ends_at_the_data,
            "From noise, in 150 of your steps back, with the exact score: 500 points do not end where 500 points of the data lie, for all "
            "of eta = 0, 1 and 1.6.",
        ),
    ],
    mistakes=[
        Mistake(
            "the score forgotten",
            _step(lambda x, score, f, g, eta: f * x),
            "This is the forward SDE with dt < 0. It takes the shrinking back, and adds noise as well: the points run apart. Where does "
            "the noise that was added on the way there go?",
        ),
        Mistake(
            "the whole score for every eta",
            _step(lambda x, score, f, g, eta: f * x - g**2 * score),
            "This is the drift of eta = 1, at every eta. It holds against the noise of the reverse SDE; with less noise the points shrink "
            "together, with more they run apart.",
        ),
        Mistake(
            "half the score for every eta",
            _step(lambda x, score, f, g, eta: f * x - g**2 / 2 * score),
            "This is the ODE's drift, at every eta. The noise that you then add has nothing to hold it: the points end too far out.",
        ),
        Mistake(
            "eta in the place of the half",
            _step(lambda x, score, f, g, eta: f * x - eta**2 * g**2 * score),
            "With eta = 0 your score is gone. A process without noise still has to undo that p_t spreads: half of the score's part "
            "remains.",
        ),
        Mistake(
            "noise without its part in the half",
            _step(lambda x, score, f, g, eta: f * x - (1 / 2 + eta**2) * g**2 * score),
            "You add the whole eta²·g² to the half of the ODE. At eta = 1 that is 3/2, where the reverse SDE has 1: noise of variance v·dt "
            "is held by v/2 times the score.",
        ),
        Mistake(
            "eta not squared",
            _step(lambda x, score, f, g, eta: f * x - (1 + eta) / 2 * g**2 * score),
            "eta stands in your drift as it is. What the score has to hold is the noise's variance, and eta scales its standard deviation.",
        ),
        Mistake(
            "g not squared",
            _step(lambda x, score, f, g, eta: f * x - (1 + eta**2) / 2 * g * score),
            "Your g is not squared beside the score. What spreads p_t is the variance that is added in dt, g²·dt.",
        ),
        Mistake(
            "the sign of the noise's part",
            _step(lambda x, score, f, g, eta: f * x - (1 - eta**2) / 2 * g**2 * score),
            "That is the drift for eta where time runs forward. Back in time drift is walked backwards, but noise spreads as before: what "
            "holds it has the other sign.",
        ),
        Mistake(
            "the sign of the score",
            _step(lambda x, score, f, g, eta: f * x + (1 + eta**2) / 2 * g**2 * score),
            "Your score has the wrong sign: dt is negative, so yours drives the points away from where the density is high.",
        ),
        Mistake(
            "dt taken as positive",
            _step(_right, width=abs),
            "You take the width of the step for dt. Then the drift of the way back is walked forward.",
        ),
        Mistake(
            "the sign of f",
            _step(lambda x, score, f, g, eta: -f * x - (1 + eta**2) / 2 * g**2 * score),
            "Your f·x has its sign turned, and dt < 0 turns it once more: going back x would shrink again. One turn is enough.",
        ),
        Mistake(
            "root of a negative number",
            _step(_right, lambda g, dt, eta: eta * g * math.sqrt(dt)),
            "You take the root of dt, which is negative here. The variance of an increment is the time that passes, whichever way it runs.",
        ),
        Mistake(
            "root of a negative number, without an error",
            _step(_right, lambda g, dt, eta: eta * g * dt**0.5),
            "You take the root of dt, which is negative here: Python makes a complex number of it. The variance of an increment is the "
            "time that passes, whichever way it runs.",
        ),
        Mistake(
            "noise times dt",
            _step(_right, lambda g, dt, eta: eta * g * abs(dt)),
            "Your noise is multiplied by |dt|. An increment of Brownian motion over dt has the variance |dt|.",
        ),
        Mistake(
            "noise without time",
            _step(_right, lambda g, dt, eta: eta * g),
            "Your noise knows nothing of dt. An increment of Brownian motion over dt has the variance |dt|.",
        ),
        Mistake(
            "all the noise for every eta",
            _step(_right, lambda g, dt, eta: g * abs(dt) ** 0.5),
            "The drift is that of eta, the noise that of eta = 1. Both belong together.",
        ),
        Mistake(
            "eta squared in the noise",
            _step(_right, lambda g, dt, eta: eta**2 * g * abs(dt) ** 0.5),
            "You square eta in the noise. The noise has strength eta·g, a standard deviation; the square is its variance.",
        ),
        Mistake(
            "g squared in the noise",
            _step(_right, lambda g, dt, eta: eta * g**2 * abs(dt) ** 0.5),
            "You square g in the noise. dw stands beside g itself; g² is the variance that it adds.",
        ),
        Mistake(
            "no half",
            _step(lambda x, score, f, g, eta: f * x - (1 + eta**2) * g**2 * score),
            "Your score has twice its factor. Variance added at the rate v spreads p_t as a drift of −½·v·score does: with a half.",
        ),
        Mistake(
            "noise subtracted",
            _step(_right, lambda g, dt, eta: -eta * g * abs(dt) ** 0.5),
            "You subtract the noise. It is as likely as its opposite, so your steps have the right distribution; to be compared with "
            "others that get the same z, add it.",
        ),
        Mistake(
            "NaN for the root of a negative number",
            _step(_right, lambda g, dt, eta: eta * g * torch.tensor(dt).sqrt()),
            "You take the root of dt, which is negative here: torch makes NaN of it. The variance of an increment is the time that passes, "
            "whichever way it runs.",
        ),
        Mistake(
            "two cases only",
            lambda x, score, f, g, dt, eta, z: reverse_step(x, score, f, g, dt, float(eta > 0), z),
            "With any noise yours is the reverse SDE of eta = 1. eta may have every value from 0 up.",
        ),
        Mistake(
            "the move alone",
            lambda x, score, f, g, dt, eta, z: reverse_step(x, score, f, g, dt, eta, z) - x,
            "This is how far x moves. Where it stands after the step is asked for.",
        ),
        Mistake(
            "no noise",
            _step(_right, lambda g, dt, eta: 0.0),
            "The drift is that of eta, but no noise is added: the score pulls and nothing holds against it.",
        ),
    ],
    hints=[
        "Noise of variance v·dt, added at a fixed p, changes p just as a drift of −½·v·score does. (Fokker and Planck: both move the same "
        "probability.)",
        "So the forward SDE moves p_t as the ODE with the drift f·x − ½·g²·score does. That ODE can be run back as it is. Now add noise of "
        "strength eta·g, on the way back, and take away what it does.",
        "Back in time, with dt < 0, a drift is walked backwards but noise still spreads. Against noise of variance eta²·g²·|dt| the drift "
        "needs another −½·eta²·g²·score.",
    ],
    package=InPackage("ReverseSDE(path, eta).step(now, to, noise=…)", in_package),
    insight="The ODE and a Langevin step at the same level, of size ½·eta²·g²·|dt|: one transports, the other one mends. eta = 1 is "
    "Anderson's reverse SDE, eta = 0 the probability-flow ODE; with an exact score all end alike.",
)
