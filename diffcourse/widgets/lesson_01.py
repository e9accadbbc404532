"""The explorer of lesson 01: a latent plane to walk through."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.checks import whole
from diffcourse.images import check_points
from diffcourse.models import VAE
from diffcourse.widgets.explorer import Explorer, check_kind, slider


class LatentExplorer(Explorer):
    """A latent plane to walk through: where you are among the codes of real digits, and what the decoder draws there.

    vae: a `VAE` with two latent dimensions, Bernoulli likelihood; codes (N, 2) and labels (N,) of digits for the map. All places of the
    grid are decoded at the start, so that moving costs a drawing only.
    """

    LIMIT = 3.5

    def __init__(self, vae: VAE, codes: Tensor, labels: Tensor, z: tuple[float, float] = (0.0, 0.0), places: int = 29):
        check_kind("vae", vae, VAE)
        if vae.latent_dim != 2:
            raise ValueError(f"vae must have 2 latent dimensions, got {vae.latent_dim}")
        check_points(codes, "codes", dimensions=2)
        if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.shape != codes.shape[:1]:
            came = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
            raise ValueError(f"labels must be whole numbers ({len(codes)},), one for each code, got {came}")
        whole("places", places, 2)
        ticks = [round(-self.LIMIT + 2 * self.LIMIT * i / (places - 1), 2) for i in range(places)]
        page = plot.map_page(codes, labels, self.LIMIT)
        with torch.no_grad():
            images = vae.to_images(torch.cartesian_prod(torch.tensor(ticks), torch.tensor(ticks)))
        nearest = [min(ticks, key=lambda t, v=v: abs(t - v)) for v in z]
        super().__init__(
            {"z1": slider("z₁", ticks, nearest[0]), "z2": slider("z₂", ticks, nearest[1])},
            lambda z1, z2: self.compute(ticks, images, codes, labels, z1, z2),
            lambda arrays: self.draw(page, arrays),
        )

    @staticmethod
    def compute(
        ticks: Sequence[float], images: Tensor, codes: Tensor, labels: Tensor, z1: float, z2: float
    ) -> dict[str, Any]:
        """The decoded image (1, H, W) at (z1, z2), and the label that most of the 15 nearest codes have, with its share."""
        image = images[ticks.index(z1) * len(ticks) + ticks.index(z2)]
        near = (codes - torch.tensor([z1, z2])).norm(dim=1).topk(min(15, len(codes)), largest=False).indices
        votes = torch.bincount(labels[near], minlength=10)
        return {"z": (z1, z2), "image": image, "label": int(votes.argmax()), "share": float(votes.max() / votes.sum())}

    @classmethod
    def draw(cls, page: Any, a: dict[str, Any]) -> plot.Picture:
        """The map with its mark beside the decoded image, and the same in words."""
        z1, z2 = a["z"]
        words = f"z = ({z1:.2f}, {z2:.2f}): {a['share']:.0%} of the nearest real digits are {a['label']}s"
        return plot.latent_point(page, cls.LIMIT, a["z"], a["image"], alt=words)
