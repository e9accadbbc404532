"""Training: it learns, repeats itself, survives being killed at any moment, and says what is wrong."""

import io
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from diffcourse import Denoiser, DiffusionSchedule, batches, files, train
from diffcourse.rng import counter_seed


class Points:
    """Regression data y = 2x - 1 that follows `fit`'s protocol."""

    def batch(self, step, batch_size, *, seed, rank=0, world=1):
        x = torch.randn(batch_size, 1, generator=torch.Generator().manual_seed(counter_seed(seed, step, rank)))
        return x, 2 * x - 1


def squared_error(module, batch, generator):
    return (module(batch[0]) - batch[1]).square().mean()


def noisy_error(module, batch, generator):
    """Draws from the step's generator and from torch's global one, as dropout would."""
    x = batch[0] + 0.1 * torch.randn(batch[0].shape, generator=generator) + 0.1 * torch.randn(batch[0].shape)
    return (module(x) - batch[1]).square().mean()


def model():
    return train_build(lambda: nn.Sequential(nn.Linear(1, 8), nn.Dropout(0.2), nn.SiLU(), nn.Linear(8, 1)))


def train_build(build, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build()


def weights_of(module):
    return torch.cat([p.detach().flatten() for p in module.parameters()])


@pytest.mark.slow
def test_it_learns_a_line_and_the_average_follows():
    line = nn.Linear(1, 1)
    *_, last = train.fit(line, Points(), squared_error, steps=600, lr=0.02, ema=0.99)
    assert line.weight.item() == pytest.approx(2, abs=1e-2) and line.bias.item() == pytest.approx(-1, abs=1e-2)
    assert last.ema.weight.item() == pytest.approx(2, abs=2e-2)
    assert last.step == last.steps == 600 and last.loss < 1e-3


def test_the_first_step_is_adams_first_step():
    line, twin = train_build(lambda: nn.Linear(1, 1)), train_build(lambda: nn.Linear(1, 1))
    next(iter(train.fit(line, Points(), squared_error, steps=100, lr=0.1, warmup=4, clip=1e9)))
    adam = torch.optim.Adam(twin.parameters(), lr=0.1 / 5, betas=(0.9, 0.99))
    squared_error(twin, Points().batch(0, 64, seed=0), None).backward()
    adam.step()
    assert torch.equal(weights_of(line), weights_of(twin))


def test_the_betas_are_those_of_adam():
    line, twin = train_build(lambda: nn.Linear(1, 1)), train_build(lambda: nn.Linear(1, 1))
    list(train.fit(line, Points(), squared_error, steps=4, lr=0.1, warmup=0, clip=1e9, betas=(0.2, 0.7)))
    adam = torch.optim.Adam(twin.parameters(), betas=(0.2, 0.7))
    for step in range(4):
        adam.param_groups[0]["lr"] = 0.1 * train.learning_rate(step, 4, 0)
        adam.zero_grad()
        squared_error(twin, Points().batch(step, 64, seed=0), None).backward()
        adam.step()
    assert torch.equal(weights_of(line), weights_of(twin))


def test_gradients_are_clipped_and_their_norm_before_that_is_told():
    line = train_build(lambda: nn.Linear(1, 1))
    twin = train_build(lambda: nn.Linear(1, 1))
    progress = next(iter(train.fit(line, Points(), lambda m, b, g: 1000 * squared_error(m, b, g), steps=1, clip=0.5)))
    (1000 * squared_error(twin, Points().batch(0, 64, seed=0), None)).backward()
    norm = torch.cat([p.grad.flatten() for p in twin.parameters()]).norm()
    assert progress.grad_norm == pytest.approx(norm.item(), rel=1e-5) and norm > 100
    assert torch.cat([p.grad.flatten() for p in line.parameters()]).norm() == pytest.approx(0.5, rel=1e-4)


def test_the_average_is_the_running_mean_it_claims_to_be():
    line = nn.Linear(1, 1)
    average = None
    for n, progress in enumerate(train.fit(line, Points(), squared_error, steps=50, lr=0.05, ema=0.9)):
        now = weights_of(line)
        decay = min(0.9, (1 + n) / (10 + n))
        average = now if average is None else decay * average + (1 - decay) * now
        assert torch.allclose(weights_of(progress.ema), average, atol=1e-6)


def test_the_learning_rate_rises_and_falls_to_zero():
    rates = [train.learning_rate(s, 100, 10) for s in range(100)]
    assert rates[0] == pytest.approx(1 / 11) and rates[10] == 1 and rates[-1] < 1e-3
    assert all(a < b for a, b in pairwise(rates[:11])) and all(a > b for a, b in pairwise(rates[10:]))


def test_two_runs_are_bit_identical_and_the_global_random_state_is_left_alone():
    first, second = model(), model()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    list(train.fit(first, Points(), noisy_error, steps=20))
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    list(train.fit(second, Points(), noisy_error, steps=20))
    assert torch.equal(weights_of(first), weights_of(second))
    third = model()
    list(train.fit(third, Points(), noisy_error, steps=20, seed=1))
    assert not torch.equal(weights_of(first), weights_of(third))


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 7, 10, 13])
def test_a_run_that_the_reader_stops_goes_on_to_the_same_weights(tmp_path, stop):
    unbroken, broken = model(), model()
    *_, whole = train.fit(unbroken, Points(), noisy_error, steps=20)
    file = tmp_path / "run.checkpoint"
    for progress in train.fit(broken, Points(), noisy_error, steps=20, checkpoint=file, every=5):
        if progress.step == stop:
            break
    resumed = model()
    steps = [p.step for p in train.fit(resumed, Points(), noisy_error, steps=20, checkpoint=file, every=5)]
    assert steps[0] == max(1, stop // 5 * 5) and steps[-1] == 20
    *_, last = train.fit(resumed, Points(), noisy_error, steps=20, checkpoint=file, every=5)
    assert last.step == 20 and last.loss == whole.loss
    assert torch.equal(weights_of(resumed), weights_of(unbroken))
    assert torch.equal(weights_of(last.ema), weights_of(whole.ema))


@pytest.fixture
def ctrl_c():
    """Ctrl-C does what it does in a terminal, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Stopping(Points):
    """Points; while the batch of a step in `at` is drawn, somebody presses Ctrl-C."""

    def __init__(self, *at):
        self.at = list(at)

    def batch(self, step, batch_size, *, seed, rank=0, world=1):
        while step in self.at:
            self.at.remove(step)
            signal.raise_signal(signal.SIGINT)
        return super().batch(step, batch_size, seed=seed, rank=rank, world=world)


def steps_until(stopped_by, training, at=()):
    """The steps of a training, in a with block, up to what stops it; `at` these steps the loop's body stops it."""
    seen = []
    with pytest.raises(stopped_by), training:
        for progress in training:
            seen.append(progress.step)
            if progress.step in at:
                raise stopped_by
    return seen


def goes_on(file, data, unbroken):
    """From which step a training goes on; it must end at the weights of one that nobody stopped."""
    resumed = model()
    steps = [p.step for p in train.fit(resumed, data, noisy_error, steps=20, checkpoint=file, every=100)]
    assert steps == list(range(steps[0], 21)) and torch.equal(weights_of(resumed), weights_of(unbroken))
    return steps[0]


def test_a_training_that_is_interrupted_keeps_its_last_step_and_goes_on_from_there(tmp_path, ctrl_c):
    """In the middle of a step, which ends first; in the body of the loop; by any other error there; and by close."""
    before = signal.getsignal(signal.SIGINT)
    options = {"steps": 20, "every": 100}  # nothing is written but what the interruption writes
    unbroken = model()
    list(train.fit(unbroken, Stopping(), noisy_error, steps=20))
    for i, (data, error, at) in enumerate(
        [
            (Stopping(7), KeyboardInterrupt, ()),
            (Stopping(), KeyboardInterrupt, [7]),
            (Stopping(), ZeroDivisionError, [7]),
        ]
    ):
        file = tmp_path / f"run {i}"
        seen = steps_until(error, train.fit(model(), data, noisy_error, checkpoint=file, **options), at)
        assert seen == list(range(1, 8))
        assert goes_on(file, data, unbroken) == (8 if data.at == [] and i == 0 else 7)
        assert signal.getsignal(signal.SIGINT) is before
    closed = train.fit(model(), Stopping(), noisy_error, checkpoint=tmp_path / "closed", **options)
    next(closed), next(closed), closed.close()
    assert list(closed) == [] and goes_on(tmp_path / "closed", Stopping(), unbroken) == 2
    with pytest.raises(KeyboardInterrupt):
        train.run(model(), Stopping(4), noisy_error, checkpoint=tmp_path / "run", bar=False, **options)
    assert goes_on(tmp_path / "run", Stopping(), unbroken) == 5


def test_a_second_interruption_does_not_wait_for_the_step(tmp_path, ctrl_c):
    file = tmp_path / "run"
    training = train.fit(model(), Stopping(7, 7), noisy_error, steps=20, checkpoint=file, every=100)
    assert steps_until(KeyboardInterrupt, training) == list(range(1, 8)) and not file.exists()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_training_without_a_checkpoint_is_stopped_at_once_and_one_in_a_thread_trains_too(tmp_path, ctrl_c):
    seen = steps_until(KeyboardInterrupt, train.fit(model(), Stopping(7), noisy_error, steps=20))
    assert seen == list(range(1, 8))
    last = []
    options = {"steps": 3, "checkpoint": tmp_path / "run"}
    thread = threading.Thread(target=lambda: last.extend(train.fit(model(), Points(), noisy_error, **options)))
    thread.start(), thread.join()
    assert [p.step for p in last] == [1, 2, 3]


def test_the_forecast_of_a_resumed_training_is_right(monkeypatch):
    """A step takes 10 ms by a clock of our own: from the second step on the bar tells what is left, first and after a resume."""
    import tqdm.auto
    import tqdm.std

    now, bars = [100.0], []

    class Bar(tqdm.std.tqdm):
        def __init__(self, **options):
            super().__init__(file=io.StringIO(), mininterval=0, **options)
            self._time = lambda: now[0]
            bars.append(self)

    def steps(first, last):
        for step in range(first, last + 1):
            yield train.Progress(step, 1000, 0.0, nn.Identity(), 0.0, 0.0)
            now[0] += 0.01 if step % 50 else 0.02  # every now and then the loop looks at what it has

    monkeypatch.setattr(tqdm.auto, "tqdm", Bar)
    for first in (1, 500):
        for progress in train.followed(steps(first, first + 60)):
            told = bars[-1].format_dict
            if progress.step < first + 10:
                continue
            left = (1000 - progress.step) * 0.0102
            assert told["n"] == progress.step and told["initial"] == first and told["total"] == 1000
            forecast = (told["total"] - told["n"]) * told["elapsed"] / (told["n"] - told["initial"])
            shown = Bar.format_meter(**told).split("<")[1].split(",")[0]
            minutes, seconds = map(int, shown.split(":"))
            assert left / 1.2 < forecast < 1.2 * left and abs(60 * minutes + seconds - forecast) <= 1


KILLED = """
    import os, signal, sys
    import torch
    sys.path.insert(0, {tests!r})
    from test_train import Points, model, noisy_error
    from diffcourse import files, train

    file, how, when = sys.argv[1], sys.argv[2], int(sys.argv[3])
    writes = 0
    fsync = os.fsync
    def fsync_then_die(fd):
        global writes
        writes += 1
        if how == "write" and writes == when:
            os.ftruncate(fd, os.fstat(fd).st_size // 2)  # half of the bytes have reached the disk
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(fd)
    os.fsync = fsync_then_die
    for progress in train.fit(model(), Points(), noisy_error, steps=40, checkpoint=file, every=6):
        if how == "step" and progress.step == when:
            os.kill(os.getpid(), signal.SIGKILL)
    torch.save(progress.ema.state_dict(), file + ".weights")
"""


def run_process(file, how="never", when=0):
    script = textwrap.dedent(KILLED).format(tests=os.path.dirname(__file__))
    return subprocess.run(
        [sys.executable, "-c", script, str(file), how, str(when)],
        capture_output=True,
        text=True,
        timeout=300,
        encoding="utf-8",
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_killed_in_a_checkpoint_write_and_at_two_steps_resumes_to_the_same_bits(tmp_path):
    file, reference = tmp_path / "run.checkpoint", tmp_path / "whole.checkpoint"
    assert run_process(reference).returncode == 0
    at_first, at_second = sorted((torch.randperm(30, generator=torch.Generator().manual_seed(5))[:2] + 7).tolist())
    assert run_process(file, "step", at_first).returncode == -signal.SIGKILL
    survived = torch.load(file, weights_only=True)["step"]
    assert survived == at_first // 6 * 6
    assert run_process(file, "write", 1).returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".run.checkpoint.*.part")), "the kill was not inside a write"
    assert torch.load(file, weights_only=True)["step"] == survived  # the half-written file replaced nothing
    assert run_process(file, "step", at_second).returncode == -signal.SIGKILL
    final = run_process(file)
    assert final.returncode == 0, final.stderr
    a, b = (torch.load(f"{f}.weights", weights_only=True) for f in (file, reference))
    assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_a_checkpoint_of_another_training_is_refused_and_says_why(tmp_path):
    file = tmp_path / "run.checkpoint"
    list(train.fit(model(), Points(), squared_error, steps=4, checkpoint=file))
    with pytest.raises(ValueError, match=r"lr was 0.001 and is now 0.01"):
        list(train.fit(model(), Points(), squared_error, steps=4, lr=0.01, checkpoint=file))
    with pytest.raises(ValueError, match=r"betas was \[0.9, 0.99\] and is now \[0.5, 0.99\]"):
        list(train.fit(model(), Points(), squared_error, steps=4, betas=(0.5, 0.99), checkpoint=file))


def test_a_checkpoint_from_before_there_were_betas_is_of_the_default_ones(tmp_path):
    file = tmp_path / "run.checkpoint"
    list(train.fit(model(), Points(), squared_error, steps=4, checkpoint=file))
    state = torch.load(file, weights_only=True)
    assert state["settings"].pop("betas") == [0.9, 0.99]
    torch.save(state, file)
    (only,) = train.fit(model(), Points(), squared_error, steps=4, checkpoint=file)
    assert only.step == 4
    with pytest.raises(ValueError, match=r"betas was \[0.9, 0.99\] and is now \[0.5, 0.99\]"):
        list(train.fit(model(), Points(), squared_error, steps=4, betas=(0.5, 0.99), checkpoint=file))


def test_a_damaged_checkpoint_is_refused_and_left_in_place(tmp_path):
    file = tmp_path / "run.checkpoint"
    list(train.fit(model(), Points(), squared_error, steps=4, checkpoint=file))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ValueError, match="cannot be read"):
        list(train.fit(model(), Points(), squared_error, steps=4, checkpoint=file))
    assert file.stat().st_size == 100


def test_a_full_disk_leaves_the_old_checkpoint_and_no_fragment(tmp_path, monkeypatch):
    file = tmp_path / "run.checkpoint"
    list(train.fit(model(), Points(), squared_error, steps=4, checkpoint=file))
    before = file.read_bytes()

    def full(fd):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot write .*No space left on device.*nothing was changed"):
        train.write_checkpoint(file, {"x": torch.zeros(10)})
    assert file.read_bytes() == before and os.listdir(tmp_path) == ["run.checkpoint"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="cannot write"), files.atomic_write(tmp_path / "file" / "x"):
        pass


def test_a_loss_that_is_not_finite_stops_before_the_weights_are_spoilt():
    line = nn.Linear(1, 1)
    before = weights_of(line).clone()
    with pytest.raises(FloatingPointError, match="the loss is nan at step 0"):
        list(train.fit(line, Points(), lambda m, b, g: squared_error(m, b, g) * float("nan"), steps=5))
    assert torch.equal(before, weights_of(line))


@pytest.mark.parametrize(
    "arguments",
    [{"steps": 0}, {"batch_size": 0}, {"lr": 0.0}, {"ema": 1.0}, {"clip": -1.0}, {"every": 0}, {"steps": 2.5}]
    + [{"betas": 0.9}, {"betas": (0.9,)}, {"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)}, {"betas": "ab"}],
)
def test_bad_settings_are_named_at_once(arguments):
    name = next(iter(arguments))
    with pytest.raises(ValueError, match=name):
        train.fit(nn.Linear(1, 1), Points(), squared_error, **({"steps": 5} | arguments))


@pytest.mark.parametrize(
    "data",
    [
        lambda: (X, 2 * X - 1),
        lambda: [(x, 2 * x - 1) for x in X],
        lambda: torch.utils.data.TensorDataset(X, 2 * X - 1),
        lambda: Augmented(),
        lambda: torch.utils.data.DataLoader(Augmented(), batch_size=7, shuffle=True),
    ],
    ids=["tuple", "list of pairs", "Dataset", "a Dataset that draws", "DataLoader"],
)
def test_data_of_every_kind_trains_and_resumes_to_the_same_bits_and_leaves_random_states_alone(tmp_path, data):
    def steps(module, stop=None, **options):
        for progress in train.fit(module, data(), squared_error, steps=20, **options):
            if progress.step == stop:
                break
        return weights_of(module)

    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    options = {"checkpoint": tmp_path / "run", "every": 4}
    steps(model(), 9, **options)
    assert torch.equal(steps(model(), **options), steps(model()))
    assert torch.equal(states[0], torch.get_rng_state()) and random.getstate() == states[2]
    assert (np.random.get_state()[1] == states[1]).all()


X = torch.randn(30, 1, generator=torch.Generator().manual_seed(0))


class Augmented(torch.utils.data.Dataset):
    """Pairs that are drawn anew at each visit, from three global generators."""

    def __len__(self):
        return len(X)

    def __getitem__(self, i):
        x = X[i] + 0.1 * torch.randn(1) + 0.1 * float(np.random.randn()) + random.gauss(0, 0.1)
        return x, 2 * x - 1


def test_a_loader_is_gone_through_as_it_is_and_every_process_takes_its_own_of_its_batches():
    loader = torch.utils.data.DataLoader(torch.arange(10), batch_size=3)
    alone, first, second = (batches.as_data(loader, 64)[0] for _ in range(3))
    seen = [alone.batch(step, 3, seed=0).tolist() for step in range(6)]
    assert seen == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9], [0, 1, 2], [3, 4, 5]]
    two = [
        [d.batch(step, 3, seed=0, rank=r, world=2).tolist() for r, d in enumerate((first, second))] for step in range(3)
    ]
    assert [batch for pair in two for batch in pair] == seen


def test_each_entry_is_seen_once_an_epoch_and_batches_keep_their_form():
    source, size = batches.as_data({"x": X, "y": {"z": 2 * X}}, 10)
    epoch = [source.batch(step, size, seed=0) for step in range(3)]
    assert torch.equal(torch.cat([b["x"] for b in epoch]).sort(dim=0)[0], X.sort(dim=0)[0])
    assert all(torch.equal(b["y"]["z"], 2 * b["x"]) for b in epoch)


def test_lists_and_dicts_go_to_the_device_and_texts_stay():
    moved = batches.to_device([X, {"a": X, "b": ("text", X)}], torch.device("meta"))
    assert [moved[0].is_meta, moved[1]["a"].is_meta, moved[1]["b"][1].is_meta] == [True] * 3 and moved[1]["b"][
        0
    ] == "text"


def test_run_trains_with_a_bar_and_returns_the_average(tmp_path, capsys):
    line, twin = model(), model()
    *_, last = train.fit(twin, Points(), squared_error, steps=12)
    average = train.run(line, Points(), squared_error, steps=12)
    assert torch.equal(weights_of(average), weights_of(last.ema)) and not average.training
    assert "12/12" in capsys.readouterr().err
    train.run(model(), Points(), squared_error, steps=12, bar=False)
    assert capsys.readouterr().err == ""


def test_a_training_that_nobody_iterates_is_noticed_and_one_that_was_begun_is_not():
    training = train.fit(model(), Points(), squared_error, steps=5)
    assert "has not begun" in repr(training)
    with pytest.warns(UserWarning, match=r"nothing was trained.*train\.run"):
        del training
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        training = train.fit(model(), Points(), squared_error, steps=5)
        next(training)
        assert "step 1 of 5" in repr(training)
        training.close()
        assert list(training) == []
        del training


OWN = """
    import sys, warnings
    import torch
    sys.path.insert(0, {tests!r})
    from accelerate import Accelerator
    from test_train import Points, model, squared_error, weights_of
    from diffcourse import train

    theirs = Accelerator(mixed_precision="bf16", gradient_accumulation_steps=4, cpu=True)
    net, optimizer = theirs.prepare(torch.nn.Linear(1, 1), None)[0], None
    with theirs.accumulate(net):
        pass
    assert not theirs.sync_gradients and theirs.gradient_accumulation_steps == 4
    line = model()
    before = weights_of(line)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        first = next(train.fit(line, Points(), squared_error, steps=5, checkpoint="run", every=1))
    assert [str(w.message) for w in said] == ["fit trains in bf16: your Accelerator, or ACCELERATE_MIXED_PRECISION, says so"], said
    assert not torch.equal(before, weights_of(line)), "nothing was trained"
    assert torch.load("run", weights_only=True)["settings"]["precision"] == "bf16"
    assert not theirs.sync_gradients and theirs.gradient_accumulation_steps == 4
"""


@pytest.mark.slow
def test_the_readers_own_accelerator_sets_the_precision_which_is_told_and_keeps_its_accumulation(tmp_path):
    script = textwrap.dedent(OWN).format(tests=os.path.dirname(__file__))
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=300
    )
    assert done.returncode == 0, done.stderr
    file, line = tmp_path / "run", model()
    with pytest.raises(ValueError, match="precision was bf16 and is now no"):
        list(train.fit(line, Points(), squared_error, steps=5, checkpoint=file, every=1))


def test_swapped_arguments_are_named():
    with pytest.raises(TypeError, match="module must be a torch"):
        train.fit(Points(), nn.Linear(1, 1), squared_error, steps=5)


def test_the_module_is_in_training_mode_again_after_someone_sampled_between_steps():
    net = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))
    modes = []

    def loss(module, batch, generator):
        modes.append(module.training)
        return squared_error(module, batch, generator)

    for _ in train.fit(net, Points(), loss, steps=3):
        net.eval()  # what a sampler of the old kind would leave behind
    assert modes == [True, True, True]


def test_bf16_rounds_the_loss_and_leaves_the_weights_in_float32():
    def trained(precision):
        net = train_build(lambda: nn.Sequential(nn.Linear(1, 8), nn.SiLU(), nn.Linear(8, 1)))
        *_, last = train.fit(net, Points(), squared_error, steps=5, precision=precision)
        return last.loss, weights_of(net)

    (exact, plain), (rounded, half) = trained("float32"), trained("bf16")
    assert half.dtype == torch.float32 and half.isfinite().all()
    assert rounded != exact and rounded == pytest.approx(exact, rel=0.03)  # bfloat16 has 8 binary digits
    assert torch.allclose(plain, half, atol=0.01) and not torch.equal(plain, half)


def test_a_training_goes_on_in_the_precision_that_it_began_with(tmp_path):
    options = {"steps": 4, "every": 2, "checkpoint": tmp_path / "c"}
    running = train.fit(model(), Points(), squared_error, precision="bf16", **options)
    next(running), next(running), running.close()
    with pytest.raises(ValueError, match="precision was bf16 and is now no"):
        next(train.fit(model(), Points(), squared_error, **options))
    assert next(train.fit(model(), Points(), squared_error, precision="bf16", **options)).step == 2


def test_a_compiled_training_is_the_plain_one_and_leaves_no_compiled_module(monkeypatch):
    """torch.compile with a backend that only runs what it is given: the real one takes half a minute, and a C++ compiler."""
    seen, compiled = [], nn.Module.compile
    monkeypatch.setattr(
        nn.Module, "compile", lambda self, mode=None: (seen.append(self), compiled(self, backend="eager"))
    )

    def trained(**options):
        net = train_build(lambda: nn.Linear(1, 1))
        list(train.fit(net, Points(), squared_error, steps=5, **options))
        return net

    net = trained(compile=True)
    assert seen == [net] and net._compiled_call_impl is None
    assert torch.allclose(weights_of(net), weights_of(trained()))
    running = train.fit(net, Points(), squared_error, steps=5, compile=True)
    next(running)
    assert net._compiled_call_impl is not None
    running.close()
    assert net._compiled_call_impl is None


def test_of_a_denoiser_the_network_is_compiled(monkeypatch):
    seen = []
    monkeypatch.setattr(nn.Module, "compile", lambda self, mode=None: seen.append(self))
    wrapped = nn.Sequential(Denoiser(nn.Linear(1, 1), DiffusionSchedule.linear(10)))
    next(train.fit(wrapped, Points(), lambda m, b, g: m[0].network(b[0]).square().mean(), steps=1, compile=True))
    assert seen == [wrapped[0].network]


def test_the_losses_of_an_accelerator_are_read_where_the_log_has_an_entry():
    log = train.Log(stride=3)
    for step in (1, 2, 3, 4):
        log.add(step, torch.tensor(float(step)) if step % 2 == 0 else float(step))  # some were looked at
    assert log.losses == [[3, 2.0]] and isinstance(log.recent[0], torch.Tensor)
    assert log.read() == [4.0] and log.recent == [4.0]
    progress = train.Progress(1, 2, 0.1, nn.Linear(1, 1), torch.tensor(0.25), torch.tensor(2.0))
    assert (progress.loss, progress.grad_norm) == (0.25, 2.0) and isinstance(progress.loss, float)
