"""Training: one loop for every model of the course, which stops and resumes anywhere without changing the result.

All randomness is counter-based. The data of a step follow from (seed, step), its noise and timesteps from (seed, step, rank): there is no
random state to save, so a resumed run repeats the steps that an unbroken one would have made, bit for bit.
"""

import contextlib
import math
import operator
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from diffcourse.batches import as_data, to_device
from diffcourse.checkpoints import (
    Log,
    compare,
    identity,
    infinite_by_design,
    read_checkpoint,
    restore,
    unsound,
    write_checkpoint,
)
from diffcourse.checks import one_of
from diffcourse.denoiser import Denoiser
from diffcourse.files import check_writable, user_path
from diffcourse.rng import counter_seed

if TYPE_CHECKING:
    from accelerate import Accelerator


PRECISIONS = ("float32", "bf16")
LOOK = 50  # steps between two looks at the loss on an accelerator, each of which waits for it


@dataclass(frozen=True)
class Progress:
    """Where a training stands after `step` of `steps` optimiser steps. `ema` is the averaged module: the one to sample from.

    `loss` and `grad_norm` are read when they are asked for: on an accelerator, who asks waits for the step to end.
    """

    step: int
    steps: int
    lr: float
    ema: nn.Module
    _loss: Tensor | float
    _grad_norm: Tensor | float

    @property
    def loss(self) -> float:
        return float(self._loss)

    @property
    def grad_norm(self) -> float:
        return float(self._grad_norm)


def fit(
    module: nn.Module,
    data: Any,
    loss: Callable[[Any, Any, torch.Generator], Tensor],
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.99),
    warmup: int | None = None,
    ema: float = 0.999,
    clip: float = 1.0,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    every: int = 200,
    precision: str = "float32",
    compile: bool = False,
) -> "Training":
    """Train `module` in place, one `Progress` after each step: `for p in tqdm(fit(...), total=steps): ...`; stop whenever you like.

    data: a `Data` such as `data.mnist()`; a tensor, or a tuple or dict of tensors of one length; a map-style Dataset; a DataLoader.
    loss(module, batch, generator) -> scalar. Adam, whose two averages decay by `betas` (a GAN wants the first lower); the learning rate
    rises linearly over `warmup` steps (default: a twentieth of all, at most 1000) and falls to zero along a cosine; gradients are clipped
    to norm `clip`; `p.ema` is the exponential moving average with decay min(ema, (1 + n)/(10 + n)), so early averages forget the random
    start. FloatingPointError before a step whose loss or gradient is not finite, and before weights that are not would be stored.

    With `checkpoint`, model, average, optimiser and position are written every `every` steps, at the end, and where the training is
    stopped: Ctrl-C, or a notebook's stop button, lets the step end first (a second one does not wait), and whatever leaves
    `with fit(...) as training:` does the same. A file that is already there is resumed from, and its own Progress comes first. The file
    is replaced as a whole or not at all. It is refused for another model, loss or data, as far as these can be told apart (class,
    configuration, code, first batch), and for other settings, but for two: a training may go on with a lower lr, and with more steps,
    also when it had ended; then the learning rate follows the curve of the longer training from there on: up at once, and down to zero
    again (a warm restart).
    Of a DataLoader, batches come in its own order and size; a resumed training goes through those of its epoch again to find its place.
    That is exact if whatever is random draws from the global generators of torch, numpy or random, as shuffle=True does, and for a
    loader whose length is not known it begins anew.

    precision "bf16" computes the loss under autocast in bfloat16; weights, average and optimiser stay float32. compile=True compiles the
    network of the `Denoiser` in module, or module itself, with torch.compile, and ends doing so after the training. Both are made for
    GPUs: there a `Data` with a method `to(device)` is moved to once, `loss` gets a generator of the device, and nothing waits for the
    end of a step but a look at its loss, every 50 steps, which is also when one that is not finite is found.

    Runs on one CPU or GPU, and on many under `accelerate launch` or `torchrun`; `batch_size` is the batch of each process, `p.loss` the
    mean over all, and the first process writes the checkpoint. Two processes resume to the same bits as well; of more, sums may round
    otherwise. An `Accelerator` of your own, made before, sets the precision here too; what it accumulates is left alone.
    """
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module, got {type(module).__name__}; the order is (module, data, loss)"
        )
    if not callable(loss):
        raise TypeError(f"loss must be a function (module, batch, generator) -> scalar, got {type(loss).__name__}")
    steps, every = _whole("steps", steps, 1), _whole("every", every, 1)
    source, batch_size = as_data(data, _whole("batch_size", batch_size, 1))
    settings = {
        "steps": steps,
        "batch_size": batch_size,
        "lr": _number("lr", lr, lambda v: 0 < v < 1e30, "positive and below 1e30"),
        "betas": _betas(betas),
        "warmup": min(1000, steps // 20) if warmup is None else _whole("warmup", warmup, 0),
        "ema": _number("ema", ema, lambda v: 0 <= v < 1, "in [0, 1)"),
        "clip": _number("clip", clip, lambda v: 0 < v < math.inf, "positive"),
        "seed": _whole("seed", seed, None),
        "precision": {"float32": "no"}.get(one_of("precision", precision, PRECISIONS), precision),
    }
    path = None if checkpoint is None else user_path(checkpoint)
    if path and path.is_dir():
        raise ValueError(f"checkpoint must be a file, {str(path)!r} is a folder")
    log = Log(stride=max(1, steps // 200))
    return Training(_fit(module, source, loss, path, every, settings, log, compile), log, steps)


def run(module: nn.Module, data: Any, loss: Callable[..., Tensor], *, bar: bool = True, **settings: Any) -> nn.Module:
    """`fit` from its beginning to its end, with a bar; returns the averaged module in eval mode: the one to sample from.

    settings: those of `fit`, `steps=` at least.
    """
    with fit(module, data, loss, **settings) as training:
        (last,) = deque(followed(training) if bar else training, maxlen=1)
    return last.ema.eval()


def followed(run: Iterator[Progress], batch_size: int = 0) -> Iterator[Progress]:
    """The same progress with a bar, which tells the loss twice a second, and with batch_size the speed; of several processes one shows it.

    A resumed training's bar starts where the training stands, and its forecast is that of the mean speed since then. It ends with the last
    step, also where `run` goes on to measure what was trained.
    """
    from tqdm.auto import tqdm

    batch_size *= int(os.environ.get("WORLD_SIZE", "1"))
    first, seen = None, 0.0
    with tqdm(unit="step", smoothing=0, disable=os.environ.get("RANK", "0") != "0") as bar:
        for progress in run:
            now = time.monotonic()
            if first is None:  # a resumed training starts at the step of its checkpoint, which is no part of its speed
                first, began = progress.step, now
                bar.reset(progress.steps)
                bar.initial = bar.n = bar.last_print_n = progress.step
            if now - seen > 0.5 or progress.step == progress.steps:
                seen, told = now, f"loss {progress.loss:.4f}, lr {progress.lr:.1e}"
                if batch_size and now > began:
                    told += f", {(progress.step - first) * batch_size / (now - began):.0f} images/s"
                bar.set_postfix_str(told, refresh=False)
            bar.update(progress.step - bar.n)
            if progress.step == progress.steps:
                bar.close()
            yield progress


class Closed(BaseException):
    """What `Training.close` throws into a training, which then writes its checkpoint and ends."""


class Training(Generator[Progress, None, None]):
    """What `fit` returns: a generator of `Progress`, with its `log`. It trains while it is iterated, and says so if nobody does.

    `close` ends it where it stands, and writes that to its checkpoint; so does the end of `with fit(...) as training:`, also by an error.
    """

    def __init__(self, run: Generator[Progress, None, None], log: Log, steps: int):
        self.log, self.steps = log, steps
        self._run, self._at = run, -1

    def send(self, value: Any) -> Progress:
        self._at = max(self._at, 0)
        progress = self._run.send(value)
        self._at = progress.step
        return progress

    def throw(self, *error: Any) -> Progress:
        self._at = max(self._at, 0)
        return self._run.throw(*error)

    def close(self) -> None:
        with contextlib.suppress(Closed, StopIteration):
            self._run.throw(Closed)

    def __enter__(self) -> "Training":
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        if self._at < 0:
            return f"<a training of {self.steps} steps that has not begun: iterate it, or use train.run(...)>"
        return f"<a training, step {self._at} of {self.steps}>"

    def __del__(self) -> None:
        if getattr(self, "_at", 0) < 0:
            warnings.warn(
                "nothing was trained: fit(...) trains while it is iterated (for p in fit(...): ...); train.run(...) does it in one call",
                stacklevel=2,
            )


def engine() -> "Accelerator":
    """accelerate's view of this training: one CPU or GPU, or all the processes that a launcher started.

    Processes that find no GPU work together on their CPUs; left to itself, accelerate would let each of them train alone.
    """
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    gpu = torch.accelerator.is_available() and not torch.backends.mps.is_available()  # MPS has no distributed training
    theirs = AcceleratorState._shared_state != {}  # accelerate has one state for all, which the reader may have made
    with _every_step_counts():
        return Accelerator(cpu=launched and not gpu and not theirs)


@contextlib.contextmanager
def _every_step_counts() -> Iterator[None]:
    """Gradients are not accumulated here, whatever the reader's own Accelerator does, which afterwards does as before."""
    from accelerate.state import GradientState

    state = GradientState()
    kept = state.plugin_kwargs, state.sync_gradients
    state.plugin_kwargs, state.sync_gradients = {}, True
    try:
        yield
    finally:
        state.plugin_kwargs, state.sync_gradients = kept


def _fit(module, source, loss, checkpoint, every, settings, log, compile) -> Generator[Progress, None, None]:
    accelerator = engine()
    device, rank, world = accelerator.device, accelerator.process_index, accelerator.num_processes
    settings, theirs = settings | {"world": world}, accelerator.mixed_precision
    steps, seed = settings["steps"], settings["seed"]
    half: contextlib.AbstractContextManager = contextlib.nullcontext()
    if theirs == "no" and settings["precision"] == "bf16":
        half = torch.autocast(device.type, torch.bfloat16)
    if theirs not in ("no", settings["precision"]):
        warnings.warn(f"fit trains in {theirs}: your Accelerator, or ACCELERATE_MIXED_PRECISION, says so", stacklevel=3)
        settings["precision"] = theirs
    odd = infinite_by_design(module)
    who = identity(module, source, loss, settings) if checkpoint else {}

    module.to(device)
    if device.type != "cpu" and callable(getattr(source, "to", None)):
        source = source.to(device)
    average = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=_ema_update(settings["ema"]))
    fused = True if device.type == "cuda" else None
    optimizer = torch.optim.Adam(module.parameters(), lr=settings["lr"], betas=settings["betas"], fused=fused)
    step = kept = 0  # steps made, and of those the ones in the checkpoint
    if checkpoint and (saved := read_checkpoint(checkpoint)):
        compare(checkpoint, saved, settings, who)
        restore(checkpoint, saved, module, average, optimizer, log)
        step = kept = saved["step"]
        yield Progress(step, steps, saved["lr"], average.module, saved["loss"], saved["grad_norm"])
    if checkpoint and step < steps:
        check_writable(checkpoint)
    run, optimizer = accelerator.prepare(_Loss(module, loss), optimizer)
    began = time.monotonic() - log.seconds

    def keep(progress: Progress) -> None:
        """Write the checkpoint of a step that has ended, unless what it holds is not finite."""
        nonlocal kept
        parts = {"module": module, "ema": average, "optimizer": optimizer}
        state = {name: part.state_dict() for name, part in parts.items()}
        if bad := unsound(state, odd):
            raise _stop(f"{bad[0]} became infinite or nan", progress.step - 1, settings, checkpoint, kept)
        if checkpoint and accelerator.is_main_process:
            log.seconds = time.monotonic() - began
            log.read()
            told = {name: getattr(progress, name) for name in ("step", "steps", "loss", "lr", "grad_norm")}
            told |= {"settings": settings, "who": who, "log": asdict(log)}
            write_checkpoint(checkpoint, state | told)
        kept = progress.step if checkpoint else 0

    with _compiled(module, device) if compile else contextlib.nullcontext():
        while step < steps:
            with _patient(checkpoint is not None and world == 1) as heard:
                module.train()
                batch = to_device(source.batch(step, settings["batch_size"], seed=seed, rank=rank, world=world), device)
                lr = settings["lr"] * learning_rate(step, steps, settings["warmup"])
                for group in optimizer.param_groups:
                    group["lr"] = lr
                if compile:  # before the forward pass, which may reuse the memory of the gradients
                    optimizer.zero_grad()
                with _every_step_counts():
                    with _seeded(counter_seed(seed, "step", step, rank), device) as generator, half:
                        value = run(batch, generator)
                    if not compile:
                        optimizer.zero_grad()
                    accelerator.backward(value)
                    norm = accelerator.clip_grad_norm_(module.parameters(), settings["clip"])
                    value = accelerator.reduce(value.detach(), "mean")
                    if device.type == "cpu" or step % LOOK == 0:
                        value, norm = value.item(), float(norm)
                        if wrong := _not_finite(value, norm, accelerator.scaler):
                            raise _stop(wrong, step, settings, checkpoint, kept)
                    optimizer.step()
                average.update_parameters(module)
                step += 1
                log.add(step, value)
                progress = Progress(step, steps, lr, average.module, value, norm)
                if step % every == 0 or step == steps:
                    keep(progress)
                    accelerator.wait_for_everyone()
            if heard:
                if kept < step:
                    keep(progress)
                raise KeyboardInterrupt
            try:
                yield progress
            except Closed:
                if checkpoint and kept < step:
                    keep(progress)
                return
    log.seconds = max(log.seconds, time.monotonic() - began)


@contextlib.contextmanager
def _patient(wanted: bool) -> Iterator[list[int]]:
    """Inside, Ctrl-C or a notebook's stop button is only noted in the list that is given; a second one does what the first would have done.

    Only where the main thread trains, which alone may say what a signal does.
    """
    heard: list[int] = []
    if not wanted or threading.current_thread() is not threading.main_thread():
        yield heard
        return
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # it is ignored, or somebody else's
        yield heard
        return

    def note(number: int, frame: Any) -> None:
        if heard:
            signal.signal(signal.SIGINT, before)
            before(number, frame)
        heard.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield heard
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _compiled(module: nn.Module, device: torch.device) -> Iterator[None]:
    """torch.compile for the network inside, on a GPU with its kernels recorded as a CUDA graph; undone after."""
    denoisers = (part.network for part in module.modules() if isinstance(part, Denoiser))
    inside: Any = next((network for network in denoisers if isinstance(network, nn.Module)), module)
    inside.compile(mode="reduce-overhead" if device.type == "cuda" else None)
    try:
        yield
    finally:
        inside._compiled_call_impl = None


class _Loss(nn.Module):
    """The loss as a forward pass: what a distributed wrapper needs in order to see it."""

    def __init__(self, module: nn.Module, loss: Callable):
        super().__init__()
        self.module, self.loss = module, loss

    def forward(self, batch: Any, generator: torch.Generator) -> Tensor:
        value = self.loss(self.module, batch, generator)
        if not isinstance(value, Tensor) or value.numel() != 1:
            got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise TypeError(f"loss must return a scalar tensor, got {got}")
        if not value.requires_grad:
            raise ValueError("loss must depend on the parameters of module, but no gradient leads back to any of them")
        return value


def _not_finite(loss: float, norm: float, scaler: Any) -> str:
    """What of a step is not finite, in words. A scaler of float16 leaves out a step whose gradient is not."""
    if not math.isfinite(loss):
        return f"the loss is {loss}"
    if not math.isfinite(norm) and scaler is None:
        return f"the loss is {loss:g}, but the norm of the gradient is {norm}"
    return ""


def _stop(what: str, step: int, settings: dict, checkpoint: Path | None, kept: int) -> FloatingPointError:
    cure = f"lower lr ({settings['lr']}) or look at the data and the loss"
    if kept:
        cure += f"; checkpoint {str(checkpoint)!r} keeps step {kept}, and goes on from there with the lower lr"
    return FloatingPointError(f"{what} at step {step}: {cure}")


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """The factor on the learning rate: (step + 1)/(warmup + 1) while warming up, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def _ema_update(decay: float) -> Callable:
    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], n: Tensor | int) -> None:
        d = min(decay, (1 + int(n)) / (10 + int(n)))
        torch._foreach_lerp_(averages, current, 1 - d)

    return update


@contextlib.contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[torch.Generator]:
    """A generator for the step; layers that draw from torch's global generator (dropout) see the same seed, and it is restored after."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield torch.Generator(device).manual_seed(seed)


# -- settings ---------------------------------------------------------------------------------------------------------


def _whole(name: str, value: Any, low: int | None) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or (low is not None and number < low):
        raise ValueError(f"{name} must be a whole number{'' if low is None else f' of at least {low}'}, got {value!r}")
    return number


def _number(name: str, value: Any, fits: Callable[[float], bool], allowed: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, (str, bytes)) or not fits(number):
        raise ValueError(f"{name} must be a number, {allowed}, got {value!r}")
    return number


def _betas(value: Any) -> list[float]:
    """A list, as a checkpoint and a card hold it."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"betas must be two numbers, such as (0.9, 0.99), got {value!r}")
    return [_number(f"betas[{i}]", beta, lambda v: 0 <= v < 1, "in [0, 1)") for i, beta in enumerate(value)]
