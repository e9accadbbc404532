"""Denoisers of digits: the one of the course, an early version of it, and one with a shorter chain."""

from typing import Any

import torch
from torch import Tensor

from diffcourse import weights
from diffcourse.denoiser import Denoiser
from diffcourse.evaluate import SAMPLER, asked_for, digits, score
from diffcourse.guidance import autoguided, clipped
from diffcourse.images import Batch
from diffcourse.models import SimpleUNet
from diffcourse.recipes.recipe import Recipe
from diffcourse.samplers import DDPM, sample
from diffcourse.schedule import DiffusionSchedule, Level

LEFT = 1e-5  # alpha_bar at the end of the chain


def digit_denoiser(
    channels: int = 48, predicts: str = "v", schedule: DiffusionSchedule | None = None, num_classes: int = 10
) -> Denoiser:
    """A class-conditional `SimpleUNet` in its `Denoiser`; label `num_classes` is the null label.

    v on the schedule of Stable Diffusion by default, but with its last signal taken away: where 0.068·x_0 is left at the end, pure noise is
    a little brighter than any digit's start, and digits become too bold (benchmarks/terminal_snr.json).
    """
    network = SimpleUNet(channels=channels, num_classes=num_classes)
    schedule = schedule or DiffusionSchedule.scaled_linear().zero_terminal_snr(LEFT)
    return Denoiser(network, schedule, predicts, null=num_classes)


def short_chain(T: int = 200) -> DiffusionSchedule:
    """The schedule of Stable Diffusion with T steps in place of 1000, each beta 1000/T times as large.

    So the signal is used up at the end here too: alpha_bar_T = 0.0043 for T = 200 (1000 steps: 0.0047). With the betas of 1000 steps kept,
    it would be 0.34: a chain that never reaches the noise it is started from.
    """
    return DiffusionSchedule.scaled_linear(T, beta_start=0.00085 * 1000 / T, beta_end=0.012 * 1000 / T)


def middle(at: Level) -> Tensor:
    """Weight 2/cosh(lambda), lambda = log(alpha/sigma): most where signal and noise are of one size and the digit is decided."""
    return 2 / torch.cosh(at.lam)


def denoiser_loss(model: Denoiser, batch: Batch, generator: torch.Generator) -> Tensor:
    """Stratified timesteps; one label in ten is dropped, so that the model also learns "any digit"."""
    return model.loss(batch.images, batch.labels, drop_prob=0.1, weight=middle, generator=generator)


def measure_denoiser(model: Denoiser, profile: str) -> dict[str, Any]:
    """Distance and accuracy of samples at guidance 1 and 2 for 10, 20 and 50 steps: the table on the card."""
    n = {"smoke": 100, "laptop": 2000, "gpu": 2000}[profile]
    table = {}
    for guidance in (1.0, 2.0):
        for steps in (10, 20, 50):
            images, labels = digits(model, n, guidance=guidance, steps=steps)
            table[f"guidance {guidance:g}, {steps} steps"], floor = score(images, labels)
    return {"samples": n, "seed": 0, "floor": floor, "sampler": repr(SAMPLER), **table}


def measure_short_chain(model: Denoiser, profile: str) -> dict[str, Any]:
    """DDPM over every step of the chain at guidance 1, and 20 steps of the course's sampler at guidance 1 and 2."""
    n, T = {"smoke": 100}.get(profile, 1000), len(model.schedule)
    table = {}
    for name, guidance, steps, sampler in (
        (f"DDPM, guidance 1, all {T} steps", 1.0, T, DDPM()),
        ("guidance 1, 20 steps", 1.0, 20, SAMPLER),
        ("guidance 2, 20 steps", 2.0, 20, SAMPLER),
    ):
        images, labels = digits(model, n, guidance=guidance, steps=steps, sampler=sampler)
        table[name], floor = score(images, labels)
    return {"samples": n, "seed": 0, "floor": floor, "sampler": repr(SAMPLER), **table}


def measure_early(model: Denoiser, profile: str) -> dict[str, Any]:
    """The early model by itself, and mnist-ddpm guided by it (autoguidance): 20 steps."""
    n = {"smoke": 100}.get(profile, 1000)
    main, labels, table = weights.load("mnist-ddpm", model.null.device), asked_for(n), {}
    for guidance in (0.0, 1.0, 1.5, 2.0, 3.0):  # 0 is the early model alone, 1 is mnist-ddpm alone
        denoise = clipped(autoguided(main.given(labels), model.given(labels), guidance))
        images = sample(denoise, main.schedule, (n, 1, 28, 28), SAMPLER, 20, seed=0, batch=200)
        table[f"autoguidance {guidance:g}, 20 steps"], floor = score(images, labels)
    return {"samples": n, "seed": 0, "floor": floor, "sampler": repr(SAMPLER), **table}


RECIPES = {
    "mnist-ddpm": Recipe(
        about="Draws digits: a class-conditional denoiser of 28x28 MNIST images.",
        headline="right: {guidance 2, 20 steps[right]} at guidance 2 in 20 steps",
        build=digit_denoiser,
        loss=denoiser_loss,
        steps={"smoke": 6, "laptop": 11_719, "gpu": 32_826},  # 50 and 140 epochs of 60,000 digits
        measure=measure_denoiser,
        options={"batch_size": 256, "lr": 3e-3, "ema": 0.9995},
        on_gpu={"precision": "bf16", "compile": True},
    ),
    "mnist-ddpm-early": Recipe(
        about="mnist-ddpm after 10 of its 140 epochs: the bad version of itself that autoguidance steers away from.",
        headline="distance {autoguidance 2, 20 steps[distance]} under autoguidance 2 ({autoguidance 1, 20 steps[distance]} without)",
        build=digit_denoiser,
        loss=denoiser_loss,
        steps={"smoke": 6, "laptop": 586, "gpu": 2_344},
        measure=measure_early,
        options={"batch_size": 256, "lr": 3e-3, "ema": 0.995},
        on_gpu={"precision": "bf16", "compile": True},
    ),
    "mnist-ddpm-T200": Recipe(
        about="Draws digits with a chain of 200 steps instead of 1000, its betas five times as large: every step can be visited.",
        headline="right: {guidance 2, 20 steps[right]} at guidance 2 in 20 steps",
        build=lambda: digit_denoiser(schedule=short_chain().zero_terminal_snr(LEFT)),
        loss=denoiser_loss,
        steps={"smoke": 6, "laptop": 5_860, "gpu": 16_413},  # 25 and 70 epochs
        measure=measure_short_chain,
        options={"batch_size": 256, "lr": 3e-3, "ema": 0.9995},
        on_gpu={"precision": "bf16", "compile": True},
    ),
}
