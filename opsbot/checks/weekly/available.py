"""How available each environment was, week by week, and where that is known from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from opsbot.checks.uptime_seen import read
from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.course import NOTHING, Course, means, ratio, sums
from opsbot.checks.weekly.measured import Measured
from opsbot.evaluate import uptime
from opsbot.job import Context
from opsbot.model.period import Period

BUDGET_WEEKS = 4


class Source(StrEnum):
    """In this order: seen from outside, said by the platform itself, worked out from what was answered."""

    PROBES = "probes"
    METRIC = "the platform's own metric"
    REQUESTS = "requests answered without a 5xx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """Percent by week; `left` is the share of the error budget that four weeks left, below 0 where it is overspent."""

    course: Course = NOTHING
    source: Source | None = None
    left: float | None = None


def available(ctx: Context, measured: Measured, calendar: Calendar, target: float) -> Mapping[str, Available]:
    """By environment; one that nothing is known of is absent. Raises StoreError."""
    probed = _probed(ctx, calendar)
    found = {}
    for place in ctx.environments:
        for source, course in _sources(place.name, probed, measured):
            if course.now is not None:
                found[place.name] = Available(course=course, source=source, left=_left(course, target))
                break
    return found


def _left(course: Course, target: float) -> float | None:
    known = [value for value in course.weeks[-BUDGET_WEEKS:] if value is not None]
    if not known or target >= 100:
        return None
    return 1 - (100 - sum(known) / len(known)) / (100 - target)


def _sources(place: str, probed: Mapping[str, Course], measured: Measured) -> list[tuple[Source, Course]]:
    return [
        (Source.PROBES, probed.get(place, NOTHING)),
        (Source.METRIC, course_of(measured, "available", place)),
        (Source.REQUESTS, _answered(measured, place)),
    ]


def course_of(measured: Measured, measure: str, place: str | None = None) -> Course:
    """The mean of a measure by week, and that of last year's week."""
    rows = measured.of(measure, place)
    if not rows:
        return NOTHING
    year = means([row.year for row in rows], (0, min(len(row.year) for row in rows)))
    return Course(weeks=means([row.hours for row in rows], measured.cuts), year=year[0])


def total_of(measured: Measured, measure: str, place: str | None = None) -> Course:
    """What a measure adds up to by week."""
    rows = measured.of(measure, place)
    if not rows:
        return NOTHING
    year = sums([row.year for row in rows], (0, min(len(row.year) for row in rows)))
    return Course(weeks=sums([row.hours for row in rows], measured.cuts), year=year[0])


def error_rate(measured: Measured, place: str | None = None) -> Course:
    """Percent of requests that were answered with a 5xx."""
    errors, requests = total_of(measured, "errors", place), total_of(measured, "requests", place)
    if not requests.known:
        return NOTHING
    weeks = ratio(errors.weeks or (None,) * len(requests.weeks), requests.weeks, 100.0)
    return Course(weeks=weeks, year=ratio((errors.year,), (requests.year,), 100.0)[0])


def _answered(measured: Measured, place: str) -> Course:
    rate = error_rate(measured, place)
    well = tuple(None if value is None else 100.0 - value for value in rate.weeks)
    return Course(weeks=well, year=None if rate.year is None else 100.0 - rate.year)


def _probed(ctx: Context, calendar: Calendar) -> Mapping[str, Course]:
    """By environment, from its own probes: every probe that was judged counts alike."""
    places = {one.name for one in ctx.environments}
    mine = {
        probe.name: probe.environment for probe in ctx.looking.probes if probe.target and probe.environment in places
    }
    if ctx.looking.uptime is None or not mine:
        return {}
    weeks = [_week(ctx, period, mine) for period in calendar.weeks]
    return {place: Course(weeks=tuple(week.get(place) for week in weeks)) for place in sorted(set(mine.values()))}


def _week(ctx: Context, period: Period, mine: Mapping[str, str]) -> Mapping[str, float]:
    if ctx.looking.uptime is None:
        return {}
    tallies: dict[str, list[uptime.Tally]] = defaultdict(list)
    for name, buckets in read(ctx.looking.uptime, period, list(mine)).items():
        tallies[mine[name]].append(uptime.tally(buckets))
    shares = {place: _share(found) for place, found in tallies.items()}
    return {place: 100.0 * share for place, share in shares.items() if share is not None}


def _share(found: Sequence[uptime.Tally]) -> float | None:
    judged = sum(one.judged for one in found)
    return sum(one.up + one.degraded for one in found) / judged if judged else None
