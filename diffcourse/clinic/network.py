"""Her network, and its average: does the output depend on t and on the condition, and how good is it at each level of noise?

Its squared error is told beside two others: that of the zero output, and that of the best linear denoiser, which is exact for Gaussian
data of her mean and covariance (Wiener's filter) and so an upper bound of what can be reached on any data.
"""

import copy
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from diffcourse.clinic.case import Case, tensor_of
from diffcourse.clinic.spies import Unusable, attempt, put_back, seed_all

SECONDS = 6.0  # for all passes of her network

SKILL = 0.75
"""Of what the best linear denoiser gains over the zero output, a trained network gains at least as much; three quarters are asked for.
Measured: `mnist-ddpm`, `mnist-ddpm-early` and `mnist-ddpm-T200` 1.18 to 1.19; six small networks after 2 to 25 seconds of training 0.92 to
1.08, two after a second 0.55. Without condition, `mnist-ddpm` has 1.21 times its error with it."""


# -- what the output depends on -----------------------------------------------------------------------------------------


def check_dependence(case: Case) -> None:
    """The output for another t, and another condition, of a copy with all parameters shaken, so that initial zeros hide nothing."""
    generator = case.generator()
    T = case.T or 1000
    n = 8
    x = case.images(1, generator).expand(n, *case.shape) * 0.5 + torch.randn(1, *case.shape, generator=generator)
    cond = None if case.cond is None else case.cond[:1].expand(n, *case.cond.shape[1:])
    network = _shaken(case)
    if network is None:
        case.found.skip("network", "its parameters could not be copied")
        return
    steps = np.linspace(0, T - 1, n).round()
    with torch.no_grad(), put_back(case.network):
        network.eval()
        out = _ask(case, x, steps, cond, network)
        _name_if_equal(case, "time", out, "time-ignored", f"the same output for {n} steps from 0 to {T - 1}")
        if case.cond is None:
            return
        labels = case.cond.flatten(1).unique(dim=0) if case.cond.ndim > 1 else case.cond.unique()
        if len(labels) > 1:
            several = labels[torch.arange(n) % len(labels)].reshape(n, *case.cond.shape[1:])
            out = _ask(case, x, np.full(n, T // 2), several, network)
            if case.cond is None:
                return
            _name_if_equal(
                case, "condition", out, "labels-ignored", f"the same output for {min(n, len(labels))} conditions"
            )


def _ask(case: Case, x: Tensor, steps: Any, cond: Any, network: nn.Module) -> Tensor:
    """With the condition where there is one; a network that takes none is asked without."""
    if cond is None:
        return case.ask(x, steps, None, network)
    try:
        return case.ask(x, steps, cond, network)
    except Unusable:
        out = case.ask(x, steps, None, network)
        said = "the network could not be called with the condition as its third argument"
        if not any(line.said == said for line in case.found):
            case.found.note("condition", said)
        case.cond = None
        return out


def _name_if_equal(case: Case, check: str, out: Tensor, name: str, said: str) -> None:
    spread = float((out - out[:1]).abs().max() / out.abs().max().clamp(min=1e-12))
    if spread < 1e-5:
        case.found.name(check, name, said)
    else:
        case.found.fine(check, "the output depends on it")


def _shaken(case: Case) -> nn.Module | None:
    """A copy with noise on every parameter, a tenth of its scale and 0.02 at least."""
    try:
        network = copy.deepcopy(case.network)
    except Exception:
        return None
    generator = case.generator()
    with torch.no_grad():
        for p in network.parameters():
            if p.is_floating_point() and p.numel():
                scale = max(0.02, 0.1 * float(p.abs().mean()))
                p.add_(scale * torch.randn(p.shape, generator=generator).to(p))
    return network


# -- how good it is -----------------------------------------------------------------------------------------------------


class Errors(NamedTuple):
    """Mean squared errors at each of some steps: hers, the zero output's, the best linear denoiser's."""

    t: np.ndarray
    hers: np.ndarray
    zero: np.ndarray
    linear: np.ndarray

    @property
    def skill(self) -> float:
        """Her gain over the zero output, as a share of the linear denoiser's."""
        gain = (self.zero - self.linear).mean()
        return float((self.zero - self.hers).mean() / max(gain, 1e-9))


def check_quality(case: Case, curve: Any, ema: Any) -> None:
    """Her network's errors on her data, its null condition's, and its average's."""
    if case.path is None and case.alpha_bars is not None:
        case.path = case.alpha_bars**0.5, (1 - case.alpha_bars) ** 0.5
    if case.data is None or case.path is None:
        case.found.skip("network's error", f"{'data' if case.data is None else 'schedule'} was not given")
        if isinstance(ema, nn.Module) and fresh(ema) and not fresh(case.network):
            case.found.name("average", "ema-lags", "the average is still as it was initialised, and the network is not")
        return
    data = case.data * case.scale[0] + case.scale[1]
    if float(data.std()) < 1e-4:
        case.found.skip("network's error", "the data are constant")
        return
    linear = Linear(data)
    mine = errors(case, case.network, linear)
    check = "network's error"
    told = f"{mine.hers.mean():.3f} (zero output {mine.zero.mean():.3f}, best linear denoiser {mine.linear.mean():.3f})"
    begun = curve is not None or ema is not None or any(p.grad is not None for p in case.network.parameters())
    new = fresh(case.network)
    trained = False
    if new and not begun:
        case.found.note(check, f"{told}: the network is as it was initialised, so there is nothing to judge yet")
    elif mine.hers.mean() > 0.9 * mine.zero.mean() or mine.skill < 0.1:
        case.found.name(check, "untrained", told)
    elif mine.skill < SKILL:
        case.found.name(
            check,
            "undertrained",
            f"{told}; it gains {mine.skill:.0%} of what the linear one gains, {SKILL:.0%} is asked for",
        )
    elif mine.hers.max() < 0.01 * mine.zero.mean() and mine.hers.mean() < 0.05 * mine.linear.mean():
        case.found.name(check, "sees-the-noise", told)
    else:
        trained = True
        case.found.fine(check, told)
    if trained and case.cond is not None and case.null is not None:
        _null(case, mine, linear)
    if isinstance(ema, nn.Module) and ema is not case.network:
        _average(case, ema, mine, linear, new and not begun)


def _null(case: Case, mine: Errors, linear: "Linear") -> None:
    """The unconditional prediction: worse than the conditional by some per cent, and never than the best linear one of all data."""
    check = "null condition"
    try:
        none = errors(case, case.network, linear, null=True)
    except Unusable as error:
        case.found.note(check, str(error))
        return
    with_, without = mine.hers.mean(), none.hers.mean()
    told = f"without condition the error is {without:.3f}, with it {with_:.3f}"
    if without > 1.5 * with_ and (without > 1.1 * mine.linear.mean() or none.skill < SKILL):
        case.found.name(check, "null-untrained", told)
    else:
        case.found.fine(check, told)


def _average(case: Case, ema: nn.Module, mine: Errors, linear: "Linear", untouched: bool) -> None:
    check = "average"
    if untouched:
        case.found.note(check, "the network is untrained, so there is nothing to average yet")
        return
    try:
        theirs = errors(case, ema, linear)
    except Unusable as error:
        case.found.note(check, str(error))
        return
    told = f"its error is {theirs.hers.mean():.3f}, the network's {mine.hers.mean():.3f}, the zero output's {mine.zero.mean():.3f}"
    behind = theirs.hers.mean() > 1.2 * mine.hers.mean() + 0.01 * mine.zero.mean()
    if behind and theirs.skill < 0.7 * mine.skill:
        case.found.name(check, "ema-lags", told)
    else:
        case.found.fine(check, told)


class Linear:
    """The best linear denoiser of data: x0 = m + C·alpha·(alpha²·C + sigma²)^(-1)·(x - alpha·m), with m and C from half of them.

    C is shrunk towards a multiple of the identity by D/(D + N): with few images it would know only what it has seen.
    """

    def __init__(self, data: Tensor):
        flat = data.flatten(1).double()
        fit = flat[::2][:2048] if len(flat) > 3 else flat
        if flat.shape[1] > 1024:
            fit = fit[:256]
        self.mean = fit.mean(dim=0)
        x = fit - self.mean
        n, d = x.shape
        _, s, self.basis = torch.linalg.svd(x, full_matrices=False)
        rho = d / (d + n)
        overall = float((s**2).sum()) / n / d
        self.values = (1 - rho) * s**2 / n + rho * overall
        self.rest = rho * overall

    def x0(self, x: Tensor, alpha: float, sigma: float) -> Tensor:
        y = x.flatten(1).double() - alpha * self.mean
        gain, rest = (alpha * v / (alpha**2 * v + sigma**2) for v in (self.values, torch.tensor(self.rest)))
        inside = y @ self.basis.T
        return (self.mean + rest * y + (inside * (gain - rest)) @ self.basis).view(x.shape).float()


def errors(case: Case, network: nn.Module, linear: Linear, *, null: bool = False, levels: int = 8) -> Errors:
    """Errors of what she predicts, at the middles of equal parts of the chain, on her images."""
    assert case.data is not None and case.path is not None
    T = len(case.path[0])
    steps = np.unique(((np.arange(levels) + 0.5) / levels * T).astype(int))
    rows = []
    with torch.no_grad(), put_back(network):
        seed_all(case.seed)
        network.eval()
        n = _affordable(case, network, len(steps))
        for t in steps:
            generator = torch.Generator().manual_seed(case.seed + 1000 + int(t))
            at = torch.randint(len(case.data), (n,), generator=generator)
            x0 = case.data[at] * case.scale[0] + case.scale[1]
            cond = None if case.cond is None else case.cond[at]
            if null and cond is not None:
                cond = tensor_of(case.null).to(cond.dtype).expand(cond.shape)
            alpha, sigma = float(case.path[0][t]), max(float(case.path[1][t]), 1e-6)
            eps = torch.randn(x0.shape, generator=generator)
            x = alpha * x0 + sigma * eps
            out = _ask(case, x, np.full(n, t), cond, network)
            guess = linear.x0(x, alpha, sigma)
            target, best = (
                {"eps": (x - alpha * c) / sigma, "x0": c, "v": alpha * (x - alpha * c) / sigma - sigma * c}[case.predicts]
                for c in (x0, guess)
            )  # fmt: skip
            rows.append([float((o - target).pow(2).mean()) for o in (out, torch.zeros_like(out), best)])
    return Errors(steps, *np.array(rows).T)


def _affordable(case: Case, network: nn.Module, levels: int) -> int:
    """How many images a level her network does in the time."""
    n = min(16, 4096)
    x = torch.zeros(n, *case.shape)
    cond = None if case.cond is None else case.cond[torch.arange(n) % len(case.cond)]
    start = time.process_time()
    _ask(case, x, np.zeros(n), cond, network)
    each = (time.process_time() - start) / n
    return int(np.clip(SECONDS / 3 / levels / max(each, 1e-6), 16, max(128, 2**18 // case.pixels)))


def fresh(network: nn.Module) -> bool:
    """Whether the parameters are still as torch's layers begin: norms at exactly 1 and 0, or weights within their bounds."""
    norms: list[Any] = [
        m for m in network.modules() if "Norm" in type(m).__name__ and getattr(m, "weight", None) is not None
    ]
    if norms:
        return all(
            bool((m.weight == 1).all() | (m.weight == 0).all()) and (getattr(m, "bias", None) is None or bool((m.bias == 0).all()))
            for m in norms
        )  # fmt: skip
    layers = [m for m in network.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d))]
    if not layers:
        return False
    for m in layers:
        fan = (
            m.weight[0].numel() if not isinstance(m, nn.ConvTranspose2d) else m.weight.shape[1] * m.weight[0, 0].numel()
        )
        bound = fan**-0.5 * (1 + 1e-5)
        if float(m.weight.detach().abs().max()) > bound or (
            m.bias is not None and float(m.bias.detach().abs().max()) > bound
        ):
            return False
    return True


def mode_matters(case: Case) -> bool:
    """Whether training and evaluation mode give different outputs."""
    if not case.has_network:
        return False
    kinds = [(type(m).__name__, getattr(m, "p", 0)) for m in case.network.modules()]
    if any(name.startswith("BatchNorm") or (name.startswith("Dropout") and p) for name, p in kinds):
        return True
    generator = case.generator()
    x, cond = case.images(8, generator), case.labels(8, generator)
    outs = []
    with torch.no_grad(), put_back(case.network):
        for training in (True, False):
            case.network.train(training)
            seed_all(case.seed)
            try:
                outs.append(attempt("the network", _ask, case, x, np.zeros(8), cond, case.network))
            except Unusable:
                return False
    return not torch.allclose(outs[0], outs[1], atol=1e-6)
