"""Figures of lesson 09: Stable Diffusion part by part, and the copy that lets a second picture steer it."""

from typing import Any

from diffcourse.plot.picture import (
    AIM,
    FORWARD,
    PALE,
    REVERSE,
    Picture,
    canvas,
    draw_box,
    draw_field,
    draw_way,
    style,
)

STABLE_DIFFUSION = {  # parameters of version 1.5, which a test counts in the classes of diffcourse.models
    "text": 123_060_480,
    "unet": 859_520_964,
    "encoder": 34_163_664,  # with the convolution behind it,
    "decoder": 49_490_199,  # and with the one before it
}
CONTROLNET = {  # Zhang et al. 2023, on Stable Diffusion 1.5
    "copy": 348_712_960,  # conv_in, time embedding, down blocks, middle block
    "zero": 11_479_680,  # 1x1 convolutions, one for each of 12 skips and one for the middle
    "hint": 1_086_480,  # reads the control picture
}


def millions(n: int) -> str:
    """A count of parameters, as figures show it: "860 M"."""
    return f"{n / 1e6:.3g} M"


def sd_map(alt: str = "") -> Picture:
    """Stable Diffusion 1.5 as a chart: its parts with their parameters, what goes between them with its shape, and where edits come in."""
    parts = {name: millions(n) for name, n in STABLE_DIFFUSION.items()}
    small, large = "4×64×64", "3×512×512"
    broken: dict[str, Any] = {"linestyle": "--", "colour": FORWARD}
    with style():
        picture, ax = canvas(8.2, 4.3)
        draw_field(ax, 0, 10, 4.15, 5.3, REVERSE, "text", (0.12, 5.08), ha="left")
        draw_field(ax, 0, 10, 1.35, 4.08, AIM, "latents", (0.12, 3.86), ha="left")
        draw_field(ax, 0, 10, 0, 1.28, FORWARD, "pictures", (0.12, 0.2), ha="left")

        ax.text(0.75, 4.6, "prompt", ha="center", va="center", fontsize=9.5)
        draw_box(ax, 2.0, 4.6, "tokenizer", "0.5")
        draw_box(ax, 4.2, 4.6, f"text encoder\n{parts['text']}", REVERSE, fill=PALE)
        ax.text(6.0, 4.6, "text states", ha="center", va="center", fontsize=9.5)
        draw_way(ax, (1.1, 4.6), (1.5, 4.6))
        draw_way(ax, (2.5, 4.6), (3.55, 4.6), label="77 tokens")
        draw_way(ax, (4.85, 4.6), (5.5, 4.6), label="77×768")
        draw_way(ax, (6.0, 4.43), (6.0, 3.4), colour=REVERSE)
        ax.text(6.1, 3.85, "cross-attention", ha="left", va="center", fontsize=8, color=REVERSE)
        ax.text(6.75, 4.72, "and the same for the negative prompt,\nor for no words: guidance compares both",
                ha="left", va="center", fontsize=8, color="0.35")  # fmt: skip

        ax.text(0.55, 3.0, "seed", ha="center", va="center", fontsize=9.5)
        draw_box(ax, 1.85, 3.0, "noise", "0.5")
        ax.text(4.1, 3.0, "$z_t$", ha="center", va="center", fontsize=11)
        draw_box(ax, 6.0, 3.0, f"U-Net\n{parts['unet']}", REVERSE, fill=PALE, size=9.5)
        draw_box(ax, 8.1, 3.0, "sampler's\nstep", "0.5")
        ax.text(9.45, 3.0, "$z_0$", ha="center", va="center", fontsize=11)
        draw_way(ax, (0.85, 3.0), (1.5, 3.0))
        draw_way(ax, (2.2, 3.0), (3.85, 3.0), label=small)
        draw_way(ax, (4.35, 3.0), (5.5, 3.0), label=small)
        draw_way(ax, (6.5, 3.0), (7.6, 3.0), label="$\\epsilon_\\theta$, " + small)
        draw_way(ax, (8.6, 3.0), (9.2, 3.0), label="at last")
        draw_way(ax, (8.1, 2.7), (8.1, 1.95), (7.2, 1.95), colour=REVERSE)
        draw_way(ax, (4.8, 1.95), (4.1, 1.95), (4.1, 2.8), colour=REVERSE)
        ax.text(6.0, 2.36, "N times, $t$ falling", ha="center", va="center", fontsize=8, color=REVERSE)
        draw_box(ax, 6.0, 1.95, "outside the mask: the image's $z_t$", FORWARD, size=8)

        ax.text(1.0, 0.75, f"an image\n{large}", ha="center", va="center", fontsize=8.5)
        draw_box(ax, 3.0, 0.75, f"encoder\n{parts['encoder']}", FORWARD)
        draw_way(ax, (1.65, 0.75), (2.4, 0.75), **broken)
        draw_way(ax, (3.0, 1.12), (3.0, 2.96), **broken)
        ax.text(
            2.9, 2.1, "strength:\nnoised to where\nthe walk begins", ha="right", va="center", fontsize=8, color=FORWARD
        )
        draw_way(ax, (3.0, 1.55), (5.5, 1.55), (5.5, 1.76), **broken)
        ax.text(6.6, 0.7, "a mask\n1×512×512", ha="center", va="center", fontsize=8.5)
        draw_way(ax, (6.6, 1.0), (6.6, 1.76), **broken)
        ax.text(6.7, 1.5, "1×64×64", ha="left", va="center", fontsize=8, color="0.25")
        draw_way(ax, (9.45, 2.8), (9.45, 1.93))
        ax.text(9.38, 2.37, small, ha="right", va="center", fontsize=8, color="0.25")
        draw_box(ax, 9.3, 1.6, f"decoder, {parts['decoder']}", FORWARD)
        draw_way(ax, (9.45, 1.37), (9.45, 0.95))
        ax.text(9.3, 0.62, f"a picture\n{large}", ha="center", va="center", fontsize=8.5)
        ax.text(3.0, 0.2, "broken lines: only where an image, or an image and a mask, are given", ha="left", va="center",
                fontsize=8, color=FORWARD)  # fmt: skip
        ax.set(xlim=(0, 10), ylim=(0, 5.3))
        ax.set_axis_off()
    picture.colours = 128
    picture.alt = alt or (
        f"Stable Diffusion 1.5. Text: a prompt becomes 77 tokens, the text encoder ({parts['text']} parameters) makes 77×768 "
        f"text states of them; the same for the negative prompt. Latents: a seed becomes noise, {small}; N times the U-Net "
        f"({parts['unet']}), which reads the states by cross-attention, predicts the noise in z_t and the sampler takes a step. "
        f"Pictures: the decoder ({parts['decoder']}) makes {large} of z_0. Where an image is given, the encoder "
        f"({parts['encoder']}) makes latents of it; strength says how far they are noised, and the walk begins there. With a "
        "mask, shrunk to 1×64×64, the image's own latents are put back outside it after every step."
    )
    return picture


def control_map(alt: str = "") -> Picture:
    """ControlNet (Zhang et al. 2023, figure 3): the U-Net's left half copied, its outputs added to the skips through zero convolutions."""
    counts = {name: millions(n) for name, n in CONTROLNET.items()}
    sizes, grey = ("64×64", "32×32", "16×16", "8×8"), "0.5"
    left, copy, zero, plus, right = 1.1, 3.9, 5.75, 7.4, 8.95

    def add(x: float, y: float) -> None:
        ax.text(x, y, "+", ha="center", va="center", fontsize=9, zorder=4,
                bbox={"boxstyle": "circle,pad=0.12", "facecolor": "white", "edgecolor": "0.3"})  # fmt: skip

    with style():
        picture, ax = canvas(8.0, 5.0)
        for start, end, colour, name in (
            (0, 2.2, "0.35", "U-Net, frozen"),
            (2.35, 6.8, FORWARD, f"its left half again, trained: {counts['copy']}"),
            (6.95, 10, "0.35", "U-Net, frozen"),
        ):
            draw_field(ax, start, end, -1.0, 6.5, colour, name, ((start + end) / 2, 6.22))
        for x, text in ((left, "$z_t$"), (right, "$\\epsilon_\\theta$")):
            ax.text(x, 5.3, text, ha="center", va="center", fontsize=11)
        for i, name in enumerate((*sizes, "middle")):
            y = 4.2 - i
            draw_box(ax, left, y, name, grey)
            draw_box(ax, copy, y - 0.5, name, FORWARD)
            draw_box(ax, zero, y - 0.5, "zero conv", FORWARD, size=8)
            add(plus, y)
            skip: dict[str, Any] = {"colour": AIM, "linestyle": "--"} if name != "middle" else {"colour": grey}
            draw_way(ax, (left + 0.42, y), (plus - 0.17, y), **skip)
            draw_way(ax, (copy + 0.42, y - 0.5), (zero - 0.52, y - 0.5), colour=FORWARD)
            draw_way(ax, (zero + 0.52, y - 0.5), (plus, y - 0.5), (plus, y - 0.2), colour=FORWARD)
            if name == "middle":
                draw_way(ax, (plus + 0.17, y), (right, y), (right, y + 0.76), colour=grey)
            else:
                draw_box(ax, right, y, name, grey)
                draw_way(ax, (plus + 0.17, y), (right - 0.42, y), **skip)
                draw_way(ax, (left, y - 0.24), (left, y - 0.76), colour=grey)
                draw_way(ax, (copy, y - 0.74), (copy, y - 1.26), colour=FORWARD)
                draw_way(ax, (right, y + 0.24), (right, y + (0.76 if i else 0.9)), colour=grey)
        ax.text(3.1, 4.26, "skips", ha="center", va="bottom", fontsize=8, color=AIM)
        draw_way(ax, (left, 5.1), (left, 4.44), colour=grey)
        draw_way(ax, (left + 0.2, 5.3), (copy - 0.17, 5.3), colour=grey)
        add(copy, 5.3)
        draw_way(ax, (copy, 5.13), (copy, 3.94), colour=FORWARD)
        draw_box(ax, 5.75, 5.3, f"small network, {counts['hint']},\nends in a zero conv", FORWARD, size=8)
        draw_way(ax, (4.82, 5.3), (copy + 0.17, 5.3), colour=FORWARD)
        ax.text(7.75, 5.3, "control\npicture", ha="center", va="center", fontsize=9)
        draw_way(ax, (7.35, 5.3), (6.68, 5.3), colour=FORWARD)
        ax.text(5.0, -1.3, f"zero conv: 1×1, weights and bias 0 at the start, so that nothing is added then; 13 of them, {counts['zero']}",
                ha="center", va="center", fontsize=8, color=FORWARD)  # fmt: skip
        ax.text(5.0, -1.62, "each size stands for three skips; time and text states go into both, as before",
                ha="center", va="center", fontsize=8, color="0.35")  # fmt: skip
        ax.set(xlim=(0, 10), ylim=(-1.8, 6.5))
        ax.set_axis_off()
    picture.colours = 128
    picture.alt = alt or (
        "ControlNet. A U-Net, frozen: from z_t down through 64×64, 32×32, 16×16 and 8×8 to the middle and up again to the "
        f"predicted noise, with skips at each size. Beside it a copy of its left half and middle, trained ({counts['copy']} "
        f"parameters); it reads z_t plus what a small network ({counts['hint']}) makes of a control picture. What the copy has "
        f"at each size goes through a zero convolution ({counts['zero']} in all 13) and is added to the U-Net's skip, or to its "
        "middle. These start at 0: at first the U-Net is as it was."
    )
    return picture
