"""How a look at one resource becomes a Finding: what every kind's findings have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.checks.kind import Subject, When
from opsbot.model.check import Check, Rule
from opsbot.model.finding import Evidence, Finding, Series
from opsbot.model.status import Status

_ACTION = re.compile(r"\b[a-z0-9-]+:[A-Z]\w+")


def action_in(why: str) -> str:
    """The IAM action that a reason names, such as `cloudwatch:GetMetricData`; "" if it names none."""
    match = _ACTION.search(why)
    return match[0] if match else ""


def key(check: Check, subject: Subject) -> str:
    return f"{subject.environment.name}/{check.name}/{subject.resource.name}"


def well(check: Check, subject: Subject, when: When, value: float | None, summary: str = "") -> Finding:
    """Nothing wrong. Kept small: a large estate has a hundred thousand of these, and they share what they can."""
    return Finding(
        check=check.name,
        environment=subject.environment.name,
        resource=subject.resource.name,
        status=Status.OK,
        at=when.now,
        unit=check.unit,
        title=check.title,
        area=check.area,
        value=value,
        summary=summary,
        labels=subject.labels,
        owner=check.owner or subject.owner,
    )


def blind(
    check: Check,
    subject: Subject,
    when: When,
    why: str,
    *,
    since: datetime | None = None,
    evidence: Evidence = (),
    series: Series | None = None,
) -> Finding:
    """It could not be judged, and why."""
    return Finding(
        check=check.name,
        environment=subject.environment.name,
        resource=subject.resource.name,
        status=Status.UNKNOWN,
        at=when.now,
        unit=check.unit,
        title=check.title,
        area=check.area,
        since=since,
        summary=why,
        means=check.means,
        labels=subject.labels,
        runbook=check.runbook,
        owner=check.owner or subject.owner,
        evidence=evidence,
        series=series,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a broken rule looks like on one resource."""

    rule: Rule
    status: Status
    summary: str
    value: float | None
    since: datetime | None
    evidence: Evidence
    series: Series | None = None
    hold: timedelta = timedelta(0)


def broken(check: Check, subject: Subject, when: When, said: Said) -> Finding:
    """A rule spoke: now, or (as INFO) before and it is over."""
    return Finding(
        check=check.name,
        environment=subject.environment.name,
        resource=subject.resource.name,
        status=said.status,
        at=when.now,
        unit=check.unit,
        title=check.title,
        area=check.area,
        since=said.since,
        hold=said.hold,
        value=said.value,
        limit=said.rule.threshold,
        rule=said.rule.text,
        summary=said.summary,
        means=check.means,
        labels=subject.labels,
        runbook=check.runbook,
        owner=check.owner or subject.owner,
        evidence=said.evidence,
        series=said.series,
    )
