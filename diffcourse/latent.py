"""Latent diffusion: pictures from words, made in the small space of an autoencoder; and pictures to latents and back."""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import folders, shipped
from diffcourse.checks import check_floating, number, told, whole
from diffcourse.denoiser import Denoiser, Estimate, evaluating
from diffcourse.editing import edited, left
from diffcourse.files import atomic_write, new_folder, write_json
from diffcourse.guidance import guided
from diffcourse.images import (
    Captioned,
    CaptionedImages,
    check_images,
    check_latents,
    first_place,
    to_float,
    to_uint8,
    walk,
)
from diffcourse.models import CLIP, AutoencoderKL, TextEncoder, UNet2DCondition
from diffcourse.models.clip import listed
from diffcourse.pictures import plain_picture, read_picture
from diffcourse.rng import counter_seed, draw, image_generators
from diffcourse.samplers import DPMSolverPP, Sampler, check_walk, trajectory
from diffcourse.scenes import PHRASINGS, CaptionedDigits, caption
from diffcourse.schedule import DiffusionSchedule, Level
from diffcourse.stored import blamed, check_finite, check_plain, own_path

if TYPE_CHECKING:
    from PIL.Image import Image


class LatentDiffusion(nn.Module):
    """Pictures from words: a denoiser that reads a prompt turns noise into latents, and an autoencoder makes a picture of them.

        prompt ── text ───────── (B, L, D) ─────────┐
        noise  (B, 4, h, w) ── denoiser, `steps` times ── latents (B, 4, h, w) ── autoencoder.decode ── image (B, 3, H, W)

    Rombach et al. 2022, figure 3; Stable Diffusion is one of these.

    autoencoder  an `AutoencoderKL`, which owns the scale of its latents
    denoiser     a `Denoiser` of latents; its null condition is the embedding of the empty text, null=text("")[0]
    text         a `TextEncoder`, or the `CLIP` that it is half of
    size         the side of its pictures in pixels: of those that it was trained on

    Autoencoder and text are frozen here: what is trained is the denoiser.
    """

    PARTS = ("autoencoder", "denoiser", "text")  # in the order of the arguments
    SHARED = ("autoencoder", "text")  # may be shipped weights of their own, which the saved model refers to

    def __init__(self, autoencoder: AutoencoderKL, denoiser: Denoiser, text: TextEncoder | CLIP, *, size: int = 64):
        super().__init__()
        text = text.text if isinstance(text, CLIP) else text
        _check_parts(autoencoder, denoiser, text, size)
        self.autoencoder = autoencoder.requires_grad_(False)
        self.denoiser = denoiser
        self.text = text.requires_grad_(False)
        self.size = size

    def loss(
        self,
        images: Tensor,
        captions: Sequence[str],
        generator: torch.Generator | None = None,
        *,
        drop_prob: float = 0.1,
        weight: Callable[[Level], Tensor] | None = None,
    ) -> Tensor:
        """E |eps - eps_theta(z_t, t, text(caption))|² with z = encode(image): Rombach et al. 2022, equation 3, for any parameterisation.

        images (B, 3, H, W) in [-1, 1] and B captions, each dropped with probability drop_prob, so that the denoiser also learns to draw
        without one; weight as in `Denoiser.loss`. `CachedLatents` spares encoding the same images at every visit.
        """
        with torch.no_grad(), evaluating(self.autoencoder), evaluating(self.text):
            latents, text = self.autoencoder.encode(images, generator), self.text(captions)
        if len(text) != len(images):
            raise ValueError(f"captions must be one an image, {len(images)}, got {len(text)}")
        return self.denoiser.loss(latents, text, drop_prob=drop_prob, weight=weight, generator=generator)

    def generate(
        self,
        prompts: str | Sequence[str] | Tensor,
        *,
        guidance: float = 5.0,
        steps: int = 20,
        levels: Sequence[Level] | None = None,
        sampler: Sampler = DPMSolverPP(),
        seed: int | None = 0,
        negative: str | Sequence[str] | Tensor = "",
        image: "Tensor | Image | Sequence[Image] | None" = None,
        strength: float | None = None,
        mask: "Tensor | Image | None" = None,
        x: Tensor | None = None,
        first: int = 0,
        batch: int | None = None,
        progress: bool = True,
        **others: Any,
    ) -> Tensor:
        """One picture a prompt, (B, 3, H, W) in [-1, 1]: the end of `trajectory`, which explains the arguments, decoded.

        Outside a mask it is `image` itself, pixel by pixel: what is encoded and decoded loses a little each time.
        batch: so many at once, all by default; the pictures are the same, and memory does not grow with their number.
        """
        from tqdm.auto import tqdm

        _check_no_others("generate", others)
        asked = self._asked(prompts, negative, x, image, strength, mask, steps, levels, sampler)
        B, first, pictures = len(asked.prompts), whole("first", first, 0), []
        size = B if batch is None else whole("batch", batch, 1)
        with tqdm(total=asked.estimates * -(-B // size), disable=not progress, leave=False) as bar:
            for lo in range(0, B, size):
                some = asked.rows(lo, lo + size)
                for now in self._walk(some, guidance, sampler, seed, first + lo):
                    z = now.x
                    bar.update()
                with torch.no_grad(), evaluating(self.autoencoder):
                    drawn = self.autoencoder.decode(z).clamp(-1, 1)
                if some.mask is not None and some.image is not None:
                    drawn = torch.where(some.mask.to(drawn.device), drawn, some.image.to(drawn.device))
                pictures.append(drawn)
        return torch.cat(pictures)

    def trajectory(
        self,
        prompts: str | Sequence[str] | Tensor,
        *,
        guidance: float = 5.0,
        steps: int = 20,
        levels: Sequence[Level] | None = None,
        sampler: Sampler = DPMSolverPP(),
        seed: int | None = 0,
        negative: str | Sequence[str] | Tensor = "",
        image: "Tensor | Image | Sequence[Image] | None" = None,
        strength: float | None = None,
        mask: "Tensor | Image | None" = None,
        x: Tensor | None = None,
        first: int = 0,
        **others: Any,
    ) -> Iterator[Estimate]:
        """What `generate` goes through, as `samplers.trajectory` yields it: steps + 1 estimates, of which x and x0 are latents.

        prompts    texts, one a picture; or their states (B, L, D), which `text` and `editing.prompt_walk` make
        guidance   eps_none + guidance·(eps_prompt - eps_none): 1 is the plain model, more follows the prompt more strictly
        levels     where to go, noisiest first, instead of the schedule's `steps` levels
        negative   what the picture is led away from in place of the empty text, one for all or one a prompt; not looked at with guidance 1
        seed       picture i starts from a hash of (seed, first + i): the same alone and in any batch. None: a new one each time
        image      one picture to begin with, or one a prompt: (B, 3, H, W) in [-1, 1], or what PIL opens. Encoded, without a draw
        strength   from 0 to 1, how far back to go: the image is noised to where the last int(steps·strength) steps begin, and these are
                   taken (`editing.edited`). 1: nothing of it is left, as without an image; 0: it comes back, encoded and decoded. By
                   default 0.8, and 1 with a mask, as in diffusers; with `levels` all of them, from the image noised to the first
        mask       (H, W), or (B, 1, H, W), true or 1 where the image is drawn anew, 0 where it stays; or a PIL image, white and black. An
                   entry of the latents is drawn anew where any of its pixels is
        x          the noise (B, 4, h, w) to start from instead, of any height and width, or of the image's

        There are no other arguments: the names that other libraries have for these are told what they are called here.
        """
        _check_no_others("trajectory", others)
        asked = self._asked(prompts, negative, x, image, strength, mask, steps, levels, sampler)
        return self._walk(asked, guidance, sampler, seed, first)

    def _asked(
        self,
        prompts: Any,
        negative: Any,
        x: Any,
        image: Any,
        strength: Any,
        mask: Any,
        steps: Any,
        levels: Any,
        sampler: Sampler,
    ) -> "_Asked":
        """What is asked for, looked at: all that has a row for each picture, or one for all, and where to go."""
        prompts, negative = (self._texts(v, name) for v, name in ((prompts, "prompts"), (negative, "negative")))
        B, z, f = len(prompts), self.autoencoder.latent_channels, self.autoencoder.factor
        if len(negative) not in (1, B):
            raise ValueError(f"negative must be one text, or one for each of the {B} prompts, got {len(negative)}")
        for name, value in (("strength", strength), ("mask", mask)):
            if image is None and value is not None:
                raise ValueError(
                    f"{name} needs an image: without one there is nothing to begin with, and nothing to keep"
                )
        if image is not None:
            image = _pictures(image, B, self.autoencoder)
            mask = None if mask is None else _mask(mask, image, B)
        h, w = ("h", "w") if image is None else (image.shape[2] // f, image.shape[3] // f)
        right = isinstance(x, Tensor) and x.ndim == 4 and x.shape[:2] == (B, z)
        if x is not None and not (right and (image is None or x.shape[2:] == (h, w))):
            got = tuple(x.shape) if isinstance(x, Tensor) else type(x).__name__
            raise ValueError(f"x must be noisy latents ({B}, {z}, {h}, {w}), one for each of the prompts, got {got}")
        if strength is not None:
            strength = number("strength", strength, 0, 1)
        elif image is not None and levels is None:
            strength = 0.8 if mask is None else 1.0
        levels = self.levels(steps, sampler) if levels is None else levels
        check_walk(levels)
        return _Asked(prompts, negative, x, image, mask, strength, levels)

    def _texts(self, texts: Any, name: str) -> list[str] | Tensor:
        """A list of texts, or their states (B, L, D)."""
        if not isinstance(texts, Tensor):
            return listed(texts, name)
        check_floating(name, texts)
        if texts.ndim != 3 or texts.shape[1:] != (self.text.length, self.text.dim) or not len(texts):
            wanted = f"(B, {self.text.length}, {self.text.dim})"
            raise ValueError(f"{name} must be texts, or their states {wanted}, got shape {tuple(texts.shape)}")
        return texts

    def _walk(
        self, asked: "_Asked", guidance: float, sampler: Sampler, seed: int | None, first: int
    ) -> Iterator[Estimate]:
        B, z = len(asked.prompts), self.autoencoder.latent_channels
        own = getattr(self.denoiser.network, "pictures", 1)  # that it draws along, as `adapters.Controlled` does
        if own not in (1, B):
            raise ValueError(
                f"prompts must be {own} at once, one for each picture that this model draws along, got {B}"
            )
        with torch.no_grad(), evaluating(self.text), evaluating(self.autoencoder):
            cond, uncond = self._states(asked.prompts), None
            if isinstance(asked.negative, Tensor) or set(asked.negative) != {""}:
                uncond = self._states(asked.negative).expand_as(cond)
            weight = next(self.autoencoder.parameters())
            z0 = None if asked.image is None else self.autoencoder.encode(asked.image.to(weight), sample=False)
        generators = image_generators(B, seed, first)
        like = cond.new_empty(B, z, *self.sides) if z0 is None else z0.expand(B, -1, -1, -1)
        noise = draw(like, generators) if asked.x is None else asked.x
        denoise = guided(self.denoiser, cond, guidance, uncond=uncond)
        if z0 is None:
            return trajectory(denoise, noise, asked.levels, sampler, generators)
        mask = None if asked.mask is None else coarser(asked.mask, self.autoencoder.factor)
        noise, strength = noise.to(like), asked.strength
        return edited(denoise, like, asked.levels, sampler, generators, strength=strength, mask=mask, noise=noise)

    def _states(self, texts: list[str] | Tensor) -> Tensor:
        return texts.to(self.denoiser.null) if isinstance(texts, Tensor) else self.text(texts)

    def spec(self, describe: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What `from_spec` needs to make an empty twin, JSON values only; `describe` describes the parts."""
        return {"type": "LatentDiffusion", "size": self.size, **{p: describe(getattr(self, p)) for p in self.PARTS}}

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], build: Callable[[Mapping[str, Any]], nn.Module]) -> Self:
        """The empty twin that `spec` describes; `build` makes the parts."""
        return cls(*(build(spec[part]) for part in cls.PARTS), size=spec["size"])

    def save(self, folder: str | Path) -> Path:
        """Write everything into a folder laid out as Stable Diffusion's: `from_pretrained` and diffusers' StableDiffusionPipeline read it.

        As a whole or not at all: what lay in the folder is replaced when all is written; model_index.json, which names the parts, comes
        last, and a folder without it is not whole. ~ is the home folder; the bare name of shipped weights is refused, "./captioned-ldm" is
        yours. ValueError for what this layout has no place for (`weights.save` has): predicts="flow", a null that is not the text "".
        """
        folder, network, predicts = own_path(folder), self.denoiser.network, self.denoiser.predicts
        if not isinstance(network, UNet2DCondition):
            raise TypeError(f"denoiser must hold a UNet2DCondition to be saved, got {type(network).__name__}")
        check_plain(network)
        if predicts not in folders.PREDICTION_TYPES:
            raise ValueError(
                f"denoiser predicts {predicts!r}; this layout knows only {', '.join(folders.PREDICTION_TYPES)}"
            )
        if not torch.allclose(self.denoiser.null.float(), self.text("")[0].float(), rtol=0.01, atol=0.01):
            raise ValueError(
                "denoiser has a null of its own, for which this layout has no place: weights.save keeps it"
            )
        scheduler = {**self.denoiser.schedule.to_diffusers(), "prediction_type": folders.PREDICTION_TYPES[predicts]}
        with new_folder(folder, last=folders.INDEX) as new:
            _write_part(new / "unet", network, {"sample_size": self.size // self.autoencoder.factor})
            _write_part(new / "vae", self.autoencoder, {"sample_size": self.size})
            self.text.save_pretrained(new)
            write_json(new / folders.SCHEDULER, {**self._tells(), **scheduler})
            write_json(new / folders.INDEX, folders.MODEL_INDEX)
        return folder

    @classmethod
    def from_pretrained(
        cls,
        folder: str | Path,
        device: str | torch.device | None = None,
        *,
        dtype: torch.dtype | None = torch.float32,
        download: bool = False,
    ) -> Self:
        """A folder in the layout of Stable Diffusion 1.x, as `save` and diffusers write it, whole and in eval mode.

        folder    a path; a shipped name ("captioned-ldm"); or a name of the Hugging Face hub, which is looked up in its cache only, unless
                  download=True: then size, licence, time and memory are said before it comes
        dtype     of its numbers; None: float32 on a CPU, float16 elsewhere

        Safetensors only, in one file a part or several; where a part has only files in half precision (fp16), those are read. ValueError or
        an OSError in one sentence names the file, and what it is that lies there; no code in the folder is run. What its scheduler asks for
        beside the noise schedule, `generate` decides; a warning tells where pictures would differ.
        """
        device, dtype = suited(device, dtype)
        if shipped.is_name(folder):
            if not isinstance(model := shipped.find(folder), LatentDiffusion):
                raise ValueError(f"{folder!r} is a {type(model).__name__}, not a {cls.__name__}")
            return cls._like(model).to(device, dtype)
        parts = folders.read(folder, download=download, half=dtype != torch.float32)
        with blamed(f"the folder {str(folder)!r} cannot be read"):
            schedule, null = DiffusionSchedule.from_diffusers(parts.scheduler), parts.text("")[0]
            denoiser = Denoiser(parts.network, schedule, parts.predicts, null=null)
            size = parts.side * parts.autoencoder.factor
            whole = cls(parts.autoencoder, denoiser, parts.text, size=size, **cls._asks(parts.scheduler))
        for key in NOT_DONE:
            if parts.scheduler.get(key):
                warnings.warn(
                    f"scheduler_config.json has {key}={parts.scheduler[key]!r}, which is not done here: pictures can differ",
                    stacklevel=2,
                )
        return whole.to(device, dtype).eval()

    # -- what a subclass decides ----------------------------------------------------------------------------------------

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the latents that are drawn."""
        return (self.size // self.autoencoder.factor,) * 2

    def levels(self, steps: int, sampler: Sampler | None = None) -> list[Level]:
        """Where `generate` goes in so many steps."""
        return self.denoiser.schedule.levels(steps)

    @classmethod
    def _asks(cls, scheduler: Mapping[str, Any]) -> dict[str, Any]:
        """More arguments of the class, from a scheduler_config.json."""
        return {}

    def _tells(self) -> dict[str, Any]:
        """What a scheduler_config.json says beside betas and what is predicted."""
        return folders.WALK

    @classmethod
    def _like(cls, model: "LatentDiffusion") -> Self:
        """The same parts, in this class."""
        return model  # type: ignore[return-value]


RENAMED = {  # arguments of other libraries that mean the same here
    "prompt": "prompts",
    "prompt_embeds": "prompts",
    "negative_prompt": "negative",
    "negative_prompt_embeds": "negative",
    "guidance_scale": "guidance",
    "num_inference_steps": "steps",
    "latents": "x",
    "init_image": "image",
    "mask_image": "mask",
}
_MORE = "one picture is drawn for each prompt, so give [prompt] * n, and batch=... for a few at a time"
_SIZE = "pictures are as large as image, or f = 8 times as large as x, noise (B, 4, height/f, width/f)"
ELSEWHERE = {  # and those for which something else is done
    "scheduler": "here it is sampler",
    "generator": "here it is seed",
    "output_type": "pictures are a tensor in [-1, 1]; images.to_uint8 makes bytes of it, plot.save a file",
    "batch": "here all walk at once; generate has it",  # of `trajectory`
    **dict.fromkeys(("n", "num_images_per_prompt"), _MORE),
    **dict.fromkeys(("height", "width"), _SIZE),
    **dict.fromkeys(("callback", "callback_on_step_end"), "trajectory yields every step"),
}


def _check_no_others(name: str, others: Mapping[str, Any]) -> None:
    for other, value in others.items():
        said = f"; {ELSEWHERE[other]}" if other in ELSEWHERE else ""
        if other in RENAMED:
            short = isinstance(value, str | int | float) and len(repr(value)) <= 60
            said = f"; here it is {RENAMED[other]}" + f"={value!r}" * short
        elif other == "eta":
            said = f"; here it belongs to the sampler: sampler=DDIM({value!r})"
        raise TypeError(f"{name}() got an unexpected keyword argument {other!r}{said}")


class _Asked(NamedTuple):
    """What `generate` was asked for, one row a picture or one for all; image (1 or B, 3, H, W), mask bool (1 or B, 1, H, W). And where to
    go, and which part of that way."""

    prompts: list[str] | Tensor
    negative: list[str] | Tensor
    x: Tensor | None
    image: Tensor | None
    mask: Tensor | None
    strength: float | None
    levels: Sequence[Level]

    @property
    def estimates(self) -> int:
        """How many come."""
        return len(self.levels if self.strength is None else left(self.levels, self.strength))

    def rows(self, lo: int, hi: int) -> "_Asked":
        """The same for pictures lo..hi only."""
        B, names = len(self.prompts), ("prompts", "negative", "x", "image", "mask")
        each = {name: v[lo:hi] for name in names if (v := getattr(self, name)) is not None and len(v) == B}
        return self._replace(**each)


def _pictures(image: Any, B: int, vae: AutoencoderKL) -> Tensor:
    """(1 or B, C, H, W) in [-1, 1], of sides that the autoencoder takes."""
    if not isinstance(image, Tensor):
        some = image if isinstance(image, list | tuple) else [image]
        if not some or not all(hasattr(v, "convert") for v in some):
            raise TypeError(f"image must be a tensor (B, {vae.in_channels}, H, W), or PIL images, got {told(image)}")
        image = pil_to_images(some, vae, "image")
    check_images(image, name="image")
    N, C, H, W = image.shape
    if N not in (1, B) or vae.in_channels != C or H % vae.factor or W % vae.factor:
        wanted = f"(1 or {B}, {vae.in_channels}, H, W) for {B} prompts, with H and W multiples of {vae.factor}"
        raise ValueError(f"image must be {wanted}, got {tuple(image.shape)}")
    if not -1.001 <= float(image.min()) <= float(image.max()) <= 1.001:
        raise ValueError(f"image must lie in [-1, 1], got values from {image.min():g} to {image.max():g}")
    return image.detach()


def _mask(mask: Any, image: Tensor, B: int) -> Tensor:
    """(1 or B, 1, H, W), true where the image is drawn anew."""
    if hasattr(mask, "convert"):
        mask = torch.from_numpy(np.array(plain_picture(read_picture(mask), "L")) >= 128)
    if not isinstance(mask, Tensor) or mask.is_complex():
        raise TypeError(f"mask must be a tensor, or a PIL image, got {told(mask)}")
    size = tuple(image.shape[2:])
    if not (
        mask.shape == size or (mask.ndim == 4 and mask.shape[2:] == size and mask.shape[1] == 1 and len(mask) in (1, B))
    ):
        raise ValueError(f"mask must be of the image's size, {size} or (1 or {B}, 1, *{size}), got {tuple(mask.shape)}")
    if mask.dtype != torch.bool and not bool(((mask == 0) | (mask == 1)).all()):
        came = f"values from {float(mask.min()):g} to {float(mask.max()):g}"
        raise ValueError(
            f"mask must hold 1 where the image is drawn anew and 0 where it stays, got {came}: mask > 0.5 is one"
        )
    return mask.bool().view(-1, 1, *size)


def coarser(mask: Tensor, factor: int) -> Tensor:
    """A mask (B, 1, H, W) for latents, (B, 1, H/factor, W/factor): true where any of its pixels is, so that all of them can change."""
    return F.max_pool2d(mask.float(), factor) > 0


def _check_parts(autoencoder: Any, denoiser: Any, text: Any, size: Any) -> None:
    parts = ("autoencoder", autoencoder, AutoencoderKL), ("denoiser", denoiser, Denoiser), ("text", text, TextEncoder)
    for name, part, kind in parts:
        if not isinstance(part, kind):
            raise TypeError(
                f"{name} must be a {kind.__name__}, got {type(part).__name__}; the order is (autoencoder, denoiser, text)"
            )
    wanted = (text.length, text.dim)
    if denoiser.null is None or tuple(denoiser.null.shape) != wanted:
        got = "none" if denoiser.null is None else f"one of shape {tuple(denoiser.null.shape)}"
        raise ValueError(f"denoiser must have the embedding of '' {wanted} as null, null=text('')[0], but has {got}")
    for name, theirs, ours in (
        ("in_channels", getattr(denoiser.network, "in_channels", None), autoencoder.latent_channels),
        ("cross_attention_dim", getattr(denoiser.network, "cross_attention_dim", None), text.dim),
    ):
        if theirs not in (None, ours):
            raise ValueError(f"denoiser has {name}={theirs}, but the other parts need {ours}")
    if not isinstance(size, int) or size < 1 or size % autoencoder.factor:
        raise ValueError(f"size must be a multiple of the autoencoder's factor {autoencoder.factor}, got {size!r}")


# -- a folder laid out as Stable Diffusion's --------------------------------------------------------------------------

NOT_DONE = ("thresholding", "clip_sample")  # changes what the network says, where `generate` takes it as it is
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def suited(device: str | torch.device | None, dtype: torch.dtype | None) -> tuple[torch.device, torch.dtype]:
    """Where a model is to be, and in which numbers: float32 on a CPU, float16 elsewhere, if nothing else is said."""
    if isinstance(device, torch.dtype):
        raise TypeError(f"device must be one such as 'cuda', got the dtype {device}: give dtype={device}")
    device = torch.device(device or "cpu")
    dtype = dtype or (torch.float32 if device.type in ("cpu", "meta") else torch.float16)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be torch.float32, torch.float16 or torch.bfloat16, got {dtype!r}")
    return device, dtype


def _write_part(folder: Path, part: nn.Module, more: dict[str, Any]) -> None:
    import safetensors.torch

    with blamed(f"cannot write {str(folder)!r}"):
        check_finite(part.state_dict())
    with atomic_write(folder / "diffusion_pytorch_model.safetensors") as file:
        file.write(safetensors.torch.save({k: v.cpu().contiguous() for k, v in part.state_dict().items()}))
    write_json(folder / "config.json", {**part.to_diffusers(), **more})


# -- training on latents ----------------------------------------------------------------------------------------------


class Latents(NamedTuple):
    """`latents` (B, 4, h, w), scaled, and `captions`; of scenes also their `attributes` (B, 5), of which a caption may leave some out."""

    latents: Tensor
    captions: list[str]
    attributes: Tensor | None


BLOCK = (
    100  # scenes are encoded so many at a time, always the same ones: then each has the same bits whenever that happens
)


class CachedLatents:
    """Scenes, or own pictures with captions (`data.captions`), as data for `fit`: each is encoded when first asked for, and only then.

    n: 60,000 of the scenes, of which there is no end, by default; of own pictures, all. Kept are the posterior's mean and standard
    deviation, 2 kB a scene: every visit draws its latents anew, and words its caption anew. The first epoch shows the scenes in their own
    order, and each later one in a new one. seed: of the scenes, as in `scenes.batch`.

    leave_out, from 0 to 0.5: captions leave each attribute out with this probability, so that prompts may do so too. The probability itself
    is drawn for each visit, uniformly from 0 to 2·leave_out: with 0.3, 28 % of captions still name all five attributes, 6 % a single one.
    Of own pictures the captions stay as they are.
    """

    def __init__(
        self,
        scenes: CaptionedDigits | CaptionedImages,
        autoencoder: AutoencoderKL,
        n: int | None = None,
        *,
        seed: int = 0,
        leave_out: float = 0.0,
    ):
        if not isinstance(scenes, CaptionedDigits | CaptionedImages):
            raise TypeError(f"scenes must be data.captioned_digits() or data.captions(…), got {told(scenes)}")
        own = len(scenes) if isinstance(scenes, CaptionedImages) else None
        self.n = whole("n", own or 60_000 if n is None else n, 1, own)
        self.scenes, self.autoencoder, self.seed = scenes, autoencoder, seed
        self.leave_out = number(
            "leave_out", leave_out, 0, 0 if own else 0.5, why="own captions stay as they are" if own else ""
        )
        self._blocks: dict[int, tuple[Tensor, Tensor, Tensor | list[str]]] = {}  # mean, std, attributes or captions

    def __len__(self) -> int:
        return self.n

    @property
    def source(self) -> str:
        """Where the digits came from."""
        return self.scenes.source

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Latents:
        """The latents of training step `step`, a function of its arguments alone (and of those that made this cache)."""
        first = first_place(step, batch_size, rank, world)
        places = range(first, first + batch_size)
        index = walk(self.n, first, batch_size, seed).tolist()
        index = [place if place < self.n else i for place, i in zip(places, index, strict=True)]
        entries = [tuple(part[i % BLOCK] for part in self._block(i // BLOCK)) for i in index]
        means, stds, named = zip(*entries, strict=True)
        mean, std = torch.stack(means), torch.stack(stds)
        generator = torch.Generator().manual_seed(counter_seed(seed, "latents", step, rank))
        latents = mean + std * draw(mean, generator)
        if isinstance(self.scenes, CaptionedImages):
            return Latents(latents, list(named), None)
        attributes = torch.stack(named)
        captions = [self._caption(row, place, seed) for row, place in zip(attributes.tolist(), places, strict=True)]
        return Latents(latents, captions, attributes)

    def _caption(self, attributes: list[int], place: int, seed: int) -> str:
        """Of the scene at a place of the walk: its words, and what they leave out, follow from (seed, place)."""
        phrasing = counter_seed(seed, "phrasing", place)
        if not self.leave_out:
            return caption(attributes, phrasing % PHRASINGS)
        code, share = divmod(counter_seed(seed, "left out", place), 1000)  # 63 random bits, spent by the thousand
        named: list[int | None] = []
        for value in attributes:
            code, part = divmod(code, 1000)
            named.append(None if part < 2 * self.leave_out * share else value)
        return caption(named, phrasing)

    @torch.no_grad()
    def _block(self, k: int) -> tuple[Tensor, Tensor, Tensor | list[str]]:
        if k not in self._blocks:
            scenes, vae = self.scenes.batch(k, BLOCK, seed=self.seed), self.autoencoder
            mean, log_var = vae.posterior(scenes.images.to(next(vae.parameters())))
            mean, std = (vae.scaling_factor * part.float().cpu() for part in (mean, (log_var / 2).exp()))
            self._blocks[k] = (mean, std, scenes.captions if isinstance(scenes, Captioned) else scenes.attributes)
        return self._blocks[k]


# -- pictures ---------------------------------------------------------------------------------------------------------


def load_image(path: str | Path, size: int = 512) -> "Image":
    """A picture file (JPEG, PNG, WebP, …) as RGB, turned as its camera noted, cut to the square in its middle and resized to size x size.

    size must be a multiple of 8, so that the picture fits the autoencoder. FileNotFoundError; ValueError if the file is no picture.
    """
    from PIL import Image, ImageOps

    if size < 8 or size % 8:
        raise ValueError(f"size must be a multiple of 8, got {size}")
    picture = plain_picture(read_picture(path, about=size, name="path"), "RGB")
    return ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)


@torch.no_grad()
def pil_to_latents(
    images: "Image | Sequence[Image]",
    vae: AutoencoderKL,
    generator: torch.Generator | None = None,
    *,
    sample: bool = True,
) -> Tensor:
    """Pictures of one size, or a single one -> latents (B, latent_channels, H/8, W/8), scaled, on the autoencoder's device.

    Sides must be multiples of 8 (the autoencoder's `factor`): crop or resize before. Grey, palette and transparent pictures become RGB, the
    last on white paper. sample=False gives the posterior's mean, the same at every call.
    """
    x = pil_to_images(images, vae)
    return vae.encode(x.to(next(vae.parameters())), generator, sample=sample)


def pil_to_images(images: Any, vae: AutoencoderKL, name: str = "images") -> Tensor:
    """PIL images of one size, or a single one -> (B, C, H, W) in [-1, 1], as many channels as the autoencoder takes."""
    images = [images] if hasattr(images, "convert") else images
    if not isinstance(images, Sequence) or not images or not all(hasattr(image, "convert") for image in images):
        kinds = [type(v).__name__ for v in images] if isinstance(images, list | tuple) else told(images)
        raise TypeError(f"{name} must be PIL images, at least one, got {kinds}")
    if len(sizes := {image.size for image in images}) > 1:
        raise ValueError(f"{name} must be of one size, got {', '.join(f'{w}x{h}' for w, h in sorted(sizes))}")
    mode = {1: "L", 3: "RGB"}[vae.in_channels]
    pixels = np.stack([np.atleast_3d(np.asarray(plain_picture(read_picture(image), mode))) for image in images])
    return to_float(torch.from_numpy(pixels).permute(0, 3, 1, 2))


@torch.no_grad()
def latents_to_pil(latents: Tensor, vae: AutoencoderKL) -> "list[Image]":
    """Latents (B, latent_channels, h, w), scaled as `encode` and `pil_to_latents` return them -> a list of B pictures, 8 times as large.

    ValueError where latents, or what they decode to, are not finite: they would be black pictures.
    """
    from PIL import Image

    if not isinstance(vae, AutoencoderKL):
        raise TypeError(f"vae must be an AutoencoderKL, got {type(vae).__name__}")
    if check_latents(latents).shape[1] != vae.latent_channels:
        raise ValueError(f"latents must be (B, {vae.latent_channels}, h, w), got {tuple(latents.shape)}")
    decoded = check_latents(vae.decode(latents.to(next(vae.parameters()))), "decoded pictures")
    pixels = to_uint8(decoded).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image) for image in pixels]
