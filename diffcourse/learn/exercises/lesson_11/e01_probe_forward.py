"""What a stranger's training really feeds to her network."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.learn.exercises.lesson_11 import _strangers as their


def probe_forward(loss: Callable, T: int) -> tuple[Tensor, Tensor]:
    """Find the factors of image and noise in a training whose code you cannot read.

    loss(network, x0, seed) is a stranger's training loss. For each row of x0 (B, D), of any
    B and D, it draws one of the steps t = 0, …, T-1, each as likely, and standard Gaussian
    noise eps (D,). Then it calls network(x_t, t) once, with x_t = alpha(t)·x0 + sigma(t)·eps
    of shape (B, D) and t (B,), int64, compares what comes back, which must have x_t's shape,
    with something, and returns a scalar. Factors are positive; otherwise do not trust them
    to be those of any schedule that you know. The same seed draws the same t and the same
    eps for an x0 of the same shape, whatever x0 holds.
    Returns alphas and sigmas, two tensors (T,), with an error below 2 %: measure each with
    enough numbers. T is at most 100. No gradient is needed.
    """

    def fed(x0: Tensor) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []

        def spy(x: Tensor, t: Tensor) -> Tensor:
            seen[:] = x, t
            return torch.zeros_like(x)

        loss(spy, x0, 0)
        return seen[0], seen[1]

    black = torch.zeros(40 * T, 1000)
    noise, t = fed(black)
    white, _ = fed(black + 1)
    alphas = [(white - noise)[t == k].mean() for k in range(T)]
    sigmas = [noise[t == k].std() for k in range(T)]
    return torch.stack(alphas), torch.stack(sigmas)


class _Spy:
    def __call__(self, x, t):
        self.x, self.t = x.detach().clone(), t.clone()
        return x


def by_regression(loss, T):
    """A line through (x0, x_t) at every step."""
    spy, g = _Spy(), torch.Generator().manual_seed(1)
    x0 = 100 * torch.randn(40 * T, 800, generator=g)
    loss(spy, x0, 3)
    quiet = _Spy()
    loss(quiet, 0 * x0, 4)
    alphas, sigmas = torch.zeros(T), torch.zeros(T)
    for k in range(T):
        x, y = x0[spy.t == k].flatten(), spy.x[spy.t == k].flatten()
        alphas[k] = (x @ y) / (x @ x)
        sigmas[k] = quiet.x[quiet.t == k].pow(2).mean() ** 0.5
    return alphas, sigmas


def by_two_signs(loss, T):
    """An image and its negative under one seed: half the difference, half the sum."""
    spies, x0 = (_Spy(), _Spy()), torch.full((40 * T, 900), 2.0, dtype=torch.float64)
    for spy, sign in zip(spies, (1, -1), strict=True):
        loss(spy, sign * x0, 11)
    up, down = (spy.x for spy in spies)
    rows = [spies[0].t == k for k in range(T)]
    return (
        torch.tensor([float((up - down)[r].mean() / 4) for r in rows]),
        torch.tensor([float(((up + down) / 2)[r].std()) for r in rows]),
    )


def _with(change: Callable) -> Callable:
    """The reference with other numbers made of its own: change(alphas, sigmas)."""
    return lambda loss, T: change(*probe_forward(loss, T))


def _all_alike(loss: Callable, T: int) -> tuple[Tensor, Tensor]:
    spies = _Spy(), _Spy()
    for spy, shift in zip(spies, (0.0, 1.0), strict=True):
        loss(spy, torch.full((100, 400), shift), 0)
    return (spies[1].x - spies[0].x).mean().expand(T).clone(), spies[0].x.std().expand(T).clone()


def _first_rows(loss: Callable, T: int) -> tuple[Tensor, Tensor]:
    """The row k of the batch for the step k."""
    spies = _Spy(), _Spy()
    for spy, shift in zip(spies, (0.0, 1.0), strict=True):
        loss(spy, torch.full((40 * T, 400), shift), 0)
    return (spies[1].x - spies[0].x).mean(1)[:T], spies[0].x.std(1)[:T]


def _appears(loss: Callable, T: int) -> tuple[Tensor, Tensor]:
    """The steps in the order in which they appear in the batch."""
    spy = _Spy()
    loss(spy, torch.zeros(40 * T, 400), 0)
    alphas, sigmas = probe_forward(loss, T)
    order = list(dict.fromkeys(spy.t.tolist()))
    return alphas[order], sigmas[order]


def does_not_lean_on_a_schedule(f: Callable) -> bool:
    """Where the squares of the factors add up to 1.1, 1.25 and 1.4, those of the answer do not add up to 1."""
    alphas, sigmas = f(their.stranger([0.8, 0.7, 0.6], [0.678, 0.872, 1.02], their.noise), 3)
    return not torch.allclose(alphas.double() ** 2 + sigmas.double() ** 2, torch.ones(3).double(), atol=0.03)


def measures_enough(f: Callable) -> bool:
    """Not within a sixth of the truth and yet off: that is chance."""
    truth = torch.tensor([0.7, 0.4, 0.9]), torch.tensor([0.5, 1.2, 0.2])
    found = f(their.stranger(truth[0].tolist(), truth[1].tolist(), their.noise), 3)
    errors = [((a.double() / b.double() - 1).abs().max()) for a, b in zip(found, truth, strict=True)]
    return not 0.0195 < float(max(errors)) < 0.17


LONG = [1 - 0.008 * k for k in range(100)], [0.1 + 0.009 * k for k in range(100)]

EXERCISE = Exercise(
    name="11.probe_forward",
    title="The factors of a stranger's training",
    minutes=12,
    level=2,
    reference=probe_forward,
    alternatives=[by_regression, by_two_signs],
    gradients=[],
    tolerance=0.0195,
    allowed={"*": "what differs by less than the tolerance, or asks with other images, finds the same factors"},
    cases=[
        (their.stranger([0.8], [0.6], their.noise), 1),
        (their.stranger([0.9, 0.5, 0.2], [0.3, 1.4, 0.7], their.image), 3),
        (their.stranger([0.2, 0.6, 0.9, 0.4], [0.98, 0.8, 0.44, 0.6], their.velocity), 4),
        (their.stranger([1.0, 1.0, 1.0, 1.0], [0.2, 1.0, 4.0, 9.0], their.noise), 4),
        (their.stranger([0.95, 0.8, 0.6, 0.4, 0.2], [0.1, 0.3, 0.5, 0.7, 0.9], their.flow), 5),
        (their.stranger([0.9, 0.6, 0.3], [0.4, 0.8, 0.9], their.noise, eps_first=True), 3),
        (their.stranger(*LONG, their.noise), 100),
    ],
    invariants=[
        Invariant(
            "measured with enough",
            measures_enough,
            "Nearly: your factors scatter around the right ones by more than 2 %. Each is measured from too few numbers; you choose how "
            "many rows and columns x0 has. And under one seed the noise of two calls cancels, to the last digit.",
        ),
        Invariant(
            "no schedule assumed",
            does_not_lean_on_a_schedule,
            "For a stranger whose factors have squares that add up to more than 1, those of yours add up to 1. Both factors are to be "
            "measured, neither worked out from the other.",
        ),
    ],
    mistakes=[
        Mistake(
            "variances",
            _with(lambda a, s: (a, s**2)),
            "Your sigmas are those of the stranger, squared: variances. What multiplies eps?",
        ),
        Mistake(
            "alpha_bar and variance",
            _with(lambda a, s: (a**2, s**2)),
            "Both of yours are squares. What multiplies x0 and eps is asked for, and no alpha_bar.",
        ),
        Mistake("alpha squared", _with(lambda a, s: (a**2, s)), "Your alphas are squared. What multiplies x0?"),
        Mistake("exchanged", _with(lambda a, s: (s, a)), "Right, but the factors of the noise come first in yours."),
        Mistake(
            "noise assumed",
            _with(lambda a, s: (a, (1 - a**2).clamp(min=0).sqrt())),
            "You work out the noise's factor from the image's, as if their squares added up to 1. Whether they do is what you were to "
            "find.",
        ),
        Mistake(
            "image assumed",
            _with(lambda a, s: ((1 - s**2).clamp(min=0).sqrt(), s)),
            "You work out the image's factor from the noise's, as if their squares added up to 1. Whether they do is what you were to "
            "find.",
        ),
        Mistake(
            "image in the noise",
            _with(lambda a, s: (a, (a**2 + s**2).sqrt())),
            "Your sigmas hold the image as well: it is the root mean square of x_t. Which x0 leaves the noise alone, or what must be "
            "subtracted first?",
        ),
        Mistake(
            "mean magnitude",
            _with(lambda a, s: (a, 0.7978846 * s)),
            "Your sigmas are mean magnitudes of Gaussian noise, four fifths of its standard deviation.",
        ),
        Mistake(
            "noise of two seeds",
            _with(lambda a, s: (a, 2**0.5 * s)),
            "Your sigmas are too large by the root of two: the difference of two independent noises has twice the variance of one.",
        ),
        Mistake(
            "alpha twice",
            _with(lambda a, s: (2 * a, s)),
            "Your alphas are twice too large. How far apart were the two images that you fed?",
        ),
        Mistake(
            "from the end",
            _with(lambda a, s: (a.flip(0), s.flip(0))),
            "Right numbers, from the last step to the first. Position t belongs to the step t that the network is told.",
        ),
        Mistake(
            "steps by appearance",
            _appears,
            "Right numbers in the order in which the steps come up in the batch. Position t belongs to the step t.",
        ),
        Mistake(
            "rows for steps",
            _first_rows,
            "You take row k of the batch for step k. Which step a row has is drawn; the network is told which.",
        ),
        Mistake(
            "steps mixed",
            _all_alike,
            "Your numbers are the same for all steps: an average over the batch. Each row has a step of its own, which the network is "
            "told.",
        ),
        Mistake(
            "ratio",
            _with(lambda a, s: (a / s, s / a)),
            "You return ratios of the two factors. Each of them by itself is asked for.",
        ),
    ],
    hints=[
        "You choose two things: the images, and the network. A network may do anything with what it is given, for instance keep it.",
        "Which image would show the noise alone? And what is the same in two calls with one seed?",
        "Keep x_t and t from a call with black images (zeros), and from one with white images (ones) and the same seed. Their difference "
        "has no noise in it. Sort the rows by t.",
    ],
    insight="Nothing of her code had to be read, and no schedule assumed. `clinic` begins like this.",
)
