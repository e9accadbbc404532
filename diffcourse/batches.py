"""Data of any kind, in batches that are a function of (step, batch_size, seed, rank, world): so a resumed training is exact."""

import contextlib
import inspect
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from diffcourse.images import first_place, walk
from diffcourse.rng import counter_seed


class Data(Protocol):
    """What `fit` makes of data: a batch that is a function of its arguments alone, such as `ImageData.batch`."""

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Any: ...


DATA = (
    "data must be a tensor, a tuple or dict of tensors of one length, a Dataset, a DataLoader, "
    "or have a method batch(step, batch_size, *, seed, rank, world) as data.mnist() has"
)


def as_data(data: Any, batch_size: int) -> tuple[Data, int]:
    """Whatever `fit` takes as `Data`, and the size of its batches."""
    if callable(method := getattr(data, "batch", None)):
        try:
            inspect.signature(method).bind(0, 1, seed=0, rank=0, world=1)
            return data, batch_size
        except ValueError:  # a function of another language, whose signature is not known
            return data, batch_size
        except TypeError as error:
            if not hasattr(data, "__getitem__"):
                raise TypeError(f"{DATA}; that of {type(data).__name__} does not fit: {error}") from error
    if isinstance(data, list) and any(isinstance(entry, Tensor) for entry in data):
        raise TypeError(
            f"{DATA}; a list of tensors may be columns (make it a tuple) or entries (torch.stack makes one tensor)"
        )
    if isinstance(data, (Tensor, tuple, dict)) and all(isinstance(leaf, Tensor) for leaf in leaves(data)):
        shapes = [tuple(leaf.shape) for leaf in leaves(data)]
        if len({shape[:1] for shape in shapes}) != 1 or () in shapes:
            got = f"shapes {', '.join(map(str, shapes[:5]))}" if shapes else f"an empty {type(data).__name__}"
            raise ValueError(f"{DATA}; got {got}")
        return Walk(data, shapes[0][0], lambda index: _each(lambda part: part[index], data)), batch_size
    if isinstance(data, torch.utils.data.IterableDataset):
        data = torch.utils.data.DataLoader(data, batch_size)
    if isinstance(data, torch.utils.data.DataLoader) or (
        hasattr(data, "__iter__") and not hasattr(data, "__getitem__")
    ):
        if hasattr(data, "__next__"):
            raise TypeError(f"{DATA}; an iterator, {type(data).__name__}, can be gone through only once")
        own = getattr(data, "batch_size", None) or batch_size
        if batch_size not in (64, own):
            raise ValueError(f"batch_size is the DataLoader's own, {own}: leave it out, got {batch_size}")
        return Loader(data), own
    if isinstance(data, (str, bytes, dict, np.ndarray, type)) or not hasattr(data, "__getitem__"):
        raise TypeError(f"{DATA}, got {type(data).__name__}")
    if not hasattr(data, "__len__"):
        raise TypeError(f"{DATA}; {type(data).__name__} has no __len__, so its entries cannot be shuffled")
    return _dataset(data), batch_size


def _dataset(dataset: Any) -> Data:
    collate = torch.utils.data.default_collate
    source = Walk(dataset, len(dataset), lambda index: collate([dataset[i] for i in index.tolist()]))
    try:
        source.batch(0, 1, seed=0)
    except Exception as error:
        first = str(error).splitlines()[0][:150] if str(error) else type(error).__name__
        raise TypeError(
            f"data of type {type(dataset).__name__} gives no batch, its entries must be tensors or numbers: {first}"
        ) from error
    return source


@dataclass(frozen=True)
class Walk:
    """Batches of the entries of something that has `n`: one shuffled order after the other, a new one each epoch."""

    of: Any
    n: int
    take: Callable[[Tensor], Any]

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ValueError(f"data must hold at least one entry, this {type(self.of).__name__} is empty")

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Any:
        index = walk(self.n, first_place(step, batch_size, rank, world), batch_size, seed)
        with drawing(counter_seed(seed, "data", step, rank)):  # for transforms that draw
            return self.take(index)


class Loader:
    """The batches of a DataLoader, epoch after epoch; of several processes each takes its own."""

    def __init__(self, loader: Any):
        self.of = loader
        self._place = -1
        self._batches: Iterator[tuple[int, Any]] = iter(())

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Any:
        place = step * world + rank
        if self._place < 0 or place <= self._place:  # the first one, or one that lies behind: begin anew
            self._batches = self._from(place, seed)
        for found, batch in self._batches:
            if found >= place:
                self._place = found
                return batch

    def _from(self, first: int, seed: int) -> Iterator[tuple[int, Any]]:
        """The batches of an endless walk from place `first` on; those of its epoch before it are loaded and left."""
        try:
            epoch, skipped = divmod(first, len(self.of))
        except (TypeError, ZeroDivisionError):  # its length is not known
            epoch = skipped = 0
        place = first - skipped
        while True:
            began = place
            with drawing(counter_seed(seed, "epoch", epoch)):
                batches = iter(self.of)
            while True:
                with drawing(counter_seed(seed, "data", place)):
                    batch = next(batches, batches)
                if batch is batches:  # the end of the epoch
                    break
                if place >= first:
                    yield place, batch
                place += 1
            if place == began:
                raise ValueError(f"data must hold at least one batch, this {type(self.of).__name__} is empty")
            epoch += 1


@contextlib.contextmanager
def drawing(seed: int) -> Iterator[None]:
    """The global generators of random, numpy and torch (CPU) start from `seed`, and are restored after."""
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


def _each(function: Callable[[Any], Any], batch: Any) -> Any:
    """`function` of every leaf of nested tuples, lists and dicts."""
    if isinstance(batch, tuple):
        parts = [_each(function, part) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    if isinstance(batch, list):
        return [_each(function, part) for part in batch]
    if isinstance(batch, dict):
        return {name: _each(function, part) for name, part in batch.items()}
    return function(batch)


def leaves(batch: Any) -> list[Any]:
    found: list[Any] = []
    _each(found.append, batch)
    return found


def to_device(batch: Any, device: torch.device) -> Any:
    return _each(lambda leaf: leaf.to(device) if callable(getattr(leaf, "to", None)) else leaf, batch)
