"""Figures of lesson 02: the two chains, their formulas and the terms of the bound."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from diffcourse.checks import number
from diffcourse.images import to_pixels
from diffcourse.plot.images import mosaic
from diffcourse.plot.picture import AIM, COLOURS, FORWARD, LINES, REVERSE, Picture, canvas, style
from diffcourse.schedule import DiffusionSchedule, Level


def chains(
    frames: Sequence[Tensor], titles: Sequence[str], *, ways: str = "both", scale: float = 0.9, alt: str = ""
) -> Picture:
    """One image at several stages, clean first, with the forward chain (orange arrows, above) and the reverse chain (blue, below).

    frames: tensors (1, C, H, W) in [-1, 1]; titles: one a frame; ways: "forward", "reverse" or "both".
    """
    if ways not in ("forward", "reverse", "both"):
        raise ValueError(f"ways must be forward, reverse or both, got {ways!r}")
    if len(frames) != len(titles):
        raise ValueError(f"titles must hold {len(frames)} texts, one a frame, got {len(titles)}")
    if not frames:
        raise ValueError("frames must hold at least one tensor (1, C, H, W), got none")
    images = to_pixels(torch.cat(list(frames)))
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
    images = to_pixels(torch.cat([x0, noise, Level(torch.nan, alpha, sigma).noised(x0, noise)]))
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
    red, yellow, green = "#D62728", "#F0E442", AIM
    weight = r"\dfrac{1}{\sqrt{\alpha_t}}\left(x_t-\dfrac{\beta_t}{\sqrt{1-\bar\alpha_t}}\,"
    back = r"q(x_{t-1}|x_t,x_0)=N(\tilde\mu_t,\ \tilde\beta_t I)"
    back_variance = r"\tilde\beta_t=\beta_t\,\dfrac{1-\bar\alpha_{t-1}}{1-\bar\alpha_t}"
    of_x0 = r"\dfrac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1-\bar\alpha_t}\,x_0"
    of_x_t = r"\dfrac{\sqrt{\alpha_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}\,x_t"
    step = r"p_\theta(x_{t-1}|x_t)=N(\mu_\theta,\ \sigma_t^2 I)"
    variance = r"\sigma_t^2=\tilde\beta_t\ \mathrm{or}\ \beta_t"
    bound = r"E_q\left[-\log\dfrac{p_\theta(x_{0:T})}{q(x_{1:T}|x_0)}\right]"
    kl = r"E_q\,KL(q(x_{t-1}|x_t,x_0)\,\|\,p_\theta(x_{t-1}|x_t))"
    weights = r"w_t=\dfrac{\beta_t^2}{2\tilde\beta_t\alpha_t(1-\bar\alpha_t)}"
    noised = r"\sqrt{\bar\alpha_t}\,x_0+\sqrt{1-\bar\alpha_t}\,\epsilon"
    joint = r"p_\theta(x_{0:T})=p(x_T)\,\prod_{t=1}^{T}\,p_\theta(x_{t-1}|x_t)"
    rows = [  # colour, name, formula, height
        (red, "one step", r"q(x_t|x_{t-1})=N(\sqrt{1-\beta_t}\,x_{t-1},\ \beta_t I)", 1.2),
        (red, "the chain", r"q(x_{1:T}|x_0)=\prod_{t=1}^{T}\,q(x_t|x_{t-1})", 1.9),
        (red, "in one jump", rf"x_t={noised},\quad \bar\alpha_t=\prod_{{s\leq t}}\,(1-\beta_s)", 1.7),
        (red, "way back, $x_0$ known", rf"{back},\quad {back_variance}", 2.0),
        (red, "", rf"\tilde\mu_t={of_x0}+{of_x_t}\;=\;{weight}\epsilon\right)", 2.1),
        (yellow, "reverse, learned", rf"{joint},\quad p(x_T)=N(0,I)", 1.9),
        (yellow, "", rf"{step},\quad \mu_\theta={weight}\epsilon_\theta(x_t,t)\right),\quad {variance}", 2.1),
        (green, "the bound (3)", rf"E[-\log p_\theta(x_0)]\ \leq\ {bound}=L_T+\sum_{{t=2}}^{{T}}\,L_{{t-1}}+L_0", 2.0),
        (green, "its terms", rf"L_{{t-1}}={kl}=E\,\left[w_t\,\|\epsilon-\epsilon_\theta\|^2\right],\quad {weights}", 2.0),
        (green, "", r"L_T=E\,KL(q(x_T|x_0)\,\|\,p(x_T)),\quad L_0=-E_q\log p_\theta(x_0|x_1)", 1.2),
        (green, "the simple loss", rf"L_{{\mathrm{{simple}}}}=E_{{t,x_0,\epsilon}}\,\|\epsilon-\epsilon_\theta({noised},\ t)\|^2", 1.3),
    ]  # fmt: skip
    tall = sum(height for *_, height in rows)
    with style():
        picture, ax = canvas(7.0, 0.245 * tall)
        top = 0.0
        for colour, name, formula, height in rows:
            ax.axhspan(top - height, top, color=colour, alpha=0.2, linewidth=0)
            ax.axhspan(top - height, top, xmax=0.008, color=colour, linewidth=0)
            ax.text(0.02, top - height / 2, name, va="center", fontsize=8)
            ax.text(0.2, top - height / 2, f"${formula}$", va="center", fontsize=9)
            top -= height
        ax.set(xlim=(0, 1), ylim=(-tall, 0))
        ax.set_axis_off()
    picture.alt = alt or (
        "The equations of DDPM on one page: in red the forward process, its closed form and the way back with the clean image known; in "
        "yellow the learned reverse process; in green the bound, equation 3 of the paper, its terms and the simple loss."
    )
    picture.colours = 24
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


def noise_level(image: Tensor, alpha: float, sigma: float, title: str = "", alt: str = "") -> Picture:
    """A noisy image (C, H, W) beside two bars: by how much the clean image and the noise in it were multiplied."""
    number("alpha", alpha), number("sigma", sigma)
    with style():
        picture, axes = canvas(5.4, 2.2, columns=2, width_ratios=(1, 1.4))
        mosaic(axes[0], to_pixels(image[None]), 1, 1, 1)
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
        mosaic(axes[3], to_pixels(image[None]), 1, 1, 1)
        axes[3].set_title(f"{chosen}, t = {t}")
    picture.alt = alt or f"beta, alpha_bar and SNR of {', '.join(named)}; the image at t = {t} of {chosen}"
    return picture
