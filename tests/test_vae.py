"""The variational autoencoder and its bound, against closed forms, torch.distributions and numerical integration."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from diffcourse import data, elbo
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.models import VAE, PointVAE


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def made(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(**{"hidden": 32, "channels": 8} | options)


def pixels(n=3):
    return (torch.rand(n, 1, 28, 28, generator=rng(1)) < 0.3).float()


@pytest.mark.parametrize("form", ["mlp", "conv"])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_shapes_and_gradients(form, likelihood):
    vae, x = made(form=form, likelihood=likelihood, latent_dim=5), pixels()
    recon, mu, log_var = vae(x, rng())
    assert recon.shape == x.shape and mu.shape == log_var.shape == (3, 5)
    vae.loss_function(recon, x, mu, log_var).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in vae.parameters())


def test_the_loss_is_bce_summed_plus_the_kl_of_torch():
    vae, x = made(), pixels()
    with torch.no_grad():
        recon, mu, log_var = vae(x, rng())
    kl = kl_divergence(Normal(mu, (log_var / 2).exp()), Normal(0.0, 1.0)).sum()
    bce = -Bernoulli(probs=recon).log_prob(x).sum()
    assert vae.loss_function(recon, x, mu, log_var) == pytest.approx(float(bce + kl), rel=1e-5)
    assert vae.loss_function(recon, x, mu, log_var, kl_weight=4.0) == pytest.approx(float(bce + 4 * kl), rel=1e-5)
    assert torch.allclose(elbo.standard_kl(mu, log_var).sum(), kl.double(), rtol=1e-5)


def test_the_gaussian_likelihood_is_that_of_torch_with_a_learned_std():
    vae, x = made(likelihood="gaussian"), pixels() * 2 - 1
    with torch.no_grad():
        vae.log_std.fill_(-0.7)
    recon = vae.decode(torch.randn(3, 20, generator=rng()))
    want = -Normal(recon, math.exp(-0.7)).log_prob(x).flatten(1).sum(dim=1)
    assert torch.allclose(vae.nll(recon, x), want, rtol=1e-5)
    assert vae.std.item() == pytest.approx(math.exp(-0.7))


def test_reparameterize_draws_from_q():
    mu, log_var = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.0, math.log(4.0)]])
    z = made(latent_dim=2).reparameterize(mu.expand(100_000, 2), log_var.expand(100_000, 2), generator=rng())
    assert torch.allclose(z.mean(dim=0), mu[0], atol=0.03) and torch.allclose(
        z.std(dim=0), torch.tensor([1.0, 2.0]), atol=0.03
    )


def test_what_does_not_fit_is_told():
    vae = made()
    with pytest.raises(ValueError, match=r"x must lie in \[0, 1\].*from -1 to.*binarise"):
        vae(pixels() * 2 - 1)
    with pytest.raises(ValueError, match=r"x must be \(B, 1, 28, 28\)"):
        vae(torch.zeros(2, 784))
    with pytest.raises(ValueError, match=r"z must be \(B, 20\)"):
        vae.decode(torch.zeros(2, 2))
    for wrong in ({"latent_dim": 0}, {"form": "rnn"}, {"likelihood": "bce"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            VAE(**wrong)
    with pytest.raises(ValueError, match="samples must be"):
        elbo.vae_elbo(vae, pixels(), samples=0)
    with pytest.raises(ValueError, match="q must hold 2"):
        elbo.mixture_elbo(two_bumps(), torch.zeros(1, 1), torch.tensor([0.7, 0.7]))


def test_binarised_pixels_have_the_grey_value_as_their_mean():
    grey = torch.tensor([-1.0, -0.5, 0.0, 0.6, 1.0]).view(5, 1, 1, 1)
    drawn = data.binarise(grey.expand(5, 1, 200, 200), rng())
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert torch.allclose(drawn.mean(dim=(1, 2, 3)), (grey.flatten() + 1) / 2, atol=0.01)
    with pytest.raises(ValueError, match=r"images must lie in \[-1, 1\]"):
        data.binarise(torch.tensor([2.0]))


@pytest.mark.parametrize("q", [[0.5, 0.5], [0.9, 0.1], [1.0, 0.0], "posterior"])
def test_elbo_plus_the_gap_is_the_evidence_of_a_mixture(q):
    mixture = GaussianMixture([-1.0, 0.5, 2.0], [0.3, 0.5, 0.8], [0.2, 0.5, 0.3]) if q == "posterior" else two_bumps()
    x = torch.linspace(-2, 3, 11, dtype=torch.float64)[:, None]
    posterior = mixture.responsibilities(x)
    q = posterior if q == "posterior" else torch.tensor(q, dtype=torch.float64).expand(11, 2)
    gap = (torch.special.xlogy(q, q) - torch.where(q > 0, q * posterior.log(), 0.0)).sum(dim=1)
    bound = elbo.mixture_elbo(mixture, x, q)
    assert torch.allclose(bound + gap, mixture.log_prob(x), atol=1e-10)
    assert bool((bound <= mixture.log_prob(x) + 1e-12).all())


def test_the_bound_of_a_mixture_is_finite_far_from_its_components():
    x, q = torch.tensor([[60.0]], dtype=torch.float64), torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    mixture = two_bumps()
    log_joint = [
        w.log() + Normal(m, s).log_prob(x[0])
        for w, m, s in zip(mixture.weights, mixture.means, mixture.stds, strict=True)
    ]
    want = sum(0.5 * (value - math.log(0.5)) for value in log_joint)
    assert torch.allclose(elbo.mixture_elbo(mixture, x, q), want)


@pytest.mark.slow
def test_both_estimators_of_the_vae_bound_agree_and_the_importance_bound_lies_between_them_and_the_evidence():
    vae, x = made(latent_dim=1, form="mlp"), pixels(2)
    vae.requires_grad_(False)
    closed = elbo.vae_elbo(vae, x, samples=4000, generator=rng())
    drawn = elbo.vae_elbo(vae, x, samples=4000, analytic=False, generator=rng(1))
    assert torch.allclose(closed.each, drawn.each, atol=0.1) and closed.value == pytest.approx(
        closed.reconstruction - closed.kl
    )
    tighter = elbo.importance_bound(vae, x, samples=4000, generator=rng(2))

    z = torch.linspace(-8, 8, 4001)[:, None]  # the integral over z on a grid: the evidence itself
    log_p = torch.stack([-vae.nll(vae.decode(z), image[None].expand(4001, 1, 28, 28)) for image in x], dim=1).double()
    evidence = torch.logsumexp(log_p + Normal(0.0, 1.0).log_prob(z).double(), dim=0) + math.log(16 / 4000)
    assert torch.allclose(tighter.each, evidence, atol=0.05)
    assert bool((closed.each < tighter.each).all())


def test_the_mode_and_the_global_random_state_are_left_alone():
    vae, x = made().train(), pixels()
    before = torch.random.get_rng_state()
    elbo.importance_bound(vae, x, samples=2, generator=rng())
    assert vae.training and torch.equal(before, torch.random.get_rng_state())


def test_the_bound_of_points_is_that_of_torch_and_below_their_entropy():
    """With mean 0 from the decoder and the prior from the encoder, -ELBO is -log N(x; 0, std²); no model goes below the data's entropy."""
    vae, x = PointVAE(width=8, depth=1, std=0.7), torch.randn(500, 2, generator=rng())
    with torch.no_grad():
        for p in (*vae.encoder[-1].parameters(), *vae.decoder[-1].parameters()):
            p.zero_()
    want = -Normal(0.0, 0.7).log_prob(x).sum(dim=1).mean()
    assert vae.loss(x, rng()).item() == pytest.approx(want.item(), rel=1e-5)
    assert vae.log_std.exp().item() == pytest.approx(0.7) and vae.loss(x, rng()) > 2 * 0.5 * math.log(
        2 * math.pi * math.e
    )
    mean, drawn = (vae.generate(4000, generator=rng(), noisy=noisy) for noisy in (False, True))
    assert (mean == 0).all() and drawn.std() == pytest.approx(0.7, rel=0.03)
    with pytest.raises(ValueError, match="std must be a finite number above 0"):
        PointVAE(std=0)
