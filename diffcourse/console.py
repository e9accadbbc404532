"""What a command line says and how it ends: an exit code and at most a sentence, whatever its output is connected to."""

import contextlib
import errno
import os
import re
import shlex
import sys
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

LONGEST = 600  # characters of a sentence: a longer one loses its middle


def run(command: Callable[[], int]) -> int:
    """The exit code of `command`, or of how it ended: 1 not possible here, 2 wrong arguments, 130 stopped with Ctrl-C.

    What a reader can mend is one sentence on stderr; another exception is a bug and passes.
    """
    try:
        _prepare()
        code = command()
    except SystemExit as stop:  # argparse has said what is wrong, or printed its help
        code = int(stop.code or 0)
    except KeyboardInterrupt:
        code = fail("stopped", 130)
    except BrokenPipeError:  # the reader of our output is gone: `... | head`
        code = 0
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, ValueError) as error:
        code = fail(error, 2)
    except (OSError, FloatingPointError) as error:
        code = fail(error, 1)
    except ImportError as error:
        more = " (`python -m diffcourse doctor` says what is missing)" if error.name else ""
        code = fail(f"{error}{more}", 1)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not re.search("out of memory|alloc.* memory", str(error)):
            raise
        code = fail("there is not enough memory for this: ask for less at once, or close other programs", 1)
    return _flushed(code)


def fail(problem: object, code: int) -> int:
    """One sentence on stderr; returns the exit code."""
    if isinstance(problem, OSError) and problem.strerror:
        problem = f"{problem.strerror}: {problem.filename}" if problem.filename else problem.strerror
    text = " ".join(str(problem).split("\n"))
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed, or full
        print(f"diffcourse: {text}", file=sys.stderr)
    return code


def say(text: str) -> None:
    """print, but a letter that the output cannot show becomes "?"."""
    try:
        print(text)
    except UnicodeEncodeError:
        encoding = sys.stdout.encoding
        print(text.encode(encoding, "replace").decode(encoding))


def line(*words: str) -> str:
    """The words as one line for the reader's shell, each quoted where it must be."""
    if os.name == "posix":
        return shlex.join(words)
    return " ".join(word if re.fullmatch(r"[\w.:\\/=-]+", word) else f'"{word}"' for word in words)


def pip(*words: str) -> str:
    """The command that installs into this environment; of an environment that uv made, without pip, it is uv's."""
    installer = [sys.executable, "-m", "pip", "install"]
    return line(*(installer if find_spec("pip") else ["uv", "pip", "install", "--python", sys.executable]), *words)


def install(extra: str) -> str:
    """The command that installs what an extra of this very diffcourse names; no index is asked for anything called diffcourse."""
    checkout = Path(__file__).resolve().parents[1]
    if (checkout / "pyproject.toml").is_file() and (checkout / "notebooks").is_dir():
        return pip("-e", f"{checkout}[{extra}]")
    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in metadata.requires("diffcourse") or []]
    return pip(*(f"{r.name}{r.specifier}" for r in needed if r.marker and r.marker.evaluate({"extra": extra})))


def _prepare() -> None:
    """A closed stream takes everything and says nothing; an output that cannot show "é" shows "?"."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  open until Python ends
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _flushed(code: int) -> int:
    """The exit code once all that was said is out. A pipe whose reader is gone is no failure, a full disk is."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            gone = (
                isinstance(error, BrokenPipeError) or getattr(error, "errno", 0) == errno.EINVAL
            )  # Windows' name for it
            code = code if gone else code or fail(error, 1)
            with contextlib.suppress(OSError, ValueError):  # else Python tries again as it ends, and complains
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, stream.fileno())
                os.close(null)
    return code
