"""The explorer of lesson 08: time as a slider over density, points and arrows, forward and back."""

from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from diffcourse import plot, sde
from diffcourse.checks import whole
from diffcourse.mixture import GaussianMixture
from diffcourse.plot.lesson_08 import places
from diffcourse.rng import draw
from diffcourse.samplers import trajectory
from diffcourse.widgets.explorer import Explorer, check_kind, choice, slider

PATHS = {"VP": sde.VP(), "straight": sde.Straight(), "VE (shown as x/√(1 + σ²))": sde.VE(0.02, 20.0)}


class FlowExplorer(Explorer):
    """A mixture's points at one time: forward by the SDE, back by the reverse SDE, back by the flow, over the density all should have.

    mixture: two-dimensional; `points` of them in each panel. Arrows: the drift of each process, in the direction in which it is walked.
    """

    def __init__(self, mixture: GaussianMixture, *, points: int = 300, t: float = 0.3, path: str = "VP", seed: int = 0):
        check_kind("mixture", mixture, GaussianMixture)
        if mixture.D != 2:
            raise ValueError(f"mixture must be two-dimensional, got {mixture.D} dimensions")
        whole("points", points, 10)
        times = [round(0.02 * i, 2) for i in range(51)]
        walked = cache(lambda name: self.walk(mixture, PATHS[name], times, points, seed))
        controls = {"path": choice("path", list(PATHS), path), "t": slider("time t (0: data)", times, t, live=True)}
        super().__init__(controls, lambda path, t: self.compute(mixture, PATHS[path], walked(path), t), self.draw)

    @staticmethod
    def walk(
        mixture: GaussianMixture, path: sde.Path, times: list[float], n: int, seed: int
    ) -> dict[str, dict[float, Tensor]]:
        """Where n points are at each time: {process: {t: (n, 2)}}; five small steps between two times."""
        g = torch.Generator().manual_seed(seed)
        low, high = 0.004, 0.996
        inside = [min(max(t, low), high) for t in times]
        fine = [a + (b - a) * i / 5 for a, b in pairwise(inside) for i in range(5)] + [inside[-1]]
        start = mixture.sample(n, level=path.at(low), generator=g)
        forward = list(sde.forward_sde(path, start, fine, generator=g))[::5]
        noise = path.at(high).sigma * draw(start, g)
        found = {"forward SDE": dict(zip(times, forward, strict=True))}
        levels = [path.at(t) for t in fine[::-1]]
        for name, eta in (("reverse SDE", 1.0), ("flow", 0.0)):
            xs = [e.x for e in trajectory(mixture.denoise, noise, levels, sde.ReverseSDE(path, eta), g)][::5]
            found[name] = dict(zip(times[::-1], xs, strict=True))
        return found

    @staticmethod
    def compute(
        mixture: GaussianMixture, path: sde.Path, walked: dict[str, dict[float, Tensor]], t: float
    ) -> dict[str, Any]:
        """Level, points and arrows at t, in x over the width that noise and signal of size 1 have together."""
        at = path.at(min(max(t, 0.004), 0.996))
        scale = max(1.0, (at.alpha**2 + at.sigma**2) ** 0.5)
        spots = places(3.2) * scale
        now, f, g = mixture.denoise(spots, at), path.drift(float(at.t)), path.diffusion(float(at.t))
        drifts = {
            "forward SDE": f * spots,
            "reverse SDE": g**2 * now.score - f * spots,
            "flow": -sde.velocity(path, now),
        }
        return {
            "mixture": mixture,
            "at": at,
            "t": t,
            "scale": scale,
            "drifts": drifts,
            "points": {k: v[t] for k, v in walked.items()},
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Three panels, and the time in words."""
        at, scale = a["at"], a["scale"]
        seen = at._replace(alpha=at.alpha / scale, sigma=at.sigma / scale)
        panels = {name: (points / scale, a["drifts"][name]) for name, points in a["points"].items()}
        ways = "forward from data, and back from noise with and without fresh noise"
        words = f"t = {a['t']:g}: signal {at.alpha:.2f}, noise {at.sigma:.2f}; {ways}"
        return plot.flow_page(a["mixture"], seen, panels, alt=words)
