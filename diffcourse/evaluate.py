"""How what a model draws is evaluated: who draws, with what sampler, who judges, beside what ceiling.

Recipes, benchmarks, lessons and the command line ask here, so that a number in a table and one on a card are of the same protocol.
"""

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from diffcourse import metrics
from diffcourse.checks import one_of, whole
from diffcourse.denoiser import Denoiser
from diffcourse.guidance import clipped, guided
from diffcourse.latent import LatentDiffusion
from diffcourse.metrics import MNIST_SHARES
from diffcourse.rng import counter_seed
from diffcourse.samplers import DPMSolverPP, Sampler, sample
from diffcourse.scenes import ATTRIBUTES, Scenes, caption
from diffcourse.schedule import Level
from diffcourse.scoring import Report, report

__all__ = [
    "MNIST_SHARES",
    "SAMPLER",
    "SHORT",
    "Report",
    "asked_for",
    "digits",
    "drawn",
    "in_parts",
    "plus_minus",
    "prompts_followed",
    "report",
    "scenes_ceiling",
    "score",
    "short_captions",
    "short_prompts_followed",
]
SAMPLER = DPMSolverPP()
SHORT = {  # forms of prompts, and what of `scenes.ATTRIBUTES` they name
    "all five": ("digit", "ink", "size", "background", "position"),
    "no position": ("digit", "ink", "size", "background"),
    "no size": ("digit", "ink", "background", "position"),
    "no background": ("digit", "ink", "size", "position"),
    "no ink": ("digit", "size", "background", "position"),
    "no digit": ("ink", "size", "background", "position"),
    "digit, ink, background": ("digit", "ink", "background"),
    "digit, ink": ("digit", "ink"),
    "digit, position": ("digit", "position"),
    "digit": ("digit",),
}


# -- digits -----------------------------------------------------------------------------------------------------------


def digits(
    model: Denoiser,
    n: int,
    *,
    guidance: float = 1.0,
    steps: int = 20,
    sampler: Sampler = SAMPLER,
    seed: int = 0,
    levels: Sequence[Level] | None = None,
    batch: int = 200,
) -> tuple[Tensor, Tensor]:
    """n samples (n, 1, 28, 28) and the labels asked for: drawn as often as they are in MNIST, so that distances compare like with like."""
    if not isinstance(model, Denoiser):
        raise TypeError(f"model must be a Denoiser of digits, got {type(model).__name__}")
    labels = asked_for(n, seed)
    denoise = clipped(guided(model, labels, guidance))
    shape = (n, 1, 28, 28)
    return sample(denoise, model.schedule, shape, sampler, steps, seed=seed, levels=levels, batch=batch), labels


def asked_for(n: int, seed: int = 0) -> Tensor:
    """n labels, drawn as often as they are in MNIST: what `digits` asks for."""
    n, seed = whole("n", n, 1), whole("seed", seed)
    return torch.multinomial(MNIST_SHARES, n, replacement=True, generator=torch.Generator().manual_seed(seed))


def score(images: Tensor, labels: Tensor) -> tuple[dict[str, float], float]:
    """A line of the table on a card, and the floor of its distance."""
    distance, accuracy = metrics.distance(images), metrics.label_accuracy(images, labels)
    line = {
        "distance": round(distance.value, 3),
        "times_floor": round(distance.ratio, 2),
        "right": round(accuracy.right, 4),
        "recognisable": round(accuracy.recognisable, 4),
    }
    return line, round(distance.floor, 3)


# -- scenes -----------------------------------------------------------------------------------------------------------


def drawn(model: LatentDiffusion, prompts: list[str], **options: Any) -> Tensor:
    """`model.generate(prompts, **options)`, a hundred at a time: the same pictures as all at once."""
    if isinstance(prompts, str) or not isinstance(prompts, Sequence) or not prompts:
        raise ValueError(f"prompts must be a list of texts, at least one, got {prompts!r}")
    return model.generate(prompts, batch=100, progress=False, **options)


def prompts_followed(images: Tensor, scenes: Scenes) -> dict[str, float]:
    """The shares of `metrics.prompt_accuracy`, for a card."""
    return {name: round(share, 4) for name, share in metrics.prompt_accuracy(images, scenes.attributes).shares.items()}


def short_captions(shown: Scenes, named: Collection[str]) -> list[str]:
    """For each scene a caption that names these of `scenes.ATTRIBUTES` alone, in one of its wordings: which one follows from its number."""
    for name in named:
        one_of("named", name, ATTRIBUTES)
    rows = [
        [v if name in named else None for name, v in zip(ATTRIBUTES, row, strict=True)]
        for row in shown.attributes.tolist()
    ]
    return [caption(row, counter_seed("short caption", i)) for i, row in enumerate(rows)]


def short_prompts_followed(model: LatentDiffusion, shown: Scenes) -> dict[str, float]:
    """For each form of prompt in `SHORT`: the share of pictures that show all that it names, with guidance 5 and 20 steps."""
    asked = {form: short_captions(shown, named) for form, named in SHORT.items()}
    images = {form: drawn(model, prompts, guidance=5.0, steps=20) for form, prompts in asked.items()}
    return {form: round(metrics.prompt_accuracy(images[form], prompts).together, 4) for form, prompts in asked.items()}


def scenes_ceiling(model: LatentDiffusion, shown: Scenes) -> metrics.PromptAccuracy:
    """The prompt accuracy of the autoencoder's reconstructions of true scenes: what is lost on the way through the latents alone.

    A mark to compare with and no bound: a denoiser may draw clearer digits than people write, and be read better.
    """
    if not isinstance(model, LatentDiffusion) or not isinstance(shown, Scenes):
        kinds = f"{type(model).__name__} and {type(shown).__name__}"
        raise TypeError(f"model and shown must be a LatentDiffusion and Scenes, got {kinds}")
    recon = in_parts(partial(model.autoencoder, sample=False), shown.images)
    return metrics.prompt_accuracy(recon, shown.attributes)


# -- both -------------------------------------------------------------------------------------------------------------


def in_parts(function: Callable[[Tensor], Tensor], batch: Tensor, size: int = 100) -> Tensor:
    """function(batch), computed `size` entries at a time and without gradients."""
    if not isinstance(batch, Tensor) or not batch.ndim or not len(batch):
        came = tuple(batch.shape) if isinstance(batch, Tensor) else type(batch).__name__
        raise ValueError(f"batch must be a tensor with at least one entry, got {came}")
    size = whole("size", size, 1)
    with torch.no_grad():
        return torch.cat([function(part) for part in batch.split(size)])


def plus_minus(share: float, se: float) -> str:
    return f"{share:.4f} ± {se:.4f}"
