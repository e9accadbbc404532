"""Source code of exercises: the stub that a learner fills in, and the solution that stands by itself.

It is read from the files of exercises, or from the cells of a notebook, which are the file of all that is defined in them.
"""

import ast
import inspect
import io
import itertools
import linecache
import re
import sys
import textwrap
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path
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


def text_of(obj: Any) -> str:
    """Source of a function or a class. `inspect` finds no class that was defined in a cell, since its module has no file."""
    try:
        source = (_class_text(obj) if inspect.isclass(obj) else None) or inspect.getsource(obj)
    except (OSError, TypeError) as error:
        raise OSError(f"the source of {obj.__name__} is not to be found: write it in a file or a cell") from error
    return textwrap.dedent(source).rstrip()


def names_around(obj: Any) -> Mapping[str, Any]:
    """The global names that a function, or the methods of a class, see."""
    for function in [_function(obj)] if _function(obj) else _functions(obj):
        if function.__module__ == obj.__module__:
            return function.__globals__
    return vars(sys.modules[obj.__module__])


def _parsed(obj: Any, name: str) -> tuple[str, Any]:
    text = text_of(obj)
    if obj.__name__ != name:
        text = re.sub(rf"(?<![\w.]){re.escape(obj.__name__)}(?!\w)", name, text)
    node = ast.parse(text).body[0]
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        raise TypeError(f"{name}: the reference must be written with def or class")
    return text, node


def _class_text(cls: type) -> str | None:
    """Source of a class, from where its methods are written; of one without methods, from the last cell that defines it."""
    for function in _functions(cls):
        code = function.__code__
        linecache.checkcache(code.co_filename)
        text = "".join(linecache.getlines(code.co_filename, function.__globals__))
        for node in _definitions(text, cls):
            if node.lineno <= code.co_firstlineno <= (node.end_lineno or 0):
                return _whole(text, node)
    for text in _cells() if cls.__module__ == "__main__" else []:
        if found := _definitions(text, cls):
            return _whole(text, found[-1])
    return None


def _functions(cls: type) -> Iterator[Any]:
    """The functions in the body of a class, those in a property, a classmethod and the like too."""
    for value in vars(cls).values():
        for part in (value, *(getattr(value, inner, None) for inner in ("__func__", "fget", "func"))):
            if inspect.isfunction(part):
                yield inspect.unwrap(part)


def _definitions(text: str, cls: type) -> list[ast.ClassDef]:
    return [node for node in ast.walk(_tree(text)) if isinstance(node, ast.ClassDef) and node.name == cls.__name__]


def _whole(text: str, node: ast.ClassDef) -> str:
    """The lines of a definition, its decorators first."""
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def _cells() -> list[str]:
    """What was run in this notebook, the latest cell first; nothing outside of one."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return list(reversed(shell.history_manager.input_hist_parsed)) if shell else []


@lru_cache(maxsize=64)
def _tree(text: str) -> ast.Module:
    """The code, parsed; nothing for a cell that is no Python."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module([], [])


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
    _collect_needs(node, name, names_around(obj), imports, parts)
    parts.pop(name, None)
    parts[name] = text


def _collect_needs(
    node: ast.AST, name: str, names: Mapping[str, Any], imports: dict[str, None], parts: dict[str, str]
) -> None:
    """Collect what the code of `node` needs of the module whose names are `names`."""
    module, import_lines = names["__name__"], _import_lines(names)
    bound = {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)} | {name}
    bound |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)]
    for word in dict.fromkeys(used):
        if word in bound or word in parts or word not in names:
            continue
        value = names[word]
        line = None if _is_of(value, module) else import_lines.get(word) or _import_of(value, word, module)
        public_in_package = module.startswith("diffcourse.") and not module.startswith(_DATA) and word[0] != "_"
        if line and not _brings_along(line, names):
            imports[line] = None
        elif public_in_package:
            imports[f"from {module} import {word}"] = None
        elif inspect.isclass(value) or (_function(value) and value.__name__ != "<lambda>"):
            parts[word] = ""  # keeps helpers that call each other from going round
            _collect(value, word, imports, parts)
        elif _is_literal(value):
            parts[word] = f"{word} = {value!r}"
        else:
            _collect_assignment(word, value, _module_of(line) if line else names, imports, parts)


def _collect_assignment(
    word: str, value: Any, names: Mapping[str, Any], imports: dict[str, None], parts: dict[str, str]
) -> None:
    """A constant that Python does not print as code, such as a tensor: the line that makes it, and what that needs."""
    for text in _texts(names) if names.get(word) is value else []:
        for node in reversed(_tree(text).body):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and word in map(_id, targets):
                parts[word] = ""
                _collect_needs(node.value, word, names, imports, parts)
                parts.pop(word)
                parts[word] = f"{word} = {ast.unparse(node.value)}"
                return
    raise ValueError(
        f"{word} cannot be written into the solution: make it with def, class or one line {word} = …, or import it by its name"
    )


def _id(target: Any) -> str | None:
    return target.id if isinstance(target, ast.Name) else None


def _is_literal(value: Any) -> bool:
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except Exception:  # of a repr that is no code, or an == that is not yes or no
        return False


def _is_of(value: Any, module: str) -> bool:
    """Was this function or class defined in the module, whatever was imported under its name before?"""
    return bool(inspect.isclass(value) or _function(value)) and value.__module__ == module


def _function(value: Any) -> Any:
    """The function in a value, under decorators such as `functools.cache`; None if there is none."""
    inside = inspect.unwrap(value) if callable(value) else None
    return inside if inspect.isfunction(inside) else None


def _texts(names: Mapping[str, Any]) -> list[str]:
    """Source of the module that has these names: the cells of a notebook, the latest first, or its file."""
    cells = _cells() if names["__name__"] == "__main__" else []
    if file := names.get("__file__"):
        linecache.checkcache(file)
        return [*cells, "".join(linecache.getlines(file, dict(names)))]
    return cells


def _import_lines(names: Mapping[str, Any]) -> dict[str, str]:
    """For every name that a module imports at its top, the line that imports it."""
    lines = {}
    for node in (node for text in reversed(_texts(names)) for node in _tree(text).body):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                if isinstance(node, ast.Import):
                    one: ast.stmt = ast.Import([alias])
                else:
                    module, package = "." * node.level + (node.module or ""), names.get("__package__")
                    one = ast.ImportFrom(resolve_name(module, package) if package else module, [alias], 0)
                lines[alias.asname or alias.name.split(".")[0]] = ast.unparse(one)
    return lines


def _import_of(value: Any, word: str, into: str) -> str | None:
    """The line that imports a module, function or class as `word`, told from the value; None for what is no import."""
    if inspect.ismodule(value):
        return f"import {value.__name__}" + ("" if value.__name__ == word else f" as {word}")
    home, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if home in (into, None) or not isinstance(name, str) or getattr(sys.modules.get(home), name, None) is not value:
        return None
    return f"from {home} import {name}" + ("" if name == word else f" as {word}")


def _brings_along(line: str, names: Mapping[str, Any]) -> bool:
    """Does the line import from a file that a learner does not have: one of exercises, or of helpers beside it?"""
    module = line.split()[1]
    beside = "." not in module and module[0] == "_" and "__file__" in names
    return line.startswith("from ") and (
        module.startswith(_DATA) or (beside and Path(names["__file__"]).with_name(f"{module}.py").is_file())
    )


def _module_of(line: str) -> Mapping[str, Any]:
    return vars(sys.modules[line.split()[1]])
