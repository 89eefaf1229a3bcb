"""The report for programs: one object, schema `opsbot.run/1`, described in docs/schemas/run.schema.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import orjson

from opsbot.model.finding import Absent, Finding
from opsbot.model.message import Delivery, Message
from opsbot.model.period import Period
from opsbot.model.report import About, Report
from opsbot.model.status import Status
from opsbot.render.format import utc
from opsbot.render.headline import verdict

SCHEMA = "opsbot.run/1"
Object = dict[str, object]

# The contract knows three ends; a message nobody can vouch for is not sent, and a superseded one will never be.
_STATES: Mapping[Delivery, str] = {
    Delivery.QUEUED: "queued",
    Delivery.SENDING: "queued",
    Delivery.HELD: "queued",
    Delivery.SENT: "sent",
    Delivery.UNKNOWN: "dead",
    Delivery.DEAD: "dead",
    Delivery.SUPERSEDED: "dead",
    Delivery.DROPPED: "dead",
}
_WHY = {
    Delivery.UNKNOWN: "it may have arrived; nobody could be asked",
    Delivery.SUPERSEDED: "superseded by a newer message",
    Delivery.DROPPED: "dropped by a person",
}


def render(
    report: Report,
    about: About,
    findings: Sequence[Finding],
    *,
    window: Period,
    scheduled_for: datetime | None,
    exit_code: int,
    artifacts: Sequence[tuple[str, str]],
    deliveries: Sequence[Message],
    verbose: bool,
) -> str:
    """Indented JSON in a fixed order; numbers that JSON cannot hold are null.

    `artifacts` are (format, path); of `deliveries` the replies are left out, they share their first message's fate.
    Findings that are OK are listed only when `verbose`.
    """
    told = [f for f in findings if verbose or f.status is not Status.OK]
    whole: Object = {
        "schema": SCHEMA,
        "run_id": about.run_id,
        "job": about.job,
        "at": utc(about.at),
        "scheduled_for": utc(scheduled_for) if scheduled_for else None,
        "verdict": str(verdict(report)),
        "headline": report.headline,
        "exit_code": exit_code,
        "window": {"start": utc(window.start), "end": utc(window.end)},
        "coverage": {
            "expected": about.coverage.expected,
            "evaluated": about.coverage.evaluated,
            "missing": [_absent(absent) for absent in about.coverage.missing],
        },
        "findings": [_finding(finding) for finding in told],
        "sections": [{"id": s.id, "title": s.title, "status": str(s.status)} for s in report.sections],
        "artifacts": [{"format": format, "path": path} for format, path in artifacts],
        "deliveries": [_delivery(message) for message in deliveries if message.reply_to is None],
        "aws": _aws(about),
    }
    return orjson.dumps(_writable(whole), option=orjson.OPT_INDENT_2).decode() + "\n"


def _absent(absent: Absent) -> Object:
    return {"environment": absent.environment, "check": absent.check, "resource": absent.resource, "why": absent.why}


def _finding(finding: Finding) -> Object:
    return {
        "key": finding.key,
        "environment": finding.environment,
        "tenant": finding.label("tenant"),
        "region": finding.label("region"),
        "check": finding.check,
        "resource": finding.resource,
        "status": str(finding.status),
        "value": finding.value,
        "unit": str(finding.unit),
        "limit": finding.limit,
        "rule": finding.rule,
        "since": utc(finding.since) if finding.since else None,
        "title": finding.title,
        "area": finding.area,
        "summary": finding.summary,
        "means": finding.means,
        "owner": finding.owner,
        "labels": dict(finding.labels),
        "runbook": finding.runbook,
        "evidence": {name: _fact(value) for name, value in finding.evidence},
    }


def _fact(value: object) -> object:
    """Several are a list; what is made of pairs is an object."""
    if not isinstance(value, tuple):
        return value
    return [dict(part) if isinstance(part, tuple) else part for part in value]


def _delivery(message: Message) -> Object:
    why = message.error or _WHY.get(message.state)
    return {"channel": message.channel, "to": message.to, "state": _STATES[message.state], "why": why or None}


def _aws(about: About) -> Object:
    usage = about.usage
    return {
        "calls": dict(sorted(usage.calls)),
        "metrics_requested": usage.metrics,
        "usd": round(usage.usd, 6),
        "throttled": usage.throttled,
    }


def _writable(value: object) -> object:
    """Text that UTF-8 can hold, whatever a name was made of."""
    match value:
        case str():
            return value if value.isascii() else value.encode("utf-8", "replace").decode()
        case dict():
            return {str(_writable(str(key))): _writable(part) for key, part in value.items()}
        case list():
            return [_writable(part) for part in value]
        case float():
            return float(value)  # a numpy float is one too, and orjson takes only the plain kind
        case int() if not isinstance(value, bool) and abs(value) >= 2**63:
            return float(value)
        case _:
            return value
