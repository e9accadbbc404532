"""The autoencoder and its way to pictures and back; its mathematics are compared with diffusers in parity/test_autoencoder_kl.py."""

import json

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image
from torch.distributions import Normal, kl_divergence

from diffcourse import weights
from diffcourse.latent import latents_to_pil, pil_to_latents
from diffcourse.models import AutoencoderKL

SMALL = {"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "norm_num_groups": 2}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def made(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return AutoencoderKL(**{**SMALL, **options})


def pictures(n=2, height=16, width=24, channels=3):
    return torch.rand(n, channels, height, width, generator=rng(1)) * 2 - 1


def test_an_eighth_of_the_side_and_back():
    vae, x = made(), pictures()
    z = vae.encode(x, rng())
    assert vae.factor == 8 and z.shape == (2, 4, 2, 3) and vae.decode(z).shape == vae(x).shape == x.shape


def test_encode_and_decode_own_the_scaling_factor():
    vae, x = made(), pictures()
    mean, _ = vae.posterior(x)
    before, image = vae.encode(x, sample=False), vae.decode(vae.encode(x, rng()))
    torch.testing.assert_close(before, 0.18215 * mean)
    vae.scaling_factor = 1 / mean.std().item()
    assert vae.encode(x, sample=False).std().item() == pytest.approx(1, rel=1e-5)
    assert torch.equal(vae.posterior(x)[0], mean)
    torch.testing.assert_close(vae.decode(vae.encode(x, rng())), image, atol=1e-5, rtol=1e-4)  # whatever the factor
    torch.testing.assert_close(vae(x, rng()), image, atol=1e-5, rtol=1e-4)


def test_draws_have_the_mean_and_variance_of_the_posterior():
    vae, x = made(scaling_factor=2.0), pictures(1)
    mean, log_var = vae.posterior(x)
    z = vae.encode(x.expand(2000, -1, -1, -1), rng()).detach()
    std = (log_var / 2).exp()
    assert ((z.mean(dim=0) - 2 * mean[0]).abs() < 5 * 2 * std[0] / 2000**0.5).all()
    torch.testing.assert_close(z.std(dim=0), 2 * std[0], rtol=0.1, atol=0)


def test_a_posterior_can_start_narrow():
    x = pictures()
    (mean, log_var), (same, narrow) = made().posterior(x), made(initial_log_var=-6.0).posterior(x)
    assert torch.equal(mean, same)
    torch.testing.assert_close(narrow, log_var - 6)


def test_the_loss_is_l1_and_mse_with_weights_and_the_kl_of_torch():
    vae, x = made(), pictures()
    weight = 1 + 8 * torch.rand(2, 1, 16, 24, generator=rng(2))
    got = vae.loss(x, weight, rng(3), kl_weight=0.01)
    recon = vae(x, rng(3)).double()
    mean, log_var = (v.double() for v in vae.posterior(x))
    kl = kl_divergence(Normal(mean, (log_var / 2).exp()), Normal(0.0, 1.0)).sum() / 2
    error = torch.nn.functional.l1_loss(recon, x.double(), reduction="none")
    error += torch.nn.functional.mse_loss(recon, x.double(), reduction="none")
    assert got.item() == pytest.approx((weight * error).mean().item() + 0.01 * kl.item(), rel=1e-5)
    assert vae.loss(x, None, rng(3)).item() == pytest.approx(error.mean().item() + 1e-6 * kl.item(), rel=1e-5)
    got.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for n, p in vae.named_parameters() if "to_k.bias" not in n)


def test_an_image_depends_neither_on_its_batch_nor_on_its_memory_layout():
    vae, x = made(), pictures(3)
    together = vae(x, sample=False)
    torch.testing.assert_close(vae(x[1:2], sample=False), together[1:2], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(vae(x.to(memory_format=torch.channels_last), sample=False), together)
    held, state = x.clone(), torch.random.get_rng_state()
    vae.loss(x, generator=rng())
    assert torch.equal(held, x) and torch.equal(state, torch.random.get_rng_state())


def test_saved_weights_come_back_with_their_scaling_factor(tmp_path):
    vae, x = made(norm_num_groups=4), pictures()
    vae.scaling_factor = 0.7
    again = weights.load(weights.save(tmp_path / "vae", vae))
    assert again.scaling_factor == 0.7 and again.config == vae.config and not again.training
    assert torch.equal(again.encode(x, rng()), vae.encode(x, rng()))
    spec = json.loads((tmp_path / "vae.json").read_text(encoding="utf-8"))["model"]
    assert spec == {"type": "AutoencoderKL", "config": {**vae.config, "scaling_factor": 0.7}}


X = torch.zeros(2, 3, 16, 16)


@pytest.mark.parametrize(
    "call, says",
    [
        (lambda vae: vae.encode(X[:, :, :15]), r"x must be .* H and W multiples of 8, got \(2, 3, 15, 16\)"),
        (lambda vae: vae.encode(X[:, :1]), r"x must be \(B, 3, H, W\)"),
        (lambda vae: vae.encode(X[0]), r"x must be \(B, 3, H, W\)"),
        (lambda vae: vae.encode((X + 1) * 127.5), r"x must lie in \[-1, 1\], got values from 127.5 to 127.5"),
        (lambda vae: vae.posterior(X - 1.1), r"x must lie in \[-1, 1\]"),
        (lambda vae: vae(X * float("nan")), r"x must lie in \[-1, 1\]"),
        (lambda vae: vae.loss(X.to(torch.uint8)), r"x must be floats in \[-1, 1\], got torch.uint8.*x / 127.5 - 1"),
        (lambda vae: vae.decode(X), r"z must be floats \(B, 4, h, w\), got torch.float32 \(2, 3, 16, 16\)"),
        (lambda vae: vae.decode(torch.zeros(2, 4, 2, 2, dtype=torch.int64)), "z must be floats .* got torch.int64"),
        (lambda vae: setattr(vae, "scaling_factor", 0.0), "scaling_factor must be positive, got 0.0"),
        (lambda vae: made(block_out_channels=(8, 9)), r"multiples of norm_num_groups = 2, got \[8, 9\]"),
        (lambda vae: made(block_out_channels=()), "block_out_channels must be"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call(made())


# -- pictures ----------------------------------------------------------------------------------------------------------


def photos(n=2, size=(24, 16), mode="RGB"):
    shape = (n, size[1], size[0], len(mode))
    pixels = torch.randint(0, 256, shape, generator=rng(), dtype=torch.uint8).numpy()
    return [Image.fromarray(p.squeeze() if mode == "L" else p, mode) for p in pixels]


def test_pictures_become_latents_and_latents_pictures_as_in_diffusers_pipelines():
    vae, processor = made(), VaeImageProcessor(vae_scale_factor=8)
    z = pil_to_latents(photos(), vae, sample=False)
    assert z.shape == (2, 4, 2, 3) and not z.requires_grad
    torch.testing.assert_close(z, vae.encode(processor.preprocess(photos()), sample=False).detach())
    drawn = pil_to_latents(photos(), vae, rng(4))
    torch.testing.assert_close(drawn, vae.encode(processor.preprocess(photos()), rng(4)).detach())
    ours, theirs = latents_to_pil(drawn, vae), processor.postprocess(vae.decode(drawn).detach())
    assert [image.size for image in ours] == [image.size for image in theirs] == [(24, 16)] * 2
    for a, b in zip(ours, theirs, strict=True):
        assert a.mode == "RGB" and np.abs(np.asarray(a, int) - np.asarray(b, int)).max() <= 1


def test_one_picture_is_a_batch_of_one_and_every_mode_becomes_rgb():
    vae = made()
    one = photos(1)[0]
    z = pil_to_latents(one, vae, sample=False)
    assert z.shape == (1, 4, 2, 3) and torch.equal(z, pil_to_latents([one], vae, sample=False))
    grey = photos(1, mode="L")[0]
    assert torch.equal(pil_to_latents(grey, vae, sample=False), pil_to_latents(grey.convert("RGB"), vae, sample=False))
    assert torch.equal(pil_to_latents(one.convert("RGBA"), vae, sample=False), z)
    narrow = made(in_channels=1, out_channels=1)
    assert [image.mode for image in latents_to_pil(pil_to_latents(grey, narrow), narrow)] == ["L"]


@pytest.mark.parametrize(
    "images, error, says",
    [
        (photos(1, (20, 16)), ValueError, "multiples of 8"),
        ([*photos(1), *photos(1, (16, 16))], ValueError, "images must be of one size, got 16x16, 24x16"),
        ([], TypeError, "images must be PIL images, at least one"),
        (torch.zeros(2, 3, 16, 16), TypeError, "images must be PIL images.*Tensor"),
    ],
)
def test_what_is_no_picture_of_the_right_size_is_told(images, error, says):
    with pytest.raises(error, match=says):
        pil_to_latents(images, made())
