"""`predict`, `outcome` and `mixed`: a guess before the outcome, how far off it was, and things in an order that nobody has seen."""

import math
import numbers
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from diffcourse.console import say
from diffcourse.learn import record, registry, show
from diffcourse.learn.exercise import Prediction
from diffcourse.learn.words import a_kind

_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")  # 30,000
_orders: dict[str, str] = {}  # of what `mixed` handed out: the letters in the order that is asked for


def predict(name: str, guess: Any = ...) -> None:
    """Ask for a guess before the outcome is shown, or keep the one that is given.

    With `...` in place of a guess it prints the question. A number is an int, a float, a fraction or a text ("3e4", "50 %", "1/3"), a
    choice a letter or the option's text, an order its letters ("BAC"). Until the outcome is told, a new guess replaces the old one.
    KeyError for an unknown name; TypeError or ValueError for a guess of another kind.
    """
    asked = registry.prediction(name)
    before = _kept(asked)
    if guess is ...:
        _show(_question(asked, before))
        return
    value = read(asked, guess, "guess")
    if asked.kind == "number" and asked.scale == "ratio" and value <= 0:
        raise ValueError(f"guess must be greater than 0 here, got {guess!r}")
    said, now = _said(asked, value), record.guessed(name, value)
    if now["told"]:
        first = f"Your guess was {_said(asked, before['guess'])}" if before["guess"] is not None else "You had no guess"
        again = f'progress(reset="{name}") starts it again.'
        if before["guess"] == value:
            lines = [f"{asked.title}: you said {said}. The outcome has been told since."]
        else:
            lines = [f"{asked.title}: the outcome has been told, so {said} is not counted.", f"{first}. {again}"]
    elif before["guess"] not in (None, value):
        lines = [f"{asked.title}: you say {said}, in place of {_said(asked, before['guess'])}. Now look."]
    else:
        lines = [f"{asked.title}: you say {said}. Now look."]
    _show(lines)


def outcome(name: str, measured: Any = ...) -> None:
    """Tell the outcome of a prediction, and how far off the guess was.

    `measured` is a number; of a choice its text or letter; of an order its letters, or a dict {letter or text: number}, which means from
    the smallest number up. It may be left out for an order of `mixed`, and where the prediction holds its own truth. KeyError for an
    unknown name; TypeError or ValueError for an outcome of another kind.
    """
    asked = registry.prediction(name)
    truth = _truth(asked, measured)
    guess = _kept(asked)["guess"]
    near, line = _judged(asked, guess, truth)
    record.outcome_told(name, None if guess is None else near)
    lines = [line, *([asked.why] if asked.why else [])]
    if guess is None:
        say("\n".join([*lines, *record.STORE.take_notices()]))  # a line among those that the cell prints
    else:
        _show(lines, "right" if near else "wrong")


def mixed(name: str, things: Iterable[Any]) -> dict[str, Any]:
    """Things under the letters A, B, …, in an order of this reader's own: {"A": …, "B": …}. `outcome(name)` tells which is which.

    `things` is a list, or a dict whose keys say what each is. The order that the prediction asks for is from the smallest up if they are
    all numbers, and as they are written otherwise. ValueError unless there is one for each option of the prediction.
    """
    asked = registry.prediction(name)
    if not asked.mixed:
        raise ValueError(f"name must be that of an order with mixed=True, got {name!r}")
    if isinstance(things, str) or not isinstance(things, Iterable):
        raise TypeError(f"things must be a list or a dict, got {a_kind(things)}")
    pairs = list(things.items()) if isinstance(things, Mapping) else [(thing, thing) for thing in things]
    if len(pairs) != len(asked.options):
        raise ValueError(f"things must be {len(asked.options)}, one for each option of {name}, got {len(pairs)}")
    places = record.shuffled(record.reader(), name, len(pairs))
    handed = {letter: pairs[i] for letter, i in zip(asked.letters, places, strict=True)}
    if all(_is_number(key) for key, _ in pairs):
        order = sorted(handed, key=lambda letter: float(handed[letter][0]))
    else:
        order = sorted(handed, key=lambda letter: places[asked.letters.index(letter)])
    _orders[name] = "".join(order)
    return {letter: thing for letter, (_, thing) in handed.items()}


# -- what is shown ----------------------------------------------------------------------------------------------------


def _show(lines: list[str], tone: str = "open") -> None:
    lines = [*lines, *record.STORE.take_notices()]
    first, *rest = map(show.marked, lines)
    show.show("\n".join(lines), "<br>".join([f"<b>{first}</b>", *rest]), tone)


def _question(asked: Prediction, before: dict[str, Any]) -> list[str]:
    """The question, its options, how to answer, and what was answered."""
    lines = [f"Predict: {asked.title}", asked.question]
    if not asked.mixed:
        lines += [f"{letter}) {option}" for letter, option in zip(asked.letters, asked.options, strict=True)]
    dots = f'predict("{asked.name}", …)'
    if asked.kind == "number":
        examples = {"%": "30 or 4.5", "": '40, 0.3, "2e5" or "5 %"'}.get(asked.unit, '40, 0.3 or "2e5"')
        of = f" ({'in percent' if asked.unit == '%' else f'in {asked.unit}'})" if asked.unit else ""
        how = f"a number{of} in place of the dots, written as {examples}"
    elif asked.kind == "choice":
        how = f"one of the letters {asked.letters[0]} to {asked.letters[-1]} in place of the dots, in quotes"
    elif asked.mixed:
        how = f"the letters of: {'; '.join(asked.options)}; in this order, in place of the dots, in quotes"
    else:
        how = f"the letters {asked.letters[0]} to {asked.letters[-1]} in your order in place of the dots, in quotes"
    lines.append(f"Answer by {how}, and run the cell again: {dots}")
    if before["guess"] is not None:
        told = "and the outcome has been told since" if before["told"] else "and may still change your mind"
        lines.append(f"You said {_said(asked, before['guess'])}, {told}.")
    return lines


def _said(asked: Prediction, value: Any) -> str:
    """A guess or a truth as a reader writes it."""
    if asked.kind == "number":
        unit = {"": "", "%": " %"}.get(asked.unit, f" {asked.unit}")
        return f"{_digits(value, asked.digits)}{unit}"
    if asked.kind == "choice":
        return f"{value}, {asked.options[asked.letters.index(value)]}"
    return value


def _digits(x: float, digits: int = 3) -> str:
    """A number with some significant digits, as people write it: 0.0123, 12,300, 6.62 · 10⁹."""
    if x == 0 or not math.isfinite(x):
        return f"{x:g}"
    rounded = float(f"{x:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(rounded)))
    if not -5 < exponent < 7:
        power = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
        return f"{rounded / 10**exponent:.{digits}g} · 10{power}"
    text = f"{rounded:,.{max(0, digits - 1 - exponent)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace("-", "−")


# -- what a guess and an outcome may be -------------------------------------------------------------------------------


def _kept(asked: Prediction) -> dict[str, Any]:
    """What is recorded; a guess that fits an older version of the question only is none."""
    entry = record.prediction_of(asked.name)
    try:
        fits = entry["guess"] is not None and read(asked, entry["guess"], "guess") == entry["guess"]
    except (TypeError, ValueError):
        fits = False
    return entry if fits else {**entry, "guess": None}


def read(asked: Prediction, value: Any, argument: str) -> Any:
    """A float, a letter, or the letters of an order."""
    if asked.kind == "number":
        return _number(asked, value, argument)
    return _choice(asked, value, argument) if asked.kind == "choice" else _order(asked, value, argument)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _number(asked: Prediction, value: Any, argument: str) -> float:
    allowed = 'a number (an int, a float, a fraction) or a text such as "3e4", "50 %" or "1/3"'
    percent = asked.unit == "%"
    if isinstance(value, str):
        number = _parsed(value, asked.unit)
        if number is None:
            raise ValueError(f"{argument} must be {allowed}, got {value!r}")
    elif _is_number(value):
        number = float(value) * (100 if percent and isinstance(value, Fraction) else 1)
    else:
        try:
            if isinstance(value, bool) or getattr(value, "shape", None) is None:
                raise TypeError
            number = float(value)  # a tensor or an array of one number
        except (TypeError, ValueError, RuntimeError):
            raise TypeError(f"{argument} must be {allowed}, got {value if value is ... else a_kind(value)}") from None
    if not math.isfinite(number):
        raise ValueError(f"{argument} must be finite, got {value!r}")
    return number


def _parsed(text: str, unit: str) -> float | None:
    """The number that a text says, in the unit; None if it says none."""
    bare = text.strip().replace("−", "-")
    share = bare.endswith("%")
    bare = bare.removesuffix("%").removesuffix(unit).strip()
    bare = bare.replace(",", "") if _GROUPED.fullmatch(bare) else bare
    try:
        if "/" in bare:
            return float(Fraction(bare.replace(" ", ""))) * (100 if unit == "%" and not share else 1)
        number = float(bare)
    except (ValueError, ZeroDivisionError, OverflowError):
        return None
    return number / 100 if share and unit != "%" else number


def _choice(asked: Prediction, value: Any, argument: str) -> str:
    """The letter of an option that is given by its letter or its text."""
    wanted = value.strip().casefold() if isinstance(value, str) else None
    for letter, option in zip(asked.letters, asked.options, strict=True):
        if wanted in (letter.casefold(), option.strip().casefold()):
            return letter
    kind = ValueError if isinstance(value, str) else TypeError
    got = repr(value) if isinstance(value, str) or value is ... else a_kind(value)
    allowed = f"a letter from {asked.letters[0]} to {asked.letters[-1]}, or the text of that option"
    raise kind(f"{argument} must be {allowed}, got {got}")


def _order(asked: Prediction, value: Any, argument: str) -> str:
    """The letters of an order that is given by letters or by a list of them."""
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        value = " ".join(value)
    allowed = f"each of the letters {asked.letters} once"
    if not isinstance(value, str):
        raise TypeError(f"{argument} must hold {allowed}, got {value if value is ... else a_kind(value)}")
    letters = re.sub(r"[\s,;<>-]", "", value).upper()
    if sorted(letters) != list(asked.letters):
        raise ValueError(f"{argument} must hold {allowed}, got {value!r}")
    return letters


def _truth(asked: Prediction, measured: Any) -> Any:
    """What `measured` says; where it is left out, what the prediction or `mixed` knows."""
    if measured is ...:
        if asked.truth:
            return read(asked, asked.truth, "truth")
        if asked.mixed:
            if asked.name not in _orders:
                raise ValueError(f'measured may be left out only after mixed("{asked.name}", …): run that cell first')
            return _orders[asked.name]
    if asked.kind == "order" and isinstance(measured, Mapping):
        return _sorted(asked, measured)
    return read(asked, measured, "measured")


def _sorted(asked: Prediction, measured: Mapping[Any, Any]) -> str:
    """The letters of a dict's keys from the smallest number up; those of `mixed` need no numbers."""
    by_letter = {_choice(asked, key, "measured (its keys)"): value for key, value in measured.items()}
    if "".join(sorted(by_letter)) != asked.letters:
        raise ValueError(f"measured must have an entry for each of the letters {asked.letters}, got {list(measured)}")
    try:
        return "".join(sorted(by_letter, key=lambda letter: float(by_letter[letter])))
    except (TypeError, ValueError, RuntimeError):
        if asked.name in _orders:
            return _orders[asked.name]
        raise TypeError("measured must be a dict of numbers, from which the order follows") from None


# -- how far off ------------------------------------------------------------------------------------------------------


def _judged(asked: Prediction, guess: Any, truth: Any) -> tuple[bool, str]:
    """Whether a guess is near, and the line that says how far off it is; without a guess, the line says the outcome."""
    it_is = _told(asked, truth)
    if guess is None:
        return False, f"{asked.title}: {it_is}."
    you = f"{asked.title}: you said {_said(asked, guess)}"
    if asked.kind == "choice":
        return guess == truth, f"{you}. Right." if guess == truth else f"{you}; it is {it_is}."
    if asked.kind == "order":
        right = sum(a == b for a, b in zip(guess, truth, strict=True))
        n = len(truth)
        says = (
            "All places are right"
            if right == n
            else f"{right or 'none'} of {n} places {'is' if right == 1 else 'are'} right"
        )
        return right >= (n - 2 if n > 3 else n), f"{you}. {says}." if right == n else f"{you}; it is {it_is}: {says}."
    near, off = _off(asked, guess, truth)
    return near, f"{you}; it is {it_is}: {off}."


def _told(asked: Prediction, truth: Any) -> str:
    if asked.kind != "order":
        return _said(asked, truth)
    if asked.mixed:  # each option has found its letter
        return (
            f"{truth} ({', '.join(f'{letter} {option}' for letter, option in zip(truth, asked.options, strict=True))})"
        )
    return f"{truth} ({', '.join(asked.options[asked.letters.index(letter)] for letter in truth)})"


def _off(asked: Prediction, guess: float, truth: float) -> tuple[bool, str]:
    """By a factor or by a distance."""
    assert asked.close is not None
    if _said(asked, guess) == _said(asked, truth):
        return True, "exactly that"
    if asked.scale == "ratio" and truth > 0:
        ratio = guess / truth
        near = 1 / asked.close <= ratio <= asked.close
        times, way = (ratio, "large") if ratio > 1 else (1 / ratio, "small")
        if near:
            return True, "near"
        return False, f"{_digits(times, 2)} times too {way}"
    distance = abs(guess - truth)
    near = asked.scale == "difference" and distance <= asked.close
    if near:
        return True, "near"
    by = f"{_digits(distance, 2)} points" if asked.unit == "%" else _said(asked, float(f"{distance:.2g}"))
    return False, f"{by} too {'high' if guess > truth else 'low'}"
