"""Noise schedules: how much signal and how much noise is left at every step.

One forward equation serves the whole course, `x_t = alpha·x_0 + sigma·eps`; a `Level` is one point (t, alpha, sigma) on that path.
Code index t = 0..T-1 is the papers' t = 1..T, so t = 0 is already slightly noisy; the papers' t = 0 is `CLEAN`.
"""

import math
from bisect import bisect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from diffcourse.checks import check_alike, check_batch, check_floating, number, one_of, told, whole
from diffcourse.rng import Generators, draw

LONGEST = 1_000_000  # steps of a chain: its tables are held as Python numbers too
SPACINGS = ("trailing", "linspace", "leading", "karras")


class Level(NamedTuple):
    """A point on a noise path, x_t = alpha·x_0 + sigma·eps.

    Python floats when sampling (one level for the whole batch); tensors of shape (B, 1, …, 1) when training (one level an image).
    """

    t: float | Tensor
    alpha: float | Tensor
    sigma: float | Tensor

    @property
    def nsr(self) -> float | Tensor:
        """Noise-to-signal ratio sigma/alpha: the "sigma" of Karras et al. (2022); inf where no signal is left."""
        if isinstance(self.alpha, Tensor):
            return self.sigma / self.alpha
        return self.sigma / self.alpha if self.alpha else math.inf

    @property
    def lam(self) -> float | Tensor:
        """log(alpha/sigma), half the log signal-to-noise ratio: the lambda of DPM-Solver (Lu et al. 2022); inf at `CLEAN`."""
        if isinstance(self.alpha, Tensor):
            return torch.log(self.alpha / self.sigma)
        if self.alpha == 0:
            return -math.inf
        return math.log(self.alpha / self.sigma) if self.sigma else math.inf

    def noised(self, x0: Any, eps: Any) -> Any:
        """x_t = alpha·x_0 + sigma·eps: the one forward equation. Tensors of one shape, or numbers."""
        return self.alpha * x0 + self.sigma * eps


CLEAN = Level(t=-1.0, alpha=1.0, sigma=0.0)
"""The data itself (the papers' t = 0). Samplers end here; no network is ever called here."""


class NoisePath(Protocol):
    """All that samplers, denoisers and training ask of a path: a `DiffusionSchedule` is one, the continuous paths of an SDE are others.

    at      the level at time t: floats for a number; for a tensor t (B,) tensors (B, 1, …, 1) in the dtype and on the device of `like`
    levels  `steps` levels, noisiest first, and a last one: where a sampler goes

    A path may have more, which is asked for where it is there:

    times    (B,) numbers u in [0, 1) -> (B,) times that `at` takes: which levels `Denoiser.loss` trains, and how often. Without it, all
             from 0 to the t of levels(1)[0], evenly
    time_of  a number sigma/alpha -> the t at which `at` has it: for samplers that raise the noise in between

    The bounds of `diffcourse.elbo` and `plot.schedules` are about chains: they ask for a DiffusionSchedule's T, betas and alpha_bars too.
    """

    def at(self, t: Any, like: Tensor | None = None) -> Level: ...

    def levels(self, steps: int) -> list[Level]: ...


# -- beta schedules ---------------------------------------------------------------------------------------------------


def linear_beta_schedule(timesteps: int, beta_start: float = 1e-4, beta_end: float = 0.02) -> Tensor:
    """beta_t from `beta_start` to `beta_end` in equal steps (Ho et al. 2020, section 4). Returns (timesteps,) float64.

    The usual end points are made for 1000 steps. With fewer, the chain stops before the signal is gone: multiply both by 1000/timesteps.
    """
    _check_betas_range(timesteps, beta_start, beta_end)
    return torch.linspace(beta_start, beta_end, timesteps, dtype=torch.float64)


def scaled_linear_beta_schedule(timesteps: int, beta_start: float = 0.00085, beta_end: float = 0.012) -> Tensor:
    """sqrt(beta_t) in equal steps: the schedule of Stable Diffusion (Rombach et al. 2022). Returns (timesteps,) float64."""
    _check_betas_range(timesteps, beta_start, beta_end)
    return torch.linspace(beta_start**0.5, beta_end**0.5, timesteps, dtype=torch.float64) ** 2


def cosine_beta_schedule(timesteps: int, s: float = 0.008) -> Tensor:
    """alpha_bar(t) = f(t)/f(0), f(t) = cos²((t/T + s)/(1 + s)·π/2), beta_t = min(1 - alpha_bar(t)/alpha_bar(t-1), 0.999).

    Nichol & Dhariwal 2021, equation 17. Returns (timesteps,) float64. The clip keeps 1/sqrt(alpha_T) at 31.6; clipping at 0.9999
    instead would multiply every error of the network by 100 at the first sampling step.
    """
    whole("timesteps", timesteps, 1, LONGEST)
    number("s", s, 0)
    u = (torch.arange(timesteps + 1, dtype=torch.float64) / timesteps + s) / (1 + s)
    f = torch.cos(u * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


# -- moving between two levels ----------------------------------------------------------------------------------------


def jump(now: Level, to: Level) -> tuple[Any, Any]:
    """The forward step between two levels, q(x_t | x_s) = N(alpha_{t|s}·x_s, beta_{t|s}), s (`to`) the less noisy; returns (alpha, beta).

    alpha_{t|s} = alpha_t/alpha_s,  beta_{t|s} = sigma_t² - alpha_{t|s}²·sigma_s² (Kingma et al. 2021, appendix A.1). For neighbours
    they are sqrt(1 - beta_t) and beta_t (Ho et al. 2020, equation 2). Works on floats and on tensors. ValueError where s is the noisier.
    """
    check_down(now, to)
    alpha = now.alpha / to.alpha
    beta = now.sigma**2 - (alpha * to.sigma) ** 2
    return alpha, beta.clamp(min=0) if isinstance(beta, Tensor) else max(beta, 0.0)


def posterior_coefficients(now: Level, to: Level) -> tuple[Any, Any, Any]:
    """q(x_s | x_t, x_0) = N(a·x_0 + b·x_t, var) for a jump from level t (`now`) to the less noisy s (`to`); returns (a, b, var).

    a = alpha_s·beta_{t|s}/sigma_t²,  b = alpha_{t|s}·sigma_s²/sigma_t²,  var = beta_{t|s}·sigma_s²/sigma_t²,  with the `jump`'s alpha_{t|s}
    and beta_{t|s}. Ho et al. 2020, equations 6 and 7, are the case of neighbours; the general jump is Kingma et al. 2021, equation 25.
    Works on floats and on tensors.
    """
    alpha, beta = jump(now, to)
    if _any(now.sigma == 0):
        raise ValueError(
            f"now must be noisy, got sigma = 0 at t={_told(now.t)}: at the data itself nothing is left to draw"
        )
    return (
        to.alpha * beta / now.sigma**2,
        alpha * to.sigma**2 / now.sigma**2,
        beta * to.sigma**2 / now.sigma**2,
    )


class DiffusionSchedule:
    """The tables of a discrete diffusion: `betas`, `alphas` = 1 - beta, `alpha_bars` = their running product; float64, CPU, length T.

    Level t has alpha = sqrt(alpha_bar_t) and sigma = sqrt(1 - alpha_bar_t). The tables are small and stay where they are; `at` moves
    one level to the data's device and dtype.
    """

    def __init__(self, betas: Tensor | Sequence[float]):
        try:
            betas = torch.as_tensor(betas, dtype=None if isinstance(betas, Tensor) else torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(f"betas must be a tensor or a list of numbers, got {told(betas)}") from error
        if betas.is_complex() or betas.dtype == torch.bool or betas.is_meta:
            raise TypeError(f"betas must be numbers, got {told(betas)}{' on the meta device' * betas.is_meta}")
        betas = betas.detach().cpu().double().clone()
        if betas.ndim != 1 or len(betas) == 0:
            raise ValueError(f"betas must be one-dimensional with at least one entry, got shape {tuple(betas.shape)}")
        if not bool(((betas > 0) & (betas <= 1)).all()):
            raise ValueError(f"betas must lie in (0, 1], got values from {betas.min():g} to {betas.max():g}")
        self.betas = betas
        self.alphas = 1 - betas
        self.alpha_bars = torch.cumprod(self.alphas, dim=0)
        if bool((self.alpha_bars[:-1] == 0).any()):
            raise ValueError(
                "betas may use up the signal (alpha_bar = 0) at the last step only: nothing is left after it"
            )
        if self.alpha_bars[0] == 1:
            raise ValueError(f"betas must be large enough to count in float64: 1 - {betas[0]:g} is 1")
        self.T = len(betas)
        self.config: dict[str, Any] = {"betas": betas.tolist()}
        self._moved: dict[tuple[torch.device, torch.dtype], tuple[Tensor, Tensor]] = {}
        self._levels = [Level(float(t), a**0.5, max(0.0, 1 - a) ** 0.5) for t, a in enumerate(self.alpha_bars.tolist())]

    @classmethod
    def linear(cls, T: int = 1000, beta_start: float = 1e-4, beta_end: float = 0.02) -> "DiffusionSchedule":
        return cls._named("linear", linear_beta_schedule, T, beta_start=beta_start, beta_end=beta_end)

    @classmethod
    def cosine(cls, T: int = 1000, s: float = 0.008) -> "DiffusionSchedule":
        return cls._named("cosine", cosine_beta_schedule, T, s=s)

    @classmethod
    def scaled_linear(cls, T: int = 1000, beta_start: float = 0.00085, beta_end: float = 0.012) -> "DiffusionSchedule":
        return cls._named("scaled_linear", scaled_linear_beta_schedule, T, beta_start=beta_start, beta_end=beta_end)

    @classmethod
    def _named(cls, name: str, betas, T: int, **kwargs: float) -> "DiffusionSchedule":
        T = whole("T", T, 1, LONGEST)
        schedule = cls(betas(T, **kwargs))
        schedule.config = {"name": name, "T": T, **kwargs}
        return schedule

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "DiffusionSchedule":
        """The schedule whose `.config` this is: what a weights card stores."""
        if not isinstance(config, Mapping):
            raise TypeError(f"config must be a dictionary such as schedule.config, got {told(config)}")
        config = dict(config)
        if "betas" in config:
            return cls(config["betas"])
        name, left = config.pop("name", None), config.pop("left", None)
        if name not in ("linear", "cosine", "scaled_linear"):
            raise ValueError(f"config: unknown schedule {name!r}; it must be linear, cosine or scaled_linear")
        schedule = getattr(cls, name)(**config)
        return schedule if left is None else schedule.zero_terminal_snr(left)

    @classmethod
    def from_diffusers(cls, config: Any) -> "DiffusionSchedule":
        """The same betas as a diffusers scheduler; `config` is the scheduler, its `.config`, or the content of `scheduler_config.json`."""
        config = getattr(config, "config", config)
        if not isinstance(config, Mapping):
            raise TypeError(f"config must be a diffusers scheduler or its config, got {told(config)}")
        T, kind = config.get("num_train_timesteps", 1000), config.get("beta_schedule")
        ends: dict[str, Any] = {"beta_start": config.get("beta_start", 1e-4), "beta_end": config.get("beta_end", 0.02)}
        if config.get("trained_betas") is not None:
            schedule = cls(config["trained_betas"])
        elif kind == "linear":
            schedule = cls.linear(T, **ends)
        elif kind == "scaled_linear":
            schedule = cls.scaled_linear(T, **ends)
        elif kind == "squaredcos_cap_v2":
            schedule = cls.cosine(T)
        else:  # also None: a config without betas, such as a flow-matching scheduler's
            raise ValueError(
                f"config: beta_schedule {kind!r} is not known; linear, scaled_linear and squaredcos_cap_v2 are"
            )
        return schedule.zero_terminal_snr() if config.get("rescale_betas_zero_snr") else schedule

    def to_diffusers(self) -> dict[str, Any]:
        """The part of a config of diffusers' schedulers that gives these betas: the way back from `from_diffusers`."""
        config = dict(self.config)
        names = {"linear": "linear", "scaled_linear": "scaled_linear", "cosine": "squaredcos_cap_v2"}
        if config.get("name") not in names or config.get("s", 0.008) != 0.008 or config.get("left"):
            return {"num_train_timesteps": self.T, "trained_betas": self.betas.tolist()}
        ends = {key: config[key] for key in config if key in ("beta_start", "beta_end")}
        if config.get("left") == 0:
            ends["rescale_betas_zero_snr"] = True
        return {"num_train_timesteps": self.T, "beta_schedule": names[config["name"]], **ends}

    def zero_terminal_snr(self, left: float = 0.0) -> "DiffusionSchedule":
        """The schedule shifted and scaled so that no signal is left at the end, alpha_bar_T = 0 (Lin et al. 2024, algorithm 1).

        With `left`, that much: alpha_bar_T = left. A little, such as 1e-5, is nothing to the eye, and keeps sigma/alpha finite for the
        samplers that count in it (Euler, Heun, LMS); diffusers leaves them 2^-24.
        """
        if self.T == 1:
            raise ValueError(
                "zero_terminal_snr needs a schedule of at least 2 steps, got T = 1: the first keeps its signal, the last has none"
            )
        first, last = self.alpha_bars[[0, -1]].sqrt().tolist()
        end = number("left", left, 0) ** 0.5
        if end >= first:
            raise ValueError(f"left must be below alpha_bar at t = 0, {first**2:g}, got {left!r}")
        bars = (end + (self.alpha_bars.sqrt() - last) * (first - end) / (first - last)) ** 2
        schedule = DiffusionSchedule(1 - bars / torch.cat([torch.ones(1, dtype=bars.dtype), bars[:-1]]))
        if "betas" not in self.config:  # a name in a card says more than a thousand numbers
            schedule.config = self.config | {"left": left}
        return schedule

    def __len__(self) -> int:
        return self.T

    def __repr__(self) -> str:
        name = self.config.get("name", "custom")
        return f"DiffusionSchedule({name}, T={self.T}, alpha_bar_T={self.alpha_bars[-1]:.3g})"

    def at(self, t: float | Tensor, like: Tensor | None = None) -> Level:
        """The level at time t.

        A number gives floats; between two steps sigma/alpha is interpolated linearly. A LongTensor (B,) gives tensors: of shape
        (B, 1, …, 1) in the dtype and on the device of `like`, or plain (B,) float64 tables without it. ValueError outside [0, T-1].
        """
        if isinstance(t, Tensor) and t.ndim > 0:
            return self._at_many(t, like)
        t = number("t", t, 0, self.T - 1, why="code index t is the papers' t + 1; the clean image is CLEAN")
        low = int(t)
        if low == t:
            return self._levels[low]
        below, above = self._levels[low].nsr, self._levels[low + 1].nsr
        nsr = below + (t - low) * (above - below)
        alpha = 1 / math.hypot(1.0, nsr)
        return Level(t, alpha, nsr * alpha if nsr < math.inf else 1.0)

    def _at_many(self, t: Tensor, like: Tensor | None) -> Level:
        if t.ndim != 1 or t.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"t must be a number or a LongTensor (B,), got {t.dtype} of shape {tuple(t.shape)}")
        if t.is_meta:
            raise TypeError(
                "t must be a number or a LongTensor (B,), got one on the meta device, which holds no numbers"
            )
        if like is not None:
            check_floating("like", like)
            _check_batch(t, like)
        index = t.detach().to("cpu", torch.int64)
        if len(index) and not 0 <= int(index.min()) <= int(index.max()) < self.T:
            raise ValueError(
                f"t must lie in [0, {self.T - 1}], got values from {int(index.min())} to {int(index.max())}"
            )
        bars = self.alpha_bars[index]
        level = index.double(), bars.sqrt(), (1 - bars).clamp(min=0).sqrt()
        if like is None:
            return Level(*level)
        shape = (-1,) + (1,) * (like.ndim - 1)
        exact = torch.promote_types(like.dtype, torch.float32)  # for t: bfloat16 cannot count to 999
        dtypes = (exact, like.dtype, like.dtype)  # set before the device: MPS has no float64
        return Level(*(v.to(dtype).to(like.device).view(shape) for v, dtype in zip(level, dtypes, strict=True)))

    def at_drawn(self, t: Tensor, like: Tensor) -> Level:
        """`at` for times that were drawn by `times`: their values are not looked at, for which a GPU would be waited for."""
        if t.device.type == "cpu" or t.device != like.device:
            return self.at(t, like)
        exact = torch.promote_types(like.dtype, torch.float32)
        shape = (-1,) + (1,) * (like.ndim - 1)
        alphas, sigmas = self._tables(like.device, like.dtype)
        return Level(t.to(exact).view(shape), alphas[t].view(shape), sigmas[t].view(shape))

    def _tables(self, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """alpha and sigma of all levels on a device, moved once."""
        if (device, dtype) not in self._moved:
            bars = self.alpha_bars
            alphas, sigmas = bars.sqrt().to(dtype).to(device), (1 - bars).clamp(min=0).sqrt().to(dtype).to(device)
            self._moved[device, dtype] = alphas, sigmas
        return self._moved[device, dtype]

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_moved": {}}

    def times(self, u: Tensor) -> Tensor:
        """Training times for numbers u in [0, 1): the LongTensor floor(u·T)."""
        check_floating("u", u)
        if u.device.type == "cpu" and not bool(((u >= 0) & (u <= 1)).all()):  # 1 itself comes of rounding
            raise ValueError(f"u must lie in [0, 1), got values from {u.min():g} to {u.max():g}")
        return (u * self.T).long().clamp(max=self.T - 1)

    def q_sample(
        self, x0: Tensor, t: int | Tensor, noise: Tensor | None = None, generator: Generators = None
    ) -> Tensor:
        """x_t = sqrt(alpha_bar_t)·x_0 + sqrt(1 - alpha_bar_t)·eps in one step (Ho et al. 2020, equation 4).

        x0 (B, …), t a number or a LongTensor (B,); `noise` has x0's shape and is drawn from `generator` where it is missing.
        """
        noise = noise_for(x0, noise, generator)
        return self.at(t, like=x0).noised(x0, noise)

    def posterior(self, x0: Tensor, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of q(x_{t-1} | x_t, x_0), Ho et al. 2020, equations 6 and 7; below t = 0 lies the clean image.

        x0 and x_t (B, …), t a whole number or a LongTensor (B,). The mean has x0's shape, the variance broadcasts against it.
        """
        check_batch("x0", x0)
        check_alike("x_t", x_t, "x0", x0)
        if not isinstance(t, Tensor) or t.ndim == 0:
            step = number("t", t)
            if step != int(step):
                raise ValueError(f"t must be a whole number, got {step:g}")
            t = torch.full((len(x0),), int(step))
        _check_batch(t, x0)
        now, index = self.at(t), t.detach().to("cpu", torch.int64)
        bars = torch.where(index > 0, self.alpha_bars[index - 1], 1.0)  # alpha_bar = 1 below t = 0
        to = Level(index - 1.0, bars.sqrt(), (1 - bars).sqrt())
        shape = (-1,) + (1,) * (x0.ndim - 1)
        a, b, var = (c.to(x0.dtype).to(x0.device).view(shape) for c in posterior_coefficients(now, to))
        return a * x0 + b * x_t, var

    def snr(self, t: float | Tensor) -> float | Tensor:
        """Signal-to-noise ratio alpha_bar_t/(1 - alpha_bar_t): a float, or float64 (B,) for a LongTensor."""
        at = self.at(t)
        return at.alpha**2 / at.sigma**2

    def levels(self, steps: int, spacing: str = "trailing", last: Level = CLEAN, *, rho: float = 7.0) -> list[Level]:
        """`steps` levels of the schedule, noisiest first, and `last`: steps + 1 in all, so `steps` calls of the network.

        spacing (names of Lin et al. 2024, table 2): "trailing" starts at T-1 and ends one stride above the data; "linspace" holds both
        T-1 and 0; "leading" holds 0 and starts one stride below T, so it skips the noisiest levels. All are whole numbers, all differ.
        "karras": from T-1 to 0 in equal steps of (sigma/alpha)^(1/rho) (Karras et al. 2022, equation 5), so the larger rho, the more
        levels lie near the data; they fall between the steps of the chain.
        """
        steps = whole("steps", steps, 1, self.T)
        one_of("spacing", spacing, SPACINGS)
        times: list[float]
        if spacing == "trailing":  # T-1 - i·T/steps, i·T/steps rounded half up: in whole numbers, so exact
            times = [self.T - 1 - (2 * i * self.T + steps) // (2 * steps) for i in range(steps)]
        elif spacing == "linspace":
            times = [self.T - 1 - round(i * (self.T - 1) / max(1, steps - 1)) for i in range(steps)]
        elif spacing == "leading":
            times = [i * (self.T // steps) for i in reversed(range(steps))]
        else:
            times = self._karras(steps, rho)
        check_level("last", last)
        levels = [*(self.at(t) for t in times), last]
        if last.nsr > levels[-2].nsr:
            raise ValueError(f"last must not be noisier than the level before it, t={levels[-2].t:g}; got t={last.t:g}")
        return levels

    def _karras(self, steps: int, rho: float) -> list[float]:
        number("rho", rho, 0.1)  # below it the powers overflow
        first, last = float(self._levels[0].nsr), float(self._levels[-1].nsr)
        if last == math.inf:
            raise ValueError(
                "spacing 'karras' needs a finite sigma/alpha at the start: this schedule ends without signal"
            )
        high, low = last ** (1 / rho), first ** (1 / rho)
        inner = [(high + i / (steps - 1) * (low - high)) ** rho for i in range(1, steps - 1)]
        return [float(self.T - 1), *(self._time(v) for v in inner), *[0.0] * (steps > 1)]

    def time_of(self, nsr: float) -> float:
        """The time t, in general between two steps, at which sigma/alpha is `nsr`: the inverse of `at`, at(time_of(nsr)).nsr = nsr.

        What k-diffusion calls sigma_to_t. A sampler that raises the noise to a level of its own needs it: a network is told t, not
        sigma. ValueError outside sigma/alpha of t = 0 … T-1, and where it jumps to infinity on a last step that keeps no signal.
        """
        kept = [float(at.nsr) for at in self._levels if at.alpha]  # all, or all but the last
        if isinstance(nsr, float) and nsr == math.inf and len(kept) < self.T:
            return float(self.T - 1)
        low, high = (kept[0], kept[-1]) if kept else (math.inf, math.inf)
        nsr = number("nsr", nsr)
        if not low * (1 - 1e-12) <= nsr <= high * (1 + 1e-12):  # an end of the range may have been through a root
            raise ValueError(
                f"nsr must lie in [{low:.6g}, {high:.6g}], sigma/alpha at t = 0 and t = {len(kept) - 1}, got {nsr:g}"
            )
        return self._time(min(max(nsr, low), high))

    def _time(self, nsr: float) -> float:
        above = min(max(bisect(self._levels, nsr, key=lambda at: float(at.nsr)), 1), self.T - 1)
        if above == 0:  # a chain of one step
            return 0.0
        lower, upper = float(self._levels[above - 1].nsr), float(self._levels[above].nsr)
        return above - 1 + (nsr - lower) / (upper - lower)


# -- small helpers ----------------------------------------------------------------------------------------------------


def check_level(name: str, at: Any, like: Tensor | None = None) -> None:
    """A Level of finite numbers, none below 0 and not both 0; with tensors in it, of shape (B, 1, …, 1) for `like` (B, …)."""
    if not isinstance(at, Level):
        example = f"{at:g}" if isinstance(at, int | float) else "500"
        raise TypeError(f"{name} must be a Level, such as schedule.at({example}), got {told(at)}")
    tensors = [v for v in (at.alpha, at.sigma) if isinstance(v, Tensor) and v.ndim]
    for v in tensors:
        if like is None:
            raise TypeError(f"{name} must hold plain numbers, one level for all points: got a Tensor {tuple(v.shape)}")
        if v.ndim != like.ndim or len(v) not in (1, len(like)) or v.numel() != len(v):
            raise ValueError(
                f"{name}: levels of shape {tuple(v.shape)} do not fit x of shape {tuple(like.shape)}; make them with schedule.at(t, like=x)"
            )
    if not tensors:
        alpha, sigma = number(f"{name}.alpha", at.alpha, 0), number(f"{name}.sigma", at.sigma, 0)
        number(f"{name}.t", at.t)
        if alpha == sigma == 0:
            raise ValueError(f"{name} must hold signal or noise, got alpha = sigma = 0 at t={_told(at.t)}")
    elif all(v.device.type == "cpu" for v in tensors):  # elsewhere a look would wait for the device
        wrong = _any(
            ~((at.alpha >= 0) & (at.sigma >= 0) & (at.alpha + at.sigma > 0) & (at.alpha + at.sigma < math.inf))
        )
        if wrong:
            raise ValueError(
                f"{name} must hold finite alpha and sigma >= 0, not both 0; those at t={_told(at.t)} are not"
            )


def check_down(now: Any, to: Any) -> None:
    """A step that draws noise goes from `now` to a less noisy level, on which some signal is left. Levels of numbers, or of tensors."""
    for name, at in (("now", now), ("to", to)):
        check_level(name, at, at.alpha if isinstance(at, Level) and isinstance(at.alpha, Tensor) else None)
    if _any(to.alpha == 0):
        raise ValueError(f"to must keep some signal, got alpha = 0 at t={_told(to.t)}")
    if _any(to.nsr > now.nsr * (1 + 1e-9)):
        raise ValueError(
            f"to must not be noisier than now where noise is drawn, got t={_told(now.t)} to t={_told(to.t)}: up again go samplers "
            "without noise, such as DDIM()"
        )


def check_chain(schedule: Any) -> None:
    """A DiffusionSchedule, or what has its tables."""
    wanted = ("T", "betas", "alphas", "alpha_bars", "at")
    if missing := [name for name in wanted if isinstance(schedule, type) or not hasattr(schedule, name)]:
        raise TypeError(
            f"schedule must be a chain of T steps such as DiffusionSchedule.linear(), got {told(schedule)} without {', '.join(missing)}"
        )


def _any(truth: Any) -> bool:
    return bool(truth.any()) if isinstance(truth, Tensor) else bool(truth)


def _told(t: Any) -> str:
    values = torch.as_tensor(t).flatten().tolist()
    return (
        f"{values[0]:g}"
        if len(values) == 1
        else f"[{', '.join(f'{v:g}' for v in values[:8])}{', …' * (len(values) > 8)}]"
    )


def noise_for(x0: Tensor, noise: Tensor | None, generator: Generators = None) -> Tensor:
    """`noise` if it is given and has x0's shape, else a new draw."""
    check_floating("x0", x0)
    if noise is None:
        return draw(x0, generator)
    check_alike("noise", noise, "x0", x0)
    return noise


def _check_batch(t: Tensor, x: Tensor) -> None:
    if len(t) != len(x):
        raise ValueError(f"t has {len(t)} entries for a batch of {len(x)}")


def _check_betas_range(timesteps: int, beta_start: float, beta_end: float) -> None:
    whole("timesteps", timesteps, 1, LONGEST)
    beta_start, beta_end = number("beta_start", beta_start), number("beta_end", beta_end)
    if not 0 < beta_start <= beta_end <= 1:
        raise ValueError(f"0 < beta_start <= beta_end <= 1 must hold, got {beta_start} and {beta_end}")
