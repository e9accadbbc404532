"""The explorer of lesson 04: two samplers race."""

import time
from collections.abc import Callable, Sequence
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
    """Two samplers race from the same noise: what each believes after equally many calls of the network, and where the exact way ends.

    model: a denoiser of digits with labels; noise from `seed`, one image a label. What was run once is kept for the next time. The
    exact way is DPM-Solver++ with `fine` steps; `progress=False` shows no bar while it is walked. A sampler that adds
    noise ends elsewhere by design, and is not measured by it. start: (sampler, steps) of A and of B.
    """

    COLUMNS = 5  # of guesses; the exact way's end and the difference from it stand beside them

    def __init__(
        self,
        model: Denoiser,
        labels: Sequence[int] = (3, 8),
        *,
        steps: Sequence[int] = (2, 3, 5, 10, 20),
        etas: Sequence[float] = (0.0, 0.5, 1.0),
        guidances: Sequence[float] = (1.0, 3.0),
        spacings: Sequence[str] = ("trailing", "linspace", "leading"),
        fine: int = 100,
        seed: int = 0,
        progress: bool = True,
        start: Sequence[tuple[str, int]] = (("DDIM", 5), ("DPM-Solver++", 5)),
    ):
        if not isinstance(model, Denoiser) or model.null is None:
            raise TypeError(f"model must be a Denoiser with labels and a null label, got {type(model).__name__}")
        if not all((len(labels), steps, etas, guidances, spacings)):
            raise ValueError("labels, steps, etas, guidances and spacings must hold at least one value each")
        self._model, self._labels, self._seed, self._fine = model, torch.as_tensor(labels), seed, fine
        self._progress, self.runs = progress, {}
        controls: dict[str, Any] = {}
        for lane, (sampler, n) in zip("ab", start, strict=True):
            begin = n if n in steps else steps[len(steps) // 2]
            controls[f"{lane}_sampler"] = choice(f"{lane.upper()}: sampler", list(RACERS), sampler)
            controls[f"{lane}_steps"] = slider("steps", steps, begin, live=False)
            controls[f"{lane}_eta"] = slider("η (DDIM only)", etas, live=False)
            controls[f"{lane}_sampler"].observe(lambda _: self._offer(controls), names="value")
        self._offer(controls)
        controls["guidance"] = slider("guidance", guidances, live=False)
        controls["spacing"] = choice("spacing", spacings)
        super().__init__(controls, self.compute, self.draw)

    @staticmethod
    def _offer(controls: dict[str, Any]) -> None:
        """Only DDIM has an η: elsewhere its slider rests, and says so."""
        for lane in "ab":
            rests = controls[f"{lane}_sampler"].value != "DDIM"
            controls[f"{lane}_eta"].disabled = rests
            controls[f"{lane}_eta"].tooltip = "only DDIM has an η" if rests else "noise that DDIM adds on its way"

    def run(self, sampler: str, steps: int, eta: float, guidance: float, spacing: str) -> dict[str, Any]:
        """One sampling: guesses of the clean image and the sample, how many calls each had cost, all calls, and seconds."""
        key = sampler, steps, eta if sampler == "DDIM" else 0.0, guidance, spacing
        if key not in self.runs:
            model, labels, calls = self._model, self._labels, []
            inner = guided(model, labels, guidance)

            def counting(x: Tensor, at: Level) -> Estimate:
                calls.append(at.t)
                return inner(x, at)

            parameter = next(model.parameters())
            generator = torch.Generator().manual_seed(self._seed)
            x = draw(torch.empty(len(labels), 1, 28, 28, dtype=parameter.dtype, device=parameter.device), generator)
            levels = model.schedule.levels(steps, spacing)
            path = trajectory(counting, x, levels, RACERS[sampler](eta), generator)
            path = self.watched(path, steps + 1, "the exact way") if steps == self._fine and self._progress else path
            start, frames, spent = time.perf_counter(), [], []
            with evaluating(model):
                for e in path:
                    frames.append(e.x0.cpu())
                    spent.append(len(calls))
            seconds = time.perf_counter() - start
            self.runs[key] = {"x0": frames, "spent": spent, "calls": len(calls), "seconds": seconds}
        return self.runs[key]

    def compute(self, guidance: float, spacing: str, **lanes: Any) -> dict[str, Any]:
        """Both runs side by side: guesses after equally many calls, each lane's end, and its distance from the exact way's."""
        exact = self.run("DPM-Solver++", self._fine, 0.0, guidance, "trailing")["x0"][-1]
        told = []
        for lane in "ab":
            sampler, steps, eta = (lanes[f"{lane}_{name}"] for name in ("sampler", "steps", "eta"))
            run = self.run(sampler, steps, eta, guidance, spacing)
            told.append(
                {
                    **run,
                    "name": f"DDIM, η {eta:g}" if sampler == "DDIM" else sampler,
                    "steps": steps,
                    "random": sampler == "DDPM" or (sampler == "DDIM" and eta > 0),
                    "away": (run["x0"][-1] - exact).square().mean().sqrt().item(),
                }
            )
        most = max(lane["calls"] for lane in told)
        columns = sorted({max(1, round(most * (i + 1) / self.COLUMNS)) for i in range(self.COLUMNS)})
        for lane in told:
            lane["frames"] = [self.after(lane, calls) for calls in columns]
        return {"lanes": told, "columns": columns, "exact": exact, "guidance": guidance, "spacing": spacing}

    @staticmethod
    def after(run: dict[str, Any], calls: int) -> Tensor:
        """What a run believes after so many calls; its sample once it is through, black before it believes anything."""
        done = [frame for frame, spent in zip(run["x0"], run["spent"], strict=True) if spent <= calls]
        return done[-1] if done else torch.full_like(run["x0"][0], -1.0)

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Both lanes below each other, and the same in words."""
        titles = [f"{n} call{'s' if n > 1 else ''}" for n in a["columns"]]
        rows, lines, words = {}, [], []
        for name, lane in zip("AB", a["lanes"], strict=True):
            rows[name] = [*lane["frames"], a["exact"], (lane["x0"][-1] - a["exact"]).abs() - 1]
            cost = f"{name}, {lane['name']}: {lane['steps']} steps, {lane['calls']} calls, {lane['seconds']:.2f} s"
            away = f"{lane['away']:.3f} from the exact way"
            away = f"{away}, which is no error: it adds noise on its way" if lane["random"] else away
            lines.append(f"{cost}, {'random' if lane['random'] else away}")
            words.append(f"{cost}; it ends {away}.")
        first, second = a["lanes"]
        if not first["random"] and not second["random"] and first["away"] != second["away"]:
            words.append(f"Nearer to the exact way: {'AB'[second['away'] < first['away']]}.")
        words.append(f"Guidance {a['guidance']:g}, spacing {a['spacing']}; distances are root mean squares of pixels.")
        return plot.race(rows, [*titles, "exact way", "difference"], "\n".join(lines), " ".join(words))
