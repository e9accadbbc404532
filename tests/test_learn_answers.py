"""What people answered from the stubs alone is judged as a strict teacher would judge it, and a wrong answer hears of its own mistake."""

import pytest
from learn_answers import LESSONS, entries, judge, misjudged, share_of_own

from diffcourse.learn import exercises
from diffcourse.learn.diagnosis import Verdict, diagnose


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


HEARD = {
    "01.dead_latents": {
        **dict.fromkeys(
            ("0.1 for 0.01", "0.05 for 0.01", "0.001 for 0.01", "1.0 for 0.01", "half forgotten"), "the line elsewhere"
        ),
        "means near 0": "means alone",
        "first image": "first image alone",
    },
    "01.refine": {
        **dict.fromkeys(
            ("the best of the steps", "the best of each image", "ends where the loss rises"), "the last of all `steps`"
        ),
        "AdamW": "AdamW",
    },
    "02.step_kl": {
        "the distance": "holds its square",
        "absolute values": "absolute differences",
        "square of the sum": "square the sum",
        "the variance squared": "variance squared",
        "no variance": "do not divide",
        "the SNR before, not its drop": "differs in",
    },
    "03.UNet": {
        "silu after the join": "silu bends x",
        "relu": "a relu",
        "not unfolded": "F.pixel_shuffle by 2",
        "x joined as it was folded": "the folded x",
        "x of zeros": "second skip holds zeros",
        "no time before the skip": "`down` does not hear",
        "no time in the middle": "in the middle do not hear",
        "no time in up": "`up` does not hear",
        "the first time for all": "the time of the first",
        "t / 1000": "divide t",
        "silu over the embedding": "embedding through a silu",
        "middle1 twice": "middle1 twice",
        "reshaped": "reshape",
        "not folded": "four channels",
        "silu of the skip": "the skip through a silu",
        "a skip of zeros": "first skip holds zeros",
    },
    "05b.attention_operations": {
        "without to_q": "to_q and to_out",
        "weights once": "their weights once",
        "to_out at words": "for each *word*",
        "words by words": "words by words",
        "places by places": "places by places",
        "layers doubled": "layers count twice",
        "no context": "to_k and to_v",
    },
}
"""What a wrong answer hears, {exercise: {label: words of it}}."""


@pytest.mark.parametrize("name", HEARD)
def test_a_slip_hears_its_own_sentence(name):
    found = {
        entry.label: judge(entry)
        for entry in entries(name.split(".")[0])
        if entry.exercise == name and entry.label in HEARD[name]
    }
    assert {label for label, words in HEARD[name].items() if words not in found[label].text} == set()
    assert not [verdict.text for verdict in found.values() if "the same whatever betas" in verdict.text]


@pytest.mark.parametrize("limit", [10 ** (i / 3 - 4) for i in range(16) if i != 6] + [0.005, 0.02])
def test_any_wrong_limit_of_dead_latents_is_told_as_one(limit):
    def by_another_limit(mu, log_var):
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var)
        return (kl.mean(dim=0) < limit).nonzero().flatten()

    verdict = diagnose(exercises()["01.dead_latents"], by_another_limit)
    assert verdict.status == "wrong" and "limit" in verdict.text, verdict.text
