"""Textual inversion: one word learns."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from diffcourse.learn.exercise import Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def learn_word(
    loss: Callable[[Tensor], Tensor],
    table: Tensor,
    row: int,
    steps: int,
    lr: float,
) -> Tensor:
    """Textual inversion: learn one row of the table of token embeddings, and nothing else.

    table (words, d) holds the embeddings of all tokens; those of the new word are table[row],
    row >= 0. loss(table), a scalar tensor, is differentiable in the whole table, also in rows
    that other words use. Take `steps` steps of plain gradient descent with the learning rate
    lr: no momentum, no Adam, no decay.
    Returns a new table (words, d), detached: `row` has learnt, every other row is bit for bit
    what it was. The caller's table stays as it is and gets no .grad, also where it is a
    parameter. With 0 steps it is an equal table.
    """
    learnt = table.detach().clone()
    for _ in range(steps):
        (slope,) = torch.autograd.grad(loss(learnt.requires_grad_()), learnt)
        learnt = learnt.detach()
        learnt[row] -= lr * slope[row]
    return learnt


def a_parameter_of_its_own(loss, table, row, steps, lr):
    """The row alone asks for a gradient."""
    word, others = table[row].detach().clone(), table.detach()
    for _ in range(steps):
        word = word.detach().requires_grad_()
        whole = torch.cat([others[:row], word.unsqueeze(0), others[row + 1 :]])
        loss(whole).backward()
        with torch.no_grad():
            word = word - lr * word.grad
    return torch.cat([others[:row], word.detach().unsqueeze(0), others[row + 1 :]])


def by_sgd(loss, table, row, steps, lr):
    """An optimiser for all, and the other rows put back after each step."""
    before = table.detach().clone()
    learnt = nn.Parameter(before.clone())
    optimizer = torch.optim.SGD([learnt], lr=lr)
    others = torch.arange(len(before)) != row
    for _ in range(steps):
        optimizer.zero_grad()
        loss(learnt).backward()
        optimizer.step()
        learnt.data[others] = before[others]
    return learnt.data


def by_mask(loss, table, row, steps, lr):
    """A gradient that is zero in all other rows, in float64."""
    learnt = table.detach().double()
    mask = torch.zeros(len(learnt), 1, dtype=learnt.dtype)
    mask[row] = 1
    for _ in range(steps):
        variable = learnt.clone().requires_grad_()
        slope = torch.autograd.grad(loss(variable), variable)[0]
        learnt = learnt - lr * mask * slope
    return learnt


def _wrong(
    update: Callable = lambda learnt, slope, row, lr: _moved(learnt, row, -lr * slope[row]),
    slope: Callable = lambda new, seen: new,
    steps: Callable = lambda steps: steps,
    rate: Callable = lambda lr, k, steps: lr,
    returned: Callable = lambda learnt, table, row: learnt,
) -> Callable:
    """learn_word with one part of its own; `seen`: all slopes so far, the newest last."""

    def wrong(loss, table, row, n, lr):
        learnt, seen = table.detach().clone(), []
        for k in range(steps(n)):
            seen.append(torch.autograd.grad(loss(learnt.requires_grad_()), learnt)[0])
            learnt = update(learnt.detach(), slope(seen[-1], seen), row, rate(lr, k, n))
        return returned(learnt.detach(), table.detach(), row)

    return wrong


def _moved(learnt: Tensor, row: int, by: Tensor) -> Tensor:
    learnt[row] += by
    return learnt


def _all_but_it(learnt, slope, row, lr):
    new = learnt - lr * slope
    new[row] = learnt[row]
    return new


def _momentum(new, seen):
    """What torch.optim.SGD steps along with momentum 0.9."""
    return sum(0.9**k * old for k, old in enumerate(reversed(seen)))


def _by(optimizer: Callable, restored: bool = True) -> Callable:
    """learn_word by an optimiser of torch, the other rows put back or not."""

    def wrong(loss, table, row, steps, lr):
        learnt = nn.Parameter(table.detach().clone())
        walker = optimizer([learnt], lr=lr)
        for _ in range(steps):
            walker.zero_grad()
            loss(learnt).backward()
            walker.step()
        new = learnt.detach()
        return _only(new, table.detach(), row) if restored else new

    return wrong


def _only(learnt: Tensor, table: Tensor, row: int) -> Tensor:
    new = table.clone()
    new[row] = learnt[row]
    return new


def _restored_at_the_end(loss, table, row, steps, lr):
    """All rows learn, and the others are put back when all is done."""
    learnt = table.detach().clone()
    for _ in range(steps):
        slope = torch.autograd.grad(loss(learnt.requires_grad_()), learnt)[0]
        learnt = learnt.detach() - lr * slope
    return _only(learnt, table.detach(), row)


def _in_place(loss, table, row, steps, lr):
    for _ in range(steps):
        variable = table.detach().clone().requires_grad_()
        slope = torch.autograd.grad(loss(variable), variable)[0]
        table.data[row] -= lr * slope[row]
    return table.detach()


class Prompt:
    """For a case: a loss that reads the words `ids` of the table, mixes them and compares with a target; not quadratic in any of them."""

    def __init__(self, g: torch.Generator, ids: list[int], d: int):
        self.ids, self.mix, self.target = ids, normal(g, len(ids), 3), normal(g, 3, d)

    def __call__(self, table: Tensor) -> Tensor:
        said = torch.tanh(self.mix.to(table).mT @ table[self.ids])
        return (said - self.target.to(table)).square().sum() + 0.1 * table.square().sum()


def prompt(words: int, d: int, ids: list[int], row: int, steps: int, lr: float) -> Callable:
    return lambda g: (Prompt(g, ids, d), normal(g, words, d), row, steps, lr)


def distance(table: Tensor) -> Tensor:
    """How far the sum of all words is from 1, squared."""
    return (table.sum(0) - 1).square().sum()


def _of_two(seed: int = 0) -> tuple[Prompt, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return Prompt(g, [0, 2, 2, 3], 2), normal(g, 5, 2)


def others_are_the_same(f: Callable) -> bool:
    loss, table = _of_two()
    new = torch.as_tensor(f(loss, table.clone(), 2, 4, 0.1)).detach()
    return all(torch.equal(new[i].double(), table[i].double()) for i in (0, 1, 3, 4))


def nothing_in_no_steps(f: Callable) -> bool:
    loss, table = _of_two(1)
    return close(f(loss, table.clone(), 2, 0, 0.1), table)


def the_loss_falls(f: Callable) -> bool:
    loss, table = _of_two(2)
    new = torch.as_tensor(f(loss, table.clone(), 2, 5, 1e-3)).to(table)
    return float(loss(_only(new, table, 2))) < float(loss(table))


def twice_the_loss(f: Callable) -> bool:
    """In one step a loss that is twice as large moves the word twice as far."""
    loss, table = _of_two(3)
    once, twice = (torch.as_tensor(f(lost, table.clone(), 2, 1, 0.1)) for lost in (loss, lambda t: 2 * loss(t)))
    return close((twice.to(table) - table)[2], 2 * (once.to(table) - table)[2], 1e-3)


def stays_where_nothing_pulls(f: Callable) -> bool:
    _, table = _of_two(4)
    new = torch.as_tensor(f(lambda t: t[0].square().sum() + 0 * t.sum(), table.clone(), 2, 3, 0.1)).to(table)
    return close(new[2], table[2], 1e-6)


def takes_a_parameter(f: Callable) -> bool:
    loss, table = _of_two()
    try:
        f(loss, nn.Parameter(table.clone()), 2, 2, 0.1)
    except Exception:
        return False
    return True


def is_detached(f: Callable) -> bool:
    loss, table = _of_two()
    return not any(f(loss, nn.Parameter(table.clone()), 2, n, 0.1).requires_grad for n in (0, 2))


def is_a_new_table(f: Callable) -> bool:
    """Whatever is done to what comes back, the caller's table stays, also where no step was taken."""
    loss, table = _of_two()
    for n in (0, 2):
        mine = table.clone()
        f(loss, mine, 2, n, 0.1).detach().add_(1)
        if not torch.equal(mine, table):
            return False
    return True


def leaves_no_trace(f: Callable) -> bool:
    """A parameter and a plain tensor: the same numbers, no gradient, and they ask for one as before."""
    loss, table = _of_two()
    for mine in (nn.Parameter(table.clone()), table.clone()):
        asked = mine.requires_grad
        f(loss, mine, 2, 2, 0.1)
        if mine.grad is not None or mine.requires_grad != asked or not torch.equal(mine.detach(), table):
            return False
    return True


EXERCISE = Exercise(
    name="09.learn_word",
    title="One word learns",
    minutes=7,
    level=2,
    reference=learn_word,
    alternatives=[a_parameter_of_its_own, by_sgd, by_mask],
    cases=[
        (distance, torch.tensor([[1.0, 0.0], [0.5, -1.0]]), 1, 1, 0.25),
        (distance, torch.tensor([[1.0, 0.0], [0.5, -1.0], [0.0, 2.0]]), 0, 3, 0.1),
        prompt(4, 2, [0, 1, 3], 3, 4, 0.1),
        prompt(5, 3, [2, 0, 2], 2, 3, 0.05),
        prompt(3, 4, [0, 1], 0, 6, 0.02),
        prompt(6, 2, [5, 4, 4, 1], 4, 2, 0.2),
    ],
    invariants=[
        Invariant(
            "nothing in no steps",
            nothing_in_no_steps,
            "With 0 steps nothing is learnt: the table that comes back must be equal to the one that was given. Yours is not.",
        ),
        Invariant(
            "the others stay",
            others_are_the_same,
            "A row of another word is no longer bit for bit what it was. Each of these words is read by thousands of other prompts.",
        ),
        Invariant(
            "the loss falls",
            the_loss_falls,
            "After five very small steps the loss is not smaller than before. Which way does the gradient point?",
        ),
        Invariant(
            "nothing pulls",
            stays_where_nothing_pulls,
            "Where the loss does not depend on the word, its gradient is 0, and it must stay. Yours moves.",
        ),
        Invariant(
            "twice the loss",
            twice_the_loss,
            "With a loss that is twice as large, one step of gradient descent moves the word twice as far. Yours does not.",
        ),
        Invariant(
            "a parameter",
            takes_a_parameter,
            "What is learnt is right, but where the caller's table is a parameter, as it is in a model, yours stops with an error. A "
            "clone of a parameter still hangs on it: it has no .grad of its own.",
            only_if_right=True,
        ),
        Invariant(
            "a new table",
            is_a_new_table,
            "What is learnt is right, but the table that comes back shares memory with the caller's: what is done to one is done to both.",
            only_if_right=True,
        ),
        Invariant(
            "no trace",
            leaves_no_trace,
            "What is learnt is right, but the caller's table is not what it was: it has got a .grad, or asks for a gradient, or has other "
            "numbers. The caller's optimiser would take that for its own.",
            only_if_right=True,
        ),
        Invariant(
            "detached",
            is_detached,
            "What is learnt is right, but the table that comes back still asks for a gradient. It is to be detached, whatever table was "
            "given.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "all rows learn",
            _wrong(update=lambda learnt, slope, row, lr: learnt - lr * slope),
            "All rows learn. What the model knows of the other words is lost with them: only `row` may move.",
        ),
        Mistake(
            "restored at the end",
            _restored_at_the_end,
            "All rows learn along the way, and the others are put back at the end. So the new word has learnt to stand beside words that "
            "are not there any more.",
        ),
        Mistake(
            "all but it",
            _wrong(update=_all_but_it),
            "Every row learns except `row`: your mask is turned round.",
        ),
        Mistake(
            "uphill",
            _wrong(update=lambda learnt, slope, row, lr: _moved(learnt, row, lr * slope[row])),
            "You go along the gradient, which points to where the loss is larger.",
        ),
        Mistake(
            "gradients add up",
            _wrong(slope=lambda new, seen: sum(seen)),
            "Your gradients add up from step to step: backward adds to what is in .grad already.",
        ),
        Mistake(
            "the slope of the start",
            _wrong(slope=lambda new, seen: seen[0]),
            "Every step takes the gradient of the start. It changes as the word moves: ask for it again in each step.",
        ),
        Mistake(
            "momentum",
            _wrong(slope=_momentum),
            "This is gradient descent with a momentum of 0.9. Plain gradient descent remembers no earlier step.",
        ),
        Mistake(
            "Adam",
            _by(torch.optim.Adam),
            "This is Adam, whose steps hardly depend on how large the gradient is. Plain gradient descent is asked for.",
        ),
        Mistake(
            "Adam for all rows",
            _by(torch.optim.Adam, restored=False),
            "This is Adam, and all rows learn. Plain gradient descent is asked for, of `row` alone.",
        ),
        Mistake(
            "AdamW",
            _by(torch.optim.AdamW),
            "This is AdamW, and the other rows are put back at the end only. Plain gradient descent is asked for, and the others stay.",
        ),
        Mistake(
            "AdamW for all rows",
            _by(torch.optim.AdamW, restored=False),
            "This is AdamW, and all rows learn; it even shrinks those without a gradient. Plain gradient descent is asked for, of `row` "
            "alone.",
        ),
        Mistake(
            "one step",
            _wrong(steps=lambda steps: min(1, steps)),
            "You take one step, however many are asked for.",
        ),
        Mistake(
            "one step too many",
            _wrong(steps=lambda steps: steps + 1),
            "You take one step more than asked for.",
        ),
        Mistake(
            "one step too few",
            _wrong(steps=lambda steps: steps - 1),
            "You take one step less than asked for.",
        ),
        Mistake(
            "a rate that falls",
            _wrong(rate=lambda lr, k, steps: lr * (1 - k / steps)),
            "Your learning rate falls from step to step. It is lr in each of them.",
        ),
        Mistake(
            "the rate shared out",
            _wrong(rate=lambda lr, k, steps: lr / steps),
            "You divide the learning rate by the number of steps. It is lr in each of them.",
        ),
        Mistake(
            "unit steps",
            _wrong(
                update=lambda learnt, slope, row, lr: _moved(learnt, row, -lr * slope[row] / slope[row].norm()),
            ),
            "You divide the gradient by its length, so that every step is lr long. A step of gradient descent is shorter where the loss is "
            "flatter.",
        ),
        Mistake(
            "signs only",
            _wrong(update=lambda learnt, slope, row, lr: _moved(learnt, row, -lr * slope[row].sign())),
            "You take the sign of the gradient only. A step of gradient descent is shorter where the loss is flatter.",
        ),
        Mistake(
            "all slopes in one row",
            _wrong(update=lambda learnt, slope, row, lr: _moved(learnt, row, -lr * slope.sum(0))),
            "You add up the gradients of all rows and move `row` along the sum. Its own gradient is the one that counts.",
        ),
        Mistake(
            "the mean of the slopes",
            _wrong(update=lambda learnt, slope, row, lr: _moved(learnt, row, -lr * slope.mean(0))),
            "You take the mean of the gradients of all rows and move `row` along it. Its own gradient is the one that counts.",
        ),
        Mistake(
            "the row alone",
            _wrong(returned=lambda learnt, table, row: learnt[row]),
            "What is learnt is right, and it is all that you return. The whole table is asked for, with that row in its place.",
        ),
        Mistake(
            "zeros for the others",
            _wrong(returned=lambda learnt, table, row: _only(learnt, 0 * table, row)),
            "What is learnt is right, but the other rows are 0. They stay as they were.",
        ),
        Mistake(
            "nothing learnt",
            _wrong(returned=lambda learnt, table, row: table.clone()),
            "The table that you return is the one that was given: what was learnt has been lost, or nothing was.",
        ),
        Mistake(
            "in place",
            _in_place,
            "What is learnt is right, but it is written into the caller's table, and that very table comes back. Work on a copy.",
        ),
    ],
    gradients=[],
    allowed={"loss called twice": "asking twice costs time, and changes nothing"},
    hints=[
        "loss takes the whole table, so give it one, and ask for the gradient. Which part of it may be used?",
        "detach and clone the table first, and work on that. A table that asks for a gradient cannot be changed in place at the same time: "
        "detach it again for that, or build the table from the word and the other rows in each step.",
        "In each step: a table that asks for a gradient, its loss, torch.autograd.grad; then the word less lr times the row of that "
        "gradient which belongs to it.",
    ],
    insight="Textual inversion (Gal et al. 2022) trains nothing else: 768 numbers for Stable Diffusion 1.x. All that is known of a "
    "new word is where it stands among the others, so it can only say what the model is able to draw already.",
)
