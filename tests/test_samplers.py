"""The samplers and their loop: equalities, orders of convergence, distributions, seeds and batches."""

import hashlib
import inspect
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import diffcourse.samplers as samplers_module
from diffcourse.denoiser import Denoiser, Estimate
from diffcourse.guidance import clipped, guided
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.rng import counter_seed, image_generators
from diffcourse.samplers import (
    DDIM,
    DDPM,
    LMS,
    PNDM,
    DPMSolverPP,
    Euler,
    EulerAncestral,
    Heun,
    classifier_free_guidance_sample,
    posterior_std,
    sample,
    sample_ddim,
    sample_ddpm,
    trajectory,
)
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

LINEAR, COSINE, SCALED = DiffusionSchedule.linear(), DiffusionSchedule.cosine(), DiffusionSchedule.scaled_linear()
DETERMINISTIC = [DDIM(), Euler(), Heun(), LMS(), LMS(2), PNDM(), DPMSolverPP(), DPMSolverPP(1)]
ALL = [
    DDPM(),
    DDPM("beta"),
    DDIM(0.5),
    DDIM(1.0),
    EulerAncestral(),
    EulerAncestral(0.5),
    DPMSolverPP(stochastic=True),
    *DETERMINISTIC,
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


def run(denoise, x, levels, sampler, seed=0):
    *_, last = trajectory(denoise, x, levels, sampler, seeded(seed))
    return last.x


class Net(nn.Module):
    """Small, smooth, each image by itself, with a label; counts the rows of its calls and its mode in them."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.4, dtype=dtype))
        self.parts = nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5))
        self.rows, self.modes = [], set()

    def forward(self, x, t, cond=None):
        self.rows.append(len(x))
        self.modes |= {m.training for m in self.modules()}
        shape = (-1,) + (1,) * (x.ndim - 1)
        c = 0.0 if cond is None else cond.to(x.dtype).view(shape) / 10
        return self.parts(torch.tanh(self.gain * x + c) + (t.view(shape) / 1000).to(x.dtype) * c)


# -- equalities --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [LINEAR, COSINE, SCALED, SCALED.zero_terminal_snr()], ids=["l", "c", "s", "z"])
@pytest.mark.parametrize("spacing, last", [("trailing", CLEAN), ("linspace", CLEAN), ("leading", SCALED.at(0))])
@pytest.mark.parametrize("steps", [1, 2, 7, 50, pytest.param(1000, marks=pytest.mark.slow)])
def test_ddpm_is_ddim_with_eta_one_on_every_grid(schedule, spacing, last, steps):
    levels = schedule.levels(steps, spacing, last=schedule.at(0) if last.sigma else CLEAN)
    a, b = (run(two_bumps().denoise, randn(16, 1), levels, s, seed=3) for s in (DDPM(), DDIM(1.0)))
    # from the end of the cosine schedule (sigma/alpha = 20,000) DDIM's sigma² - std² cancels to 1e-9 of its parts
    torch.testing.assert_close(a, b, rtol=0, atol=2e-11 if schedule is COSINE else 1e-12)


@settings(max_examples=40)
@given(st.lists(st.floats(0, 999), min_size=2, max_size=12, unique=True), st.booleans())
def test_also_on_grids_of_any_fractional_times(times, to_clean):
    levels = [LINEAR.at(t) for t in sorted(times, reverse=True)] + [CLEAN] * to_clean
    x = randn(8, 1)
    a, *rest = (run(two_bumps().denoise, x, levels, s, seed=3) for s in (DDPM(), DDIM(1.0), DPMSolverPP(1, True)))
    for b in rest:
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    first_order = [run(two_bumps().denoise, x, levels, s) for s in (DDIM(), Euler(), LMS(1), DPMSolverPP(1))]
    for other in first_order[1:]:
        torch.testing.assert_close(other, first_order[0], rtol=0, atol=1e-10)


@pytest.mark.parametrize("schedule", [LINEAR, SCALED], ids=["linear", "scaled"])
@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
def test_euler_ddim_lms_1_and_dpm_solver_1_are_one_sampler(schedule, spacing):
    x, mixture = randn(16, 2), GaussianMixture.ring()
    for steps in (1, 5, 40):
        levels = schedule.levels(steps, spacing)
        ddim = run(mixture.denoise, x, levels, DDIM())
        for other in (Euler(), LMS(1), DPMSolverPP(1)):
            torch.testing.assert_close(run(mixture.denoise, x, levels, other), ddim, rtol=0, atol=1e-12)


def test_ddpm_on_every_step_is_the_trained_chain_and_on_a_subsequence_it_is_not():
    x, denoise = randn(4, 1), two_bumps().denoise
    for t in (1, 500, 999):
        now = denoise(x, LINEAR.at(t))
        mean, var = LINEAR.posterior(now.x0, x, t)
        ones = DDPM().step(now, LINEAR.at(t - 1), noise=lambda: torch.ones_like(x))
        torch.testing.assert_close(ones, mean + var.sqrt())
        assert posterior_std(LINEAR.at(t), LINEAR.at(t - 1)) ** 2 == pytest.approx(var[0].item())
    assert posterior_std(LINEAR.at(780), LINEAR.at(760)) ** 2 == pytest.approx(0.267, abs=2e-3)
    assert LINEAR.posterior(x, x, 780)[1][0].item() == pytest.approx(0.0156, abs=1e-4)


def test_the_larger_variance_of_ddpm_is_beta():
    x, denoise = randn(4, 1), two_bumps().denoise
    for t in (1, 500, 999):
        now = denoise(x, LINEAR.at(t))
        z = [DDPM("beta").step(now, LINEAR.at(t - 1), noise=lambda s=s: torch.full_like(x, s)) for s in (0.0, 1.0)]
        torch.testing.assert_close(z[1] - z[0], torch.full_like(x, LINEAR.betas[t].item() ** 0.5))
        torch.testing.assert_close(z[0], LINEAR.posterior(now.x0, x, t)[0])


# -- orders of convergence ---------------------------------------------------------------------------------------------

NARROW = GaussianMixture([0.0], 0.5)


def closed_form(x, now, to):
    """The probability-flow ODE of Gaussian data is linear: x grows with the standard deviation of its marginal."""
    std = [(at.alpha**2 * 0.25 + at.sigma**2) ** 0.5 for at in (now, to)]
    return x * std[1] / std[0]


def grid(start, end, n):
    return [SCALED.at(t) for t in np.linspace(start, end, n + 1)]


def slope(error, sizes=(80, 160, 320)):
    return -np.polyfit(np.log(sizes), np.log([error(n) for n in sizes]), 1)[0]


def order_of(sampler, start=999, end=20):
    x = randn(16, 1)

    def error(n):
        levels = grid(start, end, n)
        return (run(NARROW.denoise, x, levels, sampler) - closed_form(x, levels[0], levels[-1])).abs().max().item()

    return slope(error)


def order_of_lms_started_exactly(order=4, start=600, end=20):
    """The first values come from the closed form, so that the weak start of a multistep method is not what is seen."""
    x0 = randn(16, 1)

    def error(n):
        levels, sampler = grid(start, end, n), LMS(order)
        exact = [NARROW.denoise(closed_form(x0, levels[0], at), at) for at in levels[:order]]
        past, now = exact[:-1], exact[-1]
        for to in levels[order:]:
            x = sampler.step(now, to, past=past)
            past, now = [*past, now][-sampler.history :], NARROW.denoise(x, to)
        return (x - closed_form(x0, levels[0], levels[-1])).abs().max().item()

    return slope(error)


def test_the_orders_of_convergence():
    assert order_of(DDIM()) == pytest.approx(1.0, abs=0.05)
    assert order_of(Heun()) == pytest.approx(2.0, abs=0.05)
    assert 1.9 <= order_of(DPMSolverPP()) <= 2.05
    assert order_of(DPMSolverPP(1)) == pytest.approx(1.0, abs=0.05)


def test_lms_shows_its_order_only_with_an_exact_start():
    assert order_of_lms_started_exactly() >= 3.5
    assert order_of(LMS(), start=600) == pytest.approx(2.0, abs=0.2)
    assert 1.9 <= order_of_lms_started_exactly(order=2) <= 2.3


@pytest.mark.slow
def test_toward_clean_the_orders_fall_to_one():
    """sigma/alpha grows like sqrt(t), so the last step of n, from t = 999/n to CLEAN, has a width h ~ n^(-1/2) in it.

    It is a first-order step for all but LMS, with an error ~ h² ~ 1/n; LMS(4) errs there by h^5 ~ n^(-5/2).
    """
    x = randn(16, 1)

    def order(sampler):
        def error(n):
            levels = [*grid(999, 0, n)[:-1], CLEAN]
            return (run(NARROW.denoise, x, levels, sampler) - closed_form(x, levels[0], CLEAN)).abs().max().item()

        return slope(error)

    for sampler in (DDIM(), Heun(), DPMSolverPP()):
        assert 0.7 < order(sampler) < 1.1
    assert 2.3 < order(LMS()) < 2.9


def test_the_weights_of_lms_are_those_of_adams_and_bashforth():
    from diffcourse.samplers import _lagrange_integrals

    nodes = (0.0, 1.0, 2.0, 3.0)
    known = {1: [1], 2: [-1 / 2, 3 / 2], 3: [5 / 12, -16 / 12, 23 / 12], 4: [-9 / 24, 37 / 24, -59 / 24, 55 / 24]}
    for order, weights in known.items():
        assert _lagrange_integrals(nodes[4 - order :], 3.0, 4.0) == pytest.approx(weights, abs=1e-13)


def test_pndm_is_lms_with_the_weights_of_even_steps():
    """The same step where levels are evenly spaced in sigma/alpha; where they are not, another one."""
    x, denoise = randn(8, 1), two_bumps().denoise
    even = [SCALED.at(SCALED.time_of(nsr)) for nsr in (3.0, 2.6, 2.2, 1.8, 1.4)]
    for levels, same in ((even, True), (SCALED.levels(5), False)):
        *past, now = [denoise(x, at) for at in levels[:4]]
        for n in (1, 2, 3):
            ours, lms = (s.step(now, levels[4], past=past[-n:]) for s in (PNDM(), LMS()))
            assert torch.allclose(ours, lms, atol=1e-9) == same


# -- where samplers land -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ALL, ids=str)
@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_any_sampler_lands_on_a_one_point_data_set(sampler, steps):
    point = GaussianMixture([[0.3, -1.7]], 0.0)
    for schedule, spacing in itertools.product((LINEAR, SCALED), ("trailing", "linspace", "leading")):
        x = run(point.denoise, randn(6, 2), schedule.levels(steps, spacing), sampler)
        torch.testing.assert_close(x, torch.tensor([0.3, -1.7], dtype=torch.float64).expand(6, 2), rtol=0, atol=1e-9)


def cdf(mixture, x):
    z = (x[:, None] - mixture.means[:, 0]) / mixture.stds
    return (mixture.weights * torch.special.ndtr(z)).sum(1)


@pytest.mark.slow
@pytest.mark.parametrize("sampler, steps", [(s, 1000 if s == DDPM("beta") else 200) for s in ALL], ids=str)
def test_samples_have_the_distribution_of_the_data(sampler, steps):
    n, mixture = 10_000, two_bumps()
    x = run(mixture.denoise, randn(n, 1, seed=5), COSINE.levels(steps)[1:], sampler, seed=6)  # from nsr about 120
    u = cdf(mixture, x[:, 0].sort().values)
    distance = (u - (torch.arange(n, dtype=torch.float64) + 0.5) / n).abs().max().item()
    assert distance < 0.02  # Kolmogorov-Smirnov: 1.36/sqrt(n) = 0.014 at 5 %


@pytest.mark.slow
def test_eta_trades_little_diversity_for_few_steps():
    """Data N(-0.7, 0.1²) on the linear schedule: with 50 steps eta = 1 is *less* spread, with 1000 both are right."""
    point, x = GaussianMixture([-0.7], 0.1), randn(20_000, 1, seed=7)
    for steps, eta, std in ((50, 0.0, 0.079), (50, 1.0, 0.069), (1000, 0.0, 0.099), (1000, 1.0, 0.097)):
        if steps == 1000 and eta == 0:
            x = x[:4000]
        out = run(point.denoise, x, LINEAR.levels(steps, "leading"), DDIM(eta), seed=8)
        assert out.std().item() == pytest.approx(std, abs=0.004)


def test_a_chain_cut_short_starts_from_the_wrong_noise():
    """T = 200 with the betas made for 1000 keeps 36 % of the amplitude: pure noise is no x_T."""
    out = run(GaussianMixture([-0.7], 0.1).denoise, randn(20_000, 1), DiffusionSchedule.linear(200).levels(200), DDIM())
    assert out.mean().item() == pytest.approx(-0.674, abs=0.005)


# -- steps are pure ----------------------------------------------------------------------------------------------------


def no_noise():
    raise AssertionError("noise was drawn where its weight is 0")


@pytest.mark.parametrize("sampler", ALL, ids=str)
def test_noise_is_drawn_only_where_it_has_weight(sampler):
    now = two_bumps().denoise(randn(4, 1), SCALED.at(30))
    sampler.step(now, CLEAN, denoise=two_bumps().denoise, noise=no_noise)  # none is left in the image
    if sampler in DETERMINISTIC:
        sampler.step(now, SCALED.at(10), denoise=two_bumps().denoise, noise=no_noise)
    else:
        with pytest.raises(AssertionError, match="weight"):
            sampler.step(now, SCALED.at(10), denoise=two_bumps().denoise, noise=no_noise)


@pytest.mark.parametrize("sampler", ALL, ids=str)
def test_a_step_changes_nothing_and_repeats_itself(sampler):
    denoise = two_bumps().denoise
    past = [denoise(randn(4, 1, seed=i), SCALED.at(900 - 100 * i)) for i in range(3)]
    now = denoise(randn(4, 1, seed=9), SCALED.at(500))
    held = [t.clone() for e in (*past, now) for t in (e.x, e.x0, e.eps)]
    out = [
        sampler.step(now, SCALED.at(400), past=past, denoise=denoise, noise=lambda: randn(4, 1, seed=1))
        for _ in range(2)
    ]
    assert torch.equal(*out) and len(past) == 3
    assert all(
        torch.equal(a, b) for a, b in zip(held, [t for e in (*past, now) for t in (e.x, e.x0, e.eps)], strict=True)
    )


@pytest.mark.parametrize("sampler", ALL, ids=str)
def test_calls_are_counted_as_the_papers_count_them(sampler):
    calls = []

    def denoise(x, at):
        calls.append(at.t)
        return two_bumps().denoise(x, at)

    levels = SCALED.levels(10)
    run(denoise, randn(2, 1), levels, sampler)
    assert len(calls) == {Heun(): 19, PNDM(): 11}.get(sampler, 10) and min(calls) >= 0  # never at CLEAN
    assert sampler.history == {"LMS(order=4)": 3, "LMS(order=2)": 1, "PNDM()": 3, "DPMSolverPP(order=2)": 1}.get(
        str(sampler).replace(", stochastic=True", ""), 0
    )


def test_dpm_solver_starts_at_no_signal_at_all_and_the_others_say_why_they_cannot():
    schedule, mixture = SCALED.zero_terminal_snr(), two_bumps()
    truth = run(mixture.denoise, randn(500, 1), schedule.levels(1000), DDIM())
    for sampler in (DDPM(), DDIM(), DPMSolverPP(), DPMSolverPP(1), DPMSolverPP(stochastic=True)):
        out = run(mixture.denoise, randn(500, 1), schedule.levels(100), sampler)
        assert out.isfinite().all()
        if sampler in DETERMINISTIC:
            assert (out - truth).abs().mean() < 0.05
    for sampler in (Euler(), EulerAncestral(), Heun(), LMS(), PNDM()):
        with pytest.raises(ValueError, match=f"{type(sampler).__name__} integrates in sigma/alpha.*alpha = 0"):
            run(mixture.denoise, randn(2, 1), schedule.levels(10), sampler)


def test_dpm_solver_goes_back_up_to_no_signal_at_all():
    """Inversion ends where alpha is 0: then x is the noise that the last estimate names, as DDIM says."""
    schedule, mixture = SCALED.zero_terminal_snr(), two_bumps()
    now = mixture.denoise(randn(4, 1), schedule.at(900))
    ours, ddim = (s.step(now, schedule.at(999), noise=no_noise) for s in (DPMSolverPP(1), DDIM()))
    torch.testing.assert_close(ours, ddim, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sampler", [LMS(), LMS(2), PNDM(), DPMSolverPP()], ids=str)
def test_a_level_visited_twice_counts_once(sampler):
    """A step of no length changes nothing, and what follows is no worse than a start without a past."""
    levels, x = SCALED.levels(20), randn(200, 1)
    once = run(two_bumps().denoise, x, levels, sampler)
    twice = run(two_bumps().denoise, x, [at for level in levels[:-1] for at in (level, level)] + [CLEAN], sampler)
    first = run(two_bumps().denoise, x, levels, DDIM())
    assert (twice - once).abs().max() <= (first - once).abs().max() * 1.01


def test_a_walk_that_left_the_numbers_says_where():
    def denoise(x, at):
        e = two_bumps().denoise(x, at)
        return e if at.t > 500 else e._replace(eps=e.eps * math.inf)

    with pytest.raises(ValueError, match=r"nan or inf after step 3 of 4, DDIM\(eta=0.0\) from t=499 to t=249"):
        run(denoise, randn(2, 1), SCALED.levels(4), DDIM())


# -- the loop ----------------------------------------------------------------------------------------------------------


def test_a_trajectory_has_an_estimate_a_level_and_ends_in_the_sample():
    levels, x = SCALED.levels(7), randn(3, 1)
    path = list(trajectory(two_bumps().denoise, x, levels, DDIM()))
    assert [e.at for e in path] == levels and path[0].x is x
    last = path[-1]
    assert last.at is CLEAN and torch.equal(last.x, last.x0) and not last.eps.any()
    for e in path[:-1]:
        truth = two_bumps().denoise(e.x, e.at)
        assert torch.equal(e.x0, truth.x0) and torch.equal(e.eps, truth.eps)


def test_a_trajectory_may_end_above_clean_and_go_on_from_there():
    levels, x = SCALED.levels(20), randn(3, 1)
    *_, middle = trajectory(two_bumps().denoise, x, levels[:9], DDIM())
    assert middle.at is levels[8]
    torch.testing.assert_close(
        run(two_bumps().denoise, middle.x, levels[8:], DDIM()), run(two_bumps().denoise, x, levels, DDIM())
    )


@pytest.mark.parametrize("levels", [SCALED.levels(20)[:9], SCALED.levels(20)[19::-1]], ids=["a pause", "inversion"])
def test_what_nobody_was_asked_is_not_known(levels):
    """The last x above CLEAN was never shown to the denoiser: no guess of its image, its noise or its score is made up."""
    *path, last = trajectory(two_bumps().denoise, randn(3, 1), levels, DDIM())
    for e in path:
        torch.testing.assert_close(e.at.noised(e.x0, e.eps), e.x)
    assert last.x.isfinite().all() and last.x0.isnan().all() and last.eps.isnan().all() and last.score.isnan().all()


class Straight:
    """A path of one's own with just what `NoisePath` names: x_t = (1 - t)·x_0 + t·eps, t in [0, 1]."""

    def at(self, t, like=None):
        t = t if like is None else t.to(like).view(-1, *[1] * (like.ndim - 1))
        return Level(t, 1 - t, t)

    def levels(self, steps):
        return [*(self.at(1 - i / steps) for i in range(steps)), CLEAN]

    def times(self, u):
        return u


def test_a_path_of_ones_own_trains_and_samples():
    path, net = Straight(), Net().double().eval()  # no dropout: what is compared must be the same twice
    model, x0, noise = Denoiser(net, path, predicts="flow"), randn(8, 3), randn(8, 3, seed=1)
    t = torch.linspace(0.1, 0.9, 8, dtype=torch.float64)
    x_t = (1 - t[:, None]) * x0 + t[:, None] * noise
    torch.testing.assert_close(model.loss(x0, t=t, noise=noise), ((net(x_t, t) - (noise - x0)) ** 2).mean())
    model.loss(x0, generator=seeded()).backward()  # times are drawn through the path
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())

    x = sample(two_bumps().denoise, path, (20_000, 1), DDIM(), 50, x=randn(20_000, 1))
    grid = torch.linspace(-3, 3, 61, dtype=torch.float64)
    drawn = (x <= grid).double().mean(dim=0)
    assert (drawn - cdf(two_bumps(), grid)).abs().max() < 0.02
    assert sample(model, path, (2, 3), DPMSolverPP(), 5, seed=0).isfinite().all()


def test_a_step_keeps_its_digits_where_its_factors_are_small():
    """alpha·x0 for alpha = 1e-5 is a product: x0 + (alpha - 1)·x0 would lose four digits."""
    x0, eps, at = randn(100, dtype=torch.float32), randn(100, seed=1, dtype=torch.float32), SCALED.at(500)
    out = DDIM().step(Estimate(at.noised(x0, eps), at, x0, eps), Level(0, 1e-5, 0.0))
    torch.testing.assert_close(out.double(), 1e-5 * x0.double(), rtol=2e-7, atol=0)


def test_no_graph_is_built_and_the_consumers_own_grad_mode_stays():
    net, x = Net(), randn(2, 3, dtype=torch.float32).requires_grad_()
    for e in trajectory(Denoiser(net, SCALED), x, SCALED.levels(4), Heun()):
        assert torch.is_grad_enabled() and not e.x0.requires_grad and not e.eps.requires_grad
    assert not e.x.requires_grad and torch.is_grad_enabled()
    assert not sample(Denoiser(net, SCALED), SCALED, (2, 3), steps=3, seed=0).requires_grad
    with torch.no_grad():
        next(trajectory(Denoiser(net, SCALED), x, SCALED.levels(4)))
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize("how", ["whole", "abandoned", "network raises", "consumer raises", "sampler raises"])
def test_the_module_and_its_parts_get_their_modes_back(how):
    net = Net()
    net.parts[0].eval()
    denoiser = Denoiser(net, SCALED, null=10).train()
    net.parts[0].eval()
    modes = [m.training for m in denoiser.modules()]
    denoise = clipped(guided(denoiser, 3, 2.0))
    path = trajectory(denoise, randn(2, 3, dtype=torch.float32), SCALED.levels(6), Heun())
    if how == "whole":
        for _ in path:
            assert [m.training for m in denoiser.modules()] == modes  # also in between
    elif how == "abandoned":
        next(path), next(path)
        path.close()
    elif how == "network raises":
        next(path)
        net.parts[0].forward = nn.Linear(7, 7).forward  # which does not fit
        with pytest.raises(RuntimeError):
            list(path)
    elif how == "consumer raises":
        with pytest.raises(ZeroDivisionError):
            for _ in path:
                1 / 0  # noqa: B018
    else:

        class Broken(Euler):
            def step(self, now, to, past, denoise, noise):
                denoise(now.x, to)
                raise RuntimeError("broken")

        with pytest.raises(RuntimeError, match="broken"):
            list(trajectory(denoise, randn(2, 3, dtype=torch.float32), SCALED.levels(6), Broken()))
    assert [m.training for m in denoiser.modules()] == modes
    assert net.modes <= {False}  # every call of the network was made in eval mode


def test_inputs_and_global_state_are_left_alone():
    net = Denoiser(Net(), SCALED, null=10)
    x, labels, levels = randn(4, 3, dtype=torch.float32), torch.tensor([0, 1, 2, 3]), SCALED.levels(5)
    held = x.clone(), labels.clone(), list(levels)
    state, threads, python = torch.get_rng_state(), torch.get_num_threads(), np.random.get_state()[1].copy()
    for sampler in ALL:
        sample(guided(net, labels, 2.0), SCALED, (4, 3), sampler, x=x, levels=levels, batch=3, seed=1)
        sample(net.given(labels), SCALED, (4, 3), sampler, 3)  # a fresh seed comes from the operating system
    assert torch.equal(x, held[0]) and torch.equal(labels, held[1]) and levels == held[2]
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    assert np.array_equal(np.random.get_state()[1], python)


# -- seeds and batches -------------------------------------------------------------------------------------------------


def test_the_seed_of_an_image_is_a_hash_of_its_counters():
    digest = hashlib.blake2b(b"5:17", digest_size=8).digest()
    assert counter_seed(5, 17) == int.from_bytes(digest, "big") // 2
    assert counter_seed(0, "step", 3) != counter_seed(0, 3) and 0 <= counter_seed(0) < 2**63
    assert len({counter_seed(s, i) for s in range(50) for i in range(50)}) == 2500
    a, b = image_generators(2, seed=0, first=1), image_generators(3, seed=0)
    assert [g.initial_seed() for g in a] == [g.initial_seed() for g in b[1:]]


@pytest.mark.parametrize("sampler", [DDPM(), DDIM(), DDIM(1.0), Heun(), LMS(), DPMSolverPP()], ids=str)
def test_an_image_is_the_same_alone_in_any_batch_and_in_parts(sampler):
    denoiser = Denoiser(Net(torch.float64), SCALED, "v", null=10)
    labels = torch.tensor([3, 1, 4, 1, 5, 9, 2])
    starts = []
    denoiser.network.register_forward_pre_hook(lambda net, args: starts.append(args[0]) if args[1][0] == 999 else None)

    def draw(n, first, batch=None):
        starts.clear()
        given = clipped(guided(denoiser, labels[first : first + n], 2.0), -3, 3)
        images = sample(given, SCALED, (n, 2, 3), sampler, 8, seed=11, first=first, batch=batch)
        return images, torch.cat([x[: len(x) // 2] for x in starts])  # each start came in a doubled batch

    whole, noise = draw(7, 0)
    for i in range(7):
        alone, start = draw(1, i)
        torch.testing.assert_close(alone[0], whole[i], rtol=0, atol=1e-12)
        assert torch.equal(start[0], noise[i])  # bit for bit
    torch.testing.assert_close(draw(3, 2)[0], whole[2:5], rtol=0, atol=1e-12)
    for batch in (1, 2, 3, 7, 100):
        parts, start = draw(7, 0, batch)
        torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)
        assert torch.equal(start, noise)
    assert not torch.allclose(whole[0], whole[1])


def test_batches_cut_labels_texts_and_negative_conditions():
    class Echo(nn.Module):
        def forward(self, x, t, cond):
            return x * 0 + cond.to(x.dtype).reshape(len(x), -1).sum(1, keepdim=True)

    x, levels = torch.zeros(5, 1), SCALED.levels(1)
    labels, other = torch.arange(5), torch.tensor([7, 5, 3, 2, 1])
    texts, negative = randn(5, 4, 3, dtype=torch.float32), randn(4, 3, seed=1, dtype=torch.float32)
    denoiser = Denoiser(Echo(), SCALED, "x0")  # so one step lands on the condition itself
    for cond, uncond in ((labels, other), (labels, 7), (2, other), (texts, negative), (negative, texts), (2, 7)):
        u, c = (
            v if isinstance(v, int) else v.reshape(5, -1).sum(1) if len(v) == 5 else v.sum() for v in (uncond, cond)
        )
        expected = torch.as_tensor(u + 2.0 * (c - u)).expand(5)[:, None].float()
        for batch in (None, 2, 5):
            out = sample(guided(denoiser, cond, 2.0, uncond=uncond), SCALED, (5, 1), x=x, levels=levels, batch=batch)
            torch.testing.assert_close(out, expected)
        if cond is not negative:
            out = sample(clipped(denoiser.given(cond), -1e9, 1e9), SCALED, (5, 1), x=x, levels=levels, batch=3)
            torch.testing.assert_close(out, torch.as_tensor(c).expand(5)[:, None].float())


def test_no_call_is_larger_than_the_batch_asked_for():
    net = Net()
    sample(Denoiser(net, SCALED, null=10).given(3), SCALED, (10, 2), steps=3, batch=4, seed=0)
    assert set(net.rows) == {4, 2} and sum(net.rows) == 30
    net.rows.clear()
    sample(guided(Denoiser(net, SCALED, null=10), 3, 2.0), SCALED, (10, 2), steps=3, batch=4, seed=0)
    assert max(net.rows) == 8


def test_noise_is_standard_gaussian_and_seeds_and_images_differ():
    x = sample(lambda x, at: Estimate(x, at, x, x * 0), SCALED, (4000, 5), DDIM(), levels=SCALED.levels(1), seed=0)
    scale = CLEAN.alpha  # the step returns x itself
    assert x.std().item() == pytest.approx(scale, abs=0.02) and x.mean().abs() < 0.03
    assert len({tuple(row) for row in x.tolist()}) == 4000
    correlation = torch.corrcoef(x.T) - torch.eye(5)
    assert correlation.abs().max() < 0.08
    net = Denoiser(Net(), SCALED)
    a, b, c = (sample(net, SCALED, (2, 3), steps=2, seed=s) for s in (0, 0, 1))
    fresh = [sample(net, SCALED, (2, 3), steps=2) for _ in range(2)]
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(*fresh)


def test_a_list_of_generators_gives_each_image_its_own_noise():
    denoise, levels = two_bumps().denoise, SCALED.levels(5)
    x = randn(3, 1)
    *_, all_three = trajectory(denoise, x, levels, DDPM(), [seeded(i) for i in range(3)])
    *_, second = trajectory(denoise, x[1:2], levels, DDPM(), [seeded(1)])
    torch.testing.assert_close(all_three.x[1:2], second.x, rtol=0, atol=1e-12)


def test_sampling_in_double_in_float_and_from_a_given_start():
    assert sample(Denoiser(Net(torch.float64), SCALED), SCALED, (2, 3), steps=2, seed=0).dtype == torch.float64
    assert sample(Denoiser(Net(), SCALED), SCALED, (2, 3), steps=2, seed=0).dtype == torch.float32
    assert sample(two_bumps().denoise, SCALED, (2, 1), steps=2, seed=0).dtype == torch.float32
    x = randn(5, 1)
    out = sample(two_bumps().denoise, SCALED, (5, 1), DDIM(), 9, x=x, batch=2)
    torch.testing.assert_close(out, run(two_bumps().denoise, x, SCALED.levels(9), DDIM()))
    assert out.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("sampler", [DDPM(), DDIM(), LMS(), DPMSolverPP()], ids=str)
def test_a_gpu_draws_the_same_images(sampler):
    denoiser = Denoiser(Net(), SCALED, "v", null=10)
    labels = torch.tensor([3, 1, 4])
    on_cpu = sample(guided(denoiser, labels, 2.0), SCALED, (3, 2), sampler, 10, seed=0)
    denoiser.cuda()
    on_gpu = sample(guided(denoiser, labels, 2.0), SCALED, (3, 2), sampler, 10, seed=0, batch=2)
    assert on_gpu.is_cuda
    torch.testing.assert_close(on_gpu.cpu(), on_cpu, rtol=0, atol=1e-4)
    x0 = randn(4, 2, dtype=torch.float32)
    losses = [denoiser.to(d).loss(x0.to(d), [0, 1, 2, 3], drop_prob=0.5, generator=seeded()) for d in ("cpu", "cuda")]
    assert losses[1].is_cuda and losses[0].item() == pytest.approx(losses[1].item(), rel=1e-4)


# -- the names of the course text --------------------------------------------------------------------------------------


def test_the_three_conveniences_are_sample():
    net = Net()
    denoiser = Denoiser(net, SCALED)
    short = DiffusionSchedule.linear(30)
    torch.testing.assert_close(
        sample_ddpm(net, short, (2, 3), seed=0), sample(Denoiser(net, short), short, (2, 3), DDPM(), 30, seed=0)
    )
    torch.testing.assert_close(
        sample_ddim(denoiser, SCALED, (2, 3), num_inference_steps=7, eta=0.5, seed=0),
        sample(denoiser, SCALED, (2, 3), DDIM(0.5), 7, seed=0),
    )
    net.rows.clear()
    sample_ddim(net, SCALED, (2, 3), None, 51, seed=0)
    assert len(net.rows) == 51  # the number asked for
    out = classifier_free_guidance_sample(net, SCALED, (2, 3), torch.tensor([1, 2]), 3.0, null=10, steps=5, seed=0)
    with_null = Denoiser(net, SCALED, null=10)
    torch.testing.assert_close(out, sample(guided(with_null, [1, 2], 3.0), SCALED, (2, 3), DDIM(), 5, seed=0))
    plain = classifier_free_guidance_sample(net, SCALED, (2, 3), 4, 1, steps=5, seed=0)
    torch.testing.assert_close(plain, sample(with_null.given(4), SCALED, (2, 3), steps=5, seed=0))
    assert inspect.signature(classifier_free_guidance_sample).parameters["w"].default == 7.5


def test_a_progress_bar_counts_the_calls(monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, disable):
            self.total, self.n, self.closed = total, 0, False
            bars.append(self)

        def update(self, n=1):
            self.n += n

        def close(self):
            self.closed = True

    monkeypatch.setattr(samplers_module, "_bar", lambda progress, total: Bar(total, not progress))
    sample(two_bumps().denoise, SCALED, (5, 1), steps=4, batch=2, progress=True, seed=0)
    sample(two_bumps().denoise, SCALED, (2, 1), levels=SCALED.levels(4, "leading", last=SCALED.at(0)), seed=0)
    assert [(b.total, b.n, b.closed) for b in bars] == [(12, 12, True), (4, 4, True)]


# -- bad input ---------------------------------------------------------------------------------------------------------

MODEL = Denoiser(Net(), SCALED, null=10)
SHAPE = (2, 3)
X = torch.zeros(2, 3)
LEVELS = SCALED.levels(3)
NOW = two_bumps().denoise(torch.zeros(2, 1), SCALED.at(500))


class AT:
    at = staticmethod(SCALED.at)


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: sample(SCALED, MODEL, SHAPE), TypeError, r"order of arguments is \(model, schedule, shape\)"),
        (lambda: sample(MODEL, SHAPE, SCALED), TypeError, r"order of arguments is \(model, schedule, shape\)"),
        (lambda: sample_ddpm(SCALED, MODEL, SHAPE), TypeError, r"order of arguments is \(model, schedule, shape\)"),
        (lambda: sample_ddim(SHAPE, SCALED, MODEL), TypeError, r"order of arguments is \(model, schedule, shape\)"),
        (lambda: classifier_free_guidance_sample(SCALED, MODEL, SHAPE, 1), TypeError, "order of arguments is"),
        (lambda: sample(MODEL, MODEL, SHAPE), TypeError, r"order of arguments is \(model, schedule, shape\)"),
        (lambda: sample(MODEL, SCALED, 16), TypeError, "shape must be a sequence"),
        (lambda: sample(MODEL, SCALED, torch.tensor([2, 3])), TypeError, "shape must be a sequence"),
        (lambda: sample(MODEL, SCALED, (4,)), ValueError, r"shape must be \(N, …\)"),
        (lambda: sample(MODEL, SCALED, (0, 3)), ValueError, "shape must be"),
        (lambda: sample(MODEL, SCALED, (2.0, 3)), ValueError, "shape must be"),
        (lambda: sample(MODEL, SCALED, SHAPE, steps=0), ValueError, r"steps must be in \[1, 1000\], got 0"),
        (lambda: sample(MODEL, SCALED, SHAPE, steps=1001), ValueError, "steps must be in"),
        (lambda: sample_ddim(MODEL, SCALED, SHAPE, num_inference_steps=0), ValueError, "steps must be in"),
        (lambda: sample(MODEL, SCALED, SHAPE, x=torch.zeros(2, 4)), ValueError, r"x must have the shape \(2, 3\)"),
        (lambda: sample(MODEL, SCALED, SHAPE, x=X.to(torch.uint8)), TypeError, "x must be a floating-point"),
        (lambda: sample(MODEL, SCALED, SHAPE, batch=0), ValueError, "batch must be at least 1"),
        (
            lambda: sample(MODEL, SCALED, SHAPE, levels=[CLEAN]),
            ValueError,
            "levels must hold at least a start and an end",
        ),
        (lambda: sample(MODEL, SCALED, SHAPE, DDIM), TypeError, r"sampler must be one such as DDIM\(\)"),
        (lambda: sample(MODEL, SCALED, SHAPE, 20), TypeError, r"sampler must be one such as DDIM\(\)"),
        (lambda: sample(MODEL.given([1, 2, 3]), SCALED, SHAPE), ValueError, "cond holds 3 conditions for a batch of 2"),
        (lambda: sample(MODEL.given([1, 2, 3]), SCALED, SHAPE, batch=1), ValueError, "cond holds 3 .* 2 images"),
        (lambda: sample(guided(MODEL, 1, 2.0, uncond=[1]), SCALED, SHAPE, batch=1), ValueError, "uncond holds 1 .* 2"),
        (lambda: sample(MODEL, LINEAR, SHAPE), ValueError, r"schedule is not the one .*scaled_linear.*at t=999"),
        (lambda: sample(guided(MODEL, 1, 2.0), COSINE, SHAPE), ValueError, "schedule is not the one"),
        (lambda: sample(clipped(MODEL.given(1)), LINEAR, SHAPE, batch=1), ValueError, "schedule is not the one"),
        (lambda: sample(MODEL, SCALED, SHAPE, levels=LINEAR.levels(5)), ValueError, "schedule is not the one"),
        (
            lambda: sample(MODEL, DiffusionSchedule.linear(2000), SHAPE, steps=5),
            ValueError,
            r"schedule is not the one .*\[0, 999\], got 1999",
        ),
        (lambda: Denoiser(Net(), AT()), TypeError, "methods at and levels of a NoisePath, AT lacks levels"),
        (lambda: DDPM().step(NOW, SCALED.at(10)), TypeError, "noise is missing: this step adds some"),
        (lambda: Heun().step(NOW, SCALED.at(10)), TypeError, "denoise is missing: Heun asks"),
        (lambda: DDIM(1.1), ValueError, r"eta must lie in \[0, 1\].*got 1.1"),
        (lambda: DDIM(-0.1), ValueError, "eta must lie in"),
        (lambda: DDIM(math.nan), ValueError, "eta must lie in"),
        (lambda: sample_ddim(MODEL, SCALED, SHAPE, eta=2.0), ValueError, "eta must lie in"),
        (lambda: DDPM("small"), ValueError, "variance must be posterior or beta, got 'small'"),
        (lambda: LMS(5), ValueError, r"order must be in \[1, 4\], got 5"),
        (lambda: LMS(0), ValueError, "order must be"),
        (lambda: DPMSolverPP(3), ValueError, r"order must be in \[1, 2\], got 3"),
        (lambda: trajectory(MODEL, X, LEVELS[:1]), ValueError, "levels must hold at least a start and an end"),
        (lambda: trajectory(X, MODEL, LEVELS), TypeError, r"denoise must be callable.*\(denoise, x, levels\)"),
        (lambda: trajectory(MODEL, LEVELS, X), TypeError, "x must be a floating-point tensor, got list"),
        (lambda: trajectory(MODEL, X.long(), LEVELS), TypeError, "x must be a floating-point tensor"),
        (
            lambda: list(trajectory(MODEL, X, LEVELS, DDPM(), [seeded()])),
            ValueError,
            "generator is a list of 1 for a batch of 2 images",
        ),
        (
            lambda: list(trajectory(lambda x, at: x, X, LEVELS)),
            TypeError,
            "denoise must return an Estimate, got Tensor",
        ),
        (lambda: classifier_free_guidance_sample(Net(), SCALED, SHAPE, 1, 3.0), ValueError, "uncond is missing"),
        (lambda: classifier_free_guidance_sample(MODEL, SCALED, SHAPE, None), ValueError, "cond must be a condition"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
