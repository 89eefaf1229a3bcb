"""What a chart has to show, read once: its points, and the stretch of time and of values that holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsbot.model.period import from_epoch
from opsbot.model.report import ChartSpec
from opsbot.model.units import Unit
from opsbot.render.axis import nice
from opsbot.render.format import quantity, short_day

_LARGEST = 1e15
_DAY = 86400
# How much room beyond data and limit a forecast may take: more would flatten what was measured.
_FAN, _FAN_FREE = 0.5, 1.5
Values = NDArray[np.float64]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fan:
    """A forecast that begins where the data end."""

    times: Times
    low: Values
    middle: Values
    high: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """`values` are NaN where nothing was; `final` is the last settled point. `start` to `top` bound the drawing."""

    times: Times
    values: Values
    low: Values | None
    high: Values | None
    fan: Fan | None
    final: int
    start: float
    end: float
    bottom: float
    top: float
    ticks: tuple[float, ...]
    zone: str

    @property
    def last(self) -> float:
        return float(self.values[self.final])

    @property
    def runs(self) -> Iterator[NDArray[np.int64]]:
        """Places of points with no gap between them."""
        held = np.flatnonzero(np.isfinite(self.values))
        yield from np.split(held, np.flatnonzero(np.diff(held) > 1) + 1)


def extent(spec: ChartSpec, zone: str) -> Extent:
    """Raises ValueError for a series with nothing to draw, saying why."""
    times = np.asarray(spec.series.times, dtype=np.int64)
    values = _finite(spec.series.values)
    if len(times) != len(values) or len(times) < 2:
        raise ValueError("fewer than two points")
    if not np.isfinite(values).any():
        raise ValueError("the series has no points")
    low, high = (_finite(spec.band.low), _finite(spec.band.high)) if spec.band else (None, None)
    if low is not None and high is not None and not len(low) == len(high) == len(values):
        raise ValueError("what was expected does not fit the series")
    final = _final(spec, values)
    fan = _fan(spec, int(times[final]), float(values[final]))
    _drawable(spec, values, low, high, fan)
    bottom, top, ticks = _scale(spec, values, low, high, fan)
    half = spec.series.times.step / 2 if spec.bars else 0.0
    return Extent(
        times=times, values=values, low=low, high=high, fan=fan, final=final,
        start=float(times[0]) - half, end=max(float(times[-1]) + half, float(fan.times[-1]) if fan else 0.0),
        bottom=bottom, top=top, ticks=tuple(ticks), zone=_zone(spec, zone),
    )  # fmt: skip


def limit_of(spec: ChartSpec) -> str:
    """What stands beside the limit: its name where it has one, else its value."""
    return spec.limit_text or ("" if spec.limit is None else f"limit {quantity(spec.limit, spec.unit)}")


def figures(spec: ChartSpec, zone: str) -> str:
    """A chart in one line, where there is no room for its picture; or why there is none."""
    try:
        seen = extent(spec, zone)
    except ValueError as error:
        return f"No chart: {error}."
    parts = [f"{'Last' if spec.bars else 'Now'} {quantity(seen.last, spec.unit)}"]
    parts += [limit_of(spec)] if spec.limit is not None else []
    if seen.fan is not None:
        low, high = (quantity(float(row[-1]), spec.unit) for row in (seen.fan.low, seen.fan.high))
        parts.append(f"{low} to {high} on {short_day(from_epoch(seen.end), seen.zone)}")
    return f"{', '.join(parts)}."


def _finite(values: tuple[float | None, ...]) -> Values:
    read = np.asarray([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(read), read, np.nan)


def _final(spec: ChartSpec, values: Values) -> int:
    """The last settled point: the one that was judged, where there is one. Of bars the last one of all, which is seen."""
    held = np.flatnonzero(np.isfinite(values))
    if spec.bars:
        return int(held[-1])
    settled = held[held < spec.series.judged]
    return int((settled if len(settled) else held)[-1])


def _fan(spec: ChartSpec, at: int, value: float) -> Fan | None:
    ahead = spec.ahead
    if ahead is None or not len(ahead.times):
        return None
    rows = [_finite(row) for row in (ahead.low, ahead.middle, ahead.high)]
    if any(len(row) != len(ahead.times) or np.isnan(row).any() for row in rows) or ahead.times[0] <= at:
        raise ValueError("the forecast does not fit its days")
    low, middle, high = (np.concatenate([[value], row]) for row in rows)
    return Fan(times=np.concatenate([[at], np.asarray(ahead.times, dtype=np.int64)]), low=low, middle=middle, high=high)


def _drawable(spec: ChartSpec, values: Values, low: Values | None, high: Values | None, fan: Fan | None) -> None:
    rows = [values, *(row for row in (low, high) if row is not None), *((fan.low, fan.high) if fan else ())]
    known = np.abs(np.concatenate(rows))
    if known[np.isfinite(known)].max() > _LARGEST or (spec.limit is not None and not abs(spec.limit) <= _LARGEST):
        raise ValueError("the values are too large to draw")


def _scale(
    spec: ChartSpec, values: Values, low: Values | None, high: Values | None, fan: Fan | None
) -> tuple[float, float, list[float]]:
    rows = [values, *(row for row in (low, high) if row is not None)]
    known = np.concatenate(rows)
    least, most = float(np.nanmin(known)), float(np.nanmax(known))
    if fan is not None:
        least, most = _with_fan(spec, fan, least, most)
    return nice(least, most, spec.limit, spec.unit, zero=spec.bars)


def _with_fan(spec: ChartSpec, fan: Fan, least: float, most: float) -> tuple[float, float]:
    if spec.limit is not None:
        least, most = min(least, spec.limit), max(most, spec.limit)
    room = (most - least or abs(most) or 1.0) * (_FAN_FREE if spec.limit is None else _FAN)
    over, under = most + room, least - room
    if spec.unit is Unit.PERCENT and most <= 100:
        over = min(over, 100.0)
    if least >= 0:
        under = max(under, 0.0)
    return min(least, max(float(fan.low.min()), under)), max(most, min(float(fan.high.max()), over))


def _zone(spec: ChartSpec, zone: str) -> str:
    """Days that are whole days in UTC are labelled as such: a bill's 1 November is nobody's 31 October."""
    times = spec.series.times
    return "UTC" if times.step % _DAY == 0 and times[0] % _DAY == 0 else zone
