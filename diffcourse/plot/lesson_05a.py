"""Figures of lesson 05a: latents, the autoencoder that makes them, and what an edit of them does."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from diffcourse.checks import number
from diffcourse.images import as_bytes, check_images, check_latents, to_pixels
from diffcourse.plot.images import rows_of_pixels, texts
from diffcourse.plot.picture import ENCODE, TEXT, UNET, Picture, canvas, style


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
    B, C = check_latents(z, "z").shape[:2]
    side = images.shape[-1] if images is not None else max(64, z.shape[-1])
    parts = {f"channel {c + 1}": as_bytes(tile) for c, tile in enumerate(greys(z, reach, side).unbind(dim=1))}
    if images is not None:
        parts = {"picture": to_pixels(images), **parts}
    if decoded is not None:
        parts = {**parts, "decoded": to_pixels(decoded)}
    alt = alt or f"{C} latent channels in grey of {B} pictures" + (
        ", beside them what they decode to" if decoded is not None else ""
    )
    names = texts("names", names, B, "a row")
    picture, _ = rows_of_pixels(list(parts.values()), list(parts), names, scale)
    picture.alt = alt
    return picture


def greys(z: Tensor, reach: float, side: int) -> Tensor:
    """Channels of latents (B, C, h, w) as RGB tiles (B, C, 3, side, side) in [-1, 1]: black at -reach, white at reach."""
    check_latents(z), number("reach", reach, above=0)
    tiles = F.interpolate(z.detach().float().cpu() / reach, size=(side, side), mode="nearest")
    return tiles.clamp(-1, 1)[:, :, None].expand(-1, -1, 3, -1, -1)


def codec(image: Tensor, z: Tensor, decoded: Tensor, *, reach: float = 3.0, alt: str = "") -> Picture:
    """The compressor: an image (3, H, W), an encoder, the channels of the latent (C, h, w), a decoder, and the image it gives."""
    H, C = image.shape[-1], len(z)
    counts = [f"{len(v)} × {v.shape[1]} × {v.shape[2]}\n= {v.numel():,} numbers" for v in (image, z, decoded)]
    tiles = greys(z[None], reach, H)[0]
    pages = [v.permute(1, 2, 0).numpy() for v in to_pixels(torch.stack([image, *tiles, decoded]))]
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
    channels = greys(torch.stack([z, edited]), reach, side)
    place = greys(2 * where[None, None].float() - 1, 1.0, side)[0, 0]
    change = (2 * (after - before).abs().mean(dim=0) - 1).clamp(-1, 1).expand(3, -1, -1)
    rows = [[*channels[0], before, place], [*channels[1], after, change]]
    columns = [*(f"channel {c + 1}" for c in range(len(z))), "decoded", "where, change"]
    frames = [torch.stack([rows[0][i], rows[1][i]]) for i in range(len(columns))]
    for name, image in (("before", before), ("after", after)):
        check_images(image[None], name=name)
    picture, _ = rows_of_pixels([as_bytes(frame) for frame in frames], columns, ["before", "after"], 1.1)
    picture.alt = alt or f"latent channels and decoded picture: {title}"
    picture.axes[0].set_xlabel(title)
    return picture
