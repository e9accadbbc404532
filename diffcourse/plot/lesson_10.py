"""Figures of lesson 10: three families on one page, and what they score, seed by seed."""

import math
from collections.abc import Mapping, Sequence

from diffcourse.plot.picture import (
    AIM,
    COLOURS,
    FORWARD,
    PALE,
    REVERSE,
    Picture,
    canvas,
    check_named,
    draw_box,
    draw_field,
    draw_way,
    log_axis,
    style,
    to_numbers,
)


def families_map(alt: str = "") -> Picture:
    """VAE, GAN and diffusion on one page: what runs once in a training step, and what runs for a sample."""
    with style():
        picture, ax = canvas(8.4, 4.6)

        def said(x: float, y: float, text: str, size: float = 9.5, colour: str = "black", ha: str = "center") -> None:
            ax.text(x, y, text, ha=ha, va="center", fontsize=size, color=colour)

        for y0, colour, name in ((4.0, FORWARD, "VAE"), (2.0, AIM, "GAN"), (0.0, REVERSE, "diffusion")):
            draw_field(ax, 0, 6.6, y0, y0 + 1.9, colour, name, (0.12, y0 + 1.68), ha="left")
            draw_field(ax, 6.75, 10, y0, y0 + 1.9, colour, "", (0, 0))
        said(3.3, 6.1, "one step of training", 9)
        said(8.35, 6.1, "one sample", 9)

        y = 4.85  # VAE
        said(0.4, y, "$x$")
        draw_box(ax, 1.5, y, "encoder", FORWARD, fill=PALE)
        said(3.0, y, "$z\\sim q(z|x)$")
        draw_box(ax, 4.6, y, "decoder", FORWARD, fill=PALE)
        said(6.1, y, "$p(x|z)$")
        for a, b in ((0.55, 1.0), (2.0, 2.4), (3.65, 4.1), (5.1, 5.65)):
            draw_way(ax, (a, y), (b, y))
        said(3.3, 4.25, "loss: $-\\log p(x|z)$, and $\\mathrm{KL}(q(z|x)\\,\\|\\,p(z))$", 8, "0.3")
        said(7.3, y, "$z\\sim\\mathcal{N}(0,I)$", 9)
        draw_box(ax, 8.55, y, "decoder", FORWARD, fill=PALE)
        said(9.7, y, "$x$")
        draw_way(ax, (7.85, y), (8.1, y))
        draw_way(ax, (9.0, y), (9.5, y))
        said(8.35, 4.25, "one call", 8, "0.3")

        y = 3.1  # GAN
        said(0.75, y, "$z\\sim\\mathcal{N}(0,I)$", 9)
        draw_box(ax, 2.15, y, "generator", AIM, fill=PALE)
        said(3.3, y, "fake")
        draw_box(ax, 4.75, y - 0.22, "discriminator", AIM, fill=PALE)
        said(6.1, y - 0.22, "logit")
        said(3.3, y - 0.45, "real $x$")
        draw_way(ax, (1.35, y), (1.6, y))
        draw_way(ax, (2.7, y), (3.0, y))
        draw_way(ax, (3.6, y), (4.05, y - 0.12))
        draw_way(ax, (3.65, y - 0.45), (4.05, y - 0.32))
        draw_way(ax, (5.45, y - 0.22), (5.8, y - 0.22))
        said(3.3, 2.22, "two losses: one player tells real from fake, the other is told how to pass", 8, "0.3")
        said(7.3, y, "$z\\sim\\mathcal{N}(0,I)$", 9)
        draw_box(ax, 8.6, y, "generator", AIM, fill=PALE)
        said(9.75, y, "$x$")
        draw_way(ax, (7.85, y), (8.05, y))
        draw_way(ax, (9.15, y), (9.55, y))
        said(8.35, 2.25, "one call", 8, "0.3")

        y = 0.95  # diffusion
        said(0.4, y, "$x_0$")
        said(2.0, y, "$x_t=\\alpha_t x_0+\\sigma_t\\epsilon$", 9)
        draw_box(ax, 4.3, y, "network", REVERSE, fill=PALE)
        said(5.85, y, "guess of $x_0$", 9)
        draw_way(ax, (0.6, y), (1.15, y))
        draw_way(ax, (2.85, y), (3.8, y))
        draw_way(ax, (4.8, y), (5.2, y))
        said(2.0, 1.4, "one $t$, drawn at random", 8, "0.3")
        said(3.3, 0.28, "loss: squared error, at that $t$ alone", 8, "0.3")
        said(7.2, y, "$x_T=\\epsilon$", 9)
        draw_box(ax, 8.5, y, "network", REVERSE, fill=PALE)
        said(9.75, y, "$x_0$")
        draw_way(ax, (7.55, y), (8.0, y))
        draw_way(ax, (9.0, y), (9.5, y))
        draw_way(ax, (9.2, 1.0), (9.2, 1.5), (7.75, 1.5), (7.75, 1.0), colour=REVERSE)
        said(8.5, 1.66, "N times", 8, REVERSE)
        said(8.35, 0.28, "N calls", 8, "0.3")
        ax.set(xlim=(0, 10), ylim=(0, 6.3))
        ax.set_axis_off()
    picture.colours = 64
    picture.alt = alt or (
        "Three families. VAE: in training x goes through the encoder, a code z is drawn, the decoder gives p(x|z); a sample is one "
        "call of the decoder. GAN: in training a generator makes fakes of noise, and a discriminator gives real and fake ones a "
        "logit; a sample is one call of the generator. Diffusion: in training one noise level is drawn at random and the network "
        "guesses the clean image once; a sample takes N calls of the network."
    )
    return picture


def seeds(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    levels: Mapping[str, float] | None = None,
    log: Sequence[str] = (),
    columns: int = 4,
    alt: str = "",
) -> Picture:
    """One dot a training: panels {metric: {family: values, one a seed}}; levels {metric: what real data score there}, a grey line."""
    panels = {
        what: check_named(f"panels[{what!r}]", named, "values, one a seed")
        for what, named in check_named("panels", panels, "{family: values}").items()
    }
    told = []
    with style():
        columns = min(columns, len(panels))
        rows = math.ceil(len(panels) / columns)
        picture, axes = canvas(2.15 * columns, 1.75 * rows, columns, rows, squeeze=False)
        for ax, (what, named) in zip(axes.flat, panels.items(), strict=False):
            for i, (family, values) in enumerate(named.items()):
                numbers = to_numbers(f"panels[{what!r}][{family!r}]", values)
                ax.plot([i] * len(numbers), numbers, "o", color=COLOURS[i % 7], markersize=4.5, alpha=0.75)
                ax.plot([i - 0.25, i + 0.25], [numbers.mean()] * 2, color=COLOURS[i % 7], linestyle="-", linewidth=1)
                told.append(f"{what}, {family}: {', '.join(f'{v:.3g}' for v in numbers)}")
            if levels and what in levels:
                ax.axhline(levels[what], color="0.5", linestyle="--", linewidth=0.9)
            if what in log:
                log_axis(ax)
            ax.set(title=what, xlim=(-0.6, len(named) - 0.4), xticks=range(len(named)))
            ax.set_xticklabels(list(named), fontsize=8)
        for ax in axes.flat[len(panels) :]:
            ax.set_axis_off()
    picture.colours = 32
    picture.alt = alt or "; ".join(told)
    return picture
