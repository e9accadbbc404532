"""Programs that are written with the package, each as short as an engineer would have it: read them as examples.

Samplers of one's own, paths of one's own, a network of diffusers, an exercise and an explorer of one's own.
"""

import math
from dataclasses import dataclass

import pytest
import torch
from learn_home import home  # noqa: F401  (a fixture)
from torch import nn

from diffcourse import (
    CLEAN,
    DDIM,
    Denoiser,
    DiffusionSchedule,
    DPMSolverPP,
    Heun,
    Level,
    SimpleUNet,
    clipped,
    data,
    metrics,
    plot,
    sample,
    train,
    trajectory,
    weights,
)
from diffcourse.mixture import two_bumps

SCALED, BUMPS = DiffusionSchedule.scaled_linear(), two_bumps()


def even_levels(steps: int) -> list[Level]:
    """Equal steps in log(alpha/sigma), from t = 950 to t = 50, which fall between the steps of the chain."""
    first, last = (math.log(SCALED.at(t).nsr) for t in (950, 50))
    return [SCALED.at(SCALED.time_of(math.exp(first + (last - first) * i / steps))) for i in range(steps + 1)]


# -- samplers ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Churn:
    """Heun's method with new noise in each step (Karras et al. 2022, algorithm 2): up to sigma/alpha·(1 + gamma), then down."""

    schedule: DiffusionSchedule
    gamma: float = 0.2
    history = 0

    def step(self, now, to, *, past=(), denoise=None, noise=None):
        nsr = min(now.at.nsr * (1 + self.gamma), self.schedule.at(self.schedule.T - 1).nsr)
        if nsr <= now.at.nsr:
            return Heun().step(now, to, denoise=denoise)
        up = self.schedule.at(self.schedule.time_of(nsr))  # the network is told t: which one has this noise?
        x = up.alpha * (now.x / now.at.alpha + (up.nsr**2 - now.at.nsr**2) ** 0.5 * noise())
        return Heun().step(denoise(x, up), to, denoise=denoise)


def test_a_sampler_with_churn_draws_from_the_data():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(10_000, 1, generator=rng, dtype=torch.float64)
    *_, end = trajectory(BUMPS.denoise, x, SCALED.levels(60, "karras"), Churn(SCALED), rng)
    points = BUMPS.sample(100_000, generator=torch.Generator().manual_seed(1))
    grid = torch.linspace(-2, 3, 51, dtype=torch.float64)
    shares = [(x <= grid).double().mean(dim=0) for x in (end.x, points)]
    assert (shares[0] - shares[1]).abs().max() < 0.02
    still, heun = (sample(BUMPS.denoise, SCALED, (50, 1), s, 20, seed=0) for s in (Churn(SCALED, 0.0), Heun()))
    assert torch.equal(still, heun)


class Corrected:
    """DPM-Solver++(2M) after a corrector: once the estimate at a level is there, the step that led to it is made again, with the mean
    of the estimates at both its ends. In the manner of UniPC (Zhao et al. 2023); no more calls of the network.
    """

    history = 1

    def step(self, now, to, *, past=(), denoise=None, noise=None):
        if past:
            was, ratio = past[-1], now.at.sigma / past[-1].at.sigma
            x = ratio * was.x + (now.at.alpha - ratio * was.at.alpha) * (was.x0 + now.x0) / 2
            now = now._replace(x=x)
        return DPMSolverPP().step(now, to, past=past)


def test_a_corrector_is_of_second_order_and_three_times_as_exact():
    x = torch.randn(300, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = [(Heun(), 300), (DPMSolverPP(), 20), (Corrected(), 20), (Corrected(), 40)]
    truth, *found = [[*trajectory(BUMPS.denoise, x, even_levels(n), sampler)][-1].x for sampler, n in ends]
    plain, corrected, finer = ((end - truth).abs().mean() for end in found)
    assert corrected < plain / 2 and 3 < corrected / finer < 5.5


# -- paths -------------------------------------------------------------------------------------------------------------


class Straight:
    """The path of rectified flow, x_t = (1 - t)·x_0 + t·eps for t in [0, 1] (Liu et al. 2023)."""

    def at(self, t, like=None):
        t = t if like is None else t.to(like).view(-1, *[1] * (like.ndim - 1))
        return Level(t, 1 - t, t)

    def levels(self, steps):
        return [*(self.at(1 - i / steps) for i in range(steps)), CLEAN]


class Exploding:
    """Variance exploding, x = x_0 + sigma·eps (Song et al. 2021): t from 0 to 1 for a sigma from 0.01 to 5, even in log(sigma)."""

    def at(self, t, like=None):
        t = t if like is None else t.to(like).view(-1, *[1] * (like.ndim - 1))
        return Level(t, t * 0 + 1, 0.01 * 500**t)

    def levels(self, steps):
        return [*(self.at(1 - i / steps) for i in range(steps)), CLEAN]


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 128), nn.SiLU(), nn.Linear(128, 128), nn.SiLU(), nn.Linear(128, 2))

    def forward(self, x, t):
        x, t = x / (1 + x.square().mean(dim=1, keepdim=True)).sqrt(), t[:, None]
        return super().forward(torch.cat([x, t, (3 * t).sin(), (9 * t).sin(), x.norm(dim=1, keepdim=True)], dim=1))


@pytest.mark.slow
@pytest.mark.parametrize("path, predicts", [(Straight(), "flow"), (Exploding(), "x0")], ids=["straight", "exploding"])
def test_a_path_of_ones_own_is_trained_and_sampled(path, predicts):
    points, rng = data.toy("two_moons", 4000), torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Denoiser(Net(), path, predicts)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(600):
        loss = model.loss(points[torch.randint(4000, (256,), generator=rng)], generator=rng)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    drawn = sample(model, path, (2000, 2), DDIM(), 30, seed=0)
    far, near = (
        metrics.frechet_distance(metrics.statistics(x), metrics.statistics(points)) for x in (drawn * 0.5, drawn)
    )
    assert near < 0.02 < far  # 0.001 to 0.006 after ten times as long a training


# -- a network of diffusers --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_unet_of_diffusers_draws_what_diffusers_draws():
    from diffusers import DDIMScheduler, UNet2DModel

    blocks = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}
    sizes = {
        "sample_size": 8,
        "in_channels": 1,
        "out_channels": 1,
        "block_out_channels": (8, 16),
        "layers_per_block": 1,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = UNet2DModel(**sizes, **blocks, norm_num_groups=4, attention_head_dim=8).double().eval()
    theirs = DDIMScheduler(timestep_spacing="trailing", clip_sample=False)
    theirs.set_timesteps(10)
    model = Denoiser(network, DiffusionSchedule.from_diffusers(theirs))  # their config says epsilon, which is our "eps"

    x = start = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        for t in theirs.timesteps:
            x = theirs.step(network(x, t).sample, t, x).prev_sample
    ours = sample(model, model.schedule, (2, 1, 8, 8), DDIM(), 10, x=start)
    torch.testing.assert_close(ours, x, rtol=1e-4, atol=1e-4 * float(x.abs().max()))


# -- an exercise and an explorer ---------------------------------------------------------------------------------------


def squared_error(guess: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """The mean squared error of guess (B, D) and noise (B, D): one number. Differentiable in guess and noise."""
    return ((guess - noise) ** 2).mean()


def test_an_exercise_of_ones_own_answers_back(home, monkeypatch, capsys):  # noqa: F811
    from diffcourse.learn import Exercise, Mistake, check, register, registry

    monkeypatch.setattr(registry, "EXTRA", {})
    squares = Exercise(
        name="week3.loss",
        title="The mean squared error",
        reference=squared_error,
        cases=[lambda g, n=n: (torch.randn(n, 2, generator=g), torch.randn(n, 2, generator=g)) for n in (3, 5)],
        mistakes=[Mistake("summed", lambda guess, noise: ((guess - noise) ** 2).sum(), "Yours grows with the batch.")],
        hints=["What is it for one number?", "And for many?", "One number for all of them."],
        insight="Divided by the number of numbers, losses of any batch can be compared.",
    )
    register(squares)
    check("week3.loss", lambda guess, noise: (guess - noise).square().sum())
    assert "Yours grows with the batch." in capsys.readouterr().out
    check("week3.loss", lambda guess, noise: nn.functional.mse_loss(guess, noise))
    assert squares.insight in capsys.readouterr().out


def test_an_explorer_of_ones_own_redraws():
    pytest.importorskip("ipywidgets")
    from diffcourse.widgets import Explorer, slider

    def at_gamma(gamma):
        x = sample(BUMPS.denoise, SCALED, (200, 1), Churn(SCALED, gamma), 5, seed=0)
        return x.flatten().sort().values

    handle = slider("churn", [0.0, 0.2, 0.4])
    explorer = Explorer({"gamma": handle}, at_gamma, lambda x: plot.curves({"drawn": (range(200), x)}, x="rank", y="x"))
    before = bytes(explorer.image.value)
    handle.value = 0.4
    assert before.startswith(b"\x89PNG") and bytes(explorer.image.value) != before


# -- pictures of one's own ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_folder_of_pictures_is_learnt_saved_and_judged(tmp_path):
    for i, k in ((i, k) for i in range(40) for k in range(2)):  # discs and squares, anywhere
        x, y = torch.meshgrid(torch.arange(16.0) - 5 - i % 7, torch.arange(16.0) - 5 - i // 7, indexing="ij")
        shape = (x.abs() < 3) & (y.abs() < 3) if k else x**2 + y**2 < 10
        (tmp_path / "pictures" / ("square" if k else "disc")).mkdir(parents=True, exist_ok=True)
        plot.save(shape[None, None].float() * 2 - 1, tmp_path / "pictures" / ("square" if k else "disc") / f"{i}.png")

    pictures = data.image_folder(tmp_path / "pictures", size=16, channels=1)
    model = Denoiser(SimpleUNet(channels=16, num_classes=2), DiffusionSchedule.cosine(), "v", null=2)
    model = train.run(
        model,
        pictures,
        lambda m, b, g: m.loss(b.images, b.labels, drop_prob=0.1, generator=g),
        steps=200,
        batch_size=32,
        lr=3e-3,
        ema=0.98,
        bar=False,
    )
    weights.save(tmp_path / "mine", model)
    model = weights.load(tmp_path / "mine")
    drawn = sample(
        clipped(model.given(torch.tensor(40 * [0] + 40 * [1]))),
        model.schedule,
        (80, 1, 16, 16),
        DPMSolverPP(),
        10,
        seed=0,
    )
    real = data.to_float(pictures.images)
    quality, noise = (
        metrics.compare(x, real, features=lambda x: x.flatten(1)) for x in (drawn, torch.randn(drawn.shape))
    )
    assert pictures.classes == ("disc", "square") and quality.distance.value < noise.distance.value / 4
