"""Finds exercises and quizzes: every `exercises/lesson_<lesson>` counts, file or folder, without being listed anywhere."""

import difflib
import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import TypeVar

from diffcourse.learn import exercises as data
from diffcourse.learn.exercise import Exercise, Quiz

Item = TypeVar("Item", Exercise, Quiz)
EXTRA: dict[str, Exercise | Quiz] = {}  # what tests add


def exercises() -> dict[str, Exercise]:
    """All exercises by name, in the order of the lessons."""
    return _all(Exercise)


def quizzes() -> dict[str, Quiz]:
    """All quizzes by name, in the order of the lessons."""
    return _all(Quiz)


def lessons() -> list[str]:
    """Lessons that have exercises or quizzes: "00", "00b", "02", …"""
    return sorted({name.split(".")[0] for name in (*exercises(), *quizzes())})


def exercise(name: str) -> Exercise:
    """The exercise called `name`; only its lesson is read. KeyError with the nearest names if there is none."""
    return _find(name, Exercise, "exercise")


def quiz(name: str) -> Quiz:
    """The quiz called `name`; KeyError with the nearest names if there is none."""
    return _find(name, Quiz, "quiz")


class UnknownName(KeyError):
    """A name that no exercise, quiz or lesson has."""

    def __str__(self) -> str:
        return self.args[0]


def unknown(name: object, known: Mapping[str, object] | list[str], what: str) -> UnknownName:
    """The error for a name that is not known, with the nearest ones."""
    near = difflib.get_close_matches(str(name), list(known), n=3, cutoff=0.5)
    near = (
        near
        or [n for n in known if n.split(".")[-1] == str(name)]
        or [n for n in known if n.startswith(str(name)[:3])][:3]
    )
    advice = f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(list(known)[:8]) or 'none yet'}."
    return UnknownName(f"no {what} is called {name!r}: {advice}")


def _find(name: str, kind: type[Item], what: str) -> Item:
    if isinstance(name, str):
        module = f"lesson_{name.split('.')[0]}"
        here = EXTRA if name in EXTRA else _items(_module(module)) if module in _modules() else {}
        item = here.get(name)
        if isinstance(item, kind):
            return item
    raise unknown(name, _all(kind), what)


def _all(kind: type[Item]) -> dict[str, Item]:
    items = [_items(_module(module)) for module in _modules()] + [EXTRA]
    return {name: item for found in items for name, item in found.items() if isinstance(item, kind)}


def _modules() -> list[str]:
    return sorted(info.name for info in pkgutil.iter_modules(data.__path__) if info.name.startswith("lesson_"))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{data.__name__}.{name}")


def _items(module: ModuleType) -> dict[str, Exercise | Quiz]:
    lesson = module.__name__.rpartition("lesson_")[2]
    found: dict[str, Exercise | Quiz] = {}
    for file in [module, *_files(module)]:
        for item in _held(file):
            if item.lesson != lesson:
                raise ValueError(f"{file.__name__}: the name {item.name} must start with {lesson}.")
            if item.name in found:
                raise ValueError(f"{file.__name__}: {item.name} is there twice")
            found[item.name] = item
    return found


def _files(lesson: ModuleType) -> list[ModuleType]:
    """The files of a lesson's folder, in the order of their names; those whose name starts with _ hold helpers."""
    names = sorted(info.name for info in pkgutil.iter_modules(getattr(lesson, "__path__", [])))
    files = [importlib.import_module(f"{lesson.__name__}.{name}") for name in names if name[0] != "_"]
    for file in files:
        if not _held(file):
            raise ValueError(
                f"{file.__name__} defines neither EXERCISE nor QUIZZES; the name of a file of helpers starts with _"
            )
    return files


def _held(module: ModuleType) -> list[Exercise | Quiz]:
    one = [module.EXERCISE] if hasattr(module, "EXERCISE") else []
    return [*one, *getattr(module, "EXERCISES", []), *getattr(module, "QUIZZES", [])]
