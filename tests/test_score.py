"""Scores, the losses that learn them, and Langevin dynamics, against exact mixtures and closed forms."""

import math

import pytest
import torch
from torch import nn

from diffcourse import GaussianMixture, sample, trajectory, weights
from diffcourse.denoiser import Denoiser, Estimate
from diffcourse.schedule import CLEAN, Level
from diffcourse.score import (
    AnnealedLangevin,
    denoising_loss,
    divergence,
    explicit_loss,
    implicit_loss,
    langevin,
    random_signs,
)
from diffcourse.sde import VE, Straight

MIXTURE = GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.4, 0.7], [0.3, 0.7])
AT = Level(0.5, 0.8, 0.6)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def other(x):
    """A score that is not the mixture's."""
    return torch.tanh(x) - 0.8 * x + 0.3 * x.flip(1)


# -- the losses -------------------------------------------------------------------------------------------------------


def test_the_three_losses_differ_by_constants_that_no_score_changes():
    n, m = 400_000, MIXTURE
    x0, x_t = m.sample(n, generator=seeded()), m.sample(n, level=AT, generator=seeded(1))

    def true(x):
        return m.score(x, AT)

    energy = true(x_t).square().sum(1).mean() / 2
    for score in (other, true, lambda x: -x):
        explicit = explicit_loss(score, x_t, true)
        implicit = implicit_loss(score, x_t) + energy
        denoising = denoising_loss(score, x0, AT, generator=seeded(2)) - (2 / (2 * AT.sigma**2) - energy)
        for loss in (implicit, denoising):
            se = (loss.var() / n + explicit.var() / n).sqrt()
            assert abs(loss.mean() - explicit.mean()) < 4.5 * se
    assert explicit_loss(true, x_t, true).max() == 0


def test_hyvarinens_identity_fails_where_the_density_ends():
    x = torch.rand(100_000, 1, generator=seeded(), dtype=torch.float64)  # uniform: p·s does not go to 0 at the edge
    wanted = explicit_loss(lambda x: x, x, torch.zeros_like).mean()  # its own score is 0 inside
    assert implicit_loss(lambda x: x, x).mean() - wanted == pytest.approx(1.0)


def test_denoising_is_the_simple_loss_of_ddpm_in_other_units():
    net, x0 = nn.Linear(2, 2).double(), MIXTURE.sample(7, generator=seeded())
    noise = torch.randn(7, 2, generator=seeded(1), dtype=torch.float64)
    t = torch.full((7,), 0.4, dtype=torch.float64)
    path = Straight()
    model = Denoiser(lambda x, t: net(x), path, predicts="score")
    ours = denoising_loss(net, x0, path.at(0.4), noise=noise).mean()
    torch.testing.assert_close(
        model.loss(x0, t=t, noise=noise), ours * 2 / 2
    )  # a mean over 2 coordinates, of twice the half
    eps = Denoiser(lambda x, t: -0.4 * net(x), path, predicts="eps")
    torch.testing.assert_close(eps.loss(x0, t=t, noise=noise), 0.4**2 * ours)


def test_the_least_denoising_loss_is_the_score_of_the_noised_data():
    x0 = MIXTURE.sample(200_000, generator=seeded())
    noise = torch.randn(x0.shape, generator=seeded(1), dtype=torch.float64)
    losses = {}
    for name, score in {
        "noised": lambda x: MIXTURE.score(x, AT),
        "clean": MIXTURE.score,
        "scaled": lambda x: 1.05 * MIXTURE.score(x, AT),
    }.items():
        losses[name] = denoising_loss(score, x0, AT, noise=noise).mean()
    assert losses["noised"] < losses["scaled"] < losses["clean"]


# -- divergence -------------------------------------------------------------------------------------------------------


def test_the_divergence_is_the_trace_of_the_jacobian():
    x = torch.randn(5, 2, 3, generator=seeded(), dtype=torch.float64)
    a = torch.randn(6, 6, generator=seeded(1), dtype=torch.float64)

    def field(x):
        return torch.sin(x.flatten(1) @ a).view_as(x)

    exact = divergence(field, x)
    jacobians = torch.func.vmap(torch.func.jacrev(lambda v: field(v[None])[0]))(x)
    torch.testing.assert_close(exact, jacobians.reshape(5, 6, 6).diagonal(dim1=1, dim2=2).sum(1))
    many = torch.stack([divergence(field, x, probe=random_signs(x, seeded(i))) for i in range(4000)])
    assert ((many.mean(0) - exact).abs() < 5 * many.std(0) / 4000**0.5).all()


def test_signs_vary_less_than_gaussian_probes():
    x, a = torch.zeros(1, 6, dtype=torch.float64), torch.randn(6, 6, generator=seeded(), dtype=torch.float64)
    g = seeded(1)
    signs = torch.cat([divergence(lambda x: x @ a, x, probe=random_signs(x, g)) for _ in range(3000)])
    gauss = torch.cat(
        [
            divergence(lambda x: x @ a, x, probe=torch.randn(x.shape, generator=g, dtype=torch.float64))
            for _ in range(3000)
        ]
    )
    assert signs.std() < 0.9 * gauss.std()
    assert signs.unique().tolist() != [1.0] and set(random_signs(torch.zeros(99), g).tolist()) == {-1.0, 1.0}


def test_a_divergence_trains_what_it_is_of_and_leaves_no_graph_without_grad():
    net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    x = torch.randn(4, 2, generator=seeded())
    implicit_loss(net, x).mean().backward()
    assert all(p.grad is not None for p in net.parameters()) and not x.requires_grad
    with torch.no_grad():
        assert not divergence(net, x).requires_grad
    assert divergence(lambda x: torch.ones(4, 2), x).tolist() == [0, 0, 0, 0]


# -- Langevin ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.05, 0.5, 1.0])
def test_the_chain_of_one_gaussian_ends_at_the_variance_that_the_formula_says(step):
    s, n = 0.8, 50_000
    *_, x = langevin(lambda x: -x / s**2, torch.zeros(n, 1, dtype=torch.float64), step * s**2, 400, generator=seeded())
    wanted = s**2 / (1 - step / 2)
    assert x.var().item() == pytest.approx(wanted, rel=5 * (2 / n) ** 0.5)


def test_a_chain_that_grows_without_end_says_so():
    x = torch.ones(2, 1)
    with pytest.raises(ValueError, match=r"x after step .* of size 5 must be finite"):
        list(langevin(lambda x: -x, x, 5.0, 1000, generator=seeded()))


def test_plain_langevin_keeps_the_wrong_weights_and_annealing_finds_them():
    far = GaussianMixture([[-4.0, 0.0], [4.0, 0.0]], 0.5, [0.2, 0.8])
    n = 3000
    start = torch.randn(n, 2, generator=seeded(), dtype=torch.float64) * torch.tensor([4.0, 0.5])
    *_, stuck = langevin(far.score, start, 0.02, 300, generator=seeded(1))
    assert abs((stuck[:, 0] > 0).double().mean() - (start[:, 0] > 0).double().mean()) < 0.02
    path = VE(0.05, 20.0)
    x = 20 * torch.randn(n, 2, generator=seeded(2), dtype=torch.float64)
    *_, end = trajectory(far.denoise, x, path.levels(30), AnnealedLangevin(steps=20, snr=0.3), seeded(3))
    drawn = end.x
    right = (drawn[:, 0] > 0).double().mean().item()
    assert right == pytest.approx(0.8, abs=0.03)
    assert drawn[:, 1].std().item() == pytest.approx(0.5, rel=0.1)


def test_annealed_langevin_counts_its_calls_and_ends_at_the_mean():
    calls = []

    def denoise(x, at):
        calls.append(at.sigma)
        return MIXTURE.denoise(x, at)

    x = torch.randn(3, 2, generator=seeded(), dtype=torch.float64)
    now = denoise(x, AT)
    drawn = []
    out = AnnealedLangevin(steps=3, snr=0.2).step(
        now, CLEAN, denoise=denoise, noise=lambda: drawn.append(1) or torch.zeros_like(x)
    )
    assert len(calls) == 1 + 2 + 1 and len(drawn) == 3
    y = x
    for _ in range(3):
        y = y + 2 * (0.2 * AT.sigma) ** 2 * MIXTURE.score(y, AT)
    torch.testing.assert_close(out, MIXTURE.posterior(y, AT).mean)
    lower = Level(0.2, 0.9, 0.3)
    up = AnnealedLangevin(steps=1, snr=0.2).step(now, lower, denoise=denoise, noise=lambda: torch.zeros_like(x))
    torch.testing.assert_close(up, 0.9 / 0.8 * (x + 2 * (0.2 * 0.6) ** 2 * now.score))


def test_snr_is_the_length_of_the_step_over_that_of_the_noise():
    d, sigma, snr = 5000, 3.0, 0.16
    z = torch.randn(1, d, generator=seeded(), dtype=torch.float64)
    score = -torch.randn(1, d, generator=seeded(1), dtype=torch.float64) / sigma  # as long as noise of sigma makes it
    step = 2 * (snr * sigma) ** 2
    assert ((step * score).norm() / ((2 * step) ** 0.5 * z).norm()).item() == pytest.approx(snr, rel=0.05)
    theirs = 2 * (snr * z.norm() / score.norm()) ** 2  # algorithm 4 of Song et al. 2021
    assert theirs.item() == pytest.approx(step, rel=0.1)


@pytest.mark.slow
def test_the_score_of_the_shipped_denoiser_draws_digits():
    from diffcourse import metrics

    model = weights.load("mnist-ddpm")
    levels = [at for at in model.schedule.levels(40, "karras") if at.nsr < 20]  # 22 levels, and CLEAN
    labels = torch.arange(20) % 10
    x = sample(model.given(labels), model.schedule, (20, 1, 28, 28), AnnealedLangevin(5, 0.3), levels=levels, seed=0)
    assert metrics.label_accuracy(x, labels).right >= 0.8  # 92 of 100 in the lesson


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: explicit_loss(3, torch.zeros(2, 2), other), TypeError, "score must be a function of x, got int 3"),
        (
            lambda: explicit_loss(lambda x: x[:1], torch.zeros(2, 2), other),
            ValueError,
            "what score returns must have x's shape",
        ),
        (lambda: denoising_loss(other, torch.zeros(2, 2), CLEAN), ValueError, "at must be noisy, got sigma = 0"),
        (lambda: denoising_loss(other, torch.zeros(2, 2), 0.5), TypeError, "at must be a Level"),
        (lambda: divergence(other, torch.zeros(2, 2), probe=torch.zeros(2)), ValueError, "probe must have x's shape"),
        (lambda: langevin(other, torch.zeros(2, 2), 0.0, 5), ValueError, "step must be .* above 0, got 0"),
        (lambda: langevin(other, torch.zeros(2, 2), 0.1, 0), ValueError, "steps must be at least 1, got 0"),
        (lambda: langevin(torch.zeros(2, 2), other, 0.1, 1), TypeError, "score must be a function x -> score"),
        (lambda: AnnealedLangevin(0), ValueError, "steps must be at least 1"),
        (lambda: AnnealedLangevin(snr=0.0), ValueError, "snr must be"),
        (
            lambda: AnnealedLangevin().step(MIXTURE.denoise(torch.zeros(1, 2), AT), CLEAN),
            TypeError,
            "denoise and noise are missing",
        ),
        (
            lambda: AnnealedLangevin().step(
                Estimate(torch.zeros(1, 2), Level(1.0, 0.0, 1.0), torch.zeros(1, 2), torch.zeros(1, 2)),
                AT,
                denoise=MIXTURE.denoise,
                noise=lambda: 0,
            ),
            ValueError,
            "alpha = 0",
        ),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_mixtures_of_the_lessons_have_their_known_energy():
    m = GaussianMixture([[0.0, 0.0]], 0.5)
    x = m.sample(100_000, generator=seeded())
    assert m.score(x).square().sum(1).mean().item() == pytest.approx(2 / 0.25, rel=0.02)
    assert math.isfinite(AT.nsr)
