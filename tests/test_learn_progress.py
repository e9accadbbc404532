"""progress: what is recorded survives restarts, damage, folders that cannot be written, and two notebooks at once."""

import json
import os
import subprocess
import sys

import pytest
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse.learn import check, hint, progress, quiz, record, solution

pytestmark = pytest.mark.usefixtures("home")
NAME = "98.noised"


def restart(monkeypatch):
    monkeypatch.setattr(record, "STORE", record.Store())


def state(name):
    return next(row.state for row in progress().rows if row.name == name)


def test_a_table_lesson_by_lesson(home, capsys):  # noqa: F811
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
    assert "lesson 98: 1 of 5" in text and "lesson 00: 0 of 2" in text
    lines = {line.split()[0]: " ".join(line.split()[1:]) for line in text.splitlines() if line.startswith("  ")}
    assert lines["98.noised"] == "solved (2 attempts)"
    assert lines["98.half"] == "tried (2 attempts, 1 hint)"
    assert lines["98.moments"] == "solution read"
    assert lines["98.Block"] == "open"
    assert lines["98.quiz"] == "1 of 2 right (2 attempts)"
    assert repr(progress()) == text
    page = progress()._repr_html_()
    assert page.count("<tr>") == 1 + len(progress().rows) and "tried" in page and '<th scope="col"' in page
    assert capsys.readouterr().out == ""


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
    with pytest.raises(KeyError, match="no exercise, quiz or lesson is called"):
        progress(reset=name)
    assert state(NAME) == "solved"


def test_a_reader_keeps_her_id_through_a_restart_and_a_reset(home, monkeypatch):  # noqa: F811
    hers = record.reader()
    assert len(hers) == 32 and json.loads(home.file.read_text())["reader"] == hers
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
    home.file.write_text(json.dumps({"version": 1, "exercises": {NAME: done}, "quizzes": {}, **extra}))
    hers = record.reader()
    assert len(hers) == 32 and record.reader() == hers and home.of(NAME) == done
    assert json.loads(home.file.read_text())["version"] == record.VERSION == 1 and record.STORE.notices == []


def test_in_a_folder_that_cannot_be_written_the_id_is_kept_in_memory(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("a file, so nothing can be created below it")
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
        home.file.write_text(content)
        progress()
    assert sorted(p.read_text() for p in home.path.glob("progress.damaged-*")) == ["a", "b", "c"]


def test_a_folder_that_cannot_be_written_is_said_once_and_stops_nothing(home, tmp_path, monkeypatch, capsys):  # noqa: F811
    import learn_exercises as ours

    (tmp_path / "file").write_text("a file, so nothing can be created below it")
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
        subprocess.Popen([sys.executable, "-c", TWO, who], stdout=subprocess.PIPE, text=True) for who in ("a", "b")
    ]
    for process in processes:
        assert process.communicate(timeout=100)[0].strip() == "[]" and process.returncode == 0
    data = json.loads(home.file.read_text())["exercises"]
    assert data["98.noised"]["attempts"] == 80
    assert sum(name.startswith("98.only_") for name in data) == 80


def test_the_default_folder_is_the_users_data_directory(monkeypatch):
    import platformdirs

    monkeypatch.delenv("DIFFCOURSE_HOME")
    assert str(record.folder()) == platformdirs.user_data_dir("diffcourse", appauthor=False)
