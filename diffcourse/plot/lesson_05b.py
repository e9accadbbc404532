"""Figures of lesson 05b: tokens, embeddings, CLIP, cross-attention and the text-conditional U-Net."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle
from torch import Tensor

from diffcourse.images import check_latents, check_points, to_pixels
from diffcourse.plot.picture import (
    AIM,
    CLASSES,
    COLOURS,
    FORWARD,
    PALE,
    REVERSE,
    Picture,
    canvas,
    check_named,
    draw_arrow,
    draw_box,
    style,
    to_numbers,
    word,
)


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
            draw_box(ax, i, 2, word(token.text), "0.5" if special else COLOURS[0], fill="0.92" if special else "white")
            draw_arrow(ax, (i, 1.72), (i, 1.3))
        for i, number in enumerate(padded[:shown]):
            draw_box(ax, i, 1, str(number), COLOURS[0] if mask[i] else "0.7", fill="white" if mask[i] else "0.92")
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
    check_points(table, "table"), check_points(states, "states")
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
    images, N = to_pixels(images), len(captions)
    if values.shape != (len(images), N):
        raise ValueError(f"values must be ({len(images)}, {N}), an image a row, got {tuple(values.shape)}")
    check_points(values, "values")
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
    points = check_points(points, "points", dimensions=2).numpy()
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
    images, maps = to_pixels(images), check_latents(maps, "maps").detach().float().cpu()
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

    In each box its channels, the size at which it works, and its parameters: a block of the left side halves the size when it is done,
    one of the right side doubles it. Blocks with cross-attention are filled, and the text goes to these.
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

    way = ["conv_in", *down, "mid_block", *up, "conv_out"]
    came = dict(zip(way, [inputs[2:], *(named[name].shape[2:] for name in way)], strict=False))  # height and width

    with style():
        picture, ax = canvas(8.6, 0.62 * (D + 3.2))
        for name, after in pairwise(way):
            draw_arrow(ax, places[name], places[after], shrinkA=14, shrinkB=14)
        for a, b in zip(down, reversed(up), strict=True):
            (x0, y), (x1, _) = places[a], places[b]
            draw_arrow(ax, (x0 + 0.95, y), (x1 - 0.95, y), AIM, linestyle="--")
        for name in way:
            part = named[name]
            fill, colour = (PALE, REVERSE) if part.attention else ("white", "0.5")
            count = part.parameters
            count = f"{count / 1e6:.3g} M" if count > 999_999 else f"{count / 1e3:.3g} k"
            label = f"{name}\n{part.shape[1]} at {size(came[name])},  {count}"
            draw_box(ax, *places[name], label, colour, fill=fill, size=7.5)
        for x, text_, name, side in (
            (-wide, f"noisy latents $x_t$\n{size(inputs[1:])}", "conv_in", 1),
            (wide, f"predicted noise $\\epsilon_\\theta$\n{size(named['conv_out'].shape[1:])}", "conv_out", -1),
        ):
            ax.text(x, 1.15, text_, ha="center", va="center", fontsize=9)
            x0, y0 = places[name]
            draw_arrow(ax, *(((x, 0.8), (x0, y0 + 0.35)) if side > 0 else ((x0, y0 + 0.35), (x, 0.8))))
        draw_box(ax, -0.95, 0.75, "time $t$\ninto every residual block", "0.5", size=8)
        draw_box(ax, 0.95, -0.25, f"text $c$, {size(text)}\ninto the blue blocks", REVERSE, fill=PALE, size=8)
        ax.text(0, -1.25, "skips (green)", ha="center", va="bottom", color=AIM, fontsize=8)
        ax.set(xlim=(-wide - 1.1, wide + 1.1), ylim=(-D - 1.35, 1.6))
        ax.set_axis_off()
    listed = ", ".join(
        f"{n} {named[n].shape[1]} channels at {size(came[n])}{' with text' if named[n].attention else ''}" for n in way
    )
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
        draw_box(ax, 0, 0, "U-Net\n$\\epsilon_\\theta(x_t,\\,t,\\,c)$", REVERSE, fill=PALE, size=10)
        draw_arrow(ax, (-1, 0), (-0.5, 0))
        draw_arrow(ax, (0.5, 0), (1, 0))
        draw_arrow(ax, (0, 0.85), (0, 0.42))
        draw_arrow(ax, (0, -0.85), (0, -0.42))
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
        draw_box(ax, 0.3, 2.0, "prompt", "0.5")
        draw_box(ax, 2.0, 2.0, "tokenizer", "0.5")
        draw_box(ax, 4.1, 2.0, "CLIP text encoder\nL × D numbers", REVERSE, fill=PALE)
        for x0, x1 in ((0.72, 1.42), (2.55, 3.1)):
            draw_arrow(ax, (x0, 2.0), (x1, 2.0))
        names = ("$z_T$", "$z_{T-1}$", "…", "$z_1$", "$z_0$")
        xs = (0.4, 2.45, 4.25, 6.05, 7.85)
        for x, name in zip(xs, names, strict=True):
            ax.text(x, 0.3, name, ha="center", va="center", fontsize=11)
        for i, (a, b) in enumerate(pairwise(xs)):
            middle = (a + b) / 2
            draw_arrow(ax, (a + 0.3, 0.3), (b - 0.35, 0.3))
            draw_box(ax, middle, 0.3, "U-Net", REVERSE, fill=PALE, size=7.5)
            draw_arrow(ax, (4.1, 1.62), (middle, 0.55), REVERSE, linewidth=0.8)
            draw_arrow(ax, (middle, -0.42), (middle, 0.06), "0.5")
            ax.text(middle, -0.48, ("t = T", "t = T − 1", "…", "t = 1")[i], ha="center", va="top", fontsize=8)
        ax.text(5.35, 1.42, "cross-attention, in every call", color=REVERSE, fontsize=8.5, ha="left", va="center")
        ax.text(0.4, 0.02, "noise", ha="center", va="top", fontsize=8, color="0.4")
        draw_arrow(ax, (8.15, 0.3), (8.75, 0.3))
        draw_box(ax, 9.3, 0.3, "VAE\ndecoder", FORWARD)
        draw_arrow(ax, (9.3, 0.75), (9.3, 1.5))
        draw_box(ax, 9.3, 1.9, "image", "0.5")
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
    images = to_pixels(images)
    bars = {name: to_numbers(f"bars[{name!r}]", values) for name, values in check_named("bars", bars, "values").items()}
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
            if not any(bars[name]):  # an axis of nothing would be one of rounding errors
                ax.set(xlim=(-0.1, 0.1), xticks=[0])
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
