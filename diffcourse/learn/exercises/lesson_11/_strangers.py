"""Training losses of strangers: what `11.probe_forward` and `11.target` are checked with."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Callable[[Tensor, Tensor], Tensor], Tensor, int], Tensor]


def stranger(
    alphas: list[float],
    sigmas: list[float],
    row: Callable,
    weight: Callable = torch.ones_like,
    *,
    summed: bool = False,
    eps_first: bool = False,
) -> Loss:
    """A training loss: the squared error to a·x0 + b·eps, with (a, b) = row(alpha, sigma), times weight(sigma)."""
    alpha, sigma = torch.tensor(alphas), torch.tensor(sigmas)

    def loss(network: Callable[[Tensor, Tensor], Tensor], x0: Tensor, seed: int) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        before = torch.randn(x0.shape, generator=g) if eps_first else None
        t = torch.randint(len(alpha), (len(x0),), generator=g)
        eps = (torch.randn(x0.shape, generator=g) if before is None else before).to(x0)
        al, si = alpha[t, None].to(x0), sigma[t, None].to(x0)
        a, b = row(al, si)
        squares = weight(si) * (network(al * x0 + si * eps, t) - (a * x0 + b * eps)) ** 2
        return squares.sum() if summed else squares.mean()

    return loss


def noise(alpha, sigma):
    return 0 * alpha, 1 + 0 * alpha


def image(alpha, sigma):
    return 1 + 0 * alpha, 0 * alpha


def velocity(alpha, sigma):
    return -sigma, alpha


def flow(alpha, sigma):
    return -1 + 0 * alpha, 1 + 0 * alpha


def score(alpha, sigma):
    return 0 * alpha, -1 / sigma


def itself(alpha, sigma):
    return alpha, sigma
