"""Does an answer learn where the reference learns? Their vector-Jacobian products are compared, with one random cotangent for both."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from diffcourse.learn import run
from diffcourse.learn.exercise import Case, Exercise, copied
from diffcourse.learn.run import Outcome
from diffcourse.learn.state import Saved

PARAMETERS = "parameters"  # what the parameters of a module that an exercise builds are called in `Exercise.gradients`
Leaves = dict[str, Tensor]


@dataclass(frozen=True)
class Products:
    """vᵀJ by the name of every leaf, None where no gradient arrives; and the tensors of the output that counted, by their positions."""

    outputs: tuple[int, ...]
    grads: dict[str, Tensor | None]


def derivative(
    exercise: Exercise,
    answer: Any,
    case: Case,
    dtype: torch.dtype | None,
    outputs: tuple[int, ...] = (),
    saved: Saved | None = None,
) -> Outcome:
    """The `Products` of an answer on a case. v is drawn once for all answers.

    `outputs` are those that count, by default those that depend on a leaf.
    """

    def products() -> Products:
        call, leaves = (_of_class if exercise.kind == "class" else _of_function)(exercise, answer, case, dtype)
        value = call()
        found = list(_tensors(run.plain(tuple(value) if isinstance(value, Iterator) else value)))
        if outputs and len(found) == 1 and outputs[-1] > 0 and found[0].ndim:
            found = list(found[0])  # a tensor for a tuple
        count = outputs or tuple(i for i, tensor in enumerate(found) if tensor.requires_grad)
        g = torch.Generator().manual_seed(0)
        drawn = {i: torch.randn(found[i].shape, generator=g, dtype=torch.float64) for i in count if i < len(found)}
        live = [i for i in drawn if found[i].requires_grad]
        if not live or not leaves:
            return Products(count, dict.fromkeys(leaves))
        cotangents = [drawn[i].to(found[i]) for i in live]
        grads = torch.autograd.grad([found[i] for i in live], list(leaves.values()), cotangents, allow_unused=True)
        return Products(count, dict(zip(leaves, grads, strict=True)))

    return run.Runner(60.0, saved=saved).call(products)


def difference(expected: dict[str, Tensor | None], got: dict[str, Tensor | None]) -> str | None:
    """The first leaf whose gradient is missing or another one, as a sentence."""
    scale = max([float(e.abs().max()) for e in expected.values() if e is not None and e.numel()], default=0.0)
    for name, e in expected.items():
        if e is None or not e.numel() or not bool(e.isfinite().all()) or float(e.abs().max()) <= 1e-5 * scale:
            continue  # none, or no more than rounding: a bias before a normalisation
        g = got.get(name)
        if g is None or not bool((g != 0).any()):
            return f"no gradient reaches {name} through it, so nothing can be learnt there: look for detach, no_grad, item or numpy."
        gap = (e.double() - g.double()).abs()
        if not bool((gap <= 1e-3 * e.double().abs() + 1e-4 * float(e.abs().max()) + 1e-6 * scale).all()):
            lost = (g == 0) & (e != 0)
            some = (
                "none reaches some of its entries" if bool(lost.any()) else "a part of it is cut off, or counted twice"
            )
            return f"the gradient in {name} is another one: {some}. Look for detach, no_grad or a part that is frozen."
    return None


def _of_function(exercise: Exercise, answer: Any, case: Case, dtype: torch.dtype | None) -> tuple[Callable, Leaves]:
    args, kwargs = copied(case.args), copied(dict(case.kwargs))
    leaves: Leaves = {}
    for name, value in zip(run.argument_names(exercise, case), [*args, *kwargs.values()], strict=True):
        if exercise.gradients is None or name in exercise.gradients:
            leaves |= _leaves(name, value)
    return lambda: answer(*args, **kwargs), leaves


def _of_class(exercise: Exercise, answer: Any, case: Case, dtype: torch.dtype | None) -> tuple[Callable, Leaves]:
    made, inputs = run.built(exercise.reference, answer, case, dtype), copied(case.inputs)
    wanted = exercise.gradients
    leaves: Leaves = {}
    if isinstance(made, nn.Module) and (wanted is None or PARAMETERS in wanted):
        leaves |= {f"the parameter {name}": p for name, p in made.named_parameters() if p.requires_grad}
    names = list(inspect.signature(getattr(exercise.reference, exercise.method(case))).parameters)[1:]
    for name, value in zip(names, inputs, strict=False):
        if wanted is None or name in wanted:
            leaves |= _leaves(name, value)
    return lambda: getattr(made, case.method)(*inputs), leaves


def _leaves(name: str, value: Any) -> Leaves:
    """Everything in an argument that can have a gradient, under the name of the argument."""
    if isinstance(value, Tensor):
        return {name: value.requires_grad_()} if value.is_floating_point() and value.is_leaf else {}
    if isinstance(value, nn.Module):
        return {f"{key} of {name}": parameter for key, parameter in value.named_parameters() if parameter.requires_grad}
    if isinstance(value, list | tuple):
        return {k: v for i, item in enumerate(value) for k, v in _leaves(f"{name}[{i}]", item).items()}
    return {}


def _tensors(value: Any) -> Iterator[Tensor]:
    """The floating-point tensors of an output in their order, a tensor for a tuple taken apart."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item) if not isinstance(item, float | int | np.number) else ()
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
