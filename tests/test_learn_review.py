"""review, flashcards and objectives: what is missed returns, nothing is lost, and all of it survives in the reader's progress."""

import json
from datetime import date, timedelta

import learn_exercises as ours
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse.learn import (
    again,
    bank,
    exercises,
    flashcards,
    leitner,
    notebooks,
    objectives,
    progress,
    quiz,
    record,
    registry,
    review,
    show,
    sittings,
)
from diffcourse.learn.bank import BankQuestion, Card
from diffcourse.learn.bank.objectives import OBJECTIVES
from diffcourse.learn.leitner import Sitting
from diffcourse.learn.sitting_widgets import CardsWidget, ReviewWidget

TODAY = date(2026, 3, 1)
QUESTIONS = {
    f"{lesson}.q{i}": BankQuestion(f"{lesson}.q{i}", ours.QUIZ.questions[i % 2])
    for lesson in ("01", "98")
    for i in range(3)
}
CARDS = {
    f"98.c{i}": Card(f"98.c{i}", topic, f"Front ${i}$?", f"Back $x < {i}$", "Why." if i else "")
    for i, topic in enumerate(("fact", "formula", "fact"))
}
names = st.sampled_from([f"{lesson}.{letter}" for lesson in ("01", "02", "03") for letter in "abcd"])
histories = st.lists(
    st.tuples(names, st.booleans(), st.integers(0, 9)), max_size=30
)  # what, right, days until the next


class Clock:
    day = TODAY

    def wait(self, days):
        self.day += timedelta(days)


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(record, "today", lambda: clock.day)
    return clock


@pytest.fixture(autouse=True)
def small_bank(home, clock, monkeypatch):  # noqa: F811
    monkeypatch.setattr(bank, "questions", lambda: QUESTIONS)
    monkeypatch.setattr(bank, "cards", lambda: CARDS)
    monkeypatch.setattr(again, "_asked", None)


def lived(history):
    """The entries after a history, and the day on which it ends."""
    entries, day = {}, TODAY
    for name, right, days in history:
        entries[name] = leitner.moved(entries.get(name), right, day)
        day += timedelta(days)
    return entries, day


def kept(name):
    return record.STORE.read()["reviews"].get(name)


# -- the box ----------------------------------------------------------------------------------------------------------


def test_what_is_right_each_time_comes_after_1_3_7_21_and_21_days():
    entry, day, waits = None, TODAY, []
    for _ in range(6):
        entry = leitner.moved(entry, True, day)
        waits.append(next(n for n in range(99) if leitner.is_due(entry, day + timedelta(n))))
        day += timedelta(waits[-1])
    assert waits == [1, 3, 7, 21, 21, 21] and (entry["times"], entry["missed"]) == (6, 0)


def test_what_is_missed_is_due_at_once_and_when_it_is_known_again_the_next_day():
    entry = leitner.moved({"box": 4, "due": "2026-03-01", "times": 9, "missed": 0}, False, TODAY)
    assert entry == {"box": 0, "due": "2026-03-01", "times": 10, "missed": 1} and leitner.is_due(entry, TODAY)
    entry = leitner.moved(entry, True, TODAY)
    assert entry["due"] == "2026-03-02" and not leitner.is_due(entry, TODAY)


@given(histories)
def test_nothing_is_lost(history):
    """After the longest wait everything that was ever asked is asked, and each thing once."""
    entries, day = lived(history)
    again = leitner.pick(entries, entries, day + timedelta(leitner.DAYS[-1]), len(entries))
    assert sorted(again) == sorted(entries)


@given(histories)
def test_what_was_missed_last_comes_before_what_was_known_and_new_things_come_last(history):
    entries, day = lived(history)
    asked = leitner.pick([*entries, "01.new", "02.new"], entries, day, 99)
    boxes = [entries[name]["box"] if name in entries else len(leitner.DAYS) for name in asked]
    assert boxes == sorted(boxes) and set(asked[-2:]) == {"01.new", "02.new"}
    assert {name for name in entries if entries[name]["box"] == 0} <= set(asked)
    assert all(entries[name]["due"] <= day.isoformat() for name in asked[:-2])


@given(histories, names)
def test_to_be_right_twice_on_a_day_counts_once_and_to_be_wrong_always_counts(history, name):
    entries, day = lived(history)
    once = leitner.moved(entries.get(name), True, day)
    twice = leitner.moved(once, True, day)
    assert (twice["box"], twice["due"]) == (once["box"], once["due"]) and twice["times"] == once["times"] + 1
    assert leitner.moved(twice, False, day)["box"] == 0


@given(st.lists(names, unique=True), st.lists(st.booleans(), max_size=60))
def test_a_sitting_ends_when_each_was_known_once(items, answers):
    sitting, asked = Sitting(items), []
    for right in [*answers, *[True] * len(items)]:
        if sitting.current is None:
            break
        asked.append(sitting.current)
        sitting.answer(right)
    assert sitting.current is None and sitting.known == len(items) == len(set(asked))
    assert len(asked) == len(items) + sum(not right for right in answers[: len(asked)])
    missed = [name for name, right in zip(asked, [*answers, *[True] * 99], strict=False) if not right]
    assert sitting.missed == list(dict.fromkeys(missed))


def test_a_missed_item_returns_behind_the_next_three():
    sitting, asked = Sitting("abcdef"), []
    while sitting.current:
        asked.append(sitting.current)
        sitting.answer(asked.count(sitting.current) > 1 or sitting.current not in "af")
    assert "".join(asked) == "abcdaeff"


def test_new_things_are_taken_from_each_lesson_in_turn_and_from_those_begun_first():
    new = ["01.a", "01.b", "01.c", "02.a", "03.a", "03.b"]
    assert leitner.pick(new, {}, TODAY, 9) == ["01.a", "02.a", "03.a", "01.b", "03.b", "01.c"]
    assert leitner.pick(new, {}, TODAY, 4, begun={"03"}) == ["03.a", "03.b", "01.a", "02.a"]


def test_a_wrong_clock_hides_nothing():
    entry = leitner.moved(None, True, date(2099, 1, 1))
    assert leitner.is_due(entry, TODAY) and leitner.is_due(leitner.moved(None, True, TODAY), TODAY + timedelta(1))


@pytest.mark.parametrize(
    ("days", "words"),
    [(-3, "today"), (0, "today"), (1, "tomorrow"), (3, "in 3 days, on 4 March"), (21, "in 21 days, on 22 March")],
)
def test_days_are_told_in_words(days, words):
    assert leitner.told(TODAY + timedelta(days), TODAY) == words


# -- what is recorded -------------------------------------------------------------------------------------------------


def test_answers_are_kept_and_can_be_reset(home, monkeypatch):  # noqa: F811
    for name in ("01.q0", "98.q1", "98.c0"):
        record.reviewed(name, False)
    quiz("98.quiz", home.letters(1, 2))
    monkeypatch.setattr(record, "STORE", record.Store())  # the kernel is restarted
    assert kept("98.quiz/0")["box"] == 0 and kept("98.quiz/1") == {
        "box": 1,
        "due": "2026-03-02",
        "times": 1,
        "missed": 0,
    }
    progress(reset="98.quiz")
    assert kept("98.quiz/0") is None and kept("98.q1")
    progress(reset="98.c0")
    assert kept("98.c0") is None and kept("98.q1")
    progress(reset="98")
    assert kept("98.q1") is None and kept("01.q0")
    progress(reset="all")
    assert kept("01.q0") is None


def test_an_older_file_is_read_as_it_is(home):  # noqa: F811
    home.belongs_to("ada")
    before = home.file.read_bytes()
    assert record.STORE.read()["reviews"] == {} and record.STORE.notices == []
    assert home.file.read_bytes() == before and not list(home.path.glob("*damaged*"))


GOOD = {"box": 2, "due": "2026-03-04", "times": 3, "missed": 1}
DAMAGED = [
    3,
    {**GOOD, "box": 5},
    {**GOOD, "box": True},
    {**GOOD, "due": "soon"},
    {**GOOD, "due": 3},
    {**GOOD, "times": -1},
    {},
]


@pytest.mark.parametrize("entry", DAMAGED, ids=str)
def test_a_damaged_entry_is_set_aside_and_the_others_are_kept(home, entry):  # noqa: F811
    home.belongs_to("ada")
    data = {**json.loads(home.file.read_text(encoding="utf-8")), "reviews": {"01.q0": entry, "01.q1": GOOD}}
    home.file.write_text(json.dumps(data), encoding="utf-8")
    assert record.STORE.read()["reviews"] == {"01.q1": GOOD}
    assert "damaged" in record.STORE.notices[0] and "(1 entry)" in record.STORE.notices[0]
    assert len(list(home.path.glob("progress.damaged-*.json"))) == 1


# -- review as text ---------------------------------------------------------------------------------------------------


def letter(right=True):
    """The letter of the right option, or of a wrong one, of what is asked now."""
    name = again._asked.current
    seen, answer = sittings.order(name), sittings.question(name).right
    return "abc"[next(i for i, k in enumerate(seen) if (k == answer) is right)]


def test_a_sitting_as_text(capsys, clock):
    assert review(2) is None
    first = capsys.readouterr().out
    assert first.startswith("0 of 2 known\nWhat is left?\n   a) ") and first.endswith('review(answer="…")\n')
    review(answer=f" {letter(right=False).upper()} ")
    told = capsys.readouterr().out
    assert "Your answer: " in told and "Not this one." in told and " wrong: That is the power." in told
    assert " right: The root of 0.25." in told and "\n\n0 of 2 known, 1 missed\n" in told  # the right one too
    review(answer=letter())
    assert "Right." in capsys.readouterr().out
    assert again._asked.current == "01.q0"  # it returns
    review(answer=letter())
    assert capsys.readouterr().out.endswith(
        "Done: 1 of 2 known at once. Missed:\n- What is left?\n"
        "  01 · The variational autoencoder and its bound; it comes back tomorrow.\n"
    )
    with pytest.raises(ValueError, match=r"answer must follow a question, got 'a': review\(\) asks one"):
        review(answer="a")
    assert kept("01.q0") == {"box": 1, "due": "2026-03-02", "times": 2, "missed": 1}


def test_what_is_due_comes_first_then_what_is_new_then_nothing(capsys, clock):
    record.reviewed("98.q2", True)
    record.reviewed("98.q1", False)
    review(6)
    assert again._asked.queue == ["98.q1", "01.q0", "98.q0", "01.q1", "01.q2"]  # 98.q2 waits for tomorrow
    clock.wait(1)
    review(3)
    assert again._asked.queue == ["98.q1", "98.q2", "01.q0"]
    for name in QUESTIONS:
        record.reviewed(name, True)
    capsys.readouterr()
    review()
    assert capsys.readouterr().out == "Nothing is due. 5 questions will be tomorrow.\n"
    review(lesson="98")
    assert "Nothing is due. 2 questions will be tomorrow.\n" in capsys.readouterr().out


def test_questions_of_one_lesson_and_of_those_that_are_begun():
    review(lesson="98")
    assert again._asked.queue == ["98.q0", "98.q1", "98.q2"]
    record.attempted("98.noised", right=False)
    review(4)
    assert again._asked.queue == ["98.q0", "98.q1", "98.q2", "01.q0"]


def test_a_question_of_a_quiz_joins_when_it_was_answered_in_its_lesson(home, clock):  # noqa: F811
    assert not any("/" in name for name in sittings.asked())
    quiz("98.quiz", home.letters(1, 2))
    assert [name for name in sittings.asked() if "/" in name] == ["98.quiz/0", "98.quiz/1"]
    review(1)
    assert again._asked.queue == ["98.quiz/0"]  # it was missed
    review(answer=letter())
    assert kept("98.quiz/0")["due"] == "2026-03-02"
    assert (
        next(row.state for row in progress("98").rows if row.name == "98.quiz") == "1 of 2 right"
    )  # the quiz is another thing


def test_a_question_that_returns_is_shuffled_anew(home):  # noqa: F811
    home.belongs_to("ada")
    shown = set()
    for _ in range(30):
        shown.add(tuple(sittings.order("98.q1")))
        record.reviewed("98.q1", True)
    assert len(shown) == 6 and all(sorted(order) == [0, 1, 2] for order in shown)


@pytest.mark.parametrize("answer", ["d", "", "ab", "1", 3])
def test_an_answer_that_is_no_letter_of_the_question_is_refused(answer):
    review(1)
    with pytest.raises(ValueError, match="answer must be a letter from a to b here, got"):
        review(answer=answer)
    assert kept("01.q0") is None


def test_wrong_arguments_are_refused():
    for n in (0, -1):
        with pytest.raises(ValueError, match="n must be at least 1"):
            review(n)
    with pytest.raises(TypeError, match="n must be a whole number"):
        review("02")
    with pytest.raises(KeyError, match="no lesson is called '97'"):
        review(lesson="97")
    with pytest.raises(ValueError, match="topic must be fact or formula, got 'facts'"):
        flashcards("facts")


# -- review as a widget -----------------------------------------------------------------------------------------------


@pytest.fixture
def widget():
    widget = ReviewWidget(Sitting(["98.q0", "98.q1"]))
    yield widget
    widget.close_all()


def choose(widget, right):
    name = widget.sitting.current
    widget.choice.value = next(k for k in widget.seen if (k == sittings.question(name).right) is right)


def test_the_button_checks_and_then_goes_on(widget):
    assert widget.choice.value is None and widget.button.description == "Check"
    widget.button.click()
    assert "Choose an option first." in widget.feedback.value and kept("98.q0") is None
    choose(widget, right=False)
    widget.button.click()
    said = widget.feedback.value
    assert "Not this one." in said and "That is the power." in said and "The root of 0.25." in said
    assert widget.choice.disabled and not widget.button.disabled and widget.button.description == "Next"
    assert "0 of 2 known, 1 missed" in widget.head.value and kept("98.q0")["box"] == 0
    widget.button.click()
    assert widget.feedback.value == "" and "And &lt;then&gt;?" in widget.text.value and widget.choice.value is None
    choose(widget, right=True)
    widget.button.click()
    widget.button.click()
    assert "What is left?" in widget.text.value  # it returns
    choose(widget, right=True)
    widget.button.click()
    assert widget.button.description == "End"
    widget.button.click()
    (end,) = widget.end.outputs
    assert (
        widget.over and "1 of 2 known at once" in end["data"]["text/html"] and "tomorrow" in end["data"]["text/plain"]
    )
    assert kept("98.q0") == {"box": 1, "due": "2026-03-02", "times": 2, "missed": 1}


def test_the_row_that_holds_the_button_is_never_replaced(widget):
    """Where a child changes, the front end draws anew all that follow it, and the keyboard would lose its place."""
    rows = widget.children
    choose(widget, right=True)
    widget.button.click()
    widget.button.click()
    assert widget.children == rows and not widget.button.disabled


def test_what_is_shown_without_widgets(widget):
    bundle = widget._repr_mimebundle_()
    assert (
        bundle["text/plain"] == sittings.as_text(widget.sitting)
        and "application/vnd.jupyter.widget-view+json" in bundle
    )
    assert bundle["text/html"].count("<details>") == 2 and "The root of 0.25." not in bundle["text/plain"]
    text, page = widget.view()
    assert text.count("○") == 2 and "●" not in page
    choose(widget, right=False)
    widget.button.click()
    text, page = widget.in_sight()
    assert "● " in text and text.endswith("The root of 0.25.") and "Not this one." in page


def test_an_answer_by_letter_is_not_asked_for_again(monkeypatch):
    with monkeypatch.context() as notebook:
        notebook.setattr(show, "kernel", lambda: object())
        widget = review(2)
    assert isinstance(widget, ReviewWidget)
    sittings.judged(widget.sitting, widget.seen, widget.seen[0])
    widget.button.click()
    assert widget.name == "98.q0" == widget.sitting.current and widget.button.description == "Check"
    widget.close_all()


def test_without_ipywidgets_it_is_text(monkeypatch):
    import sys

    monkeypatch.setattr(show, "kernel", lambda: object())
    monkeypatch.setitem(sys.modules, "diffcourse.learn.sitting_widgets", None)
    shown = []
    monkeypatch.setattr(show, "show", lambda *text: shown.append(text[0]))
    review(1)
    flashcards("fact")
    assert shown[0].startswith("0 of 1 known") and shown[1].startswith("Fronts")


def test_a_link_leads_to_what_was_missed(tmp_path, monkeypatch):
    import nbformat

    monkeypatch.chdir(tmp_path)
    cells = [("# 98 · The end", ["C1", "C2"]), ("words", []), ("## Noise", []), ("more", ["C2"])]
    made = [
        nbformat.v4.new_markdown_cell(text, id=f"t-{i}", metadata={"items": items})
        for i, (text, items) in enumerate(cells)
    ]
    (tmp_path / "98.ipynb").write_text(nbformat.writes(nbformat.v4.new_notebook(cells=made)), encoding="utf-8")
    assert notebooks.place("98.q9", ["C2"]) == ("98 · The end", "Noise", "98.ipynb#cell-id=t-2")
    assert notebooks.place("98.q9", ["C1"]) == ("98 · The end", "", "98.ipynb#cell-id=t-0")
    assert notebooks.place("98.q9", ["C3"]) == ("98 · The end", "", "98.ipynb") == notebooks.place("98.q9")
    monkeypatch.setitem(QUESTIONS, "98.q9", BankQuestion("98.q9", ours.QUIZ.questions[0], ["C2"]))
    sitting = Sitting(["98.q9"])
    sitting.answer(False)
    page = sittings.summary_as_html(sitting)
    assert '<a href="98.ipynb#cell-id=t-2">98 · The end: Noise</a>; it comes back today.' in page


# -- cards ------------------------------------------------------------------------------------------------------------


def test_cards_as_text_and_folded(capsys, monkeypatch):
    flashcards()
    assert capsys.readouterr().out == (
        "Fronts\n1. Front $0$?\n2. Front $1$?\n3. Front $2$?\n\n"
        "Backs\n1. Back $x < 0$\n2. Back $x < 1$\n   Why.\n3. Back $x < 2$\n   Why.\n"
    )
    flashcards("formula")
    assert "1. Front $1$?\n\nBacks" in capsys.readouterr().out
    page = sittings.cards_as_html(CARDS)
    assert (
        page.count("<details><summary>Front $") == 3
        and r"<p>Back $\displaystyle x &lt; 1$</p><p>Why.</p></details>" in page
    )
    assert all(kept(name) is None for name in CARDS)


def test_a_card_is_turned_and_then_judged_by_the_reader(clock, capsys):
    widget = CardsWidget(Sitting(["98.c1", "98.c2"]))
    assert "Front $1$?" in widget.front.value and widget.back.value == "" and widget.turn.description == "Show"
    assert widget.knew.layout.visibility == "hidden"
    widget.knew.click()  # before it was turned
    assert kept("98.c1") is None
    widget.turn.click()
    assert (
        r"Back $\displaystyle x &lt; 1$" in widget.back.value
        and "Why." in widget.back.value
        and widget.turn.description == "Not yet"
    )
    widget.turn.click()
    assert kept("98.c1")["box"] == 0 and "Front $2$?" in widget.front.value and widget.back.value == ""
    for _ in range(2):
        widget.turn.click()
        widget.knew.click()
    assert widget.over and "Front $1$?" in widget.in_sight()[0] and kept("98.c1")["due"] == "2026-03-02"
    widget.knew.click()
    assert kept("98.c2")["times"] == 1
    bundle = widget._repr_mimebundle_()
    assert "<details>" in bundle["text/html"] and bundle["text/plain"].startswith("Fronts")
    widget.close_all()
    record.reviewed("98.c0", True)
    flashcards()
    assert capsys.readouterr().out == "Nothing is due. 3 cards will be tomorrow.\n"


# -- objectives -------------------------------------------------------------------------------------------------------


def test_the_objectives_of_the_curriculum_rest_on_exercises_that_there_are():
    assert [each.item for each in OBJECTIVES] == [f"C{i}" for i in range(293, 300)]
    for each in OBJECTIVES:
        assert set(each.exercises) <= exercises().keys() and len(set(each.exercises)) == len(each.exercises) >= 5


def test_an_objective_is_reached_when_all_its_exercises_are_solved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    guidance = next(each for each in OBJECTIVES if each.item == "C298")
    assert objectives().reached == [] and "next: 06.guide)" in str(objectives())
    first, *rest = guidance.exercises
    for name in rest:
        record.attempted(name, right=True)
    record.solution_shown(first)
    assert objectives().reached == [] and "5 of 6 exercises, next: 06.guide" in str(objectives())
    record.forget(first)
    record.attempted(first, right=True)
    assert objectives().reached == ["C298"] and str(objectives()).startswith("1 of 7 objectives reached\n")
    assert "✓ Classifier-free guidance (6 of 6 exercises)" in str(objectives())
    page = objectives()._repr_html_()
    assert "<b>1 of 7</b>" in page and page.count("<tr>") == 8 and "<td" in page and "<a" not in page
    monkeypatch.chdir(registry.data.__path__[0] + "/../../../notebooks")
    assert '<a href="02_ddpm_math.ipynb#cell-id=' in objectives()._repr_html_()
