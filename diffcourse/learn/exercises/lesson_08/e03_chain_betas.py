"""The chain below a VP path."""

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


def chain_betas(beta_min: float, beta_max: float, T: int) -> Tensor:
    """The betas of the DDPM chain of T steps that stands exactly on the VP path.

    The path's signal is lost at the rate beta(t) = beta_min + t·(beta_max - beta_min):
    d(alpha²)/dt = -beta(t)·alpha², from alpha = 1 at t = 0, to t = 1. Solve it. Step i of the
    chain, i = 1 … T, goes from t = (i - 1)/T to t = i/T; after it the chain's alpha_bar must be
    the path's alpha², to all digits, not only in the limit.
    Returns (T,), float64, beta of step 1 first.
    """
    t = torch.arange(T + 1, dtype=torch.float64) / T
    lost = beta_min * t + (beta_max - beta_min) * t**2 / 2
    return 1 - torch.exp(-lost.diff())


EXERCISE = Exercise(
    name="08.chain_betas",
    title="The chain on the path",
    minutes=7,
    level=3,
    reference=chain_betas,
)
