"""What do the samplers cost beyond the network, how good are they at few calls, and how much memory do they take?

    python benchmarks/samplers.py                   # resumes; ten seeds: minutes on a GPU (--device cuda), a night on 2 cores
    python benchmarks/samplers.py --only overhead share memory

overhead: microseconds a network call of one loop over 50 levels, with a network that returns a tensor made beforehand and whose own time is
    taken off, against diffusers' schedulers in the loop of their documentation; deterministic samplers; rounds of ours and theirs
    alternate, medians.
share: how much of the wall time of `sample` with mnist-ddpm, 16 images, is not inside the network, with one thread and with all; "bare"
    is DDIM as four lines with nothing around them.
quality: mnist-ddpm at guidance 1, clipped, 1,000 samples a seed: Fréchet distance (and in floors), ink, share of grey pixels, share of
    right digits, precision and recall; `real` is what training digits score. The rows with 1000 calls are the reference: DDPM that visits
    every level. DDIM(0) and Euler, DDIM(1) and DDPM are the same function: measured once. `against_reference`: means over seeds, and by
    how many floors the distance lies above the reference's with the same labels and noise, with a 95 % interval.
    Levels are spaced evenly ("trailing") but for "Karras": evenly in (sigma/alpha)^(1/rho). rho = 7 is the usual one; 3 was chosen for
    DDPM with 50 levels among 1, 2, 3 and other spacings, on seed 0. SDE is stochastic=True, of which even steps and rho = 3, 5 and 7 were
    tried with 20 levels on seed 0.
memory: by how many MB a process that has drawn one image grows at most while it draws n more; network calls on `batch` images. Linux only.
Results in samplers.json.
"""

import argparse
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import torch
from common import covered, half_width, interleaved, looks, machine, mean_and_se, real, table_of

from diffcourse import evaluate, files, metrics, weights
from diffcourse.denoiser import Denoiser
from diffcourse.samplers import DDIM, DDPM, LMS, DPMSolverPP, Euler, Heun, sample, trajectory
from diffcourse.schedule import DiffusionSchedule

SAMPLERS = {
    "DDPM": DDPM(),
    "DDIM(1)": DDIM(1.0),
    "DDIM(0)": DDIM(),
    "Euler": Euler(),
    "Heun": Heun(),
    "LMS": LMS(),
    "DPM++(2M)": DPMSolverPP(),
    "DDPM, Karras rho=3": DDPM(),
    "DDPM, Karras rho=7": DDPM(),
    "DPM++(2M), Karras rho=7": DPMSolverPP(),
    "DPM++(2M) SDE, Karras rho=3": DPMSolverPP(stochastic=True),
    "DPM++(2M) SDE, Karras rho=7": DPMSolverPP(stochastic=True),
}
MEASURED = ("times_floor", "ink", "grey", "right", "precision", "recall")
SAME = {"DDIM(1)": "DDPM", "Euler": "DDIM(0)"}
CALLS, HEUN_STEPS = (5, 10, 20, 50), (3, 5, 10, 25)  # n steps of Heun are 2n - 1 calls
THEIRS = {
    "DDIM(0)": ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": True}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Heun": ("HeunDiscreteScheduler", {}),
    "LMS": ("LMSDiscreteScheduler", {}),
    "DPM++(2M)": ("DPMSolverMultistepScheduler", {}),
}


class Ready(torch.nn.Module):
    """A network that costs nothing."""

    def __init__(self, x):
        super().__init__()
        self.answer = torch.randn(x.shape, generator=torch.Generator().manual_seed(1))

    def forward(self, x, t):
        return self.answer


# -- overhead and share -----------------------------------------------------------------------------------------------


def overhead(rounds, steps=50):
    import diffusers

    schedule, rows = DiffusionSchedule.scaled_linear(), []
    for name, (theirs_name, options) in THEIRS.items():
        for batch in (1, 16, 64):
            x = torch.randn(batch, 1, 28, 28, generator=torch.Generator().manual_seed(0))
            ready, levels = Ready(x), schedule.levels(steps)
            denoise = Denoiser(ready, schedule).eval()
            scheduler = getattr(diffusers, theirs_name)(
                beta_start=0.00085,
                beta_end=0.012,
                beta_schedule="scaled_linear",
                timestep_spacing="trailing",
                **options,
            )

            def ours(denoise=denoise, x=x, levels=levels, name=name):
                for _ in trajectory(denoise, x, levels, SAMPLERS[name]):
                    pass

            @torch.no_grad()
            def theirs(scheduler=scheduler, x=x, ready=ready):
                scheduler.set_timesteps(steps)
                y = x * scheduler.init_noise_sigma
                for t in scheduler.timesteps:
                    y = scheduler.step(ready(scheduler.scale_model_input(y, t), t), t, y).prev_sample
                return y

            calls = 2 * steps - 1 if name == "Heun" else steps

            def network(ready=ready, x=x, calls=calls):
                for _ in range(calls):
                    ready(x, 0)

            own, a, b = (1e6 * wall / calls for wall, _ in interleaved([network, ours, theirs], rounds))
            a, b = a - own, b - own
            rows.append(
                {
                    "sampler": name,
                    "theirs": theirs_name,
                    "batch": batch,
                    "ours_us": round(a, 1),
                    "theirs_us": round(b, 1),
                    "ratio": round(a / b, 3),
                }
            )
    return rows


def bare(model, labels, batch, steps):
    """DDIM(0) with nothing around it: no checks, no seeds an image, no bar. What is left beside the network is torch itself."""
    x, levels = torch.randn(batch, 1, 28, 28), model.schedule.levels(steps)
    with torch.no_grad():
        for at, to in pairwise(levels):
            eps = model.network(x, torch.full((batch,), at.t), labels)
            x0 = (x - at.sigma * eps) / at.alpha
            x = to.alpha * x0 + to.sigma * eps


def share(rounds, batch=16, steps=20):
    model, labels = weights.load("mnist-ddpm"), torch.arange(batch) % 10
    forward, inside, cores = model.network.forward, [0.0], torch.get_num_threads()

    def timed(*args):
        start = time.perf_counter()
        result = forward(*args)
        inside[0] += time.perf_counter() - start
        return result

    def drawn_by(sampler):
        return lambda: sample(model.given(labels), model.schedule, (batch, 1, 28, 28), sampler, steps, seed=0)

    model.network.forward = timed
    runs = {name: drawn_by(SAMPLERS[name]) for name in THEIRS}
    runs["DDIM(0), bare"] = lambda: bare(model, labels, batch, steps)
    rows = []
    for threads in sorted({1, cores}):
        torch.set_num_threads(threads)
        percents = {name: [] for name in runs}
        for _ in range(rounds):
            for name, run in runs.items():
                inside[0], start = 0.0, time.perf_counter()
                run()
                percents[name].append(100 * (1 - inside[0] / (time.perf_counter() - start)))
        percent = {name: round(statistics.median(values), 2) for name, values in percents.items()}
        rows.append({"threads": threads, "batch": batch, "steps": steps, "percent": percent})
    torch.set_num_threads(cores)
    return rows


# -- quality ----------------------------------------------------------------------------------------------------------


def quality(name, steps, seed, n, device):
    """One row."""
    start = time.monotonic()
    model = weights.load("mnist-ddpm", device)
    rho = float(name.partition("rho=")[2] or 0)
    levels = model.schedule.levels(steps, "karras", rho=rho) if rho else None
    images, labels = evaluate.digits(model, n, steps=steps, sampler=SAMPLERS[name], seed=seed, levels=levels, batch=500)
    images = images.cpu()
    seconds = time.monotonic() - start
    setting = {"sampler": name, "seed": seed, "steps": steps, "calls": 2 * steps - 1 if name == "Heun" else steps}
    return setting | looks(images, labels) | covered(images) | {"seconds": round(seconds, 1)}


def settings(seeds, reference_steps):
    """(sampler, steps, seed), a whole table of one seed first, its reference last."""
    for seed in seeds:
        for name in SAMPLERS:
            if name not in SAME:
                for steps in HEUN_STEPS if name == "Heun" else CALLS:
                    yield name, steps, seed
        yield "DDPM", reference_steps, seed


def against_reference(rows, reference_steps=1000):
    """For each sampler and number of calls means over seeds of everything measured; `change`: by how many floors the distance lies above
    that of DDPM with all levels, seed by seed; `_95`: half of the 95 % interval of a mean. `ratio` ± `se`: of the two distances."""
    base = {row["seed"]: row for row in rows if row["steps"] == reference_steps}
    groups, lines = {}, []
    for row in rows:
        if row["seed"] in base:
            groups.setdefault((row["sampler"], row["calls"]), []).append(row)
    for (name, calls), group in groups.items():
        line = {"sampler": name, "calls": calls, "seeds": len(group)}
        for what in MEASURED:
            line[what], line[f"{what}_95"] = spread([row[what] for row in group])
        if calls != reference_steps:
            pairs = [(row, base[row["seed"]]) for row in group]
            line["change"], line["change_95"] = spread([a["times_floor"] - b["times_floor"] for a, b in pairs])
            ratio, se = mean_and_se([a["distance"] / b["distance"] for a, b in pairs])
            line |= {"ratio": round(ratio, 3), "se": se if se is None else round(se, 3)}
        lines.append(line)
    return lines


def spread(values):
    """Mean over seeds and half of its 95 % interval, rounded."""
    half = half_width(values)
    return round(statistics.mean(values), 4), half if half is None else round(half, 4)


# -- memory -----------------------------------------------------------------------------------------------------------

PROBE = """
import sys
from pathlib import Path
from diffcourse import DDIM, sample, weights

def status(key):
    return next(int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))

n, batch = int(sys.argv[1]), int(sys.argv[2])
model = weights.load("mnist-ddpm")
draw = lambda n: sample(model, model.schedule, (n, 1, 28, 28), DDIM(), 2, seed=0, batch=batch or None)
draw(1)
Path("/proc/self/clear_refs").write_text("5")  # from here on the peak is a new one
before = status("VmRSS")
draw(n)
print((status("VmHWM") - before) / 2**10)
"""


def peak(n, batch):
    """MB by which the memory of a process that has drawn one image grows at most while it draws n. None where the system is not Linux."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    run = subprocess.run(
        [sys.executable, "-c", PROBE, str(n), str(batch or 0)],
        capture_output=True,
        text=True,
        check=True,
        encoding="utf-8",
    )
    return round(float(run.stdout), 1)


def memory(sizes):
    return [{"images": n, "batch": batch, "peak_mb": peak(n, batch)} for batch in (64, None) for n in sizes]


# -- the command ------------------------------------------------------------------------------------------------------

PARTS = ("overhead", "share", "memory", "quality")

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", nargs="*", type=int, default=list(range(10)), help="of quality")
    parser.add_argument("--device", default="cpu", help="where quality is drawn: the same digits, but for rounding")
    parser.add_argument("--reference-steps", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=None, help="stop after so many new rows of quality")
    parser.add_argument("--images", type=int, nargs="*", default=[64, 256, 1024, 4096], help="for memory")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    metrics.judge().to(args.device)
    sha = weights.verify("mnist-ddpm")["sha256"]
    settings_of_all = {"weights_sha256": sha, "samples": args.samples, "guidance": 1.0}
    table = table_of(args.out, settings_of_all, lambda: {"machine": machine(args.device), "quality": []})
    for part, measure in (
        ("overhead", lambda: overhead(args.rounds)),
        ("share", lambda: share(args.rounds)),
        ("memory", lambda: memory(args.images)),
    ):
        if part in args.only:
            if part not in table:
                table[part] = measure()
                files.write_json(args.out, table)
            for row in table[part] if isinstance(table[part], list) else [table[part]]:
                print(part, "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    if "quality" in args.only:
        known, new = {(r["sampler"], r["steps"], r["seed"]) for r in table["quality"]}, 0
        table.setdefault("real", real())
        for name, steps, seed in settings(args.seeds, args.reference_steps):
            if (name, steps, seed) in known or new == args.rows:
                continue
            row = quality(name, steps, seed, args.samples, args.device)
            new += 1
            twins = [twin for twin, same in SAME.items() if same == name and steps != args.reference_steps]
            table["quality"] += [row, *(row | {"sampler": twin, "same_as": name} for twin in twins)]
            table["against_reference"] = against_reference(table["quality"], args.reference_steps)
            files.write_json(args.out, table)
            print("quality", "  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
        for row in table.get("against_reference", []):
            print("against DDPM", "  ".join(f"{k} {v}" for k, v in row.items()))
