"""What the reader has done: one JSON file in her user data directory, which survives crashes, damage and two notebooks at once."""

import contextlib
import hashlib
import json
import math
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from diffcourse.files import atomic_write, home
from diffcourse.learn import leitner

VERSION = 1
_WAIT = 5.0  # seconds for another notebook to finish writing
Data = dict[str, Any]
Change = Callable[[Data], None]


def folder() -> Path:
    """Where progress is kept: `$DIFFCOURSE_HOME`, or the user's data directory."""
    import platformdirs

    return home() or Path(platformdirs.user_data_dir("diffcourse", appauthor=False))


class Store:
    """Applies changes to the file, each to what the file holds at that moment. What cannot be written waits in memory.

    Whatever the file is like, reading and changing go on: of a damaged one the sound part is kept, and the file as it was is set aside.
    """

    def __init__(self) -> None:
        self.notices: list[str] = []  # sentences for the reader, each said once
        self._waiting: dict[Path, list[Change]] = {}
        self._warned: set[tuple[Path, str]] = set()
        self._one_thread = threading.RLock()

    @property
    def path(self) -> Path:
        return folder() / "progress.json"

    def read(self) -> Data:
        """What is done, with the changes that could not be written yet."""
        with self._one_thread:
            path, data = self.path, _empty()
            try:
                data, lost = _read(path)
                data = self._write_changes(path, []) if lost else data
            except Exception as error:
                self._warn(path, error, f"read from {path}")
            for change in self._waiting.get(path, []):
                change(data)
            return data

    def change(self, change: Change) -> None:
        """Apply a change to the file. Never raises: a folder that cannot be written is said once, and the change kept in memory."""
        with self._one_thread:
            path = self.path
            waiting = self._waiting.setdefault(path, [])
            waiting.append(change)
            try:
                self._write_changes(path, waiting)
                waiting.clear()
            except Exception as error:
                self._warn(path, error, f"saved in {path.parent}")

    def take_notices(self) -> list[str]:
        """The sentences that have not been said yet."""
        taken, self.notices = self.notices, []
        return taken

    def _write_changes(self, path: Path, changes: list[Change]) -> Data:
        path = Path(os.path.realpath(path))  # a link, into a folder of the cloud say, stays one
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            data, lost = _read(path)
            if lost:
                self._set_aside(path, lost)
            for change in changes:
                change(data)
            _write(path, data)
        return data

    def _set_aside(self, path: Path, lost: str) -> None:
        aside = _free(path.with_name(f"progress.damaged-{datetime.now():%Y%m%d-%H%M%S}.json"))
        with open(aside, "xb") as file:
            file.write(path.read_bytes())
        self.notices.append(
            f"The progress file was damaged. It is set aside as {aside.name} in {aside.parent}, and {lost}."
        )

    def _warn(self, path: Path, error: Exception, what: str) -> None:
        if (path, what) not in self._warned:
            self._warned.add((path, what))
            error = error.__cause__ if isinstance(error.__cause__, OSError) else error
            reason = getattr(error, "strerror", None) or str(error)[:200] or type(error).__name__
            self.notices.append(
                f"Progress cannot be {what} ({reason}). It is kept until this notebook's kernel stops; "
                "to keep it longer, set DIFFCOURSE_HOME to a folder that you can write to."
            )


STORE = Store()


# -- what is recorded -------------------------------------------------------------------------------------------------


def attempted(name: str, right: bool) -> None:
    """Record an answer of the reader's own. After the solution was shown, a right one counts as read, not as solved."""

    def change(data: Data) -> None:
        entry = _exercise(data, name)
        if entry["solved"]:
            return
        entry["attempts"] += 1
        if right and not entry["solution"]:
            entry["solved"] = _now()

    STORE.change(change)


def hint_used(name: str, of: int) -> int:
    """Record one more hint, up to `of`; returns which one is next, from 0."""
    used = min(STORE.read()["exercises"].get(name, {}).get("hints", 0), of)

    def change(data: Data) -> None:
        entry = _exercise(data, name)
        entry["hints"] = max(entry["hints"], min(used + 1, of))

    STORE.change(change)
    return used


def solution_shown(name: str) -> None:
    """Record that the solution was shown."""

    def change(data: Data) -> None:
        _exercise(data, name)["solution"] += 1

    STORE.change(change)


def answered(name: str, question: int, right: bool) -> None:
    """Record an answer to a question of a quiz; from now on it is one of those that `review` asks again."""
    day = today()

    def change(data: Data) -> None:
        entry = data["quizzes"].setdefault(name, {"questions": {}, "when": _now()})
        asked = entry["questions"].setdefault(str(question), {"answers": 0, "right": False})
        asked["answers"] += 0 if asked["right"] else 1
        asked["right"] = asked["right"] or right
        entry["when"] = _now()
        _move(data, f"{name}/{question}", right, day)

    STORE.change(change)


def reviewed(name: str, right: bool) -> None:
    """Record an answer to a question of the bank, or whether a card was known."""
    day = today()
    STORE.change(lambda data: _move(data, name, right, day))


def _move(data: Data, name: str, right: bool, day: date) -> None:
    data["reviews"][name] = leitner.moved(data["reviews"].get(name), right, day)


def today() -> date:
    """The day where the reader is."""
    return date.today()


def guessed(name: str, guess: float | str) -> dict[str, Any]:
    """Record a guess, which replaces the last one until the outcome is told; from then on the first one stays. Returns what is recorded."""

    def change(data: Data) -> None:
        entry = data["predictions"].setdefault(name, _unguessed())
        if not entry["told"]:
            entry["guess"], entry["when"] = guess, _now()

    STORE.change(change)
    return prediction_of(name)


def outcome_told(name: str, near: bool | None) -> None:
    """Record that the outcome was told, the first time, and whether the guess was near it; None without a guess."""
    if prediction_of(name)["told"]:
        return

    def change(data: Data) -> None:
        entry = data["predictions"].setdefault(name, _unguessed())
        if not entry["told"]:
            entry["told"], entry["near"] = _now(), near

    STORE.change(change)


def prediction_of(name: str) -> dict[str, Any]:
    """What is recorded of a prediction."""
    return {**_unguessed(), **STORE.read()["predictions"].get(name, {})}


def reader() -> str:
    """The reader's random id, drawn when it is first asked for and kept with her progress: quizzes are shuffled by it."""
    drawn = uuid.uuid4().hex
    if "reader" not in STORE.read():
        STORE.change(lambda data: data.setdefault("reader", drawn))
    return STORE.read().get("reader", drawn)


def shuffled(who: str, name: str, n: int) -> list[int]:
    """0 to n - 1 in an order of this reader's own, which is the same at every call with this name."""
    return sorted(range(n), key=lambda k: hashlib.sha256(f"{who}/{name}/{k}".encode()).digest())


def record_of(name: str) -> dict[str, Any]:
    """What is recorded of an exercise."""
    return {**_new(), **STORE.read()["exercises"].get(name, {})}


def forget(what: str) -> None:
    """Forget an exercise, a quiz, a prediction, a question or a card, those of a lesson, or with "all" every one."""

    def meant(name: str) -> bool:
        return what in ("all", name, name.split(".")[0], name.split("/")[0])  # "02.end/3" is a question of 02.end

    def change(data: Data) -> None:
        for part in _PARTS:
            data[part] = {name: entry for name, entry in data[part].items() if not meant(name)}

    STORE.change(change)


# -- the file ---------------------------------------------------------------------------------------------------------


_PARTS = ("exercises", "quizzes", "predictions", "reviews")


def _empty() -> Data:
    return {"version": VERSION, **{part: {} for part in _PARTS}}


def _new() -> dict[str, Any]:
    return {"attempts": 0, "hints": 0, "solution": 0, "solved": None, "last": None}


def _unguessed() -> dict[str, Any]:
    return {"guess": None, "when": None, "told": None, "near": None}


def _exercise(data: Data, name: str) -> dict[str, Any]:
    entry = data["exercises"].setdefault(name, _new())
    entry["last"] = _now()
    return entry


def _read(path: Path) -> tuple[Data, str]:
    """What of the file is sound, and "" if that is all; else what became of the rest. OSError where it cannot be read."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _empty(), ""
    try:
        data = json.loads(content)  # with or without the mark that Windows puts before UTF-8 and UTF-16
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        return _empty(), "a new one begins"
    kept = {"exercises": _sound(data.pop("exercises", None), _exercise_of)}
    kept["quizzes"] = _sound(data.pop("quizzes", None), _quiz_of)
    kept["predictions"] = _sound(data.pop("predictions", {}), _prediction_of)  # older files have none
    kept["reviews"] = _sound(data.pop("reviews", {}), _review_of)  # nor these
    if not isinstance(data.get("reader"), str) or not data["reader"].isascii():
        data.pop("reader", None)  # another one will be drawn
    more = {key: value for key, value in data.items() if not _deep(value)}  # of a later version, perhaps
    whole = len(more) == len(data) and all(part is not None and not part[1] for part in kept.values())
    found = {**_empty(), **more, **{key: part[0] for key, part in kept.items() if part is not None}}
    if whole:
        return found, ""
    n = sum(len(found[part]) for part in _PARTS)
    return found, f"what is sound in it is kept ({n} {'entries' if n > 1 else 'entry'})" if n else "a new one begins"


def _sound(
    part: Any, entry_of: Callable[[Any], tuple[dict[str, Any] | None, bool]]
) -> tuple[dict[str, Any], bool] | None:
    """The sound entries of a part, and whether anything was lost; None if it is no part at all."""
    if not isinstance(part, dict):
        return None
    entries = {name: entry_of(entry) for name, entry in part.items()}
    sound = {name: entry for name, (entry, _) in entries.items() if entry is not None}
    return sound, any(lost for _, lost in entries.values())


def _exercise_of(entry: Any) -> tuple[dict[str, Any] | None, bool]:
    if not isinstance(entry, dict):
        return None, True
    entry = {**_new(), **entry}
    counted = all(_count(entry[key]) for key in ("attempts", "hints", "solution"))
    dated = all(isinstance(entry[key], str | None) for key in ("solved", "last"))
    return (entry, False) if counted and dated and not _deep(entry) else (None, True)


def _quiz_of(entry: Any) -> tuple[dict[str, Any] | None, bool]:
    asked = entry.get("questions") if isinstance(entry, dict) else None
    if not isinstance(asked, dict) or _deep(entry):
        return None, True
    sound = {
        name: question
        for name, question in asked.items()
        if isinstance(question, dict) and _count(question.get("answers")) and isinstance(question.get("right"), bool)
    }
    when = entry.get("when")
    return {**entry, "questions": sound, "when": when if isinstance(when, str) else _now()}, len(sound) < len(asked)


def _prediction_of(entry: Any) -> tuple[dict[str, Any] | None, bool]:
    if not isinstance(entry, dict) or _deep(entry):
        return None, True
    entry = {**_unguessed(), **entry}
    guess, near = entry["guess"], entry["near"]
    sound = (type(guess) is float and math.isfinite(guess)) or isinstance(guess, str | None)
    dated = all(isinstance(entry[key], str | None) for key in ("when", "told"))
    return (entry, False) if sound and dated and isinstance(near, bool | None) else (None, True)


def _review_of(entry: Any) -> tuple[dict[str, Any] | None, bool]:
    if not isinstance(entry, dict) or _deep(entry):
        return None, True
    entry = {**leitner.NEW, **entry}
    counted = all(_count(entry[key]) for key in ("box", "times", "missed")) and entry["box"] < len(leitner.DAYS)
    return (entry, False) if counted and _day(entry["due"]) else (None, True)


def _day(value: Any) -> bool:
    try:
        return bool(date.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def _count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 10**9


def _deep(value: Any, most: int = 20) -> bool:
    """Nested so deep that it is none of ours, and may be too deep to be written."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return most == 0 or any(_deep(one, most - 1) for one in inner)


def _write(path: Path, data: Data) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(data, indent=1, sort_keys=True).encode())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock file; another process waits its turn. TimeoutError (an OSError) after some seconds."""
    with open(path, "a+b") as file:
        end = time.monotonic() + _WAIT
        while not _try_lock(file):
            if time.monotonic() > end:
                raise TimeoutError("another notebook is holding the progress file")
            time.sleep(0.01)
        yield  # closing the file gives the lock back


def _try_lock(file: Any) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks: each write is still whole
        return True
    return True


def _free(path: Path) -> Path:
    """The path, or the first variation of it that does not exist."""
    candidates = (path if i == 0 else path.with_name(f"{path.stem}-{i}{path.suffix}") for i in range(1000))
    return next(candidate for candidate in candidates if not candidate.exists())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
