"""The explorer of lesson 00b: what a noisy value tells about the clean one."""

import math
from typing import Any

import torch

from diffcourse import plot
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.schedule import Level
from diffcourse.widgets.explorer import Explorer, check_kind, slider


class PosteriorExplorer(Explorer):
    """What a noisy value tells about the clean one: prior, likelihood and posterior of a one-dimensional mixture as noise grows.

    x_t = alpha·x_0 + sigma·eps with alpha² + sigma² = 1; the sliders are sigma and the observed x_t.
    """

    def __init__(self, mixture: GaussianMixture | None = None, sigma: float = 0.5, x_t: float = 0.3):
        mixture = two_bumps() if mixture is None else mixture
        check_kind("mixture", mixture, GaussianMixture)
        if mixture.D != 1:
            raise ValueError(f"mixture must be one-dimensional, got {mixture.D} dimensions")
        controls = {
            "sigma": slider("noise σ", [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99], sigma),
            "x_t": slider("seen: xₜ", [round(-2 + 0.1 * i, 1) for i in range(41)], x_t),
        }
        super().__init__(controls, lambda sigma, x_t: self.compute(mixture, sigma, x_t), self.draw)

    @staticmethod
    def compute(mixture: GaussianMixture, sigma: float, x_t: float) -> dict[str, Any]:
        """Grid (N,) of x_0, the three densities over it, and what the posterior says: its mean, its std, p(k | x_t)."""
        level = Level(t=0.0, alpha=(1 - sigma**2) ** 0.5, sigma=sigma)
        reach = 4 * float(mixture.stds.max())
        grid = torch.linspace(
            float(mixture.means.min()) - reach, float(mixture.means.max()) + reach, 801, dtype=torch.float64
        )
        seen = torch.tensor([[x_t]], dtype=torch.float64)
        weights, means, variances = mixture.posterior(seen, level)
        posterior = GaussianMixture(means[0], variances[0].sqrt(), weights[0])
        mean = (weights[0] * means[0, :, 0]).sum()
        variance = (weights[0] * (variances[0] + means[0, :, 0] ** 2)).sum() - mean**2
        return {
            "sigma": sigma,
            "x_t": x_t,
            "grid": grid,
            "prior": mixture.log_prob(grid[:, None]).exp(),
            "likelihood": (-((x_t - level.alpha * grid) ** 2) / (2 * sigma**2)).exp()
            / (sigma * math.sqrt(2 * math.pi)),
            "posterior": posterior.log_prob(grid[:, None]).exp(),
            "mean": float(mean),
            "std": float(variance) ** 0.5,
            "weights": weights[0].tolist(),
        }

    @staticmethod
    def draw(a: dict[str, Any]) -> plot.Picture:
        """The three panels, and the same in words."""
        shares = ", ".join(f"{w:.2f}" for w in a["weights"])
        return plot.bayes(
            a["grid"],
            a["prior"],
            a["likelihood"],
            a["posterior"],
            mean=a["mean"],
            height=2.9,  # all three, and the questions above them, on one screen
            title=f"noise σ = {a['sigma']:g}, seen xₜ = {a['x_t']:g}",
            alt=f"With noise {a['sigma']:g} and x_t = {a['x_t']:g} seen: bump probabilities {shares}; "
            f"x_0 has mean {a['mean']:.2f} and standard deviation {a['std']:.2f}.",
        )
