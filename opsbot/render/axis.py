"""Where an axis has its ticks: round values and round local hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

from opsbot.model.period import epoch, from_epoch
from opsbot.model.units import Unit
from opsbot.render.format import clock, month, zone

_MINUTES = (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 43200, 86400, 129600)
_MOST = 7
# Longer than this an axis has days instead of hours.
LONG = 4 * 86400
_DAYS, _MONTHS = (1, 2, 7, 14), (1, 2, 3, 6, 12, 24, 60, 120)
_DAY = 86400
_LEAST = 1e-100  # smaller numbers have no steps between them any more


def nice(
    low: float, high: float, limit: float | None, unit: Unit, *, zero: bool = False
) -> tuple[float, float, list[float]]:
    """(bottom, top, ticks) of an axis that holds data and limit; it starts at zero unless that flattens the line.

    `zero` says that it must: bars are compared by their length.
    """
    low, high = (min(low, limit), max(high, limit)) if limit is not None else (low, high)
    low, high = (0.0 if abs(value) < _LEAST else value for value in (low, high))
    if low >= 0 and (zero or low <= 0.6 * high):
        low = 0.0
    high = high if high or low else 1.0
    span = high - low or abs(high) or 1.0
    bottom = low if low == 0 else low - 0.12 * span
    top = high + 0.14 * span
    if unit is Unit.PERCENT and high <= 100 < top:
        top = max(100.0, high + 0.02 * span)
    step = _step((top - bottom) / (4.2 if unit is Unit.PERCENT else 3.4), unit)
    first = math.ceil(bottom / step - 1e-9)
    return bottom, top, [place * step for place in range(first, math.floor(top / step + 1e-9) + 1)]


def _step(rough: float, unit: Unit) -> float:
    """The next round step: 1, 2, 2.5 or 5 times a power of ten; powers of two for sizes; 60s for long times."""
    if unit is Unit.BYTES and rough > 1:
        return float(2 ** round(math.log2(rough)))
    scale = 1000.0 if unit is Unit.MILLISECONDS else 1.0
    if unit in (Unit.SECONDS, Unit.MILLISECONDS) and rough >= 20 * scale:
        ladder = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
        return next(
            (rung * scale for rung in ladder if rung * scale >= rough), 86400 * scale * math.ceil(rough / 86400 / scale)
        )
    power = float(10.0 ** math.floor(math.log10(rough)))
    least = 1.0 if unit is Unit.COUNT else 0.0
    factors = (1, 2, 2.5, 5, 10) if unit is Unit.PERCENT and power >= 10 else (1, 2, 5, 10)
    return max(least, next(factor * power for factor in factors if factor * power >= rough * 0.999))


def ticks(start: int, end: int, zone_name: str, most: int = _MOST) -> list[tuple[int, str]]:
    """Where a time axis is labelled, and how: clock times, or days (weeks begin on Monday), or months."""
    if end - start <= LONG:
        return [(at, clock(from_epoch(at), zone_name)) for at in moments(start, end, zone_name)][
            :: 1 if most >= _MOST else 2
        ]
    edge = (end - start) * 0.02
    days = (end - start) / _DAY
    step = next((step for step in _DAYS if days / step <= most), 0)
    marked = _by_days(start, end, step, zone_name) if step else _by_months(start, end, most, zone_name)
    return [(at, text) for at, text in marked if start + edge <= at <= end - edge]


def _by_days(start: int, end: int, step: int, zone_name: str) -> Iterator[tuple[int, str]]:
    for ordinal in range(_day(start, zone_name).toordinal(), _day(end, zone_name).toordinal() + 1):
        if ordinal % step == 1 % step:  # day 1 of the calendar was a Monday
            at = _midnight(date.fromordinal(ordinal), zone_name)
            yield at, clock(from_epoch(at), zone_name)


def _by_months(start: int, end: int, most: int, zone_name: str) -> Iterator[tuple[int, str]]:
    """The first of every month, or of every so many; January tells the year where there are two."""
    first, last = _day(start, zone_name), _day(end, zone_name)
    months = (last.year - first.year) * 12 + last.month - first.month
    step = next((step for step in _MONTHS if months / step <= most), _MONTHS[-1])
    for place in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        if place % step == 0:
            day = date(place // 12, place % 12 + 1, 1)
            yield _midnight(day, zone_name), month(day, year=step >= 12 or (day.month == 1 and first.year != last.year))


def _day(at: int, zone_name: str) -> date:
    return from_epoch(at).astimezone(zone(zone_name)).date()


def _midnight(day: date, zone_name: str) -> int:
    return epoch(datetime.combine(day, time(), zone(zone_name)))


def moments(start: int, end: int, zone_name: str) -> list[int]:
    """Seven at most, on round local times, none so close to an edge that its label would leave the picture."""
    minutes = next((m for m in _MINUTES if (end - start) / 60 / m <= _MOST), _MINUTES[-1])
    edge = (end - start) * 0.02
    return [tick for tick in _round(start, end, minutes, zone_name) if start + edge <= tick <= end - edge]


def _round(start: int, end: int, minutes: int, zone_name: str) -> Iterator[int]:
    """Steps on the wall clock from the local midnight before `start`, so that they stay round across a time change."""
    local = zone(zone_name)
    wall = from_epoch(start).astimezone(local).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    while (tick := epoch(wall.replace(tzinfo=local))) <= end:
        yield tick
        wall += timedelta(minutes=minutes)
