"""What a network would learn if it could minimise its loss."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.mixture import GaussianMixture
from diffcourse.schedule import Level


def exact_minimiser(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    """The estimate of x0 that minimises the denoising loss on a finite training set.

    At one noise level the loss is the mean of |x0_hat(x_t) - x0|² over
    x_t = alpha·x0 + sigma·eps, where x0 is one of the n rows of train (n, D), each as likely as
    any other, and eps (D,) is standard Gaussian noise. x0_hat may be any function of x_t.
    x (B, D): B places x_t, each asked for by itself. alpha > 0 and sigma > 0 are numbers; sigma
    may be tiny. Returns x0_hat at these places, (B, D), finite everywhere. No gradient needed.
    """
    squares = (x[:, None] - alpha * train).square().sum(dim=2)
    return (-squares / (2 * sigma**2)).softmax(dim=1) @ train


def one_by_one(x, train, alpha, sigma):
    rows = []
    for place in x.double():
        logs = [-float(((place - alpha * point) ** 2).sum()) / (2 * sigma**2) for point in train.double()]
        weights = [2.718281828459045 ** (log - max(logs)) for log in logs]
        rows.append(sum(w * point for w, point in zip(weights, train.double(), strict=True)) / sum(weights))
    return torch.stack(rows)


def by_logsumexp(x, train, alpha, sigma):
    log_p = torch.distributions.Normal(alpha * train.double(), sigma).log_prob(x.double()[:, None]).sum(-1)
    weights = (log_p - log_p.logsumexp(dim=1, keepdim=True)).exp()
    return torch.einsum("bn,nd->bd", weights, train.double())


def by_products(x, train, alpha, sigma):
    """What all rows share is left out: |x|²."""
    x, train = x.double(), train.double()
    logits = (alpha * x @ train.T - alpha**2 * train.square().sum(1) / 2) / sigma**2
    return torch.softmax(logits, 1) @ train


def in_package(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    return GaussianMixture(train, 0.0).denoise(x, Level(0.0, alpha, sigma)).x0


def _squares(x: Tensor, train: Tensor, alpha: float) -> Tensor:
    return (x[:, None] - alpha * train).square().sum(dim=2)


def _weighted(logits: Callable) -> Callable:
    """The mean of the training points with other weights."""
    return lambda x, train, alpha, sigma: logits(x, train, alpha, sigma).softmax(dim=1) @ train


def _exponentials(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    weights = (-_squares(x, train, alpha) / (2 * sigma**2)).exp()
    return weights @ train / weights.sum(dim=1, keepdim=True)


def _unnormalised(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    return (-_squares(x, train, alpha) / (2 * sigma**2)).exp() @ train


def _padded(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    weights = (-_squares(x, train, alpha) / (2 * sigma**2)).exp()
    return weights @ train / (weights.sum(dim=1, keepdim=True) + 1e-8)


def _other_axis(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    return (-_squares(x, train, alpha) / (2 * sigma**2)).softmax(dim=0) @ train


def _nearest(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    return train[_squares(x, train, alpha).argmin(dim=1)]


def _by_coordinate(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    """Weights of their own for every coordinate."""
    logits = -((x[:, None] - alpha * train) ** 2) / (2 * sigma**2)
    return (logits.softmax(dim=1) * train).sum(dim=1)


def _noise(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    return (x - alpha * exact_minimiser(x, train, alpha, sigma)) / sigma


def _linear(x: Tensor, train: Tensor, alpha: float, sigma: float) -> Tensor:
    """The best estimate for Gaussian data with the training set's moments, each coordinate by itself."""
    mean, var = train.mean(dim=0), train.var(dim=0, correction=0)
    return mean + alpha * var / (alpha**2 * var + sigma**2) * (x - alpha * mean)


def places(B: int, n: int, D: int, alpha: float, sigma: float) -> Callable:
    """A case: training points, and places that noise led to."""
    return lambda g: (alpha * normal(g, B, D) + sigma * normal(g, B, D), normal(g, n, D), alpha, sigma)


TRAIN = torch.tensor([[1.0, 2.0, 0.0], [-1.0, 0.5, 2.0], [0.5, -1.0, 1.0], [2.0, 1.0, -1.0]])


def by_itself(f: Callable) -> bool:
    """The estimate at a place does not depend on the other places."""
    x = torch.tensor([[0.2, 0.1, 0.3], [1.0, -1.0, 0.5], [-2.0, 1.0, 1.5]])
    together = f(x, TRAIN, 0.8, 0.6)
    return close(torch.cat([f(row[None], TRAIN, 0.8, 0.6) for row in x]), together, 1e-4)


def no_chance(f: Callable) -> bool:
    x = torch.linspace(-1, 1, 60).reshape(20, 3)
    return torch.equal(f(x, TRAIN, 0.6, 0.8), f(x, TRAIN, 0.6, 0.8))


def moves_with_x(f: Callable) -> bool:
    """No jumps from point to point, with nothing between: every number of x counts a little."""
    x = torch.tensor([[0.2, 0.1, 0.3]])
    steps = 0.01 * torch.eye(3)
    return all(not torch.equal(f(x, TRAIN, 0.6, 0.8), f(x + step, TRAIN, 0.6, 0.8)) for step in steps)


def nothing_but_noise(f: Callable) -> bool:
    """With almost no signal, the mean of the training set."""
    x = torch.tensor([[0.3, -1.0, 0.2], [1.0, 0.5, -0.7]])
    return close(f(x, TRAIN, 1e-6, 1.0), TRAIN.mean(dim=0).expand(2, 3), 1e-4)


def a_copy_without_noise(f: Callable) -> bool:
    """Where there is hardly any noise, the training point itself."""
    x = 0.9 * TRAIN[[2, 0]] + 0.001
    return close(f(x, TRAIN, 0.9, 1e-3), TRAIN[[2, 0]], 1e-4)


def half_way(f: Callable) -> bool:
    """As near to one point as to another: the middle, however small the noise."""
    train = torch.tensor([[1.0, 0.5], [-1.0, 0.5], [0.0, 9.0]])
    return close(f(torch.zeros(1, 2), train, 0.5, 1e-2), torch.tensor([[0.0, 0.5]]), 1e-4)


EXERCISE = Exercise(
    name="10.exact_minimiser",
    title="A network that minimises its loss",
    minutes=8,
    level=2,
    reference=exact_minimiser,
    alternatives=[one_by_one, by_logsumexp, by_products],
    package=InPackage("GaussianMixture(train, 0.0).denoise(x, at).x0", in_package),
    gradients=[],
    tolerance=1e-3,
    allowed={
        "train rows reversed": "a mean does not know the order",
        "sigma negated": "only its square counts",
    },
    cases=[
        (torch.tensor([[0.25]]), torch.tensor([[1.0], [-1.0]]), 0.8, 0.6),
        places(2, 3, 2, 0.8, 0.6),
        places(3, 5, 4, 0.5, 0.9),
        places(4, 4, 3, 0.9, 0.5),
        places(3, 6, 2, 0.2, 1.0),
        places(2, 4, 3, 2.0, 3.0),
        (torch.tensor([[3.0, 1.0], [0.5, -2.0]]), torch.tensor([[1.0, 0.5], [-1.0, 0.0], [0.5, -1.5]]), 1.0, 1e-3),
        places(2, 5, 2, 1.0, 0.7),
        (
            torch.tensor([[0.009], [0.0115]]),
            torch.tensor([[0.0], [0.02]]),
            1.0,
            0.002,
        ),  # near to each other, as sigma is small
    ],
    invariants=[
        Invariant(
            "no chance",
            no_chance,
            "Asked twice, yours answers differently: it draws. What minimises the loss is one fixed function of x.",
            before_form=True,
        ),
        Invariant(
            "moves with x",
            moves_with_x,
            "Where there is much noise x is moved a little, and your answer stays exactly where it was: it chooses one training point, or "
            "does not look at x. The squared error is smallest elsewhere.",
            before_form=True,
        ),
        Invariant(
            "each place by itself",
            by_itself,
            "What you give for a place depends on the other places in the batch. Each is to be answered by itself.",
        ),
        Invariant(
            "nothing but noise",
            nothing_but_noise,
            "With almost no signal left, x says nothing, and the best guess is the mean of the training set. Yours is another one.",
        ),
        Invariant(
            "hardly any noise",
            a_copy_without_noise,
            "With hardly any noise, x is alpha times one of the training points, and that point is the answer. Yours is another one.",
        ),
        Invariant(
            "half-way",
            half_way,
            "A place that is as near to one training point as to another cannot know from which it came: the loss is smallest in their "
            "middle. Yours is elsewhere.",
        ),
    ],
    mistakes=[
        Mistake(
            "sigma kept from 0",
            lambda x, train, alpha, sigma: (
                (-_squares(x, train, alpha) / (2 * max(sigma, 0.05) ** 2)).softmax(dim=1) @ train
            ),
            "Right, but where sigma is small: there yours works with a larger one. A softmax needs no such floor.",
        ),
        Mistake(
            "no alpha",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, 1.0) / (2 * sigma**2)),
            "You compare x with the training points themselves. x is not a point with noise: its signal was multiplied, too.",
        ),
        Mistake(
            "x over alpha",
            _weighted(lambda x, train, alpha, sigma: -_squares(x / alpha, train, 1.0) / (2 * sigma**2)),
            "You divide x by alpha, and with it its noise: the standard deviation of that is no longer sigma.",
        ),
        Mistake(
            "sigma not squared",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, alpha) / (2 * sigma)),
            "You divide the squared distance by the standard deviation. Look at the units: what does the density of a Gaussian divide by?",
        ),
        Mistake(
            "no 2",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, alpha) / sigma**2),
            "Your weights are the squares of those of a Gaussian: a factor in the exponent is missing.",
        ),
        Mistake(
            "distance not squared",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, alpha).sqrt() / (2 * sigma**2)),
            "Your weights fall with the distance itself. Those of Gaussian noise fall with its square.",
        ),
        Mistake(
            "the distance in sigmas",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, alpha).sqrt() / sigma),
            "Your weights fall with the distance in units of sigma. Those of Gaussian noise fall with its square.",
        ),
        Mistake(
            "mean over coordinates",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, alpha) / train.shape[1] / (2 * sigma**2)),
            "You take the mean of the squares over the coordinates. The noise of each coordinate is drawn for itself, so their "
            "probabilities multiply: what happens with the exponents?",
        ),
        Mistake(
            "each coordinate by itself",
            _by_coordinate,
            "You answer each coordinate by itself, as if the others said nothing of it. They do: all D numbers of x come from one and the "
            "same training point.",
        ),
        Mistake(
            "far ones preferred",
            _weighted(lambda x, train, alpha, sigma: _squares(x, train, alpha) / (2 * sigma**2)),
            "The farther a training point, the larger its weight in yours.",
        ),
        Mistake(
            "the variances added",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, alpha) / (2 * (alpha**2 + sigma**2))),
            "Your noise has the variance of x_t. Given the training point, only the noise is random.",
        ),
        Mistake(
            "alpha for sigma",
            _weighted(lambda x, train, alpha, sigma: -_squares(x, train, sigma) / (2 * alpha**2)),
            "alpha and sigma stand in each other's places.",
        ),
        Mistake(
            "inverse distances",
            lambda x, train, alpha, sigma: (
                (1 / _squares(x, train, alpha)) @ train / (1 / _squares(x, train, alpha)).sum(dim=1, keepdim=True)
            ),
            "You weight by one over the squared distance. The weight is a probability, and how it falls is said by the noise.",
        ),
        Mistake(
            "the mean",
            lambda x, train, alpha, sigma: train.mean(dim=0).expand_as(x).clone(),
            "You answer with the mean of the training set everywhere. That is best for who has not seen x.",
        ),
        Mistake(
            "the nearest",
            _nearest,
            "You answer with the likeliest training point. The squared error is smallest elsewhere, unless one of them is sure.",
        ),
        Mistake(
            "the nearest, without alpha",
            lambda x, train, alpha, sigma: train[_squares(x, train, 1.0).argmin(dim=1)],
            "You answer with the training point that is nearest to x. x is not a point with noise, its signal was multiplied, too; and "
            "unless one point is sure, the squared error is smallest elsewhere.",
        ),
        Mistake(
            "a Gaussian",
            _linear,
            "This is the best estimate for data that are Gaussian, with the mean and the variances of the training set. Here the data are "
            "its points and nothing between them.",
        ),
        Mistake(
            "the other axis",
            _other_axis,
            "Your weights add up to 1 over the places. It is the training points that share the probability.",
        ),
        Mistake(
            "not normalised",
            _unnormalised,
            "Your weights do not add up to 1: they are densities, and no probabilities yet.",
        ),
        Mistake(
            "divided by n",
            lambda x, train, alpha, sigma: _unnormalised(x, train, alpha, sigma) / len(train),
            "You divide the weighted sum by n. The weights are densities: what do they have to be divided by to add up to 1?",
        ),
        Mistake(
            "exponentials",
            _exponentials,
            "Right where the noise is large. With a tiny sigma every exponential is 0, and 0/0 is not a number.",
        ),
        Mistake(
            "a small number below",
            _padded,
            "Right where the noise is large. With a tiny sigma every exponential is 0, and what you add to the denominator keeps only the "
            "NaN away: your answer is 0 there.",
        ),
        Mistake(
            "times alpha",
            lambda x, train, alpha, sigma: alpha * exact_minimiser(x, train, alpha, sigma),
            "This is the signal in x, alpha·x0. x0 itself is asked for.",
        ),
        Mistake(
            "the noise",
            _noise,
            "This is the noise in x. It leads to x0, which is asked for.",
        ),
        Mistake(
            "the score",
            lambda x, train, alpha, sigma: -_noise(x, train, alpha, sigma) / sigma,
            "This is the score of the noisy data. It leads to x0, which is asked for.",
        ),
        Mistake(
            "x over alpha, and no more",
            lambda x, train, alpha, sigma: x / alpha,
            "You divide x by alpha, as if there were no noise in it.",
        ),
        Mistake(
            "the weights",
            lambda x, train, alpha, sigma: (-_squares(x, train, alpha) / (2 * sigma**2)).softmax(dim=1),
            "These are the probabilities of the training points, (B, n). Which point, of D numbers, is the best answer then?",
        ),
    ],
    hints=[
        "Of all numbers that could be guessed for something random, which has the smallest mean squared error? And what is random here, "
        "once x is known?",
        "x came from one of n points. How likely is each of them, given x? Bayes: all were equally likely before, and the noise says "
        "how likely x is from each.",
        "The logarithm of each likelihood is minus a squared distance over twice a variance, up to a constant. One function turns n "
        "logarithms into n probabilities without ever computing a tiny exponential.",
    ],
    insight="This is what the loss asks for, and no network reaches it. A sampler that is led by it ends in a training point: it copies. "
    "What a diffusion model draws that is new comes from what its network does not learn.",
)
