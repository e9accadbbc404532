"""The loss of flow matching."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_08._cases import Net, gaussian


def flow_loss(
    network: Callable[[Tensor, Tensor], Tensor],
    x0: Tensor,
    eps: Tensor,
    t: Tensor,
) -> Tensor:
    """The loss with which a network learns the velocity of the straight path, for each point.

    The path goes from the data at t = 0 to the noise at t = 1, in a straight line and at an
    even pace. network(x, t), x (B, …) and t (B,), returns its guess of dx/dt, in x's shape.
    x0 (B, …) data, eps (B, …) noise, t (B,) in [0, 1], one for each point. Returns (B,): of
    each point, the mean over its entries of the squared error. Differentiable in the network's
    parameters, x0 and eps.
    """
    each = t.view(-1, *[1] * (x0.ndim - 1))
    x_t = (1 - each) * x0 + each * eps
    error = network(x_t, t) - (eps - x0)
    return error.flatten(1).square().mean(dim=1)


def by_lerp(network, x0, eps, t):
    wide = t.reshape([len(t)] + [1] * (x0.dim() - 1)).expand_as(x0)
    guess = network(torch.lerp(x0, eps, wide.to(x0.dtype)), t)
    loss = F.mse_loss(guess, eps - x0, reduction="none")
    return loss.mean(dim=tuple(range(1, x0.ndim)))


def with_autograd(network, x0, eps, t):
    each = t[(...,) + (None,) * (x0.ndim - 1)]
    velocity = eps + x0 * -1
    off = velocity - network(x0 + each * velocity, t)
    return (off**2).reshape(len(x0), -1).sum(1) / x0[0].numel()


def _wide(t: Tensor, x0: Tensor) -> Tensor:
    return t.view(-1, *[1] * (x0.ndim - 1))


def _loss(
    target: Callable = lambda x0, eps, t, x_t: eps - x0,
    place: Callable = lambda x0, eps, t: (1 - t) * x0 + t * eps,
    asked: Callable = lambda t: t,
    reduced: Callable = lambda error: error.flatten(1).square().mean(dim=1),
) -> Callable:
    """The loss with one part of its own."""

    def wrong(network, x0, eps, t):
        each = _wide(t, x0)
        x_t = place(x0, eps, each)
        return reduced(network(x_t, asked(t)) - target(x0, eps, each, x_t))

    return wrong


def _one_t(network, x0, eps, t):
    return flow_loss(network, x0, eps, t[:1].expand(len(t)))


def pairs(*shape: int, seed: int = 0):
    return lambda g: (Net(seed), normal(g, *shape), normal(g, *shape), torch.rand(shape[0], generator=g))


def perfect(f) -> bool:
    """A network that knows the one pair has loss 0."""
    x0, eps = gaussian(3, 2), gaussian(3, 2, seed=1)
    times = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)

    def network(x, t):
        """Asked for one point as for all: it knows each by its time."""
        return (eps - x0)[(t.reshape(-1, 1) - times).abs().argmin(dim=1)]

    return close(f(network, x0, eps, times), torch.zeros(3))


def asks_once(f) -> bool:
    calls = []

    def network(x, t):
        calls.append(len(x))
        return x * 0

    f(network, gaussian(4, 2), gaussian(4, 2, seed=1), torch.full((4,), 0.5, dtype=torch.float64))
    return calls == [4]


EXERCISE = Exercise(
    name="08.flow_loss",
    title="The loss of flow matching",
    minutes=6,
    level=2,
    reference=flow_loss,
    alternatives=[by_lerp, with_autograd],
    cases=[
        (Net(), torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 0.2]]), torch.tensor([0.25])),
        pairs(4, 2),
        pairs(3, 5, seed=1),
        pairs(2, 1, 3, 4, seed=2),
        pairs(5, 5, seed=3),
    ],
    invariants=[
        Invariant(
            "no error, no loss",
            perfect,
            "A network that returns the velocity of these very pairs has no error, and must have the loss 0. With yours it has not.",
        ),
        Invariant(
            "asks once",
            asks_once,
            "The network is to be asked once, for the whole batch: that is what makes it fast.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "towards the data",
            _loss(target=lambda x0, eps, t, x_t: x0 - eps),
            "Your target is the velocity towards the data. Here t rises from the data to the noise, and dx/dt with it.",
        ),
        Mistake(
            "noise as the target",
            _loss(target=lambda x0, eps, t, x_t: eps),
            "Your target is the noise, as in DDPM. Asked for is the velocity: how does x_t move as t rises?",
        ),
        Mistake(
            "data as the target",
            _loss(target=lambda x0, eps, t, x_t: x0),
            "Your target is the data. Asked for is the velocity: how does x_t move as t rises?",
        ),
        Mistake(
            "the velocity from x",
            _loss(target=lambda x0, eps, t, x_t: eps - x_t),
            "Your target leads from x_t to the noise: it shrinks as t rises. The pace is even, so the velocity is the same along the whole "
            "line.",
        ),
        Mistake(
            "ends interchanged",
            _loss(place=lambda x0, eps, t: t * x0 + (1 - t) * eps),
            "At t = 0 yours stands at the noise, at t = 1 at the data. Here the data are at t = 0.",
        ),
        Mistake(
            "another course's path and target",
            _loss(target=lambda x0, eps, t, x_t: x0 - eps, place=lambda x0, eps, t: t * x0 + (1 - t) * eps),
            "This is the loss of a course whose t is 1 at the data: all of it is turned round. Here the data are at t = 0.",
        ),
        Mistake(
            "a circle for the line",
            _loss(place=lambda x0, eps, t: (1 - t) ** 0.5 * x0 + t**0.5 * eps),
            "The squares of your weights add up to 1, as on DDPM's path. On a straight line the weights themselves do.",
        ),
        Mistake(
            "only the noise grows",
            _loss(place=lambda x0, eps, t: x0 + t * eps),
            "At t = 1 all of the data is still there. On a line from data to noise it fades as the noise comes in.",
        ),
        Mistake(
            "asked at the data",
            _loss(place=lambda x0, eps, t: x0),
            "You ask the network at x0. It has to say how things move at x_t, between data and noise.",
        ),
        Mistake(
            "no time given",
            _loss(asked=torch.zeros_like),
            "The network hears the time 0 for all points. It needs the t of each: the same place means something else at another time.",
        ),
        Mistake(
            "time turned for the network",
            _loss(asked=lambda t: 1 - t),
            "The network hears 1 − t. It could learn with that, but whoever asks it later says t.",
        ),
        Mistake(
            "time in thousandths",
            _loss(asked=lambda t: 1000 * t),
            "The network hears 1000·t. Its time is that of the path, between 0 and 1.",
        ),
        Mistake(
            "weighted by t",
            lambda network, x0, eps, t: t * flow_loss(network, x0, eps, t),
            "You weight each point by its t. Of each point just the mean square is asked for.",
        ),
        Mistake(
            "one time for all",
            _one_t,
            "All points have the t of the first one. Each has its own.",
        ),
        Mistake(
            "sum for mean",
            _loss(reduced=lambda error: error.flatten(1).square().sum(dim=1)),
            "You add up the squares of a point's entries. Their mean is asked for, which does not grow with the size of a picture.",
        ),
        Mistake(
            "one number",
            _loss(reduced=lambda error: error.square().mean()),
            "You return one number for the batch. One for each point is asked for, (B,): lesson and plots look at them by their t.",
        ),
        Mistake(
            "not squared",
            _loss(reduced=lambda error: error.flatten(1).abs().mean(dim=1)),
            "You take the size of the error, not its square. The mean of what pairs say is what the squared error leads to.",
        ),
        Mistake(
            "root of the mean square",
            _loss(reduced=lambda error: error.flatten(1).square().mean(dim=1).sqrt()),
            "You take a root at the end. Then noisy pairs count less than they should, and the mean velocity is no longer what is learnt.",
        ),
        Mistake(
            "half",
            _loss(reduced=lambda error: error.flatten(1).square().mean(dim=1) / 2),
            "You halve it. Nothing would be learnt otherwise, but the mean of the squares is asked for, without a half.",
        ),
        Mistake(
            "only the last dimension",
            _loss(reduced=lambda error: error.square().mean(dim=-1)),
            "You take the mean over the last dimension alone. Pictures have more: the mean goes over all entries of a point.",
        ),
        Mistake(
            "only the first dimension",
            _loss(reduced=lambda error: error.square().mean(dim=1)),
            "You take the mean over dimension 1 alone. Pictures have more of them: the mean goes over all entries of a point.",
        ),
    ],
    allowed={"x0 -> eps (3)": "they have one shape"},
    hints=[
        "Where is the point at t on a straight line from x0 to eps, and how fast does it move there?",
        "t has the shape (B,): give it as many dimensions as x0 has before you multiply.",
        "Error = what the network says at x_t and t, less the velocity of the pair; square it, flatten from dimension 1 on, mean over "
        "that.",
    ],
    insight="The network is told the velocity of single pairs, and learns their mean at each place: squared errors always lead to the "
    "mean. That mean is the velocity of the ODE, although no pair ever showed it.",
)
