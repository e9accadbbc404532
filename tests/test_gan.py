"""The generative adversarial network, against hand-made gradients, formulas of torch, and densities that are known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from diffcourse import train, weights
from diffcourse.mixture import GaussianMixture
from diffcourse.models import GAN, Dense
from diffcourse.rng import image_generators

FORMS = ["minimax", "non-saturating", "hinge"]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def made(build=GAN.points, **settings):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(**({"width": 16, "depth": 2} if build == GAN.points else {"channels": 4, "hidden": 8}) | settings)


def points(n=8):
    return torch.randn(n, 2, generator=rng(1))


def adversarial(gan, batch, generator):
    return gan.loss(batch, generator)


def by_hand(form, real, drawn):
    """(the discriminator's loss, the generator's), by functions of torch that take labels or probabilities."""
    bce, ones, zeros = F.binary_cross_entropy_with_logits, torch.ones_like(drawn), torch.zeros_like(drawn)
    if form == "hinge":
        return torch.clamp(1 - real, min=0).mean() + torch.clamp(1 + drawn, min=0).mean(), -drawn.mean()
    told_apart = bce(real, ones) + bce(drawn, zeros)
    return told_apart, bce(drawn, ones) if form == "non-saturating" else -bce(drawn, zeros)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("build", [GAN.points, GAN.digits], ids=["points", "digits"])
def test_one_scalar_has_the_gradients_of_two_optimisers(form, build):
    gan = made(build, loss=form, r1=0.7)
    x = points() if build == GAN.points else torch.rand(4, 1, 28, 28, generator=rng(1)) * 2 - 1
    gan.loss(x, rng()).backward()
    ours = {name: p.grad.clone() for name, p in gan.named_parameters()}

    z = torch.randn(len(x), gan.latent_dim, generator=rng())
    drawn, seen = gan.generator(z), x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(gan.discriminator(seen).sum(), seen, create_graph=True)
    penalty = 0.7 / 2 * slope.flatten(1).norm(dim=1).square().mean()
    of_d, of_g = by_hand(form, gan.discriminator(x), gan.discriminator(drawn))
    for player, loss in (("discriminator", of_d + penalty), ("generator", of_g)):
        names, parameters = zip(*getattr(gan, player).named_parameters(), strict=True)
        for name, g in zip(names, torch.autograd.grad(loss, parameters, retain_graph=True), strict=True):
            assert torch.allclose(ours[f"{player}.{name}"], g, rtol=1e-4, atol=1e-7), (player, name)


@pytest.mark.parametrize("form", FORMS)
def test_both_losses_are_those_of_torch(form):
    gan, x = made(loss=form), points(64)
    with torch.no_grad():
        players = gan.players(x, rng())
        drawn = gan.generate(64, generator=rng())
        want = by_hand(form, gan.discriminate(x), gan.discriminate(drawn))
    assert players.discriminator.item() == pytest.approx(want[0].item(), rel=1e-5)
    assert players.generator.item() == pytest.approx(want[1].item(), rel=1e-5)
    assert players.penalty == 0


def test_two_adams_by_hand_and_fit_walk_to_the_same_weights():
    """Five steps of two optimisers that move at the same time, as in the papers' pseudocode, are five steps of `fit`."""
    ours, theirs, x = made(), made(), points(64)
    options = {"steps": 5, "batch_size": 64, "lr": 1e-2, "betas": (0.5, 0.9), "clip": 1e6, "warmup": 0}
    (*_, _) = train.fit(ours, x, adversarial, **options)
    two = [torch.optim.Adam(n.parameters(), betas=(0.5, 0.9)) for n in (theirs.generator, theirs.discriminator)]
    source = train.as_data(x, 64)[0]
    for step in range(5):
        z = torch.randn(64, 2, generator=rng(train.counter_seed(0, "step", step, 0)))
        drawn, batch = theirs.generator(z), source.batch(step, 64, seed=0)
        of_g = by_hand("non-saturating", torch.zeros(64), theirs.discriminate(drawn))[1]
        of_d = by_hand("non-saturating", theirs.discriminate(batch), theirs.discriminate(drawn.detach()))[0]
        for optimiser, loss in zip(two, (of_g, of_d), strict=True):
            optimiser.param_groups[0]["lr"] = 1e-2 * train.learning_rate(step, 5, 0)
            inputs = optimiser.param_groups[0]["params"]
            for p, g in zip(inputs, torch.autograd.grad(loss, inputs, retain_graph=True), strict=True):
                p.grad = g
        for optimiser in two:
            optimiser.step()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-5)


@pytest.mark.slow
def test_the_best_discriminator_is_the_share_of_the_data_in_both_densities():
    """Goodfellow et al. 2014, proposition 1: D = p/(p + q), here of N(0.5, 1) against what the generator z -> z draws, N(0, 1)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        gan = GAN(nn.Linear(1, 1), Dense(1, 1, 32, 2), 1)
    with torch.no_grad():
        gan.generator.weight.fill_(1.0), gan.generator.bias.zero_()
    gan.generator.requires_grad_(False)
    data = 0.5 + torch.randn(100_000, 1, generator=rng())
    train.run(gan, data, lambda g, x, r: g.players(x, r).discriminator, steps=600, batch_size=1024, lr=5e-3, bar=False)
    x = torch.linspace(-2, 2.5, 50)[:, None]
    with torch.no_grad():
        ours = gan.discriminate(x).sigmoid()
    p, q = (GaussianMixture([[m]], 1.0).log_prob(x) for m in (0.5, 0.0))
    assert (ours - (p - q).sigmoid()).abs().max() < 0.05


def test_where_the_discriminator_is_sure_minimax_is_flat_and_the_other_is_steep():
    steep = {}
    for form in ("minimax", "non-saturating"):
        gan = made(loss=form)
        with torch.no_grad():
            gan.discriminator[-1].bias.fill_(-10.0)
        gan.players(points(), rng()).generator.backward()
        steep[form] = torch.cat([p.grad.flatten() for p in gan.generator.parameters()]).norm().item()
    assert steep["minimax"] / steep["non-saturating"] == pytest.approx(math.exp(-10), rel=0.2)


def test_the_penalty_is_the_slope_of_a_line_and_of_as_many_as_are_asked_for():
    line = nn.Linear(2, 1)
    x = points(6)
    want = line.weight.square().sum().item()
    assert GAN(nn.Linear(2, 2), line, 2, r1=3.0).penalty(x).item() == pytest.approx(1.5 * want, rel=1e-5)
    few, all_of = (made(r1=1.0, penalised=k) for k in (2, None))
    assert few.players(x, rng()).penalty.item() == pytest.approx(all_of.penalty(x[:2]).item(), rel=1e-5)


def test_a_draw_depends_on_its_seed_and_not_on_its_batch():
    gan = made(GAN.digits)
    together = gan.generate(5, generator=image_generators(5, seed=3))
    alone = torch.cat([gan.generate(1, generator=image_generators(1, seed=3, first=i)) for i in range(5)])
    assert together.shape == (5, 1, 28, 28) and together.abs().max() <= 1 and not together.requires_grad
    assert torch.allclose(together, alone, atol=1e-5)
    noise = torch.randn(3, gan.latent_dim, generator=rng(7))
    assert torch.equal(gan.generate(3, noise=noise), gan.generate(3, generator=rng(7)))


@pytest.mark.parametrize("build", [GAN.points, GAN.digits], ids=["points", "digits"])
def test_what_is_saved_comes_back_with_its_settings(build, tmp_path):
    gan = made(build, latent_dim=3, loss="hinge", r1=0.5, penalised=4)
    again = weights.load(weights.save(tmp_path / "gan", gan))
    assert repr(again) == repr(gan) and (again.form, again.r1, again.penalised, again.latent_dim) == (
        "hinge",
        0.5,
        4,
        3,
    )
    assert torch.equal(again.generate(2, generator=rng()), gan.generate(2, generator=rng()))


def test_networks_of_ones_own_are_trained_and_fill_a_new_one(tmp_path):
    def build():
        return GAN(nn.Sequential(nn.Linear(3, 2)), nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)), 3)

    gan = build()
    train.run(gan, points(64), adversarial, steps=3, bar=False)
    file = weights.save(tmp_path / "own", gan)
    with pytest.raises(ValueError, match="class of your own"):
        weights.load(file)
    assert torch.equal(weights.load(file, into=build()).generator[0].weight, gan.generator[0].weight)


REFUSED = {
    "a class for a network": (lambda: GAN(nn.Linear, nn.Linear(2, 1), 2), TypeError, "generator must be a network"),
    "no network": (lambda: GAN(nn.Linear(2, 2), "d", 2), TypeError, "discriminator must be a network"),
    "a BatchNorm": (
        lambda: GAN(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), nn.Linear(2, 1), 2),
        ValueError,
        "generator .* BatchNorm1d does not; GroupNorm does",
    ),
    "no code": (lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 1), 0), ValueError, "latent_dim must be at least 1, got 0"),
    "another loss": (lambda: made(loss="wasserstein"), ValueError, "loss must be minimax, non-saturating or hinge"),
    "a negative penalty": (lambda: made(r1=-1), ValueError, "r1 must be a number >= 0, got -1"),
    "nothing penalised": (lambda: made(penalised=0), ValueError, "penalised must be at least 1"),
    "other data": (lambda: made().loss(torch.zeros(4, 3)), ValueError, r"x must be like .* \(4, 2\), got \(4, 3\)"),
    "whole numbers": (lambda: made().loss(torch.zeros(4, 2).long()), TypeError, "x must be a floating-point"),
    "an empty batch": (lambda: made().loss(torch.zeros(0, 2)), ValueError, "x must be .* not empty"),
    "a seed for a generator": (lambda: made().loss(points(), 0), TypeError, "generator must be one such as"),
    "another z": (lambda: made()(torch.zeros(2, 3)), ValueError, r"z must be \(B, 2\), got \(2, 3\)"),
    "another noise": (lambda: made().generate(2, noise=torch.zeros(3, 2)), ValueError, r"noise must be .* \(2, 2\)"),
    "no draw": (lambda: made().generate(0), ValueError, "n must be at least 1, got 0"),
    "two logits": (
        lambda: GAN(nn.Linear(2, 2), nn.Linear(2, 2), 2).loss(points()),
        ValueError,
        r"discriminator must return \(8,\) or \(8, 1\), got \(8, 2\)",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_in_a_sentence(case):
    act, kind, told = REFUSED[case]
    with pytest.raises(kind, match=told):
        act()
