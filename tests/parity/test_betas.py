"""`DiffusionSchedule.from_diffusers` against the tables of diffusers' schedulers."""

import json

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LMSDiscreteScheduler,
)
from theirs import COSINE, LINEAR, SD

from diffcourse.schedule import DiffusionSchedule

SCHEDULERS = [DDPMScheduler, DDIMScheduler, EulerDiscreteScheduler, LMSDiscreteScheduler, DPMSolverMultistepScheduler]


@pytest.mark.parametrize("kind", SCHEDULERS, ids=lambda c: c.__name__)
@pytest.mark.parametrize("config, name", [(SD, "scaled_linear"), (LINEAR, "linear"), (COSINE, "cosine")])
def test_alpha_bars_are_theirs_up_to_float32(kind, config, name):
    scheduler = kind(**config)
    ours = DiffusionSchedule.from_diffusers(scheduler)
    assert ours.config["name"] == name and len(ours) == 1000
    bars = scheduler.alphas_cumprod.double()
    torch.testing.assert_close(ours.alpha_bars[:-1], bars[:-1], rtol=2e-5, atol=0)
    torch.testing.assert_close(ours.alpha_bars[-1], bars[-1], rtol=1e-4, atol=0)  # 1 - 0.999 in float32


def test_all_of_the_config_is_read():
    scheduler = DDIMScheduler(num_train_timesteps=77, beta_start=0.001, beta_end=0.3, beta_schedule="linear")
    ours = DiffusionSchedule.from_diffusers(scheduler)
    torch.testing.assert_close(ours.alpha_bars, scheduler.alphas_cumprod.double(), rtol=1e-5, atol=0)


def test_their_defaults_come_along():
    for kind in SCHEDULERS:
        scheduler = kind()
        ours = DiffusionSchedule.from_diffusers(scheduler)
        torch.testing.assert_close(ours.alpha_bars, scheduler.alphas_cumprod.double(), rtol=2e-5, atol=0)


@pytest.mark.parametrize("as_array", [list, np.array], ids=["list", "array"])
def test_trained_betas(as_array):
    betas = as_array([0.05, 0.1, 0.4, 0.2, 0.7])
    scheduler = DDPMScheduler(num_train_timesteps=5, trained_betas=betas)
    ours = DiffusionSchedule.from_diffusers(scheduler)
    torch.testing.assert_close(ours.alpha_bars, scheduler.alphas_cumprod.double(), rtol=1e-6, atol=0)
    assert ours.betas.tolist() == [0.05, 0.1, 0.4, 0.2, 0.7]  # ours keep the float64


@pytest.mark.parametrize("kind", [DDIMScheduler, DDPMScheduler])
@pytest.mark.parametrize("config", [SD, LINEAR], ids=["sd", "linear"])
def test_zero_terminal_snr(kind, config):
    scheduler = kind(**config, rescale_betas_zero_snr=True)
    ours = DiffusionSchedule.from_diffusers(scheduler)
    assert scheduler.alphas_cumprod[-1] == 0 and ours.alpha_bars[-1] == 0
    torch.testing.assert_close(ours.alpha_bars, scheduler.alphas_cumprod.double(), rtol=1e-4, atol=2e-7)


def test_a_scheduler_its_config_and_its_json_are_all_understood(tmp_path):
    scheduler = DDIMScheduler(**SD)
    scheduler.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "scheduler_config.json").read_text(encoding="utf-8"))
    for config in (scheduler, scheduler.config, saved):
        assert torch.equal(DiffusionSchedule.from_diffusers(config).betas, DiffusionSchedule.scaled_linear().betas)


def test_a_scheduler_without_betas_is_refused():
    with pytest.raises(ValueError, match="beta_schedule None is not known"):
        DiffusionSchedule.from_diffusers(FlowMatchEulerDiscreteScheduler())
    with pytest.raises(ValueError, match="'sigmoid' is not known"):
        DiffusionSchedule.from_diffusers(DDPMScheduler(beta_schedule="sigmoid"))


def test_a_level_adds_the_noise_that_theirs_adds():
    scheduler, ours = DDPMScheduler(**SD), DiffusionSchedule.scaled_linear()
    generator = torch.Generator().manual_seed(0)
    x0, noise = (torch.randn(4, 3, generator=generator) for _ in range(2))
    t = torch.tensor([0, 10, 500, 999])
    torch.testing.assert_close(ours.q_sample(x0, t, noise), scheduler.add_noise(x0, noise, t), rtol=1e-5, atol=1e-5)
    at = ours.at(t, like=x0)
    torch.testing.assert_close(
        at.alpha * noise - at.sigma * x0, scheduler.get_velocity(x0, noise, t), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize(
    "schedule",
    [
        DiffusionSchedule.linear(77, beta_end=0.3),
        DiffusionSchedule.scaled_linear(),
        DiffusionSchedule.cosine(50),
        DiffusionSchedule.cosine(50, s=0.02),
        DiffusionSchedule([0.1, 0.4, 0.2]).zero_terminal_snr(),
        DiffusionSchedule.scaled_linear().zero_terminal_snr(),
        DiffusionSchedule.scaled_linear().zero_terminal_snr(1e-5),
    ],
    ids=["linear", "scaled linear", "cosine", "another cosine", "shifted", "without signal", "with next to none"],
)
def test_to_diffusers_gives_them_our_betas_and_leads_back(schedule):
    config = json.loads(json.dumps(schedule.to_diffusers()))
    scheduler = DDIMScheduler.from_config(config)
    torch.testing.assert_close(schedule.alpha_bars, scheduler.alphas_cumprod.double(), rtol=1e-4, atol=1e-7)
    again = DiffusionSchedule.from_diffusers(config)
    assert torch.equal(again.betas, schedule.betas)
