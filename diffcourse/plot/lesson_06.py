"""Figures of lesson 06: what guidance does at each scale."""

from collections.abc import Collection, Mapping, Sequence

from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor

from diffcourse.plot.images import mosaic, to_pixels
from diffcourse.plot.picture import COLOURS, Picture, check_named, log_axis, style, to_curve


def guidance_row(
    images: Tensor,
    panels: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    w: float,
    title: str,
    alt: str,
    log: Collection[str] = (),
) -> Picture:
    """One row of images (N, C, H, W) in [-1, 1], and below it curves {what: (scales, values)} with the chosen scale marked.

    log: the curves with a logarithmic axis.
    """
    images = to_pixels(images)
    for what, curve in check_named("panels", panels, "(scales, values)").items():
        to_curve(f"panels[{what!r}]", curve)
    with style():
        picture = Picture(figsize=(2.0 * len(panels) + 0.4, 3.1), dpi=100, layout="constrained")
        FigureCanvasAgg(picture)
        grid_of = picture.add_gridspec(2, len(panels), height_ratios=(1, 2.2))
        mosaic(picture.add_subplot(grid_of[0, :]), images, 1, len(images), 1)
        for i, (what, (scales, values)) in enumerate(panels.items()):
            ax = picture.add_subplot(grid_of[1, i])
            ax.plot(scales, values, marker="o", markersize=3)
            ax.axvline(w, color="0.5", linestyle="-", linewidth=1)
            if w in scales:
                ax.plot([w], [values[list(scales).index(w)]], marker="o", markersize=8, color=COLOURS[1])
            ax.set(title=what, xlabel="guidance w")
            if what in log:
                log_axis(ax)
        picture.suptitle(title, fontsize=9)
    picture.alt = alt
    return picture
