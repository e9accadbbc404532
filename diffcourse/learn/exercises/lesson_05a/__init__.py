"""Exercises of lesson 05a: latents, as Stable Diffusion has them."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from diffcourse import gaussian
from diffcourse.denoiser import estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal, refuses
from diffcourse.schedule import Level

# -- sizes ------------------------------------------------------------------------------------------------------------


def compression(
    image: tuple[int, int, int],
    latent: tuple[int, int, int],
    latent_bits: int,
) -> tuple[float, float]:
    """How many times smaller latents are than the picture: counted in numbers, and in bits.

    image (channels, height, width): every value is stored in 8 bits.
    latent (channels, height, width): every value is stored in latent_bits bits.
    Returns (times fewer numbers, times fewer bits).
    """
    numbers = math.prod(image) / math.prod(latent)
    return numbers, numbers * 8 / latent_bits


def compression_in_a_loop(image, latent, latent_bits):
    of_image, of_latent = 1.0, 1.0
    for a, b in zip(image, latent, strict=True):
        of_image, of_latent = of_image * a, of_latent * b
    return of_image / of_latent, (8 * of_image) / (latent_bits * of_latent)


def compression_with_tensors(image, latent, latent_bits):
    numbers = float(torch.tensor(image).prod() / torch.tensor(latent).prod())
    return numbers, numbers / (latent_bits / 8)


def _compressed(numbers: Callable, bits: Callable) -> Callable:
    def wrong(image, latent, latent_bits):
        n = numbers(image, latent)
        return n, bits(n, latent_bits)

    return wrong


def _times(a: Sequence[int], b: Sequence[int]) -> float:
    return math.prod(a) / math.prod(b)


COMPRESSION = Exercise(
    name="05a.compression",
    title="48 times, in numbers and in bits",
    minutes=3,
    level=1,
    reference=compression,
    alternatives=[compression_in_a_loop, compression_with_tensors],
    cases=[
        ((3, 512, 512), (4, 64, 64), 32),
        ((3, 512, 512), (4, 64, 64), 16),
        ((1, 32, 64), (5, 4, 16), 6),
        ((3, 40, 24), (7, 5, 3), 8),
        ((2, 6, 1), (4, 1, 5), 3),
    ],
    mistakes=[
        Mistake(
            "upside down",
            lambda i, l, b: (_times(l, i), _times(l, i) * b / 8),
            "Yours are numbers below 1, the share that is left. Asked is how many times *smaller*: the large one above the line.",
        ),
        Mistake(
            "channels forgotten",
            _compressed(lambda i, l: _times(i[1:], l[1:]), lambda n, b: n * 8 / b),
            "You count positions. At each of them the picture has several colours and the latent several channels: count those as well.",
        ),
        Mistake(
            "one side only",
            _compressed(lambda i, l: i[1] / l[1], lambda n, b: n * 8 / b),
            "Yours is the ratio of the heights. A picture shrinks in both directions, and its channels change too.",
        ),
        Mistake(
            "bits as numbers",
            _compressed(_times, lambda n, b: n),
            "Your second answer repeats the first. A value of the picture takes 8 bits, a value of the latent takes latent_bits.",
        ),
        Mistake(
            "bits upside down",
            _compressed(_times, lambda n, b: n * b / 8),
            "By your second answer, longer latents compress better. Look again at which of the two widths makes the file larger.",
        ),
        Mistake(
            "a picture of 32-bit floats",
            _compressed(_times, lambda n, b: n * 32 / b),
            "You count 32 bits for a value of the picture. In memory a float takes that, but a stored picture takes 8.",
        ),
        Mistake(
            "8 bits for a whole pixel",
            lambda i, l, b: (_times(i, l), math.prod(i[1:]) * 8 / (math.prod(l) * b)),
            "For the bits you count 8 a pixel. A pixel has one such value for each of its colours.",
        ),
        Mistake(
            "the numbers of Stable Diffusion",
            lambda i, l, b: (48.0, 48 * 8 / b),
            "Yours is 48 for every picture. That is the number of Stable Diffusion; the two shapes are arguments.",
        ),
        Mistake(
            "latents in bytes",
            _compressed(_times, lambda n, b: n * 64 / b),
            "You count the picture in bits and the latents in bytes: their bits are divided by 8.",
        ),
        Mistake(
            "bytes beside bits",
            _compressed(_times, lambda n, b: n / b),
            "You count one bit for a value of the picture. It takes 8.",
        ),
        Mistake(
            "whole numbers",
            lambda i, l, b: (math.prod(i) // math.prod(l), math.prod(i) // math.prod(l) * 8 // b),
            "You cut the fractions off. A ratio need not be whole.",
        ),
        Mistake(
            "rounded",
            lambda i, l, b: (round(_times(i, l)), round(_times(i, l) * 8 / b)),
            "You round to whole numbers. A ratio need not be whole.",
        ),
        Mistake(
            "sums for products",
            _compressed(lambda i, l: sum(i) / sum(l), lambda n, b: n * 8 / b),
            "You add the sides. The count of values is channels times height times width.",
        ),
    ],
    gradients=[],  # counts
    allowed={"* in reversed order": "a product does not mind the order of its factors"},
    hints=[
        "First count: how many values has each of the two?",
        "A count is the product of all three sides.",
        "Bits are counts times the width of a value: 8 above the line, latent_bits below it.",
    ],
    insight="Stable Diffusion: 48 times fewer numbers; 12 times fewer bits if latents are float32, 24 times if they are float16.",
)


def latent_shape(height: int, width: int) -> tuple[int, int, int]:
    """The shape of the latents that Stable Diffusion's autoencoder gives for a picture.

    They have 4 channels, each side is an eighth. height, width: of the picture, in pixels.
    ValueError if a side is no multiple of 8: such a picture would come back smaller.
    Returns (channels, latent height, latent width), whole numbers.
    """
    if height % 8 or width % 8:
        raise ValueError(f"sides must be multiples of 8, got {height} x {width}")
    return 4, height // 8, width // 8


def latent_shape_by_divmod(height, width):
    (rows, above), (columns, beside) = divmod(height, 8), divmod(width, 8)
    if above or beside:
        raise ValueError("not a multiple of 8")
    return 4, rows, columns


def latent_shape_by_halving(height, width):
    for _ in range(3):
        if height % 2 or width % 2:
            raise ValueError("cannot be halved three times")
        height, width = height // 2, width // 2
    return [4, height, width]


def _raises_another(f: Callable, *args: int) -> bool:
    """Another error than a ValueError."""
    try:
        refuses(*args)(f)
    except Exception:
        return True
    return False


def _halves_and_all(height: int, width: int) -> tuple[int, float, float]:
    if height % 8 or width % 8:
        raise ValueError
    return 4, height / 8, width / 8


LATENT_SHAPE = Exercise(
    name="05a.latent_shape",
    title="Which size comes out, and which sizes are refused",
    minutes=4,
    level=1,
    reference=latent_shape,
    alternatives=[latent_shape_by_divmod, latent_shape_by_halving],
    cases=[(64, 64), (512, 512), (768, 512), (128, 320)],
    invariants=[
        Invariant(
            "all multiples of 8 are taken",
            lambda f: not any(refuses(*size)(f) for size in [(8, 24), (24, 8), (104, 200)]),
            "8 x 24, 24 x 8 and 104 x 200 have sides that are multiples of 8, and one of them is refused.",
        ),
        Invariant(
            "small pictures",
            lambda f: [list(f(8, 24)), list(f(104, 200))] == [[4, 1, 3], [4, 13, 25]],
            "A picture of 8 x 24 pixels has latents of 1 x 3 places, one of 104 x 200 has 13 x 25. Yours do not.",
        ),
        Invariant(
            "the error is a ValueError",
            lambda f: not _raises_another(f, 68, 68),
            "68 x 68 is refused, but not by a ValueError. (`assert` raises another error, and Python can be told to skip it.)",
        ),
        Invariant(
            "68 x 68 is refused",
            refuses(68, 68),
            "68 is 8·8 + 4: such a picture comes back with 64 pixels a side. Raise a ValueError for it.",
        ),
        Invariant(
            "each side is looked at",
            lambda f: refuses(64, 60)(f) and refuses(60, 64)(f),
            "One bad side is enough to lose pixels. Try 64 x 60, and 60 x 64.",
        ),
    ],
    mistakes=[
        Mistake(
            "three colours",
            lambda h, w: (3, h // 8, w // 8),
            "Your latents have three channels. Those are the picture's colours; the latents of Stable Diffusion have one more.",
        ),
        Mistake(
            "width first",
            lambda h, w: (4, w // 8, h // 8),
            "You have the width before the height. Tensors are (channels, height, width); only PIL says size = (width, height).",
        ),
        Mistake(
            "eight latents in all",
            lambda h, w: (4, 8, 8),
            "Yours is the same for every picture. No layer asks for a size: larger pictures give larger latents.",
        ),
        Mistake(
            "halved twice",
            lambda h, w: (4, h // 4, w // 4),
            "Yours is a quarter of each side. There are three halvings between 512 and 64.",
        ),
        Mistake(
            "an eighth of the area",
            lambda h, w: (4, h // 8, w),
            "You divide one side only. Each side becomes an eighth, the area a sixty-fourth.",
        ),
        Mistake(
            "channels last",
            lambda h, w: (h // 8, w // 8, 4),
            "You put the channels last, as in a NumPy picture. In PyTorch they come first.",
        ),
        Mistake(
            "fractions",
            _halves_and_all,
            "Your sides are floats, as 8.0. The size of a tensor is a whole number, and one of Python's two divisions gives these.",
        ),
        Mistake(
            "with a batch",
            lambda h, w: (1, 4, h // 8, w // 8),
            "You put the size of a batch in front. Asked is the shape of one picture's latents: three numbers.",
        ),
    ],
    gradients=[],  # sizes
    allowed={
        "height -> width (3)": "only the words of the error",
        "width -> height (3)": "only the words of the error",
    },
    hints=[
        "Three halvings: what is left of a side?",
        "Whole-number division gives the side; the remainder tells whether anything is cut off.",
        "Look at both remainders first and raise if one of them is not 0; then return 4 and the two quotients.",
    ],
    insight="The libraries do not all say so: elsewhere a 68 x 68 picture comes back as 64 x 64 without a word.",
)


# -- what the decoder costs -------------------------------------------------------------------------------------------


DECODER_STEPS = Exercise(
    name="05a.decoder_steps",
    title="When does the decoder stop mattering?",
    kind="value",
    minutes=4,
    level=2,
    reference=30,
    stub="# Stable Diffusion at 512 x 512: a call of the U-Net takes 402 billion multiply-adds, the\n"
    "# decoder 1,257 billion, once. With guidance each step calls the U-Net twice. What is the\n"
    "# smallest number of steps with which the decoder takes less than a twentieth of the whole?\n"
    "decoder_steps = ...",
    mistakes=[
        Mistake(
            "one below",
            29,
            "With 29 steps it is a hair more than a twentieth: 1,257 of 24,573. Which way does one round here?",
        ),
        Mistake(
            "one call a step",
            60,
            "You count one call a step. With guidance there are two, with the prompt and without.",
        ),
        Mistake(
            "one call a step, of the U-Net's part",
            63,
            "You count one call a step. With guidance there are two. And the twentieth is of the whole, the decoder's own part included.",
        ),
        Mistake(
            "of the U-Net's part",
            32,
            "You compare with the U-Net's part. A twentieth *of the whole* counts the decoder itself below the line too: then 19 shares "
            "are the U-Net's.",
        ),
        Mistake(
            "as much as the decoder",
            2,
            "That many steps cost about as much as the decoder. Asked is when it is a twentieth.",
        ),
        Mistake(
            "without rounding",
            19 * 1257 / 804,
            "The equation is right. A number of steps is whole: which of its two neighbours is still enough?",
        ),
    ],
    hints=[
        "Write down the whole: steps times two calls, plus one decoding.",
        "decoder / whole < 1/20 means that the U-Net's part is more than 19 times the decoder's.",
        "2 · 402 · steps > 19 · 1,257. Solve, and take the next whole number.",
    ],
    insight="So at the usual 50 steps decoding is about 3 % of a picture. A model that needs four steps only is another matter: there a "
    "smaller decoder pays.",
)


# -- fewer bits -------------------------------------------------------------------------------------------------------


def quantise(z: Tensor, bits: int, reach: float) -> Tensor:
    """Round latents to what fits into so many bits.

    There are 2^bits values, evenly spaced from -reach to reach, both ends among them.
    Each number of z becomes the nearest of them; what lies beyond an end becomes that end.
    z: floats of any shape. Returns z's shape.
    """
    steps = 2**bits - 1
    code = (steps * (z.clamp(-reach, reach) + reach) / (2 * reach)).round()
    return 2 * reach * code / steps - reach


def quantise_by_search(z, bits, reach):
    values = torch.linspace(-reach, reach, 2**bits, dtype=z.dtype)
    return values[(z[..., None] - values).abs().argmin(dim=-1)]


def quantise_by_width(z, bits, reach):
    width = 2 * reach / (2**bits - 1)
    return (torch.round(z / width - 0.5 * (bits > 0)) * width + 0.5 * width).clamp(-reach, reach)


def _quantised(steps: Callable = lambda bits: 2**bits - 1, rounded: Callable = torch.round) -> Callable:
    def wrong(z, bits, reach):
        n = steps(bits)
        return 2 * reach * rounded(n * (z.clamp(-reach, reach) + reach) / (2 * reach)) / n - reach

    return wrong


def _coded(z: Tensor, bits: int, reach: float) -> Tensor:
    return ((2**bits - 1) * (z.clamp(-reach, reach) + reach) / (2 * reach)).round()


def latents_case(bits: int, reach: float, *shape: int):
    return lambda g: (1.5 * normal(g, *shape), bits, reach)


QUANTISE = Exercise(
    name="05a.quantise",
    title="Latents in fewer bits",
    minutes=6,
    level=2,
    reference=quantise,
    alternatives=[quantise_by_search, quantise_by_width],
    gradients=[],  # what is rounded has no slope
    cases=[
        (torch.tensor([-5.0, -0.4, 0.7, 1.9]), 2, 3.0),
        latents_case(1, 2.0, 2, 3),
        latents_case(3, 2.5, 1, 4, 2, 3),
        latents_case(5, 1.5, 3, 7),
        latents_case(8, 0.4, 5),
        (torch.tensor(0.3), 4, 1.0),
    ],
    invariants=[
        Invariant(
            "the ends are kept",
            lambda f: close(f(torch.tensor([-3.0, 3.0, 9.0]), 3, 3.0), torch.tensor([-3.0, 3.0, 3.0])),
            "−reach and reach are among the values, so they must come out as they are, and what lies beyond must land there.",
        ),
        Invariant(
            "as many values as fit",
            lambda f: len(f(torch.linspace(-1, 1, 999), 3, 1.0).unique()) == 8,
            "Three bits tell 8 values apart. Quantise a fine ramp and count the different values that come out.",
        ),
        Invariant(
            "twice is once",
            lambda f: close(f(f(torch.linspace(-1, 1, 50), 3, 1.0), 3, 1.0), f(torch.linspace(-1, 1, 50), 3, 1.0)),
            "What is quantised already must not change again.",
        ),
    ],
    mistakes=[
        Mistake(
            "one value too many",
            _quantised(lambda bits: 2**bits),
            "You make 2^bits *steps*, and between n values there are n − 1. The last of your values would need one more bit.",
        ),
        Mistake(
            "bits for values",
            _quantised(lambda bits: bits - 1),
            "You make as many values as there are bits. Each further bit doubles their number.",
        ),
        Mistake(
            "an exclusive or",
            _quantised(lambda bits: 2 ^ bits - 1),
            "Your number of steps is `2 ^ bits - 1`. In Python ^ is the exclusive or of two numbers; a power is written **.",
        ),
        Mistake(
            "rounded down",
            _quantised(rounded=torch.floor),
            "You always take the value below, which is up to a whole step away. The nearest is at most half a step away.",
        ),
        Mistake(
            "rounded up",
            _quantised(rounded=torch.ceil),
            "You always take the value above, which is up to a whole step away. The nearest is at most half a step away.",
        ),
        Mistake(
            "multiples of the step",
            lambda z, bits, reach: ((z / (2 * reach / (2**bits - 1))).round() * (2 * reach / (2**bits - 1))).clamp(
                -reach, reach
            ),
            "Your values are multiples of the step, 0 among them. The grid begins at −reach, and with an even number of values 0 is none.",
        ),
        Mistake(
            "not clamped",
            lambda z, bits, reach: (
                2 * reach * ((2**bits - 1) * (z + reach) / (2 * reach)).round() / (2**bits - 1) - reach
            ),
            "Your values go on beyond the ends. Those have no code: what is out of reach becomes the end itself.",
        ),
        Mistake(
            "codes for values",
            _coded,
            "Yours are the codes 0, 1, 2, … that would be stored. Asked are the values they stand for.",
        ),
        Mistake(
            "the middles of the cells",
            lambda z, bits, reach: (
                ((2**bits * (z.clamp(-reach, reach) + reach) / (2 * reach)).floor().clamp(max=2**bits - 1) + 0.5)
                / 2**bits
                * 2
                * reach
                - reach
            ),
            "You cut the range into 2^bits cells and take their middles. A good quantiser too, but the ends are not among its values.",
        ),
        Mistake(
            "reach forgotten",
            lambda z, bits, reach: quantise(z, bits, 1.0),
            "Yours always spans from −1 to 1. The third argument says how far the values reach.",
        ),
        Mistake(
            "from 0 to reach",
            lambda z, bits, reach: reach * ((2**bits - 1) * z.clamp(0, reach) / reach).round() / (2**bits - 1),
            "Your values begin at 0, so everything negative is lost. They begin at −reach.",
        ),
    ],
    hints=[
        "Bring the range to whole numbers, the lowest value to 0 and the highest to the number of steps. How many steps are there?",
        "Clamp, shift, scale, round: these are the codes. Then scale and shift back.",
        "The code is the way from −reach to z, counted in steps and rounded; there is one step fewer than values.",
    ],
    insight="One more bit halves the largest error, and adds 256 bits to a scene.",
)


ENOUGH_BITS = Exercise(
    name="05a.enough_bits",
    title="How many bits are enough?",
    kind="value",
    minutes=8,
    level=2,
    reference=6,
    stub="# The latents, of standard deviation 1, are rounded to 2^b values evenly spaced from -3 to 3.\n"
    "# A rounding error is as likely anywhere within half a spacing. The encoder's own noise has, on\n"
    "# this scale, the standard deviation 0.04. What is the smallest whole number of bits b at\n"
    "# which the rounding error's standard deviation is below that noise?\n"
    "enough_bits = ...",
    mistakes=[
        Mistake(
            "the whole spacing",
            8,
            "You want the whole *spacing* below the noise. An error lies between minus and plus half of it, most of the time nearer: take "
            "its standard deviation.",
        ),
        Mistake(
            "the largest error",
            7,
            "You want the *largest* error, half a spacing, below the noise. Compare standard deviations: what is that of a number that is "
            "uniform over a spacing?",
        ),
        Mistake(
            "the variance",
            4,
            "You compare the error's variance with a standard deviation. Take the root first.",
        ),
        Mistake(
            "half the range",
            5,
            "Nearly. From −3 to 3 it is 6, not 3; and 32 values leave 31 gaps. With 5 bits the error is 0.056.",
        ),
        Mistake(
            "the bits of a number",
            4.6,
            "That is about log₂(1/0.04), an estimate by order of magnitude, and no whole number. Here work out the error itself.",
        ),
        Mistake(
            "as a fraction",
            5.47,
            "The equation is right. A number of bits is whole: which of its two neighbours is still enough?",
        ),
    ],
    tolerance=0.01,
    hints=[
        "How wide is one gap if 2^b values are spread evenly over 6?",
        "A number that is uniform over an interval of width Δ has the variance Δ²/12: the integral of x²/Δ from −Δ/2 to Δ/2.",
        "Solve 6/(2^b − 1)/√12 < 0.04 for b.",
    ],
    insight="Below the encoder's own noise more digits tell nothing: the decoder was trained to overlook differences of that size.",
)


# -- the scale factor -------------------------------------------------------------------------------------------------


def unit_scale(batches: list[Tensor]) -> float:
    """The number by which latents are multiplied so that they have standard deviation 1.

    One over the standard deviation of all numbers in all batches, about their common mean.
    batches: tensors (B, 4, h, w), of different B. Returns a float.
    """
    count, total, squares = 0, 0.0, 0.0
    for z in batches:
        count += z.numel()
        total += z.double().sum().item()
        squares += z.double().square().sum().item()
    return (squares / count - (total / count) ** 2) ** -0.5


def unit_scale_at_once(batches):
    return 1 / torch.cat(list(batches)).std().item()


def unit_scale_by_moments(batches):
    """Chan's update: means and sums of squares of two parts, merged."""
    n, mean, m2 = 0, 0.0, 0.0
    for z in batches:
        z = z.double()
        apart = z.mean() - mean
        m2 = m2 + (z - z.mean()).square().sum() + apart**2 * n * z.numel() / (n + z.numel())
        mean = mean + apart * z.numel() / (n + z.numel())
        n += z.numel()
    return torch.sqrt(n / m2)


def stream_case(*sizes: int, h: int = 6, w: int = 5):
    """Batches of different size, mean and spread; the channels differ as well."""

    def case(g):
        spread = torch.tensor([1.0, 2.0, 0.5, 3.0])[:, None, None]
        shift = torch.tensor([2.0, -1.0, 0.0, 1.0])[:, None, None]
        return ([(1 + 0.4 * i) * spread * normal(g, n, 4, h, w) + shift + i for i, n in enumerate(sizes)],)

    return case


def _all(batches):
    return torch.cat(list(batches)).double()


UNIT_SCALE = Exercise(
    name="05a.unit_scale",
    title="The scale factor, from a stream of latents",
    minutes=6,
    level=2,
    reference=unit_scale,
    alternatives=[unit_scale_at_once, unit_scale_by_moments],
    cases=[
        stream_case(9),
        stream_case(12, 3, h=4, w=9),
        stream_case(1, 8, 11, h=7, w=6),
        stream_case(90, 1, 200, h=1, w=1),
    ],
    tolerance=1e-3,  # dividing by N or by N - 1 makes no difference that matters here
    invariants=[
        Invariant(
            "it does what it is for",
            lambda f: (
                abs(
                    (torch.arange(400.0).view(1, 4, 10, 10) * float(f([torch.arange(400.0).view(1, 4, 10, 10)]))).std()
                    - 1
                )
                < 5e-3
            ),
            "Multiply the latents by your number: their standard deviation must be 1.",
        ),
        Invariant(
            "a shift changes nothing",
            lambda f: (
                abs(
                    float(f([torch.arange(400.0).view(1, 4, 10, 10) + 500]))
                    / float(f([torch.arange(400.0).view(1, 4, 10, 10)]))
                    - 1
                )
                < 1e-3
            ),
            "Add a constant to all latents: they spread as much as before, so the factor must stay. Yours changes.",
        ),
    ],
    mistakes=[
        Mistake(
            "the standard deviation itself",
            lambda bs: _all(bs).std().item(),
            "Yours is the standard deviation. Multiplied by it, wide latents become wider still.",
        ),
        Mistake(
            "one over the variance",
            lambda bs: 1 / _all(bs).var().item(),
            "Yours is one over the variance. Multiplying by c multiplies the variance by c²: which c makes it 1?",
        ),
        Mistake(
            "root mean square",
            lambda bs: _all(bs).square().mean().item() ** -0.5,
            "You divide by the root mean square, which counts the mean as spread. Take the mean off first.",
        ),
        Mistake(
            "mean of the batches' deviations",
            lambda bs: len(bs) / sum(z.double().std().item() for z in bs),
            "You average the deviations of the batches. Batches differ in size and in mean, and that is part of the spread: "
            "add up count, sum and sum of squares instead.",
        ),
        Mistake(
            "mean of the batches' variances",
            lambda bs: (sum(z.double().var().item() for z in bs) / len(bs)) ** -0.5,
            "You average the variances of the batches. What the batches' means differ by is missing, and a small batch counts "
            "as much as a large one.",
        ),
        Mistake(
            "each batch about its own mean",
            lambda bs: (
                (sum((z.double() - z.double().mean()).square().sum().item() for z in bs) / sum(z.numel() for z in bs))
                ** -0.5
            ),
            "You measure each batch about its own mean. What the means differ by belongs to the spread: there is one mean, of all numbers.",
        ),
        Mistake(
            "mean of the batches' factors",
            lambda bs: sum(1 / z.double().std().item() for z in bs) / len(bs),
            "You average the factors of the batches. The factor is wanted of all numbers together: add up count, sum and sum of squares.",
        ),
        Mistake(
            "first batch only",
            lambda bs: 1 / bs[0].double().std().item(),
            "Yours knows the first batch only. Stable Diffusion's factor was measured like that, on a large one. Here all of them count.",
        ),
        Mistake(
            "last batch only",
            lambda bs: 1 / bs[-1].double().std().item(),
            "Yours knows the last batch only: are your sums set to 0 inside the loop?",
        ),
        Mistake(
            "a factor for each channel",
            lambda bs: 1 / _all(bs).std(dim=(0, 2, 3)),
            "Yours is one factor a channel. That can be done too, but Stable Diffusion has a single number for all four.",
        ),
        Mistake(
            "mean of the channels' deviations",
            lambda bs: 1 / _all(bs).std(dim=(0, 2, 3)).mean().item(),
            "You average the deviations of the channels. Their means differ as well, and that belongs to the spread of all numbers.",
        ),
        Mistake(
            "largest value",
            lambda bs: 1 / _all(bs).abs().max().item(),
            "You bring the largest value to 1, as one does with pixels. Here the standard deviation is to be 1.",
        ),
    ],
    gradients=[],  # a plain number, measured
    allowed={"batches in reversed order": "a sum does not mind the order"},
    hints=[
        "Three running sums are enough, and no batch has to be kept.",
        "Count, sum, and sum of squares. The variance is the mean of the squares minus the square of the mean.",
        "After the loop: mean = sum / count, variance = squares / count − mean², then one over its root.",
    ],
    insight="For Stable Diffusion this number is 0.18215: its bare latents have a standard deviation of 5.5.",
)


def there_and_back(x: Tensor, encode, decode, scale: float) -> tuple[Tensor, Tensor]:
    """The latents that a diffusion model works on, and the picture that they decode to.

    encode(x) gives bare latents; it may draw them, so it is called once. decode(z) wants bare
    latents.
    scale = 1/(standard deviation of bare latents). x (B, 3, H, W).
    Returns (latents of standard deviation 1, picture).
    """
    latents = scale * encode(x)
    return latents, decode(latents / scale)


def there_and_back_with_std(x, encode, decode, scale):
    z = encode(x) / (1 / scale)
    return z, decode(z * (1 / scale))


def there_and_back_directly(x, encode, decode, scale):
    bare = encode(x)
    return bare * scale, decode(bare)


def toy_encode(x: Tensor) -> Tensor:
    """Stands for an encoder in the cases: not linear, half the size, one channel more."""
    small = 2.5 * torch.tanh(x[:, :, ::2, ::2]) + 0.3
    return torch.cat([small, small[:, :1] * small[:, 1:2]], dim=1)


class DrawnEncoder:
    """Stands for an encoder that draws its latents: every call gives others."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        return toy_encode(x) + 0.3 * math.cos(self.calls)


def toy_decode(z: Tensor) -> Tensor:
    """Stands for a decoder in the cases: not linear, twice the size, a little beyond -1 and 1."""
    colours = 1.3 * torch.tanh(0.8 * z[:, :3] - 0.1 * z[:, 3:] - 0.1)
    return colours.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def coder_case(scale: float, *shape: int, encode: Callable[[], Callable] = lambda: toy_encode):
    return lambda g: (normal(g, *shape).clamp(-1, 1), encode(), toy_decode, scale)


def _coded_with(latents: Callable, picture: Callable) -> Callable:
    """One call of encode; latents of (bare, scale), picture of (decode, bare, scale)."""

    def wrong(x, encode, decode, scale):
        bare = encode(x)
        return latents(bare, scale), picture(decode, bare, scale)

    return wrong


THERE_AND_BACK = Exercise(
    name="05a.there_and_back",
    title="The scale factor, in the right places",
    minutes=2,
    level=2,
    reference=there_and_back,
    alternatives=[there_and_back_with_std, there_and_back_directly],
    gradients=[],  # latents are made and shown here, nothing is trained
    cases=[
        coder_case(0.5, 1, 3, 2, 4),
        coder_case(0.18215, 2, 3, 4, 2, encode=DrawnEncoder),
        coder_case(1.7, 3, 3, 6, 4),
    ],
    invariants=[
        Invariant(
            "the factor cancels",
            lambda f: close(
                f(torch.ones(1, 3, 2, 2) / 2, toy_encode, toy_decode, 0.2)[1],
                f(torch.ones(1, 3, 2, 2) / 2, toy_encode, toy_decode, 3.0)[1],
            ),
            "The picture must not depend on the factor: what is multiplied on the way in is divided on the way out. Yours depends on it.",
        ),
    ],
    mistakes=[
        Mistake(
            "forgotten on the way out",
            _coded_with(lambda z, s: s * z, lambda d, z, s: d(s * z)),
            "Your decoder is given scaled latents, and it was trained on bare ones.",
        ),
        Mistake(
            "forgotten altogether",
            _coded_with(lambda z, s: z, lambda d, z, s: d(z)),
            "The picture is right, but the latents are the bare ones: the diffusion model would see a standard deviation of 1/scale.",
        ),
        Mistake(
            "forgotten on the way in",
            _coded_with(lambda z, s: z, lambda d, z, s: d(z / s)),
            "You divide on the way out what was never multiplied on the way in.",
        ),
        Mistake(
            "applied twice",
            _coded_with(lambda z, s: s * z, lambda d, z, s: d(s * s * z)),
            "You multiply again before decoding. The way out undoes the way in.",
        ),
        Mistake(
            "after decoding",
            _coded_with(lambda z, s: s * z, lambda d, z, s: d(s * z) / s),
            "You decode first and divide the *picture*. The decoder is not linear, so it matters on which side of it the factor stands.",
        ),
        Mistake(
            "before encoding",
            lambda x, e, d, s: (z := e(s * x), d(z)),
            "You scale the picture. The encoder wants pixels from −1 to 1; it is the latents that are scaled.",
        ),
        Mistake(
            "before encoding, undone after it",
            lambda x, e, d, s: (z := e(s * x), d(z / s)),
            "You multiply the picture and divide the latents. It is the latents that are scaled; the encoder wants pixels from −1 to 1.",
        ),
        Mistake(
            "deviation for its inverse",
            _coded_with(lambda z, s: z / s, lambda d, z, s: d(z)),
            "You divide on the way in. The scale is one over the deviation already, so the latents are *multiplied* by it.",
        ),
        Mistake(
            "a deviation of its own",
            _coded_with(lambda z, s: z / z.std(), lambda d, z, s: d(z)),
            "You divide by the deviation of these very latents, so each batch has another factor. An autoencoder has one: scale.",
        ),
        Mistake(
            "encoded twice",
            lambda x, e, d, s: (s * e(x), d(e(x))),
            "You call encode twice. Where it draws, the picture belongs to other latents than those that you return.",
        ),
        Mistake(
            "clamped",
            _coded_with(lambda z, s: s * z, lambda d, z, s: d(z).clamp(-1, 1)),
            "You clamp the picture. Asked is what the decoder gives; to cut it is for whoever shows it.",
        ),
        Mistake(
            "interchanged",
            lambda x, e, d, s: (d(z := e(x)), s * z),
            "The two results are interchanged: latents first, picture second.",
        ),
    ],
    hints=[
        "Where do the latents have standard deviation 1/scale, and where 1?",
        "Two operations: one right after the encoder, one right before the decoder, and they undo each other.",
        "Into the decoder must go exactly what came out of the encoder.",
    ],
    insight="In the package encode and decode own the factor, so that nobody can forget it: `vae.encode`, `vae.decode`.",
    allowed={"* called twice": "the same at twice the price, which the stub does not forbid"},
)


# -- training ---------------------------------------------------------------------------------------------------------


def weighted_loss(recon: Tensor, x: Tensor, ink: Tensor, weight: float) -> Tensor:
    """The reconstruction loss in which ink counts `weight` times as much as the ground.

    mean over all numbers of w·(|e| + e²), with e = recon - x and w = 1 where there is no ink,
    weight where there is nothing but ink, and evenly in between.
    recon, x (B, 3, H, W); ink (B, 1, H, W) from 0 to 1. Returns a scalar tensor.
    Differentiable in recon.
    """
    error = (recon - x).abs()
    return ((1 + (weight - 1) * ink) * (error + error**2)).mean()


def weighted_loss_by_lerp(recon, x, ink, weight):
    w = torch.lerp(torch.ones_like(ink), torch.full_like(ink, weight), ink).expand_as(x)
    e = recon - x
    return (w * e.abs() + w * e.square()).sum() / x.numel()


def weighted_loss_in_two_parts(recon, x, ink, weight):
    e = (recon - x).abs()
    e = e + e * e
    return (ink * weight * e).mean() + ((1 - ink) * e).mean()


def _weighted(w: Callable = lambda ink, weight: 1 + (weight - 1) * ink, of: Callable = lambda e: e + e**2) -> Callable:
    return lambda recon, x, ink, weight: (w(ink, weight) * of((recon - x).abs())).mean()


def reconstruction_case(weight: float, *shape: int):
    def case(g):
        ink = torch.rand((shape[0], 1, *shape[2:]), generator=g)
        return normal(g, *shape), normal(g, *shape), ink, weight

    return case


WEIGHTED_LOSS = Exercise(
    name="05a.weighted_loss",
    title="Ink counts nine times",
    minutes=5,
    level=2,
    reference=weighted_loss,
    alternatives=[weighted_loss_by_lerp, weighted_loss_in_two_parts],
    cases=[
        (torch.full((1, 3, 1, 2), 0.5), torch.zeros(1, 3, 1, 2), torch.tensor([[[[0.0, 1.0]]]]), 9.0),
        reconstruction_case(9.0, 2, 3, 4, 5),
        reconstruction_case(4.0, 3, 3, 2, 2),
        reconstruction_case(1.0, 1, 3, 3, 4),
        reconstruction_case(0.5, 2, 3, 1, 3),
    ],
    gradients=["recon"],
    invariants=[
        Invariant(
            "no ink, no weight",
            lambda f: close(f(torch.ones(1, 3, 2, 2), torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2), 9.0), 2.0),
            "Without any ink, an error of 1 everywhere costs |1| + 1² = 2, whatever the weight.",
        ),
    ],
    mistakes=[
        Mistake(
            "ground counts nothing",
            _weighted(lambda ink, weight: weight * ink),
            "Where there is no ink, your weight is 0: the decoder may paint the ground in any colour.",
        ),
        Mistake(
            "one too much",
            _weighted(lambda ink, weight: 1 + weight * ink),
            "On pure ink your weight is 1 + weight. At ink 0 it must be 1, at ink 1 it must be weight.",
        ),
        Mistake(
            "divided by the weights",
            lambda recon, x, ink, weight: (lambda w, e: (w * (e + e**2)).sum() / w.expand_as(e).sum())(
                1 + (weight - 1) * ink, (recon - x).abs()
            ),
            "You divide by the sum of the weights. Asked is the plain mean over all numbers; with yours, a scene with a large "
            "digit would count less for each of its pixels.",
        ),
        Mistake(
            "absolute error only",
            _weighted(of=lambda e: e),
            "Yours has the absolute error alone. The square is missing: it punishes the few large errors, a digit left out.",
        ),
        Mistake(
            "square only",
            _weighted(of=lambda e: e**2),
            "Yours has the square alone. The absolute error is missing: it keeps edges sharp where errors are already small.",
        ),
        Mistake(
            "weight inside the square",
            lambda recon, x, ink, weight: (lambda e: (e + e**2).mean())((1 + (weight - 1) * ink) * (recon - x).abs()),
            "You weigh the error before it is squared, so the square counts weight² times. Weigh the sum of the two.",
        ),
        Mistake(
            "sum for mean",
            lambda recon, x, ink, weight: ((1 + (weight - 1) * ink) * ((recon - x).abs() + (recon - x) ** 2)).sum(),
            "Yours is a sum over all numbers, so it grows with the batch and with the picture. Asked is the mean.",
        ),
        Mistake(
            "means multiplied",
            lambda recon, x, ink, weight: (
                (1 + (weight - 1) * ink).mean() * ((recon - x).abs() + (recon - x) ** 2).mean()
            ),
            "You multiply two means. A weight must meet the error of its own pixel, before the mean.",
        ),
        Mistake(
            "all or nothing",
            _weighted(lambda ink, weight: torch.where(ink > 0.5, torch.tensor(weight), torch.tensor(1.0))),
            "You weigh by yes or no. At the edge of a stroke a pixel is partly ink, and its weight lies in between.",
        ),
        Mistake(
            "any ink",
            _weighted(lambda ink, weight: torch.where(ink > 0, torch.tensor(weight), torch.tensor(1.0))),
            "You give the full weight to any trace of ink. At the edge of a stroke a pixel is partly ink, and its weight lies in between.",
        ),
        Mistake(
            "only the absolute error weighted",
            lambda recon, x, ink, weight: ((1 + (weight - 1) * ink) * (recon - x).abs() + (recon - x) ** 2).mean(),
            "You weigh the absolute error alone. The square needs the weight too: it is the sum of the two that is weighed.",
        ),
        Mistake(
            "only the square weighted",
            lambda recon, x, ink, weight: ((recon - x).abs() + (1 + (weight - 1) * ink) * (recon - x) ** 2).mean(),
            "You weigh the square alone. The absolute error needs the weight too: it is the sum of the two that is weighed.",
        ),
        Mistake(
            "nine for all",
            lambda recon, x, ink, weight: weighted_loss(recon, x, ink, 9.0),
            "Your weight is 9, whatever the argument weight says.",
        ),
        Mistake(
            "the ground weighs more",
            _weighted(lambda ink, weight: 1 + (weight - 1) * (1 - ink)),
            "You have it the wrong way round: with yours the ground counts `weight` times, and ink once.",
        ),
        Mistake(
            "no weights",
            _weighted(lambda ink, weight: torch.ones_like(ink)),
            "Every pixel counts the same with yours: ink and weight have no effect.",
        ),
        Mistake(
            "summed over the colours",
            lambda recon, x, ink, weight: (
                ((1 + (weight - 1) * ink) * ((recon - x).abs() + (recon - x) ** 2)).sum(dim=1).mean()
            ),
            "You add the three colours and average over the pixels only, so yours is three times as large.",
        ),
    ],
    allowed={"recon and x interchanged": "the error counts by its size, whatever its sign"},
    hints=[
        "First the map of weights, then the map of errors, then one product and one mean.",
        "The weight is a straight line in the ink: 1 at 0, weight at 1.",
        "ink has one channel and the error three: multiplying them repeats it by itself.",
    ],
    insight="Without the weight a digit is a twentieth of the loss, and a decoder that leaves it out is nearly as good.",
)


# -- one step ---------------------------------------------------------------------------------------------------------


TRAIN_STEP = Exercise(
    name="05a.train_step",
    title="Index 40 of 51 steps",
    kind="value",
    minutes=3,
    level=1,
    reference=199.8,
    tolerance=2e-5,
    stub="# A scheduler visits 51 train steps, evenly spaced from 999 down to 0, both ends among them.\n"
    "# Which train step has the index 40? (The first index is 0. It need not be a whole number.)\ntrain_step = ...",
    mistakes=[
        Mistake(
            "the index itself",
            40.0,
            "This is the index. The list begins with 999 at index 0, and falls.",
        ),
        Mistake(
            "from the other end",
            799.2,
            "You counted from 0 upwards. The list begins in the noise, at 999.",
        ),
        Mistake(
            "51 gaps",
            999 * (1 - 40 / 51),
            "You divided by 51. Between 51 points there are 50 gaps.",
        ),
        Mistake(
            "counted from one",
            999 * (1 - 39 / 50),
            "This is the fortieth entry. Its index is 39, since the first index is 0.",
        ),
        Mistake(
            "a round number",
            200.0,
            "Nearly. Did you start at 1000? The first is 999. Or did you round? The grid is not made of whole steps.",
        ),
        Mistake(
            "rounded down",
            199.0,
            "Nearly: you cut off what stands behind the point. The grid is not made of whole steps.",
        ),
        Mistake(
            "from 1000, 51 gaps",
            1000 * (1 - 40 / 51),
            "You went down from 1000 in gaps of 1000/51. The first is 999, and between 51 points there are 50 gaps.",
        ),
        Mistake(
            "upwards, to 1000 in 51 gaps",
            1000 * 40 / 51,
            "You counted upwards, in gaps of 1000/51. The list begins in the noise, at 999, and has 50 gaps between its 51 points.",
        ),
        Mistake(
            "upwards, 51 gaps",
            999 * 40 / 51,
            "You counted upwards, and divided by 51. The list begins in the noise, at 999, and has 50 gaps between its 51 points.",
        ),
        Mistake(
            "upwards, from 0 to 1000",
            800.0,
            "You counted upwards, in gaps of 20. The list begins in the noise, at 999, and ends at 0.",
        ),
        Mistake(
            "49 gaps",
            999 * (1 - 40 / 49),
            "You divided by 49. That would be a list of 50 points.",
        ),
        Mistake(
            "gaps of 1",
            959.0,
            "You went down by 1 for each index. With 51 of the 1000 steps the gaps are wider.",
        ),
        Mistake(
            "one gap too far",
            999 * (1 - 41 / 50),
            "This is index 41: you went one gap too far.",
        ),
    ],
    hints=[
        "How wide is one gap between 51 points from 999 to 0?",
        "After 40 gaps, how far has one come down from 999?",
        "Ten gaps of 19.98 are left to 0.",
    ],
    insight="So 'step 40' may say two things: the one of index 40 among the 51 visited, or number 40 of the 1000 trained.",
)


def one_step(x: Tensor, eps: Tensor, nsr: float, form: str) -> Tensor:
    """The clean latent that a noisy latent and its noise stand for.

    form "sigma":  x = x_0 + nsr·eps
    form "vp":     x = alpha·x_0 + sigma·eps, where alpha² + sigma² = 1 and sigma/alpha = nsr
    x, eps (B, 4, h, w); nsr a positive number. Returns x_0, of x's shape.
    """
    alpha = 1.0 if form == "sigma" else 1 / (1 + nsr**2) ** 0.5
    return (x - alpha * nsr * eps) / alpha


def one_step_by_scaling(x, eps, nsr, form):
    """vp is the sigma form, scaled down to variance 1."""
    return (x * math.hypot(1, nsr) if form == "vp" else x) - nsr * eps


def one_step_by_angle(x, eps, nsr, form):
    if form == "sigma":
        return x - nsr * eps
    angle = math.atan(nsr)
    return (x - math.sin(angle) * eps) / math.cos(angle)


def step_case(nsr: float, form: str, *shape: int):
    return lambda g: (2 * normal(g, *shape), normal(g, *shape), nsr, form)


def _one_step(sigma: Callable, vp: Callable) -> Callable:
    return lambda x, eps, nsr, form: (sigma if form == "sigma" else vp)(x, eps, nsr)


def _root(nsr: float) -> float:
    return math.sqrt(1 + nsr**2)


def _estimated(x: Tensor, eps: Tensor, nsr: float, form: str) -> Tensor:
    alpha = 1.0 if form == "sigma" else 1 / _root(nsr)
    return estimate(eps, x, Level(t=0.0, alpha=alpha, sigma=nsr * alpha), "eps").x0


ONE_STEP = Exercise(
    name="05a.one_step",
    title="The clean latent, in two forms",
    minutes=6,
    level=2,
    reference=one_step,
    alternatives=[one_step_by_scaling, one_step_by_angle],
    cases=[
        (torch.tensor([[[[1.0]]]]), torch.tensor([[[[-2.0]]]]), 0.5, "sigma"),
        (torch.tensor([[[[1.0]]]]), torch.tensor([[[[-2.0]]]]), 0.75, "vp"),
        step_case(0.57, "sigma", 2, 4, 2, 3),
        step_case(0.57, "vp", 2, 4, 3, 2),
        step_case(2.5, "vp", 1, 4, 2, 2),
        step_case(3.0, "sigma", 1, 4, 1, 2),
        step_case(14.6, "vp", 3, 4, 1, 1),
        step_case(0.03, "sigma", 1, 4, 3, 1),
    ],
    gradients=[],  # a look at the clean latent, through which nothing is trained
    package=InPackage('estimate(eps, x, at, "eps").x0', _estimated),
    invariants=[
        Invariant(
            "no noise, sigma form",
            lambda f: close(f(torch.ones(1, 4, 1, 1), torch.zeros(1, 4, 1, 1), 0.7, "sigma"), torch.ones(1, 4, 1, 1)),
            "If the noise is 0, then in the sigma form x is the clean latent itself.",
        ),
    ],
    mistakes=[
        Mistake(
            "plain subtraction",
            _one_step(lambda x, e, n: x - e, lambda x, e, n: x - e),
            "You subtract the noise as it is. It went in multiplied: which factor stands before it, in each of the two forms?",
        ),
        Mistake(
            "sigma form twice",
            _one_step(lambda x, e, n: x - n * e, lambda x, e, n: x - n * e),
            "The sigma form is right. In the vp form the clean latent was made smaller, so that is to be undone as well.",
        ),
        Mistake(
            "not divided by alpha",
            _one_step(lambda x, e, n: x - n * e, lambda x, e, n: x - n / _root(n) * e),
            "Your vp form takes the noise away, and leaves alpha times the clean latent: too pale.",
        ),
        Mistake(
            "ratio for sigma",
            _one_step(lambda x, e, n: x - n * e, lambda x, e, n: (x - n * e) * _root(n)),
            "In your vp form the noise is multiplied by nsr. That is sigma/alpha; in the vp form sigma alone belongs there.",
        ),
        Mistake(
            "forms interchanged",
            _one_step(lambda x, e, n: _root(n) * x - n * e, lambda x, e, n: x - n * e),
            "The two forms are interchanged. In which of them does x keep the clean latent at full strength?",
        ),
        Mistake(
            "noise added",
            _one_step(lambda x, e, n: x + n * e, lambda x, e, n: _root(n) * x + n * e),
            "You add the noise once more. It has to come off.",
        ),
        Mistake(
            "nsr as sigma squared",
            _one_step(lambda x, e, n: x - n**0.5 * e, lambda x, e, n: _root(n**0.5) * x - n**0.5 * e),
            "You take nsr for a variance. It is the ratio sigma/alpha of two factors.",
        ),
        Mistake(
            "alpha without the root",
            _one_step(lambda x, e, n: x - n * e, lambda x, e, n: (x - n / (1 + n**2) * e) * (1 + n**2)),
            "You use 1/(1 + nsr²) for alpha. That is alpha², the share of the variance.",
        ),
        Mistake(
            "vp form twice",
            _one_step(lambda x, e, n: _root(n) * x - n * e, lambda x, e, n: _root(n) * x - n * e),
            "The vp form is right. In the sigma form x_0 has no factor, so there is nothing to undo but the noise.",
        ),
        Mistake(
            "nsr for the ratio of variances",
            _one_step(lambda x, e, n: x - n * e, lambda x, e, n: (1 + n) ** 0.5 * x - n**0.5 * e),
            "Your vp form has alpha² = 1/(1 + nsr), which holds where nsr is sigma²/alpha². Here it is sigma/alpha.",
        ),
        Mistake(
            "alpha = 1 - sigma",
            _one_step(lambda x, e, n: x - n * e, lambda x, e, n: (x - n / (1 + n) * e) * (1 + n)),
            "With your numbers alpha + sigma = 1. In the vp form the squares add up to 1.",
        ),
    ],
    hints=[
        "Solve each form for x_0, on paper.",
        "In the vp form, alpha follows from nsr: put sigma = nsr·alpha into alpha² + sigma² = 1.",
        "Take the noise off with its own factor, then undo the factor of x_0. The sigma form is the case alpha = 1.",
    ],
    insight="Divide the sigma form by √(1 + nsr²) and you have the vp form: that division is what libraries call scaling the model input.",
)


# -- between two latents ----------------------------------------------------------------------------------------------


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """Between latents along the arc, each pair of a batch with its own angle.

    Each latent is one long vector, and theta the angle between a_i and b_i. The result is
    A·a_i + B·b_i. For a and b of length 1 it has length 1 as well, and makes the angle w·theta
    with a_i and (1 - w)·theta with b_i: that fixes A and B, to be worked out on paper. Vectors
    of any length get the same A and B.
    Where the two lie on one line (sin(theta) < 1e-4): the straight line, (1 - w)·a_i + w·b_i.
    a, b (B, 4, h, w); w in [0, 1]. Returns their shape.
    """
    p, q = a.flatten(1), b.flatten(1)
    cosine = (p * q).sum(dim=1) / (p.norm(dim=1) * q.norm(dim=1))
    theta = torch.arccos(cosine.clamp(-1, 1))[:, None, None, None]
    arc = (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
    return torch.where(torch.sin(theta) < 1e-4, (1 - w) * a + w * b, arc)


def slerp_in_a_loop(a, b, w):
    out = []
    for p, q in zip(a, b, strict=True):
        cosine = float((p * q).sum() / (p.norm() * q.norm()))
        theta = math.acos(max(-1.0, min(1.0, cosine)))
        if math.sin(theta) < 1e-4:
            out.append((1 - w) * p + w * q)
        else:
            out.append((math.sin((1 - w) * theta) * p + math.sin(w * theta) * q) / math.sin(theta))
    return torch.stack(out)


def slerp_by_basis(a, b, w):
    """Turn a towards b, and let the lengths follow."""
    length = lambda v: v.flatten(1).norm(dim=1)[:, None, None, None]  # noqa: E731
    ua, ub = a / length(a), b / length(b)
    rest = ub - (ua * ub).flatten(1).sum(dim=1)[:, None, None, None] * ua
    theta = torch.atan2(length(rest), (ua * ub).flatten(1).sum(dim=1)[:, None, None, None])
    safe = torch.where(theta.sin() < 1e-4, torch.ones_like(theta), theta)
    arc = (torch.sin((1 - w) * safe) * a + torch.sin(w * safe) * b) / torch.sin(safe)
    return torch.where(theta.sin() < 1e-4, torch.lerp(a, b, w), arc)


def pairs_case(w: float, *shape: int):
    return lambda g: (normal(g, *shape), 1.5 * normal(g, *shape) + 0.4, w)


def parallel_case(w: float, times: float):
    """A pair on one line beside a pair that is not; rounding brings the cosine of 7 ones and 7 twos above 1."""

    def case(g):
        a, b = normal(g, 2, 4, 1, 3), normal(g, 2, 4, 1, 3)
        a[0] = torch.tensor([1.0] * (7 if times > 0 else 4) + [0.0] * (5 if times > 0 else 8)).view(4, 1, 3)
        return a, torch.cat([times * a[:1], b[1:]]), w

    return case


def _of_pairs(angle: Callable) -> Callable:
    def wrong(a, b, w):
        theta = angle(a, b)
        arc = (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
        return torch.where(torch.sin(theta) < 1e-4, (1 - w) * a + w * b, arc)

    return wrong


def _angle(a: Tensor, b: Tensor, dims: tuple[int, ...]) -> Tensor:
    lengths = a.square().sum(dim=dims, keepdim=True).sqrt() * b.square().sum(dim=dims, keepdim=True).sqrt()
    return torch.arccos(((a * b).sum(dim=dims, keepdim=True) / lengths).clamp(-1, 1))


def _unclamped(cosine: Callable) -> Callable:
    return _of_pairs(lambda a, b: torch.arccos(cosine(a.flatten(1), b.flatten(1))).view(-1, 1, 1, 1))


def _rescaled(a: Tensor, b: Tensor, w: float) -> Tensor:
    length = lambda v: v.flatten(1).norm(dim=1)[:, None, None, None]  # noqa: E731
    line = (1 - w) * a + w * b
    return line / length(line) * ((1 - w) * length(a) + w * length(b))


SLERP = Exercise(
    name="05a.slerp",
    title="Between two latents, along the arc",
    minutes=10,
    level=2,
    reference=slerp,
    alternatives=[slerp_in_a_loop, slerp_by_basis],
    cases=[
        (torch.tensor([1.0, 0, 0, 0]).view(1, 4, 1, 1), torch.tensor([0, 1.0, 0, 0]).view(1, 4, 1, 1), 0.5),
        pairs_case(0.3, 3, 4, 2, 3),
        pairs_case(0.75, 2, 4, 1, 2),
        parallel_case(0.4, 2.0),
        parallel_case(0.3, -2.0),
        pairs_case(1.0, 1, 4, 3, 1),
    ],
    gradients=[],  # between two latents there is nothing to train
    package=InPackage("gaussian.slerp(a, b, w)", gaussian.slerp),
    invariants=[
        Invariant(
            "the start",
            lambda f: close(f(torch.ones(1, 4, 1, 1), torch.arange(4.0).view(1, 4, 1, 1), 0.0), torch.ones(1, 4, 1, 1)),
            "With w = 0 the result must be a itself.",
        ),
        Invariant(
            "the end",
            lambda f: close(
                f(torch.ones(1, 4, 1, 1), torch.arange(4.0).view(1, 4, 1, 1), 1.0), torch.arange(4.0).view(1, 4, 1, 1)
            ),
            "With w = 1 the result must be b itself.",
        ),
        Invariant(
            "opposite latents",
            lambda f: close(
                f(torch.ones(1, 4, 1, 1), -2 * torch.ones(1, 4, 1, 1), 0.25), torch.full((1, 4, 1, 1), 0.25)
            ),
            "Opposite latents lie on one line too: the sine of their angle is 0. A quarter of the way from 1 to −2 is 0.25.",
        ),
        Invariant(
            "equal latents",
            lambda f: close(f(torch.ones(1, 4, 1, 1), torch.ones(1, 4, 1, 1), 0.3), torch.ones(1, 4, 1, 1)),
            "Between a latent and itself there is nothing but itself. Yours gives something else: there the sine of the angle is 0.",
        ),
    ],
    mistakes=[
        Mistake(
            "a straight line",
            lambda a, b, w: (1 - w) * a + w * b,
            "This is the straight line. Between independent latents it cuts through the inside of the sphere, where they are too short.",
        ),
        Mistake(
            "one angle for the batch",
            _of_pairs(lambda a, b: _angle(a, b, (0, 1, 2, 3))),
            "You take one angle for the whole batch. Each pair has its own: sum over all axes but the first.",
        ),
        Mistake(
            "an angle at each position",
            _of_pairs(lambda a, b: _angle(a, b, (1,))),
            "You sum over the channels only, so every position turns by an angle of its own. The latent is one long vector.",
        ),
        Mistake(
            "an angle for each channel",
            _of_pairs(lambda a, b: _angle(a, b, (2, 3))),
            "You sum over the positions only, so each channel turns by itself. The latent is one long vector.",
        ),
        Mistake(
            "a and b interchanged",
            lambda a, b, w: slerp(b, a, w),
            "Yours starts at b. At w = 0 it has to be a.",
        ),
        Mistake(
            "straight, then stretched",
            _rescaled,
            "You stretch the straight line to the right length. The length is kept, but the walk is not even: compare w = 0.3.",
        ),
        Mistake(
            "always a right angle",
            _of_pairs(lambda a, b: torch.full((len(a), 1, 1, 1), math.pi / 2)),
            "You take every angle for 90°. Long random vectors come close to it; latents of scenes do not.",
        ),
        Mistake(
            "not divided by the sine",
            lambda a, b, w: (
                lambda th: torch.where(
                    torch.sin(th) < 1e-4, (1 - w) * a + w * b, torch.sin((1 - w) * th) * a + torch.sin(w * th) * b
                )
            )(_angle(a, b, (1, 2, 3))),
            "The division by sin θ is missing: at w = 0 the result is too short.",
        ),
        Mistake(
            "the cosine above 1",
            _unclamped(lambda a, b: (a * b).sum(dim=1) / (a.norm(dim=1) * b.norm(dim=1))),
            "Rounding can bring a cosine a little above 1, and no angle belongs to it: arccos gives NaN. Keep it within −1 and 1.",
        ),
        Mistake(
            "the line for all",
            lambda a, b, w: (1 - w) * a + w * b if (_angle(a, b, (1, 2, 3)).sin() < 1e-4).any() else slerp(a, b, w),
            "One pair on a line, and you take the straight line for the whole batch. Choose for each pair.",
        ),
        Mistake(
            "flat",
            lambda a, b, w: slerp(a, b, w).flatten(1),
            "Yours is still flat, one long vector a latent. Give it the shape of a.",
        ),
    ],
    allowed={
        "torch.sin(theta) < 0.0001 -> torch.sin(theta) <= 0.0001": "no sine is exactly there",
        "0.0001 -> *": "in float32 the rounding of the cosine is coarser than that",
        "1 -> 2 (7)": "the lower end of the clamp: a cosine below −1 is rounding, and the opposite latents here have none",
    },
    hints=[
        "Lay a along the first axis: a = (1, 0), b = (cos θ, sin θ). The point wanted is (cos wθ, sin wθ). Its second coordinate gives B, "
        "and A follows by symmetry: w and 1 − w change places with a and b.",
        "So A = sin((1 − w)θ)/sin θ and B = sin(wθ)/sin θ. Flatten each latent for its cosine; give the B angles three axes of length 1, "
        "so that they meet (B, 4, h, w). Keep the cosine within −1 and 1 before arccos.",
        "Work out arc and straight line for all, and choose between them with torch.where.",
    ],
    insight="For noise the arc matters: too short reads as another noise level. Does it for clean latents? Part 10 looks.",
)


EXERCISES = [
    DECODER_STEPS,
    COMPRESSION,
    LATENT_SHAPE,
    ENOUGH_BITS,
    QUANTISE,
    UNIT_SCALE,
    THERE_AND_BACK,
    WEIGHTED_LOSS,
    TRAIN_STEP,
    ONE_STEP,
    SLERP,
]

QUIZZES = [
    Quiz(
        "05a.words",
        title="Find the wrong word",
        questions=[
            Question(
                "“Working in latents gives better quality, since the model sees a compressed image.” What is wrong?",
                options=[
                    Option(
                        "“Better quality”: what one gains is lower cost",
                        "The compression is lossy, and quality has a ceiling, the reconstruction. What one buys is a far cheaper "
                        "network, which may then be larger or work at a higher resolution.",
                        right=True,
                    ),
                    Option(
                        "Nothing: fewer numbers are learned better",
                        "What does decoding a real picture's latent lose? No latent model can undo that.",
                    ),
                    Option(
                        "“Image”: a code has no places to be noised",
                        "It has: 64 × 64 of them in Stable Diffusion, with four numbers each. A latent is noised by the same equation.",
                    ),
                ],
            ),
            Question(
                "“The latents take 48 times less memory than the picture.” When is that true?",
                options=[
                    Option(
                        "Always: 786,432 / 16,384 = 48, and that is all",
                        "Those are counts of numbers. How many bits does a pixel value take, how many a latent value?",
                    ),
                    Option(
                        "If a number takes the same bits in both",
                        "As numbers 48; an 8-bit picture against float32 latents 12, against float16 latents 24.",
                        right=True,
                    ),
                    Option(
                        "Never: the channels grow, from 3 to 4",
                        "They do, and 48 counts them already.",
                    ),
                ],
            ),
            Question(
                "“The scheduler decides how much noise to add at each step of generation.” What is wrong?",
                options=[
                    Option(
                        "Nothing: it does so in training and in generation",
                        "Is the picture noisier after a step of generation than before?",
                    ),
                    Option(
                        "“The scheduler”: it is the network that decides",
                        "The network estimates the noise that is there. The level is given to it.",
                    ),
                    Option(
                        "“Add”: the steps lead to lower and lower levels",
                        "In generation the scheduler sets the levels to visit and the rule that leads from one to the next. Noise is "
                        "added in training, and when one starts from a picture. Some samplers add a little fresh noise as well; on "
                        "the whole they take noise away.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "“The decoder draws new pictures from standard noise.” Said of ours, or of Stable Diffusion's: what is wrong?",
                options=[
                    Option(
                        "Nothing: each belongs to a variational autoencoder",
                        "In such a one the KL has its full weight, as in lesson 01. Look at the confetti of part 6.",
                    ),
                    Option(
                        "“Standard noise”: their latents are not like it",
                        "The KL counts for so little that the encoder is free. How latents lie is for the second model to learn, the "
                        "diffusion model.",
                        right=True,
                    ),
                    Option(
                        "“Noise”: it must be divided by the factor first",
                        "`decode` does that, and the pictures are no better for it.",
                    ),
                ],
            ),
        ],
    ),
    Quiz(
        "05a.end",
        title="At the end of lesson 05a",
        questions=[
            Question(
                "Which parts of a latent diffusion model run in each of 50 sampling steps?",
                options=[
                    Option(
                        "The U-Net and the text encoder",
                        "The prompt stays the same: its text is encoded once, before.",
                    ),
                    Option(
                        "The U-Net, and no other part",
                        "Text is encoded once before, the latent decoded once after.",
                        right=True,
                    ),
                    Option(
                        "The U-Net and the decoder",
                        "The decoder runs on the last latent. (Earlier ones can be decoded to look at.)",
                    ),
                ],
            ),
            Question(
                "Why are latents multiplied by 1/std before the diffusion model sees them?",
                options=[
                    Option(
                        "So that the noise levels mean what they say",
                        "A schedule is made for data of standard deviation 1. With one of 5.5, a good part of the picture would "
                        "survive at the step that is taken for pure noise.",
                        right=True,
                    ),
                    Option(
                        "So that the decoder gets numbers in [−1, 1]",
                        "The decoder gets the bare latents: the factor is divided out before.",
                    ),
                    Option(
                        "So that the latents become standard Gaussian",
                        "A factor changes the width of a distribution, not its form.",
                    ),
                ],
            ),
            Question(
                "A picture of 500 × 500 pixels is to be encoded. What should be done?",
                options=[
                    Option(
                        "Nothing: no layer asks for a certain size",
                        "No, but its sides are halved three times, and 500 = 62·8 + 4: it would come back smaller.",
                    ),
                    Option(
                        "Cut it into tiles of 64 × 64 pixels, one by one",
                        "500 is no multiple of 64 either, and tiles show at their seams.",
                    ),
                    Option(
                        "Crop or resize it to 496 or 512 a side",
                        "Multiples of 8 come back with the size they had.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "You write `latents = pil_to_latents(picture, vae)`; a friend then calls `vae.decode(latents / vae.scaling_factor)`. "
                "What happens?",
                options=[
                    Option(
                        "The picture comes back as it was",
                        "For that, `decode` would have to leave the factor alone.",
                    ),
                    Option(
                        "The factor is divided out twice",
                        "In this package `encode` and `decode` own it; in others you must. With our 0.91 it hardly shows, with "
                        "Stable Diffusion's 0.18 nobody can miss it.",
                        right=True,
                    ),
                    Option(
                        "An error: scaled latents do not fit",
                        "The shape is right, so nothing complains.",
                    ),
                ],
            ),
            Question(
                "At noise level σ/α = 0.571, latents are in the sigma form x = x₀ + 0.571·ε, and a network predicts ε without any "
                "error. What is x − ε?",
                options=[
                    Option(
                        "x₀, the clean latent, with nothing added",
                        "Then 0.571 would have to be 1.",
                    ),
                    Option(
                        "x₀ with less noise: one sampling step earlier",
                        "A sampling step keeps the sign of the noise. Put the equation in, and look at what is left.",
                    ),
                    Option(
                        "x₀ with noise of strength 0.429, sign turned",
                        "x − ε = x₀ − 0.429·ε.",
                        right=True,
                    ),
                ],
            ),
        ],
    ),
]
