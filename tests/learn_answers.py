"""Answers that people gave to the exercises from their stubs alone: `check` must judge each of them as a strict teacher would.

python tests/learn_answers.py 02 05a      judges the answers of two lessons, of all without one: a line a lesson, then each misjudged answer

`answers/lesson_<lesson>.py` holds them, in the order of the lesson, wrong ones before right ones; `answers/again` and
`answers/readers` what other people wrote after the checks were made. What a stub leaves open has no place here: let the stub say it.
To add one, write what a real learner might::

    @wrong("02.forward_step", "both under one root")
    def _(x, beta, noise):
        return (1 - beta) ** 0.5 * (x + noise)

    right("02.lost_at", "a number")(259)
"""

import contextlib
import importlib.util
import io
import random
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from diffcourse.learn import exercises
from diffcourse.learn.diagnosis import Verdict, diagnose

FOLDER = Path(__file__).parent / "answers"
LESSONS = [path.stem.removeprefix("lesson_") for path in sorted(FOLDER.glob("lesson_*.py"))]
Given = TypeVar("Given")


@dataclass(frozen=True)
class Entry:
    """One answer. kind: "right" or "wrong"; the label, unlike that of any other answer to the exercise, says how."""

    exercise: str
    kind: str
    label: str
    answer: Any


_ENTRIES: list[Entry] = []


def right(exercise: str, label: str) -> Callable[[Given], Given]:
    """An answer that does all that the exercise's stub asks for; the label says how."""
    return _register(exercise, "right", label)


def wrong(exercise: str, label: str) -> Callable[[Given], Given]:
    """An answer that does not do what the exercise's stub asks for; the label says what is wrong."""
    return _register(exercise, "wrong", label)


def _register(exercise: str, kind: str, label: str) -> Callable[[Given], Given]:
    def keep(answer: Given) -> Given:
        _ENTRIES.append(Entry(exercise, kind, label, answer))
        return answer

    return keep


@cache
def entries(lesson: str) -> list[Entry]:
    """The answers of a lesson."""
    _ENTRIES.clear()
    for i, path in enumerate(sorted(FOLDER.rglob(f"lesson_{lesson}.py"), reverse=True)):
        spec = importlib.util.spec_from_file_location(f"answers_{lesson}_{i}", path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[module.__name__] = module  # for inspect
        spec.loader.exec_module(module)
    return list(_ENTRIES)


def answer(exercise: str, label: str) -> Any:
    """The answer with this label, for the stub cell of a lesson."""
    return next(e.answer for e in entries(exercise.split(".")[0]) if (e.exercise, e.label) == (exercise, label))


def judge(entry: Entry) -> Verdict:
    """The verdict, from the same random numbers every time."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        return diagnose(exercises()[entry.exercise], entry.answer)


def misjudged(entry: Entry, verdict: Verdict) -> bool:
    return entry.kind in ("right", "wrong") and (verdict.status == "right") != (entry.kind == "right")


def share_of_own(verdicts: Iterable[Verdict]) -> float:
    """Which share of the refused answers heard a sentence of their own: a mistake, an invariant, or what theirs is."""
    heard = [told_its_own(v) for v in verdicts if v.status == "wrong"]
    return sum(heard) / len(heard)


def told_its_own(verdict: Verdict) -> bool:
    return bool(verdict.mistake or verdict.invariant or any(line.startswith("Yours is ") for line in verdict.says))


def main(lessons: list[str]) -> int:
    found = 0
    for lesson in lessons or LESSONS:
        judged = [(entry, judge(entry)) for entry in entries(lesson)]
        wrongs = [verdict for entry, verdict in judged if entry.kind == "wrong"]
        faults = [(entry, verdict) for entry, verdict in judged if misjudged(entry, verdict)]
        print(
            f"{lesson:<4} {len(judged):4} answers, {len(faults):2} misjudged, {share_of_own(wrongs):.0%} of the wrong hear their own"
        )
        for entry, verdict in faults:
            print(f"  {entry.kind}: {entry.exercise}: {entry.label}\n{verdict.text}\n")
        if "-v" in sys.argv:
            for entry, verdict in judged:
                if entry.kind == "wrong" and verdict.status == "wrong" and not told_its_own(verdict):
                    print(f"  nothing of its own: {entry.exercise}: {entry.label}\n{verdict.text}\n")
        found += len(faults)
    return 1 if found else 0


if __name__ == "__main__":
    sys.modules["learn_answers"] = sys.modules["__main__"]  # what the answers import
    sys.exit(main([arg for arg in sys.argv[1:] if arg != "-v"]))
