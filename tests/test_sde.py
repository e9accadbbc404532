"""Paths in continuous time, their SDEs and ODEs, against exact mixtures, DDPM, DDIM and known likelihoods."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from diffcourse import DDIM, DDPM, DiffusionSchedule, GaussianMixture, Heun, elbo, sample, trajectory, weights
from diffcourse.denoiser import Denoiser, Estimate
from diffcourse.schedule import CLEAN
from diffcourse.score import random_signs
from diffcourse.sde import (
    VE,
    VP,
    Path,
    PredictorCorrector,
    ReverseSDE,
    Straight,
    bend,
    brownian,
    density_floor,
    euler_maruyama,
    forward_sde,
    likelihood,
    rising_levels,
    velocity,
)

PATHS = [VP(), VE(0.01, 20.0), Straight()]
IDS = ["VP", "VE", "Straight"]
MIXTURE = GaussianMixture([[-1.0, 0.5], [1.5, 0.0]], [0.4, 0.7], [0.3, 0.7])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0):
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


# -- the paths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_rates_are_the_derivatives(path):
    for t in (0.01, 0.3, 0.77, 0.99):
        time = torch.tensor(t, dtype=torch.float64, requires_grad=True)
        alpha, sigma = path.signal_and_noise(time)
        wanted = [
            torch.autograd.grad(v, time, allow_unused=True, retain_graph=True)[0]
            if v.requires_grad
            else torch.tensor(0.0)
            for v in (alpha, sigma)
        ]
        assert path.rates(t) == pytest.approx([0.0 if w is None else w.item() for w in wanted], rel=1e-9)


def test_vp_has_the_drift_and_diffusion_of_the_paper():
    path = VP(0.1, 20.0)
    for t in (0.001, 0.4, 1.0):
        beta = 0.1 + t * 19.9
        assert path.drift(t) == pytest.approx(-beta / 2) and path.diffusion(t) == pytest.approx(beta**0.5)
        assert Path.drift(path, t) == pytest.approx(-beta / 2) and Path.diffusion(path, t) == pytest.approx(beta**0.5)
        assert path.at(t).alpha ** 2 + path.at(t).sigma ** 2 == pytest.approx(1.0)
    assert path.drift(0.0) == -0.05 and path.diffusion(0.0) == pytest.approx(0.1**0.5)
    ve = VE(0.01, 50.0)
    assert ve.drift(0.3) == 0 and ve.diffusion(0.3) == pytest.approx(ve.at(0.3).sigma * (2 * math.log(5000)) ** 0.5)


@pytest.mark.parametrize("T", [1000, 4000])
def test_vp_is_the_limit_of_ddpm(T):
    path = VP(0.1, 20.0)
    betas = (torch.arange(1, T + 1, dtype=torch.float64) / T * 19.9 + 0.1) / T
    chain = DiffusionSchedule(betas)
    differences = [abs(chain.at(int(t * T) - 1).alpha - path.at(t).alpha) for t in (0.1, 0.5, 0.9)]
    assert max(differences) < 3.0 / T


@given(st.sampled_from(PATHS), st.floats(0.001, 0.999))
def test_time_of_is_the_inverse_of_at(path, t):
    assert path.time_of(path.at(t).nsr) == pytest.approx(t, abs=1e-8)


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_a_batch_of_times_is_each_of_them(path):
    t = torch.tensor([0.1, 0.5, 1.0])
    many = path.at(t, like=torch.zeros(3, 2, 2))
    assert many.alpha.shape == (3, 1, 1) and many.alpha.dtype == torch.float32
    for i in range(3):
        one = path.at(float(t[i]))
        assert many.sigma[i].item() == pytest.approx(one.sigma, rel=1e-6) and many.t[i].item() == pytest.approx(one.t)
    levels = path.levels(7)
    assert len(levels) == 8 and levels[-1] == CLEAN and levels[0] == path.at(1.0)
    assert all(a.nsr > b.nsr for a, b in pairwise(levels))


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_paths_train_and_sample_with_everything_else(path):
    net = nn.Linear(2, 2)
    model = Denoiser(lambda x, t: net(x), path, predicts="eps")
    model.network = type("Net", (nn.Module,), {"forward": lambda self, x, t: net(x)})()
    model.loss(torch.randn(8, 2, generator=seeded()), generator=seeded(1)).backward()
    assert net.weight.grad.isfinite().all()
    x = sample(MIXTURE.denoise, path, (500, 2), Heun() if path != Straight() else DDIM(), 40, seed=0)
    assert x.isfinite().all() and abs(x[:, 0].double().mean() - 0.75) < 0.2


# -- forward ----------------------------------------------------------------------------------------------------------


def test_brownian_motion_has_the_covariance_of_brownian_motion():
    w = brownian(40_000, [0.0, 0.5, 1.0, 2.0], generator=seeded())
    assert w.shape == (4, 40_000, 1) and not w[0].any()
    for i, s in enumerate((0.5, 1.0, 2.0), 1):
        for j, t in enumerate((0.5, 1.0, 2.0), 1):
            assert (w[i] * w[j]).mean().item() == pytest.approx(min(s, t), abs=0.05)


@pytest.mark.parametrize("path", [VP(), VE(0.01, 3.0), Straight()], ids=IDS)
def test_the_forward_sde_has_the_marginals_of_the_path(path):
    x0, n = MIXTURE.sample(20_000, generator=seeded()), 300
    end = 0.9
    start = 0.02  # VE and VP begin here: the exact noised data
    times = [start + (end - start) * i / n for i in range(n + 1)]
    *_, x = forward_sde(path, path.at(start).noised(x0, randn(20_000, 2, seed=1)), times, generator=seeded(2))
    exact = MIXTURE.sample(20_000, level=path.at(end), generator=seeded(3))
    assert (x.mean(0) - exact.mean(0)).abs().max() < 0.05 * exact.std()
    assert (torch.cov(x.T) - torch.cov(exact.T)).abs().max() < 0.06 * exact.var()


def test_euler_maruyama_falls_with_the_step_and_runs_both_ways():
    def decay(x, t):
        return -x

    x = torch.ones(1, 1, dtype=torch.float64)
    errors = []
    for n in (50, 100, 200):
        *_, end = euler_maruyama(decay, 0.0, x, [i / n for i in range(n + 1)])
        errors.append(abs(end.item() - math.exp(-1)))
    assert math.log2(errors[0] / errors[2]) / 2 == pytest.approx(1.0, abs=0.05)
    *_, back = euler_maruyama(decay, 0.0, x, [1 - i / 200 for i in range(201)])
    assert back.item() == pytest.approx(math.e, rel=0.01)


# -- back -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PATHS, ids=IDS)
def test_the_velocity_is_f_x_minus_half_g_squared_score(path):
    for t in (0.05, 0.5, 0.95):
        now = MIXTURE.denoise(randn(20, 2), path.at(t))
        wanted = path.drift(t) * now.x - path.diffusion(t) ** 2 / 2 * now.score
        torch.testing.assert_close(velocity(path, now), wanted, rtol=1e-8, atol=1e-8)


def test_on_the_straight_path_the_velocity_is_flow():
    now = MIXTURE.denoise(randn(20, 2), Straight().at(0.3))
    torch.testing.assert_close(velocity(Straight(), now), now.eps - now.x0)


@pytest.mark.parametrize(("eta", "theirs"), [(0.0, DDIM()), (1.0, DDPM())])
def test_the_reverse_step_becomes_that_of_ddpm_as_the_step_shrinks(eta, theirs):
    """The means of a step differ by order 2 in its size, so of a whole walk by order 1."""
    path, x, z = VP(), randn(200, 2), randn(200, 2, seed=1)
    errors = []
    for h in (0.02, 0.01, 0.005):
        now, to = MIXTURE.denoise(x, path.at(0.5)), path.at(0.5 - h)
        zero = ReverseSDE(path, eta).step(now, to, noise=lambda: 0 * z)
        errors.append((zero - theirs.step(now, to, noise=lambda: 0 * z)).abs().max().item())
    assert math.log2(errors[0] / errors[2]) / 2 == pytest.approx(2.0, abs=0.15)
    if eta:
        ours = ReverseSDE(path).step(now, to, noise=lambda: z) - zero
        ddpm = theirs.step(now, to, noise=lambda: z) - theirs.step(now, to, noise=lambda: 0 * z)
        assert (ours / ddpm).mean().item() == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("path", [VP(), Straight()], ids=["VP", "Straight"])
def test_every_eta_ends_at_the_data(path, eta):
    levels = [*rising_levels(path, 0.004, 0.996, 300)[::-1], CLEAN]
    *_, end = trajectory(MIXTURE.denoise, randn(6000, 2), levels, ReverseSDE(path, eta), seeded(1))
    data = MIXTURE.sample(6000, generator=seeded(2))
    assert (end.x.mean(0) - data.mean(0)).abs().max() < 0.08
    assert (torch.cov(end.x.T) - torch.cov(data.T)).abs().max() < 0.1


def test_ddim_is_euler_on_the_straight_path_also_for_a_model_trained_on_another():
    """Level by level of one sigma/alpha: the shipped network's digits by DDIM are those of plain Euler on eps - x0, without training."""
    model = weights.load("mnist-ddpm").double()
    levels, labels, path = model.schedule.levels(20), torch.arange(4), Straight()
    x = randn(4, 1, 28, 28)
    *_, ddim = trajectory(model.given(labels), x, levels)
    y = x * (1 - path.time_of(levels[0].nsr)) / levels[0].alpha

    def seen(y, at):  # the same point, as the network knows it
        there = model.schedule.at(model.schedule.time_of(at.nsr))
        now = model(y * there.alpha / at.alpha, there, labels)
        return Estimate(y, at, now.x0, now.eps)

    straight = [path.at(path.time_of(at.nsr)) for at in levels[:-1]] + [CLEAN]
    with torch.no_grad():
        for at, to in pairwise(straight):
            y = y + (max(to.t, 0.0) - at.t) * velocity(path, seen(y, at))
    assert (y - ddim.x).abs().max() < 1e-5


def test_a_predictor_without_corrector_steps_is_itself_and_a_corrector_asks_again():
    calls = []

    def denoise(x, at):
        calls.append(at.t)
        return MIXTURE.denoise(x, at)

    levels = VP().levels(5)
    *_, end = trajectory(denoise, randn(3, 2), levels, PredictorCorrector(DDIM(), steps=2), seeded())
    assert len(calls) == 5 + 2 * 4 and end.x.isfinite().all()
    few, n = VP().levels(8)[:-1], 20_000  # ends at t = 1/8, whose distribution is known
    alone, helped = (
        list(trajectory(MIXTURE.denoise, randn(n, 2), few, sampler, seeded(2)))[-1].x
        for sampler in (ReverseSDE(VP()), PredictorCorrector(ReverseSDE(VP()), 10, 0.3))
    )
    exact = MIXTURE.sample(200_000, level=few[-1], generator=seeded(1))
    error = [(torch.cov(x.T) - torch.cov(exact.T)).abs().max().item() for x in (alone, helped)]
    assert error[1] < 0.5 * error[0]


# -- likelihood -------------------------------------------------------------------------------------------------------


def test_rising_levels_are_even_in_the_logarithm_and_end_where_they_should():
    for path, first, last in ((VP(), 0.02, 1.0), (VE(0.01, 50.0), 0.0, 1.0), (Straight(), 0.1, 0.9)):
        levels = rising_levels(path, first, last, 7)
        logs = [math.log(at.nsr) for at in levels]
        assert len(levels) == 8 and levels[0] == path.at(first) and levels[-1] == path.at(last)
        assert [b - a for a, b in pairwise(logs)] == pytest.approx([(logs[-1] - logs[0]) / 7] * 7, rel=1e-6)
    chain = weights.load("mnist-ddpm").schedule
    low, high = (math.log(chain.at(t).nsr) for t in (0, 999))
    by_hand = [chain.at(chain.time_of(math.exp(low + (high - low) * i / 20))) for i in range(1, 20)]
    assert rising_levels(chain, 0, 999, 20) == [chain.at(0), *by_hand, chain.at(999)]


@pytest.mark.parametrize("path", [VP(), VE(0.01, 50.0)], ids=["VP", "VE"])
def test_the_likelihood_is_the_density_to_a_hundredth_of_a_nat(path):
    levels = rising_levels(path, 0.02, 1.0, 150)
    x = MIXTURE.sample(40, level=levels[0], generator=seeded())
    prior = partial(MIXTURE.log_prob, level=levels[-1])
    ours = likelihood(MIXTURE.denoise, x, levels, prior=prior)
    assert (ours.nats - MIXTURE.log_prob(x, levels[0])).abs().max() < 0.01
    assert ours.calls == 300 and ours.x.shape == x.shape
    probes = [
        likelihood(MIXTURE.denoise, x, levels, probe=random_signs(x, seeded(i)), prior=prior).nats for i in range(30)
    ]
    many = torch.stack(probes)
    usual = likelihood(MIXTURE.denoise, x, levels).nats  # N(0, .) is not quite where the noised data end
    assert 0 < (usual - ours.nats).abs().mean() < 0.05
    assert ((many.mean(0) - ours.nats).abs() < 5 * many.std(0) / 12**0.5 + 0.02).all()


def test_bits_of_uniform_pixels_are_eight():
    """A model that knows nothing but N(0, 1) noise, and one of uniform greys: the conversion to bits has a known answer."""
    x = torch.randint(0, 256, (2000, 4), generator=seeded()).double()
    dequantised = (x + torch.rand(x.shape, generator=seeded(1), dtype=torch.float64)) / 256 * 2 - 1
    assert dequantised.abs().max() <= 1
    log_p = torch.full((2000,), 4 * math.log(1 / 2))  # uniform on [-1, 1]^4
    assert elbo.bits_per_dim(-log_p.double(), 4, 2 / 256).mean().item() == pytest.approx(8.0)
    one = GaussianMixture([[0.1, 0.2]], 0.3)
    levels = rising_levels(VP(), 0.0005, 1.0, 200)
    x = one.sample(200, level=levels[0], generator=seeded(2))
    nats = likelihood(one.denoise, x, levels).nats
    entropy = math.log2(0.3 * math.sqrt(2 * math.pi * math.e) / (2 / 255))
    assert elbo.bits_per_dim(-nats, 2, 2 / 255).mean().item() == pytest.approx(entropy, abs=0.15)


def test_no_density_gets_below_the_floor():
    point = GaussianMixture([[0.3, -0.2, 0.1]], 0.0)  # what could be easier to know?
    levels = rising_levels(VP(), 0.004, 1.0, 200)
    x = torch.tensor([[0.3, -0.2, 0.1]], dtype=torch.float64) * levels[0].alpha
    bits = elbo.bits_per_dim(-likelihood(point.denoise, x, levels).nats - 3 * math.log(levels[0].alpha), 3)
    assert bits.item() == pytest.approx(density_floor(levels[0]), abs=0.01)
    at = weights.load("mnist-ddpm").schedule.at(0)
    assert density_floor(at, 2 / 255) == pytest.approx(math.log2(at.nsr * math.sqrt(2 * math.pi)) + math.log2(255 / 2))


# -- straightness -----------------------------------------------------------------------------------------------------


def test_a_straight_way_has_no_bend_and_a_half_circle_has_half_pi():
    line = [torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 1.0]]), torch.tensor([[5.0, 5.0]])]
    assert bend(line).item() == pytest.approx(0.0, abs=1e-6)
    angles = torch.linspace(0, math.pi, 400, dtype=torch.float64)
    circle = list(torch.stack([angles.cos(), angles.sin()], 1)[:, None])
    assert bend(circle).item() == pytest.approx(math.pi / 2 - 1, abs=1e-4)


NOW = MIXTURE.denoise(torch.zeros(1, 2, dtype=torch.float64), VP().at(0.5))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: VP(beta_min=0.0), ValueError, "beta_min must be"),
        (lambda: VE(1.0, 0.5), ValueError, "sigma_max must be"),
        (lambda: VP().at(1.5), ValueError, r"t must lie in \[0, 1\], got 1.5"),
        (lambda: VP().at(torch.tensor([0.1, 2.0])), ValueError, r"t must lie in \[0, 1\]"),
        (lambda: VP().at(torch.tensor([1, 2])), TypeError, "t must be a floating-point tensor"),
        (lambda: VP().rates(0.0), ValueError, "t must be above 0"),
        (lambda: Straight().drift(1.0), ValueError, "alpha = 0 at t=1"),
        (lambda: ReverseSDE(VP), TypeError, "path must be one with rates.*the class VP"),
        (lambda: ReverseSDE(DiffusionSchedule.linear()), TypeError, "path must be one with rates"),
        (lambda: ReverseSDE(VP(), -1.0), ValueError, "eta must be a number >= 0"),
        (lambda: ReverseSDE(VP()).step(NOW, VP().at(0.4)), TypeError, "noise is missing"),
        (lambda: ReverseSDE(VP()).step(NOW, VP().at(0.6), noise=lambda: 0), ValueError, "to must not be noisier"),
        (lambda: PredictorCorrector(DDIM(), steps=0), ValueError, "steps must be at least 1"),
        (
            lambda: euler_maruyama(lambda x, t: x, 1.0, torch.zeros(2, 1), [0.0]),
            ValueError,
            "times must be two or more",
        ),
        (
            lambda: euler_maruyama(lambda x, t: x, 1.0, torch.zeros(2, 1), [0, 1, 0.5]),
            ValueError,
            "all rising or all falling",
        ),
        (lambda: likelihood(MIXTURE.denoise, torch.zeros(1, 2), VP().levels(5)), ValueError, "levels must"),
        (
            lambda: likelihood(MIXTURE.denoise, torch.zeros(2, 2), rising_levels(VP(), 0.5, 0.9, 1), prior=lambda x: x),
            ValueError,
            "prior must return",
        ),
        (lambda: bend([torch.zeros(1, 2)]), ValueError, "xs must be a list of two"),
        (lambda: rising_levels(VP(), 0.9, 0.1, 5), ValueError, "last must be noisier than first"),
        (lambda: rising_levels(VP(), 0.0, 0.1, 5), ValueError, "first must be a time with some signal and some noise"),
        (lambda: rising_levels(Straight(), 0.1, 1.0, 5), ValueError, "last must be a time with some signal"),
        (lambda: rising_levels(VP, 0.1, 1.0, 5), TypeError, "path must be one with at and time_of"),
        (lambda: density_floor(CLEAN), ValueError, "at.nsr must be"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        result = call()
        list(result)
