"""Platforms that read text as something else than UTF-8, as Windows does, and outputs that cannot show every letter."""

import contextlib
import functools
import io
import json
import os
import re
import shutil
import subprocess
import tempfile
import weakref
from pathlib import Path

from campaign import ROOT, case, cli, holds, python
from diffcourse.cli import main
from diffcourse.learn import check, exercises, expect
from diffcourse.learn.__main__ import main as learn

CONSOLES = ("ascii", "cp1252", "cp437", "cp932", "latin-1")


def _case_of_each_console(name: str, attempt) -> None:
    for encoding in CONSOLES:

        @case(f"{name}, on a console of {encoding}")
        def _(folder: Path, encoding: str = encoding) -> None:
            said = io.TextIOWrapper(io.BytesIO(), encoding, errors="strict")
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                attempt()
                said.flush()
            holds(b"Traceback" not in said.buffer.getvalue() and len(said.buffer.getvalue()) > 20, "nothing was said")


def _all(*lines: str) -> None:
    for line in lines:
        code = main(line.split())
        holds(code == 0, f"{line}: {code}")


_case_of_each_console("weights and progress", lambda: _all("weights", "weights --markdown", "progress", "progress 02"))
_case_of_each_console("an error that quotes what it cannot show", lambda: main(["progress", "Größe ᾱ ✓"]))
_case_of_each_console(
    "stubs and solutions",
    lambda: [learn([what, name]) for what in ("stub", "solution") for name in list(exercises())[:20]],
)
_case_of_each_console("an answer that is checked", lambda: check("02.q_sample", lambda *_: "ᾱ"))
_case_of_each_console("a number beside ours", lambda: expect("ᾱ at the end", 1.0, 1.0, 0.1))
_case_of_each_console("every help", lambda: _all("--help", "sample --help", "train --help", "train --list"))


# -- a platform whose own encoding is CP1252 -----------------------------------------------------------------------------


@functools.cache
def _locale() -> str | None:
    """A folder with the locale en_US.CP1252; None where it cannot be made, as on Windows, which is the real thing."""
    folder = tempfile.TemporaryDirectory(prefix="diffcourse-locale-")
    weakref.finalize(python, folder.cleanup)
    command = ["localedef", "-c", "-i", "en_US", "-f", "CP1252", f"{folder.name}/en_US.CP1252"]
    if shutil.which("localedef"):
        subprocess.run(command, capture_output=True, check=False)
    return folder.name if os.listdir(folder.name) else None


def _cp1252() -> dict[str, str]:
    if place := _locale():
        return {**os.environ, "LOCPATH": place, "LC_ALL": "en_US.CP1252", "PYTHONUTF8": "0"}
    return {**os.environ, "PYTHONUTF8": "0"}


@case("the platform of these cases is what it is called", slow=True)
def _(folder: Path) -> None:
    told = python("-c", "import locale; print(locale.getpreferredencoding())", env=_cp1252()).stdout.strip()
    holds(_locale() is None or told.upper() == "CP1252", told)


for _line in (
    "weights",
    "weights --markdown",
    "doctor",
    "progress 02",
    "train --list",
    "lab --copy-only",
    "sample --steps 2",
    "sample --prompt seven --steps 2 --out ü.png",
):

    @case(f"{_line}, where the platform reads CP1252", slow=True)
    def _(folder: Path, line: str = _line) -> None:
        cli(*line.split(), code=0, env=_cp1252(), errors="replace")


for _line in ("audit 02.q_sample", "solution 02.q_sample", "stub 02.posterior"):

    @case(f"learn {_line}, where the platform reads CP1252", slow=True)
    def _(folder: Path, line: str = _line) -> None:
        python("-m", "diffcourse.learn", *line.split(), code=0, env=_cp1252(), errors="replace")


@case("the first cells of lesson 00, where the platform reads CP1252", slow=True)
def _(folder: Path) -> None:
    cells = json.loads((ROOT / "notebooks" / "00_start_here.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"][:5]
    text = "\n".join(re.sub(r"^\s*[%!].*", "", cell, flags=re.M) for cell in code)
    (folder / "cells.py").write_text(f"{text}\nprint('the end')\n", encoding="utf-8")
    environment = {**_cp1252(), "MPLBACKEND": "Agg", "DIFFCOURSE_PROFILE": "smoke"}
    done = python("cells.py", code=0, env=environment, errors="replace")
    holds("the end" in done.stdout, done.stdout[-300:])


@case("progress written on one platform is read on the other", slow=True)
def _(folder: Path) -> None:
    code = "from diffcourse.learn import check; check('00b.score', lambda *a: 'ᾱ')"
    for environment in (_cp1252(), {**os.environ, "PYTHONUTF8": "1"}, _cp1252()):
        python("-c", code, code=0, env=environment, errors="replace")
    files = list(Path(os.environ["DIFFCOURSE_HOME"]).glob("progress*.json"))
    holds(len(files) == 1, str(files))


# -- Python's own warning finds what the cases above do not come by ------------------------------------------------------

WARNED = """
import sys, warnings
warnings.filterwarnings("error", category=EncodingWarning, module="diffcourse")
assert sys.flags.warn_default_encoding
from diffcourse.cli import main
from diffcourse.learn.__main__ import main as learn
for line in sys.argv[1:]:
    code = main(line.split())
    assert code == 0, (line, code)
assert learn(["audit", "00"]) == 0
"""


@case("no text is opened in the platform's encoding", slow=True)
def _(folder: Path) -> None:
    lines = ["weights", "progress", "doctor", "lab --copy-only", "lab --copy-only", "sample --prompt seven --steps 2"]
    python("-X", "warn_default_encoding", "-c", WARNED, *lines, code=0)
