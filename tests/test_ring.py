"""Three families on a ring: each is built, trained, followed and counted alike."""

import math

import pytest
import torch
from torch import nn

from diffcourse.denoiser import Denoiser
from diffcourse.mixture import GaussianMixture, modes
from diffcourse.models import GAN, PointVAE
from diffcourse.recipes.ring import ring_draws, ring_model, ring_training

FAMILIES = {"VAE": PointVAE, "GAN": GAN, "diffusion": Denoiser}
RING = GaussianMixture.ring(8, std=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_is_trained_by_the_same_call_and_tells_of_itself(family):
    model = ring_model(family, width=8, depth=1)
    assert isinstance(model, FAMILIES[family])
    before = [p.clone() for p in model.parameters()]
    film = list(ring_training(model, RING, steps=5, every=2, n=50, batch_size=16))
    assert [m.step for m in film] == [2, 4, 5] and all(m.points.shape == (50, 2) for m in film)
    assert all(m.modes == modes(m.points, RING) and math.isfinite(m.loss) for m in film)
    assert all(math.isfinite(m.discriminator) == (family == "GAN") == math.isfinite(m.generator) for m in film)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(film[-1].points, ring_draws(film[-1].model, 50))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_and_its_film_follow_from_their_seeds(family):
    first, second = (
        list(ring_training(ring_model(family, width=8, depth=1, seed=3), RING, steps=3, every=3, n=20, batch_size=16))
        for _ in range(2)
    )
    assert torch.equal(first[0].points, second[0].points)
    assert not torch.equal(ring_draws(first[0].model, 20, seed=1), first[0].points)


def test_the_players_of_the_moment_are_shown_where_no_average_is_asked_for():
    model = ring_model("GAN", width=8, depth=1)
    (now,) = ring_training(model, RING, steps=3, every=3, n=20, batch_size=16, average=False)
    assert now.model is model and torch.equal(now.points, ring_draws(model, 20))


def test_what_is_no_family_is_refused():
    with pytest.raises(ValueError, match="family must be VAE, GAN or diffusion, got 'flow'"):
        ring_model("flow")
    with pytest.raises(TypeError, match="r1: settings of the GAN alone, got them for a VAE"):
        ring_model("VAE", r1=1.0)
    with pytest.raises(TypeError, match="model must be one of ring_model's, got Linear"):
        ring_draws(nn.Linear(2, 2), 5)
