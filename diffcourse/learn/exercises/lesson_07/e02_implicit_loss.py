"""Hyvärinen's loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_07._cases import AScore, pull
from diffcourse.score import implicit_loss as in_package


def implicit_loss(score, x: Tensor) -> Tensor:
    """Hyvärinen's loss of a score at points x from p: nothing is asked of p but these points.

    It is ½·|score(x) − ∇log p(x)|², multiplied out: the term that holds no score left off, and
    the mixed term replaced, by integration by parts, by what needs no p. Both steps are right
    in the mean over p.
    score: x (B, D) -> (B, D), each point by itself: a network, or any function that autograd
    can differentiate.
    Returns (B,), one number a point, exact: nothing is drawn. Differentiable in the score: a
    network is trained with it.
    """
    x = x.detach().requires_grad_()
    s = score(x)
    divergence = torch.zeros_like(x[:, 0])
    for i in range(x.shape[1]):
        (row,) = torch.autograd.grad(s[:, i].sum(), x, create_graph=True)
        divergence = divergence + row[:, i]
    return s.square().sum(dim=1) / 2 + divergence


def implicit_loss_by_func(score, x):
    jacobians = torch.func.vmap(torch.func.jacrev(lambda v: score(v[None])[0]))(x)
    return score(x).pow(2).sum(1) / 2 + torch.einsum("bii->b", jacobians)


def implicit_loss_by_jacobian(score, x):
    jacobian = torch.autograd.functional.jacobian(lambda y: score(y).sum(0), x, create_graph=True)
    return 0.5 * (score(x) ** 2).sum(-1) + jacobian.permute(1, 0, 2).diagonal(dim1=1, dim2=2).sum(-1)


def _parts(score: Callable, x: Tensor) -> tuple[Tensor, Tensor]:
    """The score at x, and the Jacobian of each point, (B, D, D)."""
    y = x.detach().requires_grad_()
    s = score(y)
    rows = [torch.autograd.grad(s[:, i].sum(), y, create_graph=True)[0] for i in range(y.shape[1])]
    return s, torch.stack(rows, dim=1)


def _trace(J: Tensor) -> Tensor:
    return J.diagonal(dim1=1, dim2=2).sum(dim=1)


def _half(s: Tensor) -> Tensor:
    return s.square().sum(dim=1) / 2


def _loss(combine: Callable) -> Callable:
    return lambda score, x: combine(*_parts(score, x))


def _probed(probe: Callable) -> Callable:
    def wrong(score, x):
        y = x.detach().requires_grad_()
        s, v = score(y), probe(x)
        (vjp,) = torch.autograd.grad((s * v).sum(), y, create_graph=True)
        return _half(s) + (vjp * v).sum(dim=1)

    return wrong


def case(B: int, D: int):
    return lambda g: (AScore(g, D), normal(g, B, D))


def inwards(x: Tensor) -> Tensor:
    return torch.sin(x) * x.flip(1) - x**3


def outwards(x: Tensor) -> Tensor:
    return x**3 + x + x.flip(1) ** 2


def least_for_the_true_score(f: Callable) -> bool:
    """On points with the moments of N(0, 1), −c·x is best at c = 1."""
    x = torch.tensor([[-1.0], [1.0]])
    at = [float(torch.as_tensor(f(lambda y, c=c: -c * y, x)).detach().mean()) for c in (0.8, 1.0, 1.2)]
    return at[1] < at[0] and at[1] < at[2]


def stairs(x: Tensor) -> Tensor:
    """Flat at every point that is no multiple of 1e-8, and steep from far."""
    return torch.floor(1e8 * x) / 1e3


def no_difference_quotient(f: Callable) -> bool:
    """Where the score is a flight of stairs, the exact derivative is 0; that of two points near each other is 1e5."""
    return bool((torch.as_tensor(f(stairs, torch.tensor([[0.5e-8, 2.5e-8]], dtype=torch.float64))).abs() < 1).all())


EXERCISE = Exercise(
    name="07.implicit_loss",
    title="A loss without the true score",
    minutes=10,
    level=3,
    reference=implicit_loss,
    alternatives=[implicit_loss_by_func, implicit_loss_by_jacobian],
    cases=[
        (pull, torch.tensor([[0.5, -1.0]])),
        case(3, 2),
        case(1, 1),
        case(4, 3),
        lambda g: (inwards, normal(g, 3, 2)),
        lambda g: (outwards, normal(g, 2, 3)),
    ],
    invariants=[
        Invariant(
            "no difference quotient",
            no_difference_quotient,
            "For a score that is a flight of very small stairs yours finds a slope, where each stair is flat. Is it the difference of the "
            "score at two points near each other? That is never exact: autograd's derivative is.",
        ),
        Invariant(
            "least for the true score",
            least_for_the_true_score,
            "Of the scores −0.8·x, −x and −1.2·x the one of N(0, 1) must have the least mean loss on the points −1 and 1, whose "
            "variance is 1. With yours it has not.",
        ),
        Invariant(
            "points of a graph",
            lambda f: close(f(pull, torch.zeros(2, 2).requires_grad_() + 1), torch.full((2,), -8.0)),
            "The values are right, but it stops, or gives others, for points that already belong to a graph.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "sign of the second term",
            _loss(lambda s, J: _half(s) - _trace(J)),
            "Your second term has the wrong sign. The mixed term has a minus, and integration by parts turns it round once more.",
        ),
        Mistake(
            "no half",
            _loss(lambda s, J: 2 * _half(s) + _trace(J)),
            "Your squared score lacks its ½, and the other term is right: then half of the true score would be the best. Multiply the ½ "
            "through the whole square.",
        ),
        Mistake(
            "twice the loss",
            _loss(lambda s, J: 2 * _half(s) + 2 * _trace(J)),
            "This is twice the loss: the right score is its best too, but the ½ of the docstring is missing.",
        ),
        Mistake(
            "half of both",
            _loss(lambda s, J: _half(s) + _trace(J) / 2),
            "You halve both terms. The mixed term of a square comes twice, so the ½ before it is used up.",
        ),
        Mistake(
            "two of the second term",
            _loss(lambda s, J: _half(s) + 2 * _trace(J)),
            "The mixed term of a square comes twice, and the ½ takes that away again: yours counts it double.",
        ),
        Mistake(
            "all entries of the Jacobian",
            _loss(lambda s, J: _half(s) + J.sum(dim=(1, 2))),
            "You add up all derivatives, of each coordinate of the score in each coordinate of x. By parts only those of a coordinate in "
            "itself appear: the diagonal.",
        ),
        Mistake(
            "the first coordinate only",
            _loss(lambda s, J: _half(s) + J[:, 0, 0]),
            "Only the first coordinate has been differentiated. The mixed term is a sum over all coordinates.",
        ),
        Mistake(
            "no derivative",
            _loss(lambda s, J: _half(s)),
            "This is ½·|score|² alone: it is least for a score that is 0 everywhere. What has become of the mixed term?",
        ),
        Mistake(
            "no square",
            _loss(lambda s, J: _trace(J)),
            "The squared score is missing: without it the loss falls for ever as the score grows.",
        ),
        Mistake(
            "size of the divergence",
            _loss(lambda s, J: _half(s) + _trace(J).abs()),
            "You take the second term's absolute value. Its sign counts: a score that runs together, as at a mode, lowers the loss.",
        ),
        Mistake(
            "squared Jacobian",
            _loss(lambda s, J: _half(s) + J.square().sum(dim=(1, 2)) / 2),
            "You add the squared size of the Jacobian. Integration by parts leaves derivatives as they are, not their squares.",
        ),
        Mistake(
            "determinant",
            _loss(lambda s, J: _half(s) + torch.linalg.det(J)),
            "You add the determinant of the Jacobian. Each coordinate is integrated by parts by itself, and the results are added.",
        ),
        Mistake(
            "mean over the coordinates",
            _loss(lambda s, J: (_half(s) + _trace(J)) / s.shape[1]),
            "You take means over the coordinates. |·|² is a sum, and so is the other term.",
        ),
        Mistake(
            "one number",
            _loss(lambda s, J: (_half(s) + _trace(J)).mean()),
            "This is the mean over the points. Asked is one number a point, so that the reader can see the spread too.",
        ),
        Mistake(
            "root for square",
            _loss(lambda s, J: s.norm(dim=1) / 2 + _trace(J)),
            "Your first term is half the length of the score, not half its square.",
        ),
        Mistake(
            "with a random direction",
            _probed(torch.randn_like),
            "You look along one random direction, which is right in the mean and cheap in many dimensions (Hutchinson). Here the points "
            "have few: take every coordinate, and draw nothing.",
        ),
    ],
    gradients=["score"],
    package=InPackage("implicit_loss(score, x)", lambda score, x: in_package(score, x)),
    hints=[
        "Multiply out: ½·|s|² − s·∇log p + ½·|∇log p|². One term has no s in it. Which one needs p?",
        "E[s·∇log p] = ∫ s·∇p, for p·∇log p = ∇p. By parts, coordinate by coordinate, the ∇ goes over to s and the sign turns.",
        "½·|s|² plus the sum over i of ∂sᵢ/∂xᵢ. For each i: autograd.grad of the sum of the score's column i in x, with "
        "create_graph=True, and of that the column i.",
    ],
    allowed={
        "score called twice": "the same at twice the price, which the stub does not forbid",
        "x.detach() -> x": "then x asks for gradients afterwards, which harms nobody here",
        "0 -> -1": "a column of x, for its shape alone",
    },
    insight="The score is short where points are, and runs together there. It costs a pass back for each dimension: 784 for a digit. The "
    "next loss needs none.",
)
