"""What people answered from the stubs alone is judged as a strict teacher would judge it, and a wrong answer hears of its own mistake."""

import pytest
from learn_answers import LESSONS, entries, judge, misjudged, share_of_own

from diffcourse.learn import exercises
from diffcourse.learn.diagnosis import Verdict


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS)
def test_no_wrong_answer_passes_and_no_right_one_is_refused(lesson):
    judged = [(entry, judge(entry)) for entry in entries(lesson)]
    assert [f"{e.kind}: {e.exercise}: {e.label}" for e, verdict in judged if misjudged(e, verdict)] == []
    assert share_of_own(verdict for entry, verdict in judged if entry.kind == "wrong") >= 0.85


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_exercise_has_answers_of_both_kinds_and_each_its_own_label(lesson):
    found = entries(lesson)
    for name in [name for name in exercises() if name.split(".")[0] == lesson]:
        labels = [e.label for e in found if e.exercise == name]
        assert len(set(labels)) == len(labels) >= 3, name
        assert {e.kind for e in found if e.exercise == name} == {"right", "wrong"}, name


def test_what_counts_as_a_sentence_of_its_own():
    own = [
        Verdict("x", "wrong", mistake="m"),
        Verdict("x", "wrong", ["Yours is 0 everywhere."]),
        Verdict("x", "wrong", ["It differs."]),
    ]
    assert share_of_own(own) == pytest.approx(2 / 3)
    assert share_of_own([*own, Verdict("x", "right")]) == pytest.approx(2 / 3)
