"""Which days of a bill to ask for this morning, in as few requests as keep it whole: pure, so that a plan is priced first.

A request is a page, and a page is a cent. The last four days are asked every morning; the open month once a week; the
month before on the 6th and the 11th, when it is closed; the past, as far as it is wanted, with what the day's cap leaves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from opsbot.evaluate.costdata.days import CostReading

FRESH_DAYS = 4
WEEK = 7
CLOSED_ON = (6, 11)
# By account, by service, by both where need be, by record type.
REQUESTS = 4
# AWS names no figure for a page; a page seen to hold more raises it.
PAGE_ROWS = 5000
CHUNK_MOST = 62
CALL = "ce:GetCostAndUsage"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits:
    """`per_day` and `per_month` requests of one payer; `depth` days of the past are wanted in the end."""

    per_day: int = 10
    per_month: int = 310
    depth: int = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Days [first, end) to ask, and why."""

    first: date
    end: date
    why: str


def due(morning: date, readings: Sequence[CostReading], budget: int) -> Span | None:
    """What must be read this morning; None if it was already. Fewer days where even those would not fit the budget.

    Nothing is left out for good: after mornings without a reading the window begins where the last one ended.
    """
    before = [one for one in readings if one.morning < morning and one.end >= one.morning]
    if any(one.morning == morning and one.end >= morning for one in readings):
        return None
    first, why = morning - timedelta(days=FRESH_DAYS), "the last days"
    if before:
        last = max(one.morning for one in before)
        first = min(first, last - timedelta(days=FRESH_DAYS - 1))
    fit = days_that_fit(readings, budget)
    for stale in _stale(morning, readings):
        if stale.first < first and (fit is None or (morning - stale.first).days <= fit):
            first, why = stale.first, stale.why
    if fit is not None and (morning - first).days > fit:
        first, why = morning - timedelta(days=fit), f"as many of the last days as {budget} requests bring"
    return Span(first=first, end=morning, why=why)


def further(morning: date, readings: Sequence[CostReading], depth: int, budget: int) -> Span | None:
    """The next piece, as large as the rest of the day's requests brings: first of what has to be read again and was too
    much for one request plan, then of the past, newest first."""
    if not readings or budget < REQUESTS:
        return None
    fit = min(days_that_fit(readings, budget) or 0, CHUNK_MOST)
    past = Span(first=morning - timedelta(days=depth), end=_known_since(readings), why="the past")
    for span in (*_stale(morning, readings), past):
        if fit and span.first < span.end:
            return Span(first=max(span.first, span.end - timedelta(days=fit)), end=span.end, why=span.why)
    return None


def days_that_fit(readings: Sequence[CostReading], budget: int) -> int | None:
    """How many days so many requests bring, as the last readings came; None while nothing is known."""
    last = next((one for one in reversed(readings) if one.rows and one.days > 0 and one.requests), None)
    if last is None:
        return None
    page = max(PAGE_ROWS if last.requests <= REQUESTS else 0, max(one.page_rows for one in readings), 1)
    # Each table's last page is half empty on average.
    return max(1, int((budget - REQUESTS / 2) * page / (last.rows / last.days)))


def requests(morning: date, readings: Sequence[CostReading], limits: CostLimits) -> int:
    """How many the morning will take: never more than the day's cap."""
    span = due(morning, readings, limits.per_day)
    if span is None:
        return 0
    return limits.per_day if _wants_past(morning, readings, limits) else _usual(span, readings, limits.per_day)


def _wants_past(morning: date, readings: Sequence[CostReading], limits: CostLimits) -> bool:
    return not readings or _known_since(readings) > morning - timedelta(days=limits.depth)


def _usual(span: Span, readings: Sequence[CostReading], most: int) -> int:
    last = readings[-1]
    page = max(PAGE_ROWS, *(one.page_rows for one in readings))
    rows = last.rows / max(last.days, 1) * (span.end - span.first).days
    return min(most, REQUESTS + int(rows / page))


def _known_since(readings: Sequence[CostReading]) -> date:
    """From where on every day was read; what lies before a hole is read again."""
    since = max(one.end for one in readings)
    for one in sorted(readings, key=lambda one: one.end, reverse=True):
        if one.end >= since:
            since = min(since, one.first)
    return since


def _stale(morning: date, readings: Sequence[CostReading]) -> Iterator[Span]:
    """What was read, and must be again: the open month once a week, the one before once after each day on which it may
    have been closed. `end` is from where on that has been done."""
    if not readings:
        return
    start = morning.replace(day=1)
    targets = [(start, morning - timedelta(days=WEEK - 1), "the open month")]
    if passed := [day for day in CLOSED_ON if morning.day >= day]:
        before = (start - timedelta(days=1)).replace(day=1)
        targets.append((before, morning.replace(day=passed[-1]), "the month that closed"))
    for first, since, why in targets:
        done = [one for one in readings if one.morning >= since]
        end = _known_since(done) if done else morning
        # What was never read at all is the past's business.
        if _known_since(readings) <= first < end:
            yield Span(first=first, end=end, why=why)
