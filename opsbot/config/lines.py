"""Which line of a TOML file a key stands on, so that every problem can name it. The file has been parsed already."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

Path = tuple[str | int, ...]

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|'[^'\n]*')"""
_DOTTED = rf"[ \t]*{_KEY}[ \t]*(?:\.[ \t]*{_KEY}[ \t]*)*"
_HEADER = re.compile(rf"[ \t]*\[(?P<many>\[)?(?P<key>{_DOTTED})\]")
_ASSIGNMENT = re.compile(rf"(?P<key>{_DOTTED})=")
_ONE_KEY = re.compile(_KEY)
# What a value is made of, as far as finding its end needs it; strings first, so that brackets inside them do not count.
_TOKEN = re.compile(
    r'''"""(?:\\[\s\S]|(?!""")[^\\])*"{3,5}|\'\'\'[\s\S]*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*'|#[^\n]*|[\[\]{}\n]|[^"'#\[\]{}\n]+|["']'''
)


class Lines:
    """Lines by path, 1 first."""

    def __init__(self, text: str) -> None:
        self._lines: dict[Path, int] = {}
        for path, line in _walk(text):
            for length in range(1, len(path) + 1):
                self._lines.setdefault(path[:length], line)

    def of(self, path: Path) -> int:
        """The line of the key, or of the nearest table around it that has one; 1 if nothing is known."""
        for length in range(len(path), 0, -1):
            if line := self._lines.get(path[:length]):
                return line
        return 1

    def of_shown(self, where: str, show: str) -> int:
        """The same for a path as it is shown, such as `config.toml.environments[1].regions`."""
        return self.of(read_path(where.removeprefix(show)))


def read_path(shown: str) -> Path:
    """`.environments[1]."a b"` as its steps: the inverse of how problems show a path."""
    steps: list[str | int] = []
    for index, key in re.findall(rf"\[(\d{{1,9}})\]|({_KEY})", shown):
        steps.append(int(index) if index else _plain(key))
    return tuple(steps)


def _walk(text: str) -> Iterator[tuple[Path, int]]:
    """The path each statement sets, and the line it starts on."""
    table: Path = ()
    counts: dict[Path, int] = {}
    place, line = 0, 1
    while place < len(text):
        end = _end_of_line(text, place)
        if header := _HEADER.match(text, place):
            table = _table(_keys(header["key"]), bool(header["many"]), counts)
            yield table, line
        elif assignment := _ASSIGNMENT.match(text, place):
            end = _end_of_value(text, assignment.end())
            yield (*table, *_keys(assignment["key"])), line
        line += text.count("\n", place, end)
        place = end


def _table(keys: Path, many: bool, counts: dict[Path, int]) -> Path:
    """A header's full path: each array of tables on the way is entered at its last row."""
    path: Path = ()
    for place, key in enumerate(keys):
        path = (*path, key)
        if many and place == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _keys(dotted: str) -> Path:
    return tuple(_plain(key) for key in _ONE_KEY.findall(dotted))


def _plain(key: str) -> str:
    if key[0] not in "\"'":
        return key
    try:
        return next(iter(tomllib.loads(f"{key} = 0")))
    except tomllib.TOMLDecodeError:
        return key[1:-1]


def _end_of_line(text: str, place: int) -> int:
    return text.find("\n", place) + 1 or len(text)


def _end_of_value(text: str, place: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, place):
        first = token[0][0]
        if first in "[{":
            depth += 1
        elif first in "]}":
            depth -= 1
        elif first == "\n" and depth <= 0:
            return token.end()
    return len(text)
