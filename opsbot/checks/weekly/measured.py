"""What CloudWatch still knows of twelve weeks: a few metrics of each environment by the hour, found through the checks.

The metrics are those of the catalogue's own checks, so that a check that was pointed elsewhere takes its figure with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from opsbot.checks import asking
from opsbot.checks.asking import MetricSettings
from opsbot.checks.kind import Subject, fits
from opsbot.checks.matching import subject
from opsbot.checks.weekly.calendar import HOUR, Calendar
from opsbot.checks.weekly.settings import WeeklySettings
from opsbot.job import Context
from opsbot.model.check import Check
from opsbot.model.environment import Environment
from opsbot.model.period import Period, epoch
from opsbot.model.resource import Inventory, Resource
from opsbot.model.units import Unit
from opsbot.ports import Ask, CustomMetric, MetricQuery, Reading
from opsbot.samples import Values, aligned

_RATES = ("alb-error-rate", "api-error-rate", "http-api-error-rate")
_TIMES = ("alb-latency-p95", "api-latency-p95", "http-api-latency")
_BUSY = ("ecs-cpu", "ec2-cpu", "rds-cpu")
_SECONDS = {Unit.MILLISECONDS: 0.001}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure: which checks' metric it is, by the hour with this statistic; `input` names it where there are several."""

    name: str
    statistic: str
    checks: tuple[str, ...]
    input: str = ""


def measures(settings: WeeklySettings) -> tuple[Measure, ...]:
    return (
        Measure(name="requests", statistic="Sum", checks=_RATES, input="requests"),
        Measure(name="errors", statistic="Sum", checks=_RATES, input="errors"),
        Measure(name="p50", statistic="p50", checks=_TIMES),
        Measure(name="p95", statistic="p95", checks=_TIMES),
        Measure(name="busy", statistic="Average", checks=_BUSY),
        Measure(name="available", statistic="Average", checks=(settings.available,)),
        Measure(name="quality", statistic="Average", checks=(settings.quality,)),
        Measure(name="batch", statistic="p95", checks=(settings.batch,)),
        Measure(name="insight", statistic="p95", checks=(settings.insight,)),
        Measure(name="records", statistic="Sum", checks=(settings.records,)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measure of one resource: its hours over all weeks, and those of last year's week. Times are in seconds."""

    measure: str
    environment: str
    resource: Resource
    hours: Values
    year: Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """`start` is the first hour (epoch seconds), `cuts` where the weeks begin in the rows. `gaps` say why by environment.
    `asked` counts series, `named` the figures that some check stands for."""

    start: int
    cuts: tuple[int, ...]
    rows: tuple[Row, ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)
    asked: int = 0
    named: frozenset[str] = frozenset()

    def of(self, measure: str, environment: str | None = None) -> list[Row]:
        return [
            row
            for row in self.rows
            if row.measure == measure and (environment is None or row.environment == environment)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    measure: str
    subject: Subject
    query: MetricQuery
    scale: float


def measure(ctx: Context, settings: WeeklySettings, calendar: Calendar) -> Measured:
    """Ask for all of it: two asks a region, of twelve weeks and of last year's one. Raises PlanTooDear."""
    known = measures(settings)
    wanted = list(_wanted(ctx, known))
    start = aligned(calendar.all, HOUR)[0]
    named = frozenset(one.name for one in known if any(_checks(ctx, place, one) for place in ctx.environments))
    nothing = Measured(start=start, cuts=calendar.cuts(start), named=named)
    if not wanted:
        return nothing
    asks = list(_asks(wanted, (calendar.all, calendar.last_year)))
    return _read(ctx, wanted, asks, nothing, calendar)


def _wanted(ctx: Context, known: Sequence[Measure]) -> Iterator[_Wanted]:
    places = {one.name: one for one in ctx.environments}
    for inventory in _inventories(ctx, known):
        place = places[inventory.environment]
        for one in known:
            yield from _of_measure(ctx, place, inventory, one)


def _of_measure(ctx: Context, place: Environment, inventory: Inventory, one: Measure) -> Iterator[_Wanted]:
    """Of the checks of one name the first that fits takes a resource."""
    taken: set[tuple[str, str, str]] = set()
    for check in _checks(ctx, place, one):
        for resource in inventory.resources:
            key = (check.name, resource.kind, resource.name)
            if key not in taken and fits(check, resource):
                taken.add(key)
                query = _query(check, subject(place, resource), one)
                if query is not None:
                    yield _Wanted(
                        measure=one.name, subject=subject(place, resource), query=query, scale=_scale(check, one)
                    )


def _checks(ctx: Context, place: Environment, one: Measure) -> list[Check]:
    return [
        check
        for check in ctx.checks.get(place.name, ())
        if check.name in one.checks and isinstance(check.settings, MetricSettings)
    ]


def _scale(check: Check, one: Measure) -> float:
    if one.statistic == "Sum":
        return 1.0
    return asking.settings_of(check).scale * _SECONDS.get(check.unit, 1.0)


def _query(check: Check, one: Subject, measure: Measure) -> MetricQuery | None:
    found = asking.plan(check, one)
    if isinstance(found, str):
        return None
    names = [item.name for item in asking.settings_of(check).inputs]
    query = found[names.index(measure.input)] if measure.input in names else found[0]
    return query._replace(statistic=measure.statistic, period=HOUR)


def _inventories(ctx: Context, known: Sequence[Measure]) -> Iterator[Inventory]:
    checks = [check for place in ctx.environments for one in known for check in _checks(ctx, place, one)]
    kinds = frozenset(kind for check in checks for kind in check.where.kinds if not kind.startswith("metric:"))
    custom: frozenset[CustomMetric] = frozenset(one for check in checks for one in asking.custom(check.settings))
    if kinds or custom:
        yield from ctx.looking.cloud.inventory(ctx.environments, kinds, custom, ctx.now)


def _asks(wanted: Sequence[_Wanted], periods: Sequence[Period]) -> Iterator[Ask]:
    by_place: dict[tuple[str, str], list[_Wanted]] = defaultdict(list)
    for one in wanted:
        by_place[one.subject.environment.name, one.subject.resource.region].append(one)
    for (_, region), some in sorted(by_place.items()):
        queries = tuple(dict.fromkeys(one.query for one in some))
        for period in periods:
            yield Ask(environment=some[0].subject.environment, region=region, window=period, queries=queries)


def _read(
    ctx: Context, wanted: Sequence[_Wanted], asks: Sequence[Ask], nothing: Measured, calendar: Calendar
) -> Measured:
    answers: dict[tuple[str, str, int, MetricQuery], Values] = {}
    gaps: dict[str, str] = {}
    ctx.looking.progress("reading weeks", 0, len(asks))
    for done, readings in enumerate(ctx.looking.cloud.read(asks), 1):
        for reading in readings:
            _keep(reading, answers, gaps)
        ctx.looking.progress("reading weeks", done, len(asks))
    empty = np.full(nothing.cuts[-1], np.nan)
    rows = []
    for one in wanted:
        place = (one.subject.environment.name, one.subject.resource.region)
        hours, year = (
            answers.get((*place, epoch(period.start), one.query), empty) * one.scale
            for period in (calendar.all, calendar.last_year)
        )
        rows.append(
            Row(measure=one.measure, environment=place[0], resource=one.subject.resource, hours=hours, year=year)
        )
    asked = sum(len(ask.queries) for ask in asks)
    return Measured(
        start=nothing.start, cuts=nothing.cuts, rows=tuple(rows), gaps=gaps, asked=asked, named=nothing.named
    )  # fmt: skip


def _keep(reading: Reading, answers: dict[tuple[str, str, int, MetricQuery], Values], gaps: dict[str, str]) -> None:
    ask = reading.ask
    for query, row in reading.rows.items():
        answers[ask.environment.name, ask.region, epoch(ask.window.start), query] = reading.grid.values[row]
    for why in reading.gaps.values():
        gaps.setdefault(ask.environment.name, why)
