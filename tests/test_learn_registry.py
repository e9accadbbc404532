"""Lessons are found by their files: one file a lesson, or a folder with one file an exercise."""

import importlib
import sys

import pytest

from diffcourse.learn import registry
from diffcourse.learn.audit import audit_exercise

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
    """Twice x, of its shape."""
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
    """Twice x and one, of its shape."""
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
            (tmp_path / FOLDER / f"{name}.py").write_text(text)
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
        assert "hints" in told and "stand alone" not in told and "the stub" not in told and "the solution" not in told
    assert registry.exercise("97.doubled").stub == (
        'def doubled(x: Tensor) -> Tensor:\n    """Twice x, of its shape."""\n    raise NotImplementedError'
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
