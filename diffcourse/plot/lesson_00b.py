"""Figures of lesson 00b: averages, Bayes' rule, Jensen's inequality, fields of arrows."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffcourse.images import check_points
from diffcourse.plot.picture import COLOURS, Picture, canvas, style, to_curve, to_numbers


def monte_carlo(draws: Tensor, truth: float, *, alt: str = "") -> Picture:
    """What averages of n draws do as n grows; draws (runs, n), each row an experiment of its own; `truth` is the mean they aim at.

    Left: the running averages of 12 runs, and truth ± 2 std/sqrt(n). Right: the root mean square error over all runs, and std/sqrt(n).
    """
    draws = check_points(draws, "draws", least=2)
    runs, most = draws.shape
    sizes = np.unique(np.geomspace(2, most, 60).astype(int))
    averages = (draws.cumsum(dim=1)[:, sizes - 1] / torch.as_tensor(sizes)).numpy()
    width = float(draws.std()) / sizes**0.5
    with style():
        picture, (left, right) = canvas(8.0, 2.9, columns=2, sharex=True)
        left.plot(sizes, averages[:12].T, color=COLOURS[0], linestyle="-", linewidth=0.8, alpha=0.7)
        left.plot(sizes, truth + 2 * width, color=COLOURS[1], linestyle="--", label="truth ± 2 std/√n")
        left.plot(sizes, truth - 2 * width, color=COLOURS[1], linestyle="--")
        left.set(
            xscale="log",
            xlabel="number of draws n",
            ylabel="average",
            title=f"average of n draws, {min(12, runs)} runs",
        )
        left.legend()
        right.plot(sizes, ((averages - truth) ** 2).mean(axis=0) ** 0.5, label=f"error over {runs} runs")
        right.plot(sizes, width, label="std/√n")
        right.set(yscale="log", xlabel="number of draws n", title="size of the error")
        right.legend()
    picture.alt = alt or (
        f"left: {min(12, runs)} running averages close in on {truth:.3g} inside a funnel of width 2 std/√n; "
        f"right: on logarithmic axes the error over {runs} runs follows the straight line std/√n"
    )
    return picture


def bayes(
    grid: Any,
    prior: Any,
    likelihood: Any,
    posterior: Any,
    *,
    mean: float | None = None,
    title: str = "",
    height: float = 4.2,
    alt: str = "",
) -> Picture:
    """Bayes' rule in three panels over one axis x_0: prior, likelihood of what was seen, posterior (and its mean)."""
    panels = {"prior p(x₀)": prior, "likelihood p(xₜ | x₀)": likelihood, "posterior p(x₀ | xₜ)": posterior}
    grid = to_numbers("grid", grid)
    panels = {name: to_curve(name, (grid, values))[1] for name, values in panels.items()}
    with style():
        picture, axes = canvas(5.5, height, rows=3, sharex=True)
        for ax, colour, (name, values) in zip(axes, COLOURS, panels.items(), strict=False):
            ax.fill_between(grid, values, color=colour, alpha=0.3)
            ax.plot(grid, values, color=colour, linestyle="-")
            ax.set(ylim=(0, 1.15 * float(values.max())), yticks=[])
            ax.set_title(name, loc="left")
        if mean is not None:
            axes[2].axvline(mean, color="black", linestyle="--", linewidth=1, label="its mean")
            axes[2].legend(loc="upper right")
        axes[2].set(xlabel="x₀")
        if title:
            picture.suptitle(title, fontsize=10)
    picture.alt = alt or f"{title or 'Bayes'}: prior, likelihood and posterior over x₀, one above the other"
    return picture


def jensen(low: float, high: float, *, alt: str = "") -> Picture:
    """The logarithm and its chord for a Y that is `low` or `high`, each with probability 1/2: log E[Y] lies above E[log Y]."""
    middle, mean_log = (low + high) / 2, (math.log(low) + math.log(high)) / 2
    with style():
        picture, ax = canvas(5.5, 3.0)
        ys = np.linspace(0.6 * low, 1.15 * high, 300)
        ax.plot(ys, np.log(ys), label="log y")
        ax.plot([low, high], np.log([low, high]), "o--", color=COLOURS[1], label="the two values of Y, and their chord")
        ax.annotate("", (middle, math.log(middle)), (middle, mean_log), arrowprops={"arrowstyle": "<->"})
        ax.plot([middle], [math.log(middle)], "^", color="black", label=f"log E[Y] = {math.log(middle):.2f}")
        ax.plot([middle], [mean_log], "v", color="black", label=f"E[log Y] = {mean_log:.2f}")
        ax.set(xlabel="y", ylabel="log y")
        ax.legend(loc="lower right")
    picture.alt = alt or (
        f"the concave logarithm lies above its chord from y = {low:g} to {high:g}: "
        f"at the middle {math.log(middle):.2f} against {mean_log:.2f}"
    )
    return picture


def arrows(points: Tensor, vectors: Tensor, *, cloud: Tensor | None = None, title: str = "", alt: str = "") -> Picture:
    """A field of arrows `vectors` (N, 2) at `points` (N, 2), over dots of data (M, 2); their lengths are scaled together to fit."""
    points, vectors = check_points(points, "points", dimensions=2), check_points(vectors, "vectors", dimensions=2)
    if points.shape != vectors.shape:
        raise ValueError(f"points and vectors must be equally many, got {len(points)} and {len(vectors)}")
    with style():
        picture, ax = canvas(4.2, 4.3)
        if cloud is not None:
            ax.scatter(
                *check_points(cloud, "cloud", dimensions=2).numpy().T, s=14, color=COLOURS[4], alpha=0.6, linewidths=0
            )
        ax.quiver(*points.numpy().T, *vectors.numpy().T, color=COLOURS[0], width=0.005)
        ax.set(aspect="equal", title=title, xlabel="x₁", ylabel="x₂")
    picture.alt = alt or f"{len(points)} arrows over a plane. {title}"
    return picture
