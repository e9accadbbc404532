"""A folder of pictures as people have them, for the closing project where a reader has none at hand."""

import random
import tempfile
from pathlib import Path

from diffcourse.checks import whole
from diffcourse.files import user_path

INKS = {"red": (200, 30, 40), "blue": (40, 70, 200), "green": (30, 150, 70), "orange": (240, 150, 30)}
SHAPES = ("disc", "square", "triangle")


def example_pictures(folder: str | Path | None = None, n: int = 300, *, seed: int = 0) -> Path:
    """Write n PNG of 32x32, a disc, square or triangle in one of four inks on cream, and four files that are no use; returns the folder.

    folder: a new or empty one; None makes a temporary one. The four are half a PNG, an empty JPEG, a HEIC and a text.
    """
    from PIL import Image, ImageDraw

    n = whole("n", n, 1)
    where = Path(tempfile.mkdtemp(prefix="my-pictures-")) if folder is None else user_path(folder)
    where.mkdir(parents=True, exist_ok=True)
    if any(where.iterdir()):
        raise FileExistsError(f"folder must be new or empty, {str(folder)!r} holds something")
    r = random.Random(seed)
    for i in range(n):
        picture = Image.new("RGB", (128, 128), (245, 242, 235))
        draw = ImageDraw.Draw(picture)
        s = r.uniform(28, 44)
        x, y = r.uniform(s + 4, 124 - s), r.uniform(s + 4, 124 - s)
        (name, ink), shape = r.choice(list(INKS.items())), r.choice(SHAPES)
        if shape == "disc":
            draw.ellipse([x - s, y - s, x + s, y + s], fill=ink)
        elif shape == "square":
            draw.rectangle([x - s, y - s, x + s, y + s], fill=ink)
        else:
            draw.polygon([(x, y - s), (x - s, y + s), (x + s, y + s)], fill=ink)
        picture.resize((32, 32), Image.Resampling.LANCZOS).save(where / f"{i:03}_{name}_{shape}.png")
    first = next(where.glob("000_*.png")).read_bytes()
    (where / "broken.png").write_bytes(first[: len(first) // 2])
    (where / "empty.jpg").write_bytes(b"")
    (where / "IMG_0001.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    (where / "notes.txt").write_text("not a picture", encoding="utf-8")
    return where
