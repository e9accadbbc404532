"""Figures of lesson 08: processes in time, how a density moves, and the ways of points."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor

from diffcourse.images import check_points
from diffcourse.mixture import GaussianMixture
from diffcourse.plot.picture import COLOURS, Picture, canvas, check_named, style, to_numbers
from diffcourse.schedule import CLEAN


def processes(
    named: Mapping[str, tuple[Any, Any]], *, x: str = "t", y: str = "x", height: float = 2.3, alt: str = ""
) -> Picture:
    """Walks in time, a panel each: {title: (times (n,), places (n, B))}; time runs from left to right as it rises."""
    check_named("named", named, "(times, places)")
    with style():
        picture, axes = canvas(2.9 * len(named), height, columns=len(named), squeeze=False, sharey=True)
        for ax, (title, (times, places)) in zip(axes[0], named.items(), strict=True):
            times, places = to_numbers(f"times of {title}", times), to_numbers(f"places of {title}", places, most=2)
            _walks(ax, times, places.reshape(len(times), -1), title, x)
        axes[0][0].set_ylabel(y)
    picture.colours = 10
    picture.alt = alt or f"{y} against {x}: {', '.join(named)}"
    return picture


def _walks(ax: Axes, times: np.ndarray, places: np.ndarray, title: str, x: str) -> None:
    """The lines of walks (n, B) on axes of their own."""
    ax.plot(times, places, color=COLOURS[0], linestyle="-", linewidth=0.6, alpha=0.6)
    ax.set(title=title, xlabel=x, xlim=(min(times), max(times)))


def moving_histogram(
    mixture: GaussianMixture,
    path: Any,
    clouds: Mapping[float, Any],
    *,
    walks: tuple[Any, Any] | None = None,
    alt: str = "",
) -> Picture:
    """How a density moves: a histogram of points at each time {t: (N,)}, over it the exact density of the mixture noised to t.

    walks: (times (n,), places (n, B)) of some of the points, in a panel of their own on the left.
    """
    check_named("clouds", clouds, "points")
    clouds = {t: to_numbers(f"clouds[{t!r}]", xs) for t, xs in clouds.items()}
    widest = max(float(np.abs(xs).max()) for xs in clouds.values())
    grid = np.linspace(-widest, widest, 300)
    first = 0 if walks is None else 1
    with style():
        picture, axes = canvas(1.5 * len(clouds) + 2.6 * first, 2.4, columns=len(clouds) + first, squeeze=False)
        if walks is not None:
            times, places = to_numbers("walks[0]", walks[0]), to_numbers("walks[1]", walks[1], most=2)
            _walks(axes[0][0], times, places, "walks", "t")
            axes[0][0].set_ylabel("x")
        for ax, (t, xs) in zip(axes[0][first:], clouds.items(), strict=True):
            at = CLEAN if t == 0 else path.at(t)
            exact = mixture.log_prob(torch.from_numpy(grid)[:, None], at).exp()
            ax.hist(xs, bins=50, range=(-widest, widest), density=True, color="0.8")
            ax.plot(grid, exact, color=COLOURS[1], linestyle="-", linewidth=1.2)
            ax.set(title=f"t = {t:g}", xlabel="x", yticks=[])
    picture.colours = 16
    picture.alt = alt or f"histograms of points and exact densities at t = {', '.join(f'{t:g}' for t in clouds)}"
    return picture


def ways(named: Mapping[str, Tensor], *, limit: float = 3.2, alt: str = "") -> Picture:
    """The ways of points in the plane, a panel each: {title: (n, B, 2)}; a hollow circle where a way begins, a full one where it ends."""
    check_named("named", named, "ways (n, B, 2)")
    with style():
        picture, axes = canvas(3.0 * len(named), 3.1, columns=len(named), squeeze=False)
        for ax, (title, way) in zip(axes[0], named.items(), strict=True):
            if not isinstance(way, Tensor) or way.ndim != 3:
                raise ValueError(f"named[{title!r}] must be ways (n, B, 2), got {tuple(getattr(way, 'shape', ()))}")
            check_points(way[0], f"named[{title!r}][0]", dimensions=2)
            places = way.detach().double().numpy()
            ax.plot(places[:, :, 0], places[:, :, 1], color="0.6", linestyle="-", linewidth=0.7)
            ax.plot(*places[0].T, "o", markersize=3, markerfacecolor="white", color=COLOURS[0])
            ax.plot(*places[-1].T, "o", markersize=3, color=COLOURS[1])
            ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    picture.colours = 16
    picture.alt = alt or f"ways of points from noise (hollow) to data (full): {', '.join(named)}"
    return picture


def flow_page(
    mixture: GaussianMixture, at: Any, panels: Mapping[str, tuple[Tensor, Tensor]], *, limit: float = 3.2, alt: str = ""
) -> Picture:
    """The density of a mixture noised to one level, in each panel with points (N, 2) and arrows: {title: (points, vectors at `places`)}.

    The arrows stand on the grid that `places(limit)` gives.
    """
    check_named("panels", panels, "(points, vectors)")
    axis = torch.linspace(-limit, limit, 80, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = mixture.log_prob(grid, at).exp().reshape(80, 80).T.numpy()
    spots = places(limit).numpy()
    with style():
        picture, axes = canvas(2.9 * len(panels), 3.0, columns=len(panels), squeeze=False)
        for ax, (title, (points, vectors)) in zip(axes[0], panels.items(), strict=True):
            ax.imshow(density, extent=(-limit, limit, -limit, limit), origin="lower", cmap="Greys", alpha=0.6)
            scale = None if bool(vectors.any()) else 1  # arrows of no length have none of their own
            ax.quiver(*spots.T, *vectors.numpy().T, color=COLOURS[1], width=0.005, alpha=0.8, scale=scale)
            ax.scatter(*points.numpy().T, s=3, color=COLOURS[0], linewidths=0)
            ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), xticks=[], yticks=[])
    picture.colours = 48
    picture.alt = alt or f"density, points and arrows of {', '.join(panels)}"
    return picture


def places(limit: float, across: int = 11) -> Tensor:
    """Where `flow_page` draws its arrows, (across², 2)."""
    axis = torch.linspace(-0.95 * limit, 0.95 * limit, across, dtype=torch.float64)
    return torch.cartesian_prod(axis, axis)
