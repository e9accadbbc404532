"""Runs lessons with a right answer in every stub cell, as if a reader had solved them all.

python tests/learn_notebooks.py notebooks/02_ddpm_math.ipynb          prints what `check` said of each exercise, a line a lesson, as JSON
python tests/learn_notebooks.py --all notebooks/02_ddpm_math.ipynb    every other right answer in turn, and what goes wrong after it

The solutions by default. `--all` takes the alternatives of the exercises and the right ones of `learn_answers`, the first of each
exercise in the first turn, and so on; it prints a line a turn, and ends with 1 if a cell raises, an answer is not right, or
an agreement prints False.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import nbformat
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from learn_answers import entries
from nbclient import NotebookClient

from diffcourse.learn import exercises, predictions, reveals
from diffcourse.learn.exercise import Exercise

ROOT = Path(__file__).parent.parent
TAG = "exercise:"


class _ThisPython(KernelSpecManager):
    """The kernel is the Python that runs the tests, whatever is installed beside it."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(
            resource_dir="", **{**get_kernel_dict(), "argv": [sys.executable, *get_kernel_dict()["argv"][1:]]}
        )


def exercise_cells(notebook: nbformat.NotebookNode) -> list[tuple[int, str]]:
    """Position and exercise of every tagged cell."""
    tags = [(i, tag) for i, cell in enumerate(notebook.cells) for tag in cell.metadata.get("tags", [])]
    return [(i, tag.removeprefix(TAG)) for i, tag in tags if tag.startswith(TAG)]


def check_cell(notebook: nbformat.NotebookNode, position: int) -> nbformat.NotebookNode | None:
    """The next code cell after an exercise cell."""
    return next((cell for cell in notebook.cells[position + 1 :] if cell.cell_type == "code"), None)


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """What is wrong with the exercise cells of a lesson: each holds its stub, and the next code cell checks it."""
    found = []
    for position, name in exercise_cells(notebook):
        exercise = exercises().get(name)
        if exercise is None:
            found.append(f"{name}: there is no such exercise")
            continue
        if notebook.cells[position].source.rstrip() != exercise.stub.rstrip():
            found.append(f"{name}: the cell differs from the exercise's stub (python -m diffcourse.learn stub {name})")
        after = check_cell(notebook, position)
        wanted = _call(exercise)
        lines = [] if after is None else [line for line in after.source.splitlines() if line.strip()]
        if lines[:1] != [wanted] or not all(
            line.startswith("# ") for line in lines[1:]
        ):  # hint and solution, as comments
            found.append(f"{name}: the next code cell must be {wanted}")
    return found


_CALL = re.compile(r"""^\s*(?:\w+\s*=\s*)?(predict|outcome|mixed|reveal)\(\s*["']([^"']+)["']""", re.M)


def told_faults(notebook: nbformat.NotebookNode, lesson: str) -> list[str]:
    """What is wrong with the guesses and the folded answers of a lesson: each that is registered is used once and in order."""
    found, calls = [], []  # (function, name, cell)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            called = [(function, name) for function, name in _CALL.findall(cell.source)]
            calls += [(function, name, cell) for function, name in called]
            for function, name in called:
                alone = {"predict": f'predict("{name}", ...)', "reveal": f'reveal("{name}")'}.get(function, cell.source)
                if cell.source.strip() != alone:
                    found.append(f"{name}: {alone} is a cell of its own")
    ours = {name for name in (*predictions(), *reveals()) if name.split(".")[0] == lesson}
    found += [f"{name}: there is no such prediction or reveal in {lesson}" for _, name, _ in calls if name not in ours]
    order = [(function, name) for function, name, _ in calls]
    for name, asked in predictions().items():
        if name in ours:
            wanted = ["predict", "outcome"]
            met = [function for function, n in order if n == name and function != "mixed"]
            if met != wanted:
                found.append(f"{name}: predict and then outcome, once each, are wanted, and there are {met or 'none'}")
            if asked.mixed != (("mixed", name) in order):
                found.append(f"{name}: mixed=True and a call of mixed belong together")
    for name, hidden in reveals().items():
        if name in ours:
            if order.count(("reveal", name)) != 1:
                found.append(f"{name}: it is revealed {order.count(('reveal', name))} times, and once is wanted")
            said = [part for part in (*hidden.text.splitlines(), *hidden.code.splitlines()) if len(part.strip()) > 24]
            text = "\n".join(cell.source for cell in notebook.cells)
            found += [f"{name}: the lesson says it: {part.strip()}" for part in said if part.strip() in text]
    return found


def solve(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The lesson with the solution in every exercise cell."""
    for position, name in exercise_cells(notebook):
        notebook.cells[position].source = exercises()[name].solution
    return notebook


def others(exercise: Exercise) -> list[str]:
    """Code for the stub cell of every right answer that we know besides the solution."""
    name, symbol = exercise.name, exercise.symbol
    import_ = "from diffcourse.learn import exercises\nfrom diffcourse.learn.diagnosis import worked_out\n"
    get = f'exercises()["{name}"].alternatives'
    ours = [
        f"{import_}{symbol} = {f'worked_out({get}[{i}])' if exercise.kind == 'value' else f'{get}[{i}]'}"
        for i in range(len(exercise.alternatives))
    ]
    found = [entry for entry in entries(exercise.lesson) if entry.exercise == name and entry.kind == "right"]
    return ours + [f"from learn_answers import answer\n{symbol} = answer({name!r}, {entry.label!r})" for entry in found]


def turns(notebook: nbformat.NotebookNode) -> int:
    """In how many turns every other right answer has been in the lesson."""
    return max([len(others(exercises()[name])) for _, name in exercise_cells(notebook)], default=0)


def answered(notebook: nbformat.NotebookNode, turn: int) -> nbformat.NotebookNode:
    """The lesson with another right answer in every exercise cell."""
    for position, name in exercise_cells(notebook):
        known = others(exercises()[name]) or [exercises()[name].solution]
        notebook.cells[position].source = known[turn % len(known)]
    return notebook


def disagreements(notebook: nbformat.NotebookNode) -> list[str]:
    """Lines of the output that say False, and exercises of which check did not say right."""
    lines = [line for cell in notebook.cells if cell.cell_type == "code" for line in said(cell).splitlines()]
    wrong = [text for name, text in verdicts(notebook).items() if not text.startswith(f"{name}: right.")]
    return [line for line in lines if re.search(r"\bFalse\b", line)] + wrong


def run(notebook: nbformat.NotebookNode, folder: Path, home: Path) -> nbformat.NotebookNode:
    """The lesson, run from top to bottom in the quick profile; CellExecutionError where a cell raises."""
    paths = [str(ROOT), str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    more = {
        "DIFFCOURSE_PROFILE": "smoke",
        "DIFFCOURSE_HOME": str(home),
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": "1",
    }
    manager = AsyncKernelManager(kernel_spec_manager=_ThisPython())
    client = NotebookClient(notebook, km=manager, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.execute(env={**os.environ, **more})
    return notebook


def verdicts(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """What check said of every exercise."""
    return {name: said(check_cell(notebook, position)) for position, name in exercise_cells(notebook)}


def said(cell: nbformat.NotebookNode) -> str:
    """The plain text that a cell shows."""
    return "\n".join(
        "".join(output.get("text", output.get("data", {}).get("text/plain", ""))) for output in cell.outputs
    )


class Solved:
    """Solved lessons, run one after the other by a process of its own: on two cores they cost the tests beside them no time."""

    def __init__(self, lessons: Sequence[Path]):
        self.told: dict[str, dict] = {}
        self.errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  (closed with self)
        self.alone = not lessons
        self.process = self._start(lessons) if lessons else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.errors.close()

    def _start(self, lessons: Sequence[Path]) -> subprocess.Popen:
        command = [sys.executable, __file__, *map(str, lessons)]
        return subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=self.errors, encoding="utf-8")

    def verdicts(self, lesson: Path) -> dict[str, str]:
        """What check said of every exercise of a lesson, once it has run; RuntimeError if a cell raised. One not begun yet is run now."""
        if self.process is None:
            self.process = self._start([lesson])
        while str(lesson) not in self.told:
            line = self.process.stdout.readline()
            if not line:
                self.errors.seek(0)
                raise RuntimeError(
                    f"the process that runs the lessons ended, {self.process.wait()}: {self.errors.read()}"
                )
            self.told |= json.loads(line)
        if self.alone:
            self.process.communicate()
            self.process = None
        told = self.told[str(lesson)]
        if "error" in told:
            raise RuntimeError(told["error"])
        return told["verdicts"]


def _call(exercise: Exercise) -> str:
    return f'{exercise.symbol} = check("{exercise.name}", {exercise.symbol})'


def _told(path: Path) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as home:
        try:
            return {"verdicts": verdicts(run(solve(nbformat.read(path, as_version=4)), path.parent, Path(home)))}
        except Exception as error:
            return {"error": str(error)}


def _turned(path: Path, turn: int | None) -> list[str]:
    """What goes wrong in a turn; with the solutions in their place for None."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        try:
            notebook = solve(notebook) if turn is None else answered(notebook, turn)
            return disagreements(run(notebook, path.parent, Path(home)))
        except Exception as error:
            return [str(error)]


def every_turn(lessons: Sequence[Path]) -> int:
    """Run every right answer; 1 if something went wrong."""
    wrong = 0
    for lesson in lessons:
        usual = _turned(lesson, None)
        for turn in range(turns(nbformat.read(lesson, as_version=4))):
            began = time.monotonic()
            found = [line for line in _turned(lesson, turn) if line not in usual]
            print(f"{lesson.stem}, turn {turn + 1}: {time.monotonic() - began:.0f} s", *found, sep="\n  ", flush=True)
            wrong += bool(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--all"]:
        sys.exit(every_turn([Path(lesson) for lesson in sys.argv[2:]]))
    for lesson in sys.argv[1:]:
        print(json.dumps({lesson: _told(Path(lesson))}), flush=True)
