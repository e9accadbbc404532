"""A generative adversarial network of digits.

Which step's weights are kept is fixed before the training: the average after the last step, whatever it scores. To look at the scores of
many checkpoints and keep the best would be a second training, on the test digits, which no other family here gets.
"""

from typing import Any

import torch
from torch import Tensor

from diffcourse import data, metrics
from diffcourse.evaluate import plus_minus
from diffcourse.gaussian import share_se
from diffcourse.images import Batch
from diffcourse.models import GAN
from diffcourse.recipes.recipe import Recipe


def digit_gan() -> GAN:
    """Non-saturating, with R1 on a quarter of each batch: the steadiest known recipe that needs no trick (Mescheder et al. 2018)."""
    return GAN.digits(r1=0.3, penalised=16)


def gan_loss(model: GAN, batch: Batch, generator: torch.Generator) -> Tensor:
    return model.loss(batch.images, generator)


def measure_gan(model: GAN, profile: str) -> dict[str, Any]:
    """Of unconditional samples, and of as many training digits: what either judge and both are sure of, distance, precision and recall
    against test digits, how far the labels that are read are from MNIST's shares, ink and grey.

    Real digits are drawn at random. Then the losses of both players on test digits.
    """
    n = {"smoke": 100}.get(profile, 2000)
    images = model.generate(n, generator=torch.Generator().manual_seed(0))
    real, test = data.mnist("train").take(n, seed=0).images, data.mnist("test")
    among = test.take(min(n, len(test)), seed=0).images
    with torch.no_grad():
        players = model.players(among, torch.Generator().manual_seed(0))
    return {
        "kept": "the average after the last step, as fixed beforehand",
        "samples": n,
        "drawn": _scored(images, among),
        "training digits": _scored(real, among),
        "players on test digits": {name: round(loss.item(), 4) for name, loss in players._asdict().items()},
    }


def _scored(images: Tensor, among: Tensor) -> dict[str, Any]:
    n, judges = len(images), (metrics.judge(), metrics.second_judge())
    first, second = (metrics.probabilities(images, judge).amax(dim=1) > 0.9 for judge in judges)
    distance, pair = metrics.distance(images), metrics.precision_recall(images, among)
    balance, look = metrics.label_balance(images), metrics.look(images)
    sure = {"recognisable": first, "recognisable, second judge": second, "recognisable, both": first & second}
    shares = {name: yes.double().mean().item() for name, yes in sure.items()}
    return {name: plus_minus(share, share_se(share, n)) for name, share in shares.items()} | {
        "distance": round(distance.value, 3),
        "times_floor": round(distance.ratio, 2),
        "precision": round(pair.precision, 4),
        "recall": round(pair.recall, 4),
        "label_balance": round(balance.distance, 4),
        "label_balance of real digits": round(balance.floor, 4),
        "labels": [round(share, 4) for share in balance.shares],
        "ink": plus_minus(look.ink, look.se[0]),
        "grey": plus_minus(look.grey, look.se[1]),
    }


RECIPES = {
    "mnist-gan": Recipe(
        about="Draws digits of no asked label in one call of its generator: a small GAN, non-saturating, with R1.",
        headline="recognisable: {drawn[recognisable]}, {drawn[times_floor]} times the floor",
        build=digit_gan,
        loss=gan_loss,
        steps={"smoke": 20, "laptop": 10_000, "gpu": 60_000},
        measure=measure_gan,
        options={"batch_size": 64, "lr": 1e-3, "betas": [0.5, 0.99], "clip": 100.0, "ema": 0.999},
    ),
}
