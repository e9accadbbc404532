"""Checkpoints of a training: what they are of, what they hold, written as a whole and read with mistrust."""

import contextlib
import functools
import hashlib
import io
import math
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.batches import Data, Loader, Walk, drawing, leaves
from diffcourse.denoiser import Denoiser
from diffcourse.files import atomic_write, not_finite
from diffcourse.rng import counter_seed


@dataclass
class Log:
    """What a training tells of itself, kept in its checkpoint: [step, mean loss since the last entry] every `stride` steps, and seconds.

    The losses since the last entry may be tensors on an accelerator, which is waited for only where they are read.
    """

    stride: int
    losses: list[list[float]] = field(default_factory=list)
    recent: list[float | Tensor] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, step: int, loss: float | Tensor) -> None:
        self.recent.append(loss)
        if step % self.stride == 0:
            self.losses.append([step, round(sum(self.read()) / len(self.recent), 5)])
            self.recent = []

    def read(self) -> list[float]:
        """The losses since the last entry, from here on as numbers."""
        if waiting := [loss for loss in self.recent if isinstance(loss, Tensor)]:
            numbers = iter(torch.stack(waiting).tolist())
            self.recent = [next(numbers) if isinstance(loss, Tensor) else loss for loss in self.recent]
        return [float(loss) for loss in self.recent]


KINDS = {
    **dict.fromkeys(("module", "ema", "optimizer", "settings"), dict),
    **dict.fromkeys(("step", "steps"), int),
    **dict.fromkeys(("loss", "lr", "grad_norm"), float),
}


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state` as a whole or not at all: temporary file, fsync, rename."""
    buffer = io.BytesIO()  # torch.save itself would tell a full disk in words of its own
    torch.save(state, buffer)
    with atomic_write(path) as file:
        file.write(buffer.getbuffer())


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state under `path`, None if there is no such file; ValueError if it is damaged."""
    if not path.exists():
        return None
    content = io.BytesIO(path.read_bytes())
    try:
        if (changed := zipfile.ZipFile(content).testzip()) is not None:
            raise ValueError(f"{changed} was changed")
        content.seek(0)
        state = torch.load(content, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise TypeError(f"it holds a {type(state).__name__}")
        for name, kind in KINDS.items():
            if not isinstance(state[name], kind):
                raise TypeError(f"{name} is {type(state[name]).__name__}")
        if not 0 < state["step"] <= state["steps"]:
            raise ValueError("no such step")
        state["log"] = Log(**state.get("log", {"stride": 1}))
        numbers = [*state["log"].losses, state["log"].recent, *state.setdefault("who", {}).get("numbers", {}).values()]
        numbers.append([state["log"].seconds, state["settings"]["steps"], state["settings"]["lr"]])
        if not all(isinstance(number, (int, float)) for part in numbers for number in part):
            raise TypeError("a number is none")
        if not all(isinstance(line, str) for name in ("module", "loss", "data") for line in state["who"].get(name, [])):
            raise TypeError("a line is none")
    except Exception as error:  # what torch says of it may be long, and advises to trust it
        raise ValueError(
            f"checkpoint {str(path)!r} cannot be read: it is damaged, or none that this version of fit wrote ({type(error).__name__}); "
            "choose another file, or delete it to start afresh"
        ) from error
    return state


def compare(path: Path, saved: dict[str, Any], settings: dict[str, Any], who: dict[str, Any]) -> None:
    """ValueError, which says what differs, if a checkpoint is of another training.

    Where steps are left, there may be more of them than there were (and then the warm-up may be another), and their lr may be lower.
    """
    there = {"precision": "no", "betas": [0.9, 0.99], **saved["settings"]}
    left = saved["step"] < settings["steps"]
    longer, gentler = left and settings["steps"] > there["steps"], left and settings["lr"] < there["lr"]
    may = {"steps": longer, "warmup": longer, "lr": gentler}
    told = [
        f"{name} was {there.get(name)} and is now {now}"
        for name, now in settings.items()
        if there.get(name) != now and not may.get(name)
    ]
    for name in ("module", "loss", "data"):
        lines = zip_longest(saved["who"].get(name, who[name]), who[name], fillvalue="nothing")
        if differ := [(was.strip()[:90], now.strip()[:90]) for was, now in lines if was != now]:
            told.append("{} was {!r} and is now {!r}".format(name, *differ[0]))
    were = saved["who"].get("numbers", {})
    told += [f"the {name} is another" for name, now in who["numbers"].items() if not _alike(were.get(name, now), now)]
    if told:
        raise ValueError(
            f"checkpoint {str(path)!r} belongs to another training: {'; '.join(told[:3])}; choose another file, or delete it "
            "(more steps, or for those left a lower lr, may go on from it)"
        )


def restore(path: Path, saved: dict[str, Any], module: nn.Module, average: nn.Module, optimizer: Any, log: Log) -> None:
    """Put a state where it belongs. ValueError if it does not fit, before module is changed."""
    try:
        for name, part in (("module", module), ("ema", average)):
            ours, theirs = _shapes(part.state_dict()), _shapes(saved[name])
            for k in sorted(ours.keys() | theirs.keys()):
                if ours.get(k) != theirs.get(k):
                    raise ValueError(f"{k} is {theirs.get(k, 'missing')} there and {ours.get(k, 'missing')} here")
        if bad := unsound({name: saved[name] for name in ("module", "ema", "optimizer")}, infinite_by_design(module)):
            raise ValueError(f"{bad[0]} is not finite")
        optimizer.load_state_dict(saved["optimizer"])
        for weight, state in optimizer.state.items():
            if _shapes(state) != {"step": (), "exp_avg": weight.shape, "exp_avg_sq": weight.shape}:
                raise ValueError("the optimiser's state is of other shapes")
        module.load_state_dict(saved["module"])
        average.load_state_dict(saved["ema"])
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"checkpoint {str(path)!r} does not fit this training ({reason}): choose another file, or delete it to start afresh"
        ) from error
    log.losses, log.recent, log.seconds = saved["log"].losses, saved["log"].recent, saved["log"].seconds


def _shapes(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(getattr(value, "shape", ("none",))) for name, value in state.items()}


def unsound(state: dict[str, Any], by_design: Collection[str] = ()) -> list[str]:
    """The names of the tensors in nested dicts that are not finite, without those that are so by design."""
    return [name for name in not_finite(dict(_tensors(state))) if name not in by_design]


def infinite_by_design(module: nn.Module) -> set[str]:
    """The names in a checkpoint of what is infinite from the start and not trained, such as a mask. ValueError for what is trained."""
    trained = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    bad = unsound(module.state_dict())
    if wrong := [name for name in bad if name in trained]:
        raise ValueError(f"module must hold finite weights to be trained, but {wrong[0]} is not")
    return {before + name for name in bad for before in ("module.", "ema.module.")}


def _tensors(state: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """(name, tensor) of all in nested dicts."""
    if isinstance(state, Tensor):
        yield name, state
    elif isinstance(state, dict):
        for key, part in state.items():
            yield from _tensors(part, f"{name}.{key}" if name else str(key))


# -- what a training is of --------------------------------------------------------------------------------------------


def identity(module: nn.Module, source: Data, loss: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Model, loss and data as far as they can be told: lines of text, and numbers of the first batch and of the null conditions."""
    model, numbers = [type(module).__qualname__, *repr(module).splitlines()], {}
    for name, part in module.named_modules():
        config = getattr(part, "config", None)
        if isinstance(config, dict):
            model += [f"{name}.{key} = {_short(value)}" for key, value in config.items()]
        if isinstance(part, Denoiser) and part.null is not None:
            numbers[f"null condition {name}".strip()] = _numbers(part.null)
    data = source.of if isinstance(source, (Walk, Loader)) else source
    told = [type(data).__qualname__, f"source {str(getattr(data, 'source', '')).split(':')[0]}"]
    with contextlib.suppress(TypeError):
        told.append(f"{len(data)} long")  # type: ignore[arg-type]
    with drawing(counter_seed(settings["seed"], "first batch")):
        first, again = (_numbers(_first(source, settings)) for _ in range(2))
    if _alike(first, again):  # else it draws as it likes, and cannot be known again
        numbers["first batch of the data"] = first
    lines = {"module": model, "loss": _function(loss, set()), "data": told}
    plain = {name: [re.sub(r" at 0x[0-9a-fA-F]+", "", line) for line in part] for name, part in lines.items()}
    return {**plain, "numbers": numbers}


def _first(source: Data, settings: dict[str, Any]) -> Any:
    """The first batch; of a DataLoader, whose batches may be drawn at random, the first entry of its dataset."""
    if not isinstance(source, Loader):
        where = {"seed": settings["seed"], "rank": 0, "world": settings["world"]}
        return source.batch(0, settings["batch_size"], **where)
    dataset = getattr(source.of, "dataset", None)
    return None if dataset is None or isinstance(dataset, torch.utils.data.IterableDataset) else dataset[0]


def _function(function: Any, seen: set[int]) -> list[str]:
    """A function by its name, its code, and the numbers and functions that it was made with."""
    if isinstance(function, functools.partial):
        given = [*enumerate(function.args), *function.keywords.items()]
        return [*_function(function.func, seen), *(f"{name} = {_short(value)}" for name, value in given)]
    function = getattr(function, "__func__", function)
    code = getattr(function if isinstance(function, FunctionType) else type(function).__call__, "__code__", None)
    name = getattr(function, "__qualname__", type(function).__qualname__)
    told = [f"{name}, whose code is {_digest(_code(code))}" if code else name]
    if isinstance(function, FunctionType) and id(function) not in seen:
        seen.add(id(function))
        made_with = dict(enumerate(function.__defaults__ or ())) | (function.__kwdefaults__ or {})
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            with contextlib.suppress(ValueError):  # still empty
                made_with[name] = cell.cell_contents
        for name, value in made_with.items():
            if value is None or isinstance(value, (bool, int, float, str, Tensor)):
                told.append(f"{function.__qualname__}.{name} = {_short(value)}")
            elif isinstance(value, (FunctionType, functools.partial)):
                told += _function(value, seen)
    return told


def _code(code: CodeType) -> str:
    constants = [
        _code(c) if isinstance(c, CodeType) else sorted(map(repr, c)) if isinstance(c, frozenset) else repr(c)
        for c in code.co_consts
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _short(value: Any) -> str:
    text = str(_numbers(value)) if isinstance(value, Tensor) else repr(value)
    return text if len(text) <= 80 else f"{text[:20]}… ({_digest(text)})"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()


def _numbers(batch: Any) -> list[float]:
    """A few numbers that a batch is known by again, also where its last digits are rounded otherwise."""
    found: list[float] = []
    for leaf in leaves(batch):
        if isinstance(leaf, Tensor):
            x = (torch.view_as_real(leaf) if leaf.is_complex() else leaf).detach().cpu().double().flatten()
            wave = torch.arange(len(x), dtype=torch.float64).cos()
            found += [len(x), *((v.sum() / max(1, len(x))).item() for v in (x, x.abs(), x * wave))]
        else:
            found.append(
                float(zlib.crc32(repr(leaf).encode()) if isinstance(leaf, (str, bytes, bool, int, float)) else 0)
            )
    return [float(number) for number in found]


def _alike(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(math.isclose(x, y, rel_tol=1e-3, abs_tol=1e-4) for x, y in zip(a, b, strict=True))
