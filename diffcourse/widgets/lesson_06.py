"""The explorer of lesson 06: the same noises at every guidance scale."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diffcourse import plot
from diffcourse.denoiser import Denoiser
from diffcourse.guidance import clipped, guided
from diffcourse.samplers import DPMSolverPP, sample
from diffcourse.widgets.explorer import Explorer, slider


class Drawn(NamedTuple):
    """A picture that is drawn already: its PNG and its words."""

    data: bytes
    alt: str

    def png(self) -> bytes:
        return self.data


class GuidanceExplorer(Explorer):
    """One row of noises at every guidance scale: what the images become, and what the scale does to accuracy and diversity.

    model: a denoiser of digits with labels and a null label. rows: the lines `summary` of benchmarks/guidance.json, of which those of kind
    "curve", clipped, are shown; their scales are the slider's. The images start from the same noises, from `seed`, at every scale.
    Everything is drawn ahead, so that the slider answers at once.
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
        chosen = sorted((r for r in rows if r.get("kind") == "curve" and r.get("clipped")), key=lambda r: r["guidance"])
        if not chosen:
            raise ValueError("rows must hold lines of kind 'curve', clipped; benchmarks/guidance.py measures them")
        self.images = self.compute(model, labels, [r["guidance"] for r in chosen], steps, seed)
        drawn = {r["guidance"]: self.draw(self.images[i], chosen, i) for i, r in enumerate(chosen)}
        pictures = {w: Drawn(picture.png(), picture.alt) for w, picture in drawn.items()}
        start = min(pictures, key=lambda w: abs(w - (1.0 if guidance is None else guidance)))
        super().__init__({"guidance": slider("guidance w", pictures, start)}, lambda guidance: guidance, pictures.get)

    @staticmethod
    def compute(model: Denoiser, labels: Sequence[int], scales: Sequence[float], steps: int, seed: int) -> Tensor:
        """Samples (W, N, 1, 28, 28): the same N noises at every scale."""
        labels, shape = torch.as_tensor(labels), (len(labels), 1, 28, 28)
        options = {"sampler": DPMSolverPP(), "steps": steps, "seed": seed}
        return torch.stack(
            [sample(clipped(guided(model, labels, w)), model.schedule, shape, **options).cpu() for w in scales]
        )

    @staticmethod
    def draw(images: Tensor, rows: Sequence[Mapping[str, Any]], i: int) -> plot.Picture:
        """The row of images over the curves of `rows`, with row i marked, and the same in words."""
        scales, row = [r["guidance"] for r in rows], rows[i]
        names = {
            "right digits": "right",
            "distance / floor": "times_floor",
            "diversity (recall)": "recall",
        }
        w = row["guidance"]
        words = (
            f"guidance {w:g}: {row['right']:.1%} right digits, distance {row['times_floor']:.2f} times the floor, "
            f"precision {row['precision']:.0%}, recall {row['recall']:.0%}"
        )
        curves = {title: (scales, [r[name] for r in rows]) for title, name in names.items()}
        title = f"w = {w:g}, the same {len(images)} noises"
        return plot.guidance_row(images, curves, w, title, words, log=["distance / floor"])
