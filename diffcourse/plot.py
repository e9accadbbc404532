"""Every figure of the course, as functions that return a `Picture`.

Colours are Okabe and Ito's, told apart by colour-blind readers, and line styles differ as well. Each picture carries alt text, which is
also what a text-only reader sees.
"""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from diffcourse.data import to_uint8
from diffcourse.schedule import DiffusionSchedule
from diffcourse.train import atomic_write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")  # Okabe & Ito 2008
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

    def png(self) -> bytes:
        """The picture as a PNG file."""
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", metadata={"Software": None, "Description": self.alt})
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
    alt: str = "",
) -> Picture:
    """How images change: one row an image, one column a frame. frames: tensors (B, C, H, W) in [-1, 1].

    Of more than `most` frames, evenly spaced ones are shown, first and last among them. titles: one a frame; names: one a row.
    """
    if not len(frames):
        raise ValueError("frames must hold at least one tensor (B, C, H, W)")
    if titles is not None and len(titles) != len(frames):
        raise ValueError(f"titles must hold {len(frames)} texts, one a frame, got {len(titles)}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    images = torch.stack([_images(frames[i]) for i in chosen], dim=1)  # (B, frames, C, H, W)
    B, F, _, H, W = images.shape
    with style():
        picture, ax = canvas(F * scale + 0.1 + (0.6 if names else 0), B * scale + (0.3 if titles else 0.1))
        _mosaic(ax, images.flatten(0, 1), B, F, gap=1)
        _tick(ax, ax.set_xticks, [(i + 0.5) * (W + 1) for i in range(F)], titles and [titles[i] for i in chosen])
        _tick(ax, ax.set_yticks, [(i + 0.5) * (H + 1) for i in range(B)], names)
        ax.xaxis.tick_top()
    picture.alt = alt or f"{B} images in {F} stages" + (f": {', '.join(titles[i] for i in chosen)}" if titles else "")
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
    picture = Image.fromarray(mosaic.squeeze(-1))
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
            ax.legend()
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
