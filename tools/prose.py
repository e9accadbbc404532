"""Numbers in a lesson's prose are those that its cells print: which numerals stand there, where they come from, which are true no longer.

A text cell says in its metadata where its numbers come from; no reader sees that:

    "numbers": {"17.2": "cell-020",                                 the output of that cell prints it: text, table, alt text of a picture
                "98 %": ["cell-020", "benchmarks/x.json: rows[kind=curve, steps=20].right"],         both do, the second one of a table
                "500": "cell-020: code",                            the code of that cell sets it
                "28": null}                                         waived: nothing measures it

A numeral is printed where a printed number rounds to it at the numeral's own precision: 0.1562 prints 0.16, and 16 %, and 15.6 %.
"about 20,000" is right within five in a hundred, because of its noughts.
"""

import html
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

NEAR = 3  # code cells before and after a text that `--numbers` and `--mark` look at
ASKS = re.compile(
    r"\s*(?:\w+ = )?(?:check|hint|mixed|predict|progress|quiz|reveal|solution)\("
)  # cells that measure nothing
_POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")
_BODY = r"(?:\d{1,3}(?:[,\u202f\u2009]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)(?![.,]?\d)"
_TEN = r"(?:\s?(?:[·×]|\\cdot|\\times)\s?10(?P<power>[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+|\^\{?-?\d+\}?))?"
NUMERAL = re.compile(
    rf"(?P<sign>(?<![\w)\]}}])[-−])?(?<![\w.])(?<!\d,)(?P<body>{_BODY}){_TEN}(?P<percent>\s?(?:\\?%|per ?cent\b))?(?!\w)"
)
PRINTED = re.compile(
    r"(?P<sign>(?<![\w)\]])[-−])?(?<![\w.])(?P<body>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)"
    r"(?:[eE](?P<power>[-+]?\d+))?(?P<percent>\s?%)?"
)
ABOUT = re.compile(
    r"(about|some|around|nearly|almost|over|under|roughly|than|least|most|up to|≈|~|≳|≲|\\approx)\s*[$(]?$", re.I
)
TIMES = re.compile(r"\s?(×|times\b|-?fold\b)")
_ROOM = (
    r"(?:lesson|part|section|eq|equation|figure|fig|table|chapter|cell|algorithm|bug|question|line|page|seed)s?\.?|§"
)
NOT_PROSE = [  # what holds numerals that nobody measured
    re.compile(pattern, re.M | re.S | re.I)
    for pattern in (
        r"^```.*?^```|(`+).*?\1",
        r"\$\$.*?\$\$|\$[^$\n]+\$|\\\(.*?\\\)|\\\[.*?\\\]",
        r"\]\([^)]*\)|<[^>\n]+>|https?://\S+",
        r"^#{1,6} [^\n]*$|^\s*(?:>\s*)*\d+\.\s|^\|?[ *]*Time\b[^\n]*$|^\*\*\d+\.\d+\*\*\s",
        r"\barXiv\b[:\s]*\d{4}\.\d{4,5}|\b\d{4}\.\d{5}\b",
        r"(?<![\w.,])(?:19[5-9]\d|20[0-3][1-9]|20[123]0)(?![\w]|[.,]\d)",
        rf"(?:{_ROOM})\s*\(?\d+[a-z]?(?:\.\d+)*\)?(?:(?:,|,? and| to|–|-| or)\s?\(?\d+[a-z]?\)?)*(?![.\d])",
        r"\b\d+ min\b",
    )
]


class Numeral(NamedTuple):
    """One in a text. digits: as written, without what groups them; half: half a unit of its last digit."""

    text: str
    start: int
    digits: str
    value: float
    half: float
    percent: bool

    def named(self, key: "Numeral") -> bool:
        """Is it the one that a mark means?"""
        return self.digits == key.digits and (self.percent or not key.percent)

    def printed_by(self, numbers: list[tuple[float, bool]]) -> bool:
        """Does one of the numbers (value, in percent) round to it?"""
        return any(abs(value - self.value) <= self.half * 1.000001 for value in self._readings(numbers))

    def nearest(self, numbers: list[tuple[float, bool]]) -> list[float]:
        """The four numbers that come nearest, the nearest first."""
        ways = {value: abs(value - self.value) for value in self._readings(numbers)}
        return sorted(ways, key=ways.__getitem__)[:4]

    def _readings(self, numbers: list[tuple[float, bool]]) -> Iterator[float]:
        for value, percent in numbers:
            for scale in {
                1.0,
                100.0 if self.percent and not percent else 1.0,
                0.01 if percent and not self.percent else 1.0,
            }:
                yield value * scale
                if self.value >= 0:  # "3.2 lower" of -3.2
                    yield abs(value) * scale


def numerals(text: str, *, all_of: bool = True) -> list[Numeral]:
    """Those of a text of Markdown; with `all_of=False` those that want a mark: no formulas, code, years, references, numbers of sections,
    nor whole numbers up to ten, unless they count in percent or times."""
    where = text
    for pattern in [] if all_of else NOT_PROSE:
        where = pattern.sub(lambda m: re.sub(r"\S", " ", m[0]), where)
    found = []
    for match in NUMERAL.finditer(where):
        body = re.sub(r"[^\d.]", "", match["body"])
        power = int(re.sub(r"[^-\d]", "", (match["power"] or "0").translate(_POWERS)))
        value = float(f"{'-' if match['sign'] else ''}{body}e{power}")
        decimals = len(body.partition(".")[2])
        half = 0.5 * 10.0 ** (power - decimals)
        noughts = len(body) - len(body.rstrip("0")) if "." not in body else 0
        if noughts and ABOUT.search(text[max(0, match.start() - 12) : match.start()]):
            half = max(half, min(0.5 * 10.0 ** (power + noughts), 0.05 * abs(value)))
        counts = bool(match["percent"] or TIMES.match(where, match.end()))
        if all_of or decimals or abs(value) > 10 or counts:
            digits = f"{'-' if match['sign'] else ''}{body}{f'e{power}' if match['power'] else ''}"
            found.append(Numeral(match[0], match.start(), digits, value, half, bool(match["percent"])))
    return found


def sentence(text: str, at: int) -> str:
    """The sentence of a text around a place, on one line."""
    ends = [m.end() for m in re.finditer(r"[.!?](?:\*\*)?\s+|\n\s*\n|\n(?=\s*(?:[-*|>]|\d+\.) )", text)]
    begin = max([end for end in ends if end <= at], default=0)
    return " ".join(text[begin : min([end for end in ends if end > at], default=len(text))].split())


def printed(cell: dict) -> list[tuple[float, bool]]:
    """The numbers that a code cell shows, as text, table, or in the words for a picture: (value, with a % behind it)."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        shown = html.unescape(
            re.sub(r"(?s)<style.*?</style>|<script.*?</script>|<[^>]+>", " ", _text(data.get("text/html")))
        )
        alt = output.get("metadata", {}).get("image/png", {}).get("alt", "")
        texts += [_text(output.get("text")), _text(data.get("text/plain")), shown, str(alt)]
    return _numbers("\n".join(texts))


def written(cell: dict) -> list[tuple[float, bool]]:
    """The numbers that stand in the code of a cell."""
    return _numbers(re.sub(r"(?<=\d)_(?=\d)", "", _text(cell["source"])))


def _numbers(text: str) -> list[tuple[float, bool]]:
    found = []
    for match in PRINTED.finditer(text):
        body = match["body"].replace(",", "")
        found.append((float(f"{'-' if match['sign'] else ''}{body}e{match['power'] or 0}"), bool(match["percent"])))
    return [(value, percent) for value, percent in found if math.isfinite(value)]


def _text(source: Any) -> str:
    return source if isinstance(source, str) else "".join(source or [])


# -- where numbers come from ------------------------------------------------------------------------------------------


def numbers_of(source: str, cells: dict[str, dict], root: Path) -> list[tuple[float, bool]]:
    """The numbers of a mark's source. ValueError, with a reason, for one that is not there."""
    if match := re.fullmatch(r"(\S+\.json): *(.+)", source):
        return [(value, False) for value in _leaves(_entry(_table(root / match[1]), match[2]))]
    name, _, what = (part.strip() for part in source.partition(":"))
    if name not in cells or cells[name]["cell_type"] != "code":
        raise ValueError(f"there is no code cell {name}")
    if what not in ("", "code"):
        raise ValueError(f"a source is a cell, a cell with ': code' behind it, or a table with a path, not {source!r}")
    return written(cells[name]) if what else printed(cells[name])


@cache
def _table(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read") from error


def _entry(table: Any, path: str) -> Any:
    """What lies at a path: keys with dots between them (and in them), [0] for a place in a list, [key=value, …] for the first such row."""
    if not path:
        return table
    if match := re.match(r"\[([^]]*)\]\.?", path):
        return _entry(_row(table, match[1]), path[match.end() :])
    if not isinstance(table, dict):
        raise ValueError(f"nothing lies at {path!r}")
    fits = [key for key in table if path == key or path.startswith((f"{key}.", f"{key}["))]
    if not fits:
        raise ValueError(f"there is no {path!r} among {', '.join(table)}"[:200])
    key = max(fits, key=len)
    return _entry(table[key], path[len(key) :].removeprefix("."))


def _row(table: Any, wanted: str) -> Any:
    if not isinstance(table, list):
        raise ValueError(f"[{wanted}] wants a list")
    if re.fullmatch(r"-?\d+", wanted):
        if not -len(table) <= int(wanted) < len(table):
            raise ValueError(f"[{wanted}] is not in a list of {len(table)}")
        return table[int(wanted)]
    pairs = dict(re.findall(r"\s*([^=,]+)=\s*([^,]*?)\s*(?:,|$)", wanted))
    fits = [row for row in table if isinstance(row, dict) and all(_same(row.get(k), v) for k, v in pairs.items())]
    if not fits or not pairs:
        raise ValueError(f"there is no row [{wanted}]")
    return fits[0]


def _same(value: Any, wanted: str) -> bool:
    try:
        return json.loads(wanted) == value
    except ValueError:
        return str(value) == wanted


def _leaves(value: Any) -> list[float]:
    if isinstance(value, dict | list):
        return [leaf for each in (value.values() if isinstance(value, dict) else value) for leaf in _leaves(each)]
    if isinstance(value, str):  # "60000 images"
        return [number for number, _ in _numbers(value)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []


# -- a lesson ---------------------------------------------------------------------------------------------------------


def stale(notebook: dict, root: Path) -> list[str]:
    """The marks that do not hold, a sentence each: the prose, the mark, and what is printed now."""
    cells, told = {cell.get("id"): cell for cell in notebook["cells"]}, []
    for cell in notebook["cells"]:
        text = _text(cell["source"])
        for key, sources in cell["metadata"].get("numbers", {}).items():
            about = f"text {cell.get('id')}: the mark {key!r}"
            (mark, *more) = numerals(key) or [None]
            found = [] if mark is None else [n for n in numerals(text) if n.named(mark)]
            if not found or more:
                told.append(f"{about}: no such number stands in its prose")
                continue
            for source in [] if sources is None else [sources] if isinstance(sources, str) else sources:
                try:
                    numbers = numbers_of(str(source), cells, root)
                except ValueError as error:
                    told.append(f"{about} names {source!r}: {error}")
                    continue
                if not any(each.printed_by(numbers) for each in found):
                    now = ", ".join(f"{value:.6g}" for value in found[0].nearest(numbers)) or "no number"
                    said = sentence(text, found[0].start)
                    told.append(f"{about}: “{said}” is no longer true; {source} now has {now}")
    return told


class Open(NamedTuple):
    """A numeral that is neither marked nor waived, and the cells nearby that print it or set it."""

    cell: str
    numeral: Numeral
    said: str
    printing: list[str]
    setting: list[str]


def unmarked(notebook: dict) -> list[Open]:
    """All that want a mark, in order, each once a cell."""
    cells, found = notebook["cells"], []
    for place, cell in enumerate(cells):
        if cell["cell_type"] != "markdown":
            continue
        text, seen = _text(cell["source"]), set()
        marks = [numeral for key in cell["metadata"].get("numbers", {}) for numeral in numerals(key)]
        code = [[c for c in side if _measures(c)][:NEAR] for side in (cells[:place][::-1], cells[place:])]
        for numeral in numerals(text, all_of=False):
            if any(numeral.named(mark) for mark in marks) or numeral.digits in seen:
                continue
            seen.add(numeral.digits)
            near = [c for side in code for c in side]
            printing = [c["id"] for c in near if numeral.printed_by(printed(c))]
            setting = [c["id"] for c in near if numeral.printed_by(written(c))]
            found.append(Open(cell["id"], numeral, sentence(text, numeral.start), printing, setting))
    return found


def _measures(cell: dict) -> bool:
    return cell["cell_type"] == "code" and not ASKS.match(_text(cell["source"]))


def mark(notebook: dict) -> list[str]:
    """Mark what exactly one of the cells nearby prints, in place; what was marked, a line each."""
    cells, told = {cell["id"]: cell for cell in notebook["cells"]}, []
    for each in unmarked(notebook):
        if len(each.printing) == 1:
            set_mark(cells[each.cell], each.numeral.text, each.printing[0])
            told.append(f"{each.cell}: {each.numeral.text} = {each.printing[0]}   “{each.said}”")
    return told


def set_mark(cell: dict, numeral: str, source: str) -> None:
    """Note in a text cell where a numeral comes from; "-" waives it."""
    cell["metadata"].setdefault("numbers", {})[numeral] = None if source == "-" else source


def report(notebook: dict) -> list[str]:
    """What is neither marked nor waived, by cells, and how many are."""
    told, last = [], None
    for each in (found := unmarked(notebook)):
        told += [each.cell] if each.cell != last else []
        last = each.cell
        where = [f"printed by {', '.join(each.printing)}"] if each.printing else []
        where += [f"set in {', '.join(each.setting)}"] if each.setting else []
        told.append(f"  {each.numeral.text:<8} {'; '.join(where) or 'nowhere near'}   “{each.said}”")
    marks = [source for cell in notebook["cells"] for source in cell["metadata"].get("numbers", {}).values()]
    waived = marks.count(None)
    return [*told, f"{len(found)} numerals without a mark, {len(marks) - waived} marked, {waived} waived"]
