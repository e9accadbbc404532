"""Text and image: a small CLIP of scenes and their captions, and its tokenizer."""

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from diffcourse import data, metrics, scenes
from diffcourse.evaluate import plus_minus
from diffcourse.gaussian import share_se
from diffcourse.models import CLIP
from diffcourse.models.clip import learned_tokenizer
from diffcourse.recipes.recipe import Recipe
from diffcourse.scenes import Scenes


def caption_tokenizer() -> Any:
    """The tokenizer of the captions, learned from them: each of their 61 words and marks is one token."""
    looks = [(k % 10, k % 8, k % 2, (k + 3) % 8, k % 9) for k in range(72)]  # every value with every wording of it
    return learned_tokenizer(scenes.caption(look, p) for look in looks for p in range(scenes.PHRASINGS))


def tiny_clip(tokenizer: Any = None) -> CLIP:
    """A small CLIP: captions of up to 17 tokens, 64x64 scenes in 64 patches; unfrozen, to be trained.

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
    """Start values of the image half with which a narrow one learns to see within minutes; CLIP's own are made for 768 channels.

    Queries and keys 4 times as large: attention starts by choosing, not by averaging. Filters of a patch answer to its strokes 5 times as
    much as to its mean colour. Positions start as waves down and across, periods of 3.2 to 32 patches, so that near ones are alike.
    """
    start, side = clip.vision_model.embeddings, clip.vision_model.embeddings.image_size // 8
    layers: Any = clip.vision_model.encoder.layers
    for layer in layers:
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
            table[name][attribute] = plus_minus(right, share_se(right, n))
    return table


RECIPES = {
    "tiny-clip": Recipe(
        about="Brings captions and 64x64 scenes into one space; its text half tells a denoiser what to draw.",
        headline="caption found among 32: {test scenes[caption_of_image]} of the test scenes",
        build=tiny_clip,
        loss=clip_loss,
        steps={"smoke": 20, "laptop": 18_000, "gpu": 60_000},
        measure=measure_clip,
        data=partial(data.captioned_digits, alike=16),
        options={"batch_size": 64, "lr": 1e-3},
    ),
}
