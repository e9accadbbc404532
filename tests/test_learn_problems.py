"""The problems for paper: what is printed as a solution is what the package, PyTorch or an integral finds from what is printed as given."""

import math
import re
from itertools import pairwise
from random import Random

import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import solve_ivp
from torch import nn
from torch.distributions import Binomial, Categorical, MixtureSameFamily, Normal, kl_divergence

from diffcourse import gaussian, metrics, samplers
from diffcourse.denoiser import PREDICTS, Estimate, estimate
from diffcourse.guidance import extrapolated, from_weight
from diffcourse.learn import bank, registry
from diffcourse.mixture import GaussianMixture, Memory
from diffcourse.schedule import DiffusionSchedule, Level
from diffcourse.sde import Straight, velocity

SEEDS = range(12)
NUMBER = r"-?\d+(?:\.\d+)?"


class Printed:
    """A problem as a reader has it: `p["x_0"]` is the number that the given text says, `p(1, 2)` the last one of a step of a part."""

    def __init__(self, name, seed):
        self.sheet = bank.problems()[name].make(Random(seed))
        self.given = self.sheet.given
        self.told = self.given + " ".join(part.text for part in self.sheet.parts)

    def __getitem__(self, symbol):
        return float(re.search(rf"{re.escape(symbol)} = ({NUMBER})", self.told)[1])

    def step(self, part, step):
        return self.sheet.parts[part].solution[step][0]

    def all(self, part, step):
        found = re.finditer(rf"({NUMBER})(?: \\cdot 10\^{{(-\d+)}})?", self.step(part, step))
        return [float(f[1]) * 10.0 ** int(f[2] or 0) for f in found]

    def __call__(self, part, step):
        return self.all(part, step)[-1]


def same(value):
    """What is printed with four significant digits."""
    return pytest.approx(float(value), rel=6e-4, abs=1e-9)


def level(bar):
    return Level(0.0, bar**0.5, (1 - bar) ** 0.5)


def one(value):
    return torch.tensor([[value]], dtype=torch.float64)


def problem(name):
    return pytest.mark.parametrize("p", [Printed(name, seed) for seed in SEEDS], ids=lambda p: "")


# -- all of them ------------------------------------------------------------------------------------------------------


def test_there_are_problems_of_every_lesson_from_01_on():
    problems = bank.problems()
    assert len(problems) >= 16
    assert {p.lesson for p in problems.values()} == {
        name for name in registry.lessons() if not name.startswith("00") and name != "11"
    }  # 11 asks all of it again


@pytest.mark.parametrize("name", bank.problems())
def test_a_problem_has_several_parts_and_as_many_marks_as_minutes(name):
    for seed in range(60):
        sheet = bank.problems()[name].make(Random(seed))
        assert len(sheet.parts) >= 3 and sheet.marks == bank.problems()[name].minutes
        assert all(marks > 0 and step for part in sheet.parts for step, marks in part.solution)
        text = " ".join([sheet.given, *(part.text + " ".join(s for s, _ in part.solution) for part in sheet.parts)])
        assert not re.search(r"<\(?\w+\)?>|- -|\+ -|--|nan|inf\b|\[\d+\]$", text), text
        assert text.count("$") % 2 == text.count("`") % 2 == 0
        assert sheet == bank.problems()[name].make(Random(seed))
    assert len({repr(bank.problems()[name].make(Random(seed))) for seed in range(20)}) > 3


# -- each of them -----------------------------------------------------------------------------------------------------


@problem("01.p_kl")
def test_kl_of_two_gaussians(p):
    q, other = (
        Normal(*map(float, found))
        for found in re.findall(rf"\\mu_[qp] = ({NUMBER})\$.*?\\sigma_[qp] = ({NUMBER})", p.given)
    )
    assert p(0, 1) == same(kl_divergence(q, other)) and p(1, 0) == same(kl_divergence(other, q))
    c, s = map(float, re.search(rf"\\mathcal{{N}}\(({NUMBER}), ({NUMBER})\^2\)\$\. One", p.told).groups())
    two = MixtureSameFamily(Categorical(torch.ones(2)), Normal(torch.tensor([-c, c]), torch.tensor(s)))
    assert p(2, 1) == same(two.stddev)


@problem("01.p_elbo")
def test_evidence_posterior_and_bound_by_integration(p):
    z = torch.linspace(-12, 12, 48001, dtype=torch.float64)
    q = Normal(torch.tensor(p["m"], dtype=torch.float64), torch.tensor(p["v"], dtype=torch.float64).sqrt())
    joint = Normal(0.0, 1.0).log_prob(z) + Normal(z, p["s^2"] ** 0.5).log_prob(torch.tensor(p["x"]))

    def mean(values):
        return torch.trapezoid(values, z)

    evidence = mean(joint.exp()).log()
    post = (joint - evidence).exp()
    bound = mean(q.log_prob(z).exp() * (joint - q.log_prob(z)))
    assert p(0, 0) == same(evidence) and p(1, 1) == same(mean(post * z))
    assert p(1, 0) == same(mean(post * z**2) - mean(post * z) ** 2)
    assert p(2, 1) == same(kl_divergence(q, Normal(0.0, 1.0))) and p(2, 2) == same(bound)
    assert p(3, 0) == p(3, 1) == same(evidence - bound)


@problem("02.p_forward")
def test_a_chain_of_equal_betas(p):
    T, t = int(p["T"]), int(p["t"])
    chain = DiffusionSchedule(torch.full((T,), p[r"\beta"], dtype=torch.float64))
    x0 = one(p["x_0"])
    assert p(0, 0) == same(chain.alpha_bars[t - 1])
    assert p(1, 1) == same(chain.q_sample(x0, t - 1, noise=one(p[r"\varepsilon"])))
    assert p(2, 0) == same(chain.snr(t - 1))
    assert p(2, 2) == next(i + 1 for i in range(T) if chain.snr(i) < 1)
    end = chain.at(T - 1)
    assert p(3, 0) == same(end.alpha)
    assert p(3, 1) == same(kl_divergence(Normal(end.alpha * x0, end.sigma), Normal(0.0, 1.0)))


@problem("02.p_posterior")
def test_the_posterior_of_a_chain_of_two(p):
    chain = DiffusionSchedule(torch.tensor([p[r"\beta_1"], p[r"\beta_2"]], dtype=torch.float64))
    x0, x2 = one(p["x_0"]), one(p["x_2"])
    mean, var = chain.posterior(x0, x2, 1)
    assert p(2, 0) == same(var) and p(2, 2) == same(mean)
    guess = estimate(one(p[r"\hat\varepsilon"]), x2, chain.at(1), "eps").x0
    assert p(3, 0) == same(guess) and p(3, 1) == same(chain.posterior(guess, x2, 1)[0])


@problem("02.p_bug_short")
def test_a_shortened_chain_keeps_signal(p):
    T, end = int(re.search(r"uses \$T = (\d+)", p.given)[1]), float(re.search(rf"1e-4, ({NUMBER})", p.given)[1])
    short, long = DiffusionSchedule.linear(T, 1e-4, end), DiffusionSchedule.linear(1000, 1e-4, end)
    assert -p(0, 0) == same(short.betas.sum()) and p(2, 0) == same(1000 / T)
    assert p(0, 1) == pytest.approx(float(short.alpha_bars[-1]), rel=0.08)  # log(1 - beta) is only near -beta
    assert p(2, 1) == pytest.approx(float(long.alpha_bars[-1]), rel=0.08)
    mean = float(re.search(rf"pixels is \$({NUMBER})", p.told)[1])
    assert p(1, 0) == pytest.approx(float(short.q_sample(one(mean), T - 1, noise=one(0.0))), rel=0.05)


@problem("03.p_eps")
def test_one_output_by_five_names(p):
    at, x, eps = level(p[r"\bar\alpha"]), one(p["x_t"]), one(p[r"\hat\varepsilon"])
    now = estimate(eps, x, at, "eps")
    v, flow = (a * now.x0 + b * now.eps for a, b in (PREDICTS[name](at) for name in ("v", "flow")))
    assert [p(0, k) for k in range(4)] == [same(now.x0), same(v), same(now.score), same(flow)]
    assert p(1, 0) == same(estimate(v, x, at, "v").x0)
    other = level(float(re.search(rf"at \$\\bar\\alpha = ({NUMBER})\$\?", p.told)[1]))
    for k, where in enumerate((at, other)):
        error = estimate(eps + 0.1, x, where, "eps").x0 - estimate(eps, x, where, "eps").x0
        assert p(2, k) == same(error.abs())
    assert p(3, 0) == same(1 / at.nsr**2)


@problem("03.p_unet")
def test_shapes_and_cost_of_a_u_net(p):
    side, c = int(p["S"]), int(p["c"])
    half = nn.AvgPool2d(2)
    first = torch.empty(1, c, side, side)
    second = torch.empty(1, 2 * c, *half(first).shape[2:])
    middle = torch.empty(1, 4 * c, *half(second).shape[2:])
    assert [p.all(0, k) for k in range(3)] == [list(t.shape[1:]) for t in (first, second, middle)]
    up = torch.cat([F.interpolate(middle, scale_factor=2), second], dim=1)
    conv = nn.Conv2d(up.shape[1], 2 * c, 3, padding=1)
    assert p(1, 0) == up.shape[1] and p(1, 1) == 2 * c + c
    assert p(2, 0) == sum(w.numel() for w in conv.parameters())
    assert p(2, 1) == conv.weight[0].numel() * conv(up).numel()
    odd = int(re.search(r"images of side \$(\d+)", p.told)[1])
    sides = [odd]
    for _ in range(3):
        sides.append(half(torch.empty(1, 1, sides[-1], sides[-1])).shape[2])
    assert p.all(3, 0) == sides and 2 * sides[3] != sides[2]
    padded = int(p.all(3, 2)[-2])
    assert padded % 8 == 0 and odd < padded < odd + 8 and p(3, 2) == odd


@problem("04.p_ddim")
def test_a_step_of_ddim(p):
    now, to = level(p[r"\bar\alpha_t"]), level(p[r"\bar\alpha_s"])
    e = estimate(one(p[r"\hat\varepsilon"]), one(p["x_t"]), now, "eps")
    assert p(0, 0) == same(e.x0) and p(1, 1) == same(samplers.DDIM(0).step(e, to))
    assert p(2, 0) == same(samplers.posterior_std(now, to))
    assert p(2, 2) == same(samplers.DDPM().step(e, to, noise=lambda: one(p["z"])))


@problem("04.p_bug_steps")
def test_the_sampler_has_the_bugs_that_the_solution_says(p):
    code = "\n".join(line[4:] for line in p.given.splitlines() if line.startswith("    "))
    asked, space = [], {"torch": torch}
    exec(code, space)
    bars, n = DiffusionSchedule.linear().alpha_bars, int(p["n"])

    def model(x, t):
        asked.append(t)
        return torch.zeros_like(x)

    with pytest.raises(TypeError, match="must be Tensor, not float"):
        space["sample"](model, torch.ones(1), bars, 1000, n)
    assert p(0, 0) == len(asked) == p(1, 0) and p(0, 1) == asked[0] < 999
    mended = code.replace("list(range(0, T, T // n))[::-1]", "torch.linspace(T - 1, 0, n).round().long().tolist()")
    mended = mended.replace("else 1.0", "else torch.ones_like(now)")
    asked.clear()
    exec(mended, space)
    assert space["sample"](model, torch.ones(1), bars, 1000, n).isfinite().all()
    assert len(asked) == n == len(set(asked)) and asked[0] == 999 and asked[-1] == 0


@problem("05a.p_cost")
def test_what_latents_save(p):
    image = torch.empty(3, int(p["S"]), int(p["S"]), dtype=torch.uint8)
    latent = torch.empty([int(n) for n in p.all(0, 0)], dtype=torch.float16)
    assert latent.shape[0] == p["c"] and 8 * latent.shape[1] == 8 * latent.shape[2] == image.shape[1]
    assert p(0, 1) == same(image.numel() / latent.numel())
    assert p(1, 0) == same(image.nbytes / latent.nbytes)
    tokens = latent[0].numel()
    assert p(2, 0) == tokens and p(2, 1) == tokens**2
    assert image[0].numel() ** 2 / tokens**2 == 4096
    odd = int(re.search(r"image of side \$(\d+)", p.told)[1])
    assert p(4, 0) == odd - odd % 8


@problem("05b.p_attention")
def test_attention_by_hand(p):
    Q, K = (
        torch.tensor([[float(v) for v in pair] for pair in re.findall(rf"{k}_\d = \((.+?), (.+?)\)", p.given)])
        for k in "qk"
    )
    V = torch.tensor([[float(v)] for v in re.findall(rf"v_\d = ({NUMBER})", p.given)])
    weights = (Q @ K.T / 2**0.5).softmax(dim=1)
    out = F.scaled_dot_product_attention(Q[None], K[None], V[None])[0]
    assert p.all(0, 0)[-6:] == (Q @ K.T).flatten().tolist()
    for k in range(2):
        assert p.all(1, k)[1:] == [same(w) for w in weights[k]]
        assert p(2, k) == same(out[k])
    masked = F.scaled_dot_product_attention(Q[:1], K, torch.eye(3), attn_mask=torch.tensor([[True, True, False]]))
    assert p.all(3, 0)[-2:] == [same(w) for w in masked[0, :2]]


@problem("05b.p_clip")
def test_the_losses_of_three_pairs(p):
    S = torch.tensor([[float(v) for v in row] for row in re.findall(r"\$\((0\.\d), (0\.\d), (0\.\d)\)\$", p.given)])
    logits = S * float(re.search(r"scale \$(\d+)", p.given)[1])
    first = torch.tensor([0])
    assert p(0, 1) == same(F.cross_entropy(logits[:1], first)) and p(0, 0) == same(logits[0].softmax(0)[0])
    assert p(1, 1) == same(F.cross_entropy(logits.T[:1], first))
    assert p(2, 0) == same(F.cross_entropy(torch.zeros(1, 3), first))
    assert p(3, 1) == same(logits[0, :2].softmax(0)[0])


@problem("05c.p_scale")
def test_latents_without_their_factor(p):
    std, bar = float(re.search(rf"deviation \$({NUMBER})", p.given)[1]), p[r"\bar\alpha_t"]
    at = level(bar)
    assert p(0, 0) == 1 or p.all(0, 0)[-2] == same(1 / std)
    x0, eps = (torch.randn(400_000, generator=torch.Generator().manual_seed(k)) for k in (0, 1))
    assert p(1, 0) == pytest.approx(float(at.noised(std * x0, eps).var()), rel=0.01)
    power = (at.alpha * std * x0).square().mean() / (at.sigma * eps).square().mean()
    assert p(1, 1) == pytest.approx(float(power), rel=0.01) and p(1, 2) == same(1 / at.nsr**2)
    half = level(p(2, 0))
    assert half.alpha * std == same(half.sigma)
    end = level(p[r"\bar\alpha_T"])
    assert p.all(3, 0)[-3:] == [same(end.alpha * std), 1, same(end.alpha)]


@problem("05c.p_decided")
def test_error_bars_from_the_answers_themselves(p):
    n = int(p["n"])
    a, b = (int(re.search(rf"{w}[^$]* in \$(\d+)\$", p.given)[1]) for w in ("model A drew", "model B"))
    only_a, only_b = (int(re.search(rf"\$(\d+)\${w}", p.told)[1]) for w in (" prompts only A", " only B"))
    assert only_a - only_b == a - b and a <= n - only_b
    both = a - only_a
    A = torch.tensor([1.0] * both + [1.0] * only_a + [0.0] * (n - both - only_a))
    B = torch.tensor([1.0] * both + [0.0] * only_a + [1.0] * only_b + [0.0] * (n - both - only_a - only_b))
    each = [float(x.std(correction=0)) / n**0.5 for x in (A, B)]
    assert p.all(0, 0) == [same(A.mean()), same(B.mean())] and p.all(0, 1)[-2:] == [same(se) for se in each]
    assert each[0] == same(gaussian.share_se(a / n, n))
    paired = float((A - B).std(correction=0)) / n**0.5
    assert p(1, 0) == same((A - B).mean()) and p(1, 1) == same(math.hypot(*each)) and p(2, 1) == same(paired)
    for (part, step), se in (((1, 2), p(1, 1)), ((2, 2), p(2, 1))):
        low, high = p.all(part, step)[:2]
        assert ("is not decided" in p.step(part, step)) == (low < 0 < high)
        assert abs(p(1, 0) / (2 * se) - 1) > 0.005, "a close call, which rounding may turn"


@problem("06.p_guidance")
def test_guidance_in_both_conventions(p):
    w, at, x = p["w"], level(p[r"\bar\alpha"]), one(p["x_t"])
    u, c = (estimate(one(p[rf"\hat\varepsilon_{k}"]), x, at, "eps") for k in "uc")
    now = extrapolated(u, c, w)
    assert p(0, 0) == p(1, 1) == same(now.eps) and from_weight(p(1, 0)) == w
    assert p.all(2, 0)[-3:] == [same(u.x0), same(c.x0), same(now.x0)] and p(2, 1) == same(now.x0)


@problem("06.p_bug_null")
def test_dropping_fails_as_the_solution_says(p):
    K, B = (int(re.search(rf"{w}\$(\d+)", p.given)[1]) for w in ("with ", "Batches are of "))
    labels = torch.zeros(B, dtype=torch.long)
    with pytest.raises((TypeError, RuntimeError)):
        labels[torch.ones(B, dtype=torch.bool)] = None
    with pytest.raises(IndexError):
        nn.Embedding(K, 2)(torch.tensor(K))
    assert f"nn.Embedding({K + 1}, 64)" in p.step(2, 0) and f"torch.where(drop, {K}, labels)" in p.step(2, 1)
    mended = torch.where(torch.ones(B, dtype=torch.bool), K, labels)
    assert mended.eq(K).all() and labels.eq(0).all() and nn.Embedding(K + 1, 2)(mended).shape == (B, 2)
    drawn = Binomial(B, torch.tensor(float(re.search(r"< (0\.\d+)", p.given)[1]), dtype=torch.float64))
    assert p(3, 0) == same(drawn.mean) and p(3, 1) == same(drawn.log_prob(torch.tensor(0.0)).exp())


@problem("07.p_score")
def test_the_score_of_two_bumps(p):
    c, s, pi = p["c"], p["s"], p[r"\pi"]
    x = one(p["x"]).requires_grad_()
    two = MixtureSameFamily(
        Categorical(torch.tensor([pi, 1 - pi], dtype=torch.float64)),
        Normal(torch.tensor([c, -c], dtype=torch.float64), s),
    )
    (score,) = torch.autograd.grad(two.log_prob(x).sum(), x)
    points, at = GaussianMixture([c, -c], 0.0, [pi, 1 - pi]), Level(0.0, 1.0, s)
    r = points.responsibilities(x.detach(), at)[0]
    assert p.all(0, 1)[0] == same(r[0]) and p.all(0, 1)[-1] == same(r[1])
    assert p(1, 1) == same(score) and p(2, 0) == p(2, 1) == same(points.denoise(x.detach(), at).x0)
    far = GaussianMixture([c, -c], s, [pi, 1 - pi]).score(one(5 * c))
    assert p(3, 0) == pytest.approx(float(far), rel=0.01)


@problem("07.p_langevin")
def test_where_langevin_steps_end(p):
    s, h = p["s"], p["h"]
    target = GaussianMixture([0.0], s)
    factor = float(1 + h * target.score(one(1.0)))
    assert p(0, 0) == same(factor)
    var, mean = 0.0, one(p["x_0"])
    for _ in range(2000):
        var = factor**2 * var + 2 * h
    assert p.all(1, 2)[0] == same(var) and p(1, 2) == same(s**2)
    assert p(2, 0) == pytest.approx(100 * (var**0.5 / s - 1), rel=6e-4)
    limit = p(3, 0)
    assert abs(1 + limit * float(target.score(one(1.0)))) == same(1)
    for _ in range(int(re.search(r"after \$(\d+)\$ steps", p.told)[1])):
        mean = mean + h * target.score(mean)
    assert p(4, 0) == same(mean)


@problem("08.p_ode")
def test_a_flow_against_its_euler_steps(p):
    s, t, to, x = p["s"], p[r"\sigma_1"], p[r"\sigma_2"], one(p["x"])
    data = GaussianMixture([0.0], s)

    def euler(x, *sigmas):
        levels = [Level(sigma, 1.0, sigma) for sigma in sigmas]
        for now, then in pairwise(levels):
            x = samplers.Euler().step(data.denoise(x, now), then)
        return x

    def slope(sigma, x):
        return -sigma * data.score(torch.from_numpy(x)[None], Level(sigma, 1.0, sigma))[0].numpy()

    exact = solve_ivp(slope, (t, to), x[0].numpy(), rtol=1e-6, atol=1e-6).y[0, -1]
    assert p(0, 0) == same(data.score(x, Level(t, 1.0, t))) and p(1, 1) == same(exact)
    once, twice = euler(x, t, to), euler(x, t, (t + to) / 2, to)
    assert p(2, 0) == same(once) and p(3, 2) == same(twice)
    assert p(2, 1) == pytest.approx(abs(float(once) - p(1, 1)), abs=2e-3)
    assert p(3, 3) == pytest.approx(abs(float(twice) - p(1, 1)), abs=2e-3) and p(3, 3) < p(2, 1)
    assert p.all(4, 0)[0] == pytest.approx(p(2, 1) / p(3, 3), rel=2e-3)


@problem("08.p_flow")
def test_what_flow_matching_learns_of_two_points(p):
    path, data = Straight(), GaussianMixture([-1.0, 1.0], 0.0)
    at, x0, eps = path.at(float(re.search(rf"Let \$t = ({NUMBER})", p.given)[1])), p["x_0"], p[r"\varepsilon"]
    assert p(0, 0) == same(at.noised(x0, eps)) and p(0, 1) == same(velocity(path, Estimate(0, at, x0, eps)))
    x = one(p["x_t"])
    now = data.denoise(x, at)
    assert p(1, 1) == same(data.responsibilities(x, at)[0, 1])
    assert [p(2, 0), p(2, 1), p(2, 2)] == [
        pytest.approx(float(v), rel=2e-3, abs=1e-4) for v in (now.x0, now.eps, velocity(path, now))
    ]
    step = float(re.search(rf"length \$({NUMBER})", p.told)[1])
    assert p(3, 0) == pytest.approx(float(samplers.DDIM().step(now, path.at(at.t - step))), rel=1e-3)


@problem("09.p_bug_minus")
def test_latents_minus_noise(p):
    sigma, x0, eps = p[r"\sigma"], p["x_0"], p[r"\varepsilon"]
    at = Level(0.0, 1.0, sigma)
    noisy = at.noised(one(x0), one(eps))
    assert p(0, 0) == same(noisy) and p(0, 1) == same(noisy - eps) and p(0, 2) == same((noisy - eps - x0).abs())
    assert p(1, 0) == p(2, 2) == x0 == same(estimate(one(eps), noisy, at, "eps").x0)
    vp = level(p(2, 0))
    assert vp.nsr == pytest.approx(sigma, rel=1e-3) and p(2, 1) == same(vp.alpha)
    n, i = int(p["n"]), int(re.search(r"sigmas\[(\d+)\]", p.given)[1])
    assert p(3, 0) == same(torch.linspace(999, 0, n, dtype=torch.float64)[i])


@problem("10.p_frechet")
def test_frechet_distances(p):
    (m, m2), (s, s2) = (
        map(float, re.search(rf"{w} \$({NUMBER})\$ and \$({NUMBER})\$", p.told).groups())
        for w in ("means", "means .+?, standard deviations")
    )
    distance = metrics.frechet_distance
    assert p(0, 1) == same(distance((one(m)[0], one(s**2)), (one(m2)[0], one(s2**2))))
    a, b = map(float, re.search(rf"deviations \$({NUMBER})\$ and \$({NUMBER})\$\. Generator", p.told).groups())
    shift, f = (float(re.search(rf"{w} \$({NUMBER})", p.told)[1]) for w in ("off by", "multiplied by"))
    real, zero = torch.diag(torch.tensor([a, b]).double().square()), torch.zeros(2).double()
    A, B = distance((zero, real), (zero + shift, real)), distance((zero, real), (zero, f**2 * real))
    assert p(1, 0) == same(A) and p(1, 1) == same(B)
    assert p.step(1, 2) == f"the {'narrower' if B > A else 'shifted'} one" and abs(A - B) > 1e-3


@problem("10.p_memory")
def test_the_perfect_denoiser_of_two_images(p):
    memory, at, x = (
        Memory(torch.tensor([[p["a"]], [p["b"]]], dtype=torch.float64)),
        level(p[r"\bar\alpha"]),
        one(p["x_t"]),
    )
    now = memory.denoise(x, at)
    assert p.all(0, 1)[0] == same(memory.weights(x, at)[0, 0]) and p.all(0, 1)[1] == same(memory.weights(x, at)[0, 1])
    assert p(1, 0) == pytest.approx(float(now.x0), rel=2e-3, abs=1e-4) and p(1, 1) == same(now.eps)
    near = float(re.search(rf"at \$\\bar\\alpha = ({NUMBER})\$: what", p.told)[1])
    assert p(2, 0) == same(memory.weights(x, level(near))[0, 1])
