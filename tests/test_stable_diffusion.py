"""Stable Diffusion 1.x in our classes: diffusers' own folders and pipeline against ours, what is refused, and the bridge both ways."""

import json
import os
import pickle
import re
import shutil
import sys
from itertools import pairwise
from types import SimpleNamespace

import pytest
import safetensors.torch
import stand_ins
import torch

from diffcourse import (
    CLEAN,
    DDIM,
    LMS,
    PNDM,
    DiffusionSchedule,
    DPMSolverPP,
    Euler,
    EulerAncestral,
    Heun,
    LatentDiffusion,
    StableDiffusion,
    UNet2DCondition,
    download,
    from_diffusers,
    guided,
    samplers,
    to_diffusers,
    trajectory,
    weights,
)
from diffcourse.models import AutoencoderKL
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1
from diffcourse.rng import image_generators
from diffcourse.stable_diffusion import MENU, Walk, levels_of, menu

diffusers = pytest.importorskip("diffusers")
PROMPTS = ["a large red seven on a blue background", "small 3 in the centre", "top left"]
UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"
TEXT, SCHEDULER = "text_encoder/model.safetensors", "scheduler/scheduler_config.json"
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def pipe():
    return stand_ins.pipeline()


@pytest.fixture(scope="module")
def saved(pipe, tmp_path_factory):
    """The folder that diffusers writes."""
    folder = tmp_path_factory.mktemp("sd") / "theirs"
    pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def sd(saved):
    return StableDiffusion.from_pretrained(saved)


@pytest.fixture
def fresh(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "sd")


def change(folder, file, **entries):
    path = folder / file
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **entries}), encoding="utf-8")


def draw(model, prompts=PROMPTS, **options):
    return model.generate(prompts, **{"steps": 8, "progress": False, **options})


def their(pipe, scheduler, prompts=PROMPTS, seed=0, **options):
    """What their pipeline draws, each picture from the generator that ours has."""
    pipe = diffusers.StableDiffusionPipeline(
        **{**pipe.components, "scheduler": scheduler}, requires_safety_checker=False
    )
    pipe.set_progress_bar_config(disable=True)
    generator = image_generators(len(prompts), seed)
    drawn = pipe(prompts, generator=generator, output_type="pt", **{"num_inference_steps": 8, **options})
    return drawn.images * 2 - 1


# -- the same pictures --------------------------------------------------------------------------------------------------

LEADING = {"timestep_spacing": "leading"}
SAME = {
    "PNDM": (PNDM(), "PNDMScheduler", {}),
    "DDIM": (DDIM(), "DDIMScheduler", {"clip_sample": False}),
    "LMS": (LMS(), "LMSDiscreteScheduler", LEADING),
    "Euler": (Euler(), "EulerDiscreteScheduler", LEADING),
    "Euler a": (EulerAncestral(), "EulerAncestralDiscreteScheduler", LEADING),
    "DPM++ 2M": (DPMSolverPP(), "DPMSolverMultistepScheduler", LEADING),
    "Heun": (Heun(), "HeunDiscreteScheduler", LEADING),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("guidance, negative", [(1.0, ""), (7.5, ""), (4.0, "ugly")])
def test_a_pipeline_of_diffusers_and_ours_draw_the_same_pictures(pipe, sd, name, guidance, negative):
    sampler, kind, options = SAME[name]
    scheduler = getattr(diffusers, kind).from_config(pipe.scheduler.config, **options)
    asked = {"negative_prompt": [negative] * 3} if guidance > 1 else {}
    theirs = their(pipe, scheduler, guidance_scale=guidance, seed=5, **asked)
    ours = draw(sd, guidance=guidance, negative=negative, sampler=sampler, seed=5)
    assert ours.shape == (3, 3, 64, 64) and ours.std() > 0.1
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - draw(sd, guidance=guidance, negative=negative, sampler=sampler, seed=6)).abs().max() > 0.1


@pytest.mark.slow
def test_what_the_pipeline_does_if_nothing_is_said_and_other_sides(pipe, sd):
    theirs = their(pipe, pipe.scheduler, PROMPTS[:1], num_inference_steps=50, height=72, width=40)
    ours = sd.generate(PROMPTS[:1], height=72, width=40, progress=False)
    assert ours.shape == (1, 3, 72, 40) and (ours - theirs).abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("spacing", ["trailing", "leading"])
@pytest.mark.parametrize("kind", ["v_prediction", "epsilon"])
def test_what_a_scheduler_config_says_is_done(pipe, fresh, spacing, kind):
    betas = DiffusionSchedule.cosine(100).betas.clamp(max=0.5)
    options = {"num_train_timesteps": 100, "trained_betas": betas.tolist(), "timestep_spacing": spacing}
    scheduler = diffusers.DDIMScheduler(
        **options, prediction_type=kind, steps_offset=1, clip_sample=False, set_alpha_to_one=spacing == "trailing"
    )
    scheduler.save_pretrained(fresh / "scheduler")
    ours = StableDiffusion.from_pretrained(fresh)
    assert ours.denoiser.predicts == {"v_prediction": "v", "epsilon": "eps"}[kind]
    theirs = their(pipe, scheduler, num_inference_steps=10, guidance_scale=3.0)
    assert (draw(ours, steps=10, guidance=3.0, sampler=DDIM()) - theirs).abs().max() < 1e-4


def test_the_plain_class_walks_as_the_course_does(saved, sd):
    plain = LatentDiffusion.from_pretrained(saved)
    assert type(plain) is LatentDiffusion and plain.size == 64
    assert [at.t for at in plain.levels(4)] == [999, 749, 499, 249, -1]
    assert [at.t for at in sd.levels(4, PNDM())] == [751, 501, 251, 1, 0]
    assert [at.t for at in sd.levels(4, Euler())] == [751, 501, 251, 1, -1]
    assert [at.t for at in sd.levels(4, DPMSolverPP())] == [801, 601, 401, 201, -1]  # theirs leaves t = 1 out
    assert not torch.equal(draw(plain, guidance=7.5), draw(sd))
    for (name, a), (other, b) in zip(plain.state_dict().items(), sd.state_dict().items(), strict=True):
        assert name == other and torch.equal(a, b)


# -- the forms that folders have ----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_files_in_half_precision_alone_are_read_as_diffusers_reads_them(pipe, tmp_path):
    half = stand_ins.pipeline().to(torch.float16)
    half.save_pretrained(tmp_path / "half", variant="fp16")
    names = {str(file.relative_to(tmp_path / "half")) for file in (tmp_path / "half").rglob("*.safetensors")}
    assert names == {file.replace(".safetensors", ".fp16.safetensors") for file in (UNET, VAE, TEXT)}
    ours = StableDiffusion.from_pretrained(tmp_path / "half")
    assert {p.dtype for p in ours.parameters()} == {torch.float32}
    theirs = diffusers.StableDiffusionPipeline.from_pretrained(
        tmp_path / "half", variant="fp16", torch_dtype=torch.float32
    )
    assert (draw(ours) - their(theirs, pipe.scheduler)).abs().max() < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("variant", [None, "fp16"])
def test_a_u_net_in_several_files_is_one(pipe, fresh, sd, variant):
    (fresh / UNET).unlink()
    unet = stand_ins.pipeline().unet
    (unet.half() if variant else unet).save_pretrained(fresh / "unet", max_shard_size="60KB", variant=variant)
    shards = sorted(file.name for file in (fresh / "unet").glob("*.safetensors"))
    assert len(shards) > 2 and not (fresh / UNET).exists()
    ours = StableDiffusion.from_pretrained(fresh)
    assert (draw(ours) - draw(sd)).abs().max() < (0.1 if variant else 1e-7)
    (fresh / "unet" / shards[1]).unlink()
    with pytest.raises(
        FileNotFoundError, match=f"{re.escape(shards[1])}' is not there, one of the {len(shards)} files"
    ):
        StableDiffusion.from_pretrained(fresh)


@pytest.mark.slow
def test_the_text_in_several_files_is_one(pipe, fresh, sd):
    (fresh / TEXT).unlink()
    pipe.text_encoder.save_pretrained(fresh / "text_encoder", max_shard_size="10KB")
    assert len(list((fresh / "text_encoder").glob("*.safetensors"))) > 1
    assert torch.equal(StableDiffusion.from_pretrained(fresh).text(PROMPTS), sd.text(PROMPTS))


@pytest.mark.parametrize("value, size", [(None, 512), ([8, 12], 64), ([16, 8], 64), (16, 128)])
def test_sample_size_is_a_number_or_two_or_none(fresh, value, size):
    change(fresh, "unet/config.json", sample_size=value)
    assert StableDiffusion.from_pretrained(fresh).size == size


@pytest.mark.slow
@pytest.mark.parametrize("convolution", [False, True])
def test_an_autoencoder_with_the_old_names_of_its_attention(pipe, fresh, sd, convolution):
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for name, tensor in safetensors.torch.load_file(fresh / VAE).items():
        for new, former in old.items():
            if f"attentions.0.{new}." in name:
                name = name.replace(new, former)
                tensor = tensor[:, :, None, None] if convolution and tensor.ndim == 2 else tensor
        tensors[name] = tensor.contiguous()
    assert any("proj_attn" in name for name in tensors)
    safetensors.torch.save_file(tensors, fresh / VAE, metadata={"format": "pt"})
    assert torch.equal(draw(StableDiffusion.from_pretrained(fresh)), draw(sd))
    if not convolution:
        theirs = diffusers.AutoencoderKL.from_pretrained(fresh, subfolder="vae")
        assert all(torch.equal(a, b) for a, b in zip(theirs.parameters(), pipe.vae.parameters(), strict=True))


@pytest.mark.slow
def test_tokens_that_were_added_are_read(pipe, fresh):
    words = type(pipe.tokenizer).from_pretrained(fresh / "tokenizer")
    assert words.add_tokens(["<cat-toy>", "<style>"]) == 2
    words.save_pretrained(fresh / "tokenizer")
    ours = StableDiffusion.from_pretrained(fresh)
    prompt = "a large <cat-toy> in <style>"
    ids = words(prompt, padding="max_length", max_length=16, return_tensors="pt").input_ids
    assert ids.max() == len(words) - 1 and torch.equal(ours.text.ids(prompt), ids)
    theirs = diffusers.StableDiffusionPipeline(**{**pipe.components, "tokenizer": words}, requires_safety_checker=False)
    assert (draw(ours, [prompt]) - their(theirs, pipe.scheduler, [prompt])).abs().max() < 1e-4


def test_a_shipped_one_is_a_stable_diffusion_too():
    small = StableDiffusion.from_pretrained("captioned-ldm")
    assert type(small) is StableDiffusion and small.size == 64
    assert [at.t for at in small.levels(4)] == [999, 749, 499, 249, -1]  # as it is drawn elsewhere in the course
    assert type(LatentDiffusion.from_pretrained("captioned-ldm")) is LatentDiffusion


# -- height, width, numbers -----------------------------------------------------------------------------------------------


def test_saved_as_weights_it_comes_back_with_its_walk(sd, tmp_path):
    walking = StableDiffusion(sd.autoencoder, sd.denoiser, sd.text, size=sd.size, walk=Walk("trailing", 0, True)).eval()
    weights.save(tmp_path / "mine", walking)
    again = weights.load(tmp_path / "mine.safetensors")
    assert type(again) is StableDiffusion and again.walk == walking.walk and again.size == sd.size
    assert torch.equal(draw(again), draw(walking)) and not torch.equal(draw(again), draw(sd))

    class Mine(StableDiffusion):
        pass

    with pytest.raises(TypeError, match="model must be a StableDiffusion itself: a Mine would come back as one"):
        weights.save(tmp_path / "other", Mine(sd.autoencoder, sd.denoiser, sd.text, size=sd.size))


def test_sides_are_asked_for_and_the_model_stays_as_it_is(sd):
    x = draw(sd, PROMPTS[:1], height=32, width=48, steps=2)
    assert x.shape == (1, 3, 32, 48) and sd.sides == (8, 8)
    assert torch.equal(
        draw(sd, height=64, width=64, sampler=EulerAncestral(), steps=2), draw(sd, sampler=EulerAncestral(), steps=2)
    )
    *_, last = sd.trajectory("top left", steps=2, width=24)
    assert last.x.shape == (1, 4, 8, 3)
    for wrong, error in ((60, ValueError), (0, ValueError), (64.0, TypeError), (True, TypeError)):
        for name in ("height", "width"):
            with pytest.raises(error, match=f"{name} must be"):
                draw(sd, **{name: wrong})
    with pytest.raises(ValueError, match="height must be a multiple of 8, better of 64, got 60: 56 or 64"):
        sd.sized(60)


def test_float32_on_a_cpu_and_half_where_it_is_asked_for(saved):
    device, dtype = torch.device("cuda"), torch.float16
    from diffcourse.latent import suited

    assert suited("cuda", None) == (device, dtype) and suited(None, None) == (torch.device("cpu"), torch.float32)
    assert suited("cuda", torch.bfloat16)[1] == torch.bfloat16
    with pytest.raises(
        ValueError, match=r"dtype must be torch\.float32, torch\.float16 or torch\.bfloat16, got torch\.int8"
    ):
        StableDiffusion.from_pretrained(saved, dtype=torch.int8)
    with pytest.raises(TypeError, match=r"give dtype=torch\.float16"):
        StableDiffusion.from_pretrained(saved, torch.float16)
    for half in (torch.bfloat16, torch.float16):
        sd = StableDiffusion.from_pretrained(saved, dtype=half)
        x = draw(sd, PROMPTS[:1], steps=2)
        assert x.dtype == half and x.isfinite().all()
        exact = draw(StableDiffusion.from_pretrained(saved), PROMPTS[:1], steps=2)
        assert (x.float() - exact).abs().mean() < 0.1


def test_the_wrapper_of_the_first_notebooks(sd):
    images, path = sd.prompt_to_image("top left", g=3.0, seed=2, steps=4, dim=32, save_int=True)
    assert [image.size for image in images] == [(32, 32)] and len(path) == 5 and path[0].shape == (1, 4, 4, 4)
    (again,) = sd.prompt_to_image("top left", 3.0, 2, 4, 32)
    assert again.tobytes() == images[0].tobytes()
    x = draw(sd, "top left", guidance=3.0, seed=2, steps=4, height=32, width=32, sampler=LMS())
    from diffcourse.latent import latents_to_pil

    assert torch.equal(sd.autoencoder.decode(path[-1]).clamp(-1, 1), x)
    assert latents_to_pil(path[-1], sd.autoencoder)[0].tobytes() == again.tobytes()
    with pytest.raises(ValueError, match="height must be a multiple of 8"):
        sd.prompt_to_image("top left", dim=500)
    with pytest.raises(TypeError, match="save_int must be True or False, got str 'yes'"):
        sd.prompt_to_image("top left", save_int="yes")


# -- full size ------------------------------------------------------------------------------------------------------------


def test_stable_diffusion_at_its_full_size_has_their_names_and_shapes():
    import transformers

    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    sizes = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    with torch.device("meta"):
        pairs = [
            (
                UNet2DCondition.from_diffusers(STABLE_DIFFUSION_1),
                diffusers.UNet2DConditionModel(**{k: v for k, v in STABLE_DIFFUSION_1.items() if k[0] != "_"}),
            ),
            (
                AutoencoderKL(),
                diffusers.AutoencoderKL(block_out_channels=(128, 256, 512, 512), layers_per_block=2, **kinds),
            ),
        ]
        text = transformers.CLIPTextModel(transformers.CLIPTextConfig(**sizes, vocab_size=49408))
    counts = []
    for ours, theirs in pairs:
        shapes = [{name: tensor.shape for name, tensor in m.state_dict().items()} for m in (ours, theirs)]
        assert shapes[0] == shapes[1]
        counts.append(sum(p.numel() for p in ours.parameters()))
    counts.append(sum(p.numel() for p in text.parameters()))
    assert counts == [859_520_964, 83_653_863, 123_060_480] and sum(counts) == download.NUMBERS


# -- what is refused ------------------------------------------------------------------------------------------------------

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3438167534\n"


def gone(file):
    return lambda sd: (sd / file).unlink()


def written(file, content):
    return lambda sd: (sd / file).write_bytes(content)


def renamed(file, to, content=None):
    def do(sd):
        (sd / file).rename((sd / file).with_name(to))
        if content is not None:
            (sd / file).with_name(to).write_bytes(content)

    return do


def index_of(shard):
    def do(sd):
        gone(UNET)(sd)
        content = json.dumps({"weight_map": {"conv_in.weight": shard}}).encode()
        written("unet/diffusion_pytorch_model.safetensors.index.json", content)(sd)

    return do


def both(*changes):
    return lambda sd: [do(sd) for do in changes]


REFUSED = {
    "a .bin only": (
        renamed(UNET, "diffusion_pytorch_model.bin", pickle.dumps(1)),
        r"diffusion_pytorch_model\.bin is a pickle",
    ),
    "a .bin only for the text": (
        renamed(TEXT, "pytorch_model.bin"),
        r"pytorch_model\.bin is a pickle, which could run code",
    ),
    "a pickle called .safetensors": (written(VAE, pickle.dumps({"a": 1})), "vae.*cannot be read as the AutoencoderKL"),
    "a pointer of Git LFS": (written(UNET, POINTER), "is a pointer of Git LFS of .*git lfs pull"),
    "a pointer of Git LFS for the text": (written(TEXT, POINTER), "text_encoder.*is a pointer of Git LFS"),
    "half of the U-Net": (
        lambda sd: os.truncate(sd / UNET, (sd / UNET).stat().st_size // 2),
        r"holds [\d,]+ of its [\d,]+ bytes; half a download",
    ),
    "half of the text": (lambda sd: os.truncate(sd / TEXT, 9000), "text_encoder.*half a download"),
    "an unfinished download": (
        both(gone(UNET), lambda sd: (sd / ".cache").mkdir(), written(".cache/x.incomplete", b"")),
        "unfinished files: half a download",
    ),
    "no unet": (lambda sd: shutil.rmtree(sd / "unet"), r"holds no unet/config\.json: .* it holds .*vae"),
    "no vae": (lambda sd: shutil.rmtree(sd / "vae"), r"holds no vae/config\.json"),
    "no text_encoder": (lambda sd: shutil.rmtree(sd / "text_encoder"), r"holds no text_encoder/config\.json"),
    "no tokenizer": (lambda sd: shutil.rmtree(sd / "tokenizer"), r"holds no tokenizer/vocab\.json"),
    "no scheduler": (lambda sd: shutil.rmtree(sd / "scheduler"), r"holds no scheduler/scheduler_config\.json"),
    "no model_index.json": (gone("model_index.json"), r"holds no model_index\.json"),
    "a single file in it": (
        both(gone("model_index.json"), written("v1-5.ckpt", b"")),
        r"with v1-5\.ckpt it holds a single file .*from_single_file",
    ),
    "SD 2": (
        lambda sd: change(sd, "text_encoder/config.json", hidden_size=1024),
        "a Stable Diffusion 2, whose text encoder is OpenCLIP's",
    ),
    "SD 2's U-Net": (lambda sd: change(sd, "unet/config.json", cross_attention_dim=1024), "a Stable Diffusion 2"),
    "SDXL": (
        lambda sd: change(sd, "model_index.json", text_encoder_2=["transformers", "CLIPTextModelWithProjection"]),
        r"Stable Diffusion XL, .*text_encoder_2",
    ),
    "SD 3": (
        lambda sd: change(sd, "model_index.json", _class_name="StableDiffusion3Pipeline", transformer=["diffusers", "X"]),
        "a StableDiffusion3Pipeline, with a transformer",
    ),
    "a U-Net for inpainting": (
        lambda sd: change(sd, "unet/config.json", in_channels=9),
        "one for inpainting, whose unet reads 9 channels",
    ),
    "an index that leads outside": (index_of("../../secret.safetensors"), r"may name \.safetensors beside it only"),
    "an index of a pickle": (index_of("a.bin"), r"may name \.safetensors beside it only"),
    "an index of nothing": (index_of(3), "must name the file of each tensor"),
    "a shard that is missing": (index_of("a.safetensors"), "a.safetensors' is not there, one of the 1 files"),
    "betas that are not known": (
        lambda sd: change(sd, SCHEDULER, beta_schedule="sigmoid"),
        "beta_schedule 'sigmoid' is not known",
    ),
    "flow matching": (
        lambda sd: change(sd, SCHEDULER, prediction_type="flow_prediction"),
        "prediction_type 'flow_prediction' is none of epsilon",
    ),
    "a spacing that is not known": (
        lambda sd: change(sd, SCHEDULER, timestep_spacing="even"),
        "timestep_spacing must be trailing, linspace, leading or karras, got 'even'",
    ),
    "an offset that is none": (
        lambda sd: change(sd, SCHEDULER, steps_offset="1"),
        "steps_offset must be a whole number",
    ),
    "sigmas that are not known": (
        lambda sd: change(sd, SCHEDULER, use_beta_sigmas=True),
        "use_beta_sigmas=True is not done here",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_whole_stable_diffusion_1_is_refused_in_a_sentence(fresh, name):
    change_, says = REFUSED[name]
    change_(fresh)
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        StableDiffusion.from_pretrained(fresh)
    told = str(caught.value)
    assert re.search(says, told), told
    assert str(fresh) in told and len(told) < 600 and "\n" not in told


@pytest.mark.parametrize("name", ["v1-5.safetensors", "v1-5.ckpt"])
def test_a_single_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"")
    kind = "a single file, a pickle, which could run code" if name.endswith("ckpt") else "a single file,"
    with pytest.raises(ValueError, match=f"{name}' is {kind}.*from_single_file"):
        StableDiffusion.from_pretrained(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        StableDiffusion.from_pretrained(tmp_path / "nowhere")


@pytest.mark.parametrize("key", ["thresholding", "clip_sample"])
def test_what_a_scheduler_asks_for_beside_is_warned_of(fresh, key):
    change(fresh, SCHEDULER, **{key: True})
    with pytest.warns(UserWarning, match=f"{key}=True, which is not done here"):
        StableDiffusion.from_pretrained(fresh)


# -- the hub --------------------------------------------------------------------------------------------------------------

NAME = "somebody/stable-diffusion-v1-5"


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """A cache of the hub of one's own, and no network: whoever asks for one fails the test."""
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "fetch", lambda *a, **k: pytest.fail("somebody asked the network"))
    return tmp_path / "hub" / f"models--{NAME.replace('/', '--')}"


def cached(cache, folder):
    commit = "a" * 40
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text(commit, encoding="utf-8")
    return shutil.copytree(folder, cache / "snapshots" / commit)


def test_a_name_of_the_hub_is_not_downloaded_unasked(cache):
    for kind in (StableDiffusion, LatentDiffusion):
        with pytest.raises(FileNotFoundError) as caught:
            kind.from_pretrained(NAME)
        told = str(caught.value)
        for word in (
            NAME,
            "4.3 GB (2.1 GB in half precision)",
            "12 minutes (6 minutes)",
            "memory",
            "OpenRAIL-M",
            "download=True",
            "hf download",
        ):
            assert word in told


def test_what_lies_in_the_cache_of_the_hub_is_read_without_a_network(cache, saved, sd):
    snapshot = cached(cache, saved)
    assert torch.equal(draw(StableDiffusion.from_pretrained(NAME)), draw(sd))
    (snapshot / UNET).unlink()
    with pytest.raises(FileNotFoundError, match=f"holds no {UNET}"):
        StableDiffusion.from_pretrained(NAME)


def of_hub(monkeypatch, saved, cache, files):
    import huggingface_hub

    asked = []

    class Api:
        def model_info(self, name, **options):
            siblings = [SimpleNamespace(rfilename=file, size=size) for file, size in files.items()]
            return SimpleNamespace(siblings=siblings, tags=["license:creativeml-openrail-m", "x"])

    def snapshot(name, allow_patterns):
        asked.extend(allow_patterns)
        return str(cached(cache, saved))

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(download, "fetch", lambda *a, **k: b"{}")
    return asked


def test_a_download_says_what_it_costs_and_brings_what_is_read(monkeypatch, capsys, cache, saved, sd):
    weights = {UNET: 3_438_167_536, VAE: 334_643_268, TEXT: 492_265_168}
    files = {file: size for name, size in weights.items() for file, size in (
        (name, size), (name.replace(".safetensors", ".fp16.safetensors"), size // 2),
        (name.replace(".safetensors", ".bin"), size), (name.replace("model.safetensors", "model.non_ema.safetensors"), size),
    )}  # fmt: skip
    small = [
        "model_index.json",
        "unet/config.json",
        "vae/config.json",
        "text_encoder/config.json",
        "tokenizer/vocab.json",
        SCHEDULER,
    ]
    more = {"v1-5-pruned.ckpt": 10**10, "safety_checker/model.safetensors": 10**9, "README.md": 9, "unet/evil.py": 1}
    asked = of_hub(monkeypatch, saved, cache, files | dict.fromkeys(small, 1000) | more)
    assert torch.equal(draw(StableDiffusion.from_pretrained(NAME, download=True)), draw(sd))
    assert asked == sorted([*small, *weights])
    told = capsys.readouterr().out
    for word in (
        NAME,
        "9 files, 4.3 GB (float32)",
        "creativeml-openrail-m",
        "12 minutes at 50 Mbit/s",
        "Memory: 4.3 GB",
    ):
        assert word in told
    half = download.wanted_files([*files, *small], half=True)
    assert half == sorted([*small, *(name.replace(".safetensors", ".fp16.safetensors") for name in weights)])


def test_a_download_that_fails_says_so(monkeypatch, cache, saved):
    of_hub(monkeypatch, saved, cache, {"model_index.json": 1, "unet/diffusion_pytorch_model.bin": 1})
    with pytest.raises(OSError, match=r"could not be downloaded \(it holds no unet/.*pickles are not read\)"):
        StableDiffusion.from_pretrained(NAME, download=True)

    def slow(*_, **__):
        raise TimeoutError("no answer in 15 seconds")

    monkeypatch.setattr(download, "fetch", slow)
    with pytest.raises(TimeoutError, match=r"no answer in 15 seconds.*goes on where it stopped"):
        StableDiffusion.from_pretrained(NAME, download=True)


# -- the bridge -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", SAME)
def test_their_u_net_and_scheduler_are_a_denoiser(pipe, sd, name):
    """Their network, our sampler, their levels: the latents of their pipeline."""
    sampler, kind, options = SAME[name]
    scheduler = getattr(diffusers, kind).from_config(pipe.scheduler.config, **options)
    denoiser = from_diffusers(pipe.unet, scheduler, null=sd.text("")[0])
    x, generator = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1)), torch.Generator().manual_seed(3)
    denoise = guided(denoiser, sd.text(PROMPTS[:2]), 4.0)
    *_, end = trajectory(denoise, x, levels_of(scheduler, 8), sampler, generator)
    pipe.scheduler, own = scheduler, pipe.scheduler
    asked = {"num_inference_steps": 8, "guidance_scale": 4.0, "output_type": "latent"}
    theirs = pipe(PROMPTS[:2], latents=x, generator=torch.Generator().manual_seed(3), **asked).images
    pipe.scheduler = own
    assert (end.x - theirs).abs().max() < 1e-4 * float(theirs.abs().max())


def test_a_network_of_theirs_that_reads_no_text_and_other_predictions():
    unet = diffusers.UNet2DModel(
        sample_size=8, in_channels=1, out_channels=1, block_out_channels=(8, 8), norm_num_groups=4,
        down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2,
    )  # fmt: skip
    scheduler = diffusers.DDPMScheduler(prediction_type="v_prediction", beta_schedule="squaredcos_cap_v2")
    denoiser = from_diffusers(unet, scheduler)
    assert denoiser.predicts == "v" and denoiser.network is unet
    assert samplers.sample(denoiser, denoiser.schedule, (2, 1, 8, 8), steps=2, seed=0).isfinite().all()
    assert denoiser.loss(torch.zeros(2, 1, 8, 8)).requires_grad


def test_what_is_no_u_net_or_no_scheduler_is_told(pipe):
    for arguments, error, says in (
        ((pipe, None), TypeError, r"give its \.unet and its \.scheduler"),
        ((torch.nn.Linear(1, 1), pipe.scheduler), TypeError, "unet must be a U-Net of diffusers, got Linear"),
        ((pipe.unet, "ddim"), TypeError, "scheduler must be one of diffusers, or its config, got str 'ddim'"),
        ((pipe.unet, diffusers.DDPMScheduler(variance_type="learned_range")), ValueError, "learned variance"),
        ((pipe.unet, diffusers.FlowMatchEulerDiscreteScheduler()), ValueError, "beta_schedule None is not known"),
        ((pipe.unet, {"prediction_type": "noise"}), ValueError, "prediction_type must be one of epsilon"),
        ((SimpleNamespaceModule(), pipe.scheduler), ValueError, "addition_embed_type='text_time'"),
    ):
        with pytest.raises(error, match=says):
            from_diffusers(*arguments)
    with pytest.raises(TypeError, match="scheduler must be one of diffusers, with set_timesteps"):
        levels_of({}, 4)
    with pytest.raises(TypeError, match="model must be a LatentDiffusion, got Linear"):
        to_diffusers(torch.nn.Linear(1, 1))


class SimpleNamespaceModule(torch.nn.Module):
    config = SimpleNamespace(addition_embed_type="text_time")


@pytest.mark.slow
def test_there_and_back_ours_draws_the_same_pictures(tmp_path):
    """ours -> their pipeline -> its folder -> ours, and ours -> our folder -> ours."""
    ours = stand_ins.latent_diffusion()
    pipe = to_diffusers(ours, tmp_path / "a")
    assert type(pipe) is diffusers.StableDiffusionPipeline
    pipe.save_pretrained(tmp_path / "b")
    for folder in ("a", "b"):
        assert torch.equal(draw(LatentDiffusion.from_pretrained(tmp_path / folder)), draw(ours))
    small = StableDiffusion(ours.autoencoder, ours.denoiser, ours.text, size=16, walk=Walk("leading", 1, False))
    pipe = to_diffusers(small)
    assert pipe.scheduler.config.timestep_spacing == "leading" and not pipe.scheduler.config.set_alpha_to_one
    pipe.set_progress_bar_config(disable=True)
    drawn = pipe(
        PROMPTS, generator=image_generators(3, 0), num_inference_steps=8, output_type="pt", height=16, width=16
    )
    assert (drawn.images * 2 - 1 - draw(small, sampler=DDIM())).abs().max() < 1e-4
    pipe.save_pretrained(tmp_path / "c")
    again = StableDiffusion.from_pretrained(tmp_path / "c")
    assert again.walk == small.walk and torch.equal(draw(again), draw(small))


@pytest.mark.slow
def test_the_shipped_model_goes_there_and_back(tmp_path):
    ours = LatentDiffusion.from_pretrained("captioned-ldm")
    pipe = to_diffusers(ours, tmp_path / "a")
    pipe.save_pretrained(tmp_path / "b")
    prompt = "a large red seven on a blue background, top left"
    options = {"steps": 4, "guidance": 2.0, "progress": False}
    models = (ours, *(LatentDiffusion.from_pretrained(tmp_path / folder) for folder in "ab"))
    first, saved, back = (model.generate(prompt, **options) for model in models)
    assert torch.equal(saved, back)
    assert (saved - first).abs().max() < 0.02  # the embedding of "" ships in half precision, and is computed anew


def test_without_diffusers_the_bridge_says_what_to_install(monkeypatch, sd):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(
        ImportError, match=r"to_diffusers needs diffusers.*pip install diffusers.*model\.save\(folder\)"
    ):
        to_diffusers(sd)


# -- the menu -------------------------------------------------------------------------------------------------------------


def their_scheduler(line, pipe):
    return eval(f"diffusers.{line}", {"diffusers": diffusers, "pipe": pipe})


@pytest.mark.parametrize(
    "entry", [e for e in MENU if e.ours.endswith(")") and "levels" not in e.ours], ids=lambda e: e.name
)
def test_each_class_of_the_menu_is_the_line_of_diffusers_beside_it(pipe, entry):
    """On a denoiser that is exact: a Gaussian's, x̂0 = 0.64·α·x/(0.64·α² + σ²)."""
    scheduler = their_scheduler(entry.theirs, pipe)
    sampler = eval(entry.ours, vars(samplers))
    table = DiffusionSchedule.from_diffusers(scheduler)

    def eps(x, t):
        at = table.at(float(t))
        return at.sigma * x / (0.64 * at.alpha**2 + at.sigma**2)

    denoise = lambda x, at: samplers.estimate(eps(x, at.t), x, at, "eps")  # noqa: E731
    dtype = torch.float32 if "SDE" in entry.name else torch.float64  # in which they draw noise
    start = torch.randn(16, 2, generator=torch.Generator().manual_seed(0), dtype=dtype)
    levels = Walk().levels(table, 20, sampler)
    *_, ours = trajectory(denoise, start, levels, sampler, torch.Generator().manual_seed(1))
    scheduler.set_timesteps(20)
    assert [at.t for at in levels[:-1]] == [at.t for at in levels_of(scheduler, 20)[:-1]]
    generator, x = torch.Generator().manual_seed(1), start * float(scheduler.init_noise_sigma)
    options = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    for t in scheduler.timesteps:
        x = scheduler.step(eps(scheduler.scale_model_input(x, t), t), t, x, **options).prev_sample
    assert ((ours.x - x).abs() / x.abs().clamp(min=1)).max() < 5e-5


def test_every_line_of_the_menu_is_one_that_diffusers_has(pipe):
    for entry in MENU:
        if not entry.theirs:
            continue
        if entry.name == "DPM++ SDE":  # wants torchsde
            assert hasattr(diffusers, "DPMSolverSDEScheduler")
            continue
        assert their_scheduler(entry.theirs, pipe).config.beta_schedule == "scaled_linear"
    kinds = {kind.name for kind in diffusers.schedulers.KarrasDiffusionSchedulers}
    named = {re.match(r"\w*", entry.theirs)[0] for entry in MENU}
    assert kinds - named <= {"DPMSolverSinglestepScheduler", "EDMEulerScheduler", "SASolverScheduler"}


def test_the_menu_as_a_table():
    lines = menu().splitlines()
    assert len(lines) == len(MENU) + 2 and all(line.count("|") == 5 for line in lines)
    assert len({entry.name for entry in MENU}) == len(MENU)
    assert any("| UniPC |" in line and "| none |" in line for line in lines)


# -- walks ----------------------------------------------------------------------------------------------------------------


def test_a_walk_is_read_from_a_config_and_written_back():
    for walk in (Walk(), Walk("trailing", 0, True), Walk("linspace", 1, True), Walk("karras", 0, False)):
        assert Walk.of(walk.to_diffusers()) == walk
    assert Walk.of({"_class_name": "PNDMScheduler"}) == Walk("leading", 0, False)  # their defaults
    assert Walk.of({"_class_name": "DDIMScheduler"}) == Walk("leading", 0, True)


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 999, 1000])
def test_levels_of_a_walk_stay_within_the_schedule(steps):
    schedule = DiffusionSchedule.scaled_linear()
    for spacing in ("leading", "trailing", "linspace", "karras"):
        levels = Walk(spacing, 1, True).levels(schedule, steps)
        assert len(levels) == steps + 1 and levels[-1] == CLEAN
        assert all(a.t >= b.t for a, b in pairwise(levels)) and levels[0].t <= 999


def test_parts_that_are_no_walk_or_no_steps_are_told(sd):
    with pytest.raises(TypeError, match="walk must be a Walk, got str 'leading'"):
        StableDiffusion(sd.autoencoder, sd.denoiser, sd.text, size=64, walk="leading")
    for steps, sampler in ((0, PNDM()), (1001, PNDM()), (1000, DPMSolverPP())):
        with pytest.raises(ValueError, match="steps must be in"):
            draw(sd, steps=steps, sampler=sampler)
