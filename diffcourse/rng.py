"""Randomness from counters: the same numbers alone or in a batch, on any device, before and after a restart.

torch's generators start from the low 32 bits of their seed, so two of n images share their noise with probability about n²/2^33.
"""

import hashlib
import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

Generators = torch.Generator | Sequence[torch.Generator] | None


def counter_seed(*counters: int | str) -> int:
    """A seed for `torch.Generator.manual_seed` from counters such as (seed, step, rank): well mixed, the same on every machine."""
    text = ":".join(map(str, counters)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def image_generators(n: int, seed: int | None = None, first: int = 0) -> list[torch.Generator]:
    """One CPU generator an image; image i's follows from a hash of (seed, first + i). seed None: a new one from the operating system."""
    seed = secrets.randbits(62) if seed is None else seed
    return [torch.Generator().manual_seed(counter_seed(seed, first + i)) for i in range(n)]


def draw(like: Tensor, generator: Generators = None) -> Tensor:
    """Standard Gaussian noise of `like`'s shape, dtype and device; `generator` is one, one an image, or None for torch's own.

    Noise is drawn where its generator lives, so one CPU seed serves every device; half precision takes the float32 draws, rounded.
    """
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    if generator is None or isinstance(generator, torch.Generator):
        device = like.device if generator is None else generator.device
        return torch.randn(like.shape, generator=generator, dtype=dtype, device=device).to(like)
    if len(generator) != len(like):
        raise ValueError(f"generator is a list of {len(generator)} for a batch of {len(like)} images")
    return torch.stack([torch.randn(like.shape[1:], generator=g, dtype=dtype, device=g.device) for g in generator]).to(
        like
    )
