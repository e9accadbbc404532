"""Digits and their judges: what they read, what they see, and how far drawn digits are from real ones for them."""

from functools import lru_cache, partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffcourse.checks import whole
from diffcourse.denoiser import evaluating
from diffcourse.gaussian import share_se
from diffcourse.images import check_images, check_points
from diffcourse.metrics.points import (
    Distance,
    PrecisionRecall,
    covered,
    distance_in_parts,
    frechet_distance,
    statistics,
)

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
    check_whole("labels", labels, (len(images),))
    of_class = probabilities(images, classifier)
    if not 0 <= int(labels.min()) <= int(labels.max()) < of_class.shape[1]:
        raise ValueError(
            f"labels must be from 0 to {of_class.shape[1] - 1}, got {int(labels.min())} to {int(labels.max())}"
        )
    confidence, read = of_class.max(dim=1)
    right, sure = (read == labels.cpu()).float().mean().item(), (confidence > 0.9).float().mean().item()
    return Accuracy(right, sure, len(images))


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
        return distance_in_parts(
            eye(images), eye(check_images(reference, name="reference")), ("images", "reference"), seed
        )[0]
    if classifier is not None:
        raise ValueError(
            "reference must be real images for a classifier of your own to compare with, got none: the shipped numbers are of "
            "the shipped classifier's features"
        )
    floor(len(check_images(images)))  # too few are told before anything is computed
    shipped = reference_numbers()
    value = frechet_distance(statistics(features(images)), (shipped["mean"], shipped["cov"]))
    return Distance(value, floor(len(images)), len(images))


def floor(n: int) -> float:
    """The distance that n random training digits have to the test digits: measured for several n, linear in 1/n between them."""
    reference = reference_numbers()
    sizes, values = reference["floor_n"].double(), reference["floor"].double()  # ascending n
    whole("n", n, 1)
    if not int(sizes[0]) <= n <= int(sizes[-1]):
        raise ValueError(f"n must be in [{int(sizes[0])}, {int(sizes[-1])}] images for a floor, got {n}")
    x, xs, ys = 1 / n, (1 / sizes).flip(0), values.flip(0)
    i = int(torch.searchsorted(xs, torch.tensor(x, dtype=torch.float64)).clamp(1, len(xs) - 1))
    w = (x - xs[i - 1]) / (xs[i] - xs[i - 1])
    return float(ys[i - 1] + w * (ys[i] - ys[i - 1]))


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


@lru_cache(maxsize=1)
def reference_numbers() -> dict[str, Tensor]:
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


def check_whole(name: str, values: Tensor, shape: tuple[int, ...], wanted: str = "") -> None:
    """Whole numbers of a shape, one or a row for each image."""
    wanted = f"{name} must be {wanted}whole numbers of shape {shape}, one for each image"
    if not isinstance(values, Tensor):
        raise TypeError(f"{wanted}, in a tensor, got {type(values).__name__}")
    if values.is_floating_point() or values.is_complex() or values.dtype == torch.bool:
        raise TypeError(f"{wanted}, got {values.dtype}")
    if values.shape != shape:
        raise ValueError(f"{wanted}, got {tuple(values.shape)}")
