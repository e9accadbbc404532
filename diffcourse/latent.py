"""Latent diffusion: pictures to latents and back."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from diffcourse.data import to_float, to_uint8
from diffcourse.models import AutoencoderKL

if TYPE_CHECKING:
    from PIL.Image import Image


@torch.no_grad()
def pil_to_latents(
    images: "Image | Sequence[Image]",
    vae: AutoencoderKL,
    generator: torch.Generator | None = None,
    *,
    sample: bool = True,
) -> Tensor:
    """Pictures of one size, or a single one -> latents (B, latent_channels, H/8, W/8), scaled, on the autoencoder's device.

    Sides must be multiples of 8 (the autoencoder's `factor`): crop or resize before. Grey, palette and transparent pictures become RGB.
    sample=False gives the posterior's mean, the same at every call.
    """
    images = [images] if hasattr(images, "convert") else list(images)
    if not images or not all(hasattr(image, "convert") for image in images):
        raise TypeError(f"images must be PIL images, at least one, got {[type(image).__name__ for image in images]}")
    if len(sizes := {image.size for image in images}) > 1:
        raise ValueError(f"images must be of one size, got {', '.join(f'{w}x{h}' for w, h in sorted(sizes))}")
    mode = {1: "L", 3: "RGB"}[vae.in_channels]
    pixels = np.stack([np.atleast_3d(np.asarray(image.convert(mode))) for image in images])
    x = to_float(torch.from_numpy(pixels).permute(0, 3, 1, 2))  # (B, C, H, W) in [-1, 1]
    return vae.encode(x.to(next(vae.parameters())), generator, sample=sample)


@torch.no_grad()
def latents_to_pil(latents: Tensor, vae: AutoencoderKL) -> "list[Image]":
    """Latents (B, latent_channels, h, w), scaled as `encode` and `pil_to_latents` return them -> a list of B pictures, 8 times as large."""
    from PIL import Image

    pixels = to_uint8(vae.decode(latents.to(next(vae.parameters())))).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image) for image in pixels]
