"""Weeks that things happened in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from jinja2 import FileSystemLoader

from opsbot import home
from opsbot.checks.weekly import Week, weekly_findings, weekly_headline, weekly_lede, weekly_sections
from opsbot.model.environment import Environment
from opsbot.model.finding import Coverage
from opsbot.model.report import About, Report
from opsbot.render import headline
from opsbot.store.sql import SqlStore
from tests.checks.weekly.estate import (
    NOW,
    Course,
    Payers,
    Written,
    alert,
    alerted,
    bill,
    environment,
    finding,
    fleet,
    foreseen,
    from_then_on,
    incident,
    look,
    never,
    steady,
)
from tests.render.sample import about as sample_about

THURSDAY = datetime(2026, 11, 12, 9, 4, tzinfo=UTC)
TEMPLATES = FileSystemLoader(home.shipped_home() / "report_templates")


def outage(at: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Two hours in which nearly everything failed."""
    hit = np.abs(at - THURSDAY.timestamp()) < 3600
    return np.where(hit, 8000.0, steady(4.5)(at))


def silent_since(course: Course, since: datetime) -> Course:
    return lambda at: np.where(at > since.timestamp(), np.nan, course(at))


BUSY_WEEK: dict[str, Course] = {
    "northlake TargetResponseTime p50": from_then_on(0.12, 0.21),
    "northlake TargetResponseTime p95": from_then_on(0.26, 0.556),
    "brightwell HTTPCode_Target_5XX_Count": outage,
    "oakfield CPUUtilization": silent_since(steady(73.0), THURSDAY),
}


def busy(store: SqlStore) -> Week:
    """A release that made one slower, an outage, a bill that grew, a disk that fills, pages for nothing."""
    places = fleet()
    bill(store, places, jump=4.0, days=400)
    incident(store, places[1], "backend task count fell to 0, 23 min of HTTP 503", THURSDAY)
    woken = (alert(finding("summit-prod", f"job-{n}"), THURSDAY, timedelta(minutes=6), times=3) for n in range(2))
    alerted(store, *woken)
    foreseen(store, places[0], "platform-db", days=18)
    return look(Written(BUSY_WEEK), places, store, payers=Payers(limit=10_300.0))


def calm(store: SqlStore) -> Week:
    places = fleet()
    bill(store, places)
    return look(Written(), places, store, payers=Payers(limit=12_000.0))


@dataclass(frozen=True)
class Extreme:
    """How many environments, and what all of them have in common."""

    number: int
    courses: dict[str, Course] = field(default_factory=dict)
    dark: bool = False


FAILING: dict[str, Course] = {
    "HTTPCode_Target_5XX_Count": steady(3000.0),
    "TargetResponseTime": steady(4.0),
    "CPUUtilization": steady(99.0, 0.001),
    "DataQualityScore": steady(40.0),
    "ProcessingLatency": steady(4000.0),
}
EMPTY: dict[str, Course] = dict.fromkeys(
    ("RequestCount", "HTTPCode_Target_5XX_Count", "TargetResponseTime", "CPUUtilization", "DataQualityScore",
     "ProcessingLatency"), never,
)  # fmt: skip


def many(number: int) -> tuple[Environment, ...]:
    return tuple(environment(f"tenant{place:02d}", place, payer=place == 0) for place in range(number))


def extreme(case: Extreme, store: SqlStore | None = None) -> Week:
    places = many(case.number)
    dark = frozenset(place.name for place in places) if case.dark else frozenset()
    return look(Written(case.courses, dark=dark), places, store)


def written_up(week: Week) -> tuple[Report, About]:
    """The report as its job makes it, completed, and what stands at its foot."""
    told = Report(
        title=f"Weekly report, {week.calendar.title}", period=week.calendar.this, sections=weekly_sections(week),
        headline=weekly_headline(week), lede=weekly_lede(week),
    )  # fmt: skip
    findings = weekly_findings(week)
    source = sample_about(
        findings, len(week.environments), job="weekly_report", at=NOW, usage=week.usage, command="opsbot run weekly_report"
    )  # fmt: skip
    return headline.complete(told, Coverage.of(findings), len(week.environments)), replace(source, url="")
