"""The explorer of lesson 10: a VAE, a GAN and a diffusion model, side by side from one seed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.checks import whole
from diffcourse.denoiser import Denoiser
from diffcourse.gaussian import slerp
from diffcourse.guidance import clipped
from diffcourse.models import GAN, VAE
from diffcourse.samplers import DDIM, sample
from diffcourse.widgets.explorer import Explorer, check_kind, read_digits, slider


class FamiliesExplorer(Explorer):
    """Digits of a VAE, a GAN and a diffusion model (DDIM, without a label), a row each, from the noise of one seed, and their judge's word.

    `between` leads the noise of each row along an arc to that of another seed: which family has digits all the way?
    """

    def __init__(self, vae: VAE, gan: GAN, denoiser: Denoiser, *, n: int = 8, seed: int = 0):
        for name, model, kind in (("vae", vae, VAE), ("gan", gan, GAN), ("denoiser", denoiser, Denoiser)):
            check_kind(name, model, kind)
        self._n, self._models = whole("n", n, 1), (vae, gan, denoiser)
        controls = {
            "seed": slider("seed", range(20), seed, live=False),
            "between": slider("on the way to another seed", [round(0.1 * i, 1) for i in range(11)], 0.0, live=False),
            "steps": slider("steps of diffusion", [1, 2, 4, 10, 20, 50], 20, live=False),
        }
        super().__init__(controls, self.compute, self.draw)

    def compute(self, seed: int, between: float, steps: int) -> dict[str, Any]:
        """Images (n, 1, 28, 28) of each family, and how many the judge is sure of."""
        vae, gan, denoiser = self._models

        def drawn(shape: tuple[int, ...]) -> Tensor:
            a, b = (torch.randn(self._n, *shape, generator=torch.Generator().manual_seed(seed + k)) for k in (0, 100))
            return slerp(a, b, between)

        def diffused(noise: Tensor) -> Tensor:
            denoise = clipped(denoiser.given(denoiser.null))
            return sample(denoise, denoiser.schedule, noise.shape, DDIM(), steps, x=noise)

        families: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
            "VAE": ((vae.latent_dim,), vae.to_images),
            "GAN": ((gan.latent_dim,), lambda z: gan.generate(len(z), noise=z)),
            "diffusion": ((1, 28, 28), diffused),
        }
        rows = {}
        for name, (shape, function) in families.items():
            with torch.no_grad():
                images = function(drawn(shape)).clamp(-1, 1)
            rows[name] = {"images": images, "sure": sure_of(images)}
        return {"seed": seed, "between": between, "rows": rows}

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """A row a family, and the judge's word on each."""
        rows = a["rows"]
        frames = torch.stack([row["images"] for row in rows.values()], dim=1)
        picture = plot.strip(list(frames), names=list(rows), most=len(frames), scale=0.8)
        read = ", ".join(f"{name} {row['sure']}" for name, row in rows.items() if row["sure"] is not None)
        picture.alt = (
            f"seed {a['seed']}, {a['between']:.0%} of the way to another; of {len(frames)} each, the judge is sure of: "
        )
        picture.alt += read or "none, as these are no digits"
        return picture


def sure_of(images: Tensor) -> int | None:
    """How many digits the judge is more than 90 % sure of; None where they do not lie on a dark ground, as of an untrained network."""
    read = read_digits(images)
    return None if read is None else int((read.amax(dim=1) > 0.9).sum())
