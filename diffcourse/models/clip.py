"""CLIP's text encoder: prompts in, one vector a token out, which cross-attention reads (Radford et al. 2021; Rombach et al. 2022)."""

import gzip
import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

SMALL = 4096  # tokens; vocabularies below it come from a few captions, and hold each of their words whole


class Token(NamedTuple):
    """One entry of the vocabulary: its text, in which `</w>` ends a word, and its number."""

    text: str
    id: int


class TextEncoder(nn.Module):
    """Prompts -> (B, L, D): tokenized, padded or cut to L tokens, and encoded by the text half of a CLIP; frozen, in eval mode.

    The last hidden states after the final layer norm, as Stable Diffusion 1.x reads them: L = 77 and D = 768 there. Padding takes part, as
    it did in training; attention is causal, so it changes no word. `encoder([""])[0]`, (L, D), is the null condition of a `Denoiser`.

    model: a CLIPModel, CLIPTextModel or CLIPTextModelWithProjection of transformers, tokenizer: its CLIPTokenizer; or the two dicts of
    `config`, which describe them.
    """

    def __init__(self, model: Any, tokenizer: Any):
        super().__init__()
        model = _fresh_model(model) if isinstance(model, Mapping) else model
        self.tokenizer = _tokenizer(tokenizer) if isinstance(tokenizer, Mapping) else tokenizer
        self.text_model = getattr(model, "text_model", model)
        self.text_projection = getattr(model, "text_projection", None)
        settings = getattr(self.text_model, "config", None)
        if getattr(settings, "model_type", None) != "clip_text_model":
            raise TypeError(f"model must be a CLIPModel or CLIPTextModel of transformers, got {type(model).__name__}")
        if len(self.tokenizer) > settings.vocab_size:
            raise ValueError(
                f"tokenizer has {len(self.tokenizer)} tokens, but model has embeddings for {settings.vocab_size}: "
                "they do not belong together"
            )
        self.length, self.dim = settings.max_position_embeddings, settings.hidden_size
        self.requires_grad_(False).eval()

    @classmethod
    def from_pretrained(
        cls, name_or_folder: str | Path = "openai/clip-vit-large-patch14", device: str | torch.device | None = None
    ) -> "TextEncoder":
        """The text encoder of a CLIP on the Hugging Face hub, or of a folder: a CLIPModel or CLIPTextModel with its tokenizer beside it.

        The folder of a whole Stable Diffusion, with text_encoder and tokenizer in it, will do too. A name is looked up in the local cache
        first and downloaded if it is not there. float32, safetensors only.
        """
        model, tokenizer = _locate(name_or_folder)
        from transformers import CLIPConfig, CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        with _quiet(), _explained(name_or_folder):
            described, _ = CLIPTextConfig.get_config_dict(model)
            kind = described.get("model_type") or described.get("_class_name")
            if kind == "clip":  # both halves: of the image's, nothing is loaded
                whole = CLIPConfig.from_dict(described)
                config, network = whole.text_config, CLIPTextModelWithProjection
                config.projection_dim = whole.projection_dim
            elif kind == "clip_text_model":
                config, network = CLIPTextConfig.from_dict(described), CLIPTextModel
                if network.__name__ not in described.get("architectures", [network.__name__]):
                    network = CLIPTextModelWithProjection
            else:
                raise ValueError(f"{str(name_or_folder)!r} holds a model of type {kind!r}, not a CLIP")
            options = {"config": config, "dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
            network, report = network.from_pretrained(model, **options)
            if report["missing_keys"]:
                lost = ", ".join(sorted(report["missing_keys"]))
                raise ValueError(f"the weights in {str(name_or_folder)!r} lack {lost}")
            words = CLIPTokenizer.from_pretrained(tokenizer)
        return cls(network, words).to(device or "cpu")

    @property
    def config(self) -> dict[str, Any]:
        """What makes an empty twin, `TextEncoder(**config)`; JSON values, the whole vocabulary among them."""
        settings = {name: getattr(self.text_model.config, name) for name in SETTINGS}
        projection = None if self.text_projection is None else self.text_projection.out_features
        return {"model": {**settings, "projection_dim": projection}, "tokenizer": _describe(self.tokenizer)}

    def forward(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, L, D), the embeddings of B prompts; a single string is one prompt."""
        return self._encode(prompts)[0]

    def pooled(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, P): one vector a prompt in the space that texts share with images, the projected state of its end token; not normalised."""
        if self.text_projection is None:
            raise ValueError("pooled needs the projection of a CLIPModel; this encoder is a CLIPTextModel alone")
        states, lengths = self._encode(prompts)
        return self.text_projection(states[torch.arange(len(states), device=states.device), lengths - 1])

    def ids(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, L) token numbers, padded: what the network sees."""
        return self._numbers(prompts)[0]

    def tokens(self, prompt: str) -> list[Token]:
        """The tokens of a prompt from start to end, without padding: token l is word l of `AttentionMaps.words`."""
        (encoding,) = self.tokenizer(_listed(prompt), verbose=False).encodings
        ids = _cut(encoding.ids, self.length, self.tokenizer.eos_token_id)
        return [Token(*pair) for pair in zip(self.tokenizer.convert_ids_to_tokens(ids), ids, strict=True)]

    def _encode(self, prompts: str | Sequence[str]) -> tuple[Tensor, Tensor]:
        ids, lengths = (v.to(self.text_model.final_layer_norm.weight.device) for v in self._numbers(prompts))
        return self.text_model(input_ids=ids).last_hidden_state, lengths

    def _numbers(self, prompts: str | Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, L) ids and the number of them, (B,), that are no padding; warns of what is cut off or not known."""
        prompts = _listed(prompts)
        encodings = self.tokenizer(prompts, verbose=False).encodings
        self._warn(prompts, encodings)
        rows = [_cut(e.ids, self.length, self.tokenizer.eos_token_id) for e in encodings]
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([row + [pad] * (self.length - len(row)) for row in rows])
        return ids, torch.tensor([len(row) for row in rows])

    def _warn(self, prompts: Sequence[str], encodings: Sequence[Any]) -> None:
        unknown: dict[str, None] = {}
        for prompt, encoding in zip(prompts, encodings, strict=True):
            unknown |= dict.fromkeys(self._unknown(prompt, encoding))
            cut = len(encoding.ids) - self.length
            if cut > 0:
                rest = prompt[encoding.offsets[self.length - 1][0] :]
                rest = rest if len(rest) <= 40 else rest[:40] + "…"
                _tell(
                    f"a prompt of {len(encoding.ids)} tokens is longer than the {self.length} that this CLIP reads: "
                    f"the last {cut} were cut, from {rest!r} on"
                )
        if unknown:
            _tell(
                f"unknown words: {', '.join(map(repr, unknown))}. They are not among the {len(self.tokenizer)} tokens of this CLIP, "
                "which spells them in fragments that may tell it nothing"
            )

    def _unknown(self, prompt: str, encoding: Any) -> Iterator[str]:
        """Words that the vocabulary has to spell.

        A large vocabulary builds rare words from pieces that it knows from others ("wol-pert-inger"): such a word is unknown if its pieces
        have less than 1.5 letters on average. A small one holds whole each word of the captions that made it: others are unknown.
        """
        pieces: dict[int, list[int]] = {}
        for word, number in zip(encoding.word_ids, encoding.ids, strict=True):
            if word is not None:
                pieces.setdefault(word, []).append(number)
        for word, numbers in pieces.items():
            start, end = encoding.word_to_chars(word)
            text = prompt[start:end]
            spelled = len(self.tokenizer) < SMALL or len(text) < 1.5 * len(numbers)
            if (len(numbers) > 1 and spelled and any(map(str.isalpha, text))) or self.tokenizer.unk_token_id in numbers:
                yield text


def _listed(prompts: str | Sequence[str]) -> list[str]:
    prompts = [prompts] if isinstance(prompts, str) else prompts
    if not isinstance(prompts, Sequence) or not prompts or not all(isinstance(p, str) for p in prompts):
        raise TypeError(f"prompts must be a string or a list of at least one string, got {prompts!r}")
    return list(prompts)


def _cut(ids: list[int], length: int, end: int) -> list[int]:
    return ids if len(ids) <= length else [*ids[: length - 1], end]


def _tell(message: str) -> None:
    """Warn at the line outside of this file and of torch that led here."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ("torch", "diffcourse"):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, stacklevel=depth)


# -- loading ----------------------------------------------------------------------------------------------------------


def _locate(name_or_folder: str | Path) -> tuple[str | Path, str | Path]:
    """Where the model and where the tokenizer are: two folders, or twice the name of a repository."""
    name, folder = str(name_or_folder), Path(name_or_folder).expanduser()
    if not folder.is_dir():
        if isinstance(name_or_folder, Path) or name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1:
            raise FileNotFoundError(f"there is no folder {name!r}")
        return name, name
    whole = (folder / "text_encoder").is_dir() and (folder / "tokenizer").is_dir()
    model, tokenizer = (folder / "text_encoder", folder / "tokenizer") if whole else (folder, folder)
    held = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
    for where, files, what in (
        (model, ["config.json"], "model: save one there with its save_pretrained"),
        (model, ["model.safetensors", "model.safetensors.index.json"], "weights (model.safetensors)"),
        (tokenizer, ["tokenizer.json", "vocab.json"], "tokenizer: save it there too, with its own save_pretrained"),
    ):
        if not any((where / file).is_file() for file in files):
            raise FileNotFoundError(f"the folder {name!r} has no CLIP {what}; it holds {held}")
    return model, tokenizer


@contextmanager
def _explained(name_or_folder: str | Path) -> Iterator[None]:
    """What is not there or not readable, with what to do about it."""
    from safetensors import SafetensorError

    name = str(name_or_folder)
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        if Path(name_or_folder).expanduser().is_dir():
            raise OSError(f"the folder {name!r} cannot be read as a CLIP: {reason}") from error
        raise FileNotFoundError(
            f"{name!r} is neither a folder here nor in the cache of the Hugging Face hub, and could not be downloaded ({reason}). "
            f"With a network, `hf download {name}` fetches it once; `hf download {name} --local-dir FOLDER` makes a folder that can be "
            "carried to a machine without one: give its path"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the bars and reports that transformers prints while it loads; its settings come back afterwards."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


# -- OpenAI's vocabulary ----------------------------------------------------------------------------------------------

MERGES = Path(__file__).with_name("clip-merges.txt.gz")  # (c) 2021 OpenAI, MIT: clip-merges.LICENSE


def openai_tokenizer() -> Any:
    """The tokenizer of OpenAI's CLIPs and of Stable Diffusion 1.x, with its 49,408 tokens, from a file that ships with the course.

    The vocabulary is 256 bytes as letters, the same at the end of a word, one token for each of 48,894 merges of two pieces in the order
    in which they were learned (Sennrich et al. 2016), start and end. A CLIPTokenizer of transformers; padded with the end, 49407.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizer

    letters = sorted(ByteLevel.alphabet())
    merges = [tuple(line.split()) for line in gzip.decompress(MERGES.read_bytes()).decode().strip().split("\n")]
    ends = ["<|startoftext|>", "<|endoftext|>"]
    vocab = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges), *ends]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(vocab)}, merges=merges)


# -- as JSON ----------------------------------------------------------------------------------------------------------

SETTINGS = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "max_position_embeddings",
    "hidden_act",
    "layer_norm_eps",
    "bos_token_id",
    "eos_token_id",
    "pad_token_id",
)
SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")


def _fresh_model(settings: Mapping[str, Any]) -> nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind = CLIPTextModel if settings["projection_dim"] is None else CLIPTextModelWithProjection
    return kind(CLIPTextConfig(**settings))


def _tokenizer(description: Mapping[str, Any]) -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(**{**description, "merges": [tuple(m) for m in description["merges"]]})


def _describe(tokenizer: Any) -> dict[str, Any]:
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    return {"vocab": model["vocab"], "merges": model["merges"], **{name: getattr(tokenizer, name) for name in SPECIAL}}
