"""Gaussians, once each: divergence and likelihood, draws through which gradients flow, walks between draws, errors of means.

Likelihoods and divergences are in nats, summed over all dimensions but the first.
"""

import math
from functools import cache

import numpy as np
import torch
from torch import Tensor

from diffcourse.checks import check_alike, check_floating, is_number, number, one_generator, told, whole

# -- likelihoods and divergences --------------------------------------------------------------------------------------


def gaussian_kl(mean_q: Tensor, var_q: Tensor | float, mean_p: Tensor | float, var_p: Tensor | float) -> Tensor:
    """KL(N(mean_q, var_q) || N(mean_p, var_p)) for independent coordinates, in nats.

    1/2·sum[ var_q/var_p - 1 - log(var_q/var_p) + (mean_q - mean_p)²/var_p ] (Kingma & Welling 2014, appendix B, is the case p = N(0, 1)).
    Arguments broadcast against each other; the sum runs over every dimension but the first, so (B, …) gives (B,). float64.
    inf where var_q = 0. ValueError where var_q is negative or var_p is not positive.
    """
    named = {"mean_q": mean_q, "var_q": var_q, "mean_p": mean_p, "var_p": var_p}
    m, v, mp, vp = torch.broadcast_tensors(*(_double(name, value) for name, value in named.items()))
    if not bool((v >= 0).all()):
        raise ValueError(f"var_q must not be negative, got {float(v.min()):g}: variances are expected, not their logs")
    if not bool((vp > 0).all()):
        raise ValueError(f"var_p must be positive, got {float(vp.min()):g}: variances are expected, not their logs")
    excess = (v - vp) / vp  # ratio - 1, without cancellation where the variances are close
    return _total(excess - torch.log1p(excess) + (m - mp) ** 2 / vp) / 2


def standard_kl(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, exp(log_var)) || N(0, I)) = -1/2·sum(1 + log_var - mu² - exp(log_var)), (B, …) -> (B,) nats, float64.

    Kingma & Welling 2014, appendix B: the second term of a VAE's loss.
    """
    check_floating("mu", mu)
    check_alike("log_var", log_var, "mu", mu)
    mu, log_var = _double("mu", mu), _double("log_var", log_var)
    return _total(mu**2 + torch.expm1(log_var) - log_var) / 2


def gaussian_nll(x: Tensor, mean: Tensor | float, var: Tensor | float) -> Tensor:
    """-log N(x; mean, var) = 1/2·sum[ log(2·pi·var) + (x - mean)²/var ] in nats, (B, …) -> (B,) float64.

    ValueError where var is not positive.
    """
    x, m, v = torch.broadcast_tensors(_double("x", x), _double("mean", mean), _double("var", var))
    if not bool((v > 0).all()):
        raise ValueError(f"var must be positive, got {float(v.min()):g}")
    return _total(torch.log(2 * math.pi * v) + (x - m) ** 2 / v) / 2


# -- draws ------------------------------------------------------------------------------------------------------------


def reparameterize(
    mean: Tensor, log_var: Tensor, noise: Tensor | None = None, generator: torch.Generator | None = None
) -> Tensor:
    """mean + exp(log_var/2)·noise, noise ~ N(0, I): a draw through which the gradient reaches mean and log_var.

    Kingma & Welling 2014, equation 10. Both (B, …); noise of mean's shape, drawn from `generator` (where that lives) if it is missing.
    """
    check_floating("mean", mean)
    check_alike("log_var", log_var, "mean", mean)
    one_generator(generator)
    if noise is None:
        device = None if generator is None else generator.device
        noise = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=device)
    check_alike("noise", noise, "mean", mean)
    return mean + torch.exp(0.5 * log_var) * noise.to(mean)


def slerp(a: Tensor, b: Tensor, w: float) -> Tensor:
    """sin((1 - w)·theta)/sin(theta)·a + sin(w·theta)/sin(theta)·b: from a (w = 0) to b (w = 1) along the arc (Shoemake 1985).

    a and b (B, …) of one shape; theta is the angle between a pair, each seen as one long vector; w a number, beyond [0, 1] it goes on.
    Two draws of N(0, I) in D dimensions have lengths near sqrt(D) and stand nearly at right angles: half-way, the straight line is only
    sqrt(D/2) long, which no model has seen, and the arc keeps the length. Parallel pairs, and zeros, go straight.
    """
    check_floating("a", a)
    check_floating("b", b)
    if a.shape != b.shape or a.ndim < 2:
        raise ValueError(f"a and b must be (B, …) of one shape, got {tuple(a.shape)} and {tuple(b.shape)}")
    w = number("w", w)
    p, q = a.flatten(1), b.flatten(1)
    cosine = (p * q).sum(dim=1) / (p.norm(dim=1) * q.norm(dim=1))
    theta = torch.arccos(cosine.clamp(-1, 1)).view(-1, *[1] * (a.ndim - 1))
    arc = (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)
    return torch.where(torch.sin(theta) > 1e-4, arc, (1 - w) * a + w * b)


# -- errors -----------------------------------------------------------------------------------------------------------


def mean_se(each: Tensor) -> float:
    """The standard error of the mean of values (N,): their standard deviation over sqrt(N); nan for a single one."""
    check_floating("each", each)
    return float(each.std() / len(each) ** 0.5) if len(each) > 1 else math.nan


def share_se(share: float, n: int) -> float:
    """The standard error sqrt(p·(1 - p)/n) of a share p that was counted among n; nan for n = 0."""
    if number("n", n, 0) == 0:
        return math.nan
    return (number("share", share, 0, 1) * (1 - share) / n) ** 0.5


def wilson(right: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, right of n: Wilson 1927, which is one also where all or none are right."""
    right, n, z2 = whole("right", right, 0), whole("n", n, 1), 1.959964**2
    middle, half = right + z2 / 2, math.sqrt(z2) * math.sqrt(right * (n - right) / n + z2 / 4)
    return (middle - half) / (n + z2), (middle + half) / (n + z2)


def t_quantile(p: float, nu: float) -> float:
    """The number below which a t-distributed one with nu > 0 degrees of freedom lies with probability p in (0, 1).

    t = √nu·tan(a) has P(0 < t) up to t = c·∫ cos(a)^(nu - 1) da (Student 1908), which is turned round by bisection.
    """
    if not 0 < p < 1 or not nu > 0:
        raise ValueError(f"p must be between 0 and 1 and nu positive, got p = {p} and nu = {nu}")
    return math.copysign(_upper(round(abs(p - 0.5), 12), round(nu, 6)), p - 0.5)


@cache
def _legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(64)


@cache
def _upper(share: float, nu: float) -> float:
    """t >= 0 with this probability between 0 and t."""
    nodes, weights = _legendre()
    constant = math.exp(math.lgamma((nu + 1) / 2) - math.lgamma(nu / 2)) / math.sqrt(math.pi)
    low, high = 0.0, math.pi / 2
    for _ in range(48):
        angle = (low + high) / 2
        below = constant * angle / 2 * float(weights @ np.cos(angle / 2 * (nodes + 1)) ** (nu - 1))
        low, high = (angle, high) if below < share else (low, angle)
    return math.sqrt(nu) * math.tan(low)


# -- small helpers ----------------------------------------------------------------------------------------------------


def _double(name: str, value: Tensor | float) -> Tensor:
    """float64; float32 on Apple's GPUs, which have no other."""
    if not isinstance(value, Tensor):
        if not is_number(value):
            raise TypeError(f"{name} must be a tensor or a number, got {told(value)}")
        return torch.tensor(float(value), dtype=torch.float64)
    return value.float() if value.device.type == "mps" else value.double()


def _total(x: Tensor) -> Tensor:
    return x.flatten(1).sum(dim=1) if x.ndim > 1 else x
