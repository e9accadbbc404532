"""What lies in files that anybody may have written: it is read whole or ends in one sentence that names the file; nothing is ever executed.

No pickle, no class or module by a name that a file holds, and no memory for a model before its shapes are known to be those of the tensors.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from diffcourse import shipped
from diffcourse.files import not_finite, user_path

LONGEST = 300  # characters of what others say about an error: torch lists every tensor


def own_path(path: str | Path) -> Path:
    """Where to write: `path` with ~ expanded. ValueError for the bare name of shipped weights, which would be loaded instead."""
    if shipped.is_name(path):
        raise ValueError(
            f"path: {path!r} is the name of shipped weights, which it would go on loading; write './{path}' or another name"
        )
    return user_path(path)


@contextmanager
def blamed(what: str) -> Iterator[None]:
    """Whatever is raised inside is the fault of what was read: one sentence "WHAT: why", an OSError of its kind or else a ValueError."""
    try:
        yield
    except OSError as error:
        kind = type(error) if type(error).__module__ == "builtins" else OSError
        raise kind(f"{what}: {reason(error)}") from error
    except Exception as error:
        raise ValueError(f"{what}: {reason(error)}") from error


def reason(error: BaseException) -> str:
    """What an error says, on one line of bearable length."""
    said = " ".join(str(getattr(error, "strerror", None) or error).split())
    if isinstance(error, RecursionError):
        said = "it is nested too deep"
    elif isinstance(error, MemoryError):
        said = "it needs more memory than there is"
    elif isinstance(error, UnicodeDecodeError):
        said = "it is no text in UTF-8"
    elif isinstance(error, KeyError):
        said = f"it lacks {said}"
    elif isinstance(error, (AttributeError, ArithmeticError, LookupError)) or not said:
        said = f"it is not laid out as it should be ({type(error).__name__}: {said})"
    return said if len(said) <= LONGEST else said[:LONGEST] + "…"


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds, in UTF-8. FileNotFoundError and other OSErrors; ValueError if it holds something else."""
    with blamed(f"{str(path)!r} is damaged"):
        content = json.loads(path.read_bytes().decode("utf-8-sig"))  # an editor may have put a mark before it
        if not isinstance(content, dict):
            raise ValueError(f"it must hold an object {{…}}, and holds a {type(content).__name__}")
        return content


def check_no_pointer(path: Path) -> None:
    """ValueError if that file is a pointer which Git left in the place of a large one; OSError if it cannot be read."""
    with open(path, "rb") as file:
        if file.read(100).startswith(b"version https://git-lfs"):
            raise ValueError(
                f"{str(path)!r} is a pointer of Git LFS of {path.stat().st_size} bytes, not the weights: fetch them with `git lfs pull`"
            )


def check_finite(tensors: Mapping[str, Tensor]) -> None:
    """ValueError naming the first tensor that is not finite."""
    for name, tensor in tensors.items():
        if tensor.is_meta:
            raise ValueError(f"{name} has no values: it lies on the device 'meta'")
    if bad := not_finite(tensors):
        raise ValueError(f"{bad[0]} is not finite: it holds nan or inf")


def check_plain(network: nn.Module) -> None:
    """TypeError for a network that holds what its config does not tell of, such as a LoRA: what is saved could not be read again."""
    for name, part in network.named_modules():
        if hasattr(part, "merged"):
            raise TypeError(
                f"{name} is a {type(part).__name__}, which a saved network has no place for: merge_lora first"
            )


def filled(make: Callable[[], nn.Module], tensors: Mapping[str, Tensor], there: tuple[str, ...] = ()) -> nn.Module:
    """The model that `make()` builds, holding `tensors`; the global random state is left alone.

    A twin without memory is built first: that names and shapes are the same, and no tensor is nan or inf, is known before the model is.
    there: how the names begin of those that the model brings with it. ValueError tells what does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        with torch.device("meta"), _Cheaply(), parameters_at_most(4 * len(tensors) + 2_000):
            twin = make()
        ours = twin.state_dict()
        for name, tensor in tensors.items():
            if tensor.is_floating_point() != (name not in ours or ours[name].is_floating_point()):
                raise ValueError(f"{name} is {tensor.dtype}, which the model's is not")
        shapes = {k: torch.empty_like(v, device="meta") for k, v in tensors.items()}
        try:
            report = twin.load_state_dict(shapes, strict=False)
        except RuntimeError as error:  # its lines are one a tensor
            raise ValueError(f"the tensors do not fit the model: {str(error).splitlines()[1].strip()}") from error
        missing = [name for name in report.missing_keys if not name.startswith(there)]
        for names, told in (missing, "they lack"), (report.unexpected_keys, "it has no place for"):
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                raise ValueError(f"the tensors do not fit the model: {told} {', '.join(names[:3])}{more}")
        check_finite(tensors)
        with torch.device("cpu"), _Cheaply():
            model = make()
    model.load_state_dict(dict(tensors), strict=False)
    return model


class _Cheaply(TorchFunctionMode):
    """Nothing is drawn, which the tensors overwrite, and short ranges are real: for either, torch imports its compiler under "meta"."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func.__name__ in ("normal_", "uniform_", "trunc_normal_"):
            return args[0] if args else kwargs["tensor"]
        short = func is torch.arange and all(abs(a) < 10_000 for a in args if isinstance(a, (int, float)))
        return func(*args, **({"device": "cpu"} if short else {}) | kwargs)


@contextmanager
def parameters_at_most(most: int) -> Iterator[None]:
    """Stops a model of more parameters than it can have while it is being built: even without memory, a billion layers take for ever."""
    here, count = threading.get_ident(), 0

    def tally(module: nn.Module, name: str, parameter: Any) -> None:
        nonlocal count
        count += threading.get_ident() == here
        if count > most:
            raise ValueError("the tensors do not fit the model: it has more parameters than there are tensors")

    hook = register_module_parameter_registration_hook(tally)
    try:
        yield
    finally:
        hook.remove()
