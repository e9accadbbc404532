"""Has the training really helped?"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.gaussian import t_quantile
from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close


def paired(before: Tensor, after: Tensor) -> tuple[float, tuple[float, float], float]:
    """Has the loss fallen from one checkpoint to the next, and how surely can it be said?

    before and after (N,): the losses of two checkpoints on the same N examples, each with the
    same image, the same noise and the same time t for both. N is large enough for the normal
    quantile 1.96 of a 95 % interval, and at least 2. Not all of after − before are equal.
    Returns (change, (low, high), times). change: how much the mean loss has changed, below 0
    where the second checkpoint is better. low and high: its 95 % interval, as narrow as losses
    in pairs allow. times: suppose that each checkpoint got examples of its own, M fresh ones,
    with nothing in common. By how many times must M exceed N, on average, for an interval as
    wide as yours? It may be below 1. Variances are with N − 1. No gradient is needed.
    """
    change = after - before
    half = 1.96 * change.std().item() / len(change) ** 0.5
    mean = change.mean().item()
    return mean, (mean - half, mean + half), ((before.var() + after.var()) / change.var()).item()


def by_covariance(before, after):
    """The variance of a difference from variances and covariance."""
    (a, c), (_, b) = torch.cov(torch.stack([before, after]).double()).tolist()
    mean = after.double().mean().item() - before.double().mean().item()
    half = 1.96 * math.sqrt((a + b - 2 * c) / len(before))
    return mean, (mean - half, mean + half), (a + b) / (a + b - 2 * c)


def in_a_loop(before, after):
    def variance(numbers):
        middle = sum(numbers) / len(numbers)
        return sum((x - middle) ** 2 for x in numbers) / (len(numbers) - 1)

    a, b = before.tolist(), after.tolist()
    d = [y - x for x, y in zip(a, b, strict=True)]
    change, se = sum(d) / len(d), (variance(d) / len(d)) ** 0.5
    return change, [change - 1.96 * se, change + 1.96 * se], (variance(a) + variance(b)) / variance(d)


def by_two_widths(before, after):
    """Twice the width wants four times the examples."""
    n, change = len(before), after.double() - before.double()
    own, fresh = change.std() / n**0.5, torch.hypot(before.double().std(), after.double().std()) / n**0.5
    return change.mean(), (change.mean() - 1.96 * own, change.mean() + 1.96 * own), (fresh / own) ** 2


def _with(
    change: Callable = lambda a, b: b - a,
    error: Callable = lambda a, b, d: d.std() / len(d) ** 0.5,
    quantile: float = 1.96,
    times: Callable = lambda a, b, d: (a.var() + b.var()) / d.var(),
) -> Callable:
    """The answer with a part of its own."""

    def wrong(before, after):
        a, b = before.double(), after.double()
        d = change(a, b)
        mean, half = float(d.mean()), quantile * float(error(a, b, d))
        return mean, (mean - half, mean + half), float(times(a, b, d))

    return wrong


def _unpaired(a: Tensor, b: Tensor, d: Tensor) -> Tensor:
    return ((a.var() + b.var()) / len(a)).sqrt()


def _by_correlation(a: Tensor, b: Tensor, d: Tensor) -> Tensor:
    return 1 / (1 - torch.corrcoef(torch.stack([a, b]))[0, 1])


def _sorted(before: Tensor, after: Tensor) -> tuple:
    return paired(before.sort().values, after.sort().values)


def losses(N: int, easy: float, own: float, gain: float, slope: float = 1.0) -> Callable:
    """A case: losses that depend on t far more than on the checkpoint; `own` is what each has for itself."""

    def case(g: torch.Generator) -> tuple[Tensor, Tensor]:
        shared = torch.exp(easy * torch.randn(N, generator=g))
        first, second = (own * torch.randn(N, generator=g) for _ in range(2))
        return shared + first, slope * shared - gain + second

    return case


def _losses(N: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(11)
    hard = torch.rand(N, generator=g, dtype=torch.float64)
    first, second = (hard * (1 + 0.1 * torch.rand(N, generator=g, dtype=torch.float64)) for _ in range(2))
    return first, second


def exchange_turns_the_sign(f: Callable) -> bool:
    a, b = _losses(50)
    (change, (low, high), times), (other, (low2, high2), times2) = f(a, b), f(b, a)
    pairs = ((change, -float(other)), (low, -float(high2)), (high, -float(low2)), (times, times2))
    return all(close(x, y, 1e-4) for x, y in pairs)


def hard_examples_cancel(f: Callable) -> bool:
    """What both lose on an example alike is no part of the difference."""
    a, b = _losses(50)
    hard = torch.linspace(0, 3, 50, dtype=torch.float64)
    (change, (low, high), _), (other, (low2, high2), _) = f(a, b), f(a + hard, b + hard)
    return all(close(x, y, 1e-4) for x, y in ((change, other), (low, low2), (high, high2)))


def other_units(f: Callable) -> bool:
    a, b = _losses(50)
    (change, (low, high), times), (other, (low2, high2), times2) = f(a, b), f(10 * a, 10 * b)
    pairs = ((10 * float(change), other), (10 * float(low), low2), (10 * float(high), high2), (times, times2))
    return all(close(x, y, 1e-4) for x, y in pairs)


def no_chance(f: Callable) -> bool:
    (change, (low, high), times), (other, (low2, high2), times2) = f(*_losses(50)), f(*_losses(50))
    return (change, low, high, times) == (other, low2, high2, times2)


def middle_of_the_interval(f: Callable) -> bool:
    change, (low, high), _ = f(*_losses(50))
    return float(low) < float(high) and close((float(low) + float(high)) / 2, change, 1e-4)


EXERCISE = Exercise(
    name="11.paired",
    title="Better, or lucky with t",
    minutes=10,
    level=2,
    reference=paired,
    alternatives=[by_covariance, in_a_loop, by_two_widths],
    gradients=[],
    tolerance=1e-3,
    cases=[
        (torch.tensor([1.0, 0.25, 0.5]), torch.tensor([0.75, 0.25, 0.125])),
        losses(40, 1.0, 0.1, 0.05),
        losses(60, 0.7, 0.02, 0.01),
        losses(25, 0.5, 0.5, -0.2),
        losses(100, 1.0, 0.05, 0.0, slope=0.9),
        losses(30, 0.5, 0.1, 0.1, slope=-0.5),
        losses(17, 0.3, 0.2, 0.3, slope=2.0),
    ],
    invariants=[
        Invariant(
            "no chance",
            no_chance,
            "Asked twice, yours answers differently: it draws. The 95 % interval by the normal quantile needs no draws.",
            before_form=True,
        ),
        Invariant(
            "order of the interval",
            middle_of_the_interval,
            "An interval goes from low up to high, with the change in its middle. Yours does not.",
        ),
        Invariant(
            "exchanged",
            exchange_turns_the_sign,
            "The two checkpoints change places: the change and the ends of its interval get the other sign, and times stays. In yours "
            "something else happens.",
        ),
        Invariant(
            "hard examples",
            hard_examples_cancel,
            "Some examples get harder for both checkpoints alike: the differences stay as they are, and so should change and interval. "
            "Yours do not.",
        ),
        Invariant(
            "other units",
            other_units,
            "All losses are multiplied by 10: change and interval too, and times stays. In yours something else happens.",
        ),
    ],
    mistakes=[
        Mistake(
            "the sign",
            _with(change=lambda a, b: a - b),
            "Yours is above 0 where the second checkpoint is better.",
        ),
        Mistake(
            "sizes of the differences",
            _with(change=lambda a, b: (b - a).abs()),
            "You take the differences without their signs: then it never gets better.",
        ),
        Mistake(
            "relative",
            _with(change=lambda a, b: (b - a) / a),
            "These are relative changes, example by example. The change of the mean loss is asked for.",
        ),
        Mistake(
            "unpaired",
            _with(error=_unpaired),
            "change and times are right. Your interval is that of losses with nothing in common. The pairs know more: what is hard for "
            "one checkpoint is hard for the other.",
        ),
        Mistake(
            "unpaired, and nothing won",
            _with(error=_unpaired, times=lambda a, b, d: 1.0),
            "Your interval treats the losses as if they had nothing in common, so it is as wide as one of fresh examples. The pairs know "
            "more: what is hard for one checkpoint is hard for the other.",
        ),
        Mistake(
            "errors added",
            _with(error=lambda a, b, d: (a.std() + b.std()) / len(a) ** 0.5),
            "change and times are right. You add two standard errors. That is how far the two can be apart at worst, and the pairs know "
            "better.",
        ),
        Mistake(
            "the second's error",
            _with(error=lambda a, b, d: b.std() / len(b) ** 0.5),
            "change and times are right. Your interval has the standard error of the second checkpoint's loss alone.",
        ),
        Mistake(
            "the spread",
            _with(error=lambda a, b, d: d.std()),
            "change and times are right. Your interval is where 95 % of the single differences lie. That of their mean is asked for.",
        ),
        Mistake(
            "over N",
            _with(error=lambda a, b, d: d.std() / len(d)),
            "change and times are right. You divide the standard deviation by N. Which quantity of a mean is N times smaller?",
        ),
        Mistake(
            "the variance",
            _with(error=lambda a, b, d: d.var() / len(d)),
            "change and times are right. Your interval is made of a variance, which is in squared units.",
        ),
        Mistake(
            "two errors in a pair",
            _with(error=lambda a, b, d: d.std() / (2 * len(d)) ** 0.5),
            "change and times are right. You count 2N losses. There are N differences.",
        ),
        Mistake(
            "N in the variance",
            _with(error=lambda a, b, d: d.std(correction=0) / len(d) ** 0.5),
            "change and times are right. In your interval the sum of squares is divided by N.",
        ),
        Mistake(
            "N - 1 under the root",
            _with(error=lambda a, b, d: d.std() / (len(d) - 1) ** 0.5),
            "change and times are right. N − 1 belongs to the variance of one difference; the mean is one of N.",
        ),
        Mistake(
            "one standard error",
            _with(quantile=1.0),
            "change and times are right. Your interval is one standard error to each side, which holds 68 %.",
        ),
        Mistake(
            "90 %",
            _with(quantile=1.645),
            "change and times are right. Your interval leaves 5 % out on each side. All that it leaves out together should be 5 %.",
        ),
        Mistake(
            "1.96 for the whole width",
            _with(quantile=0.98),
            "change and times are right. Your interval is 1.96 standard errors wide in all. That far it goes to each side.",
        ),
        Mistake(
            "Student's quantile",
            _with(error=lambda a, b, d: t_quantile(0.975, len(d) - 1) / 1.96 * d.std() / len(d) ** 0.5),
            "change and times are right. Your interval is right for a small N. Here the normal quantile is to be taken.",
        ),
        Mistake(
            "2 standard errors",
            _with(quantile=2.0),
            "change and times are right. Your interval has 2 for the quantile that is named.",
        ),
        Mistake(
            "sorted",
            _sorted,
            "You sort the losses first. Then those of different examples are compared.",
        ),
        Mistake(
            "times in widths",
            _with(times=lambda a, b, d: ((a.var() + b.var()) / d.var()).sqrt()),
            "change and interval are right. You say how many times as wide the interval of fresh examples would be. How does a width "
            "fall with the number of examples?",
        ),
        Mistake(
            "times by standard deviations",
            _with(times=lambda a, b, d: (a.std() + b.std()) / d.std()),
            "change and interval are right. For times you add standard deviations. What adds up for independent numbers?",
        ),
        Mistake(
            "times by standard deviations, squared",
            _with(times=lambda a, b, d: ((a.std() + b.std()) / d.std()) ** 2),
            "change and interval are right. For times you add standard deviations and square the sum. What adds up for independent "
            "numbers?",
        ),
        Mistake(
            "times upside down",
            _with(times=lambda a, b, d: d.var() / (a.var() + b.var())),
            "change and interval are right. Your times is which share of the examples the pairs need.",
        ),
        Mistake(
            "times of one checkpoint",
            _with(times=lambda a, b, d: b.var() / d.var()),
            "change and interval are right. In your times only one of the checkpoints has a loss that is uncertain.",
        ),
        Mistake(
            "times of the mean variance",
            _with(times=lambda a, b, d: (a.var() + b.var()) / 2 / d.var()),
            "change and interval are right. Your times is half of what it should be: both checkpoints contribute their variance in full, "
            "since each gets M examples.",
        ),
        Mistake(
            "times both",
            _with(times=lambda a, b, d: 2 * (a.var() + b.var()) / d.var()),
            "change and interval are right. Your times counts the examples of both checkpoints together. M is what each gets.",
        ),
        Mistake(
            "times of the pooled losses",
            _with(times=lambda a, b, d: 2 * torch.cat([a, b]).var() / d.var()),
            "change and interval are right. For times you put all losses together: then the difference of the two means counts as spread.",
        ),
        Mistake(
            "times by the correlation",
            _with(times=_by_correlation),
            "change and interval are right. Your times holds where both losses have the same variance. Here each has its own.",
        ),
        Mistake(
            "times by the correlation's square",
            _with(times=lambda a, b, d: 1 / (1 - torch.corrcoef(torch.stack([a, b]))[0, 1] ** 2)),
            "change and interval are right. Your times is that of a regression, which may subtract any multiple of before. Here it is "
            "before itself.",
        ),
        Mistake(
            "times, at least 1",
            _with(times=lambda a, b, d: max(1.0, float((a.var() + b.var()) / d.var()))),
            "change and interval are right, and mostly times. You let it not fall below 1. Where one checkpoint is bad at what the other "
            "is good at, pairs are worse than fresh examples.",
        ),
        Mistake(
            "times, a whole number",
            _with(times=lambda a, b, d: math.ceil((a.var() + b.var()) / d.var())),
            "change and interval are right. You round times up. The number itself is asked for.",
        ),
        Mistake(
            "times as examples",
            _with(times=lambda a, b, d: len(a) * (a.var() + b.var()) / d.var()),
            "change and interval are right. Your times is M itself.",
        ),
        Mistake(
            "times, more",
            _with(times=lambda a, b, d: (a.var() + b.var()) / d.var() - 1),
            "change and interval are right. Your times is how many times N comes on top. M over N is asked for.",
        ),
    ],
    hints=[
        "Every example gives one number that says which checkpoint did better on it. There are N of these, independent of each other.",
        "The mean of the N differences has a standard error as any mean has. The interval goes 1.96 of them to each side.",
        "For fresh examples the variance of the difference of two means is the sum of two variances, each over M. Set it equal to the "
        "variance of your mean, over N, and ask for M/N.",
    ],
    insight="Most of a diffusion loss's spread is the luck of t and of the noise, which two checkpoints share if you let them. times is "
    "what that is worth. So fix the noise and the times once, and judge every checkpoint on them; two loss values from two training logs "
    "are the unpaired comparison.",
)
