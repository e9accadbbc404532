"""What it costs to learn without the path through the draw."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.learn.exercises._cases import normal


def two_gradients(
    values: Tensor,
    slopes: Tensor,
    eps: Tensor,
    sigma: float,
) -> tuple[tuple[float, float], tuple[float, float], float]:
    """The slope of a mean by the standard deviation of the draws, estimated in two ways.

    z = mu + sigma·eps is a draw of N(mu, sigma²), and F is the mean of f(z) over all draws. How
    does F change with sigma, that is: what is dF/dsigma?
    There are N draws, at least two. values, slopes and eps (N,) hold f(z), its derivative f'(z)
    and the standard Gaussian noise of each; sigma > 0 is a number.
    "Score": the score-function estimator (REINFORCE). It knows f by its values alone, and
    takes them as they are: nothing is subtracted from them. "Path": the reparameterised one.
    Each gives one estimate a draw; the mean over the draws is the answer.
    Returns ((g, se), (h, se), times): mean and standard error by the score, then by the path,
    with N − 1 in the variance; and how many times as many draws the score would need to have
    as small a standard error as the path, whose is never 0. No gradient is needed.
    """
    by_score = values * (eps**2 - 1) / sigma
    by_path = slopes * eps
    (g, u), (h, v) = ((each.mean().item(), each.std().item() / len(each) ** 0.5) for each in (by_score, by_path))
    return (g, u), (h, v), (u / v) ** 2


def by_autograd(values, slopes, eps, sigma):
    """The derivative of log N(z; mu, sigma²) by sigma, at mu = 0, from autograd, and a chain rule."""
    stds = torch.full_like(eps, sigma, dtype=torch.float64).requires_grad_()
    log_p = torch.distributions.Normal(0.0, stds).log_prob(sigma * eps.double())
    (score,) = torch.autograd.grad(log_p.sum(), stds)
    each = torch.stack([values * score, slopes * eps.double()])
    variances = each.var(dim=1)
    return *zip(each.mean(dim=1), (variances / len(eps)).sqrt(), strict=True), variances[0] / variances[1]


def in_a_loop(values, slopes, eps, sigma):
    found = []
    for each in (
        [f * (e / sigma * e - 1 / sigma) for f, e in zip(values.tolist(), eps.tolist(), strict=True)],
        [d * e for d, e in zip(slopes.tolist(), eps.tolist(), strict=True)],
    ):
        mean = sum(each) / len(each)
        variance = sum((x - mean) ** 2 for x in each) / (len(each) - 1)
        found.append((mean, (variance / len(each)) ** 0.5))
    return found[0], found[1], found[0][1] ** 2 / found[1][1] ** 2


def _each(
    score: Callable = lambda f, d, e, s: f * (e**2 - 1) / s,
    path: Callable = lambda f, d, e, s: d * e,
    error: Callable = lambda x: x.std() / len(x) ** 0.5,
    times: Callable = lambda u, v: (u / v) ** 2,
) -> Callable:
    """The answer with a part of its own."""

    def wrong(values, slopes, eps, sigma):
        a, b = (of(values.double(), slopes.double(), eps.double(), sigma) for of in (score, path))
        (g, u), (h, v) = ((float(x.mean()), float(error(x))) for x in (a, b))
        return (g, u), (h, v), times(u, v)

    return wrong


def _relative(values, slopes, eps, sigma):
    (g, u), (h, v), _ = two_gradients(values, slopes, eps, sigma)
    return (g, u), (h, v), (u / g / (v / h)) ** 2


def _exchanged(values, slopes, eps, sigma):
    first, second, times = two_gradients(values, slopes, eps, sigma)
    return second, first, times


def draws(N: int, mu: float, sigma: float, f: Callable, slope: Callable) -> Callable:
    def case(g: torch.Generator) -> tuple[Tensor, Tensor, Tensor, float]:
        eps = normal(g, N)
        z = mu + sigma * eps
        return f(z), slope(z), eps, sigma

    return case


def _spread_evenly(N: int) -> Tensor:
    return torch.distributions.Normal(0.0, 1.0).icdf((torch.arange(N, dtype=torch.float64) + 0.5) / N)


def right_for_a_parabola(f: Callable) -> bool:
    """The mean of z² is mu² + sigma²."""
    eps = _spread_evenly(4000)
    for mu, sigma in ((1.0, 0.5), (-0.5, 2.0)):
        z = mu + sigma * eps
        (g, _), (h, _), _ = f(z**2, 2 * z, eps, sigma)
        if not abs(float(g) - 2 * sigma) < 0.03 * sigma or not abs(float(h) - 2 * sigma) < 0.03 * sigma:
            return False
    return True


def four_times_the_draws(f: Callable) -> bool:
    """Every draw four times: half the standard errors, and as many times as before."""
    eps = torch.randn(100, generator=torch.Generator().manual_seed(2))
    args = (eps.sin() + 1, eps.cos(), eps)
    (g, u), (h, v), times = f(*args, 1.0)
    (g4, u4), (h4, v4), times4 = f(*(x.repeat(4) for x in args), 1.0)
    same = all(abs(float(a) - float(b)) <= 1e-3 * abs(float(b)) for a, b in ((g4, g), (h4, h), (times4, times)))
    return same and all(abs(float(a) / float(b) - 0.5) < 0.01 for a, b in ((u4, u), (v4, v)))


EXERCISE = Exercise(
    name="11.two_gradients",
    title="Learning without the path",
    minutes=12,
    level=3,
    reference=two_gradients,
    alternatives=[by_autograd, in_a_loop],
    gradients=[],
    tolerance=1e-3,
    cases=[
        (torch.tensor([4.0, 1.0]), torch.tensor([4.0, -2.0]), torch.tensor([2.0, -1.0]), 0.5),
        draws(5, 1.0, 0.5, torch.square, lambda z: 2 * z),
        draws(40, -0.5, 2.0, torch.sin, torch.cos),
        draws(60, 0.3, 0.2, lambda z: z.exp() + 3, torch.exp),
        draws(30, 0.0, 1.5, lambda z: -(z**2) / 2 - 5, lambda z: -z),
        draws(200, 2.0, 0.1, lambda z: (z - 1) ** 3, lambda z: 3 * (z - 1) ** 2),
        draws(12, 0.5, 3.0, torch.sigmoid, lambda z: z.sigmoid() * (-z).sigmoid()),
    ],
    invariants=[
        Invariant(
            "a parabola",
            right_for_a_parabola,
            "For f(z) = z² the mean over draws is mu² + sigma², which you can differentiate on paper. With thousands of draws both means "
            "should be that; one of yours is not.",
        ),
        Invariant(
            "four times the draws",
            four_times_the_draws,
            "Every draw is given four times: the means stay, the standard errors become half of what they were, and how many times as "
            "many draws the score needs does not change. Yours does otherwise.",
        ),
    ],
    mistakes=[
        Mistake(
            "by mu",
            _each(lambda f, d, e, s: f * e / s, lambda f, d, e, s: d),
            "These are right for dF/dmu. Here it is sigma that moves.",
        ),
        Mistake(
            "the score by mu",
            _each(lambda f, d, e, s: f * e / s),
            "The path is right. Your score is the derivative of log N(z; mu, sigma²) by mu.",
        ),
        Mistake(
            "the path by mu",
            _each(path=lambda f, d, e, s: d),
            "The score is right. Your path moves mu: how far does z move when sigma does?",
        ),
        Mistake(
            "no normalisation",
            _each(lambda f, d, e, s: f * e**2 / s),
            "The path is right. Your score lacks a term: the density of a Gaussian has sigma in two places, and one of them is in front "
            "of the exponential.",
        ),
        Mistake(
            "the score's sign",
            _each(lambda f, d, e, s: f * (1 - e**2) / s),
            "The path is right. Your score has the wrong sign: does a wider Gaussian make a far draw likelier or less likely?",
        ),
        Mistake(
            "both signs",
            _each(lambda f, d, e, s: -f * (e**2 - 1) / s, lambda f, d, e, s: -d * e),
            "Both of yours have the wrong sign: they point down, as a step of gradient descent does. The slope of F is asked for.",
        ),
        Mistake(
            "z moves with sigma",
            _each(lambda f, d, e, s: -f / s),
            "The path is right. In your score z moves when sigma does, so that the squared distance over the variance stays. z is what "
            "was drawn: hold it.",
        ),
        Mistake(
            "half a logarithm",
            _each(lambda f, d, e, s: f * (e**2 - 0.5) / s),
            "The path is right. In your score one of two terms is half of what it should be: the factor in front of the density has "
            "sigma in it, or the root of its square.",
        ),
        Mistake(
            "the exponent alone, and eps for the distance",
            _each(lambda f, d, e, s: f * e**2 / s**3),
            "The path is right. Your score lacks the term of the factor in front of the exponential, and in the other eps stands where z "
            "− mu belongs.",
        ),
        Mistake(
            "no sigma under the score",
            _each(lambda f, d, e, s: f * (e**2 - 1)),
            "The path is right. Your score is the derivative by log sigma: the one by sigma differs by a factor.",
        ),
        Mistake(
            "by log sigma",
            _each(lambda f, d, e, s: f * (e**2 - 1), lambda f, d, e, s: d * e * s),
            "These are right for the derivative by log sigma. The one by sigma is asked for.",
        ),
        Mistake(
            "by the variance",
            _each(lambda f, d, e, s: f * (e**2 - 1) / (2 * s**2), lambda f, d, e, s: d * e / (2 * s)),
            "These are right for the derivative by the variance. The one by the standard deviation is asked for.",
        ),
        Mistake(
            "the score by the variance",
            _each(lambda f, d, e, s: f * (e**2 - 1) / (2 * s**2)),
            "The path is right. Your score is the derivative by the variance.",
        ),
        Mistake(
            "sigma squared under the score",
            _each(lambda f, d, e, s: f * (e**2 - 1) / s**2),
            "The path is right. Your score is divided by sigma once too often. In which units is dF/dsigma?",
        ),
        Mistake(
            "sigma cubed under eps",
            _each(lambda f, d, e, s: f * (e**2 / s**3 - 1 / s)),
            "The path is right. In your score eps stands where z − mu belongs: the two differ by a factor.",
        ),
        Mistake(
            "the score by z",
            _each(lambda f, d, e, s: -f * e / s),
            "The path is right. Your score is the derivative of log p(z) by z. Here z stays where it is, and sigma moves.",
        ),
        Mistake(
            "log p itself",
            _each(lambda f, d, e, s: f * (-(e**2) / 2 - torch.log(torch.tensor(s * (2 * torch.pi) ** 0.5)))),
            "The path is right. You multiply by log p(z) itself, where its derivative by sigma belongs.",
        ),
        Mistake(
            "a baseline",
            _each(lambda f, d, e, s: (f - f.mean()) * (e**2 - 1) / s),
            "The path is right. You subtract the mean of the values from them: a good idea, which makes the errors smaller, and not what "
            "was asked for.",
        ),
        Mistake(
            "slopes in the score",
            _each(lambda f, d, e, s: d * (e**2 - 1) / s),
            "The path is right. Your score uses the slopes of f, which this estimator never sees.",
        ),
        Mistake(
            "values in the path",
            _each(path=lambda f, d, e, s: f * e),
            "The score is right. Your path has f(z) where the chain rule has its derivative.",
        ),
        Mistake(
            "sigma in the path",
            _each(path=lambda f, d, e, s: d * e * s),
            "The score is right. Your path multiplies by how far z is from mu. How far does z move when sigma grows by 1?",
        ),
        Mistake(
            "the path over sigma",
            _each(path=lambda f, d, e, s: d * e / s),
            "The score is right. Your path is divided by sigma: z is linear in sigma, and the slope of a straight line is a constant.",
        ),
        Mistake(
            "z by mu and by sigma",
            _each(path=lambda f, d, e, s: d * (1 + e)),
            "The score is right. Your path moves mu together with sigma.",
        ),
        Mistake(
            "the spread of the draws",
            _each(error=lambda x: x.std()),
            "Your errors are the standard deviations of one draw. That of a mean of N draws is smaller.",
        ),
        Mistake(
            "over N",
            _each(error=lambda x: x.std() / len(x)),
            "You divide the standard deviation by N. Which quantity of a mean is N times smaller?",
        ),
        Mistake(
            "variances",
            _each(error=lambda x: x.var() / len(x), times=lambda u, v: u / v),
            "Your errors are the variances of the means. A standard error has the units of the mean.",
        ),
        Mistake(
            "N in the variance",
            _each(error=lambda x: x.std(correction=0) / len(x) ** 0.5),
            "Right but for the standard errors: you divide the sum of squares by N.",
        ),
        Mistake(
            "N - 1 under the root",
            _each(error=lambda x: x.std(correction=1) / (len(x) - 1) ** 0.5),
            "Right but for the standard errors: N − 1 belongs to the variance of one draw, and the mean is one of N draws.",
        ),
        Mistake(
            "1.96 standard errors",
            _each(error=lambda x: 1.96 * x.std() / len(x) ** 0.5),
            "Your errors are half a 95 % interval. The standard error itself is asked for.",
        ),
        Mistake(
            "root mean squares",
            _each(error=lambda x: x.square().mean().sqrt() / len(x) ** 0.5),
            "Both means are right. Your errors are made of mean squares, as if the means were 0.",
        ),
        Mistake(
            "times, a whole number",
            _each(times=lambda u, v: math.ceil((u / v) ** 2)),
            "Both estimates are right. You round times up. The number itself is asked for.",
        ),
        Mistake(
            "times, not squared",
            _each(times=lambda u, v: u / v),
            "Both estimates are right. You say how many times as large the error is. How does an error fall with the number of draws?",
        ),
        Mistake(
            "times, the root",
            _each(times=lambda u, v: (u / v) ** 0.5),
            "Both estimates are right. How does a standard error fall with the number of draws? You have turned that round.",
        ),
        Mistake(
            "times, upside down",
            _each(times=lambda u, v: (v / u) ** 2),
            "Both estimates are right. You say how many times as many draws the path needs.",
        ),
        Mistake(
            "times, more",
            _each(times=lambda u, v: (u / v) ** 2 - 1),
            "Both estimates are right. You say how many times as many draws come on top. All of them together are asked for.",
        ),
        Mistake(
            "times, of relative errors",
            _relative,
            "Both estimates are right. You compare relative errors. Both estimate the same number, and what their means say of it "
            "differs by chance.",
        ),
        Mistake(
            "exchanged",
            _exchanged,
            "Both estimates are right, each in the place of the other.",
        ),
        Mistake(
            "exchanged, and times with them",
            lambda *args: (*_exchanged(*args)[:2], 1 / two_gradients(*args)[2]),
            "All is right, but path and score stand in each other's places.",
        ),
    ],
    hints=[
        "The path: hold eps and move sigma a little; how far does z move, and how much does f(z) then change? The score: hold z and move "
        "sigma a little; how much likelier does z become?",
        "The score needs the derivative of log N(z; mu, sigma²) by sigma. Two terms of the log density hold sigma: the squared distance, "
        "and the logarithm of the factor in front.",
        "Write (z − mu)/sigma as eps in it. Then you have N numbers for each of the two ways: mean, standard deviation over √N. The "
        "variance of a mean falls like 1/N, so the ratio of the numbers of draws is one of variances.",
    ],
    insight="Both are right on average, so a VAE could be trained without the path; it would only need far more draws: for the first "
    "latent of mnist-vae-20 and one digit more than a thousand times as many. Add a constant to f: its slope by sigma stays, the path "
    "notices nothing, and the error of the score grows with it. What autograd gives for a draw without path is neither of the two: the "
    "sample is a constant to it, and the gradient is exactly 0.",
)
