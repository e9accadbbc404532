"""predict, outcome and mixed: the first guess before the outcome counts, whatever it is written as; reveal folds its text."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse.learn import guesses, mixed, outcome, predict, predictions, progress, record, register, reveal, show
from diffcourse.learn.exercise import Prediction, Reveal

LEFT = Prediction("98.left", "Variance left", "What variance is left after 1000 steps?")
SHARE = Prediction("98.share", "Steps wasted", "What share of the steps?", unit="%", scale="difference", close=5)
SHIFT = Prediction(
    "98.shift", "The shift", "By how much?", unit="pixels", scale="difference", close=0.5, why="It is `t`."
)
WHO = Prediction("98.who", "Who is right", "Which author?", kind="choice", options=("Ada", "Bob", "Cy"), truth="Bob")
FAST = Prediction("98.fast", "From fast to slow", "Order them.", kind="order", options=("DDIM", "DDPM", "Heun"))
ROWS = Prediction(
    "98.rows", "Steps of each row", "Which row?", kind="order", options=("2", "5", "10", "50"), mixed=True
)
SEVEN = [Prediction(f"98.n{i}", f"Number {i}", "?") for i in range(7)]
BUG = Reveal("98.bug", "What is wrong", "The `beta` has no root.\nSo B < A.", "x = beta**0.5 * z\n")


@pytest.fixture(autouse=True)
def ours(home, monkeypatch):  # noqa: F811
    monkeypatch.setattr(guesses, "_orders", {})
    register(LEFT, SHARE, SHIFT, WHO, FAST, ROWS, *SEVEN, BUG)
    return home


@pytest.fixture
def said(capsys):
    """What a call prints."""

    def call(function, *args):
        capsys.readouterr()
        assert function(*args) is None
        return capsys.readouterr().out.strip()

    return call


def kept(name="98.left"):
    return record.prediction_of(name)


# -- asking -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), (...,)])
def test_without_a_guess_the_question_and_how_to_answer_are_printed_and_nothing_is_kept(said, ours, arguments):
    text = said(predict, "98.who", *arguments)
    assert text.splitlines() == [
        "Predict: Who is right",
        "Which author?",
        "A) Ada",
        "B) Bob",
        "C) Cy",
        'Answer by one of the letters A to C in place of the dots, in quotes, and run the cell again: predict("98.who", …)',
    ]
    assert "in percent" in said(predict, "98.share") and "in pixels" in said(predict, "98.shift")
    assert "the letters of: 2; 5; 10; 50; in this order" in said(predict, "98.rows") and not ours.file.exists()


def test_a_question_shown_again_says_what_was_answered(said):
    predict("98.left", 0.1)
    assert said(predict, "98.left").endswith("You said 0.1, and may still change your mind.")
    outcome("98.left", 0.5)
    assert said(predict, "98.left").endswith("You said 0.1, and the outcome has been told since.")


# -- which guess counts -----------------------------------------------------------------------------------------------


def test_until_the_outcome_a_new_guess_replaces_the_old_one_and_then_the_first_stays(said, monkeypatch):
    assert said(predict, "98.left", 3) == "Variance left: you say 3. Now look."
    assert said(predict, "98.left", 0.1) == "Variance left: you say 0.1, in place of 3. Now look."
    monkeypatch.setattr(record, "STORE", record.Store())  # the kernel is restarted
    assert said(outcome, "98.left", 0.5) == "Variance left: you said 0.1; it is 0.5: 5 times too small."
    assert said(predict, "98.left", 0.5).splitlines() == [
        "Variance left: the outcome has been told, so 0.5 is not counted.",
        'Your guess was 0.1. progress(reset="98.left") starts it again.',
    ]
    assert said(predict, "98.left", 0.1) == "Variance left: you said 0.1. The outcome has been told since."
    assert said(outcome, "98.left", 0.5) == "Variance left: you said 0.1; it is 0.5: 5 times too small."
    assert kept()["guess"] == 0.1 and kept()["near"] is False
    progress(reset="98.left")
    assert said(predict, "98.left", 0.5) == "Variance left: you say 0.5. Now look."


def test_a_guess_after_an_outcome_that_was_seen_without_one_is_not_counted(said):
    assert said(outcome, "98.left", 0.5) == "Variance left: 0.5."
    text = said(predict, "98.left", 0.5)
    assert "the outcome has been told, so 0.5 is not counted.\nYou had no guess." in text
    assert said(outcome, "98.left", 0.5) == "Variance left: 0.5." and kept()["guess"] is None


def test_a_second_outcome_does_not_change_whether_the_guess_was_near():
    predict("98.left", 1)
    outcome("98.left", 1)
    outcome("98.left", 100)
    assert kept()["near"] is True


def test_a_guess_that_fits_an_older_question_only_is_none(said, ours):
    for guess in ("D", 3.0):
        record.guessed("98.who", guess)
        assert said(outcome, "98.who") == "Who is right: B, Bob."
        progress(reset="98.who")


# -- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "guess", "read"),
    [
        ("98.left", 3, 3), ("98.left", "3e4", 3e4), ("98.left", "50 %", 0.5), ("98.left", "1/4", 0.25), ("98.left", Fraction(1, 4), 0.25),
        ("98.left", "30,000", 3e4), ("98.left", " 1_000 ", 1000), ("98.left", np.float32(0.5), 0.5), ("98.left", np.int64(4), 4),
        ("98.left", torch.tensor([2.0]), 2), ("98.left", "0.5%", 0.005),
        ("98.share", 50, 50), ("98.share", "50 %", 50), ("98.share", "1/4", 25), ("98.share", Fraction(1, 4), 25),
        ("98.share", "1/2 %", 0.5),
        ("98.share", 0, 0), ("98.shift", "-3 pixels", -3), ("98.shift", "−3", -3), ("98.shift", 0, 0),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(name, guess, read):
    predict(name, guess)
    assert kept(name)["guess"] == pytest.approx(read)


@pytest.mark.parametrize(
    ("name", "guess", "error", "message"),
    [
        ("98.left", "many", ValueError, r"guess must be a number .*\"50 %\".*, got 'many'"),
        ("98.left", "0,5", ValueError, "guess must be a number .*, got '0,5'"),
        ("98.left", "1/0", ValueError, "guess must be a number"),
        ("98.left", True, TypeError, "guess must be a number .*, got a truth value"),
        ("98.left", None, TypeError, "guess must be a number .*, got None"),
        ("98.left", [1], TypeError, "guess must be a number .*, got a list"),
        ("98.left", torch.zeros(2), TypeError, r"guess must be a number .*, got a tensor of shape \(2,\)"),
        ("98.left", float("nan"), ValueError, "guess must be finite, got nan"),
        ("98.left", 0, ValueError, "guess must be greater than 0 here, got 0"),
        ("98.who", "D", ValueError, "guess must be a letter from A to C, or the text of that option, got 'D'"),
        ("98.who", 1, TypeError, "guess must be a letter from A to C, .*, got a number"),
        ("98.fast", "ABB", ValueError, "guess must hold each of the letters ABC once, got 'ABB'"),
        ("98.fast", 3, TypeError, "guess must hold each of the letters ABC once, got a number"),
        ("98.lefft", 3, KeyError, "no prediction is called '98.lefft': did you mean 98.left"),
        ("98.noised", 3, KeyError, "no prediction is called '98.noised'"),
    ],
)
def test_a_guess_of_another_kind_is_an_error_and_is_not_kept(name, guess, error, message, ours):
    with pytest.raises(error, match=message):
        predict(name, guess)
    assert not ours.file.exists()


@pytest.mark.parametrize(
    ("name", "guess", "truth", "line"),
    [
        ("98.left", 0.45, 0.5, "you said 0.45; it is 0.5: near."),
        ("98.left", 0.5, 0.50001, "you said 0.5; it is 0.5: exactly that."),
        ("98.left", 3000, 0.5, "you said 3,000; it is 0.5: 6,000 times too large."),
        ("98.left", 10, 6.62e9, "you said 10; it is 6.62 · 10⁹: 6.6 · 10⁸ times too small."),
        ("98.left", 10, torch.tensor(14.0), "you said 10; it is 14: 1.4 times too small."),
        ("98.left", 10, 0, "you said 10; it is 0: 10 too high."),
        ("98.share", 30, 32.7, "you said 30 %; it is 32.7 %: near."),
        ("98.share", 60, np.float64(32.7), "you said 60 %; it is 32.7 %: 27 points too high."),
        ("98.shift", 1, -2.0, "you said 1 pixels; it is −2 pixels: 3 pixels too high."),
        ("98.left", 1e-6, 1e-6, "you said 1 · 10⁻⁶; it is 1 · 10⁻⁶: exactly that."),
    ],
)
def test_how_far_off_a_number_is(said, name, guess, truth, line):
    predict(name, guess)
    assert said(outcome, name, truth).splitlines()[0] == f"{predictions()[name].title}: {line}"


def test_why_is_told_with_the_outcome(said):
    assert said(outcome, "98.shift", 2) == "The shift: 2 pixels.\nIt is `t`."


@pytest.mark.parametrize(
    ("name", "measured", "error", "message"),
    [
        ("98.left", "much", ValueError, "measured must be a number"),
        ("98.left", ..., TypeError, "measured must be a number .*, got Ellipsis"),
        ("98.left", float("inf"), ValueError, "measured must be finite"),
        ("98.fast", ..., TypeError, "measured must hold each of the letters ABC once"),
        ("98.fast", {"A": 1, "B": 2}, ValueError, "measured must have an entry for each of the letters ABC"),
        ("98.fast", {"A": 1, "B": 2, "C": "x"}, TypeError, "measured must be a dict of numbers"),
        ("98.rows", ..., ValueError, r'measured may be left out only after mixed\("98.rows", …\)'),
    ],
)
def test_an_outcome_of_another_kind_is_an_error(name, measured, error, message, ours):
    with pytest.raises(error, match=message):
        outcome(name, measured)
    assert not ours.file.exists()


# -- choices and orders -----------------------------------------------------------------------------------------------


def test_a_choice_is_given_by_letter_or_text_and_told_with_its_text(said):
    assert said(predict, "98.who", "ada") == "Who is right: you say A, Ada. Now look."
    assert said(outcome, "98.who") == "Who is right: you said A, Ada; it is B, Bob."
    progress(reset="98.who")
    predict("98.who", "b")
    assert said(outcome, "98.who", "Bob") == "Who is right: you said B, Bob. Right." and kept("98.who")["near"]


@pytest.mark.parametrize("guess", ["CAB", "c a b", "C, A, B", ["C", "A", "B"], "C < A < B"])
def test_an_order_is_written_in_many_ways_and_judged_by_its_places(said, guess):
    predict("98.fast", guess)
    line = "From fast to slow: you said CAB; it is BAC (DDPM, DDIM, Heun): 1 of 3 places is right."
    assert said(outcome, "98.fast", {"A": 0.2, "DDPM": torch.tensor(0.1), "C": 3}) == line
    assert said(outcome, "98.fast", "BAC") == line
    assert said(outcome, "98.fast", "CAB") == "From fast to slow: you said CAB. All places are right."


def test_of_four_places_or_more_one_exchange_is_near():
    mixed("98.rows", [5, 50, 2, 10])
    right = guesses._orders["98.rows"]
    for guess, near in ((right, True), (right[::-1], False), (right[1] + right[0] + right[2:], True)):
        progress(reset="98.rows")
        predict("98.rows", guess)
        outcome("98.rows")
        assert kept("98.rows")["near"] is near


def test_things_are_mixed_for_each_reader_and_outcome_tells_which_is_which(said, ours):
    seen = set()
    for reader in range(30):
        ours.belongs_to(str(reader))
        rows = mixed("98.rows", [5, 50, 2, 10])
        assert rows == mixed("98.rows", [5, 50, 2, 10]) and list(rows) == list("ABCD")
        order = "".join(sorted(rows, key=rows.get))
        told = ", ".join(f"{letter} {rows[letter]}" for letter in order)
        assert said(outcome, "98.rows") == said(outcome, "98.rows", rows) == f"Steps of each row: {order} ({told})."
        seen.add(order)
    assert len(seen) > 12


def test_mixed_things_that_are_no_numbers_keep_the_order_in_which_they_are_written(said):
    things = {"two": torch.nn.ReLU(), "five": torch.nn.GELU(), "ten": 3, "fifty": None}
    rows = mixed("98.rows", things)
    order = "".join(letter for thing in things.values() for letter in rows if rows[letter] is thing)
    assert f"Steps of each row: {order} (" in said(outcome, "98.rows")
    assert sorted(mixed("98.rows", ["two", "five", "ten", "fifty"]).values()) == ["fifty", "five", "ten", "two"]
    for things, error, message in (
        ([1, 2], ValueError, "things must be 4, one for each option of 98.rows, got 2"),
        (3, TypeError, "things must be a list or a dict, got a number"),
    ):
        with pytest.raises(error, match=message):
            mixed("98.rows", things)
    with pytest.raises(ValueError, match=r"name must be that of an order with mixed=True, got '98\.fast'"):
        mixed("98.fast", [1, 2, 3])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "guess"}, "kind must be number, choice or order"),
        ({"kind": "choice", "options": ["a"]}, "2 to 26 options"),
        ({"options": ["a", "b"]}, "2 to 26 options"),
        ({"kind": "order", "options": "ab"}, "options must be a list"),
        ({"scale": "difference"}, "close must say how far off"),
        ({"scale": "log"}, "scale must be ratio or difference"),
        ({"close": 0.5}, "close must be a factor from 1 on"),
        ({"mixed": True}, "only an order can be mixed"),
        ({"truth": "3"}, "the truth of a number comes from the cell"),
    ],
)
def test_a_prediction_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Prediction("98.x", "x", "?", **fields)


# -- progress ---------------------------------------------------------------------------------------------------------


def test_progress_tells_from_three_guesses_on_how_many_were_near(monkeypatch):
    times = iter(range(100, 200))
    monkeypatch.setattr(record, "_now", lambda: f"2026-01-01T00:{next(times)}")
    for i, near in enumerate((False, True, False, True, True)):
        predict(f"98.n{6 - i}", 1 if near else 9)
        assert ("Predictions" in str(progress())) == (i > 2)  # a guess counts when its outcome is told
        outcome(f"98.n{6 - i}", 1)
    outcome("98.n1", 1)  # seen without a guess
    line = "of 13 made; near were 1 of the first 2 and 2 of the last 3."
    assert f"Predictions: 5 {line}" in str(progress("98")) and line in progress("98")._repr_html_()
    assert "Predictions: 5 of" in str(progress())
    progress(reset="98")
    assert "Predictions" not in str(progress())


def test_an_older_progress_file_loads_and_a_damaged_prediction_is_set_aside(ours, said):
    ours.path.mkdir()
    ours.file.write_text(json.dumps({"version": 1, "exercises": {}, "quizzes": {}, "reader": "ada"}), encoding="utf-8")
    predict("98.left", 3)
    assert not list(ours.path.glob("progress.damaged-*")) and kept()["guess"] == 3
    data = json.loads(ours.file.read_text(encoding="utf-8"))
    data["predictions"]["98.who"] = {"guess": [1]}
    ours.file.write_text(json.dumps(data), encoding="utf-8")
    assert "The progress file was damaged" in said(predict, "98.left") and kept()["guess"] == 3
    assert "98.who" not in record.STORE.read()["predictions"] and record.reader() == "ada"


# -- what a notebook shows --------------------------------------------------------------------------------------------


@pytest.fixture
def displayed(monkeypatch):
    """What is shown in a notebook, as a list of (text, HTML)."""
    import IPython.display

    shown = []
    monkeypatch.setattr(show, "kernel", lambda: object())
    monkeypatch.setattr(
        IPython.display, "display", lambda data, raw: shown.append((data["text/plain"], data["text/html"]))
    )
    return shown


def test_in_a_notebook_there_is_html_beside_the_text(displayed, said):
    predict("98.who", "a")
    outcome("98.who")
    predict("98.shift", 2)
    outcome("98.shift", 2)
    tones = ("open", "wrong", "open", "right")
    assert [show.EDGE[tone] in markup for tone, (_, markup) in zip(tones, displayed, strict=True)]
    assert "<code>t</code>" in displayed[3][1] and "`t`" in displayed[3][0]
    assert (
        said(outcome, "98.left", 0.5) == "Variance left: 0.5." and len(displayed) == 4
    )  # plain, among the cell's prints


def test_a_reveal_is_folded_in_a_notebook_and_plain_as_text(said, displayed, monkeypatch):
    reveal("98.bug")
    ((text, markup),) = displayed
    assert "<details><summary" in markup and "open" not in markup.split("<details")[1].split(">")[0]
    assert "The <code>beta</code> has no root.<br>So B &lt; A.<pre" in markup and "x = beta**0.5 * z</pre>" in markup
    monkeypatch.setattr(show, "kernel", lambda: None)
    assert said(reveal, "98.bug") == text
    assert text == "What is wrong (98.bug)\nThe `beta` has no root.\nSo B < A.\nx = beta**0.5 * z"
    with pytest.raises(KeyError, match=r"no reveal is called '98\.bugg': did you mean 98\.bug"):
        reveal("98.bugg")
    with pytest.raises(ValueError, match="needs a title and a text"):
        Reveal("98.x", "x", " ")
