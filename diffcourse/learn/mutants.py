"""Wrong answers made from a reference: the audit wants each of them refused, and `check` says which of them an unforeseen answer equals.

By argument: it is frozen, ignored, negated, interchanged with another, cut from the graph, changed in place. By source: an operator, a
boundary, a constant, a term, a call, a keyword is another one, or missing.
"""

import ast
import copy
import functools
import inspect
import itertools
import numbers
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.learn import source, state
from diffcourse.learn.exercise import Case, Exercise
from diffcourse.learn.words import short


@dataclass(frozen=True, eq=False)
class Mutant:
    """A changed reference. `says` goes on after "Yours is "; empty where it is told otherwise (a gradient, a side effect)."""

    name: str
    answer: Any
    says: str = ""


@functools.lru_cache(maxsize=256)
@state.left_alone
def mutants(exercise: Exercise) -> tuple[Mutant, ...]:
    """All mutants of an exercise's reference, those of arguments first."""
    found: dict[str, Mutant] = {}
    for mutant in (*_by_argument(exercise), *_by_source(exercise)):
        name, n = mutant.name, 2
        while name in found:
            name, n = f"{mutant.name} ({n})", n + 1
        found[name] = Mutant(name, mutant.answer, mutant.says)
    return tuple(found.values())


# -- by argument ------------------------------------------------------------------------------------------------------

Change = Callable[[Any], Any]


def _by_argument(exercise: Exercise) -> Iterator[Mutant]:
    if exercise.kind == "value":
        return
    bounds = [_bound(exercise, case) for case in exercise.build_cases()]
    values: dict[str, list[Any]] = {}
    for bound in bounds:
        for name, value in bound.items():
            values.setdefault(name, []).append(value)
    for name, seen in values.items():
        for how, change, says in _changes(name, seen):
            yield Mutant(f"{name} {how}", _with(exercise, {name: change}), says)
        if _fits(seen, _floating) and (exercise.gradients is None or name in exercise.gradients):
            yield Mutant(f"{name} detached", _with(exercise, {name: lambda v: v.detach()}))
        if _fits(seen, _floating):
            yield Mutant(f"{name} changed in place", _with(exercise, {}, after=name))
    for a, b in itertools.combinations(values, 2):
        if _alike([(bound[a], bound[b]) for bound in bounds if a in bound and b in bound]):
            says = f"what comes out with {a} and {b} interchanged."
            yield Mutant(f"{a} and {b} interchanged", _interchanged(exercise, a, b), says)
    yield Mutant("seeds the global generator", _around(exercise, lambda call: (torch.manual_seed(0), call())[1]))
    if exercise.gradients != []:
        yield Mutant("its result detached", _around(exercise, lambda call: _detached(call())))


def _bound(exercise: Exercise, case: Case) -> dict[str, Any]:
    """What every argument is in a case: of the call for a function; of __init__ and of the method for a class."""
    if exercise.kind == "function":
        return dict(inspect.signature(exercise.reference).bind(*case.args, **case.kwargs).arguments)
    built = inspect.signature(exercise.reference).bind(*case.args, **case.kwargs).arguments
    method = inspect.signature(getattr(exercise.reference, exercise.method(case)))
    called = method.bind(None, *case.inputs).arguments
    return dict(built) | dict(list(called.items())[1:])


def _changes(name: str, seen: list[Any]) -> Iterator[tuple[str, Change, str]]:
    """Ways to change an argument, given the values that it has in the cases."""
    first = seen[0]
    if isinstance(first, numbers.Real | str | tuple) or first is None:
        yield (
            f"always {short(first)}",
            lambda v: first,
            f"what comes out if {name} were always {short(first)}, whatever is given.",
        )
    if _fits(seen, _floating):
        yield "ignored", torch.zeros_like, f"what comes out with zeros in the place of {name}."
        yield "taken as ones", torch.ones_like, f"what comes out with ones in the place of {name}."
        yield "under a root", lambda v: v.abs().sqrt(), f"what comes out with the root of {name} in its place."
    if _fits(seen, lambda v: isinstance(v, Tensor) and v.ndim > 0 and v.shape[0] > 1, some=True):
        yield "its first row for all", _first_row, f"what comes out if the first entry of {name} stands for all."
        yield (
            "rows reversed",
            lambda v: v.flip(0) if v.ndim else v,
            f"what comes out with the rows of {name} in reversed order.",
        )
    if _fits(seen, lambda v: _floating(v) or _number(v)):
        yield "negated", lambda v: -v, f"what comes out with the sign of {name} turned."
        yield "squared", lambda v: v**2, f"what comes out with the square of {name} in its place."
        yield "doubled", lambda v: 2 * v, f"what comes out with twice {name} in its place."
        yield (
            "halved",
            lambda v: v / 2 if not isinstance(v, int) else v // 2,
            f"what comes out with half of {name} in its place.",
        )
        yield "one minus it", lambda v: 1 - v, f"what comes out with 1 - {name} in the place of {name}."
    if _fits(seen, lambda v: _number(v) or (isinstance(v, Tensor) and v.dtype != torch.bool)):
        yield "one more", lambda v: v + 1, f"what comes out with {name} + 1 in the place of {name}."
        yield "one less", lambda v: v - 1, f"what comes out with {name} - 1 in the place of {name}."
    if _fits(seen, lambda v: isinstance(v, Tensor) and v.dtype == torch.bool):
        yield "turned round", lambda v: ~v, f"what comes out with {name} turned round: True where it is False."
    if _fits(seen, lambda v: isinstance(v, list | tuple) and len(v) > 0, some=True):
        yield (
            "in reversed order",
            lambda v: type(v)(v[::-1]) if type(v) in (list, tuple) else v,
            f"what comes out with {name} in reversed order.",
        )
        yield "without its last", lambda v: v[:-1], f"what comes out without the last of {name}."
        yield "without its first", lambda v: v[1:], f"what comes out without the first of {name}."
    if _fits(seen, lambda v: isinstance(v, torch.Generator)):
        yield "another one", lambda v: torch.Generator().manual_seed(1), ""
    if _fits(seen, lambda v: isinstance(v, nn.Module)):
        yield (
            "in the other mode",
            _other_mode,
            f"what comes out with {name} in the other mode: train and eval interchanged.",
        )
    if _fits(seen, lambda v: callable(v) and not isinstance(v, type)):
        yield "called twice", _twice, ""


def _fits(seen: list[Any], kind: Callable[[Any], bool], some: bool = False) -> bool:
    return any(map(kind, seen)) if some else all(map(kind, seen))


def _floating(v: Any) -> bool:
    return isinstance(v, Tensor) and v.is_floating_point()


def _number(v: Any) -> bool:
    return isinstance(v, int | float) and not isinstance(v, bool)


def _first_row(v: Any) -> Any:
    return v[:1].expand_as(v).clone() if isinstance(v, Tensor) and v.ndim else v


def _other_mode(v: nn.Module) -> nn.Module:
    return copy.deepcopy(v).train(not v.training)


def _twice(f: Callable) -> Callable:
    def twice(*args: Any, **kwargs: Any) -> Any:
        f(*args, **kwargs)
        return f(*args, **kwargs)

    if not isinstance(f, nn.Module):
        return twice
    twin = copy.copy(f)  # with the methods and parameters of the network
    twin.__class__ = type("Twice", (type(f),), {"__call__": lambda self, *args, **kwargs: twice(*args, **kwargs)})
    return twin


def _alike(pairs: list[tuple[Any, Any]]) -> bool:
    """Could the two be interchanged: tensors of one shape, or numbers, wherever both are given?"""

    def alike(x: Any, y: Any) -> bool:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return x.shape == y.shape and x.is_floating_point() == y.is_floating_point()
        return _number(x) and _number(y)

    return bool(pairs) and all(alike(x, y) for x, y in pairs)


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach()
    return type(value)(_detached(item) for item in value) if type(value) in (tuple, list) else value


def rewritten(exercise: Exercise, rewrite: Callable[[Callable], Callable], also: Sequence[str] = ()) -> Any:
    """The reference with its function rewritten, or the methods of a class that the cases call, and `also` these."""
    reference = exercise.reference
    if exercise.kind == "function":
        return rewrite(reference)
    methods = {*also, *(exercise.method(case) for case in exercise.build_cases())}
    return type(reference.__name__, (reference,), {name: rewrite(getattr(reference, name)) for name in methods})


def _around(exercise: Exercise, wrap: Callable[[Callable], Any]) -> Any:
    """The reference with something done around its call."""
    return rewritten(exercise, lambda f: lambda *args, **kwargs: wrap(lambda: f(*args, **kwargs)))


def _with(exercise: Exercise, changes: dict[str, Change], after: str = "") -> Any:
    """The reference with its arguments changed, by name; `after`: this one is changed in place when all is done."""
    return _rebound(exercise, lambda given: given | {k: f(given[k]) for k, f in changes.items() if k in given}, after)


def _interchanged(exercise: Exercise, a: str, b: str) -> Any:
    return _rebound(exercise, lambda g: g | {a: g[b], b: g[a]} if a in g and b in g else g)


def _rebound(exercise: Exercise, change: Callable[[dict], dict], after: str = "") -> Any:
    def changed(function: Callable) -> Callable:
        signature = inspect.signature(function)

        def call(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            given = dict(bound.arguments)
            bound.arguments.update(change(given))
            result = function(*bound.args, **bound.kwargs)
            if after in given:
                given[after].data.add_(1)
            return result

        return call

    return rewritten(exercise, changed, also=["__init__"])


# -- by source --------------------------------------------------------------------------------------------------------

Site = tuple[str, str, ast.AST]  # name, what is said, and the new node


def _by_source(exercise: Exercise) -> Iterator[Mutant]:
    reference = exercise.reference
    if not (inspect.isfunction(reference) or inspect.isclass(reference)):
        return
    tree = ast.parse(textwrap.dedent(source.text_of(reference)))
    namespace = dict(source.names_around(reference))
    parents = [node for node in ast.walk(tree) if not _in_signature(node)]
    arguments = _arguments(tree)
    for parent in parents:
        for field, index, node in _children(parent):
            if isinstance(parent, ast.keyword) and parent.arg == "strict":
                continue
            if field in ("annotation", "returns", "decorator_list", "args", "bases") and not isinstance(
                parent, ast.Call
            ):
                continue
            for name, says, new in _sites(node, arguments):
                if name.partition(" -> ")[0] == name.partition(" -> ")[2]:  # 0.0, twice as large
                    continue
                changed = ast.fix_missing_locations(_replaced(tree, parent, field, index, new))
                code = compile(ast.unparse(changed), f"<{name}>", "exec")
                yield Mutant(name, _made(code, reference, namespace), says)


def _made(code: Any, reference: Any, namespace: dict[str, Any]) -> Any:
    made = dict(namespace)
    exec(code, made)
    return made[reference.__name__]


def _in_signature(node: ast.AST) -> bool:
    return isinstance(node, ast.arguments | ast.arg | ast.JoinedStr | ast.Raise)


def _children(parent: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for field, value in ast.iter_fields(parent):
        if isinstance(value, list):
            yield from ((field, i, item) for i, item in enumerate(value) if isinstance(item, ast.AST))
        elif isinstance(value, ast.AST):
            yield field, None, value


def _replaced(tree: ast.AST, parent: ast.AST, field: str, index: int | None, new: ast.AST) -> ast.AST:
    """A copy of the tree with one child replaced; the tree itself is as it was."""
    siblings = getattr(parent, field)
    old = siblings if index is None else siblings[index]
    if index is None:
        setattr(parent, field, new)
    else:
        siblings[index] = new
    twin = copy.deepcopy(tree)
    if index is None:
        setattr(parent, field, old)
    else:
        siblings[index] = old
    return twin


def _arguments(tree: ast.AST) -> list[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return [arg.arg for function in functions[:1] for arg in function.args.args if arg.arg != "self"]


_COMPARE = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_TURNED = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_OPERATORS = {
    ast.Add: (ast.Sub, "a minus where a plus belongs"),
    ast.Sub: (ast.Add, "a plus where a minus belongs"),
    ast.Mult: (ast.Div, "a quotient where a product belongs"),
    ast.Div: (ast.Mult, "a product where a quotient belongs"),
    ast.FloorDiv: (ast.Div, "a fraction where whole numbers belong"),
}
_FUNCTIONS = {
    "mean": "sum", "sum": "mean", "max": "min", "min": "max", "amax": "amin", "amin": "amax", "argmax": "argmin", "floor": "ceil",
    "ceil": "floor", "round": "floor", "sin": "cos", "cos": "sin", "var": "std", "std": "var", "rand": "randn", "randn": "rand",
    "cumprod": "cumsum", "cumsum": "cumprod", "log2": "log", "square": "abs", "softmax": "sigmoid", "norm": "sum",
    "zeros_like": "ones_like",
    "zeros": "ones", "ones": "zeros", "log1p": "log", "mse_loss": "l1_loss", "repeat": "repeat_interleave", "repeat_interleave": "repeat",
}  # fmt: skip
_DROPPED = frozenset(
    """exp log sqrt square abs clamp sum mean softmax sigmoid tanh relu silu cumprod flip round floor log2 detach max min long float norm mT
    softplus expm1 log1p normalize contiguous clone eval train to""".split()  # noqa: SIM905
)


def _sites(node: ast.AST, arguments: list[str]) -> Iterator[Site]:
    """What a node can be replaced by."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for table, says in (
            (_COMPARE, "what comes out if equality counts to the other side of a comparison."),
            (_TURNED, "what comes out with a condition turned round."),
        ):
            if new := table.get(type(node.ops[0])):
                yield _site(node, ast.Compare(node.left, [new()], node.comparators), says)
    elif isinstance(node, ast.BinOp):
        yield from _operations(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not | ast.Invert):
        says = "a sign turned" if isinstance(node.op, ast.USub) else "a condition turned round"
        yield _site(node, node.operand, f"what comes out with {says}.")
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield from _constants(node)
    elif isinstance(node, ast.Call):
        yield from _calls(node)
    elif isinstance(node, ast.IfExp):
        yield _site(node, node.body, "right where a condition holds, and goes the same way where it does not.")
        yield _site(node, node.orelse, "right where a condition does not hold, and goes the same way where it does.")
    elif isinstance(node, ast.BoolOp):
        other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield _site(node, ast.BoolOp(other, node.values), "what comes out with and for or, or the reverse.")
    elif isinstance(node, ast.If):
        yield (
            f"never: if {ast.unparse(node.test)}",
            "what comes out if a special case is left out.",
            ast.If(ast.Constant(False), node.body, node.orelse),
        )
        yield (
            f"always: if {ast.unparse(node.test)}",
            "what comes out if a special case is taken for the rule.",
            ast.If(ast.Constant(True), node.body, node.orelse),
        )
    elif isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)):
        yield f"without: {ast.unparse(node)}", "what comes out if a step is left out.", ast.Pass()
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in arguments:
        for name in arguments:
            if name != node.id:
                says = f"what comes out with {name} in a place where {node.id} belongs."
                yield _site(node, ast.Name(name, ast.Load()), says)


def _site(old: ast.AST, new: ast.AST, says: str) -> Site:
    return f"{ast.unparse(old)} -> {ast.unparse(new)}", says, new


def _operations(node: ast.BinOp) -> Iterator[Site]:
    if type(node.op) in _OPERATORS:
        other, says = _OPERATORS[type(node.op)]
        yield _site(node, ast.BinOp(node.left, other(), node.right), f"what comes out with {says}.")
    if isinstance(node.op, ast.Pow):
        power = ast.unparse(node.right)
        what = {"0.5": "a root", "2": "a square", "1 / 2": "a root"}.get(power, "a power")
        yield _site(node, node.left, f"what comes out without {what}.")
        return
    what = "term" if isinstance(node.op, ast.Add | ast.Sub) else "factor"
    for kept, lost in ((node.left, node.right), (node.right, node.left)):
        names = sorted({n.id for n in ast.walk(lost) if isinstance(n, ast.Name)} - {"torch", "math", "F", "np"})
        which = f" that holds {' and '.join(names)}" if names else ""
        yield _site(node, kept, f"what comes out without a {what}{which}.")


def _constants(node: ast.Constant) -> Iterator[Site]:
    if isinstance(node.value, bool):
        yield _site(
            node,
            ast.Constant(not node.value),
            "what comes out with a switch turned round: True for False, or the reverse.",
        )
    elif isinstance(node.value, int):
        yield _site(node, ast.Constant(node.value + 1), "what comes out with a constant that is one larger.")
        yield _site(node, ast.Constant(node.value - 1), "what comes out with a constant that is one smaller.")
    elif isinstance(node.value, float):
        yield _site(node, ast.Constant(node.value * 2), "what comes out with a constant that is twice as large.")
        yield _site(node, ast.Constant(node.value / 2), "what comes out with a constant that is half as large.")


def _calls(node: ast.Call) -> Iterator[Site]:
    function = node.func
    if isinstance(function, ast.Name):
        name, owner = function.id, None
    elif isinstance(function, ast.Attribute):
        name, owner = function.attr, function.value
    else:
        return
    is_method = owner is not None and not (
        isinstance(owner, ast.Name) and owner.id in ("torch", "math", "F", "np", "nn")
    )
    inner = [owner] if owner is not None and is_method else node.args[:1]
    if name in _FUNCTIONS and owner is not None:
        other = ast.Call(ast.Attribute(owner, _FUNCTIONS[name], ast.Load()), node.args, node.keywords)
        yield _site(node, other, f"what comes out with {_FUNCTIONS[name]} where {name} belongs.")
    if name in _DROPPED and inner:
        yield _site(node, inner[0], f"what comes out without {name}.")
    for keyword in node.keywords:
        if keyword.arg and keyword.arg != "strict":
            fewer = ast.Call(node.func, node.args, [k for k in node.keywords if k is not keyword])
            yield _site(node, fewer, f"what comes out with the default for {keyword.arg}.")
