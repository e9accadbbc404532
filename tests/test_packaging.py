"""The wheel is whole: built, installed into an empty folder, used from another directory."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import diffcourse

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.slow


def run(*command, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a copy, with what JupyterLab leaves behind
    source.mkdir()
    for name in ("diffcourse", "notebooks", "benchmarks", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(ROOT / name, source / name)
    (source / "notebooks" / ".ipynb_checkpoints").mkdir(exist_ok=True)
    (source / "notebooks" / ".ipynb_checkpoints" / "00-checkpoint.ipynb").write_text("{}", encoding="utf-8")
    run("-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    run("-m", "pip", "install", "--no-deps", "--no-index", "--quiet", "--target", folder, wheel, cwd=folder)
    return folder


def names(folder, pattern):
    return {path.name for path in (ROOT / folder).glob(pattern)}


def test_the_wheel_holds_package_weights_and_lessons_and_no_tests(wheel):
    inside = zipfile.ZipFile(wheel).namelist()
    lessons = {n.removeprefix("diffcourse/lessons/") for n in inside if n.startswith("diffcourse/lessons/")}
    tensors = {Path(n).name for n in inside if n.startswith("diffcourse/weights/")}
    modules = {n for n in inside if n.endswith(".py")}
    assert names("notebooks", "*.ipynb") and lessons >= names("notebooks", "*.ipynb")
    assert names("diffcourse/weights", "*.safetensors") and tensors >= names(
        "diffcourse/weights", "*.safetensors"
    ) | names("diffcourse/weights", "*.json")
    tables = {Path(n).name for n in inside if n.startswith("diffcourse/benchmarks/")}
    assert tables == names("benchmarks", "*.json")
    (config,) = (n for n in inside if n.endswith("/data/etc/jupyter/jupyter_server_config.d/diffcourse.json"))
    extensions = json.loads(zipfile.ZipFile(wheel).read(config))["ServerApp"]["jpserver_extensions"]
    assert extensions == {"diffcourse.stills": True}  # so any JupyterLab of the environment has it
    assert modules == {p.relative_to(ROOT).as_posix() for p in (ROOT / "diffcourse").rglob("*.py")}
    assert all(n.startswith(("diffcourse/", "diffcourse-")) for n in inside)
    assert not [
        n
        for n in inside
        if "test" in Path(n).name or "-checkpoint" in n or "_checkpoints" in n or n.endswith((".pyc", ".part"))
    ]
    assert any(n.endswith("licenses/LICENSE") for n in inside)
    assert wheel.name.split("-")[:2] == ["diffcourse", diffcourse.__version__]  # which stands nowhere else


def test_the_installed_copy_works_from_another_directory(installed, tmp_path):
    alone = {"PYTHONPATH": str(installed)}
    code = """
from pathlib import Path
import diffcourse, sys
from diffcourse import files, weights
assert files.benchmark("parameterisation")["rows"]
assert Path(diffcourse.__file__).is_relative_to(sys.argv[1]), diffcourse.__file__
for name, card in weights.available().items():
    print(name, type(weights.load(name) if "model" in card else weights.tensors(name)).__name__)
"""
    loaded = run("-c", code, installed, cwd=tmp_path, **alone)
    assert {line.split()[0] + ".safetensors" for line in loaded.splitlines()} == names(
        "diffcourse/weights", "*.safetensors"
    )
    listed = run("-m", "diffcourse", "weights", cwd=tmp_path, **alone)
    assert listed.count(", verified") == len(loaded.splitlines()) and "DAMAGED" not in listed
    told = run("-m", "diffcourse", "lab", "--copy-only", cwd=tmp_path, **alone)
    assert "copied to diffcourse-lessons" in told
    mine = tmp_path / "diffcourse-lessons"
    committed = {path.name: path.read_bytes() for path in (ROOT / "notebooks").glob("*.ipynb")}
    copied = {path.name: path.read_bytes() for path in mine.glob("*.ipynb")}
    assert copied.keys() == committed.keys()
    for name, content in copied.items():
        cells, ours = cells_of(content), cells_of(committed[name])
        assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]
        assert [(c["id"], c["source"], c["metadata"]) for c in cells] == [
            (c["id"], c["source"], c["metadata"]) for c in ours
        ]
    # as if handed out before one of its cells was there
    given = json.loads((mine / ".diffcourse.json").read_text(encoding="utf-8"))
    last = cells_of(committed["00_start_here.ipynb"])[-1]["id"]
    del given[":cells"]["00_start_here.ipynb"][last]
    given["00_start_here.ipynb"] = "another version"
    (mine / ".diffcourse.json").write_text(json.dumps(given), encoding="utf-8")
    notebook = json.loads(copied["00_start_here.ipynb"])
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != last]
    hers = json.dumps(notebook).encode()
    (mine / "00_start_here.ipynb").write_bytes(hers)
    told = run("-m", "diffcourse", "lab", "--update", cwd=tmp_path, **alone)
    assert "What is new in 00_start_here.ipynb (see 00_start_here.new.ipynb)" in told and "new: 1 cell of text" in told
    assert (mine / "00_start_here.ipynb").read_bytes() == hers
    assert (mine / "00_start_here.new.ipynb").read_bytes() == copied["00_start_here.ipynb"]
    code = "from diffcourse.learn import outcome, predict; predict('00.one_step', ...); outcome('00.one_step', 32.8)"
    asked = run("-c", code, cwd=tmp_path, DIFFCOURSE_HOME=str(tmp_path / "home"), **alone)  # nobody answers
    assert asked.startswith("Predict: ") and "33 floors" in asked
    run("-m", "diffcourse", "lab", "--copy-only", "--with-outputs", "--dir", "full", cwd=tmp_path, **alone)
    assert {path.name: path.read_bytes() for path in (tmp_path / "full").glob("*.ipynb")} == committed


def cells_of(content):
    return json.loads(content)["cells"]
