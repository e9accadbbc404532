"""Exercises of every kind, for the tests of diffcourse.learn only."""

import torch
from torch import Tensor, nn

from diffcourse.learn.exercise import Case, Counts, Exercise, Invariant, Mistake, Option, Question, Quiz

HINTS = ["Look at the docstring.", "Think of the two ends.", "Write the two terms one after the other."]


def noised(x0: Tensor, alpha_bar: float, eps: Tensor) -> Tensor:
    """Noise clean data in one step.

    x0 (B, …) clean data, alpha_bar a number in (0, 1], eps noise of x0's shape. Returns x_t, of x0's shape. Differentiable in x0 and eps.
    """
    return alpha_bar**0.5 * x0 + (1 - alpha_bar) ** 0.5 * eps


def noised_in_a_loop(x0, alpha_bar, eps):
    return torch.stack([alpha_bar**0.5 * x + (1 - alpha_bar) ** 0.5 * e for x, e in zip(x0, eps, strict=True)])


def noised_with_variance(x0, alpha_bar, eps):
    return alpha_bar**0.5 * x0 + (1 - alpha_bar) * eps


def draw(alpha_bar, *shape):
    return lambda g: (torch.randn(shape, generator=g), alpha_bar, torch.randn(shape, generator=g))


VARIANCE = "Your noise is multiplied by its variance. Multiplying by c multiplies the variance by c²."

NOISED = Exercise(
    name="98.noised",
    title="Noise in one step",
    reference=noised,
    alternatives=[noised_in_a_loop],
    cases=[draw(0.9, 2, 3), draw(0.3, 4, 2), (torch.tensor([[1.0, 2.0]]), 0.5, torch.tensor([[0.5, -1.0]]))],
    invariants=[
        Invariant(
            "clean end",
            lambda f: bool((f(torch.ones(2), 1.0, torch.ones(2)) == 1).all()),
            "With alpha_bar = 1 no noise has been added yet.",
        ),
    ],
    mistakes=[
        Mistake("variance for standard deviation", noised_with_variance, VARIANCE),
        Mistake("no root", lambda x0, a, eps: a * x0 + (1 - a) ** 0.5 * eps, "Your signal is scaled by its power."),
        Mistake("wrong sign", lambda x0, a, eps: a**0.5 * x0 - (1 - a) ** 0.5 * eps, "Your noise is taken away."),
        Mistake("swapped", lambda x0, a, eps: (1 - a) ** 0.5 * x0 + a**0.5 * eps, "Your two scales are exchanged."),
        Mistake("one noise for all", lambda x0, a, eps: noised(x0, a, eps.flatten()[0]), "All entries get one noise."),
        Mistake("wrong name", lambda x0, a, eps: x0.alpha * a, "A tensor has no field of that name."),
    ],
    hints=HINTS,
    insight="One step is enough for any time.",
)


class Block(nn.Module):
    """A linear layer `linear` (width in, width out) with a residual connection and a scale `scale`, which starts at 1."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, width) -> (B, width)."""
        return x + self.scale * torch.tanh(self.linear(x))


class ByHand(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.scale, self.linear = nn.Parameter(torch.ones(1)), nn.Linear(width, width)

    def forward(self, x):
        return x + self.scale * (x @ self.linear.weight.T + self.linear.bias).tanh()


class NoResidual(Block):
    def forward(self, x):
        return self.scale * torch.tanh(self.linear(x))


class NoScale(Block):
    def forward(self, x):
        return x + torch.tanh(self.linear(x))


class NoBias(Block):
    def __init__(self, width):
        super().__init__(width)
        self.linear = nn.Linear(width, width, bias=False)


class Sigmoid(Block):
    def forward(self, x):
        return x + self.scale * torch.sigmoid(self.linear(x))


def block_case(width, batch):
    return lambda g: Case(args=(width,), inputs=(torch.randn(batch, width, generator=g),))


BLOCK = Exercise(
    name="98.Block",
    title="A residual block",
    kind="class",
    reference=Block,
    alternatives=[ByHand],
    cases=[block_case(3, 2), block_case(4, 5)],
    allowed={"torch.ones(1) -> torch.zeros(1)": "the parameters are loaded, so that their first values do not count"},
    mistakes=[
        Mistake("no residual", NoResidual, "Your block forgets its input."),
        Mistake("no scale", NoScale, "Your block has a scale and never uses it."),
        Mistake("no bias", NoBias, "Your layer has no bias."),
        Mistake("sigmoid", Sigmoid, "Your bend is never negative."),
    ],
    hints=HINTS,
)


def half_life() -> float:
    """Where half of the amplitude is left."""
    return 0.5**2


VALUE = Exercise(
    name="98.half",
    title="Half of the amplitude",
    kind="value",
    reference=half_life,
    mistakes=[
        Mistake("amplitude", 0.5, "That is the amplitude; alpha_bar is about power."),
        Mistake("root", lambda: 0.5**0.5, "That is a root too many."),
        Mistake("rest", 0.75, "That is what is lost."),
        Mistake("per cent", 25, "That is per cent."),
    ],
    hints=HINTS,
)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance over the batch: x (B, D) gives two tensors (D,), differentiable in x."""
    return x.mean(0), x.var(0, correction=0)


def moments_by_hand(x):
    m = sum(x) / len(x)
    return m, sum((row - m) ** 2 for row in x) / len(x)


MOMENTS = Exercise(
    name="98.moments",
    title="Two outputs",
    reference=moments,
    alternatives=[moments_by_hand],
    cases=[lambda g: (torch.randn(5, 3, generator=g),), lambda g: (torch.randn(4, 2, generator=g),)],
    mistakes=[
        Mistake(
            "deviation",
            lambda x: (x.mean(0), x.std(0, correction=0)),
            "Your output is the standard deviation: square it.",
        ),
        Mistake("corrected", lambda x: (x.mean(0), x.var(0)), "You divide by one less than there are."),
        Mistake(
            "wrong dimension", lambda x: (x.mean(1), x.var(1, correction=0)), "You average over the wrong dimension."
        ),
        Mistake("second moment", lambda x: (x.mean(0), (x**2).mean(0)), "The mean was not taken away."),
    ],
    allowed={"x rows reversed": "a mean does not know the order"},
    hints=HINTS,
)


def factors(a: Tensor) -> tuple[Tensor, Tensor]:
    """Two matrices, (n, n) and (n, m), whose product is a (n, m), n < m. Any two of them are right. No gradient is needed."""
    return a.new_ones(len(a)).diag(), a


def factors_by_qr(a):
    return torch.linalg.qr(a.double())


FACTORS = Exercise(
    name="98.factors",
    title="What counts is the product",
    reference=factors,
    alternatives=[factors_by_qr, lambda a: [torch.eye(len(a)).to(a) / 2, 2 * a]],
    counts=Counts("first @ second", lambda pair: pair[0] @ pair[1]),
    cases=[lambda g: (torch.randn(2, 3, generator=g),), lambda g: (torch.randn(4, 5, generator=g),)],
    mistakes=[
        Mistake("squared", lambda a: (a @ a.mT, a), "Your product has a in it three times."),
        Mistake("negative", lambda a: (torch.eye(len(a)).to(a), -a), "The sign is turned."),
        Mistake("the matrix alone", lambda a: a, "This is the product. Its factors are asked for."),
        Mistake("sum", lambda a: (torch.ones(len(a), len(a)).to(a), a), "Your product has the sums of columns."),
    ],
    gradients=[],
    hints=HINTS,
)


def by_name(a: Tensor) -> dict[str, Tensor]:
    """{"sum": …, "largest": …} of each row: a (n, m) gives two tensors (n,). No gradient is needed."""
    return {"sum": a.sum(1), "largest": a.amax(1)}


BY_NAME = Exercise(
    name="98.by_name",
    title="Two outputs by name",
    reference=by_name,
    alternatives=[lambda a: {"largest": torch.stack([row.max() for row in a]), "sum": sum(a.mT)}],
    cases=[lambda g: (torch.randn(2, 3, generator=g),), lambda g: (torch.randn(4, 5, generator=g),)],
    mistakes=[
        Mistake("mean", lambda a: {"sum": a.mean(1), "largest": a.amax(1)}, "This is the mean."),
        Mistake("smallest", lambda a: {"sum": a.sum(1), "largest": a.amin(1)}, "This is the smallest."),
        Mistake("columns", lambda a: {"sum": a.sum(0), "largest": a.amax(0)}, "These are those of columns."),
        Mistake("of sizes", lambda a: {"sum": a.abs().sum(1), "largest": a.abs().amax(1)}, "These have no signs."),
    ],
    gradients=[],
    hints=HINTS,
)

EXERCISES = {exercise.name: exercise for exercise in (NOISED, BLOCK, VALUE, MOMENTS)}

QUIZ = Quiz(
    "98.quiz",
    title="Two questions",
    questions=[
        Question(
            "What is left?",
            [Option("Half", "The root of 0.25.", right=True), Option("A quarter", "That is the power.")],
        ),
        Question(
            "And <then>?",
            [Option("Less", "It falls."), Option("More", "It never grows."), Option("0", "In the end.", True)],
        ),
    ],
)
