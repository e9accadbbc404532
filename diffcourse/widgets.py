"""Explorers: figures with handles. Each is a picture computed by a pure function of its controls.

An Explorer shows a PNG in a `widgets.Image`, with the same content in words below it. It never uses pyplot, `interact` or `Output`, works
without a browser (set a control's `value`), and carries a static picture for pages that have no widgets.
"""

import base64
import html
import itertools
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import anywidget
import ipywidgets
import torch
import torch.nn.functional as F
import traitlets
from torch import Tensor

from diffcourse import data, metrics, plot, scenes
from diffcourse.denoiser import Denoiser, Estimate, evaluating
from diffcourse.guidance import clipped, guided
from diffcourse.latent import LatentDiffusion
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.models import CLIP, VAE, AutoencoderKL
from diffcourse.rng import draw
from diffcourse.samplers import DDIM, DDPM, LMS, DPMSolverPP, Euler, Heun, sample, trajectory
from diffcourse.schedule import DiffusionSchedule, Level


class Explorer(ipywidgets.VBox):
    """Controls above, a picture and a line of text below.

    controls  {parameter: widget}; a change redraws once
    compute   (**parameters) -> arrays: any value, the numbers that the picture shows
    draw      (arrays) -> plot.Picture; its `alt` text is the line below the picture
    """

    def __init__(
        self,
        controls: Mapping[str, ipywidgets.Widget],
        compute: Callable[..., Any],
        draw: Callable[[Any], plot.Picture],
        extras: Sequence[ipywidgets.Widget] = (),
    ):
        self.controls, self._compute, self._draw = dict(controls), compute, draw
        own_size = ipywidgets.Layout(
            align_self="flex-start", max_width="100%"
        )  # else it is stretched to the page's width
        self.image = ipywidgets.Image(format="png", layout=own_size)
        self.text = ipywidgets.HTML()
        for control in self.controls.values():
            control.observe(self._refresh, names="value")
        self._refresh()
        row = ipywidgets.HBox([*extras, *self.controls.values()], layout=ipywidgets.Layout(flex_flow="row wrap"))
        super().__init__([row, self.image, self.text])

    @property
    def values(self) -> dict[str, Any]:
        """The controls' values by parameter name."""
        return {name: control.value for name, control in self.controls.items()}

    def _refresh(self, _change: Any = None) -> None:
        picture = self._draw(self._compute(**self.values))
        self.image.value = picture.png()
        self.alt = picture.alt
        self.text.value = f"<span>{html.escape(picture.alt)}</span>"

    def _repr_mimebundle_(self, **kwargs: Any):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        still = {"image/png": base64.b64encode(self.image.value).decode(), "text/plain": f"[explorer: {self.alt}]"}
        return {**data, **still}, {**metadata, "image/png": {"alt": self.alt}}


def slider(label: str, options: Sequence[Any], value: Any = None, *, live: bool = True) -> ipywidgets.SelectionSlider:
    """A slider over listed values; `live` redraws while it moves (for pictures that take under 50 ms), else when it is let go."""
    options = list(options)
    return ipywidgets.SelectionSlider(
        options=options,
        value=options[0] if value is None else value,
        description=label,
        continuous_update=live,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="24em"),
    )


def choice(label: str, options: Sequence[Any], value: Any = None) -> ipywidgets.Dropdown:
    """A drop-down list."""
    options = list(options)
    return ipywidgets.Dropdown(
        options=options,
        value=options[0] if value is None else value,
        description=label,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width="16em"),
    )


class TrajectoryExplorer(Explorer):
    """One sampling, step by step: the noisy image, what the model believes the clean image to be, and how much noise is left.

    path: what `trajectory` yielded, images (B, C, H, W); the first `most` images are shown. Play runs through the steps.
    """

    def __init__(self, path: Sequence[Estimate], most: int = 5):
        if not path:
            raise ValueError("path must hold the estimates of a trajectory, got none")
        frames = [(e.x[:most].cpu(), e.x0[:most].cpu(), e.at) for e in path]
        ends = {"min": 0, "max": len(frames) - 1, "value": len(frames) // 2}
        step = ipywidgets.IntSlider(**ends, description="step", layout=ipywidgets.Layout(width="24em"))
        play = ipywidgets.Play(**ends, interval=250, tooltip="run through the steps")
        self.link = ipywidgets.link((play, "value"), (step, "value"))
        super().__init__({"step": step}, lambda step: (step, *frames[step]), self._frame, extras=[play])

    @staticmethod
    def _frame(arrays: tuple[int, Tensor, Tensor, Any]) -> plot.Picture:
        step, x, x0, at = arrays
        picture = plot.strip(zip_rows(x, x0), names=["noisy image", "model's guess"], most=len(x), scale=1.0)
        picture.alt = (
            f"step {step}: t = {at.t:.0f}, signal {at.alpha:.2f}, noise {at.sigma:.2f}"
            if at.sigma
            else f"step {step}: the sample"
        )
        return picture


def zip_rows(*rows: Tensor) -> list[Tensor]:
    """Images of several rows, column by column: what `plot.strip` takes to draw them as rows."""
    import torch

    return list(torch.stack(rows, dim=1))


# -- lesson 00b -------------------------------------------------------------------------------------------------------


class PosteriorExplorer(Explorer):
    """What a noisy value tells about the clean one: prior, likelihood and posterior of a one-dimensional mixture as noise grows.

    x_t = alpha·x_0 + sigma·eps with alpha² + sigma² = 1; the sliders are sigma and the observed x_t.
    """

    def __init__(self, mixture: GaussianMixture | None = None, sigma: float = 0.5, x_t: float = 0.3):
        mixture = two_bumps() if mixture is None else mixture
        if mixture.D != 1:
            raise ValueError(f"mixture must be one-dimensional, got {mixture.D} dimensions")
        controls = {
            "sigma": slider("noise σ", [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99], sigma),
            "x_t": slider("seen: xₜ", [round(-2 + 0.1 * i, 1) for i in range(41)], x_t),
        }
        super().__init__(controls, lambda sigma, x_t: self.compute(mixture, sigma, x_t), self.draw)

    @staticmethod
    def compute(mixture: GaussianMixture, sigma: float, x_t: float) -> dict[str, Any]:
        """Grid (N,) of x_0, the three densities over it, and what the posterior says: its mean, its std, p(k | x_t)."""
        level = Level(t=0.0, alpha=(1 - sigma**2) ** 0.5, sigma=sigma)
        reach = 4 * float(mixture.stds.max())
        grid = torch.linspace(
            float(mixture.means.min()) - reach, float(mixture.means.max()) + reach, 801, dtype=torch.float64
        )
        seen = torch.tensor([[x_t]], dtype=torch.float64)
        weights, means, variances = mixture.posterior(seen, level)
        posterior = GaussianMixture(means[0], variances[0].sqrt(), weights[0])
        mean = (weights[0] * means[0, :, 0]).sum()
        variance = (weights[0] * (variances[0] + means[0, :, 0] ** 2)).sum() - mean**2
        return {
            "sigma": sigma,
            "x_t": x_t,
            "grid": grid,
            "prior": mixture.log_prob(grid[:, None]).exp(),
            "likelihood": (-((x_t - level.alpha * grid) ** 2) / (2 * sigma**2)).exp()
            / (sigma * math.sqrt(2 * math.pi)),
            "posterior": posterior.log_prob(grid[:, None]).exp(),
            "mean": float(mean),
            "std": float(variance) ** 0.5,
            "weights": weights[0].tolist(),
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """The three panels, and the same in words."""
        shares = ", ".join(f"{w:.2f}" for w in a["weights"])
        return plot.bayes(
            a["grid"],
            a["prior"],
            a["likelihood"],
            a["posterior"],
            mean=a["mean"],
            title=f"noise σ = {a['sigma']:g}, seen xₜ = {a['x_t']:g}",
            alt=f"With noise {a['sigma']:g} and x_t = {a['x_t']:g} seen: bump probabilities {shares}; "
            f"x_0 has mean {a['mean']:.2f} and standard deviation {a['std']:.2f}.",
        )


# -- lesson 01 --------------------------------------------------------------------------------------------------------


class LatentExplorer(Explorer):
    """A latent plane to walk through: where you are among the codes of real digits, and what the decoder draws there.

    vae: a `VAE` with two latent dimensions, Bernoulli likelihood; codes (N, 2) and labels (N,) of digits for the map. All places of the
    grid are decoded at the start, so that moving costs a drawing only.
    """

    LIMIT = 3.5

    def __init__(self, vae: VAE, codes: Tensor, labels: Tensor, z: tuple[float, float] = (0.0, 0.0), places: int = 29):
        if vae.latent_dim != 2:
            raise ValueError(f"vae must have 2 latent dimensions, got {vae.latent_dim}")
        ticks = [round(-self.LIMIT + 2 * self.LIMIT * i / (places - 1), 2) for i in range(places)]
        page = plot.map_page(codes, labels, self.LIMIT)
        with torch.no_grad():
            images = vae.decode(torch.cartesian_prod(torch.tensor(ticks), torch.tensor(ticks)))
        images = images if vae.likelihood == "gaussian" else 2 * images - 1
        nearest = [min(ticks, key=lambda t, v=v: abs(t - v)) for v in z]
        super().__init__(
            {"z1": slider("z₁", ticks, nearest[0]), "z2": slider("z₂", ticks, nearest[1])},
            lambda z1, z2: self.compute(ticks, images, codes, labels, z1, z2),
            lambda arrays: self.draw(page, arrays),
        )

    @staticmethod
    def compute(
        ticks: Sequence[float], images: Tensor, codes: Tensor, labels: Tensor, z1: float, z2: float
    ) -> dict[str, Any]:
        """The decoded image (1, H, W) at (z1, z2), and the label that most of the 15 nearest codes have, with its share."""
        image = images[ticks.index(z1) * len(ticks) + ticks.index(z2)]
        near = (codes - torch.tensor([z1, z2])).norm(dim=1).topk(min(15, len(codes)), largest=False).indices
        votes = torch.bincount(labels[near], minlength=10)
        return {"z": (z1, z2), "image": image, "label": int(votes.argmax()), "share": float(votes.max() / votes.sum())}

    @classmethod
    def draw(cls, page: Any, a: dict[str, Any]) -> plot.Picture:
        """The map with its mark beside the decoded image, and the same in words."""
        z1, z2 = a["z"]
        words = f"z = ({z1:.2f}, {z2:.2f}): {a['share']:.0%} of the nearest real digits are a {a['label']}"
        return plot.latent_point(page, cls.LIMIT, a["z"], a["image"], alt=words)


# -- lesson 02 --------------------------------------------------------------------------------------------------------


class NoiseExplorer(Explorer):
    """One image at every noise level of a schedule: what is left of it, and by what image and noise were multiplied.

    image (1, C, H, W) in [-1, 1]; the same noise, from `seed`, at every level.
    """

    def __init__(
        self, image: Tensor, schedule: DiffusionSchedule | None = None, *, t: int | None = None, seed: int = 0
    ):
        schedule = DiffusionSchedule.linear() if schedule is None else schedule
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
        return {"t": t, "at": at, "snr": schedule.snr(t), "x_t": (at.alpha * image + at.sigma * noise)[0]}

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
            "x_t": (at.alpha * image + at.sigma * noise)[0],
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


# -- lesson 03 --------------------------------------------------------------------------------------------------------


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
        T = model.schedule.T
        times = sorted({*range(0, T, max(1, T // 20)), T - 1}) if times is None else sorted(times)
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
            for t in times:
                at = model.schedule.at(t)
                e = model(at.alpha * images + at.sigma * noise, at, labels)
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
        errors = [frame["error_x0"] for frame in a["frames"].values()]
        return plot.denoised_level(rows, (list(a["frames"]), errors), a["t"], title=f"t = {a['t']}", alt=words)


class DigitPad(anywidget.AnyWidget):
    """A black square to draw on in white, by mouse, pen or finger, with a button that clears it.

    `value`: the picture's grey values as bytes, SIDE x SIDE, row by row; setting it from Python draws it. `array`: the same as 28x28
    numbers from 0 to 255.
    """

    SIDE = 112
    value = traitlets.CBytes().tag(sync=True)  # a browser sends a memoryview

    _esm = """
    function render({ model, el }) {
      const side = 112, canvas = document.createElement("canvas"), pen = canvas.getContext("2d", { willReadFrequently: true });
      canvas.width = canvas.height = side;
      canvas.className = "diffcourse-pad";
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", "drawing area for one digit; the buttons beside it work from the keyboard");
      function show() {
        const value = model.get("value"), picture = pen.createImageData(side, side);
        for (let i = 0; i < side * side; i++) {
          const grey = value && value.byteLength === side * side ? value.getUint8(i) : 0;
          picture.data.set([grey, grey, grey, 255], 4 * i);
        }
        pen.putImageData(picture, 0, 0);
      }
      function send() {
        const rgba = pen.getImageData(0, 0, side, side).data, grey = new Uint8Array(side * side);
        for (let i = 0; i < grey.length; i++) grey[i] = rgba[4 * i];
        model.set("value", new DataView(grey.buffer));
        model.save_changes();
      }
      let last = null;
      function place(event) {
        const box = canvas.getBoundingClientRect();
        return [(event.clientX - box.left) * side / box.width, (event.clientY - box.top) * side / box.height];
      }
      function line(to) {
        pen.strokeStyle = "white";
        pen.lineWidth = 9;
        pen.lineCap = pen.lineJoin = "round";
        pen.beginPath();
        pen.moveTo(...last);
        pen.lineTo(to[0] + 0.01, to[1]);
        pen.stroke();
        last = to;
      }
      canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        last = place(event);
        line(last);
        event.preventDefault();
      });
      canvas.addEventListener("pointermove", (event) => { if (last) line(place(event)); });
      for (const end of ["pointerup", "pointercancel"])
        canvas.addEventListener(end, () => { if (last) { last = null; send(); } });
      const clear = document.createElement("button");
      clear.textContent = "Clear";
      clear.className = "jupyter-button";
      clear.addEventListener("click", () => {
        pen.fillStyle = "black";
        pen.fillRect(0, 0, side, side);
        send();
      });
      show();
      model.on("change:value", show);
      el.append(canvas, clear);
    }
    export default { render };
    """
    _css = """
    .diffcourse-pad { width: 196px; height: 196px; display: block; margin-bottom: 4px; cursor: crosshair; touch-action: none;
      border: 1px solid #888; }
    """

    def show(self, digit: Tensor) -> None:
        """Draw a digit (1, 1, 28, 28) in [-1, 1]."""
        large = F.interpolate(digit, size=(self.SIDE, self.SIDE))
        self.value = data.to_uint8(large).numpy().tobytes()

    @property
    def array(self) -> Tensor:
        """What is drawn, as 28x28 numbers from 0 to 255."""
        pixels = torch.tensor(list(self.value or bytes(self.SIDE**2)), dtype=torch.float32)
        return F.avg_pool2d(pixels.view(1, 1, self.SIDE, self.SIDE), self.SIDE // 28)[0, 0]


class OwnDigitExplorer(Explorer):
    """Draw a digit or load a picture: what the judge reads, the digit with noise, and what the model makes of it.

    model: a Denoiser of 28x28 digits; example: a digit (1, 1, 28, 28) to begin with; times: code indices at which noise is added.
    `digit` is the drawn or loaded digit as MNIST would hold it, (1, 1, 28, 28) in [-1, 1].
    """

    def __init__(
        self, model: Denoiser, example: Tensor, times: Sequence[int] = (100, 300, 500, 700, 900), *, seed: int = 0
    ):
        self.digit, self._model, self._times = example, model, list(times)
        self._noise = draw(example, torch.Generator().manual_seed(seed))
        pad = DigitPad()
        pad.show(example)
        self.upload = ipywidgets.FileUpload(accept="image/*", multiple=False, description="Load a picture")
        self.again = ipywidgets.Button(description="Show the example", tooltip="puts the first digit back")
        self.upload.observe(self._load, names="value")
        self.again.on_click(lambda _: pad.show(example))
        self._example, self._told = example, ""
        super().__init__({"drawing": pad}, self.compute, self.draw)
        self.children = [ipywidgets.HBox([pad, ipywidgets.VBox([self.upload, self.again])]), self.image, self.text]

    def _load(self, change: Any) -> None:
        for file in change["new"]:
            try:
                self.controls["drawing"].show(data.to_digit(bytes(file["content"])))
            except ValueError as error:
                self.text.value = f"<span>{html.escape(str(error))}</span>"

    @torch.no_grad()
    def compute(self, drawing: bytes) -> dict[str, Any]:
        """The digit, the judge's probabilities (10,), noisy digits and guesses (len(times), 1, 28, 28); the example if nothing is drawn."""
        pixels = torch.tensor(list(drawing), dtype=torch.uint8).view(DigitPad.SIDE, DigitPad.SIDE)
        self.digit = data.to_digit(pixels) if bool((pixels != pixels[0, 0]).any()) else self._example
        model, t = self._model, torch.tensor(self._times)
        images = self.digit.expand(len(t), -1, -1, -1)
        noisy = model.schedule.q_sample(images, t, self._noise.expand_as(images))
        with evaluating(model):
            guess = model(noisy, model.schedule.at(t, like=noisy)).x0
        return {"digit": self.digit, "read": metrics.probabilities(self.digit)[0], "noisy": noisy, "guess": guess}

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Digit, judge and guesses, and the same in words."""
        errors = (a["guess"] - a["digit"]).square().mean(dim=(1, 2, 3)).tolist()
        told = ", ".join(f"{error:.3f} at t = {t}" for t, error in zip(self._times, errors, strict=True))
        judge = f"The judge reads {int(a['read'].argmax())}, with confidence {a['read'].max():.2f}."
        words = f"{judge} Mean squared error of the guess: {told}."
        rows = {"with noise": a["noisy"], "guess": a["guess"]}
        return plot.reading(a["digit"], a["read"], rows, [f"t = {t}" for t in self._times], alt=words)


# -- lesson 04 --------------------------------------------------------------------------------------------------------

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


# -- lesson 05a -------------------------------------------------------------------------------------------------------


EDITS = ("add", "multiply by", "add noise times")
REGIONS = {  # shares of the height and of the width, (from, to); without extent: a single place
    "everywhere": ((0, 1), (0, 1)),
    "left half": ((0, 1), (0, 0.5)),
    "top half": ((0, 0.5), (0, 1)),
    "middle": ((0.25, 0.75), (0.25, 0.75)),
    "one place": ((0.5, 0.5), (0.5, 0.5)),
}


class LatentChannelExplorer(Explorer):
    """Edits of a scene's latents, and the picture that they decode to: add to a channel, multiply it, add noise; everywhere or in a region.

    vae: an autoencoder of colour pictures; images (N, 3, H, W) in [-1, 1], the scenes to choose from. Amounts are in units of the latents'
    standard deviation. `multiply` by 0 clears a channel. Each change decodes one picture: a few hundredths of a second.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        images: Tensor,
        *,
        channel: int | str = 1,
        edit: str = "add",
        region: str = "left half",
        amount: float = 1.5,
        seed: int = 0,
    ):
        with evaluating(vae), torch.no_grad():
            latents = vae.encode(images, sample=False)
            before = vae.decode(latents)
        noise = draw(latents, torch.Generator().manual_seed(seed))
        controls = {
            "scene": choice("scene", range(1, len(images) + 1)),
            "channel": choice("channel", [*range(1, latents.shape[1] + 1), "all"], channel),
            "edit": choice("edit", EDITS, edit),
            "amount": slider("amount", [-3 + 0.5 * i for i in range(13)], amount),
            "region": choice("region", list(REGIONS), region),
        }
        super().__init__(controls, lambda **values: self.compute(vae, latents, before, noise, **values), self.draw)

    @classmethod
    def where(cls, region: str, height: int, width: int) -> Tensor:
        """The places of a region: (height, width) bool."""
        rows, columns = REGIONS[region]
        places = torch.zeros(height, width, dtype=torch.bool)
        (top, bottom), (left, right) = [
            (int(a * n), max(int(b * n), int(a * n) + 1)) for (a, b), n in ((rows, height), (columns, width))
        ]
        places[top:bottom, left:right] = True
        return places

    @classmethod
    @torch.no_grad()
    def compute(
        cls,
        vae: AutoencoderKL,
        latents: Tensor,
        before: Tensor,
        noise: Tensor,
        scene: int,
        channel: int | str,
        edit: str,
        amount: float,
        region: str,
    ) -> dict[str, Any]:
        """Latents (C, h, w) before and after, the pictures, and the root mean square change of pixels inside and outside the region."""
        z, old = latents[scene - 1], before[scene - 1]
        where = cls.where(region, *z.shape[1:])
        mask = where & torch.tensor([channel in ("all", c + 1) for c in range(len(z))])[:, None, None]
        new = {"add": z + amount, "multiply by": z * amount, "add noise times": z + amount * noise[scene - 1]}[edit]
        edited = torch.where(mask, new, z)
        with evaluating(vae):
            picture = vae.decode(edited[None])[0]
        squares = (picture.clamp(-1, 1) - old.clamp(-1, 1)).square().mean(dim=0)
        pixels = where.repeat_interleave(vae.factor, dim=0).repeat_interleave(vae.factor, dim=1)
        inside = squares[pixels].mean().sqrt().item()
        outside = squares[~pixels].mean().sqrt().item() if bool((~pixels).any()) else None
        told = {"scene": scene, "channel": channel, "edit": edit, "amount": amount, "region": region}
        return {
            **told,
            "z": z,
            "edited": edited,
            "where": where,
            "before": old,
            "after": picture,
            "inside": inside,
            "outside": outside,
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """Channels, pictures and change, and the same in words."""
        which = "all channels" if a["channel"] == "all" else f"channel {a['channel']}"
        words = f"scene {a['scene']}, {which}, {a['region']}: {a['edit']} {a['amount']:g}. "
        words += f"Pixels change by {a['inside']:.2f} (root mean square)"
        words += " there." if a["outside"] is None else f" there, and by {a['outside']:.2f} elsewhere."
        return plot.latent_edit(a["z"], a["edited"], a["where"], a["before"], a["after"], alt=words)


# -- lesson 05b -------------------------------------------------------------------------------------------------------


class CaptionExplorer(Explorer):
    """Type a caption: its tokens, how much the end token looks at each, how much each word counts, and the scenes that fit best.

    clip: a `CLIP`; images (N, C, H, W) to be searched. Word count: how much the cosine with the best scene falls if this word is left out.
    Words that the tokenizer does not hold whole are named below the picture; an empty caption is one, too.
    """

    EXAMPLES = (
        "a small red seven on a white background, top left",
        "a large white seven on a red background, bottom right",
        "a huge blue 3 on orange",
        "yellow",
        "",
    )

    def __init__(self, clip: CLIP, images: Tensor, caption: str = EXAMPLES[0], *, most: int = 4):
        if not isinstance(clip, CLIP):
            raise TypeError(f"clip must be a CLIP, got {type(clip).__name__}")
        self._clip, self._images, self._most = clip, images, most
        with torch.no_grad():
            self._vectors = torch.cat([clip.encode_images(part) for part in images.split(250)])
        box = ipywidgets.Text(
            value=caption,
            description="caption",
            placeholder="type, then press Enter",
            continuous_update=False,
            layout=ipywidgets.Layout(width="40em", max_width="100%"),
        )
        layers = len(clip.text.text_model.encoder.layers)
        self.examples = ipywidgets.Combobox(
            options=[e for e in self.EXAMPLES if e],
            placeholder="or choose an example",
            layout=box.layout,
            ensure_option=True,
        )
        self.examples.observe(self._choose, names="value")
        super().__init__(
            {"caption": box, "layer": slider("layer of the text encoder", range(1, layers + 1), layers)},
            self.compute,
            self.draw,
        )
        self.children = [*self.children[:1], self.examples, *self.children[1:]]

    def _choose(self, change: Any) -> None:
        if change["new"]:
            self.controls["caption"].value = change["new"]

    @torch.no_grad()
    def compute(self, caption: str, layer: int) -> dict[str, Any]:
        """Tokens, `looks` (n,): the end token's attention in a layer, mean over heads; `counts` (n,); best scenes and cosines."""
        text = self._clip.text
        tokens = text.tokens(caption)
        spans = text.tokenizer(caption, verbose=False).encodings[0].offsets[: len(tokens)]
        without = [caption[:a] + caption[b:] if b > a else caption for a, b in spans]
        without[-1] = caption  # the end token, also where the caption was cut
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            looks = text.attention(caption)[layer - 1].mean(dim=0)[-1]
            told = [str(w.message) for w in told]  # of the caption alone
            vectors = self._clip.encode_texts([caption, *without])
        cosine = self._vectors @ vectors.T  # (N, 1 + n)
        best = cosine[:, 0].topk(min(self._most, len(cosine)))
        return {
            "caption": caption,
            "tokens": tokens,
            "looks": looks,
            "counts": cosine[best.indices[0], 0] - cosine[best.indices[0], 1:],
            "best": best.indices,
            "cosines": best.values,
            "told": list(dict.fromkeys(told)),
        }

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Bars for the tokens beside the scenes, and the same in words."""
        words = [plot.word(token.text) for token in a["tokens"]]
        cosines = [f"{v:.2f}" for v in a["cosines"].tolist()]
        bars = {"the end token looks here": a["looks"].tolist(), "left out, cosine falls by": a["counts"].tolist()}
        listed = ", ".join(f"{word} {token.id}" for word, token in zip(words, a["tokens"], strict=True))
        inner = list(zip(words, a["counts"].tolist(), strict=True))[1:-1]
        most = max(inner, key=lambda pair: pair[1])[0] if inner else "none"
        alt = f"{len(words)} tokens: {listed}. Best cosines {', '.join(cosines)}; the word that counts most: {most}. {' '.join(a['told'])}"
        return plot.found(words, bars, self._images[a["best"]], [f"cosine {c}" for c in cosines], alt=alt.strip())


# -- lesson 05c -------------------------------------------------------------------------------------------------------


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
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        self._model, self._n, self._kept = model, n, {}
        wide = ipywidgets.Layout(width="40em", max_width="100%")
        style = {"description_width": "initial"}

        def line(label: str, value: str, tip: str) -> ipywidgets.Text:
            return ipywidgets.Text(
                value=value, description=label, placeholder=tip, continuous_update=False, layout=wide, style=style
            )

        self.bar = ipywidgets.IntProgress(description="drawing", max=1, layout=wide)
        self.examples = ipywidgets.Combobox(
            options=list(self.EXAMPLES), placeholder="or choose an example", layout=wide, ensure_option=True
        )
        self.examples.observe(self._choose, names="value")
        controls = {
            "prompt": line("prompt", prompt, "type, then press Enter"),
            "negative": line("negative prompt", "", "what to lead the picture away from"),
            "steps": slider("steps", steps, start[0], live=False),
            "guidance": slider("guidance", guidances, start[1], live=False),
            "seed": ipywidgets.BoundedIntText(
                value=0, min=0, max=2**31, description="seed", style=style, layout=ipywidgets.Layout(width="12em")
            ),
        }
        super().__init__(controls, self.compute, self.draw)
        self.children = [*self.children[:1], self.examples, self.bar, *self.children[1:]]

    def _choose(self, change: Any) -> None:
        if change["new"]:
            self.controls["prompt"].value = change["new"]

    @torch.no_grad()
    def compute(self, prompt: str, negative: str, steps: int, guidance: float, seed: int) -> dict[str, Any]:
        """The pictures (n, 3, H, W), at most 6 guesses of the first, seconds, what was asked and what is read (n, 5)."""
        key = (prompt, negative, steps, guidance, seed)
        if key in self._kept:
            return self._kept[key]
        decode, guesses, start = self._model.autoencoder.decode, [], time.perf_counter()
        self.bar.max, self.bar.value = steps + 1, 0
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            path = self._model.trajectory(
                [prompt] * self._n, negative=negative, guidance=guidance, steps=steps, seed=seed
            )
            for now in path:
                guesses.append(now.x0[:1])
                self.bar.value += 1
        with evaluating(self._model.autoencoder):
            images = decode(now.x).clamp(-1, 1).cpu()
            seconds = time.perf_counter() - start
            chosen = sorted({round(i * (len(guesses) - 1) / 5) for i in range(6)})
            shown = decode(torch.cat([guesses[i] for i in chosen])).clamp(-1, 1).cpu()
        legible = images.shape[1:] == (3, scenes.SIDE, scenes.SIDE) and bool(images.isfinite().all())
        self._kept[key] = {
            "images": images,
            "path": shown,
            "seconds": seconds,
            "asked": scenes.attributes_of(prompt),
            "read": metrics.read_scene(images).tolist() if legible else None,
            "told": list(dict.fromkeys(str(w.message) for w in told)),
            "settings": dict(zip(("prompt", "negative", "steps", "guidance", "seed"), key, strict=True)),
        }
        return self._kept[key]

    def draw(self, a: dict[str, Any]) -> plot.Picture:
        """Guesses above, pictures below, each with what it lacks; and the same in words."""
        values, judged = a["settings"], any(v is not None for v in a["asked"]) and a["read"] is not None
        lines, right = ["not judged"] * len(a["images"]), 0
        if judged:
            lines = [self.verdict(a["asked"], read) for read in a["read"]]
            right = sum(text == "as asked" for text in lines)
        away = f", away from “{values['negative']}”" if values["negative"].strip() else ""
        title = f"{values['steps']} steps, guidance {values['guidance']:g}, seed {values['seed']}: {a['seconds']:.1f} s"
        words = f"{len(lines)} pictures for “{values['prompt']}”{away}; {title}. "
        words += f"As asked: {right} of {len(lines)}" if judged else "The prompt names nothing that the judge can read"
        wrong = [
            (i, text.replace("\n", "; ")) for i, text in enumerate(lines) if text not in ("as asked", "not judged")
        ]
        faults = [f"picture {i + 1}: {text}" for i, text in wrong]
        words = ". ".join([words, *faults, *a["told"]])
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


# -- lesson 06 --------------------------------------------------------------------------------------------------------


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
        chosen = sorted((r for r in rows if r["kind"] == "curve" and r["clipped"]), key=lambda r: r["guidance"])
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
