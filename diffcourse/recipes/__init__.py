"""How each shipped weight was trained: `python -m diffcourse train NAME --profile laptop --out runs`.

One module a model: what is built, with which loss, and how the result is measured; its entries of `RECIPES` stand at its end.
"""

import platform
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

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
from diffcourse.files import check_writable, user_path
from diffcourse.recipes import autoencoder, classifier, clip, denoisers, gan, ldm, vae
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
from diffcourse.recipes.gan import digit_gan, gan_loss, measure_gan
from diffcourse.recipes.ldm import captioned_ldm, latent_loss, measure_ldm, scene_latents, text_unet
from diffcourse.recipes.recipe import Again, Recipe, seeded_build, started_from
from diffcourse.recipes.vae import lesson_01_bounds, measure_vae, vae_loss
from diffcourse.train import Progress, engine, fit, read_checkpoint

__all__ = [
    "FLOOR_SIZES",
    "MNIST_SHARES",
    "RECIPES",
    "SAMPLER",
    "Again",
    "Recipe",
    "asked_for",
    "autoencoder_loss",
    "caption_tokenizer",
    "captioned_ldm",
    "classifier_loss",
    "clip_loss",
    "denoiser_loss",
    "digit_denoiser",
    "digit_gan",
    "digits",
    "drawn",
    "eyes_opened",
    "gan_loss",
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
    "measure_gan",
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
    "started_from",
    "text_unet",
    "tiny_clip",
    "unit_latents",
    "vae_loss",
]

RECIPES: dict[str, Recipe | Callable[[Path], None]] = {
    **classifier.RECIPES,
    **denoisers.RECIPES,
    **vae.RECIPES,
    **gan.RECIPES,
    **autoencoder.RECIPES,
    **clip.RECIPES,
    **ldm.RECIPES,
}


def run(
    name: str,
    *,
    profile: str | None = None,
    out: str | Path = "runs",
    resume: bool = False,
    seed: int = 0,
    start: str | Path | None = None,
) -> Iterator[Progress]:
    """Train a recipe and write `out`/NAME.safetensors with its card, which `weights.load` reads; yields after every step.

    A checkpoint NAME.checkpoint in `out` lets a stopped run go on with resume=True, to the very same weights; what is finished already is
    left as it is, which is told. Without resume, an `out` that already holds this training is a FileExistsError. Of several launched
    processes the first writes, and the others end before it measures.

    start: weights to go on from in place of random ones, a shipped name or the path of a .safetensors file, of a model that is built as the
    recipe's; the steps and options are then those of `Recipe.again`.
    """
    if name not in RECIPES:
        raise ValueError(f"name must be one of {', '.join(RECIPES)}, got {name!r}")
    profile = profiles.name() if profile is None else profile
    if profile not in profiles.PROFILES:
        raise ValueError(f"profile must be one of {', '.join(profiles.PROFILES)}, got {profile!r}")
    recipe, main, out = RECIPES[name], engine().is_main_process, user_path(out)
    checkpoint, path = out / f"{name}.checkpoint", out / f"{name}.safetensors"
    if start is not None:
        if not isinstance(recipe, Recipe):
            raise ValueError(f"start must be None for {name}, which nothing is trained for, got {str(start)!r}")
        weights.verify(start)
        recipe = started_from(recipe)
    if checkpoint.exists():
        if not resume:
            raise FileExistsError(
                f"{str(checkpoint)!r} exists, of a training that was stopped: continue with --resume (resume=True), "
                "or choose another folder with --out"
            )
        if isinstance(recipe, Recipe):
            _check_same(checkpoint, {"steps": recipe.steps[profile], "seed": seed, **recipe.options})
    elif path.exists():
        if not resume:
            raise FileExistsError(f"{str(path)!r} exists, finished: choose another folder with --out, or remove it")
        if main:
            print(
                f"{str(path)!r} is finished already: nothing was trained. To train again, choose another folder with --out."
            )
        return iter(())
    if main:
        check_writable(path)
    if not isinstance(recipe, Recipe):
        if main:
            recipe(path)
        return iter(())
    return _run(name, recipe, profile, out, seed, checkpoint, start)


def _check_same(checkpoint: Path, settings: dict[str, Any]) -> None:
    """ValueError if a checkpoint is of other steps or options: `fit` would go on from it, but not to the weights of this recipe."""
    saved = read_checkpoint(checkpoint)
    there = saved["settings"] if saved else {}
    told = [f"{k} was {there[k]} and is now {v}" for k, v in settings.items() if k in there and there[k] != v]
    if told:
        raise ValueError(
            f"checkpoint {str(checkpoint)!r} belongs to another training: {'; '.join(told)}; "
            "resume it with the profile and seed that it began with, or choose another folder with --out"
        )


def _set_out_from(start: str | Path, model: torch.nn.Module) -> dict[str, Any]:
    """Put the numbers of weights into a model that is built alike, in place; returns how these were trained, for the card."""
    begun = weights.load(start)
    if weights.describe(begun) != weights.describe(model):
        raise ValueError(f"start must be weights of a {type(model).__name__} built as the recipe's, got {str(start)!r}")
    model.load_state_dict(begun.state_dict())
    card = weights.verify(start)
    kept = ("command", "data", "recipe", "training_seconds", "machine", "losses", "before")
    return {"name": Path(start).stem, "sha256": card["sha256"], **{key: card[key] for key in kept if key in card}}


def _run(
    name: str, recipe: Recipe, profile: str, out: Path, seed: int, checkpoint: Path, start: str | Path | None
) -> Iterator[Progress]:
    processes = engine()
    main, world = processes.is_main_process, processes.num_processes
    with processes.local_main_process_first():  # one process downloads, the others find it
        source = recipe.data()
    model, steps = seeded_build(recipe.build, seed), recipe.steps[profile]
    before = {} if start is None else {"before": _set_out_from(start, model)}
    fast = recipe.on_gpu if processes.device.type == "cuda" else {}
    options = {"every": max(1, min(500, steps // 4)), **recipe.options, **fast}
    with fit(model, source, recipe.loss, steps=steps, seed=seed, checkpoint=checkpoint, **options) as training:
        for progress in training:
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
        + (f" --seed {seed}" if seed else "")
        + (f" --start {Path(start).name}" if start else ""),
        "data": f"{len(source)} images, {source.source.split(':')[0]}",
        "recipe": {"steps": steps, "seed": seed, **recipe.options, **fast}
        | ({"processes": world} if world > 1 else {}),
        "training_seconds": round(training.log.seconds, 1),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", CPU only"),
        "versions": {"torch": torch.__version__.split("+")[0]},
        "losses": training.log.losses,
        **before,
    }
    if recipe.finish:
        recipe.finish(progress.ema, source)
    save = partial(weights.save, path, progress.ema, half=recipe.half, parts=recipe.parts)
    save(card)
    card["metrics"] = recipe.measure(weights.load(path, device=processes.device), profile)
    save(card)
    checkpoint.unlink(missing_ok=True)
