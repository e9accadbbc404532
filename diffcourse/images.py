"""Images in memory, as numbers and as bytes, the order in which a training walks through them, and pages of them as files.

Batches are a function of (step, batch_size, seed, rank, world) alone: no loader, no worker, no hidden state. That is what makes a resumed
training exact.
"""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffcourse.checks import one_generator, told, whole
from diffcourse.files import atomic_write, user_path
from diffcourse.rng import counter_seed


class Batch(NamedTuple):
    """`images` (B, C, H, W) float32 in [-1, 1] and `labels` (B,) int64."""

    images: Tensor
    labels: Tensor


@dataclass(frozen=True)
class ImageData:
    """Images in memory: `images` uint8 (N, C, H, W), `labels` int64 (N,), where they came from, and what the labels are called."""

    images: Tensor
    labels: Tensor
    source: str = ""
    classes: tuple[str, ...] = ()

    def __post_init__(self):
        for name, tensor, dtype in (("images", self.images, torch.uint8), ("labels", self.labels, torch.int64)):
            if not isinstance(tensor, Tensor):
                raise TypeError(f"{name} must be a tensor of {dtype}, got {told(tensor)}")
        if self.images.dtype != torch.uint8 or self.images.ndim != 4 or 0 in self.images.shape[1:]:
            raise ValueError(
                f"images must be uint8 (N, C, H, W), got {self.images.dtype} of shape {tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1] or len(self.images) == 0:
            raise ValueError(
                f"labels must be int64 of shape ({len(self.images)},) with at least one entry, "
                f"got {self.labels.dtype} of shape {tuple(self.labels.shape)}"
            )
        if self.classes and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise ValueError(f"labels must be in 0..{len(self.classes) - 1}, as there are {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Batch:
        """The batch of training step `step`: a function of its arguments alone.

        The steps walk through one shuffled order after the other, a new one each epoch; with `world` processes, each takes its own
        `batch_size` images of the step's `world * batch_size`.
        """
        index = walk(len(self), first_place(step, batch_size, rank, world), batch_size, seed).to(self.images.device)
        return Batch(to_float(self.images[index]), self.labels[index])

    def to(self, device: torch.device | str) -> "ImageData":
        """The same images on another device, where `batch` then makes its batches."""
        return replace(self, images=self.images.to(device), labels=self.labels.to(device))

    def take(self, n: int, *, seed: int = 0) -> Batch:
        """n different images, drawn at random."""
        n, seed = whole("n", n, 1, len(self)), whole("seed", seed)
        index = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))[:n].to(self.images.device)
        return Batch(to_float(self.images[index]), self.labels[index])


class Captioned(NamedTuple):
    """`images` (B, C, H, W) float32 in [-1, 1] and their `captions`."""

    images: Tensor
    captions: list[str]


@dataclass(frozen=True)
class CaptionedImages:
    """Images in memory, each with its caption: `data.captions` makes them."""

    data: ImageData
    captions: Sequence[str]

    def __post_init__(self):
        if not isinstance(self.data, ImageData):
            raise TypeError(f"data must be ImageData, got {told(self.data)}")
        if isinstance(self.captions, str) or not isinstance(self.captions, Sequence):
            raise TypeError(f"captions must be texts, one an image, got {told(self.captions)}")
        if wrong := [i for i, caption in enumerate(self.captions) if not isinstance(caption, str)]:
            raise TypeError(f"captions[{wrong[0]}] must be a str, got {told(self.captions[wrong[0]])}")
        if len(self.captions) != len(self.data):
            raise ValueError(f"captions must be one an image, {len(self.data)}, got {len(self.captions)}")
        object.__setattr__(self, "captions", tuple(self.captions))

    def __len__(self) -> int:
        return len(self.data)

    @property
    def source(self) -> str:
        """Where the images came from."""
        return self.data.source

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Captioned:
        """The batch of training step `step`, in the order of `ImageData.batch`: a function of its arguments alone."""
        index = walk(len(self), first_place(step, batch_size, rank, world), batch_size, seed)
        images = self.data.images[index.to(self.data.images.device)]
        return Captioned(to_float(images), [self.captions[i] for i in index.tolist()])

    def to(self, device: torch.device | str) -> "CaptionedImages":
        """The same with its images on another device, where `batch` then makes its batches."""
        return replace(self, data=self.data.to(device))


def to_float(images: Tensor) -> Tensor:
    """uint8 0..255 -> float32 in [-1, 1]. TypeError for anything else: numbers that are in [0, 1], say, would come out black."""
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        raise TypeError(f"images must be a tensor of torch.uint8, whole numbers from 0 to 255, got {told(images)}")
    return images.float() / 127.5 - 1


def to_uint8(images: Tensor) -> Tensor:
    """float in [-1, 1], clamped -> uint8 0..255, of any shape. What `check_images` refuses, such as NaN or images in [0, 1], is refused."""
    _check_any_shape(images)
    return as_bytes(images)


def as_bytes(images: Tensor) -> Tensor:
    """`to_uint8` unasked: of what was looked at before, or is drawn in greys and no picture, so that none of it need be black."""
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)


def binarise(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Images in [-1, 1] -> pixels 0 or 1, drawn with their grey value as probability: "dynamically binarised", new at every call.

    Salakhutdinov & Murray 2008, as used by Burda et al. 2016: then the Bernoulli likelihood of a VAE is one of the data.
    """
    _check_any_shape(images)
    one_generator(generator)
    if images.numel() and not (images.min() >= -1 and images.max() <= 1):
        raise ValueError(f"images must lie in [-1, 1], got values from {images.min():g} to {images.max():g}")
    grey = (images + 1) / 2
    device = generator.device if generator else grey.device
    u = torch.rand(grey.shape, generator=generator, dtype=grey.dtype, device=device).to(grey.device)
    return (u < grey).to(grey.dtype)


def first_place(step: int, batch_size: int, rank: int = 0, world: int = 1) -> int:
    """Where the batch of a step begins in an endless walk of which each of `world` processes takes `batch_size` places a step."""
    given = {"step": step, "batch_size": batch_size, "rank": rank, "world": world}
    step, batch_size, rank, world = (whole(name, value) for name, value in given.items())
    if step < 0 or batch_size < 1 or not 0 <= rank < world:
        raise ValueError(
            "step >= 0, batch_size >= 1 and 0 <= rank < world must hold, "
            f"got step={step}, batch_size={batch_size}, rank={rank}, world={world}"
        )
    return (step * world + rank) * batch_size


def walk(N: int, first: int, n: int, seed: int) -> Tensor:
    """Places first … first + n - 1 of an endless walk through N entries: one shuffled order after the other, a new one each epoch."""
    N, first, n, seed = whole("N", N, 1), whole("first", first, 0), whole("n", n, 0), whole("seed", seed)
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

    if check_images(images).shape[1] != 1:
        raise ValueError(f"images must be grey, (N, 1, H, W), got shape {tuple(images.shape)}")
    buffer = io.BytesIO()
    Image.fromarray(to_uint8(images)[:, 0].flatten(0, 1).cpu().numpy()).save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def unpack(text: str, height: int = 28) -> Tensor:
    """The images (N, 1, height, W) in [-1, 1] of which `pack` made the text."""
    from PIL import Image

    height = whole("height", height, 1)
    try:
        column = torch.from_numpy(
            np.array(Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]))
        )
    except Exception as error:
        raise ValueError(f"text must be what `pack` made, a PNG in base64, got {told(text)}") from error
    if column.ndim != 2 or column.dtype != torch.uint8 or len(column) % height:
        raise ValueError(
            f"text holds a picture of {tuple(column.shape)}: no whole number of grey images of height {height}"
        )
    return to_float(column.view(-1, 1, height, column.shape[1]))


def _check_any_shape(images: Tensor) -> None:
    """`check_images` of tensors of any shape, one picture or a row of numbers among them, and of none at all."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        raise TypeError(f"images must be a tensor of floating-point numbers in [-1, 1], got {told(images)}")
    if images.numel():
        check_images(images if images.ndim == 4 else images.reshape(1, 1, 1, -1))


# -- what came in: asked once, for every function that takes images, points or latents --------------------------------------------

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_images(images: Tensor, *, name: str = "images") -> Tensor:
    """Images (B, C, H, W) of floating-point numbers in [-1, 1], as they are; else a TypeError or ValueError that names `name`.

    Noisy, unclipped and diverging images reach beyond [-1, 1], however far: that is no fault. Images in [0, 1] or 0 … 255 are told by
    their black, which is 0 where it should be -1: nothing of the whole batch is negative, and one number in a thousand lies below 1/255
    or the brightest above 2. A batch without contrast (each image all of one grey) is taken as it is, and so are bright pictures in
    [0, 1] that have no black: nothing tells them from bright ones in [-1, 1].
    """
    check_tensor(images, name, "(B, C, H, W)")
    if images.dtype not in FLOATS:
        way = "diffcourse.data.to_float makes them of 0 … 255"
        raise TypeError(f"{name} must be floating-point numbers in [-1, 1], got {images.dtype}: {way}")
    low, high = _extent(images, name)
    if low >= 0 and (high > 2 or 1000 * int((images < 1 / 255).sum()) >= images.numel()):
        flat = images.detach().flatten(1)
        if bool((flat.amax(dim=1) > flat.amin(dim=1)).any()):
            way = "2·x - 1" if high <= 2 else "x / 127.5 - 1"
            came = f"values from {low:g} to {high:g}, none of them negative"
            raise ValueError(f"{name} must lie in [-1, 1], where black is -1; got {came}: {way} brings them there")
    return images


def check_points(points: Tensor, name: str, *, least: int = 1, dimensions: int | None = None) -> Tensor:
    """Points, or features, (N, D) with N at least `least`: finite numbers, as float64 on the CPU; else an error that names `name`."""
    form = f"({'N' if least < 2 else f'N ≥ {least}'}, {dimensions or 'D'})"
    check_tensor(points, name, form, ndim=2)
    if len(points) < least or dimensions not in (None, points.shape[1]):
        raise ValueError(f"{name} must be {form}, got {tuple(points.shape)}")
    points = points.detach().cpu().double()
    _extent(points, name)
    return points


def check_latents(latents: Tensor, name: str = "latents") -> Tensor:
    """Latents (B, C, h, w): finite floating-point numbers of any size, as they are; else an error that names `name`."""
    check_tensor(latents, name, "(B, C, h, w)")
    if latents.dtype not in FLOATS:
        raise TypeError(f"{name} must be floating-point numbers, got {latents.dtype}")
    _extent(latents, name)
    return latents


def check_tensor(x: Tensor, name: str, form: str, ndim: int = 4) -> None:
    """A plain tensor of real numbers with `ndim` dimensions, none of them empty; the error says the `form` that is wanted."""
    if not isinstance(x, Tensor):
        way = {"ndarray": ": torch.from_numpy makes one of it", "list": ": torch.stack or torch.tensor makes one of it"}
        kind = type(x).__name__
        raise TypeError(f"{name} must be a tensor {form}, got {kind}{way.get(kind, '')}")
    if x.layout != torch.strided or x.is_meta or x.is_quantized:
        what = "of the meta device, without numbers" if x.is_meta else "quantized" if x.is_quantized else str(x.layout)
        raise TypeError(f"{name} must be a plain tensor {form}, got one {what}")
    if x.is_complex() or x.dtype == torch.bool:
        raise TypeError(f"{name} must be real numbers {form}, got {x.dtype}")
    if x.ndim != ndim or not x.numel():
        raise ValueError(f"{name} must be {form} with at least one entry, got shape {tuple(x.shape)}")


def _extent(x: Tensor, name: str) -> tuple[float, float]:
    """The smallest and the largest of finite numbers; the error names the first entry that is not."""
    low, high = (float(v) for v in x.detach().aminmax())  # NaN in either if there is one anywhere
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = ~x.detach().isfinite().flatten(1).all(dim=1)
        where = f"{name}[{int(bad.nonzero()[0])}]" + (f", and {int(bad.sum()) - 1} more," if bad.sum() > 1 else "")
        raise ValueError(f"{name} must be finite, but {where} holds NaN or infinity")
    return low, high


# -- pages of images, as files ----------------------------------------------------------------------------------------


def save(images: Tensor, path: str | Path, columns: int | None = None, zoom: int = 3) -> Path:
    """Write images (N, C, H, W) in [-1, 1] as one picture file, pixel for pixel times `zoom`; as a whole or not at all."""
    from PIL import Image

    path = user_path(path)
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
    if path.suffix.lower() not in kinds:
        raise ValueError(f"path must end in {', '.join(kinds)}, got {path.name!r}")
    images = to_pixels(images)
    columns, zoom = columns_of(columns, len(images)), whole("zoom", zoom, 1)
    mosaic = tile(images, math.ceil(len(images) / columns), columns, gap=1, ground=0)
    picture = Image.fromarray(mosaic if mosaic.shape[2] == 3 else mosaic[:, :, 0])
    picture = picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST)
    with atomic_write(path) as file:
        picture.save(file, format=kinds[path.suffix.lower()])
    return path


def to_pixels(images: Tensor) -> Tensor:
    """Images (N, 1 or 3, H, W) in [-1, 1], clamped, as whole numbers from 0 to 255 (uint8) on the CPU."""
    check_images(images)
    if images.shape[1] not in (1, 3):
        raise ValueError(f"images must be (N, 1 or 3, H, W), grey or in colour, got {tuple(images.shape)}")
    return to_uint8(images.detach().float().cpu())


def columns_of(columns: int | None, n: int) -> int:
    return min(10, math.ceil(n**0.5)) if columns is None else whole("columns", columns, 1)


def tile(images: Tensor, rows: int, columns: int, gap: int, ground: int = 255) -> np.ndarray:
    """One page (height, width, C) of images (N, C, H, W) in uint8: a line of `ground` between columns, `gap` lines between rows."""
    _, C, H, W = images.shape
    page = torch.full((C, rows * (H + gap) - gap, columns * (W + 1) - 1), ground, dtype=torch.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (H + gap), i % columns * (W + 1)
        page[:, top : top + H, left : left + W] = image
    return page.permute(1, 2, 0).numpy()
