"""Writing what Logs Insights is asked, in its own language, so that no text of anybody else's can become a command."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

COMMANDS = ("fields", "filter", "parse")
"""What a check's own query may consist of: what follows it counts, and opsbot writes that."""
MOST_ROWS = 10_000
SHOWN = 5
_FIELD = re.compile(r"[@A-Za-z_][\w.]*")
_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|/(?:\\.|[^/\\\n])*/|`[^`]*`")
_UNITS = ((3600, "h", 24), (60, "m", 60), (1, "s", 60))


@dataclass(frozen=True, slots=True)
class Column:
    """One series wanted of each group: lines with one of `words`, or `value` of the lines that `source` leaves."""

    words: tuple[str, ...] = ()
    source: str = ""
    value: str = ""


def quoted(text: str) -> str:
    """A text as the language writes it. Raises ValueError for what no line of a log holds."""
    if not text or not text.isprintable():
        raise ValueError(f"expected printable text, got {text!r}")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def field_name(text: str) -> str:
    """Raises ValueError for what is no field's name."""
    if not _FIELD.fullmatch(text):
        raise ValueError(f"expected the name of a field such as source or @duration, got {text!r}")
    return text


def source(text: str) -> str:
    """The commands before the counting. Raises ValueError for one that counts, sorts or cuts by itself."""
    if not text.strip() or not text.replace("\n", " ").isprintable():
        raise ValueError("expected a query such as \"filter @type = 'REPORT'\"")
    for part in _QUOTED.sub("x", text).split("|"):
        command = part.split(maxsplit=1)[0] if part.split() else ""
        if command not in COMMANDS:
            raise ValueError(f"expected {', '.join(COMMANDS)} between its bars, got {command!r}")
    return " ".join(text.split())


def value(text: str) -> str:
    """What is worked out of each bin. Raises ValueError where more than that is written."""
    if not text.isprintable() or "|" in _QUOTED.sub("x", text) or not re.match(r"[a-z_]+\(", text):
        raise ValueError(f'expected a statistic such as "count(*)" or "pct(@duration, 95)", got {text!r}')
    return text.strip()


def parsing(text: str, by: str) -> str:
    """A regular expression between bars that names `by`. Raises ValueError."""
    inner = text[1:-1]
    if len(text) < 3 or text[0] + text[-1] != "//" or re.search(r"(?<!\\)/", inner) or not text.isprintable():
        raise ValueError(f"expected a regular expression such as /source=(?<source>\\S+)/, got {text!r}")
    try:
        groups = re.compile(inner.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!")).groupindex
    except re.error as error:
        raise ValueError(f"expected a regular expression, got {text!r}: {error}") from error
    if by not in groups:
        raise ValueError(f"expected a group (?<{by}>...) in it, because by is {by!r}")
    return text


def counting(columns: Sequence[Column], period: timedelta) -> str:
    """One scan for many series of the same lines: columns n0, n1, ... by time and group."""
    bins = f"by bin({length(period)}), @log"
    if columns[0].source:
        told = ", ".join(f"{column.value} as n{place}" for place, column in enumerate(columns))
        return f"{columns[0].source} | stats {told} {bins}"
    words = dict.fromkeys(word for column in columns for word in column.words)
    wanted = " or ".join(f"@message like {quoted(word)}" for word in words)
    found = ", ".join(f"{_found(column.words)} as f{place}" for place, column in enumerate(columns))
    told = ", ".join(f"sum(f{place}) as n{place}" for place in range(len(columns)))
    return f"filter {wanted} | fields {found} | stats {told} {bins}"


def _found(words: Sequence[str]) -> str:
    """1 for a line that holds one of them."""
    each = [f"strcontains(@message, {quoted(word)})" for word in words]
    return each[0] if len(each) == 1 else f"greatest({', '.join(each)})"


def ranking(column: Column, by: str, parse: str) -> str:
    """Who or what the lines of a breach are about, the commonest first."""
    wanted = column.source or "filter " + " or ".join(f"@message like {quoted(word)}" for word in column.words)
    parsed = f" | parse @message {parse}" if parse else ""
    return f"{wanted}{parsed} | stats count(*) as n by {by} | sort n desc"


def length(period: timedelta) -> str:
    """`5m`: the language takes no more than 60 s, 60 min and 24 h, and reads a larger number as the largest. Raises
    ValueError for what it cannot say."""
    seconds = int(period.total_seconds())
    for size, unit, most in _UNITS:
        if seconds >= size and seconds % size == 0 and seconds // size <= most:
            return f"{seconds // size}{unit}"
    raise ValueError(f"expected whole minutes up to 60 or whole hours up to 24, got {seconds} s")
