"""What tests and notebooks share: a home for progress and caches, the quick profile, no network, one thread a process; and what is slow.

`pytest -m "not slow"` leaves out the lessons, and what is marked `slow`: what starts a kernel, a process or a training, or takes seconds.
A test that starts a process without that mark fails.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest

_home = tempfile.TemporaryDirectory(prefix="diffcourse-test-")  # kept until pytest ends
os.environ["DIFFCOURSE_HOME"] = _home.name
os.environ["DIFFCOURSE_TEST"] = "1"
os.environ.setdefault("DIFFCOURSE_PROFILE", "smoke")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the tests and the solved lessons beside them have a core each
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("DIFFCOURSE_DATA", None)  # no test needs the full MNIST
os.environ.pop(
    "PYTHONWARNDEFAULTENCODING", None
)  # heard by this process; in others torch's warnings would stand on stderr

import numpy.testing  # noqa: E402, F401  numpy 1.26 starts `lscpu` when this is imported, in whichever test that is


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.suffix == ".ipynb":  # a cell of a lesson, run in a kernel
            item.add_marker("slow")
    if hasattr(
        config, "workerinput"
    ):  # -n 2: a file goes to one process; what takes longest comes first, so that none is left alone at the end
        items.sort(key=lambda item: (item.path.stem != "test_learn_notebooks", item.path.suffix != ".ipynb"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    if item.get_closest_marker("slow"):
        return (yield)
    with no_process():
        return (yield)


@contextmanager
def no_process() -> Iterator[None]:
    """Fails what starts a process."""

    def refuse(self: subprocess.Popen, args: Any, *_: Any, **__: Any) -> None:
        pytest.fail(f"a process is started, {args!r}: mark the test with pytest.mark.slow")

    with mock.patch.object(subprocess.Popen, "__init__", refuse):
        yield
