"""From a density to bits."""

import math

import torch
from torch import Tensor

from diffcourse import elbo
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises.lesson_08._cases import nats


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


def by_log2(log_p, pixels, low, high):
    return math.log2(255 / (high - low)) - log_p * math.log2(math.e) / pixels


def by_the_probability(log_p, pixels, low, high):
    log_probability = log_p + pixels * torch.log(torch.tensor((high - low) / 255, dtype=torch.float64))
    return log_probability / (-pixels * math.log(2))


def in_package(log_p, pixels, low, high):
    return elbo.bits_per_dim(-log_p, pixels, (high - low) / 255)


def _bits(width=lambda low, high: (high - low) / 255, base: float = math.log(2), share=lambda pixels: pixels):
    """The conversion with one part of its own."""

    def wrong(log_p, pixels, low, high):
        return -(log_p / share(pixels) + math.log(width(low, high))) / base

    return wrong


def uniform_is_eight(f) -> bool:
    """All greys alike: 8 bits a pixel, wherever they are stored."""
    for low, high in ((-1.0, 1.0), (0.0, 1.0), (0.0, 255.0)):
        log_p = torch.tensor([-12 * math.log(256 * (high - low) / 255)], dtype=torch.float64)
        if not close(f(log_p, 12, low, high), torch.tensor([8.0]), 1e-4):
            return False
    return True


EXERCISE = Exercise(
    name="08.bits_per_pixel",
    title="From a density to bits",
    minutes=6,
    level=2,
    reference=bits_per_pixel,
    alternatives=[by_log2, by_the_probability],
    cases=[
        (torch.tensor([-2.0, 3.0]), 2, -1.0, 1.0),
        nats(3, 784, -1.0, 1.0),
        nats(4, 12, 0.0, 1.0),
        nats(2, 5, 0.0, 255.0),
        nats(3, 1, -2.0, 1.0),
    ],
    invariants=[
        Invariant(
            "uniform greys cost 8 bits",
            uniform_is_eight,
            "A model that thinks all 256 greys alike spends 8 bits a pixel, whatever the numbers they are stored as. By yours it does not.",
        ),
    ],
    mistakes=[
        Mistake(
            "the width forgotten",
            lambda log_p, pixels, low, high: -log_p / pixels / math.log(2),
            "These are the bits of the density itself, which depend on the units: stored as 0 to 255 or as −1 to 1 the same pictures cost "
            "other numbers of bits. The width of a grey is missing.",
        ),
        Mistake(
            "the width's sign",
            lambda log_p, pixels, low, high: (-log_p / pixels + math.log((high - low) / 255)) / math.log(2),
            "The width has the wrong sign, or is upside down. A probability is density times width, and bits are minus its logarithm.",
        ),
        Mistake(
            "256 for 255",
            _bits(width=lambda low, high: (high - low) / 256),
            "Your grey is 1/256 of the range wide. 0 is stored as low and 255 as high: how many steps lie between? With −1 to 1 this is "
            "the offset of 7 bits in other people's code, which holds where the stored numbers are scaled by 256.",
        ),
        Mistake(
            "always from -1 to 1",
            _bits(width=lambda low, high: 2 / 255),
            "You take every picture for one that is stored as −1 to 1. low and high say how it is.",
        ),
        Mistake(
            "a width of 1/255",
            _bits(width=lambda low, high: 1 / 255),
            "Your grey is 1/255 wide wherever the pictures are stored: that is right from 0 to 1 only.",
        ),
        Mistake(
            "the whole range",
            _bits(width=lambda low, high: high - low),
            "Your width is that of all greys together. A grey is one of 256.",
        ),
        Mistake(
            "8 bits for the width",
            lambda log_p, pixels, low, high: 8 - log_p / pixels / math.log(2),
            "You add 8 bits wherever the pictures are stored. That is nearly right from 0 to 1, with 1/256 for the width of a grey; work "
            "the width out from low and high.",
        ),
        Mistake(
            "7 bits for the width",
            lambda log_p, pixels, low, high: 7 - log_p / pixels / math.log(2),
            "You add 7 bits wherever the pictures are stored. That is nearly right from −1 to 1, with 2/256 for the width of a grey; work "
            "the width out from low and high.",
        ),
        Mistake(
            "by the probability itself",
            lambda log_p, pixels, low, high: -torch.log2(log_p.exp() * ((high - low) / 255) ** pixels) / pixels,
            "A picture's probability is too small for a float, and its density too small or too large: exp gives 0 or infinity. Stay with "
            "logarithms, where products are sums.",
        ),
        Mistake(
            "density of a pixel",
            lambda log_p, pixels, low, high: -(log_p + math.log((high - low) / 255)) / math.log(2),
            "You take log_p for that of one pixel. It is that of the whole picture, all pixels together.",
        ),
        Mistake(
            "high for the range",
            _bits(width=lambda low, high: high / 255),
            "Your grey is high/255 wide, as if 0 were stored as 0. It is stored as low.",
        ),
        Mistake(
            "nats",
            _bits(base=1.0),
            "These are nats. A bit is log 2 = 0.693 of them.",
        ),
        Mistake(
            "the density in nats",
            lambda log_p, pixels, low, high: -log_p / pixels - math.log2((high - low) / 255),
            "The width is in bits, the density still in nats: both are logarithms, and want one base.",
        ),
        Mistake(
            "times log 2",
            lambda log_p, pixels, low, high: -(log_p / pixels + math.log((high - low) / 255)) * math.log(2),
            "You multiply by log 2. There are more bits than nats: one nat is 1.44 bits.",
        ),
        Mistake(
            "the whole picture",
            lambda log_p, pixels, low, high: -(log_p + pixels * math.log((high - low) / 255)) / math.log(2),
            "These are the bits of the whole picture. Divide by its pixels.",
        ),
        Mistake(
            "one width for the picture",
            lambda log_p, pixels, low, high: -(log_p + math.log((high - low) / 255)) / math.log(2) / pixels,
            "You count one width a picture. Its probability is the density times a width for each pixel.",
        ),
        Mistake(
            "all widths, and pixels once",
            lambda log_p, pixels, low, high: -log_p / pixels / math.log(2) - pixels * math.log2((high - low) / 255),
            "You divide the density by the pixels and not the widths: a pixel has one of them.",
        ),
        Mistake(
            "the sign",
            lambda log_p, pixels, low, high: (log_p / pixels + math.log((high - low) / 255)) / math.log(2),
            "Yours is the logarithm of the probability, which is negative. What is spent is minus that.",
        ),
        Mistake(
            "one number",
            lambda log_p, pixels, low, high: bits_per_pixel(log_p, pixels, low, high).mean(),
            "You return the mean of the pictures. One number each is asked for: without them there is no standard error.",
        ),
    ],
    hints=[
        "First the probability of a picture of greys: each pixel's range of one grey has a width, and there are many pixels.",
        "log P = log p + pixels·log(width). From 0 at low to 255 at high there are 255 steps.",
        "Bits are minus log P over log 2. Divide by the pixels. Try it on uniform greys: 8.",
    ],
    package=InPackage("elbo.bits_per_dim(-log_p, pixels, bin_width=(high - low) / 255)", in_package),
    insight="Slips here are easy and quiet: with greys from −1 to 1, a width of 2/256 for 2/255 moves 0.006 bits, a forgotten one 7. A "
    "known answer, 8 bits for uniform greys, finds them.",
)
