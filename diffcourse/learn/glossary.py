"""`glossary`: the technical terms of the course, each with a sentence and the cell that introduces it."""

import json
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import NamedTuple

from diffcourse.learn import registry
from diffcourse.learn.listing import Entry, Listing


class Term(NamedTuple):
    """A term, and what it means in a sentence or two. `at`: "lesson:cell" that introduces it; `also`: its other names and spellings;
    `common`: a word that means other things as well, "order" or "strength", so that it may stand anywhere.
    """

    name: str
    at: str
    text: str
    also: Sequence[str] = ()
    symbol: str = ""
    common: bool = False

    @property
    def place(self) -> tuple[str, str]:
        lesson, _, cell = self.at.partition(":")
        return lesson, cell

    @property
    def pattern(self) -> re.Pattern[str]:
        """Finds the term in prose, by any of its names. Those in capitals are abbreviations, and mean only what is written so."""
        names = [re.sub(r" \(.*\)$", "", name) for name in (self.name, *self.also)]
        return re.compile("|".join(rf"(?<![\w.`-]){_spelled(name)}(?![\w`]|-(?!based|like))" for name in names))


def glossary(term: str | None = None) -> Listing:
    """All terms of the course, or one of them, by any of its names; the last expression of a cell shows them, with links.

    KeyError with the nearest names for a term that is not there.
    """
    if term is None:
        return Listing([_entry(t) for t in sorted(terms(), key=lambda t: t.name.casefold())])
    found = [t for t in terms() if str(term).casefold() in _names(t)]
    if not found:
        raise registry.unknown(str(term).casefold(), sorted({name for t in terms() for name in _names(t)}), "term")
    return Listing([_entry(t) for t in found])


@cache
def terms() -> list[Term]:
    """All terms, in the order in which the lessons introduce them."""
    text = resources.files("diffcourse.learn.bank").joinpath("terms.json").read_text(encoding="utf-8")
    return [Term(**{**fields, "also": tuple(fields.get("also", ()))}) for fields in json.loads(text)]


def _names(term: Term) -> set[str]:
    return {name.casefold() for name in (term.name, re.sub(r" \(.*\)$", "", term.name), *term.also)}


def _entry(term: Term) -> Entry:
    names = ", ".join([term.name, *term.also]) + (f"   {term.symbol}" if term.symbol else "")
    return Entry(names, term.text, [term.place])


def _spelled(name: str) -> str:
    """A pattern for a name: plural or not, with a hyphen or a blank, at the start of a sentence or inside it; s and z as people write."""
    if name.isupper():
        return re.escape(name) + "s?"
    words = re.sub(r"\\?[- ]", r"[-\\s]+", re.escape(name))
    words = re.sub(r"(?<=[a-z])is(?=ation|ing)", "i[sz]", words)
    first = words[0]
    return (f"[{first.upper()}{first.lower()}]" if first.isalpha() else first) + words[1:] + "(?:s|es)?"
