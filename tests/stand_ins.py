"""Untrained weights in the place of shipped ones: quick, and enough wherever pictures do not matter."""

import shutil
from functools import lru_cache
from pathlib import Path

import torch

from diffcourse import Denoiser, DiffusionSchedule, LatentDiffusion, UNet2DCondition, recipes, weights
from diffcourse.models import AutoencoderKL


def ship(folder: Path) -> Path:
    """A folder for `weights.SHIPPED`: the judge, and an autoencoder and a CLIP as captioned-ldm wants them, untrained."""
    for path in weights.SHIPPED.glob("mnist-classifier.*"):
        shutil.copy(path, folder)
    for name, build in (("captioned-vae", recipes.scene_autoencoder), ("tiny-clip", recipes.tiny_clip)):
        weights.save(folder / name, spoken(recipes.seeded_build(build, 0)), {"about": "untrained"}, half=True)
    return folder


def spoken(model, seed=0):
    """The same model with noise on every parameter: outputs that start at zero say something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.05 * torch.randn(p.shape, generator=generator)
    return model


@lru_cache(maxsize=1)
def _text():
    return spoken(recipes.seeded_build(recipes.tiny_clip, 0)).text


def latent_diffusion(predicts="eps", schedule=None, projected=True, size=16):
    """A small random `LatentDiffusion` of 16x16 pictures on latents 3x8x8, which understands captions."""
    text = _text()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        vae = AutoencoderKL(block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=4, scaling_factor=0.4)
        network = UNet2DCondition(
            (16, 32), cross_attention_dim=128, heads=(2, 4), layers_per_block=1, norm_num_groups=4
        )
    denoiser = Denoiser(spoken(network), schedule or DiffusionSchedule.scaled_linear(), predicts, null=text("")[0])
    return LatentDiffusion(vae, denoiser, text, size=size).eval()
