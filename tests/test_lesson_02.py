"""Figures and explorers of lesson 02, without a browser, and the facts that its prose states."""

import pytest
import torch

from diffcourse import plot, widgets
from diffcourse.denoiser import estimate
from diffcourse.elbo import noise_weights, step_kl, transition
from diffcourse.learn import reveals
from diffcourse.mixture import GaussianMixture
from diffcourse.schedule import DiffusionSchedule

IMAGE = torch.linspace(-1, 1, 784).view(1, 1, 28, 28)
NOISE = torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
CURVE = {"a": ([1, 2], [3, 4]), "b": ([1, 2], [1, 2])}
PICTURES = {
    "chains": lambda: plot.chains([IMAGE, NOISE], ["t = 0", "t = 1000"]),
    "forward": lambda: plot.chains([IMAGE, NOISE], ["t = 0", "t = 1000"], ways="forward"),
    "colour": lambda: plot.chains([IMAGE.expand(1, 3, 28, 28)] * 2, ["a", "b"], ways="reverse"),
    "mixing": lambda: plot.mixing(IMAGE, NOISE, 0.8, 0.6),
    "formula_page": lambda: plot.formula_page(),
    "bound_map": lambda: plot.bound_map(),
    "bound_map with numbers": lambda: plot.bound_map((-3.2, 4.3, 4e-5)),
    "panels": lambda: plot.panels({"left": CURVE, "right": CURVE}, x="t", y="nats", log="y"),
    "noise_level": lambda: plot.noise_level(IMAGE[0], 0.8, 0.6, "t = 3"),
    "schedule_point": lambda: plot.schedule_point({"linear": DiffusionSchedule.linear()}, "linear", 5, IMAGE[0]),
}


def test_wrong_arguments_of_figures_are_named():
    with pytest.raises(ValueError, match="ways must be"):
        plot.chains([IMAGE], ["a"], ways="sideways")
    with pytest.raises(ValueError, match="titles must hold 1"):
        plot.chains([IMAGE], [])


def test_the_noise_explorer_computes_what_it_shows():
    schedule = DiffusionSchedule.linear()
    a = widgets.NoiseExplorer.compute(schedule, IMAGE, NOISE, 250)
    assert torch.equal(a["x_t"], schedule.q_sample(IMAGE, 250, NOISE)[0])
    assert a["snr"] == pytest.approx(1.09, abs=0.005)
    explorer, seen = widgets.NoiseExplorer(IMAGE), set()
    for t in (0, 500, 999):
        explorer.controls["t"].set_state({"index": t})  # what a browser sends
        assert f"t = {t}: image times {schedule.at(t).alpha:.3f}" in explorer.text.value
        seen.add(bytes(explorer.image.value))
    assert len(seen) == 3
    assert "image/png" in explorer._repr_mimebundle_()[0]


@pytest.mark.slow
def test_the_schedule_explorer_redraws_once_a_change(monkeypatch):
    explorer = widgets.ScheduleExplorer(IMAGE)
    calls, draw = [], explorer._draw
    monkeypatch.setattr(explorer, "_draw", lambda arrays: calls.append(1) or draw(arrays))
    before = bytes(explorer.image.value)
    explorer.controls["schedule"].value = "cosine"
    assert len(calls) == 1 and bytes(explorer.image.value) != before
    explorer.controls["t"].value = 999
    assert len(calls) == 2 and "cosine, t = 999: beta 0.9990" in explorer.text.value


@pytest.mark.slow
def test_the_schedule_explorer_has_the_usual_schedules_at_1000_steps_and_scaled_ones_at_fewer():
    named = widgets.ScheduleExplorer(IMAGE)._compute(schedule="linear", t=0)["named"]
    for name, schedule in named.items():
        usual = getattr(DiffusionSchedule, name.replace("-", "_"))()
        assert torch.allclose(schedule.betas, usual.betas)
    short = widgets.ScheduleExplorer(IMAGE, 100, schedule="linear", t=99)
    assert "signal-to-noise ratio" in short.alt and short.values == {"schedule": "linear", "t": 99}


def test_numbers_that_the_prose_states():
    linear, cosine = DiffusionSchedule.linear(), DiffusionSchedule.cosine()
    t = torch.arange(1000)
    assert [int((s.snr(t) < 1).nonzero()[0]) for s in (linear, cosine)] == [259, 496]
    assert float((linear.alpha_bars < 0.01).double().mean()) == pytest.approx(0.327)
    assert float((cosine.alpha_bars < 0.01).double().mean()) == pytest.approx(0.065)
    weights = noise_weights(linear)
    assert round(float(weights.max() / weights.min())) == 120
    in_x0 = -linear.snr(t).diff() / 2
    assert float(in_x0.max() / in_x0.min()) == pytest.approx(6.6e9, rel=0.01)
    assert DiffusionSchedule.scaled_linear().at(999).alpha == pytest.approx(0.068, abs=5e-4)
    assert DiffusionSchedule.linear(200).at(199).alpha == pytest.approx(0.364, abs=5e-4)
    assert int((linear.snr(t) * 0.386 < 1).nonzero()[0]) == 176
    assert int((DiffusionSchedule.scaled_linear().snr(t) < 1).nonzero()[0]) == 354
    text = reveals()["02.explore"].text
    assert all(f"{number}" in text for number in (259, 354, 496, 0.068))


def test_a_chain_that_ends_too_early_loses_its_share_of_the_mean_in_ddpm():
    """Data N(-0.7, 1): exactly alpha_bar_T of the mean, whatever the variance of the steps; of narrow data next to nothing."""
    short = DiffusionSchedule.linear(200)
    assert float(short.alpha_bars[-1]) == pytest.approx(0.13, abs=0.005)
    for std, lost in ((1.0, float(short.alpha_bars[-1])), (0.1, 0.0015)):
        data, mean = (
            GaussianMixture([-0.7], std),
            torch.zeros(1, 1, dtype=torch.float64),
        )  # the mean goes through all steps
        for i in reversed(range(200)):
            mean, _ = transition(data.denoise, short, mean, i)
        assert float(mean) == pytest.approx(-0.7 * (1 - lost), abs=2e-4)


def test_the_weight_of_an_error_of_x0_is_half_of_the_loss_of_snr():
    linear, x0 = DiffusionSchedule.linear(), torch.zeros(1, 1, dtype=torch.float64)
    for t in (1, 300, 999):
        kl = step_kl(lambda x, at: estimate(x0 + 1, x, at, "x0"), linear, x0, x0, t)
        assert float(kl) == pytest.approx(float(linear.snr(t - 1) - linear.snr(t)) / 2, rel=1e-6)
