"""Says what an unforeseen answer looks like: "Yours is 2 times the expected value."."""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from diffcourse.learn.compare import difference
from diffcourse.learn.words import number

Pairs = list[tuple[Tensor, Tensor]]

_CHANGES: tuple[tuple[str, Callable[[Tensor], bool], Callable[[Tensor], Tensor]], ...] = (
    ("the expected value with the opposite sign", lambda e: True, lambda e: -e),
    ("the square of the expected value", lambda e: True, lambda e: e**2),
    ("the square root of the expected value", lambda e: bool((e >= 0).all()), lambda e: e.sqrt()),
    ("one divided by the expected value", lambda e: bool((e != 0).all()), lambda e: 1 / e),
    (
        "the expected value with its last two dimensions swapped",
        lambda e: e.ndim >= 2 and e.shape[-1] == e.shape[-2],
        lambda e: e.mT,
    ),
    ("the expected value in reversed order", lambda e: e.ndim > 0 and e.shape[-1] > 1, lambda e: e.flip(-1)),
)
"""What a changed value is called, for which expected values that can be told, and the change; the first that fits is said."""


def pattern(pairs: Sequence[tuple[Any, Any]], tolerance: float = 1e-4) -> str | None:
    """What an unforeseen answer looks like on all cases together: "1.02 times the expected value"; None if nothing simple fits."""
    if pairs and isinstance(pairs[0][0], tuple):
        parts = [[(e[i], g[i]) for e, g in pairs] for i in range(len(pairs[0][0]))]
        wrong = (part for part in parts if any(difference(e, g, tolerance) for e, g in part))
        return pattern(next(wrong, []), tolerance)
    flat = [(e.detach().double(), g.detach().double()) for e, g in _tensor_pairs(pairs)]
    looks = _changed(flat, tolerance) or _fitted(flat, tolerance) if flat else None
    return looks and f"Yours is {looks}."


def _changed(pairs: Pairs, tolerance: float) -> str | None:
    for looks, can_be_told, change in _CHANGES:
        if all(can_be_told(e) for e, _ in pairs) and _fits(change, pairs, tolerance):
            return looks
    return None


def _fitted(pairs: Pairs, tolerance: float) -> str | None:
    """Zero, or one factor or one offset for all cases, measured on all entries together."""
    e, g = torch.cat([e.flatten() for e, _ in pairs]), torch.cat([g.flatten() for _, g in pairs])
    several = e.numel() > 1  # a single number is always some multiple of the expected one
    if bool((g == 0).all()):
        return "0 everywhere"
    factor = float((e * g).sum() / (e * e).sum()) if bool((e != 0).any()) else 0.0
    if factor and (several or factor in (0.5, 2.0)) and _fits(lambda e: factor * e, pairs, tolerance):
        return f"{number(factor)} times the expected value"
    offset = float((g - e).mean())
    if several and _fits(lambda e: e + offset, pairs, tolerance):
        return f"{number(abs(offset))} {'more' if offset > 0 else 'less'} than the expected value"
    return None


def _fits(change: Callable[[Tensor], Tensor], pairs: Pairs, tolerance: float) -> bool:
    return all(difference(change(e), g, tolerance) is None for e, g in pairs)


def right_parts(pairs: Sequence[tuple[Any, Any]], tolerance: float) -> list[str]:
    """Which parts of a tuple are right on all cases: "Value 1 of 2 is right." Empty where none is."""
    total = len(pairs[0][0])
    right = [i for i in range(total) if not any(difference(e[i], g[i], tolerance) for e, g in pairs)]
    return [f"Value {i + 1} of {total} is right." for i in right]


def _tensor_pairs(pairs: Sequence[tuple[Any, Any]]) -> Pairs:
    found = []
    for expected, got in pairs:
        if (
            isinstance(expected, numbers.Real)
            and not isinstance(expected, bool)
            and isinstance(got, numbers.Real | Tensor)
        ):
            expected = torch.tensor(float(expected))
        if isinstance(got, numbers.Real):
            got = torch.tensor(float(got))
        if not (isinstance(expected, Tensor) and isinstance(got, Tensor) and expected.shape == got.shape):
            return []
        if not (bool(expected.isfinite().all()) and bool(got.isfinite().all())):
            return []
        found.append((expected.cpu(), got.cpu()))
    return found
