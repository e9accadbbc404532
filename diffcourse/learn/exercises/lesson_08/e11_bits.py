"""From a density to bits."""

import math

from torch import Tensor

from diffcourse.learn.exercise import Exercise


def bits_per_pixel(log_p: Tensor, pixels: int, low: float, high: float) -> Tensor:
    """Bits a pixel of pictures of 256 greys, from the density that a model gives them.

    The greys 0, 1 … 255 were stored as numbers, 0 as low and 255 as high, evenly in between;
    then each was spread out evenly over the width of one grey, which gives a density. The
    probability of a grey is the density times that width.
    log_p (B,): the natural logarithm of the density of each whole picture, all its pixels
    together, in the stored numbers; pixels: how many a picture has. Returns (B,): how many bits
    a pixel the model spends on each picture. Differentiable in log_p.
    """
    width = (high - low) / 255
    return -(log_p / pixels + math.log(width)) / math.log(2)


EXERCISE = Exercise(
    name="08.bits_per_pixel",
    title="From a density to bits",
    minutes=6,
    level=2,
    reference=bits_per_pixel,
)
