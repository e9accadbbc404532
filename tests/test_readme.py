"""What the README promises: its commands, its code, its links and its numbers."""

import json
import os
import re
import stat
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import stand_ins
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from diffcourse import cli, weights
from diffcourse.learn import exercises

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
STABLE_DIFFUSION = re.findall(r"^<!-- sd -->\n```python\n(.*?)^```$", README, re.M | re.S)
USER_FACING = {"jupyterlab", "nbval", "torch", "torchvision", "matplotlib", "transformers", "ipywidgets"}


def block(marker):
    """The fenced block right after <!-- marker -->."""
    return re.search(rf"^<!-- {marker} -->\n```\w*\n(.*?)```$", README, re.M | re.S)[1].strip()


def test_the_two_commands():
    for command, extras in ((block("open"), "course"), (block("test"), "course,test")):
        assert "\n" not in command
        make, install, use = command.split(" && ")
        assert make == "python3 -m venv .venv"
        assert install == f'.venv/bin/pip install -e ".[{extras}]"'
        assert use in (".venv/bin/python -m diffcourse lab", ".venv/bin/python -m pytest -n 2")
        assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_cpu_only_line_takes_torch_and_torchvision_from_one_index():
    (line,) = [line for line in README.splitlines() if "--index-url" in line]
    assert "torch torchvision --index-url https://download.pytorch.org/whl/cpu" in line


@pytest.mark.slow
def test_its_code_runs(tmp_path):
    code, *examples = re.findall(r"^```python\n(.*?)^```$", README, re.M | re.S)
    assert examples == STABLE_DIFFUSION
    assert len([line for line in code.splitlines() if line]) <= 6
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["digits.png"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_its_examples_of_stable_diffusion_run_one_after_another(tmp_path, monkeypatch, capsys):
    """On a tiny random folder of that name, in which diffusers wrote what the real one holds; pictures a quarter as wide."""
    assert len(STABLE_DIFFUSION) == 6 and all(len(code.strip().splitlines()) <= 12 for code in STABLE_DIFFUSION)
    monkeypatch.chdir(tmp_path)
    stand_ins.pipeline().save_pretrained("stable-diffusion-v1-5")
    names = {}
    for code in STABLE_DIFFUSION:
        exec(code.replace("512", "128").replace("384", "96").replace("steps=50", "steps=5"), names)
    pictures = ["2m", "euler-a", "lighthouse", "seven", "seven-again", "theirs", "wrapper"]
    pictures += [f"step-{i:02}" for i in range(0, 20, 5)]
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == sorted(pictures)
    assert names["picture"].size == (128, 128) and names["images"].shape == (2, 3, 96, 128)
    assert "UniPC" in names["lacking"] and "| PLMS, PNDM |" in capsys.readouterr().out


def test_every_local_link_leads_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", README)
    local = [link for link in links if "://" not in link]
    assert len(local) >= 3
    for link in local:
        assert (ROOT / link).exists(), link


def test_the_map_links_the_lessons_that_exist_and_only_these():
    rows = re.findall(r"^\| (\[?)(\d\w+)(?:\]\(notebooks/(\w+)\.ipynb\))? \| ([^|]+) \| [^|]+ \|$", README, re.M)
    assert len({name for _, name, _, _ in rows}) == len(rows) == 15
    linked = {name for link, name, _, _ in rows if link}
    assert linked == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    for link, name, target, time in rows:
        assert target == (name if link else "") and (time == "to come") == (not link)


def test_the_weights_numbers_are_the_cards():
    table = re.search(r"<!-- weights -->\n(.*?)<!-- /weights -->", README, re.S)[1].strip()
    assert table == cli.markdown(weights.available()), "put in what `python -m diffcourse weights --markdown` prints"


def test_each_of_the_weights_has_one_figure():
    for name, card in weights.available().items():
        assert "headline" in card, f"say in the card of {name} which figure is the one to know"
        told = card["headline"].format_map(card["metrics"])
        assert re.search(r"\d", told) and len(told) <= 80 and "<br>" not in told, told
        assert f"| {told} |" in README


def test_a_card_without_a_headline_tells_its_first_line():
    card = {"bytes": 10**6, "about": "Draws.", "metrics": {"right": 0.5, "20 steps": {"distance": 1}}}
    for headline in ({}, {"headline": ""}, {"headline": "{50 steps[distance]}"}):  # none, or one that was not measured
        assert cli.markdown({"mine": card | headline}).splitlines()[-1] == "| `mine` | 1.00 | Draws. | right: 0.5 |"
    assert cli.markdown({"mine": {"bytes": 0, "about": "Draws."}}).endswith("| `mine` | 0.00 | Draws. |  |")


def test_nothing_is_left_open():
    assert "TODO" not in README


def test_its_commands_exist():
    used = re.findall(r"(?:python -m |`)diffcourse (\w+)", README)
    assert {"lab", "doctor", "sample", "weights"} <= set(used)
    parser = cli.parser()
    for name in used:
        with pytest.raises(SystemExit) as stop:
            parser.parse_args([name, "--help"])
        assert stop.value.code == 0


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["name"] and environment["channels"] == ["conda-forge", "nodefaults"]
    python, pip, section = environment["dependencies"]
    assert pip == "pip"
    *packages, ours = section["pip"]
    assert set(packages) == USER_FACING and len(packages) == len(
        USER_FACING
    )  # names alone: bounds stand in pyproject.toml
    known = PROJECT["dependencies"] + [r for some in PROJECT["optional-dependencies"].values() for r in some]
    assert {Requirement(r).name for r in known} >= USER_FACING
    assert ours == "-e .[course,test]"
    wanted, offered = SpecifierSet(PROJECT["requires-python"]), SpecifierSet(python.removeprefix("python"))
    minors = [f"3.{minor}" for minor in range(30)]
    assert list(offered.filter(minors)) and set(offered.filter(minors)) <= set(wanted.filter(minors))
    assert min(offered.filter(minors), key=minors.index) == min(wanted.filter(minors), key=minors.index)


def test_bounds_hold_here():
    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert requirement.specifier.contains(version(requirement.name)), requirement


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="needs bash")
def test_ci_runs_the_readmes_command():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    subprocess.run(["bash", "-n", script], check=True)
    extract = re.search(r"^command=\$\((awk .*?) README\.md", script.read_text(encoding="utf-8"), re.M)[1]
    found = subprocess.run(
        ["bash", "-c", f"{extract} README.md"], cwd=ROOT, capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert found.stdout.strip() == block("test")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    assert {system.split("-")[0] for system in job["strategy"]["matrix"]["os"]} == {"ubuntu", "macos", "windows"}
    assert job["steps"][-1]["run"] == "bash .ci/run"


def test_times_of_lessons_are_those_of_their_exercises():
    """The heading of each exercise and the minutes of each lesson say what the exercises do, the README what the lessons do."""
    told = dict(re.findall(r"\(notebooks/(\w+)\.ipynb\) \| (?:(\d+ h(?: \d+ min)?)) \|", README))
    for path in sorted({*(ROOT / "notebooks").glob("0[1-9]*.ipynb"), *(ROOT / "notebooks").glob("1*.ipynb")}):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        minutes = sum(e.minutes for e in exercises().values() if path.stem.startswith(f"{e.lesson}_"))
        core, said = map(
            int,
            re.search(r"\*\*Time\*\* (\d+) min.*?; (\d+) minutes of exercises", "".join(cells[0]["source"])).groups(),
        )
        assert abs(said - minutes) <= 5, f"{path.stem}: {said} minutes of exercises, which have {minutes}"
        hours, rest = re.fullmatch(r"(\d+) h(?: (\d+) min)?", told[path.stem]).groups("0")
        assert abs(60 * int(hours) + int(rest) - core - said) <= 5, path.stem
        above = ""
        for cell in cells:
            name = next((tag for tag in cell["metadata"].get("tags", []) if tag.startswith("exercise:")), "")
            if found := re.search(r"\((\d+) min, ★+\)(?!.*\(\d+ min, ★+\))", above, re.S) if name else None:
                assert int(found[1]) == exercises()[name.removeprefix("exercise:")].minutes, name
            above = "".join(cell["source"]) if cell["cell_type"] == "markdown" else "" if name else above
