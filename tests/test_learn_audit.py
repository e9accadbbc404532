"""Every exercise and quiz of the course is proved, one test each; and the audit itself can find every defect it claims to find."""

import dataclasses
import importlib
import inspect
import io
import itertools
import json
import runpy
import sys
import textwrap
import tokenize
from pathlib import Path

import learn_exercises as ours
import pytest
import torch

from diffcourse.learn import __main__ as command
from diffcourse.learn import exercises, predictions, quizzes, registry, reveals
from diffcourse.learn.audit import CHANGES, WHOLE, audit, audit_exercise, audit_quiz, audit_told, battery
from diffcourse.learn.exercise import Counts, Exercise, Mistake, Option, Prediction, Question, Quiz, Reveal


@pytest.mark.slow
@pytest.mark.parametrize("name", exercises())
def test_every_exercise_of_the_course(name):
    report = audit_exercise(exercises()[name])
    assert not report.defects, "\n".join(report.defects)
    assert report.mistakes >= 4 and report.rejected >= 3


@pytest.mark.parametrize("name", quizzes())
def test_every_quiz_of_the_course(name):
    assert audit_quiz(quizzes()[name]).defects == []


def test_every_prediction_and_reveal_of_the_course():
    told = [*predictions().values(), *reveals().values()]
    assert [defect for item in told for defect in audit_told(item).defects] == []


@pytest.mark.parametrize(
    ("item", "defect"),
    [
        (Prediction("98.x", "x", "?", kind="choice", options=["a", "a"]), "two options are equal"),
        (Prediction("98.x", "", "?"), "a text is empty"),
        (Prediction("98.x", "What is it?", "?"), "ends in no mark"),
        (Prediction("98.x", "x", "alpha_bar?"), "write 'alpha_bar' in Unicode"),
        (Prediction("98.x", "x", "?", why="x^2"), "in Unicode"),
        (Prediction("98.x", "x", "?", kind="choice", options=["a", "b"], truth="c"), "the truth 'c' is no answer"),
        (Prediction("98.x", "x", "Which is smaller, KL(q?"), "a bracket opens and does not close"),
        (Reveal("98.x", "x", "beta**2"), "in Unicode"),
        (Reveal("98.x", "x", "y", "a = ("), "the code is none"),
    ],
)
def test_defects_of_predictions_and_reveals_are_found(item, defect):
    (found,) = audit_told(item).defects
    assert found.startswith("98.x: ") and defect in found


@pytest.mark.parametrize("name", ours.EXERCISES)
def test_every_kind_of_exercise_can_be_proved(name):
    report = audit_exercise(ours.EXERCISES[name])
    assert report.defects == []
    assert report.rejected >= (3 if name == "98.half" else 20)


def test_the_battery_holds_the_promised_wrong_answers():
    assert len(CHANGES) + len(WHOLE) >= 20
    met = [name for name, verdict in battery(ours.NOISED) if verdict.status == "wrong"]
    promised = """scaled by 1.02, shifted by 0.01, negated, transposed, every second sign flipped, one entry wrong, NaN in one entry, zero,
        returns its input, None, a list, half precision, whole numbers, bool, one dimension too many, raises an error"""
    promised = {name.strip() for name in promised.split(",")}
    assert promised <= set(met)


def test_a_change_of_what_does_not_count_is_no_wrong_answer():
    free = dataclasses.replace(ours.NOISED, counts=Counts("signs", torch.sign))
    names = [name for name, _ in battery(free)]
    assert "scaled by 1.02" not in names and {"negated", "flattened", "half precision"} <= set(names)


def test_every_part_of_a_tuple_is_changed():
    names = [name for name, _ in battery(ours.MOMENTS)]
    assert {
        "scaled by 1.02 (output 1)",
        "scaled by 1.02 (output 2)",
        "last part missing",
        "parts in reverse order",
    } <= set(names)


def test_every_part_of_a_dictionary_is_changed():
    names = [name for name, _ in battery(ours.BY_NAME)]
    assert {"scaled by 1.02 (output 1)", "scaled by 1.02 (output 2)"} <= set(names)


def defects(**changes) -> str:
    return "\n".join(audit_exercise(dataclasses.replace(ours.NOISED, **changes)).defects)


def with_mistake(wrong, name="new", message="Something of its own.") -> str:
    return defects(mistakes=[*ours.NOISED.mistakes, Mistake(name, wrong, message)])


@pytest.mark.slow
def test_defects_of_form():
    assert "3 different hints" in defects(hints=ours.HINTS[:2])
    assert "3 different hints" in defects(hints=[ours.HINTS[0]] * 3)
    assert "4 named mistakes and has 3" in defects(mistakes=ours.NOISED.mistakes[:3])
    assert "title is empty" in defects(title=" ")
    assert "level" in defects(level=4)
    assert "there are no cases" in defects(cases=[])
    assert "messages are equal" in with_mistake(lambda x0, a, eps: x0, message=ours.VARIANCE)
    assert "same name" in with_mistake(lambda x0, a, eps: x0, name="no root")


def test_a_hint_or_message_that_gives_the_line_away():
    line = "Type alpha_bar ** .5 * x0 + (1-alpha_bar)**0.5*eps".replace(".5 * x0", "0.5 * x0")
    assert "hint 2 gives the line" in defects(hints=[ours.HINTS[0], line, ours.HINTS[1]])
    assert "mistake 'new' gives the line" in with_mistake(lambda x0, a, eps: x0, message=line)


def test_a_wrong_alternative_or_reference():
    assert "alternative 1 (noised_with_variance) is wrong (the mistake 'variance for" in defects(
        alternatives=[ours.noised_with_variance]
    )
    assert "fails on its own case" in defects(cases=[(1,)])


def test_mistakes_that_are_not_told_apart():
    assert "'new' is taken for right: no case tells it apart" in with_mistake(ours.noised_in_a_loop)
    assert "'new' is answered by wrong (the mistake 'variance" in with_mistake(ours.noised_with_variance)
    assert "'new' is taken for not attempted" in with_mistake(lambda *args: (_ for _ in ()).throw(NotImplementedError))


def test_too_wide_a_tolerance_is_found_by_the_battery():
    text = defects(tolerance=0.05, invariants=[], gradients=[])
    assert "'scaled by 1.02' is taken for right" in text


def test_stub_defects():
    assert "the stub is right" in defects(stub="from learn_exercises import noised_in_a_loop as noised")
    assert "the stub does not run" in defects(stub="def noised(:")
    assert "does not define noised" in defects(stub="x = 1")


def needs_something_hidden(x0, alpha_bar, eps):
    """A reference whose source does not stand alone."""
    return globals()["ours"].noised(x0, alpha_bar, eps)


def test_a_solution_that_does_not_stand_alone():
    assert "solution does not stand alone: KeyError" in defects(
        reference=needs_something_hidden
    ) or "solution is wrong" in defects(reference=needs_something_hidden)


def test_too_few_wrong_answers_make_sense():
    constant = Exercise(name="98.one", title="x", reference=one, cases=[(1,)], hints=ours.HINTS)
    assert "make sense here" in "\n".join(audit_exercise(constant).defects)


def one(x: int) -> str:
    """A word, to which no change applies."""
    return "one"


def test_a_quiz_without_explanation_is_a_defect():
    quiz = Quiz("98.q", [Question("?", [Option("a", "", True), Option("a", "why")])])
    assert len(audit_quiz(quiz).defects) == 2


@pytest.mark.parametrize(
    "text, raw",
    [
        ("√0.64 is sqrt(0.64)", "sqrt("),
        ("from x_0 on", "x_0"),
        ("q(x_t) and no more", "x_t"),
        ("the step x_{t−1}", "x_{t"),
        ("ᾱ_T is small", "ᾱ_T"),
        ("it brings c^2", "^2"),
        ("it brings c**2", "**2"),
        ("noise to *add* at each step", "*add*"),
        ("3 * 4", "*"),
    ],
)
def test_raw_mathematics_and_emphasis_in_a_quiz_are_defects(text, raw):
    fine = [Option("a", "why", True), Option("b", "why")]
    for quiz in (
        Quiz("98.q", [Question(text, fine)]),
        Quiz("98.q", [Question("?", [Option(text, "why", True), Option("b", "why")])]),
        Quiz("98.q", [Question("?", [Option("a", "why", True), Option("b", text)])]),
        Quiz("98.q", [Question("?", fine)], title=text),
    ):
        (defect,) = audit_quiz(quiz).defects
        assert f"write {raw!r} in Unicode" in defect and repr(text) in defect


def test_an_option_that_was_cut_at_the_bars_of_a_divergence_is_two_defects():
    cut = Option("as wide as the bump || KL(q", "p) averages over draws of q.")
    quiz = Quiz("98.q", [Question("?", [Option("a", "why (of a)", True), cut])])
    first, second = audit_quiz(quiz).defects
    assert "a bracket opens" in first and "KL(q" in first and "p) averages" in second


def test_unicode_and_code_in_backticks_are_no_defects():
    text = "x₀, xₜ₋₁, ᾱₜ, √0.64, σ² × ε, a · b − c ≤ 1, p(x | z), `x_0 * sqrt(2)**2` and `pil_to_latents`"
    quiz = Quiz("98.q", [Question(text, [Option(text, text, True), Option("b", text)])], title=text)
    assert audit_quiz(quiz).defects == []


@pytest.mark.parametrize(
    "lengths, told",
    [
        ((3, 3), False),  # longest in 2 of 2: too few questions to say
        ((3, 3, 1), True),
        ((3, 2, 2), False),  # as long as another one is not the longest
        ((3, 3, 1, 2), False),  # half of them
        ((3, 3, 3, 1), True),
    ],
)
def test_a_quiz_in_which_the_longest_option_is_right_too_often_is_a_defect(lengths, told):
    questions = [
        Question("?", [Option("xx", "why"), Option("y" * n, "why", True), Option("z", "why")]) for n in lengths
    ]
    defects = audit_quiz(Quiz("98.q", questions)).defects
    assert [d for d in defects if "its length tells it" in d] == defects[: int(told)] and len(defects) == told


def test_command_line(capsys, monkeypatch):
    assert command.main(["audit", "00"]) == 0
    assert "no defects" in capsys.readouterr().out
    assert command.main(["audit", "--json", "00.start"]) == 0
    counts = json.loads(capsys.readouterr().out)
    assert counts["quizzes"] == 1 and counts["exercises"] == 0 and counts["defects"] == []
    assert command.main(["stub", "00.to_minus_one_one"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("raise NotImplementedError")
    assert command.main(["solution", "00.to_minus_one"]) == 2
    assert "did you mean 00.to_minus_one_one" in capsys.readouterr().err
    assert command.main(["audit", "42"]) == 2
    bad = dataclasses.replace(ours.NOISED, hints=[])
    monkeypatch.setitem(registry.EXTRA, "98.noised", bad)
    assert command.main(["audit", "98"]) == 1
    assert "98.noised: it needs 3 different hints and has 0." in capsys.readouterr().out


def test_a_report_adds_up():
    report = audit("00")
    assert report.exercises == report.lessons["00"] == 1 and report.mistakes >= 4 and report.quizzes == 1
    assert "00: 1" in str(report)


def test_the_module_runs_as_a_command(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["diffcourse.learn", "audit", "00.start"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(command.__file__, run_name="__main__")
    assert stop.value.code == 0 and "no defects" in capsys.readouterr().out


def test_a_battery_leaves_the_reference_alone():
    x = torch.ones(2, 2)
    before = ours.noised(x, 0.5, x)
    list(battery(ours.NOISED))
    assert torch.equal(before, ours.noised(x, 0.5, x))


def test_the_examples_in_the_guide_work(tmp_path, monkeypatch):
    texts = [part.split("\n\n", 1)[1] for part in inspect.getdoc(registry.data).split("`::")[1:]]
    names = ("guide_exercise", "guide_quizzes", "guide_predictions", "guide_reveals")
    for name, text in zip(names, texts, strict=True):
        indented = itertools.takewhile(lambda line: not line or line.startswith("    "), text.splitlines())
        (tmp_path / f"{name}.py").write_text(textwrap.dedent("\n".join(indented)), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    report = audit_exercise(importlib.import_module("guide_exercise").EXERCISE)
    assert report.defects == ["07.noised: it needs 4 named mistakes and has 1."] and report.rejected >= 20
    assert audit_quiz(importlib.import_module("guide_quizzes").QUIZZES[0]).defects == []
    told = [
        *importlib.import_module("guide_predictions").PREDICTIONS,
        *importlib.import_module("guide_reveals").REVEALS,
    ]
    assert len(told) == 6 and [defect for item in told for defect in audit_told(item).defects] == []


def ragged(code: str) -> list[str]:
    """Strings joined by standing side by side, of which one in the middle is less than half as long as the longest."""
    found: list[str] = []
    run: list[str] = []
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.STRING:
            run.append(token.string)
        elif token.type not in (tokenize.NL, tokenize.COMMENT):
            found += [f"line {token.start[0]}: {piece}" for piece in run[1:-1] if 2 * len(piece) < max(map(len, run))]
            run = []
    return found


def test_long_messages_are_wrapped_evenly():
    assert ragged("f(\n    'Your exponents are divided by dim/2: '\n    'here '\n    'the last k.',\n)") == [
        "line 4: 'here '"
    ]
    files = sorted(Path(next(iter(registry.data.__path__))).rglob("*.py"))
    assert len(files) > 10
    assert {file.name: told for file in files if (told := ragged(file.read_text(encoding="utf-8")))} == {}
