"""A network from another course, in our notation."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.denoiser import estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_08._cases import Net, gaussian
from diffcourse.sde import Straight


def converted(
    theirs: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    t: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """What a flow network from another course says, in our notation.

    Theirs: time s, noise at s = 0 and data at s = 1, x_s = s·data + (1 - s)·noise, and
    theirs(x, s), x (B, …) and s (B,), predicts dx/ds, the velocity towards the data.
    Ours: time t, data at t = 0 and noise at t = 1, on the same straight line.
    x (B, …) and t (B,), our time, each in [0, 1]. theirs is called once, on the whole batch.
    Returns (velocity, x0, eps), each of x's shape: our dx/dt at x, and the data and the noise
    that it stands for. Differentiable in x.
    """
    each = t.view(-1, *[1] * (x.ndim - 1))
    v = -theirs(x, 1 - t)
    return v, x - each * v, x + (1 - each) * v


def by_their_own_time(theirs, x, t):
    s = 1 - t
    u = theirs(x, s)
    wide = s.reshape(len(s), *(1,) * (x.dim() - 1))
    data = x + (1 - wide) * u
    return -u, data, data - u


def by_solving(theirs, x, t):
    """The two equations x = (1 - t)·x0 + t·eps and v = eps - x0, point by point."""
    u, rows = theirs(x, 1 - t), []
    for xi, ui, ti in zip(x, u, t, strict=True):
        x0 = xi + ti * ui
        rows.append((-ui, x0, -ui + x0))
    return tuple(torch.stack(parts) for parts in zip(*rows, strict=True))


def in_package(theirs, x, t):
    now = estimate(-theirs(x, 1 - t), x, Straight().at(t, like=x), "flow")
    return now.eps - now.x0, now.x0, now.eps


def _wide(t: Tensor, x: Tensor) -> Tensor:
    return t.view(-1, *[1] * (x.ndim - 1))


def _wrong(
    asked: Callable = lambda t: 1 - t,
    turned: Callable = lambda u: -u,
    data: Callable = lambda x, v, t: x - t * v,
    noise: Callable = lambda x, v, t: x + (1 - t) * v,
    order: Callable = lambda v, x0, eps: (v, x0, eps),
) -> Callable:
    """The conversion with one part of its own."""

    def wrong(theirs, x, t):
        v, each = turned(theirs(x, asked(t))), _wide(t, x)
        return order(v, data(x, v, each), noise(x, v, each))

    return wrong


def _one_time(theirs, x, t):
    return converted(theirs, x, t[:1].expand(len(t)))


def batch(*shape: int, seed: int = 0):
    return lambda g: (Net(seed), normal(g, *shape), torch.rand(shape[0], generator=g))


def fits(f) -> bool:
    """x is (1 - t)·x0 + t·eps, whatever the network says."""
    x, t = gaussian(3, 2), torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    v, x0, eps = f(Net(4).double(), x, t)
    return close((1 - t[:, None]) * x0 + t[:, None] * eps, x, 1e-4) and close(eps - x0, v, 1e-4)


def knows_the_pair(f) -> bool:
    """From a network that knows the one pair come the data and the noise of it."""
    x0, eps = gaussian(3, 2), gaussian(3, 2, seed=1)
    t = torch.tensor([0.2, 0.5, 0.9], dtype=torch.float64)

    def theirs(x, s):
        """Asked for one point as for all: it knows each by its time."""
        return (x0 - eps)[(s.reshape(-1, 1) - (1 - t)).abs().argmin(dim=1)]

    _, data, noise = f(theirs, (1 - t[:, None]) * x0 + t[:, None] * eps, t)
    return close(data, x0, 1e-4) and close(noise, eps, 1e-4)


def asks_once(f) -> bool:
    calls = []

    def theirs(x, s):
        calls.append(len(x))
        return torch.zeros_like(x)

    f(theirs, gaussian(4, 2), torch.full((4,), 0.5, dtype=torch.float64))
    return calls == [4]


EXERCISE = Exercise(
    name="08.converted",
    title="Another course's network",
    minutes=6,
    level=2,
    reference=converted,
    alternatives=[by_their_own_time, by_solving],
    cases=[
        (Net(), torch.tensor([[1.0, -0.5]]), torch.tensor([0.25])),
        batch(4, 2),
        batch(3, 3, seed=1),
        batch(2, 1, 2, 3, seed=2),
        (Net(3), torch.tensor([[0.5, 1.0, -2.0], [0.3, -0.2, 0.7]]), torch.tensor([0.0, 1.0])),
    ],
    invariants=[
        Invariant(
            "data and noise make x",
            fits,
            "Noise your x0 to t with your eps: x must come out, and eps − x0 must be your velocity. With yours they do not.",
        ),
        Invariant(
            "knows the pair",
            knows_the_pair,
            "A network of theirs that knows data and noise of each x says data minus noise. From it yours does not find the data and the "
            "noise.",
        ),
        Invariant(
            "asks once",
            asks_once,
            "theirs is to be called once, on the whole batch. Yours asks another number of times.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "our time handed on",
            _wrong(asked=lambda t: t),
            "You ask their network with our t. At our t = 0.1, nearly clean, it would take x for nearly pure noise. What is their time "
            "then?",
        ),
        Mistake(
            "the sign kept",
            _wrong(turned=lambda u: u),
            "Your velocity is theirs, which points towards the data. Our time runs the other way, so dx/dt and dx/ds differ in sign; x0 "
            "and eps follow.",
        ),
        Mistake(
            "the sign kept in the velocity only",
            lambda theirs, x, t: (theirs(x, 1 - t), *converted(theirs, x, t)[1:]),
            "Data and noise are right, the velocity points towards the data: it is dx/ds. Time runs the other way here.",
        ),
        Mistake(
            "nothing converted",
            _wrong(asked=lambda t: t, turned=lambda u: u),
            "Neither time nor direction is converted: you use their network as if it were ours.",
        ),
        Mistake(
            "data and noise by their formulas",
            _wrong(data=lambda x, v, t: x - (1 - t) * v, noise=lambda x, v, t: x + t * v),
            "Time and sign are right. Then the two ends are taken for a time that counts from the noise: how far is it from x at t to the "
            "data, at t = 0?",
        ),
        Mistake(
            "data and noise interchanged",
            _wrong(order=lambda v, x0, eps: (v, eps, x0)),
            "Your second and third value are interchanged: (velocity, x0, eps).",
        ),
        Mistake(
            "the signs of both ends",
            _wrong(data=lambda x, v, t: x + t * v, noise=lambda x, v, t: x - (1 - t) * v),
            "Your velocity is right. To come to the data from x one goes back in time, against it; to the noise, along it.",
        ),
        Mistake(
            "the time's factor forgotten",
            _wrong(data=lambda x, v, t: x - v, noise=lambda x, v, t: x + v),
            "You go the whole line from x to either end. x lies on it already: to the data it is only the part t.",
        ),
        Mistake(
            "data is x less the velocity",
            _wrong(data=lambda x, v, t: x - v),
            "Your noise is right, and your data lie too far: from x to them it is only the part t of the line.",
        ),
        Mistake(
            "velocity last",
            _wrong(order=lambda v, x0, eps: (x0, eps, v)),
            "You return the velocity last: (velocity, x0, eps).",
        ),
        Mistake(
            "noise is velocity plus x",
            _wrong(noise=lambda x, v, t: x + v),
            "Your data are right, and your noise lies too far: from x to it only the part 1 − t of the line is left.",
        ),
        Mistake(
            "noise from the data alone",
            _wrong(noise=lambda x, v, t: v),
            "You return the velocity as the noise. It is noise minus data.",
        ),
        Mistake(
            "negative time",
            _wrong(asked=lambda t: -t),
            "You ask their network at −t, before its time begins. It counts from 0 at the noise to 1 at the data.",
        ),
        Mistake(
            "velocity alone",
            lambda theirs, x, t: -theirs(x, 1 - t),
            "The velocity is right. Data and noise are asked for with it, in one tuple.",
        ),
        Mistake(
            "one time for all",
            _one_time,
            "All points have the t of the first one. Each has its own.",
        ),
    ],
    hints=[
        "Put x_s = s·data + (1 − s)·noise and x_t = (1 − t)·data + t·noise side by side. Which s and t are the same place?",
        "With s = 1 − t: dx/dt = dx/ds · ds/dt. On the line, the velocity leads from the data to the noise in one unit of time.",
        "Ask theirs at one minus t, turn the sign; from x go back the time t to the data, and on for what is left to the noise.",
    ],
    package=InPackage('estimate(-theirs(x, 1 - t), x, Straight().at(t, like=x), "flow")', in_package),
    insight="Three things to ask of any foreign network: which end is t = 0, which way its velocity points, in which units its time is. "
    "Some count to 1000.",
)
