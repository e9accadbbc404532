"""The references of lesson 11 say what is measured: of brute force, of simulations, of other libraries."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from diffcourse.learn import exercises


def reference(name):
    return exercises()[name].reference


@pytest.mark.parametrize(
    ("lam", "noise_var", "beta"), [(4.0, 0.5, 2.0), (0.7, 0.1, 1.5), (0.5, 0.3, 4.0), (9.0, 2.0, 0.3)]
)
def test_the_smallest_loss_of_a_linear_vae_found_by_brute_force_is_where_the_derivation_says(lam, noise_var, beta):
    def parts(p):
        w, a, v = p[0], p[1], math.exp(p[2])
        error = (1 - w * a) ** 2 * lam
        return error, (error + w * w * v) / (2 * noise_var), (a * a * lam + v - 1 - math.log(v)) / 2

    def loss(p):
        _, reconstruction, kl = parts(p)
        return reconstruction + beta * kl

    starts = np.random.default_rng(0).normal(size=(6, 3))
    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 20000, "maxfev": 20000}
    best = min((optimize.minimize(loss, p, method="Nelder-Mead", options=options) for p in starts), key=lambda r: r.fun)
    error, _, kl = parts(best.x)
    live = abs(best.x[0]) > 1e-3
    assert (int(live), error, kl) == pytest.approx(
        reference("11.kl_weight")(torch.tensor([lam]), noise_var, beta, 1), rel=1e-4, abs=1e-5
    )


def test_two_latents_of_a_linear_vae_trained_to_the_end_keep_what_the_derivation_says():
    lam, noise_var, beta, latents = torch.tensor([6.0, 2.5, 1.6, 0.4], dtype=torch.float64), 0.4, 2.0, 2
    D, K = len(lam), latents
    parameters = torch.randn(2 * D * K + K, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    parameters.requires_grad_()

    def parts():
        W, V, v = parameters[: D * K].view(D, K), parameters[D * K : -K].view(K, D), parameters[-K:].exp()
        lost = torch.eye(D, dtype=torch.float64) - W @ V
        error = (lost @ torch.diag(lam) @ lost.T).trace()
        kl = ((V @ torch.diag(lam) @ V.T).trace() + (v - 1 - v.log()).sum()) / 2
        return error, (error + (W**2 * v).sum()) / (2 * noise_var), kl

    optimiser = torch.optim.LBFGS([parameters], max_iter=2000, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        _, reconstruction, kl = parts()
        loss = reconstruction + beta * kl
        loss.backward()
        return loss

    optimiser.step(closure)
    error, _, kl = parts()
    rank = int(torch.linalg.matrix_rank(parameters[: D * K].detach().view(D, K), atol=1e-3))
    found = rank, error.item(), kl.item()
    assert found == pytest.approx(reference("11.kl_weight")(lam, noise_var, beta, latents), rel=1e-4)


def test_the_band_is_the_error_of_a_regression_fitted_to_draws_and_nothing_beats_it_for_gaussian_data():
    g = torch.Generator().manual_seed(1)
    lam, n = torch.tensor([4.0, 0.5, 0.02], dtype=torch.float64), 100_000
    turn = torch.linalg.qr(torch.randn(3, 3, generator=g, dtype=torch.float64))[0]
    x0 = (torch.randn(n, 3, generator=g, dtype=torch.float64) * lam.sqrt()) @ turn
    eps = torch.randn(n, 3, generator=g, dtype=torch.float64)
    alphas, sigmas = torch.tensor([0.9, 0.4], dtype=torch.float64), torch.tensor([0.3, 1.1], dtype=torch.float64)
    fitted = []
    for alpha, sigma in zip(alphas, sigmas, strict=True):
        x = alpha * x0 + sigma * eps
        fitted.append((x @ torch.linalg.lstsq(x, eps).solution - eps).square().mean().item())
    assert reference("11.band")(lam, alphas, sigmas).tolist() == pytest.approx(fitted, rel=0.02)


def test_both_gradients_are_the_derivative_and_their_errors_are_what_repetition_shows():
    g = torch.Generator().manual_seed(2)
    mu, sigma = 0.5, 0.8
    found = []
    for _ in range(200):
        eps = torch.randn(100, generator=g, dtype=torch.float64)
        z = mu + sigma * eps
        (h, u), (k, v), times = reference("11.two_gradients")(z.sin(), z.cos(), eps, sigma)
        found.append((h, u, k, v, times))
    h, u, k, v, times = torch.tensor(found, dtype=torch.float64).unbind(1)
    truth = -sigma * math.exp(-(sigma**2) / 2) * math.sin(mu)  # of exp(-sigma²/2)·sin(mu)
    for mean, error in ((h, u), (k, v)):
        assert mean.mean().item() == pytest.approx(truth, abs=4 * mean.std().item() / 200**0.5)
        assert error.mean().item() == pytest.approx(mean.std().item(), rel=0.1)
    assert times.median().item() == pytest.approx((h.var() / k.var()).item(), rel=0.2)


def test_euler_on_an_equation_with_a_known_end_is_seen_to_have_order_one_and_this_end():
    def euler(n):
        x = 1.0
        for _ in range(n):
            x -= x / n
        return x

    order, limit, steps, network = reference("11.whose_fault")(euler(64), euler(128), euler(256), 0.5)
    assert order == pytest.approx(1, abs=0.02) and limit == pytest.approx(math.exp(-1), abs=2e-5)
    assert steps == pytest.approx(euler(64) - math.exp(-1), abs=2e-5)
    assert network == pytest.approx(math.exp(-1) - 0.5, abs=2e-5)


def test_the_paired_interval_is_scipys_and_covers_and_times_is_the_ratio_of_variances_of_means():
    g = torch.Generator().manual_seed(3)
    hits, unpaired = 0, []
    for _ in range(200):
        hard = torch.rand(200, generator=g, dtype=torch.float64)
        before, after = hard + 0.1 * torch.randn(200, generator=g), hard + 0.1 * torch.randn(200, generator=g) - 0.02
        _, (low, high), times = reference("11.paired")(before, after)
        hits += low <= -0.02 <= high
        unpaired.append(
            after.mean().item() - (torch.rand(200, generator=g) + 0.1 * torch.randn(200, generator=g)).mean()
        )
    ends = stats.ttest_rel(after.numpy(), before.numpy()).confidence_interval(0.95)
    assert (low, high) == pytest.approx((ends.low, ends.high), abs=0.02 * (high - low))
    assert hits / 200 == pytest.approx(0.95, abs=0.035)
    spread = torch.tensor(unpaired, dtype=torch.float64).std().item()
    assert times == pytest.approx((spread / ((high - low) / 3.92)) ** 2, rel=0.4)
