"""How actions say what AWS told them: everything from there is untrusted, so it is cleaned and cut in one place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from opsbot.secrets import redact

_BARS = "▁▂▃▄▅▆▇█"


def clock(moment: datetime | None, now: datetime) -> str:
    """`06:52` of today, `20 Nov 06:52` before; UTC, as AWS's own pages show it."""
    if moment is None:
        return "-"
    there = moment.astimezone(UTC)
    return f"{there:%H:%M}" if there.date() == now.astimezone(UTC).date() else f"{there:%d %b %H:%M}"


def said(text: object, most: int = 160) -> str:
    """One printable line of somebody else's text, without what looks like a secret: it is kept and shown to many."""
    line = "".join(char if char.isprintable() else " " for char in str(text)[: most * 4])
    line = redact(" ".join(line.split()))
    return line if len(line) <= most else line[: most - 1] + "…"


def tail(arn: object) -> str:
    """The name at the end of an ARN or path."""
    return said(str(arn).rsplit("/", 1)[-1].rsplit(":", 1)[-1] if "/" not in str(arn) else str(arn).rsplit("/", 1)[-1])


def spark(values: Iterable[float | None], columns: int = 48) -> str:
    """The course of a series in one line; a gap stays a gap."""
    points = list(values)
    if len(points) > columns:
        size = len(points) / columns
        points = [_worst(points[int(n * size) : max(int((n + 1) * size), int(n * size) + 1)]) for n in range(columns)]
    real = [point for point in points if point is not None]
    if not real:
        return ""
    low, high = min(min(real), 0.0), max(real)
    width = (high - low) or 1.0
    return "".join(" " if point is None else _BARS[round((point - low) / width * 7)] for point in points)


def _worst(points: list[float | None]) -> float | None:
    return max((point for point in points if point is not None), default=None)


def number(value: float | None) -> str:
    if value is None:
        return "no data"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
