"""One reflow of digits: does `mnist-ddpm`, trained again on pairs of a noise and the digit it becomes, need fewer calls?

    python benchmarks/reflow.py          # 2,000 pairs, a training of 32,000 images, all judged; some 15 CPU minutes; resumes, a row a part

pairs     noise, label and the digit that 10 calls of DPM++(2M) make of them
training  `mnist-ddpm` goes on with its own loss, `model.loss(digit, label, noise=noise)`, in place of fresh noise; OPTIONS; the average of
          its weights is judged. Between the losses of v, noise and flow is a weight of levels only
before, after   `--samples` digits of other noises, guidance 1, clipped at the end only: for 1, 2, 4 and 20 calls of DDIM, the levels even
          in the time of the straight path: what `common.looks` measures; `bend`: of 100 of these digits along 40 calls, in the
          straight path's x, mean and median
grid      the same before, 5 and 10 calls: levels even in the time of the straight path, of VP, and in log sigma/alpha
strip     ten digits with one call, before and after, and what 20 calls make of the same noise before (images.unpack)

Results in reflow.json.
"""

import argparse
from pathlib import Path

import torch
from common import looks, table_of

from diffcourse import evaluate, files, images, rng, sample, train, trajectory, weights
from diffcourse.samplers import DDIM, DPMSolverPP
from diffcourse.schedule import CLEAN
from diffcourse.sde import VP, Straight, bend, rising_levels

OPTIONS = {"batch_size": 64, "lr": 5e-4, "ema": 0.99}
CALLS = (1, 2, 4, 20)
GRIDS = (5, 10)


def noises(n, seed):
    g = torch.Generator().manual_seed(rng.counter_seed("reflow", seed))
    return torch.randn(n, 1, 28, 28, generator=g)


def drawn(model, x, labels, sampler, levels, batch=200):
    parts = [slice(i, i + batch) for i in range(0, len(x), batch)]
    return torch.cat(
        [
            sample(model.given(labels[p]), model.schedule, x[p].shape, sampler, x=x[p], levels=levels, seed=0)
            for p in parts
        ]
    )


def even(schedule, path, calls):
    """`calls` levels of the schedule whose times on `path` are 1, 1 - 1/calls, …: those of one sigma/alpha, as far as the schedule goes."""
    low, high = schedule.at(0).nsr, schedule.at(schedule.T - 1).nsr
    nsrs = [min(max(path.at(1 - i / calls).nsr, low), high) for i in range(calls)]
    return [*(schedule.at(schedule.time_of(nsr)) for nsr in nsrs), CLEAN]


def even_in_log(schedule, calls):
    """`calls` levels of the schedule, evenly in log sigma/alpha from its last to its first."""
    return [*rising_levels(schedule, 0, schedule.T - 1, calls - 1)[::-1], CLEAN]


def bends(model, x, labels):
    """How bent the ways of these noises are, in x/(alpha + sigma): the x of the straight path at the same sigma/alpha."""
    walk = trajectory(model.given(labels), x, even(model.schedule, Straight(), 40), DDIM())
    found = bend([e.x / (e.at.alpha + e.at.sigma) for e in walk])
    return {"mean": round(found.mean().item(), 4), "median": round(found.median().item(), 4), "n": len(found)}


def judged(model, n):
    x, labels = noises(n, 1), evaluate.asked_for(n, 1)
    rows = {
        f"{calls} calls": looks(drawn(model, x, labels, DDIM(), even(model.schedule, Straight(), calls)), labels)
        for calls in CALLS
    }
    return rows | {"bend": bends(model, x[:100], labels[:100])}


def grids(model, n):
    x, labels, found = noises(n, 1), evaluate.asked_for(n, 1), {}
    for calls in GRIDS:
        ways = {
            "straight": even(model.schedule, Straight(), calls),
            "VP": even(model.schedule, VP(), calls),
            "log": even_in_log(model.schedule, calls),
        }
        for name, levels in ways.items():
            found[f"{name}, {calls} calls"] = looks(drawn(model, x, labels, DDIM(), levels), labels)
    return found


def reflowed(model, pairs, steps):
    """The average of `mnist-ddpm`, trained on with pairs of a noise and the digit that `model` makes of it."""
    x, labels = noises(pairs, 0), evaluate.asked_for(pairs, 0)
    digits = drawn(model, x, labels, DPMSolverPP(), model.schedule.levels(10))
    print(pairs, "pairs", flush=True)

    def loss(model, batch, generator):
        noise, digit, label = batch
        return model.loss(digit, label, noise=noise, generator=generator)

    again = weights.load("mnist-ddpm").requires_grad_(True)
    return train.run(again, (x, digits, labels), loss, steps=steps, **OPTIONS).requires_grad_(False)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    settings = {"pairs": options.pairs, "steps": options.steps, "samples": options.samples, "options": OPTIONS}
    table = table_of(options.out, settings, lambda: {"rows": {}})
    rows, model = table["rows"], weights.load("mnist-ddpm").requires_grad_(False)

    def keep(name, row):
        rows[name] = row
        files.write_json(options.out, table)
        print(name, row, flush=True)

    for name, measure in {"before": judged, "grid": grids}.items():
        if name not in rows:
            keep(name, measure(model, options.samples))
    if "after" not in rows or "strip" not in table:
        after = reflowed(model, options.pairs, options.steps)
        x, labels = noises(10, 2), torch.arange(10)
        ways = {"before": (model, 1), "after": (after, 1), "20 calls, before": (model, 20)}
        strip = [drawn(m, x, labels, DDIM(), even(m.schedule, Straight(), calls)) for m, calls in ways.values()]
        table["strip"] = {"rows": list(ways), "digits": images.pack(torch.cat(strip).clamp(-1, 1))}
        keep("after", judged(after, options.samples))


if __name__ == "__main__":
    main()
