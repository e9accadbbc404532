"""Randomness from counters: the same numbers alone or in a batch, on any device, before and after a restart.

torch's generators start from the low 32 bits of their seed, so two of n images share their noise with probability about n²/2^33.
"""

import hashlib
import secrets
from collections.abc import Sequence

import torch
from torch import Tensor

from diffcourse.checks import check_floating, one_generator, told, whole

Generators = torch.Generator | Sequence[torch.Generator] | None


def counter_seed(*counters: int | str) -> int:
    """A seed for `torch.Generator.manual_seed` from counters such as (seed, step, rank): well mixed, the same on every machine."""
    text = ":".join(c if isinstance(c, str) else str(whole("a counter", c)) for c in counters).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def image_generators(n: int, seed: int | None = None, first: int = 0) -> list[torch.Generator]:
    """One CPU generator an image; image i's follows from a hash of (seed, first + i). seed None: a new one from the operating system."""
    n, first = whole("n", n, 0), whole("first", first, 0)
    seed = secrets.randbits(62) if seed is None else whole("seed", seed)
    return [torch.Generator().manual_seed(counter_seed(seed, first + i)) for i in range(n)]


def check_generators(generator: Generators, n: int) -> None:
    """One generator, a list with one for each of n images, or None."""
    if not isinstance(generator, (list, tuple)):
        one_generator(generator)
        return
    if wrong := [g for g in generator if not isinstance(g, torch.Generator)]:
        raise TypeError(
            f"generator must hold torch.Generators, such as rng.image_generators makes, got {told(wrong[0])}"
        )
    if len(generator) != n:
        raise ValueError(f"generator is a list of {len(generator)} for a batch of {n} images")


def draw(like: Tensor, generator: Generators = None) -> Tensor:
    """Standard Gaussian noise of `like`'s shape, dtype and device; `generator` is one, one an image, or None for torch's own.

    Noise is drawn where its generator lives, so one CPU seed serves every device; half precision takes the float32 draws, rounded.
    """
    check_floating("like", like)
    check_generators(generator, len(like) if like.ndim else 0)
    dtype = torch.float64 if like.dtype == torch.float64 else torch.float32
    if generator is None or isinstance(generator, torch.Generator):
        device = like.device if generator is None else generator.device
        return torch.randn(like.shape, generator=generator, dtype=dtype, device=device).to(like)
    if not len(like):
        return torch.empty_like(like)
    return torch.stack([torch.randn(like.shape[1:], generator=g, dtype=dtype, device=g.device) for g in generator]).to(
        like
    )
