"""The autoencoder against diffusers' own: the same parameters under the same names, the same moments, draws and images."""

import json

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from diffcourse.models import AutoencoderKL

STABLE_DIFFUSION = {
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}
CONFIGS = {
    "the course's": {"block_out_channels": (16, 32, 64, 64), "layers_per_block": 1, "norm_num_groups": 2},
    "Stable Diffusion, narrower": {"block_out_channels": (32, 64, 128, 128), "norm_num_groups": 32},
    "two layers, odd widths": {"block_out_channels": (6, 15, 9), "norm_num_groups": 3, "latent_channels": 5},
    "grey in, two channels out": {
        "block_out_channels": (8, 4),
        "layers_per_block": 3,
        "norm_num_groups": 4,
        "in_channels": 1,
        "out_channels": 2,
    },
    "one resolution": {"block_out_channels": (8,), "layers_per_block": 1, "norm_num_groups": 1, "latent_channels": 2},
}
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def config(name):
    return STABLE_DIFFUSION | CONFIGS[name]


def theirs(config, seed=0):
    """Their network in float64, every parameter moved at random: fresh norms have weight 1 and bias 0, which would hide a mistake."""
    n = len(config["block_out_channels"])
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * n, up_block_types=("UpDecoderBlock2D",) * n, **config
        ).double()
        with torch.no_grad():
            for p in network.parameters():
                p += 0.1 * torch.randn_like(p)
    return network.eval()


def pictures(config, size=32):
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, config["in_channels"], size, 2 * size, generator=generator, dtype=torch.float64) * 2 - 1


@pytest.mark.slow
@pytest.mark.parametrize("name", CONFIGS)
def test_weights_go_both_ways_and_moments_draws_and_images_are_equal(name):
    their = theirs(config(name))
    our = AutoencoderKL.from_diffusers(their.config).double()
    our.load_state_dict(their.state_dict(), strict=True)
    theirs(config(name), seed=1).load_state_dict(our.state_dict(), strict=True)
    x, scale = pictures(config(name)), our.scaling_factor
    assert scale == their.config.scaling_factor == 0.18215
    with torch.no_grad():
        posterior = their.encode(x).latent_dist
        mean, log_var = our.posterior(x)
        same(mean, posterior.mean)
        same(log_var, posterior.logvar)
        z = our.encode(x, torch.Generator().manual_seed(2))
        same(z, scale * posterior.sample(torch.Generator().manual_seed(2)))
        same(our.encode(x, sample=False), scale * posterior.mode())
        same(our.decode(z), their.decode(z / scale).sample)


def same(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-9, rtol=1e-9)


def test_single_precision_agrees_to_1e_5():
    their = theirs(config("the course's")).float()
    our = AutoencoderKL.from_diffusers(their.config)
    our.load_state_dict(their.state_dict())
    x = pictures(config("the course's")).float()
    with torch.no_grad():
        posterior, z = their.encode(x).latent_dist, our.encode(x, sample=False)
        pairs = [*zip(our.posterior(x), (posterior.mean, posterior.logvar), strict=True)]
        for ours, theirs_ in [*pairs, (our.decode(z), their.decode(z / our.scaling_factor).sample)]:
            assert (ours - theirs_).abs().max() <= 1e-5 * theirs_.abs().max().clamp(min=1)


def test_the_log_variance_is_clamped_as_theirs():
    their = theirs(config("one resolution"))
    with torch.no_grad():
        their.quant_conv.bias[2:] = torch.tensor([-100.0, 100.0])
    our = AutoencoderKL.from_diffusers(their.config).double()
    our.load_state_dict(their.state_dict())
    x = pictures(config("one resolution"))
    log_var = our.posterior(x)[1]
    assert set(log_var.unique().tolist()) == {-30.0, 20.0}
    assert torch.equal(log_var, their.encode(x).latent_dist.logvar)


@pytest.mark.parametrize("convolution", [False, True], ids=["linear", "1x1 convolution"])
def test_files_with_the_old_names_of_the_attention_load(convolution, tmp_path):
    """What the old names mean is decided by diffusers, which reads such a file as well."""
    their = theirs(config("the course's"))
    old = {}
    for name, value in their.state_dict().items():
        for new, former in OLD_NAMES.items():
            if f"attentions.0.{new}." in name:
                name = name.replace(new, former)
                value = value[:, :, None, None] if convolution and value.ndim == 2 else value
        old[name] = value.contiguous()
    assert sum("proj_attn" in name for name in old) == 4 and not any("to_" in name for name in old)
    held = dict(old)
    our = AutoencoderKL.from_diffusers(their.config).double()
    our.load_state_dict(old, strict=True)
    assert old.keys() == held.keys() and all(old[k] is held[k] for k in held)  # the caller's dictionary stays
    if not convolution:
        save_file(old, tmp_path / "diffusion_pytorch_model.safetensors")
        (tmp_path / "config.json").write_text(json.dumps(dict(their.config)), encoding="utf-8")
        their = diffusers.AutoencoderKL.from_pretrained(tmp_path, torch_dtype=torch.float64)
    x = pictures(config("the course's"))
    with torch.no_grad():
        same(our.posterior(x)[0], their.encode(x).latent_dist.mean)
        same(our.decode(our.encode(x, sample=False)), their(x).sample)


def test_stable_diffusions_own_has_the_same_keys_and_shapes():
    with torch.device("meta"):
        our = AutoencoderKL()
    their = theirs_on_meta()
    assert {k: v.shape for k, v in our.state_dict().items()} == {k: v.shape for k, v in their.state_dict().items()}
    assert sum(p.numel() for p in our.parameters()) == 83_653_863


def theirs_on_meta():
    kinds = {"down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4}
    with torch.device("meta"):
        return diffusers.AutoencoderKL(**STABLE_DIFFUSION, **kinds)


@pytest.mark.parametrize(
    "change",
    [
        {"act_fn": "relu"},
        {"use_quant_conv": False},
        {"mid_block_add_attention": False},
        {"shift_factor": 0.1},
        {"down_block_types": ["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]},
        {"temporal_layers": 3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_is_built_otherwise_is_refused_by_name(change):
    with pytest.raises(ValueError, match=f"config: .*{next(iter(change))}"):
        AutoencoderKL.from_diffusers({**theirs_on_meta().config, **change})


def test_what_their_config_leaves_out_is_as_they_have_it():
    with torch.device("meta"):
        ours, theirs = AutoencoderKL.from_diffusers({}), diffusers.AutoencoderKL()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
