"""Trained weights: saved, checked and loaded as ready objects.

Each is two files, `NAME.safetensors` and its card `NAME.json`: what the object is, the recipe and command that made it, its data, measured
metrics and the SHA-256 of the tensors, which is verified on loading. No pickle anywhere.
"""

import hashlib
import importlib
import json
import warnings
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from diffcourse.files import as_json, atomic_write, user_path
from diffcourse.shipped import is_name
from diffcourse.stored import blamed, check_finite, check_no_pointer, check_plain, filled, own_path, read_json, reason

SHIPPED = Path(__file__).parent
# What is saved, by the names that cards hold: no class is known here. These describe and build themselves (`spec`, `from_spec`); all
# others are networks, made of their `config`.
HOMES = {
    "Denoiser": "diffcourse.denoiser",
    "LatentDiffusion": "diffcourse.latent",
    "StableDiffusion": "diffcourse.stable_diffusion",
    "GAN": "diffcourse.models",
}
NETWORKS = "diffcourse.models"
FIELDS = {
    "sha256": str,
    "bytes": int,
    "model": dict,
    "metrics": dict,
}  # of a card, where it has them; the first two it must have
WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}


def names() -> list[str]:
    """The names of the shipped weights, whether they are sound or not."""
    return sorted(path.stem for path in SHIPPED.glob("*.json"))


def available() -> dict[str, dict[str, Any]]:
    """The shipped weights: {name: card}. A card that is damaged is left out, with a warning that names its file."""
    cards = {}
    for name in names():
        try:
            cards[name] = _card(SHIPPED / f"{name}.json")
        except (OSError, ValueError) as error:
            warnings.warn(f"shipped weights {name!r} cannot be used: {error}", stacklevel=2)
    return cards


def save(
    path: str | Path,
    model: nn.Module,
    card: Mapping[str, Any] | None = None,
    *,
    half: bool = False,
    parts: Mapping[str, str] | None = None,
) -> Path:
    """Write `model` to `path`.safetensors and its card beside it, as a whole or not at all; returns the path of the tensors.

    path: ~ is the home folder. The bare name of shipped weights is refused, for `load` would bring those: "./mnist-ddpm" is yours.
    model: a `Denoiser`, a `LatentDiffusion`, any network of `diffcourse.models`, or one of your own, which can be a Denoiser's too:
    of yours its tensors are kept and the name of its class, no code, so `load(path, into=…)` wants a new one of it. card: what a reader
    should know (recipe, command, data, metrics), JSON values. half=True stores floats as float16; measure the metrics after loading
    them again. parts: of a LatentDiffusion, {"autoencoder": "captioned-vae", …}: these are shipped weights, not stored again; the card
    holds their SHA-256. ValueError where a number is not finite: it would spoil whatever reads it.
    """
    spec, card = describe(model), {} if card is None else card
    if not isinstance(card, Mapping):
        raise TypeError(f"card must be a dict of JSON values, got {type(card).__name__}")
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
    state = {k: v for k, v in model.state_dict().items() if not k.startswith(tuple(_parts(spec, "shipped")))}
    if lost := [k for k, v in state.items() if not isinstance(v, Tensor) and k.startswith(tuple(_parts(spec, "own")))]:
        raise TypeError(f"model holds {lost[0]}, which is no tensor: it would be lost")
    state = {k: v for k, v in state.items() if isinstance(v, Tensor)}  # what else ours hold is in the spec
    state = {k: v.half() if half and v.is_floating_point() else v for k, v in state.items()}
    return save_tensors(path, state, {**card, "model": spec})


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], card: Mapping[str, Any]) -> Path:
    """Write bare tensors and their card, as `save` does a model's: for statistics and other results that are no model.

    `weights.tensors(path)` reads them. ValueError where a number is not finite, and for the bare name of shipped weights as path.
    """
    import safetensors.torch

    tensors_path, card_path = _paths(own_path(path))
    if not isinstance(tensors, Mapping) or not all(isinstance(v, Tensor) for v in tensors.values()):
        raise TypeError(f"tensors must be a dict of tensors, got {type(tensors).__name__}")
    with blamed(f"cannot write {str(tensors_path)!r}"):
        check_finite(tensors)
        blob = safetensors.torch.save({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()})
    try:
        full = as_json({**card, "sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)})
    except (TypeError, ValueError, RecursionError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"card must be a dict of JSON values: {reason(error)}") from error
    for file_path in (tensors_path, card_path):
        if file_path.is_dir():
            raise IsADirectoryError(f"cannot write {str(file_path)!r}: there is a folder of that name")
    with (
        atomic_write(tensors_path) as file,
        atomic_write(card_path) as card_file,
    ):  # both are on the disk before one is replaced
        file.write(blob)
        file.flush()
        card_file.write(full)
    return tensors_path


def load(name_or_path: str | Path, device: str | torch.device | None = None, *, into: Any = None) -> Any:
    """The ready object in eval mode, float32: a `Denoiser` with network, schedule, predicts and null, a `LatentDiffusion`, a classifier, …

    name_or_path: a shipped name (`weights.available()`), or the path of a .safetensors file with its card beside it. A string that is a
    shipped name always means what ships; "./mnist-ddpm", "mnist-ddpm.safetensors" or a `Path` is a file of that name.
    into: where the file holds a network of your own class, a new one of it, made with the same arguments: it is filled and returned, in
    the saved `Denoiser` if it was a Denoiser's network. Or a whole model, equal to the saved one in all but its numbers.
    ValueError or an OSError in one sentence that names the file, whatever it holds: no code of it is run, no memory spent on a misfit.
    """
    card, blob = _read(name_or_path)
    if "model" not in card:
        raise ValueError(f"{str(name_or_path)!r} holds tensors, not a model: read them with weights.tensors")
    spec = card["model"]
    with blamed(f"weights {str(name_or_path)!r} cannot be used"):
        state = _parsed(blob)
        if into is None:
            for own in _parts(spec, "own").values():
                raise ValueError(f"{own['class']} is a class of your own: make one, and load(…, into=it) fills it")
            model = filled(partial(build, spec, shipped=cache(_shipped)), state, tuple(_parts(spec, "shipped")))
        else:
            model = _fill(into, spec, state)
    here = next((p.device for p in into.parameters()), "cpu") if into is not None else "cpu"
    return model.to(device or here).eval()


def verify(name_or_path: str | Path) -> dict[str, Any]:
    """The card, after checking that the tensors are the ones it was written for; ValueError or an OSError otherwise."""
    return _read(name_or_path)[0]


def describe(model: nn.Module) -> dict[str, Any]:
    """What `build` needs to make an empty twin of the model; JSON values only. Of a class that is not ours, its name."""
    kind = type(model).__name__
    if not isinstance(model, nn.Module):
        raise TypeError(
            f"model must be a {', a '.join(HOMES)} or another torch module, got {kind}; bare tensors: weights.save_tensors"
        )
    if kind in WRAPPERS and hasattr(model, WRAPPERS[kind]):
        raise TypeError(f"model must be what is inside its {kind}: its .{WRAPPERS[kind]}")
    spec: Any = getattr(model, "spec", None)
    if callable(spec) and hasattr(model, "from_spec"):
        described = spec(describe)
        if described["type"] != kind:
            raise TypeError(
                f"model must be a {described['type']} itself: a {kind} would come back as one. Save its parts"
            )
        return described
    if getattr(importlib.import_module(NETWORKS), kind, None) is type(model) and hasattr(model, "config"):
        check_plain(model)
        return {"type": kind, "config": model.config}
    return {"type": "own", "class": kind}


def build(
    spec: Mapping[str, Any],
    *,
    own: nn.Module | None = None,
    shipped: Callable[[str, str], nn.Module] | None = None,
) -> nn.Module:
    """The model that `describe` described, with fresh parameters. The global random state is left alone.

    own: takes the place of a network whose class is not ours. shipped: (name, sha256) -> the part that ships.
    """
    kind, again = spec["type"], partial(build, own=own, shipped=shipped)
    if kind == "own" and own is not None:
        return own
    if kind == "shipped":
        with torch.device("cpu"):
            return (shipped or _shipped)(spec["name"], spec["sha256"])
    if kind in HOMES:
        return getattr(importlib.import_module(HOMES[kind]), kind).from_spec(spec, again)
    networks = importlib.import_module(NETWORKS)
    network = getattr(networks, kind) if kind in networks.__all__ else None
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise ValueError(f"the card names a model {kind!r} that this version of diffcourse does not know")
    with torch.random.fork_rng(devices=[]):
        return network(**spec["config"])


def tensors(name_or_path: str | Path) -> dict[str, Tensor]:
    """The bare tensors of a weights file, after the same checks: what `save_tensors` wrote, or a model's."""
    blob = _read(name_or_path)[1]
    with blamed(f"weights {str(name_or_path)!r} cannot be used"):
        state = _parsed(blob)
        check_finite(state)
    return state


# -- what a card says ---------------------------------------------------------------------------------------------------


def _shipped(name: str, sha256: str) -> nn.Module:
    if name not in names():
        raise ValueError(f"the card refers to shipped weights {name!r:.80}; there are none of that name")
    card, blob = _read(name)
    if card["sha256"] != sha256:
        raise ValueError(f"the card needs another version of {name!r} than the one that ships: train it again")
    return filled(partial(build, card["model"], shipped=_in_turn), _parsed(blob)).eval()


def _in_turn(name: str, sha256: str) -> nn.Module:
    raise ValueError(f"shipped weights that others refer to cannot refer to others themselves, such as {name!r:.80}")


def _fill(into: nn.Module, spec: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    """`into`, or the model that the card describes with `into` as its network, holding the tensors; or it is left as it was."""
    ours = json.loads(as_json(describe(into)))
    owns = [part["class"] for part in _parts(spec, "own").values()]
    if ours == spec:
        model = into
    elif owns == [type(into).__name__]:
        model = build(spec, own=into)
    else:
        saved, kind = spec["type"] if spec["type"] != "own" else owns[0], type(into).__name__
        keys = [key for key in sorted(spec.keys() | ours.keys()) if spec.get(key) != ours.get(key)]
        wanted = " or ".join(dict.fromkeys([saved, *owns]))
        told = f"one that differs in {', '.join(keys)}" if kind == saved else f"a {kind}"
        raise ValueError(f"into must be a new {wanted} like the one that was saved, got {told}")
    there = tuple(_parts(spec, "shipped"))
    places = {k: v for k, v in model.state_dict().items() if isinstance(v, Tensor) and not k.startswith(there)}
    for name in sorted(places.keys() | state.keys()):
        shapes = [f"{tuple(held[name].shape)}" if name in held else "none" for held in (state, places)]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"into does not fit: {name} is {shapes[0]} in the file and {shapes[1]} in {type(into).__name__}"
            )
    check_finite(state)
    model.load_state_dict(state, strict=False)
    return model


def _parts(spec: Mapping[str, Any], kind: str, at: str = "") -> dict[str, Mapping[str, Any]]:
    """{how the names of its tensors begin: part} for all parts of this kind: "shipped" stands in another file, "own" is not our class."""
    if spec.get("type") == kind:
        return {at: spec}
    inner = [(f"{at}{name}.", part) for name, part in spec.items() if isinstance(part, Mapping)]
    return {k: v for start, part in inner for k, v in _parts(part, kind, start).items()}


# -- files --------------------------------------------------------------------------------------------------------------


def _paths(path: Path) -> tuple[Path, Path]:
    stem = path.with_suffix("") if path.suffix in (".safetensors", ".json") else path
    return stem.with_name(stem.name + ".safetensors"), stem.with_name(stem.name + ".json")


def _card(path: Path) -> dict[str, Any]:
    card = read_json(path)
    for field, kind in FIELDS.items():
        if field not in card and field in ("sha256", "bytes"):
            raise ValueError(f"{str(path)!r} is damaged: it lacks {field!r}")
        if not isinstance(card.get(field, kind()), kind):
            raise ValueError(f"{str(path)!r} is damaged: {field!r} must be a {kind.__name__}, got {card[field]!r:.80}")
    return card


def _read(name_or_path: str | Path) -> tuple[dict[str, Any], bytes]:
    path = user_path(name_or_path)
    tensors_path, card_path = _paths(SHIPPED / path if is_name(name_or_path) else path)
    name = str(name_or_path)
    with blamed(f"weights {name!r} cannot be read"):
        if not tensors_path.is_file():
            told = f"{name!r} is a folder: LatentDiffusion.from_pretrained reads those" if path.is_dir() else ""
            told = told or f"neither a file {tensors_path.name!r} there nor one of the shipped {', '.join(names())}"
            raise FileNotFoundError(f"no weights {name!r}: {told}")
        if not card_path.is_file():
            raise FileNotFoundError(f"no card {card_path.name!r} lies beside them: it says what the tensors are")
        card = _card(card_path)
        check_no_pointer(tensors_path)
        if (size := tensors_path.stat().st_size) != card["bytes"]:
            raise ValueError(
                f"they are {size} bytes long, their card says {card['bytes']}: the file is truncated or not the card's"
            )
        blob = tensors_path.read_bytes()
        if hashlib.sha256(blob).hexdigest() != card["sha256"]:
            raise ValueError("they do not match the SHA-256 on their card: the file was changed or damaged")
    return card, blob


def _parsed(blob: bytes) -> dict[str, Tensor]:
    import safetensors.torch

    return {
        k: v.float() if v.is_floating_point() and v.element_size() < 4 else v
        for k, v in safetensors.torch.load(blob).items()
    }
