"""Exercises that answer back: `check`, `hint`, `solution`, `quiz`, `expect` and `progress`; guesses: `predict`, `outcome`, `mixed`, and
answers folded away: `reveal`; what was missed comes back: `review`, `flashcards`; what all of it is for: `objectives`; what a term means:
`glossary`; what is taught where: `taught`; is my own training sound? `clinic`; `register` adds your own.

    from diffcourse.learn import check, expect, hint, mixed, outcome, predict, progress, quiz, reveal, solution

`diffcourse.learn.exercises` shows how to write exercises; `python -m diffcourse.learn audit` proves that they do what they say.
"""

from typing import Any

from diffcourse import stills
from diffcourse.learn.again import flashcards, review
from diffcourse.learn.answers import check, hint, reveal, solution
from diffcourse.learn.curriculum import taught
from diffcourse.learn.estimates import expect
from diffcourse.learn.exercise import (
    Case,
    Counts,
    Exercise,
    InPackage,
    Invariant,
    Mistake,
    Option,
    Prediction,
    Question,
    Quiz,
    Reveal,
)
from diffcourse.learn.glossary import glossary
from diffcourse.learn.goals import objectives
from diffcourse.learn.guesses import mixed, outcome, predict
from diffcourse.learn.questions import quiz
from diffcourse.learn.registry import exercises, predictions, quizzes, register, reveals
from diffcourse.learn.table import progress

stills.keep_bars()

__all__ = [
    "check", "clinic", "exercises", "expect", "flashcards", "glossary", "hint", "mixed", "objectives", "outcome", "predict", "predictions",
    "progress", "quiz", "quizzes", "register", "reveal", "reveals", "review", "solution", "taught",
    "Case", "Counts", "Exercise", "InPackage", "Invariant", "Mistake", "Option", "Prediction", "Question", "Quiz", "Reveal",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """`clinic`, which no lesson needs at its start, is imported when it is first asked for."""
    if name != "clinic":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from diffcourse.clinic import clinic

    return clinic
