"""A disk that is full after so many bytes: old files are intact, nothing half-written stays, a sentence says so, and then all goes on.

The system itself refuses to let a file grow further (RLIMIT_FSIZE), whoever writes: Python, torch, safetensors or Pillow.
"""

import contextlib
import errno
import functools
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from campaign import ROOT, case, checkpoints, holds, refused
from diffcourse import lab, plot, weights
from diffcourse.files import write_json
from diffcourse.learn import record
from diffcourse.models import DigitClassifier

sys.path.append(str(ROOT / "tests"))


@contextlib.contextmanager
def full(room: int) -> Iterator[None]:
    """No file may grow beyond `room` bytes."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextlib.contextmanager
def full_at_last(room: int) -> Iterator[None]:
    """All bytes are taken, and lost when they are to reach the disk: a network drive's quota."""
    with mock.patch.object(os, "fsync", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))):
        yield


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.suffix != ".lock"
    }


def survives(
    write: Callable[[Path], Any], again: Callable[[Path], Any], folder: Path, limit: contextlib.AbstractContextManager
) -> None:
    """`write` makes good files, `again` would replace some of them: it is refused, all stay as they were, and then it works."""
    write(folder)
    before = contents(folder)
    with limit:
        refused(lambda: again(folder), "cannot write", "nothing was changed", error=OSError)
    after = contents(folder)
    holds(after == before, f"changed: {[name for name in before | after if before.get(name) != after.get(name)]}")
    again(folder)
    holds(contents(folder) != before, "nothing was written at last")


def judge(seed: int) -> DigitClassifier:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return DigitClassifier(width=8)


@functools.cache
def drawings() -> tuple[Any, Any]:
    import stand_ins

    return stand_ins.latent_diffusion(), stand_ins.latent_diffusion("v")


def a_stopped_training(folder: Path) -> None:
    checkpoints.trained(folder / "run", stop=4)


def the_rest(folder: Path) -> None:
    _, there = checkpoints.trained(folder / "run")
    holds(torch.equal(there, checkpoints.good()[1]), "resumed, it has other weights")


def picture(value: float) -> Callable[[Path], Any]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(40, 1, 28, 28, generator=generator) * value * 2 - 1
    return lambda folder: plot.save(images, folder / "digits.png")


WRITERS: dict[str, tuple[Callable[[Path], Any], Callable[[Path], Any]]] = {
    "a checkpoint over a good one": (a_stopped_training, the_rest),
    "a first checkpoint": (lambda folder: None, the_rest),
    "weights over good ones": (
        lambda folder: weights.save(folder / "mine", judge(0), {"name": "old"}),
        lambda folder: weights.save(folder / "mine", judge(1), {"name": "new"}),
    ),
    "weights, half as large": (
        lambda folder: weights.save(folder / "mine", judge(0)),
        lambda folder: weights.save(folder / "mine", judge(1), half=True),
    ),
    "a picture over another": (picture(0.5), picture(1.0)),
    "a table over another": (
        lambda folder: write_json(folder / "table.json", list(range(1000))),
        lambda folder: write_json(folder / "table.json", list(range(2000))),
    ),
    "a latent diffusion in a new folder": (lambda folder: None, lambda folder: drawings()[0].save(folder / "ldm")),
    "a latent diffusion over another": (
        lambda folder: drawings()[0].save(folder / "ldm"),
        lambda folder: drawings()[1].save(folder / "ldm"),
    ),
}
LIMITS = {
    "from the first byte on": functools.partial(full, 0),
    "after 700 bytes": functools.partial(full, 700),
    "when they are to reach the disk": functools.partial(full_at_last, 0),
}


def disk(name: str, when: str) -> None:
    @case(f"{name}: full {when}", slow="latent" in name)
    def _(folder: Path) -> None:
        write, again = WRITERS[name]
        survives(write, again, folder, LIMITS[when]())


if os.name != "nt":
    for name in WRITERS:
        for when in LIMITS:
            disk(name, when)

    @case("torch.save in the middle of a large checkpoint")
    def _(folder: Path) -> None:
        survives(a_stopped_training, the_rest, folder, full(len(checkpoints.good()[0]) // 2))

    @case("the copy of the lessons: those that were copied are whole, the rest comes the next time")
    def _(folder: Path) -> None:
        with full(60_000):
            refused(lambda: list(lab.copy(folder / "lessons")), "cannot write", "nothing was changed", error=OSError)
        holds(all(path.stat().st_size < 60_000 for path in (folder / "lessons").rglob("*")), "a piece of a lesson")
        holds(not list((folder / "lessons").rglob("*.part")), "a fragment stays")
        list(lab.copy(folder / "lessons"))
        (source,) = {path.parent for path in [*ROOT.glob("notebooks/00_start_here.ipynb")]}
        for lesson in source.glob("*.ipynb"):
            holds((folder / "lessons" / lesson.name).exists(), f"{lesson.name} is missing")

    @case("progress: the file is intact, a notice says so, and what was done is kept and written later")
    def _(folder: Path) -> None:
        store = record.Store()
        with mock.patch.object(record, "STORE", store):
            record.attempted("02.q_sample", True)
            before = contents(folder)
            with full(0):
                record.attempted("02.posterior", True)
            holds(contents(folder) == before, "the progress was touched")
            holds("cannot be saved" in " ".join(store.take_notices()), "nobody says that it was not saved")
            record.attempted("02.jump", True)
            text = "".join(content.decode() for content in contents(folder).values())
            holds(all(name in text for name in ("02.q_sample", "02.posterior", "02.jump")), "progress was lost")
