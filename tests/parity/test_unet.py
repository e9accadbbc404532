"""The U-Net of Stable Diffusion 1.x against diffusers' own, on random weights: the same names, shapes, numbers, gradients and costs."""

import json

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from diffcourse.models import CrossAttention, UNet2DCondition, attention_maps, cost
from diffcourse.models.unet_condition import STABLE_DIFFUSION_1, time_waves

ATTEND = {"D": ("DownBlock2D", "UpBlock2D"), "A": ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")}


def config(widths, blocks, heads, text, layers=1, groups=32, **more):
    """blocks: a letter a resolution, A where it looks at the text."""
    return {
        "block_out_channels": widths,
        "down_block_types": [ATTEND[b][0] for b in blocks],
        "up_block_types": [ATTEND[b][1] for b in reversed(blocks)],
        "attention_head_dim": heads,
        "cross_attention_dim": text,
        "layers_per_block": layers,
        "norm_num_groups": groups,
        **more,
    }


CONFIGS = {
    "the layout of Stable Diffusion 1, narrow": config((32, 64, 128, 128), "AAAD", 8, 24, layers=2),
    "the layout of Stable Diffusion 2, narrow": config(
        (32, 64, 128, 128), "AAAD", (1, 2, 4, 4), 40, layers=2, use_linear_projection=True, upcast_attention=True
    ),
    "two resolutions, text at both": config((64, 96), "AA", 4, 16, groups=16),
    "text in the middle only": config((32, 64), "DD", 2, 16, layers=2),
    "text below only, three layers": config((16, 48), "DA", (2, 3), 8, layers=3, groups=8),
    "one resolution": config((32,), "A", 1, 12, layers=2, groups=4),
    "three channels in and six out": config((32, 64, 64), "DAD", 16, 16, in_channels=3, out_channels=6),
}


def shaken(module, seed=0):
    """No parameter at zero or one, where a mistake could hide."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p += 0.02 * torch.randn(p.shape, generator=generator)
    return module.eval()


def pair(settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs, ours = shaken(UNet2DConditionModel(**settings)), UNet2DCondition.from_diffusers(settings).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def inputs(settings, batch=3, size=(16, 16), words=7):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, settings.get("in_channels", 4), *size, generator=generator)
    t = torch.tensor([0.0, 999.0, 412.25, 7.0, 1.0])[:batch]
    return x, t, torch.randn(batch, words, settings["cross_attention_dim"], generator=generator)


def assert_close(ours, theirs, tolerance=1e-5):
    assert ours.shape == theirs.shape and ours.abs().max() > 0.05
    assert ((ours - theirs).abs() / theirs.abs().clamp(min=1)).max() < tolerance


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS)
def test_the_same_output_and_the_same_names_both_ways(settings):
    ours, theirs = pair(settings)
    x, t, text = inputs(settings)
    with torch.no_grad():
        assert_close(ours(x, t, text), theirs(x, t, text).sample)
    shaken(ours, seed=2)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    with torch.no_grad():
        assert_close(ours(x, t, text), theirs(x, t, text).sample)


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS)
def test_a_config_of_theirs_with_all_its_keys_is_understood(settings):
    theirs = UNet2DConditionModel(**settings)
    assert UNet2DCondition.from_diffusers(dict(theirs.config)).config == UNet2DCondition.from_diffusers(settings).config
    text = theirs.to_json_string()
    assert UNet2DCondition.from_diffusers(json.loads(text)).config == UNet2DCondition.from_diffusers(settings).config


@pytest.mark.parametrize("size", [(8, 12), (7, 7), (9, 6), (5, 13), (3, 5)])
def test_sides_that_cannot_be_halved_come_back_at_their_size(size):
    settings = CONFIGS["the layout of Stable Diffusion 1, narrow"]
    ours, theirs = pair(settings)
    x, t, text = inputs(settings, size=size)
    with torch.no_grad():
        assert_close(ours(x, t, text), theirs(x, t, text).sample)


def test_the_same_gradients():
    settings = CONFIGS["two resolutions, text at both"]
    ours, theirs = pair(settings)
    x, t, text = inputs(settings, size=(8, 8))
    x1, x2, text1, text2 = (v.clone().requires_grad_() for v in (x, x, text, text))
    ours(x1, t, text1).square().mean().backward()
    theirs(x2, t, text2).sample.square().mean().backward()
    mine, other = dict(ours.named_parameters()), dict(theirs.named_parameters())
    grads = {name: (mine[name].grad, other[name].grad) for name in other} | {
        "x": (x1.grad, x2.grad),
        "text": (text1.grad, text2.grad),
    }
    for name, (a, b) in grads.items():
        assert (a - b).abs().max() < 1e-5 + 1e-3 * b.abs().max(), name


@pytest.mark.parametrize("settings", CONFIGS.values(), ids=CONFIGS)
def test_every_norm_has_the_same_epsilon(settings):
    """1e-5 in residual blocks and 1e-6 in the transformer: too small a difference to show in an output."""
    ours, theirs = pair(settings)
    norms = {name: m for name, m in theirs.named_modules() if isinstance(m, nn.GroupNorm | nn.LayerNorm)}
    mine = {name: m for name, m in ours.named_modules() if isinstance(m, nn.GroupNorm | nn.LayerNorm)}
    assert {n: (type(m), m.eps) for n, m in norms.items()} == {n: (type(m), m.eps) for n, m in mine.items()}
    assert {m.eps for m in norms.values()} == {1e-5, 1e-6}


def test_a_time_is_cosines_first():
    for dim in (2, 32, 320):
        theirs = UNet2DConditionModel(**config((32, 64), "AD", 2, 8)).time_proj
        theirs.num_channels = dim
        t = torch.tensor([0.0, 1.0, 17.5, 999.0])
        torch.testing.assert_close(time_waves(t, dim), theirs(t), atol=1e-6, rtol=0)


@pytest.mark.parametrize("query_dim, context_dim, heads, dim_head", [(32, 24, 4, 8), (48, None, 3, 5), (16, 16, 1, 64)])
def test_attention_is_theirs(query_dim, context_dim, heads, dim_head):
    theirs = shaken(Attention(query_dim, context_dim, heads=heads, dim_head=dim_head))
    ours = CrossAttention(query_dim, context_dim, heads, dim_head)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    theirs.load_state_dict(ours.state_dict(), strict=True)
    x = torch.randn(3, 10, query_dim)
    context = None if context_dim is None else torch.randn(3, 6, context_dim)
    torch.testing.assert_close(ours(x, context), theirs(x, context), atol=1e-5, rtol=0)
    source = x if context is None else context
    query, key = (theirs.head_to_batch_dim(v) for v in (theirs.to_q(x), theirs.to_k(source)))
    scores = theirs.get_attention_scores(query, key).unflatten(0, (3, heads))
    torch.testing.assert_close(ours.weights(x, context), scores, atol=1e-6, rtol=0)


def test_recorded_maps_are_the_weights_that_their_layers_use():
    """Each of their cross-attention layers made to compute its softmax by hand and to keep it."""
    settings = CONFIGS["the layout of Stable Diffusion 1, narrow"]
    ours, theirs = pair(settings)
    kept = {}

    def processor(name):
        def attend(attention, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
            source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
            q, k, v = (
                attention.head_to_batch_dim(layer(h))
                for layer, h in ((attention.to_q, hidden_states), (attention.to_k, source), (attention.to_v, source))
            )
            weights = attention.get_attention_scores(q, k)
            kept[name] = weights.unflatten(0, (len(hidden_states), attention.heads))
            return attention.to_out[0](attention.batch_to_head_dim(weights @ v))

        return attend

    theirs.set_attn_processor({name: processor(name.removesuffix(".processor")) for name in theirs.attn_processors})
    x, t, text = inputs(settings)
    with torch.no_grad(), attention_maps(ours) as maps:
        assert_close(ours(x, t, text), theirs(x, t, text).sample)
    assert list(maps) == [name for name in kept if name.endswith("attn2")] and len(maps) == 16
    for name in maps:
        torch.testing.assert_close(maps[name], kept[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "settings, parameters",
    [
        (STABLE_DIFFUSION_1, 859_520_964),
        (
            {
                **STABLE_DIFFUSION_1,
                "attention_head_dim": [5, 10, 20, 20],
                "cross_attention_dim": 1024,
                "use_linear_projection": True,
            },
            865_910_724,
        ),
    ],
    ids=["Stable Diffusion 1", "Stable Diffusion 2"],
)
def test_stable_diffusion_itself_on_the_meta_device(settings, parameters):
    with torch.device("meta"):
        ours = UNet2DCondition.from_diffusers(settings)
        theirs = UNet2DConditionModel.from_config(settings)
    shapes = {name: p.shape for name, p in ours.state_dict().items()}
    assert shapes == {name: p.shape for name, p in theirs.state_dict().items()}
    assert sum(p.numel() for p in ours.parameters()) == parameters
    assert len(shapes) == 686


def test_operations_are_those_of_their_network():
    settings = CONFIGS["two resolutions, text at both"]
    ours, theirs = pair(settings)
    args = inputs(settings)
    empty = [arg.to("meta") for arg in args]
    # attention as two matrix products: torch's counter knows only some of the fused kernels
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        theirs.to("meta")(*empty)
    assert 2 * cost.operations(ours, *args) == counter.get_total_flops()
