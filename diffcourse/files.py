"""Files that are written as a whole or not at all. Without torch: the command line and the progress file use it too."""

import contextlib
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def user_path(path: str | Path) -> Path:
    """The path with ~ expanded; TypeError naming what came, ValueError for an empty one."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"a path must be a string or a Path, got {type(path).__name__}")
    if not os.fspath(path):
        raise ValueError("a path must not be empty, got ''")
    return Path(path).expanduser()


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


def check_writable(path: str | Path) -> None:
    """OSError now, and not after an hour, if the folder of `path` takes no file."""
    with _saying(path):
        path = Path(os.path.realpath(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with _fragment(path) as file:
            pass
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
