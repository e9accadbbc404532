"""A campaign of faults: whatever is done to diffcourse, the answer is right or a sentence, and nothing of the reader's is lost.

python tools/campaign              every part, and a table: tried, survived, failed, excused
python tools/campaign kills disk   two parts, every failure told in full
python tools/campaign --quick      without the slow cases, as the quick tests do it

A part is a module of this folder; a case is a function in it that raises where something broke:

    @case("a checkpoint cut in half")
    def _(folder: Path) -> None:
        ...
        refused(lambda: list(fit(..., checkpoint=path)), "checkpoint", "cannot be read")

`folder` is empty, its own, and the current one; DIFFCOURSE_HOME lies in it. A case that may fail says why: excused="…".
"""

import contextlib
import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SENTENCE = 700  # characters: no message of ours is longer


class Broken(AssertionError):
    """What should have been survived was not."""


@dataclass(frozen=True)
class Case:
    """One thing that is done to diffcourse. `attempt(folder)` raises where it was not survived; `excused` says why it may be so."""

    part: str
    name: str
    attempt: Callable[[Path], None]
    slow: bool = False
    excused: str = ""


_CASES: list[Case] = []


def case(name: str, *, slow: bool = False, excused: str = "") -> Callable[[Callable[[Path], None]], None]:
    """The function below is a case of the module that it stands in. slow: starts a process, or takes more than a second."""

    def keep(attempt: Callable[[Path], None]) -> None:
        part = attempt.__module__.rpartition(".")[2]
        if any(one.part == part and one.name == name for one in _CASES):
            raise ValueError(f"{part} has a case {name!r} already")
        _CASES.append(Case(part, name, attempt, slow, excused))

    return keep


def cases(parts: Iterable[str] = ()) -> list[Case]:
    """The cases of the parts named, in the order of the modules; of all without a name."""
    known = sorted(found.name for found in pkgutil.iter_modules([str(Path(__file__).parent)]) if found.name[0] != "_")
    for name in parts or known:
        if name not in known:
            raise ValueError(f"part must be one of {', '.join(known)}, got {name!r}")
        importlib.import_module(f"{__name__}.{name}")
    return [one for one in _CASES if not parts or one.part in parts]


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """In this folder, with a DIFFCOURSE_HOME in it; afterwards the current folder and the environment are what they were."""
    where, before = Path.cwd(), dict(os.environ)
    for name in [name for name in os.environ if name.startswith("DIFFCOURSE_")]:
        del os.environ[name]
    os.environ["DIFFCOURSE_HOME"] = str(folder / "home of the reader")
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(where)
        os.environ.clear()
        os.environ.update(before)


# -- what is a good answer -------------------------------------------------------------------------------------------------


def refused(
    call: Callable[[], Any], *words: str, error: type[BaseException] | tuple = (ValueError, TypeError)
) -> BaseException:
    """call() must raise such an error, a sentence that holds each of the words: the argument, what came, what is allowed."""
    try:
        value = call()
    except error as raised:
        check_sentence(str(raised), *words)
        return raised
    except Exception as raised:
        raise Broken(f"{type(raised).__name__} instead of a sentence: {str(raised)[:300]}") from raised
    raise Broken(f"nobody complained, and {str(value)[:200]} came")


def check_sentence(text: str, *words: str) -> None:
    """The text is short enough to read and holds each of the words."""
    if not text.strip() or len(text) > SENTENCE:
        raise Broken(f"{len(text)} characters are no sentence: {text[:300]!r}")
    if missing := [word for word in words if word not in text]:
        raise Broken(f"does not name {missing}: {text!r}")


def holds(truth: bool, what: str) -> None:
    """An assertion that also holds under python -O."""
    if not truth:
        raise Broken(what)


def python(
    *arguments: str, code: int | None = None, seconds: float = 120, **options: Any
) -> subprocess.CompletedProcess:
    """`python arguments…` in the current folder and environment, its output as text. No traceback; with `code`, that exit status."""
    options = {"capture_output": True, "text": True, "encoding": "utf-8", "stdin": subprocess.DEVNULL} | options
    done = subprocess.run([sys.executable, *arguments], timeout=seconds, **options)
    told = f"{done.stdout or ''}\n{done.stderr or ''}"
    if "Traceback (most recent call last)" in told:
        raise Broken(f"a traceback: …{told[-600:]}")
    if code is not None and done.returncode != code:
        raise Broken(f"exit status {done.returncode} instead of {code}: …{told[-400:]}")
    return done


def cli(*arguments: str, code: int | None = None, **options: Any) -> subprocess.CompletedProcess:
    """`python -m diffcourse arguments…`, as `python` does it."""
    return python("-m", "diffcourse", *arguments, code=code, **options)
