"""Source code of exercises: the stub that a learner fills in, and the solution that stands by itself."""

import ast
import inspect
import io
import itertools
import re
import sys
import textwrap
import tokenize
from collections.abc import Collection, Iterable
from typing import Any

_DATA = "diffcourse.learn.exercises."  # what is defined there is shown in full, never imported


def stub(reference: Any, symbol: str, kind: str, given: Collection[str] = ()) -> str:
    """Signature and docstring of the reference, with `raise NotImplementedError` for every body; `name = ...` for a value.

    The functions named in `given` keep their body.
    """
    if kind == "value":
        return f"{symbol} = ..."
    text, node = _parsed(reference, symbol)
    lines = text.splitlines()
    functions = (
        [node] if isinstance(node, ast.FunctionDef) else [n for n in node.body if isinstance(n, ast.FunctionDef)]
    )
    if unknown := set(given) - {function.name for function in functions}:
        raise ValueError(f"given: {symbol} has no {' or '.join(sorted(unknown))}")
    for function in reversed([f for f in functions if f.name not in given]):
        has_doc = ast.get_docstring(function) is not None
        first = function.body[0]
        start = (first.end_lineno or first.lineno) if has_doc else first.lineno - 1
        body = " " * first.col_offset + "raise NotImplementedError"
        if start < function.lineno:  # the body stands on the line of the def
            lines[start] = lines[start][: first.col_offset].rstrip()
            start, body = start + 1, " " * (function.col_offset + 4) + "raise NotImplementedError"
        lines[start : function.end_lineno] = [body]
    return "\n".join(lines[node.lineno - 1 :])


def solution(reference: Any, symbol: str, kind: str) -> str:
    """The reference's source under the learner's name, after the imports and helpers that it needs."""
    if kind != "value":
        text = _standalone(reference, symbol)
    elif inspect.isfunction(reference):
        text = _standalone(reference, f"_work_out_{symbol}")
        text += f"\n\n\n{symbol} = _work_out_{symbol}()"
    else:
        value = repr(reference)
        imports = "from torch import tensor\n\n" if value.startswith("tensor(") else ""
        text = f"{imports}{symbol} = {value}"
    return text


def solution_lines(code: str) -> list[str]:
    """The statements and expressions of a solution that would give it away, without spaces."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Return | ast.Assign | ast.AugAssign) and node.value is not None:
            found |= {ast.unparse(node), ast.unparse(node.value)}
    return sorted(
        line for line in (bare(text) for text in found) if len(line) >= 8 and not re.fullmatch(r"[\w.=]+", line)
    )


def bare(text: str) -> str:
    """Text without spaces, to compare code that differs in layout only."""
    return re.sub(r"\s+", "", text)


def _parsed(obj: Any, name: str) -> tuple[str, Any]:
    text = textwrap.dedent(inspect.getsource(obj)).rstrip()
    if obj.__name__ != name:
        text = re.sub(rf"(?<![\w.]){re.escape(obj.__name__)}(?!\w)", name, text)
    node = ast.parse(text).body[0]
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        raise TypeError(f"{name}: the reference must be written with def or class")
    return text, node


def _standalone(obj: Any, name: str) -> str:
    imports: dict[str, None] = {}
    parts: dict[str, str] = {}
    _collect(obj, name, imports, parts)
    helpers = {helper for helper in parts if helper != name and not helper.startswith("_")}
    head = _grouped(imports)
    return "\n\n\n".join([*([head] if head else []), *(_private(text, helpers) for text in parts.values())])


def _private(text: str, helpers: set[str]) -> str:
    """The text with a _ before the names of the helpers, so that no variable of a lesson replaces them."""
    lines, depth, before = text.splitlines(), 0, ""
    found = []
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    for token, after in itertools.pairwise(tokens):
        depth += (token.string in "([{") - (token.string in ")]}") if token.type == tokenize.OP else 0
        is_keyword = depth > 0 and after.string == "="
        if token.type == tokenize.NAME and token.string in helpers and before != "." and not is_keyword:
            found.append(token.start)
        before = token.string
    for row, column in reversed(found):
        lines[row - 1] = lines[row - 1][:column] + "_" + lines[row - 1][column:]
    return "\n".join(lines)


def _grouped(imports: Iterable[str]) -> str:
    """Import lines, sorted, those from one module on one line."""
    plain = sorted(line for line in imports if line.startswith("import "))
    names: dict[str, list[str]] = {}
    for line in sorted(line for line in imports if line.startswith("from ")):
        start, _, name = line.partition(" import ")
        names.setdefault(start, []).append(name)
    return "\n".join([*plain, *(f"{start} import {', '.join(found)}" for start, found in names.items())])


def _collect(obj: Any, name: str, imports: dict[str, None], parts: dict[str, str]) -> None:
    """Put the source of obj into `parts`, after that of the helpers it uses, and what must be imported into `imports`."""
    text, node = _parsed(obj, name)
    module = sys.modules[obj.__module__]
    import_lines = _import_lines(inspect.getsource(module))
    bound = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)} | {name}
    bound |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    for word in dict.fromkeys(used):
        if word in bound or word in parts or not hasattr(module, word):
            continue
        value = getattr(module, word)
        public_in_package = (
            module.__name__.startswith("diffcourse.") and not module.__name__.startswith(_DATA) and word[0] != "_"
        )
        if word in import_lines and not import_lines[word].startswith(f"from {_DATA}"):
            imports[import_lines[word]] = None
        elif public_in_package:
            imports[f"from {module.__name__} import {word}"] = None
        elif inspect.isfunction(value) or inspect.isclass(value):
            parts[word] = ""  # keeps helpers that call each other from going round
            _collect(value, word, imports, parts)
        else:
            parts[word] = f"{word} = {value!r}"
    parts.pop(name, None)
    parts[name] = text


def _import_lines(module_source: str) -> dict[str, str]:
    """For every name that a module imports at its top, the line that imports it."""
    lines = {}
    for node in ast.parse(module_source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                one = (
                    ast.Import([alias])
                    if isinstance(node, ast.Import)
                    else ast.ImportFrom(node.module, [alias], node.level)
                )
                lines[alias.asname or alias.name.split(".")[0]] = ast.unparse(one)
    return lines
