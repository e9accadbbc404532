"""The explorer of lesson 09: every handle of a text-to-image pipeline."""

import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

import ipywidgets
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import plot, scenes
from diffcourse.checks import told, whole
from diffcourse.denoiser import evaluating
from diffcourse.editing import left
from diffcourse.images import check_images
from diffcourse.latent import LatentDiffusion
from diffcourse.samplers import DDIM, DDPM, LMS, PNDM, DPMSolverPP, Euler, EulerAncestral, Heun, Sampler
from diffcourse.widgets.digit_pad import DigitPad
from diffcourse.widgets.explorer import INSIDE, Explorer, check_kind, choice, examples, slider
from diffcourse.widgets.lesson_05c import PromptBox, few, judged, line, offer_negative, read_of

SAMPLERS: dict[str, Sampler] = {  # by their names in `stable_diffusion.MENU`
    "PLMS": PNDM(),
    "DDIM": DDIM(),
    "DDPM": DDPM(),
    "Euler": Euler(),
    "Euler a": EulerAncestral(),
    "Heun": Heun(),
    "LMS": LMS(),
    "DPM++ 2M": DPMSolverPP(),
    "DPM++ 2M SDE": DPMSolverPP(stochastic=True),
}
NOISE = "from noise"  # in the place of a strength
PAINTED = "painted, on the black square"  # a mask


def _field(top: float, bottom: float, start: float, end: float) -> Callable[[Tensor], Tensor]:
    def mask(image: Tensor) -> Tensor:
        H, W = image.shape[-2:]
        true = torch.zeros(H, W, dtype=torch.bool)
        true[round(top * H) : round(bottom * H), round(start * W) : round(end * W)] = True
        return true

    return mask


def _digit(image: Tensor) -> Tensor:
    """The box around what has another colour than the corner, and a few pixels more."""
    other = (image - image[:, :, :1, :1]).abs().amax(dim=1) > 0.3
    H, W = other.shape[1:]
    (top, bottom), (start, end) = scenes.box(other)
    more = max(1, H // 32)
    rows, columns = torch.arange(H)[:, None], torch.arange(W)
    return (rows >= top - more) & (rows < bottom + more) & (columns >= start - more) & (columns < end + more)


MASKS: dict[
    str, Callable[[Tensor], Tensor] | None
] = {  # of an image (1, 3, H, W): bool (H, W), true where it is drawn anew
    "none": None,
    "the digit's box": _digit,
    "left half": _field(0, 1, 0, 0.5),
    "right half": _field(0, 1, 0.5, 1),
    "top half": _field(0, 0.5, 0, 1),
    "bottom half": _field(0.5, 1, 0, 1),
}


class PipelineExplorer(Explorer):
    """Every handle of a text-to-image pipeline: prompts, guidance, steps, sampler, seed, a start image with its strength, and a mask.

    model: a `LatentDiffusion`, such as a `StableDiffusion`. image (1, 3, H, W) in [-1, 1] is what a strength begins with and what a mask
    keeps; by default it is what the explorer draws first. masks: more of them by name, bool (H, W), true where the image is drawn anew;
    `brush` is a pad on which to paint one.
    Above stand guesses of the first picture on its way, below the start image, with the mask in inverted stripes, and `n` pictures, with
    what the judge reads in them. What was drawn once is kept. Picture i belongs to (seed, i), whatever the other handles say.
    """

    def __init__(
        self,
        model: LatentDiffusion,
        image: Tensor | None = None,
        prompt: str = PromptBox.EXAMPLES[0],
        *,
        n: int = 3,
        masks: dict[str, Tensor] | None = None,
        steps: Sequence[int] = (1, 2, 5, 10, 20, 50),
        guidances: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 5.0, 7.5, 12.0),
        strengths: Sequence[float] = (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        start: tuple[int, float, str] = (20, 5.0, "DPM++ 2M"),
    ):
        check_kind("model", model, LatentDiffusion)
        check_kind("prompt", prompt, str)
        if image is not None and (check_images(image, name="image").shape[0] != 1 or image.shape[1] != 3):
            raise ValueError(f"image must be one picture (1, 3, H, W), got {tuple(image.shape)}")
        self._model, self._n, self._image = model, whole("n", n, 1), image
        self._kept: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._masks = {**MASKS, **{name: partial(_own, name, mask) for name, mask in (masks or {}).items()}}
        self._masks[PAINTED] = self._painted
        self.brush = DigitPad(layout=ipywidgets.Layout(display="none"))
        for name, mask in (masks or {}).items():
            if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.ndim != 2:
                raise TypeError(f"masks[{name!r}] must be a bool tensor (H, W), got {told(mask)}")
            if image is not None:
                _own(name, mask, image)
        controls = {
            "prompt": line("prompt", prompt, "type, then press Enter"),
            "negative": line("negative prompt", "", "what to lead the picture away from"),
            "steps": slider("steps", steps, start[0], live=False),
            "guidance": slider("guidance", guidances, start[1], live=False),
            "sampler": choice("sampler", list(SAMPLERS), start[2]),
            "strength": slider("strength", [NOISE, *strengths], NOISE, live=False),
            "mask": choice("mask", list(self._masks)),
            "seed": ipywidgets.BoundedIntText(value=0, min=0, max=2**31, description="seed"),
        }
        wide = ipywidgets.Layout(width="40em", max_width=INSIDE)
        self.examples = examples(PromptBox.EXAMPLES, partial(setattr, controls["prompt"], "value"), wide)
        offer_negative(controls)
        for name in ("strength", "mask"):
            controls[name].observe(lambda _: self._offer(controls), names="value")
        self._offer(controls)
        super().__init__(controls, self.compute, self.draw)
        self.brush.observe(lambda _: self._refresh() if self.brush.layout.display is None else None, names="value")
        self.children: Sequence[Any] = [self.examples, self.children[0], self.brush, *self.children[1:]]

    def _offer(self, controls: dict[str, Any]) -> None:
        """Without an image at the start there is nothing that a mask could keep; the brush is there while its mask is chosen."""
        alone, box = controls["strength"].value == NOISE, controls["mask"]
        box.disabled = alone
        box.tooltip = "needs a start image: choose a strength" if alone else "where the image is drawn anew"
        self.brush.layout.display = None if box.value == PAINTED and not alone else "none"

    def _painted(self, image: Tensor) -> Tensor:
        """What the brush has painted, as a mask of the image's size."""
        side = DigitPad.SIDE
        ink = torch.tensor(list(self.brush.value or bytes(side**2)), dtype=torch.float32).view(1, 1, side, side)
        return F.interpolate(ink, image.shape[2:], mode="area")[0, 0] > 127

    @torch.no_grad()
    def compute(
        self,
        prompt: str,
        negative: str,
        steps: int,
        guidance: float,
        sampler: str,
        strength: float | str,
        mask: str,
        seed: int,
    ) -> dict[str, Any]:
        """The pictures (n, 3, H, W), at most 6 guesses of the first, the start image and its mask or None, what was asked and is read
        (n, 5), seconds, and how often the network looked at each picture."""
        mask = "none" if strength == NOISE else mask
        asked = (prompt, negative, steps, guidance, sampler, strength, mask, seed)
        key = (*asked, bytes(self.brush.value) if mask == PAINTED else b"")
        if key in self._kept:
            return self._kept[key]
        model, begin = self._model, None if strength == NOISE else self._image
        where = None if begin is None or (make := self._masks[mask]) is None else make(begin)
        share = 1.0 if begin is None else float(strength)
        edit: dict[str, Any] = {} if begin is None else {"image": begin, "strength": share, "mask": where}
        guesses: list[Tensor] = []
        rows, clock = 0, time.perf_counter()

        def count(_: Any, given: tuple[Any, ...], __: Any) -> None:
            nonlocal rows
            rows += len(given[0])

        hook = cast(nn.Module, model.denoiser.network).register_forward_hook(count)
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                path = model.trajectory(
                    [prompt] * self._n,
                    negative=negative,
                    guidance=guidance,
                    steps=steps,
                    sampler=SAMPLERS[sampler],
                    seed=seed,
                    **edit,
                )
                total = len(left(model.levels(steps, SAMPLERS[sampler]), share))
                for now in self.watched(path, total):
                    guesses.append(now.x0[:1])
        finally:
            hook.remove()
        with evaluating(model.autoencoder):
            images = model.autoencoder.decode(now.x).clamp(-1, 1).float().cpu()
            seconds = time.perf_counter() - clock
            shown = model.autoencoder.decode(few(guesses)).clamp(-1, 1).float().cpu()
        if where is not None and begin is not None:
            images = torch.where(
                where, images, begin.cpu()
            )  # as `generate` does: what is kept is not encoded and decoded
        if self._image is None:
            self._image = images[:1]
        names = ("prompt", "negative", "steps", "guidance", "sampler", "strength", "mask", "seed")
        self._kept[key] = {
            "images": images,
            "path": shown,
            "begin": begin,
            "mask": where,
            "asked": scenes.attributes_of(prompt),
            "read": read_of(images),
            "seconds": seconds,
            "calls": rows // self._n,
            "told": list(dict.fromkeys(str(w.message) for w in warned)),
            "settings": dict(zip(names, asked, strict=True)),
        }
        return self._kept[key]

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Guesses above, below the start image and the pictures, each with what it lacks; and the same in words."""
        v, (lines, said) = a["settings"], judged(a)
        away = f", away from “{v['negative']}”" if v["negative"].strip() and v["guidance"] != 1 else ""
        title = f"{v['sampler']}, {v['steps']} steps, guidance {v['guidance']:g}, seed {v['seed']}"
        title += f": {a['calls']} network calls a picture, {a['seconds']:.1f} s"
        words = f"{len(lines)} pictures for “{v['prompt']}”{away}; {title}"
        images, below = a["images"], lines
        if a["begin"] is not None:
            edit = f"strength {v['strength']:g}" + ("" if a["mask"] is None else f", mask: {v['mask']}")
            images = torch.cat([striped(a["begin"].float().cpu(), a["mask"]), images])
            title, words, below = f"{title}\n{edit}", f"{words}; from a start image, {edit}", ["start image", *lines]
        return plot.prompted(images, below, a["path"], title, ". ".join([words, *said]))


def striped(image: Tensor, mask: Tensor | None) -> Tensor:
    """The image (1, 3, H, W), in inverted stripes where a mask (H, W) is true: these are seen on any colour."""
    if mask is None:
        return image
    H, W = mask.shape
    stripes = (torch.arange(H)[:, None] + torch.arange(W)) % max(4, H // 10) < max(1, H // 40)
    return torch.where(mask & stripes, -image, image)


def _own(name: str, mask: Tensor, image: Tensor) -> Tensor:
    if mask.shape != image.shape[2:]:
        raise ValueError(
            f"masks[{name!r}] must have the image's size {tuple(image.shape[2:])}, got {tuple(mask.shape)}"
        )
    return mask.cpu()
