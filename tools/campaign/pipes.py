"""Outputs that are closed, full or read by nobody, no input, and Ctrl-C at any moment."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from campaign import Broken, case, cli, holds, python

COMMANDS = ("--help", "weights", "progress", "train --list", "lab --copy-only", "sample --steps 2")
ANSWERS = {0, 1, 2}


def shell(line: str) -> subprocess.CompletedProcess:
    """A line of bash in which `diffcourse` is the command; its exit status is that of the first that fails."""
    script = f'diffcourse() {{ "{sys.executable}" -m diffcourse "$@"; }}\nset -o pipefail\n{line}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, encoding="utf-8", timeout=120)
    for bad in ("Traceback", "Exception ignored", "BrokenPipeError"):
        if bad in done.stdout + done.stderr:
            raise Broken(f"{line}: {(done.stdout + done.stderr)[-400:]}")
    return done


for _line in COMMANDS:

    @case(f"{_line} | head -1", slow=True)
    def _(folder: Path, line: str = _line) -> None:
        done = shell(f"diffcourse {line} | head -1")
        holds(done.returncode == 0 and done.stdout.count("\n") == 1, f"{done.returncode}: {done.stderr}")

    @case(f"{_line} with stdout closed", slow=True)
    def _(folder: Path, line: str = _line) -> None:
        done = shell(f"diffcourse {line} >&-")
        holds(done.returncode == 0 and not done.stderr, f"{done.returncode}: {done.stderr}")


for _line in ("--help", "weights", "progress", "train --list"):

    @case(f"{_line} with stdout full", slow=True)
    def _(folder: Path, line: str = _line) -> None:
        if not os.path.exists("/dev/full"):
            return
        done = shell(f"diffcourse {line} > /dev/full")
        holds(done.returncode == 1 and done.stderr.count("\n") == 1, f"{done.returncode}: {done.stderr}")
        holds("No space left" in done.stderr, done.stderr)


for _name, _where in {
    "stderr closed": "2>&-",
    "stderr full": "2> /dev/full",
    "both closed": ">&- 2>&-",
    "all three closed": "<&- >&- 2>&-",
    "stdin closed": "<&-",
    "a stdout that is open for reading only": "1< /dev/null",
}.items():

    @case(f"an error and an answer with {_name}", slow=True)
    def _(folder: Path, where: str = _where) -> None:
        holds(shell(f"diffcourse sample --steps 0 {where}").returncode == 2, "an error")
        holds(shell(f"diffcourse progress {where}").returncode in (0, 1), "an answer")


@case("a picture with all three closed is the same picture", slow=True)
def _(folder: Path) -> None:
    shell("diffcourse sample --steps 2 --out a.png; diffcourse sample --steps 2 --out b.png <&- >&- 2>&-")
    holds((folder / "a.png").read_bytes() == (folder / "b.png").read_bytes(), "another picture")


for _name in ("C", "POSIX", "C.UTF-8", "no_SUCH.locale"):

    @case(f"weights and progress where the locale is {_name}", slow=True)
    def _(folder: Path, name: str = _name) -> None:
        environment = {**os.environ, "LC_ALL": name}
        cli("progress", code=0, env={**environment, "PYTHONIOENCODING": "ascii"})
        cli("weights", code=0, env={**environment, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})


@case("learn without a stdout, and into a pipe that nobody reads", slow=True)
def _(folder: Path) -> None:
    program = f'"{sys.executable}" -m diffcourse.learn'
    holds(shell(f"{program} solution 02.q_sample >&-").returncode == 0, "closed")
    holds(shell(f"{program} stub 02.q_sample | true").returncode == 0, "nobody reads")
    holds(shell(f"{program} stub 02.no_such 2>&-").returncode == 2, "no stderr")


# -- Ctrl-C --------------------------------------------------------------------------------------------------------------


START = "import sys; from diffcourse.cli import main; print('here', flush=True); sys.exit(main())"


def interrupted(line: str, seconds: float) -> tuple[int, str]:
    """Exit status and stderr of a command that gets Ctrl-C so long after its first line ran: before, Python itself answers."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.readline()
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=100)
    told = (out + err).decode("utf-8", "replace")
    if "Traceback" in told or "Exception ignored" in told:
        raise Broken(f"{line} after {seconds:.2f} s: …{told[-500:]}")
    return process.returncode, err.decode("utf-8", "replace")


for _line in (
    "weights",
    "progress",
    "doctor",
    "sample --steps 900",
    "sample --prompt seven --steps 900",
    "lab --copy-only",
):

    @case(f"Ctrl-C at four moments of {_line}", slow=True)
    def _(folder: Path, line: str = _line) -> None:
        if os.name != "posix":
            return
        moments = random.Random(line)
        for _ in range(4):
            code, err = interrupted(line, moments.uniform(0.01, 4))
            holds((code, err) in {(130, "diffcourse: stopped\n"), (0, "")}, f"{code}: {err}")
        left = [path.name for path in folder.rglob("*.part")]
        holds(not left, f"left behind: {left}")


@case("Ctrl-C in a training", slow=True)
def _(folder: Path) -> None:
    if os.name != "posix":
        return
    code, err = interrupted("train mnist-classifier --profile laptop --out runs", 8)
    holds(code == 130 and "diffcourse: stopped" in err, f"{code}: {err}")
    left = [path.name for path in folder.rglob("*.part")]
    holds(not left, f"left behind: {left}")


@case("no input: nothing waits for an answer", slow=True)
def _(folder: Path) -> None:
    for line in ("weights", "train", "lab --copy-only"):
        done = cli(*line.split(), stdin=subprocess.DEVNULL, seconds=60)
        holds(done.returncode in ANSWERS, str(done.returncode))


# -- another platform, as far as it can be had here ------------------------------------------------------------------------

BARE = """
import os, signal, sys
for name in ("SIGALRM", "setitimer", "alarm", "pthread_kill"):
    if hasattr(signal, name): delattr(signal, name)
for name in ("fork", "geteuid", "sched_getaffinity"):
    if hasattr(os, name): delattr(os, name)
sys.modules["fcntl"] = None
import importlib, pkgutil, diffcourse
for found in pkgutil.walk_packages(diffcourse.__path__, "diffcourse."):
    if not found.name.endswith("__main__"): importlib.import_module(found.name)
del sys.modules["fcntl"]  # what locks asks for the platform first, and then imports it
from diffcourse.cli import main
for line in ("weights", "progress", "doctor", "lab --copy-only", "sample --steps 2"):
    assert main(line.split()) == 0, line
from diffcourse.learn import check
check("02.q_sample", lambda *_: 1)
"""


@case("a Python without what only POSIX has: no fork, no alarm, no fcntl", slow=True)
def _(folder: Path) -> None:
    python("-c", BARE, code=0)
