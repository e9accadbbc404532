"""Every figure of the course, as functions that return a `Picture`.

General ones live in `images` and `charts`, those of one lesson in its own module, what they share in `picture`. Each picture carries alt
text, which is also what a text-only reader sees.
"""

from diffcourse.images import save
from diffcourse.plot.charts import curves, densities, losses, measured, panels, points, schedules
from diffcourse.plot.images import grid, pictures, scenes, strip
from diffcourse.plot.lesson_00b import arrows, bayes, jensen, monte_carlo
from diffcourse.plot.lesson_01 import (
    autoencoders,
    cave,
    draws,
    evidence,
    latent_map,
    latent_point,
    map_page,
    plane,
)
from diffcourse.plot.lesson_02 import bound_map, chains, formula_page, mixing, noise_level, schedule_point
from diffcourse.plot.lesson_03 import algorithms, denoised_level, descents, reading, unet_map
from diffcourse.plot.lesson_04 import convergence, level_grids, one_step, paths, quality, race, scheduler_curve
from diffcourse.plot.lesson_05a import codec, latent_edit, latent_pipeline, latents
from diffcourse.plot.lesson_05b import (
    caption_map,
    condition_unet,
    embedded,
    found,
    similarities,
    text_to_image,
    tokenized,
    unet_call,
    word_maps,
)
from diffcourse.plot.lesson_05c import (
    LDM_LABELS,
    LDM_PAPER,
    accuracies,
    costs,
    ldm_map,
    ldm_results,
    objectives,
    prompted,
)
from diffcourse.plot.lesson_06 import guidance_row, pulls, trade_off
from diffcourse.plot.lesson_07 import drops, fields, losses_map, pull
from diffcourse.plot.lesson_08 import flow_page, moving_histogram, processes, ways
from diffcourse.plot.lesson_09 import control_map, sd_map
from diffcourse.plot.lesson_10 import families_map, seeds
from diffcourse.plot.lesson_11 import clinic_map
from diffcourse.plot.picture import (
    AIM,
    BESIDE,
    CLASSES,
    COLOURS,
    ENCODE,
    FORWARD,
    LINES,
    METHODS,
    REVERSE,
    STYLE,
    TEXT,
    UNET,
    Picture,
    canvas,
    look,
    style,
    word,
)

__all__ = [
    "AIM", "BESIDE", "CLASSES", "COLOURS", "ENCODE", "FORWARD", "LINES", "METHODS", "REVERSE", "STYLE", "TEXT", "UNET", "Picture",
    "canvas", "look", "style", "word",
    "grid", "pictures", "save", "scenes", "strip",
    "curves", "densities", "losses", "measured", "panels", "points", "schedules",
    "arrows", "bayes", "jensen", "monte_carlo",
    "autoencoders", "cave", "draws", "evidence", "latent_map", "latent_point", "map_page", "plane",
    "bound_map", "chains", "formula_page", "mixing", "noise_level", "schedule_point",
    "algorithms", "denoised_level", "descents", "reading", "unet_map",
    "convergence", "level_grids", "one_step", "paths", "quality", "race", "scheduler_curve",
    "codec", "latent_edit", "latent_pipeline", "latents",
    "caption_map", "condition_unet", "embedded", "found", "similarities", "text_to_image", "tokenized", "unet_call",
    "word_maps",
    "LDM_LABELS", "LDM_PAPER", "accuracies", "costs", "ldm_map", "ldm_results", "objectives", "prompted",
    "guidance_row", "pulls", "trade_off",
    "drops", "fields", "losses_map", "pull",
    "flow_page", "moving_histogram", "processes", "ways",
    "control_map", "sd_map",
    "families_map", "seeds",
    "clinic_map",
]  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)  # without the modules that they live in
