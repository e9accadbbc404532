"""quiz as a widget without a browser and as text; expect for numbers that vary."""

import sys

import learn_exercises as ours
import pytest
import torch
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse.learn import expect, progress, quiz, quizzes, show
from diffcourse.learn.exercise import Option, Question, Quiz
from diffcourse.learn.questions import as_text, quiz_widget

VIEW = "application/vnd.jupyter.widget-view+json"


def done(name="98.quiz"):
    return next(row.state for row in progress().rows if row.name == name)


@pytest.fixture
def widget(home):  # noqa: F811
    widget = quiz_widget(ours.QUIZ)
    yield widget
    widget.close_all()


def test_nothing_is_chosen_or_said_at_first(widget):
    assert [c.value for c in widget.choices] == [None, None]
    assert all(button.disabled for button in widget.buttons) and [f.value for f in widget.feedback] == ["", ""]
    widget.buttons[0].click()
    assert widget.feedback[0].value == "" and done() == "open"


def test_every_option_is_explained_after_an_answer(widget):
    widget.choices[0].set_state({"index": 1})  # what the browser sends
    assert not widget.buttons[0].disabled and widget.buttons[1].disabled
    assert widget.feedback[0].value == ""
    widget.buttons[0].click()
    said = widget.feedback[0].value
    assert "Not this one." in said and "b) wrong: That is the power." in said and "a) right: The root of 0.25." in said
    assert said.index("b) wrong") < said.index("a) right")
    assert widget.feedback[1].value == "" and done() == "0 of 2 right"


def test_right_answers_are_recorded(widget):
    widget.choices[0].value = 0
    widget.buttons[0].click()
    assert "Right." in widget.feedback[0].value and done() == "1 of 2 right"
    widget.choices[1].value = 2
    widget.buttons[1].click()
    assert done() == "answered"


def test_what_is_shown_without_widgets(widget):
    bundle = widget._repr_mimebundle_()
    assert VIEW in bundle and bundle["text/plain"] == as_text(ours.QUIZ)
    assert "What is left?" in bundle["text/plain"] and "   b) A quarter" in bundle["text/plain"]
    assert "&lt;then&gt;" in bundle["text/html"] and "<details>" in bundle["text/html"]
    again = quiz_widget(ours.QUIZ)._repr_mimebundle_()
    assert all(again[key] == bundle[key] for key in ("text/plain", "text/html"))
    widget.choices[0].value = 0
    widget.buttons[0].click()
    assert widget._repr_mimebundle_()["text/plain"] == bundle["text/plain"]


def test_markup_in_a_question_is_text(widget):
    assert any("2. And &lt;then&gt;?<" in str(getattr(child, "value", "")) for child in widget.children)


def test_text_outside_a_notebook(home, capsys):  # noqa: F811
    assert quiz("98.quiz") is None
    assert capsys.readouterr().out.rstrip("\n") == as_text(ours.QUIZ)


def test_text_without_ipywidgets(home, capsys, monkeypatch):  # noqa: F811
    monkeypatch.setattr(show, "kernel", lambda: object())
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    shown = []
    monkeypatch.setattr(show, "show", lambda *text: shown.append(text[0]))
    assert quiz("98.quiz") is None and shown == [as_text(ours.QUIZ)]


def test_a_widget_in_a_notebook(home, monkeypatch):  # noqa: F811
    monkeypatch.setattr(show, "kernel", lambda: object())
    widget = quiz("98.quiz")
    assert len(widget.choices) == 2
    widget.close_all()


def test_answers_by_letter(home, capsys):  # noqa: F811
    quiz("98.quiz", "Ba")
    text = capsys.readouterr().out
    assert "1. What is left?\nNot this one.\nb) wrong: That is the power.\na) right: The root of 0.25." in text
    assert "c) right: In the end." in text
    for wrong in ("a", "abc", "az", "a1"):
        with pytest.raises(ValueError, match="answers must"):
            quiz("98.quiz", wrong)


def test_unknown_quizzes_suggest_near_names(home):  # noqa: F811
    with pytest.raises(KeyError, match=r"no quiz is called '00\.stat': did you mean 00\.start"):
        quiz("00.stat")
    with pytest.raises(KeyError, match=r"no quiz is called '98\.noised'"):
        quiz("98.noised")


def test_a_question_has_exactly_one_right_option():
    for options in (
        [Option("a", "x", True)],
        [Option("a", "x"), Option("b", "y")],
        [Option("a", "x", True), Option("b", "y", True)],
    ):
        with pytest.raises(ValueError, match="exactly one"):
            Question("?", options)
    with pytest.raises(ValueError, match="needs a question"):
        Quiz("98.q", [])
    assert "00.start" in quizzes()


# -- expect -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, ours_, se, line",
    [
        (0.83, 0.86, 0.03, "accuracy: yours 0.83, ours 0.86 ± 0.03. They agree."),
        (0.8312, 0.86, 0.0123, "accuracy: yours 0.831, ours 0.860 ± 0.012. They agree."),
        (1234, 1200, 150, "accuracy: yours 1230, ours 1200 ± 150. They agree."),
        (torch.tensor(2.0), 2.0, 0.5, "accuracy: yours 2.0, ours 2.0 ± 0.5. They agree."),
        (-0.001, 0.0, 0.001, "accuracy: yours -0.0010, ours 0.0000 ± 0.0010. They agree."),
        (1.0, 0.9375, 0.03125, "accuracy: yours 1.00, ours 0.94 ± 0.03. They agree."),
    ],
)
def test_expect_prints_both(capsys, value, ours_, se, line):
    expect("accuracy", value, ours_, se)
    assert capsys.readouterr().out == line + "\n"


def test_expect_says_when_chance_does_not_explain_it(capsys, monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_TEST", "1")
    expect("loss", 0.86 + 3.5 * 0.03, 0.86, 0.03)  # more than 3, less than 4: said, not raised
    assert "Yours lies 3.5 standard errors above ours" in capsys.readouterr().out


@pytest.mark.parametrize("setting", [None, "", "0"])
def test_expect_never_raises_in_a_readers_notebook(capsys, monkeypatch, setting):
    monkeypatch.delenv("DIFFCOURSE_TEST", raising=False)
    if setting is not None:
        monkeypatch.setenv("DIFFCOURSE_TEST", setting)
    expect("loss", 9.0, 0.86, 0.03)
    assert "below" not in capsys.readouterr().out


def test_expect_raises_under_test_beyond_four_standard_errors(monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_TEST", "1")
    with pytest.raises(AssertionError, match=r"loss: yours 0\.73, ours 0\.86 ± 0\.03"):
        expect("loss", 0.73, 0.86, 0.03)


@pytest.mark.parametrize(
    "args, error",
    [
        ((1.0, 1.0, 0.0), "se must be greater than 0"),
        ((1.0, 1.0, -1.0), "se must be greater than 0"),
        ((float("nan"), 1.0, 1.0), "value must be finite"),
        ((1.0, float("inf"), 1.0), "ours must be finite"),
        ((1.0, 1.0, float("nan")), "se must be finite"),
        (("1", 1.0, 1.0), "value must be a number"),
        ((True, 1.0, 1.0), "value must be a number"),
        (([1.0], 1.0, 1.0), "value must be a number, got list"),
        ((None, 1.0, 1.0), "value must be a number"),
    ],
)
def test_expect_refuses_what_is_no_number(args, error):
    with pytest.raises((TypeError, ValueError), match=error):
        expect("x", *args)
