"""LoRA, a new word and ControlNet: no change at the start, only they learn, and what they make is what by hand comes out."""

import copy

import pytest
import stand_ins
import torch
from torch import nn

from diffcourse import (
    ControlNet,
    Denoiser,
    LatentDiffusion,
    LoRA,
    TextEncoder,
    UNet2DCondition,
    add_lora,
    add_word,
    controlled,
    fit,
    merge_lora,
    recipes,
    weights,
)
from diffcourse.adapters import Controlled, drop_lora, set_scale
from diffcourse.models.clip import learned_tokenizer
from diffcourse.models.text import TextTransformer

PROMPTS = ["a large red seven on blue", "small 3, white on black"]
LAYERS = 4 * 2 * 4  # linear layers: of four places with a transformer, each with two attentions of four


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(*shape, seed=0):
    return torch.randn(shape, generator=seeded(seed))


def drawn_numbers(seed=5):
    return torch.stack([noise(1, 16, 16, seed=seed + i) for i in range(2)])


X, T, COND = noise(2, 4, 8, 8), torch.tensor([10.0, 700.0]), noise(2, 12, 128, seed=1)
OUTLINES = (drawn_numbers() > 1).float()
SKETCH = OUTLINES[:1]


@pytest.fixture
def model():
    return stand_ins.latent_diffusion()


@pytest.fixture
def network(model):
    return model.denoiser.network


def said(network, *more):
    with torch.no_grad():
        return network(X, T, COND, *more)


def learnt(module, seed=7):
    """The same with noise on all that is to be learnt: a training in no time."""
    with torch.no_grad():
        for i, p in enumerate(p for p in module.parameters() if p.requires_grad):
            p += 0.2 * noise(*p.shape, seed=seed + i)
    return module


def two_steps(module, loss, lr=1e-2):
    """Train for two steps; the names of the parameters that moved in the first, and in both."""
    states = [copy.deepcopy(module.state_dict())]
    for _ in fit(module, torch.arange(8), loss, steps=2, batch_size=2, lr=lr, warmup=0):
        states.append(copy.deepcopy(module.state_dict()))
    return [{k for k, v in state.items() if not torch.equal(v, states[0][k])} for state in states[1:]]


# -- LoRA ---------------------------------------------------------------------------------------------------------------


def test_a_fresh_lora_changes_no_bit(network):
    before = said(network)
    add_lora(network, 2)
    assert torch.equal(said(network), before)
    assert sum(isinstance(part, LoRA) for part in network.modules()) == LAYERS


def test_a_lora_of_scale_0_is_the_model_without(network):
    before = said(network)
    add_lora(network, 4)
    learnt(network)
    assert (said(network) - before).abs().max() > 1e-2
    set_scale(network, 0)
    assert torch.equal(said(network), before)


@pytest.mark.parametrize("scale", [1.0, 0.5, -2.0])
def test_merged_is_unmerged(network, scale):
    plain, names = copy.deepcopy(network), network.state_dict().keys()
    add_lora(network, 3, scale)
    learnt(network)
    want = said(network)
    merge_lora(network)
    assert torch.allclose(said(network), want, atol=1e-5, rtol=1e-5)
    assert (want - said(plain)).abs().max() > 1e-2
    assert network.state_dict().keys() == names and not any(isinstance(part, LoRA) for part in network.modules())


def test_a_merged_layer_is_the_weight_and_the_product_by_hand():
    linear = nn.Linear(7, 5)
    lora = learnt(LoRA(linear, 2, 0.7))
    assert torch.allclose(lora.merged().weight, linear.weight + 0.7 * torch.einsum("or,ri->oi", lora.up, lora.down))
    assert torch.equal(lora.merged().bias, linear.bias) and lora.merged().weight is not linear.weight
    assert not any(p.requires_grad for p in lora.merged().parameters())
    x = noise(3, 2, 7)
    assert torch.allclose(lora(x), lora.merged()(x), atol=1e-6)
    assert torch.linalg.matrix_rank(lora.merged().weight - linear.weight, tol=1e-4) == 2


def test_a_lora_that_is_dropped_leaves_the_network_to_the_last_bit(network):
    before, state = said(network), copy.deepcopy(network.state_dict())
    add_lora(network, 4)
    learnt(network)
    drop_lora(network)
    assert torch.equal(said(network), before)
    assert network.state_dict().keys() == state.keys()
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())


def test_the_gradient_of_a_lora_is_that_of_finite_differences():
    lora = learnt(LoRA(nn.Linear(4, 3), 2, 0.7)).double()
    x = noise(2, 5, 4, seed=3).double().requires_grad_()

    def output(x, down, up):
        return torch.func.functional_call(lora, {"down": down, "up": up}, (x,)).sin()

    assert torch.autograd.gradcheck(output, (x, lora.down, lora.up))


def test_down_is_gaussian_and_up_is_zero():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        lora = LoRA(nn.Linear(2000, 1000), 5)
    assert not lora.up.any()
    down, n = lora.down.detach(), lora.down.numel()  # the standard deviation of a standard deviation is s/sqrt(2n)
    assert abs(float(down.std()) - 1 / 5) < 4 / 5 / (2 * n) ** 0.5 and abs(float(down.mean())) < 4 / 5 / n**0.5


def test_a_lora_depends_on_its_seed_alone(network):
    twin, other = copy.deepcopy(network), copy.deepcopy(network)
    before = torch.get_rng_state()
    one, same, else_ = add_lora(network, 2, seed=3), add_lora(twin, 2, seed=3), add_lora(other, 2, seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(one[::2], else_[::2], strict=True))


def test_only_what_a_lora_adds_learns(model, network):
    names = {id(p): name for name, p in model.named_parameters()}
    given = add_lora(network, 2)
    assert [p for p in model.parameters() if p.requires_grad] == given and len(given) == 2 * LAYERS
    assert not names.keys() & {id(p) for p in given}
    latents = noise(8, 4, 8, 8)

    def loss(network, batch, generator):
        return model.denoiser.loss(latents[batch], COND[:1].expand(len(batch), -1, -1), generator=generator)

    first, both = two_steps(network, loss)
    assert {name.split(".")[-1] for name in first} == {"up"} and len(
        first
    ) == LAYERS  # up is 0: down has no gradient yet
    assert {name.split(".")[-1] for name in both} == {"up", "down"} and len(both) == 2 * LAYERS


def test_a_merged_model_is_saved_and_read_as_before(model, network, tmp_path):
    add_lora(network, 2)
    learnt(network)
    with pytest.raises(
        TypeError, match=r"attn1.to_q is a LoRA, which a saved network has no place for: merge_lora first"
    ):
        weights.save(tmp_path / "mine", model)
    with pytest.raises(
        TypeError, match=r"attn1.to_q is a LoRA, which a saved network has no place for: merge_lora first"
    ):
        model.save(tmp_path / "folder")
    assert not list(tmp_path.iterdir())
    merge_lora(model)
    for again in (
        weights.load(weights.save(tmp_path / "mine", model)),
        LatentDiffusion.from_pretrained(model.save(tmp_path / "folder")),
    ):
        assert torch.equal(said(again.denoiser.network), said(network))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda net: LoRA(nn.Conv2d(2, 2, 1), 1), TypeError, "linear must be an nn.Linear, got Conv2d"),
        (lambda net: LoRA(nn.Linear(3, 5), 4), ValueError, r"rank must be in \[1, 3\], got 4"),
        (lambda net: LoRA(nn.Linear(3, 5), 1, "much"), TypeError, "scale must be a finite number, got str 'much'"),
        (lambda net: add_lora(net, 0), ValueError, r"rank must be in \[1, 16\], got 0"),
        (lambda net: add_lora(net, 17), ValueError, r"rank must be in \[1, 16\], got 17"),  # one of width 32 has room
        (lambda net: add_lora(net, 1.5), TypeError, "rank must be a whole number, got float 1.5"),
        (lambda net: add_lora(net, 1, float("nan")), ValueError, "scale must be a finite number, got nan"),
        (lambda net: add_lora(nn.Linear(2, 2), 1), ValueError, "module must hold attention layers of a UNet2DCond"),
        (lambda net: add_lora("net", 1), TypeError, "module must be a network, or what holds one, got str 'net'"),
        (merge_lora, ValueError, "module must hold a LoRA, got a UNet2DCondition without: add_lora"),
        (drop_lora, ValueError, "module must hold a LoRA, got a UNet2DCondition without: add_lora"),
        (lambda net: set_scale(net, 1), ValueError, "module must hold a LoRA, got a UNet2DCondition without: add_lora"),
    ],
)
def test_what_is_no_lora_is_told_and_nothing_has_changed(network, call, error, told):
    with pytest.raises(error, match=told):
        call(network)
    assert not any(isinstance(part, LoRA) for part in network.modules())
    assert all(p.requires_grad for p in network.parameters())


def test_a_second_lora_waits_for_the_first(network):
    add_lora(network, 1)
    with pytest.raises(ValueError, match=r"module has a LoRA already: merge_lora\(module\) first, or drop_lora"):
        add_lora(network, 1)
    merge_lora(network)
    add_lora(network, 1)


# -- a new word ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def text_once():
    return stand_ins.spoken(recipes.seeded_build(recipes.tiny_clip, 0)).text.requires_grad_(False)


@pytest.fixture
def text(text_once):
    return copy.deepcopy(text_once)


def table(text):
    return text.text_model.embeddings.token_embedding.weight


def test_prompts_without_the_new_word_have_the_same_states_to_the_bit(text):
    before, ids, rows = text([*PROMPTS, ""]), text.ids(PROMPTS), table(text).clone()
    row = add_word(text, "<violet>")
    assert torch.equal(text([*PROMPTS, ""]), before) and torch.equal(text.ids(PROMPTS), ids)
    assert row == len(rows) and table(text).shape == (row + 1, text.dim) and torch.equal(table(text)[:row], rows)
    assert torch.allclose(table(text)[row], rows.mean(dim=0), atol=1e-6)
    assert not table(text).requires_grad


def test_the_new_word_is_one_token_wherever_it_stands(text):
    assert text.number_of("<violet>") is None
    row = add_word(text, "<violet>", like="blue")
    assert text.number_of("<violet>") == row and torch.equal(table(text)[row], table(text)[text.number_of("blue")])
    for prompt in ("a large <violet> seven", "A Large <Violet> Seven", "<violet> seven", "seven on <violet>"):
        tokens = text.tokens(prompt)
        assert [token.id for token in tokens].count(row) == 1 and text.ids(prompt).tolist()[0].count(row) == 1
        (span,) = [s for s, token in zip(text.spans(prompt), tokens, strict=True) if token.id == row]
        assert prompt[slice(*span)].lower() == "<violet>"
    assert torch.equal(text("a <violet> 3"), text("a blue 3"))  # it starts as that word
    second = add_word(text, "<teal>")
    assert second == row + 1 and text.number_of("<violet>") == row and text.number_of("<teal>") == second


def test_a_new_word_alone_learns_where_its_row_alone_is_given_a_gradient(text):
    row = add_word(text, "<violet>", like="blue")
    weight = table(text).requires_grad_(True)
    text("a <violet> 3").square().sum().backward()
    assert weight.grad[row].any()
    assert not weight.grad[text.number_of("blue")].any()  # its own row is another


@pytest.mark.parametrize("first", [False, True])
def test_transformers_tokenizer_gives_the_same_numbers(text, first):
    prompts = ["a large <violet> 7", "A <VIOLET>  7 on Blue", "<violet>7", "x<violet>y", "a  \n7, <violet>.", "<violet"]
    if first:  # the word is given to transformers' own, or to ours
        text.tokenizer  # noqa: B018
    add_word(text, "<violet>")
    ours = [[token.id for token in text.tokens(prompt)] for prompt in prompts]
    twin = TextEncoder(**text.config)
    theirs = text.tokenizer(prompts).input_ids
    assert theirs == ours == [[token.id for token in twin.tokens(prompt)] for prompt in prompts]
    assert len(text.tokenizer) == len(twin._words) == text.text_model.config["vocab_size"]
    assert [prompt.lower().count("<violet>") for prompt in prompts] == [row.count(len(twin._words) - 1) for row in ours]


def test_a_table_with_rows_to_spare_keeps_them():
    words = learned_tokenizer(["a red two", "blue"])
    sizes = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2)
    ends = {name: getattr(words, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = TextEncoder(TextTransformer(len(words) + 2, **sizes, **ends, max_position_embeddings=9), words)
    rows, n = table(text).clone(), len(words)
    assert add_word(text, "<a>") == n and table(text).shape == rows.shape
    assert torch.allclose(table(text)[n], rows[:n].mean(dim=0)) and torch.equal(table(text)[n + 1 :], rows[n + 1 :])
    assert [add_word(text, word) for word in ("<b>", "<c>")] == [n + 1, n + 2] and len(table(text)) == n + 3


def test_a_model_with_a_new_word_is_saved_and_read_again(tmp_path, text):
    parts = stand_ins.latent_diffusion()
    denoiser = Denoiser(parts.denoiser.network, parts.denoiser.schedule, null=text("")[0])
    model = LatentDiffusion(parts.autoencoder, denoiser, text, size=16)
    row = add_word(text, "<violet>", like="blue")
    table(text)[row] += 0.1
    prompts, asked = ["a <violet> 3", "a blue 3"], {"steps": 2, "progress": False}
    want = model.generate(prompts, **asked)
    assert not torch.equal(want[0], model.generate("a blue 3", **asked)[0])
    for again in (
        weights.load(weights.save(tmp_path / "mine", model)),
        LatentDiffusion.from_pretrained(model.save(tmp_path / "folder")),
    ):
        assert again.text.number_of("<violet>") == row and torch.equal(again.text(prompts), text(prompts))
        assert torch.allclose(again.generate(prompts, **asked), want, atol=1e-5)


@pytest.mark.slow
def test_a_changed_text_encoder_is_not_stored_as_the_one_that_ships(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "SHIPPED", stand_ins.ship(tmp_path))
    text = weights.load("tiny-clip").text
    network, vae = stand_ins.latent_diffusion().denoiser.network, weights.load("captioned-vae")
    model = LatentDiffusion(
        vae, Denoiser(network, stand_ins.latent_diffusion().denoiser.schedule, null=text("")[0]), text
    )
    small = weights.save(tmp_path / "small", model, parts={"text": "tiny-clip"})
    add_word(text, "<violet>")
    with pytest.raises(ValueError, match="parts: the text of model is not 'tiny-clip'"):
        weights.save(tmp_path / "mine", model, parts={"text": "tiny-clip"})
    whole = weights.load(weights.save(tmp_path / "mine", model))
    assert torch.equal(whole.text("a <violet> 3"), text("a <violet> 3"))
    assert weights.load(small).text.number_of("<violet>") is None


@pytest.mark.parametrize(
    ("word", "like", "told"),
    [
        ("blue", None, "word 'blue' is a token already: choose one that is not known, such as '<blue>'"),
        ("<violet>", "wolpertinger", "like must be a word that is one token of this encoder, got 'wolpertinger'"),
        ("<violet>", "", "like must be a word that is one token of this encoder, got ''"),
        ("two words", None, "word must be one word in small letters, without blanks, got 'two words'"),
        ("<Violet>", None, "word must be one word in small letters, without blanks, got '<Violet>'"),
        ("", None, "word must be one word in small letters, without blanks, got ''"),
        (7, None, "word must be one word in small letters, without blanks, got 7"),
    ],
)
def test_words_that_cannot_be_are_told_and_nothing_has_changed(text, word, like, told):
    before = text.config
    with pytest.raises(ValueError, match=told):
        add_word(text, word, like)
    assert text.config == before


def test_a_word_is_given_to_a_text_encoder(model):
    with pytest.raises(TypeError, match="text must be a TextEncoder, got LatentDiffusion"):
        add_word(model, "<violet>")


# -- ControlNet ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def control(network):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return ControlNet(network, factor=2)


def draw(model, prompts=PROMPTS, **options):
    return model.generate(prompts, **{"steps": 3, "guidance": 3.0, "progress": False, **options})


def test_a_fresh_control_changes_no_bit(model, network, control):
    assert torch.equal(said(Controlled(network, control, OUTLINES)), said(network))
    assert torch.equal(draw(controlled(model, control, OUTLINES)), draw(model))


def test_a_control_of_scale_0_is_the_model_without(model, network, control):
    learnt(control)
    assert torch.equal(said(Controlled(network, control, OUTLINES, 0)), said(network))
    assert (said(Controlled(network, control, OUTLINES)) - said(network)).abs().max() > 1e-2


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_controlled_network_is_the_network_with_something_added_to_its_skips_and_middle(network, control, scale):
    learnt(control)
    encoder, added = control.encoder, []
    with torch.no_grad():  # the copy's way down, block by block
        emb, cond = encoder._read(X, T, COND)
        h = encoder.conv_in(X) + control.hint(OUTLINES)
        skips = [h]
        for block in encoder.down_blocks:
            h = block(h, emb, cond, skips)
        added = [zero(y) for zero, y in zip(control.zeros, [*skips, encoder.mid_block(h, emb, cond)], strict=True)]

        emb, cond = network._read(X, T, COND)  # and the network's, there and back
        h = network.conv_in(X)
        skips = [h]
        for block in network.down_blocks:
            h = block(h, emb, cond, skips)
        h = network.mid_block(h, emb, cond) + scale * added[-1]
        skips = [skip + scale * y for skip, y in zip(skips, added[:-1], strict=True)]
        for block in network.up_blocks:
            h = block(h, emb, cond, skips)
        want = network.conv_out(nn.functional.silu(network.conv_norm_out(h)))
    assert torch.allclose(said(Controlled(network, control, OUTLINES, scale)), want, atol=1e-6)


def test_skips_have_the_channels_that_are_told():
    for config in (
        {"block_out_channels": (8, 16, 16), "layers_per_block": 2},
        {"block_out_channels": (8,), "layers_per_block": 1},
        {"block_out_channels": (4, 8, 12, 16), "layers_per_block": 3},
    ):
        network = UNet2DCondition(**config, cross_attention_dim=5, heads=2, norm_num_groups=4)
        with torch.no_grad():
            skips, middle = network.encode(X, T, COND[..., :5])
        assert [skip.shape[1] for skip in skips] == network.skip_channels
        assert middle.shape[1] == network.skip_channels[-1]


def test_encode_and_added_are_the_two_halves_of_forward(network):
    with torch.no_grad():
        skips, middle = network.encode(X, T, COND)
        zeros = [torch.zeros_like(y) for y in [*skips, middle]]
    assert torch.equal(said(network, zeros), said(network))
    with pytest.raises(
        ValueError, match=f"added must be {len(skips)} tensors for the skips and one for the middle, got 1"
    ):
        said(network, zeros[:1])


def test_each_place_of_the_latent_sees_its_own_block_of_the_picture(network, control):
    other = OUTLINES.clone()
    other[..., 6:8, 10:12] = 1 - other[..., 6:8, 10:12]  # of the latent's place (3, 5)
    with torch.no_grad():
        change = (control.hint(other) - control.hint(OUTLINES)).abs().amax(dim=(0, 1)) > 0
    rows, columns = change.nonzero().T
    assert rows.min() >= 1 and rows.max() <= 5 and columns.min() >= 3 and columns.max() <= 7  # two 3x3 convolutions
    assert change[3, 5]


def test_the_first_step_moves_the_zero_convolutions_only_and_then_the_others_follow(model, network, control):
    network.requires_grad_(False)
    frozen = copy.deepcopy(network.state_dict())
    twin, latents = controlled(model, control, SKETCH), noise(8, 4, 8, 8)
    assert [p for p in twin.parameters() if p.requires_grad] == list(control.parameters())

    def loss(control, batch, generator):
        return twin.denoiser.loss(latents[batch], COND[:1].expand(len(batch), -1, -1), generator=generator)

    first, both = two_steps(control, loss)
    assert first == {name for name in control.state_dict() if name.startswith("zeros.")}
    assert both == control.state_dict().keys()
    assert all(torch.equal(v, frozen[k]) for k, v in network.state_dict().items())


def test_a_guided_picture_sees_its_own_outline(model, control):
    learnt(control)
    both = draw(controlled(model, control, OUTLINES))
    for i in range(2):
        alone = draw(controlled(model, control, OUTLINES[i : i + 1]), PROMPTS[i], first=i)
        assert torch.allclose(alone[0], both[i], atol=1e-4)
    crossed = draw(controlled(model, control, OUTLINES.flip(0)))
    assert ((crossed - both).abs().amax(dim=(1, 2, 3)) > 1e-2).all()
    assert torch.equal(
        draw(controlled(model, control, SKETCH)), draw(controlled(model, control, SKETCH.expand(2, -1, -1, -1)))
    )


def test_both_halves_of_a_doubled_batch_see_the_same_pictures(network, control):
    learnt(control)
    twice = Controlled(network, control, OUTLINES)(*(torch.cat([v, v]) for v in (X, T, COND)))
    assert torch.allclose(twice[:2], twice[2:], atol=1e-6)
    assert torch.allclose(twice[:2], said(Controlled(network, control, OUTLINES)), atol=1e-5)


def test_pictures_are_as_many_as_prompts_or_one_for_all(model, control):
    learnt(control)
    four = OUTLINES.repeat(2, 1, 1, 1)
    for pictures, options in ((OUTLINES, {"batch": 1}), (four, {}), (four, {"guidance": 1.0})):
        with pytest.raises(
            ValueError, match=f"prompts must be {len(pictures)} at once, one for each picture .* got [12]"
        ):
            draw(controlled(model, control, pictures), **options)
    together = draw(controlled(model, control, SKETCH))
    assert torch.allclose(draw(controlled(model, control, SKETCH), batch=1), together, atol=1e-4)


def test_a_controlled_model_shares_its_parts_and_leaves_the_first_as_it_was(model, control):
    network, before = model.denoiser.network, draw(model)
    learnt(control)
    twin = controlled(model, control, OUTLINES)
    assert type(twin) is type(model) and twin.text is model.text and twin.autoencoder is model.autoencoder
    assert twin.denoiser.network.network is network is model.denoiser.network
    assert model.denoiser.network is not twin.denoiser.network and torch.equal(draw(model), before)
    assert not torch.equal(draw(twin), before)


def test_a_control_with_its_own_training_is_kept_and_read_again(network, control, tmp_path):
    path = weights.save(tmp_path / "control", learnt(control))
    again = weights.load(path, into=ControlNet(network, factor=2))
    assert torch.equal(said(Controlled(network, again, OUTLINES)), said(Controlled(network, control, OUTLINES)))


@pytest.mark.parametrize(
    ("call", "error", "told"),
    [
        (lambda m, c: ControlNet(m), TypeError, "network must be a UNet2DCondition, got LatentDiffusion"),
        (lambda m, c: ControlNet(m.denoiser.network, 0), ValueError, "channels must be at least 1, got 0"),
        (
            lambda m, c: ControlNet(m.denoiser.network, factor=2.5),
            TypeError,
            "factor must be a whole number, got float",
        ),
        (lambda m, c: controlled(m, m, OUTLINES), TypeError, "control must be a ControlNet, got LatentDiffusion"),
        (
            lambda m, c: controlled(c, c, OUTLINES),
            TypeError,
            "model must be a LatentDiffusion whose network is .* ControlNet",
        ),
        (lambda m, c: controlled(m, c, OUTLINES[0]), ValueError, r"picture must be \(B, 1, H, W\), got Tensor \(1, 16"),
        (lambda m, c: controlled(m, c, OUTLINES.expand(-1, 3, -1, -1)), ValueError, r"picture must be \(B, 1, H, W\)"),
        (lambda m, c: controlled(m, c, "outline"), ValueError, r"picture must be \(B, 1, H, W\), got str 'outline'"),
        (
            lambda m, c: controlled(m, c, OUTLINES, "strong"),
            TypeError,
            "scale must be a finite number, got str 'strong'",
        ),
        (
            lambda m, c: controlled(controlled(m, c, OUTLINES), c, OUTLINES),
            TypeError,
            "model must be a LatentDiffusion whose network is a UNet2DCondition, got Controlled",
        ),
        (
            lambda m, c: draw(controlled(m, c, OUTLINES[..., :8])),
            ValueError,
            r"picture must be \(4, 1, 16, 16\), 2 times the latent's sides, got Tensor \(4, 1, 16, 8\)",
        ),
        (
            lambda m, c: controlled(m, ControlNet(UNet2DCondition((8, 8), 128, 2, norm_num_groups=4)), OUTLINES),
            ValueError,
            "control was made for another network than the model's",
        ),
        (
            lambda m, c: Controlled(m.denoiser.network, c, OUTLINES.repeat(2, 1, 1, 1))(X, T, COND),
            ValueError,
            "picture must be one for all, or one for each of the 2 that are drawn, got 4",
        ),
        (
            lambda m, c: c(X, T, COND[..., :5], OUTLINES),
            ValueError,
            r"cond must be one text an image, \(2, L, 128\), got \(2, 12, 5\)",
        ),
    ],
)
def test_what_is_no_control_is_told_in_a_sentence(model, control, call, error, told):
    with pytest.raises(error, match=told):
        call(model, control)
