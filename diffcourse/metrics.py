"""How good are generated digits? Every number comes with the floor or ceiling that makes it readable.

Judge and eye are the shipped `mnist-classifier`. Right: the judge reads the digit that was asked for. Recognisable: it is more than
90 % sure. Distance: the Fréchet distance to the 10,000 test digits on the classifier's features, next to its floor, the same distance for
as many real training digits. Distances on these features compare with each other only, not with the FID of papers. Precision and recall:
how much of what is drawn looks real, and how much of what is real can be drawn; the ceiling is what real digits score. Prompt accuracy: of
captioned scenes, how many show the digit, ink, size, background and position that their caption names. Retrieval and zero-shot reading
tell how well a CLIP knows which caption belongs to which scene.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import scenes
from diffcourse.denoiser import evaluating
from diffcourse.gaussian import share_se
from diffcourse.models import CLIP

REFERENCE = "mnist-reference"


class Accuracy(NamedTuple):
    """Shares of n images: `right` (the label asked for), `recognisable` (judge's confidence above 0.9); `se` is right's standard error."""

    right: float
    recognisable: float
    n: int

    @property
    def se(self) -> float:
        return share_se(self.right, self.n)

    def __str__(self) -> str:
        return f"right {self.right:.1%} ± {self.se:.1%}, recognisable {self.recognisable:.1%} (n = {self.n})"


class Distance(NamedTuple):
    """A Fréchet distance, its floor (what as many real digits would get), and the number of images."""

    value: float
    floor: float
    n: int

    @property
    def ratio(self) -> float:
        return self.value / self.floor

    def __str__(self) -> str:
        return f"distance {self.value:.3f}, floor {self.floor:.3f}: {self.ratio:.2f} times the floor (n = {self.n})"


@lru_cache(maxsize=1)
def judge() -> nn.Module:
    """The shipped classifier, loaded once."""
    from diffcourse import weights

    return weights.load("mnist-classifier")


def probabilities(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """The judge's probabilities: images (N, 1, 28, 28) in [-1, 1] -> (N, 10), on the CPU."""
    return _batched(images, classifier, lambda model, x: model(x).softmax(dim=1))


def features(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """The activations before the classifier's last layer: images (N, 1, 28, 28) in [-1, 1] -> (N, F) float64, on the CPU."""
    return _batched(images, classifier, lambda model, x: model.features(x)).double()


def label_accuracy(images: Tensor, labels: Tensor, classifier: nn.Module | None = None) -> Accuracy:
    """How many images (N, 1, 28, 28) show the digit that was asked for, labels (N,); see `Accuracy`."""
    if labels.shape != (len(images),):
        raise ValueError(f"labels must have shape ({len(images)},), one for each image, got {tuple(labels.shape)}")
    confidence, read = probabilities(images, classifier).max(dim=1)
    right, sure = (read == labels.cpu()).float().mean().item(), (confidence > 0.9).float().mean().item()
    return Accuracy(right, sure, len(images))


def statistics(feats: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F), the unbiased one, of features (N, F); float64."""
    if feats.ndim != 2 or len(feats) < 2:
        raise ValueError(f"features must be (N, F) with N at least 2, got {tuple(feats.shape)}")
    feats = feats.double()
    return feats.mean(dim=0), torch.cov(feats.T)


def frechet_distance(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """|m_a - m_b|² + tr(C_a + C_b - 2·(C_a·C_b)^(1/2)) for two (mean, covariance) pairs; float64.

    The squared Wasserstein-2 distance of two Gaussians (Dowson & Landau 1982), used on network features by Heusel et al. 2017, equation 6.
    (C_a·C_b)^(1/2) has the trace of (C_a^(1/2)·C_b·C_a^(1/2))^(1/2), which is symmetric: two eigenvalue problems, no complex numbers.
    """
    (mean_a, cov_a), (mean_b, cov_b) = ((m.double(), c.double()) for m, c in (a, b))
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = (mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross
    return max(0.0, distance.item())


def distance(images: Tensor, classifier: nn.Module | None = None) -> Distance:
    """Fréchet distance of generated digits (N, 1, 28, 28) to the 10,000 test digits, with its floor for the same N.

    The distance falls with N, for real digits too: compare equal N only, or the ratio to the floor.
    """
    reference = _reference()
    value = frechet_distance(statistics(features(images, classifier)), (reference["mean"], reference["cov"]))
    return Distance(value, floor(len(images)), len(images))


def floor(n: int) -> float:
    """The distance that n random training digits have to the test digits: measured for several n, linear in 1/n between them."""
    reference = _reference()
    sizes, values = reference["floor_n"].double(), reference["floor"].double()  # ascending n
    x, xs, ys = 1 / n, (1 / sizes).flip(0), values.flip(0)
    if not float(sizes[0]) <= n <= float(sizes[-1]):
        raise ValueError(f"n must be in [{int(sizes[0])}, {int(sizes[-1])}] for a floor, got {n}")
    i = int(torch.searchsorted(xs, torch.tensor(x, dtype=torch.float64)).clamp(1, len(xs) - 1))
    w = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return float(ys[i - 1] + w * (ys[i] - ys[i - 1]))


class PrecisionRecall(NamedTuple):
    """Precision: the share of n drawn images among real ones. Recall: the share of `real` real images among drawn ones."""

    precision: float
    recall: float
    n: int
    real: int

    def __str__(self) -> str:
        return f"precision {self.precision:.1%}, recall {self.recall:.1%} (n = {self.n}, {self.real} real)"


def precision_recall(
    images: Tensor, real: Tensor, *, k: int = 3, classifier: nn.Module | None = None
) -> PrecisionRecall:
    """Fidelity and diversity apart: both sets (N, 1, 28, 28) in [-1, 1], compared on the judge's features.

    A set covers a point that lies no farther from one of its members than that member's k-th nearest neighbour in the set (Kynkäänniemi et
    al. 2019, equations 1 and 2). Both shares depend on the sizes and on k: compare equal ones, and give as ceiling what other real images
    score in the place of `images`.
    """
    return covered(features(images, classifier), features(real, classifier), k=k)


def covered(drawn: Tensor, real: Tensor, *, k: int = 3) -> PrecisionRecall:
    """`precision_recall` of features: drawn (N, F) and real (M, F)."""
    for name, feats in (("drawn", drawn), ("real", real)):
        if feats.ndim != 2 or len(feats) <= k:
            raise ValueError(f"{name} must be features (N, F) with N above k = {k}, got {tuple(feats.shape)}")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    exact = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
    drawn, real = drawn.double(), real.double()
    # the nearest of a member's neighbours is itself, at distance 0: the k-th is the (k + 1)-th smallest distance
    reach_real, reach_drawn = (exact(x, x).kthvalue(k + 1, dim=1).values for x in (real, drawn))
    between = exact(drawn, real)  # (N, M)
    precision = (between <= reach_real).any(dim=1).double().mean().item()
    recall = (between <= reach_drawn[:, None]).any(dim=0).double().mean().item()
    return PrecisionRecall(precision, recall, len(drawn), len(real))


# -- captioned scenes ---------------------------------------------------------------------------------------------------


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
    if not isinstance(asked, Tensor):
        named = [scenes.attributes_of(text) for text in asked]
        asked = torch.tensor([[-1 if v is None else v for v in row] for row in named]).view(-1, 5)
    if asked.shape != (len(images), 5) or asked.is_floating_point():
        raise ValueError(
            f"asked must be {len(images)} captions or whole numbers ({len(images)}, 5), one for each image, "
            f"got {asked.dtype} {tuple(asked.shape)}"
        )
    asked = asked.cpu()
    named = asked >= 0
    if not bool(named.any()):
        raise ValueError("asked names no attribute at all: see diffcourse.scenes.ATTRIBUTES for what it can name")
    right = (read_scene(images, classifier) == asked) | ~named
    some = named.any(dim=1)  # a caption that names nothing is neither right nor wrong
    named, right = torch.cat([named, some[:, None]], dim=1), torch.cat([right, right.all(dim=1)[:, None]], dim=1)
    counts = named.sum(dim=0)
    shares = ((right & named).sum(dim=0) / counts).tolist()
    return PromptAccuracy(*shares, len(images), tuple(counts.tolist()))


def read_scene(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """What scenes (N, 3, 64, 64) in [-1, 1], clamped, show: attributes (N, 5) as in `scenes.ATTRIBUTES`, -1 where there is no ink.

    Background: the colour nearest to the median of the border. Ink: the colour towards which the pixels lie that are farthest from it.
    How far a pixel lies on the way from ground to ink is its coverage; the box of what is covered gives size and position, and its
    content, brought to MNIST's own size and centre of mass, goes to the judge. Colours are forced choices among `scenes.COLOURS`.
    """
    if images.ndim != 4 or images.shape[1:] != (3, scenes.SIDE, scenes.SIDE):
        raise ValueError(f"images must be (N, 3, {scenes.SIDE}, {scenes.SIDE}), got {tuple(images.shape)}")
    finite = images.isfinite().flatten(1).all(dim=1)
    if not bool(finite.all()):
        raise ValueError(f"images must be finite, but images[{int((~finite).nonzero()[0])}] holds NaN or infinity")
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


# -- text and image in one space ----------------------------------------------------------------------------------------


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
    if among < 2:
        raise ValueError(f"among must be at least 2, got {among}")
    sets = _unlike(shown.attributes, among)
    if len(sets) < 2:
        raise ValueError(f"{len(shown.images)} scenes do not make two sets of {among} with different attributes")
    with torch.no_grad(), evaluating(clip):
        images = torch.cat([clip.encode_images(part).cpu() for part in shown.images.split(500)])[sets]  # (S, among, P)
        texts = _encode_texts(clip, shown.captions)[sets]
    cosine = images @ texts.mT
    own = torch.arange(among)
    found = torch.stack([cosine.argmax(dim=2) == own, cosine.argmax(dim=1) == own]).double().mean(dim=2)  # (2, S)
    se = (found.std(dim=1) / len(sets) ** 0.5).tolist()
    return Retrieval(*found.mean(dim=1).tolist(), sets.numel(), among, tuple(se))


def zero_shot(clip: CLIP, shown: scenes.Scenes, attribute: str = "digit", *, phrasing: int = 0) -> Tensor:
    """What a CLIP reads from scenes without having been taught to: of all values of one attribute (Radford et al. 2021, section 3.1), (N,).

    The nearest of the captions that name every value in turn; what else they say of a scene is true.
    """
    if attribute not in scenes.ATTRIBUTES:
        raise ValueError(f"attribute must be one of {', '.join(scenes.ATTRIBUTES)}, got {attribute!r}")
    column, values = list(scenes.ATTRIBUTES).index(attribute), torch.arange(len(scenes.ATTRIBUTES[attribute]))
    asked = shown.attributes.cpu()[:, None].repeat(1, len(values), 1)  # (N, values, 5)
    asked[:, :, column] = values
    rows, place = asked.flatten(0, 1).unique(dim=0, return_inverse=True)
    with torch.no_grad(), evaluating(clip):
        images = torch.cat([clip.encode_images(part).cpu() for part in shown.images.split(500)])
        texts = _encode_texts(clip, [scenes.caption(row, phrasing) for row in rows])
    return (texts[place].view(*asked.shape[:2], -1) @ images[:, :, None])[:, :, 0].argmax(dim=1)


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


@lru_cache(maxsize=1)
def _reference() -> dict[str, Tensor]:
    from diffcourse import weights

    return weights.tensors(REFERENCE)


def _batched(images: Tensor, classifier: nn.Module | None, function: Any, size: int = 500) -> Tensor:
    classifier = judge() if classifier is None else classifier
    parameter = next(classifier.parameters())
    with torch.no_grad(), evaluating(classifier):
        return torch.cat([function(classifier, x.to(parameter)).cpu() for x in images.split(size)])
