"""A folder laid out as Stable Diffusion 1.x: a folder a part, settings in JSON and numbers in safetensors; read, or refused by name.

    model_index.json   unet/   vae/   text_encoder/   tokenizer/   scheduler/scheduler_config.json

The layout is diffusers'; no code of diffusers is needed to read it, and none that lies in the folder is run. What is beside these parts, a
safety checker for example, is left alone.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from diffcourse.denoiser import THEIRS
from diffcourse.download import hub_folder
from diffcourse.files import user_path
from diffcourse.models import AutoencoderKL, TextEncoder, UNet2DCondition
from diffcourse.stored import blamed, check_no_pointer, filled, read_json

INDEX, SCHEDULER = "model_index.json", "scheduler/scheduler_config.json"
STEMS = {"unet": "diffusion_pytorch_model", "vae": "diffusion_pytorch_model", "text_encoder": "model"}
PREDICTION_TYPES = {
    ours: theirs for theirs, ours in THEIRS.items() if ours != "flow"
}  # what StableDiffusionPipeline samples from
PICKLES = (".bin", ".ckpt", ".pt", ".pth")


class Parts(NamedTuple):
    """What a folder holds: three networks, what its scheduler_config.json says, what is predicted, and the side of its latents."""

    autoencoder: AutoencoderKL
    network: UNet2DCondition
    text: TextEncoder
    scheduler: dict[str, Any]
    predicts: str
    side: int


def read(name: str | Path, *, download: bool = False, half: bool = False) -> Parts:
    """The parts of a folder, or of a name of the Hugging Face hub, whole and in float32; an OSError or a ValueError says what is wrong.

    A name is looked up in the hub's cache, and downloaded only with download=True; then half=True takes the files in half precision.
    """
    folder = located(name, download=download, half=half)
    scheduler, unet = config(folder, SCHEDULER), config(folder, "unet/config.json")
    check_kind(folder)
    autoencoder, network = read_part(folder, "vae", AutoencoderKL), read_part(folder, "unet", UNet2DCondition)
    tensor_files(folder, "text_encoder")  # what is wrong with them is told here
    if not any((folder / "tokenizer" / file).is_file() for file in ("tokenizer.json", "vocab.json")):
        config(folder, "tokenizer/vocab.json")
    text = TextEncoder.from_pretrained(folder)
    with blamed(f"the folder {str(folder)!r} cannot be read"):
        kind = scheduler.get("prediction_type", "epsilon")
        if kind not in PREDICTION_TYPES.values():
            raise ValueError(f"prediction_type {kind!r} is none of {', '.join(PREDICTION_TYPES.values())}")
        return Parts(autoencoder, network, text, scheduler, THEIRS[kind], side_of(unet.get("sample_size")))


# -- where it is --------------------------------------------------------------------------------------------------------


def located(name: str | Path, *, download: bool = False, half: bool = False) -> Path:
    """The folder, which must hold a model_index.json; where there is none, what lies there instead is looked at."""
    told, path = str(name), user_path(name)
    if path.is_file():
        what = "single file, a pickle, which could run code" if path.suffix in PICKLES else "single file"
        raise ValueError(
            f"{told!r} is a {what}, and must be a folder laid out as Stable Diffusion's: unet, vae, …; diffusers makes one of "
            "it: `StableDiffusionPipeline.from_single_file(FILE).save_pretrained(FOLDER)`"
        )
    if not path.is_dir():
        if isinstance(name, Path) or told.count("/") != 1 or told[0] in "./~" or "\\" in told:
            raise FileNotFoundError(f"there is no folder {told!r}")
        path = hub_folder(told, download=download, half=half)
    config(path, INDEX)
    return path


def config(folder: Path, name: str) -> dict[str, Any]:
    """The content of a JSON file of the folder; FileNotFoundError tells what is there instead."""
    if (folder / name).is_file():
        return read_json(folder / name)
    alone = [file.name for file in folder.iterdir() if file.suffix in (".safetensors", ".ckpt")]
    if name == INDEX and alone:
        why = (
            f"with {alone[0]} it holds a single file of all parts, of which diffusers makes a folder: from_single_file"
        )
    else:
        why = f"it holds {_held(folder)}{_unfinished(folder)}"
    raise FileNotFoundError(f"the folder {str(folder)!r} holds no {name}: it is no whole Stable Diffusion; {why}")


def check_kind(folder: Path) -> None:
    """ValueError where the folder is whole, yet of a model that is built otherwise than Stable Diffusion 1.x."""
    index, unet, text = (config(folder, f) for f in (INDEX, "unet/config.json", "text_encoder/config.json"))
    channels, width = unet.get("in_channels", 4), text.get("hidden_size", unet.get("cross_attention_dim"))
    if "text_encoder_2" in index or "XL" in str(index.get("_class_name")):
        what = "a Stable Diffusion XL, of two text encoders (text_encoder_2)"
    elif "transformer" in index:
        what = f"a {index.get('_class_name')!s:.40}, with a transformer in the place of the U-Net"
    elif width == 1024 or unet.get("cross_attention_dim") == 1024:
        what = "a Stable Diffusion 2, whose text encoder is OpenCLIP's and 1024 wide (1.x has CLIP's, 768 wide)"
    elif channels in (8, 9):
        what = f"one for {'inpainting' if channels == 9 else 'instructions'}, whose unet reads {channels} channels"
    else:
        return
    raise ValueError(
        f"the folder {str(folder)!r} holds {what}: read here are Stable Diffusions 1.x, whose U-Net reads 4"
    )


# -- a part of it -------------------------------------------------------------------------------------------------------


def read_part(folder: Path, name: str, kind: Any) -> Any:
    """The network in folder/name, of the class `kind`, filled with its tensors."""
    import safetensors.torch

    settings, files = config(folder, f"{name}/config.json"), tensor_files(folder, name)
    told = files[0] if len(files) == 1 else folder / name
    with blamed(f"{str(told)!r} cannot be read as the {kind.__name__} of its config.json"):
        tensors: dict[str, Tensor] = {}
        for file in files:
            tensors |= safetensors.torch.load_file(file)
        return filled(partial(kind.from_diffusers, settings), tensors)


def tensor_files(folder: Path, name: str) -> list[Path]:
    """The safetensors of a part, one or several, those in half precision if there are no others; each there, and as long as it should be.

    FileNotFoundError or ValueError names what lies there instead.
    """
    part, stem = folder / name, STEMS[name]
    for variant in ("", "fp16"):
        single = part / ".".join(filter(None, (stem, variant, "safetensors")))
        index = part / ".".join(filter(None, (stem, "safetensors.index", variant, "json")))
        if single.is_file() or index.is_file():
            files = [single] if single.is_file() else _shards(index)
            for file in files:
                check_no_pointer(file)
                check_length(file)
            return files
    held = [file.name for file in part.iterdir()] if part.is_dir() else []
    if pickles := sorted(file for file in held if file.endswith(PICKLES)):
        why = f"{pickles[0]} is a pickle, which could run code, and is not read: take the .safetensors of it"
    else:
        why = f"it holds {_held(part)}{_unfinished(folder)}"
    raise FileNotFoundError(f"the folder {str(folder)!r} holds no {name}/{stem}.safetensors; {why}")


def _shards(index: Path) -> list[Path]:
    """The files that an index names: of its own folder, and no others."""
    names = read_json(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(n, str) for n in names.values()):
        raise ValueError(f"{str(index)!r} is damaged: it must name the file of each tensor in weight_map")
    files = sorted({*names.values()})
    for file in files:
        if file != Path(file).name or not file.endswith(".safetensors"):
            raise ValueError(f"{str(index)!r} names {file!r:.80}, and may name .safetensors beside it only")
    if missing := [file for file in files if not (index.parent / file).is_file()]:
        raise FileNotFoundError(
            f"{str(index.parent / missing[0])!r} is not there, one of the {len(files)} files that {index.name} names: half a download?"
        )
    return [index.parent / file for file in files]


def check_length(file: Path) -> None:
    """ValueError if a file of safetensors is shorter than its header says."""
    size = file.stat().st_size
    with open(file, "rb") as opened:
        header = int.from_bytes(opened.read(8), "little")
        if size < 8 or header > 100_000_000:
            return  # no header at all, of which its reader tells
        try:
            entries = json.loads(opened.read(header)) if header <= size - 8 else {}
            ends = [entry["data_offsets"][1] for name, entry in entries.items() if name != "__metadata__"]
            length = 8 + header + max(ends, default=0)
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
            return
    if size < length:
        raise ValueError(
            f"{str(file)!r} is damaged: it holds {size:,} of its {length:,} bytes; half a download? Fetch it again"
        )


def _held(folder: Path) -> str:
    names = sorted(file.name for file in folder.iterdir()) if folder.is_dir() else []
    return ", ".join(names[:8]) or "nothing"


def _unfinished(folder: Path) -> str:
    return ", and unfinished files: half a download" if any(folder.rglob("*.incomplete")) else ""


def side_of(sample_size: Any) -> int:
    """The side of the latents that a config.json names: a number, or height and width; 64 without any, as in Stable Diffusion 1.x."""
    sides = sample_size if isinstance(sample_size, list) else [64 if sample_size is None else sample_size]
    if not sides or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ValueError(f"sample_size must be a number, or height and width, got {sample_size!r:.80}")
    return min(sides)  # squares are drawn unless another height and width are asked for


# -- written ------------------------------------------------------------------------------------------------------------

WALK = {  # as the course samples: the last level visited is one stride above the data, the next one is the data
    "_class_name": "DDIMScheduler",
    "timestep_spacing": "trailing",
    "steps_offset": 1,  # of no effect with "trailing": diffusers' pipeline warns of any other
    "clip_sample": False,
    "set_alpha_to_one": True,
}
MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}
