"""Where diffusers does otherwise. Each test shows the difference, so that we notice the day it goes away."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
)
from theirs import COSINE, SD, X_T, deviation, network, run_ours, run_theirs, with_their_table

from diffcourse.denoiser import Denoiser, estimate
from diffcourse.guidance import clipped
from diffcourse.samplers import DDIM, DDPM, DPMSolverPP, trajectory
from diffcourse.schedule import CLEAN, DiffusionSchedule

OURS = DiffusionSchedule.scaled_linear()


def ddim(steps, **options):
    scheduler = DDIMScheduler(**SD, clip_sample=False, **options)
    scheduler.set_timesteps(steps)
    return scheduler


@pytest.mark.parametrize("spacing, steps", [("trailing", 30), ("linspace", 20)])
def test_ddim_computes_the_next_time_instead_of_reading_it(spacing, steps):
    scheduler = ddim(steps, timestep_spacing=spacing)
    theirs = run_theirs(scheduler)
    assert deviation(run_ours(DDIM(), scheduler), theirs) > 1e-3
    x = X_T
    for t in scheduler.timesteps.tolist():  # the same slip on purpose: t - T//n, clean below 0
        to = OURS.at(t - 1000 // steps) if t >= 1000 // steps else CLEAN
        x = DDIM().step(estimate(network(x, t), x, OURS.at(t), "eps"), to)
    assert deviation(x, theirs, relative=True) < 2e-5


def test_trailing_in_floats_can_give_one_step_too_many():
    for scheduler in (
        DDIMScheduler(**SD, timestep_spacing="trailing"),
        LMSDiscreteScheduler(**SD, timestep_spacing="trailing"),
    ):
        wrong = []
        for n in range(1, 1000):
            scheduler.set_timesteps(n)
            if len(scheduler.timesteps) != n:
                wrong.append((n, len(scheduler.timesteps), float(scheduler.timesteps[-1])))
        assert wrong and all(got == n + 1 and last == -1 for n, got, last in wrong)
        assert len(OURS.levels(wrong[0][0])) == wrong[0][0] + 1  # n levels and the end


def test_our_grids_are_theirs_up_to_ties_and_a_single_step():
    for spacing in ("leading", "trailing", "linspace"):
        for n in (2, 3, 7, 10, 20, 25, 30, 50, 100, 250, 500, 1000):
            theirs = ddim(n, timestep_spacing=spacing).timesteps.tolist()
            ours = [at.t for at in OURS.levels(n, spacing)[:-1]]
            if len(theirs) == n:
                assert max(abs(a - b) for a, b in zip(ours, theirs, strict=True)) <= (
                    0 if 1000 % n == 0 and spacing != "linspace" else 1
                )
    assert ddim(1, timestep_spacing="linspace").timesteps.tolist() == [0]  # pure noise, called t = 0
    assert OURS.levels(1, "linspace")[0].t == 999


def test_dpm_solver_leaves_the_last_point_of_its_grid_out():
    for spacing, first, last in (("linspace", 999, 50), ("leading", 940, 47)):
        scheduler = DPMSolverMultistepScheduler(**SD, timestep_spacing=spacing)
        scheduler.set_timesteps(20)
        assert (scheduler.timesteps[0], scheduler.timesteps[-1]) == (first, last)
        assert OURS.levels(20, spacing)[-2].t == 0


@pytest.mark.parametrize("kind", [EulerDiscreteScheduler, LMSDiscreteScheduler, HeunDiscreteScheduler])
def test_three_schedulers_start_in_coordinates_of_their_own(kind):
    for spacing in ("linspace", "trailing", "leading"):
        scheduler = kind(**SD, timestep_spacing=spacing)
        scheduler.set_timesteps(20)
        at = OURS.at(float(scheduler.timesteps[0]))
        start = at.alpha * float(scheduler.init_noise_sigma)  # how much noise there is in our x
        if spacing == "leading":
            assert start == pytest.approx(1, abs=1e-5)
        else:
            assert start == pytest.approx(at.sigma, abs=1e-5) and start < 0.998


def test_heun_lists_its_inner_times_twice():
    scheduler = HeunDiscreteScheduler(**SD)
    scheduler.set_timesteps(20)
    times = scheduler.timesteps.tolist()
    assert len(times) == 39 and times[1::2] == times[2::2]


def test_clipping_is_on_by_default_and_leaves_eps_as_it_was():
    assert DDIMScheduler().config.clip_sample and DDPMScheduler().config.clip_sample
    scheduler = DDIMScheduler(**SD, timestep_spacing="trailing")
    scheduler.set_timesteps(20)
    levels = [*map(OURS.at, scheduler.timesteps.tolist()), CLEAN]
    *_, ours = trajectory(clipped(Denoiser(lambda x, t: network(x, t[0]), OURS)), X_T, levels, DDIM())
    assert deviation(ours.x, run_theirs(scheduler)) > 0.1
    assert deviation(ours.x, run_theirs(scheduler, use_clipped_model_output=True), relative=True) < 1e-4


def test_dpm_solver_drops_to_first_order_at_the_last_of_few_steps():
    for lower, equal in ((True, False), (False, True)):
        scheduler = DPMSolverMultistepScheduler(**SD, final_sigmas_type="sigma_min", lower_order_final=lower)
        scheduler.set_timesteps(10)
        ours = run_ours(DPMSolverPP(), scheduler, last=OURS.at(0))
        assert (deviation(ours, run_theirs(scheduler), relative=True) < 2e-5) == equal
    scheduler = DPMSolverMultistepScheduler(
        **SD, lower_order_final=False
    )  # to no noise at all: first order in any case
    scheduler.set_timesteps(10)
    assert deviation(run_ours(DPMSolverPP(), scheduler), run_theirs(scheduler), relative=True) < 2e-5


def test_stable_diffusions_own_configuration_ends_at_the_first_level():
    scheduler = ddim(50, timestep_spacing="leading", steps_offset=1, set_alpha_to_one=False)
    assert scheduler.timesteps[-1] == 1 and scheduler.final_alpha_cumprod == scheduler.alphas_cumprod[0]
    theirs = run_theirs(scheduler)
    assert deviation(run_ours(DDIM(), scheduler, last=OURS.at(0)), theirs, relative=True) < 2e-5
    assert deviation(run_ours(DDIM(), scheduler), theirs) > 1e-3


def test_an_offset_can_leave_the_table():
    scheduler = ddim(1000, timestep_spacing="leading", steps_offset=1)
    assert scheduler.timesteps[0] == 1000
    with pytest.raises(IndexError):
        scheduler.step(X_T, scheduler.timesteps[0], X_T)


def test_an_offset_leaves_noise_at_the_last_step_of_ddpm_with_the_larger_variance():
    scheduler = DDPMScheduler(
        **SD, clip_sample=False, variance_type="fixed_large", timestep_spacing="leading", steps_offset=1
    )
    scheduler.set_timesteps(20)
    zero = torch.zeros(10_000, 1, dtype=torch.float64)
    theirs = scheduler.step(zero, scheduler.timesteps[-1], zero, generator=torch.Generator().manual_seed(0)).prev_sample
    assert theirs.std() > 0.03
    ours = DDPM("beta").step(estimate(zero, zero, OURS.at(1), "eps"), CLEAN)  # noise() is not even called
    assert not ours.any()


def test_eps_without_signal_is_not_finite_there_and_an_error_here():
    scheduler = ddim(10, timestep_spacing="trailing", rescale_betas_zero_snr=True)
    assert not run_theirs(scheduler).isfinite().any()
    with pytest.raises(ValueError, match="predicts='eps'"):
        run_ours(DDIM(), scheduler)


@pytest.mark.parametrize("kind", [EulerDiscreteScheduler, DPMSolverMultistepScheduler])
def test_zero_terminal_snr_is_nearly_zero_in_two_schedulers(kind):
    scheduler = kind(**SD, rescale_betas_zero_snr=True)
    assert scheduler.alphas_cumprod[-1] == 2**-24
    assert DiffusionSchedule.from_diffusers(scheduler).alpha_bars[-1] == 0


def test_cosine_tables_in_float32_are_another_schedule_at_their_end():
    scheduler = DDIMScheduler(**COSINE, clip_sample=False, timestep_spacing="trailing")
    scheduler.set_timesteps(20)
    theirs = run_theirs(scheduler)  # eps-prediction, sigma/alpha = 20,000: x is in the thousands
    assert deviation(run_ours(DDIM(), scheduler), theirs) > 1e-2
    assert deviation(run_ours(DDIM(), scheduler, schedule=with_their_table(scheduler)), theirs, relative=True) < 2e-5
