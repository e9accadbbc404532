"""SIGKILL in steps, in writes, at renames and at any time: a training resumes to the very same bits, and its losses are whole."""

import functools
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from campaign import ROOT, case, holds
from diffcourse import weights

SERVER = """
import json, os, signal, sys, time
sys.path.insert(0, {tools!r})
import torch
torch.set_num_threads(1)
from campaign import checkpoints
from diffcourse import data, recipes, train

recipes.RECIPES["tiny"] = checkpoints.tiny_recipe(20)
list(train.fit(checkpoints.small(), checkpoints.POINTS, checkpoints.squared_error, steps=1))  # imports, once for all

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def work(what, folder, how, when):
    fsync, replace, count = os.fsync, os.replace, [0]
    def counted(name):
        count[0] += how.startswith(name)
        return count[0] == when and how.startswith(name)
    def fsync_or_die(fd):
        if counted("write"):
            os.ftruncate(fd, os.fstat(fd).st_size // 2)  # half of the bytes have reached the disk
            die()
        fsync(fd)
    def replace_or_die(*paths):
        now = counted("rename")
        if now and how == "rename, before":
            die()
        replace(*paths)
        if now:
            die()
    os.fsync, os.replace = fsync_or_die, replace_or_die
    if what == "train":
        steps = recipes.run("tiny", profile="smoke", out=folder, resume=True)
    else:
        module = checkpoints.small()
        options = {{"steps": 40, "batch_size": 8, "every": 6, "checkpoint": folder + "/run"}}
        steps = train.fit(module, checkpoints.POINTS, checkpoints.squared_error, **options)
    for progress in steps:
        if how == "step" and progress.step == when:
            die()
    if what == "fit":
        torch.save({{"ema": progress.ema.state_dict(), "module": module.state_dict()}}, folder + "/weights")

for line in sys.stdin:
    what, folder, how, when = json.loads(line)
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        sys.stdout = sys.stderr  # the pipe is for answers
        try:
            work(what, folder, how, when)
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if how == "any time":
        time.sleep(when)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    print(json.dumps([os.waitstatus_to_exitcode(status), time.monotonic() - began]), flush=True)
"""


@functools.cache
def server() -> subprocess.Popen:
    """One process that imports torch once and forks for each training; it ends with its input."""
    script = SERVER.format(tools=str(ROOT / "tools"))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    return subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, **pipes)


def training(what: str, folder: Path, how: str = "never", when: float = 0) -> tuple[int, float]:
    """A training in a process of its own: its exit status and its seconds."""
    folder.mkdir(exist_ok=True)
    process = server()
    assert process.stdin and process.stdout
    process.stdin.write(json.dumps([what, str(folder), how, when]) + "\n")
    process.stdin.flush()
    status, seconds = json.loads(process.stdout.readline())
    return status, seconds


@functools.cache
def unbroken(what: str) -> tuple[Path, float]:
    """Where an unbroken training wrote, and how long it took."""
    folder = Path(tempfile.mkdtemp())
    status, seconds = training(what, folder)
    holds(status == 0, f"the unbroken training ended with {status}")
    return folder, seconds


def same(what: str, folder: Path, reference: Path) -> None:
    if what == "train":
        holds(
            (folder / "tiny.safetensors").read_bytes() == (reference / "tiny.safetensors").read_bytes(), "other weights"
        )
        ours, theirs = (weights.verify(where / "tiny") for where in (folder, reference))
        holds(ours["losses"] == theirs["losses"] and len(ours["losses"]) == 20, f"losses: {ours['losses']}")
        left = {"tiny.safetensors", "tiny.json"}
    else:
        ours, theirs = (torch.load(where / "weights", weights_only=True) for where in (folder, reference))
        for part in ours:
            holds(all(torch.equal(ours[part][k], theirs[part][k]) for k in theirs[part]), f"other weights: {part}")
        log = [torch.load(where / "run", weights_only=True)["log"] for where in (folder, reference)]
        holds(log[0]["losses"] == log[1]["losses"] and len(log[0]["losses"]) == 40, "other losses")
        left = {"run", "weights"}
    holds({path.name for path in folder.iterdir()} == left, f"left behind: {sorted(p.name for p in folder.iterdir())}")


def killed(what: str, plan: Sequence[tuple[str, float]]) -> None:
    told = ", then ".join(
        f"in {how} {when}" if how != "any time" else f"at {when:.0%} of its time" for how, when in plan
    )

    @case(f"{what}, killed {told}", slow=True)
    def _(folder: Path) -> None:
        reference, seconds = unbroken(what)
        for how, when in plan:
            status, _ = training(what, folder / "out", how, when * seconds if how == "any time" else when)
            holds(status == -9 or (how == "any time" and status == 0), f"it was not killed: {status}")
        status, _ = training(what, folder / "out")
        holds(status == 0, f"resumed, it ended with {status}")
        same(what, folder / "out", reference)


if hasattr(os, "fork"):
    dice = random.Random(20)
    for _ in range(4):
        killed("fit", [("step", dice.randrange(1, 41))])
        killed("fit", [("any time", dice.random()), ("any time", dice.random())])
        killed("train", [("any time", dice.random()), ("any time", dice.random())])
    killed("fit", [("step", 9), ("step", 9), ("step", 31)])
    for when in (1, 3):
        killed("fit", [("write", when)])
        killed("train", [("write", when), ("write", when)])
        for side in ("before", "after"):
            killed("fit", [(f"rename, {side}", when)])
            killed("train", [(f"rename, {side}", when), (f"rename, {side}", 1)])
    for when in (5, 6, 7):  # four checkpoints come before; tensors and card, then tensors again
        killed("train", [("write", when), ("rename, after", 1)])
