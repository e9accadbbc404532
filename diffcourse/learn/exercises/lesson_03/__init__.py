"""Exercises of lesson 03: training on MNIST."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import samplers
from diffcourse.denoiser import evaluating
from diffcourse.learn.exercise import Case, Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal, refuses
from diffcourse.models import layers
from diffcourse.schedule import DiffusionSchedule

BETAS = torch.tensor([0.05, 0.1, 0.3, 0.2, 0.45, 0.6], dtype=torch.float64)
BARS = torch.cumprod(1 - BETAS, dim=0)
ODD_BETAS = torch.tensor([0.4, 0.02, 0.7, 0.15], dtype=torch.float64)


# -- the time embedding -------------------------------------------------------------------------------------------------


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """The sinusoidal time embedding: all sines first, then all cosines.

    e(t) = [sin(t·w_k), cos(t·w_k)] for k = 0 … dim/2 - 1, with w_k = 10000^(-k/(dim/2 - 1))
    t (B,) float. Returns (B, dim).
    ValueError unless dim is even and at least 4.
    """
    if dim < 4 or dim % 2:
        raise ValueError(f"dim must be even and at least 4, got {dim}")
    half = dim // 2
    frequencies = 10000 ** (-torch.arange(half) / (half - 1))
    angles = t[:, None] * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def time_embedding_by_exp(t, dim):
    if dim % 2 == 1 or dim <= 2:
        raise ValueError("dim")
    k = torch.arange(dim // 2, dtype=torch.float64)
    w = torch.exp(-math.log(10000.0) * k / (dim // 2 - 1))
    angles = torch.outer(t.double(), w)
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=-1)


def time_embedding_in_a_loop(t, dim):
    if dim < 4 or dim % 2:
        raise ValueError("dim must be even and at least 4")
    n = dim // 2
    waves = [10000 ** (-k / (n - 1)) for k in range(n)]
    return torch.stack([torch.stack([f(v * w) for f in (torch.sin, torch.cos) for w in waves]) for v in t])


def _waves(exponent: Callable, join: Callable | None = None, guard: bool = True) -> Callable:
    def wrong(t, dim):
        if guard and (dim < 4 or dim % 2):
            raise ValueError(f"dim must be even and at least 4, got {dim}")
        half = dim // 2
        angles = t[:, None] * 10000 ** exponent(torch.arange(half), half)
        return (join or (lambda a: torch.cat([a.sin(), a.cos()], dim=1)))(angles)

    return wrong


TIME_EMBEDDING = Exercise(
    name="03.time_embedding",
    title="The time, as waves",
    minutes=6,
    level=2,
    reference=time_embedding,
    alternatives=[time_embedding_by_exp, time_embedding_in_a_loop],
    cases=[
        (torch.tensor([0.0, 1.0, 3.0]), 4),
        (torch.tensor([2.0, 700.0]), 6),
        (torch.tensor([999.0, 10.0, 0.5, 42.0]), 10),
        (torch.tensor([17.0]), 8),
    ],
    gradients=[],  # times are drawn, not learnt
    package=InPackage(
        "diffcourse.models.layers.SinusoidalPositionEmbeddings(dim)(t)",
        lambda t, dim: layers.SinusoidalPositionEmbeddings(dim)(t),
    ),
    tolerance=1e-3,  # at t = 999 float32 knows the angle to about 1e-4
    invariants=[
        Invariant(
            "dim = 2",
            refuses(torch.tensor([1.0]), 2),
            "With dim = 2 the exponent is 0/0. The docstring asks for a ValueError there, with a sentence that says what is "
            "allowed.",
        ),
        Invariant(
            "odd dim",
            refuses(torch.tensor([1.0]), 7),
            "With dim = 7 an integer division loses a column: (B, 6) would come back, and the next layer would fail far from here. "
            "The docstring asks for a ValueError.",
        ),
    ],
    mistakes=[
        Mistake(
            "division by dim/2",
            _waves(lambda k, half: -k / half),
            "Your exponents are divided by dim/2: the slowest wave does not quite get to 1/10000. Many libraries do it "
            "so; here the last k shall give exactly 10000⁻¹.",
        ),
        Mistake(
            "division by dim",
            _waves(lambda k, half: -k / (2 * half)),
            "Your exponents reach one half only, so your slowest wave is a hundred times too fast. By what must k be "
            "divided so that its last value gives 1?",
        ),
        Mistake(
            "growing frequencies",
            _waves(lambda k, half: k / (half - 1)),
            "Your frequencies grow up to 10000: between t = 1 and t = 2 the fastest wave turns a thousand times, which "
            "is as good as noise. Look at the sign of the exponent.",
        ),
        Mistake(
            "cosines first",
            _waves(lambda k, half: -k / (half - 1), lambda a: torch.cat([a.cos(), a.sin()], dim=1)),
            "Your cosines come first. For training from scratch that is as good; to load Stable Diffusion's weights it "
            "is even needed. Here the docstring has the sines first.",
        ),
        Mistake(
            "interleaved",
            _waves(lambda k, half: -k / (half - 1), lambda a: torch.stack([a.sin(), a.cos()], dim=2).flatten(1)),
            "Sine and cosine of each wave stand side by side in yours, as in the Transformer's paper. Here all sines come "
            "before all cosines.",
        ),
        Mistake(
            "sines only",
            _waves(lambda k, half: -k / (half - 1), lambda a: torch.cat([a.sin(), a.sin()], dim=1)),
            "Both halves hold sines. A sine alone cannot tell an angle from its mirror image: the second half are the cosines.",
        ),
        Mistake(
            "as in the Transformer",
            _waves(lambda k, half: -k / half, lambda a: torch.stack([a.sin(), a.cos()], dim=2).flatten(1)),
            "This is the Transformer's embedding, in two points other than asked: its exponents are divided by "
            "dim/2, and sine and cosine of each wave stand side by side. Here it is dim/2 − 1, and all sines come "
            "before all cosines.",
        ),
        Mistake(
            "division by dim - 1",
            _waves(lambda k, half: -k / (2 * half - 1)),
            "Your exponents are divided by dim − 1, so they end near one half. There are dim/2 frequencies, and the last "
            "has the exponent −1.",
        ),
        Mistake(
            "base e",
            _waves(lambda k, half: -k / (half - 1) / math.log(10000)),
            "Your base is e: the slowest wave has 1/e of the fastest's frequency. Asked is 1/10000.",
        ),
        Mistake(
            "full turns",
            _waves(
                lambda k, half: -k / (half - 1),
                lambda a: torch.cat([(a * math.tau).sin(), (a * math.tau).cos()], dim=1),
            ),
            "You multiply the angles by 2π. The fastest wave then makes a full turn from each whole t to the next: it "
            "cannot tell them apart.",
        ),
        Mistake(
            "linear frequencies",
            lambda t, dim: (
                time_embedding(t, dim) * 0
                + (lambda a: torch.cat([a.sin(), a.cos()], dim=1))(t[:, None] * torch.linspace(1, 1e-4, dim // 2))
            ),
            "Your frequencies fall in equal steps from 1 to 1/10000. They should fall by equal factors, so that each time "
            "scale has its wave.",
        ),
    ],
    allowed={
        "dim // 2 -> dim / 2": "dim is even",
        "4 -> 3": "3 is odd, and refused for that",
        "dim -> t (4)": "only in the sentence of the error",
    },
    hints=[
        "First the frequencies alone: dim/2 numbers, the first is 1, the last is 1/10000.",
        "Every time with every frequency: what shapes must the two have so that their product is (B, dim/2)?",
        "Guard; frequencies from arange; angles (B, dim/2) by broadcasting; sine and cosine of the angles, joined along "
        "dimension 1.",
    ],
    insight="Fast waves tell neighbours apart, slow ones early from late, like the hands of a clock.",
)

# -- the residual block -------------------------------------------------------------------------------------------------


class ResBlock(nn.Module):
    """Two convolutions around a skip; the embedding enters as scale and shift.

    h = conv1(silu(norm1(x)))
    scale, shift = the two halves of emb_layer(silu(emb)), each (B, out_channels),
    the same for all pixels
    h = norm2(h)·(1 + scale) + shift
    result = skip(x) + conv2(silu(h))
    x (B, in_channels, H, W), emb (B, emb_dim). Returns (B, out_channels, H, W),
    differentiable in x, emb and all parameters.
    """

    def __init__(self, in_channels: int, out_channels: int, emb_dim: int, groups: int = 2):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.emb_layer = nn.Linear(emb_dim, 2 * out_channels)
        self.norm2 = nn.GroupNorm(groups, out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, emb: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        scale, shift = self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class ResBlockByEinops(ResBlock):
    def forward(self, x, emb):
        signal = torch.sigmoid(emb) * emb
        both = self.emb_layer(signal)
        n = both.shape[1] // 2
        h = self.norm2(self.conv1(F.silu(self.norm1(x))))
        h = torch.einsum("bchw,bc->bchw", h, 1 + both[:, :n]) + both[:, n:].reshape(len(x), n, 1, 1)
        return self.conv2(F.silu(h)) + self.skip(x)


class ResBlockInALoop(ResBlock):
    def forward(self, x, emb):
        images = []
        for image, e in zip(x, emb, strict=True):
            scale, shift = self.emb_layer(F.silu(e)).view(2, -1, 1, 1)
            h = self.norm2(self.conv1(F.silu(self.norm1(image[None])))) * (1 + scale) + shift
            images.append(self.skip(image[None]) + self.conv2(F.silu(h)))
        return torch.cat(images)


def _block(forward: Callable) -> type:
    """ResBlock with another forward, written as a function (self, x, scale and shift (B, 2·out, 1, 1), emb)."""

    class Wrong(ResBlock):
        def forward(self, x, emb):
            return forward(self, x, self.emb_layer(F.silu(emb))[:, :, None, None].chunk(2, dim=1), emb)

    return Wrong


def _pair(parts):
    first, second = parts
    return first, second


def _start(self, x):
    return self.conv1(F.silu(self.norm1(x)))


def block_case(B: int, inside: int, outside: int, emb: int, height: int, width: int, groups: int = 2):
    return lambda g: Case(
        args=(inside, outside, emb, groups), inputs=(normal(g, B, inside, height, width), normal(g, B, emb))
    )


RES_BLOCK = Exercise(
    name="03.ResBlock",
    title="The residual block",
    kind="class",
    minutes=8,
    level=2,
    reference=ResBlock,
    given=["__init__"],
    alternatives=[ResBlockByEinops, ResBlockInALoop],
    cases=[block_case(2, 4, 4, 3, 4, 3), block_case(3, 2, 6, 5, 2, 5), block_case(1, 6, 3, 2, 3, 3, groups=3)],
    mistakes=[
        Mistake(
            "scale without the 1",
            _block(lambda m, x, s, e: m.skip(x) + m.conv2(F.silu(m.norm2(_start(m, x)) * s[0] + s[1]))),
            "You multiply by scale itself. A young network's scale is near 0, so your block would silence its own "
            "signal at the start. Around which factor shall the scale move?",
        ),
        Mistake(
            "scale and shift swapped",
            _block(lambda m, x, s, e: m.skip(x) + m.conv2(F.silu(m.norm2(_start(m, x)) * (1 + s[1]) + s[0]))),
            "You take the second half as scale and the first as shift. It would train as well, but the docstring, and "
            "every stored weight, has the scale first.",
        ),
        Mistake(
            "added before the norm",
            _block(lambda m, x, s, e: m.skip(x) + m.conv2(F.silu(m.norm2(_start(m, x) * (1 + s[0]) + s[1])))),
            "Scale and shift come before your second norm, which then removes a good part of them again: it sets mean "
            "and variance of each group. They belong behind it.",
        ),
        Mistake(
            "no skip",
            _block(lambda m, x, s, e: m.conv2(F.silu(m.norm2(_start(m, x)) * (1 + s[0]) + s[1]))),
            "The skip is missing: your block must rebuild its input, instead of adding a correction to it.",
        ),
        Mistake(
            "time only added",
            _block(lambda m, x, s, e: m.skip(x) + m.conv2(F.silu(m.norm2(_start(m, x)) + s[1]))),
            "Your block uses the shift only. The tutorial's does that as well, and it can then push features up or down, but "
            "not turn them off.",
        ),
        Mistake(
            "embedding without silu",
            _block(
                lambda m, x, s, e: (lambda p: m.skip(x) + m.conv2(F.silu(m.norm2(_start(m, x)) * (1 + p[0]) + p[1])))(
                    m.emb_layer(e)[:, :, None, None].chunk(2, dim=1)
                )
            ),
            "The embedding goes into its layer as it is. The docstring has a silu before, since the embedding comes straight "
            "out of a linear layer.",
        ),
        Mistake(
            "relu for silu",
            _block(
                lambda m, x, s, e: (
                    lambda p: m.skip(x) + m.conv2(F.relu(m.norm2(m.conv1(F.relu(m.norm1(x)))) * (1 + p[0]) + p[1]))
                )(m.emb_layer(F.relu(e))[:, :, None, None].chunk(2, dim=1))
            ),
            "Your block has ReLU where silu is asked for. ReLU's gradient is 0 for half of all inputs; silu is smooth.",
        ),
        Mistake(
            "no silu before the last convolution",
            _block(lambda m, x, s, e: m.skip(x) + m.conv2(m.norm2(_start(m, x)) * (1 + s[0]) + s[1])),
            "Between scale-and-shift and the second convolution a silu is missing: without it the two are one linear map.",
        ),
        Mistake(
            "convolution before norm",
            _block(
                lambda m, x, s, e: m.skip(x) + m.conv2(F.silu(m.norm2(F.silu(m.conv1(m.norm1(x)))) * (1 + s[0]) + s[1]))
            ),
            "Your first silu stands behind the convolution. The order is norm, silu, convolution, so that the skip stays a "
            "plain sum.",
        ),
        Mistake(
            "relu in the signal's path",
            _block(
                lambda m, x, s, e: m.skip(x) + m.conv2(F.relu(m.norm2(m.conv1(F.relu(m.norm1(x)))) * (1 + s[0]) + s[1]))
            ),
            "Your signal goes through ReLU where silu is asked for. ReLU's gradient is 0 for half of all inputs; silu is smooth.",
        ),
        Mistake(
            "every other channel",
            _block(
                lambda m, x, s, e: (
                    lambda p: m.skip(x) + m.conv2(F.silu(m.norm2(_start(m, x)) * (1 + p[:, 0::2]) + p[:, 1::2]))
                )(m.emb_layer(F.silu(e))[:, :, None, None])
            ),
            "You take scale and shift in turn from the layer's channels. The docstring cuts them in two halves.",
        ),
        Mistake(
            "skip from the middle",
            _block(lambda m, x, s, e: (lambda h: h + m.conv2(F.silu(m.norm2(h) * (1 + s[0]) + s[1])))(_start(m, x))),
            "Your skip starts after the first convolution. It should hand on x itself, so that the block can leave it as it is.",
        ),
        Mistake(
            "the batch cut in two",
            _block(
                lambda m, x, s, e: (
                    lambda p: (
                        m.skip(x)
                        + m.conv2(F.silu(m.norm2(_start(m, x)) * (1 + p[0][:, :, None, None]) + p[1][:, :, None, None]))
                    )
                )(_pair(m.emb_layer(F.silu(e)).chunk(2)))
            ),
            "You cut the embedding along dimension 0, the batch. The two halves lie along the channels.",
        ),
        Mistake(
            "no silu at all in the middle",
            _block(lambda m, x, s, e: m.skip(x) + m.conv2(m.norm2(m.conv1(m.norm1(x))) * (1 + s[0]) + s[1])),
            "Around the convolutions there is no silu in yours: without it the block is hardly more than one linear map.",
        ),
    ],
    hints=[
        "Four lines, one for each line of the docstring. Which of them need a (B, C) tensor to act on all pixels?",
        "emb_layer gives (B, 2·out_channels). Give it two more dimensions of size 1, and cut it in two along the channels.",
        "h from norm1, silu, conv1; scale and shift from the embedding, reshaped; norm2, then scale and shift; silu, conv2, "
        "plus skip(x).",
    ],
    insight="The package's ResBlock starts its last convolution at zero, so that a new block is its skip: a deep network starts "
    "as a shallow one.",
)

# -- the tutorial's U-Net -------------------------------------------------------------------------------------------------

SIZES = Exercise(
    name="03.sizes",
    title="Sizes on the way down and up",
    kind="value",
    minutes=3,
    level=1,
    reference=(28, 14, 7, 3, 6, 12, 24),
    stub="# Seven numbers, (28, …): the image's side at the start, after each of three strided and of\n"
    "# three transposed convolutions. Kernel 4, stride 2, padding 1 makes (n - 2)//2 + 1 of n in a\n"
    "# convolution, and 2·n in a transposed one, whatever n is.\n"
    "sizes = ...",
    mistakes=[
        Mistake(
            "back to 28",
            (28, 14, 7, 3, 7, 14, 28),
            "You wrote what it should be on the way up. A transposed convolution knows nothing of the way down: what is twice 3?",
        ),
        Mistake(
            "rounded up",
            (28, 14, 7, 4, 8, 16, 32),
            "You rounded 3.5 up. Half a place does not fit under the kernel: the formula rounds down.",
        ),
        Mistake("fractions", (28, 14, 7, 3.5, 7, 14, 28), "An image has no half pixel: the formula's // rounds down."),
        Mistake(
            "with 32",
            (32, 16, 8, 4, 8, 16, 32),
            "These are the sizes of a 32 x 32 image, which does pass. MNIST has 28.",
        ),
        Mistake(
            "down only twice",
            (28, 14, 7, 7, 14, 28, 56),
            "You halve twice and double three times. The tutorial's network has three strided convolutions.",
        ),
        Mistake(
            "no padding",
            (28, 13, 5, 1, 2, 4, 8),
            "You forgot the padding of 1 on either side: with it the numerator is n + 2 − 4 = n − 2.",
        ),
        Mistake(
            "without the start",
            (14, 7, 3, 6, 12, 24),
            "Right numbers, and the first is missing: the image's side at the start.",
        ),
        Mistake(
            "without the 1",
            (28, 13, 6, 2, 4, 8, 16),
            "You halve n − 2 and leave it at that: the formula adds 1.",
        ),
        Mistake(
            "one too many", (28, 14, 7, 3, 6, 12, 24, 48), "The network doubles three times, as often as it halves."
        ),
        Mistake("the last one missing", (28, 14, 7, 3, 6, 12), "The third transposed convolution is missing."),
        Mistake(
            "only the way down", (28, 14, 7, 3), "This is the way down, and right. The way up has three sizes more."
        ),
    ],
    hints=[
        "Put 28 into the formula, then the result, then its result.",
        "The third time the numerator is 5: what is 5//2 + 1?",
        "On the way up each size is twice the one before, starting from the smallest.",
    ],
    insight="6 against 7: an odd size on the way down can never be met on the way up. Pad to 32, or halve twice only.",
)

SKIP_CHANNELS = Exercise(
    name="03.skip_channels",
    title="The table of skip channels",
    kind="value",
    minutes=4,
    level=2,
    reference=(512, 384, 192),
    stub="# Three numbers, deepest first: the channels that arrive at each block on the way up,\n"
    "# those from below plus those of its skip.\n"
    "skip_channels = ...",
    mistakes=[
        Mistake(
            "twice the input",
            (512, 256, 128),
            "This is the tutorial's own assumption: the skip has as many channels as what comes from below. Right for "
            "the first block, wrong for the second: 128 come from below there. What does its skip have?",
        ),
        Mistake(
            "without the skips",
            (256, 128, 64),
            "These are the channels from below alone. Each block gets its skip as well, joined along the channels.",
        ),
        Mistake(
            "the skips alone",
            (256, 256, 128),
            "These are the channels of the skips alone. Add those that come from below.",
        ),
        Mistake(
            "skips in the order of the way down",
            (384, 384, 320),
            "You took the skips first in, first out. The one stored last, at the smallest size, is needed first.",
        ),
        Mistake(
            "shallowest first",
            (192, 384, 512),
            "Right numbers, in the order of the way down. On the way up the deepest block is the first.",
        ),
        Mistake(
            "conv0 as a skip",
            (512, 256, 128 + 64),
            "Look at the second block once more: it gets 128 channels from below, and the skip of the second block down.",
        ),
        Mistake(
            "the skips twice",
            (512, 512, 256),
            "This is twice the channels of each skip. What comes from below has as many only in the first block.",
        ),
        Mistake(
            "the last block",
            (512, 384, 256),
            "Two of three are right. The last block gets 64 channels from below, and a skip of 128.",
        ),
    ],
    hints=[
        "Write two rows: what the three blocks down give (their skips), and what the blocks up give to the next one.",
        "Down: 128, 256, 256. The last one stored is the first one taken.",
        "Add, block by block, what comes from below (256, 128, 64) and the skip that is taken off the stack.",
    ],
    insight="A constructor should be told the skips' channels, not guess them from its input's.",
)

# -- a U-Net of one's own -------------------------------------------------------------------------------------------------


class UNet(nn.Module):
    """Down, through the middle, and up again, with two skips.

    Down: F.pixel_unshuffle(x, 2), first, down, shrink. Middle: middle1, middle2.
    Up: grow, up, last, F.pixel_shuffle by 2, silu, out.
    The four ResBlocks (down, middle1, middle2, up) also get the time, embed(t, x).
    Two skips, each joined behind what comes from below, along the channels:
    the result of `down` goes into `up`; x itself goes into `out`.
    x (B, 1, H, W), H and W multiples of 4; t (B,), whole numbers. Returns x's shape.
    Differentiable in x and all parameters.
    """

    def __init__(self, channels: int = 32, emb_dim: int = 64):
        super().__init__()
        C, D, self.channels = channels, emb_dim, channels
        self.time = nn.Sequential(nn.Linear(C, D), nn.SiLU(), nn.Linear(D, D))
        self.first = nn.Conv2d(4, C, 3, padding=1)
        self.down = ResBlock(C, C, D)
        self.shrink = nn.Conv2d(C, 2 * C, 3, stride=2, padding=1)
        self.middle1, self.middle2 = ResBlock(2 * C, 2 * C, D), ResBlock(2 * C, 2 * C, D)
        self.grow = nn.ConvTranspose2d(2 * C, C, 2, stride=2)
        self.up = ResBlock(2 * C, C, D)
        self.last = nn.Conv2d(C, 64, 3, padding=1)
        self.out = nn.Conv2d(16 + 1, 1, 3, padding=1)

    def embed(self, t: Tensor, x: Tensor) -> Tensor:
        return self.time(time_embedding(t.float(), self.channels).to(x.dtype))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        emb = self.embed(t, x)
        skip = self.down(self.first(F.pixel_unshuffle(x, 2)), emb)
        h = self.middle2(self.middle1(self.shrink(skip), emb), emb)
        h = self.up(torch.cat([self.grow(h), skip], dim=1), emb)
        h = F.silu(F.pixel_shuffle(self.last(h), 2))
        return self.out(torch.cat([h, x], dim=1))


class UNetWithAStack(UNet):
    def forward(self, x, t):
        emb, stored = self.embed(t, x), [x]
        h = self.first(nn.PixelUnshuffle(2)(x))
        h = self.down(h, emb)
        stored.append(h)
        for block in (self.middle1, self.middle2):
            h = self.shrink(h) if block is self.middle1 else h
            h = block(h, emb)
        h = self.up(torch.concat((self.grow(h), stored.pop()), 1), emb)
        h = nn.PixelShuffle(2)(F.silu(self.last(h)))
        return self.out(torch.concat((h, stored.pop()), 1))


class UNetWithReshapes(UNet):
    def forward(self, x, t):
        B, _, H, W = x.shape
        emb = self.embed(t, x)
        folded = x.reshape(B, H // 2, 2, W // 2, 2).permute(0, 2, 4, 1, 3).reshape(B, 4, H // 2, W // 2)
        a = self.down(self.first(folded), emb)
        b = self.middle2(self.middle1(self.shrink(a), emb), emb)
        both = a.new_empty(B, 2 * a.shape[1], *a.shape[2:])
        both[:, : a.shape[1]], both[:, a.shape[1] :] = self.grow(b), a
        h = F.silu(F.pixel_shuffle(self.last(self.up(both, emb)), upscale_factor=2))
        return self.out(torch.hstack([h, x]))


def _unet(
    skip: Callable = lambda m, h0, h1, h2: h1,
    joined: Callable = lambda below, skip: torch.cat([below, skip], dim=1),
    middle: Callable = lambda m, h, emb: m.middle2(m.middle1(h, emb), emb),
    emb: Callable = lambda m, t, x: m.embed(t, x),
    blind: str = "",
    fold: Callable = lambda x: F.pixel_unshuffle(x, 2),
    first: Callable = lambda h: h,
    unfold: Callable = lambda h: F.pixel_shuffle(h, 2),
    end: Callable = F.silu,
    door: Callable = lambda h, x: torch.cat([h, x], dim=1),
    finish: Callable = lambda y, x: y,
) -> type:
    """UNet with one thing changed."""

    class Wrong(UNet):
        def forward(self, x, t):
            e = emb(self, t, x)
            seen = {part: e * (part != blind) for part in ("down", "middle", "up")}
            h0 = first(self.first(fold(x)))
            h1 = self.down(h0, seen["down"])
            h2 = self.shrink(h1)
            below = self.grow(middle(self, h2, seen["middle"]))
            h = self.up(joined(below, skip(self, h0, h1, h2)), seen["up"])
            return finish(self.out(door(end(unfold(self.last(h))), x)), x)

    return Wrong


def unet_case(channels: int, emb_dim: int, B: int, height: int, width: int):
    return lambda g: Case(
        args=(channels, emb_dim), inputs=(normal(g, B, 1, height, width), torch.randint(1000, (B,), generator=g))
    )


def leaves_its_input(answer: type) -> bool:
    x = torch.ones(1, 1, 4, 4)
    answer(4, 3)(x, torch.tensor([5]))
    return close(x, torch.ones(1, 1, 4, 4))


UNET = Exercise(
    name="03.UNet",
    title="A U-Net of your own parts",
    kind="class",
    minutes=10,
    level=2,
    reference=UNet,
    given=["__init__", "embed"],
    alternatives=[UNetWithAStack, UNetWithReshapes],
    cases=[unet_case(4, 6, 2, 8, 12), unet_case(6, 4, 3, 4, 4), unet_case(4, 3, 1, 12, 8)],
    invariants=[
        Invariant(
            "x is left alone",
            leaves_its_input,
            "Your forward changes x itself, the noisy picture, which whoever called still needs.",
            only_if_right=True,
        )
    ],
    mistakes=[
        Mistake(
            "stored after the stride",
            _unet(skip=lambda m, h0, h1, h2: h2),
            "Your skip is what `shrink` gave: it has half the side, and its detail is gone already. That is the tutorial's bug 3. "
            "Store before the stride.",
        ),
        Mistake(
            "stored before the block",
            _unet(skip=lambda m, h0, h1, h2: h0),
            "Your skip is what `first` gave. It has the right shape, but `down` has not worked on it yet: keep what `down` gives.",
        ),
        Mistake(
            "skip first",
            _unet(joined=lambda below, skip: torch.cat([skip, below], dim=1)),
            "Your skip stands in front of what comes from below. It would train as well, but the docstring has it behind.",
        ),
        Mistake(
            "the same twice",
            _unet(joined=lambda below, skip: torch.cat([below, below], dim=1)),
            "You join what comes from below with itself: half of the channels are copies, and no detail comes past the middle.",
        ),
        Mistake(
            "added",
            _unet(joined=lambda below, skip: below + skip),
            "C channels arrive at `up`, which was built for 2C: those from below, and those of its skip. They are joined, not added.",
        ),
        Mistake(
            "joined along the batch",
            _unet(joined=lambda below, skip: torch.cat([below, skip])),
            "You join along dimension 0, the batch. Channels are dimension 1.",
        ),
        Mistake(
            "no second skip",
            _unet(door=lambda h, x: h),
            "Your second skip is missing: `out` was built for 16 + 1 channels, and the one is x itself.",
        ),
        Mistake(
            "x first",
            _unet(door=lambda h, x: torch.cat([x, h], dim=1)),
            "Your x stands in front of what comes from below. The docstring has each skip behind.",
        ),
        Mistake(
            "no silu",
            _unet(end=lambda h: h),
            "The silu before `out` is missing: `last` and `out` would be one linear map.",
        ),
        Mistake(
            "silu of both",
            _unet(door=lambda h, x: torch.cat([h, F.silu(x)], dim=1)),
            "Your silu bends x as well: it comes after the join, or stands around x. It belongs to what comes from below alone; x goes "
            "into `out` as it is.",
        ),
        Mistake(
            "relu",
            _unet(end=F.relu),
            "Before `out` you have a relu. The docstring has silu.",
        ),
        Mistake(
            "silu behind first",
            _unet(first=F.silu),
            "You send what `first` gives through a silu. The ResBlock behind it begins with a norm and a silu of its own.",
        ),
        Mistake(
            "silu of the skip",
            _unet(skip=lambda m, h0, h1, h2: F.silu(h1)),
            "You send the skip through a silu: most that is negative is lost. Hand on what `down` gives, as it is.",
        ),
        Mistake(
            "an empty skip",
            _unet(skip=lambda m, h0, h1, h2: torch.zeros_like(h1)),
            "The first skip holds zeros: its place is taken, but no detail comes past the middle.",
        ),
        Mistake(
            "an empty second skip",
            _unet(door=lambda h, x: torch.cat([h, torch.zeros_like(x)], dim=1)),
            "The second skip holds zeros, where x belongs.",
        ),
        Mistake(
            "not folded",
            _unet(fold=lambda x: x),
            "`first` was built for the four channels that F.pixel_unshuffle makes of x. Yours gets x itself, with one.",
        ),
        Mistake(
            "folded by reshape",
            _unet(fold=lambda x: x.reshape(len(x), 4, x.shape[2] // 2, x.shape[3] // 2)),
            "You reshape x to four channels. A reshape cuts the picture into strips; pixel_unshuffle puts the four pixels of a 2 × 2 "
            "square into the channels, so that neighbours stay neighbours.",
        ),
        Mistake(
            "not unfolded",
            _unet(unfold=lambda h: h),
            "What `last` gives has half of x's side, in 64 channels: F.pixel_shuffle by 2 makes 16 of them, of x's size; then x is joined.",
        ),
        Mistake(
            "the folded x",
            _unet(door=lambda h, x: torch.cat([h, F.pixel_unshuffle(x, 2)], dim=1)),
            "At `out` you join the folded x, of half the side. The skip is x as it came: keep it under a name of its own.",
        ),
        Mistake(
            "x added in the end",
            _unet(finish=lambda y, x: x + y),
            "You add x to the output. x goes into `out` by its channel; nothing is added behind it.",
        ),
        Mistake(
            "the first block in the middle twice",
            _unet(middle=lambda m, h, emb: m.middle1(m.middle1(h, emb), emb)),
            "You send it through middle1 twice, and middle2 is left out.",
        ),
        Mistake(
            "the middle turned round",
            _unet(middle=lambda m, h, emb: m.middle1(m.middle2(h, emb), emb)),
            "Your middle2 comes before middle1.",
        ),
        Mistake(
            "one block in the middle",
            _unet(middle=lambda m, h, emb: m.middle1(h, emb)),
            "middle2 is left out.",
        ),
        Mistake(
            "no time",
            _unet(emb=lambda m, t, x: torch.zeros_like(m.embed(t, x))),
            "Your network does not look at t: it cannot know how much noise to expect.",
        ),
        Mistake(
            "no time on the way down",
            _unet(blind="down"),
            "`down` does not hear of the time in yours: its embedding is 0. All four blocks get the same one.",
        ),
        Mistake(
            "no time in the middle",
            _unet(blind="middle"),
            "The two blocks in the middle do not hear of the time in yours: their embedding is 0. All four blocks get the same one.",
        ),
        Mistake(
            "no time on the way up",
            _unet(blind="up"),
            "`up` does not hear of the time in yours: its embedding is 0. All four blocks get the same one.",
        ),
        Mistake(
            "silu of the embedding",
            _unet(emb=lambda m, t, x: F.silu(m.embed(t, x))),
            "You send the embedding through a silu. Each ResBlock does that itself.",
        ),
        Mistake(
            "one time for all",
            _unet(emb=lambda m, t, x: m.embed(t[:1], x).expand(len(x), -1)),
            "All pictures of a batch get the time of the first. Each has its own: embed takes all of t.",
        ),
        Mistake(
            "time from 0 to 1",
            _unet(emb=lambda m, t, x: m.embed(t / 1000, x)),
            "You divide t by the number of steps. The waves were made for t in whole steps: over one thousandth of that they hardly move.",
        ),
        Mistake(
            "waves without the layers",
            _unet(emb=lambda m, t, x: time_embedding(t.float(), m.channels).to(x.dtype)),
            "You hand on the bare waves. `embed` sends them through the layers of self.time as well.",
        ),
        Mistake(
            "x in the place of t",
            _unet(emb=lambda m, t, x: m.embed(x, t)),
            "embed takes t first, then x.",
        ),
    ],
    hints=[
        "Follow the sizes: 28, 14 (folded), 7 (shrunk), 14 (grown), 28 (unfolded). Where do two tensors of the same size meet?",
        "The embedding is made once, for all four blocks. Then a line for the way down, whose result you keep under a name of its own.",
        "down's result is the skip; shrink, middle1, middle2; grow, cat with the skip, up; last, shuffle, silu; cat with x, out.",
    ],
    allowed={
        "time_embedding(t.float(), self.channels).to(x.dtype) -> *": "in `embed`, which is given",
        "t.float() -> t": "in `embed`, which is given",
    },
    insight="Twenty-five lines, and all that a diffusion model needs. The package's SimpleUNet has labels, attention and one block more.",
)

# -- the loop -------------------------------------------------------------------------------------------------------------


class Trainer(nn.Module):
    """DDPM's training, algorithm 1: for every batch times, noise, a guess, the loss, a step.

    forward(batches, generator): batches yields clean images x0 (B, C, H, W).
    For each batch, in this order, and both from the generator:
    t = torch.randint over the code indices 0 … T-1, shape (B,);
    noise = torch.randn of x0's shape;
    x_t = sqrt(alpha_bar_t)·x0 + sqrt(1 - alpha_bar_t)·noise, in x0's dtype
    (alpha_bars is float64); the guess is self.network(x_t, t), which gets t as it is,
    in whole numbers, and trains in train mode;
    loss = mean squared error between guess and noise; one step of self.optimizer.
    Returns a list of the losses, plain numbers.
    """

    def __init__(self, network: nn.Module, alpha_bars: Tensor, lr: float = 1e-3):
        super().__init__()
        self.network, self.alpha_bars = network, alpha_bars
        self.optimizer = torch.optim.Adam(network.parameters(), lr=lr)

    def forward(self, batches, generator: torch.Generator) -> list[float]:
        losses = []
        for x0 in batches:
            t = torch.randint(len(self.alpha_bars), (len(x0),), generator=generator)
            noise = torch.randn(x0.shape, generator=generator)
            kept = self.alpha_bars[t].view(-1, 1, 1, 1).to(x0)
            x_t = kept.sqrt() * x0 + (1 - kept).sqrt() * noise
            loss = ((self.network(x_t, t) - noise) ** 2).mean()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return losses


class TrainerByMse(Trainer):
    def forward(self, batches, generator):
        losses = []
        for x0 in batches:
            self.optimizer.zero_grad(set_to_none=False)
            t = torch.randint(0, len(self.alpha_bars), size=(x0.shape[0],), generator=generator)
            noise = torch.randn(*x0.shape, generator=generator)
            level = self.alpha_bars[t][:, None, None, None].float()
            loss = F.mse_loss(self.network(level**0.5 * x0 + (1 - level) ** 0.5 * noise, t), noise)
            loss.backward()
            self.optimizer.step()
            losses += [float(loss.detach())]
        return losses


class TrainerImageByImage(Trainer):
    def forward(self, batches, generator):
        losses = []
        for x0 in batches:
            T, B = len(self.alpha_bars), len(x0)
            t = torch.randint(T, (B,), generator=generator)
            noise = torch.randn(x0.shape, generator=generator)
            pairs = [(self.alpha_bars[i].item(), x, z) for i, x, z in zip(t, x0, noise, strict=True)]
            x_t = torch.stack([a**0.5 * x + (1 - a) ** 0.5 * z for a, x, z in pairs])
            loss = (self.network(x_t, t) - noise).square().sum() / noise.numel()
            gradients = torch.autograd.grad(loss, list(self.network.parameters()))
            for parameter, gradient in zip(self.network.parameters(), gradients, strict=True):
                parameter.grad = gradient
            self.optimizer.step()
            losses.append(loss.item())
        return losses


def _trainer(
    times: Callable | None = None,
    target: Callable = lambda x0, x_t, noise: noise,
    mix: Callable = lambda kept: (kept.sqrt(), (1 - kept).sqrt()),
    order: str = "zbs",
    reduce: Callable = torch.mean,
    noise_first: bool = False,
    fresh: bool = False,
    draw: Callable = lambda x0, g: torch.randn(x0.shape, generator=g),
    handed: Callable = lambda t: t,
    guess: Callable = lambda guess: guess,
) -> type:
    """Trainer with one thing changed."""
    times = times or (lambda T, B, g: torch.randint(T, (B,), generator=g))

    class Wrong(Trainer):
        def forward(self, batches, generator):
            losses = []
            for x0 in batches:
                noise = draw(x0, generator) if noise_first else None
                t = times(len(self.alpha_bars), len(x0), generator)
                noise = draw(x0, generator) if noise is None else noise
                a, b = mix(self.alpha_bars[t].view(-1, 1, 1, 1).to(x0))
                x_t = a * x0 + b * noise
                noise = draw(x0, generator) if fresh else noise
                loss = reduce((guess(self.network(x_t, handed(t))) - target(x0, x_t, noise)) ** 2)
                for letter in order:
                    if letter == "z":
                        self.optimizer.zero_grad()
                    elif letter == "b":
                        loss.backward()
                    elif letter == "c":
                        nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
                    else:
                        self.optimizer.step()
                losses.append(loss.item())
            return losses

    return Wrong


class TinyUNet(nn.Module):
    """A network (x, t) -> x's shape, of a few parameters. Like a U-Net's, its layers take what has their dtype, and nothing else."""

    def __init__(self, generator: torch.Generator, channels: int = 1):
        super().__init__()
        self.conv = nn.utils.skip_init(nn.Conv2d, channels, channels, 3, padding=1)
        self.time = nn.utils.skip_init(nn.Embedding, len(BARS), channels)
        for parameter in self.parameters():
            parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return F.silu(self.conv(x)) + self.time(t)[:, :, None, None] - 0.3 * x

    def __repr__(self) -> str:
        return "a small network"


def trainer_case(sizes: list[int], channels: int, lr: float):
    def build(g):
        torch.optim.Adam(
            [nn.Parameter(torch.zeros(1))]
        )  # the first optimizer imports for seconds: not on the answer's time
        batches = [normal(g, B, channels, 3, 4) for B in sizes]
        return Case(args=(TinyUNet(g, channels), BARS, lr), inputs=(batches, torch.Generator().manual_seed(len(sizes))))

    return build


class Watched(TinyUNet):
    """Notes the mode in which it is called."""

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        self.modes = [*getattr(self, "modes", []), self.training]
        return super().forward(x, t)


def watched_training(answer: type) -> tuple[list[bool], list[float]]:
    """Modes in which the network was called, and losses, of a training with two batches out of a generator, as in the lesson."""
    g = torch.Generator().manual_seed(0)
    network = Watched(g).train()
    losses = answer(network, BARS)((normal(torch.Generator().manual_seed(B), B, 1, 3, 4) for B in (2, 1)), g)
    return network.modes, losses


TRAINER = Exercise(
    name="03.Trainer",
    title="The training loop",
    kind="class",
    minutes=12,
    level=3,
    reference=Trainer,
    given=["__init__"],
    alternatives=[TrainerByMse, TrainerImageByImage],
    cases=[trainer_case([2, 2, 2, 1], 1, 0.05), trainer_case([5, 5, 3], 2, 0.1), trainer_case([1, 3], 1, 0.3)],
    gradients=[],  # its losses are plain numbers
    invariants=[
        Invariant(
            "batches from a generator",
            lambda answer: len(watched_training(answer)[1]) == 2,
            "With a generator of two batches yours does not give two losses. Such batches come one after the other, and only once.",
        ),
        Invariant(
            "train mode",
            lambda answer: all(watched_training(answer)[0]),
            "Your network is called in eval mode while it trains, though it was handed over in train mode: dropout would be off, and the "
            "statistics of a BatchNorm would stand still.",
        ),
        Invariant(
            "plain numbers",
            lambda answer: not any(isinstance(loss, Tensor) for loss in watched_training(answer)[1]),
            "Your losses are tensors. Plain numbers are asked for, which a plot can draw, and which do not keep the "
            "graph of every step in memory.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "float64 table",
            _trainer(mix=lambda kept: (kept.double().sqrt(), (1 - kept.double()).sqrt())),
            "Your x_t is float64, and the network's weights are float32: its first layer refuses it. alpha_bars is a "
            "float64 table, and what is looked up in it makes everything that it multiplies float64. Bring it to "
            "x0's dtype on the way.",
        ),
        Mistake(
            "t not as it is",
            _trainer(handed=lambda t: t.float()),
            "Your network gets a floating-point number in the place of t, and this one looks t up in a table of T "
            "entries. Pass t on as it is: not as a share of the chain.",
        ),
        Mistake(
            "generator not used",
            _trainer(times=lambda T, B, g: torch.randint(T, (B,)), draw=lambda x0, g: torch.randn(x0.shape)),
            "Neither t nor the noise comes from the generator: you draw from torch's global one, so nobody can repeat your training.",
        ),
        Mistake(
            "noise not from the generator",
            _trainer(draw=lambda x0, g: torch.randn(x0.shape)),
            "Your t comes from the generator, your noise does not, so nobody can repeat your training. randn_like takes no generator.",
        ),
        Mistake(
            "clean image as input",
            _trainer(mix=lambda kept: (1.0, 0.0)),
            "Your network gets the clean image: there is no noise in it to be found. It must see x_t.",
        ),
        Mistake(
            "signal not shrunk",
            _trainer(mix=lambda kept: (1.0, (1 - kept).sqrt())),
            "Your image stays at full strength under the noise. In x_t it has a factor of its own.",
        ),
        Mistake(
            "clipped gradients",
            _trainer(order="zbcs"),
            "You clip the gradients to norm 1 before the step. fit does that as well; here the plain step of the optimizer is asked for.",
        ),
        Mistake(
            "the first batch only",
            type(
                "Wrong", (Trainer,), {"forward": lambda self, batches, g: Trainer.forward(self, list(batches)[:1], g)}
            ),
            "Only the first batch is trained on. A return inside the loop ends it.",
        ),
        Mistake(
            "T - 1 timesteps",
            _trainer(lambda T, B, g: torch.randint(T - 1, (B,), generator=g)),
            "You draw t below T − 1. randint's upper end is excluded already, so your network never sees the last step, "
            "the very one that sampling starts from.",
        ),
        Mistake(
            "from 1",
            _trainer(lambda T, B, g: torch.randint(1, T, (B,), generator=g)),
            "You draw t from 1 on. The papers count 1 to T; code indices start at 0, and without 0 the last step of sampling "
            "is never trained.",
        ),
        Mistake(
            "one t for the batch",
            _trainer(lambda T, B, g: torch.randint(T, (1,), generator=g).expand(B)),
            "All images of your batch share one t. The loss is then right on average, but jumps wildly from batch to "
            "batch: give every image its own.",
        ),
        Mistake(
            "noise before t",
            _trainer(noise_first=True),
            "Your loop is right, but it draws the noise before t, so its random numbers are others than ours. To be compared, "
            "draw t first.",
        ),
        Mistake(
            "image as target",
            _trainer(target=lambda x0, x_t, noise: x0),
            "Your network is taught to give back the clean image. That is a parameterisation of its own, x0; here it predicts "
            "the noise.",
        ),
        Mistake(
            "noisy image as target",
            _trainer(target=lambda x0, x_t, noise: x_t),
            "Your target is x_t, which the network is given: it need only copy. What is hidden in x_t that it must find?",
        ),
        Mistake(
            "other noise as target",
            _trainer(fresh=True),
            "You draw noise twice: once for x_t, once as target. The second knows nothing of the picture, and the best "
            "guess of it is 0. Keep the noise in a variable.",
        ),
        Mistake(
            "variance for standard deviation",
            _trainer(mix=lambda kept: (kept.sqrt(), 1 - kept)),
            "Your noise is multiplied by 1 − ᾱ, its variance. The factor of the noise is a standard deviation.",
        ),
        Mistake(
            "both roots missing",
            _trainer(mix=lambda kept: (kept, 1 - kept)),
            "You mix image and noise with ᾱ and 1 − ᾱ. These are shares of the variance: amplitudes are their roots.",
        ),
        Mistake(
            "sum for mean",
            _trainer(reduce=torch.sum),
            "Your loss is the sum of the squares, the ‖·‖² of the papers: larger than the mean by the number of pixels "
            "in the batch. The docstring asks for the mean.",
        ),
        Mistake(
            "missing zero_grad",
            _trainer(order="bs"),
            "Your gradients are never cleared: backward adds to what is there, so each step follows the sum of all gradients "
            "so far.",
        ),
        Mistake(
            "the parameters never move",
            _trainer(order="zb"),
            "Your losses are those of a network that never changes. Which of the three calls moves the parameters? And if all "
            "three are there: does the gradient reach them, or does detach or the like cut it off?",
        ),
        Mistake(
            "one step late",
            _trainer(order="szb"),
            "Your step comes before backward, so it follows the gradient of the batch before; the first step has none at all.",
        ),
    ],
    hints=[
        "Seven lines in the loop: t, noise, x_t, loss, three calls of the optimizer and backward; then the loss goes on the list.",
        "alpha_bars[t] is (B,): what shape does it need to act on whole images?",
        "randint with high = T; randn; mix with the two roots, reshaped to (B, 1, 1, 1); the mean of (guess − noise)²; "
        "zero_grad, backward, step.",
    ],
    insight="This is all of DDPM's training. fit adds averaging, clipping, a learning rate that changes, and checkpoints.",
    allowed={"* called twice": "the same at twice the price, which the stub does not forbid"},
)


def stratified_times(u: float, B: int, T: int) -> Tensor:
    """B timesteps that cover 0 … T-1 evenly, from one uniform number.

    t_i = floor(T·frac(u + i/B)) for i = 0 … B-1; frac is what is left behind the decimal point.
    u in [0, 1). Returns whole numbers (B,), of any integer type.
    """
    return ((u + torch.arange(B) / B).remainder(1.0) * T).floor().long()


def stratified_times_by_list(u, B, T):
    return torch.tensor([int(T * ((u + i / B) % 1)) for i in range(B)])


def stratified_times_by_frac(u, B, T):
    places = torch.frac(torch.linspace(0, 1 - 1 / B, B) + u)
    return (T * places).to(torch.int64)


STRATIFIED = Exercise(
    name="03.stratified_times",
    title="Timesteps that cover all levels",
    minutes=4,
    level=2,
    reference=stratified_times,
    alternatives=[stratified_times_by_list, stratified_times_by_frac],
    cases=[(0.31, 4, 10), (0.8713, 3, 1000), (0.05, 7, 100), (0.0, 4, 8), (0.63, 1, 10), (0.99, 7, 3)],
    mistakes=[
        Mistake(
            "no wrap",
            lambda u, B, T: ((u + torch.arange(B) / B) * T).floor().long(),
            "Some of your times lie at T or beyond: u + i/B can pass 1. Past the end it shall go on at the start.",
        ),
        Mistake(
            "clamped",
            lambda u, B, T: ((u + torch.arange(B) / B).clamp(max=1 - 1e-6) * T).floor().long(),
            "Your times beyond the end are all pushed to T − 1, which then comes far too often. Past the end it shall go on "
            "at the start.",
        ),
        Mistake(
            "without u",
            lambda u, B, T: (torch.arange(B) / B * T).floor().long(),
            "Your times are the same in every batch: u is not used. Then most levels are never trained at all.",
        ),
        Mistake(
            "one t for all",
            lambda u, B, T: torch.full((B,), int(u * T)),
            "All your times are the same. Each image shall have its own, B evenly spaced ones.",
        ),
        Mistake(
            "rounded",
            lambda u, B, T: ((u + torch.arange(B) / B).remainder(1.0) * T).round().long(),
            "You round to the nearest. That gives 0 only half its share, and can give T, which is no index: round down.",
        ),
        Mistake(
            "fractions of one",
            lambda u, B, T: (u + torch.arange(B) / B).remainder(1.0).floor().long(),
            "All your times are 0: the fractions lie below 1, and were rounded down before they were stretched to T.",
        ),
        Mistake(
            "T - 1",
            lambda u, B, T: ((u + torch.arange(B) / B).remainder(1.0) * (T - 1)).floor().long(),
            "You stretch to T − 1, so the last index never comes. floor already keeps below the factor.",
        ),
        Mistake(
            "a stratum each",
            lambda u, B, T: ((torch.arange(B) + u) / B * T).floor().long(),
            "You divide u by B too: each time moves within its own stretch of the chain, (i + u)/B. That covers all "
            "levels as well, but the i-th image of a batch would always get the i-th stretch. In the docstring u "
            "shifts all of them, and the end goes on at the start.",
        ),
        Mistake(
            "sorted",
            lambda u, B, T: ((u + torch.arange(B) / B).remainder(1.0) * T).floor().long().sort().values,
            "The right times, sorted. Leave them in the order of i, which starts anywhere.",
        ),
        Mistake(
            "both ends",
            lambda u, B, T: ((u + torch.linspace(0, 1, B)).remainder(1.0) * T).floor().long(),
            "Your places run from 0 to 1 with both ends, and 1 is 0 again: the first and the last time are the same. i/B stops before 1.",
        ),
        Mistake(
            "i from 1",
            lambda u, B, T: ((u + torch.arange(1, B + 1) / B).remainder(1.0) * T).floor().long(),
            "Your i runs from 1 to B: the right times, moved on by one place.",
        ),
        Mistake(
            "not whole",
            lambda u, B, T: (u + torch.arange(B) / B).remainder(1.0) * T,
            "Your times are not rounded down. An index is a whole number.",
        ),
        Mistake(
            "rounded up",
            lambda u, B, T: ((u + torch.arange(B) / B).remainder(1.0) * T).ceil().long(),
            "You round up. That can give T, which is no index: round down.",
        ),
    ],
    gradients=[],  # whole numbers have none
    allowed={
        "*.floor() -> *": "long takes the fraction away as well",
        "u one less": "what stands before the decimal point is dropped",
    },
    hints=[
        "i/B are B evenly spaced places in [0, 1). What does adding u do to them?",
        "remainder(1.0) keeps what stands behind the decimal point. Then stretch to T.",
        "arange(B)/B, plus u, remainder 1, times T, floor, and the type that indices need.",
    ],
    insight="Each t_i alone is still uniform, so the average is the same; but no batch can have all its times at one end.",
)

# -- what makes it good ---------------------------------------------------------------------------------------------------


def ema_update(
    averages: list[Tensor],
    values: list[Tensor],
    decay: float,
    n: int,
) -> list[Tensor]:
    """The exponential moving average of all parameters, after update number n (first: n = 0).

    d = min(decay, (1 + n)/(10 + n)); new average = d·average + (1 - d)·value, for every tensor.
    averages and values: lists of tensors of equal shapes. Returns the new averages, a new list.
    """
    d = min(decay, (1 + n) / (10 + n))
    return [d * average + (1 - d) * value for average, value in zip(averages, values, strict=True)]


def ema_update_by_lerp(averages, values, decay, n):
    d = decay if decay < (1 + n) / (10 + n) else (1 + n) / (10 + n)
    return [torch.lerp(a, v.to(a), 1 - d) for a, v in zip(averages, values, strict=True)]


def ema_update_in_a_loop(averages, values, decay, n):
    out = []
    for i in range(len(averages)):
        d = min((n + 1) / (n + 10), decay)
        out.append(averages[i] + (1 - d) * (values[i] - averages[i]))
    return out


def _ema(weight: Callable, swap: bool = False, plus: Callable | None = None) -> Callable:
    def wrong(averages, values, decay, n):
        d = weight(decay, n)
        d = 1 - d if swap else d
        rest = 1 - d if plus is None else plus(d)
        return [d * a + rest * v for a, v in zip(averages, values, strict=True)]

    return wrong


def warm(decay: float, n: int) -> float:
    return min(decay, (1 + n) / (10 + n))


def ema_case(decay: float, n: int, *shapes: tuple[int, ...]):
    return lambda g: ([normal(g, *s) for s in shapes], [normal(g, *s) for s in shapes], decay, n)


EMA = Exercise(
    name="03.ema_update",
    title="The average of the weights",
    minutes=4,
    level=1,
    reference=ema_update,
    alternatives=[ema_update_by_lerp, ema_update_in_a_loop],
    cases=[
        ema_case(0.99, 5000, (2,)),
        ema_case(0.9, 3, (2, 3), (4,)),
        ema_case(0.999, 0, (3, 1)),
        ema_case(0.6, 40, (), (1, 2, 2), (3,)),
        ema_case(0.0, 9, (2,)),
    ],
    gradients=[],  # averages are not trained
    mistakes=[
        Mistake(
            "decay on the new value",
            _ema(warm, swap=True),
            "You gave the decay to the new value: your average would forget everything within a step or two. The past keeps "
            "the share d.",
        ),
        Mistake(
            "no warm-up",
            _ema(lambda decay, n: decay),
            "Your d is the decay from the first update on. At 0.999 the average would still hold a third of the random start after a "
            "thousand steps: hence the min in the docstring.",
        ),
        Mistake(
            "larger of the two",
            _ema(lambda decay, n: max(decay, (1 + n) / (10 + n))),
            "You take the larger of the two: then early averages cling to the random start, and late ones go beyond the decay.",
        ),
        Mistake(
            "warm-up only",
            _ema(lambda decay, n: (1 + n) / (10 + n)),
            "You never get to use the decay: your average goes on growing slower for ever, and in the end hardly follows at all.",
        ),
        Mistake(
            "plain mean",
            _ema(lambda decay, n: n / (n + 1)),
            "This is the plain mean of all values so far, the random start and its neighbours included, for ever. An "
            "exponential average forgets.",
        ),
        Mistake(
            "new value in full",
            _ema(warm, plus=lambda d: 1.0),
            "You add the new value in full, so your average grows without end. The two shares must add up to 1.",
        ),
        Mistake(
            "off by one",
            _ema(lambda decay, n: min(decay, (2 + n) / (11 + n))),
            "Your n is one too high. The first update is n = 0, and has d = 1/10.",
        ),
        Mistake(
            "the first tensor only",
            lambda averages, values, decay, n: ema_update(averages[:1], values[:1], decay, n),
            "You average the first tensor only. Every parameter has its average.",
        ),
        Mistake(
            "as if n counted from 1",
            _ema(lambda decay, n: min(decay, n / (9 + n))),
            "Your n is one too low: at n = 0 nothing of the start would be kept.",
        ),
    ],
    hints=[
        "Two things: the share d of the past, one number; then the same mixture for every pair of tensors.",
        "min of two numbers for d. The shares of old and new add up to 1.",
        "d first; then a list comprehension over zip(averages, values), without changing either in place.",
    ],
    insight="decay 0.99 looks back about 1/(1 − 0.99) = 100 steps, 0.9995 about 2,000: choose it by the length of the training.",
)


def drop_labels(labels: Tensor, u: Tensor, drop_prob: float, null: int) -> Tensor:
    """Replace some labels by the null label, which says "any digit".

    A label is dropped where its uniform number u lies below drop_prob.
    labels LongTensor (B,), u (B,) in [0, 1). Returns a new LongTensor (B,).
    """
    return torch.where(u < drop_prob, null, labels)


def drop_labels_by_mask(labels, u, drop_prob, null):
    out = labels.clone()
    out[u < drop_prob] = null
    return out


def drop_labels_in_a_loop(labels, u, drop_prob, null):
    return torch.tensor([null if v < drop_prob else int(k) for k, v in zip(labels, u.tolist(), strict=True)])


def drop_labels_with_none(labels, u, drop_prob, null):
    labels[u < drop_prob] = None
    return labels


DROP_LABELS = Exercise(
    name="03.drop_labels",
    title="Forgetting one label in ten",
    minutes=3,
    level=1,
    reference=drop_labels,
    alternatives=[drop_labels_by_mask, drop_labels_in_a_loop],
    cases=[
        (torch.tensor([3, 9, 0]), torch.tensor([0.5, 0.05, 0.9]), 0.1, 10),
        (torch.tensor([1, 2, 8, 4, 9]), torch.tensor([0.3, 0.0, 0.7, 0.2, 0.6]), 0.25, 10),
        (torch.tensor([5, 1]), torch.tensor([0.0, 0.99]), 0.0, 7),
        (torch.tensor([1, 6, 0, 2]), torch.tensor([0.25, 0.5, 0.0, 0.125]), 0.25, 7),
        (torch.tensor([3]), torch.tensor([0.5]), 1.0, 4),
    ],
    mistakes=[
        Mistake(
            "None in a tensor",
            drop_labels_with_none,
            "A tensor of whole numbers cannot hold None: that is why there is a null label, a number of its own.",
        ),
        Mistake(
            "most dropped",
            lambda labels, u, drop_prob, null: torch.where(u > drop_prob, null, labels),
            "You drop where u lies above drop_prob: nine labels in ten. Which side has the probability drop_prob?",
        ),
        Mistake(
            "swapped branches",
            lambda labels, u, drop_prob, null: torch.where(u < drop_prob, labels, null),
            "torch.where takes its second argument where the condition holds: yours keeps the labels there, and drops all others.",
        ),
        Mistake(
            "null is 0",
            lambda labels, u, drop_prob, null: torch.where(u < drop_prob, 0, labels),
            "You put in 0. That is a digit: the model would learn that “any digit” means zero.",
        ),
        Mistake(
            "null one lower",
            lambda labels, u, drop_prob, null: torch.where(u < drop_prob, null - 1, labels),
            "You put in null − 1, which is the last real label. With ten digits, 0 to 9, the null label is 10: an embedding "
            "of eleven rows.",
        ),
        Mistake(
            "removed",
            lambda labels, u, drop_prob, null: labels[u >= drop_prob],
            "You throw the labels out, so fewer come back than went in, and they no longer fit their images.",
        ),
        Mistake(
            "all or none",
            lambda labels, u, drop_prob, null: (
                torch.full_like(labels, null) if float(u[0]) < drop_prob else labels.clone()
            ),
            "You decide once for the whole batch. Each image has its own u.",
        ),
        Mistake(
            "always 10",
            lambda labels, u, drop_prob, null: torch.where(u < drop_prob, 10, labels),
            "You put in 10, whatever the null label is: use the argument null. The next data set has other classes.",
        ),
        Mistake(
            "at most for below",
            lambda labels, u, drop_prob, null: torch.where(u <= drop_prob, null, labels),
            "You also drop where u equals drop_prob. u can be 0, and with drop_prob 0 nothing must be dropped.",
        ),
        Mistake(
            "minus one",
            lambda labels, u, drop_prob, null: torch.where(u < drop_prob, -1, labels),
            "You put in −1, which is no row of an embedding. The null label is a number of its own, and it is given.",
        ),
        Mistake(
            "the first ones",
            lambda labels, u, drop_prob, null: torch.where(
                torch.arange(len(labels)) < (u < drop_prob).sum(), null, labels
            ),
            "You drop the right number of labels, but always the first ones. Each image has its own u.",
        ),
    ],
    gradients=[],  # whole numbers have none
    hints=[
        "Compare u with drop_prob: that gives True or False for each image.",
        "torch.where(condition, a, b) takes a where the condition is True, b elsewhere, and makes a new tensor.",
        "Condition: u below drop_prob. There the null label, elsewhere the label.",
    ],
    insight="One network learns both: what a 3 looks like, and what any digit looks like. Lesson 06 uses the difference.",
)

# -- sampling ---------------------------------------------------------------------------------------------------------------


def denoise(x_t: Tensor, eps_pred: Tensor, t: int, betas: Tensor, noise: Tensor) -> Tensor:
    """One reverse step, x_t to x_{t-1}: line 4 of algorithm 2, with the posterior's variance.

    mean = (x_t - beta_t/sqrt(1 - alpha_bar_t)·eps_pred)/sqrt(alpha_t)
    variance = beta_t·(1 - alpha_bar_{t-1})/(1 - alpha_bar_t), and no noise at code index t = 0
    alpha_t = 1 - beta_t, alpha_bar_t = product of the alphas up to t.
    x_t, eps_pred, noise (B, …), betas (T,). Returns x_{t-1}, of x_t's shape.
    Differentiable in x_t and eps_pred.
    """
    alpha_bars = torch.cumprod(1 - betas, dim=0)
    mean = (x_t - betas[t] / (1 - alpha_bars[t]).sqrt() * eps_pred) / (1 - betas[t]).sqrt()
    if t == 0:
        return mean
    variance = betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t])
    return mean + variance.sqrt() * noise


def denoise_by_x0(x_t, eps_pred, t, betas, noise):
    bars = torch.cat([betas.new_ones(1), torch.cumprod(1 - betas, dim=0)])
    now, before = bars[t + 1], bars[t]
    x0 = (x_t - (1 - now).sqrt() * eps_pred) / now.sqrt()
    mean = before.sqrt() * betas[t] / (1 - now) * x0 + (now / before).sqrt() * (1 - before) / (1 - now) * x_t
    return mean + (betas[t] * (1 - before) / (1 - now)).sqrt() * noise


def denoise_in_numbers(x_t, eps_pred, t, betas, noise):
    alpha_bar = before = 1.0
    for beta in betas[: t + 1].tolist():
        before, alpha_bar = alpha_bar, alpha_bar * (1 - beta)
    std = math.sqrt(beta * (1 - before) / (1 - alpha_bar))
    return (x_t - beta / math.sqrt(1 - alpha_bar) * eps_pred) / math.sqrt(1 - beta) + std * noise


def _step(mean: Callable, std: Callable) -> Callable:
    """A step from formulas of (x, eps, beta, alpha_bar) and (beta, alpha_bar, alpha_bar before)."""

    def wrong(x_t, eps_pred, t, betas, noise):
        bars = torch.cumprod(1 - betas, dim=0)
        before = bars[t - 1] if t > 0 else torch.ones_like(bars[0])
        return mean(x_t, eps_pred, betas[t], bars[t]) + std(betas[t], bars[t], before) * noise

    return wrong


def right_mean(x, e, beta, bar):
    return (x - beta / (1 - bar).sqrt() * e) / (1 - beta).sqrt()


def right_std(beta, bar, before):
    return (beta * (1 - before) / (1 - bar)).sqrt()


def denoise_wrapped(x_t, eps_pred, t, betas, noise):
    bars = torch.cumprod(1 - betas, dim=0)
    variance = betas[t] * (1 - bars[t - 1]) / (1 - bars[t])
    return right_mean(x_t, eps_pred, betas[t], bars[t]) + variance.sqrt() * noise


def denoise_case(t: int, *shape: int, betas: Tensor = BETAS):
    return lambda g: (normal(g, *shape), normal(g, *shape), t, betas, normal(g, *shape))


DENOISE = Exercise(
    name="03.denoise",
    title="The sampling step",
    minutes=8,
    level=2,
    reference=denoise,
    alternatives=[denoise_by_x0, denoise_in_numbers],
    cases=[
        denoise_case(2, 1, 2),
        denoise_case(5, 2, 3),
        denoise_case(0, 3, 2),
        denoise_case(1, 2, 1, 2, 2),
        denoise_case(3, 4, betas=ODD_BETAS),
        denoise_case(0, 1, 3, betas=ODD_BETAS),
    ],
    gradients=["x_t", "eps_pred"],
    package=InPackage(
        "diffcourse.samplers.denoise(x_t, eps_pred, t, schedule, noise)",
        lambda x_t, eps_pred, t, betas, noise: samplers.denoise(x_t, eps_pred, t, DiffusionSchedule(betas), noise),
    ),
    mistakes=[
        Mistake(
            "noise added, not removed",
            _step(lambda x, e, beta, bar: (x + beta / (1 - bar).sqrt() * e) / (1 - beta).sqrt(), right_std),
            "Your step adds the predicted noise. That is the direction of the forward chain; the reverse chain removes it.",
        ),
        Mistake(
            "a forward step",
            _step(lambda x, e, beta, bar: (1 - beta).sqrt() * x, lambda beta, bar, before: beta.sqrt()),
            "This is a step of the forward chain: it shrinks x and adds noise. eps_pred does not occur in it.",
        ),
        Mistake(
            "noise at the last step",
            denoise_wrapped,
            "At t = 0 your alpha_bar_{t−1} is taken from index −1, Python's last entry, so noise is added to the "
            "finished image, and a good deal of it. Below index 0 lies the clean image.",
        ),
        Mistake(
            "noise beta at t = 0 too",
            _step(right_mean, lambda beta, bar, before: beta.sqrt()),
            "Your variance is β everywhere. DDPM allows that, but the docstring asks for the posterior's, which is 0 "
            "at t = 0: the last step must not add noise.",
        ),
        Mistake(
            "variance for standard deviation",
            _step(right_mean, lambda beta, bar, before: beta * (1 - before) / (1 - bar)),
            "Your noise is multiplied by the variance. Which power of it is a standard deviation?",
        ),
        Mistake(
            "no noise at all",
            _step(right_mean, lambda beta, bar, before: 0.0),
            "Your step takes the mean and adds no noise, at any t. Then all samples end near the average of the data: DDPM "
            "draws, it does not average.",
        ),
        Mistake(
            "the whole noise at once",
            _step(lambda x, e, beta, bar: (x - (1 - bar).sqrt() * e) / bar.sqrt(), right_std),
            "Your mean is the estimate of x_0: it removes all of the noise at once. One step removes a little, of size β/√(1 − ᾱ).",
        ),
        Mistake(
            "alpha for alpha_bar",
            _step(lambda x, e, beta, bar: (x - beta / beta.sqrt() * e) / (1 - beta).sqrt(), right_std),
            "Under the fraction you have 1 − α_t, the variance of one step. The noise in x_t is that of all steps so far: 1 − ᾱ_t.",
        ),
        Mistake(
            "not rescaled",
            _step(lambda x, e, beta, bar: x - beta / (1 - bar).sqrt() * e, right_std),
            "The division by √α_t is missing. The forward step shrank the image; the reverse step stretches it back.",
        ),
        Mistake(
            "variance beta",
            lambda x_t, eps_pred, t, betas, noise: _step(
                right_mean, lambda beta, bar, before: beta.sqrt() if t > 0 else 0.0
            )(x_t, eps_pred, t, betas, noise),
            "Your variance is β, without noise at t = 0: DDPM's own choice in its algorithm 2, and a good one. The "
            "docstring asks for the posterior's, which is smaller.",
        ),
        Mistake(
            "noise at t = 0",
            lambda x_t, eps_pred, t, betas, noise: _step(
                right_mean, right_std if t > 0 else lambda beta, bar, before: beta.sqrt()
            )(x_t, eps_pred, t, betas, noise),
            "Right for t ≥ 1. At t = 0 you add noise of variance β, to the finished image.",
        ),
        Mistake(
            "alpha_bar for alpha",
            _step(lambda x, e, beta, bar: (x - beta / (1 - bar).sqrt() * e) / bar.sqrt(), right_std),
            "You divide by √ᾱ_t, which undoes the shrinking of all steps at once. Only one is to be undone: its own α_t.",
        ),
        Mistake(
            "no noise at t = 1",
            lambda x_t, eps_pred, t, betas, noise: _step(
                right_mean, right_std if t > 1 else lambda beta, bar, before: 0.0
            )(x_t, eps_pred, t, betas, noise),
            "Right but for t = 1, where you add no noise. The papers' t = 1 is the code index 0.",
        ),
        Mistake(
            "only the noise divided",
            _step(lambda x, e, beta, bar: x - beta / (1 - bar).sqrt() * e / (1 - beta).sqrt(), right_std),
            "Your division by √α_t reaches the predicted noise only. The docstring has brackets around the difference.",
        ),
        Mistake(
            "alpha for its root",
            _step(lambda x, e, beta, bar: (x - beta / (1 - bar).sqrt() * e) / (1 - beta), right_std),
            "You divide by α_t itself. The forward step had multiplied by its root.",
        ),
        Mistake(
            "root of the noise variance missing",
            _step(lambda x, e, beta, bar: (x - beta / (1 - bar) * e) / (1 - beta).sqrt(), right_std),
            "In your mean eps_pred is divided by 1 − ᾱ_t, a variance. The formula divides by the standard deviation.",
        ),
    ],
    hints=[
        "Mean and standard deviation apart: lesson 02 has both, as reverse_mean and posterior.",
        "Make alpha_bars from betas first. What is alpha_bar below index 0?",
        "Mean from the docstring; if t is 0, return it; else add the root of the variance times the noise.",
    ],
    insight="diffcourse.samplers.denoise is the same step, and sample_ddpm the loop around it.",
    allowed={"0 -> -1 (2)": "the last dimension of a table is its first"},
)

# -- a real script ----------------------------------------------------------------------------------------------------------


def to_pixels(images: Tensor) -> Tensor:
    """Map samples back for showing: -1 becomes 0 (black), 1 becomes 1, the rest is cut off.

    images (N, C, H, W), most values in [-1, 1]. Returns the same shape, in [0, 1].
    """
    return ((images + 1) / 2).clamp(0, 1)


TO_PIXELS = Exercise(
    name="03.to_pixels",
    title="Samples as pictures",
    minutes=2,
    level=1,
    reference=to_pixels,
    alternatives=[
        lambda images: images.clamp(-1, 1) / 2 + 0.5,
        lambda images: torch.clip(0.5 * images + 0.5, 0.0, 1.0),
    ],
    cases=[
        (torch.tensor([-1.5, -1.0, 0.0, 0.5, 2.4]).view(1, 1, 1, 5),),
        lambda g: (normal(g, 2, 1, 3, 4),),
        lambda g: (0.2 * normal(g, 1, 3, 2, 2),),
    ],
    gradients=[],  # for showing only
    mistakes=[
        Mistake(
            "not clamped",
            lambda images: (images + 1) / 2,
            "Your scale is right, but samples reach beyond ±1, and yours beyond 0 and 1. A picture file wraps or "
            "refuses such values: cut them off.",
        ),
        Mistake(
            "stretched",
            lambda images: (images - images.min()) / (images.max() - images.min()),
            "You stretch from the darkest to the brightest pixel: one stray pixel then turns black into grey, and no two "
            "pictures compare.",
        ),
        Mistake(
            "not shifted",
            lambda images: images.clamp(0, 1),
            "You only cut off. Half of the range, from −1 to 0, turns black: the scale goes from −1 to 1, so shift it first.",
        ),
        Mistake(
            "clamped before shifting, to [0, 1]",
            lambda images: (images.clamp(0, 1) + 1) / 2,
            "You cut to [0, 1] before you shift, so nothing can become darker than one half. Cut after, or cut to [−1, 1].",
        ),
        Mistake(
            "back to [-1, 1]",
            lambda images: (2 * images - 1).clamp(0, 1),
            "2x − 1 goes from [0, 1] to [−1, 1]: the way in. You need the way back.",
        ),
        Mistake(
            "absolute values",
            lambda images: images.abs().clamp(0, 1),
            "You take absolute values: black and white both become white.",
        ),
        Mistake(
            "up to 255",
            lambda images: ((images + 1) * 127.5).clamp(0, 255),
            "Yours goes up to 255, as the bytes of a file do. The docstring asks for [0, 1].",
        ),
        Mistake(
            "no brackets around the sum",
            lambda images: (images + 1 / 2).clamp(0, 1),
            "You add one half and do not halve the image: without brackets only the 1 is divided.",
        ),
        Mistake(
            "the negative",
            lambda images: ((1 - images) / 2).clamp(0, 1),
            "Yours is the negative: −1 becomes white. Where must it go?",
        ),
        Mistake(
            "cut off below only",
            lambda images: ((images + 1) / 2).clamp(min=0),
            "You cut off below 0 only: samples reach beyond 1 as well.",
        ),
        Mistake(
            "cut off above only",
            lambda images: ((images + 1) / 2).clamp(max=1),
            "You cut off above 1 only: samples reach below 0 as well.",
        ),
        Mistake(
            "a sigmoid",
            lambda images: torch.sigmoid(images),
            "A sigmoid does land between 0 and 1, but bends all that is in between: 1 would be a light grey, 0.73.",
        ),
        Mistake(
            "halved before shifting",
            lambda images: (images / 2 + 1).clamp(0, 1),
            "You halve first and then add the whole 1, so that −1 becomes a grey of 0.5. After halving, half a shift is left to do.",
        ),
    ],
    hints=[
        "Where must −1 go, and where 1? A shift and a factor do it.",
        "Shift by 1 and halve: [−1, 1] becomes [0, 1]. And the values outside?",
        "Add 1, divide by 2, and clamp to [0, 1].",
    ],
    insight="The way in is 2x − 1, the way out (x + 1)/2 and a clamp; plot.grid and plot.save do both for you.",
)


def epoch_loss(losses: list[float], counts: list[int]) -> float:
    """The mean loss of an epoch over its images.

    losses: the mean loss of each batch; counts: how many images each held. Returns a number.
    """
    return sum(loss * n for loss, n in zip(losses, counts, strict=True)) / sum(counts)


EPOCH_LOSS = Exercise(
    name="03.epoch_loss",
    title="The mean loss of an epoch",
    minutes=2,
    level=1,
    reference=epoch_loss,
    alternatives=[
        lambda losses, counts: (torch.tensor(losses) * torch.tensor(counts)).sum() / sum(counts),
        lambda losses, counts: torch.cat([torch.full((n,), v) for v, n in zip(losses, counts, strict=True)]).mean(),
    ],
    cases=[([1.0, 4.0], [64, 6]), ([0.5, 0.2, 0.9], [10, 10, 3]), ([2.0, 0.1, 0.3, 0.7], [4, 8, 2, 1]), ([0.25], [7])],
    mistakes=[
        Mistake(
            "mean of the means",
            lambda losses, counts: sum(losses) / len(losses),
            "You take the mean of the batch means: a last batch of 6 images counts as much as a full one of 64. Weigh by the "
            "count.",
        ),
        Mistake(
            "sum of the means",
            lambda losses, counts: sum(losses),
            "You add up the batch means. Their sum grows with the number of batches.",
        ),
        Mistake(
            "sum over the images",
            lambda losses, counts: sum(v * n for v, n in zip(losses, counts, strict=True)),
            "This is the sum over all images. Divide by how many there are.",
        ),
        Mistake(
            "divided by the batches",
            lambda losses, counts: sum(v * n for v, n in zip(losses, counts, strict=True)) / len(losses),
            "Above the line you have a sum over images, below it the number of batches.",
        ),
        Mistake("the last batch", lambda losses, counts: losses[-1], "This is the loss of the last batch only."),
        Mistake(
            "divided by the counts",
            lambda losses, counts: sum(v / n for v, n in zip(losses, counts, strict=True)) / len(losses),
            "You divide each loss by its count; it is a mean already. Multiply to get the sum over the batch.",
        ),
        Mistake(
            "sum of the divided",
            lambda losses, counts: sum(v / n for v, n in zip(losses, counts, strict=True)),
            "You divide each loss by its count and add up; it is a mean already. Multiply to get the sum over the batch.",
        ),
        Mistake(
            "counts below only",
            lambda losses, counts: sum(losses) / sum(counts),
            "Below the line stand all images, above it only the plain losses: each must count as often as it has images.",
        ),
        Mistake(
            "without the last batch",
            lambda losses, counts: epoch_loss(losses[:-1], counts[:-1]),
            "You leave the last batch out. It is smaller, and counts for less, but it counts.",
        ),
        Mistake(
            "as if all batches were full",
            lambda losses, counts: sum(v * n for v, n in zip(losses, counts, strict=True)) / (len(counts) * counts[0]),
            "You divide as if every batch held as many images as the first.",
        ),
    ],
    gradients=[],  # for a printed line
    hints=[
        "A mean loss times its count is the sum over that batch.",
        "Add the sums of all batches, and divide once.",
        "Below the line stands the number of all images.",
    ],
    insight="Equal counts make it the plain mean: that is why the slip so often goes unseen.",
)


def modes_after(network: nn.Module, draw) -> Tensor:
    """Run draw(network) with every part in eval mode, then give each part its own mode back.

    draw gets the network itself, not a copy. network.modules() yields the network and all its
    parts; each has a flag `.training`. The modes come back also when draw raises.
    Returns the flags of all parts after it, in the order of network.modules(), as a tensor
    of True and False.
    """
    before = [part.training for part in network.modules()]
    network.eval()
    try:
        draw(network)
    finally:
        for part, mode in zip(network.modules(), before, strict=True):
            part.training = mode
    return torch.tensor([part.training for part in network.modules()])


def modes_after_by_dict(network, draw):
    kept = {name: part.training for name, part in network.named_modules()}
    for part in network.modules():
        part.training = False
    try:
        draw(network)
    finally:
        for name, part in network.named_modules():
            part.training = kept[name]
    return torch.tensor(list(kept.values()))


def modes_after_by_list(network, draw):
    on = [part for part in network.modules() if part.training]
    network.eval()
    try:
        draw(network)
    finally:
        for part in on:
            part.training = True
    return torch.tensor([part.training for part in network.modules()])


def modes_after_by_package(network, draw):
    with evaluating(network):
        draw(network)
    return torch.tensor([part.training for part in network.modules()])


def _modes(end: Callable, start: Callable = lambda network: network.eval()) -> Callable:
    def wrong(network, draw):
        was = [part.training for part in network.modules()]
        start(network)
        draw(network)
        end(network, was)
        return torch.tensor([part.training for part in network.modules()])

    return wrong


def all_off(network: nn.Module) -> None:
    """What a sampler expects: every part in eval mode. It leaves a note if not."""
    if any(part.training for part in network.modules()):
        raise RuntimeError("drawn in training mode")


def drawn_once(answer: Callable) -> bool:
    """Is draw called once, with the network itself?"""
    network = small_network(True, True)
    seen: list[nn.Module] = []
    answer(network, seen.append)
    return len(seen) == 1 and seen[0] is network


def gives_modes_back(answer: Callable) -> bool:
    networks = [small_network(True, False), small_network(False, True), small_network(True, True)]
    before = [[part.training for part in network.modules()] for network in networks]
    for network in networks:
        answer(network, all_off)
    return before == [[part.training for part in network.modules()] for network in networks]


class Stopped(Exception):
    """What the draw of the invariants raises."""


def stopped(answer: Callable) -> tuple[bool, bool]:
    """Of a draw that raises: does the error come through, and do the modes come back?"""
    network, through = small_network(True, False), False

    def stop(network):
        raise Stopped

    before = [part.training for part in network.modules()]
    try:
        answer(network, stop)
    except Stopped:
        through = True
    return through, before == [part.training for part in network.modules()]


def small_network(outer: bool, frozen: bool) -> nn.Sequential:
    """A network of three parts whose middle one has a mode of its own."""
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.Dropout(0.5))
    network.train(outer)
    network[1].train(frozen)
    return network


MODES = Exercise(
    name="03.modes_after",
    title="The mode that is never set back",
    minutes=6,
    level=2,
    reference=modes_after,
    alternatives=[modes_after_by_dict, modes_after_by_list],
    cases=[
        lambda g: (small_network(True, True), all_off),
        lambda g: (small_network(True, False), all_off),
        lambda g: (small_network(False, False), all_off),
        lambda g: (small_network(False, True), all_off),
        lambda g: (nn.Sequential(small_network(True, False), nn.Tanh(), small_network(False, True)), all_off),
        lambda g: (nn.Sequential(nn.ReLU(), small_network(True, True)).eval(), all_off),
    ],
    invariants=[
        Invariant(
            "drawn once, with the network",
            drawn_once,
            "draw must be called once, with the network itself. Yours calls it with a copy, more than once, or not at all.",
        ),
        Invariant(
            "modes come back",
            gives_modes_back,
            "The flags that you return are those from before, but the parts of the network have not got them back.",
            only_if_right=True,
        ),
        Invariant(
            "modes come back after an error",
            lambda answer: stopped(answer)[1],
            "If draw raises, for instance because you stopped it, your network does not get its modes back. try and finally are made for "
            "that.",
        ),
        Invariant(
            "the error comes through",
            lambda answer: stopped(answer)[0],
            "If draw raises, nobody hears of it: your function swallows the error. Give the modes back and let it through.",
        ),
    ],
    mistakes=[
        Mistake(
            "never set back",
            _modes(lambda network, was: None),
            "Your network stays in eval mode. That is the tutorial's bug: training goes on with frozen statistics, without a word.",
        ),
        Mistake(
            "always train at the end",
            _modes(lambda network, was: network.train()),
            "You end with train(), whatever the mode was before. A network in eval mode, or one frozen part, comes back "
            "switched on.",
        ),
        Mistake(
            "one mode for all parts",
            _modes(lambda network, was: network.train(was[0])),
            "You give all parts the mode of the whole. A part that was frozen on purpose, such as a BatchNorm, comes back "
            "switched on.",
        ),
        Mistake(
            "only the outermost flag",
            _modes(lambda network, was: setattr(network, "training", was[0])),
            "You set the flag of the network itself and forget its parts, which stay in eval mode.",
        ),
        Mistake(
            "without eval",
            _modes(lambda network, was: None, start=lambda network: None),
            "draw runs while a part of your network, or all of it, is still in training mode: dropout and batch "
            "statistics would be in every sample.",
        ),
    ],
    gradients=[],  # it returns flags
    hints=[
        "Write down the flags of all parts before anything else.",
        "eval() switches every part off. Afterwards each part gets back the flag that you wrote down, not one for all.",
        "A list of flags; eval; try: draw; finally: loop over the parts and their flags.",
    ],
    package=InPackage("with diffcourse.denoiser.evaluating(network): draw(network)", modes_after_by_package),
    insight="Every function of the package that takes a module does this.",
)


def short_betas(T: int) -> Tensor:
    """The linear schedule for a chain of T steps that ends in noise, as 1000 steps do.

    DDPM: betas from 0.0001 to 0.02 in equal steps, for T = 1000. For other T both ends are
    multiplied by 1000/T, and no beta exceeds 0.999. Returns (T,).
    """
    return torch.linspace(0.1 / T, 20 / T, T, dtype=torch.float64).clamp(max=0.999)


def short_betas_by_hand(T):
    low, high = 1e-4 * 1000 / T, 0.02 * 1000 / T
    return torch.tensor([min(0.999, low + (high - low) * i / (T - 1)) for i in range(T)])


def every_so_many(T):
    bars = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), dim=0)
    seen = bars[1000 // T - 1 :: 1000 // T][:T]
    return 1 - seen / torch.cat([torch.ones(1, dtype=torch.float64), seen[:-1]])


SHORT_BETAS = Exercise(
    name="03.short_betas",
    title="A chain of 200 steps",
    minutes=3,
    level=1,
    reference=short_betas,
    alternatives=[
        short_betas_by_hand,
        lambda T: torch.clip(torch.linspace(1e-4, 0.02, T) * (1000 / T), max=0.999),
    ],
    cases=[(200,), (50,), (15,), (2,), (1000,), (1500,)],
    mistakes=[
        Mistake(
            "clipped at 0.9999",
            lambda T: torch.linspace(0.1 / T, 20 / T, T, dtype=torch.float64).clamp(max=0.9999),
            "You cut off at 0.9999. The docstring says 0.999.",
        ),
        Mistake(
            "the last end left out",
            lambda T: (torch.arange(T) * (20 / T - 0.1 / T) / T + 0.1 / T).clamp(max=0.999),
            "Your betas stop one step before the larger end: T values have T − 1 steps between them.",
        ),
        Mistake(
            "the last end left out, not clipped",
            lambda T: torch.arange(T) * (20 / T - 0.1 / T) / T + 0.1 / T,
            "Your betas stop one step before the larger end (T values have T − 1 steps between them), and for very short "
            "chains they exceed 1.",
        ),
        Mistake(
            "always five times",
            lambda T: 5 * torch.linspace(1e-4, 0.02, T, dtype=torch.float64),
            "Your factor is 5, which is right for T = 200 alone. What is it for other T?",
        ),
        Mistake(
            "equal steps of the root",
            lambda T: torch.linspace((0.1 / T) ** 0.5, (20 / T) ** 0.5, T, dtype=torch.float64) ** 2,
            "You take equal steps of √β. That is scaled-linear, Stable Diffusion's schedule; DDPM's takes equal steps of β.",
        ),
        Mistake(
            "equal steps of the root, clipped",
            lambda T: (torch.linspace((0.1 / T) ** 0.5, (20 / T) ** 0.5, T, dtype=torch.float64) ** 2).clamp(max=0.999),
            "You take equal steps of √β, clipped. That is scaled-linear, Stable Diffusion's schedule; DDPM's takes equal steps of β.",
        ),
        Mistake(
            "the long chain seen every so many steps",
            every_so_many,
            "You kept every so many ᾱ of the long chain and worked out what happens between them: a good way, which "
            "DDIM takes. Asked here are betas in equal steps.",
        ),
        Mistake(
            "same betas",
            lambda T: torch.linspace(1e-4, 0.02, T, dtype=torch.float64),
            "Your betas are those of 1000 steps, and there are fewer of them: at T = 200 the chain ends with 13 % of "
            "the variance still signal. Each step must do more.",
        ),
        Mistake(
            "only the last one",
            lambda T: torch.linspace(1e-4, 20 / T, T, dtype=torch.float64).clamp(max=0.999),
            "You multiplied the larger end only. Both ends grow by 1000/T.",
        ),
        Mistake(
            "the wrong way",
            lambda T: torch.linspace(1e-4 * T / 1000, 0.02 * T / 1000, T, dtype=torch.float64),
            "You multiplied by T/1000: a shorter chain would take smaller steps. It must take larger ones.",
        ),
        Mistake(
            "the first T of 1000",
            lambda T: torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)[:T],
            "You took the first T betas of the long chain and stopped there: almost all of the image is still left.",
        ),
        Mistake(
            "every so many",
            lambda T: torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)[:: 1000 // T][:T],
            "You took every so many betas of the long chain, as they are. The steps between are left out, and their noise "
            "with them.",
        ),
        Mistake(
            "not clipped",
            lambda T: torch.linspace(0.1 / T, 20 / T, T, dtype=torch.float64),
            "For very short chains your last betas exceed 1, which no variance share may: see the end of the docstring.",
        ),
    ],
    gradients=[],  # a table: nothing is trained in it
    hints=[
        "What counts is the sum of the betas, about 10 for T = 1000. What must happen to each if there are fewer?",
        "Both ends times 1000/T: 0.1/T and 20/T.",
        "linspace between the two ends, T entries, and a clamp from above.",
    ],
    insight="Then ᾱ_T comes out at 0.00003 for T = 200, as small as for T = 1000: now the number of steps is the only thing changed.",
    allowed={"*, T, dtype=torch.float64) -> *": "a table in float32 will do"},
)


def start_brightness(alpha_bar: float, mean: float, pixels: int) -> float:
    """How many standard deviations is pure noise brighter than a true x_T?

    Brighter in the mean of all pixels. x_T = sqrt(alpha_bar)·x_0 + sqrt(1 - alpha_bar)·eps.
    x_0 is fixed, its pixels have the mean `mean`; eps is standard noise, new for each pixel;
    `pixels` is their number. Take the mean of pure noise as exactly 0. One standard deviation:
    that of the mean of x_T's pixels.
    A formula, nothing is drawn. Returns a number, positive where x_0 is dark (mean below 0).
    """
    return -(alpha_bar**0.5) * mean * pixels**0.5 / (1 - alpha_bar) ** 0.5


START = Exercise(
    name="03.start_brightness",
    title="The last trace",
    minutes=5,
    level=2,
    reference=start_brightness,
    alternatives=[
        lambda a, m, n: (0 - math.sqrt(a) * m) / math.sqrt((1 - a) / n),
        lambda a, m, n: -m * (n * a / (1 - a)) ** 0.5,
    ],
    cases=[(0.00466, -0.74, 784), (0.3, -0.5, 64), (0.5, 0.4, 100), (0.9, -0.1, 16), (1e-5, -0.74, 784), (0.2, 0.3, 9)],
    mistakes=[
        Mistake(
            "the other sign",
            lambda a, m, n: math.sqrt(a) * m * math.sqrt(n / (1 - a)),
            "This is how much higher the true x_T is. Asked is noise minus true: positive for a dark x_0.",
        ),
        Mistake(
            "never negative",
            lambda a, m, n: math.sqrt(a) * abs(m) * math.sqrt(n / (1 - a)),
            "You drop the sign: for a bright x_0 (mean above 0) pure noise is the darker one.",
        ),
        Mistake(
            "one pixel",
            lambda a, m, n: -math.sqrt(a) * m / math.sqrt(1 - a),
            "You divide by the standard deviation of one pixel. The mean of n independent pixels varies less: by the root of n.",
        ),
        Mistake(
            "divided by the root",
            lambda a, m, n: -math.sqrt(a) * m / math.sqrt((1 - a) * n),
            "The root of the number of pixels stands on the wrong side: the more pixels, the surer their mean.",
        ),
        Mistake(
            "n without its root",
            lambda a, m, n: -math.sqrt(a) * m * n / math.sqrt(1 - a),
            "Yours grows with the number n of pixels, but the standard deviation of their mean falls with 1/√n (its variance with 1/n).",
        ),
        Mistake(
            "in units of the variance",
            lambda a, m, n: -math.sqrt(a) * m * n / (1 - a),
            "You divide by a variance, (1 − ᾱ)/n. A distance is counted in standard deviations: take its root.",
        ),
        Mistake(
            "alpha_bar without its root",
            lambda a, m, n: -a * m * math.sqrt(n / (1 - a)),
            "The image is multiplied by √ᾱ, not by ᾱ, and its mean with it.",
        ),
        Mistake(
            "1 - alpha_bar without its root",
            lambda a, m, n: -math.sqrt(a) * m * math.sqrt(n) / (1 - a),
            "The noise of a pixel has the standard deviation √(1 − ᾱ); 1 − ᾱ is its variance.",
        ),
        Mistake(
            "alpha_bar of noise",
            lambda a, m, n: -math.sqrt(a) * m * math.sqrt(n),
            "You take the noise as standard. In x_T it is multiplied by √(1 − ᾱ): nearly 1 at the end of a chain, but not elsewhere.",
        ),
        Mistake(
            "not divided",
            lambda a, m, n: -math.sqrt(a) * m,
            "This is the difference of the means. In units of a standard deviation: divide by that of the mean of n pixels.",
        ),
        Mistake(
            "the difference of two draws",
            lambda a, m, n: -math.sqrt(a) * m * math.sqrt(n / (2 - a)),
            "You divide by the spread of the difference of two draws. Asked for is that of the true x_T alone.",
        ),
        Mistake(
            "the difference of two draws, both of x_T",
            lambda a, m, n: -math.sqrt(a) * m * math.sqrt(n / (2 * (1 - a))),
            "You divide by the spread of the difference of two draws, √2 too large. Asked for is that of one true x_T.",
        ),
        Mistake(
            "both without their roots",
            lambda a, m, n: -a * m * math.sqrt(n) / (1 - a),
            "Two roots are missing: x_T holds √ᾱ of the image, and √(1 − ᾱ) of the noise.",
        ),
        Mistake(
            "both without their roots, the other sign",
            lambda a, m, n: a * m * math.sqrt(n) / (1 - a),
            "The sign is that of true minus noise, and two roots are missing: x_T holds √ᾱ of the image, and √(1 − ᾱ) of the noise.",
        ),
        Mistake(
            "the mean of a true x_T",
            lambda a, m, n: math.sqrt(a) * m,
            "This is the mean of a true x_T. Asked is how much higher that of noise is, in standard deviations.",
        ),
        Mistake(
            "the image's spread counted in",
            lambda a, m, n: -math.sqrt(a) * m * math.sqrt(n / (1 - a + a * (1 - m * m))),
            "Your standard deviation counts x_0 in. It is fixed here: eps alone is drawn.",
        ),
        Mistake(
            "the clean image",
            lambda a, m, n: -m * math.sqrt(n / (1 - a)),
            "Your difference is that to the clean image. At T its mean is multiplied by √ᾱ.",
        ),
    ],
    gradients=[],  # three numbers
    hints=[
        "What is the mean of the pixels of √ᾱ·x₀ + √(1 − ᾱ)·ε on average, and what in pure noise?",
        "The mean of n independent numbers of standard deviation σ has the standard deviation σ/√n.",
        "(0 − √ᾱ·mean), divided by √(1 − ᾱ)/√n.",
    ],
    insight="At the end of Stable Diffusion's schedule it is 1.4 for a digit: no pixel shows it, all together do.",
)


EXERCISES = [
    TIME_EMBEDDING,
    RES_BLOCK,
    SIZES,
    SKIP_CHANNELS,
    UNET,
    TRAINER,
    STRATIFIED,
    DENOISE,
    EMA,
    DROP_LABELS,
    TO_PIXELS,
    EPOCH_LOSS,
    MODES,
    SHORT_BETAS,
    START,
]

# -- questions --------------------------------------------------------------------------------------------------------------

QUIZZES = [
    Quiz(
        "03.end",
        title="At the end of lesson 03",
        questions=[
            Question(
                "Why is there no exact full gradient of the diffusion loss?",
                options=[
                    Option(
                        "The data do not fit into memory at once",
                        "Gradients can be added up over parts: a cell above did it.",
                    ),
                    Option(
                        "The loss is a mean over t and ε as well",
                        "Even with every image in the batch, t and ε are a sample. More draws only make the estimate better.",
                        right=True,
                    ),
                    Option(
                        "Adam replaces the gradients by running means",
                        "It keeps means of gradients. Of which loss are these?",
                    ),
                ],
            ),
            Question(
                "What does the tutorial's U-Net join with the deepest tensor?",
                options=[
                    Option(
                        "The same tensor again, stored after the stride",
                        "That one goes up as well: half of the channels are copies.",
                        right=True,
                    ),
                    Option(
                        "The picture's features at their full size",
                        "That skip does not exist there: nothing was stored before the first stride.",
                    ),
                    Option(
                        "The embedding of the time, as more channels",
                        "That one enters inside the blocks.",
                    ),
                ],
            ),
            Question(
                "You sample in the middle of training with a BatchNorm network and forget `train()` afterwards. What happens?",
                options=[
                    Option(
                        "The next step stops with an error about the mode",
                        "No error: that is what makes it a nasty bug.",
                    ),
                    Option(
                        "Nothing: the mode is of no matter while one trains",
                        "BatchNorm does something else in each mode.",
                    ),
                    Option(
                        "Training goes on, normalised by frozen statistics",
                        "`eval()` stays on until somebody calls `train()`.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "Papers write ‖ε − ε̂‖² (ε̂: the guess), code takes the mean. What is the factor between them for an MNIST image?",
                options=[
                    Option(
                        "1: two ways to write the same",
                        "The norm adds up all squares. What else does a mean do?",
                    ),
                    Option(
                        "784: the number of pixels",
                        "28 · 28. It scales the gradient, and matters where terms are added, as in a bound.",
                        right=True,
                    ),
                    Option(
                        "28: the side of the picture",
                        "Those are the pixels of one row.",
                    ),
                ],
            ),
            Question(
                "A chain of 200 steps with the β of 1000 gives poor samples. What is the reason?",
                options=[
                    Option(
                        "200 steps are too few for digits, however large they are",
                        "With β five times as large 200 steps are fine.",
                    ),
                    Option(
                        "Its end still holds image, but sampling starts from noise",
                        "ᾱ is 0.13 there: more than a third of the amplitude is still image.",
                        right=True,
                    ),
                    Option(
                        "The network is too small for steps so large",
                        "It is the same network in all three rows.",
                    ),
                ],
            ),
        ],
    ),
]
