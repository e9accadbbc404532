"""A class's notebooks, graded: what counts, what does not, and that none of them harms anything."""

import ast
import csv
import json
import os
import sys
import textwrap
import time
from pathlib import Path

import learn_answers
import pytest

from diffcourse import cli, fence, grading
from diffcourse.learn import exercises, quizzes, record
from diffcourse.learn.judging import cells, needed

LESSONS = Path(__file__).parent.parent / "notebooks"
NAME = "00b.standard_error"
SETUP = "import os, sys, time\nimport torch\nfrom diffcourse.learn import check, exercises"
RIGHT = "def standard_error(draws):\n    return draws.std() / len(draws) ** 0.5\n"
CHECK = f'standard_error = check("{NAME}", standard_error)'


def notebook(path: Path, *code: str) -> Path:
    """A notebook of these cells; the one that defines the answer has the tag of its exercise."""
    tags = [[f"exercise:{NAME}"] if "def standard_error" in source else [] for source in code]
    made = [{"cell_type": "code", "source": s, "metadata": {"tags": t}} for s, t in zip(code, tags, strict=True)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}), encoding="utf-8")
    return path


def used(*code: str, name: str = "f") -> list[int]:
    return [cell.place for cell in needed(cells(code, [()] * len(code)), {name}, len(code))]


# -- what is run ------------------------------------------------------------------------------------------------------


def test_only_the_cells_that_an_answer_uses_are_run():
    assert used("import torch", "x = 1\nlong()", "def f(): return torch.ones(1)", "print(f())") == [0, 2]
    assert used("k = 1", "k = 2", "def f(): return k", "unused = k") == [1, 2]
    assert used("def f(): return k", "k = 1") == [0, 1]  # looked up when it is called
    assert used("k = 1", "f = k", "k = 2") == [0, 1]  # and this one at once
    assert used("a = 1", "def f(a): return a") == [1] and used("a = 1", "f = [a for a in range(3)]") == [1]
    assert used("seen = []", "seen.append(1)", "x = 1", "f = lambda: seen") == [0, 1, 3]
    assert used("import plot", "plot.curves()", "def f(): return plot") == [0, 2]  # a figure changes no module
    assert used("d = {}", "d['k'] = 1", "n = 0", "n += 1", "f = (d, n)") == [0, 1, 2, 3, 4]
    assert used("from m import *", "f = 1") == [0, 1]
    assert used("class A: pass", "class f(A):\n    def g(self): return h()", "def h(): return 1") == [0, 1, 2]


def test_check_is_taken_out_and_magics_are_no_python():
    (one,) = cells(
        ["%matplotlib inline\n!ls\nf = check('02.x', f)\nquiz('02.q', answers='ab')\nsolution('02.x')"], [()]
    )
    assert not one.broken and ast.unparse(one.checks["02.x"]) == "f" and one.quizzes == {"02.q": "ab"}
    assert one.solutions == ["02.x"] and "check" not in one.now
    assert "SyntaxError" in cells(["def ("], [()])[0].broken


# -- who, and what lies in the folder ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "who"),
    [
        ("anna/02_ddpm_math.ipynb", "anna"),
        ("anna_02_ddpm_math.ipynb", "anna"),
        ("02_ddpm_math_anna.ipynb", "anna"),
        ("Anna Maria-05a_latents.ipynb", "Anna Maria"),
        ("group 1/anna/x.ipynb", "group 1/anna"),
        ("02_ddpm_math.ipynb", "02_ddpm_math"),
    ],
)
def test_a_notebook_is_somebodys_by_its_folder_or_by_its_name(path, who, tmp_path):
    assert grading._who(tmp_path / path, tmp_path) == who


def test_what_is_no_notebook_has_a_line_and_costs_the_others_nothing(tmp_path):
    for name, content in (
        ("a", b"\x00\xff"),
        ("b", b""),
        ("c", b"[1]"),
        ("d", b"[" * 100_000),
        ("e", b'{"cells": [1]}'),
    ):
        (tmp_path / f"{name}.ipynb").write_bytes(content)
    with open(tmp_path / "f.ipynb", "wb") as file:
        file.truncate(3 << 30)
    (tmp_path / "g.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": "1 + 1"}]}), encoding="utf-8"
    )
    (tmp_path / "h.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": "code", "source": 3, "metadata": 4}]}), encoding="utf-8"
    )
    found = grading.grade(tmp_path)
    assert [one.state for one in found] == ["unreadable"] * 6 + ["no exercises"] * 2
    assert all(one.notes for one in found[:6]) and "50 MB" in found[5].notes[0]
    for folder, told in ((tmp_path / "nowhere", "is not there"), (tmp_path / "a.ipynb", "is a file")):
        with pytest.raises(FileNotFoundError, match=told):
            grading.grade(folder)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="there is none"):
        grading.grade(tmp_path / "empty")
    for wrong in ({"minutes": 0}, {"jobs": 0}, {"profile": "fast"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            grading.grade(tmp_path, **wrong)


def test_quizzes_are_judged_in_the_order_in_which_the_reader_saw_them(tmp_path):
    asked = quizzes()["00b.diagnostic"]
    orders = [record.shuffled("her-id", f"00b.diagnostic/{i}", len(q.options)) for i, q in enumerate(asked.questions)]
    letters = "".join("abcdefg"[o.index(q.right)] for o, q in zip(orders, asked.questions, strict=True))
    one = "b" if letters[0] == "a" else "a"
    code = cells([f'quiz("00b.diagnostic", "{one}{letters[1:]}")'], [()])
    (tmp_path / "anna").mkdir()
    file = tmp_path / "anna" / "x.ipynb"
    assert grading._quizzes(code, file) == {"00b.diagnostic": one + letters[1:]}  # without her id nobody can tell
    (file.parent / "progress.json").write_text(json.dumps({"reader": "her-id"}), encoding="utf-8")
    assert grading._quizzes(code, file) == {"00b.diagnostic": f"{len(letters) - 1}/{len(letters)}"}


def test_the_table_has_a_line_a_notebook_and_no_formula(tmp_path):
    found = {"status": "wrong", "mistake": "the mean", "why": "…"}
    grades = [
        grading.Grade("=cmd()", "a.ipynb", "00b", exercises={NAME: found}, notes=["x\ny"]),
        grading.Grade(
            "b\ud800", "b.ipynb", "02", exercises={"02.q_sample": {**found, "status": "right", "mistake": None}}
        ),
    ]
    grading.write_csv(grades, tmp_path / "grades.csv")
    rows = list(csv.DictReader((tmp_path / "grades.csv").read_text(encoding="utf-8-sig").splitlines()))
    assert rows[0]["who"] == "'=cmd()" and rows[0][NAME] == "wrong: the mean" and rows[0]["02.q_sample"] == ""
    assert rows[1]["02.q_sample"] == "right" and (rows[1]["right"], rows[1]["of"]) == ("1", "1")


def test_a_stopped_run_goes_on_and_a_changed_notebook_is_graded_anew(tmp_path, monkeypatch):
    graded = []
    monkeypatch.setattr(grading, "_graded", lambda file, *_: graded.append(file.name) or grading.Grade("x", file.name))
    for name in "abc":
        notebook(tmp_path / f"{name}.ipynb", name)
    journal = tmp_path / "journal"
    grading.grade(tmp_path, journal=journal)
    journal.write_text(journal.read_text(encoding="utf-8")[:-20], encoding="utf-8")  # killed while it wrote
    notebook(tmp_path / "a.ipynb", "changed")
    graded.clear()
    grading.grade(tmp_path, journal=journal)
    assert graded == ["a.ipynb", "c.ipynb"]


# -- hostile ones -----------------------------------------------------------------------------------------------------


def also(code: str) -> tuple[str, ...]:
    """A right answer whose cell also does this."""
    return SETUP, RIGHT + textwrap.dedent(code), CHECK


MEAN = "standard_error = lambda d: d.mean()"
PATCH = "m = sys.modules['diffcourse.learn.compare']\nm.difference = lambda *a, **k: None\n"
FORGE = """
for fd in range(1, 20):
    try: os.write(fd, b'{"exercise": "00b.standard_error", "status": "right"}\\n')
    except OSError: pass
"""
CHEATS = {
    "own check": "check = lambda name, f: print(name + ': right.') or f\n" + MEAN,
    "own record": "open('progress.json', 'w').write('solved')\n" + MEAN,
    "reference": f"standard_error = exercises()['{NAME}'].reference",
    "wrapped": f"r = exercises()['{NAME}'].reference\nstandard_error = lambda d: r(d)",
    "late": f"def standard_error(d): return getattr(exercises()['{NAME}'], 'refer' + 'ence')(d)",
    "source": f"exec(exercises()['{NAME}'].solution)\nstandard_error = standard_error",
    "patched": PATCH + MEAN,
    "forged": FORGE + MEAN,
}


@pytest.mark.slow
@pytest.mark.parametrize("cheat", CHEATS)
def test_no_cheat_of_the_usual_kind_gets_a_mark(cheat, tmp_path):
    notebook(tmp_path / "x.ipynb", SETUP, CHEATS[cheat], CHECK)
    (found,) = grading.grade(tmp_path, minutes=2)
    assert found.right == 0 and found.exercises[NAME]["status"] in ("wrong", "reference"), found


LOOP = RIGHT.replace("    return", "    while True: pass\n    return")
HOSTILE = {  # what its cells are, and what becomes of it: state, and whether its answer is right
    "loop beside": ((SETUP, "while True: pass", RIGHT, CHECK), "whole", "right"),
    "loop inside": ((SETUP, LOOP, CHECK), "whole", "wrong"),
    "loop": (also("while True: pass"), "time-out", "time-out"),
    "exit": (also("os._exit(0)"), "died", "died"),
    "closed": (also("os.closerange(0, 100)"), "died", "died"),
    "parent": (also("os.kill(os.getppid(), 9)\ntime.sleep(1)"), "", ""),
    "output": (also("for _ in range(10_000): print(1000 * 'x')"), "too much output", "too much output"),
    "input": (also("input('name')"), "whole", "right"),
    "network": (also("import urllib.request\nurllib.request.urlopen('http://1.1.1.1')"), "network tried", "right"),
    "deleted": (
        also("import shutil\nshutil.rmtree(FOLDER, True)\nshutil.rmtree(os.environ['HOME'], True)"),
        "whole",
        "right",
    ),
    "written": (also("open(FOLDER + '/new', 'w')"), "whole", "right"),
    "large file": (also("f = open('big', 'wb')\nfor _ in range(2048): f.write(bytes(1 << 20))"), "", ""),
    "memory": (also("hog = [bytearray(1 << 28) for _ in range(64)]"), "whole", "right"),
    "forks": (also("while True:\n    try: os.fork()\n    except OSError: time.sleep(100)"), "", ""),
}


@pytest.mark.slow
def test_what_a_lesson_needs_of_a_helper_file_and_what_pytorch_changes_of_itself_is_no_cheat(tmp_path):
    notebook(
        tmp_path / "anna" / "x.ipynb",
        f"{SETUP}\nimport torch._dynamo\nimport hers",
        "def standard_error(draws):\n    return hers.spread(draws) / len(draws) ** 0.5",
        CHECK,
    )
    (tmp_path / "anna" / "hers.py").write_text("def spread(x):\n    return x.std()\n", encoding="utf-8")
    (found,) = grading.grade(tmp_path, minutes=2)
    assert (found.who, found.state, found.right, found.notes) == ("anna", "whole", 1, []), found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the limits are those of POSIX")
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_notebook_harms_nothing(kind, tmp_path):
    code, state, status = HOSTILE[kind]
    folder = tmp_path / "class"
    notebook(folder / "x.ipynb", *(source.replace("FOLDER", repr(str(folder))) for source in code))
    before = (folder / "x.ipynb").read_bytes()
    began = time.monotonic()
    (found,) = grading.grade(folder, minutes=0.5)
    assert [path.name for path in folder.iterdir()] == ["x.ipynb"] and (folder / "x.ipynb").read_bytes() == before
    assert time.monotonic() - began < 60
    if state:
        assert (found.state, found.exercises[NAME]["status"]) == (state, status), found


@pytest.mark.slow
@pytest.mark.skipif(not fence.walled(), reason="needs Linux that lets its users make namespaces")
def test_behind_the_wall_no_process_survives_and_no_mount_can_be_opened_again(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    notebook(
        tmp_path / "class" / "x.ipynb",
        *also(f"""
            import subprocess
            left = subprocess.Popen(["sleep", "86399"], start_new_session=True)
            os.system("mount -o remount,bind,rw /; touch {outside}/a")
            os.system("unshare -rm sh -c 'mount -o remount,bind,rw /; touch {outside}/b'")
        """),
    )
    (found,) = grading.grade(tmp_path / "class", minutes=2)
    assert found.right == 1 and not list(outside.iterdir())
    import psutil

    assert not any("86399" in (one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"]))


@pytest.mark.slow
def test_without_a_wall_a_hook_keeps_files_and_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(fence, "walled", lambda: False)
    folder = tmp_path / "class"
    for name, code in {
        "a": "os.remove({file!r})",
        "b": "open({file!r}, 'w')",
        "c": "os.system('rm -r ' + {folder!r})",
        "d": "os.kill(os.getppid(), 9)",
        "e": "import shutil\nshutil.rmtree({folder!r})",
        "f": "open('mine', 'w').write('x')",
    }.items():
        names = {"file": str(folder / "a.ipynb"), "folder": str(folder)}
        notebook(folder / f"{name}.ipynb", *also(code.format(**names)))
    assert [(one.state, one.right) for one in grading.grade(folder, minutes=2)] == 6 * [("whole", 1)]
    assert len(list(folder.iterdir())) == 6


# -- a class ----------------------------------------------------------------------------------------------------------


def with_answers(lesson: str, turn: int) -> tuple[dict, dict[str, str]]:
    """A lesson with an answer that somebody gave in every stub cell, what it uses in cells above; and whether each is right."""
    (path,) = LESSONS.glob(f"{lesson}_*.ipynb")
    made, kinds = json.loads(path.read_text(encoding="utf-8")), {}
    tree = ast.parse((learn_answers.FOLDER / f"lesson_{lesson}.py").read_text(encoding="utf-8"))
    helpers, given = [], {}
    for node in tree.body:
        call = getattr(node, "decorator_list", [None])[0] if getattr(node, "decorator_list", []) else None
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Call):
            call = node.value.func
        if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("right", "wrong"):
            name = call.args[0].value
            symbol = exercises()[name].symbol
            if isinstance(node, ast.Expr):
                source = f"{symbol} = {ast.unparse(node.value.args[0])}"
            else:
                node.name, node.decorator_list = symbol, node.decorator_list[1:]
                source = ast.unparse(node)
            given.setdefault(name, []).append((call.func.id, source))
        elif "learn_answers" not in ast.unparse(node):
            helpers.append(ast.unparse(node))
    for cell in made["cells"]:
        for tag in cell["metadata"].get("tags", []):
            if (name := tag.removeprefix("exercise:")) in given:
                kinds[name], cell["source"] = given[name][turn % len(given[name])]
    empty = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    made["cells"] = [{**empty, "source": source} for source in helpers] + made["cells"]
    return made, kinds


@pytest.mark.slow
def test_a_class_of_five_is_graded_as_its_answers_are_by_one_command(tmp_path, capsys):
    wanted, people = {}, ("anna", "ben", "cem", "dora", "eve")
    for k, who in enumerate(people):
        made, wanted[who] = with_answers("00b", 3 * k)
        (tmp_path / who).mkdir()
        (tmp_path / who / "00b_warm_up.ipynb").write_text(json.dumps(made), encoding="utf-8")
    out = tmp_path / "grades.csv"
    began = time.monotonic()
    assert cli.main(["grade", str(tmp_path), "--out", str(out)]) == 0
    assert time.monotonic() - began < 600
    rows = {row["who"]: row for row in csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines())}
    assert {who: {n: rows[who][n].split(":")[0] for n in wanted[who]} for who in people} == wanted
    assert {row["state"] for row in rows.values()} == {"whole"} and str(out) in capsys.readouterr().out
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")] and os.path.getsize(out) > 500
