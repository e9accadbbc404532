"""The package is a house: a module imports only what lies below it, and `LAYERS` is its picture."""

import ast
import graphlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

import pytest

import diffcourse

ROOT = Path(diffcourse.__file__).parent

LAYERS = """
__main__                                  python -m diffcourse
cli                                       lab, doctor, diagnose, sample, score, train, progress, exam, cheatsheet, grade, weights
exams, cheatsheet                         questions, problems and formulas of the course, on paper
__init__                                  the public names, each imported from its module when it is first used
doctor, grading                           can this machine run the course? the notebooks of a class, graded
paper                                     pages typeset as PDF
widgets                                   explorers, a module a lesson
plot, learn, lab                          figures, a module a lesson; exercises, checked; the lessons, copied and opened
clinic                                    somebody's own diffusion code, examined for the known mistakes
recipes                                   how each shipped weight was trained, a module a model
evaluate                                  who draws, who judges, with what sampler
scoring                                   anybody's digits, read from files and scored
metrics                                   the numbers, each beside its floor or ceiling
weights, train                            saved and loaded by names alone; the loop
stable_diffusion, adapters                Stable Diffusion 1.x in practice, and the bridge to diffusers; LoRA, a new word, ControlNet
latent, sde                               latent diffusion: autoencoder, denoiser and text in one; noise as a process
editing                                   a picture as the start, or kept around a mask; walks between noises and prompts
samplers, elbo, checkpoints               what is done with a denoiser; a training, kept
guidance, mixture, score, data, batches   a denoiser led, or exact; scores; digits and scenes; data of any kind, in batches
folders                                   a folder laid out as Stable Diffusion's, read part by part
ink                                       the strokes of scenes: found, compared, outlined, slanted
denoiser, models, scenes                  a network that knows its noise; networks only; captioned pictures
schedule, images, pictures, stored        noise; pictures, as numbers and as files; what lies in files, read without trust
gaussian, rng, files, console, download, profile, shipped, handout, stills, fence   the ground: nothing of the package but checks
checks                                    what functions ask of their arguments
"""

ROWS = [line.split("  ")[0].split(", ") for line in LAYERS.strip().splitlines()][::-1]
HEIGHT = {room: height for height, row in enumerate(ROWS) for room in row}
ONLY = {
    "models": {"gaussian", "rng", "shipped", "checks", "files", "stored", "download"},
    "weights": {"files", "shipped", "stored"},
}  # what these import besides themselves
BY_NAME = {
    "__init__",
    "weights",
    "learn.registry",
    "learn.bank",
    "doctor",
}  # use importlib, whose imports are not seen here


def sources(root: Path) -> dict[str, str]:
    """{"models.clip": its text, …}; "models" is models/__init__.py, "__init__" that of the package."""
    parts = {path: path.relative_to(root).with_suffix("").parts for path in sorted(root.rglob("*.py"))}
    names = {path: ".".join(p[:-1] if len(p) > 1 and p[-1] == "__init__" else p) for path, p in parts.items()}
    return {name: path.read_text(encoding="utf-8") for path, name in names.items()}


@cache
def named(text: str) -> set[str]:
    """All that a module imports, with the module that it is of: at its top, in its functions, and for types only."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def imported(text: str, known: Collection[str]) -> set[str]:
    """The modules of the package among them; "__init__" for a name that the package itself hands on."""
    found = set()
    for parts in (name.split(".")[1:] for name in named(text) if name.split(".")[0] == "diffcourse"):
        while parts and ".".join(parts) not in known:  # the last part is a name in the module before it
            parts.pop()
        found.add(".".join(parts) or "__init__")
    return found


def faults(texts: dict[str, str]) -> list[str]:
    """What is not as in the picture, in sentences."""
    graph = {name: imported(text, texts) for name, text in texts.items()}
    room = {name: name.split(".")[0] for name in texts}
    told = [f"{r} stands nowhere in LAYERS" for r in sorted({*room.values()} - HEIGHT.keys())]
    told += [f"{r} stands in LAYERS only" for r in sorted(HEIGHT.keys() - {*room.values()})]
    for name, text in texts.items():
        for other in sorted(graph[name]):
            if room[name] != room[other] and not HEIGHT.get(room[other], 99) < HEIGHT.get(room[name], 99):
                told.append(f"{name} imports {other}, which does not lie below it")
            if room[name] in ONLY and room[other] not in {room[name], *ONLY[room[name]]}:
                told.append(f"{name} is not to know of {other}")
        if any(each.startswith(".") for each in named(text)):
            told.append(f"{name} imports relative to itself: say diffcourse, so that it is seen here")
        if name not in BY_NAME and named(text) & {"importlib", "importlib.import_module"}:
            told.append(f"{name} imports by name, which is not seen here")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        told.append(f"circle: {' imports '.join(reversed(error.args[1]))}")
    return told


def test_every_module_imports_only_what_lies_below_it():
    assert faults(sources(ROOT)) == []


@pytest.mark.parametrize(
    ("module", "line", "fault"),
    [
        ("schedule", "import diffcourse.samplers", "schedule imports samplers, which does not lie below it"),
        ("denoiser", "def f():\n    from diffcourse.latent import LatentDiffusion", "denoiser imports latent"),
        ("scenes", "if TYPE_CHECKING:\n    from diffcourse.data import ImageData", "circle: "),
        ("train", "from diffcourse import weights", "train imports weights, which does not lie below it"),
        ("metrics", "from diffcourse import clipped", "metrics imports __init__, which does not lie below it"),
        ("models.unet", "from diffcourse import schedule", "models.unet is not to know of schedule"),
        ("weights", "from diffcourse.latent import LatentDiffusion", "weights is not to know of latent"),
        ("models.layers", "from diffcourse.models.unet import SimpleUNet", "circle: models."),
        ("learn.source", "from diffcourse.learn.exercise import Exercise", "circle: learn."),
        ("rng", "from . import files", "rng imports relative to itself"),
        ("elbo", "import importlib", "elbo imports by name"),
        ("attention", "", "attention stands nowhere in LAYERS"),
    ],
)
def test_a_wrong_import_is_found(module, line, fault):
    texts = sources(ROOT)
    texts[module] = f"{texts.get(module, '')}\n{line}\n"
    assert any(told.startswith(fault) for told in faults(texts)), faults(texts)
