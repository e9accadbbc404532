"""`quiz`: multiple choice as a widget, and as plain text where there are no widgets."""

import html
from typing import Any

from diffcourse.learn import record, registry, show
from diffcourse.learn.exercise import Question, Quiz

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def quiz(name: str, answers: str | None = None) -> Any:
    """Ask the questions of a quiz: a widget in a notebook, text elsewhere.

    `answers` answers without the widget, one letter a question: quiz("00.start", "b"). KeyError for an unknown name.
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


def as_text(asked: Quiz) -> str:
    """Questions and options, and how to answer them by letters."""
    lines = [f"{asked.title} ({asked.name})"]
    for i, question in enumerate(asked.questions):
        lines += [
            "",
            f"{i + 1}. {question.text}",
            *(f"   {_LETTERS[k]}) {o.text}" for k, o in enumerate(question.options)),
        ]
    letters = "b" * len(asked.questions)
    return "\n".join(
        [*lines, "", f'To answer without the buttons, a letter for each question: quiz("{asked.name}", "{letters}")']
    )


def as_html(asked: Quiz) -> str:
    """The quiz on a page without widgets: questions, options, and the explanations folded away."""
    parts = [f"<b>{html.escape(asked.title)}</b>"]
    for i, question in enumerate(asked.questions):
        options = "".join(f"<br>{_LETTERS[k]}) {html.escape(o.text)}" for k, o in enumerate(question.options))
        why = "<br>".join(map(html.escape, explained(question, question.right).splitlines()[1:]))
        parts.append(
            f"<p>{i + 1}. {html.escape(question.text)}{options}</p><details><summary>Answer</summary>{why}</details>"
        )
    return "".join(parts)


def explained(question: Question, chosen: int) -> str:
    """Right or not, and why, for the chosen option first and then for every other."""
    verdict = "Right." if chosen == question.right else "Not this one."
    order = [chosen, *(k for k in range(len(question.options)) if k != chosen)]
    lines = [f"{_LETTERS[k]}) {'right' if k == question.right else 'wrong'}: {question.options[k].why}" for k in order]
    return "\n".join([verdict, *lines])


def _answer(asked: Quiz, answers: str) -> None:
    letters = [letter for letter in answers.casefold() if not letter.isspace() and letter != ","]
    if len(letters) != len(asked.questions):
        raise ValueError(
            f"answers must hold one letter for each of the {len(asked.questions)} questions, got {answers!r}"
        )
    chosen = []
    for question, letter in zip(asked.questions, letters, strict=True):
        if letter not in _LETTERS[: len(question.options)]:
            raise ValueError(
                f"answers must be letters from a to {_LETTERS[len(question.options) - 1]} here, got {letter!r}"
            )
        chosen.append(_LETTERS.index(letter))
    lines = [asked.name]
    for i, (question, k) in enumerate(zip(asked.questions, chosen, strict=True)):
        record.answered(asked.name, i, k == question.right)
        lines += [f"{i + 1}. {question.text}", explained(question, k)]
    show.show("\n".join([*lines, *record.STORE.take_notices()]))


def quiz_widget(asked: Quiz) -> Any:
    """The quiz as a widget; ImportError without ipywidgets. Tab, arrow keys and space are enough to answer it."""
    import ipywidgets as w

    class QuizWidget(w.VBox):
        """Radio buttons, a button and an explanation for every question. Where it is shown without widgets, it is text."""

        def __init__(self) -> None:
            self.choices, self.buttons, self.feedback = [], [], []
            rows = [w.HTML(f"<b>{html.escape(asked.title)}</b>")]
            for i, question in enumerate(asked.questions):
                options = [(f"{_LETTERS[k]}) {option.text}", k) for k, option in enumerate(question.options)]
                choice = w.RadioButtons(options=options, value=None, layout=w.Layout(width="auto"))
                button = w.Button(description="Check", tooltip=f"Check the answer to question {i + 1}", disabled=True)
                feedback = w.HTML()
                choice.observe(lambda change, b=button: setattr(b, "disabled", change["new"] is None), names="value")
                button.on_click(lambda _, i=i: self.answer(i))
                text = f'<div style="line-height: 1.4">{i + 1}. {html.escape(question.text)}</div>'
                rows += [w.HTML(text), choice, button, feedback]
                self.choices.append(choice)
                self.buttons.append(button)
                self.feedback.append(feedback)
            super().__init__(rows)

        def answer(self, i: int) -> None:
            """Explain the chosen option of question i, and record it."""
            chosen, question = self.choices[i].value, asked.questions[i]
            if chosen is None:
                return
            right = chosen == question.right
            record.answered(asked.name, i, right)
            text = "\n".join([explained(question, chosen), *record.STORE.take_notices()])
            self.feedback[i].value = show.box(show.paragraphs(text), "right" if right else "wrong")

        def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
            bundle = super()._repr_mimebundle_(**kwargs)
            return {**bundle, "text/plain": as_text(asked), "text/html": as_html(asked)}

    return QuizWidget()
