"""Checkpoints that are damaged, evil, or of another training; trainings that go wrong; weights that are finished."""

import functools
import math
import pickle
import random
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from campaign import case, check_sentence, holds, refused
from diffcourse import Denoiser, DiffusionSchedule, data, recipes, train, weights
from diffcourse.models import VAE, DigitClassifier

Loader = torch.utils.data.DataLoader
STEPS, POINTS = 12, data.toy("two_moons", 64)


def squared_error(module: nn.Module, batch: Tensor, generator: torch.Generator) -> Tensor:
    return (module(batch) - batch).square().mean()


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    return recipes.seeded_build(build, 0)


def small() -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 2)))


def trained(
    path: Path | None, model: nn.Module | None = None, points: Any = POINTS, loss=squared_error, stop=None, **settings
):
    """The last Progress and the weights of a training, which `stop` ends early."""
    model = model or small()
    for progress in train.fit(
        model, points, loss, **{"steps": STEPS, "batch_size": 8, "every": 3, "checkpoint": path} | settings
    ):
        if progress.step == stop:
            break
    return progress, torch.cat([p.detach().flatten() for p in model.parameters()])


@functools.cache
def good() -> tuple[bytes, Tensor]:
    """A checkpoint after 6 of 12 steps, and the weights that an unbroken training ends with."""
    with tempfile.TemporaryDirectory() as folder:
        trained(Path(folder) / "run", stop=6)
        return (Path(folder) / "run").read_bytes(), trained(None)[1]


# -- damaged ----------------------------------------------------------------------------------------------------------


class Evil:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


def changed(change: Callable[[dict], Any]) -> Callable[[Path], None]:
    """The good checkpoint, after `change` of its content."""

    def damage(path: Path) -> None:
        path.write_bytes(good()[0])
        state = torch.load(path, weights_only=True)
        result = change(state)
        torch.save(state if result is None else result, path)

    return damage


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("archive/data.pkl", b"no pickle")


def flipped(path: Path) -> None:
    """Every hundredth byte another one."""
    content = bytearray(good()[0])
    for i in range(0, len(content), 100):
        content[i] ^= 0xFF
    path.write_bytes(content)


def one_flipped(path: Path) -> None:
    """One byte, in the middle of a tensor."""
    content = bytearray(good()[0])
    weight = torch.load(path, weights_only=True)["module"]["0.weight"].numpy().tobytes()
    content[content.index(weight) + 3] ^= 0x01
    path.write_bytes(content)


def nan(state: dict, *names: str) -> None:
    for name in names[:-1]:
        state = state[name]
    state[names[-1]].view(-1)[0] = math.nan


DAMAGED: dict[str, Callable[[Path], Any]] = {
    "cut in half": lambda path: path.write_bytes(good()[0][: len(good()[0]) // 2]),
    "without its last byte": lambda path: path.write_bytes(good()[0][:-1]),
    "of 0 bytes": lambda path: path.write_bytes(b""),
    "of random bytes": lambda path: path.write_bytes(random.Random(0).randbytes(5000)),
    "of text": lambda path: path.write_text("a checkpoint", encoding="utf-8"),
    "with every hundredth byte changed": flipped,
    "with one bit changed in a weight": one_flipped,
    "that is a ZIP of something else": zipped,
    "that is a pickle": lambda path: path.write_bytes(pickle.dumps({"step": 3})),
    "that is an evil pickle": lambda path: path.write_bytes(pickle.dumps(Evil())),
    "that holds an evil pickle": changed(lambda state: state | {"log": Evil()}),
    "that is a whole module": lambda path: torch.save(small(), path),
    "that is a tensor": lambda path: torch.save(torch.zeros(3), path),
    "that is a list": lambda path: torch.save([1, 2], path),
    "that is a state dict": lambda path: torch.save(small().state_dict(), path),
    "whose step is a text": changed(lambda state: state.update(step="six")),
    "whose step is 0": changed(lambda state: state.update(step=0)),
    "whose step is negative": changed(lambda state: state.update(step=-3)),
    "whose step lies behind the end": changed(lambda state: state.update(step=100)),
    "whose loss is a text": changed(lambda state: state.update(loss="low")),
    "whose settings are a list": changed(lambda state: state.update(settings=[1])),
    "whose settings are empty": changed(lambda state: state.update(settings={})),
    "whose lr is a text": changed(lambda state: state["settings"].update(lr="fast")),
    "whose log is a text": changed(lambda state: state.update(log="a log")),
    "whose log has other names": changed(lambda state: state.update(log={"lines": []})),
    "whose losses are texts": changed(lambda state: state["log"].update(losses=[["a", "b"]])),
    "whose losses are a number": changed(lambda state: state["log"].update(losses=3)),
    "whose seconds are a text": changed(lambda state: state["log"].update(seconds="long")),
    "that is of nobody": changed(lambda state: state.update(who=7)),
    "that is of numbers": changed(lambda state: state["who"].update(module=[1, 2])),
    "whose numbers are texts": changed(lambda state: state["who"]["numbers"].update({"first batch of the data": ["a"]})),
    "without a tensor": changed(lambda state: state["module"].__delitem__("0.weight")),
    "with a tensor too many": changed(lambda state: state["module"].update(more=torch.zeros(2))),
    "with a tensor of another shape": changed(lambda state: state["module"].update({"0.weight": torch.zeros(3, 3)})),
    "with a text for a tensor": changed(lambda state: state["module"].update({"0.weight": "weights"})),
    "with an average of another shape": changed(lambda state: state["ema"].update({"module.0.bias": torch.zeros(1)})),
    "with an optimiser of text": changed(lambda state: state.update(optimizer={"state": "s", "param_groups": "g"})),
    "with an empty optimiser": changed(lambda state: state.update(optimizer={})),
    "with moments of another shape": changed(lambda state: state["optimizer"]["state"][0].update(exp_avg=torch.zeros(7))),
    "without a moment": changed(lambda state: state["optimizer"]["state"][0].__delitem__("exp_avg_sq")),
    "with nan in the weights": changed(lambda state: nan(state, "module", "0.weight")),
    "with nan in the average": changed(lambda state: nan(state, "ema", "module.0.weight")),
    "with nan in the optimiser": changed(lambda state: nan(state["optimizer"]["state"], 1, "exp_avg")),
}  # fmt: skip
for key in ("module", "ema", "optimizer", "settings", "step", "steps", "loss", "lr", "grad_norm"):
    DAMAGED[f"without its {key}"] = changed(lambda state, key=key: {k: v for k, v in state.items() if k != key})


def damaged(name: str, damage: Callable[[Path], Any]) -> None:
    @case(f"a checkpoint {name}")
    def _(folder: Path) -> None:
        path = folder / "my run.checkpoint"
        path.write_bytes(good()[0])
        damage(path)
        before, model = path.read_bytes(), small()
        weight = model[0].weight.detach().clone()
        refused(lambda: trained(path, model), "my run.checkpoint", "delete it", error=ValueError)
        holds(path.read_bytes() == before, "the file was touched")
        holds(torch.equal(weight, model[0].weight), "the module was touched")
        holds(not (folder / "executed").exists(), "a pickle was executed")


for name, damage in DAMAGED.items():
    damaged(name, damage)


@case("a checkpoint that is a folder")
def _(folder: Path) -> None:
    (folder / "run").mkdir()
    refused(lambda: trained(folder / "run"), "checkpoint", "folder")


@case("a checkpoint under a file")
def _(folder: Path) -> None:
    (folder / "file").write_text("", encoding="utf-8")
    refused(lambda: trained(folder / "file" / "run"), "cannot write", "run", error=OSError)


@case("a checkpoint called nothing, a number, a long name, ~ and a link")
def _(folder: Path) -> None:
    refused(lambda: trained(""), "path must name")
    refused(lambda: trained(3), "path", "int")
    name = "ä" * 120
    trained(folder / name, stop=6)
    (folder / "link").symlink_to(folder / name)
    holds(trained(folder / "link")[0].step == STEPS and (folder / "link").is_symlink(), "a link did not stay one")
    holds(torch.load(folder / name, weights_only=True)["step"] == STEPS, "what a link points to was not written")


@case("fragments of a writer who was killed go at the next write, and nothing else does")
def _(folder: Path) -> None:
    mine = [folder / name for name in (".run.part", ".ran.1.part", "run.1.part", ".run.1.part.txt")]
    for path in [*mine, folder / ".run.12345.part", folder / ".run.0a1b2c3d.part"]:
        path.write_bytes(b"half")
    trained(folder / "run")
    holds(
        {p.name for p in folder.iterdir()} == {"run", *(p.name for p in mine)},
        f"left: {sorted(p.name for p in folder.iterdir())}",
    )


# -- another training -------------------------------------------------------------------------------------------------


def denoiser(predicts="eps", schedule=None, null: Any = 10, channels=8) -> Denoiser:
    schedule = schedule or DiffusionSchedule.linear()
    return seeded(lambda: Denoiser(Tiny(), schedule, predicts, null))


class Tiny(nn.Module):
    """A network for two-dimensional points."""

    def __init__(self, dropout: float = 0.0, activation: type = nn.SiLU):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), activation(), nn.Dropout(dropout), nn.Linear(8, 2))

    def forward(self, x: Tensor, t: Tensor, cond: Any = None) -> Tensor:
        return self.layers(torch.cat([x, t[:, None] / 1000], dim=1))


class Pair(nn.Module):
    """Own module with a denoiser inside, and called through it."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def loss(self, *given: Any, **options: Any) -> Tensor:
        return self.inner.loss(*given, **options)


def points_loss(module: Any, batch: Tensor, generator: torch.Generator) -> Tensor:
    return module.loss(batch, generator=generator)


def other_loss(module: Any, batch: Tensor, generator: torch.Generator) -> Tensor:
    return 2 * module.loss(batch, generator=generator)


def weighted(weight: float) -> Callable[..., Tensor]:
    return lambda module, batch, generator: weight * module.loss(batch, generator=generator)


class Own:
    """Data of one's own."""

    def __init__(self, shift: float = 0.0):
        self.shift = shift

    def batch(self, step, batch_size, *, seed, rank=0, world=1):
        generator = torch.Generator().manual_seed(step * world + rank)
        return torch.randn(batch_size, 2, generator=generator) + self.shift


S = DiffusionSchedule
MOONS = dict(model=denoiser, points=POINTS, loss=points_loss)
OTHER: dict[str, tuple[dict, dict, str]] = {  # name: first training, second, what the sentence says
    "predicts": (MOONS, {"model": lambda: denoiser("v")}, "predicts"),
    "schedule": (MOONS, {"model": lambda: denoiser(schedule=S.cosine())}, "schedule"),
    "length of the schedule": (MOONS, {"model": lambda: denoiser(schedule=S.linear(200))}, "schedule"),
    "betas without a name": (
        {**MOONS, "model": lambda: denoiser(schedule=S([0.1, 0.2, 0.3, 0.4]))},
        {"model": lambda: denoiser(schedule=S([0.4, 0.2, 0.3, 0.1]))},
        "schedule",
    ),
    "null label": (MOONS, {"model": lambda: denoiser(null=9)}, "null"),
    "no null label": (MOONS, {"model": lambda: denoiser(null=None)}, "null"),
    "null text": (
        {**MOONS, "model": lambda: denoiser(null=torch.zeros(2, 3))},
        {"model": lambda: denoiser(null=torch.ones(2, 3))},
        "null",
    ),
    "predicts, inside another module": (
        {**MOONS, "model": lambda: Pair(denoiser())},
        {"model": lambda: Pair(denoiser("v"))},
        "predicts",
    ),
    "dropout": (MOONS, {"model": lambda: Denoiser(Tiny(0.5), S.linear(), null=10)}, "Dropout"),
    "activation": (MOONS, {"model": lambda: Denoiser(Tiny(0, nn.ReLU), S.linear(), null=10)}, "ReLU"),
    "network": (MOONS, {"model": small, "loss": squared_error}, "Sequential"),
    "likelihood": (
        {"model": lambda: VAE(2, "mlp"), "points": torch.rand(64, 1, 28, 28), "loss": lambda m, b, g: m(b, g)[0].square().mean()},
        {"model": lambda: VAE(2, "mlp", likelihood="gaussian")},
        "likelihood",
    ),
    "data": (MOONS, {"points": data.toy("swiss_roll", 64)}, "first batch"),
    "number of entries": (MOONS, {"points": data.toy("two_moons", 65)}, "65"),
    "data of one's own": ({**MOONS, "points": Own()}, {"points": Own(0.1)}, "first batch"),
    "data behind a loader": (
        {**MOONS, "points": Loader(POINTS, 8, shuffle=True)},
        {"points": Loader(data.toy("swiss_roll", 64), 8, shuffle=True)},
        "first batch",
    ),
    "kind of data": (MOONS, {"points": Own()}, "Own"),
    "loss": (MOONS, {"loss": other_loss}, "other_loss"),
    "weight of a loss": ({**MOONS, "loss": weighted(1.0)}, {"loss": weighted(2.0)}, "weight"),
    "argument of a loss": (
        {**MOONS, "loss": functools.partial(points_loss)},
        {"loss": functools.partial(other_loss)},
        "other_loss",
    ),
    "lambda": (
        {**MOONS, "loss": lambda m, b, g: m.loss(b, generator=g)},
        {"loss": lambda m, b, g: 3 * m.loss(b, generator=g)},
        "lambda",
    ),
    "seed": (MOONS, {"seed": 1}, "seed was 0 and is now 1"),
    "higher lr": (MOONS, {"lr": 0.1}, "lr was 0.001 and is now 0.1"),
    "batch size": (MOONS, {"batch_size": 4}, "batch_size was 8 and is now 4"),
    "average": (MOONS, {"ema": 0.5}, "ema"),
    "clip": (MOONS, {"clip": 2.0}, "clip"),
    "warm-up": (MOONS, {"warmup": 3}, "warmup"),
    "fewer steps": (MOONS, {"steps": 9}, "steps was 12 and is now 9"),
}  # fmt: skip


def another(name: str, first: dict, second: dict, word: str) -> None:
    for when, stop in (("stopped", 6), ("finished", None)):

        @case(f"a checkpoint of a {when} training with another {name}")
        def _(folder: Path, stop=stop) -> None:
            path = folder / "run"
            trained(path, **first | {"model": first["model"]()}, stop=stop)
            before, now = path.read_bytes(), first | second
            refused(lambda: trained(path, **now | {"model": now["model"]()}), "run", word, "another", error=ValueError)
            holds(path.read_bytes() == before, "the file was touched")
            progress, _ = trained(path, **first | {"model": first["model"]()})
            holds(progress.step == STEPS, "the training itself does not go on any more")


for name, (first, second, word) in OTHER.items():
    another(name, first, second, word)


def states(name: str, ours: Callable[[], nn.Module], theirs: Callable[[], nn.Module], word: str) -> None:
    @case(f"load_state_dict of another {name}")
    def _(folder: Path) -> None:
        torch.save(theirs().state_dict(), folder / "state")
        for state in (theirs().state_dict(), torch.load(folder / "state", weights_only=True)):
            refused(
                lambda state=state: ours().load_state_dict(state), word, "network.load_state_dict", error=RuntimeError
            )
        holds(not ours().load_state_dict(ours().state_dict()).missing_keys, "its own state is refused")
        ours().load_state_dict(dict(ours().state_dict()))


states("predicts", denoiser, lambda: denoiser("v"), "'v'")
states("schedule", denoiser, lambda: denoiser(schedule=S.cosine()), "schedule")
states("predicts, averaged", lambda: averaged(denoiser()), lambda: averaged(denoiser("v")), "'v'")
states("predicts, inside", lambda: Pair(denoiser()), lambda: Pair(denoiser("x0")), "'x0'")
states("predicts, in parallel", lambda: nn.DataParallel(denoiser()), lambda: nn.DataParallel(denoiser("v")), "'v'")


def averaged(model: nn.Module) -> nn.Module:
    return torch.optim.swa_utils.AveragedModel(model)


# -- what may go on ---------------------------------------------------------------------------------------------------


@case("the same cell again, stopped and finished: the very same weights")
def _(folder: Path) -> None:
    trained(folder / "run", stop=7)
    for _ in range(2):
        progress, there = trained(folder / "run")
        holds(progress.step == STEPS and torch.equal(there, good()[1]), "other weights")


@case("a longer training goes on from a finished one and from a stopped one")
def _(folder: Path) -> None:
    for name, stop in (("finished", None), ("stopped", 7)):
        trained(folder / name, stop=stop)
        steps = [
            p.step
            for p in train.fit(
                small(), POINTS, squared_error, steps=20, batch_size=8, every=3, checkpoint=folder / name
            )
        ]
        holds(steps == list(range(6 if stop else STEPS, 21)), f"steps {steps}")


@case("after a loss of nan, the lower lr that is advised goes on from the checkpoint that is named")
def _(folder: Path) -> None:
    def explodes(module, batch, generator):
        return squared_error(module, batch, generator) * (math.inf if calls.append(1) or len(calls) == 8 else 1)

    calls: list[int] = []
    error = refused(
        lambda: trained(folder / "run", loss=explodes, lr=0.1),
        "lower lr (0.1)",
        "run",
        "step 6",
        error=FloatingPointError,
    )
    check_sentence(str(error), "lower lr")
    progress, _ = trained(folder / "run", loss=explodes, lr=0.05)
    holds(progress.step == STEPS, "it did not go on")


@case("settings of numpy, and of tensors")
def _(folder: Path) -> None:
    given = dict(
        steps=np.int64(STEPS),
        lr=np.float64(1e-3),
        ema=np.float32(0.5),
        seed=np.int64(0),
        every=np.int32(3),
        clip=torch.tensor(1.0),
    )
    trained(folder / "run", stop=6, **given)
    holds(trained(folder / "run", **given)[0].step == STEPS, "it did not go on")


# -- nothing that is not finite is stored -----------------------------------------------------------------------------


def root_of_zero(module, batch, generator):
    """A loss of 0 whose gradient is 0/0."""
    return (module(batch) - module(batch).detach()).square().sum(dim=1).sqrt().mean()


class Overflow(nn.Module):
    """A buffer becomes infinite, of which no loss knows."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("sum", torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        self.sum *= 1e15
        return self.layer(x)


def not_finite(name: str, words: tuple[str, ...], **training: Any) -> None:
    @case(f"not finite: {name}")
    def _(folder: Path) -> None:
        path, given = folder / "run", {k: v() if k == "model" else v for k, v in training.items()}
        if given.pop("after_good", True):
            path.write_bytes(good()[0])
        before = path.read_bytes() if path.exists() else None
        refused(lambda: trained(path, **given), *words, error=(FloatingPointError, ValueError))
        holds((path.read_bytes() if path.exists() else None) == before, "the checkpoint was touched")


def spoilt() -> nn.Module:
    model = small()
    nn.init.constant_(model[2].weight, math.nan)
    return model


def huge() -> nn.Module:
    model = nn.Linear(2, 2)
    nn.init.constant_(model.weight, -3e38)
    return model


def onwards(module: nn.Linear, batch: Tensor, generator: torch.Generator) -> Tensor:
    module.weight.data.mul_(1e30)
    return (module.bias - module.bias.detach()).mean()


FRESH = {"after_good": False}
not_finite("the gradient, at the first step", ("gradient is nan", "at step 0", "lower lr"), loss=root_of_zero, **FRESH)
not_finite("the gradient, at the only step", ("gradient is nan", "at step 0"), loss=root_of_zero, steps=1, **FRESH)
not_finite(
    "the loss", ("the loss is inf", "at step 0"), loss=lambda m, b, g: squared_error(m, b, g) * math.inf, **FRESH
)
not_finite("the batch", ("the loss is nan", "at step 0"), points=POINTS * math.nan, **FRESH)
not_finite("the weights from the start", ("module", "2.weight"), model=spoilt, **FRESH)
not_finite(
    "the weights at the last step",
    ("weight", "became infinite", "at step 0"),
    model=huge,
    loss=onwards,
    steps=1,
    **FRESH,
)
not_finite("a buffer", ("sum", "became infinite"), model=Overflow, **FRESH)


@case("not finite: a mask of -inf is no fault")
def _(folder: Path) -> None:
    def masked() -> nn.Module:
        model = small()
        model.register_buffer("mask", torch.full((3, 3), -math.inf).triu(1))
        return model

    trained(folder / "run", masked(), stop=6)
    holds(trained(folder / "run", masked())[0].step == STEPS, "it did not go on")


# -- what `fit` is given ----------------------------------------------------------------------------------------------


class OtherBatch:
    def batch(self, n):
        return POINTS[:n]


GIVEN: dict[str, tuple[Any, tuple[str, ...]]] = {  # as data
    "no data": (None, ("data", "NoneType")),
    "a file's name for data": ("data.pt", ("data", "str")),
    "an array for data": (POINTS.numpy(), ("data", "ndarray")),
    "a generator for data": (iter([POINTS]), ("data", "once")),
    "columns of unequal length": ((POINTS, POINTS[:3]), ("data", "(3, 2)")),
    "a list of tensors": ([POINTS, POINTS], ("data", "list")),
    "an empty tuple": ((), ("data", "empty")),
    "an empty tensor": (POINTS[:0], ("data", "empty")),
    "a number for data": (torch.tensor(1.0), ("data", "()")),
    "a class for data": (data.ImageData, ("data", "batch")),
    "a batch of another kind": (OtherBatch(), ("batch", "step")),
    "entries that are no tensors": ([object()], ("data", "list", "object")),
    "a loader and another batch size": (Loader(POINTS, 16), ("batch_size", "16", "8")),
    "an empty loader": (Loader(POINTS[:3], 8, drop_last=True), ("data", "empty")),
}
LOSSES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "no loss": (3, ("loss", "int")),
    "a loss that is no scalar": (lambda m, b, g: m(b), ("loss", "(8, 2)")),
    "a loss that is a number": (lambda m, b, g: 0.5, ("loss", "float")),
    "a loss of nothing": (lambda m, b, g: None, ("loss", "NoneType")),
    "a loss without a gradient": (lambda m, b, g: b.mean(), ("loss", "gradient")),
    "a loss that was detached": (lambda m, b, g: squared_error(m, b, g).detach(), ("loss", "gradient")),
}
CALLS: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "its arguments interchanged": (lambda: train.fit(POINTS, small(), squared_error, steps=1), ("module", "order")),
    **{k: (lambda points=v: trained(None, points=points), words) for k, (v, words) in GIVEN.items()},
    **{k: (lambda loss=v: trained(None, loss=loss), words) for k, (v, words) in LOSSES.items()},
}
for name, wrong in {
    "steps": (0, -1, 2.5, True, "10", None, math.nan),
    "batch_size": (0, 1.0, None),
    "every": (0, 1.5),
    "seed": (0.5, "0", None),
    "warmup": (-1, 0.5),
    "lr": (0, -1, math.nan, math.inf, 1e300, "1e-3", None),
    "clip": (0, -1, math.nan),
    "ema": (1, -0.1, math.nan, "high"),
}.items():
    for value in wrong:
        CALLS[f"{name}={value!r}"] = (
            lambda name=name, value=value: train.fit(small(), POINTS, squared_error, **{"steps": 3} | {name: value}),
            (name, "must"),
        )


def called(name: str, call: Callable[[], Any], words: tuple[str, ...]) -> None:
    @case(f"fit with {name}")
    def _(folder: Path) -> None:
        refused(call, *words)


for name, (call, words) in CALLS.items():
    called(name, call, words)


# -- finished is finished ---------------------------------------------------------------------------------------------


def tiny_recipe(steps: int) -> recipes.Recipe:
    images = torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return recipes.Recipe(
        about="A test.",
        build=functools.partial(DigitClassifier, width=8),
        loss=recipes.classifier_loss,
        steps={"smoke": steps, "laptop": 2 * steps, "gpu": 2 * steps},
        measure=lambda model, profile: {"right": 0.5},
        data=lambda: data.ImageData(images, torch.arange(64) % 10, "toy"),
        options={"batch_size": 4},
    )


def recipe_case(name: str) -> Callable[[Callable[[Path], None]], None]:
    def keep(attempt: Callable[[Path], None]) -> None:
        @case(f"train: {name}")
        def _(folder: Path) -> None:
            recipes.RECIPES["tiny"] = tiny_recipe(4)
            try:
                attempt(folder / "runs")
            finally:
                del recipes.RECIPES["tiny"]

    return keep


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


@recipe_case("resume of what is finished, also in another profile and with another seed")
def _(out: Path) -> None:
    list(recipes.run("tiny", profile="laptop", out=out))
    before = contents(out)
    for options in ({}, {"profile": "smoke"}, {"profile": "laptop"}, {"profile": "laptop", "seed": 3}):
        holds(not list(recipes.run("tiny", out=out, resume=True, **options)), "it trained again")
        holds(contents(out) == before, "the finished weights were overwritten")


@recipe_case("a finished folder again: no advice to resume; a stopped one: that advice")
def _(out: Path) -> None:
    for _ in zip(range(2), recipes.run("tiny", profile="laptop", out=out), strict=False):
        pass
    refused(lambda: recipes.run("tiny", profile="laptop", out=out), "checkpoint", "--resume", error=FileExistsError)
    list(recipes.run("tiny", profile="laptop", out=out, resume=True))
    error = refused(lambda: recipes.run("tiny", profile="laptop", out=out), "finished", "--out", error=FileExistsError)
    holds("--resume" not in str(error), "it advises to resume what is finished")


@recipe_case("resume in another profile, and with another seed")
def _(out: Path) -> None:
    for _ in zip(range(2), recipes.run("tiny", profile="smoke", out=out), strict=False):
        pass
    before = contents(out)
    refused(lambda: recipes.run("tiny", profile="laptop", out=out, resume=True), "steps was 4 and is now 8", "profile")
    refused(lambda: recipes.run("tiny", profile="smoke", out=out, resume=True, seed=3), "seed was 0 and is now 3")
    holds(contents(out) == before, "something was touched")


@recipe_case("a damaged checkpoint, and a log of before")
def _(out: Path) -> None:
    for _ in zip(range(2), recipes.run("tiny", profile="smoke", out=out), strict=False):
        pass
    (out / "tiny.log.json").write_text("{", encoding="utf-8")
    sound = (out / "tiny.checkpoint").read_bytes()
    (out / "tiny.checkpoint").write_bytes(sound[:100])
    refused(lambda: recipes.run("tiny", profile="smoke", out=out, resume=True), "tiny.checkpoint", "damaged")
    (out / "tiny.checkpoint").write_bytes(sound)
    list(recipes.run("tiny", profile="smoke", out=out, resume=True))
    holds(len(weights.verify(out / "tiny")["losses"]) == 4, "the losses on the card are not whole")


@recipe_case("a start that is missing, of another model, or of no training")
def _(out: Path) -> None:
    refused(
        lambda: recipes.run("tiny", profile="smoke", out=out, start=out / "none.safetensors"),
        "none.safetensors",
        error=OSError,
    )
    refused(lambda: recipes.run("tiny", profile="smoke", out=out, start=3), "3", error=(TypeError, ValueError, OSError))
    refused(lambda: list(recipes.run("tiny", profile="smoke", out=out, start="mnist-ddpm")), "start", "mnist-ddpm")
    refused(lambda: recipes.run("mnist-reference", out=out, start="mnist-classifier"), "start", "mnist-reference")
