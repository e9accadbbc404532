"""PNDM and Euler a against diffusers, on a denoiser that is exact: whole runs, every spacing, to 1e-5."""

import pytest
import theirs
import torch
from diffusers import EulerAncestralDiscreteScheduler, PNDMScheduler
from theirs import LINEAR, SD, X_T, deviation, run_theirs, start_of, with_their_table

from diffcourse import (
    CLEAN,
    DDIM,
    DDPM,
    PNDM,
    DiffusionSchedule,
    Euler,
    EulerAncestral,
    GaussianMixture,
    trajectory,
)
from diffcourse.denoiser import estimate
from diffcourse.stable_diffusion import levels_of

MIXTURE = GaussianMixture([[-1.5, 0.5], [1.0, 1.0], [0.5, -2.0]], 0.6, [0.5, 0.2, 0.3])


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """Their runs ask the mixture itself: the eps of Stable Diffusion's schedule at time t."""
    schedule = DiffusionSchedule.scaled_linear()
    monkeypatch.setattr(theirs, "network", lambda x, t: MIXTURE.denoise(x, schedule.at(float(t))).eps)
    return schedule


def run(sampler, scheduler, steps, exact, seed=0, predicts="eps"):
    """Ours, on the levels of their scheduler and on their own float32 table."""
    levels = levels_of(scheduler, steps)
    table = with_their_table(scheduler)
    levels = [at if at == CLEAN else table.at(at.t) for at in levels]

    def denoise(x, at):
        return estimate(theirs.network(x, at.t), x, at, predicts)

    start = start_of(scheduler, levels[0]) if "Euler" in type(scheduler).__name__ else X_T
    *_, end = trajectory(denoise, start, levels, sampler, torch.Generator().manual_seed(seed))
    return end.x


def pndm(**options):
    return PNDMScheduler(**{**SD, "skip_prk_steps": True, **options})


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 20, 50])
@pytest.mark.parametrize("spacing", ["leading", "trailing"])
@pytest.mark.parametrize("to_one", [True, False])
def test_plms_step_by_step_from_two_to_fifty(steps, spacing, to_one, exact):
    if (1000 % steps and spacing == "trailing") or (steps == 3 and not to_one):
        return  # there it computes the next time instead of reading it
    scheduler = pndm(timestep_spacing=spacing, steps_offset=int(spacing == "leading"), set_alpha_to_one=to_one)
    scheduler.set_timesteps(steps)
    assert len(scheduler.timesteps) == steps + 1  # the first step asks twice
    theirs_ = run_theirs(scheduler)
    assert deviation(run(PNDM(), scheduler, steps, exact), theirs_, relative=True) < 1e-5
    assert deviation(run(DDIM(), scheduler, steps, exact), theirs_) > 1e-3


def test_plms_on_another_schedule(exact):
    scheduler = PNDMScheduler(**LINEAR, skip_prk_steps=True, set_alpha_to_one=True)
    scheduler.set_timesteps(25)
    assert deviation(run(PNDM(), scheduler, 25, exact), run_theirs(scheduler), relative=True) < 1e-5


def test_plms_computes_the_next_time_instead_of_reading_it_on_linspace(exact):
    """As their DDIM does: t - T//n, whatever stands next in the list. Done on purpose here, it is the same walk."""
    scheduler = pndm(timestep_spacing="linspace", set_alpha_to_one=True)
    scheduler.set_timesteps(20)
    assert deviation(run(PNDM(), scheduler, 20, exact), run_theirs(scheduler), relative=True) > 1e-3


def test_their_plms_mixes_what_the_network_says_ours_the_noise_in_it(exact):
    """With predicts="v" theirs takes the mean of four v's and makes one eps of it, at the newest x: another method, a little worse."""
    scheduler, table = pndm(prediction_type="v_prediction", set_alpha_to_one=True), exact
    theirs.network = lambda x, t: (table.at(float(t)), MIXTURE.denoise(x, table.at(float(t))))
    plain, v = theirs.network, lambda x, t: (lambda at, e: at.alpha * e.eps - at.sigma * e.x0)(*plain(x, t))
    theirs.network = v
    scheduler.set_timesteps(20)
    apart = deviation(run(PNDM(), scheduler, 20, exact, predicts="v"), run_theirs(scheduler))
    assert 1e-3 < apart < 0.5


@pytest.mark.parametrize("steps", [1, 7, 20, 50])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_euler_a_with_the_same_noise(steps, spacing, exact):
    scheduler = EulerAncestralDiscreteScheduler(**SD, timestep_spacing=spacing, steps_offset=int(spacing == "leading"))
    scheduler.set_timesteps(steps)
    theirs_ = run_theirs(scheduler)
    ours = run(EulerAncestral(), scheduler, steps, exact)
    assert deviation(ours, theirs_, relative=True) < 1e-5
    assert torch.allclose(ours, run(DDPM(), scheduler, steps, exact), atol=1e-9)  # the same draw by another road
    if steps > 1:
        assert deviation(run(EulerAncestral(), scheduler, steps, exact, seed=1), theirs_) > 0.1
    assert torch.allclose(
        run(EulerAncestral(0), scheduler, steps, exact), run(Euler(), scheduler, steps, exact), atol=1e-12
    )
