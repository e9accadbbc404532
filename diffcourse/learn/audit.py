"""Proves exercises: right answers pass, every named mistake hears its own message, other wrong answers are rejected."""

import inspect
import math
import numbers
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from diffcourse.learn import compare, guesses, registry, run, source
from diffcourse.learn.diagnosis import Verdict, accepts, derivatives, diagnose, without_derivative, worked_out
from diffcourse.learn.exercise import Exercise, Prediction, Question, Quiz, Reveal
from diffcourse.learn.gradients import PARAMETERS
from diffcourse.learn.mutants import mutants, rewritten

DTYPES = (torch.float32, torch.float64)
HINTS = 3
FEWEST_MISTAKES = 4
FEWEST_WRONG_ANSWERS = {"function": 10, "class": 10, "value": 3}
RAW = re.compile(r"sqrt\(|\w*_[\w{]+|\^\S*|\*\*\S*|\*[^*]+\*|\*")  # mathematics and emphasis as one types them


@dataclass
class Report:
    """What an audit counted, and one sentence for every defect."""

    exercises: int = 0
    mistakes: int = 0
    alternatives: int = 0
    invariants: int = 0
    rejected: int = 0  # wrong answers that nobody listed
    mutants: int = 0
    allowed: int = 0  # mutants that may pass
    quizzes: int = 0
    questions: int = 0
    predictions: int = 0
    reveals: int = 0
    lessons: dict[str, int] = field(default_factory=dict)
    defects: list[str] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        """Add what another report counted."""
        for name, value in vars(other).items():
            if isinstance(value, dict):
                for lesson, count in value.items():
                    self.lessons[lesson] = self.lessons.get(lesson, 0) + count
            else:
                setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        counts = [
            f"{self.exercises} exercises ({', '.join(f'{lesson}: {n}' for lesson, n in self.lessons.items()) or 'none'})",
            f"{self.mistakes} named mistakes, each answered with its own message"
            if not self.defects
            else f"{self.mistakes} named mistakes",
            f"{self.alternatives} alternative answers, {self.invariants} invariants",
            f"{self.rejected} wrong answers outside the catalogue rejected",
            f"{self.mutants} mutants of the references made, {self.allowed} of them allowed to pass",
            f"{self.quizzes} quizzes with {self.questions} questions",
            f"{self.predictions} predictions, {self.reveals} answers folded away",
        ]
        return "\n".join([*counts, *self.defects, f"{len(self.defects)} defects" if self.defects else "no defects"])


def audit(which: str | None = None) -> Report:
    """Audit everything, one lesson ("02"), or one thing by its name ("02.q_sample"). KeyError for a name that does not exist."""
    report = Report()
    kinds = (registry.exercises, registry.quizzes, registry.predictions, registry.reveals)
    everything: dict[str, registry.Asked] = {name: item for kind in kinds for name, item in kind().items()}
    chosen = [item for item in everything.values() if which in (None, item.lesson, item.name)]
    if not chosen and which is not None:
        known = [*everything, *registry.lessons()]
        raise registry.unknown(which, known, "exercise, quiz, prediction, reveal or lesson")
    for item in chosen:
        if isinstance(item, Exercise):
            report.add(audit_exercise(item))
        else:
            report.add(audit_quiz(item) if isinstance(item, Quiz) else audit_told(item))
    return report


def audit_told(item: Prediction | Reveal) -> Report:
    """Is all that a prediction or a reveal says there, different and plain text, and does the code of a reveal run through the parser?"""
    if isinstance(item, Reveal):
        report, texts = Report(reveals=1), [item.title, item.text]
        try:
            compile(item.code, item.name, "exec")
        except SyntaxError as error:
            report.defects.append(f"{item.name}: the code is none: {error}.")
    else:
        report, texts = Report(predictions=1), [item.title, item.question, *item.options]
        if not all(text.strip() for text in texts) or len(set(item.options)) < len(item.options):
            report.defects.append(f"{item.name}: a text is empty, or two options are equal.")
        if item.truth and not _is_an_answer(item):
            report.defects.append(f"{item.name}: the truth {item.truth!r} is no answer to it.")
        if item.title.rstrip().endswith((".", "?", ":")):
            report.defects.append(f"{item.name}: the title {item.title!r} goes on with a colon, so it ends in no mark.")
        texts.append(item.why)
    report.defects += [f"{item.name}: {defect}" for text in texts for defect in _raw(text)]
    return report


def _is_an_answer(item: Prediction) -> bool:
    try:
        return bool(guesses.read(item, item.truth, "truth"))
    except (TypeError, ValueError):
        return False


def _raw(text: str) -> Iterator[str]:
    prose = re.sub(r"`[^`]*`", "", text)
    for raw in RAW.findall(prose):
        yield f"write {raw!r} in Unicode (x₀, √0.64, σ², ·), code in backticks, no stars: {text!r}."
    if prose.count("(") != prose.count(")"):  # a text that was cut in two, as at the bars of KL(q || p)
        yield f"a bracket opens and does not close, or the other way round: {text!r}."


def audit_quiz(quiz: Quiz) -> Report:
    """Are all options there, different and explained, is all of it plain text, and can the right one not be told by its length?"""
    report = Report(quizzes=1, questions=len(quiz.questions))
    for question in quiz.questions:
        texts = [option.text.strip() for option in question.options]
        if not all(texts) or len(set(texts)) < len(texts):
            report.defects.append(f"{quiz.name}: options are empty or equal in {question.text!r}.")
        if not all(option.why.strip() for option in question.options):
            report.defects.append(f"{quiz.name}: an option is not explained in {question.text!r}.")
        for text in [quiz.title, question.text, *texts, *(option.why for option in question.options)]:
            report.defects += [f"{quiz.name}: {defect}" for defect in _raw(text)]
    longest = sum(map(_right_is_longest, quiz.questions))
    if len(quiz.questions) >= 3 and 2 * longest > len(quiz.questions):
        report.defects.append(
            f"{quiz.name}: the right option is the longest in {longest} of {len(quiz.questions)} questions, so its length tells it."
        )
    return report


def _right_is_longest(question: Question) -> bool:
    return all(len(o.text) < len(question.options[question.right].text) for o in question.options if not o.right)


def audit_exercise(exercise: Exercise) -> Report:
    """All that can be proved of one exercise."""
    report = Report(
        exercises=1,
        mistakes=len(exercise.mistakes),
        alternatives=len(exercise.alternatives),
        invariants=len(exercise.invariants),
        lessons={exercise.lesson: 1},
    )
    if exercise.kind != "value" and not exercise.cases:
        report.defects.append(f"{exercise.name}: there are no cases.")
        return report
    try:
        defects = [*_form(exercise), *_right_answers(exercise), *_named_mistakes(exercise)]
        for name, verdict in battery(exercise):
            report.rejected += verdict.status == "wrong"
            if verdict.status != "wrong":
                defects.append(f"the wrong answer {name!r} is taken for {verdict.status}")
        defects += _mutants(exercise, report)
        fewest = FEWEST_WRONG_ANSWERS[exercise.kind]
        is_word = exercise.kind == "value" and isinstance(worked_out(exercise.reference), str)
        if report.rejected < fewest and not is_word:
            what = f"only {report.rejected} wrong answers outside the catalogue make sense here and are rejected"
            defects.append(f"{what}; {fewest} are wanted: add cases, or larger ones")
    except Exception as error:
        defects = [
            f"the audit stops with {type(error).__name__}: {error}"
            + (f" ({error.__cause__})" if error.__cause__ else "")
        ]
    report.defects = [f"{exercise.name}: {defect}." for defect in defects]
    return report


# -- form -------------------------------------------------------------------------------------------------------------


def _form(exercise: Exercise) -> Iterator[str]:
    if not exercise.title.strip():
        yield "the title is empty"
    if not (exercise.minutes > 0 and exercise.level in (1, 2, 3)):
        yield "minutes must be positive and level 1, 2 or 3"
    if exercise.kind != "value" and not inspect.getdoc(exercise.reference):
        yield "the reference has no docstring, so the stub says nothing"
    if exercise.kind == "value" and isinstance(worked_out(exercise.reference), bool):
        yield "a yes or no can be guessed, and cannot be marked as the reference: write a quiz"
    if (
        len(exercise.hints) != HINTS
        or len(set(exercise.hints)) != HINTS
        or not all(hint.strip() for hint in exercise.hints)
    ):
        yield f"it needs {HINTS} different hints and has {len(set(exercise.hints))}"
    if len(exercise.mistakes) < FEWEST_MISTAKES:
        yield f"it needs {FEWEST_MISTAKES} named mistakes and has {len(exercise.mistakes)}"
    if _learns(exercise) and not re.search("differentiable|gradient", exercise.stub, re.I):
        yield "gradients are compared and the stub does not say so: say in what it is differentiable, or set gradients"
    if exercise.kind != "value" and exercise.gradients != [] and (errors := without_derivative(exercise)):
        yield f"gradients are not compared: the reference stops where one is asked for ({errors[0]}); set gradients"
    unknown = set(exercise.gradients or []) - {PARAMETERS} - _argument_names(exercise)
    if unknown:
        yield f"gradients names {', '.join(sorted(unknown))}, which the reference does not take"
    yield from _telling(exercise)
    yield from _stub(exercise)
    yield from _solution(exercise)


def _learns(exercise: Exercise) -> bool:
    """Are derivatives of a function compared? That a module's parameters learn need not be said."""
    return exercise.kind == "function" and exercise.gradients != [] and bool(derivatives(exercise))


def _argument_names(exercise: Exercise) -> set[str]:
    if exercise.kind == "value":
        return set()
    functions = [exercise.reference] if exercise.kind == "function" else vars(exercise.reference).values()
    return {name for f in functions if inspect.isfunction(f) for name in inspect.signature(f).parameters}


def _telling(exercise: Exercise) -> Iterator[str]:
    """Messages that are empty, equal, or give the line to type away."""
    messages = {f"mistake {m.name!r}": m.message for m in exercise.mistakes}
    messages |= {f"invariant {i.name!r}": i.message for i in exercise.invariants}
    if not all(messages.values()) or len(set(messages.values())) < len(messages):
        yield "two messages are equal, or one is empty"
    if len(messages) < len(exercise.mistakes) + len(exercise.invariants):
        yield "two mistakes or two invariants have the same name"
    messages |= {f"hint {i + 1}": hint for i, hint in enumerate(exercise.hints)}
    secrets = source.solution_lines(exercise.solution)
    for where, text in messages.items():
        if told := next((line for line in secrets if line in source.bare(text)), None):
            yield f"{where} gives the line {told} away"


def _stub(exercise: Exercise) -> Iterator[str]:
    namespace = dict(vars(inspect.getmodule(exercise.reference))) if exercise.kind != "value" else {}
    namespace.pop(exercise.symbol, None)
    try:
        exec(compile(exercise.stub, f"<stub of {exercise.name}>", "exec"), namespace)
    except Exception as error:
        yield f"the stub does not run: {type(error).__name__}: {error}"
        return
    if exercise.symbol not in namespace:
        yield f"the stub does not define {exercise.symbol}"
    elif (status := diagnose(exercise, namespace[exercise.symbol]).status) != "not attempted":
        yield f"the stub is {status}, where it should be not attempted"


def _solution(exercise: Exercise) -> Iterator[str]:
    namespace: dict[str, Any] = {"__name__": "solution"}
    try:
        exec(compile(exercise.solution, f"<solution of {exercise.name}>", "exec"), namespace)
        verdict = diagnose(exercise, namespace[exercise.symbol])
    except Exception as error:
        yield f"the solution does not stand alone: {type(error).__name__}: {error}"
        return
    if verdict.status != "right":
        yield f"the solution is {_said(verdict)}"


# -- answers ----------------------------------------------------------------------------------------------------------


def _right_answers(exercise: Exercise) -> Iterator[str]:
    answers = {"the reference": exercise.reference}
    answers |= {f"alternative {i + 1} ({getattr(a, '__name__', a)})": a for i, a in enumerate(exercise.alternatives)}
    if exercise.package:
        answers["the package's"] = exercise.package.same
    if exercise.kind == "value":
        answers = {name: worked_out(answer) for name, answer in answers.items()}
    for name, answer in answers.items():
        once = exercise.kind == "value" or name == "the package's"
        for dtype in (None,) if once else (None, *DTYPES):
            verdict = diagnose(exercise, answer, dtype)
            if verdict.status != "right":
                yield f"{name} is {_said(verdict)}" + (f", in {dtype}" if dtype else "")
                break
    if exercise.kind == "function" and not any(_has_generator(case.args) for case in exercise.build_cases()):
        for inside in DTYPES:
            verdict = diagnose(exercise, _computed_in(exercise.reference, inside))
            if verdict.status != "right":
                yield f"the reference computed in {inside} is {_said(verdict)}"


def _computed_in(reference: Callable, dtype: torch.dtype) -> Callable:
    return lambda *args, **kwargs: reference(*_cast(args, dtype), **_cast(kwargs, dtype))


def _cast(x: Any, dtype: torch.dtype) -> Any:
    """Tensors in another floating-point type, gradients and all."""
    if isinstance(x, Tensor):
        return x.to(dtype) if x.is_floating_point() else x
    if isinstance(x, dict):
        return {key: _cast(value, dtype) for key, value in x.items()}
    return type(x)(_cast(item, dtype) for item in x) if type(x) in (tuple, list) else x


def _has_generator(args: tuple) -> bool:
    return any(isinstance(arg, torch.Generator) for arg in args)


def _named_mistakes(exercise: Exercise) -> Iterator[str]:
    for mistake in exercise.mistakes:
        wrong = worked_out(mistake.wrong) if exercise.kind == "value" else mistake.wrong
        verdict = diagnose(exercise, wrong)
        if verdict.status != "wrong":
            yield f"the mistake {mistake.name!r} is taken for {verdict.status}: no case tells it apart"
        elif verdict.mistake != mistake.name:
            yield f"the mistake {mistake.name!r} is answered by {_said(verdict)}"
        elif verdict.says != [mistake.message]:
            yield f"the mistake {mistake.name!r} hears more than its own message"


def _said(verdict: Verdict) -> str:
    by = (
        f"the mistake {verdict.mistake!r}: "
        if verdict.mistake
        else f"the invariant {verdict.invariant!r}: "
        if verdict.invariant
        else ""
    )
    return f"{verdict.status} ({by}{' '.join(verdict.says).rstrip('.')})" if verdict.says else verdict.status


# -- wrong answers that nobody listed ---------------------------------------------------------------------------------


def battery(exercise: Exercise) -> Iterator[tuple[str, Verdict]]:
    """The verdicts on wrong answers made from the reference: every change, of every part of its output, that changes anything at all."""
    if exercise.kind == "value":
        expected = [worked_out(exercise.reference)]
    else:
        cases = exercise.build_cases()
        expected = [run.Runner().run(exercise, exercise.reference, case).returned for case in cases]
    for part in range(_parts(expected[0])):
        for name, change in CHANGES.items():
            changed = [_changed(value, change, part) for value in expected]
            if name == "one dimension too many" and all(_number(value, part) for value in expected):
                continue  # a tensor of one element serves as a number
            if all(_serves(exercise, a, b) for a, b in zip(expected, changed, strict=True)):
                continue
            suffix = f" (output {part + 1})" if _parts(expected[0]) > 1 else ""
            yield name + suffix, _judged(exercise, _answer(exercise, partial(_changed, change=change, part=part)))
    for name, whole in WHOLE.items():
        if not all(compare.identical(value, whole(value)) for value in expected):
            yield name, _judged(exercise, _answer(exercise, whole))
    if exercise.kind != "value":
        yield "raises an error", _judged(exercise, _answer(exercise, _raising))
        first = [next(iter([*(case.inputs or case.args), *case.kwargs.values()]), None) for case in cases]
        if not all(
            compare.identical(value, arg) or _close(value, arg) for value, arg in zip(expected, first, strict=True)
        ):
            yield "returns its input", _judged(exercise, _answer(exercise, None))


def _judged(exercise: Exercise, answer: Any) -> Verdict:
    """Right or wrong, without a search for what a wrong answer is."""
    return Verdict(exercise.name, "right" if accepts(exercise, answer) else "wrong")


def _mutants(exercise: Exercise, report: Report) -> Iterator[str]:
    """Mutants that pass without being allowed to, and permissions that no mutant needs."""
    patterns = {name: re.compile(re.escape(name).replace(r"\*", ".*")) for name in exercise.allowed}
    used = set()
    for mutant in mutants(exercise):
        report.mutants += 1
        passes = _passes(exercise, mutant.answer)
        permitted = {name for name, pattern in patterns.items() if pattern.fullmatch(mutant.name)}
        if passes and permitted:
            report.allowed += 1
            used |= permitted
        elif passes:
            yield f"the mutant {mutant.name!r} passes"
    for name in patterns.keys() - used:
        yield f"no mutant that passes is called {name!r}, which is allowed"


def _passes(exercise: Exercise, answer: Any) -> bool:
    if exercise.kind != "value":
        return accepts(exercise, answer)
    made = run.Runner(5.0).call(answer)
    return not made.error and accepts(exercise, made.value)


def _answer(exercise: Exercise, change: Callable[[Any], Any] | None) -> Any:
    """The reference with `change` applied to what it gives; None returns the first argument instead."""
    reference = exercise.reference
    if exercise.kind == "value":
        value = worked_out(reference)
        return change(value) if change else value
    if change:
        return rewritten(exercise, lambda f: lambda *args, **kwargs: change(_listed(f(*args, **kwargs))))
    first = 0 if exercise.kind == "function" else 1  # behind self
    return rewritten(exercise, lambda f: lambda *args, **kwargs: [*args, *kwargs.values()][first])


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, Iterator) else value


def _raising(value: Any) -> Any:
    raise RuntimeError("a wrong answer that raises")


def _one(x: Tensor, value: Callable[[float], float]) -> Tensor:
    y = x.flatten().clone()
    if y.numel() and y.dtype != torch.bool:
        y[-1] = value(float(y[-1].detach()))
    return y.reshape(x.shape)


def _signs(x: Tensor) -> Tensor:
    y = x.clone().flatten()
    y[::2] = -y[::2]
    return y.reshape(x.shape)


def _floats(change: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    return lambda x: change(x) if x.is_floating_point() else x


CHANGES: dict[str, Callable[[Tensor], Any]] = {
    "scaled by 1.02": lambda x: 1.02 * x,
    "shifted by 0.01": lambda x: x + 0.01,
    "negated": lambda x: -x if x.dtype != torch.bool else ~x,
    "every second sign flipped": lambda x: _signs(x) if x.dtype not in (torch.bool, torch.uint8) else x,
    "reversed": lambda x: x.flip(-1) if x.ndim else x,
    "transposed": lambda x: x.mT if x.ndim > 1 else x,
    "first dimension reversed": lambda x: x.flip(0) if x.ndim > 1 else x,
    "one entry wrong": lambda x: _one(x, lambda v: v + 1 + abs(v)),
    "NaN in one entry": _floats(lambda x: _one(x, lambda v: math.nan)),
    "infinity in one entry": _floats(lambda x: _one(x, lambda v: math.inf)),
    "zero": torch.zeros_like,
    "the mean everywhere": _floats(lambda x: x * 0 + x.mean() if x.numel() > 1 and bool(x.isfinite().all()) else x),
    "squared": _floats(lambda x: x**2),
    "one dimension too many": lambda x: x[None],
    "flattened": lambda x: x.flatten() if x.ndim else x,
    "half precision": _floats(lambda x: x.half()),
    "whole numbers": _floats(lambda x: x.nan_to_num().round().long()),
    "bool": lambda x: x > 0 if x.dtype != torch.bool else x.long(),
    "a list": lambda x: x.reshape(-1).tolist(),
    "None": lambda x: None,
    "text": lambda x: "right",
}
"""What is done to a tensor of the output; a change that gives an equal tensor is left out."""

WHOLE: dict[str, Callable[[Any], Any]] = {
    "nothing returned": lambda value: None,
    "packed into a list": lambda value: [value],
    "parts in reverse order": lambda value: tuple(reversed(value)) if isinstance(value, tuple) else value,
    "last part missing": lambda value: tuple(value[:-1]) if isinstance(value, tuple) else value,
}
"""What is done to the output as a whole."""


def _parts(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return sum(map(_parts, value)) if isinstance(value, tuple | list) else 1


def _changed(value: Any, change: Callable[[Tensor], Any], part: int) -> Any:
    """The value with its part-th tensor or number changed; numbers stay Python numbers where they can."""
    if isinstance(value, dict):
        return dict(zip(value, _changed(list(value.values()), change, part), strict=True))
    if isinstance(value, tuple | list):
        items = []
        for item in value:
            items.append(_changed(item, change, part) if 0 <= part < _parts(item) else item)
            part -= _parts(item)
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        new = change(torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else torch.int64))
        same_kind = isinstance(new, Tensor) and new.ndim == 0 and new.dtype in (torch.float64, torch.int64)
        return new.item() if same_kind and new.is_floating_point() == isinstance(value, float) else new
    return change(torch.zeros(())) if change is CHANGES["None"] else value


def _serves(exercise: Exercise, expected: Any, changed: Any) -> bool:
    """Is nothing changed, or only what no check may mind: 0.0 for the number 0, what does not count?"""
    if compare.identical(expected, changed) or _counts_as_much(exercise, expected, changed):
        return True
    flat = [x.item() if isinstance(x, Tensor) and x.numel() == 1 else x for x in _flat(changed)]
    numbers_only = all(isinstance(x, numbers.Real) and not isinstance(x, bool) for x in flat)
    return exercise.kind == "value" and numbers_only and compare.difference(expected, changed, 1e-12) is None


def _counts_as_much(exercise: Exercise, expected: Any, changed: Any) -> bool:
    """Is the form the same, and all that counts, where several outputs are right?"""
    if not exercise.counts:
        return False
    found = compare.difference(expected, changed, exercise.tolerance)
    try:
        return not (found and found.form) and compare.identical(*map(exercise.counts.of, (expected, changed)))
    except Exception:  # of a form that `of` does not know
        return False


def _number(value: Any, part: int) -> bool:
    """Is this part of the output a plain number, or not there?"""
    flat = _flat(value)
    return part >= len(flat) or isinstance(flat[part], numbers.Real)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [item for part in value for item in _flat(part)] if isinstance(value, tuple | list) else [value]


def _close(a: Any, b: Any) -> bool:
    """Could the input pass for the output, the same numbers in another type?"""
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and bool(torch.allclose(a.double(), b.double()))
    return isinstance(a, numbers.Real) and isinstance(b, numbers.Real) and a == b
