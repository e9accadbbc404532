"""What functions ask of their arguments, each question in one place. The answer is the value, or one sentence: which argument, what is
allowed, what came."""

import math
import operator
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor


def told(value: Any) -> str:
    """What came, in a few words: `float 2.5`, `list [1, 2]`, `Tensor (4, 2) of torch.int64`, `the class DDIM`, `SimpleUNet`."""
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{kind} {tuple(value.shape)} of {value.dtype}"
    if type(value) in (bool, int, float, complex, str, bytes, list, tuple, dict, set) and len(repr(value)) <= 60:
        return f"{kind} {value!r}"
    return f"{kind} of {len(value)}" if type(value) in (str, bytes, list, tuple, dict, set) else kind


def is_number(value: Any, method: str = "__float__") -> bool:
    """One number and no bool; not on the meta device, where tensors have shapes and no content."""
    single = hasattr(value, method) and not isinstance(value, bool) and not getattr(value, "ndim", 0)
    kind = str(getattr(value, "dtype", ""))
    return single and "bool" not in kind and "complex" not in kind and not getattr(value, "is_meta", False)


def _named(value: Any) -> str:
    return "a tensor on the meta device, which holds no numbers" if getattr(value, "is_meta", False) else told(value)


def number(
    name: str, value: Any, low: float = -math.inf, high: float = math.inf, *, above: float = -math.inf, why: str = ""
) -> float:
    """The float that `value` is: a Python number, a number of NumPy, a tensor of one; finite, from low to high, and more than `above`."""
    if not is_number(value):
        raise TypeError(f"{name} must be a finite number, got {_named(value)}")
    x = float(value)
    if low == -math.inf and high == math.inf:
        allowed = "be a finite number" + f" above {above:g}" * (above > -math.inf)
    else:
        allowed = f"be a number >= {low:g}" if high == math.inf else f"lie in [{low:g}, {high:g}]"
    if not math.isfinite(x) or not low <= x <= high or x <= above:
        raise ValueError(f"{name} must {allowed}, got {x:g}{f' ({why})' * bool(why)}")
    return x


def whole(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """The int that `value` is, from low to high; also one of NumPy, or a tensor of one. No bool."""
    if not is_number(value, "__index__") or getattr(value, "is_floating_point", bool)():
        raise TypeError(f"{name} must be a whole number, got {_named(value)}")
    n = operator.index(value)
    if (low is not None and n < low) or (high is not None and n > high):
        allowed = f"at least {low}" if high is None else f"in [{low}, {high}]"
        raise ValueError(f"{name} must be {allowed}, got {n}")
    return n


def one_of(name: str, value: Any, options: Collection[str]) -> str:
    """The one of these words that `value` is."""
    if not isinstance(value, str) or value not in options:
        *most, last = options
        raise ValueError(f"{name} must be {', '.join(most)} or {last}, got {value!r}")
    return value


def check_floating(name: str, x: Any) -> None:
    """A tensor of floating-point numbers, of any shape."""
    if not isinstance(x, Tensor) or not x.is_floating_point():
        got = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} must be a floating-point tensor, got {got} (data.to_float turns bytes into images)")


def check_batch(name: str, x: Any) -> None:
    """A floating-point tensor (B, …) that holds something."""
    check_floating(name, x)
    if x.ndim == 0 or not x.numel():
        raise ValueError(f"{name} must be (B, …) and not empty, got shape {tuple(x.shape)}")


def check_alike(name: str, x: Any, other: str, like: Tensor) -> None:
    """A floating-point tensor of the shape of `like`, which is the argument `other`."""
    check_floating(name, x)
    if x.shape != like.shape:
        raise ValueError(f"{name} must have {other}'s shape {tuple(like.shape)}, got {tuple(x.shape)}")


def check_finite(name: str, x: Tensor) -> None:
    """No nan and no inf. Waits for the device; on the meta device there is nothing to see."""
    if not x.is_meta and not bool(x.isfinite().all()):
        raise ValueError(f"{name} must be finite, but holds nan or inf")


def check_function(name: str, value: Any, what: str) -> None:
    """Something that can be called, and no class, of which an instance is meant."""
    if isinstance(value, type) or not callable(value):
        raise TypeError(f"{name} must be {what}, got {told(value)}")


def one_generator(generator: Any) -> None:
    """A torch.Generator, or None for torch's own."""
    if generator is not None and not isinstance(generator, torch.Generator):
        raise TypeError(
            f"generator must be one such as torch.Generator().manual_seed(0), or None, got {told(generator)}"
        )
