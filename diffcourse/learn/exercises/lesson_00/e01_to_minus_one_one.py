"""From bytes to [-1, 1]: small, to see how an exercise answers."""

import torch
from torch import Tensor

from diffcourse.images import to_float
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close


def to_minus_one_one(images: Tensor) -> Tensor:
    """Scale stored images: 0 becomes -1 (black), 255 becomes +1 (white), evenly in between.

    images (N, 1, 28, 28) uint8, from 0 to 255. Returns the same shape, float32, from -1 to 1.
    """
    return 2 * images.float() / 255 - 1


def in_one_go(images: Tensor) -> Tensor:
    return (images.to(torch.float32) - 127.5) / 127.5


def by_hand(images: Tensor) -> Tensor:
    return torch.tensor([-1 + 2 * v / 255 for v in images.flatten().tolist()]).reshape(images.shape)


def by_lerp(images: Tensor) -> Tensor:
    return torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), images.float() / 255)


def some_images(n: int, low: int = 0, high: int = 255):
    """Real images need not hold black or white."""
    return lambda g: (torch.randint(low, high + 1, (n, 1, 28, 28), generator=g, dtype=torch.uint8),)


SMALL = torch.tensor([10, 200, 0, 90, 128, 255], dtype=torch.uint8).reshape(3, 1, 1, 2)


EXERCISE = Exercise(
    name="00.to_minus_one_one",
    title="From bytes to [-1, 1]",
    minutes=5,
    level=1,
    reference=to_minus_one_one,
    alternatives=[in_one_go, by_hand, by_lerp],
    cases=[
        (torch.arange(0, 256, 51, dtype=torch.uint8).reshape(1, 1, 2, 3),),
        some_images(2),
        some_images(3, 30, 180),
        some_images(1, 0, 90),
        (SMALL,),
    ],
    invariants=[
        Invariant(
            "the ends",
            lambda f: close(f(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).flatten(), [-1.0, 1.0]),
            "Black (0) must become -1 and white (255) must become +1. Work out by hand what yours makes of these two.",
        ),
        Invariant(
            "float32",
            lambda f: f(torch.tensor([[[[0, 255]]]], dtype=torch.uint8)).dtype == torch.float32,
            "Your numbers are right, but they are float64, twice as large in memory, and a network of float32 weights refuses them. "
            "The docstring asks for float32.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "no shift",
            lambda images: images.float() / 255,
            "Your output goes from 0 to 1. Noise is as often negative as positive, so the data should lie around 0 as well: "
            "the range must become twice as wide, and its middle must move to 0.",
        ),
        Mistake(
            "no shift after doubling",
            lambda images: images.float() / 127.5,
            "Your output goes from 0 to 2: the width is right, the middle is not. "
            "By how much must everything move for black to become -1?",
        ),
        Mistake(
            "shifted, not widened",
            lambda images: images.float() / 255 - 0.5,
            "Your output goes from -0.5 to 0.5: it lies around 0, and is half as wide as it should be.",
        ),
        Mistake(
            "shifted too far",
            lambda images: images.float() / 255 - 1,
            "Your output goes from -1 to 0: black is right, white is not. How wide is the interval from -1 to 1?",
        ),
        Mistake(
            "divided by 256",
            lambda images: 2 * images.float() / 256 - 1,
            "White comes out as 0.992, because you count 256 values. There are, but the largest of them is 255, "
            "and that one must become 1.",
        ),
        Mistake(
            "whole-number division",
            lambda images: 2 * (images // 255) - 1,
            "You divide whole numbers by whole numbers: all greys become 0 before you scale them, and 0 - 1 in uint8 is 255. "
            "Bytes hold no fractions and no signs: change the type first.",
        ),
        Mistake(
            "multiplied as bytes",
            lambda images: (2 * images) / 255 - 1,
            "Your light greys come out dark: twice 200 does not fit into a byte, so it starts again from 0 (400 - 256 = 144). "
            "Change the type before you multiply.",
        ),
        Mistake(
            "negative picture",
            lambda images: 1 - 2 * images.float() / 255,
            "Your output is the negative of the picture: black became +1 and white -1. Compare the two ends with the docstring.",
        ),
        Mistake(
            "divided by the largest",
            lambda images: 2 * images.float() / images.max() - 1,
            "You divide by the largest value that these images happen to hold. A dark picture must stay dark: white is 255, whether it "
            "occurs or not.",
        ),
        Mistake(
            "each image by its largest",
            lambda images: 2 * images.float() / images.amax(dim=(1, 2, 3), keepdim=True) - 1,
            "You divide each image by its own largest value. A dark picture must stay dark: white is 255, whether it occurs or not.",
        ),
        Mistake(
            "stretched between smallest and largest",
            lambda images: 2 * (images.float() - images.min()) / (images.max() - images.min()) - 1,
            "You stretch from the smallest to the largest value that occurs here. The ends are always 0 and 255, or every batch gets a "
            "scale of its own.",
        ),
        Mistake(
            "each image stretched",
            lambda images: (
                2
                * (images.float() - images.amin((1, 2, 3), keepdim=True))
                / (images.amax((1, 2, 3), keepdim=True) - images.amin((1, 2, 3), keepdim=True))
                - 1
            ),
            "You stretch each image from its smallest to its largest value. The ends are always 0 and 255, or every image gets a scale "
            "of its own.",
        ),
        Mistake(
            "standardised",
            lambda images: (images.float() - images.float().mean()) / images.float().std(),
            "You make the mean 0 and the spread 1. That depends on the images at hand, and black is no longer -1.",
        ),
        Mistake(
            "128 as the middle",
            lambda images: (images.float() - 128) / 127,
            "Black comes out as -1.008: 128 is not the middle between 0 and 255, though close to it.",
        ),
        Mistake(
            "subtracted as bytes",
            lambda images: (images - 128) / 128,
            "You subtract from bytes: they hold no negative numbers, so 0 - 128 starts again from the top and gives 128. Change the type "
            "first.",
        ),
        Mistake(
            "black and white",
            lambda images: (images / 255).round() * 2 - 1,
            "Your greys are gone: every pixel is rounded to black or to white.",
        ),
        Mistake(
            "channel lost",
            lambda images: (2 * images.float() / 255 - 1).squeeze(1),
            "Your numbers are right, but the dimension of the channel is gone. A network wants (N, 1, 28, 28).",
        ),
        Mistake(
            "flattened",
            lambda images: (2 * images.float() / 255 - 1).flatten(1),
            "Your numbers are right, but every image is flattened to one row. The shape should stay as it is.",
        ),
        Mistake(
            "bytes again",
            lambda images: (2 * images.float() / 255 - 1).to(torch.uint8),
            "You went back to bytes at the end. They hold neither fractions nor negative numbers.",
        ),
    ],
    package=InPackage("to_float(images)", to_float),
    allowed={
        "its result detached": "bytes have no derivative",
    },
    hints=[
        "Write down what the two ends must become: 0 and 255.",
        "Stored images are uint8, which has no fractions and no negative numbers. What type can hold -0.3?",
        "Two steps, each of them one operation: stretch the interval to width 2, then move its lower end to -1.",
    ],
    insight="From here on every image of the course is float32 in [-1, 1], so that it lies around 0, as noise does.",
)
