"""Picture files and PIL images of any kind, read right: upright, on white paper where they are transparent, in all their greys."""

import contextlib
import io
import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffcourse.files import user_path

if TYPE_CHECKING:
    from PIL.Image import Image

# those that PIL reads by itself: EPS starts a program
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
PIXELS = 90_000_000  # of a picture at most, as it is unpacked: 360 MB


def read_picture(source: Any, about: int | None = None, name: str = "picture") -> "Image":
    """A picture file, by its path or its bytes, or a PIL image, as an upright PIL image of mode L, RGB or RGBA; or F, from 0 to 1, of greys
    of more than 8 bits.

    about: a shorter side of so many pixels is enough; JPEG files that are more than twice as large are unpacked smaller. Of what moves, the
    first picture counts. FileNotFoundError if there is no such file, ValueError, which calls it `name`, if it is no picture or a huge one.
    """
    from PIL import Image, UnidentifiedImageError

    opened: Any = source
    if isinstance(source, (bytes, bytearray, memoryview)):
        opened = io.BytesIO(bytes(source))
    elif not isinstance(source, Image.Image):
        opened = user_path(source)
        if not os.path.exists(opened):
            raise FileNotFoundError(f"{name} must be a picture file: there is no {str(opened)!r}")
        if not opened.is_file():  # a pipe would be waited for
            raise ValueError(f"{name} must be a picture file, and {str(opened)!r} cannot be read as one: it is no file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of palettes, odd EXIF and many pixels: PIXELS is our limit
            if opened is source:
                return _upright(source)
            Image.init()
            with Image.open(opened, formats=[kind for kind in FORMATS if kind in Image.OPEN]) as file:
                if about is not None:
                    file.draft(None, (2 * about, 2 * about))
                if file.width * file.height > PIXELS:
                    raise ValueError(f"{file.width}x{file.height} pixels are too many")
                return _upright(file)
    except Exception as error:  # PIL raises what its readers raise: OSError, SyntaxError, struct.error, …
        which = repr(str(opened)) if isinstance(opened, Path) else "this one"
        told = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        told = "it is none that PIL knows" if isinstance(error, UnidentifiedImageError) else told
        raise ValueError(
            f"{name} must be a picture file, a PNG, JPEG, WebP or GIF, but {which} cannot be read ({told})"
        ) from error


def _upright(image: "Image") -> "Image":
    from PIL import Image
    from PIL.Image import Transpose as T

    turns = (
        None,
        T.FLIP_LEFT_RIGHT,
        T.ROTATE_180,
        T.FLIP_TOP_BOTTOM,
        T.TRANSPOSE,
        T.ROTATE_270,
        T.TRANSVERSE,
        T.ROTATE_90,
    )
    turn = None
    with contextlib.suppress(Exception):  # damaged notes do not make a picture unreadable
        turn = turns[int(image.getexif().get(0x0112, 1)) - 1]  # phones note how they were held
    if image.mode.startswith("I;16"):
        plain = image.convert("F").point(lambda grey: grey * (1 / 65535) + 0)
    elif image.mode in ("I", "F"):
        values = np.asarray(image, dtype=np.float32)
        low, high = float(values.min()), float(values.max())
        if not (low >= 0 and high <= 65535):  # NaN neither
            raise ValueError(f"its greys go from {low:g} to {high:g}, beyond [0, 65535]")
        plain = Image.fromarray(values / (1 if high <= 1 and image.mode == "F" else 255 if high <= 255 else 65535))
    elif image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        plain = image.convert("RGBA")
    else:
        plain = image.convert("L" if image.mode in ("1", "L") else "RGB")
    return plain if turn is None else plain.transpose(turn)


def plain_picture(image: "Image", mode: str) -> "Image":
    """What `read_picture` returns, in 8 bits, as mode "L" or "RGB": white paper where it is transparent, 16 bits as bright as they were."""
    from PIL import Image

    if image.mode == "F":
        image = Image.fromarray((np.asarray(image) * 255).round().astype(np.uint8))
    if image.mode == "RGBA":
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert(mode)
