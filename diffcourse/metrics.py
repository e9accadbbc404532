"""How good are generated digits? Every number comes with the floor or ceiling that makes it readable.

Judge and eye are the shipped `mnist-classifier`. Right: the judge reads the digit that was asked for. Recognisable: it is more than
90 % sure. Distance: the Fréchet distance to the 10,000 test digits on the classifier's features, next to its floor, the same distance for
as many real training digits. Distances on these features compare with each other only, not with the FID of papers. Precision and recall:
how much of what is drawn looks real, and how much of what is real can be drawn; the ceiling is what real digits score. Prompt accuracy: of
captioned scenes, how many show the digit, ink, size, background and position that their caption names. Retrieval and zero-shot reading
tell how well a CLIP knows which caption belongs to which scene. For data of your own, points or images of any size, `compare` gives
distance, floor, precision and recall in one call.

Images are tensors (N, C, H, W) of finite floating-point numbers in [-1, 1], points and features tensors (N, D) of finite numbers: anything
else is refused in a sentence, ValueError or TypeError, and never scored.
"""

import contextlib
import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import scenes
from diffcourse.checks import whole
from diffcourse.denoiser import evaluating
from diffcourse.gaussian import share_se
from diffcourse.images import check_images, check_points
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
    """A Fréchet distance, its floor (what as many real ones would get), and the number of images or points.

    ratio: value/floor; where the floor is 0, inf for a value above it and nan for none.
    """

    value: float
    floor: float
    n: int

    @property
    def ratio(self) -> float:
        return self.value / self.floor if self.floor else math.inf if self.value > 0 else math.nan

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
    if isinstance(classifier, nn.Module) and not callable(getattr(classifier, "features", None)):
        raise TypeError(f"classifier must have a method `features`, got {type(classifier).__name__}")
    return _batched(images, classifier, lambda model, x: model.features(x)).double()


def label_accuracy(images: Tensor, labels: Tensor, classifier: nn.Module | None = None) -> Accuracy:
    """How many images (N, 1, 28, 28) show the digit that was asked for, labels (N,); see `Accuracy`."""
    check_images(images)
    _check_whole("labels", labels, (len(images),))
    of_class = probabilities(images, classifier)
    if not 0 <= int(labels.min()) <= int(labels.max()) < of_class.shape[1]:
        raise ValueError(
            f"labels must be from 0 to {of_class.shape[1] - 1}, got {int(labels.min())} to {int(labels.max())}"
        )
    confidence, read = of_class.max(dim=1)
    right, sure = (read == labels.cpu()).float().mean().item(), (confidence > 0.9).float().mean().item()
    return Accuracy(right, sure, len(images))


def statistics(feats: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F), the unbiased one, of features or points (N, F), N at least 2; float64."""
    feats = check_points(feats, "features", least=2)
    mean, cov = feats.mean(dim=0), torch.cov(feats.T).view(feats.shape[1], -1)
    if not bool(cov.isfinite().all()):
        raise ValueError(f"features must be small enough to be squared, got up to {float(feats.abs().max()):g}")
    return mean, cov


def frechet_distance(a: tuple[Tensor, Tensor], b: tuple[Tensor, Tensor]) -> float:
    """|m_a - m_b|² + tr(C_a + C_b - 2·(C_a·C_b)^(1/2)) for two (mean, covariance) pairs; float64.

    The squared Wasserstein-2 distance of two Gaussians (Dowson & Landau 1982), used on network features by Heusel et al. 2017, equation 6.
    (C_a·C_b)^(1/2) has the trace of (C_a^(1/2)·C_b·C_a^(1/2))^(1/2), which is symmetric: two eigenvalue problems, no complex numbers.
    Covariances may be singular or 0, as of points that are all the same: between two such points it is |m_a - m_b|².
    """
    (mean_a, cov_a), (mean_b, cov_b) = _moments("a", a), _moments("b", b)
    if mean_a.shape != mean_b.shape:
        raise ValueError(f"a and b must be of as many features, got {len(mean_a)} and {len(mean_b)}")
    values, vectors = torch.linalg.eigh(cov_a)
    root = (vectors * values.clamp(min=0).sqrt()) @ vectors.T
    cross = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    distance = ((mean_a - mean_b).square().sum() + cov_a.trace() + cov_b.trace() - 2 * cross).item()
    if not math.isfinite(distance):
        raise ValueError("a and b must be small enough to be squared: their distance is not finite")
    return max(0.0, distance)


def _moments(name: str, pair: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Mean (F,) and covariance (F, F) in float64, as `statistics` gives them."""
    wanted = f"{name} must be a pair, mean (F,) and covariance (F, F), as `statistics` gives it"
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(isinstance(part, Tensor) for part in pair):
        kind = f"a tensor {tuple(pair.shape)}" if isinstance(pair, Tensor) else type(pair).__name__
        raise TypeError(f"{wanted}, got {kind}")
    mean, cov = pair
    if mean.ndim != 1 or cov.shape != (len(mean), len(mean)):
        raise ValueError(f"{wanted}, got shapes {tuple(mean.shape)} and {tuple(cov.shape)}")
    mean = check_points(mean[None], f"{name}'s mean")[0]
    cov = check_points(cov, f"{name}'s covariance")
    size = cov.abs().max()
    if bool((cov - cov.T).abs().max() > 1e-4 * size) or bool(cov.diagonal().min() < -1e-4 * size):
        raise ValueError(f"{name}'s covariance must be symmetric, with variances of at least 0 on its diagonal")
    return mean, cov


def distance(
    images: Tensor, classifier: nn.Module | None = None, *, reference: Tensor | None = None, seed: int = 0
) -> Distance:
    """Fréchet distance of generated digits (N, 1, 28, 28) to the 10,000 test digits, with its floor for the same N.

    The distance falls with N, for real digits too: compare equal N only, or the ratio to the floor.

    reference: real images to compare with instead, in [-1, 1]; a classifier of your own needs them, as its features are none of the
    shipped one's. The floor is then measured on parts of the reference, drawn with `seed`: see `compare`.
    """
    if reference is not None:
        eye = partial(features, classifier=classifier)
        check_images(images)
        return _splits(eye(images), eye(check_images(reference, name="reference")), ("images", "reference"), seed)[0]
    if classifier is not None:
        raise ValueError(
            "reference must be real images for a classifier of your own to compare with, got none: the shipped numbers are of "
            "the shipped classifier's features"
        )
    floor(len(check_images(images)))  # too few are told before anything is computed
    shipped = _reference()
    value = frechet_distance(statistics(features(images)), (shipped["mean"], shipped["cov"]))
    return Distance(value, floor(len(images)), len(images))


def floor(n: int) -> float:
    """The distance that n random training digits have to the test digits: measured for several n, linear in 1/n between them."""
    reference = _reference()
    sizes, values = reference["floor_n"].double(), reference["floor"].double()  # ascending n
    whole("n", n, 1)
    if not int(sizes[0]) <= n <= int(sizes[-1]):
        raise ValueError(f"n must be in [{int(sizes[0])}, {int(sizes[-1])}] images for a floor, got {n}")
    x, xs, ys = 1 / n, (1 / sizes).flip(0), values.flip(0)
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
    whole("k", k, 1)
    check_images(images), check_images(real, name="real")
    return covered(features(images, classifier), features(real, classifier), k=k)


def covered(drawn: Tensor, real: Tensor, *, k: int = 3) -> PrecisionRecall:
    """`precision_recall` of features or points: drawn (N, F) and real (M, F), N and M above k."""
    whole("k", k, 1)
    drawn, real = check_points(drawn, "drawn", least=k + 1), check_points(real, "real", least=k + 1)
    if drawn.shape[1] != real.shape[1]:
        raise ValueError(f"drawn and real must be of as many features, got {drawn.shape[1]} and {real.shape[1]}")
    exact = partial(torch.cdist, compute_mode="donot_use_mm_for_euclid_dist")
    # the nearest of a member's neighbours is itself, at distance 0: the k-th is the (k + 1)-th smallest distance
    reach_real, reach_drawn = (exact(x, x).kthvalue(k + 1, dim=1).values for x in (real, drawn))
    between = exact(drawn, real)  # (N, M)
    precision = (between <= reach_real).any(dim=1).double().mean().item()
    recall = (between <= reach_drawn[:, None]).any(dim=0).double().mean().item()
    return PrecisionRecall(precision, recall, len(drawn), len(real))


# -- data of your own ---------------------------------------------------------------------------------------------------


class Comparison(NamedTuple):
    """Samples against real data, each number beside what real data score in their place: `compare` makes it."""

    distance: Distance
    covered: PrecisionRecall
    ceiling: PrecisionRecall

    def __str__(self) -> str:
        (p, r), (best_p, best_r) = self.covered[:2], self.ceiling[:2]
        told = f"precision {p:.1%} (real: {best_p:.1%}), recall {r:.1%} (real: {best_r:.1%})"
        return f"{self.distance}; {told}; {self.covered.real} real"


def compare(
    samples: Tensor,
    real: Tensor,
    *,
    features: Callable[[Tensor], Tensor] | None = None,
    k: int = 3,
    splits: int = 5,
    seed: int = 0,
) -> Comparison:
    """How good samples are, judged by real data alone: Fréchet distance with its floor, precision and recall with their ceilings.

    samples, real  points (N, D), or images (N, C, H, W) in [-1, 1] of any size
    features       for images: a function or module that makes features (B, F) of images (B, C, H, W), asked for 100 at a time;
                   `metrics.features` for digits. Points are their own features
    k              neighbours, as in `precision_recall`
    splits         in how many ways the real data are split, drawn with `seed`

    n of the real data are held out, n of the samples stand in their place, and both are compared with the rest of the real data: n is
    the number of samples, half of the real data at most (samples beyond are left out at random). The distances are means over `splits`;
    precision and recall, which scatter less, are of the first.

        print(metrics.compare(model_points, data.toy("swiss_roll", 2000)))
        metrics.compare(images, photos, features=my_network).distance.ratio
    """
    if features is not None and not callable(features):
        raise TypeError(f"features must be a function of images, got {type(features).__name__}")
    made = []
    for name, given in (("samples", samples), ("real", real)):
        if isinstance(given, Tensor) and given.ndim == 2 and features is None:
            made.append(given)
        elif features is None:
            check_images(given, name=name)
            raise ValueError(
                f"features must be a function of images for {name} {tuple(given.shape)}, got none: `metrics.features` for digits"
            )
        else:
            made.append(_features_of(check_images(given, name=name), features))
    far, (some, held, rest) = _splits(made[0], made[1], ("samples", "real"), seed, splits, k)
    return Comparison(far, covered(some, rest, k=k), covered(held, rest, k=k))


def _splits(
    drawn: Tensor, real: Tensor, names: tuple[str, str], seed: int, splits: int = 5, k: int = 1
) -> tuple[Distance, list[Tensor]]:
    """The distance of features (N, F) to parts of real ones (M, F), and its floor; and of the first split: drawn, held out, the rest."""
    whole("k", k, 1)
    whole("splits", splits, 1)
    few = max(2, k + 1)
    drawn, real = check_points(drawn, names[0], least=few), check_points(real, names[1], least=2 * few)
    if drawn.shape[1] != real.shape[1]:
        raise ValueError(f"{' and '.join(names)} must be of as many features, got {drawn.shape[1]} and {real.shape[1]}")
    if not bool((real != real[0]).any()):
        raise ValueError(f"{names[1]} must differ from each other, got {len(real)} times the same: there is no floor")
    whole("seed", seed, -(2**63))
    g = torch.Generator().manual_seed(seed)
    n = min(len(drawn), len(real) // 2)
    values, floors, parts = [], [], []
    for _ in range(splits):
        some, order = drawn[torch.randperm(len(drawn), generator=g)[:n]], torch.randperm(len(real), generator=g)
        held, rest = real[order[:n]], real[order[n:]]
        target = statistics(rest)
        values.append(frechet_distance(statistics(some), target))
        floors.append(frechet_distance(statistics(held), target))
        parts = parts or [some, held, rest]
    return Distance(sum(values) / splits, sum(floors) / splits, n), parts


def _features_of(images: Tensor, function: Callable[[Tensor], Tensor], size: int = 100) -> Tensor:
    """features (N, F) of images, without gradients; a module is asked where its parameters are, and in evaluation mode."""
    parameter = next(function.parameters(), None) if isinstance(function, nn.Module) else None
    mode = evaluating(function) if isinstance(function, nn.Module) else contextlib.nullcontext()
    found = []
    with torch.no_grad(), mode:
        for part in images.split(size):
            made = function(part if parameter is None else part.to(parameter))
            if not isinstance(made, Tensor) or made.ndim != 2 or len(made) != len(part):
                came = tuple(made.shape) if isinstance(made, Tensor) else type(made).__name__
                raise ValueError(f"features must make ({len(part)}, F) of images {tuple(part.shape)}, got {came}")
            found.append(made.cpu())
    return check_points(torch.cat(found), "what features made")


class Alike(NamedTuple):
    """Are two samples from one distribution? Their energy distance, and the share `p` of random regroupings that lie as far apart."""

    distance: float
    p: float
    regroupings: int

    def __str__(self) -> str:
        return f"energy distance {self.distance:.4f}, p = {self.p:.3f} ({self.regroupings} regroupings)"


def alike(a: Tensor, b: Tensor, *, regroupings: int = 199, seed: int = 0) -> Alike:
    """The energy distance 2·E|a - b| - E|a - a'| - E|b - b'| of points (N, D) and (M, D), with a permutation test (Székely & Rizzo 2013).

    0 for equal distributions, and for no others; it grows with any difference, of place, spread or shape. In the units of the points. p is
    the share of groupings, the given one among them, at least as far apart: below 0.01 the two are hardly of one distribution. Needs the
    (N + M)² distances at once: 4,000 points take 128 MB.
    """
    a, b = check_points(a, "a", least=2).double(), check_points(b, "b", least=2).double()
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"a and b must have as many coordinates, got {a.shape[1]} and {b.shape[1]}")
    n, both = len(a), torch.cat([a, b])
    g = torch.Generator().manual_seed(whole("seed", seed, -(2**63)))
    orders = [torch.arange(len(both))]
    orders += [torch.randperm(len(both), generator=g) for _ in range(whole("regroupings", regroupings, 1))]
    signs = torch.full((len(both), len(orders)), -1 / len(b), dtype=torch.float64)
    for column, order in enumerate(orders):
        signs[order[:n], column] = 1 / n
    distances = -(signs * (torch.cdist(both, both) @ signs)).sum(dim=0)
    as_far = (distances >= distances[0] * (1 - 1e-9)).double().mean()
    return Alike(max(0.0, float(distances[0])), float(as_far), regroupings)


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
    _check_scenes(images)
    if not isinstance(asked, Tensor):
        texts = [] if isinstance(asked, str) or not isinstance(asked, Sequence) else list(asked)
        if len(texts) != len(images) or not all(isinstance(text, str) for text in texts):
            came = f"{len(texts)} of {type(texts[0]).__name__}" if texts else type(asked).__name__
            raise ValueError(f"asked must be {len(images)} captions, one for each image, or a tensor, got {came}")
        named = [scenes.attributes_of(text) for text in texts]
        asked = torch.tensor([[-1 if v is None else v for v in row] for row in named])
    _check_whole("asked", asked, (len(images), 5), f"{len(images)} captions or ")
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
    shares = ((right & named).sum(dim=0) / counts).tolist()
    return PromptAccuracy(*shares, len(images), tuple(counts.tolist()))


def read_scene(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """What scenes (N, 3, 64, 64) in [-1, 1], clamped, show: attributes (N, 5) as in `scenes.ATTRIBUTES`, -1 where there is no ink.

    Background: the colour nearest to the median of the border. Ink: the colour towards which the pixels lie that are farthest from it.
    How far a pixel lies on the way from ground to ink is its coverage; the box of what is covered gives size and position, and its
    content, brought to MNIST's own size and centre of mass, goes to the judge. Colours are forced choices among `scenes.COLOURS`.
    """
    _check_scenes(images)
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
    se = (found.std(dim=1) / len(sets) ** 0.5).tolist()
    return Retrieval(*found.mean(dim=1).tolist(), sets.numel(), among, tuple(se))


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


@lru_cache(maxsize=1)
def _reference() -> dict[str, Tensor]:
    from diffcourse import weights

    return weights.tensors(REFERENCE)


def _batched(images: Tensor, classifier: nn.Module | None, function: Any, size: int = 500) -> Tensor:
    """What function(classifier, images) says, (N, …), in parts and on the CPU."""
    check_images(images)
    if classifier is None:
        classifier = judge()
        low, high = (float(v) for v in images.detach().aminmax())
        if images.shape[1:] != (1, 28, 28):
            raise ValueError(
                f"images must be digits (N, 1, 28, 28) for the shipped classifier, got {tuple(images.shape)}"
            )
        if low > -0.6 and high > low:  # scaled by mean and spread, say: MNIST's ground is then -0.42
            raise ValueError(f"images must be digits on a ground of -1, got values from {low:g} to {high:g}")
    parameter = next(classifier.parameters(), None) if isinstance(classifier, nn.Module) else None
    if parameter is None:
        raise TypeError(f"classifier must be a module with parameters, got {type(classifier).__name__}")
    with torch.no_grad(), evaluating(classifier):
        made = torch.cat([function(classifier, x.to(parameter)).cpu() for x in images.split(size)])
    return check_points(made, "what the classifier says").to(made.dtype)


def _check_scenes(images: Tensor) -> None:
    if check_images(images).shape[1:] != (3, scenes.SIDE, scenes.SIDE):
        raise ValueError(f"images must be (N, 3, {scenes.SIDE}, {scenes.SIDE}), got {tuple(images.shape)}")


def _check_captioned(shown: scenes.Scenes) -> None:
    if not isinstance(shown, scenes.Scenes):
        raise TypeError(
            f"shown must be Scenes, as `data.captioned_digits(…).take(n)` gives them, got {type(shown).__name__}"
        )
    _check_scenes(shown.images)
    if not len(shown.images) == len(shown.captions) == len(shown.attributes):
        counts = f"{len(shown.images)}, {len(shown.captions)} and {len(shown.attributes)}"
        raise ValueError(f"shown must be as many images as captions and attributes, got {counts}")


def _check_whole(name: str, values: Tensor, shape: tuple[int, ...], wanted: str = "") -> None:
    """Whole numbers of a shape, one or a row for each image."""
    wanted = f"{name} must be {wanted}whole numbers of shape {shape}, one for each image"
    if not isinstance(values, Tensor):
        raise TypeError(f"{wanted}, in a tensor, got {type(values).__name__}")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"{wanted}, got {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"{wanted}, got {tuple(values.shape)}")
