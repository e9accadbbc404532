"""Figures of lesson 04: how samplers converge, where their levels lie, and how good their samples are."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from matplotlib.ticker import FixedLocator
from torch import Tensor

from diffcourse.denoiser import Denoise, Estimate
from diffcourse.images import to_pixels
from diffcourse.plot.images import mosaic, tick_labels
from diffcourse.plot.picture import (
    BESIDE,
    COLOURS,
    METHODS,
    Picture,
    canvas,
    check_named,
    draw_arrow,
    logarithmic,
    look,
    style,
    ticks_at,
    to_curve,
    to_numbers,
)
from diffcourse.samplers import Heun, trajectory
from diffcourse.schedule import Level


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
        for i, (name, (steps, errors)) in enumerate(series.items()):
            ax.plot(steps, errors, label=name, markersize=5, **look(name, i))
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
    """How points wander while they are sampled: {panel title: (times (n,), places (n, B))}; time runs from left to right, noisy first.

    The colour says on which side of the widest gap between the ends a point arrives: in which of two hills, say.
    """
    check_named("named", named, "(times, places)")
    with style():
        picture, axes = canvas(2.7 * len(named), height, columns=len(named), squeeze=False, sharey=True)
        for ax, (title, (times, places)) in zip(axes[0], named.items(), strict=True):
            times, places = to_numbers(f"times of {title}", times), to_numbers(f"places of {title}", places, most=2)
            places = places.reshape(len(times), -1)
            ends = np.sort(places[-1])
            gap = np.diff(ends).argmax() if len(ends) > 1 else 0
            for i in range(places.shape[1]):
                colour = COLOURS[0] if places[-1, i] <= ends[gap] else COLOURS[1]
                ax.plot(times, places[:, i], color=colour, linestyle="-", linewidth=0.9, alpha=0.8)
            if len(times) <= 20:
                ax.plot(times, places, ".", color="0.2", markersize=2.5)
            ax.set(title=title, xlabel=x, xlim=(max(times), min(times)))
        axes[0][0].set_ylabel(y)
    picture.colours = 16
    picture.alt = alt or f"paths of {places.shape[1]} samples from noise (left) to data (right): {', '.join(named)}"
    return picture


def scheduler_curve(
    steps: Sequence[int],
    noise: Sequence[float],
    frames: Sequence[Tensor],
    *,
    believed: Sequence[Tensor] | None = None,
    y: str = "noise level",
    alt: str = "",
) -> Picture:
    """Noise level against sampling step, and below it the images (1, C, H, W) at evenly spaced steps.

    steps, noise and frames have one entry for each level, and so has believed, the clean images predicted there: a second row.
    """
    if not len(steps) == len(noise) == len(frames):
        raise ValueError(f"steps, noise and frames must be equally many, got {len(steps)}, {len(noise)}, {len(frames)}")
    to_curve("steps and noise", (steps, noise))
    if believed is not None and len(believed) != len(frames):
        raise ValueError(f"believed must be as many as frames, {len(frames)}, got {len(believed)}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(7, len(frames))).round().astype(int))
    rows = [frames] if believed is None else [frames, believed]
    images = to_pixels(torch.cat([row[i] for row in rows for i in chosen]))
    with style():
        picture, (top, below) = canvas(5.6, 2.3 + 0.65 * len(rows), rows=2, height_ratios=(2.4, len(rows)))
        top.plot(steps, noise, color=COLOURS[0], linestyle="-")
        top.plot([steps[i] for i in chosen], [noise[i] for i in chosen], "o", color=COLOURS[1], markersize=5)
        top.set(xlabel="sampling step", ylabel=y)
        mosaic(below, images, len(rows), len(chosen), 1)
        W = images.shape[3]
        tick_labels(
            below, below.set_xticks, [i * (W + 1) + W / 2 for i in range(len(chosen))], [f"{steps[i]}" for i in chosen]
        )
    picture.colours = 24
    picture.alt = alt or (
        f"{y} falls from {noise[0]:.3g} at step {steps[0]} to {noise[-1]:.3g} at step {steps[-1]}; below, the image at "
        f"{len(chosen)} of these steps, marked by dots on the curve{', and the clean image predicted there' * (believed is not None)}"
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


MEASURED = {
    "change": "floors farther than\nDDPM with 1000 calls",
    "grey": "grey pixels",
    "precision": "precision",
    "recall": "recall",
}


def quality(
    rows: Sequence[Mapping[str, Any]],
    *,
    reference: Mapping[str, float] | None = None,
    real: Mapping[str, float] | None = None,
    same: Mapping[str, str] | None = None,
    alt: str = "",
) -> Picture:
    """Samplers over calls of the network, from `against_reference` of benchmarks/samplers.json: distance, grey pixels, precision, recall.

    rows: `sampler`, `calls`, and each of the four with its half-width `…_95`. reference: the row of DDPM with 1000 calls, a line.
    real: what real digits score, a dotted line. same: {sampler: sampler} of which only the second is drawn.
    """
    same = same or {}
    names = [name for name in dict.fromkeys(row["sampler"] for row in rows) if name not in same]
    if not names:
        raise ValueError("rows must hold at least one sampler, got none")
    with style():
        picture, axes = canvas(8.4, 2.5, columns=len(MEASURED))
        for ax, (what, title) in zip(axes, MEASURED.items(), strict=True):
            for i, name in enumerate(names):
                of = sorted((row["calls"], row[what], row[f"{what}_95"] or 0) for row in rows if row["sampler"] == name)
                calls, value, half = (np.array(column) for column in zip(*of, strict=True))
                ax.errorbar(
                    calls * (1 + 0.03 * (i - len(names) / 2)),  # side by side: error bars do not overlap
                    value,
                    half,
                    label=" = ".join([name, *(a for a, b in same.items() if b == name)]),
                    markersize=4,
                    capsize=2,
                    **look(name, i),
                )
            line = 0.0 if what == "change" else (reference or {}).get(what)
            if line is not None:
                ax.axhline(line, color="0.4", linestyle="-", linewidth=1, label="DDPM, 1000 calls")
            if real and what in real:
                ax.axhline(real[what], color="0.4", linestyle=":", linewidth=1.2, label="real digits")
            ax.set(xlabel="calls", title=title, xscale="log")
            ticks_at(ax, [5, 10, 20, 50])
        axes[0].set_yscale("symlog", linthresh=0.5)
        axes[0].yaxis.set_major_locator(FixedLocator([-0.5, 0, 0.5, 1, 2, 5, 10, 20]))
        axes[0].yaxis.set_major_formatter("{x:g}")
        axes[0].minorticks_off()
        handles = dict(zip(*axes[-1].get_legend_handles_labels()[::-1], strict=True))
        axes[-1].legend(handles.values(), handles.keys(), **BESIDE)
    told = [
        f"{title.replace(chr(10), ' ')}: "
        + "; ".join(
            f"{name} {', '.join(f'{row[what]:.3g}' for row in rows if row['sampler'] == name)}" for name in names
        )
        for what, title in MEASURED.items()
    ]
    picture.colours = 20
    picture.alt = alt or f"From few calls of the network to many. {'. '.join(told)}"
    return picture


POINTS = 25  # of the exact way, between two levels


# -- one step ---------------------------------------------------------------------------------------------------------


def one_step(denoise: Denoise, x: float, levels: Sequence[Level], *, alt: str = "") -> Picture:
    """ONE step of four samplers beside the exact way, each in the plane in which it is straight, for one number and an exact `denoise`.

    x: the place at levels[0]; the last two levels are the step, those before it what LMS and DPM-Solver++ remember. Euler and Heun in
    (u, y), u = sigma/alpha and y = x/alpha; LMS in (u, slope), where a step is an area; DPM-Solver++ in (lambda, clean image). All
    start from the exact way.
    """
    if len(levels) < 5:
        raise ValueError(f"levels must hold at least 5, three to remember and the two of the step, got {len(levels)}")
    at, to = levels[-2:]
    beyond = _between(at, to, 1.15)
    along = _exact(denoise, x, [*levels, beyond])
    *past, now, end, _ = along[::POINTS]
    curve = along[-int(2.6 * POINTS) :]
    y, slope, u = (lambda e: float(e.x) / e.at.alpha), (lambda e: float(e.eps)), (lambda e: float(e.at.nsr))
    euler = y(now) + (to.nsr - at.nsr) * slope(now)
    looked = denoise(torch.full((1, 1), euler * to.alpha, dtype=torch.float64), to)
    heun = y(now) + (to.nsr - at.nsr) * (slope(now) + slope(looked)) / 2
    with style():
        picture, axes = canvas(8.2, 2.4, columns=4)
        colour = {name: METHODS[name][0] for name in ("DDIM", "Heun", "LMS", "DPM++")}
        for ax in axes[:2]:
            ax.plot(
                [u(e) for e in curve], [y(e) for e in curve], color="0.6", linestyle="-", linewidth=3, label="exact"
            )
            ax.plot(u(now), y(now), "o", color="0.2", markersize=5)
            ax.set(xlabel="u", ylabel="y")
        # Euler: the tangent, which meets the predicted image at u = 0
        draw_arrow(axes[0], (u(now), y(now)), (float(to.nsr), float(euler)), colour["DDIM"], linewidth=2)
        axes[0].plot([to.nsr, 0], [euler, float(now.x0)], "--", color=colour["DDIM"], linewidth=1)
        axes[0].plot(0, float(now.x0), "*", color=colour["DDIM"], markersize=9)
        axes[0].annotate("$\\hat x_0$", (0, float(now.x0)), xytext=(-4, 7), textcoords="offset points", ha="right")
        # Heun: the slope at the far end, and the mean of both
        draw_arrow(axes[1], (u(now), y(now)), (float(to.nsr), float(euler)), "0.45", linewidth=1)
        reach = 0.3 * (at.nsr - to.nsr)
        axes[1].plot(
            [to.nsr + reach, to.nsr - reach],
            [euler + reach * slope(looked), euler - reach * slope(looked)],
            "-", color="0.45", linewidth=1,
        )  # fmt: skip
        draw_arrow(axes[1], (u(now), y(now)), (float(to.nsr), float(heun)), colour["Heun"], linewidth=2)
        # LMS: the area below the polynomial through four slopes
        known = [*past[-3:], now]
        polynomial = np.polynomial.Polynomial.fit([u(e) for e in known], [slope(e) for e in known], 3)
        axes[2].plot(
            [u(e) for e in along[:-POINTS]],
            [slope(e) for e in along[:-POINTS]],
            color="0.6",
            linestyle="-",
            linewidth=3,
        )
        us = np.linspace(u(known[0]), to.nsr, 100)
        axes[2].plot(us, polynomial(us), color=colour["LMS"], linestyle="--", linewidth=1)
        step = np.linspace(at.nsr, to.nsr, 40)
        axes[2].fill_between(step, polynomial(step), color=colour["LMS"], alpha=0.3, linewidth=0)
        axes[2].plot(
            [u(e) for e in known], [slope(e) for e in known], METHODS["LMS"][1], color=colour["LMS"], markersize=5
        )
        axes[2].axhline(0, color="0.8", linewidth=0.8, linestyle="-", zorder=0)
        axes[2].set(xlabel="u", ylabel="slope ε")
        # DPM-Solver++: the line through two guesses, read off half way
        late = along[-int(3.3 * POINTS) : -POINTS]
        axes[3].plot([e.at.lam for e in late], [float(e.x0) for e in late], color="0.6", linestyle="-", linewidth=3)
        gradient = (float(now.x0) - float(past[-1].x0)) / (at.lam - past[-1].at.lam)
        half = (to.lam - at.lam) / 2
        D = float(now.x0) + half * gradient
        axes[3].plot(
            [past[-1].at.lam, at.lam + half], [float(past[-1].x0), D], "--", color=colour["DPM++"], linewidth=1
        )
        axes[3].plot(
            [past[-1].at.lam, at.lam], [float(past[-1].x0), float(now.x0)], "v", color=colour["DPM++"], markersize=5
        )
        axes[3].plot([at.lam, to.lam], [D, D], "-", color=colour["DPM++"], linewidth=2)
        axes[3].plot(at.lam + half, D, "*", color=colour["DPM++"], markersize=9)
        axes[3].set(xlabel="λ", ylabel="clean image $\\hat x_0$")
        for ax, title in zip(axes, ("Euler = DDIM", "Heun", "LMS", "DPM-Solver++"), strict=True):
            ax.set_title(title)
        for ax in axes[:3]:
            ax.invert_xaxis()
    picture.colours = 20
    picture.alt = alt or (
        f"One step from u = {at.nsr:.2f} to {to.nsr:.2f}; the exact way ends at y = {y(end):.3f}. Euler follows the tangent to "
        f"{euler:.3f}; prolonged to u = 0 it meets the predicted clean image {float(now.x0):.3f}. "
        f"Heun takes the mean of two slopes: {heun:.3f}. LMS integrates a polynomial through four slopes. "
        f"DPM-Solver++ reads a line through two predicted images half way: {D:.3f}"
    )
    return picture


def _between(a: Level, b: Level, share: float) -> Level:
    """The level at this share of the way in sigma/alpha; its t is not looked at by an exact denoiser."""
    nsr = max(1e-6, a.nsr + share * (b.nsr - a.nsr))
    return Level(a.t + share * (b.t - a.t), 1 / (1 + nsr**2) ** 0.5, nsr / (1 + nsr**2) ** 0.5)


def _exact(denoise: Denoise, x: float, levels: Sequence[Level]) -> list[Estimate]:
    """The exact way from x at levels[0] through all the others, and `POINTS` steps of Heun between two: an estimate at each."""
    grid = [_between(a, b, i / POINTS) for a, b in pairwise(levels) for i in range(POINTS)]
    *way, end = trajectory(denoise, torch.full((1, 1), x, dtype=torch.float64), [*grid, levels[-1]], Heun())
    return [*way, denoise(end.x, levels[-1])]


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
