"""A notice as people read it: what fires or is over, why they hear of it just now, what to type next.

One screen at most. Every string from outside is cleaned, whatever it holds.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from typing import Any

from opsbot.model.alert import Alert, Notice
from opsbot.model.message import Action
from opsbot.model.status import Priority
from opsbot.render.blockkit import Json, code, context, escape, header, message, section
from opsbot.render.format import begun, clean, clip, count, moment, plural, span, utc
from opsbot.render.tokens import MARKS

SHOWN, SLACK_SHOWN = 12, 5
_NAME, _SENTENCE, _HEADLINE = 60, 240, 150
_URGENT = (Priority.P0, Priority.P1)


def headline(notice: Notice) -> str:
    """`P1 shop-prod: ECS CPU, backend: CPU at 93 %`: what a locked screen shows."""
    if notice.action is Action.RESOLVE:
        return clip(f"Resolved: {_subject(notice)}{_lasted(notice)}", _HEADLINE)
    if notice.action is Action.ACKNOWLEDGE and notice.ack:
        return clip(f"Acknowledged by {clean(notice.ack.who)}: {_subject(notice)}", _HEADLINE)
    return clip(f"{notice.priority} {_subject(notice, said=True)}", _HEADLINE)


def text(notice: Notice, zone: str) -> str:
    """For a terminal, a mail, a short message: the headline, then the rest in lines."""
    return "\n".join([headline(notice), "", *_lines(notice, zone)]) + "\n"


def slack(notice: Notice, zone: str) -> Json:
    """A payload for chat.postMessage."""
    blocks = [header(f"{_mark(notice)} {headline(notice)}"), context(escape(_why(notice)), escape(_where(notice)))]
    blocks += [section(_block(alert, notice, zone)) for alert in notice.firing[:SLACK_SHOWN]]
    if rest := _rest(notice, SLACK_SHOWN):
        blocks.append(section(escape(rest)))
    if notice.over:
        told = [f"• {escape(_what(alert))}" for alert in notice.over[:SLACK_SHOWN]]
        more = [escape(f"and {count(notice.ended - SLACK_SHOWN)} more")] if notice.ended > SLACK_SHOWN else []
        blocks.append(section("\n".join(["*Over*", *told, *more])))
    foot = [code(command) for command in _commands(notice)]
    blocks += [context(*foot)] if foot else []
    return message(escape(f"{headline(notice)}. {_why(notice)}."), blocks)


def letter(notice: Notice, zone: str) -> bytes:
    """A mail without From, To, Date and Message-ID: the channel knows them. What belongs together threads together."""
    mail = EmailMessage(policy=policy.SMTP)
    mail["Subject"] = headline(notice)
    mail["References"] = f"<{notice.key}@opsbot.invalid>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail["X-Opsbot-Priority"] = notice.priority.value
    if notice.priority in _URGENT and notice.action is Action.TRIGGER:
        mail["Importance"] = "high"
    mail.set_content(text(notice, zone), cte="quoted-printable")
    return mail.as_bytes()


def facts(notice: Notice) -> dict[str, Any]:
    """The same for machines, `opsbot.notice/1`: what a webhook carries."""
    return {
        "schema": "opsbot.notice/1",
        "id": notice.id,
        "key": notice.key,
        "action": notice.action.value,
        "priority": notice.priority.value,
        "status": notice.status.value,
        "reason": clean(notice.reason),
        "headline": headline(notice),
        "at": utc(notice.at),
        "opened_at": utc(notice.opened_at) if notice.opened_at else None,
        "tenant": clean(notice.tenant),
        "group": {clean(name): clean(value) for name, value in notice.group},
        "storm": notice.storm,
        "fires": notice.fires,
        "over": notice.ended,
        "acknowledged_by": clean(notice.ack.who) if notice.ack else None,
        "firing": [alert_facts(alert) for alert in notice.firing],
        "resolved": [alert_facts(alert) for alert in notice.over],
        "counts": {clean(name): number for name, number in notice.counts},
    }


def alert_facts(alert: Alert) -> dict[str, Any]:
    """One alert for machines; names and sentences cleaned, numbers as they were judged."""
    finding = alert.finding
    return {
        "key": clean(alert.key),
        "state": alert.state.value,
        "status": alert.status.value,
        "environment": clean(finding.environment),
        "tenant": clean(alert.tenant),
        "tier": clean(alert.tier),
        "check": clean(finding.check),
        "resource": clean(finding.resource),
        "title": clean(finding.title),
        "area": clean(finding.area),
        "summary": clean(finding.summary),
        "value": finding.value,
        "unit": finding.unit.value,
        "rule": clean(finding.rule),
        "since": utc(alert.since),
        "fired_at": utc(alert.fired_at) if alert.fired_at else None,
        "changed_at": utc(alert.changed_at),
        "seen_at": utc(alert.seen_at),
        "episode": alert.episode,
        "flapping": alert.flapping,
        "muted": clean(alert.muted),
        "acknowledged_by": clean(alert.ack.who) if alert.ack else None,
        "runbook": finding.runbook,
        "owner": clean(finding.owner),
        "labels": {clean(name): clean(value) for name, value in finding.labels},
    }


def _lines(notice: Notice, zone: str) -> Iterator[str]:
    yield f"{_why(notice)}."
    yield f"{_where(notice)}; {moment(notice.at, zone)}."
    for alert in notice.firing[:SHOWN]:
        yield ""
        yield f"{MARKS[alert.status.verdict].glyph} {alert.status.value}  {_what(alert)}"
        yield from (f"  {line}" for line in _about(alert, notice, zone))
    if rest := _rest(notice, SHOWN):
        yield from ("", rest)
    if notice.over:
        yield from ("", "Over:")
        yield from (f"  {_what(alert)}" for alert in notice.over[:SHOWN])
        yield from [f"  and {count(notice.ended - SHOWN)} more"] if notice.ended > SHOWN else []
    commands = list(_commands(notice))
    yield from ("", *commands) if commands else ()


def _mark(notice: Notice) -> str:
    return MARKS[notice.status.verdict].slack


def _why(notice: Notice) -> str:
    return f"Why now: {clip(clean(notice.reason), _SENTENCE)}"


def _where(notice: Notice) -> str:
    """What the group shares: `tenant shop, environment shop-prod`."""
    told = [f"{name} {clip(clean(value), _NAME)}" for name, value in notice.group if value and name != "storm"]
    return ", ".join(told) or "all environments"


def _subject(notice: Notice, said: bool = False) -> str:
    if notice.storm:
        number = notice.fires or notice.ended
        return f"storm of {plural(number, 'alert')}{f' for {clean(notice.tenant)}' if notice.tenant else ''}"
    alerts = notice.firing or notice.over
    if not alerts:
        return _where(notice)
    number = notice.fires if notice.firing else notice.ended
    first = alerts[0]
    if number > 1:
        names = dict.fromkeys(clean(alert.finding.title or alert.finding.check) for alert in alerts)
        kinds = f": {', '.join(list(names)[:3])}" + (" and more" if len(names) > 3 else "")
        places = {alert.finding.environment for alert in alerts}
        place = (
            clip(clean(first.finding.environment), _NAME) if len(places) == 1 else plural(len(places), "environment")
        )
        return f"{place or 'opsbot'}: {plural(number, 'alert')}{kinds}"
    summary = clip(clean(first.finding.summary), _SENTENCE)
    return f"{_what(first)}{': ' + summary if said and summary else ''}"


def _what(alert: Alert) -> str:
    """`shop-prod: ECS CPU, backend`."""
    finding = alert.finding
    place = f"{clip(clean(finding.environment), _NAME)}: " if finding.environment else ""
    title = clip(clean(finding.title or finding.check), _NAME)
    return f"{place}{title}, {clip(clean(finding.resource), _NAME)}"


def _lasted(notice: Notice) -> str:
    return f", after {span(max(notice.at - notice.opened_at, timedelta(0)))}" if notice.opened_at else ""


def _about(alert: Alert, notice: Notice, zone: str) -> Iterator[str]:
    finding = alert.finding
    if finding.summary:
        yield clip(clean(finding.summary), _SENTENCE)
    if finding.means:
        yield clip(clean(finding.means), _SENTENCE)
    rule = f", rule {clip(clean(finding.rule), _NAME)}" if finding.rule else ""
    since, lasting = begun(alert.since, zone, notice.at, by_day=finding.by_day)
    yield f"since {since}, for {lasting}{rule}"
    told = [f"owner {clip(clean(finding.owner), _NAME)}"] if finding.owner else []
    told += [f"acknowledged by {clip(clean(alert.ack.who), _NAME)}"] if alert.ack else []
    told += ["flapping"] if alert.flapping else []
    if told:
        yield ", ".join(told)


def _block(alert: Alert, notice: Notice, zone: str) -> str:
    mark = MARKS[alert.status.verdict].slack
    fresh = "" if alert.key in notice.fresh or not notice.fresh else " (known)"
    lines = "\n".join(escape(line) for line in _about(alert, notice, zone))
    return f"{mark} *{escape(_what(alert))}*{fresh}\n{lines}"


def _rest(notice: Notice, shown: int) -> str:
    """What is not listed, as figures: `and 2,988 more; ECS CPU 1,500, RDS storage 1,500`."""
    left = notice.fires - min(shown, len(notice.firing))
    if left <= 0:
        return ""
    told = ", ".join(f"{clip(clean(name), _NAME)} {count(number)}" for name, number in notice.counts[:8])
    return f"and {count(left)} more; in all: {told}"


def _commands(notice: Notice) -> Iterator[str]:
    """What to type next, the safest first."""
    if notice.action is Action.RESOLVE or not notice.firing:
        return
    if (runbook := notice.firing[0].finding.runbook) is not None:
        yield f"opsbot runbook show {clip(clean(runbook), _NAME)}"
    if notice.action is Action.TRIGGER:
        yield (
            f"opsbot ack {_quoted(notice.firing[0].key)}"
            if notice.fires == 1
            else f"opsbot ack --group {notice.key[:19]}"
        )
    yield "opsbot alerts"


def _quoted(key: str) -> str:
    return shlex.quote(clip(clean(key), 200))
