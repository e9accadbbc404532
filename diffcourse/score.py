"""Scores, the gradients of log p: three losses that learn one, and Langevin dynamics, which draws with one.

A score is a function x (B, …) -> (B, …). That of data after noising, x_t = alpha·x_0 + sigma·eps, is -E[eps | x_t]/sigma (Vincent 2011;
Tweedie's formula), so a network that predicts the noise is one: `Estimate.score`, and `Denoiser(network, path, predicts="score")`.
Losses are one number a point, (B,), in float64 where x is: take their mean to train.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from diffcourse.checks import check_alike, check_batch, check_finite, check_function, number, whole
from diffcourse.denoiser import Denoise, Estimate
from diffcourse.rng import Generators, check_generators, draw
from diffcourse.schedule import Level, check_level, noise_for

__all__ = [
    "AnnealedLangevin",
    "Score",
    "denoising_loss",
    "divergence",
    "explicit_loss",
    "implicit_loss",
    "langevin",
    "random_signs",
]

Score = Callable[[Tensor], Tensor]


# -- three losses -----------------------------------------------------------------------------------------------------


def explicit_loss(score: Score, x: Tensor, target: Score) -> Tensor:
    """½·|score(x) - target(x)|², (B,): half the Fisher divergence, its mean over x from p (Hyvärinen 2005, equation 2).

    It asks for the true score `target`, which only an example such as `GaussianMixture` has.
    """
    return (_asked("score", score, x) - _asked("target", target, x)).flatten(1).square().sum(dim=1) / 2


def implicit_loss(score: Score, x: Tensor, *, probe: Tensor | None = None) -> Tensor:
    """½·|score(x)|² + div score(x), (B,): the explicit loss without the true score (Hyvärinen 2005, theorem 1).

    The two differ in the mean by ½·E|target|², which no score changes, if p·score goes to 0 at infinity. With a `probe`, see `divergence`,
    this is sliced score matching (Song et al. 2019, equation 8).
    """
    x = x.detach()
    return _asked("score", score, x).flatten(1).square().sum(dim=1) / 2 + divergence(score, x, probe=probe)


def denoising_loss(
    score: Score, x0: Tensor, at: Level, *, noise: Tensor | None = None, generator: Generators = None
) -> Tensor:
    """½·|score(x_t) + eps/sigma|², (B,), at x_t = alpha·x_0 + sigma·eps: what learns the score of the *noised* data (Vincent 2011, eq. 11).

    -eps/sigma is the score of q(x_t | x_0). In the mean it exceeds the explicit loss on the noised data by ½·D/sigma² - ½·E|target|² >= 0,
    which no score changes and which grows as sigma falls. `noise` has x0's shape and is drawn from `generator` where it is missing.
    """
    noise = noise_for(x0, noise, generator)
    check_level("at", at, x0)
    if bool((torch.as_tensor(at.sigma) == 0).any()):
        raise ValueError("at must be noisy, got sigma = 0: the score of q(x_t | x_0), -eps/sigma, is not defined there")
    return (_asked("score", score, at.noised(x0, noise)) + noise / at.sigma).flatten(1).square().sum(dim=1) / 2


def divergence(field: Callable[[Tensor], Tensor], x: Tensor, *, probe: Tensor | None = None) -> Tensor:
    """div field = sum_i d field_i/d x_i at x (B, …), (B,): the trace of the Jacobian of each point.

    Without a probe it is exact, and costs a pass back for each of the D dimensions. With one, v of x's shape, it is v·(J v) at the cost of
    one: right in the mean over v with independent entries of mean 0 and variance 1 (Hutchinson 1989), of which `random_signs` vary least.
    Differentiable, so that a loss may hold it. The field must treat the points of a batch one by one.
    """
    check_batch("x", x)
    if probe is not None:
        check_alike("probe", probe, "x", x)
    training = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x if x.requires_grad else x.detach().requires_grad_()
        value = _asked("field", field, x)
        if not value.requires_grad:  # a constant field
            return x.new_zeros(len(x))
        if probe is not None:
            (vjp,) = torch.autograd.grad((value * probe).sum(), x, create_graph=training)
            return (vjp * probe).flatten(1).sum(dim=1)
        flat, trace = value.flatten(1), x.new_zeros(len(x))
        for i in range(flat.shape[1]):
            (row,) = torch.autograd.grad(flat[:, i].sum(), x, create_graph=training, retain_graph=True)
            trace = trace + row.flatten(1)[:, i]
    return trace if training else trace.detach()


def random_signs(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Entries -1 or 1, each with probability ½ (Rademacher), in `like`'s shape, dtype and device: a probe for `divergence`."""
    return draw(like, generator).sign()


# -- Langevin dynamics ------------------------------------------------------------------------------------------------


def langevin(score: Score, x: Tensor, step: float, steps: int, *, generator: Generators = None) -> Iterator[Tensor]:
    """x_{k+1} = x_k + step·score(x_k) + sqrt(2·step)·z_k: yields x after each of `steps` steps (Roberts & Tweedie 1996, "ULA").

    As step goes to 0 and step·steps to infinity x is drawn from p, wherever it began. At any step the chain has a bias: for N(0, s²) its
    variance ends at s²/(1 - step/(2·s²)), and from step = 2·s² on it grows for ever. No gradients. ValueError where x becomes nan or inf.
    """
    check_function("score", score, "a function x -> score, the first of (score, x, step, steps)")
    check_batch("x", x)
    step, steps = number("step", step, above=0), whole("steps", steps, 1)
    check_generators(generator, len(x))
    return _langevin(score, x, step, steps, generator)


def _langevin(score: Score, x: Tensor, step: float, steps: int, generator: Generators) -> Iterator[Tensor]:
    for k in range(steps):
        with torch.no_grad():
            x = x + step * _asked("score", score, x) + (2 * step) ** 0.5 * draw(x, generator)
        if k in (0, steps - 1) or k % 100 == 0:
            check_finite(f"x after step {k + 1} of size {step:g}", x)
        yield x


@dataclass(frozen=True)
class AnnealedLangevin:
    """A sampler: `steps` Langevin steps at a level, each of size 2·(snr·sigma)², then on to the next level with x/alpha unchanged.

    Song & Ermon 2019, algorithm 1, whose step is epsilon·sigma_i²/sigma_L²; `snr` is that of Song et al. 2021, algorithm 4: the size of
    the step along the score over that of the noise, where the score is as long as noise of that level makes it. The step to CLEAN returns
    the mean x0, without noise (Jolicoeur-Martineau et al. 2021). The network is called `steps` times a level, and once more at the end.
    """

    steps: int = 5
    snr: float = 0.16
    history = 0

    def __post_init__(self):
        whole("steps", self.steps, 1)
        number("snr", self.snr, above=0)

    def step(
        self,
        now: Estimate,
        to: Level,
        *,
        past: object = (),
        denoise: Denoise | None = None,
        noise: Callable[[], Tensor] | None = None,
    ) -> Tensor:
        if denoise is None or noise is None:
            raise TypeError("denoise and noise are missing: Langevin steps ask the network again, and draw")
        if now.at.alpha == 0:
            raise ValueError(
                f"AnnealedLangevin keeps x/alpha, which is infinite at t={now.at.t:g} (alpha = 0): start below"
            )
        x, step = now.x, 2 * (self.snr * now.at.sigma) ** 2
        for k in range(self.steps):
            score = (now if k == 0 else denoise(x, now.at)).score
            x = x + step * score + (2 * step) ** 0.5 * noise()
        if to.sigma == 0:
            return denoise(x, now.at).x0
        return to.alpha / now.at.alpha * x


def _asked(name: str, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    check_function(name, function, "a function of x")
    check_batch("x", x)
    value = function(x)
    check_alike(f"what {name} returns", value, "x", x)
    return value
