"""Whole runs of the six samplers against diffusers, from the same noise on the levels of their own `timesteps`.

Deviations are relative to max(1, |x|). Theirs compute in float32 tables; at small t, x0-prediction divides by 1 - alpha_bar, which float32
knows to 7e-5. So each run is compared twice: on their own table, and on ours in float64.
"""

from itertools import pairwise

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
)
from theirs import (
    COSINE,
    KINDS,
    LINEAR,
    SD,
    X_T,
    deviation,
    grid_of,
    network,
    run_ours,
    run_theirs,
    with_their_table,
)

from diffcourse.denoiser import estimate
from diffcourse.samplers import DDIM, DDPM, LMS, DPMSolverPP, Euler, Heun
from diffcourse.schedule import DiffusionSchedule

SPACINGS = ("leading", "trailing", "linspace")
PAIRS = {
    "DDPM": (DDPMScheduler, DDPM(), {"clip_sample": False}, SPACINGS),
    "DDIM": (DDIMScheduler, DDIM(), {"clip_sample": False}, ("leading", "trailing")),  # linspace: a known difference
    "Euler": (EulerDiscreteScheduler, Euler(), {}, SPACINGS),
    "Heun": (HeunDiscreteScheduler, Heun(), {}, SPACINGS),
    "LMS": (LMSDiscreteScheduler, LMS(), {}, SPACINGS),
    "DPM++": (DPMSolverMultistepScheduler, DPMSolverPP(), {}, SPACINGS),
}
RUNS = [(name, spacing) for name, pair in PAIRS.items() for spacing in pair[3]]


def deviations(name, spacing, config, predicts, steps, **options):
    kind, sampler, fixed, _ = PAIRS[name]
    scheduler = kind(**config, **fixed, prediction_type=KINDS[predicts], timestep_spacing=spacing, **options)
    scheduler.set_timesteps(steps)
    theirs = run_theirs(scheduler)
    tables = with_their_table(scheduler), None
    return [deviation(run_ours(sampler, scheduler, predicts, schedule=t), theirs, relative=True) for t in tables]


@pytest.mark.parametrize("predicts", KINDS)
@pytest.mark.parametrize("name, spacing", RUNS)
@pytest.mark.parametrize("steps", [20, 50])
def test_stable_diffusions_schedule(name, spacing, predicts, steps):
    on_theirs, on_ours = deviations(name, spacing, SD, predicts, steps)
    tolerance = 1e-4 if predicts == "x0" else 2e-5
    assert on_theirs < tolerance
    # from t = 52 straight to t = 0 the chain amplifies the rounding of their table at t = 0
    assert on_ours < (1e-3 if (name, spacing, predicts, steps) == ("DDPM", "linspace", "x0", 20) else tolerance)


@pytest.mark.parametrize("predicts", KINDS)
@pytest.mark.parametrize("name, spacing", RUNS)
def test_the_linear_schedule(name, spacing, predicts):
    on_theirs, on_ours = deviations(name, spacing, LINEAR, predicts, 20)
    assert on_theirs < 1e-4
    assert on_ours < (3e-4 if predicts == "x0" and name in ("DDPM", "Heun") else 1e-4)


@pytest.mark.parametrize("predicts", KINDS)
@pytest.mark.parametrize("name", PAIRS)
def test_the_cosine_schedule_where_sigma_over_alpha_is_moderate(name, predicts):
    on_theirs, on_ours = deviations(name, "leading", COSINE, predicts, 20)
    assert on_theirs < 2e-5
    assert on_ours < (2e-4 if predicts == "x0" else 2e-5)


@pytest.mark.parametrize("predicts", KINDS)
@pytest.mark.parametrize("name", ["DDPM", "DDIM", "DPM++"])
def test_the_cosine_schedule_from_its_very_end_on_their_table(name, predicts):
    assert deviations(name, "trailing", COSINE, predicts, 50)[0] < 5e-5  # sigma/alpha = 20,000 at the start


@pytest.mark.parametrize("steps", [7, 30])
@pytest.mark.parametrize("name", ["DDPM", "Euler", "Heun", "LMS", "DPM++"])
def test_steps_that_do_not_divide_t(name, steps):
    for spacing in SPACINGS:
        assert deviations(name, spacing, SD, "eps", steps)[0] < 2e-5


@pytest.mark.parametrize(
    "name, option, at_zero", [("DDIM", "set_alpha_to_one", False), ("DPM++", "final_sigmas_type", "sigma_min")]
)
def test_a_run_that_ends_at_the_first_level_and_not_at_clean(name, option, at_zero):
    kind, sampler, fixed, _ = PAIRS[name]
    if name == "DPM++":
        fixed = {**fixed, "lower_order_final": False}
    scheduler = kind(**SD, **fixed, timestep_spacing="leading", steps_offset=1, **{option: at_zero})
    scheduler.set_timesteps(20)
    theirs, schedule = run_theirs(scheduler), with_their_table(scheduler)
    assert deviation(run_ours(sampler, scheduler, last=schedule.at(0), schedule=schedule), theirs, relative=True) < 2e-5
    assert deviation(run_ours(sampler, scheduler, schedule=schedule), theirs) > 1e-3  # CLEAN is another picture


@pytest.mark.parametrize("eta", [0.3, 1.0])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
def test_stochastic_ddim_with_the_same_noise(eta, spacing):
    scheduler = DDIMScheduler(**SD, clip_sample=False, timestep_spacing=spacing)
    scheduler.set_timesteps(20)
    theirs = run_theirs(scheduler, eta=eta)
    assert deviation(run_ours(DDIM(eta), scheduler), theirs, relative=True) < 2e-5
    assert deviation(run_ours(DDIM(eta), scheduler, seed=1), theirs) > 0.1


@pytest.mark.parametrize("spacing", SPACINGS)
def test_euler_ancestral_is_ddpm_with_the_same_noise(spacing):
    scheduler = EulerAncestralDiscreteScheduler(**SD, timestep_spacing=spacing)
    scheduler.set_timesteps(20)
    theirs = run_theirs(scheduler)
    for sampler in (DDPM(), DDIM(1.0)):
        assert (
            deviation(run_ours(sampler, scheduler, schedule=with_their_table(scheduler)), theirs, relative=True) < 2e-5
        )
    assert deviation(run_ours(DDIM(), scheduler), theirs) > 0.1


@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_larger_variance_of_ddpm(spacing):
    scheduler = DDPMScheduler(**SD, clip_sample=False, variance_type="fixed_large", timestep_spacing=spacing)
    scheduler.set_timesteps(1000)  # every step, down to t = 0
    theirs = run_theirs(scheduler)
    assert (
        deviation(run_ours(DDPM("beta"), scheduler, schedule=with_their_table(scheduler)), theirs, relative=True) < 1e-4
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_lms_of_every_order(order):
    scheduler = LMSDiscreteScheduler(**SD)
    scheduler.set_timesteps(20)
    theirs = run_theirs(scheduler, order=order)
    assert deviation(run_ours(LMS(order), scheduler), theirs, relative=True) < 2e-5


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("spacing", SPACINGS)
def test_stochastic_dpm_solver_with_the_same_noise(order, spacing):
    """Their noise is float32, and so are their steps: each gets the same draw here."""
    options = {"algorithm_type": "sde-dpmsolver++", "solver_order": order, "timestep_spacing": spacing}
    scheduler = DPMSolverMultistepScheduler(**SD, **options)
    for seed in (0, 1):
        z = torch.randn(X_T.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        scheduler.set_timesteps(20)
        theirs, x, past = run_theirs(scheduler, variance_noise=z), X_T, []
        levels = grid_of(scheduler, with_their_table(scheduler))
        for at, to in pairwise(levels):
            now = estimate(network(x, at.t), x, at, "eps")
            x = DPMSolverPP(order, stochastic=True).step(now, to, past=past[-1:] if order == 2 else [], noise=lambda: z)  # noqa: B023
            past.append(now)
        assert deviation(x, theirs, relative=True) < 1e-4


def test_dpm_solver_of_order_one():
    scheduler = DPMSolverMultistepScheduler(**SD, solver_order=1)
    scheduler.set_timesteps(20)
    assert deviation(run_ours(DPMSolverPP(1), scheduler), run_theirs(scheduler), relative=True) < 2e-5


def test_ddim_on_zero_terminal_snr_with_v():
    scheduler = DDIMScheduler(
        **SD,
        clip_sample=False,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        prediction_type="v_prediction",
    )
    scheduler.set_timesteps(20)
    theirs = run_theirs(scheduler)
    assert deviation(run_ours(DDIM(), scheduler, "v"), theirs, relative=True) < 2e-5


def test_karras_levels_are_those_of_diffusers():
    theirs = EulerDiscreteScheduler(**SD, use_karras_sigmas=True, timestep_spacing="linspace")
    theirs.set_timesteps(30)
    ours = DiffusionSchedule.scaled_linear().levels(30, "karras")
    assert [at.nsr for at in ours] == pytest.approx(theirs.sigmas.tolist(), rel=5e-5)  # theirs come from float32
    # they read the time off log sigma, we off sigma, between the same two steps of the chain
    assert [at.t for at in ours[:-1]] == pytest.approx(theirs.timesteps.tolist(), abs=0.05)
