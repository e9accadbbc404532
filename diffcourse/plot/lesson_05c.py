"""Figures of lesson 05c: latent diffusion from a prompt, its results and its costs."""

from collections.abc import Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor

from diffcourse.gaussian import share_se
from diffcourse.images import to_pixels
from diffcourse.plot.picture import (
    AIM,
    BESIDE,
    COLOURS,
    FORWARD,
    PALE,
    REVERSE,
    Picture,
    canvas,
    check_named,
    draw_arrow,
    draw_box,
    draw_field,
    style,
)


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
    with style():
        picture, ax = canvas(8.8, 3.3)
        for left, right, colour, name in (
            (-0.45, 2.55, FORWARD, "pixel space"),
            (2.7, 8.05, AIM, "latent space"),
            (8.2, 10.6, REVERSE, "conditioning"),
        ):
            draw_field(ax, left, right, -0.75, 3.0, colour, name, ((left + right) / 2, 2.78))
        for y, image, part in (
            (2.1, "image $x$", "encoder $\\mathcal{E}$"),
            (0.3, "image $\\hat x$", "decoder $\\mathcal{D}$"),
        ):
            ax.text(0.1, y, image, ha="center", va="center", fontsize=9.5)
            draw_box(ax, 1.75, y, part, FORWARD)
        draw_arrow(ax, (0.55, 2.1), (1.1, 2.1))
        draw_arrow(ax, (2.4, 2.1), (3.0, 2.1))
        draw_arrow(ax, (1.1, 0.3), (0.55, 0.3))
        draw_arrow(ax, (3.0, 0.3), (2.4, 0.3))
        for x, y, name in ((3.25, 2.1, "$z$"), (7.7, 2.1, "$z_T$"), (3.25, 0.3, "$\\hat z$"), (7.7, 0.3, "$z_T$")):
            ax.text(x, y, name, ha="center", va="center", fontsize=11)
        draw_arrow(ax, (3.5, 2.1), (7.4, 2.1), FORWARD)
        ax.text(5.45, 2.2, "noising: one cheap jump to any $z_t$", ha="center", va="bottom", fontsize=8, color=FORWARD)
        draw_arrow(ax, (7.7, 1.85), (7.7, 0.55), "0.5", linestyle=":")
        draw_arrow(ax, (7.4, 0.3), (6.65, 0.3), REVERSE)
        draw_arrow(ax, (4.25, 0.3), (3.5, 0.3), REVERSE)
        draw_box(
            ax,
            5.45,
            0.3,
            "denoising U-Net $\\epsilon_\\theta$\nResNet blocks, skips,\ncross-attention",
            REVERSE,
            fill=PALE,
            size=8,
        )
        loop = {"connectionstyle": "arc3,rad=-0.9", "shrinkA": 2, "shrinkB": 2}
        draw_arrow(ax, (4.9, 0.85), (6.0, 0.85), REVERSE, **loop)
        ax.text(5.45, 1.5, "at every step", ha="center", va="center", fontsize=8, color=REVERSE)
        ax.text(9.4, 2.3, "text, classes,\nmaps, images", ha="center", va="center", fontsize=8.5)
        draw_arrow(ax, (9.4, 1.95), (9.4, 1.6))
        draw_box(ax, 9.4, 1.3, "encoder $\\tau_\\theta$", REVERSE, fill=PALE)
        draw_arrow(ax, (9.4, 1.0), (9.4, 0.65))
        draw_box(ax, 9.4, 0.35, "switch", "0.5")
        draw_arrow(ax, (8.95, 0.35), (7.98, 0.35), AIM, linestyle="--")
        ax.text(8.42, 0.44, "concat", ha="center", va="bottom", fontsize=8, color=AIM)
        ax.plot([9.4, 9.4, 5.45], [0.08, -0.5, -0.5], "-", color=REVERSE, linewidth=1)
        draw_arrow(ax, (5.45, -0.5), (5.45, -0.22), REVERSE)
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
        draw_arrow(ax, places["LDM-KL-8"], places["LDM-KL-8, guided"], COLOURS[1], shrinkA=7, shrinkB=7)
        ax.set(xlabel="parameters, millions", ylabel="FID on MS-COCO", xlim=(50, 12_000), ylim=(8, 30))
        ax.set_xscale("log")
    told = "; ".join(f"{name} {fid:g} with {millions:,} million" for name, fid, millions in LDM_PAPER)
    picture.alt = alt or f"FID on MS-COCO and parameters of text-to-image models (Rombach et al. 2022, table 2): {told}"
    return picture


def costs(rows: Mapping[str, tuple[float, float]], names: tuple[str, str], *, alt: str = "") -> Picture:
    """What two ways cost, {what: (first, second)}: bars of their ratio to the first, which is 1, on a logarithmic axis."""
    check_named("rows", rows, "(first, second)")
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
    columns = list(next(iter(check_named("shares", shares, "{attribute: share}").values())))
    with style():
        picture, ax = canvas(6.8, 2.7)
        for i, (name, row) in enumerate(shares.items()):
            xs = [k + (i - (len(shares) - 1) / 2) * 0.16 for k in range(len(columns))]
            ys = [row[c] for c in columns]
            se = [share_se(min(y, 1.0), n) if n else 0 for y in ys]
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
    images, path = to_pixels(images), to_pixels(path)
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
                    ax.set_xlabel(text, fontsize=8, parse_math=False)
                if row == 0 and i in (0, len(pictures) - 1):
                    ax.set_title("first guess" if i == 0 else "last", fontsize=8)
        picture.suptitle(title, fontsize=9)
    picture.colours = 96
    picture.alt = alt
    return picture
