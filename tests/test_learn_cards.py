"""Cards: a formula is evaluated as it stands on the back of the card, and compared with what the package computes.

Written out once more, since they are not read from the card: the gap of the bound, the norm around the simple loss, the Fréchet
distance, and the product with V of attention. The scale of latents is compared with what it is for.
"""

import math
import pathlib
import re

import pytest
import torch
from formulas import evaluate
from matplotlib.mathtext import MathTextParser

from diffcourse import denoiser, elbo, gaussian, guidance, metrics, samplers, score, sde
from diffcourse.learn import bank, notebooks, registry
from diffcourse.mixture import GaussianMixture
from diffcourse.models.clip import contrastive_loss
from diffcourse.schedule import DiffusionSchedule, Level, jump

CARDS = bank.cards()
FORMULAS = [name for name, card in CARDS.items() if card.topic == "formula"]
SCHEDULE, T, S = DiffusionSchedule.linear(), 400, 150  # two levels, as code counts them


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


X0, EPS, X_T, Z = (randn(3, 2, seed=seed) for seed in range(4))


def said(name, left=""):
    """The formula on the back of a card, behind `left` and the equals sign."""
    pattern = re.escape(f"{left}=") if left else r"\$"
    found = re.search(rf"{pattern}(.+?)(?=,?\\quad|\$|, |; )", CARDS[name].back)
    assert found, f"{name} does not say {left}"
    return found[1]


def value(name, left="", **more):
    """Its value, for the symbols of the lessons at the levels T and S of the linear schedule; `more` by other names."""
    bars = SCHEDULE.alpha_bars
    symbols = {
        r"\beta_t": SCHEDULE.betas[T],
        r"\alpha_t": SCHEDULE.alphas[T],
        r"\bar\alpha_t": bars[T],
        r"\bar\alpha_{t-1}": bars[T - 1],
        r"\bar\alpha_s": bars[S],
        r"\epsilon": EPS,
        r"\epsilon_\theta": EPS,
        r"\epsilon_\theta(x_t,t)": EPS,
        "x_0": X0,
        "x_t": X_T,
        "z": Z,
        "e": math.e,
    }
    return evaluate(said(name, left), {**symbols, **more})


def _double(x):
    return torch.as_tensor(x, dtype=torch.float64)


def close(ours, theirs):
    torch.testing.assert_close(_double(ours), _double(theirs), rtol=1e-9, atol=1e-9)


def guess():
    return denoiser.estimate(EPS, X_T, SCHEDULE.at(T), "eps")


# -- what is evaluated ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tex", "result"),
    [
        (r"\frac{1}{2}ab-c", 1.0),
        (r"-a^2+\sqrt{b}\,c", 2.0),
        (r"2\left[\frac{b+a}{a}\cdot c/2\right]^2", 40.5),
        (r"\log\frac{e^{a}}{e}", 1.0),
        (r"\cos^2(\pi)\,a_b", 7.0),
    ],
)
def test_a_formula_is_read_as_it_is_written(tex, result):
    close(evaluate(tex, {"a": 2.0, "b": 4.0, "c": 3.0, "e": math.e, "a_b": 7.0}), result)


@pytest.mark.parametrize("tex", ["(a", "a)", "b+q"])
def test_what_is_no_formula_is_refused(tex):
    with pytest.raises((AssertionError, ValueError, IndexError)):
        evaluate(tex, {"a": 1.0, "b": 1.0})


def test_the_divergences():
    mq, vq, mp, vp = 0.3, 0.5, -1.0, 2.0
    symbols = {r"\sigma_q": vq**0.5, r"\sigma_p": vp**0.5, r"\mu_q": mq, r"\mu_p": mp}
    two = [torch.distributions.Normal(_double(m), v**0.5) for m, v in ((mq, vq), (mp, vp))]
    close(value("00b.card_kl", **symbols), torch.distributions.kl_divergence(*two))
    close(
        value("00b.card_kl", **symbols), gaussian.gaussian_kl(torch.tensor([[mq]], dtype=torch.float64), vq, mp, vp)[0]
    )
    mu, log_var = randn(1, 4), randn(1, 4, seed=1)
    latent = {r"\sum_j": lambda x: x.sum(), r"\sigma_j": (log_var / 2).exp(), r"\mu_j": mu}
    close(value("01.card_prior_kl", **latent), gaussian.standard_kl(mu, log_var)[0])


def test_the_gap_of_the_bound_is_a_divergence_to_the_true_posterior():
    """Both lines of the card, for a mixture, where z is a bump and every term is a sum."""
    said("01.card_elbo", r"\log p(x)-\mathrm{ELBO}(x)")
    mixture, x, q = (
        GaussianMixture([[-1.0], [2.0]], [0.5, 1.0], [0.3, 0.7]),
        randn(1, 1),
        _double([[0.6, 0.4]]),
    )
    bound, evidence = elbo.mixture_elbo(mixture, x, q), mixture.log_prob(x)
    close(evidence - bound, (q * (q / mixture.responsibilities(x)).log()).sum(1))
    likelihood = torch.stack([mixture.component(k).log_prob(x) for k in range(2)], dim=1)
    prior = _double([[0.3, 0.7]])
    close(bound, (q * likelihood).sum(1) - (q * (q / prior).log()).sum(1))


def test_a_draw_with_a_gradient():
    mu, log_var = randn(3, 2, seed=7), randn(3, 2, seed=8)
    symbols = {r"\mu": mu, r"\ell": log_var}
    close(value("01.card_reparameterise", "z", **symbols), gaussian.reparameterize(mu, log_var, EPS))


def test_the_forward_process():
    mean, variance = re.fullmatch(r"\\mathcal\{N\}\(x_t;\\ (.+),\\ (.+)I\)", said("02.card_step")).groups()
    alpha, beta = jump(SCHEDULE.at(T), SCHEDULE.at(T - 1))
    symbols = {r"\beta_t": SCHEDULE.betas[T], "x_{t-1}": X0}
    close(evaluate(mean, symbols), alpha * X0)
    close(evaluate(variance, symbols), beta)
    shown = {r"\beta_t": SCHEDULE.betas, r"\alpha_s": SCHEDULE.alphas, r"\prod_{s=1}^{t}": lambda x: x.cumprod(0)}
    close(value("02.card_alpha_bar", r"\alpha_t", **shown), SCHEDULE.alphas)
    close(value("02.card_alpha_bar", r"\bar\alpha_t", **shown), SCHEDULE.alpha_bars)
    close(value("02.card_closed", "x_t"), SCHEDULE.q_sample(X0, T, EPS))
    close(value("02.card_snr", r"\mathrm{SNR}(t)"), SCHEDULE.snr(T))


def test_the_cosine_schedule():
    f, steps = said("02.card_cosine", "f(t)"), 100
    at = [float(evaluate(f, {"t": float(t), "T": float(steps), "s": 0.008})) for t in range(steps + 1)]
    bars = [evaluate(said("02.card_cosine", r"\bar\alpha_t"), {"f(t)": x, "f(0)": at[0]}) for x in at[1:]]
    close(bars[:-1], DiffusionSchedule.cosine(steps).alpha_bars[:-1])  # the last beta is cut off
    assert said("02.card_cosine", "s") == "0.008"


def test_the_posterior_and_the_step_back():
    mean, variance = SCHEDULE.posterior(X0, X_T, T)
    close(value("02.card_posterior_mean"), mean)
    close(value("02.card_posterior_variance", r"\tilde\beta_t"), variance.flatten()[0])
    std = samplers.posterior_std(SCHEDULE.at(T), SCHEDULE.at(T - 1))
    close(value("02.card_reverse_step", "x_{t-1}", **{r"\sigma_t": std}), samplers.denoise(X_T, EPS, T, SCHEDULE, Z))


def test_the_loss_and_its_weights():
    class Net(torch.nn.Module):
        def forward(self, x, t):
            return x * 0.3

    said("02.card_simple_loss")
    inside = re.search(r"\\epsilon_\\theta\((.+),\\ t\)", CARDS["02.card_simple_loss"].back)[1]
    x_t = evaluate(inside, {r"\bar\alpha_t": SCHEDULE.alpha_bars[T], "x_0": X0, r"\epsilon": EPS})
    mean = denoiser.Denoiser(Net(), SCHEDULE).loss(X0, t=torch.full((3,), T), noise=EPS)
    close((EPS - 0.3 * x_t).square().sum(1).mean(), mean * X0[0].numel())  # papers sum, code takes the mean
    weights = elbo.noise_weights(SCHEDULE)
    tilde = SCHEDULE.posterior(X0, X_T, T)[1].flatten()[0]
    close(value("02.card_weight", "w_t", **{r"\tilde\beta_t": tilde}), weights[T - 1])
    assert int(weights.argmax()) == 0  # "largest at small t"


def test_samplers():
    now, to = guess(), SCHEDULE.at(S)
    close(value("04.card_x0", r"\hat x_0"), now.x0)
    close(value("04.card_ddim", "x_s", **{r"\hat x_0": now.x0}), samplers.DDIM().step(now, to))
    eta = {r"\eta": 0.7}
    std = value("04.card_ddim_std", r"\mathrm{std}", **eta)
    close(std, 0.7 * samplers.posterior_std(now.at, to))
    left = evaluate(
        CARDS["04.card_ddim_std"].back.split("$")[3], {r"\bar\alpha_s": SCHEDULE.alpha_bars[S], r"\mathrm{std}": std}
    )
    stepped = samplers.DDIM(0.7).step(now, to, noise=lambda: Z)
    close(SCHEDULE.alpha_bars[S] ** 0.5 * now.x0 + left * EPS + std * Z, stepped)
    euler = value(
        "04.card_euler", r"\frac{x_s}{\alpha_s}", **{r"\alpha_t": now.at.alpha, "u_s": to.nsr, "u_t": now.at.nsr}
    )
    close(to.alpha * euler, samplers.Euler().step(now, to))
    close(to.alpha * euler, samplers.DDIM().step(now, to))  # "the same as DDIM without noise"


def test_dpm_solver():
    before = denoiser.estimate(Z, X0, SCHEDULE.at(600), "eps")
    now, to = guess(), SCHEDULE.at(S)
    symbols = {
        r"\hat x_0": now.x0,
        r"\hat x_0^{\mathrm{before}}": before.x0,
        "h": to.lam - now.at.lam,
        r"h_{\mathrm{before}}": now.at.lam - before.at.lam,
        r"\sigma_s": to.sigma,
        r"\sigma_t": now.at.sigma,
        r"\alpha_s": to.alpha,
    }
    D = value("04.card_dpmpp", "D", **symbols)
    step = samplers.DPMSolverPP().step(now, to, past=[before])
    close(value("04.card_dpmpp", "x_s", **symbols, D=D), step)
    close(value("04.card_dpmpp", "x_s", **symbols, D=now.x0), samplers.DDIM().step(now, to))  # "it is DDIM"


def test_the_scale_of_latents():
    latents = 5.5 * randn(400, 1)
    s = value("05a.card_scale", "s", **{r"\mathrm{std}(z)": latents.std()})
    close((s * latents).std(), 1.0)  # "about as large as the noise"


def test_attention_and_contrast():
    Q, K, V = randn(1, 4, 8), randn(1, 5, 8, seed=1), randn(1, 5, 3, seed=2)
    weights = said("05b.card_attention").removesuffix("V")
    symbols = {r"\mathrm{softmax}": lambda x: x.softmax(-1), r"QK^\top": Q @ K.mT, "d": 8.0}
    close(evaluate(weights, symbols) @ V, torch.nn.functional.scaled_dot_product_attention(Q, K, V))
    sim, tau = randn(4, 4), 0.5

    def loss(sim, i):
        row = {
            r"\mathrm{sim}(u_i,v_i)": sim[i, i],
            r"\mathrm{sim}(u_i,v_j)": sim[i],
            r"\sum_j": lambda x: x.sum(),
            r"\tau": tau,
        }
        return value("05b.card_infonce", **row)

    both = [loss(side, i) for side in (sim, sim.T) for i in range(4)]
    close(sum(both) / 8, contrastive_loss(sim / tau))  # "the mean over images, and over captions"
    close(loss(torch.zeros(6, 6), 2), math.log(6))  # "guessing blindly costs log N"


def test_guidance_in_both_conventions():
    cond, uncond = X0, EPS
    symbols = {r"\epsilon_\theta(x,\varnothing)": uncond, r"\epsilon_\theta(x,c)": cond, "w": 3.0}
    at = SCHEDULE.at(T)
    ours = guidance.extrapolated(*(denoiser.estimate(e, X_T, at, "eps") for e in (uncond, cond)), 3.0).eps
    close(value("06.card_cfg", r"\hat\epsilon", **symbols), ours)
    theirs = re.search(r"\$\(1\+s\)(.+?)\$", CARDS["06.card_cfg"].why)[1]
    close(evaluate(f"(1+s){theirs}", {"s": 2.0, r"\epsilon_c": cond, r"\epsilon_\varnothing": uncond}), ours)
    for w, plain in ((0.0, uncond), (1.0, cond)):
        close(value("06.card_cfg", r"\hat\epsilon", **{**symbols, "w": w}), plain)


def test_scores():
    now = guess()
    close(value("07.card_score", r"s_\theta(x_t,t)"), now.score)
    mixture, at = GaussianMixture([[-1.0, 0.0], [2.0, 1.0]], [0.5, 1.0], [0.3, 0.7]), Level(0.5, 0.8, 0.6)
    symbols = {r"\nabla\log p_t(x_t)": mixture.score(X_T, at), r"\sigma": at.sigma, r"\alpha": at.alpha}
    close(value("07.card_tweedie", r"\mathbb{E}[x_0\mid x_t]", **symbols), mixture.denoise(X_T, at).x0)
    row, x_t = denoiser.PREDICTS["v"](at), at.noised(X0, EPS)
    v = value("07.card_v", "v", **symbols)
    close(v, row[0] * X0 + row[1] * EPS)
    close(value("07.card_v", "x_0", **symbols, v=v, x_t=x_t), X0)
    walk = score.langevin(lambda x: -x, X0, 0.1, 1, generator=torch.Generator().manual_seed(3))
    step = {"x_k": X0, r"\nabla\log p(x_k)": -X0, r"\tau": 0.1, "z_k": Z}
    close(value("07.card_langevin", "x_{k+1}", **step), next(walk))


def test_processes_and_flows():
    path, t = sde.VP(), 0.3
    at = path.at(t)
    now = denoiser.estimate(EPS, X_T, at, "eps")
    f = value("08.card_vp", "f", **{r"\beta(t)": path.beta(t), "x": X_T})
    g = value("08.card_vp", "g", **{r"\beta(t)": path.beta(t)})
    close(f, path.drift(t) * X_T)
    close(g, path.diffusion(t))
    symbols = {"f": f, "g": g, r"\nabla\log p_t(x)": now.score}
    by_score, by_guesses = said("08.card_ode", r"\frac{dx}{dt}").split("=")
    close(evaluate(by_score, symbols), sde.velocity(path, now))
    alpha, sigma = path.rates(t)
    rates = {r"\alpha'": alpha, r"\sigma'": sigma, r"\hat x_0": now.x0, r"\hat\epsilon": now.eps}
    close(evaluate(by_guesses, rates), sde.velocity(path, now))
    back = sde.ReverseSDE(path).step(now, path.at(0.2), noise=lambda: torch.zeros_like(X_T))
    moved = value("08.card_reverse", "dx", **symbols, **{"dt": -0.1, r"d\bar w": 0.0})
    close(X_T + moved, back)
    straight = sde.Straight()
    close(value("08.card_flow", "x_t", t=t), straight.at(t).noised(X0, EPS))
    target = CARDS["08.card_flow"].back.split("$")[3]
    a, b = denoiser.PREDICTS["flow"](straight.at(t))
    close(evaluate(target, {r"\epsilon": EPS, "x_0": X0}), a * X0 + b * EPS)


def test_the_frechet_distance():
    """(C_a C_b)^(1/2) by scipy; for covariances that commute it is the root of each eigenvalue."""
    from scipy.linalg import sqrtm

    said("10.card_frechet")
    a, b = (metrics.statistics(randn(50, 3, seed=seed) * (1 + seed)) for seed in (1, 2))
    gap = a[1] + b[1] - 2 * torch.as_tensor(sqrtm((a[1] @ b[1]).numpy()).real)
    torch.testing.assert_close(
        (a[0] - b[0]).square().sum() + gap.trace(), torch.tensor(metrics.frechet_distance(a, b)).double()
    )
    assert (
        r"\Vert m_a-m_b\Vert^2" in CARDS["10.card_frechet"].back and "-2(C_aC_b)^{1/2}" in CARDS["10.card_frechet"].back
    )


# -- all of them ------------------------------------------------------------------------------------------------------


def test_every_formula_has_its_line_above():
    text = pathlib.Path(__file__).read_text(encoding="utf-8")
    assert {name for name in FORMULAS if f'"{name}"' not in text} == set()


@pytest.mark.parametrize("name", CARDS)
def test_a_card_belongs_to_a_lesson_and_its_formulas_can_be_set(name):
    card, parser = CARDS[name], MathTextParser("path")
    assert card.lesson in registry.lessons() and card.topic in ("fact", "formula")
    for text in (card.front, card.back, card.why):
        assert text.count("$") % 2 == 0 and text == text.strip()
        for formula in re.findall(r"\$[^$]+\$", text):
            parser.parse(formula)
    assert card.topic == "fact" or "$" in card.back


def test_the_ten_facts_and_the_three_formulas_of_the_curriculum_are_there():
    facts = [item for card in CARDS.values() if card.topic == "fact" for item in card.items]
    assert {f"C{i}" for i in range(283, 293)} <= {*facts} and len(facts) == 20
    assert {name for name, card in CARDS.items() if "C301" in card.items} == {
        "02.card_step",
        "02.card_simple_loss",
        "02.card_reverse_step",
    }


def test_most_cards_lead_to_a_heading():
    places = [notebooks.place(card.name, card.items) for card in CARDS.values()]
    assert sum(bool(place.heading) for place in places) > 0.8 * len(places)
