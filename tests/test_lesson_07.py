"""Figures and the explorer of lesson 07, without a browser, and the facts that its prose states, against independent oracles."""

import pytest
import torch
from explorers import assert_every_handle_changes_the_picture

from diffcourse import CLEAN, GaussianMixture, Level, metrics, plot, sample, trajectory, weights, widgets
from diffcourse.models import MLP
from diffcourse.score import AnnealedLangevin, denoising_loss, langevin

WORLD = GaussianMixture([[-1.5, -0.5], [1.2, 1.0], [1.0, -1.3]], [0.35, 0.5, 0.3], [0.5, 0.3, 0.2])
FAR = GaussianMixture([[-4.0, 0.0], [4.0, 0.0]], 0.5, [0.2, 0.8])
AT = Level(0.5, 0.8, 0.6)
PLACES = torch.cartesian_prod(torch.linspace(-2, 2, 5), torch.linspace(-2, 2, 5))
PICTURES = {
    "fields": lambda: plot.fields({"one": (PLACES, -PLACES), "two": (PLACES, PLACES)}, ground=PLACES / 2, root=True),
    "pull": lambda: plot.pull(torch.zeros(2), PLACES, torch.linspace(0, 1, 25), torch.tensor([1.0, 0.5])),
    "losses_map": lambda: plot.losses_map(),
    "drops": lambda: plot.drops(PLACES, -PLACES, [PLACES, PLACES / 2], ground=PLACES, title="drops"),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# -- figures ----------------------------------------------------------------------------------------------------------


def test_arrows_of_all_panels_have_one_scale_and_their_roots_keep_the_direction():
    places = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    named = {"short": (places, torch.tensor([[0.0, 1.0], [1.0, 0.0]])), "long": (places, torch.full((2, 2), 4.0))}
    plain, roots = plot.fields(named, longest=0.5), plot.fields(named, longest=0.5, root=True)
    lengths = {}
    for name, picture in {"plain": plain, "roots": roots}.items():
        short, long = (next(c for c in ax.collections if hasattr(c, "U")) for ax in picture.axes)
        assert (abs(long.U - long.V) < 1e-9).all() and short.U[0] == 0 and long.scale == 1
        lengths[name] = (
            float((short.V[0] ** 2 + short.U[0] ** 2) ** 0.5),
            float((long.U[0] ** 2 + long.V[0] ** 2) ** 0.5),
        )
    assert lengths["plain"][1] == lengths["roots"][1] == pytest.approx(0.5)
    ratio = lengths["plain"][0] / lengths["plain"][1]
    assert ratio == pytest.approx(1 / 32**0.5) and lengths["roots"][0] / 0.5 == pytest.approx(ratio**0.5)


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda: plot.fields({"a": (PLACES, PLACES[:3])}), r"the arrows of named\['a'\]"),
        (lambda: plot.pull(torch.zeros(3), PLACES, torch.ones(25), torch.ones(2)), r"x_t and score must be \(2,\)"),
        (lambda: plot.pull(torch.zeros(2), PLACES, torch.ones(3), torch.ones(2)), "shares must be 25 numbers"),
        (lambda: plot.pull(torch.zeros(2), PLACES, -torch.ones(25), torch.ones(2)), "none negative"),
        (lambda: plot.drops(PLACES, PLACES, []), "track must be a list"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(draw, told):
    with pytest.raises(ValueError, match=told):
        draw()


def test_a_particle_is_drawn_where_it_ended():
    picture = plot.drops(PLACES, -PLACES, [PLACES, PLACES / 2])
    (ax,) = picture.axes
    start, end = (c.get_offsets() for c in ax.collections if not hasattr(c, "U"))
    assert (start == PLACES.numpy()).all() and (end == PLACES.numpy() / 2).all()


# -- the explorer -----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_handle_of_the_explorer_changes_the_picture_at_both_ends():
    explorer = widgets.ScoreExplorer(WORLD)
    assert_every_handle_changes_the_picture(explorer)
    assert "100 particles after 20 steps" in explorer.alt


def test_the_explorer_says_what_the_particles_do():
    explorer = widgets.ScoreExplorer(WORLD)
    corner = {"place": "a corner", "step": 0.02, "sigma": 0.0}
    still = explorer.compute(k=200, noisy="no", **corner)["track"][-1]
    tops = torch.cdist(still, WORLD.means).min(dim=1).values
    assert tops.max() < 0.1  # without noise all of them stand on hilltops
    first = explorer.compute(k=0, noisy="yes", **corner)
    assert len(first["track"]) == 1 and torch.equal(first["arrows"], WORLD.score(first["places"]))
    noisy = explorer.compute(k=200, noisy="yes", place="everywhere", step=0.02, sigma=2.0)
    assert noisy["held"] == pytest.approx(WORLD.weights.tolist(), abs=0.1)  # one hill: the shares are right
    assert (
        explorer.compute(k=5, noisy="yes", **corner)["track"][5]
        is explorer.compute(k=200, noisy="yes", **corner)["track"][5]
    )
    with pytest.raises(TypeError, match="mixture must be a GaussianMixture"):
        widgets.ScoreExplorer("mixture")
    with pytest.raises(ValueError, match="mixture must be two-dimensional, got 1"):
        widgets.ScoreExplorer(GaussianMixture([0.0, 1.0]))


# -- what the prose states --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_small_network_learns_the_noised_score_within_five_percent():
    torch.manual_seed(0)
    net, g, steps = MLP(width=64), seeded(), 1200
    adam = torch.optim.Adam(net.parameters(), 1e-2)
    calmer = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        loss = denoising_loss(net, WORLD.sample(512, generator=g, dtype=torch.float32), AT, generator=g).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        calmer.step()
    x = WORLD.sample(20_000, level=AT, generator=seeded(9))
    true = WORLD.score(x, AT)
    with torch.no_grad():
        error = (net(x.float()) - true).square().sum() / true.square().sum()
    assert error.sqrt() < 0.05


def test_half_the_noise_draws_the_square_of_the_density():
    s, step, n = 0.8, 0.02, 40_000
    x, g = torch.zeros(n, 1, dtype=torch.float64), seeded()
    for _ in range(400):
        x = x - step * x / s**2 + step**0.5 * torch.randn(x.shape, generator=g, dtype=torch.float64)
    assert x.var().item() == pytest.approx(s**2 / 2 / (1 - step / (2 * s**2)), rel=5 * (2 / n) ** 0.5)


def test_weights_of_far_modes_drop_out_of_the_score_and_a_chain_keeps_those_it_began_with():
    other = GaussianMixture(FAR.means, FAR.stds, [0.8, 0.2])
    x = torch.tensor([[4.0, 0.3], [-3.5, 0.2]], dtype=torch.float64)
    torch.testing.assert_close(FAR.score(x), other.score(x), rtol=0, atol=1e-9)
    half = FAR.means.repeat(50, 1)
    *_, end = langevin(FAR.score, half, 0.05, 300, generator=seeded())
    assert (end[:, 0] > 0).double().mean() == 0.5


@pytest.mark.slow
def test_levels_that_fall_slowly_find_the_weights():
    sigmas = torch.logspace(0.9031, -1, 20, dtype=torch.float64).tolist()
    levels = [*(Level(1 - i / 20, 1.0, sigma) for i, sigma in enumerate(sigmas)), CLEAN]
    n, shares = 4000, {}
    start = 8 * torch.randn(n, 2, generator=seeded(), dtype=torch.float64)
    for steps in (10, 80):
        *_, end = trajectory(FAR.denoise, start, levels, AnnealedLangevin(steps, 0.3), seeded(1))
        shares[steps] = (end.x[:, 0] > 0).double().mean().item()
    assert abs(shares[80] - 0.8) < 0.02 < 0.8 - shares[10]


def test_a_step_of_ddpm_is_a_step_down_and_a_langevin_step_to_first_order():
    x, z = (
        WORLD.sample(500, level=AT, generator=seeded()),
        torch.randn(500, 2, generator=seeded(1), dtype=torch.float64),
    )
    s, apart = WORLD.score(x, AT), []
    for beta in (0.02, 0.01):
        ddpm = (x - beta / AT.sigma * WORLD.denoise(x, AT).eps) / (1 - beta) ** 0.5 + beta**0.5 * z  # Ho et al., eq. 11
        both = x + beta / 2 * (x + s) + beta / 2 * s + (2 * (beta / 2)) ** 0.5 * z
        apart.append((ddpm - both).square().mean().sqrt())
    assert 3.8 < apart[0] / apart[1] < 4.2


def test_the_score_of_a_shrunk_image_is_alpha_times_that_of_the_image():
    y = WORLD.sample(5, generator=seeded())
    wide = Level(0.5, 1.0, AT.nsr)
    torch.testing.assert_close(WORLD.score(y, wide), AT.alpha * WORLD.score(AT.alpha * y, AT))


@pytest.mark.slow
def test_a_network_trained_for_ddpm_draws_digits_by_annealed_langevin_dynamics():
    model, labels = weights.load("mnist-ddpm"), torch.arange(20) % 10
    levels = [at for at in model.schedule.levels(40, "karras") if at.sigma == 0 or at.nsr < 20]
    drawn = sample(
        model.given(labels), model.schedule, (20, 1, 28, 28), AnnealedLangevin(5, 0.45), levels=levels, seed=0
    )
    assert metrics.label_accuracy(drawn, labels).right >= 0.9
