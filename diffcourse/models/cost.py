"""What a network costs, known without running it: on the meta device tensors have shapes and no content."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from diffcourse.checks import check_function, told, whole


class Cost(NamedTuple):
    """One part of a network: its name, the shape it returns, how many parameters and multiplications, and whether it has attention."""

    name: str
    shape: tuple[int, ...] | None
    parameters: int
    operations: int
    attention: bool


def operations(network: nn.Module, *inputs: Tensor | Sequence[int]) -> int:
    """Multiply-accumulates of one call `network(*inputs)`: those of convolutions and matrix products, which are nearly all there are.

    inputs: tensors, of which only shape and dtype matter, or shapes of floats, such as (1, 4, 64, 64). All of the batch is counted.
    """
    return _run(network, inputs)[0].get_total_flops() // 2  # a multiplication and an addition are two of its "flops"


def training_operations(loss: Callable[[], Tensor]) -> int:
    """Multiply-accumulates of one step of training: `loss()`, a scalar, and its backward pass, gradients of gradients among them.

    Counted while it runs; the gradients stay in the parameters.
    """
    check_function("loss", loss, "a function without arguments that returns a scalar")
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH), _Counter() as counter:
        loss().backward()
    return counter.flops // 2


class _Counter(TorchDispatchMode):
    """FlopCounterMode without its hooks on modules, which `torch.autograd.grad` inside a loss does not bear."""

    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if count := flop_registry.get(func._overloadpacket):
            self.flops += count(*args, **(kwargs or {}), out_val=out)
        return out


def kept(function: Callable[..., object], *inputs: Tensor) -> int:
    """Bytes that one call `function(*inputs)` keeps for the backward pass, inputs and parameters among them."""
    check_function("function", function, "a function, or a network")
    storages: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        storages[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        out = function(*inputs)  # held until the end: what is freed could be counted twice, or not at all
    del out
    return sum(storages.values())


def blocks(network: nn.Module, *inputs: Tensor | Sequence[int]) -> list[Cost]:
    """The same call part by part: each child of the network, and each entry of a child that is a ModuleList."""
    counter, shapes = _run(network, inputs)
    counts = counter.get_flop_counts()
    return [
        Cost(
            name,
            shapes.get(name),
            sum(p.numel() for p in part.parameters()),
            sum(counts.get(f"{type(network).__name__}.{name}", {}).values()) // 2,
            any("Attention" in type(m).__name__ for m in part.modules()),
        )
        for name, part in _parts(network).items()
    ]


def _parts(network: nn.Module) -> dict[str, nn.Module]:
    parts: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        entries = child.named_children() if isinstance(child, nn.ModuleList) else None
        parts |= {name: child} if entries is None else {f"{name}.{i}": entry for i, entry in entries}
    return parts


def _shape(sizes: Sequence[int]) -> tuple[int, ...]:
    if isinstance(sizes, str) or not isinstance(sizes, Sequence):
        raise TypeError(f"inputs must be tensors or shapes such as (1, 4, 64, 64), got {told(sizes)}")
    return tuple(whole("inputs: each of a shape", n, 0) for n in sizes)


def _run(network: nn.Module, inputs: Sequence[Tensor | Sequence[int]]) -> tuple[FlopCounterMode, dict[str, tuple]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def keep_shape(name: str, part: nn.Module, args: tuple, out: Tensor) -> None:
        shapes[name] = tuple(out.shape)

    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a module, got {told(network)}")
    empty = [i.to("meta") if isinstance(i, Tensor) else torch.empty(_shape(i), device="meta") for i in inputs]
    state = {name: value.detach().to("meta") for name, value in network.state_dict().items()}
    hooks = [part.register_forward_hook(partial(keep_shape, name)) for name, part in _parts(network).items()]
    try:
        # attention as its two matrix products: of fused kernels the counter knows some, of some devices and versions
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            torch.func.functional_call(network, state, tuple(empty))
    finally:
        for hook in hooks:
            hook.remove()
    return counter, shapes
