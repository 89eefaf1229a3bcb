"""What a system that keeps incidents is told: events as PagerDuty's Events API v2 takes them, without the key.

Limits are PagerDuty's: a summary of 1,024 characters, a dedup key of 255. What is listed is cut to what anybody reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from opsbot.model.alert import Alert, Notice
from opsbot.model.message import Action
from opsbot.model.report import About, Report
from opsbot.model.status import Priority, Status
from opsbot.render.format import clean, clip, utc
from opsbot.render.notice import headline

SUMMARY, KEY = 1024, 255
LISTED, _SENTENCE, _NAME = 12, 300, 120
_OF_PRIORITY: Mapping[Priority, str] = {
    Priority.P0: "critical",
    Priority.P1: "error",
    Priority.P2: "warning",
    Priority.P3: "info",
}
_OF_STATUS: Mapping[Status, str] = {
    Status.CRITICAL: "critical",
    Status.UNKNOWN: "warning",
    Status.WARNING: "warning",
    Status.INFO: "info",
    Status.OK: "info",
}

Json = dict[str, Any]


def of_notice(notice: Notice) -> Json:
    """An incident for a group of alerts: opened or renewed, in hand, closed."""
    event = _event(notice.action if notice.action is not Action.NONE else Action.TRIGGER, notice.key)
    if not (notice.firing or notice.over):
        return event | {"payload": _payload(headline(notice), "opsbot", _OF_PRIORITY[notice.priority], {})}
    first = (notice.firing or notice.over)[0]
    payload = _payload(headline(notice), _source(first), _OF_PRIORITY[notice.priority], _details(notice))
    names = {"component": first.finding.resource, "group": notice.tenant, "class": first.finding.check}
    payload |= {name: clip(clean(value), _NAME) for name, value in names.items() if value}
    return event | {"payload": payload | {"timestamp": utc(notice.at)}}


def events_of_notice(notice: Notice) -> Json | list[Json]:
    """The same as it is sent. A trigger rings nobody about what is acknowledged already: where people are to be called anew,
    the incident is closed and opened again."""
    event = of_notice(notice)
    return [_event(Action.RESOLVE, notice.key), event] if notice.anew else event


def of_report(report: Report, about: About) -> Json | None:
    """An incident for a job: open while its report is critical. None for a report that cannot tell."""
    if report.status is Status.UNKNOWN:
        return None
    action = Action.TRIGGER if report.status is Status.CRITICAL else Action.RESOLVE
    details = {"lede": clean(report.lede), "job": about.job, "run": about.run_id, "again": clean(about.command)}
    payload = _payload(f"{report.title}: {report.headline}", about.job, _OF_STATUS[report.status], details)
    links = [{"href": about.url, "text": "the report"}] if about.url.startswith(("https://", "http://")) else []
    event = _event(action, f"opsbot/job/{about.job}") | {"payload": payload | {"timestamp": utc(about.at)}}
    return event | ({"links": links} if links else {})


def of_words(subject: str, text: str, key: str, severity: str = "warning") -> Json:
    """What opsbot has to say of itself, such as a channel that takes nothing."""
    lines = dict(enumerate(text.splitlines()[:LISTED], 1))
    details = {f"line {place}": clip(clean(line), _SENTENCE) for place, line in lines.items() if line.strip()}
    return _event(Action.TRIGGER, key) | {"payload": _payload(subject, "opsbot", severity, details)}


def dedup_key(key: str) -> str:
    """The key itself where it fits, else a digest of it."""
    if len(key) <= KEY and key.isascii() and key.isprintable():
        return key
    return f"opsbot-{hashlib.sha256(key.encode('utf-8', 'replace')).hexdigest()}"


def _event(action: Action, key: str) -> Json:
    return {"event_action": action.value, "dedup_key": dedup_key(key), "client": "opsbot"}


def _payload(summary: str, source: str, severity: str, details: Json) -> Json:
    told: Json = {
        "summary": clip(clean(summary), SUMMARY) or "opsbot",
        "source": clip(clean(source), _NAME) or "opsbot",
        "severity": severity,
    }
    return told | ({"custom_details": details} if details else {})


def _source(alert: Alert) -> str:
    finding = alert.finding
    return "/".join(filter(None, (finding.environment, finding.resource)))


def _details(notice: Notice) -> Json:
    """As pairs of text: PagerDuty shows them as a table."""
    told = {
        "why now": clip(clean(notice.reason), _SENTENCE),
        "firing": str(notice.fires),
        "over": str(notice.ended) if notice.ended else "",
        "in hand": clean(notice.ack.who) if notice.ack else "",
        **{clip(clean(name), _NAME): clip(clean(value), _NAME) for name, value in notice.group},
        "acknowledge": f"opsbot ack --group {notice.key[:19]}" if notice.firing else "",
    }
    listed = {f"alert {place}": _line(alert) for place, alert in enumerate(notice.firing[:LISTED], 1)}
    runbook = next((alert.finding.runbook for alert in notice.firing if alert.finding.runbook), "")
    told |= {"runbook": f"opsbot runbook show {clip(clean(runbook), _NAME)}"} if runbook else {}
    left = notice.fires - len(listed)
    told |= {"and": f"{left:,} more: opsbot alerts"} if left > 0 else {}
    return {name: value for name, value in (told | listed).items() if value}


def _line(alert: Alert) -> str:
    finding = alert.finding
    title = clean(finding.title or finding.check)
    owner = f"; owner {clip(clean(finding.owner), _NAME)}" if finding.owner else ""
    summary = clip(clean(finding.summary), _SENTENCE)
    return f"{alert.status.value}: {clean(finding.environment)}, {title}, {clean(finding.resource)}: {summary}{owner}"
