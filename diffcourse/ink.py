"""The strokes of scenes, as coverage in [0, 1]: found in a picture, compared, outlined, slanted, made bold, painted in any colour."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from diffcourse.checks import check_alike, check_batch, number, told
from diffcourse.images import check_images
from diffcourse.scenes import Scenes, check_attributes, colours_of


def coverage(images: Tensor, attributes: Tensor) -> Tensor:
    """How much of each pixel is ink, (N, 1, H, W) in [0, 1]: how far it lies on the way from the colour of the ground to that of the ink.

    images (N, 3, H, W) in [-1, 1]; attributes (N, 5), as in `scenes.ATTRIBUTES`: those of the picture's own two colours.
    """
    if check_images(images).shape[1] != 3:
        raise ValueError(f"images must be (N, 3, H, W), got {tuple(images.shape)}")
    if len(attributes := check_attributes(attributes)) != len(images):
        raise ValueError(f"attributes must be ({len(images)}, 5), one row a picture, got {tuple(attributes.shape)}")
    ground, ink = (colours_of(attributes[:, k]).to(images) for k in (3, 1))
    way = ink - ground
    if bool((alike := (way == 0).all(dim=1)).any()):
        row = int(alike.flatten().int().argmax())
        raise ValueError(f"attributes must name two colours, the same one is ink and ground of row {row}")
    return (((images - ground) * way).sum(dim=1, keepdim=True) / way.square().sum(dim=1, keepdim=True)).clamp(0, 1)


def overlap(a: Tensor, b: Tensor) -> Tensor:
    """Of the ink of a and b (N, …), coverages in [0, 1], the share that both have: sum min(a, b) / sum max(a, b), (N,); 1 for equal ones.

    For masks of 0 and 1 that is intersection over union, IoU.
    """
    check_batch("a", a)
    check_alike("b", b, "a", a)
    both, either = (f(a, b).reshape(len(a), -1).sum(dim=1) for f in (torch.minimum, torch.maximum))
    return torch.where(either > 0, both / either, 1.0)


def outline(ink: Tensor) -> Tensor:
    """The pixels just outside of strokes, (N, 1, H, W) of 0 and 1: not covered by half, with a neighbour that is."""
    inside = (_ink(ink) > 0.5).float()
    return F.max_pool2d(inside, 3, stride=1, padding=1) - inside


def slant(ink: Tensor) -> Tensor:
    """How far strokes lean to the right, (N,): -cov(x, y)/var(y) of where the ink lies, pixels across for each pixel up.

    float64; 0 where there is no ink, or all of it in one row.
    """
    weight = _ink(ink)[:, 0].double()
    weight = weight / weight.sum(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    y, x = (torch.arange(n, dtype=weight.dtype, device=weight.device) for n in weight.shape[1:])
    y = y[:, None]
    dy, dx = (v - (weight * v).sum(dim=(1, 2), keepdim=True) for v in (y, x))
    return -(weight * dy * dx).sum(dim=(1, 2)) / (weight * dy * dy).sum(dim=(1, 2)).clamp(min=1e-12)


def width(ink: Tensor) -> Tensor:
    """How wide strokes are, (N,), in pixels: 2·area/outline, since a stroke of length L and width w covers L·w and has two sides of L.

    0 where there is no ink. Exact for long strokes along the rows or columns; one on the diagonal counts for 0.7 of its width, since
    its outline is a stair.
    """
    area = (_ink(ink) > 0.5).sum(dim=(1, 2, 3))
    return 2 * area / outline(ink).sum(dim=(1, 2, 3)).clamp(min=1)


def bold(digits: Tensor) -> Tensor:
    """Digits (N, 1, H, W), white on black, written with a broader pen: each pixel takes the brightest value of the 3x3 around it."""
    _one_channel(digits)
    return F.max_pool2d(digits, 3, stride=1, padding=1)


def slanted(digits: Tensor, by: float) -> Tensor:
    """Digits (N, 1, H, W) in [-1, 1], black outside, sheared about their middle: a pixel that lies one higher goes `by` further right."""
    _one_channel(digits)
    H, W = digits.shape[2:]  # both sides count as 2 to affine_grid
    theta = digits.new_tensor([[1.0, number("by", by) * H / W, 0.0], [0.0, 1.0, 0.0]]).expand(len(digits), 2, 3)
    grid = F.affine_grid(theta, list(digits.shape), align_corners=False)
    return F.grid_sample((digits + 1) / 2, grid, align_corners=False) * 2 - 1


def painted(shown: Scenes, colour: tuple[int, int, int]) -> Tensor:
    """The scenes (N, 3, H, W) with their digits in another colour, sRGB 0 … 255: pixel = ground + coverage·(colour - ground)."""
    if not isinstance(colour, Sequence) or len(colour) != 3:
        raise ValueError(f"colour must be three numbers, red, green and blue, got {told(colour)}")
    paint = torch.tensor([number(f"colour[{i}]", c, 0, 255) for i, c in enumerate(colour)]).view(1, 3, 1, 1) / 127.5 - 1
    grounds = colours_of(shown.attributes[:, 3])
    return torch.lerp(grounds, paint.expand_as(grounds), shown.ink)


def _ink(ink: Tensor) -> Tensor:
    if not isinstance(ink, Tensor) or ink.ndim != 4 or ink.shape[1] != 1:
        raise ValueError(f"ink must be a coverage (N, 1, H, W), got {told(ink)}")
    return ink


def _one_channel(digits: Tensor) -> None:
    if check_images(digits, name="digits").shape[1] != 1:
        raise ValueError(f"digits must be (N, 1, H, W), got {tuple(digits.shape)}")
