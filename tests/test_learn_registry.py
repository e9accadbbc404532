"""Lessons are found by their files: one file a lesson, or a folder with one file an exercise; a lecturer registers her own."""

import importlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import learn_exercises as ours
import pytest
from learn_home import home  # noqa: F401  (a fixture)
from test_project import ROOT, block

from diffcourse.learn import __main__ as command
from diffcourse.learn import check, exercises, hint, progress, quiz, quizzes, record, register, registry, solution
from diffcourse.learn.audit import audit, audit_exercise
from diffcourse.learn.questions import as_text

FOLDER = "lesson_97"
CASES = """
from torch import Tensor

FACTOR = 2.0


def _times(x: Tensor, by: float) -> Tensor:
    return by * x


def grown(x: Tensor) -> Tensor:
    return _times(x, FACTOR)
"""
DOUBLED = '''
import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_97._cases import grown


def doubled(x: Tensor) -> Tensor:
    """Twice x, of its shape. Differentiable in x."""
    return grown(x)


EXERCISE = Exercise(
    name="97.doubled", title="Twice", reference=doubled, cases=[lambda g: (normal(g, 2, 3),), (torch.ones(1, 2),)]
)
'''
AND_ONE = '''
import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise
from diffcourse.learn.exercises.lesson_97._cases import FACTOR
from diffcourse.learn.exercises.lesson_97.e01_doubled import doubled as twice


def reference(x: Tensor) -> Tensor:
    """Twice x and one, of its shape. Differentiable in x."""
    return twice(x) + FACTOR / 2


EXERCISE = Exercise(name="97.doubled_and_one", title="And one", reference=reference, cases=[(torch.ones(2),)])
'''
QUIZZES = """
from diffcourse.learn.exercise import Option, Question, Quiz

QUIZZES = [Quiz("97.end", [Question("Twice 2?", [Option("4", "2 + 2.", right=True), Option("5", "One too many.")])])]
"""


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """Writes the files of lesson 97, a folder that the registry finds beside the real ones."""
    monkeypatch.setattr(registry.data, "__path__", [*registry.data.__path__, str(tmp_path)])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it is stale unseen where a file changes within a second
    (tmp_path / FOLDER).mkdir()

    def write(**files: str) -> None:
        for name, text in files.items():
            (tmp_path / FOLDER / f"{name}.py").write_text(text, encoding="utf-8")
        importlib.invalidate_caches()

    write(__init__='"""Lesson 97."""', _cases=CASES, e02_and_one=AND_ONE, e01_doubled=DOUBLED, quizzes=QUIZZES)
    yield write
    vars(registry.data).pop(FOLDER, None)
    for name in [name for name in sys.modules if FOLDER in name]:
        del sys.modules[name]


def test_a_folder_is_a_lesson_and_its_files_are_its_exercises_in_the_order_of_their_names(lesson):
    assert [name for name in registry.exercises() if name.startswith("97")] == ["97.doubled", "97.doubled_and_one"]
    assert "97.end" in registry.quizzes() and "97" in registry.lessons()
    assert registry.exercise("97.doubled").title == "Twice" and registry.quiz("97.end").lesson == "97"


def test_a_solution_brings_the_helpers_from_the_other_files_of_its_folder(lesson):
    for name in ("97.doubled", "97.doubled_and_one"):
        exercise = registry.exercise(name)
        assert "diffcourse" not in exercise.solution and exercise.solution.count(f"def {exercise.symbol}(") == 1
        told = "\n".join(audit_exercise(exercise).defects)
        assert (
            "hints" in told
            and "stand alone" not in told
            and not re.search("the stub (is|does not run)|the solution", told)
        )
    assert registry.exercise("97.doubled").stub == (
        'def doubled(x: Tensor) -> Tensor:\n    """Twice x, of its shape. Differentiable in x."""\n    raise NotImplementedError'
    )


def test_a_file_without_an_exercise_is_a_slip(lesson):
    lesson(e03_nothing="EXERCICE = None")
    with pytest.raises(ValueError, match=r"lesson_97\.e03_nothing defines neither EXERCISE nor QUIZZES"):
        registry.exercises()


def test_a_name_of_another_lesson_or_the_same_name_twice_is_refused(lesson):
    lesson(e03_again=DOUBLED)
    with pytest.raises(ValueError, match=r"lesson_97\.e03_again: 97\.doubled is there twice"):
        registry.exercise("97.doubled")
    lesson(e03_again=DOUBLED.replace("97.doubled", "96.doubled"))
    sys.modules.pop("diffcourse.learn.exercises.lesson_97.e03_again")
    with pytest.raises(ValueError, match=r"lesson_97\.e03_again: the name 96\.doubled must start with 97\."):
        registry.exercise("97.doubled")


def test_the_courses_names_have_the_numbers_of_its_lessons():
    assert not [name for name in registry._course() if not re.fullmatch(r"\d\d[a-z]?\.[A-Za-z_]\w*", name)]


# -- exercises of one's own -------------------------------------------------------------------------------------------

BLUR = """
from _cases import FACTOR, Half, draw
from torch import Tensor

from diffcourse.learn import Exercise


def blur(x: Tensor) -> Tensor:
    \"\"\"Half of x, of its shape. Differentiable in x.\"\"\"
    return Half.of(x) * FACTOR


EXERCISE = Exercise(name="week3.blur", title="Blur", reference=blur, cases=[draw(2, 3)])
"""
HELPERS = """
import torch
from torch import Tensor

FACTOR = torch.tensor(1.0)


class Half:
    @staticmethod
    def of(x: Tensor) -> Tensor:
        return x / 2


def draw(*shape):
    return lambda g: (torch.randn(shape, generator=g),)
"""
MORE = """
from diffcourse.learn import Option, Question, Quiz

QUIZZES = [Quiz("week3.end", [Question("1/2 of 4?", [Option("2", "4/2.", right=True), Option("1", "A quarter.")])])]
"""


def letter(name: str, words: str) -> str:
    """The letter of the option with these words, as this reader sees the quiz."""
    options = [line.strip() for line in as_text(quizzes()[name]).splitlines()]
    return next(line[0] for line in options if line[1:].startswith(") ") and words in line)


@pytest.fixture
def own(home, tmp_path, monkeypatch):  # noqa: F811
    """Writes files of a folder of one's own, and returns it."""
    monkeypatch.setattr(registry, "EXTRA", {})
    monkeypatch.setattr(registry, "_FOLDERS", set())
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # as above
    before = set(sys.modules)

    def write(folder="my_exercises", **files: str):
        (tmp_path / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            (tmp_path / folder / f"{name}.py").write_text(text, encoding="utf-8")
        return tmp_path / folder

    yield write
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def test_what_is_registered_works_as_the_courses_own(own, capsys):
    path = list(sys.path)
    assert register(own(blur=BLUR, _cases=HELPERS, quizzes=MORE)) == ["week3.blur", "week3.end"]
    assert sys.path == path and registry.lessons()[-1] == "week3"
    assert list(exercises())[-1] == "week3.blur" and list(quizzes())[-1] == "week3.end"
    blur = check("week3.blur", lambda x: x)
    hint("week3.blur")
    assert float(blur(ours.torch.ones(1))) == 0.5
    quiz("week3.end", letter("week3.end", "2"))
    check("week3.blur", lambda x: 0.5 * x)
    told = capsys.readouterr().out
    assert "week3.blur: not right yet." in told and "week3.blur: these were all the hints." in told
    assert re.search(r"1/2 of 4\?\n(.*\n)?Right\.", told) and "week3.blur: right." in told
    assert {row.name: row.state for row in progress().rows if row.lesson == "week3"} == {
        "week3.blur": "solved",
        "week3.end": "answered",
    }
    solution("week3.blur")
    text = capsys.readouterr().out
    assert "_FACTOR = torch.tensor(1.0)" in text and "class _Half" in text and "_cases" not in text
    told = "\n".join(audit("week3").defects)
    assert "0 hints" not in told and "hints" in told and not re.search("the stub (is|does not run)|the solution", told)


def test_every_form_of_what_can_be_registered(own):
    folder = own(blur=BLUR, _cases=HELPERS)
    module = ModuleType("mine")
    module.EXERCISES, module.QUIZZES = [ours.EXERCISES["98.half"]], []
    names = ["98.noised", "98.moments", "98.quiz", "98.half", "week3.blur"]
    assert register(ours.NOISED, [ours.EXERCISES["98.moments"], (ours.QUIZ,)], module, str(folder / "blur.py")) == names
    assert list(registry.EXTRA) == names
    assert register(ours.NOISED, ours.NOISED) == ["98.noised"]  # the same one, given twice


def test_a_package_of_ones_own_is_registered_as_a_module(own, monkeypatch):
    blur = BLUR.replace("from _cases", "from .more")
    folder = own(__init__="", blur=blur, _more=HELPERS).rename(own().with_name("mine"))
    (folder / "_more.py").rename(folder / "more.py")
    (folder / "more.py").write_text(HELPERS + "EXERCISES, QUIZZES = [], []\n", encoding="utf-8")
    monkeypatch.syspath_prepend(folder.parent)
    with pytest.raises(ValueError, match=r"mine\.more defines neither EXERCISE nor QUIZZES"):
        register(importlib.import_module("mine"))
    (folder / "more.py").unlink()
    (folder / "_more.py").write_text(HELPERS, encoding="utf-8")
    (folder / "blur.py").write_text(blur.replace(".more", "._more"), encoding="utf-8")
    for name in [name for name in sys.modules if name.startswith("mine")]:
        del sys.modules[name]
    importlib.invalidate_caches()
    assert register(importlib.import_module("mine")) == ["week3.blur"]
    assert "from mine._more import FACTOR, Half" in registry.exercise("week3.blur").solution


def test_a_name_registered_again_is_replaced_where_it_stands(own):
    folder = own(blur=BLUR, _cases=HELPERS, quizzes=MORE)
    register(folder)
    own(blur=BLUR.replace('"Blur"', '"Soft"'), _cases=HELPERS.replace("x / 2", "x / 2.0"))
    register(folder / "blur.py")
    assert list(registry.EXTRA) == ["week3.blur", "week3.end"] and exercises()["week3.blur"].title == "Soft"
    assert "x / 2.0" in registry.exercise("week3.blur").solution


def test_helpers_of_two_folders_may_have_one_name(own):
    register(own(blur=BLUR, _cases=HELPERS))
    register(own("other", blur=BLUR.replace("week3", "week4"), _cases=HELPERS.replace("/ 2", "/ 4")))
    for name, by in (("week3.blur", 2), ("week4.blur", 4)):
        exercise = registry.exercise(name)
        assert f"x / {by}" in exercise.solution and float(exercise.reference(ours.torch.ones(1))) == 1 / by


def test_a_solution_is_that_of_the_file_that_was_registered(own):
    register(own(blur=BLUR, _cases=HELPERS))
    own(blur="\n" * 20 + BLUR, _cases="# changed\n" * 20)
    assert "return x / 2" in registry.exercise("week3.blur").solution


def test_what_cannot_be_registered_is_refused_and_nothing_of_it_is_kept(own, tmp_path):
    course = replace(ours.NOISED, name="00.to_minus_one_one")
    for what, error, told in [
        ((), TypeError, "register needs something"),
        (
            (3,),
            TypeError,
            "register takes an Exercise, a Quiz, a Prediction, a Reveal, a list of them, a module, .*, got int: 3",
        ),
        ((ours.NOISED, course), ValueError, "00.to_minus_one_one belongs to the course: choose another name"),
        ((ours.NOISED, replace(ours.NOISED)), ValueError, "98.noised is there twice"),
        ((tmp_path / "nowhere",), FileNotFoundError, "there is no file or folder '.*nowhere'"),
        ((own("empty"),), ValueError, "empty' holds no .py file whose name does not start with _"),
        ((own("nothing", blur="EXERCICE = 3"),), ValueError, r"blur\.py defines neither EXERCISE nor QUIZZES"),
        ((own("three", blur="EXERCISE = 3"),), TypeError, "got int: 3"),
        ((own("taken", blur="import _random\n" + MORE, _random=HELPERS),), ValueError, "_random.py has the name"),
        ((ModuleType("empty"),), ValueError, "empty defines neither EXERCISE nor QUIZZES"),
    ]:
        with pytest.raises(error, match=told):
            register(*what)
        assert registry.EXTRA == {}
    (tmp_path / "text.txt").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match=r"a file of exercises ends in \.py"):
        register(tmp_path / "text.txt")


@pytest.mark.parametrize("name", ["week3.blur", "my.first", "3.x", "ü.x", "week_3.blur2"])
def test_the_lesson_of_a_name_is_any_word(name):
    assert replace(ours.NOISED, name=name).lesson == name.split(".")[0]


@pytest.mark.parametrize("name", ["all.blur", "blur", ".blur", "a.b.c", "week 3.blur", "week3.2", "week3.", None])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match=r"name must look like 02\.q_sample or week3\.blur .*, got"):
        replace(ours.NOISED, name=name)


def test_the_command_line_takes_a_folder_of_ones_own(own, capsys):
    folder = str(own(blur=BLUR, _cases=HELPERS, quizzes=MORE))
    assert command.main(["audit", "--from", folder, "week3.end"]) == 0
    assert command.main(["audit", "--from", folder, "--json"]) == 1
    out = capsys.readouterr().out
    assert "no defects" in out and '"exercises": 1,' in out and '"quizzes": 1,' in out  # not those of the course
    assert command.main(["stub", "--from", folder, "week3.blur"]) == 0
    assert command.main(["solution", "week3.blur", "--from", folder]) == 0
    assert record.record_of("week3.blur")["solution"] == 1
    assert "raise NotImplementedError" in (out := capsys.readouterr().out) and "class _Half" in out
    assert command.main(["audit", "--from", folder, "week3.blurr"]) == 2
    assert command.main(["audit", "--from", folder + "x"]) == 2
    assert "did you mean week3.blur or" in (err := capsys.readouterr().err) and "there is no file or folder" in err
    own(blur=BLUR.replace("week3.blur", "blur"))
    assert command.main(["audit", "--from", folder]) == 2
    assert "name must look like" in (err := capsys.readouterr().err) and "blur.py)" in err


LESSON = """
from diffcourse.learn import quizzes
from diffcourse.learn.questions import as_text

wrong = check("week3.straight", lambda x0, eps, t: x0 + t * eps)
hint("week3.straight")
check("week3.straight", lambda x0, eps, t: x0 - t * x0 + eps * t)
solution("week3.straight")
(option,) = [line.strip() for line in as_text(quizzes()["week3.speed"]).splitlines() if "same speed" in line]
quiz("week3.speed", option[0])
print(progress("week3"))
"""


@pytest.mark.slow
def test_a_folder_outside_of_the_package_is_all_that_a_lecturer_needs(tmp_path):
    """The page's own example, in processes that know nothing but the installed package."""
    (tmp_path / "my_exercises").mkdir()
    (tmp_path / "my_exercises" / "straight.py").write_text(block("own"), encoding="utf-8")
    (tmp_path / "lesson.py").write_text(block("register") + LESSON, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DIFFCOURSE_HOME": "home", "PYTHONUTF8": "1"}

    def python(*arguments: str) -> str:
        options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "encoding": "utf-8"}
        done = subprocess.run([sys.executable, *arguments], timeout=100, **options)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    told = python("lesson.py")
    assert "week3.straight: not right yet.\nAt t = 1 all of x0 is still there." in told
    assert "week3.straight, hint 1 of 3.\nWhere is the walker" in told
    assert "week3.straight: right.\nIts velocity, noise minus data," in told
    assert "a solution. Compare it with yours." in told and "return (1 - t) * x0 + t * eps" in told
    assert re.search(r"^week3\.speed\n1\. How fast does xₜ move along the line\?\n(.*\n)?Right\.", told, re.M)
    assert re.search(r"week3.straight +solved \(2 attempts, 1 hint\)", told)
    told = python("-m", "diffcourse.learn", "audit", "--from", "my_exercises/")
    assert told.startswith("1 exercises (week3: 1)") and "no defects" in told
    assert "def straight(" in python("-m", "diffcourse.learn", "stub", "--from", "my_exercises/", "week3.straight")
