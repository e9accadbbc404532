"""The lessons in a folder of the reader's own: copied there, brought up to date, never overwritten once she changed them."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from itertools import count, islice
from pathlib import Path

from diffcourse import console, handout
from diffcourse.files import atomic_write, lessons, named_by, user_path

FIRST = "00_start_here.ipynb"
MANIFEST = ".diffcourse.json"  # {file: SHA-256 of the version that was last handed out, CELLS: {file: {cell: digest}}}
CELLS = ":cells"  # of the version that the file in its place grew from
HOMES = ("DIFFCOURSE_HOME", "DIFFCOURSE_DATA")
OWN = Path(sys.prefix, "share", "jupyter")
STILLS = "--ServerApp.jpserver_extensions={'diffcourse.stills': True}"  # also where it was installed before it had them
QUIET = ("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None")  # asks nobody


def copy(target: str | Path, source: Path | None = None, *, outputs: bool = False, news: bool = False) -> list[str]:
    """Bring the lessons of `source` into the folder `target`; returns what a reader should know, one sentence each.

    They are handed out as before their first run; with `outputs`, with what their cells showed. A file that is still as it was handed
    out is updated. One that differs, if only because it was run and saved, is hers: it is kept, and a new version of the lesson lies
    beside it as NAME.new.ipynb. Each version is offered once. With `news` it is told what is new in each lesson.
    """
    source, target = source or lessons(), user_path(target)
    if target.resolve() == source.resolve():
        return [f"{target} is where the lessons come from: nothing to copy."]
    if source.resolve() in target.resolve().parents:
        raise ValueError(
            f"the folder for your lessons must not lie in {source}, where they come from, got {str(target)!r}"
        )
    target.mkdir(parents=True, exist_ok=True)
    given, grown = _read_manifest(target)
    new, updated, kept, told_news = [], [], [], []
    for path in sorted(source.rglob("*")):
        name = path.relative_to(source)
        if path.is_dir() or any(part.startswith((".", "__")) for part in name.parts):
            continue
        content = path.read_bytes() if outputs else handout.without_outputs(path.read_bytes())
        here, key, version, cells = target / name, name.as_posix(), _sha256(content), handout.cells(content)
        digests = {cell: each.digest for cell, each in cells.items()}
        if in_the_way := next((p for p in here.parents if p.exists() and not p.is_dir()), None):
            kept.append(f"{key} was not copied: your file {in_the_way} stands where its folder should be.")
            continue
        found, yours = _found(here), handout.cells(_content(here))
        lines = handout.news(cells, yours, grown.get(key)) if yours else []
        only_outputs = grown.get(key) == digests != {}
        if found is None:
            _write(here, content)
            new.append(key)
        elif found == given.get(key) != version:
            _write(here, content)
            updated.append(key)
        elif found != version and given.get(key) != version and not only_outputs:
            beside = _beside(here, content, given, target)
            _write(beside, content)
            yours_is = f"Kept your folder {key}" if here.is_dir() else f"Kept your {key}, which you have changed"
            kept.append(f"{yours_is}; the new version of the lesson lies beside it as {beside.name}.")
        if lines:
            lies = next((f" (see {p.name})" for p in islice(_places(here), 9) if _found(p) == version), "")
            mixed = "" if key in grown or found == given.get(key) else "; what you changed counts too"
            told_news.append("\n  ".join([f"What is new in {key}{lies}, by its headings{mixed}:", *lines]))
        given[key] = version
        if digests and (_found(here) == version or (yours and not lines)):  # all that is new is there
            grown[key] = digests
    manifest = target / MANIFEST
    if manifest.is_dir():
        kept.append(f"{manifest} is a folder, where a file should note which lessons you have: move it elsewhere.")
    else:
        _write(manifest, (json.dumps({**given, CELLS: grown}, indent=1) + "\n").encode())
    told = [f"{_lessons(new)} copied to {target}."] if new else []
    told += [f"Brought up to date: {', '.join(updated)}."] if updated else []
    told += [*kept, *(told_news if news else [])]
    return told or [f"The lessons in {target} are up to date."]


def start(folder: str | Path, *, browser: bool = True, arguments: Sequence[str] = ()) -> int:
    """JupyterLab in `folder`, with this interpreter for server and notebooks, opening the first lesson; its exit code."""
    if find_spec("jupyterlab") is None or find_spec("ipykernel") is None:
        raise ModuleNotFoundError(f"JupyterLab is not installed in this environment: {console.install('course')}")
    if getattr(os, "geteuid", lambda: 1)() == 0 and "--allow-root" not in arguments:
        raise PermissionError(
            "JupyterLab does not like to run as root: use another user, or add -- --allow-root if this machine is only yours"
        )
    folder = user_path(folder).resolve()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder}", STILLS, *QUIET]
    command += [f"--LabApp.default_url=/lab/tree/{FIRST}"] if (folder / FIRST).exists() else []
    command += ([] if browser else ["--no-browser"]) + list(arguments)
    return _run(command, _environment())


def kernel_python() -> str:
    """The interpreter that runs a notebook whose kernel is called python3, when JupyterLab is started from this environment."""
    from jupyter_client.kernelspec import KernelSpecManager

    first = KernelSpecManager().get_kernel_spec("python3").argv[0]
    known = {"python", f"python{sys.version_info[0]}", f"python{sys.version_info[0]}.{sys.version_info[1]}"}
    return (
        sys.executable if first in known else first
    )  # jupyter_client puts its own interpreter in place of a bare name


def same_environment(python: str) -> bool:
    """Does this interpreter belong to the environment that runs now? Asked of it: virtual environments share the file behind the link."""
    if python == sys.executable:
        return True
    ask = [python, "-c", "import sys; print(sys.prefix)"]
    try:
        answer = subprocess.run(
            ask,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=20,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0 and Path(answer.stdout.strip()).resolve() == Path(sys.prefix).resolve()


def has_own_kernel() -> bool:
    """Does this environment hold a kernel python3, whether or not another one hides it?"""
    return (OWN / "kernels" / "python3" / "kernel.json").is_file()


def _environment() -> dict[str, str]:
    """The environment variables for JupyterLab: where another kernel hides this environment's python3, ours is put first."""
    named = {variable: str(named_by(variable)) for variable in HOMES if named_by(variable)}
    environment = {**os.environ, **named}  # absolute: kernels start in another folder
    if has_own_kernel() and not same_environment(kernel_python()):
        others = os.environ.get("JUPYTER_PATH")
        environment["JUPYTER_PATH"] = os.pathsep.join([str(OWN), *([others] if others else [])])
    return environment


def _run(command: list[str], environment: dict[str, str]) -> int:
    sys.stdout.flush()
    if os.name == "posix":  # JupyterLab takes this process over, and with it Ctrl-C and every other signal
        os.execve(command[0], command, environment)
    process = subprocess.Popen(command, env=environment)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:  # JupyterLab heard it too, and asks
            continue


def _read_manifest(target: Path) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """What was handed out before, and the cells from which each file grew. Without a readable manifest all that differs is the reader's."""
    try:
        given = json.loads((target / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}, {}
    given = given if isinstance(given, dict) else {}
    grown = given.get(CELLS)
    grown = {k: v for k, v in grown.items() if isinstance(v, dict)} if isinstance(grown, dict) else {}
    return {name: version for name, version in given.items() if isinstance(version, str)}, grown


def _beside(here: Path, content: bytes, given: dict[str, str], target: Path) -> Path:
    """NAME.new.ipynb, or NAME.new2.ipynb, …: the first that is not there, already holds `content`, or was left as it was."""
    version = _sha256(content)
    keyed = ((path, path.relative_to(target).as_posix()) for path in _places(here))
    beside, key = next((path, key) for path, key in keyed if _found(path) in (None, version, given.get(key)))
    given[key] = version
    return beside


def _places(here: Path) -> Iterator[Path]:
    """Where versions lie beside a file: NAME.new.ipynb, NAME.new2.ipynb, …"""
    return (here.with_name(f"{here.stem}.new{n if n > 1 else ''}{here.suffix}") for n in count(1))


def _found(path: Path) -> str | None:
    """The SHA-256 of the file; None if there is none, "" if something else is there, or it cannot be read."""
    try:
        return _sha256(path.read_bytes()) if path.is_file() else "" if os.path.lexists(path) else None
    except OSError:
        return ""


def _content(path: Path) -> bytes:
    """What is in the file; nothing if there is none, or it cannot be read."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


def _write(path: Path, content: bytes) -> None:
    with atomic_write(os.path.realpath(path)) as file:  # a link stays one
        file.write(content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _lessons(files: list[str]) -> str:
    number = sum(name.endswith(".ipynb") for name in files)
    return f"{number} lesson{'' if number == 1 else 's'}"
