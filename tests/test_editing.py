"""Editing: against diffusers' image-to-image and inpainting with the same weights, masks to the grey level, walks, batches."""

import itertools
import math
import warnings

import pytest
import stand_ins
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffcourse import (
    CLEAN,
    DDIM,
    DDPM,
    LMS,
    Denoiser,
    DiffusionSchedule,
    DPMSolverPP,
    Euler,
    Heun,
    edited,
    noise_walk,
    prompt_walk,
    trajectory,
)
from diffcourse.denoiser import estimate
from diffcourse.editing import Inpainted, left
from diffcourse.images import as_bytes, to_float
from diffcourse.latent import coarser
from diffcourse.rng import draw as noise_of
from diffcourse.rng import image_generators

PROMPTS = ["a large red seven on a blue background, top left", "small 3, white on black, in the centre", "red"]
LEVELS = DiffusionSchedule.scaled_linear().levels(20)


@pytest.fixture(scope="module")
def model():
    return stand_ins.latent_diffusion()


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed))


def bytes_of(*shape, seed=0):
    return torch.randint(0, 256, shape, generator=seeded(seed), dtype=torch.uint8)


PICTURES = to_float(bytes_of(3, 3, 16, 16))
HOLE = torch.zeros(16, 16, dtype=torch.bool)
HOLE[4:10, 6:14] = True  # cells of the autoencoder's factor, 2


def draw(model, prompts=PROMPTS, **options):
    return model.generate(prompts, **{"steps": 4, "progress": False, **options})


# -- against diffusers --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(tmp_path_factory, model):
    """Their two pipelines, of our saved model; a scheduler of theirs can be put in its place."""
    diffusers = pytest.importorskip("diffusers")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = model.save(tmp_path_factory.mktemp("saved") / "mine")
        first = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(folder, local_files_only=True)
        second = diffusers.StableDiffusionInpaintPipeline(**first.components, requires_safety_checker=False)
    for pipeline in (first, second):
        pipeline.set_progress_bar_config(disable=True)
    return {"image": first, "mask": second, "scheduler": first.scheduler}


def their_picture(theirs, z0, scheduler=None, mask=None, seed=0, **options):
    pipeline = theirs["image" if mask is None else "mask"]
    pipeline.scheduler = theirs["scheduler"] if scheduler is None else scheduler
    options |= {"num_inference_steps": 10, "guidance_scale": 3.0, "output_type": "pt", "return_dict": False}
    if mask is not None:  # latents in the place of a picture that is cut out: nothing is drawn for encoding it
        options |= {"mask_image": mask[None, None].float(), "masked_image_latents": z0, "height": 16, "width": 16}
    options |= {"image": z0, "generator": image_generators(len(z0), seed)}
    return pipeline(PROMPTS, negative_prompt=["large"] * 3, **options)[0] * 2 - 1


def encoded(model, pictures=PICTURES):
    with torch.no_grad():
        return model.autoencoder.encode(pictures, sample=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "name", "options"),
    [
        (DDIM(), "DDIMScheduler", {"set_alpha_to_one": True, "clip_sample": False}),
        (DPMSolverPP(), "DPMSolverMultistepScheduler", {"final_sigmas_type": "zero"}),
        (Euler(), "EulerDiscreteScheduler", {}),
    ],
)
@pytest.mark.parametrize("mask", [None, HOLE])
def test_image_to_image_and_inpainting_are_those_of_diffusers(model, theirs, sampler, name, options, mask):
    import diffusers

    config = {**theirs["scheduler"].config, **options}
    for strength in (0.35, 0.8):
        scheduler = getattr(diffusers, name).from_config(config)
        want = their_picture(theirs, encoded(model), scheduler, mask, strength=strength)
        asked = {"negative": "large", "guidance": 3.0, "steps": 10, "strength": strength, "sampler": sampler, "seed": 0}
        *_, end = model.trajectory(PROMPTS, image=PICTURES, mask=mask, **asked)
        with torch.no_grad():
            ours = model.autoencoder.decode(end.x).clamp(-1, 1)  # before the pixels around the hole are pasted back
        assert torch.allclose(ours, want, atol=1e-4), float((ours - want).abs().max())
        assert (want - PICTURES).abs().mean() > 0.1


@pytest.mark.slow
def test_theirs_begins_lms_in_the_middle_with_weights_for_a_past_that_is_not_there(model, theirs):
    """Their coefficients follow from the number of the step, 4 from the fourth on, whose slopes a shortened walk has not seen."""
    import diffusers

    scheduler = diffusers.LMSDiscreteScheduler.from_config(theirs["scheduler"].config)
    want = their_picture(theirs, encoded(model), scheduler, strength=0.35)
    asked = {"negative": "large", "guidance": 3.0, "steps": 10, "image": PICTURES, "strength": 0.35}
    assert (draw(model, sampler=LMS(), **asked) - want).abs().max() > 0.1
    begin = left(model.denoiser.schedule.levels(10), 0.35)[0]
    every = [*map(model.denoiser.schedule.at, range(int(begin.t), -1, -1)), CLEAN]
    finest = draw(model, sampler=DDIM(), **asked | {"strength": None, "levels": every})
    assert (draw(model, sampler=LMS(), **asked) - finest).abs().mean() < 0.5 * (want - finest).abs().mean()


@pytest.mark.slow
def test_inpainting_from_pure_noise_is_that_of_diffusers_and_so_are_the_draws_of_its_steps(model, theirs):
    z0 = encoded(model)
    asked = {"negative": "large", "guidance": 3.0, "steps": 10, "mask": HOLE, "image": PICTURES, "seed": 7}
    for strength, eta in ((1.0, 0.0), (1.0, 1.0), (0.6, 0.5)):
        want = their_picture(theirs, z0, mask=HOLE, strength=strength, seed=7, eta=eta)
        *_, end = model.trajectory(PROMPTS, strength=strength, sampler=DDIM(eta), **asked)
        with torch.no_grad():
            ours = model.autoencoder.decode(end.x).clamp(-1, 1)
        assert torch.allclose(ours, want, atol=1e-4), (strength, eta)
    assert torch.equal(draw(model, **asked), draw(model, strength=1.0, **asked))  # the default with a mask


@pytest.mark.slow
def test_strength_1_forgets_the_picture_here_and_keeps_a_trace_of_it_there(model, theirs):
    """Their image-to-image begins at alpha·z0 + sigma·noise for every strength, ours and their inpainting at the noise."""
    z0 = encoded(model)
    asked = {"negative": "large", "guidance": 3.0, "steps": 10, "sampler": DDIM(), "image": PICTURES}
    want = their_picture(theirs, z0, strength=1.0)
    assert (draw(model, strength=1.0, **asked) - want).abs().max() > 1e-3
    traced = draw(
        model, levels=model.denoiser.schedule.levels(10), **asked
    )  # all levels, the picture noised to the first
    assert torch.allclose(traced, want, atol=1e-4)


@pytest.mark.slow
def test_a_pixel_of_the_mask_can_change_whatever_cell_it_lies_in(model, theirs):
    """Theirs looks at one pixel of each cell, ours at all: a dot in another corner is not redrawn there."""
    dot = torch.zeros(16, 16, dtype=torch.bool)
    dot[7, 7] = True
    kept = their_picture(theirs, encoded(model), mask=dot, strength=1.0)
    with torch.no_grad():
        assert torch.allclose(kept, model.autoencoder.decode(encoded(model)).clamp(-1, 1), atol=1e-4)
    assert (draw(model, image=PICTURES, mask=dot) != PICTURES)[:, :, 7, 7].all()
    assert coarser(dot[None, None], 2).nonzero().tolist() == [[0, 0, 3, 3]]


@given(n=st.integers(1, 1000), share=st.floats(0, 1))
def test_strength_leaves_as_many_steps_as_in_diffusers(n, share):
    kept = min(int(n * share), n)  # their get_timesteps
    whole = [*range(n + 1)]
    levels = DiffusionSchedule.linear().levels(n)
    assert list(left(levels, share)) == levels[whole[n - kept] :]


def test_strength_is_rounded_as_a_computer_multiplies():
    assert len(left(DiffusionSchedule.linear().levels(50), 0.58)) == 29  # 50·0.58 is 28.999999999999996
    assert left(LEVELS, 0.5) == LEVELS[10:] and left(LEVELS, 0.04) == [CLEAN] and left(LEVELS, 1) == LEVELS


# -- strength -----------------------------------------------------------------------------------------------------------


def test_strength_0_gives_the_picture_back_encoded_and_decoded_and_1_is_text_to_image(model):
    with torch.no_grad():
        again = model.autoencoder(PICTURES, sample=False).clamp(-1, 1)
    assert torch.equal(draw(model, image=PICTURES, strength=0), again) and (again - PICTURES).abs().max() > 0.1
    assert torch.equal(draw(model, image=PICTURES, strength=0.2), again)  # int(4·0.2) steps
    assert torch.equal(draw(model, image=PICTURES, strength=1.0), draw(model))
    assert torch.equal(draw(model, image=PICTURES, strength=1.0, mask=torch.ones(16, 16)), draw(model))
    (alone,) = model.trajectory(PROMPTS, image=PICTURES, strength=0.0)
    assert alone.at == CLEAN and torch.equal(alone.x, alone.x0) and alone.eps.shape == alone.x.shape


def test_the_default_is_the_last_four_fifths_of_the_steps(model):
    path = [e.at for e in model.trajectory(PROMPTS, image=PICTURES, steps=10)]
    assert path == model.denoiser.schedule.levels(10)[2:]
    assert torch.equal(draw(model, image=PICTURES, steps=10), draw(model, image=PICTURES, steps=10, strength=0.8))


def test_the_walk_begins_at_the_noised_picture(model):
    begin = next(model.trajectory(PROMPTS, image=PICTURES, steps=10, strength=0.5, seed=3))
    at = model.denoiser.schedule.levels(10)[5]
    eps = noise_of(encoded(model), image_generators(3, 3))
    assert begin.at == at and torch.allclose(begin.x, at.noised(encoded(model), eps), atol=1e-6)
    given = next(model.trajectory(PROMPTS, image=PICTURES, steps=10, strength=0.5, x=noise(3, 4, 8, 8)))
    assert torch.allclose(given.x, at.noised(encoded(model), noise(3, 4, 8, 8)), atol=1e-6)


def test_levels_of_ones_own_are_walked(model):
    schedule = model.denoiser.schedule
    levels = schedule.levels(5, "karras")
    assert [e.at for e in model.trajectory(PROMPTS, levels=levels)] == levels
    assert torch.equal(draw(model, levels=schedule.levels(4)), draw(model))
    some = [*map(schedule.at, (600, 300, 50)), CLEAN]
    begin = next(model.trajectory(PROMPTS, levels=some, image=PICTURES))
    assert begin.at == some[0]
    eps = noise_of(begin.x, image_generators(3, 0))
    assert torch.allclose(begin.x, some[0].noised(encoded(model), eps), atol=1e-6)
    assert [e.at for e in model.trajectory(PROMPTS, levels=some, image=PICTURES, strength=0.7)] == some[1:]


# -- masks --------------------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    share=st.floats(0, 1),
    strength=st.floats(0, 1),
    sampler=st.sampled_from([DDIM(), DDIM(1.0), DDPM(), Euler(), Heun(), LMS(), DPMSolverPP(stochastic=True)]),
)
def test_outside_the_mask_no_grey_level_changes(seed, share, strength, sampler):
    model, pixels = stand_ins.latent_diffusion(), bytes_of(2, 3, 16, 24, seed=seed)
    mask = torch.rand(2, 1, 16, 24, generator=seeded(seed)) < share
    options = {"image": to_float(pixels), "mask": mask, "strength": strength, "sampler": sampler, "seed": seed}
    images = draw(model, PROMPTS[:2], steps=3, **options)
    kept = ~mask.expand_as(images)
    assert images.shape == pixels.shape and torch.equal(as_bytes(images)[kept], pixels[kept])


def test_inside_the_mask_it_does(model):
    for mask in (HOLE, HOLE.float(), HOLE.int(), HOLE[None, None], HOLE.expand(3, 1, -1, -1)):
        images = draw(model, image=PICTURES, mask=mask)
        assert torch.equal((images != PICTURES).any(dim=1), HOLE.expand(3, -1, -1)), mask.shape
        assert torch.equal(images, draw(model, image=PICTURES, mask=HOLE))
    nothing = draw(model, image=PICTURES, mask=torch.zeros(16, 16))
    assert torch.equal(nothing, PICTURES)


def test_latents_around_the_hole_are_the_pictures_at_every_level(model):
    z0, hole = encoded(model), coarser(HOLE[None, None], 2).expand(3, 4, -1, -1)
    eps = noise_of(z0, image_generators(3, 0))
    for sampler in (DDPM(), DPMSolverPP(), Heun()):
        first, *path = model.trajectory(PROMPTS, image=PICTURES, mask=HOLE, steps=4, sampler=sampler)
        assert torch.equal(first.x, eps)  # strength 1: noise alone
        for now in path:
            known = now.at.noised(z0, eps)
            assert torch.equal(now.x[~hole], known[~hole]) and (now.x - known)[hole].abs().mean() > 0.01


def test_a_sampler_around_a_hole_is_one_like_the_other(model):
    sampler = Inpainted(LMS(3), noise(1, 2), noise(1, 2), torch.ones(1, 2, dtype=torch.bool))
    assert sampler.history == LMS(3).history and repr(sampler) == f"Inpainted({LMS(3)!r})"


def test_pictures_can_be_files_and_masks_too(model):
    pixels = bytes_of(3, 16, 16)
    picture = Image.fromarray(pixels.permute(1, 2, 0).numpy())
    mask = Image.fromarray((HOLE.int() * 255).to(torch.uint8).numpy())
    ours = draw(model, image=to_float(pixels)[None], mask=HOLE)
    assert torch.equal(draw(model, image=picture, mask=mask), ours)
    assert torch.allclose(draw(model, image=[picture] * 3, mask=mask), ours, atol=1e-5)


# -- batches ------------------------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(batch=st.integers(1, 4), first=st.integers(0, 9), edits=st.booleans(), own=st.booleans())
def test_a_few_at_a_time_are_the_same_pictures(batch, first, edits, own):
    model, options = stand_ins.latent_diffusion(), {"negative": ["large", "", "red"], "first": first, "sampler": DDPM()}
    if edits:
        options |= {"image": PICTURES if own else PICTURES[:1], "strength": 0.75, "mask": HOLE.expand(3, 1, -1, -1)}
    if own:
        options |= {"x": noise(3, 4, 8, 8)}
    assert torch.allclose(draw(model, batch=batch, **options), draw(model, **options), atol=1e-4)


def test_the_bar_counts_all_steps(model, capsys):
    draw(model, batch=2, steps=3, progress=True)
    assert "/8 " in capsys.readouterr().err


# -- without latents ----------------------------------------------------------------------------------------------------


def gaussian_digits(x, at):
    """The exact denoiser of N(0, 0.25·I)."""
    x0 = 0.25 * at.alpha / (0.25 * at.alpha**2 + at.sigma**2) * x
    return estimate(x0, x, at, "x0")


def test_any_denoiser_edits_and_more_strength_leaves_less_of_the_picture():
    """For a Gaussian the end is linear in the start, so what is left of x0 is a slope: it must fall with strength, from 1 to 0."""
    x0, eps = noise(500, 2), noise(500, 2, seed=1)
    slopes = []
    for strength in (0.0, 0.25, 0.5, 0.75, 1.0):
        *_, end = edited(gaussian_digits, x0, LEVELS, DDIM(), strength=strength, noise=eps)
        slopes.append(float((end.x * x0).sum() / (x0 * x0).sum()))
    assert slopes[0] == pytest.approx(1) and abs(slopes[-1]) < 0.1
    assert all(a > b + 0.02 for a, b in itertools.pairwise(slopes)), slopes


def test_a_hole_is_filled_with_what_its_surroundings_say():
    """Two pixels of correlation 0.9 in the exact model; one is kept at 1: the other must come out near 0.9."""
    cov = torch.tensor([[1.0, 0.9], [0.9, 1.0]])

    def denoise(x, at):
        gain = at.alpha * cov @ torch.linalg.inv(at.alpha**2 * cov + at.sigma**2 * torch.eye(2))
        return estimate(x @ gain.T, x, at, "x0")

    x0 = torch.tensor([[1.0, 0.0]]).repeat(4000, 1)
    mask = torch.tensor([[False, True]])
    levels = DiffusionSchedule.scaled_linear().levels(200)
    *_, end = edited(denoise, x0, levels, DDPM(), seeded(), strength=1.0, mask=mask)
    assert torch.equal(end.x[:, 0], x0[:, 0])
    assert 0.5 < float(end.x[:, 1].mean()) < 1 and float(end.x[:, 1].std()) < 0.7  # alone it would be 0 and 1


# -- walks --------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(n=st.integers(2, 9), seed=st.integers(0, 2**31))
def test_a_walk_between_noises_keeps_their_length_and_a_straight_line_does_not(n, seed):
    a, b = noise(4, 8, 8, seed=seed), noise(4, 8, 8, seed=seed + 1)
    path = noise_walk(a, b, n)
    assert path.shape == (n, 4, 8, 8)
    assert torch.allclose(path[0], a, atol=1e-5) and torch.allclose(path[-1], b, atol=1e-5)
    lengths = path.flatten(1).norm(dim=1) / 16
    assert (lengths - 1).abs().max() < 0.25
    assert torch.allclose(noise_walk(b, a, n).flip(0), path, atol=1e-5)
    assert float(torch.lerp(a, b, 0.5).norm() / 16) == pytest.approx(math.sqrt(0.5), abs=0.15)


def test_a_walk_between_prompts_is_straight_and_draws_the_two_at_its_ends(model):
    states = prompt_walk(model.text, PROMPTS[0], PROMPTS[1], 3)
    one, other = (model.text(p)[0] for p in PROMPTS[:2])
    assert torch.allclose(states, torch.stack([one, (one + other) / 2, other]), atol=1e-6)
    x = noise(1, 4, 8, 8).repeat(3, 1, 1, 1)
    pictures = draw(model, states, x=x)
    assert torch.allclose(pictures[[0, 2]], draw(model, PROMPTS[:2], x=x[:2]), atol=1e-4)
    assert not torch.allclose(pictures[1], pictures[0], atol=1e-3)


def test_states_are_prompts_and_negatives_too(model):
    states, away = model.text(PROMPTS), model.text(["large"])
    assert torch.allclose(draw(model, states, negative=away), draw(model, negative="large"), atol=1e-5)
    assert torch.allclose(draw(model, states, batch=2), draw(model), atol=1e-4)


# -- what does not fit --------------------------------------------------------------------------------------------------

BAD = [
    ({"strength": 0.5}, ValueError, "strength needs an image"),
    ({"mask": HOLE}, ValueError, "mask needs an image"),
    ({"image": PICTURES, "strength": 1.5}, ValueError, r"strength must lie in \[0, 1\], got 1.5"),
    ({"image": PICTURES, "strength": -0.1}, ValueError, r"strength must lie in \[0, 1\], got -0.1"),
    ({"image": PICTURES, "strength": float("nan")}, ValueError, "strength must"),
    ({"image": PICTURES, "strength": "0.5"}, TypeError, "strength must be a finite number, got str '0.5'"),
    ({"image": PICTURES[:2]}, ValueError, r"image must be \(1 or 3, 3, H, W\) for 3 prompts.*got \(2, 3, 16, 16\)"),
    ({"image": PICTURES[:, :1]}, ValueError, r"image must be .*got \(3, 1, 16, 16\)"),
    ({"image": PICTURES[:, :, :15]}, ValueError, r"with H and W multiples of 2, got \(3, 3, 15, 16\)"),
    ({"image": PICTURES / 2 + 0.5}, ValueError, r"image must lie in \[-1, 1\], where black is -1; got values from 0"),
    ({"image": PICTURES * 3}, ValueError, r"image must lie in \[-1, 1\], got values from -3 to 3"),
    ({"image": PICTURES * math.nan}, ValueError, "image must be finite"),
    ({"image": bytes_of(3, 3, 16, 16)}, TypeError, "image must be floating-point numbers .* got torch.uint8"),
    ({"image": "cat.png"}, TypeError, r"image must be a tensor \(B, 3, H, W\), or PIL images, got str 'cat.png'"),
    ({"image": []}, TypeError, r"image must be a tensor .*, or PIL images, got list \[\]"),
    ({"image": PICTURES.numpy()}, TypeError, "image must be a tensor .*got ndarray"),
    ({"image": PICTURES, "mask": HOLE[:8]}, ValueError, r"mask must be of the image's size, \(16, 16\).*got \(8, 16\)"),
    ({"image": PICTURES, "mask": HOLE.expand(2, 1, -1, -1)}, ValueError, r"mask must be .*got \(2, 1, 16, 16\)"),
    ({"image": PICTURES, "mask": HOLE.expand(1, 3, -1, -1)}, ValueError, r"mask must be .*got \(1, 3, 16, 16\)"),
    ({"image": PICTURES, "mask": HOLE * 0.5}, ValueError, "mask must hold 1 where .* got values from 0 to 0.5: mask > 0.5"),
    ({"image": PICTURES, "mask": HOLE * math.nan}, ValueError, "mask must hold 1 where"),
    ({"image": PICTURES, "mask": HOLE.int() * 255}, ValueError, "got values from 0 to 255"),
    ({"image": PICTURES, "mask": [[0, 1]]}, TypeError, r"mask must be a tensor, or a PIL image, got list \[\[0, 1\]\]"),
    ({"image": PICTURES, "x": noise(3, 4, 8, 6)}, ValueError, r"x must be noisy latents \(3, 4, 8, 8\).*got \(3, 4, 8, 6\)"),
    ({"levels": 4}, TypeError, "levels must be a list of Levels"),
    ({"levels": []}, ValueError, "levels must hold at least a start and an end"),
    ({"levels": [CLEAN, CLEAN]}, ValueError, "levels may hold CLEAN at their end only"),
    ({"prompts": torch.zeros(3, 5, 128)}, ValueError, r"prompts must be texts, or their states \(B, \d+, 128\), got shape \(3, 5, 128\)"),
    ({"prompts": torch.zeros(3, 17, 128).long()}, TypeError, "prompts must be a floating-point tensor"),
    ({"negative": torch.zeros(2, 2)}, ValueError, "negative must be texts, or their states"),
    ({"guidance_scale": 7.5}, TypeError, "'guidance_scale'; here it is guidance=7.5$"),
    ({"negative_prompt": "red"}, TypeError, "'negative_prompt'; here it is negative='red'$"),
    ({"num_inference_steps": 50}, TypeError, "'num_inference_steps'; here it is steps=50$"),
    ({"latents": noise(3, 4, 8, 8)}, TypeError, "'latents'; here it is x$"),
    ({"mask_image": HOLE}, TypeError, "'mask_image'; here it is mask$"),
    ({"eta": 0.5}, TypeError, r"'eta'; here it belongs to the sampler: sampler=DDIM\(0.5\)$"),
    ({"height": 512}, TypeError, "'height'; pictures are as large as image, or f = 8 times as large as x"),
    ({"width": 512}, TypeError, "'width'; pictures are as large as"),
    ({"num_images_per_prompt": 4}, TypeError, r"'num_images_per_prompt'; one picture .* \[prompt\] \* n, and batch="),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "says"), BAD)
def test_bad_input_is_told_by_name_and_at_once(model, options, error, says):
    with pytest.raises(error, match=says):
        model.trajectory(**{"prompts": PROMPTS, **options})
    with pytest.raises(error, match=says):
        draw(model, **{"batch": 1, **options})


@pytest.mark.parametrize(
    ("batch", "error", "says"),
    [
        (0, ValueError, "batch must be at least 1, got 0"),
        (2.5, TypeError, "batch must be a whole number, got float 2.5"),
        ("all", TypeError, "batch must be a whole number"),
    ],
)
def test_a_batch_is_a_number_and_generates_alone(model, batch, error, says):
    with pytest.raises(error, match=says):
        draw(model, batch=batch)
    with pytest.raises(TypeError, match="'batch'; here all walk at once; generate has it"):
        model.trajectory(PROMPTS, batch=2)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"x0": [1.0]}, TypeError, "x0 must be a floating-point tensor, got list"),
        ({"levels": LEVELS[:1]}, ValueError, "levels must hold at least a start and an end, got 1"),
        ({"sampler": DDIM}, TypeError, "sampler must be one such as DDIM"),
        ({"strength": 2}, ValueError, r"strength must lie in \[0, 1\], got 2"),
        ({"mask": torch.ones(2)}, TypeError, "mask must be a bool tensor, true where x is drawn anew, got Tensor"),
        (
            {"mask": torch.ones(3, dtype=torch.bool)},
            ValueError,
            r"mask must broadcast to x0's shape \(5, 2\), got \(3,\)",
        ),
        ({"mask": torch.ones(1, 5, 2) > 0}, ValueError, "mask must broadcast"),
        ({"noise": torch.ones(5)}, ValueError, r"noise must have x0's shape \(5, 2\), got \(5,\)"),
    ],
)
def test_editing_asks_its_arguments_at_once(change, error, says):
    options = {"denoise": gaussian_digits, "x0": noise(5, 2), "levels": LEVELS, "strength": 0.5, **change}
    with pytest.raises(error, match=says):
        edited(**options)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: noise_walk(noise(4), noise(5), 3), ValueError, r"b must have a's shape \(4,\), got \(5,\)"),
        (lambda: noise_walk([1.0], noise(1), 3), TypeError, "a must be a floating-point tensor"),
        (lambda: noise_walk(noise(4), noise(4), 1), ValueError, "n must be at least 2, got 1"),
        (lambda: prompt_walk(len, "a", 3, 3), TypeError, "other must be a prompt, a str, got int 3"),
        (lambda: prompt_walk(len, ["a"], "b", 3), TypeError, "one must be a prompt"),
        (lambda: prompt_walk(len, "a", "b", 2.5), TypeError, "n must be a whole number"),
    ],
)
def test_walks_ask_theirs(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_nothing_of_torchs_own_randomness_is_used(model):
    state = torch.get_rng_state()
    draw(model, image=PICTURES, mask=HOLE, sampler=DDPM())
    assert torch.equal(state, torch.get_rng_state())


def test_a_model_in_training_mode_edits_the_same_and_trains_on(model):
    want = draw(model, image=PICTURES, strength=0.5)
    try:
        assert torch.equal(draw(model.train(), image=PICTURES, strength=0.5), want) and model.autoencoder.training
    finally:
        model.eval()


def test_pixels_are_edited_as_latents_are():
    """No text and no latents: a plain `Denoiser` of pixels."""
    digit_like, denoiser = PICTURES[:, :1], Denoiser(lambda x, t: 0.1 * x, DiffusionSchedule.linear())
    *_, end = edited(
        denoiser, digit_like, denoiser.schedule.levels(4), generator=image_generators(3, 0), mask=HOLE, strength=1
    )
    *_, whole = trajectory(denoiser, noise_of(digit_like, image_generators(3, 0)), denoiser.schedule.levels(4))
    assert torch.equal(end.x[:, :, ~HOLE], digit_like[:, :, ~HOLE]) and torch.equal(
        end.x[:, :, HOLE], whole.x[:, :, HOLE]
    )
