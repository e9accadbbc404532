"""Lessons with every reference in its stub cell say "right" throughout; and in a real kernel a check shows what it should."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from learn_notebooks import ROOT, exercise_cells, faults, run, said, solve, told_faults, verdicts
from lessons import write_reader
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from diffcourse.learn import exercises, quizzes, record, register, registry
from diffcourse.learn.exercise import Prediction, Reveal
from diffcourse.learn.questions import as_html, as_text, orders

NAME = "00.to_minus_one_one"
VIEW = "application/vnd.jupyter.widget-view+json"


def _read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


LESSONS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if exercise_cells(_read(path))]


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_stub_cells_of_a_lesson(path):
    assert not faults(_read(path))


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_predictions_and_reveals_of_a_lesson(path):
    assert told_faults(_read(path), path.stem.split("_")[0]) == []


def test_faults_of_predictions_and_reveals_are_found(monkeypatch):
    monkeypatch.setattr(registry, "EXTRA", {})
    rows = Prediction("week3.rows", "Rows", "?", kind="order", options=["2", "5"], mixed=True)
    register(
        Prediction("week3.left", "Left", "?"), rows, Reveal("week3.bug", "Bug", "A b.", "x = beta**0.5 * x + noise")
    )
    good = [
        'predict("week3.left", ...)',
        'x = 3\noutcome("week3.left", x)',
        'things = mixed("week3.rows", [2, 5])',
        'predict("week3.rows", ...)',
        'outcome("week3.rows")',
        'reveal("week3.bug")',
    ]

    def found(*sources):
        notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
        return "\n".join(told_faults(notebook, "week3"))

    assert found(*good) == ""
    assert "week3.left: predict and then outcome" in found(good[1], good[0], *good[2:])
    assert "week3.left: predict and then outcome" in found(*good[1:])
    assert "week3.left: predict and then outcome" in found(*good, good[1])
    assert 'predict("week3.left", ...) is a cell of its own' in found('predict("week3.left", 3)', *good[1:])
    assert 'reveal("week3.bug") is a cell of its own' in found(*good[:5], "x = 3\n" + good[5])
    assert "week3.rows: mixed=True and a call of mixed" in found(*good[:2], *good[3:])
    assert "week3.bug: it is revealed 0 times" in found(*good[:5])
    assert "week3.bug: the lesson says it: x = beta" in found(*good, "x = beta**0.5 * x + noise  # mended")
    assert "week3.lefft: there is no such prediction" in found(*good, 'predict("week3.lefft", ...)')


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """We are the reader of the committed lessons."""
    write_reader(tmp_path)
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path))
    monkeypatch.setattr(record, "STORE", record.Store())


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_stored_quizzes_of_a_lesson_are_those_of_today(path, committed):
    """Every cell that asks one has no letters in it, and shows the text and order that tools/lessons.py would store."""
    cells = [cell for cell in _read(path).cells if cell.cell_type == "code" and cell.source.startswith("quiz(")]
    names = [re.fullmatch(r'quiz\("([^"]+)"\)', cell.source)[1] for cell in cells]
    assert sorted(names) == sorted(n for n in quizzes() if n.split(".")[0] == path.stem.split("_")[0])
    for name, cell in zip(names, cells, strict=True):
        (output,) = cell.outputs
        assert output.data == {"text/plain": as_text(quizzes()[name]), "text/html": as_html(quizzes()[name])}


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_solved_lesson_says_right_throughout(path, solved):
    told = solved.verdicts(path)
    assert {name: text.splitlines()[0] for name, text in told.items()} == {name: f"{name}: right." for name in told}


def lesson(*sources: str) -> nbformat.NotebookNode:
    notebook = new_notebook(
        cells=[
            new_code_cell("import torch\nfrom torch import Tensor\nfrom diffcourse.learn import check, progress, quiz"),
            new_markdown_cell("Exercise"),
            new_code_cell(exercises()[NAME].stub, metadata={"tags": [f"exercise:{NAME}"]}),
            new_markdown_cell("Now look."),
            new_code_cell(f'to_minus_one_one = check("{NAME}", to_minus_one_one)'),
            *map(new_code_cell, sources),
        ]
    )
    assert faults(notebook) == []
    return notebook


def test_faults_of_stub_cells_are_found():
    notebook = lesson()
    notebook.cells[4].source += f'\n# hint("{NAME}")\n# solution("{NAME}")'
    assert faults(notebook) == []
    notebook.cells[2].source += "  # changed"
    notebook.cells[4].source = "print(1)"
    assert [fault.split(" (")[0] for fault in faults(notebook)] == [
        f"{NAME}: the cell differs from the exercise's stub",
        f'{NAME}: the next code cell must be to_minus_one_one = check("{NAME}", to_minus_one_one)',
    ]
    notebook.cells[2].metadata["tags"] = ["exercise:00.nothing"]
    assert faults(notebook) == ["00.nothing: there is no such exercise"]
    assert "next code cell" in faults(new_notebook(cells=lesson().cells[:3]))[0]


WRONG = """
def wrong(images):
    print("looking at", images.shape)
    return images / images.no_such_thing

_ = check("00.to_minus_one_one", wrong)
"""
ENDLESS = """
from diffcourse.learn import run
run.LIMIT = 0.5
def endless(images):
    while True:
        pass

_ = check("00.to_minus_one_one", endless)
"""
CELLS = (
    WRONG,
    ENDLESS,
    'quiz("00.start")',
    "progress()",
    'quiz("00.start", "a")\nquiz("00.start", "b")\nquiz("00.start", "c")',
    "to_minus_one_one(torch.zeros(1, 1, 28, 28, dtype=torch.uint8)).unique()",
)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """A small lesson, run as it comes; its cells, and what was recorded."""
    folder = tmp_path_factory.mktemp("lesson")
    (folder / "home").mkdir()
    write_reader(folder / "home")
    notebook = run(lesson(*CELLS), folder, folder / "home")
    return notebook, json.loads((folder / "home" / "progress.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_an_untouched_lesson_runs_on_with_the_reference(untouched):
    notebook, recorded = untouched
    assert verdicts(notebook)[NAME] == f"{NAME}: not attempted yet.\nThe lesson goes on with the reference."
    assert said(notebook.cells[-1]) == "tensor([-1.])"
    assert (
        recorded["exercises"][NAME]["solved"] is None and recorded["exercises"][NAME]["attempts"] == 2
    )  # the two wrong ones


@pytest.mark.slow
def test_nothing_goes_to_stderr_and_every_message_has_text_and_markup(untouched):
    notebook, _ = untouched
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    shown = [output.data for output in outputs if output.output_type == "display_data"]
    assert len(shown) == 6 and all({"text/plain", "text/html"} <= data.keys() for data in shown)
    assert all('role="status"' in data["text/html"] for data in shown)


@pytest.mark.slow
def test_an_error_in_a_cell_names_the_line_of_the_cell(untouched):
    text = said(untouched[0].cells[5])
    assert "It stopped in line 3 of your cell, `return images / images.no_such_thing`, with AttributeError" in text
    assert (
        "It printed:\n  looking at torch.Size([1, 1, 2, 3])" in text
        and "Traceback" not in text
        and "ipykernel" not in text
    )


@pytest.mark.slow
def test_an_endless_loop_in_a_cell_is_stopped(untouched):
    assert "It was still running after 0.5 seconds" in said(untouched[0].cells[6])


@pytest.mark.slow
def test_a_quiz_and_the_table_in_a_notebook(untouched, committed):
    quiz, table = (untouched[0].cells[i].outputs[0].data for i in (7, 8))
    assert VIEW in quiz and quiz["text/plain"].startswith("How this course answers (00.start)\n\n1. ")
    assert quiz["text/plain"] == as_text(quizzes()["00.start"]) and "<code>check(…)</code>" in quiz["text/html"]
    assert table["text/html"].count("<details open>") == 1 and "<td" in table["text/html"]
    assert any(line.split() == [NAME, "tried", "(2", "attempts)"] for line in table["text/plain"].splitlines())


@pytest.mark.slow
def test_letters_in_a_notebook_are_those_of_the_order_that_the_reader_sees(untouched, committed):
    notebook, recorded = untouched
    asked = quizzes()["00.start"].questions[0]
    for letter, option, output in zip("abc", orders(quizzes()["00.start"])[0], notebook.cells[9].outputs, strict=True):
        right = option == asked.right
        text = output.data["text/plain"]
        assert f"\n{letter}) {'right' if right else 'wrong'}: {asked.options[option].why}" in text
        assert sum(o.why in text for o in asked.options) == (3 if right else 1) and ("Still" in text) != right
    assert recorded["reader"] == "web" and recorded["quizzes"]["00.start"]["questions"]["0"]["right"]


@pytest.mark.slow
def test_a_solved_lesson_is_recognised(tmp_path):
    notebook = run(solve(lesson()), tmp_path, tmp_path / "home")
    assert verdicts(notebook)[NAME].startswith(f"{NAME}: right.\n")
    assert json.loads((tmp_path / "home" / "progress.json").read_text(encoding="utf-8"))["exercises"][NAME]["solved"]


OWN = (
    """
import math
import torch
import torch.nn.functional as F
from functools import cache
from torch import Tensor, nn
from diffcourse.learn import Case, Exercise, Mistake, Option, Question, Quiz, check, hint, progress, register, solution
""",
    """
WEIGHTS = torch.linspace(0.5, 1.0, 3)
WIDTH = 3
square = lambda x: x**2

class Plain:
    scale = 2.0

@cache
def root():
    return math.sqrt(4)

def _times(x: Tensor) -> Tensor:
    return F.relu(x) * WEIGHTS * root() + Plain.scale * square(x)

def scaled(x: Tensor) -> Tensor:
    \"\"\"Scale x (B, 3); returns its shape. Differentiable in x.\"\"\"
    return _times(x[:, :WIDTH])

class Twice(nn.Module):
    \"\"\"A linear layer `linear` (width in, width out), used twice.\"\"\"

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        \"\"\"x (B, width) -> (B, width).\"\"\"
        return self.linear(F.relu(self.linear(x)))
""",
    """
HINTS = ["Look.", "Think.", "Plan."]
SCALED = Exercise(
    name="my.scaled", title="Scaled", reference=scaled, hints=HINTS,
    cases=[lambda g: (torch.randn(2, 3, generator=g),)],
    mistakes=[Mistake("no weights", lambda x: F.relu(x), "Where are the weights?")],
)
TWICE = Exercise(
    name="my.Twice", title="Twice", kind="class", reference=Twice, hints=HINTS,
    cases=[lambda g: Case(args=(4,), inputs=(torch.randn(3, 4, generator=g),))],
)
QUIZ = Quiz("my.end", [Question("2?", [Option("1 + 1", "Yes.", right=True), Option("1", "One too few.")])])
register(SCALED, [TWICE, QUIZ])
""",
    """
def scaled_by_me(x):
    return F.relu(x)

scaled = check("my.scaled", scaled_by_me)
""",
    """
class Thrice(Twice):
    def forward(self, x):
        return 3 * super().forward(x)

_ = check("my.Twice", Thrice)
""",
    """
class Twice(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.linear = nn.Linear(width, width)

    def forward(self, x):
        return self.linear(self.linear(x).clamp(min=0))

Twice = check("my.Twice", Twice)
""",
    'from diffcourse.learn.audit import audit\nprint(*audit("my").defects, sep="\\n")',
    "WEIGHTS, square, root = None, None, None",  # the notebook goes on, and takes their names
    'hint("my.scaled")',
    'solution("my.scaled")',
    'print(TWICE.stub, TWICE.solution, sep="\\n---\\n")',
    "progress()",
)


SCALED = """import math
import torch
import torch.nn.functional as F
from functools import cache
from torch import Tensor


_WEIGHTS = torch.linspace(0.5, 1.0, 3)


@cache
def _root():
    return math.sqrt(4)


class _Plain:
    scale = 2.0


_square = lambda x: x ** 2


def _times(x: Tensor) -> Tensor:
    return F.relu(x) * _WEIGHTS * _root() + _Plain.scale * _square(x)


_WIDTH = 3


def scaled(x: Tensor) -> Tensor:
    \"\"\"Scale x (B, 3); returns its shape. Differentiable in x.\"\"\"
    return _times(x[:, :_WIDTH])"""


@pytest.mark.slow
def test_exercises_of_ones_own_are_defined_in_cells(tmp_path):
    cells = run(new_notebook(cells=list(map(new_code_cell, OWN))), tmp_path, tmp_path / "home").cells
    registered, wrong, unforeseen, right, defects, _, hinted, solved, twice, table = map(said, cells[2:])
    assert registered == "['my.scaled', 'my.Twice', 'my.end']"
    assert wrong.startswith("my.scaled: not right yet.\nWhere are the weights?") and right == "my.Twice: right."
    assert unforeseen.startswith("my.Twice: not right yet.")
    assert not re.search("the stub (is|does not run)|solution|stops", defects)
    assert "my.scaled: it needs 4 named mistakes and has 1." in defects and "my.Twice" in defects
    assert hinted == "my.scaled, hint 1 of 3.\nLook."
    assert solved.split("\n\n", 1)[1] == SCALED
    stub, full = twice.split("\n---\n")
    assert stub.startswith('class Twice(nn.Module):\n    """A linear layer') and stub.count("NotImplementedError") == 2
    assert full.startswith("import torch.nn.functional as F\nfrom torch import Tensor, nn\n") and "super()" in full
    assert (
        "\nmy   " in table
        and "lesson my:\n  my.scaled  solution read (1 attempt, 1 hint)\n  my.Twice   solved (2 attempts)" in table
    )
