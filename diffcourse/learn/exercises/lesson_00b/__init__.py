"""Exercises of lesson 00b: expectation, sums of Gaussians, Bayes, KL, Jensen, broadcasting, autograd and a training loop."""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffcourse import elbo
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.mixture import GaussianMixture

# -- 1 expectation ----------------------------------------------------------------------------------------------------


def standard_error(draws: Tensor) -> Tensor:
    """How far the average of independent draws typically lies from the true mean.

    draws (n,), n at least 2. Returns one number: the standard error of draws.mean(). Take the
    spread as draws.std() gives it (with n - 1).
    """
    return draws.std() / len(draws) ** 0.5


def root_of_variance_over_n(draws):
    return (draws.var() / draws.numel()).sqrt()


def error_by_hand(draws):
    n = len(draws)
    values = draws.tolist()
    mean = sum(values) / n
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)


def n_draws(n: int, mean: float = 2.5, std: float = 3.0):
    return lambda g: (mean + std * torch.randn(n, generator=g),)


STANDARD_ERROR = Exercise(
    name="00b.standard_error",
    title="How far off is an average?",
    minutes=2,
    level=1,
    reference=standard_error,
    alternatives=[root_of_variance_over_n, error_by_hand],
    cases=[(torch.tensor([1.0, 3.0, 5.0, 11.0]),), n_draws(9), n_draws(50, -1.0, 0.1), n_draws(2)],
    invariants=[
        Invariant(
            "shift",
            lambda f: abs(float(f(torch.arange(5.0))) - float(f(torch.arange(5.0) + 7))) < 1e-4,
            "Add 7 to every draw and the average moves by 7, but it is no less certain than before. Yours changes.",
        ),
    ],
    mistakes=[
        Mistake(
            "n instead of its root",
            lambda draws: draws.std() / len(draws),
            "You divide the standard deviation by n. It is the variance of an average that is n times smaller. By how much does "
            "its root shrink?",
        ),
        Mistake(
            "missing square root",
            lambda draws: draws.var() / len(draws),
            "This is the variance of the average: right, but in squared units. An error is wanted in the units of the draws.",
        ),
        Mistake(
            "variance over the root of n",
            lambda draws: draws.var() / len(draws) ** 0.5,
            "You divide the variance where the standard deviation belongs. Check the units: draws in metres need an error in metres.",
        ),
        Mistake(
            "spread of the draws",
            lambda draws: draws.std(),
            "This is how far a single draw lies from the mean. It does not shrink with more draws; the error of their average does.",
        ),
        Mistake(
            "error of the sum",
            lambda draws: draws.std() * len(draws) ** 0.5,
            "This is the spread of the sum of all draws, which grows with n. The average is the sum divided by n, and so is its "
            "spread.",
        ),
        Mistake(
            "mean not taken off",
            lambda draws: (draws**2).mean().sqrt() / len(draws) ** 0.5,
            "You take the root mean square of the draws. Spread is measured from their mean, and theirs is not 0.",
        ),
        Mistake(
            "n for n - 1",
            lambda draws: draws.std(correction=0) / len(draws) ** 0.5,
            "Nearly: your spread divides by n. The mean was estimated from the same draws, so they seem a little "
            "closer to it than they are; draws.std() makes up for that with n - 1.",
        ),
        Mistake(
            "n - 1 under the root",
            lambda draws: draws.std() / (len(draws) - 1) ** 0.5,
            "The n - 1 is already inside draws.std(). The average itself is made of n draws.",
        ),
        Mistake(
            "root over everything",
            lambda draws: (draws.std() / len(draws)) ** 0.5,
            "You take the root of spread over n. The root belongs to the variance over n, or to the n alone: check the units.",
        ),
        Mistake(
            "mean absolute deviation",
            lambda draws: (draws - draws.mean()).abs().mean() / len(draws) ** 0.5,
            "You measure the spread by the mean distance from the mean. The law of the square root is about the standard deviation.",
        ),
        Mistake(
            "n of the lesson",
            lambda draws: draws.std() / 100_000**0.5,
            "Your n is 100,000, that of the lesson, whatever is passed. How many draws there are is in draws itself.",
        ),
        Mistake(
            "error of the mean",
            lambda draws: (draws.mean() - 1.936).abs(),
            "You return how far this one average is from the truth. In practice the truth is unknown: estimate the typical distance from "
            "the spread.",
        ),
        Mistake(
            "the mean", lambda draws: draws.mean(), "This is the average itself. Asked is how far off it typically is."
        ),
        Mistake(
            "one for each draw",
            lambda draws: (draws - draws.mean()).abs() / len(draws) ** 0.5,
            "You return one number for each draw. The average is one number, and so is its error.",
        ),
    ],
    gradients=[],  # a number to print: plain arithmetic will do
    allowed={
        "draws rows reversed": "the order of the draws does not count",
        "draws negated": "a spread has no sign",
        "draws one *": "a spread does not move with the mean",
    },
    hints=[
        "With four times as many draws the error halves. Which function of n does that?",
        "The variance of a sum of n independent draws is n times that of one draw. What does dividing the sum by n do to a variance?",
        "You need two things: the spread of one draw, and a factor that depends on n alone.",
    ],
    insight="Four times the work for half the error: every Monte-Carlo number in this course comes with such an error beside it.",
)

# -- 2 sums of Gaussians ----------------------------------------------------------------------------------------------


def weighted_sum(
    a: float,
    b: float,
    mean_x: float,
    std_x: float,
    mean_y: float,
    std_y: float,
) -> tuple[float, float]:
    """Mean and standard deviation of a·X + b·Y.

    X ~ N(mean_x, std_x²) and Y ~ N(mean_y, std_y²) are independent.

    All arguments are plain numbers; a and b may be negative or 0. Returns two numbers: the
    mean, then the standard deviation.
    """
    return a * mean_x + b * mean_y, (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5


def sum_by_pythagoras(a, b, mean_x, std_x, mean_y, std_y):
    return a * mean_x + b * mean_y, math.hypot(a * std_x, b * std_y)


def sum_by_variances(a, b, mean_x, std_x, mean_y, std_y):
    variance = a * a * std_x * std_x + b * b * std_y * std_y
    return torch.tensor(a * mean_x + b * mean_y), torch.tensor(variance).sqrt()


def sum_with_std(std: Callable) -> Callable:
    """The right mean with the standard deviation std(a, b, std_x, std_y)."""
    return lambda a, b, mean_x, std_x, mean_y, std_y: (a * mean_x + b * mean_y, std(a, b, std_x, std_y))


WEIGHTED_SUM = Exercise(
    name="00b.weighted_sum",
    title="The sum of two Gaussians",
    minutes=3,
    level=1,
    reference=weighted_sum,
    alternatives=[sum_by_pythagoras, sum_by_variances],
    cases=[
        (1.0, 1.0, 0.5, 3.0, 1.0, 4.0),
        (0.5, 2.0, 1.0, 2.0, -1.0, 0.3),
        (2.0, -1.0, 1.0, 3.0, 2.0, 4.0),
        (-0.5, -3.0, -2.0, 0.4, 0.7, 1.5),
    ],
    invariants=[
        Invariant(
            "one term",
            lambda f: abs(float(f(2.0, 0.0, 1.0, 3.0, 5.0, 7.0)[1]) - 6) < 1e-4,
            "With b = 0 only 2·X is left: twice as wide as X. Yours has another width.",
        ),
    ],
    mistakes=[
        Mistake(
            "standard deviations added",
            sum_with_std(lambda a, b, s, r: a * s + b * r),
            "You add standard deviations. That would be right if X and Y always swung the same way together; "
            "independent ones often cancel. Which measure of spread does add?",
        ),
        Mistake(
            "sizes of standard deviations added",
            sum_with_std(lambda a, b, s, r: abs(a) * s + abs(b) * r),
            "You add standard deviations, after making them positive. Independent X and Y often cancel, so their sum "
            "is narrower than that. Which measure of spread does add?",
        ),
        Mistake(
            "missing square root",
            sum_with_std(lambda a, b, s, r: a**2 * s**2 + b**2 * r**2),
            "Your second number is the variance. It is right, and it is the square of what is asked for.",
        ),
        Mistake(
            "factors not squared",
            sum_with_std(lambda a, b, s, r: (a * s**2 + b * r**2) ** 0.5),
            "Your factors stand in front of the variances as they are. Twice as wide means four times the variance: what happens to a?",
        ),
        Mistake(
            "variances subtracted",
            sum_with_std(lambda a, b, s, r: (abs(a) * a * s**2 + abs(b) * b * r**2) ** 0.5),
            "Where b is negative you subtract a variance. Taking away a random number makes the result no more certain: -Y is as "
            "wide as Y.",
        ),
        Mistake(
            "factors forgotten",
            sum_with_std(lambda a, b, s, r: (s**2 + r**2) ** 0.5),
            "Your standard deviation is that of X + Y, without the factors. How wide is 2·X?",
        ),
        Mistake(
            "mean without the factors",
            lambda a, b, mean_x, std_x, mean_y, std_y: (mean_x + mean_y, (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5),
            "Your spread is right, your mean is that of X + Y. If every X is doubled, what becomes of their average?",
        ),
        Mistake(
            "standard deviation for variance",
            sum_with_std(lambda a, b, s, r: (a**2 * s + b**2 * r) ** 0.5),
            "Under your root stand standard deviations. What adds is the variance, which is their square.",
        ),
        Mistake(
            "standard deviation first",
            lambda a, b, mean_x, std_x, mean_y, std_y: (
                (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5,
                a * mean_x + b * mean_y,
            ),
            "Both numbers are right; the docstring wants the mean first.",
        ),
        Mistake(
            "absolute factors in the mean",
            lambda a, b, mean_x, std_x, mean_y, std_y: (
                abs(a) * mean_x + abs(b) * mean_y,
                (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5,
            ),
            "Your spread is right; in your mean the factors have lost their sign. Where does the average of -X lie?",
        ),
        Mistake(
            "factors squared in the mean",
            lambda a, b, mean_x, std_x, mean_y, std_y: (
                a**2 * mean_x + b**2 * mean_y,
                (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5,
            ),
            "Your spread is right; in your mean the factors are squared. Squares belong to variances; an average follows its factor as "
            "it is.",
        ),
        Mistake(
            "the mean of the two",
            lambda a, b, mean_x, std_x, mean_y, std_y: (
                (a * mean_x + b * mean_y) / (a + b),
                (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5,
            ),
            "You divide the mean by a + b. That would be a weighted average; asked is the sum.",
        ),
        Mistake(
            "larger of the two",
            sum_with_std(lambda a, b, s, r: max(abs(a) * s, abs(b) * r)),
            "Your spread is that of the wider term alone. The other one adds to it, if less than one might think.",
        ),
        Mistake(
            "covariance added",
            sum_with_std(lambda a, b, s, r: (a**2 * s**2 + b**2 * r**2 + 2 * a * b * s * r) ** 0.5),
            "Your variance has a term 2·a·b·std_x·std_y. It belongs to variables that swing together; X and Y are independent.",
        ),
        Mistake(
            "root forgotten over one factor",
            sum_with_std(lambda a, b, s, r: (abs(a) * s**2 + abs(b) * r**2) ** 0.5),
            "Your factors stand in front of the variances without a square. Twice as wide means four times the variance: what happens to "
            "a?",
        ),
        Mistake(
            "sign kept under the root",
            sum_with_std(lambda a, b, s, r: abs(a * abs(a) * s**2 + b * abs(b) * r**2) ** 0.5),
            "Where the signs of a and b differ you subtract variances. Taking away a random number makes the result no more certain: -Y "
            "is as wide as Y.",
        ),
        Mistake(
            "the mean alone",
            lambda a, b, mean_x, std_x, mean_y, std_y: a * mean_x + b * mean_y,
            "This is the mean, and it is right. The standard deviation is asked for as well: two numbers, one after the other.",
        ),
        Mistake(
            "the spread alone",
            lambda a, b, mean_x, std_x, mean_y, std_y: (a**2 * std_x**2 + b**2 * std_y**2) ** 0.5,
            "This is the standard deviation, and it is right. The mean is asked for as well, before it.",
        ),
    ],
    allowed={
        "std_* negated": "only their squares count",
        "its result detached": "plain numbers have no derivative",
    },
    hints=[
        "The mean is the easy half: averages follow sums and factors.",
        "Find the variance first. What does the factor a do to the variance of X, and what does adding an independent variable do?",
        "Mean: a weighted sum. Spread: a weighted sum of variances, with other weights than the mean's, and then back to a "
        "standard deviation.",
    ],
    insight="Take X = clean data, Y = standard noise, and this is the forward step of every diffusion model.",
)

# -- 3 Bayes ----------------------------------------------------------------------------------------------------------


def posterior_on_grid(prior: Tensor, likelihood: Tensor, dx: float) -> Tensor:
    """Bayes' rule on a grid of values of x: the density of x after an observation.

    prior (N,): density p(x) at the grid points; likelihood (N,): density p(y | x) of what was
    observed; dx: distance of neighbours.
    Returns (N,): the density p(x | y), with area 1 (values times dx add up to 1).
    """
    joint = prior * likelihood
    return joint / (joint.sum() * dx)


def posterior_by_logs(prior, likelihood, dx):
    log_joint = prior.log() + likelihood.log()
    return (log_joint - log_joint.logsumexp(dim=0)).exp() / dx


def posterior_in_a_loop(prior, likelihood, dx):
    joint = [p * l for p, l in zip(prior.tolist(), likelihood.tolist(), strict=True)]
    return torch.tensor([j / sum(joint) / dx for j in joint])


def densities_on_a_grid(n: int, dx: float, scale: float = 3.0):
    """An observation may be likely under every x, or under none: `scale`."""

    def build(g):
        prior, likelihood = torch.rand(2, n, generator=g) + 0.1
        return prior / (prior.sum() * dx), scale * likelihood, dx

    return build


POSTERIOR_ON_GRID = Exercise(
    name="00b.posterior_on_grid",
    title="Bayes' rule on a grid",
    minutes=4,
    level=1,
    reference=posterior_on_grid,
    alternatives=[posterior_by_logs, posterior_in_a_loop],
    cases=[
        (torch.tensor([1.0, 0.8, 0.2]), torch.tensor([0.1, 0.3, 0.9]), 0.5),
        densities_on_a_grid(6, 0.25),
        densities_on_a_grid(9, 0.1, 1e-6),
        (torch.tensor([0.0, 1.5, 0.5]), torch.tensor([2.0, 0.0, 0.25]), 0.5),
    ],
    invariants=[
        Invariant(
            "area 1",
            lambda f: (
                abs(float(f(*densities_on_a_grid(8, 0.2)(torch.Generator().manual_seed(1))).sum()) * 0.2 - 1) < 1e-4
            ),
            "The area under your result, the sum of its values times dx, is not 1, so it is no density.",
        ),
        Invariant(
            "flat likelihood",
            lambda f: close(f(torch.tensor([1.5, 0.5]), torch.ones(2), 0.5), [1.5, 0.5]),
            "Where the observation is equally likely under every x it teaches nothing, and the prior must come out unchanged.",
        ),
    ],
    mistakes=[
        Mistake(
            "not normalised",
            lambda prior, likelihood, dx: prior * likelihood,
            "This is the joint density of x and the observation. Its shape is right, its area is not 1: what is it to be divided by?",
        ),
        Mistake(
            "values add up to 1",
            lambda prior, likelihood, dx: prior * likelihood / (prior * likelihood).sum(),
            "Your values add up to 1: these are probabilities of grid cells. A density is a probability for each unit of length. "
            "How long is a cell?",
        ),
        Mistake(
            "prior left out",
            lambda prior, likelihood, dx: likelihood / (likelihood.sum() * dx),
            "You normalised the likelihood. What was known about x before the observation, the prior, does not count in it.",
        ),
        Mistake(
            "likelihood left out",
            lambda prior, likelihood, dx: prior / (prior.sum() * dx),
            "You return the prior: the observation has changed nothing.",
        ),
        Mistake(
            "added instead of multiplied",
            lambda prior, likelihood, dx: (prior + likelihood) / ((prior + likelihood).sum() * dx),
            "You add prior and likelihood. Both have to be satisfied at once, first x and then the observation: how do such "
            "probabilities combine?",
        ),
        Mistake(
            "mean for sum",
            lambda prior, likelihood, dx: prior * likelihood / ((prior * likelihood).mean() * dx),
            "You divide by an average where an area belongs: an area adds up all the strips under the curve.",
        ),
        Mistake(
            "divided by the largest",
            lambda prior, likelihood, dx: prior * likelihood / (prior * likelihood).max(),
            "Your peak has height 1. A density may be higher or lower than that; it is its area that must be 1.",
        ),
        Mistake(
            "multiplied by dx",
            lambda prior, likelihood, dx: prior * likelihood / (prior * likelihood).sum() * dx,
            "Your dx stands on the wrong side: with a finer grid your curve would sink towards 0.",
        ),
        Mistake(
            "trapezoid rule",
            lambda prior, likelihood, dx: prior * likelihood / torch.trapezoid(prior * likelihood, dx=dx),
            "You measure the area by the trapezoid rule, which gives the two end points half their weight. A fair way, but the docstring "
            "counts the area as values times dx, all alike.",
        ),
        Mistake(
            "area of the likelihood",
            lambda prior, likelihood, dx: prior * likelihood / (likelihood.sum() * dx),
            "You divide by the area under the likelihood. It is the product of prior and likelihood whose area must become 1.",
        ),
        Mistake(
            "divided instead of multiplied",
            lambda prior, likelihood, dx: prior / likelihood / ((prior / likelihood).sum() * dx),
            "You divide the prior by the likelihood, so what the observation speaks for becomes less likely.",
        ),
        Mistake(
            "likelihood cancelled",
            lambda prior, likelihood, dx: prior * likelihood / likelihood,
            "You divide by the likelihood again at every point, which leaves the prior. What is divided by is one number, the same for "
            "all x.",
        ),
        Mistake(
            "softmax of the product",
            lambda prior, likelihood, dx: torch.softmax(prior * likelihood, 0) / dx,
            "You take a softmax of the product. That exponentiates first, so it belongs to the logarithm of the product.",
        ),
        Mistake(
            "softmax of the product, without dx",
            lambda prior, likelihood, dx: torch.softmax(prior * likelihood, 0),
            "You take a softmax of the product. That exponentiates first; and values that add up to 1 are no density yet.",
        ),
        Mistake(
            "sum of squares",
            lambda prior, likelihood, dx: prior * likelihood / ((prior * likelihood) ** 2).sum().sqrt(),
            "You divide by the length of the vector, the root of its summed squares. A density has area 1.",
        ),
        Mistake(
            "small number below",
            lambda prior, likelihood, dx: prior * likelihood / (prior * likelihood * dx).sum().add(1e-8),
            "You add a small number to the area, and where the observation is unlikely under every x the area itself is small: then "
            "yours is too low.",
        ),
    ],
    gradients=[],  # a curve to look at: a loop over plain numbers will do
    allowed={
        "prior negated": "factors cancel",
        "prior doubled": "factors cancel",
        "prior halved": "factors cancel",
        "likelihood negated": "factors cancel",
        "likelihood doubled": "factors cancel",
        "likelihood halved": "factors cancel",
        "prior and likelihood interchanged": "a product",
    },
    hints=[
        "Bayes' rule: the posterior is proportional to prior times likelihood. Only the factor is missing.",
        "The factor makes the area under the curve 1. On a grid, an area is a sum of strips of width dx.",
        "First the product. Then its area. Then divide one by the other.",
    ],
    insight="The factor that you divided by is p(y), how likely the observation was at all. In more than a few "
    "dimensions no grid can add it up: that is why lesson 01 needs a bound.",
)


def responsibilities(x: Tensor, means: Tensor, stds: Tensor, weights: Tensor) -> Tensor:
    """Which bump did each point come from? p(k | x) for sum_k weights_k·N(means_k, stds_k²).

    x (B,); means, stds, weights (K,), the weights add up to 1. Returns (B, K): row b holds the
    K probabilities for point b.
    It must hold far away from all bumps as well, where every density underflows to 0.
    """
    log_joint = weights.log() - stds.log() - ((x[:, None] - means) / stds) ** 2 / 2
    return log_joint.softmax(dim=1)


def responsibilities_by_normal(x, means, stds, weights):
    log_joint = torch.distributions.Normal(means, stds).log_prob(x[:, None]) + torch.log(weights)
    return (log_joint - log_joint.logsumexp(dim=1, keepdim=True)).exp()


def responsibilities_in_a_loop(x, means, stds, weights):
    rows = []
    for value in x:
        logs = torch.stack(
            [w.log() - s.log() - (value - m) ** 2 / (2 * s**2) for m, s, w in zip(means, stds, weights, strict=True)]
        )
        joint = (logs - logs.max()).exp()
        rows.append(joint / joint.sum())
    return torch.stack(rows)


def joint_densities(x, means, stds, weights):
    return weights * (-(((x[:, None] - means) / stds) ** 2) / 2).exp() / (stds * math.sqrt(2 * math.pi))


def some_bumps(B: int, K: int):
    def build(g):
        weights = torch.rand(K, generator=g) + 0.2
        return (
            torch.randn(B, generator=g),
            torch.randn(K, generator=g),
            0.5 + torch.rand(K, generator=g),
            weights / weights.sum(),
        )

    return build


TWO_BUMPS = (torch.tensor([-1.0, 1.5]), torch.tensor([0.3, 0.5]), torch.tensor([0.4, 0.6]))
BETWEEN = (
    torch.tensor([0.01, -0.02, 60.0]),
    torch.tensor([-2.0, 2.0]),
    torch.tensor([0.1, 0.1]),
    torch.tensor([0.5, 0.5]),
)
"""Twenty standard deviations from both bumps, and much further."""


def holds_far_away(answer: Callable) -> bool:
    right = torch.sigmoid(
        torch.tensor([4.0, -8.0, 200.0])
    )  # of the right bump: exp(4·x/std²) times as likely as the left one
    ends = answer(torch.tensor([-60.0, 60.0]), *TWO_BUMPS)
    return close(answer(*BETWEEN), torch.stack([1 - right, right], dim=1), 1e-3) and close(ends, [[0.0, 1.0]] * 2)


RESPONSIBILITIES = Exercise(
    name="00b.responsibilities",
    title="Which bump did it come from?",
    minutes=8,
    level=2,
    reference=responsibilities,
    alternatives=[responsibilities_by_normal, responsibilities_in_a_loop],
    cases=[(torch.tensor([-0.3, 0.0, 0.4]), *TWO_BUMPS), some_bumps(2, 3), some_bumps(4, 2), some_bumps(1, 1)],
    invariants=[
        Invariant(
            "far away",
            holds_far_away,
            "Near the bumps yours is right. Far from all of them every density is so small that the computer stores 0, and which bump "
            "is nearer is forgotten; no small number and no replacement brings it back. Keep logarithms until the end: PyTorch has one "
            "function that exponentiates and normalises safely.",
            only_if_right=True,
        ),
        Invariant(
            "rows add up to 1",
            lambda f: close(f(torch.tensor([-0.3, 0.0, 0.4]), *TWO_BUMPS).sum(dim=1), torch.ones(3), 1e-4),
            "Every point came from one of the bumps, so each row must add up to 1. Yours do not.",
        ),
    ],
    mistakes=[
        Mistake(
            "weights left out",
            lambda x, means, stds, weights: responsibilities(x, means, stds, torch.ones_like(weights)),
            "You treat all bumps as equally common. How common each of them is, before x is seen, is the prior: it is in the weights.",
        ),
        Mistake(
            "height of the bell left out",
            lambda x, means, stds, weights: responsibilities(x, means, stds, weights * stds),
            "You left out the 1/std in front of the exponential. It is the same for all x, but not for all bumps: a narrow bump "
            "is a tall one.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda x, means, stds, weights: (
                weights.log() - stds.log() - (x[:, None] - means) ** 2 / (2 * stds)
            ).softmax(dim=1),
            "In the exponent you divide by the standard deviation. Distance is measured in standard deviations before it is squared.",
        ),
        Mistake(
            "missing 1/2",
            lambda x, means, stds, weights: (weights.log() - stds.log() - ((x[:, None] - means) / stds) ** 2).softmax(
                dim=1
            ),
            "A factor 1/2 is missing in the exponent of the Gaussian, so your bumps are narrower than they should be.",
        ),
        Mistake(
            "wrong axis",
            lambda x, means, stds, weights: (
                weights.log() - stds.log() - ((x[:, None] - means) / stds) ** 2 / 2
            ).softmax(dim=0),
            "Your columns add up to 1, so the points compete for a bump. It is the bumps that compete for a point: which axis is "
            "theirs?",
        ),
        Mistake(
            "not normalised",
            joint_densities,
            "These are the joint densities of bump and point. To become probabilities of bumps, what must each row add up to?",
        ),
        Mistake(
            "logarithms returned",
            lambda x, means, stds, weights: responsibilities(x, means, stds, weights).log(),
            "These are the logarithms of the right answer.",
        ),
        Mistake(
            "nearest bump",
            lambda x, means, stds, weights: (-(x[:, None] - means).abs()).softmax(dim=1),
            "You go by the distance to the middle of each bump. A wide bump reaches further than a narrow one, and a heavy one "
            "counts more.",
        ),
        Mistake(
            "transposed",
            lambda x, means, stds, weights: responsibilities(x, means, stds, weights).T,
            "The numbers are right, the table lies on its side: points are rows, bumps are columns.",
        ),
        Mistake(
            "logarithms of the joint",
            lambda x, means, stds, weights: weights.log() - stds.log() - ((x[:, None] - means) / stds) ** 2 / 2,
            "These are logarithms of weight times density. The last step is missing: from them to probabilities that add up to 1.",
        ),
        Mistake(
            "exact logarithms of the joint",
            lambda x, means, stds, weights: (
                torch.distributions.Normal(means, stds).log_prob(x[:, None]) + weights.log()
            ),
            "These are the exact logarithms of weight times density. The last step is missing: from them to probabilities that add up to "
            "1.",
        ),
        Mistake(
            "all or nothing",
            lambda x, means, stds, weights: nn.functional.one_hot(
                responsibilities(x, means, stds, weights).argmax(1), len(means)
            ).float(),
            "You give each point wholly to its most likely bump. Asked is how likely each bump is: between two bumps nobody can be sure.",
        ),
        Mistake(
            "softmax of densities",
            lambda x, means, stds, weights: (joint_densities(x, means, stds, weights) * math.sqrt(2 * math.pi)).softmax(
                dim=1
            ),
            "You take a softmax of densities. It exponentiates what it is given, so it wants their logarithms.",
        ),
        Mistake(
            "softmax of whole densities",
            lambda x, means, stds, weights: joint_densities(x, means, stds, weights).softmax(dim=1),
            "You take a softmax of joint densities. It exponentiates what it is given, so it wants their logarithms.",
        ),
        Mistake(
            "weights added after the softmax",
            lambda x, means, stds, weights: weights * responsibilities(x, means, stds, torch.ones_like(weights)),
            "You multiply by the weights after normalising, so your rows no longer add up to 1. The prior goes in first.",
        ),
        Mistake(
            "weights not logged",
            lambda x, means, stds, weights: (weights - stds.log() - ((x[:, None] - means) / stds) ** 2 / 2).softmax(
                dim=1
            ),
            "Among your logarithms the weights stand as they are. Multiplying by a weight is adding its logarithm.",
        ),
        Mistake(
            "distance not squared",
            lambda x, means, stds, weights: (
                weights.log() - stds.log() - ((x[:, None] - means) / stds).abs() / 2
            ).softmax(dim=1),
            "Your distance is not squared. The logarithm of a bell is a parabola.",
        ),
        Mistake(
            "sign of the exponent",
            lambda x, means, stds, weights: (
                weights.log() - stds.log() + ((x[:, None] - means) / stds) ** 2 / 2
            ).softmax(dim=1),
            "Your exponent is positive, so a bump counts the more, the further away it is.",
        ),
        Mistake(
            "variance's logarithm not halved",
            lambda x, means, stds, weights: responsibilities(x, means, stds, weights / stds),
            "In front of your bells stands 1/variance. The height of a bell goes with one over its standard deviation.",
        ),
        Mistake(
            "first bump alone",
            lambda x, means, stds, weights: responsibilities(x, means, stds, weights)[:, 0],
            "These are right for the first bump. The docstring asks for all K, one column a bump.",
        ),
    ],
    gradients=[],  # looked at and never trained through: a loop over plain numbers will do
    allowed={
        "weights doubled": "factors cancel",
        "weights halved": "factors cancel",
    },
    hints=[
        "Bayes' rule for one point: weight times density, for each bump, divided by the sum over the bumps.",
        "Write the logarithm of weight times density. Additive constants that are the same for all bumps cancel. "
        "Points (B,) against bumps (K,) give a table (B, K) once the points have become a column.",
        "Three log terms: the weight, the height of the bell (it has std in it), the squared distance in standard deviations. "
        "Then a softmax along the bumps.",
    ],
    insight="This is the softmax of classifiers: class probabilities are always a prior times a likelihood, normalised.",
)

# -- 4 KL -------------------------------------------------------------------------------------------------------------


def gaussian_kl(mean_q: Tensor, std_q: Tensor, mean_p: Tensor, std_p: Tensor) -> Tensor:
    """KL(q || p) of q = N(mean_q, std_q²) and p = N(mean_p, std_p²), in nats.

    All arguments (N,), entry by entry. Returns (N,).
    """
    return (std_p / std_q).log() + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2) - 0.5


def kl_by_variances(mean_q, std_q, mean_p, std_p):
    ratio = std_q**2 / std_p**2
    return 0.5 * (ratio - 1 - torch.log(ratio) + (mean_p - mean_q) ** 2 / std_p**2)


def kl_by_distributions(mean_q, std_q, mean_p, std_p):
    Normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(Normal(mean_q, std_q), Normal(mean_p, std_p))


def two_gaussians(n: int):
    def build(g):
        means, stds = torch.randn(2, n, generator=g), 0.4 + 1.5 * torch.rand(2, n, generator=g)
        return means[0], stds[0], means[1], stds[1]

    return build


NARROW = tuple(torch.tensor([[0.5], [0.05], [0.4], [1.0]]))

GAUSSIAN_KL = Exercise(
    name="00b.gaussian_kl",
    title="KL divergence of two Gaussians",
    minutes=6,
    level=2,
    reference=gaussian_kl,
    alternatives=[kl_by_variances, kl_by_distributions],
    cases=[
        (torch.tensor([0.5]), torch.tensor([0.5]), torch.tensor([-1.0]), torch.tensor([2.0])),
        two_gaussians(3),
        two_gaussians(5),
        (torch.tensor([0.0, -3.0]), torch.tensor([1.0, 0.05]), torch.tensor([0.0, -3.5]), torch.tensor([2.0, 0.2])),
    ],
    invariants=[
        Invariant(
            "q = p",
            lambda f: close(f(*torch.tensor([[0.7], [1.3], [0.7], [1.3]])), torch.zeros(1)),
            "A distribution does not differ from itself: with q = p the result must be 0. Yours is not.",
        ),
        Invariant(
            "no estimate",
            lambda f: (
                not 0 < abs(float(f(*NARROW)) / 2.5020 - 1) < 0.03 or close(f(*NARROW), gaussian_kl(*NARROW), 1e-3)
            ),
            "Yours is within a few percent of the divergence, and not equal to it: is it an average over draws? There is a formula that "
            "needs none.",
        ),
    ],
    mistakes=[
        Mistake(
            "arguments swapped",
            lambda mq, sq, mp, sp: gaussian_kl(mp, sp, mq, sq),
            "This is KL(p || q). In KL(q || p) it is q that the average is taken over, so q's spread is compared with the "
            "variance of p.",
        ),
        Mistake(
            "missing 1/2",
            lambda mq, sq, mp, sp: 2 * gaussian_kl(mq, sq, mp, sp),
            "Exactly twice the right value: the exponent of the Gaussian density has a 1/2 in it that yours has lost.",
        ),
        Mistake(
            "missing 1/2 in the fraction",
            lambda mq, sq, mp, sp: (sp / sq).log() + (sq**2 + (mq - mp) ** 2) / sp**2 - 0.5,
            "Your fraction has lost its 1/2, the other terms are right. With q = p, what does each term give?",
        ),
        Mistake(
            "constant left out",
            lambda mq, sq, mp, sp: gaussian_kl(mq, sq, mp, sp) + 0.5,
            "Yours is 1/2 too large everywhere. It comes from the average of log q under q itself: the expected square of a "
            "standard Gaussian is 1.",
        ),
        Mistake(
            "logarithm upside down",
            lambda mq, sq, mp, sp: (sq / sp).log() + (sq**2 + (mq - mp) ** 2) / (2 * sp**2) - 0.5,
            "Your logarithm has the wrong sign. log q holds minus log std_q, and log p is subtracted: which of the two stands on "
            "top in the end?",
        ),
        Mistake(
            "logarithm of the variances, not halved",
            lambda mq, sq, mp, sp: 2 * (sp / sq).log() + (sq**2 + (mq - mp) ** 2) / (2 * sp**2) - 0.5,
            "Your logarithm is twice too large: with variances inside, the root of the density's front factor becomes a 1/2.",
        ),
        Mistake(
            "standard deviations for variances",
            lambda mq, sq, mp, sp: (sp / sq).log() + (sq + (mq - mp) ** 2) / (2 * sp) - 0.5,
            "Your fraction holds standard deviations. Check the units: the distance of the means is squared there.",
        ),
        Mistake(
            "distance not squared",
            lambda mq, sq, mp, sp: (sp / sq).log() + (sq**2 + (mq - mp)) / (2 * sp**2) - 0.5,
            "Your distance of the means is not squared, so it can be negative and make the divergence smaller.",
        ),
        Mistake(
            "spread of q left out",
            lambda mq, sq, mp, sp: (sp / sq).log() + (mq - mp) ** 2 / (2 * sp**2) - 0.5,
            "Your fraction holds the distance of the means only. Draws of q also scatter around their own mean.",
        ),
        Mistake(
            "averaged",
            lambda mq, sq, mp, sp: gaussian_kl(mq, sq, mp, sp).mean(),
            "You averaged over the entries. One value for each pair of Gaussians is asked for.",
        ),
        Mistake(
            "spread and shift squared together",
            lambda mq, sq, mp, sp: (sp / sq).log() + (sq + mq - mp) ** 2 / (2 * sp**2) - 0.5,
            "You square the sum of spread and shift. Each is squared by itself: the mean square of a draw's distance has no mixed term.",
        ),
        Mistake(
            "shift left out",
            lambda mq, sq, mp, sp: (sp / sq).log() + sq**2 / (2 * sp**2) - 0.5,
            "The distance of the means does not occur in yours. Two equally wide bells far apart are very different.",
        ),
        Mistake(
            "summed",
            lambda mq, sq, mp, sp: gaussian_kl(mq, sq, mp, sp).sum(),
            "You summed over the entries. One value for each pair of Gaussians is asked for.",
        ),
        Mistake(
            "in bits",
            lambda mq, sq, mp, sp: gaussian_kl(mq, sq, mp, sp) / math.log(2),
            "Yours is in bits: 1.44 times the value in nats, which come from the natural logarithm.",
        ),
        Mistake(
            "half of the shift missing",
            lambda mq, sq, mp, sp: (sp / sq).log() + sq**2 / (2 * sp**2) + (mq - mp) ** 2 / sp**2 - 0.5,
            "Your squared distance of the means lacks its 1/2; the rest is right.",
        ),
        Mistake(
            "shift by the spread of q",
            lambda mq, sq, mp, sp: (sp / sq).log() + sq**2 / (2 * sp**2) + (mq - mp) ** 2 / (2 * sq**2) - 0.5,
            "You measure the distance of the means in standard deviations of q. It is p's density that falls off there.",
        ),
        Mistake(
            "entropy left out",
            lambda mq, sq, mp, sp: sp.log() + (sq**2 + (mq - mp) ** 2) / (2 * sp**2) + 0.5 * math.log(2 * math.pi),
            "Yours is the mean of -log p(x) over draws of q, the cross-entropy. KL is that much minus the entropy of q.",
        ),
        Mistake(
            "negative",
            lambda mq, sq, mp, sp: -gaussian_kl(mq, sq, mp, sp),
            "Yours is the negative of the divergence, which is never below 0: log q - log p, not the other way round.",
        ),
        Mistake(
            "symmetric",
            lambda mq, sq, mp, sp: (gaussian_kl(mq, sq, mp, sp) + gaussian_kl(mp, sp, mq, sq)) / 2,
            "Yours is the mean of both directions. Asked is one: the average is taken over draws of q.",
        ),
    ],
    gradients=[],  # two numbers to compare: a loop over plain numbers will do
    package=InPackage(
        "elbo.gaussian_kl(mean_q[:, None], std_q[:, None]**2, mean_p[:, None], std_p[:, None]**2), which sums over all dimensions but "
        "the first",
        lambda mq, sq, mp, sp: elbo.gaussian_kl(mq[:, None], sq[:, None] ** 2, mp[:, None], sp[:, None] ** 2),
    ),
    allowed={
        "mean_q and mean_p interchanged": "only the square of their difference counts",
    },
    hints=[
        "KL is the average, over draws of q, of log q(x) - log p(x). Write both logarithms out; the log(2π) terms cancel.",
        "Two averages over q are needed: of (x - mean_q)², and of (x - mean_p)². The second is the variance of q plus the "
        "squared distance of the means.",
        "Three terms: a logarithm of a ratio of stds; a fraction with the variance of p below it; a constant that makes q = p "
        "give 0. Mind the 1/2.",
    ],
    insight="With p = N(0, 1) it becomes -½(1 + log std² - mean² - std²): the KL term in the loss of every VAE (lesson 01).",
)

# -- 5 Jensen ---------------------------------------------------------------------------------------------------------


def log_mean_exp(log_y: Tensor) -> Tensor:
    """log of the average of y = exp(log_y) along each row: log (1/n · sum_i y_i).

    log_y (B, n), possibly very negative, such as -1000. Returns (B,).
    """
    return log_y.logsumexp(dim=1) - math.log(log_y.shape[1])


def log_mean_exp_by_hand(log_y):
    largest = log_y.max(dim=1, keepdim=True).values
    return largest[:, 0] + (log_y - largest).exp().mean(dim=1).log()


def log_mean_exp_in_a_loop(log_y):
    return torch.stack([torch.logsumexp(row - math.log(len(row)), dim=0) for row in log_y])


def log_values(B: int, n: int):
    return lambda g: (torch.randn(B, n, generator=g) - 1,)


LOG_MEAN_EXP = Exercise(
    name="00b.log_mean_exp",
    title="The logarithm of an average",
    minutes=5,
    level=2,
    reference=log_mean_exp,
    alternatives=[log_mean_exp_by_hand, log_mean_exp_in_a_loop],
    cases=[
        (torch.tensor([[0.0, 0.5, 1.5], [-3.0, -1.0, 1.0]]),),
        log_values(3, 4),
        log_values(2, 5),
        log_values(1, 1),
        log_values(4, 2),
    ],
    invariants=[
        Invariant(
            "far down",
            lambda f: close(f(torch.full((2, 3), -1000.0)), torch.full((2,), -1000.0), 1e-4),
            "For small numbers yours is right. With every log_y at -1000 the answer is -1000, and yours is not: exp(-1000) is stored as "
            "0. Look in the list of torch's functions for one that sums exponentials under a logarithm without leaving it.",
            only_if_right=True,
        ),
        Invariant(
            "a constant",
            lambda f: bool((f(torch.full((2, 7), 0.3)) - 0.3).abs().max() < 1e-4),
            "If all y in a row are equal, their average is that y. Yours depends on how many there are.",
        ),
        Invariant(
            "rows of different depth",
            lambda f: close(f(torch.tensor([[-1000.0, -1000.0], [0.0, 0.0]])), [-1000.0, 0.0], 1e-4),
            "Yours is right while the rows are alike. With one row at -1000 and another at 0 it is not: what you take out before exp "
            "must suit each row by itself.",
            only_if_right=True,
        ),
        Invariant(
            "a wide row",
            lambda f: close(f(torch.tensor([[-1000.0, 0.0, 0.0, 0.0]])), [math.log(0.75)], 1e-4),
            "Yours is right while the numbers of a row are alike. With [-1000, 0, 0, 0] it is not: after your shift an exponential is "
            "too large for the computer. Which number of a row makes the largest exponential 1?",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "mean of the logarithms",
            lambda log_y: log_y.mean(dim=1),
            "You average the logarithms. By Jensen that is never more than the logarithm of the average, and here it is less. "
            "Which of the two comes first?",
        ),
        Mistake(
            "sum for mean",
            lambda log_y: log_y.logsumexp(dim=1),
            "This is the logarithm of the sum. What does dividing by n do inside a logarithm?",
        ),
        Mistake(
            "divided outside the logarithm",
            lambda log_y: log_y.logsumexp(dim=1) / log_y.shape[1],
            "You divide the logarithm by n. It is the sum inside the logarithm that must be divided.",
        ),
        Mistake(
            "n subtracted",
            lambda log_y: log_y.logsumexp(dim=1) - log_y.shape[1],
            "You subtract n. Dividing by n inside a logarithm subtracts something much smaller outside.",
        ),
        Mistake(
            "counted the rows",
            lambda log_y: log_y.logsumexp(dim=1) - math.log(log_y.shape[0]),
            "You divide by the number of rows, B. Each row holds n numbers: that is the other axis.",
        ),
        Mistake(
            "wrong axis",
            lambda log_y: log_y.logsumexp(dim=0) - math.log(log_y.shape[0]),
            "You average down the columns. Every row is an experiment of its own: the average goes along it.",
        ),
        Mistake(
            "everything at once",
            lambda log_y: log_y.flatten().logsumexp(dim=0) - math.log(log_y.numel()),
            "You average over all rows together. One number for each row is asked for.",
        ),
        Mistake(
            "no logarithm",
            lambda log_y: log_y.exp().mean(dim=1),
            "This is the average itself. Its logarithm is asked for.",
        ),
        Mistake(
            "log n added",
            lambda log_y: log_y.logsumexp(dim=1) + math.log(log_y.shape[1]),
            "You add log n. Dividing by n inside the logarithm makes the result smaller.",
        ),
        Mistake(
            "largest alone",
            lambda log_y: log_y.max(dim=1).values,
            "Yours is the largest of each row. It rules the sum, but the others count too, and so does the division by n.",
        ),
        Mistake(
            "dimension kept",
            lambda log_y: log_y.logsumexp(dim=1, keepdim=True) - math.log(log_y.shape[1]),
            "The numbers are right; the averaged dimension is still there, with length 1. The docstring asks for (B,).",
        ),
        Mistake(
            "logarithm of the mean of the logs",
            lambda log_y: log_y.mean(dim=1).log(),
            "You take the logarithm of log_y once more. It is the logarithm of y already: first undo it.",
        ),
        Mistake(
            "sum of the logs",
            lambda log_y: log_y.sum(dim=1),
            "You add logarithms: that is the logarithm of the product. Asked is that of the average.",
        ),
        Mistake(
            "log n before the sum, twice",
            lambda log_y: (log_y - math.log(log_y.shape[1])).logsumexp(dim=1) - math.log(log_y.shape[1]),
            "You divide by n twice: once inside the sum and once outside.",
        ),
        Mistake(
            "logarithm to base 2",
            lambda log_y: log_y.exp().mean(dim=1).log2(),
            "Your last logarithm has base 2. Here all logarithms are natural.",
        ),
    ],
    gradients=[],  # a number to print: NumPy or a loop over plain numbers will do
    hints=[
        "exp, mean, log, in this order, along each row: that is the formula. Then think about log_y = -1000.",
        "The logarithm of a sum of exponentials has a function of its own in torch, which is safe for very negative numbers.",
        "A mean is a sum divided by n. Inside a logarithm a division becomes a subtraction: of what?",
    ],
    insight="Log-likelihoods of images lie in the thousands below zero. Nobody ever computes the likelihood itself.",
)

# -- 6 broadcasting ---------------------------------------------------------------------------------------------------


def noisy_batch(x0: Tensor, alpha: Tensor, sigma: Tensor, eps: Tensor) -> Tensor:
    """x_t = alpha·x0 + sigma·eps, every example of the batch at a noise level of its own.

    x0 and eps (B, …): images (B, C, H, W), points (B, D), or any other shape; alpha and sigma
    (B,). Returns x_t, of x0's shape.
    """
    shape = (-1,) + (1,) * (x0.ndim - 1)
    return alpha.view(shape) * x0 + sigma.view(shape) * eps


def noisy_in_a_loop(x0, alpha, sigma, eps):
    return torch.stack([a * x + s * e for x, a, s, e in zip(x0, alpha, sigma, eps, strict=True)])


def noisy_by_einsum(x0, alpha, sigma, eps):
    return torch.einsum("b,b...->b...", alpha, x0) + torch.einsum("b,b...->b...", sigma, eps)


def noisy_from_behind(x0, alpha, sigma, eps):
    return (alpha * x0.movedim(0, -1) + sigma * eps.movedim(0, -1)).movedim(-1, 0)


def a_batch(*shape: int):
    """alpha and sigma are free of each other: not every schedule has alpha² + sigma² = 1."""

    def build(g):
        alpha, sigma = 0.1 + 0.8 * torch.rand(2, shape[0], generator=g)
        return torch.randn(shape, generator=g), alpha, sigma, torch.randn(shape, generator=g)

    return build


def images_and_points_only(level: Tensor, x0: Tensor) -> Tensor:
    return level.view(-1, 1, 1, 1) if x0.ndim == 4 else level.view(-1, 1)


def per_example(level: Tensor, x0: Tensor) -> Tensor:
    return level.view(-1, *[1] * (x0.ndim - 1))


def noisy_with(level: Callable) -> Callable:
    """The right formula with level(alpha, x0) in place of alpha, and the same for sigma."""
    return lambda x0, alpha, sigma, eps: level(alpha, x0) * x0 + level(sigma, x0) * eps


NOISY_BATCH = Exercise(
    name="00b.noisy_batch",
    title="One noise level an image",
    minutes=5,
    level=2,
    reference=noisy_batch,
    alternatives=[noisy_in_a_loop, noisy_by_einsum, noisy_from_behind],
    cases=[a_batch(3, 1, 3, 3), a_batch(2, 3, 4, 5), a_batch(5, 2), a_batch(2, 2, 3), a_batch(1, 1, 2, 2), a_batch(4)],
    invariants=[
        Invariant(
            "one image alone",
            lambda f: close(
                f(torch.ones(2, 1, 2, 2), torch.tensor([1.0, 0.0]), torch.zeros(2), torch.zeros(2, 1, 2, 2))[0],
                torch.ones(1, 2, 2),
            ),
            "An image with alpha = 1 and sigma = 0 must come out as it went in, whatever its neighbours in the batch do.",
        ),
    ],
    mistakes=[
        Mistake(
            "not reshaped",
            noisy_with(lambda level, x0: level),
            "(B,) is lined up with the last axis: every column of pixels gets a level of its own. Where B and the "
            "width agree, nothing warns you. Which axis of alpha should stand opposite the batch?",
        ),
        Mistake(
            "one axis added",
            noisy_with(lambda level, x0: level[:, None]),
            "(B, 1) is lined up with the last two axes: in an image that is height and width, and every row of pixels gets a "
            "level of its own.",
        ),
        Mistake(
            "two axes added",
            noisy_with(lambda level, x0: level.view(-1, 1, 1)),
            "(B, 1, 1) is lined up with channels, height and width. One axis more, and B stands opposite the batch.",
        ),
        Mistake(
            "images only",
            noisy_with(lambda level, x0: level.view(-1, 1, 1, 1)),
            "Right for images. With points (B, D) your four axes make something four-dimensional of them: how many axes does x0 have?",
        ),
        Mistake(
            "one level for all",
            noisy_with(lambda level, x0: level[0]),
            "All examples get the level of the first one.",
        ),
        Mistake(
            "average level",
            noisy_with(lambda level, x0: level.mean()),
            "All examples get the average level. Each has one of its own.",
        ),
        Mistake(
            "alpha and sigma swapped",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, sigma, alpha, eps),
            "Your signal is multiplied by sigma and your noise by alpha.",
        ),
        Mistake(
            "variance for standard deviation",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, sigma**2, eps),
            "Your noise is multiplied by sigma², its variance. A factor c makes the variance of standard noise c²: which c gives "
            "sigma²?",
        ),
        Mistake(
            "noise not scaled",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, torch.ones_like(sigma), eps),
            "Your noise has its full strength at every level.",
        ),
        Mistake(
            "images and points only",
            noisy_with(images_and_points_only),
            "Right for images and for points (B, D). The docstring says any shape: let the number of axes come from x0.",
        ),
        Mistake(
            "sigma from alpha",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, (1 - alpha**2).sqrt(), eps),
            "You work out sigma from alpha. That holds where alpha² + sigma² = 1, which nobody promised here: sigma is given.",
        ),
        Mistake(
            "alpha from sigma",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, (1 - sigma**2).sqrt(), sigma, eps),
            "You work out alpha from sigma. That holds where alpha² + sigma² = 1, which nobody promised here: alpha is given.",
        ),
        Mistake(
            "alpha taken for alpha_bar",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha.sqrt(), (1 - alpha).sqrt(), eps),
            "You take roots of alpha, as if it were ᾱ. Here alpha and sigma are the factors themselves.",
        ),
        Mistake(
            "roots",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha.sqrt(), sigma.sqrt(), eps),
            "You take roots of alpha and sigma. They are the factors themselves; roots belong to variances.",
        ),
        Mistake(
            "noise of its own",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, sigma, torch.randn_like(x0)),
            "You draw noise of your own. The noise to use is passed as eps.",
        ),
        Mistake(
            "alpha forgotten",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, torch.ones_like(alpha), sigma, eps),
            "Your signal has its full strength at every level: alpha is not used.",
        ),
        Mistake(
            "alpha before the bracket",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, alpha * sigma, eps),
            "You multiply the noise by alpha as well. Only the image is to fade.",
        ),
        Mistake(
            "noise subtracted",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, -sigma, eps),
            "You subtract the noise. On average that makes no difference, but the formula adds it, and who gets x_t and eps counts on "
            "that.",
        ),
        Mistake(
            "flattened",
            lambda x0, alpha, sigma, eps: noisy_batch(x0, alpha, sigma, eps).flatten(1),
            "Your numbers are right, but every example is flattened. x_t has x0's shape.",
        ),
    ],
    gradients=[],  # x_t is what a network is given: nothing is trained through it here
    allowed={
        "x0 -> eps (2)": "both have the same number of axes",
    },
    hints=[
        "Write the shape of alpha under the shape of x0, both flush right. Which numbers stand above each other?",
        "alpha must become (B, 1, 1, 1) for images and (B, 1) for points: as many axes as x0, all but the first of length 1.",
        "Build that shape from x0.ndim and use it for alpha and for sigma.",
    ],
    insight="schedule.at(t, like=x0) does this for you in all later lessons: it hands out levels in the shape of the batch.",
)

# -- 7 autograd -------------------------------------------------------------------------------------------------------


def score(log_prob, x: Tensor) -> Tensor:
    """The gradient of log p at each of the points x, by autograd.

    log_prob is a function that takes points (B, D) and returns (B,), each entry from its own
    point alone. x (B, D), which stays as it is.
    Returns (B, D).
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(log_prob(x).sum(), x)
    return gradient


def score_by_backward(log_prob, x):
    leaf = x.clone().requires_grad_(True)
    log_prob(leaf).sum().backward()
    return leaf.grad


def score_point_by_point(log_prob, x):
    rows = []
    for point in x:
        leaf = point[None].clone().requires_grad_()
        rows.append(torch.autograd.grad(log_prob(leaf)[0], leaf)[0][0])
    return torch.stack(rows)


def score_by_func(log_prob, x):
    return torch.func.grad(lambda y: log_prob(y).sum())(x)


def bell(x: Tensor) -> Tensor:
    """log N(x; 1, 0.5²) without its constant."""
    return -((x - 1) ** 2).sum(dim=1) / (2 * 0.5**2)


def pair_of_bells(x: Tensor) -> Tensor:
    """log of two equal bells, around -1 and +1.5 in every coordinate."""
    logs = [-((x - m) ** 2).sum(dim=1) / (2 * s**2) - x.shape[1] * math.log(s) for m, s in ((-1.0, 0.6), (1.5, 0.9))]
    return torch.stack(logs).logsumexp(dim=0) - 1.0


def score_by_mixture(log_prob, x):
    """The package's score, of the two densities that the cases ask for."""
    means, stds = ([[1.0]], [0.5]) if log_prob is bell else ([[-1.0], [1.5]], [0.6, 0.9])
    return GaussianMixture([m * x.shape[1] for m in means], stds).score(x)


def gradient_of(change: Callable) -> Callable:
    """The gradient of change(log_prob(x)) for a wrong answer."""

    def wrong(log_prob, x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad(change(log_prob(x)), x)[0]

    return wrong


def leaves_the_tensor_alone(answer: Callable) -> bool:
    x = torch.ones(2, 1)
    answer(bell, x)
    return not x.requires_grad and x.grad is None


SCORE = Exercise(
    name="00b.score",
    title="A score by autograd",
    minutes=6,
    level=2,
    reference=score,
    alternatives=[score_by_backward, score_point_by_point, score_by_func],
    cases=[
        (bell, torch.tensor([[0.0], [2.0]])),
        lambda g: (pair_of_bells, torch.randn(3, 2, generator=g)),
        lambda g: (pair_of_bells, torch.randn(4, 1, generator=g)),
        lambda g: (bell, 2 * torch.randn(1, 3, generator=g)),
    ],
    invariants=[
        Invariant(
            "the caller's tensor",
            leaves_the_tensor_alone,
            "After your function the caller's x is tracked by autograd, or holds a gradient: a second call would add to it. "
            "Work on a detached copy of x.",
        ),
        Invariant(
            "at the top",
            lambda f: close(f(bell, torch.ones(1, 2)), torch.zeros(1, 2)),
            "At the top of a bell the slope is 0. Yours is not.",
        ),
    ],
    mistakes=[
        Mistake(
            "wrong sign",
            gradient_of(lambda logs: -logs.sum()),
            "Yours points downhill. A score points to where the density grows; a loss is what one goes down.",
        ),
        Mistake(
            "mean for sum",
            gradient_of(lambda logs: logs.mean()),
            "Yours is B times too small: in a mean every point has the weight 1/B. To get B gradients by one call, "
            "each log density must enter with the weight 1.",
        ),
        Mistake(
            "gradient of the density",
            gradient_of(lambda logs: logs.exp().sum()),
            "This is the gradient of p. That of log p is the same divided by p: large even where there is hardly any density.",
        ),
        Mistake(
            "first point only",
            gradient_of(lambda logs: logs[0]),
            "Only the first point has a gradient, the others get 0: backward starts from a single number. Which number depends "
            "on all points?",
        ),
        Mistake(
            "log of the summed density",
            gradient_of(lambda logs: logs.logsumexp(dim=0)),
            "You sum densities and take the logarithm afterwards, so the points share out one gradient. Sum the logarithms.",
        ),
        Mistake(
            "log density returned",
            lambda log_prob, x: log_prob(x),
            "These are the log densities themselves, (B,). Their slopes are asked for.",
        ),
        Mistake(
            "summed over the points",
            lambda log_prob, x: score(log_prob, x).sum(dim=0),
            "You added up the gradients of all points. One row for each point is asked for.",
        ),
        Mistake(
            "length one",
            lambda log_prob, x: torch.nn.functional.normalize(score(log_prob, x), dim=1),
            "Your arrows point the right way but all have length 1. How steep the slope is counts as well.",
        ),
        Mistake(
            "not summed",
            gradient_of(lambda logs: logs),
            "You ask for the gradient of B numbers at once, and PyTorch wants a single one. Point b moves only log density b: which "
            "single number has all B gradients in it?",
        ),
        Mistake(
            "not tracked",
            lambda log_prob, x: torch.autograd.grad(log_prob(x).sum(), x)[0],
            "Autograd was never told to follow x, so there is no way back from log p to it. Switch gradients on, for a copy of x.",
        ),
        Mistake(
            "summed over the coordinates",
            lambda log_prob, x: score(log_prob, x).sum(dim=1),
            "You added up the coordinates of each gradient. A gradient has a direction: as many numbers as x.",
        ),
        Mistake(
            "averaged over the points",
            lambda log_prob, x: score(log_prob, x).mean(dim=0),
            "You averaged the gradients of all points. One row for each point is asked for.",
        ),
        Mistake(
            "score of a standard Gaussian",
            lambda log_prob, x: -x,
            "Yours is the score of N(0, 1), whatever log_prob is. Ask log_prob how it changes.",
        ),
        Mistake(
            "times the log density",
            lambda log_prob, x: score(log_prob, x) * log_prob(x)[:, None],
            "You multiply each gradient by its log density. The gradient alone is asked for.",
        ),
    ],
    package=InPackage(
        "mixture.score(x), where p is a GaussianMixture: by a formula, without autograd",
        score_by_mixture,
    ),
    allowed={
        "log_prob called twice": "the stub does not count calls",
        "x detached": "the reference detaches it as well",
        "its result detached": "it is a derivative, and has none of its own",
    },
    hints=[
        "Autograd differentiates one number with respect to a tensor. You have B numbers.",
        "Point b influences only log density b. So the gradient of their sum holds all B gradients, one a row.",
        "Copy x without its history and switch gradients on; evaluate; add up; then torch.autograd.grad, or backward and the "
        "copy's .grad.",
    ],
    insight="Lesson 07 learns this field from data alone, and the denoiser of section 7 already holds it.",
)


def train(network: nn.Module, batches: list, lr: float) -> tuple[Tensor, Tensor]:
    """Train a copy of a network to denoise; loss = mean squared error.

    One step of torch.optim.Adam for each batch. batches: pairs (x_t, x0), each (B, 1); the
    network guesses x0 from x_t. Begin with copy.deepcopy(network): the caller's stays as it is.
    Returns the trained parameters as one vector (nn.utils.parameters_to_vector, detached), and
    the losses as a tensor (steps,), each taken before its step.
    """
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = ((network(x_t) - x0) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return nn.utils.parameters_to_vector(network.parameters()).detach(), torch.tensor(losses)


def train_with_mse(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        loss = nn.functional.mse_loss(network(x_t), x0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
    return nn.utils.parameters_to_vector(network.parameters()).detach(), torch.tensor(losses)


def train_by_grad(network, batches, lr):
    network = copy.deepcopy(network)
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=lr)
    losses = torch.zeros(len(batches))
    for i, (x_t, x0) in enumerate(batches):
        loss = (x0 - network(x_t)).square().sum() / x0.numel()
        for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        losses[i] = loss.detach()
    return nn.utils.parameters_to_vector(network.parameters()).detach(), losses


def train_wrong(
    loss: Callable = lambda guess, x_t, x0: ((guess - x0) ** 2).mean(),
    order: str = "zbs",
    sign: float = 1.0,
    method: Callable = torch.optim.Adam,
    rate: float | None = None,
    new_each_step: bool = False,
    last: Callable = torch.tensor,
) -> Callable:
    """A loop with another loss or optimizer, or another order of zero_grad, backward and step."""

    def wrong(network, batches, lr):
        network, lr = copy.deepcopy(network), rate or lr
        optimizer = method(network.parameters(), lr=lr)
        losses = []
        for x_t, x0 in batches:
            optimizer = method(network.parameters(), lr=lr) if new_each_step else optimizer
            value = loss(network(x_t), x_t, x0)
            for letter in order:
                if letter == "z":
                    optimizer.zero_grad()
                elif letter == "b":
                    (sign * value).backward()
                else:
                    optimizer.step()
            losses.append(value.item())
        return nn.utils.parameters_to_vector(network.parameters()).detach(), last(losses)

    return wrong


def inputs_and_targets_swapped(network, batches, lr):
    return train(network, [(x0, x_t) for x_t, x0 in batches], lr)


def vector_of_the_original(network, batches, lr):
    return nn.utils.parameters_to_vector(network.parameters()).detach(), train(network, batches, lr)[1]


def losses_after_the_step(network, batches, lr):
    network = copy.deepcopy(network)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    losses = []
    for x_t, x0 in batches:
        optimizer.zero_grad()
        ((network(x_t) - x0) ** 2).mean().backward()
        optimizer.step()
        losses.append(((network(x_t) - x0) ** 2).mean().item())
    return nn.utils.parameters_to_vector(network.parameters()).detach(), torch.tensor(losses)


class TinyNetwork(nn.Module):
    """A network (B, 1) -> (B, 1) with fixed random weights, which takes float32 and float64."""

    def __init__(self, hidden: int, generator: torch.Generator):
        super().__init__()
        self.first = nn.utils.skip_init(nn.Linear, 1, hidden)  # leaves the global generator alone
        self.last = nn.utils.skip_init(nn.Linear, hidden, 1)
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x.to(self.first.weight.dtype)).tanh())

    def __repr__(self) -> str:
        return f"a network with {self.first.out_features} hidden units"


def a_training(hidden: int, B: int, steps: int, lr: float):
    """The batches grow by one example a step."""

    def build(g):
        batches = []
        for step in range(steps):
            x0 = 1 + torch.randn(B + step, 1, generator=g)
            batches.append((0.8 * x0 + 0.6 * torch.randn(B + step, 1, generator=g), x0))
        return TinyNetwork(hidden, g), batches, lr

    return build


TRAIN = Exercise(
    name="00b.train",
    title="A training loop",
    minutes=10,
    level=3,
    reference=train,
    alternatives=[train_with_mse, train_by_grad],
    cases=[a_training(2, 3, 4, 0.05), a_training(3, 5, 5, 0.01), a_training(1, 1, 3, 0.2)],
    invariants=[
        Invariant(
            "a detached vector",
            lambda f: not f(*a_training(1, 2, 1, 0.1)(torch.Generator().manual_seed(0)))[0].requires_grad,
            "Your numbers are right. Your vector still hangs on the graph that autograd keeps of the parameters; the docstring asks for "
            "it detached.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "missing zero_grad",
            train_wrong(order="bs"),
            "Your gradients are never cleared: backward adds to what is there, so step number 3 goes along the sum of three gradients. "
            "Which call starts each step with a clean sheet?",
        ),
        Mistake(
            "the parameters never move",
            train_wrong(order="zb"),
            "Your parameters are the same at the end as at the start: either no step is made, or it is made while the "
            "gradients are empty (before backward, or after they were cleared). Write down the order of the three "
            "calls.",
        ),
        Mistake(
            "one step late",
            train_wrong(order="szb"),
            "Your step comes before backward, so it follows the gradient of the batch before; the first step has none at all.",
        ),
        Mistake(
            "uphill",
            train_wrong(sign=-1.0),
            "Your parameters go uphill: step goes against the gradient of whatever you called backward on. That should be the "
            "loss itself.",
        ),
        Mistake(
            "sum for mean",
            train_wrong(lambda guess, x_t, x0: ((guess - x0) ** 2).sum()),
            "Your loss is the sum over the batch: twice the batch, twice the loss. A mean makes losses of different batches "
            "comparable.",
        ),
        Mistake(
            "wrong target",
            train_wrong(lambda guess, x_t, x0: ((guess - x_t) ** 2).mean()),
            "Your network is trained to give back the noisy input. What is it to guess?",
        ),
        Mistake(
            "absolute error",
            train_wrong(lambda guess, x_t, x0: (guess - x0).abs().mean()),
            "Your loss is the mean absolute error. The best guess under it is the median of x0; squares lead to the mean.",
        ),
        Mistake(
            "root of the mean square",
            train_wrong(lambda guess, x_t, x0: ((guess - x0) ** 2).mean().sqrt()),
            "Your loss is the root of the mean squared error. It has the same lowest point, but is not what was asked for.",
        ),
        Mistake(
            "half the square",
            train_wrong(lambda guess, x_t, x0: ((guess - x0) ** 2).mean() / 2),
            "Your loss has a factor 1/2. That is common in texts; here the plain mean of the squares is asked for.",
        ),
        Mistake(
            "plain gradient descent",
            train_wrong(method=torch.optim.SGD),
            "Your loop is right; your optimizer is SGD. Adam is asked for, which gives every parameter a step size of its own.",
        ),
        Mistake(
            "loss after the step",
            losses_after_the_step,
            "Your training is right. The losses that you write down are measured after each step; the docstring asks for those "
            "before it.",
        ),
        Mistake(
            "inputs and targets swapped",
            inputs_and_targets_swapped,
            "Your network sees the clean x0 and guesses the noisy x_t. A denoiser goes the other way.",
        ),
        Mistake(
            "every guess meets every target",
            train_wrong(lambda guess, x_t, x0: ((guess - x0.squeeze(1)) ** 2).mean()),
            "Your guess is (B, 1) and your target (B,): their difference is (B, B), every guess against every target. Print the two "
            "shapes.",
        ),
        Mistake(
            "learning rate ignored",
            train_wrong(rate=1e-3),
            "You do not use lr: your steps have Adam's own size, 0.001.",
        ),
        Mistake(
            "a new optimizer each step",
            train_wrong(new_each_step=True),
            "You make a new Adam in every step. It averages gradients over steps, so it must live as long as the loop does.",
        ),
        Mistake(
            "losses as a list",
            train_wrong(last=list),
            "Your training is right. The losses are a list; the docstring asks for a tensor.",
        ),
        Mistake(
            "mean loss",
            train_wrong(last=lambda losses: torch.tensor(losses).mean()),
            "Your training is right. You return one loss for all steps; the docstring asks for each of them.",
        ),
        Mistake(
            "last loss",
            train_wrong(last=lambda losses: torch.tensor(losses[-1])),
            "Your training is right. You return the last loss alone; the docstring asks for each of them.",
        ),
        Mistake(
            "vector of the original",
            vector_of_the_original,
            "Your losses are right. Your vector holds the parameters of the caller's network, which nobody trained; asked are the copy's.",
        ),
        Mistake(
            "AdamW",
            train_wrong(method=torch.optim.AdamW),
            "Your optimizer is AdamW, which also pulls all weights towards 0. Plain Adam is asked for.",
        ),
        Mistake(
            "backward twice over", train_wrong(order="zbss"), "You make two steps for each batch. One is asked for."
        ),
    ],
    allowed={
        "network in the other mode": "nothing in it knows a mode",
        "its result detached": "the vector is detached, the losses are numbers",
    },
    hints=[
        "Before the loop: a copy of the network, an optimizer for the copy's parameters, an empty list. In the loop five lines: the "
        "loss, three calls, and the loss is written down.",
        "Gradients add up over calls of backward, and step uses whatever is there. So: clear, compute, move.",
        "loss from network(x_t) and x0; optimizer.zero_grad; loss.backward; optimizer.step. Any order that keeps each gradient "
        "to its own step will do.",
    ],
    insight="Every model of this course is trained by these five lines; diffcourse.train.fit adds only averaging, clipping and "
    "checkpoints.",
)

EXERCISES = [
    STANDARD_ERROR,
    WEIGHTED_SUM,
    POSTERIOR_ON_GRID,
    RESPONSIBILITIES,
    GAUSSIAN_KL,
    LOG_MEAN_EXP,
    NOISY_BATCH,
    SCORE,
    TRAIN,
]

# -- questions --------------------------------------------------------------------------------------------------------

DIAGNOSTIC = Quiz(
    "00b.diagnostic",
    title="Ten questions: what do you need of this lesson?",
    questions=[
        Question(
            "You estimate a mean from 100 independent draws. How many draws give a tenth of the error?",
            options=[
                Option(
                    "1,000: ten times as many",
                    "Ten times the draws divide the error by √10, which is about 3.2.",
                ),
                Option(
                    "10,000: a hundred times as many",
                    "The error falls with √n: a tenth costs a hundred times the draws. If you hesitated: section 1.",
                    right=True,
                ),
                Option(
                    "1,000,000: ten thousand times as many",
                    "So many would leave a hundredth of the error.",
                ),
            ],
        ),
        Question(
            "X and Y are independent Gaussians with standard deviations 3 and 4. What is the standard deviation of X + Y?",
            options=[
                Option(
                    "7",
                    "That holds only if they always swing the same way together.",
                ),
                Option(
                    "3.5",
                    "That is the mean of the two; a sum of independent variables is wider than each of them.",
                ),
                Option(
                    "5",
                    "Variances add, 9 + 16 = 25, and √25 = 5. If you hesitated: section 2.",
                    right=True,
                ),
            ],
        ),
        Question(
            "A noise image has 784 pixels, each drawn from N(0, 1). How long is it, taken as a vector?",
            options=[
                Option(
                    "Close to 28, the root of 784, nearly always",
                    "Its squared length is a sum of 784 squares with mean 1, and √784 = 28. If you hesitated: section 2.",
                    right=True,
                ),
                Option(
                    "Close to 0, the most likely of all points",
                    "The density is highest at 0, but hardly any draw is near it: there is so little room there.",
                ),
                Option(
                    "Close to 784, one for each of its pixels",
                    "That is the square of its length: 784 squares are added up, each with mean 1.",
                ),
            ],
        ),
        Question(
            "Bump A holds 90 % of the data, bump B 10 %. At the point x both bumps have the same density. Did x come from A?",
            options=[
                Option(
                    "With probability 0.5: the densities are equal",
                    "Equal densities leave the prior as it was. Was the prior equal?",
                ),
                Option(
                    "That depends on the distances to both middles",
                    "The distances are in the densities already, and these are equal.",
                ),
                Option(
                    "With probability 0.9: only the prior decides here",
                    "Posterior is prior times likelihood, normalised: 0.9 against 0.1. If you hesitated: section 3.",
                    right=True,
                ),
            ],
        ),
        Question(
            "xₜ = α·x₀ + σ·ε, and α is almost 0. You see xₜ. What do you know of x₀?",
            options=[
                Option(
                    "Hardly more than the prior told you before",
                    "xₜ is nearly the same for all x₀, so it decides nothing: the posterior is close to the prior. If you hesitated: "
                    "section 3.",
                    right=True,
                ),
                Option(
                    "That it is xₜ/α, with next to no error left",
                    "That is so where σ is almost 0. Here the noise, divided by α, is huge.",
                ),
                Option(
                    "That it is standard Gaussian by now, like xₜ",
                    "xₜ is nearly that. But the data are what they were: noising x₀ does not change where it came from.",
                ),
            ],
        ),
        Question(
            "What is KL(q || p), the divergence of two densities?",
            options=[
                Option(
                    "A distance, the same in both directions",
                    "Write KL(p || q) down, too: over which of the two is averaged there?",
                ),
                Option(
                    "The mean of log q − log p over draws of q",
                    "It is 0 only where both are the same, and never negative. If you hesitated: section 4.",
                    right=True,
                ),
                Option(
                    "The area that lies between the two curves",
                    "That area is a measure of difference as well, but it has no logarithm in it.",
                ),
            ],
        ),
        Question(
            "Y is a positive random number. Compare log E[Y] with E[log Y].",
            options=[
                Option(
                    "They are equal: log and mean can be swapped",
                    "Only where Y does not vary at all. Try Y = 0.1 or 1.9, each half of the time.",
                ),
                Option(
                    "log E[Y] is as large as E[log Y], or larger",
                    "The logarithm bends downwards: that is Jensen's inequality. If you hesitated: section 5.",
                    right=True,
                ),
                Option(
                    "Which one is larger depends on how Y varies",
                    "The logarithm bends the same way everywhere, so the order is the same for every Y.",
                ),
            ],
        ),
        Question(
            "`images` has the shape (32, 1, 32, 32), `alpha` the shape (32,). What does `alpha * images` do?",
            options=[
                Option(
                    "It multiplies each image by its own alpha",
                    "For that, `alpha` must have the shape (32, 1, 1, 1).",
                ),
                Option(
                    "It stops: 1 dimension cannot meet 4 of them",
                    "Missing dimensions are taken as 1, on the left. It stops only where two sizes differ and neither is 1.",
                ),
                Option(
                    "It multiplies each pixel column by an alpha",
                    "Shapes are lined up from the right, and nothing warns you. If you hesitated: section 6.",
                    right=True,
                ),
            ],
        ),
        Question(
            "You call `loss.backward()` in every step and never `optimizer.zero_grad()`. What does a step follow?",
            options=[
                Option(
                    "The sum of all the gradients so far",
                    "`backward` adds to `.grad`. If you hesitated: section 7.",
                    right=True,
                ),
                Option(
                    "The newest gradient, as it should",
                    "For that, somebody would have to empty `.grad` before.",
                ),
                Option(
                    "Nothing: PyTorch raises an error",
                    "There is no error and no warning, which is why this mistake is so common.",
                ),
            ],
        ),
        Question(
            "A network sees xₜ and is trained to guess x₀ under the squared error, with data and time without end. What does it give?",
            options=[
                Option(
                    "One random draw from p(x₀ | xₜ)",
                    "It gives one answer for each xₜ, the same every time. The squared error rewards which one?",
                ),
                Option(
                    "The mean of x₀ over p(x₀ | xₜ)",
                    "The mean is what minimises the expected square, even where it is itself an unlikely value. If you hesitated: "
                    "sections 3 and 7.",
                    right=True,
                ),
                Option(
                    "The most likely x₀ of p(x₀ | xₜ)",
                    "That would make misses rare. A squared error counts how far a miss is, too.",
                ),
            ],
        ),
    ],
)

LAST = Quiz(
    "00b.last",
    title="Before you go on",
    questions=[
        Question(
            "x₀ has variance 1, and ε is standard noise. Which c gives xₜ = √0.64·x₀ + c·ε the variance 1?",
            options=[
                Option(
                    "0.36",
                    "0.36 is the variance that the noise must bring. As a factor it brings 0.36², about 0.13.",
                ),
                Option(
                    "0.6",
                    "0.64 + 0.6² = 1: variances add, factors come in squared.",
                    right=True,
                ),
                Option(
                    "0.2",
                    "0.8 + 0.2 = 1 adds standard deviations.",
                ),
            ],
        ),
        Question(
            "The bound is the mean of log(p(x, z)/q(z)) over z drawn from q. For every q, log p(x) minus the bound equals …",
            options=[
                Option(
                    "KL(q || p(z)), the divergence from the prior",
                    "Compare the two columns in the table of section 5: this one is not the gap.",
                ),
                Option(
                    "the error of a Monte-Carlo estimate, 0 for endless draws",
                    "The table is exact, nothing was drawn, and the gap was there.",
                ),
                Option(
                    "KL(q || p(z | x)), the divergence from the posterior",
                    "So the bound is tight exactly where q is the posterior.",
                    right=True,
                ),
            ],
        ),
        Question(
            "Your denoiser's loss stops falling at 0.25. What do you conclude?",
            options=[
                Option(
                    "Nothing yet: part of x₀ may be lost in the noise for good",
                    "The noise hides part of x₀ from every denoiser. The floor is the mean variance of p(x₀ | xₜ), and it is not 0: "
                    "compare.",
                    right=True,
                ),
                Option(
                    "The network is too small: a larger one gets down to 0",
                    "Think of the exact denoiser, which no network can beat. Does its loss get down to 0?",
                ),
                Option(
                    "The learning rate is too high: a lower one gets down to 0",
                    "The rate may be too high. But does even the exact denoiser get down to 0?",
                ),
            ],
        ),
        Question(
            "The loss of a small network stays at the variance of the data, from the first step to the last. What do you look at first?",
            options=[
                Option(
                    "The seed: it met a bad start, and the next one may be better",
                    "Another seed gives another path, not a plateau at one telling number.",
                ),
                Option(
                    "The shapes: guess and target may not be paired as you think",
                    "(B, 1) against (B,) compares every guess with every target; the best that is left is to guess the mean.",
                    right=True,
                ),
                Option(
                    "The number of steps: small networks take long to get going",
                    "A plateau does not end by waiting. Its height is a number that tells something.",
                ),
            ],
        ),
    ],
)

QUIZZES = [DIAGNOSTIC, LAST]
