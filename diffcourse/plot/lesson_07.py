"""Figures of lesson 07: fields of arrows, what pulls on a noisy point, which losses learn a score, and where dropped particles go."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from torch import Tensor

from diffcourse.checks import check_alike, number
from diffcourse.images import check_points
from diffcourse.plot.picture import (
    AIM,
    COLOURS,
    FORWARD,
    REVERSE,
    Picture,
    canvas,
    check_named,
    draw_arrow,
    draw_box,
    style,
)


def fields(
    named: Mapping[str, tuple[Tensor, Tensor]],
    *,
    ground: Tensor | None = None,
    limit: float = 3.0,
    longest: float = 0.6,
    root: bool = False,
    alt: str = "",
) -> Picture:
    """Fields of arrows in the plane, a panel each and one common scale: {title: (places (N, 2), arrows (N, 2))}, over dots (M, 2) in grey.

    longest: of all arrows, in units of the axes. root: the square roots of the lengths are drawn, for arrows of very different lengths.
    """
    number("limit", limit, above=0), number("longest", longest, above=0)
    found = {}
    for title, (places, arrows) in check_named("named", named, "(places, arrows)").items():
        places = check_points(places, f"the places of named[{title!r}]", dimensions=2)
        arrows = check_points(arrows, f"the arrows of named[{title!r}]", dimensions=2)
        check_alike(f"the arrows of named[{title!r}]", arrows, "its places", places)
        found[title] = places.numpy(), _shortened(arrows.numpy(), root)
    most = max(float(np.hypot(*arrows.T).max()) for _, arrows in found.values()) or 1.0
    with style():
        picture, axes = canvas(
            2.9 * len(found) + (len(found) == 1), 3.05 + (len(found) == 1), len(found), squeeze=False
        )
        for ax, (title, (places, arrows)) in zip(axes.flat, found.items(), strict=True):
            _dots(ax, ground)
            _arrows(ax, places, arrows * longest / most)
            ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    picture.colours = 24  # blue and grey only
    picture.alt = alt or f"arrows over a plane: {', '.join(found)}"
    return picture


def pull(x_t: Tensor, centres: Tensor, shares: Tensor, score: Tensor, *, reach: float = 1.0, alt: str = "") -> Picture:
    """What pulls on one noisy point x_t (2,): lines to the clean points `centres` (N, 2), the darker the larger their share (N,), and the
    mean of all pulls, the arrow `score` (2,), drawn `reach` long."""
    clean = check_points(centres, "centres", dimensions=2).numpy()
    if x_t.shape != (2,) or score.shape != (2,):
        raise ValueError(f"x_t and score must be (2,), got {tuple(x_t.shape)} and {tuple(score.shape)}")
    if shares.shape != (len(clean),) or not bool((shares >= 0).all()) or not float(shares.sum()) > 0:
        raise ValueError(f"shares must be {len(clean)} numbers, none negative, got shape {tuple(shares.shape)}")
    start, strength = x_t.numpy(), (shares / shares.max()).numpy()
    end = start + reach * score.numpy() / max(1e-12, float(score.norm()))
    with style():
        picture, ax = canvas(4.6, 3.7)
        for centre, dark in zip(clean, strength, strict=True):
            ax.plot(*np.stack([start, centre]).T, color=COLOURS[0], linestyle="-", linewidth=0.9, alpha=float(dark))
        ax.scatter(*clean.T, s=12, color="0.55", linewidths=0)
        draw_arrow(ax, tuple(start), tuple(end), COLOURS[1], linewidth=2.4, mutation_scale=18)
        ax.scatter(*start[:, None], s=45, color="black", zorder=4)
        ax.set(aspect="equal", title="black: noisy; grey: α · clean; orange: the mean pull")
    picture.alt = alt or f"a noisy point, {len(clean)} clean ones that pull on it, and the mean pull"
    return picture


def losses_map(alt: str = "") -> Picture:
    """Four losses that learn a score, what each asks for, and what leads from one to the next."""
    boxes = [
        ("explicit\nneeds the score", COLOURS[6]),
        ("implicit\nneeds derivatives", FORWARD),
        ("denoising\nneeds noised pairs", REVERSE),
        ("DDPM's simple loss\nneeds the same", AIM),
    ]
    ways = ["by parts\n(Hyvärinen)", "for noised data\n(Vincent)", "times 2σ²"]
    with style():
        picture, ax = canvas(8.6, 1.5)
        for i, (text, colour) in enumerate(boxes):
            draw_box(ax, 2.0 * i, 0, text, colour, size=8)
        for i, text in enumerate(ways):
            draw_arrow(ax, (2.0 * i + 0.72, 0), (2.0 * i + 1.28, 0), shrinkA=4, shrinkB=4)
            ax.text(2.0 * i + 1, 0.32, text, ha="center", va="bottom", fontsize=7.5)
        ax.set(xlim=(-0.85, 6.85), ylim=(-0.5, 1))
        ax.set_axis_off()
    picture.alt = alt or (
        "the explicit loss becomes the implicit one by parts; for noised data it becomes the denoising loss, "
        "which times 2σ² is DDPM's simple loss"
    )
    return picture


def drops(
    places: Tensor,
    arrows: Tensor,
    track: Sequence[Tensor],
    *,
    ground: Tensor | None = None,
    limit: float = 3.0,
    title: str = "",
    alt: str = "",
) -> Picture:
    """Particles in a field: arrows (N, 2) at places (N, 2), their lengths as square roots, and the ways of particles, `track` of (P, 2)."""
    places = check_points(places, "places", dimensions=2)
    arrows = check_points(arrows, "arrows", dimensions=2)
    check_alike("arrows", arrows, "places", places)
    if not isinstance(track, Sequence) or not track:
        raise ValueError("track must be a list of at least one tensor (P, 2)")
    steps = np.stack([check_points(x, f"track[{i}]", dimensions=2).numpy() for i, x in enumerate(track)])
    shortened = _shortened(arrows.numpy(), root=True)
    with style():
        picture, ax = canvas(4.3, 4.2)
        _dots(ax, ground)
        _arrows(ax, places.numpy(), shortened * 0.45 / max(1e-12, float(np.hypot(*shortened.T).max())), "0.55")
        for way in steps.transpose(1, 0, 2)[:3]:
            ax.plot(*way.T, color=COLOURS[4], linestyle="-", linewidth=0.8)
        ax.scatter(*steps[0].T, s=12, marker="x", color="black", linewidths=0.8, zorder=3)
        ax.scatter(*steps[-1].T, s=16, color=COLOURS[1], zorder=4, linewidths=0)
        ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    picture.colours = 24
    picture.alt = alt or f"{steps.shape[1]} particles in a field of arrows, after {len(steps) - 1} steps"
    return picture


def _shortened(arrows: np.ndarray, root: bool) -> np.ndarray:
    lengths = np.hypot(*arrows.T)[:, None]
    return arrows / np.sqrt(np.maximum(lengths, 1e-12)) if root else arrows


def _dots(ax: Axes, ground: Tensor | None) -> None:
    if ground is not None:
        x, y = check_points(ground, "ground", dimensions=2).numpy().T
        ax.scatter(x, y, s=3, color="0.8", linewidths=0)


def _arrows(ax: Axes, places: np.ndarray, arrows: np.ndarray, colour: Any = COLOURS[0]) -> None:
    ax.quiver(*places.T, *arrows.T, angles="xy", scale_units="xy", scale=1, color=colour, width=0.006)
