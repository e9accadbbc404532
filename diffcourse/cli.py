"""The command line: `python -m diffcourse lab | doctor | diagnose | sample | score | train | progress | exam |
cheatsheet | grade | weights`, also installed as `diffcourse`.

This module imports nothing heavy: each command imports what it needs. What a reader can mend is told in one sentence on stderr, with exit
code 2 for what she typed and 1 for the rest; a traceback means a bug. What can be known before work begins is told before.
"""

import argparse
import json
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from diffcourse import __version__, console
from diffcourse.console import fail
from diffcourse.files import check_writable, user_path

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MOST_DIGITS, MOST_SCENES = 1000, 100  # in one picture
SAMPLERS = {
    "ddpm": "DDPM", "ddim": "DDIM", "euler": "Euler", "euler-a": "EulerAncestral", "heun": "Heun", "lms": "LMS", "pndm": "PNDM",
    "dpmpp": "DPMSolverPP",
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 not possible here, 2 wrong arguments, 130 stopped with Ctrl-C."""
    code = console.run(lambda: _main(list(sys.argv[1:] if argv is None else argv)))
    if argv is None:  # all is said and written: a late Ctrl-C cannot stop it, only make Python's end noisy
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _main(given: list[str]) -> int:
    for text in given:
        if "\0" in text or not _is_text(text):
            raise ValueError(f"an argument must be text in UTF-8, got {text!r}")
    rest: list[str] = []
    if given[:1] == ["lab"] and "--" in given:
        cut = given.index("--")
        given, rest = given[:cut], given[cut + 1 :]
    arguments = parser().parse_args(given)
    arguments.jupyter = rest
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FileNotFoundError("the current folder is gone: start from another one") from error
    return arguments.run(arguments) or 0


def parser() -> argparse.ArgumentParser:
    """All commands with their arguments."""
    top = _Parser(
        prog="diffcourse",
        description="A course on diffusion models, and the package behind it.",
        epilog="`diffcourse COMMAND --help` shows examples. `python -m diffcourse` is the same command.",
    )
    top.add_argument("--version", action="version", version=f"diffcourse {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    lab = _command(commands, "lab", run_lab, "open the course in JupyterLab", LAB)
    lab.add_argument(
        "--dir", type=_path, default=Path("diffcourse-lessons"), help="where your lessons lie (%(default)s)"
    )
    lab.add_argument("--no-browser", action="store_true", help="only print the address")
    lab.add_argument("--copy-only", action="store_true", help="bring the lessons up to date, start nothing")
    lab.add_argument("--update", action="store_true", help="the same, and say what is new in each lesson")
    lab.add_argument("--with-outputs", action="store_true", help="lessons that show their results at once")

    doctor = _command(commands, "doctor", run_doctor, "check the installation and say how to mend it", DOCTOR)
    doctor.add_argument("--json", action="store_true", help="for programs")

    diagnose = _command(commands, "diagnose", run_diagnose, "look for known mistakes in your own code", DIAGNOSE)
    diagnose.add_argument("path", type=_path, metavar="FILE", help="a program (.py), or losses (.csv .txt .json .npy)")
    diagnose.add_argument("--json", action="store_true", help="for programs")
    diagnose.add_argument("--seed", type=_whole(0, 2**31), default=0, help="of the examination (%(default)s)")

    sample = _command(commands, "sample", run_sample, "draw digits, or scenes from a prompt", SAMPLE)
    sample.add_argument("--prompt", help="what to draw, in words: a scene of one digit")
    sample.add_argument("--negative", help="with --prompt: what to lead the picture away from")
    sample.add_argument("--image", type=_path, help="with --prompt: a picture to begin with, cut to a square")
    sample.add_argument(
        "--strength", type=_number(0, 1), help="with --image: 0 keeps it, 1 forgets it (0.8; 1 with --mask)"
    )
    sample.add_argument("--mask", type=_path, help="with --image: a picture, white where it is to be drawn anew")
    sample.add_argument(
        "--as-written",
        action="store_true",
        default=None,
        help="with --prompt: do not complete a prompt that leaves something open",
    )
    sample.add_argument("--n", type=_whole(1, MOST_SCENES), help="with --prompt: how many pictures (1)")
    sample.add_argument("--digits", type=_digits, help="without --prompt: what to draw, one image each (0123456789)")
    sample.add_argument(
        "--guidance", type=_number(-1000, 1000), help="1 is the plain model, more is stricter (2, and 5 with --prompt)"
    )
    sample.add_argument("--steps", type=_whole(1), default=20, help="levels of noise to walk through (%(default)s)")
    sample.add_argument(
        "--seed", type=_whole(0, 2**63 - 1), default=0, help="another number, other digits (%(default)s)"
    )
    sample.add_argument("--out", type=_picture, help="the picture to write (digits.png, scene.png)")
    sample.add_argument("--weights", help="a shipped name, or a .safetensors file (mnist-ddpm, captioned-ldm)")
    sample.add_argument(
        "--sampler",
        choices=SAMPLERS,
        metavar="NAME",
        help="how to walk from noise to image: %(choices)s (the course's best choice)",
    )
    sample.add_argument("--eta", type=_number(0, 1), help="noise of --sampler ddim, from 0 to 1 (0)")
    sample.add_argument("--device", default="cpu", help="cpu, cuda or mps (%(default)s)")

    score = _command(commands, "score", run_score, "score digits of yours: the benchmark", SCORE)
    score.add_argument("path", type=_path, metavar="PATH", help="a folder of pictures, or a tensor in a file")
    score.add_argument("--labels", type=_path, metavar="FILE", help="the digits that were asked for, in a second file")
    score.add_argument("--json", type=_path, metavar="FILE", help="also write the numbers there, for programs")
    score.add_argument("--markdown", action="store_true", help="print them as a table for a README")
    score.add_argument(
        "--seed", type=_whole(0, 2**63 - 1), default=0, help="of more than 10,000 digits, which ones (%(default)s)"
    )

    train = _command(commands, "train", run_train, "train one of the shipped weights again", TRAIN)
    train.add_argument("name", nargs="?", help="which one; --list shows them")
    train.add_argument("--list", action="store_true", help="list what can be trained")
    train.add_argument(
        "--profile", choices=("smoke", "laptop", "gpu"), help="how long ($DIFFCOURSE_PROFILE, else laptop)"
    )
    train.add_argument("--out", type=_path, default=Path("runs"), help="the folder for the result (%(default)s)")
    train.add_argument("--resume", action="store_true", help="go on where a stopped training was")
    train.add_argument("--start", metavar="WEIGHTS", help="go on from a shipped name or a .safetensors file")
    train.add_argument(
        "--seed",
        type=_whole(0, 2**63 - 1),
        default=0,
        help="of the initial weights, data order and noise (%(default)s)",
    )

    progress = _command(commands, "progress", run_progress, "show which exercises are done", PROGRESS)
    progress.add_argument("lesson", nargs="?", help="one lesson, such as 02, with all its exercises")
    grade = _command(commands, "grade", run_grade, "grade the notebooks of a class", GRADE)
    grade.add_argument("folder", type=_path, metavar="FOLDER", help="where the notebooks lie, at any depth")
    grade.add_argument("--out", type=_path, default=Path("grades.csv"), help="the table to write (%(default)s)")
    grade.add_argument("--jobs", type=_whole(1, 256), default=1, help="notebooks at once (%(default)s)")
    grade.add_argument("--minutes", type=_number(0.05, 1440), default=10, help="for one notebook (%(default)s)")
    grade.add_argument(
        "--profile", choices=("smoke", "laptop", "gpu"), default="smoke", help="how long cells compute (%(default)s)"
    )

    exam = _command(commands, "exam", run_exam, "write an exam on paper, and its solutions", EXAM)
    exam.add_argument("--seed", type=_whole(0, 2**63 - 1), default=0, help="another number, another exam (%(default)s)")
    exam.add_argument("--lessons", metavar="LIST", help="which ones, such as 01,02,03 (01 to 10)")
    exam.add_argument("--out", type=_pdf, default=Path("exam.pdf"), help="the PDF to write (%(default)s)")
    sheet = _command(commands, "cheatsheet", run_cheatsheet, "write the formulas of the course on one page", CHEATSHEET)
    sheet.add_argument("--out", type=_pdf, default=Path("cheatsheet.pdf"), help="the PDF to write (%(default)s)")
    weights = _command(commands, "weights", run_weights, "list the shipped weights", WEIGHTS)
    weights.add_argument("--markdown", action="store_true", help="as the table of the README")
    return top


# -- the commands -----------------------------------------------------------------------------------------------------

LAB = """Copies the lessons to a folder of yours, without their results, and opens them
in JupyterLab. What you changed there is never overwritten: after an update of
the course, lessons that you worked in are kept, and the new version lies beside
yours as NAME.new.ipynb. --update says what is new, heading by heading.

  diffcourse lab
  diffcourse lab --dir ~/diffusion
  diffcourse lab --update
  diffcourse lab --no-browser -- --port 9000   (what follows -- is JupyterLab's)"""


def run_lab(arguments: argparse.Namespace) -> int:
    from diffcourse import lab

    for sentence in lab.copy(arguments.dir, outputs=arguments.with_outputs, news=arguments.update):
        print(sentence)
    if arguments.copy_only or arguments.update:
        return 0
    return lab.start(arguments.dir, browser=not arguments.no_browser, arguments=arguments.jupyter)


DOCTOR = """Checks versions, device, memory, disk, kernel, data, weights and network, and
says for each problem how to mend it. It downloads and changes nothing; to see
whether there is a network it opens a connection to pypi.org, and sends nothing.
Exit code 0: nothing stops the course.

  diffcourse doctor
  diffcourse doctor --json"""


def run_doctor(arguments: argparse.Namespace) -> int:
    from diffcourse import doctor

    findings = doctor.examine(online=True)
    print(json.dumps(doctor.as_json(findings), indent=1) if arguments.json else doctor.report(findings))
    return 1 if doctor.stops(findings) else 0


DIAGNOSE = """Looks for some 35 known mistakes in diffusion code of yours. A program is run as
it is, and examined by its variables: network, data, betas, q_sample, loss,
sampler, guided, losses, labels, null, ema, vae and vae_loss, or usual synonyms,
as far as it has them (`help(diffcourse.clinic.clinic)` says what each must be).
A file of numbers is a curve of losses, or pairs of step and loss.

  diffcourse diagnose mine.py
  diffcourse diagnose losses.csv
  diffcourse diagnose mine.py --json"""


def run_diagnose(arguments: argparse.Namespace) -> int:
    from diffcourse.clinic import clinic, programs

    given = programs.read(arguments.path)
    found = clinic(**{"seed": arguments.seed, **given})
    if arguments.json:
        print(json.dumps(found.as_dict(), indent=1))
    else:
        print(f"{arguments.path}: examined by {', '.join(given)}.\n{found}")
    return 1 if found.named else 0


SAMPLE = """Draws from shipped weights; no network is needed: digits, or with --prompt what
you ask for. The same seed gives the same picture.

  diffcourse sample
  diffcourse sample --digits 31415926 --guidance 3 --seed 7 --out pi.png
  diffcourse sample --sampler ddim --eta 0.5 --steps 50
  diffcourse sample --prompt "a large red seven on a blue background, top left"
  diffcourse sample --prompt "a small 4 on white" --negative black --n 4
  diffcourse sample --prompt "a black 6" --n 4   (the rest is left to chance)
  diffcourse sample --prompt "a large 7 on white" --image in.png --strength 0.7"""


def run_sample(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    if arguments.eta is not None and arguments.sampler not in (None, "ddim"):
        raise ValueError(f"--eta belongs to --sampler ddim, not to {arguments.sampler}")
    with_prompt = arguments.prompt is not None
    for option in ("digits",) if with_prompt else ("negative", "n", "image", "as_written"):
        if getattr(arguments, option) is not None:
            option = option.replace("_", "-")
            raise ValueError(f"--{option} does not go with --prompt" if with_prompt else f"--{option} needs a --prompt")
    for option in ("strength", "mask"):
        if getattr(arguments, option) is not None and arguments.image is None:
            raise ValueError(f"--{option} needs an --image")
    out = arguments.out or Path("scene.png" if with_prompt else "digits.png")
    check_writable(out)
    from diffcourse import evaluate, samplers
    from diffcourse.images import save

    sampler: Any = evaluate.SAMPLER
    if arguments.eta is not None:
        sampler = samplers.DDIM(arguments.eta)
    elif arguments.sampler is not None:
        sampler = getattr(samplers, SAMPLERS[arguments.sampler])()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        images, read = (_draw_scenes if with_prompt else _draw_digits)(arguments, sampler)
    save(images, out, columns=min(2 if with_prompt else 10, len(images)))
    for message in (
        warning.message for warning in told if warning.category is UserWarning
    ):  # words that it does not know
        fail(message, 0)
    many = f"{len(images)} images" if len(images) > 1 or not with_prompt else "1 image"
    print(f"{out}: {many} in {time.perf_counter() - start:.1f} s, {arguments.steps} steps of {sampler}")
    print(read)
    return 0


def _draw_digits(arguments: argparse.Namespace, sampler: Any) -> tuple[Any, str]:
    from diffcourse import metrics, samplers, weights
    from diffcourse.denoiser import Denoiser
    from diffcourse.guidance import clipped, guided

    name = arguments.weights or "mnist-ddpm"
    model = weights.load(name, _device(arguments.device))
    if not isinstance(model, Denoiser) or model.null is None:
        raise ValueError(f"--weights {name}: not a denoiser that knows labels, but a {type(model).__name__}")
    labels = [int(digit) for digit in arguments.digits or "0123456789"]
    denoise = clipped(guided(model, labels, 2.0 if arguments.guidance is None else arguments.guidance))
    shape, options = (len(labels), 1, 28, 28), {"seed": arguments.seed, "device": arguments.device}
    try:
        images = samplers.sample(denoise, model.schedule, shape, sampler, arguments.steps, batch=100, **options)
    except (RuntimeError, IndexError) as error:  # of other pictures, or fewer labels
        raise ValueError(f"--weights {name}: does not draw digits of 28x28 pixels ({error})") from error
    read = metrics.probabilities(images.cpu()).argmax(dim=1).tolist()
    right = sum(a == b for a, b in zip(read, labels, strict=True))
    return images, f"the judge reads {''.join(map(str, read))}: {right} of {len(labels)} right"


def _draw_scenes(arguments: argparse.Namespace, sampler: Any) -> tuple[Any, str]:
    from diffcourse import metrics, scenes, weights
    from diffcourse.latent import LatentDiffusion, pil_to_images

    name, n = arguments.weights or "captioned-ldm", 1 if arguments.n is None else arguments.n
    if name not in weights.names() and Path(name).expanduser().is_dir():
        model = LatentDiffusion.from_pretrained(name, _device(arguments.device))
    else:
        model = weights.load(name, _device(arguments.device))
    if not isinstance(model, LatentDiffusion):
        raise ValueError(f"--weights {name}: not a model that reads prompts, but a {type(model).__name__}")
    image, mask = (_square(option, getattr(arguments, option), model.size) for option in ("image", "mask"))
    prompts = [arguments.prompt] * n
    if name == "captioned-ldm" and not arguments.as_written:
        like = None
        if image is not None:  # what the prompt leaves open is as in the picture that it edits
            seen = metrics.read_scene(pil_to_images(image, model.autoencoder))[0].tolist()
            like = [value if value >= 0 else None for value in seen]
        prompts = list(scenes.completed(prompts, arguments.seed, like=like))
    images = model.generate(
        prompts,
        image=image,
        strength=arguments.strength,
        mask=mask,
        guidance=5.0 if arguments.guidance is None else arguments.guidance,
        steps=arguments.steps,
        sampler=sampler,
        seed=arguments.seed,
        negative=arguments.negative or "",
        progress=sys.stderr.isatty(),
    )
    if images.shape[1:] != (3, scenes.SIDE, scenes.SIDE):
        return images, f"{images.shape[3]}x{images.shape[2]} pixels each"
    asked, lines = scenes.attributes_of(arguments.prompt), []
    for prompt, shown in zip(prompts, metrics.read_scene(images).tolist(), strict=True):
        if prompt != arguments.prompt:
            lines.append(f"asked for: {prompt}")
        wrong = [k for k, a, b in zip(scenes.ATTRIBUTES, asked, shown, strict=True) if a is not None and a != b]
        seen = scenes.caption(shown) if min(shown) >= 0 else "no digit"
        lines.append(f"the judge reads: {seen}" + (f" (not the {', '.join(wrong)} asked for)" if wrong else ""))
    return images, "\n".join(lines)


def _square(option: str, path: Path | None, size: int) -> Any:
    """The picture file of an option, cut to a square and resized."""
    from diffcourse.latent import load_image

    try:
        return None if path is None else load_image(path, size)
    except (OSError, ValueError) as error:
        raise ValueError(f"--{option}: {error}") from error


SCORE = """Scores anybody's digits beside what real ones score: distance, precision,
recall, density, coverage, what two judges recognise, the balance of labels,
ink, grey pixels, copies of training digits. The benchmark is of exactly 10,000.

PATH is a folder of pictures, or a .safetensors, .npy, .npz or .pt file that
holds (N, 28, 28) or (N, 1, 28, 28): white digits on black, in bytes or in
numbers from [0, 1] or [-1, 1]. Nothing is downloaded: copies are looked for
where the full MNIST lies already ($DIFFCOURSE_DATA). Takes a minute or two.

  diffcourse score digits.npy
  diffcourse score folder/ --markdown
  diffcourse score digits.pt --labels labels.pt --json score.json"""


def run_score(arguments: argparse.Namespace) -> None:
    from diffcourse import scoring
    from diffcourse.files import write_json

    if arguments.json:
        check_writable(arguments.json)
    images, labels, what = scoring.read(arguments.path, arguments.labels)
    report = scoring.report(images, labels, seed=arguments.seed)
    print(report.table() if arguments.markdown else report)
    cited = f"“digits benchmark {scoring.BENCHMARK} of diffcourse {__version__}”"
    print(f"Read as {what}{', with labels' if labels is not None else ''}. To cite it: CITATION.cff, and say {cited}.")
    if arguments.json:
        write_json(arguments.json, {"diffcourse": __version__, "read_as": what, **report.as_dict()})
        print(f"{arguments.json} holds the numbers")


TRAIN = """Trains one of the shipped weights again, and measures it. Ctrl-C stops it;
--resume goes on from there, to the very same weights.

  diffcourse train --list
  diffcourse train mnist-ddpm --profile laptop --out runs
  diffcourse train mnist-ddpm --profile laptop --out runs --resume
  diffcourse train captioned-ldm --start captioned-ldm --out runs
  diffcourse sample --weights runs/mnist-ddpm.safetensors"""


def run_train(arguments: argparse.Namespace) -> int:
    from diffcourse import recipes

    if arguments.list or arguments.name is None:
        if not arguments.list:
            raise ValueError(f"say which: {', '.join(recipes.RECIPES)}")
        width = max(map(len, recipes.RECIPES))
        for name, recipe in recipes.RECIPES.items():
            about = recipe.about if isinstance(recipe, recipes.Recipe) else (recipe.__doc__ or "").splitlines()[0]
            print(f"{name:<{width}}  {about}")
        return 0
    from diffcourse import weights

    name, out = arguments.name, arguments.out
    options = {"profile": arguments.profile, "seed": arguments.seed, "start": arguments.start}
    run = recipes.run(name, out=out, resume=arguments.resume, **options)
    try:
        _follow(run, getattr(recipes.RECIPES[name], "options", {}).get("batch_size", 64))
    except KeyboardInterrupt:
        getattr(run, "close", lambda: None)()  # which writes where it stands
        return fail(_how_to_resume(arguments), 130) if _first_process() else 130
    if not _first_process():
        return 0
    path = out / f"{name}.safetensors"
    card = weights.verify(path)
    print(f"{path} ({card['bytes'] / 1e6:.1f} MB) and its card {path.with_suffix('.json').name}")
    print("\n".join(_metrics(card)))
    return 0


def _follow(run: Any, batch_size: int) -> None:
    """The training to its end, with its bar on stderr."""
    from diffcourse.train import followed

    for p in followed(run, batch_size):
        if p.step == p.steps and _first_process():
            print("Measuring the result ...", file=sys.stderr)


def _first_process() -> bool:
    """Of the processes of `accelerate launch` or `torchrun`, the one that writes and speaks."""
    return os.environ.get("RANK", "0") == "0"


def _how_to_resume(arguments: argparse.Namespace) -> str:
    if not (arguments.out / f"{arguments.name}.checkpoint").exists():
        return "stopped before the first checkpoint: nothing was saved"
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return "stopped; to go on: the same command with --resume, with as many processes"
    command = ["python", "-m", "diffcourse", "train", arguments.name, "--out", str(arguments.out)]
    command += ["--profile", arguments.profile] if arguments.profile else []
    command += ["--seed", str(arguments.seed)] if arguments.seed else []
    command += ["--start", arguments.start] if arguments.start else []
    return f"stopped; to go on: {console.line(*command, '--resume')}"


PROGRESS = """Shows how far each lesson is done and what is next; of the lessons that are
begun, and of one that you name, each exercise with attempts and hints.

  diffcourse progress
  diffcourse progress 02"""


def run_progress(arguments: argparse.Namespace) -> None:
    from diffcourse.learn import progress

    try:
        print(progress(arguments.lesson))
    except KeyError as error:  # no such lesson
        raise ValueError(error) from error


GRADE = """Grades the notebooks of a class by the course's own checks, whatever they print:
FOLDER/anna/02_ddpm_math.ipynb, or FOLDER/anna_02_ddpm_math.ipynb. Only the
cells that an exercise needs are run, in the quick profile, each notebook shut
in, without a network; your files are not written to. The table has a line a
notebook and a column an exercise. The same command goes on with a stopped run.

  diffcourse grade handed-in
  diffcourse grade handed-in --out week3.csv --jobs 2 --minutes 5"""


def run_grade(arguments: argparse.Namespace) -> int:
    from diffcourse import fence, grading

    out = arguments.out
    check_writable(out)
    journal = out.with_name(f"{out.name}.journal")
    options = {"minutes": arguments.minutes, "jobs": arguments.jobs, "profile": arguments.profile}
    if not fence.walled():
        print("There are no namespaces here: notebooks are kept from harm by Python alone.", file=sys.stderr)
    try:
        grades = grading.grade(
            arguments.folder, journal=journal, said=lambda found: console.say(grading.summary(found)), **options
        )
    except KeyboardInterrupt:
        return fail(f"stopped; the same command goes on from {journal}", 130)
    grading.write_csv(grades, out)
    journal.unlink(missing_ok=True)
    print(f"{out} holds the grades of {len(grades)} notebooks")
    return 0


EXAM = """Writes an exam of 90 minutes for paper: questions and problems from all
lessons, or from those you name, and a second PDF with worked solutions and
marks. The same seed gives the same exam, for one version of the course.

  diffcourse exam --seed 1
  diffcourse exam --seed 2 --lessons 01,02,03 --out midterm.pdf"""


def run_exam(arguments: argparse.Namespace) -> None:
    solutions = arguments.out.with_name(f"{arguments.out.stem}-solutions{arguments.out.suffix}")
    for path in (arguments.out, solutions):
        check_writable(path)
    from diffcourse import exams

    lessons = None if arguments.lessons is None else [name.strip() for name in arguments.lessons.split(",")]
    drawn = exams.exam(arguments.seed, lessons)
    drawn.save(arguments.out)
    drawn.save_solutions(solutions)
    print(f"{arguments.out}: {len(drawn.questions)} questions, {len(drawn.problems)} problems, {drawn.marks} minutes")
    print(f"{solutions}: their solutions, with marks")


CHEATSHEET = """Writes the formulas of the course on one page of A4, each beside the function
of the package that computes it.

  diffcourse cheatsheet
  diffcourse cheatsheet --out formulas.pdf"""


def run_cheatsheet(arguments: argparse.Namespace) -> None:
    check_writable(arguments.out)
    from diffcourse import cheatsheet

    print(f"{cheatsheet.page().save(arguments.out)}: one page")


WEIGHTS = """Lists the shipped weights: size, what they are, what was measured, and whether
the files are intact.

  diffcourse weights"""


def run_weights(arguments: argparse.Namespace) -> int:
    from diffcourse import weights

    if arguments.markdown:
        print(markdown(weights.available()))
        return 0
    damaged = {}
    for name in weights.names():
        try:
            card = weights.verify(name)
        except (OSError, ValueError) as error:
            damaged[name] = error
            print(f"{name}  DAMAGED")
            continue
        print(f"{name}  {card['bytes'] / 1e6:.2f} MB, verified")
        print("\n".join(f"  {line}" for line in [card.get("about", ""), *_metrics(card)]))
    for error in damaged.values():
        fail(error, 1)
    return 1 if damaged else 0


def markdown(cards: dict[str, dict[str, Any]]) -> str:
    """The shipped weights as a Markdown table, one measured figure a row."""
    lines = ["| weights | MB | what | measured |", "|---|---|---|---|"]
    for name, card in cards.items():
        lines.append(f"| `{name}` | {card['bytes'] / 1e6:.2f} | {card['about']} | {_headline(card)} |")
    return "\n".join(lines)


def _headline(card: dict[str, Any]) -> str:
    """The one figure to know: the card's `headline` with its metrics put in, such as "right: {guidance 2, 20 steps[right]}".

    The first of its measured lines where a card names none, or one that was not measured.
    """
    try:
        told = str(card["headline"].format_map(card["metrics"]))
    except KeyError:
        told = ""
    return told or next(iter(_metrics(card)), "")


def _metrics(card: dict[str, Any]) -> list[str]:
    """The measured numbers of a card: the plain ones in one line, then a line for each group."""
    metrics = {key.replace("_", " "): value for key, value in card.get("metrics", {}).items()}
    plain = [f"{key}: {value}" for key, value in metrics.items() if not isinstance(value, dict)]
    groups = [f"{key}: {_pairs(values)}" for key, values in metrics.items() if isinstance(values, dict)]
    return ([", ".join(plain)] if plain else []) + groups


def _pairs(values: dict[str, Any]) -> str:
    told = {key.replace("_", " "): value for key, value in values.items()}
    return ", ".join(f"{key} ({_pairs(v)})" if isinstance(v, dict) else f"{key} {v}" for key, v in told.items())


# -- arguments --------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, where to find help, and nothing more."""

    def error(self, message: str) -> None:
        self.exit(fail(f"{message} ({self.prog} --help shows how)", 2))

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), end="", file=file)  # argparse's own swallows that the output is full


def _command(commands: Any, name: str, run: Any, about: str, more: str) -> argparse.ArgumentParser:
    layout = argparse.RawDescriptionHelpFormatter
    command = commands.add_parser(name, help=about, description=more, formatter_class=layout)
    command.set_defaults(run=run)
    return command


def _digits(text: str) -> str:
    if not text or any(c not in "0123456789" for c in text) or len(text) > MOST_DIGITS:
        many = f", {len(text)} of them" if len(text) > MOST_DIGITS else ""
        raise _wrong(f"1 to {MOST_DIGITS} digits 0 to 9, such as 2026", text, many)
    return text


def _whole(least: int, most: int | None = None) -> Callable[[str], int]:
    return lambda text: int(_within(int, text, f"a whole number {_range(least, most)}", least, most))


def _number(least: float, most: float) -> Callable[[str], float]:
    return lambda text: _within(float, text, f"a number {_range(least, most)}", least, most)


def _within(kind: Any, text: str, allowed: str, least: float, most: float | None) -> float:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value <= (math.inf if most is None else most):
        raise _wrong(allowed, text)
    return value


def _range(least: float, most: float | None) -> str:
    return f"of at least {least}" if most is None else f"from {least} to {most}"


def _path(text: str) -> Path:
    try:
        return user_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _picture(text: str) -> Path:
    if not text.lower().endswith(PICTURES) or not Path(text).suffix:
        raise _wrong(f"a file that ends in {', '.join(PICTURES)}", text)
    return _path(text)


def _pdf(text: str) -> Path:
    if Path(text).suffix.lower() != ".pdf":
        raise _wrong("a file that ends in .pdf", text)
    return _path(text)


def _wrong(allowed: str, text: str, more: str = "") -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"must be {allowed}, got {text!r:.60}{more}")


def _device(text: str) -> str:
    import torch

    try:
        torch.ones(1, device=text).sum().item()
    except Exception as error:  # each backend has errors of its own
        raise ValueError(f"--device {text} cannot be used here: {str(error).splitlines()[0]}") from error
    return text


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:  # bytes that the shell handed over and no encoding explains
        return False
    return True
