"""hypothesis: the same examples every time, no files left in the working tree; solved lessons run beside the tests and are read last."""

import os
import tempfile
from collections.abc import Iterator

import pytest

_storage = tempfile.TemporaryDirectory(prefix="diffcourse-hypothesis-")  # kept until pytest ends
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = _storage.name

from hypothesis import settings  # noqa: E402

settings.register_profile("diffcourse", deadline=None, database=None, derandomize=True, max_examples=60)
settings.load_profile("diffcourse")

from learn_notebooks import Solved  # noqa: E402

SOLVED = pytest.StashKey[Solved]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not hasattr(config, "workerinput"):
        items.sort(key=_waits)


def _waits(item: pytest.Item) -> bool:
    return "solved" in getattr(item, "fixturenames", ())


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    one_process = not hasattr(session.config, "workerinput")  # where several run the tests, each has its core already
    beside = one_process and not session.config.option.collectonly
    waiting = [item for item in session.items if _waits(item)] if beside else []
    with Solved([item.callspec.params["path"] for item in waiting]) as session.stash[SOLVED]:
        return (yield)


@pytest.fixture
def solved(request: pytest.FixtureRequest) -> Solved:
    """The lessons of the tests that ask for this, run with every solution in its place."""
    return request.session.stash[SOLVED]
