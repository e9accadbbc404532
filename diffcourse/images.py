"""Images in memory, as numbers and as bytes, and the order in which a training walks through them.

Batches are a function of (step, batch_size, seed, rank, world) alone: no loader, no worker, no hidden state. That is what makes a resumed
training exact.
"""

import base64
import io
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffcourse.rng import counter_seed


class Batch(NamedTuple):
    """`images` (B, C, H, W) float32 in [-1, 1] and `labels` (B,) int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ImageData:
    """Images in memory: `images` uint8 (N, C, H, W), `labels` int64 (N,), and where they came from."""

    images: Tensor
    labels: Tensor
    source: str = ""

    def __post_init__(self):
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"images must be uint8 (N, C, H, W), got {self.images.dtype} of shape {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1] or len(self.images) == 0:
            raise ValueError(
                f"labels must be int64 of shape ({len(self.images)},) with at least one entry, "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Batch:
        """The batch of training step `step`: a function of its arguments alone.

        The steps walk through one shuffled order after the other, a new one each epoch; with `world` processes, each takes its own
        `batch_size` images of the step's `world * batch_size`.
        """
        index = walk(len(self), first_place(step, batch_size, rank, world), batch_size, seed)
        return Batch(to_float(self.images[index]), self.labels[index])

    def take(self, n: int, *, seed: int = 0) -> Batch:
        """n different images, drawn at random."""
        if not 1 <= n <= len(self):
            raise ValueError(f"n must be in [1, {len(self)}], got {n}")
        index = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:n]
        return Batch(to_float(self.images[index]), self.labels[index])


def to_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1]."""
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float in [-1, 1], clamped -> uint8 0..255."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def binarise(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images in [-1, 1] -> pixels 0 or 1, drawn with their grey value as probability: "dynamically binarised", new at every call.

    Salakhutdinov & Murray 2008, as used by Burda et al. 2016: then the Bernoulli likelihood of a VAE is one of the data.
    """
    if images.numel() and not (images.min() >= -1 and images.max() <= 1):
        raise ValueError(f"images must lie in [-1, 1], got values from {images.min():g} to {images.max():g}")
    grey = (images + 1) / 2
    device = generator.device if generator else grey.device
    u = torch.rand(grey.shape, generator=generator, dtype=grey.dtype, device=device).to(grey.device)
    return (u < grey).to(grey.dtype)


def first_place(step: int, batch_size: int, rank: int = 0, world: int = 1) -> int:
    """Where the batch of a step begins in an endless walk of which each of `world` processes takes `batch_size` places a step."""
    if step < 0 or batch_size < 1 or not 0 <= rank < world:
        raise ValueError(
            "step >= 0, batch_size >= 1 and 0 <= rank < world must hold, "
            f"got step={step}, batch_size={batch_size}, rank={rank}, world={world}"
        )
    return (step * world + rank) * batch_size


def walk(N: int, first: int, n: int, seed: int) -> Tensor:
    """Places first … first + n - 1 of an endless walk through N entries: one shuffled order after the other, a new one each epoch."""
    index = torch.empty(n, dtype=torch.int64)
    filled = 0
    while filled < n:  # it may run over the end of an epoch, or over several
        epoch, start = divmod(first + filled, N)
        part = _order(N, seed, epoch)[start : start + n - filled]
        index[filled : filled + len(part)] = part
        filled += len(part)
    return index


@lru_cache(maxsize=4)
def _order(N: int, seed: int, epoch: int) -> Tensor:
    return torch.randperm(N, generator=torch.Generator().manual_seed(counter_seed(seed, "epoch", epoch)))


def pack(images: Tensor) -> str:
    """Grey images (N, 1, H, W) in [-1, 1] as text, a PNG in base64: for the JSON of a benchmark. `unpack` is the way back."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(to_uint8(images)[:, 0].flatten(0, 1).numpy()).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(text: str, height: int = 28) -> Tensor:
    """The images (N, 1, height, W) in [-1, 1] of which `pack` made the text."""
    from PIL import Image

    column = torch.from_numpy(np.array(Image.open(io.BytesIO(base64.b64decode(text)))))
    return to_float(column.view(-1, 1, height, column.shape[1]))
