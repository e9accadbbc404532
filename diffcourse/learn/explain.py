"""Says what an unforeseen answer is: a mutant of the reference, an argument left out, noise of its own, right in some places."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from diffcourse.learn import patterns, run
from diffcourse.learn.compare import difference, size
from diffcourse.learn.exercise import Case, Exercise
from diffcourse.learn.mutants import mutants
from diffcourse.learn.run import Outcome, Runner
from diffcourse.learn.state import Saved
from diffcourse.learn.words import number, short

PATIENCE = 0.25
"""Seconds that are spent on looking for an argument that is not used, and again for a mutant that does the same."""


class Explanation:
    """What can be told of an answer that differs, from its outcomes and the reference's on the same cases."""

    def __init__(
        self,
        exercise: Exercise,
        answer: Any,
        cases: Sequence[Case],
        expected: Sequence[Outcome],
        outcomes: Sequence[Outcome],
        saved: Saved | None = None,
    ):
        self.exercise, self.answer, self.cases, self.saved = exercise, answer, cases, saved
        self.expected, self.outcomes = [o.value for o in expected], [o.value for o in outcomes]
        self.tolerance = exercise.tolerance
        self.wrong = [i for i, pair in enumerate(self._pairs()) if difference(*pair, self.tolerance)]

    def parts(self) -> list[str]:
        """Which values of a tuple are right."""
        pairs = [self._pairs()[i] for i in self.wrong]
        several = bool(pairs) and _tuples(pairs) and len({len(e) for e, _ in pairs}) == 1
        names = self.exercise.counts.parts if self.exercise.counts else ()
        return patterns.right_parts(pairs, self.tolerance, names) if several else []

    def what(self) -> str | None:
        """What the answer equals, or does not use."""
        ways = (self._simple, self._noise_of_its_own, self._unused, self._of_an_argument, self.mutant)
        return next((says for way in ways if (says := _quietly(way))), None)

    def where(self) -> str | None:
        """Where the answer is right."""
        ways = (self._right_cases, self._rows, self._places)
        return next((says for way in ways if (says := _quietly(way))), None)

    def _simple(self) -> str | None:
        return patterns.pattern(self._pairs(), self.tolerance)

    def _pairs(self) -> list[tuple[Any, Any]]:
        return list(zip(self.expected, self.outcomes, strict=True))

    def _again(self, answer: Any, case: Case, seed: int = run.SEED) -> Outcome:
        return Runner(2.0, seed, self.saved if answer is self.answer else None).run(self.exercise, answer, case)

    def _noise_of_its_own(self) -> str | None:
        for i in self.wrong:
            again = [self._again(who, self.cases[i], seed=1) for who in (self.answer, self.exercise.reference)]
            moved = [
                bool(difference(old, new.value, self.tolerance))
                for old, new in zip((self.outcomes[i], self.expected[i]), again, strict=True)
            ]
            if not again[0].error and moved[0] and not moved[1]:
                return "Yours is another one each time: it draws random numbers of its own, where what is given decides the result."
            return None
        return None

    def _unused(self) -> str | None:
        """An argument on which the answer does not depend, though the reference does."""
        end = time.monotonic() + PATIENCE
        for name in self._names():
            if time.monotonic() > end:
                return None
            told = [self._depends(name, i) for i in range(len(self.cases))]
            decisive = [answer for reference, answer in told if reference]
            if decisive and not any(decisive) and self._needed(name):
                return f"Yours is the same whatever {name} is."
        return None

    def _needed(self, name: str) -> bool:
        """Does every right answer that is known depend on an argument? Where one does without, it is not to blame."""
        return all(
            any(self._depends(name, i, alternative)[1] for i in range(len(self.cases)))
            for alternative in self.exercise.alternatives
        )

    def _names(self) -> list[str]:
        return run.argument_names(self.exercise, self.cases[0]) if self.exercise.kind == "function" else []

    def _depends(self, name: str, i: int, answer: Any = None) -> tuple[bool, bool]:
        """Do the reference and the answer, or another one that is right, change with an argument of a case?"""
        given = self.outcomes[i] if answer is None else self.expected[i]
        answer = self.answer if answer is None else answer
        case = self.cases[i]
        position = run.argument_names(self.exercise, case).index(name)
        if position >= len(case.args):
            return False, False
        value = case.args[position]
        others = [other.args[position] for other in self.cases if len(other.args) > position]
        for new in _other_values(value, others):
            changed = Case(
                (*case.args[:position], new, *case.args[position + 1 :]), case.kwargs, case.inputs, case.method
            )
            outcomes = [self._again(who, changed) for who in (self.exercise.reference, answer)]
            if outcomes[0].error:
                continue
            if outcomes[1].error:
                return True, True
            moved = [
                bool(difference(old, o.value, self.tolerance))
                for old, o in zip((self.expected[i], given), outcomes, strict=True)
            ]
            return moved[0], moved[1]
        return False, False

    def _of_an_argument(self) -> str | None:
        """It equals an argument, or differs from what is expected by a multiple of one."""
        pairs = self._tensors()
        if not pairs or self.exercise.kind != "function":
            return None
        for position, name in enumerate(self._names()):
            args = [
                c.args[position].double() for c in self.cases if len(c.args) > position and _varies(c.args[position])
            ]
            if [a.shape for a in args] != [e.shape for e, _ in pairs]:
                continue
            if all(difference(a, g, self.tolerance) is None for a, (_, g) in zip(args, pairs, strict=True)):
                return f"Yours is {name} itself."
            if all(_multiple(a, g - e) is not None for a, (e, g) in zip(args, pairs, strict=True)):
                return f"Yours is right but for the share of {name}: what is too much or too little is a multiple of {name}."
            if all(_multiple(a, g) is not None for a, (_, g) in zip(args, pairs, strict=True)):
                return f"Yours is a multiple of {name} and of nothing else."
        return None

    def mutant(self) -> str | None:
        """The changed reference that does the same."""
        order = sorted(self.wrong, key=lambda i: size(self.expected[i])) + [
            i for i in range(len(self.cases)) if i not in self.wrong
        ]
        return mutant(self.exercise, lambda wrong: all(self._same(wrong, i) for i in order))

    def _same(self, answer: Any, i: int) -> bool:
        other = self._again(answer, self.cases[i])
        return (
            not other.error and not other.mutated and difference(other.value, self.outcomes[i], self.tolerance) is None
        )

    def _right_cases(self) -> str | None:
        """The arguments whose values tell the cases that are right from the others.

        Of several, those that are 0 or 1 there: a term vanishes then; but not where more than two are: none of them is to blame. A size of
        1 is as good. Any other value has to mean something: it stands in two cases that are right, or is one of the two that there are, or
        no other argument tells the cases apart; else it is as good as the number of the case.
        """
        right = [i for i in range(len(self.cases)) if i not in self.wrong]
        if not right:
            return None
        found = []
        for name in self._names():
            position = run.argument_names(self.exercise, self.cases[0]).index(name)
            values = [c.args[position] if position < len(c.args) else None for c in self.cases]
            if not all(isinstance(v, int | float | str) for v in values):
                continue
            good, bad = ({values[i] for i in which} for which in (right, self.wrong))
            if not good & bad:
                found.append((name, good, bad, len(good) < len(right) or len(good | bad) == 2))
        special = [each for each in found if each[1] <= {0, 1}]
        if len(special) > 2:
            return None
        if not special and (single := self._single(right)):
            return f"Yours is right where {single} has size 1, and differs elsewhere."
        if telling := special or [each for each in found if each[3] or len(found) == 1][:1]:
            where = " and ".join(f"{name} is {_either(good)}" for name, good, _, _ in telling)
            others = "elsewhere" if len(telling) > 1 else f"where it is {_either(telling[0][2])}"
            return f"Yours is right where {where}, and differs {others}."
        shapes = [tuple(tuple(a.shape) for a in c.args if isinstance(a, Tensor)) for c in self.cases]
        if not {shapes[i] for i in right} & {shapes[i] for i in self.wrong}:
            return f"Yours is right in {len(right)} of {len(self.cases)} cases, which have other sizes than those where it differs."
        return None

    def _single(self, right: list[int]) -> str | None:
        """The dimension of an argument whose size is 1 in the cases that are right, and in no other."""
        for name in self._names():
            position = run.argument_names(self.exercise, self.cases[0]).index(name)
            given = [c.args[position] if position < len(c.args) else None for c in self.cases]
            args = [a for a in given if isinstance(a, Tensor)]
            if len(args) < len(given) or len({a.ndim for a in args}) != 1:
                continue
            for dim in range(args[0].ndim):
                if [i for i, a in enumerate(args) if a.shape[dim] == 1] == right:
                    return f"dimension {dim} of {name}"
        return None

    def _rows(self) -> str | None:
        """A factor, or an offset, of its own in every row or in every case."""
        pairs = self._tensors()
        if not pairs:
            return None
        flat = [(e.reshape(1, -1), g.reshape(1, -1)) for e, g in pairs]
        rows = [(e.reshape(len(e), -1), g.reshape(len(g), -1)) for e, g in pairs if e.ndim > 1 and len(e)]
        columns = [(e.mT, g.mT) for e, g in rows] if rows and all(e.ndim == 2 for e, _ in pairs) else []
        for where, parts in (("in each case", flat), ("in each row", rows), ("in each column", columns)):
            if (
                len(parts) != len(pairs)
                or min(e.shape[1] for e, _ in parts) < 2
                or max(e.shape[1] for e, _ in parts) < 3
            ):
                continue
            factors = [_factor(e, g) for e, g in parts]
            found = [f for f in factors if f is not None]
            if len(found) == len(factors):
                told = ", ".join(number(v) for f in found for v in f[:3].flatten().tolist())
                return f"Yours is the expected value times a factor of its own {where} ({told}, …)."
            if all(_constant(g - e) for e, g in parts):
                return f"Yours is off by one number {where}, another one {where.removeprefix('in ')}."
        return None

    def _places(self) -> str | None:
        """Right but for some rows, columns, or a kind of entry."""
        pairs = self._tensors()
        masks = [
            ~torch.isclose(e, g, rtol=self.tolerance, atol=1e-2 * self.tolerance * float(e.abs().max() or 1))
            for e, g in pairs
        ]
        if not masks or not any(bool((~m).any()) for m in masks):
            return None
        if not any(bool(e[~m].any()) for m, (e, _) in zip(masks, pairs, strict=True)):
            return "Yours is right only where the expected value is 0."
        if all(m.numel() == 1 for m in masks):
            return None  # of one number each, how many cases differ is said already
        for dim, kind in ((0, "row"), (-1, "column")):
            if all(m.ndim and m.shape[dim] > 1 for m in masks) and (dim == 0 or all(m.ndim > 1 for m in masks)):
                for index, which in ((0, "first"), (-1, "last")):
                    if all(not bool(_without(m, dim, index).any()) for m in masks):
                        return f"Yours is right but for the {which} {kind if masks[0].ndim > 1 else 'entry'}."
        for says, holds in (
            ("negative", lambda e: e < 0),
            ("positive", lambda e: e > 0),
            ("0", lambda e: e == 0),
            ("larger than 1 in size", lambda e: e.abs() > 1),
        ):
            if all(torch.equal(m, holds(e)) for m, (e, _) in zip(masks, pairs, strict=True)):
                return f"Yours is right but where the expected value is {says}."
        right, total = sum(int((~m).sum()) for m in masks), sum(m.numel() for m in masks)
        return f"Yours is right in {right} of {total} entries." if 2 * right >= total else None

    def _tensors(self) -> list[tuple[Tensor, Tensor]]:
        pairs = self._pairs()
        if _tuples(pairs):
            n = min(len(e) for e, _ in pairs)
            wrong = [k for k in range(n) if any(difference(e[k], g[k], self.tolerance) for e, g in pairs)]
            pairs = [(e[wrong[0]], g[wrong[0]]) for e, g in pairs] if wrong else []
        return patterns.tensor_pairs(pairs)


def mutant(exercise: Exercise, same: Callable[[Any], bool]) -> str | None:
    """What is said of the first changed reference that is the `same`, as far as patience reaches."""
    made, end = mutants(exercise), time.monotonic() + PATIENCE
    for wrong in made:
        if time.monotonic() > end:
            return None
        if wrong.says and same(wrong.answer):
            return f"Yours is {wrong.says}"
    return None


def _either(values: set[Any]) -> str:
    return " or ".join(short(value) for value in sorted(values, key=str)[:3])


def _tuples(pairs: Sequence[tuple[Any, Any]]) -> bool:
    """Are tuples expected, and was something of their length given?"""
    return all(isinstance(e, tuple) and isinstance(g, tuple | list) and len(e) == len(g) for e, g in pairs)


def _quietly(way: Callable[[], str | None]) -> str | None:
    """What a way tells; nothing where the answer or its values are too strange for it."""
    try:
        return way()
    except Exception:
        return None


def _other_values(value: Any, others: Sequence[Any]) -> Iterator[Any]:
    """Values near to this one that an argument might have had as well."""
    if isinstance(value, Tensor) and value.is_floating_point():
        g = torch.Generator().manual_seed(0)
        yield value * (1 + 0.1 * torch.rand(value.shape, generator=g, dtype=value.dtype)) + 0.01
        yield value * 0.9
    elif isinstance(value, Tensor) and value.dtype != torch.bool and value.numel():
        yield (value - 1).clamp(min=0) if bool((value > 0).any()) else value + 1
    elif isinstance(value, Tensor):
        yield ~value
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (o for o in others if isinstance(o, int) and o != value)
        yield value + 1
    elif isinstance(value, float):
        yield 0.9 * value
    else:
        yield from (o for o in others if type(o) is type(value) and o is not value)


def _varies(x: Any) -> bool:
    """A floating-point tensor of several entries?"""
    return isinstance(x, Tensor) and x.is_floating_point() and x.numel() > 1


def _multiple(a: Tensor, b: Tensor) -> float | None:
    """c with b = c·a, not 0; None if there is none."""
    if not bool((a != 0).any()) or not bool((b.abs() > 1e-6).any()):
        return None
    c = float((a * b).sum() / (a * a).sum())
    return c if torch.allclose(c * a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max())) else None


def _factor(e: Tensor, g: Tensor) -> Tensor | None:
    """f (N, 1) with g = f·e in every row; None if there is none."""
    if not bool((e != 0).any(1).all()):
        return None
    f = (e * g).sum(1, keepdim=True) / (e * e).sum(1, keepdim=True)
    return f if torch.allclose(f * e, g, rtol=1e-4, atol=1e-6) and bool((f != 0).all()) else None


def _constant(gap: Tensor) -> bool:
    return torch.allclose(gap, gap.mean(1, keepdim=True).expand_as(gap), atol=1e-6) and bool((gap.abs() > 1e-5).any())


def _without(mask: Tensor, dim: int, index: int) -> Tensor:
    n = mask.shape[dim]
    return mask.narrow(dim, 1, n - 1) if index == 0 else mask.narrow(dim, 0, n - 1)
