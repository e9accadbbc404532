"""The explorers of lesson 03: a trained network at every noise level, and a digit of your own."""

import html
from collections.abc import Sequence
from typing import Any

import ipywidgets
import torch
from torch import Tensor

from diffcourse import data, metrics, plot
from diffcourse.denoiser import Denoiser, evaluating
from diffcourse.images import check_images
from diffcourse.rng import draw
from diffcourse.widgets.digit_pad import DigitPad
from diffcourse.widgets.explorer import Explorer, check_kind, patient, slider


class DenoiserExplorer(Explorer):
    """A trained network at every noise level: what it is given, the noise and the image that it guesses, and its error.

    images (N, 1, H, W) in [-1, 1], labels (N,) or None for "any digit"; the same noise, from `seed`, at every level. All guesses are
    computed when it is made, so that the slider is quick.
    """

    def __init__(
        self,
        model: Denoiser,
        images: Tensor,
        labels: Tensor | None = None,
        *,
        times: Sequence[int] | None = None,
        t: int | None = None,
        seed: int = 0,
    ):
        check_kind("model", model, Denoiser)
        check_images(images)
        T = model.schedule.T
        times = sorted({*range(0, T, max(1, T // 20)), T - 1}) if times is None else sorted(times)
        if not times:
            raise ValueError("times must hold at least one code index, got none")
        frames = self.guesses(model, images, labels, times, seed)
        t = times[len(times) // 2] if t is None else min(times, key=lambda v: abs(v - t))
        super().__init__(
            {"t": slider("code index t", times, t)}, lambda t: {"t": t, "frames": frames, **frames[t]}, self.draw
        )

    @staticmethod
    @torch.no_grad()
    def guesses(
        model: Denoiser, images: Tensor, labels: Tensor | None, times: Sequence[int], seed: int = 0
    ) -> dict[int, dict[str, Any]]:
        """{t: level, x_t, eps and x0 (N, C, H, W), and the mean squared error of each}."""
        noise, frames = draw(images, torch.Generator().manual_seed(seed)), {}
        with evaluating(model):
            for t in patient(times, "guesses"):
                at = model.schedule.at(t)
                e = model(at.noised(images, noise), at, labels)
                errors = {
                    "error_x0": (e.x0 - images).square().mean().item(),
                    "error_eps": (e.eps - noise).square().mean().item(),
                }
                frames[t] = {"at": at, "x_t": e.x, "eps": e.eps, "x0": e.x0, **errors}
        return frames

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Input, guessed noise and guessed image, and the error along t, and the same in words."""
        words = (
            f"t = {a['t']}: signal {a['at'].alpha:.3f}, noise {a['at'].sigma:.3f}; "
            f"mean squared error of the image {a['error_x0']:.4f}, of the noise {a['error_eps']:.4f}"
        )
        rows = {"input": a["x_t"], "noise": a["eps"] / 2, "image": a["x0"]}  # noise reaches to 3: half is shown
        errors = {"of the image": "error_x0", "of the noise": "error_eps"}
        curves = {
            name: (list(a["frames"]), [frame[of] for frame in a["frames"].values()]) for name, of in errors.items()
        }
        return plot.denoised_level(rows, curves, a["t"], title=f"t = {a['t']}", alt=words)


class OwnDigitExplorer(Explorer):
    """Draw a digit or load a picture: what the judge reads, the digit with noise, and what the model makes of it.

    model: a Denoiser of 28x28 digits; example: a digit (1, 1, 28, 28) to begin with; times: code indices at which noise is added.
    `digit` is the drawn or loaded digit as MNIST would hold it, (1, 1, 28, 28) in [-1, 1]; the example as long as the pad is empty.
    """

    def __init__(
        self, model: Denoiser, example: Tensor, times: Sequence[int] = (100, 300, 500, 700, 900), *, seed: int = 0
    ):
        check_kind("model", model, Denoiser)
        if check_images(example, name="example").shape != (1, 1, 28, 28):
            raise ValueError(f"example must be one digit (1, 1, 28, 28), got {tuple(example.shape)}")
        self.digit, self._model, self._times = example, model, list(times)
        self._noise = draw(example, torch.Generator().manual_seed(seed))
        pad = DigitPad()
        pad.show(example)
        wide = ipywidgets.Layout(width="16em")  # else "Load a picture (0)" is cut off
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False, description="Load a picture", layout=wide)
        self.again = ipywidgets.Button(description="Show the example", tooltip="puts the first digit back", layout=wide)
        self.upload.observe(self._load, names="value")
        self.again.on_click(lambda _: pad.show(example))
        self._example = example
        super().__init__({"drawing": pad}, self.compute, self.draw)
        self.children = [ipywidgets.HBox([pad, ipywidgets.VBox([self.upload, self.again])]), self.image, self.text]

    def _load(self, change: Any) -> None:
        for file in change["new"]:
            try:
                self.controls["drawing"].show(data.to_digit(bytes(file["content"])))
            except ValueError as error:
                why = "it is of one colour" if "one colour" in str(error) else "PNG and JPEG can be read"
                told = f"{file['name']} shows no digit: {why}. The picture below is still the one before."
                self.text.value = f"<span>{html.escape(told)}</span>"

    @torch.no_grad()
    def compute(self, drawing: bytes) -> dict[str, Any]:
        """The digit, the judge's probabilities (10,), noisy digits and guesses (len(times), 1, 28, 28); none where nothing is drawn."""
        pixels = torch.tensor(list(drawing), dtype=torch.uint8).view(DigitPad.SIDE, DigitPad.SIDE)
        if bool((pixels == pixels[0, 0]).all()):
            self.digit, blank = self._example, torch.full_like(self._example, -1)
            return {"digit": blank, "read": None, "noisy": blank.repeat(len(self._times), 1, 1, 1), "guess": None}
        self.digit = data.to_digit(pixels)
        model, t = self._model, torch.tensor(self._times)
        images = self.digit.expand(len(t), -1, -1, -1)
        noisy = model.schedule.q_sample(images, t, self._noise.expand_as(images))
        with evaluating(model):
            guess = model(noisy, model.schedule.at(t, like=noisy)).x0
        return {"digit": self.digit, "read": metrics.probabilities(self.digit)[0], "noisy": noisy, "guess": guess}

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Digit, judge and guesses, and the same in words."""
        titles = [f"t = {t}" for t in self._times]
        if a["read"] is None:
            words = "Nothing is drawn yet. Draw a digit on the black square, load a picture, or show the example."
            rows = {"with noise": a["noisy"], "guess": a["noisy"]}
            return plot.reading(a["digit"], torch.zeros(10), rows, titles, alt=words)
        errors = (a["guess"] - a["digit"]).square().mean(dim=(1, 2, 3)).tolist()
        told = ", ".join(f"{error:.3f} at t = {t}" for t, error in zip(self._times, errors, strict=True))
        judge = f"The judge reads {int(a['read'].argmax())}, with confidence {a['read'].max():.2f}."
        words = f"{judge} Mean squared error of the guess: {told}."
        rows = {"with noise": a["noisy"], "guess": a["guess"]}
        return plot.reading(a["digit"], a["read"], rows, titles, alt=words)
