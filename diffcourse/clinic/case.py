"""The case: everything she gave, brought into one form. What her code expects is found by asking it."""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffcourse.clinic.findings import Findings
from diffcourse.clinic.spies import Answer, Spy, StandIn, Unusable, as_tensor_output, attempt, put_back


@dataclass
class TimeForm:
    """How her network is told the step: raw = (step + first)/scale, in a dtype and a shape."""

    scale: float = 1.0
    first: float = 0.0
    dtype: torch.dtype = torch.long
    ndim: int = 1

    def steps(self, raw: Any, n: int) -> np.ndarray | None:
        """Raw times as steps 0..T-1, one an image; None for an embedding."""
        values = torch.as_tensor(raw).detach().double().reshape(-1).cpu().numpy()
        if values.size not in (1, n):
            return None
        return np.broadcast_to(values, (n,)) * self.scale - self.first

    def raw(self, steps: Any, n: int, device: Any = "cpu") -> Tensor:
        value = torch.as_tensor((np.broadcast_to(np.asarray(steps, float), (n,)) + self.first) / self.scale)
        if not self.dtype.is_floating_point:
            value = value.round()
        value = value.to(device, self.dtype)
        return value[0] if self.ndim == 0 else value.view(n, *[1] * (self.ndim - 1))

    @classmethod
    def seen(cls, raws: list[Any], T: int, n: int) -> "TimeForm | None":
        """From raw times that her code passed: long or float, 0..T-1 or 1..T, or a share of the way."""
        raws = [torch.as_tensor(raw) for raw in raws]
        if not raws or any(raw.numel() not in (1, n) for raw in raws):
            return None
        dtype, ndim = raws[0].dtype, raws[0].ndim
        values = torch.cat([raw.detach().double().reshape(-1).cpu() for raw in raws]).numpy()
        low, high = float(values.min()), float(values.max())
        if high > T + 0.5:  # a step scaled to another chain's length
            return cls(T / (1000 if high <= 1000 else high), 0.0, dtype, ndim)
        if high > 1 or not dtype.is_floating_point:
            return cls(1.0, 1.0 if high == T and low >= 1 else 0.0, dtype, ndim)
        if high == low:
            return cls(1.0 if high in (0, 1) else float(T), 0.0, dtype, ndim)
        off = {s: float(np.abs(values * s - (values * s).round()).mean()) for s in (T, max(T - 1, 1))}
        scale = T - 1 if off[max(T - 1, 1)] < 1e-2 < off[T] else T
        return cls(float(scale), 1.0 if high * scale > T - 0.5 else 0.0, dtype, ndim)


@dataclass
class Case:
    """What was given, and what was learned of it on the way."""

    network: nn.Module
    has_network: bool
    data: Tensor | None
    cond: Any
    null: Any
    predicts: str
    seed: int
    functions: dict[str, Any]
    found: Findings = field(default_factory=Findings)
    shape: tuple[int, ...] = (1, 28, 28)
    alpha_bars: np.ndarray | None = None  # as the schedule says
    path: tuple[np.ndarray, np.ndarray] | None = None  # alpha and sigma, as her forward process really has them
    scale: tuple[float, float] = (1.0, 0.0)  # what enters her forward process is scale[0]·x0 + scale[1]
    time: TimeForm | None = None  # as her loss tells it
    time_sampling: TimeForm | None = None
    extra: dict[Any, Any] | None = None  # how her loss passes the condition: keys of the call
    rows: dict[tuple, Tensor] = field(
        default_factory=dict
    )  # what her loss makes of a condition, such as a one-hot vector
    form: Callable[[Tensor], Any] = lambda out: out
    doubled: bool = False  # the network returns twice the channels: a learned variance

    @property
    def T(self) -> int | None:
        return None if self.alpha_bars is None else len(self.alpha_bars)

    @property
    def pixels(self) -> int:
        return math.prod(self.shape)

    def generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self.seed)

    def spy(self, answer: Callable[..., Tensor], **kwargs: Any) -> Spy:
        """A spy whose output has the form of her network's: twice the channels, an object with `.sample`, a tuple."""

        def formed(out: Tensor) -> Any:
            return self.form(torch.cat([out, torch.zeros_like(out)], dim=1) if self.doubled else out)

        return Spy(answer, formed, **kwargs)

    def images(self, n: int, generator: torch.Generator) -> Tensor:
        """n images of hers, drawn with replacement, or noise in [-1, 1] where none were given."""
        if self.data is None:
            return torch.rand(n, *self.shape, generator=generator) * 2 - 1
        return self.data[torch.randint(len(self.data), (n,), generator=generator)]

    def scrambled(self, n: int, generator: torch.Generator) -> Tensor:
        """n images of independent pixels, each drawn from all pixels of hers: of her range, and of no structure."""
        if self.data is None or float(self.data.std()) == 0:
            return torch.rand(n, *self.shape, generator=generator) * 2 - 1
        flat = self.data.reshape(-1)
        return flat[torch.randint(flat.numel(), (n * self.pixels,), generator=generator)].view(n, *self.shape)

    def labels(self, n: int, generator: torch.Generator) -> Any:
        if self.cond is None:
            return None
        return self.cond[torch.randint(len(self.cond), (n,), generator=generator)]

    def passed(self, cond: Tensor) -> Tensor:
        """Conditions in the form in which her loss passes them on to the network."""
        rows = [self.rows.get(label) for label in label_rows(cond)] if self.rows else []
        return torch.stack([r for r in rows if r is not None]) if rows and all(r is not None for r in rows) else cond

    def ask(self, x: Tensor, steps: Any, cond: Any = None, network: nn.Module | None = None) -> Tensor:
        """Her network's output for steps 0..T-1, with the time in the form that her own code uses."""
        network = self.network if network is None else network
        forms = [self.time] if self.time else [TimeForm(), TimeForm(dtype=torch.float32)]
        problem: Exception | None = None
        for form in forms:
            t = form.raw(steps, len(x))
            args, kwargs = [x, t], {}
            if cond is not None:
                cond = self.passed(cond)
                key = next(iter(self.extra), None) if self.extra else None
                if isinstance(key, str):
                    kwargs[key] = cond
                else:
                    args.append(cond)
            try:
                out = as_tensor_output(attempt("the network", network, *args, **kwargs))
            except Unusable as error:
                problem = problem or error
                continue
            if self.time is None:
                self.time = form
            if out.shape != x.shape:
                if out.ndim == x.ndim and out.shape[1] == 2 * x.shape[1]:
                    return out[:, : x.shape[1]]
                raise Unusable(f"the network returned {tuple(out.shape)} for images {tuple(x.shape)}")
            return out
        raise problem or Unusable("the network could not be called")


def tensor_of(value: Any) -> Tensor:
    """A tensor of hers on the CPU, whatever it came in."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    return torch.as_tensor(np.asarray(value))


def label_rows(value: Tensor) -> list[tuple]:
    """Conditions as tuples that can be counted: a label, or the first numbers of an embedding."""
    return [tuple(row) for row in value.detach().double().reshape(len(value), -1)[:, :32].round(decimals=4).tolist()]


def accepted(function: Any) -> tuple[int, float]:
    """(required, possible) numbers of positional arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 0, math.inf
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    most = math.inf if any(p.kind == p.VAR_POSITIONAL for p in parameters) else len(places)
    return sum(p.default is p.empty for p in places), most


def call_with(function: Any, what: str, *args: Any, cond: Any = None) -> Any:
    """Her function with these arguments, and with the condition where there is one and it takes one."""
    required, most = accepted(function)
    n = len(args)
    if cond is not None and most > n:
        return attempt(what, function, *args, cond)
    if required > n:
        raise Unusable(f"{what} asks for {required} arguments, and {n} can be given here")
    return attempt(what, function, *args)


def guess_shape(case: Case) -> None:
    """The shape of one image where no data were given: what her network takes."""
    first = next((m for m in case.network.modules() if isinstance(m, (nn.Conv2d, nn.Linear, nn.Conv1d))), None)
    shapes: list[tuple[int, ...]]
    if isinstance(first, nn.Conv2d):
        shapes = [(first.in_channels, s, s) for s in (16, 28, 32, 8, 64)]
    else:
        wide = [m.in_features for m in case.network.modules() if isinstance(m, nn.Linear)]
        out = [m.out_features for m in case.network.modules() if isinstance(m, nn.Linear)][-1:]
        sides = [(1, int(d**0.5), int(d**0.5)) for d in out if int(d**0.5) ** 2 == d]
        shapes = [*sides, *[(d,) for d in out], (1, 28, 28), (1, 16, 16), (1, 8, 8), *[(d,) for d in wide[:1]]]
    generator, cond = case.generator(), case.labels(2, case.generator())
    for shape in shapes:
        x = torch.randn(2, *shape, generator=generator)
        for more in dict.fromkeys([None, "cond"]):
            try:
                with torch.no_grad(), put_back(case.network):
                    case.ask(x, [0, 0], cond if more else None)
                case.shape = shape
                return
            except Unusable:
                continue


def learn_output(case: Case) -> None:
    """In which form her network returns what it predicts."""
    generator = case.generator()
    x, cond = case.images(2, generator), case.labels(2, generator)
    raised: Unusable | None = None
    ways: list[Any] = [(x, torch.zeros(2, dtype=torch.long)), (x, torch.zeros(2))]
    ways += [(*way, cond) for way in ways] if cond is not None else []
    for way in ways:
        try:
            with torch.no_grad(), put_back(case.network):
                out = attempt("the network", case.network, *way)
                tensor = as_tensor_output(out)
        except Unusable as error:
            raised = raised or error
            continue
        if not isinstance(out, Tensor):
            case.form = (lambda o: (o,)) if type(out) is tuple else Answer
        case.doubled = tensor.ndim == x.ndim and x.ndim > 1 and tensor.shape[1] == 2 * x.shape[1]
        return
    case.found.note("network", f"could not be called on the data: {raised}")


def make_case(network: Any, data: Any, cond: Any, null: Any, predicts: str, seed: int, functions: dict) -> Case:
    """The case, its data as float tensors, its network as a module."""
    module = network if isinstance(network, nn.Module) else StandIn(network)
    if data is not None:
        data = tensor_of(data[0] if isinstance(data, (tuple, list)) and isinstance(data[0], Tensor) else data)
        data = data.float()
    cond = None if cond is None else tensor_of(cond)
    case = Case(module, network is not None, data, cond, null, predicts, seed, functions)
    if data is not None:
        case.shape = tuple(data.shape[1:])
        if cond is not None and len(cond) != len(data):
            case.found.note("data", f"{len(cond)} conditions for {len(data)} images: the conditions are left out")
            case.cond = None
    elif case.has_network:
        guess_shape(case)
    if case.has_network:
        learn_output(case)
    return case
