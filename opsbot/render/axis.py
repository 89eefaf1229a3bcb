"""Where an axis has its ticks: round values and round local hours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from opsbot.model.period import epoch, from_epoch
from opsbot.model.units import Unit
from opsbot.render.format import zone

_MINUTES = (5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 20160, 43200, 86400, 129600)
_MOST = 7


def nice(low: float, high: float, limit: float | None, unit: Unit) -> tuple[float, float, list[float]]:
    """(bottom, top, ticks) of an axis that holds data and limit; it starts at zero unless that flattens the line."""
    low, high = (min(low, limit), max(high, limit)) if limit is not None else (low, high)
    if low >= 0 and low <= 0.6 * high:
        low = 0.0
    high = high if high or low else 1.0
    span = high - low or abs(high) or 1.0
    bottom = low if low == 0 else low - 0.12 * span
    top = high + 0.14 * span
    if unit is Unit.PERCENT and high <= 100 < top:
        top = max(100.0, high + 0.02 * span)
    step = _step((top - bottom) / 3.4, unit)
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
    return max(least, next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999))


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
