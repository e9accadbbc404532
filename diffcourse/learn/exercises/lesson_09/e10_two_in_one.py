"""One step in the place of two: the target of progressive distillation."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.denoiser import estimate
from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.samplers import DDIM
from diffcourse.schedule import CLEAN, Level


def two_in_one(x: Tensor, end: Tensor, at: Level, to: Level) -> Tensor:
    """What a student must predict so that one step takes it where its teacher took two.

    Both walk without noise of their own (DDIM, eta = 0). A step from the level `at` to the
    level `to` takes x apart, x = alpha·x0 + sigma·eps, with the x0 that was predicted and the
    eps that belongs to it, and puts the same two together at `to`. The teacher stood at x, went
    to a level between the two, predicted another x0 there, and came to `end`. Returns the one
    x0 with which a single step from x at `at` comes to `end`.
    x and end (B, …). A Level has .alpha and .sigma, two numbers: `to` is less noisy than `at`,
    and may be clean (alpha 1, sigma 0); `at` may hold no signal (alpha 0). alpha² + sigma² need
    not be 1. No gradient is needed.
    """
    shrunk = to.sigma / at.sigma  # how much of the noise is left
    return (end - shrunk * x) / (to.alpha - shrunk * at.alpha)  # Salimans and Ho 2022, algorithm 2


def by_cross_products(x, end, at, to):
    """Cramer's rule for the two equations of x and end."""
    return (at.sigma * end - to.sigma * x) / (at.sigma * to.alpha - to.sigma * at.alpha)


def by_solving(x, end, at, to):
    """Both equations at once, for x0 and eps."""
    both = torch.tensor([[at.alpha, at.sigma], [to.alpha, to.sigma]], dtype=torch.float64)
    seen = torch.stack([x, end]).double()
    return torch.linalg.solve(both, seen.flatten(1))[0].view_as(x)


def by_the_noise(x, end, at, to):
    """First the noise that both have in common, then what is left of x, or of end."""
    eps = (to.alpha * x - at.alpha * end) / (to.alpha * at.sigma - at.alpha * to.sigma)
    return (x - at.sigma * eps) / at.alpha if at.alpha > to.alpha else (end - to.sigma * eps) / to.alpha


def by_two_tries(x, end, at, to):
    """A step is a straight line in x0: where does it come with 0, and where with 1?"""

    def step(x0):
        return to.alpha * x0 + to.sigma * (x - at.alpha * x0) / at.sigma

    zero, one = step(torch.zeros_like(x)), step(torch.ones_like(x))
    return (end - zero) / (one - zero)


def _wrong(shrunk: Callable = lambda at, to: to.sigma / at.sigma, target: Callable | None = None) -> Callable:
    """two_in_one with one part of its own; target(x, end, at, to, shrunk)."""

    def wrong(x, end, at, to):
        r = shrunk(at, to)
        return target(x, end, at, to, r) if target else (end - r * x) / (to.alpha - r * at.alpha)

    return wrong


def _noise(x, end, at, to):
    """The noise of the one step, where there is any."""
    return (x - at.alpha * two_in_one(x, end, at, to)) / at.sigma


def _velocity(x, end, at, to):
    return at.alpha * _noise(x, end, at, to) - at.sigma * two_in_one(x, end, at, to)


def _implied_noise_of_the_end(x, end, at, to):
    """x0 from x, with the noise that end would have if it were the data."""
    return (end - to.sigma * (x - at.alpha * end) / at.sigma) / to.alpha


def _by_ratios(x, end, at, to):
    """In x/alpha, which is straight in sigma/alpha: nothing is left of it where alpha is 0."""
    eps = (x / at.alpha - end / to.alpha) / (at.nsr - to.nsr)
    return (x - at.sigma * eps) / at.alpha


def _by_signals(x, end, at, to):
    """In x/sigma, which is straight in alpha/sigma."""
    return (end / to.sigma - x / at.sigma) / (to.alpha / to.sigma - at.alpha / at.sigma)


def level(alpha: float, sigma: float) -> Level:
    return Level(1000 * sigma, alpha, sigma)


def preserving(sigma: float) -> Level:
    return level((1 - sigma**2) ** 0.5, sigma)


def stands(at: Level, to: Level, *shape: int) -> Callable:
    return lambda g: (normal(g, *shape), normal(g, *shape), at, to)


def pair(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=g), torch.randn(*shape, generator=g)


def ends_where_the_teacher_did(f: Callable) -> bool:
    """The package's DDIM goes there in one step with this x0."""
    x, end = pair(2, 3)
    at, to = preserving(0.9), preserving(0.4)
    x0 = torch.as_tensor(f(x, end, at, to)).to(x)
    return close(DDIM().step(estimate(x0, x, at, "x0"), to), end, 1e-4)


def the_sigmas_matter(f: Callable) -> bool:
    """The same alphas, and other sigmas in another ratio."""
    x, end = pair(2, 3, seed=3)
    found = [f(x, end, level(0.6, at), level(0.9, to)) for at, to in ((0.8, 0.4), (1.5, 0.2))]
    return not close(*found)


def the_data_where_clean(f: Callable) -> bool:
    x, end = pair(2, 3, seed=1)
    return close(f(x, end, preserving(0.8), CLEAN), end, 1e-4)


def the_same_for_equal_predictions(f: Callable) -> bool:
    """A teacher who predicts one x0 in both steps has it predicted by the student too."""
    x, x0 = pair(2, 3, seed=2)
    at, middle, to = preserving(0.9), preserving(0.6), preserving(0.3)
    there = DDIM().step(estimate(x0, x, at, "x0"), middle)
    end = DDIM().step(estimate(x0, there, middle, "x0"), to)
    return close(f(x, end, at, to), x0, 1e-4)


EXERCISE = Exercise(
    name="09.two_in_one",
    title="One step for two",
    minutes=8,
    level=3,
    reference=two_in_one,
    alternatives=[by_cross_products, by_solving, by_the_noise, by_two_tries],
    cases=[
        (torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 2.0]]), level(0.28, 0.96), level(0.8, 0.6)),
        stands(preserving(0.95), preserving(0.3), 2, 3),
        stands(preserving(0.7), CLEAN, 3, 2),
        stands(level(0.0, 1.0), preserving(0.9), 2, 2),
        stands(level(1.0, 9.0), level(1.0, 2.5), 2, 1, 3),
        stands(level(0.3, 0.7), level(0.75, 0.25), 4, 2),
    ],
    invariants=[
        Invariant(
            "the sigmas matter",
            the_sigmas_matter,
            "With the same alphas and other sigmas yours is the same. How much of the noise is left depends on the sigmas, and a Level has "
            "its own: alpha² + sigma² need not be 1.",
            before_form=True,
        ),
        Invariant(
            "clean end",
            the_data_where_clean,
            "Where `to` is clean, a step ends at the x0 that was predicted, so it must be `end` itself. Yours is not.",
        ),
        Invariant(
            "equal predictions",
            the_same_for_equal_predictions,
            "A teacher that predicts one and the same x0 in both of its steps has nothing new to tell: the student must predict that x0 "
            "too. Yours is another one.",
        ),
        Invariant(
            "the end",
            ends_where_the_teacher_did,
            "One DDIM step from x with your x0 does not come to `end`.",
        ),
    ],
    mistakes=[
        Mistake(
            "the end itself",
            lambda x, end, at, to: end,
            "You return `end`. That is what is to be predicted where `to` is clean; elsewhere end still holds noise, which must not be "
            "taken for the picture.",
        ),
        Mistake(
            "the end without its fading",
            lambda x, end, at, to: end / to.alpha,
            "You divide `end` by its alpha only. It still holds noise, that of x: what share of it?",
        ),
        Mistake(
            "noise of x not taken away",
            _wrong(target=lambda x, end, at, to, r: end / (to.alpha - r * at.alpha)),
            "Your denominator is right. Of end something has to be taken away first: the part of it that x has brought along.",
        ),
        Mistake(
            "x whole",
            _wrong(target=lambda x, end, at, to, r: (end - x) / (to.alpha - at.alpha)),
            "You take all of x away, as if its noise were still all there at `to`. It has shrunk on the way from `at` to `to`.",
        ),
        Mistake(
            "x's own picture forgotten",
            _wrong(target=lambda x, end, at, to, r: (end - r * x) / to.alpha),
            "You have taken x away as if it were noise alone. It holds a share of x0 too, so x0 stands in the equation twice.",
        ),
        Mistake(
            "a plus below",
            _wrong(target=lambda x, end, at, to, r: (end - r * x) / (to.alpha + r * at.alpha)),
            "In your denominator the two shares of x0 are added. Follow the sign of the x0 that is in x.",
        ),
        Mistake(
            "a plus above",
            _wrong(target=lambda x, end, at, to, r: (end + r * x) / (to.alpha - r * at.alpha)),
            "Your denominator is right. Above it x is added to end, where it has to be taken away.",
        ),
        Mistake(
            "not divided",
            _wrong(target=lambda x, end, at, to, r: end - r * x),
            "This is a multiple of the x0 that is asked for. What is it multiplied by?",
        ),
        Mistake(
            "sigma of the end",
            _wrong(shrunk=lambda at, to: to.sigma),
            "You take the sigma of `to` for the share of noise that is left. x already has noise of its own size: compare the two.",
        ),
        Mistake(
            "upside down",
            _wrong(shrunk=lambda at, to: at.sigma / to.sigma),
            "Your ratio of the sigmas is upside down: it grows where noise should shrink, and where `to` is clean you divide by 0.",
        ),
        Mistake(
            "upside down, 0 where clean",
            _wrong(shrunk=lambda at, to: at.sigma / to.sigma if to.sigma else 0.0),
            "Your ratio of the sigmas is upside down: it grows where noise should shrink. Only where `to` is clean, which you look at by "
            "itself, yours is right.",
        ),
        Mistake(
            "from the other side",
            _wrong(target=lambda x, end, at, to, r: (x - r * end) / (at.alpha - r * to.alpha)),
            "You take a share of `end` away from x, where a share of x has to be taken from `end`. The ratio of the sigmas that you have "
            "says how much of the noise in x is left at `to`, so it belongs to x.",
        ),
        Mistake(
            "ratio of the alphas",
            _wrong(shrunk=lambda at, to: at.alpha / to.alpha),
            "You take the ratio of the alphas for the share of noise that is left. The noise follows the sigmas.",
        ),
        Mistake(
            "ratio of the variances",
            _wrong(shrunk=lambda at, to: to.sigma**2 / at.sigma**2),
            "You take the ratio of the variances for the share of noise that is left. A picture is multiplied by standard deviations.",
        ),
        Mistake(
            "ratio of the ratios",
            _wrong(shrunk=lambda at, to: to.nsr / at.nsr),
            "You take the ratio of sigma/alpha at both levels. That is right for x/alpha and end/alpha; for x and end themselves only "
            "sigma counts.",
        ),
        Mistake(
            "divided by the signal of x",
            _by_ratios,
            "Yours is right wherever there is some signal. At a level `at` that holds none you divide by its alpha, which is 0 there.",
        ),
        Mistake(
            "divided by the signal of x, with an error",
            lambda x, end, at, to: (
                (x - at.sigma * (to.alpha / at.alpha * x - end) / (to.alpha * (at.nsr - to.nsr))) / at.alpha
            ),
            "Yours is right wherever there is some signal. At a level `at` that holds none its alpha is 0, and you divide by it.",
        ),
        Mistake(
            "divided by the noise of the end",
            _by_signals,
            "Yours is right wherever there is some noise. Where `to` is clean you divide by its sigma, which is 0 there.",
        ),
        Mistake(
            "one alpha for both",
            _wrong(target=lambda x, end, at, to, r: (end - r * x) / (to.alpha * (1 - r))),
            "Your denominator has the alpha of `to` for both shares of x0. The share that came with x was made at the level `at`.",
        ),
        Mistake(
            "alphas interchanged",
            _wrong(target=lambda x, end, at, to, r: (end - r * x) / (at.alpha - r * to.alpha)),
            "In your denominator the two alphas stand in each other's place. Which of them belongs to end, and which to x, that has "
            "shrunk?",
        ),
        Mistake(
            "no signal looked at",
            _wrong(target=lambda x, end, at, to, r: (end - r * x) / (1 - r)),
            "This is right where alpha is 1 at both levels, and noise is only added. Here the picture fades too.",
        ),
        Mistake(
            "the slope",
            lambda x, end, at, to: (x - end) / (at.sigma - to.sigma),
            "This is how x changes with sigma: where alpha is 1 at both levels, it is the noise. The picture is asked for.",
        ),
        Mistake(
            "half-way",
            lambda x, end, at, to: (x + end) / 2,
            "This is the middle between x and end, whatever the levels are.",
        ),
        Mistake(
            "levels interchanged",
            lambda x, end, at, to: (end - at.sigma / to.sigma * x) / (at.alpha - at.sigma / to.sigma * to.alpha),
            "You have interchanged the two levels: x is at `at`, end at `to`. Where `to` is clean you divide by 0.",
        ),
        Mistake(
            "the noise",
            _noise,
            "This is the noise of the one step, not its x0.",
        ),
        Mistake(
            "the velocity",
            _velocity,
            "This is the velocity v of the one step, which the same paper introduced. Here its x0 is asked for.",
        ),
        Mistake(
            "the end for x0",
            _implied_noise_of_the_end,
            "You take `end` for the picture when you work out the noise in x. The noise that belongs to the x0 you look for is another "
            "one: both are unknown together.",
        ),
        Mistake(
            "the sigma of a circle",
            _wrong(shrunk=lambda at, to: ((1 - to.alpha**2) / (1 - at.alpha**2)) ** 0.5),
            "You take sigma from alpha, as if their squares added up to 1. Not every path is like that: a Level has its own sigma.",
        ),
        Mistake(
            "the sigma of a circle, held above 0",
            _wrong(shrunk=lambda at, to: ((1 - to.alpha**2) / max(1 - at.alpha**2, 1e-9)) ** 0.5),
            "You take sigma from alpha, as if their squares added up to 1. So where alpha is 1 at both levels, nothing of the noise "
            "seems to be left. A Level has its own sigma.",
        ),
        Mistake(
            "the step with end for x0",
            lambda x, end, at, to: to.alpha * end + to.sigma * (x - at.alpha * end) / at.sigma,
            "This is the step that goes on from x with end as its x0. The question is the other way round: with which x0 does it come to "
            "end?",
        ),
    ],
    gradients=[],
    allowed={"* in reversed order": "a level is left as it is"},
    hints=[
        "Write down the step: end is the alpha of `to` times x0, plus the sigma of `to` times eps. x is made of the same two. How many "
        "unknowns are there, and how many equations?",
        "Express eps by x and x0, and put it into the step. Then x0 stands in it twice, once with a minus.",
        "With r, the ratio of the two sigmas: end = r·x + x0·(one alpha less r times the other). Solve for x0.",
    ],
    insight="A student that has learnt this needs half the steps, becomes the teacher, and the next one needs a quarter (Salimans and Ho "
    "2022: from 8192 steps to 4). It is trained on where its teacher went, not on pictures, so what the teacher got wrong it learns too.",
)
