"""Which family is better, or can it not be said?"""

import math
import statistics
from collections.abc import Callable

import torch

from diffcourse.gaussian import t_quantile
from diffcourse.learn.exercise import Exercise, Invariant, Mistake


def verdict(
    first: list[float],
    second: list[float],
    larger: bool,
    quantile: Callable[[float, float], float],
) -> tuple[str, float, float]:
    """Which of two families of models is better by a few trainings of each, if it can be said.

    first and second: the scores of two trainings or more of each family, every one with a seed
    of its own; nothing pairs those of one with those of the other. Their numbers may differ,
    and their spreads; the scores of a family are never all equal. larger: True where a larger
    score is better, False where a smaller one is.
    Of two families that are equal on average, a difference may be claimed in 5 % of
    comparisons, both directions together. Use Welch's t interval of the difference of the two
    means. With v and w, the squared standard errors of the means, its degrees of freedom are
    nu = (v + w)² / (v²/(len(first) - 1) + w²/(len(second) - 1)).
    quantile(p, nu): the number below which a t-distributed number lies with probability p.
    Returns (word, low, high). word: "first" or "second", whichever is better, or "undecided".
    low and high: the ends of the interval of the first mean minus the second.
    """
    v, w = (statistics.variance(scores) / len(scores) for scores in (first, second))
    nu = (v + w) ** 2 / (v**2 / (len(first) - 1) + w**2 / (len(second) - 1))
    gain = statistics.mean(first) - statistics.mean(second)
    half = quantile(0.975, nu) * math.sqrt(v + w)
    word = "undecided" if abs(gain) <= half else "first" if (gain > 0) == larger else "second"
    return word, gain - half, gain + half


def by_the_interval(first, second, larger, quantile):
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    v, w = a.var() / len(a), b.var() / len(b)
    nu = (v + w) ** 2 / (v**2 / (len(a) - 1) + w**2 / (len(b) - 1))
    half = quantile(0.975, float(nu)) * (v + w).sqrt()
    low, high = a.mean() - b.mean() - half, a.mean() - b.mean() + half
    if low <= 0 <= high:
        word = "undecided"
    else:
        word = "first" if (low > 0 and larger) or (high < 0 and not larger) else "second"
    return word, low.item(), high.item()


def by_one_side(first, second, larger, quantile):
    if not larger:
        word, low, high = by_one_side([-x for x in first], [-x for x in second], True, quantile)
        return word, -high, -low
    n, m = len(first), len(second)
    a, b = sum(first) / n, sum(second) / m
    v = sum((x - a) ** 2 for x in first) / (n - 1) / n
    w = sum((x - b) ** 2 for x in second) / (m - 1) / m
    error = (v + w) ** 0.5
    below = quantile(0.025, (v + w) ** 2 / (v * v / (n - 1) + w * w / (m - 1)))
    t = (a - b) / error
    word = "second" if t < below else "first" if t > -below else "undecided"
    return word, a - b + below * error, a - b - below * error


def _welch(first: list[float], second: list[float]) -> tuple[float, float, float, float]:
    """The gain of the means, its standard error, Welch's degrees of freedom, Student's."""
    v, w = (statistics.variance(scores) / len(scores) for scores in (first, second))
    n, m = len(first), len(second)
    nu = (v + w) ** 2 / (v**2 / (n - 1) + w**2 / (m - 1))
    return statistics.mean(first) - statistics.mean(second), math.sqrt(v + w), nu, n + m - 2


def _said(gain: float, half: float, larger: bool) -> tuple[str, float, float]:
    word = "undecided" if abs(gain) <= half else "first" if (gain > 0) == larger else "second"
    return word, gain - half, gain + half


def _with(half: Callable) -> Callable:
    """The verdict by another half width: half(first, second, se, nu, quantile)."""

    def wrong(first, second, larger, quantile):
        gain, se, nu, _ = _welch(first, second)
        return _said(gain, half(first, second, se, nu, quantile), larger)

    return wrong


def _se(scores: list[float]) -> float:
    return statistics.stdev(scores) / math.sqrt(len(scores))


def _both(each: Callable) -> Callable:
    """Half widths of two intervals that must not overlap: their sum."""
    return _with(lambda first, second, se, nu, q: each(first, q) + each(second, q))


def _pooled(first: list[float], second: list[float]) -> float:
    n, m = len(first), len(second)
    var = ((n - 1) * statistics.variance(first) + (m - 1) * statistics.variance(second)) / (n + m - 2)
    return math.sqrt(var * (1 / n + 1 / m))


def _paired(first, second, larger, quantile):
    gains = [a - b for a, b in zip(first, second, strict=False)]
    return _said(statistics.mean(gains), quantile(0.975, len(gains) - 1) * _se(gains), larger)


def _best(first, second, larger, quantile):
    best = max if larger else min
    return _said(best(first) - best(second), 0.0, larger)


def _apart(first, second, larger, quantile):
    """All scores of one family beyond all of the other."""
    low, high = min(first) - max(second), max(first) - min(second)
    return _said((low + high) / 2, (high - low) / 2, larger)


def _biased(first, second, larger, quantile):
    n, m = len(first), len(second)
    v, w = statistics.pvariance(first) / n, statistics.pvariance(second) / m
    nu = (v + w) ** 2 / (v**2 / (n - 1) + w**2 / (m - 1))
    return _said(statistics.mean(first) - statistics.mean(second), quantile(0.975, nu) * math.sqrt(v + w), larger)


def _undivided(first, second, larger, quantile):
    v, w = statistics.variance(first), statistics.variance(second)
    nu = (v + w) ** 2 / (v**2 / (len(first) - 1) + w**2 / (len(second) - 1))
    return _said(statistics.mean(first) - statistics.mean(second), quantile(0.975, nu) * math.sqrt(v + w), larger)


def _medians(first, second, larger, quantile):
    _, se, nu, _ = _welch(first, second)
    return _said(statistics.median(first) - statistics.median(second), quantile(0.975, nu) * se, larger)


def _turned(first, second, larger, quantile):
    return verdict(first, second, not larger, quantile)


def _against_the_sign(first, second, larger, quantile):
    word, low, high = verdict(second, first, larger, quantile)
    return {"first": "second", "second": "first"}.get(word, word), low, high


def _inside_out(first, second, larger, quantile):
    """Decided where 0 is inside."""
    gain, se, nu, _ = _welch(first, second)
    half = quantile(0.975, nu) * se
    word = "undecided" if abs(gain) > half else "first" if (gain > 0) == larger else "second"
    return word, gain - half, gain + half


def _pairs(n: int, m: int, spread: float, gain: float, times: int, seed: int) -> list[tuple[list[float], list[float]]]:
    """Scores of two families, the second with another spread, the first better by `gain`."""
    g = torch.Generator().manual_seed(seed)
    draw = torch.randn(times, n + m, generator=g, dtype=torch.float64)
    return [((10 + gain + row[:n]).tolist(), (10 + spread * row[n:]).tolist()) for row in draw]


def _claims(f: Callable, pairs: list, larger: bool = True) -> float:
    """The share of comparisons in which a difference is claimed."""
    return sum(f(list(a), list(b), larger, t_quantile)[0] != "undecided" for a, b in pairs) / len(pairs)


def rarely_wrong(f: Callable) -> bool:
    """Equal families, three seeds each: a difference is claimed in up to 8 % of comparisons."""
    return all(_claims(f, _pairs(3, 3, spread, 0.0, 300, seed)) <= 0.08 for seed, spread in enumerate((1.0, 4.0)))


def no_needless_doubt(f: Callable) -> bool:
    """Families that are two standard deviations apart, six seeds each: seen in more than 7 of 10 comparisons."""
    return _claims(f, _pairs(6, 6, 1.0, 2.0, 200, 2)) > 0.7


def names_may_be_exchanged(f: Callable) -> bool:
    other = {"first": "second", "second": "first", "undecided": "undecided"}
    return all(
        f(list(a), list(b), larger, t_quantile)[0] == other[f(list(b), list(a), larger, t_quantile)[0]]
        for a, b in _pairs(4, 5, 1.5, 1.5, 40, 3)
        for larger in (True, False)
    )


def says_what_is_better(f: Callable) -> bool:
    high, low = [5.0, 5.1, 5.2], [1.0, 1.2, 1.1]
    said = [f(high, low, True, t_quantile)[0], f(high, low, False, t_quantile)[0]]
    return said == ["first", "second"]


def close_to_the_border(n: int, m: int, spread: float, share: float, larger: bool, shift: float = 1.0) -> Callable:
    """A case whose gain is `share` of the half width of Welch's interval: the second family is moved to where it is."""

    def case(g: torch.Generator) -> tuple:
        a = torch.randn(n, generator=g, dtype=torch.float64).tolist()
        b = (spread * torch.randn(m, generator=g, dtype=torch.float64)).tolist()
        gain, se, nu, _ = _welch(a, b)
        move = gain - share * t_quantile(0.975, nu) * se
        return [round(shift + x, 4) for x in a], [round(shift + x + move, 4) for x in b], larger, t_quantile

    return case


EXERCISE = Exercise(
    name="10.verdict",
    title="Better, worse, or undecided",
    minutes=9,
    level=2,
    reference=verdict,
    alternatives=[by_the_interval, by_one_side],
    gradients=[],
    allowed={
        "first in reversed order": "the order of seeds does not matter",
        "second in reversed order": "the order of seeds does not matter",
        "quantile called twice": "it gives the same number again",
        "abs(gain) <= * -> *": "a gain exactly on the border does not occur",
        "gain > 0 -> gain >= 0": "a gain of 0 is never decided",
    },
    cases=[
        ([0.9, 0.8, 1.0], [0.2, 0.3, 0.1], True, t_quantile),
        ([0.9, 0.8, 1.0], [0.2, 0.3, 0.1], False, t_quantile),
        ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], True, t_quantile),
        close_to_the_border(3, 3, 1.0, 1.05, True),
        close_to_the_border(3, 3, 1.0, -0.95, False),
        close_to_the_border(3, 3, 5.0, -1.05, True, shift=30.0),
        close_to_the_border(3, 3, 5.0, 0.95, True),
        close_to_the_border(3, 3, 0.2, 1.05, False, shift=-4.0),
        close_to_the_border(3, 8, 4.0, -0.95, True),
        close_to_the_border(8, 3, 4.0, 1.05, True),
        close_to_the_border(8, 3, 4.0, 0.95, False),
        close_to_the_border(4, 10, 0.3, -1.05, False),
        close_to_the_border(2, 5, 1.0, 0.95, True),
        close_to_the_border(2, 6, 3.0, -1.05, True),
        close_to_the_border(12, 12, 1.0, 1.05, False, shift=5.0),
        close_to_the_border(12, 12, 2.0, 0.95, True),
        ([0.131, 0.134, 0.127, 0.133], [0.144, 0.152, 0.149], True, t_quantile),
        ([0.144, 0.152, 0.149], [0.131, 0.134, 0.127], False, t_quantile),
    ],
    invariants=[
        Invariant(
            "larger or smaller",
            says_what_is_better,
            "The first scores 5 and the second 1, both with hardly any spread. Where a larger score is better the first is better, where a "
            "smaller one is, the second. Yours says something else.",
        ),
        Invariant(
            "names exchanged",
            names_may_be_exchanged,
            "Whoever exchanges the two families should hear the same of them, with the names exchanged. From yours one hears something "
            "else.",
        ),
        Invariant(
            "rarely wrong",
            rarely_wrong,
            "Of two families that are equal on average, with spreads alike or not and three seeds each, yours claims a difference in more "
            "than 8 % of comparisons. 5 % were allowed: your interval is too narrow, or it is no interval.",
        ),
        Invariant(
            "no needless doubt",
            no_needless_doubt,
            "Of two families two standard deviations apart, with six seeds each, yours often says that nothing can be said. 5 % of wrong "
            "claims are allowed; yours hardly makes any, and pays for that with differences it does not see.",
        ),
    ],
    mistakes=[
        Mistake(
            "the larger mean",
            _with(lambda first, second, se, nu, q: 0.0),
            "You call the better mean the better family. Two equal families never have exactly equal means: with three seeds, when can a "
            "difference be chance?",
        ),
        Mistake(
            "the best seed",
            _best,
            "You compare the best seeds. The best of a family that is spread more is better by luck, and the more seeds, the better.",
        ),
        Mistake(
            "z for t",
            _with(lambda first, second, se, nu, q: 1.96 * se),
            "1.96 belongs to a spread that is known. Yours is estimated from a few seeds, and is too small as often as too large.",
        ),
        Mistake(
            "two standard errors",
            _with(lambda first, second, se, nu, q: 2 * se),
            "Two standard errors are about 95 % where the spread is known. Yours is estimated from a few seeds, and is too small as often "
            "as too large.",
        ),
        Mistake(
            "one standard error",
            _with(lambda first, second, se, nu, q: se),
            "One standard error is exceeded by chance in a third of comparisons, and more often with few seeds.",
        ),
        Mistake(
            "one standard deviation each",
            _both(lambda scores, q: statistics.stdev(scores)),
            "You ask whether the means ± one standard deviation overlap. A standard deviation says how far seeds are apart, and does not "
            "shrink with their number; what is to be known is the mean.",
        ),
        Mistake(
            "one standard error each",
            _both(lambda scores, q: _se(scores)),
            "You ask whether the means ± one standard error overlap. With few seeds they fail to for equal families far too often.",
        ),
        Mistake(
            "two intervals that overlap",
            _both(lambda scores, q: q(0.975, len(scores) - 1) * _se(scores)),
            "You ask whether the two families' own intervals overlap. That both means are at their far ends at once is much rarer than "
            "5 %: the interval of the difference is what counts.",
        ),
        Mistake(
            "two intervals of 1.96",
            _both(lambda scores, q: 1.96 * _se(scores)),
            "You ask whether the two families' own intervals overlap, and take their spreads for known. One interval is wanted, that of "
            "the difference, by t.",
        ),
        Mistake(
            "standard errors added",
            _with(lambda first, second, se, nu, q: q(0.975, nu) * (_se(first) + _se(second))),
            "You add the two standard errors. Errors that know nothing of each other add up in their squares.",
        ),
        Mistake(
            "standard deviations",
            _with(
                lambda first, second, se, nu, q: (
                    q(0.975, nu) * math.sqrt(statistics.variance(first) + statistics.variance(second))
                )
            ),
            "You take the spread of single scores. The means of several seeds are spread less.",
        ),
        Mistake(
            "variances of single scores",
            _undivided,
            "Your v and w are the variances of single scores. The means of several seeds are spread less: what is their squared standard "
            "error?",
        ),
        Mistake(
            "one side",
            _with(lambda first, second, se, nu, q: q(0.95, nu) * se),
            "Your 5 % lie on one side. Either family may seem better by chance, and both errors together may be 5 %.",
        ),
        Mistake(
            "half of that",
            _with(lambda first, second, se, nu, q: q(0.9875, nu) * se),
            "You leave 1.25 % on each side. How much of 5 % belongs to each of two sides?",
        ),
        Mistake(
            "99 per cent",
            _with(lambda first, second, se, nu, q: q(0.995, nu) * se),
            "Yours is the interval of 99 %. One wrong claim in twenty is allowed.",
        ),
        Mistake(
            "the variances for standard errors",
            _with(lambda first, second, se, nu, q: q(0.975, nu) * se**2),
            "Your interval is as wide as a variance: it has the square of the unit of the scores.",
        ),
        Mistake(
            "Student's degrees of freedom",
            _with(lambda first, second, se, nu, q: q(0.975, len(first) + len(second) - 2) * se),
            "Your degrees of freedom are those for two families with one spread. Theirs differ, and the wider one says less.",
        ),
        Mistake(
            "one spread for both",
            _with(lambda first, second, se, nu, q: q(0.975, len(first) + len(second) - 2) * _pooled(first, second)),
            "You pool the two spreads into one. Where they differ, and the numbers of seeds too, the interval is too narrow or too wide.",
        ),
        Mistake(
            "one spread, but Welch's degrees",
            _with(lambda first, second, se, nu, q: q(0.975, nu) * _pooled(first, second)),
            "You pool the two spreads into one. Each family has its own, and its own number of seeds.",
        ),
        Mistake(
            "the smaller number of seeds",
            _with(lambda first, second, se, nu, q: q(0.975, min(len(first), len(second)) - 1) * se),
            "Your degrees of freedom are those of the smaller family alone. That is never too bold, and often needlessly shy: use Welch's.",
        ),
        Mistake(
            "all seeds as degrees",
            _with(lambda first, second, se, nu, q: q(0.975, len(first) + len(second)) * se),
            "Your degrees of freedom are the number of all seeds. Two means were estimated from them, with two spreads.",
        ),
        Mistake(
            "paired",
            _paired,
            "You pair the first seed of one with the first of the other. Nothing pairs them: seed 0 of a GAN is not the same luck as "
            "seed 0 of a VAE, and their numbers may differ.",
        ),
        Mistake(
            "medians",
            _medians,
            "You compare medians. The standard error is that of the means.",
        ),
        Mistake(
            "biased spread",
            _biased,
            "You divide the squares by the number of seeds. The mean was estimated from the same seeds: the spread comes out too small, "
            "with three of them by a third in the variance.",
        ),
        Mistake(
            "apart or not",
            _apart,
            "You ask whether all scores of one are beyond all of the other. With three seeds each that happens by chance in one of ten "
            "comparisons, with twelve hardly ever, even where a difference is there.",
        ),
        Mistake(
            "the other way round",
            _turned,
            "Where the first is better yours says second, and the reverse. Look at larger.",
        ),
        Mistake(
            "second minus first",
            _against_the_sign,
            "Your word is right. The interval is that of the second mean minus the first; the first minus the second is asked for.",
        ),
        Mistake(
            "always decided",
            lambda first, second, larger, quantile: (
                "first" if (statistics.mean(first) > statistics.mean(second)) == larger else "second",
                *verdict(first, second, larger, quantile)[1:],
            ),
            "Your interval is right, and then you do not look at it: the word goes by the means alone. When can it not be said?",
        ),
        Mistake(
            "ends exchanged",
            lambda first, second, larger, quantile: (
                verdict(first, second, larger, quantile)[0],
                *verdict(first, second, larger, quantile)[:0:-1],
            ),
            "Your word is right. The ends of your interval are exchanged: low is to be the lower one.",
        ),
        Mistake(
            "inside out",
            _inside_out,
            "Your interval is right. You decide where 0 is inside it, and do not where it is outside.",
        ),
        Mistake(
            "larger is always better",
            lambda first, second, larger, quantile: verdict(first, second, True, quantile),
            "A larger score is always better in yours. larger says whether it is.",
        ),
        Mistake(
            "always undecided",
            lambda first, second, larger, quantile: ("undecided", *verdict(first, second, larger, quantile)[1:]),
            "Your interval is right, and you never decide. That is never wrong, and of no use.",
        ),
    ],
    hints=[
        "How far may the difference of two means be from 0, if the families are equal? It is random, so it has a standard error: which "
        "one, when each mean has its own?",
        "Nobody knows the spreads; they are estimated from a few seeds. That is why t stands where 1.96 stood. 5 % have two sides.",
        "Two squared standard errors, each a variance over a number of seeds; their sum gives the error of the difference and, with nu, "
        "the half width. Is 0 inside? If not, the sign and `larger` say who is better.",
    ],
    insight="Three seeds see only large differences: with equal spreads the gain must be some 2.3 standard deviations. "
    "Undecided does not mean equal; it means that more seeds are needed, about four times as many for half the width.",
)
