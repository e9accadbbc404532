"""Anybody's digits, read from files of many kinds and scored: the benchmark behind `diffcourse score`.

Every line has its 95 % interval and what real digits score in the place of those that were drawn, so that a number says something by
itself. Two judges of other architectures read and compare, as one of them may be blind: the first
hardly sees blur. Ink and grey are counted in the pixels themselves. The numbers compare
with each other within one version of the benchmark, and with nothing else: they are no FID. Its authors' implementation in PyTorch advises
against FID on MNIST, on whose 28x28 strokes Inception was never trained (github.com/mseitzer/pytorch-fid/issues/12).
"""

import contextlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from diffcourse import data, metrics
from diffcourse.checks import told, whole
from diffcourse.files import user_path
from diffcourse.gaussian import mean_se, wilson
from diffcourse.images import check_images, to_float
from diffcourse.metrics import digits, points
from diffcourse.stored import blamed, check_no_pointer

BENCHMARK = 1  # goes up where a number would come out otherwise: another judge, reference or rule
SIZE = 10_000  # digits that are scored
FEW, SOME = 2000, 1000  # of them for precision to coverage, and for the nearest training digits
NEAR = 5  # neighbours of density and coverage
JUDGES = ("", ", second judge")
GROUPS, STUDENT = 20, 2.093  # of a jackknife, and 97.5 % of Student's t with one degree of freedom less


class Line(NamedTuple):
    """One number of a report: its 95 % interval, nan where there is none, what real digits score (nan), and whether it is a share."""

    value: float
    low: float
    high: float
    real: float
    share: bool = False

    def columns(self) -> tuple[str, str, str]:
        """Value, interval and what real digits score, in words."""
        form = ".1%" if self.share else ".2f" if max(self.value, self.high) >= 10 else ".4f"
        value, low, high, real = (f"{v:{form}}" for v in self[:4])
        return value, "" if math.isnan(self.low) else f"{low} to {high}", "" if math.isnan(self.real) else real


@dataclass(frozen=True)
class Report:
    """What n digits score: `lines` by their names, and `notes` in sentences. `official`: of exactly 10,000 digits."""

    lines: Mapping[str, Line]
    notes: tuple[str, ...]
    n: int
    official: bool
    reference: str  # the SHA-256 of what real digits score, and with it of both judges

    def __getitem__(self, name: str) -> Line:
        return self.lines[name]

    def __str__(self) -> str:
        rows = [
            ("", "drawn", "95 % interval", "real digits"),
            *((k, *line.columns()) for k, line in self.lines.items()),
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        told = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([self._head(), "", *told, "", *self.notes])

    def table(self) -> str:
        """The same in Markdown."""
        rows = [f"| {' | '.join((name, *line.columns()))} |" for name, line in self.lines.items()]
        return "\n".join([self._head(), "", "| | drawn | 95 % interval | real digits |", "|---|---|---|---|", *rows])

    def as_dict(self) -> dict[str, Any]:
        """The same for JSON, with None for nan."""
        plain = {
            name: {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in line._asdict().items()}
            for name, line in self.lines.items()
        }
        head = {"benchmark": BENCHMARK, "reference": self.reference, "n": self.n, "official": self.official}
        return {**head, "lines": plain, "notes": list(self.notes)}

    def _head(self) -> str:
        kind = "" if self.official else f", unofficial: the benchmark is of {SIZE:,}"
        return f"{self.n:,} digits, benchmark {BENCHMARK} (reference {self.reference[:8]}){kind}"


def report(images: Tensor, labels: Tensor | None = None, *, seed: int = 0) -> Report:
    """Score digits (N, 1, 28, 28) in [-1, 1], white on black, N at least 100; labels (N,), if given, are those that were asked for.

    Of more than 10,000 as many are drawn with `seed`; fewer are scored beside what as few real ones score, and the report says so.
    Precision, recall, density and coverage compare 2,000 of them, or all that there are, with 2,000 test digits; the nearest training
    digits are found for 1,000, where the full MNIST lies on this machine. An interval tells what other draws of the same model would
    score: Wilson's for shares, else a jackknife over twenty groups.
    """
    digits.check_digits(images)
    g, n, notes = torch.Generator().manual_seed(whole("seed", seed, 0)), len(images), []
    if n < 100:
        raise ValueError(f"images must be at least 100 digits to be scored, got {n}")
    if labels is not None:
        digits.check_whole("labels", labels, (n,))
        if not 0 <= int(labels.min()) <= int(labels.max()) <= 9:
            raise ValueError(f"labels must be from 0 to 9, got {int(labels.min())} to {int(labels.max())}")
    order = torch.randperm(n, generator=g)
    if n > SIZE:
        notes.append(f"Of {n:,} digits {SIZE:,} were drawn at random, with seed {seed}.")
    order = order[:SIZE]
    images, labels = images[order].detach().cpu().float(), None if labels is None else labels.cpu()[order]
    n, few = len(images), min(FEW, len(images))
    real, judges = digits.reference_numbers(), (None, metrics.second_judge())
    seen = [digits.seen(images, judge) for judge in judges]
    lines: dict[str, Line] = {}
    for (feats, _), judge, name in zip(seen, judges, JUDGES, strict=True):
        far = digits.distance_of(feats, judge)
        half = _jackknife(feats, partial(_distance, judge=judge))
        value, low, high, floor, _ = lines[f"distance{name}"] = _above_0(far.value, half, far.floor)
        lines[f"times the floor{name}"] = Line(value / floor, low / floor, high / floor, 1.0)
    for (feats, _), judge, name in zip(seen, judges, JUDGES, strict=True):
        lines |= {f"{kind}{name}": line for kind, line in _shares(feats[:few], judge).items()}
    lines |= _by_judge("recognisable", [told.amax(dim=1) > 0.9 for _, told in seen])
    if labels is not None:
        lines |= _by_judge("right", [told.argmax(dim=1) == labels for _, told in seen])
    read = seen[0][1].argmax(dim=1)
    balance = digits.balance(read)
    half = _jackknife(read, lambda x: digits.balance(x).distance)
    lines["label balance"] = _above_0(balance.distance, half, balance.floor)
    look = metrics.look(images)
    for name, value, se, best in zip(("ink", "grey"), look[:2], look.se, real["look"][0].tolist(), strict=True):
        lines[name] = Line(value, value - 1.96 * se, value + 1.96 * se, best, name == "grey")
    known = training_digits()
    if known is None:
        notes.append(f"Copies: not looked for, as the full MNIST is not on this machine ({data.MNIST_MEANS}).")
    else:
        lines |= _copies(images[:SOME], known, real["nearest"].double())
    if n < SIZE:
        notes.append(f"Real digits are as few: {n:,} for distances, {few:,} from precision to coverage.")
    notes.append("Compare with others of this benchmark only: these are no FID, which is not made for MNIST.")
    return Report(lines, tuple(notes), n, n == SIZE, _sha256())


def training_digits() -> Tensor | None:
    """MNIST's 60,000 training digits in [-1, 1], where they lie on this machine; nothing is downloaded."""
    for folder in data.mnist_folders():
        with contextlib.suppress(OSError, ValueError):
            return to_float(data.mnist("train", root=folder).images)
    return None


# -- the lines --------------------------------------------------------------------------------------------------------


def _distance(feats: Tensor, judge: nn.Module | None) -> float:
    return points.frechet_distance(points.statistics(feats), digits.moments(judge))


def _shares(feats: Tensor, judge: nn.Module | None) -> dict[str, Line]:
    """Precision, recall, density, coverage of features against those of 2,000 test digits."""
    real = digits.sample(judge)
    inside = points.inside(feats, real, k=NEAR)
    (p, r, n, m), (density, coverage, *_) = points.covered(feats, real), points.counted(inside, k=NEAR)
    half = 1.96 * mean_se(inside.sum(dim=1).double() / NEAR)
    intervals = [
        wilson(round(p * n), n),
        wilson(round(r * m), m),
        (density - half, density + half),
        wilson(round(coverage * m), m),
    ]
    found = zip(("precision", "recall", "density", "coverage"), (p, r, density, coverage), intervals, strict=True)
    return {k: Line(v, *i, digits.of_real(k, n, judge), k != "density") for k, v, i in found}


def _by_judge(name: str, yes: list[Tensor]) -> dict[str, Line]:
    """Shares by the first judge, the second and both, beside those of the test digits."""
    real = digits.reference_numbers()[name].tolist()
    each = zip((*JUDGES, ", both"), (*yes, yes[0] & yes[1]), real, strict=True)
    return {f"{name}{which}": _share(said, best) for which, said, best in each}


def _copies(images: Tensor, known: Tensor, real: Tensor) -> dict[str, Line]:
    """The median distance to the nearest training digit, and how many are nearer to one than 99 of 100 test digits; `real`: theirs."""
    near = metrics.nearest(images, known)[0][:, 0].sort().values
    n = len(near)
    ranks = [min(n - 1, max(0, round(n / 2 + z * n**0.5 / 2))) for z in (-1.96, 1.96)]
    low, high = (float(near[i]) for i in ranks)
    middle = Line(float(near.median()), low, high, float(real.median()))
    return {
        "nearest training digit": middle,
        "nearer than 99 of 100 test digits": _share(near < real.quantile(0.01), 0.01),
    }


def _above_0(value: float, half: float, real: float) -> Line:
    return Line(value, max(0.0, value - half), value + half, real)


def _share(yes: Tensor, real: float) -> Line:
    k, n = int(yes.sum()), len(yes)
    return Line(k / n, *wilson(k, n), real, True)


def _jackknife(x: Tensor, score: Callable[[Tensor], float]) -> float:
    """Half of the 95 % interval of score(x), x in random order: how it changes when each of twenty groups is left out."""
    group = torch.arange(len(x)) % GROUPS
    values = torch.tensor([score(x[group != i]) for i in range(GROUPS)], dtype=torch.float64)
    return STUDENT * float((values - values.mean()).square().sum() * (GROUPS - 1) / GROUPS) ** 0.5


def _sha256() -> str:
    from diffcourse import weights

    return str(weights.verify(metrics.REFERENCE)["sha256"])


# -- foreign files ----------------------------------------------------------------------------------------------------

FORMS = "(N, 28, 28) or (N, 1, 28, 28)"


def read(path: str | Path, labels: str | Path | None = None) -> tuple[Tensor, Tensor | None, str]:
    """Digits of a file or folder as images (N, 1, 28, 28) in [-1, 1], their labels if there are any, and what was found, in words.

    path: a folder of picture files of 28x28 pixels (in folders named 0 to 9 they bring their labels), or a tensor in a .safetensors, .npy,
    .npz or .pt file; among several the one named "images", and "labels" with it. labels: a second such file. No code of a file is run.
    """
    place = user_path(path)
    found = _folder(place) if place.is_dir() else _file(place, "images")
    asked = found.get("labels") if labels is None else _file(user_path(labels), "labels")["labels"]
    images, what = from_anyone(found["images"])
    if asked is not None:
        wrong = asked.is_floating_point() or asked.is_complex() or asked.dtype == torch.bool or asked.is_meta
        if wrong or asked.shape != (len(images),):
            raise ValueError(f"labels must be {len(images)} whole numbers from 0 to 9, one a digit, got {told(asked)}")
        asked = asked.long()
    return images, asked, what


def from_anyone(values: Tensor) -> tuple[Tensor, str]:
    """Digits as others keep them -> images (N, 1, 28, 28) in [-1, 1], and the range that they were in: found or refused, never guessed.

    Whole numbers are 0 … 255; floating-point ones lie in [0, 1], or in [-1, 1] where any is negative. Black ground, white strokes.
    """
    if (
        values.layout != torch.strided
        or values.is_meta
        or values.is_quantized
        or values.is_complex()
        or values.dtype == torch.bool
    ):
        raise ValueError(f"images must be plain numbers {FORMS}, got {told(values)}")
    if values.shape[1:] not in ((28, 28), (1, 28, 28)) or not len(values):
        raise ValueError(f"images must be {FORMS}, got {tuple(values.shape)}")
    x = values.detach().cpu().reshape(-1, 1, 28, 28)
    if x.is_floating_point():
        x = x.float()
        if not bool(x.isfinite().all()):
            raise ValueError(
                f"images must be finite, but {int((~x.isfinite()).flatten(1).any(dim=1).sum())} hold NaN or infinity"
            )
    low, high = (float(v) for v in x.aminmax())
    came = f"got values from {low:g} to {high:g}"
    if low == high:
        raise ValueError(f"images must show something, {came}")
    if not x.is_floating_point():
        if low < 0 or not 1 < high <= 255:
            raise ValueError(f"images in whole numbers must be 0 … 255, {came}")
        x, what = to_float(x.to(torch.uint8)), "0 … 255"
    elif low >= 0 and high <= 1:
        x, what = 2 * x - 1, "[0, 1]"
    elif -1.0001 <= low < -0.9 and high <= 1.0001:
        x, what = x.clamp(-1, 1), "[-1, 1]"
    else:
        way = (
            "clip them first"
            if low >= -2 and high <= 2
            else "divide by 255 first"
            if low >= 0
            else "undo the scaling first"
        )
        raise ValueError(f"images must lie in [0, 1] or in [-1, 1], black being 0 or -1, {came}: {way}")
    frame = torch.ones(28, 28, dtype=torch.bool)
    frame[2:-2, 2:-2] = False
    if float(x[:, 0, frame].mean()) > 0.5:
        raise ValueError(
            "images must be white digits on black, but their ground is bright: invert them first, 1 - x or 255 - x"
        )
    if float(x.amax(dim=(1, 2, 3)).median()) < 0:
        raise ValueError(f"images must reach white, but half of them are darker than grey, {came}")
    return check_images(x), what


def _folder(place: Path) -> dict[str, Tensor]:
    from diffcourse.pictures import read_picture

    classes, files = data.picture_files(place)
    for file, _ in files:
        if (size := read_picture(file).size) != (28, 28):
            raise ValueError(f"pictures must be of 28x28 pixels, got {size[0]}x{size[1]} in {str(file)!r}")
    kept = data.image_folder(place, size=28, channels=1)
    named = bool(classes) and all(name in "0123456789" for name in classes)
    return {"images": kept.images} | ({"labels": torch.tensor([int(c) for c in classes])[kept.labels]} if named else {})


def _file(place: Path, wanted: str) -> dict[str, Tensor]:
    """The tensors of a file, the one that is meant under the name `wanted`."""
    kinds = {".safetensors": _safetensors, ".npy": _npy, ".npz": _npz, ".pt": _pt, ".pth": _pt}
    if not place.exists():
        raise FileNotFoundError(f"there is no {str(place)!r}")
    if not place.is_file() or place.suffix.lower() not in kinds:
        raise ValueError(f"{str(place)!r} must be a folder of pictures or a file that ends in {', '.join(kinds)}")
    with blamed(f"{str(place)!r} cannot be read"):
        check_no_pointer(place)
        found = kinds[place.suffix.lower()](place)
    if not all(isinstance(v, Tensor) for v in found.values()):
        raise ValueError(f"{str(place)!r} must hold tensors alone, got {', '.join(map(told, found.values()))}")
    if wanted not in found:
        if len(found) != 1:
            names = ", ".join(sorted(map(str, found))[:5])
            raise ValueError(f"{str(place)!r} must hold one tensor, or one named {wanted!r}, got {names or 'none'}")
        found = {wanted: next(iter(found.values()))}
    return found


def _safetensors(place: Path) -> dict[str, Any]:
    import safetensors.torch

    return safetensors.torch.load_file(place)


def _npy(place: Path) -> dict[str, Any]:
    return {"": torch.from_numpy(_native(np.load(place, allow_pickle=False)))}


def _npz(place: Path) -> dict[str, Any]:
    with np.load(place, allow_pickle=False) as kept:
        return {name: torch.from_numpy(_native(kept[name])) for name in kept.files}


def _native(array: np.ndarray) -> np.ndarray:
    """The same numbers in this machine's order of bytes, and of a kind that torch has."""
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("=")))


def _pt(place: Path) -> dict[str, Any]:
    kept = torch.load(place, map_location="cpu", weights_only=True)
    if isinstance(kept, tuple | list):
        return dict(zip(("images", "labels"), kept, strict=False)) if len(kept) <= 2 else {}
    return dict(kept) if isinstance(kept, Mapping) else {"": kept}
