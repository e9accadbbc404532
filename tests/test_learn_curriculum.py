"""What the course must teach is taught where the cells say it is; what teaching material has wrong is put right, and said nowhere."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from diffcourse.learn import exercises, notebooks, predictions, quizzes, reveals, taught
from diffcourse.learn.bank import cards, questions
from diffcourse.learn.curriculum import errors, items, page, where

ROOT = Path(__file__).parent.parent
WITHIN = 3  # cells: the one that is marked and the two after it
SPACING = re.compile(r"\\(?:(?:bigg?[lr]?|left|right|quad|qquad)(?![a-z])|[,;! ])|\s")  # of TeX, and blanks


def plain(text: str) -> str:
    """Without case, blanks and TeX's spacing."""
    return SPACING.sub("", text.casefold())


@cache
def texts(lesson: str) -> list[str]:
    """What each cell says, with the two cells after it."""
    cells = [plain(cell.text) for cell in notebooks.cells(lesson)]
    return ["".join(cells[i : i + WITHIN]) for i in range(len(cells))]


def homes(name: str, lesson: str) -> list[int]:
    """Which cells of the lesson are marked with an item or an error."""
    return [i for i, cell in enumerate(notebooks.cells(lesson)) if name in cell.items]


def here(rows):
    """Those whose lesson is there already."""
    return [name for name, row in rows.items() if row["lesson"] in notebooks.course()]


def test_the_lists_are_whole():
    assert list(items()) == [f"C{n:03d}" for n in range(1, 327)]
    assert list(errors()) == [f"E{n:02d}" for n in range(1, 70)]
    assert where().keys() <= {*items(), *errors()}


@pytest.mark.parametrize("name", here(items()))
def test_an_item_is_taught_in_its_lesson(name):
    """Some cell that is marked with it, or the two after it, hold all that stands under `says`; | separates ways to say it."""
    row = items()[name]
    cells, said = homes(name, row["lesson"]), texts(row["lesson"])
    assert cells, f"no cell of lesson {row['lesson']} is marked {name}: {row['what']}"
    missing = [
        [words for words in row["says"] if not any(plain(way) in said[i] for way in words.split(" | "))] for i in cells
    ]
    assert [] in missing, f"{name}, {row['what']}: not said: {min(missing, key=len)}"


@pytest.mark.parametrize("name", here(errors()))
def test_an_error_is_put_right_in_its_lesson(name):
    row = errors()[name]
    assert homes(name, row["lesson"]), f"no cell of lesson {row['lesson']} is marked {name}. {row['right']}"


def wrongly_said(told: list[tuple[str, str]]) -> list[str]:
    """Where one of these (place, text) says what an error says, and is no cell that puts it right. Patterns are of lower case."""
    allowed = {name: {f"{lesson}:{cell}" for lesson, cell in places} for name, places in where().items()}
    told = [(place, " ".join(text.casefold().split())) for place, text in told]
    return [
        f"{name} in {place}: …{text[max(0, found.start() - 60) : found.end() + 60]}…"
        for name, row in errors().items()
        for pattern in map(re.compile, row["never"])
        for place, text in told
        for found in pattern.finditer(text)
        if place not in allowed.get(name, ())
    ]


def test_no_cell_says_an_error_as_truth():
    cells = [(f"{lesson}:{cell.id}", cell.text) for lesson in notebooks.course() for cell in notebooks.cells(lesson)]
    assert wrongly_said(cells) == []


def test_python_that_stands_on_a_page_parses():
    """E36: in fences, which nobody runs."""
    fences = [
        (f"{lesson}:{cell.id}", code)
        for lesson in notebooks.course()
        for cell in notebooks.cells(lesson)
        if cell.kind == "markdown"
        for code in re.findall(r"^```python\n(.*?)^```", cell.text, re.M | re.S)
    ]
    assert len(fences) > 20
    for place, code in fences:
        compile(code, place, "exec", flags=ast.PyCF_ONLY_AST)


@pytest.mark.slow
def test_no_exercise_question_or_card_says_an_error_as_truth():
    """In its hints, insights, reasons and right options; wrong options, and answers that quote what they mend, may."""
    told = [(e.name, "\n".join([*e.hints, e.insight])) for e in exercises().values()]
    told += [(p.name, f"{p.truth}\n{p.why}") for p in predictions().values()]
    told += [(r.name, r.code) for r in reveals().values()]
    asked = [(quiz.name, question) for quiz in quizzes().values() for question in quiz.questions]
    asked += [(q.name, q.question) for q in questions().values()]
    told += [(name, f"{o.text}\n{o.why}") for name, question in asked for o in question.options if o.right]
    told += [(c.name, f"{c.back}\n{c.why}") for c in cards().values()]
    assert len(told) > 300 and wrongly_said(told) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("E13", "eta = 1 is DDPM."),
        ("E14", "It trades determinism against diversity."),
        ("E17", "conditions[mask] = None"),
        ("E18", "nn.Embedding(10, 64)"),
        ("E30", "A VAE may miss modes."),
        ("E41", "Latents are 48 times smaller."),
        ("E44", "Each forward step is Gaussian if the noise is small."),
        ("E45", "The network learns how much noise was added."),
        ("E46", "The ELBO is the log-likelihood minus the KL to the prior."),
        ("E47", "A small KL means a good code."),
        ("E62", "Here σ is the variance."),
        ("E63", "z is a deterministic function of x"),
    ],
)
def test_an_error_would_be_found(name, text):
    assert [told.split(" in ")[0] for told in wrongly_said([("02:nowhere", text)])] == [name]


@pytest.mark.parametrize(
    "text",
    [
        "η = 1 is DDPM on the visited grid.",
        "48 times smaller in numbers",
        "The clean image follows from the latent; x − σε over α is exact.",
        "Reverse steps are Gaussian if the noise is small.",
    ],
)
def test_what_is_right_is_not(text):
    assert wrongly_said([("02:nowhere", text)]) == []


def test_what_is_taught_can_be_asked_for():
    (one,) = taught("C104").entries
    assert one.places and {lesson for lesson, _ in one.places} == {"02"} and "lesson 02" in str(taught("C104"))
    assert "right:" in str(taught("E46")).casefold()
    assert {entry.name for entry in taught("07").entries} >= {"C237", "C243"}
    assert len(taught().entries) == 326 + 69
    with pytest.raises(KeyError, match=r"no item, error or lesson is called 'C999': did you mean"):
        taught("C999")


def test_the_page_of_what_is_taught_is_that_of_today():
    assert (ROOT / "notebooks" / "TAUGHT.md").read_text(encoding="utf-8") == page(), "python tools/lessons.py --taught"
    for target in re.findall(r"\]\(([^)]+)\)", page()):
        assert (ROOT / "notebooks" / target).exists(), target
