"""Where the Langevin chain of one Gaussian ends."""

import math
from collections.abc import Callable

from diffcourse.learn.exercise import Exercise, Invariant, Mistake


def chain_variance(s: float, tau: float) -> float:
    """The variance at which Langevin dynamics with steps of size tau ends, for p = N(0, s²).

    x begins anywhere, and takes as many steps as it likes; s and tau are numbers above 0.
    Exact, for any tau: a step is linear here, so it tells how the variance changes. To derive.
    Returns a number; math.inf where the variance grows for ever.
    """
    if tau >= 2 * s**2:
        return math.inf
    return s**2 / (1 - tau / (2 * s**2))


def chain_variance_of_the_recursion(s, tau):
    kept = (1 - tau / s**2) ** 2
    return float("inf") if tau / s**2 >= 2 else 2 * tau / (1 - kept)


def chain_variance_by_fraction(s, tau):
    left = 2 * s * s - tau
    return 2 * s**4 / left if left > 0 else math.inf


def _if_finite(value: Callable, end: Callable = lambda s, tau: tau >= 2 * s**2) -> Callable:
    """chain_variance with its value, or its end, replaced."""
    return lambda s, tau: math.inf if end(s, tau) else value(s, tau)


def _right(s: float, tau: float) -> float:
    return s**2 / (1 - tau / (2 * s**2))


def no_bias_without_a_step(f: Callable) -> bool:
    return abs(float(f(1.5, 1e-6)) - 2.25) < 1e-3


def fixed_by_a_step(f: Callable) -> bool:
    """Its variance is the same after one more step."""
    v = float(f(0.8, 0.5))
    return abs((1 - 0.5 / 0.64) ** 2 * v + 1.0 - v) < 1e-3 * v


def no_end(f: Callable) -> bool:
    return all(math.isinf(float(f(1.0, tau))) for tau in (2.0, 3.0))


EXERCISE = Exercise(
    name="07.chain_variance",
    title="The bias of a step",
    minutes=7,
    level=3,
    reference=chain_variance,
    alternatives=[chain_variance_of_the_recursion, chain_variance_by_fraction],
    cases=[
        (1.0, 0.5),
        (2.0, 1.0),
        (0.5, 0.1),
        (1.0, 1.5),
        (1.0, 2.0),
        (2.0, 8.0),
        (0.5, 0.7),
        (3.0, 17.5),
        (1.0, 3.0),
        (1.5, 1e-6),
        (1.5, 2.5),
    ],
    invariants=[
        Invariant(
            "stays after one more step",
            fixed_by_a_step,
            "At your variance the chain is not at its end: after one more step, x + τ·score + √(2τ)·z, it is another one. Try s "
            "= 0.8, τ = 0.5.",
        ),
        Invariant(
            "no end",
            no_end,
            "For s = 1 there is no end at τ = 2, where |1 − τ/s²| is 1 and every step adds noise, and none at τ = 3. Yours gives a number: "
            "one that is computed step by step, or held in bounds, looks finite there.",
        ),
        Invariant(
            "no bias without a step",
            no_bias_without_a_step,
            "As τ goes to 0 the bias must go too, and s² be left. Yours is another number.",
        ),
    ],
    mistakes=[
        Mistake(
            "no bias",
            lambda s, tau: s**2,
            "s² is where an infinitely small step ends. Put a variance v into one step: v·(1 − τ/s²)² + 2τ. Is it v again at s²?",
        ),
        Mistake(
            "no bias, but an end",
            _if_finite(lambda s, tau: s**2),
            "Your end is in the right place, but below it you give s², where an infinitely small step ends. A step has a bias.",
        ),
        Mistake(
            "no end",
            lambda s, tau: _right(s, tau) if tau != 2 * s**2 else math.inf,
            "Your formula is right where the chain has an end, and goes on below 0 where it has none. From which τ on does |1 − τ/s²| grow "
            "what it multiplies?",
        ),
        Mistake(
            "divided by zero",
            _right,
            "Your formula is right where the chain has an end. Where it has none it gives a negative number, or stops at a division by 0.",
        ),
        Mistake(
            "the end a hair too late",
            lambda s, tau: math.inf if tau > 2 * s**2 else _right(s, tau),
            "Where τ is exactly 2s², each step turns x round and adds noise: does that variance come to an end?",
        ),
        Mistake(
            "the end at the first overshoot",
            _if_finite(_right, lambda s, tau: tau >= s**2),
            "You give inf from τ = s² on. There a step begins to overshoot the middle, which is no harm yet: |1 − τ/s²| is still below 1.",
        ),
        Mistake(
            "the end at twice the deviation",
            _if_finite(_right, lambda s, tau: tau >= 2 * s),
            "Your end compares τ with s. The score is −x/s²: it is the variance that τ is measured by.",
        ),
        Mistake(
            "the end at 2",
            _if_finite(lambda s, tau: _right(s, tau) if tau != 2 * s**2 else math.inf, lambda s, tau: tau >= 2),
            "Your end is that of s = 1. A wide Gaussian bears larger steps.",
        ),
        Mistake(
            "twice the bias",
            _if_finite(lambda s, tau: s**2 / (1 - tau / s**2) if tau != s**2 else math.inf),
            "Your bias is twice too large to first order. Multiply (1 − τ/s²)² out, and divide by all that stands before v.",
        ),
        Mistake(
            "to first order",
            _if_finite(lambda s, tau: s**2 + tau / 2),
            "This is right to first order in τ only. The fixed point can be had exactly: it is one linear equation.",
        ),
        Mistake(
            "too narrow",
            _if_finite(lambda s, tau: s**2 / (1 + tau / (2 * s**2))),
            "Your chain ends too narrow. A step overshoots, and adds noise for it: it ends too wide.",
        ),
        Mistake(
            "too little noise",
            _if_finite(lambda s, tau: _right(s, tau) / 2),
            "Half of what it should be: does your step bring the variance τ, where √(2τ)·z brings 2τ?",
        ),
        Mistake(
            "standard deviation",
            _if_finite(lambda s, tau: _right(s, tau) ** 0.5),
            "This is the standard deviation. Asked is the variance.",
        ),
        Mistake(
            "the factor not squared",
            _if_finite(lambda s, tau: 2 * tau / (1 - abs(1 - tau / s**2)), lambda s, tau: tau >= 2 * s**2),
            "A step multiplies x by 1 − τ/s², and so its variance by the square of that.",
        ),
        Mistake(
            "s for its square",
            _if_finite(lambda s, tau: s**2 / (1 - tau / (2 * s)) if tau != 2 * s else math.inf),
            "In your bias τ is divided by 2s. The score of N(0, s²) is −x/s².",
        ),
        Mistake(
            "the score divided by s",
            _if_finite(lambda s, tau: 2 * tau / (1 - (1 - tau / s) ** 2), lambda s, tau: tau >= 2 * s),
            "In your step x is multiplied by 1 − τ/s. The score of N(0, s²) is −x/s².",
        ),
        Mistake(
            "only s = 1",
            _if_finite(lambda s, tau: s**2 / (1 - tau / 2) if tau != 2 else math.inf),
            "Your bias is that of s = 1: the narrower the Gaussian, the larger the same τ is for it.",
        ),
        Mistake(
            "bias alone",
            _if_finite(lambda s, tau: _right(s, tau) - s**2),
            "This is by how much the variance is too large. Asked is the variance itself.",
        ),
        Mistake(
            "in units of the right one",
            _if_finite(lambda s, tau: _right(s, tau) / s**2),
            "This is how many times too large the variance is. Asked is the variance itself.",
        ),
        Mistake(
            "after one step",
            lambda s, tau: s**2 * (1 - tau / s**2) ** 2 + 2 * tau,
            "This is the variance after one step from s². Where does it end after all of them?",
        ),
        Mistake(
            "after one step, with an end",
            _if_finite(lambda s, tau: s**2 * (1 - tau / s**2) ** 2 + 2 * tau),
            "Your end is in the right place, but below it you give the variance after one step from s². At the end a step changes nothing.",
        ),
    ],
    gradients=[],  # a plain number will do
    allowed={"s negated": "a standard deviation is not negative"},
    hints=[
        "With the score −x/s², a step is a·x + √(2τ)·z. What is a, and what does the step make of a variance v?",
        "At the end a step changes nothing: v = a²·v + 2τ. Solve it for v.",
        "1 − a² has the factor τ, which cancels with 2τ. There is an end where |a| < 1; otherwise each step makes v larger.",
    ],
    insight="A step of a tenth of the variance costs 5 %. Smaller steps cost time: the narrowest direction says how large τ may be, the "
    "widest one how far the chain has to walk.",
)
