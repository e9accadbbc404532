"""A temporary home and the test exercises, for every test of diffcourse.learn that records something."""

import json
from pathlib import Path

import learn_exercises as ours
import pytest

from diffcourse.learn import answers, record, registry


class Home:
    """Where progress goes in this test, and what it says."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def file(self) -> Path:
        return self.path / "progress.json"

    def of(self, name: str) -> dict:
        data = json.loads(self.file.read_text()) if self.file.exists() else {"exercises": {}}
        return data["exercises"].get(name, {})


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(record, "STORE", record.Store())
    monkeypatch.setattr(answers, "_handed_out", {})
    monkeypatch.setattr(registry, "EXTRA", {})
    registry.register(*ours.EXERCISES.values(), ours.QUIZ)
    return Home(tmp_path / "home")
