"""The bound against torch.distributions, against integration on a grid, and against exact densities."""

import math

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from diffcourse import elbo
from diffcourse.denoiser import Denoiser, Estimate
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.schedule import DiffusionSchedule


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def off(denoise, shift=0.1):
    """A denoiser that errs by `shift` in x0."""

    def wrong(x, at):
        x0 = denoise(x, at).x0 + shift
        return Estimate(x, at, x0=x0, eps=(x - at.alpha * x0) / at.sigma)

    return wrong


TOY = DiffusionSchedule([0.2, 0.4, 0.7])
DATA = GaussianMixture([-0.7], 0.4)


# -- Gaussians --------------------------------------------------------------------------------------------------------


def test_gaussian_kl_is_that_of_torch():
    g = seeded()
    mean_q, mean_p = torch.randn(2, 5, 3, 4, generator=g, dtype=torch.float64)
    var_q, var_p = torch.rand(2, 5, 3, 4, generator=g, dtype=torch.float64) + 0.01
    expected = kl_divergence(Normal(mean_q, var_q.sqrt()), Normal(mean_p, var_p.sqrt())).sum(dim=(1, 2))
    assert torch.allclose(elbo.gaussian_kl(mean_q, var_q, mean_p, var_p), expected, rtol=1e-12)


def test_gaussian_kl_broadcasts_and_keeps_single_coordinates():
    kl = elbo.gaussian_kl(torch.tensor([0.0, 1.0]), 1.0, 0.0, 1.0)
    assert kl.tolist() == [0.0, 0.5] and kl.dtype == torch.float64
    assert elbo.gaussian_kl(torch.zeros(2, 3), 1.0, torch.ones(3), 1.0).tolist() == [1.5, 1.5]


def test_gaussian_kl_keeps_its_digits_where_the_variances_are_close():
    kl = elbo.gaussian_kl(torch.zeros(1), 1 - 1e-6, 0.0, 1.0)
    assert kl.item() == pytest.approx(1e-12 / 4, rel=1e-5)


def test_gaussian_kl_at_the_edges():
    assert elbo.gaussian_kl(torch.zeros(1), 0.0, 0.0, 1.0).item() == math.inf
    with pytest.raises(ValueError, match="var_q"):
        elbo.gaussian_kl(torch.zeros(1), -1.0, 0.0, 1.0)
    with pytest.raises(ValueError, match="var_p"):
        elbo.gaussian_kl(torch.zeros(1), 1.0, 0.0, 0.0)


def test_gaussian_kl_has_gradients():
    mean = torch.tensor([[0.5, -1.0]], requires_grad=True)
    elbo.gaussian_kl(mean, 1.0, 0.0, 1.0).sum().backward()
    assert mean.grad.tolist() == [[0.5, -1.0]]


def test_gaussian_nll_is_that_of_torch():
    x, mean, var = torch.randn(4, 2, 3, generator=seeded()), torch.ones(3), torch.tensor([0.1, 1.0, 3.0])
    expected = -Normal(mean.double(), var.double().sqrt()).log_prob(x.double()).sum(dim=(1, 2))
    assert torch.allclose(elbo.gaussian_nll(x, mean, var), expected)
    with pytest.raises(ValueError, match="var must be positive"):
        elbo.gaussian_nll(x, mean, 0.0)


# -- terms against numerical integration --------------------------------------------------------------------------------


def grid_kl(log_q, log_p, xs):
    """KL by the trapezoidal rule between two densities on a grid, each normalised there."""
    q, p = (torch.exp(v) / torch.trapezoid(torch.exp(v), xs) for v in (log_q, log_p))
    return torch.trapezoid(torch.where(q > 1e-300, q * (q.clamp(min=1e-300) / p.clamp(min=1e-300)).log(), 0.0), xs)


XS = torch.linspace(-14, 14, 56_001, dtype=torch.float64)


def test_prior_kl_by_integration():
    x0 = torch.tensor([[0.3], [-1.7]], dtype=torch.float64)
    at = TOY.at(2)
    for x, kl in zip(x0, elbo.prior_kl(TOY, x0), strict=True):
        expected = grid_kl(Normal(at.alpha * x, at.sigma).log_prob(XS), Normal(0.0, 1.0).log_prob(XS), XS)
        assert kl.item() == pytest.approx(expected.item(), rel=1e-8)


@pytest.mark.parametrize("variance", elbo.VARIANCES)
@pytest.mark.parametrize("t", [1, 2])
def test_step_kl_by_integration(t, variance):
    """q(x_{t-1} | x_t, x_0) made from Bayes' rule on the grid, not from the formula."""
    denoise = off(DATA.denoise)
    x0, x_t = torch.tensor([[0.3]], dtype=torch.float64), torch.tensor([[-0.8]], dtype=torch.float64)
    below = TOY.at(t - 1)
    bayes = Normal(below.alpha * x0[0], below.sigma).log_prob(XS)
    bayes = bayes + Normal(TOY.alphas[t].sqrt() * XS, TOY.betas[t].sqrt()).log_prob(x_t[0])
    mean, var = elbo.transition(denoise, TOY, x_t, t, variance)
    expected = grid_kl(bayes, Normal(mean[0], var**0.5).log_prob(XS), XS)
    assert elbo.step_kl(denoise, TOY, x0, x_t, t, variance).item() == pytest.approx(expected.item(), rel=1e-7)


def test_last_step_is_a_gaussian_around_the_guess():
    x0, x1 = torch.randn(2, 4, 1, generator=seeded(), dtype=torch.float64)
    guess = DATA.denoise(x1, TOY.at(0)).x0
    for var in (None, 0.05):
        expected = -Normal(guess, (var or 0.2) ** 0.5).log_prob(x0)[:, 0]
        assert torch.allclose(elbo.last_step_nll(DATA.denoise, TOY, x0, x1, var), expected)


# -- the whole bound ----------------------------------------------------------------------------------------------------


def toy_density(denoise, schedule, last_var=None):
    """The model's own p(x_0) on a grid: push N(0, 1) through its transitions, one integral a step."""
    xs = torch.linspace(-9, 9, 1501, dtype=torch.float64)
    density = Normal(torch.zeros(1, dtype=torch.float64), 1.0).log_prob(xs).exp()
    for t in reversed(range(schedule.T)):
        mean, var = elbo.transition(denoise, schedule, xs[:, None], t)
        var = var if t else (float(schedule.betas[0]) if last_var is None else last_var)
        kernel = Normal(mean, var**0.5).log_prob(xs[None]).exp()  # (from, to)
        density = torch.trapezoid(density[:, None] * kernel, xs, dim=0)
    return xs, density


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_three_steps_whole_and_split_agree_and_lie_above_the_nll(shift):
    denoise, n = off(DATA.denoise, shift), 200_000
    x0 = DATA.sample(n, generator=seeded(1))
    split = elbo.diffusion_bound(denoise, TOY, x0, generator=seeded(2))
    whole = elbo.chain_log_ratio(denoise, TOY, x0, generator=seeded(3))
    assert split.L_steps.shape == (2,)
    assert split.total == pytest.approx(split.L_T + split.L_steps.sum().item() + split.L_0)
    assert split.total == pytest.approx(split.each.mean().item())
    se = (split.each - whole).std().item() / n**0.5
    assert abs(split.total - whole.mean().item()) < 4 * se
    xs, density = toy_density(denoise, TOY)
    data = DATA.log_prob(xs[:, None]).exp()
    cross_entropy = -torch.trapezoid(data * density.log(), xs).item()
    assert split.total > cross_entropy + 4 * se > 0


def test_mean_inside_or_outside_the_log_is_bound_or_likelihood():
    """Jensen: for one x_0 the log of the mean over chains is the model's own likelihood, the mean of the logs is the bound."""
    n, x = 400_000, 0.1
    ratio = elbo.chain_log_ratio(DATA.denoise, TOY, torch.full((n, 1), x, dtype=torch.float64), generator=seeded(4))
    nll = -(torch.logsumexp(-ratio, dim=0) - math.log(n)).item()
    xs, density = toy_density(DATA.denoise, TOY)
    exact = -density[(xs - x).abs().argmin()].log().item()
    assert nll == pytest.approx(exact, abs=0.02)
    assert ratio.mean().item() > exact + 0.01


def gap_to_the_entropy(T, variance, n):
    """How far bound(x0) lies above -log p(x0), for each of n points of the mixture."""
    data, schedule = two_bumps(), DiffusionSchedule.linear(T, 0.1 / T, 20 / T)
    x0 = data.sample(n, generator=seeded(5))
    return elbo.diffusion_bound(
        data.denoise, schedule, x0, variance=variance, generator=seeded(6)
    ).each + data.log_prob(x0)


@pytest.mark.slow
def test_bound_with_the_exact_denoiser_comes_down_to_the_entropy():
    gaps = [gap_to_the_entropy(T, "posterior", 4000).mean().item() for T in (25, 100, 1000)]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    gap = gap_to_the_entropy(1000, "beta", 4000)
    se = gap.std().item() / len(gap) ** 0.5
    assert -4 * se < gap.mean().item() < 4 * se < 0.1 < gaps[2]  # the data are wide: their reverse steps are, too
    assert bool((gap < 0).any())  # each entry is one draw: only the mean over the noise is a bound


def test_a_worse_denoiser_has_a_worse_bound():
    data, schedule = two_bumps(), DiffusionSchedule.linear(50, 2e-3, 0.4)
    x0 = data.sample(2000, generator=seeded())
    exact, worse = (
        elbo.diffusion_bound(d, schedule, x0, generator=seeded(1)) for d in (data.denoise, off(data.denoise))
    )
    assert exact.total < worse.total and exact.L_T == worse.L_T


def test_noise_weights_turn_noise_errors_into_the_terms():
    data, schedule = two_bumps(), DiffusionSchedule.linear(50, 2e-3, 0.4)
    x0 = data.sample(64, generator=seeded())
    noise = torch.randn(64, 1, generator=seeded(1), dtype=torch.float64)
    for variance in elbo.VARIANCES:
        weights = elbo.noise_weights(schedule, variance)
        assert weights.shape == (49,)
        for t in (1, 7, 49):
            at = schedule.at(t)
            x_t = at.alpha * x0 + at.sigma * noise
            error = (noise - data.denoise(x_t, at).eps).square().sum(dim=1)
            kl = elbo.step_kl(data.denoise, schedule, x0, x_t, t, variance)
            difference = kl - weights[t - 1] * error
            assert torch.allclose(difference, difference[0].expand(64), atol=1e-10)
            assert variance == "beta" or difference[0].abs() < 1e-10


def test_images_float32_and_a_network():
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    model = Denoiser(lambda x, t: network(x), DiffusionSchedule.linear(5, 0.01, 0.5))
    bound = elbo.diffusion_bound(model, model.schedule, torch.randn(3, 1, 8, 8, generator=seeded()))
    assert bound.each.shape == (3,) and bound.each.dtype == torch.float64 and math.isfinite(bound.total)
    assert model.training
    one = elbo.diffusion_bound(model, DiffusionSchedule([0.5]), torch.randn(1, 1, 8, 8, generator=seeded()))
    assert one.L_steps.shape == (0,) and math.isnan(one.se)


def test_bits_per_dim():
    assert elbo.bits_per_dim(math.log(2) * 784, 784) == pytest.approx(1.0)
    assert elbo.bits_per_dim(0.0, 784, 2 / 255) == pytest.approx(math.log2(127.5))
    for bad in ((1.0, 0), (1.0, 2, 0.0)):
        with pytest.raises(ValueError):
            elbo.bits_per_dim(*bad)


def test_wrong_arguments_are_named():
    x = torch.zeros(2, 1)
    with pytest.raises(ValueError, match="variance must be"):
        elbo.diffusion_bound(DATA.denoise, TOY, x, variance="large")
    for t in (0, 3, -1):
        with pytest.raises(ValueError, match=r"t must lie in \[1, 2\]"):
            elbo.step_kl(DATA.denoise, TOY, x, x, t)
    with pytest.raises(TypeError, match="t must be a whole number"):
        elbo.transition(DATA.denoise, TOY, x, 1.5)
    with pytest.raises(TypeError, match="x0 must be a floating-point"):
        elbo.diffusion_bound(DATA.denoise, TOY, torch.zeros(2, 1, dtype=torch.int64))


# -- pixels -------------------------------------------------------------------------------------------------------------


def test_the_probabilities_of_all_greys_sum_to_one_and_far_ones_stay_finite():
    greys = torch.arange(256, dtype=torch.float64)[:, None] / 255 * 2 - 1
    for mean, std in ((0.3, 0.01), (-0.9995, 0.03), (1.4, 0.2), (0.0, 0.002)):
        nats = elbo.pixel_nll(greys, torch.full_like(greys, mean), std**2)
        assert nats.isfinite().all() and torch.exp(-nats).sum().item() == pytest.approx(1.0, abs=1e-9)


def test_a_wide_decoder_is_the_gaussian_density_times_a_bin():
    x = torch.tensor([[-0.2, 0.1], [101 / 255, -77 / 255]], dtype=torch.float64)
    mean = torch.tensor([[0.1, 0.3], [0.3, 0.0]], dtype=torch.float64)
    wanted = elbo.gaussian_nll(x, mean, 0.09) - 2 * math.log(2 / 255)
    torch.testing.assert_close(elbo.pixel_nll(x, mean, 0.09), wanted, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="var must be"):
        elbo.pixel_nll(x, mean, 0.0)
