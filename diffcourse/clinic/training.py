"""Her training loss, run with a spy for a network: which x_t, t and condition are fed, and from which output the loss is zero."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffcourse.clinic import forward
from diffcourse.clinic.case import Case, TimeForm, call_with, label_rows
from diffcourse.clinic.spies import Enough, Spy, Unusable, put_back, replaced, seed_all

ZERO = 0.02
"""Of a loss at the zero output: below this share it counts as zero. With the right output only rounding is left."""


class Seen:
    """What the spy saw in many calls of the loss."""

    def __init__(self) -> None:
        self.moments = forward.Moments()
        self.raw: list[Any] = []
        self.units: list[tuple[Tensor, Tensor]] = []  # (x0, x_t) of some calls
        self.leaks: list[str] = []
        self.rest: list[dict[Any, Any]] = []
        self.given: list[Any] = []
        self.sizes: list[int] = []
        self.value: Any = None
        self.grad: Tensor | None = None
        self.comparable = True


def check_loss(case: Case, loss: Any) -> None:
    """All that the training loss shows."""
    check = "loss"
    seen = _run(case, loss)
    _gradient(case, check, seen)
    n = seen.sizes[0]
    T = case.T or _guess_T(seen)
    case.time = TimeForm.seen(seen.raw, T, n)
    steps = [case.time.steps(raw, n) for raw, n in zip(seen.raw, seen.sizes, strict=True)] if case.time else []
    known = bool(steps) and all(s is not None for s in steps)
    t = np.concatenate([s for s in steps if s is not None]) if known else np.empty(0)
    varies = False
    if known and seen.comparable:
        rows = np.concatenate(seen.moments.rows)
        varies = _noise_varies(rows)
    if known:
        if t.std() == 0 and varies:
            case.found.name(check, "time-ignored", f"the network is always told t = {t[0]:g}, whatever the noise")
            known = False
        else:
            _coverage(case, check, t, T, seen)
    else:
        case.found.note(check, "the network is told the time in a form that could not be read as a step")
    if seen.comparable and known:
        _forward(case, check, seen, t)
        _target(case, check, loss)
    elif not seen.comparable:
        case.found.skip("forward process of the loss", "what enters the network has another size than the data")
    if seen.leaks:
        case.found.name(check, "sees-the-noise", seen.leaks[0])
    if case.cond is not None:
        _labels(case, check, seen, loss)


# -- running it -------------------------------------------------------------------------------------------------------


def _size(case: Case) -> tuple[int, int]:
    """(batch, calls): enough pixels for factors to 0.005, and enough draws of t."""
    batch = int(np.clip(2**19 // case.pixels // 32, 16, 1024))
    return batch, int(np.clip(2048 // batch, 32, 96))


def _run(case: Case, loss: Any, calls: int | None = None, batch: int | None = None) -> Seen:
    seen, generator = Seen(), case.generator()
    usual = _size(case)
    batch, calls = batch or usual[0], calls or usual[1]
    leaf: list[Tensor] = []

    def answer(x: Tensor, t: Any, rest: dict[Any, Any]) -> Tensor:
        with torch.enable_grad():
            out = torch.zeros(x.shape, dtype=x.dtype, requires_grad=True)
            leaf[:] = [out]
            return out * 1.0

    with put_back(case.network, case.functions.get("ema"), case.functions.get("vae")):
        seed_all(case.seed)
        case.network.train()
        for k in range(calls):
            x0 = case.scrambled(batch, generator)
            cond = case.labels(batch, generator)
            spy = case.spy(answer, keep=False)
            with replaced(case.network, spy):
                value = call_with(loss, "loss", case.network, x0.clone(), cond=cond)
            if not spy.calls:
                raise Unusable("loss never called the network that it was given")
            call = spy.calls[-1]
            seen.raw.append(call.t)
            seen.sizes.append(len(call.x))
            seen.rest.append(call.rest)
            seen.given.append(cond)
            if call.x.numel() == x0.numel() and len(call.x) == len(x0):
                x_t = call.x.reshape(x0.shape)
                seen.moments.add(x0, x_t)
                if k < 12:
                    seen.units.append((x0, x_t))
                if k == 0:
                    _leak(seen, x0, x_t, call.rest)
            else:
                seen.comparable = False
            if k == 0:
                seen.value, seen.grad = value, _gradient_of(value, leaf[0])
    return seen


def scalar(value: Any) -> Any:
    """The loss in what her function returned: itself, the first of a tuple, `["loss"]`, or the mean of losses an image."""
    if isinstance(value, dict):
        value = value.get("loss", next(iter(value.values()), None))
    if isinstance(value, (tuple, list)) and value:
        value = value[0]
    return value.mean() if isinstance(value, Tensor) and value.ndim else value


def _gradient_of(value: Any, leaf: Tensor) -> Tensor | None:
    """The loss's gradient at the output; a loss that already went backward has left it there."""
    value = scalar(value)
    if leaf.grad is not None:
        return leaf.grad
    if not isinstance(value, Tensor) or not value.requires_grad:
        return None
    try:
        return torch.autograd.grad(value, leaf, allow_unused=True)[0]
    except RuntimeError:
        return None


def _gradient(case: Case, check: str, seen: Seen) -> None:
    value = scalar(seen.value)
    if seen.grad is None or not bool((seen.grad != 0).any()):
        kind = (
            "a number without a graph" if not getattr(value, "requires_grad", False) else "not connected to the output"
        )
        case.found.name(
            check, "no-gradient", f"the loss is {kind}: the gradient at the network's output is missing or 0"
        )
    else:
        case.found.fine(check, "a gradient reaches the network's output")


def _leak(seen: Seen, x0: Tensor, x_t: Tensor, rest: dict[Any, Any]) -> None:
    """Whether the noise, or the image itself, is among what else the network is given."""
    x, y = x0.flatten().double(), x_t.flatten().double()
    for value in rest.values():
        if isinstance(value, Tensor) and value.is_floating_point() and value.numel() == x0.numel():
            z = value.detach().flatten().double()
            if bool((z == z[0]).all()):
                continue
            basis = torch.stack([x, y, torch.ones_like(x)], dim=1)
            left = z - basis @ torch.linalg.lstsq(basis, z[:, None]).solution[:, 0]
            rows = (value.detach().reshape(x0.shape) - x0).abs().max()
            # noise is what x_t is made of beside x0: image by image the three are linearly dependent
            each = torch.stack([x0.flatten(1), x_t.flatten(1), value.detach().reshape(len(x0), -1)], dim=2).double()
            rank = torch.linalg.svdvals(each)
            if float(rows) < 1e-6:
                seen.leaks.append("the clean image is passed to the network beside x_t")
            elif bool((rank[:, 2] < 1e-3 * rank[:, 0]).all()) or float(left.var()) < 1e-6 * float(z.var()):
                seen.leaks.append("the noise itself is passed to the network beside x_t")


def _guess_T(seen: Seen) -> int:
    values = [float(torch.as_tensor(raw).double().max()) for raw in seen.raw]
    high = max(values)
    return (
        next((n for n in (50, 100, 200, 250, 300, 400, 500, 1000, 2000, 4000) if high <= n), round(high))
        if high > 1
        else 1000
    )


def _noise_varies(rows: np.ndarray) -> bool:
    """Whether images of the same data have noise of different strength: their own factors alpha differ more than chance allows."""
    n, sx, sxx, sy, sxy, syy = rows.T
    if n[0] < 32:
        return False
    var = sxx / n - (sx / n) ** 2
    alpha = (sxy / n - sx * sy / n**2) / var.clip(1e-12)
    left = (syy / n - (sy / n) ** 2 - alpha**2 * var).clip(0)
    chance = left / var.clip(1e-12) / n
    extra = alpha.var() - chance.mean()
    return bool(extra > 0.01 and extra > 6 * chance.mean() / len(rows) ** 0.5)


# -- t ----------------------------------------------------------------------------------------------------------------


def _coverage(case: Case, check: str, t: np.ndarray, T: int, seen: Seen) -> None:
    """Whether t reaches both ends and leaves no gap. A uniform t leaves a gap of f·T among n draws with probability about (1 - f)^n·n."""
    shared = all(len(np.unique(s)) == 1 for s in np.split(t, np.cumsum(seen.sizes)[:-1]))
    draws = np.array([t[i] for i in np.cumsum([0, *seen.sizes[:-1]])]) if shared else t
    distinct, n = np.unique(draws.round(4)), len(draws)
    allowed = max(0.02, 1 - (1e-4 / n) ** (1 / n), 2.5 / T)
    gaps = np.diff(np.concatenate([[0], distinct, [T - 1]])) / T
    expected = T * (1 - (1 - 1 / T) ** n)
    whole = bool((np.abs(draws - draws.round()) < 1e-3).all())
    low, high = distinct[0], distinct[-1]
    if (
        not whole and not case.T and len(distinct) > 1
    ):  # a standard deviation, or a time in other units: which range it should fill is not known
        case.found.note(
            check, f"t lies between {low:.4g} and {high:.4g}, not at whole steps: no schedule was given to judge it by"
        )
    elif len(distinct) == 1:
        case.found.name(check, "steps-not-covered", f"t is always {low:g}, of steps 0 to {T - 1}")
    elif gaps.max() > allowed:
        case.found.name(
            check,
            "steps-not-covered",
            f"{n} draws of t lie between {low:g} and {high:g} with a gap of {gaps.max():.0%} of the {T} steps",
        )
    elif whole and len(distinct) < 0.6 * min(expected, T):
        case.found.name(
            check,
            "steps-not-covered",
            f"{n} draws of t gave {len(distinct)} different steps of {T}, where {expected:.0f} are expected",
        )
    else:
        case.found.fine(check, f"t comes from {low:.4g} to {high:.4g} of {T} steps")


# -- x_t and the target -----------------------------------------------------------------------------------------------


def _forward(case: Case, check: str, seen: Seen, t: np.ndarray) -> None:
    """The factors of what is fed, and its noise."""
    factors = seen.moments.factors(t)
    case.scale = (1.0, 0.0)
    best = forward.judge(case, "x_t in the loss", factors)
    alpha, sigma = factors.alpha, factors.sigma
    basis = np.stack([alpha, sigma], axis=1)
    added = factors.added
    if len(added) > 2 and np.ptp(sigma) > 0.1 and np.abs(added).max() > 0.02:
        of_image, of_noise = np.linalg.lstsq(basis, added, rcond=None)[0]
    else:
        of_image, of_noise = 0.0, 0.0
    scale = 1.0
    if best is not None and best.error < forward.CLOSE:
        scale = best.noise
        case.scale = (best.image, of_image * best.image)
        if abs(best.image - 1) > 0.05 or abs(case.scale[1]) > 0.1:
            case.found.note(
                "x_t in the loss", f"images become {best.image:.3g}·x0 {case.scale[1]:+.2g} before noise is added"
            )
        a, s = (np.interp(t, np.arange(len(h)), h) for h in (best.hypothesis.alpha * best.image, best.hypothesis.sigma))
    else:
        own = case.alpha_bars
        if own is not None and np.abs(alpha - np.interp(factors.t, np.arange(len(own)), own**0.5)).max() < 0.3:
            case.path = own**0.5, (1 - own) ** 0.5  # near the schedule's: what is off may be the noise
            a, s = (np.interp(t, np.arange(len(own)), part) for part in case.path)
        else:
            a, s = (np.interp(t, factors.t, part) for part in (alpha, sigma))
    units, k = [], 0
    for x0, x_t in seen.units:
        at = slice(k, k + len(x0))
        k += len(x0)
        rows = a[at, None] * x0.flatten(1).numpy() + of_image * np.interp(t[at], factors.t, alpha)[:, None]
        unit = (x_t.flatten(1).detach().numpy() - rows) / np.maximum(s[at, None], 1e-6)
        good = s[at] > 0.3
        if good.sum() > 1:
            units.append(torch.as_tensor(unit[good]))
    forward.check_noise(case, "noise in the loss", units, scale, float(of_noise))


def _target(case: Case, check: str, loss: Any) -> None:
    """From which output the loss is zero: eps, x0, v, x_t, or none of them."""
    if case.path is None:
        if case.alpha_bars is None:
            case.found.skip("target", "no schedule was given")
            return
        case.path = case.alpha_bars**0.5, (1 - case.alpha_bars) ** 0.5
    values: dict[str, float] = {}
    gradients: dict[str, tuple[Tensor, Tensor]] = {}
    parts: dict[str, Tensor] = {}
    names = ["zero", "one", "eps", "x0", "v", "x_t", "minus eps", "minus v", "minus x0", "unit eps"]
    batch = _size(case)[0]
    for name in names:
        generator = case.generator()
        x0, cond = case.scrambled(batch, generator), case.labels(batch, generator)
        leaf: list[Tensor] = []

        def answer(x: Tensor, t: Any, rest: dict, name: str = name, x0: Tensor = x0, leaf: list = leaf) -> Tensor:
            made = _outputs(case, x, t, x0)
            parts.update(made)
            with torch.enable_grad():
                out = made[name].to(x.dtype).requires_grad_()
                leaf[:] = [out]
                return out * 1.0

        with put_back(case.network, case.functions.get("ema"), case.functions.get("vae")):
            seed_all(case.seed + 1)
            case.network.train()
            with replaced(case.network, case.spy(answer, keep=False)):
                value = scalar(call_with(loss, "loss", case.network, x0.clone(), cond=cond))
        values[name] = float(value)
        gradient = _gradient_of(value, leaf[0])
        if gradient is not None:
            gradients[name] = (leaf[0].detach(), gradient.detach())
    _verdict(case, check, values, gradients, parts)


def _outputs(case: Case, x: Tensor, t: Any, x0: Tensor) -> dict[str, Tensor]:
    """What a network could return, from x_t and the image that it was made of."""
    steps = case.time.steps(t, len(x)) if case.time else None
    assert steps is not None and case.path is not None
    T = len(case.path[0])
    a, s = (torch.as_tensor(np.interp(steps, np.arange(T), part)).view(-1, *[1] * (x.ndim - 1)) for part in case.path)
    clean = (case.scale[0] * x0 + case.scale[1]).reshape(x.shape).double()
    eps = (x.detach().double() - a * clean) / s.clamp(min=1e-6)
    made = {
        "zero": torch.zeros_like(clean), "one": torch.ones_like(clean), "eps": eps, "x0": clean, "x_t": x.detach().double(),
        "v": a * eps - s * clean,
    }  # fmt: skip
    made |= {f"minus {k}": -made[k] for k in ("eps", "v", "x0")}
    made["unit eps"] = s * eps
    return {k: v.float() for k, v in made.items()}


def _verdict(case: Case, check: str, values: dict[str, float], gradients: dict, parts: dict[str, Tensor]) -> None:
    said = {
        "eps": "the noise",
        "x0": "the clean image",
        "v": "v",
        "x_t": "x_t, the noised image",
        "minus eps": "minus the noise",
    }
    said |= {"minus v": "minus v", "minus x0": "minus the clean image", "unit eps": "the noise times its factor sigma"}
    worst = max(values["zero"], values["one"])
    ranked = sorted(said, key=lambda k: values[k])
    mine, best = case.predicts, ranked[0]
    if not worst > 0 or not np.isfinite(worst):
        case.found.note(
            check, f"its value does not tell what it compares with (at a zero output it is {values['zero']:.3g})"
        )
        return
    if values[mine] < ZERO * worst or (values[mine] <= values[best] + 0.01 * abs(worst)):
        case.found.fine(check, f"the target is {said[mine]}")
        return
    if values[best] < ZERO * worst:
        case.found.name(check, "wrong-target", f"the loss is zero where the output is {said[best]}, not {said[mine]}")
        return
    target = _recovered(gradients)
    if target is not None:
        text = _mixture(case, target, parts)
        if text:
            case.found.name(check, "wrong-target", text)
            return
    if values[mine] > 0.5 * values["zero"]:
        case.found.name(
            check,
            "wrong-target",
            f"the loss is {values[mine]:.3g} where the output is {said[mine]}, and {values['zero']:.3g} where it is zero",
        )
    else:
        case.found.note(
            check, f"where the output is {said[mine]}, {values[mine] / values['zero']:.0%} of the loss is left"
        )


def _recovered(gradients: dict[str, tuple[Tensor, Tensor]]) -> Tensor | None:
    """The target of a squared error: its gradient w·(output - target) is known at two outputs."""
    if not {"zero", "one"} <= gradients.keys():
        return None
    (o1, g1), (o2, g2) = gradients["zero"], gradients["one"]
    weight = (g2 - g1) / (o2 - o1)
    if not bool((weight > 0).all()):
        return None
    return o1 - g1 / weight


def _mixture(case: Case, target: Tensor, parts: dict[str, Tensor]) -> str | None:
    """What a recovered target is made of: image, noise, or neither. None if it is what it should be."""
    y = target.flatten().double()
    clean, eps = parts["x0"].flatten().double(), parts["eps"].flatten().double()
    basis = torch.stack([clean, eps, torch.ones_like(clean)], dim=1)
    c = torch.linalg.lstsq(basis, y[:, None]).solution[:, 0]
    share = 1 - float((y - basis @ c).var() / y.var().clamp(min=1e-12))
    right = parts[case.predicts].flatten().double()
    off = float(((y - right) ** 2).mean() / (right**2).mean())
    if off < ZERO:
        return None
    if share < 0.05:
        return "the target has nothing to do with the noise of x_t, nor with the image: fresh noise?"
    return f"the target is about {float(c[0]):+.2f}·image {float(c[1]):+.2f}·noise, not what the network is said to predict"


# -- the condition ----------------------------------------------------------------------------------------------------


def _labels(case: Case, check: str, seen: Seen, loss: Any) -> None:
    """How often the condition is dropped, and to what."""
    if not any(seen.rest):
        if all(call_takes_no_condition(seen)):
            case.found.note(check, "no condition reaches the network")
        return
    case.extra = {key: None for key in _condition_keys(seen)} or None
    dropped, total, to_class, masked = _dropped(case, seen)
    if not dropped and not masked:
        more = _run(case, loss, calls=200, batch=16)  # whole batches may be dropped, rarely
        d, n, c, masked = _dropped(case, more)
        dropped, total, to_class = dropped + d, total + n, to_class + c
    name = "condition in the loss"
    if to_class > 0.3 * dropped and to_class > 0:
        case.found.name(
            name, "wrong-null", f"where the condition is dropped, {to_class} of {dropped} become another real class"
        )
    elif dropped or masked:
        case.found.fine(
            name, f"{dropped / total:.0%} of {total} conditions are dropped" if dropped else "a mask drops conditions"
        )
    elif case.null is None:
        case.found.note(name, "never dropped; without a null condition that is right, and guidance is not possible")
    elif drops_inside(case):
        case.found.fine(name, "the network itself drops conditions while it trains")
    else:
        case.found.name(name, "labels-never-dropped", f"none of {total} conditions was dropped")


def call_takes_no_condition(seen: Seen) -> list[bool]:
    return [not rest for rest in seen.rest]


def _condition_keys(seen: Seen) -> list[Any]:
    """The arguments that carry one entry an image."""
    return list(
        dict.fromkeys(
            k
            for rest, n in zip(seen.rest, seen.sizes, strict=True)
            for k, v in rest.items()
            if isinstance(v, Tensor) and v.ndim and len(v) == n
        )
    )


def _dropped(case: Case, seen: Seen) -> tuple[int, int, int, bool]:
    """(dropped, all, dropped to a real class, whether another argument varies as a mask does)."""
    dropped, total, to_class, masked = 0, 0, 0, False
    usual: dict[Any, dict[tuple, int]] = {}
    kept: dict[tuple, Tensor] = {}
    keys = _condition_keys(seen)
    first = keys[0] if keys else None
    for rest, cond, n in zip(seen.rest, seen.given, seen.sizes, strict=True):
        for key in keys[1:]:
            value = rest.get(key)
            masked |= isinstance(value, Tensor) and value.numel() == n and len(value.unique()) == 2
        value = rest.get(first)
        if cond is None or not isinstance(value, Tensor) or len(value) != n or len(cond) != n:
            continue
        for label, row, whole in zip(label_rows(cond), label_rows(value), value, strict=True):
            kept.setdefault(row, whole)
            usual.setdefault(label, {}).setdefault(row, 0)
            usual[label][row] += 1
    modal = {label: max(rows, key=rows.__getitem__) for label, rows in usual.items()}
    real = set(modal.values())
    if any(label != row for label, row in modal.items()):
        case.rows = {label: kept[row] for label, row in modal.items()}
    for rest, cond, n in zip(seen.rest, seen.given, seen.sizes, strict=True):
        total += n
        value = rest.get(first)
        if not isinstance(value, Tensor) or len(value) != n:
            dropped += n
            continue
        if cond is None or len(cond) != n:
            continue
        for label, row in zip(label_rows(cond), label_rows(value), strict=True):
            if row != modal[label]:
                dropped += 1
                to_class += row in real and row != modal[label]
    return dropped, total, to_class, masked


def drops_inside(case: Case) -> bool:
    """Whether the network drops conditions by itself while it trains: equal inputs then give different outputs."""
    if not case.has_network or case.cond is None:
        return False
    generator = case.generator()
    x = case.images(1, generator).expand(96, *case.shape).contiguous() + 0.3 * torch.randn(
        1, *case.shape, generator=generator
    )
    cond = case.cond[:1].expand(96, *case.cond.shape[1:]).contiguous()
    with put_back(case.network), torch.no_grad():
        seed_all(case.seed)
        case.network.train()
        for module in case.network.modules():
            if "Dropout" in type(module).__name__ or "BatchNorm" in type(module).__name__:
                module.eval()
        try:
            out = case.ask(x, np.full(96, (case.T or 1000) // 2), cond)
        except (Unusable, Enough):
            return False
    spread = (out - out[:1]).flatten(1).abs().amax(dim=1)
    return bool((spread > 1e-4 * out.abs().max().clamp(min=1e-6)).any())


__all__ = ["Spy", "check_loss", "drops_inside", "scalar"]
