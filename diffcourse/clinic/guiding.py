"""Her guided prediction: with a spy that answers with one picture for her condition and another for none, the result tells its weights."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffcourse.clinic.case import Case, TimeForm, tensor_of
from diffcourse.clinic.spies import Unusable, as_tensor_output, attempt, put_back, replaced, seed_all

WEIGHTS = (0.0, 1.0, 2.0, 7.5)


def check_guided(case: Case, guided: Any) -> None:
    """Weights of both predictions as functions of w. w = 1 and w = 0 as the plain conditional are both in use, and both fine."""
    check = "guidance"
    T = case.T or 1000
    n, generator = 4, case.generator()
    x = torch.randn(n, *case.shape, generator=generator)
    cond = case.labels(n, generator)
    if cond is None:
        cond = torch.arange(n) % 2 + (1 if case.null == 0 else 0)
        if case.null is not None and not isinstance(case.null, Tensor) and case.null in (0, 1):
            cond = torch.full((n,), 2)
    p, q = (torch.randn(x.shape, generator=generator) for _ in range(2))
    shares, nulls = [], []
    for w in WEIGHTS:
        seen: list[Any] = []

        def answer(y: Tensor, t: Any, rest: dict[Any, Any], seen: list[Any] = seen) -> Tensor:
            outs = []
            for i in range(0, len(y), n):
                part = slice(i, i + n)
                is_cond, null = _is_conditional(rest, part, len(y), cond)
                seen.append((is_cond, null))
                outs.append(p if is_cond else q)
            return torch.cat(outs)[: len(y)]

        form = case.time or TimeForm()
        with put_back(case.network), torch.no_grad():
            seed_all(case.seed)
            with replaced(case.network, case.spy(answer, keep=False)):
                out = as_tensor_output(
                    attempt("guided", guided, case.network, x.clone(), form.raw(T // 2, n), cond.clone(), w)
                )
        if not seen:
            raise Unusable("guided never called the network that it was given")
        if not any(c for c, _ in seen):
            case.found.name(check, "guidance-ignored", "the network is never asked with the condition")
            return
        nulls += [v for c, v in seen if not c and v is not None]
        if out.numel() != x.numel():
            raise Unusable(f"guided returned {tuple(out.shape)} for images {tuple(x.shape)}")
        basis = torch.stack([v.flatten().double() for v in (p, q, x)], dim=1)
        c = torch.linalg.lstsq(basis, out.detach().double().flatten()[:, None]).solution[:, 0]
        shares.append((float(c[0]), float(c[1])))
    _verdict(case, check, np.array(shares))
    _null(case, check, nulls)


def _is_conditional(rest: dict[Any, Any], part: slice, size: int, cond: Tensor) -> tuple[bool, Any]:
    """Whether a call has her condition, and if not, what stands in its place."""
    null = None
    for value in rest.values():
        if isinstance(value, Tensor) and value.ndim and len(value) == size:
            rows = value[part]
            if rows.numel() == cond.numel() and torch.equal(rows.reshape(cond.shape).to(cond.dtype), cond):
                return True, None
            if rows.numel() == len(rows) and not rows.is_floating_point():
                null = rows.reshape(-1)
            elif (
                rows.is_floating_point()
                and rows.ndim >= 2
                and bool((rows != 0).any())
                and bool((rows != rows[:1]).any())
            ):
                return True, None
    return False, null


def _verdict(case: Case, check: str, shares: np.ndarray) -> None:
    w = np.array(WEIGHTS)
    with_, without = shares.T
    total = with_ + without
    slope = float(np.polyfit(w, with_, 1)[0])
    told = ", ".join(f"w = {a:g}: {b:.2f} and {c:.2f}" for a, b, c in zip(w, with_, without, strict=True))
    told = f"weights of the conditional and unconditional prediction are {told}"
    if np.ptp(with_) < 1e-3 and np.ptp(without) < 1e-3:
        case.found.name(check, "guidance-ignored", told)
    elif slope < -0.05:
        case.found.name(check, "guidance-swapped", told)
    elif np.ptp(total) > 0.1 * max(abs(total).max(), 1e-9):
        case.found.name(check, "guidance-swapped", f"{told}, whose sum should not depend on w")
    else:
        plain = float(np.interp(1.0, with_ / total, w)) if (np.diff(with_) > 0).all() else float("nan")
        case.found.fine(check, f"the plain conditional prediction is at w = {plain:.2g}")
        if abs(plain) < 0.01:
            case.found.note(
                check,
                "its w counts from 0 for the plain conditional (guidance-offset): papers' w is one more; both are in use",
            )


def _null(case: Case, check: str, nulls: list[Tensor]) -> None:
    """What stands for none while sampling: the null that was given, not a real class."""
    if not nulls or case.null is None:
        return
    values = {float(v) for rows in nulls for v in rows.double().tolist()}
    null = float(tensor_of(case.null).reshape(-1)[0])
    if values != {null}:
        case.found.name(
            check,
            "wrong-null",
            f"the unconditional prediction is asked with {sorted(values)[:4]}, the null condition is {null:g}",
        )
