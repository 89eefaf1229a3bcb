"""Environments as the report has them: what is wrong there, and its figures of the week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from opsbot.checks.weekly.available import Available, error_rate
from opsbot.checks.weekly.calendar import Calendar
from opsbot.checks.weekly.course import Course
from opsbot.checks.weekly.kpi import loudest
from opsbot.checks.weekly.measured import Measured
from opsbot.checks.weekly.services import Service, weighed
from opsbot.checks.weekly.settings import Targets
from opsbot.checks.weekly.spent import Spent
from opsbot.model.environment import Environment
from opsbot.model.finding import Finding
from opsbot.model.status import Status
from opsbot.render.format import clean, clip, plural
from opsbot.render.grouping import worst_first

_ROOM = 150
_WORDS = ((Status.CRITICAL, "critical"), (Status.WARNING, "warning"), (Status.UNKNOWN, "blind spot"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One environment. `why` is its worst trouble in words; `counts` how many findings of each status it has."""

    environment: Environment
    status: Status
    why: str
    counts: Mapping[Status, int]
    available: Available
    p95: Course
    errors: Course
    spend: Course

    @property
    def name(self) -> str:
        return self.environment.name


def places(
    environments: Sequence[Environment],
    findings: Sequence[Finding],
    known: Mapping[str, Available],
    measured: Measured,
    services: Sequence[Service],
    spent: Spent,
    calendar: Calendar,
    targets: Targets,
) -> tuple[Place, ...]:
    """Worst first."""
    by_place: dict[str, list[Finding]] = {one.name: [] for one in environments}
    for finding in findings:
        if finding.environment in by_place:
            by_place[finding.environment].append(finding)
    found = []
    for one in environments:
        mine = [service for service in services if service.environment == one.name]
        spend = spent.course(one.name, calendar)
        known_of = known.get(one.name, Available())
        found.append(_place(one, by_place[one.name], known_of, measured, mine, spend, targets))
    return tuple(sorted(found, key=_badness))


def _badness(one: Place) -> tuple[int, int, int, float, str]:
    share = one.available.course.now
    order = (Status.OK, Status.INFO, Status.UNKNOWN, Status.WARNING, Status.CRITICAL)
    critical, warning = one.counts.get(Status.CRITICAL, 0), one.counts.get(Status.WARNING, 0)
    return -order.index(one.status), -critical, -warning, 100.0 if share is None else share, one.name


def _place(
    one: Environment,
    findings: Sequence[Finding],
    available: Available,
    measured: Measured,
    services: Sequence[Service],
    spend: Course,
    targets: Targets,
) -> Place:
    p95 = weighed(measured, measured.of("p95", one.name), measured.of("requests", one.name))
    errors = error_rate(measured, one.name)
    missed = _missed(available, errors, services, targets)
    statuses = [finding.status for finding in findings if finding.status is not Status.INFO]
    status = loudest([*statuses, *([Status.WARNING] if missed else [])]) if findings or missed else Status.UNKNOWN
    return Place(
        environment=one, status=status, why=_why(findings, missed), counts=Counter(f.status for f in findings),
        available=available, p95=p95, errors=errors, spend=spend,
    )  # fmt: skip


def _missed(available: Available, errors: Course, services: Sequence[Service], targets: Targets) -> list[str]:
    """Targets that the week missed."""
    share = available.course.now
    found = []
    if share is not None and share < targets.availability:
        found.append("availability below its target")
    for one in services:
        if one.late(targets.api_seconds):
            found.append(f"{clip(clean(one.name), 40)} slower than its target for {plural(one.over[0], 'hour')}")
    if errors.now is not None and errors.now > targets.error_rate:
        found.append("more errors than its target")
    return found[:3]


def _why(findings: Sequence[Finding], missed: Sequence[str]) -> str:
    """The worst finding, how many more there are, and what the week missed."""
    if not findings:
        return "no check applied to it"
    troubles = sorted((f for f in findings if f.status in dict(_WORDS)), key=worst_first)
    if not troubles:
        return "; ".join(missed)
    first = troubles[0]
    said = f"{clean(first.title)} {clip(clean(first.resource), 40)}: {clean(first.summary)}".rstrip(".")
    rest = Counter(f.status for f in troubles[1:])
    more = ", ".join(plural(rest[status], word) for status, word in _WORDS if rest[status])
    return "; ".join(filter(None, (clip(said, _ROOM), f"also {more}" if more else "", *missed)))
