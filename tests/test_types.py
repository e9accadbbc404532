"""Types: what is clean under mypy stays so, and the list of what is not yet can only shrink."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.version import Version

ROOT = Path(__file__).parent.parent
TO_DO = {
    # modules that mypy still finds fault with: one that has become clean is taken off, none is added
    "cli",
    "data",
    "latent",
    "learn/exercises/lesson_01/__init__",
    "learn/exercises/lesson_02/__init__",
    "learn/exercises/lesson_04/__init__",
    "learn/exercises/lesson_05a/__init__",
    "learn/exercises/lesson_05b/__init__",
    "models/autoencoder",
    "models/clip",
    "models/unet",
    "models/unet_condition",
    "models/vae",
    "plot/images",
    "plot/lesson_01",
    "plot/lesson_05b",
    "plot/picture",
    "recipes/denoisers",
    "scenes",
    "widgets/lesson_01",
    "widgets/lesson_03",
    "widgets/lesson_04",
    "widgets/lesson_05b",
    "widgets/lesson_05c",
}


@pytest.mark.slow
@pytest.mark.skipif(Version(torch.__version__) < Version("2.14"), reason="older versions of torch annotate otherwise")
def test_every_module_but_those_on_the_list_is_clean_under_mypy():
    command = [sys.executable, "-m", "mypy", "--cache-dir", "/dev/null", "--no-error-summary"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, encoding="utf-8")
    faults = re.findall(r"^diffcourse[/\\](.*)\.py:\d+: error: .*$", done.stdout, re.M)
    assert done.returncode in (0, 1), done.stdout + done.stderr
    unclean = {name.replace("\\", "/") for name in faults}
    assert unclean == TO_DO, (
        f"new: {sorted(unclean - TO_DO)}, to be taken off: {sorted(TO_DO - unclean)}\n{done.stdout}"
    )


def test_annotations_reach_who_uses_the_package():
    assert (ROOT / "diffcourse" / "py.typed").exists()
