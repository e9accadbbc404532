"""Training: one loop for every model of the course, which stops and resumes anywhere without changing the result.

All randomness is counter-based. The data of a step follow from (seed, step), its noise and timesteps from (seed, step, rank): there is no
random state to save, so a resumed run repeats the steps that an unbroken one would have made, bit for bit.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from diffcourse.files import atomic_write
from diffcourse.rng import counter_seed

if TYPE_CHECKING:
    from accelerate import Accelerator


class Progress(NamedTuple):
    """Where a training stands after `step` of `steps` optimiser steps. `ema` is the averaged module: the one to sample from."""

    step: int
    steps: int
    loss: float
    lr: float
    grad_norm: float
    ema: nn.Module


class Data(Protocol):
    """What `fit` asks of data: a batch that is a function of its arguments alone, such as `ImageData.batch`."""

    def batch(self, step: int, batch_size: int, *, seed: int, rank: int = 0, world: int = 1) -> Any: ...


def fit(
    module: nn.Module,
    data: Data,
    loss: Callable[[nn.Module, Any, torch.Generator], Tensor],
    *,
    steps: int,
    batch_size: int = 64,
    lr: float = 1e-3,
    warmup: int | None = None,
    ema: float = 0.999,
    clip: float = 1.0,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    every: int = 200,
) -> Iterator[Progress]:
    """Train `module` in place, one `Progress` after each step: `for p in tqdm(fit(...), total=steps): ...`; stop whenever you like.

    loss(module, batch, generator) -> scalar. Adam; the learning rate rises linearly over `warmup` steps (default: a twentieth of all, at
    most 1000) and falls to zero along a cosine; gradients are clipped to norm `clip`; `p.ema` is the exponential moving average with decay
    min(ema, (1 + n)/(10 + n)), so early averages forget the random start.

    With `checkpoint`, model, average, optimiser and position are written every `every` steps and at the end, before the yield; a file that
    is already there is resumed from, and its own Progress comes first. The file is replaced as a whole or not at all.
    Runs on one CPU or GPU, and on many under `accelerate launch` or `torchrun`; `batch_size` is the batch of each process, `p.loss` the
    mean over all, and the first process writes the checkpoint. Two processes resume to the same bits as well; of more, sums may round
    otherwise.
    """
    _check(module, loss, steps=steps, batch_size=batch_size, every=every, lr=lr, ema=ema, clip=clip)
    warmup = min(1000, steps // 20) if warmup is None else warmup
    settings = {
        "steps": steps,
        "batch_size": batch_size,
        "lr": lr,
        "warmup": warmup,
        "ema": ema,
        "clip": clip,
        "seed": seed,
    }
    return _fit(module, data, loss, checkpoint and Path(checkpoint), every, settings)


def engine() -> "Accelerator":
    """accelerate's view of this training: one CPU or GPU, or all the processes that a launcher started.

    Processes that find no GPU work together on their CPUs; left to itself, accelerate would let each of them train alone.
    """
    from accelerate import Accelerator

    launched = int(os.environ.get("WORLD_SIZE", "1")) > 1
    gpu = torch.accelerator.is_available() and not torch.backends.mps.is_available()  # MPS has no distributed training
    return Accelerator(cpu=launched and not gpu)


def _fit(module, data, loss, checkpoint, every, settings) -> Iterator[Progress]:
    accelerator = engine()
    rank, world = accelerator.process_index, accelerator.num_processes
    settings = settings | {"world": world}
    steps, seed = settings["steps"], settings["seed"]

    module.to(accelerator.device)
    average = torch.optim.swa_utils.AveragedModel(module, multi_avg_fn=_ema_update(settings["ema"]))
    optimizer = torch.optim.Adam(module.parameters(), lr=settings["lr"], betas=(0.9, 0.99))
    step = 0
    if checkpoint and (saved := read_checkpoint(checkpoint, settings)):
        module.load_state_dict(saved["module"])
        average.load_state_dict(saved["ema"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
        yield Progress(step, steps, saved["loss"], saved["lr"], saved["grad_norm"], average.module)
    run, optimizer = accelerator.prepare(_Loss(module, loss), optimizer)

    while step < steps:
        module.train()
        batch = _to(data.batch(step, settings["batch_size"], seed=seed, rank=rank, world=world), accelerator.device)
        lr = settings["lr"] * learning_rate(step, steps, settings["warmup"])
        for group in optimizer.param_groups:
            group["lr"] = lr
        with _seeded(counter_seed(seed, "step", step, rank)) as generator:
            value = run(batch, generator)
        optimizer.zero_grad()
        accelerator.backward(value)
        grad_norm = accelerator.clip_grad_norm_(module.parameters(), settings["clip"])
        if not math.isfinite(value.item()):
            raise FloatingPointError(
                f"the loss is {value.item()} at step {step}: lower lr ({settings['lr']}) or look at the data and the loss"
            )
        optimizer.step()
        average.update_parameters(module)
        step += 1
        progress = Progress(
            step, steps, accelerator.reduce(value.detach(), "mean").item(), lr, float(grad_norm), average.module
        )
        if checkpoint and (step % every == 0 or step == steps):
            if accelerator.is_main_process:
                state = {
                    "module": module.state_dict(),
                    "ema": average.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "step": step,
                    "steps": steps,
                    "loss": progress.loss,
                    "lr": lr,
                    "grad_norm": progress.grad_norm,
                    "settings": settings,
                }
                write_checkpoint(checkpoint, state)
            accelerator.wait_for_everyone()
        yield progress


class _Loss(nn.Module):
    """The loss as a forward pass: what a distributed wrapper needs in order to see it."""

    def __init__(self, module: nn.Module, loss: Callable):
        super().__init__()
        self.module, self.loss = module, loss

    def forward(self, batch: Any, generator: torch.Generator) -> Tensor:
        return self.loss(self.module, batch, generator)


def learning_rate(step: int, steps: int, warmup: int) -> float:
    """The factor on the learning rate: (step + 1)/(warmup + 1) while warming up, then half a cosine down to 0."""
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - warmup) / max(1, steps - warmup))


def _ema_update(decay: float) -> Callable:
    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], n: Tensor | int) -> None:
        d = min(decay, (1 + int(n)) / (10 + int(n)))
        for average, value in zip(averages, current, strict=True):
            average.lerp_(value, 1 - d)

    return update


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[torch.Generator]:
    """A generator for the step; layers that draw from torch's global generator (dropout) see the same seed, and it is restored after."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield torch.Generator().manual_seed(seed)


def _to(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, tuple):
        parts = [_to(part, device) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    return batch


# -- checkpoints ------------------------------------------------------------------------------------------------------


def write_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Replace `path` by `state` as a whole or not at all: temporary file, fsync, rename."""
    with atomic_write(path) as file:
        torch.save(state, file)


def read_checkpoint(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state under `path`, None if there is no such file; ValueError if it is damaged or from another training."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        there = state["settings"]
    except Exception as error:
        raise ValueError(f"checkpoint {str(path)!r} cannot be read ({error}); delete it to start afresh") from error
    if there != settings:
        other = {k: (there.get(k), v) for k, v in settings.items() if there.get(k) != v}
        told = ", ".join(f"{k} was {a} and is now {b}" for k, (a, b) in other.items())
        raise ValueError(
            f"checkpoint {str(path)!r} belongs to another training: {told}; delete it or choose another file"
        )
    return state


def _check(module: Any, loss: Any, **numbers: float) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module must be a torch.nn.Module, got {type(module).__name__}; the order is (module, data, loss)"
        )
    if not callable(loss):
        raise TypeError(f"loss must be a function (module, batch, generator) -> scalar, got {type(loss).__name__}")
    for name in ("steps", "batch_size", "every"):
        if not isinstance(numbers[name], int) or numbers[name] < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {numbers[name]!r}")
    for name in ("lr", "clip"):
        if not 0 < numbers[name] < math.inf:
            raise ValueError(f"{name} must be positive, got {numbers[name]!r}")
    if not 0 <= numbers["ema"] < 1:
        raise ValueError(f"ema must lie in [0, 1), got {numbers['ema']!r}")
