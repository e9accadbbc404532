"""Figures of numbers for any lesson: curves, densities, point clouds, measured values.

Numbers come as any sequence, array or tensor, and are finite: what is not is refused with its place, for a gap in a curve tells nothing.
"""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from diffcourse.checks import number, whole
from diffcourse.images import check_points
from diffcourse.plot.picture import (
    BESIDE,
    COLOURS,
    LINES,
    Picture,
    canvas,
    check_named,
    log_axis,
    logarithmic,
    look,
    style,
    ticks_at,
    to_curve,
    to_numbers,
)
from diffcourse.schedule import DiffusionSchedule, check_chain


def curves(
    series: Mapping[str, tuple[Any, Any]], *, x: str = "", y: str = "", title: str = "", log: str = "", alt: str = ""
) -> Picture:
    """Named curves {name: (xs, ys)} on one pair of axes; log: "x", "y" or "xy"."""
    series = check_named("series", series, "(xs, ys)")
    with style():
        picture, ax = canvas(5.5, 3.0)
        for name, pair in series.items():
            ax.plot(*to_curve(f"series[{name!r}]", pair), label=name)
        ax.set(xlabel=x, ylabel=y, title=title)
        logarithmic(ax, log)
        if len(series) > 1:
            ax.legend(**BESIDE if len(series) > 3 else {})  # many lines leave no room among them
    picture.alt = alt or f"{y or title} against {x}: {', '.join(series)}"
    return picture


def panels(
    named: Mapping[str, Mapping[str, tuple[Any, Any]]],
    *,
    x: str = "",
    y: str = "",
    log: str = "",
    height: float = 2.3,
    alt: str = "",
) -> Picture:
    """Several panels of curves side by side: {panel title: {curve name: (xs, ys)}}, one legend for each panel."""
    named = check_named("named", named, "{name: (xs, ys)}")
    number("height", height, above=0)
    with style():
        picture, axes = canvas(2.9 * len(named), height, columns=len(named), squeeze=False)
        for ax, (title, series) in zip(axes[0], named.items(), strict=True):
            series = check_named(f"named[{title!r}]", series, "(xs, ys)")
            for name, pair in series.items():
                ax.plot(*to_curve(f"named[{title!r}][{name!r}]", pair), label=name)
            ax.set(title=title, xlabel=x)
            logarithmic(ax, log)
            if len(series) > 1:
                ax.legend()
            if "y" not in log:
                low, high = ax.get_ylim()
                ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
        axes[0][0].set_ylabel(y)
    inside = "; ".join(f"{title}: {', '.join(map(str, series))}" for title, series in named.items())
    picture.alt = alt or f"{y or 'curves'} against {x or 'x'} in {len(named)} panels: {inside}"
    return picture


def schedules(named: Mapping[str, DiffusionSchedule], *, alt: str = "") -> Picture:
    """beta, alpha_bar and SNR of noise schedules {name: schedule} against the share t/(T-1) of the way."""
    named = check_named("named", named, "schedule")
    for name, schedule in named.items():
        if not all(hasattr(schedule, wanted) for wanted in ("T", "betas", "alpha_bars")):
            kind = type(schedule).__name__
            raise TypeError(f"named[{name!r}] must be a schedule with T, betas and alpha_bars, got {kind}")
    with style():
        picture, axes = canvas(9.0, 2.8, columns=3)
        for name, schedule in named.items():
            check_chain(schedule)
            way = np.linspace(0, 1, schedule.T)
            axes[0].plot(way, schedule.betas, label=name)
            axes[1].plot(way, schedule.alpha_bars)
            axes[2].plot(way, schedule.alpha_bars / (1 - schedule.alpha_bars))
        for ax, title in zip(axes, ("beta: noise added in a step", "alpha_bar: signal left", "SNR"), strict=True):
            ax.set(title=title, xlabel="t / (T - 1)")
        axes[0].set_yscale("log")
        axes[2].set_yscale("log")
        axes[2].axhline(1, color="0.6", linewidth=0.8, linestyle="-")
        axes[0].legend()
    picture.alt = alt or f"beta, alpha_bar and SNR of the schedules {', '.join(named)}"
    return picture


def losses(
    losses: Mapping[str, Sequence[Any]] | Sequence[Any], *, smooth: int = 1, log: bool = True, alt: str = ""
) -> Picture:
    """Loss curves: a sequence of losses (one a step) or of [step, loss] pairs, or several of either by name.

    smooth: a running mean over so many entries, drawn over the pale raw curve.
    """
    named = losses if isinstance(losses, Mapping) else {"loss": losses}
    named = check_named("losses", named, "losses")
    whole("smooth", smooth, 1)
    with style():
        picture, ax = canvas(5.5, 3.0)
        for (name, values), colour in zip(named.items(), itertools.cycle(COLOURS), strict=False):
            what = f"losses[{name!r}]" if isinstance(losses, Mapping) else "losses"
            values = to_numbers(what, values, most=2)
            if values.ndim == 2 and values.shape[1] != 2:
                raise ValueError(f"{what} must be numbers or [step, loss] pairs, got rows of {values.shape[1]}")
            steps, values = values.T if values.ndim == 2 else (np.arange(1, len(values) + 1), values)
            if 1 < smooth <= len(values):
                ax.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8, linestyle="-")
                steps, values = steps[smooth - 1 :], np.convolve(values, np.ones(smooth) / smooth, mode="valid")
            ax.plot(steps, values, label=name, color=colour)
        ax.set(xlabel="step", ylabel="loss")
        logarithmic(ax, "y" if log else "")
        if len(named) > 1:
            ax.legend()
    picture.alt = alt or f"loss against training step: {', '.join(named)}"
    return picture


def points(
    named: Mapping[str, Tensor],
    *,
    size: float = 4,
    limit: float | None = None,
    columns: int | None = None,
    ground: Tensor | None = None,
    alt: str = "",
) -> Picture:
    """Two-dimensional point clouds {title: (N, 2)}, each in its own square panel with one common scale.

    ground: another cloud (M, 2), grey behind all of them.
    """
    named = check_named("named", named, "points")
    clouds = {title: check_points(cloud, f"named[{title!r}]", dimensions=2) for title, cloud in named.items()}
    columns = len(named) if columns is None else min(whole("columns", columns, 1), len(named))
    rows = math.ceil(len(named) / columns)
    if limit is None:
        limit = 1.05 * max(float(p.abs().max()) for p in clouds.values()) or 1.0  # all in the origin
    number("limit", limit, above=0), number("size", size, above=0)
    with style():
        picture, axes = canvas(2.4 * columns, 2.5 * rows, columns, rows, squeeze=False)
        for ax, (title, cloud) in zip(axes.flat, clouds.items(), strict=False):
            if ground is not None:
                behind = check_points(ground, "ground", dimensions=2)
                ax.scatter(*behind.numpy().T, s=size, color="0.8", linewidths=0)
            ax.scatter(*cloud.numpy().T, s=size, color=COLOURS[0], alpha=0.5, linewidths=0)
            ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        for ax in axes.flat[len(named) :]:
            ax.set_axis_off()
    picture.alt = alt or f"point clouds: {', '.join(named)}"
    return picture


def densities(
    curves: Mapping[str, tuple[Any, Any]],
    *,
    samples: Any = None,
    fill: str | None = None,
    points: Mapping[str, float] | None = None,
    x: str = "x",
    title: str = "",
    alt: str = "",
) -> Picture:
    """Densities {name: (xs, ys)} of one number; behind them a histogram of `samples`, or one of the curves filled.

    points: {name: place}, marked on the axis.
    """
    curves = check_named("curves", curves, "(xs, ys)")
    if fill is not None and fill not in curves:
        raise ValueError(f"fill must be one of {', '.join(map(str, curves))}, got {fill!r}")
    for name, place in (points or {}).items():
        number(f"points[{name!r}]", place)
    with style():
        picture, ax = canvas(6.8, 2.7)
        if samples is not None:
            ax.hist(to_numbers("samples", samples), bins=100, density=True, color="0.8", label="draws")
        for i, (name, pair) in enumerate(curves.items()):
            xs, ys = to_curve(f"curves[{name!r}]", pair)
            if name == fill:
                ax.fill_between(xs, ys, color="0.85", label=name)
            else:
                ax.plot(xs, ys, label=name, color=COLOURS[i % 7], linestyle=LINES[i % 7])
        for marker, (name, place) in zip("^sDov", (points or {}).items(), strict=False):
            ax.plot([place], [0], marker, color="black", markersize=7, label=name, clip_on=False, zorder=3)
        ax.set(xlabel=x, ylabel="density", title=title, ylim=(0, None))
        ax.legend(**BESIDE)  # beside the curves: there is no free corner in general
    picture.alt = alt or f"densities over {x}: {', '.join([*curves, *(points or {})])}"
    return picture


def measured(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]]],
    *,
    x: str = "guidance w",
    mark: float | None = None,
    levels: Mapping[str, float] | None = None,
    log: Collection[str] = (),
    ticks: Sequence[float] = (),
    alt: str = "",
) -> Picture:
    """Measured values with error bars, a panel each: {what: {name: (xs, values, half bars)}}.

    mark: a place on the x axis shown by a line in every panel. levels: {what: value} of panels that get a horizontal line, their best.
    log: the panels with a logarithmic axis. ticks: places on an x axis that is then logarithmic.
    """
    panels = {
        what: check_named(f"panels[{what!r}]", series, "(xs, values, standard errors)")
        for what, series in check_named("panels", panels, "{name: (xs, values, standard errors)}").items()
    }
    with style():
        several = max(map(len, panels.values())) > 1
        picture, axes = canvas(2.6 * len(panels) + (1.8 if several else 0.4), 2.6, columns=len(panels), squeeze=False)
        for ax, (what, series) in zip(axes.flat, panels.items(), strict=True):
            for i, (name, measurements) in enumerate(series.items()):
                ax.errorbar(
                    *_measurements(f"panels[{what!r}][{name!r}]", measurements),
                    label=name,
                    markersize=4,
                    capsize=2,
                    **look(name, i),
                )
            if levels and what in levels:
                ax.axhline(levels[what], color="0.5", linestyle="-", linewidth=0.8)
            if mark is not None:
                ax.axvline(mark, color="0.5", linestyle="-", linewidth=1)
            ax.set(xlabel=x, title=what)
            if what in log:
                log_axis(ax)
            if ticks:
                ax.set_xscale("log")
                ticks_at(ax, ticks)
        if len(series) > 1:
            ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    told = [
        f"{what}: " + "; ".join(f"{name} {', '.join(f'{v:.3g}' for v in of[1])}" for name, of in series.items())
        for what, series in panels.items()
    ]
    picture.alt = alt or f"against {x}, " + ". ".join(told)
    return picture


def _measurements(name: str, given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """xs, values and standard errors, where None is 0."""
    if not isinstance(given, tuple | list) or len(given) != 3:
        raise TypeError(f"{name} must be (xs, values, standard errors), got {type(given).__name__}")
    xs, values = to_curve(name, given[:2])
    errors = [0.0 if e is None else e for e in given[2]] if isinstance(given[2], list | tuple) else given[2]
    errors = to_numbers(f"errors of {name}", errors)
    if len(errors) != len(xs) or errors.min() < 0:
        raise ValueError(f"{name} must have {len(xs)} standard errors of at least 0, got {errors.tolist()}")
    return xs, values, errors
