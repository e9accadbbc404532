"""What was found: a line a check, and the names of the catalogue, causes first."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from diffcourse.clinic.catalogue import CATALOGUE, ORDER


@dataclass(frozen=True)
class Finding:
    """One line: fine, a name of the catalogue with what was seen, a note, or why something was not checked."""

    check: str
    state: str  # "fine", "looks like", "note", "not checked"
    said: str
    name: str | None = None

    def __str__(self) -> str:
        if self.name is None:
            return f"{self.check}: {self.state}{'. ' if self.state == 'fine' else ': '}{self.said}"
        known = CATALOGUE[self.name]
        return (
            f"{self.check}: looks like `{self.name}`: {known.what}.\n    Seen: {self.said}\n"
            f"    Look at: {known.look}. Lesson {known.lesson}."
        )


@dataclass
class Findings:
    """All lines of an examination. `named` are the mistakes, most certain first: what spoils the rest comes before what follows from it."""

    lines: list[Finding] = field(default_factory=list)

    @property
    def named(self) -> list[str]:
        return sorted({line.name for line in self.lines if line.name}, key=ORDER.__getitem__)

    def fine(self, check: str, said: str) -> None:
        self.lines.append(Finding(check, "fine", said))

    def note(self, check: str, said: str) -> None:
        self.lines.append(Finding(check, "note", said))

    def skip(self, check: str, why: str) -> None:
        self.lines.append(Finding(check, "not checked", why))

    def name(self, check: str, name: str, said: str) -> None:
        if name not in self.named:
            self.lines.append(Finding(check, "looks like", said, name))

    def as_dict(self) -> dict[str, Any]:
        """For programs: what `diffcourse diagnose --json` prints."""
        lines = [
            {"check": line.check, "state": line.state, "said": line.said, "name": line.name} for line in self.lines
        ]
        return {"named": self.named, "checks": lines}

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.lines)

    def __str__(self) -> str:
        first = sorted(self.lines, key=lambda line: ORDER[line.name] if line.name else len(ORDER))
        bad = len(self.named)
        head = f"{bad} mistake{'s' * (bad != 1)} named" if bad else "No known mistake was seen"
        if not self.lines:
            return "Nothing was given, so nothing was checked."
        return "\n".join([f"{head}." + " The first is the likeliest cause." * (bad > 1), *map(str, first)])

    __repr__ = __str__
