"""What no score can learn away."""

import math

from diffcourse.learn.exercise import Exercise, Invariant, Mistake


def irreducible(D: int, sigma: float, energy: float) -> float:
    """The least mean that denoising_loss can have, over all scores.

    D: dimensions of a point; sigma: standard deviation of the noise;
    energy: E|∇log p(x_t)|², the mean squared length of the exact score of the noised data.
    To derive. Returns a number.
    """
    return (D / sigma**2 - energy) / 2


def irreducible_by_the_mean_square(D, sigma, energy):
    target = D * sigma ** (-2)  # E|eps/sigma|²
    return 0.5 * target + 0.5 * energy - energy


def irreducible_by_math(D, sigma, energy):
    return math.fsum([D / (2 * sigma * sigma), -energy / 2])


def nothing_for_one_point(f) -> bool:
    return abs(float(f(3, 0.5, 12.0))) < 1e-4


EXERCISE = Exercise(
    name="07.irreducible",
    title="What is left of the loss",
    minutes=7,
    level=3,
    reference=irreducible,
    alternatives=[irreducible_by_the_mean_square, irreducible_by_math],
    cases=[(2, 0.5, 3.0), (1, 0.1, 20.0), (3, 2.0, 0.4), (784, 0.7, 250.0), (4, 1.0, 0.0)],
    invariants=[
        Invariant(
            "data of one point",
            nothing_for_one_point,
            "Where all data are one point the target is known exactly: its mean square D/σ² is all energy, and nothing must be left. Try "
            "D = 3, σ = 0.5, energy = 12.",
        ),
    ],
    mistakes=[
        Mistake(
            "nothing",
            lambda D, sigma, energy: 0.0,
            "0 would need a score that knows which ε was drawn. It sees xₜ alone: what is the best it can answer, and how far off is that?",
        ),
        Mistake(
            "all of the target",
            lambda D, sigma, energy: D / (2 * sigma**2),
            "This is the loss of a score that is 0 everywhere: ½·E|ε/σ|². The best one knows a part of the target. How much?",
        ),
        Mistake(
            "energy added",
            lambda D, sigma, energy: (D / sigma**2 + energy) / 2,
            "You add the energy. What the best score knows of its target is taken off, not added.",
        ),
        Mistake(
            "no half",
            lambda D, sigma, energy: D / sigma**2 - energy,
            "This is the mean squared distance. The loss is half of it.",
        ),
        Mistake(
            "half of the target only",
            lambda D, sigma, energy: D / (2 * sigma**2) - energy,
            "You take the whole energy off half of the target. Both are mean squares in one distance: both are halved.",
        ),
        Mistake(
            "half of the energy only",
            lambda D, sigma, energy: D / sigma**2 - energy / 2,
            "Only the energy is halved in yours. The ½ of the loss stands before the whole square.",
        ),
        Mistake(
            "in one dimension",
            lambda D, sigma, energy: (1 / sigma**2 - energy) / 2,
            "Your target has one coordinate. ε has D of them, each of variance 1.",
        ),
        Mistake(
            "no square",
            lambda D, sigma, energy: (D / sigma - energy) / 2,
            "You divide D by σ. The target is ε/σ: what is the mean of its square?",
        ),
        Mistake(
            "sigma on top",
            lambda D, sigma, energy: (D * sigma**2 - energy) / 2,
            "You multiply by σ². The target is −ε/σ, which grows as σ falls.",
        ),
        Mistake(
            "noise for its target",
            lambda D, sigma, energy: (D - energy) / 2,
            "Your target is ε, of mean square D. That of denoising_loss is divided by σ.",
        ),
        Mistake(
            "of the loss of the noise",
            lambda D, sigma, energy: (D - sigma**2 * energy) / 2,
            "This is σ² times what is asked: what is left of ½·|ε̂ − ε|², the loss of a noise prediction. The target of a score is −ε/σ.",
        ),
        Mistake(
            "of the loss of the noise, not halved",
            lambda D, sigma, energy: D - sigma**2 * energy,
            "This is what is left of |ε̂ − ε|², the loss of a noise prediction. denoising_loss is half the distance of scores.",
        ),
        Mistake(
            "half of the energy",
            lambda D, sigma, energy: energy / 2,
            "Half of the energy is what the loss has less than that of a score of 0. Asked is what is left.",
        ),
        Mistake(
            "the wrong way round",
            lambda D, sigma, energy: (energy - D / sigma**2) / 2,
            "Yours is negative, and a mean of squares cannot be. Which of the two is the larger?",
        ),
        Mistake(
            "energy in sigma",
            lambda D, sigma, energy: (D - energy) / (2 * sigma**2),
            "You divide the energy by σ² too. It is already the mean square of a score, as D/σ² is.",
        ),
        Mistake(
            "dimensions squared",
            lambda D, sigma, energy: ((D / sigma) ** 2 - energy) / 2,
            "You square D. The mean square of D independent coordinates is a sum: it grows as D.",
        ),
        Mistake(
            "energy of each coordinate",
            lambda D, sigma, energy: D * (1 / sigma**2 - energy) / 2,
            "You take the energy off D times. It is the squared length of the whole arrow already.",
        ),
        Mistake(
            "lengths instead of squares",
            lambda D, sigma, energy: (D**0.5 / sigma - energy**0.5) ** 2 / 2,
            "You subtract lengths and square the difference, as if both arrows pointed the same way. It is the mean squares that subtract.",
        ),
    ],
    gradients=[],  # a plain number will do
    allowed={"sigma negated": "a standard deviation is not negative"},
    hints=[
        "The best score in the mean square is a conditional mean. Of what, given what? Its name stands in the docstring of `energy`.",
        "Multiply out ½·E|s + ε/σ|² with that s. In the mixed term, the mean of −ε/σ given xₜ is s itself.",
        "So the mixed term is minus twice the energy, and two of three terms have become one. E|ε|² = D.",
    ],
    insight="As σ falls, D/σ² grows without bound and the energy stays near that of the data: the loss is nearly all noise. Draw what "
    "exceeds it, and the curve falls.",
)
