"""The bank: what a review, a deck of cards and a paper exam are made of, as data over all lessons.

`choice_<lesson>.py` holds QUESTIONS, one file a lesson; `deck.py` holds CARDS; `problems_paper.py` holds PROBLEMS. Names
begin with the lesson that answers them ("02.q_alpha_bar", "04.card_ddim", "08.p_ode"), so that whoever misses one is led there.
"""

import importlib
import pkgutil
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from diffcourse.learn.exercise import Question, check_name


@dataclass(frozen=True, eq=False)
class _Named:
    """What has a name that begins with its lesson."""

    name: str

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def lesson(self) -> str:
        return self.name.split(".")[0]


@dataclass(frozen=True, eq=False)
class BankQuestion(_Named):
    """One multiple-choice question with a name of its own, by which it comes back; `items` of the curriculum that it asks."""

    question: Question
    items: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Card(_Named):
    """A card: `front` asks, `back` answers, `why` says what to think of. Formulas stand between dollars, $x_t = …$.

    `topic` is "fact" or "formula"; `items` of the curriculum are what it asks.
    """

    topic: str
    front: str
    back: str
    why: str = ""
    items: Sequence[str] = ()


@dataclass(frozen=True)
class Part:
    """(a), (b), … of a problem on paper: what is asked, its worked solution, and what a solution earns. Formulas between dollars."""

    text: str
    solution: Sequence[tuple[str, int]]  # each step, and its marks

    @property
    def marks(self) -> int:
        return sum(marks for _, marks in self.solution)


@dataclass(frozen=True)
class Sheet:
    """A problem as it is printed, its numbers drawn: what is given, and its parts."""

    given: str
    parts: Sequence[Part]

    @property
    def marks(self) -> int:
        return sum(part.marks for part in self.parts)


@dataclass(frozen=True, eq=False)
class Problem(_Named):
    """A problem for paper: `make(random.Random)` draws its numbers, and works its solution out from them."""

    title: str
    minutes: int
    make: Callable[[random.Random], Sheet]


Item = TypeVar("Item", BankQuestion, Card, Problem)


@cache
def questions() -> dict[str, BankQuestion]:
    """All questions of the bank by name, in the order of the lessons."""
    return _named("choice_", "QUESTIONS")


@cache
def cards() -> dict[str, Card]:
    """All cards by name."""
    return _named("deck", "CARDS")


@cache
def problems() -> dict[str, Problem]:
    """All problems for paper by name."""
    return _named("problems_", "PROBLEMS")


def _named(prefix: str, held: str) -> dict[str, Item]:
    """What the modules hold whose names begin so: read when it is first asked for, as few lessons do at their start. None of them may have
    the name of a function here, which it would take when it is imported."""
    modules = sorted(info.name for info in pkgutil.iter_modules(__path__) if info.name.startswith(prefix))
    found = [item for name in modules for item in getattr(importlib.import_module(f"{__name__}.{name}"), held)]
    named = {item.name: item for item in found}
    if len(named) < len(found):
        raise ValueError(f"{held}: two have the same name")
    return named
