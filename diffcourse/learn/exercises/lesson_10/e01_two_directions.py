"""One Gaussian for two bumps, in both directions of the KL divergence."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.mixture import GaussianMixture


def two_directions(
    x: Tensor, log_p: Tensor, means: Tensor, stds: Tensor
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Fit one Gaussian q to a density p, in both directions of the KL divergence.

    All tensors are float64. x (N,) is an evenly rising grid that reaches far beyond p and
    all that is tried below. log_p (N,): log p at its points, plus a constant that nobody
    knows and that may be large. Far out p itself is too small for a float; log_p is finite
    everywhere. Returns two pairs (mean, standard deviation) of plain numbers.
    First the q with the smallest KL(p || q), of all Gaussians there are: it can be written
    down. Then the q with the smallest KL(q || p), of those whose mean is one of means (K,)
    and whose standard deviation is one of stds (L,), in any combination. Where several are
    equally good, any of them is right. No gradient is needed.
    """
    weights = log_p.softmax(dim=0)
    mean = (weights * x).sum()
    std = (weights * (x - mean) ** 2).sum().sqrt()
    log_q = -0.5 * ((x - means[:, None, None]) / stds[:, None]) ** 2 - stds[:, None].log()  # (K, L, N), plus a constant
    kl = (log_q.softmax(dim=-1) * (log_q - log_p)).sum(dim=-1)
    best_mean, best_std = divmod(int(kl.argmin()), len(stds))
    return (float(mean), float(std)), (float(means[best_mean]), float(stds[best_std]))


def by_moments_and_distributions(x, log_p, means, stds):
    p = torch.exp(log_p - log_p.logsumexp(0))
    first, second = torch.sum(p * x), torch.sum(p * x**2)
    q = torch.distributions.Normal(means.view(-1, 1, 1), stds.view(1, -1, 1))
    log_q = q.log_prob(x)
    expected = (log_q.exp() * log_p).sum(-1) * (x[1] - x[0])
    i, j = ((q.entropy().squeeze(-1) + expected) == (q.entropy().squeeze(-1) + expected).max()).nonzero()[-1].tolist()
    return (first.item(), (second - first**2).sqrt().item()), (means[i].item(), stds[j].item())


def in_a_loop(x, log_p, means, stds):
    log_p = (log_p - log_p.max()).double()
    p = log_p.exp() / log_p.exp().sum()
    mean = float(torch.dot(p, x.double()))
    best, found = math.inf, None
    for m in means.tolist():
        for s in stds.tolist():
            z = (x - m) / s
            q = torch.exp(-z * z / 2)
            q = q / q.sum()
            cost = float((q * (-z * z / 2 - log_p)).sum()) - math.log(s)
            if cost < best:
                best, found = cost, (m, s)
    return (mean, float(p @ (x.double() - mean) ** 2) ** 0.5), found


Pair = tuple[float, float]


def _best(cost: Callable[[Tensor, Tensor], Tensor], half: float = 0.5) -> Callable[..., Pair]:
    """The candidate with the least cost, of log q (K, L, N) and log p (N,) as logarithms of shares that add up to 1."""

    def found(x: Tensor, log_p: Tensor, means: Tensor, stds: Tensor) -> Pair:
        log_q = (-half * ((x - means[:, None, None]) / stds[:, None]) ** 2).log_softmax(-1)
        i, j = divmod(int(cost(log_q, log_p.log_softmax(0)).argmin()), len(stds))
        return float(means[i]), float(stds[j])

    return found


def _forward(log_q: Tensor, log_p: Tensor) -> Tensor:
    return -(log_p.exp() * log_q).sum(-1)


def _reverse(log_q: Tensor, log_p: Tensor) -> Tensor:
    return (log_q.exp() * (log_q - log_p)).sum(-1)


def _both(log_q: Tensor, log_p: Tensor) -> Tensor:
    """Half of either direction, each to the mixture of the two."""
    m = torch.logaddexp(log_q, log_p) - math.log(2)
    return (log_q.exp() * (log_q - m)).sum(-1) + (log_p.exp() * (log_p - m)).sum(-1)


def _first(change: Callable[..., Pair]) -> Callable:
    """The first pair is another one."""
    return lambda x, log_p, means, stds: (
        change(x, log_p, means, stds),
        two_directions(x, log_p, means, stds)[1],
    )


def _second(change: Callable[..., Pair]) -> Callable:
    """The second pair is another one."""
    return lambda x, log_p, means, stds: (
        two_directions(x, log_p, means, stds)[0],
        change(x, log_p, means, stds),
    )


def _moments(
    weights: Callable[[Tensor, Tensor], Tensor], about: Callable = lambda m: m, power: float = 0.5
) -> Callable:
    def pair(x: Tensor, log_p: Tensor, means: Tensor, stds: Tensor) -> Pair:
        w = weights(x, log_p)
        mean = (w * x).sum()
        return float(mean), float((w * (x - about(mean)) ** 2).sum() ** power)

    return pair


def _shares(x: Tensor, log_p: Tensor) -> Tensor:
    return log_p.softmax(0)


def _peak(x: Tensor, log_p: Tensor, means: Tensor, stds: Tensor) -> Pair:
    """A Gaussian at the highest point, as wide as the curve there."""
    i = int(log_p.argmax())
    bend = (log_p[i + 1] - 2 * log_p[i] + log_p[i - 1]) / (x[1] - x[0]) ** 2
    return float(x[i]), float((-bend) ** -0.5)


def _by_densities(x: Tensor, log_p: Tensor, means: Tensor, stds: Tensor) -> tuple[Pair, Pair]:
    p = log_p.exp() / log_p.exp().sum()
    mean = (p * x).sum()
    q = torch.distributions.Normal(means[:, None, None], stds[:, None]).log_prob(x).exp()
    i, j = divmod(int((q * torch.log(q / p)).sum(-1).argmin()), len(stds))
    return (float(mean), float((p * (x - mean) ** 2).sum().sqrt())), (float(means[i]), float(stds[j]))


def _kept_off_zero(x: Tensor, log_p: Tensor, means: Tensor, stds: Tensor) -> Pair:
    """Something small added to the density of p, lest its logarithm is infinite."""
    step = x[1] - x[0]
    p = log_p.softmax(0) / step
    q = torch.distributions.Normal(means[:, None, None], stds[:, None]).log_prob(x)
    i, j = divmod(int((q.exp() * (q - (p + 1e-10).log())).sum(-1).argmin()), len(stds))
    return float(means[i]), float(stds[j])


def target(
    means: list[float],
    stds: list[float],
    weights: list[float],
    constant: float,
    tried: tuple[Tensor, Tensor],
    reach: int = 20,
) -> tuple:
    """A case: a mixture of Gaussians on a grid from -reach to reach, and the means and standard deviations that are tried."""
    x = torch.linspace(-reach, reach, 50 * reach + 1, dtype=torch.float64)
    return x, GaussianMixture(means, stds, weights).log_prob(x[:, None]) + constant, *tried


def steps(low: float, high: float, n: int) -> Tensor:
    return torch.linspace(low, high, n, dtype=torch.float64)


FEW = (torch.tensor([-2.0, 0.5, 3.1], dtype=torch.float64), torch.tensor([0.4, 1.0, 2.0, 3.0], dtype=torch.float64))
WIDE = (steps(-2, 2, 9), torch.tensor([0.5, 2.0, 8.0], dtype=torch.float64))
AWAY = (torch.tensor([3.0], dtype=torch.float64), torch.tensor([0.5, 2.0], dtype=torch.float64))  # from all of p
MANY = (steps(-5, 5, 21), steps(0.2, 3.2, 16))
BUMPS = (steps(-4, 4, 17), torch.tensor([0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 2.5, 3.0], dtype=torch.float64))


def one_gaussian(f: Callable) -> bool:
    """Where p is one of the candidates, both are p."""
    (m, s), (n, u) = f(*target([1.5], [0.8], [1.0], 3.0, MANY))
    return max(abs(m - 1.5), abs(s - 0.8), abs(n - 1.5), abs(u - 0.8)) < 1e-2


def covers(f: Callable) -> bool:
    (m, s), _ = f(*target([-3, 3], [0.7, 0.7], [0.5, 0.5], 0.0, BUMPS))
    return abs(m) < 1e-3 and abs(s - 9.49**0.5) < 1e-3


def seeks(f: Callable) -> bool:
    _, (m, s) = f(*target([-3, 3], [0.7, 0.7], [0.5, 0.5], 0.0, BUMPS))
    return abs(abs(m) - 3) < 1e-3 and abs(s - 0.7) < 1e-3


def constant_is_nothing(f: Callable) -> bool:
    pairs = [
        f(*target([-2, 3], [0.6, 0.8], [0.3, 0.7], constant, BUMPS)) for constant in (0.0, -2.0, 5.0, 900.0, -900.0)
    ]
    return all(
        abs(a - b) < 1e-3
        for other in pairs
        for p, q in zip(pairs[0], other, strict=True)
        for a, b in zip(p, q, strict=True)
    )


EXERCISE = Exercise(
    name="10.two_directions",
    title="Cover or seek",
    minutes=10,
    level=2,
    reference=two_directions,
    alternatives=[by_moments_and_distributions, in_a_loop],
    cases=[
        target([-3, 3], [0.7, 0.7], [0.35, 0.65], 0.0, BUMPS),
        target([-2, 3], [0.4, 1.0], [0.3, 0.7], 1.0, FEW),
        target([-2, 1, 4], [0.6, 0.4, 1.0], [0.5, 0.3, 0.2], 2.0, MANY),
        target([1.3], [1.2], [1.0], -900.0, MANY),
        target([-1.0, 1.4], [0.9, 0.7], [0.6, 0.4], -3.0, MANY),
        target([-3, 2], [0.2, 1.4], [0.2, 0.8], 800.0, MANY),
        target([-1, 1.2], [0.04, 0.05], [0.4, 0.6], -5.0, WIDE, reach=50),
        target([0.2], [0.1], [1.0], 2.0, AWAY, reach=30),
    ],
    invariants=[
        Invariant(
            "one Gaussian",
            one_gaussian,
            "Where p is itself a Gaussian that is among those tried, both directions find it. At least one of yours does not.",
        ),
        Invariant(
            "the constant",
            constant_is_nothing,
            "With another constant added to log_p yours are other Gaussians, or NaN. It changes p by a factor, and p has to add up to 1 "
            "whatever that is.",
        ),
        Invariant(
            "covers",
            covers,
            "Two equal bumps at −3 and 3: the first Gaussian should have all of both under it, with its mean in the middle and its "
            "variance that of p. Yours has not.",
        ),
        Invariant(
            "seeks",
            seeks,
            "Two equal bumps at −3 and 3: the second Gaussian should be one of the bumps, whichever. Yours is not. Where does KL(q || p) "
            "become large?",
        ),
    ],
    mistakes=[
        Mistake(
            "kept off zero",
            _second(_kept_off_zero),
            "Your second fit is wrong where all that is tried lies far from p. Something small is added to p there, and it outweighs p: "
            "log_p is given so that nothing has to be kept off zero.",
        ),
        Mistake(
            "exchanged",
            lambda x, log_p, means, stds: two_directions(x, log_p, means, stds)[::-1],
            "Both Gaussians are right, each in the place of the other. KL(p || q) is a mean over x drawn from p, and becomes large where "
            "p puts x and q does not.",
        ),
        Mistake(
            "the first twice",
            _second(lambda x, log_p, means, stds: two_directions(x, log_p, means, stds)[0]),
            "Your second is the first once more. The two directions are means over different x: over those that p draws, and over those "
            "that q draws.",
        ),
        Mistake(
            "the second twice",
            _first(lambda x, log_p, means, stds: two_directions(x, log_p, means, stds)[1]),
            "Your first is the second once more. The two directions are means over different x: over those that p draws, and over those "
            "that q draws.",
        ),
        Mistake(
            "p draws in both",
            _second(_best(_forward)),
            "Your second is the candidate with the smallest KL(p || q): its mean is still over x that p draws. In KL(q || p) q draws them.",
        ),
        Mistake(
            "p draws in both, of the candidates",
            lambda *a: (_best(_forward)(*a), _best(_forward)(*a)),
            "Both of yours are the candidate with the smallest KL(p || q). In KL(q || p) it is q that draws x; and the first is asked "
            "for among all Gaussians.",
        ),
        Mistake(
            "of the candidates",
            _first(_best(_forward)),
            "Your first is the best of the candidates. It is asked for among all Gaussians: set the derivatives of KL(p || q) by the mean "
            "and by the standard deviation to 0.",
        ),
        Mistake(
            "the candidates nearest to the moments",
            _first(
                lambda x, log_p, means, stds: (
                    float(means[(means - _moments(_shares)(x, log_p, means, stds)[0]).abs().argmin()]),
                    float(stds[(stds - _moments(_shares)(x, log_p, means, stds)[1]).abs().argmin()]),
                )
            ),
            "Your first is rounded to what is among means and stds. It is asked for among all Gaussians.",
        ),
        Mistake(
            "the variance",
            _first(_moments(_shares, power=1.0)),
            "Your first pair holds the variance of p. A standard deviation is asked for.",
        ),
        Mistake(
            "about zero",
            _first(_moments(_shares, about=lambda m: 0.0)),
            "Your first is spread about 0, not about its own mean.",
        ),
        Mistake(
            "the grid's own moments",
            _first(lambda x, log_p, means, stds: (float(x.mean()), float(x.std()))),
            "Your first has mean and standard deviation of the grid, where each point counts alike. What do the points weigh?",
        ),
        Mistake(
            "the logarithm as a weight",
            _first(_moments(lambda x, log_p: log_p / log_p.sum())),
            "You weigh the points by log_p itself. Its exponential is a density.",
        ),
        Mistake(
            "not made to add up to 1",
            _first(_moments(lambda x, log_p: log_p.exp() * (x[1] - x[0]))),
            "You take exp(log_p) times the grid's step for the weights. With the constant that nobody knows they do not add up to 1.",
        ),
        Mistake(
            "not made to add up to 1, nor times the step",
            _first(_moments(lambda x, log_p: log_p.exp())),
            "You take exp(log_p) for the weights. They do not add up to 1, neither on this grid nor with the constant that nobody knows.",
        ),
        Mistake(
            "too large for a float",
            _first(_moments(lambda x, log_p: log_p.exp() / log_p.exp().sum())),
            "Your first is NaN where the constant is large: exp gives infinity or 0 for all points at once. What may be subtracted from "
            "log_p before, as it cancels?",
        ),
        Mistake(
            "the peak",
            _second(_peak),
            "Your second sits at the highest point of p and is as wide as p there. How much lies under a peak counts too: the second is "
            "the candidate of the smallest KL(q || p), found by trying.",
        ),
        Mistake(
            "no entropy",
            _second(_best(lambda log_q, log_p: -(log_q.exp() * log_p).sum(-1))),
            "Your second is as narrow as it may be: it makes log p large in the mean over q, and nothing rewards a wide q. What does log q "
            "add to KL(q || p), its height in front of the exponential included, and with which sign?",
        ),
        Mistake(
            "no weights",
            _second(_best(lambda log_q, log_p: (log_q - log_p).sum(-1))),
            "You add up log q − log p over the grid, all points alike. A KL divergence is a mean over what one of the two draws.",
        ),
        Mistake(
            "no weights, without a sign",
            _second(_best(lambda log_q, log_p: (log_q - log_p).abs().sum(-1))),
            "You add up the distances of log q and log p over the grid, all points alike. A KL divergence is a mean over what one of the "
            "two draws, of a difference with its sign.",
        ),
        Mistake(
            "the second by densities",
            _second(lambda *a: _by_densities(a[0], a[1] - a[1].max(), *a[2:])[1]),
            "The first is right. For the second you divide densities: far out p or q is 0 as a float, so the ratio's logarithm is infinite "
            "or NaN, and argmin finds that. What do you have of p before any exponential?",
        ),
        Mistake(
            "where p is 0 left out",
            _second(_best(lambda log_q, log_p: (log_q.exp() * (log_q - log_p) * (log_p.exp() > 0)).sum(-1))),
            "The first is right. Where p is 0 as a float your second costs nothing, though it costs the most there. log_p itself is finite "
            "everywhere.",
        ),
        Mistake(
            "by densities",
            _by_densities,
            "You go back to densities, which are 0 or infinite as floats far out, or everywhere with a large constant; then 0/0 is NaN. "
            "Stay with the logarithms, and subtract the largest log_p before you take any exponential.",
        ),
        Mistake(
            "squares",
            _second(_best(lambda log_q, log_p: ((log_q.exp() - log_p.exp()) ** 2).sum(-1))),
            "Your second is nearest to p by squares of the densities' difference. That is another distance.",
        ),
        Mistake(
            "areas",
            _second(_best(lambda log_q, log_p: (log_q.exp() - log_p.exp()).abs().sum(-1))),
            "Your second is nearest to p by the area between the two densities. That is another distance.",
        ),
        Mistake(
            "Jensen-Shannon",
            _second(_best(_both)),
            "Your second has the smallest Jensen–Shannon divergence, which goes both ways through the middle. Only KL(q || p) is asked "
            "for.",
        ),
        Mistake(
            "the largest",
            _second(_best(lambda log_q, log_p: -_reverse(log_q, log_p))),
            "Your second is the worst candidate: you take the largest where the smallest is asked for, or the sign of the divergence is "
            "turned.",
        ),
        Mistake(
            "no half",
            _second(_best(_reverse, half=1.0)),
            "Your q is narrower than its standard deviation says: look at the exponent of a Gaussian.",
        ),
        Mistake(
            "the wrong order",
            lambda x, log_p, means, stds: tuple(pair[::-1] for pair in two_directions(x, log_p, means, stds)),
            "Both pairs are right and the wrong way round: the mean comes first.",
        ),
    ],
    gradients=[],
    allowed={
        "log_p one more": "a constant is added, which is the same density",
        "log_p one less": "a constant is added, which is the same density",
        "means rows reversed": "the candidates' order does not matter",
        "stds rows reversed": "the candidates' order does not matter",
        "*.sum(dim=-1) -> *.mean(dim=-1)": "all candidates are divided by the number of points",
        "0 -> -1": "log_p has one dimension",
        "float(*": "a tensor of one element serves as a number",
    },
    hints=[
        "Write KL(p || q) as a mean over x from p. Which part depends on q at all? For a Gaussian log q is a parabola in x: which two "
        "numbers of p does its mean know?",
        "The points' weights: exponentials of log_p that add up to 1; subtract the largest first. For the second, write log q, all "
        "candidates at once with shapes (K, 1, 1), (1, L, 1) and (N,), and the mean over x from q of log q − log p.",
        "Stay with the logarithms: log_p as it comes, and log q written down, not taken from a density that may have become 0. "
        "argmin counts through the table row by row.",
    ],
    insight="Two equal bumps at ±3, each 0.70 wide: KL(p || q) is least at mean 0.00 and standard deviation 3.08, where p has hardly "
    "any mass; KL(q || p) at one bump, ±3.00 and 0.70, and the other is lost. To raise the likelihood is to lower KL(p || q): a VAE "
    "covers, and fills what is between. What is lost pays little in the other direction. A GAN's game is neither of the two, and is often "
    "said to lie nearer to the second.",
)
