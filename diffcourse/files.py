"""Files that are written as a whole or not at all. Without torch: the command line and the progress file use it too."""

import contextlib
import errno
import json
import os
import re
import secrets
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


_STARTED = Path(os.path.abspath(os.sep))
with contextlib.suppress(OSError):  # the current folder may have been deleted
    _STARTED = Path.cwd()


def user_path(path: str | Path) -> Path:
    """The path that a reader names, with ~ expanded. TypeError for what is no path; ValueError for an empty one and an unknown ~."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a Path, got {type(path).__name__} {path!r:.60}")
    text = os.fspath(path)
    if not isinstance(text, str) or not text.strip() or "\0" in text or len(text) > 4096:
        raise ValueError(f"path must name a file or a folder, got {text!r:.60}")
    expanded = Path(os.path.expanduser(text))
    if expanded.parts[:1] and text[0] == "~" == expanded.parts[0][0]:
        raise ValueError(f"nobody's home folder is known as {expanded.parts[0]!r}: give the whole path, or ./{text}")
    return expanded


def named_by(variable: str) -> Path | None:
    """The folder that an environment variable names, absolute, with ~ expanded; a relative one counts from where Python was started.

    None, with a warning, where it begins with the ~ of somebody who is not known here.
    """
    named = os.environ.get(variable, "")
    if not named.strip():
        return None
    try:
        return _STARTED / user_path(named)
    except ValueError as error:
        warnings.warn(f"{variable} is not used: {error}", stacklevel=2)
        return None


def home() -> Path | None:
    """`$DIFFCOURSE_HOME`, where progress and caches lie; None if it is not set, and the platform's own folders serve."""
    return named_by("DIFFCOURSE_HOME")


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Any]:
    """A binary file that becomes `path` when the block ends well; otherwise nothing changes and nothing is left behind.

    A link stays one: what it points to is replaced. What writers left who were killed (.NAME.….part) goes at the next write.
    """
    with _saying(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        file = _fragment(path)
        try:
            with file:
                yield file
                file.flush()
                os.fsync(file.fileno())
                if not fcntl:  # Windows renames nothing that is open; elsewhere a sweeper must not come between
                    file.close()
                os.replace(file.name, path)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(file.name)


@contextlib.contextmanager
def _saying(path: str | Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(
            error.errno, f"cannot write {str(path)!r} ({error.strerror or error}); nothing was changed"
        ) from error


def _beginning(path: Path) -> str:
    """How the names of a file's fragments begin; of a long name the first 100 bytes, for a system takes no more than 255 in all."""
    return f".{os.fsencode(path.name)[:100].decode(errors='ignore')}."


def _fragment(path: Path) -> BinaryIO:
    """A new file beside `path`, locked as long as it is open."""
    while True:
        file = open(path.with_name(f"{_beginning(path)}{secrets.token_hex(4)}.part"), "xb")  # noqa: SIM115
        with contextlib.suppress(OSError):  # a file system without locks
            if fcntl:
                fcntl.flock(file, fcntl.LOCK_EX)
        if os.path.exists(file.name):  # else a sweeper came before the lock
            return file
        file.close()


def _sweep(path: Path) -> None:
    """Remove the fragments of `path` that nobody writes any more."""
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            begins = _beginning(path)
            if (
                entry.name.startswith(begins)
                and entry.name.endswith(".part")
                and len(entry.name) > len(begins + ".part")
            ):
                with contextlib.suppress(OSError), contextlib.ExitStack() as held:
                    if fcntl:  # raises where its writer holds it; Windows itself keeps what is open
                        fcntl.flock(held.enter_context(open(entry.path, "rb")), fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(entry.path)


def not_finite(tensors: Mapping[str, Any]) -> list[str]:
    """The names of those tensors that hold nan or infinity: they are not to be stored."""
    return [n for n, t in tensors.items() if (t.is_floating_point() or t.is_complex()) and not bool(t.isfinite().all())]


@contextlib.contextmanager
def new_folder(folder: Path, last: str) -> Iterator[Path]:
    """An empty folder beside `folder`, whose files are moved into it when the block ends well; otherwise nothing changes.

    The file `last` says that all are there: an old one goes first, and the new one comes last.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as name:
            new = Path(name)
            yield new
            (folder / last).unlink(missing_ok=True)
            for file in sorted((f for f in new.rglob("*") if f.is_file()), key=lambda f: f == new / last):
                target = folder / file.relative_to(new)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(file, target)
    except OSError as error:
        raise OSError(error.errno, f"cannot write {str(folder)!r} ({error.strerror or error})") from error


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


def as_json(content: Any) -> bytes:
    """As `write_json` writes it; TypeError or ValueError for what JSON does not know."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    text = re.sub(
        r"\[[^][{}\"]*\]", lambda numbers: " ".join(numbers[0].split()), text
    )  # a list of numbers on one line
    return (text + "\n").encode()


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON as a whole or not at all."""
    text = as_json(content)
    with atomic_write(path) as file:
        file.write(text)
