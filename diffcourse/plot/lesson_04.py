"""Figures of lesson 04: how samplers converge, where their levels lie, and how good their samples are."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffcourse.plot.images import mosaic, tick_labels, to_pixels
from diffcourse.plot.picture import (
    BESIDE,
    COLOURS,
    LINES,
    Picture,
    canvas,
    check_named,
    log_axis,
    logarithmic,
    style,
    ticks_at,
    to_curve,
    to_numbers,
)


def convergence(
    series: Mapping[str, tuple[Any, Any]],
    *,
    guides: Sequence[int] = (),
    x: str = "steps",
    y: str = "error",
    title: str = "",
    alt: str = "",
) -> Picture:
    """Errors against steps or calls {name: (steps, errors)} on logarithmic axes; guides: slopes to compare with, drawn dotted."""
    series = {
        n: to_curve(f"series[{n!r}]", pair) for n, pair in check_named("series", series, "(steps, errors)").items()
    }
    with style():
        picture, ax = canvas(5.6, 3.0)
        everything = [float(v) for _, errors in series.values() for v in errors]
        sizes = [float(n) for steps, _ in series.values() for n in steps]
        for (name, (steps, errors)), marker, colour, line in zip(
            series.items(), "os^Dv*P", COLOURS, LINES, strict=False
        ):
            ax.plot(steps, errors, label=name, marker=marker, markersize=5, color=colour, linestyle=line)
        logarithmic(ax, "xy")
        ends = np.array([min(sizes), max(sizes)])
        for power in guides:
            ax.plot(ends, 1.8 * max(everything) * (ends / ends[0]) ** -power, ":", color="0.55", linewidth=1)
            ax.annotate(
                f"slope {power}",
                (ends[1], 1.8 * max(everything) * (ends[1] / ends[0]) ** -power),
                fontsize=8,
                color="0.4",
                ha="left",
                va="center",
                xytext=(3, 0),
                textcoords="offset points",
            )
        ax.set(xlabel=x, ylabel=y, title=title, ylim=(0.5 * min(everything), 2.5 * max(everything)))
        ticks_at(ax, sizes)
        ax.legend(loc="upper left", bbox_to_anchor=(1.08, 1))
    picture.colours = 24
    picture.alt = alt or f"{y} against {x} on logarithmic axes: {', '.join(series)}"
    return picture


def paths(
    named: Mapping[str, tuple[Any, Any]], *, x: str = "t", y: str = "", height: float = 2.4, alt: str = ""
) -> Picture:
    """How points wander while they are sampled: {panel title: (times (n,), places (n, B))}; time runs from left to right, noisy first."""
    check_named("named", named, "(times, places)")
    with style():
        picture, axes = canvas(2.7 * len(named), height, columns=len(named), squeeze=False, sharey=True)
        for ax, (title, (times, places)) in zip(axes[0], named.items(), strict=True):
            times, places = to_numbers(f"times of {title}", times), to_numbers(f"places of {title}", places, most=2)
            places = places.reshape(len(times), -1)
            ends = places[-1]
            for i in range(places.shape[1]):
                colour = COLOURS[0] if ends[i] < np.median(ends) else COLOURS[1]
                ax.plot(times, places[:, i], color=colour, linestyle="-", linewidth=0.9, alpha=0.8)
            if len(times) <= 20:
                ax.plot(times, places, ".", color="0.2", markersize=2.5)
            ax.set(title=title, xlabel=x, xlim=(max(times), min(times)))
        axes[0][0].set_ylabel(y)
    picture.colours = 16
    picture.alt = alt or f"paths of {places.shape[1]} samples from noise (left) to data (right): {', '.join(named)}"
    return picture


def scheduler_curve(
    steps: Sequence[int], noise: Sequence[float], frames: Sequence[Tensor], *, y: str = "noise level", alt: str = ""
) -> Picture:
    """Noise level against sampling step, and below it the images (1, C, H, W) at evenly spaced steps.

    steps, noise and frames have one entry for each level.
    """
    if not len(steps) == len(noise) == len(frames):
        raise ValueError(f"steps, noise and frames must be equally many, got {len(steps)}, {len(noise)}, {len(frames)}")
    to_curve("steps and noise", (steps, noise))
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(9, len(frames))).round().astype(int))
    images = to_pixels(torch.cat([frames[i] for i in chosen]))
    with style():
        picture, (top, below) = canvas(5.6, 2.9, rows=2, height_ratios=(2.4, 1))
        top.plot(steps, noise, color=COLOURS[0], linestyle="-")
        top.plot([steps[i] for i in chosen], [noise[i] for i in chosen], "o", color=COLOURS[1], markersize=5)
        top.set(xlabel="sampling step", ylabel=y)
        mosaic(below, images, 1, len(images), 1)
        W = images.shape[3]
        tick_labels(
            below, below.set_xticks, [i * (W + 1) + W / 2 for i in range(len(chosen))], [f"{steps[i]}" for i in chosen]
        )
    picture.alt = alt or (
        f"{y} falls from {noise[0]:.3g} at step {steps[0]} to {noise[-1]:.3g} at step {steps[-1]}; below, the image at "
        f"{len(chosen)} of these steps, marked by dots on the curve"
    )
    return picture


def level_grids(named: Mapping[str, Sequence[Any]], *, alt: str = "") -> Picture:
    """Where the levels of a grid lie: {name: levels}, a row each, against t (left) and against sigma/alpha (right, logarithmic)."""
    check_named("named", named, "levels")
    with style():
        picture, axes = canvas(8.2, 0.7 + 0.36 * len(named), columns=2, sharey=True)
        for row, levels in enumerate(named.values()):
            noisy = [at for at in levels if at.sigma > 0]
            for ax, places in zip(axes, ([at.t for at in noisy], [at.nsr for at in noisy]), strict=True):
                ax.plot(places, [-row] * len(places), "o", color=COLOURS[row % 7], markersize=5)
                ax.axhline(-row, color="0.85", linewidth=0.8, zorder=0, linestyle="-")
        axes[0].set(xlabel="t", xlim=(1030, -30), yticks=[-i for i in range(len(named))], yticklabels=list(named))
        axes[1].set(xlabel="σ/α", xscale="log")
        axes[1].invert_xaxis()
        axes[0].set_ylim(-len(named) + 0.5, 0.5)
    picture.alt = (
        alt or f"the levels of the grids {', '.join(named)}, against t and against sigma/alpha, noisiest first"
    )
    return picture


def quality(rows: Sequence[Mapping[str, Any]], *, same: Mapping[str, str] | None = None, alt: str = "") -> Picture:
    """Samplers against DDPM with 1000 calls, from benchmarks/samplers.json: `ratio` of distances ± `se`, over calls of the network.

    rows: `sampler`, `calls`, `ratio`, `se` each. same: {sampler: sampler} of which only the second is drawn.
    """
    same = same or {}
    names = [name for name in dict.fromkeys(row["sampler"] for row in rows) if name not in same]
    with style():
        picture, ax = canvas(6.4, 3.2)
        for i, name in enumerate(names):
            of = sorted((row["calls"], row["ratio"], row["se"]) for row in rows if row["sampler"] == name)
            calls, ratio, se = (np.array(column) for column in zip(*of, strict=True))
            ax.errorbar(
                calls * (1 + 0.025 * (i - len(names) / 2)),  # side by side: error bars do not overlap
                ratio,
                se,
                label=" = ".join([name, *(a for a, b in same.items() if b == name)]),
                marker="os^Dv*P"[i % 7],
                markersize=5,
                capsize=2,
                color=COLOURS[i % 7],
                linestyle=LINES[i % 7],
            )
        ax.axhline(1, color="0.4", linestyle="-", linewidth=1, label="DDPM, 1000 calls")
        ax.set(xlabel="calls of the network for an image", ylabel="distance / that of DDPM-1000", xscale="log")
        ticks_at(ax, [5, 10, 20, 50])
        log_axis(ax)
        ax.legend(**BESIDE)
    last = {name: [row["ratio"] for row in rows if row["sampler"] == name] for name in names}
    picture.alt = (
        alt
        or "distance to real digits as a multiple of that of DDPM with 1000 calls, from few calls to many: "
        + "; ".join(f"{name} {', '.join(f'{v:.2f}' for v in values)}" for name, values in last.items())
    )
    return picture


def race(lanes: Mapping[str, Sequence[Tensor]], titles: Sequence[str], caption: str, alt: str) -> Picture:
    """Lanes {name: images (B, C, H, W), one for each title} below each other, B rows a lane, with a caption above."""
    for name, images in check_named("lanes", lanes, "images").items():
        if len(images) != len(titles):
            raise ValueError(f"lanes[{name!r}] must hold {len(titles)} images, one for each title, got {len(images)}")
    B, _, H, W = next(iter(lanes.values()))[0].shape
    images = torch.cat([to_pixels(torch.stack(list(lane), dim=1).flatten(0, 1)) for lane in lanes.values()])
    R, N = B * len(lanes), len(titles)
    with style():
        picture, ax = canvas(0.85 * N + 0.5, 0.85 * R + 0.7)
        mosaic(ax, images, R, N, gap=1)
        tick_labels(ax, ax.set_xticks, [(i + 0.5) * (W + 1) for i in range(N)], titles)
        tick_labels(ax, ax.set_yticks, [(i + 0.5) * B * (H + 1) for i in range(len(lanes))], list(lanes))
        ax.xaxis.tick_top()
        for i in range(1, len(lanes)):
            ax.axhline(i * B * (H + 1), color=COLOURS[1], linewidth=2, linestyle="-")
        picture.suptitle(caption, fontsize=9)
    picture.alt = alt
    return picture
