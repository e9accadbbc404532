"""The evidence lower bound: of a variational autoencoder, of a mixture, and of a diffusion model, term by term.

log p(x) = ELBO(x) + KL(q(z | x) || p(z | x)): the bound is as tight as q is close to the *true* posterior. For a diffusion model
-log p(x_0) <= L_T + sum of L_{t-1} + L_0 in expectation over the noise (Ho et al. 2020, equation 5): each term a KL divergence between
Gaussians, or a Gaussian log-likelihood. Everything is in nats, float64, one number a point: summed over all dimensions but the first.
Code index t = 0..T-1 is the papers' t + 1: `step_kl(..., t)` is the papers' L_t, and the papers' x_1 is the code's x_t at t = 0.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from diffcourse.checks import (
    check_alike,
    check_batch,
    check_floating,
    check_function,
    number,
    one_generator,
    one_of,
    told,
    whole,
)
from diffcourse.denoiser import Denoise, ask, evaluating, module_of
from diffcourse.gaussian import gaussian_kl, gaussian_nll, mean_se, standard_kl
from diffcourse.mixture import GaussianMixture
from diffcourse.models.vae import VAE
from diffcourse.rng import check_generators, draw
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level, check_chain, jump, posterior_coefficients

__all__ = [
    "Bound",
    "Elbo",
    "Evidence",
    "bits_per_dim",
    "chain_log_ratio",
    "diffusion_bound",
    "gaussian_kl",
    "gaussian_nll",
    "importance_bound",
    "last_step_nll",
    "mixture_elbo",
    "noise_weights",
    "pixel_nll",
    "prior_kl",
    "standard_kl",
    "step_kl",
    "transition",
    "vae_elbo",
]

VARIANCES = ("posterior", "beta")


class Bound(NamedTuple):
    """The variational bound of a batch, in nats: means over the points, and `each` point's own estimate.

    L_T and L_0 numbers; L_steps (T-1,) float64, entry i the step from code index i + 1 to i; total = L_T + L_steps.sum() + L_0;
    se the standard error of total over points and noise (nan for a single point); each (B,) float64.
    """

    L_T: float
    L_steps: Tensor
    L_0: float
    total: float
    se: float
    each: Tensor


class Elbo(NamedTuple):
    """The ELBO of a batch, in nats: means over the points, value = reconstruction - kl, and `each` point's own.

    se is the standard error of value over points and draws (nan for a single point); each (B,) float64.
    """

    value: float
    reconstruction: float
    kl: float
    se: float
    each: Tensor


class Evidence(NamedTuple):
    """An estimate of the mean log p(x) of a batch, in nats, its standard error over the points, and `each` point's own, (B,) float64."""

    value: float
    se: float
    each: Tensor


# -- latent variables: mixtures and variational autoencoders ----------------------------------------------------------


def mixture_elbo(mixture: GaussianMixture, x: Tensor, q: Tensor) -> Tensor:
    """ELBO(x) = sum_k q_k·(log p(x, k) - log q_k) for a Gaussian mixture whose component k is the latent; exact, nothing is drawn.

    x (B, D); q (K,) or (B, K), each row a distribution over the components. Returns (B,) nats. The gap to mixture.log_prob(x) is
    KL(q || mixture.responsibilities(x)), zero where q is the true posterior.
    """
    if not (hasattr(mixture, "K") and hasattr(mixture, "log_joint")):
        raise TypeError(f"mixture must be a GaussianMixture, got {told(mixture)}")
    check_floating("q", q)
    if q.ndim not in (1, 2) or q.shape[:-1] not in ((), (1,), (len(x),)):
        raise ValueError(
            f"q must be ({mixture.K},) or (B, {mixture.K}) for the {len(x)} points, got shape {tuple(q.shape)}"
        )
    q = q.double().expand(len(x), -1)
    if q.shape[1] != mixture.K or bool((q < 0).any()) or not torch.allclose(q.sum(dim=1), q.new_ones(())):
        raise ValueError(
            f"q must hold {mixture.K} probabilities that add up to 1 in each row, got shape {tuple(q.shape)}"
        )
    return (torch.where(q > 0, q * mixture.log_joint(x), 0.0) - torch.special.xlogy(q, q)).sum(dim=1)


@torch.no_grad()
def vae_elbo(
    vae: VAE, x: Tensor, *, samples: int = 1, analytic: bool = True, generator: torch.Generator | None = None
) -> Elbo:
    """E_q[log p(x | z)] - KL(q(z | x) || p(z)) for images x (B, 1, 28, 28) (Kingma & Welling 2014, equation 3).

    The expectation is a mean over `samples` draws of z an image. analytic: the KL in closed form (their estimator B), otherwise the mean
    of log q(z | x) - log p(z) over the same draws (estimator A): the same on average, with more noise.
    """
    _check_vae(vae, x, samples)
    one_generator(generator)
    with evaluating(vae):
        mu, log_var = vae.encode(x)
        reconstruction, kl = torch.zeros(2, len(x), dtype=torch.float64, device=x.device)
        for _ in range(samples):
            z = vae.reparameterize(mu, log_var, generator=generator)
            reconstruction -= vae.nll(vae.decode(z), x).double() / samples
            if not analytic:
                kl += (gaussian_nll(z, 0.0, 1.0) - gaussian_nll(z, mu, log_var.double().exp())) / samples
    if analytic:
        kl = standard_kl(mu, log_var)
    each = reconstruction - kl
    return Elbo(float(each.mean()), float(reconstruction.mean()), float(kl.mean()), mean_se(each), each)


@torch.no_grad()
def importance_bound(vae: VAE, x: Tensor, *, samples: int = 500, generator: torch.Generator | None = None) -> Evidence:
    """log of the mean of p(x, z)/q(z | x) over `samples` draws z ~ q(z | x) (Burda et al. 2016, equation 8).

    Its expectation lies between the ELBO (samples = 1) and log p(x), and rises with every sample. x (B, 1, 28, 28).
    """
    _check_vae(vae, x, samples)
    one_generator(generator)
    with evaluating(vae):
        mu, log_var = vae.encode(x)
        total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
        for _ in range(samples):
            z = vae.reparameterize(mu, log_var, generator=generator)
            log_joint = -vae.nll(vae.decode(z), x).double() - gaussian_nll(z, 0.0, 1.0)
            total = torch.logaddexp(total, log_joint + gaussian_nll(z, mu, log_var.double().exp()))
    each = total - math.log(samples)
    return Evidence(float(each.mean()), mean_se(each), each)


# -- the terms of the bound of a diffusion model ----------------------------------------------------------------------


def prior_kl(schedule: DiffusionSchedule, x0: Tensor) -> Tensor:
    """L_T = KL(q(x_T | x_0) || N(0, I)): what is left of x0 at the end of the chain. No network in it; (B, …) -> (B,) nats."""
    check_chain(schedule)
    check_batch("x0", x0)
    end = schedule.at(schedule.T - 1)
    return gaussian_kl(end.alpha * x0, 1 - float(schedule.alpha_bars[-1]), 0.0, 1.0)


def transition(
    denoise: Denoise, schedule: DiffusionSchedule, x_t: Tensor, t: int, variance: str = "posterior"
) -> tuple[Tensor, float]:
    """Mean (B, …) and variance of the model's p(x_{t-1} | x_t): the posterior q(x_{t-1} | x_t, x_0) with the predicted x_0 in it.

    Ho et al. 2020, section 3.2. variance "posterior" is that of the posterior, "beta" that of the forward step. At t = 0 (the step to
    the clean data) the mean is the predicted x_0, and the posterior's variance is 0.
    """
    check_batch("x_t", x_t)
    now, to = _levels(schedule, t)
    a, b, var = posterior_coefficients(now, to)
    if _check_variance(variance) == "beta":
        var = jump(now, to)[1]
    return a * _x0(denoise, x_t, now) + b * x_t, var


def step_kl(
    denoise: Denoise, schedule: DiffusionSchedule, x0: Tensor, x_t: Tensor, t: int, variance: str = "posterior"
) -> Tensor:
    """KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) for code index t = 1..T-1, one of the T - 1 middle terms of the bound.

    With variance "posterior" both variances agree and it is |mean - model's mean|²/(2·var) (Ho et al. 2020, equation 8).
    x0 and x_t (B, …) -> (B,) nats. ValueError outside 1..T-1: the step to the clean data is `last_step_nll`.
    """
    check_chain(schedule)
    if not 1 <= whole("t", t) <= schedule.T - 1:
        raise ValueError(f"t must lie in [1, {schedule.T - 1}], got {t}; at t = 0 the term is L_0, last_step_nll")
    check_batch("x0", x0)
    check_alike("x_t", x_t, "x0", x0)
    a, b, var = posterior_coefficients(*_levels(schedule, t))
    mean, model_var = transition(denoise, schedule, x_t, t, variance)
    return gaussian_kl(a * x0 + b * x_t, var, mean, model_var)


def last_step_nll(
    denoise: Denoise, schedule: DiffusionSchedule, x0: Tensor, x_t: Tensor, var: float | None = None
) -> Tensor:
    """L_0 = -log p(x_0 | x_1) with a Gaussian around the predicted x_0, for continuous data; x_t is the papers' x_1, code index 0.

    var: the variance of that Gaussian, by default beta_1, the variance of the first forward step. (B, …) -> (B,) nats, negative where
    the density is above 1. Pixels of 256 values need a discretised decoder instead (Ho et al. 2020, equation 13).
    """
    check_batch("x0", x0)
    check_alike("x_t", x_t, "x0", x0)
    var = var if var is None else number("var", var)
    mean, _ = transition(denoise, schedule, x_t, 0)
    return gaussian_nll(x0, mean, float(schedule.betas[0]) if var is None else var)


def pixel_nll(x: Tensor, mean: Tensor, var: float, greys: int = 256) -> Tensor:
    """-sum log ∫ N(z; mean, var) dz over the bin of each pixel: the discretised decoder (Ho et al. 2020, equation 13), (B, …) -> (B,) nats.

    x in [-1, 1] in steps of 2/(greys - 1), the middles of the bins; the first and last reach to infinity. Over all greys the
    probabilities of a pixel sum to 1, so bits made of them need no bin width: `bits_per_dim(nats, dims)`. For var well above a bin this
    is `gaussian_nll` less the log of a bin.
    """
    check_batch("x", x)
    check_alike("mean", mean, "x", x)
    half, std = 1 / (whole("greys", greys, 2) - 1), number("var", var, above=0) ** 0.5
    x, mean = x.double(), mean.double()
    low = torch.where(x < -1 + half, -math.inf, (x - half - mean) / std)
    high = torch.where(x > 1 - half, math.inf, (x + half - mean) / std)
    flip = low > -high  # the bin lies above the mean: its mirror image below has more digits
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    upper, lower = torch.special.log_ndtr(high), torch.special.log_ndtr(low)
    return -(upper + torch.log(-torch.expm1(lower - upper))).flatten(1).sum(dim=1)


@torch.no_grad()
def diffusion_bound(
    denoise: Denoise,
    schedule: DiffusionSchedule,
    x0: Tensor,
    *,
    variance: str = "posterior",
    last_var: float | None = None,
    generator: torch.Generator | None = None,
) -> Bound:
    """All terms of the bound L_T + sum L_{t-1} + L_0 >= -log p(x_0) for points x0 (B, …) (Ho et al. 2020, equation 5).

    The KLs are exact; only x_t ~ q(x_t | x_0) is drawn, once for each point and step, from `generator`: T calls of `denoise`, which works
    in eval mode. `each` is an unbiased estimate for each point; repeat points in x0 to average over more noise.
    """
    _check_walk(schedule, x0, generator)
    prior = prior_kl(schedule, x0)
    each, steps = prior.clone(), torch.empty(schedule.T - 1, dtype=torch.float64)
    with evaluating(module_of(denoise)):
        for t in range(1, schedule.T):
            at = schedule.at(t)
            kl = step_kl(denoise, schedule, x0, at.noised(x0, draw(x0, generator)), t, variance)
            steps[t - 1] = kl.mean()
            each += kl
        x_1 = schedule.at(0).noised(x0, draw(x0, generator))
        last = last_step_nll(denoise, schedule, x0, x_1, last_var)
    each += last
    return Bound(float(prior.mean()), steps, float(last.mean()), float(each.mean()), mean_se(each), each)


@torch.no_grad()
def chain_log_ratio(
    denoise: Denoise,
    schedule: DiffusionSchedule,
    x0: Tensor,
    *,
    variance: str = "posterior",
    last_var: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """log q(x_1..x_T | x_0) - log p(x_0..x_T) along one whole chain for each point x0 (B, …): (B,) nats.

    Its mean is the bound before it is split into terms (Ho et al. 2020, equation 3); minus the log of the mean of exp(-ratio) over many
    chains of one x0 is -log p(x_0) itself. Draws every step of the forward chain; the split of `diffusion_bound` has less variance.
    """
    _check_walk(schedule, x0, generator)
    ratio, before = torch.zeros(len(x0), dtype=torch.float64, device=x0.device), x0
    with evaluating(module_of(denoise)):
        for t in range(schedule.T):
            alpha, beta = float(schedule.alphas[t]) ** 0.5, float(schedule.betas[t])
            x = alpha * before + beta**0.5 * draw(x0, generator)
            mean, var = transition(denoise, schedule, x, t, variance)
            if t == 0:
                var = beta if last_var is None else last_var
            ratio += gaussian_nll(before, mean, var) - gaussian_nll(x, alpha * before, beta)
            before = x
    return ratio + gaussian_nll(before, 0.0, 1.0)


# -- weights and units ------------------------------------------------------------------------------------------------


def noise_weights(schedule: DiffusionSchedule, variance: str = "posterior") -> Tensor:
    """w with L_{t-1} = w_t·|eps - eps_model|² + const: w_t = beta_t²/(2·var_t·alpha_t·(1 - alpha_bar_t)) (Ho et al. 2020, equation 12).

    (T-1,) float64, entry i for code index i + 1, as in `Bound.L_steps`. The simple loss (equation 14) sets every w_t to 1: dividing the
    squared noise errors' terms by w turns the bound into it. The constant is 0 for variance "posterior".
    ValueError for a schedule that ends without signal: there a noise error says nothing about x_0, and its weight is infinite.
    """
    check_chain(schedule)
    if schedule.alphas[-1] == 0:
        raise ValueError(
            f"schedule must keep some signal, but alpha = 0 at t={schedule.T - 1}, where w would be infinite"
        )
    now, to = schedule.at(torch.arange(1, schedule.T)), schedule.at(torch.arange(schedule.T - 1))
    alpha, beta = jump(now, to)  # sqrt(alpha_t), beta_t
    var = posterior_coefficients(now, to)[2] if _check_variance(variance) == "posterior" else beta
    return beta**2 / (2 * var * alpha**2 * now.sigma**2)


def bits_per_dim(nats: Tensor | float, dims: int, bin_width: float = 1.0) -> Tensor | float:
    """nats/(dims·log 2) - log2(bin_width): bits for each of `dims` coordinates, stored in steps of bin_width.

    Images of 256 greys in [-1, 1] have bin_width 2/255; 1 leaves the density's own unit. ValueError unless dims >= 1, bin_width > 0.
    """
    dims = whole("dims", dims, 1)
    if not number("bin_width", bin_width) > 0:
        raise ValueError(f"bin_width must be positive, got {bin_width}")
    if not isinstance(nats, Tensor | float | int):
        raise TypeError(f"nats must be a number or a tensor, got {told(nats)}")
    return nats / (dims * math.log(2)) - math.log2(bin_width)


# -- small helpers ----------------------------------------------------------------------------------------------------


def _check_vae(vae: VAE, x: Tensor, samples: int) -> None:
    if not isinstance(vae, VAE):
        raise TypeError(f"vae must be a VAE, got {told(vae)}")
    check_batch("x", x)
    whole("samples", samples, 1)


def _check_walk(schedule: DiffusionSchedule, x0: Tensor, generator: torch.Generator | None) -> None:
    check_chain(schedule)
    check_batch("x0", x0)
    check_generators(generator, len(x0))


def _levels(schedule: DiffusionSchedule, t: int) -> tuple[Level, Level]:
    check_chain(schedule)
    t = whole("t", t)
    return schedule.at(t), schedule.at(t - 1) if t > 0 else CLEAN


def _x0(denoise: Denoise, x_t: Tensor, at: Level) -> Tensor:
    check_function("denoise", denoise, "a function (x, level) -> Estimate")
    return ask(denoise, x_t, at).x0


def _check_variance(variance: str) -> str:
    return one_of("variance", variance, VARIANCES)
