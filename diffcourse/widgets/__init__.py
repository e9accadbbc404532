"""Explorers: figures with handles. Each is a picture computed by a pure function of its controls.

An Explorer shows a PNG in a `widgets.Image`, with the same content in words below it. It never uses pyplot, `interact` or `Output`, works
without a browser (set a control's `value`), and carries a static picture for pages that have no widgets. Those of one lesson live in its
own module.
"""

from diffcourse.widgets.digit_pad import DigitPad
from diffcourse.widgets.explorer import Explorer, TrajectoryExplorer, choice, slider, zip_rows
from diffcourse.widgets.lesson_00b import PosteriorExplorer
from diffcourse.widgets.lesson_01 import LatentExplorer
from diffcourse.widgets.lesson_02 import NoiseExplorer, ScheduleExplorer
from diffcourse.widgets.lesson_03 import DenoiserExplorer, OwnDigitExplorer
from diffcourse.widgets.lesson_04 import RACERS, SamplerRace
from diffcourse.widgets.lesson_05a import EDITS, REGIONS, LatentChannelExplorer
from diffcourse.widgets.lesson_05b import CaptionExplorer
from diffcourse.widgets.lesson_05c import PromptBox
from diffcourse.widgets.lesson_06 import GuidanceExplorer
from diffcourse.widgets.lesson_07 import ScoreExplorer
from diffcourse.widgets.lesson_08 import FlowExplorer
from diffcourse.widgets.lesson_09 import MASKS, SAMPLERS, PipelineExplorer
from diffcourse.widgets.lesson_10 import FamiliesExplorer
from diffcourse.widgets.lesson_11 import ClinicExplorer

__all__ = [
    "Explorer", "TrajectoryExplorer", "choice", "slider", "zip_rows",
    "DigitPad",
    "PosteriorExplorer",
    "LatentExplorer",
    "NoiseExplorer", "ScheduleExplorer",
    "DenoiserExplorer", "OwnDigitExplorer",
    "RACERS", "SamplerRace",
    "EDITS", "REGIONS", "LatentChannelExplorer",
    "CaptionExplorer",
    "PromptBox",
    "GuidanceExplorer",
    "ScoreExplorer",
    "FlowExplorer",
    "MASKS", "SAMPLERS", "PipelineExplorer",
    "FamiliesExplorer",
    "ClinicExplorer",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)  # without the modules that they live in
