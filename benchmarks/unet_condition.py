"""How fast is the text-conditional U-Net, against diffusers' with the same weights? Ratios of seconds, ours over theirs.

    OMP_NUM_THREADS=1 python benchmarks/unet_condition.py

small: a network of the size of captioned-ldm, batch 8, latents 4x8x8, texts of 16 tokens: calls of 20 ms, in which Python counts too.
large: twice the width on latents 4x32x32, where only arithmetic counts.
Ours and theirs get the same inputs in turn, in another order every round, all in one process; for each the median over the rounds of
the seconds on the clock and of the CPU seconds. forward: under no_grad. training: forward and backward.

unet_condition.json: {head of common.py, rows: {name: {config, batch, latents,
words, parameters, operations (multiply-accumulates an image), deviation (largest, of the outputs), forward and training: {rounds, ours,
theirs (seconds), ratio, cpu_ratio}}}}. Above a load of 0.5 the clock tells little, and caches are shared: CPU seconds vary by 5 %.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from common import head, interleaved

from diffcourse import files
from diffcourse.models import UNet2DCondition, cost

ATTEND = {"down_block_types": ["CrossAttnDownBlock2D"] * 2, "up_block_types": ["CrossAttnUpBlock2D"] * 2}
COMMON = {**ATTEND, "layers_per_block": 1, "attention_head_dim": 4, "cross_attention_dim": 128, "norm_num_groups": 8}
ROWS = {  # config, side of the latents, rounds of forward and of training
    "small": ({**COMMON, "block_out_channels": [64, 128]}, 8, 150, 60),
    "large": ({**COMMON, "block_out_channels": [128, 256]}, 32, 15, 7),
}
BATCH, WORDS = 8, 16


def networks(config, seed=0):
    from diffusers import UNet2DConditionModel

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        theirs, ours = UNet2DConditionModel(**config), UNet2DCondition.from_diffusers(config)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def compare(ours, theirs, rounds):
    (wall, cpu), (their_wall, their_cpu) = interleaved([ours, theirs], rounds)
    seconds = {"rounds": rounds, "ours": round(wall, 5), "theirs": round(their_wall, 5)}
    return {**seconds, "ratio": round(wall / their_wall, 3), "cpu_ratio": round(cpu / their_cpu, 3)}


def measure(config, side, forwards, trainings):
    ours, theirs = networks(config)
    generator = torch.Generator().manual_seed(0)
    x, text = (torch.randn(s, generator=generator) for s in ((BATCH, 4, side, side), (BATCH, WORDS, 128)))
    t = torch.linspace(0, 999, BATCH)

    @torch.no_grad()
    def forward(network):
        out = network(x, t, text)
        return getattr(out, "sample", out)

    def training(network):
        out = network(x, t, text)
        getattr(out, "sample", out).square().mean().backward()
        network.zero_grad()

    return {
        "config": config,
        "batch": BATCH,
        "latents": [4, side, side],
        "words": WORDS,
        "parameters": sum(p.numel() for p in ours.parameters()),
        "operations": cost.operations(ours, x, t, text) // BATCH,
        "deviation": float(f"{(forward(ours) - forward(theirs)).abs().max():.2g}"),
        "forward": compare(partial(forward, ours), partial(forward, theirs), forwards),
        "training": compare(partial(training, ours), partial(training, theirs), trainings),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS))
    parser.add_argument("--rounds", type=int, default=None, help="in place of those of each row")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    import diffusers  # noqa: F401 (its version is told)

    table = {**head("diffusers"), "rows": {}}
    for name in args.only:
        config, side, forwards, trainings = ROWS[name]
        table["rows"][name] = row = measure(config, side, args.rounds or forwards, args.rounds or trainings)
        for kind in ("forward", "training"):
            told = "  ".join(f"{k} {v}" for k, v in row[kind].items())
            print(f"{name:6s} {row['parameters']:10,d} parameters  {kind:9s}", told, flush=True)
    files.write_json(args.out, table)
