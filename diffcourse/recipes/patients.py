"""Patients of the clinic: trainings and samplers with the common mistakes in them, beside sound ones, written as strangers write theirs.

On a ring of Gaussians, where every mistake shows in seconds: `treat` trains one, sound or with a mistake. `LOSSES` and `SAMPLERS` are what
lesson 11's reader is to diagnose without reading them; `disorder` says what each has.
"""

from collections.abc import Callable
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse.checks import one_of, whole
from diffcourse.mixture import GaussianMixture
from diffcourse.models import MLP
from diffcourse.models.mlp import Dense
from diffcourse.recipes.recipe import seeded_build
from diffcourse.schedule import cosine_beta_schedule

T = 100
BETAS = cosine_beta_schedule(T).float()
BARS = (1 - BETAS).cumprod(0)

# -- trainings that are probed ----------------------------------------------------------------------------------------


def drawn(x0: Tensor, seed: int) -> tuple[torch.Generator, Tensor, Tensor, Tensor]:
    """What each of them draws: steps, their alpha_bar, and noise."""
    g = torch.Generator().manual_seed(seed)
    t = torch.randint(0, T, (x0.shape[0],), generator=g)
    return g, t, BARS.to(x0)[t][:, None], torch.randn(x0.shape, generator=g).to(x0)


def ada(network: Callable, x0: Tensor, seed: int) -> Tensor:
    _, t, a_bar, noise = drawn(x0, seed)
    x_noisy = a_bar.sqrt() * x0 + (1 - a_bar).sqrt() * noise
    return F.mse_loss(network(x_noisy, t), noise)


def ben(network: Callable, x0: Tensor, seed: int) -> Tensor:
    _, t, a_bar, noise = drawn(x0, seed)
    x_noisy = a_bar * x0 + (1 - a_bar) * noise
    return F.mse_loss(network(x_noisy, t), noise)


def cleo(network: Callable, x0: Tensor, seed: int) -> Tensor:
    _, t, a_bar, noise = drawn(x0, seed)
    x_noisy = (1 - a_bar).sqrt() * x0 + a_bar.sqrt() * noise
    return F.mse_loss(network(x_noisy, t), noise)


def dan(network: Callable, x0: Tensor, seed: int) -> Tensor:
    g, t, a_bar, noise = drawn(x0, seed)
    x_noisy = a_bar.sqrt() * x0 + (1 - a_bar).sqrt() * noise
    return F.mse_loss(network(x_noisy, t), torch.randn(x0.shape, generator=g).to(x0))


def eve(network: Callable, x0: Tensor, seed: int) -> Tensor:
    _, t, a_bar, noise = drawn(x0, seed)
    x_noisy = a_bar.sqrt() * x0 + (1 - a_bar).sqrt() * noise
    v = a_bar.sqrt() * noise - (1 - a_bar).sqrt() * x0
    return F.mse_loss(network(x_noisy, t), v)


LOSSES: dict[str, Callable[[Callable, Tensor, int], Tensor]] = {
    "Ada": ada, "Ben": ben, "Cleo": cleo, "Dan": dan, "Eve": eve
}  # fmt: skip

# -- samplers that are probed -----------------------------------------------------------------------------------------


def mean(network: Callable, x: Tensor, i: int) -> Tensor:
    """Of DDPM's step from i (Ho et al. 2020, algorithm 2)."""
    eps = network(x, torch.full((x.shape[0],), i))
    return (x - BETAS[i] / (1 - BARS[i]).sqrt() * eps) / (1 - BETAS[i]).sqrt()


def ddim(network: Callable, shape: tuple[int, ...], seed: int, steps: list[int]) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    for i, j in zip(steps, [*steps[1:], -1], strict=True):
        eps = network(x, torch.full((shape[0],), i))
        x0 = (x - (1 - BARS[i]).sqrt() * eps) / BARS[i].sqrt()
        to = BARS[j] if j >= 0 else torch.tensor(1.0)
        x = to.sqrt() * x0 + (1 - to).sqrt() * eps
    return x


@torch.no_grad()
def fay(network: Callable, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=g)
    for i in reversed(range(T)):
        z = torch.randn(shape, generator=g) if i > 0 else torch.zeros(shape)
        x = mean(network, x, i) + BETAS[i].sqrt() * z
    return x


@torch.no_grad()
def gus(network: Callable, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=g)
    for i in reversed(range(T)):
        x = mean(network, x, i) + BETAS[i] * torch.randn(shape, generator=g)
    return x


@torch.no_grad()
def hal(network: Callable, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return ddim(network, shape, seed, list(range(0, T, T // 5))[::-1])  # 80, 60, 40, 20, 0


@torch.no_grad()
def ida(network: Callable, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=g)
    for i in range(T):
        z = torch.randn(shape, generator=g) if i < T - 1 else torch.zeros(shape)
        x = mean(network, x, i) + BETAS[i].sqrt() * z
    return x


@torch.no_grad()
def jon(network: Callable, shape: tuple[int, ...], seed: int = 0) -> Tensor:
    return ddim(network, shape, seed, torch.linspace(T - 1, 0, 25).round().long().tolist())


SAMPLERS: dict[str, Callable[..., Tensor]] = {"Fay": fay, "Gus": gus, "Hal": hal, "Ida": ida, "Jon": jon}

disorder = {
    "Ada": "", "Ben": "missing-root", "Cleo": "forward-swapped", "Dan": "wrong-target", "Eve": "",
    "Fay": "", "Gus": "variance-for-std", "Hal": "too-few-steps", "Ida": "wrong-direction", "Jon": "",
}  # fmt: skip
"""What each has, in the words of the clinic's catalogue; "" for the sound ones."""

# -- trainings on the ring ------------------------------------------------------------------------------------------

MISTAKES = ("forward swapped", "pixels not normalised", "no noise in the code", "no gradient", "KL ×30", "KL ×0.001")


class Treated(NamedTuple):
    """points (1000, 2) that the trained model draws, in the units of the ring, and the loss at every step."""

    points: Tensor
    curve: list[float]


def treat(
    ring: GaussianMixture, mistake: str = "", *, family: str = "diffusion", steps: int = 1500, seed: int = 0
) -> Treated:
    """Train a small "diffusion" model, or a "VAE", on a ring: sound, or with one of `MISTAKES` (the last four are a VAE's)."""
    steps = whole("steps", steps, 1)
    if mistake:
        one_of("mistake", mistake, MISTAKES)
        family = "diffusion" if mistake in MISTAKES[:2] else "VAE"
    one_of("family", family, ("diffusion", "VAE"))
    points = ring.sample(20_000, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)
    trained = _diffusion if family == "diffusion" else _vae
    return trained(points, mistake, steps, seed)


def _diffusion(points: Tensor, mistake: str, steps: int, seed: int) -> Treated:
    data = 127.5 * (points + 1) if mistake == "pixels not normalised" else points
    loss = cleo if mistake == "forward swapped" else ada
    network = seeded_build(lambda: MLP(time_dim=32), seed)

    def called(x: Tensor, t: Tensor) -> Tensor:
        return network(x, t / T)

    curve = _descend(network, lambda batch, k: loss(called, batch, 10_000 * seed + k), data, steps, seed)
    samples = fay(called, (1000, 2), seed)
    return Treated(samples / 127.5 - 1 if mistake == "pixels not normalised" else samples, curve)


def _vae(points: Tensor, mistake: str, steps: int, seed: int) -> Treated:
    parts = cast(nn.ModuleList, seeded_build(lambda: nn.ModuleList([Dense(2, 4), Dense(2, 2)]), seed))
    encoder, decoder = parts[0], parts[1]
    weight = {"KL ×30": 30.0, "KL ×0.001": 0.001}.get(mistake, 1.0)
    std = 0.1  # of p(x | z): fixed, so that the weight of the KL alone decides

    def loss(x: Tensor, k: int) -> Tensor:
        mu, logvar = encoder(x).chunk(2, 1)
        noise = torch.randn(mu.shape, generator=torch.Generator().manual_seed(10_000 * seed + k))
        z = mu if mistake == "no noise in the code" else mu + (logvar / 2).exp() * noise
        z = z.detach() if mistake == "no gradient" else z
        reconstruction = (x - decoder(z)).square().sum(1).mean() / (2 * std**2)
        kl = (mu**2 + logvar.exp() - logvar - 1).sum(1).mean() / 2
        return reconstruction + weight * kl

    curve = _descend(parts, loss, points, steps, seed)
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        return Treated(decoder(torch.randn(1000, 2, generator=g)) + std * torch.randn(1000, 2, generator=g), curve)


def _descend(
    network: nn.Module, loss: Callable[[Tensor, int], Tensor], data: Tensor, steps: int, seed: int
) -> list[float]:
    """Adam, along a cosine to zero."""
    adam = torch.optim.Adam(network.parameters(), 3e-3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    curve, g = [], torch.Generator().manual_seed(seed)
    for k in range(steps):
        value = loss(data[torch.randint(len(data), (256,), generator=g)], k)
        adam.zero_grad()
        value.backward()
        adam.step()
        cosine.step()
        curve.append(value.item())
    return curve
