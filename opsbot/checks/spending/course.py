"""Days of a bill as series for people: what a cause cost each day beside what was usual, whole bills, weeks and months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from opsbot.checks.spending.names import covered, service
from opsbot.evaluate.cost import Anomaly, Bill
from opsbot.evaluate.cost.bill import USAGE
from opsbot.model.finding import Series
from opsbot.model.period import epoch
from opsbot.model.report import Band
from opsbot.samples import Values

DAY = 86400
DRAWN = 35
# The last days that are still being billed: drawn hollow, left out of comparisons.
GROWING = 2
PAST, LEAST_PAST = 42, 14
SPREADS, LEAST_SPREAD = 3.0, 0.02
WEEK = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """Daily cost, oldest first, and the band in which it was expected; `first` is the first day drawn."""

    first: date
    series: Series
    band: Band


def course(bill: Bill, one: Anomaly) -> Course:
    """What the causes of an anomaly cost on each of the last five weeks, against what they cost before it began."""
    daily = bill.cost[covered(bill.leaves, one.causes)].sum(axis=0)
    begun = max((one.start - bill.first).days, 0)
    low, high = _usual(daily, begun)
    since = max(len(daily) - DRAWN, 0)
    return Course(
        first=bill.first + timedelta(days=since),
        series=series(daily[since:], bill.first + timedelta(days=since)),
        band=Band(low=_plain(low[since:]), high=_plain(high[since:])),
    )


def _usual(daily: Values, begun: int) -> tuple[Values, Values]:
    """By day of the week, as a median of the six weeks before it began, three robust deviations wide."""
    past = daily[max(begun - PAST, 0) : begun]
    known = past[~np.isnan(past)]
    if not len(known):
        return np.zeros(len(daily)), np.zeros(len(daily))
    middle = np.full(WEEK, float(np.median(known)))
    if len(known) >= LEAST_PAST:
        back = np.arange(len(past)) - len(past)
        middle = np.asarray([_median(past[back % WEEK == day], middle[0]) for day in range(WEEK)])
    places = (np.arange(len(daily)) - begun) % WEEK
    errors = past - middle[(np.arange(len(past)) - len(past)) % WEEK]
    spread = 1.4826 * _median(np.abs(errors), 0.0) + LEAST_SPREAD * abs(float(middle.mean()))
    return np.maximum(middle[places] - SPREADS * spread, 0.0), middle[places] + SPREADS * spread


def _median(values: Values, otherwise: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else otherwise


def series(daily: Values, first: date, *, growing: int = GROWING) -> Series:
    """Days of a bill that ends yesterday; the last ones are still being billed."""
    start = epoch(datetime.combine(first, time(), UTC))
    times = range(start, start + DAY * len(daily), DAY)
    return Series(times=times, values=_plain(daily), judged=max(len(daily) - growing, 0))


def _plain(values: Values) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(value) else round(float(value), 4) for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One service: a week that is billed to its end, the week before, and each of the last six weeks."""

    service: str
    week: float
    before: float
    weeks: tuple[float | None, ...]

    @property
    def change(self) -> float:
        return self.week - self.before


def movers(bill: Bill, weeks: int = 6) -> tuple[Mover, ...]:
    """Services by how much their last whole week differs from the one before, largest first."""
    settled = bill.cost.shape[1] - GROWING
    if settled < 2 * WEEK:
        return ()
    rows: dict[str, list[int]] = {}
    for place, leaf in enumerate(bill.leaves):
        if leaf.record_type in USAGE:
            rows.setdefault(service(leaf.service), []).append(place)
    found = [_mover(name, bill.cost[places, :settled].sum(axis=0), weeks) for name, places in rows.items()]
    return tuple(sorted(found, key=lambda one: (-abs(one.change), one.service)))


def _mover(name: str, daily: Values, weeks: int) -> Mover:
    sums = week_sums(daily, weeks)
    return Mover(service=name, week=sums[-1] or 0.0, before=sums[-2] or 0.0, weeks=sums)


def week_sums(daily: Values, weeks: int) -> tuple[float | None, ...]:
    """Sums of the last whole weeks, oldest first; None where the bill does not reach back, or misses a day."""
    found = []
    for back in range(weeks, 0, -1):
        end = len(daily) - (back - 1) * WEEK
        part = daily[end - WEEK : end] if end >= WEEK else np.full(1, np.nan)
        found.append(None if np.isnan(part).any() else float(part.sum()))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """A calendar month: what it cost so far as `days` of it are known of `of`."""

    first: date
    cost: float
    days: int
    of: int


def months(bills: Sequence[Bill], limit: int = 12) -> tuple[Month, ...]:
    """The last months over several bills, newest first; only those of which something is known."""
    cost: dict[date, dict[date, float]] = {}
    for bill in bills:
        for place, value in enumerate(bill.cost.sum(axis=0)):
            day = bill.first + timedelta(days=place)
            if not np.isnan(value):
                mine = cost.setdefault(day.replace(day=1), {})
                mine[day] = mine.get(day, 0.0) + float(value)
    newest = sorted(cost, reverse=True)[:limit]
    return tuple(Month(first=one, cost=sum(cost[one].values()), days=len(cost[one]), of=_length(one)) for one in newest)


def _length(first: date) -> int:
    return ((first + timedelta(days=32)).replace(day=1) - first).days


def totals(bill: Bill) -> Values:
    """The whole bill by day: fees, tax and credits too."""
    whole: Values = bill.cost.sum(axis=0)
    return whole
