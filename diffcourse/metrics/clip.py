"""Text and image in one space: whether a CLIP finds the caption of a scene and the scene of a caption, and what it reads untaught."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from diffcourse import scenes
from diffcourse.checks import whole
from diffcourse.denoiser import evaluating
from diffcourse.metrics.scenes import check_scenes
from diffcourse.models import CLIP


class Retrieval(NamedTuple):
    """How often the right one of `among` captions is nearest to an image, and the right one of `among` images to a caption.

    n: scenes, in n/among sets; `se`: the two standard errors, over sets. Chance finds 1/among.
    """

    caption_of_image: float
    image_of_caption: float
    n: int
    among: int
    se: tuple[float, float]

    def __str__(self) -> str:
        (a, b), (da, db) = self[:2], self.se
        return (
            f"caption of an image {a:.1%} ± {da:.1%}, image of a caption {b:.1%} ± {db:.1%} "
            f"(among {self.among}, chance {1 / self.among:.1%}; n = {self.n})"
        )


def retrieval(clip: CLIP, shown: scenes.Scenes, *, among: int = 32) -> Retrieval:
    """Whether a CLIP finds a scene's caption, and a caption's scene, in sets of `among` scenes that all differ in their attributes."""
    whole("among", among, 2)
    _check_captioned(shown)
    sets = _unlike(shown.attributes, among)
    if len(sets) < 2:
        raise ValueError(f"{len(shown.images)} scenes do not make two sets of {among} with different attributes")
    with torch.no_grad(), evaluating(clip):
        images = torch.cat([clip.encode_images(part).cpu() for part in shown.images.split(500)])[sets]  # (S, among, P)
        texts = _encode_texts(clip, shown.captions)[sets]
    cosine = images @ texts.mT
    if not bool(cosine.isfinite().all()):
        raise ValueError("clip must give finite embeddings, got NaN or infinity")
    own = torch.arange(among)
    found = torch.stack([cosine.argmax(dim=2) == own, cosine.argmax(dim=1) == own]).double().mean(dim=2)  # (2, S)
    (a, b), (se_a, se_b) = found.mean(dim=1).tolist(), (found.std(dim=1) / len(sets) ** 0.5).tolist()
    return Retrieval(a, b, sets.numel(), among, (se_a, se_b))


def zero_shot(clip: CLIP, shown: scenes.Scenes, attribute: str = "digit", *, phrasing: int = 0) -> Tensor:
    """What a CLIP reads from scenes without having been taught to: of all values of one attribute (Radford et al. 2021, section 3.1), (N,).

    The nearest of the captions that name every value in turn; what else they say of a scene is true.
    """
    if attribute not in scenes.ATTRIBUTES:
        raise ValueError(f"attribute must be one of {', '.join(scenes.ATTRIBUTES)}, got {attribute!r}")
    _check_captioned(shown)
    column, values = list(scenes.ATTRIBUTES).index(attribute), torch.arange(len(scenes.ATTRIBUTES[attribute]))
    asked = shown.attributes.cpu()[:, None].repeat(1, len(values), 1)  # (N, values, 5)
    asked[:, :, column] = values
    rows, place = asked.flatten(0, 1).unique(dim=0, return_inverse=True)
    with torch.no_grad(), evaluating(clip):
        images = torch.cat([clip.encode_images(part).cpu() for part in shown.images.split(500)])
        texts = _encode_texts(clip, [scenes.caption(row, phrasing) for row in rows])
    cosine = (texts[place].view(*asked.shape[:2], -1) @ images[:, :, None])[:, :, 0]
    if not bool(cosine.isfinite().all()):
        raise ValueError("clip must give finite embeddings, got NaN or infinity")
    return cosine.argmax(dim=1)


def _encode_texts(clip: CLIP, captions: Sequence[str]) -> Tensor:
    return torch.cat([clip.encode_texts(captions[i : i + 500]).cpu() for i in range(0, len(captions), 500)])


def _unlike(attributes: Tensor, n: int) -> Tensor:
    """(S, n): sets of n scenes, each with n different rows of attributes (N, 5), filled in order; what fills no set is left out."""
    sets: list[dict[tuple[int, ...], int]] = []
    for i, row in enumerate(map(tuple, attributes.tolist())):
        home = next((s for s in sets if len(s) < n and row not in s), None)
        if home is None:
            sets.append(home := {})
        home[row] = i
    return torch.tensor([list(s.values()) for s in sets if len(s) == n], dtype=torch.int64).view(-1, n)


def _check_captioned(shown: scenes.Scenes) -> None:
    if not isinstance(shown, scenes.Scenes):
        raise TypeError(
            f"shown must be Scenes, as `data.captioned_digits(…).take(n)` gives them, got {type(shown).__name__}"
        )
    check_scenes(shown.images)
    if not len(shown.images) == len(shown.captions) == len(shown.attributes):
        counts = f"{len(shown.images)}, {len(shown.captions)} and {len(shown.attributes)}"
        raise ValueError(f"shown must be as many images as captions and attributes, got {counts}")
