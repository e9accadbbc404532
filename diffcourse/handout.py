"""A lesson as a file: as it is handed out, without what its cells showed, and what is new in a newer one."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

BEGINNING = "the beginning"
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)


class Cell(NamedTuple):
    """kind: "text" or "code"; heading: that under which it stands; exercise: what it asks for, or ""."""

    kind: str
    source: str
    heading: str
    exercise: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.kind} {self.source.strip()}".encode()).hexdigest()[:12]


def without_outputs(content: bytes) -> bytes:
    """The notebook with no outputs and no counts, as before its first run; all else is kept. What is no notebook comes back as it is."""
    notebook = _read(content)
    if notebook is None:
        return content
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def cells(content: bytes) -> dict[str, Cell]:
    """The cells of a notebook by their ids, in order; none for what is no notebook."""
    notebook, heading, found = _read(content), BEGINNING, {}
    for cell in notebook["cells"] if notebook else []:
        kind = "code" if cell.get("cell_type") == "code" else "text"
        source = cell.get("source", "")
        source = source if isinstance(source, str) else "".join(map(str, source))
        headings = HEADING.findall(re.sub(r"(?ms)^```.*?^```", "", source)) if kind == "text" else []
        metadata = cell.get("metadata")
        tags = metadata.get("tags") if isinstance(metadata, dict) else None
        names = [str(tag).removeprefix("exercise:") for tag in tags or () if str(tag).startswith("exercise:")]
        found[str(cell.get("id"))] = Cell(kind, source, [*headings, heading][0], *names[:1])
        heading = [heading, *headings][-1]
    found.pop("None", None)  # without an id it cannot be found again
    return found


def news(new: Mapping[str, Cell], yours: Mapping[str, Cell], given: Mapping[str, str] | None) -> list[str]:
    """What `new` has that `yours` has not, a line a heading. `given`: {id: digest} of the lesson that yours grew from, if that is known.

    Cells that the reader put in, changed or took out herself are hers, and no news; where `given` is None nobody can tell them apart.
    """
    base = {name: cell.digest for name, cell in yours.items()} if given is None else given
    added = [cell for name, cell in new.items() if name not in yours and (given is None or name not in given)]
    removed = [cell for name, cell in yours.items() if name not in new and name in base]
    differs = [name for name, cell in new.items() if name in yours and yours[name].digest != cell.digest]
    changed = [new[name] for name in differs if given is None or given.get(name) != new[name].digest]
    told: dict[str, list[str]] = {}
    for cell in new.values():  # the headings in the order of the new lesson, then those that are gone
        told.setdefault(cell.heading, [])
    for what, which in (("new", added), ("changed", changed), ("gone", removed)):
        for heading in dict.fromkeys(cell.heading for cell in which):
            there = [cell for cell in which if cell.heading == heading]
            exercises = [f"the exercise {cell.exercise}" for cell in there if cell.exercise]
            plain = [cell for cell in there if not cell.exercise]
            counts = [_count(kind, sum(cell.kind == kind for cell in plain)) for kind in ("text", "code")]
            told.setdefault(heading, []).append(f"{what}: {', '.join([c for c in counts if c] + exercises)}")
    return [f"{heading}: {'; '.join(which)}" for heading, which in told.items() if which]


def _count(kind: str, number: int) -> str:
    return f"{number} cell{'s' * (number != 1)} of {kind}" if number else ""


def _read(content: bytes) -> dict[str, Any] | None:
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError):
        return None
    listed = notebook.get("cells") if isinstance(notebook, dict) else None
    return notebook if isinstance(listed, list) and all(isinstance(cell, dict) for cell in listed) else None
