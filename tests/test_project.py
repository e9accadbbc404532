"""What the project says about itself: its version, how it is cited, and the commands of its contributor's page."""

import ast
import json
import re
import shlex
import tomllib
from importlib.util import find_spec
from pathlib import Path

import lower_bounds
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version
from test_layers import LAYERS

import diffcourse
from diffcourse import cli
from diffcourse.learn import exercises, predictions
from diffcourse.learn.__main__ import main as learn

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FENCES = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S)
COMMANDS = [line for fence in FENCES for line in fence.splitlines()] + re.findall(r"`(\.venv\S*/bin/[^`]+)`", PAGE)
PYTHON = re.compile(r"(?:\.venv(?:-oldest)?/bin/)?python[\d.]*")


def block(marker):
    """The fenced block right after <!-- marker -->."""
    return re.search(rf"^<!-- {marker} -->\n```\w*\n(.*?)```$", PAGE, re.M | re.S)[1].strip()


def test_the_version_stands_once():
    project = PROJECT["project"]
    assert "version" not in project and project["dynamic"] == ["version"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "diffcourse/__init__.py"
    assert str(Version(diffcourse.__version__)) == diffcourse.__version__


def test_it_is_cited_by_its_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = PROJECT["project"]
    assert citation["version"] == diffcourse.__version__ and citation["license"] == project["license"]
    assert citation["title"] == f"{project['name']}: {project['description'][0].lower()}{project['description'][1:]}"
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert citation["repository-code"] == project["urls"]["Source"]
    assert {"cff-version", "message", "type"} <= set(citation)


def test_the_changelog_knows_this_version():
    """Newest first; what is not released yet stands on top, and no version is newer than the package's."""
    heads = re.findall(r"^## \[(.+?)\](.*)$", CHANGELOG, re.M)
    assert heads[0] == ("Unreleased", "")
    versions = [Version(name) for name, _ in heads[1:]]
    assert versions == sorted(versions, reverse=True) and all(v <= Version(diffcourse.__version__) for v in versions)
    assert all(re.fullmatch(r" - \d{4}-\d{2}-\d{2}", date) for _, date in heads[1:])
    kinds = set(re.findall(r"^### (.+)$", CHANGELOG, re.M))
    assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert f"[Unreleased]: {PROJECT['project']['urls']['Source']}" in CHANGELOG


def test_commits_are_linted_by_the_same_ruff():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    (bound,) = [r for r in PROJECT["project"]["optional-dependencies"]["test"] if Requirement(r).name == "ruff"]
    assert repository["repo"] == "local"  # no network but the index that the environment came from
    assert [hook["entry"].split()[:2] for hook in repository["hooks"]] == [["ruff", "check"], ["ruff", "format"]]
    for hook in repository["hooks"]:
        assert hook["additional_dependencies"] == [bound] and "--config" not in hook["entry"]
        assert set(hook["types_or"]) == {"python", "pyi", "jupyter"}
    assert not (ROOT / "ruff.toml").exists() and not (ROOT / ".ruff.toml").exists()


def test_the_oldest_versions_are_the_lower_bounds():
    found = dict(line.split("==") for line in lower_bounds.constraints(PROJECT["project"]))
    extras = PROJECT["project"]["optional-dependencies"]
    for requirement in map(Requirement, PROJECT["project"]["dependencies"] + extras["course"] + extras["test"]):
        assert requirement.specifier.contains(found[requirement.name])
        assert f">={found[requirement.name]}" in str(requirement.specifier)
    assert PROJECT["project"]["name"] not in found
    assert set(PROJECT["build-system"]["requires"]) <= set(extras["test"])  # what builds it is tested too


def test_a_requirement_without_a_lower_bound_is_refused():
    with pytest.raises(ValueError, match="without a lower bound: scipy<2"):
        lower_bounds.constraints({"name": "x", "dependencies": ["numpy>=1", "scipy<2"]})


def test_the_workflow_tests_the_newest_and_the_oldest_versions_every_week():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf-8"))
    assert len(workflow[True]["schedule"]) == 1  # YAML reads the key `on` as true
    newest, oldest = (workflow["jobs"][name]["steps"] for name in ("newest", "oldest"))
    assert newest[-1]["run"] == "bash .ci/run" and "cache" not in newest[1]["with"]
    assert oldest[-1]["run"].strip() == block("oldest")
    lowest = PROJECT["project"]["requires-python"].removeprefix(">=")
    assert oldest[1]["with"]["python-version"] == lowest and f"python{lowest} -m venv" in block("oldest")


def test_the_page_sets_up_the_extra_that_is_everything():
    make, install, hook = block("dev").split(" && ")
    assert make == "python3 -m venv .venv" and install == '.venv/bin/pip install -e ".[dev]"'
    assert hook == ".venv/bin/pre-commit install"
    everything = {
        Requirement(r).name: Requirement(r).extras for r in PROJECT["project"]["optional-dependencies"]["dev"]
    }
    assert everything["diffcourse"] == {"course", "test"} and {"coverage", "pre-commit"} <= set(everything)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_names_what_exists(command, capsys):
    for part in command.split(" && "):
        program, *arguments = shlex.split(part.split(" > ")[0])
        if program.endswith(("/pip", "/pre-commit")):
            continue
        assert PYTHON.fullmatch(program), program
        if arguments[0] != "-m":
            assert (ROOT / arguments[0]).is_file() or (ROOT / arguments[0] / "__main__.py").is_file()
        elif arguments[1] == "diffcourse":
            cli.parser().parse_args(arguments[2:])
        elif arguments[1] == "diffcourse.learn" and "--from" not in arguments:  # such a folder has a test of its own
            assert arguments[3] in {**exercises(), **predictions()}
            assert learn(arguments[2:]) == 0 and capsys.readouterr().out
        elif arguments[1] in ("coverage", "pre_commit"):  # of the extra `dev`
            pass
        else:
            assert find_spec(arguments[1]), arguments[1]
        for path in arguments:
            if re.fullmatch(r"(tests|notebooks|benchmarks|tools)/[\w./]+", path):
                assert (ROOT / path).exists(), path


def test_the_page_has_a_checklist_for_each_thing_and_its_links_lead_somewhere():
    heads = re.findall(r"^## (.+)$", PAGE, re.M)
    assert {"An exercise", "A figure", "An explorer", "A lesson", "A weight", "A benchmark", "Run a lesson"} <= set(
        heads
    )
    for head in heads:
        if head.startswith(("A ", "An ")) and head != "A release":
            steps = PAGE.split(f"## {head}\n")[1].split("\n## ")[0]
            assert re.findall(r"^(\d)\.", steps, re.M)[:3] == ["1", "2", "3"], head
            assert re.search(r"`\.venv/bin/python [^`]+`", steps), head
    for path in re.findall(r"\]\(([^)#:]+)\)", PAGE):
        assert (ROOT / path).exists(), path
    for anchor in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        assert anchor in {head.lower().replace(" ", "-") for head in heads}


def test_its_picture_of_the_layers_is_the_one_that_is_kept_and_its_paths_exist():
    assert block("layers") == LAYERS.strip()
    for path in re.findall(r"`((?:diffcourse|tests|benchmarks|tools)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists(), path


# -- every text is UTF-8, whatever the platform would make of it -----------------------------------------------------------


def unencoded(text):
    """The calls that open a file or a process as text without naming its encoding, as nodes of the syntax tree."""
    if not re.search(r"read_text|write_text|open\(|Temporary\w*File|text=|universal_newlines", text):
        return []  # quicker than to parse it
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    return [call for call in calls if "encoding" not in {word.arg for word in call.keywords} and _reads_text(call)]


def _reads_text(call):
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = [arg.value if isinstance(arg, ast.Constant) else None for arg in call.args]
    named = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    if name in ("read_text", "write_text"):
        return len(given) <= (name == "write_text")
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"):
        binary = "b" if "Temporary" in name else "r"
        place = 0 if "Temporary" in name or (isinstance(call.func, ast.Attribute) and name == "open") else 1
        if isinstance(call.func, ast.Attribute) and name == "open" and call.args and not given[0]:
            return False  # Image.open(path)
        mode = named.get("mode", given[place] if len(given) > place else binary)
        return bool(re.fullmatch(r"[rwaxt+]+", str(mode)))
    return True in (named.get("text"), named.get("universal_newlines"))


SOURCES = [
    path
    for folder in ("diffcourse", "tests", "tools", "benchmarks", "notebooks")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".ipynb") and ".ipynb_checkpoints" not in path.parts
]


def test_every_text_file_and_process_is_opened_as_utf_8():
    """Windows would take its own code page: a card, a lesson or a progress file that reads well here would stop a reader there."""
    found = []
    for path in [*SOURCES, ROOT / "conftest.py"]:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
            text = "\n".join(
                "".join(re.sub(r"^\s*[%!].*", "", line, flags=re.M) for line in cell) + "\n" for cell in cells
            )
        found += [f"{path.relative_to(ROOT)}:{call.lineno}" for call in unencoded(text)]
    assert not found, f'say encoding="utf-8" in {", ".join(found)}'


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("path.read_text()", 1),
        ("path.read_text(encoding='utf-8') + path.read_text('utf-8')", 0),
        ("path.write_text(a)", 1),
        ("path.write_text(a, 'utf-8')", 0),
        ("open(path), open(path, 'a'), open(path, mode='w')", 3),
        ("open(path, 'rb'), open(path, mode='ab'), Image.open(path), Image.open(io.BytesIO())", 0),
        ("path.open('w')", 1),
        ("path.open('wb')", 0),
        ("subprocess.run(a, text=True), Popen(a, universal_newlines=True)", 2),
        ("subprocess.run(a, text=True, encoding='utf-8'), subprocess.run(a)", 0),
        ("NamedTemporaryFile('w'), TemporaryFile(mode='w+')", 2),
        ("NamedTemporaryFile(), TemporaryFile(dir=a)", 0),
    ],
)
def test_what_is_opened_in_the_platforms_encoding_is_found(line, found):
    assert len(unencoded(line)) == found


def test_the_command_of_the_ci_makes_the_platforms_encoding_an_error():
    assert "export PYTHONWARNDEFAULTENCODING=1" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    filters = PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"]
    assert filters.index("ignore::EncodingWarning") < filters.index("error::EncodingWarning:diffcourse")
