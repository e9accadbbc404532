"""The explorer of lesson 06: the same noises at every guidance scale."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.denoiser import Denoiser
from diffcourse.guidance import clipped, guided
from diffcourse.rng import draw, image_generators
from diffcourse.samplers import DPMSolverPP, trajectory
from diffcourse.widgets.explorer import Explorer, choice, slider


class GuidanceExplorer(Explorer):
    """One row of noises at every guidance scale: what the images become, and what the scale does to accuracy, precision and diversity.

    model: a denoiser of digits with labels and a null label. rows: the lines `summary` of benchmarks/guidance.json; the scales of those of
    kind "curve" are the slider's, and where all were measured without clipping too, there is a switch. The images start from the same
    noises, from `seed`, at every scale. A row is drawn when it is first asked for, and kept.
    """

    def __init__(
        self,
        model: Denoiser,
        rows: Sequence[Mapping[str, Any]],
        labels: Sequence[int] = tuple(range(10)),
        *,
        steps: int = 20,
        seed: int = 0,
        guidance: float | None = None,
    ):
        if not isinstance(model, Denoiser) or model.null is None:
            raise TypeError(f"model must be a Denoiser with labels and a null label, got {type(model).__name__}")
        rows = [r for r in rows if isinstance(r, Mapping)] if isinstance(rows, Sequence) else []
        curves = sorted((r for r in rows if r.get("kind") == "curve"), key=lambda r: r["guidance"])
        self._rows = {clip: [r for r in curves if bool(r.get("clipped")) == clip] for clip in (True, False)}
        if not self._rows[True]:
            raise ValueError("rows must hold lines of kind 'curve', clipped; benchmarks/guidance.py measures them")
        scales, plain = ([r["guidance"] for r in self._rows[clip]] for clip in (True, False))
        self._model, self._labels, self._steps, self._seed = model, torch.as_tensor(labels), steps, seed
        self.images: dict[tuple[float, bool], Tensor] = {}
        begin = min(scales, key=lambda w: abs(w - (1.0 if guidance is None else guidance)))
        controls = {"guidance": slider("guidance w", scales, begin, live=False)}
        if plain == scales:
            controls["clip"] = choice("clip to [-1, 1]", ["yes", "no"])
        super().__init__(controls, self.compute, self.draw)

    def compute(self, guidance: float, clip: str = "yes") -> dict[str, Any]:
        """The images (N, 1, 28, 28), from the same N noises at every scale, and the lines that were measured."""
        key = guidance, clip == "yes"
        if key not in self.images:
            denoise = guided(self._model, self._labels, guidance)
            weight, some = next(self._model.parameters()), image_generators(len(self._labels), self._seed, 0)
            noise = draw(weight.new_empty(len(self._labels), 1, 28, 28), some)
            levels = self._model.schedule.levels(self._steps)
            path = trajectory(clipped(denoise) if key[1] else denoise, noise, levels, DPMSolverPP(), some)
            *_, last = self.watched(path, self._steps + 1)
            self.images[key] = last.x.cpu()
        return {"images": self.images[key], "rows": self._rows[key[1]], "guidance": guidance, "clipped": key[1]}

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """The row of images over the measured curves, with the chosen scale marked, and the same in words."""
        rows, w = a["rows"], a["guidance"]
        scales = [r["guidance"] for r in rows]
        row = rows[scales.index(w)]
        names = {
            "right digits": "right",
            "distance / floor": "times_floor",
            "precision": "precision",
            "diversity (recall)": "recall",
        }
        how = "" if a["clipped"] else ", not clipped"
        words = (
            f"guidance {w:g}{how}: {row['right']:.1%} right digits, distance {row['times_floor']:.2f} times the floor, "
            f"precision {row['precision']:.0%}, recall {row['recall']:.0%}"
        )
        curves = {title: (scales, [r[name] for r in rows]) for title, name in names.items()}
        title = f"w = {w:g}{how}, the same {len(a['images'])} noises"
        return plot.guidance_row(a["images"], curves, w, title, words, log=["distance / floor"])
