"""Arithmetic over named series, so that `errors / invocations * 100` is written in a check and computed here.

    sum     = product  (("+" | "-") product)*
    product = factor   (("*" | "/") factor)*
    factor  = number | name | "(" sum ")" | "-" factor

A point is missing where either side is missing or where something is divided by zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from opsbot.samples import Values

_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<sign>[-+*/()]))")
_DEPTH = 40


class ExpressionError(ValueError):
    """What was expected, what was found, and at which character (the first is 1)."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Name:
    name: str


@dataclass(frozen=True, slots=True)
class Pair:
    sign: str
    left: Node
    right: Node


Node = Number | Name | Pair


@dataclass(frozen=True, slots=True)
class Expression:
    """Parsed once, computed for every resource."""

    text: str
    root: Node

    @property
    def names(self) -> frozenset[str]:
        return _names(self.root)

    def of(self, series: Mapping[str, Values]) -> Values:
        """Elementwise over arrays of one shape. Every name must be there."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            result = np.asarray(_compute(self.root, series), dtype=np.float64)
        return np.where(np.isfinite(result), result, np.nan)


def parse(text: str) -> Expression:
    """Read what a person wrote. Raises ExpressionError that names the character."""
    reader = _Reader(text)
    root = reader.sum(0)
    if reader.token[0] != "end":
        raise ExpressionError(f"expected an operator or the end at character {reader.at}, got {reader.token[1]!r}")
    return Expression(text, root)


class _Reader:
    """One token ahead: (kind, text) with `at` its first character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.end = 0
        self.next()

    def next(self) -> None:
        self.at = len(self.text) - len(self.text[self.end :].lstrip()) + 1
        self.token = ("end", "the end")
        if self.at > len(self.text):
            return
        match = _TOKEN.match(self.text, self.end)
        if match is None or match.lastgroup is None:
            found = self.text[self.at - 1]
            raise ExpressionError(
                f"expected a name, a number or one of + - * / ( ) at character {self.at}, got {found!r}"
            )
        self.end = match.end()
        self.token = (match.lastgroup, match[match.lastgroup])

    def sum(self, depth: int) -> Node:
        node = self.product(depth)
        while self.token in (("sign", "+"), ("sign", "-")):
            sign = self.token[1]
            self.next()
            node = Pair(sign, node, self.product(depth))
        return node

    def product(self, depth: int) -> Node:
        node = self.factor(depth)
        while self.token in (("sign", "*"), ("sign", "/")):
            sign = self.token[1]
            self.next()
            node = Pair(sign, node, self.factor(depth))
        return node

    def factor(self, depth: int) -> Node:
        if depth > _DEPTH:
            raise ExpressionError(f"expected at most {_DEPTH} levels of nesting, got more at character {self.at}")
        kind, text = self.token
        at = self.at
        if kind == "end" or (kind == "sign" and text not in "(-"):
            found = text if kind == "end" else repr(text)
            raise ExpressionError(f"expected a name, a number or ( at character {at}, got {found}")
        self.next()
        if kind == "number":
            return Number(float(text))
        if kind == "name":
            return Name(text)
        if text == "-":
            return Pair("-", Number(0.0), self.factor(depth + 1))
        return self.closed(depth, at)

    def closed(self, depth: int, opened: int) -> Node:
        node = self.sum(depth + 1)
        if self.token != ("sign", ")"):
            raise ExpressionError(f"expected ) for the ( at character {opened}, got {self.token[1]}")
        self.next()
        return node


def _names(node: Node) -> frozenset[str]:
    match node:
        case Number():
            return frozenset()
        case Name(name):
            return frozenset((name,))
        case Pair(_, left, right):
            return _names(left) | _names(right)


def _compute(node: Node, series: Mapping[str, Values]) -> Values | np.float64:
    match node:
        case Number(value):
            return np.float64(value)
        case Name(name):
            return series[name]
        case Pair(sign, left, right):
            a, b = _compute(left, series), _compute(right, series)
    match sign:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case _:
            # inf from x/0 becomes missing at the end: one point nobody can judge, not an endless breach.
            return np.where(b == 0, np.nan, a / np.where(b == 0, np.nan, b))
