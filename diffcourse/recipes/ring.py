"""Three families on a ring of Gaussians, where every mode can be counted: a VAE, a GAN and a diffusion model of one size, trained alike."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from diffcourse.checks import one_of, whole
from diffcourse.denoiser import Denoiser
from diffcourse.mixture import GaussianMixture, Modes, modes
from diffcourse.models import GAN, MLP, PointVAE
from diffcourse.recipes.recipe import seeded_build
from diffcourse.samplers import DDIM, sample
from diffcourse.sde import Straight
from diffcourse.train import fit

POINTS = 20_000  # of the ring, to train on
LR = {"VAE": 2e-3, "GAN": 2e-3, "diffusion": 5e-3}  # found by a short look at seed 0, not tuned


def ring_model(family: str, *, width: int = 128, depth: int = 3, seed: int = 0, **settings: Any) -> nn.Module:
    """A "VAE", "GAN" or "diffusion" of points in the plane, of dense layers; settings: those of the GAN (loss, r1).

    The diffusion model walks the straight path from noise to data, and predicts the flow.
    """
    build: dict[str, Callable[[], nn.Module]] = {
        "VAE": lambda: PointVAE(width=width, depth=depth),
        "GAN": lambda: GAN.points(width=width, depth=depth, **settings),
        "diffusion": lambda: Denoiser(MLP(width=width, depth=depth, time_dim=8), Straight(), predicts="flow"),
    }
    one_of("family", family, tuple(build))
    if settings and family != "GAN":
        raise TypeError(f"{', '.join(settings)}: settings of the GAN alone, got them for a {family}")
    return seeded_build(build[family], seed)


def family_of(model: Any) -> str:
    """The name of the family that a model is of."""
    for name, kind in {"VAE": PointVAE, "GAN": GAN, "diffusion": Denoiser}.items():
        if isinstance(model, kind):
            return name
    raise TypeError(f"model must be one of ring_model's, got {type(model).__name__}")


def ring_loss(model: Any, x: Tensor, generator: torch.Generator) -> Tensor:
    """What each family minimises, on points (B, 2): the negative ELBO, the sum of two players' losses, the error of a denoiser."""
    return model.loss(x, generator=generator)


def ring_draws(model: nn.Module, n: int, *, seed: int = 0, steps: int = 50) -> Tensor:
    """n points (n, 2) of any of the three; the diffusion model takes `steps` steps of DDIM, the others one."""
    family_of(model)
    if isinstance(model, Denoiser):
        return sample(model, model.schedule, (n, 2), DDIM(), steps, seed=seed)
    drawn: Tensor = cast(Any, model).generate(n, generator=torch.Generator().manual_seed(seed))
    return drawn


class Moment(NamedTuple):
    """A training after `step` steps: the points it draws, which modes they found, and the loss, of a GAN each player's own (else nan)."""

    step: int
    loss: float
    discriminator: float
    generator: float
    modes: Modes
    points: Tensor
    model: nn.Module


def ring_training(
    model: nn.Module,
    ring: GaussianMixture,
    *,
    steps: int = 3000,
    every: int = 100,
    n: int = 1000,
    batch_size: int = 256,
    lr: float | None = None,
    ema: float = 0.99,
    seed: int = 0,
    average: bool = True,
    **settings: Any,
) -> Iterator[Moment]:
    """Train a model of `ring_model` in place; a `Moment` every `every` steps and after the last: `list(ring_training(…))` is the film.

    n points are drawn at each, always of the same noise: of the averaged weights, or with average=False of those that play at the moment,
    which walk in circles where an average stands still. lr: its family's in `LR`. settings: those of `fit`; a GAN has betas (0.5, 0.99),
    if nothing else is said.
    """
    every, n = whole("every", every, 1), whole("n", n, 1)
    lr = LR[family_of(model)] if lr is None else lr
    points = ring.sample(POINTS, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    settings = {"betas": (0.5, 0.99), "clip": 1e3} | settings if isinstance(model, GAN) else settings
    settings = {"steps": steps, "batch_size": batch_size, "lr": lr, "ema": ema, "seed": seed} | settings
    with fit(model, points, ring_loss, **settings) as training:
        for now in training:
            if now.step % every and now.step != steps:
                continue
            shown = now.ema if average else model
            drawn = ring_draws(shown, n)
            losses = (float("nan"), float("nan"))
            if isinstance(model, GAN):
                with torch.no_grad():
                    players = model.players(points[:n], torch.Generator().manual_seed(seed))
                losses = players.discriminator.item(), players.generator.item()
            yield Moment(now.step, now.loss, *losses, modes(drawn, ring), drawn, shown)
