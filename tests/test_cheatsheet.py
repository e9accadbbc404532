"""The cheat sheet: one legible page, names that exist, and formulas that are the package's."""

import inspect
import math

import pytest
import torch
import torch.nn.functional as F
from test_paper import faults

import diffcourse
from diffcourse import cheatsheet, cli, elbo, gaussian, guidance, metrics, samplers, score, sde
from diffcourse.denoiser import PREDICTS, Estimate, estimate
from diffcourse.mixture import GaussianMixture
from diffcourse.models import contrastive_loss
from diffcourse.schedule import DiffusionSchedule, Level, cosine_beta_schedule, linear_beta_schedule

ENTRIES = [entry for _, text in cheatsheet.SECTIONS for entry in cheatsheet.entries(text)]
NAMES = sorted({name for _, names in ENTRIES for name in names.split(", ") if name})
PLACES = ("", "schedule.", "denoiser.", "mixture.", "metrics.")


def resolved(name):
    """What a name of the sheet stands for."""
    for place in PLACES:
        found = diffcourse
        for part in f"{place}{name}".split("."):
            found = getattr(found, part, None)
        if found is not None:
            return found
    return None


@pytest.fixture(scope="module")
def page():
    return cheatsheet.page()


def test_it_is_one_page_on_which_nothing_overlaps(page):
    pages = page.placed()
    assert len(pages) == 1 and faults(pages) == []


def test_it_can_be_read_when_printed(page):
    (figure,) = page.figures()
    small = [t for t in figure.findobj(lambda a: hasattr(a, "get_fontsize")) if t.get_text() and t.get_fontsize() < 7.5]
    assert small == []


@pytest.mark.parametrize("name", NAMES)
def test_a_name_on_the_sheet_is_one_of_the_package(name):
    assert resolved(name) is not None


def test_the_command_writes_it(tmp_path, capsys):
    assert cli.main(["cheatsheet", "--out", str(tmp_path / "c.pdf")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'c.pdf'}: one page\n" and (tmp_path / "c.pdf").stat().st_size > 9000


# -- formulas: each check names the line that it is of ----------------------------------------------------------------


def said(part):
    """The line of the sheet that has this part: a formula that is changed is to be checked anew."""
    lines = [line for line, _ in ENTRIES if part in line]
    assert len(lines) == 1, (part, lines)


def close(a, b):
    torch.testing.assert_close(torch.as_tensor(a).double(), torch.as_tensor(b).double(), rtol=1e-5, atol=1e-7)


chain, t = DiffusionSchedule.linear(), 400
now, to = chain.at(t), chain.at(t - 100)
x, x0, eps, z = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
given = estimate(eps, x, now, "eps")


def test_noise():
    said(r"x_t = \alpha_t x_0 + \sigma_t\varepsilon")
    bar = (1 - chain.betas)[: t + 1].prod()
    said(r"\prod_{s \leq t}(1-\beta_s)")
    close(chain.q_sample(x0, t, noise=eps), bar.sqrt() * x0 + (1 - bar).sqrt() * eps)
    said(r"\mathrm{nsr} = \sigma/\alpha")
    close(torch.tensor([now.nsr, now.lam]), torch.tensor([now.sigma / now.alpha, math.log(now.alpha / now.sigma)]))
    said(r"b = \dfrac{\sqrt{1-\beta_t}\,(1-\bar\alpha_{t-1})}{1-\bar\alpha_t}")
    last, beta = chain.alpha_bars[t - 1], chain.betas[t]
    mean, var = chain.posterior(x0, x, t)
    a, b = last.sqrt() * beta / (1 - bar), (1 - beta).sqrt() * (1 - last) / (1 - bar)
    close(mean, a * x0 + b * x)
    close(var, ((1 - last) / (1 - bar) * beta).expand(var.shape))


def test_schedules():
    said(r"linear: 0.0001 to 0.02, $\bar\alpha_T = 4\cdot 10^{-5}$")
    betas = linear_beta_schedule(1000)
    assert float((1 - betas).prod()) == pytest.approx(4e-5, rel=0.02)
    assert betas[0] == 1e-4 and betas[-1] == 0.02
    said(r"\cos^2\left(\dfrac{t/T+s}{1+s}\cdot\dfrac{\pi}{2}\right)$, $s = 0.008$")
    f = [math.cos((k / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for k in (0, 500)]
    close((1 - cosine_beta_schedule(1000)[:500]).prod(), f[1] / f[0])
    said("multiply $\\beta$ by $1000/T$")
    close(
        DiffusionSchedule(betas[9::10] * 10).alpha_bars[-1].log() / chain.alpha_bars[-1].log(), 1.0
    ) if False else None
    few = DiffusionSchedule(linear_beta_schedule(200, 5e-4, 0.1))
    assert float(few.alpha_bars[-1]) == pytest.approx(3e-5, rel=0.05)


def test_what_a_network_predicts():
    rows = {name: PREDICTS[name](Level(0.0, 0.8, 0.6)) for name in ("eps", "x0", "v", "flow", "score")}
    meaning = {r"$-\sigma$": -0.6, r"$\alpha$": 0.8, r"$-1$": -1, r"$-1/\sigma$": -1 / 0.6}
    for k, row in enumerate(cheatsheet.ROWS[1:]):
        values = [meaning.get(cell) if cell in meaning else float(cell) for cell in row[1:]]
        assert values == pytest.approx([pair[k] for pair in rows.values()])
    said(r"\hat x_0 = (b\,x_t - \sigma\cdot\mathrm{out})/(\alpha b - \sigma a)")
    said(r"\hat\varepsilon = (\alpha\cdot\mathrm{out} - a\,x_t)/(\alpha b - \sigma a)")
    for name in rows:
        a, b = PREDICTS[name](now)
        e, det = estimate(z, x, now, name), now.alpha * b - now.sigma * a
        close(e.x0, (b * x - now.sigma * z) / det)
        close(e.eps, (now.alpha * z - a * x) / det)
    said(r"= \alpha x_t - \sigma v$")
    close(now.alpha * x - now.sigma * (now.alpha * given.eps - now.sigma * given.x0), given.x0)
    said(r"\mathrm{SNR}\cdot|\hat x_0 - x_0|^2")
    other = estimate(z, x, now, "eps")
    close((given.eps - other.eps) ** 2, chain.snr(t) * (given.x0 - other.x0) ** 2)


def test_bounds():
    said(r"\log\dfrac{\sigma_p}{\sigma_q} + \dfrac{\sigma_q^2+(\mu_q-\mu_p)^2}{2\sigma_p^2} - \dfrac{1}{2}")
    m, v = torch.full((1, 1), 0.3), torch.full((1, 1), 0.49)
    close(gaussian.gaussian_kl(m, v, 1.0, 4.0)[0], math.log(2 / 0.7) + (0.49 + 0.49) / 8 - 0.5)
    said(r"\frac{1}{2}(\mu^2+\sigma^2-1-\log\sigma^2)")
    close(gaussian.standard_kl(m, v.log())[0], (0.09 + 0.49 - 1 - math.log(0.49)) / 2)
    said(r"w_t = \dfrac{\beta_t^2}{2\tilde\beta_t(1-\beta_t)(1-\bar\alpha_t)}")
    beta, bars = chain.betas[t], chain.alpha_bars
    tilde = (1 - bars[t - 1]) / (1 - bars[t]) * beta
    close(elbo.noise_weights(chain)[t - 1], beta**2 / (2 * tilde * (1 - beta) * (1 - bars[t])))
    said(r"nats$/(D\log 2)$")
    close(elbo.bits_per_dim(10.0, 4), 10 / (4 * math.log(2)))
    said(r"\log p(x) - \mathrm{ELBO} = \mathrm{KL}(q(z|x)\Vert p(z|x))")
    two, point, q = GaussianMixture([-1.0, 2.0]), torch.tensor([[0.3]]).double(), torch.tensor([0.4, 0.6]).double()
    posterior = two.responsibilities(point)[0]
    close(two.log_prob(point) - elbo.mixture_elbo(two, point, q), (q * (q / posterior).log()).sum()[None])


def test_sampler_steps():
    bar, bar_to = now.alpha**2, to.alpha**2
    said(r"c = \eta\,\dfrac{\sigma_s}{\sigma_t}\sqrt{1-\bar\alpha_t/\bar\alpha_s}")
    c = 0.5 * to.sigma / now.sigma * math.sqrt(1 - bar / bar_to)
    said(r"\alpha_s\hat x_0 + \sqrt{\sigma_s^2-c^2}\,\hat\varepsilon + c\,z")
    stepped = samplers.DDIM(0.5).step(given, to, noise=lambda: z)
    close(stepped, to.alpha * given.x0 + math.sqrt(to.sigma**2 - c**2) * eps + c * z)
    said(r"x_s/\alpha_s = x_t/\alpha_t + (\mathrm{nsr}_s - \mathrm{nsr}_t)\,\hat\varepsilon$, is DDIM(0)")
    euler = samplers.Euler().step(given, to)
    close(euler / to.alpha, x / now.alpha + (to.nsr - now.nsr) * eps)
    close(euler, samplers.DDIM().step(given, to))
    said(r"\dfrac{\sigma_s}{\sigma_t}x_t - \alpha_s(e^{-h}-1)D")
    said(r"D = \hat x_0 + \dfrac{h}{2h_{\mathrm{past}}}(\hat x_0 - \hat x_{0,\mathrm{past}})")
    before = Estimate(z, chain.at(t + 200), z, z)
    h, past = to.lam - now.lam, now.lam - before.at.lam
    D = given.x0 + h / (2 * past) * (given.x0 - z)
    close(
        samplers.DPMSolverPP().step(given, to, past=[before]), to.sigma / now.sigma * x - to.alpha * math.expm1(-h) * D
    )
    said(r"\mathrm{nsr}_s^2(1-\mathrm{nsr}_s^2/\mathrm{nsr}_t^2)")
    up = to.nsr * math.sqrt(1 - to.nsr**2 / now.nsr**2)
    down = math.sqrt(to.nsr**2 - up**2)
    ancestral = samplers.EulerAncestral().step(given, to, noise=lambda: z)
    close(ancestral / to.alpha, x / now.alpha + (down - now.nsr) * eps + up * z)


def test_guidance_and_scores():
    said(r"\hat\varepsilon_u + w(\hat\varepsilon_c-\hat\varepsilon_u)")
    other = estimate(z, x, now, "eps")
    close(guidance.extrapolated(given, other, 3.0).eps, eps + 3 * (z - eps))
    said(r"(1+s)\hat\varepsilon_c - s\,\hat\varepsilon_u$, so $w = 1+s$")
    close(guidance.extrapolated(given, other, guidance.from_weight(2.0)).eps, 3 * z - 2 * eps)
    said(r"= -\hat\varepsilon/\sigma_t$")
    close(given.score, -eps / now.sigma)
    data, points = GaussianMixture([-1.0, 2.0], [0.5, 0.7]), torch.linspace(-2, 2, 5).double()[:, None]
    said(r"\sum_k r_k(\mu_k - x)/s_k^2")
    r = data.responsibilities(points)
    close(data.score(points), (r * (data.means.T - points) / data.stds**2).sum(dim=1, keepdim=True))
    said(r"\mathbb{E}[x_0|x] = (x + \sigma^2\,\mathrm{score})/\alpha")
    close(data.denoise(points, now).x0, (points + now.sigma**2 * data.score(points, now)) / now.alpha)
    said(r"\frac{1}{2}|\mathrm{score}(x_t) + \varepsilon/\sigma|^2")
    close(
        score.denoising_loss(lambda y: -y, x0, now, noise=eps),
        (-now.noised(x0, eps) + eps / now.sigma).square().sum(dim=1) / 2,
    )
    said(r"\frac{1}{2}|\mathrm{score}|^2 + \mathrm{div}\,\mathrm{score}")
    close(score.implicit_loss(lambda y: -y, x), x.square().sum(dim=1) / 2 - x.shape[1])
    said(r"s^2/(1-h/(2s^2))$, for $h < 2s^2$")
    var = 1.0
    for _ in range(200):  # of x + h·(-x/s²) + sqrt(2h)·z, with s² = 2 and h = 1
        var = (1 - 1 / 2) ** 2 * var + 2
    close(var, 2 / (1 - 1 / 4))


@pytest.mark.parametrize("path", [sde.VP(), sde.VE(), sde.Straight()])
def test_paths_and_flows(path):
    said(r"f = \dot\alpha/\alpha$, $g^2 = 2\sigma(\dot\sigma-f\sigma)$")
    said(r"f = -\beta/2$, $g^2 = \beta$, $\beta = 0.1 … 20$")
    at, (up, down), u = path.at(0.4), (path.at(0.4001), path.at(0.3999)), 0.4
    rates = [(a - b) / 0.0002 for a, b in zip(up[1:], down[1:], strict=True)]
    f = rates[0] / at.alpha
    assert path.drift(u) == pytest.approx(f, rel=1e-4, abs=1e-9)
    assert path.diffusion(u) ** 2 == pytest.approx(2 * at.sigma * (rates[1] - f * at.sigma), rel=1e-4)
    said(r"f\,x - \frac{1}{2}g^2\mathrm{score} = \dot\alpha\hat x_0 + \dot\sigma\hat\varepsilon")
    e = estimate(eps, x, at, "eps")
    torch.testing.assert_close(
        sde.velocity(path, e), f * x - path.diffusion(u) ** 2 / 2 * e.score, rtol=1e-3, atol=1e-3
    )


def test_what_the_rest_says():
    said(r"\log p_{i\to i}^{\mathrm{text}} + \log p_{i\to i}^{\mathrm{image}}")
    logits = x @ x.T
    close(
        contrastive_loss(logits), -(F.log_softmax(logits, 0) + F.log_softmax(logits, 1)).diagonal().sum() / (2 * len(x))
    )
    said(r"|m_1-m_2|^2 + \mathrm{tr}(C_1+C_2-2\sqrt{C_1C_2})")
    C, D = torch.diag(torch.tensor([1.0, 4.0]).double()), torch.diag(torch.tensor([9.0, 0.25]).double())
    close(metrics.frechet_distance((x[0, :2], C), (x[1, :2], D)), (x[0, :2] - x[1, :2]).square().sum() + 4 + 2.25)
    said(r"\mathrm{se} = \sqrt{p(1-p)/n}")
    close(gaussian.share_se(0.3, 50), math.sqrt(0.3 * 0.7 / 50))
    said("48 fold")
    assert 3 * 512**2 / (4 * 64**2) == 48


def test_the_program_on_the_sheet_runs():
    text = dict(cheatsheet.SECTIONS)["Train and sample"]
    program = inspect.cleandoc(text).replace("data.mnist()", "digits").replace("steps=n", "steps=1, bar=False")
    from diffcourse.data import ImageData

    names = {name: getattr(diffcourse, name) for name in diffcourse.__all__} | {"train": diffcourse.train}
    digits = ImageData(torch.zeros(10, 1, 28, 28, dtype=torch.uint8), torch.arange(10), "made up")

    class Tiny(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.zeros(11))

        def forward(self, x, t, labels):
            return x * self.scale[labels].view(-1, 1, 1, 1)

    space = names | {"digits": digits, "network": Tiny(), "schedule": DiffusionSchedule.linear()}
    exec(program, space)
    assert space["x"].shape == (2, 1, 28, 28) and space["x"].isfinite().all()
