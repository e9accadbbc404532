"""Says in words what a value is, the same in every run."""

import numbers
from typing import Any

import torch
from torch import Tensor

_KINDS = {
    "ndarray": "NumPy array",
    "str": "text",
    "bool": "truth value",
    "dict": "dictionary",
    "int": "number",
    "float": "number",
    "builtin_function_or_method": "function",
}


def number(x: Any, digits: int = 4) -> str:
    """A number with some significant digits."""
    return str(x) if isinstance(x, int) else f"{float(x):.{digits}g}"


def told(error: BaseException) -> str:
    """What an error says; nothing where its own __str__ raises."""
    try:
        return str(error)
    except Exception:
        return ""


def error(raised: BaseException) -> str:
    """An error on one line: its kind, and what it says."""
    kind, message = type(raised).__name__, " ".join(told(raised).split())
    message = message if len(message) <= 300 else message[:297] + "…"
    return f"{kind}: {message}" if message else kind


def both(expected: Any, got: Any) -> tuple[str, str]:
    """Two values on a line each, with as many digits as it takes to see the difference."""
    for digits in (4, 6, 9):
        texts = short(expected, digits=digits), short(got, digits=digits)
        if texts[0] != texts[1]:
            break
    return texts


def short(x: Any, most: int = 8, digits: int = 4) -> str:
    """A value on one line: all of a small tensor, shape and first entries of a large one."""
    if isinstance(x, Tensor):
        try:
            return _tensor(x, most, digits)
        except Exception:  # sparse, nested, quantised, without numbers
            return a_kind(x)
    if isinstance(x, bool) or x is None or x is ...:
        return repr(x)
    if isinstance(x, numbers.Real):
        return number(x, digits)
    if isinstance(x, tuple | list):
        inner = ", ".join(short(item, most, digits) for item in x[:most]) + (", …" if len(x) > most else "")
        return f"[{inner}]" if isinstance(x, list) else f"({inner})"
    if isinstance(x, torch.Generator):
        return f"a generator, seed {x.initial_seed()}"
    text = _described(x)
    return text if len(text) <= 100 else text[:97] + "…"


def _tensor(x: Tensor, most: int, digits: int) -> str:
    name = str(x.dtype).removeprefix("torch.")
    if x.numel() <= most:
        text = _nested(x.detach().cpu().tolist(), digits)
        return text if x.dtype in (torch.float32, torch.int64, torch.bool) else f"{text} ({name})"
    start = ", ".join(_nested(v, digits) for v in x.detach().cpu().flatten()[: most // 2].tolist())
    return f"{name} tensor of shape {tuple(x.shape)} that starts with {start}, …"


def _described(x: Any) -> str:
    """repr where it is one line without an address, so that it reads the same in every run; else the kind of thing."""
    try:
        text = repr(x)
    except Exception:
        return a_kind(x)
    return a_kind(x) if " at 0x" in text or "\n" in text else text


def _nested(x: Any, digits: int) -> str:
    if isinstance(x, list):
        return "[" + ", ".join(_nested(item, digits) for item in x) + "]"
    return str(x) if isinstance(x, bool) else number(x, digits)


def a_kind(x: Any) -> str:
    """What x is, with its article: "None", "a list", "a tensor of shape (2, 3)"."""
    if x is None:
        return "None"
    if isinstance(x, Tensor):
        if x.is_quantized or x.is_meta:
            return "a quantised tensor" if x.is_quantized else "a tensor on the device meta, which holds no numbers,"
        plain = x.layout == torch.strided and not x.is_nested
        return f"a tensor of shape {tuple(x.shape)}" if plain else "a tensor of an unusual layout (sparse or nested)"
    name = _KINDS.get(type(x).__name__, type(x).__name__)
    return name if name == "text" else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
