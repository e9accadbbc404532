"""Finds exercises, quizzes, predictions and reveals: those of the course, where every `exercises/lesson_<lesson>` counts, and those
given to `register`."""

import contextlib
import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from diffcourse.files import user_path
from diffcourse.learn import exercises as data
from diffcourse.learn.exercise import Exercise, Prediction, Quiz, Reveal

Asked = Exercise | Quiz | Prediction | Reveal
Item = TypeVar("Item", Exercise, Quiz, Prediction, Reveal)
EXTRA: dict[str, Asked] = {}  # what was registered
_FOLDERS: set[Path] = set()  # from which files were registered


def register(*what: Any) -> list[str]:
    """Add exercises, quizzes, predictions and reveals of your own to those of the course, for as long as Python runs; returns their names.

    Each of `what` is an Exercise, a Quiz, a Prediction, a Reveal, a list of them, a module, or a path: a .py file that defines EXERCISE,
    EXERCISES, QUIZZES, PREDICTIONS or REVEALS, or a folder of such files. In a folder, a name that starts with _ is a file of helpers:
    `from _cases import normal` finds `_cases.py`.
    `diffcourse.learn.exercises` shows how they are written.

    A name that is registered again is replaced, so a cell can be run twice. The names of the course's own are refused.
    """
    if not what:
        raise TypeError(f"register needs something to register: {_ALLOWED}")
    found: dict[str, Asked] = {}
    for item in _items_of(what):
        if item.name in _of_lesson(item.lesson):
            raise ValueError(f"{item.name} belongs to the course: choose another name, such as my_{item.name}")
        if found.get(item.name, item) is not item:
            raise ValueError(f"{item.name} is there twice: give everything a name of its own")
        found[item.name] = item
    for item in found.values():  # read now: later cells or edits may give the names that it uses another meaning
        with contextlib.suppress(OSError, TypeError, ValueError):  # said by `solution` and the audit
            _ = item.solution if isinstance(item, Exercise) else None
    EXTRA.update(found)
    return list(found)


def exercises() -> dict[str, Exercise]:
    """All exercises by name, in the order of the lessons, then what was registered."""
    return _all(Exercise)


def quizzes() -> dict[str, Quiz]:
    """All quizzes by name, in the order of the lessons, then what was registered."""
    return _all(Quiz)


def predictions() -> dict[str, Prediction]:
    """All predictions by name, in the order of the lessons, then what was registered."""
    return _all(Prediction)


def reveals() -> dict[str, Reveal]:
    """All reveals by name, in the order of the lessons, then what was registered."""
    return _all(Reveal)


def lessons() -> list[str]:
    """Lessons that have something to ask: "00", "00b", "02", …, then those of what was registered."""
    return list(dict.fromkeys(item.lesson for item in (*_course().values(), *EXTRA.values())))


def exercise(name: str) -> Exercise:
    """The exercise called `name`; only its lesson is read. KeyError with the nearest names if there is none."""
    return _find(name, Exercise, "exercise")


def quiz(name: str) -> Quiz:
    """The quiz called `name`; KeyError with the nearest names if there is none."""
    return _find(name, Quiz, "quiz")


def prediction(name: str) -> Prediction:
    """The prediction called `name`; KeyError with the nearest names if there is none."""
    return _find(name, Prediction, "prediction")


def reveal(name: str) -> Reveal:
    """The reveal called `name`; KeyError with the nearest names if there is none."""
    return _find(name, Reveal, "reveal")


class UnknownName(KeyError):
    """A name that no exercise, quiz, prediction, reveal or lesson has."""

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
        item = EXTRA.get(name) or _of_lesson(name.split(".")[0]).get(name)
        if isinstance(item, kind):
            return item
    raise unknown(name, _all(kind), what)


def _all(kind: type[Item]) -> dict[str, Item]:
    return {name: item for name, item in {**_course(), **EXTRA}.items() if isinstance(item, kind)}


# -- of the course ----------------------------------------------------------------------------------------------------


def _course() -> dict[str, Asked]:
    return {name: item for module in _modules() for name, item in _items(_module(module)).items()}


def _of_lesson(lesson: str) -> dict[str, Asked]:
    module = f"lesson_{lesson}"
    return _items(_module(module)) if module in _modules() else {}


def _modules() -> list[str]:
    return sorted(info.name for info in pkgutil.iter_modules(data.__path__) if info.name.startswith("lesson_"))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"{data.__name__}.{name}")


def _items(module: ModuleType) -> dict[str, Asked]:
    lesson = module.__name__.rpartition("lesson_")[2]
    found: dict[str, Asked] = {}
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
        _held_by(file)
    return files


_LISTS = ("EXERCISES", "QUIZZES", "PREDICTIONS", "REVEALS")


def _held(module: ModuleType) -> list[Asked]:
    one = [module.EXERCISE] if hasattr(module, "EXERCISE") else []
    return [*one, *(item for name in _LISTS for item in getattr(module, name, []))]


def _held_by(file: ModuleType) -> list[Asked]:
    """What a file of exercises defines; ValueError for one that defines nothing."""
    if held := _held(file):
        return held
    raise ValueError(
        f"{file.__name__} defines neither EXERCISE nor QUIZZES nor PREDICTIONS nor REVEALS; "
        "the name of a file of helpers starts with _"
    )


# -- registered -------------------------------------------------------------------------------------------------------

_ALLOWED = "an Exercise, a Quiz, a Prediction, a Reveal, a list of them, a module, or the path of a .py file or a folder of them"


def _items_of(what: Any) -> list[Asked]:
    if isinstance(what, Asked):
        return [what]
    if isinstance(what, list | tuple):
        return [item for part in what for item in _items_of(part)]
    if isinstance(what, str | Path):
        return [item for file in _loaded(user_path(what)) for item in _items_of(_held_by(file))]
    if isinstance(what, ModuleType):
        held = [item for file in [what, *_files(what)] for item in _held(file)]
        return _items_of(held or _held_by(what))
    raise TypeError(f"register takes {_ALLOWED}, got {type(what).__name__}: {what!r}")


def _loaded(path: Path) -> list[ModuleType]:
    """The modules of a .py file, or of those in a folder, read afresh in the order of their names."""
    full = path.resolve()
    files = sorted(full.glob("[!_]*.py")) if full.is_dir() else [full]
    if not full.exists():
        raise FileNotFoundError(f"register: there is no file or folder {str(path)!r}, seen from {Path.cwd()}")
    if not files:
        raise ValueError(f"register: the folder {str(path)!r} holds no .py file whose name does not start with _")
    if full.is_file() and full.suffix != ".py":
        raise ValueError(f"register: a file of exercises ends in .py, got {str(path)!r}")
    with _helpers(files[0].parent):
        return [_executed(file) for file in files]


def _executed(file: Path) -> ModuleType:
    module = ModuleType(str(file))  # its whole path: a name that no other module has, whatever the file is called
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    except Exception as error:
        error.add_note(f"({file})")
        raise
    return module


@contextlib.contextmanager
def _helpers(folder: Path) -> Iterator[None]:
    """Files of `folder` whose names start with _ can be imported by these names, and no other folder's are taken for them."""
    _FOLDERS.add(folder)
    names = [file.stem for file in folder.glob("_[!_]*.py")]
    for name in names:
        if _home(sys.modules.get(name)) in _FOLDERS:
            del sys.modules[name]
    importlib.invalidate_caches()
    sys.path.append(str(folder))  # behind all others: a file called random.py stands in nobody's way
    try:
        yield
    finally:
        sys.path.remove(str(folder))
    for name in names:
        if name in sys.modules and _home(sys.modules[name]) != folder:
            raise ValueError(f"{folder / name}.py has the name of another module of Python's: rename it")


def _home(module: ModuleType | None) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve().parent if file else None
