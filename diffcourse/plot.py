"""Every figure of the course, as functions that return a `Picture`.

Colours are Okabe and Ito's, told apart by colour-blind readers, and line styles differ as well. Each picture carries alt text, which is
also what a text-only reader sees.
"""

import base64
import io
import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator
from torch import Tensor

from diffcourse.data import to_uint8
from diffcourse.files import atomic_write
from diffcourse.schedule import DiffusionSchedule

if TYPE_CHECKING:
    from PIL.Image import Image

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito 2008
BESIDE = {"loc": "upper left", "bbox_to_anchor": (1, 1)}  # of a legend: right of the axes
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), "-")
STYLE = {
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS) + matplotlib.cycler(linestyle=LINES),
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "image.cmap": "viridis",
    "figure.facecolor": "white",
    "font.size": 9,
}


class Picture(Figure):
    """A figure that notebooks show by itself, without pyplot, with its `alt` text for screen readers and text-only pages."""

    alt: str = "a figure"
    colours: int = 48  # in the PNG: enough for curves, letters and greys; colour images take 256

    def png(self) -> bytes:
        """The picture as a PNG file, of few colours: noise does not compress, and lessons have to stay small."""
        from PIL import Image, PngImagePlugin

        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        image = Image.open(buffer).convert("RGB")
        grey = image.convert("L").convert("RGB").tobytes() == image.tobytes()  # median cut spends its palette on hues
        image = image.quantize(
            min(24, self.colours) if grey else self.colours,
            Image.Quantize.MEDIANCUT if grey else Image.Quantize.FASTOCTREE,
            dither=Image.Dither.NONE,
        )
        info = PngImagePlugin.PngInfo()
        info.add_itxt("Description", self.alt)
        buffer = io.BytesIO()
        image.save(buffer, format="png", optimize=True, pnginfo=info, dpi=(self.dpi, self.dpi))
        return buffer.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {"image/png": base64.b64encode(self.png()).decode(), "text/plain": f"[picture: {self.alt}]"}
        return data, {"image/png": {"alt": self.alt}}


@contextmanager
def style():
    """The look of the course's figures, for figures of your own: `with plot.style(): ...`."""
    with matplotlib.rc_context(STYLE):
        yield


def canvas(
    width: float = 6.0, height: float = 3.0, columns: int = 1, rows: int = 1, *, alt: str = "a figure", **kwargs: Any
) -> tuple[Picture, Any]:
    """An empty picture of width x height inches and its axes (one, or an array): call it inside `with style():`."""
    picture = Picture(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(picture)
    picture.alt = alt
    return picture, picture.subplots(rows, columns, **kwargs)


# -- images -----------------------------------------------------------------------------------------------------------


def grid(
    images: Tensor,
    columns: int | None = None,
    *,
    titles: Sequence[str] | None = None,
    scale: float = 0.55,
    alt: str = "",
) -> Picture:
    """Images (N, C, H, W) in [-1, 1], clamped, in rows of `columns` (default: about square, at most 10); titles: one an image."""
    images = _images(images)
    columns = columns or min(10, math.ceil(len(images) ** 0.5))
    rows = math.ceil(len(images) / columns)
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"titles must hold {len(images)} texts, one an image, got {len(titles)}")
    with style():
        picture, ax = canvas(columns * scale + 0.1, rows * (scale + (0.2 if titles else 0)) + 0.1)
        gap = round(images.shape[2] * 0.32) if titles else 1
        _mosaic(ax, images, rows, columns, gap)
        for i, title in enumerate(titles or []):
            row, column = divmod(i, columns)
            x, y = (column + 0.5) * (images.shape[3] + 1), row * (images.shape[2] + gap) - 1
            ax.text(x, y, title, ha="center", va="bottom", fontsize=8)
    picture.alt = alt or f"{len(images)} images in {rows} rows" + (f": {', '.join(titles)}" if titles else "")
    return picture


def strip(
    frames: Sequence[Tensor],
    titles: Sequence[str] | None = None,
    *,
    names: Sequence[str] | None = None,
    most: int = 10,
    scale: float = 0.62,
    colours: int | None = None,
    alt: str = "",
) -> Picture:
    """How images change: one row an image, one column a frame. frames: tensors (B, C, H, W) in [-1, 1].

    Of more than `most` frames, evenly spaced ones are shown, first and last among them. titles: one a frame; names: one a row.
    colours: of the PNG, fewer than 256 where images in colour would make a large file.
    """
    if not len(frames):
        raise ValueError("frames must hold at least one tensor (B, C, H, W)")
    if titles is not None and len(titles) != len(frames):
        raise ValueError(f"titles must hold {len(frames)} texts, one a frame, got {len(titles)}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    images = torch.stack([_images(frames[i]) for i in chosen], dim=1)  # (B, frames, C, H, W)
    B, F, _, H, W = images.shape
    with style():
        room = max(0.6, 0.085 * max(map(len, names))) if names else 0  # for the names, at the left
        picture, ax = canvas(F * scale + 0.1 + room, B * scale + (0.3 if titles else 0.1))
        _mosaic(ax, images.flatten(0, 1), B, F, gap=1)
        _tick(ax, ax.set_xticks, [(i + 0.5) * (W + 1) for i in range(F)], titles and [titles[i] for i in chosen])
        _tick(ax, ax.set_yticks, [(i + 0.5) * (H + 1) for i in range(B)], names)
        ax.xaxis.tick_top()
    picture.alt = alt or f"{B} images in {F} stages" + (f": {', '.join(titles[i] for i in chosen)}" if titles else "")
    if colours is not None:
        picture.colours = colours
    return picture


def scenes(
    images: Any, captions: Sequence[str] | None = None, columns: int = 6, *, zoom: float = 2.0, alt: str = ""
) -> Picture:
    """Images (N, C, H, W) in [-1, 1], each with its caption below, in rows of `columns`; `Scenes` bring their own captions.

    zoom: screen pixels for a pixel of an image, at the picture's 100 dots an inch.
    """
    if captions is None:
        captions = getattr(images, "captions", None)
    images = _images(getattr(images, "images", images))
    if captions is not None and len(captions) != len(images):
        raise ValueError(f"captions must hold {len(images)} texts, one an image, got {len(captions)}")
    N, _, H, W = images.shape
    columns = min(columns, N)
    told = [textwrap.wrap(text, max(8, int(zoom * W / 6.3))) for text in captions or [""] * N]
    line, gap = 12 / zoom, 10 / zoom  # of text, and between images, in pixels of an image
    rows = [told[i : i + columns] for i in range(0, N, columns)]
    heights = [H + 1.5 * gap + line * max(map(len, row)) for row in rows]
    width, height = columns * (W + gap) + gap, sum(heights) + gap
    with style():
        picture, ax = canvas(width * zoom / 100, height * zoom / 100)
        picture.set_layout_engine("none")  # the axes fill the page, so that pixels stay whole
        ax.set_position((0, 0, 1, 1))
        for i, image in enumerate(images):
            row, column = divmod(i, columns)
            x, y = gap + column * (W + gap), gap + sum(heights[:row])
            page = image.permute(1, 2, 0).expand(-1, -1, 3).numpy()
            ax.imshow(page, extent=(x, x + W, y + H, y), interpolation="nearest")
            ax.add_patch(Rectangle((x, y), W, H, fill=False, edgecolor="0.6", linewidth=0.6))  # white on a white page
            ax.text(
                x + W / 2, y + H + 0.4 * gap, "\n".join(told[i]), ha="center", va="top", fontsize=8, linespacing=1.1
            )
        ax.set(xlim=(0, width), ylim=(height, 0))
        ax.set_axis_off()
    picture.colours = 256
    picture.alt = alt or f"{N} images" + (f": {'; '.join(captions)}" if captions is not None else "")
    return picture


def save(images: Tensor, path: str | Path, columns: int | None = None, zoom: int = 3) -> Path:
    """Write images (N, C, H, W) in [-1, 1] as one picture file, pixel for pixel times `zoom`; as a whole or not at all."""
    from PIL import Image

    path = Path(path)
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    if path.suffix.lower() not in kinds:
        raise ValueError(f"path must end in {', '.join(kinds)}, got {path.name!r}")
    images = _images(images)
    columns = columns or min(10, math.ceil(len(images) ** 0.5))
    mosaic = _tile(images, math.ceil(len(images) / columns), columns, gap=1, ground=0)
    picture = Image.fromarray(mosaic if mosaic.shape[2] == 3 else mosaic[:, :, 0])
    picture = picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
    with atomic_write(path) as file:
        picture.save(file, format=kinds[path.suffix.lower()])
    return path


def _images(images: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not len(images):
        raise ValueError(f"images must be (N, 1 or 3, H, W) with N at least 1, got {tuple(images.shape)}")
    return to_uint8(images.detach().float().cpu())


def _tile(images: Tensor, rows: int, columns: int, gap: int, ground: int = 255) -> np.ndarray:
    _, C, H, W = images.shape
    page = torch.full((C, rows * (H + gap) - gap, columns * (W + 1) - 1), ground, dtype=torch.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (H + gap), i % columns * (W + 1)
        page[:, top : top + H, left : left + W] = image
    return page.permute(1, 2, 0).numpy()


def _mosaic(ax: Axes, images: Tensor, rows: int, columns: int, gap: int) -> None:
    page = _tile(images, rows, columns, gap)
    if page.shape[2] == 3:
        ax.figure.colours = 256
    ax.imshow(page if page.shape[2] == 3 else page[:, :, 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _tick(ax: Axes, set_ticks, places: list[float], labels: Sequence[str] | None) -> None:
    set_ticks(places if labels else [], labels or [])
    ax.tick_params(length=0)


# -- curves -----------------------------------------------------------------------------------------------------------


def curves(
    series: Mapping[str, tuple[Any, Any]], *, x: str = "", y: str = "", title: str = "", log: str = "", alt: str = ""
) -> Picture:
    """Named curves {name: (xs, ys)} on one pair of axes; log: "x", "y" or "xy"."""
    with style():
        picture, ax = canvas(5.5, 3.0)
        for name, (xs, ys) in series.items():
            ax.plot(np.asarray(xs), np.asarray(ys), label=name)
        ax.set(xlabel=x, ylabel=y, title=title)
        _logarithmic(ax, log)
        if len(series) > 1:
            ax.legend(**BESIDE if len(series) > 3 else {})  # many lines leave no room among them
    picture.alt = alt or f"{y or title} against {x}: {', '.join(series)}"
    return picture


def schedules(named: Mapping[str, DiffusionSchedule], *, alt: str = "") -> Picture:
    """beta, alpha_bar and SNR of noise schedules {name: schedule} against the share t/(T-1) of the way."""
    with style():
        picture, axes = canvas(9.0, 2.8, columns=3)
        for name, schedule in named.items():
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
    with style():
        picture, ax = canvas(5.5, 3.0)
        for (name, values), colour in zip(named.items(), COLOURS * 3, strict=False):
            values = np.asarray(values, dtype=float)
            steps, values = (
                (values[:, 0], values[:, 1]) if values.ndim == 2 else (np.arange(1, len(values) + 1), values)
            )
            if 1 < smooth <= len(values):
                ax.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8, linestyle="-")
                steps, values = steps[smooth - 1 :], np.convolve(values, np.ones(smooth) / smooth, mode="valid")
            ax.plot(steps, values, label=name, color=colour)
        ax.set(xlabel="step", ylabel="loss")
        _logarithmic(ax, "y" if log else "")
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
    alt: str = "",
) -> Picture:
    """Two-dimensional point clouds {title: (N, 2)}, each in its own square panel with one common scale."""
    columns = columns or len(named)
    rows = math.ceil(len(named) / columns)
    limit = limit or 1.05 * max(float(p.abs().max()) for p in named.values())
    with style():
        picture, axes = canvas(2.4 * columns, 2.5 * rows, columns, rows, squeeze=False)
        for ax, (title, cloud) in zip(axes.flat, named.items(), strict=False):
            ax.scatter(*cloud.detach().cpu().numpy().T, s=size, color=COLOURS[0], alpha=0.5, linewidths=0)
            ax.set(title=title, xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        for ax in axes.flat[len(named) :]:
            ax.set_axis_off()
    picture.alt = alt or f"point clouds: {', '.join(named)}"
    return picture


def _logarithmic(ax: Axes, which: str) -> None:
    if "x" in which:
        ax.set_xscale("log")
    if "y" in which:
        ax.set_yscale("log")


# -- lesson 00b -------------------------------------------------------------------------------------------------------


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
    with style():
        picture, ax = canvas(6.8, 2.7)
        if samples is not None:
            ax.hist(np.asarray(samples).ravel(), bins=100, density=True, color="0.8", label="draws")
        for i, (name, (xs, ys)) in enumerate(curves.items()):
            xs, ys = np.asarray(xs).ravel(), np.asarray(ys).ravel()
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


def monte_carlo(draws: Tensor, truth: float, *, alt: str = "") -> Picture:
    """What averages of n draws do as n grows; draws (runs, n), each row an experiment of its own; `truth` is the mean they aim at.

    Left: the running averages of 12 runs, and truth ± 2 std/sqrt(n). Right: the root mean square error over all runs, and std/sqrt(n).
    """
    runs, most = draws.shape
    sizes = np.unique(np.geomspace(2, most, 60).astype(int))
    averages = (draws.cumsum(dim=1)[:, sizes - 1] / torch.as_tensor(sizes)).numpy()
    width = float(draws.std()) / sizes**0.5
    with style():
        picture, (left, right) = canvas(8.0, 2.9, columns=2, sharex=True)
        left.plot(sizes, averages[:12].T, color=COLOURS[0], linestyle="-", linewidth=0.8, alpha=0.7)
        left.plot(sizes, truth + 2 * width, color=COLOURS[1], linestyle="--", label="truth ± 2 std/√n")
        left.plot(sizes, truth - 2 * width, color=COLOURS[1], linestyle="--")
        left.set(xscale="log", xlabel="number of draws n", title=f"average of n draws, {min(12, runs)} runs")
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
    grid: Any, prior: Any, likelihood: Any, posterior: Any, *, mean: float | None = None, title: str = "", alt: str = ""
) -> Picture:
    """Bayes' rule in three panels over one axis x_0: prior, likelihood of what was seen, posterior (and its mean)."""
    panels = {"prior p(x₀)": prior, "likelihood p(xₜ | x₀)": likelihood, "posterior p(x₀ | xₜ)": posterior}
    with style():
        picture, axes = canvas(5.5, 4.2, rows=3, sharex=True)
        for ax, colour, (name, values) in zip(axes, COLOURS, panels.items(), strict=False):
            values = np.asarray(values).ravel()
            ax.fill_between(np.asarray(grid).ravel(), values, color=colour, alpha=0.3)
            ax.plot(np.asarray(grid).ravel(), values, color=colour, linestyle="-")
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
    with style():
        picture, ax = canvas(4.2, 4.3)
        if cloud is not None:
            ax.scatter(*cloud.detach().numpy().T, s=14, color=COLOURS[4], alpha=0.6, linewidths=0)
        ax.quiver(*points.detach().numpy().T, *vectors.detach().numpy().T, color=COLOURS[0], width=0.005)
        ax.set(aspect="equal", title=title, xlabel="x₁", ylabel="x₂")
    picture.alt = alt or f"{len(points)} arrows over a plane. {title}"
    return picture


# -- lesson 01 --------------------------------------------------------------------------------------------------------

CLASSES = (*COLOURS, "#882255", "#999933", "#7F7F7F")  # for the ten digits; every mark is also the digit itself


def plane(images: Tensor, ticks: Sequence[float], *, scale: float = 0.3, alt: str = "") -> Picture:
    """A decoded latent plane: images (n², C, H, W) in [-1, 1], row by row from the top, for n values of each coordinate.

    ticks (n,): the values, rising; the top row is decoded at the largest z₂.
    """
    n = len(ticks)
    if len(images) != n * n:
        raise ValueError(f"images must hold {n * n} images, {n} rows of {n}, got {len(images)}")
    images = _images(images)
    H, W = images.shape[2] + 1, images.shape[3] + 1
    shown = sorted({0, n // 4, n // 2, (3 * n) // 4, n - 1})
    with style():
        picture, ax = canvas(n * scale + 0.6, n * scale + 0.5)
        _mosaic(ax, images, n, n, gap=1)
        ax.set_xticks([(i + 0.5) * W for i in shown], [f"{ticks[i] + 0.0:.1f}" for i in shown])
        ax.set_yticks([(n - i - 0.5) * H for i in shown], [f"{ticks[i] + 0.0:.1f}" for i in shown])
        ax.set(xlabel="z₁", ylabel="z₂")
        ax.tick_params(length=2)
    picture.colours = 16
    picture.alt = alt or (
        f"{n} times {n} decoded images over the latent plane, z₁ and z₂ from {ticks[0]:.1f} to {ticks[-1]:.1f}: "
        "neighbours look alike"
    )
    return picture


def latent_map(codes: Tensor, labels: Tensor, *, limit: float = 3.5, alt: str = "") -> Picture:
    """Codes (N, 2) in a plane, each drawn as its own digit, labels (N,) from 0 to 9, in the colour of its class."""
    with style():
        picture, ax = canvas(4.6, 4.6)
        _glyphs(ax, codes, labels, limit)
    picture.alt = alt or f"{len(codes)} codes in the latent plane, each drawn as its digit; equal digits lie together"
    return picture


def _glyphs(ax: Axes, codes: Tensor, labels: Tensor, limit: float) -> None:
    for k in range(10):
        cloud = codes[labels == k].detach().cpu().numpy()
        if len(cloud):
            ax.scatter(*cloud.T, marker=f"${k}$", s=22, color=CLASSES[k], linewidths=0, alpha=0.85)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="z₁", ylabel="z₂", aspect="equal")


def map_page(codes: Tensor, labels: Tensor, limit: float) -> np.ndarray:
    """The inside of `latent_map` as pixels (H, W, 3), from -limit to limit: drawn once, so that an Explorer can move over it."""
    with style():
        picture = Picture(figsize=(3.2, 3.2), dpi=100)
        agg = FigureCanvasAgg(picture)
        ax = picture.add_axes((0, 0, 1, 1))
        _glyphs(ax, codes, labels, limit)
        ax.set_axis_off()
        agg.draw()
        return np.asarray(agg.buffer_rgba())[:, :, :3].copy()


def latent_point(page: np.ndarray, limit: float, z: Sequence[float], image: Tensor, alt: str = "") -> Picture:
    """A map (from `map_page`) with the point z marked, and beside it the image (C, H, W) that is decoded there."""
    with style():
        picture, (left, right) = canvas(6.4, 3.5, columns=2, width_ratios=(1.5, 1))
        left.imshow(page, extent=(-limit, limit, -limit, limit), interpolation="nearest")
        left.plot(
            [z[0]], [z[1]], "o", markersize=13, markerfacecolor="none", markeredgecolor="white", markeredgewidth=4
        )
        left.plot(
            [z[0]], [z[1]], "o", markersize=13, markerfacecolor="none", markeredgecolor="black", markeredgewidth=2
        )
        left.set(xlabel="z₁", ylabel="z₂", title="where you are among real digits")
        _mosaic(right, _images(image[None]), 1, 1, 1)
        right.set_title("what the decoder draws there")
    picture.colours = 64
    picture.alt = alt or f"the latent plane with the point ({z[0]:.1f}, {z[1]:.1f}) marked, and the image decoded there"
    return picture


def autoencoders(x: Tensor, recon: Tensor, mean: Tensor, std: Tensor, z: Tensor, *, alt: str = "") -> Picture:
    """A plain autoencoder above, a variational one below: image, encoder, code, decoder, image.

    x and recon (1, C, H, W) in [-1, 1]; mean, std and z (D,) of q(z | x), drawn as bars.
    """
    mean, std, z = (v.detach().cpu().double().flatten().numpy() for v in (mean, std, z))
    pictures = _images(torch.cat([x, recon]))
    with style():
        picture, axes = canvas(8.0, 4.1, rows=2)
        for ax, variational in zip(axes, (False, True), strict=True):
            for image, left in zip(pictures, (0.0, 9.0), strict=True):
                page = image.permute(1, 2, 0).numpy()
                page = page if page.shape[2] == 3 else page[:, :, 0]
                ax.imshow(page, cmap="gray", vmin=0, vmax=255, extent=(left, left + 1.4, -0.7, 0.7), zorder=2)
            for left, wide, narrow, name in ((1.9, 0.8, 0.4, "encoder"), (7.0, 0.4, 0.8, "decoder")):
                corners = [(left, -wide), (left, wide), (left + 1.5, narrow), (left + 1.5, -narrow)]
                ax.fill(*zip(*corners, strict=True), color=COLOURS[5], alpha=0.35, linewidth=0, linestyle="-")
                ax.text(left + 0.75, 0, name, ha="center", va="center")
            for start, end in ((1.45, 1.85), (8.55, 8.95)):
                ax.annotate("", (end, 0), (start, 0), arrowprops={"arrowstyle": "-|>"})
            if variational:
                _bars(ax, 3.7, 1.1, mean, COLOURS[0], std)
                _bars(ax, 5.75, 1.0, z, COLOURS[1])
                ax.annotate("", (5.65, 0), (4.9, 0), arrowprops={"arrowstyle": "-|>"})
                ax.text(5.28, 0.12, "draw", ha="center", va="bottom", fontsize=8)
                ax.text(4.25, -0.95, "a distribution q(z | x):\nmeans ± stds", ha="center", va="top", fontsize=8)
                ax.text(6.25, -0.95, "one code z\ndrawn from it", ha="center", va="top", fontsize=8)
                ax.text(0.7, -0.95, "image x", ha="center", va="top", fontsize=8)
                ax.text(9.7, -0.95, "p(x | z)", ha="center", va="top", fontsize=8)
            else:
                _bars(ax, 4.7, 1.1, mean, COLOURS[1])
                for start, end in ((3.5, 4.6), (5.9, 6.9)):
                    ax.annotate("", (end, 0), (start, 0), arrowprops={"arrowstyle": "-|>"})
                ax.text(5.25, -0.8, "one code z, a list of numbers", ha="center", va="top", fontsize=8)
            title = "variational autoencoder" if variational else "autoencoder"
            ax.set(xlim=(-0.1, 10.5), ylim=(-1.45, 0.95), aspect="equal")
            ax.set_title(title, loc="left")
            ax.set_axis_off()
    picture.alt = alt or (
        "Above, an autoencoder: image, encoder, one code, decoder, image. Below, a variational one: the encoder gives "
        f"{len(mean)} means and standard deviations, a code is drawn from them, and the decoder makes an image of it."
    )
    return picture


def _bars(ax: Axes, left: float, width: float, values: np.ndarray, colour: str, std: np.ndarray | None = None) -> None:
    """A vector as bars around the line y = 0, scaled so that ±3 fits."""
    places = left + (np.arange(len(values)) + 0.5) * width / len(values)
    errors = None if std is None else std / 4
    ax.bar(places, values / 4, 0.75 * width / len(values), color=colour, yerr=errors, error_kw={"linewidth": 0.8})
    ax.plot([left, left + width], [0, 0], color="0.3", linewidth=0.6, linestyle="-")


def draws(codes: Tensor, images: Tensor, *, alt: str = "") -> Picture:
    """Drawn codes (N, D) as bars, and below each the image (N, C, H, W) in [-1, 1] that it is decoded to."""
    N, values = len(codes), codes.detach().cpu().numpy()
    with style():
        picture, axes = canvas(0.95 * N, 1.75, columns=N, rows=2, squeeze=False)
        for i in range(N):
            top, bottom = axes[0][i], axes[1][i]
            top.bar(np.arange(values.shape[1]), values[i], color=COLOURS[1])
            top.axhline(0, color="0.3", linewidth=0.6, linestyle="-")
            top.set(ylim=(-3, 3), xticks=[], yticks=[-2, 2] if i == 0 else [])
            top.spines["bottom"].set_visible(False)
            top.spines["left"].set_visible(i == 0)
            _mosaic(bottom, _images(images[i : i + 1]), 1, 1, 1)
        axes[0][0].set_ylabel("z")
    picture.alt = (
        alt or f"{N} random codes of {values.shape[1]} numbers as bars, and below each the image decoded from it"
    )
    return picture


def cave(alt: str = "") -> Picture:
    """Plato's cave: objects that nobody sees (latents z) throw shadows (data x); the prisoner sees the wall only."""
    with style():
        picture, ax = canvas(6.4, 2.5)
        ax.axvspan(7.6, 8.0, color="0.45", linewidth=0)
        ax.plot([0, 8], [0, 0], color="0.45", linewidth=2, linestyle="-")
        ax.fill([0.35, 0.6, 0.85], [0.05, 1.1, 0.05], color=COLOURS[4])  # the fire
        ax.fill([0.48, 0.6, 0.72], [0.05, 0.6, 0.05], color=COLOURS[1])
        things = ((2.1, 0.912, "o", 15), (3.1, 0.746, "s", 12))  # on the rays
        shadows = ((7.57, 2.25, "o", 26), (7.57, 1.1, "s", 24))
        for (x, y, mark, size), (u, v, _, large) in zip(things, shadows, strict=True):
            ax.plot([0.62, u], [0.55, v], color=COLOURS[4], linewidth=0.8, linestyle="--")
            ax.plot([x], [y], mark, markersize=size, color=COLOURS[0])
            ax.plot([u], [v], mark, markersize=large, color="0.15", clip_on=True)
        ax.plot([4.9, 4.9], [0.05, 0.52], color="black", linewidth=4, linestyle="-")  # the prisoner, from behind
        ax.plot([4.9], [0.68], "o", markersize=11, color="black")
        ax.annotate("", (6.0, 0.62), (5.1, 0.72), arrowprops={"arrowstyle": "-|>"})
        for x, y, text in (
            (2.3, 1.5, "objects: latents z,\nnever seen"),
            (6.35, 2.62, "shadows: data x"),
        ):
            ax.text(x, y, text, ha="center", va="bottom", fontsize=8.5)
        ax.text(0.6, 1.25, "fire", ha="center", va="bottom", fontsize=8.5)
        ax.text(4.65, 0.12, "prisoner: guesses z\nfrom x, q(z | x)", ha="right", va="bottom", fontsize=8.5)
        ax.text(
            3.4,
            -0.12,
            "the way of the light: objects to shadows, the decoder p(x | z)",
            ha="center",
            va="top",
            fontsize=8.5,
        )
        ax.set(xlim=(0, 8), ylim=(-0.45, 3.0))
        ax.set_axis_off()
    picture.alt = alt or (
        "Plato's cave: a fire, two objects before it, their shadows on the wall, and a prisoner who sees only the wall. "
        "Objects are latents z, shadows are data x, throwing the shadow is the decoder, the prisoner's guess is q(z given x)."
    )
    return picture


def evidence(rows: Mapping[str, tuple[float, float]], log_p: float, *, alt: str = "") -> Picture:
    """For several q {name: (ELBO, KL to the true posterior)}: bars that end at log p(x), however the two share it (nats)."""
    with style():
        picture, ax = canvas(6.6, 0.5 * len(rows) + 0.9)
        low = min(bound for bound, _ in rows.values())
        start = low - 0.6 * (log_p - low) - 0.05
        for i, (bound, gap) in enumerate(rows.values()):
            ax.barh(-i, bound - start, 0.6, left=start, color=COLOURS[0], alpha=0.8, label="ELBO" if i == 0 else None)
            ax.barh(
                -i, gap, 0.6, left=bound, color=COLOURS[4], hatch="//", edgecolor="white",
                label="KL(q || true posterior)" if i == 0 else None,
            )  # fmt: skip
            ax.text(bound - 0.01, -i, f"{bound:.3f}", ha="right", va="center", color="white", fontsize=8)
        ax.axvline(log_p, color="black", linestyle="--", linewidth=1)
        ax.text(log_p, 0.45, f" log p(x) = {log_p:.3f}", ha="right", va="bottom", fontsize=8.5)
        ax.set_yticks([-i for i in range(len(rows))], list(rows))
        ax.set(xlabel="nats", xlim=(start, log_p + 0.02 * (log_p - start)), ylim=(-len(rows) + 0.5, 0.9))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35 if len(rows) < 4 else -0.25), ncols=2)
    told = "; ".join(f"{name}: ELBO {bound:.3f}, gap {gap:.3f}" for name, (bound, gap) in rows.items())
    picture.alt = alt or f"bars that all end at log p(x) = {log_p:.3f}. {told}"
    return picture


def bound_sheet(alt: str = "") -> Picture:
    """The negative ELBO on one sheet: from the KL to the true posterior to the loss that is trained, with a reason a line."""
    q, post = r"q(z|x)", r"p(z|x)"
    lines = [
        (r"$KL(" + q + r"\,\|\," + post + r")=E_q[\log " + q + r"-\log " + post + "]$", "definition"),
        (r"$=E_q[\log " + q + r"-\log p(x,z)]+\log p(x)$", "Bayes: p(z|x) = p(x,z)/p(x)"),
        (r"$=E_q[\log " + q + r"-\log p(z)-\log p(x|z)]+\log p(x)$", "p(x,z) = p(x|z) p(z)"),
        (r"$=KL(" + q + r"\,\|\,p(z))-E_q[\log p(x|z)]+\log p(x)$", "collect: a KL to the prior"),
        (r"$-\log p(x)+KL(" + q + r"\,\|\," + post + r")=$", "bring log p(x) over"),
        (r"$\qquad KL(" + q + r"\,\|\,p(z))\;-\;E_q[\log p(x|z)]$", "the negative ELBO: this is trained"),
    ]
    with style():
        picture, ax = canvas(7.4, 2.7)
        ax.axhspan(-5.45, -4.55, color=AIM, alpha=0.2, linewidth=0)
        for i, (formula, reason) in enumerate(lines):
            ax.text(0.01, -i, formula, va="center", fontsize=11)
            ax.text(0.99, -i, reason, va="center", ha="right", fontsize=9, color="0.3", style="italic")
        ax.set(xlim=(0, 1), ylim=(-5.5, 0.5))
        ax.set_axis_off()
    picture.alt = alt or (
        "Six lines with their reasons: the KL from q(z|x) to the true posterior is rewritten by Bayes' rule until "
        "-log p(x) plus this KL equals KL(q(z|x) to the prior) minus the mean of log p(x|z), the negative ELBO."
    )
    return picture


# -- lesson 02 --------------------------------------------------------------------------------------------------------

FORWARD, REVERSE, AIM = (
    "#D55E00",
    "#0072B2",
    "#009E73",
)  # the two chains and the objective, in every figure of the lesson


def chains(
    frames: Sequence[Tensor], titles: Sequence[str], *, ways: str = "both", scale: float = 0.9, alt: str = ""
) -> Picture:
    """One image at several stages, clean first, with the forward chain (red arrows, above) and the reverse chain (blue, below).

    frames: tensors (1, C, H, W) in [-1, 1]; titles: one a frame; ways: "forward", "reverse" or "both".
    """
    if ways not in ("forward", "reverse", "both"):
        raise ValueError(f"ways must be forward, reverse or both, got {ways!r}")
    if len(frames) != len(titles):
        raise ValueError(f"titles must hold {len(frames)} texts, one a frame, got {len(titles)}")
    images = _images(torch.cat(list(frames)))
    n, H, W = len(images), images.shape[2], images.shape[3]
    step = round(1.35 * W)
    forward, reverse = ways != "reverse", ways != "forward"
    with style():
        picture, ax = canvas(n * scale * 1.35, scale * (1.5 + 0.6 * forward + 0.6 * reverse))
        for i, (image, title) in enumerate(zip(images, titles, strict=True)):
            page = image.permute(1, 2, 0).numpy()
            box = (i * step, i * step + W, H, 0)
            ax.imshow(
                page if page.shape[2] == 3 else page[:, :, 0], cmap="gray", vmin=0, vmax=255, extent=box, zorder=2
            )
            ax.text(i * step + W / 2, H + 2, title, ha="center", va="top", fontsize=9)
        for i in range(n - 1):
            left, right = i * step + 0.75 * W, (i + 1) * step + 0.25 * W
            bend = {"arrowstyle": "-|>", "mutation_scale": 12, "linewidth": 1.6}
            if forward:
                arrow = {**bend, "color": FORWARD, "connectionstyle": "arc3,rad=-0.35"}
                ax.annotate("", (right, -2), (left, -2), arrowprops=arrow)
            if reverse:
                arrow = {**bend, "color": REVERSE, "connectionstyle": "arc3,rad=-0.35", "linestyle": "--"}
                ax.annotate("", (left, H + 9), (right, H + 9), arrowprops=arrow)
        middle = (n - 1) * step / 2 + W / 2
        if forward:
            ax.text(middle, -0.5 * H, "forward q: adds noise, fixed", color=FORWARD, ha="center", va="bottom")
        if reverse:
            text = r"reverse $p_\theta$: removes noise, learned"
            ax.text(middle, 1.5 * H + 9, text, color=REVERSE, ha="center", va="top")
        ax.set(
            xlim=(-2, (n - 1) * step + W + 2),
            ylim=(H * (1.75 if reverse else 1) + 9, -0.72 * H if forward else -2),
            aspect="equal",
        )
        ax.set_axis_off()
    picture.alt = (
        alt
        or f"one image at {n} stages, {', '.join(titles)}, with {'forward and reverse chains' if ways == 'both' else f'the {ways} chain'}"
    )
    return picture


def mixing(x0: Tensor, noise: Tensor, alpha: float, sigma: float, *, alt: str = "") -> Picture:
    """The forward equation in pictures: alpha times an image plus sigma times noise; x0 and noise (1, C, H, W)."""
    images = _images(torch.cat([x0, noise, alpha * x0 + sigma * noise]))
    signs = (rf"$x_t\;=$  {alpha:.2f} ·", f"+  {sigma:.2f} ·", "=")
    names = (r"$x_0$", r"$\epsilon$", r"$x_t$")
    W = images.shape[3]
    with style():
        picture, ax = canvas(7.0, 1.6)
        for image, sign, name, place in zip(images, signs, names, (1.3, 3.3, 4.8), strict=True):
            left, page = place * W, image.permute(1, 2, 0).numpy()
            box = (left, left + W, W, 0)
            ax.imshow(page if page.shape[2] == 3 else page[:, :, 0], cmap="gray", vmin=0, vmax=255, extent=box)
            ax.text(left - 0.1 * W, W / 2, sign, ha="right", va="center", fontsize=12)
            ax.text(left + W / 2, 1.05 * W, name, ha="center", va="top", fontsize=11)
        ax.set(xlim=(0, 5.9 * W), ylim=(1.35 * W, -1), aspect="equal")
        ax.set_axis_off()
    picture.alt = alt or f"{alpha:.2f} times an image plus {sigma:.2f} times noise gives the noisy image"
    return picture


def formula_page(alt: str = "") -> Picture:
    """DDPM on one page: the forward process in red, the reverse process in yellow, the learning objective in green."""
    step = r"q(x_t|x_{t-1})=N(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I)"
    back = r"p_\theta(x_{t-1}|x_t)=N(\mu_\theta(x_t,t),\ \Sigma_\theta(x_t,t))"
    joint = r"p_\theta(x_{0:T})=p(x_T)\prod_{t=1}^{T}p_\theta(x_{t-1}|x_t)"
    bound = r"E_q\left[-\log\frac{p_\theta(x_{0:T})}{q(x_{1:T}|x_0)}\right]"
    rows = [
        (FORWARD, "forward, fixed", r"$q(x_{1:T}|x_0)=\prod_{t=1}^{T}q(x_t|x_{t-1}),\quad " + step + "$"),
        (FORWARD, "in one jump", r"$q(x_t|x_0)=N(\sqrt{\bar\alpha_t}\,x_0,\ (1-\bar\alpha_t)I)$"),
        ("#F0E442", "reverse, learned", "$" + joint + r",\quad " + back + "$"),
        (AIM, "objective (3)", r"$E_{q(x_0)}[-\log p_\theta(x_0)]\ \leq\ " + bound + "$"),
    ]
    with style():
        picture, ax = canvas(7.6, 2.3)
        for i, (colour, name, formula) in enumerate(rows):
            ax.axhspan(-i - 0.42, -i + 0.42, color=colour, alpha=0.22, linewidth=0)
            ax.axhspan(-i - 0.42, -i + 0.42, xmax=0.008, color=colour, linewidth=0)
            ax.text(0.02, -i, name, va="center", fontsize=9)
            ax.text(0.18, -i, formula, va="center", fontsize=11)
        ax.set(xlim=(0, 1), ylim=(-len(rows) + 0.45, 0.5))
        ax.set_axis_off()
    picture.alt = alt or (
        "The equations of DDPM on one page: forward process and its closed form in red, reverse process in yellow, and the objective, "
        "equation 3 of the paper, in green."
    )
    picture.colours = 64
    return picture


def bound_map(values: Sequence[float] | None = None, alt: str = "") -> Picture:
    """Where the terms of the bound live on the chain: L_0 at the last step, L_{t-1} at the middle ones, L_T at the noisy end.

    values: numbers (L_0, sum of L_{t-1}, L_T), written below the terms.
    """
    names = (r"$x_0$", r"$x_1$", r"$x_{t-1}$", r"$x_t$", r"$x_T$")
    places = (0.0, 1.6, 3.6, 5.2, 7.2)
    with style():
        picture, ax = canvas(8.0, 2.0 if values is None else 2.3)
        for x, name in zip(places, names, strict=True):
            ax.plot([x], [0], "o", markersize=30, markerfacecolor="white", markeredgecolor="0.3", zorder=3)
            ax.text(x, 0, name, ha="center", va="center", fontsize=11, zorder=4)
        for (left, right), whole in zip(((0.0, 1.6), (1.6, 3.6), (3.6, 5.2), (5.2, 7.2)), (1, 0, 1, 0), strict=True):
            if not whole:
                ax.text((left + right) / 2, 0, "· · ·", ha="center", va="center", fontsize=12, color="0.4")
                continue
            arrow = {"arrowstyle": "-|>", "mutation_scale": 12, "linewidth": 1.5, "shrinkA": 14, "shrinkB": 14}
            ax.annotate("", (right, 0.14), (left, 0.14), arrowprops={**arrow, "color": FORWARD})
            ax.annotate("", (left, -0.14), (right, -0.14), arrowprops={**arrow, "color": REVERSE, "linestyle": "--"})
        terms = (
            (0.8, r"$L_0=-\log p_\theta(x_0|x_1)$", "the last step back"),
            (4.4, r"$L_{t-1}=KL(q(x_{t-1}|x_t,x_0)\,\|\,p_\theta(x_{t-1}|x_t))$", "each middle step: this is trained"),
            (8.0, r"$L_T=KL(q(x_T|x_0)\,\|\,p(x_T))$", "the noisy end: no parameters"),
        )
        for i, (x, term, text) in enumerate(terms):
            ax.text(x if i < 2 else 7.6, -0.85, term, ha="center", va="center", fontsize=9.5)
            below = text if values is None else f"{text}\n{values[i]:.3g} nats"
            ax.text(x if i < 2 else 7.6, -1.12, below, ha="center", va="top", fontsize=8, color="0.35")
        ax.set(xlim=(-0.8, 9.0), ylim=(-1.4 if values is None else -1.75, 0.6))
        ax.set_axis_off()
    picture.alt = alt or (
        "The chain x_0, x_1, …, x_{t-1}, x_t, …, x_T and below it the terms of the bound: L_0 at the step from x_1 to x_0, "
        "L_{t-1} at every middle step, L_T at the noisy end."
    )
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
    with style():
        picture, axes = canvas(2.9 * len(named), height, columns=len(named), squeeze=False)
        for ax, (title, series) in zip(axes[0], named.items(), strict=True):
            for name, (xs, ys) in series.items():
                ax.plot(np.asarray(xs).ravel(), np.asarray(ys).ravel(), label=name)
            ax.set(title=title, xlabel=x)
            _logarithmic(ax, log)
            if len(series) > 1:
                ax.legend()
            if "y" not in log:
                low, high = ax.get_ylim()
                ax.set_ylim(low, high + 0.3 * (high - low))  # room for the legend
        axes[0][0].set_ylabel(y)
    inside = "; ".join(f"{title}: {', '.join(series)}" for title, series in named.items())
    picture.alt = alt or f"{y or 'curves'} against {x or 'x'} in {len(named)} panels: {inside}"
    return picture


def noise_level(image: Tensor, alpha: float, sigma: float, title: str = "", alt: str = "") -> Picture:
    """A noisy image (C, H, W) beside two bars: by how much the clean image and the noise in it were multiplied."""
    with style():
        picture, axes = canvas(5.4, 2.2, columns=2, width_ratios=(1, 1.4))
        _mosaic(axes[0], _images(image[None]), 1, 1, 1)
        axes[0].set_title(title)
        bars = axes[1].barh(["noise", "signal"], [sigma, alpha], color=[FORWARD, REVERSE])
        axes[1].bar_label(bars, fmt="%.3f", padding=3, fontsize=9)
        axes[1].set(xlim=(0, 1.25), xticks=[0, 0.5, 1], title="multiplied by")
    picture.alt = alt or f"{title}: signal times {alpha:.3f}, noise times {sigma:.3f}"
    return picture


def schedule_point(
    named: Mapping[str, DiffusionSchedule], chosen: str, t: int, image: Tensor, alt: str = ""
) -> Picture:
    """beta, alpha_bar and SNR of several schedules with the chosen one marked at code index t, and the noisy image (C, H, W) there."""
    curves = {
        "beta": lambda s: s.betas,
        "alpha_bar": lambda s: s.alpha_bars,
        "SNR": lambda s: s.alpha_bars / (1 - s.alpha_bars),
    }
    with style():
        picture, axes = canvas(8.4, 2.2, columns=4, width_ratios=(1, 1, 1, 0.85))
        for ax, (title, of) in zip(axes, curves.items(), strict=False):
            for i, (name, schedule) in enumerate(named.items()):
                here = name == chosen
                ax.plot(of(schedule), label=name, color=COLOURS[i], linestyle=LINES[i], linewidth=2.2 if here else 0.9)
            ax.plot([t], [float(of(named[chosen])[t])], "o", color="black", markersize=6, zorder=5)
            ax.set(title=title, xlabel="code index t")
            if title != "alpha_bar":
                ax.set_yscale("log")
        axes[2].axhline(1, color="0.6", linewidth=0.8, linestyle="-")
        axes[2].legend(loc="lower left")
        _mosaic(axes[3], _images(image[None]), 1, 1, 1)
        axes[3].set_title(f"{chosen}, t = {t}")
    picture.alt = alt or f"beta, alpha_bar and SNR of {', '.join(named)}; the image at t = {t} of {chosen}"
    return picture


# -- lesson 03 --------------------------------------------------------------------------------------------------------


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


def unet_map(shapes: Mapping[str, Sequence[int]], alt: str = "") -> Picture:
    """`SimpleUNet` as a U: what each part gives, {part: (C, H, W)}, as traced by hooks, a row for each size; its channels in the box."""
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
            if after:
                arrow = {"arrowstyle": "-|>", "color": "0.5", "shrinkA": 20, "shrinkB": 20, "linewidth": 1}
                ax.annotate("", places[after[0]], (x, y), arrowprops=arrow)
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
    xs, ys, heights = (np.asarray(v) for v in surface)
    row, column = np.unravel_index(heights.argmin(), heights.shape)
    levels = np.geomspace(max(float(heights.min()), 1e-6) * 1.02, float(heights.max()), 9)
    with style():
        picture, axes = canvas(2.7 * len(paths), 2.6, columns=len(paths), squeeze=False, sharey=True)
        for ax, colour, (name, path) in zip(axes[0], COLOURS * 2, paths.items(), strict=False):
            ax.contour(xs, ys, heights, levels=levels, colors="0.75", linewidths=0.7, linestyles="-")
            ax.plot(*np.asarray(path).T, "o-", color=colour, markersize=2, linewidth=1)
            ax.plot([xs[column]], [ys[row]], "x", color="black", markersize=7)
            ax.set(title=name, xlabel=x, xlim=(xs[0], xs[-1]), ylim=(ys[0], ys[-1]))
        axes[0][0].set_ylabel(y)
    picture.alt = (
        alt or f"paths of {', '.join(paths)} on the contours of a loss, whose lowest point is marked by a cross"
    )
    return picture


def denoised_level(
    rows: Mapping[str, Tensor],
    curve: tuple[Sequence[float], Sequence[float]],
    at: float,
    *,
    title: str = "",
    alt: str = "",
) -> Picture:
    """Rows of images {name: (N, C, H, W)}, and beside them an error (xs, ys) with the place `at` marked."""
    images = torch.stack([_images(v) for v in rows.values()])  # (rows, N, C, H, W)
    R, N, _, H = images.shape[:4]
    with style():
        picture, axes = canvas(0.72 * N + 3.6, 0.72 * R + 0.35, columns=2, width_ratios=(0.72 * N + 0.8, 2.6))
        _mosaic(axes[0], images.flatten(0, 1), R, N, gap=1)
        _tick(axes[0], axes[0].set_yticks, [(i + 0.5) * (H + 1) for i in range(R)], list(rows))
        axes[0].set_title(title)
        xs, ys = curve
        axes[1].plot(xs, ys)
        axes[1].plot([at], [ys[list(xs).index(at)]], "o", color="black", markersize=6)
        axes[1].set(xlabel="code index t", title="mean squared error", yscale="log")
        axes[1].legend(["of the guess of x₀"], loc="lower right")
    picture.alt = alt or f"rows of images: {', '.join(rows)}; the error at t = {at:g} marked on its curve"
    return picture


def reading(
    digit: Tensor, probabilities: Tensor, rows: Mapping[str, Tensor], titles: Sequence[str], *, alt: str = ""
) -> Picture:
    """A digit (1, 1, H, W), what the judge reads in it (10,), and rows of images {name: (N, 1, H, W)} with a title a column."""
    images = torch.stack([_images(v) for v in rows.values()])
    R, N, _, H, W = images.shape
    with style():
        picture, axes = canvas(0.72 * N + 4.4, 0.72 * R + 0.7, columns=3, width_ratios=(1.5, 1.7, 0.72 * N + 0.9))
        _mosaic(axes[0], _images(digit), 1, 1, 1)
        axes[0].set_title("your digit")
        axes[1].bar(range(10), probabilities.tolist(), color=COLOURS[0])
        axes[1].set(title="the judge reads", ylim=(0, 1), xticks=range(10), yticks=[0, 0.5, 1])
        _mosaic(axes[2], images.flatten(0, 1), R, N, gap=1)
        _tick(axes[2], axes[2].set_xticks, [(i + 0.5) * (W + 1) for i in range(N)], titles)
        _tick(axes[2], axes[2].set_yticks, [(i + 0.5) * (H + 1) for i in range(R)], list(rows))
        axes[2].xaxis.tick_top()
    best = int(probabilities.argmax())
    picture.alt = alt or f"a digit that the judge reads as {best}; {', '.join(rows)} at {', '.join(titles)}"
    return picture


# -- lesson 04 --------------------------------------------------------------------------------------------------------


def _counts(ax: Axes, values: Sequence[float], most: int = 8) -> None:
    """Plain numbers below a logarithmic axis, at the values themselves."""
    values = sorted(set(values))
    chosen = [values[i] for i in np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))]
    ax.set_xticks(chosen, [f"{v:g}" for v in chosen])
    ax.minorticks_off()


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
    with style():
        picture, ax = canvas(5.6, 3.0)
        everything = [float(v) for _, errors in series.values() for v in errors]
        sizes = [float(n) for steps, _ in series.values() for n in steps]
        for (name, (steps, errors)), marker, colour, line in zip(
            series.items(), "os^Dv*P", COLOURS, LINES, strict=False
        ):
            ax.plot(steps, errors, label=name, marker=marker, markersize=5, color=colour, linestyle=line)
        _logarithmic(ax, "xy")
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
        _counts(ax, sizes)
        ax.legend(loc="upper left", bbox_to_anchor=(1.08, 1))
    picture.colours = 24
    picture.alt = alt or f"{y} against {x} on logarithmic axes: {', '.join(series)}"
    return picture


def paths(
    named: Mapping[str, tuple[Any, Any]], *, x: str = "t", y: str = "", height: float = 2.4, alt: str = ""
) -> Picture:
    """How points wander while they are sampled: {panel title: (times (n,), places (n, B))}; time runs from left to right, noisy first."""
    with style():
        picture, axes = canvas(2.7 * len(named), height, columns=len(named), squeeze=False, sharey=True)
        for ax, (title, (times, places)) in zip(axes[0], named.items(), strict=True):
            places = np.asarray(places)
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
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(9, len(frames))).round().astype(int))
    images = _images(torch.cat([frames[i] for i in chosen]))
    with style():
        picture, (top, below) = canvas(5.6, 2.9, rows=2, height_ratios=(2.4, 1))
        top.plot(steps, noise, color=COLOURS[0], linestyle="-")
        top.plot([steps[i] for i in chosen], [noise[i] for i in chosen], "o", color=COLOURS[1], markersize=5)
        top.set(xlabel="sampling step", ylabel=y)
        _mosaic(below, images, 1, len(images), 1)
        W = images.shape[3]
        _tick(
            below, below.set_xticks, [i * (W + 1) + W / 2 for i in range(len(chosen))], [f"{steps[i]}" for i in chosen]
        )
    picture.alt = alt or (
        f"{y} falls from {noise[0]:.3g} at step {steps[0]} to {noise[-1]:.3g} at step {steps[-1]}; below, the image at "
        f"{len(chosen)} of these steps, marked by dots on the curve"
    )
    return picture


def level_grids(named: Mapping[str, Sequence[Any]], *, alt: str = "") -> Picture:
    """Where the levels of a grid lie: {name: levels}, a row each, against t (left) and against sigma/alpha (right, logarithmic)."""
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
        _counts(ax, [5, 10, 20, 50])
        ax.legend(**BESIDE)
    last = {name: [row["ratio"] for row in rows if row["sampler"] == name] for name in names}
    picture.alt = (
        alt
        or "distance to real digits as a multiple of that of DDPM with 1000 calls, from few calls to many: "
        + "; ".join(f"{name} {', '.join(f'{v:.2f}' for v in values)}" for name, values in last.items())
    )
    return picture


def race(frames: Sequence[Tensor], titles: Sequence[str], caption: str, alt: str) -> Picture:
    """Predicted clean images (B, C, H, W) along one sampling, the sample last, with a caption above."""
    picture = strip(frames, titles, most=len(frames), scale=0.75, alt=alt)
    with style():
        picture.suptitle(caption, fontsize=9)
        picture.set_size_inches(max(5.6, picture.get_figwidth()), picture.get_figheight() + 0.3)
    return picture


# -- lesson 05a -------------------------------------------------------------------------------------------------------

ENCODE, UNET, TEXT = COLOURS[:3]  # the parts of a latent diffusion model


def _greys(z: Tensor, reach: float, side: int) -> Tensor:
    """Channels of latents (B, C, h, w) as RGB tiles (B, C, 3, side, side) in [-1, 1]: black at -reach, white at reach."""
    tiles = F.interpolate(z.detach().float().cpu() / reach, size=(side, side), mode="nearest")
    return tiles.clamp(-1, 1)[:, :, None].expand(-1, -1, 3, -1, -1)


def latents(
    z: Tensor,
    images: Tensor | None = None,
    decoded: Tensor | None = None,
    *,
    names: Sequence[str] | None = None,
    reach: float = 3.0,
    scale: float = 0.9,
    alt: str = "",
) -> Picture:
    """The channels of latents (B, C, h, w) side by side, grey from -reach (black) to reach (white), a row each.

    images, decoded (B, 3, H, W) in [-1, 1]: the pictures before and after. names: one a row.
    """
    B, C = z.shape[:2]
    side = images.shape[-1] if images is not None else max(64, z.shape[-1])
    parts = {f"channel {c + 1}": tile for c, tile in enumerate(_greys(z, reach, side).unbind(dim=1))}
    if images is not None:
        parts = {"picture": images, **parts}
    if decoded is not None:
        parts = {**parts, "decoded": decoded}
    alt = alt or f"{C} latent channels in grey of {B} pictures" + (
        ", beside them what they decode to" if decoded is not None else ""
    )
    return strip(list(parts.values()), list(parts), names=names, scale=scale, alt=alt)


def pictures(named: Mapping[str, "Image"], *, height: float = 2.4, alt: str = "") -> Picture:
    """PIL pictures {title: picture} of any size, side by side at one height (in inches)."""
    from PIL import Image

    tall = round(100 * height)
    pages = [
        image.convert("RGB").resize(
            (round(image.width * tall / image.height), tall),
            Image.Resampling.NEAREST if image.height < tall else Image.Resampling.LANCZOS,
        )
        for image in named.values()
    ]
    gap = 12
    wide = sum(page.width for page in pages) + gap * (len(pages) + 1)
    with style():
        picture, ax = canvas(wide / 100, height + 0.3)
        picture.set_layout_engine("none")  # the axes fill the page, so that pixels stay whole
        ax.set_position((0, 0, 1, 1))
        left = gap
        for title, page in zip(named, pages, strict=True):
            ax.imshow(np.asarray(page), extent=(left, left + page.width, tall + 26, 26), interpolation="nearest")
            ax.text(left + page.width / 2, 22, title, ha="center", va="bottom", fontsize=9)
            left += page.width + gap
        ax.set(xlim=(0, wide), ylim=(tall + 30, 0))
        ax.set_axis_off()
    picture.colours = 64
    picture.alt = alt or f"pictures: {', '.join(named)}"
    return picture


def codec(image: Tensor, z: Tensor, decoded: Tensor, *, reach: float = 3.0, alt: str = "") -> Picture:
    """The compressor: an image (3, H, W), an encoder, the channels of the latent (C, h, w), a decoder, and the image it gives."""
    H, C = image.shape[-1], len(z)
    counts = [f"{len(v)} × {v.shape[1]} × {v.shape[2]}\n= {v.numel():,} numbers" for v in (image, z, decoded)]
    tiles = _greys(z[None], reach, H)[0]
    pages = [v.permute(1, 2, 0).numpy() for v in _images(torch.stack([image, *tiles, decoded]))]
    small, gap = 0.42, 0.06  # side of a channel's tile, and the space between two; a picture has side 1
    with style():
        picture, ax = canvas(8.6, 1.95)
        block = 2 * small + gap  # the channels stand two by two
        lefts = (0.0, 2.1, 2.1 + block + 1.1)
        for page, left in ((pages[0], lefts[0]), (pages[-1], lefts[2])):
            ax.imshow(page, extent=(left, left + 1, 1, 0), interpolation="nearest")
        for c in range(C):
            x, y = lefts[1] + (small + gap) * (c % 2), 0.5 - block / 2 + (small + gap) * (c // 2)
            ax.imshow(pages[1 + c], extent=(x, x + small, y + small, y), interpolation="nearest")
        for left, right, wide, narrow, name in (
            (1.1, lefts[1] - 0.1, 0.5, 0.2, "encoder"),
            (lefts[1] + block + 0.1, lefts[2] - 0.1, 0.2, 0.5, "decoder"),
        ):
            corners = [(left, 0.5 - wide), (right, 0.5 - narrow), (right, 0.5 + narrow), (left, 0.5 + wide)]
            ax.fill(*zip(*corners, strict=True), color=ENCODE, alpha=0.2, linewidth=0, linestyle="-")
            ax.text((left + right) / 2, 0.5, name, ha="center", va="center", color=ENCODE)
        for left, width, name, text in zip(lefts, (1, block, 1), ("picture", "latent", "decoded"), counts, strict=True):
            ax.text(left + width / 2, 1.06, f"{name}: {text}", ha="center", va="top", fontsize=8.5)
        ax.set(xlim=(-0.25, lefts[2] + 1.25), ylim=(1.45, -0.05), aspect="equal")
        ax.set_axis_off()
    picture.colours = 64
    picture.alt = alt or (
        f"A picture of {image.numel():,} numbers, an encoder that squeezes it, its latent of {z.numel():,} numbers as {C} grey channels, "
        f"a decoder that widens it, and the decoded picture."
    )
    return picture


def latent_pipeline(alt: str = "") -> Picture:
    """A latent diffusion model: three stages (encode, diffuse, decode), three parts (autoencoder, U-Net, text encoder)."""
    boxes = (
        (0.0, 1.0, 1.3, "picture\n3 × 512 × 512", "0.4", "white"),
        (1.8, 1.0, 1.2, "encoder", ENCODE, ENCODE),
        (3.5, 1.0, 1.2, "latent $z_0$\n4 × 64 × 64", "0.4", "white"),
        (3.5, 0.0, 1.2, "noise $z_T$\n4 × 64 × 64", "0.4", "white"),
        (5.2, 0.0, 1.5, "U-Net\nevery step", UNET, UNET),
        (7.2, 0.0, 1.2, "latent $\\hat z_0$\n4 × 64 × 64", "0.4", "white"),
        (8.9, 0.0, 1.2, "decoder", ENCODE, ENCODE),
        (10.6, 0.0, 1.3, "picture\n3 × 512 × 512", "0.4", "white"),
        (5.2, -1.1, 1.5, "text encoder", TEXT, TEXT),
        (3.3, -1.1, 1.4, '"a macaw"', "0.4", "white"),
    )
    arrows = (
        ((1.3, 1.0), (1.8, 1.0), "-"),
        ((3.0, 1.0), (3.5, 1.0), "-"),
        ((4.7, 0.0), (5.2, 0.0), "-"),
        ((6.7, 0.0), (7.2, 0.0), "-"),
        ((8.4, 0.0), (8.9, 0.0), "-"),
        ((10.1, 0.0), (10.6, 0.0), "-"),
        ((5.95, -0.82), (5.95, -0.3), "-"),
        ((4.7, -1.1), (5.2, -1.1), "-"),
        ((4.7, 1.0), (5.9, 0.32), "--"),
    )
    with style():
        picture, ax = canvas(9.4, 2.6)
        for left, y, width, text, edge, face in boxes:
            alpha = 0.18 if face != "white" else 1.0
            ax.fill(
                [left, left + width, left + width, left],
                [y - 0.3, y - 0.3, y + 0.3, y + 0.3],
                color=face,
                alpha=alpha,
                zorder=2,
            )
            ax.plot(
                [left, left + width, left + width, left, left],
                [y - 0.3, y - 0.3, y + 0.3, y + 0.3, y - 0.3],
                "-",
                color=edge,
                linewidth=1,
                zorder=3,
            )
            ax.text(left + width / 2, y, text, ha="center", va="center", fontsize=8.5, zorder=4)
        for start, end, line in arrows:
            ax.annotate(
                "",
                end,
                start,
                arrowprops={"arrowstyle": "-|>", "color": "0.4", "linestyle": line, "shrinkA": 0, "shrinkB": 0},
            )
        loop = {"arrowstyle": "-|>", "color": UNET, "connectionstyle": "arc3,rad=-1.1", "shrinkA": 0, "shrinkB": 0}
        ax.annotate("", (5.45, 0.32), (6.45, 0.32), arrowprops={**loop, "connectionstyle": "arc3,rad=1.1"})
        ax.text(6.75, 0.62, "some 50 times", color=UNET, fontsize=8.5, va="center")
        ax.text(4.95, 1.12, "in training: noised", color="0.4", fontsize=8.5, va="center")
        for left, right, text in ((1.8, 3.0, "1 encode"), (5.2, 6.7, "2 diffuse"), (8.9, 10.1, "3 decode")):
            ax.text((left + right) / 2, 1.75, text, ha="center", va="center", fontweight="bold")
        ax.set(xlim=(-0.1, 12.0), ylim=(-1.5, 2.0))
        ax.set_axis_off()
    picture.colours = 64
    picture.alt = alt or (
        "Stage 1, encode: picture, encoder, latent, used in training. Stage 2, diffuse: noise in the latents' shape goes through the U-Net "
        "some 50 times, which the text encoder tells what is wanted. Stage 3, decode: the last latent goes through the decoder once, to a "
        "picture. Encoder and decoder are one part, the autoencoder; the others are the U-Net and the text encoder."
    )
    return picture


def latent_edit(
    z: Tensor,
    edited: Tensor,
    where: Tensor,
    before: Tensor,
    after: Tensor,
    *,
    title: str = "",
    reach: float = 3.0,
    alt: str = "",
) -> Picture:
    """Latents (C, h, w) before and after an edit of the places `where` (h, w), the pictures (3, H, W) they decode to, and what changed.

    The change is the mean over the colours of the absolute difference, white at 1, half of the range of a pixel.
    """
    side = before.shape[-1]
    channels = _greys(torch.stack([z, edited]), reach, side)
    place = _greys(2 * where[None, None].float() - 1, 1.0, side)[0, 0]
    change = (2 * (after - before).abs().mean(dim=0) - 1).clamp(-1, 1).expand(3, -1, -1)
    rows = [[*channels[0], before, place], [*channels[1], after, change]]
    columns = [*(f"channel {c + 1}" for c in range(len(z))), "decoded", "where, change"]
    frames = [torch.stack([rows[0][i], rows[1][i]]) for i in range(len(columns))]
    picture = strip(
        frames,
        columns,
        names=["before", "after"],
        scale=1.1,
        alt=alt or f"latent channels and decoded picture: {title}",
    )
    picture.axes[0].set_xlabel(title)
    return picture


# -- lesson 05b -------------------------------------------------------------------------------------------------------


def word(text: str) -> str:
    """A token's text as figures show it: without the mark of a word's end, start and end short."""
    return {"<|startoftext|>": "start", "<|endoftext|>": "end"}.get(text, text.replace("</w>", "")) or "␣"


def _box(ax: Axes, x: float, y: float, text: str, colour: str, *, fill: str = "white", size: float = 8.5) -> None:
    box = {"boxstyle": "round,pad=0.35", "facecolor": fill, "edgecolor": colour}
    ax.text(x, y, text, ha="center", va="center", fontsize=size, bbox=box, zorder=3)


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "0.5", **how: Any) -> None:
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0, **how}
    ax.annotate("", end, start, arrowprops=look)


def tokenized(
    prompt: str, tokens: Sequence[Any], padded: Sequence[int], mask: Sequence[int], *, alt: str = ""
) -> Picture:
    """From words to numbers: the prompt, its tokens (text, id) from start to end, and the `padded` row of numbers with its mask."""
    n, length = len(tokens), len(padded)
    shown = min(length, n + 3)  # of the row: the tokens, some padding, then dots
    with style():
        picture, ax = canvas(max(6.4, 0.78 * (shown + 1.6)), 2.5)
        ax.text(-0.6, 3, f"“{prompt}”", ha="left", va="center", fontsize=10)
        for i, token in enumerate(tokens):
            special = token.text.startswith("<|")
            _box(ax, i, 2, word(token.text), "0.5" if special else COLOURS[0], fill="0.92" if special else "white")
            _arrow(ax, (i, 1.72), (i, 1.3))
        for i, number in enumerate(padded[:shown]):
            _box(ax, i, 1, str(number), COLOURS[0] if mask[i] else "0.7", fill="white" if mask[i] else "0.92")
            ax.text(i, 0.35, str(mask[i]), ha="center", va="center", color="black" if mask[i] else "0.55")
        if length > shown:
            ax.text(shown - 0.4, 1, f"…  to {length}", va="center", fontsize=9)
        for y, text in ((2, "tokens"), (1, "ids"), (0.35, "mask")):
            ax.text(-0.75, y, text, ha="right", va="center", color="0.4")
        ax.set(xlim=(-1.6, shown + 1.2), ylim=(0, 3.4))
        ax.set_axis_off()
    listed = ", ".join(f"{word(t.text)} {t.id}" for t in tokens)
    picture.alt = (
        alt or f"the prompt “{prompt}” as tokens with their ids: {listed}; then padding up to {length} numbers"
    )
    return picture


def embedded(tokens: Sequence[Any], table: Tensor, states: Tensor, *, alt: str = "") -> Picture:
    """Each token's row of the table (L, D), and what the encoder makes of it (L, D): two maps of numbers, one row a token."""
    names = [f"{word(t.text)}  {t.id}" for t in tokens]
    with style():
        picture, axes = canvas(7.2, 0.21 * len(names) + 0.8, columns=2, sharey=True)
        for ax, values, title in zip(
            axes,
            (table, states),
            ("looked up in the table, by id", "after the encoder: words in their sentence"),
            strict=True,
        ):
            values = values.detach().float().cpu()
            values = values / values.std()
            ax.imshow(values.numpy(), cmap="coolwarm", vmin=-2.5, vmax=2.5, aspect="auto", interpolation="nearest")
            ax.set(title=title, xlabel=f"{values.shape[1]} numbers", xticks=[])
            ax.spines[:].set_visible(False)
        axes[0].set_yticks(range(len(names)), names)
        axes[1].tick_params(left=False)
    picture.alt = alt or (
        f"{len(names)} tokens, a row of {table.shape[1]} numbers each: left as they stand in the table, right after the encoder"
    )
    return picture


def similarities(images: Tensor, captions: Sequence[str], values: Tensor, *, title: str = "", alt: str = "") -> Picture:
    """How well each image (a row) and each caption (a column, numbered and listed below) fit: values (N, N), the diagonal framed."""
    images, N = _images(images), len(captions)
    if values.shape != (len(images), N):
        raise ValueError(f"values must be ({len(images)}, {N}), an image a row, got {tuple(values.shape)}")
    with style():
        picture, (left, right) = canvas(8.2, 0.44 * N + 1.1, columns=2, width_ratios=(1, 1.25))
        left.imshow(values.detach().cpu().numpy(), cmap="viridis", interpolation="nearest")
        middle = float((values.max() + values.min()) / 2)
        for i in range(N):
            for j in range(N):
                value = float(values[i, j])
                colour = "black" if value > middle else "white"
                left.text(
                    j, i, f"{value:.2f}".replace("0.", ".", 1), ha="center", va="center", fontsize=7, color=colour
                )
            frame = {"fill": False, "edgecolor": COLOURS[1], "linewidth": 1.6}
            left.add_patch(Rectangle((i - 0.5, i - 0.5), 1, 1, **frame))
            page = images[i].permute(1, 2, 0).expand(-1, -1, 3).numpy()
            left.imshow(page, extent=(-1.55, -0.65, i + 0.45, i - 0.45), interpolation="bilinear")
        left.set(xlim=(-1.6, N - 0.5), ylim=(N - 0.5, -0.5), xticks=range(N), xticklabels=range(1, N + 1), yticks=[])
        left.set(title=title)
        left.xaxis.tick_top()
        left.tick_params(length=0)
        left.spines[:].set_visible(False)
        for j, caption in enumerate(captions):
            right.text(0, j, f"{j + 1}  {caption}", va="center", fontsize=8)
        right.set(xlim=(0, 1), ylim=(N - 0.5, -0.5))
        right.set_axis_off()
    picture.colours = 256
    told = ", ".join(f"{float(v):.2f}" for v in values.diagonal())
    picture.alt = (
        alt or f"similarity of {N} images and {N} captions; of those that belong together, on the diagonal: {told}"
    )
    return picture


def caption_map(points: Tensor, attributes: Tensor, *, shown: Sequence[str] | None = None, alt: str = "") -> Picture:
    """Points (N, 2) in one panel for each attribute, each drawn in the colour (and as the digit) that attributes (N, 5) say."""
    from diffcourse.scenes import ATTRIBUTES
    from diffcourse.scenes import COLOURS as PAINTS

    names = list(ATTRIBUTES)
    shown = names if shown is None else shown
    points = points.detach().cpu().numpy()
    with style():
        picture, axes = canvas(1.75 * len(shown), 2.3, columns=len(shown), squeeze=False)
        for ax, name in zip(axes[0], shown, strict=True):
            values = ATTRIBUTES[name]
            for k, value in enumerate(values):
                cloud = points[(attributes[:, names.index(name)] == k).cpu().numpy()]
                if not len(cloud):
                    continue
                if value in PAINTS:
                    paint = "#{:02x}{:02x}{:02x}".format(*PAINTS[value])
                    look = {"color": paint, "edgecolors": "0.45", "linewidths": 0.4, "s": 9}
                else:
                    marks = "os^Dv*P<>"
                    digit = value.isdigit()
                    look = {"color": CLASSES[k], "marker": f"${value}$" if digit else marks[k % 9], "linewidths": 0}
                    look["s"] = 16 if digit else 8
                ax.scatter(*cloud.T, label=value, **look)
            ax.set(title=name, xticks=[], yticks=[])
            if len(values) < 10 and value not in PAINTS:
                ax.legend(
                    loc="upper center", bbox_to_anchor=(0.5, 0), ncols=2 if len(values) < 4 else 3, fontsize=6,
                    handletextpad=0, columnspacing=0.3,
                )  # fmt: skip
    picture.colours = 32
    picture.alt = alt or f"{len(points)} captions as points of a plane, coloured by {', '.join(shown)}"
    return picture


def word_maps(
    images: Tensor,
    words: Sequence[str],
    maps: Tensor,
    *,
    names: Sequence[str] | None = None,
    own_scale: bool = False,
    scale: float = 0.72,
    alt: str = "",
) -> Picture:
    """Where an image looks at each word: images (R, C, H, W), each followed by its maps (R, L, h, w), bright where much.

    All maps of one row have one scale, from 0 to the row's largest value; with own_scale each has its own, from its least value to its
    largest, and its mean is written below.
    """
    images, maps = _images(images), maps.detach().float().cpu()
    R, L = maps.shape[:2]
    if len(words) != L or len(images) != R:
        raise ValueError(f"maps must be ({len(images)}, {len(words)}, h, w), got {tuple(maps.shape)}")
    with style():
        room = max(0.2, 0.085 * max(map(len, names))) if names else 0
        height = R * (scale + 0.2 * own_scale) + 0.35
        picture, axes = canvas((L + 1.15) * scale + room, height, columns=L + 1, rows=R, squeeze=False)
        for r in range(R):
            axes[r][0].imshow(images[r].permute(1, 2, 0).expand(-1, -1, 3).numpy(), interpolation="nearest")
            for j, values in enumerate(maps[r]):
                low, high = (values.min(), values.max()) if own_scale else (0, maps[r].max())
                axes[r][j + 1].imshow(
                    values.numpy(), cmap="gray", vmin=float(low), vmax=float(high), interpolation="nearest"
                )
                if own_scale:
                    axes[r][j + 1].set_xlabel(f"{values.mean():.0%}", fontsize=7, labelpad=1)
            if names:
                axes[r][0].set_ylabel(names[r], fontsize=8)
        for ax in axes.flat:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set(visible=True, color="0.7", linewidth=0.5)
        for j, text in enumerate(words):
            axes[0][j + 1].set_title(text, fontsize=7.5)
    picture.colours = 64 if images.shape[1] == 3 else 48
    picture.alt = alt or f"{R} images, and for each word ({', '.join(words)}) a map of where it is looked at"
    return picture


def condition_unet(parts: Sequence[Any], inputs: Sequence[Any], text: Sequence[int], *, alt: str = "") -> Picture:
    """A text-conditional U-Net as a U: parts as `cost.blocks` lists them, its `inputs` shape (B, C, H, W) and its `text` (L, D).

    In each box the shape that comes out and the parameters. Blocks with cross-attention are filled, and the text goes to these.
    """
    named = {part.name: part for part in parts}
    down = sorted((n for n in named if n.startswith("down_blocks")), key=lambda n: int(n.split(".")[1]))
    up = sorted((n for n in named if n.startswith("up_blocks")), key=lambda n: int(n.split(".")[1]))
    D, half = len(down), 2.6
    places = {"conv_in": (-half - 0.55 * D, 0.0), "conv_out": (half + 0.55 * D, 0.0), "mid_block": (0.0, -D - 0.75)}
    places |= {name: (-half - 0.55 * (D - 1 - i) + 0.2, -i - 0.85) for i, name in enumerate(down)}
    places |= {name: (half + 0.55 * i - 0.2, -(D - 1 - i) - 0.85) for i, name in enumerate(up)}
    wide = half + 0.55 * D

    def size(shape: Sequence[int]) -> str:
        return "×".join(map(str, shape))

    with style():
        picture, ax = canvas(8.6, 0.62 * (D + 3.2))
        way = ["conv_in", *down, "mid_block", *up, "conv_out"]
        for name, after in pairwise(way):
            _arrow(ax, places[name], places[after], shrinkA=14, shrinkB=14)
        for a, b in zip(down, reversed(up), strict=True):
            (x0, y), (x1, _) = places[a], places[b]
            _arrow(ax, (x0 + 0.95, y), (x1 - 0.95, y), AIM, linestyle="--")
        for name in way:
            part = named[name]
            fill, colour = ("#DCEBF7", REVERSE) if part.attention else ("white", "0.5")
            count = part.parameters
            count = f"{count / 1e6:.3g} M" if count > 999_999 else f"{count / 1e3:.3g} k"
            label = f"{name}\n{size(part.shape[1:])},  {count}"
            _box(ax, *places[name], label, colour, fill=fill, size=7.5)
        for x, text_, name, side in (
            (-wide, f"noisy latents $x_t$\n{size(inputs[1:])}", "conv_in", 1),
            (wide, f"predicted noise $\\epsilon_\\theta$\n{size(named['conv_out'].shape[1:])}", "conv_out", -1),
        ):
            ax.text(x, 1.15, text_, ha="center", va="center", fontsize=9)
            x0, y0 = places[name]
            _arrow(ax, *(((x, 0.8), (x0, y0 + 0.35)) if side > 0 else ((x0, y0 + 0.35), (x, 0.8))))
        _box(ax, -0.95, 0.75, "time $t$\ninto every residual block", "0.5", size=8)
        _box(ax, 0.95, -0.25, f"text $c$, {size(text)}\ninto the blue blocks", REVERSE, fill="#DCEBF7", size=8)
        ax.text(0, -1.25, "skips (green)", ha="center", va="bottom", color=AIM, fontsize=8)
        ax.set(xlim=(-wide - 1.1, wide + 1.1), ylim=(-D - 1.35, 1.6))
        ax.set_axis_off()
    listed = ", ".join(f"{n} {size(named[n].shape[1:])}{' with text' if named[n].attention else ''}" for n in way)
    picture.alt = alt or (
        f"The U-Net: noisy latents {size(inputs[1:])}, a time and a text {size(text)} go in, the predicted noise comes out. {listed}"
    )
    return picture


def unet_call(x: Tensor, t: float, words: Sequence[str], eps: Tensor, *, alt: str = "") -> Picture:
    """One call of a U-Net with what goes in and what comes out: noisy latents x (C, h, w), time t, words; predicted noise (C, h, w)."""
    with style():
        picture, axes = canvas(7.6, 1.9, columns=3, width_ratios=(1, 1.15, 1))
        for ax, latents, title in ((axes[0], x, "in: noisy latents"), (axes[2], eps, "out: predicted noise")):
            C, H, W = latents.shape
            rows = 2 if C > 1 else 1
            page = torch.full((rows * (H + 1) - 1, math.ceil(C / rows) * (W + 1) - 1), torch.nan)
            for i, channel in enumerate(latents.detach().float().cpu()):
                top, left = i // math.ceil(C / rows) * (H + 1), i % math.ceil(C / rows) * (W + 1)
                page[top : top + H, left : left + W] = channel
            ax.imshow(page.numpy(), cmap="gray", vmin=-3, vmax=3, interpolation="nearest")
            ax.set(title=f"{title}\n{C} channels, {H}×{W}", xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        ax = axes[1]
        _box(ax, 0, 0, "U-Net\n$\\epsilon_\\theta(x_t,\\,t,\\,c)$", REVERSE, fill="#DCEBF7", size=10)
        _arrow(ax, (-1, 0), (-0.5, 0))
        _arrow(ax, (0.5, 0), (1, 0))
        _arrow(ax, (0, 0.85), (0, 0.42))
        _arrow(ax, (0, -0.85), (0, -0.42))
        ax.text(0, 0.9, f"in: time t = {t:g}", ha="center", va="bottom", fontsize=8.5)
        told = "\n".join(textwrap.wrap(" ".join(words), 34))
        ax.text(0, -0.9, f"in: the text, {len(words)} tokens\n{told}", ha="center", va="top", fontsize=7.5)
        ax.set(xlim=(-1.05, 1.05), ylim=(-1.75, 1.2))
        ax.set_axis_off()
    picture.alt = (
        alt
        or f"a U-Net gets noisy latents, the time {t:g} and the text “{' '.join(words)}”, and gives the predicted noise"
    )
    return picture


def text_to_image(alt: str = "") -> Picture:
    """The whole of latent diffusion as boxes: prompt, CLIP, cross-attention, the chain z_T to z_0 with its time, decoder, image."""
    with style():
        picture, ax = canvas(8.4, 2.6)
        blue = "#DCEBF7"
        _box(ax, 0.3, 2.0, "prompt", "0.5")
        _box(ax, 2.0, 2.0, "tokenizer", "0.5")
        _box(ax, 4.1, 2.0, "CLIP text encoder\nL × D numbers", REVERSE, fill=blue)
        for x0, x1 in ((0.72, 1.42), (2.55, 3.1)):
            _arrow(ax, (x0, 2.0), (x1, 2.0))
        names = ("$z_T$", "$z_{T-1}$", "…", "$z_1$", "$z_0$")
        xs = (0.4, 2.45, 4.25, 6.05, 7.85)
        for x, name in zip(xs, names, strict=True):
            ax.text(x, 0.3, name, ha="center", va="center", fontsize=11)
        for i, (a, b) in enumerate(pairwise(xs)):
            middle = (a + b) / 2
            _arrow(ax, (a + 0.3, 0.3), (b - 0.35, 0.3))
            _box(ax, middle, 0.3, "U-Net", REVERSE, fill=blue, size=7.5)
            _arrow(ax, (4.1, 1.62), (middle, 0.55), REVERSE, linewidth=0.8)
            _arrow(ax, (middle, -0.42), (middle, 0.06), "0.5")
            ax.text(middle, -0.48, ("t = T", "t = T − 1", "…", "t = 1")[i], ha="center", va="top", fontsize=8)
        ax.text(5.35, 1.42, "cross-attention, in every call", color=REVERSE, fontsize=8.5, ha="left", va="center")
        ax.text(0.4, 0.02, "noise", ha="center", va="top", fontsize=8, color="0.4")
        _arrow(ax, (8.15, 0.3), (8.75, 0.3))
        _box(ax, 9.3, 0.3, "VAE\ndecoder", FORWARD)
        _arrow(ax, (9.3, 0.75), (9.3, 1.5))
        _box(ax, 9.3, 1.9, "image", "0.5")
        ax.text(0.1, -0.95, "time embedding (below): each call is told how noisy its input is", fontsize=8, color="0.4")
        ax.set(xlim=(-0.3, 9.9), ylim=(-1.15, 2.45))
        ax.set_axis_off()
    picture.alt = alt or (
        "Boxes: a prompt goes through tokenizer and CLIP's text encoder; its numbers reach every call of the U-Net by cross-attention. "
        "The calls lead from noise z_T to z_0, each told its time; the VAE's decoder turns z_0 into an image."
    )
    return picture


def found(
    tokens: Sequence[str],
    bars: Mapping[str, Sequence[float]],
    images: Tensor,
    titles: Sequence[str],
    *,
    title: str = "",
    alt: str = "",
) -> Picture:
    """Tokens of a caption with bars {name: one value a token}, and the images (K, C, H, W) that were found, with a title each."""
    images = _images(images)
    names, n = list(bars), len(tokens)
    with style():
        picture = Picture(figsize=(8.4, max(2.9, 0.2 * n + 1.0)), dpi=100, layout="constrained")
        FigureCanvasAgg(picture)
        left, right = picture.subfigures(1, 2, width_ratios=(1.25, 1))
        axes = left.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for i, (ax, name) in enumerate(zip(axes, names, strict=True)):
            ax.barh(range(n), list(bars[name]), color=COLOURS[i], height=0.7)
            ax.axvline(0, color="0.4", linewidth=0.8, linestyle="-")
            ax.set_title(name, fontsize=8)
            ax.locator_params(axis="x", nbins=4)
        axes[0].set_yticks(range(n), tokens)
        axes[0].set_ylim(n - 0.4, -0.6)
        grid = right.subplots(2, math.ceil(len(images) / 2), squeeze=False)
        for ax in grid.flat[len(images) :]:
            ax.set_axis_off()
        for ax, image, text in zip(grid.flat, images, titles, strict=False):
            ax.imshow(image.permute(1, 2, 0).expand(-1, -1, 3).numpy(), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.set_title(text, fontsize=8)
            ax.spines[:].set(visible=True, color="0.6", linewidth=0.6)
        if title:
            picture.suptitle(title, fontsize=9)
    picture.colours = 256
    picture.alt = (
        alt or f"{', '.join(names)} for the tokens {', '.join(tokens)}; the {len(images)} images that fit best"
    )
    return picture


# -- lesson 05c -------------------------------------------------------------------------------------------------------


def objectives(alt: str = "") -> Picture:
    """The pixel objective, the latent one and the one with a prompt, a row each: what is new in each row is coloured."""
    expect, square = r"$E_{\,%s,\ \epsilon,\ t}$", r"$\|\,\epsilon-\epsilon_\theta(%s,\ t%s)\,\|^2$"
    rows = (
        ("pixels", r"$L_{DM}\ =$", "x", "x_t", "", "x: a picture"),
        ("latents", r"$L_{LDM}\ =$", r"\mathcal{E}(x)", "z_t", "", "$\\mathcal{E}$: encoder; z = $\\mathcal{E}(x)$"),
        (
            "with a prompt",
            r"$L_{LDM}\ =$",
            r"\mathcal{E}(x),\ y",
            "z_t",
            r",\ \tau_\theta(y)",
            "y: prompt; τ: reads it",
        ),
    )
    with style():
        picture, ax = canvas(7.8, 1.9)
        for i, (name, left, over, noisy, given, where) in enumerate(rows):
            y, colour = -i, ("0.35", FORWARD, REVERSE)[i]
            ax.axhspan(y - 0.42, y + 0.42, color=colour, alpha=0.13, linewidth=0)
            ax.text(0.015, y, name, va="center", fontsize=9, color=colour, fontweight="bold")
            ax.text(0.17, y, left, va="center", fontsize=12)
            ax.text(0.27, y, expect % over, va="center", fontsize=12, color=colour)
            ax.text(0.45, y, square % (noisy, given), va="center", fontsize=12)
            ax.text(0.985, y, where, va="center", ha="right", fontsize=8.5, color="0.3")
        ax.set(xlim=(0, 1), ylim=(-2.5, 0.5))
        ax.set_axis_off()
    picture.colours = 64
    picture.alt = alt or (
        "Three objectives, each a mean squared error of predicted noise over pictures, noises and times. Pixels: the picture x is noised. "
        "Latents: its encoding is. With a prompt: the network is also given the prompt y, read by the text encoder tau."
    )
    return picture


def ldm_map(alt: str = "") -> Picture:
    """Latent diffusion with its conditioning (Rombach et al. 2022, figure 3): pixel space, latent space, conditions and their two doors."""
    blue = "#DCEBF7"
    with style():
        picture, ax = canvas(8.8, 3.3)
        for left, right, colour, name in (
            (-0.45, 2.55, FORWARD, "pixel space"),
            (2.7, 8.05, AIM, "latent space"),
            (8.2, 10.6, REVERSE, "conditioning"),
        ):
            ax.add_patch(Rectangle((left, -0.75), right - left, 3.75, facecolor=colour, alpha=0.08, edgecolor="none"))
            ax.text(
                (left + right) / 2, 2.78, name, ha="center", va="center", fontsize=9, color=colour, fontweight="bold"
            )
        for y, image, part in (
            (2.1, "image $x$", "encoder $\\mathcal{E}$"),
            (0.3, "image $\\hat x$", "decoder $\\mathcal{D}$"),
        ):
            ax.text(0.1, y, image, ha="center", va="center", fontsize=9.5)
            _box(ax, 1.75, y, part, FORWARD)
        _arrow(ax, (0.55, 2.1), (1.1, 2.1))
        _arrow(ax, (2.4, 2.1), (3.0, 2.1))
        _arrow(ax, (1.1, 0.3), (0.55, 0.3))
        _arrow(ax, (3.0, 0.3), (2.4, 0.3))
        for x, y, name in ((3.25, 2.1, "$z$"), (7.7, 2.1, "$z_T$"), (3.25, 0.3, "$\\hat z$"), (7.7, 0.3, "$z_T$")):
            ax.text(x, y, name, ha="center", va="center", fontsize=11)
        _arrow(ax, (3.5, 2.1), (7.4, 2.1), FORWARD)
        ax.text(5.45, 2.2, "noising: one cheap jump to any $z_t$", ha="center", va="bottom", fontsize=8, color=FORWARD)
        _arrow(ax, (7.7, 1.85), (7.7, 0.55), "0.5", linestyle=":")
        _arrow(ax, (7.4, 0.3), (6.65, 0.3), REVERSE)
        _arrow(ax, (4.25, 0.3), (3.5, 0.3), REVERSE)
        _box(
            ax,
            5.45,
            0.3,
            "denoising U-Net $\\epsilon_\\theta$\nResNet blocks, skips,\ncross-attention",
            REVERSE,
            fill=blue,
            size=8,
        )
        loop = {"connectionstyle": "arc3,rad=-0.9", "shrinkA": 2, "shrinkB": 2}
        _arrow(ax, (4.9, 0.85), (6.0, 0.85), REVERSE, **loop)
        ax.text(5.45, 1.5, "at every step", ha="center", va="center", fontsize=8, color=REVERSE)
        ax.text(9.4, 2.3, "text, classes,\nmaps, images", ha="center", va="center", fontsize=8.5)
        _arrow(ax, (9.4, 1.95), (9.4, 1.6))
        _box(ax, 9.4, 1.3, "encoder $\\tau_\\theta$", REVERSE, fill=blue)
        _arrow(ax, (9.4, 1.0), (9.4, 0.65))
        _box(ax, 9.4, 0.35, "switch", "0.5")
        _arrow(ax, (8.95, 0.35), (7.98, 0.35), AIM, linestyle="--")
        ax.text(8.42, 0.44, "concat", ha="center", va="bottom", fontsize=8, color=AIM)
        ax.plot([9.4, 9.4, 5.45], [0.08, -0.5, -0.5], "-", color=REVERSE, linewidth=1)
        _arrow(ax, (5.45, -0.5), (5.45, -0.22), REVERSE)
        ax.text(7.3, -0.45, "cross-attention", ha="center", va="bottom", fontsize=8, color=REVERSE)
        ax.set(xlim=(-0.5, 10.65), ylim=(-0.8, 3.05))
        ax.set_axis_off()
    picture.colours = 64
    picture.alt = alt or (
        "Three fields. Pixel space: image x goes through encoder E; decoder D gives the new image. Latent space: z is noised in one jump "
        "to z_T, a U-Net with skips and cross-attention leads back, step by step. Conditioning: text, classes, maps or images go through "
        "an encoder tau to a switch with two ways: concatenated with the noisy latent (dashed), or into the cross-attention of the U-Net."
    )
    return picture


LDM_PAPER = (  # FID on MS-COCO, 256x256, and millions of parameters: Rombach et al. 2022, table 2
    ("CogView", 27.10, 4000),
    ("LAFITE", 26.94, 75),
    ("GLIDE", 12.24, 6000),
    ("Make-A-Scene", 11.84, 4000),
    ("LDM-KL-8", 23.31, 1450),
    ("LDM-KL-8, guided", 12.63, 1450),
)
LDM_LABELS = {  # where a name stands beside its mark, where to the right of it is no room
    "CogView": (0.88, 0.0, "right"),
    "LDM-KL-8, guided": (0.88, 0.0, "right"),
    "GLIDE": (1.0, 1.3, "center"),
    "Make-A-Scene": (1.0, -1.4, "center"),
}


def ldm_results(alt: str = "") -> Picture:
    """Text-to-image results of the latent-diffusion paper: FID on MS-COCO (less is better) against the number of parameters."""
    with style():
        picture, ax = canvas(5.4, 2.8)
        for name, fid, millions in LDM_PAPER:
            ours = name.startswith("LDM")
            colour, mark = (COLOURS[1], "D") if ours else (COLOURS[0], "o")
            ax.plot([millions], [fid], mark, color=colour, markersize=6)
            dx, dy, ha = LDM_LABELS.get(name, (1.13, 0.0, "left"))
            ax.text(millions * dx, fid + dy, name, ha=ha, va="center", fontsize=8)
        places = {name: (millions, fid) for name, fid, millions in LDM_PAPER}
        _arrow(ax, places["LDM-KL-8"], places["LDM-KL-8, guided"], COLOURS[1], shrinkA=7, shrinkB=7)
        ax.set(xlabel="parameters, millions", ylabel="FID on MS-COCO", xlim=(50, 12_000), ylim=(8, 30))
        ax.set_xscale("log")
    told = "; ".join(f"{name} {fid:g} with {millions:,} million" for name, fid, millions in LDM_PAPER)
    picture.alt = alt or f"FID on MS-COCO and parameters of text-to-image models (Rombach et al. 2022, table 2): {told}"
    return picture


def costs(rows: Mapping[str, tuple[float, float]], names: tuple[str, str], *, alt: str = "") -> Picture:
    """What two ways cost, {what: (first, second)}: bars of their ratio to the first, which is 1, on a logarithmic axis."""
    with style():
        picture, ax = canvas(7.4, 0.42 * len(rows) + 0.95)
        for i, (first, second) in enumerate(rows.values()):
            if not (first > 0 and second > 0):
                raise ValueError(f"rows must hold positive numbers, got {(first, second)}")
            for k, (value, colour) in enumerate(((first, COLOURS[0]), (second, COLOURS[1]))):
                y = i + (k - 0.5) * 0.36
                ax.barh(y, value / first - 0.5, left=0.5, height=0.32, color=colour, label=names[k] if i == 0 else None)
                ax.text(max(value / first, 0.5) * 1.12, y, f"×{value / first:.3g}", va="center", fontsize=8)
        most = max(b / a for a, b in rows.values())
        ax.set(xlim=(0.5, max(4.0, 3 * most)), xlabel=f"times {names[0]}")
        ax.set_xscale("log")
        ax.set_yticks(range(len(rows)), list(rows))
        ax.invert_yaxis()
        ax.legend(**BESIDE)
    told = ", ".join(f"{what}: {second / first:.3g} times" for what, (first, second) in rows.items())
    picture.alt = alt or f"{names[1]} in comparison with {names[0]}: {told}"
    return picture


def accuracies(
    shares: Mapping[str, Mapping[str, float]], wanted: Mapping[str, float] | None = None, *, n: int = 0, alt: str = ""
) -> Picture:
    """Shares {series: {attribute: share}} as points, a column an attribute; wanted {attribute: share} as lines; n: pictures behind each."""
    columns = list(next(iter(shares.values())))
    with style():
        picture, ax = canvas(6.8, 2.7)
        for i, (name, row) in enumerate(shares.items()):
            xs = [k + (i - (len(shares) - 1) / 2) * 0.16 for k in range(len(columns))]
            ys = [row[c] for c in columns]
            se = [(max(y * (1 - min(y, 1)), 0) / n) ** 0.5 if n else 0 for y in ys]
            ax.errorbar(
                xs,
                ys,
                se,
                label=name,
                color=COLOURS[i % 7],
                marker="os^Dv*P"[i % 7],
                linestyle="none",
                markersize=5,
                capsize=2,
            )
        for k, c in enumerate(columns):
            if wanted and c in wanted:
                ax.plot([k - 0.4, k + 0.4], [wanted[c]] * 2, "-", color="0.45", linewidth=1.2)
        ax.axhline(1, color="0.8", linestyle="-", linewidth=0.8, zorder=0)
        ax.set_xticks(range(len(columns)), columns)
        low = min([*(v for row in shares.values() for v in row.values()), *(wanted or {}).values()])
        ax.set(ylabel="share, of the ceiling", ylim=(max(0.0, low - 0.06), None))
        ax.legend(**BESIDE)
    told = "; ".join(f"{name}: " + ", ".join(f"{c} {row[c]:.1%}" for c in columns) for name, row in shares.items())
    picture.alt = alt or f"Prompt accuracy relative to the ceiling. {told}" + (
        f". Wanted: {', '.join(f'{c} {v:.0%}' for c, v in wanted.items())}" if wanted else ""
    )
    return picture


def prompted(images: Tensor, told: Sequence[str], path: Tensor, title: str, alt: str) -> Picture:
    """Pictures (N, 3, H, W) with a line below each, and above them how the first one came to be: guesses (K, 3, H, W)."""
    images, path = _images(images), _images(path)
    with style():
        picture = Picture(figsize=(6.0, 2.9), dpi=100, layout="constrained")
        FigureCanvasAgg(picture)
        page = picture.add_gridspec(2, 1, height_ratios=(1, 2.1))
        for row, (pictures, texts) in enumerate(((path, [""] * len(path)), (images, told))):
            inner = page[row].subgridspec(1, len(pictures))
            for i, (image, text) in enumerate(zip(pictures, texts, strict=True)):
                ax = picture.add_subplot(inner[i])
                ax.imshow(image.permute(1, 2, 0).expand(-1, -1, 3).numpy(), interpolation="nearest")
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set(visible=True, color="0.6", linewidth=0.6)
                if text:
                    ax.set_xlabel(text, fontsize=8)
                if row == 0 and i in (0, len(pictures) - 1):
                    ax.set_title("first guess" if i == 0 else "last", fontsize=8)
        picture.suptitle(title, fontsize=9)
    picture.colours = 96
    picture.alt = alt
    return picture


# -- lesson 06 --------------------------------------------------------------------------------------------------------


def measured(
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]]],
    *,
    x: str = "guidance w",
    mark: float | None = None,
    levels: Mapping[str, float] | None = None,
    log: Collection[str] = (),
    alt: str = "",
) -> Picture:
    """Measured values with error bars, a panel each: {what: {name: (xs, values, standard errors)}}.

    mark: a place on the x axis shown by a line in every panel. levels: {what: value} of panels that get a horizontal line, their best.
    log: the panels with a logarithmic axis.
    """
    if not panels:
        raise ValueError("panels must hold at least one, got none")
    with style():
        several = max(map(len, panels.values())) > 1
        picture, axes = canvas(2.6 * len(panels) + (1.8 if several else 0.4), 2.6, columns=len(panels), squeeze=False)
        for ax, (what, series) in zip(axes.flat, panels.items(), strict=True):
            for i, (name, (xs, values, se)) in enumerate(series.items()):
                ax.errorbar(
                    np.asarray(xs, dtype=float),
                    np.asarray(values, dtype=float),
                    [0.0 if e is None else e for e in se],
                    label=name,
                    marker="os^Dv*P"[i % 7],
                    markersize=4,
                    capsize=2,
                    color=COLOURS[i % 7],
                    linestyle=LINES[i % 7],
                )
            if levels and what in levels:
                ax.axhline(levels[what], color="0.5", linestyle="-", linewidth=0.8)
            if mark is not None:
                ax.axvline(mark, color="0.5", linestyle="-", linewidth=1)
            ax.set(xlabel=x, title=what)
            if what in log:
                _log_axis(ax)
        if len(series) > 1:
            ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
    told = [
        f"{what}: " + "; ".join(f"{name} {', '.join(f'{v:.3g}' for v in of[1])}" for name, of in series.items())
        for what, series in panels.items()
    ]
    picture.alt = alt or f"against {x}, " + ". ".join(told)
    return picture


def _log_axis(ax: Axes) -> None:
    """A logarithmic y axis whose ticks are plain numbers: 1, 2, 5, 10."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()


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
    images = _images(images)
    with style():
        picture = Picture(figsize=(6.4, 3.1), dpi=100, layout="constrained")
        FigureCanvasAgg(picture)
        grid_of = picture.add_gridspec(2, len(panels), height_ratios=(1, 2.2))
        _mosaic(picture.add_subplot(grid_of[0, :]), images, 1, len(images), 1)
        for i, (what, (scales, values)) in enumerate(panels.items()):
            ax = picture.add_subplot(grid_of[1, i])
            ax.plot(scales, values, marker="o", markersize=3)
            ax.axvline(w, color="0.5", linestyle="-", linewidth=1)
            if w in scales:
                ax.plot([w], [values[list(scales).index(w)]], marker="o", markersize=8, color=COLOURS[1])
            ax.set(title=what, xlabel="guidance w")
            if what in log:
                _log_axis(ax)
        picture.suptitle(title, fontsize=9)
    picture.alt = alt
    return picture
