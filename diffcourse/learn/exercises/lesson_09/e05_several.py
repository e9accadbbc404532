"""Several prompts at once."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal
from diffcourse.learn.exercises.lesson_09._cases import gaussian


def several(eps: Tensor, weights: list[float]) -> Tensor:
    """The noise for several prompts at once, each with a weight.

    eps (K + 1, B, …), estimates at one x and one level: row 0 without a text, row k with
    prompt k alone. Each stands for a density of the noisy x by its score: ∇ log p(x) =
    -eps[0]/sigma and ∇ log p(x|c_k) = -eps[k]/sigma. Returned is the eps (B, …) that in the
    same way stands for
        q(x) ∝ p(x) · [p(x|c_1)/p(x)]^w_1 · … · [p(x|c_K)/p(x)]^w_K.
    weights: the K numbers w_1 … w_K, K >= 1. They need not add up to anything; a prompt to
    move away from has a negative one. Differentiable in eps.
    """
    return eps[0] + sum(w * (e - eps[0]) for w, e in zip(weights, eps[1:], strict=True))


def by_powers(eps, weights):
    """The exponents of all K + 1 densities: what the prompts take is what the first has left."""
    powers = torch.tensor([1 - sum(weights), *weights]).to(eps)
    return torch.einsum("k,k...->...", powers, eps)


def in_a_loop(eps, weights):
    out = eps[0].clone()
    for k in range(len(weights)):
        out = out + weights[k] * eps[k + 1] - weights[k] * eps[0]
    return out


def by_broadcasting(eps, weights):
    none, given = eps[:1], eps[1:]
    w = torch.as_tensor(weights, dtype=eps.dtype).view(-1, *[1] * (eps.ndim - 1))
    return (none + (w * (given - none)).sum(dim=0, keepdim=True)).squeeze(0)


def by_tensordot(eps, weights):
    away = eps[1:] - eps[0].expand_as(eps[1:])
    return torch.tensordot(torch.tensor(weights, dtype=eps.dtype), away, dims=1) + eps[0]


def _wrong(
    start: Callable = lambda eps, weights: eps[0],
    weigh: Callable = lambda weights: weights,
    move: Callable = lambda eps, k: eps[k] - eps[0],
) -> Callable:
    """several with a part of its own."""

    def wrong(eps, weights):
        return start(eps, weights) + sum(w * move(eps, k) for k, w in enumerate(weigh(weights), 1))

    return wrong


def _one_after_the_other(eps, weights):
    out = eps[0]
    for w, e in zip(weights, eps[1:], strict=True):
        out = out + w * (e - out)
    return out


def _literally(eps, weights):
    out = eps[0]
    for w, e in zip(weights, eps[1:], strict=True):
        out = out * (e / eps[0]) ** w
    return out


def prompts(*weights: float, shape: tuple[int, ...] = (2, 3)) -> Callable:
    return lambda g: (normal(g, len(weights) + 1, *shape), list(weights))


EPS = gaussian(4, 2, 3, seed=5)


def product_of_gaussians(f: Callable) -> bool:
    """N(0, 1) without a text, N(m, 1/(1 + a)) with it: q's precision and mean are sums. At sigma = 1 eps is minus the score."""
    x, (m, a), (n, b), (v, w) = gaussian(2, 3), (1.0, 0.5), (-2.0, 1.0), (0.5, -0.25)
    eps = torch.stack([x, (1 + a) * (x - m), (1 + b) * (x - n)])
    precision = 1 + v * a + w * b
    mean = (v * (1 + a) * m + w * (1 + b) * n) / precision
    return close(f(eps, [v, w]), precision * (x - mean), 1e-4)


EXERCISE = Exercise(
    name="09.several",
    title="Several prompts at once",
    minutes=6,
    level=2,
    reference=several,
    alternatives=[by_powers, in_a_loop, by_broadcasting, by_tensordot],
    cases=[
        (torch.tensor([[[1.0, -0.5]], [[0.5, 1.0]], [[2.0, 0.25]]]), [2.0, 0.5]),
        prompts(7.5),
        prompts(0.5, 1.5, shape=(3, 1, 2)),
        prompts(3.0, -1.0, 0.7, shape=(2, 2)),
        prompts(-0.5, 0.25, 0.75, 2.0, shape=(1, 4, 2, 3)),
    ],
    invariants=[
        Invariant(
            "all weights 0",
            lambda f: close(f(EPS, [0.0, 0.0, 0.0]), EPS[0], 1e-4),
            "With weights of 0 no prompt has a say: q is p(x), and its eps is row 0. Yours is another one.",
        ),
        Invariant(
            "one prompt with weight 1",
            lambda f: close(f(EPS, [0.0, 1.0, 0.0]), EPS[2], 1e-4),
            "With weight 1 for one prompt and 0 for the others, q is p(x|c) of that prompt, and its eps the prompt's row. Yours is another "
            "one.",
        ),
        Invariant(
            "a prompt twice",
            lambda f: close(f(EPS[[0, 1, 1]], [0.5, 1.5]), f(EPS[[0, 1]], [2.0]), 1e-4),
            "One prompt given twice, with weights 0.5 and 1.5, is the same density as given once with weight 2. Yours makes two different "
            "things of them.",
        ),
        Invariant(
            "Gaussians",
            product_of_gaussians,
            "Three Gaussian densities, whose q is a Gaussian too, worked out by hand: your eps is not the one that stands for it.",
        ),
    ],
    mistakes=[
        Mistake(
            "the weighted sum",
            _wrong(start=lambda eps, weights: 0 * eps[0], move=lambda eps, k: eps[k]),
            "This is the weighted sum of the prompts' rows, which stands for the product of the p(x|c) to their powers. In q each is "
            "divided by p(x), and p(x) itself is a factor.",
        ),
        Mistake(
            "not divided by p(x)",
            _wrong(move=lambda eps, k: eps[k]),
            "You add the prompts' rows to row 0 as they are. In q each density is divided by p(x): what does a quotient become in a "
            "logarithm?",
        ),
        Mistake(
            "without p(x)",
            _wrong(start=lambda eps, weights: 0 * eps[0]),
            "This stands for the product of the quotients alone. p(x), in front of them, is missing.",
        ),
        Mistake(
            "shares of the sum",
            _wrong(weigh=lambda weights: [w / sum(weights) for w in weights]),
            "You divide the weights by their sum. They are powers, which need not add up to anything: with twice the weights q is sharper.",
        ),
        Mistake(
            "the mean of the prompts",
            _wrong(weigh=lambda weights: [w / len(weights) for w in weights]),
            "You divide by the number of prompts. A product of K factors has a logarithm that is a sum, not a mean: a second prompt must "
            "not halve what the first one says.",
        ),
        Mistake(
            "p(x) for each prompt",
            _wrong(start=lambda eps, weights: len(weights) * eps[0]),
            "You have added up the guided eps of each prompt, so row 0 is counted once for every prompt. In q the factor p(x) stands once.",
        ),
        Mistake(
            "away from all",
            _wrong(move=lambda eps, k: eps[0] - eps[k]),
            "The direction is turned round: with a positive weight yours leads away from the prompt.",
        ),
        Mistake(
            "one more",
            _wrong(weigh=lambda weights: [1 + w for w in weights]),
            "Your powers are 1 + w, as Ho and Salimans count guidance. In q they are w: with all weights 0 no prompt has a say.",
        ),
        Mistake(
            "from the first prompt",
            lambda eps, weights: (
                eps[1]
                + weights[0] * (eps[1] - eps[0])
                + sum(w * (e - eps[0]) for w, e in zip(weights[1:], eps[2:], strict=True))
            ),
            "You start at the first prompt's row, so its weight counts one more than it says. q starts from p(x).",
        ),
        Mistake(
            "one after the other",
            _one_after_the_other,
            "You guide from prompt to prompt, each from where the one before has led. So the first ones' weights shrink by those behind, "
            "and the order counts. In q the prompts are factors, whose order does not.",
        ),
        Mistake(
            "from prompt to prompt",
            _wrong(move=lambda eps, k: eps[k] - eps[k - 1]),
            "You compare each prompt with the one before it. In q each is divided by p(x), which is row 0.",
        ),
        Mistake(
            "a row too early",
            _wrong(move=lambda eps, k: eps[k - 1] - eps[0]),
            "Your weights are one row too early: weights[0] belongs to row 1, the first prompt, as row 0 has no text.",
        ),
        Mistake(
            "powers of eps",
            _literally,
            "You put the rows of eps where q has densities. A row stands for the derivative of a density's logarithm: take the logarithm "
            "of q first, and then its derivative.",
        ),
        Mistake(
            "no way back",
            _wrong(weigh=lambda weights: [max(w, 0.0) for w in weights]),
            "You leave out the prompts with a negative weight. They count: away from what they say.",
        ),
        Mistake(
            "without signs",
            _wrong(weigh=lambda weights: [abs(w) for w in weights]),
            "You take a negative weight for a positive one, so the picture moves towards what it should leave.",
        ),
        Mistake(
            "the score",
            lambda eps, weights: -(eps[0] + sum(w * (e - eps[0]) for w, e in zip(weights, eps[1:], strict=True))),
            "Yours points the other way everywhere. eps and score have opposite signs, so on the way there and back the sign turns twice.",
        ),
        Mistake(
            "row by row",
            lambda eps, weights: torch.stack(
                [eps[0] + w * (e - eps[0]) for w, e in zip(weights, eps[1:], strict=True)]
            ),
            "These are K estimates, each guided by one prompt. One is asked for, in which all have a say.",
        ),
    ],
    hints=[
        "Take the logarithm of q. A product becomes a sum, a quotient a difference, a power a factor, and what is only proportional a "
        "constant.",
        "Take the derivative in x, and put in the scores. Each is the same number times its eps, so that number falls out.",
        "Row 0, and for every prompt its weight times the difference of its row from row 0.",
    ],
    insight="With one prompt this is classifier-free guidance, and the negative prompt of the menus is the case of two weights w and "
    "1 − w, in which row 0 drops out (Liu et al. 2022, composable diffusion). The densities are multiplied at each level of noise; to "
    "multiply those of the pictures and then add noise would be something else, so the walk does not end exactly in the product.",
)
