"""A lesson as it is handed out, without what its cells showed; and what is new in a newer one."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from diffcourse import handout, lab
from diffcourse.files import lessons


def cell(name, source, tags=(), kind=new_code_cell):
    made = kind(source, metadata={"tags": list(tags)} if tags else {})
    made["id"] = name
    if kind is new_code_cell:
        made.outputs, made.execution_count = [new_output("stream", text=f"the answer of {name}\n")], 3
    return made


def lesson(*changed, without=(), more=()):
    """A small lesson, executed. `changed` cells take the place of those with their ids; `more`: (after which cell, a new one)."""
    cells = [
        cell("top", "# Small lesson", kind=new_markdown_cell),
        cell("setup", "import torch"),
        cell("noise", "## 1. Noise\n\nHow much?\n\n```sh\n# no heading\n```", kind=new_markdown_cell),
        cell("draw", "x = 1\nx"),
        cell("stub", "def f():\n    raise NotImplementedError", tags=["exercise:09.f"]),
        cell("end", "## 2. Ends ##", kind=new_markdown_cell),
        cell("last", "print(x)"),
    ]
    new = {each["id"]: each for each in changed}
    cells = [new.get(each["id"], each) for each in cells if each["id"] not in without]
    for after, each in more:
        cells.insert(1 + [c["id"] for c in cells].index(after), each)
    return nbformat.writes(new_notebook(cells=cells, metadata={"authors": [{"name": "us"}]}))


@pytest.fixture
def folders(tmp_path):
    source, mine = tmp_path / "lessons", tmp_path / "mine"
    source.mkdir()
    return source, mine


def issue(source, text):
    (source / "09_small.ipynb").write_text(text, encoding="utf-8")


def work(mine, change, name="09_small.ipynb"):
    """What the reader did in a lesson: `change` takes its cells."""
    path = mine / name
    notebook = nbformat.read(path, as_version=4)
    change({c["id"]: c for c in notebook.cells}, notebook)
    nbformat.write(notebook, path)
    return path.read_bytes()


def ran(cells, notebook):
    cells["draw"].outputs = [new_output("stream", text="her own run\n")]


def test_lessons_are_handed_out_as_before_their_first_run():
    for path in sorted(lessons().glob("*.ipynb")):
        ours, theirs = nbformat.read(path, as_version=4), handout.without_outputs(path.read_bytes())
        theirs = nbformat.reads(theirs.decode(), as_version=4)
        nbformat.validate(theirs)
        code = [c for c in theirs.cells if c.cell_type == "code"]
        assert any(c.outputs for c in ours.cells if c.cell_type == "code")
        assert all(c.outputs == [] and c.execution_count is None for c in code)
        for a, b in zip(ours.cells, theirs.cells, strict=True):
            assert (a.id, a.source, a.metadata) == (b.id, b.source, b.metadata)
        assert ours.metadata == theirs.metadata


@pytest.mark.parametrize(
    "content", [b"", b"no notebook", b"[1]", b'{"cells": 3}', b'{"cells": [3]}', b"[" * 100_000, b"\xff"]
)
def test_what_is_no_notebook_is_handed_out_as_it_is(content):
    assert handout.without_outputs(content) == content and handout.cells(content) == {}


def test_outputs_come_along_where_they_are_asked_for(folders):
    source, mine = folders
    issue(source, lesson())
    lab.copy(mine, source)
    assert "the answer of" not in (mine / "09_small.ipynb").read_text(encoding="utf-8")
    assert lab.copy(mine, source, outputs=True) == ["Brought up to date: 09_small.ipynb."]
    assert (mine / "09_small.ipynb").read_bytes() == (source / "09_small.ipynb").read_bytes()
    work(mine, ran)  # hers now: neither way is there anything new to offer
    for outputs in (True, False):
        assert lab.copy(mine, source, outputs=outputs, news=True) == [f"The lessons in {mine} are up to date."]


def test_who_never_touched_a_lesson_with_outputs_gets_it_without(folders):
    """As `lab` handed lessons out before: with outputs, and a manifest that knows files only."""
    source, mine = folders
    issue(source, lesson())
    mine.mkdir()
    for name in ("09_small.ipynb", "10_worked.ipynb"):
        (source / name).write_text(lesson(), encoding="utf-8")
        (mine / name).write_text(lesson(), encoding="utf-8")
    given = {name: lab._sha256(lesson().encode()) for name in ("09_small.ipynb", "10_worked.ipynb")}
    (mine / lab.MANIFEST).write_text(json.dumps(given), encoding="utf-8")
    hers = work(mine, ran, "10_worked.ipynb")
    told = lab.copy(mine, source)
    assert told[0] == "Brought up to date: 09_small.ipynb." and "Kept your 10_worked.ipynb" in told[1]
    assert "the answer of" not in (mine / "09_small.ipynb").read_text(encoding="utf-8")
    assert (mine / "10_worked.ipynb").read_bytes() == hers


def test_update_tells_what_is_new_and_keeps_what_was_worked_on(folders):
    source, mine = folders
    issue(source, lesson())
    lab.copy(mine, source)

    def worked(cells, notebook):
        ran(cells, notebook)
        cells["stub"].source = "def f():\n    return 1"
        cells["last"].source = "print('hers')"
        notebook.cells.append(cell("hers", "# her own cell"))
        notebook.cells.remove(cells["setup"])

    hers = work(mine, worked)
    changed = [cell("draw", "x = 2\nx"), cell("stub", "def f(x):\n    raise NotImplementedError", ["exercise:09.f"])]
    more = [("draw", cell("guess", "predict(1)")), ("draw", cell("ask", "Guess.", kind=new_markdown_cell))]
    issue(source, lesson(*changed, more=more, without=["last"]))
    kept, told = lab.copy(mine, source, news=True)
    assert "Kept your 09_small.ipynb" in kept and "09_small.new.ipynb" in kept
    assert told.splitlines() == [
        "What is new in 09_small.ipynb (see 09_small.new.ipynb), by its headings:",
        "  1. Noise: new: 1 cell of text, 1 cell of code; changed: 1 cell of code, the exercise 09.f",
        "  2. Ends: gone: 1 cell of code",
    ]
    assert (mine / "09_small.ipynb").read_bytes() == hers
    assert lab.copy(mine, source, news=True) == [told]  # until it is taken over
    assert lab.copy(mine, source) == [f"The lessons in {mine} are up to date."]
    (mine / "09_small.new.ipynb").replace(mine / "09_small.ipynb")
    work(mine, ran)
    assert lab.copy(mine, source, news=True) == [f"The lessons in {mine} are up to date."]
    work(mine, lambda cells, notebook: cells["draw"].update(source="x = 3"))  # hers: no news of the next version
    ends = cell("end", "## 2. Ends\n\nNow.", kind=new_markdown_cell)
    issue(source, lesson(*changed, ends, more=more, without=["last"]))
    assert lab.copy(mine, source, news=True)[1].splitlines()[1:] == ["  2. Ends: changed: 1 cell of text"]


def test_update_tells_what_is_new_in_a_lesson_that_was_left_alone(folders):
    source, mine = folders
    issue(source, lesson())
    lab.copy(mine, source)
    issue(source, lesson(more=[("top", cell("why", "Why?", kind=new_markdown_cell))], without=["end"]))
    updated, told = lab.copy(mine, source, news=True)
    assert updated == "Brought up to date: 09_small.ipynb."
    assert told.splitlines()[1:] == [
        "  Small lesson: new: 1 cell of text",
        "  2. Ends: gone: 1 cell of text",
    ]
    assert lab.copy(mine, source, news=True) == [f"The lessons in {mine} are up to date."]


def test_without_a_record_what_the_reader_changed_cannot_be_told_apart_and_that_is_said(folders):
    source, mine = folders
    issue(source, lesson())
    lab.copy(mine, source)
    hers = work(mine, lambda cells, notebook: cells["last"].update(source="print('hers')"))
    (mine / lab.MANIFEST).unlink()
    issue(source, lesson(cell("draw", "x = 2")))
    kept, told = lab.copy(mine, source, news=True)
    assert "what you changed counts too" in told and told.count("changed: 1 cell of code") == 2
    assert "Kept your" in kept and (mine / "09_small.ipynb").read_bytes() == hers
