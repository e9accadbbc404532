"""Exercises of lesson 01: the variational autoencoder and its bound."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import elbo, gaussian
from diffcourse.learn.exercise import Case, Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal

# -- the bound of a mixture -------------------------------------------------------------------------------------------


def mixture_elbo(log_joint: Tensor, q: Tensor) -> Tensor:
    """The ELBO of each point, when the latent is one of K labels: the mean over q, exactly.

    log_joint (B, K) holds log p(x, k), as low as -1000; q (B, K) holds q(k | x), positive, each
    row adds up to 1. Returns (B,), nats.
    """
    return (q * (log_joint - q.log())).sum(dim=1)


def mixture_elbo_in_a_loop(log_joint, q):
    bounds = []
    for row, weights in zip(log_joint, q, strict=True):
        bounds.append(sum(w * (value - math.log(w)) for w, value in zip(weights.tolist(), row, strict=True)))
    return torch.stack(bounds)


def mixture_elbo_by_einsum(log_joint, q):
    return torch.einsum("bk,bk->b", q, log_joint) + torch.special.entr(q).sum(dim=-1)


def log_joint_case(B: int, K: int):
    return lambda g: (2 * normal(g, B, K) - 1, torch.softmax(normal(g, B, K), dim=1))


TWO_LABELS = (torch.tensor([[-1.0, -2.0]]), torch.tensor([[0.75, 0.25]]))
FAR_DOWN, HALVES = torch.tensor([[-1000.0, -1001.0], [-2.0, -900.0], [-1.0, 0.5]]), torch.full((3, 2), 0.5)


class _Joint:
    """Stands for a mixture of which log p(x, k) is known."""

    def __init__(self, log_joint: Tensor):
        self.table, self.K = log_joint, log_joint.shape[1]

    def log_joint(self, x: Tensor) -> Tensor:
        return self.table


MIXTURE_ELBO = Exercise(
    name="01.mixture_elbo",
    title="The bound of a mixture",
    minutes=4,
    level=1,
    reference=mixture_elbo,
    alternatives=[mixture_elbo_in_a_loop, mixture_elbo_by_einsum],
    cases=[TWO_LABELS, log_joint_case(3, 2), log_joint_case(2, 5), log_joint_case(1, 1)],
    invariants=[
        Invariant(
            "exact for the true posterior",
            lambda f: close(f(TWO_LABELS[0], TWO_LABELS[0].softmax(dim=1)), TWO_LABELS[0].logsumexp(dim=1)),
            "Put the true posterior in for q: then the bound must equal log p(x), the log of the sum of p(x, k). Yours does not.",
        ),
        Invariant(
            "far down",
            lambda f: close(f(FAR_DOWN, HALVES), mixture_elbo(FAR_DOWN, HALVES), 1e-4),
            "While log p(x, k) is moderate yours is right. At -1000, as for images, it is not: the probability itself is stored as 0. "
            "The bound needs only its logarithm.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "entropy missing",
            lambda lj, q: (q * lj).sum(dim=1),
            "Yours is the mean of log p(x, k) alone. The term with log q is missing: it pays q for being undecided.",
        ),
        Mistake(
            "negative ELBO",
            lambda lj, q: (q * (q.log() - lj)).sum(dim=1),
            "Yours is the negative ELBO, the loss that is minimised. Asked is the bound itself, which is maximised.",
        ),
        Mistake(
            "the evidence",
            lambda lj, q: lj.logsumexp(dim=1),
            "Yours is log p(x), whatever q says. In the bound the logarithm stands inside the mean.",
        ),
        Mistake(
            "mean for expectation",
            lambda lj, q: (q * (lj - q.log())).mean(dim=1),
            "You divide by K. The weights q add up to 1 already, so the weighted sum is the expectation.",
        ),
        Mistake(
            "log q added",
            lambda lj, q: (q * (lj + q.log())).sum(dim=1),
            "Your log q has the wrong sign: q stands below the line in log(p(x, k)/q).",
        ),
        Mistake(
            "not weighted",
            lambda lj, q: (lj - q.log()).sum(dim=1),
            "You add up log p − log q over all labels alike. The expectation is under q: each label counts as q says.",
        ),
        Mistake(
            "summed over the points",
            lambda lj, q: (q * (lj - q.log())).sum(dim=0),
            "You sum over the points and keep the labels. Each point has a bound of its own: sum over the labels.",
        ),
        Mistake(
            "probabilities for logs",
            lambda lj, q: (q * (lj.exp() - q)).sum(dim=1),
            "You subtract probabilities. The bound compares logarithms, and log p(x, k) is given as one.",
        ),
        Mistake(
            "summed over everything",
            lambda lj, q: (q * (lj - q.log())).sum(),
            "You sum over all points. Each point has a bound of its own: shape (B,).",
        ),
        Mistake(
            "mean over the points",
            lambda lj, q: (q * (lj - q.log())).sum(dim=1).mean(),
            "You average over the points. Each point has a bound of its own: shape (B,).",
        ),
        Mistake(
            "dimension kept",
            lambda lj, q: (q * (lj - q.log())).sum(dim=1, keepdim=True),
            "The numbers are right; the dimension that you summed over is still there. The docstring asks for (B,).",
        ),
        Mistake(
            "not summed",
            lambda lj, q: q * (lj - q.log()),
            "These are the terms of the sum, (B, K). Sum them over the labels.",
        ),
        Mistake(
            "logarithm taken twice",
            lambda lj, q: (q * (lj.log() - q.log())).sum(dim=1),
            "You take the logarithm of log_joint, which is one already: of a negative number it does not exist.",
        ),
        Mistake(
            "joint not logged",
            lambda lj, q: (q * (lj.exp() - q.log())).sum(dim=1),
            "You exponentiate the joint. The bound compares logarithms, and log p(x, k) is given as one.",
        ),
        Mistake(
            "q not logged",
            lambda lj, q: (q * (lj - q)).sum(dim=1),
            "You subtract q itself. The bound compares logarithms.",
        ),
        Mistake(
            "weighted by the joint",
            lambda lj, q: (lj.exp() * (lj - q.log())).sum(dim=1),
            "You weigh by p(x, k). The expectation is under q: each label counts as q says.",
        ),
        Mistake(
            "weighted by the posterior",
            lambda lj, q: (lj.softmax(dim=1) * (lj - q.log())).sum(dim=1),
            "You weigh by the true posterior. The expectation is under q, which is what one has.",
        ),
        Mistake(
            "entropy not weighted",
            lambda lj, q: (q * lj).sum(dim=1) - q.log().sum(dim=1),
            "Your log q is summed over all labels alike. It stands inside the expectation, with the weight q.",
        ),
        Mistake(
            "posterior for joint",
            lambda lj, q: (q * (lj.log_softmax(dim=1) - q.log())).sum(dim=1),
            "You normalised the joint. That takes log p(x) away, and what is left is minus the gap, not the bound.",
        ),
        Mistake(
            "divided instead of subtracted",
            lambda lj, q: (q * (lj / q.log())).sum(dim=1),
            "You divide two logarithms. The logarithm of a ratio is a difference.",
        ),
    ],
    gradients=[],  # a number to print: a loop over plain numbers will do
    package=InPackage(
        "elbo.mixture_elbo(mixture, x, q)", lambda lj, q: elbo.mixture_elbo(_Joint(lj), torch.zeros(len(lj), 1), q)
    ),
    hints=[
        "An expectation over K labels is a sum of K terms, each weighted by q.",
        "The term of one label is the logarithm of a ratio: a difference of two logarithms.",
        "Work out the table of differences, (B, K); weigh it; sum over the labels.",
    ],
    insight="The bound needs the joint p(x, k) only. Nobody had to know the posterior.",
)


def gap(log_joint: Tensor, q: Tensor) -> Tensor:
    """How far q is from the true posterior: KL(q || p(k | x)).

    The posterior is p(k | x) = p(x, k)/p(x), with p(x) the sum of p(x, k) over k.
    log_joint (B, K) holds log p(x, k), as low as -1000, those of one row within 50 of
    each other; q (B, K) positive, each row adds up to 1. Returns (B,), nats.
    """
    log_posterior = log_joint - log_joint.logsumexp(dim=1, keepdim=True)
    return (q * (q.log() - log_posterior)).sum(dim=1)


def gap_by_log_softmax(log_joint, q):
    return (torch.special.xlogy(q, q) - q * F.log_softmax(log_joint, dim=1)).sum(dim=1)


def gap_as_difference(log_joint, q):
    return torch.logsumexp(log_joint, dim=1) - mixture_elbo(log_joint, q)


def gap_by_kl_div(log_joint, q):
    return F.kl_div(log_joint.log_softmax(dim=1), q, reduction="none").sum(dim=1)


ALL_FAR_DOWN = torch.tensor([[-1000.0, -1001.0], [-2.0, -30.0], [-1.0, 0.5]])

GAP = Exercise(
    name="01.gap",
    title="The distance to the true posterior",
    minutes=5,
    level=2,
    reference=gap,
    alternatives=[gap_by_log_softmax, gap_as_difference, gap_by_kl_div],
    cases=[TWO_LABELS, log_joint_case(3, 2), log_joint_case(2, 5), log_joint_case(1, 1)],
    invariants=[
        Invariant(
            "zero for the true posterior",
            lambda f: close(f(TWO_LABELS[0], TWO_LABELS[0].softmax(dim=1)), torch.zeros(1)),
            "If q is the true posterior, the distance must be 0. Yours is not.",
        ),
        Invariant(
            "far down",
            lambda f: close(f(ALL_FAR_DOWN, HALVES), gap(ALL_FAR_DOWN, HALVES), 1e-3),
            "While log p(x, k) is moderate yours is right. At -1000, as for images, it is not: the probabilities of a row are all stored "
            "as 0. Stay with logarithms until the row is normalised.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "not normalised",
            lambda lj, q: (q * (q.log() - lj)).sum(dim=1),
            "You compare q with the joint p(x, k), whose row does not add up to 1. That is the negative ELBO. "
            "Divide the joint by p(x) first.",
        ),
        Mistake(
            "the other direction",
            lambda lj, q: (lj.softmax(dim=1) * (lj.log_softmax(dim=1) - q.log())).sum(dim=1),
            "Yours is KL(posterior || q). The mean must be taken under q, which is what we can draw from.",
        ),
        Mistake(
            "negative",
            lambda lj, q: (q * (lj.log_softmax(dim=1) - q.log())).sum(dim=1),
            "Yours is never positive, and a KL is never negative: the sign is turned.",
        ),
        Mistake(
            "mean for expectation",
            lambda lj, q: (q * (q.log() - lj.log_softmax(dim=1))).mean(dim=1),
            "You divide by K. The weights q add up to 1 already.",
        ),
        Mistake(
            "normalised over the points",
            lambda lj, q: (q * (q.log() - lj.log_softmax(dim=0))).sum(dim=1),
            "You normalised over the points of the batch. The posterior of each point adds up to 1 over the labels.",
        ),
        Mistake(
            "largest for sum",
            lambda lj, q: (q * (q.log() - lj + lj.max(dim=1, keepdim=True).values)).sum(dim=1),
            "You divide by the largest p(x, k) and not by their sum. p(x) counts every label.",
        ),
        Mistake(
            "absolute difference",
            lambda lj, q: (q - lj.softmax(dim=1)).abs().sum(dim=1),
            "Yours is the sum of absolute differences. That is a distance too, but not the one that closes the gap of the bound.",
        ),
        Mistake(
            "posterior not logged",
            lambda lj, q: (q * (q.log() - lj.softmax(dim=1))).sum(dim=1),
            "You subtract the posterior itself. A KL compares logarithms.",
        ),
        Mistake(
            "not weighted",
            lambda lj, q: (q.log() - lj.log_softmax(dim=1)).sum(dim=1),
            "You add up log q − log p(k | x) over all labels alike. The mean is under q: each label counts as q says.",
        ),
        Mistake(
            "mean over the points",
            lambda lj, q: gap(lj, q).mean(),
            "You average over the points (as F.kl_div does with batchmean). Each point has a distance of its own: shape (B,).",
        ),
        Mistake(
            "summed over everything",
            lambda lj, q: gap(lj, q).sum(),
            "You sum over all points. Each point has a distance of its own: shape (B,).",
        ),
        Mistake(
            "not summed",
            lambda lj, q: q * (q.log() - lj.log_softmax(dim=1)),
            "These are the terms of the sum, (B, K). Sum them over the labels.",
        ),
        Mistake(
            "dimension kept",
            lambda lj, q: gap(lj, q)[:, None],
            "The numbers are right; the dimension that you summed over is still there. The docstring asks for (B,).",
        ),
        Mistake(
            "sum of the logarithms",
            lambda lj, q: (q * (q.log() - lj + lj.sum(dim=1, keepdim=True))).sum(dim=1),
            "Your log p(x) is the sum of the log-joints. p(x) is a sum of probabilities: its logarithm is another thing.",
        ),
        Mistake(
            "entropy missing",
            lambda lj, q: lj.logsumexp(dim=1) - (q * lj).sum(dim=1),
            "The term with log q is missing: yours is the cross-entropy of q and the posterior, not their KL.",
        ),
        Mistake("log p(x) alone", lambda lj, q: lj.logsumexp(dim=1), "Yours is log p(x), whatever q says."),
        Mistake("the bound", mixture_elbo, "Yours is the ELBO. The gap is what it lacks to log p(x)."),
        Mistake(
            "distance to a uniform posterior",
            lambda lj, q: (q * (q.log() + math.log(q.shape[1]))).sum(dim=1),
            "Yours is the KL from q to equal shares: log_joint is not used.",
        ),
        Mistake(
            "squared difference",
            lambda lj, q: ((q - lj.softmax(dim=1)) ** 2).sum(dim=1),
            "Yours is the sum of squared differences. That is a distance too, but not the one that closes the gap of the bound.",
        ),
    ],
    gradients=[],  # a number to print: a loop over plain numbers will do
    allowed={
        "log_joint one *": "the posterior is normalised",
    },
    hints=[
        "First the posterior, or its logarithm, from log_joint; then the KL.",
        "log p(x) is a log of a sum of exponentials; torch has a stable function for it.",
        "The log-posterior is log_joint minus log p(x), row by row. Then average log q minus it under q.",
    ],
    insight="For a mixture the posterior is cheap. For a network it is out of reach: there the bound is known and the gap is not.",
)


# -- Gaussians --------------------------------------------------------------------------------------------------------


def standard_kl(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, var) || N(0, I)) of each code, where var = exp(log_var). Derive it first.

    mu, log_var (B, D); the coordinates are independent. Returns (B,), nats.
    Differentiable in mu and log_var: it is part of the loss.
    """
    return -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)


def standard_kl_by_torch(mu, log_var):
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    return torch.distributions.kl_divergence(q, torch.distributions.Normal(torch.zeros_like(mu), 1.0)).sum(dim=-1)


def standard_kl_in_a_loop(mu, log_var):
    found = []
    for m, v in zip(mu, log_var, strict=True):
        found.append(sum((torch.exp(b) + a * a - 1 - b) / 2 for a, b in zip(m, v, strict=True)))
    return torch.stack(found)


def code_case(B: int, D: int):
    return lambda g: (normal(g, B, D), 0.7 * normal(g, B, D) - 0.3)


STANDARD_KL = Exercise(
    name="01.standard_kl",
    title="KL to the prior, in closed form",
    minutes=8,
    level=2,
    reference=standard_kl,
    alternatives=[standard_kl_by_torch, standard_kl_in_a_loop],
    cases=[
        (torch.tensor([[0.5]]), torch.tensor([[-1.0]])),
        code_case(3, 2),
        code_case(2, 5),
        (torch.tensor([[-3.0, 0.0, 2.0, 0.1]]), torch.tensor([[4.0, -6.0, 0.0, 1.5]])),
    ],
    invariants=[
        Invariant(
            "zero at the prior",
            lambda f: close(f(torch.zeros(2, 3), torch.zeros(2, 3)), torch.zeros(2)),
            "For mu = 0 and log_var = 0, q is the prior and the KL is 0. Yours is not.",
        ),
    ],
    mistakes=[
        Mistake(
            "one missing",
            lambda m, v: -0.5 * (v - m**2 - v.exp()).sum(dim=1),
            "Yours is too large by half a nat for each coordinate: the 1 in the bracket is missing.",
        ),
        Mistake(
            "half missing",
            lambda m, v: -(1 + v - m**2 - v.exp()).sum(dim=1),
            "Yours is twice the KL: the factor one half comes from the exponent of the Gaussian.",
        ),
        Mistake(
            "sign turned",
            lambda m, v: 0.5 * (1 + v - m**2 - v.exp()).sum(dim=1),
            "Yours is minus the KL, and a KL is never negative. Look at the sign in front of the half.",
        ),
        Mistake(
            "log-variance taken for the variance",
            lambda m, v: -0.5 * (1 + v.abs().log() - m**2 - v).sum(dim=1),
            "You treat log_var as the variance itself. The second argument is its logarithm.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda m, v: -0.5 * (1 + v - m**2 - (v / 2).exp()).sum(dim=1),
            "Your last term is the standard deviation, exp(log_var/2). It should be the variance.",
        ),
        Mistake(
            "mean not squared",
            lambda m, v: -0.5 * (1 + v - m - v.exp()).sum(dim=1),
            "Your mu is not squared: then a negative mean would count as nearer than 0.",
        ),
        Mistake(
            "mean over coordinates",
            lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).mean(dim=1),
            "You average over the coordinates. Independent coordinates add their KLs; the average is too small by the factor D.",
        ),
        Mistake(
            "summed over the batch",
            lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).sum(),
            "You sum over the whole batch. Asked is one number for each code, shape (B,).",
        ),
        Mistake(
            "log of the log-variance",
            lambda m, v: -0.5 * (1 + v.log() - m**2 - v).sum(dim=1),
            "You treat log_var as the variance itself and take its logarithm: of a negative number it does not exist. log_var is the "
            "logarithm already.",
        ),
        Mistake(
            "variance not taken back from its logarithm",
            lambda m, v: -0.5 * (1 + v - m**2 - v).sum(dim=1),
            "Your log_var cancels: the last term is to be the variance, and log_var is its logarithm.",
        ),
        Mistake(
            "log-variance forgotten",
            lambda m, v: -0.5 * (1 - m**2 - v.exp()).sum(dim=1),
            "The term log_var is missing. It is what keeps the variance from shrinking to 0.",
        ),
        Mistake(
            "variance forgotten",
            lambda m, v: -0.5 * (1 + v - m**2).sum(dim=1),
            "The last term, the variance, is missing. It is what keeps the code from spreading.",
        ),
        Mistake(
            "mean forgotten",
            lambda m, v: -0.5 * (1 + v - v.exp()).sum(dim=1),
            "The term with mu is missing: yours does not care where the code lies.",
        ),
        Mistake(
            "bracket closed too early",
            lambda m, v: -0.5 * 1 + (v - m**2 - v.exp()).sum(dim=1),
            "Your factor −1/2 meets the 1 alone. It belongs to the whole sum.",
        ),
        Mistake(
            "one outside the sum",
            lambda m, v: -0.5 * (1 + (v - m**2 - v.exp()).sum(dim=1)),
            "Your 1 is added once for each code. It belongs to every coordinate: inside the sum.",
        ),
        Mistake(
            "mean over everything",
            lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).mean(),
            "You average over everything. Asked is one number for each code, shape (B,).",
        ),
        Mistake(
            "mean over the batch",
            lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).sum(dim=1).mean(),
            "You average over the codes. Asked is one number for each, shape (B,).",
        ),
        Mistake(
            "over the wrong axis",
            lambda m, v: -0.5 * (1 + v - m**2 - v.exp()).sum(dim=0),
            "You sum over the codes and keep the coordinates. Each code has a KL of its own: sum over the coordinates.",
        ),
        Mistake(
            "not summed",
            lambda m, v: -0.5 * (1 + v - m**2 - v.exp()),
            "These are the KLs of the coordinates, (B, D). Sum them, code by code.",
        ),
        Mistake(
            "variance squared",
            lambda m, v: -0.5 * (1 + v - m**2 - (2 * v).exp()).sum(dim=1),
            "Your last term is the square of the variance: log_var is doubled in it.",
        ),
        Mistake(
            "logarithm of the standard deviation",
            lambda m, v: 0.5 * (m**2 + v.exp() - 1 - v / 2).sum(dim=1),
            "Inside your bracket stands the logarithm of the standard deviation. The half stands before the bracket already.",
        ),
        Mistake(
            "the other direction",
            lambda m, v: 0.5 * (v + (1 + m**2) / v.exp() - 1).sum(dim=1),
            "Yours is KL(N(0, I) || q), the other direction.",
        ),
    ],
    package=InPackage("elbo.standard_kl(mu, log_var)", elbo.standard_kl),
    allowed={
        "mu negated": "only its square counts",
    },
    hints=[
        "Work out one bracket for every entry, (B, D), and only then sum.",
        "The variance comes from its logarithm by the exponential function.",
        "Bracket, sum over the last axis, times minus one half.",
    ],
    insight="No draw is needed for this half of the loss: its gradient is free of noise.",
)


def reparameterize(mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
    """A draw from N(mu, var), var = exp(log_var), as a function that has gradients.

    z = mu + std·noise, where std is the standard deviation.
    mu, log_var, noise (B, D), noise standard Gaussian. Returns z (B, D).
    Differentiable in mu and log_var.
    """
    return mu + torch.exp(0.5 * log_var) * noise


def reparameterize_by_root(mu, log_var, noise):
    return torch.addcmul(mu, log_var.exp().sqrt(), noise)


def reparameterize_in_a_loop(mu, log_var, noise):
    return torch.stack([m + math.e ** (v / 2) * e for m, v, e in zip(mu, log_var, noise, strict=True)])


def noisy_code_case(B: int, D: int):
    return lambda g: (normal(g, B, D), normal(g, B, D), normal(g, B, D))


NOTHING = (torch.ones(1, 2), torch.ones(1, 2), torch.zeros(1, 2))

REPARAMETERIZE = Exercise(
    name="01.reparameterize",
    title="A draw with a gradient",
    minutes=3,
    level=1,
    reference=reparameterize,
    alternatives=[reparameterize_by_root, reparameterize_in_a_loop],
    cases=[
        (torch.tensor([[1.0]]), torch.tensor([[-2.0]]), torch.tensor([[0.5]])),
        noisy_code_case(2, 3),
        noisy_code_case(4, 2),
        (torch.tensor([[0.0, -2.0, 3.0]]), torch.tensor([[5.0, -9.0, 0.0]]), torch.tensor([[-0.7, 1.2, 0.3]])),
    ],
    invariants=[
        Invariant(
            "no noise of its own",
            lambda f: close(f(*NOTHING), f(*NOTHING)),
            "Called twice with the same arguments yours gives two different draws: it draws noise of its own. The noise to use is the "
            "argument.",
        ),
        Invariant(
            "no noise gives the mean",
            lambda f: close(f(*NOTHING), NOTHING[0]),
            "With noise 0 the draw must be the mean. Yours is not.",
        ),
    ],
    mistakes=[
        Mistake(
            "variance for standard deviation",
            lambda m, v, e: m + v.exp() * e,
            "You multiply the noise by the variance. Multiplying by c multiplies the variance by c²: which c is needed?",
        ),
        Mistake(
            "log-variance as factor",
            lambda m, v, e: m + v * e,
            "You multiply the noise by log_var itself, which may be negative. First undo the logarithm.",
        ),
        Mistake(
            "half of the log-variance",
            lambda m, v, e: m + 0.5 * v * e,
            "Half of log_var is the logarithm of the standard deviation, so one step is missing.",
        ),
        Mistake(
            "log-variance forgotten",
            lambda m, v, e: m + e,
            "Your spread is 1 whatever the encoder says: log_var is not used.",
        ),
        Mistake(
            "mean multiplied",
            lambda m, v, e: m * (v / 2).exp() * e,
            "You multiply the mean by the noise. The mean shifts the draw: it is added.",
        ),
        Mistake(
            "mean forgotten",
            lambda m, v, e: (v / 2).exp() * e,
            "Your draw is centred at 0: where is the mean?",
        ),
        Mistake(
            "double log-variance",
            lambda m, v, e: m + (2 * v).exp() * e,
            "You doubled log_var. In logarithms a square root is a half.",
        ),
        Mistake(
            "noise of its own",
            lambda m, v, e: m + (v / 2).exp() * torch.randn_like(m),
            "You draw noise of your own (torch.normal and rsample do so as well). The noise to use is the argument: then the same "
            "arguments give the same z.",
        ),
        Mistake(
            "no noise",
            lambda m, v, e: m + (v / 2).exp(),
            "You add the standard deviation itself: the noise is not used, so yours is no draw.",
        ),
        Mistake("the mean", lambda m, v, e: m + 0 * e, "Yours is the mean: nothing is drawn."),
        Mistake(
            "noise subtracted",
            lambda m, v, e: m - (v / 2).exp() * e,
            "You subtract the noise. Its distribution is the same, but z = mu + std·noise is asked for.",
        ),
        Mistake(
            "mean multiplied, noise added",
            lambda m, v, e: m * (v / 2).exp() + e,
            "Your standard deviation multiplies the mean. It is the noise that it should stretch.",
        ),
        Mistake(
            "everything multiplied",
            lambda m, v, e: (m + e) * (v / 2).exp(),
            "Your standard deviation multiplies the mean as well. Only the noise should be stretched.",
        ),
        Mistake(
            "exponential of half, halved again",
            lambda m, v, e: m + 0.5 * v.exp() * e,
            "You halve the variance. A root halves its logarithm.",
        ),
        Mistake(
            "sign of the logarithm",
            lambda m, v, e: m + (-v / 2).exp() * e,
            "Your exponent has the wrong sign: a large variance makes your spread small.",
        ),
        Mistake(
            "root of the log-variance",
            lambda m, v, e: m + v.sqrt() * e,
            "You take the root of log_var, which may be negative. First undo the logarithm.",
        ),
        Mistake(
            "a little added to the variance",
            lambda m, v, e: m + (v.exp() + 0.01).sqrt() * e,
            "You add 0.01 to the variance. An exponential is positive by itself.",
        ),
    ],
    gradients=["mu", "log_var"],
    package=InPackage("vae.reparameterize(mu, log_var, noise)", gaussian.reparameterize),
    hints=[
        "Which number must standard noise be multiplied by to have standard deviation s?",
        "log_var is the logarithm of the variance; the root of the variance has half that logarithm.",
        "Two lines: the standard deviation from log_var, then mean plus standard deviation times noise.",
    ],
    insight="All randomness sits in the noise, which has no parameters. What is left is an ordinary function of mu and log_var.",
)


# -- two estimators of one gradient -----------------------------------------------------------------------------------


def pathwise_gradient(f, mu: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    """The gradient of E[f(z)], z ~ N(mu, std²), with respect to mu: one estimate for each draw.

    Write z = mu + std·noise. What does a small step of mu do to z, and so to f(z)?
    f takes z (N, D) and returns (N,). mu, std (D,), noise (N, D). Returns (N, D).
    """
    z = (mu + std * noise).detach().requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0]


def pathwise_gradient_by_backward(f, mu, std, noise):
    z = (mu + std * noise).detach().clone().requires_grad_(True)
    f(z).sum().backward()
    return z.grad


def pathwise_gradient_in_a_loop(f, mu, std, noise):
    found = []
    for e in noise:
        m = mu.detach().clone().requires_grad_()
        found.append(torch.autograd.grad(f((m + std * e)[None]).sum(), m)[0])
    return torch.stack(found)


def a_function(z: Tensor) -> Tensor:
    """Stands for log p(x | z) in the cases."""
    return (torch.sin(2 * z) - 0.5 * z**2).sum(dim=1) + z[:, 0] * z[:, -1]


def gradient_at(f, z: Tensor) -> Tensor:
    z = z.detach().clone().requires_grad_()
    return torch.autograd.grad(f(z).sum(), z)[0]


def _gradient_of_many(f, z: Tensor) -> Tensor:
    z = z.detach().requires_grad_()
    return torch.autograd.grad(f(z), z)[0]


def path_case(N: int, D: int):
    return lambda g: (a_function, normal(g, D), torch.rand(D, generator=g) + 0.3, normal(g, N, D))


PATHWISE_GRADIENT = Exercise(
    name="01.pathwise_gradient",
    title="The gradient through the draw",
    minutes=6,
    level=2,
    reference=pathwise_gradient,
    alternatives=[pathwise_gradient_by_backward, pathwise_gradient_in_a_loop],
    cases=[
        (a_function, torch.tensor([0.5, -1.0]), torch.tensor([0.5, 2.0]), torch.tensor([[1.0, -0.5]])),
        path_case(4, 2),
        path_case(3, 5),
        path_case(1, 1),
    ],
    mistakes=[
        Mistake(
            "gradient at the mean",
            lambda f, mu, std, noise: gradient_at(f, mu.expand_as(noise)),
            "You take the gradient at the mean, the same for all draws. It belongs at the drawn z.",
        ),
        Mistake(
            "variance for standard deviation",
            lambda f, mu, std, noise: gradient_at(f, mu + std**2 * noise),
            "Your z has noise times std². The argument is called std already.",
        ),
        Mistake(
            "gradient by the noise",
            lambda f, mu, std, noise: std * gradient_at(f, mu + std * noise),
            "Yours is the gradient with respect to the noise: it has a factor std too many. Asked is the one with respect to mu.",
        ),
        Mistake(
            "averaged",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise).mean(dim=0),
            "You have averaged over the draws. Keep one estimate for each: their spread is what we want to see.",
        ),
        Mistake(
            "mean of f",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise) / len(noise),
            "You differentiated the mean of f over the draws, so each estimate is too small by the number of draws.",
        ),
        Mistake(
            "sign turned",
            lambda f, mu, std, noise: -gradient_at(f, mu + std * noise),
            "Yours is the gradient of −f.",
        ),
        Mistake(
            "standard deviation forgotten",
            lambda f, mu, std, noise: gradient_at(f, mu + noise),
            "Your z has spread 1: std is not used.",
        ),
        Mistake(
            "gradient by the standard deviation",
            lambda f, mu, std, noise: noise * gradient_at(f, mu + std * noise),
            "Yours is the gradient with respect to std: it has a factor noise too many. Asked is the one with respect to mu.",
        ),
        Mistake(
            "score estimator",
            lambda f, mu, std, noise: f(mu + std * noise)[:, None] * noise / std,
            "Yours is f times the score of q, the estimator that never looks at the slope of f. Here f is to be differentiated.",
        ),
        Mistake(
            "at the noise",
            lambda f, mu, std, noise: gradient_at(f, noise),
            "You take the gradient at the noise itself. It belongs at the drawn z, which has mean mu and spread std.",
        ),
        Mistake(
            "every row the average",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise).mean(dim=0).expand_as(noise),
            "All your rows are the average over the draws. Keep one estimate for each: their spread is what we want to see.",
        ),
        Mistake(
            "every row the sum",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise).sum(dim=0).expand_as(noise),
            "All your rows are the sum over the draws: mu was shared by them all. Keep one estimate for each.",
        ),
        Mistake(
            "summed",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise).sum(dim=0),
            "You have summed over the draws: mu was shared by them all. Keep one estimate for each: their spread is what we want to see.",
        ),
        Mistake(
            "f itself",
            lambda f, mu, std, noise: f(mu + std * noise),
            "These are the values of f. Its gradient is asked for.",
        ),
        Mistake(
            "not summed",
            lambda f, mu, std, noise: _gradient_of_many(f, mu + std * noise),
            "You ask for the gradient of N numbers at once, and PyTorch wants a single one. Row i of f depends on row i of z alone: "
            "which single number has all N gradients in it?",
        ),
        Mistake(
            "not tracked",
            lambda f, mu, std, noise: torch.autograd.grad(f(mu + std * noise).sum(), mu)[0],
            "Autograd was never told to follow what you differentiate by. Switch gradients on, for a copy, before f is called.",
        ),
        Mistake(
            "summed over the coordinates",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise).sum(dim=1),
            "You added up the coordinates of each gradient. A gradient has as many numbers as mu.",
        ),
        Mistake(
            "divided by the standard deviation",
            lambda f, mu, std, noise: gradient_at(f, mu + std * noise) / std,
            "Yours has a factor 1/std too many: a step of mu moves z by the same step, whatever std is.",
        ),
        Mistake(
            "log of f",
            lambda f, mu, std, noise: gradient_at(lambda z: f(z).log(), mu + std * noise),
            "You differentiate the logarithm of f. f enters as it is.",
        ),
    ],
    allowed={
        "f called twice": "the stub does not count calls",
        "* detached": "it is a derivative, and has none of its own",
        "0 -> -1": "there is one gradient",
        "(mu + std * noise).detach() -> mu + std * noise": "the same numbers, if mu has no graph",
    },
    hints=[
        "Make z, and let autograd differentiate f at z.",
        "Row i of f depends on row i of z only. So one backward pass through a sum gives all rows at once.",
        "z needs requires_grad and must be a leaf. Sum f(z) over the draws, and ask for the gradient with respect to z.",
    ],
    insight="This is what backward does in every step of training a VAE.",
)


def score_gradient(f_values: Tensor, z: Tensor, mu: Tensor, std: Tensor) -> Tensor:
    """The same gradient without differentiating f: one estimate for each draw.

    f(z) times the gradient of log N(z; mu, std²) with respect to mu. Derive that
    gradient first.
    f_values (N,) holds f at z (N, D); mu, std (D,). Returns (N, D).
    """
    return f_values[:, None] * (z - mu) / std**2


def score_gradient_by_autograd(f_values, z, mu, std):
    m = mu.expand_as(z).clone().requires_grad_()
    log_q = torch.distributions.Normal(m, std).log_prob(z)
    return f_values.unsqueeze(1) * torch.autograd.grad(log_q.sum(), m)[0]


def score_gradient_in_a_loop(f_values, z, mu, std):
    return torch.stack([f * (row - mu) / (std * std) for f, row in zip(f_values, z, strict=True)])


def score_case(N: int, D: int):
    return lambda g: (3 * normal(g, N) - 1, normal(g, N, D), normal(g, D), torch.rand(D, generator=g) + 0.3)


SCORE_GRADIENT = Exercise(
    name="01.score_gradient",
    title="The gradient without the path",
    minutes=7,
    level=2,
    reference=score_gradient,
    alternatives=[score_gradient_by_autograd, score_gradient_in_a_loop],
    cases=[
        (torch.tensor([-2.0]), torch.tensor([[1.0, 0.0]]), torch.tensor([0.5, 1.0]), torch.tensor([0.5, 2.0])),
        score_case(3, 2),
        score_case(2, 5),
        score_case(3, 3),
        score_case(4, 1),
    ],
    mistakes=[
        Mistake(
            "standard deviation below",
            lambda f, z, mu, std: f[:, None] * (z - mu) / std,
            "You divide by std once: that is the noise. The gradient of the log-density divides by the variance.",
        ),
        Mistake(
            "sign turned",
            lambda f, z, mu, std: f[:, None] * (mu - z) / std**2,
            "Your score points from z to the mean: that is the gradient with respect to z. With respect to mu it points to z.",
        ),
        Mistake(
            "f forgotten",
            lambda f, z, mu, std: (z - mu) / std**2,
            "Yours does not depend on f, and its mean is 0: it is the score alone.",
        ),
        Mistake(
            "averaged",
            lambda f, z, mu, std: (f[:, None] * (z - mu) / std**2).mean(dim=0),
            "You have averaged over the draws. Keep one estimate for each: their spread is what we want to see.",
        ),
        Mistake(
            "mean not subtracted",
            lambda f, z, mu, std: f[:, None] * z / std**2,
            "Your score uses z itself. It vanishes where z is at the mean, not where z is 0.",
        ),
        Mistake(
            "variance forgotten",
            lambda f, z, mu, std: f[:, None] * (z - mu),
            "You do not divide at all. A narrow q reacts strongly to a shift of its mean.",
        ),
        Mistake(
            "logarithm of f",
            lambda f, z, mu, std: f.abs().log()[:, None] * (z - mu) / std**2,
            "You take the logarithm of f. Only the density is differentiated in its logarithm; f enters as it is.",
        ),
        Mistake(
            "not broadcast",
            lambda f, z, mu, std: f * (z - mu) / std**2,
            "Your f_values (N,) is lined up with the coordinates, the last axis. Each draw has one f: it must stand opposite the draws. "
            "Where N and D agree nothing warns you.",
        ),
        Mistake(
            "logarithm of f, of negative numbers",
            lambda f, z, mu, std: f.log()[:, None] * (z - mu) / std**2,
            "You take the logarithm of f, which may be negative. Only the density is differentiated in its logarithm; f enters as it is.",
        ),
        Mistake(
            "a baseline",
            lambda f, z, mu, std: (f - f.mean())[:, None] * (z - mu) / std**2,
            "You subtract the mean of f first. A good idea, which lowers the variance, and the lesson comes to it; asked is the plain "
            "estimator.",
        ),
        Mistake(
            "fourth power",
            lambda f, z, mu, std: f[:, None] * (z - mu) / std**4,
            "You divide by the square of the variance. std is the standard deviation: its square is the variance.",
        ),
        Mistake(
            "difference squared",
            lambda f, z, mu, std: f[:, None] * (z - mu) ** 2 / std**2,
            "Your difference is squared, as in the density. Its derivative has one power less.",
        ),
        Mistake(
            "half",
            lambda f, z, mu, std: f[:, None] * (z - mu) / (2 * std**2),
            "Yours is half the estimate: the 1/2 of the exponent goes when the square is differentiated.",
        ),
        Mistake(
            "gradient of the unnormalised density",
            lambda f, z, mu, std: f[:, None] * torch.exp(-((z - mu) ** 2) / 2 / std**2) * (z - mu) / std**2,
            "Yours has the bell itself as a factor: that is the gradient of the density. Asked is that of its logarithm.",
        ),
        Mistake(
            "gradient of the density",
            lambda f, z, mu, std: (
                f[:, None] * torch.distributions.Normal(mu, std).log_prob(z).exp() * (z - mu) / std**2
            ),
            "Yours has the density as a factor: that is its gradient. Asked is that of its logarithm.",
        ),
        Mistake(
            "log density",
            lambda f, z, mu, std: f[:, None] * torch.distributions.Normal(mu, std).log_prob(z),
            "You multiply f by the log-density itself. Its gradient with respect to mu is asked for.",
        ),
        Mistake(
            "gradient by the standard deviation",
            lambda f, z, mu, std: f[:, None] * (((z - mu) / std) ** 2 - 1) / std,
            "Yours is the gradient with respect to std. Asked is the one with respect to mu.",
        ),
        Mistake(
            "summed over the coordinates",
            lambda f, z, mu, std: f[:, None] * ((z - mu) / std**2).sum(dim=1, keepdim=True),
            "You added up the coordinates. mu has D of them, and so has its gradient.",
        ),
        Mistake(
            "summed over the coordinates, one axis",
            lambda f, z, mu, std: f * ((z - mu) / std**2).sum(dim=1),
            "You added up the coordinates, so one number is left for each draw. mu has D of them, and so has its gradient.",
        ),
        Mistake(
            "summed",
            lambda f, z, mu, std: (f[:, None] * (z - mu) / std**2).sum(dim=0),
            "You have summed over the draws. Keep one estimate for each: their spread is what we want to see.",
        ),
    ],
    gradients=[],  # it is itself a gradient, and only measured
    allowed={
        "std negated": "only its square counts",
    },
    hints=[
        "Two factors: a number for each draw, and a vector for each draw.",
        "A number for each draw, (N,), meets a table (N, D): give it a second axis.",
        "The vector is (z − mu) over the variance; multiply it by f of that draw.",
    ],
    insight="It works for any f, differentiable or not, even for a player's reward. The price is its variance.",
)


# -- the autoencoder --------------------------------------------------------------------------------------------------


def loss_function(recon_x: Tensor, x: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """The negative ELBO of a batch, in nats: one number, summed over pixels and images.

    recon_x (B, P) are the decoder's probabilities, in (0, 1), for pixels x (B, P) of 0 and 1;
    mu and log_var (B, D) are the encoder's. Both terms are sums, as in the bound.
    Returns a scalar, differentiable in recon_x, mu and log_var.
    """
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()
    return bce + kl


def loss_function_by_distributions(recon_x, x, mu, log_var):
    reconstruction = torch.distributions.Bernoulli(probs=recon_x).log_prob(x).sum()
    q = torch.distributions.Normal(mu, (log_var / 2).exp())
    p = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(q, p).sum() - reconstruction


def loss_function_by_hand(recon_x, x, mu, log_var):
    bce = -(x * recon_x.log() + (1 - x) * torch.log1p(-recon_x)).sum()
    return bce + standard_kl(mu, log_var).sum()


def _bce(recon_x: Tensor, x: Tensor) -> Tensor:
    return -(x * recon_x.log() + (1 - x) * (1 - recon_x).log())


def _kl(mu: Tensor, log_var: Tensor) -> Tensor:
    return (mu**2 + log_var.exp() - 1 - log_var) / 2


def batch_case(B: int, P: int, D: int):
    """Each image has dark and light pixels."""
    return lambda g: (
        torch.sigmoid(2 * normal(g, B, P)),
        (torch.arange(B * P) * 2 % 3 == 0).float().view(B, P),
        normal(g, B, D),
        normal(g, B, D) - 0.5,
    )


LOSS_FUNCTION = Exercise(
    name="01.loss_function",
    title="The loss of a VAE",
    minutes=5,
    level=2,
    reference=loss_function,
    alternatives=[loss_function_by_distributions, loss_function_by_hand],
    cases=[batch_case(1, 2, 1), batch_case(3, 5, 2), batch_case(2, 4, 3)],
    mistakes=[
        Mistake(
            "mean over pixels",
            lambda r, x, m, v: _bce(r, x).mean() + _kl(m, v).sum(),
            "You average the cross-entropy over pixels and images but sum the KL. That multiplies the KL weight by the number of "
            "pixels, and the codes collapse. It is the most common slip of all: it runs, and learns nothing.",
        ),
        Mistake(
            "everything averaged",
            lambda r, x, m, v: _bce(r, x).mean() + _kl(m, v).mean(),
            "You average both terms, over different numbers of entries (pixels, latents). Their balance is no longer that of the bound.",
        ),
        Mistake(
            "mean of the KL",
            lambda r, x, m, v: _bce(r, x).sum() + _kl(m, v).mean(),
            "You average the KL and sum the cross-entropy, so the KL hardly counts.",
        ),
        Mistake(
            "KL subtracted",
            lambda r, x, m, v: _bce(r, x).sum() - _kl(m, v).sum(),
            "You subtract the KL. In the ELBO it is subtracted; the loss is the negative ELBO.",
        ),
        Mistake(
            "the ELBO itself",
            lambda r, x, m, v: -_bce(r, x).sum() - _kl(m, v).sum(),
            "Yours is the ELBO. An optimiser minimises, so the loss is its negative.",
        ),
        Mistake(
            "KL forgotten",
            lambda r, x, m, v: _bce(r, x).sum(),
            "The KL is missing. What is left trains a plain autoencoder with noise, which will learn to be certain of everything.",
        ),
        Mistake(
            "squared error",
            lambda r, x, m, v: F.mse_loss(r, x, reduction="sum") + _kl(m, v).sum(),
            "You use the squared error, a Gaussian likelihood. The docstring asks for the Bernoulli one.",
        ),
        Mistake(
            "image and target exchanged",
            lambda r, x, m, v: F.binary_cross_entropy(x, r, reduction="sum") + _kl(m, v).sum(),
            "You exchanged the two images. Torch wants the prediction first and the target second.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda r, x, m, v: _bce(r, x).sum() + ((m**2 + (v / 2).exp() - 1 - v) / 2).sum(),
            "In your KL stands the standard deviation where the variance belongs.",
        ),
        Mistake(
            "one for each image",
            lambda r, x, m, v: _bce(r, x).sum(dim=1) + _kl(m, v).sum(dim=1),
            "Yours has one value for each image. Asked is their sum, one number.",
        ),
        Mistake(
            "divided by the batch size",
            lambda r, x, m, v: (_bce(r, x).sum() + _kl(m, v).sum()) / len(x),
            "Yours is divided by the number of images. Asked is the sum over them; the lesson divides afterwards.",
        ),
        Mistake(
            "divided by pixels and images",
            lambda r, x, m, v: (_bce(r, x).sum() + _kl(m, v).sum()) / x.numel(),
            "Yours is divided by the number of pixels. Asked is the sum; with it both terms are nats of one bound.",
        ),
        Mistake(
            "probabilities taken for logits",
            lambda r, x, m, v: F.binary_cross_entropy_with_logits(r, x, reduction="sum") + _kl(m, v).sum(),
            "You use the cross-entropy for logits, which applies a sigmoid. recon_x holds probabilities already.",
        ),
        Mistake(
            "logits and means",
            lambda r, x, m, v: F.binary_cross_entropy_with_logits(r, x) + _kl(m, v).sum(),
            "You use the cross-entropy for logits, which applies a sigmoid; recon_x holds probabilities. And it averages over pixels, "
            "where a sum is asked for.",
        ),
        Mistake(
            "light pixels only",
            lambda r, x, m, v: -(x * r.log()).sum() + _kl(m, v).sum(),
            "Your cross-entropy counts the pixels that are 1 alone. A pixel that is 0 has a probability too: that of not being 1.",
        ),
        Mistake(
            "dark pixels only",
            lambda r, x, m, v: -((1 - x) * (1 - r).log()).sum() + _kl(m, v).sum(),
            "Your cross-entropy counts the pixels that are 0 alone. Those that are 1 cost something too.",
        ),
        Mistake(
            "KL without its half",
            lambda r, x, m, v: _bce(r, x).sum() + 2 * _kl(m, v).sum(),
            "Your KL counts twice: its factor 1/2 is missing.",
        ),
        Mistake(
            "KL without its log-variance",
            lambda r, x, m, v: _bce(r, x).sum() + (m**2 + v.exp() - 1).sum() / 2,
            "In your KL the term log_var is missing: nothing keeps the variance from shrinking to 0.",
        ),
        Mistake(
            "KL without its mean",
            lambda r, x, m, v: _bce(r, x).sum() + (v.exp() - 1 - v).sum() / 2,
            "In your KL the term with mu is missing: nothing draws the codes to the prior.",
        ),
        Mistake(
            "one missing in the KL",
            lambda r, x, m, v: _bce(r, x).sum() + (m**2 + v.exp() - v).sum() / 2,
            "In your KL the 1 in the bracket is missing: it is too large by half a nat for each coordinate. No gradient feels it, but "
            "the bound does.",
        ),
        Mistake(
            "one outside the sum of the KL",
            lambda r, x, m, v: _bce(r, x).sum() - 0.5 * (1 + (v - m**2 - v.exp()).sum()),
            "In your KL the 1 is added once. It belongs to every coordinate of every code: inside the sum.",
        ),
        Mistake(
            "black and white",
            lambda r, x, m, v: F.binary_cross_entropy((r > 0.5).to(x.dtype), x, reduction="sum") + _kl(m, v).sum(),
            "You make recon_x black and white first: its probabilities are lost, and no gradient passes a comparison.",
        ),
        Mistake(
            "mean over the images alone",
            lambda r, x, m, v: _bce(r, x).sum(dim=1).mean() + _kl(m, v).sum(),
            "You average the cross-entropy over the images and sum the KL, so the KL counts B times too much.",
        ),
        Mistake(
            "KL averaged over the images",
            lambda r, x, m, v: _bce(r, x).sum() + _kl(m, v).sum(dim=1).mean(),
            "You sum the cross-entropy over the images and average the KL, so the KL counts B times too little.",
        ),
        Mistake(
            "sign of the cross-entropy",
            lambda r, x, m, v: -_bce(r, x).sum() + _kl(m, v).sum(),
            "Your cross-entropy has the wrong sign: yours falls when the images get worse.",
        ),
        Mistake(
            "absolute error",
            lambda r, x, m, v: (r - x).abs().sum() + _kl(m, v).sum(),
            "You use the absolute error. The docstring asks for the cross-entropy, the Bernoulli likelihood.",
        ),
    ],
    gradients=["recon_x", "mu", "log_var"],
    allowed={
        "x under a root": "x is 0 or 1",
        "x squared": "x is 0 or 1",
        "* rows reversed": "the sum over the images does not know their order",
        "mu negated": "only its square counts",
    },
    hints=[
        "Two terms: what the image costs, given the code; what the code costs.",
        "The cross-entropy is in torch.nn.functional; look at its argument reduction. The KL is yours from above.",
        "Sum both over everything, and add: both are costs.",
    ],
    insight="Sums, not means: both terms are nats of one and the same bound. Divide by the number of images afterwards.",
)


class VAE(nn.Module):
    """A variational autoencoder of flat images: x (B, pixels) of 0 and 1.

    encoder    nn.Sequential: Linear pixels -> hidden, SiLU
    fc_mu, fc_logvar    two Linear heads, each hidden -> latent_dim
    decoder    nn.Sequential: Linear latent_dim -> hidden, SiLU,
               Linear hidden -> pixels, Sigmoid
    """

    def __init__(self, pixels: int = 784, hidden: int = 256, latent_dim: int = 2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(pixels, hidden), nn.SiLU())
        self.fc_mu = nn.Linear(hidden, latent_dim)
        self.fc_logvar = nn.Linear(hidden, latent_dim)
        self.decoder = nn.Sequential(nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels), nn.Sigmoid())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and log_var, each (B, latent_dim)."""
        h = self.encoder(x)
        return self.fc_mu(h), self.fc_logvar(h)

    def reparameterize(self, mu: Tensor, log_var: Tensor, noise: Tensor) -> Tensor:
        """z (B, latent_dim)."""
        return mu + torch.exp(0.5 * log_var) * noise

    def decode(self, z: Tensor) -> Tensor:
        """The probability that each pixel is 1, (B, pixels)."""
        return self.decoder(z)

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(decoded image, mu, log_var), with z drawn by means of noise (B, latent_dim)."""
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


class VAEOneByOne(nn.Module):
    """The same, written out."""

    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__()
        self.fc_logvar, self.fc_mu = nn.Linear(hidden, latent_dim), nn.Linear(hidden, latent_dim)
        self.encoder = nn.Sequential()
        self.encoder.append(nn.Linear(pixels, hidden)).append(nn.SiLU())
        layers = [nn.Linear(latent_dim, hidden), nn.SiLU(), nn.Linear(hidden, pixels), nn.Sigmoid()]
        self.decoder = nn.Sequential(*layers)

    def encode(self, x):
        return self.fc_mu(self.encoder(x)), self.fc_logvar(self.encoder(x))

    def reparameterize(self, mu, log_var, noise):
        return noise * log_var.exp().sqrt() + mu

    def decode(self, z):
        for layer in self.decoder:
            z = layer(z)
        return z

    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(self.reparameterize(mu, log_var, noise)), mu, log_var


class _VarianceForStd(VAE):
    def reparameterize(self, mu, log_var, noise):
        return mu + log_var.exp() * noise


class _HeadsSwapped(VAE):
    def encode(self, x):
        mu, log_var = super().encode(x)
        return log_var, mu


class _OneHead(VAE):
    def encode(self, x):
        mu = self.fc_mu(self.encoder(x))
        return mu, mu


class _NoNoise(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(mu), mu, log_var


class _CodeReturned(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var, noise)
        return self.decode(z), z, log_var


class _ExpOfHead(VAE):
    def encode(self, x):
        mu, log_var = super().encode(x)
        return mu, log_var.exp()


class _NoSigmoid(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder = self.decoder[:-1]


class _NoSiLU(VAE):
    def decode(self, z):
        return self.decoder[3](self.decoder[2](self.decoder[0](z)))


class _ReLU(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1], self.decoder[1] = nn.ReLU(), nn.ReLU()


class _Tanh(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1], self.decoder[1] = nn.Tanh(), nn.Tanh()


class _GELU(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1], self.decoder[1] = nn.GELU(), nn.GELU()


class _SiLUAtTheEnd(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder[3] = nn.SiLU()


class _TanhAtTheEnd(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder[3] = nn.Tanh()


class _StraightEncoder(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder = self.encoder[:1]


class _BentHeads(VAE):
    def encode(self, x):
        mu, log_var = super().encode(x)
        return F.silu(mu), F.silu(log_var)


class _Softplus(VAE):
    def encode(self, x):
        mu, variance = super().encode(x)
        return mu, F.softplus(variance).log()


class _LogVarianceAsFactor(VAE):
    def reparameterize(self, mu, log_var, noise):
        return mu + log_var * noise


class _OwnNoise(VAE):
    def reparameterize(self, mu, log_var, noise):
        return mu + (log_var / 2).exp() * torch.randn_like(mu)


class _NoiseAlone(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        return self.decode(noise), mu, log_var


class _ImageAlone(VAE):
    def forward(self, x, noise):
        return super().forward(x, noise)[0]


class _ImageLast(VAE):
    def forward(self, x, noise):
        recon, mu, log_var = super().forward(x, noise)
        return mu, log_var, recon


class _CodeAdded(VAE):
    def forward(self, x, noise):
        mu, log_var = self.encode(x)
        z = self.reparameterize(mu, log_var, noise)
        return self.decode(z), mu, log_var, z


class _BlackAndWhite(VAE):
    def forward(self, x, noise):
        recon, mu, log_var = super().forward(x, noise)
        return (recon > 0.5).to(x.dtype), mu, log_var


class _SizesWrittenDown(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(784, 256, 2)


class _BareEncoder(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder = nn.Linear(pixels, hidden)


class _OtherDefaults(VAE):
    def __init__(self, pixels=784, hidden=400, latent_dim=20):
        super().__init__(pixels, hidden, latent_dim)


class _TiedHeads(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.fc_logvar = self.fc_mu


class _ReLUInEncoder(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.encoder[1] = nn.ReLU()


class _ReLUInDecoder(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        super().__init__(pixels, hidden, latent_dim)
        self.decoder[1] = nn.ReLU()


class _MeanInABox(VAE):
    def encode(self, x):
        mu, log_var = super().encode(x)
        return mu.tanh(), log_var


class _NoSuper(VAE):
    def __init__(self, pixels=784, hidden=256, latent_dim=2):
        self.fc_mu = nn.Linear(hidden, latent_dim)


def vae_case(method: str, batch: int, pixels: int, hidden: int, latent_dim: int):
    """A `Case` for one method of the class."""

    def case(g: torch.Generator) -> Case:
        x, z, v, e = torch.rand(batch, pixels, generator=g).round(), *(normal(g, batch, latent_dim) for _ in range(3))
        inputs = {"encode": (x,), "reparameterize": (z, v, e), "decode": (z,), "__call__": (x, e)}
        sizes = (pixels, hidden, latent_dim)
        return Case(args=() if sizes == (784, 256, 2) else sizes, inputs=inputs[method], method=method)

    return case


VAE_CLASS = Exercise(
    name="01.VAE",
    title="The whole autoencoder",
    kind="class",
    minutes=12,
    level=3,
    reference=VAE,
    alternatives=[VAEOneByOne],
    cases=[
        vae_case("encode", 2, 5, 4, 3),
        vae_case("reparameterize", 2, 5, 4, 3),
        vae_case("decode", 2, 5, 4, 3),
        vae_case("__call__", 3, 6, 5, 2),
        vae_case("__call__", 1, 3, 2, 1),
        vae_case("__call__", 1, 784, 256, 2),
    ],
    mistakes=[
        Mistake(
            "variance for standard deviation",
            _VarianceForStd,
            "Your reparameterize multiplies the noise by the variance. All else is right.",
        ),
        Mistake(
            "heads exchanged",
            _HeadsSwapped,
            "Your encode returns the log-variance first. The order is (mu, log_var), here and everywhere in the course.",
        ),
        Mistake(
            "one head for both",
            _OneHead,
            "Your encode uses fc_mu for both. Where a code lies and how certain it is are two answers: each has a head of its own.",
        ),
        Mistake(
            "one layer under two names",
            _TiedHeads,
            "Your fc_mu and fc_logvar are one layer under two names. Each head needs weights of its own.",
        ),
        Mistake(
            "no draw",
            _NoNoise,
            "Your forward decodes the mean and never draws. That is a plain autoencoder: nothing makes its code space smooth.",
        ),
        Mistake(
            "z returned for mu",
            _CodeReturned,
            "Your forward returns the drawn z where mu belongs. The KL needs the mean, not the draw.",
        ),
        Mistake(
            "variance returned",
            _ExpOfHead,
            "Your encode returns the variance. The second head gives its logarithm, which may be any real number.",
        ),
        Mistake(
            "no sigmoid",
            _NoSigmoid,
            "Your decoder has no Sigmoid at its end, so its output may leave the range from 0 to 1, and is no probability.",
        ),
        Mistake(
            "decoder without bend",
            _NoSiLU,
            "Your decoder skips its SiLU. Two linear layers in a row are one linear layer.",
        ),
        Mistake(
            "super forgotten",
            _NoSuper,
            "Your __init__ assigns a layer before nn.Module is set up. Its own __init__ must be called first.",
        ),
        Mistake("ReLU", _ReLU, "Your bends are ReLUs. The docstring asks for SiLUs."),
        Mistake(
            "ReLU in the encoder", _ReLUInEncoder, "The bend of your encoder is a ReLU. The docstring asks for a SiLU."
        ),
        Mistake(
            "ReLU in the decoder", _ReLUInDecoder, "The bend of your decoder is a ReLU. The docstring asks for a SiLU."
        ),
        Mistake("tanh", _Tanh, "Your bends are Tanhs. The docstring asks for SiLUs."),
        Mistake("GELU", _GELU, "Your bends are GELUs. The docstring asks for SiLUs."),
        Mistake(
            "SiLU at the end",
            _SiLUAtTheEnd,
            "Your decoder ends with a SiLU, which may be negative and has no upper end. A probability lies between 0 and 1: which layer "
            "sees to that?",
        ),
        Mistake(
            "tanh at the end",
            _TanhAtTheEnd,
            "Your decoder ends with a Tanh, from −1 to 1. A probability lies between 0 and 1.",
        ),
        Mistake(
            "encoder without bend",
            _StraightEncoder,
            "Your encoder has no SiLU: with the heads after it, it is one linear map.",
        ),
        Mistake(
            "bent heads",
            _BentHeads,
            "Your heads are bent by a SiLU. Mean and log-variance may be any real number: the heads are plain Linear layers.",
        ),
        Mistake(
            "mean in a box",
            _MeanInABox,
            "Your mean goes through a tanh and cannot leave (−1, 1). A code may lie anywhere: the head is a plain Linear layer.",
        ),
        Mistake(
            "softplus",
            _Softplus,
            "Your second head gives a variance by softplus, and you return its logarithm. In this class the head is the logarithm itself.",
        ),
        Mistake(
            "log-variance as factor",
            _LogVarianceAsFactor,
            "Your reparameterize multiplies the noise by log_var itself, which may be negative. First undo the logarithm.",
        ),
        Mistake(
            "noise of its own",
            _OwnNoise,
            "Your reparameterize draws noise of its own. The noise to use is the argument.",
        ),
        Mistake(
            "noise alone decoded",
            _NoiseAlone,
            "Your forward decodes the noise itself: the image never reaches its copy. Draw z from mu and log_var.",
        ),
        Mistake(
            "image alone", _ImageAlone, "Your forward returns the image alone. The loss needs mu and log_var as well."
        ),
        Mistake(
            "image last",
            _ImageLast,
            "Your forward returns the image last. The docstring has it first, then mu and log_var.",
        ),
        Mistake(
            "code added",
            _CodeAdded,
            "Your forward returns z as well. The docstring asks for three things: image, mu, log_var.",
        ),
        Mistake(
            "black and white",
            _BlackAndWhite,
            "Your forward returns black and white. Probabilities are asked for: no gradient passes a comparison.",
        ),
        Mistake(
            "sizes written down",
            _SizesWrittenDown,
            "Your layers have the sizes 784, 256 and 2 whatever is passed. Build them from the arguments.",
        ),
        Mistake(
            "bare encoder",
            _BareEncoder,
            "Your encoder is a Linear layer by itself. The docstring asks for an nn.Sequential, so that its weights are called "
            "encoder.0.weight.",
        ),
        Mistake(
            "other defaults",
            _OtherDefaults,
            "Your class is right where all sizes are passed. Your defaults are not those of the stub: 784, 256, 2.",
        ),
    ],
    hints=[
        "Build the four parts in __init__, under exactly these names; look at the docstring for their layers.",
        "encode runs the encoder once and hands the result to both heads. reparameterize is the function from above.",
        "forward: encode, draw, decode; return the image with mu and log_var, since the loss needs all three.",
    ],
    insight="Thirty lines. What makes it a generative model is not in them: it is the loss.",
)


def objective(encode, decode, x: Tensor, noise: Tensor) -> Tensor:
    """The Monte-Carlo loss of a VAE: minus the mean ELBO of the images, L draws of z for each.

    encode(x) gives mu and log_var (B, D); decode(z) gives probabilities (N, P) for z (N, D),
    and takes no other shape. x (B, P) of 0 and 1, noise (L, B, D).
    Returns one number (a scalar tensor, differentiable in noise and in the parameters of encode
    and decode), in nats for each image.
    """
    mu, log_var = encode(x)
    kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum(dim=1)
    total = 0.0
    for e in noise:
        p = decode(mu + torch.exp(0.5 * log_var) * e)
        total = total + (x * p.log() + (1 - x) * (1 - p).log()).sum(dim=1) - kl
    return -(total / len(noise)).mean()


def objective_vectorised(encode, decode, x, noise):
    L, B, D = noise.shape
    mu, log_var = encode(x)
    z = (mu + (log_var / 2).exp() * noise).reshape(L * B, D)
    bce = F.binary_cross_entropy(decode(z), x.repeat(L, 1), reduction="sum")
    return bce / (L * B) + standard_kl(mu, log_var).mean()


def objective_by_loss_function(encode, decode, x, noise):
    mu, log_var = encode(x)
    losses = [loss_function(decode(reparameterize(mu, log_var, e)), x, mu, log_var) for e in noise]
    return torch.stack(losses).mean() / len(x)


class AnEncoder(nn.Module):
    """Stands for an encoder in the cases."""

    def __init__(self, P: int, D: int, g: torch.Generator):
        super().__init__()
        self.mu, self.log_var = (nn.Parameter(normal(g, P, D)) for _ in range(2))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = x.to(self.mu.dtype)
        return torch.tanh(x @ self.mu), torch.tanh(x @ self.log_var) - 0.5

    def __repr__(self) -> str:
        return "an encoder"


class ADecoder(nn.Module):
    """Stands for a decoder in the cases, as strict about shapes as that of the package."""

    def __init__(self, P: int, D: int, g: torch.Generator):
        super().__init__()
        self.weight, self.bias = nn.Parameter(2 * normal(g, D, P)), nn.Parameter(normal(g, P))

    def forward(self, z: Tensor) -> Tensor:
        if z.ndim != 2 or z.shape[1] != len(self.weight):
            raise ValueError(f"z must be (N, {len(self.weight)}), got {tuple(z.shape)}")
        return torch.sigmoid(torch.tanh(z.to(self.bias.dtype)) @ self.weight + self.bias)

    def __repr__(self) -> str:
        return "a decoder"


def _terms(encode, decode, x, noise):
    """log p(x | z) of every draw and image, (L, B), and the KL of every image, (B,)."""
    mu, log_var = encode(x)
    return torch.stack([-_bce(decode(mu + (log_var / 2).exp() * e), x).sum(dim=1) for e in noise]), _kl(
        mu, log_var
    ).sum(dim=1)


def _objective_by(combine):
    """The loss that combine(log_likelihoods (L, B), kl (B,)) gives."""
    return lambda encode, decode, x, noise: combine(*_terms(encode, decode, x, noise))


def _pixels_by(likelihood):
    """The right loss with likelihood(p, x), (B,), for log p(x | z)."""

    def wrong(encode, decode, x, noise):
        mu, log_var = encode(x)
        each = [likelihood(decode(mu + (log_var / 2).exp() * e), x) for e in noise]
        return -(torch.stack(each).mean(dim=0) - _kl(mu, log_var).sum(dim=1)).mean()

    return wrong


def _codes_averaged(encode, decode, x, noise):
    return objective(encode, decode, x, noise.mean(dim=0, keepdim=True))


def _images_averaged(encode, decode, x, noise):
    mu, log_var = encode(x)
    p = torch.stack([decode(mu + (log_var / 2).exp() * e) for e in noise]).mean(dim=0)
    return (_bce(p, x).sum(dim=1) + _kl(mu, log_var).sum(dim=1)).mean()


def _kl_estimated(encode, decode, x, noise):
    mu, log_var = encode(x)
    each, _ = _terms(encode, decode, x, noise)
    z = mu + (log_var / 2).exp() * noise
    return -(each + ((noise**2 - z**2 + log_var) / 2).sum(dim=2)).mean()


def _kl_by_mean(encode, decode, x, noise):
    mu, log_var = encode(x)
    return -(_terms(encode, decode, x, noise)[0].mean(dim=0) - _kl(mu, log_var).mean(dim=1)).mean()


def _images_repeated_in_another_order(encode, decode, x, noise):
    mu, log_var = encode(x)
    p = decode((mu + (log_var / 2).exp() * noise).flatten(0, 1))
    return _bce(p, x.repeat_interleave(len(noise), 0)).sum() / len(p) + _kl(mu, log_var).sum(dim=1).mean()


def _all_draws_at_once(encode, decode, x, noise):
    mu, log_var = encode(x)
    p = decode(mu + (log_var / 2).exp() * noise)
    return (_bce(p, x).sum(dim=2).mean(dim=0) + _kl(mu, log_var).sum(dim=1)).mean()


def _objective(power=0.5, kl_times=1.0, sign=1.0, pixels=1.0, images=1.0, prior=False, same=False, draws=False):
    def wrong(encode, decode, x, noise):
        mu, log_var = encode(x)
        total = 0.0
        for e in noise:
            z = e if prior else mu + torch.exp(power * log_var) * (noise[0] if same else e)
            total = total - _bce(decode(z), x).sum(dim=1) / (x.shape[1] if pixels != 1 else 1)
        total = total if draws else total / len(noise)
        kl = _kl(mu, log_var).sum(dim=1)
        kl = kl * len(noise) if kl_times == "draws" else kl / len(x) if kl_times == "once" else kl_times * kl
        value = -sign * (total - kl)
        return value.sum() if images != 1 else value.mean()

    return wrong


def objective_case(L: int, B: int, P: int = 5, D: int = 2):
    return lambda g: (
        AnEncoder(P, D, g),
        ADecoder(P, D, g),
        (torch.arange(B * P) * 2 % 3 == 0).float().view(B, P),
        normal(g, L, B, D),
    )


OBJECTIVE = Exercise(
    name="01.objective",
    title="The Monte-Carlo objective",
    minutes=8,
    level=3,
    reference=objective,
    alternatives=[objective_vectorised, objective_by_loss_function],
    cases=[objective_case(2, 2), objective_case(3, 4), objective_case(4, 3, 4, 3), objective_case(1, 1, 3, 1)],
    mistakes=[
        Mistake(
            "the ELBO, to be maximised",
            _objective(sign=-1.0),
            "Yours is the mean ELBO. It is to be maximised; a loss is minimised, so its sign is turned.",
        ),
        Mistake(
            "KL once for the batch",
            _objective(kl_times="once"),
            "Your KL counts once for the whole batch. Every image has its own: it belongs inside the mean over images.",
        ),
        Mistake(
            "KL once a draw",
            _objective(kl_times="draws"),
            "Your KL is added for each draw but not divided by L, so it counts L times. It stands inside the mean over draws.",
        ),
        Mistake(
            "KL added to the bound",
            _objective(kl_times=-1.0),
            "Your KL has the wrong sign: yours rewards codes for being far from the prior.",
        ),
        Mistake(
            "KL forgotten",
            _objective(kl_times=0.0),
            "The KL is missing: only the reconstruction is left.",
        ),
        Mistake(
            "drawn from the prior",
            _objective(prior=True),
            "You decode the noise itself. In training z comes from q(z | x), where this image's code lies.",
        ),
        Mistake(
            "variance for standard deviation",
            _objective(power=1.0),
            "Your draws have the variance as their standard deviation.",
        ),
        Mistake(
            "one noise for all draws",
            _objective(same=True),
            "Only your first noise is used: L draws of it are one draw.",
        ),
        Mistake(
            "draws summed",
            _objective(draws=True),
            "You sum log p(x | z) over the draws. An expectation is their mean.",
        ),
        Mistake(
            "mean over pixels",
            _objective(pixels=0),
            "You average over the pixels. log p(x | z) is a sum over them: pixels are independent, given z.",
        ),
        Mistake(
            "images summed",
            _objective(images=0),
            "You sum over the images. Asked is the mean, so that the learning rate does not depend on the batch.",
        ),
        Mistake(
            "light pixels only",
            _pixels_by(lambda p, x: (x * p.log()).sum(dim=1)),
            "Your log p(x | z) counts the pixels that are 1 alone. A pixel that is 0 has a probability too: that of not being 1.",
        ),
        Mistake(
            "squared error",
            _pixels_by(lambda p, x: -((p - x) ** 2).sum(dim=1)),
            "You use the squared error for log p(x | z). decode gives probabilities of pixels that are 0 or 1: a Bernoulli likelihood.",
        ),
        Mistake(
            "half the squared error",
            _pixels_by(lambda p, x: -((p - x) ** 2).sum(dim=1) / 2),
            "You use half the squared error for log p(x | z), a Gaussian. decode gives probabilities of pixels that are 0 or 1.",
        ),
        Mistake(
            "probabilities taken for logits",
            _pixels_by(lambda p, x: -F.binary_cross_entropy_with_logits(p, x, reduction="none").sum(dim=1)),
            "You use the cross-entropy for logits, which applies a sigmoid. decode gives probabilities already.",
        ),
        Mistake(
            "draws summed, with their KL",
            _objective_by(lambda each, kl: -(each - kl).sum(dim=0).mean()),
            "Yours is L times the loss: you sum over the draws. An expectation is their mean.",
        ),
        Mistake(
            "log of the mean likelihood",
            _objective_by(lambda each, kl: -(each.logsumexp(dim=0) - math.log(len(each)) - kl).mean()),
            "You average the likelihoods and take the logarithm afterwards. In the ELBO the logarithm comes first, and then the mean.",
        ),
        Mistake(
            "best draw",
            _objective_by(lambda each, kl: -(each.max(dim=0).values - kl).mean()),
            "You keep the best draw of each image. An expectation counts them all.",
        ),
        Mistake(
            "every image pays for all",
            _objective_by(lambda each, kl: -(each.mean(dim=0) - kl.sum()).mean()),
            "You subtract the KL of all images from each. Every image pays for its own.",
        ),
        Mistake(
            "one for each image",
            _objective_by(lambda each, kl: -(each.mean(dim=0) - kl)),
            "These are the losses of the images. Their mean is asked for: one number.",
        ),
        Mistake(
            "one for each draw",
            _objective_by(lambda each, kl: -(each - kl).mean(dim=1)),
            "These are the losses of the draws. Their mean is asked for: one number.",
        ),
        Mistake(
            "one for each draw and image",
            _objective_by(lambda each, kl: -(each - kl)),
            "These are the losses of all draws and images. Their mean is asked for: one number.",
        ),
        Mistake(
            "KL without its half",
            _objective_by(lambda each, kl: -(each.mean(dim=0) - 2 * kl).mean()),
            "Your KL counts twice: its factor 1/2 is missing.",
        ),
        Mistake(
            "sign of the reconstruction",
            _objective_by(lambda each, kl: (each.mean(dim=0) + kl).mean()),
            "Your log p(x | z) has the wrong sign: yours falls when the copies get worse.",
        ),
        Mistake(
            "noises averaged",
            _codes_averaged,
            "You average the noises before decoding: one draw for each image, too close to its mean. Decode each draw; average what "
            "comes out of the logarithm.",
        ),
        Mistake(
            "decoded images averaged",
            _images_averaged,
            "You average the decoded images and take the logarithm of that. The mean over draws is of log p(x | z): each draw gets its "
            "own logarithm.",
        ),
        Mistake(
            "KL estimated",
            _kl_estimated,
            "You estimate the KL from the same draws. Its mean is right, but it is known exactly, without noise: the docstring's KL is "
            "the closed form.",
        ),
        Mistake(
            "mean over coordinates",
            _kl_by_mean,
            "In your KL you average over the coordinates of the code. Independent coordinates add their KLs.",
        ),
        Mistake(
            "images in another order",
            _images_repeated_in_another_order,
            "Your draws and your images are lined up in different orders: with the noise flattened, all images come once for each draw, "
            "and not each image L times in a row.",
        ),
        Mistake(
            "all draws in three dimensions",
            _all_draws_at_once,
            "You hand decode all draws as (L, B, D). It takes two dimensions only: one row for each z.",
        ),
    ],
    gradients=["noise", "parameters"],
    allowed={
        "*code in the other mode": "nothing in it knows a mode",
        "*code called twice": "the stub does not count calls",
        "x under a root": "x is 0 or 1",
        "x squared": "x is 0 or 1",
        "noise rows reversed": "the order of the draws does not count",
    },
    hints=[
        "Encode once; draw and decode once for each of the L noises.",
        "For each draw and image: log p(x | z), a sum over pixels, minus the KL of that image.",
        "Mean over the draws, then over the images, then turn the sign.",
    ],
    insight="With L = 1 and a large batch this is how every VAE is trained: the batch averages the noise away.",
)


# -- the weight of the KL ---------------------------------------------------------------------------------------------


def best_q(x: Tensor, kl_weight: float) -> tuple[Tensor, Tensor]:
    """The q(z | x) = N(mean, var) of the least weighted loss, for z ~ N(0, 1), x | z ~ N(z, 1).

    E_q[(x - z)²/2] + kl_weight·KL(q || N(0, 1))
      = (x - mean)²/2 + var/2 + kl_weight·(mean² + var - 1 - log var)/2
    x (B,), kl_weight a positive number. Returns mean and var, each (B,).
    """
    return x / (1 + kl_weight), torch.full_like(x, kl_weight / (1 + kl_weight))


def best_q_as_precisions(x, kl_weight):
    var = 1 / (1 + 1 / kl_weight)
    return var * x / kl_weight, var * torch.ones_like(x)


def best_q_in_a_loop(x, kl_weight):
    pairs = [(float(a) / (1 + kl_weight), kl_weight / (1 + kl_weight)) for a in x]
    return torch.tensor([m for m, _ in pairs]), torch.tensor([v for _, v in pairs])


def q_case(kl_weight: float, n: int):
    return lambda g: (2 * normal(g, n), kl_weight)


BEST_Q = Exercise(
    name="01.best_q",
    title="What the KL weight does, exactly",
    minutes=6,
    level=2,
    reference=best_q,
    alternatives=[best_q_as_precisions, best_q_in_a_loop],
    cases=[
        (torch.tensor([1.5]), 4.0),
        q_case(0.1, 3),
        q_case(2.5, 2),
        q_case(1.0, 1),
        (torch.tensor([-2.0, 0.0, 0.3, 4.0]), 20),
    ],
    invariants=[
        Invariant(
            "true posterior at weight 1",
            lambda f: (
                close(f(torch.tensor([1.5]), 1.0)[0], torch.tensor([0.75]))
                and close(f(torch.tensor([1.5]), 1.0)[1], torch.tensor([0.5]))
            ),
            "With weight 1 the best q is the true posterior N(x/2, 1/2). Yours is not.",
        ),
    ],
    mistakes=[
        Mistake(
            "weight ignored",
            lambda x, w: (x / 2, torch.full_like(x, 0.5)),
            "Yours is the true posterior whatever the weight. It is the best q for weight 1 only.",
        ),
        Mistake(
            "mean with the weight on the wrong side",
            lambda x, w: (w * x / (1 + w), torch.full_like(x, w / (1 + w))),
            "Your mean grows with the weight. The KL pulls it to 0, so it must shrink.",
        ),
        Mistake(
            "variance with the weight on the wrong side",
            lambda x, w: (x / (1 + w), torch.full_like(x, 1 / (1 + w))),
            "Your variance shrinks with the weight. The KL pulls it to 1, so it must grow.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda x, w: (x / (1 + w), torch.full_like(x, (w / (1 + w)) ** 0.5)),
            "Your second output is the standard deviation. Asked is the variance.",
        ),
        Mistake(
            "log-variance for variance",
            lambda x, w: (x / (1 + w), torch.full_like(x, math.log(w / (1 + w)))),
            "Your second output is the log-variance. Asked is the variance.",
        ),
        Mistake(
            "variance of the prior",
            lambda x, w: (x / (1 + w), torch.ones_like(x)),
            "Your variance is 1, that of the prior. The reconstruction term has var/2 in it as well, and pulls it down.",
        ),
        Mistake(
            "half forgotten in one term",
            lambda x, w: (x / (1 + w / 2), torch.full_like(x, (w / 2) / (1 + w / 2))),
            "Yours belongs to half the weight: a factor 1/2 got lost in one of the two terms.",
        ),
        Mistake(
            "squared weight",
            lambda x, w: (x / (1 + w**2), torch.full_like(x, w**2 / (1 + w**2))),
            "Yours belongs to the squared weight.",
        ),
        Mistake(
            "one variance for all",
            lambda x, w: (x / (1 + w), torch.tensor(w / (1 + w))),
            "Your variance is right, but it is one number for all x. The docstring asks for (B,), like the mean.",
        ),
        Mistake(
            "sign in the mean",
            lambda x, w: (x / (1 - w), torch.full_like(x, w / (1 + w))),
            "Your mean is divided by 1 − weight: a sign got lost while solving. At weight 1 it would have no end.",
        ),
        Mistake(
            "twice the weight in the mean",
            lambda x, w: (x / (1 + 2 * w), torch.full_like(x, w / (1 + w))),
            "Your mean belongs to twice the weight: one of the two squares lost its factor 1/2. Your variance is right.",
        ),
        Mistake(
            "half the weight in the mean",
            lambda x, w: (x / (1 + w / 2), torch.full_like(x, w / (1 + w))),
            "Your mean belongs to half the weight: one of the two squares lost its factor 1/2. Your variance is right.",
        ),
        Mistake(
            "variance is the weight",
            lambda x, w: (x / (1 + w), torch.full_like(x, float(w))),
            "Your variance is the weight itself, and may be larger than the prior's. The reconstruction's var/2 pulls it down: count it "
            "as well.",
        ),
        Mistake(
            "variance is one over the weight",
            lambda x, w: (x / (1 + w), torch.full_like(x, 1 / w)),
            "Your variance is one over the weight: it shrinks with the weight, where the KL pulls it to 1.",
        ),
        Mistake(
            "mean is x",
            lambda x, w: (x, torch.full_like(x, w / (1 + w))),
            "Your mean is x: only the reconstruction is looked at. The KL pulls the mean to 0.",
        ),
        Mistake(
            "both on the wrong side",
            lambda x, w: (w * x / (1 + w), torch.full_like(x, 1 / (1 + w))),
            "Both yours belong to one over the weight: it stands on the wrong side. A heavy KL brings q near the prior.",
        ),
        Mistake(
            "variance first",
            lambda x, w: (torch.full_like(x, w / (1 + w)), x / (1 + w)),
            "Both are right; the docstring wants the mean first.",
        ),
        Mistake(
            "variance forgotten",
            lambda x, w: x / (1 + w),
            "This is the mean, and it is right. The variance is asked for as well.",
        ),
        Mistake(
            "variance depends on x",
            lambda x, w: (x / (1 + w), x.abs() * w / (1 + w)),
            "Your variance depends on x. In the loss no term has x and var together.",
        ),
    ],
    gradients=[],  # two numbers to print: plain arithmetic will do
    hints=[
        "The loss is written out in the docstring. Mean and variance stand in separate terms.",
        "Set the derivative with respect to the mean to 0, and solve. Then the same for the variance.",
        "For the mean: (mean − x) + weight·mean = 0. For the variance: 1 + weight·(1 − 1/var) = 0.",
    ],
    insight="The weight acts like the variance of the noise in x: at weight w the encoder believes x as if it were that noisy.",
)


# -- the tighter bound, and the latent walk ---------------------------------------------------------------------------


def importance_bound(log_weights: Tensor) -> Tensor:
    """The importance-weighted bound on log p(x), from K draws of z for each image.

    log_weights (K, B) holds log p(x, z) - log q(z | x), and may be as low as -1000.
    Returns (B,), nats.
    """
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def importance_bound_shifted(log_weights):
    top = log_weights.max(dim=0).values
    return top + (log_weights - top).exp().mean(dim=0).log()


def importance_bound_in_a_loop(log_weights):
    total = log_weights[0]
    for row in log_weights[1:]:
        total = torch.logaddexp(total, row)
    return total - torch.tensor(float(len(log_weights))).log()


def weights_case(K: int, B: int, shift: float):
    return lambda g: (2 * normal(g, K, B) + shift,)


IMPORTANCE_BOUND = Exercise(
    name="01.importance_bound",
    title="The importance-weighted bound",
    minutes=5,
    level=2,
    reference=importance_bound,
    alternatives=[importance_bound_shifted, importance_bound_in_a_loop],
    cases=[
        (torch.tensor([[-1.0], [-3.0]]),),
        weights_case(4, 3, -2.0),
        weights_case(5, 2, -300.0),
        weights_case(3, 3, 1.0),
        weights_case(1, 4, -1.0),
    ],
    invariants=[
        Invariant(
            "one draw changes nothing",
            lambda f: close(f(torch.tensor([[-3.0, -2.0]])), [-3.0, -2.0]),
            "With one draw the log of the mean is that log-weight itself. Yours is not.",
        ),
        Invariant(
            "images of different depth",
            lambda f: close(f(torch.tensor([[-1000.0, -1.0], [-1000.0, -1.0]])), [-1000.0, -1.0], 1e-4),
            "Where the images are alike yours is right. With one at -1000 and another at -1 it is not: what you take out before exp, or "
            "add inside the logarithm, must suit each image by itself.",
            only_if_right=True,
        ),
        Invariant(
            "draws far apart",
            lambda f: close(f(torch.tensor([[-1000.0], [0.0]])), [-math.log(2)], 1e-4),
            "Where the draws are alike yours is right. With one at -1000 and another at 0 it is not: after your shift an exponential is "
            "too large for the computer. Which log-weight of an image makes the largest exponential 1?",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "mean of the logs",
            lambda w: w.mean(dim=0),
            "Yours is the mean of the log-weights: the ELBO. Here the logarithm comes after the mean, and that makes the bound tighter.",
        ),
        Mistake(
            "sum for mean",
            lambda w: w.logsumexp(dim=0),
            "Yours is the log of a sum. The mean divides by K, so it is too large by log K.",
        ),
        Mistake(
            "exponentials underflow",
            lambda w: w.exp().mean(dim=0).log(),
            "Right on paper, but e^−300 is 0 for the computer, and its logarithm is minus infinity. There is a stable function "
            "for the log of a sum of exponentials.",
        ),
        Mistake(
            "over the images",
            lambda w: w.logsumexp(dim=1) - math.log(w.shape[1]),
            "You average over the images. The draws lie along the first axis.",
        ),
        Mistake(
            "the best draw",
            lambda w: w.max(dim=0).values,
            "Yours is the largest log-weight. It rules the sum, but the mean still divides by K.",
        ),
        Mistake(
            "log K added",
            lambda w: w.logsumexp(dim=0) + math.log(len(w)),
            "You add log K. Dividing by K inside the logarithm is subtracting.",
        ),
        Mistake(
            "divided by K outside",
            lambda w: w.logsumexp(dim=0) / len(w),
            "You divide the logarithm by K. The mean is taken before the logarithm.",
        ),
        Mistake(
            "negative",
            lambda w: math.log(len(w)) - w.logsumexp(dim=0),
            "Yours is the bound of −log p(x). Asked is the one of log p(x).",
        ),
        Mistake(
            "small number inside the logarithm",
            lambda w: (w.exp().mean(dim=0) + 1e-12).log(),
            "You add a small number inside the logarithm. At −300 it is all that is left, and your bound is that number's logarithm. "
            "There is a stable function for the log of a sum of exponentials.",
        ),
        Mistake(
            "smaller number inside the logarithm",
            lambda w: (w.exp().mean(dim=0) + 1e-8).log(),
            "You add 1e-8 inside the logarithm. At −300 it is all that is left, and your bound is its logarithm. There is a stable "
            "function for the log of a sum of exponentials.",
        ),
        Mistake(
            "weighted by softmax",
            lambda w: (w.softmax(dim=0) * w).sum(dim=0),
            "Yours is the mean of the log-weights, with good draws counting more. The logarithm comes after a plain mean.",
        ),
        Mistake(
            "averaged over the images",
            lambda w: (w.logsumexp(dim=0) - math.log(len(w))).mean(),
            "You average over the images. Each has a bound of its own: shape (B,).",
        ),
        Mistake(
            "over the images, K counted",
            lambda w: w.logsumexp(dim=1) - math.log(len(w)),
            "You sum over the images. The draws lie along the first axis.",
        ),
        Mistake(
            "divided by the number of images",
            lambda w: w.logsumexp(dim=0) - math.log(w.shape[1]),
            "You divide by the number of images. The mean is over the K draws: the first axis.",
        ),
        Mistake(
            "K subtracted",
            lambda w: w.logsumexp(dim=0) - len(w),
            "You subtract K. Dividing by K inside a logarithm subtracts its logarithm.",
        ),
        Mistake(
            "over everything",
            lambda w: w.flatten().logsumexp(dim=0) - math.log(w.numel()),
            "You average over draws and images together. Each image has a bound of its own.",
        ),
        Mistake(
            "no logarithm",
            lambda w: w.exp().mean(dim=0),
            "This is the mean of the ratios itself. Its logarithm is asked for.",
        ),
        Mistake(
            "dimension kept",
            lambda w: w.logsumexp(dim=0, keepdim=True) - math.log(len(w)),
            "The numbers are right; the dimension of the draws is still there. The docstring asks for (B,).",
        ),
    ],
    gradients=[],  # measured here, never trained
    allowed={
        "log_weights rows reversed": "the order of the draws does not count",
    },
    hints=[
        "Three operations on paper: undo the logarithm, average over the draws, take the logarithm.",
        "A log-weight of −300 has no exponential in float32. torch.logsumexp never forms it.",
        "The mean is the sum over K; inside a logarithm the division becomes a subtraction.",
    ],
    insight="The more draws, the tighter: it rises from the ELBO at one draw towards log p(x).",
)


def interpolate(a: Tensor, b: Tensor, n: int) -> Tensor:
    """n codes on the straight line from a to b, in equal steps, both ends among them.

    a, b (D,), n at least 2. Returns (n, D): the first row is a, the last is b.
    """
    t = torch.linspace(0, 1, n, dtype=a.dtype)[:, None]
    return (1 - t) * a + t * b


def interpolate_by_lerp(a, b, n):
    return torch.stack([torch.lerp(a, b, i / (n - 1)) for i in range(n)])


def interpolate_by_steps(a, b, n):
    return a + torch.arange(n)[:, None] / (n - 1) * (b - a)


def _along_the_arc(a, b, n):
    t, angle = torch.linspace(0, 1, n)[:, None], torch.acos((a @ b) / (a.norm() * b.norm()))
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


def ends_case(D: int, n: int):
    return lambda g: (normal(g, D), normal(g, D), n)


INTERPOLATE = Exercise(
    name="01.interpolate",
    title="From one code to another",
    minutes=3,
    level=1,
    reference=interpolate,
    alternatives=[interpolate_by_lerp, interpolate_by_steps],
    cases=[(torch.tensor([0.0, 2.0]), torch.tensor([1.0, -1.0]), 3), ends_case(4, 5), ends_case(3, 2), ends_case(1, 7)],
    mistakes=[
        Mistake(
            "last end missing",
            lambda a, b, n: a + torch.arange(n)[:, None] / n * (b - a),
            "Yours stops one step before b: n points have n − 1 steps between them.",
        ),
        Mistake(
            "reversed",
            lambda a, b, n: b + torch.linspace(0, 1, n)[:, None] * (a - b),
            "Yours runs from b to a.",
        ),
        Mistake(
            "both ends missing",
            lambda a, b, n: a + torch.arange(1, n + 1)[:, None] / (n + 1) * (b - a),
            "Yours lies between the ends, without them.",
        ),
        Mistake(
            "one too many",
            lambda a, b, n: a + torch.linspace(0, 1, n + 1)[:, None] * (b - a),
            "Yours has n + 1 rows: n counts points, not steps.",
        ),
        Mistake(
            "axes exchanged",
            lambda a, b, n: (a + torch.linspace(0, 1, n)[:, None] * (b - a)).T,
            "Yours is (D, n). A batch of codes has one code a row: (n, D).",
        ),
        Mistake(
            "difference forgotten",
            lambda a, b, n: a + torch.linspace(0, 1, n)[:, None] * b,
            "Yours ends at a + b. On the way to b, the part of a must fade.",
        ),
        Mistake(
            "along the arc",
            _along_the_arc,
            "Yours goes along the arc of a circle, in equal angles. That is slerp, which keeps the length; asked is the straight line.",
        ),
        Mistake(
            "first end missing",
            lambda a, b, n: interpolate(a, b, n)[1:],
            "Your a is missing: the first row is one step away from it.",
        ),
        Mistake(
            "last end missing, others right",
            lambda a, b, n: interpolate(a, b, n)[:-1],
            "Your b is missing: the last row is one step away from it, and there are n − 1 rows.",
        ),
        Mistake(
            "means of the ends",
            lambda a, b, n: torch.linspace(float(a.mean()), float(b.mean()), n)[:, None].expand(n, len(a)),
            "Your rows are constant: you go from the mean of a to the mean of b. Every coordinate has a line of its own.",
        ),
        Mistake(
            "random places",
            lambda a, b, n: a + torch.rand(n)[:, None] * (b - a),
            "Your places on the line are drawn at random. Equal steps are asked for.",
        ),
        Mistake(
            "ends only",
            lambda a, b, n: torch.stack([a] * (n - n // 2) + [b] * (n // 2)),
            "Yours jumps from a to b. Equal steps are asked for.",
        ),
        Mistake(
            "shares squared",
            lambda a, b, n: a + torch.linspace(0, 1, n)[:, None] ** 2 * (b - a),
            "Your steps grow along the line. Equal steps are asked for.",
        ),
        Mistake(
            "roots of the shares",
            lambda a, b, n: (
                (1 - torch.linspace(0, 1, n)[:, None]).sqrt() * a + torch.linspace(0, 1, n)[:, None].sqrt() * b
            ),
            "Your shares are roots, as for a mixture of signal and noise. On a straight line they add up to 1.",
        ),
        Mistake(
            "middle only",
            lambda a, b, n: ((a + b) / 2).expand(n, len(a)),
            "All your rows are the middle. They should run from a to b.",
        ),
        Mistake(
            "squeezed",
            lambda a, b, n: interpolate(a, b, n).flatten(),
            "Your numbers are right, in one long row. A batch of codes has one code a row: (n, D).",
        ),
    ],
    gradients=[],  # a row of pictures: NumPy will do
    allowed={
        "torch.linspace(0, 1, n, dtype=a.dtype) -> torch.linspace(0, 1, n)": "the precision is not asked for",
        "a -> b (2)": "both have the same type",
    },
    hints=[
        "Each row is a mixture of a and b. Which share has b in row 0, which in the last?",
        "The shares are n equally spaced numbers from 0 to 1; torch has a function for them.",
        "Give the shares a second axis, (n, 1), so that they meet a and b, (D,).",
    ],
    insight="In a plane the straight line is fine. In many dimensions its middle is closer to 0 than nearly all draws of the prior are.",
)


# -- a loop, a diagnosis, and whose fault the gap is -----------------------------------------------------------------


def train_vae(vae: nn.Module, batches, lr: float) -> tuple[dict, Tensor]:
    """Train a copy of a VAE: a step of torch.optim.Adam(lr) a batch, on the negative ELBO.

    batches gives pairs: pixels x (B, P) of 0 and 1, and the noise (B, D) of their draws;
    vae(x, noise) gives recon_x, mu, log_var. Begin with copy.deepcopy(vae). The loss of a batch
    is the mean over its images.
    Returns the copy's state_dict(), and a tensor (steps, 2): for each step, before it is made,
    reconstruction -log p(x | z) and KL to the prior, both in nats an image.
    """
    vae = copy.deepcopy(vae)
    optimizer = torch.optim.Adam(vae.parameters(), lr=lr)
    record = []
    for x, noise in batches:
        recon_x, mu, log_var = vae(x, noise)
        nll = F.binary_cross_entropy(recon_x, x.to(recon_x), reduction="sum") / len(x)
        kl = -0.5 * (1 + log_var - mu**2 - log_var.exp()).sum() / len(x)
        optimizer.zero_grad()
        (nll + kl).backward()
        optimizer.step()
        record.append([nll.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


def train_vae_by_loss_function(vae, batches, lr):
    vae, record = copy.deepcopy(vae), []
    optimizer = torch.optim.Adam(vae.parameters(), lr)
    for x, noise in batches:
        recon, mu, log_var = vae(x, noise)
        loss = loss_function(recon, x.to(recon), mu, log_var) / x.shape[0]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        kl = standard_kl(mu, log_var).mean().detach()
        record.append(torch.stack([loss.detach() - kl, kl]))
    return vae.state_dict(), torch.stack(record)


def train_vae_each_image(vae, batches, lr):
    twin = copy.deepcopy(vae)
    parameters = list(twin.parameters())
    optimizer = torch.optim.Adam(parameters, lr=lr)
    rows = []
    for x, noise in batches:
        p, mu, log_var = twin(x, noise)
        terms = torch.stack([_bce(p, x).sum(dim=1), _kl(mu, log_var).sum(dim=1)], dim=1).mean(dim=0)
        for parameter, gradient in zip(parameters, torch.autograd.grad(terms.sum(), parameters), strict=True):
            parameter.grad = gradient
        optimizer.step()
        rows.append(terms.detach())
    return dict(twin.named_parameters()), torch.stack(rows)


def _vae_training(
    loss=lambda nll, kl, x, mu: nll + kl, order="zbs", sign=1.0, method=torch.optim.Adam, rate=None, anew=False,
    write=lambda nll, kl: [nll, kl], noisy=True, made=torch.tensor, give=lambda before, after: after.state_dict(), times=1,
):  # fmt: skip
    """A loop with another loss, optimizer, order or record."""

    def wrong(vae, batches, lr):
        before, vae, lr = vae, copy.deepcopy(vae), rate or lr
        optimizer, record = method(vae.parameters(), lr=lr), []
        for x, noise in batches:
            optimizer = method(vae.parameters(), lr=lr) if anew else optimizer
            for _ in range(times):
                p, mu, log_var = vae(x, noise if noisy else torch.zeros_like(noise))
                nll, kl = _bce(p, x).sum() / len(x), _kl(mu, log_var).sum() / len(x)
                for letter in order:
                    if letter == "z":
                        optimizer.zero_grad()
                    elif letter == "b":
                        (sign * loss(nll, kl, x, mu)).backward()
                    else:
                        optimizer.step()
            record.append(write(nll.item(), kl.item()))
        return give(before, vae), made(record)

    return wrong


def _vae_training_summed(vae, batches, lr):
    vae, record = copy.deepcopy(vae), []
    optimizer = torch.optim.Adam(vae.parameters(), lr=lr)
    for x, noise in batches:
        p, mu, log_var = vae(x, noise)
        nll, kl = _bce(p, x).sum(), _kl(mu, log_var).sum()
        optimizer.zero_grad()
        (nll + kl).backward()
        optimizer.step()
        record.append([nll.item(), kl.item()])
    return vae.state_dict(), torch.tensor(record)


def _training_of_means(vae, batches, lr, pixels, latents):
    """The terms are multiplied by these factors, in the loss and in the record."""
    return _vae_training(
        lambda nll, kl, x, mu: pixels * nll + latents * kl, write=lambda nll, kl: [pixels * nll, latents * kl]
    )(vae, batches, lr)


def _terms_after_the_step(vae, batches, lr):
    vae, record = copy.deepcopy(vae), []
    optimizer = torch.optim.Adam(vae.parameters(), lr=lr)
    for x, noise in batches:
        optimizer.zero_grad()
        (loss_function(*_as_loss(vae, x, noise)) / len(x)).backward()
        optimizer.step()
        p, _, mu, log_var = _as_loss(vae, x, noise)
        record.append([(_bce(p, x).sum() / len(x)).item(), (_kl(mu, log_var).sum() / len(x)).item()])
    return vae.state_dict(), torch.tensor(record)


def _as_loss(vae, x, noise):
    recon_x, mu, log_var = vae(x, noise)
    return recon_x, x, mu, log_var


class TinyVAE(nn.Module):
    """A VAE (B, P) -> (B, P) with fixed random weights, which takes float32 and float64."""

    def __init__(self, P: int, D: int, g: torch.Generator):
        super().__init__()
        self.mu, self.log_var, self.out = (nn.Parameter(normal(g, *shape)) for shape in ((P, D), (P, D), (D, P)))

    def forward(self, x: Tensor, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, noise = x.to(self.mu.dtype), noise.to(self.mu.dtype)
        mu, log_var = torch.tanh(x @ self.mu), torch.tanh(x @ self.log_var) - 0.5
        return torch.sigmoid((mu + (log_var / 2).exp() * noise) @ self.out), mu, log_var

    def __repr__(self) -> str:
        return f"a VAE of {self.out.shape[1]} pixels and {len(self.out)} latents"


def vae_training(P: int, D: int, B: int, steps: int, lr: float):
    """The batches grow by one image a step."""

    def build(g):
        batches = [
            (torch.rand(B + step, P, generator=g).round(), normal(g, B + step, D))
            for step in range(steps)
        ]  # fmt: skip
        return TinyVAE(P, D, g), batches, lr

    return build


def _from_a_generator(f) -> bool:
    """It takes batches that are made one by one, as the lesson's are."""
    vae, batches, lr = vae_training(4, 2, 2, 3, 0.05)(torch.Generator().manual_seed(0))
    return close(f(copy.deepcopy(vae), (pair for pair in batches), lr)[1], train_vae(vae, batches, lr)[1], 1e-4)


TRAIN_VAE = Exercise(
    name="01.train_vae",
    title="The training loop of a VAE",
    minutes=12,
    level=3,
    reference=train_vae,
    alternatives=[train_vae_by_loss_function, train_vae_each_image],
    cases=[vae_training(4, 2, 3, 4, 0.05), vae_training(5, 3, 2, 5, 0.01), vae_training(3, 1, 1, 3, 0.2)],
    invariants=[
        Invariant(
            "batches made one by one",
            _from_a_generator,
            "With a list of batches yours is right. The lesson makes them one by one, as they are needed: no len, no index, no "
            "second round. Walk through them once with for.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "missing zero_grad",
            _vae_training(order="bs"),
            "Your gradients are never cleared, so each step follows the sum of all so far. Which call begins with a clean sheet?",
        ),
        Mistake(
            "nothing moves",
            _vae_training(order="zb"),
            "Your numbers at the end are those of the start: no step is made, or it is made while the gradients are empty, or your "
            "optimizer holds the parameters of another model than the one you run.",
        ),
        Mistake(
            "one step late",
            _vae_training(order="szb"),
            "Your step comes before backward: it follows the gradient of the batch before.",
        ),
        Mistake(
            "uphill",
            _vae_training(sign=-1.0),
            "Your loop makes the ELBO small: Adam minimises, and the ELBO is to be large. What is minimised is its negative.",
        ),
        Mistake(
            "KL left out of the loss",
            _vae_training(lambda nll, kl, x, mu: nll),
            "Your record is right at the first step, but you train on the reconstruction alone: nothing draws the codes to the prior.",
        ),
        Mistake(
            "reconstruction left out of the loss",
            _vae_training(lambda nll, kl, x, mu: kl),
            "You train on the KL alone: the codes go to the prior, and the decoder learns nothing.",
        ),
        Mistake(
            "KL subtracted",
            _vae_training(lambda nll, kl, x, mu: nll - kl),
            "Your loss subtracts the KL: it rewards codes for being far from the prior. The ELBO subtracts it; the loss is its negative.",
        ),
        Mistake(
            "KL mean over the latents",
            _vae_training(lambda nll, kl, x, mu: nll + kl / mu.shape[1]),
            "Your loss averages the KL over the latents. That is a KL weight below 1.",
        ),
        Mistake(
            "KL mean over the latents, also written down",
            lambda vae, batches, lr: _training_of_means(vae, batches, lr, 1.0, 1 / len(vae.out)),
            "Your KL is averaged over the latents. Independent coordinates add theirs.",
        ),
        Mistake(
            "mean over the pixels",
            _vae_training(lambda nll, kl, x, mu: nll / x.shape[1] + kl),
            "Your loss averages over the pixels (a cross-entropy does that unless told to sum), and so the KL counts P times too much.",
        ),
        Mistake(
            "mean over the pixels, also written down",
            lambda vae, batches, lr: _training_of_means(vae, batches, lr, 1 / vae.out.shape[1], 1.0),
            "Your reconstruction is averaged over the pixels, as a cross-entropy does unless told to sum. Nats an image are their sum.",
        ),
        Mistake(
            "images summed",
            _vae_training(lambda nll, kl, x, mu: (nll + kl) * len(x)),
            "You train on the sum over the images. Asked is their mean, whatever the size of the batch.",
        ),
        Mistake(
            "images summed, also written down",
            _vae_training_summed,
            "Your two terms are sums over the images of a batch. Asked is their mean, in nats an image.",
        ),
        Mistake(
            "no noise",
            _vae_training(noisy=False),
            "You decode the mean: the noise is not used. That trains a plain autoencoder.",
        ),
        Mistake(
            "plain gradient descent",
            _vae_training(method=torch.optim.SGD),
            "Your loop is right; your optimizer is SGD. Adam is asked for.",
        ),
        Mistake(
            "AdamW",
            _vae_training(method=torch.optim.AdamW),
            "Your optimizer is AdamW, which also shrinks all weights a little in every step. Adam is asked for.",
        ),
        Mistake(
            "learning rate ignored",
            _vae_training(rate=1e-3),
            "You do not use lr: your steps have Adam's own size, 0.001.",
        ),
        Mistake(
            "a new optimizer each step",
            _vae_training(anew=True),
            "You make a new Adam in every step. It averages gradients over steps, so it must live as long as the loop.",
        ),
        Mistake(
            "terms after the step",
            _terms_after_the_step,
            "Your training is right. You write the two terms down after each step; the docstring asks for those before it.",
        ),
        Mistake(
            "the loss and the KL",
            _vae_training(write=lambda nll, kl: [nll + kl, kl]),
            "Your training is right. Your first column is the whole loss; asked is the reconstruction alone.",
        ),
        Mistake(
            "columns exchanged",
            _vae_training(write=lambda nll, kl: [kl, nll]),
            "Your training is right. The docstring has the reconstruction first, then the KL.",
        ),
        Mistake(
            "losses only",
            _vae_training(write=lambda nll, kl: nll + kl),
            "Your training is right. You write one loss a step down; asked are its two terms.",
        ),
        Mistake(
            "signs of the ELBO written down",
            _vae_training(write=lambda nll, kl: [-nll, kl]),
            "Your training is right. Your first column is log p(x | z), which is negative; the docstring has a minus before it.",
        ),
        Mistake(
            "the untrained state",
            _vae_training(give=lambda before, after: before.state_dict()),
            "Your record is right. The state is that of the vae you were given: return the copy's, which was trained.",
        ),
        Mistake(
            "list of pairs",
            _vae_training(made=list),
            "Your training is right. The record is a list; the docstring asks for a tensor (steps, 2).",
        ),
        Mistake(
            "rows for columns",
            _vae_training(made=lambda record: torch.tensor(record).T),
            "Your training is right. Your record is (2, steps); asked is one row a step.",
        ),
    ],
    gradients=[],
    allowed={
        "x.to(recon_x) -> x": "the precision is not asked for",
        "vae in the other mode": "nothing in it knows a mode",
    },
    hints=[
        "Before the loop: a copy, an optimizer of the copy's parameters, an empty list. Lesson 00b has the same skeleton.",
        "One batch: run the model; two terms, each summed over pixels or latents and divided by the number of images; three calls.",
        "You have both terms from above: standard_kl, and loss_function, which is their sum over the batch. The three calls are "
        "zero_grad, backward (of reconstruction plus KL) and step; the numbers go on the list by .item().",
    ],
    insight="Ten lines, and they are all of training: `fit` of later lessons adds averages, checkpoints and a forecast to them.",
)


def dead_latents(mu: Tensor, log_var: Tensor) -> Tensor:
    """Which latents does the encoder leave unused?

    mu, log_var (N, D): q(z | x) of N images. A latent is dead if its own KL to the prior,
    averaged over the images, is below 0.01 nats.
    Returns the indices of the dead ones, whole numbers from 0 to D - 1, rising; perhaps none.
    """
    each = -0.5 * (1 + log_var - mu**2 - log_var.exp())
    return (each.mean(dim=0) < 0.01).nonzero().flatten()


def dead_latents_in_a_loop(mu, log_var):
    found = []
    for d in range(mu.shape[1]):
        if standard_kl(mu[:, d : d + 1], log_var[:, d : d + 1]).mean() < 0.01:
            found.append(d)
    return torch.tensor(found, dtype=torch.long)


def dead_latents_by_torch(mu, log_var):
    q, p = torch.distributions.Normal(mu, (0.5 * log_var).exp()), torch.distributions.Normal(0.0, 1.0)
    return torch.where(torch.distributions.kl_divergence(q, p).mean(0) < 0.01)[0]


def _dead_by(share):
    """The indices at which share(mu, log_var), (D,), is below 0.01."""
    return lambda mu, log_var: (share(mu, log_var) < 0.01).nonzero().flatten()


def far(N: int, *kls: float) -> tuple[Tensor, Tensor]:
    """Codes of N images whose latents have these KLs, all by their means."""
    return (2 * torch.tensor(kls)).sqrt().expand(N, -1).clone(), torch.zeros(N, len(kls))


def _limit_is_right(f) -> bool:
    """False where the answer is one of another limit than 0.01: on a ladder of KLs, it calls those up to a wrong rung dead."""
    ladder = [1.1e-5 * 10 ** (i / 10) for i in range(70)]  # …, 0.0087, 0.011, …
    dead = torch.as_tensor(f(*far(3, *ladder))).tolist()
    return dead != list(range(len(dead))) or len(dead) == sum(kl < 0.01 for kl in ladder)


KINDS_OF_LATENT = {  # how each looks over N images: mean, log-variance
    "alive": lambda g, N: (normal(g, N), normal(g, N) / 5 - 3),
    "dead": lambda g, N: (0.03 * normal(g, N), 0.03 * normal(g, N)),
    "barely dead": lambda g, N: (torch.full((N,), 0.12), torch.zeros(N)),
    "barely alive": lambda g, N: (torch.full((N,), 0.16), torch.zeros(N)),
    "far from 0 always": lambda g, N: (torch.ones(N), torch.zeros(N)),
    "narrow always": lambda g, N: (torch.zeros(N), torch.full((N,), -2.0)),
    "wide always": lambda g, N: (torch.zeros(N), torch.full((N,), 1.5)),
    "spread like the prior": lambda g, N: (torch.linspace(-1.2, 1.2, N), torch.linspace(-0.7, -0.5, N)),
    "in balance": lambda g, N: (1.0 - 2 * (torch.arange(N) % 2), torch.zeros(N)),
    "silent for the first": lambda g, N: (torch.arange(N).clamp(max=1) * 1.0, torch.zeros(N)),
    "loud for the first": lambda g, N: (torch.eye(N)[0] * 0.2, torch.zeros(N)),
    "narrow but for the first": lambda g, N: (torch.zeros(N), -torch.arange(N).clamp(max=1) * 1.0),
    "narrow for the first": lambda g, N: (torch.zeros(N), torch.eye(N)[0] * -0.4),
    "quiet": lambda g, N: (torch.full((N,), 0.06), torch.zeros(N)),
    "a little narrow": lambda g, N: (torch.zeros(N), torch.full((N,), -0.2)),
    "a little wide": lambda g, N: (torch.zeros(N), torch.full((N,), 0.2)),
    "less wide": lambda g, N: (torch.zeros(N), torch.full((N,), 0.15)),
    "hardly wide": lambda g, N: (torch.zeros(N), torch.full((N,), 0.05)),
    "alive for one image": lambda g, N: (torch.eye(N)[0] * 3, torch.zeros(N)),
}


def latents(N: int, *kinds: str):
    return lambda g: tuple(
        torch.stack(part, dim=1) for part in zip(*(KINDS_OF_LATENT[k](g, N) for k in kinds), strict=True)
    )


DEAD_LATENTS = Exercise(
    name="01.dead_latents",
    title="Find the dead latents",
    minutes=6,
    level=2,
    reference=dead_latents,
    alternatives=[dead_latents_in_a_loop, dead_latents_by_torch],
    cases=[
        (torch.tensor([[1.0, 0.0], [-1.0, 0.02]]), torch.tensor([[-2.0, 0.0], [-2.5, 0.01]])),
        latents(6, "alive", "dead", "far from 0 always", "narrow always", "barely dead"),
        latents(8, "dead", "barely alive", "alive for one image", "spread like the prior", "wide always", "dead"),
        latents(4, "alive", "narrow always"),
        latents(8, "in balance", "quiet", "silent for the first", "loud for the first", "narrow but for the first"),
        latents(7, "a little narrow", "hardly wide", "a little wide", "less wide", "narrow for the first"),
        latents(5, "dead", "dead", "dead"),
        latents(3, "wide always", "barely dead", "alive", "barely alive"),
        far(
            2, 0.004, 0.03
        ),  # this and the next: no one limit stands for a sum over the images, or a mean over the latents
        far(8, 0.002, 0.05, 0.0008, 0.2, 0.0002, 0.7, 0.00003, 6.0),
    ],
    invariants=[
        Invariant(
            "another limit",
            _limit_is_right,
            "You draw the line elsewhere: those below 0.01 nats are dead, and no others. Is your limit another number, or your KL too "
            "large or too small by a factor, as without its 1/2?",
            before_form=True,
        ),
    ],
    mistakes=[
        Mistake(
            "by the mean code",
            _dead_by(lambda m, v: m.mean(dim=0).abs()),
            "You look at the mean of mu over the images. A latent that says +1 for one image and −1 for the next has mean 0, and is wide "
            "awake. Which number tells what the latent says about each image?",
        ),
        Mistake(
            "by the spread of the means",
            _dead_by(lambda m, v: m.std(dim=0)),
            "You look at how much mu moves from image to image. That is another sign of death, but not the one asked for: a latent may be "
            "narrow, or far from 0, and pay for it.",
        ),
        Mistake(
            "by the variance of the means",
            _dead_by(lambda m, v: m.var(dim=0)),
            "You look at the variance of mu over the images. That is the measure of Burda et al.; asked is the KL to the prior.",
        ),
        Mistake(
            "by the variance",
            _dead_by(lambda m, v: (v.exp() - 1).abs().mean(dim=0)),
            "You look at the variance alone. A latent that is as wide as the prior may still lie elsewhere.",
        ),
        Mistake(
            "KL of the average code",
            _dead_by(lambda m, v: _kl(m.mean(dim=0), v.mean(dim=0))),
            "You average the codes and take the KL of the average. What cancels in the average is what the latent says: the KL comes "
            "first, image by image.",
        ),
        Mistake(
            "KL summed over the images",
            _dead_by(lambda m, v: _kl(m, v).sum(dim=0)),
            "You sum over the images, so the more images, the fewer are dead. Their mean is asked for.",
        ),
        Mistake(
            "smallest over the images",
            _dead_by(lambda m, v: _kl(m, v).min(dim=0).values),
            "For you a latent is dead if it is silent for a single image. The KL is averaged over all of them.",
        ),
        Mistake(
            "largest over the images",
            _dead_by(lambda m, v: _kl(m, v).max(dim=0).values),
            "For you a latent is dead only if it is silent for every single image. The KL is averaged over them.",
        ),
        Mistake(
            "median over the images",
            _dead_by(lambda m, v: _kl(m, v).median(dim=0).values),
            "You take the median over the images. One that is used for few images only is alive: take the mean.",
        ),
        Mistake(
            "by the size of the means",
            _dead_by(lambda m, v: m.abs().mean(dim=0)),
            "You look at the means alone. A latent whose means are 0 may still be narrow, or wide, and pay for it.",
        ),
        Mistake(
            "the first image alone",
            _dead_by(lambda m, v: _kl(m, v)[0]),
            "You look at the first image alone. The KL is averaged over all of them.",
        ),
        Mistake(
            "sign turned",
            _dead_by(lambda m, v: -_kl(m, v).mean(dim=0)),
            "For you every latent is dead: your KL is negative, which a KL never is, or your limit is far too high.",
        ),
        Mistake(
            "share of the latents",
            _dead_by(lambda m, v: _kl(m, v).mean(dim=0) / m.shape[1]),
            "You divide by the number of latents as well. Each latent is judged by its own KL.",
        ),
        Mistake(
            "of the whole code",
            lambda m, v: (standard_kl(m, v) < 0.01).nonzero().flatten(),
            "Yours are indices of images: you added up the latents of each. Here each latent has a number of its own, averaged over the "
            "images.",
        ),
        Mistake(
            "averaged over the latents",
            lambda m, v: (_kl(m, v).mean(dim=1) < 0.01).nonzero().flatten(),
            "You average over the latents and keep the images. Each latent has a number of its own: average over the images.",
        ),
        Mistake(
            "the living",
            lambda m, v: (_kl(m, v).mean(dim=0) >= 0.01).nonzero().flatten(),
            "Yours are the living ones. The dead are asked for.",
        ),
        Mistake(
            "a mask",
            lambda m, v: _kl(m, v).mean(dim=0) < 0.01,
            "Yours is right as a table of True and False. Asked are the places of the True ones.",
        ),
        Mistake(
            "how many",
            lambda m, v: (_kl(m, v).mean(dim=0) < 0.01).sum(),
            "You count them, and your count is right. Asked is which ones.",
        ),
        Mistake(
            "a column",
            lambda m, v: (_kl(m, v).mean(dim=0) < 0.01).nonzero(),
            "Your indices are right, each in a row of its own, (n, 1). Asked is one list, (n,).",
        ),
        Mistake(
            "their KL",
            lambda m, v: _kl(m, v).mean(dim=0),
            "This is the KL of each latent, and it is right. Asked is which of them lie below 0.01.",
        ),
    ],
    gradients=[],
    allowed={
        "mu negated": "only its square counts",
        "*< 0.01 -> *": "no KL is 0.01 to the last digit",
        "* rows reversed": "the order of the images does not count",
    },
    hints=[
        "Your standard_kl adds the latents up. Which table do you have before that sum, and what are its two axes?",
        "Average that table over the images, so that each latent has one number.",
        "Compare with 0.01, and ask torch where the comparison holds; nonzero or where tell places.",
    ],
    insight="A dead latent costs nothing and says nothing: the KL switches off what the decoder does not need.",
)


def refine(loss, mu: Tensor, log_var: Tensor, steps: int, lr: float) -> tuple[Tensor, Tensor]:
    """A better q(z | x) for each image by itself, beginning with what the encoder says.

    loss(mu, log_var) gives the negative ELBO of each image, (B,); mu, log_var (B, D), without a
    graph. Move both by `steps` steps of torch.optim.Adam(lr), so that every image's loss falls.
    No weight of a network is touched, and the arguments stay as they are.
    Returns mu and log_var after the last step, best or not, both (B, D), detached.
    """
    mu, log_var = (v.detach().clone().requires_grad_() for v in (mu, log_var))
    optimizer = torch.optim.Adam([mu, log_var], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(mu, log_var).sum().backward()
        optimizer.step()
    return mu.detach(), log_var.detach()


def refine_by_parameters(loss, mu, log_var, steps, lr):
    code = nn.ParameterList([nn.Parameter(v.clone()) for v in (mu, log_var)])
    optimizer = torch.optim.Adam(code.parameters(), lr=lr)
    for _ in range(steps):
        value = loss(*code).mean()
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
    return code[0].data, code[1].data


def refine_by_clones(loss, mu, log_var, steps, lr):
    """Without detach: what carries no graph is a leaf when it is copied."""
    m, v = mu.clone().requires_grad_(), log_var.clone().requires_grad_()
    optimizer = torch.optim.Adam([m, v], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(m, v).sum().backward()
        optimizer.step()
    return m.detach(), v.detach()


def refine_each_image(loss, mu, log_var, steps, lr):
    m, v = mu.clone().detach(), log_var.clone().detach()
    optimizer = torch.optim.Adam([m, v], lr=lr)
    for _ in range(steps):
        with torch.enable_grad():
            a, b = m.clone().requires_grad_(True), v.clone().requires_grad_(True)
            m.grad, v.grad = torch.autograd.grad(loss(a, b).sum(), [a, b])
        optimizer.step()
    return m, v


class Hollow:
    """Stands for the negative ELBO of B images as a function of their codes, with its lowest point at a code of their own."""

    def __init__(self, B: int, D: int, g: torch.Generator):
        self.mu, self.log_var, self.steep = normal(g, B, D), normal(g, B, D) - 1, 0.5 + torch.rand(B, D, generator=g)

    def __call__(self, mu: Tensor, log_var: Tensor) -> Tensor:
        spread = (log_var - self.log_var).exp() - log_var
        return (self.steep * (mu - self.mu) ** 2 + spread + 0.3 * (mu * log_var).sin()).sum(dim=1)

    def __repr__(self) -> str:
        return f"the negative ELBO of {len(self.mu)} images"


def refine_case(B: int, D: int, steps: int, lr: float):
    return lambda g: (Hollow(B, D, g), normal(g, B, D), normal(g, B, D), steps, lr)


def _refine(
    which="both", order="zbs", sign=1.0, method=torch.optim.Adam, rate=None, anew=False, more=0, start=None, one=False
):
    """A search with another optimizer, order, start or number of steps."""

    def wrong(loss, mu, log_var, steps, lr):
        code = [v.detach().clone().requires_grad_() for v in (mu, log_var)]
        if start:
            code = [v.requires_grad_() for v in start(mu, log_var)]
        moved = {"both": code, "mu": code[:1], "log_var": code[1:]}[which]
        optimizer = method(moved, lr=rate or lr)
        for _ in range(1 if one else steps + more):
            optimizer = method(moved, lr=rate or lr) if anew else optimizer
            value = loss(*code).sum()
            for letter in order:
                if letter == "z":
                    optimizer.zero_grad()
                elif letter == "b":
                    (sign * value).backward()
                else:
                    optimizer.step()
        return code[0].detach(), code[1].detach()

    return wrong


def _still():
    return refine_case(2, 2, 0, 0.1)(torch.Generator().manual_seed(0))


def _bowl(mu: Tensor, log_var: Tensor) -> Tensor:
    return ((mu - 0.3) ** 2 + (log_var - 0.3) ** 2).sum(dim=1)


def _ends_after_the_last_step(f) -> bool:
    """Steps of 1 from 0 overshoot the lowest point, 0.3: the loss rises, and rises again for the second image, which begins there."""
    start = torch.tensor([[0.0, 0.1], [0.4, 0.5]])
    return all(
        close(a, b, 1e-4)
        for n in range(1, 6)
        for a, b in zip(f(_bowl, start, start, n, 1.0), refine(_bowl, start, start, n, 1.0), strict=True)
    )


def _refine_not_summed(loss, mu, log_var, steps, lr):
    mu, log_var = (v.detach().clone().requires_grad_() for v in (mu, log_var))
    optimizer = torch.optim.Adam([mu, log_var], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(mu, log_var).backward()
        optimizer.step()
    return mu.detach(), log_var.detach()


def _refine_the_first(loss, mu, log_var, steps, lr):
    mu, log_var = (v.detach().clone().requires_grad_() for v in (mu, log_var))
    optimizer = torch.optim.Adam([mu, log_var], lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss(mu, log_var)[0].backward()
        optimizer.step()
    return mu.detach(), log_var.detach()


REFINE = Exercise(
    name="01.refine",
    title="A better q for each image by itself",
    minutes=12,
    level=3,
    reference=refine,
    alternatives=[refine_by_parameters, refine_by_clones, refine_each_image],
    cases=[refine_case(2, 2, 3, 0.1), refine_case(3, 1, 5, 0.05), refine_case(1, 4, 4, 0.3)],
    invariants=[
        Invariant(
            "no graph",
            lambda f: not any(v.requires_grad for v in f(*refine_case(2, 2, 1, 0.1)(torch.Generator().manual_seed(0)))),
            "Your numbers are right. What you return still asks for gradients; the docstring wants it detached.",
            only_if_right=True,
        ),
        Invariant(
            "no steps",
            lambda f: all(close(a, b) for a, b in zip(f(*_still()), _still()[1:3], strict=True)),
            "With steps = 0 nothing moves, and the encoder's own mu and log_var come back. Not from yours.",
        ),
        Invariant(
            "the last step counts",
            _ends_after_the_last_step,
            "Where a step is so large that a loss rises, yours gives other codes: it stops early, or keeps the best on the way. Asked "
            "are those after the last of all `steps` steps, be they the best or not.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "mu alone",
            _refine("mu"),
            "Your log_var never moves. How sure q is of its code belongs to q as well.",
        ),
        Mistake(
            "log_var alone",
            _refine("log_var"),
            "Your mu never moves. Where the code lies matters most.",
        ),
        Mistake(
            "uphill",
            _refine(sign=-1.0),
            "Your loss rises. It is the negative ELBO already, and step makes small what backward was called on.",
        ),
        Mistake(
            "missing zero_grad",
            _refine(order="bs"),
            "Your gradients are never cleared, so each step follows the sum of all so far.",
        ),
        Mistake(
            "nothing moves",
            _refine(order="zb"),
            "Yours are the encoder's mu and log_var, unmoved: no step is made, or it is made while the gradients are empty.",
        ),
        Mistake(
            "one step late",
            _refine(order="szb"),
            "Your step comes before backward: the first has no gradient to follow, and each other one that of the step before.",
        ),
        Mistake(
            "plain gradient descent",
            _refine(method=torch.optim.SGD),
            "Your loop is right; your optimizer is SGD. Adam is asked for.",
        ),
        Mistake(
            "AdamW",
            _refine(method=torch.optim.AdamW),
            "Your optimizer is AdamW, which also draws the codes a little towards 0 in every step. Adam is asked for.",
        ),
        Mistake(
            "learning rate ignored",
            _refine(rate=1e-3),
            "You do not use lr: your steps have Adam's own size, 0.001.",
        ),
        Mistake(
            "a new optimizer each step",
            _refine(anew=True),
            "You make a new Adam in every step. It averages gradients over steps, so it must live as long as the loop.",
        ),
        Mistake("one step", _refine(one=True), "You make one step. `steps` says how many."),
        Mistake("one step too many", _refine(more=1), "You make one step more than `steps` says."),
        Mistake("one step too few", _refine(more=-1), "You make one step fewer than `steps` says."),
        Mistake(
            "from the prior",
            _refine(start=lambda mu, log_var: [torch.zeros_like(mu), torch.zeros_like(log_var)]),
            "You begin at the prior. Begin with what the encoder says: it is nearly right.",
        ),
        Mistake(
            "the first image",
            _refine_the_first,
            "You follow the loss of the first image alone; the others stay where they were. One backward needs one number: which has the "
            "gradients of all images in it?",
        ),
        Mistake(
            "backward of B losses",
            _refine_not_summed,
            "backward wants one number, and you have B losses. Image b's loss depends on row b alone: which single number has the "
            "gradients of all of them?",
        ),
        Mistake(
            "exchanged",
            lambda loss, mu, log_var, steps, lr: refine(loss, mu, log_var, steps, lr)[::-1],
            "Both are right; the docstring wants mu first.",
        ),
        Mistake(
            "variance returned",
            lambda loss, mu, log_var, steps, lr: (
                refine(loss, mu, log_var, steps, lr)[0],
                refine(loss, mu, log_var, steps, lr)[1].exp(),
            ),
            "Your second output is the variance. Asked is its logarithm, as it came.",
        ),
        Mistake(
            "losses returned",
            lambda loss, mu, log_var, steps, lr: loss(*refine(loss, mu, log_var, steps, lr)),
            "These are the losses at the end. Asked are mu and log_var.",
        ),
    ],
    gradients=[],
    allowed={
        "loss called twice": "the stub does not count calls",
        "loss(mu, log_var).sum() -> *": "Adam's steps do not depend on the scale of the loss",
        "v.detach() -> v": "the codes carry no graph, as the stub says",
    },
    hints=[
        "Here nothing of a network is trained: what moves are the two tensors themselves. What does Adam ask of a tensor?",
        "Copies that are leaves and want gradients go into the optimizer as a list. Then the loop of every training.",
        "Image b's loss depends on row b alone, so the gradient of the sum of the losses holds the gradients of all images.",
    ],
    insight="What the search gains is the encoder's fault, the amortisation gap. What is left is the fault of the family: a Gaussian "
    "whose coordinates know nothing of each other.",
)


EXERCISES = [
    MIXTURE_ELBO,
    GAP,
    STANDARD_KL,
    REPARAMETERIZE,
    PATHWISE_GRADIENT,
    SCORE_GRADIENT,
    LOSS_FUNCTION,
    VAE_CLASS,
    OBJECTIVE,
    TRAIN_VAE,
    INTERPOLATE,
    BEST_Q,
    IMPORTANCE_BOUND,
    DEAD_LATENTS,
    REFINE,
]

QUIZZES = [
    Quiz(
        "01.words",
        title="Find the wrong word",
        questions=[
            Question(
                "“The ELBO is a loss, and a lower bound of the log-prior log p(x).” Which words are wrong?",
                options=[
                    Option(
                        "“Lower”: it should be “upper”",
                        "Lower is right: by Jensen, a mean of logs lies below the log of the mean.",
                    ),
                    Option(
                        "“Loss” and “prior”",
                        "It is maximised, so its negative is the loss; and log p(x) is the log-evidence. The prior is p(z).",
                        right=True,
                    ),
                    Option(
                        "“Prior” only: a bound is a loss",
                        "“Prior” is wrong indeed. Read on: is the ELBO made small in training?",
                    ),
                ],
            ),
            Question(
                "“Training uses ground-truth pairs (x, z) from the data set.” What is wrong?",
                options=[
                    Option(
                        "Nothing: each image comes with its code",
                        "Look into a data set of digits: which of its files holds the codes?",
                    ),
                    Option(
                        "z is never observed: it is drawn from q(z | x)",
                        "Only x is data. That is what latent means.",
                        right=True,
                    ),
                    Option(
                        "“(x, z)”: the pairs are (x, label), as in a classifier",
                        "A VAE needs no labels.",
                    ),
                ],
            ),
            Question(
                "“The likelihood has the parameters φ: p(x | φ) = ∫ p(x | z) p(z) dz.” What is wrong?",
                options=[
                    Option(
                        "φ: it is the encoder's, the likelihood has θ",
                        "φ is in q(z | x) only, and no q stands in this integral. The decoder does, with its weights θ.",
                        right=True,
                    ),
                    Option(
                        "dz: the integral should run over x instead of z",
                        "Over x it would give 1. The latent is what is summed over.",
                    ),
                    Option(
                        "Nothing: φ is all weights, of both networks",
                        "There are two sets of weights. Which network stands inside the integral?",
                    ),
                ],
            ),
            Question(
                "“The likelihood is intractable, so we minimise the negative log-likelihood instead.” What is wrong?",
                options=[
                    Option(
                        "Nothing: the negative log-likelihood is what the loss is",
                        "Write the negative log-likelihood out: the very same integral stands in it.",
                    ),
                    Option(
                        "That is as intractable: what is minimised is a bound",
                        "−log changes neither the integral nor the optimum. The negative ELBO lies above it, and can be estimated.",
                        right=True,
                    ),
                    Option(
                        "“Intractable”: with a logarithm the integral is solvable",
                        "The logarithm stands outside the integral, where it helps nobody.",
                    ),
                ],
            ),
            Question(
                "“z is a deterministic function of x, and the noise prepares the model for varied inputs.” What is wrong?",
                options=[
                    Option(
                        "Nothing: an image has one code, and noise augments data",
                        "Encode one image twice: are the two codes equal?",
                    ),
                    Option(
                        "z depends on the noise as well, which makes codes smooth",
                        "Neighbouring codes must decode to similar images, since a draw may land on any of them.",
                        right=True,
                    ),
                    Option(
                        "“Varied inputs”: the noise is there against overfitting",
                        "The noise is added to the code. What does that ask of neighbouring codes? And encode one image twice.",
                    ),
                ],
            ),
        ],
    ),
    Quiz(
        "01.end",
        title="At the end of lesson 01",
        questions=[
            Question(
                "What is log p(x) − ELBO(x)?",
                options=[
                    Option(
                        "KL(q(z | x) || p(z)), from the prior",
                        "For the toy with q = prior this KL is 0, and the gap far from it.",
                    ),
                    Option(
                        "KL(q(z | x) || p(z | x)), from the posterior",
                        "It is 0 exactly when q is right about z.",
                        right=True,
                    ),
                    Option(
                        "−E[log p(x | z)], the error of reconstruction",
                        "That is one of the two terms of the ELBO itself, not what is missing from it.",
                    ),
                ],
            ),
            Question(
                "KL(q(z | x) || p(z)) is almost 0 for every image. What does it say?",
                options=[
                    Option(
                        "The codes are good: they are spread as they should be",
                        "Encode two different images. How do the codes differ, if each is spread like the prior?",
                    ),
                    Option(
                        "The posterior has collapsed: z tells nothing about x",
                        "The mean KL is at least the mutual information of x and z. If it is 0, there is none.",
                        right=True,
                    ),
                    Option(
                        "The bound is tight: the ELBO equals log p(x)",
                        "The gap is another KL, the one to the true posterior.",
                    ),
                ],
            ),
            Question(
                "`normal.sample()` and `normal.rsample()` draw from the same distribution. Which belongs into the loss, and why?",
                options=[
                    Option(
                        "`sample`: a draw is random, so there is no gradient to lose",
                        "There is one, by mean and std. Without it the encoder learns nothing from the reconstruction.",
                    ),
                    Option(
                        "`rsample`: gradients reach mean and std through its draw",
                        "It writes the draw as mean + std·noise. Only that tells them apart.",
                        right=True,
                    ),
                    Option(
                        "Either: what counts is the distribution, which is the same",
                        "The numbers are alike. A loss is there to be differentiated, too.",
                    ),
                ],
            ),
            Question(
                "Reconstructions are sharp, drawn images are poor. Which way is the KL weight off?",
                options=[
                    Option(
                        "It is too small: codes may lie far from the prior",
                        "The codes scatter far from the prior, so draws from the prior land where no image was ever encoded.",
                        right=True,
                    ),
                    Option(
                        "It is too large: codes are pressed together",
                        "Codes pressed together give blurred copies, all alike. Yours are sharp.",
                    ),
                    Option(
                        "It is neither: sharp copies show it is right",
                        "A copy starts from a code of the encoder, a drawn image from the prior. Compare the rows for 0.01 and 20 above.",
                    ),
                ],
            ),
            Question(
                "Grey images in [−1, 1] shall be modelled. Which loss fits?",
                options=[
                    Option(
                        "Binary cross-entropy on the values as they are",
                        "A Bernoulli knows two values only. And what stops this loss from falling, where a target is below 0?",
                    ),
                    Option(
                        "Squared error over 2σ²: a Gaussian likelihood",
                        "A density on the real line. For the cross-entropy, binarise the pixels first.",
                        right=True,
                    ),
                    Option(
                        "Binary cross-entropy, with 1 added",
                        "Targets up to 2 are no probabilities either.",
                    ),
                ],
            ),
        ],
    ),
]
