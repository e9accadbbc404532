"""Digits and their judges: what they read, what they see, and how far drawn digits are from real ones for them."""

import math
from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffcourse.checks import whole
from diffcourse.denoiser import evaluating
from diffcourse.gaussian import share_se
from diffcourse.images import check_images, check_points
from diffcourse.metrics.points import (
    DensityCoverage,
    Distance,
    PrecisionRecall,
    covered,
    distance_in_parts,
    frechet_distance,
    populated,
    statistics,
)

REFERENCE = "mnist-reference"
# of the training digits 0..9
MNIST_SHARES = torch.tensor([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]) / 60_000


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


@lru_cache(maxsize=1)
def judge() -> nn.Module:
    """The shipped classifier, loaded once."""
    from diffcourse import weights

    return weights.load("mnist-classifier")


@lru_cache(maxsize=1)
def second_judge() -> nn.Module:
    """The shipped LeNet, loaded once: another architecture from another seed, to see what hangs on the taste of the first judge."""
    from diffcourse import weights

    return weights.load("mnist-lenet")


def probabilities(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """The judge's probabilities: images (N, 1, 28, 28) in [-1, 1] -> (N, 10), on the CPU."""
    return _batched(images, classifier, lambda model, x: model(x).softmax(dim=1))


def features(images: Tensor, classifier: nn.Module | None = None) -> Tensor:
    """The activations before the classifier's last layer: images (N, 1, 28, 28) in [-1, 1] -> (N, F) float64, on the CPU."""
    _check_features(classifier)
    return _batched(images, classifier, lambda model, x: model.features(x)).double()


def label_accuracy(images: Tensor, labels: Tensor, classifier: nn.Module | None = None) -> Accuracy:
    """How many images (N, 1, 28, 28) show the digit that was asked for, labels (N,); see `Accuracy`."""
    check_images(images)
    check_whole("labels", labels, (len(images),))
    of_class = probabilities(images, classifier)
    if not 0 <= int(labels.min()) <= int(labels.max()) < of_class.shape[1]:
        raise ValueError(
            f"labels must be from 0 to {of_class.shape[1] - 1}, got {int(labels.min())} to {int(labels.max())}"
        )
    confidence, read = of_class.max(dim=1)
    right, sure = (read == labels.cpu()).float().mean().item(), (confidence > 0.9).float().mean().item()
    return Accuracy(right, sure, len(images))


class Balance(NamedTuple):
    """How often each digit is read, ten shares, and their total variation distance to MNIST's own shares, from 0 to 0.9.

    floor: the mean distance that n real digits have, drawn from MNIST: what chance alone makes of it.
    """

    shares: tuple[float, ...]
    distance: float
    n: int

    @property
    def floor(self) -> float:
        return balance_floor(self.n)

    def __str__(self) -> str:
        return f"labels {self.distance:.4f} from MNIST's shares, real ones {self.floor:.4f} (n = {self.n})"


def label_balance(images: Tensor, classifier: nn.Module | None = None) -> Balance:
    """Total variation 1/2·sum|p - q| between how often the judge reads each digit in images (N, 1, 28, 28), p, and MNIST's shares, q.

    What a mode that was dropped or preferred leaves behind, and precision does not see. A judge's own errors are in it too.
    """
    return balance(probabilities(images, classifier).argmax(dim=1))


def balance(read: Tensor) -> Balance:
    """`label_balance` of digits that were read, whole numbers (N,) from 0 to 9."""
    check_whole("read", read, (len(read),))
    if not 0 <= int(read.min()) <= int(read.max()) <= 9:
        raise ValueError(f"read must be from 0 to 9, got {int(read.min())} to {int(read.max())}")
    shares = read.cpu().bincount(minlength=10).double() / len(read)
    return Balance(tuple(shares.tolist()), float((shares - MNIST_SHARES).abs().sum() / 2), len(read))


def balance_floor(n: int) -> float:
    """The mean of 1/2·sum|p - q| over n draws from MNIST's shares q, exactly: the mean absolute deviations of ten binomials, halved.

    E|X - n·q| = 2·m·C(n, m)·q^m·(1 - q)^(n - m + 1) for X ~ B(n, q), with m the first whole number above n·q (de Moivre 1730).
    """
    n, q = whole("n", n, 1), MNIST_SHARES.double()
    m = (n * q).floor() + 1
    choose = math.lgamma(n + 1) - torch.lgamma(m + 1) - torch.lgamma(n - m + 1)
    deviations = 2 * m * (choose + m * q.log() + (n - m + 1) * (1 - q).log()).exp()
    return float(deviations.sum() / (2 * n))


def distance(
    images: Tensor, classifier: nn.Module | None = None, *, reference: Tensor | None = None, seed: int = 0
) -> Distance:
    """Fréchet distance of generated digits (N, 1, 28, 28) to the 10,000 test digits, with its floor for the same N.

    The distance falls with N, for real digits too: compare equal N only, or the ratio to the floor. classifier: the first judge if none is
    given, or `second_judge()`.

    reference: real images to compare with instead, in [-1, 1]; a classifier of your own needs them, as its features are none of the
    shipped ones'. The floor is then measured on parts of the reference, drawn with `seed`: see `compare`.
    """
    if reference is not None:
        eye = partial(features, classifier=classifier)
        check_images(images)
        return distance_in_parts(
            eye(images), eye(check_images(reference, name="reference")), ("images", "reference"), seed
        )[0]
    key = _key(classifier)
    if key is None:
        raise ValueError(
            "reference must be real images for a classifier of your own to compare with, got none: the shipped numbers are of "
            "the shipped classifiers' features"
        )
    floor(len(check_images(images)))  # too few are told before anything is computed
    return distance_of(features(images, classifier), classifier)


def distance_of(feats: Tensor, classifier: nn.Module | None = None) -> Distance:
    """`distance` of features (N, F) that one of the two judges made."""
    value = frechet_distance(statistics(feats), moments(classifier))
    return Distance(value, floor(len(feats), classifier), len(feats))


def moments(classifier: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the 10,000 test digits' features under one of the two judges."""
    shipped, key = reference_numbers(), _key(classifier)
    return shipped[f"{key}mean"], shipped[f"{key}cov"]


def sample(classifier: nn.Module | None = None) -> Tensor:
    """The features of 2,000 test digits, drawn at random, under one of the two judges: (2000, F) float64."""
    return reference_numbers()[f"{_key(classifier)}sample"].double()


def floor(n: int, classifier: nn.Module | None = None) -> float:
    """The distance that n random training digits have to the test digits: measured for several n, linear in 1/n between them.

    classifier: the first judge, or `second_judge()`.
    """
    return of_real("floor", n, classifier)


def of_real(name: str, n: int, classifier: nn.Module | None = None) -> float:
    """What n random training digits score, by its name in `mnist-reference`: measured for several n, linear in 1/n between them."""
    reference, key = reference_numbers(), _key(classifier)
    sizes = reference["floor_n" if name.startswith("floor") else "ceiling_n"].double()  # ascending n
    whole("n", n, 1)
    if not int(sizes[0]) <= n <= int(sizes[-1]):
        raise ValueError(f"n must be in [{int(sizes[0])}, {int(sizes[-1])}] images for a floor, got {n}")
    x, xs, ys = 1 / n, (1 / sizes).flip(0), reference[f"{key}{name}"].double().flip(0)
    i = int(torch.searchsorted(xs, torch.tensor(x, dtype=torch.float64)).clamp(1, len(xs) - 1))
    w = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return float(ys[i - 1] + w * (ys[i] - ys[i - 1]))


def _key(classifier: nn.Module | None) -> str | None:
    """How the numbers of a judge begin in `mnist-reference`; None for a classifier that is neither of the two."""
    if classifier is None:
        return ""
    asked = second_judge.cache_info().currsize  # one that was never loaded is nobody's
    return "lenet_" if asked and classifier is second_judge() else None


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


def density_coverage(
    images: Tensor, real: Tensor, *, k: int = 5, classifier: nn.Module | None = None
) -> DensityCoverage:
    """Fidelity and diversity again, harder to fool: both sets (N, 1, 28, 28) in [-1, 1], compared on the judge's features.

    A real image's neighbourhood reaches to its k-th nearest real neighbour. Density: how many neighbourhoods hold a drawn image, over k;
    coverage: the share of neighbourhoods that hold any drawn image (Naeem et al. 2020, equations 5 and 6). Unlike precision and recall
    they need no neighbourhoods of drawn images, which one outlier makes wide. For equal distributions the mean density is 1, and
    the mean coverage `expected_coverage`.
    """
    whole("k", k, 1)
    check_images(images), check_images(real, name="real")
    return populated(features(images, classifier), features(real, classifier), k=k)


def seen(images: Tensor, classifier: nn.Module | None = None) -> tuple[Tensor, Tensor]:
    """`features` and `probabilities` of a classifier with a `head`, as the two judges are, from one look."""
    feats = features(images, classifier)
    head: Any = (judge() if classifier is None else classifier).head
    with torch.no_grad():
        return feats, head(feats.to(head.weight)).softmax(dim=1).cpu()


@lru_cache(maxsize=1)
def reference_numbers() -> dict[str, Tensor]:
    from diffcourse import weights

    return weights.tensors(REFERENCE)


def check_digits(images: Tensor) -> Tensor:
    """Digits (N, 1, 28, 28) in [-1, 1], on a ground of -1, as they are; else a TypeError or ValueError."""
    if check_images(images).shape[1:] != (1, 28, 28):
        raise ValueError(f"images must be digits (N, 1, 28, 28) for the shipped classifier, got {tuple(images.shape)}")
    low, high = (float(v) for v in images.detach().aminmax())
    if low > -0.6 and high > low:  # scaled by mean and spread, say: MNIST's ground is then -0.42
        raise ValueError(f"images must be digits on a ground of -1, got values from {low:g} to {high:g}")
    return images


def _check_features(classifier: nn.Module | None) -> None:
    if isinstance(classifier, nn.Module) and not callable(getattr(classifier, "features", None)):
        raise TypeError(f"classifier must have a method `features`, got {type(classifier).__name__}")


def _batched(images: Tensor, classifier: nn.Module | None, function: Any, size: int = 500) -> Tensor:
    """What function(classifier, images) says, (N, …), in parts and on the CPU."""
    check_images(images)
    if _key(classifier) is not None:
        check_digits(images)
        classifier = judge() if classifier is None else classifier
    parameter = next(classifier.parameters(), None) if isinstance(classifier, nn.Module) else None
    if parameter is None:
        raise TypeError(f"classifier must be a module with parameters, got {type(classifier).__name__}")
    with torch.no_grad(), evaluating(classifier):
        made = torch.cat([function(classifier, x.to(parameter)).cpu() for x in images.split(size)])
    return check_points(made, "what the classifier says").to(made.dtype)


def check_whole(name: str, values: Tensor, shape: tuple[int, ...], wanted: str = "") -> None:
    """Whole numbers of a shape, one or a row for each image."""
    wanted = f"{name} must be {wanted}whole numbers of shape {shape}, one for each image"
    if not isinstance(values, Tensor):
        raise TypeError(f"{wanted}, in a tensor, got {type(values).__name__}")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"{wanted}, got {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"{wanted}, got {tuple(values.shape)}")
