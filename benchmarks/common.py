"""What the benchmarks share: the head of a table, going on with one, and timing functions in turn."""

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


def head(*packages: str) -> dict[str, Any]:
    """{date, command, machine, threads, load (of the system, now; None where it is not told), versions of torch and `packages`}."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # Windows does not tell
    return {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": f"{platform.machine()}, CPU only",
        "threads": torch.get_num_threads(),
        "load": load if load is None else round(load, 1),
        "versions": {name: sys.modules[name].__version__.split("+")[0] for name in ("torch", *packages)},
    }


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
