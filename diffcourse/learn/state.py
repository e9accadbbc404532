"""What a process keeps for all of its code: put back when code has run that may have changed it.

`Saved` is how it stands now, and `back` makes it so again. `clean` is a place where it stands as Python and PyTorch begin: exercises are
built, solved and judged there, whatever the reader's own notebook has set, and she finds hers afterwards.
"""

import builtins
import contextlib
import copy
import decimal
import functools
import gc
import inspect
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
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
from torch import nn
from torch._tensor_str import PRINT_OPTS
from torch.nn import functional
from torch.nn.modules import module as hooks

SEED = 20_111  # of the global generators when an answer runs: one that nobody sets by hand
_NONE = object()
P = ParamSpec("P")
R = TypeVar("R")


class _Part(NamedTuple):
    """One piece of state: how it is read, how it is set, and what it is in a clean place, where that matters."""

    get: Callable[[], Any]
    put: Callable[[Any], Any]
    clean: Any = _NONE


def _items(things: Any) -> _Part:
    """What a list or a dictionary holds, that stays the same object."""
    if isinstance(things, list):
        return _Part(things.copy, lambda was: things.__setitem__(slice(None), was))
    return _Part(things.copy, lambda was: (things.clear(), things.update(was)))


def _device() -> Any:
    return getattr(
        torch._GLOBAL_DEVICE_CONTEXT, "device_context", None
    )  # torch.get_default_device takes a hundred times as long


def _cwd() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # its folder is gone
        return None


def _to_folder(was: str | None) -> None:
    if was is not None:
        os.chdir(was)


def _environment(was: dict[Any, Any]) -> None:
    before = {os.environ.decodekey(key): os.environ.decodevalue(value) for key, value in was.items()}
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def _numpy_random() -> tuple:
    name, key, *rest = np.random.get_state(legacy=True)
    return name, np.asarray(key).tobytes(), *rest


def _filters(was: list[Any]) -> None:
    warnings.resetwarnings()  # tells Python that they change
    warnings.filters[:] = was  # type: ignore[index]


def _signals() -> dict[Any, Any]:
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {which: signal.getsignal(which) for which in _SIGNALS}


def _autocast(device: str) -> _Part:
    setters: tuple[Callable[[str, Any], Any], ...] = torch.set_autocast_enabled, torch.set_autocast_dtype
    return _Part(
        lambda: (torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)),
        lambda was: [set_to(device, value) for set_to, value in zip(setters, was, strict=True)],
        (False, torch.get_autocast_dtype(device)),
    )


def _rc() -> list[Any]:
    return list(dict.items(sys.modules["matplotlib"].rcParams)) if "matplotlib" in sys.modules else []


def _put_rc(was: list[Any]) -> None:
    if not was:
        return
    rc = sys.modules["matplotlib"].rcParams
    dict.clear(rc)
    dict.update(rc, was)


_SIGNALS = [s for s in signal.Signals if s.name in ("SIGINT", "SIGALRM", "SIGTERM", "SIGHUP", "SIGUSR1")]
_HOOKS = [hook for name, hook in vars(hooks).items() if name.startswith("_global_") and isinstance(hook, dict)]

OFTEN = [  # what the next answer, the reference's included, would meet: looked at after every call
    _Part(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    _Part(_device, lambda was: torch.set_default_device(was and was.device), None),
    _Part(torch.get_num_threads, torch.set_num_threads),
    _Part(
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda was: torch.use_deterministic_algorithms(was[0], warn_only=was[1]),
        (False, False),
    ),
    _Part(
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        lambda was: torch.autograd.set_detect_anomaly(*was),
        (False, True),
    ),
    _autocast("cpu"),
    _Part(torch.is_grad_enabled, torch.set_grad_enabled, True),
    _Part(_cwd, _to_folder),
]  # fmt: skip
SELDOM = [  # looked at when all is said
    _autocast("cuda"),
    _Part(torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled),
    _Part(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _Part(np.geterr, lambda was: np.seterr(**was), {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}),
    _Part(sys.getrecursionlimit, sys.setrecursionlimit),
    _Part(sys.gettrace, sys.settrace),
    _Part(sys.getprofile, sys.setprofile),
    *map(_items, _HOOKS),
    _Part(lambda: vars(os.environ)["_data"].copy(), _environment),  # dict(os.environ) takes a hundred times as long
    _Part(_numpy_random, lambda was: np.random.set_state((was[0], np.frombuffer(was[1], np.uint32), *was[2:]))),
    _Part(np.geterrcall, np.seterrcall),
    _Part(np.get_printoptions, lambda was: np.set_printoptions(**was)),
    _Part(lambda: vars(PRINT_OPTS).copy(), lambda was: vars(PRINT_OPTS).update(was)),
    _Part(lambda: list(warnings.filters), _filters),
    _Part(torch.is_warn_always_enabled, torch.set_warn_always),
    _Part(
        lambda: (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        lambda was: torch.backends.cudnn.set_flags(*was),
    ),
    _Part(gc.isenabled, lambda was: gc.enable() if was else gc.disable()),
    _Part(gc.get_threshold, lambda was: gc.set_threshold(*was)),
    _Part(sys.getswitchinterval, sys.setswitchinterval),
    _Part(threading.gettrace, threading.settrace),
    _Part(threading.getprofile, threading.setprofile),
    _Part(lambda: logging.root.level, logging.root.setLevel),
    _Part(lambda: logging.root.manager.disable, logging.disable),
    _items(logging.root.handlers),
    _items(sys.path),
    _items(sys.meta_path),
    _items(sys.argv),
    _Part(lambda: locale.setlocale(locale.LC_ALL), lambda was: locale.setlocale(locale.LC_ALL, was)),
    _Part(lambda: repr(decimal.getcontext()), lambda was: decimal.setcontext(eval(was, vars(decimal).copy()))),
    _Part(_signals, lambda was: [signal.signal(which, handler) for which, handler in was.items() if handler is not None]),
    _Part(lambda: os.umask(os.umask(0o077)), os.umask),
    _Part(_rc, _put_rc),
]  # fmt: skip
NAMES = [
    torch, torch.Tensor, functional, nn, nn.Module, nn.Linear, nn.Conv2d, nn.Parameter, math, np, random, builtins, sys, os, time, warnings,
]  # fmt: skip
"""Modules and classes whose functions are the old ones again if they were replaced."""


class Saved:
    """How it stands now."""

    def __init__(self) -> None:
        self.often = [(part, part.get()) for part in OFTEN]
        self.seldom = [(part, part.get()) for part in SELDOM]
        self.names = [_names(owner) for owner in NAMES]

    def back(self) -> None:
        """Put back all that has changed."""
        self.back_names()
        _put(self.seldom)
        self.back_often()

    def back_often(self) -> None:
        """Put back what the next answer would meet."""
        _put(self.often)

    def back_names(self) -> None:
        """Put back the functions that were replaced."""
        for names in self.names:
            names.back()

    def cleaned(self) -> "Saved":
        """The same, with what was put in a clean place."""
        twin = copy.copy(self)
        twin.often = [(part, part.get()) for part in OFTEN]
        return twin


def _put(values: list[tuple[_Part, Any]]) -> None:
    for part, was in values:
        if not _same(part.get(), was):
            with contextlib.suppress(Exception):
                part.put(was)


class _Names:
    """What the names of a module or class mean, so that a function in it that was replaced is the old one again."""

    def __init__(self, owner: Any):
        self.owner, self.was, self.values = owner, vars(owner).copy(), list(vars(owner).values())

    def same(self) -> bool:
        return _same(list(vars(self.owner).values()), self.values)

    def back(self) -> None:
        if self.same():
            return
        now = vars(self.owner).copy()
        for name, value in self.was.items():
            if now.get(name, _NONE) is not value:
                with contextlib.suppress(Exception):
                    setattr(self.owner, name, value)
        if inspect.isclass(self.owner):  # what came may hide what is inherited; in a module it may be another import
            for name in now.keys() - self.was.keys():
                delattr(self.owner, name)


_known: dict[int, _Names] = {}  # as they were last seen, by the id of the owner: copying them takes longer than looking


def _names(owner: Any) -> _Names:
    found = _known.get(id(owner))
    if found is None or not found.same():
        found = _known[id(owner)] = _Names(owner)
    return found


def _same(now: Any, was: Any) -> bool:
    try:
        return bool(now == was)
    except Exception:  # arrays
        return False


_here = threading.local()  # .saved: how the clean place of a thread stands


@contextlib.contextmanager
def clean() -> Iterator[Saved]:
    """A clean place; within another one, that one. Gives how it stands, for `back` after each call that may change it."""
    if inside := getattr(_here, "saved", None):
        yield inside
        return
    before = Saved()
    try:
        for part in (*OFTEN, *SELDOM):
            if part.clean is not _NONE and not _same(part.get(), part.clean):
                part.put(part.clean)
        _here.saved = before.cleaned()
        with torch.inference_mode(False):
            yield _here.saved
    finally:
        _here.saved = None
        before.back()


def left_alone(function: Callable[P, R]) -> Callable[P, R]:
    """The function, run in a clean place."""

    @functools.wraps(function)
    def within(*args: P.args, **kwargs: P.kwargs) -> R:
        with clean():
            return function(*args, **kwargs)

    return within


@contextlib.contextmanager
def kept_random_state(seed: int = SEED) -> Iterator[None]:
    """The same seed for every run of an answer; afterwards the global generators are as they were."""
    before, torch_before = random.getstate(), torch.get_rng_state()
    try:
        random.seed(seed)
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPU's generators as well
        yield
    finally:
        random.setstate(before)
        torch.set_rng_state(torch_before)
