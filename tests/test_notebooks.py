"""The committed lessons: executed once in order, clean, small, and complete against the curriculum."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from lessons import cell_faults, faults, house_faults, items, normalise, unused_imports

ROOT = Path(__file__).parent.parent
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ITEMS = {  # lesson: first and last curriculum item that it must cover, and again
    "01_vae_and_elbo": (1, 52),
    "02_ddpm_math": (53, 125),
    "03_training_on_mnist": (126, 155),
    "04_ddim_and_fast_samplers": (156, 174),
    "05a_latents": (51, 52, 175, 187, 193, 195),
    "05b_text_and_attention": (188, 192, 196, 206, 216, 216),
    "05c_latent_diffusion_with_clip": (194, 194, 207, 215, 217, 220),
    "06_classifier_free_guidance": (221, 236),
    "07_score_matching": (89, 89, 237, 243),
    "08_sdes_and_probability_flow": (244, 246),
    "09_stable_diffusion": (247, 258),
    "10_vae_gan_diffusion": (259, 275),
    "11_review": (152, 153, 173, 173, 219, 219, 234, 234, 276, 326),
}


def test_there_are_lessons():
    assert ROOT / "notebooks" / "00_start_here.ipynb" in LESSONS


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_keeps_the_rules(path):
    assert not faults(path)


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_covers_its_items(path):
    ends = ITEMS.get(path.stem, ())
    wanted = [n for first, last in zip(ends[::2], ends[1::2], strict=True) for n in range(first, last + 1)]
    missing = {f"C{n:03d}" for n in wanted} - items(path)
    assert not missing


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_is_valid_and_its_outputs_are_there(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert sum(bool(cell.get("outputs")) for cell in notebook.cells if cell.cell_type == "code") >= 5
    assert all(output.get("metadata", {}).get("image/png", {}).get("alt") for output in _pictures(notebook))


def _pictures(notebook):
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [output for cell in cells for output in cell.outputs if "image/png" in output.get("data", {})]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_links_between_lessons_lead_somewhere(path):
    text = "\n".join("".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"])
    for target in re.findall(r"\]\(([^)#\s]+\.ipynb)", text):
        assert (path.parent / target).exists(), target


@pytest.mark.slow
def test_code_and_lessons_are_linted_and_formatted():
    for command in (["check", "--quiet"], ["format", "--check", "--quiet"]):
        run = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "."], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
        )
        assert run.returncode == 0, run.stdout + run.stderr


def test_the_lint_finds_what_it_should(tmp_path):
    """Each rule, broken once."""
    cell = nbformat.v4.new_code_cell("\n".join(f"x = {i}" for i in range(40)), execution_count=3)
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stderr", text="warning"),
        nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[]),
        nbformat.v4.new_output("display_data", data={"application/vnd.jupyter.widget-view+json": {}, "image/png": "x"}),
        nbformat.v4.new_output("stream", name="stdout", text="/home/me/x"),
    ]
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"widgets": {}})
    notebook.cells[0].metadata["items"] = ["C1"]
    path = tmp_path / "bad.ipynb"
    nbformat.write(notebook, path)
    told = "\n".join(faults(path))
    for word in (
        "widget state",
        "executed once",
        "set-up",
        "40 lines",
        "stored error",
        "stderr",
        "widget view",
        "alt",
        "absolute path",
        "'C1'",
    ):
        assert word in told, word
    clean = "\n".join(f for f in map(str, _after_normalising(notebook, path)))
    for word in ("widget state", "executed once", "stderr", "widget view"):
        assert word not in clean, word


@pytest.mark.parametrize("text", ["they agree: True\n", "agree: False, 3 apart\n", "[True, True]", "same True, next"])
def test_a_printed_agreement_is_asserted_or_compared(text):
    """A line that may say False with the suite green is refused, wherever it comes from."""
    for output in (
        nbformat.v4.new_output("stream", name="stdout", text=text),
        nbformat.v4.new_output("execute_result", {"text/plain": text}),
    ):
        cell = nbformat.v4.new_code_cell("print(a == b)", outputs=[output])
        assert [fault for fault in cell_faults(cell) if "nothing checks it" in fault]
        asserted = {**cell, "source": "assert a == b\nprint(a == b)"}
        tagged = {**cell, "metadata": {"tags": ["nbval-check-output"]}}
        assert cell_faults(asserted) == cell_faults(tagged) == []


def test_a_network_that_prints_itself_claims_nothing():
    said = nbformat.v4.new_output("execute_result", {"text/plain": "Linear(in_features=2, out_features=2, bias=True)"})
    assert not cell_faults(nbformat.v4.new_code_cell("layer", outputs=[said]))


def _after_normalising(notebook, path):
    nbformat.write(normalise(notebook), path)
    return faults(path)


def test_printed_lines_are_one_output_and_a_picture_between_them_stays_there(tmp_path):
    def said(text):
        return nbformat.v4.new_output("stream", name="stdout", text=text)

    picture = nbformat.v4.new_output("display_data", {"image/png": "iVBOR", "text/plain": "[a picture]"})
    cell = nbformat.v4.new_code_cell("1", outputs=[said("a\n"), said("b\n"), picture, said("c\n"), said("d\n")])
    (cell,) = normalise(nbformat.v4.new_notebook(cells=[cell])).cells
    assert [output.get("text") for output in cell.outputs] == ["a\nb\n", None, "c\nd\n"]


@pytest.mark.parametrize("path", LESSONS, ids=lambda p: p.stem)
def test_the_cells_of_a_lesson_keep_their_ids(path):
    cells = nbformat.read(path, as_version=4).cells
    assert [cell.id for cell in normalise(nbformat.read(path, as_version=4)).cells] == [cell.id for cell in cells]


def test_a_cell_put_in_changes_no_other_cell():
    """Not its id; only the counts below a new cell of code go up by one."""
    path = ROOT / "notebooks" / "00_start_here.ipynb"
    before = nbformat.read(path, as_version=4).cells
    for new, counted in ((nbformat.v4.new_markdown_cell("Look."), 0), (nbformat.v4.new_code_cell("x = 1"), 1)):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(5, new)
        after = normalise(notebook).cells
        assert after.pop(5).source == new.source
        assert after[:5] == before[:5]
        for ours, theirs in zip(after[5:], before[5:], strict=True):
            assert _moved(theirs, counted) == ours


def _moved(cell, by):
    """The cell with its counts `by` higher."""
    cell = copy.deepcopy(cell)
    for counted in [cell, *cell.get("outputs", [])] if cell.cell_type == "code" else []:
        if "execution_count" in counted:
            counted.execution_count += by
    return cell


def test_each_new_cell_gets_an_id_of_its_own():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x") for _ in range(4)])
    notebook.cells[0].id = notebook.cells[1].id = "kept"
    del notebook.cells[2]["id"]
    ids = [cell.id for cell in normalise(notebook).cells]
    assert ids[0] == "kept" and len(set(ids)) == 4


def _cells(*sources):
    md, code = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell
    return [md(source[3:]) if source.startswith("md ") else code(source) for source in sources]


def _kinds(*sources, guesses=True):
    return {kind for kind, _ in house_faults(_cells(*sources), guesses=guesses)}


def test_what_a_reader_is_spared_is_found():
    guesses = ['predict("09.a", ...)', 'predict("09.b", ...)', 'predict("09.c", ...)']
    assert _kinds("import torch", "torch.ones(3)", *guesses) == set()
    assert _kinds("import torch  # noqa: F401", "torch.ones(3)", *guesses) == {"noqa"}
    assert _kinds("import torch", f"torch.ones(3)  # {'x' * 79}", *guesses) == set()
    assert _kinds("import torch", f"torch.ones(3)  # {'x' * 80}", *guesses) == {"wide"}
    assert _kinds("import torch", "torch.ones(3)", *guesses[1:]) == {"guesses"}
    assert _kinds("import torch", "torch.ones(3)", *guesses[1:], "# predict(1)") == {"guesses"}
    assert _kinds("import torch", "torch.ones(3)", guesses=False) == set()


def test_what_a_set_up_cell_imports_is_used_or_explained():
    def unused(*sources):
        return unused_imports(_cells(*sources))

    first = "import torch.nn.functional as F\nfrom diffcourse.learn import (\n    check,\n    hint,\n)\nx = 1"
    assert unused(first) == ["F", "check", "hint"]
    assert unused(first, 'y = F.relu(check("09.a", x))\n# hint("09.a")') == []
    assert unused(first, "md `hint` helps; F and check are letters.", "check(1)") == ["F"]
    assert unused(f"{first}\nF = F.relu", "check, hint") == []
