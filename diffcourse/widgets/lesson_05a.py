"""The explorer of lesson 05a: edits of a latent, and the picture that it decodes to."""

from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.denoiser import evaluating
from diffcourse.images import check_images
from diffcourse.models import AutoencoderKL
from diffcourse.rng import draw
from diffcourse.widgets.explorer import Explorer, check_kind, choice, slider

EDITS = ("add", "multiply by", "add noise times")
REGIONS = {  # shares of the height and of the width, (from, to); without extent: a single place
    "everywhere": ((0, 1), (0, 1)),
    "left half": ((0, 1), (0, 0.5)),
    "top half": ((0, 0.5), (0, 1)),
    "middle": ((0.25, 0.75), (0.25, 0.75)),
    "one place": ((0.5, 0.5), (0.5, 0.5)),
}


class LatentChannelExplorer(Explorer):
    """Edits of a scene's latents, and the picture that they decode to: add to a channel, multiply it, add noise; everywhere or in a region.

    vae: an autoencoder of colour pictures; images (N, 3, H, W) in [-1, 1], the scenes to choose from. Amounts are in units of the latents'
    standard deviation. `multiply` by 0 clears a channel. Each change decodes one picture: a few hundredths of a second.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        images: Tensor,
        *,
        channel: int | str = 1,
        edit: str = "add",
        region: str = "left half",
        amount: float = 1.5,
        seed: int = 0,
    ):
        check_kind("vae", vae, AutoencoderKL)
        check_images(images)
        with evaluating(vae), torch.no_grad():
            latents = vae.encode(images, sample=False)
            before = vae.decode(latents)
        noise = draw(latents, torch.Generator().manual_seed(seed))
        controls = {
            "scene": choice("scene", range(1, len(images) + 1)),
            "channel": choice("channel", [*range(1, latents.shape[1] + 1), "all"], channel),
            "edit": choice("edit", EDITS, edit),
            "amount": slider("amount", [-3 + 0.5 * i for i in range(13)], amount),
            "region": choice("region", list(REGIONS), region),
        }
        super().__init__(controls, lambda **values: self.compute(vae, latents, before, noise, **values), self.draw)

    @classmethod
    def where(cls, region: str, height: int, width: int) -> Tensor:
        """The places of a region: (height, width) bool."""
        rows, columns = REGIONS[region]
        places = torch.zeros(height, width, dtype=torch.bool)
        (top, bottom), (left, right) = [
            (int(a * n), max(int(b * n), int(a * n) + 1)) for (a, b), n in ((rows, height), (columns, width))
        ]
        places[top:bottom, left:right] = True
        return places

    @classmethod
    @torch.no_grad()
    def compute(
        cls,
        vae: AutoencoderKL,
        latents: Tensor,
        before: Tensor,
        noise: Tensor,
        scene: int,
        channel: int | str,
        edit: str,
        amount: float,
        region: str,
    ) -> dict[str, Any]:
        """Latents (C, h, w) before and after, the pictures, and the root mean square change of pixels inside and outside the region."""
        z, old = latents[scene - 1], before[scene - 1]
        where = cls.where(region, *z.shape[1:])
        mask = where & torch.tensor([channel in ("all", c + 1) for c in range(len(z))])[:, None, None]
        new = {"add": z + amount, "multiply by": z * amount, "add noise times": z + amount * noise[scene - 1]}[edit]
        edited = torch.where(mask, new, z)
        with evaluating(vae):
            picture = vae.decode(edited[None])[0]
        squares = (picture.clamp(-1, 1) - old.clamp(-1, 1)).square().mean(dim=0)
        pixels = where.repeat_interleave(vae.factor, dim=0).repeat_interleave(vae.factor, dim=1)
        inside = squares[pixels].mean().sqrt().item()
        outside = squares[~pixels].mean().sqrt().item() if bool((~pixels).any()) else None
        told = {"scene": scene, "channel": channel, "edit": edit, "amount": amount, "region": region}
        return {
            **told,
            "z": z,
            "edited": edited,
            "where": where,
            "before": old,
            "after": picture,
            "inside": inside,
            "outside": outside,
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Channels, pictures and change, and the same in words."""
        which = "all channels" if a["channel"] == "all" else f"channel {a['channel']}"
        words = f"scene {a['scene']}, {which}, {a['region']}: {a['edit']} {a['amount']:g}. "
        words += f"Pixels change by {a['inside']:.2f} (root mean square)"
        words += " there." if a["outside"] is None else f" there, and by {a['outside']:.2f} elsewhere."
        return plot.latent_edit(a["z"], a["edited"], a["where"], a["before"], a["after"], alt=words)
