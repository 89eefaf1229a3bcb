"""Units a check can be in, and the suffixes people write in a rule (`80 %`, `500 ms`, `5 min`, `10 GiB`)."""

from __future__ import annotations

from enum import StrEnum


class Unit(StrEnum):
    PERCENT = "percent"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    BYTES = "bytes"
    COUNT = "count"
    DAYS = "days"
    USD = "usd"
    SCORE = "score"


_TIME = {"ms": 0.001, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = {
    "B": 1.0,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "TiB": 2.0**40,
    "kB": 1e3,
    "MB": 1e6,
    "GB": 1e9,
    "TB": 1e12,
}

_SUFFIXES: dict[Unit, dict[str, float]] = {
    Unit.PERCENT: {"%": 1.0},
    Unit.SECONDS: _TIME,
    Unit.MILLISECONDS: {name: seconds * 1000.0 for name, seconds in _TIME.items()},
    Unit.DAYS: {"d": 1.0, "h": 1 / 24},
    Unit.BYTES: _SIZE,
    Unit.COUNT: {},
    Unit.USD: {"$": 1.0, "USD": 1.0},
    Unit.SCORE: {},
}


def suffixes(unit: Unit) -> tuple[str, ...]:
    """What may be written behind a number in this unit; a bare number is always taken as the unit itself."""
    return tuple(_SUFFIXES[unit])


def convert(amount: float, suffix: str, unit: Unit) -> float:
    """`500 ms` for a check in seconds is 0.5. Raises ValueError for a suffix the unit does not know."""
    if not suffix:
        return amount
    try:
        return amount * _SUFFIXES[unit][suffix]
    except KeyError:
        known = ", ".join(suffixes(unit)) or "no suffix"
        raise ValueError(f"{suffix!r} does not fit a check in {unit}; expected {known}") from None
