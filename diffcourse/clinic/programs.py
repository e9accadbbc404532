"""A program of hers, run and read by the names of its variables; or a file with a curve of losses."""

import csv
import inspect
import json
import os
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from torch import Tensor, nn

CURVES = (".csv", ".txt", ".json", ".npy")

NAMES: dict[str, tuple[str, ...]] = {
    "network": ("network", "model", "unet", "net", "denoiser", "eps_model", "nn_model", "denoise_model", "noise_predictor"),
    "data": ("data", "images", "x_train", "train_images", "X_train", "train_x", "train_data", "latents", "x0", "X"),
    "schedule": ("schedule", "noise_schedule", "noise_scheduler", "scheduler"),
    "betas": ("betas", "beta", "beta_t"),
    "alpha_bars": ("alphas_cumprod", "alpha_bars", "alphas_bar", "alpha_bar", "alpha_hat", "alpha_cumprod"),
    "q_sample": ("q_sample", "forward_diffusion", "noise_images", "add_noise", "forward_diffusion_sample", "diffuse", "forward_process"),
    "loss": ("loss", "loss_fn", "training_loss", "compute_loss", "train_loss", "p_losses", "diffusion_loss", "get_loss", "loss_function"),
    "sampler": ("sampler", "sample", "sample_loop", "p_sample_loop", "generate", "ddim_sample", "ddpm_sample", "sample_images"),
    "guided": ("guided", "guided_eps", "cfg", "guided_prediction", "guided_noise", "cfg_eps"),
    "curve": ("curve", "losses", "loss_history", "history", "train_losses", "loss_curve"),
    "cond": ("cond", "labels", "y_train", "train_labels", "classes", "conditions", "y"),
    "null": ("null", "null_label", "null_class", "NULL", "NULL_CLASS", "uncond_label", "null_token"),
    "ema": ("ema", "ema_model", "model_ema", "ema_net", "ema_network", "ema_unet"),
    "vae": ("vae", "VAE", "autoencoder"),
    "vae_loss": ("vae_loss", "vae_loss_fn", "elbo_loss", "vae_loss_function", "loss_vae"),
    "predicts": ("predicts", "prediction_type", "objective", "parameterization"),
}  # fmt: skip
"""What the clinic asks for, and the names under which people have it, the first of which counts."""

PREDICTS = {"pred_noise": "eps", "pred_x0": "x0", "pred_v": "v", "x_start": "x0", "velocity": "v"}


def read(path: Path) -> dict[str, Any]:
    """What `clinic` takes, from a program or from a file of losses."""
    if path.is_dir() or not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if path.suffix.lower() in CURVES:
        return {"curve": read_losses(path)}
    if path.suffix.lower() != ".py":
        raise ValueError(f"{path}: must be a program (.py), or losses in {', '.join(CURVES)}")
    given = arguments(run(path))
    if not given:
        known = ", ".join(names[0] for names in NAMES.values())
        raise ValueError(f"{path}: no variable has one of the names that are looked for: {known}")
    return given


def run(path: Path) -> dict[str, Any]:
    """The program's variables after it ran as `python FILE` runs it; figures are not shown. What it raises is one sentence."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    argv, first = sys.argv, list(sys.path)
    sys.argv, sys.path = [str(path)], [str(path.resolve().parent), *sys.path]
    try:
        return runpy.run_path(str(path), run_name="__main__")
    except SystemExit as stop:
        raise ValueError(
            f"{path}: it ended itself with exit code {stop.code}, so there is nothing to look at"
        ) from stop
    except Exception as error:
        raise ValueError(f"{path}: it does not run: {type(error).__name__}: {error}") from error
    finally:
        sys.argv, sys.path = argv, first


def arguments(variables: dict[str, Any]) -> dict[str, Any]:
    """What `clinic` takes, among the variables of a program: the first name whose value is of the right kind."""
    given: dict[str, Any] = {}
    for wanted, names in NAMES.items():
        value = next((variables[n] for n in names if n in variables and _fits(wanted, variables[n])), None)
        if value is not None:
            given[wanted] = value
    betas, bars = given.pop("betas", None), given.pop("alpha_bars", None)
    if "schedule" not in given and (betas is not None or bars is not None):
        given["schedule"] = (
            bars if betas is None else betas if bars is None else SimpleNamespace(betas=betas, alpha_bars=bars)
        )
    if "predicts" in given:
        given["predicts"] = PREDICTS.get(given["predicts"], given["predicts"])
    if "vae_loss" not in given and "vae" in given and "network" not in given and "loss" in given:
        given["vae_loss"] = given.pop("loss")
    if given.keys() == {"predicts"}:
        given = {}
    return given


def _fits(wanted: str, value: Any) -> bool:
    if isinstance(value, type):
        return False
    if wanted in ("network", "ema", "vae"):
        return isinstance(value, nn.Module) or (wanted == "network" and callable(value))
    if wanted in ("q_sample", "loss", "sampler", "guided", "vae_loss"):
        return (
            callable(value)
            and not isinstance(value, nn.Module)
            and _takes(value, {"q_sample": 2, "guided": 5, "vae_loss": 4}.get(wanted, 2))
        )
    if wanted in ("data", "cond"):
        return (
            isinstance(value, (Tensor, np.ndarray)) and value.ndim >= (2 if wanted == "data" else 1) and len(value) > 1
        )
    if wanted == "schedule":
        return isinstance(value, (Tensor, np.ndarray, list, tuple)) or any(
            hasattr(value, n) for n in ("betas", "beta", "alphas_cumprod", "alpha_bars", "alpha_hat", "alpha_bar")
        )
    if wanted in ("betas", "alpha_bars"):
        return isinstance(value, (Tensor, np.ndarray, list, tuple)) and len(value) > 1
    if wanted == "curve":
        return isinstance(value, (Tensor, np.ndarray, list, tuple, dict)) and len(value) > 1
    if wanted == "predicts":
        return isinstance(value, str)
    return isinstance(value, (int, Tensor)) and not isinstance(value, bool)


def _takes(function: Any, n: int) -> bool:
    """Whether it can be called with n arguments in their places."""
    try:
        inspect.signature(function).bind(*[None] * n)
    except TypeError:
        try:
            inspect.signature(function).bind(*[None] * (n + 1))
        except (TypeError, ValueError):
            return False
    except ValueError:
        pass
    return True


def read_losses(path: Path) -> Any:
    """Losses, or pairs (step, loss), from a file: under a head the columns loss and step, else the last."""
    if path.suffix.lower() == ".npy":
        return np.load(path, allow_pickle=False)
    text = path.read_text(encoding="utf-8-sig")
    if path.suffix.lower() == ".json":
        value = json.loads(text)
        return _records(value) if isinstance(value, list) and value and isinstance(value[0], dict) else value
    rows = [
        row for row in csv.reader(text.replace("\t", ",").replace(";", ",").splitlines()) if any(c.strip() for c in row)
    ]
    if not rows:
        raise ValueError(f"{path}: it is empty")
    if len(rows[0]) == 1 and " " in rows[0][0].strip():
        rows = [row[0].split() for row in rows]
    if not all(_number(cell) for cell in rows[0]):
        head, *body = rows
        return _records([dict(zip(head, row, strict=False)) for row in body])
    return [tuple(float(c) for c in row[:2]) if len(row) > 1 else float(row[0]) for row in rows]


def _records(rows: list[dict[str, Any]]) -> list[Any]:
    keys = [k.strip() for k in rows[0]] if rows else []
    loss = next((k for k in keys if k.lower() in ("loss", "train_loss", "train/loss", "value")), None)
    loss = loss or next((k for k in keys if "loss" in k.lower()), None) or (keys[-1] if keys else "")
    step = next((k for k in keys if k.lower() in ("step", "epoch", "iteration", "iter", "global_step")), None)
    values = [{k.strip(): v for k, v in row.items()} for row in rows]
    kept = [v for v in values if _number(v.get(loss, ""))]
    return [(float(v[step]), float(v[loss])) if step and _number(v[step]) else float(v[loss]) for v in kept]


def _number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


__all__ = ["CURVES", "NAMES", "arguments", "read", "read_losses", "run"]
