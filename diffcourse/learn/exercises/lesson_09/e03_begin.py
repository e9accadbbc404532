"""Image-to-image: where the walk begins."""

import math
from collections.abc import Callable
from math import hypot

import torch
from torch import Tensor

from diffcourse.denoiser import Estimate
from diffcourse.editing import edited, left
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_09._cases import SD, bent, gaussian, straight, walk
from diffcourse.schedule import Level


def begin(
    x0: Tensor,
    noise: Tensor,
    levels: list[Level],
    strength: float,
) -> tuple[Tensor, list[Level]]:
    """Image-to-image: where the walk begins, and which levels it still goes through.

    x0 (B, …) is the picture, noise standard Gaussian of its shape. levels are those of a
    whole walk of n >= 1 steps: n + 1 of them, the noisiest first, the last one clean. A
    Level has .alpha and .sigma, two numbers: there x = alpha·x0 + sigma·noise. Of the n
    steps only the last int(n·strength) are taken, 0 <= strength <= 1. The walk begins at
    the first level of these steps, with the picture noised to it; where no step is left,
    that is the last level.
    One exception: with strength 1 nothing of the picture may be in x. Then it is the noise
    alone, brought to the variance that x has at that level where the picture's own variance
    is 1.
    Returns x at the first level that is left, and a list of all levels that are left. No
    gradient is needed.
    """
    n = len(levels) - 1
    rest = levels[n - int(n * strength) :]
    first = rest[0]
    if strength == 1:
        return hypot(first.alpha, first.sigma) * noise, rest
    return first.alpha * x0 + first.sigma * noise, rest


def by_popping(x0, noise, levels, strength):
    rest, steps = list(levels), math.floor(strength * (len(levels) - 1))
    while len(rest) > steps + 1:
        rest.pop(0)
    _, a, s = rest[0]
    if len(rest) == len(levels):
        return math.sqrt(a**2 + s**2) * noise, rest
    return torch.lerp(noise * s, x0 + noise * s, a), rest


def from_the_end(x0, noise, levels, strength):
    rest = levels[-(int((len(levels) - 1) * strength) + 1) :]
    x = rest[0].noised(x0, noise)
    if strength >= 1.0:
        x = noise.double() * (rest[0].alpha ** 2 + rest[0].sigma ** 2) ** 0.5
    return [x, tuple(rest)]


def in_package(x0: Tensor, noise: Tensor, levels: list[Level], strength: float) -> tuple[Tensor, list[Level]]:
    now: Estimate = next(iter(edited(bent, x0, levels, strength=strength, noise=noise)))
    return now.x, list(left(levels, strength))


def _wrong(
    rest: Callable = lambda levels, strength: left(levels, strength),
    noised: Callable = lambda at, x0, noise: at.noised(x0, noise),
    alone: Callable = lambda at, x0, noise: hypot(at.alpha, at.sigma) * noise,
    stands: Callable = lambda levels, rest: rest[0],
    given: Callable = lambda x, rest: (x, rest),
) -> Callable:
    """begin with a part of its own."""

    def wrong(x0, noise, levels, strength):
        some = rest(levels, strength)
        made = alone if strength == 1 else noised
        return given(made(stands(levels, some), x0, noise), some)

    return wrong


def _steps(levels: list[Level], strength: float) -> int:
    return int((len(levels) - 1) * strength)


def _blended(x0, noise, levels, strength):
    x = hypot(levels[0].alpha, levels[0].sigma) * noise if strength == 1 else (1 - strength) * x0 + strength * noise
    return x, left(levels, strength)


def _blended_to_the_end(x0, noise, levels, strength):
    return (1 - strength) * x0 + strength * noise, left(levels, strength)


def _second(x0, noise, levels, strength):
    rest = left(levels, strength)
    first, second = rest[0], rest[:2][-1]
    return hypot(first.alpha, first.sigma) * noise if strength == 1 else second.noised(x0, noise), rest


def picture(levels: list[Level], strength: float, *shape: int) -> Callable:
    return lambda g: (0.5 * normal(g, *shape), normal(g, *shape), levels, strength)


FOUR = straight(0.9, 0.7, 0.4, 0.2)


def levels_left(f: Callable) -> bool:
    x = gaussian(1, 2)
    return [len(f(x, x, FOUR, strength)[1]) for strength in (0.5, 0.75, 0.8)] == [3, 4, 4]


def no_step_left(f: Callable) -> bool:
    x0, noise = gaussian(2, 3), gaussian(2, 3, seed=1)
    x, rest = f(x0, noise, FOUR, 0.0)
    return close(x, x0, 1e-4) and len(rest) == 1


def nothing_of_the_picture(f: Callable) -> bool:
    noise = gaussian(2, 3)
    return close(f(noise, noise, FOUR, 1.0)[0], f(0 * noise, noise, FOUR, 1.0)[0], 1e-4)


def variance(f: Callable) -> bool:
    x0, noise = gaussian(1, 20_000), gaussian(1, 20_000, seed=1)
    return close(torch.as_tensor(f(x0, noise, FOUR, 1.0)[0]).var(), 0.1**2 + 0.9**2, 0.05)


EXERCISE = Exercise(
    name="09.begin",
    title="Where image-to-image begins",
    minutes=6,
    level=2,
    reference=begin,
    alternatives=[by_popping, from_the_end],
    cases=[
        picture(FOUR, 0.5, 2, 3),
        picture(FOUR, 1.0, 1, 2),
        picture(FOUR, 0.0, 2, 2),
        picture(walk(8.0, 3.0, 1.5, 0.5, 0.1), 0.75, 2, 1, 2, 3),
        picture(straight(0.95, 0.5, 0.3), 0.7, 3, 2),
        picture(SD.levels(50), 0.58, 1, 4, 2, 3),
        picture(SD.levels(6), 1.0, 2, 2),
        picture(SD.levels(20), 0.04, 1, 3),
        picture([Level(float(n), 1.0, 2.0**n) for n in (3, 2, 1, 0)] + FOUR[-1:], 1.0, 2, 3),
        picture([Level(float(n), 1.0, 2.0**n) for n in (3, 2, 1, 0)] + FOUR[-1:], 0.99, 2, 3),
    ],
    invariants=[
        Invariant(
            "how many levels",
            levels_left,
            "Of a walk of 4 steps, strengths of 0.5, 0.75 and 0.8 leave 2, 3 and 3 steps. n steps join n + 1 levels; yours has another "
            "number of them.",
            before_form=True,
        ),
        Invariant(
            "no step left",
            no_step_left,
            "With strength 0 no step is taken: the last level is all that is left, and x is the picture itself. Yours is something else.",
        ),
        Invariant(
            "nothing of the picture",
            nothing_of_the_picture,
            "With strength 1 two different pictures and the same noise should give the same x. Yours are two.",
        ),
        Invariant(
            "the variance of the noise alone",
            variance,
            "With strength 1, alpha = 0.1 and sigma = 0.9, the variance of x should be what a picture of variance 1 and the noise have "
            "there together: 0.1² + 0.9². Yours has another one.",
        ),
    ],
    mistakes=[
        Mistake(
            "strength turned round",
            _wrong(lambda levels, strength: levels[_steps(levels, strength) :]),
            "You leave out int(n·strength) steps. So many are taken: a high strength walks a long way, and keeps little of the picture.",
        ),
        Mistake(
            "the first steps",
            _wrong(lambda levels, strength: levels[: _steps(levels, strength) + 1]),
            "You take the first steps of the walk, down from the noisiest level. Then it ends in the middle, in a picture full of noise. "
            "The last ones are taken.",
        ),
        Mistake(
            "the wrong end for a start",
            _wrong(stands=lambda levels, rest: levels[0]),
            "The levels are right, but x is noised to the noisiest level of the whole walk, not to the first of those that are left. The "
            "network would be told of less noise than there is.",
        ),
        Mistake(
            "one level too few",
            _wrong(lambda levels, strength: levels[len(levels) - max(1, _steps(levels, strength)) :]),
            "You keep as many levels as there are steps. n steps join n + 1 levels.",
        ),
        Mistake(
            "minus zero",
            _wrong(lambda levels, strength: levels[-_steps(levels, strength) :]),
            "You keep as many levels as there are steps, where n steps join n + 1; and where no step is left you keep them all, as −0 is "
            "0.",
        ),
        Mistake(
            "minus zero, with one level before",
            _wrong(
                lambda levels, strength: [levels[-_steps(levels, strength) - 1], *levels[-_steps(levels, strength) :]]
            ),
            "Yours is right wherever a step is left. Where none is, you have the last level and behind it all of them: −0 is 0, and a "
            "slice that begins there is the whole list.",
        ),
        Mistake(
            "at least one step",
            _wrong(lambda levels, strength: levels[len(levels) - 1 - max(1, _steps(levels, strength)) :]),
            "You always take one step at least. Where int(n·strength) is 0 none is taken: the last level is all that is left.",
        ),
        Mistake(
            "at least one step, but for strength 0",
            _wrong(
                lambda levels, strength: levels[len(levels) - 1 - max(int(strength > 0), _steps(levels, strength)) :]
            ),
            "You take one step at least wherever strength is above 0. Where int(n·strength) is 0 none is taken: the last level is all "
            "that is left.",
        ),
        Mistake(
            "without the level of the start",
            _wrong(lambda levels, strength: left(levels, strength), given=lambda x, rest: (x, rest[1:])),
            "The levels begin with the one that x is walked to. The level at which x stands comes first.",
        ),
        Mistake(
            "rounded to the nearest",
            _wrong(lambda levels, strength: levels[len(levels) - 1 - round((len(levels) - 1) * strength) :]),
            "You round n·strength to the nearest whole number. int cuts off what is behind the point.",
        ),
        Mistake(
            "rounded up",
            _wrong(lambda levels, strength: levels[len(levels) - 1 - math.ceil((len(levels) - 1) * strength) :]),
            "You round the number of steps that are taken up, or cut off that of those left out, which is the same. int(n·strength) steps"
            " are taken: what is behind the point falls away.",
        ),
        Mistake(
            "a share of the levels",
            _wrong(lambda levels, strength: levels[max(0, len(levels) - 1 - int(len(levels) * strength)) :]),
            "You take the share of the levels. The walk has one step less than it has levels, and the share is one of the steps.",
        ),
        Mistake(
            "the picture at strength 1",
            _wrong(alone=lambda at, x0, noise: at.noised(x0, noise)),
            "With strength 1 something of the picture is left in x wherever the first level has some signal. There the noise stands alone.",
        ),
        Mistake(
            "the noise as it is",
            _wrong(alone=lambda at, x0, noise: noise),
            "With strength 1 you take the noise as it comes. That is right where alpha² + sigma² = 1; on other paths x has another "
            "variance at the first level.",
        ),
        Mistake(
            "sigma times the noise",
            _wrong(alone=lambda at, x0, noise: at.sigma * noise),
            "With strength 1 you drop the picture and keep sigma times the noise. Then the variance that the picture would bring is "
            "missing: the variances of picture and noise add up.",
        ),
        Mistake(
            "amplitudes added",
            _wrong(alone=lambda at, x0, noise: (at.alpha + at.sigma) * noise),
            "With strength 1 you add alpha and sigma. Of picture and noise, which do not depend on each other, the variances add up.",
        ),
        Mistake(
            "the variance for its root",
            _wrong(alone=lambda at, x0, noise: (at.alpha**2 + at.sigma**2) * noise),
            "With strength 1 you multiply by the variance. Multiplying by c multiplies the variance by c².",
        ),
        Mistake(
            "the noise alone at every strength",
            _wrong(noised=lambda at, x0, noise: hypot(at.alpha, at.sigma) * noise),
            "Nothing of the picture is in your x at any strength. Only with strength 1 is it left out.",
        ),
        Mistake(
            "the picture alone",
            _wrong(noised=lambda at, x0, noise: x0),
            "Your x is the picture itself. At the first level that is left the network expects noise on it, and as much as that level "
            "says.",
        ),
        Mistake(
            "the signal forgotten",
            _wrong(noised=lambda at, x0, noise: x0 + at.sigma * noise),
            "You add the noise to the picture at its full strength. At a level the picture is multiplied by alpha too.",
        ),
        Mistake(
            "in units of the signal",
            _wrong(noised=lambda at, x0, noise: x0 + at.sigma / at.alpha * noise),
            "Your noise has the right share, but your x is x/alpha. The network expects the picture to be multiplied by alpha.",
        ),
        Mistake(
            "roots of both",
            _wrong(noised=lambda at, x0, noise: at.alpha**0.5 * x0 + at.sigma**0.5 * noise),
            "You take roots of alpha and sigma. They are what picture and noise are multiplied by, as they are.",
        ),
        Mistake(
            "noised to the second of them",
            _second,
            "x is noised to the second of your levels, the one to which the first step will lead. It stands at the first of them.",
        ),
        Mistake(
            "without the last level",
            _wrong(given=lambda x, rest: (x, rest[:-1])),
            "x is right, but the last level is missing: there the walk ends, in a clean picture.",
        ),
        Mistake(
            "picture and noise interchanged",
            _wrong(noised=lambda at, x0, noise: at.sigma * x0 + at.alpha * noise),
            "alpha and sigma are interchanged: alpha belongs to the picture.",
        ),
        Mistake(
            "alpha taken for alpha_bar",
            _wrong(noised=lambda at, x0, noise: at.alpha**0.5 * x0 + (1 - at.alpha) ** 0.5 * noise),
            "You take roots of alpha and 1 − alpha. A Level's alpha and sigma are what picture and noise are multiplied by, as they are.",
        ),
        Mistake(
            "sigma from alpha",
            _wrong(noised=lambda at, x0, noise: at.alpha * x0 + (1 - at.alpha**2) ** 0.5 * noise),
            "You work sigma out of alpha, as if alpha² + sigma² were 1. There are other paths; the Level says its sigma.",
        ),
        Mistake(
            "sigma from alpha, throughout",
            _wrong(
                noised=lambda at, x0, noise: at.alpha * x0 + (1 - at.alpha**2) ** 0.5 * noise,
                alone=lambda at, x0, noise: noise,
            ),
            "You work sigma out of alpha, as if alpha² + sigma² were 1, also with strength 1. There are other paths; the Level says its "
            "sigma.",
        ),
        Mistake(
            "strength as a share of noise",
            _blended,
            "You blend picture and noise by the strength. It is a share of the steps; how much noise there is, the level says.",
        ),
        Mistake(
            "strength as a share of noise, throughout",
            _blended_to_the_end,
            "You blend picture and noise by the strength, at strength 1 too. It is a share of the steps; how much noise there is, the "
            "level says.",
        ),
        Mistake(
            "levels first",
            _wrong(given=lambda x, rest: (rest, x)),
            "Both are right, in the other order: x comes first, then the levels.",
        ),
        Mistake(
            "x alone",
            _wrong(given=lambda x, rest: x),
            "x is right. The levels that are left are asked for as well: without them nobody knows where the walk goes on.",
        ),
        Mistake(
            "the first level alone",
            _wrong(given=lambda x, rest: (x, rest[0])),
            "x is right, and you return the one level at which it stands. All levels that are left are asked for.",
        ),
    ],
    gradients=[],
    hints=[
        "n is one less than the number of levels. How many steps are taken, and how many levels do they join?",
        "Cut the list so that its last int(n·strength) + 1 levels stay. Mind strength 0: a slice from −0 is the whole list.",
        "The first of what is left says alpha and sigma. With strength 1 the noise has both variances to carry: alpha² and sigma².",
    ],
    package=InPackage("edited(denoise, x0, levels, strength=…), which walks them as well", in_package),
    insight="Strength names a level, not a share of change: coarse shapes are settled at high noise and details at low, so what lies above "
    "the start is kept from the picture. As only the last steps are walked, strength 0.5 costs half. And a number in floats may surprise: "
    "of 50 steps strength 0.58 leaves 28, here as in diffusers.",
)
