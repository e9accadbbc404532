"""How each shipped weight was trained: `python -m diffcourse train NAME --profile laptop --out runs`.

One module a model: what is built, with which loss, and how the result is measured; its entries of `RECIPES` stand at its end.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from diffcourse import profile as profiles
from diffcourse import weights
from diffcourse.evaluate import (
    MNIST_SHARES,
    SAMPLER,
    asked_for,
    digits,
    drawn,
    in_parts,
    plus_minus,
    prompts_followed,
    scenes_ceiling,
    score,
)
from diffcourse.files import write_json
from diffcourse.recipes import autoencoder, classifier, clip, denoisers, ldm, vae
from diffcourse.recipes.autoencoder import autoencoder_loss, measure_autoencoder, scene_autoencoder, unit_latents
from diffcourse.recipes.classifier import FLOOR_SIZES, classifier_loss, jitter, make_reference, measure_classifier
from diffcourse.recipes.clip import caption_tokenizer, clip_loss, eyes_opened, measure_clip, tiny_clip
from diffcourse.recipes.denoisers import (
    denoiser_loss,
    digit_denoiser,
    measure_denoiser,
    measure_early,
    measure_short_chain,
    middle,
    short_chain,
)
from diffcourse.recipes.ldm import captioned_ldm, latent_loss, measure_ldm, scene_latents, text_unet
from diffcourse.recipes.recipe import Recipe, seeded_build
from diffcourse.recipes.vae import lesson_01_bounds, measure_vae, vae_loss
from diffcourse.train import Progress, engine, fit

__all__ = [
    "FLOOR_SIZES",
    "MNIST_SHARES",
    "RECIPES",
    "SAMPLER",
    "Recipe",
    "asked_for",
    "autoencoder_loss",
    "caption_tokenizer",
    "captioned_ldm",
    "classifier_loss",
    "clip_loss",
    "denoiser_loss",
    "digit_denoiser",
    "digits",
    "drawn",
    "eyes_opened",
    "in_parts",
    "jitter",
    "latent_loss",
    "lesson_01_bounds",
    "make_reference",
    "measure_autoencoder",
    "measure_classifier",
    "measure_clip",
    "measure_denoiser",
    "measure_early",
    "measure_ldm",
    "measure_short_chain",
    "measure_vae",
    "middle",
    "plus_minus",
    "prompts_followed",
    "run",
    "scene_autoencoder",
    "scene_latents",
    "scenes_ceiling",
    "score",
    "seeded_build",
    "short_chain",
    "text_unet",
    "tiny_clip",
    "unit_latents",
    "vae_loss",
]

RECIPES: dict[str, Recipe | Callable[[Path], None]] = {
    **classifier.RECIPES,
    **denoisers.RECIPES,
    **vae.RECIPES,
    **autoencoder.RECIPES,
    **clip.RECIPES,
    **ldm.RECIPES,
}


def run(
    name: str, *, profile: str | None = None, out: str | Path = "runs", resume: bool = False, seed: int = 0
) -> Iterator[Progress]:
    """Train a recipe and write `out`/NAME.safetensors with its card, which `weights.load` reads; yields after every step.

    A checkpoint NAME.checkpoint in `out` lets a stopped run go on with resume=True, to the very same weights. Without it, an `out` that
    already holds this training is a FileExistsError. Of several launched processes the first writes, and the others end before it measures.
    """
    if name not in RECIPES:
        raise ValueError(f"name must be one of {', '.join(RECIPES)}, got {name!r}")
    profile = profiles.name() if profile is None else profile
    if profile not in profiles.PROFILES:
        raise ValueError(f"profile must be one of {', '.join(profiles.PROFILES)}, got {profile!r}")
    out = Path(out)
    checkpoint, log = out / f"{name}.checkpoint", out / f"{name}.log.json"
    if not resume:
        for path in (checkpoint, out / f"{name}.safetensors"):
            if path.exists():
                raise FileExistsError(
                    f"{str(path)!r} exists: continue with --resume (resume=True), or choose another folder with --out"
                )
    main = engine().is_main_process
    if main:
        write_json(out / f".{name}.probe", {})  # an unwritable folder is told now, not after an hour
        (out / f".{name}.probe").unlink()
    if not isinstance(RECIPES[name], Recipe):
        if main:
            RECIPES[name](out / f"{name}.safetensors")
        return iter(())
    return _run(name, RECIPES[name], profile, out, seed, checkpoint, log)


def _run(
    name: str, recipe: Recipe, profile: str, out: Path, seed: int, checkpoint: Path, log: Path
) -> Iterator[Progress]:
    processes = engine()
    main, world = processes.is_main_process, processes.num_processes
    with processes.local_main_process_first():  # one process downloads, the others find it
        source = recipe.data()
    model = seeded_build(recipe.build, seed)
    history = (
        json.loads(log.read_text(encoding="utf-8"))
        if checkpoint.exists() and log.exists()
        else {"seconds": 0.0, "losses": []}
    )
    steps, stride = recipe.steps[profile], max(1, recipe.steps[profile] // 200)
    seconds, start, recent = history["seconds"], time.monotonic(), []
    options = {"every": max(1, min(500, steps // 4)), **recipe.options}
    for progress in fit(model, source, recipe.loss, steps=steps, seed=seed, checkpoint=checkpoint, **options):
        recent.append(progress.loss)
        if progress.step % stride == 0:
            kept = [entry for entry in history["losses"] if entry[0] < progress.step]
            history["losses"] = [*kept, [progress.step, round(sum(recent) / len(recent), 5)]]
            recent = []
        if main and (progress.step % options["every"] == 0 or progress.step == steps):
            history["seconds"] = round(seconds + time.monotonic() - start, 1)
            write_json(log, history)
        yield progress
    if not main:
        return
    path = out / f"{name}.safetensors"
    card = {
        "name": name,
        "about": recipe.about,
        "headline": recipe.headline,
        "command": ("python" if world == 1 else f"torchrun --nproc_per_node {world}")
        + f" -m diffcourse train {name} --profile {profile} --out {out.name}"
        + (f" --seed {seed}" if seed else ""),
        "data": f"{len(source)} images, {source.source.split(':')[0]}",
        "recipe": {"steps": steps, "seed": seed, **recipe.options} | ({"processes": world} if world > 1 else {}),
        "training_seconds": history["seconds"],
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", CPU only"),
        "versions": {"torch": torch.__version__.split("+")[0]},
        "losses": history["losses"],
    }
    if recipe.finish:
        recipe.finish(progress.ema, source)
    save = partial(weights.save, path, progress.ema, half=recipe.half, parts=recipe.parts)
    save(card)
    card["metrics"] = recipe.measure(weights.load(path), profile)
    save(card)
    checkpoint.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
