"""Figures of lesson 01: autoencoders, the latent plane, and the evidence bound."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Circle
from torch import Tensor

from diffcourse.checks import number
from diffcourse.images import check_points, to_pixels
from diffcourse.plot.images import mosaic
from diffcourse.plot.picture import CLASSES, COLOURS, Picture, canvas, check_named, style, to_numbers


def plane(images: Tensor, ticks: Sequence[float], *, scale: float = 0.3, alt: str = "") -> Picture:
    """A decoded latent plane: images (n², C, H, W) in [-1, 1], row by row from the top, for n values of each coordinate.

    ticks (n,): the values, rising; the top row is decoded at the largest z₂.
    """
    n = len(ticks)
    if len(images) != n * n:
        raise ValueError(f"images must hold {n * n} images, {n} rows of {n}, got {len(images)}")
    images = to_pixels(images)
    H, W = images.shape[2] + 1, images.shape[3] + 1
    parts = next((k for k in (4, 5, 3, 2) if (n - 1) % k == 0), 1)  # evenly spaced, both ends among them
    shown = [i * (n - 1) // parts for i in range(parts + 1)]
    with style():
        picture, ax = canvas(n * scale + 0.6, n * scale + 0.5)
        mosaic(ax, images, n, n, gap=1)
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
    """Codes (N, 2) in a plane, each drawn as its label (N,), 0 to 9, in the colour of its class; the prior as circles of 1 and 2 stds."""
    with style():
        picture, ax = canvas(4.6, 4.6)
        _glyphs(ax, codes, labels, limit)
    picture.alt = alt or (
        f"{len(codes)} codes in the latent plane, each drawn as its label; equal digits lie together. Two dashed circles are 1 and 2 "
        "standard deviations of the prior"
    )
    return picture


def _glyphs(ax: Axes, codes: Tensor, labels: Tensor, limit: float) -> None:
    codes = check_points(codes, "codes", dimensions=2)
    kinds = to_numbers("labels", labels)
    if len(kinds) != len(codes) or not np.isin(kinds, range(10)).all():
        raise ValueError(f"labels must be {len(codes)} digits from 0 to 9, one a code, got {kinds}")
    for k in range(10):
        cloud = codes[torch.from_numpy(kinds == k)].numpy()
        if len(cloud):
            ax.scatter(*cloud.T, marker=f"${k}$", s=26, color=CLASSES[k], linewidths=0, alpha=0.85)
    angle = np.linspace(0, 2 * np.pi, 200)
    for stds in (1, 2):
        ax.plot(stds * np.cos(angle), stds * np.sin(angle), color="0.25", linestyle="--", linewidth=0.9)
        ax.annotate(f"{stds} std", (0, -stds), ha="center", va="top", fontsize=7, color="0.25")
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
        for std in (1, 2):  # of the prior
            left.add_patch(Circle((0, 0), std, fill=False, color="0.35", linestyle=":", linewidth=1.2))
        left.plot(
            [z[0]], [z[1]], "o", markersize=13, markerfacecolor="none", markeredgecolor="white", markeredgewidth=4
        )
        left.plot(
            [z[0]], [z[1]], "o", markersize=13, markerfacecolor="none", markeredgecolor="black", markeredgewidth=2
        )
        left.set(xlabel="z₁ (dotted: 1 and 2 stds of the prior)", ylabel="z₂", title="where you are among real digits")
        mosaic(right, to_pixels(image[None]), 1, 1, 1)
        right.set_title("what the decoder draws there")
    picture.colours = 64
    picture.alt = alt or f"the latent plane with the point ({z[0]:.1f}, {z[1]:.1f}) marked, and the image decoded there"
    return picture


def autoencoders(x: Tensor, recon: Tensor, mean: Tensor, std: Tensor, z: Tensor, *, alt: str = "") -> Picture:
    """A plain autoencoder above, a variational one below: image, encoder, code, decoder, image.

    x and recon (1, C, H, W) in [-1, 1]; mean, std and z (D,) of q(z | x), drawn as bars.
    """
    mean, std, z = (to_numbers(name, v) for name, v in (("mean", mean), ("std", std), ("z", z)))
    pictures = to_pixels(torch.cat([x, recon]))
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
    N, values = len(codes), check_points(codes, "codes").numpy()
    with style():
        picture, axes = canvas(0.95 * N, 1.75, columns=N, rows=2, squeeze=False)
        for i in range(N):
            top, bottom = axes[0][i], axes[1][i]
            top.bar(np.arange(values.shape[1]), values[i], color=COLOURS[1])
            top.axhline(0, color="0.3", linewidth=0.6, linestyle="-")
            top.set(ylim=(-3, 3), xticks=[], yticks=[-2, 2] if i == 0 else [])
            top.spines["bottom"].set_visible(False)
            top.spines["left"].set_visible(i == 0)
            mosaic(bottom, to_pixels(images[i : i + 1]), 1, 1, 1)
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
    """For several q {name: (ELBO, KL to the true posterior)}: each ELBO as a dot, and its gap as a bar that ends at log p(x) (nats)."""
    number("log_p", log_p)
    for name, numbers in check_named("rows", rows, "(ELBO, KL)").items():
        to_numbers(f"rows[{name!r}]", numbers)
    with style():
        picture, ax = canvas(6.6, 0.5 * len(rows) + 0.9)
        low = min(bound for bound, _ in rows.values())
        start = low - 0.22 * (log_p - low) - 0.05
        for i, (bound, gap) in enumerate(rows.values()):
            ax.barh(
                -i, gap, 0.6, left=bound, color=COLOURS[4], hatch="//", edgecolor="white",
                label="KL(q || true posterior)" if i == 0 else None,
            )  # fmt: skip
            ax.plot([bound], [-i], "o", color=COLOURS[0], markersize=7, zorder=3, label="ELBO" if i == 0 else None)
            ax.annotate(
                f"{bound:.3f}", (bound, -i), (-7, 0), textcoords="offset points", ha="right", va="center", fontsize=8
            )
        ax.axvline(log_p, color="black", linestyle="--", linewidth=1)
        ax.text(log_p, 0.45, f" log p(x) = {log_p:.3f}", ha="right", va="bottom", fontsize=8.5)
        ax.set_yticks([-i for i in range(len(rows))], list(rows))
        ax.set(xlabel="nats", xlim=(start, log_p + 0.02 * (log_p - start)), ylim=(-len(rows) + 0.5, 0.9))
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35 if len(rows) < 4 else -0.25), ncols=2)
    told = "; ".join(f"{name}: ELBO {bound:.3f}, gap {gap:.3f}" for name, (bound, gap) in rows.items())
    picture.alt = alt or f"a dot for each ELBO, and a bar for its gap, which ends at log p(x) = {log_p:.3f}. {told}"
    return picture
