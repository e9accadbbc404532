"""A curve of losses: does it fall, settle, jump or explode? Judged by its shape alone, in units of its own noise."""

from typing import Any

import numpy as np

from diffcourse.clinic.findings import Findings
from diffcourse.clinic.spies import Unusable


def check_curve(found: Findings, curve: Any, predicts: str = "eps") -> None:
    """Name what the curve looks like; numbers, or pairs (step, loss)."""
    y, check = read_curve(curve), "curve"
    if not np.isfinite(y).all():
        found.name(
            check,
            "diverged",
            f"the loss is {y[~np.isfinite(y)][0]} from record {int(np.argmin(np.isfinite(y)))} of {len(y)} on",
        )
        return
    n = len(y)
    if n < 6:
        found.note(check, f"{n} records are too few to judge a shape")
        return
    parts = np.array_split(y, min(20, n // 3) if n >= 15 else n)
    smooth = np.array([np.median(part) for part in parts])
    first, last, low, top = y[: max(1, n // 50)].mean(), smooth[-1], smooth.min(), np.abs(smooth).max()
    first = max(first, smooth[0])
    tail = np.median(y[-max(1, n // 20) :])
    span = max(first, smooth.max()) - low
    noise = _noise(y)
    told = f"from {first:.3g} to {tail:.3g} in {n} records, lowest {low:.3g}"
    rest = y[n // 10 :]
    if (
        tail > 1.5 * first > 0
        or y[-1] > 20 * first > 0
        or (low > 0 and tail > 4 * low and tail > 0.6 * first and tail - low > 5 * noise)
    ):
        found.name(check, "diverged", told)
    elif _jumps(y, smooth, noise):
        found.name(check, "learning-rate-too-high", f"{told}, with jumps again and again after the start")
    elif first - min(last, tail) < max(0.05 * abs(first), 1.5 * noise / len(parts[-1]) ** 0.5) and (
        first > 0.7 or predicts != "eps"
    ):
        found.name(check, "not-learning", told)
    elif _falls(rest, span, noise):
        found.name(check, "still-falling", told)
    else:
        found.fine(check, told if top else "all zero")


def read_curve(curve: Any) -> np.ndarray:
    """The losses of a curve, in order of their steps."""
    if isinstance(curve, dict):
        curve = next(
            (curve[k] for k in ("loss", "losses", "train_loss", "train", "y") if k in curve), list(curve.items())
        )
    try:
        values = [getattr(v, "detach", lambda v=v: v)() for v in curve]
        array = np.array([[float(u) for u in v] if np.ndim(v) else float(v) for v in values], dtype=float)
    except (TypeError, ValueError) as error:
        raise Unusable("curve must be numbers, or pairs (step, loss)") from error
    if array.ndim == 2 and array.shape[1] >= 2:
        steps = array[:, 0]
        array = array[np.argsort(steps, kind="stable"), 1] if np.isfinite(steps).all() else array[:, 1]
    array = array.reshape(-1)
    if not array.size:
        raise Unusable("curve is empty")
    return array


def _noise(y: np.ndarray) -> float:
    """The standard deviation of what is not trend: of second differences, by their median, in the later half."""
    bends = np.abs(np.diff(y[len(y) // 2 :], 2))
    return float(np.median(bends) * 1.4826 / 6**0.5) if len(bends) else 0.0


def _jumps(y: np.ndarray, smooth: np.ndarray, noise: float) -> bool:
    """Spikes far beyond its own noise in the later part, or a level that goes up and down more than it fell."""
    n = len(y)
    late = y[n // 3 :]
    if n >= 20 and late.min() > 0:
        width = max(5, n // 20)
        padded = np.pad(late, width // 2, mode="reflect")
        level = np.array([np.median(padded[i : i + width]) for i in range(len(late))])
        ratio = np.log(late / level)
        spread = max(1.4826 * np.median(np.abs(ratio)), 0.02)
        spikes = (ratio > np.log(2.0)) & (ratio > 6 * spread)
        starts = int(spikes[0]) + int((np.diff(spikes.astype(int)) == 1).sum())
        if starts >= 3 and ratio.max() > np.log(3):
            return True
        if np.abs(np.diff(np.log(late))).mean() > 0.9:  # swings by a factor of 2.5, from each record to the next
            return True
    rises, falls = np.diff(smooth).clip(0).sum(), -np.diff(smooth).clip(None, 0).sum()
    middle = float(np.median(smooth))
    swing = np.diff(smooth)[len(smooth) // 4 :]
    big = (np.abs(swing) > max(0.3 * middle, 4 * noise)).sum()
    return bool(rises > 0.5 * falls and big >= 3 and rises > 0.5 * middle)


def _falls(y: np.ndarray, span: float, noise: float) -> bool:
    """Whether the last quarter falls by a tenth of the whole fall and of its level, and beyond its noise.

    An exponential fall whose time is a third of the run loses 6 % of its fall in the last quarter; one whose time is the run, 16 %.
    """
    n = len(y)
    if n < 6:
        return False
    a, b = np.array_split(y[n // 2 :], 2)
    drop, error = a.mean() - b.mean(), np.hypot(a.std() / len(a) ** 0.5, b.std() / len(b) ** 0.5)
    return bool(drop > 0.1 * span and drop > 0.1 * abs(a.mean()) and drop > 3 * min(error, noise + 1e-12))
