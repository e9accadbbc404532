"""The weights of a linear multistep method."""

from collections.abc import Callable
from fractions import Fraction
from math import comb, lcm

import numpy as np
import torch

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close


def plms_weights(order: int) -> list[float]:
    """The weights of a linear multistep method's slopes, for steps of equal width.

    dy/du = e is walked in steps of width 1. We stand at u = 0 and know the slope e there,
    and at the places where we stood before, u = -1, -2, …, -(order - 1). The step to u = 1
    follows the one polynomial of degree order - 1 or less through these slopes: what is
    added to y is its integral from 0 to 1. That is a weighted sum of the slopes, with
    weights that do not depend on them: these are wanted, for any order from 1 to 6.
    Returns a list of `order` plain numbers, the weight of the newest slope (u = 0) first
    and that of the oldest last.
    """
    powers = torch.arange(order, dtype=torch.float64)
    places = -torch.arange(order)
    exact = 1 / (powers + 1)  # the integral of u^p from 0 to 1
    return torch.linalg.solve(places ** powers[:, None], exact).tolist()


def by_lagrange(order):
    """The polynomial of each slope alone, 1 at its own place and 0 at the others, integrated term by term, in fractions."""
    return [float(w) for w in _weights(range(0, -order, -1))]


def by_differences(order):
    """Newton's backward differences: their coefficients c obey c_m + c_(m-1)/2 + … + c_0/(m + 1) = 1."""
    weights = [Fraction(0)] * order
    for m, c in enumerate(_of_differences(order)):
        for j in range(m + 1):
            weights[j] += c * (-1) ** j * comb(m, j)
    return weights


def by_numpy(order):
    places = np.arange(0, -order, -1)
    weights = []
    for j in range(order):
        basis = np.poly1d([1.0])
        for i in range(order):
            if i != j:
                basis *= np.poly1d([1.0, -places[i]]) / (places[j] - places[i])
        area = basis.integ()
        weights.append(area(1) - area(0))
    return weights


def by_many_points(order):
    """The area by the middles of 20,000 strips."""
    u = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000
    found = []
    for j in range(order):
        heights = torch.ones_like(u)
        for i in range(order):
            heights = heights * ((u + i) / (i - j) if i != j else 1.0)
        found.append(heights.mean())
    return found


def from_a_table(order):
    return [
        [1],
        [3 / 2, -1 / 2],
        [23 / 12, -16 / 12, 5 / 12],
        [55 / 24, -59 / 24, 37 / 24, -9 / 24],
        [1901 / 720, -2774 / 720, 2616 / 720, -1274 / 720, 251 / 720],
        [4277 / 1440, -7923 / 1440, 9982 / 1440, -7298 / 1440, 2877 / 1440, -475 / 1440],
    ][order - 1]


def _basis(places: list[int], j: int, divided: bool = True) -> list[Fraction]:
    """Coefficients, u^0 first, of the polynomial that is 1 at place j and 0 at the others."""
    coefficients = [Fraction(1)]
    for i, other in enumerate(places):
        if i != j:
            up, width = [Fraction(0), *coefficients], Fraction(places[j] - other) if divided else Fraction(1)
            coefficients = [(a - other * b) / width for a, b in zip(up, [*coefficients, Fraction(0)], strict=True)]
    return coefficients


def _area(coefficients: list[Fraction], start: int = 0, end: int = 1) -> Fraction:
    return sum((c * (end ** (p + 1) - start ** (p + 1)) / (p + 1) for p, c in enumerate(coefficients)), Fraction(0))


def _height(coefficients: list[Fraction], u: Fraction | int) -> Fraction:
    return sum((c * u**p for p, c in enumerate(coefficients)), Fraction(0))


def _weights(places, measured: Callable = _area, divided: bool = True) -> list[Fraction]:
    """What each slope counts for, if `measured` is taken of the polynomial through those at `places`."""
    places = list(places)
    return [measured(_basis(places, j, divided)) for j in range(len(places))]


def _bases(order: int) -> list[list[Fraction]]:
    places = list(range(0, -order, -1))
    return [_basis(places, j) for j in range(order)]


def _of_differences(order: int) -> list[Fraction]:
    found: list[Fraction] = []
    for m in range(order):
        found.append(1 - sum((c / (m - i + 1) for i, c in enumerate(found)), Fraction(0)))
    return found


def _wrong(measured: Callable = _area, places: Callable = lambda n: range(0, -n, -1), divided: bool = True) -> Callable:
    """The weights with a part of their own, as floats."""
    return lambda order: [float(w) for w in _weights(places(order), measured, divided)]


def _right(order: int) -> list[Fraction]:
    return _weights(range(0, -order, -1))


def _transposed(order: int) -> list[float]:
    powers, places = torch.arange(order, dtype=torch.float64), -torch.arange(order, dtype=torch.float64)
    return torch.linalg.solve(places[:, None] ** powers, 1 / (powers + 1)).tolist()


def _numerators(order: int) -> list[float]:
    weights = _right(order)
    return [float(w * lcm(*(v.denominator for v in weights))) for w in weights]


def _table(order: int) -> list[float]:
    """The rows that PLMS needs, the last one for every order above 4 too."""
    return from_a_table(min(order, 4))


def adds(f: Callable, order: int, slope: Callable) -> float:
    """What a step adds with these slopes."""
    return sum(float(w) * slope(-j) for j, w in enumerate(f(order)))


EXERCISE = Exercise(
    name="09.plms_weights",
    title="The weights of a linear multistep method",
    minutes=8,
    level=3,
    reference=plms_weights,
    alternatives=[by_lagrange, by_differences, by_numpy, by_many_points, from_a_table],
    cases=[(1,), (2,), (3,), (4,), (5,), (6,)],
    invariants=[
        Invariant(
            "the same slope everywhere",
            lambda f: all(close(adds(f, order, lambda u: 1.0), 1.0, 1e-3) for order in (2, 3, 4)),
            "Where the slope is 1 everywhere, a step of width 1 adds 1 to y. So the weights of each order add up to 1; yours do not.",
        ),
        Invariant(
            "a slope that rises evenly",
            lambda f: all(close(adds(f, order, lambda u: u), 0.5, 1e-3) for order in (2, 3, 4)),
            "Take e(u) = u, so that the slopes are 0, −1, −2, …, newest first. From 0 to 1 that adds 1/2, and from order 2 on the "
            "polynomial knows it. Yours adds something else.",
        ),
        Invariant(
            "a parabola of slopes",
            lambda f: all(close(adds(f, order, lambda u: u * u), 1 / 3, 1e-3) for order in (3, 4)),
            "Take e(u) = u², so that the slopes are 0, 1, 4, …, newest first. From 0 to 1 that adds 1/3, and from order 3 on the "
            "polynomial knows it. Yours adds something else.",
        ),
    ],
    mistakes=[
        Mistake(
            "oldest first",
            lambda order: _wrong()(order)[::-1],
            "The weights are right, and the oldest slope's comes first. The newest one's is asked for first: it counts most.",
        ),
        Mistake(
            "a slope at both ends",
            _wrong(places=lambda n: range(1, 1 - n, -1)),
            "These are Adams and Moulton's weights, of a step with a slope at both of its ends: of the last one, from −1 to 0, or of one "
            "whose places lie ahead. The coming step goes from 0 to 1, and only at its start the slope is known.",
        ),
        Mistake(
            "one place too far back",
            _wrong(places=lambda n: range(-1, -1 - n, -1)),
            "Your newest slope stands at u = −1. It is that of the place where we stand, u = 0.",
        ),
        Mistake(
            "the whole way",
            lambda order: [float(w) for w in _weights(range(0, -order, -1), lambda c: _area(c, 1 - order, 1))],
            "You integrate from the oldest place to u = 1. Only the coming step is walked, from 0 to 1; the older slopes say where it "
            "leads.",
        ),
        Mistake(
            "read off at the end",
            _wrong(lambda c: _height(c, 1)),
            "Your weighted sum is the polynomial's height at u = 1, the slope at the end of the step. What a step adds is the area below "
            "the polynomial, from 0 to 1.",
        ),
        Mistake(
            "read off in the middle",
            _wrong(lambda c: _height(c, Fraction(1, 2))),
            "Your weighted sum is the polynomial's height at u = 1/2. For a straight line that is its mean over the step; a curve of "
            "higher degree has another area below it.",
        ),
        Mistake(
            "a trapezoid",
            _wrong(lambda c: (_height(c, 0) + _height(c, 1)) / 2),
            "Your area is that of a trapezoid, from the polynomial's heights at 0 and 1. For a straight line that is exact; a curve of "
            "higher degree has another area below it.",
        ),
        Mistake(
            "Simpson's rule",
            _wrong(lambda c: (_height(c, 0) + 4 * _height(c, Fraction(1, 2)) + _height(c, 1)) / 6),
            "Your area is Simpson's, from three heights. That is exact up to a cubic, so up to order 4; beyond it the polynomial has a "
            "higher degree.",
        ),
        Mistake(
            "two Gauss points",
            lambda order: [
                sum(float(_height(c, Fraction(1 / 2 + s / 12**0.5))) for s in (-1, 1)) / 2 for c in _bases(order)
            ],
            "Your area is that of two Gauss points. That is exact up to a cubic, so up to order 4; beyond it the polynomial has a higher "
            "degree.",
        ),
        Mistake(
            "the mean of the slopes",
            lambda order: [1 / order] * order,
            "You take the mean of the slopes, which looks back: it is the slope in the midst of the places where we have been. The "
            "polynomial is carried on, into the step.",
        ),
        Mistake(
            "the newest slope alone",
            lambda order: [1.0] + [0.0] * (order - 1),
            "Only the newest slope counts: that is Euler's step at every order.",
        ),
        Mistake(
            "of differences",
            lambda order: [float(c) for c in _of_differences(order)],
            "These are the weights of the backward differences: of e, of its change, of the change of that. Written out in the slopes "
            "themselves, each of them holds several slopes; collect what each slope gets.",
        ),
        Mistake(
            "rows and columns interchanged",
            _transposed,
            "You solve the right equations with rows and columns interchanged: what comes out is a polynomial's coefficients, if "
            "1, 1/2, 1/3, … were its slopes. One equation belongs to each power of u, and one unknown to each slope.",
        ),
        Mistake(
            "no denominators",
            _wrong(divided=False),
            "Your polynomials vanish at the places of the other slopes, but at their own place they are not 1. So each slope comes in with "
            "a factor; divide it away.",
        ),
        Mistake(
            "without signs",
            lambda order: [abs(float(w)) for w in _right(order)],
            "All your weights are positive. They should add up to 1: every second slope is subtracted, as what goes on is the change from "
            "slope to slope.",
        ),
        Mistake(
            "numerators",
            _numerators,
            "These are the numerators over a common denominator. A step that followed them would be too long by it: which one makes them "
            "add up to 1?",
        ),
        Mistake(
            "divided by the order",
            lambda order: [float(w) / order for w in _right(order)],
            "You divide by the number of slopes. The weights add up to 1 already.",
        ),
        Mistake(
            "the table ends at order 4",
            _table,
            "Your weights are right up to order 4. For orders 5 and 6 you give those of order 4 again: that is where the table of PLMS "
            "ends. Here the orders go on to 6.",
        ),
        Mistake(
            "the table ends at order 4, filled up with zeros",
            lambda order: _table(order) + [0.0] * (order - len(_table(order))),
            "Your weights are right up to order 4. For orders 5 and 6 you give those of order 4, and 0 to the oldest slopes. The "
            "polynomial is to go through all of them.",
        ),
        Mistake(
            "in a tensor",
            lambda order: torch.tensor([float(w) for w in _right(order)], dtype=torch.float64),
            "The weights are right, and in a tensor. A list of plain numbers is asked for.",
        ),
    ],
    gradients=[],
    hints=[
        "The weights must be right for every polynomial of degree order − 1 or less, so for 1, u, u², … one by one. Try order 2 by hand.",
        "For e(u) = u to the power p the step adds 1/(p + 1). What are the slopes at 0, −1, −2, … then? That is one equation for the "
        "weights, for each p from 0 to order − 1.",
        "A matrix with a row for each power and a column for each place, entry place to the power p; on the right side the areas from 0 "
        "to 1; torch.linalg.solve, in float64, gives the weights.",
    ],
    insight="With four slopes this is the core of PLMS, the sampler with which Stable Diffusion 1 was published: one call of the network "
    "a step. PNDM().WEIGHTS holds the first four rows, and uses them although its steps in σ/α are not equally wide; LMS works "
    "them out for the levels as they lie. Without their signs the weights add up to 6.7 at order 4 and to 22.8 at order 6: so "
    "much can errors of the slopes be magnified.",
)
