"""A TOML table read key by key: every problem is noted with its path, and keys nobody asked for are problems too."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TypeVar

from opsbot.errors import Problem
from opsbot.model.period import parse_duration

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?`, or nothing when nothing is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{found[0]}"?' if found else ""


def shown(value: object) -> str:
    """A value as its author wrote it, with its type where that is what was wrong."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return f"{type(value).__name__} {str(value).lower() if isinstance(value, bool) else value}"


class Table:
    """`at` is the path of the table in its file. A key that is absent or wrong reads as its default.

    `default_settle` is for namespaces nothing is known about.
    """

    def __init__(
        self, raw: Mapping[str, object], at: str, problems: list[Problem], settle: timedelta | None = None
    ) -> None:
        self.default_settle = settle
        self.raw = raw
        self.at = at
        self.problems = problems
        self.known: list[str] = []

    def problem(self, key: str, what: str) -> None:
        problem = Problem(f"{self.at}.{key}" if key else self.at, what)
        if problem not in self.problems:
            self.problems.append(problem)

    def has(self, key: str) -> bool:
        self.known.append(key)
        return key in self.raw

    def text(self, key: str, default: str = "") -> str:
        return self._typed(key, str, "a string", default)

    def flag(self, key: str, default: bool) -> bool:
        return self._typed(key, bool, "true or false", default)

    def whole(self, key: str, default: int = 0) -> int:
        value = self._typed(key, int, "a whole number of 0 or more", default)
        if isinstance(value, bool) or value < 0:
            self.problem(key, f"expected a whole number of 0 or more, got {shown(value)}")
            return default
        return value

    def number(self, key: str, default: float) -> float:
        if not self.has(key):
            return default
        value = self.raw[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.problem(key, f"expected a number, got {shown(value)}")
            return default
        return float(value)

    def duration(self, key: str, default: timedelta) -> timedelta:
        text = self.text(key)
        if not text:
            return default
        return self.parsed(key, text, parse_duration, default)

    def parsed(self, key: str, text: str, parse: Callable[[str], T], default: T) -> T:
        """What `parse` makes of a text; its ValueError is the problem."""
        try:
            return parse(text)
        except ValueError as error:
            self.problem(key, str(error))
            return default

    def choice(self, key: str, choices: Iterable[str], default: str) -> str:
        text = self.text(key, default)
        known = list(choices)
        if text not in known and text != default:
            self.problem(key, f"expected one of {', '.join(known)}, got {text!r}{nearest(text, known)}")
            return default
        return text

    def words(self, key: str) -> tuple[str, ...]:
        """One string or a list of strings."""
        if not self.has(key):
            return ()
        value = self.raw[key]
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
            self.problem(key, f"expected a string or a list of strings, got {shown(value)}")
            return ()
        return tuple(found)

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        """A table of strings, sorted by key."""
        inner = self.inner(key)
        if inner is None:
            return ()
        return tuple(sorted((name, inner.text(name)) for name in inner.raw))

    def inner(self, key: str) -> Table | None:
        if not self.has(key):
            return None
        value = self.raw[key]
        if not isinstance(value, Mapping):
            self.problem(key, f"expected a table, got {shown(value)}")
            return None
        return Table(value, f"{self.at}.{key}", self.problems)

    def finish(self) -> None:
        """Every key that was not asked for is a problem, with the nearest known one offered."""
        for key in self.raw:
            if key not in self.known:
                self.problem(key, f"unknown key{nearest(key, self.known)}")

    def _typed(self, key: str, type_: type[T], expected: str, default: T) -> T:
        if not self.has(key):
            return default
        value = self.raw[key]
        if not isinstance(value, type_):
            self.problem(key, f"expected {expected}, got {shown(value)}")
            return default
        return value
