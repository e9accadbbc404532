"""Pages of A4 paper by matplotlib alone: headings, paragraphs with formulas, choices, tables, code, answer lines and small figures, as PDF.

Text is plain but for three marks: $formula$ in matplotlib's mathtext, `code` and **bold**. A line that begins with four spaces is a line of
code. Lengths are in points, 1/72 inch, from the lower left corner. The same calls give the same bytes: no date is written.
"""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.transforms import Affine2D

from diffcourse.checks import number, whole
from diffcourse.files import atomic_write
from diffcourse.plot.picture import bundle, few_colours

WIDTH, HEIGHT = 595.28, 841.89  # A4
SERIF = ["STIXGeneral", "DejaVu Serif"]  # the second has the letters that the first has not; both come with matplotlib
GREY = "#6A6A6A"
_MARKED = re.compile(r"\$(?P<math>[^$]+)\$|`(?P<code>[^`]+)`|\*\*(?P<bold>[^*]+)\*\*|(?P<text>[^$`*]+|[*$`])")
Piece = tuple[str, str]  # a style (text, bold, code, math) and what is written in it


class Placed(NamedTuple):
    """A piece of text where it stands: its words, and the box of its ink from (x0, y0) to (x1, y1)."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass
class Row:
    """One line of a page: its height, where its baseline lies below its top, and what stands on it at which x."""

    height: float
    baseline: float = 0.0
    runs: tuple[tuple[float, str, str, float, str], ...] = ()  # x, style, words, size, colour
    rules: tuple[tuple[Sequence[float], Sequence[float], str], ...] = ()  # xs and ys from the baseline up, colour
    draw: Callable[[Axes], object] | None = None


@cache
def _font(style: str, size: float) -> FontProperties:
    if style == "code":
        return FontProperties(family=["DejaVu Sans Mono"], size=max(7.5, 0.82 * size))
    return FontProperties(
        family=SERIF, weight="bold" if style == "bold" else "normal", size=size, math_fontfamily="stix"
    )


@cache
def extent(style: str, words: str, size: float) -> tuple[float, float, float]:
    """Width, height and depth below the baseline of words in a style."""
    return text_to_path.get_text_width_height_descent(words, _font(style, size), style == "math")


def words_of(text: str) -> list[list[Piece]]:
    """What a line may be broken between: each word the pieces that no space parts, such as a formula and its comma."""
    words: list[list[Piece]] = [[]]
    for found in _MARKED.finditer(text):
        style, piece = found.lastgroup or "text", found[found.lastgroup or 0]
        if style == "math":
            words[-1].append((style, f"${piece}$"))
            continue
        for i, part in enumerate(re.split(r"\s+", piece)):
            if i:
                words.append([])
            if part:
                words[-1].append((style, part))
    return [word for word in words if word]


def _space(size: float) -> float:
    return extent("text", "n n", size)[0] - 2 * extent("text", "n", size)[0]


def _wide(word: list[Piece], size: float) -> float:
    return sum(extent(style, piece, size)[0] for style, piece in word)


def lines_of(text: str, width: float, size: float) -> list[list[list[Piece]]]:
    """The words of a text in lines no wider than `width`; ValueError where a single word is."""
    lines: list[list[list[Piece]]] = []
    left, space = 0.0, _space(size)
    for word in words_of(text):
        wide = _wide(word, size)
        if wide > width + 1e-6:
            raise ValueError(f"text must fit into lines of {width:.0f} points, but {word[0][1]!r} takes {wide:.0f}")
        if not lines or wide + space > left:
            lines.append([word])
            left = width - wide
        else:
            lines[-1].append(word)
            left -= wide + space
    return lines


def _row(line: list[list[Piece]], x: float, size: float, colour: str, leading: float) -> Row:
    """A line of words from x on; words of one style are written as one piece."""
    runs: list[tuple[float, str, str, float, str]] = []
    up, down = 0.72 * size, 0.24 * size
    for i, word in enumerate(line):
        x += _space(size) if i else 0.0
        for k, (style, piece) in enumerate(word):
            wide, high, deep = extent(style, piece, size)
            up, down = max(up, high - deep), max(down, deep)
            if k == 0 and i and style == "text" == runs[-1][1] and line[i - 1][-1][0] == "text":
                runs[-1] = (runs[-1][0], style, f"{runs[-1][2]} {piece}", size, colour)
                x = runs[-1][0] + extent(style, runs[-1][2], size)[0]
            else:
                runs.append((x, style, piece, size, colour))
                x += wide
    return Row(up + down + leading * size, up + leading * size / 2, tuple(runs))


class Paper:
    """A document that is written from top to bottom; `save` puts it on as many pages as it needs.

    title    of the file; foot stands at the bottom of each page, beside the page's number; neither is text of a page
    columns  how many a page has, `gap` points apart; size of the text and margin in points; leading between lines in sizes
    """

    def __init__(
        self,
        title: str = "",
        foot: str = "",
        *,
        columns: int = 1,
        size: float = 10.5,
        margin: float = 54.0,
        gap: float = 16.0,
        leading: float = 0.28,
    ):
        self.title, self.foot, self.columns = title, foot, whole("columns", columns, 1, 4)
        self.size, self.margin = number("size", size, 5, 30), number("margin", margin, 18, 200)
        self.gap, self.leading = gap, leading
        self.width = (WIDTH - 2 * self.margin - (columns - 1) * gap) / columns
        self._groups: list[list[Row]] = []
        self._open = False

    # -- what is written --------------------------------------------------------------------------------------------------

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written in this block stands in one column, if one is long enough."""
        if self._open:
            yield
            return
        self._groups.append([])
        self._open = True
        try:
            yield
        finally:
            self._open = False

    def add(self, *rows: Row) -> None:
        """Rows of your own; each may be the last of its column, unless they are written `together`."""
        if self._open:
            self._groups[-1] += rows
        else:
            self._groups += [[row] for row in rows]

    def skip(self, height: float) -> None:
        """Empty space, which is left out at the top of a column."""
        self.add(Row(height))

    def heading(self, text: str, size: float | None = None, right: str = "", colour: str = "black") -> None:
        """A line in bold, `right` at its right end; it stands above what comes next when both are written `together`."""
        size = size or 1.25 * self.size
        self.skip(0.55 * size)
        bold = re.sub(r"(\$[^$]+\$)|([^$]+)", lambda m: m[1] or f"**{m[2]}**", text)
        self.paragraph(bold, right=right, colour=colour, size=size)

    def paragraph(
        self,
        text: str,
        indent: float = 0.0,
        label: str = "",
        right: str = "",
        colour: str = "black",
        size: float | None = None,
    ) -> None:
        """Text in lines of the column's width, `label` left and `right` right of its first one, lines of code as they are."""
        size = size or self.size
        ends = words_of(right)
        beside = sum(_wide(word, size) for word in ends) + _space(size) * max(0, len(ends) - 1)
        width = self.width - indent - (beside + size) * bool(right)
        rows: list[Row] = []
        for prose, code in re.findall(r"((?:(?! {4}).*\n)*)(?: {4}(.*)\n)?", f"{text}\n"):
            rows += [_row(line, indent, size, colour, self.leading) for line in lines_of(prose, width, size)]
            if code:
                if (wide := extent("code", code, size)[0]) > width - 12:
                    raise ValueError(f"code must fit into {width - 12:.0f} points, but {code!r} takes {wide:.0f}")
                rows.append(_row([[("code", code)]], indent + 12, size, colour, self.leading))
        if rows:
            for x, words in ((0.0, words_of(label)), (self.width - beside, ends)):
                rows[0].runs += _row(words, x, size, colour, 0).runs
        self.add(*rows)

    def items(self, texts: Sequence[str], indent: float = 12.0) -> None:
        """A list, a bullet each."""
        for text in texts:
            self.paragraph(text, indent, "•")

    def choice(
        self, label: str, text: str, options: Sequence[str], right: int | None = None, notes: Sequence[str] = ()
    ) -> None:
        """A question and its options, a box beside each, in one column; that of `right` is crossed. A note stands below its option."""
        s = 0.62 * self.size
        box, cross = ((20, 20 + s, 20 + s, 20, 20), (0, 0, s, s, 0), "black"), (20, 20 + s)
        with self.together():
            self.paragraph(text, 20, label)
            for i, option in enumerate(options):
                before = len(self._groups[-1])
                self.paragraph(option, 38)
                crossed = ((cross, (0, s), "black"), (cross, (s, 0), "black")) if i == right else ()
                self._groups[-1][before].rules += (box, *crossed)
                if notes:
                    self.paragraph(notes[i], 38, colour=GREY, size=0.86 * self.size)
            self.skip(0.6 * self.size)

    def answer(self, lines: int, spacing: float = 20.0) -> None:
        """Lines to write on."""
        rule = ((0.0, self.width), (0.0, 0.0), GREY)
        self.add(*(Row(spacing, spacing, rules=(rule,)) for _ in range(lines)))

    def rule(self, colour: str = "black") -> None:
        """A line across the column."""
        self.add(Row(4.0, 2.0, rules=(((0.0, self.width), (0.0, 0.0), colour),)))

    def table(self, rows: Sequence[Sequence[str]], widths: Sequence[float], head: bool = True) -> None:
        """A table, `widths` the shares of its columns in the width; lines of one cell wrap, the head is ruled off."""
        pad, starts = 4.0, [sum(widths[:i]) / sum(widths) * self.width for i in range(len(widths) + 1)]
        with self.together():
            for k, cells in enumerate(rows):
                columns = [
                    [_row(line, x, self.size, "black", self.leading) for line in lines_of(c, end - x - pad, self.size)]
                    for c, x, end in zip(cells, starts, starts[1:], strict=False)
                ]
                for i in range(max(map(len, columns))):
                    beside = [column[i] for column in columns if i < len(column)]
                    top = max(row.baseline for row in beside)
                    low = max(row.height - row.baseline for row in beside)
                    self.add(Row(top + low, top, sum((row.runs for row in beside), ())))
                if head and k == 0:
                    self.rule(GREY)

    def figure(self, draw: Callable[[Axes], object], height: float) -> None:
        """A figure of the column's width; `draw` is given its axes, which fill the space."""
        self.add(Row(height, height, draw=draw))

    # -- where it stands --------------------------------------------------------------------------------------------------

    def _placed(self) -> list[list[tuple[float, float, Row]]]:
        """The rows of each page, with the x of their column and the y of their baseline."""
        top, bottom = HEIGHT - self.margin, self.margin + (16 if self.foot else 0)
        columns: list[list[tuple[float, float, Row]]] = [[]]
        y = top
        for group in self._groups:
            if y < top and sum(row.height for row in group) > y - bottom + 1e-6 and group:
                columns.append([])
                y = top
            for row in group:
                if y - row.height < bottom - 1e-6 and y < top:
                    columns.append([])
                    y = top
                if y == top and not (row.runs or row.rules or row.draw):
                    continue
                x = self.margin + ((len(columns) - 1) % self.columns) * (self.width + self.gap)
                columns[-1].append((x, y - row.baseline, row))
                y -= row.height
        columns = columns if columns[-1] or len(columns) == 1 else columns[:-1]
        return [
            [row for column in columns[i : i + self.columns] for row in column]
            for i in range(0, len(columns), self.columns)
        ]

    def figures(self) -> list[Figure]:
        """The pages, as figures of matplotlib."""
        pages = self._placed()
        return [self._page(rows, i + 1, len(pages)) for i, rows in enumerate(pages)]

    def _page(self, rows: list[tuple[float, float, Row]], n: int, of: int) -> Figure:
        page = Figure(figsize=(WIDTH / 72, HEIGHT / 72))
        FigureCanvasAgg(page)
        points = Affine2D().scale(1 / 72) + page.dpi_scale_trans
        if self.foot:
            number_of = f"{n} / {of}"
            wide = extent("text", number_of, 8.0)[0]
            foot = ((0.0, "text", self.foot, 8.0, GREY), (WIDTH - 2 * self.margin - wide, "text", number_of, 8.0, GREY))
            rows = [*rows, (self.margin, self.margin - 4, Row(8.0, 8.0, foot))]
        for x, y, row in rows:
            for dx, style, words, size, colour in row.runs:
                text = Text(x + dx, y, words, color=colour, fontproperties=_font(style, size), transform=points)
                text.set_parse_math(style == "math")
                page.add_artist(text)
            for xs, ys, colour in row.rules:
                at = [x + v for v in xs], [y + v for v in ys]
                page.add_artist(Line2D(*at, color=colour, linewidth=0.6, transform=points))
            if row.draw:
                row.draw(page.add_axes((x / WIDTH, y / HEIGHT, self.width / WIDTH, row.height / HEIGHT)))
        return page

    def placed(self) -> list[list[Placed]]:
        """Every piece of text of each page, and the box that its ink fills."""
        pages = []
        for figure in self.figures():
            figure.set_dpi(2880)  # as fine as the PDF, whose letters stand where they fall and not on pixels;
            figure.set_size_inches(0.1, 0.1)  # texts stand in points, so no large picture is needed to measure them
            inked = [(t.get_text(), t.get_window_extent()) for t in figure.artists if isinstance(t, Text)]
            pages.append([Placed(text, *(v / 40 for v in (b.x0, b.y0, b.x1, b.y1))) for text, b in inked])
        return pages

    def pdf(self) -> bytes:
        """The document as a PDF file; its text can be searched and copied."""
        buffer, about = io.BytesIO(), {"Title": self.title, "Creator": "diffcourse", "CreationDate": None}
        with matplotlib.rc_context({"pdf.fonttype": 42}), PdfPages(buffer, metadata=about) as pages:
            for figure in self.figures():
                pages.savefig(figure)
        return buffer.getvalue()

    def png(self, page: int = 1, dpi: int = 72) -> bytes:
        """One page as a PNG of sixteen colours."""
        from PIL import Image

        pages = self.figures()
        buffer = io.BytesIO()
        pages[whole("page", page, 1, len(pages)) - 1].savefig(buffer, format="png", dpi=4 * dpi)
        image = Image.open(buffer).convert("RGB").reduce(4)  # letters stand where they fall, not on pixels
        image = few_colours(image, 16)
        buffer = io.BytesIO()
        image.save(buffer, format="png", optimize=True, dpi=(dpi, dpi))
        return buffer.getvalue()

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> tuple[dict, dict]:
        """In a notebook, the first page."""
        pages = self.placed()
        words = " ".join(piece.text for piece in pages[0])[:200]
        alt = f"{self.title or 'a document'}, page 1 of {len(pages)}: {words} …"
        return bundle(self.png(), alt)

    def save(self, path: str | Path) -> Path:
        """Write the PDF, as a whole or not at all."""
        content = self.pdf()
        with atomic_write(path) as file:
            file.write(content)
        return Path(path)
