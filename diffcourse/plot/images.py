"""Figures of images for any lesson.

`rows_of_pixels`, `texts`, `mosaic` and `tick_labels` are for the modules beside this one; `diffcourse.plot` does not
hand them on.
"""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from diffcourse.checks import number, whole
from diffcourse.images import check_images, columns_of, tile, to_pixels
from diffcourse.plot.picture import Picture, canvas, style

if TYPE_CHECKING:
    from PIL.Image import Image

FRAME = 178  # the grey of the lines between pictures in colour


def grid(
    images: Tensor,
    columns: int | None = None,
    *,
    titles: Sequence[str] | None = None,
    scale: float = 0.55,
    alt: str = "",
) -> Picture:
    """Images (N, C, H, W) in [-1, 1], clamped, in rows of `columns` (default: about square, at most 10); titles: one an image."""
    images = to_pixels(images)
    columns = columns_of(columns, len(images))
    rows = math.ceil(len(images) / columns)
    titles = texts("titles", titles, len(images), "an image")
    number("scale", scale, above=0)
    with style():
        picture, ax = canvas(columns * scale + 0.1, rows * (scale + (0.2 if titles else 0)) + 0.1)
        gap = round(images.shape[2] * 0.32) if titles else 1
        mosaic(ax, images, rows, columns, gap)
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
    if not isinstance(frames, Tensor | Sequence) or not len(frames):
        came = "none" if isinstance(frames, Sequence) else type(frames).__name__
        raise ValueError(f"frames must hold at least one tensor (B, C, H, W), got {came}")
    whole("most", most, 1), number("scale", scale, above=0)
    titles = texts("titles", titles, len(frames), "a frame")
    chosen = np.unique(np.linspace(0, len(frames) - 1, min(most, len(frames))).round().astype(int))
    shapes = dict.fromkeys(tuple(check_images(frames[i], name=f"frames[{i}]").shape) for i in chosen)
    if len(shapes) > 1:
        raise ValueError(f"frames must all have one shape (B, C, H, W), got {', '.join(map(str, shapes))}")
    names = texts("names", names, len(frames[chosen[0]]), "a row")
    titles = titles and [titles[i] for i in chosen]
    picture, told = rows_of_pixels([to_pixels(frames[i]) for i in chosen], titles, names, scale)
    picture.alt = alt or told
    if colours is not None:
        picture.colours = whole("colours", colours, 2, 256)
    return picture


def rows_of_pixels(
    frames: Sequence[Tensor], titles: Sequence[str] | None, names: Sequence[str] | None, scale: float
) -> tuple[Picture, str]:
    """What `strip` draws, of pixels: frames (B, C, H, W) in uint8; and the same in words."""
    images = torch.stack(list(frames), dim=1)  # (B, N, C, H, W): N frames
    B, N, _, H, W = images.shape
    with style():
        room = max(0.6, 0.1 + 0.085 * max(map(len, names))) if names else 0  # for the names, at the left
        picture, ax = canvas(N * scale + 0.1 + room, B * scale + (0.3 if titles else 0.1))
        mosaic(ax, images.flatten(0, 1), B, N, gap=1)
        tick_labels(ax, ax.set_xticks, [(i + 0.5) * (W + 1) for i in range(N)], titles)
        tick_labels(ax, ax.set_yticks, [(i + 0.5) * (H + 1) for i in range(B)], names)
        ax.xaxis.tick_top()
    return picture, f"{B} images in {N} stages" + (f": {', '.join(titles)}" if titles else "")


def scenes(
    images: Any, captions: Sequence[str] | None = None, columns: int = 6, *, zoom: float = 2.0, alt: str = ""
) -> Picture:
    """Images (N, C, H, W) in [-1, 1], each with its caption below, in rows of `columns`; `Scenes` bring their own captions.

    zoom: screen pixels for a pixel of an image, at the picture's 100 dots an inch.
    """
    if captions is None:
        captions = getattr(images, "captions", None)
    images = to_pixels(getattr(images, "images", images))
    captions = texts("captions", captions, len(images), "an image")
    number("zoom", zoom, above=0)
    N, _, H, W = images.shape
    columns = min(whole("columns", columns, 1), N)
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
            below = {"ha": "center", "va": "top", "fontsize": 8, "linespacing": 1.1, "parse_math": False}  # $5 is $5
            ax.text(x + W / 2, y + H + 0.4 * gap, "\n".join(told[i]), **below)
        ax.set(xlim=(0, width), ylim=(height, 0))
        ax.set_axis_off()
    picture.colours = 256
    picture.alt = alt or f"{N} images" + (f": {'; '.join(captions)}" if captions is not None else "")
    return picture


def pictures(named: Mapping[str, "Image"], *, height: float = 2.4, alt: str = "") -> Picture:
    """PIL pictures {title: picture} of any size, side by side at one height (in inches)."""
    from PIL import Image

    if not isinstance(named, Mapping) or not named or not all(isinstance(v, Image.Image) for v in named.values()):
        came = [type(v).__name__ for v in named.values()] if isinstance(named, Mapping) else type(named).__name__
        raise TypeError(f"named must be PIL pictures {{title: picture}}, at least one, got {came or 'none'}")
    number("height", height, above=0)
    tall = max(1, round(100 * height))
    pages = [
        image.convert("RGB").resize(
            (max(1, round(image.width * tall / image.height)), tall),
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


def texts(name: str, given: Sequence[Any] | None, n: int, each: str) -> list[str] | None:
    """n texts, one for each image, row or frame; numbers become texts. None stays None."""
    if given is None:
        return None
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise TypeError(f"{name} must hold {n} texts, one {each}, got {given!r}")
    if len(given) != n:
        raise ValueError(f"{name} must hold {n} texts, one {each}, got {len(given)}")
    return [str(text) for text in given]


def mosaic(ax: Axes, images: Tensor, rows: int, columns: int, gap: int) -> None:
    """Draw images (N, C, H, W) in uint8 as one page that fills the axes, without ticks; thin grey lines frame those in colour.

    Else a white scene would have no edge on the white page.
    """
    colour = images.shape[1] == 3
    framed = colour and gap == 1 and len(images) == rows * columns
    page = tile(images, rows, columns, gap, ground=FRAME if framed else 255)
    if colour:
        ax.figure.colours = 256
    ax.imshow(page if colour else page[:, :, 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set(visible=framed, color=str(FRAME / 255), linewidth=0.8)


def tick_labels(ax: Axes, set_ticks: Callable[..., Any], places: Sequence[float], labels: Sequence[str] | None) -> None:
    """Names beside rows or below columns, without tick marks; set_ticks: the axes' own `set_xticks` or `set_yticks`."""
    set_ticks(places if labels else [], labels or [])
    ax.tick_params(length=0)
