"""Judges the answers in somebody else's notebook: `python -m diffcourse.learn.judging`, which `diffcourse.grading` starts behind a fence.

Of a notebook only what its answers need is run: the cell that checks an exercise, the cells above it that last bound the names which that
one uses, those that these use, and so on. Training, figures and explorers are left out. Each exercise begins with no names at all. `check`
is taken out of her code: the answer itself is what `diagnose` of our own, found before any of her code ran, looks at.
"""

import ast
import builtins
import functools
import linecache
import re
import symtable
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from diffcourse.fence import Line
from diffcourse.learn import answers, compare, diagnosis, exercise, gradients, patterns, registry, run, state
from diffcourse.learn.exercise import Exercise

_THIS = sys.modules[__name__]
HERS = "<cell "  # how the files of her code are called
_SHOWN = {
    "hint",
    "solution",
    "quiz",
    "predict",
    "outcome",
    "mixed",
    "reveal",
    "progress",
    "expect",
    "get_ipython",
    "display",
}
_FORBIDDEN = re.compile(
    r"diffcourse\.learn\.\w|from diffcourse\.learn import [^\n]*\b(registry|diagnosis|source)\b|lesson_\d"
)
_ODD = re.compile(
    r"_getframe|currentframe|f_back|f_locals|f_globals|__subclasses__|\bgc\.|\bctypes\b|settrace|setprofile"
    r"|\bimportlib\b|__import__|\bexec\(|(?<![\w.])eval\(|(?<![\w.])open\(|\blinecache\b|\binspect\b|__code__|__globals__|\bsys\.modules\b"
)


@dataclass
class Cell:
    """A code cell: what it binds, changes and imports, the names that it uses as it runs and those that its functions use later."""

    place: int
    source: str
    tags: Sequence[str] = ()
    tree: ast.Module = field(default_factory=lambda: ast.Module([], []))
    broken: str = ""
    binds: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    now: set[str] = field(default_factory=set)
    later: set[str] = field(default_factory=set)
    checks: dict[str, ast.expr] = field(default_factory=dict)
    solutions: list[str] = field(default_factory=list)
    quizzes: dict[str, str] = field(default_factory=dict)

    @functools.cached_property
    def code(self) -> Any:
        """The cell, compiled; its lines can be quoted."""
        name = f"{HERS}{self.place}>"
        linecache.cache[name] = (len(self.source), None, self.source.splitlines(keepends=True), name)
        return compile(self.tree, name, "exec")


def cells(sources: Sequence[str], tags: Sequence[Sequence[str]]) -> list[Cell]:
    """The code cells of a notebook, read and not run."""
    return [_cell(i, source, tags[i]) for i, source in enumerate(sources)]


def _cell(place: int, source: str, tags: Sequence[str]) -> Cell:
    cell = Cell(place, source, tags)
    try:
        cell.tree = ast.parse(_python(source))
        cell.tree = ast.fix_missing_locations(_Unchecked(cell).visit(cell.tree))
        for statement in cell.tree.body:
            binds, changes, now, later = _names(statement)
            cell.now |= now - cell.binds
            cell.later |= later
            cell.binds |= binds
            cell.changes |= changes
            if isinstance(statement, ast.Import | ast.ImportFrom):
                cell.imports |= {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        cell.broken, cell.tree = f"{type(error).__name__}: {error}"[:200], ast.Module([], [])
    return cell


def _python(source: str) -> str:
    """A cell without the magics of IPython."""
    try:
        from IPython.core.inputtransformer2 import TransformerManager
    except ImportError:
        return source
    return TransformerManager().transform_cell(source)


class _Unchecked(ast.NodeTransformer):
    """Notes the calls of check, solution and quiz, puts what is checked in the place of its check, and drops what only shows something."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def visit_Expr(self, node: ast.Expr) -> Any:
        name = _called(node.value)
        if name == "solution":
            self.cell.solutions += _texts(node.value)[:1]
        if name == "quiz" and len(given := _texts(node.value)) == 2:
            self.cell.quizzes[given[0]] = given[1]
        return ast.copy_location(ast.Pass(), node) if name in _SHOWN else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if _called(node) == "check" and len(node.args) == 2 and len(texts := _texts(node)) == 1:
            self.cell.checks[texts[0]] = node.args[1]
            return node.args[1]
        return node


def _called(node: ast.AST) -> str:
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "id", "") or getattr(function, "attr", "")


def _texts(call: Any) -> list[str]:
    given = [*call.args, *(k.value for k in call.keywords)]
    return [node.value for node in given if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _names(statement: ast.stmt) -> tuple[set[str], set[str], set[str], set[str]]:
    """What a statement binds, what it may change, the names that it uses at once, and those that its functions use when they are called."""
    top = symtable.symtable(ast.unparse(statement), "cell", "exec")
    binds = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    now = {s.get_name() for s in top.get_symbols() if s.is_referenced()}
    later: set[str] = set()
    for inner in top.get_children():
        found = {s.get_name() for table in _all(inner) for s in table.get_symbols() if s.is_global()}
        at_once = inner.get_type() == "class" or inner.get_name().strip("<>") in _AT_ONCE
        now |= found if at_once else set()
        later |= found if inner.get_name().strip("<>") not in _AT_ONCE else set()
    changes: set[str] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Assign | ast.Delete):
            changes |= {_root(target) for target in node.targets}
        if isinstance(node, ast.AugAssign):
            changes |= {_root(node.target)}
            now |= {_root(node.target)}
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Attribute)
        ):
            changes |= {_root(node.value.func)}  # model.eval(), found.append(x)
    return binds, changes & now, now - {""}, later


_AT_ONCE = {"listcomp", "setcomp", "dictcomp", "genexpr"}


def _all(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _all(inner)


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def needed(found: Sequence[Cell], names: set[str], upto: int) -> list[Cell]:
    """The cells before `upto` without which `names` do not stand there as they do when all cells run, in their order."""
    modules = {name for cell in found for name in cell.imports}  # plot.curves() changes no plot
    chosen: set[int] = set()
    seen: set[tuple[str, int]] = set()
    todo = [(name, upto) for name in names]
    while todo:
        name, before = todo.pop()
        standing = [c for c in found[:before] if name in c.binds or name in c.changes - modules]
        if standing and (cell := standing[-1]).place not in chosen:
            chosen.add(cell.place)
            fresh = {(n, cell.place) for n in cell.now} | {(n, upto) for n in cell.later}
            todo += fresh - seen
            seen |= fresh
    return [cell for cell in found[:upto] if cell.place in chosen or "*" in cell.imports]


# -- one exercise -----------------------------------------------------------------------------------------------------


class Judge:
    """Judges the exercises of one notebook, in the order in which they are asked for."""

    def __init__(self, found: Sequence[Cell]) -> None:
        self.cells = found
        self.replaced: dict[int, tuple[str, Any]] = {}  # at which cell a reference takes the place of an answer
        self.watch = _Watch()

    def judge(self, asked: Exercise) -> dict[str, Any]:
        """What becomes of an exercise: {"status", "mistake", "why", "notes"}; a status besides those of `Verdict` is cell missing."""
        where, answer = self._where(asked)
        if where is None:
            return _found("cell missing")
        names = {node.id for node in ast.walk(answer) if isinstance(node, ast.Name)}
        used = needed(self.cells, names, where + 1)
        own = [cell for cell in self.cells if f"exercise:{asked.name}" in cell.tags]
        if broken := next((cell.broken for cell in [*used, *own, self.cells[where]] if cell.broken), ""):
            return _found("wrong", why=f"Its cell is no Python: {broken}.")
        self.watch.begin()
        result = self._result(asked, used, answer)
        if "NameError" in result["why"]:  # we took a cell for one that is not needed
            used = list(self.cells[: where + 1])
            result = self._result(asked, used, answer)
        result["notes"] += self._notes(asked, used, own)
        text = "\n".join(cell.source for cell in used)
        if result["status"] == "right" and (self.watch.touched or _FORBIDDEN.search(text)):
            result |= {"status": "reference", "why": "Her code asks the package for its reference."}
        if self.watch.tampered():
            result |= {"status": "wrong", "mistake": None, "why": "Her code changes what judges it."}
        if result["status"] != "right":
            self.replaced[where] = (asked.symbol, answers._reference(asked))
        return result

    def _where(self, asked: Exercise) -> tuple[int | None, ast.expr]:
        """The place of the cell in which an exercise is answered for the last time, and its answer."""
        symbol: ast.expr = ast.Name(asked.symbol, ast.Load())
        checked = [cell for cell in self.cells if asked.name in cell.checks]
        if checked:
            return checked[-1].place, checked[-1].checks[asked.name]
        tagged = [cell.place for cell in self.cells if f"exercise:{asked.name}" in cell.tags]
        bound = [cell.place for cell in self.cells if asked.symbol in cell.binds]
        return next(iter(tagged[-1:] or bound[-1:]), None), symbol

    def _result(self, asked: Exercise, used: Sequence[Cell], answer: ast.expr) -> dict[str, Any]:
        names, stopped = self._run(used)
        code = compile(ast.fix_missing_locations(ast.Expression(answer)), f"{HERS}check>", "eval")
        try:
            got = eval(code, names)
        except BaseException as error:
            first = stopped or f"{type(error).__name__}: {error}"
            return _found("wrong", why=f"There is no answer: {first[:200]}.")
        if _of_package(got):
            return _found("reference", why=f"It is {got.__module__}.{got.__qualname__} of the package.")
        if answers._is_reference(asked, got):
            return _found("reference", why="It is the reference.")
        try:
            verdict = diagnosis.diagnose(asked, got)
        except KeyboardInterrupt:
            return _found("wrong", why="It raises KeyboardInterrupt.")
        says = " ".join(verdict.says) if verdict.status == "wrong" else ""
        notes = [f"above it, {stopped[:120]}"] if stopped and verdict.status == "wrong" else []
        return {"status": verdict.status, "mistake": verdict.mistake, "why": says[:400], "notes": notes}

    def _run(self, used: Sequence[Cell]) -> tuple[dict[str, Any], str]:
        """The names after these cells, which begin with none, and the first error. References stand where answers were not right."""
        main = ModuleType("__main__")
        sys.modules["__main__"] = main
        names, stopped = vars(main), ""
        names |= {"__builtins__": builtins, "display": _nothing, "get_ipython": _nothing}
        for cell in used:
            try:
                exec(cell.code, names)
            except BaseException as error:  # SystemExit and KeyboardInterrupt too: nobody else raises them here
                stopped = stopped or f"cell {cell.place + 1} stops with {type(error).__name__}: {error}"
            names |= dict([self.replaced[cell.place]] if cell.place in self.replaced else [])
        return names, stopped

    def _notes(self, asked: Exercise, used: Sequence[Cell], own: Sequence[Cell]) -> list[str]:
        """What a teacher may want to look at: signs, and no proofs."""
        notes = []
        if any(asked.name in cell.solutions for cell in self.cells):
            notes.append("the notebook shows the solution")
        if any(_same(asked, cell) for cell in [*own, *used]):
            notes.append("the solution, word for word")
        if odd := sorted({word for cell in used for word in _ODD.findall(cell.source)}):
            notes.append(f"its code says {', '.join(odd)}")
        return notes


def _nothing(*args: Any, **kwargs: Any) -> None:
    """Stands for what shows something in a notebook."""


def _found(status: str, why: str = "") -> dict[str, Any]:
    return {"status": status, "mistake": None, "why": why, "notes": []}


def _of_package(answer: Any) -> bool:
    try:
        return (
            callable(answer) and answer.__module__.split(".")[0] == "diffcourse" and not hasattr(answer, answers._MARK)
        )
    except Exception:  # whatever one asks it, it may raise
        return False


def _same(asked: Exercise, cell: Cell) -> bool:
    """Does a cell hold the body of the solution's function or class, docstrings and comments aside?"""
    try:
        solution = [node for node in ast.parse(asked.solution).body if getattr(node, "name", "") == asked.symbol]
    except (SyntaxError, OSError, TypeError):
        return False
    hers = [node for node in cell.tree.body if getattr(node, "name", "") == asked.symbol]
    return bool(solution) and any(_bare(node) == _bare(solution[0]) for node in hers)


def _bare(node: Any) -> str:
    for part in ast.walk(node):
        body = getattr(part, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            part.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
    return "\n".join(ast.dump(statement) for statement in node.body)


# -- who watches ------------------------------------------------------------------------------------------------------


class _Watch:
    """Sees whether her code looks at an `Exercise`, which holds the reference, and whether it changes what judges it."""

    def __init__(self) -> None:
        self.touched = False
        plain = object.__getattribute__

        def seen(this: Exercise, name: str) -> Any:
            self.touched |= sys._getframe(1).f_code.co_filename.startswith(HERS)
            return plain(this, name)

        Exercise.__getattribute__ = seen  # type: ignore[method-assign, assignment]
        self.kept = _standing()

    def begin(self) -> None:
        self.touched = False

    def tampered(self) -> bool:
        now = _standing()
        return any(now.get(key) != value for key, value in self.kept.items())


def _standing() -> dict[tuple[str, str], tuple[int, int]]:
    """What the parts that judge are now, each by the identity of itself and of its code. Of PyTorch only what it leaves alone."""
    import torch

    parts = [answers, compare, diagnosis, exercise, gradients, patterns, registry, run, state, _THIS]
    kinds = [kind for part in parts for kind in vars(part).values() if isinstance(kind, type) and _ours(kind)]
    standing = {(torch.__name__, name): getattr(torch, name) for name in ("allclose", "isclose", "equal", "as_tensor")}
    homes: list[Any] = [*parts, *dict.fromkeys(kinds), builtins]
    for home in homes:
        standing |= {(home.__name__, name): value for name, value in vars(home).items() if callable(value)}
    standing.pop((Exercise.__name__, "__getattribute__"), None)
    return {key: (id(value), id(getattr(value, "__code__", None))) for key, value in standing.items()}


def _ours(kind: type) -> bool:
    return kind.__module__ == _THIS.__name__ or kind.__module__.startswith("diffcourse.")


def main() -> None:
    """Judge what the job names, one exercise after the other, and send each result as it is found."""
    line = Line()
    for name, text in line.job["helpers"].items():
        with open(name, "w", encoding="utf-8") as file:  # in her folder, the current one
            file.write(text)
    judging: Callable[[Exercise], dict[str, Any]] = Judge(cells(line.job["cells"], line.job["tags"])).judge
    for name in line.job["exercises"]:
        line.send({"begins": name})
        result = judging(registry.exercise(name))
        line.send({"exercise": name, **result, "refused": sorted(set(line.refused))})
    line.send("done")


if __name__ == "__main__":
    main()
