"""Weights, cards and names that anybody may have written: loaded as what they were, or refused in a sentence; nothing in them is run.

Each case changes one thing of a sound pair of files. None may leave a canary, and none may cost memory for what does not fit.
"""

import copy
import hashlib
import io
import json
import math
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from campaign import Broken, case, holds, refused
from diffcourse import Denoiser, DiffusionSchedule, SimpleUNet, cli, weights
from diffcourse.models import AutoencoderKL, DigitClassifier, TextEncoder, UNet2DCondition
from diffcourse.models.clip import learned_tokenizer

ERRORS = (ValueError, TypeError, OSError)
MEMORY = 400_000_000  # bytes that a refusal may take at most


class Canary:
    """Unpickled, it leaves a file: nothing of the kind may ever lie there."""

    def __reduce__(self) -> tuple:
        return (open, ("canary", "w"))


def no_canary(folder: Path) -> None:
    """Nothing that was read has run."""
    holds(not list(folder.rglob("canary")), "something was executed")


def peak() -> int:
    """The most memory that this process ever had, in bytes; 0 on Windows, which does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@cache
def sound() -> tuple[dict[str, Any], bytes]:
    """The card and the tensors of a small denoiser."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return built(
            Denoiser(SimpleUNet(channels=8, time_dim=16, num_classes=10), DiffusionSchedule.linear(10), null=10)
        )


def built(model: nn.Module) -> tuple[dict[str, Any], bytes]:
    """Card and tensors, as `weights.save` makes them."""
    return {"model": json.loads(json.dumps(weights.describe(model)))}, safetensors.torch.save(
        {k: v.contiguous() for k, v in model.state_dict().items()}
    )


def written(card: dict[str, Any], blob: bytes, name: str = "mine") -> Path:
    """The pair as files, the card's signature put in where it has none."""
    card = {"sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)} | card
    Path(f"{name}.json").write_text(json.dumps(card), encoding="utf-8")
    Path(f"{name}.safetensors").write_bytes(blob)
    return Path(f"{name}.safetensors")


def told(folder: Path, read: Callable[[], Any], *words: str) -> None:
    """Refused in a sentence that names the file, cheaply, and nothing was run."""
    before = peak()
    refused(read, *words, error=ERRORS)
    no_canary(folder)
    holds(peak() - before < MEMORY, f"{(peak() - before) / 1e6:.0f} MB for nothing")


# -- tensors ---------------------------------------------------------------------------------------------------------------


def header(content: Any, data: bytes = bytes(64)) -> bytes:
    """A file of safetensors with this header."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text + data


def one(shape: list[int], dtype: str = "F32", offsets: tuple[int, int] = (0, 64)) -> bytes:
    return header({"null": {"dtype": dtype, "shape": shape, "data_offsets": offsets}})


def changed(change: Callable[[dict[str, Tensor]], Any]) -> Callable[[], bytes]:
    def blob() -> bytes:
        tensors = safetensors.torch.load(sound()[1])
        change(tensors)
        return safetensors.torch.save(tensors)

    return blob


def checkpoint() -> bytes:
    file = io.BytesIO()
    torch.save({"weight": Canary()}, file)
    return file.getvalue()


NAME = "network.conv_in.bias"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
SIGNED: dict[str, Callable[[], bytes]] = {  # what the card was written for
    "of two bytes": lambda: b"ab",
    "of no bytes": lambda: b"",
    "of eight bytes that promise 2**60 more": lambda: (2**60).to_bytes(8, "little"),
    "with a header that is no JSON": lambda: header(b"not at all"),
    "with a header that is a list": lambda: header([1, 2]),
    "with a header 10,000 deep": lambda: header(b"[" * 10_000 + b"]" * 10_000),
    "with offsets beyond the file": lambda: one([16], offsets=(0, 10**12)),
    "with offsets the wrong way round": lambda: one([16], offsets=(64, 0)),
    "of 2**80 numbers": lambda: one([2**40, 2**40]),
    "of a negative shape": lambda: one([-16]),
    "of a dtype that there is not": lambda: one([16], "F33"),
    "that are a pickle": lambda: pickle.dumps(Canary()),
    "that are a checkpoint of torch": checkpoint,
    "that are a pointer of Git LFS, which was signed": lambda: POINTER,
    "with a nan": changed(lambda t: t[NAME].fill_(math.nan)),
    "with an infinity": changed(lambda t: t[NAME][0].fill_(math.inf)),
    "of int8": changed(lambda t: t.update({k: v.to(torch.int8) for k, v in t.items()})),
    "of bool": changed(lambda t: t.update({NAME: t[NAME] > 0})),
    "of complex numbers": changed(lambda t: t.update({NAME: t[NAME].to(torch.complex64)})),
    "with a null of floats": changed(lambda t: t.update(null=torch.tensor(10.0))),
    "with one more": changed(lambda t: t.update(more=torch.zeros(1))),
    "with one less": changed(lambda t: t.pop(NAME)),
    "with one of another shape": changed(lambda t: t.update({NAME: torch.zeros(9)})),
    "that are none": changed(lambda t: t.clear()),
}
for name, blob in SIGNED.items():

    @case(f"tensors {name}")
    def _(folder: Path, blob: Callable[[], bytes] = blob) -> None:
        path = written(sound()[0], blob())
        told(folder, lambda: weights.load(path), "mine")


# -- files -----------------------------------------------------------------------------------------------------------------


def instead(path: Path, how: Callable[[Path], Any]) -> None:
    path.unlink()
    how(path)


def text(content: str, encoding: str = "utf-8") -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(content.encode(encoding))


def cut(path: Path, *, end: int | None = -100, more: bytes = b"") -> None:
    path.write_bytes(path.read_bytes()[:end] + more)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(bytes(content))


FILES: dict[str, tuple[str, Callable[[Path], Any], str]] = {  # which, what is done to it, a word of the answer
    "tensors cut short": (".safetensors", cut, "truncated"),
    "tensors with something behind": (".safetensors", partial(cut, end=None, more=b"more"), "bytes long"),
    "tensors with a bit flipped": (".safetensors", flip, "SHA-256"),
    "tensors that are a pointer of Git LFS": (".safetensors", lambda p: p.write_bytes(POINTER), "git lfs pull"),
    "tensors that are not there": (".safetensors", Path.unlink, "no weights"),
    "tensors that are a folder": (".safetensors", partial(instead, how=Path.mkdir), "no weights"),
    "tensors that are a link to nowhere": (
        ".safetensors",
        partial(instead, how=lambda p: p.symlink_to("x")),
        "no weights",
    ),
    "tensors that are a link to themselves": (
        ".safetensors",
        partial(instead, how=lambda p: p.symlink_to(p)),
        "no weights",
    ),
    "a card that is not there": (".json", Path.unlink, "no card"),
    "a card that is a folder": (".json", partial(instead, how=Path.mkdir), "no card"),
    "an empty card": (".json", text(""), "damaged"),
    "a card of random bytes": (".json", lambda p: p.write_bytes(bytes(range(256))), "damaged"),
    "a card in UTF-16": (".json", text('{"sha256": "é"}', "utf-16"), "UTF-8"),
    "a card in Latin-1": (".json", text('{"sha256": "é"}', "latin-1"), "UTF-8"),
    "a card cut short": (".json", cut, "damaged"),
    "a card that is a list": (".json", text("[]"), "object"),
    "a card that is null": (".json", text("null"), "object"),
    "a card that is a number": (".json", text("3"), "object"),
    "a card that is nested 10,000 deep": (".json", text('{"a":' * 10_000 + "1" + "}" * 10_000), "deep"),
    "a card with a number of 9,000 digits": (".json", text('{"bytes": ' + "9" * 9000 + "}"), "damaged"),
    "a card that is a pickle": (".json", lambda p: p.write_bytes(pickle.dumps(Canary())), "damaged"),
}
for name, (suffix, damage, word) in FILES.items():

    @case(name)
    def _(folder: Path, suffix: str = suffix, damage: Callable = damage, word: str = word) -> None:
        path = written(*sound())
        damage(folder / f"mine{suffix}")
        for read in (weights.load, weights.verify, weights.tensors):
            told(folder, partial(read, path), "mine", word)


# -- cards -----------------------------------------------------------------------------------------------------------------

GONE = object()
LINEAR = {"name": "linear", "beta_start": 1e-4, "beta_end": 0.02}
EVIL = '__import__("builtins").open("canary", "w")'
CARDS: list[tuple[str, list[Any]]] = [  # where in the card, and what stands there
    ("sha256", [None, 5, "abc", ["x"]]),
    ("bytes", [None, "1234", -1, 1e99, [1]]),
    ("metrics", ["very good", [1]]),
    ("model", [None, [], "Denoiser", {}, {"type": "shipped"}]),
    (
        "model.type",
        [GONE, None, 3, ["Denoiser"], "os", EVIL, "attention_maps", "nn.Linear", "CLIP", "LatentDiffusion", "own"],
    ),
    (
        "model.network",
        [GONE, None, [], "SimpleUNet", {"type": "own"}, {"type": "shipped", "name": "../mine", "sha256": ""}],
    ),
    (
        "model.network",
        [{"type": "shipped", "name": n, "sha256": ""} for n in ("tiny-clip", "no-such", 7, ["tiny-clip"])],
    ),
    (
        "model.network.config",
        [GONE, None, [], {"channels": 9600, "time_dim": 40_000}, {"evil": 1}, {"__class__": EVIL}],
    ),
    ("model.network.config.channels", [9600, 10**30, 0, -8, 9, "8", None, 8.5, math.nan, math.inf, [8], {"a": 8}]),
    ("model.network.config.num_classes", [10**12, -1, "10"]),
    ("model.network.config.time_dim", [10**9, 0, "16"]),
    (
        "model.schedule",
        [GONE, None, {}, [], LINEAR | {"T": 10**9}, LINEAR | {"T": "10"}, {"name": EVIL}, {"name": "_named"}],
    ),
    ("model.schedule", [{"betas": b} for b in ([], ["a"], [math.nan], [0.5, 2.0], "0.5", [[0.1]], None)]),
    ("model.predicts", [GONE, None, "gradient", ["eps"], EVIL]),
    (
        "model.null",
        [
            GONE,
            [1],
            {"shape": [10**6, 10**6], "integer": True},
            {"shape": "x", "integer": 1},
            {"shape": [-1]},
            {"a": 1},
        ],
    ),
]


def put(card: dict[str, Any], where: str, value: Any) -> dict[str, Any]:
    card = copy.deepcopy(card)
    *keys, last = where.split(".")
    place = card
    for key in keys:
        place = place[key]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return card


for where, values in CARDS:
    for value in values:
        shown = "left out" if value is GONE else f"= {value!r}"

        @case(f"a card with {where} {shown}")
        def _(folder: Path, where: str = where, value: Any = value) -> None:
            card, blob = sound()
            path = written(put(card, where, value), blob)
            told(folder, lambda: weights.load(path), "mine")


def text_encoder() -> TextEncoder:
    """A text encoder of a few words."""
    words = learned_tokenizer(["a red two"])
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ids = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.pad_token_id}
    rest = {"max_position_embeddings": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": None}
    with torch.random.fork_rng():
        return TextEncoder({"vocab_size": len(words), **sizes, **ids, **rest}, words)


def spoken(model: nn.Module) -> nn.Module:
    """The same with noise on every parameter: what starts at zero says something."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2)
    return model


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "U-Net": lambda: UNet2DCondition((8, 16), cross_attention_dim=8, heads=2, layers_per_block=1, norm_num_groups=4),
    "wide U-Net": lambda: spoken(
        UNet2DCondition((8,), cross_attention_dim=16, heads=2, layers_per_block=1, norm_num_groups=4)
    ),
    "autoencoder": lambda: AutoencoderKL(block_out_channels=(8,), layers_per_block=1, norm_num_groups=4),
    "classifier": lambda: DigitClassifier(width=8),
    "text encoder": text_encoder,
}
OTHERS = [
    ("U-Net", "layers_per_block", 10**9),
    ("U-Net", "block_out_channels", [8] * 30_000),
    ("U-Net", "block_out_channels", 8),
    ("U-Net", "cross_attention_dim", 10**9),
    ("U-Net", "heads", [0, 0]),
    ("autoencoder", "layers_per_block", 10**9),
    ("autoencoder", "latent_channels", 10**7),
    ("autoencoder", "scaling_factor", math.nan),
    ("classifier", "width", 96_000),
    ("text encoder", "model.num_hidden_layers", 10**9),
    ("text encoder", "model.vocab_size", 10**10),
    ("text encoder", "model.max_position_embeddings", 10**10),
    ("text encoder", "model.hidden_act", EVIL),
    ("text encoder", "model.attn_implementation", "somebody/kernel"),
    ("text encoder", "model.auto_map", {"AutoModel": "evil.Model"}),
    ("text encoder", "tokenizer.vocab", "/etc/passwd"),
    ("text encoder", "tokenizer.merges", [["a"]]),
    ("text encoder", "tokenizer.added", [{"id": 3, "content": "red</w>"}]),
    ("text encoder", "tokenizer.tokenizer_file", "/etc/passwd"),
]
for kind, where, value in OTHERS:

    @case(f"a card of {kind} with {where} = {value if len(repr(value)) < 50 else 'a long list'!r}")
    def _(folder: Path, kind: str = kind, where: str = where, value: Any = value) -> None:
        card, blob = built(NETWORKS[kind]())
        Path("evil.py").write_text("open('canary', 'w')", encoding="utf-8")
        path = written(put(card, f"model.config.{where}", value), blob)
        told(folder, lambda: weights.load(path), "mine")


@case("a card of a denoiser in a denoiser, 300 times")
def _(folder: Path) -> None:
    card, blob = sound()
    for _ in range(300):
        card = put(card, "model.network", copy.copy(card["model"]))
    told(folder, lambda: weights.load(written(card, blob)), "mine")


# -- what ships ------------------------------------------------------------------------------------------------------------


def shipped(folder: Path, **cards: Any) -> Callable[[], None]:
    """These cards ship, with the sound tensors; the way back is returned."""
    card, blob = sound()
    before, weights.SHIPPED = weights.SHIPPED, folder
    for name, change in cards.items():
        written(change(card, hashlib.sha256(blob).hexdigest()), blob, name)
    return lambda: setattr(weights, "SHIPPED", before)


def refers(name: str, where: str = "model.network") -> Callable[[dict, str], dict]:
    return lambda card, sha: put(card, where, {"type": "shipped", "name": name, "sha256": sha})


@case("a shipped card that is damaged: the others are still listed, and it is named")
def _(folder: Path) -> None:
    back = shipped(folder, good=lambda card, sha: card, bad=lambda card, sha: card)
    try:
        text("{")(folder / "bad.json")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            holds(list(weights.available()) == ["good"], "the sound ones are not listed")
        holds(any("bad.json" in str(w.message) for w in caught), "the damaged one is not named")
        holds(isinstance(weights.load("good"), Denoiser), "the sound one is not loaded")
        told(folder, lambda: weights.load("bad"), "bad.json")
        holds(cli.main(["weights"]) == 1, "the command line does not say so")
    finally:
        back()


for name, cards in {
    "itself": {"a": refers("a")},
    "itself as a whole": {"a": refers("a", "model")},
    "one that refers to it": {"a": refers("b"), "b": refers("a")},
}.items():

    @case(f"a shipped card that refers to {name}")
    def _(folder: Path, cards: dict = cards) -> None:
        back = shipped(folder, **cards)
        try:
            told(folder, lambda: weights.load("a"), "'a'")
        finally:
            back()


# -- names -----------------------------------------------------------------------------------------------------------------

NAMES = [
    "",
    " ",
    None,
    3,
    1.5,
    b"mnist-ddpm",
    ["mnist-ddpm"],
    True,
    "mnist-dppm",
    "MNIST-DDPM",
    "../mnist-ddpm",
    "/",
    "~",
    ".",
    "..",
]
NAMES += [
    "~nobody-of-this-name/x",
    "a\0b",
    "x" * 5000,
    "https://host/x.safetensors",
    "openai/clip",
    Path(""),
    Path("mnist-ddpm"),
    "\ud800",
]
for value in NAMES:

    @case(f"weights of the name {value!r:.60}")
    def _(folder: Path, value: Any = value) -> None:
        for read in (weights.load, weights.verify, weights.tensors):
            told(folder, partial(read, value))


@case("a file of one's own that has a shipped name: each is found by its own rule, and cannot be saved over the name")
def _(folder: Path) -> None:
    mine = DigitClassifier(width=8)
    for write in (lambda: weights.save("mnist-ddpm", mine), lambda: weights.save_tensors("mnist-ddpm", {}, {})):
        told(folder, write, "mnist-ddpm", "shipped")
    path = weights.save("./mnist-ddpm", mine)
    for own in (path, "./mnist-ddpm", "mnist-ddpm.safetensors", Path("mnist-ddpm"), str(folder / "mnist-ddpm")):
        holds(isinstance(weights.load(own), DigitClassifier), f"{own!r} is not mine")
    holds(isinstance(weights.load("mnist-ddpm"), Denoiser), "the shipped one is hidden")


@case("~ is the home folder, for what is written and what is read")
def _(folder: Path) -> None:
    os.environ["HOME"] = os.environ["USERPROFILE"] = str(folder)
    weights.save("~/runs/mine", DigitClassifier(width=8))
    holds((folder / "runs" / "mine.json").exists() and not Path("~").exists(), "it is not in the home folder")
    for own in ("~/runs/mine", Path("~/runs/mine.safetensors"), "runs/mine.json"):
        weights.verify(own)


# -- what is right in spite of its looks -------------------------------------------------------------------------------------

ODD: dict[str, Callable[[Path], Path]] = {
    "a card with a byte-order mark": lambda p: p.with_suffix(".json").write_bytes(
        b"\xef\xbb\xbf" + p.with_suffix(".json").read_bytes()
    ),
    "a card with fields that nobody knows": lambda p: written(sound()[0] | {"né": "☃"}, sound()[1]),
    "tensors in half precision": lambda p: written(sound()[0], changed(lambda t: t.update(half(t, torch.float16)))()),
    "tensors in bfloat16": lambda p: written(sound()[0], changed(lambda t: t.update(half(t, torch.bfloat16)))()),
    "tensors in double precision": lambda p: written(sound()[0], changed(lambda t: t.update(half(t, torch.float64)))()),
}


def half(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {k: v.to(dtype) for k, v in tensors.items() if v.is_floating_point()}


for name, change in ODD.items():

    @case(f"{name} is right")
    def _(folder: Path, change: Callable = change) -> None:
        path = written(*sound())
        change(path)
        model = weights.load(path)
        holds(next(model.parameters()).dtype == torch.float32 and int(model.null) == 10, "it is not what was saved")


@case("saving of a compiled network: it says what to save", slow=True)
def _(folder: Path) -> None:
    told(folder, lambda: weights.save("mine", torch.compile(broken(0.0))), "_orig_mod")


# -- saving ----------------------------------------------------------------------------------------------------------------


def broken(value: float) -> nn.Module:
    model = DigitClassifier(width=8)
    nn.init.constant_(model.head.bias, value)
    return model


DEEP: Any = []
for _ in range(100_000):
    DEEP = [DEEP]
CIRCLE: dict[str, Any] = {}
CIRCLE["again"] = CIRCLE
SAVED: dict[str, Callable[[], Any]] = {
    "of a network with a nan": lambda: weights.save("mine", broken(math.nan)),
    "of a network with an infinity": lambda: weights.save("mine", broken(math.inf)),
    "of numbers that float16 cannot hold": lambda: weights.save("mine", broken(1e6), half=True),
    "of bare tensors with a nan": lambda: weights.save_tensors("mine", {"a": torch.tensor(math.nan)}, {}),
    "of a network without memory": lambda: weights.save("mine", broken(0.0).to("meta")),
    "of a state_dict": lambda: weights.save("mine", broken(0.0).state_dict()),
    "of nothing": lambda: weights.save("mine", None),
    "of a list of tensors": lambda: weights.save_tensors("mine", [torch.zeros(1)], {}),
    "of numbers in place of tensors": lambda: weights.save_tensors("mine", {"a": 1.0}, {}),
    "of a parallel network": lambda: weights.save("mine", nn.DataParallel(broken(0.0))),
    "with path and model exchanged": lambda: weights.save(broken(0.0), "mine"),
    "under no name": lambda: weights.save("", broken(0.0)),
    "with a card that is text": lambda: weights.save("mine", broken(0.0), "my first"),
    "with a card that holds a tensor": lambda: weights.save("mine", broken(0.0), {"a": torch.zeros(1)}),
    "with a card that holds half a letter": lambda: weights.save("mine", broken(0.0), {"a": "\ud800"}),
    "with a card that holds itself": lambda: weights.save("mine", broken(0.0), CIRCLE),
    "with a card 100,000 deep": lambda: weights.save("mine", broken(0.0), {"a": DEEP}),
    "with a part that is no shipped weight": lambda: weights.save("mine", broken(0.0), parts={"text": "tiny-clip"}),
    "where the card is a folder": lambda: weights.save("sub/other", broken(0.0)),
}
for name, write in SAVED.items():

    @case(f"saving {name}: nothing is written, and what was there stays")
    def _(folder: Path, write: Callable = write) -> None:
        path = written(*sound())
        Path("sub/other.json").mkdir(parents=True)
        told(folder, write)
        weights.verify(path)
        if left := [p.name for p in folder.rglob("*") if p.is_file() and p.stem != "mine"]:
            raise Broken(f"left behind: {left}")
