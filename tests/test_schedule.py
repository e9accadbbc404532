"""Schedules and levels, against closed forms, Bayes' rule on a grid, and simulated chains."""

import itertools
import json
import math
import pickle
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffcourse.schedule import (
    CLEAN,
    DiffusionSchedule,
    Level,
    cosine_beta_schedule,
    jump,
    linear_beta_schedule,
    posterior_coefficients,
    scaled_linear_beta_schedule,
)

LINEAR, COSINE, SCALED = DiffusionSchedule.linear(), DiffusionSchedule.cosine(), DiffusionSchedule.scaled_linear()
NAMED = {"linear": LINEAR, "cosine": COSINE, "scaled_linear": SCALED}
SPACINGS = ("trailing", "linspace", "leading")

betas_lists = st.lists(st.floats(1e-6, 0.99), min_size=1, max_size=40)


# -- the tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schedule, t, alpha_bar, snr",
    [
        (LINEAR, 0, 0.9999, 9999),
        (LINEAR, 100, 0.895, 8.54),
        (LINEAR, 200, 0.656, 1.91),
        (LINEAR, 250, 0.521, 1.09),
        (LINEAR, 500, 0.0778, 0.0844),
        (LINEAR, 750, 3.30e-3, 3.31e-3),
        (LINEAR, 800, 1.51e-3, 1.51e-3),
        (LINEAR, 999, 4.04e-5, 4.04e-5),
        (COSINE, 0, 1 - 4.13e-5, 24213),
        (COSINE, 100, 0.971, 34.2),  # 33.7 if betas below 1e-4 are raised to it
        (COSINE, 200, 0.897, 8.75),
        (COSINE, 250, 0.846, 5.48),
        (COSINE, 500, 0.492, 0.969),
        (COSINE, 750, 0.143, 0.167),
        (COSINE, 800, 0.0931, 0.103),
        (COSINE, 999, 2.43e-9, 2.43e-9),
    ],
)
def test_the_reference_numbers_of_the_lessons(schedule, t, alpha_bar, snr):
    assert schedule.alpha_bars[t].item() == pytest.approx(alpha_bar, rel=5e-3)
    assert schedule.snr(t) == pytest.approx(snr, rel=6e-3)
    assert schedule.snr(torch.tensor([t])).item() == pytest.approx(schedule.snr(t), rel=1e-12)


def test_where_the_signal_is_lost():
    for schedule, half, hundredth in ((LINEAR, 259, 673), (COSINE, 496, 935)):
        snr = schedule.snr(torch.arange(1000))
        assert (snr < 1).nonzero()[0].item() == half
        assert (schedule.alpha_bars < 0.01).nonzero()[0].item() == hundredth


def test_stable_diffusion_keeps_some_signal_at_the_end():
    assert SCALED.alpha_bars[-1].item() == pytest.approx(0.00466, rel=2e-3)
    assert (SCALED.at(0).nsr, SCALED.at(999).nsr) == (pytest.approx(0.0292, abs=1e-4), pytest.approx(14.61, abs=0.01))


@pytest.mark.parametrize("T, kept", [(1000, 4.0e-5), (500, 6.4e-3), (200, 0.132), (100, 0.364), (50, 0.603)])
def test_a_shorter_linear_chain_keeps_signal_unless_betas_are_rescaled(T, kept):
    assert DiffusionSchedule.linear(T).alpha_bars[-1].item() == pytest.approx(kept, rel=0.02)
    scale = 1000 / T
    rescaled = DiffusionSchedule.linear(T, beta_start=1e-4 * scale, beta_end=0.02 * scale)
    assert rescaled.alpha_bars[-1] < 5e-5


def test_the_cosine_betas_are_clipped_at_0_999_and_only_there():
    betas = cosine_beta_schedule(1000)
    assert (betas == 0.999).sum() == 1 and betas[-1] == 0.999
    assert 1 / (1 - betas[-1].item()) ** 0.5 == pytest.approx(31.62, abs=0.01)
    assert betas[0].item() == pytest.approx(4.13e-5, rel=1e-3)  # no lower clip


def test_cosine_alpha_bars_are_the_formula_of_nichol_and_dhariwal():
    f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
    for t in (0, 1, 10, 500, 998):
        assert COSINE.alpha_bars[t].item() == pytest.approx(f[t + 1] / f[0], rel=1e-10)


def test_alpha_bars_are_a_running_product_in_float64():
    for betas, schedule in (
        (linear_beta_schedule(1000), LINEAR),
        (np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, SCALED),
    ):
        product = Fraction(1)
        for t, beta in enumerate(np.asarray(betas, dtype=np.float64).tolist()):
            product = (product * (1 - Fraction(beta))).limit_denominator(10**40)
            if t in (0, 1, 500, 999):
                assert schedule.alpha_bars[t].item() == pytest.approx(float(product), rel=1e-11)
    assert LINEAR.betas.dtype == LINEAR.alphas.dtype == LINEAR.alpha_bars.dtype == torch.float64


def test_beta_end_points():
    for betas, start, end in (
        (linear_beta_schedule(1000), 1e-4, 0.02),
        (scaled_linear_beta_schedule(1000), 0.00085, 0.012),
        (linear_beta_schedule(10, 0.1, 0.2), 0.1, 0.2),
    ):
        assert betas[0].item() == pytest.approx(start) and betas[-1].item() == pytest.approx(end)
    assert len(linear_beta_schedule(1)) == 1


@given(betas_lists)
def test_any_betas_give_a_decreasing_signal_and_a_preserved_variance(betas):
    schedule = DiffusionSchedule(betas)
    bars = schedule.alpha_bars
    assert bool(((bars > 0) & (bars < 1)).all()) and bool((bars.diff() < 0).all())
    snr = schedule.snr(torch.arange(schedule.T))
    assert bool((snr.diff() < 0).all())
    for t in range(schedule.T):
        at = schedule.at(t)
        assert at.t == t and at.alpha**2 + at.sigma**2 == pytest.approx(1, abs=1e-12)
        assert at.alpha == pytest.approx(bars[t].item() ** 0.5, rel=1e-14)


@given(betas_lists)
def test_a_schedule_comes_back_exactly_from_its_config_and_from_a_list(betas):
    schedule = DiffusionSchedule(torch.tensor(betas, dtype=torch.float64))
    assert torch.equal(DiffusionSchedule.from_config(schedule.config).alpha_bars, schedule.alpha_bars)
    assert torch.equal(DiffusionSchedule(betas).betas, schedule.betas)  # not through float32
    assert torch.equal(DiffusionSchedule(np.array(betas)).betas, schedule.betas)


@pytest.mark.parametrize("name", NAMED)
def test_named_schedules_come_back_from_their_config(name):
    schedule = getattr(DiffusionSchedule, name)(137)
    again = DiffusionSchedule.from_config(schedule.config)
    assert schedule.config["name"] == name and torch.equal(again.betas, schedule.betas) and len(again) == 137


def test_the_callers_betas_are_copied():
    betas = torch.full((5,), 0.1, dtype=torch.float64)
    schedule = DiffusionSchedule(betas)
    betas.fill_(0.5)
    assert schedule.betas[0] == 0.1 and schedule.alpha_bars[0] == pytest.approx(0.9)


def test_zero_terminal_snr_ends_without_signal_and_keeps_the_start():
    schedule = SCALED.zero_terminal_snr()
    assert schedule.alpha_bars[-1] == 0 and schedule.at(999) == Level(999.0, 0.0, 1.0)
    assert schedule.alpha_bars[0].item() == pytest.approx(SCALED.alpha_bars[0].item(), rel=1e-12)
    assert schedule.at(999).nsr == math.inf and schedule.at(999).lam == -math.inf
    assert schedule.at(998.5).alpha == 0  # between a number and infinity
    assert bool((schedule.alpha_bars.diff() < 0).all()) and schedule.snr(999) == 0


@pytest.mark.parametrize("left", [0.0, 1e-5, 0.3])
def test_zero_terminal_snr_leaves_what_is_asked_for_and_a_card_keeps_it(left):
    schedule = SCALED.zero_terminal_snr(left)
    assert schedule.alpha_bars[-1].item() == pytest.approx(left, abs=1e-12)
    assert schedule.alpha_bars[0].item() == pytest.approx(SCALED.alpha_bars[0].item(), rel=1e-12)
    before, after = SCALED.alpha_bars.sqrt(), schedule.alpha_bars.sqrt()
    stretched = (after - after[-1]) / (before - before[-1])  # one line leads from the old roots to the new ones
    assert torch.allclose(stretched[:-1], stretched[:1].expand(999), rtol=1e-9)
    again = DiffusionSchedule.from_config(json.loads(json.dumps(schedule.config)))
    assert torch.equal(again.betas, schedule.betas) and len(schedule.config) == 5
    assert torch.allclose(schedule.zero_terminal_snr(0.1).alpha_bars, SCALED.zero_terminal_snr(0.1).alpha_bars)


@pytest.mark.parametrize("left", [-1e-9, 1.0, 0.99915, float("nan"), "some"])
def test_what_cannot_be_left_is_told(left):
    with pytest.raises((ValueError, TypeError), match="left must be"):
        SCALED.zero_terminal_snr(left)


def test_levels_of_drawn_times_are_those_of_at():
    """On a CPU by `at` itself; elsewhere from tables, which are looked at here: their values are not checked there."""
    t, x = torch.tensor([0, 500, 999]), torch.zeros(3, 1, 2, 2)
    for got, want in zip(SCALED.at_drawn(t, x), SCALED.at(t, like=x), strict=True):
        assert torch.equal(got, want)
    alphas, sigmas = SCALED._tables(torch.device("cpu"), torch.float32)
    assert torch.equal(alphas[t], SCALED.at(t, like=x).alpha.flatten())
    assert torch.equal(sigmas[t], SCALED.at(t, like=x).sigma.flatten())
    meta = SCALED.at_drawn(t.to("meta"), x.to("meta"))
    assert [tuple(part.shape) for part in meta] == [(3, 1, 1, 1)] * 3 and meta.alpha.device.type == "meta"
    assert pickle.loads(pickle.dumps(SCALED))._moved == {}  # tables of a device stay with it


# -- levels ------------------------------------------------------------------------------------------------------------


def test_clean_is_the_data():
    assert (CLEAN.t, CLEAN.alpha, CLEAN.sigma, CLEAN.nsr, CLEAN.lam) == (-1, 1, 0, 0, math.inf)


def test_level_ratios_are_those_of_karras_and_of_dpm_solver():
    at = Level(3.0, 0.6, 0.8)
    assert at.nsr == pytest.approx(4 / 3) and at.lam == pytest.approx(math.log(0.75))
    many = LINEAR.at(torch.tensor([3, 500]), like=torch.zeros(2, 1, dtype=torch.float64))
    for i, t in enumerate((3, 500)):
        assert many.nsr[i].item() == pytest.approx(LINEAR.at(t).nsr)
        assert many.lam[i].item() == pytest.approx(LINEAR.at(t).lam)


@given(st.sampled_from(sorted(NAMED)), st.floats(0, 999))
def test_between_two_steps_sigma_over_alpha_is_interpolated_linearly(name, t):
    schedule = NAMED[name]
    table = (1 / schedule.alpha_bars - 1).sqrt().numpy()
    at = schedule.at(t)
    assert at.t == t and at.nsr == pytest.approx(np.interp(t, np.arange(1000), table), rel=1e-9)
    assert at.alpha**2 + at.sigma**2 == pytest.approx(1, abs=1e-12)
    assert isinstance(at.alpha, float) and isinstance(at.sigma, float)


@given(st.sampled_from(sorted(NAMED)), st.lists(st.floats(0, 999), min_size=2, max_size=9, unique=True))
def test_later_is_noisier(name, times):
    levels = [NAMED[name].at(t) for t in sorted(times)]
    assert all(a.nsr <= b.nsr and a.lam >= b.lam for a, b in pairwise(levels))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(3,), (3, 2), (3, 1, 4, 4)])
def test_a_batch_of_times_gives_tensors_that_broadcast(dtype, shape):
    t = torch.tensor([0, 500, 999])
    at = SCALED.at(t, like=torch.zeros(shape, dtype=dtype))
    assert at.alpha.shape == at.sigma.shape == at.t.shape == (3,) + (1,) * (len(shape) - 1)
    assert at.alpha.dtype == at.sigma.dtype == dtype
    assert at.t.flatten().tolist() == [0, 500, 999]  # bfloat16 alone would say 1000
    for i, one in enumerate(map(SCALED.at, t.tolist())):
        assert at.alpha[i].item() == pytest.approx(one.alpha, rel=5e-3 if dtype == torch.bfloat16 else 5e-4)


def test_at_takes_numbers_and_single_numbers_of_any_kind():
    assert LINEAR.at(7) == LINEAR.at(7.0) == LINEAR.at(np.int64(7)) == LINEAR.at(torch.tensor(7))
    assert LINEAR.at(7, like=torch.zeros(3, 2)) == LINEAR.at(7)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_level_grids_for_every_number_of_steps(spacing):
    for n in range(1, 1001):
        levels = LINEAR.levels(n, spacing)
        times = [at.t for at in levels]
        assert len(levels) == n + 1 and levels[-1] is CLEAN
        assert all(a > b for a, b in pairwise(times))
        assert all(t == int(t) for t in times) and times[-2] >= 0
        if spacing != "leading":
            assert times[0] == 999  # the noise that sampling starts from
        if spacing == "leading" or (spacing == "linspace" and n > 1):
            assert times[-2] == 0
        if spacing == "trailing" and 1000 % n == 0:
            assert times[-2] == 1000 // n - 1


@given(st.integers(1, 60), st.data())
def test_level_grids_of_short_chains(T, data):
    schedule = DiffusionSchedule.cosine(T)
    n = data.draw(st.integers(1, T))
    for spacing in SPACINGS:
        times = [int(at.t) for at in schedule.levels(n, spacing)[:-1]]
        assert len(set(times)) == n and times == sorted(times, reverse=True) and 0 <= times[-1] <= times[0] < T
    assert [at.t for at in schedule.levels(T)] == list(range(T - 1, -2, -1))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 20, 25, 30, 50, 333, 600, 999, 1000])
def test_grids_are_the_rounded_formulas_of_lin_et_al(n):
    exact = {
        "trailing": [1000 - Fraction(1000 * i, n) - 1 for i in range(n)],
        "linspace": [999 - Fraction(999 * i, max(1, n - 1)) for i in range(n)],
        "leading": [Fraction((1000 // n) * i) for i in reversed(range(n))],
    }
    for spacing, times in exact.items():
        ours = [at.t for at in LINEAR.levels(n, spacing)[:-1]]
        assert max(abs(a - b) for a, b in zip(ours, times, strict=True)) <= Fraction(1, 2)


@pytest.mark.parametrize("schedule", [LINEAR, SCALED, DiffusionSchedule.cosine(200)])
def test_karras_levels_are_even_in_a_root_of_sigma_over_alpha(schedule):
    for n, rho in itertools.product((2, 3, 10, 50, 200), (1.0, 3.0, 7.0)):
        levels = schedule.levels(n, "karras", rho=rho)
        times, roots = [at.t for at in levels], torch.tensor([at.nsr for at in levels[:-1]]).double() ** (1 / rho)
        assert len(levels) == n + 1 and levels[-1] is CLEAN and (times[0], times[-2]) == (schedule.T - 1, 0)
        assert all(a > b for a, b in pairwise(times))
        steps = roots.diff()
        assert torch.allclose(steps, steps.mean().expand(n - 1), rtol=1e-4)
    assert schedule.levels(1, "karras") == schedule.levels(1)


@given(st.sampled_from([*NAMED, "short", "one", "zero"]), st.floats(0, 1))
def test_the_time_of_a_noise_to_signal_ratio_is_the_inverse_of_its_level(name, way):
    others = {
        "short": DiffusionSchedule([0.1, 0.4]),
        "one": DiffusionSchedule([0.3]),
        "zero": LINEAR.zero_terminal_snr(),
    }
    schedule = (NAMED | others)[name]
    top = schedule.T - (2 if name == "zero" else 1)  # above it sigma/alpha is infinite
    t = way * top
    nsr = schedule.at(t).nsr
    assert schedule.time_of(nsr) == pytest.approx(t, abs=1e-6)
    assert schedule.at(schedule.time_of(nsr)).nsr == pytest.approx(nsr, rel=1e-9)
    ends = [schedule.at(t).nsr for t in (0, top)]
    assert [schedule.time_of(end) for end in ends] == pytest.approx([0, top])


def test_where_no_signal_is_left_the_time_is_the_last():
    schedule = LINEAR.zero_terminal_snr()
    assert schedule.time_of(math.inf) == 999
    with pytest.raises(ValueError, match=r"nsr must lie in \[0.01.*t = 998, got 1e\+09"):
        schedule.time_of(1e9)


def test_as_many_steps_run_as_were_asked_for():
    for n in (51, 300, 600):  # a stride T//n would give 53, 334 and 1000
        assert len(LINEAR.levels(n)) == n + 1


def test_a_grid_may_end_at_another_level():
    assert SCALED.levels(50, "leading", last=SCALED.at(0))[-1] == SCALED.at(0)  # the end of Stable Diffusion's own grid
    with pytest.raises(ValueError, match=r"last .* noisier"):
        SCALED.levels(50, last=SCALED.at(500))


# -- q_sample, the posterior, the chain --------------------------------------------------------------------------------


def test_q_sample_is_the_closed_form():
    x0, noise = torch.randn(3, 2, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    bars = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    t = torch.tensor([0, 400, 999])
    many = LINEAR.q_sample(x0, t, noise)
    for i, step in enumerate(t.tolist()):
        expected = bars[step] ** 0.5 * x0[i] + (1 - bars[step]) ** 0.5 * noise[i]
        torch.testing.assert_close(many[i], expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(LINEAR.q_sample(x0, step, noise)[i], expected, rtol=1e-12, atol=1e-12)


def test_the_first_code_index_is_slightly_noisy_and_the_last_almost_pure_noise():
    first, last = LINEAR.at(0), LINEAR.at(999)
    assert (first.alpha, first.sigma) == (pytest.approx(0.99995, abs=1e-5), pytest.approx(0.01, abs=1e-5))
    assert last.alpha == pytest.approx(0.00635, abs=1e-5)


@pytest.mark.parametrize("t, variance", [(100, 0.445), (250, 0.677), (500, 0.952), (999, 1.000)])
def test_the_variance_moves_from_that_of_the_data_to_one(t, variance):
    generator = torch.Generator().manual_seed(0)
    x0 = 0.616 * torch.randn(200_000, 1, generator=generator, dtype=torch.float64)
    x_t = LINEAR.q_sample(x0, t, generator=generator)
    assert x_t.var().item() == pytest.approx(variance, abs=5 * (2 / 200_000) ** 0.5)


def test_the_chain_of_single_steps_ends_where_the_closed_form_does():
    schedule, n = DiffusionSchedule.cosine(40), 200_000
    generator = torch.Generator().manual_seed(1)
    x = torch.full((n,), 0.7, dtype=torch.float64)
    for t, beta in enumerate(schedule.betas.tolist()):
        x = (1 - beta) ** 0.5 * x + beta**0.5 * torch.randn(n, generator=generator, dtype=torch.float64)
        at = schedule.at(t)
        assert x.mean().item() == pytest.approx(at.alpha * 0.7, abs=5 * at.sigma / n**0.5)
        assert x.var().item() == pytest.approx(at.sigma**2, rel=5 * (2 / n) ** 0.5)


def bayes_on_a_grid(prior_mean, prior_var, gain, noise_var, x_t):
    """Mean and variance of p(x_s | x_t) for x_s ~ N(prior_mean, prior_var), x_t ~ N(gain·x_s, noise_var), by integration."""
    precision = 1 / prior_var + gain**2 / noise_var
    centre = (prior_mean / prior_var + gain * x_t / noise_var) / precision  # only where the grid lies
    x = np.linspace(centre - 12 / precision**0.5, centre + 12 / precision**0.5, 4001)
    log = -((x - prior_mean) ** 2) / (2 * prior_var) - (x_t - gain * x) ** 2 / (2 * noise_var)
    w = np.exp(log - log.max())
    w /= w.sum()
    mean = (w * x).sum()
    return mean, (w * (x - mean) ** 2).sum()


@pytest.mark.parametrize("schedule", NAMED.values(), ids=NAMED)
@pytest.mark.parametrize("t", [1, 2, 50, 500, 998, 999])
def test_the_posterior_is_bayes_rule(schedule, t):
    x0, x_t = 0.8, -0.4
    bar, beta = schedule.alpha_bars[t - 1].item(), schedule.betas[t].item()
    mean, var = bayes_on_a_grid(bar**0.5 * x0, 1 - bar, (1 - beta) ** 0.5, beta, x_t)
    for time in (t, torch.tensor([t])):
        ours = schedule.posterior(
            torch.tensor([[x0]], dtype=torch.float64), torch.tensor([[x_t]], dtype=torch.float64), time
        )
        assert ours[0].item() == pytest.approx(mean, abs=1e-7) and ours[1].item() == pytest.approx(var, rel=1e-6)
        assert ours[0].shape == ours[1].shape == (1, 1)


@given(st.integers(0, 998), st.integers(1, 999), st.floats(-2, 2), st.floats(-2, 2))
def test_the_posterior_of_a_jump_is_bayes_rule_over_its_steps(s, jump, x0, x_t):
    t = min(999, s + jump)
    gain2 = SCALED.alphas[s + 1 : t + 1].prod().item()
    bar = SCALED.alpha_bars[s].item()
    mean, var = bayes_on_a_grid(bar**0.5 * x0, 1 - bar, gain2**0.5, 1 - gain2, x_t)
    a, b, v = posterior_coefficients(SCALED.at(t), SCALED.at(s))
    assert a * x0 + b * x_t == pytest.approx(mean, abs=1e-6) and v == pytest.approx(var, rel=1e-5)


def test_below_the_first_step_lies_the_clean_image_without_noise():
    x0, x_t = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, 3, dtype=torch.float64)
    for t in (0, torch.zeros(4, dtype=torch.int64)):
        mean, var = LINEAR.posterior(x0, x_t, t)
        torch.testing.assert_close(mean, x0, rtol=1e-12, atol=1e-12)
        assert bool((var == 0).all())
    assert posterior_coefficients(LINEAR.at(20), CLEAN) == (pytest.approx(1), 0, 0)


def test_beta_tilde_of_neighbours_and_of_a_jump_differ():
    # 780 -> 760 in one jump against the single step 780 -> 779
    jump = posterior_coefficients(LINEAR.at(780), LINEAR.at(760))[2]
    step = posterior_coefficients(LINEAR.at(780), LINEAR.at(779))[2]
    assert (jump, step) == (pytest.approx(0.267, abs=2e-3), pytest.approx(0.0156, abs=2e-4))


def test_inputs_stay_and_dtypes_follow_the_images():
    x0, t = torch.randn(4, 2), torch.tensor([0, 5, 10, 999])
    kept, kept_t = x0.clone(), t.clone()
    x_t = LINEAR.q_sample(x0, t, generator=torch.Generator().manual_seed(0))
    mean, var = LINEAR.posterior(x0, x_t, t)
    assert torch.equal(x0, kept) and torch.equal(t, kept_t)
    assert (
        x_t.dtype == mean.dtype == var.dtype == torch.float32 and LINEAR.q_sample(x0.half(), 5).dtype == torch.float16
    )


def test_noise_comes_from_the_generator_alone():
    x0, state = torch.zeros(4, 3), torch.get_rng_state()
    a = LINEAR.q_sample(x0, 999, generator=torch.Generator().manual_seed(3))
    b = LINEAR.q_sample(x0, 999, generator=torch.Generator().manual_seed(3))
    assert torch.equal(a, b) and torch.equal(torch.get_rng_state(), state)
    one_each = [torch.Generator().manual_seed(i) for i in range(4)]
    alone = LINEAR.q_sample(x0[2:3], 999, generator=[torch.Generator().manual_seed(2)])
    assert torch.equal(LINEAR.q_sample(x0, 999, generator=one_each)[2:3], alone)


def test_q_sample_lets_gradients_through():
    x0 = torch.randn(2, 3, requires_grad=True)
    LINEAR.q_sample(x0, 500, torch.zeros(2, 3)).sum().backward()
    torch.testing.assert_close(x0.grad, torch.full((2, 3), LINEAR.at(500).alpha))


# -- bad input ---------------------------------------------------------------------------------------------------------

ONE = torch.zeros(2, 3)


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: LINEAR.at(1000), ValueError, r"t must lie in \[0, 999\], got 1000"),
        (lambda: LINEAR.at(-1), ValueError, r"t must lie in \[0, 999\], got -1 .*CLEAN"),
        (lambda: LINEAR.at(999.001), ValueError, "t must lie in"),
        (lambda: LINEAR.at(float("nan")), ValueError, "t must lie in"),
        (
            lambda: LINEAR.at(torch.tensor([0, 1000])),
            ValueError,
            r"t must lie in \[0, 999\], got values from 0 to 1000",
        ),
        (lambda: LINEAR.at(torch.tensor([-1])), ValueError, "t must lie in"),
        (lambda: LINEAR.at(torch.tensor([0.5])), TypeError, "t must be a number or a LongTensor"),
        (lambda: LINEAR.at(torch.tensor([[1]])), TypeError, "t must be a number or a LongTensor"),
        (lambda: LINEAR.at(torch.tensor([1, 2, 3]), like=ONE), ValueError, "t has 3 entries for a batch of 2"),
        (lambda: LINEAR.snr(1000), ValueError, "t must lie in"),
        (lambda: LINEAR.q_sample(ONE, 1000), ValueError, "t must lie in"),
        (
            lambda: LINEAR.q_sample(ONE, 5, torch.zeros(3)),
            ValueError,
            r"noise must have x0's shape \(2, 3\), got \(3,\)",
        ),
        (lambda: LINEAR.q_sample(torch.zeros(2, 3, dtype=torch.uint8), 5), TypeError, "x0 must be a floating-point"),
        (lambda: LINEAR.q_sample(torch.tensor([1, 2]), ONE), TypeError, "x0 must be a floating-point"),
        (
            lambda: LINEAR.q_sample(ONE, 5, generator=[torch.Generator()]),
            ValueError,
            "generator is a list of 1 for .* 2",
        ),
        (
            lambda: LINEAR.posterior(ONE, torch.zeros(2, 4), 5),
            ValueError,
            r"x_t must have x0's shape \(2, 3\), got \(2, 4\)",
        ),
        (lambda: LINEAR.posterior(ONE, ONE, 2.5), ValueError, "t must be a whole number"),
        (lambda: LINEAR.posterior(ONE, ONE, -1), ValueError, "t must lie in"),
        (lambda: LINEAR.posterior(ONE, ONE, torch.tensor([1, 2, 3])), ValueError, "t has 3 entries for a batch of 2"),
        (lambda: LINEAR.posterior(ONE[:1], ONE[:1], torch.tensor([1, 2])), ValueError, "t has 2 entries"),
        (lambda: LINEAR.levels(0), ValueError, r"steps must be in \[1, 1000\], got 0"),
        (lambda: LINEAR.levels(1001), ValueError, r"steps must be in \[1, 1000\], got 1001"),
        (lambda: LINEAR.levels(20.0), TypeError, "steps must be a whole number"),
        (
            lambda: LINEAR.levels(20, "even"),
            ValueError,
            "spacing must be trailing, linspace, leading or karras, got 'even'",
        ),
        (lambda: LINEAR.levels(20, "karras", rho=0), ValueError, "rho must be a number >= 0.1, got 0"),
        (lambda: LINEAR.zero_terminal_snr().levels(20, "karras"), ValueError, "ends without signal"),
        (lambda: LINEAR.levels(20, last=0), TypeError, "last must be a Level"),
        (lambda: linear_beta_schedule(0), ValueError, r"timesteps must be in \[1, 1000000\], got 0"),
        (lambda: linear_beta_schedule(10.5), TypeError, "timesteps must be a whole number"),
        (lambda: linear_beta_schedule(10, 0.2, 0.1), ValueError, "beta_start <= beta_end"),
        (lambda: cosine_beta_schedule(10, s=-1), ValueError, "s must be"),
        (lambda: DiffusionSchedule([0.1, 0.0]), ValueError, r"betas must lie in \(0, 1\]"),
        (lambda: DiffusionSchedule([0.1, 1.1]), ValueError, r"betas must lie in \(0, 1\]"),
        (lambda: DiffusionSchedule([0.1, float("nan")]), ValueError, r"betas must lie in \(0, 1\]"),
        (lambda: DiffusionSchedule([1.0, 0.5]), ValueError, "betas .* last step only"),
        (lambda: DiffusionSchedule([0.999] * 200), ValueError, "betas .* last step only"),  # the product underflows
        (lambda: DiffusionSchedule([1e-17, 0.5]), ValueError, "betas must be large enough"),
        (lambda: DiffusionSchedule([]), ValueError, "betas must be one-dimensional"),
        (lambda: DiffusionSchedule([[0.1]]), ValueError, "betas must be one-dimensional"),
        (lambda: DiffusionSchedule.from_config({"name": "sigmoid"}), ValueError, "unknown schedule 'sigmoid'"),
        (lambda: DiffusionSchedule.from_diffusers("scaled_linear"), TypeError, "config must be a diffusers scheduler"),
        (lambda: DiffusionSchedule.from_diffusers({"beta_schedule": "laplace"}), ValueError, "'laplace' is not known"),
        (lambda: DiffusionSchedule.from_diffusers({"shift": 3.0}), ValueError, "beta_schedule None is not known"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


# -- one place for each formula ---------------------------------------------------------------------------------------


def test_a_level_makes_noisy_images_of_clean_ones():
    x0, eps, schedule = torch.randn(3, 2), torch.randn(3, 2), DiffusionSchedule.cosine()
    at = schedule.at(300)
    assert torch.equal(at.noised(x0, eps), at.alpha * x0 + at.sigma * eps)
    t = torch.tensor([0, 300, 999])
    torch.testing.assert_close(schedule.at(t, like=x0).noised(x0, eps), schedule.q_sample(x0, t, eps), rtol=0, atol=0)
    assert CLEAN.noised(2.0, 5.0) == 2.0


def test_jumps_compose_and_those_of_neighbours_are_the_tables():
    schedule = DiffusionSchedule.linear()
    for t in (1, 500, 999):
        alpha, beta = jump(schedule.at(t), schedule.at(t - 1))
        assert alpha**2 == pytest.approx(float(schedule.alphas[t]), rel=1e-12)
        assert beta == pytest.approx(float(schedule.betas[t]), rel=1e-9)
    s, m, t = schedule.at(100), schedule.at(400), schedule.at(900)
    (a1, b1), (a2, b2), (a, b) = jump(m, s), jump(t, m), jump(t, s)
    assert a == pytest.approx(a1 * a2) and b == pytest.approx(a2**2 * b1 + b2)  # one step after the other
    many = jump(schedule.at(torch.tensor([1, 500])), schedule.at(torch.tensor([0, 499])))
    torch.testing.assert_close(many[1], schedule.betas[[1, 500]], rtol=1e-9, atol=0)
