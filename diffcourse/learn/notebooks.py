"""The notebook of a lesson: its title, its cells and their parts, and where in it an exercise or an item of the curriculum stands."""

import json
import re
from collections.abc import Collection
from functools import cache, lru_cache
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
    items: list[str]  # of the curriculum: C…, which it teaches, and E…, which it puts right


class Place(NamedTuple):
    """Where something is taught: the lesson's title, a heading in it ("" if none is found), and the way there."""

    title: str
    heading: str
    link: str | None

    def __str__(self) -> str:
        return f"{self.title}: {self.heading}" if self.heading else self.title


def title(lesson: str) -> str:
    """The first heading of the lesson's notebook, here or among the course's own; the lesson's name where there is none."""
    for folder in _folders():
        if path := _notebook(lesson, folder):
            found = next((head for cell in _cells(path) if (head := _heading(cell))), "")
            return found if found.startswith(lesson) else f"{lesson} · {found}".removesuffix(" · ")
    return lesson


def link(name: str, items: Collection[str] = ()) -> str | None:
    """The way from a notebook in this folder to an exercise or quiz: to the heading above its cell, where one is found.

    What no cell asks stands where one of its `items` of the curriculum is covered first. JupyterLab goes to a cell by its id; an anchor
    made of the heading's words it finds only while they are plain ASCII and in sight.
    """
    path = _notebook(name.split(".")[0], _here())
    if path is None:
        return None
    above = _above(_cells(path), name, items)
    return _to(path, above.id if above else "")


def place(name: str, items: Collection[str] = ()) -> Place:
    """The title of the lesson, the heading above what `link` leads to, and that link."""
    paths = (_notebook(name.split(".")[0], folder) for folder in _folders())
    above = next((_above(_cells(path), name, items) for path in paths if path), None)
    whole, heading = title(name.split(".")[0]), _heading(above) if above else ""
    return Place(whole, "" if heading == whole else heading, link(name, items))


def _above(cells: list[Cell], name: str, items: Collection[str]) -> Cell | None:
    """The last cell with a heading, up to the one that asks `name`, or else the first below the opening that covers one of the items."""
    asks = [i for i, cell in enumerate(cells) if _asks(cell, name)]
    covers = [i for i, cell in enumerate(cells) if set(cell.items) & set(items)]
    opening = next((cell for cell in cells if _heading(cell)), None)
    found = [_last_heading(cells[: i + 1]) for i in asks or covers]
    below = (cell for cell in found if cell is not opening)
    return found[0] if asks else next(below, opening if found else None)


def _last_heading(cells: list[Cell]) -> Cell | None:
    return next((cell for cell in reversed(cells) if _heading(cell)), None)


def way(lesson: str, cell: str) -> str | None:
    """The way from a notebook in this folder to a cell of a lesson; None where the lesson is not in this folder."""
    path = _notebook(lesson, _here())
    return _to(path, cell) if path else None


def _to(path: Path, cell: str) -> str:
    """A link to a cell of a notebook, or to its top."""
    return quote(path.name) + (f"#cell-id={quote(cell)}" if cell else "")


@cache
def course() -> dict[str, Path]:
    """The course's own notebooks by lesson, in their order: {"00": …/00_start_here.ipynb, …}."""
    return {path.stem.split("_")[0]: path for path in sorted(files.lessons().glob("[0-9]*.ipynb"))}


def cells(lesson: str) -> list[Cell]:
    """The cells of one of the course's own notebooks; none if it is not there."""
    path = course().get(lesson)
    return _cells(path) if path else []


def sections(lesson: str) -> dict[str, str]:
    """{cell: the heading of the part in which it stands}, of one of the course's own notebooks."""
    path = course().get(lesson)
    return _parts(path, path.stat().st_mtime_ns) if path else {}


@lru_cache(maxsize=64)
def _parts(path: Path, when: int) -> dict[str, str]:
    found, part = {}, ""
    for cell in _read(path, when):
        heads = re.findall(r"^##? +(.+)$", cell.text, re.M) if cell.kind == "markdown" else []
        if heads and (not part or re.match(r"\s*##? ", cell.text)):
            part = heads[0]
        found[cell.id] = " ".join(re.sub(r"[*`★]", "", part).split())
        part = heads[-1] if heads else part  # a heading further down in a cell counts for the cells below it
    return found


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
        Cell(
            c["cell_type"],
            "".join(c["source"]),
            list(c["metadata"].get("tags") or []),
            str(c.get("id") or ""),
            [*(c["metadata"].get("items") or []), *(c["metadata"].get("errors") or [])],
        )
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
