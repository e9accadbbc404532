"""Figures of lesson 03: algorithms, the U-Net as a U, descents, and guesses of a trained network."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffcourse.images import check_points, to_pixels
from diffcourse.plot.images import mosaic, tick_labels
from diffcourse.plot.picture import (
    AIM,
    COLOURS,
    FORWARD,
    REVERSE,
    Picture,
    canvas,
    check_named,
    style,
    to_curve,
    to_numbers,
)


def algorithms(alt: str = "") -> Picture:
    """Training and sampling of DDPM as two boxes side by side, after algorithms 1 and 2 of Ho et al. 2020."""
    boxes = {
        "Algorithm 1  Training": (
            (0, "repeat"),
            (1, r"$x_0\sim q(x_0)$"),
            (1, r"$t\sim\mathrm{Uniform}\{1,\ldots,T\}$"),
            (1, r"$\epsilon\sim N(0,\,I)$"),
            (1, "gradient step on"),
            (
                2,
                r"$\nabla_\theta\,\|\epsilon-\epsilon_\theta(\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon,\ t)\|^2$",
            ),
            (0, "until converged"),
        ),
        "Algorithm 2  Sampling": (
            (0, r"$x_T\sim N(0,\,I)$"),
            (0, r"for $t=T,\ldots,1$ do"),
            (1, r"$z\sim N(0,\,I)$ if $t>1$, else $z=0$"),
            (
                1,
                r"$x_{t-1}=\frac{1}{\sqrt{\alpha_t}}\left(x_t-\frac{1-\alpha_t}{\sqrt{1-\bar\alpha_t}}"
                r"\,\epsilon_\theta(x_t,t)\right)+\sigma_t z$",
            ),
            (0, "end for"),
            (0, r"return $x_0$"),
        ),
    }
    with style():
        picture, axes = canvas(8.4, 2.5, columns=2)
        for ax, colour, (title, lines) in zip(axes, (AIM, REVERSE), boxes.items(), strict=True):
            ax.text(0.02, 6.95, title, fontsize=10, fontweight="bold", va="center")
            for y in (7.5, 6.4, -0.5):
                ax.axhline(y, color=colour, linewidth=1.5, linestyle="-")
            for i, (indent, text) in enumerate(lines):
                ax.text(0.02, 5.9 - i, str(i + 1), fontsize=8, color="0.5", va="center")
                ax.text(0.08 + 0.06 * indent, 5.9 - i, text, fontsize=10, va="center")
            ax.set(xlim=(0, 1), ylim=(-0.6, 7.6))
            ax.set_axis_off()
    picture.alt = alt or (
        "Two boxes. Training: repeat: draw an image x_0, a step t, noise epsilon; take a gradient step on the squared distance between "
        "epsilon and the network's guess; until converged. Sampling: draw x_T from standard noise; for t from T to 1 draw z, which is 0 at "
        "the last step, and make x_{t-1} from x_t and the predicted noise; return x_0."
    )
    return picture


TIMED = ("down1", "mid1", "mid2", "up1a", "up1b")  # the residual blocks of SimpleUNet, which get time and label


def unet_map(shapes: Mapping[str, Sequence[int]], alt: str = "") -> Picture:
    """`SimpleUNet` as a U: what each part gives, {part: (C, H, W)}, as traced by hooks, a row for each size; its channels in the box.

    Under a residual block stands what it also gets.
    """
    sizes = sorted({s[-1] for s in shapes.values() if len(s) == 3}, reverse=True)
    parts = [(name, s) for name, s in shapes.items() if len(s) == 3]
    places = {name: (i, -sizes.index(s[-1])) for i, (name, s) in enumerate(parts)}
    with style():
        picture, ax = canvas(8.6, 0.85 * len(sizes) + 0.5)
        for (name, s), after in zip(parts, [*parts[1:], None], strict=True):
            x, y = places[name]
            down = name == "down" or x < places.get("down", (0, 0))[0]
            box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": FORWARD if down else REVERSE}
            ax.text(x, y, f"{name}\n{s[0]}", ha="center", va="center", fontsize=8.5, bbox=box, zorder=3)
            if name in TIMED:
                ax.text(x, y - 0.33, "↑ time", ha="center", va="top", color="0.4", fontsize=7)
            if after:
                to_x, to_y = places[after[0]]
                near, far = ((0.42, 0.0), (0.56, 1.0)) if y == to_y else ((0.3, 0.3), (0.7, 0.7))
                tail, head = ((x + a * (to_x - x), y + b * (to_y - y)) for a, b in (near, far))
                arrow = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": 0, "shrinkB": 0, "linewidth": 1}
                ax.annotate("", head, tail, arrowprops=arrow)
        for start, end, text in (
            ("down1", "up1a", "skip: joined along the channels"),
            ("x", "conv_out", "and again: the input"),
        ):
            if not {start, end} <= places.keys():
                continue
            (left, y), (right, _) = places[start], places[end]
            arrow = {
                "arrowstyle": "-|>",
                "color": AIM,
                "linestyle": "--",
                "linewidth": 1.5,
                "shrinkA": 18,
                "shrinkB": 18,
            }
            ax.annotate("", (right, y), (left, y), arrowprops=arrow)
            ax.text((left + right) / 2, y + 0.08, text, color=AIM, ha="center", va="bottom")
        for size in sizes:
            ax.text(-0.75, -sizes.index(size), f"{size} × {size}", ha="right", va="center", color="0.4")
        ax.text(-0.75, -len(sizes) + 0.55, "in each box: its channels", ha="left", va="bottom", color="0.4", fontsize=8)
        ax.set(xlim=(-1.5, len(parts) - 0.4), ylim=(-len(sizes) + 0.5, 0.5))
        ax.set_axis_off()
    listed = ", ".join(f"{name} {'×'.join(map(str, s))}" for name, s in parts)
    picture.alt = (
        alt
        or f"The U-Net as a U, rows of {', '.join(map(str, sizes))} pixels, a skip from down1 to up1a. Parts: {listed}"
    )
    return picture


def descents(
    surface: tuple[Any, Any, Any], paths: Mapping[str, Tensor], *, x: str = "", y: str = "", alt: str = ""
) -> Picture:
    """Paths of descent {name: (steps, 2)} on a surface (xs (W,), ys (H,), heights (H, W)), a panel each; the lowest point is marked."""
    xs, ys, heights = (to_numbers(f"surface[{i}]", v, most=1 + i // 2) for i, v in enumerate(surface))
    paths = {
        name: check_points(path, f"paths[{name!r}]", dimensions=2)
        for name, path in check_named("paths", paths, "path").items()
    }
    row, column = np.unravel_index(heights.argmin(), heights.shape)
    levels = np.geomspace(max(float(heights.min()), 1e-6) * 1.02, float(heights.max()), 9)
    with style():
        picture, axes = canvas(2.7 * len(paths), 2.6, columns=len(paths), squeeze=False, sharey=True)
        for ax, colour, (name, path) in zip(axes[0], COLOURS * 2, paths.items(), strict=False):
            ax.contour(xs, ys, heights, levels=levels, colors="0.6", linewidths=0.7, linestyles="-")
            ax.plot(*path.numpy().T, "o-", color=colour, markersize=2, linewidth=1)
            ax.plot([xs[column]], [ys[row]], "x", color="black", markersize=7)
            ax.set(title=name, xlabel=x, xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
        axes[0][0].set_ylabel(y)
    picture.colours = 24
    picture.alt = (
        alt or f"paths of {', '.join(paths)} on the contours of a loss, whose lowest point is marked by a cross"
    )
    return picture


def denoised_level(
    rows: Mapping[str, Tensor],
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    at: float,
    *,
    title: str = "",
    alt: str = "",
) -> Picture:
    """Rows of images {name: (N, C, H, W)}, and beside them errors {of what: (xs, ys)} with the place `at` marked."""
    for name, pair in check_named("curves", curves, "(xs, ys)").items():
        to_curve(f"curves[{name!r}]", pair)
    check_named("rows", rows, "images")
    images = torch.stack([to_pixels(v) for v in rows.values()])  # (rows, N, C, H, W)
    R, N, _, H = images.shape[:4]
    with style():
        picture, axes = canvas(0.72 * N + 3.6, 0.72 * R + 0.35, columns=2, width_ratios=(0.72 * N + 0.8, 2.6))
        mosaic(axes[0], images.flatten(0, 1), R, N, gap=1)
        tick_labels(axes[0], axes[0].set_yticks, [(i + 0.5) * (H + 1) for i in range(R)], list(rows))
        axes[0].set_title(title)
        for name, (xs, ys) in curves.items():
            axes[1].plot(xs, ys, label=name)
            axes[1].plot([at], [ys[list(xs).index(at)]], "o", color="black", markersize=6)
        axes[1].set(xlabel="code index t", title="mean squared error", yscale="log")
        axes[1].legend(loc="lower center")
    picture.alt = alt or f"rows of images: {', '.join(rows)}; the errors at t = {at:g} marked on their curves"
    return picture


def reading(
    digit: Tensor, probabilities: Tensor, rows: Mapping[str, Tensor], titles: Sequence[str], *, alt: str = ""
) -> Picture:
    """A digit (1, 1, H, W), what the judge reads in it (10,), and rows of images {name: (N, 1, H, W)} with a title a column."""
    to_numbers("probabilities", probabilities), check_named("rows", rows, "images")
    images = torch.stack([to_pixels(v) for v in rows.values()])
    R, N, _, H, W = images.shape
    with style():
        picture, axes = canvas(0.72 * N + 4.4, 0.72 * R + 0.7, columns=3, width_ratios=(1.5, 1.7, 0.72 * N + 0.9))
        mosaic(axes[0], to_pixels(digit), 1, 1, 1)
        axes[0].set_title("your digit")
        axes[1].bar(range(10), probabilities.tolist(), color=COLOURS[0])
        axes[1].set(title="the judge reads", ylim=(0, 1), xticks=range(10), yticks=[0, 0.5, 1])
        mosaic(axes[2], images.flatten(0, 1), R, N, gap=1)
        tick_labels(axes[2], axes[2].set_xticks, [(i + 0.5) * (W + 1) for i in range(N)], titles)
        tick_labels(axes[2], axes[2].set_yticks, [(i + 0.5) * (H + 1) for i in range(R)], list(rows))
        axes[2].xaxis.tick_top()
    best = int(probabilities.argmax())
    picture.alt = alt or f"a digit that the judge reads as {best}; {', '.join(rows)} at {', '.join(titles)}"
    return picture
