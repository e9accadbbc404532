"""Compares an answer with what is expected, tolerant where it does not matter, and says what differs."""

import math
import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffcourse.learn.words import a_kind, number, short

_FLOATS = (torch.float32, torch.float64)


@dataclass(frozen=True)
class Difference:
    """The first thing that differs. kind: "type", "dtype", "shape", "graph", "nan" (all of them about the form), "inf" or "value"."""

    kind: str
    sentence: str

    @property
    def form(self) -> bool:
        return self.kind not in ("value", "inf")


def difference(expected: Any, got: Any, tolerance: float, what: str = "Your output") -> Difference | None:
    """None where `got` equals `expected`: numbers to the tolerance, everything else exactly; else the first thing that differs.

    What serves as well is taken: a list or a tensor for a tuple, a tensor of one element for a number, any integer type, 3.0 for 3.
    """
    try:
        return _compare(expected, got, tolerance, what)
    except Exception:  # sparse, nested and quantised tensors, objects whose == raises, numbers beyond all bounds
        return Difference("type", f"{what} is {a_kind(got)} that cannot be compared with {a_kind(expected)}.")


def _compare(expected: Any, got: Any, tolerance: float, what: str) -> Difference | None:
    if isinstance(expected, Tensor):
        return _compare_tensor(expected.detach().cpu(), got, tolerance, what)
    if isinstance(expected, bool):
        return _compare_bool(expected, got, what)
    if isinstance(expected, numbers.Real):
        return _compare_number(expected, got, tolerance, what)
    if isinstance(expected, tuple | list):
        return _compare_sequence(expected, got, tolerance, what)
    if isinstance(expected, dict):
        return _compare_dict(expected, got, tolerance, what)
    if isinstance(expected, str):
        same = isinstance(got, str) and got.strip().casefold() == expected.strip().casefold()
        return None if same else Difference("value", f"{what} is {short(got)}.")
    if type(expected) is not type(got):
        return Difference("type", f"{what} is {a_kind(got)}, where {a_kind(expected)} is expected.")
    return None if expected == got else Difference("value", f"{what} differs.")


def _compare_tensor(expected: Tensor, got: Any, tolerance: float, what: str) -> Difference | None:
    if not isinstance(got, Tensor):
        if expected.ndim == 0 and isinstance(got, numbers.Real):
            return _compare(expected.detach().item(), got, tolerance, what)
        return Difference("type", f"{what} is {a_kind(got)}, where a tensor is expected.")
    got = got.detach().cpu()
    if got.shape != expected.shape:
        return Difference("shape", f"{what} has shape {tuple(got.shape)}, where {tuple(expected.shape)} is expected.")
    if wrong := _wrong_dtype(expected, got, what):
        return wrong
    if not expected.is_floating_point():
        return (
            None if torch.equal(expected.long(), got.long()) else Difference("value", _where_most(expected, got, what))
        )
    e, g = expected.double(), got.double()
    if bool((g.isnan() & ~e.isnan()).any()):
        return Difference("nan", f"{what} holds NaN, which is not a number, in {_count(g.isnan())}.")
    if bool((endless := g.isinf() & e.isfinite()).any()):
        return Difference("inf", f"{what} holds inf, which is infinity, in {_count(endless)}.")
    close = (e == g) | (e.isnan() & g.isnan()) | ((e - g).abs() <= tolerance * e.abs() + _absolute(e, tolerance))
    close &= (e.isfinite() & g.isfinite()) | (e == g) | e.isnan()
    return None if bool(close.all()) else Difference("value", _where_most(e, g, what))


def _absolute(expected: Tensor, tolerance: float) -> float:
    """What an entry near 0 may differ by: rounding in its large neighbours, when they cancel."""
    finite = expected[expected.isfinite()].abs()
    largest = float(finite.max()) if len(finite) else 0.0
    return min(1e-2 * tolerance * (largest or 1.0), 1e-3)


def _wrong_dtype(expected: Tensor, got: Tensor, what: str) -> Difference | None:
    name = str(got.dtype).removeprefix("torch.")
    if got.is_complex() and not expected.is_complex():
        return Difference("dtype", f"{what} is of type {name}, where real numbers are expected.")
    if expected.is_floating_point():
        if got.dtype in _FLOATS:
            return None
        if got.is_floating_point():
            return Difference(
                "dtype", f"{what} is {name}: it keeps two or three digits only. float32 or float64 is expected."
            )
        return Difference(
            "dtype", f"{what} is of type {name}, which cannot hold fractions. float32 or float64 is expected."
        )
    if (expected.dtype == torch.bool) != (got.dtype == torch.bool) or got.is_floating_point():
        kind = "True and False (bool)" if expected.dtype == torch.bool else "whole numbers (an integer type)"
        return Difference("dtype", f"{what} is of type {name}, where {kind} are expected.")
    return None


def _compare_number(expected: Any, got: Any, tolerance: float, what: str) -> Difference | None:
    if isinstance(got, Tensor):
        if wrong := _no_number(got, what):
            return wrong
        got = got.detach().item()
    if isinstance(got, bool) or not isinstance(got, numbers.Real):
        return Difference("type", f"{what} is {a_kind(got)}, where a number is expected.")
    if math.isnan(got) and not math.isnan(expected):
        return Difference("nan", f"{what} is NaN, which is not a number.")
    if math.isinf(got) and math.isfinite(expected):
        return Difference("inf", f"{what} is {number(got)}, which is infinity.")
    allowed = 0.0 if isinstance(expected, int) else tolerance * abs(expected) if expected else 1e-2 * tolerance
    same = got == expected or (math.isnan(got) and math.isnan(expected)) or abs(got - expected) <= allowed < math.inf
    return None if same else Difference("value", f"{what} is {number(got)}.")


def _no_number(got: Tensor, what: str) -> Difference | None:
    """Why a tensor cannot stand for a number. One of a single element can, whatever its shape."""
    if got.numel() != 1:
        return Difference(
            "shape", f"{what} is a tensor of shape {tuple(got.shape)}, where a single number is expected."
        )
    if got.requires_grad:
        return Difference(
            "graph",
            f"{what} is a tensor that still holds its graph, where a plain number is expected: item() gives it.",
        )
    if got.dtype == torch.bool or (got.is_floating_point() and got.dtype not in _FLOATS):
        name = str(got.dtype).removeprefix("torch.")
        return Difference("dtype", f"{what} is of type {name}, where float32 or float64 is expected.")
    return None


def _compare_bool(expected: bool, got: Any, what: str) -> Difference | None:
    if isinstance(got, Tensor) and got.ndim == 0 and got.dtype == torch.bool:
        got = bool(got)
    if type(got).__name__ not in ("bool", "bool_"):
        return Difference("type", f"{what} is {a_kind(got)}, where True or False is expected.")
    return None if bool(got) == expected else Difference("value", f"{what} is {bool(got)}.")


def _compare_sequence(expected: Sequence, got: Any, tolerance: float, what: str) -> Difference | None:
    if isinstance(got, Tensor | np.ndarray) and got.ndim and isinstance(expected, tuple):
        got = tuple(got)  # it unpacks like one
    if not isinstance(got, tuple | list):
        return Difference(
            "type", f"{what} is {a_kind(got)}, where {len(expected)} values are expected, one after the other."
        )
    if len(got) != len(expected):
        return Difference("shape", f"{what} has {len(got)} parts, where {len(expected)} are expected.")
    names = getattr(expected, "_fields", None) or [f"value {i + 1} of {len(expected)}" for i in range(len(expected))]
    parts = (
        _compare(e, g, tolerance, f"{what.rstrip(',')}, {n},") for e, g, n in zip(expected, got, names, strict=True)
    )
    return _first(parts)


def difference_of_parts(expected: tuple, got: Any, tolerance: float, names: Sequence[str]) -> Difference | None:
    """As `difference`, of two tuples whose values have names of their own: "Your dL/dV differs most at …"."""
    if not isinstance(got, tuple) or not len(expected) == len(got) == len(names):
        return difference(expected, got, tolerance, f"Your {' and '.join(names)}")
    return _first(difference(e, g, tolerance, f"Your {name}") for e, g, name in zip(expected, got, names, strict=True))


def _compare_dict(expected: dict, got: Any, tolerance: float, what: str) -> Difference | None:
    if not isinstance(got, dict):
        return Difference("type", f"{what} is {a_kind(got)}, where a dictionary is expected.")
    if got.keys() != expected.keys():
        return Difference(
            "shape", f"{what} has the keys {sorted(map(str, got))}, where {sorted(map(str, expected))} are expected."
        )
    return _first(_compare(e, got[key], tolerance, f"{what}[{key!r}]") for key, e in expected.items())


def not_whole(expected: Any, got: Any) -> Difference | None:
    """The first place where a float stands for a whole number: equal, but no index."""
    if isinstance(expected, tuple | list) and isinstance(got, tuple | list | Tensor | np.ndarray):
        return _first(not_whole(e, g) for e, g in zip(expected, got, strict=False))
    if isinstance(expected, dict) and isinstance(got, dict):
        return _first(not_whole(e, got[key]) for key, e in expected.items() if key in got)
    if not isinstance(expected, numbers.Integral) or isinstance(expected, bool):
        return None
    if got.is_floating_point() if isinstance(got, Tensor) else not isinstance(got, numbers.Integral):
        return Difference(
            "type", f"Your output holds {short(got)}, with a decimal point, where a whole number (an int) is expected."
        )
    return None


def _first(differences: Any) -> Difference | None:
    """The first difference of form, else the first of value."""
    found = [d for d in differences if d]
    return next((d for d in found if d.form), found[0] if found else None)


def identical(a: Any, b: Any) -> bool:
    """Exactly equal, in value, kind and dtype. False for what cannot be compared."""
    try:
        return _identical(a, b)
    except Exception:
        return False


def _identical(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        same_form = a.shape == b.shape and a.dtype == b.dtype
        return same_form and bool(((a == b) | ((a != a) & (b != b))).all())
    if type(a) is not type(b):
        return False
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(_identical(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_identical(x, b[key]) for key, x in a.items())
    return bool(a is b or a == b or (a != a and b != b))


def size(x: Any) -> int:
    """Number of entries in x, to find the smallest case."""
    if isinstance(x, Tensor):
        return x.numel()
    if isinstance(x, tuple | list):
        return sum(map(size, x))
    return sum(map(size, x.values())) if isinstance(x, dict) else 1


def _where_most(expected: Tensor, got: Tensor, what: str) -> str:
    if expected.numel() <= 1:
        return f"{what} differs."
    gap = torch.nan_to_num((expected.double() - got.double()).abs(), nan=math.inf, posinf=math.inf)
    index = torch.unravel_index(gap.argmax(), gap.shape)
    place = ", ".join(str(int(i)) for i in index)
    e, g = expected[index].item(), got[index].item()
    return f"{what} differs most at [{place}]: {number(g)}, where {number(e)} is expected."


def _count(mask: Tensor) -> str:
    hits, total = int(mask.sum()), mask.numel()
    return "every entry" if hits == total else f"{hits} of {total} entries"
