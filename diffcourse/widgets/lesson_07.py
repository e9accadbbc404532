"""The explorer of lesson 07: particles dropped into a field of scores."""

from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.mixture import GaussianMixture
from diffcourse.schedule import Level
from diffcourse.score import langevin
from diffcourse.widgets.explorer import Explorer, check_kind, choice, slider

PLACES = {"a corner": (-2.5, 2.5), "between the hills": (0.2, -0.3), "everywhere": None}


class ScoreExplorer(Explorer):
    """Particles in the score of a two-dimensional mixture: where they are dropped, the size of a step, the noise in the field, and time.

    The field is that of the data plus noise of standard deviation sigma (alpha = 1). With "no" noise in the steps the particles climb only.
    100 particles take 200 steps, drawn once for each setting and kept: the slider of the steps leads through them, forward and back.
    """

    def __init__(self, mixture: GaussianMixture, *, sigma: float = 0.0, step: float = 0.02, seed: int = 0):
        check_kind("mixture", mixture, GaussianMixture)
        if mixture.D != 2:
            raise ValueError(f"mixture must be two-dimensional, got {mixture.D} dimensions")
        self._mixture, self._seed = mixture, seed
        self._kept: dict[tuple[str, str, float, float], list[Tensor]] = {}
        controls = {
            "k": slider("after so many steps", [0, 1, 2, 5, 10, 20, 50, 100, 200], 20),
            "place": choice("dropped at", list(PLACES)),
            "noisy": choice("noise in the steps", ["yes", "no"]),
            "step": slider("step size τ", [0.002, 0.005, 0.01, 0.02, 0.05, 0.1], step),
            "sigma": slider("noise σ in the field", [0.0, 0.3, 0.6, 1.0, 2.0], sigma),
        }
        super().__init__(controls, self.compute, self.draw)

    def compute(self, k: int, place: str, noisy: str, step: float, sigma: float) -> dict[str, Any]:
        """The field on a grid, the particles after each step up to k, and the share of them that each hill holds, beside its weight."""
        level = Level(0.0, 1.0, sigma)
        ticks = torch.linspace(-2.8, 2.8, 13, dtype=torch.float64)
        grid = torch.cartesian_prod(ticks, ticks)
        track = self._track(place, noisy, step, level)[: k + 1]
        held = self._mixture.responsibilities(track[-1], level).mean(dim=0)
        return {
            "places": grid,
            "arrows": self._mixture.score(grid, level),
            "track": track,
            "ground": self._mixture.sample(200, level=level, generator=torch.Generator().manual_seed(self._seed)),
            "held": held.tolist(),
            "weights": self._mixture.weights.tolist(),
            "told": f"after {k} steps of τ = {step:g}, {'with' if noisy == 'yes' else 'without'} noise, in the field of σ = {sigma:g}",
        }

    def _track(self, place: str, noisy: str, step: float, level: Level) -> list[Tensor]:
        key = place, noisy, step, float(level.sigma)
        if key not in self._kept:
            g = torch.Generator().manual_seed(self._seed)
            spot = PLACES[place]
            x = torch.randn(100, 2, generator=g, dtype=torch.float64)
            x = 1.5 * x if spot is None else torch.tensor(spot, dtype=torch.float64) + 0.05 * x

            def score(x: Tensor) -> Tensor:
                return self._mixture.score(x, level)

            if noisy == "yes":
                track = [x, *langevin(score, x, step, 200, generator=g)]
            else:
                track = [x]
                for _ in range(200):
                    track.append(track[-1] + step * score(track[-1]))
            self._kept[key] = track
        return self._kept[key]

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Field, particles and three of their ways, and the same in words."""
        shares = ", ".join(f"{held:.0%} ({weight:.0%})" for held, weight in zip(a["held"], a["weights"], strict=True))
        alt = f"100 particles {a['told']}. Held by each hill, in brackets its weight: {shares}."
        title = "crosses: start; dots: now; lines: three ways"
        return plot.drops(a["places"], a["arrows"], a["track"], ground=a["ground"], title=title, alt=alt)
