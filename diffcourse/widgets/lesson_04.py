"""The explorer of lesson 04: samplers side by side."""

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.denoiser import Denoiser, Estimate, evaluating
from diffcourse.guidance import guided
from diffcourse.rng import draw
from diffcourse.samplers import DDIM, DDPM, LMS, DPMSolverPP, Euler, Heun, trajectory
from diffcourse.schedule import Level
from diffcourse.widgets.explorer import Explorer, choice, slider

RACERS: dict[str, Callable[[float], Any]] = {
    "DDIM": lambda eta: DDIM(eta),
    "DDPM": lambda eta: DDPM(),
    "Euler": lambda eta: Euler(),
    "Heun": lambda eta: Heun(),
    "LMS": lambda eta: LMS(),
    "DPM-Solver++": lambda eta: DPMSolverPP(),
}


class SamplerRace(Explorer):
    """Samplers side by side: what each believes along the way, its calls of the network, its time, and how far it ends from the exact way.

    model: a denoiser of digits with labels; the same start noise, from `seed`, in every run, one image a label. Everything is run ahead, so
    that the controls answer at once: `progress` shows how far that is. The exact way is DPM-Solver++ with `fine` steps.
    """

    def __init__(
        self,
        model: Denoiser,
        labels: Sequence[int] = (3, 8),
        *,
        steps: Sequence[int] = (5, 10, 20),
        etas: Sequence[float] = (0.0, 0.5, 1.0),
        guidances: Sequence[float] = (1.0, 3.0),
        spacings: Sequence[str] = ("trailing", "linspace", "leading"),
        fine: int = 100,
        seed: int = 0,
        progress: bool = False,
    ):
        from tqdm.auto import tqdm

        if not isinstance(model, Denoiser) or model.null is None:
            raise TypeError(f"model must be a Denoiser with labels and a null label, got {type(model).__name__}")
        if not all((len(labels), steps, etas, guidances, spacings)):
            raise ValueError("labels, steps, etas, guidances and spacings must hold at least one value each")
        labels = torch.as_tensor(labels)
        self.exact = {
            w: self.run(model, labels, "DPM-Solver++", fine, 0.0, w, "trailing", seed)["x0"][-1] for w in guidances
        }
        wanted = list(itertools.product(RACERS, steps, etas, guidances, spacings))
        self.runs: dict[tuple, dict[str, Any]] = {}
        for key in tqdm(wanted, disable=not progress, leave=False):
            canonical = self.key(*key, etas=etas)
            if canonical not in self.runs:
                self.runs[canonical] = self.run(model, labels, *canonical, seed)
        controls = {
            "sampler": choice("sampler", list(RACERS), "DDIM"),
            "steps": slider("steps", steps, steps[len(steps) // 2]),
            "eta": slider("eta (DDIM)", etas),
            "guidance": slider("guidance", guidances),
            "spacing": choice("spacing", spacings),
        }
        super().__init__(controls, lambda **values: self.compute(self.runs, self.exact, etas, **values), self.draw)

    @staticmethod
    def key(sampler: str, steps: int, eta: float, guidance: float, spacing: str, *, etas: Sequence[float]) -> tuple:
        """The run that serves these controls: eta matters for DDIM alone."""
        return sampler, steps, eta if sampler == "DDIM" else etas[0], guidance, spacing

    @staticmethod
    def run(
        model: Denoiser, labels: Tensor, sampler: str, steps: int, eta: float, guidance: float, spacing: str, seed: int
    ) -> dict[str, Any]:
        """One sampling: predicted images at every level and the sample, the levels' t, calls of the network, and seconds."""
        inner, calls = guided(model, labels, guidance), []

        def counting(x: Tensor, at: Level) -> Estimate:
            calls.append(at.t)
            return inner(x, at)

        parameter = next(model.parameters())
        generator = torch.Generator().manual_seed(seed)
        x = draw(torch.empty(len(labels), 1, 28, 28, dtype=parameter.dtype, device=parameter.device), generator)
        levels = model.schedule.levels(steps, spacing)
        start = time.perf_counter()
        with evaluating(model):
            path = list(trajectory(counting, x, levels, RACERS[sampler](eta), generator))
        seconds = time.perf_counter() - start
        return {"x0": [e.x0.cpu() for e in path], "t": [e.at.t for e in path], "calls": len(calls), "seconds": seconds}

    @classmethod
    def compute(
        cls,
        runs: Mapping[tuple, dict[str, Any]],
        exact: Mapping[float, Tensor],
        etas: Sequence[float],
        sampler: str,
        steps: int,
        eta: float,
        guidance: float,
        spacing: str,
    ) -> dict[str, Any]:
        """The run that was asked for, at most 6 of its frames, and its root mean square distance to the exact way's end."""
        chosen = cls.key(sampler, steps, eta, guidance, spacing, etas=etas)
        run = runs[chosen]
        shown = sorted({round(i * (len(run["x0"]) - 1) / 5) for i in range(6)})
        away = (run["x0"][-1] - exact[guidance]).square().mean().sqrt().item()
        name = f"DDIM, eta {eta:g}" if sampler == "DDIM" else sampler
        return {
            "name": name,
            "steps": steps,
            "guidance": guidance,
            "spacing": spacing,
            "frames": [run["x0"][i] for i in shown],
            "titles": [f"t = {run['t'][i]:.0f}" if run["t"][i] >= 0 else "sample" for i in shown],
            "calls": run["calls"],
            "seconds": run["seconds"],
            "away": away,
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """The strip of predicted images, and the same in words."""
        caption = f"{a['name']}: {a['steps']} steps, {a['calls']} calls, {a['seconds']:.2f} s, {a['away']:.2f} from the exact way"
        words = (
            f"{a['name']}, {a['steps']} steps ({a['spacing']}), guidance {a['guidance']:g}: {a['calls']} calls of the network in "
            f"{a['seconds']:.2f} s; pixels differ by {a['away']:.3f} (root mean square) from where the ODE, solved finely, ends."
        )
        return plot.race(a["frames"], a["titles"], caption, words)
