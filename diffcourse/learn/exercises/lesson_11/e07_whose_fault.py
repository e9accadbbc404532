"""Too few steps, or a bad network?"""

import math
from collections.abc import Callable

import numpy as np
import torch

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import refuses


def whose_fault(
    at_n: float,
    at_2n: float,
    at_4n: float,
    truth: float,
) -> tuple[float, float, float, float]:
    """How much of a sampler's error is the fault of its steps, and how much of its network.

    A number that describes the samples, such as their mean brightness, was measured at n, 2n
    and 4n steps, from the same noise each time; truth is what it is for real data. With m steps
    the sampler gives limit + C·m^(−order), where limit and C are two numbers and order > 0.
    What no number of steps removes is the network's fault.
    Returns (order, limit, steps, network). steps and network are the parts of at_n − truth,
    with their signs, so that they add up to it.
    ValueError where no such law with C other than 0 leads through the three values.
    """
    if at_2n == at_4n or (ratio := (at_2n - at_n) / (at_4n - at_2n)) <= 1:
        raise ValueError("the three values do not change less and less in one direction")
    limit = at_4n + (at_4n - at_2n) / (ratio - 1)
    return math.log2(ratio), limit, at_n - limit, limit - truth


def by_the_order(at_n, at_2n, at_4n, truth):
    try:
        order = math.log((at_n - at_2n) / (at_2n - at_4n)) / math.log(2)
    except ZeroDivisionError:
        order = 0
    if order <= 0:
        raise ValueError("no order")
    steps = (at_n - at_2n) / (1 - 2**-order)
    return order, at_n - steps, steps, at_n - steps - truth


def by_aitken(at_n, at_2n, at_4n, truth):
    values = np.array([at_n, at_2n, at_4n], dtype=np.float64)
    first, second = np.diff(values)
    if first * second <= 0 or second / first >= 1:
        raise ValueError
    limit = (values[0] * values[2] - values[1] ** 2) / (values[0] + values[2] - 2 * values[1])
    return np.log2(first / second), limit, at_n - limit, limit - truth


def _with(
    ratio: Callable = lambda a, b, c, truth: (b - a) / (c - b),
    order: Callable = math.log2,
    limit: Callable = lambda a, b, c, r: c + (c - b) / (r - 1),
    steps: Callable = lambda a, b, c, limit: a - limit,
    network: Callable = lambda a, b, c, limit, truth: limit - truth,
) -> Callable:
    """The answer with a part of its own; it refuses what the reference refuses."""

    def wrong(at_n, at_2n, at_4n, truth):
        whose_fault(at_n, at_2n, at_4n, truth)
        r = ratio(at_n, at_2n, at_4n, truth)
        end = limit(at_n, at_2n, at_4n, r)
        return order(r), end, steps(at_n, at_2n, at_4n, end), network(at_n, at_2n, at_4n, end, truth)

    return wrong


def _of_order(p: float) -> Callable:
    """As if the order were known."""
    return _with(order=lambda r: p, limit=lambda a, b, c, r: c + (c - b) / (2**p - 1))


def law(limit: float, C: float, order: float, n: int, truth: float) -> tuple[float, float, float, float]:
    """A case that obeys the law."""
    return (*(limit + C * m ** (-order) for m in (n, 2 * n, 4 * n)), truth)


def exact_law_is_found(f: Callable) -> bool:
    for limit, C, order, n, truth in ((0.2, 3.0, 1.0, 10, 0.3), (-1.0, -8.0, 2.0, 4, -1.5), (5.0, 1.0, 0.5, 9, 4.0)):
        found = [float(x) for x in f(*law(limit, C, order, n, truth))]
        if not close(torch.tensor(found[:2]), torch.tensor([order, limit]), 1e-4):
            return False
    return True


def parts_add_up(f: Callable) -> bool:
    found = [f(*law(0.2, C, 1.5, 5, truth)) for C in (1.0, -1.0) for truth in (0.0, 0.5)]
    errors = [law(0.2, C, 1.5, 5, truth)[0] - truth for C in (1.0, -1.0) for truth in (0.0, 0.5)]
    return all(abs(float(r[2]) + float(r[3]) - e) < 1e-5 for r, e in zip(found, errors, strict=True))


def truth_does_not_move_the_steps(f: Callable) -> bool:
    one, other = (f(*law(0.2, 1.0, 1.5, 5, truth)) for truth in (0.1, 7.0))
    return all(abs(float(a) - float(b)) < 1e-6 for a, b in zip(one[:3], other[:3], strict=True))


def direction_does_not_matter(f: Callable) -> bool:
    """All values with the other sign: the same order, everything else with the other sign."""
    up, down = f(*law(0.2, 1.0, 1.5, 5, 0.4)), f(*(-x for x in law(0.2, 1.0, 1.5, 5, 0.4)))
    return abs(float(up[0]) - float(down[0])) < 1e-6 and all(
        abs(float(a) + float(b)) < 1e-6 for a, b in zip(up[1:], down[1:], strict=True)
    )


EXERCISE = Exercise(
    name="11.whose_fault",
    title="Steps or network",
    minutes=10,
    level=2,
    reference=whose_fault,
    alternatives=[by_the_order, by_aitken],
    gradients=[],
    cases=[
        (1.0, 0.5, 0.25, 0.125),
        law(0.3, 2.0, 1.0, 10, 0.25),
        law(-0.5, -6.0, 2.0, 5, -0.4),
        law(1.2, -1.0, 0.7, 8, 1.5),
        law(0.0, 30.0, 3.0, 6, 0.02),
        law(-2.0, 1.5, 1.4, 4, -2.3),
        law(10.0, 5.0, 1.9, 3, 9.0),
        law(2e-4, 3e-4, 1.1, 5, 1e-4),
    ],
    invariants=[
        Invariant(
            "no law in a zigzag",
            lambda f: refuses(1.0, 0.5, 0.7, 0.6)(f) and refuses(-1.0, 0.5, 0.2, 0.6)(f),
            "The value rises and then falls, or the other way round: no law of this form does that. ValueError is asked for, and yours "
            "raises none, or another error.",
        ),
        Invariant(
            "no law that gets worse",
            lambda f: (
                refuses(1.0, 0.8, 0.4, 0.0)(f) and refuses(0.0, 0.25, 1.0, 0.0)(f) and refuses(1.0, 0.75, 0.5, 0.0)(f)
            ),
            "The second change is as large as the first, or larger: with an order above 0 the changes shrink. ValueError is asked for, and "
            "yours raises none, or another error.",
        ),
        Invariant(
            "no law without a change",
            lambda f: (
                refuses(1.0, 1.0, 1.0, 0.5)(f) and refuses(1.0, 0.5, 0.5, 0.5)(f) and refuses(0.5, 0.5, 0.25, 0.0)(f)
            ),
            "Two of the three values are equal: nothing tells the order then. ValueError is asked for, and yours raises none, or another "
            "error.",
        ),
        Invariant(
            "the truth says nothing of the steps",
            truth_does_not_move_the_steps,
            "Another truth is given for the same three measurements, and order, limit or the part of the steps changes in yours. What more "
            "steps do has nothing to do with real data.",
        ),
        Invariant(
            "the parts add up",
            parts_add_up,
            "The two parts, with their signs, should add up to at_n − truth. Yours do not.",
        ),
        Invariant(
            "an exact law",
            exact_law_is_found,
            "Three values were made by the law with an order and a limit that are known. Yours finds others.",
        ),
        Invariant(
            "upside down",
            direction_does_not_matter,
            "All four values get the other sign: the order stays, and all the rest changes its sign. In yours something else happens.",
        ),
    ],
    mistakes=[
        Mistake(
            "the order by the truth",
            _with(ratio=lambda a, b, c, truth: abs((a - truth) / (b - truth))),
            "You measure how fast the values approach the truth. With a network that errs they approach something else.",
        ),
        Mistake(
            "the order by the truth, the limit right",
            lambda a, b, c, truth: (
                math.log2(abs((a - truth) / (b - truth))),
                *whose_fault(a, b, c, truth)[1:],
            ),
            "limit and parts are right. Your order is how fast the values approach the truth. With a network that errs they approach "
            "something else.",
        ),
        Mistake(
            "the last for the limit",
            _with(limit=lambda a, b, c, r: c),
            "order is right. You take what 4n steps give for the limit. How far it still is from there can be told from the last change.",
        ),
        Mistake(
            "the last change once more",
            _with(limit=lambda a, b, c, r: c + (c - b)),
            "order is right. Your limit goes on by the last change once more, which is right for order 1 only.",
        ),
        Mistake(
            "one more doubling",
            _with(limit=lambda a, b, c, r: c + (c - b) / r),
            "order is right. Your limit is what 8n steps would give. The doublings go on without end.",
        ),
        Mistake(
            "order 1",
            _of_order(1.0),
            "You take the order for 1. It can be told from the three values.",
        ),
        Mistake(
            "order 2",
            _of_order(2.0),
            "You take the order for 2. It can be told from the three values.",
        ),
        Mistake(
            "the limit of order 2",
            _with(limit=lambda a, b, c, r: (4 * c - b) / 3),
            "order is right. Your limit leaves it out: its weights are right for order 2 only.",
        ),
        Mistake(
            "from at_2n, backwards",
            _with(limit=lambda a, b, c, r: b - (c - b) / (r - 1)),
            "order is right. Your limit lies on the side from which the values came. It is beyond the last of them, where they go.",
        ),
        Mistake(
            "natural logarithm, and the limit by it",
            _with(order=math.log, limit=lambda a, b, c, r: c + (c - b) / (2 ** math.log(r) - 1)),
            "You take the natural logarithm of how much a doubling shrinks the change, and then 2 to that power: one base for both.",
        ),
        Mistake(
            "the ratio upside down",
            _with(order=lambda r: -math.log2(r), limit=lambda a, b, c, r: c + (c - b) / (1 / r - 1)),
            "You divide the later change by the earlier one, so that your order is negative, as if the changes grew.",
        ),
        Mistake(
            "the limit from the first two, of order 1",
            _with(limit=lambda a, b, c, r: 2 * b - a),
            "order is right. Your limit leaves it out, and the last value too.",
        ),
        Mistake(
            "backwards",
            _with(limit=lambda a, b, c, r: c - (c - b) / (r - 1)),
            "order is right. Your limit goes from at_4n back to where the values came from.",
        ),
        Mistake(
            "from at_2n",
            _with(limit=lambda a, b, c, r: b + (c - b) / (r - 1)),
            "order is right. Your limit starts from at_2n with what is still to go from at_4n.",
        ),
        Mistake(
            "the first change in the limit",
            _with(limit=lambda a, b, c, r: c + (b - a) / (r - 1)),
            "order is right. Your limit goes on from at_4n by a multiple of the first change. Which change comes before the next?",
        ),
        Mistake(
            "the order's sign",
            _with(order=lambda r: -math.log2(r)),
            "All but the order is right, and that is negative: the power of m itself. The law has it with a minus.",
        ),
        Mistake(
            "natural logarithm",
            _with(order=math.log),
            "All but the order is right. You take the natural logarithm of how much a doubling shrinks the change.",
        ),
        Mistake(
            "logarithm to the base 4",
            _with(order=lambda r: math.log(r, 4)),
            "All but the order is right. From one change to the next the number of steps is doubled, not multiplied by four.",
        ),
        Mistake(
            "decimal logarithm",
            _with(order=math.log10),
            "All but the order is right. Your logarithm has the base 10. By what is the number of steps multiplied?",
        ),
        Mistake(
            "the ratio",
            _with(order=lambda r: r),
            "All but the order is right. You return by what a doubling divides the change, not which power of m that is.",
        ),
        Mistake(
            "the ends",
            _with(order=lambda r: math.log2(r + 1)),
            "All but the order is right. You compare the change from n to 4n steps with that from 2n to 4n.",
        ),
        Mistake(
            "the steps at 4n",
            _with(steps=lambda a, b, c, limit: c - limit),
            "All but the part of the steps is right: yours is what is wrong at 4n steps. Asked for is the error at n.",
        ),
        Mistake(
            "the steps up to 4n",
            _with(steps=lambda a, b, c, limit: a - c),
            "All but the part of the steps is right: yours is what 4n steps remove. Asked for is what any number of steps can remove.",
        ),
        Mistake(
            "the steps' sign",
            _with(steps=lambda a, b, c, limit: limit - a),
            "All but the part of the steps is right, and that has the wrong sign.",
        ),
        Mistake(
            "the network's sign",
            _with(network=lambda a, b, c, limit, truth: truth - limit),
            "All but the part of the network is right, and that has the wrong sign.",
        ),
        Mistake(
            "both signs",
            _with(steps=lambda a, b, c, limit: limit - a, network=lambda a, b, c, limit, truth: truth - limit),
            "Both of your parts have the wrong sign: they add up to truth − at_n.",
        ),
        Mistake(
            "sizes",
            _with(
                steps=lambda a, b, c, limit: abs(a - limit), network=lambda a, b, c, limit, truth: abs(limit - truth)
            ),
            "You return the sizes of the parts. With their signs they add up to the error; without them, two that cancel look like two "
            "that do not.",
        ),
        Mistake(
            "the network at 4n",
            _with(network=lambda a, b, c, limit, truth: c - truth),
            "All but the part of the network is right: yours still has steps in it.",
        ),
        Mistake(
            "all of the error",
            _with(network=lambda a, b, c, limit, truth: a - truth),
            "All but the part of the network is right: yours is the whole error at n, steps and all.",
        ),
        Mistake(
            "shares",
            lambda a, b, c, truth: (
                *whose_fault(a, b, c, truth)[:2],
                *(part / (a - truth) for part in whose_fault(a, b, c, truth)[2:]),
            ),
            "Your parts are shares of the error. The parts themselves are asked for.",
        ),
        Mistake(
            "parts exchanged",
            lambda *args: (*whose_fault(*args)[:2], *whose_fault(*args)[:1:-1]),
            "Your parts stand in each other's places.",
        ),
    ],
    hints=[
        "Take two measurements and subtract them: the limit is gone. Do it twice. What is left of the law in both differences, and in "
        "their ratio?",
        "A doubling of the steps multiplies what is left to go by one and the same factor. So the changes are a geometric series: its "
        "first two terms are known, and the limit is at_n plus its sum.",
        "The ratio of the changes is 2 to the order. The sum of the terms still to come is the last change over (ratio − 1). Where the "
        "ratio is not above 1, refuse.",
    ],
    insight="Compare with more steps before you compare with the data: two numbers of steps and the truth cannot tell a coarse sampler "
    "from a bad network, three without the truth can. Only where the part of the steps is the larger one do more steps or a better "
    "sampler help; else train. And parts of opposite sign cancel: then more steps make the samples worse, and the sampler looks guilty.",
)
