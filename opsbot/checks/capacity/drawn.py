"""The small multiples: what was, what may come with its 80 % interval, the limit, and the day by which to act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from opsbot.checks.capacity import words
from opsbot.checks.capacity.judge import Judged
from opsbot.checks.capacity.looked import Forecasts
from opsbot.evaluate.trend import fan
from opsbot.model.finding import Series
from opsbot.model.period import epoch
from opsbot.model.report import Ahead, Block, Charts, ChartSpec, Mark

MOST = 6
BACK, AHEAD = 120, 60
DAY = 86_400


def charts(all: Forecasts, worst: Sequence[Judged]) -> Iterator[Block]:
    """At most six, worst first; nothing if there is nothing to draw."""
    drawable = [one for one in worst if one.outlook is not None and np.isfinite(one.past.values[-BACK:]).sum() > 1]
    if drawable:
        specs = tuple(_chart(all, one) for one in drawable[:MOST])
        yield Charts(specs=specs, others=max(0, len(drawable) - MOST))


def _chart(all: Forecasts, one: Judged) -> ChartSpec:
    limit = words.amount(one, one.limit)
    when = words.spoken(one.days[1], all.today)
    said = "at its limit" if one.over else f"around {when}" if when else "no date"
    return ChartSpec(
        title=words.full(one, 36),
        detail=f"{said[:1].upper()}{said[1:]}, limit {limit}.",
        alt=f"{words.full(one)}: {words.now(one)}, reaches its limit of {limit}: {said}.",
        series=_series(one),
        unit=one.track.source.unit,
        label=one.track.source.noun,
        limit=one.limit,
        ahead=_ahead(one),
        marks=tuple(_marks(all, one)),
    )


def _series(one: Judged) -> Series:
    values = one.past.values[-BACK:]
    start = _second(one.past.last - timedelta(days=values.size - 1))
    told = tuple(None if value != value else value for value in values.tolist())
    return Series(times=range(start, start + DAY * len(told), DAY), values=told, judged=len(told))


def _ahead(one: Judged) -> Ahead:
    """The middle way and the band that holds 80 % of the ways, from the first day after the last one known."""
    row = fan(one.past.values, horizon=AHEAD, levels=np.array([0.1, 0.5, 0.9]))
    start = _second(one.past.last + timedelta(days=1))
    low, middle, high = (tuple(column) for column in row.T.tolist())
    return Ahead(times=range(start, start + DAY * AHEAD, DAY), low=low, middle=middle, high=high)


def _marks(all: Forecasts, one: Judged) -> Iterator[Mark]:
    if one.act_by is not None and all.today < one.act_by <= one.past.last + timedelta(days=AHEAD):
        yield Mark(at=_midnight(one.act_by), text="act by")


def _second(day: date) -> int:
    return epoch(_midnight(day))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
