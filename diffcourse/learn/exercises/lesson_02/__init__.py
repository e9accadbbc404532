"""Exercises of lesson 02: the mathematics of DDPM."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffcourse import elbo, gaussian, samplers
from diffcourse.denoiser import Denoiser, estimate
from diffcourse.learn.exercise import Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.schedule import DiffusionSchedule

BETAS = torch.linspace(0.02, 0.5, 8, dtype=torch.float64)
BARS = torch.cumprod(1 - BETAS, dim=0)
ODD_BETAS = torch.tensor([0.3, 0.1, 0.45, 0.2, 0.6], dtype=torch.float64)
ODD_BARS = torch.cumprod(1 - ODD_BETAS, dim=0)


def schedule_of(alpha_bars: Tensor) -> DiffusionSchedule:
    """The package's schedule with these alpha_bars."""
    bars = alpha_bars.double()
    return DiffusionSchedule(1 - bars / torch.cat([torch.ones_like(bars[:1]), bars[:-1]]))


def before(t: int, alpha_bars: Tensor) -> Tensor:
    """alpha_bar one step nearer to the data; 1 below the first entry."""
    return alpha_bars[t - 1] if t > 0 else torch.ones_like(alpha_bars[0])


# -- the forward step ---------------------------------------------------------------------------------------------------


def forward_step(x: Tensor, beta: float, noise: Tensor) -> Tensor:
    """Draw x_t from q(x_t | x_{t-1}): mean sqrt(1 - beta)·x_{t-1}, variance beta.

    x (B, …) is x_{t-1}, beta a number in (0, 1), noise standard Gaussian of x's shape.
    Returns x_t, of x's shape.
    """
    return (1 - beta) ** 0.5 * x + beta**0.5 * noise


def forward_step_by_torch(x, beta, noise):
    return torch.as_tensor(1.0 - beta).sqrt() * x + math.sqrt(beta) * noise


def forward_step_in_a_loop(x, beta, noise):
    return torch.stack([math.sqrt(1 - beta) * a + math.sqrt(beta) * b for a, b in zip(x, noise, strict=True)])


def step_case(beta: float, *shape: int):
    return lambda g: (normal(g, *shape), beta, normal(g, *shape))


FORWARD_STEP = Exercise(
    name="02.forward_step",
    title="One step of noise",
    minutes=3,
    level=1,
    reference=forward_step,
    alternatives=[forward_step_by_torch, forward_step_in_a_loop],
    cases=[
        (torch.tensor([[1.0, -0.5]]), 0.19, torch.tensor([[0.5, 2.0]])),
        step_case(0.02, 3, 2),
        step_case(0.6, 2, 1, 4, 3),
        step_case(0.98, 5),
    ],
    gradients=[],  # nothing is trained in this chain
    invariants=[
        Invariant(
            "nothing happens at beta = 0",
            lambda f: close(f(torch.ones(2, 3), 1e-12, torch.ones(2, 3)), torch.ones(2, 3)),
            "With β close to 0 a step must change next to nothing, whatever the noise. Yours does.",
        ),
    ],
    mistakes=[
        Mistake(
            "variance for standard deviation",
            lambda x, beta, noise: (1 - beta) ** 0.5 * x + beta * noise,
            "Your noise is multiplied by β, its variance. Multiplying a random number by c multiplies its variance by "
            "c², so yours has variance β²: at β = 0.02 that is fifty times too little. Which c gives variance β?",
        ),
        Mistake(
            "signal without its root",
            lambda x, beta, noise: (1 - beta) * x + beta**0.5 * noise,
            "Your signal shrinks by 1 − β. Then its variance shrinks by (1 − β)², and together with β from the noise "
            "that is less than 1: the chain would not keep its variance. Compare with the mean in the docstring.",
        ),
        Mistake(
            "both roots missing",
            lambda x, beta, noise: (1 - beta) * x + beta * noise,
            "Your two factors add up to 1, as when paints are mixed. With random numbers the variances add up, and "
            "variances go with the squares of the factors: it is the squares that must add up to 1.",
        ),
        Mistake(
            "signal not shrunk",
            lambda x, beta, noise: x + beta**0.5 * noise,
            "You add noise of the right size to a signal that stays as it was, so the variance grows by β in every step and never stops. "
            "The mean in the docstring has a factor before x.",
        ),
        Mistake(
            "factors swapped",
            lambda x, beta, noise: beta**0.5 * x + (1 - beta) ** 0.5 * noise,
            "The factors are interchanged: at β = 0.02 your step keeps a seventh of the signal. A small β means a small change.",
        ),
        Mistake(
            "noise subtracted",
            lambda x, beta, noise: (1 - beta) ** 0.5 * x - beta**0.5 * noise,
            "You subtract the noise. The distribution is the same, since −noise is as likely as noise, but a network "
            "that is to predict the noise would then learn its opposite. Keep the sign of the given noise.",
        ),
        Mistake(
            "both under one root",
            lambda x, beta, noise: (1 - beta) ** 0.5 * (x + noise),
            "Your noise has the factor of the signal, √(1 − β), so a small β gives a lot of noise. The noise has a factor of its "
            "own, from the variance in the docstring.",
        ),
        Mistake(
            "root of a sum of squares",
            lambda x, beta, noise: ((1 - beta) * x**2 + beta * noise**2) ** 0.5,
            "Your root is taken of the sum of the squares: every sign is lost. Standard deviations of independent parts do add up that "
            "way, the draws themselves do not: they are added as they are.",
        ),
        Mistake(
            "one factor from the other",
            lambda x, beta, noise: (1 - beta) ** 0.5 * x + (1 - (1 - beta) ** 0.5) * noise,
            "Your noise has the factor 1 − √(1 − β): the two factors add up to 1. It is their squares that must.",
        ),
    ],
    hints=[
        "Any Gaussian draw is mean + standard deviation · noise. Write down the mean and the standard deviation first.",
        "The docstring gives a variance. What do you take of a variance to get a standard deviation?",
        "Two terms: x with the factor of the mean, noise with the standard deviation. Check: the squares of the two factors add up to 1.",
    ],
    insight="The squares of the two factors add up to 1, so data of variance 1 keep it.",
)


# -- alpha_bar ----------------------------------------------------------------------------------------------------------


def alpha_bars(betas: Tensor) -> Tensor:
    """alpha_bar_t, the share of the variance that is still signal after step t.

    It is the product of all 1 - beta up to and including step t.
    betas (T,), each in (0, 1). Returns (T,).
    """
    return torch.cumprod(1 - betas, dim=0)


def alpha_bars_in_a_loop(betas):
    out, product = [], 1.0
    for beta in betas:
        product = product * (1 - beta)
        out.append(product)
    return torch.stack(out)


def alpha_bars_by_logs(betas):
    return torch.log1p(-betas).cumsum(0).exp()


ALPHA_BARS = Exercise(
    name="02.alpha_bars",
    title="How much signal is left",
    minutes=3,
    level=1,
    reference=alpha_bars,
    alternatives=[alpha_bars_in_a_loop, alpha_bars_by_logs],
    cases=[(torch.tensor([0.1, 0.5, 0.2]),), (BETAS,), (ODD_BETAS,), (torch.tensor([0.25]),)],
    gradients=[],  # a table: nothing is trained in it
    package=InPackage("DiffusionSchedule(betas).alpha_bars", lambda betas: DiffusionSchedule(betas).alpha_bars),
    mistakes=[
        Mistake(
            "product of betas",
            lambda betas: torch.cumprod(betas, dim=0),
            "You multiply the betas. Each β is the share that is lost in a step; what is kept, step after step, is 1 − β.",
        ),
        Mistake(
            "no product",
            lambda betas: 1 - betas,
            "These are the alphas of the single steps. ᾱ is what all steps up to t leave together.",
        ),
        Mistake(
            "sum for product",
            lambda betas: 1 - torch.cumsum(betas, dim=0),
            "You subtract the sum of the betas from 1, which even becomes negative. A step takes its share of what is "
            "still there, not of the start: after two steps of one half a quarter is left, not nothing.",
        ),
        Mistake(
            "exponential for product",
            lambda betas: torch.exp(-torch.cumsum(betas, dim=0)),
            "exp(−Σβ) is what the product comes near to while all betas are small. At larger betas the two part: take "
            "the product itself.",
        ),
        Mistake(
            "shifted by one",
            lambda betas: torch.cat([torch.ones_like(betas[:1]), torch.cumprod(1 - betas, dim=0)[:-1]]),
            "Yours starts with 1 and lags one step behind: this is ᾱ before step t. The step t itself belongs into the product.",
        ),
        Mistake(
            "amplitude",
            lambda betas: torch.cumprod(1 - betas, dim=0).sqrt(),
            "This is the root of ᾱ, the factor before x_0. ᾱ itself is a share of the variance: no root yet.",
        ),
        Mistake(
            "noise for signal",
            lambda betas: 1 - torch.cumprod(1 - betas, dim=0),
            "This is 1 − ᾱ, the variance of the noise: yours grows along the chain, and the signal must fade.",
        ),
        Mistake(
            "the last one only",
            lambda betas: torch.prod(1 - betas),
            "This is one number, ᾱ at the end of the chain. Every step has its own: keep the products on the way.",
        ),
        Mistake(
            "powers",
            lambda betas: (1 - betas) ** torch.arange(1, len(betas) + 1),
            "You raise each 1 − β to the power of its place, as if all steps before it had the same β. Every step has "
            "its own: multiply those.",
        ),
        Mistake(
            "from the end",
            lambda betas: torch.cumprod((1 - betas).flip(0), dim=0).flip(0),
            "Your products run from each step to the end of the chain. ᾱ is what is left after the steps from the start up to t.",
        ),
    ],
    allowed={"0 -> -1": "a table has one dimension"},
    hints=[
        "What share of the variance of the signal survives one step?",
        "Shares multiply: two steps of one half leave a quarter. PyTorch has a function for running products.",
        "Make the alphas, 1 − β, and take their running product along the only dimension.",
    ],
    insight="One table, and the noisy image at any step is one multiplication away.",
)


# -- q_sample -----------------------------------------------------------------------------------------------------------


def q_sample(x0: Tensor, t: Tensor, alpha_bars: Tensor, noise: Tensor) -> Tensor:
    """Noise each image of a batch in one jump, each with its own t.

    x_t = sqrt(alpha_bar_t)·x0 + sqrt(1 - alpha_bar_t)·noise
    x0 (B, C, H, W), t LongTensor (B,) of indices into alpha_bars (T,), noise of x0's shape.
    Returns x_t, of x0's shape. Differentiable in x0 and noise.
    """
    kept = alpha_bars[t].view(-1, 1, 1, 1)
    return kept.sqrt() * x0 + (1 - kept).sqrt() * noise


def q_sample_in_a_loop(x0, t, alpha_bars, noise):
    pairs = zip(x0, t.tolist(), noise, strict=True)
    return torch.stack([alpha_bars[i] ** 0.5 * x + (1 - alpha_bars[i]) ** 0.5 * z for x, i, z in pairs])


def q_sample_by_einsum(x0, t, alpha_bars, noise):
    signal, std = alpha_bars[t].sqrt().to(x0), (1 - alpha_bars[t]).sqrt().to(x0)
    return torch.einsum("b,bchw->bchw", signal, x0) + torch.einsum("b,bchw->bchw", std, noise)


def q_case(times: list[int], *shape: int, bars: Tensor = BARS):
    return lambda g: (normal(g, *shape), torch.tensor(times), bars, normal(g, *shape))


def _blend(signal: Callable, std: Callable) -> Callable:
    def wrong(x0, t, alpha_bars, noise):
        kept = alpha_bars[t].view(-1, 1, 1, 1)
        return signal(kept) * x0 + std(kept) * noise

    return wrong


Q_SAMPLE = Exercise(
    name="02.q_sample",
    title="Any step in one jump",
    minutes=6,
    level=2,
    reference=q_sample,
    alternatives=[q_sample_in_a_loop, q_sample_by_einsum],
    cases=[
        q_case([0, 7], 2, 1, 1, 2),
        q_case([5, 0, 3], 3, 1, 2, 2),
        q_case([7, 2], 2, 3, 4, 2),
        q_case([4], 1, 2, 3, 1, bars=ODD_BARS.float()),
    ],
    gradients=["x0", "noise"],
    package=InPackage(
        "schedule.q_sample(x0, t, noise)",
        lambda x0, t, alpha_bars, noise: schedule_of(alpha_bars).q_sample(x0, t, noise),
    ),
    mistakes=[
        Mistake(
            "variance for standard deviation",
            _blend(lambda a: a.sqrt(), lambda a: 1 - a),
            "Your noise is multiplied by 1 − ᾱ, its variance. Multiplying by c multiplies the variance by c²: which c is needed?",
        ),
        Mistake(
            "signal without its root",
            _blend(lambda a: a, lambda a: (1 - a).sqrt()),
            "Your signal is multiplied by ᾱ. ᾱ is the share of the variance; the factor before the image is an amplitude.",
        ),
        Mistake(
            "both roots missing",
            _blend(lambda a: a, lambda a: 1 - a),
            "Your factors are ᾱ and 1 − ᾱ. They add up to 1, but the variances go with their squares, which do not: in "
            "the middle of the chain half of the variance would be missing.",
        ),
        Mistake(
            "signal and noise swapped",
            _blend(lambda a: (1 - a).sqrt(), lambda a: a.sqrt()),
            "Signal and noise have changed places: yours is noise at t = 0 and clean at the end.",
        ),
        Mistake(
            "signal not shrunk",
            _blend(lambda a: 1.0, lambda a: (1 - a).sqrt()),
            "The noise is right, and the image stays at full strength under it. At the end of the chain nothing of the "
            "image may be left.",
        ),
        Mistake(
            "t off by one",
            lambda x0, t, alpha_bars, noise: q_sample(x0, t - 1, alpha_bars, noise),
            "You look up t − 1. The tables already start at index 0, and index −1 is the last entry: your images at t "
            "= 0 come out as almost pure noise.",
        ),
        Mistake(
            "one t for all",
            lambda x0, t, alpha_bars, noise: q_sample(x0, t[:1].expand(len(x0)), alpha_bars, noise),
            "All your images have the noise level of the first one. Each has its own t.",
        ),
        Mistake(
            "levels along the wrong dimension",
            lambda x0, t, alpha_bars, noise: alpha_bars[t].sqrt() * x0 + (1 - alpha_bars[t]).sqrt() * noise,
            "alpha_bars[t] has shape (B,), and broadcasting starts at the last dimension: your levels run along the "
            "width of the images, or fit no dimension at all. They belong to the first dimension: give them shape (B, "
            "1, 1, 1).",
        ),
        Mistake(
            "levels along the channels",
            lambda x0, t, alpha_bars, noise: (lambda kept: kept.sqrt() * x0 + (1 - kept).sqrt() * noise)(
                alpha_bars[t].view(1, -1, 1, 1)
            ),
            "Your levels have shape (1, B, 1, 1): they run along the channels, or fit none. The images are counted by the first dimension.",
        ),
        Mistake(
            "factors that add up to 1",
            _blend(lambda a: a.sqrt(), lambda a: 1 - a.sqrt()),
            "The image's factor is right. Your noise has 1 − √ᾱ, so that the two factors add up to 1; it is their squares that must.",
        ),
        Mistake(
            "product of the products",
            lambda x0, t, alpha_bars, noise: q_sample(x0, t, torch.cumprod(1 - alpha_bars, dim=0), noise),
            "You take alpha_bars for betas and multiply them up once more. They are the products already: only look them up.",
        ),
        Mistake(
            "the mean level",
            lambda x0, t, alpha_bars, noise: q_sample(x0, t, alpha_bars[t].mean().expand(len(alpha_bars)), noise),
            "All your images have one noise level, the mean of their ᾱ. Each has its own t.",
        ),
        Mistake(
            "t as a share of the chain",
            lambda x0, t, alpha_bars, noise: q_sample(
                x0, torch.arange(len(x0)), 1 - t.to(alpha_bars) / len(alpha_bars), noise
            ),
            "Your ᾱ is 1 − t/T. How much is left at t stands in alpha_bars.",
        ),
    ],
    hints=[
        "First the two factors for a single image: what are they at ᾱ = 1, and at ᾱ = 0?",
        "Look up one ᾱ for each image. What shape must they have so that they multiply whole images?",
        "Three lines: look up, reshape to (B, 1, 1, 1), and mix image and noise with the roots of ᾱ and 1 − ᾱ.",
    ],
    insight="T steps in one line: this is why training can pick any t at random.",
)


# -- exercise 1: see the forward process ---------------------------------------------------------------------------


def noise_row(image: Tensor, times: list[int], alpha_bars: Tensor, noise: Tensor) -> Tensor:
    """One image at several times, with the same noise each time: only the level changes.

    image (C, H, W), times a list of indices into alpha_bars (T,), noise of image's shape.
    Returns (len(times), C, H, W).
    """
    return torch.stack([alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise for t in times])


def noise_row_as_a_batch(image, times, alpha_bars, noise):
    kept = alpha_bars[torch.tensor(times)].reshape(-1, 1, 1, 1)
    return kept**0.5 * image + (1 - kept) ** 0.5 * noise


def noise_row_by_q_sample(image, times, alpha_bars, noise):
    n = len(times)
    return q_sample(image.expand(n, *image.shape), torch.tensor(times), alpha_bars, noise.expand(n, *noise.shape))


def noise_row_cumulative(image, times, alpha_bars, noise):
    rows = []
    for t in times:
        image = alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]).sqrt() * noise
        rows.append(image)
    return torch.stack(rows)


def noise_row_linear(image, times, alpha_bars, noise):
    shares = [t / len(alpha_bars) for t in times]
    return torch.stack([(1 - share) * image + share * noise for share in shares])


def row_case(times: list[int], *shape: int, bars: Tensor = BARS):
    return lambda g: (normal(g, *shape), times, bars, normal(g, *shape))


NOISE_ROW = Exercise(
    name="02.noise_row",
    title="Exercise 1.1: one digit at six levels",
    minutes=4,
    level=2,
    reference=noise_row,
    alternatives=[noise_row_as_a_batch, noise_row_by_q_sample],
    cases=[
        row_case([6], 1, 1, 2),
        row_case([2, 6], 1, 2, 3),
        row_case([7, 0, 3], 3, 2, 2),
        row_case([4, 1, 1, 0], 2, 3, 1, bars=ODD_BARS.float()),
    ],
    gradients=[],  # a figure: nothing is trained with it
    mistakes=[
        Mistake(
            "noise upon noise",
            noise_row_cumulative,
            "Your second picture starts from the first noisy one, not from the clean image. The closed form jumps from "
            "x_0: keep it, and give every result a name of its own.",
        ),
        Mistake(
            "t/T as share",
            noise_row_linear,
            "You mix image and noise in the shares 1 − t/T and t/T. How much is left at t is not a matter of the "
            "index, but of ᾱ at that index.",
        ),
        Mistake(
            "t off by one",
            lambda image, times, alpha_bars, noise: noise_row(image, [t - 1 for t in times], alpha_bars, noise),
            "You look up t − 1, as if the times were the papers' 1 to T. Here they are indices: t = 0 is the first noisy level.",
        ),
        Mistake(
            "position for time",
            lambda image, times, alpha_bars, noise: noise_row(image, list(range(len(times))), alpha_bars, noise),
            "You use the position of a time in the list (0, 1, 2, …) where the time itself is meant.",
        ),
        Mistake(
            "roots missing",
            lambda image, times, alpha_bars, noise: torch.stack(
                [alpha_bars[t] * image + (1 - alpha_bars[t]) * noise for t in times]
            ),
            "Your factors are ᾱ and 1 − ᾱ. These are shares of the variance; image and noise are multiplied by amplitudes.",
        ),
        Mistake(
            "signal not shrunk",
            lambda image, times, alpha_bars, noise: torch.stack(
                [image + (1 - alpha_bars[t]).sqrt() * noise for t in times]
            ),
            "The image stays at full strength in every picture of your row. It must fade as the noise grows.",
        ),
        Mistake(
            "signal without its root",
            lambda image, times, alpha_bars, noise: torch.stack(
                [alpha_bars[t] * image + (1 - alpha_bars[t]).sqrt() * noise for t in times]
            ),
            "The noise is right. Your image is multiplied by ᾱ, its share of the variance: the factor is an amplitude.",
        ),
        Mistake(
            "noise without its root",
            lambda image, times, alpha_bars, noise: torch.stack(
                [alpha_bars[t].sqrt() * image + (1 - alpha_bars[t]) * noise for t in times]
            ),
            "The image is right. Your noise is multiplied by 1 − ᾱ, its variance: the factor is a standard deviation.",
        ),
        Mistake(
            "the first time for all",
            lambda image, times, alpha_bars, noise: noise_row(image, times[:1] * len(times), alpha_bars, noise),
            "All pictures of your row have the level of the first time. Each has its own.",
        ),
        Mistake(
            "stacked along the channels",
            lambda image, times, alpha_bars, noise: noise_row(image, times, alpha_bars, noise).transpose(0, 1),
            "Your pictures are stacked behind the channels: (C, len(times), H, W). The times come first.",
        ),
        Mistake(
            "joined along the channels",
            lambda image, times, alpha_bars, noise: noise_row(image, times, alpha_bars, noise).flatten(0, 1),
            "Your pictures are joined into one with many channels. A row has a dimension of its own for the times: stack makes a new one, "
            "cat does not.",
        ),
    ],
    hints=[
        "You have a function for a batch, q_sample. Here the batch is one image, repeated.",
        "Either repeat image and noise with expand and make a LongTensor of the times, or loop over the times.",
        "In the loop: noise the clean image for each time, collect the results in a list, and stack them.",
    ],
    insight="The same noise at every level: what changes from picture to picture is the level alone.",
)


def snr(alpha_bars: Tensor) -> Tensor:
    """Signal-to-noise ratio at every step: variance of the signal over variance of the noise.

    The data are taken to have variance 1.
    alpha_bars (T,), each in (0, 1). Returns (T,).
    """
    return alpha_bars / (1 - alpha_bars)


def snr_from_odds(alpha_bars):
    return 1 / (1 / alpha_bars - 1)


def snr_by_logit(alpha_bars):
    return torch.logit(alpha_bars).exp()


SNR = Exercise(
    name="02.snr",
    title="Exercise 1.3: signal to noise",
    minutes=2,
    level=1,
    reference=snr,
    alternatives=[snr_from_odds, snr_by_logit],
    cases=[
        (torch.tensor([0.9, 0.2]),),
        (BARS,),
        (ODD_BARS,),
        (torch.tensor([0.5]),),
        (torch.tensor([0.97, 1e-5, 1e-7]),),
    ],
    gradients=[],  # a table: nothing is trained in it
    package=InPackage(
        "schedule.snr(torch.arange(schedule.T))",
        lambda alpha_bars: schedule_of(alpha_bars).snr(torch.arange(len(alpha_bars))),
    ),
    mistakes=[
        Mistake(
            "amplitudes",
            lambda alpha_bars: (alpha_bars / (1 - alpha_bars)).sqrt(),
            "You divide amplitudes: the standard deviations of signal and noise. The signal-to-noise ratio compares variances.",
        ),
        Mistake(
            "noise to signal",
            lambda alpha_bars: (1 - alpha_bars) / alpha_bars,
            "Yours is noise over signal: it grows along the chain. Which of the two stands on top?",
        ),
        Mistake(
            "root below only",
            lambda alpha_bars: alpha_bars / (1 - alpha_bars).sqrt(),
            "A variance over a standard deviation: above the line stands a square, below it a root. Both must be variances.",
        ),
        Mistake(
            "root above only",
            lambda alpha_bars: alpha_bars.sqrt() / (1 - alpha_bars),
            "A standard deviation over a variance: the signal's variance is the square of its factor.",
        ),
        Mistake(
            "decibels",
            lambda alpha_bars: 10 * torch.log10(alpha_bars / (1 - alpha_bars)),
            "These are decibels. Engineers like them; here the plain ratio is asked, which is 1 where signal and noise are equal.",
        ),
        Mistake(
            "difference",
            lambda alpha_bars: alpha_bars - (1 - alpha_bars),
            "You subtract. A ratio divides: it is 1, not 0, where signal and noise are equal.",
        ),
        Mistake(
            "logarithm",
            lambda alpha_bars: torch.log(alpha_bars / (1 - alpha_bars)),
            "This is the logarithm of the ratio, 0 where signal and noise are equal. Asked is the ratio itself, which is 1 there.",
        ),
        Mistake(
            "share for ratio",
            lambda alpha_bars: alpha_bars / (alpha_bars + (1 - alpha_bars)),
            "You divide by the whole variance, signal and noise together, which is 1: ᾱ itself comes out. Divide by the noise's alone.",
        ),
    ],
    hints=[
        "x_t = √ᾱ·x_0 + √(1 − ᾱ)·ε. What is the variance of each of the two terms?",
        "The variance of c·x is c² times that of x, so the roots disappear.",
        "Divide the variance of the first term by that of the second.",
    ],
    insight="In float32 the first entry of the linear schedule comes out as 9,997 instead of 9,999: tables are kept in float64.",
)


def first_below_one() -> int:
    """The first code index of the linear schedule (T = 1000) where the SNR is below 1."""
    snr = DiffusionSchedule.linear().snr(torch.arange(1000))
    return int((snr < 1).nonzero()[0])


LOST_AT = Exercise(
    name="02.lost_at",
    title="Exercise 1.4: where noise overtakes the signal",
    kind="value",
    minutes=3,
    level=1,
    reference=first_below_one,
    stub="# The first code index t of the linear schedule (T = 1000) at which the SNR is below 1,\n"
    "# for data of variance 1.\nlost_at = ...",
    mistakes=[
        Mistake(
            "one too early",
            258,
            "258 is the last step at which the SNR is still above 1 (it is 1.001 there). You want the next one.",
        ),
        Mistake(
            "the papers' index",
            260,
            "260 is the papers' t, which counts from 1. As an index into the tables it is one less.",
        ),
        Mistake(
            "the cosine schedule",
            496,
            "496 belongs to the cosine schedule. The question is about the linear one, which loses its signal much sooner.",
        ),
        Mistake(
            "half way",
            500,
            "Half of the steps is not half of the noise: at 500 the SNR is already 0.084. Look where your table crosses 1.",
        ),
        Mistake(
            "alpha_bar below 0.01",
            673,
            "At 673 ᾱ falls below 0.01, and the SNR with it. Signal and noise are equal much earlier, where ᾱ is one half.",
        ),
        Mistake(
            "how many are above, as a share",
            0.259,
            "This is a share of the chain. The question asks for the index itself, a whole number.",
        ),
        Mistake(
            "how many are below",
            741,
            "741 steps lie below 1. The question asks at which index the first of them is.",
        ),
        Mistake("from the end", 740, "740 counts from the end of the chain, 999 − 259. Indices count from its start."),
        Mistake(
            "the start of the chain",
            0,
            "At index 0 the SNR is 9,999. If you took the first True of a comparison, look whether it is True where the SNR is below 1.",
        ),
        Mistake(
            "the digits' own variance",
            176,
            "176 is where the noise overtakes these digits, whose variance is 0.386. Asked is the SNR as your function has it, for data of "
            "variance 1.",
        ),
        Mistake(
            "the end of the chain",
            999,
            "999 is the last index, where hardly any signal is left: not the first one below 1.",
        ),
    ],
    allowed={
        "1000 -> 999": "the crossing lies far before the last index",
        "snr < 1 -> snr <= 1": "at no index is it 1",
    },
    hints=[
        "Your function snr gives the whole table. Its entries fall from step to step.",
        "Compare the table with 1: this gives True and False. Where is the first True?",
        "Count the entries that are at least 1: since indices start at 0, their number is the index of the first one below.",
    ],
    insight="Noise and signal are equal after a quarter of the linear chain. Whether the digit is lost there is "
    "another question: see below.",
)


# -- exercise 2: schedules -----------------------------------------------------------------------------------------


def cosine_betas(T: int, s: float = 0.008) -> Tensor:
    """The betas of the cosine schedule.

    alpha_bar(t) = f(t)/f(0) with f(t) = cos²((t/T + s)/(1 + s)·π/2), t = 0..T
    beta_t = 1 - alpha_bar(t)/alpha_bar(t-1) for t = 1..T, and none above 0.999
    Returns (T,); entry 0 is beta_1.
    """
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


def cosine_betas_in_float32(T, s=0.008):
    bars = torch.cos((torch.linspace(0, 1, T + 1) + s) / (1 + s) * torch.pi / 2).square()
    bars = bars / bars[0]
    return torch.clip(1 - bars[1:] / bars[:-1], 0, 0.999)


def cosine_betas_in_a_loop(T, s=0.008):
    def f(t):
        return math.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2

    return torch.tensor([min(0.999, 1 - f(t) / f(t - 1)) for t in range(1, T + 1)])


def _cosine(T, s=0.008, power=2, low=-math.inf, high=0.999, turn=0.5, whole=False, steps=None):
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos(((t // T if whole else t / (steps or T)) + s) / (1 + s) * math.pi * turn) ** power
    return (1 - f[1:] / f[:-1]).clamp(low, high)


COSINE_BETAS = Exercise(
    name="02.cosine_betas",
    title="Exercise 2: the cosine schedule",
    tolerance=7e-5,
    minutes=7,
    level=2,
    reference=cosine_betas,
    alternatives=[cosine_betas_in_float32, cosine_betas_in_a_loop],
    cases=[(4,), (40, 0.02), (700,), (1,), (13, 0.2)],
    package=InPackage("DiffusionSchedule.cosine(T, s).betas", lambda T, s=0.008: DiffusionSchedule.cosine(T, s).betas),
    mistakes=[
        Mistake(
            "clip at 0.9999",
            lambda T, s=0.008: _cosine(T, s, high=0.9999),
            "Your last β is 0.9999. The first step of sampling divides by √(1 − β), so it would multiply every error "
            "by 100; the paper's clip makes it 32.",
        ),
        Mistake(
            "clipped below as well",
            lambda T, s=0.008: _cosine(T, s, low=1e-4),
            "You also lift the smallest betas to 0.0001. At T = 1000 that changes the first 13 of them; they are small "
            "on purpose and need no clip.",
        ),
        Mistake(
            "clipped on both sides, 0.0001 and 0.9999",
            lambda T, s=0.008: _cosine(T, s, low=1e-4, high=0.9999),
            "You clip to [0.0001, 0.9999], as many tutorials do. The lower limit changes 13 early betas, and the upper "
            "one multiplies errors by 100 at the first step of sampling. The docstring names one limit only.",
        ),
        Mistake(
            "no clip",
            lambda T, s=0.008: _cosine(T, s, high=1.0),
            "Your last β is 1: nothing of the signal is left there, and sampling would divide by zero. What does the "
            "docstring say about large betas?",
        ),
        Mistake(
            "cosine not squared",
            lambda T, s=0.008: _cosine(T, s, power=1),
            "Your f is the cosine itself, which would be the amplitude √ᾱ. ᾱ is a share of the variance: its square.",
        ),
        Mistake(
            "s forgotten",
            lambda T, s=0.008: _cosine(T, 0.0),
            "Your f has no s. Then the first steps add almost no noise at all; s shifts the start of the curve away "
            "from the flat top of the cosine.",
        ),
        Mistake(
            "betas from the start",
            lambda T, s=0.008: (lambda f: (1 - f[1:] / f[0]).clamp(max=0.999))(
                torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
            ),
            "You compare every ᾱ with the very first one. β belongs to a single step: compare each ᾱ with the one before it.",
        ),
        Mistake(
            "half a turn too far",
            lambda T, s=0.008: _cosine(T, s, turn=1.0),
            "Your cosine runs through π, not π/2: its square falls to 0 and rises again, and some betas become negative.",
        ),
        Mistake(
            "whole-number division",
            lambda T, s=0.008: _cosine(T, s, whole=True),
            "All your betas but the last are 0: t // T is a whole number, 0 everywhere except at t = T. You want the fraction.",
        ),
        Mistake(
            "alpha_bar for beta",
            lambda T, s=0.008: (lambda f: f[1:] / f[0])(
                torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
            ),
            "This is ᾱ, what is left after each step. From it you get the β of a step by the second line of the docstring.",
        ),
        Mistake(
            "alpha for beta",
            lambda T, s=0.008: (lambda f: f[1:] / f[:-1])(
                torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
            ),
            "These are the alphas, what each step keeps. β is what it takes away.",
        ),
        Mistake(
            "upside down",
            lambda T, s=0.008: (lambda f: (1 - f[:-1] / f[1:]).clamp(max=0.999))(
                torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
            ),
            "Your quotient is upside down, so your betas are negative: ᾱ falls, and the later one, the smaller, stands on top.",
        ),
        Mistake(
            "divided by T + 1",
            lambda T, s=0.008: _cosine(T, s, steps=T + 1),
            "You divide t by T + 1, the number of values of f, so the curve never arrives at t = T. The last value belongs to t/T = 1.",
        ),
        Mistake(
            "s always 0.008",
            lambda T, s=0.008: _cosine(T),
            "You compute with 0.008 whatever the caller asks for: use the argument s.",
        ),
        Mistake(
            "in degrees",
            lambda T, s=0.008: _cosine(T, s, turn=90 / math.pi),
            "You put 90 in the place of π/2. torch.cos takes radians.",
        ),
    ],
    gradients=[],  # a table: nothing is trained in it
    allowed={"torch.arange(T + 1, dtype=torch.float64) -> torch.arange(T + 1)": "float32 will do"},
    hints=[
        "How many values of f do you need for T betas? One more than T: each β compares two neighbours.",
        "Make f for t = 0 to T as one tensor. f(0) cancels when you divide neighbours.",
        "Divide f without its first entry by f without its last one, subtract from 1, and limit from above.",
    ],
    insight="The cosine schedule designs ᾱ, what is left, and derives the betas; the linear one designs the betas "
    "and lets ᾱ fall as it may.",
)


def amplitudes_at_500() -> tuple[float, float]:
    """Factor before x_0 at code index 500, for the linear and the cosine schedule."""
    return tuple(
        DiffusionSchedule(betas).at(500).alpha for betas in (DiffusionSchedule.linear().betas, cosine_betas(1000))
    )


SIGNAL_AT_500 = Exercise(
    name="02.signal_at_500",
    title="Exercise 2.3: half way through both schedules",
    kind="value",
    minutes=3,
    level=1,
    reference=amplitudes_at_500,
    stub="# By what factor is the image multiplied at code index 500: (linear, cosine), to three digits?\nsignal_at_500 = ...",
    tolerance=1.3e-3,  # between rounding to three digits, and the index beside it, which differs by 0.0016
    mistakes=[
        Mistake(
            "one index too early",
            lambda: tuple(s.at(499).alpha for s in (DiffusionSchedule.linear(), DiffusionSchedule.cosine())),
            "This is index 499, the papers' t = 500. Code index 500 is the next entry of the table.",
        ),
        Mistake(
            "one index too late",
            lambda: tuple(s.at(501).alpha for s in (DiffusionSchedule.linear(), DiffusionSchedule.cosine())),
            "This is index 501. Indices start at 0: the entry at 500 is alpha_bars[500].",
        ),
        Mistake("two digits", (0.28, 0.70), "Right as far as it goes: give three digits behind the point, as asked."),
        Mistake(
            "in per cent",
            (27.89, 70.17),
            "These are per cents, and the numbers are right: a factor of 1 leaves the image as it is.",
        ),
        Mistake(
            "shares of the variance",
            (0.07779, 0.49234),
            "These are the two ᾱ, shares of the variance. The image itself is multiplied by their roots.",
        ),
        Mistake("swapped", (0.7017, 0.2789), "Right numbers, in the other order: linear comes first."),
        Mistake(
            "noise",
            (0.9603, 0.7125),
            "These are the factors before the noise, √(1 − ᾱ). Asked is the one before the image.",
        ),
        Mistake(
            "signal-to-noise ratios",
            (0.0844, 0.9698),
            "These are the SNRs at 500. Asked is the factor before the image.",
        ),
        Mistake(
            "variance of the noise",
            (0.9222, 0.5077),
            "This is 1 − ᾱ, the variance of the noise. Asked is the factor before the image.",
        ),
    ],
    allowed={"1000 -> *": "one step more or less is not to be seen in three digits"},
    hints=[
        "You need ᾱ at index 500 for both schedules: your functions alpha_bars and cosine_betas make the tables.",
        "Which factor stands before x_0 in the closed form?",
        "Take the roots of the two entries of ᾱ and write them as a pair, linear first.",
    ],
    insight="Half way, the linear schedule keeps 28 % of the amplitude, the cosine schedule 70 %.",
)


def wasted(alpha_bars: Tensor, threshold: float = 0.01) -> float:
    """The share of all steps at which less than `threshold` of the variance is signal.

    alpha_bars (T,). Returns a number between 0 and 1.
    """
    return float((alpha_bars < threshold).double().mean())


def wasted_by_counting(alpha_bars, threshold=0.01):
    return sum(1 for a in alpha_bars.tolist() if a < threshold) / len(alpha_bars)


def wasted_by_sum(alpha_bars, threshold=0.01):
    return (alpha_bars < threshold).sum() / alpha_bars.numel()


WASTED = Exercise(
    name="02.wasted",
    title="Exercise 2.4: steps without signal",
    minutes=3,
    level=1,
    reference=wasted,
    alternatives=[wasted_by_counting, wasted_by_sum],
    cases=[
        (torch.tensor([0.9, 0.5, 0.2, 0.04, 0.005]), 0.1),
        (torch.tensor([0.99, 0.6, 0.05, 0.008, 0.004, 0.002, 0.0001]),),
        (ODD_BARS, 0.3),
        (torch.tensor([0.5, 0.25, 0.125, 0.0625]), 0.25),
        (torch.tensor([0.9, 0.3]),),
        (torch.tensor([0.4]), 0.5),
    ],
    mistakes=[
        Mistake(
            "at most for less",
            lambda alpha_bars, threshold=0.01: float((alpha_bars <= threshold).double().mean()),
            "Yours counts a step where exactly the threshold is left as well. The docstring asks for less than that.",
        ),
        Mistake(
            "ratio for share",
            lambda alpha_bars, threshold=0.01: float((alpha_bars / (1 - alpha_bars) < threshold).double().mean()),
            "You compare the signal-to-noise ratio with the threshold. The share of the variance that is signal is ᾱ itself.",
        ),
        Mistake(
            "always 1000 steps",
            lambda alpha_bars, threshold=0.01: float((alpha_bars < threshold).sum()) / 1000,
            "You divide by 1000, whatever the length of the chain. How many steps are in alpha_bars?",
        ),
        Mistake(
            "per cent",
            lambda alpha_bars, threshold=0.01: 100 * float((alpha_bars < threshold).double().mean()),
            "Yours is in per cent. The docstring asks for a number between 0 and 1.",
        ),
        Mistake(
            "number for share",
            lambda alpha_bars, threshold=0.01: float((alpha_bars < threshold).sum()),
            "You count the steps. A share is the count divided by how many steps there are.",
        ),
        Mistake(
            "the other steps",
            lambda alpha_bars, threshold=0.01: float((alpha_bars >= threshold).double().mean()),
            "This is the share of steps with enough signal: the other ones are asked.",
        ),
        Mistake(
            "the steps above",
            lambda alpha_bars, threshold=0.01: float((alpha_bars > threshold).double().mean()),
            "This is the share of steps with more signal than the threshold: asked is the share of those with less.",
        ),
        Mistake(
            "amplitude for variance",
            lambda alpha_bars, threshold=0.01: float((alpha_bars.sqrt() < threshold).double().mean()),
            "You compare √ᾱ with the threshold. Asked is the share of the variance, which is ᾱ itself.",
        ),
        Mistake(
            "noise below the threshold",
            lambda alpha_bars, threshold=0.01: float((1 - alpha_bars < threshold).double().mean()),
            "You look for steps with little noise, at the start of the chain. Asked are those with little signal, at its end.",
        ),
        Mistake(
            "whole-number division",
            lambda alpha_bars, threshold=0.01: float(int((alpha_bars < threshold).sum()) // len(alpha_bars)),
            "Yours is 0 almost always: // drops the fraction, and a share below 1 is nothing but fraction.",
        ),
        Mistake(
            "threshold forgotten",
            lambda alpha_bars, threshold=0.01: float((alpha_bars < 0.01).double().mean()),
            "You compare with 0.01 whatever the caller asks for: use the argument threshold.",
        ),
    ],
    gradients=[],  # it counts
    allowed={
        "alpha_bars rows reversed": "a share does not depend on the order",
        "float(*": "a tensor of one element serves as a number",
    },
    hints=[
        "Comparing a tensor with a number gives True and False for each entry.",
        "True counts as 1 and False as 0, so a sum counts and a mean gives a share.",
        "Compare, turn the result into floating-point numbers, take the mean.",
    ],
    insight="Every step costs one call of the network when you sample. Those without signal are paid for and bring little.",
)


# -- the reverse side -----------------------------------------------------------------------------------------------------


def posterior(x0: Tensor, x_t: Tensor, t: int, betas: Tensor, alpha_bars: Tensor) -> tuple:
    """Mean and variance of q(x_{t-1} | x_t, x_0).

    mean = sqrt(alpha_bar_{t-1})·beta_t/(1 - alpha_bar_t)·x0
         + sqrt(alpha_t)·(1 - alpha_bar_{t-1})/(1 - alpha_bar_t)·x_t
    variance = beta_t·(1 - alpha_bar_{t-1})/(1 - alpha_bar_t)
    x0, x_t (B, …), t an index from 0 into betas and alpha_bars (T,).
    Below index 0 lie the clean data, so alpha_bar_{-1} is 1.
    Returns (mean, variance): mean of x0's shape, variance a number or a tensor without shape.
    The mean is differentiable in x0 and x_t.
    """
    beta, bar, bar_before = betas[t], alpha_bars[t], before(t, alpha_bars)
    a = bar_before.sqrt() * beta / (1 - bar)
    b = (1 - beta).sqrt() * (1 - bar_before) / (1 - bar)
    return a * x0 + b * x_t, beta * (1 - bar_before) / (1 - bar)


def posterior_by_bayes(x0, x_t, t, betas, alpha_bars):
    if t == 0:
        return x0, 0.0
    beta, bar = float(betas[t]), float(alpha_bars[t - 1])
    precision = (1 - beta) / beta + 1 / (1 - bar)
    return ((1 - beta) ** 0.5 * x_t / beta + bar**0.5 * x0 / (1 - bar)) / precision, 1 / precision


def posterior_with_padding(x0, x_t, t, betas, alpha_bars):
    bars = torch.cat([torch.ones(1), alpha_bars])
    var = betas[t] * (1 - bars[t]) / (1 - bars[t + 1])
    mean = (betas[t] * bars[t] ** 0.5 * x0 + (1 - betas[t]) ** 0.5 * (1 - bars[t]) * x_t) / (1 - bars[t + 1])
    return mean, var


def _posterior(a: Callable, b: Callable, var: Callable, previous: Callable = before) -> Callable:
    """A posterior from wrong parts; each takes (beta, alpha_bar, alpha_bar before)."""

    def wrong(x0, x_t, t, betas, alpha_bars):
        parts = betas[t], alpha_bars[t], previous(t, alpha_bars)
        return a(*parts) * x0 + b(*parts) * x_t, var(*parts)

    return wrong


def _a(beta, bar, bar_before):
    return bar_before.sqrt() * beta / (1 - bar)


def _b(beta, bar, bar_before):
    return (1 - beta).sqrt() * (1 - bar_before) / (1 - bar)


def _var(beta, bar, bar_before):
    return beta * (1 - bar_before) / (1 - bar)


def posterior_case(t: int, betas: Tensor, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), t, betas, torch.cumprod(1 - betas, dim=0))


POSTERIOR = Exercise(
    name="02.posterior",
    title="The step back, if the clean image were known",
    minutes=8,
    level=3,
    reference=posterior,
    alternatives=[posterior_by_bayes, posterior_with_padding],
    cases=[
        posterior_case(2, ODD_BETAS, 1, 2),
        posterior_case(0, BETAS, 2, 2),
        posterior_case(7, BETAS, 2, 3),
        posterior_case(1, ODD_BETAS, 3, 1, 2, 2),
        posterior_case(4, ODD_BETAS, 3),
        posterior_case(0, ODD_BETAS[:1], 1, 3),
    ],
    gradients=["x0", "x_t"],
    package=InPackage(
        "schedule.posterior(x0, x_t, t)",
        lambda x0, x_t, t, betas, alpha_bars: (lambda mean, variance: (mean, variance.flatten()[0]))(
            *DiffusionSchedule(betas).posterior(x0, x_t, t)
        ),
    ),
    mistakes=[
        Mistake(
            "wrapped around at t = 0",
            _posterior(_a, _b, _var, previous=lambda t, bars: bars[t - 1]),
            "Right for t ≥ 1. At t = 0 your index t − 1 is −1, and that is the last entry of the table, not an error: "
            "the last step of sampling would be computed with the noisiest level. Below index 0 lie the clean data.",
        ),
        Mistake(
            "beta for the posterior's variance",
            _posterior(_a, _b, lambda beta, bar, prev: beta),
            "The mean is right. Your variance is β, that of the forward step. Knowing x_0 makes the step back more "
            "certain: the factor in the docstring is below 1.",
        ),
        Mistake(
            "standard deviation for variance",
            _posterior(_a, _b, lambda *p: _var(*p).sqrt()),
            "The mean is right. You return the standard deviation, and the variance is asked: whoever takes its root "
            "again gets noise that is too strong.",
        ),
        Mistake(
            "root of alpha_bar before missing",
            _posterior(lambda beta, bar, prev: prev * beta / (1 - bar), _b, _var),
            "Your factor of x_0 has ᾱ_{t−1} without its root. Test: with no noise at all, x_t = √ᾱ_t·x_0, the mean must be √ᾱ_{t−1}·x_0.",
        ),
        Mistake(
            "root of alpha missing",
            _posterior(_a, lambda beta, bar, prev: (1 - beta) * (1 - prev) / (1 - bar), _var),
            "Your factor of x_t has α_t without its root. Test: with x_t = √ᾱ_t·x_0 the mean must be √ᾱ_{t−1}·x_0.",
        ),
        Mistake(
            "alpha_bar for alpha",
            _posterior(_a, lambda beta, bar, prev: bar.sqrt() * (1 - prev) / (1 - bar), _var),
            "Your factor of x_t has ᾱ_t where α_t belongs. The bar is a product over all steps; this factor is about "
            "the last step alone.",
        ),
        Mistake(
            "x0 and x_t swapped",
            _posterior(_b, _a, _var),
            "The factors of x_0 and x_t are interchanged. At t = 0 the mean must be x_0 itself.",
        ),
        Mistake(
            "previous level not shifted",
            _posterior(_a, _b, _var, previous=lambda t, bars: bars[t]),
            "You use ᾱ_t in both places. The formulas need ᾱ_t and also ᾱ_{t−1}, one step nearer to the data.",
        ),
        Mistake(
            "both roots missing",
            _posterior(
                lambda beta, bar, prev: prev * beta / (1 - bar),
                lambda beta, bar, prev: (1 - beta) * (1 - prev) / (1 - bar),
                _var,
            ),
            "The variance is right. In your mean ᾱ_{t−1} and α_t stand without their roots: both factors are amplitudes.",
        ),
        Mistake(
            "no signal below index 0",
            _posterior(_a, _b, _var, previous=lambda t, bars: bars[t - 1] if t > 0 else torch.zeros_like(bars[0])),
            "Right for t ≥ 1. Below index 0 you take ᾱ as 0, pure noise. There lie the clean data: all of the variance is signal.",
        ),
        Mistake(
            "beta at t = 0",
            lambda x0, x_t, t, betas, alpha_bars: (
                posterior(x0, x_t, t, betas, alpha_bars)[0],
                posterior(x0, x_t, t, betas, alpha_bars)[1] if t > 0 else betas[0],
            ),
            "Right for t ≥ 1, and the mean everywhere. At t = 0 your variance is β: but given x_0, there is "
            "nothing left to be uncertain about.",
        ),
        Mistake(
            "x_t at t = 0",
            lambda x0, x_t, t, betas, alpha_bars: (
                posterior(x0, x_t, t, betas, alpha_bars) if t > 0 else (x_t, torch.zeros(()))
            ),
            "Right for t ≥ 1. At t = 0 your mean is x_t. The step leads to the clean data there: put ᾱ_{−1} = 1 into the two factors.",
        ),
        Mistake(
            "variance first",
            lambda *args: posterior(*args)[::-1],
            "You return the variance before the mean: the docstring has the mean first.",
        ),
        Mistake(
            "the mean alone",
            lambda *args: posterior(*args)[0],
            "The mean is right, and it is all that you return. The docstring asks for the variance as well.",
        ),
    ],
    hints=[
        "Give names to the three numbers first: β_t, ᾱ_t and ᾱ_{t−1}. What is ᾱ_{t−1} when t is 0?",
        "In Python index −1 is the last entry. So t = 0 needs a case of its own.",
        "Compute the two factors of the mean one by one, as in the docstring, then the variance. At t = 0 you must get x_0 and 0.",
    ],
    insight="A Gaussian with known mean and variance for every step back: this is what the network is trained to "
    "imitate without knowing x_0.",
)


def reverse_mean(x_t: Tensor, eps: Tensor, t: int, betas: Tensor, alpha_bars: Tensor) -> Tensor:
    """Mean of the step back, from predicted noise.

    mean = (x_t - beta_t/sqrt(1 - alpha_bar_t)·eps)/sqrt(alpha_t)
    x_t and eps (B, …), t an index into betas and alpha_bars (T,).
    Returns the mean, of x_t's shape. Differentiable in x_t and eps.
    """
    return (x_t - betas[t] / (1 - alpha_bars[t]).sqrt() * eps) / (1 - betas[t]).sqrt()


def reverse_mean_through_x0(x_t, eps, t, betas, alpha_bars):
    x0 = (x_t - (1 - alpha_bars[t]) ** 0.5 * eps) / alpha_bars[t] ** 0.5
    return posterior(x0, x_t, t, betas, alpha_bars)[0]


def reverse_mean_in_numbers(x_t, eps, t, betas, alpha_bars):
    alpha, bar = 1 - float(betas[t]), float(alpha_bars[t])
    return alpha**-0.5 * x_t - (1 - alpha) / math.sqrt(alpha * (1 - bar)) * eps


def _reverse(inner: Callable, outer: Callable = lambda beta, bar: (1 - beta).sqrt()) -> Callable:
    def wrong(x_t, eps, t, betas, alpha_bars):
        beta, bar = betas[t], alpha_bars[t]
        return (x_t - inner(beta, bar) * eps) / outer(beta, bar)

    return wrong


def reverse_case(t: int, betas: Tensor, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), t, betas, torch.cumprod(1 - betas, dim=0))


REVERSE_MEAN = Exercise(
    name="02.reverse_mean",
    title="The step back from predicted noise",
    minutes=5,
    level=2,
    reference=reverse_mean,
    alternatives=[reverse_mean_through_x0, reverse_mean_in_numbers],
    cases=[
        reverse_case(2, ODD_BETAS, 1, 2),
        reverse_case(0, BETAS, 2, 3),
        reverse_case(7, BETAS, 2, 1, 2, 2),
        reverse_case(4, ODD_BETAS, 3),
    ],
    gradients=["x_t", "eps"],
    package=InPackage(
        "diffcourse.samplers.denoise(x_t, eps, t, schedule)",
        lambda x_t, eps, t, betas, alpha_bars: samplers.denoise(x_t, eps, t, DiffusionSchedule(betas)),
    ),
    mistakes=[
        Mistake(
            "noise simply subtracted",
            _reverse(lambda beta, bar: 1.0, lambda beta, bar: 1.0),
            "You subtract all of the predicted noise. Even a perfect prediction gives a wrong image this way: ε has "
            "variance 1 at every level, and only a small part of it is to be taken away in one step.",
        ),
        Mistake(
            "plus for minus",
            _reverse(lambda beta, bar: -beta / (1 - bar).sqrt()),
            "You add the predicted noise. The forward chain added it; the way back takes it away.",
        ),
        Mistake(
            "not scaled up again",
            _reverse(lambda beta, bar: beta / (1 - bar).sqrt(), lambda beta, bar: 1.0),
            "The division by √α_t is missing. The forward step had shrunk the image by this factor, so the way back enlarges it.",
        ),
        Mistake(
            "alpha for its root",
            _reverse(lambda beta, bar: beta / (1 - bar).sqrt(), lambda beta, bar: 1 - beta),
            "You divide by α_t itself. The forward step had multiplied by its root.",
        ),
        Mistake(
            "alpha_bar for alpha",
            _reverse(lambda beta, bar: beta / (1 - bar).sqrt(), lambda beta, bar: bar.sqrt()),
            "You divide by √ᾱ_t, which undoes the shrinking of all steps at once. Only one step is to be undone: its own α_t.",
        ),
        Mistake(
            "root of beta",
            _reverse(lambda beta, bar: beta.sqrt() / (1 - bar).sqrt()),
            "Your factor has √β_t. That is the standard deviation of the noise of one step; the formula has β_t itself.",
        ),
        Mistake(
            "root of the noise variance missing",
            _reverse(lambda beta, bar: beta / (1 - bar)),
            "You divide by 1 − ᾱ_t, a variance. The formula divides by the standard deviation of the noise.",
        ),
        Mistake(
            "x0 for the mean",
            _reverse(lambda beta, bar: (1 - bar).sqrt(), lambda beta, bar: bar.sqrt()),
            "This is the predicted x_0: the jump to the very end. Asked is the mean of x_{t−1}, one step further on.",
        ),
        Mistake(
            "only the noise divided",
            lambda x_t, eps, t, betas, alpha_bars: (
                x_t - betas[t] / (1 - alpha_bars[t]).sqrt() * eps / (1 - betas[t]).sqrt()
            ),
            "Your division by √α_t reaches the noise only. The docstring has brackets around the difference.",
        ),
        Mistake(
            "multiplied by the root of alpha",
            _reverse(lambda beta, bar: beta / (1 - bar).sqrt(), lambda beta, bar: 1 / (1 - beta).sqrt()),
            "You multiply by √α_t. The forward step did that already; the way back undoes it.",
        ),
        Mistake(
            "one step's noise alone",
            _reverse(lambda beta, bar: beta.sqrt()),
            "Your factor of eps is √β_t, the noise of one step. The noise in x_t is that of all steps so far, and how much of it is "
            "taken away depends on √(1 − ᾱ_t) too.",
        ),
        Mistake(
            "one index too early",
            lambda x_t, eps, t, betas, alpha_bars: reverse_mean(x_t, eps, t - 1, betas, alpha_bars),
            "You look everything up at t − 1. The tables start at index 0, and index −1 is the last entry.",
        ),
    ],
    hints=[
        "Three numbers: β_t, √(1 − ᾱ_t) and √α_t = √(1 − β_t). Two of them form the factor of eps.",
        "The brackets first: x_t minus a part of eps. Then the whole is divided.",
        "Check with t = 0: there the result must be (x_t − √β_0·eps)/√α_0, which is the predicted x_0.",
    ],
    insight="This one line, plus a little noise, is the whole sampler of DDPM.",
)


# -- the bound ------------------------------------------------------------------------------------------------------------


def gaussian_kl(mean_q: Tensor, var_q: Tensor, mean_p: Tensor, var_p: Tensor) -> Tensor:
    """KL(N(mean_q, var_q) || N(mean_p, var_p)) in nats, for vectors of independent coordinates.

    One coordinate: 1/2·(var_q/var_p - 1 - log(var_q/var_p) + (mean_q - mean_p)²/var_p).
    A vector: the sum over its coordinates.
    All arguments (B, D), the variances above 0. Returns (B,). Differentiable in all four.
    """
    ratio = var_q / var_p
    return 0.5 * (ratio - 1 - ratio.log() + (mean_q - mean_p) ** 2 / var_p).sum(dim=1)


def gaussian_kl_by_torch(mean_q, var_q, mean_p, var_p):
    q, p = torch.distributions.Normal(mean_q, var_q.sqrt()), torch.distributions.Normal(mean_p, var_p.sqrt())
    return torch.distributions.kl_divergence(q, p).sum(-1)


def gaussian_kl_in_a_loop(mean_q, var_q, mean_p, var_p):
    total = torch.zeros(len(mean_q), dtype=mean_q.dtype)
    for d in range(mean_q.shape[1]):
        m, v, n, w = mean_q[:, d], var_q[:, d], mean_p[:, d], var_p[:, d]
        total = total + (torch.log(w) - torch.log(v) + (v + (m - n) ** 2) / w - 1) / 2
    return total


def _kl(term: Callable) -> Callable:
    return lambda m, v, n, w: 0.5 * term(m, v, n, w).sum(dim=1)


def kl_case(B: int, D: int):
    return lambda g: (
        normal(g, B, D),
        torch.rand(B, D, generator=g) + 0.2,
        normal(g, B, D),
        torch.rand(B, D, generator=g) + 0.5,
    )


GAUSSIAN_KL = Exercise(
    name="02.gaussian_kl",
    title="The distance between two Gaussians",
    minutes=4,
    level=2,
    reference=gaussian_kl,
    alternatives=[gaussian_kl_by_torch, gaussian_kl_in_a_loop],
    cases=[
        kl_case(1, 2),
        kl_case(3, 2),
        kl_case(2, 5),
        kl_case(3, 1),
        (
            torch.tensor([[0.01, -30.0], [2.0, 0.0]]),
            torch.tensor([[1e-6, 4.0], [1e3, 0.5]]),
            torch.tensor([[0.0, 20.0], [-2.0, 0.0]]),
            torch.tensor([[0.1, 9.0], [0.25, 0.5]]),
        ),
    ],
    package=InPackage(
        "diffcourse.gaussian.gaussian_kl(mean_q, var_q, mean_p, var_p)",
        lambda mean_q, var_q, mean_p, var_p: gaussian.gaussian_kl(mean_q, var_q, mean_p, var_p),
    ),
    invariants=[
        Invariant(
            "zero for equals",
            lambda f: bool((f(*[torch.full((2, 3), 0.7)] * 4).abs() < 1e-5).all()),
            "The KL divergence of a Gaussian from itself must be 0. Yours is not: put equal means and variances into your formula.",
        ),
    ],
    mistakes=[
        Mistake(
            "q and p swapped",
            lambda m, v, n, w: gaussian_kl(n, w, m, v),
            "This is the KL in the other direction, from p to q. It is not symmetric: the mean is taken over q, so p's "
            "variance stands below the line.",
        ),
        Mistake(
            "mean for sum",
            lambda m, v, n, w: gaussian_kl(m, v, n, w) / m.shape[1],
            "You take the mean over the coordinates. The KL of independent coordinates is the sum: a picture of twice "
            "as many pixels has twice the KL.",
        ),
        Mistake(
            "half missing",
            lambda m, v, n, w: 2 * gaussian_kl(m, v, n, w),
            "Yours is twice too large: the 1/2 of the exponent of the Gaussian is missing.",
        ),
        Mistake(
            "sign of the logarithm",
            _kl(lambda m, v, n, w: v / w - 1 + (v / w).log() + (m - n) ** 2 / w),
            "The logarithm has the wrong sign: yours can become negative, a KL cannot.",
        ),
        Mistake(
            "one missing",
            _kl(lambda m, v, n, w: v / w - (v / w).log() + (m - n) ** 2 / w),
            "The −1 is missing, so two equal Gaussians would be 1/2 apart in every coordinate.",
        ),
        Mistake(
            "squared distance over the wrong variance",
            _kl(lambda m, v, n, w: v / w - 1 - (v / w).log() + (m - n) ** 2 / v),
            "You measure the distance of the means in units of q's variance. It is p that must explain the draws of q, "
            "so p's width counts.",
        ),
        Mistake(
            "variance taken for standard deviation",
            lambda m, v, n, w: gaussian_kl(m, v**2, n, w**2),
            "You square the variances, as if they were standard deviations. They are variances already.",
        ),
        Mistake(
            "distance not squared",
            _kl(lambda m, v, n, w: v / w - 1 - (v / w).log() + (m - n).abs() / w),
            "The distance of the means must be squared: the exponent of a Gaussian is quadratic.",
        ),
        Mistake(
            "logarithm of base 2",
            _kl(lambda m, v, n, w: v / w - 1 - torch.log2(v / w) + (m - n) ** 2 / w),
            "Your logarithm has base 2. Nats are counted with the natural one.",
        ),
        Mistake(
            "not summed",
            lambda m, v, n, w: 0.5 * (v / w - 1 - (v / w).log() + (m - n) ** 2 / w),
            "This is the KL of every single coordinate. A vector's is the sum over its coordinates.",
        ),
        Mistake(
            "summed over the batch",
            lambda m, v, n, w: gaussian_kl(m, v, n, w).sum(),
            "You add up everything, the vectors of the batch too. Each has a KL of its own: sum over dimension 1 only.",
        ),
        Mistake(
            "mean over the batch",
            lambda m, v, n, w: gaussian_kl(m, v, n, w).mean(),
            "You take the mean over the batch in the end. Each vector has a KL of its own: (B,) is asked for.",
        ),
        Mistake(
            "squares not over p's variance",
            _kl(lambda m, v, n, w: v / w - 1 - (v / w).log() + (m - n) ** 2),
            "Your squared distance of the means is not divided. It counts in units of p's variance.",
        ),
    ],
    allowed={"mean_q and mean_p interchanged": "only their squared distance counts"},
    hints=[
        "Four parts stand in the bracket. Write each as a tensor (B, D) before you add them.",
        "The ratio of the variances is needed twice: once plain, once in the logarithm.",
        "Add the parts, sum over dimension 1, halve. Equal Gaussians must give exactly 0.",
    ],
    insight="Every middle term of the bound is this formula.",
)


def step_kl(x0: Tensor, x0_guess: Tensor, t: int, betas: Tensor, alpha_bars: Tensor) -> Tensor:
    """L_{t-1}: the KL between the posterior and the model's step.

    The model puts its guess of x_0 into the posterior's formula. Both Gaussians have the
    posterior's variance, so it is |difference of the means|²/(2·variance), and x_t drops out.
    x0, x0_guess (B, D), t an index from 1 into betas and alpha_bars (T,). Returns (B,), nats.
    Differentiable in x0 and x0_guess.
    """
    bar, bar_before = alpha_bars[t], alpha_bars[t - 1]
    factor = bar_before.sqrt() * betas[t] / (1 - bar)
    variance = betas[t] * (1 - bar_before) / (1 - bar)
    return (factor * (x0 - x0_guess)).square().sum(dim=1) / (2 * variance)


def step_kl_by_snr(x0, x0_guess, t, betas, alpha_bars):
    drop = alpha_bars[t - 1] / (1 - alpha_bars[t - 1]) - alpha_bars[t] / (1 - alpha_bars[t])
    return 0.5 * drop * ((x0 - x0_guess) ** 2).sum(-1)


def step_kl_by_posterior(x0, x0_guess, t, betas, alpha_bars):
    mean, variance = posterior(x0, x0, t, betas, alpha_bars)
    guess, _ = posterior(x0_guess, x0, t, betas, alpha_bars)
    return gaussian_kl(mean, variance.expand_as(mean), guess, variance.expand_as(mean))


def _step(x0, x0_guess, t, betas, alpha_bars, power=2, half=2.0, root=False, plain=False, no_factor=False, shift=0):
    bar, bar_before = alpha_bars[t], alpha_bars[t - 1 + shift]
    factor = 1.0 if no_factor else bar_before.sqrt() * betas[t] / (1 - bar)
    variance = betas[t] if plain else betas[t] * (1 - bar_before) / (1 - bar)
    variance = variance.sqrt() if root else variance
    return factor**power * (x0 - x0_guess).square().sum(dim=1) / (half * variance)


def _measured(measure, factor=lambda b, bar, before: before.sqrt() * b / (1 - bar), power=1.0):
    """|difference of the means|² by another measure, with another factor of x_0, over another power of the variance."""

    def wrong(x0, x0_guess, t, betas, alpha_bars):
        b, bar, before = betas[t], alpha_bars[t], alpha_bars[t - 1]
        return measure(factor(b, bar, before) * (x0 - x0_guess)) / (2 * (b * (1 - before) / (1 - bar)) ** power)

    return wrong


def _squares(d: Tensor) -> Tensor:
    return d.square().sum(dim=1)


def kl_step_case(t: int, betas: Tensor, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), t, betas, torch.cumprod(1 - betas, dim=0))


STEP_KL = Exercise(
    name="02.step_kl",
    title="One middle term of the bound",
    minutes=6,
    level=3,
    reference=step_kl,
    alternatives=[step_kl_by_snr, step_kl_by_posterior],
    cases=[
        kl_step_case(2, ODD_BETAS, 1, 2),
        kl_step_case(1, BETAS, 2, 3),
        kl_step_case(7, BETAS, 3, 2),
        kl_step_case(4, ODD_BETAS, 3, 1),
    ],
    gradients=["x0", "x0_guess"],
    package=InPackage(
        "diffcourse.elbo.step_kl(denoise, schedule, x0, x_t, t)",
        lambda x0, x0_guess, t, betas, alpha_bars: elbo.step_kl(
            lambda x, at: estimate(x0_guess, x, at, "x0"), DiffusionSchedule(betas), x0, torch.zeros_like(x0), t
        ),
    ),
    mistakes=[
        Mistake(
            "difference of x0 for difference of means",
            lambda *args: _step(*args, no_factor=True),
            "You take the distance between x_0 and the guess. The two Gaussians lie at their means, where x_0 has a "
            "factor below 1: multiply first.",
        ),
        Mistake(
            "factor not squared",
            lambda *args: _step(*args, power=1),
            "You square the difference, and multiply by the factor afterwards. The factor belongs to the difference of "
            "the means: it is squared as well.",
        ),
        Mistake(
            "half missing",
            lambda *args: _step(*args, half=1.0),
            "Yours is twice too large: divided is by twice the variance.",
        ),
        Mistake(
            "beta for the posterior's variance",
            lambda *args: _step(*args, plain=True),
            "You divide by 2β_t, the variance of the forward step. Here both Gaussians have the posterior's variance, which is smaller.",
        ),
        Mistake(
            "standard deviation for variance",
            lambda *args: _step(*args, root=True),
            "You divide by the standard deviation. A squared distance is measured in units of the variance.",
        ),
        Mistake(
            "mean for sum",
            lambda *args: _step(*args) / args[0].shape[1],
            "You take the mean over the coordinates. In nats the coordinates add up; the simple loss takes the mean, the bound does not.",
        ),
        Mistake(
            "previous level not shifted",
            lambda *args: _step(*args, shift=1),
            "You use ᾱ_t in both places; the step leads from t to t − 1, so ᾱ_{t−1} is needed too.",
        ),
        Mistake(
            "the factor of x_t",
            lambda x0, x0_guess, t, betas, alpha_bars: (
                ((1 - betas[t]).sqrt() * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t]) * (x0 - x0_guess))
                .square()
                .sum(dim=1)
                / (2 * betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t]))
            ),
            "Your factor is that of x_t in the posterior's mean. x_t drops out of the difference; what stays is x_0, with its own factor.",
        ),
        Mistake(
            "the factor without its root",
            lambda x0, x0_guess, t, betas, alpha_bars: alpha_bars[t - 1] * _step(x0, x0_guess, t, betas, alpha_bars),
            "In your factor of x_0 ᾱ_{t−1} stands without its root. Look at the posterior's mean once more.",
        ),
        Mistake(
            "not squared",
            _measured(lambda d: d.norm(dim=1)),
            "You take the distance of the means. The KL holds its square.",
        ),
        Mistake(
            "absolute differences",
            _measured(lambda d: d.abs().sum(dim=1)),
            "You add absolute differences. The exponent of a Gaussian holds squares, and so does the KL.",
        ),
        Mistake(
            "added, then squared",
            _measured(lambda d: d.sum(dim=1).square()),
            "You add the coordinates up and square the sum, in which they may cancel. Each is squared first.",
        ),
        Mistake(
            "along the batch",
            _measured(lambda d: d.square().sum(dim=0)),
            "You add along dimension 0, the batch. Coordinates stand in dimension 1.",
        ),
        Mistake(
            "mean over the batch",
            lambda *args: _step(*args).mean(),
            "You average over the batch. Each of its vectors has a KL of its own: (B,) is asked for.",
        ),
        Mistake(
            "times the coordinates",
            lambda *args: _step(*args) * args[0].shape[1],
            "Yours is too large by the number of coordinates: they are added once.",
        ),
        Mistake(
            "variance squared",
            _measured(_squares, power=2.0),
            "You divide by the variance squared. The square belongs to the distance; the variance is a square already.",
        ),
        Mistake(
            "variance forgotten",
            _measured(_squares, power=0.0),
            "You do not divide by the variance: a distance counts the more, the narrower both Gaussians are.",
        ),
        Mistake(
            "the later level in the factor",
            _measured(_squares, lambda b, bar, before: bar.sqrt() * b / (1 - bar)),
            "In your factor of x_0 stands √ᾱ_t. Look at the posterior's mean once more: which level has its root there?",
        ),
        Mistake(
            "the earlier level below the factor",
            _measured(_squares, lambda b, bar, before: before.sqrt() * b / (1 - before)),
            "Your factor of x_0 is divided by 1 − ᾱ_{t−1}. Look at the posterior's mean once more: which level stands below the line?",
        ),
        Mistake(
            "the factor without its fraction",
            _measured(_squares, lambda b, bar, before: before.sqrt()),
            "Your factor of x_0 is √ᾱ_{t−1} alone: β_t and what stands below the line are missing.",
        ),
        Mistake(
            "the factor without the level",
            _measured(_squares, lambda b, bar, before: b / (1 - bar)),
            "In your factor of x_0 the root √ᾱ_{t−1} is missing.",
        ),
        Mistake(
            "no brackets below the line",
            lambda x0, x0_guess, t, betas, alpha_bars: (
                (alpha_bars[t - 1].sqrt() * betas[t] / (1 - alpha_bars[t]) * (x0 - x0_guess)).square().sum(dim=1)
                / 2
                * (betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t]))
            ),
            "You multiply by the variance. Python reads a / 2 * b as (a/2)·b: what stands below the line needs brackets.",
        ),
        Mistake(
            "one index too late",
            lambda x0, x0_guess, t, betas, alpha_bars: _step(x0, x0_guess, t + 1, betas, alpha_bars),
            "You look everything up at t + 1, which does not exist at the end of the chain. L_{t−1} is the step from t to t − 1, and t is "
            "an index already.",
        ),
        Mistake(
            "summed over the batch",
            lambda *args: _step(*args).sum(),
            "You add up the whole batch. Each of its vectors has a KL of its own: (B,) is asked for.",
        ),
    ],
    allowed={"x0 and x0_guess interchanged": "only their squared distance counts"},
    hints=[
        "The means are factor·x_0 + (something)·x_t and factor·guess + (the same)·x_t. What is left of their difference?",
        "The factor is that of x_0 in the posterior; the variance is the posterior's.",
        "Multiply the difference by the factor, square, sum over dimension 1, divide by twice the variance.",
    ],
    insight="It equals half the drop of the SNR, ½·(SNR(t−1) − SNR(t)), times the squared error of the guess.",
)


def noise_weights(betas: Tensor, alpha_bars: Tensor) -> Tensor:
    """The factor of |eps - predicted eps|² in L_{t-1}, for every t from index 1 on.

    beta²/(2·variance·alpha·(1 - alpha_bar)), where
    variance is the posterior's, beta_t·(1 - alpha_bar_{t-1})/(1 - alpha_bar_t).
    betas, alpha_bars (T,). Returns (T - 1,): there is no entry for t = 0.
    """
    beta, bar, bar_before = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    variance = beta * (1 - bar_before) / (1 - bar)
    return beta**2 / (2 * variance * (1 - beta) * (1 - bar))


def noise_weights_in_a_loop(betas, alpha_bars):
    found = []
    for t in range(1, len(betas)):
        variance = betas[t] * (1 - alpha_bars[t - 1]) / (1 - alpha_bars[t])
        found.append(betas[t] ** 2 / (2 * variance * (1 - betas[t]) * (1 - alpha_bars[t])))
    return torch.stack(found)


def noise_weights_cancelled(betas, alpha_bars):
    return betas[1:] / (2 * (1 - betas[1:]) * (1 - alpha_bars[:-1]))


def _weights(betas, alpha_bars, power=2, half=2.0, beta_variance=False, bar_for_alpha=False, no_bar=False, root=False):
    beta, bar, prev = betas[1:], alpha_bars[1:], alpha_bars[:-1]
    variance = beta if beta_variance else beta * (1 - prev) / (1 - bar)
    alpha = bar if bar_for_alpha else 1 - beta
    noise = 1.0 if no_bar else (1 - bar).sqrt() if root else 1 - bar
    return beta**power / (half * variance * alpha * noise)


NOISE_WEIGHTS = Exercise(
    name="02.noise_weights",
    title="What the simple loss leaves out",
    minutes=5,
    level=3,
    reference=noise_weights,
    alternatives=[noise_weights_in_a_loop, noise_weights_cancelled],
    cases=[(ODD_BETAS[:3], ODD_BARS[:3]), (BETAS, BARS), (ODD_BETAS, ODD_BARS), (BETAS[:2], BARS[:2])],
    gradients=[],  # a table: nothing is trained in it
    package=InPackage(
        "diffcourse.elbo.noise_weights(schedule)",
        lambda betas, alpha_bars: elbo.noise_weights(DiffusionSchedule(betas)),
    ),
    mistakes=[
        Mistake(
            "beta not squared",
            lambda b, a: _weights(b, a, power=1),
            "Your β above the line is not squared. The means differ by β/√(α(1 − ᾱ)) times the error of the noise, and "
            "the KL squares that.",
        ),
        Mistake(
            "half missing",
            lambda b, a: _weights(b, a, half=1.0),
            "Yours is twice too large: a KL of two Gaussians of one variance is the squared distance over twice that variance.",
        ),
        Mistake(
            "beta for the posterior's variance",
            lambda b, a: _weights(b, a, beta_variance=True),
            "You took β_t as the variance. That is DDPM's other choice, and a right one; asked is the posterior's, as in the docstring.",
        ),
        Mistake(
            "alpha_bar for alpha",
            lambda b, a: _weights(b, a, bar_for_alpha=True),
            "You have ᾱ_t where α_t = 1 − β_t belongs: yours explodes at the end of the chain.",
        ),
        Mistake(
            "noise variance missing",
            lambda b, a: _weights(b, a, no_bar=True),
            "The factor 1 − ᾱ_t below the line is missing. It comes from √(1 − ᾱ_t), which stands below ε in the mean.",
        ),
        Mistake(
            "standard deviation of the noise",
            lambda b, a: _weights(b, a, root=True),
            "You have √(1 − ᾱ_t) below the line. In the mean it is a root; the KL squares it.",
        ),
        Mistake(
            "everything from t = 0",
            lambda b, a: torch.cat([b[:1] / (2 * (1 - b[:1]) * b[:1]), noise_weights_cancelled(b, a)]),
            "Yours has an entry for t = 0. There the posterior's variance is 0 and the term is another one, L_0: leave it out.",
        ),
        Mistake(
            "the beta of the step before",
            lambda b, a: noise_weights(b, a) * (b[:-1] / b[1:]) ** 2,
            "Above the line you have the β of the step before. Of the earlier step only ᾱ_{t−1} is needed.",
        ),
        Mistake(
            "neighbours interchanged",
            lambda b, a: (
                lambda beta, bar, later: beta**2 / (2 * beta * (1 - later) / (1 - bar) * (1 - beta) * (1 - bar))
            )(b[:-1], a[:-1], a[1:]),
            "You leave out the last entry, not the first, and take ᾱ_{t+1} where ᾱ_{t−1} belongs.",
        ),
        Mistake(
            "no brackets below the line",
            lambda b, a: b[1:] ** 2 / 2 * (b[1:] * (1 - a[:-1]) / (1 - a[1:])) * (1 - b[1:]) * (1 - a[1:]),
            "You divide by 2 and multiply by the rest. Python reads a / 2 * b as (a/2)·b: what stands below the line needs brackets.",
        ),
        Mistake(
            "upside down",
            lambda b, a: 1 / noise_weights(b, a),
            "Yours is one over the weight: β² stands on top.",
        ),
    ],
    allowed={"alpha_bars -> betas": "1 - alpha_bar_t cancels"},
    hints=[
        "You need three tables of length T − 1: β and ᾱ without their first entries, and ᾱ without its last one.",
        "First the posterior's variance from these three, then the weight.",
        "Below the line stand four things: 2, the variance, α = 1 − β, and 1 − ᾱ.",
    ],
    insight="The simple loss puts 1 in the place of all these weights.",
)


def simple_loss(network, x0: Tensor, t: Tensor, noise: Tensor, alpha_bars: Tensor) -> Tensor:
    """The simple loss of DDPM.

    Noise the images, let the network predict the noise, take the mean of the squared error.
    network(x_t, t) returns a tensor of x_t's shape; it gets t as it is, in whole numbers.
    x0 (B, C, H, W), t LongTensor (B,), noise of x0's shape, alpha_bars (T,).
    Returns one number, the mean over images, channels and pixels. It is differentiable in the
    parameters of the network and in x0.
    """
    kept = alpha_bars[t].view(-1, 1, 1, 1)
    x_t = kept.sqrt() * x0 + (1 - kept).sqrt() * noise
    return (network(x_t, t) - noise).square().mean()


def simple_loss_by_mse(network, x0, t, noise, alpha_bars):
    return torch.nn.functional.mse_loss(network(q_sample(x0, t, alpha_bars, noise), t), noise.to(alpha_bars.dtype))


def simple_loss_image_by_image(network, x0, t, noise, alpha_bars):
    errors = noise - network(q_sample(x0, t, alpha_bars, noise), t)
    return torch.stack([(e * e).mean() for e in errors]).mean()


class ANetwork(nn.Module):
    """Stands for a network in the cases: it looks t up in a table."""

    def __init__(self, generator: torch.Generator, channels: int, T: int):
        super().__init__()
        self.gain = nn.Parameter(1 + normal(generator, channels, 1, 1))
        self.time = nn.Embedding.from_pretrained(normal(generator, T, channels), freeze=False)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return torch.tanh(self.gain * x + self.time(t)[:, :, None, None])

    def __repr__(self) -> str:
        return "a small network"


def _loss(measure: Callable = lambda e: e.square().mean(), **change: bool) -> Callable:
    def wrong(network, x0, t, noise, alpha_bars):
        kept = alpha_bars[t[:1].expand(len(t)) if change.get("first") else t].view(-1, 1, 1, 1)
        x_t = kept.sqrt() * x0 + (1 - kept).sqrt() * noise
        if change.get("rootless"):
            x_t = kept.sqrt() * x0 + (1 - kept) * noise
        if change.get("clean"):
            x_t = x0
        target = x0 if change.get("target_x0") else x_t if change.get("target_xt") else noise
        target = (1 - kept).sqrt() * noise if change.get("scaled") else target
        return measure(network(x_t, t - 1 if change.get("earlier") else t) - target)

    return wrong


def loss_case(times: list[int], *shape: int, bars: Tensor = BARS):
    return lambda g: (
        ANetwork(g, shape[1], len(bars)),
        normal(g, *shape),
        torch.tensor(times),
        normal(g, *shape),
        bars.float(),
    )


SIMPLE_LOSS = Exercise(
    name="02.simple_loss",
    title="The simple loss",
    minutes=5,
    level=2,
    reference=simple_loss,
    alternatives=[simple_loss_by_mse, simple_loss_image_by_image],
    cases=[
        loss_case([3], 1, 1, 1, 2),
        loss_case([1, 7], 2, 1, 2, 3),
        loss_case([5, 1, 2], 3, 2, 2, 2),
        loss_case([4, 0, 4], 3, 1, 3, 1, bars=ODD_BARS),
    ],
    package=InPackage(
        "Denoiser(network, schedule).loss(x0, t=t, noise=noise)",
        lambda network, x0, t, noise, alpha_bars: Denoiser(
            lambda x, times: network(x, times.long()), schedule_of(alpha_bars)
        ).loss(x0, t=t, noise=noise),
    ),
    invariants=[
        Invariant(
            "a perfect network has loss 0",
            lambda f: (
                float(
                    f(
                        lambda x, t: torch.full_like(x, 0.5),
                        torch.ones(2, 1, 2, 2),
                        torch.tensor([1, 4]),
                        torch.full((2, 1, 2, 2), 0.5),
                        BARS,
                    )
                )
                == 0
            ),
            "A network that returns exactly the noise must have loss 0. With yours it has not: what do you compare with?",
        ),
    ],
    mistakes=[
        Mistake(
            "compared with the image",
            _loss(target_x0=True),
            "You compare the prediction with the clean image. That trains a network that predicts x_0, a sensible one, "
            "but not the one that the sampler here expects.",
        ),
        Mistake(
            "compared with the noisy image",
            _loss(target_xt=True),
            "You compare the prediction with its own input. A network that copies its input would be perfect.",
        ),
        Mistake(
            "clean image as input",
            _loss(clean=True),
            "The network gets the clean image, so there is nothing for it to find. It must see x_t.",
        ),
        Mistake(
            "variance for standard deviation",
            _loss(rootless=True),
            "Your x_t has noise with the factor 1 − ᾱ. That is its variance; the factor is the root.",
        ),
        Mistake(
            "sum for mean",
            _loss(lambda e: e.square().sum()),
            "You sum over all pixels of the batch. The papers' |·|² is such a sum, the docstring asks for the mean; "
            "the two differ by a factor of B·C·H·W, and the learning rate that fits one does not fit the other.",
        ),
        Mistake(
            "absolute error",
            _loss(lambda e: e.abs().mean()),
            "You take the absolute error. The KL between Gaussians is quadratic: square it.",
        ),
        Mistake(
            "root of the mean square",
            _loss(lambda e: e.square().mean().sqrt()),
            "You take the root at the end. The loss is the squared error itself.",
        ),
        Mistake(
            "t off by one",
            _loss(earlier=True),
            "You noise with t and tell the network t − 1. It must be told the level that its input really has.",
        ),
        Mistake(
            "the first level for all",
            _loss(first=True),
            "You noise the whole batch to the level of its first image. Each image has a t of its own, and the network is told it.",
        ),
        Mistake(
            "t not as it is",
            lambda network, x0, t, noise, alpha_bars: simple_loss(
                lambda x, t: network(x, t.float()), x0, t, noise, alpha_bars
            ),
            "Your network gets a floating-point number in the place of t, and this one looks t up in a table of T entries. Pass t on as it "
            "is: not as a share of the chain, not as ᾱ.",
        ),
        Mistake(
            "one number an image",
            _loss(lambda e: e.square().mean(dim=(1, 2, 3))),
            "This is the loss of each image, (B,). One step of training needs one number: the mean over the images too.",
        ),
        Mistake(
            "sum over the pixels",
            _loss(lambda e: e.square().sum(dim=(1, 2, 3)).mean()),
            "You sum over the pixels of each image, as the papers' |·|² does, and take the mean over the images. The docstring asks for "
            "the mean over the pixels as well.",
        ),
        Mistake(
            "averaged before squaring",
            _loss(lambda e: e.mean() ** 2),
            "You square the mean of the errors, in which those above and below cancel. Square each first.",
        ),
        Mistake(
            "scaled noise as target",
            _loss(scaled=True),
            "You compare with √(1 − ᾱ)·noise, the noise as it is in x_t. The network predicts ε itself, of variance 1 at every level.",
        ),
        Mistake(
            "half of it",
            _loss(lambda e: e.square().mean() / 2),
            "Yours is half of the mean square. The ½ of a Gaussian's exponent is among the weights that the simple loss leaves out.",
        ),
    ],
    gradients=["network", "x0"],
    hints=[
        "Three steps: make x_t, ask the network, compare.",
        "Your q_sample makes x_t. The network needs x_t and t.",
        "The answer of the network is compared with the noise that went into x_t: square the difference, take the mean.",
    ],
    insight="This line is all that is trained, in DDPM as in Stable Diffusion.",
    allowed={"* called twice": "the same at twice the price, which the stub does not forbid"},
)


EXERCISES = [
    FORWARD_STEP,
    ALPHA_BARS,
    Q_SAMPLE,
    NOISE_ROW,
    SNR,
    LOST_AT,
    COSINE_BETAS,
    SIGNAL_AT_500,
    WASTED,
    POSTERIOR,
    REVERSE_MEAN,
    GAUSSIAN_KL,
    STEP_KL,
    NOISE_WEIGHTS,
    SIMPLE_LOSS,
]

QUIZZES = [
    Quiz(
        "02.words",
        title="Find the wrong word",
        questions=[
            Question(
                "“The steps of the forward chain may be taken as Gaussian if they are small enough.” What is wrong?",
                options=[
                    Option(
                        "Nothing: a large step would not be Gaussian",
                        "Forward steps are drawn from a Gaussian because we choose so, of any size. What else needs small steps?",
                    ),
                    Option(
                        "“Forward”: the condition is for the way back",
                        "Forward steps are Gaussian by choice. Their reversal is nearly Gaussian only if they are small.",
                        right=True,
                    ),
                    Option(
                        "“Small”: only large steps end in a Gaussian",
                        "Many small steps end in one as well. Look again at the figure with two hills.",
                    ),
                ],
            ),
            Question(
                "“A denoiser carries out the transition from xₜ₋₁ to xₜ.” What is wrong?",
                options=[
                    Option(
                        "The direction: it serves xₜ → xₜ₋₁",
                        "xₜ₋₁ → xₜ is the fixed noising, in which nothing is learned.",
                        right=True,
                    ),
                    Option(
                        "The input: a denoiser does not need t",
                        "It does: the same picture means something else at another noise level.",
                    ),
                    Option(
                        "The ends: it goes from x₀ to pure noise",
                        "That is the noising, all of it at once. Is noising what a denoiser does?",
                    ),
                ],
            ),
            Question(
                "“The network learns how much noise is in the picture.” What is wrong?",
                options=[
                    Option(
                        "Nothing: the amount of noise is its output",
                        "Its output has the shape of the picture, one value for every pixel. Is that an amount?",
                    ),
                    Option(
                        "“How much”: it learns which noise it is",
                        "How much there is, is given by t. The output is the noise itself, one value for every pixel.",
                        right=True,
                    ),
                    Option(
                        "“Noise”: it learns the clean picture",
                        "It may be trained that way as well, but DDPM's predicts noise.",
                    ),
                ],
            ),
        ],
    ),
    Quiz(
        "02.end",
        title="At the end of lesson 02",
        questions=[
            Question(
                "When is the end of the chain close to pure standard noise?",
                options=[
                    Option(
                        "When T, the number of steps, is large",
                        "With tiny β a hundred thousand steps can leave half of the signal: a cell above did it.",
                    ),
                    Option(
                        "When ᾱ at the last step is close to 0",
                        "It is the share of the variance that is still data. It is a product: the sum of the β must be large.",
                        right=True,
                    ),
                    Option(
                        "When the data themselves are Gaussian",
                        "Any data will do, Gaussian or not, once their share has gone.",
                    ),
                ],
            ),
            Question(
                "The loss of DDPM is called a variational lower bound. What is it to the negative log-likelihood, in expectation?",
                options=[
                    Option(
                        "An upper bound, and it is minimised",
                        "It lies above. Its name says lower because the same number with a minus bounds log p from below.",
                        right=True,
                    ),
                    Option(
                        "A lower bound, as its name says",
                        "The name is about log p. Turn the sign: what becomes of lower?",
                    ),
                    Option(
                        "Equal to it, split up into KLs",
                        "Only if the model's chain given x₀ equals q. Otherwise a KL between the two is the difference.",
                    ),
                ],
            ),
            Question(
                "Which of the three parts of the bound has no trainable parameter?",
                options=[
                    Option(
                        "L₀, the likelihood of x₀ given x₁",
                        "That is the last step of the model, and trained like the others.",
                    ),
                    Option(
                        "Lₜ₋₁, the KLs of the steps between",
                        "These compare the posterior with the model: the network is in each of them.",
                    ),
                    Option(
                        "The KL at the noisy end, to N(0, I)",
                        "It compares the end of the fixed forward chain with the fixed start of the way back.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "Why is the cosine schedule preferred for small images?",
                options=[
                    Option(
                        "It reaches the same level of noise in fewer steps",
                        "Both have T steps; they differ in where these lie.",
                    ),
                    Option(
                        "It spreads the loss of signal over the whole chain",
                        "The linear one has lost nearly everything after two thirds; its last third works on almost pure noise.",
                        right=True,
                    ),
                    Option(
                        "It ends with more signal left, so the start is easier",
                        "It ends with even less: ᾱ is about 2·10⁻⁹ there, against 4·10⁻⁵.",
                    ),
                ],
            ),
            Question(
                "What does the simple loss change in the bound?",
                options=[
                    Option(
                        "It gives the error at every noise level the weight 1",
                        "The minimum of each term stays the same; what changes is how much the levels count when one network serves all.",
                        right=True,
                    ),
                    Option(
                        "It makes the bound tighter, so that training is easier",
                        "It is no bound any more: what made it one has been left out.",
                    ),
                    Option(
                        "It takes a distance of pictures in place of the KL",
                        "For one t it is the same squared error that the KL is, times a number.",
                    ),
                ],
            ),
        ],
    ),
]
