"""Editing: a picture is where the walk begins, or what stays around a hole in it; and walks between two noises and between two prompts.

All of it works on any `Denoise`, on digits as on latents: `LatentDiffusion.generate(..., image=, strength=, mask=)` is made of it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot
from typing import Any

import torch
from torch import Tensor

from diffcourse.checks import check_alike, check_batch, number, told, whole
from diffcourse.denoiser import Denoise, Estimate
from diffcourse.gaussian import slerp
from diffcourse.rng import Generators
from diffcourse.samplers import DDIM, Sampler, check_sampler, check_walk, trajectory
from diffcourse.schedule import Level, noise_for


def left(levels: Sequence[Level], strength: float) -> Sequence[Level]:
    """What `strength` leaves of a walk: the last int(n·strength) of its n steps, so one level more than that.

    SDEdit (Meng et al. 2022, algorithm 1) begins at a level t0, with the picture noised to it. To name that level by a share of the steps,
    rounded down, is diffusers' convention: of 20 steps strength 0.5 leaves 10, and 0.04 none: then the last level is all there is. Rounded
    is what a computer makes of the product: int(50·0.58) is 28, there as here.
    """
    check_walk(levels)
    n = len(levels) - 1
    return levels[n - min(int(n * number("strength", strength, 0, 1)), n) :]


@dataclass(frozen=True)
class Inpainted:
    """A sampler that puts what is known back after each step: x_s = m·x_s + (1 - m)·(alpha_s·x0 + sigma_s·noise).

    Avrahami et al. 2023, "Blended latent diffusion", algorithm 1; as in diffusers the noise is the same at every level, that of the start.
    sampler goes from level to level; x0 the picture and noise, both (B, …); mask true where x is drawn anew, broadcasting to x0.
    """

    sampler: Sampler
    x0: Tensor
    noise: Tensor
    mask: Tensor

    @property
    def history(self) -> int:
        return self.sampler.history

    def step(self, now: Estimate, to: Level, **asked: Any) -> Tensor:
        return torch.where(self.mask, self.sampler.step(now, to, **asked), to.noised(self.x0, self.noise))

    def __repr__(self) -> str:
        return f"Inpainted({self.sampler!r})"


def edited(
    denoise: Denoise,
    x0: Tensor,
    levels: Sequence[Level],
    sampler: Sampler = DDIM(),
    generator: Generators = None,
    *,
    strength: float | None = None,
    mask: Tensor | None = None,
    noise: Tensor | None = None,
) -> Iterator[Estimate]:
    """`samplers.trajectory` from the picture x0 (B, …) instead of from noise; with a mask, only where that is true.

    x = alpha·x0 + sigma·noise at the first of the levels that are `left`, and from there down (SDEdit, Meng et al. 2022). strength 1 is
    noise alone and all levels: nothing of x0 is in it, but for what a mask keeps. strength 0 gives x0 back, without asking the network.
    None: all levels, and the picture noised to the first of them. mask: bool, true where x is drawn anew, broadcasting to x0 (see
    `Inpainted`). noise: of x0's shape, drawn from `generator` where it is missing; then the sampler's own comes out of that.
    """
    check_batch("x0", x0)
    check_sampler(sampler)
    check_walk(levels)
    if strength is not None:
        levels = left(levels, strength)
    noise = noise_for(x0, noise, generator)
    if mask is not None:
        sampler = Inpainted(sampler, x0, noise, _check_mask(mask, x0))
    begin = levels[0]
    x = hypot(begin.alpha, begin.sigma) * noise if strength == 1 else begin.noised(x0, noise)
    if len(levels) == 1:
        return iter([Estimate(x, begin, x0, noise)])
    return trajectory(denoise, x, levels, sampler, generator)


def _check_mask(mask: Any, x0: Tensor) -> Tensor:
    """A bool tensor of x0's shape, or one that is repeated to it."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        raise TypeError(f"mask must be a bool tensor, true where x is drawn anew, got {told(mask)}")
    pairs = zip(reversed(mask.shape), reversed(x0.shape), strict=False)
    if mask.ndim > x0.ndim or any(n not in (1, N) for n, N in pairs):
        raise ValueError(f"mask must broadcast to x0's shape {tuple(x0.shape)}, got {tuple(mask.shape)}")
    return mask.to(x0.device)


# -- walks ------------------------------------------------------------------------------------------------------------


def noise_walk(a: Tensor, b: Tensor, n: int) -> Tensor:
    """n noises from a to b along the arc, (n, …) for a and b of one shape (…): slerp(a, b, w) with w = 0 … 1 (Song et al. 2021, DDIM, D.5).

    Not along the straight line: draws of N(0, I) in D dimensions are sqrt(D) long and stand at right angles, so that half-way the line is
    only sqrt(D/2) long. A network that was never shown so little noise takes what is missing for signal, and draws pale and flat.
    """
    for name, end in (("a", a), ("b", b)):
        check_batch(name, end)
    check_alike("b", b, "a", a)
    shares = torch.linspace(0, 1, whole("n", n, 2)).tolist()
    return torch.cat([slerp(a[None], b[None], w) for w in shares])


def prompt_walk(text: Callable[[list[str]], Tensor], one: str, other: str, n: int) -> Tensor:
    """n text states from one prompt to another in a straight line, (n, L, D): (1 - w)·text(one) + w·text(other) with w = 0 … 1.

    Kawar et al. 2023, "Imagic", equation 3. Straight, as cross-attention reads the states through matrices: keys and values go in a
    straight line with them. text: a `TextEncoder`, such as `model.text`; what comes out, `LatentDiffusion.generate` takes for prompts.
    """
    for name, prompt in (("one", one), ("other", other)):
        if not isinstance(prompt, str):
            raise TypeError(f"{name} must be a prompt, a str, got {told(prompt)}")
    n = whole("n", n, 2)
    with torch.no_grad():
        start, end = text([one, other])
    return torch.lerp(start, end, torch.linspace(0, 1, n).to(start)[:, None, None])
