"""Stretches of time, half-open and aware; and the one way durations are written and read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_DURATION = re.compile(r"(\d+)\s*(s|m|min|h|d|w)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """[start, end): both aware."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


def last(*, hours: float = 0, days: float = 0, now: datetime) -> Period:
    """The stretch that ends now."""
    return Period(start=now - timedelta(hours=hours, days=days), end=now)


def parse_duration(text: str) -> timedelta:
    """`10m`, `24h`, `7d`, `1h30m`. Raises ValueError for anything else."""
    compact = text.strip()
    parts = _DURATION.findall(compact)
    if not parts or _DURATION.sub("", compact).strip():
        raise ValueError(f"expected a duration such as 30s, 10m, 24h or 7d, got {text!r}")
    return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in parts))


def show_duration(length: timedelta) -> str:
    """`10m`, `1h30m`, `2d`: the inverse of `parse_duration`."""
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def from_epoch(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
