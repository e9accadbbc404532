"""Six sets of digits under `diffcourse score`: what each number of the benchmark sees, and what it does not.

    python benchmarks/score.py --n 1000

Of each --n digits, 10,000 unless it is said, which lie in --sets as .npy files of bytes, so that
`python -m diffcourse score runs/digits/ddim-4.npy` says the same again. Needs the full MNIST ($DIFFCOURSE_DATA).

    real        training digits, drawn at random
    blurred     the same, blurred by a Gaussian of 0.7 pixels: one sees it at once
    vae         decoded by mnist-vae-20, of latents from its prior; the mean of each pixel
    ddpm        mnist-ddpm, guidance 1, the course's sampler (DPM-Solver++ 2M), 20 steps
    ddim-20     the same with DDIM
    ddim-4      the same with DDIM and four steps

agreement: how often both judges read the same, of test digits and of ddpm's. The table is written after each set; --only takes some.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from common import share, table_of
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from diffcourse import DDIM, data, evaluate, files, metrics, scoring, weights
from diffcourse.images import to_uint8


def real(n: int) -> Tensor:
    return data.mnist("train", source="auto").take(n, seed=0).images


def blurred(n: int) -> Tensor:
    return gaussian_blur(real(n), kernel_size=7, sigma=0.7)


def vae(n: int) -> Tensor:
    model = weights.load("mnist-vae-20")
    z = torch.randn(n, model.latent_dim, generator=torch.Generator().manual_seed(0))
    return evaluate.in_parts(model.to_images, z, size=500)


def drawn(n: int, **options) -> Tensor:
    return evaluate.digits(weights.load("mnist-ddpm"), n, **options)[0]


SETS = {
    "real": real,
    "blurred": blurred,
    "vae": vae,
    "ddim-4": lambda n: drawn(n, steps=4, sampler=DDIM()),
    "ddpm": drawn,
    "ddim-20": lambda n: drawn(n, sampler=DDIM()),
}
LABELLED = ("ddim-4", "ddpm", "ddim-20")


def agreement(images: Tensor) -> list[float]:
    """How often both judges read the same digit, with Wilson's interval."""
    first, second = (metrics.probabilities(images, judge).argmax(dim=1) for judge in (None, metrics.second_judge()))
    return share(first == second)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", default=list(SETS), choices=SETS, help="sets to score")
    parser.add_argument("--sets", type=Path, default=Path("runs/digits"), help="where the digits lie, or go")
    parser.add_argument("--draw", action="store_true", help="draw them, and score nothing")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    args.sets.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        path = args.sets / f"{name}.npy"
        if not path.exists():
            np.save(path, to_uint8(SETS[name](args.n)).numpy())
        if args.draw:
            continue
        fixed = {"n": args.n, "reference": weights.verify(metrics.REFERENCE)["sha256"]}
        table = table_of(args.out, fixed, lambda: {"sets": {}, "agreement": {}})
        images, _, _ = scoring.read(path)
        report = scoring.report(images, evaluate.asked_for(args.n) if name in LABELLED else None)
        print(name, report, sep="\n", end="\n\n")
        table["sets"][name] = report.as_dict()["lines"]
        if name == "ddpm":
            test = data.to_float(data.mnist("test", source="auto").images)
            table["agreement"] = {"test digits": agreement(test), "ddpm": agreement(images)}
        files.write_json(args.out, table)
