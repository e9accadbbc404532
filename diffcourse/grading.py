"""Grades the notebooks of a class: each behind a fence of its own, each exercise by our checker on her answer.

What a notebook prints, its outputs, its own `check` and its progress file count for nothing. Her code runs as Python in a process that also
judges it, so a determined cheat remains possible: code that walks the stack to what it is compared with, that learns the cases by heart
(they are the same for all), or an answer typed off from the package's source or from a neighbour. What can be seen of this is said: a
reference or a function of the package itself gets no mark, an altered judge neither, and `notes` names the solution word for word, a
solution that was shown, and code of the kind that looks behind things. Read those cells. What is outside her folder is safe where
`diffcourse.fence.walled()` is true, and elsewhere from carelessness only.
"""

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import stat
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from diffcourse import fence
from diffcourse.checks import number, one_of, whole
from diffcourse.files import atomic_write, lessons, user_path
from diffcourse.learn import record, registry
from diffcourse.learn.judging import Cell, cells

LARGE = 50 << 20
"""Bytes of a notebook that is read."""
_ENV = (
    "PATH",
    "LANG",
    "LC_ALL",
    "SYSTEMROOT",
    "DIFFCOURSE_DATA",
    "VIRTUAL_ENV",
    "LD_LIBRARY_PATH",
)  # no secrets of the teacher's


@dataclass
class Grade:
    """One notebook: `exercises` {name: {"status", "mistake", "why"}}, `quizzes` {name: how many right, or her letters}.

    state: whole, or the first of unreadable, not graded, no exercises, time-out, died, too much output, network tried that is true.
    """

    who: str
    notebook: str
    lesson: str = ""
    state: str = "whole"
    seconds: float = 0.0
    exercises: dict[str, dict[str, Any]] = field(default_factory=dict)
    quizzes: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def right(self) -> int:
        """How many exercises are right."""
        return sum(found["status"] == "right" for found in self.exercises.values())


def grade(
    folder: str | Path,
    *,
    minutes: float = 10,
    jobs: int = 1,
    profile: str = "smoke",
    journal: str | Path | None = None,
    said: Callable[[Grade], None] = lambda found: None,
) -> list[Grade]:
    """Grade every notebook below a folder, in the order of their names: FOLDER/anna/02_ddpm_math.ipynb, FOLDER/anna_02_ddpm_math.ipynb, …

    minutes: for a notebook; one exercise gets a third of it, 20 seconds at least. jobs: notebooks at once. profile: how long cells compute.
    journal: a file to which each grade is added at once; notebooks that stand there as they are now are not graded again. said: called
    with each grade.
    FileNotFoundError if there is no such folder, or no notebook in it. What is wrong with a notebook is in its `Grade`, never an error.
    """
    folder, seconds = user_path(folder), 60 * number("minutes", minutes, 0.05, 24 * 60)
    jobs, profile = whole("jobs", jobs, 1, 256), one_of("profile", profile, ("smoke", "laptop", "gpu"))
    files = _files(folder)
    kept = _Journal(None if journal is None else user_path(journal), [profile, seconds])

    def one(file: Path) -> Grade:
        mark = _mark(file)
        found = kept.known(str(file.relative_to(folder)), mark) or _graded(file, folder, seconds, profile)
        kept.add(mark, found)
        said(found)
        return found

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, files))


def write_csv(grades: Sequence[Grade], path: str | Path) -> None:
    """The grades as a table, a line a notebook and a column an exercise; written as a whole or not at all."""
    names = list(dict.fromkeys(n for found in grades for n in found.exercises))
    asked = list(dict.fromkeys(n for found in grades for n in found.quizzes))
    lessons = sorted({name.split(".")[0] for name in names})
    names.sort(key=lambda name: lessons.index(name.split(".")[0]))
    text = io.StringIO(newline="")
    table = csv.writer(text)
    head = ("who", "notebook", "lesson", "state", "right", "of", "seconds")
    table.writerow([*head, *names, *(f"quiz {name}" for name in asked), "notes"])
    for found in grades:
        about = (found.who, found.notebook, found.lesson, found.state, found.right, len(found.exercises))
        told = [_told(found.exercises.get(name)) for name in names] + [found.quizzes.get(name, "") for name in asked]
        table.writerow(map(_plain, (*about, f"{found.seconds:.0f}", *told, "; ".join(found.notes))))
    with atomic_write(path) as file:
        file.write(text.getvalue().encode("utf-8-sig"))  # so that spreadsheets read names right


def _told(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    more = found["mistake"] or ("" if found["status"] in ("right", "not attempted") else found["why"][:120])
    return f"{found['status']}: {more}" if more else found["status"]


def _plain(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    text = re.sub(r"[\x00-\x1f\ud800-\udfff]", "?", str(value))
    return f"'{text}" if text[:1] in "=+-@" and text[:1] else text


# -- one notebook -----------------------------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(
            f"folder must hold the notebooks of a class: {str(folder)!r} is {'a file' if folder.exists() else 'not there'}"
        )
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(where, name) for name in names if name.lower().endswith(".ipynb") and not name.startswith(".")]
    if not found:
        raise FileNotFoundError(f"folder must hold notebooks (*.ipynb): there is none in {str(folder)!r}")
    return sorted(found)


def _graded(file: Path, folder: Path, seconds: float, profile: str) -> Grade:
    found = Grade(_who(file, folder), str(file.relative_to(folder)))
    try:
        _grade(found, file, folder, seconds, profile)
    except Exception as error:  # the others are graded whatever is the matter with this one
        found.state = "not graded"
        found.notes.append(f"{type(error).__name__}: {error}"[:200])
    return found


def _grade(found: Grade, file: Path, folder: Path, seconds: float, profile: str) -> None:
    began = time.monotonic()
    try:
        code = cells(*_read(file))
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        found.state = "unreadable"
        found.notes.append(" ".join(str(error).split())[:200])
        return
    found.lesson = _lesson(code)
    names = [name for name, asked in registry.exercises().items() if asked.lesson == found.lesson]
    if not names:
        found.state = "no exercises"
        return
    named = re.search(r"(?<!\d)(\d\d[a-c]?)_[a-z]", file.name)
    if named and named[1] != found.lesson:
        found.notes.append(f"called {named[1]}, and holds exercises of {found.lesson}")
    found.quizzes = _quizzes(code, file)
    _judged(found, code, names, seconds, profile, _helpers(file, folder))
    found.seconds = round(time.monotonic() - began, 1)


def _read(file: Path) -> tuple[list[str], list[list[str]]]:
    """Source and tags of each code cell."""
    if not stat.S_ISREG(os.stat(file).st_mode):
        raise ValueError("it is no file")
    if os.path.getsize(file) > LARGE:
        raise ValueError(f"it has more than {LARGE >> 20} MB")
    notebook = json.loads(file.read_bytes())
    listed = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(listed, list) or not all(isinstance(cell, dict) for cell in listed):
        raise ValueError("it is no notebook of version 4")
    code = [cell for cell in listed if cell.get("cell_type") == "code"]
    sources = [cell.get("source", "") for cell in code]
    tags = [meta.get("tags", []) if isinstance(meta := cell.get("metadata"), dict) else [] for cell in code]
    return (
        ["".join(map(str, source)) if isinstance(source, list) else str(source) for source in sources],
        [[str(tag) for tag in each] if isinstance(each, list) else [] for each in tags],
    )


def _lesson(code: Sequence[Cell]) -> str:
    """The lesson of which a notebook holds most exercises."""
    tagged = [tag.removeprefix("exercise:") for cell in code for tag in cell.tags if tag.startswith("exercise:")]
    lessons = Counter(name.split(".")[0] for name in [*tagged, *(name for cell in code for name in cell.checks)])
    return next(iter(lessons.most_common(1)), ("",))[0]


def _who(file: Path, folder: Path) -> str:
    """The folder in which a notebook lies, or what its name says besides the lesson's."""
    inside = file.relative_to(folder).parts[:-1]
    if inside:
        return "/".join(inside)
    with contextlib.suppress(FileNotFoundError):  # an installation without the lessons
        for lesson in lessons().glob("*.ipynb"):
            if lesson.stem in file.stem:
                return file.stem.replace(lesson.stem, "").strip("_ -") or file.stem
    return file.stem


def _helpers(file: Path, folder: Path) -> dict[str, str]:
    """Modules that she wrote herself, beside her notebook, where that folder is hers alone."""
    found: dict[str, str] = {}
    for path in sorted(file.parent.glob("*.py"))[:20] if file.parent != folder else []:
        try:
            if path.is_file() and path.stat().st_size < 1 << 18:
                found[path.name] = path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            continue
    return found


def _quizzes(code: Sequence[Cell], file: Path) -> dict[str, str]:
    """Her answers that stand in the code. Each reader sees options in an order of her own, drawn by the id in her progress.json."""
    given = {name: letters for cell in code for name, letters in cell.quizzes.items()}
    try:
        who = json.loads((file.parent / "progress.json").read_bytes())["reader"]
    except (OSError, ValueError, KeyError, TypeError):
        who = None
    found = {}
    for name, letters in given.items():
        asked, chosen = registry.quizzes().get(name), [c for c in letters.casefold() if c.isalpha()]
        found[name] = letters[:40]
        if asked and isinstance(who, str) and len(chosen) == len(asked.questions):
            orders = [record.shuffled(who, f"{name}/{i}", len(q.options)) for i, q in enumerate(asked.questions)]
            right = [
                "abcdefghijklmnopqrstuvwxyz"[order.index(question.right)]
                for order, question in zip(orders, asked.questions, strict=True)
            ]
            found[name] = f"{sum(a == b for a, b in zip(chosen, right, strict=True))}/{len(right)}"
    return found


def _judged(
    found: Grade, code: Sequence[Cell], names: Sequence[str], seconds: float, profile: str, helpers: dict[str, str]
) -> None:
    """Have the exercises judged; where one ends the process, those behind it are judged in a new one."""
    until, left, ends = time.monotonic() + seconds, list(names), []
    environment = {name: os.environ[name] for name in _ENV if name in os.environ} | {
        "PYTHONPATH": os.pathsep.join(
            [str(Path(fence.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DIFFCOURSE_PROFILE": profile,
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "HF_HUB_OFFLINE": "1",
    }

    def clock(told: Any) -> float:
        return min(until - time.monotonic(), 60 if told is None else max(20, seconds / 3))

    while left and time.monotonic() < until:
        job = {
            "cells": [cell.source for cell in code],
            "tags": [list(cell.tags) for cell in code],
            "exercises": left,
            "helpers": helpers,
        }
        now, before = "", len(left)
        try:
            for told in fence.run("diffcourse.learn.judging", job, environment, clock):
                now = told.get("begins", "")
                if not now:
                    _note(found, told)
                    left.remove(told["exercise"])
            break
        except fence.Stopped as stop:
            ends.append(stop.why)
            if now or len(left) == before:  # else it ended between two exercises
                found.exercises[now or left[0]] = {"status": stop.why, "mistake": None, "why": stop.more}
                left.remove(now or left[0])
    for name in left if ends else []:
        found.exercises[name] = {"status": "time-out", "mistake": None, "why": "No time was left."}
    found.exercises = {name: found.exercises[name] for name in names if name in found.exercises}
    if ends:
        found.state = next(why for why in ("time-out", "died", "too much output") if why in ends)


def _note(found: Grade, told: dict[str, Any]) -> None:
    found.exercises[told["exercise"]] = {key: told[key] for key in ("status", "mistake", "why")}
    symbol = told["exercise"].split(".")[1]
    found.notes += [f"{symbol}: {note}" for note in told["notes"]]
    if "network" in told["refused"]:
        found.state = "network tried"


# -- the journal ------------------------------------------------------------------------------------------------------


def _mark(file: Path) -> str:
    """What tells whether a notebook is the same as before."""
    try:
        if not file.is_file() or file.stat().st_size > LARGE:
            return f"{file.stat().st_size}"
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        return type(error).__name__


class _Journal:
    """Grades as they were found, one a line of JSON, each with the mark of its file and the settings."""

    def __init__(self, path: Path | None, settings: Any) -> None:
        self.path, self.settings = path, settings
        self.lines: dict[tuple[str, str], Grade] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path and path.exists() else []:
            try:
                kept = json.loads(line)
                if kept["settings"] == settings:
                    self.lines[kept["grade"]["notebook"], kept["mark"]] = Grade(**kept["grade"])
            except (ValueError, KeyError, TypeError):  # the line that was being written
                continue

    def known(self, notebook: str, mark: str) -> Grade | None:
        return self.lines.get((notebook, mark))

    def add(self, mark: str, found: Grade) -> None:
        if self.path and (found.notebook, mark) not in self.lines:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps({"settings": self.settings, "mark": mark, "grade": asdict(found)}) + "\n")


def summary(found: Grade) -> str:
    """A grade in a line."""
    state = "" if found.state == "whole" else f", {found.state}"
    return f"{found.who} {found.lesson or '?'}: {found.right} of {len(found.exercises)} right, {found.seconds:.0f} s{state}"
