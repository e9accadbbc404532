"""Figures and the explorer of lesson 04, without a browser, and the facts that its prose states, against independent oracles."""

import ast
import json
import math
import re
from itertools import pairwise
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import LMSDiscreteScheduler
from scipy import stats
from scipy.integrate import solve_ivp
from torch import nn

from diffcourse import files, plot, widgets
from diffcourse.denoiser import Denoiser
from diffcourse.learn import exercises
from diffcourse.learn.exercises import lesson_04
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.samplers import DDIM, DDPM, LMS, DPMSolverPP, Euler, Heun, sample_ddim, trajectory
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

ROOT = Path(__file__).parent.parent
LINEAR, COSINE, SCALED = DiffusionSchedule.linear(), DiffusionSchedule.cosine(), DiffusionSchedule.scaled_linear()
IMAGE = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)
ROWS = [
    {"sampler": name, "calls": calls, "change": -1 / calls, "grey": 0.05, "precision": 0.8, "recall": 0.9}
    | {f"{what}_95": 0.1 for what in ("change", "grey", "precision", "recall")}
    for name in ("DDIM(0)", "Euler", "DDPM")
    for calls in (5, 10)
]
HILLS = two_bumps()


def levels_at(*nsr):
    """Levels of these sigma/alpha."""
    return [Level(0.0, 1 / (1 + u**2) ** 0.5, u / (1 + u**2) ** 0.5) for u in nsr]


PICTURES = {
    "convergence": lambda: plot.convergence(
        {"a": ([10, 20], [0.1, 0.05]), "b": ([10, 20], [0.1, 0.02])}, guides=(1, 2)
    ),
    "paths": lambda: plot.paths(
        {"few": ([9, 5, 0], torch.randn(3, 4)), "many": (range(40, 0, -1), torch.randn(40, 4))}
    ),
    "scheduler_curve": lambda: plot.scheduler_curve([0, 1, 2], [9.0, 1.0, 0.0], [IMAGE] * 3, believed=[IMAGE] * 3),
    "level_grids": lambda: plot.level_grids({s: SCALED.levels(10, s) for s in ("leading", "trailing")}),
    "quality": lambda: plot.quality(ROWS, same={"Euler": "DDIM(0)"}, reference=ROWS[0], real=ROWS[1]),
    "one_step": lambda: plot.one_step(HILLS.denoise, 0.3, levels_at(3, 2.2, 1.6, 1.1, 0.4)),
    "race": lambda: plot.race(
        {"A": [IMAGE] * 3, "B": [IMAGE] * 3}, ["a", "b", "c"], "caption", "a race of two lanes in words"
    ),
}


def test_figures_say_what_they_show_and_name_wrong_arguments():
    assert "DDIM(0) -0.2, -0.1" in PICTURES["quality"]().alt and "Euler" not in PICTURES["quality"]().alt
    with pytest.raises(ValueError, match="must be equally many, got 2, 1, 1"):
        plot.scheduler_curve([0, 1], [1.0], [IMAGE])
    with pytest.raises(ValueError, match="believed must be as many as frames, 1, got 2"):
        plot.scheduler_curve([0], [1.0], [IMAGE], believed=[IMAGE] * 2)
    with pytest.raises(ValueError, match=r"levels must hold at least 5, .*, got 3"):
        plot.one_step(HILLS.denoise, 0.3, levels_at(3, 2, 1))
    with pytest.raises(ValueError, match="rows must hold at least one sampler, got none"):
        plot.quality([])


def test_the_picture_of_one_step_shows_what_the_samplers_do():
    """Its numbers are those of the package's steps, from the exact way, and that is what a fine solution of the ODE says."""
    levels = levels_at(3, 2.2, 1.6, 1.1, 0.4)

    def ask(y, u):
        (level,) = levels_at(u)
        return HILLS.denoise(torch.tensor([[y * level.alpha]], dtype=torch.float64), level)

    nsr = [at.nsr for at in levels]
    exact = solve_ivp(
        lambda u, y: ask(y[0], u).eps.flatten().numpy(),
        (nsr[0], nsr[-1]),
        [0.3 / levels[0].alpha],
        t_eval=nsr,
        rtol=1e-8,
    )
    *past, now, end = [ask(y, u) for y, u in zip(exact.y[0], nsr, strict=True)]
    told = PICTURES["one_step"]().alt
    euler, heun = (s.step(now, levels[-1], denoise=HILLS.denoise).item() / levels[-1].alpha for s in (Euler(), Heun()))
    h, h_past = levels[-1].lam - levels[-2].lam, levels[-2].lam - levels[-3].lam
    half_way = (now.x0 + h / (2 * h_past) * (now.x0 - past[-1].x0)).item()
    numbers = [float(n.rstrip(".;")) for n in re.findall(r"\d\.\d+", told)]
    assert numbers[2:] == pytest.approx(
        [end.x.item() / levels[-1].alpha, euler, now.x0.item(), heun, half_way], abs=3e-3
    )


# -- the explorer ------------------------------------------------------------------------------------------------------


class Counting(nn.Module):
    """A network with labels that counts its calls."""

    def __init__(self):
        super().__init__()
        self.scale, self.calls = nn.Parameter(torch.tensor(0.3)), 0

    def forward(self, x, t, cond):
        self.calls += 1
        return torch.tanh(self.scale * x) + cond.view(-1, 1, 1, 1) / 100


@pytest.fixture(scope="module")
def race():
    model = Denoiser(Counting(), SCALED, "v", null=10).train()
    explorer = widgets.SamplerRace(model, steps=(2, 4), spacings=("trailing", "leading"), guidances=(1.0, 3.0), fine=6)
    assert model.training and model.network.training  # given back as it came
    return explorer, model


@pytest.mark.slow
def test_each_handle_of_the_race_redraws_and_what_was_run_is_kept(race):
    explorer, model = race
    start, seen = explorer.values, {bytes(explorer.image.value)}
    for name, control in explorer.controls.items():
        rests = bool(control.disabled)
        control.value = next(value for value in control.options if value != start[name])
        assert (bytes(explorer.image.value) in seen) == rests
        seen.add(bytes(explorer.image.value))
    before = model.network.calls
    for name, value in start.items():
        explorer.controls[name].value = value
    first = bytes(explorer.image.value)
    explorer.controls["a_steps"].value = 2 if start["a_steps"] == 4 else 4
    explorer.controls["a_steps"].value = start["a_steps"]
    assert model.network.calls - before < 200 and bytes(explorer.image.value) == first
    before = model.network.calls
    explorer.controls["guidance"].value = 3.0
    explorer.controls["guidance"].value = 1.0
    explorer.controls["guidance"].value = 3.0
    assert model.network.calls - before <= 2 * (6 + 4 + 8) and "image/png" in explorer._repr_mimebundle_()[0]


def test_the_race_says_calls_and_the_way_to_the_exact_end(race):
    explorer, model = race
    for name, value in {
        "a_sampler": "Heun",
        "a_steps": 4,
        "b_sampler": "DDPM",
        "guidance": 1.0,
        "spacing": "trailing",
    }.items():
        explorer.controls[name].value = value
    assert "A, Heun: 4 steps, 7 calls" in explorer.alt
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    given = model.given(torch.tensor([3, 8]))
    *_, fine = trajectory(given, x, SCALED.levels(6), DPMSolverPP())
    *_, heun = trajectory(given, x, SCALED.levels(4), Heun())
    away = (heun.x - fine.x).square().mean().sqrt().item()
    assert f"it ends {away:.3f} from the exact way." in explorer.alt
    assert "no error: it adds noise" in explorer.alt and "Nearer" not in explorer.alt  # DDPM
    explorer.controls["b_sampler"].value = "Euler"
    assert "no error" not in explorer.alt and "Nearer to the exact way: " in explorer.alt


def test_both_lanes_have_spent_the_same_calls_in_each_column(race):
    explorer, _ = race
    a = explorer.compute(
        1.0, "trailing", a_sampler="DDIM", a_steps=4, a_eta=0.0, b_sampler="Heun", b_steps=4, b_eta=0.0
    )
    ddim, heun = a["lanes"]
    assert a["columns"] == [1, 3, 4, 6, 7] and (ddim["calls"], heun["calls"]) == (4, 7)
    for calls, one, other in zip(a["columns"], ddim["frames"], heun["frames"], strict=True):
        assert torch.equal(one, ddim["x0"][min(calls, 4) - 1] if calls < 4 else ddim["x0"][-1])  # through after 4
        assert torch.equal(other, {1: torch.full_like(one, -1), 3: heun["x0"][0]}.get(calls, other))
    assert torch.equal(heun["frames"][-1], heun["x0"][-1])


def test_eta_matters_for_ddim_alone_and_its_handle_says_so(race):
    explorer, _ = race
    for sampler in ("DDIM", "LMS"):
        explorer.controls["a_sampler"].value = sampler
        ends, eta = set(), explorer.controls["a_eta"]
        for value in (0.0, 1.0):
            eta.value = value
            ends.add(explorer.run(sampler, 4, value, 1.0, "trailing")["x0"][-1].sum().item())
        assert len(ends) == (2 if sampler == "DDIM" else 1)
        assert eta.disabled == (sampler != "DDIM") == ("only DDIM" in eta.tooltip)


def test_the_race_names_what_it_cannot_use(race):
    with pytest.raises(TypeError, match="model must be a Denoiser with labels"):
        widgets.SamplerRace(Counting())
    with pytest.raises(ValueError, match="must hold at least one value each"):
        widgets.SamplerRace(race[1], steps=())


# -- facts that the prose states ---------------------------------------------------------------------------------------


def spread(levels, eta, data=0.01):
    """The exact standard deviation of DDIM's samples for data of variance `data`: every step is linear, so variances follow by hand."""
    v = 1.0
    for now, to in pairwise(levels):
        a2, s2 = now.alpha**2, to.alpha**2
        std2 = eta**2 * (1 - s2) / (1 - a2) * (1 - a2 / s2)
        gain = now.alpha * data / (a2 * data + now.sigma**2)  # E[x_0 | x_t] = mean + gain·(x_t - …)
        eps = (1 - now.alpha * gain) / now.sigma
        v = (to.alpha * gain + math.sqrt(max(0.0, to.sigma**2 - std2)) * eps) ** 2 * v + std2
    return v**0.5


def test_eta_one_is_not_the_more_diverse_one_with_few_steps():
    last = LINEAR.at(0)
    told = {(50, 0): 0.079, (50, 1): 0.069, (1000, 0): 0.099, (1000, 1): 0.097}
    for (n, eta), value in told.items():
        assert spread(LINEAR.levels(n, "leading", last=last), eta) == pytest.approx(value, abs=6e-4)
    # and the simulation of the lesson has this spread: 20,000 draws standardised to variance 1
    x = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    x = (x - x.mean()) / x.std()
    levels = LINEAR.levels(50, "leading", last=last)
    *_, end = trajectory(GaussianMixture([-0.7], 0.1).denoise, x, levels, DDIM())
    assert end.x.std().item() == pytest.approx(spread(levels, 0), rel=1e-3)


def test_ending_at_index_0_leaves_its_noise_in():
    for schedule, sigma in ((LINEAR, 0.01), (SCALED, 0.0292)):
        assert schedule.at(0).sigma == pytest.approx(sigma, abs=5e-5)
        assert spread(schedule.levels(50, "leading", last=schedule.at(0)), 0) > spread(
            schedule.levels(50, "leading"), 0
        )


def test_the_variance_of_the_jump():
    bars = LINEAR.alpha_bars
    trained = LINEAR.betas[780] * (1 - bars[779]) / (1 - bars[780])
    assert lesson_04.ddim_std(bars[780].item(), bars[779].item(), 1.0) ** 2 == pytest.approx(trained.item(), rel=1e-9)
    assert trained.item() == pytest.approx(0.0156, abs=5e-5)
    assert lesson_04.ddim_std(bars[780].item(), bars[760].item(), 1.0) ** 2 == pytest.approx(0.2674, abs=5e-5)


def test_paths_are_coloured_by_the_hill_that_they_end_in():
    lines = plot.paths({"five": ([9, 0], [[0.0] * 5, [1.0, -1.2, 1.9, 1.5, 1.1]])}).axes[0].lines
    upper, lower, *others = [line.get_color() for line in lines[:5]]
    assert upper != lower and others == [upper] * 3


def test_wide_data_show_a_walk_that_starts_too_low():
    wide = GaussianMixture([-0.7], 1.0)
    told = {(LINEAR, 50): -0.695, (LINEAR, 5): -0.681, (COSINE, 10): -0.604, (COSINE, 5): -0.525}
    for (
        schedule,
        n,
    ), mean in told.items():  # the steps are linear in x: the mean of the noise, 0, goes to the mean of the samples
        *_, end = trajectory(
            wide.denoise, torch.zeros(1, 1, dtype=torch.float64), schedule.levels(n, "leading"), DDIM()
        )
        assert end.x.item() == pytest.approx(mean, abs=1e-3)


def test_where_the_strided_walk_starts():
    top = {(LINEAR, 980): 0.0077, (LINEAR, 800): 0.039, (COSINE, 900): 0.154, (COSINE, 800): 0.305}
    for (schedule, t), left in top.items():
        assert schedule.at(t).alpha == pytest.approx(left, abs=6e-4)
    counts = {n: len(range(0, 1000, 1000 // n)) for n in (51, 300, 600)}
    assert counts == {51: 53, 300: 334, 600: 1000} and all(len(lesson_04.level_grid(1000, n)) == n for n in counts)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs, with numpy 2
def test_the_scheduler_of_stable_diffusion():
    theirs = LMSDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", num_train_timesteps=1000
    )
    theirs.set_timesteps(51)
    ours = [*(SCALED.at(t) for t in np.linspace(999, 0, 51)), CLEAN]
    np.testing.assert_allclose([at.nsr for at in ours], theirs.sigmas.numpy(), rtol=2e-4, atol=1e-6)
    assert len(theirs.timesteps) == 51 and ours[0].nsr == pytest.approx(14.6146, abs=1e-4)
    nsr = [at.nsr for at in ours]
    assert nsr[6] > nsr[0] / 2 > nsr[7] and nsr[26] < 2  # half of the height after 7 of 51 steps


def test_the_answers_that_are_values():
    """How the error falls when steps are doubled, by the closed form; and the calls, by counting."""
    gauss, factors = GaussianMixture([0.0], 0.5), []
    std = lambda at: (0.25 * at.alpha**2 + at.sigma**2) ** 0.5  # noqa: E731
    for sampler in (DDIM(), Heun()):
        errors = []
        for n in (80, 160):
            levels = [SCALED.at(t) for t in np.linspace(999, 20, n + 1)]
            *_, end = trajectory(gauss.denoise, torch.ones(1, 1, dtype=torch.float64), levels, sampler)
            errors.append(abs(end.x.item() - std(levels[-1]) / std(levels[0])))
        factors.append(round(errors[0] / errors[1]))
    assert tuple(factors) == lesson_04.HALVING.reference
    calls = []

    def counting(x, at):
        calls[-1] += 1
        return gauss.denoise(x, at)

    for sampler, n in ((DDIM(), 1000), (DDIM(), 50), (Heun(), 50)):
        calls.append(0)
        list(trajectory(counting, torch.ones(1, 1), SCALED.levels(n), sampler))
    assert tuple(calls) == lesson_04.CALLS.reference


def test_the_loop_of_the_exercise_is_the_packages_sampler():
    net = lambda x, t: torch.tanh(x) * (1 + t.view(-1, 1) / 1000)  # noqa: E731
    x = torch.randn(3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    model = Denoiser(net, LINEAR)
    levels = LINEAR.levels(20, "linspace")
    assert [int(at.t) for at in levels[:-1]] == lesson_04.level_grid(1000, 20)
    *_, end = trajectory(model, x, levels, DDIM())
    times = lesson_04.level_grid(1000, 20)
    mine = lesson_04.ddim(lambda x, t: model(x, LINEAR.at(t)).eps, x, times, LINEAR.alpha_bars)
    torch.testing.assert_close(mine, end.x, rtol=0, atol=1e-10)
    assert sample_ddim(model, LINEAR, (3, 2), None, 50, 0.0, seed=0).shape == (3, 2)  # the text's order of arguments


def test_steps_shrink_the_width_and_extrapolation_overshoots_a_wide_last_step():
    hills, x = two_bumps(), torch.randn(4000, 1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ends = {}
    for name, sampler in {"DDIM": DDIM(), "DPM": DPMSolverPP()}.items():
        for spacing in ("linspace", "trailing"):
            *_, end = trajectory(hills.denoise, x, LINEAR.levels(10, spacing), sampler)
            ends[name, spacing] = end.x.std().item()
    assert ends["DDIM", "linspace"] < 1.2 and ends["DDIM", "trailing"] < 1.2  # the data: 1.298
    assert ends["DPM", "linspace"] > 1.5 and ends["DPM", "trailing"] == pytest.approx(1.28, abs=0.05)
    levels = LINEAR.levels(10, "linspace")
    assert levels[9].lam - levels[8].lam > 4 * (levels[8].lam - levels[7].lam)


def test_noise_is_long_and_the_middle_of_two_noises_is_not():
    a, b = torch.randn(2, 5000, 784, generator=torch.Generator().manual_seed(0))
    lengths = a.norm(dim=1)
    assert lengths.min() > 25 and lengths.max() < 31
    assert ((a + b) / 2).norm(dim=1).max() < 22
    arc = torch.stack([lesson_04.slerp(p, q, 0.5) for p, q in zip(a[:50], b[:50], strict=True)])
    assert arc.norm(dim=1).min() > 25


def test_the_way_up_needs_the_noise_of_its_first_level():
    """Gaussian data: each point keeps its place in units of the marginal's deviation, also upwards. Nearly flat data show the bug."""
    world, up = GaussianMixture([0.0], 0.001), [SCALED.at(t) for t in np.linspace(0, 999, 401)]
    std = lambda at: (1e-6 * at.alpha**2 + at.sigma**2) ** 0.5  # noqa: E731
    clean = 0.001 * torch.ones(1, 1, dtype=torch.float64)  # one deviation from the mean
    for start, ends in ((clean, 0.001 / std(up[0])), (clean / 0.001 * std(up[0]), 1.0)):
        *_, top = trajectory(world.denoise, start, up, DDIM())
        assert top.x.item() / std(up[-1]) == pytest.approx(ends, rel=0.05)
        *_, back = trajectory(world.denoise, top.x, up[::-1], DDIM())
        assert back.x.item() == pytest.approx(start.item(), rel=0.1)
    assert 0.001 / std(up[0]) < 0.05  # "digits shine through": almost no noise comes out


def test_two_slopes_are_lms_of_order_two_and_the_hasty_one_shows_its_bugs_by_its_order():
    """The order of each version of the lesson's `Hasty`: 0 in x, 1 without a past, 1 with the mean of two slopes, 2 mended."""
    gauss, start = GaussianMixture([0.0], 0.5), torch.ones(1, 1, dtype=torch.float64)
    std = lambda at: (0.25 * at.alpha**2 + at.sigma**2) ** 0.5  # noqa: E731

    def order(sampler):
        errors = []
        for n in (80, 160, 320):
            levels = [SCALED.at(t) for t in np.linspace(999, 20, n + 1)]
            *_, end = trajectory(gauss.denoise, start, levels, sampler)
            errors.append(abs(end.x.item() - std(levels[-1]) / std(levels[0])))
        return lesson_04.order([80, 160, 320], errors)

    class Hasty:
        def __init__(self, history, in_y):
            self.history, self.in_y = history, in_y

        def step(self, now, to, *, past=(), denoise=None, noise=None):
            slope = (now.eps + past[-1].eps) / 2 if past else now.eps
            width = to.nsr - now.at.nsr
            return to.alpha * (now.x / now.at.alpha + width * slope) if self.in_y else now.x + width * slope

    assert order(Hasty(0, False)) < 0.2
    assert order(Hasty(0, True)) == pytest.approx(1, abs=0.1) and order(Hasty(1, True)) == pytest.approx(1, abs=0.15)
    TwoSlopes = exercises()["04.TwoSlopes"].reference
    assert order(TwoSlopes()) > 1.7
    levels = SCALED.levels(15)[:-1]
    *_, mine = trajectory(HILLS.denoise, start, levels, TwoSlopes())
    *_, theirs = trajectory(HILLS.denoise, start, levels, LMS(2))
    torch.testing.assert_close(mine.x, theirs.x, rtol=1e-12, atol=0)


def menu():
    """The rows of the lesson's table of names: name, step, here, in diffusers."""
    notebook = json.loads((ROOT / "notebooks" / "04_ddim_and_fast_samplers.ipynb").read_text(encoding="utf-8"))
    (cell,) = (c for c in notebook["cells"] if "| in the menu |" in "".join(c["source"]))
    lines = [line for line in "".join(cell["source"]).splitlines() if line.startswith("|")][2:]
    return [[part.strip() for part in line.strip("|").split(" | ")] for line in lines]


def test_every_name_in_the_table_of_the_menu_is_there():
    """Classes and options of diffusers, and calls of ours: each can be made as the table writes it."""
    from diffcourse import samplers

    rows, before = menu(), ""
    assert [row[0] for row in rows][:3] == ["DDIM", "DDPM", "Euler"] and len(rows) >= 12
    for _, _, here, there in rows:
        before = re.search(r"\w+Scheduler", there)[0] if "Scheduler" in there else before
        options = dict(re.findall(r"(\w+)=(\"?[\w+-]+\"?)", there))
        getattr(diffusers, before)(**{key: ast.literal_eval(value) for key, value in options.items()})
        for call in re.findall(r"`([A-Z]\w+\([^`]*\))`", here):
            eval(call, vars(samplers))
    assert SCALED.levels(5, "karras") == SCALED.levels(5, "karras", rho=7)


def test_euler_a_with_fresh_noise_is_ddpm():
    levels, x = LINEAR.levels(20), torch.randn(50, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ends = []
    for sampler in (exercises()["04.EulerAncestral"].reference(), DDPM(), DDIM(1.0)):
        *_, end = trajectory(HILLS.denoise, x, levels, sampler, torch.Generator().manual_seed(1))
        ends.append(end.x)
    assert all(torch.allclose(end, ends[0], rtol=0, atol=1e-10) for end in ends)


# -- what its measurements say, against their own errors ----------------------------------------------------------------

TABLE = files.benchmark("samplers")
LINES = {(line["sampler"], line["calls"]): line for line in TABLE["against_reference"]}


def paired(one, other, what="times_floor"):
    """Mean over seeds of a difference, and half of its 95 % interval."""
    seeds = {key: {} for key in (one, other)}
    for row in TABLE["quality"]:
        if (row["sampler"], row["calls"]) in seeds:
            seeds[row["sampler"], row["calls"]][row["seed"]] = row[what]
    d = np.array([seeds[one][seed] - seeds[other][seed] for seed in seeds[one]])
    assert len(d) == 10
    return d.mean(), stats.t.ppf(0.975, 9) * d.std(ddof=1) / 10**0.5


def above(one, other, what="times_floor"):
    """1 where the interval lies above 0, -1 where below, 0 where it holds 0."""
    mean, half = paired(one, other, what)
    return int(mean > half) - int(mean < -half)


def test_the_interval_of_the_lesson_is_the_tables():
    for key, line in LINES.items():
        if key[1] != 1000:
            assert paired(key, ("DDPM", 1000)) == pytest.approx((line["change"], line["change_95"]), abs=2e-4)
    assert stats.t.ppf(0.975, 9) == pytest.approx(2.26, abs=0.003)


@pytest.mark.parametrize("name", ["DDIM(0)", "LMS", "DPM++(2M)"])
def test_the_distance_does_not_tell_good_samplers_from_ddpm_with_a_thousand(name):
    for calls in (10, 20, 50):
        assert above((name, calls), ("DDPM", 1000)) == 0
    assert above((name, 5), ("DDPM", 1000)) == (name == "DDIM(0)")


def test_few_calls_are_softer_and_more_calls_less_precise_and_more_varied():
    grey = [LINES["DDIM(0)", calls]["grey"] for calls in (5, 10, 20, 50)]
    assert grey == sorted(grey, reverse=True) and grey[0] > grey[1] > TABLE["real"]["grey"] + 0.005
    assert grey[3] == pytest.approx(TABLE["real"]["grey"], abs=0.002)
    for name in ("DDIM(0)", "DPM++(2M)", "LMS"):
        assert above((name, 5), (name, 50), "precision") == 1 and above((name, 5), (name, 50), "recall") == -1


def test_fresh_noise_and_heun_need_more_calls():
    assert [above(("DDPM", calls), ("DDIM(0)", calls)) for calls in (5, 10, 20, 50)] == [1, 1, 0, 0]
    assert above(("DDPM", 50), ("DDIM(0)", 50), "precision") == 1 and above(("DDPM", 50), ("DDIM(0)", 50), "grey") == -1
    assert LINES["Heun", 5]["change"] > 6 and LINES["Heun", 9]["change"] > 1
    assert all(above(("Heun", calls), ("DDPM", 1000)) == 0 for calls in (19, 49))


def test_pairs_show_that_more_calls_are_farther_where_the_reference_does_not():
    assert above(("DPM++(2M)", 50), ("DPM++(2M)", 10)) == 1
    assert above(("DPM++(2M)", 10), ("DDPM", 1000)) == above(("DPM++(2M)", 50), ("DDPM", 1000)) == 0
    assert above(("DPM++(2M)", 50), ("DPM++(2M)", 10), "precision") == -1


def test_steps_that_shrink_towards_the_data_do_harm_here():
    for rho in (3, 7):
        for calls in (5, 10, 20, 50):
            assert above((f"DDPM, Karras rho={rho}", calls), ("DDPM", calls)) == 1
    for calls in (5, 10, 20, 50):
        assert above(("DPM++(2M), Karras rho=7", calls), ("DPM++(2M)", calls)) == 1
    assert LINES["DPM++(2M), Karras rho=7", 10]["grey"] < TABLE["real"]["grey"] < LINES["DPM++(2M)", 10]["grey"]


def test_the_first_levels_of_a_walk_from_316_decide_how_many_are_left_below():
    digits = DiffusionSchedule.scaled_linear().zero_terminal_snr(1e-5)
    assert (SCALED.at(999).nsr, digits.at(999).nsr) == (pytest.approx(14.6, abs=0.05), pytest.approx(316, abs=0.5))
    above_30 = lambda *grid, **rho: sum(at.nsr > 30 for at in digits.levels(10, *grid, **rho))  # noqa: E731
    assert [above_30(), above_30("karras", rho=3), above_30("karras", rho=7)] == [1, 6, 4]
    assert all(at.nsr < 30 for at in SCALED.levels(10, "karras", rho=3))


def test_fresh_noise_in_second_order_gains_on_ddpm_and_in_precision():
    sde, ode = "DPM++(2M) SDE, Karras rho=7", "DPM++(2M), Karras rho=7"
    for calls in (10, 20, 50):
        assert above((sde, calls), ("DDPM, Karras rho=7", calls)) == -1
        assert above((sde, calls), (ode, calls), "precision") == 1
    assert above((sde, 10), ("DPM++(2M)", 10)) == 1
    assert above((sde, 20), ("DPM++(2M)", 20)) == above((sde, 50), ("DPM++(2M)", 50)) == 0
    assert above((sde, 20), (ode, 20)) == above((sde, 50), (ode, 50)) == 0


def test_ending_at_index_0_hides_the_width_that_is_missing():
    narrow, left = spread(SCALED.levels(50, "leading"), 0), SCALED.at(0).sigma
    there = spread(SCALED.levels(50, "leading", last=SCALED.at(0)), 0)
    assert there == pytest.approx((narrow**2 + left**2) ** 0.5, abs=1.5e-3) and narrow < there < 0.1
