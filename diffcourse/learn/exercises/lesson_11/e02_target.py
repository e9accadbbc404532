"""What a stranger's network is trained to predict."""

from collections.abc import Callable

import torch
from torch import Tensor

from diffcourse.learn.exercise import Exercise, Invariant, Mistake
from diffcourse.learn.exercises.lesson_11 import _strangers as their


def target(loss: Callable, alphas: Tensor, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """Find out what a network is asked to predict in a training whose code you cannot read.

    loss(network, x0, seed) is a stranger's training loss, as in probe_forward: it calls
    network(x_t, t) once with x_t = alpha(t)·x0 + sigma(t)·eps, (B, D), and t (B,); one seed
    draws one t and eps. alphas, sigmas (T,), positive, are known by now. What the network
    answers is compared with a(t)·x0 + b(t)·eps by a squared error; the squares are multiplied
    by positive weights, which depend on t in a way you do not know, and added up or averaged.
    The loss is differentiable in the network's answer. The network may answer anything.
    Returns a and b, two tensors (T,). Both can be found without any error of chance; up to
    0.1 % is allowed, and where one of them is 0, up to 1e-5.
    """
    T = len(alphas)

    def asked(x0: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the network was asked to say, row by row; what it was given."""
        slopes: list[Tensor] = []
        seen: list[Tensor] = []
        for answer in (torch.zeros_like(x0), torch.ones_like(x0)):
            answer.requires_grad_()

            def network(x: Tensor, t: Tensor, answer: Tensor = answer) -> Tensor:
                seen[:] = x, t
                return answer

            slopes.append(torch.autograd.grad(loss(network, x0, 0), answer)[0])
        return -slopes[0] / (slopes[1] - slopes[0]), seen[0].detach(), seen[1]

    black = torch.zeros(40 * T, 8, dtype=torch.float64)
    noise, x, t = asked(black)
    both, _, _ = asked(black + 1)
    eps = x / sigmas.double()[t, None]
    a = [(both - noise)[t == k].mean() for k in range(T)]
    b = [(noise * eps)[t == k].sum() / eps[t == k].square().sum() for k in range(T)]
    return torch.stack(a), torch.stack(b)


def by_least_squares(loss, alphas, sigmas):
    """Random images; the target from two gradients; a line in x0 and eps at every step."""
    g = torch.Generator().manual_seed(5)
    x0 = torch.randn(100 * len(alphas), 6, generator=g, dtype=torch.float64)
    kept = {}

    def network(x, t):
        kept["x"], kept["t"] = x.detach(), t
        kept["answer"] = (kept["constant"] * torch.ones_like(x)).requires_grad_()
        return kept["answer"]

    slopes = []
    for constant in (-1.0, 2.0):
        kept["constant"] = constant
        value = loss(network, x0, 7)
        slopes.append(torch.autograd.grad(value, kept["answer"])[0])
    curvature = (slopes[1] - slopes[0]) / 3
    wanted = -1.0 - slopes[0] / curvature
    t, x = kept["t"], kept["x"]
    eps = (x - alphas.double()[t, None] * x0) / sigmas.double()[t, None]
    rows = []
    for k in range(len(alphas)):
        basis = torch.stack([x0[t == k].flatten(), eps[t == k].flatten()], 1)
        rows.append(torch.linalg.lstsq(basis, wanted[t == k].reshape(-1, 1)).solution.flatten())
    a, b = torch.stack(rows).unbind(1)
    return a, b


def by_descent(loss, alphas, sigmas):
    """Newton's step on the answer: the loss is a parabola in every number of it, so one is enough."""
    T = len(alphas)
    found = []
    for value in (0.0, 3.0):
        x0 = torch.full((60 * T, 10), value, dtype=torch.float64)
        seen = {}

        def answered(answer, x0=x0, seen=seen):
            return loss(lambda x, t: seen.update(x=x, t=t) or answer, x0, 1)

        start = torch.zeros_like(x0, requires_grad=True)
        (slope,) = torch.autograd.grad(answered(start), start, create_graph=True)
        (curve,) = torch.autograd.grad(slope.sum(), start)
        found.append((-slope.detach() / curve, seen["x"].detach(), seen["t"]))
    (black, x, t), (grey, _, _) = found
    a = torch.tensor([((grey - black)[t == k] / 3).mean().item() for k in range(T)])
    b = torch.tensor([(black[t == k] / x[t == k]).median().item() * float(sigmas[k]) for k in range(T)])
    return a, b


def _with(change: Callable) -> Callable:
    return lambda loss, alphas, sigmas: change(*target(loss, alphas, sigmas), alphas.double(), sigmas.double())


def _slope_only(loss: Callable, alphas: Tensor, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """The gradient at the answer 0, never divided by the curvature."""
    T, kept = len(alphas), []
    for value in (0.0, 1.0):
        x0, seen = torch.full((40 * T, 8), value, dtype=torch.float64), list[Tensor]()
        answer = torch.zeros_like(x0, requires_grad=True)

        def network(x: Tensor, t: Tensor, seen: list[Tensor] = seen, answer: Tensor = answer) -> Tensor:
            seen[:] = x, t
            return answer

        (slope,) = torch.autograd.grad(loss(network, x0, 0), answer)
        kept.append((-slope, seen[0].detach(), seen[1]))
    (black, x, t), (white, _, _) = kept
    eps = x / sigmas.double()[t, None]
    a = torch.stack([(white - black)[t == k].mean() for k in range(T)])
    b = torch.stack([(black * eps)[t == k].sum() / eps[t == k].square().sum() for k in range(T)])
    return a, b


def _weight_one(
    loss: Callable, alphas: Tensor, sigmas: Tensor, of: Callable = lambda n: n / 2
) -> tuple[Tensor, Tensor]:
    """The gradient at the answer 0 as if the squares had the weight 1: times n/2 for a mean, 1/2 for a sum."""
    a, b = _slope_only(loss, alphas, sigmas)
    times = of(40 * len(alphas) * 8)
    return times * a, times * b


def _nearest(a: Tensor, b: Tensor, alphas: Tensor, sigmas: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest of eps, x0 and v."""
    zero = torch.zeros_like(a)
    rows = [(zero, zero + 1), (zero + 1, zero), (-sigmas, alphas)]
    far = torch.stack([((a - r[0]) ** 2 + (b - r[1]) ** 2).sum() for r in rows])
    return rows[int(far.argmin())]


def measured(f: Callable) -> bool:
    """For a target that is none of the usual ones, not one of these."""
    alphas, sigmas = torch.tensor([0.9, 0.5]), torch.tensor([0.4, 0.9])
    a, b = f(their.stranger([0.9, 0.5], [0.4, 0.9], lambda a, s: (a - s, 2 * s)), alphas, sigmas)
    usual = [(0 * alphas, 0 * alphas + 1), (0 * alphas + 1, 0 * alphas), (-sigmas, alphas), (alphas, sigmas)]
    close = [
        torch.allclose(a.double(), x.double(), atol=1e-3) and torch.allclose(b.double(), y.double(), atol=1e-3)
        for x, y in usual
    ]
    return not any(close)


def _case(alphas: list[float], sigmas: list[float], row: Callable, **how) -> tuple:
    return their.stranger(alphas, sigmas, row, **how), torch.tensor(alphas), torch.tensor(sigmas)


VP = [0.98, 0.8, 0.6, 0.28], [0.199, 0.6, 0.8, 0.96]

EXERCISE = Exercise(
    name="11.target",
    title="What a stranger's network is asked for",
    minutes=15,
    level=3,
    reference=target,
    alternatives=[by_least_squares, by_descent],
    gradients=[],
    tolerance=3e-3,
    allowed={"*": "other images and other answers of the network find the same target"},
    cases=[
        _case([0.8], [0.6], their.velocity),
        _case(*VP, their.noise),
        _case(*VP, their.image, weight=lambda s: 1 + 3 * s),
        _case(*VP, their.velocity, summed=True),
        _case([1.0, 1.0, 1.0], [0.5, 2.0, 5.0], their.score, weight=lambda s: s**2),
        _case([0.9, 0.5, 0.1], [0.1, 0.5, 0.9], their.flow, weight=lambda s: 0.2 / s),
        _case(*VP, their.itself),
    ],
    invariants=[
        Invariant(
            "whatever the target is",
            measured,
            "For a stranger whose target is none of the usual ones (a = alpha - sigma, b = 2 sigma), yours finds one of these. Measure "
            "it; do not choose from a list.",
        ),
    ],
    mistakes=[
        Mistake("exchanged", _with(lambda a, b, al, si: (b, a)), "Right, but the noise's share comes first in yours."),
        Mistake(
            "sign",
            _with(lambda a, b, al, si: (-a, -b)),
            "Both signs are turned. In which direction from the answer does the gradient of a squared error point?",
        ),
        Mistake(
            "gradient for target",
            _slope_only,
            "You read the target off the gradient at one answer. The gradient is the difference to the target times something: the "
            "weight, and the 1/n of a mean. What would a second answer tell?",
        ),
        Mistake(
            "weights taken as 1",
            _weight_one,
            "Right for a plain mean of squares. Others have weights by step, or add up; a second answer tells the slope of the gradient, "
            "and with it the weight.",
        ),
        Mistake(
            "a sum with weights 1",
            lambda loss, alphas, sigmas: _weight_one(loss, alphas, sigmas, lambda n: 0.5),
            "Right for a plain sum of squares. Others are means, or have weights by step; a second answer tells the slope of the "
            "gradient, and with it the weight.",
        ),
        Mistake(
            "x_t for noise",
            _with(lambda a, b, al, si: (a, b / si)),
            "Your b belongs to x_t at a black image, which is sigma·eps and not eps.",
        ),
        Mistake(
            "noise left in a",
            _with(lambda a, b, al, si: (a + b, b)),
            "Your a holds the noise's share as well. What is the target for a white image made of, and how does the noise go out?",
        ),
        Mistake(
            "share of x_t in a",
            _with(lambda a, b, al, si: (a + b * al / si, b)),
            "Your a is too large by what of x_t's image you count as noise: with a white image, x_t over sigma is not eps alone.",
        ),
        Mistake(
            "clean share in a",
            _with(lambda a, b, al, si: (a - b * al / si, b / si)),
            "You write the target as a sum of x0 and x_t. It is asked for as a sum of x0 and eps.",
        ),
        Mistake(
            "half",
            _with(lambda a, b, al, si: (a / 2, b / 2)),
            "Both are half as large as they should be. The derivative of a square has a 2; where does it go?",
        ),
        Mistake(
            "twice",
            _with(lambda a, b, al, si: (2 * a, 2 * b)),
            "Both are twice as large as they should be. The derivative of a square has a 2; where does it go?",
        ),
        Mistake(
            "from a list",
            _with(_nearest),
            "You choose the nearest of noise, image and velocity. Strangers have other targets, too, and mistakes of their own: measure "
            "it.",
        ),
        Mistake(
            "steps averaged",
            _with(lambda a, b, al, si: (a.mean().expand_as(a).clone(), b.mean().expand_as(b).clone())),
            "Yours are the same at all steps: averages. The target may change from step to step, as that of v does.",
        ),
        Mistake(
            "from the end",
            _with(lambda a, b, al, si: (a.flip(0), b.flip(0))),
            "Right numbers, from the last step to the first.",
        ),
        Mistake(
            "times the factors",
            _with(lambda a, b, al, si: (a * al, b * si)),
            "You give the parts with which x_t is made in addition. How much of x0 and of eps the target holds is asked for.",
        ),
        Mistake(
            "noise only",
            _with(lambda a, b, al, si: (torch.zeros_like(a), b)),
            "You look at the noise's share alone. What is the target made of when the image is not black?",
        ),
        Mistake(
            "image only",
            _with(lambda a, b, al, si: (a, torch.zeros_like(b))),
            "You look at the image's share alone. What is the target made of when the image is black?",
        ),
    ],
    hints=[
        "The loss is least where the network's answer is the target. In every number of the answer it is a parabola.",
        "A parabola's slope is a straight line. Its slope at two answers, say 0 and 1, tells where it crosses zero: there is the target, "
        "whatever the weight. (Both calls with the same seed.)",
        "With black images the target is b·eps, and x_t is sigma·eps. With white images and the same seed it is a + b·eps. Sort by t.",
    ],
    insight="(0, 1) is the noise, (1, 0) the image, (−sigma, alpha) is v, and whatever else comes out is a finding.",
)
