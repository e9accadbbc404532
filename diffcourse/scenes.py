"""Captioned scenes: an MNIST digit in a named colour, size and place on a coloured ground, with a sentence that says so.

Composed on the fly from (seed, number of the scene) alone, nothing is stored. Because the attributes are known exactly, one can measure
how well a generated picture follows its caption (`metrics.prompt_accuracy`), and some combinations are kept out of training, to see
whether a model composes what it has only seen apart.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from diffcourse.checks import told, whole
from diffcourse.images import ImageData, check_images, first_place, to_float, walk
from diffcourse.rng import counter_seed

SIDE = 64  # of a scene, in pixels
JITTER = 2  # a digit lies up to so many pixels beside its place,
MARGIN = JITTER + 2  # and the place leaves room for that and for its soft edge
COLOURS = {  # sRGB 0..255, chosen so that no two of them fall together for protanopes and deuteranopes
    "red": (209, 10, 16),
    "orange": (245, 150, 0),
    "yellow": (252, 242, 50),
    "green": (0, 116, 86),
    "blue": (36, 72, 214),
    "pink": (238, 125, 220),
    "black": (0, 0, 0),
    "white": (255, 255, 255),
}
SIZES = {"small": 20, "large": 32}  # the longer side of the digit's box in pixels; MNIST's own is 20
ATTRIBUTES = {
    "digit": tuple("0123456789"),
    "ink": tuple(COLOURS),
    "size": tuple(SIZES),
    "background": tuple(COLOURS),
    "position": (
        *("top left", "top", "top right"),
        *("left", "centre", "right"),
        *("bottom left", "bottom", "bottom right"),
    ),
}  # the names of the values of each attribute; an attribute is stored as the index of its value

# never ink and ground of one scene
TOO_NEAR = ("red orange", "orange yellow", "orange pink", "yellow white", "red green", "green blue")
HELD_OUT_INKS = (
    "green",
    "orange",
    "pink",
    "white",
    "blue",
    "black",
    "yellow",
    "red",
    "green",
    "blue",
)  # of the digits 0..9
HELD_OUT_GROUNDS = {  # {ink: its background}; the same two colours the other way round are in training
    "red": "yellow",
    "yellow": "blue",
    "blue": "red",
    "orange": "green",
    "green": "white",
    "white": "pink",
    "pink": "black",
    "black": "orange",
}


class Attributes(NamedTuple):
    """What a scene shows, each as an index into `ATTRIBUTES`; None: not named."""

    digit: int | None
    ink: int | None
    size: int | None
    background: int | None
    position: int | None


class Scenes(NamedTuple):
    """`images` (B, 3, 64, 64) float32 in [-1, 1], their `captions`, their `attributes` (B, 5) int64 in the order of `ATTRIBUTES`, and
    `ink` (B, 1, 64, 64) float32 in [0, 1]: how much of each pixel the digit covers."""

    images: Tensor
    captions: list[str]
    attributes: Tensor
    ink: Tensor


# -- which combinations there are ---------------------------------------------------------------------------------------


def legible(ink: int, background: int) -> bool:
    """Whether the two colours may meet in one scene: neither equal nor `TOO_NEAR`."""
    names = {ATTRIBUTES["ink"][ink], ATTRIBUTES["background"][background]}
    return len(names) == 2 and all(set(pair.split()) != names for pair in TOO_NEAR)


def held_out(attributes: Tensor) -> Tensor:
    """Which scenes (B, 5) hold a combination that text-conditioned models never see in training: (B,) bool.

    Such combinations are a digit in the ink of `HELD_OUT_INKS`, and an ink on the ground of `HELD_OUT_GROUNDS`.
    """
    rows = check_attributes(attributes).tolist()
    return torch.tensor([_held_out(d, i, b) for d, i, _, b, _ in rows], dtype=torch.bool)


def _held_out(digit: int, ink: int, background: int) -> bool:
    ink, background = ATTRIBUTES["ink"][ink], ATTRIBUTES["background"][background]
    return HELD_OUT_INKS[digit] == ink or HELD_OUT_GROUNDS[ink] == background


_INDICES = range(len(COLOURS))
_PAIRS = {  # (held out: no, yes, either; digit) -> the (ink, background) that a scene may take
    (kind, d): [(i, b) for i in _INDICES for b in _INDICES if legible(i, b) and kind in (None, _held_out(d, i, b))]
    for kind in (False, True, None)
    for d in range(10)
}


# -- captions -----------------------------------------------------------------------------------------------------------

NUMERALS = ATTRIBUTES["digit"]
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIZE_WORDS = (("small", "little", "tiny"), ("large", "big", "huge"))
PLACES = (
    ("top left", "in the upper left", "top left corner"),
    ("at the top", "in the upper middle", "top edge"),
    ("top right", "in the upper right", "top right corner"),
    ("on the left", "in the middle left", "left edge"),
    ("in the centre", "in the middle", "at the centre"),
    ("on the right", "in the middle right", "right edge"),
    ("bottom left", "in the lower left", "bottom left corner"),
    ("at the bottom", "in the lower middle", "bottom edge"),
    ("bottom right", "in the lower right", "bottom right corner"),
)
# Which colour is the ink follows from the sentence, not from the order of the words. Where a caption leaves attributes out, a part between
# bars falls away with all that it names, and of a part that stays, what follows a + and names nothing.
_FULL = (
    "a {size} {ink} {digit}| on a {ground} background|, {place}",
    "a {size} {ink} {digit}|, {place}|, {ground} background",
    "{place}|, a {size} {ink} {digit}| on {ground}",
    "{ground} background|, {size} {ink} {digit}|, {place}",
    "on a {ground} background| a {size} {ink} {digit}|, {place}",
    "the digit {digit}+ in {ink}|, {size}|, {place}|, on {ground}",
    "a {size} {digit}+ in {ink} ink|, {place}|, on {ground} paper",
    "{size} {digit}|, {ink}| on {ground}|, {place}",
    "the number {digit}|, {size} and {ink}|, {place}|, against {ground}",
    "{ink}| on {ground}|, a {size} {digit}|, {place}",
    "a {ground} picture| with a {size} {ink} {digit}|, {place}",
    "{place}|, on {ground}|, a {size} {digit}+ written in {ink}",
)
_SHORT = (  # of captions that leave something out: those above, and as one types
    *_FULL,
    "{size} {ink} {digit}| on {ground}|, {place}",
    "{size} {ink} {digit}|, {place}|, {ground} background",
    "{place}|, {size} {ink} {digit}| on {ground}",
)
SENTENCES = tuple(re.sub(r"[|+]", "", sentence) for sentence in _FULL)
PHRASINGS = len(SENTENCES) * 2 * 3 * 3  # sentence, numeral or word, word for the size, words for the place


def caption(attributes: Sequence[int | None] | Tensor, phrasing: int = 0) -> str:
    """The attributes of one scene (5) as a sentence; `phrasing` is one of `PHRASINGS` ways to say it, taken modulo their number.

    What is None is left out: "a black 6", "6, top left", "on blue", and "" where nothing is named. `attributes_of` reads all of them back.
    There are more ways to say less than all five: three sentences without articles come in addition, "black 6 on blue".
    """
    if not isinstance(attributes, (Tensor, Sequence)) or isinstance(attributes, str):
        raise ValueError(
            f"attributes must be five whole numbers, or None for what is not named, got {told(attributes)}"
        )
    row = [value if value is None else whole(f"attributes[{i}]", value) for i, value in enumerate(attributes)]
    check_attributes(torch.tensor([[0 if value is None else value for value in row]]))
    return _caption(*row, whole("phrasing", phrasing, 0))


def _caption(
    digit: int | None, ink: int | None, size: int | None, ground: int | None, place: int | None, phrasing: int
) -> str:
    sentences = _SHORT if None in (digit, ink, size, ground, place) else _FULL
    phrasing, sentence = divmod(phrasing, len(sentences))
    phrasing, spelled = divmod(phrasing, 2)
    where, how_large = divmod(phrasing, 3)
    words = {
        "digit": "digit" if digit is None else (NUMERALS, WORDS)[spelled][digit],
        "ink": "" if ink is None else ATTRIBUTES["ink"][ink],
        "size": "" if size is None else SIZE_WORDS[size][how_large],
        "ground": "" if ground is None else ATTRIBUTES["background"][ground],
        "place": "" if place is None else PLACES[place][where % 3],
    }
    named = [f"{{{name}}}" for name in words if words[name] and (name != "digit" or digit is not None)]
    text = ""
    for part in sentences[sentence].split("|"):
        if any(name in part for name in named):
            first, *more = part.split("+")
            text += "".join([first, *(piece for piece in more if any(name in piece for name in named))]).format(**words)
    text = " ".join(text.split()).replace(" ,", ",").strip(" ,")
    text = re.sub(r"\b(digit|number) digit\b", r"\1", text)  # "the digit 6", without its 6
    text = re.sub(r"(?<=,) and\b| and(?=,|$)|^(with|and) ", "", text)  # "small and black", without one of them
    return re.sub(r"\ba (?=orange|8|eight)", "an ", text)


_DIGITS = {name: i for names in (NUMERALS, WORDS) for i, name in enumerate(names)}
_COLOURS = {name: i for i, name in enumerate(COLOURS)}
_SIZES = {name: i for i, names in enumerate(SIZE_WORDS) for name in names}
_ROWS = {"top": 0, "upper": 0, "above": 0, "bottom": 2, "lower": 2, "below": 2}
_COLUMNS = {"left": 0, "right": 2}
_MIDDLE = {"centre", "center", "central", "middle"}
_ARTICLES = {"a", "an", "the"}
_ON = {"on", "over", "against", "upon", "before"}
_GROUND = {"background", "backdrop", "ground", "paper", "picture", "image", "scene", "canvas", "page", "field"}


def attributes_of(caption: str) -> Attributes:
    """What a sentence asks for; None for what it does not name, or names twice and differently.

    Made for the captions of this module, which it reads exactly, and it understands free text that is built like them. A colour belongs to
    the background if it stands before a word such as "background" or "paper", or after "on", "over" or "against"; otherwise to the ink.
    """
    if not isinstance(caption, str):
        raise TypeError(f"caption must be a str, got {told(caption)}")
    words = [*re.findall(r"[a-z]+|\d+|[^\sa-z\d]", caption.lower()), ""]
    inks, grounds = set(), set()
    for i, word in enumerate(words):
        if word in _COLOURS:
            before = ["", "", *(w for w in words[:i] if w not in _ARTICLES)][-2:]
            on = before[-1] in _ON or words[i + 1] in _GROUND
            named = before[0] in _GROUND and before[1] in {"is", "in", "of", ":"}
            (grounds if on or named else inks).add(_COLOURS[word])
    rows, columns = ({table[w] for w in words if w in table} for table in (_ROWS, _COLUMNS))
    place = None
    if len(rows) < 2 and len(columns) < 2 and (rows or columns or _MIDDLE & set(words)):
        place = 3 * (rows or {1}).pop() + (columns or {1}).pop()
    digits, sizes = ({table[w] for w in words if w in table} for table in (_DIGITS, _SIZES))
    digit, ink, size, ground = (found.pop() if len(found) == 1 else None for found in (digits, inks, sizes, grounds))
    return Attributes(digit, ink, size, ground, place)


def completed(
    prompts: str | Sequence[str], seed: int = 0, *, like: Sequence[int | None] | None = None
) -> str | list[str]:
    """Prompts that name all five attributes, made of shorter ones: what they leave open is decided by chance.

    For a model whose training captions all named everything: a prompt like those is obeyed, a shorter one is like none of them. DALL·E 3
    lengthens its users' prompts for this reason, by a language model ("caption upsampling", Betker et al. 2023). Prompt i's choice
    follows from (seed, i), evenly among the legible combinations; those that no training showed come only where the words leave no other.
    like: attributes, of a picture that is being edited, say, to be taken for what is open, as far as they are legible with what is named.

    What names all five, or nothing ("", "a zebra"), comes back as it is. A single text gives a single text.
    """
    texts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(texts, Sequence):
        raise TypeError(f"prompts must be a text or a list of texts, got {told(prompts)}")
    kept = [None] * 5 if like is None else list(like)
    if len(kept) != 5:
        raise ValueError(f"like must be five whole numbers, or None for what is unknown, got {told(like)}")
    caption(kept)  # refuses what is no attribute
    whole("seed", seed)
    made = []
    for i, text in enumerate(texts):
        named = attributes_of(text)
        known = sum(value is not None for value in named)
        made.append(caption(_completed(named, kept, counter_seed("completed", seed, i))) if 0 < known < 5 else text)
    return made[0] if isinstance(prompts, str) else made


def _completed(named: Attributes, like: Sequence[int | None], code: int) -> list[int]:
    """All five: what is named, then what `like` has, then what `code` chooses."""
    both = [a if a is not None else b for a, b in zip(named, like, strict=True)]
    for digit, ink, _, ground, _ in (both, named):  # the second: what is named leaves `like` no legible colours
        fits = [
            (d, i, b)
            for d in range(10)
            for i, b in _PAIRS[None, d]
            if digit in (None, d) and ink in (None, i) and ground in (None, b)
        ]
        if fits:
            break
    else:  # ink and ground are named, and hard to tell apart: as asked
        fits = [(d, named.ink or 0, named.background or 0) for d in range(10) if named.digit in (None, d)]
    seen = [row for row in fits if not _held_out(*row)] or fits
    code, k = divmod(code, len(seen))
    digit, ink, ground = seen[k]
    code, size = divmod(code, len(SIZES))
    place = code % len(PLACES)
    return [digit, ink, size if both[2] is None else both[2], ground, place if both[4] is None else both[4]]


# -- pictures -----------------------------------------------------------------------------------------------------------


def compose(
    digits: Tensor, attributes: Tensor, *, shift: Tensor | None = None, phrasing: int | Sequence[int] = 0
) -> Scenes:
    """Put digits (B, 1, 28, 28) in [-1, 1] into scenes with the given attributes (B, 5): pixel = ground + coverage·(ink - ground).

    The digit's box is resized (bilinear) until its longer side has the length in `SIZES`, and its centre goes to the place of the
    position plus `shift` (B, 2), pixels down and right. phrasing: of the captions, one or one a scene.
    """
    if check_images(digits, name="digits").shape[1:] != (1, 28, 28):
        raise ValueError(f"digits must be (B, 1, 28, 28), got {tuple(digits.shape)}")
    attributes = check_attributes(attributes)
    if len(attributes) != len(digits):
        raise ValueError(f"attributes must be ({len(digits)}, 5), one row a digit, got {tuple(attributes.shape)}")
    _, ink, size, ground, place = attributes.unbind(dim=1)
    for i, b in zip(ink.tolist(), ground.tolist(), strict=True):
        if not legible(i, b):
            raise ValueError(
                f"attributes must not put {ATTRIBUTES['ink'][i]} ink on {ATTRIBUTES['background'][b]}: that is hard to see"
            )
    grey = (digits.float()[:, 0] + 1) / 2
    (top, bottom), (left, right) = box(grey > 0.2)
    longer = torch.maximum(bottom - top, right - left)
    if bool((longer <= 0).any()):
        raise ValueError(f"digits[{int((longer <= 0).nonzero()[0])}] is blank")

    side = torch.tensor(list(SIZES.values()))[size]
    scale = side / longer
    centre = torch.stack([_centre(place // 3, side), _centre(place % 3, side)], dim=1)
    if shift is not None:
        if not isinstance(shift, Tensor) or shift.shape != (len(digits), 2):
            raise ValueError(f"shift must be a tensor ({len(digits)}, 2), pixels down and right, got {told(shift)}")
        centre = centre + shift
    # whole pixels where the scale is 1, so that nothing is blurred without need
    down = (centre[:, 0] - scale * (bottom - top) / 2).round() - scale * top
    across = (centre[:, 1] - scale * (right - left) / 2).round() - scale * left
    coverage = resample(grey, SIDE, scale, down, across).clamp(0, 1)[:, None]

    paint, paper = colours_of(ink), colours_of(ground)
    phrasings = list(phrasing) if isinstance(phrasing, Sequence) else [whole("phrasing", phrasing, 0)] * len(digits)
    if len(phrasings) != len(digits):
        raise ValueError(f"phrasing must be one number, or one for each of {len(digits)} scenes, got {len(phrasings)}")
    captions = [_caption(*row, p) for row, p in zip(attributes.tolist(), phrasings, strict=True)]
    return Scenes(torch.lerp(paper, paint, coverage), captions, attributes, coverage)


def colours_of(values: Tensor) -> Tensor:
    """The colours (B, 3, 1, 1) in [-1, 1] of inks or grounds (B,), as indices into `COLOURS`."""
    return (torch.tensor(list(COLOURS.values())) / 127.5 - 1)[values.cpu()][:, :, None, None]


def _centre(step: Tensor, side: Tensor) -> Tensor:
    """Where the middle of a box goes that lies at the beginning (step 0), in the middle (1) or at the end (2) of an axis."""
    first = side / 2 + MARGIN
    return first + step * (SIDE / 2 - first)


def box(seen: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """The smallest boxes around what is true in (B, H, W): ((top, bottom), (left, right)), each (B,), as half-open ranges."""
    ranges = []
    for line in (seen.any(dim=2), seen.any(dim=1)):
        n, line = line.shape[1], line.int()
        ranges.append((line.argmax(dim=1), torch.where(line.any(dim=1), n - line.flip(1).argmax(dim=1), 0)))
    return ranges[0], ranges[1]


def resample(images: Tensor, side: int, scale: Tensor, down: Tensor, across: Tensor) -> Tensor:
    """Scale images (B, H, W) and move them: pixel (y, x) goes to (scale·y + down, scale·x + across) of (B, side, side); outside lies 0.

    Bilinear, and antialiased where it shrinks: each axis is a matrix of triangle weights, as wide as a pixel of the coarser image. One
    scale an image, or a pair (B, 2) for its two axes.
    """
    scale = scale[:, None].expand(-1, 2) if scale.ndim == 1 else scale
    rows = _triangles(images.shape[1], side, scale[:, 0], down)
    columns = _triangles(images.shape[2], side, scale[:, 1], across)
    return rows @ images @ columns.mT


def _triangles(n: int, side: int, scale: Tensor, offset: Tensor) -> Tensor:
    """(B, side, n): the weights with which `side` new pixels look at n old ones."""
    width = (1 / scale).clamp(min=1)[:, None, None]
    margin = int(width.max().ceil())  # old pixels beyond the edge count as 0, with their weight
    seen = (torch.arange(side) + 0.5 - offset[:, None]) / scale[:, None]  # the new pixels' centres on the old image
    old = torch.arange(-margin, n + margin) + 0.5
    weights = (1 - (seen[:, :, None] - old).abs() / width).clamp(min=0)
    weights = weights / weights.sum(dim=2, keepdim=True).clamp(min=1e-6)
    return weights[:, :, margin : margin + n]


def check_attributes(attributes: Tensor) -> Tensor:
    """Attributes (B, 5) as int64, or a ValueError that says what is wrong."""
    if not isinstance(attributes, Tensor):
        raise TypeError(f"attributes must be a tensor of whole numbers (B, 5), got {told(attributes)}")
    if attributes.ndim != 2 or attributes.shape[1] != 5 or attributes.is_floating_point() or attributes.is_complex():
        raise ValueError(f"attributes must be whole numbers (B, 5), got {attributes.dtype} {tuple(attributes.shape)}")
    for column, (name, values) in zip(attributes.T, ATTRIBUTES.items(), strict=True):
        if bool((column < 0).any()) or bool((column >= len(values)).any()):
            bad = column[(column < 0) | (column >= len(values))][0]
            raise ValueError(f"the {name} of attributes must be in 0..{len(values) - 1}, got {int(bad)}")
    return attributes.long()


# -- the data set -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CaptionedDigits:
    """Scenes without end, composed from `digits`. Scene i of a seed takes the i-th digit of a shuffled order, a new one each epoch.

    Of the combinations that are `held_out`, it shows none but on request, or, with every_combination, as many as of any others: an
    autoencoder has to know every picture; what a model composes from words is measured on combinations that this model never saw.

    alike: so many scenes in a row of a batch share the look of the first: its two colours, its size and its place, each with probability
    7/8 and otherwise their own. A batch then holds scenes that only a close look tells apart. 1: each has its own look.
    """

    digits: ImageData
    every_combination: bool = False
    alike: int = 1

    def __post_init__(self):
        if not isinstance(self.digits, ImageData) or self.digits.images.shape[1:] != (1, 28, 28):
            raise TypeError(
                f"digits must be ImageData of images (N, 1, 28, 28), such as data.mnist(), got {told(self.digits)}"
            )
        whole("alike", self.alike, 1)

    def __len__(self) -> int:
        return len(self.digits)

    @property
    def source(self) -> str:
        """Where the digits came from."""
        return self.digits.source

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Scenes:
        """The scenes of training step `step`, a function of its arguments alone.

        With `world` processes, each takes its own `batch_size` scenes of the step's `world * batch_size`.
        """
        kind = None if self.every_combination else False
        return self._scenes(first_place(step, batch_size, rank, world), batch_size, seed, kind, self.alike)

    def take(self, n: int, *, seed: int = 0, heldout: bool = False) -> Scenes:
        """n scenes for an evaluation: scene i follows from (seed, i) alone. heldout: only combinations that are `held_out`."""
        n = whole("n", n, 1)
        return self._scenes(0, n, seed, heldout or (None if self.every_combination else False))

    def _scenes(self, first: int, n: int, seed: int, heldout: bool | None, alike: int = 1) -> Scenes:
        before = first % alike  # begin with the scene whose look the first one may share
        index = walk(len(self), first - before, before + n, seed)
        attributes, shifts, phrasings = [], [], []
        for i, digit in enumerate(self.digits.labels[index].tolist(), start=first - before):
            code = counter_seed(seed, "scene", i)  # 63 random bits, spent digit by digit
            pairs = _PAIRS[heldout, digit]
            code, pair = divmod(code, len(pairs))
            code, size = divmod(code, len(SIZES))
            code, place = divmod(code, len(PLACES))
            code, down = divmod(code, 2 * JITTER + 1)
            code, across = divmod(code, 2 * JITTER + 1)
            look = (pairs[pair], size, place)
            if i % alike == 0:
                shared = look
            else:
                bits = counter_seed(seed, "alike", i)  # three for each part of the look; 0 keeps one's own
                look = [b if bits >> 3 * k & 7 else a for k, (a, b) in enumerate(zip(look, shared, strict=True))]
                look[0] = look[0] if look[0] in pairs else pairs[pair]  # not every digit may wear every pair of colours
            (ink, ground), size, place = look
            attributes.append((digit, ink, size, ground, place))
            shifts.append((down - JITTER, across - JITTER))
            phrasings.append(code % PHRASINGS)
        index, attributes, shifts, phrasings = (part[before:] for part in (index, attributes, shifts, phrasings))
        images = to_float(self.digits.images[index])
        return compose(images, torch.tensor(attributes), shift=torch.tensor(shifts), phrasing=phrasings)
