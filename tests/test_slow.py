"""What `pytest -m "not slow"` leaves out is marked."""

import subprocess
import sys

import pytest


def test_without_the_mark_no_process_starts():
    with pytest.raises(pytest.fail.Exception, match="mark the test"):
        subprocess.run([sys.executable, "-c", ""])


@pytest.mark.slow
def test_with_the_mark_it_does():
    subprocess.run([sys.executable, "-c", ""], check=True)


def test_every_cell_of_a_lesson_has_the_mark(request):
    cells = [item for item in request.session.items if item.path.suffix == ".ipynb"]
    assert all(item.get_closest_marker("slow") for item in cells)
