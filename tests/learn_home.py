"""A temporary home and the test exercises, for every test of diffcourse.learn that records something."""

import json
from pathlib import Path

import learn_exercises as ours
import pytest

from diffcourse.learn import answers, questions, record, registry


class Home:
    """Where progress goes in this test, and what it says."""

    def __init__(self, path: Path):
        self.path = path

    @property
    def file(self) -> Path:
        return self.path / "progress.json"

    def of(self, name: str) -> dict:
        data = json.loads(self.file.read_text(encoding="utf-8")) if self.file.exists() else {"exercises": {}}
        return data["exercises"].get(name, {})

    def letters(self, *options: int) -> str:
        """The letters by which this reader sees these options of the test quiz, one a question, counted as they were written."""
        seen = questions.orders(ours.QUIZ)
        return "".join("abc"[order.index(option)] for order, option in zip(seen, options, strict=True))

    def belongs_to(self, reader: str) -> None:
        """Progress of a certain reader, who has done nothing yet."""
        self.path.mkdir(exist_ok=True)
        self.file.write_text(
            json.dumps({"version": 1, "reader": reader, "exercises": {}, "quizzes": {}}), encoding="utf-8"
        )


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("DIFFCOURSE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(record, "STORE", record.Store())
    monkeypatch.setattr(answers, "_handed_out", {})
    monkeypatch.setattr(registry, "EXTRA", {})
    registry.register(*ours.EXERCISES.values(), ours.QUIZ)
    return Home(tmp_path / "home")
