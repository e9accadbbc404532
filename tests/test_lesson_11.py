"""Lesson 11: its figure, its explorer without a browser, and the patients of its clinic."""

from itertools import count

import pytest
import torch
from explorers import assert_every_handle_changes_the_picture

from diffcourse import GaussianMixture, data, mixture, plot, recipes, weights, widgets
from diffcourse.learn import clinic, exercises
from diffcourse.recipes import patients
from diffcourse.recipes.own_pictures import example_pictures

PICTURES = {"clinic_map": plot.clinic_map}


def reference(name):
    return exercises()[name].reference


# -- the figure ---------------------------------------------------------------------------------------------------------


def test_the_map_names_each_question():
    words = plot.clinic_map().alt
    for asked in (
        "feeding black and white",
        "band of losses",
        "slope at two answers",
        "exact network",
        "another scale",
    ):
        assert asked in words


# -- the explorer -------------------------------------------------------------------------------------------------------


@pytest.fixture
def explorer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return widgets.ClinicExplorer(recipes.digit_denoiser(channels=8))


def test_the_explorer_measures_what_it_shows(explorer):
    a = explorer.compute(steps=2, guidance=2.0, start=999, noise=0.0, seed=1)
    assert a["images"].shape == (20, 1, 28, 28) and a["images"].abs().max() <= 1
    noisy = explorer.compute(steps=2, guidance=2.0, start=999, noise=0.4, seed=1)
    assert noisy["std"] > a["std"] or noisy["beyond"] > a["beyond"]
    assert f"deviation {a['std']:.2f}" in explorer.draw(a).alt


@pytest.mark.slow
def test_every_handle_changes_the_picture():
    assert_every_handle_changes_the_picture(widgets.ClinicExplorer(weights.load("mnist-ddpm")))


def test_another_model_is_named():
    with pytest.raises(TypeError, match="denoiser must be a Denoiser"):
        widgets.ClinicExplorer(torch.nn.Linear(1, 1))


# -- the patients -------------------------------------------------------------------------------------------------------


def test_every_patient_has_a_diagnosis():
    assert set(patients.disorder) == {*patients.LOSSES, *patients.SAMPLERS}


@pytest.mark.parametrize("name", patients.LOSSES)
def test_a_training_has_what_its_diagnosis_says(name):
    """Asked by the two probes that the lesson's reader writes."""
    alphas, sigmas = reference("11.probe_forward")(patients.LOSSES[name], patients.T)
    a, b = reference("11.target")(patients.LOSSES[name], alphas, sigmas)
    root, other = patients.BARS.sqrt(), (1 - patients.BARS).sqrt()
    factors = {"missing-root": (root**2, other**2), "forward-swapped": (other, root)}
    for found, wanted in zip((alphas, sigmas), factors.get(patients.disorder[name], (root, other)), strict=True):
        torch.testing.assert_close(found, wanted, rtol=0.03, atol=1e-3)
    rows = {"Eve": (-other, root), "Dan": (0 * root, 0 * root)}
    for found, wanted in zip((a, b), rows.get(name, (0 * root, 0 * root + 1)), strict=True):
        torch.testing.assert_close(found.float(), wanted, atol=0.25 if name == "Dan" else 0.03, rtol=0.03)


@pytest.mark.parametrize("name", patients.SAMPLERS)
def test_a_sampler_lands_on_the_data_only_where_it_is_sound(name):
    """With the perfect network for pixels N(0.3, 0.4²)."""
    exact = reference("11.exact_noise")
    x = patients.SAMPLERS[name](lambda x, t: exact(x, t, patients.BARS, 0.3, 0.4), (2000, 1, 3, 3))
    lands = abs(x.mean() - 0.3) < 0.02 and abs(x.std() - 0.4) < 0.04
    assert bool(lands) == (not patients.disorder[name])


@pytest.mark.slow
def test_on_the_ring_the_sound_ones_find_the_modes_and_no_patient_does():
    ring = GaussianMixture.ring(std=0.05)
    good = {}
    for mistake in ("", *patients.MISTAKES):
        now = patients.treat(ring, mistake, steps=1500)
        assert len(now.curve) == 1500 and now.points.shape == (1000, 2)
        good[mistake] = mixture.modes(now.points, ring).good
    good["VAE"] = mixture.modes(patients.treat(ring, family="VAE", steps=1500).points, ring).good
    assert min(good.pop(""), good.pop("VAE")) > max(good.values()) + 0.05, good


def test_a_patient_that_nobody_knows_is_refused():
    ring = GaussianMixture.ring(std=0.05)
    with pytest.raises(ValueError, match="mistake must be forward swapped"):
        patients.treat(ring, "flu")
    with pytest.raises(ValueError, match="family must be diffusion or VAE"):
        patients.treat(ring, family="GAN")
    with pytest.raises(ValueError, match="steps"):
        patients.treat(ring, steps=0)


# -- pictures of one's own ----------------------------------------------------------------------------------------------


def test_the_example_folder_is_read_but_for_what_is_no_picture(tmp_path):
    folder = example_pictures(tmp_path / "mine", 12)
    with pytest.warns(UserWarning, match="left out.*broken.png"):
        pictures = data.image_folder(folder, size=32)
    assert len(pictures) == 12 and pictures.images.shape == (12, 3, 32, 32)
    with pytest.raises(FileExistsError, match="new or empty"):
        example_pictures(folder)


def test_the_clinic_finds_what_the_patients_have():
    """Of Hal's two mistakes the start; of Gus, first that his noise is scaled by a variance."""
    points = GaussianMixture.ring(std=0.05).sample(2000, generator=torch.Generator().manual_seed(0)).float()
    seeds = count()
    for name, loss in patients.LOSSES.items():
        found = clinic(
            data=points,
            schedule=patients.BETAS,
            predicts="v" if name == "Eve" else "eps",
            loss=lambda network, x0, loss=loss: loss(network, x0, next(seeds)),
        )
        assert (found.named or [""])[0] == patients.disorder[name], found
    for name, sampler in patients.SAMPLERS.items():
        found = clinic(data=points, schedule=patients.BETAS, sampler=sampler)
        wanted = {"Hal": "starts-late"}.get(name, patients.disorder[name])
        assert (found.named or [""])[0] == wanted, found
