"""`review` and `flashcards`: what was missed comes back, after a while. Widgets in a notebook, text elsewhere."""

from typing import Any

from diffcourse import checks
from diffcourse.learn import bank, questions, registry, show, sittings
from diffcourse.learn.leitner import Sitting

TOPICS = ("fact", "formula")
_asked: Sitting | None = None  # by `review`: what its answer belongs to


def review(n: int = 10, *, lesson: str | None = None, answer: str | None = None) -> Any:
    """Ask `n` questions: first those that are due again, then new ones, a lesson after the other; of one `lesson` if it is given ("02").

    What is missed returns behind the next three, and then the next day; what is right after 1, 3, 7 and 21 days, by Leitner's box
    (`diffcourse.learn.leitner` names the sources). New questions are those of the bank, of lessons that you have begun first. A question of
    a lesson's own quiz joins them once you have answered it there.

    A widget in a notebook. Elsewhere one question at a time, as text: review() asks the first, and review(answer="b") answers it by the
    letter that you see, explains, and asks the next. Another review() begins anew.

    KeyError for an unknown lesson; TypeError or ValueError for another n; ValueError for an answer that is no letter of the question, or
    while nothing is asked.
    """
    global _asked
    if answer is not None:
        _answer(answer)
        return None
    n = checks.whole("n", n, 1)
    pool = sittings.asked()
    lessons = sorted({*registry.lessons(), *map(sittings.lesson, pool)})
    if lesson is not None and lesson not in lessons:
        raise registry.unknown(lesson, lessons, "lesson")
    names = [name for name in pool if lesson in (None, sittings.lesson(name))]
    _asked = Sitting(sittings.picked(names, n))
    if _asked.current is None:
        show.show(sittings.nothing("question", names))
        return None
    if show.kernel() is not None:
        try:
            from diffcourse.learn.sitting_widgets import ReviewWidget

            return ReviewWidget(_asked)
        except ImportError:
            pass
    show.show(sittings.as_text(_asked))
    return None


def flashcards(topic: str | None = None, *, n: int = 20) -> Any:
    """Turn at most `n` cards of the bank: first those that are due again, then new ones. `topic`: "fact", "formula", or None for both.

    You say yourself whether you knew what is on the back; the card comes back as a question of `review` does. Where there are no widgets,
    all fronts are shown, and the backs folded away (in plain text below them); nothing is recorded then.

    ValueError for another topic; TypeError or ValueError for another n.
    """
    topic = None if topic is None else checks.one_of("topic", topic, TOPICS)
    names = [name for name, card in bank.cards().items() if topic in (None, card.topic)]
    picked = sittings.picked(names, checks.whole("n", n, 1))
    if not picked:
        show.show(sittings.nothing("card", names))
        return None
    if show.kernel() is not None:
        try:
            from diffcourse.learn.sitting_widgets import CardsWidget

            return CardsWidget(Sitting(picked))
        except ImportError:
            pass
    show.show(sittings.cards_as_text(picked), sittings.cards_as_html(picked))
    return None


def _answer(answer: str) -> None:
    sitting = _asked
    if sitting is None or sitting.current is None:
        raise ValueError(f"answer must follow a question, got {answer!r}: review() asks one")
    asks, seen = sittings.question(sitting.current), sittings.order(sitting.current)
    letters = questions.LETTERS[: len(seen)]
    if not isinstance(answer, str) or answer.strip().casefold() not in tuple(letters):
        raise ValueError(f"answer must be a letter from a to {letters[-1]} here, got {answer!r}")
    chosen = letters.index(answer.strip().casefold())
    told = [
        asks.text,
        f"Your answer: {questions.lettered(asks, seen)[chosen]}",
        *sittings.judged(sitting, seen, seen[chosen]),
    ]
    rest = sittings.as_text(sitting) if sitting.current else sittings.summary(sitting)
    show.show("\n".join([*told, "", rest]), f"{questions.paragraphs(told)}<p>{show.lines(rest.splitlines())}</p>")
