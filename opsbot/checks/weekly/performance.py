"""The section "performance": what got slower or wrong more often, then the rest in a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from opsbot.checks.weekly.calendar import HOUR
from opsbot.checks.weekly.course import Course
from opsbot.checks.weekly.kpi import Aim, Kpi, percent
from opsbot.checks.weekly.services import Service, fortnight
from opsbot.checks.weekly.week import Week
from opsbot.model.finding import Series
from opsbot.model.period import from_epoch
from opsbot.model.report import Block, Cell, ChartSpec, Column, Mark, Prose, Row, Section, Table
from opsbot.model.status import Status
from opsbot.model.units import Unit
from opsbot.render.format import NO_DATA, clean, clip, count, plural, quantity

ROWS, FEW, CHARTS = 6, 5, 2
_COLUMNS = (
    Column(title="API"),
    Column(title="p50", align="right", phone=False),
    Column(title="p95", align="right"),
    Column(title="12 weeks", phone=False),
    Column(title="Change", align="right"),
    Column(title="Errors", align="right"),
    Column(title="Requests", align="right", phone=False),
)


def section(week: Week) -> Section:
    """Always says something: where nothing answers requests it says that."""
    return Section(
        id="performance_metrics", title="Performance", status=_status(week), blocks=tuple(_blocks(week)),
        aside=f"against {week.calendar.name_before}",
    )  # fmt: skip


def troubled(week: Week) -> list[Service]:
    targets = week.settings.targets
    return [one for one in week.services if one.troubled(targets.api_seconds, targets.error_rate)]


def worse(week: Week) -> list[Service]:
    """Within their targets, and not what they were."""
    ill = {one.key for one in troubled(week)}
    return [one for one in week.services if one.worse(week.settings.targets.error_rate) and one.key not in ill]


def _status(week: Week) -> Status:
    if troubled(week):
        return Status.WARNING
    known = any(one.requests.now is not None or one.p95.now is not None for one in week.services)
    # An estate without an API is not blind for want of one.
    return Status.OK if known or not week.services else Status.UNKNOWN


def _blocks(week: Week) -> Iterator[Block]:
    if not week.services:
        yield Prose(text="No load balancer and no API was found, so there is no response time to tell.")
        return
    ill = troubled(week)
    told = [*ill, *worse(week)]
    # The slowest stand there anyway, so that a number has company.
    names = {one.key for one in told}
    shown = [*told[:ROWS], *[one for one in week.services if one.key not in names][: max(0, FEW - len(told))]]
    yield from _charts(week, told)
    yield Table(columns=_COLUMNS, rows=tuple(_row(week, one, told=one.key in names) for one in shown))
    yield Prose(text=_rest(week, len(ill), len(told), len(shown)))


def _charts(week: Week, told: Sequence[Service]) -> Iterator[ChartSpec]:
    """Of those that are slow or got slower; errors are told in figures."""
    limit = week.settings.targets.api_seconds
    slow = [one for one in told if (one.late(limit) or one.slower) and _drawable(week, one)]
    yield from (_chart(week, one) for one in slow[:CHARTS])


def _drawable(week: Week, one: Service) -> bool:
    _, hours = fortnight(one, week.measured, week.calendar)
    return int((hours == hours).sum()) > 1


def _chart(week: Week, one: Service) -> ChartSpec:
    limit = week.settings.targets.api_seconds
    start, hours = fortnight(one, week.measured, week.calendar)
    values = tuple(None if value != value else float(value) for value in hours)
    above = next((place for place, value in enumerate(values) if value is not None and value > limit), None)
    name = f"{clean(one.environment)}: {clip(clean(one.name), 48)}"
    said = f"above {quantity(limit, Unit.SECONDS)} for {plural(one.over[0], 'hour')} this week, {count(one.over[1])} the week before"
    return ChartSpec(
        title=f"{name} answered within {quantity(one.p95.now, Unit.SECONDS)} at p95, "
        f"{quantity(one.p95.before, Unit.SECONDS)} in {week.calendar.name_before}.",
        detail=f"p95 by the hour, two weeks; {said}.",
        alt=f"p95 response time of {name}: {said}.",
        series=Series(times=range(start, start + HOUR * len(values), HOUR), values=values, judged=len(values)),
        unit=Unit.SECONDS,
        label=clip(clean(one.name), 40),
        limit=limit,
        since=None if above is None else from_epoch(start + HOUR * above),
        marks=(Mark(at=week.calendar.this.start, text="this week"),),
    )


def _row(week: Week, one: Service, *, told: bool) -> Row:
    targets = week.settings.targets
    late, wrong = one.late(targets.api_seconds), one.wrong(targets.error_rate)
    last = "" if one.p95.year is None else f"; p95 {quantity(one.p95.year, Unit.SECONDS)} in the same week last year"
    hours = f"{plural(one.over[0], 'hour')} above {quantity(targets.api_seconds, Unit.SECONDS)}, {count(one.over[1])} the week before"
    return Row(
        cells=(
            Cell(text=_name(one), status=Status.WARNING if late or wrong else None),
            Cell(text=_time(one.p50)),
            Cell(text=_time(one.p95), status=Status.WARNING if late else None),
            Cell(text="", trend=one.p95.weeks),
            Cell(text=_change(one.p95)),
            Cell(text="–" if one.errors.now is None else percent(one.errors.now), status=Status.WARNING if wrong else None),
            Cell(text="–" if one.requests.now is None else quantity(one.requests.now, Unit.COUNT)),
        ),
        note=f"{hours}; errors {_errors(one)}{last}" if told else "",
    )  # fmt: skip


def _name(one: Service) -> str:
    return f"{clip(clean(one.environment), 28)} {clip(clean(one.name), 40)}"


def _errors(one: Service) -> str:
    before = "" if one.errors.before is None else f"{percent(one.errors.before)} the week before"
    return before or NO_DATA


def _time(course: Course) -> str:
    return "–" if course.now is None else quantity(course.now, Unit.SECONDS)


def _change(course: Course) -> str:
    return Kpi(id="p95", name="", course=course, unit=Unit.SECONDS, aim=Aim.DOWN).change or "–"


def _rest(week: Week, ill: int, told: int, shown: int) -> str:
    """How the others did."""
    total = len(week.services)
    left = f"; {plural(total - shown, 'other')} faster than these" if total > shown else ""
    if ill:
        within = total - ill
        return f"{plural(within, 'other')} within their targets." if within else "None is within its target."
    if told:
        return f"All {plural(total, 'API')} within their targets; {count(told)} got worse{left}."
    return f"All {plural(total, 'API')} within their targets and as in {week.calendar.name_before}{left}."
