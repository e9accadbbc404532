"""Figures and the explorer of lesson 08, without a browser, and the facts that its prose states, against independent oracles."""

import math
from itertools import pairwise

import pytest
import torch
from explorers import assert_every_handle_changes_the_picture

from diffcourse import (
    CLEAN,
    DDIM,
    Denoiser,
    GaussianMixture,
    Level,
    files,
    metrics,
    plot,
    sample,
    sde,
    trajectory,
    widgets,
)
from diffcourse.images import unpack
from diffcourse.models import MLP

PLANE = GaussianMixture([[-1.5, -0.5], [1.2, 1.0], [1.0, -1.3]], [0.35, 0.5, 0.3], [0.5, 0.3, 0.2])
LINE = GaussianMixture([-1.0, 1.0], 0.3)
VP, STRAIGHT = sde.VP(), sde.Straight()
WALKS = torch.randn(11, 5, generator=torch.Generator().manual_seed(0)).cumsum(dim=0)
WAYS = torch.linspace(1, 0, 6)[:, None, None] * torch.tensor([[2.0, 1.0], [-1.0, 2.0]]) + 0.1
TIMES = [i / 10 for i in range(11)]
PICTURES = {
    "processes": lambda: plot.processes({"few": (TIMES, WALKS[:, :2]), "more": (TIMES, WALKS)}, y="w"),
    "moving_histogram": lambda: plot.moving_histogram(LINE, VP, {0.0: WALKS[0], 0.5: WALKS[5]}, walks=(TIMES, WALKS)),
    "ways": lambda: plot.ways({"there": WAYS, "back": WAYS.flip(0)}),
    "flow_page": lambda: plot.flow_page(
        PLANE, VP.at(0.3), {"a flow": (WAYS[0], torch.ones(121, 2)), "another": (WAYS[1], -torch.ones(121, 2))}
    ),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


# -- figures and the explorer -----------------------------------------------------------------------------------------


def test_a_way_begins_hollow_and_ends_full():
    (ax,) = plot.ways({"there": WAYS}).axes
    hollow, full = ax.lines[-2:]
    assert hollow.get_markerfacecolor() == "white" and full.get_markerfacecolor() != "white"
    assert (hollow.get_xydata() == WAYS[0].double().numpy()).all() and (
        full.get_xydata() == WAYS[-1].double().numpy()
    ).all()


def test_the_line_over_a_histogram_is_the_noised_density():
    _, ax = plot.moving_histogram(LINE, VP, {0.0: WALKS[0], 0.5: WALKS[5]}).axes
    x, y = (torch.from_numpy(v) for v in ax.lines[0].get_data())
    at = VP.at(0.5)
    normal = torch.distributions.Normal(torch.tensor([-at.alpha, at.alpha]), math.hypot(0.3 * at.alpha, at.sigma))
    torch.testing.assert_close(y, normal.log_prob(x[:, None]).exp().mean(dim=1), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda: plot.ways({"a": WAYS[0]}), r"named\['a'\] must be ways \(n, B, 2\)"),
        (lambda: plot.processes({}), "named must"),
        (lambda: plot.moving_histogram(LINE, VP, {}), "clouds must"),
    ],
)
def test_figures_refuse_what_they_cannot_draw(draw, told):
    with pytest.raises(ValueError, match=told):
        draw()


@pytest.mark.slow
def test_every_handle_of_the_explorer_changes_the_picture():
    explorer = widgets.FlowExplorer(PLANE, points=40)
    assert_every_handle_changes_the_picture(explorer)
    with pytest.raises(TypeError, match="mixture must be a GaussianMixture"):
        widgets.FlowExplorer("mixture")
    with pytest.raises(ValueError, match="mixture must be two-dimensional, got 1"):
        widgets.FlowExplorer(LINE)


@pytest.mark.slow
@pytest.mark.parametrize("path", [VP, STRAIGHT], ids=["VP", "straight"])
def test_the_three_clouds_of_the_explorer_are_of_one_distribution_at_every_time(path):
    times = [round(0.02 * i, 2) for i in range(51)]
    walked = widgets.FlowExplorer.walk(PLANE, path, times, 1000, 1)
    for t in (0.0, 0.3, 0.7):
        exact = PLANE.sample(1000, level=path.at(max(t, 0.004)), generator=seeded(11))
        for name, clouds in walked.items():
            assert metrics.alike(clouds[t], exact).p > 0.01, (t, name)


# -- what the prose states --------------------------------------------------------------------------------------------


def back(eta, score_weight=None, n=2000, steps=300, seed=0, path=VP):
    """The reverse SDE by hand, from noise to t = 0.002: dx = [f·x - w·g²·s]·dt + eta·g·dw with w = ½(1 + eta²) where no other is given."""
    w = (1 + eta**2) / 2 if score_weight is None else score_weight
    rng, ts = seeded(seed), torch.linspace(1.0, 0.002, steps + 1, dtype=torch.float64).tolist()
    x = torch.randn(n, 2, generator=rng, dtype=torch.float64)
    for t, to in pairwise(ts):
        beta, dt = 0.1 + 19.9 * t, to - t
        z = torch.randn(n, 2, generator=rng, dtype=torch.float64)
        x = x + (-beta / 2 * x - w * beta * PLANE.score(x, path.at(t))) * dt + eta * (beta * -dt) ** 0.5 * z
    return x


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_every_strength_of_noise_arrives_and_a_wrong_step_does_not(seed):
    there = PLANE.sample(2000, level=VP.at(0.002), generator=seeded(50 + seed))
    for eta in (0.0, 1.0, 2.0):
        assert metrics.alike(back(eta, seed=seed), there).p > 0.01
    assert metrics.alike(back(1.0, 0.5, seed=seed), there).p <= 0.01  # the ODE's half, with the SDE's noise
    assert back(1.0, 0.0, seed=seed).std() > 100  # no score: forward, run with dt < 0


def test_the_error_of_the_variance_falls_with_the_step():
    errors = []
    for steps in (20, 80):
        v = 0.0
        for _ in range(steps):
            v = (1 - 1 / steps) ** 2 * v + 2 / steps
        errors.append(abs(v - (1 - math.exp(-2))))
    assert errors[0] / errors[1] == pytest.approx(4.0, abs=0.2)


def test_noise_is_the_stronger_part_for_three_quarters_of_the_times_of_vp_and_half_of_the_straight_ones():
    t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    share = (-torch.expm1(-(0.1 * t + 9.95 * t**2)) > 0.5).double().mean()
    assert 100 * share == pytest.approx(74.1, abs=0.05) and 100 * (1 - VP.time_of(1.0)) == pytest.approx(74.1, abs=0.05)
    assert STRAIGHT.time_of(1.0) == 0.5


def test_the_levels_of_uniform_times_on_the_straight_path_are_logistic():
    t = torch.rand(100_000, generator=seeded(), dtype=torch.float64)
    logs = (STRAIGHT.at(t).sigma / STRAIGHT.at(t).alpha).log()
    for share in (0.05, 0.3, 0.5, 0.9):
        assert logs.quantile(share).item() == pytest.approx(math.log(share / (1 - share)), abs=0.04)


def test_the_straight_path_has_the_most_bent_flow_of_the_three_hills_but_a_straight_one_for_a_narrow_hill():
    def bend_of(mixture, path):
        levels = [path.at(0.999 * (1 - i / 100)) for i in range(100)] + [CLEAN]
        x = torch.randn(200, 2, generator=seeded(), dtype=torch.float64)
        return sde.bend([e.x for e in trajectory(mixture.denoise, x, levels, DDIM())])

    straight, vp = bend_of(PLANE, STRAIGHT), bend_of(PLANE, VP)
    assert straight.mean() > 1.5 * vp.mean() and straight.median() > 1.5 * vp.median()
    hill = GaussianMixture([[4.0, 0.0]], 0.001)
    straight, vp = bend_of(hill, STRAIGHT), bend_of(hill, VP)
    assert straight.max() < 1e-3 < vp.mean()


class Cosine:
    """The lesson's path of one's own: what `NoisePath` names, and nothing else."""

    def at(self, t, like=None):
        t = t if like is None else t.to(like).view(-1, *[1] * (like.ndim - 1))
        angle = torch.as_tensor(t, dtype=torch.float64) * math.pi / 2
        parts = (angle.cos(), angle.sin())
        return Level(t, *(p.item() if like is None else p.to(like) for p in parts))

    def levels(self, steps):
        return [*(self.at(1 - i / steps) for i in range(steps)), CLEAN]

    def times(self, u):
        return u**1.2


@pytest.mark.slow
@pytest.mark.parametrize(("path", "predicts"), [(Cosine(), "v"), (STRAIGHT, "flow")], ids=["one's own", "straight"])
def test_a_flow_is_learnt_in_the_plane_on_any_path(path, predicts):
    torch.manual_seed(0)
    model, rng = Denoiser(MLP(), path, predicts=predicts), seeded(19)
    adam = torch.optim.Adam(model.parameters(), lr=3e-3)
    data = PLANE.sample(2000, generator=seeded(40))
    start = metrics.alike(torch.randn(2000, 2, generator=seeded(1)), data, regroupings=1).distance
    for _ in range(600):
        loss = model.loss(PLANE.sample(512, generator=rng, dtype=torch.float32), generator=rng)
        adam.zero_grad()
        loss.backward()
        adam.step()
    drawn = sample(model, path, (2000, 2), DDIM(), steps=40, seed=0)
    assert metrics.alike(drawn, data, regroupings=1).distance < 0.05 * start


@pytest.mark.slow
def test_hutchinsons_probes_are_right_in_the_mean_for_the_logarithm_and_too_high_for_the_density():
    ring = torch.arange(8) * math.pi / 4
    mixture = GaussianMixture(2 * torch.stack([ring.cos(), ring.sin()], dim=1), 0.15)
    levels = sde.rising_levels(VP, 0.02, 1.0, 40)
    x = mixture.sample(20, level=levels[0], generator=seeded())
    exact = sde.likelihood(mixture.denoise, x, levels).nats
    signs = torch.randint(0, 2, (30, 20, 2), generator=seeded(1)).double() * 2 - 1
    log_p = torch.stack([sde.likelihood(mixture.denoise, x, levels, probe=r).nats for r in signs])
    assert abs((log_p.mean(dim=0) - exact).mean()) < 0.15
    assert (log_p.exp().mean(dim=0) / exact.exp()).median() > 1.1


# -- measured tables that the lesson shows ------------------------------------------------------------------------------


def test_bits_of_the_flow_rise_with_the_steps_and_the_bound_lies_below_the_floor():
    table = files.benchmark("likelihood")
    rows, floor = table["rows"], table["floor"]
    bits = [rows[f"ode, {steps} steps"]["bits"] for steps in (20, 40, 80)]
    assert floor < bits[0] < bits[1] < bits[2] and all(rows[f"ode, {n} steps"]["n"] == 500 for n in (20, 40, 80))
    assert bits[2] - bits[1] < (bits[1] - bits[0]) / 2
    assert rows["bound"]["bits"] < floor and rows["bound"]["n"] == 500


def test_reflow_mends_digits_of_one_call():
    table = files.benchmark("reflow")
    before, after = table["rows"]["before"], table["rows"]["after"]
    assert after["1 calls"]["times_floor"] < before["1 calls"]["times_floor"] / 2
    assert after["bend"]["mean"] < before["bend"]["mean"]
    assert len(unpack(table["strip"]["digits"])) == 10 * len(table["strip"]["rows"])
