"""Pixels themselves, which no judge reads: how much ink, how much grey, and which known picture is nearest."""

from typing import NamedTuple

import torch
from torch import Tensor

from diffcourse.checks import whole
from diffcourse.gaussian import mean_se
from diffcourse.images import check_images


class Look(NamedTuple):
    """Ink: the mean of pixels in [0, 1]. Grey: the share of pixels that are neither dark nor bright. `se`: their standard errors."""

    ink: float
    grey: float
    n: int
    se: tuple[float, float]

    def __str__(self) -> str:
        (ink, grey), (a, b) = self[:2], self.se
        return f"ink {ink:.4f} ± {a:.4f}, grey {grey:.2%} ± {b:.2%} (n = {self.n})"


def look(images: Tensor) -> Look:
    """How images (N, C, H, W) look, clamped to [-1, 1] as they are shown: ink, the mean of (x + 1)/2, and grey, the share -0.8 < x < 0.8.

    A judge may read through blur, as the first one does, and grey does not: strokes have sharp edges, and of a test digit's pixels
    8.6 % are grey.
    """
    x = check_images(images).detach().cpu().double().clamp(-1, 1)
    ink, grey = (x.add(1) / 2).mean(dim=(1, 2, 3)), (x.abs() < 0.8).double().mean(dim=(1, 2, 3))
    return Look(float(ink.mean()), float(grey.mean()), len(x), (mean_se(ink), mean_se(grey)))


def nearest(images: Tensor, among: Tensor, *, k: int = 1) -> tuple[Tensor, Tensor]:
    """The k images of `among` (M, C, H, W) that are nearest to each of images (N, C, H, W): distances and places, (N, k), nearest first.

    The Euclidean distance over all pixels, float64, found in parts of both. 0 for a copy; that it is small says little by itself: compare
    with what real images have that were not in `among`.
    """
    check_images(images), check_images(among, name="among")
    if images.shape[1:] != among.shape[1:]:
        came = f"{tuple(images.shape[1:])} and {tuple(among.shape[1:])}"
        raise ValueError(f"images and among must be of one size, got {came}")
    k = whole("k", k, 1, len(among))
    parts = [_nearest(part, among, k) for part in images.detach().split(500)]
    return torch.cat([d for d, _ in parts]), torch.cat([i for _, i in parts])


def _nearest(images: Tensor, among: Tensor, k: int) -> tuple[Tensor, Tensor]:
    x, found, start = images.cpu().flatten(1).double(), [], 0
    for part in among.detach().split(5000):
        y = part.cpu().flatten(1).double()
        close = (y.square().sum(dim=1) - 2 * x @ y.T).topk(min(k, len(y)), largest=False).indices  # |x - y|² - |x|²
        exact = (x[:, None] - y[close]).norm(dim=2)  # of these few without cancellation
        found.append((exact, close + start))
        start += len(part)
    distances, places = (torch.cat(column, dim=1) for column in zip(*found, strict=True))
    distances, order = distances.sort(dim=1, stable=True)
    return distances[:, :k], places.gather(1, order)[:, :k]
