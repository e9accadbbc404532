"""Captioned scenes: what a picture shows is read from its pixels, and compared with what was asked for."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import scenes
from diffcourse.gaussian import share_se
from diffcourse.images import check_images
from diffcourse.metrics.digits import check_whole, probabilities


class PromptAccuracy(NamedTuple):
    """Shares of scenes that show what was asked for: each attribute (nan if nobody asked), and `together` all that a caption names.

    n: scenes; `asked`: how many asked for each of the six; `se`: the standard errors, in the same order.
    """

    digit: float
    ink: float
    size: float
    background: float
    position: float
    together: float
    n: int
    asked: tuple[int, ...]

    @property
    def shares(self) -> dict[str, float]:
        return dict(zip(self._fields[:6], self[:6], strict=True))

    @property
    def se(self) -> tuple[float, ...]:
        return tuple(share_se(p, m) for p, m in zip(self[:6], self.asked, strict=True))

    def relative_to(self, ceiling: "PromptAccuracy") -> dict[str, float]:
        """The shares divided by those of a ceiling: the same metric on true scenes, or on what an autoencoder makes of them."""
        if not isinstance(ceiling, PromptAccuracy):
            raise TypeError(f"ceiling must be a PromptAccuracy, got {type(ceiling).__name__}")
        best = ceiling.shares
        return {name: share / best[name] if best[name] else float("nan") for name, share in self.shares.items()}

    def __str__(self) -> str:
        told = [f"{k} {p:.1%} ± {e:.1%}" for (k, p), e in zip(self.shares.items(), self.se, strict=True) if p == p]
        return f"right: {', '.join(told)} (n = {self.n})"


def prompt_accuracy(
    images: Tensor, asked: Tensor | Sequence[str], classifier: nn.Module | None = None
) -> PromptAccuracy:
    """How many scenes (N, 3, 64, 64) in [-1, 1] show what was asked for: captions, or attributes (N, 5) with -1 for "not asked".

    What a scene shows is read from its pixels by `read_scene`. What a caption does not name counts neither way.
    """
    check_scenes(images)
    if not isinstance(asked, Tensor):
        texts = [] if isinstance(asked, str) or not isinstance(asked, Sequence) else list(asked)
        if len(texts) != len(images) or not all(isinstance(text, str) for text in texts):
            came = f"{len(texts)} of {type(texts[0]).__name__}" if texts else type(asked).__name__
            raise ValueError(f"asked must be {len(images)} captions, one for each image, or a tensor, got {came}")
        rows = [scenes.attributes_of(text) for text in texts]
        asked = torch.tensor([[-1 if v is None else v for v in row] for row in rows])
    check_whole("asked", asked, (len(images), 5), f"{len(images)} captions or ")
    asked = asked.cpu()
    for values, (name, known) in zip(asked.T, scenes.ATTRIBUTES.items(), strict=True):
        if not -1 <= int(values.min()) <= int(values.max()) < len(known):
            came = f"{int(values.min())} to {int(values.max())}"
            raise ValueError(f"asked must name a {name} from 0 to {len(known) - 1}, or -1 for none, got {came}")
    named = asked >= 0
    if not bool(named.any()):
        raise ValueError("asked names no attribute at all: see diffcourse.scenes.ATTRIBUTES for what it can name")
    right = (read_scene(images, classifier) == asked) | ~named
    some = named.any(dim=1)  # a caption that names nothing is neither right nor wrong
    named, right = torch.cat([named, some[:, None]], dim=1), torch.cat([right, right.all(dim=1)[:, None]], dim=1)
    counts = named.sum(dim=0)
    digit, ink, size, background, position, together = ((right & named).sum(dim=0) / counts).tolist()
    return PromptAccuracy(digit, ink, size, background, position, together, len(images), tuple(counts.tolist()))


def read_scene(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """What scenes (N, 3, 64, 64) in [-1, 1], clamped, show: attributes (N, 5) as in `scenes.ATTRIBUTES`, -1 where there is no ink.

    Background: the colour nearest to the median of the border. Ink: the colour towards which the pixels lie that are farthest from it.
    How far a pixel lies on the way from ground to ink is its coverage; the box of what is covered gives size and position, and its
    content, brought to MNIST's own size and centre of mass, goes to the judge. Colours are forced choices among `scenes.COLOURS`.
    """
    check_scenes(images)
    return torch.cat([_read_scenes(part, classifier) for part in images.detach().cpu().float().split(500)])


def _read_scenes(images: Tensor, classifier: nn.Module | None) -> Tensor:
    pixels = (images.clamp(-1, 1) + 1) / 2
    frame = torch.ones(scenes.SIDE, scenes.SIDE, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    paper = pixels[:, :, frame].median(dim=2).values  # (N, 3)
    palette = torch.tensor(list(scenes.COLOURS.values())) / 255
    background = torch.cdist(paper, palette).argmin(dim=1)

    apart = pixels - paper[:, :, None, None]
    distance = apart.norm(dim=1)
    strength = distance.flatten(1).topk(20).values[:, -1]  # twenty pixels at least are as far: fewer are no digit
    strong = (distance >= 0.75 * strength[:, None, None])[:, None]
    direction = (apart * strong).sum(dim=(2, 3)) / strong.sum(dim=(2, 3))  # (N, 3), from the ground to the ink
    # a thin stroke does not cover its pixels, so each colour may lie anywhere on the last part of the way to it
    ways = palette - paper[:, None]  # (N, colours, 3)
    part = (direction[:, None] * ways).sum(dim=2) / ways.square().sum(dim=2).clamp(min=1e-6)
    miss = (part.clamp(0.6, 1)[:, :, None] * ways - direction[:, None]).norm(dim=2)
    ink = miss.scatter(1, background[:, None], torch.inf).argmin(dim=1)

    coverage = (apart * direction[:, :, None, None]).sum(dim=1) / direction.square().sum(dim=1)[:, None, None].clamp(
        min=1e-6
    )
    coverage = coverage.clamp(0, 1)
    seen = (coverage > 0.4).float()[:, None]
    seen = seen * (9 * F.avg_pool2d(seen, 3, stride=1, padding=1) > 2.5)  # specks of one or two pixels are no ink
    (top, bottom), (left, right) = scenes.box(seen[:, 0] > 0)
    longer = torch.maximum(bottom - top, right - left)
    size = (longer > sum(scenes.SIZES.values()) / 2).long()
    row, column = (_third((a + b) / 2) for a, b in ((top, bottom), (left, right)))

    place = torch.arange(scenes.SIDE)
    inside = [(place >= a[:, None] - 2) & (place < b[:, None] + 2) for a, b in ((top, bottom), (left, right))]
    coverage = coverage * inside[0][:, :, None] * inside[1][:, None, :]
    scale = 20 / longer.clamp(min=1)
    offsets = []
    for first, line in ((top, coverage.sum(dim=2)), (left, coverage.sum(dim=1))):
        mass = (line * (place + 0.5)).sum(dim=1) / line.sum(dim=1).clamp(min=1e-6)
        offsets.append((14 + scale * (first - mass)).round() - scale * first)  # the box begins on a whole pixel
    digits = scenes.resample(coverage, 28, scale, *offsets)[:, None].clamp(0, 1) * 2 - 1
    digit = probabilities(digits, classifier).argmax(dim=1)

    shown = torch.stack([digit, ink, size, background, 3 * row + column], dim=1)
    empty = (strength < 0.25) | (longer == 0)
    shown[empty] = torch.tensor([-1, -1, -1, 0, -1])
    shown[:, 3] = background
    return shown


def _third(middle: Tensor) -> Tensor:
    """Whether the middle of a box lies at the beginning (0), in the middle (1) or at the end (2) of an axis: half-way between the places
    where large digits go, which are nearer to each other than those of small ones."""
    large = max(scenes.SIZES.values())
    bound = scenes.SIDE / 2 - (scenes.SIDE - large - 2 * scenes.MARGIN) / 4
    return (middle > bound).long() + (middle > scenes.SIDE - bound).long()


def check_scenes(images: Tensor) -> None:
    if check_images(images).shape[1:] != (3, scenes.SIDE, scenes.SIDE):
        raise ValueError(f"images must be (N, 3, {scenes.SIDE}, {scenes.SIDE}), got {tuple(images.shape)}")
