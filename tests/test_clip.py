"""CLIP: loss, gradients and embeddings against transformers' own, tokens, cuts, unknown words, folders that are wrong, no network."""

import copy
import json
import math
import shutil
import warnings
from itertools import product
from pathlib import Path

import pytest
import stand_ins
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffcourse import Denoiser, DiffusionSchedule, guided, weights
from diffcourse.models import CLIP, DigitClassifier, TextEncoder, UNet2DCondition, contrastive_loss
from diffcourse.models.clip import learn_merges, learned_tokenizer, openai_tokenizer

transformers = pytest.importorskip("transformers")

LENGTH, WIDTH, SHARED = 12, 32, 24
CAPTIONS = [
    f"a {size} {colour} {digit} on {background}"
    for size, colour, digit, background in product(
        ("small", "big"), ("red", "green", "blue"), ("zero", "one", "two", "three", "seven"), ("black", "white", "grey")
    )
]
PROMPTS = ["a small red two on black", "", "seven", "a big blue three"]


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.CLIPTokenizer().train_new_from_iterator(CAPTIONS, vocab_size=500)


@pytest.fixture(scope="module")
def clip(tokenizer):
    """A whole CLIP with random weights; the text's config does not know how wide the shared space is, as is usual."""
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "max_position_embeddings": LENGTH,
    }
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": 1}
    image = {"hidden_size": 16, "intermediate_size": 32, "image_size": 8, "patch_size": 4, **layers}
    config = transformers.CLIPConfig(text_config={**text, **layers, **ends}, vision_config=image, projection_dim=SHARED)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.CLIPModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():  # norms and biases too
            p += 0.1 * torch.randn(p.shape, generator=generator)
    return model


@pytest.fixture(scope="module")
def folders(clip, tokenizer, tmp_path_factory):
    """What people have: the whole CLIP, its text half with and without projection, a Stable Diffusion, and half precision."""
    root = tmp_path_factory.mktemp("clip")
    text = transformers.CLIPTextModel(clip.config.text_config)
    text.load_state_dict(clip.text_model.state_dict())
    config = transformers.CLIPTextConfig(**{**clip.config.text_config.to_dict(), "projection_dim": SHARED})
    projected = transformers.CLIPTextModelWithProjection(config)
    projected.text_model.load_state_dict(clip.text_model.state_dict())
    projected.text_projection.load_state_dict(clip.text_projection.state_dict())
    for name, model in {"whole": clip, "text": text, "projected": projected}.items():
        model.save_pretrained(root / name)
        tokenizer.save_pretrained(root / name)
    text.save_pretrained(root / "diffusion" / "text_encoder")
    tokenizer.save_pretrained(root / "diffusion" / "tokenizer")
    shutil.copytree(root / "whole", root / "half")
    transformers.CLIPModel.from_pretrained(root / "whole", dtype=torch.float16).save_pretrained(root / "half")
    return root


@pytest.fixture(scope="module")
def encoder(folders):
    return TextEncoder.from_pretrained(folders / "whole")


def padded(tokenizer, prompts):
    return tokenizer(prompts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt").input_ids


# -- the numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["whole", "text", "projected", "diffusion"])
def test_embeddings_are_the_normed_last_hidden_states_of_transformers(folders, clip, tokenizer, name):
    encoder = TextEncoder.from_pretrained(folders / name)
    theirs = transformers.CLIPTextModel.from_pretrained(folders / "text").eval()
    out = encoder(PROMPTS)
    ids = padded(tokenizer, PROMPTS)
    assert out.shape == (4, LENGTH, WIDTH) == (4, encoder.length, encoder.dim)
    assert torch.equal(encoder.ids(PROMPTS), ids)
    torch.testing.assert_close(out, theirs(ids).last_hidden_state, atol=1e-6, rtol=0)
    torch.testing.assert_close(out, clip.text_model(ids).last_hidden_state, atol=1e-6, rtol=0)
    states = theirs(ids, output_hidden_states=True).hidden_states[-1]  # before the norm: another thing
    assert (states - out).abs().max() > 0.1
    torch.testing.assert_close(theirs.final_layer_norm(states), out, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", ["whole", "projected"])
def test_pooled_is_the_projected_text_feature_of_the_whole_clip(folders, clip, tokenizer, name):
    encoder = TextEncoder.from_pretrained(folders / name)
    features = clip.get_text_features(padded(tokenizer, PROMPTS)).pooler_output
    assert features.shape == (4, SHARED) and (features - features.mean(0)).abs().max() > 0.1
    torch.testing.assert_close(encoder.pooled(PROMPTS), features, atol=1e-6, rtol=0)


def test_pooled_needs_a_projection(folders):
    with pytest.raises(ValueError, match="pooled needs the projection of a CLIPModel; this encoder is a CLIPTextModel"):
        TextEncoder.from_pretrained(folders / "text").pooled(PROMPTS)


def test_pooled_reads_the_end_whatever_the_config_says_of_it(folders, clip, tokenizer):
    """eos_token_id = 2 in a config means "the largest id" to transformers: wrong for a small vocabulary. An unknown mark becomes an end."""
    encoder = TextEncoder.from_pretrained(folders / "whole")
    features = encoder.pooled(PROMPTS)
    encoder.text_model.config["eos_token_id"] = 2
    assert torch.equal(encoder.pooled(PROMPTS), features)
    with pytest.warns(UserWarning, match="unknown words: ','"):
        ids, comma = encoder.ids("two, on black"), encoder.pooled("two, on black")
    end = clip.text_projection(clip.text_model(ids).last_hidden_state[:, 5])  # start two , on black end
    assert ids[0, 2] == ids[0, 5] == tokenizer.eos_token_id
    torch.testing.assert_close(comma, end, atol=1e-6, rtol=0)


def test_half_precision_files_are_read_as_floats(folders, encoder):
    half = TextEncoder.from_pretrained(str(folders / "half"))
    assert {p.dtype for p in half.parameters()} == {torch.float32}
    torch.testing.assert_close(half(PROMPTS), encoder(PROMPTS), atol=0.05, rtol=0)


def test_a_word_is_not_changed_by_what_follows(encoder):
    short, long = encoder("a small red"), encoder("a small red two on black")
    torch.testing.assert_close(short[:, :4], long[:, :4], atol=1e-5, rtol=0)
    assert (short[:, 4:8] - long[:, 4:8]).abs().amax(dim=2).min() > 1e-2


@pytest.mark.parametrize("prompt", ["", "a small red seven", "seven " * 40])
@pytest.mark.filterwarnings("ignore:a prompt of:UserWarning")
def test_attention_is_that_of_transformers(encoder, prompt):
    network = transformers.CLIPTextModel(transformers.CLIPTextConfig(**encoder.text_model.config)).eval()
    network.load_state_dict(encoder.text_model.state_dict())
    network.set_attn_implementation("eager")  # the only one of theirs that returns its weights
    theirs = torch.cat(network(input_ids=encoder.ids(prompt), output_attentions=True).attentions)
    ours, n = encoder.attention(prompt), len(encoder.tokens(prompt))
    torch.testing.assert_close(ours, theirs[:, :, :n, :n], rtol=1e-5, atol=1e-6)


def test_one_string_is_one_prompt_and_batches_do_not_matter(encoder):
    together = encoder(PROMPTS)
    for i, prompt in enumerate(PROMPTS):
        torch.testing.assert_close(encoder(prompt), together[i : i + 1], atol=1e-5, rtol=0)
    assert torch.equal(encoder(tuple(PROMPTS)), together) and encoder.pooled("two").shape == (1, SHARED)


def test_it_is_frozen_and_quiet(folders, capfd):
    transformers.logging.set_verbosity_info()
    transformers.logging.enable_progress_bar()
    state = torch.get_rng_state()
    try:
        encoder = TextEncoder.from_pretrained(folders / "whole")
        assert transformers.logging.get_verbosity() == transformers.logging.INFO
        assert transformers.utils.logging.is_progress_bar_enabled()
    finally:
        transformers.logging.set_verbosity_warning()
    assert torch.equal(state, torch.get_rng_state())
    assert not encoder.training and not encoder(PROMPTS).requires_grad
    assert capfd.readouterr() == ("", "")


def test_a_small_network_draws_what_the_text_says(encoder):
    network = UNet2DCondition((16, 32), encoder.dim, heads=2, layers_per_block=1, norm_num_groups=8)
    torch.nn.init.normal_(network.conv_out.weight)
    for p in network.mid_block.parameters():
        torch.nn.init.normal_(p, std=0.1)
    model = Denoiser(network.eval(), DiffusionSchedule.scaled_linear(), null=encoder([""])[0])
    x, at = torch.randn(3, 4, 8, 8), model.schedule.at(500)
    with torch.no_grad():
        eps = guided(model, encoder(PROMPTS[:3]), 2.0)(x, at).eps
        torch.testing.assert_close(eps[1], model(x, at).eps[1], atol=1e-4, rtol=1e-4)  # the empty prompt is the null
    assert eps.shape == x.shape and (eps[0] - model(x, at).eps[0]).abs().max() > 1e-6


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_tokens_are_named_and_numbered(encoder, tokenizer):
    tokens = encoder.tokens("A big  RED two")
    assert [t.text for t in tokens] == ["<|startoftext|>", "a</w>", "big</w>", "red</w>", "two</w>", "<|endoftext|>"]
    assert [t.id for t in tokens] == tokenizer("a big red two").input_ids
    assert [t.id for t in tokens] == encoder.ids("A big  RED two")[0, :6].tolist()
    assert [t.text for t in encoder.tokens("")] == ["<|startoftext|>", "<|endoftext|>"]
    assert encoder.tokens("zebra")[1].text == "z"  # to look at, without a warning


def test_known_words_give_no_warning(encoder):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder(PROMPTS)
        encoder(CAPTIONS)
        encoder.pooled(CAPTIONS[:3])
        encoder.tokens("a zebra" * 20)


@pytest.mark.parametrize("words", [10, 11, 200])
def test_a_long_prompt_is_cut_and_says_by_how_much(encoder, tokenizer, words):
    prompt = " ".join(["red"] * words)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out, ids = encoder(prompt), encoder.ids(prompt)
    assert torch.equal(ids, padded(tokenizer, [prompt])) and out.shape == (1, LENGTH, WIDTH)
    assert ids[0, -1] == tokenizer.eos_token_id and len(encoder.tokens(prompt)) == LENGTH
    if words == 10:  # with start and end it just fits
        assert not caught
    else:
        says = (
            f"a prompt of {words + 2} tokens is longer than the 12 that this CLIP reads: the last {words - 10} were cut"
        )
        assert says in str(caught[0].message) and caught[0].filename == __file__


def test_what_is_cut_off_is_shown(encoder):
    with pytest.warns(UserWarning, match="the last 3 were cut, from 'blue three on' on"):
        encoder("a small red two on white a big green seven blue three on")


@pytest.mark.parametrize(
    "prompt, unknown",
    [
        ("a small zebra", "'zebra'"),
        (
            "Two THREES on a Purple zebra",
            "'THREES', 'Purple', 'zebra'",
        ),  # as typed; "three" is known, its plural is not
        ("redgreen", "'redgreen'"),  # out of pieces that are long
        ("a red two!", "'!'"),
        ("one é", "'é'"),
        ("red red red red red red red red red red red zebra", "'zebra'"),  # in the part that is cut off
    ],
)
def test_unknown_words_are_named(encoder, prompt, unknown):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encoder(["red", prompt, prompt])
    assert f"unknown words: {unknown}. They are not among" in str(caught[-1].message)
    assert caught[-1].filename == __file__


@pytest.mark.parametrize("prompts", [[], [3], ["red", None], None, 7, [["red"]]])
def test_prompts_that_are_none_are_told(encoder, prompts):
    with pytest.raises(TypeError, match=r"prompts must be a string or a list of at least one string, got "):
        encoder(prompts)


# -- loading -----------------------------------------------------------------------------------------------------------


def test_saved_and_loaded_it_says_the_same(encoder, folders, tmp_path):
    again = weights.load(weights.save(tmp_path / "text", encoder))
    assert torch.equal(again(PROMPTS), encoder(PROMPTS)) and torch.equal(again.pooled(PROMPTS), encoder.pooled(PROMPTS))
    assert again.config == encoder.config == json.loads(json.dumps(encoder.config))
    assert not any(p.requires_grad for p in again.parameters())
    alone = TextEncoder.from_pretrained(folders / "text")
    again = weights.load(weights.save(tmp_path / "alone", alone))
    assert torch.equal(again(PROMPTS), alone(PROMPTS)) and again.text_projection is None


def test_tokens_that_were_added_are_kept(clip, tokenizer, tmp_path):
    """Textual inversion: a new word with an embedding of its own."""
    words, model = copy.deepcopy(tokenizer), copy.deepcopy(clip)
    words.add_tokens(["<cat-toy>", transformers.AddedToken("<Dog>", single_word=True, lstrip=True)])
    words.add_tokens(["<new>"], special_tokens=True)
    model.text_model.resize_token_embeddings(len(words))
    encoder, prompts = TextEncoder(model, words), ["a <cat-toy> two", "<Dog> big<new> red"]
    encoder.save_pretrained(tmp_path / "folder")
    for again in (
        TextEncoder.from_pretrained(tmp_path / "folder"),
        weights.load(weights.save(tmp_path / "text", encoder)),
        weights.load(weights.save(tmp_path / "clip", CLIP(model, words))).text,
    ):
        assert again.config == encoder.config and torch.equal(again.ids(prompts), encoder.ids(prompts))
        assert (again.ids(prompts) >= len(tokenizer)).sum() == 3 and torch.equal(again(prompts), encoder(prompts))
        assert again.tokenizer.tokenize("a <dog> <Dog>big") == words.tokenize("a <dog> <Dog>big")


def test_a_tokenizer_that_was_changed_in_another_way_is_not_saved_as_it_was_before(clip, tokenizer, tmp_path):
    from tokenizers.normalizers import Replace

    words = copy.deepcopy(tokenizer)
    words.backend_tokenizer.normalizer = Replace("cats", "dogs")
    with pytest.raises(ValueError, match="tokenizer is not that of a CLIP: more of it was changed than its tokens"):
        weights.save(tmp_path / "text", TextEncoder(clip, words))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["openai/clip-vit-large-patch14", "clip-of-mine"])
def test_a_name_without_a_network_says_how_to_get_the_file(name):
    with pytest.raises(
        FileNotFoundError, match=f"'{name}' is neither a folder here nor in the cache .* `hf download {name}`"
    ):
        TextEncoder.from_pretrained(name)


@pytest.mark.parametrize("name", ["./nowhere", "/no/where", "a/b/c", "~/no-such-folder-of-mine"])
def test_a_folder_that_is_not_there_is_no_name(name):
    with pytest.raises(FileNotFoundError, match=f"there is no folder '{name}'"):
        TextEncoder.from_pretrained(name)


def without(*files):
    return lambda folder: [(folder / file).unlink() for file in files]


def change(**entries):
    def do(folder):
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")

    return do


def truncate(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def lose_a_tensor(folder):
    import safetensors.torch

    tensors = safetensors.torch.load_file(folder / "model.safetensors")
    tensors.pop("text_model.final_layer_norm.weight")
    safetensors.torch.save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    "damage, says",
    [
        (without("config.json"), r"has no CLIP model: save one there .*; it holds model.safetensors, tokenizer"),
        (without("model.safetensors"), r"has no CLIP weights \(model.safetensors\); it holds config.json"),
        (without("tokenizer.json"), "has no CLIP tokenizer: save it there too"),
        (change(model_type="bert"), "holds a model of type 'bert', not a CLIP"),
        (
            change(model_type=None, _class_name="UNet2DConditionModel"),
            "holds a model of type 'UNet2DConditionModel', not",
        ),
        (truncate, "cannot be read as a CLIP: "),
        (lose_a_tensor, "the weights lack text_model.final_layer_norm.weight"),
    ],
)
def test_a_wrong_folder_is_told(folders, tmp_path, damage, says):
    folder = tmp_path / "mine"
    shutil.copytree(folders / "whole", folder)
    damage(folder)
    with pytest.raises((OSError, ValueError), match=says) as error:
        TextEncoder.from_pretrained(folder)
    assert "mine" in str(error.value)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"has no CLIP model: .*; it holds nothing"):
        TextEncoder.from_pretrained(tmp_path)


def test_a_model_and_a_tokenizer_that_are_strangers_are_told(clip, tokenizer):
    larger = transformers.CLIPTokenizer().train_new_from_iterator(
        [*CAPTIONS, "purple zebras under yellow umbrellas"], 600
    )
    with pytest.raises(
        ValueError, match=f"tokenizer has {len(larger)} tokens, but model has embeddings for {len(tokenizer)}"
    ):
        TextEncoder(clip, larger)
    with pytest.raises(TypeError, match="model must be a CLIPModel or CLIPTextModel of transformers, got Linear"):
        TextEncoder(torch.nn.Linear(1, 1), tokenizer)
    assert torch.equal(TextEncoder(clip.text_model, tokenizer)("two"), TextEncoder(clip, tokenizer)("two"))


# -- both halves -------------------------------------------------------------------------------------------------------


@pytest.fixture
def both(clip, tokenizer):
    return CLIP(clip, tokenizer)


@pytest.fixture(scope="module")
def images():
    return torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def test_embeddings_logits_and_loss_are_those_of_transformers(both, clip, tokenizer, images):
    theirs = clip(input_ids=padded(tokenizer, PROMPTS), pixel_values=images, return_loss=True)
    torch.testing.assert_close(both.encode_images(images), theirs.image_embeds, atol=1e-6, rtol=0)
    torch.testing.assert_close(both.encode_texts(PROMPTS), theirs.text_embeds, atol=1e-6, rtol=0)
    torch.testing.assert_close(both.logits(images, PROMPTS), theirs.logits_per_image, atol=1e-5, rtol=0)
    torch.testing.assert_close(both.logits(images, PROMPTS[:1]), theirs.logits_per_image[:, :1], atol=1e-5, rtol=0)
    assert both.loss(images, PROMPTS).item() == pytest.approx(theirs.loss.item(), abs=1e-6)
    assert theirs.logits_per_image.std() > 0.1 and both.loss(images, PROMPTS[::-1]) != both.loss(images, PROMPTS)


def test_gradients_are_those_of_transformers_and_reach_every_parameter(clip, tokenizer, images):
    twin = CLIP(**CLIP(clip, tokenizer).config)
    twin.load_state_dict(CLIP(clip, tokenizer).state_dict())
    assert not any(p.requires_grad for p in twin.parameters())
    twin.requires_grad_(True).loss(images, PROMPTS).backward()
    clip.requires_grad_(True).zero_grad()
    clip(input_ids=padded(tokenizer, PROMPTS), pixel_values=images, return_loss=True).loss.backward()
    ours = {name.removeprefix("text."): p.grad for name, p in twin.named_parameters()}
    theirs = {name: p.grad for name, p in clip.named_parameters()}
    clip.requires_grad_(False).zero_grad()
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, atol=1e-6, rtol=1e-4, msg=name)
        assert gradient.abs().max() > 0, name


def test_the_scale_is_held_at_100(both, images):
    twin = CLIP(**both.config).requires_grad_(True)
    with torch.no_grad():
        twin.logit_scale.fill_(7.0)
    twin.loss(images, PROMPTS).backward()
    assert twin.logit_scale.item() == pytest.approx(math.log(100)) and twin.logit_scale.grad != 0
    assert both.logit_scale.item() == pytest.approx(math.log(1 / 0.07), abs=0.5)  # below it, as it was


@pytest.mark.parametrize("half", [False, True])
def test_both_halves_come_back_with_their_words(both, images, tmp_path, half):
    path = weights.save(tmp_path / "both", both, half=half)
    again = weights.load(path)
    assert again.config == both.config == json.loads(json.dumps(both.config))
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    with torch.no_grad():
        if half:
            torch.testing.assert_close(again.logits(images, PROMPTS), both.logits(images, PROMPTS), atol=0.05, rtol=0)
        else:
            assert torch.equal(again.logits(images, PROMPTS), both.logits(images, PROMPTS))
            assert torch.equal(again.text(PROMPTS), both.text(PROMPTS))
    assert again.text.tokens("a big red two") == both.text.tokens("a big red two")
    stored = sum(t.numel() for t in weights.tensors(path).values())
    assert stored == sum(p.numel() for p in both.parameters())  # each once


def test_a_shipped_clip_is_found_by_its_name(both, tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    weights.save(tmp_path / "our-clip", both)
    weights.save(tmp_path / "our-text", both.text)
    weights.save(tmp_path / "our-judge", DigitClassifier(width=8))
    for name in ("our-clip", "our-text"):
        found = TextEncoder.from_pretrained(name, "cpu")
        assert isinstance(found, TextEncoder) and torch.equal(found(PROMPTS), both.text(PROMPTS))
        assert torch.equal(found.pooled(PROMPTS), both.text.pooled(PROMPTS))
    with pytest.raises(ValueError, match="'our-judge' is a DigitClassifier, not a CLIP"):
        TextEncoder.from_pretrained("our-judge")
    with pytest.raises(FileNotFoundError, match="'our-clop' is neither"):
        TextEncoder.from_pretrained("our-clop")
    monkeypatch.chdir(tmp_path)
    mine = stand_ins.spoken(TextEncoder(**both.text.config))
    with pytest.raises(ValueError, match="'our-clip' is the name of shipped weights"):
        mine.save_pretrained("our-clip")
    mine.save_pretrained("./our-clip")  # a folder of one's own is a path, and its name is what ships
    assert torch.equal(TextEncoder.from_pretrained("our-clip")(PROMPTS), both.text(PROMPTS))
    for own in ("./our-clip", Path("our-clip")):
        assert torch.equal(TextEncoder.from_pretrained(own)(PROMPTS), mine(PROMPTS))


def test_a_clip_of_one_half_and_images_of_another_size_are_told(both, clip, tokenizer):
    for model in (clip.text_model, torch.nn.Linear(1, 1)):
        with pytest.raises(TypeError, match="model must be a CLIPModel of transformers, with both halves, got "):
            CLIP(model, tokenizer)
    for bad in (torch.zeros(2, 3, 16, 16), torch.zeros(2, 1, 8, 8), torch.zeros(3, 8, 8), "a picture"):
        with pytest.raises(ValueError, match=r"images must be a tensor \(B, 3, 8, 8\), got "):
            both.encode_images(bad)


# -- the contrastive loss ----------------------------------------------------------------------------------------------


def by_hand(logits, same):
    """Written out, entry by entry, in float64."""
    N, total = len(logits), 0.0
    for i in range(N):
        for line, skip in ((logits[i], same[i]), (logits[:, i], same[:, i])):
            rivals = sum(math.exp(line[j]) for j in range(N) if j == i or not skip[j])
            total -= line[i].item() - math.log(rivals)
    return total / (2 * N)


@pytest.mark.slow
@given(seed=st.integers(0, 1000), n=st.integers(1, 6))
def test_the_loss_is_its_formula(seed, n):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(n, n, generator=generator, dtype=torch.float64)
    same = torch.rand(n, n, generator=generator) < 0.3
    nothing = torch.zeros(n, n, dtype=torch.bool)
    assert contrastive_loss(logits).item() == pytest.approx(by_hand(logits, nothing), abs=1e-12)
    assert contrastive_loss(logits, same).item() == pytest.approx(by_hand(logits, same), abs=1e-12)
    assert contrastive_loss(logits, same) <= contrastive_loss(logits) + 1e-12  # fewer rivals
    assert contrastive_loss(logits, nothing) == contrastive_loss(logits)
    assert contrastive_loss(logits.T).item() == pytest.approx(contrastive_loss(logits).item(), abs=1e-12)


def test_guessing_costs_the_logarithm_of_the_batch_and_knowing_nothing():
    assert contrastive_loss(torch.zeros(32, 32)).item() == pytest.approx(math.log(32))
    assert contrastive_loss(100 * torch.eye(32)).item() == pytest.approx(0, abs=1e-6)
    assert contrastive_loss(100 * torch.eye(32).roll(1, 0)).item() == pytest.approx(100)


def test_pairs_that_are_left_out_are_not_pushed():
    logits = torch.zeros(3, 3, requires_grad=True)
    same = torch.zeros(3, 3, dtype=torch.bool)
    same[0, 2] = True
    contrastive_loss(logits, same).backward()
    assert logits.grad[0, 2] == 0 and logits.grad[2, 0] > 0 and (logits.grad.diagonal() < 0).all()


@pytest.mark.parametrize(
    ("logits", "same", "says"),
    [
        (torch.zeros(2, 3), None, r"logits must be \(N, N\), .* got \(2, 3\)"),
        (torch.zeros(0, 0), None, "logits must be"),
        (torch.zeros(2, 2), torch.zeros(2, 2), r"same must be bool \(2, 2\), got torch.float32"),
        (
            torch.zeros(2, 2),
            torch.zeros(3, 3, dtype=torch.bool),
            r"same must be bool \(2, 2\), got torch.bool \(3, 3\)",
        ),
    ],
)
def test_logits_that_are_no_square_are_told(logits, same, says):
    with pytest.raises(ValueError, match=says):
        contrastive_loss(logits, same)


# -- OpenAI's vocabulary -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openai():
    return openai_tokenizer()


@pytest.mark.parametrize(
    "prompt, ids",
    [
        ("a dog wearing hat", [49406, 320, 1929, 3309, 3801, 49407]),
        ("", [49406, 49407]),
        (
            "A photograph of an Astronaut riding a horse!",
            [49406, 320, 8853, 539, 550, 18376, 6765, 320, 4558, 256, 49407],
        ),
        (
            "it's 2 o'clock,   isn't it?",
            [49406, 585, 568, 273, 334, 262, 6716, 267, 2923, 713, 585, 286, 49407],
        ),
        ("wolpertinger é 日本 😀", [49406, 2798, 36970, 3541, 4166, 39121, 19277, 361, 7334, 49407]),
    ],
)  # open_clip 3.3
def test_the_vocabulary_of_openai_gives_the_numbers_of_open_clip(openai, prompt, ids):
    assert openai(prompt).input_ids == ids


def test_a_dog_wearing_hat_in_77_numbers(openai):
    padded = openai("a dog wearing hat", padding="max_length", truncation=True, max_length=77)
    assert padded.input_ids == [49406, 320, 1929, 3309, 3801] + 72 * [49407] and sum(padded.attention_mask) == 6
    assert len(openai) == 49408 and (openai.bos_token_id, openai.eos_token_id, openai.pad_token_id) == (
        49406,
        49407,
        49407,
    )


def test_a_large_vocabulary_spells_only_what_is_no_word(openai):
    config = transformers.CLIPTextConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    encoder = TextEncoder(transformers.CLIPTextModel(config), openai)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "error"
        )  # words in a few long pieces are none to warn of; nor are digits, marks and faces
        assert encoder("An astronaut's wolpertinger, 42 zebras --> naïve 😀!").shape == (1, 77, 8)
    with pytest.warns(UserWarning, match="unknown words: 'xqzvkj', '日本'"):
        encoder("a xqzvkj in 日本")
    with pytest.warns(
        UserWarning, match="a prompt of 202 tokens is longer than the 77 .*: the last 125 were cut, from 'dog dog"
    ):
        encoder("dog " * 200)


# -- a vocabulary of one's own -----------------------------------------------------------------------------------------


def test_a_learned_tokenizer_cuts_texts_as_that_of_transformers_does(tokenizer):
    ours = learned_tokenizer(CAPTIONS)
    for text in CAPTIONS:
        pieces = ours.convert_ids_to_tokens(ours(text).input_ids)
        assert pieces == tokenizer.convert_ids_to_tokens(tokenizer(text).input_ids)
        assert pieces[1:-1] == [word + "</w>" for word in text.split()]
        assert ours.decode(ours(text).input_ids, skip_special_tokens=True) == text
    assert ours.convert_ids_to_tokens(ours("RED  zoo").input_ids)[1:-1] == ["red</w>", "z", "o", "o</w>"]
    assert ours.convert_ids_to_tokens(ours("red!").input_ids)[1:-1] == ["red</w>", ours.unk_token]
    assert ours.eos_token_id == ours.pad_token_id == ours.unk_token_id == ours.bos_token_id + 1 == len(ours) - 1


def test_it_is_the_same_for_the_same_texts_in_any_order():
    a, b = (learned_tokenizer(texts).get_vocab() for texts in (CAPTIONS, CAPTIONS[::-1]))
    assert a == b and sorted(a.values()) == list(range(len(a)))
    with pytest.raises(ValueError, match="texts hold no word"):
        learned_tokenizer(["", " "])


def test_merges_are_learned_in_the_order_of_tokenizers():
    """The most frequent pairs of the paper's example: e r</w> (9 times), then l o (7); later ones meet equally often."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    words = {"low": 5, "lowest": 2, "newer": 6, "wider": 3}
    theirs = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    theirs.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=100, end_of_word_suffix="</w>", show_progress=False)
    theirs.train_from_iterator([word for word, n in words.items() for _ in range(n)], trainer)
    want = [tuple(pair) for pair in json.loads(theirs.to_str())["model"]["merges"]]
    ours = learn_merges(words)
    assert ours[:2] == want[:2] == [("e", "r</w>"), ("l", "o")] and len(ours) == len(want)
    assert {"".join(pair) for pair in ours} >= {word + "</w>" for word in words}
    assert learn_merges({"a": 3}) == []


@given(words=st.dictionaries(st.text("abc", min_size=1, max_size=7), st.integers(1, 9), min_size=1, max_size=6))
def test_whatever_the_words_each_becomes_one_token(words):
    """Learned here, applied by transformers."""
    tokenizer = learned_tokenizer([word for word, n in words.items() for _ in range(n)])
    for word in words:
        assert tokenizer.tokenize(word) == [word + "</w>"]
    assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))
