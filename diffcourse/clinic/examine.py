"""`clinic`: all checks for which something was given, in the order of causes."""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from diffcourse.checks import check_function, one_of, told, whole
from diffcourse.clinic import curves, forward, guiding, network, sampling, training, vae
from diffcourse.clinic.case import Case, make_case, tensor_of
from diffcourse.clinic.findings import Findings
from diffcourse.clinic.spies import Enough, Unusable, put_back

PREDICTS = {"eps": "eps", "x0": "x0", "v": "v", "epsilon": "eps", "sample": "x0", "v_prediction": "v", "noise": "eps"}
"""The papers' names, and diffusers'."""

LEAST, MOST = 0.1, 2.5
"""Root mean square of what is fed: digits in [-1, 1] have 0.93, photographs about 0.5, standardised data and scaled latents 1; images in
0 to 255 have 60 and more, latents of Stable Diffusion without their scale of 0.18215 about 5."""


def clinic(
    network: Any = None,
    data: Any = None,
    *,
    schedule: Any = None,
    predicts: str = "eps",
    q_sample: Callable | None = None,
    loss: Callable | None = None,
    sampler: Callable | None = None,
    guided: Callable | None = None,
    curve: Any = None,
    cond: Any = None,
    null: Any = None,
    ema: Any = None,
    vae: Any = None,
    vae_loss: Callable | None = None,
    seed: int = 0,
) -> Findings:
    """Look at somebody's diffusion code for the known mistakes (`CATALOGUE`), by running it; what is not given is not checked.

    network   callable (x, t) or (x, t, cond) -> prediction of x's shape, t (B,) steps 0..T-1; trained or not
    data      training images (N, …) exactly as they are fed to the network
    schedule  T betas or T alpha_bars, or an object that has them: `.betas`, `.alphas_cumprod`, a scheduler of diffusers
    predicts  "eps", "x0" or "v"
    q_sample  (x0, t) or (x0, t, noise) -> x_t, or (x_t, noise)
    loss      (network, x0) or (network, x0, cond) -> the training loss, before backward()
    sampler   (network, shape) or (network, shape, cond) -> images
    guided    (network, x, t, cond, w) -> the guided prediction
    curve     losses of a training: numbers, or pairs (step, loss)
    cond      conditions (N, …) of data; null the one that means none
    ema       the averaged copy of network
    vae       a module x -> (reconstruction, mu, logvar); vae_loss (reconstruction, x, mu, logvar) -> scalar

    Her code is run as it is, with spies for the network's forward pass; weights, modes and random states are put back.
    What raises in it becomes a sentence. `found.named` are names, the likeliest cause first; `print(found)` says what was seen.
    """
    seed = whole("seed", seed, 0, 2**31)
    if predicts not in PREDICTS:
        one_of("predicts", predicts, ("eps", "x0", "v"))
    functions = {"q_sample": q_sample, "loss": loss, "sampler": sampler, "guided": guided, "vae_loss": vae_loss}
    for name, function in functions.items():
        if function is not None:
            check_function(name, function, "a function")
    if network is not None:
        check_function("network", network, "callable as network(x, t)")
    if data is not None:
        _check_data(data)
    with warnings.catch_warnings(), put_back(network, ema, vae):
        warnings.simplefilter("ignore")
        case = make_case(network, data, cond, null, PREDICTS[predicts], seed, {**functions, "ema": ema, "vae": vae})
        _examine(case, schedule, curve, ema, vae)
    return case.found


def _check_data(data: Any) -> None:
    try:
        shape = tensor_of(
            data[0] if isinstance(data, (tuple, list)) and isinstance(data[0], torch.Tensor) else data
        ).shape
    except (TypeError, ValueError, RuntimeError, IndexError) as error:
        raise TypeError(f"data must be images (N, …), got {told(data)}") from error
    if len(shape) < 2 or not shape[0]:
        raise ValueError(f"data must be images (N, …) and not empty, got shape {tuple(shape)}")


def _examine(case: Case, schedule: Any, curve: Any, ema: Any, module: Any) -> None:
    found, given = case.found, case.functions
    check_null(case)
    with _told(found, "schedule"):
        if schedule is not None:
            forward.read_schedule(case, schedule)
    for name, check in (
        ("q_sample", forward.check_q_sample),
        ("loss", training.check_loss),
    ):
        with _told(found, name):
            if given[name] is not None:
                check(case, given[name])
    with _told(found, "data"):
        if case.data is not None and module is None:
            check_data(case)
    if case.has_network:
        with _told(found, "network"):
            network.check_dependence(case)
        with _told(found, "network's error"):
            network.check_quality(case, curve, ema)
    with _told(found, "sampler"):
        if given["sampler"] is not None:
            sampling.check_sampler(case, given["sampler"])
    with _told(found, "guidance"):
        if given["guided"] is not None:
            guiding.check_guided(case, given["guided"])
    with _told(found, "curve"):
        if curve is not None:
            curves.check_curve(found, curve, case.predicts)
    with _told(found, "VAE"):
        if module is not None:
            vae.check_vae(case, module, given["vae_loss"])
    missing = [
        n
        for n in ("schedule", "q_sample", "loss", "sampler", "guided", "curve")
        if given.get(n, {"schedule": schedule, "curve": curve}.get(n)) is None
    ]
    for name in missing:
        found.skip(name, f"{name} was not given")
    if not case.has_network:
        found.skip("network", "network was not given")
    if case.data is None:
        found.skip("data", "data were not given")


@contextlib.contextmanager
def _told(found: Findings, check: str) -> Iterator[None]:
    """What cannot be used, and what raises, becomes a line."""
    try:
        with torch.enable_grad():
            yield
    except Unusable as error:
        found.skip(check, str(error))
    except Enough:
        found.skip(check, "it took too long")
    except Exception as error:  # ours: the other checks go on
        found.skip(check, f"the check itself stumbled: {type(error).__name__}: {error}")


def check_data(case: Case) -> None:
    """Range and scale of what enters the forward process: data, after what her loss does to them."""
    assert case.data is not None
    x = case.data.double() * case.scale[0] + case.scale[1]
    low, high, rms = float(x.min()), float(x.max()), float((x**2).mean() ** 0.5)
    told = f"from {low:.3g} to {high:.3g}, mean {float(x.mean()):.2g}, root mean square {rms:.2g}"
    image = x.ndim > 2 or x[0].numel() >= 16
    if not np.isfinite(rms):
        case.found.name("data", "not-normalised", "the data hold nan or inf")
    elif rms > MOST or rms < LEAST or (image and low >= -0.02 and high > 0.3):
        case.found.name("data", "not-normalised", told)
    else:
        case.found.fine("data", told)


def check_null(case: Case) -> None:
    """The null condition must not be one of the labels."""
    if case.cond is None or case.null is None or case.cond.ndim != 1:
        return
    share = float((case.cond == tensor_of(case.null).reshape(-1)[0]).double().mean())
    if share > 0.002 and len(case.cond.unique()) > 1:
        case.found.name(
            "null condition", "wrong-null", f"{share:.0%} of the labels are {case.null}, which is to mean none"
        )
