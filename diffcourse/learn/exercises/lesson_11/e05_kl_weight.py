"""Which latents survive the weight of the KL term."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close


def kl_weight(
    eigenvalues: Tensor,
    noise_var: float,
    beta: float,
    latents: int,
) -> tuple[int, float, float]:
    """What a linear VAE keeps of its data at the minimum of its loss.

    Data x of D numbers have a covariance with these eigenvalues (D,), positive, largest first.
    The VAE has as many latents as latents says, from 1 to D. Its encoder gives the Gaussian
    q(z|x) = N(V·x + d, S) with one diagonal covariance S for all x; its decoder gives
    p(x|z) = N(W·z + c, noise_var·I). The loss of an example x, in nats, is
        E over z ~ q(z|x) of −log p(x|z)  +  beta·KL(q(z|x) || N(0, I)).
    noise_var and beta are positive and stay as they are. V, d, S, W and c are where the loss,
    on average over x, is smallest of all.
    Returns (live, error, nats). live, a whole number: how many latents are in use, the rank of
    W. error: the mean of |x − x_hat|², all D numbers together, where x_hat is decoded from the
    mean of q(z|x), without a draw. nats: the mean of KL(q(z|x) || N(0, I)), not times beta.
    No eigenvalue stands exactly where use begins. No gradient is needed.
    """
    border = beta * noise_var
    kept = eigenvalues[:latents]
    kept = kept[kept > border]
    error = (border**2 / kept).sum() + eigenvalues[len(kept) :].sum()
    return len(kept), error.item(), (kept / border).log().sum().item() / 2


def by_hand(eigenvalues, noise_var, beta, latents):
    live, error, nats = 0, 0.0, 0.0
    for i, lam in enumerate(eigenvalues.tolist()):
        slope_squared = max(lam - beta * noise_var, 0.0) if i < latents else 0.0  # of the decoder
        kept = slope_squared / lam  # decoder times encoder
        live += slope_squared > 0
        error += lam * (1 - kept) ** 2
        nats -= math.log(1 - kept) / 2
    return live, error, nats


def by_matrices(eigenvalues, noise_var, beta, latents):
    """Probabilistic PCA with the noise beta·noise_var, every term of the loss as it is defined."""
    lam, b = eigenvalues.double(), beta * noise_var
    W = torch.diag((lam - b).clamp(min=0).sqrt())[:, :latents]
    eye = torch.eye(latents, dtype=torch.float64)
    precision = W.T @ W / b + eye
    V, S = torch.linalg.solve(precision, W.T) / b, torch.linalg.inv(precision)
    lost = torch.eye(len(lam), dtype=torch.float64) - W @ V
    error = torch.trace(lost @ torch.diag(lam) @ lost.T)
    nats = (torch.trace(S) + torch.trace(V @ torch.diag(lam) @ V.T) - latents - torch.logdet(S)) / 2
    return int(torch.linalg.matrix_rank(W)), float(error), float(nats)


def by_ratios(eigenvalues, noise_var, beta, latents):
    lost = (noise_var * beta / eigenvalues.double()).clamp(max=1)
    lost[latents:] = 1
    return (lost < 1).sum(), (lost**2 * eigenvalues).sum(), -lost.log().sum() / 2


def _with(
    border: Callable = lambda s, beta: beta * s,
    used: Callable = lambda lam, b: lam > b,
    left: Callable = lambda lam, b: b**2 / lam,
    nats: Callable = lambda lam, b: (lam / b).log() / 2,
) -> Callable:
    """The answer with a part of its own: the border, what is used, what is left of a live direction, and what it costs."""

    def wrong(eigenvalues, noise_var, beta, latents):
        lam, b = eigenvalues.double(), border(noise_var, beta)
        live = used(lam, b) & (torch.arange(len(lam)) < latents)
        error = torch.where(live, left(lam, b), lam).sum()
        return int(live.sum()), float(error), float(torch.where(live, nats(lam, b), 0.0).sum())

    return wrong


def _but(part: int, other: Callable) -> Callable:
    """Right but for one part, which is `other(right part, eigenvalues, noise_var, beta, latents)`."""

    def wrong(*args):
        found = list(kl_weight(*args))
        found[part] = other(found[part], *args)
        return tuple(found)

    return wrong


def _ordinary_least_squares(lam: Tensor, b: float) -> Tensor:
    """What is left with the slope √lam, and the encoder best for it."""
    return lam * (b / (lam + b)) ** 2


def _its_cost(lam: Tensor, b: float) -> Tensor:
    """The KL with the slope √lam, and the encoder best for it."""
    v = b / (lam + b)
    return ((lam / (lam + b)) ** 2 + v - 1 - v.log()) / 2


LAM = torch.tensor([9.0, 4.0, 1.5, 0.6, 0.1])


def drawn(D: int, noise_var: float, beta: float, latents: int) -> Callable:
    def case(g: torch.Generator) -> tuple[Tensor, float, float, int]:
        lam = torch.exp(1.5 * torch.randn(D, generator=g)).sort(descending=True).values
        near = (lam / (beta * noise_var) - 1).abs() < 0.02
        return lam * torch.where(near, 1.05, 1.0), noise_var, beta, latents

    return case


def little_weight_is_pca(f: Callable) -> bool:
    live, error, _ = f(LAM, 1e-2, 1e-3, 2)
    return int(live) == 2 and close(error, 2.2, 1e-4)


def much_weight_kills_all(f: Callable) -> bool:
    live, error, nats = f(LAM, 0.5, 1e3, 3)
    return int(live) == 0 and close(error, LAM.sum().item(), 1e-4) and close(nats, 0.0)


def other_units(f: Callable) -> bool:
    """x in other units: what is used and what it costs stay, the error is in the units squared."""
    (live, error, nats), (live2, error2, nats2) = f(LAM, 0.5, 2.0, 4), f(100 * LAM, 50.0, 2.0, 4)
    return int(live) == int(live2) and close(100 * float(error), error2, 1e-3) and close(nats, nats2, 1e-4)


def nothing_jumps(f: Callable) -> bool:
    """Where a latent dies, its part of the error and of the KL is gone already."""
    (live, error, nats), (fewer, other, less) = (f(torch.tensor([5.0, lam]), 1.0, 1.0, 2) for lam in (1.0005, 0.9995))
    return int(live) == int(fewer) + 1 and abs(float(error) - float(other)) < 3e-3 and abs(float(nats - less)) < 3e-3


EXERCISE = Exercise(
    name="11.kl_weight",
    title="Which latents survive the KL term",
    minutes=12,
    level=3,
    reference=kl_weight,
    alternatives=[by_hand, by_matrices, by_ratios],
    gradients=[],
    allowed={
        "noise_var and beta interchanged": "only their product counts",
        "kept > border -> kept >= border": "no eigenvalue stands at the border",
    },
    cases=[
        (torch.tensor([4.0, 0.5]), 0.5, 2.0, 2),
        (LAM, 0.25, 1.0, 3),
        (LAM, 0.5, 4.0, 4),
        (torch.tensor([3.0, 2.0, 0.25]), 0.1, 0.5, 2),
        drawn(6, 0.7, 0.5, 6),
        drawn(8, 0.3, 3.0, 5),
        drawn(5, 2.0, 0.2, 2),
        (torch.tensor([0.5, 0.25, 0.0625]), 0.1, 1.5, 3),
        (torch.tensor([40.0, 30.0, 6.0, 2.0]), 3.0, 4.0, 4),
        (torch.tensor([0.8, 0.2]), 0.5, 3.0, 1),
    ],
    invariants=[
        Invariant(
            "hardly any weight",
            little_weight_is_pca,
            "With hardly any weight on the KL and little noise, a linear VAE is PCA: all its latents are in use, and the error is the "
            "variance of the directions that have none. Yours says otherwise.",
        ),
        Invariant(
            "all weight",
            much_weight_kills_all,
            "With a huge beta every bit of information is too expensive: no latent is in use, the KL is 0, and the error is all of the "
            "variance. Yours says otherwise.",
        ),
        Invariant(
            "other units",
            other_units,
            "x is measured in units a tenth as large, so that variances, noise_var among them, are 100 times as large: the same latents "
            "live for as many nats, and the error is 100 times as large. Yours is not.",
        ),
        Invariant(
            "nothing jumps",
            nothing_jumps,
            "Two eigenvalues, 5 and one that falls from just above 1 to just below, with noise_var = beta = 1: there the second latent "
            "dies. The smallest loss has no jump there, and nor have error and KL. Yours have, or your latent dies elsewhere.",
        ),
    ],
    mistakes=[
        Mistake(
            "no beta",
            _with(border=lambda s, beta: s),
            "beta has no effect in yours. The larger it is, the more variance a direction needs to be worth its KL.",
        ),
        Mistake(
            "beta on the other term",
            _with(border=lambda s, beta: s / beta),
            "Yours keeps more latents the larger beta is, as if beta multiplied the reconstruction. It multiplies the KL.",
        ),
        Mistake(
            "no noise_var",
            _with(border=lambda s, beta: beta),
            "noise_var has no effect in yours. By what is the squared error divided in −log p(x|z)?",
        ),
        Mistake(
            "noise_var under a half",
            _with(border=lambda s, beta: 2 * beta * s),
            "Your border is twice too high: the KL has a factor of 1/2, too.",
        ),
        Mistake(
            "half the border",
            _with(border=lambda s, beta: beta * s / 2),
            "Your border is half as high as it should be: the log density has a factor of 1/2, and so has the KL.",
        ),
        Mistake(
            "noise_var as a standard deviation",
            _with(border=lambda s, beta: beta * s**2),
            "You square noise_var. It is a variance already.",
        ),
        Mistake(
            "the root of noise_var",
            _with(border=lambda s, beta: beta * s**0.5),
            "You compare eigenvalues, which are variances, with a standard deviation of the noise.",
        ),
        Mistake(
            "the root of an eigenvalue",
            _with(used=lambda lam, b: lam.sqrt() > b),
            "You compare the standard deviation of a direction with a variance to tell whether it is used.",
        ),
        Mistake(
            "beta squared",
            _with(border=lambda s, beta: beta**2 * s),
            "In yours beta counts twice. Write the loss of one direction down, and divide all of it by beta.",
        ),
        Mistake(
            "all latents in use",
            _with(used=lambda lam, b: lam > 0, nats=lambda lam, b: (lam / b).log() / 2),
            "In yours all latents are in use, whatever they cost. A direction may vary so little that its KL is not worth paying.",
        ),
        Mistake(
            "as many latents as one likes",
            lambda lam, s, beta, latents: kl_weight(lam, s, beta, len(lam)),
            "Yours uses more latents than there are.",
        ),
        Mistake(
            "the smallest directions",
            lambda lam, s, beta, latents: _with()(lam.flip(0), s, beta, latents),
            "Yours gives the latents to the directions that vary least. Where is there most to win?",
        ),
        Mistake(
            "no shrinkage",
            _with(left=lambda lam, b: 0 * lam),
            "Your live directions are reconstructed exactly, as by PCA. A mean of q(z|x) is pulled towards 0, so what is decoded from it "
            "is too small: something is left of them.",
        ),
        Mistake(
            "the error of a draw",
            _with(left=lambda lam, b: b + 0 * lam),
            "Your error is that of x decoded from a draw of q(z|x). Decoded from its mean, the noise of the draw is not in it.",
        ),
        Mistake(
            "noise_var left",
            lambda lam, s, beta, latents: _with(left=lambda lam, b: s + 0 * lam)(lam, s, beta, latents),
            "You count noise_var as the error of a live direction: that is the noise that the decoder assumes, and need not be the error "
            "of what it decodes from a mean.",
        ),
        Mistake(
            "shrinkage by the noise alone",
            lambda lam, s, beta, latents: _with(left=lambda lam, b: s**2 / lam)(lam, s, beta, latents),
            "live and nats are right. Your error is that of beta = 1: beta does not only decide which directions live, it shrinks the "
            "live ones, too.",
        ),
        Mistake(
            "the mean's shrinkage, not squared",
            _but(
                1,
                lambda error, lam, s, beta, latents: _with(left=lambda lam, b: lam - b)(lam, s, beta, latents)[1],
            ),
            "Your error of a live direction is the variance of what is decoded. What is left is asked for.",
        ),
        Mistake(
            "variance decoded from the error's",
            _with(left=lambda lam, b: lam - (lam - b) ** 2 / lam),
            "live and nats are right. Your error is a difference of variances, of x and of x_hat. x − x_hat has that variance only where "
            "it is uncorrelated with x_hat, and here both are multiples of the same x.",
        ),
        Mistake(
            "beta only for what lives",
            lambda lam, s, beta, latents: (
                kl_weight(lam, s, beta, latents)[0],
                *_with(used=lambda v, b: v > beta * s, left=lambda v, b: s**2 / v, nats=lambda v, b: (v / s).log() / 2)(
                    lam, s, beta, latents
                )[1:],
            ),
            "live is right. Your error and your KL are those of beta = 1: beta does not only decide which directions live, it shrinks "
            "the live ones, too.",
        ),
        Mistake(
            "a share for a variance",
            _with(left=lambda lam, b: (b / lam) ** 2),
            "What you count for a live direction is the share of its variance that is left. The error is in the units of x squared.",
        ),
        Mistake(
            "the slope of the data",
            _with(left=_ordinary_least_squares),
            "live and nats are right. Your decoder's slope is the data's standard deviation. Part of the variance is explained as the "
            "decoder's noise: at the best W the slope is smaller.",
        ),
        Mistake(
            "slope and cost of the data",
            _with(left=_ordinary_least_squares, nats=_its_cost),
            "Your decoder's slope is the data's standard deviation, so that error and KL are those of another W. Part of the variance is "
            "explained as the decoder's noise: at the best W the slope is smaller.",
        ),
        Mistake(
            "live directions alone",
            _but(
                1,
                lambda error, lam, s, beta, latents: float(
                    ((beta * s) ** 2 / lam[:latents])[lam[:latents] > beta * s].sum()
                ),
            ),
            "Your error counts the live directions alone. Of the others nothing is reconstructed: all of their variance is left.",
        ),
        Mistake(
            "dead directions beyond the latents left out",
            _but(1, lambda error, lam, s, beta, latents: error - float(lam[latents:].sum())),
            "Your error leaves out the directions for which there is no latent. x has all D numbers, and they are lost.",
        ),
        Mistake(
            "the mean over the numbers",
            _but(1, lambda error, lam, *rest: error / len(lam)),
            "Your error is the mean over the D numbers of x. All of them together are asked for.",
        ),
        Mistake(
            "the decoder's noise in the error",
            _but(1, lambda error, lam, s, beta, latents: error + len(lam) * s),
            "You add the decoder's noise to the error. x_hat is the decoder's mean.",
        ),
        Mistake(
            "no half",
            _but(2, lambda nats, *rest: 2 * nats),
            "live and error are right. Your KL is twice as large as it should be: a standard deviation is a root.",
        ),
        Mistake(
            "bits",
            _but(2, lambda nats, *rest: nats / math.log(2)),
            "live and error are right. Your KL is in bits.",
        ),
        Mistake(
            "times beta",
            _but(2, lambda nats, lam, s, beta, latents: beta * nats),
            "live and error are right. Your KL is multiplied by beta, as in the loss; the KL itself is asked for.",
        ),
        Mistake(
            "the KL's sign",
            _but(2, lambda nats, *rest: -nats),
            "live and error are right. Your KL is negative, which no KL is.",
        ),
        Mistake(
            "a Gaussian channel's capacity",
            _with(nats=lambda lam, b: torch.log1p(lam / b) / 2),
            "live and error are right. Your KL takes all of a direction's variance for signal, on top of the border. At the best W the "
            "border is a part of that variance.",
        ),
        Mistake(
            "the KL against the noise",
            lambda lam, s, beta, latents: (
                *kl_weight(lam, s, beta, latents)[:2],
                _with(nats=lambda lam, b: (lam / s).log() / 2)(lam, s, beta, latents)[2],
            ),
            "live and error are right. Your KL is as if beta were 1: with beta the encoder is less exact than the decoder's noise would "
            "have it.",
        ),
        Mistake(
            "the variance's part of the KL alone",
            _with(nats=lambda lam, b: (b / lam - 1 - (b / lam).log()) / 2),
            "live and error are right. In your KL the means of q(z|x) are all 0. They move with x, and that costs, too.",
        ),
        Mistake(
            "the mean's part of the KL alone",
            _with(nats=lambda lam, b: (1 - b / lam) / 2),
            "live and error are right. Your KL counts how far the means of q(z|x) are from 0. Its variance differs from 1, too.",
        ),
    ],
    hints=[
        "No principal direction of the data helps another: take one with variance lam, a decoder w·z, an encoder N(a·x, v). Write the "
        "mean loss with w, a and v, and set its derivatives by v and by a to 0.",
        "Divide the loss by beta: it is the loss with beta = 1 and another noise, up to a constant. So solve beta = 1 first. Then z "
        "given x is the exact posterior of the decoder, and the loss is smallest where the decoder's x has the variance of the data.",
        "w² and the noise add up to lam, where they can; what is below the noise is left alone. Then a·w is the share of x that is "
        "decoded from a mean, x − a·w·x is what is left, and v is one minus that share.",
    ],
    insight="A live direction costs half the logarithm of its variance over beta·noise_var, and x decoded from a draw is wrong by "
    "exactly beta·noise_var in each: this is how information theory fills water into directions. So a forgotten sum decides what lives. "
    "Squared error summed over the pixels plus KL is noise_var = 1/2; averaged over 784 pixels it is 392. MNIST's digits, in [−1, 1], "
    "vary by 21 in their widest direction: no latent lives, without any fault of the network (Lucas et al. 2019).",
)
