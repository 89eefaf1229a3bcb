"""Reading metric math: text to a small tree. Nothing is evaluated here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from opsbot.replica.codec import Fault

MAX_LENGTH = 2048
MAX_DEPTH = 60


@dataclass(frozen=True, slots=True)
class Number:
    """A literal number."""

    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A literal in quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a query, or a word such as REPEAT."""

    value: str


@dataclass(frozen=True, slots=True)
class Listing:
    """`[a, b]`"""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Negative:
    """`-a`"""

    of: Node


@dataclass(frozen=True, slots=True)
class Binary:
    """`a + b` and the like."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Apply:
    """`FILL(a, 0)`"""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Text | Name | Listing | Negative | Binary | Apply

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<text>'[^']*'|"[^"]*")|(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/^<>()\[\],]))"""
)
# Loosest first; each row binds tighter than the one above.
_LEVELS = (("||",), ("&&",), ("==", "!=", "<", ">", "<=", ">="), ("+", "-"), ("*", "/"))


def fault(text: str, why: str) -> Fault:
    """The error AWS answers for an expression that it cannot read or work out."""
    return Fault("ValidationError", f"Error in expression '{text}': {why}")


@dataclass(slots=True)
class _Parser:
    text: str
    tokens: list[tuple[str, str]]
    at: int = 0
    depth: int = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def take(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise fault(self.text, "the expression ends too early")
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, sign: str) -> None:
        if self.peek() != sign:
            raise fault(self.text, f"expected '{sign}', found '{self.peek() or 'the end'}'")
        self.at += 1


def parse(text: str) -> Node:
    """The tree of an expression. Raises Fault ValidationError where it cannot be read."""
    if len(text) > MAX_LENGTH:
        raise fault(text[:40] + "...", f"longer than {MAX_LENGTH} characters")
    parser = _Parser(text, _tokens(text))
    node = _level(parser, 0)
    if parser.peek():
        raise fault(text, f"unexpected '{parser.peek()}'")
    return node


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found or not found.lastgroup:
            raise fault(text, f"unexpected character at {at}")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        at = found.end()
    return tokens


def _level(parser: _Parser, level: int) -> Node:
    if level == len(_LEVELS):
        return _negative(parser)
    node = _level(parser, level + 1)
    while parser.peek() in _LEVELS[level] and parser.tokens[parser.at][0] == "sign":
        node = Binary(parser.take()[1], node, _level(parser, level + 1))
    return node


def _negative(parser: _Parser) -> Node:
    if parser.peek() == "-":
        return _nested(parser, lambda: (parser.take(), Negative(_negative(parser)))[1])
    base = _atom(parser)
    if parser.peek() != "^":
        return base
    return _nested(parser, lambda: (parser.take(), Binary("^", base, _negative(parser)))[1])


def _nested(parser: _Parser, read: Callable[[], Node]) -> Node:
    """Reads one level deeper; a request must not be able to exhaust the stack."""
    parser.depth += 1
    if parser.depth > MAX_DEPTH:
        raise fault(parser.text, "nested too deeply")
    node = read()
    parser.depth -= 1
    return node


def _atom(parser: _Parser) -> Node:
    kind, word = parser.take()
    if kind == "number":
        return Number(float(word))
    if kind == "text":
        return Text(word[1:-1])
    if kind == "name" and parser.peek() == "(":
        parser.take()
        return Apply(word.upper(), _nested_items(parser, ")"))
    if kind == "name":
        return Name(word)
    if word == "[":
        return Listing(_nested_items(parser, "]"))
    if word == "(":
        node = _nested(parser, lambda: _level(parser, 0))
        parser.expect(")")
        return node
    raise fault(parser.text, f"unexpected '{word}'")


def _nested_items(parser: _Parser, closing: str) -> tuple[Node, ...]:
    items: list[Node] = []
    if parser.peek() != closing:
        items.append(_nested(parser, lambda: _level(parser, 0)))
    while parser.peek() == ",":
        parser.take()
        items.append(_nested(parser, lambda: _level(parser, 0)))
    parser.expect(closing)
    return tuple(items)
