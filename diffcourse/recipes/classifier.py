"""The classifier, judge of all digits, and the statistics of real digits: what distances are measured against."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import data, metrics, weights
from diffcourse.images import Batch, to_float
from diffcourse.models import DigitClassifier
from diffcourse.recipes.recipe import Recipe


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
    accuracy = metrics.label_accuracy(to_float(test.images), test.labels, model)
    return {
        "test_digits": accuracy.n,
        "right": round(accuracy.right, 4),
        "recognisable": round(accuracy.recognisable, 4),
    }


# -- statistics of real digits ----------------------------------------------------------------------------------------

FLOOR_SIZES = (100, 200, 500, 1000, 2000, 5000, 10_000)


def make_reference(path: Path) -> None:
    """Mean and covariance of the 10,000 test digits' features, and the floor: the distance that n random training digits have."""
    train, test = (metrics.features(to_float(data.mnist(split).images)) for split in ("train", "test"))
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
}
