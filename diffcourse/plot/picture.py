"""What every figure stands on: `Picture`, the course's style and colours, and small drawings on axes.

Colours are Okabe and Ito's, told apart by colour-blind readers, and line styles differ as well. What draws on axes (`draw_box`, `log_axis`
and so on) is for the modules beside this one; `diffcourse.plot` does not hand it on.
"""

import base64
import io
import reprlib
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import LogLocator
from torch import Tensor

from diffcourse.checks import number, whole

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

METHODS = {  # one colour and one marker for one method, in every figure of the course
    "DDPM": ("#000000", "s"),
    "DDIM": ("#0072B2", "o"),
    "Heun": ("#D55E00", "^"),
    "LMS": ("#009E73", "D"),
    "DPM++": ("#CC79A7", "v"),
    "DPM++ SDE": ("#E69F00", "P"),
}
SAME_METHOD = {  # other names of the same function, or of the same family
    "DDIM(1)": "DDPM",
    "Euler a": "DDPM",
    "DDIM(0)": "DDIM",
    "Euler": "DDIM",
    "DPM-Solver++": "DPM++",
    "DPM++(2M)": "DPM++",
    "DPM++(2M) SDE": "DPM++ SDE",
}
MOST = 400  # inches: beyond 655 a figure of 100 dots an inch cannot be drawn
CLASSES = (*COLOURS, "#882255", "#999933", "#7F7F7F")  # for the ten digits; every mark is also the digit itself
FORWARD, REVERSE, AIM = COLOURS[1], COLOURS[0], COLOURS[2]  # the two chains and the objective, from lesson 02 on
ENCODE, UNET, TEXT = COLOURS[:3]  # the parts of a latent diffusion model
PALE = "#DCEBF7"  # fills what is REVERSE, the networks of a chart


class Picture(Figure):
    """A figure that notebooks show by itself, without pyplot, with its `alt` text for screen readers and text-only pages."""

    alt: str = "a figure"
    colours: int = 16  # in the PNG: enough for curves, letters and greys; colour images take 256

    def png(self) -> bytes:
        """The picture as a PNG file, of few colours: noise does not compress, and lessons have to stay small."""
        from PIL import Image, PngImagePlugin

        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        image = Image.open(buffer).convert("RGB")
        if self.colours < 48:
            image = image.quantize(palette=_palette(image, self.colours), dither=Image.Dither.NONE)
        else:
            image = few_colours(image, self.colours)
        info = PngImagePlugin.PngInfo()
        info.add_itxt("Description", self.alt)
        buffer = io.BytesIO()
        image.save(buffer, format="png", optimize=True, pnginfo=info, dpi=(self.dpi, self.dpi))
        return buffer.getvalue()

    def _repr_mimebundle_(self, include=None, exclude=None):
        return bundle(self.png(), self.alt)


def bundle(png: bytes, alt: str) -> tuple[dict, dict]:
    """What a notebook shows of a PNG file, and its words."""
    content = {"image/png": base64.b64encode(png).decode(), "text/plain": f"[picture: {alt}]"}
    return content, {"image/png": {"alt": alt}}


def few_colours(image: Any, colours: int) -> Any:
    """A picture of PIL in so many colours, its white left white."""
    from PIL import Image

    image = image.quantize(colours, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    palette = np.asarray(image.getpalette()).reshape(-1, 3)
    if (lightest := palette[palette.min(1).argmax()]).min() > 240:
        lightest[:] = 255  # few colours would turn the page grey
    image.putpalette(palette.ravel().tolist())
    return image


def _palette(image: Any, colours: int) -> Any:
    """Few colours for a chart: those that the course uses, and what fills much of it. Edges take the nearest, as rare colours cost bytes.

    Greys are evenly spaced: as many as fit where the chart holds grey images, four where they are but the edges of letters.
    """
    from PIL import Image

    counted, pixels = image.getcolors(image.width * image.height), image.width * image.height
    house = [tuple(bytes.fromhex(colour[1:])) for colour in COLOURS]
    used = [colour for n, colour in counted if colour in house and n > 20 and max(colour)]
    between = sum(n for n, colour in counted if min(colour) == max(colour) and 0 < colour[0] < 255)
    coloured = any(min(colour) < max(colour) for _, colour in counted)
    greys = 4 if coloured and between < 0.1 * pixels else max(2, colours - len(used))
    steps = np.linspace(255, 0, min(greys, colours)).round().astype(int).tolist()
    kept = (
        [(grey, grey, grey) for grey in steps] + used if len(counted) > colours else [colour for _, colour in counted]
    )
    for n, colour in sorted(counted, reverse=True):
        if len(kept) >= colours or n < 100:
            break
        fills = max(colour) - min(colour) > 2 or n > 0.02 * pixels
        if fills and all(sum(abs(a - b) for a, b in zip(colour, other, strict=True)) > 14 for other in kept):
            kept.append(colour)
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for colour in (kept[:colours] + kept[:1] * 256)[:256] for value in colour])
    return palette


@contextmanager
def style():
    """The look of the course's figures, for figures of your own: `with plot.style(): ...`."""
    with matplotlib.rc_context(STYLE):
        yield


def canvas(
    width: float = 6.0, height: float = 3.0, columns: int = 1, rows: int = 1, *, alt: str = "a figure", **kwargs: Any
) -> tuple[Picture, Any]:
    """An empty picture of width x height inches and its axes (one, or an array): call it inside `with style():`."""
    for name, inches in (("width", width), ("height", height)):
        if number(name, inches, above=0) > MOST:
            raise ValueError(f"{name} must be {MOST} inches at most, got {inches:g}: show less at once")
    whole("columns", columns, 1), whole("rows", rows, 1)
    picture = Picture(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(picture)
    picture.alt = alt
    return picture, picture.subplots(rows, columns, **kwargs)


def look(name: str, i: int = 0) -> dict[str, Any]:
    """How matplotlib draws a series: a method of `METHODS` as everywhere, any other name as the i-th of the course's looks.

    What follows a comma is a variant of the method, as in "DDPM, Karras rho=7": the method's colour and marker, hollow, and a broken line.
    """
    method, _, variant = str(name).partition(", ")
    method = SAME_METHOD.get(method, method)
    if method not in METHODS:
        return {"color": COLOURS[i % 7], "marker": "os^Dv*P"[i % 7], "linestyle": LINES[i % 7]}
    colour, marker = METHODS[method]
    if not variant:
        return {"color": colour, "marker": marker, "linestyle": "-"}
    line = ":" if variant == "Karras rho=3" else "--"
    return {"color": colour, "marker": marker, "linestyle": line, "markerfacecolor": "white"}


def word(text: str) -> str:
    """A token's text as figures show it: without the mark of a word's end, start and end short."""
    return {"<|startoftext|>": "start", "<|endoftext|>": "end"}.get(text, text.replace("</w>", "")) or "␣"


def draw_box(ax: Axes, x: float, y: float, text: str, colour: str, *, fill: str = "white", size: float = 8.5) -> None:
    """Text in a box with round corners, its middle at (x, y)."""
    box = {"boxstyle": "round,pad=0.35", "facecolor": fill, "edgecolor": colour}
    ax.text(x, y, text, ha="center", va="center", fontsize=size, bbox=box, zorder=3)


def draw_field(
    ax: Axes,
    left: float,
    right: float,
    low: float,
    high: float,
    colour: str,
    name: str,
    at: tuple[float, float],
    ha: str = "center",
) -> None:
    """A pale field from (left, low) to (right, high) behind what belongs together, its name at `at`, in its colour."""
    ax.add_patch(Rectangle((left, low), right - left, high - low, facecolor=colour, alpha=0.08, edgecolor="none"))
    ax.text(*at, name, ha=ha, va="center", fontsize=9, color=colour, fontweight="bold")


def draw_arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "0.5", **how: Any) -> None:
    """An arrow from start to end; `how` goes to matplotlib's `FancyArrowPatch`."""
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": 1, "shrinkA": 0, "shrinkB": 0, **how}
    ax.annotate("", end, start, arrowprops=look)


def draw_way(
    ax: Axes, *places: tuple[float, float], colour: str = "0.5", label: str = "", above: float = 0.07, **how: Any
) -> None:
    """An arrow round corners, through all places, and a label over the middle of its last part."""
    line = {"color": colour, "linewidth": 1, "linestyle": how.get("linestyle", "-")}
    if len(places) > 2:
        ax.plot(*zip(*places[:-1], strict=True), solid_capstyle="butt", **line)
    (x0, y0), (x1, y1) = places[-2:]
    draw_arrow(ax, (x0, y0), (x1, y1), colour, **how)
    if label:
        ax.text((x0 + x1) / 2, (y0 + y1) / 2 + above, label, ha="center", va="bottom", fontsize=8, color="0.25")


def logarithmic(ax: Axes, which: str) -> None:
    """Make the axes named by `which` logarithmic: "x", "y", "xy" or none."""
    if which not in ("", "x", "y", "xy", "yx"):
        raise ValueError(f"log must be 'x', 'y', 'xy' or '', got {which!r}")
    if "x" in which:
        ax.set_xscale("log")
    if "y" in which:
        ax.set_yscale("log")


def log_axis(ax: Axes) -> None:
    """A logarithmic y axis whose ticks are plain numbers: 1, 2, 5, 10."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()


def ticks_at(ax: Axes, values: Sequence[float], most: int = 8) -> None:
    """Plain numbers below a logarithmic axis, at the values themselves."""
    values = sorted(set(values))
    chosen = [values[i] for i in np.unique(np.linspace(0, len(values) - 1, min(most, len(values))).round().astype(int))]
    ax.set_xticks(chosen, [f"{v:g}" for v in chosen])
    ax.minorticks_off()


# -- what came in -----------------------------------------------------------------------------------------------------


def to_numbers(name: str, values: Any, most: int = 1) -> np.ndarray:
    """Finite real numbers from any sequence, array or tensor, at least one, in at most `most` dimensions; those of size 1 do not count."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        values = (values.float() if values.dtype == torch.bfloat16 else values).numpy()
    elif isinstance(values, str) or not hasattr(values, "__iter__"):
        raise TypeError(f"{name} must be numbers in a row, got {values!r}")
    try:
        found = np.asarray(values if isinstance(values, np.ndarray) else [_plain(value) for value in values])
        found = found if found.dtype.kind in "biuf" else found.astype(float)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numbers in a row, got {reprlib.repr(values)}") from error
    if found.ndim > most:
        found = found.reshape([n for n in found.shape if n != 1] or [1])
    if not 1 <= found.ndim <= most or not found.size:
        raise ValueError(
            f"{name} must be numbers in {'a row' if most == 1 else 'rows'}, at least one, got {found.shape}"
        )
    if not np.isfinite(found).all():
        place = np.argwhere(~np.isfinite(found))[0].tolist()
        raise ValueError(f"{name} must be finite, but {name}{place} is {found[tuple(place)]}: leave it out")
    return found


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def to_curve(name: str, pair: Any) -> tuple[np.ndarray, np.ndarray]:
    """xs and ys of one curve: finite, and as many."""
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        came = f"{len(pair)} values" if isinstance(pair, tuple | list) else type(pair).__name__
        raise TypeError(f"{name} must be a pair (xs, ys), got {came}")
    xs, ys = to_numbers(f"xs of {name}", pair[0]), to_numbers(f"ys of {name}", pair[1])
    if len(xs) != len(ys):
        raise ValueError(f"{name} must have as many xs as ys, got {len(xs)} and {len(ys)}")
    return xs, ys


def check_named(name: str, given: Any, what: str) -> dict[str, Any]:
    """A dictionary with at least one entry; names that are numbers become texts."""
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} must be a dictionary {{name: {what}}}, got {type(given).__name__}")
    if not given:
        raise ValueError(f"{name} must hold at least one, got none")
    return {str(key): value for key, value in given.items()}
