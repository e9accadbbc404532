"""How hard two losses pull the generator."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def generator_pull(logits: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients that reach the generator's pictures, by its two losses.

    A discriminator gives a picture the probability D = sigmoid(logit) of being real. logits
    (B,) are those of B pictures that the generator has made; slopes (B, P) are the
    derivatives of each picture's logit by its own P pixels. Logits of −1000 or 1000 may
    come up: D is then 0 or 1 as a float, and the derivatives are still finite.
    The generator has two losses to choose from, each to be made small. The minimax loss is
    the mean of log(1 - D) over the B pictures, what the discriminator wants large; the
    non-saturating loss is the mean of -log D.
    Returns two tensors (B, P): the derivatives of the minimax loss by all pixels, then
    those of the non-saturating loss. No gradient of the result is needed.
    """
    share = slopes / len(logits)
    minimax = -torch.sigmoid(logits)[:, None] * share
    non_saturating = -torch.sigmoid(-logits)[:, None] * share
    return minimax, non_saturating


def by_autograd(logits, slopes):
    found = []
    for loss in (lambda a: F.logsigmoid(-a).mean(), lambda a: -F.logsigmoid(a).mean()):
        a = logits.detach().clone().requires_grad_()
        found.append(torch.autograd.grad(loss(a), a)[0].unsqueeze(1) * slopes)
    return tuple(found)


def by_binary_cross_entropy(logits, slopes):
    a = logits.detach().requires_grad_()
    ones, zeros = torch.ones_like(a), torch.zeros_like(a)
    first = torch.autograd.grad(-F.binary_cross_entropy_with_logits(a, zeros), a)[0]
    second = torch.autograd.grad(F.binary_cross_entropy_with_logits(a, ones), a)[0]
    return torch.einsum("b,bd->bd", first, slopes), torch.einsum("b,bd->bd", second, slopes)


def picture_by_picture(logits, slopes):
    first, second = [], []
    for a, slope in zip(logits.tolist(), slopes, strict=True):
        small = math.exp(-abs(a)) / (1 + math.exp(-abs(a)))
        large = 1 / (1 + math.exp(-abs(a)))
        D, rest = (large, small) if a > 0 else (small, large)
        first.append(-D * slope)
        second.append(-rest * slope)
    return torch.stack(first) / len(first), torch.stack(second) / len(second)


def by_differences(logits, slopes):
    D = torch.sigmoid(logits).view(-1, 1)
    return (0 - D) * slopes / slopes.shape[0], (D - 1) * slopes / slopes.shape[0]


def _pull(first: Callable, second: Callable, mean: Callable = len) -> Callable:
    """Derivatives by the logit of other kinds, and another number to divide by."""
    return lambda logits, slopes: tuple(f(logits)[:, None] * slopes / mean(slopes) for f in (first, second))


def _minimax(a: Tensor) -> Tensor:
    return -torch.sigmoid(a)


def _second(a: Tensor) -> Tensor:
    return -torch.sigmoid(-a)


def _autograd(loss: Callable) -> Callable:
    """The derivative of a loss by each logit."""

    def derivative(a: Tensor) -> Tensor:
        a = a.detach().requires_grad_()
        return torch.autograd.grad(loss(a).sum(), a)[0]

    return derivative


def pictures(B: int, D: int, shift: float, scale: float = 1.0) -> Callable:
    """A case: logits around `shift`, and slopes of either sign."""
    return lambda g: (shift + scale * normal(g, B).double(), normal(g, B, D).double())


def at(*logits: float, D: int) -> Callable:
    """A case: these logits, and slopes of either sign."""
    return lambda g: (torch.tensor(logits, dtype=torch.float64), normal(g, len(logits), D).double())


A = torch.tensor([-2.0, 0.5, 3.0], dtype=torch.float64)
ONES = torch.ones(3, 2, dtype=torch.float64)


def goes_down(f: Callable) -> bool:
    """Where slopes are positive, a picture whose logit rises is better for the generator: both derivatives are negative."""
    return all(bool((torch.as_tensor(pull) < 0).all()) for pull in f(A, ONES))


def lost_and_won(f: Callable) -> bool:
    """A picture that nobody believes, and one that everybody does."""
    first, second = f(torch.tensor([-20.0, 20.0], dtype=torch.float64), torch.ones(2, 1, dtype=torch.float64))
    return close(first, torch.tensor([[0.0], [-0.5]])) and close(second, torch.tensor([[-0.5], [0.0]]))


EXERCISE = Exercise(
    name="10.generator_pull",
    title="What pulls the generator",
    minutes=8,
    level=2,
    reference=generator_pull,
    alternatives=[by_autograd, by_binary_cross_entropy, picture_by_picture, by_differences],
    cases=[
        (
            torch.tensor([-1.0, 2.0], dtype=torch.float64),
            torch.tensor([[1.0, -2.0, 0.5], [3.0, 0.25, -1.0]], dtype=torch.float64),
        ),
        pictures(3, 4, -1.0),
        pictures(5, 2, 2.0, 3.0),
        pictures(3, 3, 0.0, 0.5),
        at(-45.0, -1.0, 50.0, D=2),
        at(40.0, -40.0, D=4),
        (
            torch.tensor([-1000.0, 1000.0, 0.3, -800.0], dtype=torch.float64),
            torch.tensor([[1.0], [2.0], [-1.5], [0.5]], dtype=torch.float64),
        ),
    ],
    invariants=[
        Invariant(
            "goes down",
            goes_down,
            "Where every pixel raises the logit, both losses fall when a pixel rises, so all derivatives are negative. Some of yours are "
            "not.",
        ),
        Invariant(
            "lost and won",
            lost_and_won,
            "Two pictures with logits −20 and 20, one pixel each with a slope of 1. log(1 − D) hardly changes where D is 0, and −log D "
            "hardly where D is 1; at its other end each falls by 1 for each unit of the logit. A mean over two pictures halves that. Yours "
            "does something else.",
        ),
    ],
    mistakes=[
        Mistake(
            "exchanged",
            _pull(_second, _minimax),
            "Both gradients are right, each in the place of the other: the minimax loss comes first.",
        ),
        Mistake(
            "the way up",
            _pull(lambda a: -_minimax(a), lambda a: -_second(a)),
            "All signs are turned: these are the directions in which a step lowers the losses. The derivatives are asked for.",
        ),
        Mistake(
            "the first's sign",
            _pull(lambda a: -_minimax(a), _second),
            "The second is right. The first has the wrong sign: log(1 − D) falls when D rises.",
        ),
        Mistake(
            "the second's sign",
            _pull(_minimax, lambda a: -_second(a)),
            "The first is right. The second has the wrong sign: the loss is minus log D.",
        ),
        Mistake(
            "sums",
            _pull(_minimax, _second, lambda s: 1),
            "These are derivatives of sums over the pictures. The losses are means.",
        ),
        Mistake(
            "a mean over all numbers",
            _pull(_minimax, _second, lambda s: s.numel()),
            "You divide by the number of all pixels. The mean is over pictures, each of which has one logit.",
        ),
        Mistake(
            "a mean over pixels",
            _pull(_minimax, _second, lambda s: s.shape[1]),
            "You divide by the number of pixels. The mean is over the pictures.",
        ),
        Mistake(
            "by D",
            _pull(lambda a: -1 / (1 - torch.sigmoid(a)), lambda a: -1 / torch.sigmoid(a)),
            "These are the derivatives by D. Between D and the pixels lies the logit, and the sigmoid has a slope of its own.",
        ),
        Mistake(
            "the sigmoid's slope alone",
            _pull(*(2 * (lambda a: -torch.sigmoid(a) * torch.sigmoid(-a),))),
            "Both of yours are minus the slope of the sigmoid, as if the losses were −D. A logarithm has a slope too.",
        ),
        Mistake(
            "the sigmoid's slope once more",
            _pull(
                lambda a: -(torch.sigmoid(a) ** 2) * torch.sigmoid(-a),
                lambda a: -(torch.sigmoid(-a) ** 2) * torch.sigmoid(a),
            ),
            "You multiply by the slope of the sigmoid twice: the slopes that are given are those of the logit, not of D.",
        ),
        Mistake(
            "the first twice",
            _pull(_minimax, _minimax),
            "The first is right, and your second is the same once more. The two losses have their steep parts at opposite ends.",
        ),
        Mistake(
            "the second twice",
            _pull(_second, _second),
            "The second is right, and your first is the same once more. The two losses have their steep parts at opposite ends.",
        ),
        Mistake(
            "the first, turned",
            _pull(_minimax, lambda a: -_minimax(a)),
            "Your second is minus the first. The logarithm of 1 − D is not minus the logarithm of D.",
        ),
        Mistake(
            "the discriminator's",
            _pull(lambda a: torch.sigmoid(-a), lambda a: torch.sigmoid(a)),
            "These are derivatives of log D and of −log(1 − D): what a discriminator works with. The generator's losses are log(1 − D) "
            "and −log D.",
        ),
        Mistake(
            "losses",
            lambda logits, slopes: (
                F.logsigmoid(-logits)[:, None] * slopes / len(logits),
                -F.logsigmoid(logits)[:, None] * slopes / len(logits),
            ),
            "You multiply the slopes by the losses themselves. The derivatives of the losses by the logit belong there.",
        ),
        Mistake(
            "exponentials",
            _pull(lambda a: -a.exp() / (1 + a.exp()), lambda a: -(-a).exp() / (1 + (-a).exp())),
            "Right in most cases, but with logits of ±1000 you divide infinity by infinity. Of exp(a) and exp(−a) one is always small.",
        ),
        Mistake(
            "autograd through D",
            _pull(
                _autograd(lambda a: torch.log(1 - torch.sigmoid(a))),
                _autograd(lambda a: -torch.log(torch.sigmoid(a))),
            ),
            "Where D is 0 or 1 as a float, its logarithm is infinite and your gradient is NaN. Let nothing ask for log D by way of D.",
        ),
        Mistake(
            "a small number under the logarithm",
            _pull(
                _autograd(lambda a: torch.log(1 - torch.sigmoid(a) + 1e-8)),
                _autograd(lambda a: -torch.log(torch.sigmoid(a) + 1e-8)),
            ),
            "A small number added under the logarithm, as yours 1e-8, flattens the loss where D is smaller than that: there your picture "
            "is pulled by nothing. log D can be had from the logit without D.",
        ),
        Mistake(
            "one number a picture",
            lambda logits, slopes: (_minimax(logits) / len(logits), _second(logits) / len(logits)),
            "These are the derivatives by the logits, one a picture, and right so far. Those by the pixels are asked for.",
        ),
        Mistake(
            "no slopes",
            lambda logits, slopes: tuple((f(logits)[:, None] + 0 * slopes) / len(logits) for f in (_minimax, _second)),
            "These are the derivatives by the logits, the same for all pixels of a picture. How a pixel moves the logit is in slopes.",
        ),
    ],
    gradients=[],
    allowed={"logits -> slopes": "as many logits as rows of slopes"},
    hints=[
        "The chain has three links: pixel, logit, D, loss. slopes are the first. Join the other two: differentiate log(sigmoid(a)) and "
        "log(1 − sigmoid(a)) by a, on paper.",
        "The sigmoid's slope is D·(1 − D). In each derivative one of the two factors cancels. And 1 − sigmoid(a) is the sigmoid of another "
        "number.",
        "For each loss one number a picture, (B,), which multiplies the picture's row of slopes; the mean over the pictures divides by B.",
    ],
    insight="With a = −10 the discriminator is sure that a picture is fake, and the picture needs help most: there the minimax loss pulls "
    "with 0.000045 and the non-saturating one with 0.99995. Both pull the same way, and their pulls add up to the same at every logit; the "
    "two losses differ in which pictures are heard (Goodfellow et al. 2014, section 3).",
)
