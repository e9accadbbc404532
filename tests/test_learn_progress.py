"""progress: what is recorded survives restarts, damage, folders that cannot be written, and two notebooks at once."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import nbformat
import pytest
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse import files
from diffcourse.learn import check, hint, notebooks, progress, quiz, record, register, registry, solution

pytestmark = pytest.mark.usefixtures("home")
NAME = "98.noised"


def restart(monkeypatch):
    monkeypatch.setattr(record, "STORE", record.Store())


def state(name):
    return next(row.state for row in progress().rows if row.name == name)


def test_a_line_for_each_lesson_and_the_rows_of_the_one_that_is_begun(home, capsys):  # noqa: F811
    import learn_exercises as ours

    check(NAME, ours.noised_with_variance)
    check(NAME, ours.noised_in_a_loop)
    check("98.half", 0.5)
    check("98.half", 0.5)
    hint("98.half")
    solution("98.moments")
    quiz("98.quiz", home.letters(0, 1))
    capsys.readouterr()
    text = str(progress())
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line}
    of = len(progress().rows)
    assert lines["all"].startswith(f"█▒░░░░░░░░ 1 of {of}, 1 read about ") and lines["all"].endswith("next: 98.Block")
    assert lines["98"] == "██▒▒░░░░░░ 1 of 5, 1 read about 12 minutes left next: 98.Block"
    assert lines["00"] == "░░░░░░░░░░ 0 of 2 about 6 minutes left next: to_minus_one_one"  # in 80 columns
    assert lines["98.noised"] == "solved (2 attempts)"
    assert lines["98.half"] == "tried (2 attempts, 1 hint)"
    assert lines["98.moments"] == "solution read"
    assert lines["98.Block"] == "open"
    assert lines["98.quiz"] == "1 of 2 right (2 attempts)"
    assert "00.start" not in lines and max(map(len, text.splitlines())) <= 80
    assert repr(progress()) == text
    assert capsys.readouterr().out == ""


def test_all_of_one_lesson():
    record.attempted(NAME, right=True)
    shown = progress("00")
    assert [row.name for row in shown.rows] == ["00.to_minus_one_one", "00.start"]
    assert str(shown) == (
        "00  ░░░░░░░░░░  0 of 2  about 6 minutes left  next: 00.to_minus_one_one\n\n"
        "  00.to_minus_one_one  open\n  00.start             open"
    )
    assert shown._repr_html_().count("<details open>") == 1
    for lesson in ("99", 98, "98.noised"):
        with pytest.raises(KeyError, match=f"no lesson is called {lesson!r}: (did you mean 98|there is 00, 00b)"):
            progress(lesson)


def test_a_lesson_in_which_nothing_is_open_is_done_and_not_shown():
    record.attempted("00.to_minus_one_one", right=True)
    record.answered("00.start", 0, True)
    text = str(progress())
    assert "00   ██████████  2 of 2   done\n" in text and "lesson 00" not in text
    progress(reset="00.to_minus_one_one")
    record.solution_shown("00.to_minus_one_one")
    text = str(progress())
    assert "00   █████▒▒▒▒▒  1 of 2, 1 read  done\n" in text and "lesson 00" not in text
    assert progress().done == 1


def test_the_lesson_of_the_latest_attempt_comes_first_and_says_what_is_next(monkeypatch):
    for i, name in enumerate((NAME, "00.to_minus_one_one", "02.forward_step")):
        monkeypatch.setattr(record, "_now", lambda i=i: f"2030-01-0{i + 1}T00:00:00+00:00")
        record.attempted(name, right=name != "00.to_minus_one_one")
    text = str(progress())
    assert text.index("lesson 02:") < text.index("lesson 00:") < text.index("lesson 98:")
    assert text.splitlines()[0].endswith("next: 02.alpha_bars")
    page = progress()._repr_html_()
    assert page.count("<details open>") == 1 and page.split("<details open>")[1].split("</summary>")[0].count(
        "02 · The"
    )


@pytest.fixture
def many():
    """Two hundred exercises of one's own."""

    def fill(name):
        import learn_exercises as ours

        register(*(replace(ours.EXERCISES["98.half"], name=name(i)) for i in range(200)))

    return fill


@pytest.mark.parametrize("a_lesson", [200, 20, 4, 1])
def test_two_hundred_exercises_are_readable(many, a_lesson, monkeypatch):
    monkeypatch.setattr(record, "_now", lambda: "2030-01-01T00:00:00+00:00")
    many(lambda i: f"week{i // a_lesson}.exercise_with_a_long_name_{i}")
    assert len(str(progress()).splitlines()) < 60
    for i in range(200):
        if i % 5 or i > 150:
            record.attempted(f"week{i // a_lesson}.exercise_with_a_long_name_{i}", right=i < 100)
    text = str(progress())
    assert len(text.splitlines()) < 60 and max(map(len, text.splitlines())) <= 80
    assert "\n  week0.exercise_with_a_long_name_1 " in text or a_lesson == 1
    if a_lesson == 200:
        assert re.search(r'  … and 16\d more: progress\("week0"\) shows all', text)
        assert len(str(progress("week0")).splitlines()) == 202
    elif a_lesson == 20:
        assert "More lessons are begun: progress(" in text
    elif a_lesson == 1:
        assert re.search(r'… and 18\d more lessons: progress\("week1\d"\) shows one', text)


def test_a_page_with_a_bar_and_a_table_for_each_lesson(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record.attempted(NAME, right=True)
    record.hint_used("98.half", 3)
    record.solution_shown("98.moments")
    page = progress()._repr_html_()
    lessons = re.findall(r"<details.*?</details>", page)
    assert len(lessons) == len(registry.lessons()) and page.count("<tr>") == len(lessons) + len(progress().rows)
    assert "02 · The mathematics of DDPM: <b>0 of 17</b> done, about 1 h 15 min left</summary>" in page
    assert "98: <b>1 of 5</b> done, 1 solution read, about 12 minutes left</summary>" in lessons[-1]
    assert [lesson for lesson in lessons if lesson.startswith("<details open>")] == [lessons[-1]]
    assert "width: 20%; background: #009E73" in lessons[-1] and "width: 20%; background: repeating" in lessons[-1]
    assert page.count('aria-hidden="true"') == len(lessons) + 1 and '<th scope="col"' in page
    rows = [re.sub(r"<[^>]+>", "|", row).replace("||", "|") for row in re.findall(r"<tr>.*?</tr>", lessons[-1])]
    assert "|98.noised|Noise in one step|5|solved|1||" in rows and "|98.Block|A residual block|5|open, next|||" in rows
    assert "<a" not in page  # no notebooks here
    ElementTree.fromstring(page.replace("<details open>", "<details>"))  # every element is closed


def write(path, *cells):
    cells = [
        c if isinstance(c, dict) else nbformat.v4.new_markdown_cell(c, id=f"text-{i}") for i, c in enumerate(cells)
    ]
    path.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=cells)), encoding="utf-8")


def test_the_next_exercise_is_a_link_to_the_cell_with_the_heading_above_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stub = nbformat.v4.new_code_cell("x", metadata={"tags": ["exercise:98.noised"]})
    asked = nbformat.v4.new_code_cell('# a quiz\nquiz("98.quiz")')
    write(tmp_path / "98 a & b.ipynb", "# The *end*\n", "## One `step`", "words", stub, "### Quiz", asked)
    write(tmp_path / "98 a & b.new.ipynb", "# Another version", stub)
    write(tmp_path / "980.ipynb", "# Another lesson", stub)
    assert "98 · The end: <b>0 of 5</b>" in progress()._repr_html_()
    link = '<a href="98%20a%20%26%20b.ipynb#cell-id=text-1">98.noised</a>'
    assert link in progress("98")._repr_html_() and f"Next: {link}" in progress("98")._repr_html_()
    for name in ("98.noised", "98.half", "98.Block", "98.moments"):
        record.attempted(name, right=True)
    assert '<a href="98%20a%20%26%20b.ipynb#cell-id=text-4">98.quiz</a>' in progress()._repr_html_()
    write(tmp_path / "98 a & b.ipynb", "no heading", stub)
    assert '<a href="98%20a%20%26%20b.ipynb">98.quiz</a>' in progress()._repr_html_()  # the file at least


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 3}', '{"cells": [3]}', '{"cells": [{"source": 1}]}', "\0"])
def test_a_notebook_that_cannot_be_read_is_no_error(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "98.ipynb").write_text(content, encoding="utf-8")
    (tmp_path / "00_a_folder.ipynb").mkdir()
    page = progress()._repr_html_()
    assert " 98: <b>0 of 5</b>" in page and " 00: <b>0 of 2</b>" in page and '<a href="98.ipynb">98.noised</a>' in page


def test_titles_are_those_of_the_notebooks_and_without_any_the_number_does(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert notebooks.title("05a") == "05a · Latents" and notebooks.title("98") == "98"
    monkeypatch.setattr(files, "__file__", str(tmp_path / "diffcourse" / "files.py"))
    assert notebooks.title("05a") == "05a"
    write(tmp_path / "05a_mine.ipynb", "text", "#no heading\n\n# Mine & yours")
    assert "05a · Mine &amp; yours: " in progress()._repr_html_()


def test_every_exercise_of_the_course_is_found_in_its_notebook(monkeypatch):
    monkeypatch.chdir(files.lessons())
    cells = {path.name: {c.id: c.text for c in notebooks._cells(path)} for path in files.lessons().glob("*.ipynb")}
    for row in progress().rows:
        if row.lesson != "98":
            name, _, cell = notebooks.link(row.name).partition("#cell-id=")
            assert name.startswith(f"{row.lesson}_") and "\n#" in "\n" + cells[name][cell], row.name


def test_progress_survives_a_restart(monkeypatch):
    record.attempted(NAME, right=True)
    restart(monkeypatch)
    assert state(NAME) == "solved"


def test_a_solved_exercise_stays_solved():
    record.attempted(NAME, right=True)
    record.attempted(NAME, right=False)
    assert record.record_of(NAME)["attempts"] == 1 and state(NAME) == "solved"


def test_a_quiz_counts_as_answered_when_all_is_right(home):  # noqa: F811
    quiz("98.quiz", " ".join(home.letters(1, 0)))
    assert state("98.quiz") == "0 of 2 right"
    quiz("98.quiz", ",".join(home.letters(0, 2)))
    assert state("98.quiz") == "answered"
    quiz("98.quiz", home.letters(1, 1))
    assert state("98.quiz") == "answered"


def test_reset_of_an_exercise_a_lesson_and_everything():
    for name in (NAME, "98.half", "00.to_minus_one_one"):
        record.attempted(name, right=True)
    record.answered("98.quiz", 0, True)
    assert str(progress(reset=NAME)).startswith("98.noised is reset.")
    assert state(NAME) == "open" and state("98.half") == "solved"
    progress(reset="98")
    assert (state("98.half"), state("98.quiz"), state("00.to_minus_one_one")) == ("open", "open", "solved")
    assert str(progress(reset="all")).startswith("All progress is reset.")
    assert progress().done == 0


@pytest.mark.parametrize("name", ["98.noise", "97", "al", ""])
def test_reset_of_an_unknown_name_changes_nothing(name):
    record.attempted(NAME, right=True)
    with pytest.raises(KeyError, match="no exercise, quiz, prediction or lesson is called"):
        progress(reset=name)
    assert state(NAME) == "solved"


def test_a_reader_keeps_her_id_through_a_restart_and_a_reset(home, monkeypatch):  # noqa: F811
    hers = record.reader()
    assert len(hers) == 32 and json.loads(home.file.read_text(encoding="utf-8"))["reader"] == hers
    restart(monkeypatch)
    record.attempted(NAME, right=True)
    progress(reset="all")
    assert record.reader() == hers
    monkeypatch.setenv("DIFFCOURSE_HOME", str(home.path / "another"))
    assert record.reader() != hers


def test_two_notebooks_that_draw_an_id_at_once_agree_on_the_first(home, monkeypatch):  # noqa: F811
    read = record.STORE.read

    def late():
        data = read()
        home.belongs_to("ada")  # the other notebook writes after we have looked
        monkeypatch.setattr(record.STORE, "read", read)
        return data

    monkeypatch.setattr(record.STORE, "read", late)
    assert record.reader() == "ada"
    before = home.file.stat().st_mtime_ns
    assert record.reader() == "ada" and home.file.stat().st_mtime_ns == before  # nothing is written


@pytest.mark.parametrize("extra", [{}, {"reader": 3}, {"reader": None}])
def test_an_older_file_or_one_with_a_strange_id_gets_one_and_keeps_all_else(home, extra):  # noqa: F811
    home.path.mkdir()
    done = {"attempts": 2, "hints": 0, "solution": 0, "solved": "2026-01-01T00:00:00+00:00", "last": None}
    home.file.write_text(
        json.dumps({"version": 1, "exercises": {NAME: done}, "quizzes": {}, **extra}), encoding="utf-8"
    )
    hers = record.reader()
    assert len(hers) == 32 and record.reader() == hers and home.of(NAME) == done
    assert (
        json.loads(home.file.read_text(encoding="utf-8"))["version"] == record.VERSION == 1
        and record.STORE.notices == []
    )


def test_in_a_folder_that_cannot_be_written_the_id_is_kept_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file, so nothing can be created below it", encoding="utf-8")
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path / "file" / "home"))
    hers = record.reader()
    progress(reset="all")
    assert record.reader() == hers and len(record.STORE.take_notices()) == 0  # the reset has told it
    restart(monkeypatch)
    assert record.reader() != hers


def test_nothing_is_written_by_looking(home):  # noqa: F811
    progress()
    assert not home.path.exists()


DAMAGED = [
    b"{",
    b"",
    b"[]",
    b"\xff\xfe\x00",
    b'{"exercises": 3, "quizzes": {}}',
    b'{"exercises": {"98.noised": {"attempts": "x"}}, "quizzes": {}}',
    b'{"exercises": {}, "quizzes": {"98.quiz": {"questions": {"0": 1}}}}',
]


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("writes", [True, False])
def test_a_damaged_file_is_set_aside_and_said(home, content, writes, capsys):  # noqa: F811
    home.path.mkdir()
    home.file.write_bytes(content)
    if writes:
        check(NAME, 3)
        text = capsys.readouterr().out
        assert home.of(NAME)["attempts"] == 1
    else:
        text = str(progress())
    assert "The progress file was damaged. It is set aside as progress.damaged-" in text
    aside = list(home.path.glob("progress.damaged-*.json"))
    assert len(aside) == 1 and aside[0].read_bytes() == content
    assert "damaged" not in str(progress())  # said once


def test_two_damaged_files_are_both_kept(home):  # noqa: F811
    home.path.mkdir()
    for content in ("a", "b", "c"):
        home.file.write_text(content, encoding="utf-8")
        progress()
    assert sorted(p.read_text(encoding="utf-8") for p in home.path.glob("progress.damaged-*")) == ["a", "b", "c"]


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(home, tmp_path, monkeypatch, capsys):  # noqa: F811
    import learn_exercises as ours

    (tmp_path / "file").write_text("a file, so nothing can be created below it", encoding="utf-8")
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path / "file" / "home"))
    assert check(NAME, ours.noised_in_a_loop) is ours.noised_in_a_loop
    text = capsys.readouterr().out
    assert "98.noised: right." in text and "Progress cannot be saved in" in text and "set DIFFCOURSE_HOME" in text
    hint("98.half")
    hint("98.half")
    solution("98.moments")
    quiz("98.quiz", home.letters(0, 2))
    text = capsys.readouterr().out
    assert "hint 2 of 3" in text and "cannot be saved" not in text
    assert (state(NAME), state("98.quiz"), state("98.moments")) == (
        "solved",
        "answered",
        "solution read",
    )  # kept in memory
    assert progress(reset=NAME) and state(NAME) == "open"


def test_what_could_not_be_saved_is_saved_later(home, monkeypatch):  # noqa: F811
    def full(path, data):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(record, "_write", full)
        record.attempted(NAME, right=False)
        record.attempted(NAME, right=True)
    assert home.of(NAME) == {} and any("No space left" in notice for notice in record.STORE.take_notices())
    record.hint_used("98.half", 3)
    assert home.of(NAME)["attempts"] == 2 and home.of(NAME)["solved"]


def test_a_crash_while_writing_keeps_the_old_file(home, monkeypatch):  # noqa: F811
    record.attempted(NAME, right=True)
    before = home.file.read_bytes()

    def crash(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        record.attempted("98.half", right=True)
    assert home.file.read_bytes() == before
    assert [p.name for p in home.path.iterdir() if p.suffix == ".tmp"] == []


def test_another_process_that_holds_the_lock_is_waited_for_and_then_said(home, monkeypatch):  # noqa: F811
    monkeypatch.setattr(record, "_WAIT", 0.1)
    home.path.mkdir()
    with record._locked(home.path / "progress.lock"):
        record.attempted(NAME, right=True)
        assert any("another notebook is holding" in notice for notice in record.STORE.take_notices())
    record.attempted("98.half", right=True)
    assert home.of(NAME)["solved"] and home.of("98.half")["solved"]


TWO = """
import sys
from diffcourse.learn import record
for i in range(40):
    record.attempted("98.noised", right=False)
    record.attempted(f"98.only_{sys.argv[1]}_{i}", right=True)
print(record.STORE.notices)
"""


@pytest.mark.slow
def test_two_notebooks_at_once_lose_nothing(home):  # noqa: F811
    processes = [
        subprocess.Popen([sys.executable, "-c", TWO, who], stdout=subprocess.PIPE, text=True, encoding="utf-8")
        for who in ("a", "b")
    ]
    for process in processes:
        assert process.communicate(timeout=100)[0].strip() == "[]" and process.returncode == 0
    data = json.loads(home.file.read_text(encoding="utf-8"))["exercises"]
    assert data["98.noised"]["attempts"] == 80
    assert sum(name.startswith("98.only_") for name in data) == 80


def test_the_default_folder_is_the_users_data_directory(monkeypatch):
    import platformdirs

    monkeypatch.delenv("DIFFCOURSE_HOME")
    assert str(record.folder()) == platformdirs.user_data_dir("diffcourse", appauthor=False)
