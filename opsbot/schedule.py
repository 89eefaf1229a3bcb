"""Cron text, read one way: five fields, weekdays by name, checked before anything relies on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

EXAMPLE = "0 7 * * MON-FRI"
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * SUN",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12 or JAN to DEC"),
    ("weekday", "MON to SUN"),
)
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_DAY = "|".join(_DAYS)
_NUMBERED = re.compile(r"[0-7](?:-[0-7])?")
_WEEKDAY = re.compile(rf"(?P<from>{_DAY})(?:-(?P<to>{_DAY})|(?P<last>L)|#[1-5])?")
_LONGEST = 200


@lru_cache(maxsize=1024)
def parse(text: str) -> str:
    """The five fields as cronsim reads them. Raises ValueError: which field, what was expected, what was found."""
    if len(text) > _LONGEST:
        raise ValueError(f'expected five fields such as "{EXAMPLE}", got {len(text)} characters')
    fields = _fields(text)
    weekday = _weekdays(fields[4])
    for place in range(4):
        _check(place, fields[place])
    expression = " ".join([*fields[:4], weekday])
    _check_fires(expression, text)
    return expression


def next_fire(text: str, after: datetime, zone: ZoneInfo) -> datetime:
    """The first fire strictly after `after`, in `zone`.

    Once where a clock change repeats an hour, at the first valid minute where it skips one (Debian cron's rules, as
    cronsim has them). Raises ValueError as `parse` does.
    """
    return next(fires(text, after, zone)).astimezone(zone)


def fires(text: str, after: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Every fire strictly after `after`, as `next_fire` has them, in UTC."""
    for fire in CronSim(parse(text), after.astimezone(zone)):
        # Asked in an hour that comes twice it names the first of both, which is over.
        if (moment := fire.astimezone(UTC)) > after:
            yield moment


def _fields(text: str) -> list[str]:
    named = text.strip().lower()
    if named.startswith("@"):
        if named not in _NAMED:
            raise ValueError(f'expected one of {", ".join(_NAMED)} or five fields such as "{EXAMPLE}", got {text!r}')
        return _NAMED[named].split()
    fields = text.upper().split()
    if len(fields) != 5:
        raise ValueError(
            f'expected five fields (minute hour day month weekday) such as "{EXAMPLE}", got {len(fields)} in {text!r}'
        )
    return fields


def _weekdays(field: str) -> str:
    """Names to what cronsim knows: ranges may pass Sunday (`FRI-MON`), `FRIL` is the month's last Friday."""
    if field == "*":
        return field
    return ",".join(_weekday(term) for term in field.split(","))


def _weekday(term: str) -> str:
    if numbered := _NUMBERED.fullmatch(term):
        names = "-".join(_DAYS[int(number) % 7] for number in numbered[0].split("-"))
        raise ValueError(f"write {names}, not {term}: cron and APScheduler number weekdays differently")
    match = _WEEKDAY.fullmatch(term)
    if match is None:
        raise ValueError(f"weekday: expected names such as MON, MON-FRI, MON#1 or FRIL, got {term!r}")
    first = _DAYS.index(match["from"])
    if match["last"]:
        return f"{first}L"
    if not match["to"]:
        return term
    days = (_DAYS.index(match["to"]) - first) % 7
    return ",".join(_DAYS[(first + step) % 7] for step in range(days + 1))


def _check(place: int, field: str) -> None:
    name, expected = _FIELDS[place]
    alone = ["*"] * 5
    alone[place] = field
    try:
        CronSim(" ".join(alone), _ANY_TIME)
    except (CronSimError, AssertionError, ValueError):
        raise ValueError(f"{name}: expected {expected}, got {field!r}") from None


def _check_fires(expression: str, text: str) -> None:
    try:
        next(CronSim(expression, _ANY_TIME))
    except (CronSimError, StopIteration):
        raise ValueError(f"{text!r} never comes: no month named has such a day") from None


# The search for impossible dates needs a start; which one does not matter, and UTC spares it the clock changes.
_ANY_TIME = datetime(2024, 1, 1, tzinfo=ZoneInfo("UTC"))
