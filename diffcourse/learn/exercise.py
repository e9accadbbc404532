"""What an exercise, a quiz, a prediction and a reveal are made of; how to write them stands in `diffcourse.learn.exercises`."""

import copy
import inspect
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.learn import source, state

KINDS = ("function", "class", "value")
_NAME = re.compile(r"(?!all\.)\w+\.[A-Za-z_]\w*")  # "all" is what progress(reset="all") forgets


@dataclass(frozen=True, eq=False)
class Case:
    """Arguments of one run. For a class, `args` and `kwargs` build it and `method` is then called with `inputs`."""

    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple = ()
    method: str = "__call__"


@dataclass(frozen=True, eq=False)
class Invariant:
    """Something every right answer obeys: `holds(answer)` is True, or False (or raises) where it is broken.

    `only_if_right`: it is spoken only to an answer whose values are right, since its message says so, or speaks of a price or a gradient.
    `before_form`: it is looked at before the form of a wrong answer is, since its message tells why the output has, say, another length.
    """

    name: str
    holds: Callable[[Any], bool]
    message: str
    only_if_right: bool = False
    before_form: bool = False


@dataclass(frozen=True, eq=False)
class Mistake:
    """A wrong version of the answer, and what to tell the one who wrote it."""

    name: str
    wrong: Any
    message: str


@dataclass(frozen=True, eq=False)
class InPackage:
    """What does the same in the package: `call` is said with the word "right", `same` is an answer made of it, which the audit proves.

    `InPackage("schedule.posterior(x0, x_t, t)", lambda x0, x_t, t, betas: DiffusionSchedule(betas).posterior(x0, x_t, t))`
    """

    call: str
    same: Any


@dataclass(frozen=True, eq=False)
class Counts:
    """What of an output is compared, where several outputs are right: `of(output)`, and what the learner hears it called.

    `of` hands back the output itself where all of it counts, and may raise for one of another form than the reference's. Where it gives
    a tuple, `parts` may name each of its values.

    `Counts("up @ down", lambda factors: factors[1] @ factors[0])`
    """

    name: str
    of: Callable[[Any], Any]
    parts: Sequence[str] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Exercise:
    """One exercise. level: 1 warm-up, 2 core, 3 takes thought.

    `kind`
        "function" (default): the answer is called with the arguments of every case.
        "class": the class is built with a `Case`'s args and kwargs; an `nn.Module` then loads the reference's state_dict (so the names and
        shapes of the parameters count, and belong in the stub's docstring), and `method` is called with `inputs`:
        `Case(args=(8, 16), inputs=(torch.ones(2, 8),))`, or a callable that takes a generator and returns a `Case`.
        "value": no cases. `reference` is the value or a function without arguments that works it out; so is `wrong` of each mistake. The
        stub is `name = ...` by default. Numbers, strings, tensors, tuples; for a yes or no write a quiz.
    `reference`
        A `def` or a `class` with type hints and a docstring that states shapes and symbols: the stub is made from them, the solution is its
        source, with the imports and the helpers it needs. It writes the formula out, also where the package has it. Its name may differ:
        the learner sees the part of `name` behind the dot.
    `given`
        Methods of a class that the learner gets written, for example `["__init__"]`: the stub keeps their bodies.
    `stub`
        Only to give more than signature and docstring, for example a comment above a value.
    `cases`
        Tuples of arguments, or callables `generator -> tuple`. Few and small: the learner is shown the smallest that fails. Make them tell
        the mistakes apart: different sizes in every dimension (a transposed answer must not fit), more than one t, values with both signs.
        Draw noise in the case and pass it (or pass the generator), so that one right answer exists.
    `invariants`
        `Invariant(name, holds, message)`: `holds(answer)` returns True, or False (or raises) where it is broken. Shape, dtype, NaN and
        changed inputs are looked at for you. An answer may compute in float64: compare with `close`, not with torch.equal.
    `mistakes`
        `Mistake(name, wrong, message)`: a wrong version, and what its author should hear: what the answer equals and what to look at,
        so that she sees why; never the line to type. A mistake counts when the answer equals the wrong version on all cases (the same
        error counts as equal). Exact equality is the most telling finding, so it is said before a broken invariant.
    `gradients`
        Names of the arguments, and "parameters" for those of a module, in which the answer's derivative is compared with the reference's.
        By default all in which the reference can be differentiated; the stub of a function must then say so ("Differentiable in x0."). An
        empty list asks for no gradient: plain numbers will do.
    `package`
        What does the same in the package, an `InPackage`: told with the word "right", so that the reader knows what to reuse.
    `counts`
        Where several outputs are right, a `Counts`: only the form of the output itself is compared (number of parts, shapes, types), and
        of values only what counts. The stub must say that any such output is right.
    `allowed`
        Mutants of the reference that the audit makes and that may pass, by name (also with * in it), each with the reason.
    `tolerance`
        Relative, 1e-4; entries near 0 may differ by a hundredth of that times the largest entry.
    """

    name: str
    title: str
    reference: Any
    kind: str = "function"
    minutes: int = 5
    level: int = 1
    stub: str = ""
    given: Sequence[str] = ()
    alternatives: Sequence[Any] = ()
    cases: Sequence[Any] = ()
    invariants: Sequence[Invariant] = ()
    mistakes: Sequence[Mistake] = ()
    hints: Sequence[str] = ()
    gradients: Sequence[str] | None = None
    package: InPackage | None = None
    counts: Counts | None = None
    allowed: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 1e-4
    insight: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind not in KINDS:
            raise ValueError(f"{self.name}: kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.kind == "class" and not inspect.isclass(self.reference):
            raise TypeError(f"{self.name}: reference must be a class, got {type(self.reference).__name__}")
        if self.kind == "function" and not inspect.isfunction(self.reference):
            raise TypeError(
                f"{self.name}: reference must be a function made by def, got {type(self.reference).__name__}"
            )
        if isinstance(self.given, str):
            raise TypeError(f"{self.name}: given must be a list of names, got one string")
        if self.given and self.kind != "class":
            raise ValueError(f"{self.name}: only a class has methods that can be given, got kind {self.kind!r}")
        if isinstance(self.hints, str):
            raise TypeError(f"{self.name}: hints must be a list of sentences, got one string")
        if not self.stub:
            object.__setattr__(self, "stub", source.stub(self.reference, self.symbol, self.kind, self.given))
        object.__setattr__(self, "stub", self.stub.strip("\n"))

    @property
    def lesson(self) -> str:
        """The part of the name before the dot."""
        return self.name.split(".")[0]

    @property
    def symbol(self) -> str:
        """The name that the learner's code defines: the part behind the dot."""
        return self.name.split(".")[1]

    @cached_property
    def solution(self) -> str:
        """Source that answers the exercise by itself, under the learner's name."""
        return source.solution(self.reference, self.symbol, self.kind)

    def method(self, case: "Case") -> str:
        """The method of a class that a case calls, by the name under which it is written."""
        return "forward" if case.method == "__call__" and issubclass(self.reference, nn.Module) else case.method

    def build_cases(self, dtype: torch.dtype | None = None) -> list[Case]:
        """Fresh cases, equal at every call; floating-point tensors in `dtype` where it is given."""
        with state.clean(), state.kept_random_state():
            return [self._build(i, case, dtype) for i, case in enumerate(self.cases)]

    def _build(self, i: int, case: Any, dtype: torch.dtype | None) -> Case:
        if callable(case):
            case = case(torch.Generator().manual_seed(zlib.crc32(f"{self.name}/{i}".encode())))
        if not isinstance(case, Case):
            case = Case(args=case if type(case) is tuple else (case,))
        return Case(copied(case.args, dtype), copied(dict(case.kwargs), dtype), copied(case.inputs, dtype), case.method)


@dataclass(frozen=True, eq=False)
class Option:
    """One option of a question, with the reason why it is right or wrong."""

    text: str
    why: str
    right: bool = False


@dataclass(frozen=True, eq=False)
class Question:
    """A question with exactly one right option."""

    text: str
    options: Sequence[Option]

    def __post_init__(self) -> None:
        if len(self.options) < 2 or sum(o.right for o in self.options) != 1:
            raise ValueError(f"a question needs two options or more, exactly one of them right: {self.text!r}")

    @property
    def right(self) -> int:
        return next(i for i, option in enumerate(self.options) if option.right)


@dataclass(frozen=True, eq=False)
class Quiz:
    """One or more questions under one name."""

    name: str
    questions: Sequence[Question]
    title: str = "Quiz"

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.questions:
            raise ValueError(f"{self.name}: a quiz needs a question")

    @property
    def lesson(self) -> str:
        return self.name.split(".")[0]


@dataclass(frozen=True, eq=False)
class Prediction:
    """A guess that is asked for before the outcome is shown; how to write one stands in `diffcourse.learn.exercises`.

    `title`
        What is guessed, as the head of a line: "Variance left: it is 0.02."
    `question`
        The question, read without the cells around it. A number's says in what it is counted.
    `kind`
        "number"; "choice", of one of the `options`; or "order", in which the letters of the `options` are put.
    `options`
        The texts of a choice or of an order. They get the letters A, B, … in the order in which they are written.
    `mixed`
        For an order: the letters are those of `mixed`, and the guess names the letter of each of the options, in the order of the options.
    `unit`
        Of a number: "s", "steps". With "%" guess and truth are in percent.
    `scale`, `close`
        How a number is judged. "ratio", for what is always positive: close is a factor, 1.25 by default. "difference", for a share or
        what may be 0 or negative: close is how far off a guess may be, in the unit.
    `digits`
        Significant digits of the truth, 3.
    `truth`
        Only for a choice or an order that no cell computes: the letters, or the text of the option.
    `why`
        One or two sentences told with the outcome, if anything remains to be said.
    """

    name: str
    title: str
    question: str
    kind: str = "number"
    options: Sequence[str] = ()
    mixed: bool = False
    unit: str = ""
    scale: str = "ratio"
    close: float | None = None
    digits: int = 3
    truth: str = ""
    why: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind not in ("number", "choice", "order"):
            raise ValueError(f"{self.name}: kind must be number, choice or order, got {self.kind!r}")
        if self.scale not in ("ratio", "difference"):
            raise ValueError(f"{self.name}: scale must be ratio or difference, got {self.scale!r}")
        if isinstance(self.options, str):
            raise TypeError(f"{self.name}: options must be a list of texts, got one string")
        if (self.kind == "number") != (not self.options) or len(self.options) == 1 or len(self.options) > 26:
            raise ValueError(f"{self.name}: a choice or an order has 2 to 26 options and a number none")
        if self.mixed and self.kind != "order":
            raise ValueError(f"{self.name}: only an order can be mixed, got kind {self.kind!r}")
        if self.truth and self.kind == "number":
            raise ValueError(
                f"{self.name}: the truth of a number comes from the cell that computes it, never from here"
            )
        if self.close is None and self.kind == "number":
            if self.scale == "difference":
                raise ValueError(f"{self.name}: with scale='difference', close must say how far off a guess may be")
            object.__setattr__(self, "close", 1.25)
        if self.close is not None and not (self.close >= 1 if self.scale == "ratio" else self.close > 0):
            raise ValueError(
                f"{self.name}: close must be a factor from 1 on, or a distance above 0, got {self.close!r}"
            )

    @property
    def lesson(self) -> str:
        return self.name.split(".")[0]

    @property
    def letters(self) -> str:
        """The letters of the options: "ABCD"."""
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[: len(self.options)]


@dataclass(frozen=True, eq=False)
class Reveal:
    """The answer to a question that the lesson leaves to its reader, such as "find the bug": a text, and code that is right."""

    name: str
    title: str
    text: str
    code: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if not self.title.strip() or not self.text.strip():
            raise ValueError(f"{self.name}: a reveal needs a title and a text")

    @property
    def lesson(self) -> str:
        return self.name.split(".")[0]


def close(a: Any, b: Any, tolerance: float = 1e-5) -> bool:
    """For an `Invariant`: the same shape and the same numbers, whatever the floating-point type (torch.equal asks for the same type)."""
    a, b = torch.as_tensor(a).detach().double(), torch.as_tensor(b).detach().double()
    if a.numel() == b.numel() == 1:  # a tensor of one element serves as a number
        a, b = a.reshape(()), b.reshape(())
    return a.shape == b.shape and torch.allclose(a, b, rtol=tolerance, atol=tolerance)


def copied(x: Any, dtype: torch.dtype | None = None) -> Any:
    """A copy that shares no memory with x; floating-point tensors and modules in `dtype` where it is given."""
    if isinstance(x, Tensor):
        y = x.detach().clone()
        return (y.to(dtype) if dtype and y.is_floating_point() else y).requires_grad_(x.requires_grad)
    if isinstance(x, torch.Generator):
        twin = torch.Generator(device=x.device)
        twin.set_state(x.get_state())
        return twin
    if isinstance(x, tuple):
        items = [copied(item, dtype) for item in x]
        return type(x)(*items) if hasattr(x, "_fields") else tuple(items)
    if isinstance(x, list):
        return [copied(item, dtype) for item in x]
    if isinstance(x, dict):
        return {key: copied(item, dtype) for key, item in x.items()}
    try:
        y = copy.deepcopy(x)
    except Exception:  # an object that cannot be copied is passed as it is
        return x
    return y.to(dtype) if dtype and isinstance(y, nn.Module) else y


def check_name(name: str) -> None:
    """ValueError unless `name` is that of something asked: a lesson, a dot, a Python name."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"name must look like 02.q_sample or week3.blur (lesson in letters and digits, not all; dot; Python name), got {name!r}"
        )
