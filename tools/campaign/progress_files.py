"""Progress files damaged in every way: check, quiz, hint and progress go on, the sound part is kept, the file set aside, and it is said."""

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from campaign import ROOT, case, check_sentence, cli, holds
from diffcourse.learn import check, flashcards, hint, objectives, progress, quiz, record, review

NAME, QUIZ = "00.to_minus_one_one", "00.start"
DONE = {"attempts": 2, "hints": 1, "solution": 0, "solved": "2026-01-01T00:00:00+00:00", "last": None}
ASKED = {"questions": {"0": {"answers": 1, "right": True}}, "when": "2026-01-01T00:00:00+00:00"}


def _whole(**changes: Any) -> dict[str, Any]:
    return {"version": 1, "reader": "ada", "exercises": {"02.q_sample": DONE}, "quizzes": {QUIZ: ASKED}} | changes


def _with(part: str, name: str, entry: Any) -> dict[str, Any]:
    """A sound file, and one wrong entry in it."""
    data = _whole()
    return data | {part: {**data[part], name: entry}}


def _nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


def _json(data: Any) -> bytes:
    return json.dumps(data).encode()


SOUND = json.dumps(_whole())
WHOLLY: dict[str, bytes] = {  # nothing in them can be kept
    "no bytes": b"",
    "blanks": b"  \n",
    "zeros, as after a crash": bytes(500),
    "binary": bytes(range(256)) * 20,
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "cut in half": SOUND[: len(SOUND) // 2].encode(),
    "without its last brace": SOUND[:-1].encode(),
    "twice over": (SOUND + SOUND).encode(),
    "a conflict of git": f"<<<<<<< HEAD\n{SOUND}\n=======\n".encode(),
    "Latin-1": '{"exercises": {"ü": 1}}'.encode("latin-1"),
    "a list": b"[]",
    "a number": b"3",
    "a word": b'"progress"',
    "null": b"null",
    "NaN": b"NaN",
    "nothing of ours": b"{}",
    "no parts but a version": b'{"version": 1}',
    "parts that are null": _json(_whole(exercises=None, quizzes=None)),
    "parts that are lists": _json(_whole(exercises=[], quizzes=[])),
    "parts that are words": _json(_whole(exercises="02.q_sample", quizzes="x")),
    "nested lists": _nested(100_000).encode(),
    "nested objects": _nested(100_000, '{"a":', "0}").encode()[:-2],
    "nested in an entry": ('{"exercises": {"a": ' + _nested(100_000) + '}, "quizzes": {}}').encode(),
    "a number of 5,000 digits": SOUND.replace('"attempts": 2', '"attempts": ' + "9" * 5000).encode(),
}
PARTLY: dict[str, Any] = {  # the rest of the file is kept
    "attempts in words": _with("exercises", NAME, DONE | {"attempts": "two"}),
    "attempts that are NaN": _with("exercises", NAME, DONE | {"attempts": float("nan")}),
    "attempts that are infinite": _with("exercises", NAME, DONE | {"attempts": float("inf")}),
    "attempts below 0": _with("exercises", NAME, DONE | {"attempts": -1}),
    "attempts of 400 digits": _with("exercises", NAME, DONE | {"attempts": 10**400}),
    "attempts that are null": _with("exercises", NAME, DONE | {"attempts": None}),
    "hints that are a list": _with("exercises", NAME, DONE | {"hints": [1]}),
    "solution that is an object": _with("exercises", NAME, DONE | {"solution": {}}),
    "solved that is a list": _with("exercises", NAME, DONE | {"solved": []}),
    "solved that is a number": _with("exercises", NAME, DONE | {"solved": 1}),
    "last that is an object": _with("exercises", NAME, DONE | {"last": {}}),
    "an exercise that is null": _with("exercises", NAME, None),
    "an exercise that is a word": _with("exercises", NAME, "solved"),
    "an exercise that is a list": _with("exercises", NAME, [2, 1]),
    "an exercise nested deep": _with("exercises", NAME, DONE | {"more": json.loads(_nested(150))}),
    "a quiz that is a word": _with("quizzes", QUIZ, "abc"),
    "a quiz that is a list": _with("quizzes", QUIZ, []),
    "a quiz without questions": _with("quizzes", QUIZ, {}),
    "questions that are a list": _with("quizzes", QUIZ, {"questions": [1]}),
    "questions that are a word": _with("quizzes", QUIZ, {"questions": "abc"}),
    "a question that is a number": _with("quizzes", QUIZ, {"questions": {"0": 1}}),
    "a question without an answer": _with("quizzes", QUIZ, {"questions": {"0": {"right": True}}}),
    "answers that are a word": _with("quizzes", QUIZ, {"questions": {"0": {"answers": "a", "right": False}}}),
    "answers that are null": _with("quizzes", QUIZ, {"questions": {"0": {"answers": None, "right": False}}}),
    "right that is a word": _with("quizzes", QUIZ, {"questions": {"0": {"answers": 1, "right": "yes"}}}),
    "a quiz nested deep": _with("quizzes", QUIZ, ASKED | {"more": json.loads(_nested(150))}),
    "a review that is a list": _whole(reviews={"02.end/0": [1]}),
    "a review without its day": _whole(reviews={"02.end/0": {"box": 1}}),
    "a review in box 99": _whole(reviews={"02.end/0": {"box": 99, "due": "2026-01-01", "times": 1, "missed": 0}}),
    "a review on no day": _whole(reviews={"02.end/0": {"box": 1, "due": "2026-02-30", "times": 1, "missed": 0}}),
    "reviews that are a word": _whole(reviews="02.end/0"),
    "quizzes that are a list": _whole(quizzes=[]),
    "quizzes that are missing": {k: v for k, v in _whole().items() if k != "quizzes"},
    "something of nobody's, nested deep": _whole(more=json.loads(_nested(150))),
}
GOOD: dict[str, bytes] = {  # odd, and nothing is wrong with them
    "as it was": SOUND.encode(),
    "the mark of Windows' Notepad": b"\xef\xbb\xbf" + SOUND.encode(),
    "UTF-16, as an old Notepad has it": SOUND.encode("utf-16"),
    "lines of Windows": json.dumps(_whole(), indent=1).replace("\n", "\r\n").encode(),
    "a later version": _json(_whole(version=9, streaks={"days": [1, 2]})),
    "a version in words": _json(_whole(version="2.0")),
    "no version": _json({k: v for k, v in _whole().items() if k != "version"}),
    "a name with half a letter": _json(_with("exercises", "week\ud800.x", DONE)),
    "a name in Chinese": json.dumps(_with("exercises", "第三周.x", DONE), ensure_ascii=False).encode(),
    "an entry with more keys": _json(_with("exercises", "03.loss", DONE | {"minutes": [3, 4]})),
    "an entry with fewer keys": _json(_with("exercises", "03.loss", {"attempts": 1})),
    "a question that there is no more": _json(
        _with("quizzes", QUIZ, {"questions": {**ASKED["questions"], "77": {"answers": 3, "right": True}}})
    ),
    "a reader that is a number": _json(_whole(reader=3)),
    "a review of a question that there is no more": _json(
        _whole(reviews={"02.gone": {"box": 0, "due": "2026-01-01", "times": 1, "missed": 1}})
    ),
    "a review in the year 9999": _json(
        _whole(reviews={f"{QUIZ}/0": {"box": 4, "due": "9999-12-31", "times": 1, "missed": 0}})
    ),
    "a reader of half a letter": _json(_whole(reader="\ud800")),
}


@contextlib.contextmanager
def _fresh() -> Iterator[None]:
    """As in a kernel that has just started."""
    with mock.patch.object(record, "STORE", record.Store()):
        yield


def _go_on() -> str:
    """All that a reader does, once; what she is told. Nothing of it may raise."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        print(progress())
        progress()._repr_html_()
        check(NAME, lambda images: images)
        check(NAME, lambda images: images.float() / 127.5 - 1)
        hint("02.q_sample")
        with contextlib.suppress(ValueError):  # of letters that do not fit: told before
            quiz(QUIZ, "a" * len(_quiz_questions()))
        quiz(QUIZ)
        review(2)
        flashcards(n=1)
        print(objectives())
        print(progress("02"))
    return told.getvalue()


def _quiz_questions() -> list[Any]:
    from diffcourse.learn import registry

    return registry.quiz(QUIZ).questions


def _home(content: bytes | None) -> Path:
    home = Path(os.environ["DIFFCOURSE_HOME"])
    home.mkdir()
    file = home / "progress.json"
    if content is not None:
        file.write_bytes(content)
    return file


def _state(name: str) -> str:
    return next(row.state for row in progress().rows if row.name == name)


def _damaged(content: bytes, kept: bool, by_looking: bool) -> None:
    file = _home(content)
    with _fresh():
        told = str(progress()) if by_looking else _go_on()
        check_sentence(
            next((line for line in told.splitlines() if "damaged" in line), ""), "progress.damaged-", str(file.parent)
        )
        holds(told.count("is set aside") == 1, f"said {told.count('is set aside')} times")
        holds("is set aside" not in str(progress()), "it was said again")
        (aside,) = file.parent.glob("progress.damaged-*.json")
        holds(aside.read_bytes() == content, "what was set aside is something else")
        if not by_looking:
            holds(_state(NAME) == "solved", "what was done afterwards is lost")
        holds((_state("02.q_sample") == "solved") == kept, "what was sound is lost" if kept else "from where is that?")
    with _fresh():
        holds("damaged" not in str(progress()), "the new file is damaged, too")


for _name, _content in WHOLLY.items():

    @case(f"nothing sound: {_name}")
    def _(folder: Path, content: bytes = _content) -> None:
        _damaged(content, kept=False, by_looking=False)


for _name, _data in PARTLY.items():

    @case(f"one part of it: {_name}")
    def _(folder: Path, content: bytes = _json(_data)) -> None:
        _damaged(content, kept=True, by_looking=False)


for _name in ("cut in half", "nested lists", "no bytes"):

    @case(f"only looked at: {_name}")
    def _(folder: Path, content: bytes = WHOLLY[_name]) -> None:
        _damaged(content, kept=False, by_looking=True)


for _name in ("attempts in words", "answers that are a word"):

    @case(f"only looked at: {_name}")
    def _(folder: Path, content: bytes = _json(PARTLY[_name])) -> None:
        _damaged(content, kept=True, by_looking=True)


for _name, _content in GOOD.items():

    @case(f"nothing wrong: {_name}")
    def _(folder: Path, content: bytes = _content) -> None:
        file = _home(content)
        before = json.loads(content)
        with _fresh():
            told = _go_on()
            holds("damaged" not in told and "cannot be" not in told, told[-300:])
            holds(_state("02.q_sample") == "solved" and _state(NAME) == "solved", "something is lost")
        holds([p.name for p in file.parent.glob("*.json")] == ["progress.json"], "something was set aside")
        after = json.loads(file.read_bytes())
        lost = [key for key in before if key not in after] + [
            n for n in before["exercises"] if n not in after["exercises"]
        ]
        holds(not lost, f"{lost} are lost")


def _no_file(told: str) -> None:
    check_sentence(next((line for line in told.splitlines() if "cannot be" in line), ""), "Progress", "DIFFCOURSE_HOME")
    holds(_state(NAME) == "solved", "it is not kept in memory")


NOWHERE: dict[str, Callable[[Path], Any]] = {  # made from the path of the file: it cannot be written or read
    "a folder in place of the file": lambda file: file.mkdir(parents=True),
    "a folder in place of the lock": lambda file: (file.parent / "progress.lock").mkdir(parents=True),
    "a file in place of the folder": lambda file: file.parent.write_text("", encoding="utf-8"),
    "a link to itself": lambda file: (file.parent.mkdir(), file.symlink_to(file)),
    "a link round in a circle": lambda file: (
        file.parent.mkdir(),
        file.symlink_to(file.parent / "b"),
        (file.parent / "b").symlink_to(file),
    ),
    "a link below a file": lambda file: (
        file.parent.mkdir(),
        (file.parent / "f").write_text("", encoding="utf-8"),
        file.symlink_to(file.parent / "f" / "progress.json"),
    ),
    "a link to a folder": lambda file: (file.parent.mkdir(), file.symlink_to(file.parent)),
}

for _name, _make in NOWHERE.items():

    @case(_name)
    def _(folder: Path, make: Callable[[Path], Any] = _make) -> None:
        make(Path(os.environ["DIFFCOURSE_HOME"]) / "progress.json")
        with _fresh():
            _no_file(_go_on())


@case("damaged, in a folder that cannot be written to: what is sound is shown, and nothing is overwritten")
def _(folder: Path) -> None:
    content = _json(PARTLY["attempts in words"])
    file = _home(content)
    (file.parent / "progress.lock").mkdir()
    with _fresh():
        holds(_state("02.q_sample") == "solved", "what is sound is not shown")
        _no_file(_go_on())
    holds(file.read_bytes() == content, "it was overwritten")


for _content in (SOUND.encode(), b"{", _json(PARTLY["attempts in words"]), None):

    @case(f"a link into a folder of the cloud, which holds {(_content or b'nothing')[:12]!r}…{len(_content or b'')}")
    def _(folder: Path, content: bytes | None = _content) -> None:
        file = _home(None)
        cloud = folder / "cloud" / "mine.json"
        cloud.parent.mkdir()
        if content is not None:
            cloud.write_bytes(content)
        file.symlink_to(cloud)
        with _fresh():
            _go_on()
        holds(file.is_symlink() and not cloud.is_symlink(), "the link is none any more")
        holds(NAME in json.loads(cloud.read_bytes())["exercises"], "it was written elsewhere")
        aside = [path.read_bytes() for path in cloud.parent.glob("progress.damaged-*")]
        holds(aside in ([], [content]), "something else was set aside")


@case("a file that may only be read, in a folder that may be written to")
def _(folder: Path) -> None:
    file = _home(SOUND.encode())
    file.chmod(0o444)
    with _fresh():
        holds("cannot be" not in _go_on() and _state(NAME) == "solved", "it was not written")


@case("a home of nobody, and one with blanks")
def _(folder: Path) -> None:
    for home in ("~no-such-user/x", "   ", "\t"):
        os.environ["DIFFCOURSE_HOME"] = home
        with _fresh(), mock.patch("platformdirs.user_data_dir", lambda *a, **k: str(folder / "theirs")):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                _go_on()
                holds(_state(NAME) == "solved", home)
            holds(bool(said) == home.startswith("~"), f"{len(said)} warnings of {home!r}")
            holds((folder / "theirs").is_dir() and not Path(home.strip() or "nowhere").exists(), "it lies elsewhere")


@case("the command line with a damaged file", slow=True)
def _(folder: Path) -> None:
    _home(_json(PARTLY["answers that are a word"]))
    told = cli("progress", code=0).stdout
    holds("is set aside" in told and "1 of" in told, told[-300:])


WRITER = """
import sys
from diffcourse.learn import record
for i in range(75):
    record.attempted("98.all", right=False)
    record.attempted(f"98.only_{sys.argv[1]}_{i}", right=True)
    record.answered("98.quiz", i, True)
print(record.STORE.notices)
"""


@case("4 processes x 75 writes of each kind at once, over a damaged file", slow=True)
def _(folder: Path) -> None:
    file = _home(_json(PARTLY["attempts in words"]))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", WRITER]
    started = [
        subprocess.Popen([*command, who], env=environment, stdout=subprocess.PIPE, encoding="utf-8") for who in "abcd"
    ]
    told = [process.communicate(timeout=200)[0] for process in started]
    data = json.loads(file.read_bytes())
    holds(data["exercises"]["98.all"]["attempts"] == 300, f"{data['exercises']['98.all']['attempts']} of 300")
    holds(sum(name.startswith("98.only_") for name in data["exercises"]) == 300, "some are lost")
    holds(len(data["quizzes"]["98.quiz"]["questions"]) == 75 and "02.q_sample" in data["exercises"], "some are lost")
    holds(sum("set aside" in one for one in told) == 1, f"said by {told}")
    holds(len(list(file.parent.glob("progress.damaged-*"))) == 1, "set aside more than once")
