"""Explorers, without a browser: handles change the picture, once, and a static picture is always there."""

import base64
import inspect

import pytest
import torch

from diffcourse import plot, widgets
from diffcourse.denoiser import Estimate
from diffcourse.schedule import CLEAN, DiffusionSchedule

NAMES = [
    "CaptionExplorer", "ClinicExplorer", "DenoiserExplorer", "DigitPad", "EDITS", "Explorer", "FamiliesExplorer", "FlowExplorer",
    "GuidanceExplorer",
    "LatentChannelExplorer", "LatentExplorer", "MASKS", "NoiseExplorer", "OwnDigitExplorer", "PipelineExplorer",
    "PosteriorExplorer", "PromptBox", "RACERS", "REGIONS", "SAMPLERS", "SamplerRace", "ScheduleExplorer",
    "ScoreExplorer", "TrajectoryExplorer", "choice", "slider", "zip_rows",
]  # fmt: skip


def test_the_names_are_those_that_lessons_know():
    """Wherever an explorer lives, `widgets` hands it on; a new one is added to the list, so that none is lost or added unseen."""
    assert dir(widgets) == NAMES == sorted(widgets.__all__)
    assert not [name for name in NAMES if inspect.ismodule(getattr(widgets, name))]


def path():
    schedule = DiffusionSchedule.cosine(100)
    x = torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    levels = schedule.levels(4)
    return [Estimate(x * at.sigma, at, x0=x * at.alpha, eps=x) for at in levels[:-1]] + [
        Estimate(x, CLEAN, x0=x, eps=0 * x)
    ]


def test_the_trajectory_explorer_shows_each_step():
    explorer = widgets.TrajectoryExplorer(path())
    step, seen = explorer.controls["step"], set()
    assert (step.min, step.max) == (
        0,
        4,
    ) and "step 2" in explorer.text.value  # the middle says most on a page without widgets
    for value in range(5):
        step.set_state({"value": value})  # what a browser sends
        assert bytes(explorer.image.value).startswith(b"\x89PNG") and f"step {value}" in explorer.text.value
        seen.add(bytes(explorer.image.value))
    assert len(seen) == 5 and "the sample" in explorer.text.value
    with pytest.raises(ValueError, match="path must hold"):
        widgets.TrajectoryExplorer([])


def test_one_change_is_one_redraw():
    calls = []

    def compute(a, b):
        calls.append((a, b))
        return a + b

    controls = {"a": widgets.slider("a", [1, 2, 3]), "b": widgets.choice("b", [10, 20])}
    explorer = widgets.Explorer(controls, compute, lambda v: plot.curves({"v": ([0, 1], [0, v])}, alt=f"up to {v}"))
    controls["a"].value = 3
    controls["b"].value = 20
    assert calls == [(1, 10), (3, 10), (3, 20)] and explorer.values == {"a": 3, "b": 20}
    assert "up to 23" in explorer.text.value


def test_a_page_without_widgets_gets_the_picture():
    explorer = widgets.TrajectoryExplorer(path())
    data, metadata = explorer._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]) == bytes(explorer.image.value)
    assert data["text/plain"] == f"[explorer: {explorer.alt}]" and metadata["image/png"]["alt"] == explorer.alt
    assert "application/vnd.jupyter.widget-view+json" in data


def test_controls_are_labelled_for_keyboards_and_screen_readers():
    explorer = widgets.TrajectoryExplorer(path())
    assert all(control.description for control in explorer.controls.values())


def test_what_takes_long_shows_a_bar_that_goes_again():
    bars, seen = [], []

    class Slow(widgets.Explorer):
        def __init__(self):
            super().__init__(
                {"a": widgets.slider("a", [1, 2])}, self.compute, lambda v: plot.curves({"v": ([0, 1], v)})
            )

        def compute(self, a):
            for step in self.watched(range(3), 3, "walking"):
                bars.append((self.bar.layout.display, self.bar.value, self.bar.max, self.bar.description))
                if a == 2 and step == 1 and not seen:
                    seen.append(step)
                    raise ValueError("on the way")
            return [0, a]

    explorer = Slow()
    explorer._repr_mimebundle_()
    assert bars == [("none", 0, 100, "")] * 3  # nobody could see it: tqdm's is below the cell
    bars.clear()
    with pytest.raises(ValueError, match="on the way"):
        explorer.controls["a"].value = 2
    assert explorer.bar.layout.display == "none"
    explorer._refresh()
    assert bars[-3:] == [(None, n, 3, "walking") for n in (1, 2, 3)] and explorer.bar.layout.display == "none"


def test_controls_stand_in_columns_with_labels_of_one_width():
    controls = {"a": widgets.slider("a", [1, 2]), "b": widgets.choice("a longer label", [1, 2])}
    explorer = widgets.Explorer(controls, lambda a, b: [a, b], lambda v: plot.curves({"v": ([0, 1], v)}))
    template = explorer.children[0].layout.grid_template_columns
    assert "max(49%, (36em - 100%) * 999)" in template  # two in a row, or one where the page is narrower than 36 em
    assert len({control.style.description_width for control in controls.values()}) == 1


def test_a_box_for_a_sentence_is_as_wide_as_the_page_above_the_other_controls():
    import ipywidgets

    row = ipywidgets.Layout(grid_column="1 / -1")
    controls = {"a": widgets.slider("a", [1, 2]), "text": ipywidgets.Text(layout=row), "b": widgets.slider("b", [1, 2])}
    explorer = widgets.Explorer(controls, lambda a, text, b: [a, b], lambda v: plot.curves({"v": ([0, 1], v)}))
    text, grid = explorer.children[0].children
    assert text is controls["text"] and "calc(100%" in text.layout.width
    assert grid.children == (controls["a"], controls["b"]) and grid.layout.width == text.layout.width
