"""The explorer of lesson 05c: a box for prompts."""

import time
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from diffcourse import metrics, plot, scenes
from diffcourse.checks import whole
from diffcourse.denoiser import evaluating
from diffcourse.latent import LatentDiffusion
from diffcourse.widgets.explorer import INSIDE, Explorer, check_kind, examples, slider


def line(label: str, value: str, tip: str) -> ipywidgets.Text:
    """A box for a sentence, as wide as the explorer; Enter redraws."""
    row = ipywidgets.Layout(grid_column="1 / -1")
    return ipywidgets.Text(value=value, description=label, placeholder=tip, continuous_update=False, layout=row)


def offer_negative(controls: Mapping[str, Any]) -> None:
    """Let the box "negative" say where it counts: at guidance 1 the prompt alone does, and there is nothing to lead away from."""

    def offer(_: Any = None) -> None:
        alone, box = controls["guidance"].value == 1, controls["negative"]
        box.disabled = alone
        box.placeholder = "at guidance 1 this counts for nothing" if alone else "what to lead the picture away from"

    controls["guidance"].observe(offer, names="value")
    offer()


def read_of(images: Tensor) -> list[list[int]] | None:
    """What the judge reads in pictures (N, 3, H, W), five numbers each; None where they are no scenes."""
    legible = images.shape[1:] == (3, scenes.SIDE, scenes.SIDE) and bool(images.isfinite().all())
    return metrics.read_scene(images).tolist() if legible else None


def few(guesses: Sequence[Tensor]) -> Tensor:
    """At most six of them, evenly spaced, first and last among them, in one batch."""
    return torch.cat([guesses[i] for i in sorted({round(i * (len(guesses) - 1) / 5) for i in range(6)})])


def judged(a: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Of what was computed: the verdict on each picture, and all that is to be said of them, in sentences."""
    can = any(v is not None for v in a["asked"]) and a["read"] is not None
    lines = [PromptBox.verdict(a["asked"], read) if can else "not judged" for read in a["read"] or a["images"]]
    right = sum(text == "as asked" for text in lines)
    said = [f"As asked: {right} of {len(lines)}" if can else "The prompt names nothing that the judge can read"]
    said += ["At guidance 0 the prompt counts for nothing"] if a["settings"]["guidance"] == 0 else []
    wrong = [(i, text.replace("\n", "; ")) for i, text in enumerate(lines) if text not in ("as asked", "not judged")]
    return lines, [*said, *(f"picture {i + 1}: {text}" for i, text in wrong), *a["told"]]


class PromptBox(Explorer):
    """Type what you want to see: pictures for one prompt, how the first came to be, and what the judge reads in each.

    model: a `LatentDiffusion`. Every change draws `n` pictures, with a bar that shows how far it is; what was drawn once is kept, so that
    going back to a setting shows it at once. Picture i belongs to (seed, i): the same with any other prompt or number of steps.
    """

    EXAMPLES = (
        "a large red seven on a blue background, top left",
        "small 3, yellow on black, bottom right",
        "a huge white eight in the centre",
        "orange on a white background",
        "a zebra",
    )

    def __init__(
        self,
        model: LatentDiffusion,
        prompt: str = EXAMPLES[0],
        *,
        n: int = 4,
        steps: Sequence[int] = (1, 2, 5, 10, 20, 50),
        guidances: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 12.0),
        start: tuple[int, float] = (20, 5.0),
    ):
        if not isinstance(model, LatentDiffusion):
            raise TypeError(f"model must be a LatentDiffusion, got {type(model).__name__}")
        whole("n", n, 1), check_kind("prompt", prompt, str)
        self._model, self._n, self._kept = model, n, {}

        controls = {
            "prompt": line("prompt", prompt, "type, then press Enter"),
            "negative": line("negative prompt", "", "what to lead the picture away from"),
            "steps": slider("steps", steps, start[0], live=False),
            "guidance": slider("guidance", guidances, start[1], live=False),
            "seed": ipywidgets.BoundedIntText(value=0, min=0, max=2**31, description="seed"),
        }
        wide = ipywidgets.Layout(width="40em", max_width=INSIDE)
        self.examples = examples(self.EXAMPLES, partial(setattr, controls["prompt"], "value"), wide)
        offer_negative(controls)
        super().__init__(controls, self.compute, self.draw)
        self.children = [self.examples, *self.children]

    @torch.no_grad()
    def compute(self, prompt: str, negative: str, steps: int, guidance: float, seed: int) -> dict[str, Any]:
        """The pictures (n, 3, H, W), at most 6 guesses of the first, seconds, what was asked and what is read (n, 5)."""
        key = (prompt, negative, steps, guidance, seed)
        if key in self._kept:
            return self._kept[key]
        decode, guesses, start = self._model.autoencoder.decode, [], time.perf_counter()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            path = self._model.trajectory(
                [prompt] * self._n, negative=negative, guidance=guidance, steps=steps, seed=seed
            )
            for now in self.watched(path, steps + 1):
                guesses.append(now.x0[:1])
        with evaluating(self._model.autoencoder):
            images = decode(now.x).clamp(-1, 1).cpu()
            seconds = time.perf_counter() - start
            shown = decode(few(guesses)).clamp(-1, 1).cpu()
        self._kept[key] = {
            "images": images,
            "path": shown,
            "seconds": seconds,
            "asked": scenes.attributes_of(prompt),
            "read": read_of(images),
            "told": list(dict.fromkeys(str(w.message) for w in told)),
            "settings": dict(zip(("prompt", "negative", "steps", "guidance", "seed"), key, strict=True)),
        }
        return self._kept[key]

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Guesses above, pictures below, each with what it lacks; and the same in words."""
        values, (lines, said) = a["settings"], judged(a)
        away = f", away from “{values['negative']}”" if values["negative"].strip() else ""
        title = f"{values['steps']} steps, guidance {values['guidance']:g}, seed {values['seed']}: {a['seconds']:.1f} s"
        words = ". ".join([f"{len(lines)} pictures for “{values['prompt']}”{away}; {title}", *said])
        return plot.prompted(a["images"], lines, a["path"], title, words)

    @staticmethod
    def verdict(asked: Sequence[int | None], read: Sequence[int]) -> str:
        """“as asked”, or what a picture shows where it differs from what was asked."""
        if min(read) < 0:
            return "no digit"
        wrong = [
            f"{values[seen]}, not {values[wish]}"
            for values, wish, seen in zip(scenes.ATTRIBUTES.values(), asked, read, strict=True)
            if wish is not None and wish != seen
        ]
        return "\n".join(wrong) or "as asked"
