"""Nasty answers to every exercise: each hears a verdict, and afterwards all is as it was.

Each answer is tried on a few exercises, and as a slow case on every one. Not tried, since nothing in one process can survive it: os._exit,
os.abort, a segmentation fault. A single call into C that never ends or takes all memory is out of reach, too: the limit comes after it.
"""

import builtins
import contextlib
import decimal
import gc
import io
import itertools
import locale
import logging
import math
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from campaign import Broken, case
from diffcourse.learn import Exercise, exercises, run
from diffcourse.learn.answers import check
from diffcourse.learn.diagnosis import worked_out
from diffcourse.learn.state import OFTEN, SELDOM

FEW = ("00.to_minus_one_one", "02.lost_at", "03.ResBlock", "04.ddim_step")


@cache
def every() -> tuple[Exercise, ...]:
    return tuple(exercises().values())


def verdict(exercise: Exercise, answer: Any) -> str:
    """What check says, quietly."""
    with contextlib.redirect_stdout(io.StringIO()) as said:
        check(exercise.name, answer)
    return said.getvalue()


def code() -> list[Exercise]:
    return [exercise for exercise in every() if exercise.kind != "value"]


def written(exercise: Exercise, body: Callable[[Exercise], Any]) -> Any:
    """An answer of the exercise's kind that does this; its value for an exercise that asks for one."""
    if exercise.kind == "value":
        return body(exercise)
    if exercise.kind == "function":
        return lambda *args, **kwargs: body(exercise)
    return type(exercise.symbol, (nn.Module,), {"__init__": lambda self, *args, **kwargs: body(exercise)})


def tried(answer: Callable[[Exercise], Any], among: Iterable[Exercise], status: str = "not right yet") -> None:
    """Check the answer to each exercise. Broken lists those in which something was raised, or the verdict was another one."""
    broken, total = [], 0
    for exercise in among:
        total += 1
        try:
            said = verdict(exercise, answer(exercise))
        except Exception as error:
            broken.append(f"{exercise.name} ({type(error).__name__}: {str(error)[:80]})")
            continue
        if status not in said.split("\n")[0] or len(said) > 12_000:
            broken.append(f"{exercise.name} ({said[:120]!r})")
    if broken:
        raise Broken(f"{len(broken)} of {total}: " + "; ".join(broken[:6]))


def on_all(name: str, answer: Callable[[Exercise], Any], status: str = "not right yet", code: bool = True) -> None:
    """Two cases: the answer to a few exercises, and to every one. `code`: not where a value is asked for."""

    def chosen(all_of_them: bool) -> list[Exercise]:
        return [e for e in every() if (all_of_them or e.name in FEW) and not (code and e.kind == "value")]

    case(name)(lambda folder: tried(answer, chosen(False), status))
    case(f"{name}, in every exercise", slow=True)(lambda folder: tried(answer, chosen(True), status))


# -- what an answer is -----------------------------------------------------------------------------------------------------


class Deaf:
    """Raises whatever one asks it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes")


class Mute:
    def __getattribute__(self, name: str) -> Any:
        raise ValueError("nothing at all")

    def __call__(self, *args: Any) -> Any:
        return self

    __eq__ = __len__ = __iter__ = __repr__ = __float__ = __bool__ = __hash__ = lambda self, *_: 1 / 0  # type: ignore[assignment]


class Lying(Tensor):
    @classmethod
    def __torch_function__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return True


class Tongueless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def quantised() -> Any:
    """A tensor of torch.quint8, as long as torch makes them: it says that it will not for ever."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8) if hasattr(torch, "quint8") else None


HTML = "<script>alert(1)</script><img src=x onerror=alert(1)>"
IS: dict[str, Any] = {
    "None": None,
    "a number": 3.5,
    "text": "right",
    "an object whose attributes raise": Deaf(),
    "an object that raises whatever one asks it": Mute(),
    "a class for a function": type("Answer", (), {}),
    "a huge list": [0] * 10**6,
    "a module of Python's": math,
    "a builtin": print,
    "a quantised tensor": quantised(),
    "a tensor that lies": torch.ones(2, 3).as_subclass(Lying),
    "an instance of a network": nn.Linear(2, 2),
}
for name, thing in IS.items():
    on_all(f"the answer is {name}", lambda exercise, thing=thing: thing, code=False)


# -- what an answer returns ------------------------------------------------------------------------------------------------

RETURNS: dict[str, Callable[[], Any]] = {
    "NaN": lambda: torch.full((2, 3), math.nan),
    "infinity": lambda: torch.full((2, 3), math.inf),
    "a quantised tensor": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8),
    "a sparse tensor": lambda: torch.eye(3).to_sparse(),
    "a nested tensor": lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    "a complex tensor": lambda: torch.ones(2, 3, dtype=torch.complex64),
    "a tensor without numbers": lambda: torch.ones(2, 3, device="meta"),
    "a tensor that lies": lambda: torch.ones(2, 3).as_subclass(Lying),
    "an object whose attributes raise": Deaf,
    "an object that raises whatever one asks it": Mute,
    "html": lambda: HTML,
    "unicode": lambda: "\ud800 \x00 \u202e 🎲" * 50,
    "an endless iterator": lambda: iter(int, 1),
    "a huge list": lambda: [0.0] * 10**6,
    "a list that holds itself": lambda: (holds := [1.0]).append(holds) or holds,
    "itself, a function": lambda: RETURNS["itself, a function"],
    "a huge number": lambda: 10**5000,
}
for name, made in RETURNS.items():
    on_all(f"it returns {name}", lambda exercise, made=made: written(exercise, lambda _: made()), status="", code=False)


# -- what an answer raises -------------------------------------------------------------------------------------------------

RAISES: dict[str, Callable[[], BaseException]] = {
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "StopIteration": StopIteration,
    "MemoryError": MemoryError,
    "BaseException": lambda: BaseException("all of it"),
    "RecursionError": RecursionError,
    "an error without words": Tongueless,
    "an error in html": lambda: ValueError(HTML * 1000),
    "an error that is no text": lambda: KeyError(torch.ones(3)),
    "a group of errors": lambda: ExceptionGroup("all", [ValueError("a"), TypeError("b")]),
}


def throw(error: BaseException) -> Any:
    raise error


for name, error in RAISES.items():
    on_all(f"it raises {name}", lambda exercise, error=error: written(exercise, lambda _: throw(error())))


# -- what an answer does ---------------------------------------------------------------------------------------------------


def recurse(n: int = 0) -> int:
    return recurse(n + 1) + 1


def in_place(exercise: Exercise) -> Any:
    def answer(*args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            with contextlib.suppress(Exception):
                value.data.zero_()
        return exercise.reference(*args, **kwargs)

    return answer if exercise.kind == "function" else written(exercise, lambda _: None)


DOES: dict[str, Callable[[], Any]] = {
    "calls itself for ever": recurse,
    "asks for input": lambda: mock.patch.object(sys, "stdin", io.StringIO()).__enter__() and input("your name? "),
    "quits": lambda: sys.exit(),
    "prints 10 MB": lambda: print("x" * 10**7),
    "closes stdout": lambda: sys.stdout.close(),
    "sets stdout to None and prints": lambda: (setattr(sys, "stdout", None), print("x")),
    "ignores SIGALRM": lambda: hasattr(signal, "SIGALRM") and signal.signal(signal.SIGALRM, signal.SIG_IGN),
}
for name, does in DOES.items():
    on_all(f"it {name}", lambda exercise, does=does: written(exercise, lambda _: does()))

on_all("it changes its arguments in place", in_place, status="")


# -- what never ends -------------------------------------------------------------------------------------------------------


def forever() -> None:
    while True:
        pass


def swallowing() -> None:
    while True:
        try:  # noqa: SIM105
            time.sleep(0.005)
        except:  # noqa: E722
            pass


def twice_swallowing() -> None:
    while True:
        try:
            swallowing()
        except BaseException:
            continue


ENDLESS: dict[str, Callable[[], Any]] = {
    "a loop": forever,
    "a sleep": lambda: time.sleep(5),
    "a loop that swallows": swallowing,
    "two loops that swallow": twice_swallowing,
    "a list of 10⁹ numbers": lambda: [float(i) for i in range(10**9)],
    "a dictionary of 10⁹ numbers": lambda: {i: float(i) for i in range(10**9)},
    "a list of tensors": lambda: [torch.ones(3) for _ in range(10**9)],
    "recursion in a loop": lambda: [
        contextlib.suppress(RecursionError).__enter__() or throw_away(recurse) for _ in range(10**9)
    ],
}


def throw_away(call: Callable[[], Any]) -> None:
    with contextlib.suppress(RecursionError):
        call()


def stopped() -> None:
    """Whatever handler and timer was there is there again, and nothing rings afterwards."""
    time.sleep(0.15)
    if signal.getitimer(signal.ITIMER_REAL) != (0, 0):
        raise Broken("the alarm goes on")


for name, endless in ENDLESS.items():

    @case(f"without end: {name}", slow=True)
    def _(folder: Path, endless: Any = endless) -> None:
        with mock.patch.object(run, "LIMIT", 0.4):
            tried(
                lambda exercise: written(exercise, lambda _: endless()),
                [e for e in every() if e.name in FEW and e.kind != "value"],
            )
        stopped()

    @case(f"without end, in a thread: {name}", slow=True)
    def _(folder: Path, endless: Any = endless) -> None:
        found = []
        calls = lambda: found.extend((run.Runner(0.4).call(endless), run.Runner(5.0).call(lambda: 7)))  # noqa: E731
        thread = threading.Thread(target=calls, daemon=True)
        thread.start()
        thread.join(30)
        if len(found) != 2 or not found[0].timed_out or found[1].value != 7:
            raise Broken(f"not stopped: {found}")


# -- what an answer leaves behind ------------------------------------------------------------------------------------------


def hooked(*_: Any) -> None:
    return None


CHANGES: dict[str, Callable[[], Any]] = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("meta"),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic algorithms": lambda: torch.use_deterministic_algorithms(True),
    "anomaly mode": lambda: torch.autograd.set_detect_anomaly(True),
    "autocast": lambda: torch.autocast("cpu").__enter__(),
    "grad mode": lambda: torch.set_grad_enabled(False),
    "inference mode": lambda: torch.inference_mode().__enter__(),
    "precision of products": lambda: torch.set_float32_matmul_precision("medium"),
    "cuDNN's flags": lambda: setattr(torch.backends.cudnn, "benchmark", not torch.backends.cudnn.benchmark),
    "hooks of all modules": lambda: nn.modules.module.register_module_forward_hook(hooked),
    "torch's print options": lambda: torch.set_printoptions(precision=1),
    "torch's generator": lambda: torch.manual_seed(1),
    "numpy's generator": lambda: np.random.seed(1),
    "Python's generator": lambda: random.seed(1),
    "numpy's errors": lambda: np.seterr(all="raise"),
    "numpy's print options": lambda: np.set_printoptions(precision=1),
    "the folder": lambda: os.chdir("/"),
    "the environment": lambda: (os.environ.update(DIFFCOURSE_HOME="/nowhere", NEW="1"), os.environ.pop("PATH", None)),
    "warnings": lambda: warnings.simplefilter("error"),
    "recursion limit": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 100),
    "the collector": lambda: (gc.disable(), gc.set_threshold(5)),
    "trace": lambda: sys.settrace(hooked),
    "profile": lambda: sys.setprofile(hooked),
    "logging": lambda: (logging.root.setLevel(1), logging.disable(50), logging.root.addHandler(logging.NullHandler())),
    "sys.path": lambda: sys.path.insert(0, "/nowhere"),
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "decimal": lambda: setattr(decimal.getcontext(), "prec", 3),
    "signals": lambda: signal.signal(signal.SIGTERM, hooked),
    "umask": lambda: os.umask(0o77),
    "switch interval": lambda: sys.setswitchinterval(1),
    "math.sqrt": lambda: setattr(math, "sqrt", hooked),
    "torch.sqrt": lambda: setattr(torch, "sqrt", hooked),
    "torch.Tensor.add": lambda: (setattr(Tensor, "mean", hooked), setattr(Tensor, "__add__", hooked)),
    "functional.linear": lambda: setattr(functional, "linear", hooked),
    "nn.Module.__call__": lambda: setattr(nn.Module, "__call__", hooked),
    "builtins": lambda: setattr(builtins, "sum", hooked),
    "stdout": lambda: setattr(sys, "stdout", io.StringIO()),
}
PATCHED = [
    (math, "sqrt"), (torch, "sqrt"), (Tensor, "mean"), (Tensor, "__add__"), (functional, "linear"), (nn.Module, "__call__"),
]  # fmt: skip


def seen() -> dict[str, Any]:
    """All that is looked at, and the generators."""
    found = {f"part {i}": part.get() for i, part in enumerate(OFTEN + SELDOM)}
    found |= {f"{owner.__name__}.{name}": getattr(owner, name) for owner, name in PATCHED}
    found |= {"stdout": sys.stdout, "sum": builtins.sum, "random": random.getstate()}
    return found | {"torch": torch.get_rng_state().tolist(), "inference": torch.is_inference_mode_enabled()}


def changing(exercise: Exercise, change: Callable[[], Any]) -> Any:
    """The reference, by someone who also changes the state of the process."""
    if exercise.kind == "class":

        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            exercise.reference.__init__(self, *args, **kwargs)
            change()

        return type(exercise.symbol, (exercise.reference,), {"__init__": init})

    def answer(*args: Any, **kwargs: Any) -> Any:
        value = exercise.reference(*args, **kwargs)
        change()
        return value

    return answer


def left(change: Callable[[], Any], among: Iterable[Exercise]) -> None:
    before = seen()
    tried(lambda exercise: changing(exercise, change), among, status="")
    if other := [what for what, value in seen().items() if value != before[what]]:
        raise Broken(f"other than before: {other}")


for name, change in CHANGES.items():

    @case(f"it changes {name}")
    def _(folder: Path, change: Any = change) -> None:
        left(change, [e for e in every() if e.name in FEW and e.kind != "value"])


@case("it changes one thing or another, in every exercise", slow=True)
def _(folder: Path) -> None:
    for exercise, change in zip(code(), itertools.cycle(CHANGES.values()), strict=False):
        left(change, [exercise])


@case("it changes everything", slow=True)
def _(folder: Path) -> None:
    left(lambda: [change() for change in CHANGES.values()], code())


@case("whatever the reader's notebook has set before", slow=True)
def _(folder: Path) -> None:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        right = {e: worked_out(e.reference) if e.kind == "value" else changing(e, hooked) for e in every()}
        tried(right.__getitem__, every(), status=": right")
        if torch.get_default_dtype() != torch.float64:
            raise Broken("her default dtype is gone")
    finally:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)
