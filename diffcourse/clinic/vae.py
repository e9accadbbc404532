"""Her VAE: do gradients reach the encoder, is the noise as strong as the log-variance says, does the KL term weigh right?

The noise that she draws is caught where torch draws it. For z = mu + std·noise, d(output)/d(noise) over d(output)/d(mu) is std, exactly.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from diffcourse.clinic.case import Case
from diffcourse.clinic.spies import Unusable, attempt, put_back, seed_all


class Caught(TorchFunctionMode):
    """Draws of torch become leaves, so that gradients with respect to them can be asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        draws = name in ("randn_like", "randn", "normal", "normal_", "rand_like", "rand") and isinstance(out, Tensor)
        if draws and out.is_floating_point() and not out.requires_grad and torch.is_grad_enabled():
            out = out.detach().requires_grad_() if name != "normal_" else out.requires_grad_()
            self.drawn.append(out)
        return out


def check_vae(case: Case, vae: Any, vae_loss: Any) -> None:
    """All that the module and its loss show."""
    if not isinstance(vae, nn.Module):
        raise Unusable("vae must be a module")
    generator = case.generator()
    x = case.images(32, generator)
    with put_back(vae, case.network), torch.enable_grad():
        seed_all(case.seed)
        vae.train()
        for module in vae.modules():
            if "Dropout" in type(module).__name__:
                module.eval()
        for p in vae.parameters():
            p.requires_grad_()
        with Caught() as caught:
            out = attempt("vae", vae, x)
        if not isinstance(out, (tuple, list)) or len(out) != 3 or not all(isinstance(o, Tensor) for o in out):
            raise Unusable("vae must return (reconstruction, mu, logvar)")
        again = attempt("vae", vae, x)[0]
        recon, mu, logvar = out
        _sample(case, vae, recon, again, mu, logvar, caught.drawn)
    if vae_loss is not None:
        _loss(case, vae, vae_loss, x)
    elif case.data is not None:
        _latents(case, vae)


def _sample(
    case: Case, vae: nn.Module, recon: Tensor, again: Tensor, mu: Tensor, logvar: Tensor, drawn: list[Tensor]
) -> None:
    """The draw of z: noise, gradients, and the factor of the noise."""
    check = "sample of the VAE"
    if torch.equal(recon, again):
        case.found.name(check, "no-reparameterisation", "the reconstruction is the same twice: the sample has no noise")
        return
    probe = (recon * torch.randn(recon.shape, generator=case.generator())).sum()
    wanted = [mu, logvar, *drawn]
    grads = torch.autograd.grad(probe, wanted, retain_graph=True, allow_unused=True)
    reached = [g is not None and bool((g != 0).any()) for g in grads[:2]]
    for k, (name, tensor) in enumerate((("mu", mu), ("logvar", logvar))):
        if not reached[k]:
            reached[k] = _through_parameters(vae, probe, tensor, mu if name == "logvar" else None)
    if not all(reached):
        lost = " and ".join(n for n, r in zip(("mu", "the log-variance"), reached, strict=True) if not r)
        case.found.name(check, "no-reparameterisation", f"no gradient reaches {lost} through the sample")
        return
    case.found.fine(check, "noise, and gradients to mu and the log-variance")
    noise = next((g for g, d in zip(grads[2:], drawn, strict=True) if g is not None and d.numel() == mu.numel()), None)
    if noise is None or grads[0] is None:
        case.found.note(check, "its noise could not be followed, so its factor was not checked")
        return
    slope = grads[0].reshape(-1).double()
    good = slope.abs() > 1e-4 * slope.abs().max()
    std = (noise.reshape(-1).double()[good] / slope[good]).detach().numpy()
    _factor(case, std, logvar.detach().double().reshape(-1)[good].numpy())


def _factor(case: Case, std: np.ndarray, lv: np.ndarray) -> None:
    """Which function of the log-variance the noise's factor is: exp(lv/2), or one of the known mistakes."""
    check = "noise of the VAE"
    guesses = {
        "exp(logvar/2)": np.exp(lv / 2),
        "exp(logvar): the variance": np.exp(lv),
        "logvar itself": lv,
        "its absolute value": np.abs(lv),
        "the root of its absolute value": np.abs(lv) ** 0.5,
        "logvar/2": lv / 2,
        "exp(2·logvar)": np.exp(2 * lv),
        "exp(logvar/4)": np.exp(lv / 4),
    }
    off = {name: float(np.median(np.abs(std - g)) / (np.median(np.abs(g)) + 1e-9)) for name, g in guesses.items()}
    best = min(off, key=off.__getitem__)
    if off["exp(logvar/2)"] < 0.01 or off["exp(logvar/2)"] <= 1.5 * off[best]:
        if off["exp(logvar/2)"] < 0.05:
            case.found.fine(check, "its factor is exp(logvar/2)")
        else:
            typical, own = float(np.median(std)), float(np.median(np.exp(lv / 2)))
            case.found.note(check, f"its factor is {typical:.3g} where exp(logvar/2) is {own:.3g}")
    elif off[best] < 0.02:
        case.found.name(check, "variance-for-log-variance", f"the noise is multiplied by {best}, not by exp(logvar/2)")
    else:
        case.found.note(check, "its factor is not exp(logvar/2): is the third output a log-variance?")


def _through_parameters(vae: nn.Module, probe: Tensor, tensor: Tensor, other: Tensor | None) -> bool:
    """Where the returned tensor is a copy: the parameters that make it, and not the other one, must be reached."""
    parameters = [p for p in vae.parameters() if p.requires_grad]
    if not tensor.requires_grad:
        return False
    of = torch.autograd.grad(tensor.sum(), parameters, retain_graph=True, allow_unused=True)
    not_of = (
        torch.autograd.grad(other.sum(), parameters, retain_graph=True, allow_unused=True)
        if other is not None
        else [None] * len(parameters)
    )
    own = [p for p, a, b in zip(parameters, of, not_of, strict=True) if a is not None and b is None]
    own = own or [p for p, a in zip(parameters, of, strict=True) if a is not None]
    grads = torch.autograd.grad(probe, own, retain_graph=True, allow_unused=True)
    return any(g is not None and bool((g != 0).any()) for g in grads)


# -- the loss -----------------------------------------------------------------------------------------------------------

LOW = 1e-3
"""Weight of the KL term, in units of the squared error's, below which latents leave the prior: a band of ours, below any beta in use."""


def _loss(case: Case, vae: nn.Module, vae_loss: Any, x: Tensor) -> None:
    """The KL term of her loss: its sign, its form, and its weight against the reconstruction."""
    check = "loss of the VAE"
    with put_back(vae, case.network), torch.no_grad():
        seed_all(case.seed)
        vae.eval()
        recon, mu, logvar = attempt("vae", vae, x)
        zero = torch.zeros_like(mu)
        noise = torch.randn(mu.shape, generator=case.generator())

        def value(r: Tensor, m: Tensor, lv: Tensor) -> float:
            out = attempt("vae_loss", vae_loss, r, x, m, lv)
            out = out.get("loss", next(iter(out.values()))) if isinstance(out, dict) else out
            out = out[0] if isinstance(out, (tuple, list)) else out
            return float(out.mean() if isinstance(out, Tensor) else out)

        base = value(recon, zero, zero)
        by_mu = value(recon, noise, zero) - base
        wide, narrow = value(recon, zero, zero + 1) - base, value(recon, zero, zero - 1) - base
        unit = float((noise**2).sum()) / 2  # KL of the shifted Gaussians, in nats, summed over the batch
        n = mu.numel()
        kl = {"wide": (np.e - 2) / 2 * n, "narrow": np.exp(-1) / 2 * n}
        weight = by_mu / unit
        if max(abs(by_mu), abs(wide), abs(narrow)) < 1e-9 * max(abs(base), 1e-9):
            case.found.name(check, "kl-too-low", "the loss does not depend on mu and log-variance at all")
            return
        terms = {"mu": weight, "a wide variance": wide / kl["wide"], "a narrow variance": narrow / kl["narrow"]}
        if min(terms.values()) < -1e-6 * max(map(abs, terms.values())):
            which = ", ".join(k for k, v in terms.items() if v < 0)
            case.found.name(check, "kl-sign", f"the loss falls with {which}, where the divergence rises")
            return
        if not (0.7 < terms["a wide variance"] / weight < 1.4 and 0.7 < terms["a narrow variance"] / weight < 1.4):
            found = ", ".join(f"{k} {v:.3g}" for k, v in terms.items())
            case.found.note(check, f"its KL term is not the one of Gaussians with this log-variance (weights: {found})")
        if vae_loss is not None:
            _weight(case, vae, value, recon, mu, logvar, x, weight)


def _weight(
    case: Case, vae: nn.Module, value: Any, recon: Tensor, mu: Tensor, logvar: Tensor, x: Tensor, weight: float
) -> None:
    """Both terms as sums over the batch: a squared error c·|r - x|² and weight·KL are a Gaussian decoder of variance weight/(2·c).

    With such a decoder a latent of a linear VAE collapses if the data's variance along it is below that variance (Lucas et al. 2019).
    """
    check = "weight of the KL"
    d = 0.05 * torch.sign(torch.randn(x.shape, generator=case.generator()))
    middle = (x.detach() * 0.6 + 0.2) if float(x.min()) >= 0 else x.detach() * 0.6
    try:
        curved = value(middle.reshape(recon.shape) + d.reshape(recon.shape), mu, logvar) + value(
            middle.reshape(recon.shape) - d.reshape(recon.shape), mu, logvar
        ) - 2 * value(middle.reshape(recon.shape), mu, logvar)  # fmt: skip
    except Unusable as error:
        case.found.note(check, str(error))
        return
    c = curved / (2 * float((d**2).sum()))
    if not c > 0 or not np.isfinite(c):
        case.found.note(check, "the reconstruction term has no curvature to compare with")
        return
    variance = weight / (2 * c)
    top = _largest_variance(case.data if case.data is not None else x)
    active, spread = _activity(case, vae)
    told = f"it acts as a decoder of variance {variance:.3g} a pixel, where the data's largest variance is {top:.3g}"
    if variance > 3 * top and not active > 0.3:
        case.found.name(check, "kl-too-high", told)
    elif weight / c < LOW:
        case.found.name(check, "kl-too-low", f"{told}; mu's variance over the data is {spread:.3g}")
    else:
        case.found.fine(check, told)


def _largest_variance(data: Tensor) -> float:
    flat = data[:1024].flatten(1).double()
    return float(torch.linalg.svdvals(flat - flat.mean(dim=0))[0] ** 2 / len(flat))


def _activity(case: Case, vae: nn.Module) -> tuple[float, float]:
    """(largest, mean) variance of mu over the data, the measure of active units of Burda et al. 2016; (nan, nan) if it cannot be had."""
    generator = case.generator()
    with put_back(vae), torch.no_grad():
        vae.eval()
        try:
            mu = attempt("vae", vae, case.images(256, generator))[1].flatten(1)
        except Unusable:
            return float("nan"), float("nan")
    return float(mu.var(dim=0).max()), float(mu.var(dim=0).mean())


def _latents(case: Case, vae: nn.Module) -> None:
    """Without her loss: whether latents of her data are spread as the prior."""
    _, spread = _activity(case, vae)
    check = "latents of the VAE"
    if spread > 8:
        case.found.name(check, "kl-too-low", f"mu's variance over the data is {spread:.3g}, the prior's is 1")
    else:
        case.found.fine(check, f"mu's variance over the data is {spread:.2g}")
