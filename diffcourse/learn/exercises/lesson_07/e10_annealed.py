"""Annealed Langevin dynamics."""

from collections.abc import Callable
from itertools import groupby, pairwise

import torch
from torch import Tensor

from diffcourse.denoiser import estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_07.e07_langevin_step import langevin_step
from diffcourse.schedule import CLEAN, Level
from diffcourse.score import AnnealedLangevin


def annealed(
    score,
    x: Tensor,
    sigmas: list[float],
    steps: int,
    snr: float,
    generator: torch.Generator,
) -> Tensor:
    """Langevin dynamics on one level of noise after the other.

    score(x, sigma) is the score, x (B, …) -> (B, …), of data to which noise of standard
    deviation sigma was added: x_t = x0 + sigma·eps. sigmas are the levels, in the order in
    which they are visited. On each, `steps` Langevin steps from where the last level ended, of
    a size tau that depends on the level only, to be derived: where the score is as long as one
    of pure noise, |score| = √D/sigma in D dimensions, its part of a step is snr times as long
    as that of the noise, whose z counts as √D long.
    For each step draws z = torch.randn(x.shape, generator=generator, dtype=x.dtype). After the
    last level returns the mean of x0 given x, by Tweedie's formula: no noise is left on it.
    """
    for sigma in sigmas:
        tau = 2 * (snr * sigma) ** 2
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + tau * score(x, sigma) + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


def annealed_with_her_step(score, x, sigmas, steps, snr, generator):
    for s in sigmas:
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = langevin_step(lambda y, s=s: score(y, s), x, 2 * snr**2 * s**2, z)
    return x + s**2 * score(x, s)


def annealed_without_grad(score, x, sigmas, steps, snr, generator):
    y = x.clone()
    with torch.no_grad():
        for k in range(len(sigmas) * steps):
            sigma = sigmas[k // steps]
            length = snr * sigma * 2**0.5  # the root of tau
            z = torch.randn(y.shape, generator=generator, dtype=y.dtype)
            y += length**2 * score(y, sigma) + 2**0.5 * length * z
        return y.add(score(y, sigmas[-1]) * sigmas[-1] ** 2)


def in_package(score, x, sigmas, steps, snr, generator):
    def denoise(x, at):
        return estimate(score(x, at.sigma), x, at, "score")

    def noise():
        return torch.randn(x.shape, generator=generator, dtype=x.dtype)

    levels = [*(Level(i, 1.0, sigma) for i, sigma in enumerate(sigmas)), CLEAN]
    for now, to in pairwise(levels):
        x = AnnealedLangevin(steps, snr).step(denoise(x, now), to, denoise=denoise, noise=noise)
    return x


def _chain(
    tau: Callable = lambda sigma, snr, D, sigmas: 2 * (snr * sigma) ** 2,
    shake: Callable = lambda tau: (2 * tau) ** 0.5,
    asked: Callable = lambda sigma, sigmas: sigma,
    order: Callable = lambda sigmas: sigmas,
    again: bool = False,
    fresh: bool = True,
    between: Callable = lambda x, sigma, score: x,
    end: Callable = lambda x, sigma, score: x + sigma**2 * score(x, sigma),
) -> Callable:
    """annealed with a part of its own."""

    def wrong(score, x, sigmas, steps, snr, generator):
        start, D = x, x[0].numel()
        for sigma in order(sigmas):
            size = tau(sigma, snr, D, sigmas)
            x = start if again else x
            for k in range(steps):
                if fresh or k == 0:
                    z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
                x = x + size * score(x, asked(sigma, sigmas)) + shake(size) * z
            x = between(x, sigma, score)
        return end(x, order(sigmas)[-1], score)

    return wrong


def _by_this_score(score, x, sigmas, steps, snr, generator):
    """Algorithm 4 of Song et al. 2021, which measures both lengths."""
    for sigma in sigmas:
        for _ in range(steps):
            z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            arrows = score(x, sigma)
            tau = 2 * (snr * z.norm() / arrows.norm()) ** 2
            x = x + tau * arrows + (2 * tau) ** 0.5 * z
    return x + sigmas[-1] ** 2 * score(x, sigmas[-1])


def of_a_mode(x: Tensor, sigma: float) -> Tensor:
    """The noised score of N(1, 0.25·I)."""
    return (1 - x) / (0.25 + sigma**2)


def bent(x: Tensor, sigma: float) -> Tensor:
    return (2 * torch.tanh(2 * x / (0.5 + sigma**2)) - x) / (0.3 + sigma**2)


def case(score: Callable, sigmas: list[float], steps: int, snr: float, *shape: int, seed: int = 0):
    return lambda g: (
        score,
        sigmas[0] * normal(g, *shape),
        sigmas,
        steps,
        snr,
        torch.Generator().manual_seed(seed),
    )


class Asked:
    """A score that notes at which levels it is asked."""

    def __init__(self) -> None:
        self.levels: list[float] = []

    def __call__(self, x: Tensor, sigma: float) -> Tensor:
        self.levels.append(float(sigma))
        return -x / (1 + sigma**2)


def ratio(f: Callable) -> bool:
    """Where the score has the length of pure noise's, its part of a step is snr times as long as that of the noise."""
    g = torch.Generator().manual_seed(3)
    x, snr, sigma = torch.zeros(1, 4000), 0.2, 1.5
    z = torch.randn(x.shape, generator=copy_of(g), dtype=x.dtype)

    def score(y, s):
        return torch.ones_like(y) / sigma if bool((y == 0).all()) else torch.zeros_like(y)

    moved = f(score, x, [sigma], 1, snr, g)
    shaken = (moved * z).sum() / (z * z).sum()
    drift = (moved - shaken * z).mean() * sigma
    return abs(float(drift / shaken) / sigma - snr) < 0.02


def copy_of(g: torch.Generator) -> torch.Generator:
    return torch.Generator().set_state(g.get_state())


def in_their_order(f: Callable) -> bool:
    asked = Asked()
    f(asked, torch.ones(2, 2), [0.5, 2.0, 1.0], 2, 0.2, torch.Generator().manual_seed(0))
    return [level for level, _ in groupby(asked.levels)][:3] == [0.5, 2.0, 1.0]


def last_at_the_last_level(f: Callable) -> bool:
    asked = Asked()
    f(asked, torch.ones(2, 2), [0.5, 2.0, 1.0], 2, 0.2, torch.Generator().manual_seed(0))
    return asked.levels[-1] == 1.0


def steps_on_each(f: Callable) -> bool:
    """As many calls on a level as steps, or a multiple where a step takes several; on the last one Tweedie's may come too."""
    asked = Asked()
    f(asked, torch.ones(2, 2), [2.0, 0.5], 3, 0.2, torch.Generator().manual_seed(0))
    first = next((len(list(run)) for level, run in groupby(asked.levels) if level == 2.0), 0)
    last = asked.levels.count(0.5)
    return first > 0 and first % 3 == 0 and last >= 3


def shaken_at_every_step(f: Callable) -> bool:
    g = torch.Generator().manual_seed(1)
    return bool(torch.as_tensor(f(lambda x, sigma: 0 * x, torch.zeros(1, 50), [1.5], 1, 0.2, g)).any())


def one_point(f: Callable) -> bool:
    """Where all data are one point, that is the mean of x0, whatever x is."""
    x, g = torch.tensor([[1.0, -2.0], [0.5, 4.0]], dtype=torch.float64), torch.Generator().manual_seed(2)
    return close(f(lambda x, sigma: (1 - x) / sigma**2, x, [2.0, 0.5], 1, 0.2, g), torch.ones_like(x))


def size_by_the_level(f: Callable) -> bool:
    """What a step adds grows as the score, so its size does not depend on it."""

    def end(c: float) -> Tensor:
        g = torch.Generator().manual_seed(5)
        return torch.as_tensor(f(lambda x, sigma: c + 0 * x, torch.zeros(2, 3), [1.5], 1, 0.2, g))

    return bool(((end(0.5) + end(1.5) - 2 * end(1.0)).abs() < 1e-3).all())


def noise_of_the_type_of_x(f: Callable) -> bool:
    x, g = torch.zeros(1, 40, dtype=torch.float64), torch.Generator().manual_seed(6)
    z = torch.randn(x.shape, generator=copy_of(g), dtype=x.dtype)
    moved = torch.as_tensor(f(lambda x, sigma: 0 * x, x, [1.5], 1, 0.2, g))
    return bool(torch.cosine_similarity(moved.double(), z) > 0.99)


def one_call_a_step(f: Callable) -> bool:
    asked = Asked()
    f(asked, torch.ones(2, 2), [2.0, 0.5], 3, 0.2, torch.Generator().manual_seed(0))
    return asked.levels == [2.0] * 3 + [0.5] * 4


EXERCISE = Exercise(
    name="07.annealed",
    title="From far to near",
    minutes=10,
    level=3,
    reference=annealed,
    alternatives=[annealed_with_her_step, annealed_without_grad],
    cases=[
        case(of_a_mode, [2.0], 1, 0.3, 1, 2),
        case(of_a_mode, [3.0, 0.5], 2, 0.2, 2, 1),
        case(bent, [4.0, 1.5, 0.4], 3, 0.4, 3, 2, seed=4),
        case(bent, [2.0, 0.2], 4, 0.16, 2, 1, 2, 2, seed=7),
        case(of_a_mode, [0.5, 2.0, 1.0], 2, 0.3, 2, 2, seed=9),
    ],
    invariants=[
        Invariant(
            "the levels in their order",
            in_their_order,
            "Given the levels 0.5, 2 and 1, your score is not asked at these, in this order. They are visited as they are given, also "
            "where that is not from large to small.",
        ),
        Invariant(
            "steps on each level",
            steps_on_each,
            "With two levels and steps = 3, your score is not asked three times on each. Every level has as many steps, each asks once, "
            "and nothing else is asked before the last level has ended.",
        ),
        Invariant(
            "shaken at every step",
            shaken_at_every_step,
            "One level, one step, and yours comes back without noise in it. Every step is shaken, the last one too: what takes the noise "
            "off is Tweedie's formula behind it.",
        ),
        Invariant(
            "Tweedie at the last level",
            last_at_the_last_level,
            "Given the levels 0.5, 2 and 1, the last that you ask is not the score at 1. The noise that is on x at the end is that of the "
            "last level: its σ and its score take it off.",
        ),
        Invariant(
            "data of one point",
            one_point,
            "Where all data are one point, the score is (point − x)/σ², and the mean of x₀ given x is that point, whatever x is. What you "
            "return is another one: look at your last line, and at the σ in it.",
        ),
        Invariant(
            "a size by the level",
            size_by_the_level,
            "Where the score is longer, your steps are of another size. τ depends on the level only: put √D/σ and √D for the two lengths, "
            "not those of this score and this noise.",
        ),
        Invariant(
            "the ratio",
            ratio,
            "At a point whose score is as long as one of pure noise, your score's part of a step is not snr times as long as that of the "
            "noise. Write both lengths down, in τ, σ and D, and divide.",
        ),
        Invariant(
            "noise of the type of x",
            noise_of_the_type_of_x,
            "For points of float32 it is right. For others your noise is not drawn as the stub draws it: z has the dtype of x.",
            only_if_right=True,
        ),
        Invariant(
            "one call a step",
            one_call_a_step,
            "The points are right, but the score is called more often than once a step and once at the end, or at other levels.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "no factor of 2",
            _chain(lambda sigma, snr, D, sigmas: (snr * sigma) ** 2),
            "Your τ is (snr·σ)²: it lacks a factor. The noise is multiplied by √(2τ), and that 2 belongs to the ratio.",
        ),
        Mistake(
            "half",
            _chain(lambda sigma, snr, D, sigmas: (snr * sigma) ** 2 / 2),
            "Your τ is a quarter of what it should be: is the 2 on the wrong side of your equation?",
        ),
        Mistake(
            "snr not squared",
            _chain(lambda sigma, snr, D, sigmas: 2 * snr * sigma**2),
            "Your τ is 2·snr·σ². The drift grows as τ and the noise as √τ, so their ratio grows as √τ: how does τ grow with the ratio?",
        ),
        Mistake(
            "sigma not squared",
            _chain(lambda sigma, snr, D, sigmas: 2 * snr**2 * sigma),
            "Your τ grows as σ. A score is one over a length, and τ times it must be a length.",
        ),
        Mistake(
            "neither squared",
            _chain(lambda sigma, snr, D, sigmas: 2 * snr * sigma),
            "Your τ is 2·snr·σ, whose root is the answer to the ratio. Solve for τ itself.",
        ),
        Mistake(
            "snr as the step",
            _chain(lambda sigma, snr, D, sigmas: snr),
            "Your τ is snr on every level. A step that fits the finest level never gets anywhere on the coarsest.",
        ),
        Mistake(
            "snr times the variance",
            _chain(lambda sigma, snr, D, sigmas: snr * sigma**2),
            "Your τ is snr·σ²: measured by the variance of the noise, which is right, but snr is a ratio of two lengths. Write both down.",
        ),
        Mistake(
            "of Song and Ermon",
            _chain(lambda sigma, snr, D, sigmas: snr * sigma**2 / sigmas[-1] ** 2),
            "Your τ is that of NCSN, ε·σ²/σ_L², with snr for ε. Here it is to be had from the ratio of the lengths.".replace(
                "_L", "ₗ"
            ),
        ),
        Mistake(
            "with the dimensions",
            _chain(lambda sigma, snr, D, sigmas: 2 * (snr * sigma) ** 2 * D),
            "Your τ grows with the dimensions. Both lengths have √D, and it cancels.",
        ),
        Mistake(
            "by this very score",
            _by_this_score,
            "You measure this score and this noise at every step, as a later paper does. Here τ depends on the level only: put √D/σ and √D "
            "for their lengths.",
        ),
        Mistake(
            "by the first level",
            _chain(lambda sigma, snr, D, sigmas: 2 * (snr * sigmas[0]) ** 2),
            "All levels have the τ of the first one. On the last levels such a step leaps over the modes.",
        ),
        Mistake(
            "by the last level",
            _chain(lambda sigma, snr, D, sigmas: 2 * (snr * sigmas[-1]) ** 2),
            "All levels have the τ of the last one. On the first levels such a step hardly moves.",
        ),
        Mistake(
            "shaken too little",
            _chain(shake=lambda tau: tau**0.5),
            "You shake with √τ: that is no Langevin step. langevin_step has it.",
        ),
        Mistake(
            "the ratio with another step",
            _chain(lambda sigma, snr, D, sigmas: (snr * sigma) ** 2, shake=lambda tau: tau**0.5),
            "The ratio is right, and the step is not: x moves by τ times the score, and √τ shakes it too little for that. langevin_step "
            "has both factors.",
        ),
        Mistake(
            "no noise on the last step",
            _chain(end=lambda x, sigma, score: x),
            "You return x with the noise of the last level still on it. Tweedie's formula takes it off: the mean of x₀ given x.",
        ),
        Mistake(
            "one more step for the end",
            _chain(end=lambda x, sigma, score: x + sigma * score(x, sigma)),
            "Your last line has σ times the score. Tweedie's formula has another power of it: the score is −ε/σ, and σ·ε is to "
            "be taken off.",
        ),
        Mistake(
            "a step at the end",
            lambda score, x, sigmas, steps, snr, generator: _chain(
                end=lambda x, sigma, score: x + 2 * (snr * sigma) ** 2 * score(x, sigma)
            )(score, x, sigmas, steps, snr, generator),
            "Your last line is a Langevin step without its noise. It moves by τ times the score, which takes only a part of the noise off: "
            "the mean of x₀ given x lies farther.",
        ),
        Mistake(
            "half at the end",
            _chain(end=lambda x, sigma, score: x + sigma**2 / 2 * score(x, sigma)),
            "Your last line takes off half of the noise. Tweedie's formula has no ½.",
        ),
        Mistake(
            "away at the end",
            _chain(end=lambda x, sigma, score: x - sigma**2 * score(x, sigma)),
            "Your last line goes against the score: the noise is doubled, not taken off.",
        ),
        Mistake(
            "clean after every level",
            _chain(
                between=lambda x, sigma, score: x + sigma**2 * score(x, sigma),
                end=lambda x, sigma, score: x,
            ),
            "You take the noise off after every level. On the next one the points must have its noise: only the last x is cleaned.",
        ),
        Mistake(
            "always from the start",
            _chain(again=True),
            "Every level begins at the x that came in. It must go on where the last level ended: that is the point of annealing.",
        ),
        Mistake(
            "from small to large",
            _chain(order=lambda sigmas: sigmas[::-1]),
            "You visit the levels from the end. They are given in the order in which they are visited.",
        ),
        Mistake(
            "asked at the last level",
            _chain(asked=lambda sigma, sigmas: sigmas[-1]),
            "You always ask for the score of the last level. On its first levels the chain needs theirs: there the modes have "
            "grown together.",
        ),
        Mistake(
            "asked at the first level",
            _chain(asked=lambda sigma, sigmas: sigmas[0]),
            "You always ask for the score of the first level. On each level its own is needed.",
        ),
        Mistake(
            "one noise a level",
            _chain(fresh=False),
            "You draw z once a level. Each step needs noise of its own, or the chain drifts one way.",
        ),
    ],
    gradients=[],  # made for sampling: under no_grad it is right as well
    allowed={"snr negated": "a ratio of lengths is not negative"},
    package=InPackage("AnnealedLangevin(steps, snr), a sampler for any path", in_package),
    hints=[
        "First τ: the score's part of a step has the length τ·√D/σ. How long is that of the noise?",
        "√(2τ)·√D. Their ratio is snr: √D cancels, and √τ is left on one side. Square it.",
        "Two loops, levels and steps, with a Langevin step inside. Behind them one line: Tweedie's formula with the last σ, "
        "where alpha is 1.",
    ],
    insight="Where the modes have grown together the weights are settled, and each level hands them on to the next. The ratio `snr` is "
    "that of Song et al. 2021; a good one is found by trying.",
)
