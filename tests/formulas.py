"""Evaluates a formula as it is written in TeX: numbers and tensors for its symbols, juxtaposition for a product."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch


def _function(name: str) -> Any:
    return lambda x: getattr(torch, name)(torch.as_tensor(x, dtype=torch.float64))


KNOWN = {
    r"\sqrt": _function("sqrt"),
    r"\log": _function("log"),
    r"\exp": _function("exp"),
    r"\cos": _function("cos"),
    r"\pi": math.pi,
}
SPACE = re.compile(r"\\left|\\right|\\quad|\\[,; ]|\s+")
CLOSES = {"(": ")", "[": "]", "{": "}"}


def evaluate(tex: str, symbols: Mapping[str, Any]) -> Any:
    r"""The value of the formula. A symbol that stands for a function takes the factor behind it: evaluate(r"\frac{1}{a}\log b", {…})."""
    known = {**KNOWN, **symbols}
    longest = "|".join(re.escape(symbol) for symbol in sorted(known, key=len, reverse=True))
    tokens = re.findall(rf"{longest}|\\[A-Za-z]+|\d+(?:\.\d+)?|.", SPACE.sub(" ", tex))
    parser = _Parser([token for token in tokens if token != " "], known)
    value = parser.sum()
    assert not parser.tokens, f"{tex}: cannot read on at {parser.tokens}"
    return value


class _Parser:
    def __init__(self, tokens: list[str], known: Mapping[str, Any]):
        self.tokens, self.known = tokens, known

    def next(self, *wanted: str) -> str:
        """The next token if it is one of these, which then is taken; "" otherwise."""
        return self.tokens.pop(0) if self.tokens and self.tokens[0] in wanted else ""

    def sum(self) -> Any:
        value = -self.product() if self.next("-") else self.product()
        while sign := self.next("+", "-"):
            value = value + self.product() if sign == "+" else value - self.product()
        return value

    def product(self) -> Any:
        value = self.power()
        while self.tokens and self.tokens[0] not in {"+", "-", ")", "]", "}"}:
            if self.next("/"):
                value = value / self.power()
            else:
                self.next(r"\cdot", r"\odot")
                value = value * self.power()
        return value

    def power(self) -> Any:
        value = self.atom()
        return value ** self.atom() if self.next("^") else value

    def atom(self) -> Any:
        token = self.tokens.pop(0)
        if token in CLOSES:
            value = self.sum()
            assert self.next(CLOSES[token]), f"{token} is not closed before {self.tokens}"
            return value
        if token == r"\frac":
            return self.atom() / self.atom()
        value = self.known[token] if token in self.known else float(token)
        if not callable(value):
            return value
        exponent = self.atom() if self.next("^") else 1
        return value(self.power()) ** exponent
