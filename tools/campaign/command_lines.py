"""Command lines that are wrong, odd or too large: each ends well or in one sentence, with no traceback and nothing left behind.

They run inside this process. {tiny} is a small denoiser's file, {file} a file, {folder} a folder, {long} a name of 300 letters.
"""

import contextlib
import errno
import functools
import io
import os
import shlex
import tempfile
import weakref
from pathlib import Path
from unittest import mock

from campaign import SENTENCE, Broken, case, check_sentence, holds
from diffcourse import cli

# what is typed: what the sentence must hold
REFUSED = {
    "": "COMMAND",
    "paint": "paint",
    "''": "invalid choice",
    "--yes": "COMMAND",
    "-x sample": "-x",
    "sample sample": "sample",
    "doctor now": "now",
    "doctor --json=yes": "--json",
    "doctor -- x": "x",
    "weights mnist-ddpm": "mnist-ddpm",
    "weights --markdown=1": "--markdown",
    "progress 2": "did you mean 02",
    "progress ''": "lesson",
    "progress 02 03": "03",
    "progress ../02": "lesson",
    "progress 02.q_sample": "lesson",
    f"progress {'x' * 5000}": "lesson",
    "progress 'a\nb'": "lesson",
    "train": "mnist-ddpm",
    "train ''": "mnist-ddpm",
    "train mnist-dppm": "mnist-ddpm",
    "train ../mnist-ddpm": "mnist-ddpm",
    f"train {'x' * 5000}": "mnist-ddpm",
    "train mnist-ddpm mnist-vae": "mnist-vae",
    "train mnist-ddpm --profile": "--profile",
    "train mnist-ddpm --profile ''": "laptop",
    "train mnist-ddpm --profile Smoke": "laptop",
    "train mnist-ddpm --seed one": "--seed",
    "train mnist-ddpm --seed 1.5": "--seed",
    "train mnist-ddpm --seed -1": "--seed",
    "train mnist-ddpm --seed nan": "--seed",
    f"train mnist-ddpm --seed {10**30}": "--seed",
    f"train mnist-ddpm --seed {'9' * 5000}": "--seed",
    "train mnist-ddpm --out ''": "--out",
    "train mnist-ddpm --out ' '": "--out",
    "train mnist-ddpm --out {file}": "cannot write",
    "train mnist-ddpm --out {file}/below": "cannot write",
    "train mnist-ddpm --out {long}": "name too long",
    "train mnist-ddpm --out '~nobody-here/x'": "nobody-here",
    "train mnist-ddpm --out /proc/runs": "cannot write",
    "train mnist-ddpm --out '\udcff'": "UTF-8",
    "train mnist-ddpm --out 'a\0b'": "UTF-8",
    "train --name x": "--name",
    "lab --dir ''": "--dir",
    "lab --dir ' '": "--dir",
    "lab --dir": "--dir",
    "lab --dir {file} --copy-only": "",
    "lab --dir {file}/below --copy-only": "",
    "lab --dir {long} --copy-only": "name too long",
    "lab --dir '~nobody-here' --copy-only": "nobody-here",
    "lab --dir /proc/lessons --copy-only": "",
    "lab --dir 'a\0b' --copy-only": "UTF-8",
    "lab --dir '\ud800' --copy-only": "UTF-8",
    "lab --copy-only --port 9000": "--port",
    "lab here": "here",
    "sample here": "here",
    "sample --digits ''": "--digits",
    "sample --digits 12a": "--digits",
    "sample --digits -1": "--digits",
    "sample --digits 1.5": "--digits",
    "sample --digits ²": "--digits",
    "sample --digits ٣": "--digits",
    "sample --digits ' 1'": "--digits",
    f"sample --digits {'7' * 1001}": "1001",
    "sample --steps 0": "--steps",
    "sample --steps -5": "--steps",
    "sample --steps 1.5": "--steps",
    "sample --steps few": "--steps",
    "sample --steps ''": "--steps",
    "sample --steps nan": "--steps",
    "sample --steps 1e3": "--steps",
    f"sample --steps {'9' * 5000}": "--steps",
    "sample --steps 51 --weights {tiny}": "50",
    f"sample --steps {10**18} --weights {{tiny}}": "50",
    "sample --guidance nan": "--guidance",
    "sample --guidance inf": "--guidance",
    "sample --guidance=-inf": "--guidance",
    "sample --guidance 1e300": "--guidance",
    "sample --guidance=-1e300": "--guidance",
    "sample --guidance 1001": "--guidance",
    "sample --guidance much": "--guidance",
    "sample --guidance ''": "--guidance",
    "sample --guidance 2,5": "--guidance",
    "sample --guidance 0x10": "--guidance",
    "sample --guidance 1+1j": "--guidance",
    "sample --eta 1.5": "--eta",
    "sample --eta=-0.1": "--eta",
    "sample --eta nan": "--eta",
    "sample --eta 1e-400x": "--eta",
    "sample --eta 0.5 --sampler heun": "--eta",
    "sample --seed -1": "--seed",
    "sample --seed 0.5": "--seed",
    "sample --seed now": "--seed",
    f"sample --seed {2**63}": "--seed",
    f"sample --seed {10**40}": "--seed",
    "sample --sampler magic": "dpmpp",
    "sample --sampler ''": "dpmpp",
    "sample --sampler DDIM": "dpmpp",
    "sample --device ''": "--device",
    "sample --device meta": "--device meta",
    "sample --device toaster": "--device toaster",
    "sample --device cuda:99": "--device cuda:99",
    "sample --device cpu:x": "--device cpu:x",
    "sample --device vulkan": "--device vulkan",
    "sample --device xla": "--device xla",
    "sample --device fpga": "--device fpga",
    "sample --device privateuseone": "--device privateuseone",
    "sample --device hpu": "--device hpu",
    "sample --device 0": "--device 0",
    f"sample --device {'x' * 5000}": "--device",
    "sample --out ''": ".png",
    "sample --out x": ".png",
    "sample --out x.gif": ".png",
    "sample --out .png": ".png",
    "sample --out x.png/": ".png",
    "sample --out {file}/x.png": "cannot write",
    "sample --out {folder}.png": "cannot write",
    "sample --out {long}.png": "name too long",
    "sample --out /proc/x.png": "cannot write",
    "sample --out '~nobody-here/x.png'": "nobody-here",
    "sample --out '\udcff.png'": "UTF-8",
    "sample --out 'a\0b.png'": "UTF-8",
    "sample --weights mnist-dppm": "mnist-dppm",
    "sample --weights mnist-classifier": "not a denoiser",
    "sample --weights mnist-reference": "mnist-reference",
    "sample --weights {file}": "weights",
    "sample --weights {folder}": "weights",
    "sample --weights {tiny}x": "tiny",
    "sample --weights 'a\0b'": "UTF-8",
    "sample --negative red": "--prompt",
    "sample --n 3": "--prompt",
    "sample --prompt": "--prompt",
    "sample --prompt red --digits 1": "--digits",
    "sample --prompt red --n 0": "--n",
    "sample --prompt red --n -1": "--n",
    "sample --prompt red --n 1.5": "--n",
    "sample --prompt red --n many": "--n",
    "sample --prompt red --n 1000000000": "--n",
    f"sample --prompt red --n {'9' * 5000}": "--n",
    "sample --prompt red --steps 0": "--steps",
    "sample --prompt red --guidance 1e300": "--guidance",
    "sample --prompt '\ud800'": "UTF-8",
    "sample --prompt red --negative '\udcff'": "UTF-8",
    "sample --prompt red --device meta": "--device meta",
    "sample --prompt red --weights mnist-ddpm": "not a model",
    "sample --prompt red --weights {folder}": "",
    "sample --prompt red --weights {tiny}": "not a model",
}

ENDS_WELL = [
    "--help",
    "--version",
    *(f"{name} --help" for name in ("lab", "doctor", "sample", "score", "train", "progress", "weights")),
    "train --list",
    "train nonsense --list",
    "progress",
    "progress 02",
    "weights",
    "weights --mark",
    "lab --copy-only",
    "lab --copy-only --dir 'my lessons/ü/日本'",
    "lab --copy-only --dir 'it\"s'",
    "lab --copy-only --dir ./a/../b",
    "lab --copy-only -- --port 9000",
    "sample --weights {tiny} --steps 1",
    "sample --weights {tiny} --steps 1 --digits 0000000000000",
    "sample --weights {tiny} --steps 2 --guidance 1000",
    "sample --weights {tiny} --steps 2 --guidance=-1000",
    "sample --weights {tiny} --steps 2 --guidance 0",
    "sample --weights {tiny} --steps 2 --guidance 1e-300",
    "sample --weights {tiny} --steps 2 --guidance -0",
    f"sample --weights {{tiny}} --steps 1 --seed {2**63 - 1}",
    "sample --weights {tiny} --steps 1_0 --seed ' 3 '",
    "sample --weights {tiny} --steps 3 --eta 1 --sampler ddim",
    "sample --weights {tiny} --steps 3 --eta 0",
    "sample --weights {tiny} --steps 1 --sampler lms",
    "sample --weights {tiny} --steps 1 --sampler heun",
    "sample --weights {tiny} --steps 1 --device cpu:0",
    "sample --weights {tiny} --steps 1 --out 'new/folder/ü 日本.PNG'",
    "sample --weights {tiny} --steps 1 --out 'CON.png'",
    "sample --weights {tiny} --steps 1 --out 'a\\b.webp'",
    "sample --weights {tiny} --steps 1 --out 'a\nb.jpg'",
    f"sample --weights {{tiny}} --steps 1 --out {'n' * 200}.png",
    "sample --weights {tiny} --ste 1 --dig 7",
]

ENDS_WELL_SLOWLY = [
    f"sample --weights {{tiny}} --steps 1 --digits {'7' * 300} --out all.webp",
    "sample --prompt red --steps 1 --n 30 --out all.webp",
    "sample --prompt '' --steps 1",
    "sample --prompt '😀 \u202e ﷽' --steps 1",
    "sample --prompt red --negative '' --steps 1 --guidance 1000",
    f"sample --prompt '{'a red seven ' * 200}' --steps 1",
    "doctor",
    "doctor --json",
]


@functools.cache
def tiny() -> str:
    """The file of a denoiser that draws digits nobody can read, quickly; it goes when Python ends."""
    from diffcourse import weights
    from diffcourse.denoiser import Denoiser
    from diffcourse.models import SimpleUNet
    from diffcourse.schedule import DiffusionSchedule

    folder = tempfile.TemporaryDirectory(prefix="diffcourse-campaign-")
    weakref.finalize(cli, folder.cleanup)
    model = Denoiser(SimpleUNet(channels=8, time_dim=16, num_classes=10), DiffusionSchedule.linear(50), "v", null=10)
    return str(weights.save(Path(folder.name, "tiny"), model, {"about": "a test"}))


def run(line: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command line, in this process."""
    (folder / "file").write_text("", encoding="utf-8")
    (folder / "folder.png").mkdir(exist_ok=True)
    places = {"file": "file", "folder": "folder", "long": "l" * 300, "tiny": tiny() if "{tiny}" in line else ""}
    arguments = [word.format(**places) for word in shlex.split(line)]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main(arguments)
    return code, out.getvalue(), err.getvalue()


def refuses(line: str, word: str, folder: Path) -> str:
    """The sentence of a command line that must be refused, without a word on stdout, and leave nothing behind."""
    code, out, err = run(line, folder)
    holds(code in (1, 2), f"exit status {code}, and {out!r:.200}")
    holds(not out, f"something on stdout: {out!r:.200}")
    holds(err.startswith("diffcourse: ") and err.count("\n") == 1, f"not one line: {err!r:.{SENTENCE}}")
    check_sentence(err.strip(), word)
    left = sorted(os.listdir(folder))
    holds(left == ["file", "folder.png"], f"left behind: {left}")
    return err


def _short(line: str) -> str:
    text = line.encode("ascii", "backslashreplace").decode().replace("\0", "\\0").replace("\n", "\\n")
    return text if len(text) <= 70 else f"{text:.60} … ({len(text)})"


def _refused(line: str, word: str) -> None:
    @case(f"refused: {_short(line)}")
    def _(folder: Path) -> None:
        refuses(line, word, folder)


def _ends_well(line: str, slow: bool) -> None:
    @case(f"ends well: {_short(line)}", slow=slow)
    def _(folder: Path) -> None:
        with mock.patch("diffcourse.doctor.HOST", ("127.0.0.1", 9)):
            code, out, err = run(line, folder)
        if code:
            raise Broken(f"exit status {code}: {err}")
        holds(bool(out.strip()), "nothing was said")
        if line.startswith("sample -") and line != "sample --help":
            pictures = [path for path in folder.rglob("*.*") if path.is_file()]
            holds(len(pictures) == 1 and pictures[0].stat().st_size > 100, f"no picture: {pictures}")


for _line, _word in REFUSED.items():
    _refused(_line, _word)
for _line in ENDS_WELL:
    _ends_well(_line, False)
for _line in ENDS_WELL_SLOWLY:
    _ends_well(_line, True)


# -- what can be known before is told before ------------------------------------------------------------------------------


@case("a wrong number and an unwritable --out are told before torch is asked for anything")
def _(folder: Path) -> None:
    for line in ("sample --steps 0", "sample --out {file}/x.png", "sample --prompt red --n 0", "sample --digits x"):
        with mock.patch("diffcourse.weights.load", side_effect=Broken(f"weights were loaded: {line}")):
            refuses(line, "", folder)


@case("a full disk while the picture is written")
def _(folder: Path) -> None:
    tiny()  # written while there was space
    with mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        refuses("sample --weights {tiny} --steps 1", "No space left", folder)


@case("a picture that another program holds open, as Windows does")
def _(folder: Path) -> None:
    tiny()
    with mock.patch("os.replace", side_effect=PermissionError(errno.EACCES, "Access is denied")):
        refuses("sample --weights {tiny} --steps 1", "Access is denied", folder)


@case("memory runs out")
def _(folder: Path) -> None:
    full = (MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"))
    for error in full:
        with mock.patch("diffcourse.samplers.sample", side_effect=error):
            refuses("sample --weights {tiny} --steps 1", "memory", folder)


@case("Ctrl-C while it draws, writes, lists, looks and copies")
def _(folder: Path) -> None:
    for line, where in {
        "sample --weights {tiny} --steps 1": "diffcourse.samplers.sample",
        "sample --weights {tiny} --steps 1 ": "os.fsync",
        "weights": "diffcourse.weights.verify",
        "doctor": "diffcourse.doctor.report",
        "progress": "diffcourse.learn.progress",
        "lab --copy-only --dir here": "os.replace",
        "train mnist-ddpm": "diffcourse.recipes.run",
    }.items():
        with mock.patch(where, side_effect=KeyboardInterrupt), mock.patch("diffcourse.doctor.CHECKS", []):
            code, _, err = run(line, folder)
        holds(code == 130 and err == "diffcourse: stopped\n", f"{line}: {code}, {err!r}")
        left = [path for path in folder.rglob("*") if path.name not in ("file", "folder.png", "here")]
        holds(not left, f"{line} left {left}")


@case("a current folder that is gone")
def _(folder: Path) -> None:
    (folder / "gone").mkdir()
    for line in ("weights", "progress", "sample", "lab --copy-only", "doctor", "train mnist-ddpm"):
        os.chdir(folder / "gone")
        (folder / "gone").rmdir()
        try:
            code, _, err = run(line, folder)
        finally:
            os.chdir(folder)
        holds(code == 2 and "current folder is gone" in err, f"{line}: {code}, {err}")
        (folder / "gone").mkdir()


# -- what is advised ------------------------------------------------------------------------------------------------------


@case("no advice asks an index for a package called diffcourse")
def _(folder: Path) -> None:
    from diffcourse import console

    told = [console.install("course"), console.install("test")]
    with mock.patch("diffcourse.console.__file__", str(folder / "site-packages" / "diffcourse" / "console.py")):
        told += [console.install("course"), console.install("test")]
    with mock.patch("diffcourse.console.find_spec", return_value=None):
        told.append(console.install("course"))
        holds(told[-1].startswith("uv pip install "), told[-1])
    for line in told:
        words = shlex.split(line)
        holds(not any(word.startswith("diffcourse") for word in words), line)
        holds("-e" in words or any(word.startswith(("jupyterlab", "pytest")) for word in words), line)


@case("the reader's shell gets each word quoted")
def _(folder: Path) -> None:
    from diffcourse import console

    words = ["/my own/python", "-e", "it's $HOME[course]", "numpy>=1.26"]
    holds(shlex.split(console.line(*words)) == words, console.line(*words))
    with mock.patch.object(console.os, "name", "nt"):
        told = console.line(r"C:\Users\A B\python.exe", "-m", "numpy>=1.26")
    holds(told == r'"C:\Users\A B\python.exe" -m "numpy>=1.26"', told)


@case("JupyterLab is told to ask nobody for news, and lesson 00's doctor asks nobody")
def _(folder: Path) -> None:
    import socket

    from diffcourse import doctor, lab

    with (
        mock.patch("diffcourse.lab._run", return_value=0) as started,
        mock.patch("os.geteuid", return_value=1, create=True),
    ):
        lab.start(folder)
    holds(set(lab.QUIET) <= set(started.call_args[0][0]), str(started.call_args))
    with (
        mock.patch.object(socket.socket, "connect", side_effect=Broken("somebody was asked")),
        mock.patch("socket.getaddrinfo", side_effect=Broken("somebody was asked")),
        mock.patch.object(doctor, "CHECKS", [check for check in doctor.CHECKS if check is not doctor.speed]),
    ):
        found = doctor.examine()
    holds(not [f for f in found if f.name == "network"], str(found))


@case("the doctor where folders cannot be read makes every check")
def _(folder: Path) -> None:
    from diffcourse import doctor

    def closed(path: Path, *_: object, **__: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    os.environ["DIFFCOURSE_HOME"] = str(folder / "closed" / "home")
    with mock.patch.object(Path, "exists", closed), mock.patch.object(Path, "stat", closed):
        found = [*doctor._safely(doctor.disk), *doctor._safely(doctor.folders)]
    holds(not [f for f in found if "could not be made" in f.text], str(found))


@case("without the tests' packages the doctor has one line about them, and no problem")
def _(folder: Path) -> None:
    from diffcourse import doctor

    wanted = [f'{name}-not-here>=1; extra == "test"' for name in "abcdefg"]
    with mock.patch.object(doctor, "requirements", lambda: wanted):
        told = doctor.packages()
    notes = [f for f in told if f.status != "ok"]
    holds(len(notes) == 1 and notes[0].status == "note" and notes[0].text.count("not-here") == 7, str(told))
