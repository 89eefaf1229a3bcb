"""The pictures of the sample report: a breach, a bill in bars, forecasts. Made of sines, so that nothing is left to chance."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from opsbot.model.finding import Series
from opsbot.model.period import epoch
from opsbot.model.report import Ahead, Band, ChartSpec, Mark
from opsbot.model.units import Unit

_DAY = 86_400
AT = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)
_TODAY = datetime(2026, 11, 16, tzinfo=UTC)


def _hum(place: int) -> float:
    """Between -1 and 1, never the same twice in a row."""
    return math.sin(place * 0.7) * 0.5 + math.sin(place * 2.3 + 1) * 0.3 + math.sin(place * 5.9 + 2) * 0.2


def _breach(usual: float, peak: float, minutes: int, gap: range = range(0)) -> Series:
    """A day of five minutes that leaves for `peak` so long before its end; the last two points are not settled."""
    count, step = 288, 300
    start = epoch(AT) - count * step
    turn = count - minutes // 5

    def value(place: int) -> float | None:
        here = usual + (peak - usual) * min(1.0, max(0.0, (place - turn) / 6 + 0.5)) + usual * 0.08 * _hum(place)
        return None if place in gap else round(here, 2)

    times = range(start, start + count * step, step)
    return Series(times=times, values=tuple(map(value, range(count))), judged=count - 2)


def cpu() -> Series:
    return _breach(46.0, 92.0, 180)


def latency() -> ChartSpec:
    return ChartSpec(
        title="app/public has been slower since release 4.12.", detail="p95 of five minutes. Gaps are missing points.",
        alt="p95 latency of app/public over a day: 240 ms, then 1.84 s from 05:35 on, limit 500 ms",
        series=_breach(240.0, 1840.0, 85, range(60, 80)), unit=Unit.MILLISECONDS, label="p95", limit=500.0,
        since=AT - timedelta(minutes=85), marks=(Mark(at=AT - timedelta(minutes=100), text="release 4.12"),),
    )  # fmt: skip


def bill() -> ChartSpec:
    days = 30
    times = range(epoch(_TODAY) - days * _DAY, epoch(_TODAY), _DAY)
    usual = [72.0 if datetime.fromtimestamp(at, UTC).weekday() < 5 else 58.0 for at in times]
    values = [round(expected + 4 * _hum(place), 2) for place, expected in enumerate(usual)]
    values[-3:] = [148.0, 207.0, 258.0]
    return ChartSpec(
        title="shop-prod Lambda is $400 over in 3 days and rising.", detail="Daily cost. 15 Nov is an estimate.",
        alt="Daily Lambda cost of shop-prod: $58 to $72, then $148, $207 and $258", unit=Unit.USD, label="", bars=True,
        series=Series(times=times, values=tuple(values), judged=days - 1),
        band=Band(low=tuple(each - 12 for each in usual), high=tuple(each + 12 for each in usual)),
        since=_TODAY - timedelta(days=3), marks=(Mark(at=_TODAY - timedelta(days=5), text="deploy 2.9.1"),),
    )  # fmt: skip


def storage(*, slope: float = 0.35) -> ChartSpec:
    """A hundred days of a share that runs full, sixty days ahead."""
    past, ahead, end = 100, 60, epoch(_TODAY)
    values = tuple(round(40 + slope * day + 1.1 * _hum(day), 3) for day in range(past))
    middle = tuple(values[-1] + slope * (day + 1) for day in range(ahead))
    doubt = tuple(1.0 + 0.9 * math.sqrt(day + 1) for day in range(ahead))
    return ChartSpec(
        title="orders-aurora", detail="storage, limit 90 %", alt="Storage of orders-aurora and its forecast",
        unit=Unit.PERCENT, label="", limit=90.0,
        series=Series(times=range(end - (past - 1) * _DAY, end + _DAY, _DAY), values=values, judged=past),
        ahead=Ahead(
            times=range(end + _DAY, end + (ahead + 1) * _DAY, _DAY), middle=middle,
            low=tuple(mid - wide for mid, wide in zip(middle, doubt, strict=True)),
            high=tuple(mid + wide for mid, wide in zip(middle, doubt, strict=True)),
        ),
    )  # fmt: skip


def disk() -> ChartSpec:
    return replace(
        storage(),
        title="orders-aurora reaches 90 % at the end of December.",
        detail="Storage used. Between the lines run 80 % of the ways it may go.",
        marks=(Mark(at=_TODAY - timedelta(days=44), text="clean-up"),),
    )
