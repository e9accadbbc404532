"""A LoRA out of a finished fine-tuning."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from diffcourse.learn.exercise import Counts, Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def extract(before: Tensor, after: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """A LoRA of this rank, taken out of a fine-tuning that was made without one.

    before and after (out, in) are a linear layer's weight, before and after all of it was
    fine-tuned. Wanted are two matrices, down (rank, in) and up (out, rank), for which the
    weight before + up @ down is as near to `after` as it can be with this rank: the sum of
    squared differences over all entries is the smallest. 1 <= rank <= min(out, in).
    Returns (down, up), in this order. Many pairs have the same product up @ down; any of them
    is right. No gradient is needed.
    """
    left, values, right = torch.linalg.svd(after - before, full_matrices=False)  # values fall
    return right[:rank], left[:, :rank] * values[:rank]  # Eckart, Young and Mirsky


def half_each(before, after, rank):
    """Both factors get the root of the singular values."""
    left, values, right = torch.svd((after - before).double())
    root = values[:rank].sqrt().diag()
    return root @ right[:, :rank].mT, left[:, :rank] @ root


def by_projection(before, after, rank):
    """The directions of the inputs that change most, and what the change does to each."""
    change = (after - before).double()
    _, directions = torch.linalg.eigh(change.mT @ change)  # from the smallest up
    down = directions.flip(1)[:, :rank].mT
    return down, change @ down.mT


def one_at_a_time(before, after, rank):
    """Rank one after rank one: the best is taken away, and the best of the rest found."""
    rest, down, up = (after - before).double(), [], []
    for _ in range(rank):
        left, values, right = torch.linalg.svd(rest)
        down.append(values[0] * right[0])
        up.append(left[:, 0])
        rest = rest - torch.outer(up[-1], down[-1])
    return torch.stack(down), torch.stack(up, dim=1)


def by_outputs(before, after, rank):
    """From the side of the outputs, in a basis that is neither orthogonal nor of length 1."""
    change = (after - before).double()
    _, directions = torch.linalg.eigh(change @ change.T)
    up = directions[:, -rank:]
    mix = torch.eye(rank, dtype=torch.float64) + 0.3
    return torch.linalg.solve(mix, up.T @ change), up @ mix


def _cut(
    change: Callable = lambda before, after: after - before,
    chosen: Callable = lambda rank: slice(0, rank),
    power: float = 1.0,
    shared: float = 0.0,
) -> Callable:
    """extract with one part of its own; `shared`: the power of the singular values that down gets too."""

    def wrong(before, after, rank):
        left, values, right = torch.linalg.svd(change(before, after), full_matrices=False)
        kept = chosen(rank)
        return values[kept, None] ** shared * right[kept], left[:, kept] * values[kept] ** power

    return wrong


def _difference_of_cuts(before, after, rank):
    """Each weight cut to the rank, and their difference, of twice the rank."""
    (d, u), (e, v) = (_cut(lambda b, a, w=w: w)(before, after, rank) for w in (after, before))
    return torch.cat([d, e]), torch.cat([u, -v], 1)


def _rows(before, after, rank):
    """The rows that change most are taken as they are."""
    change = after - before
    kept = change.norm(dim=1).topk(rank).indices
    return change[kept], torch.eye(len(change)).to(change)[:, kept]


def _columns(before, after, rank):
    change = after - before
    kept = change.norm(dim=0).topk(rank).indices
    return torch.eye(change.shape[1]).to(change)[kept], change[:, kept]


def _first_rows(before, after, rank):
    change = after - before
    return change[:rank], torch.eye(len(change)).to(change)[:, :rank]


def _first_columns(before, after, rank):
    change = after - before
    return torch.eye(change.shape[1]).to(change)[:rank], change[:, :rank]


def _columns_for_rows(before, after, rank):
    """torch.linalg.svd gives Vᵀ: here V's columns are taken from it, and turned round."""
    left, values, right = torch.linalg.svd(after - before, full_matrices=False)
    return right[:, :rank].mT, left[:, :rank] * values[:rank]


def _turned_back(before, after, rank):
    """The same, where the third matrix is square."""
    left, values, right = torch.linalg.svd(after - before)
    return right.mT[:rank], left[:, :rank] * values[:rank]


def _rows_of_left(before, after, rank):
    left, values, right = torch.linalg.svd(after - before, full_matrices=True)
    return right[:rank], left[:rank].mT * values[:rank]


def _of_the_covariance(before, after, rank):
    """Principal components: the mean row is taken away first."""
    change = after - before
    centred = change - change.mean(0)
    left, values, right = torch.linalg.svd(centred, full_matrices=False)
    return right[:rank], left[:, :rank] * values[:rank]


def _onto_all(before, after, rank):
    """up from the directions of the change, down from those of `after`."""
    directions = torch.linalg.svd(after, full_matrices=False)[2][:rank]
    return directions, (after - before) @ directions.mT


def _smallest_eigenvectors(before, after, rank):
    change = after - before
    directions = torch.linalg.eigh(change.mT @ change)[1][:, :rank]
    return directions.mT, change @ directions


def layers(rows: int, columns: int, rank: int, scale: float = 1.0) -> Callable:
    """A case: a weight, and the weight after a fine-tuning that changed it in all directions."""

    def build(g: torch.Generator) -> tuple:
        before = normal(g, rows, columns)
        return before, before + scale * normal(g, rows, columns), rank

    return build


def draw(rows: int, columns: int, seed: int) -> Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def change_of(f: Callable, before: Tensor, after: Tensor, rank: int) -> Tensor:
    down, up = f(before, after, rank)
    return torch.as_tensor(up).double() @ torch.as_tensor(down).double()


def up_comes_first(f: Callable) -> bool:
    """Are these (up, down), in shape?"""
    first, second = f(draw(5, 3, 0), draw(5, 3, 1), 2)
    return (tuple(first.shape), tuple(second.shape)) == ((5, 2), (2, 3))


def gives_a_lora_back(f: Callable) -> bool:
    """A fine-tuning that was a LoRA of this rank is found whole."""
    before, made = draw(5, 4, 0), draw(5, 2, 1) @ draw(2, 4, 2)
    return close(change_of(f, before, before + made, 2), made, 1e-3)


def whole_at_full_rank(f: Callable) -> bool:
    before, after = draw(3, 5, 3), draw(3, 5, 4)
    return close(change_of(f, before, after, 3), after - before, 1e-3)


def knows_only_the_change(f: Callable) -> bool:
    before, change = draw(4, 3, 5), draw(4, 3, 6)
    return close(change_of(f, before, before + change, 1), change_of(f, 0 * before, change, 1), 1e-3)


def has_the_rank(f: Callable) -> bool:
    before, after = draw(6, 5, 7), draw(6, 5, 8)
    return int(torch.linalg.matrix_rank(change_of(f, before, after, 3), rtol=1e-4)) == 3


def nothing_left_along_it(f: Callable) -> bool:
    """What is left over stands at right angles to what was taken: no scale of it would come nearer."""
    before, after = draw(6, 4, 9), draw(6, 4, 10)
    taken = change_of(f, before, after, 2)
    return abs(float((taken * (after - before - taken)).sum())) < 1e-3 * float(taken.square().sum())


def nearer_than_chance(f: Callable) -> bool:
    """Rank 1: nearer to the change than any of 200 rank-1 matrices that are the best in a direction drawn at random."""
    before, after = draw(4, 3, 11), draw(4, 3, 12)
    change = (after - before).double()
    directions = torch.nn.functional.normalize(draw(200, 3, 13).double(), dim=1)
    chance = (change @ directions[:, :, None] @ directions[:, None] - change).square().sum((1, 2)).min()
    return float((change_of(f, before, after, 1) - change).square().sum()) <= float(chance) + 1e-4


def product(factors: Any) -> Any:
    return factors[1] @ factors[0] if isinstance(factors, tuple | list) else factors


EXERCISE = Exercise(
    name="09.extract",
    title="A LoRA out of a finished fine-tuning",
    minutes=7,
    level=2,
    reference=extract,
    alternatives=[half_each, by_projection, one_at_a_time, by_outputs],
    counts=Counts("up @ down", product),
    cases=[
        (torch.eye(2, 3), torch.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 0.5]]), 1),
        layers(3, 2, 1),
        layers(5, 4, 2),
        layers(4, 6, 3, 0.2),
        layers(4, 4, 1, 0.5),
        layers(3, 5, 3),
    ],
    invariants=[
        Invariant(
            "down first",
            lambda f: not up_comes_first(f),
            "You return (up, down). The order asked for is (down, up): down (rank, in) comes first.",
            before_form=True,
        ),
        Invariant(
            "only the change counts",
            knows_only_the_change,
            "Add one and the same matrix to before and to after: up @ down is the same as it was, since the change is. Yours is another "
            "one.",
        ),
        Invariant(
            "a LoRA is found again",
            gives_a_lora_back,
            "Where the fine-tuning itself was a LoRA of this rank, up @ down must be that whole change. Yours is another matrix.",
        ),
        Invariant(
            "whole at full rank",
            whole_at_full_rank,
            "With rank = min(out, in) any change has that rank, so before + up @ down must be `after` itself. Yours is not.",
        ),
        Invariant(
            "of this rank",
            has_the_rank,
            "The product up @ down has another rank than the one asked for: some of its columns are wasted, or doubled.",
        ),
        Invariant(
            "as long as it should be",
            nothing_left_along_it,
            "A multiple of your up @ down comes nearer to the change than it does itself: look at its length.",
        ),
        Invariant(
            "nearer than chance",
            nearer_than_chance,
            "Of rank 1, a matrix built on a direction drawn at random came nearer to the change than yours.",
        ),
    ],
    mistakes=[
        Mistake(
            "of after",
            _cut(change=lambda before, after: after),
            "You take the factors of `after`. Then before + up @ down holds the old weight twice: what is to be factored is what the "
            "fine-tuning has changed.",
        ),
        Mistake(
            "of before",
            _cut(change=lambda before, after: before),
            "You take the factors of `before`. What is to be factored is what the fine-tuning has changed.",
        ),
        Mistake(
            "the way back",
            _cut(change=lambda before, after: before - after),
            "Your change leads from after to before: before + up @ down goes the wrong way.",
        ),
        Mistake(
            "the sum",
            _cut(change=lambda before, after: before + after),
            "You factor the sum of the two weights. before + up @ down is to be near to `after`: what has to be added to before?",
        ),
        Mistake(
            "the smallest",
            _cut(chosen=lambda rank: slice(-rank, None)),
            "You keep the smallest singular values, which say least: what is left over is then as large as it can be.",
        ),
        Mistake(
            "the smallest directions",
            _smallest_eigenvectors,
            "You keep the eigenvectors of the smallest eigenvalues: torch.linalg.eigh gives them rising. The largest say most.",
        ),
        Mistake(
            "without the singular values",
            _cut(power=0.0),
            "Your product has only the directions: the singular values, which say how far the change goes along each, are missing.",
        ),
        Mistake(
            "singular values twice",
            _cut(shared=1.0),
            "Both of your factors have the whole singular values, so the product has their squares.",
        ),
        Mistake(
            "roots only once",
            _cut(power=0.5),
            "Your product has the roots of the singular values: one factor got its root, the other got none.",
        ),
        Mistake(
            "the second comes first",
            _cut(chosen=lambda rank: slice(1, rank + 1)),
            "The largest singular value is missing: yours begin with the second. Counting starts at 0.",
        ),
        Mistake(
            "the first one only",
            _cut(chosen=lambda rank: slice(0, 1)),
            "You keep one direction, whatever the rank is.",
        ),
        Mistake(
            "all of them",
            _cut(chosen=lambda rank: slice(None)),
            "Your up @ down is the whole change, with as many columns in up as that takes. Only `rank` of them are to be kept: the best "
            "ones.",
        ),
        Mistake(
            "columns of the third part",
            _columns_for_rows,
            "You take columns of the third matrix that the singular value decomposition gives. torch.linalg.svd gives it transposed: the "
            "directions of the inputs are its rows.",
        ),
        Mistake(
            "the third part turned back",
            _turned_back,
            "You transpose the third matrix that the singular value decomposition gives. torch.linalg.svd gives it transposed already: the "
            "directions of the inputs are its rows as it comes.",
        ),
        Mistake(
            "the product",
            lambda before, after, rank: product(extract(before, after, rank)),
            "Your matrix is the right product up @ down. The two factors themselves are asked for: they are what is small.",
        ),
        Mistake(
            "the weight",
            lambda before, after, rank: before + product(extract(before, after, rank)),
            "You return the weight with the LoRA merged into it. The LoRA's two factors are asked for: they are what is small.",
        ),
        Mistake(
            "rows of the first part",
            _rows_of_left,
            "You take rows of the first matrix that the singular value decomposition gives. The directions of the outputs are its columns.",
        ),
        Mistake(
            "each weight on its own",
            _difference_of_cuts,
            "You cut each weight by itself and take the difference then, which has twice the rank. The change may lie where both weights "
            "say little: first take the change, then cut it.",
        ),
        Mistake(
            "directions of after",
            _onto_all,
            "Your directions are those in which `after` is large. Those in which the change is large are wanted.",
        ),
        Mistake(
            "rows that change most",
            _rows,
            "You keep the rows that change most, and leave the others as they were. Of all matrices of this rank another is nearer: one "
            "whose directions run across rows.",
        ),
        Mistake(
            "columns that change most",
            _columns,
            "You keep the columns that change most, and leave the others as they were. Of all matrices of this rank another is nearer: one "
            "whose directions run across columns.",
        ),
        Mistake(
            "the first rows",
            _first_rows,
            "You keep the first rows of the change, and leave the others as they were. Of all matrices of this rank another is nearer: one "
            "that says something in every row.",
        ),
        Mistake(
            "the first columns",
            _first_columns,
            "You keep the first columns of the change, and leave the others as they were. Of all matrices of this rank another is nearer: "
            "one that says something in every column.",
        ),
        Mistake(
            "less the mean row",
            _of_the_covariance,
            "You take the mean of the rows away before you cut, as for principal components. Here the change itself is to be approached, "
            "and its mean is part of it.",
        ),
        Mistake(
            "one after the other weight",
            lambda before, after, rank: (before[:rank], after[:, :rank]),
            "You cut pieces out of the two weights. Wanted is a product of two matrices that is near to their difference.",
        ),
    ],
    gradients=[],
    allowed={
        "False -> True": "the further rows and columns have no singular value",
        "torch.linalg.svd(after - before, full_matrices=False) -> *": "the further rows and columns have no singular value",
    },
    hints=[
        "What has to be added to before to get after? up @ down is to be near to that.",
        "Every matrix is a sum of products of a column and a row, each with a number that says how large it is, and all at right angles to "
        "each other: its singular value decomposition, torch.linalg.svd. Which of these parts would you keep?",
        "Eckart, Young and Mirsky: nothing of rank r is nearer than the r parts with the largest singular values. down takes their rows, "
        "up their columns; the singular values go into one of the two, or their roots into both.",
    ],
    insight="Any fine-tuning can be turned into a LoRA after the fact; how much is lost is the root of the sum of the squares of the "
    "singular values that were left out. Whether it is little is not given: it has to be looked at. A LoRA that was trained as one has no "
    "more of them than its rank.",
)
