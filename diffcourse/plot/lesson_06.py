"""Figures of lesson 06: where guidance aims, and what it does at each scale."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor

from diffcourse.images import check_points, to_pixels
from diffcourse.plot.images import mosaic
from diffcourse.plot.picture import BESIDE, COLOURS, Picture, canvas, check_named, log_axis, look, style, to_curve


def guidance_row(
    images: Tensor,
    panels: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    w: float,
    title: str,
    alt: str,
    log: Collection[str] = (),
) -> Picture:
    """One row of images (N, C, H, W) in [-1, 1], and below it curves {what: (scales, values)} with the chosen scale marked.

    log: the curves with a logarithmic axis.
    """
    images = to_pixels(images)
    for what, curve in check_named("panels", panels, "(scales, values)").items():
        to_curve(f"panels[{what!r}]", curve)
    with style():
        picture = Picture(figsize=(2.0 * len(panels) + 0.4, 3.1), dpi=100, layout="constrained")
        FigureCanvasAgg(picture)
        grid_of = picture.add_gridspec(2, len(panels), height_ratios=(1, 2.2))
        mosaic(picture.add_subplot(grid_of[0, :]), images, 1, len(images), 1)
        for i, (what, (scales, values)) in enumerate(panels.items()):
            ax = picture.add_subplot(grid_of[1, i])
            ax.plot(scales, values, marker="o", markersize=3)
            ax.axvline(w, color="0.5", linestyle="-", linewidth=1)
            if w in scales:
                ax.plot([w], [values[list(scales).index(w)]], marker="o", markersize=8, color=COLOURS[1])
            ax.set(title=what, xlabel="guidance w")
            if what in log:
                log_axis(ax)
        picture.suptitle(title, fontsize=9)
    picture.alt = alt
    return picture


def pulls(
    named: Mapping[str, tuple[Tensor, Mapping[str, Tensor]]], *, ground: Tensor, limit: float = 3.0, alt: str = ""
) -> Picture:
    """Where predictions aim: a panel each, {title: (starts (N, 2), {name: ends (N, 2)})}, over data (M, 2) in grey.

    An arrow leads from each start to its end under each name; the names are the same in all panels, and the colours too.
    """
    named = check_named("named", named, "(starts, {name: ends})")
    behind = check_points(ground, "ground", dimensions=2).numpy()
    with style():
        picture, axes = canvas(2.9 * len(named) + 1.3, 2.9, columns=len(named), squeeze=False)
        for ax, (title, (starts, ends)) in zip(axes.flat, named.items(), strict=True):
            starts = check_points(starts, f"the starts of named[{title!r}]", dimensions=2)
            ax.scatter(*behind.T, s=3, color="0.8", linewidths=0)
            for i, (name, end) in enumerate(ends.items()):
                end = check_points(end, f"named[{title!r}][{name!r}]", dimensions=2)
                if end.shape != starts.shape:
                    raise ValueError(
                        f"named[{title!r}][{name!r}] must be {tuple(starts.shape)}, got {tuple(end.shape)}"
                    )
                colour, way = COLOURS[i % 7], (end - starts).numpy().T
                ax.quiver(
                    *starts.numpy().T,
                    *way,
                    angles="xy",
                    scale_units="xy",
                    scale=1,
                    color=colour,
                    width=0.009,
                    label=name,
                )
            ax.scatter(*starts.numpy().T, s=14, color="black", zorder=3)
            ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        ax.legend(**BESIDE)
    picture.alt = alt or f"arrows over a plane: {', '.join(ends)}, at {', '.join(named)}"
    return picture


def trade_off(methods: Mapping[str, Sequence[Mapping[str, Any]]], *, alt: str = "") -> Picture:
    """Obedience against distance, a curve a method: {name: lines of `summary` of benchmarks/guidance.json, in the order of their scales}.

    Across: wrong digits in a thousand, few at the right. Up: by how many floors the digits are farther from real ones than without
    guidance, with 95 % intervals, paired over seeds. The scales are written beside the first method's points.
    """
    methods = check_named("methods", methods, "lines of the benchmark")
    with style():
        picture, ax = canvas(6.6, 3.4)
        for i, (name, rows) in enumerate(methods.items()):
            wrong, change = [1000 * (1 - r["right"]) for r in rows], [r["change"] for r in rows]
            bars = [r.get("change_95") or 0.0 for r in rows]
            ax.errorbar(wrong, change, bars, label=name, capsize=2, elinewidth=0.8, markersize=4, **look(name, i))
            for x, y, r in zip(wrong, change, rows, strict=True):
                if i == 0:
                    ax.annotate(
                        f"{r['guidance']:g}", (x, y), (-5, 5), textcoords="offset points", ha="right", fontsize=7
                    )
        ax.axhline(0, color="0.5", linestyle="-", linewidth=0.8)
        ax.set_xscale("function", functions=(lambda v: np.sign(v) * abs(v) ** 0.5, lambda v: np.sign(v) * v**2))
        most = max(1000 * (1 - r["right"]) for rows in methods.values() for r in rows)
        ticks = [v for v in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if v <= 1.1 * most]
        ax.set_xticks(ticks, [f"{v:g}" for v in ticks])
        ax.set(
            xlim=(1.1 * most, -most / 400),
            xlabel="wrong digits in a thousand",
            ylabel="floors farther than no guidance",
        )
        ax.legend(**BESIDE)
    told = {name: [f"{r['guidance']:g}: {r['change']:+.2f}" for r in rows] for name, rows in methods.items()}
    spoken = "; ".join(f"{name} {', '.join(points)}" for name, points in told.items())
    picture.alt = alt or f"floors farther than no guidance, by method and scale: {spoken}"
    return picture
