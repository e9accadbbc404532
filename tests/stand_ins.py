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


def pipeline(**unet):
    """A StableDiffusionPipeline of diffusers, tiny and random, with every part that 1.x has: 64x64 pixels from latents of 8x8."""
    import diffusers
    import transformers

    from diffcourse.models.clip import learned_tokenizer

    words = learned_tokenizer(["a large red seven on a blue background, top left", "small 3 in the centre", "ugly"])
    words.model_max_length = 16
    four = {"block_out_channels": (8, 16, 16, 16), "layers_per_block": 1, "norm_num_groups": 4}
    sizes = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 3}
    ends = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    text = {**sizes, **ends, "max_position_embeddings": 16, "vocab_size": len(words) + 3, "hidden_act": "quick_gelu"}
    sides = {"sample_size": 8, "cross_attention_dim": 24, "attention_head_dim": 2}
    types = [f"{side}EncoderBlock2D" if side == "Down" else f"{side}DecoderBlock2D" for side in ("Down", "Up")]
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        parts = {
            "unet": spoken(diffusers.UNet2DConditionModel(**{**four, **sides, **unet}), 1),
            "vae": spoken(
                diffusers.AutoencoderKL(
                    down_block_types=types[:1] * 4, up_block_types=types[1:] * 4, sample_size=64, **four
                ),
                2,
            ),
            "text_encoder": spoken(transformers.CLIPTextModel(transformers.CLIPTextConfig(**text)), 3),
        }
    pipe = diffusers.StableDiffusionPipeline(
        **{name: part.eval() for name, part in parts.items()},
        tokenizer=words,
        scheduler=diffusers.PNDMScheduler(**schedule, skip_prk_steps=True, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
