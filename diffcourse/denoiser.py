"""From a network's output to what the model believes: `Estimate`, `Denoiser`, guidance and clipping.

Between networks and samplers there is one thing only, a function `denoise(x, level) -> Estimate(x0, eps)`. Guidance and clipping take
such a function and return another.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffcourse.schedule import DiffusionSchedule, Level, NoisePath, noise_for


class Estimate(NamedTuple):
    """What the model believes at one level: x = at.alpha·x0 + at.sigma·eps always holds."""

    x: Tensor
    at: Level
    x0: Tensor
    eps: Tensor

    @property
    def score(self) -> Tensor:
        """The gradient of log p_t(x) that this estimate stands for, -eps/sigma (Song et al. 2021); not defined at CLEAN."""
        if not isinstance(self.at.sigma, Tensor) and self.at.sigma == 0:
            raise ValueError("the score -eps/sigma is not defined at CLEAN, where sigma = 0")
        return -self.eps / self.at.sigma


Denoise = Callable[[Tensor, Level], Estimate]

PREDICTS: dict[str, Callable[[Level], tuple[Any, Any]]] = {
    "eps": lambda at: (0.0, 1.0),  # Ho et al. 2020
    "x0": lambda at: (1.0, 0.0),
    "v": lambda at: (-at.sigma, at.alpha),  # Salimans & Ho 2022
    "flow": lambda at: (-1.0, 1.0),  # Lipman et al. 2023; dx/dt of the straight path
}
"""network output = a·x_0 + b·eps: every parameterisation is one row (a, b)."""


def estimate(output: Tensor, x: Tensor, at: Level, predicts: str) -> Estimate:
    """Solve the 2x2 system  alpha·x0 + sigma·eps = x,  a·x0 + b·eps = output  for x0 and eps."""
    if isinstance(at.alpha, Tensor) and at.alpha.ndim not in (0, x.ndim):
        raise ValueError(
            f"at: levels of shape {tuple(at.alpha.shape)} do not fit x of shape {tuple(x.shape)}; make them with schedule.at(t, like=x)"
        )
    a, b = PREDICTS[predicts](at)
    det = b * at.alpha - a * at.sigma
    if bool((det == 0).any()) if isinstance(det, Tensor) else det == 0:
        t = at.t[det == 0].tolist() if isinstance(det, Tensor) else at.t
        lost, other = ("sigma", "noise") if predicts == "x0" else ("alpha", "image")
        raise ValueError(
            f"predicts={predicts!r} cannot be turned into x0 and eps at t={t}, where {lost} = 0: the output says nothing about the "
            f"{other} there. Use predicts='v', or a schedule whose {lost} stays above 0"
        )
    return Estimate(
        x,
        at,
        x0=combine(b / det, x, -at.sigma / det, output),
        eps=combine(-a / det, x, at.alpha / det, output),
    )


def combine(a: float | Tensor, x: Tensor, b: float | Tensor, y: Tensor) -> Tensor:
    """a·x + b·y: what every step of every sampler is made of, in as few passes over memory as it takes."""
    if isinstance(a, Tensor) or isinstance(b, Tensor):
        return a * x + b * y
    if a == 0:
        return y if b == 1 else b * y
    if a == 1:
        return x if b == 0 else torch.add(x, y, alpha=b)
    scaled = torch.add(x, x, alpha=a - 1)  # a·x: for small batches half the cost of a product with a Python number
    return scaled if b == 0 else scaled.add_(y, alpha=b)


class Denoiser(nn.Module):
    """A network, the path it was trained on, what it predicts, and its condition for "none".

    network   called `network(x, t)` or `network(x, t, cond)`, t a float tensor (B,); returns a tensor of x's shape
    schedule  a `DiffusionSchedule` or any other path with `.at` and `.levels`
    predicts  "eps", "x0", "v" or "flow"
    null      one condition that means "none": a label index, or the (L, D) embedding of the empty text. Stored with the weights.
    """

    def __init__(
        self,
        network: Callable[..., Tensor],
        schedule: NoisePath,
        predicts: str = "eps",
        null: int | Tensor | None = None,
    ):
        super().__init__()
        if isinstance(schedule, nn.Module) or not hasattr(schedule, "at"):
            raise TypeError(
                f"schedule must be a path such as DiffusionSchedule.linear(), got {type(schedule).__name__}; "
                "the order is (network, schedule)"
            )
        if not callable(network):
            raise TypeError(f"network must be callable, got {type(network).__name__}; the order is (network, schedule)")
        if predicts not in PREDICTS:
            raise ValueError(f"predicts must be one of {', '.join(PREDICTS)}, got {predicts!r}")
        self.network, self.schedule, self.predicts = network, schedule, predicts
        self.register_buffer("null", None if null is None else torch.as_tensor(null).detach().clone())

    def forward(self, x: Tensor, at: Level, cond: Any = None) -> Estimate:
        """The estimate of x0 and eps for noisy x (B, …) at one level, or at one level an image.

        cond is a LongTensor (B,) of labels, a (B, L, D) text, one of either for all images, or None: the null condition, if there is one.
        """
        return estimate(self._output(x, at.t, cond), x, at, self.predicts)

    def _output(self, x: Tensor, t: float | Tensor, cond: Any) -> Tensor:
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32  # half precision cannot count to 999
        t = t.to(x.device, dtype).reshape(-1) if isinstance(t, Tensor) else x.new_full(x.shape[:1], t, dtype=dtype)
        cond = expand(self.null if cond is None else cond, x)
        output = self.network(x, t) if cond is None else self.network(x, t, cond)
        if not isinstance(output, Tensor) or output.shape != x.shape:
            got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"network must return a tensor of x's shape {tuple(x.shape)}, got {got}")
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
        (Ho & Salimans 2022, algorithm 1). The mean is over images, channels and pixels.
        """
        if not 0 <= drop_prob <= 1:
            raise ValueError(f"drop_prob must lie in [0, 1], got {drop_prob}")
        device = "cpu" if generator is None else generator.device
        if t is None:
            u = torch.rand(1, generator=generator, device=device) + torch.arange(len(x0), device=device) / len(x0)
            t = self.schedule.times(u.remainder(1.0))
        noise = noise_for(x0, noise, generator)
        at = self.schedule.at(t, like=x0)
        if drop_prob > 0 and cond is not None:
            cond = self._drop(expand(cond, x0), torch.rand(len(x0), generator=generator, device=device) < drop_prob)
        a, b = PREDICTS[self.predicts](at)
        error = self._output(at.alpha * x0 + at.sigma * noise, at.t, cond) - (a * x0 + b * noise)
        return (error**2 if weight is None else weight(at) * error**2).mean()

    def _drop(self, cond: Tensor, drop: Tensor) -> Tensor:
        if self.null is None:
            raise ValueError("drop_prob needs a null condition: build the Denoiser with null=...")
        drop = drop.to(cond.device).view((-1,) + (1,) * (cond.ndim - 1))
        return torch.where(drop, self.null.to(cond), cond)

    def given(self, cond: Any) -> Denoise:
        """The denoiser with its condition filled in: a function (x, level) -> Estimate."""
        return Given(self, cond)

    def spec(self, describe: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """What `from_spec` needs to make an empty twin, JSON values only; `describe` describes the network."""
        if not isinstance(self.schedule, DiffusionSchedule):
            raise TypeError(
                f"model.schedule must be a DiffusionSchedule to be saved, got {type(self.schedule).__name__}"
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
        return cls(build(spec["network"]), DiffusionSchedule.from_config(spec["schedule"]), spec["predicts"], null)


# -- wrappers: each is a Denoise. `rows(lo, hi, n)` is the same function for images lo..hi of n. ---------------------------


@dataclass(frozen=True)
class Given:
    """`denoiser` with the condition `cond`."""

    denoise: Callable[..., Estimate]
    cond: Any

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        return self.denoise(x, at, self.cond)

    def rows(self, lo: int, hi: int, n: int) -> "Given":
        return Given(self.denoise, _slice(self.cond, lo, hi, n))


@dataclass(frozen=True)
class Guided:
    """See `guided`."""

    denoise: Callable[..., Estimate]
    cond: Any
    guidance: float
    uncond: Any
    interval: tuple[float, float] | None
    rescale: float = 0.0

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        w = _inside(self.guidance, self.interval, at)
        if not isinstance(w, Tensor) and (w == 1 or (w == 0 and not self.rescale)):
            return self.denoise(x, at, self.cond if w else self.uncond)
        both = torch.cat([expand(self.uncond, x, "uncond"), expand(self.cond, x)])
        twice = Level(*(torch.cat([v, v]) if isinstance(v, Tensor) else v for v in at))
        e = self.denoise(torch.cat([x, x]), twice, both)
        none, given = (Estimate(x, at, *half) for half in zip(e.x0.chunk(2), e.eps.chunk(2), strict=True))
        now = _extrapolate(none, given, w)
        if not self.rescale:
            return now
        predicts = getattr(self.denoise, "predicts", "v")
        a, b = PREDICTS[predicts](at)
        output = rescaled(a * now.x0 + b * now.eps, a * given.x0 + b * given.eps, self.rescale)
        return estimate(output, x, at, predicts)

    def rows(self, lo: int, hi: int, n: int) -> "Guided":
        cond, uncond = _slice(self.cond, lo, hi, n), _slice(self.uncond, lo, hi, n, "uncond")
        return Guided(self.denoise, cond, self.guidance, uncond, self.interval, self.rescale)


@dataclass(frozen=True)
class Autoguided:
    """See `autoguided`."""

    denoise: Denoise
    weak: Denoise
    guidance: float
    interval: tuple[float, float] | None
    weak_evaluates: "evaluating"

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        w = _inside(self.guidance, self.interval, at)
        strong = None if not isinstance(w, Tensor) and w == 0 else self.denoise(x, at)
        if strong is not None and not isinstance(w, Tensor) and w == 1:
            return strong
        with self.weak_evaluates:
            weak = self.weak(x, at)
        if strong is None:
            return weak
        return _extrapolate(weak, strong, w)

    def rows(self, lo: int, hi: int, n: int) -> "Autoguided":
        strong, weak = rows(self.denoise, lo, hi, n), rows(self.weak, lo, hi, n)
        return Autoguided(strong, weak, self.guidance, self.interval, self.weak_evaluates)


@dataclass(frozen=True)
class Clipped:
    """See `clipped`."""

    denoise: Denoise
    low: float
    high: float

    def __call__(self, x: Tensor, at: Level) -> Estimate:
        x0 = self.denoise(x, at).x0.clamp(self.low, self.high)
        return Estimate(x, at, x0=x0, eps=combine(1 / at.sigma, x, -at.alpha / at.sigma, x0))

    def rows(self, lo: int, hi: int, n: int) -> "Clipped":
        return Clipped(rows(self.denoise, lo, hi, n), self.low, self.high)


def guided(
    denoiser: Denoiser,
    cond: Any,
    guidance: float,
    *,
    uncond: Any = None,
    interval: tuple[float, float] | None = None,
    rescale: float = 0.0,
) -> Denoise:
    """Classifier-free guidance, eps = eps_uncond + guidance·(eps_cond - eps_uncond), and the same for x0.

    Ho & Salimans 2022, equation 6, with guidance w = 1 + their weight (see `from_weight`): w = 1 is the plain conditional model, w = 0 the
    unconditional one (one call each), any other w is one call on the doubled batch [uncond, cond].
    uncond defaults to the denoiser's null condition; a negative prompt replaces it. interval=(lo, hi) guides only where lo <= sigma/alpha
    <= hi (Kynkäänniemi et al. 2024) and is the plain conditional model elsewhere, one call. rescale in [0, 1] passes the network's guided
    output through `rescaled` with that share (on v, if the denoiser does not say what it predicts).
    """
    _check_guidance(guidance, interval)
    if cond is None:
        raise ValueError("cond must be a condition, got None; for the unconditional model call the denoiser itself")
    uncond = getattr(denoiser, "null", None) if uncond is None else uncond
    if uncond is None and (guidance != 1):
        raise ValueError("uncond is missing: give uncond=..., or build the Denoiser with null=...")
    if not 0 <= rescale <= 1:
        raise ValueError(f"rescale must lie in [0, 1], got {rescale}")
    return Guided(denoiser, cond, float(guidance), uncond, interval, float(rescale))


def from_weight(weight: float) -> float:
    """The guidance w = 1 + weight, for a weight as Ho & Salimans write it: (1 + weight)·eps_cond - weight·eps_uncond (2022, equation 6).

    Their weight 0 is the plain conditional model, which is guidance 1 here, in Stable Diffusion and in diffusers.
    """
    return 1.0 + weight


def rescaled(output: Tensor, cond_output: Tensor, share: float = 0.7) -> Tensor:
    """share·output·std(cond_output)/std(output) + (1 - share)·output: guided outputs brought back to the spread of the conditional ones.

    Lin et al. 2024, section 3.4, equations 14 to 16 (their phi is `share`). Both (B, …), standard deviations over each image.
    """
    if output.shape != cond_output.shape or output.ndim < 2:
        raise ValueError(
            f"output and cond_output must be (B, …) of one shape, got {tuple(output.shape)} and {tuple(cond_output.shape)}"
        )
    over = tuple(range(1, output.ndim))
    ratio = cond_output.std(dim=over, keepdim=True) / output.std(dim=over, keepdim=True)
    return output * (share * ratio + (1 - share))


def autoguided(
    denoise: Denoise, weak: Denoise, guidance: float, *, interval: tuple[float, float] | None = None
) -> Denoise:
    """Guidance by a bad version of the model itself: x0 = x0_weak + guidance·(x0 - x0_weak), and the same for eps.

    Karras et al. 2024, "Guiding a diffusion model with a bad version of itself": D_1 is `denoise`, D_0 is `weak`. Both get the same
    condition, autoguided(model.given(labels), early.given(labels), 2.0), and must have been trained on the same schedule.
    guidance 1 calls only `denoise`, 0 only `weak`; interval as in `guided`.
    """
    _check_guidance(guidance, interval)
    for name, value in (("denoise", denoise), ("weak", weak)):
        if not callable(value):
            raise TypeError(f"{name} must be a function (x, level) -> Estimate, got {type(value).__name__}")
    return Autoguided(denoise, weak, float(guidance), interval, evaluating(module_of(weak)))


def _check_guidance(guidance: Any, interval: Any) -> None:
    if not isinstance(guidance, (int, float)) or not math.isfinite(guidance):
        raise ValueError(f"guidance must be a finite number, got {guidance!r}")
    if interval is not None and not 0 <= interval[0] <= interval[1]:
        raise ValueError(f"interval must be (lo, hi) with 0 <= lo <= hi in units of sigma/alpha, got {interval}")


def _extrapolate(start: Estimate, end: Estimate, w: float | Tensor) -> Estimate:
    """start + w·(end - start) for x0 and eps: all guidance walks from one estimate to another, and on."""
    x0, eps = (a + w * (b - a) for a, b in ((start.x0, end.x0), (start.eps, end.eps)))
    return start._replace(x0=x0, eps=eps)


def _inside(guidance: float, interval: tuple[float, float] | None, at: Level) -> float | Tensor:
    """The guidance at this level: 1 outside the interval."""
    if interval is None:
        return guidance
    inside = (interval[0] <= at.nsr) & (at.nsr <= interval[1])
    return torch.where(inside, guidance, 1.0) if isinstance(inside, Tensor) else guidance if inside else 1.0


def clipped(denoise: Denoise, low: float = -1.0, high: float = 1.0) -> Denoise:
    """Clamp x0 to the range of the data and derive eps anew, so that x = alpha·x0 + sigma·eps still holds. Goes around `guided`."""
    if not low < high:
        raise ValueError(f"low must be below high, got {low} and {high}")
    return Clipped(denoise, low, high)


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


class evaluating:
    """`with evaluating(module): ...` puts a module into eval mode and gives every part of it its own mode back afterwards.

    One instance may be entered many times, one after the other. Where every part evaluates already, it later asks only the module itself:
    between two calls of a network the flags of all its parts have left the processor's cache.
    """

    def __init__(self, module: nn.Module | None):
        self.parts = () if module is None else tuple(module.modules())
        self.training = self.parts

    def __enter__(self) -> None:
        if self.training or (self.parts[:1] and self.parts[0].training):
            self.training = [m for m in self.parts if m.training]
            for m in self.training:
                m.training = False

    def __exit__(self, *_: Any) -> None:
        for m in self.training:
            m.training = True


# -- conditions -------------------------------------------------------------------------------------------------------


def expand(cond: Any, x: Tensor, name: str = "cond") -> Tensor | None:
    """A condition for each of the len(x) images: one condition for all is repeated, a batch must have the right length."""
    if cond is None:
        return None
    if not isinstance(cond, Tensor) or cond.device != x.device:
        cond = torch.as_tensor(cond, device=x.device)
    if _is_single(cond):
        cond = cond.expand(len(x), *cond.shape)
    _check_length(cond, len(x), name)
    return cond


def _is_single(cond: Tensor) -> bool:
    return cond.ndim == (2 if cond.is_floating_point() else 0)  # one text (L, D), or one label


def _check_length(cond: Tensor, n: int, name: str) -> None:
    if len(cond) != n:
        raise ValueError(f"{name} holds {len(cond)} conditions for a batch of {n} images")


def _slice(cond: Any, lo: int, hi: int, n: int, name: str = "cond") -> Any:
    if cond is None:
        return None
    cond = torch.as_tensor(cond)
    if _is_single(cond):
        return cond
    _check_length(cond, n, name)
    return cond[lo:hi]
