"""What a recipe is, and how the first parameters of its model follow from a seed."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse import data


@dataclass(frozen=True)
class Again:
    """A training that goes on from weights: its steps, and the options of `fit` that are other than the recipe's."""

    steps: dict[str, int]
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """One training: what is built, on which data, with which loss, for how long, and how the result is measured.

    `measure(model, profile)` is called with the model as it will be loaded; its numbers go on the card.
    """

    about: str
    build: Callable[[], nn.Module]
    loss: Callable[..., Tensor]  # (model, batch, generator)
    steps: dict[str, int]
    measure: Callable[[Any, str], dict[str, Any]]
    data: Callable[[], Any] = data.mnist
    headline: str = ""  # the one measured figure to know, for the README: "right: {right} of {test_digits} test digits"
    options: dict[str, Any] = field(default_factory=dict)  # of `fit`
    on_gpu: dict[str, Any] = field(default_factory=dict)  # further ones, where there is a CUDA GPU
    half: bool = True
    finish: Callable[[Any, Any], None] | None = None  # (model, data): what is set once the training is over
    parts: dict[str, str] = field(default_factory=dict)  # of the model: shipped weights, which its file refers to
    again: Again | None = None  # what is other where a training starts from weights; None: nothing


def started_from(recipe: Recipe) -> Recipe:
    """The recipe of a training that does not start anew, but from weights."""
    if recipe.again is None:
        return recipe
    return replace(recipe, steps=recipe.again.steps, options={**recipe.options, **recipe.again.options})


def seeded_build(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model whose initial parameters follow from `seed`; the global random state is left alone."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return build()
