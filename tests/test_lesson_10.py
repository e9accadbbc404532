"""Lesson 10: its figures and its explorer without a browser, and the facts that they state."""

import pytest
import torch
from explorers import assert_every_handle_changes_the_picture

from diffcourse import plot, recipes, widgets
from diffcourse.models import GAN, VAE

PICTURES = {
    "families_map": plot.families_map,
    "seeds": lambda: plot.seeds(
        {"distance / floor": {"VAE": [8.0, 9.0], "GAN": [2.0, 3.0]}, "recall": {"VAE": [0.4, 0.5], "GAN": [0.7, 0.6]}},
        levels={"recall": 0.9},
        log=["distance / floor"],
    ),
}


# -- figures ------------------------------------------------------------------------------------------------------------


def test_the_map_says_what_is_called_how_often():
    words = plot.families_map().alt
    assert "one call of the decoder" in words and "one call of the generator" in words
    assert "one noise level is drawn at random" in words and "N calls" in words


def test_each_training_is_a_dot_and_told_in_words():
    picture = PICTURES["seeds"]()
    assert picture.alt.startswith("distance / floor, VAE: 8, 9; distance / floor, GAN: 2, 3; recall, VAE: 0.4, 0.5")
    lines = [line.get_xydata().tolist() for line in picture.axes[1].lines]
    assert [0, 0.4] in lines[0] and [0, 0.5] in lines[0] and lines[-1][0][1] == 0.9  # dots, and what real digits score


# -- the explorer -------------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        models = VAE(4, channels=4, hidden=8), GAN.digits(4, 8, 4), recipes.digit_denoiser(channels=8)
    return widgets.FamiliesExplorer(*models, n=3)


def test_the_three_draw_from_the_noise_of_the_seed(explorer):
    vae, gan, _ = explorer._models
    a = explorer.compute(seed=2, between=0.0, steps=4)
    noise = torch.randn(3, 4, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(a["rows"]["VAE"]["images"], 2 * vae.decode(noise) - 1)
        torch.testing.assert_close(a["rows"]["GAN"]["images"], gan(noise).clamp(-1, 1))
    assert a["rows"]["diffusion"]["images"].shape == (3, 1, 28, 28)
    other = explorer.compute(seed=2, between=1.0, steps=4)
    far = torch.randn(3, 4, generator=torch.Generator().manual_seed(102))
    with torch.no_grad():
        torch.testing.assert_close(other["rows"]["GAN"]["images"], gan(far).clamp(-1, 1))
    assert "seed 2, 0% of the way to another; of 3 each, the judge is sure of: " in explorer.draw(a).alt


@pytest.mark.slow
def test_every_handle_changes_the_picture(explorer):
    assert_every_handle_changes_the_picture(explorer)


@pytest.mark.parametrize("which", range(3))
def test_another_model_in_the_place_of_one_is_named(explorer, which):
    models = list(explorer._models)
    models[which] = torch.nn.Linear(1, 1)
    with pytest.raises(
        TypeError, match=("vae must be a VAE", "gan must be a GAN", "denoiser must be a Denoiser")[which]
    ):
        widgets.FamiliesExplorer(*models)
