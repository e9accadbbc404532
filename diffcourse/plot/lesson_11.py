"""Figures of lesson 11: where a mistake lives, and which question finds it; sheets of paper as pictures."""

from diffcourse.plot.picture import AIM, FORWARD, PALE, REVERSE, Picture, canvas, draw_box, draw_field, draw_way, style


def clinic_map(alt: str = "") -> Picture:
    """A training and a sampler as a chart; below each part what goes wrong in it, and the question that finds it."""
    with style():
        picture, ax = canvas(8.2, 4.5)
        draw_field(ax, 0, 10, 3.05, 5.3, FORWARD, "training", (0.12, 5.05), ha="left")
        draw_field(ax, 0, 10, 0, 2.95, REVERSE, "sampling", (0.12, 2.7), ha="left")
        ax.text(0.75, 4.55, "images", ha="center", va="center", fontsize=9.5)
        draw_box(ax, 2.55, 4.55, "forward\nprocess", FORWARD)
        draw_box(ax, 5.05, 4.55, "network", AIM, fill=PALE, size=9.5)
        draw_box(ax, 7.4, 4.55, "loss", FORWARD)
        ax.text(9.35, 4.55, "average", ha="center", va="center", fontsize=9.5)
        draw_way(ax, (1.25, 4.55), (1.9, 4.55), label="$x_0$")
        draw_way(ax, (3.2, 4.55), (4.4, 4.55), label="$x_t, t$")
        draw_way(ax, (5.7, 4.55), (6.9, 4.55), label="answer")
        draw_way(ax, (7.9, 4.55), (8.8, 4.55), label="weights")
        said = {"ha": "center", "va": "top", "fontsize": 8, "color": "0.25", "linespacing": 1.25}
        ax.text(0.75, 4.2, "not in\n$[-1,1]$", **said)
        ax.text(2.55, 4.1, "factors swapped,\nsquared, of one step,\nor image left at the end", **said)
        ax.text(5.05, 4.1, "blind to $t$, to the\nlabel, to no label", **said)
        ax.text(7.4, 4.1, "another target,\nfresh noise,\nno gradient", **said)
        ax.text(9.35, 4.2, "still\nthe start", **said)
        asked = {"ha": "center", "va": "center", "fontsize": 8, "color": FORWARD, "fontstyle": "italic"}
        ax.text(2.55, 3.25, "feed black, feed white", **asked)
        ax.text(5.05, 3.25, "the band, level by level", **asked)
        ax.text(7.4, 3.25, "its slope at two answers", **asked)

        ax.text(0.75, 1.85, "noise", ha="center", va="center", fontsize=9.5)
        draw_box(ax, 3.6, 1.85, "sampler's\nstep", REVERSE)
        draw_box(ax, 6.2, 1.85, "network,\nguided", REVERSE)
        ax.text(9.2, 1.85, "samples", ha="center", va="center", fontsize=9.5)
        draw_way(ax, (1.2, 1.85), (2.95, 1.85), label="$x_T$")
        draw_way(ax, (4.25, 1.85), (5.55, 1.85), label="$x_t$")
        draw_way(ax, (6.2, 2.2), (6.2, 2.5), (3.6, 2.5), (3.6, 2.22), colour=REVERSE)
        ax.text(4.9, 2.66, "N times, $t$ falling", ha="center", va="center", fontsize=8, color=REVERSE)
        draw_way(ax, (3.6, 1.48), (3.6, 1.3), (8.2, 1.3), (8.2, 1.85), (8.6, 1.85), colour=REVERSE)
        ax.text(0.75, 1.5, "starts\ntoo late", **said)
        ax.text(3.6, 1.22, "too few, wrong way,\nvariance for deviation,\nnoise at the last step", **said)
        ax.text(6.2, 1.22, "ignored, swapped,\nfar too strong", **said)
        ax.text(9.2, 1.5, "shown in\nother units", **said)
        asked["color"] = REVERSE
        ax.text(3.6, 0.22, "give it the exact network", **asked)
        ax.text(6.2, 0.22, "another scale, same noise", **asked)
        ax.text(9.2, 0.22, "mean and deviation", **asked)
        ax.set(xlim=(0, 10), ylim=(0, 5.3))
        ax.set_axis_off()
    picture.colours = 48
    picture.alt = alt or (
        "Where mistakes live. Training: images (not in [-1, 1]) go into the forward process (factors swapped, squared, of one step, "
        "or the image left at the end; asked by feeding black and white), x_t and t into the network (blind to t, to the label, to no "
        "label; asked by the band of losses, level by level), its answer into the loss (another target, fresh noise, no gradient; asked "
        "by its slope at two answers), the weights into an average (still the start). Sampling: noise (starts too late) goes N times "
        "through the sampler's step (too few, wrong way, variance for deviation, noise at the last step; asked by giving it the exact "
        "network) and guidance (ignored, swapped, far too strong; asked by another scale with the same noise); samples (shown in other "
        "units) are looked at by mean and deviation."
    )
    return picture
