"""Shows messages: plain text that reads well alone, and the same with a coloured edge where there is HTML."""

import html
import re

from diffcourse.console import say
from diffcourse.stills import kernel

EDGE = {"right": "#009E73", "wrong": "#D55E00", "open": "#0072B2"}  # Okabe-Ito; the words say the same


def show(text: str, markup: str | None = None, tone: str = "open") -> None:
    """Display text (and its markup, by default the escaped text) in a notebook; print the text elsewhere."""
    if kernel() is None:
        say(text)
        return
    from IPython.display import display

    display({"text/plain": text, "text/html": box(markup or paragraphs(text), tone)}, raw=True)


def box(markup: str, tone: str = "open") -> str:
    """Markup behind a coloured edge; announced by screen readers when it appears."""
    style = f"border-left: 4px solid {EDGE[tone]}; padding: 0.2em 0 0.2em 0.8em; max-width: 60em; line-height: 1.4"
    return f'<div role="status" style="{style}">{markup}</div>'


def paragraphs(text: str) -> str:
    """Escaped text, one paragraph a line, the first one bold up to its colon or full stop."""
    first, *rest = text.splitlines()
    return "".join([f"<b>{html.escape(first)}</b>", *(f"<br>{html.escape(line)}" for line in rest)])


def marked(text: str) -> str:
    """Escaped text, with what stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def code(text: str) -> str:
    """Escaped text that keeps its lines and columns."""
    return f'<pre style="white-space: pre-wrap; word-break: normal; margin: 0.4em 0">{html.escape(text)}</pre>'


def lines(texts: list[str], after: bool = False) -> str:
    """Escaped lines; `after`: they follow other text."""
    return ("<br>" if after and texts else "") + "<br>".join(map(html.escape, texts))
