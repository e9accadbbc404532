"""Exercises of lesson 04: DDIM and fast samplers."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from diffcourse import gaussian
from diffcourse.denoiser import Estimate, estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal, refuses
from diffcourse.samplers import DDIM, DPMSolverPP, Heun, posterior_std, trajectory
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

BARS = torch.cumprod(1 - torch.linspace(0.02, 0.5, 8, dtype=torch.float64), dim=0)
OTHER_BARS = torch.cumprod(1 - torch.linspace(0.001, 0.3, 12, dtype=torch.float64), dim=0)


def _at(alpha_bar: float, t: float = 0.0) -> Level:
    """The package's level of an alpha_bar."""
    return Level(t, float(alpha_bar) ** 0.5, (1 - float(alpha_bar)) ** 0.5)


# -- the predicted x_0 --------------------------------------------------------------------------------------------------


def predicted_x0(x_t: Tensor, eps: Tensor, alpha_bar: float) -> Tensor:
    """The clean image that a predicted noise stands for.

    Solve x_t = sqrt(alpha_bar)·x_0 + sqrt(1 - alpha_bar)·eps for x_0.
    x_t and eps (B, …), alpha_bar a number in (0, 1). Returns x_0, of x_t's shape;
    differentiable in x_t and eps.
    """
    return (x_t - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5


def predicted_x0_by_torch(x_t, eps, alpha_bar):
    bar = torch.as_tensor(alpha_bar)
    return x_t / bar.sqrt() - ((1 - bar) / bar).sqrt() * eps


def predicted_x0_in_a_loop(x_t, eps, alpha_bar):
    a, s = math.sqrt(alpha_bar), math.sqrt(1 - alpha_bar)
    return torch.stack([(x - s * e) / a for x, e in zip(x_t, eps, strict=True)])


def x0_case(alpha_bar: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), alpha_bar)


PREDICTED_X0 = Exercise(
    name="04.predicted_x0",
    title="The predicted clean image",
    minutes=2,
    level=1,
    reference=predicted_x0,
    alternatives=[predicted_x0_by_torch, predicted_x0_in_a_loop],
    cases=[
        (torch.tensor([[1.0, -0.4]]), torch.tensor([[0.5, 2.0]]), 0.64),
        x0_case(0.9, 3, 2),
        x0_case(0.1, 2, 4),
        x0_case(0.005, 1, 1, 2, 3),
    ],
    invariants=[
        Invariant(
            "noising goes back",
            lambda f: close(0.6 * f(torch.ones(2, 3), torch.full((2, 3), 0.5), 0.36) + 0.4, torch.ones(2, 3)),
            "Noise your x_0 again with the same eps: x_t must come out. With yours it does not.",
        ),
    ],
    mistakes=[
        Mistake(
            "cut off",
            lambda x_t, eps, alpha_bar: predicted_x0(x_t, eps, alpha_bar).clamp(-1, 1),
            "This is x_0 cut off at ±1. The equation is solved by the values themselves, also beyond ±1; noised again, the "
            "cut ones do not give x_t back.",
        ),
        Mistake(
            "one minus the root",
            lambda x_t, eps, alpha_bar: (x_t - (1 - alpha_bar**0.5) * eps) / alpha_bar**0.5,
            "You take away 1 − √ᾱ times the noise. It is the two *variances* that add up to 1, so the root comes after the "
            "subtraction.",
        ),
        Mistake(
            "only the noise is divided",
            lambda x_t, eps, alpha_bar: x_t - (1 - alpha_bar) ** 0.5 * eps / alpha_bar**0.5,
            "Only your noise term is divided by √ᾱ. Both terms are: the division comes after the subtraction.",
        ),
        Mistake(
            "variance for standard deviation",
            lambda x_t, eps, alpha_bar: (x_t - (1 - alpha_bar) * eps) / alpha_bar**0.5,
            "You take away 1 − ᾱ times the noise. That is a variance; in x_t the noise stands with its standard "
            "deviation.",
        ),
        Mistake(
            "division without the root",
            lambda x_t, eps, alpha_bar: (x_t - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar,
            "You divide by ᾱ. The image was multiplied by an amplitude, and ᾱ is a share of the variance: at ᾱ = 0.01 "
            "yours is ten times too bright.",
        ),
        Mistake(
            "both roots missing",
            lambda x_t, eps, alpha_bar: (x_t - (1 - alpha_bar) * eps) / alpha_bar,
            "Both your factors are shares of the variance. The forward equation has their roots; undo exactly these.",
        ),
        Mistake(
            "only the noise is taken away",
            lambda x_t, eps, alpha_bar: x_t - (1 - alpha_bar) ** 0.5 * eps,
            "You take the noise away and stop: what is left is √ᾱ·x_0, a pale image. It has to get its strength back.",
        ),
        Mistake(
            "noise added",
            lambda x_t, eps, alpha_bar: (x_t + (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5,
            "You add the noise once more. The forward equation added it, so going back takes it away.",
        ),
        Mistake(
            "noise divided by its factor",
            lambda x_t, eps, alpha_bar: x_t / alpha_bar**0.5 - eps,
            "Only the image part is solved for: the noise has a factor of its own, and after the division that "
            "factor is σ/α, not 1.",
        ),
        Mistake(
            "the factors swapped",
            lambda x_t, eps, alpha_bar: (x_t - alpha_bar**0.5 * eps) / (1 - alpha_bar) ** 0.5,
            "The factors of image and noise are interchanged: the root of ᾱ belongs to the image.",
        ),
    ],
    hints=[
        "It is one equation with one unknown. Which term stands on the same side as x_0, and must go?",
        "Move the noise term over, then undo the factor before x_0.",
        "Subtract the root of 1 − ᾱ times eps from x_t; divide the rest by the root of ᾱ.",
    ],
    package=InPackage(
        'estimate(eps, x_t, schedule.at(t), "eps").x0',
        lambda x_t, eps, alpha_bar: estimate(eps, x_t, _at(alpha_bar), "eps").x0,
    ),
    insight="Every prediction of noise is also a picture of the end. At high noise it is divided by a small √ᾱ, so "
    "its errors are magnified.",
)


# -- sigma(eta) ---------------------------------------------------------------------------------------------------------


def ddim_std(alpha_bar_t: float, alpha_bar_s: float, eta: float) -> float:
    """The standard deviation of the fresh noise in a DDIM step from t to the less noisy s.

    eta times the standard deviation of DDPM's posterior q(x_s | x_t, x_0), to be derived: read
    the jump from s up to t as one forward step, which keeps the share alpha_bar_t/alpha_bar_s
    of the variance and has a beta of its own; lesson 02, part 6, has the posterior of a step.
    alpha_bar_t < alpha_bar_s <= 1, numbers; eta in [0, 1]. Returns a number.
    """
    return eta * ((1 - alpha_bar_s) / (1 - alpha_bar_t)) ** 0.5 * (1 - alpha_bar_t / alpha_bar_s) ** 0.5


def ddim_std_by_math(alpha_bar_t, alpha_bar_s, eta):
    variance = (1 - alpha_bar_s) * (alpha_bar_s - alpha_bar_t) / ((1 - alpha_bar_t) * alpha_bar_s)
    return eta * math.sqrt(variance)


def ddim_std_by_torch(alpha_bar_t, alpha_bar_s, eta):
    t, s = torch.tensor(alpha_bar_t, dtype=torch.float64), torch.tensor(alpha_bar_s, dtype=torch.float64)
    return eta * torch.sqrt((1 - s) / (1 - t)) * torch.sqrt(1 - t / s)


DDIM_STD = Exercise(
    name="04.ddim_std",
    title="How much fresh noise",
    minutes=6,
    level=3,
    reference=ddim_std,
    alternatives=[ddim_std_by_math, ddim_std_by_torch],
    cases=[
        (0.25, 0.64, 1.0),
        (0.1, 0.7, 0.5),
        (0.02, 0.05, 0.8),
        (0.9, 1.0, 1.0),
        (0.3, 0.5, 0.0),
        (0.0001, 0.9999, 0.3),
    ],
    invariants=[
        Invariant(
            "no noise on the way to the clean image",
            lambda f: abs(float(f(0.9, 1.0, 1.0))) < 1e-5,
            "The last step lands on the clean image, ᾱ_s = 1. No noise may be added there; yours adds some.",
        ),
    ],
    mistakes=[
        Mistake(
            "first fraction upside down, and 0 at the end",
            lambda t, s, eta: eta * ((1 - t) / (1 - s) if s < 1 else 0) ** 0.5 * (1 - t / s) ** 0.5,
            "Your first fraction is upside down. s is the less noisy level, so 1 − ᾱ_s is the smaller one: the fraction "
            "must be below 1, and be 0 at the end by itself.",
        ),
        Mistake(
            "root of the numerator",
            lambda t, s, eta: eta * (1 - s) ** 0.5 / (1 - t) * (1 - t / s) ** 0.5,
            "In your first fraction only 1 − ᾱ_s is under the root. The root goes over the whole fraction.",
        ),
        Mistake(
            "first factor only",
            lambda t, s, eta: eta * ((1 - s) / (1 - t)) ** 0.5,
            "The second factor is missing: the noise that the jump adds. A jump that goes nowhere, ᾱ_s = ᾱ_t, would still "
            "get noise from yours.",
        ),
        Mistake(
            "eta forgotten",
            lambda t, s, eta: ((1 - s) / (1 - t)) ** 0.5 * (1 - t / s) ** 0.5,
            "This is the posterior's standard deviation in full, whatever η: with η = 0 there must be no noise.",
        ),
        Mistake(
            "eta squared",
            lambda t, s, eta: eta**2 * ((1 - s) / (1 - t)) ** 0.5 * (1 - t / s) ** 0.5,
            "You take η squared. It scales a standard deviation, as it is: half of η is half of the noise.",
        ),
        Mistake(
            "no roots",
            lambda t, s, eta: eta**2 * (1 - s) / (1 - t) * (1 - t / s),
            "This is the variance of the fresh noise, η and all. Its root is the standard deviation.",
        ),
        Mistake(
            "variance",
            lambda t, s, eta: eta * (1 - s) / (1 - t) * (1 - t / s),
            "This is η times the variance. The name says std: multiplying z by it gives a spread of its square.",
        ),
        Mistake(
            "eta on the variance",
            lambda t, s, eta: (eta * (1 - s) / (1 - t) * (1 - t / s)) ** 0.5,
            "Your η stands under the root, so at η = 0.5 you add 0.71 of the full noise instead of half of it.",
        ),
        Mistake(
            "first fraction upside down",
            lambda t, s, eta: eta * ((1 - t) / max(1 - s, 1e-12)) ** 0.5 * (1 - t / s) ** 0.5,
            "The first fraction is upside down. The less noisy level s has the smaller 1 − ᾱ: the fraction must be "
            "below 1, and 0 at the end.",
        ),
        Mistake(
            "t and s swapped",
            lambda t, s, eta: eta * ((1 - t) / (1 - s)) ** 0.5 * (1 - s / t) ** 0.5,
            "t and s are interchanged throughout. t is the noisier level, with the smaller ᾱ; with yours a root of a "
            "negative number appears.",
        ),
        Mistake(
            "one factor only",
            lambda t, s, eta: eta * (1 - t / s) ** 0.5,
            "This is η√β of the jump: the spread of the forward step. On the way back x_0 is known as well, and that "
            "knowledge narrows it.",
        ),
        Mistake(
            "all the noise of level s",
            lambda t, s, eta: eta * (1 - s) ** 0.5,
            "This is η times all the noise of level s. At η = 1 nothing of the old noise would be kept: you would "
            "noise the predicted image afresh.",
        ),
        Mistake(
            "difference for ratio",
            lambda t, s, eta: eta * ((1 - s) / (1 - t)) ** 0.5 * (s - t) ** 0.5,
            "Under the second root stands a difference of two ᾱ. The jump keeps the share ᾱ_t/ᾱ_s: it is a ratio "
            "that is taken from 1.",
        ),
    ],
    gradients=[],  # a plain number will do
    hints=[
        "There are two factors under roots. Which is the share of noise that stays, which is the noise that the jump "
        "t ← s adds?",
        "The jump from s up to t keeps ᾱ_t/ᾱ_s of the variance. What it adds is one minus that.",
        "η stands outside both roots. Check the end: with ᾱ_s = 1 the result is 0.",
    ],
    package=InPackage(
        "eta * posterior_std(schedule.at(t), schedule.at(s))",
        lambda alpha_bar_t, alpha_bar_s, eta: eta * posterior_std(_at(alpha_bar_t), _at(alpha_bar_s)),
    ),
    insight="It is the posterior's standard deviation for the jump, scaled by η. Nothing in it asks that s be t − 1.",
)


# -- one step of DDIM ---------------------------------------------------------------------------------------------------


def ddim_step(
    x_t: Tensor,
    eps: Tensor,
    alpha_bar_t: float,
    alpha_bar_s: float,
    std: float,
    noise: Tensor,
) -> Tensor:
    """One step of DDIM, from level t to the less noisy level s.

    Line 6 of the derivation, with the clean image that eps stands for in the place of x_0.
    x_t, eps (predicted at t) and noise (fresh, standard Gaussian) (B, …); the others are plain
    numbers, alpha_bar_s = 1 in the last step. Returns x_s, of x_t's shape; differentiable in
    x_t, eps and noise.
    """
    x0 = (x_t - (1 - alpha_bar_t) ** 0.5 * eps) / alpha_bar_t**0.5
    return alpha_bar_s**0.5 * x0 + (1 - alpha_bar_s - std**2) ** 0.5 * eps + std * noise


def ddim_step_by_torch(x_t, eps, alpha_bar_t, alpha_bar_s, std, noise):
    t, s, d = (torch.tensor(v, dtype=torch.float64) for v in (alpha_bar_t, alpha_bar_s, std))
    x0 = (x_t - (1 - t).sqrt() * eps) / t.sqrt()
    return s.sqrt() * x0 + (1 - s - d**2).clamp(min=0).sqrt() * eps + d * noise


def ddim_step_in_two_factors(x_t, eps, alpha_bar_t, alpha_bar_s, std, noise):
    b = math.sqrt(max(0.0, 1 - alpha_bar_s - std**2) / (1 - alpha_bar_t))  # of x_t, as in the derivation
    x0 = (x_t - math.sqrt(1 - alpha_bar_t) * eps) / math.sqrt(alpha_bar_t)
    return (math.sqrt(alpha_bar_s) - b * math.sqrt(alpha_bar_t)) * x0 + b * x_t + std * noise


def _step(
    direction: Callable = lambda t, s, d: (1 - s - d**2) ** 0.5,
    signal: Callable = lambda t, s: s**0.5,
    image: Callable = predicted_x0,
    fresh: Callable = lambda d: d,
) -> Callable:
    def wrong(x_t, eps, alpha_bar_t, alpha_bar_s, std, noise):
        x0 = image(x_t, eps, alpha_bar_t)
        t, s = alpha_bar_t, alpha_bar_s
        return signal(t, s) * x0 + direction(t, s, std) * eps + fresh(std) * noise

    return wrong


def step_case(t: float, s: float, eta: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), t, s, ddim_std(t, s, eta), normal(g, *shape))


def ddim_step_in_package(x_t, eps, alpha_bar_t, alpha_bar_s, std, noise):
    now, to = _at(alpha_bar_t), _at(alpha_bar_s)
    eta = min(1.0, std / posterior_std(now, to)) if std else 0.0
    return DDIM(eta).step(estimate(eps, x_t, now, "eps"), to, noise=lambda: noise)


DDIM_STEP = Exercise(
    name="04.ddim_step",
    title="One step of DDIM",
    minutes=4,
    level=2,
    reference=ddim_step,
    alternatives=[ddim_step_by_torch, ddim_step_in_two_factors],
    cases=[
        (torch.tensor([[1.0, -0.5]]), torch.tensor([[0.3, 1.1]]), 0.36, 0.64, 0.2, torch.tensor([[-1.0, 0.5]])),
        step_case(0.05, 0.3, 1.0, 3, 2),
        step_case(0.4, 0.8, 0.5, 2, 4),
        step_case(0.9, 1.0, 0.0, 2, 3),
        step_case(0.01, 0.02, 0.3, 1, 1, 2, 3),
    ],
    invariants=[
        Invariant(
            "the last step lands on the predicted image",
            lambda f: close(f(torch.ones(2), torch.zeros(2), 0.25, 1.0, 0.0, torch.ones(2)), torch.full((2,), 2.0)),
            "With alpha_bar_s = 1 and std = 0 the step must return the predicted x_0 itself. Yours returns something "
            "else.",
        ),
    ],
    mistakes=[
        Mistake(
            "torch.sqrt of a number",
            lambda x_t, eps, alpha_bar_t, alpha_bar_s, std, noise: torch.sqrt(alpha_bar_s) * x_t,
            "torch.sqrt takes tensors only, and the factors here are plain numbers: 1.0 in the last step for certain. "
            "A power of one half works for both.",
        ),
        Mistake(
            "x_0 cut off",
            _step(image=lambda x_t, eps, t: predicted_x0(x_t, eps, t).clamp(-1, 1)),
            "This is a step from a predicted image that was cut off at ±1. The docstring's x_0 is what eps stands for, also "
            "beyond ±1: only with it do x_0 and eps fit together.",
        ),
        Mistake(
            "x_0 from level s",
            lambda x_t, eps, t, s, std, noise: (
                s**0.5 * predicted_x0(x_t, eps, s) + (1 - s - std**2) ** 0.5 * eps + std * noise
            ),
            "Your predicted image is worked out with ᾱ_s. x_t stands at level t, so it is ᾱ_t that says how much of it is noise.",
        ),
        Mistake(
            "std not taken off",
            _step(direction=lambda t, s, d: (1 - s) ** 0.5),
            "You keep all of the old noise and add fresh noise on top: the variance becomes 1 − ᾱ_s + std², more than "
            "level s has. Both together must make 1 − ᾱ_s.",
        ),
        Mistake(
            "std for its square",
            _step(direction=lambda t, s, d: max(0.0, 1 - s - d) ** 0.5),
            "Under the root you take off std. Variances add, not standard deviations: it is the square that belongs "
            "there.",
        ),
        Mistake(
            "level t in the direction",
            _step(direction=lambda t, s, d: (1 - t - d**2) ** 0.5),
            "The noise term has the strength of level t, where you come from. After the step the image must be as "
            "noisy as s.",
        ),
        Mistake(
            "level t before the image",
            _step(signal=lambda t, s: t**0.5),
            "Your predicted image is multiplied by √ᾱ_t. After the step it must stand there with the strength of "
            "level s.",
        ),
        Mistake(
            "signal without its root",
            _step(signal=lambda t, s: s),
            "Your predicted image is multiplied by ᾱ_s, a share of the variance. An image is multiplied by an "
            "amplitude.",
        ),
        Mistake(
            "x_t in the place of x_0",
            _step(image=lambda x_t, eps, t: x_t),
            "You put x_t where the predicted clean image belongs: the old noise would then be counted twice.",
        ),
        Mistake(
            "variance before the fresh noise",
            _step(fresh=lambda d: d**2),
            "The fresh noise is multiplied by std²: a variance. Its spread would then be the square of what was "
            "asked for.",
        ),
        Mistake(
            "no fresh noise",
            _step(fresh=lambda d: 0.0),
            "You took std² off the old noise but added nothing: the image after the step has less noise than level s "
            "says.",
        ),
    ],
    hints=[
        "Three terms: the clean image, the noise that is already there, and fresh noise. What does each get "
        "multiplied by?",
        "First the predicted x_0, from your earlier exercise. Everything else then speaks of level s only.",
        "√ᾱ_s for the image; for the old noise the root of what is left of 1 − ᾱ_s after std² is taken off; std for "
        "the fresh noise.",
    ],
    package=InPackage('DDIM(eta).step(estimate(eps, x_t, at, "eps"), to, noise=lambda: noise)', ddim_step_in_package),
    insight="Two predictions, re-mixed for a new level. Where s lies is free: it need not be t − 1.",
)


# -- which times are visited --------------------------------------------------------------------------------------------


def level_grid(T: int, n: int) -> list[int]:
    """n times of a chain of T steps, evenly spread from T - 1 down to 0.

    Each is rounded to the nearest whole number (a half either way). The first is T - 1, since
    sampling starts from pure noise; the last is 0 (n = 1 gives [T - 1] alone).
    Returns a list of n whole numbers, falling. ValueError unless 1 <= n <= T.
    """
    if not 1 <= n <= T:
        raise ValueError(f"n must lie in [1, {T}], got {n}")
    return torch.linspace(T - 1, 0, n, dtype=torch.float64).round().long().tolist()


def level_grid_by_python(T, n):
    if n < 1 or n > T:
        raise ValueError("n is out of range")
    return [T - 1] if n == 1 else [round((T - 1) * (n - 1 - i) / (n - 1)) for i in range(n)]


def level_grid_by_numpy(T, n):
    if not 0 < n <= T:
        raise ValueError("n is out of range")
    return [int(t) for t in np.linspace(T - 1, 0, n).round()]


def level_grid_rounded_up(T, n):
    if n < 1 or n > T:
        raise ValueError("n is out of range")
    return tuple(int((T - 1) * (n - 1 - i) / max(1, n - 1) + 0.5) if i else T - 1 for i in range(n))


def _strided(T, n):
    return list(reversed(range(0, T, T // n)))


LEVEL_GRID = Exercise(
    name="04.level_grid",
    title="Which steps are visited",
    minutes=5,
    level=2,
    reference=level_grid,
    alternatives=[level_grid_by_python, level_grid_by_numpy, level_grid_rounded_up],
    # n - 1 is odd or divides T - 1: no halves, which may go either way
    cases=[(10, 4), (1000, 6), (1000, 50), (1000, 300), (30, 8), (10, 10), (1000, 1), (1, 1), (25, 2)],
    invariants=[
        Invariant(
            "as many as asked for",
            lambda f: [len(f(1000, n)) for n in (5, 51, 300, 600)] == [5, 51, 300, 600],
            "Ask for 300 and count: the number of times must be n.",
        ),
        Invariant(
            "starts in the noise",
            lambda f: [int(f(1000, n)[0]) for n in (1, 5, 50)] == [999] * 3,
            "The first time must be T − 1: the start is pure noise, and that is the level the chain calls pure noise.",
        ),
        Invariant(
            "no time twice",
            lambda f: all(int(a) > int(b) for a, b in pairwise(f(100, 87))),
            "Some of your times come twice, or the list does not fall throughout.",
        ),
        Invariant(
            "impossible numbers are refused",
            lambda f: refuses(10, 0)(f) and refuses(10, -3)(f) and refuses(10, 11)(f) and refuses(1, 2)(f),
            "n below 1 and n above T cannot be served: raise a ValueError that says so.",
        ),
    ],
    mistakes=[
        Mistake(
            "a stride of T // n",
            _strided,
            "This walks in strides of T // n. The last time is 0, but the first is a whole stride below T, so pure "
            "noise is never visited; and 300 times of 1000 become 334.",
        ),
        Mistake(
            "a stride of T // n, cut to n",
            lambda T, n: _strided(T, n)[-n:],
            "You cut the strided list to n entries. The count is right, but now even fewer of the noisy levels are "
            "visited. Begin with the two ends that are fixed.",
        ),
        Mistake(
            "a stride of T // n, from the top",
            lambda T, n: list(range(T - 1, -1, -(T // n)))[:n],
            "Yours walks down from T − 1 in strides of T // n, cut to n times. The last one is then not 0: the width must "
            "follow from both ends.",
        ),
        Mistake(
            "a whole width",
            lambda T, n: [T - 1 - i * ((T - 1) // max(1, n - 1)) for i in range(n)],
            "Your width is cut to a whole number, so the times do not get down to 0. Leave it a fraction, and round each time.",
        ),
        Mistake(
            "ends at 1",
            lambda T, n: torch.linspace(T - 1, min(1, T - 1), n, dtype=torch.float64).round().long().tolist(),
            "Your last time is 1. The times are indices: the least noisy level has the index 0.",
        ),
        Mistake(
            "rounded up",
            lambda T, n: [math.ceil((T - 1) * (n - 1 - i) / max(1, n - 1)) if i else T - 1 for i in range(n)],
            "You round up, so most times lie a little too high. Round to the *nearest* whole number.",
        ),
        Mistake(
            "rising",
            lambda T, n: torch.linspace(0, T - 1, n).round().long().tolist(),
            "Your times rise. Sampling begins in the noise, at T − 1, and ends at 0.",
        ),
        Mistake(
            "up to T",
            lambda T, n: torch.linspace(T, 0, n, dtype=torch.float64).round().long().tolist(),
            "Yours starts at T. The tables have T entries, and the last one has the index T − 1.",
        ),
        Mistake(
            "cut off instead of rounded",
            lambda T, n: torch.linspace(T - 1, 0, n, dtype=torch.float64).long().tolist(),
            "You cut the fraction off, so most times lie a little too low. Round to the nearest whole number.",
        ),
        Mistake(
            "one end open",
            lambda T, n: [round(T - 1 - i * (T - 1) / n) for i in range(n)],
            "Your steps are (T − 1)/n wide, so 0 is not reached. Between n points there are n − 1 gaps.",
        ),
        Mistake(
            "n + 1 times",
            lambda T, n: torch.linspace(T - 1, 0, n + 1, dtype=torch.float64).round().long().tolist(),
            "You return n + 1 times. The step to the clean image comes after the last one and needs no time of its "
            "own.",
        ),
        Mistake(
            "fractions",
            lambda T, n: torch.linspace(T - 1, 0, n, dtype=torch.float64).tolist(),
            "The ends and the spacing are right, but a table has whole indices: round.",
        ),
    ],
    gradients=[],
    allowed={
        "* -> * (2)": "only in the message of the error",
        "torch.linspace(T - 1, 0, n, dtype=torch.float64) -> torch.linspace(T - 1, 0, n)": "the same times",
    },
    hints=[
        "Two ends are fixed and n points are spread between them. Which function of torch or numpy does that?",
        "linspace from T − 1 down to 0, then whole numbers. Does converting to int round?",
        "Refuse n outside 1 to T first; then linspace in float64, round, convert, make a list.",
    ],
    package=InPackage(
        'schedule.levels(n, "linspace"), and the clean image at its end',
        lambda T, n: [int(at.t) for at in DiffusionSchedule(torch.full((T,), 0.001)).levels(n, "linspace")[:-1]],
    ),
    insight="First and last are said outright, and the count follows by itself: the three complaints of the next "
    "cell cannot happen.",
)


# -- the whole loop -----------------------------------------------------------------------------------------------------


def ddim(predict_eps, x: Tensor, times: list[int], alpha_bars: Tensor) -> Tensor:
    """DDIM with eta = 0, the whole loop: from noise x at times[0] to the clean image.

    predict_eps(x, t) returns the predicted noise, of x's shape; t is one of the times.
    times: falling indices into alpha_bars (T,). Each step goes to the *next entry* of times;
    after the last one comes the clean image, alpha_bar = 1. One call of predict_eps a time.
    x (B, …) stays as it is. Returns the clean image, of x's shape.
    """
    bars = [*(float(alpha_bars[t]) for t in times), 1.0]
    for t, bar_t, bar_s in zip(times, bars, bars[1:], strict=False):
        eps = predict_eps(x, t)
        x0 = (x - (1 - bar_t) ** 0.5 * eps) / bar_t**0.5
        x = bar_s**0.5 * x0 + (1 - bar_s) ** 0.5 * eps
    return x


def ddim_by_index(predict_eps, x, times, alpha_bars):
    for i in range(len(times)):
        bar = alpha_bars[times[i]]
        bar_s = alpha_bars[times[i + 1]] if i + 1 < len(times) else torch.ones_like(bar)
        eps = predict_eps(x, times[i])
        x = bar_s.sqrt() * (x - (1 - bar).sqrt() * eps) / bar.sqrt() + (1 - bar_s).sqrt() * eps
    return x


def ddim_as_euler(predict_eps, x, times, alpha_bars):
    nsr = lambda bar: math.sqrt(1 - bar) / math.sqrt(bar)  # noqa: E731
    bars = [float(alpha_bars[t]) for t in times] + [1.0]
    y = x / math.sqrt(bars[0])
    for i, t in enumerate(times):
        y = y + (nsr(bars[i + 1]) - nsr(bars[i])) * predict_eps(y * math.sqrt(bars[i]), t)
    return y


def _loop(
    next_bar: Callable, called_at: Callable = lambda times, i: times[i], image: Callable = predicted_x0
) -> Callable:
    def wrong(predict_eps, x, times, alpha_bars):
        for i, t in enumerate(times):
            bar_t, bar_s = alpha_bars[t], torch.as_tensor(next_bar(times, i, alpha_bars))
            eps = predict_eps(x, called_at(times, i))
            x = bar_s.sqrt() * image(x, eps, bar_t) + (1 - bar_s).sqrt() * eps
        return x

    return wrong


def _next(times, i, bars, end=1.0):
    return bars[times[i + 1]] if i + 1 < len(times) else end


def a_network(x: Tensor, t: int) -> Tensor:
    """Stands for a network in the cases."""
    return torch.tanh(1.5 * x) + 0.1 * t


def another_network(x: Tensor, t: int) -> Tensor:
    return torch.sin(x) - 0.05 * t * x


def loop_case(times: list[int], *shape: int, network: Callable = a_network, alpha_bars: Tensor = BARS):
    return lambda g: (network, normal(g, *shape), times, alpha_bars)


def one_call_a_time(f: Callable) -> bool:
    seen: list[int] = []

    def counting(x, t):
        seen.append(int(t))
        return 0.5 * x

    f(counting, torch.ones(1, 2), [7, 4, 1], BARS)
    return seen == [7, 4, 1]


def ddim_in_package(predict_eps, x, times, alpha_bars):
    levels = [*(_at(alpha_bars[t], t) for t in times), CLEAN]
    *_, end = trajectory(lambda x, at: estimate(predict_eps(x, at.t), x, at, "eps"), x, levels, DDIM())
    return end.x


DDIM_LOOP = Exercise(
    name="04.ddim",
    title="Exercise 4: DDIM, the whole loop",
    minutes=8,
    level=3,
    reference=ddim,
    alternatives=[ddim_by_index, ddim_as_euler],
    cases=[
        loop_case([5], 1, 2),
        loop_case([0], 2, 1),
        loop_case([7, 3], 2, 2),
        loop_case([7, 5, 2, 0], 2, 3),
        loop_case([6, 5, 1], 3, 1, 2),
        loop_case([11, 10, 4, 0], 1, 3, network=another_network, alpha_bars=OTHER_BARS),
    ],
    gradients=[],  # sampling needs none: under no_grad it is right as well
    invariants=[
        Invariant(
            "one call for each time",
            one_call_a_time,
            "The network must be called once at each of the times, in their order, and nowhere else.",
            only_if_right=True,
        ),
        Invariant(
            "a perfect network is enough",
            lambda f: close(
                f(
                    lambda x, t: (x - BARS[t] ** 0.5 * 0.3) / (1 - BARS[t]) ** 0.5,
                    torch.ones(1, 2, dtype=torch.float64),
                    [7, 3],
                    BARS,
                ),
                torch.full((1, 2), 0.3),
            ),
            "If all data are the single value 0.3 and the network knows it, the loop must end at 0.3. Yours does not.",
        ),
    ],
    mistakes=[
        Mistake(
            "stops one step short",
            _loop(lambda times, i, bars: _next(times, i, bars, bars[times[-1]])),
            "Your last step goes nowhere: the image stays at the noise of the last time. After it comes the clean "
            "image, ᾱ = 1.",
        ),
        Mistake(
            "ends at index 0",
            _loop(lambda times, i, bars: _next(times, i, bars, bars[0])),
            "Your last step lands on index 0 of the table. That level still has noise; the clean image lies before "
            "the table, with ᾱ = 1.",
        ),
        Mistake(
            "the index -1",
            _loop(lambda times, i, bars: _next(times, i, bars, bars[-1])),
            "At the last step you look up index −1, which is the *noisiest* entry: the finished image is drowned in "
            "noise again.",
        ),
        Mistake(
            "back to the first time",
            _loop(lambda times, i, bars: _next(times, i, bars, bars[times[0]])),
            "Your last step goes back to the first of the times, the noisiest one. After the last time comes the clean image.",
        ),
        Mistake(
            "x_0 cut off",
            _loop(_next, image=lambda x, eps, bar: predicted_x0(x, eps, bar).clamp(-1, 1)),
            "Yours cuts the predicted images off at ±1. That is a trick some samplers offer; the docstring's step has the "
            "x_0 that eps stands for.",
        ),
        Mistake(
            "always the neighbour",
            _loop(lambda times, i, bars: bars[times[i] - 1] if times[i] else 1.0),
            "Your steps go to t − 1, not to the next entry of times. Then the image claims to be at another level "
            "than the network is told.",
        ),
        Mistake(
            "arithmetic in the place of the list",
            _loop(
                lambda times, i, bars: bars[max(0, times[i] - len(bars) // len(times))] if i + 1 < len(times) else 1.0
            ),
            "You compute the next time as t − T // n. Here the times are given, and they are not evenly spaced: read "
            "the next entry.",
        ),
        Mistake(
            "the network is told the next time",
            _loop(_next, lambda times, i: times[min(i + 1, len(times) - 1)]),
            "You call the network with the time you are going to. It sees the image as it is now, at the noisier "
            "level.",
        ),
        Mistake(
            "the first prediction for all steps",
            lambda predict_eps, x, times, alpha_bars: predicted_x0(x, predict_eps(x, times[0]), alpha_bars[times[0]]),
            "You trust the first prediction to the end. Along a straight line that is the same as one single step: "
            "call the network anew after each step.",
        ),
    ],
    allowed={"float(alpha_bars[t]) -> alpha_bars[t]": "a tensor of one element multiplies as well"},
    hints=[
        "Each pass needs two ᾱ: the one of this time and the one of the next entry. What comes after the last entry?",
        "Make a list of all ᾱ along the way with 1.0 at its end, and walk through neighbours of that list.",
        "For each time: call the network, compute the predicted x_0, mix it with the same eps for the next ᾱ. Give x "
        "a new value, never change it in place.",
    ],
    package=InPackage("sample(model, schedule, shape, DDIM(), x=x, levels=levels)", ddim_in_package),
    insight="Ten lines, and the trained network of DDPM runs twenty times faster. Nothing was trained for it.",
)


# -- exercise 4: counts, spreads ------------------------------------------------------------------------------------


CALLS = Exercise(
    name="04.calls",
    title="Exercise 4.1 and 4.2: the price",
    kind="value",
    minutes=2,
    level=1,
    reference=(1000, 50, 99),
    tolerance=1e-6,
    stub="# Calls of the network for one batch:\n# (DDPM with all 1000 steps, DDIM with 50 steps, Heun with 50 steps).\n"
    "# Heun calls twice in a step, but once in the step to the clean image.\ncalls = ...",
    mistakes=[
        Mistake(
            "DDPM's last step without a call",
            (999, 50, 99),
            "The second and the third number are right. DDPM asks the network in each of its steps; the last one only gets "
            "no fresh noise.",
        ),
        Mistake(
            "DDIM's last step without a call",
            (1000, 49, 99),
            "The first and the third number are right. DDIM's step to the clean image needs a prediction like all others.",
        ),
        Mistake(
            "two calls less for Heun",
            (1000, 50, 98),
            "The first two are right. For Heun only one call is saved: the step to the clean image still begins with one.",
        ),
        Mistake(
            "one call more for Heun",
            (1000, 50, 101),
            "The first two are right. Heun's last step has one call *less* than the others, not one more.",
        ),
        Mistake(
            "another order",
            (50, 1000, 99),
            "The numbers are right, the order is not: DDPM with its 1000 steps comes first.",
        ),
        Mistake(
            "the order turned round",
            (99, 50, 1000),
            "The numbers are right, the order is not: DDPM first, then DDIM, then Heun.",
        ),
        Mistake(
            "ratios",
            (20, 1, 2),
            "These are calls in units of DDIM's. Count the calls themselves.",
        ),
        Mistake(
            "two calls in every step",
            (1000, 50, 100),
            "Heun's last step lands on the clean image, where no network is ever asked: one call less.",
        ),
        Mistake(
            "one call in every step",
            (1000, 50, 50),
            "Heun asks the network a second time at the end of each step, to average two slopes.",
        ),
        Mistake(
            "steps counted as levels",
            (1001, 51, 101),
            "There are n + 1 levels with the clean image among them, and it costs no call.",
        ),
        Mistake(
            "one less everywhere",
            (999, 49, 98),
            "Between n + 1 levels there are n steps, and each of them calls the network.",
        ),
        Mistake(
            "16 images",
            (16000, 800, 1584),
            "These are calls times 16 images. A batch of 16 goes through the network in one call.",
        ),
    ],
    hints=[
        "DDPM and DDIM look at the image once in every step.",
        "50 steps of Heun: two calls each, except for the step where no second call is possible.",
        "So it is the number of steps for the first two, and twice the number less one for the third.",
    ],
    insight="Compare samplers by calls, not by steps: calls are what you wait for.",
)


def two_spreads(samples: Tensor) -> tuple[float, float]:
    """How much samples vary for one fixed start, and how much they vary altogether.

    samples (S, R, D): for each of S starts x_T, R samples of D values, with fresh noise.
    repeat: the root of the mean, over starts and values, of the variance over the R repeats.
    total: the root of the mean, over values, of the variance over all S·R samples.
    Variances divide by the count (unbiased=False). Returns (repeat, total).
    """
    repeat = samples.var(dim=1, unbiased=False).mean() ** 0.5
    total = samples.flatten(0, 1).var(dim=0, unbiased=False).mean() ** 0.5
    return float(repeat), float(total)


def two_spreads_by_means(samples):
    within = (samples - samples.mean(dim=1, keepdim=True)).square().mean()
    overall = (samples - samples.mean(dim=(0, 1))).square().mean()
    return within.sqrt(), overall.sqrt()


def two_spreads_in_a_loop(samples):
    within = sum(float(s.var(dim=0, unbiased=False).mean()) for s in samples) / len(samples)
    every = torch.cat(list(samples))
    return within**0.5, float(every.var(dim=0, unbiased=False).mean()) ** 0.5


def spread_case(*shape: int):
    return lambda g: (
        normal(g, *shape) * (1 + torch.arange(shape[0])).view(-1, 1, 1)  # some starts vary more than others
        + 2 * normal(g, shape[0], 1, shape[2]) * (1 + torch.arange(shape[2])),
    )


TWO_SPREADS = Exercise(
    name="04.two_spreads",
    title="Exercise 4.4: reproducible, or diverse?",
    minutes=5,
    level=2,
    reference=two_spreads,
    alternatives=[two_spreads_by_means, two_spreads_in_a_loop],
    cases=[
        spread_case(2, 3, 1),
        spread_case(3, 2, 2),
        spread_case(4, 5, 3),
        spread_case(1, 3, 2),
        spread_case(3, 1, 2),
    ],
    invariants=[
        Invariant(
            "without fresh noise nothing varies for one start",
            lambda f: close([float(v) for v in f(torch.tensor([[[1.0], [1.0]], [[3.0], [3.0]]]))], [0.0, 1.0]),
            "Two starts, each with two equal samples, at 1 and at 3: the first number must be 0 and the second 1.",
        ),
    ],
    mistakes=[
        Mistake(
            "starts and repeats interchanged",
            lambda s: (s.var(dim=0, unbiased=False).mean() ** 0.5, two_spreads(s)[1]),
            "Your first number is the variance over the starts. The start must stay fixed: vary only the repeats, "
            "dimension 1.",
        ),
        Mistake(
            "the first start alone",
            lambda s: (s[0].var(dim=0, unbiased=False).mean() ** 0.5, two_spreads(s)[1]),
            "Your first number looks at the first start only. The mean is over all starts.",
        ),
        Mistake(
            "over the values",
            lambda s: (s.var(dim=2, unbiased=False).mean() ** 0.5, two_spreads(s)[1]),
            "Your first number is how the D values of one sample differ from each other, dimension 2. The repeats are "
            "dimension 1.",
        ),
        Mistake(
            "the first repeat alone",
            lambda s: (two_spreads(s)[0], s[:, 0].var(dim=0, unbiased=False).mean() ** 0.5),
            "Your second number takes the first repeat of each start only. All S·R samples count.",
        ),
        Mistake(
            "over the starts alone",
            lambda s: (two_spreads(s)[0], s.var(dim=0, unbiased=False).mean() ** 0.5),
            "Your second number is the variance over the starts, one repeat at a time. All S·R samples belong in one heap "
            "before the variance is taken.",
        ),
        Mistake(
            "mean of the deviations",
            lambda s: (s.std(dim=1, unbiased=False).mean(), two_spreads(s)[1]),
            "You average standard deviations. Variances may be averaged; the root comes last, once.",
        ),
        Mistake(
            "mean of the deviations, twice",
            lambda s: (s.std(dim=1, unbiased=False).mean(), s.flatten(0, 1).std(dim=0, unbiased=False).mean()),
            "Both of your numbers are averages of standard deviations. Average variances; the root comes last, once.",
        ),
        Mistake(
            "divided by the count less one",
            lambda s: (s.var(dim=1).mean() ** 0.5, s.flatten(0, 1).var(dim=0).mean() ** 0.5),
            "These variances divide by the count less one, as torch does by itself. The docstring asks for the plain "
            "mean of squares.",
        ),
        Mistake(
            "variances",
            lambda s: tuple(v**2 for v in two_spreads(s)),
            "These are variances. The root is missing at the end.",
        ),
        Mistake(
            "spread of the means",
            lambda s: (two_spreads(s)[0], s.mean(dim=1).var(dim=0, unbiased=False).mean() ** 0.5),
            "Your second number is the spread of the averages of each start. Altogether means: all S·R samples in "
            "one heap.",
        ),
        Mistake(
            "all values in one heap",
            lambda s: (two_spreads(s)[0], s.var(unbiased=False) ** 0.5),
            "Your second number also counts how pixels differ from each other. Take the variance of each value "
            "first, then the mean.",
        ),
        Mistake(
            "the order of the answer",
            lambda s: tuple(reversed(two_spreads(s))),
            "Both numbers are right, but interchanged: repeat first, then total.",
        ),
    ],
    gradients=[],  # plain numbers will do
    allowed={
        "samples rows reversed": "spreads know no order",
        "samples negated": "spreads know no sign",
        "samples one *": "spreads know no place",
        "float(*": "a tensor of one element is a number as well",
    },
    hints=[
        "Fixing the start means looking at one s: samples[s] has R rows. Over which dimension is the variance?",
        "For the total, forget which start a sample had: (S, R, D) becomes (S·R, D).",
        "var with unbiased=False, over dimension 1 or over the flattened one; mean of what is left; root at the end.",
    ],
    insight="Two questions: does the same start give the same image, and do different starts give different images? "
    "η moves the first.",
)


# -- Heun ---------------------------------------------------------------------------------------------------------------


def heun_step(slope, y: Tensor, now: float, to: float) -> Tensor:
    """One step of Heun's method for dy/du = slope(y, u), from u = now to u = to.

    Go straight with the first slope, look at the slope where that ends, and go again from
    the start with the mean of both.
    slope(y, u) returns a tensor of y's shape and is asked twice. Returns the new y.
    """
    h = to - now
    first = slope(y, now)
    second = slope(y + h * first, to)
    return y + h * (first + second) / 2


def heun_step_corrected(slope, y, now, to):
    first = slope(y, now)
    guess = y + (to - now) * first
    return guess + (to - now) / 2 * (slope(guess, to) - first)


def heun_step_weighted(slope, y, now, to):
    k = [slope(y, now)]
    k.append(slope(torch.add(y, k[0], alpha=to - now), to))
    return y + 0.5 * (to - now) * k[0] + 0.5 * (to - now) * k[1]


def a_slope(y: Tensor, u: float) -> Tensor:
    """Stands for the denoiser in the cases."""
    return torch.sin(2 * y) - 0.7 * u * y


def another_slope(y: Tensor, u: float) -> Tensor:
    return torch.cos(y) + u**2


def heun_case(now: float, to: float, *shape: int, slope: Callable = a_slope):
    return lambda g: (slope, normal(g, *shape), now, to)


def _two_calls(f: Callable) -> bool:
    calls = []
    f(lambda y, u: calls.append(u) or y * 0, torch.ones(1, 2), 2.0, 0.5)
    return len(calls) == 2


def heun_step_in_package(slope, y, now, to):
    denoise = lambda y, at: Estimate(y, at, y, slope(y, at.sigma))  # noqa: E731  (alpha = 1: u is sigma, y is x)
    return Heun().step(denoise(y, Level(0.0, 1.0, now)), Level(0.0, 1.0, to), denoise=denoise)


HEUN_STEP = Exercise(
    name="04.heun_step",
    title="Heun's second call",
    minutes=4,
    level=2,
    reference=heun_step,
    alternatives=[heun_step_corrected, heun_step_weighted],
    cases=[
        heun_case(2.0, 1.0, 1, 2),
        heun_case(1.5, 0.9, 3, 2),
        heun_case(0.4, 0.7, 2, 1, 2),
        heun_case(0.6, 0.1, 1, 3, slope=another_slope),
        heun_case(0.9, 0.4, 2, 2, slope=lambda y, u: y),  # gives back what it was given: in place would change y
    ],
    gradients=[],  # a step of a sampler: under no_grad it is right as well
    invariants=[
        Invariant(
            "two calls",
            _two_calls,
            "The new y is right, the price is not: a step of Heun asks for the slope exactly twice. Keep the first one in a "
            "variable.",
            only_if_right=True,
        ),
        Invariant(
            "exact for a parabola",
            lambda f: close(f(lambda y, u: 0 * y + 2 * u, torch.zeros(1, 1), 3.0, 1.0), torch.full((1, 1), -8.0)),
            "dy/du = 2u has the solution u². Heun's method has no error there, and yours has.",
        ),
    ],
    mistakes=[
        Mistake(
            "Euler",
            lambda slope, y, now, to: y + (to - now) * slope(y, now),
            "This is Euler's method: one slope, one call. Heun looks at the end of that step and averages.",
        ),
        Mistake(
            "Ralston",
            lambda slope, y, now, to: (
                lambda k, h: y + h * (k / 4 + 3 / 4 * slope(y + 2 / 3 * h * k, now + 2 / 3 * h))
            )(slope(y, now), to - now),
            "This is Ralston's method, of second order too: it looks at two thirds of the step. Heun looks at its end, and "
            "both slopes count alike.",
        ),
        Mistake(
            "two half steps",
            lambda slope, y, now, to: (lambda m, h: m + h * slope(m, now + h))(
                y + (to - now) / 2 * slope(y, now), (to - now) / 2
            ),
            "These are two steps of Euler, each half as wide: two calls, but still first order. Heun goes from the start "
            "again, with the mean.",
        ),
        Mistake(
            "arguments of the slope interchanged",
            lambda slope, y, now, to: y + (to - now) * slope(now, y),
            "You call slope(u, y): the level in the place of the image. It is slope(y, u).",
        ),
        Mistake(
            "the second slope alone",
            lambda slope, y, now, to: y + (to - now) * slope(y + (to - now) * slope(y, now), to),
            "You go with the second slope alone. It errs to the other side as much as the first: take their mean.",
        ),
        Mistake(
            "second slope at the old place",
            lambda slope, y, now, to: y + (to - now) * (slope(y, now) + slope(y, to)) / 2,
            "Your second slope is taken at the new level but at the *old* y. It belongs at the point where the first "
            "slope leads.",
        ),
        Mistake(
            "second slope at the old level",
            lambda slope, y, now, to: y + (to - now) * (slope(y, now) + slope(y + (to - now) * slope(y, now), now)) / 2,
            "Your second slope is taken at the guess but at the *old* level. The guess lives at the level `to`.",
        ),
        Mistake(
            "sum for mean",
            lambda slope, y, now, to: y + (to - now) * (slope(y, now) + slope(y + (to - now) * slope(y, now), to)),
            "You add both slopes, so the step is twice as long as it should be. Their mean is wanted.",
        ),
        Mistake(
            "from the guess",
            lambda slope, y, now, to: heun_step(slope, y, now, to) + (to - now) * slope(y, now),
            "You take the averaged step from the guess. The guess only serves to look at the slope there: the step "
            "begins at y.",
        ),
        Mistake(
            "step turned round",
            lambda slope, y, now, to: y + (now - to) * (slope(y, now) + slope(y + (now - to) * slope(y, now), to)) / 2,
            "Your step has the width now − to. It leads from now to to, so its width is to − now: negative on the "
            "way to less noise.",
        ),
        Mistake(
            "midpoint",
            lambda slope, y, now, to: y + (to - now) * slope(y + (to - now) / 2 * slope(y, now), (now + to) / 2),
            "This is the midpoint method: second order too, and a good one, but not Heun's, which looks at the end "
            "of the step.",
        ),
    ],
    hints=[
        "Keep the first slope in a variable; it is used twice.",
        "Where does a straight step with the first slope end? Ask for the slope there, at the level `to`.",
        "The width is to − now. Start again at y, with that width times the mean of both slopes.",
    ],
    package=InPackage("Heun().step(model(x, at), to, denoise=model)", heun_step_in_package),
    insight="A second look costs a call and takes the error of a step from h² to h³.",
)


# -- DPM-Solver++ -------------------------------------------------------------------------------------------------------


def dpmpp_guess(
    x0: Tensor,
    x0_past: Tensor,
    lam: float,
    lam_past: float,
    lam_to: float,
) -> Tensor:
    """The clean image that DPM-Solver++(2M) steps towards: the line through the last two
    predictions, read off half way through the coming step.

    x0 (B, …) is predicted at lam, x0_past at lam_past < lam; the step goes from lam to
    lam_to > lam. lam = log(alpha/sigma) of each level. Returns a tensor of x0's shape;
    differentiable in x0 and x0_past.
    """
    return x0 + (lam_to - lam) / 2 * (x0 - x0_past) / (lam - lam_past)


def dpmpp_guess_by_ratio(x0, x0_past, lam, lam_past, lam_to):
    r = (lam - lam_past) / (lam_to - lam)
    return (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * x0_past


def dpmpp_guess_by_lerp(x0, x0_past, lam, lam_past, lam_to):
    middle = (lam + lam_to) / 2
    return torch.lerp(x0_past, x0, (middle - lam_past) / (lam - lam_past))


def guess_case(past: float, lam: float, to: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), lam, past, to)


def dpmpp_guess_in_package(x0, x0_past, lam, lam_past, lam_to):
    now, past, to = (_at(1 / (1 + math.exp(-2 * v))) for v in (lam, lam_past, lam_to))
    nothing, ratio = torch.zeros_like(x0), to.sigma / now.sigma
    x = DPMSolverPP().step(Estimate(nothing, now, x0, x0), to, past=[Estimate(nothing, past, x0_past, x0_past)])
    return x / (to.alpha - ratio * now.alpha)  # what it stepped towards


DPMPP_GUESS = Exercise(
    name="04.dpmpp_guess",
    title="The correction of DPM-Solver++",
    minutes=6,
    level=3,
    reference=dpmpp_guess,
    alternatives=[dpmpp_guess_by_ratio, dpmpp_guess_by_lerp],
    cases=[
        (torch.tensor([[1.0, 0.5]]), torch.tensor([[0.8, 0.9]]), -1.0, -2.0, 0.5),
        guess_case(-2.5, -1.0, 0.2, 3, 2),
        guess_case(0.3, 0.7, 2.5, 2, 1, 2),
        guess_case(1.0, 4.0, 4.5, 1, 3),
    ],
    invariants=[
        Invariant(
            "equal predictions stay",
            lambda f: close(f(torch.ones(1, 2), torch.ones(1, 2), 0.0, -1.0, 2.0), torch.ones(1, 2)),
            "Where two predictions agree, there is nothing to correct: the guess must equal them.",
        ),
    ],
    mistakes=[
        Mistake(
            "to the end of the step",
            lambda x0, past, lam, lam_past, to: x0 + (to - lam) * (x0 - past) / (lam - lam_past),
            "You read the line off at the end of the step. The step uses one value throughout, so the middle is the "
            "fair place.",
        ),
        Mistake(
            "slope over both steps",
            lambda x0, past, lam, lam_past, to: x0 + (to - lam) / 2 * (x0 - past) / (to - lam_past),
            "You divide the last change by the way from lam_past to lam_to. It happened between lam_past and lam.",
        ),
        Mistake(
            "half way in sigma/alpha",
            lambda x0, past, lam, lam_past, to: (
                x0 + (math.exp(-to) - math.exp(-lam)) / 2 * (x0 - past) / (math.exp(-lam) - math.exp(-lam_past))
            ),
            "You draw the line over sigma/alpha. The docstring draws it over lambda, the logarithm: there its middle lies "
            "elsewhere.",
        ),
        Mistake(
            "from the past prediction",
            lambda x0, past, lam, lam_past, to: past + (to - lam) / 2 * (x0 - past) / (lam - lam_past),
            "You go half of the coming step ahead, but from the past prediction. The line is read off beyond lam, so it "
            "starts at x0.",
        ),
        Mistake(
            "without the widths",
            lambda x0, past, lam, lam_past, to: x0 + (x0 - past) / 2,
            "You add half of the last change. That is right only if both steps are equally wide in lambda: compare "
            "their widths.",
        ),
        Mistake(
            "widths upside down",
            lambda x0, past, lam, lam_past, to: x0 + (lam - lam_past) / (2 * (to - lam)) * (x0 - past),
            "Your ratio of widths is upside down: a wider step ahead must lead further along the line, not less far.",
        ),
        Mistake(
            "wrong direction",
            lambda x0, past, lam, lam_past, to: x0 - (to - lam) / 2 * (x0 - past) / (lam - lam_past),
            "Your guess lies behind x0, between the two predictions. Looking ahead means going on in the direction "
            "from past to now.",
        ),
        Mistake(
            "mean of both",
            lambda x0, past, lam, lam_past, to: (x0 + past) / 2,
            "This is the mean of the two predictions: a look back, at a place between the two levels. The step lies "
            "ahead.",
        ),
        Mistake(
            "no correction",
            lambda x0, past, lam, lam_past, to: x0,
            "You return x0 as it is. That is the first-order method, which is DDIM.",
        ),
        Mistake(
            "half way between the past and the end",
            lambda x0, past, lam, lam_past, to: past + (to - lam_past) / 2 * (x0 - past) / (lam - lam_past),
            "You read the line off half way between lam_past and lam_to. The coming step begins at lam: its middle lies "
            "between lam and lam_to.",
        ),
        Mistake(
            "width counted from the past",
            lambda x0, past, lam, lam_past, to: x0 + (to - lam_past) / 2 * (x0 - past) / (lam - lam_past),
            "Your width ahead runs from lam_past to lam_to. The coming step begins at lam.",
        ),
    ],
    hints=[
        "A line through two points: at lam_past it is x0_past, at lam it is x0. What is its slope?",
        "How far ahead of lam does the middle of the coming step lie?",
        "x0, plus the distance to the middle, times the change of the prediction for one unit of lambda.",
    ],
    package=InPackage("DPMSolverPP().step(now, to, past=[past]) goes there", dpmpp_guess_in_package),
    insight="The second order for free: the past prediction was paid for already, so a step still costs one call.",
)


# -- orders -------------------------------------------------------------------------------------------------------------


def order(steps: list[int], errors: list[float]) -> float:
    """The order of convergence: p in error ≈ c·steps^(-p), from a straight line through
    log error against log steps.

    steps and errors: equally many positive numbers, at least two; least squares. Returns p.
    """
    return float(-np.polyfit(np.log(steps), np.log(errors), 1)[0])


def order_by_hand(steps, errors):
    x, y = torch.tensor(steps, dtype=torch.float64).log(), torch.tensor(errors, dtype=torch.float64).log()
    x, y = x - x.mean(), y - y.mean()
    return -float((x * y).sum() / (x * x).sum())


def order_by_lstsq(steps, errors):
    x = torch.tensor([[math.log10(n), 1.0] for n in steps], dtype=torch.float64)
    y = torch.tensor([[math.log10(e)] for e in errors], dtype=torch.float64)
    return -torch.linalg.lstsq(x, y).solution[0, 0]


ORDER = Exercise(
    name="04.order",
    title="The order of a method",
    minutes=4,
    level=2,
    reference=order,
    alternatives=[order_by_hand, order_by_lstsq],
    cases=[
        ([10, 20], [0.4, 0.1]),
        ([80, 160, 320], [0.0175, 0.0088, 0.0044]),
        ([5, 10, 40, 80], [3e-2, 4e-3, 7e-5, 9e-6]),
        ([4, 9, 3], [2.0, 50.0, 0.7]),  # an error that grows: a negative order
    ],
    mistakes=[
        Mistake(
            "sign",
            lambda steps, errors: -order(steps, errors),
            "Yours is the slope of the line. Where the error falls that is negative; the order is the exponent with its minus "
            "taken off.",
        ),
        Mistake(
            "without its sign",
            lambda steps, errors: abs(order(steps, errors)),
            "Yours is the order without its sign. An error that *grows* with the steps has a negative order, and is well "
            "worth noticing: no abs.",
        ),
        Mistake(
            "the two ends alone",
            lambda steps, errors: math.log(errors[0] / errors[-1]) / math.log(steps[-1] / steps[0]),
            "This is the slope between the first and the last point. The docstring asks for the line of least squares: the "
            "points between count too.",
        ),
        Mistake(
            "mean of the slopes",
            lambda steps, errors: float(-np.mean(np.diff(np.log(errors)) / np.diff(np.log(steps)))),
            "This is the mean of the slopes between neighbours. Least squares fits one line to all points, which is not the "
            "same.",
        ),
        Mistake(
            "through the origin",
            lambda steps, errors: float(-(np.log(steps) * np.log(errors)).sum() / (np.log(steps) ** 2).sum()),
            "Your line goes through the origin, which takes the constant c for 1. Give it an offset of its own.",
        ),
        Mistake(
            "rounded",
            lambda steps, errors: float(round(order(steps, errors))),
            "Yours is rounded to a whole number. A measured order is whole only in the limit: return it as it is.",
        ),
        Mistake(
            "no logarithm of the steps",
            lambda steps, errors: float(-np.polyfit(steps, np.log(errors), 1)[0]),
            "You took the logarithm of the errors only. That gives a straight line for exponential decay; powers "
            "need both logarithms.",
        ),
        Mistake(
            "no logarithm at all",
            lambda steps, errors: float(-np.polyfit(steps, errors, 1)[0]),
            "Without logarithms a power law is a curve, and its slope says nothing about the exponent.",
        ),
        Mistake(
            "ratio of logarithms",
            lambda steps, errors: float(-np.mean(np.log(errors) / np.log(steps))),
            "You divide log error by log steps, which takes the constant c for 1. A slope compares *differences* of "
            "logarithms.",
        ),
        Mistake(
            "the axes interchanged",
            lambda steps, errors: float(-np.polyfit(np.log(errors), np.log(steps), 1)[0]),
            "This is the slope of steps against error: one over what is wanted.",
        ),
        Mistake(
            "ratio of the errors",
            lambda steps, errors: errors[0] / errors[-1],
            "This is how much the error fell in all. How much that is depends on how many more steps were taken: the "
            "logarithms set it in relation.",
        ),
    ],
    gradients=[],  # a plain number will do
    allowed={"float(*": "a NumPy number is a number as well"},
    hints=[
        "Take the logarithm of error = c·steps^(−p): what kind of curve is it in log steps?",
        "A straight line with the slope −p. Fit one: numpy.polyfit of degree 1 does it.",
        "polyfit(log steps, log errors, 1) gives slope and offset. Mind the sign of the slope.",
    ],
    insight="On logarithmic axes the order is what you see: how steeply the line falls.",
)


HALVING = Exercise(
    name="04.halving",
    title="Read an order off a plot",
    kind="value",
    minutes=2,
    level=1,
    reference=(2, 4),
    stub="# By what factor does the error fall when the number of steps is doubled: (DDIM, Heun)?\n"
    "# Read it off the figure between 80 and 160 steps; whole numbers.\nhalving = ...",
    mistakes=[
        Mistake(
            "3 for Heun",
            (2.0, 3.0),
            "DDIM's factor is right. Heun's line falls twice as steeply: halving and halving once more, which is not a third.",
        ),
        Mistake(
            "ten times the steps",
            (10.0, 100.0),
            "These are the factors for *ten* times the steps. Here the steps are doubled.",
        ),
        Mistake(
            "the orders themselves",
            (1.0, 2.0),
            "These are the orders, the slopes of the lines. Doubling the steps divides the error by 2 to the power "
            "of the order.",
        ),
        Mistake(
            "one over the factor",
            (0.5, 0.25),
            "This is what is *left* of the error. Asked for is the factor by which it falls, a number above 1.",
        ),
        Mistake("interchanged", (4.0, 2.0), "The two are interchanged: the steeper line is Heun's."),
        Mistake(
            "both alike",
            (2.0, 2.0),
            "Look at the slopes: on the same stretch Heun's line falls twice as far as DDIM's.",
        ),
        Mistake(
            "order 3 for Heun",
            (2.0, 8.0),
            "Eight would be third order. Between 80 and 160 steps Heun's line falls as far as the guide of slope 2.",
        ),
        Mistake("both squared", (4.0, 4.0), "DDIM's line is the flatter one: it runs along the guide of slope 1."),
    ],
    hints=[
        "On logarithmic axes, find 80 and 160 on the axis of the steps and read the error of each line there.",
        "The dotted guides show slope 1 and slope 2. Which line runs along which?",
        "Error ~ steps^(−p): doubling the steps divides it by two to the power p.",
    ],
    insight="To halve DDIM's error costs twice the calls; with Heun the error is quartered for it.",
)


# -- between two noises -------------------------------------------------------------------------------------------------


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Spherical interpolation: the point at share w of the arc from a to b.

    a and b are seen as single long vectors, theta the angle between them. The result is
    p·a + q·b; derive p and q for two unit vectors, from the angles that it must have with both:
    w·theta with a, (1 - w)·theta with b. The same p and q are used where the lengths differ.
    a and b of one shape, not parallel; w in [0, 1]. Returns that shape.
    """
    theta = torch.arccos((a * b).sum() / (a.norm() * b.norm()))
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


def slerp_by_cosine(a, b, w):
    cosine = torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0)
    theta = math.acos(float(cosine))
    return math.sin((1 - w) * theta) / math.sin(theta) * a + math.sin(w * theta) / math.sin(theta) * b


def slerp_by_basis(a, b, w):
    """Turn a towards b, and let the lengths follow."""
    ua, ub = a / a.norm(), b / b.norm()
    rest = ub - (ua * ub).sum() * ua
    theta = torch.atan2(rest.norm(), (ua * ub).sum())
    wa, wb = torch.sin((1 - w) * theta) / torch.sin(theta), torch.sin(w * theta) / torch.sin(theta)
    return wa * a.norm() * ua + wb * b.norm() * ub


def _slerp(angle: Callable = lambda a, b: torch.arccos((a * b).sum() / (a.norm() * b.norm()))) -> Callable:
    def wrong(a, b, w):
        theta = angle(a, b)
        return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)

    return wrong


def slerp_rows(a, b, w):
    """Wrong: an angle for every row."""
    theta = torch.arccos((a * b).sum(-1, keepdim=True) / (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True)))
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)


def slerp_case(w: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape) * 1.5 + 0.3, w)


def wide_case(g: torch.Generator) -> tuple:
    """Short vectors of different lengths, and an angle above 90°."""
    a = 0.1 * normal(g, 3, 4)
    return a, 0.05 * normal(g, 3, 4) - 0.3 * a, 0.6


SLERP = Exercise(
    name="04.slerp",
    title="Between two noises",
    minutes=6,
    level=2,
    reference=slerp,
    alternatives=[slerp_by_cosine, slerp_by_basis],
    cases=[
        (torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 0.5),
        slerp_case(0.3, 2, 3),
        slerp_case(0.8, 1, 2, 4),
        wide_case,
    ],
    gradients=[],  # the angle may be a plain number
    invariants=[
        Invariant(
            "the ends",
            lambda f: close(f(torch.tensor([1.0, 2.0]), torch.tensor([-1.0, 1.0]), 0.0), torch.tensor([1.0, 2.0])),
            "With w = 0 the result must be a itself.",
        ),
        Invariant(
            "the length stays",
            lambda f: close(f(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 3.0]), 0.5).norm(), 3.0),
            "Between two vectors of length 3 the point on the arc has length 3 as well. Yours has not.",
        ),
    ],
    mistakes=[
        Mistake(
            "a straight line",
            lambda a, b, w: (1 - w) * a + w * b,
            "This is the straight line from a to b. It cuts through the inside of the sphere: half way between two "
            "independent noises the length is only 0.71 of theirs.",
        ),
        Mistake(
            "a and b interchanged",
            lambda a, b, w: slerp(b, a, w),
            "Yours starts at b. At w = 0 it has to be a.",
        ),
        Mistake(
            "a straight line, pushed out",
            lambda a, b, w: (lambda line: line / line.norm() * ((1 - w) * a.norm() + w * b.norm()))(
                (1 - w) * a + w * b
            ),
            "This is the straight line, pushed out to the length of a and b. It meets the arc at both ends, but "
            "walks it unevenly: compare the angles at w = 0.3.",
        ),
        Mistake(
            "an angle for every row",
            slerp_rows,
            "You give every row an angle of its own, over the last dimension. Both tensors count as one long vector each: "
            "one angle.",
        ),
        Mistake(
            "the shorter of two ways",
            _slerp(lambda a, b: torch.arccos(((a * b).sum() / (a.norm() * b.norm())).abs())),
            "You drop the sign of the cosine, as quaternions allow it. Here b and −b are two different noises: an angle "
            "above 90° stays one.",
        ),
        Mistake(
            "angle in degrees",
            _slerp(lambda a, b: torch.rad2deg(torch.arccos((a * b).sum() / (a.norm() * b.norm())))),
            "Your angle is in degrees. sin wants radians, which is what arccos gives.",
        ),
        Mistake(
            "the product for the cosine",
            _slerp(lambda a, b: torch.arccos((a * b).sum().clamp(-1, 1))),
            "You take the inner product itself for the cosine. It has to be divided by both lengths first.",
        ),
        Mistake(
            "unit vectors",
            lambda a, b, w: slerp(a / a.norm(), b / b.norm(), w),
            "Your result has length 1: a and b themselves are weighted, not their directions.",
        ),
        Mistake(
            "not divided by the sine",
            lambda a, b, w: slerp(a, b, w) * torch.sin(torch.arccos((a * b).sum() / (a.norm() * b.norm()))),
            "The division by sin θ is missing. Without it the ends come out too short unless the angle is a right one.",
        ),
        Mistake(
            "angle without the lengths",
            _slerp(lambda a, b: torch.arccos(((a * b).sum() / len(a.flatten())).clamp(-1, 1))),
            "Your cosine is the product divided by the number of entries, not by the two lengths. Then it is no "
            "cosine of an angle.",
        ),
        Mistake(
            "always a right angle",
            _slerp(lambda a, b: torch.tensor(math.pi / 2)),
            "You take the angle for 90°. Long random vectors come close to it, but not exactly: compute it.",
        ),
        Mistake(
            "cosines for sines",
            lambda a, b, w: (lambda th: (torch.cos((1 - w) * th) * a + torch.cos(w * th) * b) / torch.cos(th))(
                torch.arccos((a * b).sum() / (a.norm() * b.norm()))
            ),
            "You use cosines. At w = 0 the factor of b must vanish, and a cosine of 0 does not.",
        ),
        Mistake(
            "root weights",
            lambda a, b, w: (1 - w) ** 0.5 * a + w**0.5 * b,
            "Your weights are roots: their squares add up to 1, which keeps the *expected* length. It is no even "
            "walk along the arc: compare w = 0.3.",
        ),
    ],
    hints=[
        "First the angle, from the formula of its cosine; sums run over all entries.",
        "arccos gives the angle in radians. Two sines are the weights; which of them is 1 at w = 0 after the division?",
        "sin((1 − w)θ) times a plus sin(wθ) times b, all divided by sin θ.",
    ],
    package=InPackage(
        "gaussian.slerp(a, b, w), for the pairs of two batches",
        lambda a, b, w: gaussian.slerp(a[None], b[None], w)[0],
    ),
    insight="Noise in 784 dimensions lies on a thin shell of radius 28. Its inside is a place where the network has "
    "never been.",
)


EXERCISES = [
    PREDICTED_X0,
    DDIM_STD,
    DDIM_STEP,
    LEVEL_GRID,
    DDIM_LOOP,
    CALLS,
    TWO_SPREADS,
    HEUN_STEP,
    DPMPP_GUESS,
    ORDER,
    HALVING,
    SLERP,
]

QUIZZES = [
    Quiz(
        "04.end",
        title="At the end of lesson 04",
        questions=[
            Question(
                "Why may DDIM use a network that was trained for DDPM?",
                options=[
                    Option(
                        "The loss only needs q(xₜ | x₀), which is the same",
                        "Each training example is one jump from x₀ to xₜ. How the xₜ of different t hang together never enters.",
                        right=True,
                    ),
                    Option(
                        "Both are the same Markov chain, one with fewer steps",
                        "DDIM's process with η below 1 is not a Markov chain: given xₛ, the noisier xₜ still depends on x₀.",
                    ),
                    Option(
                        "It is trained a little more, for the new sampler",
                        "Nothing is trained anew: this lesson never called an optimiser.",
                    ),
                ],
            ),
            Question(
                "“η = 1 is DDPM.” When is that the chain that was trained?",
                options=[
                    Option(
                        "On any grid, as η decides",
                        "On any grid it is the DDPM of that grid. Are 50 large steps the chain of 1000 small ones?",
                    ),
                    Option(
                        "If every step is visited",
                        "With stride 1 its variance is β̃ₜ. With stride 20 it is far larger: the cell above printed both.",
                        right=True,
                    ),
                    Option(
                        "Never: the means differ",
                        "There is a grid on which mean and variance agree to the last digit.",
                    ),
                ],
            ),
            Question(
                "Samples with η = 0 are …",
                options=[
                    Option(
                        "all alike, for nothing random is left",
                        "One thing is still drawn. Start twice, and compare.",
                    ),
                    Option(
                        "repeatable from a start, diverse over many starts",
                        "Two different things: the repeat spread is 0, the total spread is not. Diversity comes in with the start.",
                        right=True,
                    ),
                    Option(
                        "less diverse than those with η = 1, which adds noise",
                        "In the exact toy with 50 steps they were more diverse: 0.079 against 0.069.",
                    ),
                ],
            ),
            Question(
                "You double the steps of a second-order method. Leave the last step aside. Its numerical error becomes about …",
                options=[
                    Option(
                        "a half",
                        "That is first order: DDIM, Euler.",
                    ),
                    Option(
                        "a quarter",
                        "Two to the power of minus two.",
                        right=True,
                    ),
                    Option(
                        "an eighth",
                        "That would be third order.",
                    ),
                ],
            ),
            Question(
                "A method of higher order gives no better digits at 50 calls. The likeliest reason?",
                options=[
                    Option(
                        "It has a bug: a higher order must give better digits",
                        "The orders were measured on the exact Gaussian. It does what it should.",
                    ),
                    Option(
                        "By then what is left is not the solver's error",
                        "Solving the ODE of an imperfect network more exactly makes its own solution more exact, and no more.",
                        right=True,
                    ),
                    Option(
                        "50 calls are too few: a high order shows later",
                        "Measured against the network's own ODE, DPM-Solver++ was ahead of DDIM with 10 calls already.",
                    ),
                ],
            ),
        ],
    ),
]
