"""Which loss a trained network must at least reach."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close


def band(eigenvalues: Tensor, alphas: Tensor, sigmas: Tensor) -> Tensor:
    """The loss of the best linear noise predictor, level by level.

    Data x0 of D numbers have mean 0 and a covariance with the given eigenvalues (D,), none of
    them negative, in any order; nothing else is known of them. At a level x_t is
    alpha·x0 + sigma·eps, where eps is standard Gaussian noise, independent of x0. A linear
    predictor gives A·x_t, where A is a matrix (D, D) that is chosen for each level by itself.
    alphas and sigmas (T,): the levels; none is negative, and no level has both 0. At a level
    with sigma = 0 take the limit of a sigma that falls towards 0.
    Returns (T,): for the best A, the mean of the squared errors of the D numbers of eps, on
    average over x0 and eps. Predicting 0 everywhere would give 1. No gradient is needed.
    """
    signal = alphas[:, None] ** 2 * eigenvalues
    seen = signal + sigmas[:, None] ** 2
    return (signal / seen.where(signal > 0, 1.0)).mean(dim=1)


def by_what_is_explained(eigenvalues, alphas, sigmas):
    """1 minus the share of eps that x_t explains, in every direction."""
    rows = []
    for alpha, sigma in zip(alphas.tolist(), sigmas.tolist(), strict=True):
        left = [1 - sigma**2 / (alpha**2 * lam + sigma**2) if alpha * lam > 0 else 0.0 for lam in eigenvalues.tolist()]
        rows.append(sum(left) / len(left))
    return torch.tensor(rows)


def by_least_squares(eigenvalues, alphas, sigmas):
    """The normal equations, with matrices."""
    eye, data = torch.eye(len(eigenvalues), dtype=torch.float64), torch.diag(eigenvalues.double())
    losses = []
    for alpha, sigma in zip(alphas.double(), sigmas.double(), strict=True):
        cross, inputs = sigma * eye, alpha**2 * data + sigma.clamp(min=1e-12) ** 2 * eye
        matrix = torch.linalg.solve(inputs, cross, left=False)
        error = eye - matrix @ cross.T - cross @ matrix.T + matrix @ inputs @ matrix.T
        known = (eigenvalues == 0) & (sigma == 0)
        losses.append(error.diagonal().where(~known, 0.0).mean())
    return torch.stack(losses)


def by_snr(eigenvalues, alphas, sigmas):
    snr = (alphas.double() / sigmas.double().clamp(min=1e-150))[:, None] ** 2 * eigenvalues.double()
    return (1 - 1 / (1 + snr)).mean(1)


def _mean(each: Callable) -> Callable:
    """The mean over directions of `each(signal's variance, noise's variance)`."""
    return lambda eigenvalues, alphas, sigmas: (
        each(alphas[:, None] ** 2 * eigenvalues, sigmas[:, None] ** 2).expand(len(alphas), len(eigenvalues)).mean(dim=1)
    )


def _share(a: Tensor, b: Tensor) -> Tensor:
    """a/(a + b), 0 where both are."""
    return torch.where(a > 0, a / (a + b), 0.0 * a)


def drawn(T: int, D: int, scale: float = 1.0, zeros: int = 0) -> Callable:
    """A case: D eigenvalues of very different size in any order, T levels of a variance-preserving schedule."""

    def case(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        eigenvalues = scale * torch.exp(2 * torch.randn(D, generator=g))
        eigenvalues[torch.randperm(D, generator=g)[:zeros]] = 0.0
        angle = (0.05 + 1.4 * torch.rand(T, generator=g)).sort().values
        return eigenvalues, angle.cos(), angle.sin()

    return case


LAM = torch.tensor([3.0, 0.5, 0.02, 1.2])
ALPHAS, SIGMAS = torch.tensor([0.95, 0.6, 0.2]), torch.tensor([0.3122, 0.8, 0.9798])


def between_zero_and_one(f: Callable) -> bool:
    found = torch.as_tensor(f(LAM, ALPHAS, SIGMAS))
    return bool(((found > 0) & (found < 1)).all())


def one_direction_is_halfway(f: Callable) -> bool:
    """As much signal as noise: half of the noise is known."""
    return close(f(torch.tensor([4.0]), torch.tensor([0.5]), torch.tensor([1.0])), torch.tensor([0.5]))


def nothing_but_noise(f: Callable) -> bool:
    return close(f(LAM, torch.tensor([0.0]), torch.tensor([1.0])), torch.zeros(1))


def hardly_any_noise(f: Callable) -> bool:
    levels = torch.ones(2), torch.tensor([0.0, 1e-4])
    return close(f(LAM, *levels), torch.ones(2), 1e-4)


def flat_directions_are_known(f: Callable) -> bool:
    lam = torch.tensor([2.0, 0.0, 0.0, 0.0])
    found = f(lam, torch.tensor([1.0, 0.8]), torch.tensor([1e-4, 0.6]))
    return close(found, torch.tensor([0.25, 0.25 * 1.28 / 1.64]), 1e-4)


def each_level_by_itself(f: Callable) -> bool:
    return close(f(LAM, ALPHAS.flip(0), SIGMAS.flip(0)), torch.as_tensor(f(LAM, ALPHAS, SIGMAS)).flip(0))


def units_do_not_matter(f: Callable) -> bool:
    """x_t times a number is no other x_t."""
    return close(f(LAM, 7 * ALPHAS, 7 * SIGMAS), f(LAM, ALPHAS, SIGMAS))


EXERCISE = Exercise(
    name="11.band",
    title="What a network must at least reach",
    minutes=12,
    level=2,
    reference=band,
    alternatives=[by_what_is_explained, by_least_squares, by_snr],
    gradients=[],
    allowed={
        "eigenvalues rows reversed": "a mean does not know the order",
        "* negated": "only the squares count",
        "1.0 -> *": "what 0 is divided by in a direction without signal",
    },
    cases=[
        (torch.tensor([2.0, 0.1]), torch.tensor([0.8, 0.3]), torch.tensor([0.6, 0.9539])),
        drawn(3, 4),
        drawn(5, 3, scale=0.1),
        drawn(4, 6, zeros=2),
        (torch.tensor([0.3, 4.0, 1.0]), torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])),
        (torch.tensor([0.0, 4.0, 0.7, 0.0]), torch.tensor([1.0, 0.9, 0.2]), torch.tensor([0.0, 0.4359, 0.9798])),
        (torch.tensor([0.2, 1.5]), torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.002, 1.5, 80.0])),
        (torch.tensor([0.9]), torch.tensor([0.5, 2.0]), torch.tensor([0.7, 1.0])),
    ],
    invariants=[
        Invariant(
            "nothing but noise",
            nothing_but_noise,
            "With alpha = 0 and sigma = 1, x_t is the noise itself: there is nothing left to get wrong. Yours still finds an error.",
        ),
        Invariant(
            "hardly any noise",
            hardly_any_noise,
            "With hardly any noise, x_t is the data, which say nothing of the noise: no predictor beats 0, which costs 1. Yours finds "
            "another number, or none.",
        ),
        Invariant(
            "flat directions",
            flat_directions_are_known,
            "In a direction in which the data do not vary, x_t is noise alone, however little of it: all of it is known. Yours still finds "
            "an error there, or loses the other directions.",
        ),
        Invariant(
            "half and half",
            one_direction_is_halfway,
            "One direction, in which signal and noise have the same variance in x_t: the best guess gives half of x_t to each, and half of "
            "the noise's variance stays unknown. Yours finds another share.",
        ),
        Invariant(
            "other units",
            units_do_not_matter,
            "alpha and sigma are both multiplied by 7: x_t is the same in other units, and eps is as easy to guess as before. Yours finds "
            "another error.",
        ),
        Invariant(
            "between 0 and 1",
            between_zero_and_one,
            "The best predictor is at least as good as 0 everywhere, which costs 1, and no error is negative. Yours is outside of 0 to 1.",
        ),
        Invariant(
            "each level by itself",
            each_level_by_itself,
            "The levels are given in reversed order, and the errors should come out so. Yours mixes the levels.",
        ),
    ],
    mistakes=[
        Mistake(
            "what is explained",
            _mean(lambda s, n: 1 - _share(s, n)),
            "This is the share of the noise's variance that x_t explains, 1 where x_t is noise alone. What remains is asked for.",
        ),
        Mistake(
            "the error of x0",
            lambda lam, alphas, sigmas: (lam * (1 - _share(alphas[:, None] ** 2 * lam, sigmas[:, None] ** 2))).mean(
                dim=1
            ),
            "This is the error with which x0 can be told from x_t. It is large where the noise is large; the error of eps is large where "
            "it is small.",
        ),
        Mistake(
            "a sum",
            lambda lam, alphas, sigmas: len(lam) * band(lam, alphas, sigmas),
            "This is the sum over the D numbers. The loss is their mean, so that 0 everywhere costs 1.",
        ),
        Mistake(
            "one variance for all",
            lambda lam, alphas, sigmas: _share(alphas**2 * lam.mean(), sigmas**2),
            "You use the mean eigenvalue, as if the data varied alike in all directions. A linear predictor knows the directions, and the "
            "mean of errors is not the error at the mean.",
        ),
        Mistake(
            "the largest variance",
            lambda lam, alphas, sigmas: _share(alphas**2 * lam.max(), sigmas**2),
            "You use the largest eigenvalue for all directions. In the others more of the noise is known.",
        ),
        Mistake(
            "eigenvalues as standard deviations",
            lambda lam, alphas, sigmas: band(lam**2, alphas, sigmas),
            "You square the eigenvalues. Those of a covariance are variances already.",
        ),
        Mistake(
            "roots of the eigenvalues",
            lambda lam, alphas, sigmas: band(lam.sqrt(), alphas, sigmas),
            "You take the roots of the eigenvalues, which are standard deviations. Variances are what adds up.",
        ),
        Mistake(
            "alpha not squared",
            lambda lam, alphas, sigmas: band(lam, alphas.sqrt(), sigmas),
            "You multiply a variance by alpha. What does the variance of data become when the data are multiplied?",
        ),
        Mistake(
            "nothing squared",
            lambda lam, alphas, sigmas: band(lam, alphas.sqrt(), sigmas.sqrt()),
            "You add alpha times one variance and sigma times another. What does a variance become when the numbers are multiplied?",
        ),
        Mistake(
            "sigma not squared",
            lambda lam, alphas, sigmas: band(lam, alphas, sigmas.sqrt()),
            "You use sigma where the variance of the noise in x_t belongs.",
        ),
        Mistake(
            "standard deviations added",
            lambda lam, alphas, sigmas: band(lam.sqrt(), alphas.sqrt(), sigmas.sqrt()),
            "You add standard deviations. Of independent numbers, the variances add.",
        ),
        Mistake(
            "a root at the end",
            lambda lam, alphas, sigmas: band(lam, alphas, sigmas).sqrt(),
            "This is the root of the loss. The squared error itself is asked for.",
        ),
        Mistake(
            "roots, then the mean",
            _mean(lambda s, n: _share(s, n).sqrt()),
            "You average the standard deviations of the errors. The loss is the mean of the squares.",
        ),
        Mistake(
            "a variance for the error's square",
            _mean(lambda s, n: _share(s, n) ** 2),
            "You square once too often: the share of a variance that stays unknown is a mean squared error already.",
        ),
        Mistake(
            "x_t over sigma",
            lambda lam, alphas, sigmas: alphas**2 * lam.mean() / sigmas**2,
            "You predict x_t over sigma, which takes all of x_t for noise. Where there is little noise, that is far worse than 0 "
            "everywhere: the best A shrinks.",
        ),
        Mistake(
            "sigma times x_t",
            _mean(lambda s, n: 1 - 2 * n + n * (s + n)),
            "You predict sigma·x_t. That is best where x_t has variance 1 in every direction; here each has its own.",
        ),
        Mistake(
            "alpha and sigma interchanged",
            lambda lam, alphas, sigmas: band(lam, sigmas, alphas),
            "Your error falls with the signal and rises with the noise. The more of x_t is signal, the less it says of the noise.",
        ),
        Mistake(
            "variances of white data",
            lambda lam, alphas, sigmas: _share(alphas**2, sigmas**2),
            "You take the data for numbers of variance 1. How much they vary in each direction is in eigenvalues.",
        ),
        Mistake(
            "1 minus alpha² for sigma²",
            lambda lam, alphas, sigmas: (
                alphas[:, None] ** 2 * lam / (alphas[:, None] ** 2 * lam + 1 - alphas[:, None] ** 2)
            ).mean(dim=1),
            "You use 1 − alpha² for the noise. Not every schedule keeps the variance: take sigmas.",
        ),
        Mistake(
            "totals",
            lambda lam, alphas, sigmas: _share(alphas**2 * lam.sum(), sigmas**2),
            "You compare the variance of all directions together with the noise of one number. Each direction is to be looked at by "
            "itself.",
        ),
        Mistake(
            "0 over 0",
            _mean(lambda s, n: s / (s + n)),
            "Right, but where a direction has neither signal nor noise: there yours is 0/0, which is not a number. What is the limit?",
        ),
        Mistake(
            "1 wherever sigma is 0",
            _mean(lambda s, n: (s / (s + n)).nan_to_num(1.0)),
            "Right, but in a direction without signal at sigma = 0: there yours is 1. In such a direction, how well is eps known for each "
            "sigma above 0? Take the limit of that.",
        ),
        Mistake(
            "directions without signal left out",
            lambda lam, alphas, sigmas: band(lam[lam > 0], alphas, sigmas),
            "You leave the eigenvalues that are 0 out of the mean. The noise has numbers in these directions, too.",
        ),
        Mistake(
            "the other axis",
            lambda lam, alphas, sigmas: _share(alphas[:, None] ** 2 * lam, sigmas[:, None] ** 2).mean(dim=0),
            "This is a mean over the levels, one number a direction. One number a level is asked for.",
        ),
        Mistake(
            "not averaged",
            lambda lam, alphas, sigmas: _share(alphas[:, None] ** 2 * lam, sigmas[:, None] ** 2),
            "These are the errors of each direction at each level. The loss is their mean over the directions.",
        ),
    ],
    hints=[
        "Turn the axes so that they are the covariance's eigenvectors. The noise stays what it was, standard in every direction, and no "
        "direction says anything of another: the problem falls into D small ones.",
        "In one direction x_t is a sum of two independent numbers, signal and noise, whose variances you know. Which multiple c of x_t has "
        "the smallest mean squared error E(c·x_t − eps)²? It is a parabola in c.",
        "Put the best c back in: a share of 1 remains. Write it as a ratio of variances that is 0 where there is no signal, before you "
        "think of sigma = 0; then average.",
    ],
    insight="A network that knows more of the data than their covariance is below this line. Where it is above, it has not yet learnt "
    "there what a matrix could do, or was not told the right thing. For Gaussian data nothing beats the line, so it is exact there. Zero "
    "everywhere costs 1 at every level, and the line falls to 0 with the signal: a loss of 0.05 is a success at one level and a failure "
    "at another. A covariance from few examples puts the line too low for new ones: from 4,000 digits by 3 %.",
)
