"""Exercises that answer back: `check`, `hint`, `solution`, `quiz`, `expect` and `progress`; `register` adds your own.

    from diffcourse.learn import check, expect, hint, progress, quiz, solution

`diffcourse.learn.exercises` shows how to write exercises; `python -m diffcourse.learn audit` proves that they do what they say.
"""

from diffcourse import stills
from diffcourse.learn.answers import check, hint, solution
from diffcourse.learn.estimates import expect
from diffcourse.learn.exercise import Case, Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz
from diffcourse.learn.questions import quiz
from diffcourse.learn.registry import exercises, quizzes, register
from diffcourse.learn.table import progress

stills.keep_bars()

__all__ = [
    "check", "exercises", "expect", "hint", "progress", "quiz", "quizzes", "register", "solution",
    "Case", "Exercise", "InPackage", "Invariant", "Mistake", "Option", "Question", "Quiz",
]  # fmt: skip
