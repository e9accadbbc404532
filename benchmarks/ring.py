"""Who drops modes, who fills the space between, who covers? Three families on eight Gaussians, five seeds each.

    python benchmarks/ring.py            # 35 trainings of half a minute; resumes, one entry of the table a training

The ring: `GaussianMixture.ring(8, radius=1, std=0.05)`, 20,000 points of it to train on. Every network has three hidden layers of `--width`
units, every training `--steps` steps of 256 points, Adam, a cosine, and an average of decay 0.99, which draws. The learning rate is the
family's own (`recipes.ring.LR`), with one row more for the GAN. A row, measured on `--samples` points by `mixture.modes`:

    found   modes, of 8: at least a fifth of a mode's fair share lies within three standard deviations of its centre
    good    share of points within three standard deviations of a centre: 98.9 % of true ones

VAE: the decoder's mean alone, and mean + noise, which is a draw of the model; the same five trainings. GAN: what the generator minimises,
and R1. Diffusion: 50 steps of DDIM. ring.json: {head of common.py, settings, true, rows: {name: {found: [of each seed], good: [of each
seed], found_mean, good_mean, good_half (of its 95 % interval over seeds, Student's t), seconds (informative only)}}}.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from common import half_width, table_of

from diffcourse import files
from diffcourse.mixture import GaussianMixture, modes
from diffcourse.recipes.ring import LR, ring_draws, ring_model, ring_training

R1 = 0.003  # a logit that changes by 2 over 0.1 has a squared slope of 400
TRAININGS = {
    "VAE": ("VAE", {}, {}),
    "GAN, non-saturating": ("GAN", {"loss": "non-saturating"}, {}),
    "GAN, non-saturating, R1": ("GAN", {"loss": "non-saturating", "r1": R1}, {}),
    "GAN, minimax": ("GAN", {"loss": "minimax"}, {}),
    "GAN, minimax, R1": ("GAN", {"loss": "minimax", "r1": R1}, {}),
    "GAN, non-saturating, a quarter of the rate": ("GAN", {"loss": "non-saturating"}, {"lr": LR["GAN"] / 4}),
    "diffusion": ("diffusion", {}, {}),
}


def train(name, seed, ring, *, steps, width, samples):
    """{row: points} of one training, and its seconds."""
    family, of_model, of_fit = TRAININGS[name]
    start = time.monotonic()
    model = ring_model(family, width=width, seed=seed, **of_model)
    *_, last = ring_training(model, ring, steps=steps, every=steps, n=1, seed=seed, **of_fit)
    seconds = time.monotonic() - start
    if family != "VAE":
        return {name: ring_draws(last.model, samples)}, seconds
    rows = {"VAE, mean": False, "VAE, mean and noise": True}
    draw = last.model.generate
    return {
        row: draw(samples, generator=torch.Generator().manual_seed(0), noisy=noisy) for row, noisy in rows.items()
    }, seconds


def summary(row):
    half = half_width(row["good"])
    return row | {
        "found_mean": statistics.mean(row["found"]),
        "good_mean": round(statistics.mean(row["good"]), 4),
        "good_half": half if half is None else round(half, 4),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(TRAININGS), choices=list(TRAININGS), help="what to train")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    settings = {"steps": args.steps, "width": args.width, "samples": args.samples}
    ring = GaussianMixture.ring(8, radius=1.0, std=0.05)

    def fresh():
        true = modes(ring.sample(args.samples, generator=torch.Generator().manual_seed(1)), ring)
        told = {"found": true.found, "good": round(true.good, 4), "expected": round(true.ceiling, 4)}
        return {"true": told, "rows": {}}

    table = table_of(args.out, settings, fresh)
    for seed in range(args.seeds):
        for name in args.only:
            rows = ["VAE, mean", "VAE, mean and noise"] if name == "VAE" else [name]
            if len(table["rows"].get(rows[0], {"good": []})["good"]) > seed:
                continue
            drawn, seconds = train(name, seed, ring, **settings)
            for row, points in drawn.items():
                entry = table["rows"].get(row, {"found": [], "good": [], "seconds": []})
                seen = modes(points, ring)
                now = {"found": seen.found, "good": round(seen.good, 4), "seconds": round(seconds, 1)}
                table["rows"][row] = summary({**entry, **{key: [*entry[key], value] for key, value in now.items()}})
                print(f"seed {seed}  {row:44s}", now, flush=True)
            files.write_json(args.out, table)
