"""Reads a parsed TOML file strictly: every problem is noted with its path, none stops the reading."""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import TypeVar

from opsbot.errors import Problem

SECONDS = {"m": 60, "h": 3600, "d": 86_400}
Parsed = dict[str, object]
T = TypeVar("T")


class Section:
    """One table of the file. Each reading notes what is wrong and answers with the fallback, so all problems show."""

    def __init__(self, values: Parsed, where: str, problems: list[Problem]) -> None:
        self.values = values
        self.where = where
        self.problems = problems
        self._known: set[str] = set()

    def path(self, key: str) -> str:
        """The full path of a key, as a person would point at it."""
        return f"{self.where}.{key}"

    def problem(self, key: str, what: str) -> None:
        """Notes one problem with a key."""
        self.problems.append(Problem(self.path(key), what))

    def has(self, key: str) -> bool:
        """Whether the table sets the key."""
        self._known.add(key)
        return key in self.values

    def _read(self, key: str, expected: str, read: Callable[[object], T | None], fallback: T, required: bool) -> T:
        if not self.has(key):
            if required:
                self.problem(key, f"expected {expected}, found nothing")
            return fallback
        found = read(self.values[key])
        if found is None:
            self.problem(key, f"expected {expected}, found {self.values[key]!r}")
            return fallback
        return found

    def text(self, key: str, fallback: str | None = None) -> str:
        """A text; required without a fallback."""
        return self._read(key, "a text", _text, fallback or "", fallback is None)

    def choice(self, key: str, choices: tuple[str, ...], fallback: str | None = None) -> str:
        """One of some words."""
        expected = "one of " + ", ".join(choices)
        return self._read(key, expected, lambda v: _among(v, choices), fallback or choices[0], fallback is None)

    def number(
        self, key: str, fallback: float | None = None, low: float = float("-inf"), high: float = float("inf")
    ) -> float:
        """A number within limits."""
        expected = f"a number{_limits(low, high)}"
        return self._read(key, expected, lambda v: _number(v, low, high), fallback or 0.0, fallback is None)

    def whole(self, key: str, fallback: int | None = None, low: int = 0, high: float = float("inf")) -> int:
        """A whole number within limits."""
        expected = f"a whole number{_limits(low, high)}"
        return self._read(key, expected, lambda v: _whole(v, low, high), fallback or 0, fallback is None)

    def flag(self, key: str, fallback: bool) -> bool:
        """True or false."""
        return self._read(key, "true or false", lambda v: v if isinstance(v, bool) else None, fallback, False)

    def duration(self, key: str) -> int:
        """The seconds of "90m", "3h" or "2d"; 0 where it is not set."""
        text = self.text(key, "")
        found = re.fullmatch(r"(\d+)([mhd])", text)
        if text and not found:
            self.problem(key, f'expected a duration such as "90m", "3h" or "2d", found {text!r}')
        return int(found[1]) * SECONDS[found[2]] if found else 0

    def texts(self, key: str, fallback: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """A list of texts."""
        return self._read(key, "a list of texts", _texts, fallback or (), fallback is None)

    def numbers(self, key: str, size: int) -> tuple[float, ...]:
        """So many numbers between 0 and 1."""
        return self._read(key, f"{size} numbers from 0 to 1", lambda v: _numbers(v, size), (1.0,) * size, required=True)

    def table(self, key: str) -> "Section":
        """A table; an empty one when absent."""
        empty: Parsed = {}
        values = self._read(key, "a table", _table, empty, False)
        return Section(values, self.path(key), self.problems)

    def tables(self, key: str) -> list["Section"]:
        """A list of tables."""
        none: list[Parsed] = []
        found = self._read(key, f"tables, written [[{key}]]", _tables, none, False)
        return [Section(values, f"{self.path(key)}[{n}]", self.problems) for n, values in enumerate(found)]

    def named(self) -> Iterator[tuple[str, "Section"]]:
        """The tables of a table whose keys are names."""
        for name in self.values:
            yield name, self.table(name)

    def done(self) -> None:
        """Notes each key nobody asked for, with the nearest one that exists."""
        for key in sorted(self.values.keys() - self._known):
            near = get_close_matches(key, self._known, n=1)
            self.problem(key, "unknown key" + (f'; did you mean "{near[0]}"?' if near else ""))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _among(value: object, choices: tuple[str, ...]) -> str | None:
    return value if isinstance(value, str) and value in choices else None


def _number(value: object, low: float, high: float) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and isinstance(value, int | float) and low <= value <= high else None


def _whole(value: object, low: int, high: float) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None


def _texts(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        return None
    return tuple(value)


def _numbers(value: object, size: int) -> tuple[float, ...] | None:
    if not isinstance(value, list) or len(value) != size or any(_number(v, 0, 1) is None for v in value):
        return None
    return tuple(float(v) for v in value)


def _table(value: object) -> Parsed | None:
    return value if isinstance(value, dict) else None


def _tables(value: object) -> list[Parsed] | None:
    return value if isinstance(value, list) and all(isinstance(item, dict) for item in value) else None


def _limits(low: float, high: float) -> str:
    if low == float("-inf"):
        return ""
    return f" of at least {low:g}" if high == float("inf") else f" from {low:g} to {high:g}"
