"""Which figures the scorecard has, in which order, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from opsbot.checks.security import TOPICS
from opsbot.checks.weekly.available import Available, course_of, error_rate, total_of
from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.course import NOTHING, Course, mean_of
from opsbot.checks.weekly.kpi import Aim, Kpi
from opsbot.checks.weekly.measured import Measured
from opsbot.checks.weekly.services import weighed
from opsbot.checks.weekly.settings import WeeklySettings
from opsbot.checks.weekly.spent import Spent
from opsbot.checks.weekly.told import Told
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.model.units import Unit

_MONTH_DAYS = 365 / 12


def scores(
    settings: WeeklySettings,
    calendar: Calendar,
    measured: Measured,
    known: Mapping[str, Available],
    spent: Spent,
    told: Told,
    findings: Sequence[Finding],
) -> tuple[Kpi, ...]:
    """Always the same ones, in the same order."""
    return (
        *_service(settings, measured, known),
        *_data(settings, measured),
        _used(settings, measured),
        _incidents(told),
        _security(findings),
        *_money(settings, calendar, measured, spent),
    )


def _service(settings: WeeklySettings, measured: Measured, known: Mapping[str, Available]) -> Iterator[Kpi]:
    targets = settings.targets
    yield Kpi(
        id="availability", name="Availability", course=mean_of([one.course for one in known.values()]), unit=Unit.PERCENT,
        aim=Aim.UP, low=targets.availability,
        why="no probe, no availability metric and no API says anything of this week",
    )  # fmt: skip
    yield Kpi(
        id="error_rate", name="Error rate", course=error_rate(measured), unit=Unit.PERCENT, high=targets.error_rate,
        why=_none(measured, "requests", "no load balancer and no API was found"),
    )  # fmt: skip
    yield Kpi(
        id="api_latency", name="API p95 latency", unit=Unit.SECONDS, high=targets.api_seconds,
        course=weighed(measured, measured.of("p95"), measured.of("requests")),
        why=_none(measured, "p95", "no load balancer and no API was found"),
    )  # fmt: skip


def _data(settings: WeeklySettings, measured: Measured) -> Iterator[Kpi]:
    targets = settings.targets
    yield Kpi(
        id="batch_latency", name="Batch p95 latency", course=course_of(measured, "batch"), unit=Unit.SECONDS,
        high=targets.batch_seconds, why=_none(measured, "batch", _unset(settings.batch)),
    )  # fmt: skip
    yield Kpi(
        id="time_to_insight", name="Time to insight", course=course_of(measured, "insight"), unit=Unit.SECONDS,
        high=targets.insight_seconds, why=_none(measured, "insight", _unset(settings.insight)),
    )  # fmt: skip
    yield Kpi(
        id="data_quality", name="Data quality", course=course_of(measured, "quality"), unit=Unit.PERCENT, aim=Aim.UP,
        low=targets.data_quality, why=_none(measured, "quality", _unset(settings.quality)),
    )  # fmt: skip


def _unset(check: str) -> str:
    return f"not measured: add a check named {check}"


def _none(measured: Measured, measure: str, unset: str) -> str:
    """Why there is no figure: nobody measures it, or it was measured and is gone."""
    if measure not in measured.named:
        return unset
    rows = measured.of(measure)
    return "nothing was published this week" if rows else "nothing that it could be measured of was found"


def _used(settings: WeeklySettings, measured: Measured) -> Kpi:
    targets = settings.targets
    course = course_of(measured, "busy")
    low = course.now is not None and course.now < targets.utilisation_low
    return Kpi(
        id="utilisation", name="Utilisation", course=course, unit=Unit.PERCENT, aim=Aim.WITHIN,
        low=targets.utilisation_low, high=targets.utilisation_high,
        note="below its target: paid for and not used" if low else "",
        why=_none(measured, "busy", "no service, instance or database was found"),
    )  # fmt: skip


def _incidents(told: Told) -> Kpi:
    return Kpi(
        id="incidents", name="P0 and P1 incidents", course=told.grave, high=0.0,
        why="incidents are not kept here",
    )  # fmt: skip


def _security(findings: Sequence[Finding]) -> Kpi:
    """As it stands: what was open in earlier weeks is not kept."""
    looked = [one for one in findings if one.status is not Status.UNKNOWN and any(topic.takes(one) for topic in TOPICS)]
    grave = sum(one.status is Status.CRITICAL for one in looked)
    return Kpi(
        id="security", name="High-severity security", high=0.0,
        course=Course(weeks=(float(grave),)) if looked else NOTHING, why="no security check gave an answer",
    )  # fmt: skip


def _money(settings: WeeklySettings, calendar: Calendar, measured: Measured, spent: Spent) -> Iterator[Kpi]:
    course = spent.course(None, calendar)
    limit = None if spent.paced is None else spent.paced.limit * spent.days / _MONTH_DAYS
    note = f"{spent.days} of 7 days are billed; compared with the same days" if 0 < spent.days < 7 else ""
    yield Kpi(
        id="spend", name="Spend", course=course, unit=Unit.USD, currency=spent.currency, high=limit, note=note,
        why="no bill of this week is known; the job cost_anomalies reads them",
    )  # fmt: skip
    counted, noun = _counted(settings, measured)
    share = spent.days / 7 if spent.days else 1.0
    weeks = _each(course, counted, share)
    yield Kpi(
        id="cost_per_record", name=f"Cost per 1k {noun}", unit=Unit.USD, currency=spent.currency,
        course=Course(weeks=weeks), high=settings.targets.cost_per_1000,
        why="it takes a bill and a count, and one of them is not known",
    )  # fmt: skip


def _each(course: Course, counted: Course, share: float) -> tuple[float | None, ...]:
    """Cost of a thousand, in the weeks of which both are known; as much of a week's count as of its bill."""
    pairs = zip(course.weeks, counted.weeks, strict=False)
    return tuple(None if cost is None or not number else 1000.0 * cost / (number * share) for cost, number in pairs)


def _counted(settings: WeeklySettings, measured: Measured) -> tuple[Course, str]:
    records = total_of(measured, "records")
    return (records, "records") if records.known else (total_of(measured, "requests"), "requests")
