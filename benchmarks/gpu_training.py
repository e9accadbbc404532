"""How fast is a training step on a GPU, against diffusers on the same one? Images per second of `fit`, and what bounds them.

    python benchmarks/gpu_training.py                # a CUDA GPU; about three minutes, most of them torch.compile

Ours: `mnist-ddpm` in `train.fit` as its recipe trains it, in batches of `--batch`, with float32, with precision="bf16", and with
compile=True too. Theirs: the training loop of benchmarks/training.py, made of what the tutorials of diffusers put together, around the
fastest of their networks of that size there; on the GPU it gets batches that are ready, and the same precision and compile.

Both of a pair in turn, `--steps` steps a round; medians of the rounds. `busy`: the share of the time in which the GPU computes
(torch.profiler, the sum of its kernels over the clock): where it is far below 1, Python on the host is what bounds the step.
`alone`: images a second if nothing but the kernels took time. Results in gpu_training.json.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
from common import head
from training import THEIRS, ours, parameters, their_steps, theirs

from diffcourse import data, files, recipes, train

KINDS = {
    "float32": {"precision": "float32", "compile": False},
    "bf16": {"precision": "bf16", "compile": False},
    "bf16, compiled": {"precision": "bf16", "compile": True},
}
FASTEST = "2 resolutions, 1 layer"


def our_steps(batch, options):
    settings = recipes.RECIPES["mnist-ddpm"].options | {"batch_size": batch, "steps": 100_000} | options
    return train.fit(ours(), data.mnist(), recipes.denoiser_loss, **settings)


def seconds_of(run, steps):
    """Seconds of a step, the device's work included."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(steps):
        next(run)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


def kernel_seconds(run, steps=20):
    """Seconds that the GPU computes in a step."""
    kinds = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profiled:
        for _ in range(steps):
            next(run)
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6 / steps


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("a CUDA GPU is needed, torch sees none: benchmarks/training.py measures on a CPU")
    import diffusers  # noqa: F401 (its version is told)

    sizes = {"ours": parameters(ours()), "theirs": parameters(theirs(*THEIRS[FASTEST]))}
    table = {**head("diffusers"), "machine": torch.cuda.get_device_name(), "batch": args.batch, "parameters": sizes}
    table["rows"] = {}
    digits = data.mnist().to("cuda")
    batches = [digits.batch(step, args.batch, seed=0) for step in range(8)]
    for kind in args.only:
        made = {"half": KINDS[kind]["precision"] == "bf16", "compile": KINDS[kind]["compile"]}
        runs = {
            "ours": our_steps(args.batch, KINDS[kind]),
            "theirs": their_steps(batches, THEIRS[FASTEST], "cuda", warmup=1000, steps=100_000, **made),
        }
        first = {whose: seconds_of(run, 12) * 12 for whose, run in runs.items()}
        rounds = [{whose: seconds_of(run, args.steps) for whose, run in runs.items()} for _ in range(args.rounds)]
        row = {}
        for whose, run in runs.items():
            seconds, kernels = statistics.median(found[whose] for found in rounds), kernel_seconds(run)
            row[whose] = {
                "images_per_second": round(args.batch / seconds),
                "milliseconds": round(1000 * seconds, 2),
                "busy": round(kernels / seconds, 3),
                "alone": round(args.batch / kernels),
                "seconds_of_the_first_12": round(first[whose], 1),
            }
            run.close()
        row["ratio"] = round(statistics.median(found["theirs"] / found["ours"] for found in rounds), 2)
        table["rows"][kind] = row
        files.write_json(args.out, table)
        print(kind, row, flush=True)
