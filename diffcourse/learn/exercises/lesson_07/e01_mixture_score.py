"""The score of a mixture of Gaussians."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.mixture import GaussianMixture


def mixture_score(x: Tensor, means: Tensor, stds: Tensor, weights: Tensor) -> Tensor:
    """The score ∇ log p of the mixture p(x) = sum_k weights_k·N(x; means_k, stds_k²·I).

    x (B, D) points; means (K, D), stds (K,) and weights (K,), which add up to 1. To derive.
    Returns (B, D): an arrow for each point, finite also so far out that p(x) rounds to 0.
    Differentiable in x.
    """
    squares = (x[:, None] - means).square().sum(dim=2)
    log_joint = weights.log() - means.shape[1] * stds.log() - squares / (2 * stds**2)
    share = log_joint.softmax(dim=1)[..., None]
    return (share * (means - x[:, None]) / stds[:, None] ** 2).sum(dim=1)


def mixture_score_by_autograd(x, means, stds, weights):
    y = x if x.requires_grad else x.detach().requires_grad_()
    squares = ((y[:, None] - means) ** 2).sum(-1)
    log_p = torch.logsumexp(weights.log() - means.shape[1] * stds.log() - squares / (2 * stds**2), dim=1)
    return torch.autograd.grad(log_p.sum(), y, create_graph=True)[0]


def mixture_score_mode_by_mode(x, means, stds, weights):
    logs = [
        torch.distributions.Normal(m, s).log_prob(x).sum(dim=1) + w.log()
        for m, s, w in zip(means, stds, weights, strict=True)
    ]
    total = torch.stack(logs).logsumexp(dim=0)
    return sum((log - total).exp()[:, None] * (m - x) / s**2 for log, m, s in zip(logs, means, stds, strict=True))


def _score(
    log_joint: Callable = lambda sq, s, w, D: w.log() - D * s.log() - sq / (2 * s**2),
    share: Callable = lambda log: log.softmax(dim=1),
    pull: Callable = lambda m, x, s: (m - x) / s**2,
) -> Callable:
    """mixture_score with a part of its own."""

    def wrong(x, means, stds, weights):
        squares = (x[:, None] - means).square().sum(dim=2)
        shares = share(log_joint(squares, stds, weights, means.shape[1]))
        return (shares[..., None] * pull(means, x[:, None], stds[:, None])).sum(dim=1)

    return wrong


def _density(x, means, stds, weights):
    squares = (x[:, None] - means).square().sum(dim=2)
    return weights * torch.exp(-squares / (2 * stds**2)) / (2 * torch.pi * stds**2) ** (means.shape[1] / 2)


def _gradient_of_p(x, means, stds, weights):
    pulls = (means - x[:, None]) / stds[:, None] ** 2
    return (_density(x, means, stds, weights)[..., None] * pulls).sum(dim=1)


def _plain(x, means, stds, weights):
    p = _density(x, means, stds, weights).sum(dim=1, keepdim=True)
    return _gradient_of_p(x, means, stds, weights) / p


def _with_a_little(x, means, stds, weights):
    p = _density(x, means, stds, weights).sum(dim=1, keepdim=True)
    return _gradient_of_p(x, means, stds, weights) / (p + 1e-12)


def case(B: int, K: int, D: int):
    def build(g):
        stds, weights = 0.5 + torch.rand(K, generator=g), 0.2 + torch.rand(K, generator=g)
        return 2 * normal(g, B, D), 2 * normal(g, K, D), stds, weights / weights.sum()

    return build


FAR = (
    torch.tensor([[30.0, -40.0], [0.2, 0.1]]),
    torch.tensor([[0.0, 0.0], [2.0, 0.0]]),
    torch.tensor([0.5, 0.4]),
    torch.tensor([0.3, 0.7]),
)


def one_gaussian(f: Callable) -> bool:
    x = torch.tensor([[1.0, 2.0]])
    return close(f(x, torch.zeros(1, 2), torch.tensor([0.5]), torch.ones(1)), -4 * x)


def in_the_middle(f: Callable) -> bool:
    """Between two equal modes nothing pulls."""
    means = torch.tensor([[-1.0, 0.5], [1.0, -0.5]])
    return close(f(torch.zeros(1, 2), means, torch.full((2,), 0.6), torch.full((2,), 0.5)), torch.zeros(1, 2))


def the_nearer_one_far_out(f: Callable) -> bool:
    """Of two modes that are equally wide only the nearer one is left."""
    x, means = torch.tensor([[60.0, 0.0]]), torch.tensor([[0.0, 0.0], [2.0, 0.0]])
    return close(f(x, means, torch.full((2,), 0.5), torch.full((2,), 0.5)), torch.tensor([[-232.0, 0.0]]))


EXERCISE = Exercise(
    name="07.mixture_score",
    title="The arrows of a mixture",
    minutes=8,
    level=2,
    reference=mixture_score,
    alternatives=[mixture_score_by_autograd, mixture_score_mode_by_mode],
    cases=[case(1, 2, 1), case(4, 3, 2), case(3, 2, 3), case(2, 1, 2), FAR],
    invariants=[
        Invariant(
            "one Gaussian",
            one_gaussian,
            "With a single mode at 0 of standard deviation ½ the arrow at x must be −4·x. Yours is another one.",
        ),
        Invariant(
            "half-way",
            in_the_middle,
            "Half-way between two modes of equal weight and width both pull alike, so the arrow must be 0. Yours is not.",
        ),
        Invariant(
            "the nearer one far out",
            the_nearer_one_far_out,
            "Far out, on the line through two equally wide modes, the farther one is as nothing beside the nearer one, which pulls alone. "
            "With yours it is not so at a distance of 60: is something held back, or rounded to 0?",
        ),
    ],
    mistakes=[
        Mistake(
            "away from the modes",
            lambda *given: -mixture_score(*given),
            "Yours points away from the modes. In the exponent stands −|x − m|²: its gradient points to where p grows.",
        ),
        Mistake(
            "shares of the whole",
            lambda x, means, stds, weights: (weights[:, None] * (means - x[:, None]) / stds[:, None] ** 2).sum(dim=1),
            "Each mode pulls with its weight, wherever x lies. At x a mode pulls with its share of the density there, p(k | x).",
        ),
        Mistake(
            "all modes pull alike",
            _score(share=torch.ones_like),
            "You add the scores of all modes. The logarithm of a sum is no sum of logarithms: near one mode the others must fall silent.",
        ),
        Mistake(
            "standard deviation below the line",
            _score(pull=lambda m, x, s: (m - x) / s),
            "You divide the way to the mode by its standard deviation. In the exponent stands the variance.",
        ),
        Mistake(
            "not divided",
            _score(pull=lambda m, x, s: m - x),
            "Yours is the mean way to the modes. A narrow mode falls off steeply, so it pulls harder than a wide one: where do the "
            "widths come in?",
        ),
        Mistake(
            "the gradient of p",
            _gradient_of_p,
            "This is ∇p. Asked is ∇ log p: the chain rule divides by p.",
        ),
        Mistake(
            "0 through 0",
            _plain,
            "Near the modes it is right. Far out all densities round to 0, and 0/0 is nan: work with their logarithms, and let one "
            "function of torch turn these into shares.",
        ),
        Mistake(
            "away, and 0 through 0",
            lambda *given: -_plain(*given),
            "Two things: your arrows point away from the modes, and far out, where all densities round to 0, they are nan.",
        ),
        Mistake(
            "a little added",
            _with_a_little,
            "Near the modes it is right. Far out all densities round to 0, and what you add below the line makes the arrow 0, where it "
            "should be longest. Work with logarithms.",
        ),
        Mistake(
            "one dimension's normaliser",
            _score(lambda sq, s, w, D: w.log() - s.log() - sq / (2 * s**2)),
            "Your densities are divided by s once, as in one dimension. In D dimensions N(x; m, s²·I) has the factor s to the power of −D.",
        ),
        Mistake(
            "without the normaliser",
            _score(lambda sq, s, w, D: w.log() - sq / (2 * s**2)),
            "Your modes are not normalised: a wide one is lower at its top than a narrow one of the same weight. Its factor of s does not "
            "cancel where the widths differ.",
        ),
        Mistake(
            "weights with logarithms",
            _score(lambda sq, s, w, D: w - D * s.log() - sq / (2 * s**2)),
            "You add the weights to logarithms of densities. There a factor becomes a summand by its own logarithm.",
        ),
        Mistake(
            "weights forgotten",
            _score(lambda sq, s, w, D: -D * s.log() - sq / (2 * s**2)),
            "The weights do not occur. A mode that holds more of the points has a larger share at every x.",
        ),
        Mistake(
            "no half in the exponent",
            _score(lambda sq, s, w, D: w.log() - D * s.log() - sq / s**2),
            "Your exponent lacks its ½: the pulls are right, the shares fall off too fast.",
        ),
        Mistake(
            "the likeliest mode alone",
            _score(share=lambda log: torch.nn.functional.one_hot(log.argmax(dim=1), log.shape[1]).to(log.dtype)),
            "Only the likeliest mode pulls in yours, so the field jumps half-way between two. All pull, each with its share.",
        ),
        Mistake(
            "log shares",
            _score(share=lambda log: log.log_softmax(dim=1)),
            "Your shares are logarithms of shares: negative numbers that do not add up to 1.",
        ),
        Mistake(
            "mean over the modes",
            lambda *given: mixture_score(*given) / len(given[1]),
            "You take the mean over the modes. The shares add up to 1 already: take the sum.",
        ),
        Mistake(
            "shares over the points",
            lambda x, means, stds, weights: _score(share=lambda log: log.softmax(dim=0))(x, means, stds, weights),
            "Your shares add up to 1 over the points of the batch. At each point they must add up to 1 over the modes.",
        ),
    ],
    gradients=["x"],
    allowed={
        "weights doubled": "only their ratios count",
        "weights halved": "only their ratios count",
        "means -> x (2)": "both have D columns",
    },
    package=InPackage(
        "GaussianMixture(means, stds, weights).score(x)",
        lambda x, means, stds, weights: GaussianMixture(means, stds, weights).score(x),
    ),
    hints=[
        "Differentiate log p by the chain rule: ∇p is a sum over modes. What does each N(x; m, s²·I) give under ∇?",
        "Each mode pulls with (m − x)/s². What stands before the pull, divided by p, is Bayes' p(k | x): a share.",
        "Logarithms first, log weight + log density for each mode, (B, K); softmax over the modes makes shares of them, and terms "
        "that all modes have in common drop out. Then the sum of share times pull.",
    ],
    insight="Z never occurred: softmax divides it out. That is why a score can be learnt where a density cannot.",
)
