"""Parameterisations, the loss, conditions, guidance and clipping."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from diffcourse.denoiser import PREDICTS, Denoiser, Estimate, estimate, evaluating, module_of, rows
from diffcourse.guidance import autoguided, clipped, from_weight, guided, rescaled
from diffcourse.mixture import GaussianMixture, two_bumps
from diffcourse.models import SimpleUNet
from diffcourse.schedule import CLEAN, DiffusionSchedule, Level

LINEAR, COSINE = DiffusionSchedule.linear(), DiffusionSchedule.cosine()
KINDS = ("eps", "x0", "v", "flow", "score")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def randn(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=seeded(seed), dtype=dtype)


class Spy(nn.Module):
    """A network that remembers its calls; its output mixes x, t and the condition, each image by itself."""

    def __init__(self, dtype=torch.float64):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.3, dtype=dtype))
        self.calls = []

    def forward(self, x, t, cond=None):
        self.calls.append((x, t, cond))
        shape = (-1,) + (1,) * (x.ndim - 1)
        c = 0.0 if cond is None else cond.reshape(len(x), -1).to(x.dtype).mean(1).view(shape)
        return self.gain * x * (1 + c) + torch.sin(x + c) + (t.view(shape) / 1000).to(x.dtype) * c


def target(kind, at, x0, eps):
    """The definitions of the papers, written out once more."""
    return {"eps": eps, "x0": x0, "v": at.alpha * eps - at.sigma * x0, "flow": eps - x0, "score": -eps / at.sigma}[kind]


def exact(mixture, kind):
    """A network that predicts `kind` perfectly, as torch modules are called: network(x, t[, label])."""

    def network(x, t, cond=None):
        at = LINEAR.at(t[0])
        part = mixture if cond is None else None
        if part is not None:
            e = part.denoise(x, at)
            return target(kind, at, e.x0, e.eps)
        out = torch.empty_like(x)
        for k in cond.unique().tolist():  # label K is the null label: the whole mixture
            rows_k = cond == k
            e = (mixture if k == mixture.K else mixture.component(k)).denoise(x[rows_k], at)
            out[rows_k] = target(kind, at, e.x0, e.eps)
        return out

    return network


# -- parameterisations -------------------------------------------------------------------------------------------------


@given(st.sampled_from(KINDS), st.floats(0.01, 0.9999), st.integers(0, 1000))
def test_every_parameterisation_gives_x0_and_eps_back(kind, alpha, seed):
    at = Level(5.0, alpha, (1 - alpha**2) ** 0.5)
    x0, eps = randn(3, 2, seed=seed), randn(3, 2, seed=seed + 1)
    x = at.alpha * x0 + at.sigma * eps
    e = estimate(target(kind, at, x0, eps), x, at, kind)
    scale = 1e-12 / min(at.alpha, at.sigma)
    torch.testing.assert_close(e.x0, x0, rtol=0, atol=scale)
    torch.testing.assert_close(e.eps, eps, rtol=0, atol=scale)
    assert e.x is x and e.at is at


@given(st.sampled_from(KINDS), st.floats(0.05, 2.0), st.floats(0.05, 2.0), st.integers(0, 1000))
def test_an_estimate_explains_its_image_on_any_path(kind, alpha, sigma, seed):
    at, x, output = Level(5.0, alpha, sigma), randn(3, 2, seed=seed), randn(3, 2, seed=seed + 1)
    e = estimate(output, x, at, kind)
    torch.testing.assert_close(alpha * e.x0 + sigma * e.eps, x, rtol=0, atol=1e-9)
    torch.testing.assert_close(target(kind, at, e.x0, e.eps) if kind != "v" else alpha * e.eps - sigma * e.x0, output)


def test_the_rows_are_the_definitions():
    at, x0, eps = LINEAR.at(300), randn(3, 2), randn(3, 2, seed=1)
    for kind, row in PREDICTS.items():
        a, b = row(at)
        torch.testing.assert_close(a * x0 + b * eps, target(kind, at, x0, eps))


@pytest.mark.parametrize("t", [0, 100, 500, 900, 999])
def test_all_parameterisations_believe_the_same(t):
    mixture, x, at = two_bumps(), randn(20, 1), LINEAR.at(t)
    for kind in KINDS:
        e = Denoiser(exact(mixture, kind), LINEAR, predicts=kind)(x, at)
        truth = mixture.denoise(x, at)
        torch.testing.assert_close(e.x0, truth.x0, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(e.eps, truth.eps, rtol=1e-9, atol=1e-9)


def test_one_level_an_image_is_the_same_as_one_at_a_time():
    t, x = torch.tensor([0, 400, 999]), randn(3, 2, 2)
    for kind in KINDS:
        denoiser = Denoiser(Spy(), LINEAR, predicts=kind)
        many = denoiser(x, LINEAR.at(t, like=x))
        for i in range(3):
            one = denoiser(x[i : i + 1], LINEAR.at(int(t[i])))
            torch.testing.assert_close(many.x0[i], one.x0[0], rtol=1e-10, atol=1e-10)
            torch.testing.assert_close(many.eps[i], one.eps[0], rtol=1e-10, atol=1e-10)


def test_eps_says_nothing_where_no_signal_is_left():
    schedule = LINEAR.zero_terminal_snr()
    x = randn(2, 3)
    for at in (schedule.at(999), schedule.at(torch.tensor([5, 999]), like=x)):
        with pytest.raises(ValueError, match=r"predicts='eps'.*t=\[?999.0\]?, where alpha = 0.*Use predicts='v'"):
            Denoiser(Spy(), schedule, predicts="eps")(x, at)
        for kind in ("x0", "v", "flow"):
            e = Denoiser(Spy(), schedule, predicts=kind)(x, at)
            assert e.x0.isfinite().all() and e.eps.isfinite().all()


def test_a_score_says_nothing_where_there_is_no_noise():
    for sigma in (0.0, torch.tensor([0.5, 0.0]).view(2, 1)):
        with pytest.raises(ValueError, match=r"predicts='score' cannot be used at t=.*where sigma = 0"):
            estimate(randn(2, 3), randn(2, 3), Level(0.0, 1.0, sigma), "score")


def test_levels_of_a_batch_must_fit_the_images():
    x = randn(3, 1, 3, 3)
    with pytest.raises(ValueError, match=r"at: levels of shape \(3,\).*like=x"):
        Denoiser(Spy(), LINEAR)(x, LINEAR.at(torch.tensor([1, 2, 3])))  # would broadcast along the columns


def test_the_score_is_minus_eps_over_sigma_and_stops_at_clean():
    e = Estimate(randn(2, 2), LINEAR.at(50), x0=randn(2, 2), eps=randn(2, 2, seed=1))
    torch.testing.assert_close(e.score, -e.eps / LINEAR.at(50).sigma)
    with pytest.raises(ValueError, match="not defined at CLEAN"):
        _ = Estimate(e.x, CLEAN, e.x0, e.eps).score


# -- what the network is given -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_network_gets_one_float_time_an_image(dtype):
    spy = Spy(dtype)
    x = randn(3, 2).to(dtype)
    e = Denoiser(spy, LINEAR)(x, LINEAR.at(997))
    Denoiser(spy, LINEAR)(x, LINEAR.at(torch.tensor([997, 0, 500]), like=x))
    (_, t, _), (_, many, _) = spy.calls
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert t.dtype == many.dtype == wide and t.tolist() == [997.0] * 3 and many.tolist() == [997.0, 0.0, 500.0]
    assert e.x0.dtype == e.eps.dtype == dtype


def test_without_condition_the_network_is_called_with_two_arguments_or_with_its_null():
    x, at = randn(4, 2), LINEAR.at(5)
    plain = []
    Denoiser(lambda *args: plain.append(args) or args[0], LINEAR)(x, at)
    assert len(plain[0]) == 2
    spy = Spy()
    Denoiser(spy, LINEAR, null=10)(x, at)
    assert torch.equal(spy.calls[0][2], torch.full((4,), 10))


TEXTS = randn(4, 5, 3)
NULL_TEXT = randn(5, 3, seed=9)


@pytest.mark.parametrize(
    "cond, expected",
    [
        (7, torch.full((4,), 7)),
        (torch.tensor(7), torch.full((4,), 7)),
        ([1, 2, 3, 4], torch.tensor([1, 2, 3, 4])),
        (torch.tensor([1, 2, 3, 4]), torch.tensor([1, 2, 3, 4])),
        (TEXTS[0], TEXTS[:1].expand(4, 5, 3)),
        (TEXTS, TEXTS),
    ],
    ids=["label", "label tensor", "list", "labels", "text", "texts"],
)
def test_a_condition_is_one_for_all_or_one_for_each(cond, expected):
    spy, x, at = Spy(), randn(4, 2), LINEAR.at(5)
    denoiser = Denoiser(spy, LINEAR, null=NULL_TEXT if expected.is_floating_point() else 10)
    denoiser(x, at, cond)
    denoiser.given(cond)(x, at)
    guided(denoiser, cond, 2.0)(x, at)
    assert torch.equal(spy.calls[0][2], expected) and torch.equal(spy.calls[1][2], expected)
    assert torch.equal(spy.calls[2][2][4:], expected)
    null = denoiser.null.expand(4, *denoiser.null.shape)
    assert torch.equal(spy.calls[2][2][:4], null)
    for lo, hi in ((0, 2), (2, 4), (3, 4)):  # a part of the batch
        rows(denoiser.given(cond), lo, hi, 4)(x[lo:hi], at)
        rows(clipped(guided(denoiser, cond, 2.0, uncond=cond)), lo, hi, 4)(x[lo:hi], at)
        assert torch.equal(spy.calls[-2][2], expected[lo:hi])
        assert torch.equal(spy.calls[-1][2], torch.cat([expected[lo:hi]] * 2))


def test_the_null_condition_is_stored_with_the_weights_and_is_a_copy():
    null = NULL_TEXT.clone()
    denoiser = Denoiser(Spy(), LINEAR, null=null)
    assert torch.equal(denoiser.state_dict()["null"], NULL_TEXT)
    other = Denoiser(Spy(), LINEAR, null=torch.zeros(5, 3, dtype=torch.float64))
    other.load_state_dict(denoiser.state_dict())
    assert torch.equal(other.null, NULL_TEXT)
    denoiser.load_state_dict({**denoiser.state_dict(), "null": torch.zeros(5, 3)})
    assert torch.equal(null, NULL_TEXT)  # the caller's tensor is not the buffer
    assert Denoiser(Spy(), LINEAR, null=10).state_dict()["null"].item() == 10
    assert "null" not in Denoiser(Spy(), LINEAR).state_dict()


# -- guidance ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("w", [-1.0, 0.5, 2.0, 7.5])
def test_guidance_is_one_doubled_batch_uncond_first(w):
    spy, x, at = Spy(), randn(4, 2), LINEAR.at(300)
    denoiser = Denoiser(spy, LINEAR, null=10)
    labels = torch.tensor([0, 1, 2, 3])
    e = guided(denoiser, labels, w)(x, at)
    assert len(spy.calls) == 1
    seen, t, cond = spy.calls[0]
    assert torch.equal(seen, torch.cat([x, x])) and t.shape == (8,) and cond.tolist() == [10] * 4 + [0, 1, 2, 3]
    c, u = denoiser(x, at, labels), denoiser(x, at)
    torch.testing.assert_close(e.eps, u.eps + w * (c.eps - u.eps), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(e.x0, u.x0 + w * (c.x0 - u.x0), rtol=1e-12, atol=1e-12)
    s = w - 1  # Ho & Salimans write (1 + s)·cond - s·uncond
    torch.testing.assert_close(e.eps, (1 + s) * c.eps - s * u.eps, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(at.alpha * e.x0 + at.sigma * e.eps, x, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("w, labels", [(1, [0, 1, 2, 3]), (0, [10] * 4)])
def test_guidance_one_and_zero_are_one_plain_call_exactly(w, labels):
    spy, x, at = Spy(), randn(4, 2), LINEAR.at(300)
    denoiser = Denoiser(spy, LINEAR, null=10)
    e, plain = guided(denoiser, [0, 1, 2, 3], w)(x, at), denoiser(x, at, torch.tensor(labels))
    assert torch.equal(e.eps, plain.eps) and torch.equal(e.x0, plain.x0)
    assert len(spy.calls) == 2 and spy.calls[0][0].shape == (4, 2) and spy.calls[0][2].tolist() == labels


def test_a_negative_condition_replaces_the_null():
    spy, x, at = Spy(), randn(4, 2), LINEAR.at(300)
    denoiser = Denoiser(spy, LINEAR, null=10)
    guided(denoiser, 3, 2.0, uncond=5)(x, at)
    assert spy.calls[0][2].tolist() == [5] * 4 + [3] * 4
    without_null = Denoiser(spy, LINEAR)
    guided(without_null, 3, 2.0, uncond=[5, 6, 7, 8])(x, at)
    assert spy.calls[1][2].tolist() == [5, 6, 7, 8] + [3] * 4
    guided(denoiser, 3, 0.0, uncond=5)(x, at)
    assert spy.calls[2][2].tolist() == [5] * 4


def test_guidance_acts_only_inside_its_interval():
    spy, x = Spy(), randn(4, 2)
    denoiser = Denoiser(spy, LINEAR, null=10)
    lo, hi = LINEAR.at(200).nsr, LINEAR.at(600).nsr
    denoise = guided(denoiser, 3, 2.0, interval=(lo, hi))
    never = guided(denoiser, 3, 0.0, interval=(1e9, 2e9))
    for t, doubled in ((199, False), (200, True), (400, True), (600, True), (601, False)):
        e = denoise(x, LINEAR.at(t))
        assert len(spy.calls[-1][0]) == (8 if doubled else 4)
        if not doubled:
            assert torch.equal(e.eps, denoiser(x, LINEAR.at(t), 3).eps)
    never(x, LINEAR.at(400))
    assert spy.calls[-1][2].tolist() == [3] * 4  # outside it the conditional model, for any guidance


@pytest.mark.parametrize("interval", [None, (LINEAR.at(100).nsr, LINEAR.at(700).nsr)])
def test_guidance_works_with_one_level_an_image(interval):
    spy, x = Spy(), randn(3, 2)
    denoise = guided(Denoiser(spy, LINEAR, null=10), 3, 2.0, interval=interval)
    t = torch.tensor([10, 500, 999])
    many = denoise(x, LINEAR.at(t, like=x))
    for i in range(3):
        torch.testing.assert_close(many.eps[i], denoise(x[i : i + 1], LINEAR.at(int(t[i]))).eps[0])


def test_guiding_eps_x0_v_or_flow_is_the_same_until_it_is_clipped():
    mixture, x, at, w = two_bumps(), 2 * randn(20, 1), LINEAR.at(400), 3.0
    labels = torch.arange(20) % 2
    outputs = {}
    for kind in KINDS:
        network = exact(mixture, kind)
        outputs[kind] = guided(Denoiser(network, LINEAR, kind, null=2), labels, w)(x, at)
        # guiding the raw output of the network, then converting
        t = torch.full((20,), 400.0, dtype=torch.float64)
        c, u = network(x, t, labels), network(x, t, torch.full((20,), 2))
        raw = estimate(u + w * (c - u), x, at, kind)
        torch.testing.assert_close(outputs[kind].x0, raw.x0, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(outputs[kind].eps, raw.eps, rtol=1e-9, atol=1e-9)
    for kind in KINDS[1:]:
        torch.testing.assert_close(outputs[kind].x0, outputs["eps"].x0, rtol=1e-9, atol=1e-9)
    denoiser = Denoiser(exact(mixture, "eps"), LINEAR, null=2)
    around = clipped(guided(denoiser, labels, w))(x, at)
    c, u = clipped(denoiser.given(labels))(x, at), clipped(denoiser.given(2))(x, at)
    inside = u.x0 + w * (c.x0 - u.x0)
    assert (around.x0 - inside).abs().max() > 0.1


def test_guidance_is_the_gradient_of_the_implicit_classifier():
    mixture, x, at, w = two_bumps(), randn(20, 1), LINEAR.at(400), 2.5
    e = guided(Denoiser(exact(mixture, "v"), LINEAR, "v", null=2), 1, w)(x, at)
    y = x.clone().requires_grad_()
    log_p = mixture.responsibilities(y, at)[:, 1].log().sum()
    (gradient,) = torch.autograd.grad(log_p, y)
    torch.testing.assert_close(e.score, mixture.score(x, at) + w * gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("dtype, size", [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("w", [-1.0, 0.5, 3.0, 7.5])
def test_one_doubled_call_equals_two_separate_ones(w, dtype, size):
    from diffcourse.models import SimpleUNet

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SimpleUNet(channels=8, num_classes=10).to(dtype)
        for parameter in network.conv_out.parameters():
            torch.nn.init.normal_(parameter)
    denoiser, x, at = Denoiser(network.eval(), LINEAR, "eps", null=10), randn(3, 1, 28, 28, dtype=dtype), LINEAR.at(300)
    labels = torch.tensor([3, 1, 4])
    with torch.no_grad():
        u, c, both = denoiser(x, at), denoiser(x, at, labels), guided(denoiser, labels, w)(x, at)
    apart = (both.eps - (u.eps + w * (c.eps - u.eps))).abs().max()
    assert apart <= size * (abs(w) + abs(1 - w)) * max(u.eps.abs().max(), c.eps.abs().max(), 1.0)


@pytest.mark.parametrize("weight", [-1.0, 0.0, 0.5, 1.0, 7.5])
def test_the_two_conventions_are_one_guidance(weight):
    denoiser, x, at = Denoiser(Spy(), LINEAR, null=10), randn(4, 2), LINEAR.at(300)
    c, u = denoiser(x, at, 3), denoiser(x, at)
    theirs = (1 + weight) * c.eps - weight * u.eps  # Ho & Salimans 2022, equation 6
    torch.testing.assert_close(guided(denoiser, 3, from_weight(weight))(x, at).eps, theirs, rtol=1e-12, atol=1e-12)


def test_rescaling_equals_diffusers():
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    guided_output, cond_output = 3 * randn(5, 2, 4, 4), randn(5, 2, 4, 4, seed=1)
    for share in (0.0, 0.3, 0.7, 1.0):
        theirs = rescale_noise_cfg(guided_output, cond_output, guidance_rescale=share)
        torch.testing.assert_close(rescaled(guided_output, cond_output, share), theirs, rtol=1e-12, atol=1e-12)
    full = rescaled(guided_output, cond_output, 1.0)
    torch.testing.assert_close(full.flatten(1).std(dim=1), cond_output.flatten(1).std(dim=1))


def test_what_has_no_spread_is_not_rescaled():
    """Also not what is constant but for rounding, and image by image: the others of the batch are."""
    output, cond = randn(4, 1, 8, 8, dtype=torch.float32), randn(4, 1, 8, 8, seed=1, dtype=torch.float32)
    output[0], output[1] = 0.0, 0.3
    output[2] = 0.1 + 0.2 * torch.ones(8, 8)
    out = rescaled(output, cond, 0.7)
    assert torch.equal(out[:3], output[:3])
    torch.testing.assert_close(out[3:], output[3:] * (0.7 * cond[3:].std() / output[3:].std() + 0.3))
    fresh = Denoiser(SimpleUNet(channels=8, time_dim=8, num_classes=3), LINEAR, null=3)
    e = guided(fresh, [0, 1, 2, 0], 2.0, rescale=0.7)(cond, LINEAR.at(500))
    assert torch.equal(e.eps, torch.zeros_like(cond)) and e.x0.isfinite().all()


@pytest.mark.parametrize("kind", ["eps", "v"])
def test_rescaled_guidance_rescales_what_the_network_predicts(kind):
    spy, x, at, w = Spy(), randn(3, 2, 4, 4), LINEAR.at(300), 5.0
    denoiser, t, labels = (
        Denoiser(spy, LINEAR, kind, null=10),
        torch.full((3,), 300.0).double(),
        torch.tensor([1, 2, 3]),
    )
    u, c = spy(x, t, torch.full((3,), 10)), spy(x, t, labels)
    wanted = estimate(rescaled(u + w * (c - u), c, 0.7), x, at, kind)
    spy.calls.clear()
    e = guided(denoiser, labels, w, rescale=0.7)(x, at)
    assert len(spy.calls) == 1  # still the one doubled batch
    torch.testing.assert_close(e.x0, wanted.x0, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(e.eps, wanted.eps, rtol=1e-9, atol=1e-9)
    plain = guided(denoiser, labels, 1.0, rescale=0.7)(x, at)
    assert torch.equal(plain.eps, denoiser(x, at, labels).eps)
    near, at_zero = (guided(denoiser, labels, v, rescale=0.7)(x, at).eps for v in (1e-9, 0.0))
    torch.testing.assert_close(near, at_zero, rtol=1e-6, atol=1e-6)  # no jump at 0
    part = rows(guided(denoiser, labels, w, rescale=0.7), 1, 3, 3)(x[1:], at)
    torch.testing.assert_close(part.eps, e.eps[1:])


def test_autoguidance_extrapolates_from_the_bad_model_to_the_good_one():
    """Both exact, the bad one on a smeared mixture: its score is what the good one is pushed away from (Karras et al. 2024)."""
    good, bad = GaussianMixture([-1.0, 1.0], 0.2), GaussianMixture([-1.0, 1.0], 0.6)
    x, at, w = randn(20, 1), LINEAR.at(300), 2.5
    e = autoguided(good.denoise, bad.denoise, w)(x, at)
    torch.testing.assert_close(
        e.score, bad.score(x, at) + w * (good.score(x, at) - bad.score(x, at)), rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(at.alpha * e.x0 + at.sigma * e.eps, x, rtol=1e-12, atol=1e-12)
    both = autoguided(good.denoise, bad.denoise, w, interval=(0.0, at.nsr / 2))(x, at)
    assert torch.equal(both.eps, good.denoise(x, at).eps)


@pytest.mark.parametrize("w, called", [(1.0, (1, 0)), (0.0, (0, 1)), (2.0, (1, 1))])
def test_autoguidance_calls_only_what_it_needs_and_cuts_both_conditions(w, called):
    strong, weak, x, at = Spy(), Spy(), randn(4, 2), LINEAR.at(300)
    given = [Denoiser(spy, LINEAR, null=10).given(torch.arange(4)) for spy in (strong, weak)]
    denoise = autoguided(*given, w)
    whole = denoise(x, at)
    assert (len(strong.calls), len(weak.calls)) == called
    part = rows(denoise, 1, 3, 4)(x[1:3], at)
    torch.testing.assert_close(part.eps, whole.eps[1:3])
    assert module_of(denoise) is given[0].denoise


def test_autoguidance_evaluates_the_bad_model_and_gives_its_mode_back():
    weak = nn.Sequential(nn.Dropout(0.9))
    model = Denoiser(lambda x, t: weak(x), LINEAR)
    model.inner = weak
    good = GaussianMixture([0.0, 1.0], 0.2)
    x, at = torch.ones(50, 1, dtype=torch.float64), LINEAR.at(300)
    assert weak.train().training
    e = autoguided(good.denoise, model, 2.0)(x, at)
    assert weak.training and (e.x0 == e.x0[0]).all()  # no dropout


# -- clipping ----------------------------------------------------------------------------------------------------------


def test_clipping_clamps_x0_and_derives_eps_anew():
    x, at = 3 * randn(50, 2), LINEAR.at(700)
    raw = Denoiser(Spy(), LINEAR)(x, at)
    for low, high in ((-1.0, 1.0), (-0.2, 0.5)):
        e = clipped(Denoiser(Spy(), LINEAR), low, high)(x, at)
        assert torch.equal(e.x0, raw.x0.clamp(low, high)) and (e.x0 != raw.x0).any()
        torch.testing.assert_close(at.alpha * e.x0 + at.sigma * e.eps, x)
    wide = clipped(Denoiser(Spy(), LINEAR), -1e6, 1e6)(x, at)
    torch.testing.assert_close(wide.eps, raw.eps)


def test_the_module_is_found_through_all_wrappers():
    denoiser = Denoiser(Spy(), LINEAR, null=0)
    for denoise in (denoiser, denoiser.given(1), guided(denoiser, 1, 2.0), clipped(clipped(guided(denoiser, 1, 2.0)))):
        assert module_of(denoise) is denoiser
    assert module_of(two_bumps().denoise) is None and module_of(lambda x, at: None) is None


def test_evaluating_gives_every_part_its_own_mode_back():
    module = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout(), nn.Linear(1, 1)))
    module[1][0].eval()
    modes = [m.training for m in module.modules()]
    with pytest.raises(RuntimeError, match="inside"), evaluating(module):
        assert not any(m.training for m in module.modules())
        raise RuntimeError("inside")
    assert [m.training for m in module.modules()] == modes == [True, True, True, False, True]


# -- the loss ----------------------------------------------------------------------------------------------------------


def expected_loss(kind, c, weight=lambda a, s: 1.0):
    """E |c·x_t - target|² over uniform t, eps ~ N(0, 1) and data with E x_0² = m2: closed form for a linear network."""
    m2 = (two_bumps().weights * (two_bumps().means[:, 0] ** 2 + two_bumps().stds ** 2)).sum()
    a, s = COSINE.alpha_bars.sqrt(), (1 - COSINE.alpha_bars).sqrt()
    on_x0 = {"eps": c * a, "x0": c * a - 1, "v": c * a + s, "flow": c * a + 1, "score": c * a}[kind]
    on_eps = {"eps": c * s - 1, "x0": c * s, "v": c * s - a, "flow": c * s - 1, "score": c * s + 1 / s}[kind]
    return (weight(a, s) * (on_x0**2 * m2 + on_eps**2)).mean().item()


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_the_exact_expectation(kind):
    n = 100_000
    x0 = two_bumps().sample(n, generator=seeded(1))
    denoiser = Denoiser(lambda x, t: 0.7 * x, COSINE, kind)
    loss = denoiser.loss(x0, generator=seeded(2))
    few = kind == "score"  # a hundred points at the least noise make a quarter of it
    assert loss.shape == () and loss.item() == pytest.approx(expected_loss(kind, 0.7), rel=0.2 if few else 0.02)
    if few:
        ours = denoiser.loss(x0, weight=lambda at: at.sigma**2, generator=seeded(2))
        assert ours.item() == pytest.approx(expected_loss(kind, 0.7, lambda a, s: s**2), rel=0.02)
        return
    weighted = denoiser.loss(x0, weight=lambda at: at.alpha**2 + 3 * at.sigma, generator=seeded(2))
    assert weighted.item() == pytest.approx(expected_loss(kind, 0.7, lambda a, s: a**2 + 3 * s), rel=0.02)


@pytest.mark.slow
def test_stratified_times_leave_the_loss_unbiased_and_less_noisy():
    x0 = two_bumps().sample(8 * 2000, generator=seeded(1)).view(2000, 8, 1)
    denoiser, generator = Denoiser(lambda x, t: 0.7 * x, COSINE, "v"), seeded(3)
    losses = torch.stack([denoiser.loss(batch, generator=generator) for batch in x0])
    plain = torch.stack(
        [denoiser.loss(b, t=torch.randint(1000, (8,), generator=generator), generator=generator) for b in x0]
    )
    for values in (losses, plain):
        assert values.mean().item() == pytest.approx(expected_loss("v", 0.7), abs=5 * values.std().item() / 2000**0.5)


def test_the_best_denoiser_has_the_smallest_loss():
    x0 = two_bumps().sample(256, generator=seeded(1))
    t = torch.full((256,), 400)

    def loss(network):
        return Denoiser(network, LINEAR).loss(x0, t=t, noise=randn(256, 1, seed=4)).item()

    best = loss(exact(two_bumps(), "eps"))
    assert all(best < loss(lambda x, t, k=k: k * exact(two_bumps(), "eps")(x, t)) for k in (0.8, 1.2))


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 4, 50, 1000])
def test_missing_times_hit_every_stratum_once_and_all_times_equally(batch):
    spy, generator = Spy(), seeded(5)
    denoiser = Denoiser(spy, LINEAR)
    repeats = 4000 // batch
    for _ in range(repeats):
        denoiser.loss(torch.zeros(batch, 1, dtype=torch.float64), generator=generator)
    t = torch.stack([call[1] for call in spy.calls]).long()
    assert int(t.min()) >= 0 and int(t.max()) <= 999
    if batch < 1000:  # with 1000 strata of one step each, rounding may move a time over its border
        for row in t:
            assert ((row * batch) // 1000).sort().values.tolist() == list(range(batch))
    share = torch.bincount(t.flatten() // 100, minlength=10) / t.numel()
    assert bool(((share - 0.1).abs() < 5 * (0.09 / repeats / batch) ** 0.5 + 1e-3).all())


def test_dropped_conditions_have_the_right_rate_and_the_callers_labels_stay():
    n, spy = 20_000, Spy()
    x0, labels = torch.zeros(n, 1, dtype=torch.float64), torch.arange(n) % 10
    kept = labels.clone()
    denoiser = Denoiser(spy, LINEAR, null=10)
    denoiser.loss(x0, labels, drop_prob=0.1, generator=seeded(6))
    seen = spy.calls[0][2]
    dropped = seen == 10
    assert torch.equal(labels, kept) and torch.equal(seen[~dropped], labels[~dropped])
    assert dropped.double().mean().item() == pytest.approx(0.1, abs=5 * (0.09 / n) ** 0.5)
    denoiser.loss(x0, labels, drop_prob=0.0, generator=seeded(6))
    denoiser.loss(x0, labels, drop_prob=1.0, generator=seeded(6))
    assert torch.equal(spy.calls[1][2], labels) and bool((spy.calls[2][2] == 10).all())


def test_texts_are_dropped_as_a_whole():
    spy, n = Spy(), 1000
    texts = randn(n, 5, 3)
    Denoiser(spy, LINEAR, null=NULL_TEXT).loss(randn(n, 1), texts, drop_prob=0.3, generator=seeded(7))
    seen = spy.calls[0][2]
    dropped = (seen == NULL_TEXT).all(dim=(1, 2))
    assert torch.equal(seen[~dropped], texts[~dropped]) and 200 < int(dropped.sum()) < 400


def test_the_loss_uses_what_it_is_given():
    spy, x0, noise, t = Spy(), randn(3, 2), randn(3, 2, seed=1), torch.tensor([0, 500, 999])
    kept = [v.clone() for v in (x0, noise, t)]
    for kind in KINDS:
        loss = Denoiser(spy, LINEAR, kind).loss(x0, t=t, noise=noise)
        x_t, times, _ = spy.calls[-1]
        torch.testing.assert_close(x_t, LINEAR.q_sample(x0, t, noise))
        assert times.tolist() == [0, 500, 999] and times.dtype == torch.float64
        error = spy(x_t, times) - target(kind, LINEAR.at(t, like=x0), x0, noise)
        torch.testing.assert_close(loss, error.square().mean())
    assert all(torch.equal(a, b) for a, b in zip(kept, (x0, noise, t), strict=True))


def test_the_loss_follows_its_generator_and_leaves_the_global_state():
    denoiser, x0 = Denoiser(Spy(), LINEAR, null=1), randn(8, 2)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    a, b = (denoiser.loss(x0, torch.zeros(8).long(), drop_prob=0.5, generator=seeded(1)) for _ in range(2))
    assert a.item() == b.item() and a.item() != denoiser.loss(x0, generator=seeded(2)).item()
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads


def test_without_times_of_its_own_a_path_is_trained_evenly_up_to_its_noisiest_level():
    class Noisier:  # variance exploding: t is sigma itself, up to 5
        def at(self, t, like=None):
            t = t if like is None else t.to(like).view(-1, *[1] * (like.ndim - 1))
            return Level(t, 1.0 if like is None else torch.ones_like(t), t)

        def levels(self, steps):
            return [*(self.at(5.0 * (1 - i / steps)) for i in range(steps)), CLEAN]

    spy = Spy()
    Denoiser(spy, Noisier()).loss(randn(1000, 2), generator=seeded())
    t = spy.calls[0][1].sort().values
    assert (t - torch.linspace(0, 5, 1000)).abs().max() < 0.01  # stratified, so without holes


def test_a_network_may_return_its_tensor_as_sample():
    class Output:
        def __init__(self, sample):
            self.sample = sample

    x, at, spy = randn(3, 2), LINEAR.at(500), Spy()
    theirs = Denoiser(lambda x, t: Output(spy(x, t)), LINEAR)(x, at)
    assert torch.equal(theirs.eps, Denoiser(spy, LINEAR)(x, at).eps)


def test_weights_of_the_loss_are_numbers_or_one_an_image():
    x, t, noise = randn(2, 2), torch.tensor([100, 900]), randn(2, 2, seed=1)
    loss = lambda weight: Denoiser(Spy(), LINEAR).loss(x, t=t, noise=noise, weight=weight)  # noqa: E731
    torch.testing.assert_close(loss(lambda at: 3.0), 3 * loss(None))
    one, other = (
        loss(lambda at, row=row: at.alpha * 0 + torch.tensor(row)) for row in ([[1.0], [0.0]], [[0.0], [1.0]])
    )
    torch.testing.assert_close(one + other, loss(None))
    with pytest.raises(
        ValueError, match=r"weight must return a number or a tensor of shape \(2, 1\).*got shape \(2,\)"
    ):
        loss(lambda at: at.alpha.flatten())  # would weigh the columns


def test_the_loss_trains():
    network = nn.Linear(2, 2).double()
    Denoiser(lambda x, t: network(x), LINEAR).loss(randn(8, 2), generator=seeded()).backward()
    assert network.weight.grad.abs().sum() > 0
    assert Denoiser(Spy(), LINEAR).network.gain.requires_grad and denoiser_is_quiet()


def denoiser_is_quiet():
    """Building and calling leaves the mode of the network as it is."""
    denoiser = Denoiser(Spy(), LINEAR).train()
    denoiser(randn(1, 1), LINEAR.at(5))
    denoiser.loss(randn(1, 1), generator=seeded())
    return denoiser.training and denoiser.network.training


@settings(max_examples=20)
@given(st.floats(-3, 8), st.integers(0, 999), st.integers(0, 100))
def test_a_guided_estimate_explains_its_image(w, t, seed):
    x, at = randn(4, 2, seed=seed), COSINE.at(t)
    e = guided(Denoiser(Spy(), COSINE, "v", null=10), 3, w)(x, at)
    torch.testing.assert_close(at.alpha * e.x0 + at.sigma * e.eps, x, rtol=1e-9, atol=1e-9)


# -- bad input ---------------------------------------------------------------------------------------------------------

X = torch.zeros(4, 2, dtype=torch.float64)
WITH_NULL, PLAIN = Denoiser(Spy(), LINEAR, null=10), Denoiser(Spy(), LINEAR)


@pytest.mark.parametrize(
    "call, error, says",
    [
        (lambda: Denoiser(LINEAR, Spy()), TypeError, r"schedule must be a path.*the order is \(network, schedule\)"),
        (lambda: Denoiser(None, LINEAR), TypeError, "network must be callable"),
        (lambda: Denoiser(Spy(), 1000), TypeError, "schedule must be a path"),
        (
            lambda: Denoiser(Spy(), LINEAR, "epsilon"),
            ValueError,
            "predicts must be one of eps, x0, v, flow, score, got 'epsilon'",
        ),
        (
            lambda: Denoiser(lambda x, t: x[:, :1], LINEAR)(X, LINEAR.at(5)),
            ValueError,
            r"network must return .*\(4, 2\)",
        ),
        (lambda: Denoiser(lambda x, t: (x,), LINEAR)(X, LINEAR.at(5)), ValueError, "network must return .* got tuple"),
        (lambda: PLAIN(X, LINEAR.at(5), [1, 2, 3]), ValueError, "cond holds 3 conditions for a batch of 4"),
        (lambda: PLAIN.loss(X, t=torch.tensor([1, 2])), ValueError, "t has 2 entries for a batch of 4"),
        (lambda: PLAIN.loss(X, t=torch.tensor([0, 1, 2, 1000])), ValueError, r"t must lie in \[0, 999\]"),
        (lambda: PLAIN.loss(X, t=torch.rand(4)), TypeError, "t must be a number or a LongTensor"),
        (lambda: PLAIN.loss(X, noise=torch.zeros(1, 2)), ValueError, r"noise must have x0's shape \(4, 2\)"),
        (lambda: PLAIN.loss(X.to(torch.uint8)), TypeError, "x0 must be a floating-point tensor, got torch.uint8"),
        (lambda: WITH_NULL.loss(X, [0, 1, 2], drop_prob=0.5), ValueError, "cond holds 3 conditions for a batch of 4"),
        (lambda: PLAIN.loss(X, [0, 1, 2, 3], drop_prob=0.5), ValueError, "drop_prob needs a null condition"),
        (lambda: WITH_NULL.loss(X, [0, 1, 2, 3], drop_prob=1.5), ValueError, r"drop_prob must lie in \[0, 1\]"),
        (lambda: guided(PLAIN, 1, 2.0), ValueError, "uncond is missing"),
        (lambda: guided(WITH_NULL, None, 2.0), ValueError, "cond must be a condition"),
        (lambda: guided(WITH_NULL, 1, math.nan), ValueError, "guidance must be a finite number"),
        (lambda: guided(WITH_NULL, 1, "2"), TypeError, "guidance must be a finite number"),
        (lambda: guided(WITH_NULL, 2.0, torch.tensor([1, 2])), TypeError, "guidance must be a finite number"),
        (lambda: guided(WITH_NULL, 1, 2.0, interval=(2, 1)), ValueError, "interval must be"),
        (lambda: guided(WITH_NULL, 1, 2.0, rescale=1.5), ValueError, "rescale must lie"),
        (lambda: rescaled(torch.ones(3, 2), torch.ones(3, 4)), ValueError, "of one shape"),
        (lambda: autoguided(PLAIN, PLAIN, "2"), TypeError, "guidance must be a finite number"),
        (lambda: autoguided(PLAIN, 2.0, 2.0), TypeError, "weak must be a function"),
        (lambda: guided(WITH_NULL, [1, 2, 3], 2.0)(X, LINEAR.at(5)), ValueError, "cond holds 3 conditions"),
        (lambda: guided(WITH_NULL, 1, 2.0, uncond=[1, 2])(X, LINEAR.at(5)), ValueError, "uncond holds 2 conditions"),
        (lambda: clipped(PLAIN, 1, -1), ValueError, "low must be below high"),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_points_of_a_mixture_are_not_needed_for_this():
    """A function with two arguments is a Denoise as good as any: guidance of the exact denoiser by hand."""
    mixture = GaussianMixture([-1.0, 1.0], 0.2)

    def conditional(x, at, cond):
        e = [(mixture.component(int(k)) if k < 2 else mixture).denoise(x[i : i + 1], at) for i, k in enumerate(cond)]
        return Estimate(x, at, torch.cat([v.x0 for v in e]), torch.cat([v.eps for v in e]))

    x, at = randn(3, 1), LINEAR.at(500)
    e = guided(conditional, torch.tensor([0, 1, 0]), 2.0, uncond=2)(x, at)
    u, c = mixture.denoise(x, at), mixture.component(1).denoise(x, at)
    torch.testing.assert_close(e.x0[1], 2 * c.x0[1] - u.x0[1])
