"""The explorers of lesson 02: an image at every noise level, and schedules side by side."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.checks import whole
from diffcourse.images import check_images
from diffcourse.rng import draw
from diffcourse.schedule import DiffusionSchedule
from diffcourse.widgets.explorer import Explorer, check_kind, choice, slider


class NoiseExplorer(Explorer):
    """One image at every noise level of a schedule: what is left of it, and by what image and noise were multiplied.

    image (1, C, H, W) in [-1, 1]; the same noise, from `seed`, at every level.
    """

    def __init__(
        self, image: Tensor, schedule: DiffusionSchedule | None = None, *, t: int | None = None, seed: int = 0
    ):
        check_images(image, name="image")
        schedule = DiffusionSchedule.linear() if schedule is None else schedule
        check_kind("schedule", schedule, DiffusionSchedule)
        noise = draw(image, torch.Generator().manual_seed(seed))
        t = (schedule.T - 1) // 4 if t is None else t
        super().__init__(
            {"t": slider("code index t", range(schedule.T), t)},
            lambda t: self.compute(schedule, image, noise, t),
            self.draw,
        )

    @staticmethod
    def compute(schedule: DiffusionSchedule, image: Tensor, noise: Tensor, t: int) -> dict[str, Any]:
        """The noisy image (C, H, W), its level and its signal-to-noise ratio."""
        at = schedule.at(t)
        return {"t": t, "at": at, "snr": schedule.snr(t), "x_t": at.noised(image, noise)[0]}

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """The noisy image beside two bars, and the same in words."""
        at = a["at"]
        words = f"t = {a['t']}: image times {at.alpha:.3f}, noise times {at.sigma:.3f}, signal-to-noise ratio {a['snr']:.3g}"
        return plot.noise_level(a["x_t"], at.alpha, at.sigma, f"t = {a['t']}, SNR = {a['snr']:.3g}", alt=words)


class ScheduleExplorer(Explorer):
    """Linear, cosine and scaled-linear schedules side by side: beta, alpha_bar, SNR, and an image at the chosen step.

    image (1, C, H, W) in [-1, 1]; the same noise, from `seed`, everywhere.
    """

    def __init__(self, image: Tensor, T: int = 1000, *, schedule: str = "linear", t: int | None = None, seed: int = 0):
        check_images(image, name="image")
        whole("T", T, 2)
        named = {
            "linear": DiffusionSchedule.linear(T, 0.1 / T, 20 / T),
            "cosine": DiffusionSchedule.cosine(T),
            "scaled-linear": DiffusionSchedule.scaled_linear(T, 0.85 / T, 12 / T),
        }
        noise = draw(image, torch.Generator().manual_seed(seed))
        times = sorted({*range(0, T, max(1, T // 50)), T - 1})
        controls = {
            "schedule": choice("schedule", list(named), schedule),
            "t": slider(
                "code index t", times, min(times, key=lambda v: abs(v - (T // 2 if t is None else t))), live=False
            ),
        }
        super().__init__(controls, lambda schedule, t: self.compute(named, image, noise, schedule, t), self.draw)

    @staticmethod
    def compute(
        named: Mapping[str, DiffusionSchedule], image: Tensor, noise: Tensor, schedule: str, t: int
    ) -> dict[str, Any]:
        """The schedules, the noisy image (C, H, W) of the chosen one at t, its level, beta and signal-to-noise ratio."""
        chosen = named[schedule]
        at = chosen.at(t)
        return {
            "named": named,
            "schedule": schedule,
            "t": t,
            "at": at,
            "beta": float(chosen.betas[t]),
            "snr": chosen.snr(t),
            "x_t": at.noised(image, noise)[0],
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Three curves and the image, and the same in words."""
        at = a["at"]
        words = (
            f"{a['schedule']}, t = {a['t']}: beta {a['beta']:.4f}, alpha_bar {at.alpha**2:.4f}, "
            f"image times {at.alpha:.3f}, noise times {at.sigma:.3f}, signal-to-noise ratio {a['snr']:.3g}"
        )
        return plot.schedule_point(a["named"], a["schedule"], a["t"], a["x_t"], alt=words)
