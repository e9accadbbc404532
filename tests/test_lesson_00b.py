"""The figures and the explorer of lesson 00b."""

import pytest
import torch

from diffcourse import plot
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.schedule import Level
from diffcourse.widgets import PosteriorExplorer

X = torch.linspace(-3, 3, 61)
BELL = torch.distributions.Normal(0, 1).log_prob(X).exp()


def draws(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


PICTURES = {
    "densities": lambda: plot.densities(
        {"a": (X, BELL), "b": (X, BELL / 2)}, samples=draws(100, 1), points={"seen": 1.0}
    ),
    "densities, one filled": lambda: plot.densities({"a": (X, BELL), "b": (X, BELL / 2)}, fill="a", title="two"),
    "monte_carlo": lambda: plot.monte_carlo(draws(30, 50), truth=0.0),
    "bayes": lambda: plot.bayes(X, BELL, BELL, BELL**2, mean=0.5, title="a title"),
    "jensen": lambda: plot.jensen(0.5, 2.0),
    "arrows": lambda: plot.arrows(draws(9, 2), draws(9, 2), cloud=draws(5, 2), title="field"),
}


@pytest.mark.parametrize(("sigma", "x_t"), [(0.05, -1.0), (0.5, 0.3), (0.99, 2.0)])
def test_the_explorer_computes_bayes_rule(sigma, x_t):
    mixture = two_bumps()
    a = PosteriorExplorer.compute(mixture, sigma, x_t)
    dx = float(a["grid"][1] - a["grid"][0])
    by_hand = a["prior"] * a["likelihood"]
    by_hand = by_hand / (by_hand.sum() * dx)
    assert torch.allclose(a["posterior"], by_hand, atol=2e-3 * float(by_hand.max()))
    assert a["mean"] == pytest.approx(float((a["grid"] * by_hand).sum() * dx), abs=2e-3)
    assert a["std"] == pytest.approx(float(((a["grid"] - a["mean"]) ** 2 * by_hand).sum() * dx) ** 0.5, abs=2e-3)
    exact = mixture.posterior(torch.tensor([[x_t]], dtype=torch.float64), Level(0.0, (1 - sigma**2) ** 0.5, sigma))
    assert a["mean"] == pytest.approx(exact.mean.item(), abs=1e-9) and sum(a["weights"]) == pytest.approx(1)


def test_pure_noise_leaves_the_prior():
    a = PosteriorExplorer.compute(two_bumps(), 0.9999, 1.0)
    assert torch.allclose(a["posterior"], a["prior"], atol=0.02)


@pytest.mark.slow
def test_every_handle_of_the_explorer_redraws_and_tells():
    explorer = PosteriorExplorer(sigma=0.8, x_t=0.1)
    seen = {bytes(explorer.image.value)}
    assert "0.43, 0.57" in explorer.alt
    for control in explorer.controls.values():
        for value in (control.options[0], control.options[-1]):
            control.value = value
            seen.add(bytes(explorer.image.value))
    assert len(seen) == 5
    assert "noise 0.99" in explorer.alt and explorer.alt in explorer.text.value


def test_the_explorer_takes_one_dimension_only():
    with pytest.raises(ValueError, match="one-dimensional"):
        PosteriorExplorer(GaussianMixture.ring())
