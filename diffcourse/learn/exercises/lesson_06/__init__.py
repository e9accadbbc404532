"""Exercises of lesson 06: classifier-free guidance."""

import bisect
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn

from diffcourse.denoiser import Estimate
from diffcourse.guidance import extrapolated, from_weight, guided, rescaled
from diffcourse.learn.exercise import Case, Exercise, InPackage, Invariant, Mistake, Option, Question, Quiz, close
from diffcourse.learn.exercises._cases import normal, refuses
from diffcourse.schedule import CLEAN, Level

ROWS = torch.tensor([0.0, -0.9, 0.4, 1.3, -0.3, 0.8, -1.2, 0.2, 1.0, -0.6, 0.6, -0.1, 0.9])  # one for each label


def a_network(x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
    """Stands for a network with labels in the cases: each row of x (B, …) has its own time, and a label that is looked up in a table."""
    if not isinstance(t, Tensor) or t.shape != (len(x),):
        raise ValueError("t must be a tensor with one time for each row of x")
    if not t.is_floating_point():
        raise ValueError(f"t must be a float tensor, got {t.dtype}")
    if not isinstance(labels, Tensor) or labels.shape != (len(x),) or labels.dtype != torch.int64:
        raise ValueError("labels must be an int64 tensor with one label for each row of x")
    each = (-1, *[1] * (x.ndim - 1))
    row = nn.functional.embedding(labels, ROWS.to(x)[:, None]).view(each)
    return torch.tanh(x * (1 + row)) + torch.sin(t / 300).view(each).to(x) - row


class Counting:
    """`a_network`, and how many rows it was given in each call."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        self.rows.append(len(x))
        return a_network(x, t, labels)


# -- the label, as a row of numbers -------------------------------------------------------------------------------------


class LabelEmbedding(nn.Module):
    """A learned row for each label, added to the time embedding, and one more for "no label".

    table: an nn.Embedding; rows 0 … num_classes - 1 belong to the labels, the last row, number
    num_classes, to "no label".
    forward(emb, labels=None): emb (B, dim) is the time embedding; labels int64 (B,) in
    0 … num_classes, or None for "no label" everywhere.
    Returns emb plus the row of each label, (B, dim).
    """

    def __init__(self, num_classes: int, dim: int):
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is None:
            labels = torch.full((len(emb),), self.num_classes, device=emb.device)
        return emb + self.table(labels)


class LabelEmbeddingByWeight(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes + 1, dim)

    def forward(self, emb, labels=None):
        return emb + (self.table.weight[-1] if labels is None else self.table.weight[labels])


class LabelEmbeddingByOneHot(LabelEmbedding):
    def forward(self, emb, labels=None):
        labels = torch.tensor([self.num_classes] * len(emb)) if labels is None else labels
        one_hot = nn.functional.one_hot(labels, self.num_classes + 1).to(self.table.weight.dtype)
        return emb + one_hot @ self.table.weight


class TenRows(nn.Module):
    def __init__(self, num_classes, dim):
        super().__init__()
        self.table = nn.Embedding(num_classes, dim)

    def forward(self, emb, labels=None):
        return emb if labels is None else emb + self.table(labels)


def _embedding(forward: Callable) -> type:
    """LabelEmbedding with another forward: a function of (self, emb, labels or None)."""

    class Wrong(LabelEmbedding):
        def forward(self, emb, labels=None):
            return forward(self, emb, labels)

    return Wrong


def _null_for_none(m, emb, labels):
    return torch.full((len(emb),), m.num_classes) if labels is None else labels


def label_case(B: int, classes: int, dim: int):
    def build(g):
        labels = torch.randint(classes + 1, (B,), generator=g)
        labels[0] = classes  # "no label" among them
        return Case(args=(classes, dim), inputs=(normal(g, B, dim), labels))

    return build


def null_case(B: int, classes: int, dim: int, *none: None):
    return lambda g: Case(args=(classes, dim), inputs=(normal(g, B, dim), *none))


def _leaves_emb(cls: type) -> bool:
    emb = torch.zeros(2, 3)
    cls(4, 3)(emb, torch.tensor([0, 1]))
    return bool((emb == 0).all())


def _learns_every_row(cls: type) -> bool:
    module = cls(4, 3)
    module(torch.zeros(5, 3), torch.arange(5)).sum().backward()
    return bool((module.table.weight.grad != 0).all())


LABEL_EMBEDDING = Exercise(
    name="06.LabelEmbedding",
    title="Exercise 5.1: a network that takes a label, or none",
    kind="class",
    minutes=5,
    level=1,
    reference=LabelEmbedding,
    alternatives=[LabelEmbeddingByWeight, LabelEmbeddingByOneHot],
    cases=[
        label_case(2, 3, 4),
        label_case(5, 10, 3),
        label_case(1, 1, 2),
        null_case(3, 2, 5),
        null_case(1, 12, 3, None),
    ],
    invariants=[
        Invariant(
            "the time embedding stays",
            _leaves_emb,
            "It changes emb in place: whoever called it finds another time embedding afterwards. Make a new tensor instead.",
        ),
        Invariant(
            "every row learns",
            _learns_every_row,
            "The sums are right, but some row of the table gets no gradient and would never be learned: look for padding_idx, "
            "no_grad or detach.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "ten rows for eleven labels",
            TenRows,
            "Your table has a row for each class and none for “no label”. With ten digits the null label is number 10, and a table "
            "of 10 rows ends at 9: asked for row 10 it stops with “index out of range”. How many rows are needed?",
        ),
        Mistake(
            "nothing added for None",
            _embedding(lambda m, emb, labels: emb if labels is None else emb + m.table(labels)),
            "Without labels you add nothing. Then “no label” is a condition that training with the null label never shows: two "
            "different ways to say the same. Both must meet the same learned row.",
        ),
        Mistake(
            "the last label for None",
            _embedding(
                lambda m, emb, labels: emb + (m.table.weight[m.num_classes - 1] if labels is None else m.table(labels))
            ),
            "Without labels you take row num_classes − 1: that is the last *label*. Counting starts at 0, so “no label” has "
            "the row with the number num_classes.",
        ),
        Mistake(
            "10 for None",
            _embedding(lambda m, emb, labels: emb + m.table(torch.full((len(emb),), 10) if labels is None else labels)),
            "Without labels you take row 10. That is right for ten classes only: the class was built with num_classes.",
        ),
        Mistake(
            "put side by side",
            _embedding(lambda m, emb, labels: torch.cat([emb, m.table(_null_for_none(m, emb, labels))], dim=1)),
            "You put the row beside the time embedding, which doubles the width. The docstring adds it: the shape stays (B, dim).",
        ),
        Mistake(
            "one row for the batch",
            _embedding(lambda m, emb, labels: emb + m.table(_null_for_none(m, emb, labels)).mean(dim=0)),
            "You add the mean of all rows of the batch to each image. Each image gets the row of its own label.",
        ),
        Mistake(
            "row 0 for None",
            _embedding(lambda m, emb, labels: emb + (m.table.weight[0] if labels is None else m.table(labels))),
            "Without labels you take row 0. That row is the digit 0: “any digit” would mean “a zero”.",
        ),
        Mistake(
            "mean of all rows for None",
            _embedding(lambda m, emb, labels: emb + (m.table.weight.mean(0) if labels is None else m.table(labels))),
            "Without labels you take the mean of all rows. “Any digit” is not the average digit; it has a row of its own, and training "
            "fills it.",
        ),
        Mistake(
            "the time forgotten",
            _embedding(lambda m, emb, labels: m.table(_null_for_none(m, emb, labels))),
            "You return the label's row alone. The time is lost on the way: the network would no longer know how noisy its input is.",
        ),
        Mistake(
            "multiplied",
            _embedding(lambda m, emb, labels: emb * m.table(_null_for_none(m, emb, labels))),
            "You multiply time and label. The docstring adds them: then each can still be read off when the other is small.",
        ),
        Mistake(
            "labels counted from the end",
            _embedding(lambda m, emb, labels: emb + m.table(m.num_classes - _null_for_none(m, emb, labels))),
            "Your rows run backwards: label 0 finds the last row. The null label is the last row, not the first.",
        ),
    ],
    allowed={"torch.full(* -> *": "the cases are on the CPU"},
    hints=[
        "Count the labels that must be told apart: the classes, and one that says “none of them”.",
        "nn.Embedding(rows, dim) looks up rows by number. None is no number: which number stands for it?",
        "A table with num_classes + 1 rows; where labels is None, a tensor of B null labels; then the rows, added to emb.",
    ],
    insight="One more row is all it takes to make a network both conditional and unconditional.",
)


# -- forgetting labels --------------------------------------------------------------------------------------------------


def drop_labels(
    labels: Tensor,
    drop_prob: float,
    null: int,
    generator: torch.Generator,
) -> Tensor:
    """Replace each label, with probability drop_prob and by itself, by the null label.

    Draws one uniform number an image, u = torch.rand(len(labels), generator=generator);
    a label is dropped where u < drop_prob. labels int64 (B,). Returns a new int64 tensor (B,),
    also where nothing is dropped; the caller's labels stay as they are.
    """
    u = torch.rand(len(labels), generator=generator)
    return torch.where(u < drop_prob, null, labels)


def drop_labels_by_mask(labels, drop_prob, null, generator):
    kept = labels.clone()
    kept[torch.rand(labels.shape, generator=generator) < drop_prob] = null
    return kept


def drop_labels_by_arithmetic(labels, drop_prob, null, generator):
    dropped = (torch.rand(labels.shape[0], generator=generator) < drop_prob).long()
    return labels * (1 - dropped) + null * dropped


def _dropped(replace: Callable) -> Callable:
    """drop_labels with another last line: a function of (labels, u, drop_prob, null)."""
    return lambda labels, drop_prob, null, generator: replace(
        labels, torch.rand(len(labels), generator=generator), drop_prob, null
    )


def _none_in_a_tensor(labels, drop_prob, null, generator):
    labels = labels.clone()
    labels[torch.rand(len(labels), generator=generator) < drop_prob] = None
    return labels


def drop_case(B: int, drop_prob: float, null: int, seed: int):
    return lambda g: (
        torch.randint(null, (B,), generator=g),
        drop_prob,
        null,
        torch.Generator().manual_seed(seed),
    )


def edge_case(g: torch.Generator) -> tuple:
    """One of the numbers is drop_prob itself, to the last bit; and some labels are null already."""
    u = torch.rand(5, generator=torch.Generator().manual_seed(2))
    return torch.tensor([2, 4, 0, 4, 1]), float(u[2]), 4, torch.Generator().manual_seed(2)


def _new_tensor(f: Callable) -> bool:
    labels = torch.tensor([3, 1])
    return f(labels, 0.0, 10, torch.Generator().manual_seed(0)).data_ptr() != labels.data_ptr()


def _rate(f: Callable) -> bool:
    labels = torch.zeros(20_000, dtype=torch.int64)
    dropped = (f(labels, 0.1, 10, torch.Generator().manual_seed(1)) == 10).double().mean().item()
    return abs(dropped - 0.1) < 0.01


DROP_LABELS = Exercise(
    name="06.drop_labels",
    title="Exercise 5.2: label dropout",
    minutes=4,
    level=1,
    reference=drop_labels,
    alternatives=[drop_labels_by_mask, drop_labels_by_arithmetic],
    cases=[
        drop_case(6, 0.5, 10, 3),
        drop_case(11, 0.3, 7, 5),
        drop_case(9, 0.8, 10, 8),
        drop_case(4, 0.0, 10, 9),
        drop_case(1, 1.0, 3, 4),
        edge_case,
    ],
    invariants=[
        Invariant(
            "one in ten",
            _rate,
            "Of 20,000 labels at drop_prob = 0.1 about 2,000 should be dropped. With yours it is another share.",
        ),
        Invariant(
            "a new tensor",
            _new_tensor,
            "The labels are right, but where nothing is dropped you return the caller's own tensor: whatever is written to one is "
            "then written to both.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "None in a tensor",
            _none_in_a_tensor,
            "A tensor of whole numbers cannot hold None. “No label” must be a number as well: that is what the null label is for.",
        ),
        Mistake(
            "the kept ones dropped",
            _dropped(lambda labels, u, p, null: torch.where(u < p, labels, null)),
            "Yours is the wrong way round: it keeps the share drop_prob of the labels and drops all others. On which side of it does u "
            "lie with that probability, and which argument does torch.where take there?",
        ),
        Mistake(
            "at most drop_prob",
            _dropped(lambda labels, u, p, null: torch.where(u <= p, null, labels)),
            "You drop where u is *at most* drop_prob. A u equal to it is kept: then drop_prob = 0 drops nothing, even at u = 0.",
        ),
        Mistake(
            "the first ones",
            _dropped(lambda labels, u, p, null: torch.where(torch.arange(len(labels)) < p * len(labels), null, labels)),
            "You drop the first labels of the batch, as many as expected. Each is to be decided by a number of its own.",
        ),
        Mistake(
            "exactly as many as expected",
            lambda labels, p, null, generator: labels.index_fill(
                0, torch.randperm(len(labels), generator=generator)[: round(p * len(labels))], null
            ),
            "You drop a fixed number of labels, at random places. Each is to be decided for itself, so their number varies.",
        ),
        Mistake(
            "normal numbers",
            lambda labels, p, null, generator: torch.where(
                torch.randn(len(labels), generator=generator) < p, null, labels
            ),
            "Your numbers are normal, not uniform: more than half of them lie below 0.1.",
        ),
        Mistake(
            "floats",
            _dropped(lambda labels, u, p, null: torch.where(u < p, float(null), labels.float())),
            "The right labels, but as floats. An embedding looks rows up by whole numbers.",
        ),
        Mistake(
            "null is 0",
            _dropped(lambda labels, u, p, null: torch.where(u < p, 0, labels)),
            "You put in 0, which is a digit. The network would learn that “any digit” looks like a zero.",
        ),
        Mistake(
            "null one lower",
            _dropped(lambda labels, u, p, null: torch.where(u < p, null - 1, labels)),
            "You put in the last class. Off by one: with ten digits, 0 to 9, the null label is 10.",
        ),
        Mistake(
            "null is -1",
            _dropped(lambda labels, u, p, null: torch.where(u < p, -1, labels)),
            "You put in −1. An embedding has no row −1; the null label is handed to you as an argument.",
        ),
        Mistake(
            "all or none",
            _dropped(lambda labels, u, p, null: torch.full_like(labels, null) if float(u[0]) < p else labels.clone()),
            "You decide once for the whole batch, by its first number. Each image has its own.",
        ),
        Mistake(
            "removed",
            _dropped(lambda labels, u, p, null: labels[u >= p]),
            "You take the dropped labels out, so fewer come back than went in. The images are still B, and keep no label.",
        ),
    ],
    gradients=[],  # whole numbers
    hints=[
        "First the uniform numbers, as the docstring says; then a comparison, which is True or False for each image.",
        "torch.where(condition, a, b) takes a where the condition holds and b elsewhere, in a new tensor.",
        "u from torch.rand with the generator; condition u below drop_prob; there null, elsewhere the label.",
    ],
    insight="Two models for the price of one: a tenth of the training teaches “any digit”, the rest teaches the digits.",
)


# -- the combination ----------------------------------------------------------------------------------------------------


def guide(eps_uncond: Tensor, eps_cond: Tensor, w: float) -> Tensor:
    """The noise that belongs to line 3, the score ∇log p(x) + w·∇log p(c|x).

    A prediction of noise is -sigma times a score: eps_uncond that of p(x), eps_cond that of
    p(x|c), and so is the result. All (B, …), w a number. Returns a tensor of that shape;
    differentiable in eps_uncond and eps_cond.
    """
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_by_lerp(eps_uncond, eps_cond, w):
    return torch.lerp(eps_uncond, eps_cond, w)


def guide_by_weights(eps_uncond, eps_cond, w):
    return w * eps_cond + (1 - w) * eps_uncond


def guide_as_in_the_paper(eps_uncond, eps_cond, w):
    s = w - 1
    return (1 + s) * eps_cond - s * eps_uncond


def guide_case(w: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), w)


GUIDE = Exercise(
    name="06.guide",
    title="The guided combination",
    minutes=5,
    level=2,
    reference=guide,
    alternatives=[guide_by_lerp, guide_by_weights, guide_as_in_the_paper],
    cases=[
        (torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.5]]), 3.0),
        guide_case(7.5, 2, 3),
        guide_case(0.5, 3, 1, 2, 2),
        guide_case(0.0, 2, 2),
        guide_case(1.0, 2, 4),
        lambda g: (10 * normal(g, 3, 2), 0.1 * normal(g, 3, 2), 1.5),
    ],
    invariants=[
        Invariant(
            "agreement stays",
            lambda f: close(f(torch.full((2, 2), 0.7), torch.full((2, 2), 0.7), 7.5), torch.full((2, 2), 0.7)),
            "Where both predictions agree, the label says nothing new, and guidance must change nothing.",
        ),
    ],
    mistakes=[
        Mistake(
            "the other convention",
            lambda u, c, w: c + w * (c - u),
            "This is the formula of Ho and Salimans, (1 + w)·eps_cond − w·eps_uncond. It is right with their w, which is ours less 1. In "
            "line 3, w = 1 is the plain conditional score.",
        ),
        Mistake(
            "the branches swapped",
            lambda u, c, w: c + w * (u - c),
            "The branches are interchanged: with growing w yours moves away from the condition. At w = 1 the conditional prediction "
            "must come out.",
        ),
        Mistake(
            "the condition alone up to w = 1",
            lambda u, c, w: c if w <= 1 else u + w * (c - u),
            "Up to w = 1 you return the conditional prediction as it is. w = 0.5 lies half way between the two, and w = 0 is the "
            "unconditional one.",
        ),
        Mistake(
            "cut off",
            lambda u, c, w: (u + w * (c - u)).clamp(-1, 1),
            "This is the guided prediction cut off at ±1. A noise is no picture: many of its values lie beyond.",
        ),
        Mistake(
            "back to the conditional spread",
            lambda u, c, w: (lambda g: g * c.std() / g.std())(u + w * (c - u)),
            "You bring the result back to the spread of eps_cond. That is rescaled guidance, which comes later: here the formula "
            "is all.",
        ),
        Mistake(
            "the difference alone",
            lambda u, c, w: w * (c - u),
            "You return the direction of guidance alone, without the prediction that it starts from.",
        ),
        Mistake(
            "the sum",
            lambda u, c, w: u + w * c,
            "You add w times the conditional prediction on top of the unconditional one: twice the noise at w = 1. Only their "
            "difference is scaled.",
        ),
        Mistake(
            "w only",
            lambda u, c, w: w * c,
            "You scale the conditional prediction, and the unconditional one does not occur at all. A prediction of noise has a size "
            "that should be kept.",
        ),
        Mistake(
            "weights that do not sum to 1",
            lambda u, c, w: w * c - (w + 1) * u,
            "Your two weights sum to −1. Write the formula as one factor times eps_cond plus another times eps_uncond: what do the "
            "two add up to?",
        ),
        Mistake(
            "the sign of the step",
            lambda u, c, w: u - w * (c - u),
            "You step the wrong way, from the unconditional prediction away from the conditional one.",
        ),
        Mistake(
            "no further than the condition",
            lambda u, c, w: u + min(w, 1.0) * (c - u),
            "You stop at w = 1. Line 3 has no such end: beyond it the last term goes on growing.",
        ),
    ],
    hints=[
        "Two fixed points: at w = 0 line 3 is the score of p(x), at w = 1 by Bayes that of p(x|c).",
        "Solve Bayes' line 2 for ∇log p(c|x): a difference of two scores. Put it into line 3.",
        "All terms have the factor −sigma, so each score may be replaced by its prediction of noise: the one without the label, plus w "
        "times what the label adds.",
    ],
    package=InPackage(
        "extrapolated(model(x, at, null), model(x, at, label), w).eps, or at once guided(model, label, w)(x, at).eps",
        lambda u, c, w: extrapolated(Estimate(u, CLEAN, u, u), Estimate(c, CLEAN, c, c), w).eps,
    ),
    insight="w between 0 and 1 mixes two predictions; above 1 it is no mixture any more but an extrapolation.",
)


CONVENTIONS = Exercise(
    name="06.conventions",
    title="Two conventions",
    kind="value",
    minutes=3,
    level=2,
    reference=(4, 6.5, 1, 0),
    stub="# Four numbers. The paper writes (1 + s)·eps_cond - s·eps_uncond,\n"
    "# this lesson (and Stable Diffusion) eps_uncond + w·(eps_cond - eps_uncond).\n"
    "# (w of the paper's s = 3, s of Stable Diffusion's w = 7.5, w of the plain conditional\n"
    "# model, s of the plain conditional model)\n"
    "conventions = ...",
    mistakes=[
        Mistake(
            "the wrong way round",
            (2.0, 8.5, 1.0, 0.0),
            "You went the wrong way: compare the factors of eps_cond. It is 1 + s in one and w in the other.",
        ),
        Mistake(
            "everything the wrong way round",
            (2.0, 8.5, 0.0, 1.0),
            "All four take w for s − 1. Compare the factors of eps_cond: 1 + s in the paper, w here. Which is the larger number?",
        ),
        Mistake(
            "w one less",
            (2.0, 6.5, 1.0, 0.0),
            "The last three are right, and the first does not fit them: they say that w is one *more* than s.",
        ),
        Mistake(
            "s one more",
            (4.0, 8.5, 1.0, 0.0),
            "Only the second is wrong, and it does not fit the first: if w is one more than s, then s is one less than w.",
        ),
        Mistake(
            "the plain models interchanged",
            (4.0, 6.5, 0.0, 1.0),
            "The first two are right. The last two are interchanged: at w = 0 only the unconditional prediction is left, at s = 0 "
            "only the conditional one.",
        ),
        Mistake(
            "s of the unconditional model",
            (4.0, 6.5, 1.0, -1.0),
            "The first three are right. At s = −1 the paper's formula leaves eps_uncond alone: that is the unconditional model.",
        ),
        Mistake(
            "equal, and 1 is plain",
            (3.0, 7.5, 1.0, 0.0),
            "The last two are right, and they are not the same number: the plain model is w = 1 and s = 0. The same distance lies "
            "between the first two pairs.",
        ),
        Mistake(
            "as if they were equal",
            (3.0, 7.5, 1.0, 1.0),
            "You took both for the same number. Put in s = 0 and w = 0: one gives the conditional prediction, the other the "
            "unconditional one.",
        ),
        Mistake(
            "0 is plain in both",
            (4.0, 6.5, 0.0, 0.0),
            "At w = 0 only the unconditional prediction is left. The plain *conditional* model is asked for.",
        ),
        Mistake(
            "the unconditional model",
            (4.0, 6.5, 0.0, -1.0),
            "The last two numbers are those of the unconditional model. Where is the factor of eps_uncond zero?",
        ),
        Mistake(
            "1 is plain in both", (4.0, 6.5, 1.0, 1.0), "At s = 1 the paper has 2·eps_cond − eps_uncond: not plain."
        ),
    ],
    hints=[
        "Collect factors: both are (a number)·eps_cond + (another)·eps_uncond.",
        "The factors of eps_cond are 1 + s and w. They describe the same guidance if they are equal.",
        "So w is one more than s. The plain conditional model has no eps_uncond in it.",
    ],
    package=InPackage("from_weight(s)", lambda: (from_weight(3), 6.5, from_weight(0), 0)),
    insight="Before you copy a guidance scale, look at which number is the plain model: 1 (here, Stable Diffusion, diffusers) or 0 (the "
    "paper).",
)


# -- both in one batch --------------------------------------------------------------------------------------------------


def both_branches(
    network,
    x: Tensor,
    t: Tensor,
    labels: Tensor,
    null: int,
) -> tuple[Tensor, Tensor]:
    """The unconditional and the conditional prediction, from one call on a doubled batch.

    network(x, t, labels) takes any number of rows. The doubled batch goes in as the B
    unconditional rows, then the B conditional ones. x (B, …), t (B,) and labels int64 (B,).
    Returns (eps_uncond, eps_cond), each of x's shape.
    """
    nothing = torch.full_like(labels, null)
    both = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([nothing, labels]))
    eps_uncond, eps_cond = both.chunk(2)
    return eps_uncond, eps_cond


def both_branches_by_repeat(network, x, t, labels, null):
    B = len(x)
    out = network(x.repeat(2, *[1] * (x.ndim - 1)), t.repeat(2), torch.cat([torch.tensor([null] * B), labels]))
    return out[:B], out[B:]


def both_branches_by_unbind(network, x, t, labels, null):
    out = network(torch.cat((x, x)), torch.cat((t, t)), torch.cat((torch.full((len(x),), null), labels)))
    return list(out.unflatten(0, (2, -1)).unbind(0))


def _branches(labels_of: Callable, split: Callable = lambda out, B: (out[:B], out[B:])) -> Callable:
    def wrong(network, x, t, labels, null):
        out = network(torch.cat([x, x]), torch.cat([t, t]), labels_of(labels, torch.full_like(labels, null)))
        return split(out, len(x))

    return wrong


def branch_case(null: int, B: int, *shape: int):
    return lambda g: (
        a_network,
        normal(g, B, *shape),
        1000 * torch.rand(B, generator=g),
        torch.randint(null, (B,), generator=g),
        null,
    )


def _one_call(f: Callable) -> bool:
    network = Counting()
    f(network, torch.ones(3, 2), torch.ones(3), torch.tensor([1, 2, 3]), 10)
    return network.rows == [6]


def _in_order(f: Callable) -> bool:
    seen: list[int] = []

    def network(x, t, labels):
        seen.extend(labels.tolist())
        return a_network(x, t, labels)

    f(network, torch.ones(3, 2), torch.ones(3), torch.tensor([1, 2, 3]), 10)
    return seen == [10, 10, 10, 1, 2, 3]


BOTH_BRANCHES = Exercise(
    name="06.both_branches",
    title="Both predictions in one call",
    minutes=5,
    level=2,
    reference=both_branches,
    alternatives=[both_branches_by_repeat, both_branches_by_unbind],
    cases=[branch_case(10, 1, 2), branch_case(10, 3, 2), branch_case(4, 4, 1, 2, 3)],
    gradients=[],  # made for sampling: under no_grad it is right as well
    invariants=[
        Invariant(
            "one call",
            _one_call,
            "The values are right, but the network was not called exactly once with all 2·B rows. One call on a doubled batch is faster "
            "than two: each layer is started once, and its weights are read once.",
            only_if_right=True,
        ),
        Invariant(
            "unconditional rows first",
            _in_order,
            "The values are right, but the rows do not go into the network in the docstring's order: first all unconditional ones, "
            "then all conditional ones.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "conditional first",
            _branches(lambda labels, nothing: torch.cat([labels, nothing])),
            "Your halves are interchanged: what you return as unconditional has seen the labels. Guidance would then run backwards.",
        ),
        Mistake(
            "labels in both halves",
            _branches(lambda labels, nothing: torch.cat([labels, labels])),
            "Both halves got the labels, so both predictions are equal, and no guidance scale has any effect.",
        ),
        Mistake(
            "null in both halves",
            _branches(lambda labels, nothing: torch.cat([nothing, nothing])),
            "Both halves got the null label: nobody told the network what to draw.",
        ),
        Mistake(
            "halves cut every second row",
            _branches(lambda labels, nothing: torch.cat([nothing, labels]), lambda out, B: (out[0::2], out[1::2])),
            "The batch is stacked half on half, but taken apart row by row: even rows here, odd rows there. Images get mixed up.",
        ),
        Mistake(
            "null is 0",
            _branches(lambda labels, nothing: torch.cat([torch.zeros_like(labels), labels])),
            "Your first half is asked for the digit 0. You would guide away from zeros instead of away from “any digit”.",
        ),
        Mistake(
            "rows and labels in different orders",
            lambda network, x, t, labels, null: network(
                x.repeat_interleave(2, dim=0),
                t.repeat_interleave(2, dim=0),
                torch.cat([torch.full_like(labels, null), labels]),
            ).chunk(2),
            "Your images come in pairs (first, first, second, second, …), your labels half on half. So they meet the labels of others.",
        ),
        Mistake(
            "not taken apart",
            lambda network, x, t, labels, null: network(
                torch.cat([x, x]), torch.cat([t, t]), torch.cat([torch.full_like(labels, null), labels])
            ),
            "This is what the network returns, all 2·B rows in one. Two tensors are asked for, of B rows each.",
        ),
        Mistake(
            "None in torch.cat",
            lambda network, x, t, labels, null: torch.cat([None, labels]),  # type: ignore[list-item]
            "You put None beside the labels. torch.cat takes tensors only: “no label” must be a number, once for each row.",
        ),
        Mistake(
            "None for the first half",
            lambda network, x, t, labels, null: (network(x, t, None), network(x, t, labels)),
            "You call the network with None for its labels. This network wants a number for each row, and null is that number.",
        ),
        Mistake(
            "the time not doubled",
            lambda network, x, t, labels, null: network(
                torch.cat([x, x]), t, torch.cat([torch.full_like(labels, null), labels])
            ).chunk(2),
            "x and labels are doubled, the times are not: 2·B rows need 2·B times.",
        ),
    ],
    hints=[
        "What is the same in both halves, and what is not?",
        "torch.cat stacks; chunk(2) takes apart again. The null label must come once for each row.",
        "cat x with x, t with t, a tensor full of null with labels; one call; two halves, in the order of the docstring.",
    ],
    insight="The price of guidance: two passes an image. An interval of noise levels brings it down.",
)


# -- the sampler --------------------------------------------------------------------------------------------------------


def guided_sample(
    network,
    x: Tensor,
    times: list[int],
    labels: Tensor,
    null: int,
    w: float,
    step,
) -> Tensor:
    """Sampling with classifier-free guidance, from the noise x at times[0] to clean images.

    At each of the falling times: eps = eps_uncond + w·(eps_cond - eps_uncond), from
    network(x, t, labels) with t a float tensor (B,); then x = step(x, eps, t, to), where t is
    this entry of times and `to` the next one, None after the last one: the clean image.
    labels int64 (B,), null the label that means "none". Keeps no graph of gradients.
    x itself stays as it is. Returns x's shape.
    """
    nothing = torch.full_like(labels, null)
    with torch.no_grad():
        for t, to in zip(times, [*times[1:], None], strict=True):
            both = network(torch.cat([x, x]), x.new_full((2 * len(x),), t), torch.cat([nothing, labels]))
            eps_uncond, eps_cond = both.chunk(2)
            x = step(x, eps_uncond + w * (eps_cond - eps_uncond), t, to)
    return x


@torch.no_grad()
def guided_sample_in_two_calls(network, x, times, labels, null, w, step):
    for i in range(len(times)):
        t = torch.full((len(x),), float(times[i]))
        c, u = network(x, t, labels), network(x, t, torch.full((len(x),), null))
        x = step(x, w * c + (1 - w) * u, times[i], times[i + 1] if i + 1 < len(times) else None)
    return x


def guided_sample_by_while(network, x, times, labels, null, w, step):
    left = list(times)
    while left:
        t = left.pop(0)
        with torch.inference_mode():
            many = torch.full((len(labels),), t, dtype=torch.float32)
            u = network(x, many, labels * 0 + null)
            eps = torch.lerp(u, network(x, many, labels), w)
            x = step(x, eps, t, left[0] if left else None)
    return x.clone()


def _sampler(
    eps: Callable = lambda u, c, w: u + w * (c - u),
    next_time: Callable = lambda times, i: times[i + 1] if i + 1 < len(times) else None,
    null_label: Callable = lambda labels, null: torch.full_like(labels, null),
    called_at: Callable = lambda times, i: times[i],
    steps: Callable = len,
    told: Callable = lambda x, t: x.new_full((len(x),), t),
    after: Callable = lambda x: x,
) -> Callable:
    @torch.no_grad()
    def wrong(network, x, times, labels, null, w, step):
        for i in range(steps(times)):
            t = told(x, called_at(times, i))
            u, c = network(x, t, null_label(labels, null)), network(x, t, labels)
            x = after(step(x, eps(u, c, w), times[i], next_time(times, i)))
        return x

    return wrong


@torch.no_grad()
def _predicted_once(network, x, times, labels, null, w, step):
    many = x.new_full((len(x),), times[0])
    eps = guide(network(x, many, torch.full_like(labels, null)), network(x, many, labels), w)
    for t, to in zip(times, [*times[1:], None], strict=True):
        x = step(x, eps, t, to)
    return x


def _with_none(network, x, times, labels, null, w, step):
    return network(x, x.new_full((len(x),), times[0]), None)


LEVELS = {None: -0.1} | {t: t / 100 + 0.003 for t in range(1000)}
"""Of the times in the cases, as a step of the lesson looks them up."""


def _level(t: int | None) -> float:
    try:
        return LEVELS[t]
    except (KeyError, TypeError):
        raise ValueError("step(x, eps, t, to) takes entries of times, and None for the clean image") from None


def a_step(x: Tensor, eps: Tensor, t: int, to: int | None) -> Tensor:
    """Stands for a sampler's step in the cases."""
    now, then = _level(t), _level(to)
    return (1 + then / 4) * x - (now - then) * eps


def another_step(x: Tensor, eps: Tensor, t: int, to: int | None) -> Tensor:
    return torch.sin(x) + (_level(to) - _level(t)) * eps


def sampler_case(times: list[int], w: float, B: int, *shape: int, null: int = 10, step: Callable = a_step):
    return lambda g: (a_network, normal(g, B, *shape), times, torch.randint(null, (B,), generator=g), null, w, step)


def _no_graph(f: Callable) -> bool:
    """Neither the result nor the x of a later step hangs on what an earlier one did."""
    gain, held = nn.Parameter(torch.ones(1)), []

    def network(x, t, labels):
        held.append(x.requires_grad)
        return a_network(x, t, labels) * gain

    result = f(network, torch.ones(2, 2), [5, 2], torch.tensor([1, 2]), 10, 2.0, a_step)
    return not (result.requires_grad or any(held))


@torch.no_grad()
def guided_sample_in_package(network, x, times, labels, null, w, step):
    def denoise(x, at, cond):
        eps = network(x, x.new_full((len(x),), at.t), cond)
        return Estimate(x, at, eps, eps)

    guidance = guided(denoise, labels, w, uncond=torch.full_like(labels, null))
    for t, to in zip(times, [*times[1:], None], strict=True):
        x = step(x, guidance(x, Level(t, 1.0, 1.0)).eps, t, to)
    return x


GUIDED_SAMPLE = Exercise(
    name="06.guided_sample",
    title="Exercise 5.3: the guided sampler",
    minutes=10,
    level=3,
    reference=guided_sample,
    alternatives=[guided_sample_in_two_calls, guided_sample_by_while],
    cases=[
        sampler_case([4], 2.0, 1, 2),
        sampler_case([9, 5, 2], 3.0, 3, 2),
        sampler_case([7, 6, 1, 0], 1.0, 2, 3),
        sampler_case([8, 3], 0.0, 4, 2),
        sampler_case([900, 350, 20], 1.5, 2, 1, 2, 2, null=4, step=another_step),
    ],
    gradients=[],  # none is to be kept
    invariants=[
        Invariant(
            "no graph",
            _no_graph,
            "The images are right, but they still hang on the graph of gradients: every step keeps all activations of the network, "
            "and memory grows until it is full. Sampling needs no gradients.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "None as the condition",
            _with_none,
            "You hand None to the network for “no label”. Its embedding looks rows up by number, and None is none: use the null label.",
        ),
        Mistake(
            "the other convention",
            _sampler(eps=lambda u, c, w: c + w * (c - u)),
            "Your combination is the paper's, (1 + w)·eps_cond − w·eps_uncond: at w = 1 it guides already. Here w = 1 is the plain "
            "conditional model.",
        ),
        Mistake(
            "the condition alone",
            _sampler(eps=lambda u, c, w: c),
            "You use the conditional prediction as it is, at every w. That is w = 1.",
        ),
        Mistake(
            "the branches swapped",
            _sampler(eps=lambda u, c, w: c + w * (u - c)),
            "The two predictions are interchanged: the larger w, the further from the label.",
        ),
        Mistake(
            "null is 0",
            _sampler(null_label=lambda labels, null: torch.zeros_like(labels)),
            "Your unconditional branch is asked for zeros. Guidance would then push every image away from the digit 0.",
        ),
        Mistake(
            "stops one step short",
            _sampler(steps=lambda times: len(times) - 1),
            "Your loop leaves out the last time, so the images keep the noise of that level. After it comes the clean image: to = None.",
        ),
        Mistake(
            "the neighbour, also after the last",
            _sampler(next_time=lambda times, i: times[i] - 1 if times[i] > 0 else None),
            "Your steps go to t − 1, or to the clean image from 0. The times are given, with gaps: each step goes to the next "
            "entry, and the one after the last to None.",
        ),
        Mistake(
            "the noise predicted once",
            _predicted_once,
            "You ask the network once, at the first time, and use that eps in all steps. It sees x anew at each time.",
        ),
        Mistake(
            "cut off",
            _sampler(after=lambda x: x.clamp(-1, 1)),
            "Yours cuts x off at ±1 after every step. Between the first and the last time x is noisy, and lies beyond.",
        ),
        Mistake(
            "whole numbers for t",
            _sampler(told=lambda x, t: torch.full((len(x),), int(t))),
            "You hand the network whole numbers for t. The docstring says a *float* tensor: torch.full takes the type of the number "
            "it is filled with.",
        ),
        Mistake(
            "a single t",
            _sampler(told=lambda x, t: torch.tensor([float(t)])),
            "You hand the network one time for all images. It wants one for each: (B,).",
        ),
        Mistake(
            "always the neighbour",
            _sampler(next_time=lambda times, i: times[i] - 1 if i + 1 < len(times) else None),
            "Your steps go to t − 1 instead of to the next entry of times: the image is at another level than the network is told.",
        ),
        Mistake(
            "the network is told the next time",
            _sampler(called_at=lambda times, i: times[min(i + 1, len(times) - 1)]),
            "You call the network with the time you are going to. It sees x as it is now.",
        ),
        Mistake(
            "the last step goes to -1",
            _sampler(next_time=lambda times, i: times[i + 1] if i + 1 < len(times) else -1),
            "Your last step goes to −1, which is no time of the chain. The clean image is told by None.",
        ),
        Mistake(
            "the last step goes to 0",
            _sampler(next_time=lambda times, i: times[i + 1] if i + 1 < len(times) else 0),
            "Your last step goes to index 0, which still has noise. The clean image is told by None.",
        ),
    ],
    allowed={
        "* called twice": "the same at twice the price, which the stub does not forbid",
        "x -> labels (6)": "both have B rows",
    },
    hints=[
        "A loop over times and their successors. What is the successor of the last one?",
        "Inside: both predictions, your combination, one step. Around it: no gradients.",
        "with torch.no_grad(): for t and to: t as a tensor of B floats; both branches; the guided eps; x = step(x, eps, t, to).",
    ],
    package=InPackage("sample(guided(model, labels, w), schedule, shape, DDIM())", guided_sample_in_package),
    insight="The sampler never learns about guidance: it gets an eps. Those that look twice or remember (Heun, LMS, DPM++) need more than "
    "this step hands over; in the package guidance is a denoiser, and goes into any of them.",
)


# -- an interval of noise levels ----------------------------------------------------------------------------------------


def guide_interval(
    network,
    x: Tensor,
    t: Tensor,
    nsr: float,
    labels: Tensor,
    null: int,
    w: float,
    interval: tuple[float, float],
) -> Tensor:
    """Guidance inside an interval of noise levels only, so that it costs only there.

    Where lo <= nsr <= hi, (lo, hi) = interval: eps_uncond + w·(eps_cond - eps_uncond), at most
    2·B rows through the network. Elsewhere: the conditional prediction alone, B rows.
    nsr = sigma/alpha is the noise level of all of x (B, …); t (B,), labels int64 (B,).
    Returns x's shape.
    """
    lo, hi = interval
    if not lo <= nsr <= hi:
        return network(x, t, labels)
    both = network(torch.cat([x, x]), torch.cat([t, t]), torch.cat([torch.full_like(labels, null), labels]))
    eps_uncond, eps_cond = both.chunk(2)
    return eps_uncond + w * (eps_cond - eps_uncond)


def guide_interval_in_two_calls(network, x, t, nsr, labels, null, w, interval):
    c = network(x, t, labels)
    if nsr < interval[0] or nsr > interval[1]:
        return c
    u = network(x, t, torch.full_like(labels, null))
    return u + w * (c - u)


def guide_interval_by_weight(network, x, t, nsr, labels, null, w, interval):
    w = w if interval[0] <= nsr <= interval[1] else 1.0
    c = network(x, t, labels)
    return c if w == 1.0 else w * c + (1 - w) * network(x, t, torch.tensor([null] * len(x)))


def _interval(
    inside: Callable = lambda nsr, t, lo, hi: lo <= nsr <= hi,
    outside: Callable = lambda u, c, w: c,
    guided: Callable = lambda u, c, w: u + w * (c - u),
) -> Callable:
    def wrong(network, x, t, nsr, labels, null, w, interval):
        u, c = network(x, t, torch.full_like(labels, null)), network(x, t, labels)
        return (guided if inside(nsr, float(t[0]), *interval) else outside)(u, c, w)

    return wrong


def interval_case(nsr: float, t: float, w: float, B: int, *shape: int, null: int = 10, interval=(0.5, 4.0)):
    return lambda g: (
        a_network,
        normal(g, B, *shape),
        t + torch.arange(B),
        nsr,
        torch.randint(null, (B,), generator=g),
        null,
        w,
        interval,
    )


def _cheap_outside(f: Callable) -> bool:
    rows = []
    for nsr in (9.0, 0.1, 1.0):
        network = Counting()
        f(network, torch.ones(3, 2), torch.full((3,), 2.0), nsr, torch.tensor([1, 2, 3]), 10, 2.0, (0.5, 4.0))
        rows.append(sum(network.rows))
    return rows == [3, 3, 6]


def guide_interval_in_package(network, x, t, nsr, labels, null, w, interval):
    def denoise(x, at, cond):
        eps = network(x, t.repeat(len(x) // len(t)), cond)
        return Estimate(x, at, eps, eps)

    guidance = guided(denoise, labels, w, uncond=torch.full_like(labels, null), interval=interval)
    return guidance(x, Level(0.0, 1.0, nsr)).eps


GUIDE_INTERVAL = Exercise(
    name="06.guide_interval",
    title="Guidance where it pays",
    minutes=6,
    level=2,
    reference=guide_interval,
    alternatives=[guide_interval_in_two_calls, guide_interval_by_weight],
    cases=[
        interval_case(2.0, 400.0, 3.0, 2, 2),
        interval_case(9.0, 900.0, 3.0, 3, 2),
        interval_case(0.2, 2.0, 5.0, 2, 3),
        interval_case(4.0, 700.0, 2.0, 2, 2),
        interval_case(0.5, 90.0, 2.0, 1, 2),
        interval_case(6.0, 5.0, 1.5, 2, 1, 2, 3, null=4, interval=(3.0, 7.0)),
        interval_case(2.0, 5.0, 1.5, 2, 3, null=4, interval=(3.0, 7.0)),
    ],
    gradients=[],  # made for sampling: under no_grad it is right as well
    invariants=[
        Invariant(
            "cheap outside",
            _cheap_outside,
            "The values are right, the price is not: outside the interval B rows must go through the network, inside 2·B. Look before "
            "you call.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "inside out",
            _interval(inside=lambda nsr, t, lo, hi: not lo <= nsr <= hi),
            "You guide outside the interval and leave its inside alone.",
        ),
        Mistake(
            "unconditional outside",
            _interval(outside=lambda u, c, w: u),
            "Outside the interval you drop the label altogether. The plain *conditional* model belongs there: the image must not forget "
            "what it is to become.",
        ),
        Mistake(
            "zero outside",
            _interval(outside=lambda u, c, w: torch.zeros_like(c)),
            "Outside the interval you predict no noise at all. Only the *guidance* pauses there: the conditional prediction is "
            "still needed.",
        ),
        Mistake(
            "null is 10",
            lambda network, x, t, nsr, labels, null, w, interval: guide_interval(
                network, x, t, nsr, labels, 10, w, interval
            ),
            "You put in 10 for “no label”. That is right for ten classes only: null is handed to you as an argument.",
        ),
        Mistake(
            "null is 0",
            lambda network, x, t, nsr, labels, null, w, interval: guide_interval(
                network, x, t, nsr, labels, 0, w, interval
            ),
            "Your unconditional branch is asked for the digit 0: you guide away from zeros instead of from “any digit”.",
        ),
        Mistake(
            "t for the noise level",
            _interval(inside=lambda nsr, t, lo, hi: lo <= t <= hi),
            "You compare t with the interval. Its bounds are noise levels sigma/alpha, so that they mean the same on any schedule.",
        ),
        Mistake(
            "open ends",
            _interval(inside=lambda nsr, t, lo, hi: lo < nsr < hi),
            "You leave out both ends. They belong to the interval.",
        ),
        Mistake(
            "never inside",
            _interval(inside=lambda nsr, t, lo, hi: False),
            "You return the conditional prediction at every level. Is the smaller bound of yours the first of the two?",
        ),
        Mistake(
            "lower bound ignored",
            _interval(inside=lambda nsr, t, lo, hi: nsr <= hi),
            "You look at the upper bound only. Below the lower one you still guide, and pay for it.",
        ),
        Mistake(
            "upper bound ignored",
            _interval(inside=lambda nsr, t, lo, hi: nsr >= lo),
            "You look at the lower bound only. Above the upper one you still guide, where the classes are smeared into each other and "
            "guidance aims beyond the data.",
        ),
        Mistake(
            "guided everywhere",
            _interval(outside=lambda u, c, w: u + w * (c - u)),
            "You guide at every level: the interval has no effect.",
        ),
        Mistake(
            "the other convention",
            _interval(guided=lambda u, c, w: c + w * (c - u)),
            "Inside the interval you use (1 + w)·eps_cond − w·eps_uncond. The docstring's convention has w = 1 for the plain model.",
        ),
    ],
    hints=[
        "Decide first, call afterwards: two ways out of the function.",
        "Outside: one call with the labels, nothing else. Both bounds count as inside.",
        "If nsr lies outside, return the network's answer to the labels; otherwise both branches and the combination.",
    ],
    package=InPackage("guided(model, labels, w, interval=(lo, hi))(x, at).eps", guide_interval_in_package),
    insight="Where no guidance is wanted, do not compute it: each level outside the interval costs half. It is also weaker guidance, so "
    "compare it with a smaller scale everywhere.",
)


# -- negative prompts ---------------------------------------------------------------------------------------------------


def guide_away(
    eps_null: Tensor,
    eps_cond: Tensor,
    eps_neg: Tensor,
    w: float,
    w_neg: float,
) -> Tensor:
    """Towards c, away from n: noise of the score ∇log p(x) + w·∇log p(c|x) - w_neg·∇log p(n|x).

    eps_null, eps_cond and eps_neg (B, …) belong to the scores of p(x), p(x|c) and p(x|n);
    w and w_neg are numbers. Returns that shape, differentiable in all three.
    """
    return eps_null + w * (eps_cond - eps_null) - w_neg * (eps_neg - eps_null)


def guide_away_by_weights(eps_null, eps_cond, eps_neg, w, w_neg):
    return (1 - w + w_neg) * eps_null + w * eps_cond - w_neg * eps_neg


def guide_away_in_two_steps(eps_null, eps_cond, eps_neg, w, w_neg):
    return torch.lerp(eps_null, eps_cond, w) + w_neg * (eps_null - eps_neg)


def away_case(w: float, w_neg: float, *shape: int):
    return lambda g: (normal(g, *shape), normal(g, *shape), normal(g, *shape), w, w_neg)


def _usual(f: Callable) -> bool:
    null, cond, neg = torch.tensor([[0.3, 1.0]]), torch.tensor([[1.0, -1.0]]), torch.tensor([[0.5, 2.0]])
    return close(f(null, cond, neg, 4.0, 3.0), neg + 4.0 * (cond - neg))


GUIDE_AWAY = Exercise(
    name="06.guide_away",
    title="A negative prompt",
    minutes=5,
    level=2,
    reference=guide_away,
    alternatives=[guide_away_by_weights, guide_away_in_two_steps],
    cases=[
        (torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.5]]), torch.tensor([[-0.5, 0.2]]), 3.0, 1.0),
        away_case(2.0, 1.0, 2, 3),
        away_case(4.0, 0.5, 3, 1, 2),
        away_case(1.0, 0.0, 2, 2),
        lambda g: (normal(g, 3, 2), 5 * normal(g, 3, 2), 0.2 * normal(g, 3, 2), 0.5, 2.0),
    ],
    invariants=[
        Invariant(
            "the usual negative prompt",
            _usual,
            "With w_neg = w − 1 the null prediction must drop out, and eps_neg + w·(eps_cond − eps_neg) be left. With yours it is not.",
        ),
    ],
    mistakes=[
        Mistake(
            "towards both",
            lambda n, c, g, w, v: n + w * (c - n) + v * (g - n),
            "You go towards the unwanted condition as well: that asks for both at once.",
        ),
        Mistake(
            "away from nothing",
            lambda n, c, g, w, v: n + w * (c - n) - v * g,
            "You subtract the unwanted prediction as a whole, noise and all. Only its *difference* from “no condition” is what the "
            "condition adds.",
        ),
        Mistake(
            "one weight for the wanted",
            lambda n, c, g, w, v: n + (w - v) * (c - n) - v * (g - n),
            "You take w_neg off the weight of the wanted direction as well. Each direction has its own weight.",
        ),
        Mistake(
            "counted from the condition",
            lambda n, c, g, w, v: n + w * (c - n) - v * (g - c),
            "Your second direction starts at the wanted condition. Both are counted from “no condition”.",
        ),
        Mistake(
            "the negative ignored",
            lambda n, c, g, w, v: n + w * (c - n),
            "The unwanted condition does not occur: this is plain guidance.",
        ),
        Mistake(
            "started at the negative",
            lambda n, c, g, w, v: g + w * (c - g),
            "This is the usual negative prompt: the unwanted prediction in the place of the null one. It is the wanted score "
            "for one w_neg only, which one?",
        ),
        Mistake(
            "the two weights swapped",
            lambda n, c, g, w, v: n + v * (c - n) - w * (g - n),
            "The weights are interchanged: w belongs to what is wanted, w_neg to what is not.",
        ),
        Mistake(
            "wanted and unwanted swapped",
            lambda n, c, g, w, v: n + w * (g - n) - v * (c - n),
            "You go towards what is unwanted, and away from what is wanted.",
        ),
    ],
    hints=[
        "Bayes once more: ∇log p(c|x) is a difference of two scores. So is ∇log p(n|x). Which score do both have?",
        "Three predictions, two directions, both counted from “no condition”.",
        "One direction is added, the other taken away, each with its weight, and both start at the null prediction.",
    ],
    insight="With w_neg = w − 1 the null prediction drops out, and eps_neg + w·(eps_cond − eps_neg) is left: Stable Diffusion's negative "
    "prompt, the unwanted text in the place of the empty one. One weight then serves both directions.",
)


# -- what is seen -------------------------------------------------------------------------------------------------------


def observe(probabilities: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Class fidelity and sharpness of the same labels drawn at several guidance scales.

    probabilities (W, N, K): the judge's, for N images at each of W scales; labels int64 (N,):
    what was asked for.
    images (W, N, C, height, width), ideally in [-1, 1].
    right (W,): the share of images whose likeliest class is the label.
    sharp (W,): the share of pixels that are decided, |value| > 0.9. Returns (right, sharp).
    """
    right = (probabilities.argmax(dim=2) == labels).to(images.dtype).mean(dim=1)
    sharp = (images.abs() > 0.9).to(images.dtype).flatten(1).mean(dim=1)
    return right, sharp


def observe_in_a_loop(probabilities, images, labels):
    right, sharp = [], []
    for p, x in zip(probabilities, images, strict=True):
        right.append(sum(int(row.argmax()) == int(k) for row, k in zip(p, labels, strict=True)) / len(labels))
        sharp.append(float(((x > 0.9) | (x < -0.9)).double().mean()))
    return torch.tensor(right), torch.tensor(sharp)


def observe_by_gather(probabilities, images, labels):
    own = probabilities.gather(2, labels.expand(len(probabilities), -1)[..., None])[..., 0]
    right = (own >= probabilities.amax(dim=2)).double().mean(dim=1)
    return right, (images.square() > 0.81).double().mean(dim=(1, 2, 3, 4))


def _observed(right: Callable | None = None, sharp: Callable | None = None) -> Callable:
    def wrong(probabilities, images, labels):
        r, s = observe(probabilities, images, labels)
        return (right(probabilities, labels) if right else r), (sharp(images) if sharp else s)

    return wrong


def observe_case(W: int, N: int, K: int, channels: int = 1):
    def build(g):
        labels = torch.randint(K, (N,), generator=g)
        probabilities = normal(g, W, N, K)
        probabilities[-1] += 4 * nn.functional.one_hot(labels, K)  # the last scale is right more often
        images = 1.5 * torch.rand(W, N, channels, 3, 4, generator=g) * normal(g, W, N, channels, 3, 4)
        images[..., 0, :2] = torch.tensor([0.9, -0.9])  # not above 0.9
        return probabilities.softmax(dim=2), images, labels

    return build


OBSERVE = Exercise(
    name="06.observe",
    title="Exercise 5.4: what guidance does, in two numbers",
    minutes=6,
    level=2,
    reference=observe,
    alternatives=[observe_in_a_loop, observe_by_gather],
    cases=[observe_case(3, 10, 10), observe_case(2, 7, 4), observe_case(4, 5, 3, channels=2), observe_case(1, 1, 2)],
    mistakes=[
        Mistake(
            "the mean confidence",
            _observed(right=lambda p, k: p.gather(2, k.expand(len(p), -1)[..., None])[..., 0].mean(dim=1)),
            "Your first output is the judge's mean probability of the label. Asked for is how often the label is its first choice.",
        ),
        Mistake(
            "how sure, whatever it reads",
            _observed(right=lambda p, k: p.amax(dim=2).mean(dim=1)),
            "Your first output says how sure the judge is, of whatever digit it reads. The labels do not occur.",
        ),
        Mistake(
            "averaged over scales",
            _observed(right=lambda p, k: (p.argmax(dim=2) == k).float().mean(dim=0)),
            "Your first output averages over the scales, one number an image. Asked for is one number a scale.",
        ),
        Mistake(
            "one number for all",
            lambda p, x, k: ((p.argmax(dim=2) == k).float().mean(), (x.abs() > 0.9).float().mean()),
            "You average over everything. The point is to compare the scales: keep their dimension.",
        ),
        Mistake(
            "white pixels only",
            _observed(sharp=lambda x: (x > 0.9).float().flatten(1).mean(dim=1)),
            "You count the white pixels only. A decided pixel may be black as well, near −1.",
        ),
        Mistake(
            "black pixels only",
            _observed(sharp=lambda x: (x < -0.9).float().flatten(1).mean(dim=1)),
            "You count the black pixels only. A decided pixel may be white as well, near 1.",
        ),
        Mistake(
            "at least 0.9",
            _observed(sharp=lambda x: (x.abs() >= 0.9).float().flatten(1).mean(dim=1)),
            "You count pixels at exactly ±0.9 as well. The docstring says above: |value| > 0.9.",
        ),
        Mistake(
            "the mean strength",
            _observed(sharp=lambda x: x.abs().flatten(1).mean(dim=1)),
            "Your second output is the mean of |value|. Asked for is how many pixels are decided.",
        ),
        Mistake(
            "mapped to [0, 1]",
            _observed(sharp=lambda x: ((x + 1) / 2 > 0.9).float().flatten(1).mean(dim=1)),
            "You map the images to [0, 1] first: then only what was above 0.8 counts, and no black pixel. They are in [-1, 1], and "
            "black is decided too.",
        ),
        Mistake(
            "the two interchanged",
            lambda p, x, k: observe(p, x, k)[::-1],
            "Both outputs are right, but interchanged: right first, then sharp.",
        ),
        Mistake(
            "the likeliest image",
            _observed(right=lambda p, k: (p.argmax(dim=1)[:, :1] == k).float().mean(dim=1)),
            "Your argmax is over the images, dimension 1. Each image's likeliest *class* is asked for, dimension 2.",
        ),
        Mistake(
            "one number an image",
            lambda p, x, k: (
                (p.argmax(dim=2) == k).float().mean(dim=0),
                (x.abs() > 0.9).float().mean(dim=(0, 2, 3, 4)),
            ),
            "Both outputs average over the scales, one number an image. Asked for is one number a scale.",
        ),
        Mistake(
            "undecided pixels",
            _observed(sharp=lambda x: (x.abs() <= 0.9).float().flatten(1).mean(dim=1)),
            "Your second output is the share of grey pixels, those that are not decided.",
        ),
        Mistake(
            "counts",
            lambda p, x, k: (
                (p.argmax(dim=2) == k).float().sum(dim=1),
                (x.abs() > 0.9).float().flatten(1).sum(dim=1),
            ),
            "These are counts. Shares are asked for, which do not depend on how many images or pixels there are.",
        ),
    ],
    gradients=[],  # shares are counted
    allowed={
        "probabilities under a root": "the likeliest class stays",
        "probabilities squared": "the likeliest class stays",
        "probabilities doubled": "the likeliest class stays",
        "probabilities halved": "the likeliest class stays",
        "probabilities one more": "the likeliest class stays",
        "probabilities one less": "the likeliest class stays",
        "images negated": "black is as decided as white",
        "images -> probabilities*": "for their type alone",
    },
    hints=[
        "Two separate lines. Which dimension must survive in both?",
        "argmax over the classes gives (W, N); comparing it with labels (N,) works by itself. A mean of True and False is a share.",
        "right: argmax over dim 2 equals labels, as floats, mean over dim 1. sharp: abs above 0.9, flattened from dimension 1 on, mean.",
    ],
    insight="Look at both: a sharp digit may be the wrong one, and a right one may be a blot.",
)


# -- the trade-off ------------------------------------------------------------------------------------------------------


def read_curve(
    scales: list[float],
    right: list[float],
    distance: list[float],
    target: float,
) -> tuple[float, float]:
    """Where samples are nearest to the data, and from where on the label is obeyed.

    scales: rising; right and distance: at each of them the share of right digits and the
    distance to real digits.
    Returns (the scale with the lowest distance, the lowest scale with right >= target).
    ValueError if no scale reaches the target.
    """
    nearest = min(zip(distance, scales, strict=True))[1]
    obeying = [w for w, share in zip(scales, right, strict=True) if share >= target]
    if not obeying:
        raise ValueError(f"no scale reaches {target}; the best share is {max(right)}")
    return nearest, obeying[0]


def read_curve_by_torch(scales, right, distance, target):
    reached = (torch.tensor(right, dtype=torch.float64) >= target).nonzero()
    if len(reached) == 0:
        raise ValueError("no scale reaches the target")
    return float(scales[int(torch.tensor(distance).argmin())]), float(scales[int(reached[0])])


def read_curve_in_a_loop(scales, right, distance, target):
    best, first = 0, None
    for i in range(len(scales)):
        if distance[i] < distance[best]:
            best = i
        if first is None and right[i] >= target:
            first = i
    if first is None:
        raise ValueError(target)
    return scales[best], scales[first]


CURVE = ([0.0, 1.0, 1.5, 2.0, 3.0, 5.0], [0.1, 0.94, 0.985, 0.996, 0.999, 0.97], [0.5, 0.12, 0.1, 0.14, 0.3, 0.8])


def _curve(nearest: Callable | None = None, obeying: Callable | None = None) -> Callable:
    def wrong(scales, right, distance, target):
        a, b = read_curve(scales, right, distance, target)
        return (nearest(scales, right, distance) if nearest else a), (obeying(scales, right, target) if obeying else b)

    return wrong


READ_CURVE = Exercise(
    name="06.read_curve",
    title="Reading the trade-off",
    minutes=5,
    level=2,
    reference=read_curve,
    alternatives=[read_curve_by_torch, read_curve_in_a_loop],
    cases=[
        (*CURVE, 0.995),
        (*CURVE, 0.5),
        (*CURVE, 0.985),
        ([0.5, 2.0, 7.5], [0.9, 0.7, 0.95], [0.4, 0.6, 0.2], 0.92),
        ([1.0, 4.0, 6.0], [0.8, 0.9, 0.99], [0.1, 0.3, 0.9], 0.8),
        ([2.0], [0.9], [1.4], 0.3),
    ],
    invariants=[
        Invariant(
            "out of reach",
            refuses([1.0, 2.0], [0.5, 0.6], [0.1, 0.2], 0.9),
            "Where no scale reaches the target, there is no answer to give: the docstring asks for a ValueError.",
        ),
    ],
    mistakes=[
        Mistake(
            "the distances themselves",
            _curve(nearest=lambda w, r, d: min(d)),
            "Your first answer is the lowest distance itself. The scale at which it occurs is asked for.",
        ),
        Mistake(
            "the nearest of the obedient",
            lambda w, r, d, target: (
                min((b, a) for a, v, b in zip(w, r, d, strict=True) if v >= target)[1],
                read_curve(w, r, d, target)[1],
            ),
            "Your first answer is the nearest of the scales that reach the target. The first question does not know the target: all "
            "scales take part.",
        ),
        Mistake(
            "positions",
            lambda w, r, d, target: (float(d.index(min(d))), float(next(i for i, v in enumerate(r) if v >= target))),
            "These are positions in the lists, not scales.",
        ),
        Mistake(
            "largest distance",
            _curve(nearest=lambda w, r, d: w[d.index(max(d))]),
            "Your first answer is where the samples are *farthest* from the data.",
        ),
        Mistake(
            "most right",
            _curve(obeying=lambda w, r, target: w[r.index(max(r))]),
            "Your second answer is the scale with the most right digits. The first that is good enough is asked for: beyond it, more "
            "guidance costs and brings little.",
        ),
        Mistake(
            "the largest that reaches it",
            _curve(obeying=lambda w, r, target: [a for a, v in zip(w, r, strict=True) if v >= target][-1]),
            "You take the largest scale that reaches the target. The smallest one pays the least for it.",
        ),
        Mistake(
            "strictly above",
            _curve(obeying=lambda w, r, target: next(a for a, v in zip(w, r, strict=True) if v > target)),
            "A scale that reaches the target exactly counts as well.",
        ),
        Mistake(
            "the two interchanged",
            lambda w, r, d, target: read_curve(w, r, d, target)[::-1],
            "The two answers are interchanged.",
        ),
    ],
    gradients=[],  # plain numbers
    allowed={
        "target -> * (2)": "only in the message of the error",
        "right -> * (2)": "only in the message of the error",
        "max(right) -> right": "only in the message of the error",
    },
    hints=[
        "Two questions to three lists. Pair each scale with its measured value.",
        "min over pairs (distance, scale) finds the smallest distance and brings its scale along.",
        "Second: all scales whose share reaches the target, in order; none of them is a ValueError, else the first.",
    ],
    insight="Nearest to the data, and obeyed often enough: two questions, and nobody promises one answer. Say which one you ask.",
)


# -- equally many obey ---------------------------------------------------------------------------------------------------


def at_equal(right: list[float], change: list[float], target: float) -> float:
    """What a method costs where a share `target` of its digits is right, read off its curve.

    right, change: the share of right digits and the distance at the method's measured points,
    in the order of its scales; between two neighbours the curve is a straight line.
    The first neighbours count with right[i] < target <= right[i + 1].
    ValueError where there are none.
    """
    for i in range(len(right) - 1):
        if right[i] < target <= right[i + 1]:
            part = (target - right[i]) / (right[i + 1] - right[i])
            return change[i] + part * (change[i + 1] - change[i])
    raise ValueError("the curve does not cross the target")


def at_equal_by_pairs(right, change, target):
    points = list(zip(right, change, strict=True))
    found = [(a, b) for a, b in pairwise(points) if a[0] < target <= b[0]]
    if not found:
        raise ValueError("never crossed")
    (r0, c0), (r1, c1) = found[0]
    return (c0 * (r1 - target) + c1 * (target - r0)) / (r1 - r0)


def at_equal_by_torch(right, change, target):
    r, c = torch.tensor(right, dtype=torch.float64), torch.tensor(change, dtype=torch.float64)
    places = ((r[:-1] < target) & (target <= r[1:])).nonzero()
    if not len(places):
        raise ValueError("out of reach")
    i = int(places[0])
    return float(torch.lerp(c[i], c[i + 1], (target - r[i]) / (r[i + 1] - r[i])))


def _read(of: Callable, crossed: Callable = lambda a, b, target: a < target <= b, last: bool = False) -> Callable:
    """at_equal with another value between two points (r0, c0), (r1, c1), or with other neighbours."""

    def wrong(right, change, target):
        pairs = range(len(right) - 1)
        found = [i for i in pairs if crossed(right[i], right[i + 1], target)]
        if not found:
            raise ValueError
        i = found[-1 if last else 0]
        return of(right[i], change[i], right[i + 1], change[i + 1], target)

    return wrong


def _line(r0: float, c0: float, r1: float, c1: float, target: float) -> float:
    return c0 + (target - r0) / (r1 - r0) * (c1 - c0)


METHOD = ([0.98, 0.99, 0.998, 0.996, 1.0], [0.0, 0.02, 0.4, 0.9, 1.5])


def _by_halves(right: list[float], change: list[float], target: float) -> float:
    i = bisect.bisect_left(right, target)
    if not 0 < i < len(right):
        raise ValueError
    return _line(right[i - 1], change[i - 1], right[i], change[i], target)


AT_EQUAL = Exercise(
    name="06.at_equal",
    title="The price of equal obedience",
    minutes=6,
    level=2,
    reference=at_equal,
    alternatives=[at_equal_by_pairs, at_equal_by_torch],
    cases=[
        (*METHOD, 0.992),
        (*METHOD, 0.9975),
        (*METHOD, 0.998),
        (*METHOD, 0.999),
        ([0.7, 0.9], [0.5, -0.3], 0.75),
        ([0.95, 0.9, 0.97, 0.96], [0.3, 0.1, -0.2, -0.4], 0.95),
        ([0.9, 0.95, 0.95, 0.99], [0.1, 0.2, 0.6, 0.9], 0.95),
        # up and down: no order to search by halves, and the first crossing is the dearest
        ([0.9, 0.97, 0.94, 0.95, 0.99, 0.93, 0.97], [0.8, 0.9, 0.1, 0.2, 0.3, 0.5, 0.6], 0.96),
        ([0.9, 0.97, 0.95], [0.1, 0.2, 0.4], 0.96),  # ends below
    ],
    invariants=[
        Invariant(
            "never reached",
            refuses([0.9, 0.95], [0.1, 0.2], 0.99),
            "A curve that never has so many right digits has no price there: the docstring asks for a ValueError.",
        ),
        Invariant(
            "begins at the target",
            refuses([0.9, 0.95], [0.1, 0.2], 0.9),
            "Where the first point hits the target exactly, no neighbours have right[i] < target: the docstring asks for a ValueError.",
            only_if_right=True,
        ),
        Invariant(
            "never below",
            refuses([0.97, 0.99], [0.1, 0.2], 0.95),
            "Where even the first point has more right digits than the target, nothing was measured: no line leads there, and the "
            "docstring asks for a ValueError.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "the first that obeys",
            lambda right, change, target: next(c for r, c in zip(right, change, strict=True) if r >= target),
            "You return the first measured point that obeys often enough. Then the grid of scales decides: a method that was measured more "
            "finely looks cheaper. Read the line between two points.",
        ),
        Mistake(
            "the next measured point",
            _read(lambda r0, c0, r1, c1, t: c1),
            "You return the next point that was measured. Then the grid of scales decides: a method that was measured more finely looks "
            "cheaper. Read the line between the two points.",
        ),
        Mistake(
            "the point before",
            _read(lambda r0, c0, r1, c1, t: c0),
            "You return the last point before the target, where fewer digits are right.",
        ),
        Mistake(
            "the nearest measured point",
            lambda right, change, target: min(zip(right, change, strict=True), key=lambda pair: abs(pair[0] - target))[
                1
            ],
            "You return the measured point nearest to the target. Then the grid of scales decides. Read the line between two points.",
        ),
        Mistake(
            "sorted",
            lambda right, change, target: at_equal(
                sorted(right), [c for _, c in sorted(zip(right, change, strict=True))], target
            ),
            "You sort the points by their share of right digits. Neighbours are so in the order of the scales: a curve may go down again.",
        ),
        Mistake(
            "the cheapest that obeys",
            lambda right, change, target: min(c for r, c in zip(right, change, strict=True) if r >= target),
            "You take the cheapest measured point that obeys often enough. Its obedience is larger than the target, and how much larger is "
            "an accident of the scales that were tried.",
        ),
        Mistake(
            "half way",
            _read(lambda r0, c0, r1, c1, t: (c0 + c1) / 2),
            "You take the middle of the two neighbours. The target may lie nearer to one of them.",
        ),
        Mistake(
            "from the wrong end",
            _read(lambda r0, c0, r1, c1, t: c1 + (t - r0) / (r1 - r0) * (c0 - c1)),
            "Your line runs backwards: near the first point you read the price of the second.",
        ),
        Mistake(
            "the share of the way",
            _read(lambda r0, c0, r1, c1, t: (t - r0) / (r1 - r0)),
            "This is how far along the target lies between the two points. The price there is asked for.",
        ),
        Mistake(
            "the step alone",
            _read(lambda r0, c0, r1, c1, t: (t - r0) / (r1 - r0) * (c1 - c0)),
            "This is how much the price rises from the first neighbour on. Where does the line start?",
        ),
        Mistake(
            "the whole curve as one line",
            lambda right, change, target: _line(right[0], change[0], right[-1], change[-1], target),
            "You draw one line from the first point to the last. The curve bends: take the two neighbours of the target.",
        ),
        Mistake(
            "the last crossing",
            _read(_line, last=True),
            "You take the last neighbours between which the target is crossed. A measured curve may go up and down; the first ones count.",
        ),
        Mistake(
            "the cheapest crossing",
            lambda right, change, target: min(
                _line(*one, *two, target)
                for one, two in pairwise(zip(right, change, strict=True))
                if one[0] < target <= two[0]
            ),
            "You take the cheapest of several crossings. A measured curve may go up and down; the first neighbours count.",
        ),
        Mistake(
            "searched by halves",
            _by_halves,
            "You search as in a sorted list. A measured curve may go up and down: go through the neighbours in order.",
        ),
        Mistake(
            "crossed downwards too",
            _read(_line, lambda a, b, t: a < t <= b or b < t <= a),
            "You also count neighbours between which the share of right digits falls.",
        ),
        Mistake(
            "the boundary below",
            _read(_line, lambda a, b, t: a <= t < b),
            "A target that one point hits exactly belongs to the line that ends there: right[i] < target <= right[i + 1].",
        ),
    ],
    gradients=[],  # plain numbers
    allowed={"right -> change": "both lists are equally long"},
    hints=[
        "First find the two neighbours, then the place between them.",
        "How far is it from right[i] to the target, as a part of the way to right[i + 1]?",
        "The same part of the way from change[i] to change[i + 1], counted from change[i].",
    ],
    insight="Methods are compared where they do equally much. “The cheapest point that obeys” compares grids of scales instead.",
)


# -- deeper: rescaled guidance ------------------------------------------------------------------------------------------


def rescale(output: Tensor, cond_output: Tensor, share: float) -> Tensor:
    """Rescaled guidance: bring guided outputs back to the conditional spread, by a share.

    Each image of `output` (guided) is multiplied by one number. At share = 1 the standard
    deviation over all values of the image is then that of the same image of cond_output; at
    share = 0 nothing changes; between, the number lies on a straight line between those two.
    output, cond_output (B, …), more than one value an image. Returns that shape.
    """
    over = tuple(range(1, output.ndim))
    ratio = cond_output.std(dim=over, keepdim=True) / output.std(dim=over, keepdim=True)
    return share * ratio * output + (1 - share) * output


def rescale_in_a_loop(output, cond_output, share):
    return torch.stack([x * (share * c.std() / x.std() + 1 - share) for x, c in zip(output, cond_output, strict=True)])


def rescale_by_flatten(output, cond_output, share):
    ratio = cond_output.flatten(1).std(dim=1, correction=0) / output.flatten(1).std(dim=1, correction=0)
    return torch.lerp(output, output * ratio.view(-1, *[1] * (output.ndim - 1)), share)


def _rescaled(ratio: Callable, mix: Callable = lambda share, new, old: share * new + (1 - share) * old) -> Callable:
    return lambda output, cond_output, share: mix(share, ratio(output, cond_output) * output, output)


def _std(x):
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)


def _size(x):
    return x.square().mean(dim=tuple(range(1, x.ndim)), keepdim=True).sqrt()


def _largest(x):
    return x.abs().amax(dim=tuple(range(1, x.ndim)), keepdim=True)


def rescale_case(share: float, *shape: int):
    return lambda g: (
        2.5 * normal(g, *shape) * (1 + torch.arange(shape[0]).view(-1, *[1] * (len(shape) - 1))) + 0.3,
        normal(g, *shape),
        share,
    )


RESCALE = Exercise(
    name="06.rescale",
    title="Deeper: rescaled guidance",
    minutes=5,
    level=2,
    reference=rescale,
    alternatives=[rescale_in_a_loop, rescale_by_flatten],
    cases=[
        rescale_case(0.7, 1, 2, 2),
        rescale_case(0.3, 3, 1, 3, 2),
        rescale_case(0.6, 2, 3, 2, 2),
        rescale_case(1.0, 2, 5),
        rescale_case(0.0, 2, 3),
        lambda g: rescale_case(0.8, 2, 2, 2)(g)[1::-1] + (0.8,),  # guidance that made it smaller
    ],
    gradients=[],  # the ratios may be plain numbers
    mistakes=[
        Mistake(
            "upside down",
            _rescaled(lambda x, c: _std(x) / _std(c)),
            "Your ratio is upside down: outputs that are too wide become wider still.",
        ),
        Mistake(
            "one spread for the batch",
            _rescaled(lambda x, c: c.std() / x.std()),
            "You take the spread over the whole batch. Then an image depends on its neighbours; each is to be rescaled by itself.",
        ),
        Mistake(
            "share swapped",
            _rescaled(lambda x, c: _std(c) / _std(x), lambda share, new, old: (1 - share) * new + share * old),
            "The share is on the wrong side: share = 0 must leave the output as it is.",
        ),
        Mistake(
            "variances",
            _rescaled(lambda x, c: (_std(c) / _std(x)) ** 2),
            "Your ratio is that of the variances. Multiplying by c changes a standard deviation by c, a variance by c².",
        ),
        Mistake(
            "share ignored",
            lambda output, cond_output, share: output * _std(cond_output) / _std(output),
            "You rescale in full, whatever the share. In full, images tend to look flat; hence the mixture.",
        ),
        Mistake(
            "the conditional mixed in",
            lambda output, cond_output, share: share * cond_output + (1 - share) * output,
            "You mix in the conditional output itself: that is merely a smaller guidance. Only its *spread* is to be taken over.",
        ),
        Mistake(
            "mixed with the conditional output",
            lambda x, c, share: share * x * _std(c) / _std(x) + (1 - share) * c,
            "The rest of your mixture is the conditional output. The untouched *guided* one belongs there.",
        ),
        Mistake(
            "the conditional rescaled",
            lambda x, c, share: share * c * _std(x) / _std(c) + (1 - share) * x,
            "You rescale the conditional output to the guided spread. It is the guided one that is brought back.",
        ),
        Mistake(
            "one spread a channel",
            _rescaled(
                lambda x, c: (lambda over: c.std(over, keepdim=True) / x.std(over, keepdim=True))(
                    tuple(range(2, x.ndim)) or (1,)
                )
            ),
            "Your spread is over each channel by itself. One factor an image, over all its values: channels keep their proportion.",
        ),
        Mistake(
            "the mean is kept",
            lambda x, c, share: (lambda m: share * ((x - m) * _std(c) / _std(x) + m) + (1 - share) * x)(
                x.mean(dim=tuple(range(1, x.ndim)), keepdim=True)
            ),
            "You take the mean out, rescale, and put it back. The image itself is multiplied, mean and all.",
        ),
        Mistake(
            "about 0",
            _rescaled(lambda x, c: _size(c) / _size(x)),
            "You take the root of the mean square: a spread about 0. A standard deviation is about the image's mean.",
        ),
        Mistake(
            "the largest value",
            _rescaled(lambda x, c: _largest(c) / _largest(x)),
            "Your ratio is that of the largest values. One bright pixel would then decide for the whole image: the standard deviation "
            "is asked for.",
        ),
        Mistake(
            "one spread a pixel",
            _rescaled(lambda x, c: c.std(dim=-1, keepdim=True) / x.std(dim=-1, keepdim=True)),
            "Your spread is over the last dimension alone, so every row of pixels gets a factor of its own. One factor an image.",
        ),
    ],
    allowed={
        "cond_output negated": "a spread knows no sign",
        "cond_output one *": "a spread knows no place",
        "output -> cond_output (3)": "both have one shape",
    },
    hints=[
        "One number for each image: its standard deviation over everything but the batch.",
        "std(dim=…, keepdim=True) over dimensions 1, 2, …; the ratio that makes the guided spread equal the conditional one.",
        "Ratio: conditional over guided. Then share of the rescaled plus the rest of the untouched output.",
    ],
    package=InPackage("rescaled(output, cond_output, share)", rescaled),
    insight="Guidance stretches predictions, and stretched images are over-exposed. This takes the stretch back and keeps the direction.",
)


EXERCISES = [
    GUIDE,
    CONVENTIONS,
    LABEL_EMBEDDING,
    DROP_LABELS,
    BOTH_BRANCHES,
    GUIDED_SAMPLE,
    OBSERVE,
    READ_CURVE,
    GUIDE_INTERVAL,
    AT_EQUAL,
    GUIDE_AWAY,
    RESCALE,
]

QUIZZES = [
    Quiz(
        "06.end",
        title="At the end of lesson 06",
        questions=[
            Question(
                "A paper says “guidance weight 0.5” and calls 0 the plain conditional model. In this course that is guidance …",
                options=[
                    Option(
                        "0.5",
                        "Here 0.5 lies half way to the unconditional model.",
                    ),
                    Option(
                        "1.5",
                        "The plain model is 1 here, so all scales are larger by 1.",
                        right=True,
                    ),
                    Option(
                        "−0.5",
                        "That would move away from the condition.",
                    ),
                ],
            ),
            Question(
                "What do guided samples follow at w = 3?",
                options=[
                    Option(
                        "p(x)·p(c | x)³, as if it had been noised",
                        "That holds at low noise only. The samples of part 2 had another spread.",
                    ),
                    Option(
                        "p(x | c) as it is, but with fewer outliers",
                        "That is w = 1.",
                    ),
                    Option(
                        "Level by level pₜ(x)·pₜ(c | x)³: no one density",
                        "Each level is sharpened for itself. What comes out had to be measured.",
                        right=True,
                    ),
                ],
            ),
            Question(
                "What if the null label is never seen in training?",
                options=[
                    Option(
                        "Its row stays random, and means nothing",
                        "The network gives some answer to a row it never saw, and guidance would walk away from that.",
                        right=True,
                    ),
                    Option(
                        "Training takes longer, with more to learn",
                        "Dropping costs a tenth of the labels, and saves nothing.",
                    ),
                    Option(
                        "The embedding stops: index out of range",
                        "It stops if the row is missing. A row that is there gives numbers, trained or not.",
                    ),
                ],
            ),
            Question(
                "Guidance at middle noise only, judged where equally many digits are right: what did it bring?",
                options=[
                    Option(
                        "A large gain: at the same scale it was far nearer",
                        "At the same scale fewer digits are right. Most of that gain is that of a smaller scale.",
                    ),
                    Option(
                        "A small gain in distance, for a third fewer passes",
                        "0.05 floors where 99.6 % are right, 0.18 where 99.85 % are; and 27 passes in place of 40.",
                        right=True,
                    ),
                    Option(
                        "Nothing: a smaller scale everywhere is the same",
                        "That was so at high noise. Ten seeds told the middle apart from a smaller scale.",
                    ),
                ],
            ),
            Question(
                "The distance to real digits rises with w although nearly all digits are right. Why?",
                options=[
                    Option(
                        "Samples are too alike: only typical digits",
                        "Each one is right, together they miss the variety of handwriting. Recall says so.",
                        right=True,
                    ),
                    Option(
                        "The judge misreads digits that are too bold",
                        "It reads clear digits best of all: 100 % are right at w = 5.",
                    ),
                    Option(
                        "The solver needs more steps at a larger scale",
                        "With 14 and with 20 steps recall was nearly the same.",
                    ),
                ],
            ),
        ],
    ),
]
