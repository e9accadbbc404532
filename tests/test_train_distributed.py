"""Training with two processes: they are one training, also when it is killed and resumed, and one of them alone writes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_train import Points, model, noisy_error

from diffcourse import train, weights
from diffcourse.models import DigitClassifier

TESTS = Path(__file__).parent
pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL and gloo")]

SETTINGS = {"steps": 20, "batch_size": 32, "every": 5}

SCRIPT = """
import os, signal, sys
from pathlib import Path
import torch
sys.path.insert(0, {tests!r})
from test_train import Points, model, noisy_error
from test_train_distributed import SETTINGS, Halves, tiny
from diffcourse import cli, recipes, train

phase, folder = sys.argv[1], Path(sys.argv[2])
rank, replace = int(os.environ["RANK"]), os.replace

def told(source, target):  # every file of the project becomes one by this call
    with open(folder / "writes.log", "a") as log:
        log.write(f"{{phase}} {{rank}} {{Path(target).name}}\\n")
    replace(source, target)
os.replace = told

def keep(name, progress, module):
    torch.save({{"ema": progress.ema.state_dict(), "module": module.state_dict(), "loss": progress.loss}}, folder / f"{{name}}.{{rank}}.pt")

if phase == "killed":
    line = model()
    step = next(iter(train.fit(line, Halves(), Halves.error, steps=1, batch_size=16, clip=1e9)))
    torch.save([p.grad for p in line.parameters()] + [torch.tensor(step.loss)], folder / f"gradient.{{rank}}.pt")
    whole = model()
    *_, last = train.fit(whole, Points(), noisy_error, **SETTINGS)
    keep("whole", last, whole)
    for progress in train.fit(model(), Points(), noisy_error, checkpoint=folder / "run.checkpoint", **SETTINGS):
        if progress.step == 8:
            os.kill(os.getpid(), signal.SIGKILL)
else:
    broken = model()
    steps = []
    for progress in train.fit(broken, Points(), noisy_error, checkpoint=folder / "run.checkpoint", **SETTINGS):
        steps.append(progress.step)
    assert steps == list(range(5, 21)), steps
    keep("broken", progress, broken)
    command = ["train", "tiny", "--profile", "smoke", "--out"]
    recipes.RECIPES["tiny"] = tiny(folder, rank)
    assert cli.main([*command, str(folder / "unbroken")]) == 0
    recipes.RECIPES["tiny"] = tiny(folder, rank, stop=12)
    assert cli.main([*command, str(folder / "stopped")]) == 130
    recipes.RECIPES["tiny"] = tiny(folder, rank)
    assert cli.main([*command, str(folder / "stopped"), "--resume"]) == 0
"""


class Halves:
    """Of a joint batch of `world * batch_size`, each process takes its part: what two see together is what one sees alone."""

    def batch(self, step, batch_size, *, seed, rank=0, world=1):
        x = torch.randn(2 * 16, 1, generator=torch.Generator().manual_seed(step))
        return x[rank * batch_size : (rank + 1) * batch_size]

    @staticmethod
    def error(module, batch, generator):
        module.eval()  # dropout would draw for each process by itself
        return (module(batch) - batch.square()).square().mean()


def tiny(folder, rank, stop=None):
    """A recipe of 20 steps that notes who measures, and that Ctrl-C stops at call `stop` of the loss."""
    from diffcourse import data, recipes

    toy = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    calls, last = [], [stop]  # a list: to a checkpoint, a number that a loss was made with is part of it

    def loss(*arguments):
        calls.append(1)
        if len(calls) == last[0]:
            raise KeyboardInterrupt
        return recipes.classifier_loss(*arguments)

    def measure(module, profile):
        with open(folder / "measures.log", "a", encoding="utf-8") as log:
            log.write(f"{rank}\n")
        return {"right": 0.5}

    return recipes.Recipe(
        about="A test.",
        build=lambda: DigitClassifier(width=8),
        loss=loss,
        steps={"smoke": 20, "laptop": 20, "gpu": 20},
        measure=measure,
        data=lambda: data.ImageData(toy, torch.arange(64) % 10, "toy"),
        options={"batch_size": 4, "lr": 1e-3},
    )


def launch(folder, phase):
    """`accelerate launch` with two processes, on CPUs also where there are GPUs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "script.py").write_text(SCRIPT.format(tests=str(TESTS)), encoding="utf-8")
    options = ["--multi_gpu", "--num_processes", "2", "--num_machines", "1", "--main_process_port", str(port)]
    options += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    return subprocess.run(
        [sys.executable, "-m", "accelerate.commands.launch", *options, str(folder / "script.py"), phase, str(folder)],
        env={
            **os.environ,
            "PYTHONPATH": str(TESTS.parent),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "HF_HOME": str(folder / "home"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        cwd=folder,
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Both launches: one is killed at step 8, the other resumes it, and then trains a recipe on the command line."""
    folder = tmp_path_factory.mktemp("two")
    killed = launch(folder, "killed")
    assert killed.returncode != 0 and "SIGKILL" in killed.stderr, killed.stderr
    assert torch.load(folder / "run.checkpoint", weights_only=True)["step"] == 5
    resumed = launch(folder, "resumed")
    assert resumed.returncode == 0, resumed.stderr
    (folder / "out.txt").write_text(resumed.stdout, encoding="utf-8")
    (folder / "err.txt").write_text(resumed.stderr, encoding="utf-8")
    return folder


def read(folder, name):
    return [torch.load(folder / f"{name}.{rank}.pt", weights_only=True) for rank in (0, 1)]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_the_gradient_and_the_loss_are_those_of_the_joint_batch(folder):
    line = model()
    step = next(iter(train.fit(line, Halves(), Halves.error, steps=1, batch_size=32, clip=1e9)))
    alone = [p.grad for p in line.parameters()] + [torch.tensor(step.loss)]
    for together in read(folder, "gradient"):
        assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-7) for a, b in zip(alone, together, strict=True))
    assert max(g.abs().max() for g in alone[:-1]) > 0.01


def test_both_processes_end_with_the_same_weights_and_each_saw_other_data(folder):
    first, second = read(folder, "whole")
    assert same(first["module"], second["module"]) and same(first["ema"], second["ema"])
    assert first["loss"] == second["loss"]
    alone = model()
    *_, last = train.fit(alone, Points(), noisy_error, **SETTINGS)
    assert not same(last.ema.state_dict(), first["ema"])  # two are not one twice


def test_killed_and_resumed_they_reach_the_weights_of_an_unbroken_run(folder):
    for whole, broken in zip(read(folder, "whole"), read(folder, "broken"), strict=True):
        assert same(whole["module"], broken["module"]) and same(whole["ema"], broken["ema"])
        assert whole["loss"] == broken["loss"]


def test_the_first_process_alone_writes_each_file_once(folder):
    writes = [line.split() for line in (folder / "writes.log").read_text(encoding="utf-8").splitlines()]
    assert {rank for _, rank, _ in writes} == {"0"}
    assert [name for phase, _, name in writes if phase == "killed"] == ["run.checkpoint"]
    names = [name for phase, _, name in writes if phase == "resumed"]
    assert names.count("run.checkpoint") == 3  # steps 10, 15 and 20
    assert names.count("tiny.safetensors") == names.count("tiny.json") == 2 * 2  # before and after it is measured
    assert not list(folder.glob("**/*.part")) and not list(folder.glob("**/.tiny.probe"))
    for out in ("unbroken", "stopped"):
        assert sorted(os.listdir(folder / out)) == ["tiny.json", "tiny.safetensors"]


def test_the_command_line_measures_once_speaks_once_and_resumes_exactly(folder):
    assert (folder / "measures.log").read_text(encoding="utf-8").split() == ["0", "0"]
    assert (folder / "out.txt").read_text(encoding="utf-8").count("right: 0.5") == 2
    told = (folder / "err.txt").read_text(encoding="utf-8")
    assert told.count("the same command with --resume, with as many processes") == 1
    assert told.count("Measuring the result") == 2
    a, b = (weights.load(folder / out / "tiny") for out in ("unbroken", "stopped"))
    assert same(a.state_dict(), b.state_dict())
    card = json.loads((folder / "unbroken" / "tiny.json").read_text(encoding="utf-8"))
    assert card["recipe"]["processes"] == 2
    assert card["command"] == "torchrun --nproc_per_node 2 -m diffcourse train tiny --profile smoke --out unbroken"
