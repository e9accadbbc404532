"""The notebook of a lesson: its title, and a link to an exercise in it."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from diffcourse import files


class Cell(NamedTuple):
    """What is asked of a cell; its output is not."""

    kind: str
    text: str
    tags: list[str]
    id: str


def title(lesson: str) -> str:
    """The first heading of the lesson's notebook, here or among the course's own; the lesson's name where there is none."""
    for folder in _folders():
        if path := _notebook(lesson, folder):
            found = next((head for cell in _cells(path) if (head := _heading(cell))), "")
            return found if found.startswith(lesson) else f"{lesson} · {found}".removesuffix(" · ")
    return lesson


def link(name: str) -> str | None:
    """The way from a notebook in this folder to an exercise or quiz: to the heading above its cell, where one is found.

    JupyterLab goes to a cell by its id; an anchor made of the heading's words it finds only while they are plain ASCII and in sight.
    """
    path = _notebook(name.split(".")[0], _here())
    if path is None:
        return None
    cells = _cells(path)
    position = next((i for i, cell in enumerate(cells) if _asks(cell, name)), -1)
    above = next((cell for cell in reversed(cells[: position + 1]) if _heading(cell)), None)
    return quote(path.name) + (f"#cell-id={quote(above.id)}" if above and above.id else "")


def _here() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # the folder is gone
        return None


def _folders() -> list[Path | None]:
    """Where notebooks are looked for: the reader's folder, which is the kernel's, and the course's own."""
    try:
        return [_here(), files.lessons()]
    except FileNotFoundError:
        return [_here()]


def _notebook(lesson: str, folder: Path | None) -> Path | None:
    """02_….ipynb for lesson 02; the shortest name, since a copy or a new version beside it has a longer one."""
    pattern = re.compile(rf"{re.escape(lesson)}(?![^\W_])")
    try:
        found = [path for path in folder.glob("*.ipynb") if pattern.match(path.stem)] if folder else []
    except OSError:
        return None
    return min(found, key=lambda path: (len(path.name), path.name), default=None)


def _cells(path: Path) -> list[Cell]:
    """The cells of a notebook; none if it cannot be read."""
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return []


@lru_cache(maxsize=64)
def _read(path: Path, when: int) -> list[Cell]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        Cell(c["cell_type"], "".join(c["source"]), list(c["metadata"].get("tags") or []), str(c.get("id") or ""))
        for c in cells
    ]


def _heading(cell: Cell) -> str:
    """The first heading in a cell of text, without its marks; "" if it has none."""
    found = re.search(r"^#{1,6} +(.+)$", cell.text, re.M) if cell.kind == "markdown" else None
    return re.sub(r"[*`]", "", found[1]).strip() if found else ""


def _asks(cell: Cell, name: str) -> bool:
    """Is it the cell of the exercise's stub, or the one that shows the quiz?"""
    called = rf"""^\s*quiz\(\s*["']{re.escape(name)}["']"""
    return f"exercise:{name}" in cell.tags or (cell.kind == "code" and bool(re.search(called, cell.text, re.M)))
