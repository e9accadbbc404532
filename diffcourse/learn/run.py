"""Runs a learner's code so that nothing it does harms the lesson: limited time, captured output, copied arguments, kept random state."""

import contextlib
import ctypes
import io
import itertools
import linecache
import random
import signal
import threading
import time
import traceback
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.learn.exercise import Case, Exercise, copied

LIMIT = 10.0
"""Seconds that one check gives to the learner's code, all cases together."""
SEED = 20_111  # of the global generators when an answer runs: one that nobody sets by hand
_KEEP = 2000  # characters of printed output that are kept
_MOST_ITEMS = 10_000  # of an iterator


class TimeUp(BaseException):
    """The learner's code ran too long. Not an Exception, so that `except Exception` in her loop does not stop it."""


class StateMismatch(Exception):
    """The parameters of the learner's module are not those of the reference."""


@dataclass
class Outcome:
    """What a call did: its value or error, what it printed, what it changed in place, if it seeded the global generator, if it yielded."""

    value: Any = None
    error: BaseException | None = None
    printed: str = ""
    mutated: str = ""
    seeded: bool = False
    yielded: bool = False

    @property
    def timed_out(self) -> bool:
        return isinstance(self.error, TimeUp)


def imported_first(answer: Any) -> None:
    """Import what torch imports on the first use of `torch.func` and its like: it takes seconds, and does not count against the answer."""
    codes = _codes(answer)
    names = {name for code in codes for name in code.co_names}
    if names & {"func", "vmap", "compile", "functional_call", "jacrev", "hessian"}:
        with contextlib.suppress(Exception):
            import torch._dynamo  # noqa: F401


class Runner:
    """Calls functions within one budget of seconds, each with the global generators at `seed`."""

    def __init__(self, seconds: float | None = None, seed: int = SEED):
        self.seconds = LIMIT if seconds is None else seconds
        self.left = self.seconds
        self.seed = seed

    def call(self, function: Callable, *args: Any, **kwargs: Any) -> Outcome:
        """The outcome of function(*args, **kwargs). Only KeyboardInterrupt, the reader's own stop button, comes through."""
        if self.left <= 0:
            return Outcome(error=TimeUp())
        outcome, printed, began = Outcome(), _Head(), time.monotonic()
        try:
            with printed.captured(), kept_random_state(self.seed), torch.enable_grad():
                with time_limit(self.left):
                    value = function(*args, **kwargs)
                    outcome.value, outcome.yielded = _listed(value), isinstance(value, Iterator)
                outcome.seeded = torch.initial_seed() != self.seed
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome.error = error
        outcome.printed = printed.text()
        self.left -= time.monotonic() - began
        return outcome

    def run(self, exercise: Exercise, answer: Any, case: Case, dtype: torch.dtype | None = None) -> Outcome:
        """The outcome of an answer on a case; its arguments are copies, compared afterwards."""
        if exercise.kind == "class":
            outcome = self.call(_use, exercise.reference, answer, case, dtype)
        else:
            args, kwargs = copied(case.args), copied(dict(case.kwargs))
            outcome = self.call(answer, *args, **kwargs)
            for name, before, after in zip(
                argument_names(exercise, case),
                [*case.args, *case.kwargs.values()],
                [*args, *kwargs.values()],
                strict=True,
            ):
                if not outcome.mutated and not _unchanged(before, after):
                    outcome.mutated = name
        return outcome


def argument_names(exercise: Exercise, case: Case) -> list[str]:
    """Names of the case's arguments in the reference's signature, positional ones first."""
    code = getattr(exercise.reference, "__code__", None)
    names = list(code.co_varnames[: code.co_argcount]) if code else []
    names += [f"argument {i + 1}" for i in range(len(names), len(case.args))]
    return names[: len(case.args)] + list(case.kwargs)


def where(error: BaseException, files: set[str]) -> tuple[int, str] | None:
    """Line number and text of the last line in `files`, or in a notebook cell, that the error passed; None if it passed none."""
    frames = traceback.extract_tb(error.__traceback__)
    hers = [frame for frame in frames if frame.filename in files or "ipykernel_" in frame.filename]
    if not hers:
        return None
    line = hers[-1].lineno or 0
    return line, linecache.getline(hers[-1].filename, line).strip()


def source_files(answer: Any) -> set[str]:
    """The files in which the learner's function, or the methods of her class, are written."""
    return {code.co_filename for code in _codes(answer)}


def _codes(answer: Any) -> list[CodeType]:
    """The code of a function or of the methods of a class, also behind a decorator; none of an answer whose attributes raise."""
    parts = [answer, *(vars(answer).values() if isinstance(answer, type) else [])]
    found = []
    with contextlib.suppress(Exception):
        for part in parts:
            found += [getattr(part, "__code__", None), getattr(getattr(part, "__wrapped__", None), "__code__", None)]
    return [code for code in found if code]


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raises TimeUp in the body after `seconds`: by SIGALRM in the main thread, elsewhere as well as the platform allows."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        yield from _alarm(seconds)
    else:
        yield from _timer(seconds)


def _alarm(seconds: float) -> Iterator[None]:
    active = True

    def ring(signum: int, frame: Any) -> None:
        if active:
            raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    outer, _ = signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)  # rings again where a bare except swallowed it
    began = time.monotonic()
    try:
        try:
            yield
        finally:
            active = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if outer:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, outer - (time.monotonic() - began)))


def _timer(seconds: float) -> Iterator[None]:
    in_main = threading.current_thread() is threading.main_thread()
    ident, over, rang = ctypes.c_ulong(threading.get_ident()), threading.Event(), threading.Event()
    lock = threading.Lock()

    def ring() -> None:
        wait = seconds
        while not over.wait(wait):
            with lock:
                if over.is_set():
                    return
                rang.set()
                if in_main:
                    interrupt_main()
                else:
                    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(TimeUp))
            wait = 0.5

    before = signal.getsignal(signal.SIGINT)
    deaf = in_main and before in (
        signal.SIG_IGN,
        signal.SIG_DFL,
        None,
    )  # started in the background: interrupt_main would do nothing
    if deaf:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=ring, daemon=True).start()
    try:
        try:
            yield
        finally:
            _end_of_rings(over, lock)
            if in_main and rang.is_set():  # a ring that has not reached this thread yet arrives here
                time.sleep(0.01)
    except KeyboardInterrupt:
        if rang.is_set():
            raise TimeUp from None
        raise
    finally:
        if deaf:
            signal.signal(signal.SIGINT, before or signal.SIG_DFL)


def _end_of_rings(over: threading.Event, lock: threading.Lock) -> None:
    """No ring comes after this; one that is on its way arrives here and is dropped.

    Taking it back, `PyThreadState_SetAsyncExc(ident, None)`, would leave Python 3.11 and 3.12 with a flag that asks every thread to look
    for it, for good: all code runs slower, and 3.11 never comes out of a call that is traced, as under coverage.
    """
    while True:
        try:
            with lock:
                over.set()
            for _ in range(10):  # Python raises what is pending where a loop turns
                pass
            return
        except TimeUp:
            continue


class _Head(io.TextIOBase):
    """Keeps the first characters written to it."""

    def __init__(self) -> None:
        self.kept = ""
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.kept += text[: max(0, _KEEP - self.size)]
        self.size += len(text)
        return len(text)

    @contextlib.contextmanager
    def captured(self) -> Iterator[None]:
        """What is printed or warned goes here."""
        with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
            yield

    def text(self) -> str:
        return self.kept.rstrip("\n") + (f"\n… ({self.size:,} characters in all)" if self.size > _KEEP else "")


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


def _listed(value: Any) -> Any:
    return tuple(itertools.islice(value, _MOST_ITEMS)) if isinstance(value, Iterator) else value


def _use(reference: type, cls: type, case: Case, dtype: torch.dtype | None) -> Any:
    """Build the class, give it the reference's parameters, and call it."""
    return getattr(built(reference, cls, case, dtype), case.method)(*copied(case.inputs))


def built(reference: type, cls: type, case: Case, dtype: torch.dtype | None) -> Any:
    """An object of the class; a module has the reference's parameters."""
    made = cls(*copied(case.args), **copied(dict(case.kwargs)))
    if issubclass(reference, nn.Module):
        if not isinstance(made, nn.Module):
            raise StateMismatch(
                "your class is not an nn.Module: write it as class Name(nn.Module), and call super().__init__() first"
            )
        load(made, reference_state(reference, case))
        made = made.to(dtype).eval() if dtype else made.eval()
    return made


def reference_state(reference: type[nn.Module], case: Case) -> dict[str, Tensor]:
    """The reference's parameters; where they start as constants (biases, norms, zero layers) noise is added, so that they count."""
    with kept_random_state():
        module = reference(*copied(case.args), **copied(dict(case.kwargs)))
        for parameter in module.parameters():
            if (
                parameter.is_floating_point()
                and parameter.numel()
                and bool((parameter == parameter.flatten()[0]).all())
            ):
                parameter.data += 0.3 * torch.randn_like(parameter)
    return module.state_dict()


def load(module: nn.Module, state: dict[str, Tensor]) -> None:
    """load_state_dict, whose complaint is a sentence."""
    own = module.state_dict()
    missing, extra = [k for k in state if k not in own], [k for k in own if k not in state]
    shapes = [k for k in state if k in own and own[k].shape != state[k].shape]
    complaints = []
    if missing:
        complaints.append("it lacks " + ", ".join(missing[:4]))
    if extra:
        complaints.append("it has " + ", ".join(extra[:4]) + ", which the exercise does not ask for")
    if shapes:
        complaints.append(
            ", ".join(f"{k} has shape {tuple(own[k].shape)} instead of {tuple(state[k].shape)}" for k in shapes[:3])
        )
    if complaints:
        raise StateMismatch("the parameters of your module are not those of the exercise: " + "; ".join(complaints))
    module.load_state_dict(state)


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        same_kind = isinstance(after, Tensor) and before.shape == after.shape and before.dtype == after.dtype
        return same_kind and bool(((before == after) | ((before != before) & (after != after))).all())
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(_unchanged(b, a) for b, a in zip(before, after, strict=True))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_unchanged(before[key], after[key]) for key in before)
    if isinstance(before, nn.Module):
        return _unchanged(before.state_dict(), after.state_dict())
    if (
        isinstance(before, int | float | str | bool | torch.Generator)
        or before is None
        or not hasattr(before, "__dict__")
    ):
        return True
    return all(_unchanged(b, vars(after).get(key)) for key, b in vars(before).items() if isinstance(b, Tensor))
