"""The verdict on an answer.

It is run on all cases. If it differs from the reference, the most telling finding is said, in this order: it equals a named
mistake on every case; it stops with an error; its form is wrong (type, dtype, shape, NaN); it changes its arguments; it is what a
changed reference gives, or something else simple; it breaks an invariant; it differs, with the smallest case where it does. If all
values are right, it may still lack a gradient, seed the global generator, or break an invariant.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from diffcourse.learn import compare, explain, gradients, patterns, run, show, state, words
from diffcourse.learn.exercise import Case, Exercise
from diffcourse.learn.gradients import Products
from diffcourse.learn.run import Outcome

_PRINTED_LINES = 10


@dataclass
class Verdict:
    """What `check` found. status: "right", "wrong", "not attempted" or "reference" (the answer is what check handed out before)."""

    name: str
    status: str
    says: list[str] = field(default_factory=list)
    table: list[tuple[str, str]] = field(default_factory=list)
    mistake: str | None = None
    invariant: str | None = None
    printed: str = ""
    goes_on: list[str] = field(default_factory=list)

    @property
    def title(self) -> str:
        words = {
            "right": "right.",
            "wrong": "not right yet.",
            "not attempted": "not attempted yet.",
            "reference": "this is the reference.",
        }
        return f"{self.name}: {words[self.status]}"

    @property
    def text(self) -> str:
        return "\n".join([self.title, *self.says, *self._details(), *self.goes_on])

    @property
    def html(self) -> str:
        details = show.code("\n".join(self._details())) if self._details() else ""
        return (
            show.paragraphs("\n".join([self.title, *self.says])) + details + show.lines(self.goes_on, after=not details)
        )

    def _details(self) -> list[str]:
        return [*([self._aligned()] if self.table else []), *self._printed_lines()]

    def _aligned(self) -> str:
        width = max(len(label) for label, _ in self.table)
        return "\n".join(f"  {label:<{width}}  {value}" for label, value in self.table)

    def _printed_lines(self) -> list[str]:
        if not self.printed:
            return []
        lines = self.printed.splitlines()
        shown = [f"  {line[:120]}" for line in lines[:_PRINTED_LINES]]
        return ["It printed:", *shown, *(["  …"] if len(lines) > _PRINTED_LINES else [])]


@state.left_alone
def diagnose(exercise: Exercise, answer: Any, dtype: torch.dtype | None = None) -> Verdict:
    """The verdict on an answer, without showing or recording it. `dtype` runs the cases in that floating-point type."""
    if answer is ...:
        return Verdict(exercise.name, "not attempted")
    judge = _ready(exercise, answer, dtype)
    try:
        return judge()
    except Exception as error:  # of an object that raises whatever one asks it
        return Verdict(exercise.name, "wrong", [f"It cannot be looked at without an error: {words.error(error)}."])


def _ready(exercise: Exercise, answer: Any, dtype: torch.dtype | None) -> Callable[[], Verdict]:
    """What judges an answer. All that is the exercise's own has run before: what it imports takes none of the answer's time."""
    if exercise.kind == "value":
        with state.kept_random_state():
            return functools.partial(_diagnose_value, exercise, answer, worked_out(exercise.reference))
    if not run.is_stub(answer):
        _expected(exercise, dtype)
        derivatives(exercise, dtype)
    return lambda: _diagnose_code(exercise, answer, dtype)


def _diagnose_code(exercise: Exercise, answer: Any, dtype: torch.dtype | None) -> Verdict:
    if complaint := _not_callable(exercise, answer):
        return Verdict(exercise.name, "wrong", [complaint])
    return _Diagnosis(exercise, answer, dtype).verdict()


def _not_callable(exercise: Exercise, answer: Any) -> str | None:
    call = f'check("{exercise.name}", {exercise.symbol})'
    if exercise.kind == "class" and not isinstance(answer, type):
        return f"You passed {words.a_kind(answer)}, where the class itself is expected: {call}."
    if not callable(answer):
        return f"You passed {words.a_kind(answer)}, where the function itself is expected, without calling it: {call}."
    return None


def _diagnose_value(exercise: Exercise, answer: Any, expected: Any) -> Verdict:
    found = compare.difference(expected, answer, exercise.tolerance)
    if found is None:
        return Verdict(exercise.name, "right", _praise(exercise))
    for mistake in exercise.mistakes:
        if compare.difference(worked_out(mistake.wrong), answer, exercise.tolerance) is None:
            return Verdict(exercise.name, "wrong", [mistake.message], mistake=mistake.name)
    if found.form:
        return Verdict(exercise.name, "wrong", [found.sentence.replace("Your output", "Your answer")])
    pair = (expected, answer)
    says = [*(patterns.right_parts([pair], exercise.tolerance) if isinstance(pair[0], tuple) else [])]
    if looks := patterns.pattern([pair], exercise.tolerance) or _mutant_value(exercise, answer):
        says.append(looks)
    if not says:
        says = [
            "It is not what is asked for, and none of the usual mistakes leads to it: go through your steps once more."
        ]
    return Verdict(exercise.name, "wrong", [f"Your answer is {words.short(answer)}.", *says])


def _mutant_value(exercise: Exercise, answer: Any) -> str | None:
    def same(wrong: Callable) -> bool:
        made = run.Runner(2.0).call(wrong)
        return not made.error and compare.difference(made.value, answer, exercise.tolerance) is None

    return explain.mutant(exercise, same)


def _praise(exercise: Exercise) -> list[str]:
    """What is said with the word right."""
    insight = [exercise.insight] if exercise.insight else []
    return insight + ([f"In the package: {exercise.package.call}"] if exercise.package else [])


def worked_out(value: Any) -> Any:
    """The value of a "value" exercise: itself, or what the function gives."""
    return value() if callable(value) else value


@state.left_alone
def accepts(exercise: Exercise, answer: Any, seconds: float = 5.0) -> bool:
    """Is the answer right? The first thing that is not ends the search; nothing is explained."""
    if exercise.kind == "value":
        return compare.difference(worked_out(exercise.reference), answer, exercise.tolerance) is None
    found = _Diagnosis(exercise, answer, None, seconds)
    for expected, case in zip(found.expected, found.cases, strict=True):
        outcome = found.runner.run(exercise, answer, case)
        if found.differs(expected, outcome) or outcome.mutated or outcome.seeded > expected.seeded:
            return False
        found.outcomes.append(outcome)
    return not (found.gradient() or found.invariant(right=True))


@functools.lru_cache(maxsize=256)
@state.left_alone
def _expected(exercise: Exercise, dtype: torch.dtype | None) -> list[Outcome]:
    """What the reference gives."""
    outcomes = [run.Runner(60.0).run(exercise, exercise.reference, case, dtype) for case in exercise.build_cases(dtype)]
    for outcome in outcomes:
        if outcome.error:
            raise RuntimeError(f"the reference of {exercise.name} fails on its own case") from outcome.error
    return outcomes


@functools.lru_cache(maxsize=256)
@state.left_alone
def _derived(exercise: Exercise, dtype: torch.dtype | None) -> list[tuple[Case, Outcome]]:
    return [
        (case, gradients.derivative(exercise, exercise.reference, case, dtype)) for case in exercise.build_cases(dtype)
    ]


def derivatives(exercise: Exercise, dtype: torch.dtype | None = None) -> list[tuple[Case, Products]]:
    """The cases in which the reference is differentiable, and vᵀJ of the reference."""
    if exercise.gradients is not None and not exercise.gradients:
        return []
    found = [(case, outcome.value) for case, outcome in _derived(exercise, dtype) if not outcome.error]
    return [(case, products) for case, products in found if any(g is not None for g in products.grads.values())]


def without_derivative(exercise: Exercise) -> list[str]:
    """The errors with which the reference stops where its inputs ask for a gradient."""
    return [words.error(outcome.error) for _, outcome in _derived(exercise, None) if outcome.error]


class _Diagnosis:
    """The answer's and the reference's outcomes on all cases, and what they mean."""

    def __init__(self, exercise: Exercise, answer: Any, dtype: torch.dtype | None, seconds: float | None = None):
        self.exercise, self.answer, self.dtype = exercise, answer, dtype
        self.cases = exercise.build_cases(dtype)
        run.imported_first(answer)
        with state.clean() as self.saved:
            self.runner = run.Runner(seconds, saved=self.saved)
        self.outcomes: list[Outcome] = []

    @property
    def expected(self) -> list[Outcome]:
        """What the reference gives; not asked for where nothing was attempted."""
        return _expected(self.exercise, self.dtype)

    def verdict(self) -> Verdict:
        for case in self.cases:
            self.outcomes.append(self.runner.run(self.exercise, self.answer, case, self.dtype))
            if _unwritten(self.outcomes[-1].error):
                return Verdict(self.exercise.name, "not attempted")
            if self.outcomes[-1].timed_out:
                return self._wrong([self._too_long()], self._inputs(case))
        differences = [self.differs(e, o) for e, o in zip(self.expected, self.outcomes, strict=True)]
        found = (
            (self._named_mistake() if any(differences) or any(o.mutated for o in self.outcomes) else None)
            or self._error(differences)
            or (self.invariant(right=False, before_form=True) if any(differences) else None)
            or self._form(differences)
            or self._mutation(differences)
            or (
                self._different(differences)
                if any(differences)
                else self.gradient() or self._seed() or self.invariant(right=True)
            )
        )
        return found or Verdict(self.exercise.name, "right", _praise(self.exercise), printed=self.outcomes[0].printed)

    def _wrong(self, says: list[str], table: list[tuple[str, str]] | None = None, **more: Any) -> Verdict:
        printed = next((o.printed for o in self.outcomes if o.printed), "")
        return Verdict(self.exercise.name, "wrong", says, table or [], printed=printed, **more)

    def differs(self, expected: Outcome, got: Outcome) -> compare.Difference | None:
        """What differs first in the outcome of a case."""
        if got.error:
            return compare.Difference("error", "")
        if got.yielded > expected.yielded:
            return compare.Difference("type", "Your output is a generator, where the values themselves are expected.")
        found = compare.difference(expected.returned, got.returned, self.exercise.tolerance)
        if expected.value is not expected.returned and not (found and found.form):
            found = self._differs_in_what_counts(expected, got)
        return found or compare.not_whole(expected.value, got.value)

    def _differs_in_what_counts(self, expected: Outcome, got: Outcome) -> compare.Difference | None:
        counts = self.exercise.counts
        if counts and counts.parts and isinstance(expected.value, tuple):
            return compare.difference_of_parts(expected.value, got.value, self.exercise.tolerance, counts.parts)
        what = f"Your {self._counted(expected)}"
        return compare.difference(expected.value, got.value, self.exercise.tolerance, what)

    def _counted(self, expected: Outcome) -> str:
        """What is compared in the place of the output; empty where it is the output itself."""
        counts = self.exercise.counts
        return counts.name if counts and expected.value is not expected.returned else ""

    def _named_mistake(self) -> Verdict | None:
        """The mistake whose wrong version does the same as the answer on every case."""
        for mistake in self.exercise.mistakes:
            if all(self._same(mistake.wrong, case, o) for case, o in zip(self.cases, self.outcomes, strict=True)):
                return self._wrong([mistake.message], mistake=mistake.name)
        return None

    def _same(self, wrong: Any, case: Case, got: Outcome) -> bool:
        other = run.Runner(60.0).run(self.exercise, wrong, case, self.dtype)
        if other.error and got.error:
            return type(other.error) is type(got.error) and words.told(other.error) == words.told(got.error)
        if other.error or got.error:
            return False
        if bool(other.mutated) != bool(got.mutated):
            return False
        if compare.identical(
            other.value, got.value
        ):  # also where the form is one that the tolerant comparison refuses: half, None
            return True
        return compare.difference(other.value, got.value, self.exercise.tolerance) is None

    def _error(self, differences: list[compare.Difference | None]) -> Verdict | None:
        for case, outcome in zip(self.cases, self.outcomes, strict=True):
            if outcome.error:
                says, right = [self._error_sentence(outcome.error)], differences.count(None)
                if right:
                    says.append(f"Yours is right in {right} of {len(self.cases)} cases; this is one in which it stops.")
                return self._wrong(says, self._inputs(case))
        return None

    def _error_sentence(self, error: BaseException) -> str:
        if isinstance(error, run.StateMismatch):
            return str(error)[0].upper() + str(error)[1:] + "."
        what = words.error(error)
        place = run.where(error, run.source_files(self.answer))
        if place is None and isinstance(error, TypeError):
            return f"It could not be called the way the stub is: {what}. Compare your arguments with those of the stub."
        if place is None:
            return f"It stopped with {what}."
        line, text = place
        text = f", `{text if len(text) <= 100 else text[:99] + '…'}`," if text else ""
        return f"It stopped in line {line} of your cell{text} with {what}."

    def _too_long(self) -> str:
        seconds = f"{self.runner.seconds:g} seconds"
        return f"It was still running after {seconds}, on a small input, and was stopped. Look for a loop whose end is never reached."

    def _form(self, differences: list[compare.Difference | None]) -> Verdict | None:
        for case, expected, outcome, found in zip(self.cases, self.expected, self.outcomes, differences, strict=True):
            if found is None or not found.form:
                continue
            if outcome.value is None:
                return self._wrong(["Your function returns None: does it end with return, followed by the result?"])
            table = self._inputs(case)
            if found.kind == "nan":
                table += [("expected", words.short(expected.value)), ("got", words.short(outcome.value))]
            return self._wrong([found.sentence, *self._behind_the_form()], table)
        return None

    def _behind_the_form(self) -> list[str]:
        """What an answer of another form is otherwise: right in its numbers or some of its values, or what a changed reference gives."""
        pairs = [(e.value, o.value) for e, o in zip(self.expected, self.outcomes, strict=True)]
        if told := patterns.but_for_the_form(pairs, self.exercise.tolerance):
            return told
        self.saved.back_names()
        found = explain.Explanation(self.exercise, self.answer, self.cases, self.expected, self.outcomes, self.saved)
        return [says for says in (*found.parts(), found.mutant()) if says]

    def _mutation(self, differences: list[compare.Difference | None]) -> Verdict | None:
        name = next((outcome.mutated for outcome in self.outcomes if outcome.mutated), None)
        if name is None:
            return None
        changed = [dict(self._arguments(case)).get(name) for case in self.cases]
        is_module = any(isinstance(value, nn.Module) for value in changed)
        advice = (
            "Work on a copy of it: copy.deepcopy."
            if is_module
            else "Look for +=, *= or a method that ends with an underscore, and make a new tensor instead."
        )
        says = [
            f"It changes its argument {name} in place: whoever called it finds other numbers in {name} afterwards.",
            advice,
        ]
        if not any(differences):
            says.append("Yours is right in its values; only this is in the way.")
        return self._wrong(says)

    def gradient(self) -> Verdict | None:
        """Values are right: does it learn where the reference does?"""
        for case, expected in derivatives(self.exercise, self.dtype):
            got = gradients.derivative(self.exercise, self.answer, case, self.dtype, expected.outputs, self.saved)
            if got.error:
                says = "Yours is right in its values, but with inputs that ask for a gradient it stops: "
                return self._wrong([says + self._error_sentence(got.error)], self._inputs(case))
            if found := gradients.difference(expected.grads, got.value.grads):
                return self._wrong([f"Yours is right in its values, but {found}"], self._inputs(case))
        return None

    def _seed(self) -> Verdict | None:
        if any(o.seeded > e.seeded for e, o in zip(self.expected, self.outcomes, strict=True)):
            says = (
                "Yours is right in its values, but it seeds the global generator: whatever draws after it draws other "
                "numbers than before."
            )
            return self._wrong([says])
        return None

    def invariant(self, right: bool, before_form: bool = False) -> Verdict | None:
        """The first invariant that is broken; `right`: all values are; `before_form`: of those that tell why a form is another."""
        for invariant in self.exercise.invariants:
            if (invariant.only_if_right and not right) or (before_form and not invariant.before_form):
                continue
            outcome = self.runner.call(invariant.holds, self.answer)
            if before_form and outcome.error:  # its form is too strange for it
                continue
            if outcome.timed_out:
                return self._wrong([self._too_long()])
            if outcome.error and run.where(outcome.error, run.source_files(self.answer)):
                return self._wrong(
                    [self._error_sentence(outcome.error), "This is on another input than those of the cases."]
                )
            if outcome.error or not outcome.value:
                return self._wrong([invariant.message], invariant=invariant.name)
        return None

    def _different(self, differences: list[compare.Difference | None]) -> Verdict | None:
        """What an answer with other values hears: what it is, else the invariant it breaks, and where it differs."""
        self.saved.back_names()
        found = explain.Explanation(self.exercise, self.answer, self.cases, self.expected, self.outcomes, self.saved)
        what = found.what()
        infinite = any(difference and difference.kind == "inf" for difference in differences)
        if not what and not infinite and (broken := self.invariant(right=False)):
            return broken
        what = what or found.where()
        looks = found.parts() + ([what] if what else [])
        failing = {i: found for i, found in enumerate(differences) if found}
        i = min(failing, key=lambda i: (_case_size(self.cases[i]), compare.size(self.expected[i].value)))
        expected, got = self.expected[i].value, self.outcomes[i].value
        says = [f"It differs in {len(failing)} of {len(self.cases)} cases; this is the smallest of them."]
        if failing[i].sentence and (compare.size(expected) > 8 or infinite):
            says.append(failing[i].sentence)
        both = words.both(expected, got)
        of = f" {counted}" if (counted := self._counted(self.expected[i])) else ""
        table = [*self._inputs(self.cases[i]), (f"expected{of}", both[0]), (f"got{of}", both[1])]
        return self._wrong(says + looks, table)

    def _inputs(self, case: Case) -> list[tuple[str, str]]:
        if self.exercise.kind == "class":
            built = [*map(words.short, case.args), *(f"{k}={words.short(v)}" for k, v in case.kwargs.items())]
            inputs = ", ".join(map(words.short, case.inputs))
            method = "" if case.method == "__call__" else f".{case.method}"
            return [("built with", ", ".join(built) or "nothing"), (f"called{method} with", inputs or "nothing")]
        return [(name, words.short(value)) for name, value in self._arguments(case)]

    def _arguments(self, case: Case) -> list[tuple[str, Any]]:
        values = [*case.args, *case.kwargs.values()]
        return list(zip(run.argument_names(self.exercise, case), values, strict=True))


def _unwritten(error: BaseException | None) -> bool:
    """Is it the stub's own `raise NotImplementedError`? PyTorch raises that error too, with a message."""
    return isinstance(error, NotImplementedError) and not words.told(error)


def _case_size(case: Case) -> int:
    return compare.size((case.args, dict(case.kwargs), case.inputs))
