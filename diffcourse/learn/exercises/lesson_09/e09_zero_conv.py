"""The gradients of a zero convolution."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from diffcourse.learn.exercise import Counts, Exercise, Invariant, Mistake, close
from diffcourse.learn.exercises._cases import normal


def zero_conv(grad: Tensor, c: Tensor, V: Tensor, W: Tensor) -> dict[str, Tensor]:
    """The gradients of a zero convolution and of the layer before it, without autograd.

    All convolutions are 1x1, so they are matrices, and pictures are lists of places. At each of
    N places the control c (in) passes a first layer, h = V c (mid), and then the zero
    convolution, W h + b (out), which is added to the features x of the frozen network:
    y = x + W h + b. W and b are zero at the start of training, but not later.
    c (N, in) and grad (N, out), the derivative dL/dy of the loss, have a row for each place;
    V (mid, in), W (out, mid). The loss depends on y at all places.
    Returns {"W": dL/dW, "b": dL/db, "V": dL/dV}, of the shapes of W (out, mid), b (out,) and
    V (mid, in), by matrix products and sums alone.
    """
    h = c @ V.mT
    return {"W": grad.mT @ h, "b": grad.sum(0), "V": (grad @ W).mT @ c}


def by_einsum(grad, c, V, W):
    return {
        "V": torch.einsum("no,om,ni->mi", grad, W, c),
        "W": torch.einsum("no,mi,ni->om", grad, V, c),
        "b": torch.einsum("no->o", grad),
    }


def place_by_place(grad, c, V, W):
    found = {"W": torch.zeros_like(W), "b": torch.zeros(len(W)).to(W), "V": torch.zeros_like(V)}
    for g, control in zip(grad, c, strict=True):
        found["W"] += torch.outer(g, V @ control)
        found["b"] += g
        found["V"] += torch.outer(W.mT @ g, control)
    return found


def through_one_matrix(grad, c, V, W):
    """Both follow from the derivative in the product W V."""
    product = (grad.double()[:, :, None] * c.double()[:, None, :]).sum(0)
    ones = torch.ones(1, len(grad)).to(grad)
    return {"W": product @ V.double().T, "V": W.double().T @ product, "b": (ones @ grad)[0]}


def _wrong(
    of_weight: Callable = lambda grad, c, V, W: grad.mT @ (c @ V.mT),
    of_bias: Callable = lambda grad: grad.sum(0),
    of_first: Callable = lambda grad, c, V, W: W.mT @ grad.mT @ c,
) -> Callable:
    """zero_conv with a part of its own."""

    def wrong(grad, c, V, W):
        return {"W": of_weight(grad, c, V, W), "b": of_bias(grad), "V": of_first(grad, c, V, W)}

    return wrong


def _all(change: Callable) -> Callable:
    """All three changed in the same way."""
    return lambda grad, c, V, W: {key: change(value, len(grad)) for key, value in zero_conv(grad, c, V, W).items()}


class Gradients(NamedTuple):
    """What is compared: the three by their names."""

    W: Tensor
    b: Tensor
    V: Tensor


def named(found: Any) -> Any:
    return Gradients(**found) if isinstance(found, dict) else found


def places(n: int, features: int, mid: int, out: int, start: bool = False) -> Callable:
    """A case: n places; `start`: the zero convolution is still zero."""

    def build(g: torch.Generator) -> tuple:
        grad, c, first, last = normal(g, n, out), normal(g, n, features), normal(g, mid, features), normal(g, out, mid)
        return grad, c, first, 0 * last if start else last

    return build


def draw(n: int, features: int, mid: int, out: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return places(n, features, mid, out)(g)


def first_layer_waits(f: Callable) -> bool:
    grad, c, first, last = draw(4, 3, 2, 5)
    return close(f(grad, c, first, 0 * last)["V"], 0 * first)


def one_of_all_places(f: Callable) -> bool:
    """The gradients of two lists of places add up to those of all places."""
    grad, c, first, last = draw(5, 3, 2, 4, seed=1)
    whole, parts = (
        f(grad, c, first, last),
        [f(grad[s], c[s], first, last) for s in (slice(0, 2), slice(2, 5))],
    )
    return all(close(whole[key], parts[0][key] + parts[1][key], 1e-4) for key in ("W", "b", "V"))


def says_how_the_loss_changes(name: str) -> Callable:
    """With L = the sum of grad·y, which is linear in each of the three, a change of it changes L by gradient times change."""

    def holds(f: Callable) -> bool:
        grad, c, first, last = draw(4, 3, 2, 5, seed=2)
        given = {"W": last, "b": torch.ones(5), "V": first}

        def loss(parts: dict[str, Tensor]) -> Tensor:
            return (grad * (c @ parts["V"].mT @ parts["W"].mT + parts["b"])).sum()

        change = torch.linspace(-1, 1, given[name].numel()).exp().view_as(given[name])
        moved = loss(given | {name: given[name] + change}) - loss(given)
        return close((f(grad, c, first, last)[name] * change).sum(), moved, 1e-3)

    return holds


def needs_no_autograd(f: Callable) -> bool:
    try:
        with torch.inference_mode():
            f(*draw(3, 2, 4, 3))
    except Exception:
        return False
    return True


EXERCISE = Exercise(
    name="09.zero_conv",
    title="The gradients of a zero convolution",
    minutes=8,
    level=3,
    reference=zero_conv,
    alternatives=[by_einsum, place_by_place, through_one_matrix],
    counts=Counts("dL/dW, dL/db and dL/dV", named, parts=("dL/dW", "dL/db", "dL/dV")),
    cases=[
        places(2, 2, 1, 2, start=True),
        places(1, 3, 2, 2),
        places(4, 3, 2, 5),
        places(5, 4, 4, 4),
        places(3, 2, 4, 3, start=True),
        places(3, 3, 3, 3),
    ],
    invariants=[
        Invariant(
            "the first layer waits",
            first_layer_waits,
            "Where W is 0, y is the same whatever V is, so dL/dV must be 0. Yours is not.",
        ),
        Invariant(
            "places add up",
            one_of_all_places,
            "All places share W, b and V, so the gradients of two lists of places add up to those of both together. Yours do not.",
        ),
        Invariant(
            "b",
            says_how_the_loss_changes("b"),
            "A change of b changes the loss by another amount than your dL/db says. At how many places does b stand?",
        ),
        Invariant(
            "W",
            says_how_the_loss_changes("W"),
            "A change of W changes the loss by another amount than your dL/dW says. What is W multiplied with at each place?",
        ),
        Invariant(
            "V",
            says_how_the_loss_changes("V"),
            "A change of V changes the loss by another amount than your dL/dV says. What lies between V and y?",
        ),
        Invariant(
            "no autograd",
            needs_no_autograd,
            "The numbers are right. But it does not work where autograd is switched off: this time it is to be worked out by hand.",
            only_if_right=True,
        ),
    ],
    mistakes=[
        Mistake(
            "means",
            _all(lambda value, n: value / n),
            "You take means over the places. A place counts as much whether there are few or many: what all of them do to the loss adds "
            "up. If the loss is a mean, grad knows it already.",
        ),
        Mistake(
            "the mean for b",
            _wrong(of_bias=lambda grad: grad.mean(0)),
            "dL/dW and dL/dV are right. Your dL/db is a mean over the places; b stands at all of them, and what it does there adds up.",
        ),
        Mistake(
            "b at each place",
            _wrong(of_bias=lambda grad: grad),
            "dL/dW and dL/dV are right. Your dL/db has a row for each place; there is one b for all of them.",
        ),
        Mistake(
            "one number for b",
            _wrong(of_bias=lambda grad: grad.sum()),
            "dL/dW and dL/dV are right. Your dL/db is one number; each of the outputs has a b of its own.",
        ),
        Mistake(
            "b as the number of places",
            _wrong(of_bias=lambda grad: torch.full_like(grad[0], len(grad))),
            "dL/dW and dL/dV are right. Your dL/db is the number of places: that is the derivative of the sum of y. L depends on y as grad "
            "says.",
        ),
        Mistake(
            "over the outputs for b",
            _wrong(of_bias=lambda grad: grad.sum(1)),
            "dL/dW and dL/dV are right. Your dL/db is summed over the outputs, and has one number for each place: it is the other way "
            "round.",
        ),
        Mistake(
            "c for h",
            _wrong(of_weight=lambda grad, c, V, W: grad.mT @ c),
            "dL/db and dL/dV are right. In your dL/dW the control stands where the output of the first layer belongs: W is multiplied "
            "with h.",
        ),
        Mistake(
            "W turned round",
            _wrong(of_weight=lambda grad, c, V, W: (c @ V.mT).mT @ grad),
            "dL/db and dL/dV are right. Your dL/dW has rows and columns interchanged: W is (out, mid).",
        ),
        Mistake(
            "V turned round",
            _wrong(of_first=lambda grad, c, V, W: c.mT @ (grad @ W)),
            "dL/dW and dL/db are right. Your dL/dV has rows and columns interchanged: V is (mid, in).",
        ),
        Mistake(
            "W and V turned round",
            _wrong(
                of_weight=lambda grad, c, V, W: (c @ V.mT).mT @ grad, of_first=lambda grad, c, V, W: c.mT @ (grad @ W)
            ),
            "Your dL/dW and dL/dV have rows and columns interchanged: W is (out, mid), V is (mid, in).",
        ),
        Mistake(
            "not through W",
            _wrong(of_first=lambda grad, c, V, W: grad.mT @ c),
            "dL/dW and dL/db are right. Your dL/dV takes grad as if it were the derivative in h. Between h and y there is W.",
        ),
        Mistake(
            "W the wrong way",
            _wrong(of_first=lambda grad, c, V, W: (grad @ W.mT).mT @ c),
            "On the way back grad must pass W from the outputs to the middle: yours passes it in the direction of the way there, which "
            "fits only where both have one size.",
        ),
        Mistake(
            "h for c",
            _wrong(of_first=lambda grad, c, V, W: (grad @ W).mT @ (c @ V.mT)),
            "dL/dW and dL/db are right. In your dL/dV stands the output of the first layer where its input belongs: V is multiplied with "
            "c.",
        ),
        Mistake(
            "V never learns",
            _wrong(of_first=lambda grad, c, V, W: torch.zeros_like(V)),
            "dL/dW and dL/db are right. Your dL/dV is 0: so it is at the start, where W is 0, but not later.",
        ),
        Mistake(
            "of h",
            _wrong(of_first=lambda grad, c, V, W: grad @ W),
            "dL/dW and dL/db are right. In the place of dL/dV stands the derivative in h, at each place. One step is missing, from h to V.",
        ),
        Mistake(
            "of c",
            _wrong(of_first=lambda grad, c, V, W: grad @ W @ V),
            "dL/dW and dL/db are right. In the place of dL/dV stands the derivative in the control c. The control does not learn; V does.",
        ),
        Mistake(
            "product of sums",
            _wrong(
                of_weight=lambda grad, c, V, W: torch.outer(grad.sum(0), (c @ V.mT).sum(0)),
                of_first=lambda grad, c, V, W: torch.outer((grad @ W).sum(0), c.sum(0)),
            ),
            "You sum over the places first and multiply then. At each place its own grad meets its own h: multiply there, then add up.",
        ),
        Mistake(
            "product of sums in W",
            _wrong(of_weight=lambda grad, c, V, W: torch.outer(grad.sum(0), (c @ V.mT).sum(0))),
            "In your dL/dW you sum over the places first and multiply then. At each place its own grad meets its own h: multiply there, "
            "then add up.",
        ),
        Mistake(
            "not added up",
            _wrong(
                of_weight=lambda grad, c, V, W: grad[:, :, None] * (c @ V.mT)[:, None],
                of_bias=lambda grad: grad,
                of_first=lambda grad, c, V, W: (grad @ W)[:, :, None] * c[:, None],
            ),
            "You return the gradients of every place by itself. W, b and V are shared by all places: add up.",
        ),
        Mistake(
            "the first place",
            lambda grad, c, V, W: zero_conv(grad[:1], c[:1], V, W),
            "You return the gradients of the first place alone. W, b and V are shared by all places: add up.",
        ),
        Mistake(
            "downhill",
            _all(lambda value, n: -value),
            "All signs are turned: these are the steps that make the loss smaller. The gradients themselves are asked for.",
        ),
        Mistake(
            "a tuple",
            lambda grad, c, V, W: tuple(zero_conv(grad, c, V, W).values()),
            "The three are right, and in a tuple. A dictionary is asked for, with the keys W, b and V.",
        ),
    ],
    gradients=[],
    hints=[
        "Take one place and one number each first: y = x + w·h + b with h = v·c. The chain rule gives the derivatives in w, b and v. Which "
        "of them has w as a factor?",
        "At one place the derivative in a matrix is a column times a row: what comes back to its output, times what went into it. What "
        "comes back to h has passed W, from the outputs to the middle.",
        "Summed over the places, columns times rows are one product of two matrices: transposed on the left, (out, N) or (mid, N), and on "
        "the right what went in, (N, mid) or (N, in). b has the input 1 everywhere.",
    ],
    insight="A zero convolution is not stuck at zero. At the start dL/dV is 0, since W is, but dL/dW is not, since h is not: after one "
    "step W has moved, and from the second step on the layers before it learn too (Zhang et al. 2023). Were W and V both zero, neither "
    "would ever move.",
)
