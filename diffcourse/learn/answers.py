"""`check`, `hint`, `solution` and `reveal`: what the cells of a lesson call."""

import functools
import html
from typing import Any

from torch import Tensor

from diffcourse.learn import record, registry, show
from diffcourse.learn.diagnosis import Verdict, diagnose, worked_out
from diffcourse.learn.exercise import Exercise

_MARK = "_diffcourse_reference"
_handed_out: dict[str, Any] = {}  # values given by check, which cannot all carry a mark


def check(name: str, answer: Any) -> Any:
    """Say whether an answer is right, and if not, what it looks like.

    Returns the answer if it is right and the reference otherwise, so that the cells below run either way. KeyError for an unknown name.
    An answer is stopped after ten seconds, but not within a single call into C, such as `list(map(float, range(10**9)))`. What it changes
    of Python's, NumPy's and PyTorch's settings is put back.
    """
    exercise = registry.exercise(name)
    if _is_reference(exercise, answer):
        verdict = Verdict(
            name,
            "reference",
            ["It came from check, not from you. Run the cell with your own version again, and then this one."],
        )
    else:
        verdict = diagnose(exercise, answer)
    if verdict.status in ("right", "wrong"):
        before = record.record_of(name)
        record.attempted(name, verdict.status == "right")
        if verdict.status == "right" and before["solution"] and not before["solved"]:
            verdict.says.append(
                f'You had looked at the solution, so it counts as read, not as solved. progress(reset="{name}") lets you try again.'
            )
    if verdict.status == "not attempted":
        verdict.goes_on.append("The lesson goes on with the reference.")
    if verdict.status == "wrong":
        verdict.goes_on.append(f'Until then the lesson goes on with the reference. hint("{name}") helps.')
    verdict.goes_on += record.STORE.take_notices()
    show.show(verdict.text, verdict.html, {"right": "right", "wrong": "wrong"}.get(verdict.status, "open"))
    return answer if verdict.status == "right" else _reference(exercise)


def hint(name: str) -> None:
    """Show the next hint of an exercise; after the last one, all of them again."""
    exercise = registry.exercise(name)
    total = len(exercise.hints)
    used = record.hint_used(name, total)
    if used < total:
        lines = [f"{name}, hint {used + 1} of {total}.", exercise.hints[used]]
    else:
        lines = [f"{name}: these were all the hints.", *(f"{i + 1}. {text}" for i, text in enumerate(exercise.hints))]
        lines.append(f'solution("{name}") shows a full answer.')
    show.show("\n".join([*lines, *record.STORE.take_notices()]))


def solution(name: str) -> None:
    """Show source that answers an exercise by itself. From then on a right answer counts as read, not as solved."""
    exercise = registry.exercise(name)
    solved = record.record_of(name)["solved"]
    record.solution_shown(name)
    title = f"{name}: a solution. " + (
        "Compare it with yours." if solved else "Read it, close it, and write it again yourself."
    )
    head = "\n".join([title, *record.STORE.take_notices()])
    show.show(f"{head}\n\n{exercise.solution}", show.paragraphs(head) + show.code(exercise.solution))


def reveal(name: str) -> None:
    """Show the answer to a question such as "find the bug": folded in a notebook, open in plain text. KeyError for an unknown name."""
    hidden = registry.reveal(name)
    lines = hidden.text.strip().splitlines()
    notices = record.STORE.take_notices()
    text = "\n".join(
        [f"{hidden.title} ({hidden.name})", *lines, *([hidden.code.strip("\n")] if hidden.code else []), *notices]
    )
    inside = "<br>".join(map(show.marked, lines)) + (show.code(hidden.code.strip("\n")) if hidden.code else "")
    summary = f'<summary style="cursor: pointer"><b>{html.escape(hidden.title)}</b></summary>'
    show.show(text, f"<details>{summary}{inside}</details>{show.lines(notices)}")


# -- the reference ----------------------------------------------------------------------------------------------------


def _reference(exercise: Exercise) -> Any:
    """The reference under the learner's name, marked so that it is never taken for her own work."""
    reference = exercise.reference
    if exercise.kind == "value":
        _handed_out[exercise.name] = _marked_value(worked_out(reference), exercise.name)
        return _handed_out[exercise.name]
    if exercise.kind == "class":
        return type(
            exercise.symbol,
            (reference,),
            {_MARK: exercise.name, "__doc__": reference.__doc__, "__module__": reference.__module__},
        )

    @functools.wraps(reference)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return reference(*args, **kwargs)

    wrapper.__name__ = wrapper.__qualname__ = exercise.symbol
    setattr(wrapper, _MARK, exercise.name)
    return wrapper


def _marked_value(value: Any, name: str) -> Any:
    """A value that says where it came from: a subclass that behaves the same, or a tensor with a mark."""
    if isinstance(value, Tensor):
        value = value.clone()
        setattr(value, _MARK, name)
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str | tuple | list | dict):
        return value
    kind = type(type(value).__name__, (type(value),), {_MARK: name})
    return tuple.__new__(kind, value) if isinstance(value, tuple) else kind(value)


def _is_reference(exercise: Exercise, answer: Any) -> bool:
    if answer is exercise.reference and exercise.kind != "value":
        return True
    if exercise.name in _handed_out and answer is _handed_out[exercise.name]:
        return True
    try:
        return isinstance(getattr(answer, _MARK, None), str)
    except Exception:  # her class has a __getattr__ that raises
        return False
