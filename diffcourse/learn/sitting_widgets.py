"""The widgets of `review` and `flashcards`. They need ipywidgets, so they are imported when one is shown.

Tab and space are enough for them. The button that has the focus is never switched off and never taken away, since the keyboard would lose
its place: "Check" becomes "Next". Formulas are set by the front end's own MathJax, so no network is needed.
"""

from typing import Any

import ipywidgets as w

from diffcourse import stills
from diffcourse.learn import bank, questions, record, show, sittings
from diffcourse.learn.leitner import Sitting


class SittingWidget(w.VBox):
    """One item at a time below a line that counts, and at the end what was missed. A subclass asks, and says what is in sight."""

    def __init__(self, sitting: Sitting, rows: list[Any]) -> None:
        self.sitting, self.names = sitting, list(sitting.queue)
        self.displayed, self.over = False, False
        self.head, self.end = w.HTML(), w.Output()
        super().__init__([self.head, *rows])
        self.add_class("diffcourse-quiz")
        self.ask()

    def ask(self) -> None:
        """Show the item that is asked now."""
        raise NotImplementedError

    def view(self) -> tuple[str, str]:
        """What is in sight of an item, as text and as a page."""
        raise NotImplementedError

    def whole(self) -> tuple[str, str]:
        """What stands for the widget where there are none."""
        raise NotImplementedError

    def go_on(self) -> None:
        """The next item, or the end."""
        if self.sitting.current is not None:
            self.ask()
            return
        self.over = True
        data = dict(zip(("text/plain", "text/html"), self.in_sight(), strict=True))
        self.end.outputs = (
            {"output_type": "display_data", "data": data, "metadata": {}},
        )  # links in it open notebooks
        self.children = [self.head, self.end]
        self.keep()

    def in_sight(self) -> tuple[str, str]:
        """The item, or the end of the sitting."""
        return (sittings.summary(self.sitting), sittings.summary_as_html(self.sitting)) if self.over else self.view()

    def keep(self) -> None:
        """Count, and note what is in sight for the notebook that is saved."""
        self.head.value = f"{questions.STYLE}<b>{sittings.head(self.sitting)}</b>"
        if self.displayed:
            stills.keep(self.model_id, sittings.left(*self.in_sight()))

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        self.displayed = True
        self.keep()
        text, page = self.whole()
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": text, "text/html": page}


class ReviewWidget(SittingWidget):
    """A question, its options as radio buttons, and a button; then every option is explained."""

    def __init__(self, sitting: Sitting) -> None:
        self.text, self.options, self.feedback = w.HTML(), w.VBox(), w.HTML()
        self.button = w.Button()
        self.button.on_click(lambda _: self.click())
        super().__init__(sitting, [self.text, self.options, self.button, self.feedback])

    def ask(self) -> None:
        self.name = self.sitting.current
        assert self.name is not None
        self.question, self.seen = sittings.question(self.name), sittings.order(self.name)
        self.said: list[str] = []
        lines = questions.lettered(self.question, self.seen)
        labels = [line.replace("`", "") for line in lines]  # radio buttons show no markup
        options = list(zip(labels, self.seen, strict=True))
        self.choice = w.RadioButtons(options=options, value=None, layout=w.Layout(width="auto"))
        self.choice.observe(lambda _: self.keep(), names="value")
        self.options.children = [self.choice]
        self.text.value = f'<div style="line-height: 1.4; margin-top: 0.6em">{show.marked(self.question.text)}</div>'
        self.feedback.value, self.button.description = "", "Check"
        self.keep()

    def click(self) -> None:
        """Check the answer, or go on."""
        if self.said or self.name != self.sitting.current:  # the second: review(answer=…) answered it meanwhile
            self.go_on()
        elif self.choice.value is None:
            self.feedback.value = show.box("Choose an option first.")
        else:
            self.said = sittings.judged(self.sitting, self.seen, self.choice.value)
            self.choice.disabled = True
            self.feedback.value = self.told
            self.button.description = "Next" if self.sitting.current else "End"
            self.keep()

    @property
    def told(self) -> str:
        """What is said of the answer."""
        tone = "right" if self.choice.value == self.question.right else "wrong"
        return show.box(questions.paragraphs(self.said), tone) if self.said else ""

    def view(self) -> tuple[str, str]:
        options = questions.lettered(self.question, self.seen)
        marked = [
            f"{'●' if k == self.choice.value else '○'} {option}" for k, option in zip(self.seen, options, strict=True)
        ]
        lines = [self.question.text, *marked]
        return "\n".join([*lines, *self.said]), f"<p>{'<br>'.join(map(show.marked, lines))}</p>{self.told}"

    def whole(self) -> tuple[str, str]:
        now = sittings.as_text(self.sitting) if self.sitting.current else sittings.summary(self.sitting)
        return now, sittings.as_html(self.names)


class CardsWidget(SittingWidget):
    """The front of a card and "Show"; then its back, and whether it was known. The button that was pressed becomes "Not yet":
    pressed twice by mistake, it brings the card back."""

    def __init__(self, sitting: Sitting) -> None:
        self.front, self.back = w.HTMLMath(), w.HTMLMath()
        self.turn, self.knew = w.Button(), w.Button(description="I knew it")
        self.turn.on_click(lambda _: self.answer(False) if self.turned else self.show_back())
        self.knew.on_click(lambda _: self.answer(True))
        super().__init__(sitting, [self.front, self.back, w.HBox([self.turn, self.knew])])

    def ask(self) -> None:
        assert self.sitting.current is not None
        self.card = bank.cards()[self.sitting.current]
        self.front.value, self.back.value = show.box(show.marked(self.card.front)), ""
        self._turn(False)

    def show_back(self) -> None:
        """Turn the card."""
        self.back.value = sittings.back_as_html(self.card)
        self._turn(True)

    def answer(self, knew: bool) -> None:
        """Record whether the card was known, and go on."""
        if self.turned and not self.over:
            record.reviewed(self.card.name, knew)
            self.sitting.answer(knew)
            self.go_on()

    def _turn(self, turned: bool) -> None:
        self.turned = turned
        self.turn.description = "Not yet" if turned else "Show"
        self.knew.layout.visibility = "visible" if turned else "hidden"
        self.keep()

    def view(self) -> tuple[str, str]:
        front, back = self.card.front, sittings.back_as_html(self.card) if self.turned else ""
        lines = [front, *filter(None, [self.card.back, self.card.why] if self.turned else [])]
        return "\n".join(lines), f"<p>{show.marked(front)}</p>{back}"

    def whole(self) -> tuple[str, str]:
        return sittings.cards_as_text(self.names), sittings.cards_as_html(self.names)
