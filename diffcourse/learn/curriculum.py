"""`taught`: what the course teaches, item by item, what it puts right, and where; from the metadata of the lessons' cells."""

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from diffcourse.learn import notebooks, registry
from diffcourse.learn.listing import Entry, Listing


def taught(what: str | None = None) -> Listing:
    """What is taught where: of an item ("C104"), of an error that is put right ("E46"), of a lesson ("02"), or all of it.

    KeyError with the nearest names for anything else.
    """
    known = {**items(), **errors()}
    lessons = list(dict.fromkeys(str(row["lesson"]) for row in known.values()))
    if what is not None and str(what) not in {*known, *lessons}:
        raise registry.unknown(what, [*known, *lessons], "item, error or lesson")
    chosen = [name for name, row in known.items() if what is None or str(what) in (name, row["lesson"])]
    places = where()
    return Listing([Entry(name, told(known[name]), places.get(name, [])) for name in chosen])


def items() -> Mapping[str, Mapping[str, Any]]:
    """{"C001": its lesson, kind, what it is, and the words that its cell must hold, …}."""
    return _read()["items"]


def errors() -> Mapping[str, Mapping[str, Any]]:
    """{"E01": its lesson, what is wrong, what is right, and patterns of the wrong statement, …}."""
    return _read()["errors"]


def told(row: Mapping[str, Any]) -> str:
    """An item or an error in a sentence."""
    return row["what"] if "what" in row else f"Wrong: {row['wrong']} Right: {row['right']}"


def where() -> dict[str, list[tuple[str, str]]]:
    """{item: the cells of the course's own lessons that teach it, as (lesson, cell)}."""
    found: dict[str, list[tuple[str, str]]] = {}
    for lesson in notebooks.course():
        for cell in notebooks.cells(lesson):
            for item in cell.items:
                found.setdefault(item, []).append((lesson, cell.id))
    return found


@cache
def _read() -> Any:
    return json.loads(resources.files("diffcourse.learn.bank").joinpath("curriculum.json").read_text(encoding="utf-8"))


def page() -> str:
    """`notebooks/TAUGHT.md`: all items and errors, lesson by lesson."""
    lines = ["# What is taught where", "", PREFACE]
    for lesson in dict.fromkeys(str(row["lesson"]) for row in items().values()):
        lines += ["", f"## {notebooks.title(lesson)}", "", taught(lesson).markdown()]
    return "\n".join(lines) + "\n"


PREFACE = """\
C001 to C326 is what the course teaches, each in the lesson that it belongs to, with the parts that speak of it. E01 to E69 are
errors of teaching material, with what is right; many of them are "find the bug" cells. Written by `python tools/lessons.py --taught`
from the metadata of the cells. In a notebook: `learn.taught("C104")`, `learn.taught("02")`."""
