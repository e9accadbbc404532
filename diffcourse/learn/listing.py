"""Names, what is said of each, and where in the lessons: as text, as HTML with links, as Markdown."""

import html
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from diffcourse.learn import notebooks, show

COLUMNS = 80


@dataclass(frozen=True)
class Entry:
    """A name, what is said of it, and the cells ("02", "cell-020") where that stands, in the order of the lessons."""

    name: str
    text: str
    places: Sequence[tuple[str, str]]

    def parts(self) -> dict[tuple[str, str], str]:
        """{(lesson, part of it): the first of its cells}, the part by its heading."""
        parts = {lesson: notebooks.sections(lesson) for lesson in {lesson for lesson, _ in self.places}}
        found: dict[tuple[str, str], str] = {}
        for lesson, cell in self.places:
            found.setdefault((lesson, parts[lesson].get(cell, "")), cell)
        return found


@dataclass(frozen=True)
class Listing:
    """`str` and `print` give text, a notebook shows a table with links into the lessons; `markdown` is for a page beside them."""

    entries: Sequence[Entry]

    def __str__(self) -> str:
        wrap = textwrap.TextWrapper(COLUMNS, initial_indent="    ", subsequent_indent="    ")
        said = []
        for entry in self.entries:
            where = "; ".join(f"lesson {_head(lesson, part)}" for lesson, part in entry.parts()) or "to come"
            said += [entry.name, *wrap.wrap(entry.text), *wrap.wrap(where)]
        return "\n".join(said)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align: left">{html.escape(entry.name)}</th>'
            f'<td style="text-align: left">{show.marked(entry.text)}</td>'
            f'<td style="text-align: left">{"<br>".join(_links(entry)) or "to come"}</td></tr>'
            for entry in self.entries
        )
        return f"<table><tbody>{rows}</tbody></table>"

    def markdown(self) -> str:
        """A table, whose links lead to the notebooks beside the page."""
        files = {lesson: path.name for lesson, path in notebooks.course().items()}
        lines = ["| | | where |", "|---|---|---|"]
        for entry in self.entries:
            parts: dict[str, list[str]] = {}
            for lesson, part in entry.parts():
                parts.setdefault(lesson, []).append(part.partition(" · ")[2] or part)
            where = "<br>".join(f"[{lesson}]({files[lesson]}) {'; '.join(told)}" for lesson, told in parts.items())
            lines.append(f"| {entry.name} | {entry.text.replace('|', chr(92) + '|')} | {where or 'to come'} |")
        return "\n".join(lines)


def _head(lesson: str, part: str) -> str:
    """The part's heading after the lesson's name; the title itself, which begins with it, alone."""
    return part if part.startswith(f"{lesson} ") else f"{lesson}, {part}"


def _links(entry: Entry) -> list[str]:
    told = []
    for (lesson, part), cell in entry.parts().items():
        text, target = html.escape(_head(lesson, part)), notebooks.way(lesson, cell)
        told.append(f'<a href="{html.escape(target)}">{text}</a>' if target else text)
    return told
