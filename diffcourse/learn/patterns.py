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
        wrong = [i for i, part in enumerate(parts) if any(difference(e, g, tolerance) for e, g in part)]
        looks = pattern(parts[wrong[0]], tolerance) if wrong else None
        return looks and looks.removesuffix(".") + f", in value {wrong[0] + 1} of {len(parts)}."
    flat = tensor_pairs(pairs)
    looks = _changed(flat, tolerance) or _fitted(flat, tolerance) or _rounded(flat) if flat else None
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


def _rounded(pairs: Pairs) -> str | None:
    """Several numbers, all rounded to the same place."""
    e, g = torch.cat([e.flatten() for e, _ in pairs]), torch.cat([g.flatten() for _, g in pairs])
    for digits in range(7) if e.numel() > 1 else ():
        scaled = g * 10**digits
        on_the_grid = bool(((scaled - scaled.round()).abs() < 1e-3).all())
        if on_the_grid and bool(((e - g).abs() * 10**digits < 0.501).all()):
            place = f"{digits} digit{'s' * (digits > 1)} behind the point" if digits else "whole numbers"
            return f"the expected value rounded to {place}"
    return None


def _fits(change: Callable[[Tensor], Tensor], pairs: Pairs, tolerance: float) -> bool:
    return all(difference(change(e), g, tolerance) is None for e, g in pairs)


def right_parts(pairs: Sequence[tuple[Any, Any]], tolerance: float, names: Sequence[str] = ()) -> list[str]:
    """Which parts of a tuple are right on all cases: "Yours is right in value 1 of 2.", or by their names. Empty where none is."""
    total = min(len(e) for e, _ in pairs)
    right = [i for i in range(total) if not any(difference(e[i], g[i], tolerance) for e, g in pairs)]
    if right and len(names) == total:
        return [f"Yours is right in {' and '.join(names[i] for i in right)}."]
    return [f"Yours is right in value {' and '.join(str(i + 1) for i in right)} of {total}."] if right else []


def but_for_the_form(pairs: Sequence[tuple[Any, Any]], tolerance: float) -> list[str]:
    """What is right of answers whose form is wrong: their numbers, or the part that is no NaN."""
    try:
        says = _but_for_the_form([(_plain(e), _plain(g)) for e, g in pairs], tolerance)
    except Exception:  # no tensors, or of an unusual layout
        return []
    return [f"Yours is {says}"] if says else []


def _plain(x: Any) -> Tensor:
    """A tensor, an array, a list of numbers or a number as a double tensor; TypeError for tensors in a list."""
    if isinstance(x, list | tuple) and any(isinstance(item, Tensor) for item in x):
        raise TypeError("a list of tensors")
    return torch.as_tensor(x).detach().double().cpu()


def _but_for_the_form(pairs: Sequence[tuple[Tensor, ...]], tolerance: float) -> str | None:
    if all(e.numel() == g.numel() and _equal(e.flatten(), g.flatten(), tolerance) for e, g in pairs):
        return "right in its numbers; only their form is another one."
    if all(e.shape == g.shape for e, g in pairs):
        finite = [(e[~g.isnan()], g[~g.isnan()]) for e, g in pairs]
        if any(len(e) for e, _ in finite) and all(_equal(e, g, tolerance) for e, g in finite):
            return "right in all entries that are numbers."
    for what, last in (("sum", torch.sum), ("mean", torch.mean)):
        if all(e.numel() == 1 < g.numel() and _equal(e.flatten()[0], last(g), tolerance) for e, g in pairs):
            return f"right but for a last step: its {what} is the expected value."
        if all(g.numel() == 1 < e.numel() and _equal(g.flatten()[0], last(e), tolerance) for e, g in pairs):
            return f"the {what} of the expected values, in one number."
    return None


def _equal(expected: Tensor, got: Tensor, tolerance: float) -> bool:
    return difference(expected, got, tolerance) is None


def tensor_pairs(pairs: Sequence[tuple[Any, Any]]) -> Pairs:
    """The pairs as double tensors on the CPU, finite and of like shape; empty where one of them is anything else."""
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
        found.append((expected.detach().double().cpu(), got.detach().double().cpu()))
    return found
