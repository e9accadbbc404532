"""Folders laid out as Stable Diffusion's that anybody may have written: read as they are, or refused in a sentence; nothing in them is run.

Each case changes one thing of a small sound folder, made on the spot.
"""

import json
import math
import os
import pickle
import shutil
import tempfile
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from campaign import case, holds, refused
from campaign.cards import ERRORS, EVIL, NETWORKS, POINTER, Canary, header, no_canary, peak, text_encoder
from diffcourse import Denoiser, DiffusionSchedule, LatentDiffusion, TextEncoder

MEMORY = 400_000_000  # bytes that a refusal may take at most
UNET, VAE = "unet/diffusion_pytorch_model.safetensors", "vae/diffusion_pytorch_model.safetensors"
TEXT, SCHEDULER = "text_encoder/model.safetensors", "scheduler/scheduler_config.json"


def painter() -> LatentDiffusion:
    """A small random latent diffusion."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        words, network, vae = text_encoder(), NETWORKS["wide U-Net"](), NETWORKS["autoencoder"]()
    return LatentDiffusion(
        vae, Denoiser(network, DiffusionSchedule.linear(20), null=words("")[0]), words, size=8
    ).eval()


@cache
def sound() -> str:
    """A folder that is as it should be."""
    return str(painter().save(Path(tempfile.mkdtemp(prefix="campaign")) / "sound"))


def fresh() -> Path:
    return Path(shutil.copytree(sound(), "sd"))


def told(folder: Path, read: Callable[[], Any], *words: str) -> None:
    """Refused in a sentence that holds the words, cheaply, and nothing was run."""
    before = peak()
    refused(read, *words, error=ERRORS)
    no_canary(folder)
    holds(peak() - before < MEMORY, f"{(peak() - before) / 1e6:.0f} MB for nothing")


# -- what is refused ---------------------------------------------------------------------------------------------------------

Change = Callable[[Path], Any]


def write(file: str, content: bytes | str) -> Change:
    return lambda sd: (sd / file).write_bytes(content if isinstance(content, bytes) else content.encode())


def entry(file: str, **entries: Any) -> Change:
    def change(sd: Path) -> None:
        content = json.loads((sd / file).read_text(encoding="utf-8")) | entries
        (sd / file).write_text(json.dumps(content), encoding="utf-8")

    return change


def tensors(file: str, change: Callable[[dict], Any]) -> Change:
    def do(sd: Path) -> None:
        content = safetensors.torch.load_file(sd / file)
        change(content)
        (sd / file).unlink()
        safetensors.torch.save_file(content, sd / file, metadata={"format": "pt"})

    return do


def renamed(file: str, to: str, content: bytes | None = None) -> Change:
    def do(sd: Path) -> None:
        (sd / file).rename(sd / Path(file).parent / to)
        if content is not None:
            (sd / Path(file).parent / to).write_bytes(content)

    return do


def sharded(part: str, stem: str, shard: str) -> Change:
    def do(sd: Path) -> None:
        renamed(f"{part}/{stem}.safetensors", "shard.safetensors")(sd)
        index = {"metadata": {"total_size": 1}, "weight_map": {"conv_in.weight": shard}}
        (sd / part / f"{stem}.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")

    return do


def first(content: dict, value: float) -> None:
    next(iter(content.values())).fill_(value)


REFUSED: dict[str, tuple[Change, str]] = {  # what is done to the folder, a word of the answer
    "without model_index.json": (lambda sd: (sd / "model_index.json").unlink(), "model_index.json"),
    "whose model_index.json is a list": (write("model_index.json", "[]"), "model_index.json"),
    "without a U-Net": (lambda sd: shutil.rmtree(sd / "unet"), "unet/config.json"),
    "without the U-Net's tensors": (lambda sd: (sd / UNET).unlink(), "it holds config.json"),
    "with a .bin only, a pickle": (renamed(UNET, "diffusion_pytorch_model.bin", pickle.dumps(Canary())), "pickle"),
    "with a pickle called .safetensors": (write(UNET, pickle.dumps(Canary())), "unet"),
    "with a pickle called .safetensors for the text": (write(TEXT, pickle.dumps(Canary())), "sd"),
    "with a .bin for the text": (renamed(TEXT, "pytorch_model.bin", pickle.dumps(Canary())), "model.safetensors"),
    "with one of several files": (sharded("unet", "diffusion_pytorch_model", "other.safetensors"), "half a download"),
    "whose index leads outside": (sharded("unet", "diffusion_pytorch_model", "../../../etc/passwd"), "beside it only"),
    "of a Stable Diffusion 2": (entry("text_encoder/config.json", hidden_size=1024), "Stable Diffusion 2"),
    "of a Stable Diffusion XL": (entry("model_index.json", text_encoder_2=["a", "b"]), "Stable Diffusion XL"),
    "whose text's index leads outside": (sharded("text_encoder", "model", "../../../etc/passwd"), "sd"),
    "with a pointer of Git LFS": (write(VAE, POINTER), "git lfs pull"),
    "with a pointer of Git LFS for the text": (write(TEXT, POINTER), "git lfs pull"),
    "with truncated tensors": (lambda sd: os.truncate(sd / UNET, 1000), "unet"),
    "with truncated tensors for the text": (lambda sd: os.truncate(sd / TEXT, 1000), "sd"),
    "with tensors of no bytes": (write(UNET, b""), "unet"),
    "with a folder in place of tensors": (lambda sd: ((sd / UNET).unlink(), (sd / UNET).mkdir()), "unet"),
    "with a header of 2**60 bytes": (write(UNET, (2**60).to_bytes(8, "little")), "unet"),
    "with tensors of 2**80 numbers": (
        write(UNET, header({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 64]}})),
        "unet",
    ),
    "with a nan": (tensors(UNET, partial(first, value=math.nan)), "not finite"),
    "with a nan in the text": (tensors(TEXT, partial(first, value=math.nan)), "not finite"),
    "with integers in place of weights": (
        tensors(VAE, lambda t: t.update({k: v.int() for k, v in t.items()})),
        "int32",
    ),
    "with a tensor less": (tensors(UNET, lambda t: t.pop("conv_in.bias")), "conv_in.bias"),
    "with the tensors of a LoRA besides": (tensors(UNET, lambda t: t.update(lora_A=torch.zeros(1))), "lora_A"),
    "with a tensor less in the text": (
        tensors(TEXT, lambda t: t.pop(next(k for k in t if "final" in k))),
        "final_layer_norm",
    ),
    "whose config.json is a list": (write("unet/config.json", "[]"), "unet/config.json"),
    "whose config.json is nested 10,000 deep": (
        write("vae/config.json", '{"a":' * 10_000 + "1" + "}" * 10_000),
        "deep",
    ),
    "whose config.json is in Latin-1": (write("vae/config.json", '{"a": "é"}'.encode("latin-1")), "UTF-8"),
    "whose text's config.json is a list": (write("text_encoder/config.json", "[]"), "sd"),
    "whose scheduler is null": (write(SCHEDULER, "null"), SCHEDULER),
    "of 10**9 layers": (entry("unet/config.json", layers_per_block=10**9), "layers_per_block"),
    "of 10**9 layers in the autoencoder": (entry("vae/config.json", layers_per_block=10**9), "vae"),
    "of 10**9 layers in the text": (entry("text_encoder/config.json", num_hidden_layers=10**9), "sd"),
    "of a million channels": (entry("unet/config.json", block_out_channels=[10**6, 10**6]), "unet"),
    "of a million channels in the text": (entry("text_encoder/config.json", hidden_size=10**6), "sd"),
    "of 10**12 tokens": (entry("text_encoder/config.json", vocab_size=10**12), "sd"),
    "with channels that are text": (entry("unet/config.json", block_out_channels="32"), "unet"),
    "with an activation that is code": (entry("text_encoder/config.json", hidden_act=EVIL), "sd"),
    "of another class": (entry("vae/config.json", _class_name="AutoencoderTiny"), "AutoencoderTiny"),
    "of a U-Net of SDXL": (entry("unet/config.json", addition_embed_type="text_time"), "addition_embed_type"),
    "with 9 channels for inpainting": (entry("unet/config.json", in_channels=9), "unet"),
    "of 10**9 noise levels": (entry(SCHEDULER, num_train_timesteps=10**9), "T must be in"),
    "with betas that are text": (entry(SCHEDULER, trained_betas=["a"]), "sd"),
    "with a scheduler of flow matching": (entry(SCHEDULER, beta_schedule=None), "beta_schedule"),
    "with a prediction that is a list": (entry(SCHEDULER, prediction_type=["epsilon"]), "prediction_type"),
    "of no size": (entry("unet/config.json", sample_size=0), "sample_size"),
    "with a size that is text": (entry("unet/config.json", sample_size="64"), "sample_size"),
    "without a tokenizer": (lambda sd: shutil.rmtree(sd / "tokenizer"), "sd"),
    "with a tokenizer that is a list": (write("tokenizer/tokenizer.json", "[]"), "sd"),
    "with a tokenizer of random bytes": (write("tokenizer/tokenizer.json", bytes(range(256))), "sd"),
}
for name, (change, word) in REFUSED.items():

    @case(f"a folder {name}")
    def _(folder: Path, change: Change = change, word: str = word) -> None:
        sd = fresh()
        change(sd)
        told(folder, lambda: LatentDiffusion.from_pretrained(sd), word)


def single(folder: Path) -> Path:
    return Path(shutil.copy(Path(sound()) / UNET, folder / "model.safetensors"))


INSTEAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a path that is not there": (lambda folder: folder / "nowhere", "there is no folder"),
    "a path with ~ that is not there": (lambda folder: "~/nowhere", "there is no folder"),
    "a name of the hub": (lambda folder: "runwayml/stable-diffusion-v1-5", "hf download"),
    "a single file": (single, "single file"),
    "an empty folder": (lambda folder: folder, "it holds nothing"),
    "weights that are no latent diffusion": (lambda folder: "mnist-classifier", "DigitClassifier"),
    "no name": (lambda folder: "", "path"),
    "nothing": (lambda folder: None, "None"),
    "a number": (lambda folder: 3, "3"),
    "a name with a zero byte": (lambda folder: "a\0b", "path"),
}
for name, (make, word) in INSTEAD.items():

    @case(f"{name} in place of a folder")
    def _(folder: Path, make: Callable = make, word: str = word) -> None:
        place = make(folder)
        told(folder, lambda: LatentDiffusion.from_pretrained(place), word)
        if word != "hf download":  # which the text encoder does look up
            told(folder, lambda: TextEncoder.from_pretrained(place))


# -- what is read ------------------------------------------------------------------------------------------------------------


def same(sd: Path, *, atol: float = 0.0) -> LatentDiffusion:
    """The folder is read, and draws what the sound one draws."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = LatentDiffusion.from_pretrained(sd)
    drawn = [m.generate("two", steps=2, progress=False) for m in (model, painter())]
    holds(torch.allclose(*drawn, atol=atol, rtol=0) and float(drawn[0].std()) > 0, "it draws something else")
    return model


def halved(sd: Path) -> None:
    for file in (UNET, VAE, TEXT):
        tensors(file, lambda t: t.update({k: v.half() for k, v in t.items() if v.is_floating_point()}))(sd)
        renamed(file, Path(file).name.replace(".safetensors", ".fp16.safetensors"))(sd)


def evil(sd: Path) -> None:
    """Code beside the tensors, and settings that name it."""
    for part in ("unet", "vae", "text_encoder", "tokenizer", "scheduler", "."):
        for file in ("evil.py", "modeling.py", "pipeline.py", "handler.py", "__init__.py"):
            write(f"{part}/{file}", "open('canary', 'w')")(sd)
    here = {"auto_map": {"AutoModel": "evil.Model", "AutoTokenizer": ["evil.Words", None]}, "trust_remote_code": True}
    for file in ("text_encoder/config.json", "tokenizer/tokenizer_config.json"):
        entry(file, **here, custom_pipelines={"a": {"impl": "evil.Model"}})(sd)
    entry("text_encoder/config.json", attn_implementation="somebody/kernel", _attn_implementation="somebody/kernel")(sd)
    entry("text_encoder/config.json", quantization_config={"quant_method": "evil"})(sd)
    entry("model_index.json", unet=["evil", "Model"], _class_name="Evil", custom_pipeline="evil.py")(sd)
    for part in ("unet", "vae", "text_encoder"):
        write(f"{part}/pytorch_model.bin", pickle.dumps(Canary()))(sd)


READ: dict[str, tuple[Change, float]] = {
    "as it was saved": (lambda sd: None, 0.0),
    "with code, settings that name it, and pickles": (evil, 0.0),
    "whose U-Net has an index": (sharded("unet", "diffusion_pytorch_model", "shard.safetensors"), 0.0),
    "in half precision, with its own names": (halved, 0.05),
    "whose sample_size is null": (entry("vae/config.json", sample_size=None), 0.0),
    "whose sample_size is a list": (entry("unet/config.json", sample_size=[8, 8]), 0.0),
    "with a byte-order mark": (
        lambda sd: write("unet/config.json", b"\xef\xbb\xbf" + (sd / "unet/config.json").read_bytes())(sd),
        0.0,
    ),
    "that lacks what it never needed": (lambda sd: (sd / "tokenizer" / "tokenizer_config.json").unlink(), 0.0),
}
for name, (change, atol) in READ.items():

    @case(f"a folder {name} is read")
    def _(folder: Path, change: Change = change, atol: float = atol) -> None:
        sd = fresh()
        change(sd)
        same(sd, atol=atol)
        no_canary(folder)


@case("a folder whose U-Net has no sample_size, or one that is not square, is read")
def _(folder: Path) -> None:
    sd = fresh()
    for value, side in (None, 64), ([8, 12], 8), ([64, 64], 64):
        entry("unet/config.json", sample_size=value)(sd)
        holds(LatentDiffusion.from_pretrained(sd).size == side, f"sample_size={value}")


for key in ("thresholding", "clip_sample"):

    @case(f"a folder whose scheduler asks for {key} is read with a warning")
    def _(folder: Path, key: str = key) -> None:
        sd = fresh()
        entry(SCHEDULER, **{key: True})(sd)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            LatentDiffusion.from_pretrained(sd)
        holds(any(key in str(w.message) for w in caught), "nobody said so")


@case(
    "a folder of one's own that has a shipped name: each is found by its own rule, and is not saved over the name",
    slow=True,
)
def _(folder: Path) -> None:
    model = painter()
    for name, save in ("captioned-ldm", model.save), ("tiny-clip", model.text.save_pretrained):
        told(folder, partial(save, name), name, "shipped")
    model.save("./captioned-ldm")
    for own in ("./captioned-ldm", Path("captioned-ldm"), str(folder / "captioned-ldm")):
        same(own)
    holds(LatentDiffusion.from_pretrained("captioned-ldm").size == 64, "the shipped one is hidden")
    holds(len(TextEncoder.from_pretrained("tiny-clip").tokenizer) > 30, "the shipped one is hidden")


@case("~ is the home folder, for what is written and what is read")
def _(folder: Path) -> None:
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(folder)
    painter().save("~/sd")
    holds((folder / "sd").exists() and not Path("~").exists(), "it is not in the home folder")
    same("~/sd")
    holds(TextEncoder.from_pretrained("~/sd").length == 8, "the text alone is not found")


@case("a save that is stopped leaves the folder as it was")
def _(folder: Path) -> None:
    sd, model = fresh(), painter()
    torch.nn.init.constant_(model.denoiser.network.conv_out.bias, 3.0)
    model.text.save_pretrained = lambda folder: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    told(folder, lambda: model.save(sd), "No space left")
    same(sd)
    holds([p.name for p in folder.iterdir()] == ["sd"], "something is left behind")
