"""How good are generated digits? Every number comes with the floor or ceiling that makes it readable.

Judge and eye are the shipped `mnist-classifier`. Right: the judge reads the digit that was asked for. Recognisable: it is more than
90 % sure. Distance: the Fréchet distance to the 10,000 test digits on the classifier's features, next to its floor, the same distance for
as many real training digits. Distances on these features compare with each other only, not with the FID of papers.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffcourse.denoiser import evaluating

REFERENCE = "mnist-reference"


class Accuracy(NamedTuple):
    """Shares of n images: `right` (the label asked for), `recognisable` (judge's confidence above 0.9); `se` is right's standard error."""

    right: float
    recognisable: float
    n: int

    @property
    def se(self) -> float:
        return (self.right * (1 - self.right) / self.n) ** 0.5

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


@lru_cache(maxsize=1)
def _reference() -> dict[str, Tensor]:
    from diffcourse import weights

    return weights.tensors(REFERENCE)


def _batched(images: Tensor, classifier: nn.Module | None, function: Any, size: int = 500) -> Tensor:
    classifier = judge() if classifier is None else classifier
    parameter = next(classifier.parameters())
    with torch.no_grad(), evaluating(classifier):
        return torch.cat([function(classifier, x.to(parameter)).cpu() for x in images.split(size)])
