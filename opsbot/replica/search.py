"""SEARCH expressions: which series a search means.

`{Namespace,Dimension,...}` asks for exactly these dimensions; `Name="value"` for the whole value, `Name=value` and
bare words for a part; AND (also unsaid), OR, NOT and parentheses combine. At most 500 series come back.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from opsbot.replica.codec import Fault, Request
from opsbot.replica.series import all_series
from opsbot.replica.world import SeriesId

MOST = 500
Test = Callable[[SeriesId], bool]
_SCHEMA = re.compile(r"\s*\{([^{}]*)\}")
_TOKEN = re.compile(r'\s*(?:([()])|("[^"]*"|[\w.:/-]+)\s*=\s*("[^"]*"|[^\s()"]+)|("[^"]*"|[^\s()"=]+))')


def find(search: str, request: Request) -> list[SeriesId]:
    """The series that `search` means, sorted. Raises Fault ValidationError for a search that cannot be read."""
    schema = _SCHEMA.match(search)
    fits = _schema(schema[1]) if schema else None
    meant = _Search(search, search[schema.end() :] if schema else search).test()
    found = (s for s in all_series(request) if (fits is None or fits(s)) and meant(s))
    return sorted(found, key=lambda s: (s.namespace, s.name, s.dimensions))[:MOST]


def _schema(text: str) -> Test:
    names = [part.strip().strip('"') for part in text.split(",")]
    namespace, dimensions = names[0], sorted(names[1:])
    return lambda s: s.namespace == namespace and [name for name, _ in s.dimensions] == dimensions


def _words(series: SeriesId) -> str:
    parts = [series.namespace, series.name, *(part for pair in series.dimensions for part in pair)]
    return " ".join(parts).lower()


class _Search:
    """Reads the terms of one search, loosest first: OR, AND, NOT."""

    def __init__(self, whole: str, terms: str) -> None:
        self.whole = whole
        self.tokens = _tokens(whole, terms)
        self.at = 0

    def test(self) -> Test:
        if not self.tokens:
            return lambda _: True
        test = self._either()
        if self.at < len(self.tokens):
            raise _fault(self.whole)
        return test

    def _peek(self) -> str:
        return self.tokens[self.at][0].upper() if self.at < len(self.tokens) else ""

    def _either(self) -> Test:
        tests = [self._both()]
        while self._peek() == "OR":
            self.at += 1
            tests.append(self._both())
        return lambda s: any(test(s) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._peek() not in ("", "OR", ")"):
            self.at += self._peek() == "AND"
            tests.append(self._one())
        return lambda s: all(test(s) for test in tests)

    def _one(self) -> Test:
        if self.at >= len(self.tokens):
            raise _fault(self.whole)
        name, value = self.tokens[self.at]
        self.at += 1
        if name.upper() == "NOT" and value is None:
            unwanted = self._one()
            return lambda s: not unwanted(s)
        if name == "(":
            test = self._either()
            if self._peek() != ")":
                raise _fault(self.whole)
            self.at += 1
            return test
        return _term(name, value)


def _term(name: str, value: str | None) -> Test:
    if value is None:
        word = name.strip('"').lower()
        return lambda s: word in _words(s)
    key, wanted = name.strip('"'), value.strip('"')
    if value.startswith('"'):
        return lambda s: _property(s, key) == wanted
    return lambda s: wanted.lower() in _property(s, key).lower()


def _property(series: SeriesId, key: str) -> str:
    if key.lower() == "metricname":
        return series.name
    if key.lower() == "namespace":
        return series.namespace
    return dict(series.dimensions).get(key.removeprefix(":dimension."), "")


def _tokens(whole: str, terms: str) -> list[tuple[str, str | None]]:
    tokens: list[tuple[str, str | None]] = []
    at, terms = 0, terms.rstrip()
    while at < len(terms):
        found = _TOKEN.match(terms, at)
        if not found:
            raise _fault(whole)
        tokens.append((found[1] or found[2] or found[4], found[3]))
        at = found.end()
    return tokens


def _fault(search: str) -> Fault:
    return Fault("ValidationError", f"Error in expression: the search '{search}' cannot be read.")
