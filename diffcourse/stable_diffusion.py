"""Stable Diffusion 1.x in practice: `LatentDiffusion` with the pipeline's own defaults, and the bridge to diffusers, there and back.

    sd = StableDiffusion.from_pretrained("folder")                  their folder, our classes
    sd.generate("a lighthouse in a storm", height=512, width=768)
    denoiser = from_diffusers(unet, scheduler)                      their network, our samplers
    pipeline = to_diffusers(sd, "folder")                           our model, their pipeline

`MENU` says for every name in the menus of Stable Diffusion's programs which formula it is, which class here, and which line of diffusers.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from diffcourse.checks import one_of, told, whole
from diffcourse.denoiser import THEIRS, Denoiser
from diffcourse.folders import WALK
from diffcourse.latent import LatentDiffusion, latents_to_pil
from diffcourse.models import CLIP, AutoencoderKL, TextEncoder
from diffcourse.samplers import DDIM, LMS, PNDM, DPMSolverPP, Sampler
from diffcourse.schedule import CLEAN, SPACINGS, DiffusionSchedule, Level

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Walk:
    """Where a scheduler_config.json goes from noise to image: timestep_spacing, steps_offset, set_alpha_to_one. As it stands: that of 1.x.

    spacing  as in `DiffusionSchedule.levels`: "leading", "trailing", "linspace", or "karras" for use_karras_sigmas
    offset   added to every time of "leading", up to T - 1. Diffusers' pipeline, but not its schedulers, makes 1 of any other
    clean    the last step of DDIM and PNDM goes to the data; otherwise only to t = 0, a little above. Other samplers' does in any case
    """

    spacing: str = "leading"
    offset: int = 1
    clean: bool = False

    def __post_init__(self):
        one_of("timestep_spacing", self.spacing, SPACINGS)
        whole("steps_offset", self.offset, 0)

    @classmethod
    def of(cls, scheduler: Mapping[str, Any]) -> "Walk":
        """What a scheduler_config.json asks for. ValueError for levels that are not known here."""
        for key in ("use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_flow_sigmas"):
            if scheduler.get(key):
                raise ValueError(f"scheduler: {key}={scheduler[key]!r} is not done here; use_karras_sigmas is")
        spacing = "karras" if scheduler.get("use_karras_sigmas") else scheduler.get("timestep_spacing", "leading")
        default = scheduler.get("_class_name") != "PNDMScheduler"  # of set_alpha_to_one, in their classes
        return cls(spacing, scheduler.get("steps_offset", 0), bool(scheduler.get("set_alpha_to_one", default)))

    def levels(self, schedule: Any, steps: int, sampler: Sampler | None = None) -> list[Level]:
        """`steps` levels and the end, as diffusers' scheduler for this sampler has them: of DPM-Solver++ the least noisy is left out."""
        more = isinstance(sampler, DPMSolverPP) and self.spacing in ("leading", "linspace")
        steps = whole("steps", steps, 1, schedule.T - more)
        levels = schedule.levels(steps + more, self.spacing)[: -1 - more]
        if self.spacing == "leading" and self.offset:
            levels = [schedule.at(min(at.t + self.offset, schedule.T - 1)) for at in levels]
        short = isinstance(sampler, DDIM | PNDM) and not self.clean
        return [*levels, schedule.at(0) if short else CLEAN]

    def to_diffusers(self) -> dict[str, Any]:
        """The part of a scheduler_config.json that asks for this: the way back from `of`."""
        karras = self.spacing == "karras"
        spacing = {"use_karras_sigmas": True} if karras else {"timestep_spacing": self.spacing}
        return {**spacing, "steps_offset": self.offset, "set_alpha_to_one": self.clean}


class StableDiffusion(LatentDiffusion):
    """A `LatentDiffusion` that walks as its folder says: the levels of its scheduler_config.json, PNDM, 50 steps, guidance 7.5.

    So it draws what diffusers' StableDiffusionPipeline draws, to rounding. size: the side of its pictures, 512; `generate` takes the height
    and width of others. walk: a `Walk`, by default that of Stable Diffusion 1.x. All else is `LatentDiffusion`'s.
    """

    def __init__(
        self,
        autoencoder: AutoencoderKL,
        denoiser: Denoiser,
        text: TextEncoder | CLIP,
        *,
        size: int = 512,
        walk: Walk = Walk(),
    ):
        super().__init__(autoencoder, denoiser, text, size=size)
        if walk is not None and not isinstance(walk, Walk):
            raise TypeError(f"walk must be a Walk, got {told(walk)}")
        self.walk, self.height, self.width = walk or Walk(), size, size

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        device: str | torch.device | None = None,
        *,
        dtype: torch.dtype | None = None,
        download: bool = False,
    ) -> Self:
        """As `LatentDiffusion.from_pretrained`, in float32 on a CPU and in float16 elsewhere; dtype=torch.bfloat16 has a wider range.

        ValueError also where its scheduler asks for levels that are not known here.
        """
        return super().from_pretrained(folder, device, dtype=dtype, download=download)

    def sized(self, height: int | None = None, width: int | None = None) -> Self:
        """The same model, with the same parts, for pictures of another size: pixels, multiples of the autoencoder's factor, 8.

        Any such sides can be drawn; multiples of 64 look best, as the U-Net halves latents three times, and those not far from its `size`.
        """
        other, factor = copy.copy(self), self.autoencoder.factor
        for name, side in ("height", height), ("width", width):
            if side is not None:
                if whole(name, side, factor) % factor:
                    wanted = f"{side - side % factor} or {side - side % factor + factor}"
                    raise ValueError(
                        f"{name} must be a multiple of {factor}, better of {8 * factor}, got {side}: {wanted}"
                    )
                setattr(other, name, int(side))
        return other

    def generate(  # type: ignore[override]
        self,
        prompts: str | Sequence[str],
        *,
        guidance: float = 7.5,
        steps: int = 50,
        sampler: Sampler = PNDM(),
        height: int | None = None,
        width: int | None = None,
        **options: Any,
    ) -> Tensor:
        """One picture a prompt, (B, 3, height, width) in [-1, 1]: `LatentDiffusion.generate` with the pipeline's defaults, of any size."""
        options |= {"guidance": guidance, "steps": steps, "sampler": sampler}
        return super(StableDiffusion, self.sized(height, width)).generate(prompts, **options)

    def trajectory(  # type: ignore[override]
        self,
        prompts: str | Sequence[str],
        *,
        guidance: float = 7.5,
        steps: int = 50,
        sampler: Sampler = PNDM(),
        height: int | None = None,
        width: int | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """What `generate` goes through: `LatentDiffusion.trajectory`, of any size."""
        options |= {"guidance": guidance, "steps": steps, "sampler": sampler}
        return super(StableDiffusion, self.sized(height, width)).trajectory(prompts, **options)

    def prompt_to_image(
        self,
        prompt: str | Sequence[str],
        g: float = 7.5,
        seed: int | None = 0,
        steps: int = 50,
        dim: int = 512,
        save_int: bool = False,
        *,
        sampler: Sampler = LMS(),
    ) -> "list[Image] | tuple[list[Image], list[Tensor]]":
        """From text to pictures in one call: guidance g, a seed, so many steps, dim x dim pixels. A list of PIL images, one a prompt.

        save_int=True returns the latents on the way too, [x at the start, …, x at the end], each (B, 4, dim/8, dim/8);
        `latents_to_pil(x, sd.autoencoder)` makes pictures of any of them. sampler: that of the first notebooks on Stable Diffusion.
        """
        if not isinstance(save_int, bool):
            raise TypeError(f"save_int must be True or False, got {told(save_int)}")
        options: dict[str, Any] = {"guidance": g, "seed": seed, "steps": steps, "sampler": sampler}
        options |= {"height": dim, "width": dim}
        path = [now.x for now in self.trajectory(prompt, **options)]
        images = latents_to_pil(path[-1], self.autoencoder)
        return (images, path) if save_int else images

    @property
    def sides(self) -> tuple[int, int]:
        return self.height // self.autoencoder.factor, self.width // self.autoencoder.factor

    def levels(self, steps: int, sampler: Sampler | None = None) -> list[Level]:
        """Where `generate` goes in so many steps: see `Walk`."""
        return self.walk.levels(self.denoiser.schedule, steps, sampler)

    def spec(self, describe: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**super().spec(describe), "type": "StableDiffusion", "walk": asdict(self.walk)}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], build: Callable[[Mapping[str, Any]], nn.Module]) -> Self:
        model = super().from_spec(spec, build)
        model.walk = Walk(**spec["walk"])
        return model

    @classmethod
    def _asks(cls, scheduler: Mapping[str, Any]) -> dict[str, Any]:
        return {"walk": Walk.of(scheduler)}

    def _tells(self) -> dict[str, Any]:
        return {**WALK, **self.walk.to_diffusers()}

    @classmethod
    def _like(cls, model: LatentDiffusion) -> Self:
        return cls(model.autoencoder, model.denoiser, model.text, size=model.size, walk=Walk.of(WALK)).eval()


# -- the bridge -----------------------------------------------------------------------------------------------------------


def from_diffusers(unet: nn.Module, scheduler: Any, null: Tensor | int | None = None) -> Denoiser:
    """A U-Net and a scheduler of diffusers as a `Denoiser`: every sampler, guidance and training here works with it as with our own.

    unet       a UNet2DConditionModel or UNet2DModel, used as it is: nothing is copied
    scheduler  any discrete one, or its config: of it only betas and prediction_type are read, for how to walk is a sampler's affair here;
               `levels_of(scheduler, steps)` are the levels on which it walks
    null       the condition that means none, such as text("")[0]

    TypeError or ValueError where it is not a discrete diffusion of eps, x0 or v, or wants more than x, t and a text.
    """
    if hasattr(unet, "unet") and hasattr(unet, "scheduler"):
        raise TypeError(f"unet must be a U-Net, got {told(unet)}: give its .unet and its .scheduler")
    if not isinstance(unet, nn.Module) or not hasattr(unet, "config"):
        raise TypeError(
            f"unet must be a U-Net of diffusers, got {told(unet)}; of our own it is Denoiser(network, schedule)"
        )
    kind = getattr(unet.config, "addition_embed_type", None)
    if kind is not None:
        raise ValueError(f"unet wants more than a text, addition_embed_type={kind!r}, as Stable Diffusion XL's do")
    config = getattr(scheduler, "config", scheduler)
    if not isinstance(config, Mapping):
        raise TypeError(f"scheduler must be one of diffusers, or its config, got {told(scheduler)}")
    if str(config.get("variance_type", "")).startswith("learned"):
        raise ValueError("scheduler has a learned variance, which the U-Net puts out beside eps: not read here")
    predicts = config.get("prediction_type", "epsilon")
    if predicts not in THEIRS:
        raise ValueError(f"scheduler: prediction_type must be one of {', '.join(THEIRS)}, got {predicts!r}")
    return Denoiser(unet, DiffusionSchedule.from_diffusers(config), THEIRS[predicts], null)


def levels_of(scheduler: Any, steps: int) -> list[Level]:
    """The levels on which a scheduler of diffusers walks in so many steps, and its end: for `samplers.trajectory`.

    Times that it lists twice, because it asks there twice (Heun, PNDM), stand once. Levels are those of our own table, in float64.
    """
    if not hasattr(scheduler, "set_timesteps"):
        raise TypeError(f"scheduler must be one of diffusers, with set_timesteps, got {told(scheduler)}")
    scheduler, schedule = copy.deepcopy(scheduler), DiffusionSchedule.from_diffusers(scheduler)
    scheduler.set_timesteps(whole("steps", steps, 1, schedule.T))
    times = [time for time, _ in groupby(scheduler.timesteps.tolist())]
    if hasattr(scheduler, "final_alpha_cumprod"):
        noisy = float(scheduler.final_alpha_cumprod) < 1
    else:
        sigmas = getattr(scheduler, "sigmas", None)
        noisy = sigmas is not None and float(sigmas[-1]) > 0
    return [*map(schedule.at, times), schedule.at(0) if noisy else CLEAN]


def to_diffusers(model: LatentDiffusion, folder: str | Path | None = None) -> Any:
    """Our model as a StableDiffusionPipeline of diffusers: `model.save(folder)`, opened by it. Without a folder nothing stays on the disk.

    `LatentDiffusion.from_pretrained(folder)` and, after `pipeline.save_pretrained(folder)`, of theirs, is the way back: the same numbers.
    ImportError where diffusers is missing, which this course does not need: `pip install diffusers`; `model.save(folder)` goes without.
    """
    if not isinstance(model, LatentDiffusion):
        raise TypeError(f"model must be a LatentDiffusion, got {told(model)}")
    try:
        from diffusers import StableDiffusionPipeline
    except ImportError as error:
        raise ImportError(
            "to_diffusers needs diffusers, which is not installed: `pip install diffusers`. model.save(folder) writes the folder without it"
        ) from error
    dtype = next(model.denoiser.parameters()).dtype
    options = {"local_files_only": True, "safety_checker": None, "torch_dtype": dtype}
    if folder is not None:
        return StableDiffusionPipeline.from_pretrained(model.save(folder), **options)
    with tempfile.TemporaryDirectory() as name:
        return StableDiffusionPipeline.from_pretrained(model.save(Path(name) / "model"), **options)


# -- the menu -------------------------------------------------------------------------------------------------------------


class Entry(NamedTuple):
    """A name in a menu, its step, the class here ("" where there is none), and the line of diffusers, with `pipe` a pipeline."""

    name: str
    formula: str
    ours: str
    theirs: str


def _line(name: str, options: str = "") -> str:
    return f"{name}Scheduler.from_config(pipe.scheduler.config, {options or LEADING})"


LEADING = 'timestep_spacing="leading"'
_KARRAS, _SDE = "use_karras_sigmas=True", 'algorithm_type="sde-dpmsolver++"'
_2M = "D = x̂₀ + h/(2h')·(x̂₀ - x̂₀')"
_SPREAD = "the same, at levels evenly spaced in (σ/α)^(1/7)"
MENU = (
    Entry("PLMS, PNDM", "x_s/α_s = x/α + (n_s - n)·e, n = σ/α, e = (55ε₀ - 59ε₁ + 37ε₂ - 9ε₃)/24, newest first", "PNDM()",
          _line("PNDM", f"skip_prk_steps=True, {LEADING}")),
    Entry("DDIM", "x_s = α_s·x̂₀ + σ_s·ε", "DDIM()", _line("DDIM", f"clip_sample=False, {LEADING}")),
    Entry("DDPM", "x_s drawn from q(x_s given x, x̂₀)", "DDPM()", _line("DDPM", f"clip_sample=False, {LEADING}")),
    Entry("Euler", "x_s/α_s = x/α + (n_s - n)·ε", "Euler()", _line("EulerDiscrete")),
    Entry("Euler a", "x_s/α_s = x/α + (√(n_s² - u²) - n)·ε + u·z, u² = n_s²·(n² - n_s²)/n²", "EulerAncestral()",
          _line("EulerAncestralDiscrete")),
    Entry("Heun", "Euler, then again with the mean of both slopes", "Heun()", _line("HeunDiscrete")),
    Entry("LMS", "x_s/α_s = x/α + Σ w_j·ε_j, w_j the integral of the j-th Lagrange polynomial", "LMS()", _line("LMSDiscrete")),
    Entry("LMS Karras", _SPREAD, 'LMS(), levels=schedule.levels(n, "karras")', _line("LMSDiscrete", _KARRAS)),
    Entry("DPM++ 2M", f"x_s = r·x + (α_s - r·α)·D, r = σ_s/σ, {_2M}", "DPMSolverPP()", _line("DPMSolverMultistep")),
    Entry("DPM++ 2M Karras", _SPREAD, 'DPMSolverPP(), levels=schedule.levels(n, "karras")',
          _line("DPMSolverMultistep", _KARRAS)),
    Entry("DPM++ 2M SDE", f"x_s = r·d·x + α_s·(1 - d²)·D + σ_s·√(1 - d²)·z, d = e^(-h), {_2M}", "DPMSolverPP(stochastic=True)",
          _line("DPMSolverMultistep", f"{_SDE}, {LEADING}")),
    Entry("DPM++ 2M SDE Karras", _SPREAD, 'DPMSolverPP(stochastic=True), levels=schedule.levels(n, "karras")',
          _line("DPMSolverMultistep", f"{_SDE}, {_KARRAS}")),
    Entry("DPM++ 3M SDE", "as 2M SDE, with the last three x̂₀", "", _line("DPMSolverMultistep", f"{_SDE}, solver_order=3")),
    Entry("DPM++ SDE", "as 2M SDE, with a second call inside the step in the place of x̂₀'", "", _line("DPMSolverSDE")),
    Entry("DPM++ 2S a", "DPM++ with a second call inside the step, further down, and new noise", "", ""),
    Entry("DPM2", "Euler to the middle of log n, then the whole step with the slope there", "", _line("KDPM2Discrete")),
    Entry("DPM2 a", "DPM2 further down, and new noise", "", _line("KDPM2AncestralDiscrete")),
    Entry("DPM fast", "DPM-Solver of orders 3, 3, …, 2, 1", "", ""),
    Entry("DPM adaptive", "DPM-Solver of orders 2 and 3, whose difference sets the step", "", ""),
    Entry("DEIS", "the polynomial through the last slopes, integrated with its weight in λ", "", _line("DEISMultistep")),
    Entry("UniPC", "DPM++ 2M, then corrected with the slope at its end, without a further call", "", _line("UniPCMultistep")),
    Entry("LCM", "x_s = α_s·x̂₀ + σ_s·z, of a network that was trained for it", "", _line("LCM")),
    Entry("Restart", "Heun, noise put back, and the same stretch once more", "", ""),
)  # fmt: skip
"""The samplers of Stable Diffusion's menus; `ours` is "" for those that this package lacks, `theirs` for those that diffusers lacks."""


def menu() -> str:
    """`MENU` as a table in Markdown: name in the menu, formula, class here, diffusers' line."""
    rows: list[tuple[str, ...]] = [("in the menu", "formula", "here", "in diffusers"), ("---",) * 4]
    code = [[f"`{part}`" if part else "none" for part in entry[2:]] for entry in MENU]
    rows += [(entry.name, entry.formula, *lines) for entry, lines in zip(MENU, code, strict=True)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
