"""Files that are written as a whole or not at all. Without torch: the command line and the progress file use it too."""

import contextlib
import errno
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def user_path(path: str | Path) -> Path:
    """The path that a reader names, with ~ expanded. TypeError for what is no path; ValueError for an empty one and an unknown ~."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"a path must be a str or a Path, got {type(path).__name__} {path!r:.60}")
    text = os.fspath(path)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValueError(f"a path must name a file or folder, got {text!r:.60}")
    expanded = Path(os.path.expanduser(text))
    if expanded.parts[:1] and text[0] == "~" == expanded.parts[0][0]:
        raise ValueError(f"nobody's home folder is known as {expanded.parts[0]!r}: give the whole path, or ./{text}")
    return expanded


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Any]:
    """A binary file that becomes `path` when the block ends well; otherwise nothing changes and nothing is left behind."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {str(path)!r} ({error.strerror or error}); nothing was changed"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def check_writable(path: str | Path) -> None:
    """OSError if no file could be written there: told before the work whose result goes into it. Nothing is changed."""
    path = Path(path)
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, "cannot write a file where a folder is", str(path))
    above = next(folder for folder in path.absolute().parents if os.path.lexists(folder))
    try:
        path.exists()  # a name that is too long
        with tempfile.TemporaryFile(dir=above):
            pass
    except OSError as error:
        raise type(error)(error.errno, f"cannot write ({error.strerror})", str(path)) from error


def lessons() -> Path:
    """The folder of the lessons: inside an installed package, or `notebooks` beside it in a checkout. FileNotFoundError without any."""
    package = Path(__file__).resolve().parent
    for folder in (package / "lessons", package.parent / "notebooks"):
        if any(folder.glob("*.ipynb")):
            return folder
    raise FileNotFoundError(
        f"no lessons in {package / 'lessons'} nor in {package.parent / 'notebooks'}: install diffcourse again"
    )


def benchmark(name: str) -> dict[str, Any]:
    """A measured table of the course, benchmarks/NAME.json: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    folders = (package / "benchmarks", package.parent / "benchmarks")
    for folder in folders:
        if (folder / f"{name}.json").is_file():
            return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    known = sorted({path.stem for folder in folders for path in folder.glob("*.json")})
    raise FileNotFoundError(f"no table {name!r}; there are {', '.join(known)}")


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON as a whole or not at all."""
    with atomic_write(path) as file:
        text = json.dumps(content, indent=1, ensure_ascii=False)
        text = re.sub(
            r"\[[^][{}\"]*\]", lambda numbers: " ".join(numbers[0].split()), text
        )  # a list of numbers on one line
        file.write((text + "\n").encode())
