"""The verdict on an answer.

It is run on all cases. If it differs from the reference, the most telling finding is said, in this order: it equals a named
mistake on every case; it stops with an error; its form is wrong (type, dtype, shape, NaN); it changes its arguments; it breaks
an invariant; it differs, with the smallest case where it does.
"""

from dataclasses import dataclass, field
from typing import Any

import torch

from diffcourse.learn import compare, patterns, run, show, words
from diffcourse.learn.exercise import Case, Exercise
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


def diagnose(exercise: Exercise, answer: Any, dtype: torch.dtype | None = None) -> Verdict:
    """The verdict on an answer, without showing or recording it. `dtype` runs the cases in that floating-point type."""
    if answer is ...:
        return Verdict(exercise.name, "not attempted")
    if exercise.kind == "value":
        return _diagnose_value(exercise, answer)
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


def _diagnose_value(exercise: Exercise, answer: Any) -> Verdict:
    found = compare.difference(worked_out(exercise.reference), answer, exercise.tolerance)
    if found is None:
        return Verdict(exercise.name, "right", _praise(exercise))
    for mistake in exercise.mistakes:
        if compare.difference(worked_out(mistake.wrong), answer, exercise.tolerance) is None:
            return Verdict(exercise.name, "wrong", [mistake.message], mistake=mistake.name)
    if found.form:
        return Verdict(exercise.name, "wrong", [found.sentence.replace("Your output", "Your answer")])
    looks = patterns.pattern([(worked_out(exercise.reference), answer)], exercise.tolerance)
    says = (
        looks
        or "It is not what is asked for, and none of the usual mistakes leads to it: go through your steps once more."
    )
    return Verdict(exercise.name, "wrong", [f"Your answer is {words.short(answer)}.", says])


def _praise(exercise: Exercise) -> list[str]:
    """What is said with the word right."""
    insight = [exercise.insight] if exercise.insight else []
    return insight + ([f"In the package: {exercise.package.call}"] if exercise.package else [])


def worked_out(value: Any) -> Any:
    """The value of a "value" exercise: itself, or what the function gives."""
    return value() if callable(value) else value


class _Diagnosis:
    """The answer's and the reference's outcomes on all cases, and what they mean."""

    def __init__(self, exercise: Exercise, answer: Any, dtype: torch.dtype | None):
        self.exercise, self.answer, self.dtype = exercise, answer, dtype
        self.cases = exercise.build_cases(dtype)
        self.runner = run.Runner()
        self.outcomes: list[Outcome] = []

    def verdict(self) -> Verdict:
        for case in self.cases:
            self.outcomes.append(self.runner.run(self.exercise, self.answer, case, self.dtype))
            if _unwritten(self.outcomes[-1].error):
                return Verdict(self.exercise.name, "not attempted")
            if self.outcomes[-1].timed_out:
                return self._wrong([self._too_long()], self._inputs(case))
        self.expected = [
            run.Runner(60.0).run(self.exercise, self.exercise.reference, case, self.dtype) for case in self.cases
        ]
        for outcome in self.expected:
            if outcome.error:
                raise RuntimeError(f"the reference of {self.exercise.name} fails on its own case") from outcome.error
        differences = [self._differs(e, o) for e, o in zip(self.expected, self.outcomes, strict=True)]
        found = self._named_mistake() if any(differences) else None
        found = (
            found
            or self._error()
            or self._form(differences)
            or self._mutation()
            or self._invariant()
            or self._smallest(differences)
        )
        return found or Verdict(self.exercise.name, "right", _praise(self.exercise), printed=self.outcomes[0].printed)

    def _wrong(self, says: list[str], table: list[tuple[str, str]] | None = None, **more: Any) -> Verdict:
        printed = next((o.printed for o in self.outcomes if o.printed), "")
        return Verdict(self.exercise.name, "wrong", says, table or [], printed=printed, **more)

    def _differs(self, expected: Outcome, got: Outcome) -> compare.Difference | None:
        if got.error:
            return compare.Difference("error", "")
        return compare.difference(expected.value, got.value, self.exercise.tolerance)

    def _named_mistake(self) -> Verdict | None:
        """The mistake whose wrong version does the same as the answer on every case."""
        for mistake in self.exercise.mistakes:
            if all(self._same(mistake.wrong, case, o) for case, o in zip(self.cases, self.outcomes, strict=True)):
                return self._wrong([mistake.message], mistake=mistake.name)
        return None

    def _same(self, wrong: Any, case: Case, got: Outcome) -> bool:
        other = run.Runner(60.0).run(self.exercise, wrong, case, self.dtype)
        if other.error or got.error:
            return type(other.error) is type(got.error) and str(other.error) == str(got.error)
        if bool(other.mutated) != bool(got.mutated):
            return False
        if compare.identical(
            other.value, got.value
        ):  # also where the form is one that the tolerant comparison refuses: half, None
            return True
        return compare.difference(other.value, got.value, self.exercise.tolerance) is None

    def _error(self) -> Verdict | None:
        for case, outcome in zip(self.cases, self.outcomes, strict=True):
            if outcome.error:
                return self._wrong([self._error_sentence(outcome.error)], self._inputs(case))
        return None

    def _error_sentence(self, error: BaseException) -> str:
        if isinstance(error, run.StateMismatch):
            return str(error)[0].upper() + str(error)[1:] + "."
        kind, message = type(error).__name__, " ".join(str(error).split())
        message = message if len(message) <= 300 else message[:297] + "…"
        what = f"{kind}: {message}" if message else kind
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
            return self._wrong([found.sentence], table)
        return None

    def _mutation(self) -> Verdict | None:
        name = next((outcome.mutated for outcome in self.outcomes if outcome.mutated), None)
        if name is None:
            return None
        changes = (
            f"It changes its argument {name} in place: whoever called it finds other numbers in {name} afterwards."
        )
        return self._wrong(
            [changes, "Look for +=, *= or a method that ends with an underscore, and make a new tensor instead."]
        )

    def _invariant(self) -> Verdict | None:
        for invariant in self.exercise.invariants:
            outcome = self.runner.call(invariant.holds, self.answer)
            if outcome.timed_out:
                return self._wrong([self._too_long()])
            if outcome.error or not outcome.value:
                return self._wrong([invariant.message], invariant=invariant.name)
        return None

    def _smallest(self, differences: list[compare.Difference | None]) -> Verdict | None:
        failing = {i: found for i, found in enumerate(differences) if found}
        if not failing:
            return None
        i = min(failing, key=lambda i: (_case_size(self.cases[i]), compare.size(self.expected[i].value)))
        expected, got = self.expected[i].value, self.outcomes[i].value
        says = [f"It differs in {len(failing)} of {len(self.cases)} cases; this is the smallest of them."]
        if failing[i].sentence and compare.size(expected) > 8:
            says.append(failing[i].sentence)
        pairs = [(e.value, o.value) for e, o in zip(self.expected, self.outcomes, strict=True)]
        if isinstance(expected, tuple):
            says += patterns.right_parts(pairs, self.exercise.tolerance)
        if looks := patterns.pattern(pairs, self.exercise.tolerance):
            says.append(looks)
        both = words.both(expected, got)
        return self._wrong(says, [*self._inputs(self.cases[i]), ("expected", both[0]), ("got", both[1])])

    def _inputs(self, case: Case) -> list[tuple[str, str]]:
        if self.exercise.kind == "class":
            built = [*map(words.short, case.args), *(f"{k}={words.short(v)}" for k, v in case.kwargs.items())]
            inputs = ", ".join(map(words.short, case.inputs))
            method = "" if case.method == "__call__" else f".{case.method}"
            return [("built with", ", ".join(built) or "nothing"), (f"called{method} with", inputs or "nothing")]
        values = [*case.args, *case.kwargs.values()]
        return [(n, words.short(v)) for n, v in zip(run.argument_names(self.exercise, case), values, strict=True)]


def _unwritten(error: BaseException | None) -> bool:
    """Is it the stub's own `raise NotImplementedError`? PyTorch raises that error too, with a message."""
    return isinstance(error, NotImplementedError) and not str(error)


def _case_size(case: Case) -> int:
    return compare.size((case.args, dict(case.kwargs), case.inputs))
