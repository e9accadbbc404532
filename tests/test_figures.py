"""Every figure of the course, drawn from small data: it shows itself, says what it shows, and leaves matplotlib's state alone.

The cases are the tables `PICTURES` of the other test files, {what: function without arguments}; a lesson's stand in its own tests.
"""

import ast
import base64
import importlib
import inspect
import io
import pkgutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from diffcourse import plot

FILES = [
    path
    for path in sorted(Path(__file__).parent.glob("test_*.py"))
    if "\nPICTURES = {" in path.read_text(encoding="utf-8")
]
CASES = [
    pytest.param(draw, id=f"{path.stem.removeprefix('test_')}: {what}")
    for path in FILES
    for what, draw in importlib.import_module(path.stem).PICTURES.items()
]


@pytest.mark.slow
@pytest.mark.parametrize("draw", CASES)
def test_every_figure_shows_itself_with_alt_text_and_touches_no_global_state(draw):
    before = dict(matplotlib.rcParams)
    picture = draw()
    assert dict(matplotlib.rcParams) == before
    content, metadata = picture._repr_mimebundle_()
    png = base64.b64decode(content["image/png"])
    assert png.startswith(b"\x89PNG")
    Image.open(io.BytesIO(png)).verify()
    page = Image.open(io.BytesIO(png))
    grey = np.asarray(page.convert("L"))
    assert grey.min() < 100 and grey.max() > 250 and np.asarray(page.convert("RGB")).std() > 5  # something was drawn
    alt = metadata["image/png"]["alt"]
    assert len(alt) > 20 and alt == picture.alt and alt in content["text/plain"]


def test_every_figure_is_handed_on_and_has_a_case():
    modules = [importlib.import_module(f"diffcourse.plot.{m.name}") for m in pkgutil.iter_modules(plot.__path__)]
    figures = {
        name
        for module in modules
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if inspect.signature(function).return_annotation is plot.Picture
    }
    assert len(figures) > 50 and figures <= set(plot.__all__)
    without = sorted(figures - set().union(*map(drawn, FILES)))
    assert not without, f"no case in a table PICTURES draws {', '.join(without)}"


def drawn(path):
    """The names `plot.…` that stand in a file's table of pictures."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "PICTURES":
            attributes = [n for n in ast.walk(node.value) if isinstance(n, ast.Attribute)]
            return {n.attr for n in attributes if ast.unparse(n.value) == "plot"}
