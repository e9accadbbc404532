"""Brownian motion from its increments."""

from itertools import pairwise

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_08._cases import gaussian


def brownian(z: Tensor, times: list[float]) -> Tensor:
    """Paths of Brownian motion, seen at rising times, from standard Gaussian numbers.

    Between two times the path moves by an increment that is Gaussian, has mean 0 and a variance
    equal to the time that passes, and depends on nothing before. At times[0] it stands at 0.
    z (K, N) standard Gaussian: row k makes the increment from times[k] to times[k + 1] of all
    N paths. times K + 1 numbers, not always evenly spaced. Returns (K + 1, N), a row for each
    time. Differentiable in z.
    """
    spans = torch.tensor(times, dtype=z.dtype).diff()
    steps = spans.sqrt()[:, None] * z
    return torch.cat([torch.zeros_like(z[:1]), steps.cumsum(dim=0)])


def in_a_loop(z, times):
    w = [torch.zeros(z.shape[1])]
    for k, (a, b) in enumerate(pairwise(times)):
        w.append(w[-1] + (b - a) ** 0.5 * z[k])
    return torch.stack(w)


def by_a_matrix(z, times):
    spans = torch.tensor([b - a for a, b in pairwise(times)]).to(z)
    below = torch.ones(len(z) + 1, len(z)).tril(-1).to(z)
    return below @ (spans.sqrt().unsqueeze(1) * z)


def _spans(z: Tensor, times: list[float]) -> Tensor:
    return torch.tensor(times, dtype=z.dtype).diff()[:, None]


def _summed(steps: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(steps[:1]), steps.cumsum(dim=0)])


def _since(z: Tensor, times: list[float]) -> Tensor:
    return torch.tensor([t - times[0] for t in times[1:]], dtype=z.dtype)[:, None]


def paths(times: list[float], N: int):
    return lambda g: (normal(g, len(times) - 1, N), times)


def covariances(f) -> bool:
    """E[w(s)·w(t)] = min(s, t), counted from the start."""
    times = [1.0, 1.5, 3.0]
    w = torch.as_tensor(f(gaussian(2, 20_000), times)).double()
    covariance = (w[:, None] * w[None]).mean(dim=2)
    wanted = torch.tensor([[0.0, 0, 0], [0, 0.5, 0.5], [0, 0.5, 2.0]], dtype=torch.float64)
    return bool((covariance - wanted).abs().max() < 0.08)


EXERCISE = Exercise(
    name="08.brownian",
    title="Brownian motion",
    minutes=4,
    level=1,
    reference=brownian,
    alternatives=[in_a_loop, by_a_matrix],
    cases=[
        (torch.tensor([[1.0, -0.5], [2.0, 1.0]]), [0.0, 0.25, 1.25]),
        paths([0.0, 0.1, 0.5, 2.5], 4),
        paths([2.0, 2.3, 2.4, 4.0, 4.7], 3),
        paths([0.5, 1.0], 2),
    ],
    invariants=[
        Invariant(
            "starts at 0",
            lambda f: bool((torch.as_tensor(f(torch.ones(2, 3), [0.3, 0.4, 0.6]))[0] == 0).all()),
            "At times[0] every path stands at 0: the first row of yours does not.",
        ),
        Invariant(
            "covariances",
            covariances,
            "Of many of your paths, seen 0.5 and 2 after the start, the variances should be 0.5 and 2 and the covariance 0.5. They are "
            "not.",
        ),
    ],
    mistakes=[
        Mistake(
            "time for its root",
            lambda z, times: _summed(_spans(z, times) * z),
            "You multiply by the time that passes, so the increment's variance is its square. Cut the time into twice as many pieces, and "
            "the variance of the whole path is halved; with many pieces nothing is left. Which factor gives a variance equal to the time?",
        ),
        Mistake(
            "no time at all",
            lambda z, times: _summed(z),
            "Every increment has the variance 1 here, however short the time. That is a random walk with a clock that is never looked at.",
        ),
        Mistake(
            "equal widths",
            lambda z, times: _summed(((times[-1] - times[0]) / len(z)) ** 0.5 * z),
            "You give every increment the same variance, the mean one. The times need not be evenly spaced: each increment has its own.",
        ),
        Mistake(
            "width of the first step",
            lambda z, times: _summed((times[1] - times[0]) ** 0.5 * z),
            "All your increments have the variance of the first one. The times need not be evenly spaced.",
        ),
        Mistake(
            "the place for the increment",
            lambda z, times: torch.cat([torch.zeros_like(z[:1]), _since(z, times) ** 0.5 * z]),
            "At each time alone the variance is right, but every place is drawn afresh: the path has forgotten where it was a moment ago, "
            "and jumps. Increments are added up.",
        ),
        Mistake(
            "one draw for the whole path",
            lambda z, times: torch.cat([torch.zeros_like(z[:1]), _since(z, times) ** 0.5 * z[:1]]),
            "One draw of each path serves for all its times, so its increments all go the same way. Each has a row of z of its own.",
        ),
        Mistake(
            "increments not added up",
            lambda z, times: torch.cat([torch.zeros_like(z[:1]), _spans(z, times) ** 0.5 * z]),
            "These are the increments. The path is where they lead to, one after the other: they add up.",
        ),
        Mistake(
            "the root of the end",
            lambda z, times: _summed(_since(z, times) ** 0.5 * z),
            "Your increment has the variance of all the time since the start. Only the time between its own two ends counts.",
        ),
        Mistake(
            "the root of the clock",
            lambda z, times: (
                torch.tensor(times, dtype=z.dtype).diff()[:, None] ** 0.5 * 0
                + torch.tensor(times[1:], dtype=z.dtype).sqrt()[:, None] * z.cumsum(0)
            ),
            "You add up the draws and multiply by the root of the time. Then a variance is multiplied twice: once by the number of draws, "
            "once by the time.",
        ),
        Mistake(
            "the first increment from time 0",
            lambda z, times: _summed(torch.tensor([0.0, *times[1:]], dtype=z.dtype).diff()[:, None] ** 0.5 * z),
            "Your first increment lasts from time 0 to times[1]. The path stands at 0 at times[0], which need not be time 0.",
        ),
        Mistake(
            "differences of roots",
            lambda z, times: _summed(torch.tensor(times, dtype=z.dtype).sqrt().diff()[:, None] * z),
            "You take the root of each time, and then the difference. Of independent increments the variances add up, not the standard "
            "deviations: the root comes after the difference.",
        ),
        Mistake(
            "added up over the paths",
            lambda z, times: torch.cat([torch.zeros_like(z[:1]), (_spans(z, times) ** 0.5 * z).cumsum(dim=1)]),
            "You add up along a row, over the paths, so each path holds the moves of its neighbours. A path goes down a column, from time "
            "to time.",
        ),
        Mistake(
            "mean for sum",
            lambda z, times: _summed(_spans(z, times) ** 0.5 * z) / len(z),
            "You divide by the number of increments. A path is their sum; nothing is averaged.",
        ),
        Mistake(
            "without the start",
            lambda z, times: (_spans(z, times) ** 0.5 * z).cumsum(dim=0),
            "The increments are right, and where they lead to. The start is missing: K increments join K + 1 places.",
        ),
        Mistake(
            "square",
            lambda z, times: _summed(_spans(z, times) ** 2 * z),
            "You multiply by the square of the time. Multiplying by c gives a variance of c²: which c gives the time itself?",
        ),
    ],
    allowed={"torch.tensor(times, dtype=z.dtype) -> torch.tensor(times)": "float32 holds these times well enough"},
    hints=[
        "Multiplying a standard Gaussian number by c gives a variance of c². Which c is needed for one increment?",
        "There are K widths, one for each row of z, and a path is the sum of all increments so far.",
        "torch.diff of the times, its root as a column beside z, then cumsum down the rows, with a row of zeros on top.",
    ],
    insight="Over dt a path moves by about √dt. So its speed, √dt/dt, has no limit as dt shrinks, but its squared moves add up to the "
    "time: that is why noise enters an SDE with a root, and why half a step does not mean half the noise.",
)
