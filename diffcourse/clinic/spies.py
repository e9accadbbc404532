"""Spies: her code is run as it is, with another forward pass in her network that writes down what it is asked and answers as told.

Her network stays the object that it is, so that `.parameters()`, `.device`, `.eval()` or an attribute of her own work as ever; only its
`forward` is replaced for the time of a call. What she owns is put back afterwards: weights, modes, `requires_grad`, `grad`, random states.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffcourse.rng import counter_seed


class Unusable(Exception):
    """Something of hers could not be used; the message is a sentence for her."""


class Enough(BaseException):
    """Raised by a spy to leave her loop; no `except Exception` of hers catches it."""


@dataclass
class Call:
    """What the network was asked once: the image, the time, all else by name or place."""

    x: Tensor
    t: Any
    rest: dict[Any, Any]
    grad: bool
    training: bool
    out: Tensor | None = None


@dataclass
class Spy:
    """Called in place of the network: notes the call, and returns `answer(x, t, rest)` in the form that her network returns."""

    answer: Callable[[Tensor, Any, dict[Any, Any]], Tensor]
    form: Callable[[Tensor], Any] = lambda out: out
    keep: bool = True
    calls: list[Call] = field(default_factory=list)
    module: Any = None
    until: float = float("inf")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if time.process_time() > self.until:
            raise Enough("time")
        x, t, rest = sort_out(args, kwargs)
        call = Call(
            x.detach().clone() if self.keep else x.detach(),
            t.detach().clone() if isinstance(t, Tensor) else t,
            rest,
            torch.is_grad_enabled() and x.requires_grad,
            bool(getattr(self.module, "training", True)),
        )
        self.calls.append(call)
        call.out = self.answer(x, t, rest)
        return self.form(call.out)


def sort_out(args: tuple, kwargs: dict) -> tuple[Tensor, Any, dict[Any, Any]]:
    """(x, t, the rest) of a call of a network, whatever the names."""
    given: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
    xs = [k for k, v in given.items() if isinstance(v, Tensor) and v.is_floating_point() and v.ndim >= 2]
    if not xs:
        raise Unusable("the network was called without an image: no floating-point tensor (B, …) among its arguments")
    at = next((k for k in ("x", "sample", "x_t", "xt") if k in xs), xs[0])
    x = given.pop(at)
    named = [k for k in ("t", "timestep", "timesteps", "time", "ts", "step", "time_steps", "noise_level") if k in given]
    t = given.pop(named[0]) if named else given.pop(min((k for k in given if isinstance(k, int)), default=None), None)
    return x, t, {k: v for k, v in given.items() if v is not None and not isinstance(v, (bool, str))}


class Answer:
    """An output as libraries return it: `.sample`, `[0]`, or a tuple."""

    def __init__(self, sample: Tensor):
        self.sample = sample

    def __getitem__(self, key: Any) -> Tensor:
        return (self.sample,)[key] if isinstance(key, int) else self.sample

    def __iter__(self) -> Iterator[Tensor]:
        return iter((self.sample,))

    def to_tuple(self) -> tuple[Tensor]:
        return (self.sample,)


def as_tensor_output(out: Any) -> Tensor:
    """The tensor in what a network returned: itself, its `.sample`, or the first of a tuple."""
    if isinstance(out, Tensor):
        return out
    for name in ("sample", "prediction", "eps", "pred", "logits"):
        if isinstance(getattr(out, name, None), Tensor):
            return getattr(out, name)
    if isinstance(out, dict):
        out = list(out.values())
    if isinstance(out, (tuple, list)) and out and isinstance(out[0], Tensor):
        return out[0]
    raise Unusable(f"the network returned {type(out).__name__} in place of a tensor of x's shape")


class StandIn(nn.Module):
    """A network where none is hers: it has a parameter, a mode and a device, and what its original has."""

    def __init__(self, original: Any = None):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.__dict__["original"] = original

    device, dtype = torch.device("cpu"), torch.float32

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.__dict__["original"](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if (original := self.__dict__.get("original")) is None:
                raise
            return getattr(original, name)


@contextlib.contextmanager
def replaced(network: nn.Module, spy: Spy) -> Iterator[nn.Module]:
    """Her network with the spy as its forward pass."""
    had = network.__dict__.get("forward")
    spy.module = network
    object.__setattr__(network, "forward", spy)
    try:
        yield network
    finally:
        if had is None:
            del network.__dict__["forward"]
        else:
            object.__setattr__(network, "forward", had)


@contextlib.contextmanager
def put_back(*modules: Any) -> Iterator[None]:
    """Whatever happens inside, these modules and the global random states are afterwards as they were."""
    kept = []
    for module in {id(m): m for m in modules if isinstance(m, nn.Module)}.values():
        tensors = [*module.parameters(), *module.buffers()]
        values = [(p, p.detach().clone(), p.requires_grad, p.grad) for p in tensors]
        kept.append((values, [(m, m.training) for m in module.modules()]))
    states = random.getstate(), np.random.get_state(), torch.get_rng_state(), torch.is_grad_enabled()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        torch.set_grad_enabled(states[3])
        for values, modes in kept:
            with torch.no_grad():
                for p, value, needs, grad in values:
                    p.requires_grad_(needs and p.is_floating_point())
                    if p.shape == value.shape and not torch.equal(p, value):
                        p.copy_(value)
                    p.grad = grad
            for module, mode in modes:
                module.training = mode


def seed_all(seed: int) -> None:
    """The global random states of Python, NumPy and torch; other numbers than a generator of this seed gives."""
    seed = counter_seed("clinic", seed) % 2**32
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def attempt(what: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What her function returns; what it raises becomes `Unusable` with a sentence."""
    try:
        return function(*args, **kwargs)
    except (Enough, Unusable):
        raise
    except Exception as error:
        first = (str(error).strip().splitlines() or [""])[0][:200]
        raise Unusable(f"{what} raised {type(error).__name__}: {first}") from error
