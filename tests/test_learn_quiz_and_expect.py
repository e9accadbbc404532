"""quiz as a widget without a browser and as text; expect for numbers that vary."""

import html
import sys

import learn_exercises as ours
import pytest
import torch
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse.learn import expect, progress, quiz, quizzes, record, show
from diffcourse.learn.exercise import Option, Question, Quiz
from diffcourse.learn.questions import as_html, as_text, orders, quiz_widget

VIEW = "application/vnd.jupyter.widget-view+json"


def row(name="98.quiz"):
    return next(row for row in progress().rows if row.name == name)


def done():
    return row().state


def tries():
    return row().attempts


@pytest.fixture
def widget(home):  # noqa: F811
    widget = quiz_widget(ours.QUIZ)
    yield widget
    widget.close_all()


def label(widget, i, option):
    return next(text for text, k in widget.choices[i].options if k == option)


def choose(widget, i, option):
    """What the browser sends, when this option of question i is clicked."""
    widget.choices[i].set_state({"index": [k for _, k in widget.choices[i].options].index(option)})


def asked(name="98.quiz", n=40):
    return Quiz(name, [Question("?", [Option(t, t, t == "a") for t in "abc"]) for _ in range(n)])


# -- the order of the options -----------------------------------------------------------------------------------------


def test_a_reader_keeps_her_order_and_another_one_has_another(home, monkeypatch):  # noqa: F811
    long = asked()
    hers = orders(long)
    assert orders(long) == hers and all(sorted(order) == [0, 1, 2] for order in hers)
    monkeypatch.setattr(record, "STORE", record.Store())  # the kernel is restarted
    assert orders(long) == hers
    home.file.unlink()
    assert orders(long) != hers
    assert orders(asked("98.other")) != orders(long)


def test_over_many_readers_the_right_option_stands_everywhere_equally_often(home):  # noqa: F811
    places = [0, 0, 0]
    for reader in range(30):
        home.belongs_to(str(reader))
        for order in orders(asked()):
            places[order.index(0)] += 1
    assert all(abs(n - 400) < 5 * (1200 * 1 / 3 * 2 / 3) ** 0.5 for n in places)


def test_the_order_is_the_same_on_every_machine(home):  # noqa: F811
    home.belongs_to("ada")
    assert orders(ours.QUIZ) == [[1, 0], [1, 0, 2]] and orders(asked(n=3)) == [[1, 2, 0], [1, 0, 2], [1, 0, 2]]


def test_text_widget_and_letters_have_one_order(widget, home, capsys):  # noqa: F811
    text = as_text(ours.QUIZ)
    for i, option in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2)):
        shown = label(widget, i, option)
        assert f"   {shown}\n" in text and shown in html.unescape(as_html(ours.QUIZ))
        assert shown.endswith(ours.QUIZ.questions[i].options[option].text)
    quiz("98.quiz", label(widget, 0, 0)[0] + label(widget, 1, 2)[0])
    assert done() == "answered" and capsys.readouterr().out.count("Right.") == 2


def test_the_text_suggests_no_answer(home):  # noqa: F811
    for each in (*quizzes().values(), ours.QUIZ):
        told = as_text(each).splitlines()[-1]
        assert told.endswith(f'quiz("{each.name}", "…")')
        assert f"letters, one for each of the {len(each.questions)} questions:" in told or len(each.questions) == 1
        with pytest.raises(ValueError, match="answers must"):
            quiz(each.name, "…")


# -- the widget -------------------------------------------------------------------------------------------------------


def test_nothing_is_chosen_or_said_at_first(widget):
    assert [c.value for c in widget.choices] == [None, None]
    assert all(button.disabled for button in widget.buttons) and [f.value for f in widget.feedback] == ["", ""]
    widget.buttons[0].click()
    assert widget.feedback[0].value == "" and done() == "open"


def test_an_option_of_two_lines_does_not_lie_over_the_next_one(widget):
    """The height of an option is one line in ipywidgets' own style."""
    (name,) = widget._dom_classes
    assert f".{name} .widget-radio-box label {{ display: flex; height: auto;" in widget.children[0].value


def test_a_wrong_answer_hears_its_own_reason_and_may_try_again(widget):
    choose(widget, 1, 0)
    assert not widget.buttons[1].disabled and widget.buttons[0].disabled and widget.feedback[1].value == ""
    widget.buttons[1].click()
    said = widget.feedback[1].value
    assert (
        "Not this one." in said and f"{label(widget, 1, 0)[0]}) wrong: It falls." in said and "Choose another." in said
    )
    assert "never grows" not in said and "In the end" not in said and widget.feedback[0].value == ""
    assert done() == "0 of 2 right" and not widget.buttons[1].disabled
    choose(widget, 1, 1)
    widget.buttons[1].click()
    assert "It never grows." in widget.feedback[1].value and "It falls." not in widget.feedback[1].value
    choose(widget, 1, 2)
    widget.buttons[1].click()
    assert done() == "1 of 2 right" and tries() == 3


def test_a_right_answer_explains_all_and_settles_the_question(widget):
    choose(widget, 1, 2)
    widget.buttons[1].click()
    said = widget.feedback[1].value
    assert "Right." in said and f"{label(widget, 1, 2)[0]}) right: In the end." in said
    assert said.index("In the end.") < said.index("wrong: It falls.") and "wrong: It never grows." in said
    assert widget.buttons[1].disabled and done() == "1 of 2 right"
    choose(widget, 1, 0)
    assert widget.buttons[1].disabled
    widget.answer(1)
    assert widget.feedback[1].value == said and tries() == 1
    choose(widget, 0, 0)
    widget.buttons[0].click()
    assert done() == "answered"


def test_what_is_shown_without_widgets(widget):
    bundle = widget._repr_mimebundle_()
    assert VIEW in bundle and bundle["text/plain"] == as_text(ours.QUIZ)
    assert "What is left?" in bundle["text/plain"] and ") A quarter" in bundle["text/plain"]
    assert "&lt;then&gt;" in bundle["text/html"] and bundle["text/html"].count("<details>") == 2
    assert "The root of 0.25." in bundle["text/html"] and "The root of 0.25." not in bundle["text/plain"]
    again = quiz_widget(ours.QUIZ)._repr_mimebundle_()
    assert all(again[key] == bundle[key] for key in ("text/plain", "text/html"))
    choose(widget, 0, 0)
    widget.buttons[0].click()
    assert widget._repr_mimebundle_()["text/plain"] == bundle["text/plain"]


def test_markup_in_a_question_is_text_and_backticks_are_code(widget):
    assert any("2. And &lt;then&gt;?<" in str(getattr(child, "value", "")) for child in widget.children)
    coded = Quiz("98.code", [Question("`a < b`?", [Option("`c`", "Why `d`.", True), Option("e", "f")])])
    page, drawn = as_html(coded), quiz_widget(coded)
    assert all(code in page for code in ("<code>a &lt; b</code>?", "<code>c</code>", "Why <code>d</code>."))
    assert "`" not in page and "`c`" in as_text(coded)
    assert "<code>a &lt; b</code>" in drawn.children[1].value and {t[3:] for t, _ in drawn.choices[0].options} == {
        "c",
        "e",
    }
    drawn.choices[0].value = 0
    drawn.buttons[0].click()
    assert "Why <code>d</code>." in drawn.feedback[0].value
    drawn.close_all()


# -- text -------------------------------------------------------------------------------------------------------------


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
    letters = home.letters(1, 2)
    quiz("98.quiz", letters.upper())
    text = capsys.readouterr().out
    told = f"Your answer: {letters[0]}) A quarter\nNot this one.\n{letters[0]}) wrong: That is the power.\nChoose another.\n"
    assert f"1. What is left?\n{told}2. And" in text
    assert f"Right.\n{letters[1]}) right: In the end.\n" in text and "wrong: It falls." in text
    assert "The root of 0.25." not in text and text.endswith("Still to answer: 1.\n")
    assert done() == "1 of 2 right" and tries() == 2
    quiz("98.quiz", home.letters(0, 2))
    assert "Still" not in capsys.readouterr().out and done() == "answered" and tries() == 3
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
