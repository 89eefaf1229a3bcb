"""The track record: what was forecast, held against what happened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from opsbot.evaluate.trend.ports import Forecast, Settled

MONTH = 30
SEEN = 0.7
"""Share of the days in question that must have been seen before nothing having happened counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """How past forecasts did. `made` are those whose thirty days have passed, of which `reached` met their limit.

    `brier` is the mean squared distance of their P(30 d) to what happened (0 is perfect), `always` that of saying the
    share `reached / made` every time. `ranges` are the 80 % ranges of days that have passed, `held` those that the day
    fell into: four of five should.
    """

    made: int = 0
    reached: int = 0
    brier: float = 0.0
    always: float = 0.0
    ranges: int = 0
    held: int = 0
    since: date | None = None


@dataclass(frozen=True, slots=True)
class _Met:
    """One forecast: the day on which the limit was met, and the last day that is known."""

    forecast: Forecast
    day: date | None
    last: date
    seen: float


def record(forecasts: Iterable[Forecast], settled: Mapping[str, Settled]) -> Record:
    """Hold forecasts against what was settled since. One a series and week counts: seven of seven days are one opinion.

    A limit that was raised, or a disk that was cleaned, because of a forecast counts as not having happened.
    """
    met = list(_met(_thinned(forecasts), settled))
    judged = [one for one in met if _passed(one, one.forecast.made + timedelta(days=MONTH))]
    happened = np.array([_within(one, MONTH) for one in judged], dtype=float)
    said = np.array([one.forecast.p_breach_30d for one in judged])
    ranges = [one for one in met if one.forecast.p90 is not None and _passed(one, one.forecast.p90)]
    share = float(happened.mean()) if judged else 0.0
    return Record(
        made=len(judged),
        reached=int(happened.sum()),
        brier=float(np.mean((said - happened) ** 2)) if judged else 0.0,
        always=share * (1 - share),
        ranges=len(ranges),
        held=sum(_held(one) for one in ranges),
        since=min((one.forecast.made for one in judged), default=None),
    )


def _thinned(forecasts: Iterable[Forecast]) -> Iterator[Forecast]:
    heard: set[tuple[str, int, int]] = set()
    for one in sorted(forecasts, key=lambda one: (one.key, one.made)):
        week = (one.key, *one.made.isocalendar()[:2])
        if week not in heard and one.current < one.limit:
            heard.add(week)
            yield one


def _met(forecasts: Iterable[Forecast], settled: Mapping[str, Settled]) -> Iterator[_Met]:
    for one in forecasts:
        series = settled.get(one.key)
        if series is None:
            continue
        start = max(0, (one.made - series.first).days + 1)
        after = series.values[start:]
        if after.size:
            over = np.flatnonzero(after >= one.limit)
            day = series.first + timedelta(days=start + int(over[0])) if over.size else None
            last = series.first + timedelta(days=series.values.size - 1)
            yield _Met(one, day, last, float(np.isfinite(after).mean()))


def _passed(one: _Met, day: date) -> bool:
    """Whether it is known how a stretch until `day` ended."""
    return one.last >= day and (one.day is not None or one.seen >= SEEN)


def _within(one: _Met, days: int) -> bool:
    return one.day is not None and one.day <= one.forecast.made + timedelta(days=days)


def _held(one: _Met) -> bool:
    first, last = one.forecast.p10, one.forecast.p90
    return one.day is not None and first is not None and last is not None and first <= one.day <= last
