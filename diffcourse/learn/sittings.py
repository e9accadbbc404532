"""What `review` and `flashcards` ask, and how it reads as text and as a page."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from diffcourse.learn import bank, leitner, notebooks, questions, record, registry, show
from diffcourse.learn.exercise import Question
from diffcourse.learn.leitner import Sitting

OF_THE_BANK = "11.five"  # a quiz whose questions stand in the bank

# -- what is asked ----------------------------------------------------------------------------------------------------


def asked() -> dict[str, Question]:
    """The questions by name: those of the bank, and of quizzes those that were answered in their lesson, as "02.end/0"."""
    answered = record.STORE.read()["quizzes"]
    found = {name: item.question for name, item in bank.questions().items()}
    for name, quiz in registry.quizzes().items():
        kept = answered.get(name, {}).get("questions", {}) if name != OF_THE_BANK else {}
        found |= {f"{name}/{i}": question for i, question in enumerate(quiz.questions) if str(i) in kept}
    return found


def question(name: str) -> Question:
    """The question of the bank, or of a quiz, by its name."""
    quiz, _, i = name.partition("/")
    return registry.quiz(quiz).questions[int(i)] if i else bank.questions()[name].question


def order(name: str) -> list[int]:
    """The options in an order of this reader's own: another one each time that the question comes back."""
    times = record.STORE.read()["reviews"].get(name, leitner.NEW)["times"]
    return record.shuffled(record.reader(), f"{name}#{times}" if times else name, len(question(name).options))


def picked(names: Sequence[str], n: int) -> list[str]:
    """At most `n` of the names, as they are due."""
    data = record.STORE.read()
    begun = {lesson(name) for part in ("exercises", "quizzes", "predictions") for name in data[part]}
    return leitner.pick(names, data["reviews"], record.today(), n, begun)


def lesson(name: str) -> str:
    return name.split(".")[0]


def _items(name: str) -> Sequence[str]:
    """The items of the curriculum that a question or a card asks."""
    found = bank.questions().get(name) or bank.cards().get(name)
    return found.items if found else ()


# -- as text ----------------------------------------------------------------------------------------------------------


def as_text(sitting: Sitting) -> str:
    """The question that is asked now, and how to answer it."""
    name = sitting.current
    assert name is not None
    asks = question(name)
    options = [f"   {line}" for line in questions.lettered(asks, order(name))]
    return "\n".join([head(sitting), asks.text, *options, "", 'To answer by its letter: review(answer="…")'])


def head(sitting: Sitting) -> str:
    """How far the sitting is: `3 of 10 known, 1 missed`."""
    return f"{sitting.known} of {sitting.of} known" + (f", {len(sitting.missed)} missed" if sitting.missed else "")


def judged(sitting: Sitting, seen: list[int], chosen: int) -> list[str]:
    """Record an answer to the current question, go on, and explain every option."""
    name = sitting.current
    assert name is not None
    right = chosen == question(name).right
    record.reviewed(name, right)
    sitting.answer(right)
    return [*questions.explained_at_once(question(name), chosen, seen), *record.STORE.take_notices()]


def summary(sitting: Sitting) -> str:
    """After a sitting: what was missed, where it is taught, and when it comes back."""
    lines = [_score(sitting)]
    for name, place, due in _missed(sitting):
        lines += [f"- {_short(name)}", f"  {place}; it comes back {due}."]
    return "\n".join(lines)


def summary_as_html(sitting: Sitting) -> str:
    """The same, with links to the headings."""
    rows = ""
    for name, place, due in _missed(sitting):
        label = show.marked(str(place))
        way = f'<a href="{show.marked(place.link)}">{label}</a>' if place.link else label
        rows += f"<li>{show.marked(_short(name))}<br>{way}; it comes back {due}.</li>"
    return f"<b>{_score(sitting)}</b>" + (f"<ul>{rows}</ul>" if rows else "")


def _score(sitting: Sitting) -> str:
    at_once = sitting.of - len(sitting.missed)
    return f"Done: {at_once} of {sitting.of} known at once." + (" Missed:" if sitting.missed else "")


def _missed(sitting: Sitting) -> Iterable[tuple[str, notebooks.Place, str]]:
    kept, today = record.STORE.read()["reviews"], record.today()
    for name in sitting.missed:
        due = kept.get(name, leitner.NEW)["due"]  # it may have been reset meanwhile
        day = date.fromisoformat(due) if due else today
        yield name, notebooks.place(name.split("/")[0], _items(name)), leitner.told(day, today)


def _short(name: str) -> str:
    card = bank.cards().get(name)
    return card.front if card else question(name).text


def nothing(what: str, names: Sequence[str]) -> str:
    """Why nothing is asked."""
    kept = record.STORE.read()["reviews"]
    days = sorted(kept[name]["due"] for name in names if name in kept)
    if not days:
        return f"There is no {what} here yet."
    many = days.count(days[0])
    next_day = leitner.told(date.fromisoformat(days[0]), record.today())
    return f"Nothing is due. {many} {what}{'s' if many > 1 else ''} will be {next_day}."


# -- without widgets --------------------------------------------------------------------------------------------------


def as_html(names: Iterable[str]) -> str:
    """The questions of a sitting on a page without widgets, the explanations folded away."""
    page = ""
    for name in names:
        asks, seen = question(name), order(name)
        options = "".join(f"<br>{show.marked(line)}" for line in questions.lettered(asks, seen))
        why = questions.explained_at_once(asks, asks.right, seen)[1:]
        page += f"<p>{show.marked(asks.text)}{options}</p>{_folded('Answer', '<br>'.join(map(show.marked, why)))}"
    return page


def cards_as_text(names: Iterable[str]) -> str:
    """All fronts, and below them all backs."""
    cards = [bank.cards()[name] for name in names]
    fronts = [f"{i}. {card.front}" for i, card in enumerate(cards, 1)]
    backs = [f"{i}. {card.back}" + (f"\n   {card.why}" if card.why else "") for i, card in enumerate(cards, 1)]
    return "\n".join(["Fronts", *fronts, "", "Backs", *backs])


def cards_as_html(names: Iterable[str]) -> str:
    """Fronts that unfold to their backs."""
    cards = (bank.cards()[name] for name in names)
    return "".join(_folded(show.marked(card.front), back_as_html(card)) for card in cards)


def back_as_html(card: bank.Card) -> str:
    """The back of a card, its formulas large, and below it what to think of."""
    back = re.sub(r"\$([^$]+)\$", r"$\\displaystyle \1$", show.marked(card.back))
    return f"<p>{back}</p>" + (f"<p>{show.marked(card.why)}</p>" if card.why else "")


def _folded(outside: str, inside: str) -> str:
    return f"<details><summary>{outside}</summary>{inside}</details>"


def left(text: str, page: str) -> Mapping[str, Any]:
    """What stands for a sitting in a saved notebook."""
    words = "This is how you left it: run this cell to go on."
    return {"data": {"text/plain": f"{text}\n\n{words}", "text/html": f"{page}<p><i>{words}</i></p>"}}
