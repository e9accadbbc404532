"""What no model can beat."""

import math

from diffcourse.learn.exercise import Exercise


def fewest_bits(alpha: float, sigma: float, width: float) -> float:
    """Bits a pixel below which no model of slightly noisy data can come, however good it is.

    The model's density is that of y = x_t/alpha, for x_t = alpha·x0 + sigma·eps: data with a
    little noise left, in the units of the data. The data may be as simple as they like. How
    large can the density of y be anywhere, for each dimension? A grey is `width` wide, and its
    probability is taken to be the density times the width.
    alpha, sigma and width numbers > 0. Returns a number, which is below 0 where sigma is small.
    """
    return math.log2(sigma / alpha * math.sqrt(2 * math.pi) / width)


EXERCISE = Exercise(
    name="08.fewest_bits",
    title="What no model can beat",
    minutes=7,
    level=3,
    reference=fewest_bits,
)
