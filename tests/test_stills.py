"""What stands in a saved notebook in the place of a widget: noted by the kernel, put there by the server.

`test_browser.py` looks at it as a reader does.
"""

import asyncio
import copy
import json
import os
import subprocess
import sys
import types

import ipywidgets
import learn_exercises as ours
import pytest
from learn_home import home  # noqa: F401  (a fixture)

from diffcourse import plot, stills, widgets
from diffcourse.learn.questions import quiz_widget

VIEW = stills.VIEW
WORDS = "run this cell to use it"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """As in a kernel, with a runtime folder of its own: (model id) -> the outputs that were kept."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(stills, "kernel", lambda: object())

    def read(widget):
        found = stills._read(widget)
        return found and found["outputs"]

    return read


def explorer():
    controls = {"a": widgets.slider("a", [1, 2, 3])}
    return widgets.Explorer(controls, lambda a: a, lambda v: plot.curves({"v": ([0, 1], [0, v])}, alt=f"<up> to {v}"))


def shown(widget, kind="execute_result"):
    """The output that a notebook holds once the widget was shown."""
    bundle = widget._repr_mimebundle_()
    data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
    count = {"execution_count": 3} if kind == "execute_result" else {}
    return {"output_type": kind, "data": {**data}, "metadata": {**metadata}, **count}


def notebook(*outputs):
    cell = {"cell_type": "code", "source": "", "metadata": {}, "outputs": list(outputs)}
    return {"type": "notebook", "content": {"cells": [{"cell_type": "markdown", "source": "", "metadata": {}}, cell]}}


def outputs(model):
    return model["content"]["cells"][1]["outputs"]


def test_nothing_is_kept_outside_a_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    shown(explorer())
    stills.keep_bars()
    assert not list(tmp_path.iterdir())


def test_the_last_picture_and_its_words_stand_for_an_explorer(kept):
    drawn = explorer()
    drawn.controls["a"].value = 2
    assert kept(drawn.model_id) is None  # nobody has seen it
    output, other = shown(drawn), {"output_type": "stream", "name": "stdout", "text": "x"}
    drawn.controls["a"].value = 3
    picture, words, rest = outputs(stills.freeze(notebook(output, other)))
    assert picture["data"]["image/png"] == shown(drawn)["data"]["image/png"] != output["data"]["image/png"]
    assert picture["output_type"] == "execute_result" and picture["metadata"]["image/png"] == {"alt": "<up> to 3"}
    assert words["output_type"] == "display_data" and "execution_count" not in words and rest == other
    assert "&lt;up&gt; to 3" in words["data"]["text/html"] and WORDS in words["data"]["text/html"]
    assert WORDS in words["data"]["text/plain"] and VIEW not in {**picture["data"], **words["data"]}


def test_a_page_that_is_loaded_again_gets_the_widget_back_while_its_kernel_lives(kept, monkeypatch):
    drawn = explorer()
    live = notebook(shown(drawn))
    saved = stills.freeze(copy.deepcopy(live))
    again = stills.thaw(copy.deepcopy(saved))
    assert outputs(again)[0]["data"] == outputs(live)[0]["data"] and len(outputs(again)) == 1
    assert outputs(stills.freeze(again)) == outputs(saved)
    monkeypatch.setattr(stills, "_process", lambda pid: [pid, 0.0])  # another process has its number now
    assert outputs(stills.thaw(copy.deepcopy(saved))) == outputs(saved)


@pytest.mark.slow
def test_a_process_that_is_gone_is_no_kernel():
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert stills._process(gone.pid) is None and stills._process(-1) is None
    assert stills._process(os.getpid()) == stills._process(os.getpid()) is not None


def test_a_quiz_is_kept_with_what_was_answered(kept, home):  # noqa: F811
    asked = quiz_widget(ours.QUIZ)
    output = shown(asked)
    before = outputs(stills.freeze(notebook(copy.deepcopy(output))))[0]["data"]
    assert "●" not in before["text/html"] and "What is left?" in before["text/html"] and WORDS in before["text/html"]
    asked.choices[1].value = 0
    asked.buttons[1].click()
    asked.choices[0].value = 0
    asked.buttons[0].click()
    (after,) = outputs(stills.freeze(notebook(output)))
    page, text = after["data"]["text/html"], after["data"]["text/plain"]
    assert page.count("●") == text.count("●") == 2 and "It falls." in page and "The root of 0.25." in page
    assert "Not this one." in text
    assert WORDS in page and WORDS in text and VIEW not in after["data"]
    assert "In the end." not in page  # the reason of an option that was not found
    asked.close_all()


class Publisher:
    """What a kernel displays with."""

    def __init__(self):
        self._hooks = []

    def register_hook(self, hook):
        self._hooks.append(hook)

    def show(self, widget):
        content = {"data": {VIEW: {"model_id": widget.model_id}, "text/plain": "0%"}}
        for hook in self._hooks:
            assert hook({"content": content})["content"] == content
            assert hook({"content": {}}) == {"content": {}}
        return {"output_type": "display_data", "metadata": {}, **content}


@pytest.fixture
def publisher(kept, monkeypatch):
    publisher = Publisher()
    monkeypatch.setattr(stills, "kernel", lambda: types.SimpleNamespace(display_pub=publisher))
    stills.keep_bars()
    stills.keep_bars()
    assert len(publisher._hooks) == 1
    return publisher


def bar(publisher, **options):
    from tqdm.notebook import tqdm

    made = tqdm(range(40), display=False, mininterval=0, **options)
    return made, publisher.show(made.container)


def test_a_bar_is_kept_as_text_where_it_stands(publisher, kept):
    made, output = bar(publisher, desc="a < b")
    for i in made:
        if i == 10:
            made.close()  # as an interrupt does
            break
    (still,) = outputs(stills.freeze(notebook(output)))
    assert still["data"].keys() == {"text/plain"}
    assert still["data"]["text/plain"].startswith("a < b:  25%|█████               | 10/40 [00:00<")
    made, output = bar(publisher)
    assert sum(made) == 780
    (still,) = outputs(stills.freeze(notebook(output)))
    assert "100%|████████████████████| 40/40" in still["data"]["text/plain"]


def test_a_bar_that_goes_when_it_is_done_is_gone(publisher, kept):
    made, output = bar(publisher, leave=False)
    assert sum(made) == 780 and outputs(stills.freeze(notebook(copy.deepcopy(output)))) == []
    output["data"] = {
        VIEW: {"model_id": ""},
        "text/plain": "  0%|          | 0/40 [00:00<?, ?it/s]",
    }  # as JupyterLab may save it
    assert outputs(stills.freeze(notebook(output))) == []
    other = {**output, "data": {VIEW: {"model_id": ""}, "text/plain": "IntSlider(value=0)"}}
    assert outputs(stills.freeze(notebook(other))) == [other]
    drawn = shown(explorer())
    drawn["data"][VIEW]["model_id"] = ""
    (still,) = outputs(stills.freeze(notebook(drawn)))
    assert still["data"].keys() == {"image/png", "text/plain"}


def test_a_bar_without_an_end_is_its_count(publisher, kept):
    from tqdm.notebook import tqdm

    made = tqdm(display=False, unit="step", mininterval=0)
    output = publisher.show(made.container)
    made.update(7)
    made.close()
    (still,) = outputs(stills.freeze(notebook(output)))
    assert "7/? [00:00" in still["data"]["text/plain"] and "█" not in still["data"]["text/plain"]


def test_what_is_not_ours_is_left_as_it_is(kept):
    theirs = shown(ipywidgets.IntSlider(), "display_data")
    strange = {"output_type": "display_data", "data": {VIEW: {"model_id": "../../etc/passwd"}}, "metadata": {}}
    marked = {"output_type": "display_data", "data": {"text/plain": "x"}, "metadata": {"diffcourse": "mine"}}
    for model in (
        notebook(theirs, strange, marked, {"output_type": "error", "ename": "E", "evalue": "", "traceback": []}),
        {"type": "notebook", "content": None},
        {"type": "file", "content": "text"},
        {"type": "directory", "content": [{"type": "notebook"}]},
        {"type": "notebook", "content": {}},
    ):
        assert stills.freeze(copy.deepcopy(model)) == stills.thaw(copy.deepcopy(model)) == model


@pytest.mark.parametrize("content", ["", "{", "[]", '{"outputs": 3, "process": [1, 2]}', '{"process": []}'])
def test_a_still_that_cannot_be_read_is_none(kept, content):
    drawn = explorer()
    output = shown(drawn)
    stills._path(drawn.model_id).write_text(content, encoding="utf-8")
    assert outputs(stills.freeze(notebook(copy.deepcopy(output)))) == [output]


def test_a_full_disk_stops_no_explorer(kept, monkeypatch):
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert "image/png" in shown(explorer())["data"]


def test_old_stills_are_swept_out(kept, publisher):
    stills.keep("0" * 32, {"data": {}})
    stills.keep("1" * 32, {"data": {}})
    os.utime(stills._path("0" * 32), (0, 0))
    stills._sweep()
    assert kept("0" * 32) is None and kept("1" * 32) is not None


@pytest.mark.parametrize("kind", ["AsyncLargeFileManager", "LargeFileManager"])
def test_the_server_saves_stills_that_it_trusts_and_reads_widgets(kept, tmp_path, kind):
    import nbformat
    from jupyter_server.services.contents import largefilemanager

    manager = getattr(largefilemanager, kind)(root_dir=str(tmp_path))
    app = types.SimpleNamespace(contents_manager=manager)
    stills._load_jupyter_server_extension(app)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", metadata={"trusted": True})])
    output, living = shown(explorer(), "display_data"), explorer()
    output["data"] = {k: v for k, v in output["data"].items() if k != VIEW} | {VIEW: shown(living)["data"][VIEW]}
    book.cells[0].outputs = [nbformat.from_dict(output)]

    def done(result):
        return asyncio.run(result) if asyncio.iscoroutine(result) else result

    done(manager.save({"type": "notebook", "format": "json", "content": book}, "x.ipynb"))
    stored = json.loads((tmp_path / "x.ipynb").read_text(encoding="utf-8"))["cells"][0]["outputs"]
    assert [VIEW in o["data"] for o in stored] == [False, False] and "image/png" in stored[0]["data"]
    nbformat.validate(nbformat.read(tmp_path / "x.ipynb", 4))
    read = done(manager.get("x.ipynb"))["content"]["cells"][0]
    assert [VIEW in o["data"] for o in read["outputs"]] == [True] and read["metadata"]["trusted"]
    stills._path(living.model_id).unlink()
    assert [VIEW in o["data"] for o in done(manager.get("x.ipynb"))["content"]["cells"][0]["outputs"]] == [False, False]


def test_a_pad_by_itself_keeps_what_is_drawn_on_it(kept):
    pad = widgets.DigitPad()
    output = {"output_type": "display_data", "data": pad._repr_mimebundle_()[0], "metadata": {}}
    empty = kept(pad.model_id)[0]["data"]["image/png"]
    pad.value = bytes([0, 255] * (pad.SIDE**2 // 2))
    picture, words = outputs(stills.freeze(notebook(output)))
    assert picture["data"]["image/png"] not in (empty, None) and WORDS in words["data"]["text/html"]
