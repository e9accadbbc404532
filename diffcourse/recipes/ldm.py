"""Pictures from words: a denoiser of latents that reads captions."""

from typing import Any

import torch
from torch import Tensor

from diffcourse import data, metrics, scenes, weights
from diffcourse.denoiser import Denoiser
from diffcourse.evaluate import SAMPLER, drawn, scenes_ceiling, short_prompts_followed
from diffcourse.latent import CachedLatents, LatentDiffusion, Latents
from diffcourse.models import UNet2DCondition
from diffcourse.recipes.denoisers import middle
from diffcourse.recipes.recipe import Again, Recipe
from diffcourse.schedule import DiffusionSchedule


def text_unet(text_dim: int = 128) -> UNet2DCondition:
    """Stable Diffusion's U-Net at a fifth of its width, with two resolutions in place of four and one layer in place of two."""
    return UNet2DCondition(
        (64, 128), cross_attention_dim=text_dim, heads=4, attention=(True, True), layers_per_block=1, norm_num_groups=8
    )


def captioned_ldm(predicts: str = "v") -> LatentDiffusion:
    """Stable Diffusion, small: `text_unet` on the latents of captioned-vae, reading tiny-clip.

    v as in Stable Diffusion 2.x, not eps as in 1.x: in a short training it goes further, see benchmarks/parameterisation.json.
    """
    text = weights.load("tiny-clip").text
    denoiser = Denoiser(text_unet(text.dim), DiffusionSchedule.scaled_linear(), predicts, null=text("")[0])
    return LatentDiffusion(weights.load("captioned-vae"), denoiser, text, size=scenes.SIDE)


def scene_latents(n: int = 60_000, leave_out: float = 0.3) -> CachedLatents:
    """Training scenes without the held-out combinations, encoded once; captions leave an attribute out with probability leave_out."""
    return CachedLatents(data.captioned_digits(), weights.load("captioned-vae"), n, leave_out=leave_out)


def latent_loss(model: LatentDiffusion, batch: Latents, generator: torch.Generator) -> Tensor:
    """`LatentDiffusion.loss` of scenes that are encoded already. Captions are not: to read them takes a twentieth of a step."""
    text = model.text(batch.captions)
    return model.denoiser.loss(batch.latents, text, drop_prob=0.1, weight=middle, generator=generator)


def measure_ldm(model: LatentDiffusion, profile: str) -> dict[str, Any]:
    """Which prompts are followed, with guidance 5 and 20 steps, beside what the autoencoder leaves legible of true scenes: the ceiling.

    Of `evaluate.SHORT`, prompts that leave attributes out, a tenth as many are drawn, and told the share with all that is named right.
    """
    n = {"smoke": 10}.get(profile, 1000)
    table: dict[str, Any] = {"prompts": n, "guidance": 5.0, "steps": 20, "sampler": repr(SAMPLER), "seed": 0}
    for name, heldout in (("test scenes", False), ("held-out combinations", True)):
        asked = data.captioned_digits("test").take(n, seed=0, heldout=heldout)
        ceiling = scenes_ceiling(model, asked)
        found = metrics.prompt_accuracy(drawn(model, asked.captions, steps=20, guidance=5.0), asked.attributes)
        relative = found.relative_to(ceiling)
        for what, shares in (("", found.shares), (", ceiling", ceiling.shares), (", relative to it", relative)):
            table[name + what] = {attribute: round(share, 4) for attribute, share in shares.items()}
    few = data.captioned_digits("test").take(max(1, n // 10), seed=0)
    table["short prompts, of each"] = len(few.captions)
    table["short prompts"] = short_prompts_followed(model, few)
    return {**table, "more steps and guidances": "python benchmarks/captioned_ldm.py"}


RECIPES = {
    "captioned-ldm": Recipe(
        about="Draws scenes from prompts: Stable Diffusion in small, on the latents of captioned-vae, reading the text of tiny-clip.",
        headline="all five attributes right: {test scenes[together]} of {prompts} prompts (ceiling {test scenes, ceiling[together]})",
        build=captioned_ldm,
        loss=latent_loss,
        steps={"smoke": 20, "laptop": 18_000, "gpu": 100_000},
        measure=measure_ldm,
        data=scene_latents,
        options={"batch_size": 32, "lr": 1e-3, "ema": 0.999},
        parts={"autoencoder": "captioned-vae", "text": "tiny-clip"},
        again=Again({"smoke": 20, "laptop": 6_000, "gpu": 30_000}, {"lr": 5e-4}),
    ),
}
