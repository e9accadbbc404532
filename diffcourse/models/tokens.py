"""A prompt in numbers: CLIP's byte-pair encoding (Sennrich et al. 2016), with the library `tokenizers` alone, which is quick to import."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

SPECIAL = ("bos_token", "eos_token", "pad_token", "unk_token")
WORDS = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""


class Encodings(NamedTuple):
    """One `tokenizers.Encoding` a prompt: its ids, the words and letters that they come from."""

    encodings: list[Any]


class Words:
    """What a `TextEncoder` asks of its tokenizer, answered as transformers' CLIPTokenizer does, and without importing it.

        text -> NFC, one blank for many, small letters -> words (letters, single digits, other marks) -> bytes as letters
             -> pieces, joined by `merges` in their order -> numbers of `vocab`, between those of start and end

    vocab  {piece: number}; a piece that ends a word ends in </w>. merges  pairs of pieces. The four names are those of special tokens;
    added  tokens beside the vocabulary, as dicts of tokenizers' AddedToken with the "id" that each must get.
    `Words(**words.description)` is a twin; `words.full()` is transformers' own.
    """

    def __init__(
        self,
        vocab: Mapping[str, int],
        merges: Sequence[Sequence[str]],
        added: Sequence[Mapping[str, Any]] = (),
        bos_token: str | None = "<|startoftext|>",
        eos_token: str | None = "<|endoftext|>",
        pad_token: str | None = "<|endoftext|>",
        unk_token: str | None = "<|endoftext|>",
    ):
        from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

        if not isinstance(vocab, Mapping):  # a string would be taken for the name of a file
            raise ValueError(f"config: vocab must be a dict of tokens and numbers, got {type(vocab).__name__}")
        special = dict(zip(SPECIAL, (bos_token, eos_token, pad_token, unk_token), strict=True))
        self.description: dict[str, Any] = {"vocab": vocab, "merges": merges, **special} | (
            {"added": added} if added else {}
        )
        pieces = {"continuing_subword_prefix": "", "end_of_word_suffix": "</w>", "unk_token": str(unk_token)}
        self._tokenizer = Tokenizer(models.BPE(dict(vocab), [(a, b) for a, b in merges], fuse_unk=False, **pieces))
        self._tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        split = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [split, pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        whole = dict.fromkeys(t for t in (bos_token, eos_token, unk_token, pad_token) if t is not None)
        self._tokenizer.add_tokens([AddedToken(token, special=True) for token in whole])  # are never spelled
        self.bos_token_id, self.eos_token_id, self.pad_token_id, self.unk_token_id = (
            None if token is None else self._tokenizer.token_to_id(token) for token in special.values()
        )
        end: Any = (str(eos_token), self.eos_token_id)
        start: Any = (str(bos_token), self.bos_token_id)
        self._tokenizer.post_processor = processors.RobertaProcessing(
            end, start, trim_offsets=False, add_prefix_space=False
        )
        for token in added:
            add = self._tokenizer.add_special_tokens if token["special"] else self._tokenizer.add_tokens
            add([AddedToken(**{key: value for key, value in token.items() if key != "id"})])
            if self._tokenizer.token_to_id(token["content"]) != token["id"]:
                raise ValueError(f"config: the added token {token['content']!r} cannot have the number {token['id']}")

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def with_token(self, word: str) -> "Words":
        """A twin that knows a word more: one token, with the next number; in capitals, too, as all words."""
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "special"), False) | {"normalized": True}
        added = [*self.description.get("added", ()), {"id": len(self), "content": word, **plain}]
        return Words(**{**self.description, "added": added})

    def __call__(self, prompts: Sequence[str], verbose: bool = False) -> Encodings:
        """Neither padded nor cut."""
        return Encodings(self._tokenizer.encode_batch(list(prompts)))

    def convert_ids_to_tokens(self, ids: Sequence[int]) -> list[str]:
        tokens: list[Any] = [self._tokenizer.id_to_token(i) for i in ids]
        return tokens

    def full(self) -> Any:
        """The CLIPTokenizer of transformers that gives the same numbers, with all that it can do besides."""
        from transformers import AddedToken, CLIPTokenizer

        parts = {key: value for key, value in self.description.items() if key != "added"}
        tokenizer = CLIPTokenizer(**{**parts, "merges": [tuple(pair) for pair in parts["merges"]]})
        for token in self.description.get("added", ()):
            options = {key: value for key, value in token.items() if key != "id"}
            tokenizer.add_tokens([AddedToken(**options)], special_tokens=token["special"])
        return tokenizer
