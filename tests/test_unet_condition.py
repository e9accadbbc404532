"""The text-conditional U-Net: attention against torch's own, the course's Denoiser around it, maps, configurations, costs, bad input."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from diffcourse import Denoiser, DiffusionSchedule, clipped, guided, sample, weights
from diffcourse.models import CrossAttention, SimpleUNet, UNet2DCondition, attention_maps, cost
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1

SMALL = {
    "block_out_channels": (16, 32),
    "cross_attention_dim": 12,
    "heads": 2,
    "layers_per_block": 1,
    "norm_num_groups": 8,
}


def rand(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def awake(network, seed=0):
    """Outputs start at zero: give every parameter a value, so that there is something to see."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.1 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return network.eval()


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return awake(UNet2DCondition(**SMALL))


X, T, TEXT = rand(3, 4, 8, 8), torch.tensor([0.0, 500.0, 999.0]), rand(3, 5, 12, seed=1)

# -- attention ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heads, dim_head", [(4, 6), (1, 24)])
def test_cross_attention_is_torchs_multihead_attention(heads, dim_head):
    layer = awake(CrossAttention(24, 10, heads, dim_head)).double()
    theirs = nn.MultiheadAttention(24, heads, bias=True, kdim=10, vdim=10, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for name in "qkv":
            getattr(theirs, f"{name}_proj_weight").copy_(layer.get_submodule(f"to_{name}").weight)
        theirs.in_proj_bias.zero_()
        theirs.out_proj.load_state_dict(layer.to_out[0].state_dict())
    x, context = rand(3, 7, 24, dtype=torch.float64), rand(3, 5, 10, seed=1, dtype=torch.float64)
    out, looked = theirs(x, context, context, average_attn_weights=False)
    torch.testing.assert_close(layer(x, context), out)
    torch.testing.assert_close(layer.weights(x, context), looked)


def test_heads_need_not_share_the_width_among_them():
    layer = awake(CrossAttention(query_dim=10, context_dim=6, heads=3, dim_head=8)).double()
    x, c = rand(2, 4, 10, dtype=torch.float64), rand(2, 5, 6, seed=1, dtype=torch.float64)
    q, k, v = (
        m(h).unflatten(2, (3, 8)).transpose(1, 2) for m, h in ((layer.to_q, x), (layer.to_k, c), (layer.to_v, c))
    )
    expected = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2) @ layer.to_out[0].weight.T
    torch.testing.assert_close(layer(x, c), expected + layer.to_out[0].bias)
    assert {name: tuple(p.shape) for name, p in layer.named_parameters()} == {
        "to_q.weight": (24, 10),
        "to_k.weight": (24, 6),
        "to_v.weight": (24, 6),
        "to_out.0.weight": (10, 24),
        "to_out.0.bias": (10,),
    }


def test_the_defaults_are_those_of_the_text():
    layer = CrossAttention(16, 12)
    assert (layer.heads, layer.dim_head, tuple(layer.to_k.weight.shape)) == (8, 64, (512, 12))
    assert layer(rand(2, 9, 16), rand(2, 5, 12)).shape == (2, 9, 16)


def test_without_a_context_positions_ask_each_other():
    layer, x = awake(CrossAttention(16, heads=2, dim_head=8)), rand(2, 6, 16)
    assert torch.equal(layer(x), layer(x, x)) and torch.equal(layer.weights(x), layer.weights(x, x))


def test_the_order_of_words_does_not_matter_to_attention():
    """Which is why text embeddings carry their positions."""
    layer, x, c = awake(CrossAttention(16, 12, 2, 8)), rand(2, 6, 16), rand(2, 5, 12)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(layer(x, c[:, order]), layer(x, c))
    torch.testing.assert_close(layer.weights(x, c[:, order]), layer.weights(x, c)[..., order])


def test_a_wrong_context_is_named():
    with pytest.raises(ValueError, match=r"context must be \(2, L, 12\), got \(2, 5, 13\)"):
        CrossAttention(16, 12)(rand(2, 9, 16), rand(2, 5, 13))
    with pytest.raises(ValueError, match=r"context must be \(2, L, 12\), got \(5, 12\)"):
        CrossAttention(16, 12)(rand(2, 9, 16), rand(5, 12))
    with pytest.raises(ValueError, match=r"x must be \(B, N, 16\), got \(2, 16, 3, 3\)"):
        CrossAttention(16, 12)(rand(2, 16, 3, 3), rand(2, 5, 12))


# -- the network -------------------------------------------------------------------------------------------------------


def test_outputs_start_at_zero_and_gradients_flow_all_the_same():
    fresh, text = UNet2DCondition(**SMALL), TEXT.clone().requires_grad_()
    assert not fresh(X, T, text).any()
    awake(fresh)(X, T, text).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in fresh.parameters())
    assert (text.grad.abs().sum(dim=2) > 0).all()  # every word of every text


@pytest.mark.parametrize("size", [(2, 2), (7, 5), (8, 8), (16, 10)])
def test_any_size_comes_back(network, size):
    out = network(rand(2, 4, *size), T[:2], TEXT[:2])
    assert out.shape == (2, 4, *size) and out.is_contiguous() and out.isfinite().all()


def test_time_and_words_matter_and_an_image_does_not_depend_on_its_batch(network):
    out = network(X, T, TEXT)
    for i in range(3):
        alone = network(X[i : i + 1], T[i : i + 1], TEXT[i : i + 1])
        torch.testing.assert_close(alone, out[i : i + 1], atol=1e-5, rtol=1e-4)
    assert (network(X, T + 1, TEXT) - out).abs().amax(dim=(1, 2, 3)).min() > 1e-5
    other = TEXT.clone()
    other[1, 3] += 1
    changed = (network(X, T, other) - out).abs().amax(dim=(1, 2, 3)) > 1e-5
    assert changed.tolist() == [False, True, False]


def test_inputs_stay_and_any_memory_layout_will_do(network):
    held = X.clone(), T.clone(), TEXT.clone()
    out = network(X, T, TEXT)
    assert all(torch.equal(a, b) for a, b in zip(held, (X, T, TEXT), strict=True))
    channels_last, expanded = X.to(memory_format=torch.channels_last), TEXT[:1].expand(3, -1, -1)
    torch.testing.assert_close(network(channels_last, T, TEXT), out, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(network(X, T, expanded), network(X, T, expanded.clone()), atol=1e-5, rtol=1e-4)


def test_double_says_the_same_and_half_still_tells_late_times_apart():
    network = awake(UNet2DCondition(**SMALL))
    out = network(X, T, TEXT)
    double = network.double()(X.double(), T.double(), TEXT)  # a float32 text encoder will do
    assert double.dtype == torch.float64
    torch.testing.assert_close(out.double(), double, atol=1e-3, rtol=1e-3)
    half, seen = network.bfloat16(), []
    half.time_embedding.register_forward_pre_hook(lambda layer, args: seen.append(args[0]))
    assert half(X.bfloat16(), torch.tensor([997.0, 998.0, 999.0]), TEXT).dtype == torch.bfloat16
    assert (seen[0][1:] - seen[0][:-1]).abs().amax(dim=1).min() > 0.3


def test_the_config_rebuilds_the_network(network):
    again = UNet2DCondition(**network.config)
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.eval()(X, T, TEXT), network(X, T, TEXT)) and again.config == network.config


def test_saved_in_a_denoiser_it_comes_back_with_its_null_text(tmp_path, network):
    model = Denoiser(network, DiffusionSchedule.scaled_linear(), "v", null=rand(5, 12, seed=2)).eval()
    twin = weights.load(weights.save(tmp_path / "ldm", model))
    at = model.schedule.at(300)
    assert torch.equal(twin(X, at, TEXT).x0, model(X, at, TEXT).x0)
    assert torch.equal(twin(X, at).x0, model(X, at).x0) and torch.equal(twin.null, model.null)
    half = weights.load(weights.save(tmp_path / "half", model, half=True))
    torch.testing.assert_close(half(X, at, TEXT).x0, model(X, at, TEXT).x0, atol=0.02, rtol=0.02)


@pytest.mark.parametrize(
    "args, says",
    [
        ((rand(3, 3, 8, 8), T, TEXT), r"x must be \(B, 4, H, W\), got \(3, 3, 8, 8\)"),
        ((rand(4, 8, 8), T, TEXT), r"x must be \(B, 4, H, W\), got \(4, 8, 8\)"),
        ((X, T[:2], TEXT), r"t must be one time an image, shape \(3,\), got \(2,\)"),
        ((X, torch.tensor(5.0), TEXT), "t must be one time an image"),
        ((X, T), "cond is missing: this network reads a text"),
        ((X, T, TEXT[:2]), r"cond must be one text an image, \(3, L, 12\), got \(2, 5, 12\)"),
        ((X, T, TEXT[0]), r"cond must be one text an image, \(3, L, 12\), got \(5, 12\)"),
        ((X, T, rand(3, 5, 768)), r"cond must be one text an image, \(3, L, 12\), got \(3, 5, 768\)"),
        ((X, T, rand(3, 0, 12)), r"cond must be one text an image, \(3, L, 12\), got \(3, 0, 12\)"),
        ((X, T, torch.tensor([1, 2, 3])), r"cond must be one text an image, .* got \(3,\)"),
    ],
)
def test_bad_input_is_named(network, args, says):
    with pytest.raises(ValueError, match=says):
        network(*args)


@pytest.mark.parametrize(
    "change, says",
    [
        ({"block_out_channels": ()}, "block_out_channels must have at least one entry"),
        ({"block_out_channels": (16, 36)}, "block_out_channels must be multiples of norm_num_groups=8, got 36"),
        (
            {"block_out_channels": (15, 30), "norm_num_groups": 3, "heads": 3},
            "block_out_channels must start with an even",
        ),
        ({"heads": 5}, "heads must divide the channels of their resolution, got 5 heads for 16 channels"),
        ({"heads": (2, 0)}, "heads must divide .* got 0 heads for 32 channels"),
        ({"heads": (2, 2, 2)}, "heads must have one entry for each of the 2 block_out_channels"),
        ({"attention": (True,)}, "attention must have one entry for each of the 2 block_out_channels"),
        ({"layers_per_block": 0}, "layers_per_block must be a positive integer, got 0"),
        ({"layers_per_block": (1, 2)}, r"layers_per_block must be a positive integer, got \(1, 2\)"),
        ({"cross_attention_dim": None}, "cross_attention_dim must be a positive integer, got None"),
        ({"norm_num_groups": 0}, "norm_num_groups must be a positive integer, got 0"),
    ],
)
def test_a_network_that_cannot_be_is_told_why(change, says):
    with pytest.raises(ValueError, match=says):
        UNet2DCondition(**(SMALL | change))


@pytest.mark.parametrize(
    "change, says",
    [
        ({"act_fn": "gelu"}, r"config: act_fn='gelu' is not supported, only 'silu'"),
        ({"norm_eps": 1e-6}, "config: norm_eps=1e-06 is not supported, only 1e-05"),
        ({"flip_sin_to_cos": False}, "config: flip_sin_to_cos=False is not supported, only True"),
        ({"mid_block_type": None}, "config: mid_block_type=None is not supported"),
        ({"class_embed_type": "timestep"}, "config: class_embed_type='timestep' is not supported, only None"),
        ({"addition_embed_type": "text_time"}, "config: addition_embed_type='text_time' is not supported"),
        ({"num_attention_heads": 4}, "config: num_attention_heads=4 is not supported"),
        ({"a_key_of_tomorrow": 3}, "config: a_key_of_tomorrow=3 is not supported, only None"),
        ({"transformer_layers_per_block": [1, 2, 10]}, "config: transformer_layers_per_block="),
        ({"down_block_types": ["DownBlock2D"] * 3}, "config: down_block_types must name one of .* for each of the 4"),
        ({"down_block_types": ["AttnDownBlock2D"] * 4}, "config: down_block_types must name one of DownBlock2D"),
        ({"up_block_types": ["UpBlock2D"] * 4}, "config: up_block_types=.* is not supported, only the mirror image"),
        ({"_class_name": "AutoencoderKL"}, "config: _class_name must be 'UNet2DConditionModel', got 'AutoencoderKL'"),
        ({"cross_attention_dim": [768, 768, 768, 768]}, "cross_attention_dim must be a positive integer"),
    ],
)
def test_a_config_that_is_not_supported_names_its_key(change, says):
    with pytest.raises(ValueError, match=says), torch.device("meta"):
        UNet2DCondition.from_diffusers(STABLE_DIFFUSION_1 | change)


@pytest.mark.parametrize("change", [{}, {"use_linear_projection": True, "attention_head_dim": [5, 10, 20, 20]}])
def test_to_diffusers_leads_back_to_the_network_and_says_what_theirs_says(change):
    theirs = STABLE_DIFFUSION_1 | change
    with torch.device("meta"):
        network = UNet2DCondition.from_diffusers(theirs)
        config = network.to_diffusers()
        assert UNet2DCondition.from_diffusers(config).config == network.config
    assert {k: v for k, v in config.items() if k in theirs and k != "attention_head_dim"} == {
        k: v for k, v in theirs.items() if k != "attention_head_dim"
    }
    heads = theirs["attention_head_dim"]
    assert config["attention_head_dim"] == (heads if isinstance(heads, list) else [heads] * 4)


def test_what_a_config_leaves_open_or_off_is_fine():
    more = {"_diffusers_version": "0.6.0", "sample_size": 64, "dual_cross_attention": False, "time_cond_proj_dim": None}
    with torch.device("meta"):
        network = UNet2DCondition.from_diffusers(STABLE_DIFFUSION_1 | more)
    assert network.config["heads"] == [8] * 4 and network.config["attention"] == [True, True, True, False]


# -- in a Denoiser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def model(network):
    return Denoiser(network, DiffusionSchedule.scaled_linear(), null=rand(5, 12, seed=3)).eval()


def test_one_text_for_all_and_no_text_are_expanded(model):
    at = model.schedule.at(600)
    for cond, full in ((TEXT[0], TEXT[:1].expand(3, 5, 12)), (None, model.null.expand(3, 5, 12))):
        expected = model.network(X, torch.full((3,), 600.0), full)
        torch.testing.assert_close(model(X, at, cond).eps, expected, atol=1e-5, rtol=1e-4)


def test_the_loss_is_the_mean_squared_error_of_the_noise_and_drops_texts(model):
    t, noise = torch.tensor([3, 400, 900]), rand(3, 4, 8, 8, seed=5)
    x_t = model.schedule.q_sample(X, t, noise)
    with torch.no_grad():
        expected = F.mse_loss(model.network(x_t, t.float(), TEXT), noise)
        null = F.mse_loss(model.network(x_t, t.float(), model.null.expand(3, 5, 12)), noise)
        torch.testing.assert_close(model.loss(X, TEXT, t=t, noise=noise), expected)
        torch.testing.assert_close(model.loss(X, TEXT, t=t, noise=noise, drop_prob=1.0), null)
        half = [
            model.loss(X, TEXT, t=t, noise=noise, drop_prob=0.5, generator=torch.Generator().manual_seed(s))
            for s in range(9)
        ]
    assert len({round(v.item(), 6) for v in half}) > 2


def test_guidance_is_the_formula_from_one_doubled_batch(model):
    at, t = model.schedule.at(600), torch.full((3,), 600.0)
    with torch.no_grad():
        eps_u, eps_c = model.network(X, t, model.null.expand(3, 5, 12)), model.network(X, t, TEXT)
        eps = guided(model, TEXT, 7.5)(X, at).eps
        torch.testing.assert_close(eps, eps_u + 7.5 * (eps_c - eps_u), atol=1e-4, rtol=1e-4)
        negative = guided(model, TEXT, 7.5, uncond=TEXT[2])(X, at).eps
        eps_n = model.network(X, t, TEXT[2:].expand(3, 5, 12))
        torch.testing.assert_close(negative, eps_n + 7.5 * (eps_c - eps_n), atol=1e-4, rtol=1e-4)


def test_samples_of_texts_are_the_same_alone_and_in_any_batch(model):
    denoise = clipped(guided(model, TEXT, 3.0))
    together = sample(denoise, model.schedule, (3, 4, 8, 8), steps=3, seed=0)
    torch.testing.assert_close(
        sample(denoise, model.schedule, (3, 4, 8, 8), steps=3, seed=0, batch=2), together, atol=1e-4, rtol=0
    )
    alone = sample(clipped(guided(model, TEXT[1], 3.0)), model.schedule, (1, 4, 8, 8), steps=3, seed=0, first=1)
    torch.testing.assert_close(alone, together[1:2], atol=1e-4, rtol=0)


# -- attention maps ----------------------------------------------------------------------------------------------------

DOWN, MID = (
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2",
    "mid_block.attentions.0.transformer_blocks.0.attn2",
)


def test_maps_say_where_each_position_looks_and_change_nothing(network):
    plain = network(X[..., :6], T, TEXT)
    with attention_maps(network) as maps:
        assert torch.equal(network(X[..., :6], T, TEXT), plain)
    assert list(maps)[:2] == [DOWN, MID] and len(maps) == 4
    assert maps[DOWN].shape == (3, 2, 48, 5) and maps[MID].shape == (3, 2, 12, 5)
    for name, looked in maps.items():
        torch.testing.assert_close(looked.sum(-1), torch.ones(looked.shape[:-1]))
        assert isinstance(network.get_submodule(name), CrossAttention) and not looked.requires_grad


def test_the_recorded_weights_make_the_output_of_their_layer(network):
    layer, seen = network.get_submodule(MID), []
    hook = layer.register_forward_hook(lambda layer, args, out: seen.append((args[1], out)))
    with attention_maps(network) as maps:
        network(X, T, TEXT)
    hook.remove()
    ((text, out),) = seen
    values = layer.to_v(text).unflatten(2, (2, 16)).transpose(1, 2)
    torch.testing.assert_close(layer.to_out((maps[MID] @ values).transpose(1, 2).flatten(2)), out, atol=1e-5, rtol=1e-4)


def test_nothing_is_computed_outside(network, monkeypatch):
    with attention_maps(network) as maps:
        network(X, T, TEXT)
    with pytest.raises(RuntimeError, match="stop"), attention_maps(network):
        raise RuntimeError("stop")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    monkeypatch.setattr(CrossAttention, "weights", None)
    held = maps[DOWN].clone()
    network(X, T, TEXT + 1)
    assert torch.equal(maps[DOWN], held)


def test_along_a_trajectory_the_maps_are_those_of_the_last_call(model):
    with torch.no_grad(), attention_maps(model) as maps:
        guided(model, TEXT, 3.0)(X, model.schedule.at(900))
        first = maps.words()
        guided(model, TEXT, 3.0)(X, model.schedule.at(100))
    assert first.shape == maps.words().shape == (6, 5, 8, 8) and not torch.equal(first, maps.words())
    assert all(name.startswith("network.") for name in maps)
    with torch.no_grad(), attention_maps(model) as again:
        model(X, model.schedule.at(100), TEXT)
    torch.testing.assert_close(again.words(), maps.words()[3:], atol=1e-5, rtol=1e-4)  # [uncond, cond]


def test_words_are_images_that_share_every_position(network):
    with attention_maps(network) as maps:
        network(X[..., :6], T, TEXT)
    words = maps.words()
    assert words.shape == (3, 5, 8, 6)
    torch.testing.assert_close(words.sum(dim=1), torch.ones(3, 8, 6))
    assert maps.words(size=(64, 48)).shape == (3, 5, 64, 48)
    middle = maps[MID].mean(dim=1)  # (B, H·W, L), 4 rows of 3
    torch.testing.assert_close(maps.words(within="mid_block")[1, 2], middle[1, :, 2].view(4, 3))
    finest = torch.stack([m.mean(dim=1) for name, m in maps.items() if "mid" not in name]).mean(0)
    coarse = F.interpolate(middle.transpose(1, 2).view(3, 5, 4, 3), size=(8, 6), mode="bilinear")
    expected = 0.75 * finest.transpose(1, 2).view(3, 5, 8, 6) + 0.25 * coarse
    torch.testing.assert_close(words, expected)


def test_maps_that_cannot_be_are_told_why(network):
    with (
        pytest.raises(TypeError, match="module must hold a UNet2DCondition, got SimpleUNet"),
        attention_maps(SimpleUNet()),
    ):
        pass
    with attention_maps(network) as maps:
        with pytest.raises(ValueError, match="call the network inside `with attention_maps"):
            maps.words()
        network(X, T, TEXT)
        with pytest.raises(ValueError, match=f"no layer 'top' has been recorded; recorded are {DOWN}"):
            maps.words(within="top")


# -- cost --------------------------------------------------------------------------------------------------------------


def test_operations_of_layers_are_those_counted_by_hand():
    assert cost.operations(nn.Conv2d(3, 8, 3, padding=1), (2, 3, 10, 6)) == 2 * 10 * 6 * 8 * 3 * 9
    assert cost.operations(nn.Linear(5, 7), rand(4, 5)) == 4 * 5 * 7
    B, N, L, inner = 2, 12, 5, 3 * 8
    layer = CrossAttention(10, 6, heads=3, dim_head=8)
    by_hand = N * 10 * inner + 2 * L * 6 * inner + 2 * N * L * inner + N * inner * 10
    assert cost.operations(layer, (B, N, 10), (B, L, 6)) == B * by_hand
    assert cost.operations(layer, (B, N, 10), (B, 2 * L, 6)) == B * (by_hand + 2 * L * 6 * inner + 2 * N * L * inner)


def test_the_table_of_blocks_adds_up_and_has_the_shapes_of_a_real_call(network):
    held = [p.clone() for p in network.parameters()]
    rows = cost.blocks(network, X, T, TEXT)
    assert sum(row.parameters for row in rows) == sum(p.numel() for p in network.parameters())
    assert sum(row.operations for row in rows) == cost.operations(network, X.shape, T.shape, TEXT.shape)
    shapes, hooks = {}, []
    for row in rows:
        keep = lambda m, args, out, name=row.name: shapes.update({name: tuple(out.shape)})  # noqa: E731
        hooks.append(network.get_submodule(row.name).register_forward_hook(keep))
    network(X, T, TEXT)
    for hook in hooks:
        hook.remove()
    assert shapes == {row.name: row.shape for row in rows} and next(iter(shapes)) == "time_embedding"
    assert [row.name for row in rows if row.attention] == ["down_blocks.0", "mid_block", "up_blocks.1"]
    assert [row.name for row in rows][:3] == ["conv_in", "time_embedding", "down_blocks.0"]
    assert all(torch.equal(a, b) for a, b in zip(held, network.parameters(), strict=True))
    assert not any(m._forward_hooks for m in network.modules())


@pytest.mark.slow
def test_stable_diffusion_is_measured_without_being_built():
    with torch.device("meta"):
        network = UNet2DCondition.from_diffusers(STABLE_DIFFUSION_1)
    rows = {row.name: row for row in cost.blocks(network, (1, 4, 64, 64), (1,), (1, 77, 768))}
    assert sum(row.parameters for row in rows.values()) == 859_520_964
    assert [rows[f"down_blocks.{i}"].shape[1:] for i in range(4)] == [
        (320, 32, 32),
        (640, 16, 16),
        (1280, 8, 8),
        (1280, 8, 8),
    ]
    assert rows["up_blocks.3"].shape == (1, 320, 64, 64) and rows["conv_out"].shape == (1, 4, 64, 64)
    assert round(sum(row.operations for row in rows.values()) / 1e9) == 402
