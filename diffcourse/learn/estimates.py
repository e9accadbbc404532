"""`expect` compares a number that varies with the one measured for the course."""

import math
import os
from typing import Any

from diffcourse.console import say


def expect(label: str, value: Any, ours: float, se: float) -> None:
    """Print a measured number beside ours: "accuracy: yours 0.83, ours 0.86 ± 0.03. They agree."

    `se` is the standard error of `ours`, from repeated runs. They agree within 3 se. Under test, that is where the environment
    variable DIFFCOURSE_TEST is set (to anything but 0), more than 4 se raises AssertionError; a reader's notebook never stops here.
    ValueError unless se > 0 and all three are finite.
    """
    value, ours, se = _finite("value", value), _finite("ours", ours), _finite("se", se)
    if se <= 0:
        raise ValueError(f"se must be greater than 0, got {se:g}")
    apart = abs(value - ours) / se
    digits = _decimals(se)
    line = f"{label}: yours {_fixed(value, digits)}, ours {_fixed(ours, digits)} ± {_fixed(se, digits)}."
    if apart <= 3:
        say(f"{line} They agree.")
    else:
        where = "above" if value > ours else "below"
        say(
            f"{line} Yours lies {apart:.1f} standard errors {where} ours: more than chance explains. Other settings, perhaps?"
        )
    if apart > 4 and os.environ.get("DIFFCOURSE_TEST", "0") not in ("", "0"):
        raise AssertionError(f"{line} That is {apart:.1f} standard errors; at most 4 are allowed under test.")


def _finite(name: str, x: Any) -> float:
    if isinstance(x, bool | str):
        raise TypeError(f"{name} must be a number, got {x!r}")
    try:
        number = float(x)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {type(x).__name__}") from None
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def _decimals(se: float) -> int:
    """Decimals that show one significant digit of se, two where it begins with 1. Negative: tens, hundreds, …"""
    exponent = math.floor(math.log10(se))
    return -exponent + (1 if round(se / 10**exponent, 1) < 2 else 0)


def _fixed(x: float, decimals: int) -> str:
    return f"{round(x, decimals):.{max(0, decimals)}f}"
