"""CLIP's two halves against transformers' own: states, end tokens, names, start values; and its tokenizer, letter by letter."""

import copy
import itertools

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from diffcourse import weights
from diffcourse.models import CLIP, TextEncoder, TextTransformer, VisionTransformer
from diffcourse.models.clip import learned_tokenizer, openai_tokenizer
from diffcourse.models.text import SETTINGS
from diffcourse.models.tokens import Words
from diffcourse.models.vision import VISION_SETTINGS

transformers = pytest.importorskip("transformers")

TINY = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 9,
    "bos_token_id": 38,
    "eos_token_id": 39,
    "pad_token_id": 39,
}
MIDDLE = {
    "vocab_size": 1000,
    "hidden_size": 192,
    "intermediate_size": 768,
    "num_hidden_layers": 6,
    "num_attention_heads": 6,
    "max_position_embeddings": 77,
    "bos_token_id": 998,
    "eos_token_id": 999,
    "pad_token_id": 999,
}


def their_text(settings, seed=0, kind="CLIPTextModel"):
    """transformers' text half of these settings, random in every parameter."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = getattr(transformers, kind)(transformers.CLIPTextConfig(**settings)).eval()
        with torch.no_grad():
            for p in model.parameters():
                p += 0.1 * torch.randn(p.shape)
    return model.requires_grad_(False)


def ours_of(theirs, settings):
    ours = TextTransformer(**settings)
    ours.load_state_dict(theirs.state_dict())
    return ours.requires_grad_(False)


def sentences(settings, lengths, seed=0):
    """Rows of ids: start, words, end, and padding that is the end again; the longest fill all places."""
    ids = torch.full((len(lengths), settings["max_position_embeddings"]), settings["pad_token_id"])
    ids[:, 0] = settings["bos_token_id"]
    words = torch.randint(0, settings["bos_token_id"], ids.shape, generator=torch.Generator().manual_seed(seed))
    words[words == settings["eos_token_id"]] = 0
    for row, n in enumerate(lengths):
        ids[row, 1 : n - 1] = words[row, 1 : n - 1]
        ids[row, n - 1] = settings["eos_token_id"]
    return ids


# -- the text half -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize(("settings", "lengths"), [(TINY, [2, 5, 8, 9]), (MIDDLE, [2, 40, 77])], ids=["tiny", "middle"])
def test_every_state_is_that_of_transformers(settings, lengths, activation):
    settings = {**settings, "hidden_act": activation}
    theirs, ids = their_text(settings), sentences(settings, lengths)
    ours, out = ours_of(theirs, settings), theirs(ids, output_hidden_states=True)
    torch.testing.assert_close(ours(ids), out.last_hidden_state, atol=1e-5, rtol=0)
    states = ours.hidden_states(ids)
    assert len(states) == len(out.hidden_states) == settings["num_hidden_layers"] + 1
    for mine, wanted in zip(states, out.hidden_states, strict=True):
        torch.testing.assert_close(mine, wanted, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.pooled(ids), out.pooler_output, atol=1e-5, rtol=0)
    short = ids[:, :4]  # shorter than the places there are
    torch.testing.assert_close(ours(short), theirs(short).last_hidden_state, atol=1e-5, rtol=0)
    assert out.last_hidden_state.std() > 0.1 and (states[-1] - states[-2]).abs().max() > 0.1
    other = ours_of(theirs, {**settings, "hidden_act": "gelu" if activation == "quick_gelu" else "quick_gelu"})
    assert (other(ids) - ours(ids)).abs().max() > 1e-4


def test_attention_is_that_of_transformers():
    theirs, ids = their_text(TINY), sentences(TINY, [3, 9])
    ours = ours_of(theirs, TINY)
    theirs.set_attn_implementation("eager")
    wanted = torch.stack(theirs(ids, output_attentions=True).attentions)
    torch.testing.assert_close(ours.attention(ids), wanted, atol=1e-6, rtol=1e-5)
    assert not ours.attention(ids).triu(1).any() and wanted.std() > 0.01


@pytest.mark.parametrize("end", [39, 7, 2])
def test_the_end_token_is_found_as_transformers_finds_it(end):
    """2 means the largest number of a row, in files of old; every other number itself, where it comes first."""
    settings = {**TINY, "eos_token_id": end}
    theirs, ids = their_text(settings), sentences(settings, [3, 6, 9])
    ids[1, 2], ids[2, 3:5] = 2, 37  # a 2 among the words, and the largest number twice
    ours = ours_of(theirs, settings)
    out = theirs(ids)
    torch.testing.assert_close(ours.pooled(ids), out.pooler_output, atol=1e-5, rtol=0)
    at = ours(ids)[torch.arange(3), torch.tensor([2, 5, 8])]  # where the ends were put
    assert torch.equal(at, ours.pooled(ids)) == (end != 2)


def test_names_are_the_same_and_both_load_the_other_strictly():
    theirs, ids = their_text(TINY, 1), sentences(TINY, [4, 9])
    ours = ours_of(theirs, TINY)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    back = their_text(TINY, 2)
    back.load_state_dict(ours.state_dict())
    torch.testing.assert_close(back(ids).last_hidden_state, ours(ids), atol=1e-5, rtol=0)
    assert torch.equal(back(ids).last_hidden_state, theirs(ids).last_hidden_state)


def test_names_of_files_are_read_too():
    """Those of Stable Diffusion 1.x: text_model. before each, and the numbers of the places."""
    theirs = their_text(TINY)
    files = {f"text_model.{name}": tensor for name, tensor in theirs.state_dict().items()}
    files["text_model.embeddings.position_ids"] = torch.arange(9)[None]
    before, ours = dict(files), TextTransformer(**TINY)
    ours.load_state_dict(files)
    assert files == before  # what was given is left as it was
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in ours.state_dict().items())


def test_with_a_projection_the_encoder_has_the_names_of_transformers():
    settings = {**TINY, "projection_dim": 6}
    words = learned_tokenizer(["a red two"])
    settings |= {"vocab_size": len(words), "eos_token_id": words.eos_token_id, "bos_token_id": words.bos_token_id}
    theirs = their_text(settings, kind="CLIPTextModelWithProjection")
    encoder = TextEncoder({**TextTransformer(**TINY).config, **settings}, words)
    assert encoder.state_dict().keys() == theirs.state_dict().keys()
    encoder.load_state_dict(theirs.state_dict())
    wanted = theirs(encoder.ids(["a red two", "two"]))
    torch.testing.assert_close(encoder(["a red two", "two"]), wanted.last_hidden_state, atol=1e-5, rtol=0)
    torch.testing.assert_close(encoder.pooled(["a red two", "two"]), wanted.text_embeds, atol=1e-5, rtol=0)
    back = their_text(settings, 1, "CLIPTextModelWithProjection")
    back.load_state_dict(encoder.state_dict())
    assert torch.equal(back(encoder.ids("two")).text_embeds, theirs(encoder.ids("two")).text_embeds)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16},
    ],
    ids=["Stable Diffusion 1.x", "Stable Diffusion 2.x"],
)
def test_full_size_has_the_names_and_shapes_of_transformers(settings):
    with torch.device("meta"):
        ours = TextTransformer(**settings)
        theirs = transformers.CLIPTextModel(transformers.CLIPTextConfig(**ours.config))
    shapes = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
    assert {name: tuple(tensor.shape) for name, tensor in ours.state_dict().items()} == shapes
    width = settings.get("hidden_size", 768)
    assert shapes["embeddings.token_embedding.weight"] == (49408, width)
    assert ours(torch.zeros(1, 77, dtype=torch.long, device="meta")).shape == (1, 77, width)
    if not settings:
        assert sum(p.numel() for p in ours.parameters()) == 123_060_480  # as the file of OpenAI's ViT-L/14 holds


def test_start_values_are_those_of_clip():
    sizes = {**MIDDLE, "hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs, ours = transformers.CLIPTextModel(transformers.CLIPTextConfig(**sizes)), TextTransformer(**sizes)
    for name, p in theirs.named_parameters():
        mine = ours.get_parameter(name)
        if name.endswith("weight") and p.ndim == 2:
            assert mine.std().item() == pytest.approx(p.std().item(), rel=0.1), name
            assert abs(mine.mean()) < 0.1 * mine.std(), name
        else:
            assert torch.equal(mine, p), name  # zeros and ones
    assert all(p.requires_grad for p in ours.parameters())


def test_what_does_not_fit_is_named():
    state = their_text(TINY).state_dict()
    lacking = {name: v for name, v in state.items() if name != "encoder.layers.1.mlp.fc2.bias"}
    with pytest.raises(RuntimeError, match=r"Missing key.* \"encoder\.layers\.1\.mlp\.fc2\.bias\"\. $"):
        TextTransformer(**TINY).load_state_dict(lacking)
    with pytest.raises(RuntimeError, match=r"Unexpected key.* \"encoder\.layers\.2\.self_attn\.rotary\"\. $"):
        TextTransformer(**TINY).load_state_dict(state | {"encoder.layers.2.self_attn.rotary": torch.zeros(1)})
    with pytest.raises(RuntimeError, match=r"final_layer_norm\.weight: .*\[5\].*\[16\]"):
        TextTransformer(**TINY).load_state_dict(state | {"final_layer_norm.weight": torch.zeros(5)})


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"vocab_size": 0}, "vocab_size must be at least 1, got 0"),
        ({"hidden_size": 30}, "hidden_size must be a multiple of 4, got 30"),
        ({"hidden_size": 16.0}, "hidden_size must be a whole number, got float 16.0"),
        ({"intermediate_size": -1}, "intermediate_size must be at least 1, got -1"),
        ({"num_hidden_layers": 0}, "num_hidden_layers must be at least 1, got 0"),
        ({"num_attention_heads": "4"}, "num_attention_heads must be a whole number, got str '4'"),
        ({"max_position_embeddings": None}, "max_position_embeddings must be a whole number, got None"),
        ({"hidden_act": "relu"}, "hidden_act must be quick_gelu or gelu, got 'relu'"),
        ({"layer_norm_eps": -1e-5}, r"layer_norm_eps must be a number >= 0, got -1e-05"),
        ({"eos_token_id": "end"}, "eos_token_id must be a whole number, got str 'end'"),
    ],
)
def test_settings_that_cannot_be_are_told(wrong, says):
    with pytest.raises((TypeError, ValueError), match=says):
        TextTransformer(**{**TINY, **wrong})


@pytest.mark.parametrize(
    ("ids", "says"),
    [
        ([[1, 2]], r"ids must be whole numbers \(B, L\), got list"),
        (torch.zeros(2, 4), r"ids must be whole numbers \(B, L\), got Tensor \(2, 4\) of torch.float32"),
        (torch.zeros(4, dtype=torch.long), r"ids must be whole numbers \(B, L\), got Tensor \(4,\)"),
        (torch.zeros(2, 10, dtype=torch.long), r"ids must be \(B, L\) with L at most 9, got \(2, 10\)"),
        (torch.tensor([[38, 40]]), r"ids must lie in \[0, 39\], got 38 to 40"),
        (torch.tensor([[38, -1]]), r"ids must lie in \[0, 39\], got -1 to 38"),
    ],
)
def test_ids_that_are_none_are_told(ids, says):
    model = TextTransformer(**TINY)
    for read in (model, model.pooled, model.hidden_states, model.attention):
        with pytest.raises((TypeError, ValueError), match=says):
            read(ids)


def test_a_text_without_its_end_has_no_pooled_state():
    with pytest.raises(ValueError, match="ids must hold the end token 39 in every row; row 1 has none"):
        TextTransformer(**TINY).pooled(torch.tensor([[38, 39], [38, 1]]))


def test_new_tokens_start_at_the_mean_and_old_ones_stay():
    model, ids = TextTransformer(**TINY).requires_grad_(False), sentences(TINY, [5, 9])
    before, table = model(ids), model.embeddings.token_embedding.weight.clone()
    model.resize_token_embeddings(42)
    new = model.embeddings.token_embedding.weight
    assert torch.equal(model(ids), before) and model.config["vocab_size"] == len(new) == 42
    torch.testing.assert_close(new[40:], table.mean(dim=0).expand(2, -1))
    assert not new.requires_grad and model(torch.tensor([[38, 41, 39]])).shape == (1, 3, 16)
    model.requires_grad_(True).resize_token_embeddings(30)
    assert torch.equal(model.embeddings.token_embedding.weight, table[:30])
    assert model.embeddings.token_embedding.weight.requires_grad


def test_saved_alone_it_comes_back(tmp_path):
    for model in (TextTransformer(**TINY), VisionTransformer(16, 24, 1, 2, 3, 8, 4)):
        again = weights.load(weights.save(tmp_path / "half", model))
        assert type(again) is type(model) and again.config == model.config
        assert all(torch.equal(v, again.state_dict()[k]) for k, v in model.state_dict().items())


def test_parameters_are_taken_over_and_not_copied():
    words = learned_tokenizer(["a red two"])
    theirs = their_text({**TINY, "vocab_size": len(words)})
    encoder = TextEncoder(theirs, words)
    assert all(p is theirs.get_parameter(name) for name, p in encoder.text_model.named_parameters())
    alone = TextEncoder(encoder.text_model, words)  # ours will do as well
    assert alone.text_model is encoder.text_model and torch.equal(alone("two"), encoder("two"))
    with pytest.raises(ValueError, match="hidden_act must be quick_gelu or gelu, got 'relu'"):
        TextEncoder(their_text({**TINY, "vocab_size": len(words), "hidden_act": "relu"}), words)


# -- the image half ----------------------------------------------------------------------------------------------------


def test_the_image_half_is_that_of_transformers():
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    settings = {**sizes, "num_channels": 3, "image_size": 11, "patch_size": 4}  # a rest of 3 pixels is not looked at
    config = transformers.CLIPVisionConfig(**settings)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs, images = transformers.CLIPVisionModel(config).eval(), torch.randn(3, 3, 11, 11)
        for p in theirs.requires_grad_(False).parameters():
            p += 0.1 * torch.randn(p.shape)
    ours = VisionTransformer(**settings).requires_grad_(False)
    state = {name.removeprefix("vision_model."): v for name, v in theirs.state_dict().items()}
    assert ours.state_dict().keys() == state.keys()
    ours.load_state_dict(state)
    torch.testing.assert_close(ours(images), theirs(images).pooler_output, atol=1e-5, rtol=0)
    theirs.set_attn_implementation("eager")
    wanted = torch.stack(theirs(images, output_attentions=True).attentions)
    torch.testing.assert_close(ours.attention(images), wanted, atol=1e-6, rtol=1e-5)


def test_the_image_half_at_full_size_and_its_start_values():
    with torch.device("meta"):
        ours = VisionTransformer()
        theirs = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**ours.config))
    shapes = {name.removeprefix("vision_model."): tuple(v.shape) for name, v in theirs.state_dict().items()}
    assert {name: tuple(v.shape) for name, v in ours.state_dict().items()} == shapes
    small = {**ours.config, "hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "image_size": 112}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**small))
        ours = VisionTransformer(**small)
    for name, p in theirs.named_parameters():
        mine = ours.get_parameter(name.removeprefix("vision_model."))
        if p.ndim > 1:
            assert mine.std().item() == pytest.approx(p.std().item(), rel=0.1), name
        elif "class_embedding" not in name:
            assert torch.equal(mine, p), name
    assert ours.embeddings.class_embedding.std().item() == pytest.approx(1 / 8, rel=0.3)


def test_settings_are_the_names_that_cards_hold():
    assert (
        *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("max_position_embeddings", "hidden_act", "layer_norm_eps", "bos_token_id", "eos_token_id", "pad_token_id"),
    ) == SETTINGS
    assert (
        *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
        *("num_channels", "image_size", "patch_size", "hidden_act", "layer_norm_eps"),
    ) == VISION_SETTINGS


# -- the tokenizer -----------------------------------------------------------------------------------------------------


def described(tokenizer):
    return TextEncoder(TextTransformer(**{**TINY, "vocab_size": len(tokenizer)}), tokenizer).config["tokenizer"]


@pytest.fixture(scope="module")
def pairs():
    """{which: (transformers' tokenizer, ours)}: OpenAI's vocabulary, a small one, and that with tokens added of every kind."""
    small = learned_tokenizer(["a red two, on black", "three it's big"])
    added = copy.deepcopy(small)
    added.add_tokens(
        [
            "<cat-toy>",
            transformers.AddedToken("<Dog>", single_word=True, lstrip=True),
            transformers.AddedToken("wow", normalized=False, rstrip=True),
        ]
    )
    added.add_tokens(["<new>"], special_tokens=True)
    description = described(small) | {"pad_token": "<PAD>", "unk_token": "!"}  # of which neither is in the vocabulary
    strange = Words(**description).full()
    theirs = {"openai": openai_tokenizer(), "small": small, "added": added, "strange": strange}
    return {name: (tokenizer, Words(**described(tokenizer))) for name, tokenizer in theirs.items()}


PIECES = [
    "red",
    "Two",
    "it's",
    " ",
    "  ",
    "\n\t",
    ",",
    "<|endoftext|>",
    "<|startoftext|>",
    "<cat-toy>",
    "<Dog>",
    "<new>",
]
PIECES += [
    "wow",
    "<pad>",
    "<PAD>",
    "!",
    "42",
    "é",
    "e\u0301",
    "日本",
    "😀",
    "ﬁ",
    "İ",
    "\u200b",
    "\x00",
    "…",
    "don'T",
    "'RE",
    "</w>",
    "Ⅷ",
    "½",
    "ß",
]
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(PIECES), max_size=12).map("".join))


@pytest.mark.slow
@pytest.mark.parametrize("which", ["openai", "small", "added", "strange"])
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
@example(texts=["a photo of a CAT, can't you see — é?!", ""])
@example(texts=[" ".join(PIECES), "".join(PIECES)])
def test_the_numbers_of_every_text_are_those_of_transformers(pairs, which, texts):
    theirs, ours = pairs[which]
    for mine, wanted in zip(ours(texts).encodings, theirs(texts, verbose=False).encodings, strict=True):
        assert mine.ids == wanted.ids and mine.offsets == wanted.offsets and mine.word_ids == wanted.word_ids
        assert ours.convert_ids_to_tokens(mine.ids) == theirs.convert_ids_to_tokens(wanted.ids)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["openai", "small", "added"])
@pytest.mark.filterwarnings("ignore:a prompt of:UserWarning", "ignore:unknown words:UserWarning")
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
@example(texts=["red " * 40, "", "red two"])
def test_an_encoder_cuts_and_pads_as_transformers_does(pairs, which, texts):
    theirs, ours = pairs[which]
    encoder = TextEncoder(TextTransformer(**{**TINY, "vocab_size": len(ours)}), ours)
    wanted = theirs(texts, padding="max_length", truncation=True, max_length=9, return_tensors="pt").input_ids
    assert torch.equal(encoder.ids(texts), wanted)
    for text in texts:
        tokens, spans = encoder.tokens(text), encoder.spans(text)
        assert len(tokens) == len(spans) <= 9 and all(0 <= a <= b <= len(text) for a, b in spans)
        assert spans[0] == spans[-1] == (0, 0)


def test_sizes_and_special_numbers_are_those_of_transformers(pairs):
    for theirs, ours in pairs.values():
        assert len(ours) == len(theirs)
        for name in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"):
            assert getattr(ours, name) == getattr(theirs, name) is not None
    assert len({pairs["strange"][1].pad_token_id, pairs["strange"][1].unk_token_id}) == 2


@pytest.mark.filterwarnings("ignore:unknown words:UserWarning")
def test_the_tokenizer_is_transformers_own_when_it_is_asked_for(pairs):
    """And what is then done to it, the encoder does too."""
    words = pairs["added"][1]
    encoder = TextEncoder(TextTransformer(**{**TINY, "vocab_size": len(words) + 1}), words)
    before, config = encoder.ids("red <Dog> two"), encoder.config
    tokenizer = encoder.tokenizer
    assert isinstance(tokenizer, transformers.CLIPTokenizer) and encoder.tokenizer is tokenizer
    assert torch.equal(encoder.ids("red <Dog> two"), before) and encoder.config == config
    tokenizer.add_tokens(["<zebra>"])
    assert encoder.ids("<zebra>")[0, 1] == len(words)
    assert encoder.config["tokenizer"]["added"][-1]["content"] == "<zebra>"
    encoder.tokenizer = words
    assert encoder.config == config and encoder.ids("<zebra>")[0, 1] != len(words)


@pytest.mark.filterwarnings("ignore:unknown words:UserWarning")
def test_an_encoder_can_be_copied_before_and_after(pairs):
    encoder = TextEncoder(TextTransformer(**{**TINY, "vocab_size": len(pairs["added"][1])}), pairs["added"][1])
    twin = copy.deepcopy(encoder)
    twin.tokenizer.add_tokens(["<zebra>"])
    assert torch.equal(copy.deepcopy(twin).ids("red <zebra>"), twin.ids("red <zebra>"))
    assert not torch.equal(twin.ids("<zebra>"), encoder.ids("<zebra>"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"vocab": "/etc/passwd"}, "config: vocab must be a dict of tokens and numbers, got str"),
        ({"added": [{"id": 3, "content": "red</w>", "special": False}]}, "the added token 'red</w>' cannot have the number 3"),
        ({"tokenizer_file": "/etc/passwd"}, "config: tokenizer_file is not known here"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_is_told(pairs, change, says):
    description = pairs["small"][1].description | change
    with pytest.raises(ValueError, match=says):
        TextEncoder(TextTransformer(**TINY).config | {"projection_dim": None}, description)


def test_the_halves_of_a_clip_are_ours():
    clip = weights.load("tiny-clip")
    assert type(clip) is CLIP and type(clip.vision_model) is VisionTransformer
    assert type(clip.text.text_model) is TextTransformer
    kinds = {type(m).__module__.split(".")[0] for m in itertools.chain(clip.modules(), clip.text.modules())}
    assert kinds == {"diffcourse", "torch"}
