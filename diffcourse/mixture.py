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

from diffcourse.checks import check_batch, check_finite, check_floating, number, one_generator, told, whole
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


class Memory:
    """The exact denoiser of a finite set of images (N, …), each as likely: what minimises the training loss on them, and draws only them.

    E[x_0 | x_t] = sum_i w_i·x_i with w the softmax over i of -|x_t - alpha·x_i|²/(2·sigma²) (Karras et al. 2022, appendix B.3). It is
    `GaussianMixture(images, 0).denoise`, for images of any shape, in their dtype and by two products of matrices: 60,000 digits fit.
    """

    def __init__(self, images: Tensor):
        check_batch("images", images)
        check_finite("images", images)
        self._flat, self._shape = images.flatten(1), images.shape[1:]
        self._middle = self._flat.mean(dim=0)
        self._apart = self._flat - self._middle  # smaller numbers, whose squares and products keep more digits
        self._squares = self._apart.square().sum(dim=1)

    def __len__(self) -> int:
        return len(self._flat)

    def weights(self, x: Tensor, at: Level) -> Tensor:
        """p(x_0 = image i | x_t = x) for noisy x (B, …), (B, N). ValueError at CLEAN, where x is x_0 itself."""
        check_batch("x", x)
        check_level("at", at, x)
        if x.shape[1:] != self._shape:
            raise ValueError(
                f"x must be (B, {', '.join(map(str, self._shape))}) as the images are, got {tuple(x.shape)}"
            )
        alpha, sigma = (torch.as_tensor(part, dtype=self._flat.dtype).reshape(-1, 1) for part in (at.alpha, at.sigma))
        if bool((sigma == 0).any()):
            raise ValueError("at must be noisy, got sigma = 0: there x is x_0 itself")
        y = x.flatten(1).to(self._flat.dtype) - alpha * self._middle
        return ((alpha * (y @ self._apart.T) - alpha**2 / 2 * self._squares) / sigma**2).softmax(dim=1)

    def denoise(self, x: Tensor, at: Level) -> Estimate:
        """A `Denoise`: x0 = E[x_0 | x_t] and eps = (x - alpha·x0)/sigma, in x's shape and dtype."""
        return estimate((self.weights(x, at) @ self._flat).view_as(x).to(x.dtype), x, at, "x0")


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


class Modes(NamedTuple):
    """Where n points fell: how many of `of` modes were `found`, the share of `good` points, and the share that true samples have.

    `shares` (K,) are the good points at each mode, as shares of all n.
    """

    found: int
    good: float
    of: int
    ceiling: float
    n: int
    shares: tuple[float, ...]

    def __str__(self) -> str:
        return f"{self.found} of {self.of} modes, {self.good:.1%} good points (true ones: {self.ceiling:.1%}, n = {self.n})"


def modes(points: Tensor, mixture: GaussianMixture, *, within: float = 3.0) -> Modes:
    """Which modes of a mixture points (N, D) found. A point is good if it lies within `within` standard deviations of a mean.

    It counts for the mean that is nearest in standard deviations. A mode is found if its good points are at least a fifth of its fair
    share weights_k·N. Of true samples at least P(chi²_D <= within²) are good, exactly so where components lie apart: for D = 2 this is
    1 - exp(-within²/2), 98.9 % within 3. (Srivastava et al. 2017, section 4.1, count so, with another bar for "found".)
    """
    if not isinstance(mixture, GaussianMixture):
        raise TypeError(f"mixture must be a GaussianMixture, got {told(mixture)}")
    within, x = number("within", within, above=0), mixture._points(points)
    if not len(x):
        raise ValueError(f"points must be (B, {mixture.D}) and not empty, got shape {tuple(x.shape)}")
    if bool((mixture.stds == 0).any()):
        raise ValueError("mixture must have stds above 0: within how many of them a point lies is asked")
    far, nearest = ((x[:, None] - mixture.means).norm(dim=2) / mixture.stds).min(dim=1)
    good = far <= within  # nan is not
    counts = torch.bincount(nearest[good], minlength=mixture.K)
    bar = mixture.weights * len(x) / 5 * (1 - 1e-9)  # exactly a fifth is enough, however it is rounded
    ceiling = torch.special.gammainc(torch.tensor(mixture.D / 2.0), torch.tensor(within**2 / 2)).item()
    return Modes(
        int((counts >= bar).sum()),
        float(good.double().mean()),
        mixture.K,
        ceiling,
        len(x),
        tuple((counts / len(x)).tolist()),
    )
