"""Betas that leave no signal at the end."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises.lesson_09._cases import SD
from diffcourse.schedule import DiffusionSchedule


def zero_snr(alpha_bars: Tensor) -> Tensor:
    """The betas of a noise schedule that is changed so that no signal is left at its end.

    alpha_bars (T,), float64, T >= 2, is the schedule as it is: alpha_bars[t] is the product
    of 1 - beta over all steps up to t, and falls. At step t the picture is multiplied by
    the signal alpha_t > 0, whose square that is. Wanted: the schedule whose signal is
    a·alpha_t + b, with the two numbers a and b that keep the first signal as it was and
    make the last one exactly 0.
    Returns its betas (T,), float64, that of step 0 first. No gradient is needed.
    """
    alphas = alpha_bars.double().sqrt()
    alphas = (alphas - alphas[-1]) * alphas[0] / (alphas[0] - alphas[-1])
    bars = alphas**2
    return 1 - torch.cat([bars[:1], bars[1:] / bars[:-1]])


def in_a_loop(alpha_bars):
    signals = [float(bar) ** 0.5 for bar in alpha_bars]
    first, last = signals[0], signals[-1]
    betas, before = [], 1.0
    for signal in signals:
        bar = ((signal - last) * first / (first - last)) ** 2
        betas.append(1 - bar / before)
        before = bar
    return torch.tensor(betas, dtype=torch.float64)


def by_two_equations(alpha_bars):
    """a and b from what the first and the last signal shall be."""
    alphas = alpha_bars.double() ** 0.5
    ends = alphas[[0, -1]]
    ab = torch.linalg.solve(torch.stack([ends, torch.ones_like(ends)], dim=1), torch.stack([ends[0], 0 * ends[0]]))
    signal = ab[0] * alphas + ab[1]
    bars = signal**2
    before = torch.cat([torch.ones_like(bars[:1]), bars[:-1]])
    return 1 - bars / before


def by_lerp(alpha_bars):
    signal = torch.sqrt(alpha_bars)
    share = (signal - signal[-1]) / (signal[0] - signal[-1])  # 1 at the first, 0 at the last
    bars = torch.lerp(torch.zeros_like(signal), signal[0].expand_as(signal), share).square()
    shifted = torch.nn.functional.pad(bars[:-1], (1, 0), value=1.0)
    return (shifted - bars) / shifted


def in_package(alpha_bars: Tensor) -> Tensor:
    return DiffusionSchedule(_betas(alpha_bars)).zero_terminal_snr().betas


def _betas(bars: Tensor) -> Tensor:
    """The betas whose running product of 1 - beta this is."""
    return 1 - torch.cat([bars[:1], bars[1:] / bars[:-1]])


def _to_zero(signal: Tensor) -> Tensor:
    return (signal - signal[-1]) * signal[0] / (signal[0] - signal[-1])


def _bars(alpha_bars: Tensor) -> Tensor:
    """What is right, before it is made betas."""
    return _to_zero(alpha_bars.sqrt()) ** 2


def _signal(change: Callable) -> Callable:
    """The betas of the schedule whose signal is changed in another way."""
    return lambda alpha_bars: _betas(change(alpha_bars.sqrt()) ** 2)


def _of_sigma(alpha_bars: Tensor) -> Tensor:
    sigma = (1 - alpha_bars).sqrt()
    return _betas(1 - (sigma[0] + (sigma - sigma[0]) * (1 - sigma[0]) / (sigma[-1] - sigma[0])) ** 2)


def _of_betas(alpha_bars: Tensor) -> Tensor:
    betas = _betas(alpha_bars)
    return betas[0] + (betas - betas[0]) * (1 - betas[0]) / (betas[-1] - betas[0])


def _only_the_last(alpha_bars: Tensor) -> Tensor:
    return torch.cat([_betas(alpha_bars)[:-1], torch.ones(1, dtype=alpha_bars.dtype)])


def noisy(*betas: float) -> tuple[Tensor]:
    """A case: the alpha_bars of these betas."""
    return (torch.cumprod(1 - torch.tensor(betas, dtype=torch.float64), dim=0),)


def drawn(T: int, most: float) -> Callable:
    return lambda g: (torch.cumprod(1 - most * (0.1 + 0.9 * torch.rand(T, generator=g, dtype=torch.float64)), dim=0),)


UNEVEN = noisy(0.1, 0.3, 0.2, 0.4)[0]


def signals(f: Callable) -> Tensor:
    """The signals of the answer's schedule."""
    return torch.cumprod(1 - torch.as_tensor(f(UNEVEN)).double(), dim=0).clamp(min=0).sqrt()


def on_a_line(f: Callable) -> bool:
    """Equal ratios of differences: the answer's signal is a·alpha + b."""
    before, after = UNEVEN.sqrt().diff(), signals(f).diff()
    return close(after / after.sum(), before / before.sum(), 1e-4)


EXERCISE = Exercise(
    name="09.zero_snr",
    title="No signal at the end",
    minutes=6,
    level=2,
    reference=zero_snr,
    alternatives=[in_a_loop, by_two_equations, by_lerp],
    cases=[
        noisy(0.2, 0.5),
        noisy(0.1, 0.3, 0.2),
        noisy(0.5, 0.2, 0.3, 0.1),
        drawn(5, 0.6),
        drawn(12, 0.3),
        (DiffusionSchedule.cosine(8).alpha_bars,),
        (SD.alpha_bars,),
    ],
    invariants=[
        Invariant(
            "the last beta",
            lambda f: float(torch.as_tensor(f(UNEVEN))[-1]) == 1.0,
            "A last signal of exactly 0 means that the last step keeps nothing: its beta is 1. Yours is not exactly that.",
        ),
        Invariant(
            "the first beta",
            lambda f: close(torch.as_tensor(f(UNEVEN))[0], 1 - UNEVEN[0], 1e-4),
            "The first signal stays what it was, and so does the first beta, 1 minus the first of alpha_bars. Yours is another one.",
        ),
        Invariant(
            "on a line",
            on_a_line,
            "First and last are right, and the signals between them are not a·alpha + b of those that came in. A product of 1 − beta up "
            "to a step is the square of the signal there.",
        ),
    ],
    mistakes=[
        Mistake(
            "a line in alpha_bar",
            lambda alpha_bars: _betas(_to_zero(alpha_bars)),
            "You shift and scale alpha_bar itself. What is asked for is a line in the signal, which is its root; between the two ends the "
            "schedules differ.",
        ),
        Mistake(
            "alpha_bars taken for the signal",
            lambda alpha_bars: _betas(_to_zero(alpha_bars) ** 2),
            "You take alpha_bars for the signal, and square what comes of it. The signal is the root of alpha_bar.",
        ),
        Mistake(
            "shifted only",
            _signal(lambda s: s - s[-1]),
            "The last signal is 0, but you have only shifted: the first is smaller than it was. Two numbers can be chosen, one for each "
            "end.",
        ),
        Mistake(
            "nothing lost in the first step",
            _signal(lambda s: (s - s[-1]) / (s[0] - s[-1])),
            "Your first beta is 0, as if the first signal were 1: it is scaled up to 1, or it is compared with itself. The first signal "
            "should stay what it was, and before step 0 there is the picture, with a signal of 1.",
        ),
        Mistake(
            "scaled, then shifted by the old end",
            _signal(lambda s: s * s[0] / (s[0] - s[-1]) - s[-1]),
            "You scale first and then subtract the last signal as it was, so the new last one is not 0. After the scaling it is another "
            "number.",
        ),
        Mistake(
            "a straight line down",
            _signal(lambda s: torch.linspace(float(s[0]), 0.0, len(s), dtype=s.dtype)),
            "Your signal falls by the same amount in each step. Only the ends are asked for: in between the old schedule's course is kept, "
            "shifted and scaled.",
        ),
        Mistake(
            "only the last",
            _only_the_last,
            "You change the last beta alone. All the signal that was left is then lost in one step. The signals before it should move too.",
        ),
        Mistake(
            "a line in beta",
            _of_betas,
            "You shift and scale the betas. Their last is 1 so, but what is asked for is a line in the signal, from which the betas "
            "follow.",
        ),
        Mistake(
            "a line in sigma",
            _of_sigma,
            "You shift and scale sigma, so that the noise ends at 1. The line that is asked for is in the signal; the noise follows from "
            "it.",
        ),
        Mistake(
            "signals taken for alpha_bars",
            lambda alpha_bars: _betas(_to_zero(alpha_bars.sqrt())),
            "Your signals are right. The betas are made from their ratios, though: a beta is what a step loses of alpha_bar, the square of "
            "the signal.",
        ),
        Mistake(
            "alpha_bars",
            _bars,
            "These are the alpha_bars of the schedule that is asked for. Which betas have them as their running product?",
        ),
        Mistake(
            "signals",
            lambda alpha_bars: _to_zero(alpha_bars.sqrt()),
            "These are the signals of the schedule that is asked for. Betas are wanted: square, and ask what each step keeps.",
        ),
        Mistake(
            "what is kept",
            lambda alpha_bars: 1 - _betas(_bars(alpha_bars)),
            "These are the shares that each step keeps of alpha_bar. A beta is the share that it loses.",
        ),
        Mistake(
            "differences",
            lambda alpha_bars: -_bars(alpha_bars).diff(prepend=torch.ones(1, dtype=alpha_bars.dtype)),
            "Yours is the difference of alpha_bar over each step. A beta is a share: of what the step before has left.",
        ),
        Mistake(
            "all that is lost so far",
            lambda alpha_bars: 1 - _bars(alpha_bars),
            "Yours is 1 − alpha_bar, all that is lost since the picture. A beta is what one step loses, of what was there before it.",
        ),
        Mistake(
            "without the first",
            lambda alpha_bars: _betas(_bars(alpha_bars))[1:],
            "The betas are right, and that of step 0 is missing. Before it there is the picture itself, with alpha_bar = 1.",
        ),
        Mistake(
            "held below 1",
            lambda alpha_bars: _betas(_bars(alpha_bars)).clamp(max=0.999),
            "You hold the betas below 0.999, as the cosine schedule does. Then a little signal is left at the end; exactly 0 is asked for.",
        ),
        Mistake(
            "the ratio upside down",
            lambda alpha_bars: 1 - torch.cat([_bars(alpha_bars)[:1], _bars(alpha_bars)[:-1] / _bars(alpha_bars)[1:]]),
            "Your ratio of alpha_bars is upside down, and infinite at the end. A step keeps what there is after it, as a share of what "
            "there was before.",
        ),
    ],
    gradients=[],
    hints=[
        "Work on the signal, the root of alpha_bars. Which shift makes its last one 0?",
        "The shift has moved the first signal too, to the first minus the last as they were. Which factor brings it back, and leaves 0 "
        "alone?",
        "Square the new signals: these are the new alpha_bars. Each divided by the one before it, the first by 1, is what a step keeps; "
        "beta is the rest.",
    ],
    package=InPackage("DiffusionSchedule(betas).zero_terminal_snr().betas", in_package),
    insight="Stable Diffusion's schedule ends with a signal of 0.068, so in training a little of the picture, above all its brightness, "
    "shows through at every level. It is sampled from pure noise, whose mean is near 0, and its pictures come out of medium "
    "brightness (Lin et al. 2024). Where no signal is left, the noise says nothing about the picture: such a network predicts v, "
    "and is trained on the new schedule.",
)
