"""Is the model copying its training images?"""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.learn.exercises._cases import normal


def copies(generated: Tensor, train: Tensor, test: Tensor, level: float) -> float:
    """Which share of generated images lies suspiciously near to a training image.

    How near a new image may be by chance is told by the test images, which no training saw.
    An image is called a copy if it lies as near to its nearest training image as the closest
    `level` share of the test images lie to theirs, or nearer; so in the place of the generated
    ones the test images themselves score exactly `level`.
    generated (N, D), train (n, D) and test (M, D) are images, a row each, and near is meant in
    Euclidean distance. level·M is a whole number from 1 to M - 1, up to rounding, and no
    generated image lies between the last test image that counts and the next one. Returns a
    number from 0 to 1, for instance 0.03. No gradient is needed.
    """
    own, usual = (torch.cdist(images, train).amin(dim=1) for images in (generated, test))
    border = usual.sort().values[round(level * len(test)) - 1]
    return (own <= border).double().mean().item()


def by_quantile(generated, train, test, level):
    def nearest(images):
        return (images[:, None] - train).square().sum(-1).min(dim=1).values

    return float((nearest(generated) <= torch.quantile(nearest(test), level)).float().mean())


def one_by_one(generated, train, test, level):
    def nearest(image):
        return min(float((image - other).norm()) for other in train)

    usual = sorted(nearest(image) for image in test)
    few = int(level * len(test) + 0.5)
    border = (usual[few - 1] + usual[few]) / 2
    found = [image for image in generated if nearest(image) < border]
    return len(found) / len(generated)


def by_rank(generated, train, test, level):
    """A copy has fewer than level·M test images that are nearer than itself."""
    own = torch.cdist(generated.double(), train.double()).min(dim=1).values
    usual = torch.cdist(test.double(), train.double()).min(dim=1).values
    nearer = (usual[None] < own[:, None] - 1e-9).sum(dim=1)
    return (nearer < round(level * len(test))).double().mean().item()


def _nearest(a: Tensor, b: Tensor) -> Tensor:
    return torch.cdist(a, b).amin(dim=1)


def _others(x: Tensor) -> Tensor:
    """From each to the nearest of the others."""
    distances = torch.cdist(x, x)
    return distances.fill_diagonal_(torch.inf).amin(dim=1)


def _smallest(distances: Tensor, level: float) -> Tensor:
    """The border below which a share `level` lies."""
    return distances.flatten().sort().values[max(round(level * distances.numel()) - 1, 0)]


def _share(own: Tensor, border: Tensor | float) -> float:
    return (own <= border).double().mean().item()


def _by(own: Callable, border: Callable) -> Callable:
    """The share whose distances `own(generated, train, test)` are up to `border(generated, train, test, level)`."""
    return lambda generated, train, test, level: _share(
        own(generated, train, test), border(generated, train, test, level)
    )


def _to_train(generated: Tensor, train: Tensor, test: Tensor) -> Tensor:
    return _nearest(generated, train)


def _usual(generated: Tensor, train: Tensor, test: Tensor, level: float) -> Tensor:
    return _smallest(_nearest(test, train), level)


def _of_train(generated: Tensor, train: Tensor, test: Tensor, level: float) -> float:
    """The share of training images that something generated is near to."""
    return _share(_nearest(train, generated), _usual(generated, train, test, level))


def _as_many(generated: Tensor, train: Tensor, test: Tensor, level: float) -> float:
    """The border from a training set cut to the test set's size."""
    return _share(_nearest(generated, train), _smallest(_nearest(test, train[: len(test)]), level))


def off_the_border(own: Tensor, usual: Tensor, few: int, width: int = 1) -> Tensor:
    """Which distances are not from the few-th smallest usual one to the next, or to `width` further ones, nor near these."""
    values = usual.sort().values
    below, above = values[max(few - width, 0)], values[min(few + width - 1, len(values) - 1)]
    return (own < below - 0.01) | (own > above + 0.01)


def drawn(N: int, n: int, M: int, D: int, few: int, copied: int, spread: float = 1.0, scale: float = 1.0) -> Callable:
    """A case: `copied` of the generated ones are training images with a little noise, the others are new, of another spread."""

    def case(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, float]:
        train, test = normal(g, n, D), normal(g, M, D)
        near = train[torch.randint(n, (copied,), generator=g)] + 0.01 * normal(g, copied, D)
        new = spread * normal(g, 20 * N, D)
        usual = _nearest(test, train)
        own = _nearest(new, train)
        clear = off_the_border(own, usual, few) & off_the_border(own, usual, M - few)
        clear &= off_the_border(own, _others(train), round(few / M * n), width=2)
        new = new[clear][: N - copied]
        generated = torch.cat([near, new])[torch.randperm(N, generator=g)]
        return scale * generated, scale * train, scale * test, few / M

    return case


def _numbers(n: int, D: int, seed: int) -> Tensor:
    return torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_images_score_level(f: Callable) -> bool:
    """In the place of the generated ones, and other fresh ones nearly so."""
    train, test = _numbers(30, 3, 0), _numbers(100, 3, 1)
    exact = all(abs(f(test, train, test, level) - level) < 1e-6 for level in (0.01, 0.07, 0.1, 0.25, 0.29))
    fresh = f(_numbers(500, 3, 2), train, _numbers(200, 3, 3), 0.1)
    return exact and abs(fresh - 0.1) < 0.05


def training_images_are_copies(f: Callable) -> bool:
    train, test = _numbers(40, 3, 4), _numbers(20, 3, 5)
    return abs(f(train[5:25], train, test, 0.05) - 1) < 1e-6


def far_away_is_new(f: Callable) -> bool:
    train, test = _numbers(40, 3, 4), _numbers(20, 3, 5)
    return abs(f(50 + 0.01 * _numbers(30, 3, 6), train, test, 0.2)) < 1e-6


def other_units(f: Callable) -> bool:
    train, test, generated = _numbers(40, 3, 4), _numbers(20, 3, 5), _numbers(50, 3, 6)
    values = [f(scale * generated, scale * train, scale * test, 0.2) for scale in (1.0, 100.0, 0.01)]
    return max(values) - min(values) < 1e-6


EXERCISE = Exercise(
    name="10.copies",
    title="Is it copying?",
    minutes=8,
    level=2,
    reference=copies,
    alternatives=[by_quantile, one_by_one, by_rank],
    gradients=[],
    allowed={
        "* rows reversed": "the order of images does not matter",
        "level one less": "the index is then M less, which counts from the end to the same place",
    },
    cases=[
        (
            torch.tensor([[0.1], [2.0], [4.0], [5.5]]),
            torch.tensor([[0.0], [4.1], [9.0]]),
            torch.tensor([[0.5], [2.5], [4.4], [7.0]]),
            0.25,
        ),
        drawn(40, 30, 10, 2, 1, 6),
        drawn(80, 25, 40, 3, 4, 0),
        drawn(100, 40, 20, 3, 5, 0, spread=0.5),
        drawn(60, 50, 50, 4, 5, 12, scale=10.0),
        drawn(50, 20, 40, 2, 4, 20, spread=2.0, scale=0.1),
        drawn(32, 80, 25, 2, 5, 2, spread=0.7),
        drawn(64, 40, 30, 20, 6, 8),
        drawn(40, 30, 50, 20, 5, 0, spread=0.8),
        drawn(60, 30, 50, 2, 29, 5),  # 50·0.58 is a little less than 29, and 25·0.28 a little more than 7
        drawn(60, 30, 25, 2, 7, 5),
    ],
    invariants=[
        Invariant(
            "far away is new",
            far_away_is_new,
            "Images that are far from every training image are no copies, however like each other they are. Yours calls some of them so.",
            before_form=True,
        ),
        Invariant(
            "training images are copies",
            training_images_are_copies,
            "Take training images for the generated ones: all of them are copies. Yours scores another share than 1.",
            before_form=True,
        ),
        Invariant(
            "other units",
            other_units,
            "All images are multiplied by one number: who is nearer than whom stays the same, and so should the share. Yours changes.",
            before_form=True,
        ),
        Invariant(
            "test images score level",
            test_images_score_level,
            "Take test images for the generated ones: they are new, and a share of exactly level of them should be called copies. Yours "
            "scores another one.",
            before_form=True,
        ),
    ],
    mistakes=[
        Mistake(
            "none",
            lambda *args: 0.0,
            "Yours finds no copy at all, also where training images with hardly any noise are among the generated ones. Its border is 0, "
            "or below: a copy need not be exact.",
        ),
        Mistake(
            "among the generated ones",
            _by(lambda generated, train, test: _others(generated), _usual),
            "You look for the nearest of the other generated images. That finds a model that repeats itself; who copies is near to the "
            "training images.",
        ),
        Mistake(
            "near to test images",
            _by(lambda generated, train, test: _nearest(generated, test), _usual),
            "You look for the nearest test image of each generated one. What can a model copy from images it never saw?",
        ),
        Mistake(
            "the other end",
            _by(_to_train, lambda generated, train, test, level: _smallest(_nearest(test, train), 1 - level)),
            "Your border has a share of level beyond it, not below. A copy is nearer than usual.",
        ),
        Mistake(
            "far from the training images",
            lambda *args: 1 - copies(*args),
            "This is the share that is no copy.",
        ),
        Mistake(
            "nearer than all test images",
            _by(_to_train, lambda generated, train, test, level: _nearest(test, train).min()),
            "You ask for images that are as near as the nearest test image, whatever level is.",
        ),
        Mistake(
            "the usual distance",
            _by(_to_train, lambda generated, train, test, level: _nearest(test, train).mean()),
            "Your border is the mean distance of test images, whatever level is: some half of all new images are nearer than that.",
        ),
        Mistake(
            "the median",
            _by(_to_train, lambda generated, train, test, level: _nearest(test, train).median()),
            "Your border is the median distance of test images, whatever level is: half of all new images are nearer than that.",
        ),
        Mistake(
            "level as a distance",
            _by(_to_train, lambda generated, train, test, level: level),
            "You take level for a distance. It is a share of the test images, and says nothing about how far they are.",
        ),
        Mistake(
            "level of the usual distance",
            _by(_to_train, lambda generated, train, test, level: level * _nearest(test, train).mean()),
            "You multiply a distance by level. level is a share of the test images, not of their distance.",
        ),
        Mistake(
            "two standard deviations",
            _by(
                _to_train,
                lambda generated, train, test, level: _nearest(test, train).mean() - 2 * _nearest(test, train).std(),
            ),
            "Your border is two standard deviations below the mean, whatever level is. Distances are no Gaussian numbers, and the test "
            "images themselves tell what is rare.",
        ),
        Mistake(
            "training images among themselves",
            _by(_to_train, lambda generated, train, test, level: _smallest(_others(train), level)),
            "Your border comes from the training images among themselves. Where these hold near twins, that is a border no new image "
            "passes. There are images to calibrate with that no training saw.",
        ),
        Mistake(
            "of the generated ones themselves",
            _by(_to_train, lambda generated, train, test, level: _smallest(_nearest(generated, train), level)),
            "Your border comes from the generated images themselves, so the share is about level whatever they are.",
        ),
        Mistake(
            "from test to generated",
            _by(
                _to_train,
                lambda generated, train, test, level: _smallest(_nearest(test, generated), level),
            ),
            "Your border tells how near test images are to generated ones. What would be usual for distances to training images?",
        ),
        Mistake(
            "test images among themselves",
            _by(_to_train, lambda generated, train, test, level: _smallest(_others(test), level)),
            "Your border tells how near test images are to each other. The more images there are to choose from, the nearer is the "
            "nearest: calibrate with distances to the same training images.",
        ),
        Mistake(
            "as many training images as test images",
            _as_many,
            "For the border you look for neighbours among some of the training images only. The fewer there are to choose from, the "
            "farther is the nearest.",
        ),
        Mistake(
            "all pairs",
            _by(_to_train, lambda generated, train, test, level: _smallest(torch.cdist(test, train), level)),
            "Your border comes from the distances of all pairs. Only the nearest training image of each test image counts.",
        ),
        Mistake(
            "mean distances",
            _by(
                lambda generated, train, test: torch.cdist(generated, train).mean(dim=1),
                lambda generated, train, test, level: _smallest(torch.cdist(test, train).mean(dim=1), level),
            ),
            "You take the mean distance to all training images. A copy is near to one, and as far from the others as any.",
        ),
        Mistake(
            "share of the training images",
            _of_train,
            "This is the share of training images near to which something was generated. Asked for is the share of generated ones.",
        ),
        Mistake(
            "squared on one side",
            _by(
                lambda generated, train, test: _nearest(generated, train) ** 2,
                _usual,
            ),
            "You compare squared distances with distances.",
        ),
        Mistake(
            "squared border",
            _by(
                _to_train,
                lambda generated, train, test, level: _usual(generated, train, test, level) ** 2,
            ),
            "You compare distances with a squared one.",
        ),
        Mistake(
            "the sum of differences",
            _by(
                lambda generated, train, test: torch.cdist(generated, train, p=1).amin(dim=1),
                lambda generated, train, test, level: _smallest(torch.cdist(test, train, p=1).amin(dim=1), level),
            ),
            "You add up absolute differences. The Euclidean distance is asked for.",
        ),
        Mistake(
            "roles exchanged",
            lambda generated, train, test, level: copies(generated, test, train, level),
            "Training images and test images have each other's part in yours.",
        ),
        Mistake(
            "the excess",
            lambda *args: copies(*args) - args[3],
            "You take level off. The share itself is asked for; that level is what is to be expected comes afterwards.",
        ),
        Mistake(
            "the ratio",
            lambda *args: copies(*args) / args[3],
            "You divide by level. The share itself is asked for.",
        ),
        Mistake(
            "per cent",
            lambda *args: 100 * copies(*args),
            "You give per cent. A number from 0 to 1 is asked for.",
        ),
        Mistake(
            "how many",
            lambda *args: copies(*args) * len(args[0]),
            "You count them. Their share is asked for.",
        ),
    ],
    hints=[
        "For every generated image: which single number says how like a training image it is? And what would that number be for an image "
        "that cannot be a copy?",
        "The test images give such numbers too, measured against the same training images. Sort them: where is the border below which "
        "a share of level lies?",
        "Two sets of nearest distances, one for generated and one for test images, both to the training images. The border comes from the "
        "second, the share from the first.",
    ],
    insight="A distance alone says nothing: the nearest of 60,000 images is near for everyone. What test images score in the same place "
    "makes it a measurement, and a share far above level is a finding. Pixels see plain copies only, not a shifted or recoloured one.",
)
