"""`quiz`: multiple choice as a widget, and as plain text where there are no widgets. Each reader sees options in an order of her own."""

from collections.abc import Collection, Sequence
from typing import Any

from diffcourse import stills
from diffcourse.learn import record, registry, show
from diffcourse.learn.exercise import Question, Quiz

LETTERS = "abcdefghijklmnopqrstuvwxyz"
STYLE = """<style>
.diffcourse-quiz .widget-radio-box label { display: flex; height: auto; line-height: 1.4; margin: 0.1em 0; }
.diffcourse-quiz .widget-radio-box input { order: -1; flex: none; float: none; }
</style>"""  # an option that takes two lines would lie over the next one


def quiz(name: str, answers: str | None = None) -> Any:
    """Ask the questions of a quiz: a widget in a notebook, text elsewhere.

    `answers` answers without the widget, one letter a question, in the order in which you see the options: quiz("00.start", "…") with
    your letter in place of the dots. KeyError for an unknown name.
    """
    asked = registry.quiz(name)
    if answers is not None:
        _answer(asked, answers)
        return None
    if show.kernel() is not None:
        try:
            return quiz_widget(asked)
        except ImportError:
            pass
    show.show(as_text(asked))
    return None


def orders(asked: Quiz) -> list[list[int]]:
    """The options of each question in the order in which this reader sees them, the same at every call."""
    who = record.reader()
    return [
        record.shuffled(who, f"{asked.name}/{i}", len(question.options)) for i, question in enumerate(asked.questions)
    ]


def as_text(asked: Quiz) -> str:
    """Questions and options, and how to answer them by letters."""
    lines = [f"{asked.title} ({asked.name})"]
    for i, (question, seen) in enumerate(zip(asked.questions, orders(asked), strict=True)):
        lines += ["", f"{i + 1}. {question.text}", *(f"   {line}" for line in lettered(question, seen))]
    count = len(asked.questions)
    letters = "a letter" if count == 1 else f"letters, one for each of the {count} questions"
    how = f'To answer by {letters}: quiz("{asked.name}", "…")'
    return "\n".join([*lines, "", how])


def as_html(asked: Quiz) -> str:
    """The quiz on a page without widgets: questions, options, and the explanations folded away."""
    parts = [f"<b>{show.marked(asked.title)}</b>"]
    for i, (question, seen) in enumerate(zip(asked.questions, orders(asked), strict=True)):
        options = "".join(f"<br>{show.marked(line)}" for line in lettered(question, seen))
        why = "<br>".join(map(show.marked, explained(question, question.right, seen)[1:]))
        parts.append(
            f"<p>{i + 1}. {show.marked(question.text)}{options}</p><details><summary>Answer</summary>{why}</details>"
        )
    return "".join(parts)


def as_left(
    asked: Quiz, chosen: Sequence[int | None], said: Sequence[list[str]], right: Collection[int]
) -> stills.Bundle:
    """The quiz as a reader left it: `chosen` options, what was `said` of the answers, which are `right`; and how to go on."""
    text, page = [f"{asked.title} ({asked.name})"], [f"<b>{show.marked(asked.title)}</b>"]
    for i, (question, seen) in enumerate(zip(asked.questions, orders(asked), strict=True)):
        marked = list(zip(["●" if k == chosen[i] else "○" for k in seen], lettered(question, seen), strict=True))
        text += ["", f"{i + 1}. {question.text}", *(f" {mark} {line}" for mark, line in marked), *said[i]]
        page += [
            f"<p>{i + 1}. {show.marked(question.text)}",
            *(f"<br>{mark} {show.marked(line)}" for mark, line in marked),
            "</p>",
        ]
        page += [show.box(paragraphs(said[i]), "right" if i in right else "wrong")] if said[i] else []
    words = "This is how you left it: run this cell to use it."
    data = {"text/plain": "\n".join([*text, "", words]), "text/html": "".join([*page, f"<p><i>{words}</i></p>"])}
    return {"data": data}


def explained(question: Question, chosen: int, seen: list[int]) -> list[str]:
    """Why the chosen option is wrong, and no more; or why it is right, and then why the others are not. `seen` is their order."""
    if chosen != question.right:
        return ["Not this one.", _why(question, chosen, seen), "Choose another."]
    return explained_at_once(question, chosen, seen)


def explained_at_once(question: Question, chosen: int, seen: list[int]) -> list[str]:
    """Whether the chosen option is right, why, which one is, and why the others are not."""
    order = sorted(seen, key=lambda k: (k != chosen, k != question.right))
    verdict = "Right." if chosen == question.right else "Not this one."
    return [verdict, *(_why(question, k, seen) for k in order)]


def _why(question: Question, k: int, seen: list[int]) -> str:
    return f"{_letter(seen, k)} {'right' if k == question.right else 'wrong'}: {question.options[k].why}"


def lettered(question: Question, seen: list[int]) -> list[str]:
    """The options behind their letters."""
    return [f"{_letter(seen, k)} {question.options[k].text}" for k in seen]


def _letter(seen: list[int], k: int) -> str:
    return f"{LETTERS[seen.index(k)]})"


def paragraphs(lines: list[str]) -> str:
    first, *rest = map(show.marked, lines)
    return "<br>".join([f"<b>{first}</b>", *rest])


def _answer(asked: Quiz, answers: str) -> None:
    letters = [letter for letter in answers.casefold() if not letter.isspace() and letter != ","]
    if len(letters) != len(asked.questions):
        raise ValueError(
            f"answers must hold one letter for each of the {len(asked.questions)} questions, got {answers!r}"
        )
    seen_as, chosen = orders(asked), []
    for question, seen, letter in zip(asked.questions, seen_as, letters, strict=True):
        if letter not in LETTERS[: len(question.options)]:
            raise ValueError(
                f"answers must be letters from a to {LETTERS[len(question.options) - 1]} here, got {letter!r}"
            )
        chosen.append(seen[LETTERS.index(letter)])
    lines, still = [asked.name], []
    for i, (question, seen, k) in enumerate(zip(asked.questions, seen_as, chosen, strict=True)):
        record.answered(asked.name, i, k == question.right)
        answer = f"Your answer: {_letter(seen, k)} {question.options[k].text}"  # she may have read letters on somebody else's page
        lines += [f"{i + 1}. {question.text}", answer, *explained(question, k, seen)]
        still += [str(i + 1)] if k != question.right else []
    if still:
        lines += [f"Still to answer: {', '.join(still)}."]
    lines += record.STORE.take_notices()
    show.show("\n".join(lines), paragraphs(lines))


def quiz_widget(asked: Quiz) -> Any:
    """The quiz as a widget; ImportError without ipywidgets. Tab and space are enough to answer it."""
    import ipywidgets as w

    class QuizWidget(w.VBox):
        """Radio buttons, a button and an explanation for every question. Where it is shown without widgets, it is text."""

        def __init__(self) -> None:
            self.orders = orders(asked)
            self.settled: set[int] = set()
            self.choices, self.buttons, self.feedback = [], [], []
            self.said: list[list[str]] = [[] for _ in asked.questions]
            self.displayed = False
            rows = [w.HTML(f"{STYLE}<b>{show.marked(asked.title)}</b>")]
            for i, question in enumerate(asked.questions):
                labels = [label.replace("`", "") for label in lettered(question, self.orders[i])]  # they show no markup
                options = list(zip(labels, self.orders[i], strict=True))
                choice = w.RadioButtons(options=options, value=None, layout=w.Layout(width="auto"))
                button = w.Button(description="Check", tooltip=f"Check the answer to question {i + 1}", disabled=True)
                feedback = w.HTML()
                choice.observe(lambda _, i=i: self.refresh(i), names="value")
                button.on_click(lambda _, i=i: self.answer(i))
                text = f'<div style="line-height: 1.4; margin-top: 0.6em">{i + 1}. {show.marked(question.text)}</div>'
                rows += [w.HTML(text), choice, button, feedback]
                self.choices.append(choice)
                self.buttons.append(button)
                self.feedback.append(feedback)
            super().__init__(rows)
            self.add_class("diffcourse-quiz")

        def refresh(self, i: int) -> None:
            """The button of question i works where something is chosen and the right option has not been found."""
            self.buttons[i].disabled = self.choices[i].value is None or i in self.settled
            self.keep()

        def answer(self, i: int) -> None:
            """Explain the chosen option of question i, and record it; a right one settles the question."""
            chosen, question = self.choices[i].value, asked.questions[i]
            if chosen is None or i in self.settled:
                return
            right = chosen == question.right
            record.answered(asked.name, i, right)
            self.said[i] = [*explained(question, chosen, self.orders[i]), *record.STORE.take_notices()]
            self.feedback[i].value = show.box(paragraphs(self.said[i]), "right" if right else "wrong")
            if right:
                self.settled.add(i)
            self.refresh(i)

        def keep(self) -> None:
            """Note the quiz as it stands, for the notebook that is saved."""
            if self.displayed:
                chosen = [choice.value for choice in self.choices]
                stills.keep(self.model_id, as_left(asked, chosen, self.said, self.settled))

        def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
            self.displayed = True
            self.keep()
            bundle = super()._repr_mimebundle_(**kwargs)
            return {**bundle, "text/plain": as_text(asked), "text/html": as_html(asked)}

    return QuizWidget()
