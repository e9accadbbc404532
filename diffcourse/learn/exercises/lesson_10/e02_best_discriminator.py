"""The best discriminator, and what the game is worth against it."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def best_discriminator(
    log_p_real: Tensor, log_q_real: Tensor, log_p_fake: Tensor, log_q_fake: Tensor
) -> tuple[Tensor, Tensor, float]:
    """What the best discriminator says, and how far apart the data and the generator are.

    A discriminator is shown real pictures, drawn from p, and fake ones, drawn from q, equally
    often. D(x) is the probability it gives to "real". Of all functions the best one has the
    largest mean of log D over real pictures plus mean of log(1 - D) over fake ones.
    log_p_real, log_q_real (N,): natural logarithms of both densities at N real pictures;
    log_p_fake, log_q_fake (M,): the same at M fake ones. All are of any size, as the densities
    of pictures are: their exponentials may be 0 or infinite, and so may those of differences.
    Returns the best discriminator's logit log(D/(1 - D)) for each real picture, a tensor (N,),
    that for each fake one, (M,), and a plain number: the Jensen-Shannon divergence of p and q
    in nats, half of KL(p || m) plus half of KL(q || m) with m = (p + q)/2, estimated by means
    over the pictures as they are given. No gradient is needed.
    """
    real = log_p_real - log_q_real
    fake = log_p_fake - log_q_fake
    value = F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()
    return real, fake, float(value / 2) + math.log(2)


def by_the_middle(log_p_real, log_q_real, log_p_fake, log_q_fake):
    """Both divergences as they are defined, without a discriminator."""
    to_middle = torch.logaddexp(log_p_real, log_q_real) - math.log(2)
    from_middle = torch.logaddexp(log_p_fake, log_q_fake) - math.log(2)
    js = 0.5 * (log_p_real - to_middle).mean() + 0.5 * (log_q_fake - from_middle).mean()
    return log_p_real - log_q_real, log_p_fake - log_q_fake, js


def by_the_loss(log_p_real, log_q_real, log_p_fake, log_q_fake):
    logits = [log_p_real - log_q_real, log_p_fake - log_q_fake]
    loss = sum(F.binary_cross_entropy_with_logits(a, y + 0 * a) for a, y in zip(logits, (1.0, 0.0), strict=True))
    return *logits, (math.log(4) - loss) / 2


def by_softplus(log_p_real, log_q_real, log_p_fake, log_q_fake):
    a = torch.sub(log_p_real, log_q_real)
    b = torch.sub(log_p_fake, log_q_fake)
    gain = math.log(2) - F.softplus(-a).double().mean(), math.log(2) - F.softplus(b).double().mean()
    return a, b, sum(gain) / 2


def _logits(change: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """Another thing in the place of the logits; the divergence is right."""

    def wrong(log_p_real, log_q_real, log_p_fake, log_q_fake):
        js = best_discriminator(log_p_real, log_q_real, log_p_fake, log_q_fake)[2]
        return change(log_p_real, log_q_real), change(log_p_fake, log_q_fake), js

    return wrong


def _worth(change: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """Another number, of the right logits."""

    def wrong(log_p_real, log_q_real, log_p_fake, log_q_fake):
        real, fake, _ = best_discriminator(log_p_real, log_q_real, log_p_fake, log_q_fake)
        return real, fake, change(real, fake)

    return wrong


def _value(real: Tensor, fake: Tensor) -> Tensor:
    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()


def _js(real: Tensor, fake: Tensor) -> Tensor:
    return _value(real, fake) / 2 + math.log(2)


def _naive(log_p: Tensor, log_q: Tensor) -> Tensor:
    d = log_p.exp() / (log_p.exp() + log_q.exp())
    return torch.log(d / (1 - d))


def _through_naive(*logs: Tensor) -> tuple:
    real, fake = _naive(*logs[:2]), _naive(*logs[2:])
    return real, fake, _js(real, fake)


def _turned(*logs: Tensor) -> tuple:
    real, fake, js = best_discriminator(*logs)
    return -real, -fake, js


def _all_turned(*logs: Tensor) -> tuple:
    real, fake, _ = best_discriminator(*logs)
    return -real, -fake, _js(-real, -fake)


def _half_of_the_data(*logs: Tensor) -> tuple:
    """Against p + q, not against p and q by turns."""
    real, fake = (logs[i] - torch.logaddexp(logs[i], logs[i + 1]) for i in (0, 2))
    return real, fake, _js(real, fake)


def logs(n: int, m: int, scale: float, shift: float, apart: float = 0.0) -> Callable:
    """A case: log densities of n real and m fake pictures around a shift, real ones likelier by `apart` under p, fake ones under q."""

    def made(g: torch.Generator) -> tuple[Tensor, ...]:
        real, fake = shift + scale * normal(g, 2, n), shift + scale * normal(g, 2, m)
        return real[0] + apart, real[1], fake[0], fake[1] + apart

    return made


def two_gaussians(distance: float, n: int, seed: int = 0) -> tuple[Tensor, ...]:
    """For an invariant: log densities of N(0, 1) at its own samples and at those of N(distance, 1), and the other way round."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(2, n, generator=g, dtype=torch.float64)
    p, q = (torch.distributions.Normal(torch.tensor(mean, dtype=torch.float64), 1.0) for mean in (0.0, distance))
    real, fake = z[0], z[1] + distance
    return p.log_prob(real), q.log_prob(real), p.log_prob(fake), q.log_prob(fake)


def true_divergence(distance: float) -> float:
    """Of N(0, 1) and N(distance, 1), by a sum over a fine grid."""
    x = torch.linspace(-12, 12 + distance, 20001, dtype=torch.float64)
    log_p, log_q = -0.5 * x**2, -0.5 * (x - distance) ** 2
    m = torch.logaddexp(log_p, log_q) - math.log(2)
    total = (log_p.exp() * (log_p - m) + log_q.exp() * (log_q - m)).sum() * (x[1] - x[0])
    return float(total) / 2 / math.sqrt(2 * math.pi)


def measures_two_gaussians(f: Callable) -> bool:
    return all(abs(float(f(*two_gaussians(d, 20000))[2]) - true_divergence(d)) < 0.01 for d in (0.5, 1.5, 4.0))


def nothing_to_tell(f: Callable) -> bool:
    same = torch.tensor([-3.0, 2.0, 700.0])
    real, fake, js = f(same, same, same[:2], same[:2])
    return close(real, torch.zeros(3)) and close(fake, torch.zeros(2)) and close(js, torch.tensor(0.0))


def all_to_tell(f: Callable) -> bool:
    far = torch.tensor([-4000.0, -5000.0])
    js = f(torch.zeros(2), far, far, torch.zeros(2))[2]
    return close(js, torch.tensor(math.log(2)))


def no_better_one(f: Callable) -> bool:
    """On x = 0, 1, 2, where p and q are tables: other logits score less, weighed by p and q."""
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.1, 0.3, 0.6])
    logits = torch.as_tensor(f(p.log(), q.log(), p.log(), q.log())[0]).double()

    def score(a: Tensor) -> float:
        return float((p * F.logsigmoid(a) + q * F.logsigmoid(-a)).sum())

    others = [logits + step * torch.eye(3)[i] for i in range(3) for step in (-0.1, 0.1)]
    return all(score(other) < score(logits) for other in others)


EXERCISE = Exercise(
    name="10.best_discriminator",
    title="The best discriminator",
    minutes=10,
    level=2,
    reference=best_discriminator,
    alternatives=[by_the_middle, by_the_loss, by_softplus],
    cases=[
        (
            torch.tensor([-1.0, 0.5, -2.0]),
            torch.tensor([-2.0, 0.8, -2.5]),
            torch.tensor([-3.0, -0.5]),
            torch.tensor([-1.5, -1.0]),
        ),
        logs(4, 3, 1.0, 0.0),
        logs(5, 2, 2.0, 5.0, apart=1.0),
        logs(3, 6, 8.0, -700.0, apart=4.0),
        logs(2, 4, 300.0, 2000.0, apart=100.0),
        logs(6, 5, 0.1, -40.0, apart=-0.2),
    ],
    invariants=[
        Invariant(
            "no better one",
            no_better_one,
            "x is 0, 1 or 2, p gives these the probabilities 0.5, 0.3, 0.2 and q gives 0.1, 0.3, 0.6. A discriminator with slightly other "
            "logits than yours has a larger mean of log D plus log(1 − D). Take one x: which D is best there?",
        ),
        Invariant(
            "nothing to tell",
            nothing_to_tell,
            "Where p and q are equal everywhere there is nothing to tell: the best D is one half, its logit 0, and so is the divergence. "
            "By yours it is not.",
        ),
        Invariant(
            "all to tell",
            all_to_tell,
            "Where no picture of one could come from the other, the Jensen–Shannon divergence is log 2, its largest value. Yours is "
            "another number.",
        ),
        Invariant(
            "two Gaussians",
            measures_two_gaussians,
            "For 20,000 samples each of two Gaussians your divergence is not what integration gives. Write D into both halves of the "
            "divergence: KL(p || m) is a mean over real pictures, of log(p/m).",
        ),
    ],
    mistakes=[
        Mistake(
            "probabilities",
            _logits(lambda p, q: torch.sigmoid(p - q)),
            "The divergence is right. In place of the logits you give D itself; where it is 0 or 1 to the last digit, all else is lost.",
        ),
        Mistake(
            "log-probabilities",
            _logits(lambda p, q: F.logsigmoid(p - q)),
            "The divergence is right. In place of the logits you give log D. A logit is log D minus log(1 − D).",
        ),
        Mistake(
            "against the sum",
            _half_of_the_data,
            "You give log D for the logit, and take a sigmoid of it once more. A logit is log D minus log(1 − D).",
        ),
        Mistake(
            "the logits turned",
            _turned,
            "The divergence is right. Your logits have the wrong sign: D is the probability of “real”, large where p is larger than q.",
        ),
        Mistake(
            "D turned",
            _all_turned,
            "Your D is the probability of “fake”: the logits have the wrong sign, and the divergence follows from them.",
        ),
        Mistake(
            "by exponentials",
            _through_naive,
            "The densities of pictures are 0 or infinite as floats, so that D is 0/0. What is left of log(D/(1 − D)) if you work it out "
            "before you compute?",
        ),
        Mistake(
            "a ratio of logarithms",
            _logits(lambda p, q: p / q),
            "You divide the logarithms. The logarithm of a ratio is a difference.",
        ),
        Mistake(
            "half of the logits",
            _logits(lambda p, q: (p - q) / 2),
            "Your logits are half of the best ones. Set the derivative of p·log D + q·log(1 − D) by D to 0.",
        ),
        Mistake(
            "the game's value",
            _worth(_value),
            "The logits are right. In place of the divergence you give the value of the game, which is −log 4 where nothing can be told. "
            "How does the divergence follow from it?",
        ),
        Mistake(
            "twice",
            _worth(lambda a, b: 2 * _js(a, b)),
            "The logits are right. Your divergence is twice the right one: it is half of one KL divergence plus half of the other.",
        ),
        Mistake(
            "log 2 forgotten",
            _worth(lambda a, b: _value(a, b) / 2),
            "The logits are right. Your divergence is too small by log 2: D is p/(p + q), and the middle m is half of that sum.",
        ),
        Mistake(
            "log 4 of a half",
            _worth(lambda a, b: _value(a, b) / 2 + math.log(4)),
            "The logits are right. Your divergence is too large by log 2: you halve the value of the game but not the log 4.",
        ),
        Mistake(
            "one log 2 for two",
            _worth(lambda a, b: _value(a, b) + math.log(2)),
            "The logits are right. You add log 2 to the whole value of the game. There are two KL divergences, each with a log 2, and the "
            "half stands before both.",
        ),
        Mistake(
            "the loss",
            _worth(lambda a, b: -_value(a, b)),
            "The logits are right. In place of the divergence you give the discriminator's loss, which is small where much can be told.",
        ),
        Mistake(
            "half the loss",
            _worth(lambda a, b: -_value(a, b) / 2),
            "The logits are right. In place of the divergence you give the discriminator's mean loss, which is log 2 where nothing can be "
            "told.",
        ),
        Mistake(
            "bits",
            _worth(lambda a, b: _js(a, b) / math.log(2)),
            "The logits are right. Your divergence is in bits; a bit is log 2 nats.",
        ),
        Mistake(
            "the KL divergence",
            _worth(lambda a, b: a.mean()),
            "The logits are right. In place of the divergence you give the mean logit of real pictures: that is KL(p || q), which is "
            "infinite where q is 0.",
        ),
        Mistake(
            "both KL divergences",
            _worth(lambda a, b: (a.mean() - b.mean()) / 2),
            "The logits are right. Yours is the mean of KL(p || q) and KL(q || p). Jensen–Shannon compares each with the middle of the "
            "two.",
        ),
        Mistake(
            "both KL divergences, added",
            _worth(lambda a, b: a.mean() - b.mean()),
            "The logits are right. Yours is KL(p || q) plus KL(q || p). Jensen–Shannon compares each with the middle of the two.",
        ),
        Mistake(
            "the fakes' wrong half",
            _worth(lambda a, b: (F.logsigmoid(a).mean() + F.logsigmoid(b).mean()) / 2 + math.log(2)),
            "The logits are right. For fake pictures you take log D, where the game has log(1 − D).",
        ),
        Mistake(
            "only the real ones",
            _worth(lambda a, b: F.logsigmoid(a).mean() + math.log(2)),
            "The logits are right. Yours is KL(p || m), one half of the divergence: the fake pictures do not count.",
        ),
        Mistake(
            "half of the real ones",
            _worth(lambda a, b: (F.logsigmoid(a).mean() + math.log(2)) / 2),
            "The logits are right. Yours is half of KL(p || m): the fake pictures' half is missing.",
        ),
        Mistake(
            "all in one mean",
            _worth(lambda a, b: torch.cat([F.logsigmoid(a), F.logsigmoid(-b)]).mean() + math.log(2)),
            "The logits are right. You take one mean over all pictures, so the side with more of them counts for more. Each side has a "
            "mean of its own.",
        ),
        Mistake(
            "sums",
            _worth(lambda a, b: (F.logsigmoid(a).sum() + F.logsigmoid(-b).sum()) / 2 + math.log(2)),
            "The logits are right. You add up over the pictures, where means are asked for.",
        ),
        Mistake(
            "not below 0",
            _worth(lambda a, b: _js(a, b).clamp(min=0)),
            "The logits are right. You stop at 0. The divergence is never negative, but an estimate from a few pictures may be, and one "
            "that never is comes out too large in the mean.",
        ),
        Mistake(
            "the root",
            _worth(lambda a, b: _js(a, b).clamp(min=0).sqrt()),
            "The logits are right. Yours is the root of the divergence, the Jensen–Shannon distance.",
        ),
        Mistake(
            "a small number under the logarithm",
            _worth(
                lambda a, b: (
                    (torch.log(torch.sigmoid(a) + 1e-8).mean() + torch.log(1 - torch.sigmoid(b) + 1e-8).mean()) / 2
                    + math.log(2)
                )
            ),
            "The logits are right. A small number added under the logarithm, as yours 1e-8, caps what a sure and wrong discriminator "
            "loses. log D can be had from the logit without D.",
        ),
        Mistake(
            "the logarithm of 0",
            _worth(
                lambda a, b: (
                    (torch.log(torch.sigmoid(a)).mean() + torch.log(1 - torch.sigmoid(b)).mean()) / 2 + math.log(2)
                )
            ),
            "The logits are right. Where the discriminator is sure, your D is exactly 0 or 1 and its logarithm infinite. log D can be had "
            "from the logit without D.",
        ),
    ],
    gradients=[],
    allowed={"float(*": "a tensor of one element serves as a number"},
    hints=[
        "Take a single x. It comes as a real picture with density p and as a fake one with density q: write down what D earns there, as a "
        "function of the number D, and look for its maximum.",
        "Its logit is simple in log p and log q; nothing needs an exponential. For the divergence write p/m and q/m with D and 1 − D.",
        "The divergence is the game's value, halved, plus a constant that makes it 0 where D is one half everywhere. PyTorch has the "
        "logarithm of a sigmoid as one stable function; 1 − sigmoid(a) is a sigmoid too.",
    ],
    insight="The generator's game is worth 2·JS − log 4 against the best discriminator (Goodfellow et al. 2014, theorem 1). Where p and q "
    "do not overlap, JS is log 2 however far apart they are: then the value says nothing about the way to go. And any trained "
    "discriminator is at best the best one, so the divergence that it reports on fresh pictures is too small in the mean.",
)
