"""Gaussian mixtures: the one family whose noisy densities, scores, posteriors and best denoisers are all known exactly.

A mixture pushed along x_t = alpha·x_0 + sigma·eps stays a mixture: component k becomes N(alpha·mu_k, alpha²·s_k² + sigma²). Every lesson
and many tests compare against it.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from diffcourse.checks import check_batch, check_floating, number, one_generator, told, whole
from diffcourse.denoiser import Estimate, estimate, expand
from diffcourse.schedule import CLEAN, Level, check_level


class Posterior(NamedTuple):
    """p(x_0 | x_t), again a mixture, one for each point: `weights` (B, K), `means` (B, K, D), `variances` (B, K)."""

    weights: Tensor
    means: Tensor
    variances: Tensor

    @property
    def mean(self) -> Tensor:
        """E[x_0 | x_t], (B, D): the best denoiser in the squared error."""
        return (self.weights[..., None] * self.means).sum(dim=1)


class GaussianMixture:
    """p(x) = sum_k weights_k·N(x; means_k, stds_k²·I), in D dimensions, float64.

    means (K, D), or (K,) for one dimension; stds a number or (K,), 0 for points; weights (K,) positive, normalised here, equal if left out.
    Every method takes a `level`: CLEAN is the data, any other the data after noising. Points are (B, D).
    """

    def __init__(self, means: Any, stds: Any = 1.0, weights: Any = None):
        means = _numbers("means", means).clone()
        means = means[:, None] if means.ndim == 1 else means
        if means.ndim != 2 or not means.numel():
            raise ValueError(f"means must be (K, D) or (K,), got shape {tuple(means.shape)}")
        if not bool(means.isfinite().all()):
            raise ValueError(f"means must be finite, got {means[~means.isfinite()][0]:g} among them")
        K = len(means)
        stds = _numbers("stds", stds)
        weights = torch.ones(K, dtype=torch.float64) if weights is None else _numbers("weights", weights)
        if stds.shape not in ((), (K,)) or bool((stds < 0).any()) or not bool(stds.isfinite().all()):
            raise ValueError(f"stds must be one number or {K}, none negative, got {stds.tolist()}")
        if weights.shape != (K,) or not bool(((weights > 0) & weights.isfinite()).all()):
            raise ValueError(f"weights must be {K} positive numbers, got {weights.tolist()}")
        self.means, self.stds, self.weights = means, stds.expand(K).clone(), weights / weights.sum()

    @property
    def K(self) -> int:
        return len(self.means)

    @property
    def D(self) -> int:
        return self.means.shape[1]

    def component(self, k: int) -> "GaussianMixture":
        """The k-th Gaussian alone: the mixture conditioned on its label."""
        k = whole("k", k, 0, self.K - 1)
        return GaussianMixture(self.means[k : k + 1], self.stds[k])

    def sample(
        self,
        n: int,
        *,
        level: Level = CLEAN,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> Tensor:
        """n points (n, D). dtype=torch.float32 are the same points, rounded: data for a network, which has float32 weights."""
        return self.sample_labelled(n, level=level, generator=generator, dtype=dtype)[0]

    def sample_labelled(
        self,
        n: int,
        *,
        level: Level = CLEAN,
        generator: torch.Generator | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> tuple[Tensor, Tensor]:
        """n points (n, D) and the component (n,) that each came from; dtype as in `sample`."""
        n = whole("n", n, 1)
        one_generator(generator)
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise TypeError(f"dtype must be a floating-point one such as torch.float32, got {told(dtype)}")
        labels = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        means, variances = self._at(level)
        z = torch.randn(n, self.D, generator=generator, dtype=torch.float64)
        return (means[labels] + variances[labels].sqrt()[:, None] * z).to(dtype), labels

    def log_joint(self, x: Tensor, level: Level = CLEAN) -> Tensor:
        """log p(x_t, k) = log weights_k + log N(x_t; mean_k, var_k·I) for every component k, (B, K), in nats."""
        x = self._points(x)
        means, variances = self._at(level)
        if bool((variances == 0).any()):
            raise ValueError("a component with std 0 has no density at CLEAN: give it a std, or ask at a noisy level")
        squares = (x[:, None] - means).square().sum(dim=2)
        return self.weights.log() - squares / (2 * variances) - self.D / 2 * torch.log(2 * math.pi * variances)

    def log_prob(self, x: Tensor, level: Level = CLEAN) -> Tensor:
        """log p_t(x), (B,), in nats."""
        return self.log_joint(x, level).logsumexp(dim=1)

    def responsibilities(self, x: Tensor, level: Level = CLEAN) -> Tensor:
        """p(k | x_t), (B, K): Bayes' rule over the components."""
        return self.log_joint(x, level).softmax(dim=1)

    def score(self, x: Tensor, level: Level = CLEAN) -> Tensor:
        """The gradient of log p_t at x, (B, D): sum_k p(k | x)·(alpha·mu_k - x)/(alpha²·s_k² + sigma²)."""
        x = self._points(x)
        means, variances = self._at(level)
        pulls = (means - x[:, None]) / variances[:, None]
        return (self.responsibilities(x, level)[..., None] * pulls).sum(dim=1)

    def posterior(self, x: Tensor, level: Level) -> Posterior:
        """p(x_0 | x_t = x): component k has mean mu_k + g_k·(x - alpha·mu_k) and variance s_k²·sigma²/v_k, with v_k = alpha²·s_k² + sigma²
        and g_k = alpha·s_k²/v_k."""
        x = self._points(x)
        means, variances = self._at(level)
        gain = level.alpha * self.stds**2 / variances
        return Posterior(
            weights=self.responsibilities(x, level),
            means=self.means + gain[:, None] * (x[:, None] - means),
            variances=(self.stds**2 * level.sigma**2 / variances).expand(len(x), self.K),
        )

    def denoise(self, x: Tensor, at: Level) -> Estimate:
        """The exact denoiser, a `Denoise`: x0 = E[x_0 | x_t] and eps = (x - alpha·x0)/sigma, in x's dtype."""
        return self.denoise_labelled(x, at, self.K)

    def denoise_labelled(self, x: Tensor, at: Level, labels: int | Tensor) -> Estimate:
        """The exact class-conditional denoiser: component k is the class k, and label K means "no label", the whole mixture.

        x (B, D), labels in 0..K, one for all or int64 (B,). What a perfect network with a null label says; `guided` takes it with uncond=K.
        """
        check_batch("x", x)
        check_level("at", at, x)
        if not isinstance(at.sigma, Tensor) and at.sigma == 0:
            raise ValueError("at CLEAN there is no noise to estimate: x is x_0 itself")
        each = expand(labels, x, "labels")
        if each.is_floating_point():
            raise TypeError(f"labels must be whole numbers in 0..{self.K}, got {each.dtype}")
        if not 0 <= int(each.min()) <= int(each.max()) <= self.K:
            raise ValueError(f"labels must lie in 0..{self.K}, got {int(each.min())} to {int(each.max())}")
        posterior = self.posterior(x, at)
        own = F.one_hot(each.long(), self.K + 1)[:, : self.K].to(posterior.weights)
        weights = torch.where((each == self.K)[:, None], posterior.weights, own)
        x0 = posterior._replace(weights=weights).mean.to(x.dtype)
        return estimate(x0, x, at, "x0")

    def _at(self, level: Level) -> tuple[Tensor, Tensor]:
        check_level("level", level)
        return level.alpha * self.means, level.alpha**2 * self.stds**2 + level.sigma**2

    def _points(self, x: Tensor) -> Tensor:
        check_floating("points", x)
        if x.ndim != 2 or x.shape[1] != self.D:
            raise ValueError(f"points must be (B, {self.D}), got {tuple(x.shape)}")
        return x.double()

    @classmethod
    def ring(cls, K: int = 8, radius: float = 1.0, std: float = 0.1) -> "GaussianMixture":
        """K equal Gaussians on a circle: the two-dimensional example of the lessons."""
        K, radius = whole("K", K, 1), number("radius", radius)
        angles = 2 * math.pi * torch.arange(K, dtype=torch.float64) / K
        return cls(radius * torch.stack([angles.cos(), angles.sin()], dim=1), std)


def _numbers(name: str, values: Any) -> Tensor:
    try:
        found = torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        found = torch.zeros((), dtype=torch.bool)
    if found.dtype == torch.bool or found.is_complex():
        raise TypeError(f"{name} must be numbers, got {told(values)}")
    return torch.as_tensor(values, dtype=torch.float64)


def two_bumps(
    means: Sequence[float] = (-1.0, 1.5), stds: Sequence[float] = (0.3, 0.5), weights: Sequence[float] = (0.4, 0.6)
) -> GaussianMixture:
    """The one-dimensional example of the lessons: two bumps of different width and weight."""
    return GaussianMixture(means, stds, weights)
