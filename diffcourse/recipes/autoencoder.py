"""The autoencoder of scenes, from pixels to the latents in which captioned-ldm draws."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from diffcourse import data
from diffcourse.evaluate import in_parts, prompts_followed
from diffcourse.models import AutoencoderKL
from diffcourse.recipes.recipe import Recipe
from diffcourse.scenes import CaptionedDigits, Scenes


def scene_autoencoder(groups: int = 2, initial_log_var: float = -6.0) -> AutoencoderKL:
    """Stable Diffusion's autoencoder, narrow: 64x64 RGB scenes to (4, 8, 8), 48 times fewer numbers, as 512x512 to (4, 64, 64)."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        norm_num_groups=groups,
        scaling_factor=1.0,  # until `unit_latents` has measured it
        initial_log_var=initial_log_var,
    )


def autoencoder_loss(model: AutoencoderKL, batch: Scenes, generator: torch.Generator, ink: float = 9.0) -> Tensor:
    """L1 + MSE, a pixel of ink weighing 9 times one of the ground: a digit covers a twentieth of its scene."""
    return model.loss(batch.images, 1 + (ink - 1) * batch.ink, generator)


def unit_latents(model: AutoencoderKL, scenes: CaptionedDigits, n: int = 1000) -> None:
    """Set the scaling factor to 1/std of the latents of n training scenes (Rombach et al. 2022, appendix G)."""
    z = in_parts(partial(model.encode, generator=torch.Generator().manual_seed(0)), scenes.take(n).images)
    model.scaling_factor /= z.std().item()


def measure_autoencoder(model: AutoencoderKL, profile: str) -> dict[str, Any]:
    """What reconstructions lose: of test scenes, and of such as no text-conditioned model sees in training. Latents are scaled."""
    n = {"smoke": 50}.get(profile, 2000)
    generator = torch.Generator().manual_seed(0)
    table: dict[str, Any] = {"scenes": n, "scaling_factor": round(model.scaling_factor, 5)}
    for name, heldout in (("test scenes", False), ("held-out combinations", True)):
        scenes = data.captioned_digits("test").take(n, seed=0, heldout=heldout)
        z = in_parts(partial(model.encode, generator=generator), scenes.images)
        recon = in_parts(model.decode, z).clamp(-1, 1)
        error = recon - scenes.images
        table[name] = {
            "l1": round(error.abs().mean().item(), 5),
            "mse": round(error.square().mean().item(), 6),
            "psnr": round(10 * torch.log10(4 / error.square().mean(dim=(1, 2, 3))).mean().item(), 2),  # dB, range 2
            "latent_mean": [round(v, 3) for v in z.mean(dim=(0, 2, 3)).tolist()],
            "latent_std": [round(v, 3) for v in z.std(dim=(0, 2, 3)).tolist()],
            "prompt_accuracy": prompts_followed(recon, scenes),
            "prompt_accuracy_of_the_true_scenes": prompts_followed(scenes.images, scenes),
        }
    return table


RECIPES = {
    "captioned-vae": Recipe(
        about="Stable Diffusion's autoencoder, narrow: takes 64x64 scenes of coloured digits to latents (4, 8, 8) and back.",
        build=scene_autoencoder,
        loss=autoencoder_loss,
        steps={"smoke": 20, "laptop": 12_500, "gpu": 60_000},
        measure=measure_autoencoder,
        data=partial(data.captioned_digits, every_combination=True),
        options={"batch_size": 16, "lr": 1.5e-3},
        finish=unit_latents,
    ),
}
