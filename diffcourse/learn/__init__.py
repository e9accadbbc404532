"""Exercises that answer back: `check`, `hint`, `solution`, `quiz`, `expect` and `progress`; guesses: `predict`, `outcome`, `mixed`, and
answers folded away: `reveal`; `register` adds your own.

    from diffcourse.learn import check, expect, hint, mixed, outcome, predict, progress, quiz, reveal, solution

`diffcourse.learn.exercises` shows how to write exercises; `python -m diffcourse.learn audit` proves that they do what they say.
"""

from diffcourse import stills
from diffcourse.learn.answers import check, hint, reveal, solution
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
from diffcourse.learn.guesses import mixed, outcome, predict
from diffcourse.learn.questions import quiz
from diffcourse.learn.registry import exercises, predictions, quizzes, register, reveals
from diffcourse.learn.table import progress

stills.keep_bars()

__all__ = [
    "check", "exercises", "expect", "hint", "mixed", "outcome", "predict", "predictions", "progress", "quiz", "quizzes", "register",
    "reveal", "reveals", "solution",
    "Case", "Counts", "Exercise", "InPackage", "Invariant", "Mistake", "Option", "Prediction", "Question", "Quiz", "Reveal",
]  # fmt: skip
