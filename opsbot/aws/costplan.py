"""Which days of a bill to ask for this morning, in as few requests as keep it whole: pure, so that a plan is priced first.

A request is a page, and a page is a cent. The last four days are asked every morning; the open month once a week; the
month before on the 6th and the 11th, when it is closed; the past, as far as it is wanted, with what the day's cap leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from opsbot.evaluate.costdata.days import CostReading
from opsbot.ports import Estimate

FRESH_DAYS = 4
WEEK = 7
CLOSED_ON = (6, 11)
# By account, by service, by both where need be, by record type.
REQUESTS = 4
# AWS names no figure for a page; a page seen to hold more raises it.
PAGE_ROWS = 5000
CHUNK_MOST = 62
USD = 0.01
CALL = "ce:GetCostAndUsage"


@dataclass(frozen=True, slots=True, kw_only=True)
class CostLimits:
    """`per_day` and `per_month` requests of one payer; `depth` days of the past are wanted in the end."""

    per_day: int = 10
    per_month: int = 220
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
    wider = ((_open_month(morning, readings), "the open month"), (_closed(morning, readings), "the month that closed"))
    for start, said in wider:
        if start is not None and start < first:
            first, why = start, said
    fit = days_that_fit(readings, budget)
    if fit is not None and (morning - first).days > fit:
        first, why = morning - timedelta(days=fit), f"as many of the last days as {budget} requests bring"
    return Span(first=first, end=morning, why=why)


def further(morning: date, readings: Sequence[CostReading], depth: int, budget: int) -> Span | None:
    """The next piece of the past, newest first, as large as the rest of the day's requests brings."""
    if not readings or budget < REQUESTS:
        return None
    earliest, oldest = _known_since(readings), morning - timedelta(days=depth)
    fit = min(days_that_fit(readings, budget) or 0, CHUNK_MOST)
    if earliest <= oldest or not fit:
        return None
    return Span(first=max(oldest, earliest - timedelta(days=fit)), end=earliest, why="the past")


def days_that_fit(readings: Sequence[CostReading], budget: int) -> int | None:
    """How many days so many requests bring, as the last readings came; None while nothing is known."""
    last = next((one for one in reversed(readings) if one.rows and one.days > 0 and one.requests), None)
    if last is None:
        return None
    page = max(PAGE_ROWS if last.requests <= REQUESTS else 0, max(one.page_rows for one in readings), 1)
    # Each table's last page is half empty on average.
    return max(1, int((budget - REQUESTS / 2) * page / (last.rows / last.days)))


def estimate(morning: date, readings: Sequence[CostReading], limits: CostLimits) -> Estimate:
    """What the morning will take: never more than the day's cap."""
    span = due(morning, readings, limits.per_day)
    calls = 0
    if span is not None:
        calls = limits.per_day if _wants_past(morning, readings, limits) else _usual(span, readings, limits.per_day)
    return Estimate(calls=((CALL, calls),) if calls else (), metrics=0, datapoints=0, usd=calls * USD)


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


def _open_month(morning: date, readings: Sequence[CostReading]) -> date | None:
    start = morning.replace(day=1)
    lately = (morning - one.morning < timedelta(days=WEEK) for one in readings if one.first <= start < one.end)
    return None if not readings or any(lately) else start


def _closed(morning: date, readings: Sequence[CostReading]) -> date | None:
    """The month before, once after each day on which it may have been closed."""
    passed = [day for day in CLOSED_ON if morning.day >= day]
    start = (morning.replace(day=1) - timedelta(days=1)).replace(day=1)
    if not passed or not readings or _known_since(readings) > start:
        return None
    after = morning.replace(day=passed[-1])
    done = any(one.morning >= after and one.first <= start < one.end for one in readings)
    return None if done else start
