"""A widget leaves a still behind, which stands in its place where a notebook is read without its kernel.

A widget lives in its kernel; a saved notebook holds but its id, and a page that is opened later says "model not found". There are two
halves. In the kernel, `keep` notes what a widget shows, in a file of Jupyter's runtime folder; `keep_bars` does it for the bars of tqdm.
In the server, which this module extends, each notebook that is saved gets the still in the widget's place. As long as the kernel lives,
a page that is loaded again gets the widget back. Other widgets, and notebooks saved elsewhere, are left as they are.
"""

import contextlib
import html
import inspect
import json
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
DAYS = 30  # so long is a still kept for a notebook that has not been saved
BLOCKS = 20  # of a bar, as text

BAR = re.compile(r"\d%\||\[\d\d:\d\d[<,]")  # of tqdm, as text

Bundle = Mapping[str, Any]  # {"data": {MIME type: content}, "metadata": {…}}


def kernel() -> Any:
    """The running IPython kernel's shell, or None in plain Python."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None


# -- in the kernel ----------------------------------------------------------------------------------------------------


def keep(widget: str, *outputs: Bundle) -> None:
    """Note the outputs that stand for a widget, by its model id, once its kernel is gone; none: it is gone already. In a kernel only."""
    if kernel() is None or not widget:
        return
    with contextlib.suppress(OSError, ImportError):  # a full disk, or another kind of kernel, stops no lesson
        path = _path(widget)
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
        part = path.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"process": _process(os.getpid()), "outputs": outputs}), encoding="utf-8")
        os.replace(part, path)


def picture(png: str, alt: str) -> list[Bundle]:
    """A picture, base64 of a PNG, and below it its words and how it comes to life."""
    words = "This picture is the last one: run this cell to use it."
    return [
        {"data": {"image/png": png, "text/plain": f"[explorer: {alt}]"}, "metadata": {"image/png": {"alt": alt}}},
        {
            "data": {
                "text/plain": f"{alt}\n{words}",
                "text/html": f"<div>{html.escape(alt)}</div><div><i>{words}</i></div>",
            }
        },
    ]


def keep_bars() -> None:
    """From now on, in this kernel: the bars of tqdm are kept as text. Once is enough."""
    publisher: Any = getattr(kernel(), "display_pub", None)
    if hasattr(publisher, "register_hook") and _shown not in getattr(publisher, "_hooks", ()):
        publisher.register_hook(_shown)
        _sweep()


def bar(left: str, share: float | None, right: str) -> str:
    """One line: `100%|████████████████████| 300/300 [00:42<00:00]`."""
    left, right = (html.unescape(text).replace("\u2007", " ") for text in (left, right))
    if share is None:
        return f"{left}{right}".strip()
    full = round(BLOCKS * share)
    return f"{left}|{'█' * full}{' ' * (BLOCKS - full)}|{right}"


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    """Watches what is displayed: a bar is observed from then on."""
    with contextlib.suppress(Exception):  # whatever happens here, the message goes on
        widget = message["content"]["data"][VIEW]["model_id"]
        from ipywidgets.widgets import widget as registry

        container = registry._instances.get(widget)
        if type(container).__name__ == "TqdmHBox":
            _watch(widget, container)
    return message


def _watch(widget: str, container: Any) -> None:
    left, progress, right = container.children
    endless, last = progress.bar_style == "info", 0.0  # so tqdm marks a bar without a total, until it is closed

    def note(change: Any = None) -> None:
        nonlocal last
        if container.comm is None:  # `leave=False`, and done
            keep(widget)
            return
        if change is not None and change["name"] == "value" and time.monotonic() - last < 1:
            return
        last = time.monotonic()
        share = None if endless else progress.value / progress.max
        keep(widget, {"data": {"text/plain": bar(left.value, share, right.value)}})

    note()
    right.observe(note, names="value")
    progress.observe(note, names="bar_style")
    container.observe(note, names="comm")


# -- in the server ----------------------------------------------------------------------------------------------------


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "diffcourse.stills"}]


def _load_jupyter_server_extension(app: Any) -> None:
    """Stills for what is saved; widgets for what is read while their kernel lives."""
    manager = app.contents_manager
    if not hasattr(manager, "register_pre_save_hook"):
        app.log.warning("diffcourse.stills: this server knows no hooks; saved explorers will not show")
        return
    manager.register_pre_save_hook(lambda model, **_: freeze(model))
    get = manager.get
    if inspect.iscoroutinefunction(get):

        async def read(*args: Any, **options: Any) -> Any:
            return thaw(await get(*args, **options))

        manager.get = read
    else:
        manager.get = lambda *args, **options: thaw(get(*args, **options))


def freeze(model: dict[str, Any]) -> dict[str, Any]:
    """In a notebook that is to be saved, the still of each widget that left one, in place."""
    return _replace(model, _still)


def thaw(model: dict[str, Any]) -> dict[str, Any]:
    """In a notebook that was read, the widget instead of its still, in place, where its kernel is still running."""
    return _replace(model, _alive)


def _replace(model: dict[str, Any], each: Any) -> dict[str, Any]:
    cells = model["content"].get("cells", []) if model.get("type") == "notebook" and model.get("content") else []
    for cell in cells:
        if any(_concerned(output) for output in cell.get("outputs", [])):
            cell["outputs"] = [new for output in cell["outputs"] for new in each(output)]
    return model


def _concerned(output: dict[str, Any]) -> bool:
    return VIEW in output.get("data", {}) or "diffcourse" in output.get("metadata", {})


def _still(output: dict[str, Any]) -> list[dict[str, Any]]:
    data = output.get("data", {})
    widget = data.get(VIEW, {}).get("model_id")
    if widget == "":  # JupyterLab takes the id away when a widget is closed, and hides the output
        return _closed(output)
    kept = _read(widget)
    if kept is None:
        return [output]
    return [_put(output, bundle, {"widget": widget, "part": part}) for part, bundle in enumerate(kept["outputs"])]


def _closed(output: dict[str, Any]) -> list[dict[str, Any]]:
    """What a closed widget offers besides: its own picture or page; nothing of a bar that went when it was done."""
    rest = {kind: content for kind, content in output["data"].items() if kind != VIEW}
    if rest.keys() - {"text/plain"}:
        return [{**output, "data": rest}]
    return [] if BAR.search("".join(rest.get("text/plain", ""))) else [output]


def _alive(output: dict[str, Any]) -> list[dict[str, Any]]:
    note = output.get("metadata", {}).get("diffcourse")
    widget = note.get("widget") if isinstance(note, dict) else None
    kept = _read(widget)
    if kept is None or _process(kept["process"][0]) != kept["process"]:
        return [output]
    view = {VIEW: {"version_major": 2, "version_minor": 0, "model_id": widget}}
    return (
        [] if note["part"] else [_put(output, {"data": {**bundle["data"], **view}}) for bundle in kept["outputs"][:1]]
    )


def _put(output: dict[str, Any], bundle: Bundle, note: dict[str, Any] | None = None) -> dict[str, Any]:
    """The output with other data; what follows the first part is no cell's result."""
    metadata = {**bundle.get("metadata", {}), **({"diffcourse": note} if note else {})}
    put = {**output, "data": dict(bundle["data"]), "metadata": metadata}
    if note and note["part"]:
        put["output_type"] = "display_data"
        put.pop("execution_count", None)
    return put


# -- files ------------------------------------------------------------------------------------------------------------


def _path(widget: str) -> Path:
    from jupyter_core.paths import jupyter_runtime_dir

    return Path(jupyter_runtime_dir(), "diffcourse", f"{widget}.json")


def _read(widget: Any) -> dict[str, Any] | None:
    """What was kept for a widget; None where there is nothing, or nothing that can be read."""
    if not isinstance(widget, str) or not re.fullmatch(r"[0-9a-f-]{8,64}", widget):  # a notebook may hold anything
        return None
    try:
        kept = json.loads(_path(widget).read_text(encoding="utf-8"))
        return kept if isinstance(kept["outputs"], list) and len(kept["process"]) == 2 else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _process(pid: int) -> list[Any] | None:
    """A process by its number and its start, which together are given once; None where it is gone."""
    import psutil

    try:
        return [pid, psutil.Process(pid).create_time()]
    except (psutil.Error, ValueError, TypeError, OverflowError):
        return None


def _sweep() -> None:
    """Old stills go."""
    with contextlib.suppress(OSError):
        for path in _path("0").parent.glob("*.*"):
            if time.time() - path.stat().st_mtime > 86400 * DAYS:
                path.unlink()
