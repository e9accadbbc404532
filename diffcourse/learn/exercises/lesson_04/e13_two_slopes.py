"""A sampler of two slopes, in the package's protocol."""

from collections.abc import Callable

from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake
from diffcourse.learn.exercises.lesson_04._samplers import UNCHANGED, errors, remembering
from diffcourse.samplers import LMS

STUB = '''class TwoSlopes:
    """A sampler that integrates the straight line through its last two slopes over the step.

    history: how many earlier estimates its step wants.
    step(now, to, past=…) returns x at the level `to`. now and each of past are Estimates
    (.x, .at, .eps); now.at and to are Levels (.alpha, .nsr: numbers). The slope dy/du is eps,
    in y = x/alpha and u = nsr. The last two steps need not be equally wide: both widths count.
    past holds the last estimates, oldest first; where it is empty, the step is Euler's.
    """

    history = ...

    def step(self, now, to, past=(), denoise=None, noise=None):
        raise NotImplementedError'''


class TwoSlopes:
    """A sampler that integrates the straight line through its last two slopes over the step (Adams-Bashforth, second order)."""

    history = 1

    def step(self, now, to, past=(), denoise=None, noise=None):
        width, slope = to.nsr - now.at.nsr, now.eps
        if past:
            gradient = (now.eps - past[-1].eps) / (now.at.nsr - past[-1].at.nsr)
            slope = now.eps + width / 2 * gradient  # the line, half way through the step
        return to.alpha * (now.x / now.at.alpha + width * slope)


class ByWeights:
    @property
    def history(self) -> int:
        return 1

    def step(self, now, to, past=(), denoise=None, noise=None):
        h = to.nsr - now.at.nsr
        if len(past) == 0:
            return to.alpha / now.at.alpha * now.x + to.alpha * h * now.eps
        r = h / (now.at.nsr - past[-1].at.nsr)
        return to.alpha * (now.x / now.at.alpha + h * (1 + r / 2) * now.eps - h * r / 2 * past[-1].eps)


class ByIntegral:
    history = 1

    def step(self, now, to, past=(), denoise=None, noise=None):
        u0, u1, y = now.at.nsr, to.nsr, now.x / now.at.alpha
        if not past:
            return (y + (u1 - u0) * now.eps) * to.alpha
        k = (now.eps - past[-1].eps) / (u0 - past[-1].at.nsr)
        return (y + (u1 - u0) * (now.eps - k * u0) + k * (u1**2 - u0**2) / 2) * to.alpha


class InThePackage:
    history = 1

    def step(self, now, to, past=(), denoise=None, noise=None):
        return LMS(2).step(now, to, past=past)


def _rescaled(now, to, width, slope) -> Tensor:
    return to.alpha * (now.x / now.at.alpha + width * slope)


def _wrong(
    history: int = 1,
    share: Callable = lambda step, before: step / before / 2,
    combine: Callable = lambda now, before, share: now + share * (now - before),
    finish: Callable = _rescaled,
) -> type:
    """A sampler with one part of its own."""
    wants = history

    class Wrong:
        history = wants

        def step(self, now, to, past=(), denoise=None, noise=None):
            width, slope = to.nsr - now.at.nsr, now.eps
            if past:
                before = past[-1]
                slope = combine(now.eps, before.eps, share(width, now.at.nsr - before.at.nsr))
            return finish(now, to, width, slope)

    return Wrong


def second_order(cls: type) -> bool:
    few, many = errors(cls())
    return few / many > 3.2


EXERCISE = Exercise(
    name="04.TwoSlopes",
    title="A sampler of your own: two slopes",
    kind="class",
    minutes=15,
    level=3,
    reference=TwoSlopes,
    stub=STUB,
    alternatives=[ByWeights, ByIntegral],
    cases=[
        remembering([], 2.0, 1.0, 1, 2),
        remembering([3.0], 2.0, 1.0, 1, 2),
        remembering([9.0], 4.0, 3.5, 2, 3),
        remembering([1.2], 1.0, 0.1, 3, 1, 2),
        remembering([0.6], 0.5, 0.0, 2, 2),
        remembering([3.0], 2.5, 1.5, 1, 4),
    ],
    invariants=[
        UNCHANGED,
        Invariant(
            "asks for one estimate",
            lambda cls: cls().history == 1,
            "The steps are right, but `history` does not ask for one earlier estimate. The loop hands on as many as it says: with 0 "
            "`past` is always empty, and the sampler is Euler without a word.",
            only_if_right=True,
        ),
        Invariant(
            "second order",
            second_order,
            "Twice the steps should bring the error down to a quarter, on the exact Gaussian and with steps that shrink. Yours does not "
            "fall so.",
        ),
    ],
    mistakes=[
        Mistake(
            "x in the place of y",
            _wrong(finish=lambda now, to, width, slope: now.x + width * slope),
            "You walk in x. The slope eps is dy/du with y = x/alpha: go over to y, walk, and come back with the alpha of `to`.",
        ),
        Mistake(
            "not brought back",
            _wrong(finish=lambda now, to, width, slope: now.x / now.at.alpha + width * slope),
            "You return y. The loop wants x at the level `to`, which is y times the alpha there.",
        ),
        Mistake(
            "back with the old alpha",
            _wrong(finish=lambda now, to, width, slope: now.x + now.at.alpha * width * slope),
            "You come back to x with the alpha of the level you left. After the step x stands at `to`.",
        ),
        Mistake(
            "the two slopes interchanged",
            _wrong(combine=lambda now, before, share: before + share * (before - now)),
            "Your line starts at the older slope and is prolonged into the past. The step lies on the other side of `now`.",
        ),
        Mistake(
            "the sign of the correction",
            _wrong(combine=lambda now, before, share: now - share * (now - before)),
            "Your correction has the wrong sign: the line is prolonged beyond `now`, so the change from the older slope to this one "
            "goes on.",
        ),
        Mistake(
            "the mean of both slopes",
            _wrong(combine=lambda now, before, share: (now + before) / 2),
            "You take the mean of two slopes, which belongs half way between them, in the *last* step. Read the line off in the "
            "coming one.",
        ),
        Mistake(
            "equal widths",
            _wrong(share=lambda step, before: 0.5),
            "These are the weights 3/2 and −1/2 for steps of equal width. Here they are not: the line's gradient has the width of the "
            "last step in it.",
        ),
        Mistake(
            "the far end of the step",
            _wrong(share=lambda step, before: step / before),
            "You read the line off at the far end of the step. Its mean over the step is what it is half way.",
        ),
        Mistake(
            "the widths interchanged",
            _wrong(share=lambda step, before: before / step / 2),
            "Your ratio of widths is upside down: the gradient is the change of slope *over the last width*, times half the coming one.",
        ),
        Mistake(
            "only Euler",
            _wrong(combine=lambda now, before, share: now),
            "This is Euler's step whatever there is to remember: the slope of past[-1] is never used.",
        ),
    ],
    gradients=[],
    allowed={
        "* in reversed order": "an Estimate and a Level have named parts, and stay as they are",
        "1 -> 0 (2)": "past[0] is past[-1] where one estimate is asked for",
        "1 -> 0 (3)": "past[0] is past[-1] where one estimate is asked for",
    },
    hints=[
        "Draw it: two points (u, eps), a straight line, and the area below it from now.at.nsr to to.nsr.",
        "The area below a straight line is the width times its height half way. How high is it there?",
        "gradient = change of eps over change of u between the two estimates; height = now.eps plus the gradient times half the step; then "
        "from y back to x.",
    ],
    package=InPackage("LMS(order=2)", InThePackage),
    insight="Order two for the price of one call a step. LMS of order 4 does the same with a cubic, DPM-Solver++ with the clean image.",
)
