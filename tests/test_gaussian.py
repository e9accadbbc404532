"""Gaussians: against torch.distributions, against draws, and what a walk between two noises keeps."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from diffcourse import gaussian
from diffcourse.gaussian import gaussian_nll, mean_se, reparameterize, share_se, slerp, standard_kl


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def test_the_standard_divergence_is_that_of_torch_also_where_the_posterior_is_the_prior():
    mu, log_var = randn(4, 3, 2), randn(4, 3, 2, seed=1)
    wanted = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).flatten(1).sum(dim=1)
    torch.testing.assert_close(standard_kl(mu, log_var), wanted, rtol=1e-12, atol=0)
    near = standard_kl(torch.zeros(1, 1), torch.full((1, 1), 1e-6))  # v²/4, lost in 1 + v - exp(v)
    assert near.item() == pytest.approx(2.5e-13, rel=1e-5)


def test_the_divergence_is_the_mean_log_ratio_of_draws():
    mu, log_var = torch.tensor([[0.5, -1.0]]), torch.tensor([[-1.0, 0.3]])
    n = 200_000
    z = reparameterize(mu.expand(n, 2), log_var.expand(n, 2), generator=torch.Generator().manual_seed(0))
    ratio = gaussian_nll(z, 0.0, 1.0) - gaussian_nll(z, mu, log_var.exp())
    assert abs(ratio.mean() - standard_kl(mu, log_var)[0]) < 4 * mean_se(ratio)


def test_a_draw_passes_gradients_on_and_takes_given_noise():
    mean, log_var = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    noise = randn(2, 3, dtype=torch.float32)
    z = reparameterize(mean, log_var, noise)
    assert torch.equal(z, noise)
    z.sum().backward()
    assert torch.equal(mean.grad, torch.ones(2, 3)) and torch.allclose(log_var.grad, noise / 2)


# -- between two noises -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [0.0, 0.25, 0.5, 1.0])
def test_the_arc_keeps_the_length_of_noise_and_the_straight_line_does_not(w):
    a, b = randn(8, 4, 32, 32), randn(8, 4, 32, 32, seed=1)
    lengths = slerp(a, b, w).flatten(1).norm(dim=1) / 64  # sqrt(4·32·32)
    assert bool(((lengths - 1).abs() < 0.03).all())
    if w == 0.5:
        assert torch.lerp(a, b, w).flatten(1).norm(dim=1).mean() / 64 == pytest.approx(2**-0.5, abs=0.02)


@given(st.floats(-1, 2), st.integers(1, 5), st.integers(0, 99))
def test_each_pair_turns_by_its_own_angle_in_its_own_plane(w, n, seed):
    a, b = randn(n, 3, 2, seed=seed), 2 * randn(n, 3, 2, seed=seed + 1000)
    a, b = (v / v.flatten(1).norm(dim=1)[:, None, None] for v in (a, b))
    out = slerp(a, b, w)
    for p, q, r in zip(a.flatten(1), b.flatten(1), out.flatten(1), strict=True):
        theta = math.atan2(float((q - (p @ q) * p).norm()), float(p @ q))
        side = (q - (p @ q) * p) / (q - (p @ q) * p).norm()
        torch.testing.assert_close(r, math.cos(w * theta) * p + math.sin(w * theta) * side, atol=1e-8, rtol=0)


def test_the_ends_are_the_ends_and_what_has_no_angle_goes_straight():
    a, b = randn(2, 5), randn(2, 5, seed=1)
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    for other in (a, 3 * a, -2 * a, 0 * a):
        torch.testing.assert_close(slerp(a, other, 0.3), torch.lerp(a, other, 0.3))


def test_the_lessons_two_answers_are_the_packages():
    from diffcourse.learn.exercises import lesson_04, lesson_05a

    a, b = randn(3, 4, 8, 8), randn(3, 4, 8, 8, seed=1)
    torch.testing.assert_close(lesson_05a.slerp(a, b, 0.3), slerp(a, b, 0.3))
    torch.testing.assert_close(lesson_04.slerp(a[:1], b[:1], 0.3), slerp(a[:1], b[:1], 0.3))


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: slerp(torch.zeros(2, 3), torch.zeros(2, 4), 0.5), "a and b must be"),
        (lambda: slerp(torch.zeros(3), torch.zeros(3), 0.5), "a and b must be"),
        (lambda: slerp(torch.zeros(2, 3), torch.zeros(2, 3), math.nan), "w must be a finite number"),
    ],
)
def test_what_cannot_be_walked_is_named(call, word):
    with pytest.raises(ValueError, match=word):
        call()


# -- errors -----------------------------------------------------------------------------------------------------------


def test_standard_errors_are_the_spread_of_many_repeats():
    g = torch.Generator().manual_seed(0)
    draws = torch.randn(4000, 50, generator=g) * 3
    assert float(draws.mean(dim=1).std()) == pytest.approx(sum(map(mean_se, draws)) / 4000, rel=0.05)
    shares = (torch.rand(4000, 50, generator=g) < 0.2).double().mean(dim=1)
    assert float(shares.std()) == pytest.approx(share_se(0.2, 50), rel=0.05)
    assert math.isnan(mean_se(torch.ones(1))) and math.isnan(share_se(0.5, 0)) and share_se(1.0, 10) == 0


@pytest.mark.parametrize("nu", [1, 2, 2.7, 4, 30, 1000])
@pytest.mark.parametrize("p", [0.01, 0.025, 0.5, 0.9, 0.975, 0.999])
def test_quantiles_of_student_are_those_of_scipy(p, nu):
    from scipy import stats

    assert gaussian.t_quantile(p, nu) == pytest.approx(stats.t.ppf(p, nu), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(("p", "nu"), [(0, 3), (1, 3), (0.5, 0)])
def test_quantiles_of_student_ask_for_a_probability_and_degrees_of_freedom(p, nu):
    with pytest.raises(ValueError, match="p must be between 0 and 1 and nu positive"):
        gaussian.t_quantile(p, nu)
