"""From a network's output to what the model believes: `Estimate` and `Denoiser`.

Between networks and samplers there is one thing only, a function `denoise(x, level) -> Estimate(x0, eps)`. What wraps such a function and
returns another, guidance and clipping, is in `diffcourse.guidance`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffcourse.checks import check_alike, check_batch, check_function, number, one_generator, told
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level, NoisePath, check_level, noise_for


class Estimate(NamedTuple):
    """What the model believes at one level: x = at.alpha·x0 + at.sigma·eps. Where nobody was asked, x0 and eps are nan."""

    x: Tensor
    at: Level
    x0: Tensor
    eps: Tensor

    @property
    def score(self) -> Tensor:
        """The gradient of log p_t(x) that this estimate stands for, -eps/sigma (Song et al. 2021); not defined at CLEAN."""
        if bool((torch.as_tensor(self.at.sigma) == 0).any()):
            raise ValueError("the score -eps/sigma is not defined at CLEAN, where sigma = 0")
        return -self.eps / self.at.sigma


Denoise = Callable[[Tensor, Level], Estimate]


def _score_row(at: Level) -> tuple[Any, Any]:
    sigma = torch.as_tensor(at.sigma)
    if sigma.device.type == "cpu" and bool((sigma == 0).any()):  # elsewhere a look would wait for the device
        t = torch.as_tensor(at.t).flatten().tolist()
        raise ValueError(f"predicts='score' cannot be used at t={t}, where sigma = 0: the score is -eps/sigma")
    return 0.0, -1 / at.sigma


PREDICTS: dict[str, Callable[[Level], tuple[Any, Any]]] = {
    "eps": lambda at: (0.0, 1.0),  # Ho et al. 2020
    "x0": lambda at: (1.0, 0.0),
    "v": lambda at: (-at.sigma, at.alpha),  # Salimans & Ho 2022
    "flow": lambda at: (-1.0, 1.0),  # Lipman et al. 2023; dx/dt of the straight path
    "score": _score_row,  # Song & Ermon 2019: -eps/sigma
}
"""network output = a·x_0 + b·eps: every parameterisation is one row (a, b)."""

THEIRS = {"epsilon": "eps", "sample": "x0", "v_prediction": "v", "flow_prediction": "flow"}
"""What diffusers' schedulers call prediction_type, in the names of the papers."""


def estimate(output: Tensor, x: Tensor, at: Level, predicts: str) -> Estimate:
    """Solve the 2x2 system  alpha·x0 + sigma·eps = x,  a·x0 + b·eps = output  for x0 and eps."""
    check_alike("output", output, "x", x)
    check_level("at", at, x)
    a, b = PREDICTS[_check_predicts(predicts)](at)
    det = b * at.alpha - a * at.sigma
    if bool((det == 0).any()) if isinstance(det, Tensor) else det == 0:
        t = torch.as_tensor(at.t)[det == 0].tolist() if isinstance(det, Tensor) else at.t
        lost, other = ("sigma", "noise") if predicts == "x0" else ("alpha", "image")
        raise ValueError(
            f"predicts={predicts!r} cannot be turned into x0 and eps at t={t}, where {lost} = 0: the output says nothing about the "
            f"{other} there. Use predicts='v', or a schedule whose {lost} stays above 0"
        )
    x0 = output if predicts == "x0" else b / det * x - at.sigma / det * output
    eps = output if predicts == "eps" else at.alpha / det * output - a / det * x
    return Estimate(x, at, x0, eps)


class Denoiser(nn.Module):
    """A network, the path it was trained on, what it predicts, and its condition for "none".

    network   called `network(x, t)` or `network(x, t, cond)`, t a float tensor (B,); returns a tensor of x's shape, or what has one as
              `.sample`, as the U-Nets of diffusers do
    schedule  a `DiffusionSchedule` or any other `NoisePath`
    predicts  "eps", "x0", "v", "flow" or "score"; diffusers' names for them are epsilon, sample, v_prediction and flow_prediction
    null      one condition that means "none": a label index, or the (L, D) embedding of the empty text. Stored with the weights.
    """

    null: Tensor | None

    def __init__(
        self,
        network: Callable[..., Tensor],
        schedule: NoisePath,
        predicts: str = "eps",
        null: int | Tensor | None = None,
    ):
        super().__init__()
        _check_path(schedule)
        check_function("network", network, "callable as network(x, t), the first of (network, schedule)")
        self.network, self.schedule, self.predicts = network, schedule, _check_predicts(predicts)
        if null is not None:
            null = check_condition(null, "null").detach().clone()
            if not _is_single(null):
                raise ValueError(
                    f"null must be one label or the (L, D) embedding of one text, got shape {tuple(null.shape)}"
                )
        self.register_buffer("null", null)

    def forward(self, x: Tensor, at: Level, cond: Any = None) -> Estimate:
        """The estimate of x0 and eps for noisy x (B, …) at one level, or at one level an image.

        cond is a LongTensor (B,) of labels, a (B, L, D) text, one of either for all images, or None: the null condition, if there is one.
        """
        check_batch("x", x)
        check_level("at", at, x)
        if not isinstance(at.sigma, Tensor) and at == CLEAN:
            raise ValueError("at must be noisy, got CLEAN: there x is x0 itself, and no network is asked")
        return estimate(self._output(x, at.t, cond), x, at, self.predicts)

    def _output(self, x: Tensor, t: float | Tensor, cond: Any) -> Tensor:
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32  # half precision cannot count to 999
        t = t.to(x.device, dtype).reshape(-1) if isinstance(t, Tensor) else x.new_full(x.shape[:1], t, dtype=dtype)
        t = t.expand(len(x))
        cond = self.null if cond is None else cond
        try:
            output = self.network(x, t) if cond is None else self.network(x, t, expand(cond, x))
        except RuntimeError as error:
            if apart := _apart(self.network, x, error):
                raise TypeError(apart) from error
            raise
        output = (
            output if isinstance(output, Tensor) else getattr(output, "sample", output)
        )  # as diffusers' U-Nets return it
        if not isinstance(output, Tensor) or output.shape != x.shape or not output.is_floating_point():
            raise ValueError(
                f"network must return a floating-point tensor of x's shape {tuple(x.shape)}, got {told(output)}"
            )
        return output

    def loss(
        self,
        x0: Tensor,
        cond: Any = None,
        *,
        t: Tensor | None = None,
        noise: Tensor | None = None,
        drop_prob: float = 0.0,
        weight: Callable[[Level], Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """mean of weight(level)·(output - target)²: the simple loss (Ho et al. 2020, equation 14) for any parameterisation.

        x0 (B, …) clean images. Missing t are stratified: t_i = floor(T·frac(u + i/B)) with one uniform u, so each t_i is uniform and the
        batch covers all levels evenly (Kingma et al. 2021, appendix I.1). drop_prob replaces conditions by the null condition
        (Ho & Salimans 2022, algorithm 1). The mean is over images, channels and pixels. weight takes the levels of the batch, alpha and
        sigma (B, 1, …, 1), and returns a number, or one for each image in that shape.
        """
        check_batch("x0", x0)
        number("drop_prob", drop_prob, 0, 1)
        one_generator(generator)
        device = "cpu" if generator is None else generator.device
        if t is None:
            u = torch.rand(1, generator=generator, device=device) + torch.arange(len(x0), device=device) / len(x0)
            t = _times(self.schedule, u.remainder(1.0))
            at = getattr(self.schedule, "at_drawn", self.schedule.at)(t, like=x0)
        else:
            at = self.schedule.at(t, like=x0)
        noise = noise_for(x0, noise, generator)
        check_level("schedule.at(t, like=x0)", at, x0)
        if drop_prob > 0 and cond is not None:
            cond = self._drop(expand(cond, x0), torch.rand(len(x0), generator=generator, device=device) < drop_prob)
        a, b = PREDICTS[self.predicts](at)
        error = self._output(at.noised(x0, noise), at.t, cond) - (a * x0 + b * noise)
        return (error**2 if weight is None else _weights(weight, at, x0) * error**2).mean()

    def _drop(self, cond: Tensor, drop: Tensor) -> Tensor:
        if self.null is None:
            raise ValueError("drop_prob needs a null condition: build the Denoiser with null=...")
        drop = drop.to(cond.device).view((-1,) + (1,) * (cond.ndim - 1))
        return torch.where(drop, self.null.to(cond), cond)

    def given(self, cond: Any) -> Denoise:
        """The denoiser with its condition filled in: a function (x, level) -> Estimate."""
        return Given(self, cond)

    # -- what no shape tells: it travels with a state, in the `_metadata` that torch keeps beside the tensors ----------

    def extra_repr(self) -> str:
        null = self.null if self.null is None or self.null.ndim or self.null.is_meta else self.null.item()
        told = f"of shape {tuple(null.shape)}" if isinstance(null, Tensor) else null
        return f"predicts={self.predicts!r}, schedule={self.schedule!r}, null={told}"

    def _meant_for(self) -> dict[str, Any]:
        try:
            levels = self.schedule.levels(min(4, getattr(self.schedule, "T", 4)))
            return {"predicts": self.predicts, "levels": [float(part) for at in levels for part in at]}
        except Exception:  # a path of one's own that knows no so few, or no floats
            return {"predicts": self.predicts, "levels": []}

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]]["denoiser"] = self._meant_for()

    def _load_from_state_dict(self, state_dict, prefix, local_metadata, strict, missing, unexpected, errors):
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing, unexpected, errors)
        ours, theirs = self._meant_for(), local_metadata.get("denoiser")
        if theirs is None:  # bare tensors, or an older state
            return
        cure = "build the Denoiser as theirs was built, or load the network alone, model.network.load_state_dict(…)"
        if theirs["predicts"] != ours["predicts"]:
            errors.append(
                f"the state is of a model that predicts {theirs['predicts']!r}, not {self.predicts!r}: {cure}."
            )
        pairs = zip(theirs["levels"], ours["levels"], strict=False)
        if any(abs(a - b) > 1e-5 for a, b in pairs) or 0 < len(theirs["levels"]) != len(ours["levels"]) > 0:
            errors.append(f"the state is of a model with another schedule than {self.schedule!r}: {cure}.")

    def spec(self, describe: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What `from_spec` needs to make an empty twin, JSON values only; `describe` describes the network."""
        if not isinstance(self.schedule, DiffusionSchedule):
            raise TypeError(
                f"model.schedule must be a DiffusionSchedule to be saved, got {type(self.schedule).__name__}; save model.network instead"
            )
        null = self.null
        return {
            "type": "Denoiser",
            "network": describe(self.network),
            "schedule": self.schedule.config,
            "predicts": self.predicts,
            "null": null if null is None else {"shape": list(null.shape), "integer": not null.is_floating_point()},
        }

    @classmethod
    def from_spec(cls, spec: Mapping[str, Any], build: Callable[[Mapping[str, Any]], nn.Module]) -> "Denoiser":
        """The empty twin that `spec` describes; `build` makes the network."""
        null = spec["null"] and torch.zeros(
            spec["null"]["shape"], dtype=torch.int64 if spec["null"]["integer"] else torch.float32
        )
        with torch.device("cpu"):  # a schedule is a table, also in a twin without memory
            schedule = DiffusionSchedule.from_config(spec["schedule"])
        return cls(build(spec["network"]), schedule, spec["predicts"], null)


# -- what a Denoise is made of ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """`denoise` with the condition `cond`. `rows(lo, hi, n)` of this and every other wrapper is the same for images lo..hi of n."""

    denoise: Callable[..., Estimate]
    cond: Any

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        return self.denoise(x, at, self.cond)

    def rows(self, lo: int, hi: int, n: int) -> "Given":
        return Given(self.denoise, cut(self.cond, lo, hi, n))


def rows(denoise: Denoise, lo: int, hi: int, n: int) -> Denoise:
    """`denoise` for images lo..hi of n only: conditions are cut accordingly, plain functions stay as they are."""
    return denoise.rows(lo, hi, n) if hasattr(denoise, "rows") else denoise


def module_of(denoise: Any) -> nn.Module | None:
    """The module inside a `Denoise`, if there is one: it knows the device and the train/eval mode."""
    while not isinstance(denoise, nn.Module):
        denoise = getattr(denoise, "denoise", None)
        if denoise is None:
            return None
    return denoise


@contextmanager
def evaluating(module: nn.Module | Sequence[nn.Module] | None) -> Iterator[None]:
    """`with evaluating(module): ...` puts a module into eval mode and gives every part of it its own mode back afterwards.

    Who does so often gives the list of the parts: to walk through a U-Net of 50 takes 0.1 ms.
    """
    parts = module.modules() if isinstance(module, nn.Module) else module or ()
    training = [part for part in parts if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def ask(denoise: Denoise, x: Tensor, at: Level, *cond: Any) -> Estimate:
    """denoise(x, at, …), which must be an Estimate of x0 and eps for all of x. Every wrapper and sampler asks through this."""
    try:
        now = denoise(x, at, *cond)
    except (AttributeError, TypeError) as error:
        if isinstance(denoise, nn.Module) and not any(isinstance(part, Denoiser) for part in denoise.modules()):
            raise TypeError(f"{PLAIN}; {type(denoise).__name__} could not take a level: {error}") from error
        raise
    if not isinstance(now, Estimate):
        raise TypeError(f"denoise must return an Estimate, got {told(now)}; {PLAIN}")
    for part in (now.x0, now.eps):
        if not isinstance(part, Tensor) or part.shape != x.shape:
            raise ValueError(
                f"denoise must return an Estimate whose x0 and eps have x's shape {tuple(x.shape)}, got {told(part)}"
            )
    return now


PLAIN = "a plain network becomes one that does as Denoiser(network, schedule)"


def _check_path(schedule: Any) -> None:
    if isinstance(schedule, nn.Module | type) or not hasattr(schedule, "at"):
        raise TypeError(
            f"schedule must be a path such as DiffusionSchedule.linear(), got {told(schedule)}; "
            "the order is (network, schedule)"
        )
    if missing := [name for name in ("at", "levels") if not callable(getattr(schedule, name, None))]:
        raise TypeError(
            f"schedule must have the methods at and levels of a NoisePath, {type(schedule).__name__} lacks {' and '.join(missing)}"
        )


def _check_predicts(predicts: Any) -> str:
    if not isinstance(predicts, str) or predicts not in PREDICTS:
        ours = THEIRS.get(predicts) if isinstance(predicts, str) else None
        hint = f": diffusers' {predicts!r} is {ours!r} here" if ours else ""
        raise ValueError(f"predicts must be one of {', '.join(PREDICTS)}, got {predicts!r}{hint}")
    return predicts


def _times(schedule: NoisePath, u: Tensor) -> Tensor:
    """The path's own training times; even ones where it says nothing about them."""
    if hasattr(schedule, "times"):
        return schedule.times(u)
    return u * number("the t of schedule.levels(1)[0], up to which times are drawn,", schedule.levels(1)[0].t, 0)


def _weights(weight: Callable[[Level], Tensor], at: Level, x0: Tensor) -> Tensor | float:
    check_function("weight", weight, "a function of the levels")
    w = weight(at)
    if not isinstance(w, Tensor):
        return number("weight(at)", w)
    if w.ndim and (w.ndim != x0.ndim or any(n not in (1, m) for n, m in zip(w.shape, x0.shape, strict=True))):
        shape = (len(x0),) + (1,) * (x0.ndim - 1)
        raise ValueError(
            f"weight must return a number or a tensor of shape {shape}, such as at.alpha has, got shape {tuple(w.shape)}"
        )
    if w.device.type == "cpu" and not bool(w.isfinite().all()):  # elsewhere a look would wait for the device
        where = ~w.isfinite().flatten(1).all(dim=1) if w.ndim else torch.ones(1, dtype=torch.bool)
        t = torch.as_tensor(at.t).flatten()
        t = t[where.expand(len(t)).to(t.device)] if len(where) in (1, len(t)) else t
        raise ValueError(f"weight must be finite, but is nan or inf at t={t.tolist()}")
    return w


def _apart(network: Any, x: Tensor, error: RuntimeError) -> str:
    """What to do about an error that comes of x and the network's weights being of two dtypes, or on two devices."""
    weights = (
        next((p for p in network.parameters() if p.is_floating_point()), x) if isinstance(network, nn.Module) else x
    )
    if weights.device != x.device and any(word in str(error) for word in ("device", "meta")):
        return f"x is on {x.device}, the network's weights are on {weights.device}: give x.to({str(weights.device)!r}), or move them"
    if weights.dtype != x.dtype and "type" in str(error):
        return f"x is {x.dtype}, the network's weights are {weights.dtype}: give x.to({weights.dtype}), or turn them with .to({x.dtype})"
    return ""


# -- conditions -------------------------------------------------------------------------------------------------------


def expand(cond: Any, x: Tensor, name: str = "cond") -> Tensor:
    """A condition for each of the len(x) images: one condition for all is repeated, a batch must have the right length."""
    cond = check_condition(cond, name)
    cond = cond if cond.device == x.device else cond.to(x.device)
    if _is_single(cond):
        cond = cond.expand(len(x), *cond.shape)
    _check_length(cond, len(x), name)
    return cond


def check_condition(cond: Any, name: str) -> Tensor:
    """Labels or texts as a tensor, whatever they came as."""
    try:
        found = torch.as_tensor(cond)
    except (TypeError, ValueError, RuntimeError):
        found = torch.empty(0, dtype=torch.bool)
    if (
        found.dtype == torch.bool
        or found.is_complex()
        or (found.is_floating_point() and not (found.ndim and found.numel()))
    ):
        raise TypeError(
            f"{name} must be labels (whole numbers) or texts (floats (L, D) or (B, L, D)), one for all or one an image, got {told(cond)}"
        )
    return found


def _is_single(cond: Tensor) -> bool:
    return cond.ndim == (2 if cond.is_floating_point() else 0)  # one text (L, D), or one label


def _check_length(cond: Tensor, n: int, name: str) -> None:
    if len(cond) != n:
        raise ValueError(f"{name} holds {len(cond)} conditions for a batch of {n} images")


def cut(cond: Any, lo: int, hi: int, n: int, name: str = "cond") -> Any:
    """The conditions of images lo..hi of n; one condition for all stays one."""
    if cond is None:
        return None
    cond = check_condition(cond, name)
    if _is_single(cond):
        return cond
    _check_length(cond, n, name)
    return cond[lo:hi]
