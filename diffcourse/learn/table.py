"""`progress`: what is done, lesson by lesson, as text and as HTML."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from diffcourse.learn import bank, notebooks, record, registry, show

MOST_LINES = 55  # of the text; progress("02") shows all of a lesson
MOST_LESSONS = 30
COLUMNS = 80
FEWEST_GUESSES = 3  # before anything is said of them
_BAR = 10


@dataclass(frozen=True)
class Row:
    """What is done of one exercise or quiz. `last` is when, as ISO text."""

    lesson: str
    name: str
    what: str
    state: str
    attempts: int
    hints: int
    minutes: int = 0
    last: str = ""

    @property
    def done(self) -> bool:
        return self.state in ("solved", "answered")

    @property
    def read(self) -> bool:
        return self.state == "solution read"

    @property
    def says(self) -> str:
        """The state, with attempts and hints where there are any."""
        counts = [f"{n} {word}{'s' * (n > 1)}" for n, word in ((self.attempts, "attempt"), (self.hints, "hint")) if n]
        return self.state + (f" ({', '.join(counts)})" if counts else "")


@dataclass(frozen=True)
class Part:
    """The rows of a lesson, or of all of them, counted."""

    lesson: str
    rows: Sequence[Row]

    @property
    def done(self) -> int:
        return sum(row.done for row in self.rows)

    @property
    def read(self) -> int:
        return sum(row.read for row in self.rows)

    @property
    def open(self) -> list[Row]:
        """What is neither solved nor given up by reading the solution."""
        return [row for row in self.rows if not (row.done or row.read)]

    @property
    def count(self) -> str:
        return f"{self.done} of {len(self.rows)}" + (f", {self.read} read" if self.read else "")

    @property
    def left(self) -> str:
        """How long the rest will take, by the minutes that its authors give."""
        minutes = sum(row.minutes for row in self.open)
        if not self.open:
            return "done"
        if minutes < 60:
            return f"about {minutes} minute{'' if minutes == 1 else 's'} left"
        hours, minutes = divmod(5 * round(minutes / 5), 60)
        return f"about {hours} h{f' {minutes} min' if minutes else ''} left"

    @property
    def last(self) -> str:
        """When something was last done here; "" if nothing was."""
        return max((row.last for row in self.rows), default="")

    def bar(self, width: int) -> tuple[int, int]:
        """How many of `width` are full, and how many stand for solutions read: one at least, and all only when nothing is open."""
        most = width - 1 if self.open else width
        full = min(most - bool(self.read), -(-self.done * width // len(self.rows)))
        both = max(full + bool(self.read), -(-(self.done + self.read) * width // len(self.rows)))
        return full, min(most, both) - full


@dataclass(frozen=True)
class Progress:
    """What is done: `str` and `print` give text, a notebook shows it as HTML. `whole`: with every row of every lesson.

    `guesses` says how the predictions went; "" before there are three.
    """

    rows: list[Row] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    whole: bool = False
    guesses: str = ""

    @property
    def done(self) -> int:
        return self._all.done

    @cached_property
    def _all(self) -> Part:
        return Part("all", self.rows)

    @cached_property
    def _parts(self) -> list[Part]:
        lessons = dict.fromkeys(row.lesson for row in self.rows)
        return [Part(lesson, [row for row in self.rows if row.lesson == lesson]) for lesson in lessons]

    @property
    def _begun(self) -> list[Part]:
        """Lessons that are begun and not finished, the latest first: that is the one being worked on."""
        begun = [part for part in self._parts if part.last and part.open]
        return sorted(begun, key=lambda part: part.last, reverse=True)

    @property
    def next(self) -> Row | None:
        """What to do next: in the lesson being worked on, or else the first that is open."""
        return next((part.open[0] for part in [*self._begun, *self._parts] if part.open), None)

    # -- text ---------------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        told = [self.guesses] if self.guesses else []
        if not self.rows:
            return "\n".join([*self.notices, *(told or ["There are no exercises yet."])])
        if self.whole:
            shown = [line for part in self._parts for line in ["", *_rows(part, len(part.rows))]]
            return "\n".join([*self.notices, *self._overview(self._parts), *told, *shown])
        lines = [*self.notices, *self._overview([self._all]), *told, "", *self._overview(self._parts[:MOST_LESSONS])]
        if left_out := self._parts[MOST_LESSONS:]:
            lines.append(f'… and {len(left_out)} more lessons: progress("{left_out[0].lesson}") shows one')
        for part in self._begun:
            room = MOST_LINES - len(lines) - 3
            if room < 3:
                return "\n".join([*lines, "", f'More lessons are begun: progress("{part.lesson}") shows one.'])
            lines += ["", f"lesson {part.lesson}:", *_rows(part, room)]
        return "\n".join(lines)

    __repr__ = __str__

    def _overview(self, parts: list[Part]) -> list[str]:
        """A line for each part: a bar, the numbers, and what is next."""
        columns = zip(*((part.lesson[:12], part.count, part.left) for part in parts), strict=True)
        widths = [max(map(len, column)) for column in columns]
        lines = []
        for part in parts:
            full, read = part.bar(_BAR)
            bar = "█" * full + "▒" * read + "░" * (_BAR - full - read)
            line = f"{part.lesson:<{widths[0]}}  {bar}  {part.count:<{widths[1]}}  {part.left:<{widths[2]}}"
            after = self.next if part is self._all else part.open[0] if part.open else None
            name = after.name if after else ""
            if len(line) + len(name) + 8 > COLUMNS:
                name = name.partition(".")[2]  # the lesson stands at the left
            line = f"{line}  next: {name}" if after else line.rstrip()
            lines.append(line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…")
        return lines

    # -- HTML ---------------------------------------------------------------------------------------------------------

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notices)
        told = f"<p>{html.escape(self.guesses)}</p>" if self.guesses else ""
        if not self.rows:
            return notes + (told or "<p>There are no exercises yet.</p>")
        after = f" Next: {_linked(self.next)}" if self.next else ""
        total = f"<p>{_bar(self._all)} {_counted(self._all)}.{after}</p>"
        at = self._begun[0] if self._begun else None
        lessons = [_details(part, opened=self.whole or part is at) for part in self._parts]
        return f'<div style="line-height: 1.5">{notes}{total}{told}{"".join(lessons)}</div>'


def _rows(part: Part, room: int) -> list[str]:
    """Lines of the rows; where there is not room for all, from two before the next open one."""
    width = max(len(row.name) for row in part.rows)
    first = max(0, min(part.rows.index(part.open[0]) - 2, len(part.rows) - room)) if part.open else 0
    lines = [f"  {row.name:<{width}}  {row.says}" for row in part.rows[first : first + room]]
    left_out = len(part.rows) - len(lines)
    return [*lines, f'  … and {left_out} more: progress("{part.lesson}") shows all'] if left_out else lines


def _bar(part: Part) -> str:
    """A bar, full where solved and striped where the solution was read. The numbers beside it say the same."""
    full, read = part.bar(100)
    stripes = "repeating-linear-gradient(90deg, currentColor 0 2px, transparent 2px 5px)"
    frame = "display: inline-flex; width: 8em; height: 0.8em; border: 1px solid currentColor; vertical-align: middle"
    pieces = f'<span style="width: {full}%; background: {show.EDGE["right"]}"></span>'
    pieces += f'<span style="width: {read}%; background: {stripes}"></span>' if read else ""
    return f'<span aria-hidden="true" style="{frame}">{pieces}</span>'


def _counted(part: Part) -> str:
    """The numbers of the bar, in words."""
    read = f", {part.read} solution{'s' * (part.read > 1)} read" if part.read else ""
    return f"<b>{part.done} of {len(part.rows)}</b> done{read}" + (f", {part.left}" if part.open else "")


def _details(part: Part, opened: bool) -> str:
    """A lesson that unfolds to its rows."""
    heads = "".join(_cell(head, 'th scope="col"') for head in ("name", "what", "minutes", "state", "attempts", "hints"))
    following, row_head, body = part.open[0] if part.open else None, 'th scope="row"', ""
    for row in part.rows:
        name = _linked(row) if row is following else html.escape(row.name)
        state = f"{row.state}, next" if row is following else row.state
        cells = [html.escape(str(x)) for x in (row.what, row.minutes or "", state, row.attempts or "", row.hints or "")]
        body += f"<tr>{_cell(name, row_head)}{''.join(map(_cell, cells))}</tr>"
    about = f"{_bar(part)} {html.escape(notebooks.title(part.lesson))}: {_counted(part)}"
    table = f'<table style="margin: 0.5em 0 1em 1em"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    return f"<details{' open' if opened else ''}><summary>{about}</summary>{table}</details>"


def _cell(content: str, tag: str = "td") -> str:
    plain = "" if tag == "td" else "; font-weight: normal"
    return f'<{tag} style="text-align: left{plain}">{content}</{tag.split()[0]}>'


def _linked(row: Row) -> str:
    """The row's name, as a link to its place in the lesson where there is one."""
    name, target = html.escape(row.name), notebooks.link(row.name)
    return f'<a href="{html.escape(target)}">{name}</a>' if target else name


# -- what is shown ----------------------------------------------------------------------------------------------------


def progress(lesson: str | None = None, *, reset: str | None = None) -> Progress:
    """What is done, lesson by lesson, or all of one lesson, "02"; the last expression of a cell shows it.

    `reset` forgets an exercise, quiz or prediction ("02.q_sample"), a question or card of the bank, a lesson ("02"), or everything ("all").
    KeyError for a name that does not exist.
    """
    order = registry.lessons()
    if lesson is not None and lesson not in order:
        raise registry.unknown(lesson, order, "lesson")
    notices = [_reset(reset)] if reset is not None else []
    data = record.STORE.read()
    rows = [_exercise_row(e, data["exercises"].get(e.name, {})) for e in registry.exercises().values()]
    rows += [_quiz_row(q, data["quizzes"].get(q.name, {})) for q in registry.quizzes().values()]
    rows = sorted((row for row in rows if lesson in (None, row.lesson)), key=lambda row: order.index(row.lesson))
    guesses = _guesses(data["predictions"], lesson)
    return Progress(rows, [*notices, *record.STORE.take_notices()], whole=lesson is not None, guesses=guesses)


def _reset(what: str) -> str:
    asked = [*registry.exercises(), *registry.quizzes(), *registry.predictions(), *bank.questions(), *bank.cards()]
    known = [*asked, *registry.lessons(), "all"]
    if what not in known:
        raise registry.unknown(what, known, "exercise, quiz, prediction or lesson")
    record.forget(what)
    return {"all": "All progress is reset."}.get(what, f"{what} is reset.")


def _exercise_row(exercise: Any, entry: dict[str, Any]) -> Row:
    attempts, hints = entry.get("attempts", 0), entry.get("hints", 0)
    if entry.get("solved"):
        state = "solved"
    elif entry.get("solution"):
        state = "solution read"
    else:
        state = "tried" if attempts else "open"
    last = str(entry.get("last") or "")
    return Row(exercise.lesson, exercise.name, exercise.title, state, attempts, hints, exercise.minutes, last)


def _quiz_row(quiz: Any, entry: dict[str, Any]) -> Row:
    """A question is given a minute."""
    of, kept = len(quiz.questions), entry.get("questions", {})
    asked = [kept[str(i)] for i in range(of) if str(i) in kept]  # an older version of the quiz may have had more
    right = sum(question["right"] for question in asked)
    state = "answered" if right == of else f"{right} of {of} right" if asked else "open"
    answers = sum(question["answers"] for question in asked)
    return Row(quiz.lesson, quiz.name, quiz.title, state, answers, 0, of, str(entry.get("when") or ""))


def _guesses(entries: dict[str, Any], lesson: str | None) -> str:
    """How many guesses were made whose outcome was told, and how many of them were near, early and late; "" before there are three."""
    asked = [p for p in registry.predictions().values() if lesson in (None, p.lesson)]
    made = [entries[p.name] for p in asked if entries.get(p.name, {}).get("near") is not None]
    made.sort(key=lambda entry: entry["when"] or "")
    if len(made) < FEWEST_GUESSES:
        return ""
    half = len(made) // 2
    early, late = (sum(entry["near"] for entry in part) for part in (made[:half], made[half:]))
    return (
        f"Predictions: {len(made)} of {len(asked)} made; near were {early} of the first {half} "
        f"and {late} of the last {len(made) - half}."
    )
