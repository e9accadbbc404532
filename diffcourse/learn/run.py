"""Runs a learner's code so that nothing it does harms the lesson: limited time, captured output, copied arguments, kept random state."""

import contextlib
import inspect
import io
import itertools
import linecache
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.learn.exercise import Case, Exercise, copied
from diffcourse.learn.limit import Limit, TimeUp
from diffcourse.learn.state import SEED, Saved, kept_random_state

LIMIT = 10.0
"""Seconds that one check gives to the learner's code, all cases together."""
_KEEP = 2000  # characters of printed output that are kept
_MOST_ITEMS = 10_000  # of an iterator


class StateMismatch(Exception):
    """The parameters of the learner's module are not those of the reference."""


@dataclass
class Outcome:
    """What a call did: its value or error, what it printed, what it changed in place, if it seeded the global generator, if it yielded.

    `value` is what counts of what was `returned`: all of it, except where the exercise says otherwise (`Counts`).
    """

    value: Any = None
    error: BaseException | None = None
    printed: str = ""
    mutated: str = ""
    seeded: bool = False
    yielded: bool = False
    returned: Any = None

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


def is_stub(answer: Any) -> bool:
    """Is it a stub as it came, or is there a method that is: code that only says NotImplementedError?"""
    return any(code.co_names == ("NotImplementedError",) for code in _codes(answer))


class Runner:
    """Calls functions within one budget of seconds, each with the global generators at `seed`; `saved` is put back after each call."""

    def __init__(self, seconds: float | None = None, seed: int = SEED, saved: Saved | None = None):
        self.seconds = LIMIT if seconds is None else seconds
        self.limit = Limit(self.seconds)
        self.seed, self.saved = seed, saved

    def call(self, function: Callable, *args: Any, **kwargs: Any) -> Outcome:
        """The outcome of function(*args, **kwargs). Only KeyboardInterrupt, the reader's own stop button, comes through."""
        outcome, printed = Outcome(), _Head()
        try:
            with printed.captured(), kept_random_state(self.seed), torch.enable_grad():
                outcome.value, outcome.yielded = self.limit.call(_given, function, args, kwargs)
                outcome.seeded = torch.initial_seed() != self.seed
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome.error = error
        finally:
            if self.saved:
                self.saved.back_often()
        outcome.printed = printed.text()
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
        outcome.returned = outcome.value
        if exercise.counts and not outcome.error:
            with contextlib.suppress(Exception):  # of another form than the reference's, which is said as it is
                outcome.value = exercise.counts.of(outcome.value)
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
    found = []
    with contextlib.suppress(Exception):
        for part in [answer, *(vars(answer).values() if isinstance(answer, type) else [])]:
            found += [getattr(part, "__code__", None), getattr(getattr(part, "__wrapped__", None), "__code__", None)]
    return [code for code in found if code]


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


def _given(function: Callable, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, bool]:
    """What a function gives, an iterator's values listed, and whether it was one."""
    value = function(*args, **kwargs)
    return plain(_listed(value)), isinstance(value, Iterator)


def plain(value: Any) -> Any:
    """Tensors of a class of the learner's own as tensors: what they hold counts, not what they say of themselves."""
    if issubclass(type(value), Tensor):
        if type(value) in (Tensor, nn.Parameter):
            return value
        with torch._C.DisableTorchFunctionSubclass():
            return value.as_subclass(Tensor)
    if type(value) in (tuple, list) and len(value) <= _MOST_ITEMS:
        return type(value)(map(plain, value))
    return {key: plain(item) for key, item in value.items()} if type(value) is dict else value


def _listed(value: Any) -> Any:
    return tuple(itertools.islice(value, _MOST_ITEMS)) if isinstance(value, Iterator) else value


def _use(reference: type, cls: type, case: Case, dtype: torch.dtype | None) -> Any:
    """Build the class, give it the reference's parameters, and call it."""
    method = getattr(built(reference, cls, case, dtype), case.method)
    inputs, named = _by_name(getattr(reference, case.method), method, copied(case.inputs))
    return method(*inputs, **named)


def _by_name(reference: Callable, method: Callable, inputs: tuple) -> tuple[tuple, dict[str, Any]]:
    """The inputs, those by name that the learner's method takes so only, as in step(self, now, to, *, past)."""
    try:
        names = list(inspect.signature(reference).parameters)[1 : len(inputs) + 1]
        only = {p.name for p in inspect.signature(method).parameters.values() if p.kind is p.KEYWORD_ONLY}
    except (TypeError, ValueError):
        return inputs, {}
    split = next((i for i, name in enumerate(names) if name in only), len(inputs))
    return inputs[:split], dict(zip(names[split:], inputs[split:], strict=False))


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
    """load_state_dict, whose complaint is a sentence. Buffers of the module's own stay as they are: they do not learn."""
    own, buffers = module.state_dict(), dict(module.named_buffers(remove_duplicate=False))
    missing, extra = [k for k in state if k not in own], [k for k in own if k not in state and k not in buffers]
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
    module.load_state_dict({k: v for k, v in own.items() if k in buffers} | state)


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
