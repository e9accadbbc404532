"""The questions of the bank: well formed, fair to who reads them, new, and right where a number is the answer."""

import importlib
import math
import re
from collections import Counter
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from diffcourse import metrics, scenes, sde, weights
from diffcourse.adapters import LoRA, zero_convolution
from diffcourse.denoiser import Denoiser, estimate
from diffcourse.gaussian import gaussian_kl, gaussian_nll, mean_se, standard_kl
from diffcourse.guidance import clipped, extrapolated, guided
from diffcourse.learn import bank, exercises
from diffcourse.learn.registry import predictions, quizzes
from diffcourse.mixture import GaussianMixture, Memory
from diffcourse.models.unet_condition import CrossAttention
from diffcourse.samplers import DDIM, DPMSolverPP, sample
from diffcourse.schedule import DiffusionSchedule, Level
from diffcourse.score import langevin

QUESTIONS = bank.questions()
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LESSONS = {path.name.split("_")[0] for path in NOTEBOOKS.glob("*.ipynb")} | {"11"}  # 11 looks back on all of them
OPTIONS = [(name, option) for name, asked in QUESTIONS.items() for option in asked.question.options]


def number(value):
    """A tensor of one number, float64."""
    return torch.tensor([[float(value)]], dtype=torch.float64)


def randn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# -- form -------------------------------------------------------------------------------------------------------------


def test_every_file_asks_of_its_own_lesson_and_every_lesson_is_asked_about():
    files = sorted(Path(bank.__file__).parent.glob("choice_*.py"))
    for file in files:
        held = importlib.import_module(f"diffcourse.learn.bank.{file.stem}").QUESTIONS
        assert {asked.lesson for asked in held} == {file.stem.removeprefix("choice_")}
        assert 3 <= len(held) <= 6
    assert {asked.lesson for asked in QUESTIONS.values()} == LESSONS
    assert all(re.fullmatch(r"\w+\.mc_[a-z_0-9]+", name) for name in QUESTIONS)


def test_the_five_questions_of_the_source_are_there_each_in_its_lesson():
    asked = {item: name for name, question in QUESTIONS.items() for item in question.items}
    wanted = {"C276": "01", "C277": "01", "C278": "02", "C279": "05a", "C280": "04"}
    assert {item: asked[item].split(".")[0] for item in wanted} == wanted
    assert all(re.fullmatch(r"C[0-3]\d\d", item) for item in asked)


def test_every_option_says_why_in_words_of_its_own():
    whys = Counter(option.why.strip() for _, option in OPTIONS)
    assert min(len(why) for why in whys) > 8 and max(whys.values()) == 1
    assert all(why[-1] in ".?)" for why in whys)
    for name, asked in QUESTIONS.items():
        texts = [option.text for option in asked.question.options]
        assert len(texts) == len(set(texts)) == 4, name


def test_a_radio_button_can_show_all_of_it():
    """Plain text with symbols of unicode: no formula between dollars, no minus that is a hyphen, no dash for a comma."""
    for text in [asked.question.text for asked in QUESTIONS.values()] + [o.text for _, o in OPTIONS]:
        assert not re.search(r"[$\\—\n]|(?<!\w)-\d| {2}", text), text
        assert text == text.strip() and text.count("`") % 2 == 0
    assert max(len(option.text) for _, option in OPTIONS) < 100


def test_no_question_is_asked_twice_nor_by_a_quiz_or_a_prediction():
    def plain(text):
        return re.sub(r"\W+", " ", text).lower().strip()

    texts = [plain(asked.question.text) for asked in QUESTIONS.values()]
    ours = {id(item.question) for item in QUESTIONS.values()}  # the quiz of lesson 11 asks five of them
    asked = [question for quiz in quizzes().values() for question in quiz.questions if id(question) not in ours]
    before = {plain(question.text) for question in asked}
    before |= {plain(prediction.question) for prediction in predictions().values()}
    assert len(set(texts)) == len(texts) and not before & set(texts)


def test_neither_length_nor_place_gives_the_right_option_away():
    lengths = [[len(option.text) for option in asked.question.options] for asked in QUESTIONS.values()]
    right = [asked.question.right for asked in QUESTIONS.values()]
    for extreme in (max, min):  # where two are equally long, neither stands out
        alone = [own[i] == extreme(own) and own.count(own[i]) == 1 for own, i in zip(lengths, right, strict=True)]
        assert sum(alone) <= 0.35 * len(alone)
    assert not [own for own, i in zip(lengths, right, strict=True) if own[i] > 40 and own[i] > 1.25 * sorted(own)[-2]]
    assert all(0.15 < share / len(right) < 0.35 for share in Counter(right).values())


# -- numbers ----------------------------------------------------------------------------------------------------------


def numbers(text):
    """The numbers of a text, and how far off each may be by the digits in which it is told."""
    found = re.findall(r"(?<![√\d.,])−?\d(?:[\d,]*\d)?(?:\.\d+)?", text)
    values = [float(each.replace("−", "-").replace(",", "")) for each in found]
    return values, [0.501 * 10.0 ** -len(each.partition(".")[2]) for each in found]


def same_seed():
    draws = [torch.randn(1000, generator=torch.Generator().manual_seed(0)) for _ in "ab"]
    x0, eps = (each / each.std() for each in draws)
    return (0.6 * x0 + 0.8 * eps).var()


def half_way():
    return GaussianMixture([0.0]).denoise(number(2), Level(0.0, 1.0, 1.0)).x0


def best_answer():
    values = torch.tensor([0.0, 0.0, 0.0, 4.0], dtype=torch.float64).view(4, 1)
    answer = Memory(values).denoise(number(0.3), Level(0.0, 1e-9, 1.0)).x0
    return answer, (values - answer).square().mean()


def gap():
    """z from N(0, 1), x = z + noise, q = N(1.5, 0.5): the question's three numbers, and the gap itself."""
    x, mean, var = number(1.5), number(1.5), number(0.5)
    evidence = -gaussian_nll(x, torch.zeros_like(x), 2.0)
    elbo = -gaussian_nll(x, mean, 1.0) - var.sum() / 2 - gaussian_kl(mean, var, 0.0, 1.0)
    prior = gaussian_kl(mean, var, 0.0, 1.0)
    told, off = numbers(QUESTIONS["01.mc_gap"].question.text)
    assert told[:3] == pytest.approx([evidence.item(), elbo.item(), prior.item()], abs=max(off))
    assert evidence - elbo == pytest.approx(gaussian_kl(mean, var, 0.75, 0.5))
    return evidence - elbo


def not_unit():
    schedule, x0 = DiffusionSchedule([0.2]), 0.5 * randn(200_000, 1)
    return schedule.q_sample(x0, 0, noise=randn(200_000, 1, seed=1)).var()


def average_of_weights():
    average, network = nn.Linear(1, 1), nn.Linear(1, 1)
    for module, value in ((average, 0.0), (network, 1.0)):
        for parameter in module.parameters():
            nn.init.constant_(parameter, value)
    mean = torch.optim.swa_utils.AveragedModel(average, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99))
    mean.n_averaged.fill_(1)
    for _ in range(100):
        mean.update_parameters(network)
    return mean.module.weight.detach()


def looks(side):
    return CrossAttention(8, heads=1, dim_head=8).weights(torch.zeros(1, side * side, 8)).numel()


def error_of_image():
    at = Level(0.0, 0.1, 0.99**0.5)
    off = estimate(number(0.35), number(1), at, "eps").x0 - estimate(number(0.3), number(1), at, "eps").x0
    return off.abs()


def one_step():
    now = estimate(number(0.5), number(1), Level(1.0, 0.6, 0.8), "eps")
    return DDIM().step(now, Level(0.0, 0.8, 0.6))


def half_eta():
    now = estimate(number(0.5), number(1), Level(1.0, 0.6, 0.8), "eps")
    to = Level(0.0, 0.8, 0.6)

    def fresh(eta):  # the variance of what `noise` adds
        steps = [DDIM(eta).step(now, to, noise=lambda z=z: number(z)) for z in (0, 1)]
        return (steps[1] - steps[0]).square()

    return 0.20 * fresh(0.5) / fresh(1.0)


def twice_the_side():
    convolution = nn.Conv2d(4, 4, 3, padding=1)
    outputs = [convolution(torch.zeros(1, 4, side, side)).numel() for side in (64, 128)]  # each costs the same
    return outputs[1] / outputs[0], looks(16) / looks(8)


def hot():
    return F.cross_entropy(torch.eye(32) / 1e6, torch.arange(32)).exp()


def by_hand():
    keys, values = torch.tensor([[[0.0], [math.log(3)]]]), torch.tensor([[[0.0], [8.0]]])
    return F.scaled_dot_product_attention(torch.ones(1, 1, 1), keys, values)


def formula():
    at = Level(0.0, 0.6, 0.8)
    none, asked = (estimate(number(eps), number(1), at, "eps") for eps in (0.2, 0.5))
    return extrapolated(none, asked, 3.0).eps


def beyond():
    """Where the guided score crosses zero, by two values of a line."""
    at = Level(0.0, 0.6, 0.8)

    def score(x):
        none, asked = (estimate(number(s), number(x), at, "score") for s in (-x, 1 - x))
        return extrapolated(none, asked, 3.0).score.item()

    return score(0.0) / (score(0.0) - score(1.0))


def too_much_noise():
    """x + τ·s + √(4τ)·z is the package's step of size 2τ with half of the score."""
    return torch.cat(
        list(langevin(lambda x: -x / 2, randn(2000, 1), 0.04, 400, generator=torch.Generator().manual_seed(1)))[100:]
    ).var()


def balance():
    times = torch.linspace(0, 5, 251).tolist()
    g = torch.Generator().manual_seed(0)
    *_, last = sde.euler_maruyama(lambda x, t: -x, 2.0, torch.zeros(10_000, 1, dtype=torch.float64), times, generator=g)
    return last.var()


def same_picture():
    path = sde.VP()
    at = path.at(path.time_of(sde.VE().at(sde.VE().time_of(0.75)).nsr))
    return at.alpha, at.sigma


def stretched():
    flow = 2 * torch.eye(2)
    return -torch.linalg.slogdet(flow).logabsdet, torch.linalg.det(flow)


def best_discriminator():
    logs = [number(density).log().flatten() for density in (0.3, 0.1)]
    return exercises()["10.best_discriminator"].reference(*logs, *logs)[0].sigmoid()


ANSWERS = {
    "00.mc_one_pixel": lambda: Level(0.0, 0.6, 0.8).noised(1, -1),
    "00b.mc_error_bar": lambda: mean_se(torch.tensor([2.0, -2.0] * 200)),
    "00b.mc_same_seed": same_seed,
    "00b.mc_half_way": half_way,
    "00b.mc_twice_as_far": lambda: gaussian_kl(number(2), 1.0, 0.0, 1.0) / gaussian_kl(number(1), 1.0, 0.0, 1.0),
    "00b.mc_best_answer": best_answer,
    "01.mc_nats": lambda: standard_kl(number(2), number(0)),
    "01.mc_gap": gap,
    "02.mc_two_steps": lambda: DiffusionSchedule([0.36, 0.75]).at(1).alpha,
    "02.mc_share_of_noise": lambda: next(b for b in (0.1, 0.2, 0.3) if round(DiffusionSchedule([b]).snr(0), 9) == 4),
    "02.mc_not_unit": not_unit,
    "03.mc_average_of_weights": average_of_weights,
    "03.mc_error_of_image": error_of_image,
    "04.mc_one_step": one_step,
    "04.mc_order": lambda: math.log2(0.32 / 0.04),
    "04.mc_half_eta": half_eta,
    "05a.mc_twice_the_side": twice_the_side,
    "05a.mc_milder": lambda: 256 * 256 * 3 / (64 * 64 * 3),
    "05a.mc_bits": lambda: math.log2(1 + 16**2) / 2,
    "05b.mc_hot": hot,
    "05b.mc_by_hand": by_hand,
    "05c.mc_decoder_share": lambda: 100 * 1250 / (1250 + 10 * 2 * 400),
    "06.mc_formula": formula,
    "06.mc_beyond": beyond,
    "07.mc_spring": lambda: GaussianMixture([2.0], 0.5).score(number(3)),
    "07.mc_tweedie": lambda: estimate(number(-2), number(2), Level(0.0, 1.0, 0.5), "score").x0,
    "07.mc_too_much_noise": too_much_noise,
    "08.mc_brown": lambda: sde.brownian(20_000, [0, 9], generator=torch.Generator().manual_seed(0))[-1].std(),
    "08.mc_balance": balance,
    "08.mc_same_picture": same_picture,
    "08.mc_clean_end": lambda: estimate(number(-3), number(1.25), sde.Straight().at(0.25), "flow").x0,
    "08.mc_stretched": stretched,
    "09.mc_rank": lambda: sum(p.numel() for p in LoRA(nn.Linear(512, 512), 4).parameters() if p.requires_grad),
    "10.mc_best_discriminator": best_discriminator,
    "10.mc_twenty_questions": lambda: 100 * (1 - 0.95**20),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_number_that_is_asked_for_is_what_the_package_computes(name):
    right = QUESTIONS[name].question.options[QUESTIONS[name].question.right]
    told, off = numbers(right.text)
    computed = ANSWERS[name]()
    computed = computed if isinstance(computed, list | tuple) else [computed]
    for value, shown, room in zip(computed, told, off, strict=True):
        assert float(value) == pytest.approx(shown, abs=min(room, 0.05 * abs(shown)))
    for option in QUESTIONS[name].question.options:
        assert option is right or numbers(option.text)[0] != told, option.text


# -- what options claim -----------------------------------------------------------------------------------------------


def test_four_answers_to_the_noise_cost_what_the_options_say():
    eps, other = randn(200_000), randn(200_000, seed=1)
    costs = {"0 everywhere": 0 * eps, "Fresh": other, "The noise": -eps, "Twice": 2 * eps}
    costs = {begin: (eps - answer).square().mean().item() for begin, answer in costs.items()}
    assert list(costs.values()) == pytest.approx([1, 2, 4, 1], rel=0.02)
    right = QUESTIONS["03.mc_which_answer"].question
    assert [option.text.startswith(begin) for option, begin in zip(right.options, costs, strict=True)] == [True] * 4
    assert right.options[right.right].text.startswith("The noise")


def test_one_wide_head_has_as_many_parameters_as_eight_and_one_table_where_they_have_eight():
    eight, one = CrossAttention(320, 768, heads=8, dim_head=64), CrossAttention(320, 768, heads=1, dim_head=512)
    assert sum(p.numel() for p in eight.parameters()) == sum(p.numel() for p in one.parameters())
    x, words = torch.randn(1, 4, 320), torch.randn(1, 77, 768)
    assert eight.weights(x, words).shape == (1, 8, 4, 77) and one.weights(x, words).shape == (1, 1, 4, 77)


def test_a_negative_prompt_at_scale_one_is_not_even_asked():
    asked = []

    class Constant(nn.Module):
        def forward(self, x, t, cond):
            asked.extend(cond.tolist())
            return torch.zeros_like(x)

    denoiser = Denoiser(Constant(), DiffusionSchedule.linear(), "eps", null=10)
    x, at = torch.zeros(1, 1), denoiser.schedule.at(500)
    guided(denoiser, torch.tensor([3]), 1.0, uncond=torch.tensor([7]))(x, at)
    assert asked == [3]
    guided(denoiser, torch.tensor([3]), 2.0, uncond=torch.tensor([7]))(x, at)
    assert sorted(asked) == [3, 3, 7]


def test_a_zero_convolution_has_a_gradient_where_two_zero_factors_have_none():
    layer = zero_convolution(2)
    (layer(torch.ones(1, 2, 3, 3)) + 1).square().sum().backward()
    assert layer.weight.grad.abs().min() > 0
    lora = LoRA(nn.Linear(3, 3), 2)
    nn.init.zeros_(lora.down)
    (lora(torch.ones(1, 3)) + 1).square().sum().backward()
    assert not lora.up.grad.any() and not lora.down.grad.any()


def test_the_decoder_s_share_and_those_that_the_wrong_options_explain():
    shares = [100 * 1250 / (1250 + calls * 400) for calls in (100, 20, 10, 1)]
    options = QUESTIONS["05c.mc_decoder_share"].question.options
    assert [round(share) for share in shares] == [numbers(option.text)[0][0] for option in options]


@pytest.mark.slow
def test_a_cut_at_one_costs_latents_the_colour_of_their_strokes_and_no_ground():
    model, generator, prompts = weights.load("captioned-ldm"), torch.Generator().manual_seed(0), []
    colours, near = list(scenes.COLOURS), {frozenset(pair.split()) for pair in scenes.TOO_NEAR}
    while len(prompts) < 64:
        ink, ground, digit = (int(torch.randint(n, (1,), generator=generator)) for n in (8, 8, 10))
        if ink != ground and frozenset((colours[ink], colours[ground])) not in near:
            prompts.append(f"a large {colours[ink]} {digit} on a {colours[ground]} background, in the centre")
    plain = guided(model.denoiser, model.text(prompts), 2.0)
    drawn = [
        sample(denoise, model.denoiser.schedule, (64, 4, 8, 8), DPMSolverPP(), steps=20, seed=0)
        for denoise in (plain, clipped(plain))
    ]
    whole, cut = (metrics.prompt_accuracy(model.autoencoder.decode(z).clamp(-1, 1), prompts) for z in drawn)
    assert whole.ink == whole.background == cut.background == 1
    assert cut.ink == pytest.approx(0.78, abs=0.05)
