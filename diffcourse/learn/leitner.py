"""What comes back when: a box with five compartments, and a sitting in which a missed item returns. No file, and no clock.

Leitner (1972), "So lernt man lernen": what was known moves one compartment on, where it waits longer; what was missed returns to the first.
The days are ours: 1 to 21 spans the gaps that were best for a test a week later (20 to 40 % of the delay) and a year later (5 to 10 %;
Cepeda et al. 2008, "Spacing effects in learning: a temporal ridgeline of optimal retention"). Compared with equal gaps, growing ones kept
more within reach during four weeks, and as much at the end (Kang et al. 2014, "Retrieval practice over the long term").
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import date, timedelta
from itertools import zip_longest
from typing import Any

DAYS = (0, 1, 3, 7, 21)  # how long each compartment waits
GAP = 3  # so many others are asked before a missed item returns in the same sitting

Entry = Mapping[str, Any]  # {"box": 0 to 4, "due": ISO date, "times": asked, "missed": of these}
NEW: Entry = {"box": 0, "due": "", "times": 0, "missed": 0}


def moved(entry: Entry | None, right: bool, today: date) -> dict[str, Any]:
    """The entry after an answer. Right: one compartment on, but once only until it is due again. Missed: back to the first."""
    entry = entry or NEW
    box = min(entry["box"] + 1, len(DAYS) - 1) if right else 0
    now = {**entry, "times": entry["times"] + 1, "missed": entry["missed"] + (not right)}
    early = right and not is_due(entry, today)
    return now if early else {**now, "box": box, "due": (today + timedelta(DAYS[box])).isoformat()}


def is_due(entry: Entry | None, today: date) -> bool:
    """New, or its day has come. A day further off than any compartment waits was written by a wrong clock, and has come too."""
    if not entry or not entry["due"]:
        return True
    wait = (date.fromisoformat(entry["due"]) - today).days
    return not 0 < wait <= DAYS[-1]


def pick(
    names: Iterable[str], entries: Mapping[str, Entry], today: date, n: int, begun: Collection[str] = ()
) -> list[str]:
    """At most `n` of the names: first what is due again, the lowest compartment first, then what is new, a lesson after the other.

    In a compartment, what was missed most often comes first, and then what has waited longest. New items are of lessons that are `begun`
    first. A name begins with its lesson and a dot.
    """
    again = [name for name in names if name in entries and is_due(entries[name], today)]
    again.sort(key=lambda name: (entries[name]["box"], -entries[name]["missed"], entries[name]["due"]))
    new = [name for name in names if name not in entries]
    here = [name for name in new if name.split(".")[0] in begun]
    return [*again, *_in_turn(here), *_in_turn(name for name in new if name not in here)][:n]


def _in_turn(names: Iterable[str]) -> list[str]:
    """The first of each lesson, then the second of each, …"""
    lessons: dict[str, list[str]] = {}
    for name in names:
        lessons.setdefault(name.split(".")[0], []).append(name)
    return [name for row in zip_longest(*lessons.values()) for name in row if name is not None]


def told(due: date, today: date) -> str:
    """`today`, `tomorrow`, `in 3 days, on 1 December`."""
    days = (due - today).days
    return ["today", "tomorrow"][max(0, days)] if days < 2 else f"in {days} days, on {due.day} {due:%B}"


class Sitting:
    """Items asked one after the other, until each was known once."""

    def __init__(self, names: Iterable[str]):
        self.queue = list(names)
        self.of = len(self.queue)
        self.missed: list[str] = []

    @property
    def current(self) -> str | None:
        """What is asked now; None at the end."""
        return self.queue[0] if self.queue else None

    @property
    def known(self) -> int:
        return self.of - len(self.queue)

    def answer(self, right: bool) -> None:
        """Go on. What was missed comes again behind the next few."""
        name = self.queue.pop(0)
        if not right:
            self.queue.insert(GAP, name)
            self.missed += [name] if name not in self.missed else []
