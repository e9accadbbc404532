"""Odd homes, folders and paths: one place for all of it, nothing elsewhere, and a sentence where that cannot be."""

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from campaign import ROOT, Broken, case, check_sentence, cli, holds, python, refused
from diffcourse import cli as commands
from diffcourse import data, doctor, files, lab, learn, plot
from diffcourse.learn import record

ODD = {
    "umlauts": "Übungen für Ärzte",
    "Chinese": "练习 第一",
    "blanks": " a  b ",
    "quotes": 'it\'s "mine"',
    "a dollar and a star": "$HOME * ?",
    "a tab": "a\tb",
    "brackets": "[0-9] {a,b}",
    "200 letters": "x" * 200,
    "40 folders deep": "/".join(["deep"] * 40),
    "a tilde inside": "a~b",
    "a dash first": "-rf",
    "a percent": "100%20",
}


def _cli(*arguments: str, code: int = 0) -> str:
    """A command in this process: its exit code is checked, what it said returned."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        came = commands.main(list(arguments))
    if came != code:
        raise Broken(f"exit code {came} instead of {code}: {(out.getvalue() + err.getvalue())[-300:]}")
    if code:
        check_sentence(err.getvalue())
        holds(err.getvalue().count("\n") == 1, "more than one line")
    return out.getvalue() + err.getvalue()


def _written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock")


def _goes_to(home: Path, folder: Path) -> None:
    """Progress, cache and doctor all mean this home, and nothing is written elsewhere."""
    holds(
        record.folder() == home and data.cache_folder() == home / "cache", f"{record.folder()}, {data.cache_folder()}"
    )
    found = [f.text for f in doctor.folders()]
    holds(any(str(home) in text for text in found) or any("cannot" in text for text in found), str(found))
    with mock.patch.object(record, "STORE", record.Store()):
        record.attempted("00.to_minus_one_one", right=True)
        _cli("progress")
    holds(_written(folder) == [(home / "progress.json").relative_to(folder).as_posix()], f"{_written(folder)}")


for _name, _odd in ODD.items():

    @case(f"a home of {_name}")
    def _(folder: Path, odd: str = _odd) -> None:
        os.environ["DIFFCOURSE_HOME"] = str(folder / odd)
        _goes_to(folder / odd, folder)

    @case(f"lessons in a folder of {_name}")
    def _(folder: Path, odd: str = _odd) -> None:
        told = _cli("lab", "--copy-only", f"--dir={odd}")
        holds("copied to" in told and (folder / odd / lab.FIRST).is_file(), told)
        holds("up to date" in _cli("lab", "--copy-only", f"--dir={folder / odd}"), "not up to date at once")

    @case(f"a picture in a folder of {_name}")
    def _(folder: Path, odd: str = _odd) -> None:
        plot.save(-torch.ones(2, 1, 4, 4), f"{odd}/a.png")
        plot.save(-torch.ones(2, 1, 4, 4), folder / odd / "b.png")
        holds(len(data.image_folder(odd, size=4, channels=1)) == 2, "they are not read")


# -- ~ and relative ones -------------------------------------------------------------------------------------------------------


def _at_home(folder: Path) -> None:
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(folder)


for _form in ("~/mine", "~//mine", "~/mine/"):

    @case(f"DIFFCOURSE_HOME={_form}")
    def _(folder: Path, form: str = _form) -> None:
        _at_home(folder)
        os.environ["DIFFCOURSE_HOME"] = form
        _goes_to(Path(os.path.expanduser(form)), folder)
        holds(not Path("~").exists(), "a folder is called ~")


@case("DIFFCOURSE_HOME=~")
def _(folder: Path) -> None:
    _at_home(folder)
    os.environ["DIFFCOURSE_HOME"] = "~"
    _goes_to(folder, folder)


HOME = "~/deep/er"
TILDES: dict[str, Callable[[], Any]] = {  # each writes or finds something in HOME
    "plot.save": lambda: plot.save(-torch.ones(1, 1, 4, 4), f"{HOME}/a.png"),
    "lab --dir": lambda: _cli("lab", "--copy-only", "--dir", HOME),
    "lab.copy": lambda: lab.copy(HOME),
    "data.mnist(root=)": lambda: refused(lambda: data.mnist(root=HOME), "/deep/er", error=FileNotFoundError),
    "data.image_folder": lambda: refused(lambda: data.image_folder(HOME), "/deep/er", error=FileNotFoundError),
    "data.to_digit": lambda: refused(lambda: data.to_digit(f"{HOME}/7.png"), "/deep/er", error=FileNotFoundError),
    "latent.load_image": lambda: _load_image(f"{HOME}/7.png"),
    "learn.register": lambda: refused(lambda: learn.register(HOME), "register", error=FileNotFoundError),
    "weights.save": lambda: _weights().save(f"{HOME}/w", _classifier()),
    "weights.load": lambda: refused(lambda: _weights().load(f"{HOME}/w"), "w", error=FileNotFoundError),
    "train.fit(checkpoint=)": lambda: _fit(f"{HOME}/c"),
    "recipes.run(out=)": lambda: _recipe(HOME),
    "TextEncoder.save_pretrained": lambda: _text().save_pretrained(HOME),
    "TextEncoder.from_pretrained": lambda: refused(lambda: _text_from(HOME), "deep", error=FileNotFoundError),
}
WRITE = ("plot.save", "lab --dir", "lab.copy", "weights.save", "train.fit(checkpoint=)", "TextEncoder.save_pretrained")


def _load_image(path: str) -> None:
    from diffcourse.latent import load_image

    refused(lambda: load_image(path, 8), "/deep/er", error=FileNotFoundError)


def _weights() -> Any:
    from diffcourse import weights

    return weights


def _classifier() -> Any:
    from diffcourse.models import DigitClassifier

    return DigitClassifier(width=8)


def _text() -> Any:
    return _weights().load("tiny-clip").text


def _text_from(folder: str) -> Any:
    from diffcourse.models import TextEncoder

    return TextEncoder.from_pretrained(folder)


def _recipe(out: str) -> None:
    """Far enough to see which folder it means."""
    from diffcourse import recipes

    folder = Path(os.path.expanduser(out))
    folder.mkdir(parents=True)
    (folder / "mnist-ddpm.safetensors").write_bytes(b"")
    refused(lambda: list(recipes.run("mnist-ddpm", profile="smoke", out=out)), "mnist-ddpm", error=FileExistsError)


def _fit(checkpoint: str) -> None:
    from diffcourse.train import fit

    digits = data.ImageData(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.zeros(4).long())
    network = torch.nn.Linear(4, 1)
    list(fit(network, digits, lambda m, b, g: m(b.images.flatten(1)).square().mean(), steps=1, checkpoint=checkpoint))


for _name, _call in TILDES.items():

    @case(f"~ in {_name}", slow=_name in ("TextEncoder.save_pretrained", "TextEncoder.from_pretrained"))
    def _(folder: Path, call: Callable[[], Any] = _call, writes: bool = _name in WRITE) -> None:
        _at_home(folder)
        call()
        holds(not Path("~").exists(), "a folder is called ~")
        holds(not writes or any((folder / "deep").rglob("*")), f"nothing is there, but {_written(folder)[:5]}")


for _bad in ("", " ", "~no-such-user/x", "a\0b"):
    for _option in ("lab --copy-only --dir", "train mnist-ddpm --out", "sample --out"):

        @case(f"{_option} {_bad!r}")
        def _(folder: Path, bad: str = _bad, option: str = _option) -> None:
            bad += ".png" if option.startswith("sample") and bad.strip() else ""
            _cli(*option.split(), bad, code=2)
            holds(not list(folder.iterdir()), f"{list(folder.iterdir())} was made")


for _bad in (None, 3, b"bytes", ["a"], "", "  ", "~no-such-user", "a\0b"):

    @case(f"the path {_bad!r}")
    def _(folder: Path, bad: Any = _bad) -> None:
        for call in (files.user_path, lab.copy, data.image_folder, lambda p: plot.save(torch.zeros(1, 1, 2, 2), p)):
            refused(lambda call=call: call(bad), "path")


WHERE = "from diffcourse.learn import record; from diffcourse import data; print(record.folder()); print(data.cache_folder())"


@case("a relative home stays where Python was started, whatever becomes of the current folder", slow=True)
def _(folder: Path) -> None:
    os.environ["DIFFCOURSE_HOME"] = "mine"
    moved = f"import diffcourse.files, os; os.makedirs('sub'); os.chdir('sub'); {WHERE}"
    holds(python("-c", moved, code=0).stdout.split() == [str(folder / "mine"), str(folder / "mine/cache")], "it moved")


@case("lab hands its kernels the place that the terminal means")
def _(folder: Path) -> None:
    with mock.patch.object(files, "_STARTED", folder):
        for home, meant in (("mine", folder / "mine"), ("~/mine", Path.home() / "mine"), (str(folder), folder)):
            os.environ["DIFFCOURSE_HOME"] = os.environ["DIFFCOURSE_DATA"] = home
            given = lab._environment()
            holds(given["DIFFCOURSE_HOME"] == given["DIFFCOURSE_DATA"] == str(meant), given["DIFFCOURSE_HOME"])
            holds(os.environ["DIFFCOURSE_HOME"] == home, "the environment of this process was changed")
    del os.environ["DIFFCOURSE_HOME"], os.environ["DIFFCOURSE_DATA"]
    holds("DIFFCOURSE_HOME" not in lab._environment(), "it was made up")


@case("terminal and kernel, started elsewhere, share a relative home", slow=True)
def _(folder: Path) -> None:
    os.environ["DIFFCOURSE_HOME"] = "mine"
    (folder / "lessons").mkdir()
    asks = f"from diffcourse import lab; import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {WHERE!r}],"
    asks += " env=lab._environment(), cwd='lessons').returncode)"
    holds(python("-c", asks, code=0).stdout == python("-c", WHERE, code=0).stdout, "two places")


# -- homes that cannot be ----------------------------------------------------------------------------------------------------------


@case("no HOME at all", slow=True)
def _(folder: Path) -> None:
    for name in ("HOME", "DIFFCOURSE_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        os.environ.pop(name, None)
    os.environ["XDG_DATA_HOME"] = str(folder / "data")  # this machine's own stays clean
    cli("progress", code=0)
    cli("lab", "--copy-only", code=0)


@case("a home that is a file", slow=True)
def _(folder: Path) -> None:
    Path(os.environ["DIFFCOURSE_HOME"]).write_text("", encoding="utf-8")
    cli("progress", code=0)
    found = doctor.folders()
    holds(found[0].status == "problem" and "DIFFCOURSE_HOME" in found[0].mend, str(found))


@case("the current folder is deleted", slow=True)
def _(folder: Path) -> None:
    code = "import os; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\nfrom diffcourse import files\nprint(files.home())"
    os.environ["PYTHONPATH"] = str(ROOT)
    for home in (str(folder / "home"), "relative"):  # of torch, MKL gives up there: it is not ours to mend
        os.environ["DIFFCOURSE_HOME"] = home
        holds(python("-c", code, code=0).stdout.strip().endswith(home), "elsewhere")


@case("the platform's own folders serve without DIFFCOURSE_HOME, or with an empty one")
def _(folder: Path) -> None:
    import platformdirs

    for value in (None, "", "  "):
        os.environ.pop("DIFFCOURSE_HOME", None)
        if value is not None:
            os.environ["DIFFCOURSE_HOME"] = value
        holds(str(record.folder()) == platformdirs.user_data_dir("diffcourse", appauthor=False), str(record.folder()))
        holds(str(data.cache_folder()) == platformdirs.user_cache_dir("diffcourse"), str(data.cache_folder()))


# -- lab copy ------------------------------------------------------------------------------------------------------------------------


def _source(folder: Path) -> Path:
    source = folder / "source"
    (source / "pictures").mkdir(parents=True)
    for name in (lab.FIRST, "01_next.ipynb", "pictures/a.png"):
        (source / name).write_text(f"{name}, 1", encoding="utf-8")
    return source


def _all_but(folder: Path, *missing: str) -> None:
    for name in {lab.FIRST, "01_next.ipynb", "pictures/a.png"} - set(missing):
        holds((folder / name).read_text(encoding="utf-8") == f"{name}, 1", name)


IN_THE_WAY: dict[
    str, tuple[Callable[[Path], Any], str, str]
] = {  # what lies in the reader's folder, what is said, what is missing
    "a folder in place of a lesson": (lambda mine: (mine / lab.FIRST).mkdir(), "Kept your folder", lab.FIRST),
    "a full folder in place of a lesson": (
        lambda mine: ((mine / lab.FIRST).mkdir(), (mine / lab.FIRST / "x").write_bytes(b"mine")),
        "Kept your folder",
        lab.FIRST,
    ),
    "a folder in place of the manifest": (lambda mine: (mine / lab.MANIFEST).mkdir(), "is a folder", ""),
    "a file in place of a folder": (
        lambda mine: (mine / "pictures").write_bytes(b"mine"),
        "stands where",
        "pictures/a.png",
    ),
    "a link to nothing": (lambda mine: (mine / lab.FIRST).symlink_to("nothing"), "Kept your", lab.FIRST),
    "a link to itself": (lambda mine: (mine / lab.FIRST).symlink_to(mine / lab.FIRST), "Kept your", lab.FIRST),
}
MANIFESTS = {
    "nested": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "a list": "[1]",
    "null": "null",
    "numbers": json.dumps({lab.FIRST: 3, "01_next.ipynb": None}),
    "a mark of Windows": "\ufeff{}",
    "half": '{"00',
    "empty": "",
    "Latin": "\xff",
}


for _name, (_make, _said, _missing) in IN_THE_WAY.items():

    @case(f"lab copy: {_name}")
    def _(folder: Path, make: Callable = _make, said: str = _said, missing: str = _missing) -> None:
        source, mine = _source(folder), folder / "mine"
        mine.mkdir()
        make(mine)
        before, told = {p: p.read_bytes() for p in mine.rglob("*") if p.is_file()}, []
        for _ in range(2):  # the second time as well
            told.append("\n".join(lab.copy(mine, source)))
            _all_but(mine, missing)
        holds(said in told[0] and all("up to date" in again or said in again for again in told), str(told))
        holds(all(p.read_bytes() == content for p, content in before.items()), "something of the reader's was changed")
        new = (mine / missing).with_suffix(".new.ipynb") if missing.endswith("ipynb") else None
        holds(new is None or new.read_text(encoding="utf-8") == f"{missing}, 1", "the lesson does not lie beside it")


for _name, _content in MANIFESTS.items():

    @case(f"lab copy: a manifest of {_name}")
    def _(folder: Path, content: str = _content) -> None:
        source, mine = _source(folder), folder / "mine"
        lab.copy(mine, source)
        (mine / "01_next.ipynb").write_text("what I did", encoding="utf-8")
        (mine / lab.MANIFEST).write_bytes(content.encode("latin-1" if content == "\xff" else "utf-8"))
        told = "\n".join(lab.copy(mine, source))
        holds("Kept your 01_next.ipynb" in told, told)
        holds((mine / "01_next.ipynb").read_text(encoding="utf-8") == "what I did", "it was overwritten")
        holds(json.loads((mine / lab.MANIFEST).read_text(encoding="utf-8")).keys() >= {lab.FIRST}, "no new manifest")


@case("lab copy: lessons that are links stay links")
def _(folder: Path) -> None:
    source, mine = _source(folder), folder / "mine"
    lab.copy(mine, source)
    shutil.move(mine / lab.FIRST, folder / "cloud.ipynb")
    (mine / lab.FIRST).symlink_to(folder / "cloud.ipynb")
    (source / lab.FIRST).write_text("2", encoding="utf-8")
    lab.copy(mine, source)
    holds((mine / lab.FIRST).is_symlink() and (folder / "cloud.ipynb").read_text(encoding="utf-8") == "2", "no link")


@case("lab copy into the folder that the lessons come from, or below it")
def _(folder: Path) -> None:
    source = _source(folder)
    holds("nothing to copy" in lab.copy(source, source)[0], "copied")
    refused(lambda: lab.copy(source / "mine", source), "must not lie in")
    holds(not (source / "mine").exists(), "a folder was made")


@case("lab copy onto a file, below one, and with a name that is too long")
def _(folder: Path) -> None:
    Path("file").write_bytes(b"mine")
    for name in ("file", "file/below", "x" * 300):
        with mock.patch.object(lab, "lessons", lambda: folder / "source"):
            (folder / "source").mkdir(exist_ok=True)
            _cli("lab", "--copy-only", "--dir", name, code=1 if len(name) > 200 else 2)
    holds(Path("file").read_bytes() == b"mine", "it was overwritten")


@case("python -m diffcourse in a folder with modules of the reader's", slow=True)
def _(folder: Path) -> None:
    for name in ("data.py", "files.py", "learn.py"):
        Path(name).write_text("raise SystemExit(7)", encoding="utf-8")
    cli("lab", "--copy-only", code=0)
