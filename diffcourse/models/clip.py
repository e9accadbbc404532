"""CLIP (Radford et al. 2021): texts and images in one space, learned by contrast; and its text half alone, which cross-attention reads."""

import copy
import gzip
import json
import math
import os
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from diffcourse import shipped
from diffcourse.checks import whole
from diffcourse.download import of_hub
from diffcourse.files import user_path
from diffcourse.models.text import SETTINGS, TextTransformer, drawn
from diffcourse.models.tokens import SPECIAL, Words
from diffcourse.models.vision import VISION_SETTINGS, VisionTransformer
from diffcourse.stored import blamed, check_finite, check_no_pointer, own_path, parameters_at_most, reason

SMALL = 4096  # tokens; vocabularies below it come from a few captions, and hold each of their words whole


class Token(NamedTuple):
    """One entry of the vocabulary: its text, in which `</w>` ends a word, and its number."""

    text: str
    id: int


class TextEncoder(nn.Module):
    """Prompts -> (B, L, D): tokenized, padded or cut to L tokens, and encoded by the text half of a CLIP; frozen, in eval mode.

    The last hidden states after the final layer norm, as Stable Diffusion 1.x reads them: L = 77 and D = 768 there. Padding takes part, as
    it did in training; attention is causal, so it changes no word. `encoder([""])[0]`, (L, D), is the null condition of a `Denoiser`.

    model: a CLIPModel, CLIPTextModel or CLIPTextModelWithProjection of transformers, whose parameters `text_model`, a `TextTransformer`,
    takes over; or a `TextTransformer`. tokenizer: its CLIPTokenizer. Or the two dicts of `config`, which describe them.
    """

    def __init__(self, model: Any, tokenizer: Any):
        super().__init__()
        self._words = Words(**_only(tokenizer, *DESCRIPTION)) if isinstance(tokenizer, Mapping) else tokenizer
        self.text_model, self.text_projection = _text_half(model)
        settings = self.text_model.config
        self.length, self.dim = settings["max_position_embeddings"], settings["hidden_size"]
        if len(self._words) > settings["vocab_size"]:
            raise ValueError(
                f"tokenizer has {len(self._words)} tokens, but model has embeddings for {settings['vocab_size']}: "
                "they do not belong together"
            )
        self.requires_grad_(False).eval()

    @property
    def tokenizer(self) -> Any:
        """The CLIPTokenizer of transformers, which is imported when it is first asked for: encoding needs none of it."""
        if isinstance(self._words, Words):
            self._words = self._words.full()
        return self._words

    @tokenizer.setter
    def tokenizer(self, tokenizer: Any) -> None:
        self._words = tokenizer

    @classmethod
    def from_pretrained(
        cls, name_or_folder: str | Path = "openai/clip-vit-large-patch14", device: str | torch.device | None = None
    ) -> "TextEncoder":
        """The text encoder of a CLIP: a shipped one ("tiny-clip"), one on the Hugging Face hub, or that of a folder.

        A string that is a shipped name means what ships; "./tiny-clip" or a `Path` is a folder, which holds a CLIPModel or CLIPTextModel
        with its tokenizer beside it; that of a whole Stable Diffusion, with text_encoder and tokenizer in it, will do too, and files in
        half precision (fp16) where there are no others. A name that does not ship is looked up in the local cache first and downloaded
        if it is not there. float32, safetensors only; of the settings those are read that describe the network, and no code is run.
        """
        if shipped.is_name(name_or_folder):
            model = shipped.find(name_or_folder)
            if not isinstance(model, (CLIP, TextEncoder)):
                raise ValueError(f"{name_or_folder!r} is a {type(model).__name__}, not a CLIP")
            return (model.text if isinstance(model, CLIP) else model).to(device or "cpu")
        model, tokenizer, variant = _locate(name_or_folder)
        from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

        with _quiet(), _explained(name_or_folder):
            if isinstance(model, str) and (cached := of_hub(model)) is not None:
                model = tokenizer = cached
            settings, projected = _settings(model, str(name_or_folder))
            network = CLIPTextModelWithProjection if projected else CLIPTextModel
            options = {"config": settings, "variant": variant, "dtype": torch.float32, "use_safetensors": True}
            with parameters_at_most(2_000):
                network, report = network.from_pretrained(model, **options, output_loading_info=True)
            if report["missing_keys"]:
                raise ValueError(f"the weights lack {', '.join(sorted(report['missing_keys']))}")
            check_finite(network.state_dict())
            words = CLIPTokenizer.from_pretrained(tokenizer)
            return cls(network, words).to(device or "cpu")

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `folder`/text_encoder and `folder`/tokenizer, as in a folder of Stable Diffusion: `from_pretrained(folder)` reads them.

        Tokens that were added to the tokenizer are kept. ValueError for the bare name of a shipped CLIP, which would be loaded instead.
        """
        folder = own_path(folder)
        with torch.random.fork_rng(devices=[]):
            model = _theirs(self.config["model"])
        getattr(model, "text_model", model).load_state_dict(self.text_model.state_dict())
        if self.text_projection is not None:
            model.text_projection.load_state_dict(self.text_projection.state_dict())
        words = copy.deepcopy(self.tokenizer)
        words.model_max_length = self.length  # diffusers pads to it
        with _quiet():
            model.save_pretrained(folder / "text_encoder")
            words.save_pretrained(folder / "tokenizer")

    @property
    def config(self) -> dict[str, Any]:
        """What makes an empty twin, `TextEncoder(**config)`; JSON values, the whole vocabulary among them."""
        projection = None if self.text_projection is None else self.text_projection.out_features
        return {"model": {**self.text_model.config, "projection_dim": projection}, "tokenizer": _describe(self._words)}

    def forward(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, L, D), the embeddings of B prompts; a single string is one prompt."""
        return self._encode(prompts)[0]

    def pooled(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, P): one vector a prompt in the space that texts share with images, the projected state of its end token; not normalised."""
        if self.text_projection is None:
            raise ValueError("pooled needs the projection of a CLIPModel; this encoder is a CLIPTextModel alone")
        states, lengths = self._encode(prompts)
        return self.text_projection(states[torch.arange(len(states), device=states.device), lengths - 1])

    def number_of(self, word: str) -> int | None:
        """The number of the one token that a word is; None where it is none, or several."""
        (encoding,) = self._words(listed(word), verbose=False).encodings
        _, *numbers, _ = encoding.ids
        return numbers[0] if len(numbers) == 1 else None

    def add_token(self, word: str) -> int:
        """Make a word one token, wherever it stands; in place. Returns its number, which is its row in the table of embeddings.

        The row starts at the mean of all before it. ValueError for what is a token already, or no single word in small letters.
        """
        if not isinstance(word, str) or not word or word != "".join(word.split()).lower():
            raise ValueError(f"word must be one word in small letters, without blanks, got {word!r}")
        if self.number_of(word) is not None:
            raise ValueError(f"word {word!r} is a token already: choose one that is not known, such as '<{word}>'")
        if isinstance(self._words, Words):
            self._words = self._words.with_token(word)
        else:
            self._words.add_tokens([word])
        row = len(self._words) - 1
        if row == self.text_model.config["vocab_size"]:  # some tables have rows to spare
            self.text_model.resize_token_embeddings(row + 1)
        table = self.text_model.embeddings.token_embedding.weight
        with torch.no_grad():
            table[row] = table[:row].mean(dim=0)
        return row

    def ids(self, prompts: str | Sequence[str]) -> Tensor:
        """(B, L) token numbers, padded: what the network sees."""
        return self._numbers(prompts)[0]

    def tokens(self, prompt: str) -> list[Token]:
        """The tokens of a prompt from start to end, without padding: token l is word l of `AttentionMaps.words`."""
        (encoding,) = self._words(listed(prompt), verbose=False).encodings
        ids = _cut(encoding.ids, self.length, self._words.eos_token_id)
        return [Token(*pair) for pair in zip(self._words.convert_ids_to_tokens(ids), ids, strict=True)]

    def spans(self, prompt: str) -> list[tuple[int, int]]:
        """Where in the prompt each of its `tokens` stands: prompt[a:b]; (0, 0) for start and end."""
        (encoding,) = self._words(listed(prompt), verbose=False).encodings
        return [*encoding.offsets[: self.length - 1], encoding.offsets[-1]][: len(encoding.ids)]

    @torch.no_grad()
    def attention(self, prompt: str) -> Tensor:
        """(layers, heads, n, n): how much each of the prompt's n `tokens` looked at each other, softmax(Q Kᵀ/√d); none looks ahead."""
        n = len(self.tokens(prompt))
        ids, _ = self._numbers(prompt)
        return self.text_model.attention(ids[:1, :n].to(self._device))[:, 0]

    @property
    def _device(self) -> torch.device:
        return self.text_model.final_layer_norm.weight.device

    def _encode(self, prompts: str | Sequence[str]) -> tuple[Tensor, Tensor]:
        ids, lengths = (v.to(self._device) for v in self._numbers(prompts))
        return self.text_model(ids), lengths

    def _numbers(self, prompts: str | Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, L) ids and the number of them, (B,), that are no padding; warns of what is cut off or not known."""
        prompts = listed(prompts)
        encodings = self._words(prompts, verbose=False).encodings
        self._warn(prompts, encodings)
        rows = [_cut(e.ids, self.length, self._words.eos_token_id) for e in encodings]
        pad = self._words.pad_token_id
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
                f"unknown words: {', '.join(map(repr, unknown))}. They are not among the {len(self._words)} tokens of this CLIP, "
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
            spelled = len(self._words) < SMALL or len(text) < 1.5 * len(numbers)
            if (len(numbers) > 1 and spelled and any(map(str.isalpha, text))) or self._words.unk_token_id in numbers:
                yield text


class CLIP(nn.Module):
    """Texts and images as unit vectors of one space, in which a picture lies near its caption (Radford et al. 2021, figure 3).

    `text` is the text half, a `TextEncoder`; beside it stand the image half (a `VisionTransformer`), its projection and the logarithm of
    the scale. Frozen as it is made or loaded; `requires_grad_(True)` makes it one to train.

    model: a CLIPModel of transformers, tokenizer: its CLIPTokenizer; or the two dicts of `config`, which describe them.
    """

    def __init__(self, model: Any, tokenizer: Any):
        super().__init__()
        if isinstance(model, Mapping):
            text, vision = (dict(model[half]) for half in ("text", "vision"))
            shared = whole("projection_dim", text["projection_dim"], 1)
            self.text = TextEncoder(text, tokenizer)
            self.vision_model = VisionTransformer(**_only(vision, *VISION_SETTINGS))
            width = self.vision_model.config["hidden_size"]
            self.visual_projection = drawn(nn.Linear(width, shared, bias=False), width**-0.5)
            self.logit_scale = nn.Parameter(torch.tensor(2.6592))  # log(1/0.07), as rounded by OpenAI
        elif getattr(getattr(model, "config", None), "model_type", None) == "clip":
            self.text = TextEncoder(model, tokenizer)
            self.vision_model = _taken(VisionTransformer, model.vision_model, VISION_SETTINGS)
            self.visual_projection, self.logit_scale = model.visual_projection, model.logit_scale
        else:
            raise TypeError(f"model must be a CLIPModel of transformers, with both halves, got {type(model).__name__}")
        self.requires_grad_(False).eval()

    @property
    def config(self) -> dict[str, Any]:
        """What makes an empty twin, `CLIP(**config)`; JSON values, the whole vocabulary among them."""
        text = self.text.config
        return {
            "model": {"text": text["model"], "vision": {**self.vision_model.config}},
            "tokenizer": text["tokenizer"],
        }

    def encode_images(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) of the size that the model reads -> (B, P), unit vectors.

        The values go in as they are: in [-1, 1] where the model was trained so, as "tiny-clip" was; OpenAI's want their own mean and scale.
        """
        settings = self.vision_model.config
        wanted = (settings["num_channels"], settings["image_size"], settings["image_size"])
        if not isinstance(images, Tensor) or images.ndim != 4 or tuple(images.shape[1:]) != wanted:
            got = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
            raise ValueError(f"images must be a tensor (B, {', '.join(map(str, wanted))}), got {got}")
        return F.normalize(self.visual_projection(self.vision_model(images.to(self.logit_scale))), dim=1)

    def encode_texts(self, prompts: str | Sequence[str]) -> Tensor:
        """B prompts -> (B, P), unit vectors: `text.pooled`, normalised."""
        return F.normalize(self.text.pooled(prompts), dim=1)

    def logits(self, images: Tensor, captions: str | Sequence[str]) -> Tensor:
        """(images, captions): scale times the cosine of each image with each caption. A softmax over captions makes probabilities of it."""
        return self.logit_scale.exp() * self.encode_images(images) @ self.encode_texts(captions).T

    def loss(self, images: Tensor, captions: Sequence[str], same: Tensor | None = None) -> Tensor:
        """`contrastive_loss` of N images and their N captions. The scale is held at 100 or below, as in section 2.5."""
        with torch.no_grad():
            self.logit_scale.clamp_(max=math.log(100))
        return contrastive_loss(self.logits(images, captions), same)


def contrastive_loss(logits: Tensor, same: Tensor | None = None) -> Tensor:
    """Each image is to find its caption among all N, and each caption its image (Radford et al. 2021, section 2.3 and figure 3).

        loss = -1/2N · sum_i [ log softmax(logits[i, :])_i + log softmax(logits[:, i])_i ]

    logits (N, N): image i with caption j. same (N, N), bool: where image i and caption j match although i is not j; such pairs are left
    out, for to push them apart would be wrong.
    """
    N = len(logits)
    if logits.shape != (N, N) or not N:
        raise ValueError(f"logits must be (N, N), a row an image and a column a caption, got {tuple(logits.shape)}")
    own = torch.arange(N, device=logits.device)
    if same is not None:
        if same.shape != (N, N) or same.dtype != torch.bool:
            raise ValueError(f"same must be bool ({N}, {N}), got {same.dtype} {tuple(same.shape)}")
        logits = logits.masked_fill(same & (own[:, None] != own), -torch.inf)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def listed(texts: str | Sequence[str], name: str = "prompts") -> list[str]:
    """One text or several as a list; TypeError, which calls the argument `name`, for anything else."""
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"{name} must be a string or a list of at least one string, got {texts!r}")
    return list(texts)


def _cut(ids: list[int], length: int, end: int) -> list[int]:
    return ids if len(ids) <= length else [*ids[: length - 1], end]


def _tell(message: str) -> None:
    """Warn at the line outside of this file and of torch that led here."""
    frame, depth = sys._getframe(1), 2
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in ("torch", "diffcourse"):
        frame, depth = frame.f_back, depth + 1
    warnings.warn(message, stacklevel=depth)


# -- loading ----------------------------------------------------------------------------------------------------------


def _locate(name_or_folder: str | Path) -> tuple[str | Path, str | Path, str | None]:
    """Where the model and where the tokenizer are: two folders, or twice the name of a repository; and "fp16" if there is nothing else."""
    name, folder = str(name_or_folder), user_path(name_or_folder)
    if not folder.is_dir():
        if folder.exists():
            raise ValueError(f"{name!r} is a file, and must be a folder, with the model and its tokenizer")
        if isinstance(name_or_folder, Path) or name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1:
            raise FileNotFoundError(f"there is no folder {name!r}")
        return name, name, None
    whole = (folder / "text_encoder").is_dir() and (folder / "tokenizer").is_dir()
    model, tokenizer = (folder / "text_encoder", folder / "tokenizer") if whole else (folder, folder)
    full = ["model.safetensors", "model.safetensors.index.json"]
    for where, files, what in (
        (model, ["config.json"], "model: save one there with its save_pretrained"),
        (model, [*full, HALF], "weights (model.safetensors)"),
        (tokenizer, ["tokenizer.json", "vocab.json"], "tokenizer: save it there too, with its own save_pretrained"),
    ):
        if not any((where / file).is_file() for file in files):
            held = ", ".join(sorted(os.listdir(where))[:8]) or "nothing"
            raise FileNotFoundError(f"the folder {name!r} has no CLIP {what}; it holds {held}")
    for file in (model / full[0], model / HALF):
        if file.is_file():
            check_no_pointer(file)
    return model, tokenizer, None if any((model / file).is_file() for file in full) else "fp16"


HALF = "model.fp16.safetensors"


def _settings(model: str | Path, name: str) -> tuple[Any, bool]:
    """The configuration of the text half in a folder or repository, and whether its projection is there too."""
    from transformers import CLIPConfig, CLIPTextConfig

    described, _ = CLIPTextConfig.get_config_dict(model)
    kind = described.get("model_type") or described.get("_class_name")
    if kind == "clip":  # both halves: of the image's, nothing is loaded
        whole = CLIPConfig.from_dict(described)
        text, width, projected = whole.text_config, whole.projection_dim, True
    elif kind == "clip_text_model":
        text = CLIPTextConfig.from_dict(described)
        width, projected = text.projection_dim, "CLIPTextModel" not in described.get("architectures", ["CLIPTextModel"])
    else:
        raise ValueError(f"it holds a model of type {kind!r}, not a CLIP")
    return CLIPTextConfig(**{key: getattr(text, key) for key in SETTINGS}, projection_dim=width), projected


@contextmanager
def _explained(name_or_folder: str | Path) -> Iterator[None]:
    """What is not there or not readable, with what to do about it."""
    name = str(name_or_folder)
    here = user_path(name_or_folder).is_dir()
    try:
        with blamed(f"the folder {name!r} cannot be read as a CLIP" if here else f"{name!r} cannot be read as a CLIP"):
            yield
    except OSError as error:
        if here:
            raise
        raise FileNotFoundError(
            f"{name!r} is neither a folder here nor in the cache of the Hugging Face hub, and could not be downloaded "
            f"({reason(error.__cause__ or error)}). "
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


# -- vocabularies -----------------------------------------------------------------------------------------------------

MERGES = Path(__file__).with_name("clip-merges.txt.gz")  # (c) 2021 OpenAI, MIT: clip-merges.LICENSE


def openai_tokenizer() -> Any:
    """The tokenizer of OpenAI's CLIPs and of Stable Diffusion 1.x, with its 49,408 tokens, from a file that ships with the course.

    The vocabulary is 256 bytes as letters, the same at the end of a word, one token for each of 48,894 merges of two pieces in the order
    in which they were learned (Sennrich et al. 2016), start and end. A CLIPTokenizer of transformers; padded with the end, 49407.
    """
    merges = [tuple(line.split()) for line in gzip.decompress(MERGES.read_bytes()).decode().strip().split("\n")]
    return _assembled(merges, _letters())


def learned_tokenizer(texts: Iterable[str]) -> Any:
    """A tokenizer that knows each word of `texts` as one token, and spells others; the same for the same texts, in whatever order.

    As that of OpenAI, but that it has no end of a word that no word here has. transformers learns one too, with
    `CLIPTokenizer().train_new_from_iterator(texts, vocab_size)`, yet numbers it differently at every call.
    """
    from transformers import CLIPTokenizer

    blank = CLIPTokenizer().backend_tokenizer
    split, normal = blank.pre_tokenizer.pre_tokenize_str, blank.normalizer.normalize_str
    words = Counter(word for text in texts for word, _ in split(normal(text)))
    if not words:
        raise ValueError("texts hold no word to learn from")
    return _assembled(learn_merges(words), sorted({word[-1] for word in words}))


def learn_merges(words: Mapping[str, int]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich et al. 2016, algorithm 1), until each word, given with its frequency, is one piece.

    Again and again, the two neighbours that meet most often become one piece; of equals, those first in the alphabet.
    """
    spelled = {(*word[:-1], word[-1] + "</w>"): n for word, n in words.items()}
    merges = []
    while True:
        meetings: Counter[tuple[str, str]] = Counter()
        for pieces, n in spelled.items():
            for pair in pairwise(pieces):
                meetings[pair] += n
        if not meetings:
            return merges
        merges.append(min(meetings, key=lambda pair: (-meetings[pair], pair)))
        spelled = {_joined(pieces, merges[-1]): n for pieces, n in spelled.items()}


def _joined(pieces: Sequence[str], pair: tuple[str, str]) -> tuple[str, ...]:
    done: list[str] = []
    for piece in pieces:
        if done and (done[-1], piece) == pair:
            done[-1] += piece
        else:
            done.append(piece)
    return tuple(done)


def _letters() -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _assembled(merges: list[tuple[str, str]], last: Sequence[str]) -> Any:
    """The CLIPTokenizer of these merges: 256 letters, those that end a word, the merges, start and end."""
    from transformers import CLIPTokenizer

    ends = ["<|startoftext|>", "<|endoftext|>"]
    vocab = [*_letters(), *(letter + "</w>" for letter in last), *map("".join, merges), *ends]
    vocab = dict.fromkeys(vocab)  # two merges may make the same piece: ab + c, a + bc
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(vocab)}, merges=merges)


# -- what makes them ---------------------------------------------------------------------------------------------------

DESCRIPTION = ("vocab", "merges", "added", *SPECIAL)  # of a tokenizer
PROBE = "A Photo of 3 CATS, can't you see — é?!"


def _text_half(model: Any) -> tuple[TextTransformer, nn.Linear | None]:
    """The transformer and its projection, if there is one: of settings, or of a model of transformers, whose parameters they share."""
    if isinstance(model, TextTransformer):
        return model, None
    if isinstance(model, Mapping):
        settings = _only(model, *SETTINGS, "projection_dim")
        shared = settings.pop("projection_dim")
        text = TextTransformer(**settings)
        if shared is None:
            return text, None
        width = text.config["hidden_size"]
        return text, drawn(nn.Linear(width, whole("projection_dim", shared, 1), bias=False), width**-0.5)
    theirs = getattr(model, "text_model", model)
    if getattr(getattr(theirs, "config", None), "model_type", None) != "clip_text_model":
        raise TypeError(f"model must be a CLIPModel or CLIPTextModel of transformers, got {type(model).__name__}")
    return _taken(TextTransformer, theirs, SETTINGS), getattr(model, "text_projection", None)


def _taken(kind: Any, theirs: nn.Module, settings: Sequence[str]) -> Any:
    """Ours with the very parameters of a model of transformers: nothing is copied, and not one of its tensors may be left over."""
    with torch.device("meta"):
        ours = kind(**{name: getattr(theirs.config, name) for name in settings})
    ours.load_state_dict(theirs.state_dict(keep_vars=True), assign=True)
    return ours


def _theirs(settings: Mapping[str, Any]) -> Any:
    """The model of transformers that such settings describe."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    kind = CLIPTextModel if settings["projection_dim"] is None else CLIPTextModelWithProjection
    return kind(CLIPTextConfig(**settings))


def _only(settings: Mapping[str, Any], *known: str) -> dict[str, Any]:
    if unknown := settings.keys() - set(known):
        raise ValueError(f"config: {', '.join(sorted(unknown))} is not known here")
    return dict(settings)


def _describe(tokenizer: Any) -> dict[str, Any]:
    """What makes the same tokenizer; ValueError if it would split words in another way, because something else in it was changed."""
    if isinstance(tokenizer, Words):
        return tokenizer.description
    content = json.loads(tokenizer.backend_tokenizer.to_str())
    model, numbers = content["model"], set(content["model"]["vocab"].values())
    description = {"vocab": model["vocab"], "merges": model["merges"]}
    description |= {name: getattr(tokenizer, name) for name in SPECIAL}
    if added := [token for token in content["added_tokens"] if token["id"] not in numbers]:
        description["added"] = added
    if Words(**description)([PROBE]).encodings[0].ids != tokenizer(PROBE, verbose=False).input_ids:
        raise ValueError("tokenizer is not that of a CLIP: more of it was changed than its tokens, and would be lost")
    return description
