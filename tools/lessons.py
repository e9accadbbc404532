"""Run a lesson as its readers will, and bring it into the form in which it is committed.

python tools/lessons.py notebooks/00_start_here.ipynb     executes in the profile laptop, normalises, writes back
python tools/lessons.py --check notebooks/*.ipynb         only lists what breaks the rules, and sentences that are true no longer
python tools/lessons.py --numbers notebooks/X.ipynb       lists each numeral in prose that is neither marked nor waived, and who prints it
python tools/lessons.py --mark notebooks/X.ipynb          marks those that exactly one of the cells nearby prints
python tools/lessons.py --mark notebooks/X.ipynb "cell-022:17.2=cell-020" "cell-022:28=-"         marks one, and waives one
python tools/lessons.py --taught                          writes notebooks/TAUGHT.md, what is taught where, from the metadata of the cells

How marks are written stands in tools/prose.py.
Executed: top to bottom in a fresh kernel, as `DIFFCOURSE_PROFILE=laptop`, with a home of its own and no hub. Normalised: see `normalise`.
The home belongs to one and the same reader each time, `READER`, written into it beforehand: the options of a quiz are shuffled for each
reader, and would else stand in another order after every execution.
"""

import ast
import json
import os
import re
import sys
import tempfile
import time
import uuid
from pathlib import Path

import nbformat
import prose

ROOT = Path(__file__).parents[1]
VIEW = "application/vnd.jupyter.widget-view+json"
ITEM = re.compile(r"C\d{3}")
ERROR = re.compile(r"E\d{2}")
AGREEMENT = re.compile(r"(?<![\w=.'\"])(True|False)\b")  # `bias=True`, as a network prints itself, claims nothing
CHECKED = re.compile(r"^\s*assert\b|\bexpect\(", re.M)
READER = "web"  # of the pages as they are read there
MOST_LINES, MOST_BYTES, MOST_SETUP, MOST_COLUMNS, LEAST_GUESSES = 30, 300_000, 6, 96, 3
NOT_YET: dict[str, set[str]] = {}  # {lesson: what it does not keep yet}, of the kinds of `house_faults`


def execute(path: Path, profile: str = "laptop", timeout: int = 900) -> nbformat.NotebookNode:
    """The notebook, run top to bottom in a fresh kernel in its own folder, with a home of its own that belongs to `READER`."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as home:
        write_reader(Path(home))
        environment = {**os.environ, "DIFFCOURSE_PROFILE": profile, "DIFFCOURSE_HOME": home, "HF_HUB_OFFLINE": "1"}
        client = NotebookClient(notebook, timeout=timeout, resources={"metadata": {"path": str(path.parent)}})
        client.execute(env=environment)
    return notebook


def write_reader(home: Path) -> None:
    """Progress of `READER`, who has done nothing yet."""
    (home / "progress.json").write_text(
        json.dumps({"version": 1, "reader": READER, "exercises": {}, "quizzes": {}}), encoding="utf-8"
    )


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Counts 1..N, no stderr, no widget state: an Explorer keeps its static picture, a progress bar disappears.

    What a cell printed in one go is one output, into however many messages the kernel happened to cut it. A cell keeps its id and a new
    one gets one of its own: a cell that is put in changes no other cell's JSON, but for the counts below where it holds code.
    """
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        language_info={"name": "python"},
    )
    count, taken = 0, set()
    for cell in notebook.cells:
        if not cell.get("id") or cell.id in taken:
            cell.id = uuid.uuid4().hex[:8]
        taken.add(cell.id)
        for key in ("execution", "collapsed", "trusted", "jupyter"):
            cell.metadata.pop(key, None)
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        kept = []
        for output in cell.outputs:
            data = output.get("data", {})
            bar = VIEW in data and "image/png" not in data and "text/html" not in data
            if output.get("name") == "stderr" or bar:
                continue
            data.pop(VIEW, None)
            if output.output_type == "execute_result":
                output.execution_count = count
            if kept and output.get("name") == kept[-1].get("name") == "stdout":
                kept[-1].text += output.text
                continue
            kept.append(output)
        cell.outputs = kept
    return notebook


def faults(path: Path) -> list[str]:
    """What breaks the rules for a committed lesson, a sentence each."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    found, cells = [], notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    if path.stat().st_size > MOST_BYTES:
        found.append(f"the file has {path.stat().st_size} bytes, {MOST_BYTES} are allowed")
    if "widgets" in notebook["metadata"]:
        found.append("the metadata hold widget state")
    if len({cell.get("id") for cell in cells}) != len(cells) or any(not cell.get("id") for cell in cells):
        found.append("cell ids are missing or not unique")
    if [cell["execution_count"] for cell in code] != list(range(1, len(code) + 1)):
        found.append("not executed once, in order: run tools/lessons.py on it")
    if code and lines(code[0]) > MOST_SETUP:
        found.append(f"the set-up cell has {lines(code[0])} lines, {MOST_SETUP} are allowed")
    for number, cell in enumerate(code):
        found += [f"code cell {number}: {fault}" for fault in cell_faults(cell)]
    found += prose.stale(notebook, ROOT)
    not_yet = NOT_YET.get(path.stem, set())
    found += [
        fault for kind, fault in house_faults(cells, guesses=not path.stem.startswith("00_")) if kind not in not_yet
    ]
    for cell in cells:
        found += [
            f"{item!r} is no curriculum item" for item in cell["metadata"].get("items", []) if not ITEM.fullmatch(item)
        ]
        found += [
            f"{error!r} is no error that is put right"
            for error in cell["metadata"].get("errors", [])
            if not ERROR.fullmatch(error)
        ]
    return found


def cell_faults(cell: dict) -> list[str]:
    found, tags = [], cell["metadata"].get("tags", [])
    if lines(cell) > MOST_LINES:
        found.append(f"{lines(cell)} lines, {MOST_LINES} are allowed")
    for output in cell["outputs"]:
        if output["output_type"] == "error" and "raises-exception" not in tags:
            found.append(f"a stored error: {output['ename']}")
        if output.get("name") == "stderr":
            found.append("stored stderr")
        if VIEW in output.get("data", {}):
            found.append("a stored widget view")
        if "image/png" in output.get("data", {}) and "[" not in "".join(output["data"].get("text/plain", "")):
            found.append("a picture without alt text")
        text = json.dumps(output.get("data", {}).get("text/plain", "")) + json.dumps(output.get("text", ""))
        if re.search(r"(/home/|/root/|/tmp/|/Users/|[A-Z]:\\\\)", text):
            found.append("an absolute path of the author's machine in an output")
    if (
        AGREEMENT.search(printed(cell))
        and "nbval-check-output" not in tags
        and not CHECKED.search("".join(cell["source"]))
    ):
        found.append("prints True or False, and nothing checks it: assert it, or tag the cell nbval-check-output")
    return found


def house_faults(cells: list[dict], *, guesses: bool = True) -> list[tuple[str, str]]:
    """What breaks the rules for a reader's code, each with its kind in one word."""
    found, code = [], [cell for cell in cells if cell["cell_type"] == "code"]
    for number, source in enumerate("".join(cell["source"]) for cell in code):
        if re.search(r"#\s*noqa", source, re.I):
            found.append(("noqa", f"code cell {number}: # noqa is for us, not for a reader"))
        if wide := [line for line in source.splitlines() if len(line) > MOST_COLUMNS]:
            told = f"{max(map(len, wide))} columns, {MOST_COLUMNS} are allowed: {wide[0].strip():.40}"
            found.append(("wide", f"code cell {number}: {told}"))
    asked = sum(len(re.findall(r"(?m)^predict\(", "".join(cell["source"]))) for cell in code)
    if guesses and asked < LEAST_GUESSES:
        found.append(("guesses", f"{asked} calls of predict, {LEAST_GUESSES} at least"))
    if unused := unused_imports(cells):
        found.append(("unused", f"the set-up cell imports what nothing uses or explains: {', '.join(unused)}"))
    return found


def unused_imports(cells: list[dict]) -> list[str]:
    """Names that the first code cell imports, and that stand in no code, not even as a comment, nor as code in a text."""
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    prose_ = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    if not code:
        return []
    imports = [node for node in ast.parse(code[0]).body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = [(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names]
    taken = {line for node in imports for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    rest = [line for number, line in enumerate(code[0].splitlines(), 1) if number not in taken]
    used = set(re.findall(r"\w+", "\n".join([*rest, *code[1:], *re.findall(r"`+[^`]+`+", prose_)])))
    return [name for name in names if name not in used]


def printed(cell: dict) -> str:
    """What a cell says in words, printed or as its value."""
    told = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in cell["outputs"]]
    return "\n".join("".join(text) for text in told)


def lines(cell: dict) -> int:
    return sum(bool(line.strip()) for line in "".join(cell["source"]).split("\n"))


def items(path: Path) -> set[str]:
    """The curriculum items that a lesson says it covers."""
    return {
        item
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]
        for item in cell["metadata"].get("items", [])
    }


def mark(path: Path, given: list[str]) -> None:
    """Write marks into a lesson: those that are given, as CELL:NUMERAL=SOURCE, or else those that leave no choice."""
    notebook = nbformat.read(path, as_version=4)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "markdown"}
    for text in given:
        match = re.fullmatch(r"([^:]+):([^=]+)=(.+)", text)
        if not match or match[1] not in cells:
            raise SystemExit(f"a mark is TEXT-CELL:NUMERAL=SOURCE, with the id of a text cell of {path}, got {text!r}")
        prose.set_mark(cells[match[1]], match[2].strip(), match[3].strip())
    print(*([] if given else prose.mark(notebook)), sep="\n")
    nbformat.write(notebook, path)


def main(arguments: list[str]) -> int:
    if arguments == ["--taught"]:
        from diffcourse.learn.curriculum import page

        (ROOT / "notebooks" / "TAUGHT.md").write_text(page(), encoding="utf-8")
        return 0
    modes = {a for a in arguments if a in ("--check", "--numbers", "--mark")}
    given = [a for a in arguments if a not in modes and not a.endswith(".ipynb")]
    if len(modes) > 1 or (given and "--mark" not in modes):
        print(__doc__)
        return 2
    broken = 0
    for path in map(Path, [a for a in arguments if a.endswith(".ipynb")]):
        if "--mark" in modes:
            mark(path, given)
        if "--numbers" in modes:
            print(f"{path}:", *prose.report(json.loads(path.read_text(encoding="utf-8"))), sep="\n")
            continue
        if not modes:
            start = time.monotonic()
            nbformat.write(normalise(execute(path)), path)
            print(f"{path}: ran in {time.monotonic() - start:.0f} s, {path.stat().st_size / 1000:.0f} kB")
        for fault in faults(path):
            broken += 1
            print(f"{path}: {fault}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
