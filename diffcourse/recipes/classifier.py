"""The classifiers, judges of all digits, and what real digits score: the floors and ceilings of whatever is drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import data, metrics, weights
from diffcourse.images import Batch, to_float
from diffcourse.metrics import digits
from diffcourse.models import DigitClassifier, LeNet
from diffcourse.recipes.recipe import Recipe


def jitter(images: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image by up to 2 pixels, turn it by up to 12 degrees and scale it by up to 10 %: the same digit, another hand."""
    u = torch.rand(4, len(images), generator=generator) * 2 - 1
    angle, scale = u[0] * 0.21, 1 + 0.1 * u[1]
    cos, sin, shift = angle.cos() * scale, angle.sin() * scale, u[2:] * 2 / 14
    theta = torch.stack([cos, -sin, shift[0], sin, cos, shift[1]], dim=1).view(-1, 2, 3).to(images)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
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
CEILING_SIZES = (100, 200, 500, 1000, 2000)
SAMPLE, NEAREST = 2000, 1000  # test digits to compare with, and to find the nearest of
DRAWS = 20  # of training digits
SHARES = ("precision", "recall", "density", "coverage")
TRAIN, TEST = "train", "test"


def make_reference(path: Path) -> None:
    """What real digits score, under both judges: the floors and ceilings of everything drawn.

    Of each judge: mean and covariance of the 10,000 test digits' features, the distance that n random training digits have to them, the
    features of 2,000 random test digits, and what n random training digits score against these. Of the test digits: how many are read
    right and recognised by the first, the second, both; how near they lie to training digits; ink and grey of both splits.
    """
    generator, draw = torch.Generator().manual_seed(0), torch.randperm
    pixels = {split: to_float(data.mnist(split).images) for split in (TRAIN, TEST)}
    labels, sizes = data.mnist(TEST).labels, {split: len(x) for split, x in pixels.items()}
    many, few = (
        {n: [draw(sizes[TRAIN], generator=generator)[:n] for _ in range(DRAWS)] for n in several}
        for several in (FLOOR_SIZES, CEILING_SIZES)
    )
    sample = draw(sizes[TEST], generator=generator)[:SAMPLE]
    content = {"floor_n": torch.tensor(FLOOR_SIZES), "ceiling_n": torch.tensor(CEILING_SIZES)}
    lines: dict[str, Any] = {}
    sure, right = [], []
    for key, told, judge in (("", "", None), ("lenet_", "second judge, ", metrics.second_judge())):
        (train, _), (test, of_class) = (digits.seen(pixels[split], judge) for split in (TRAIN, TEST))
        found, measured = _floors_and_ceilings(train, test, sample, many, few)
        content |= {f"{key}{name}": value for name, value in found.items()}
        lines |= {f"{told}{name}": value for name, value in measured.items()}
        confidence, read = of_class.max(dim=1)
        sure.append(confidence > 0.9)
        right.append(read == labels)
    near = metrics.nearest(pixels[TEST][sample[:NEAREST]], pixels[TRAIN])[0][:, 0].sort().values
    looks = {split: metrics.look(x) for split, x in pixels.items()}
    content |= {
        "recognisable": torch.stack([*sure, sure[0] & sure[1]]).double().mean(dim=1),
        "right": torch.stack([*right, right[0] & right[1]]).double().mean(dim=1),
        "nearest": near.float(),
        "look": torch.tensor([look[:2] for look in looks.values()], dtype=torch.float64),
    }
    lines["test digits"] = {
        "recognised by both": round(float(content["recognisable"][2]), 4),
        "distance to the nearest training digit": round(float(near.median()), 2),
    }
    lines |= {
        f"{split} digits' pixels": {"ink": round(v.ink, 4), "grey": round(v.grey, 4)} for split, v in looks.items()
    }
    card = {
        "name": path.stem,
        "about": "What real digits score under both judges: statistics of the test digits, and floors and ceilings by n training digits.",
        "headline": "floor at n = 10000: {floor at n = 10000}",
        "command": f"python -m diffcourse train {path.stem} --out {path.parent.name}",
        "data": f"{sizes[TRAIN]} training and {sizes[TEST]} test images",
        "classifier_sha256": weights.verify("mnist-classifier")["sha256"],
        "second_sha256": weights.verify("mnist-lenet")["sha256"],
        "metrics": lines,
    }
    weights.save_tensors(path, content, card)


def _floors_and_ceilings(
    train: Tensor, test: Tensor, sample: Tensor, many: dict[int, list[Tensor]], few: dict[int, list[Tensor]]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Of one judge's features: tensors, and what a card tells of them."""
    mean, cov = metrics.statistics(test)
    floor, spread = _over_draws(many, lambda i: metrics.frechet_distance(metrics.statistics(train[i]), (mean, cov)))
    real = test[sample].half()
    best, scatter = _over_draws(
        few, lambda i: (*metrics.covered(train[i], real)[:2], *metrics.populated(train[i], real)[:2])
    )
    found = {"mean": mean, "cov": cov, "floor": floor, "floor_spread": spread, "sample": real}
    found |= dict(zip(SHARES, best.T, strict=True))
    told: dict[str, Any] = {
        f"floor at n = {n}": f"{f:.3f} ± {s:.3f}" for n, f, s in zip(FLOOR_SIZES, floor, spread, strict=True)
    }
    ceilings = zip(SHARES, best[-1], scatter[-1], strict=True)
    return found, told | {f"{CEILING_SIZES[-1]} real digits": {name: f"{m:.3f} ± {s:.3f}" for name, m, s in ceilings}}


def _over_draws(draws: dict[int, list[Tensor]], score: Callable[[Tensor], Any]) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of score(places) over the draws of each size: (sizes, …) each."""
    values = torch.tensor([[score(places) for places in some] for some in draws.values()])
    return values.mean(dim=1), values.std(dim=1)


RECIPES: dict[str, Recipe | Callable[[Path], None]] = {
    "mnist-classifier": Recipe(
        about="Reads digits: the judge of label accuracy, and the features of the Fréchet distance.",
        headline="right: {right} of {test_digits} test digits",
        build=DigitClassifier,
        loss=classifier_loss,
        steps={"smoke": 20, "laptop": 11_000, "gpu": 30_000},
        measure=measure_classifier,
        options={"batch_size": 64, "lr": 2e-3},
    ),
    "mnist-lenet": Recipe(
        about="Reads digits too, by another architecture: the second judge, so that no number hangs on the taste of one.",
        headline="right: {right} of {test_digits} test digits",
        build=LeNet,
        loss=classifier_loss,
        steps={"smoke": 20, "laptop": 9_000, "gpu": 30_000},
        measure=measure_classifier,
        options={"batch_size": 64, "lr": 1e-3},
    ),
    "mnist-reference": make_reference,
}
