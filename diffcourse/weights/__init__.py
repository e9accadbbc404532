"""Trained weights: saved, checked and loaded as ready objects.

Each is two files, `NAME.safetensors` and its card `NAME.json`: what the object is, the recipe and command that made it, its data, measured
metrics and the SHA-256 of the tensors, which is verified on loading. No pickle anywhere.
"""

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.files import atomic_write, write_json

SHIPPED = Path(__file__).parent
# What is saved, by the names that cards hold: no class is known here. These describe and build themselves (`spec`, `from_spec`); all
# others are networks, made of their `config`.
HOMES = {"Denoiser": "diffcourse.denoiser", "LatentDiffusion": "diffcourse.latent"}
NETWORKS = "diffcourse.models"


def available() -> dict[str, dict[str, Any]]:
    """The shipped weights: {name: card}."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SHIPPED.glob("*.json"))}


def save(
    path: str | Path,
    model: nn.Module,
    card: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
    parts: Mapping[str, str] | None = None,
) -> Path:
    """Write `model` to `path`.safetensors and its card beside it, as a whole or not at all; returns the path of the tensors.

    model: a `Denoiser`, a `LatentDiffusion`, or any network of `diffcourse.models`. card: what a reader should know (recipe, command,
    data, metrics), JSON values. half=True stores floats as float16; measure the metrics after loading them again. parts: of a
    LatentDiffusion, {"autoencoder": "captioned-vae", …}: these are shipped weights, not stored again; the card holds their SHA-256.
    """
    spec = describe(model)
    for part, name in (parts or {}).items():
        if part not in getattr(model, "SHARED", ()):
            raise ValueError(f"parts: a {spec['type']} has no {part!r} that may be stored elsewhere")
        spec[part] = {"type": "shipped", "name": name, "sha256": verify(name)["sha256"]}
        shipped = build(spec[part])
        ours, theirs = (
            m.state_dict() for m in (getattr(model, part), getattr(shipped, part, shipped))
        )  # a CLIP's text
        if ours.keys() != theirs.keys() or any(not torch.equal(ours[k].cpu(), theirs[k]) for k in ours):
            raise ValueError(f"parts: the {part} of model is not {name!r}")
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(_elsewhere(spec))}
    state = {k: v.half() if half and v.is_floating_point() else v for k, v in state.items()}
    return save_tensors(path, state, {**(card or {}), "model": spec})


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> Path:
    """Write bare tensors and their card, as `save` does a model's: for statistics and other results that are no model."""
    import safetensors.torch

    tensors_path, card_path = _paths(path)
    blob = safetensors.torch.save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()})
    full = {**card, "sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)}
    json.dumps(full)  # fails before anything is written
    with atomic_write(tensors_path) as file:
        file.write(blob)
    write_json(card_path, full)
    return tensors_path


def load(name_or_path: str | Path, device: str | torch.device | None = None) -> Any:
    """The ready object in eval mode, float32: a `Denoiser` with network, schedule, predicts and null, a `LatentDiffusion`, a classifier, …

    name_or_path: a shipped name (`weights.available()`), or the path of a .safetensors file with its card beside it.
    """
    card, blob = _read(name_or_path)
    import safetensors.torch

    if "model" not in card:
        raise ValueError(f"{str(name_or_path)!r} holds tensors, not a model: read them with weights.tensors")
    model = build(card["model"])
    state = {k: v.float() if v.is_floating_point() else v for k, v in safetensors.torch.load(blob).items()}
    shipped = {k: v for k, v in model.state_dict().items() if k.startswith(_elsewhere(card["model"]))}
    try:
        model.load_state_dict(shipped | state)
    except RuntimeError as error:
        raise ValueError(f"{str(name_or_path)!r} does not fit the model that its card describes: {error}") from error
    return model.to(device or "cpu").eval()


def find(name: str) -> Any:
    """`load(name)` if weights of that name ship, else None."""
    return load(name) if name in available() else None


def verify(name_or_path: str | Path) -> dict[str, Any]:
    """The card, after checking that the tensors are the ones it was written for; ValueError or FileNotFoundError otherwise."""
    return _read(name_or_path)[0]


def describe(model: nn.Module) -> dict[str, Any]:
    """What `build` needs to make an empty twin of the model; JSON values only."""
    spec: Any = getattr(model, "spec", None)
    if spec is not None:
        return spec(describe)
    kind = type(model).__name__
    if getattr(importlib.import_module(NETWORKS), kind, None) is not type(model) or not hasattr(model, "config"):
        raise TypeError(f"model must be a {', a '.join(HOMES)} or a network of {NETWORKS}, got {kind}")
    return {"type": kind, "config": model.config}


def build(spec: Mapping[str, Any]) -> nn.Module:
    """The model that `describe` described, with fresh parameters. The global random state is left alone."""
    kind = spec.get("type", "")
    if kind == "shipped":
        if verify(spec["name"])["sha256"] != spec["sha256"]:
            raise ValueError(
                f"the card needs another version of {spec['name']!r} than the one that ships: train it again"
            )
        return load(spec["name"])
    if kind in HOMES:
        return getattr(importlib.import_module(HOMES[kind]), kind).from_spec(spec, build)
    networks = importlib.import_module(NETWORKS)
    if kind not in networks.__all__:
        raise ValueError(f"the card names a model {kind!r} that this version of diffcourse does not know")
    with torch.random.fork_rng(devices=[]):
        return getattr(networks, kind)(**spec["config"])


def _elsewhere(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """How the names of tensors begin that this file does not hold, because other shipped weights do."""
    parts = ((name, part) for name, part in spec.items() if isinstance(part, Mapping))
    return tuple(f"{name}." for name, part in parts if part.get("type") == "shipped")


def tensors(name_or_path: str | Path) -> dict[str, Tensor]:
    """The bare tensors of a weights file, after the same checks: what `save_tensors` wrote, or a model's."""
    import safetensors.torch

    return safetensors.torch.load(_read(name_or_path)[1])


def _paths(path: str | Path) -> tuple[Path, Path]:
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")


def _read(name_or_path: str | Path) -> tuple[dict[str, Any], bytes]:
    name = str(name_or_path)
    shipped = [p.stem for p in SHIPPED.glob("*.json")]
    tensors_path, card_path = _paths(SHIPPED / name if name in shipped else name_or_path)
    if not tensors_path.is_file():
        raise FileNotFoundError(
            f"no weights {name!r}: neither a file {tensors_path.name!r} there nor one of the shipped {', '.join(sorted(shipped))}"
        )
    if not card_path.is_file():
        raise FileNotFoundError(
            f"weights {name!r} have no card {card_path.name!r} beside them: it says what the tensors are"
        )
    try:
        card = json.loads(card_path.read_text(encoding="utf-8"))
        want, size = card["sha256"], card["bytes"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"the card {card_path.name!r} is damaged ({error})") from error
    blob = tensors_path.read_bytes()
    if len(blob) != size:
        raise ValueError(
            f"weights {name!r} are {len(blob)} bytes long, their card says {size}: the file is truncated or not the card's"
        )
    if hashlib.sha256(blob).hexdigest() != want:
        raise ValueError(f"weights {name!r} do not match the SHA-256 on their card: the file was changed or damaged")
    return card, blob
