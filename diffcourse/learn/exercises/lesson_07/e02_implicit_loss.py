"""Hyvärinen's loss."""

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise


def implicit_loss(score, x: Tensor) -> Tensor:
    """Hyvärinen's loss of a score at points x from p: nothing is asked of p but these points.

    It is ½·|score(x) − ∇log p(x)|², multiplied out: the term that holds no score left off, and
    the mixed term replaced, by integration by parts, by what needs no p. Both steps are right
    in the mean over p.
    score: x (B, D) -> (B, D), each point by itself: a network, or any function that autograd
    can differentiate.
    Returns (B,), one number a point. Differentiable in the score: a network is trained with it.
    """
    x = x.detach().requires_grad_()
    s = score(x)
    divergence = torch.zeros(len(x), dtype=x.dtype)
    for i in range(x.shape[1]):
        (row,) = torch.autograd.grad(s[:, i].sum(), x, create_graph=True)
        divergence = divergence + row[:, i]
    return s.square().sum(dim=1) / 2 + divergence


EXERCISE = Exercise(
    name="07.implicit_loss", title="A loss without the true score", reference=implicit_loss, minutes=10, level=3
)
