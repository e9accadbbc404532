"""What the reader has done: one JSON file in her user data directory, which survives crashes, damage and two notebooks at once."""

import contextlib
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from diffcourse.files import atomic_write

VERSION = 1
_WAIT = 5.0  # seconds for another notebook to finish writing
Data = dict[str, Any]
Change = Callable[[Data], None]


def folder() -> Path:
    """Where progress is kept: `$DIFFCOURSE_HOME`, or the user's data directory."""
    if home := os.environ.get("DIFFCOURSE_HOME"):
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("diffcourse", appauthor=False))


class Store:
    """Applies changes to the file, each to what the file holds at that moment. What cannot be written waits in memory."""

    def __init__(self) -> None:
        self.notices: list[str] = []  # sentences for the reader, each said once
        self._waiting: dict[Path, list[Change]] = {}
        self._warned: set[Path] = set()
        self._one_thread = threading.RLock()

    @property
    def path(self) -> Path:
        return folder() / "progress.json"

    def read(self) -> Data:
        """What is done, with the changes that could not be written yet."""
        path, data = self.path, _empty()
        with contextlib.suppress(OSError):
            data = self._load(path)
        for change in self._waiting.get(path, []):
            change(data)
        return data

    def change(self, change: Change) -> None:
        """Apply a change to the file. Never raises OSError: a folder that cannot be written is said once, and the change kept in memory."""
        with self._one_thread:
            path = self.path
            waiting = self._waiting.setdefault(path, [])
            waiting.append(change)
            try:
                self._write_changes(path, waiting)
                waiting.clear()
            except OSError as error:
                self._warn(path, error)

    def take_notices(self) -> list[str]:
        """The sentences that have not been said yet."""
        taken, self.notices = self.notices, []
        return taken

    def _write_changes(self, path: Path, changes: list[Change]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock")):
            data = self._load(path)
            for change in changes:
                change(data)
            _write(path, data)

    def _warn(self, path: Path, error: OSError) -> None:
        if path not in self._warned:
            self._warned.add(path)
            error = error.__cause__ if isinstance(error.__cause__, OSError) else error
            self.notices.append(
                f"Progress cannot be saved in {path.parent} ({error.strerror or error}). It is kept until this notebook's kernel stops; "
                "to keep it longer, set DIFFCOURSE_HOME to a folder that you can write to."
            )

    def _load(self, path: Path) -> Data:
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return _empty()
        except UnicodeDecodeError:
            text = ""
        try:
            return _checked(json.loads(text))
        except ValueError:
            aside = _free(path.with_name(f"progress.damaged-{datetime.now():%Y%m%d-%H%M%S}.json"))
            os.replace(path, aside)
            self.notices.append(
                f"The progress file was damaged. It is set aside as {aside.name} in {aside.parent}, and a new one begins."
            )
            return _empty()


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
    """Record an answer to a question of a quiz."""

    def change(data: Data) -> None:
        entry = data["quizzes"].setdefault(name, {"questions": {}, "when": _now()})
        asked = entry["questions"].setdefault(str(question), {"answers": 0, "right": False})
        asked["answers"] += 0 if asked["right"] else 1
        asked["right"] = asked["right"] or right
        entry["when"] = _now()

    STORE.change(change)


def reader() -> str:
    """The reader's random id, drawn when it is first asked for and kept with her progress: quizzes are shuffled by it."""
    drawn = uuid.uuid4().hex
    if "reader" not in STORE.read():
        STORE.change(lambda data: data.setdefault("reader", drawn))
    return STORE.read().get("reader", drawn)


def record_of(name: str) -> dict[str, Any]:
    """What is recorded of an exercise."""
    return {**_new(), **STORE.read()["exercises"].get(name, {})}


def forget(what: str) -> None:
    """Forget an exercise or quiz, those of a lesson, or with "all" every one."""

    def change(data: Data) -> None:
        for part in ("exercises", "quizzes"):
            data[part] = {
                n: e for n, e in data[part].items() if what != "all" and n != what and n.split(".")[0] != what
            }

    STORE.change(change)


# -- the file ---------------------------------------------------------------------------------------------------------


def _empty() -> Data:
    return {"version": VERSION, "exercises": {}, "quizzes": {}}


def _new() -> dict[str, Any]:
    return {"attempts": 0, "hints": 0, "solution": 0, "solved": None, "last": None}


def _exercise(data: Data, name: str) -> dict[str, Any]:
    entry = data["exercises"].setdefault(name, _new())
    entry["last"] = _now()
    return entry


def _checked(data: Any) -> Data:
    """The data if they look like ours. ValueError otherwise."""
    parts = [data.get("exercises"), data.get("quizzes")] if isinstance(data, dict) else []
    if not parts or not all(
        isinstance(part, dict) and all(isinstance(e, dict) for e in part.values()) for part in parts
    ):
        raise ValueError("not a progress file")
    for name, entry in data["exercises"].items():
        data["exercises"][name] = entry = {**_new(), **entry}
        if not all(isinstance(entry[key], int) for key in ("attempts", "hints", "solution")):
            raise ValueError("not a progress file")
    for entry in data["quizzes"].values():
        questions = entry.get("questions")
        if not isinstance(questions, dict) or not all(
            isinstance(q, dict) and {"answers", "right"} <= q.keys() for q in questions.values()
        ):
            raise ValueError("not a progress file")
    if not isinstance(data.get("reader", ""), str):
        del data["reader"]  # another one will be drawn
    return data


def _write(path: Path, data: Data) -> None:
    with atomic_write(path) as file:
        file.write(json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False).encode())


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
