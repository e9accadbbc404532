"""Exams: whole, spread over the lessons, the same for the same seed, with their solutions; nothing is printed upon anything else."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from test_paper import faults

import diffcourse
from diffcourse import cli, exams
from diffcourse.learn import bank, registry

LESSONS = [name for name in registry.lessons() if not name.startswith("00") and name != "11"]


def told(exam):
    """All that is asked."""
    questions = [(q.question.text, [o.text for o in q.question.options]) for q in exam.questions]
    return questions, [(p.name, sheet) for p, sheet in exam.problems]


def words(paper):
    return " ".join(t.text for page in paper.placed() for t in page)


def test_an_exam_has_90_marks_and_every_lesson_is_in_it():
    for seed in range(8):
        e = exams.exam(seed)
        assert e.marks == 90 and len(e.questions) == 12 and len(e.problems) == 5
        assert {q.lesson for q in e.questions} == set(LESSONS)
        assert len({p.lesson for p, _ in e.problems}) == 5
        assert [p.lesson for p, _ in e.problems] == sorted(p.lesson for p, _ in e.problems)


def test_the_same_seed_gives_the_same_exam_and_another_another():
    assert told(exams.exam(3)) == told(exams.exam(3)) != told(exams.exam(4))
    assert len({exams.exam(seed).key for seed in range(6)}) == 6
    assert len({p.name for seed in range(12) for p, _ in exams.exam(seed).problems}) > len(bank.problems()) / 2


def test_the_right_option_stands_at_every_place():
    places = Counter("".join(exams.exam(seed).key for seed in range(12)))
    assert min(places[letter] for letter in "ABC") > 0.15 * places.total()
    e = exams.exam(1)
    assert all("ABCDEFGH"[q.question.right] == x for q, x in zip(e.questions, e.key, strict=True))


def test_half_a_course_is_examined_alone():
    e = exams.exam(0, ["01", "02", "03"])
    assert {q.lesson for q in e.questions} == {p.lesson for p, _ in e.problems} == {"01", "02", "03"}
    assert abs(e.marks - 90) <= 6 and len(e.problems) == 5
    one = exams.exam(0, ["09"])
    assert len(one.problems) == 1 and one.marks == 2 * len(one.questions) + one.problems[0][1].marks < 90


def test_lessons_that_there_are_not_are_told():
    for wrong in (["13"], [], "01", ["01", 2]):
        with pytest.raises(ValueError, match=r"lessons must be a list of some of 00, 00b, 01, .*11, got"):
            exams.exam(0, wrong)
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        exams.exam(-1)


def test_small_letters_become_formulas():
    assert exams.printed("q(xₜ | x₀), `xₜ`, ε̂ₜ₋₁, ᾱₜ") == (
        r"q(${x}_{t}$ | ${x}_{0}$), `xₜ`, $\hat{\varepsilon}_{t-1}$, ${\bar\alpha}_{t}$"
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_pages_of_exams_and_solutions_are_whole(seed):
    e = exams.exam(seed)
    for paper in (e.paper(), e.solutions()):
        pages = paper.placed()
        assert faults(pages) == [] and 4 <= len(pages) <= 10
    assert "marks each" in words(e.paper()) and e.key not in words(e.paper()) and e.key in words(e.solutions())


@pytest.mark.slow
@pytest.mark.parametrize("name", bank.problems())
def test_every_problem_can_be_printed_whatever_its_numbers_are(name):
    problem = bank.problems()[name]
    for seed in range(5):
        e = exams.Exam(0, (problem.lesson,), (), ((problem, problem.make(Random(seed))),))
        assert faults(e.paper().placed()) == [] == faults(e.solutions().placed())


@pytest.mark.slow
def test_every_question_can_be_printed():
    for lesson in registry.lessons():
        e = exams.Exam(0, (lesson,), tuple(exams._questions(lesson)), ())
        assert faults(e.paper().placed()) == [] == faults(e.solutions().placed())


@pytest.mark.slow
def test_the_command_writes_two_files_which_are_the_same_bytes_in_any_process(tmp_path, capsys):
    assert cli.main(["exam", "--seed", "1", "--lessons", "07", "--out", str(tmp_path / "a.pdf")]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'a.pdf'}: ")
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(diffcourse.__file__).parents[1])}
    command = [sys.executable, "-m", "diffcourse", "exam", "--seed", "1", "--lessons", "07", "--out", "b.pdf"]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300)
    for end in ("", "-solutions"):
        assert (tmp_path / f"a{end}.pdf").read_bytes() == (tmp_path / f"b{end}.pdf").read_bytes()


def test_the_command_tells_wrong_arguments_in_a_sentence(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for wrong, said in (
        (["exam", "--lessons", "99"], "lessons must be a list of some of 00,"),
        (["exam", "--out", "exam.doc"], "a file that ends in .pdf"),
        (["cheatsheet", "--out", "sheet.png"], "a file that ends in .pdf"),
    ):
        assert cli.main(wrong) in (1, 2)
        assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
