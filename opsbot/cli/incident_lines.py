"""Incidents as lines for people, as Markdown for keeping, and as plain data for scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from opsbot.model.incident import Entry, Incident, IncidentState, times
from opsbot.model.runbook import RunbookRun, RunState
from opsbot.model.status import Priority
from opsbot.render.format import clean, clip, moment, span, utc
from opsbot.render.markdown import escape

_TIMES = ("detect", "tell", "acknowledge", "mitigate", "resolve")
NOT_TOLD = "not told"
_GAPS = re.compile(r"( +)")


def waits(incident: Incident) -> bool:
    """Whether somebody must come at once and nobody has said that they do."""
    return incident.state.active and incident.acked_at is None and incident.priority in (Priority.P0, Priority.P1)


def listed(found: Sequence[Incident], now: datetime) -> Iterator[str]:
    if not found:
        return
    yield f"{'ID':<8} {'PRIO':<4} {'STATE':<10} {'AGE':<12} {'WHO':<16} TITLE"
    for one in found:
        age = span((one.resolved_at or now) - one.opened_at)
        yield f"{one.id:<8} {one.priority:<4} {one.state:<10} {age:<12} {clip(_who(one.acked_by), 16):<16} {clip(clean(one.title), 80)}"


def _who(name: str) -> str:
    return clean(name.rsplit("/", 1)[-1]) or "nobody"


def _taken(incident: Incident) -> list[tuple[str, timedelta | None]]:
    measured = times(incident)
    return [(name, getattr(measured, name)) for name in _TIMES]


def _took(name: str, taken: timedelta | None, unknown: str) -> str:
    if taken is not None:
        return span(taken)
    # That nobody was told is known, and worth knowing.
    return NOT_TOLD if name == "tell" else unknown


def following(incident: Incident, run: RunbookRun | None, now: datetime) -> Iterator[str]:
    """The next safe command by where it stands; `run` is the newest run of a runbook for it."""
    for name, command in zip(("next:", "then:"), _following(incident, run, now), strict=False):
        yield f"{name} {command}"


def _following(incident: Incident, run: RunbookRun | None, now: datetime) -> Iterator[str]:
    if incident.state is IncidentState.RESOLVED:
        yield f"opsbot incident show {incident.id} --format markdown > {incident.id}.md"
    elif incident.state is IncidentState.MITIGATED:
        yield f'opsbot incident resolve {incident.id} --fix "what helped"'
    else:
        if incident.state is IncidentState.OPEN:
            yield f'opsbot incident ack {incident.id} "looking"'
        yield _at_hand(incident, run, now)


def _at_hand(incident: Incident, run: RunbookRun | None, now: datetime) -> str:
    """What waits for somebody goes before what could be begun."""
    state = run.state if run else None
    if run and state is RunState.PLANNED and now <= run.at + run.approve.expires:
        return f"opsbot runbook approve {run.id}   (by somebody else than {clean(run.actor.short)})"
    if run and state is RunState.APPROVED and run.approval and now <= run.approval.until:
        return f"opsbot runbook apply {run.id}"
    if run and state in (RunState.APPLYING, RunState.ROLLING_BACK, RunState.UNKNOWN):
        return f"opsbot runbook apply {run.id}   (looks what came of it; makes nothing twice)"
    if incident.runbook and state is not RunState.APPLIED:
        return f"opsbot runbook run {incident.runbook} --incident {incident.id}"
    return f'opsbot incident mitigate {incident.id} "what helped"'


def shown(incident: Incident, timeline: Sequence[Entry], zone: str) -> Iterator[str]:
    """Everything that is known, for a terminal."""
    yield f"{incident.id}  {incident.priority}  {incident.state}  {clean(incident.title)}"
    yield ""
    rows = [
        ("where", " ".join(filter(None, (incident.environment, incident.tenant and f"({incident.tenant})")))),
        ("opened", f"{moment(incident.opened_at, zone)} by {_who(incident.opened_by)}"),
        ("has it", _who(incident.acked_by)),
        ("fix", clean(incident.fix)),
        ("review", clean(incident.review_owner)),
        *((role, clean(who)) for role, who in incident.roles),
        *(("alert", clean(key)) for key in incident.alerts),
    ]
    yield from (f"  {name:<12} {value}" for name, value in rows if value)
    yield ""
    taken = ((name, _took(name, length, "-")) for name, length in _taken(incident))
    yield "  " + "   ".join(said if said == NOT_TOLD else f"{name} {said}" for name, said in taken)
    yield ""
    for entry in timeline:
        yield f"  {moment(entry.at, zone)}  {_late(entry)}{clip(_who(entry.actor.name), 20)}: {clean(entry.text)}"
        yield from (f"      {clean_keeping(line)}" for line in entry.lines)


def clean_keeping(line: str) -> str:
    """Cleaned, with its columns."""
    return "".join(part if part.isspace() else clean(part) for part in _GAPS.split(line)).rstrip()


def _late(entry: Entry) -> str:
    """What was written down much later than it happened says so."""
    late = entry.recorded_at - entry.at
    return f"(written {span(late)} later) " if late > timedelta(minutes=2) else ""


def markdown(incident: Incident, timeline: Sequence[Entry]) -> Iterator[str]:
    """The record to keep. Times are UTC; nothing in it can be taken for markup."""
    yield f"# {incident.id}: {_plain(incident.title)}"
    yield ""
    yield f"{incident.priority}, {incident.state}" + (
        f", {_plain(incident.environment)}" if incident.environment else ""
    )
    opened = f"{incident.opened_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    yield ""
    yield f"Opened {opened} by {_plain(_who(incident.opened_by))}; all times are UTC."
    yield ""
    yield "| Time to | |"
    yield "|---|---|"
    yield from (f"| {name} | {_took(name, taken, 'not yet, or not known')} |" for name, taken in _taken(incident))
    for title, lines in (
        ("Alerts", [_plain(key) for key in incident.alerts]),
        ("Roles", [f"{role}: {_plain(who)}" for role, who in incident.roles]),
        ("Fix", [_plain(incident.fix)] if incident.fix else []),
    ):
        if lines:
            yield from ("", f"## {title}", "", *(f"- {line}" for line in lines))
    yield from ("", "## Timeline", "")
    for entry in timeline:
        yield f"- **{entry.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}** {_late(entry)}{_plain(_who(entry.actor.name))}: {_plain(entry.text)}"
        if entry.lines:
            # Indented code: nothing in it can end it.
            yield from ("", *(f"      {clean_keeping(line)}" for line in entry.lines), "")


def _plain(text: str) -> str:
    return escape(clean(text))


def as_json(incident: Incident, timeline: Sequence[Entry] | None = None) -> dict[str, Any]:
    """`opsbot.incident/1`, or a row of `opsbot.incidents/1`."""
    told: dict[str, Any] = {
        "id": incident.id, "title": incident.title, "priority": incident.priority.value, "state": incident.state.value,
        "environment": incident.environment or None, "tenant": incident.tenant or None, "alerts": list(incident.alerts),
        "roles": dict(incident.roles), "runbook": incident.runbook or None, "revision": incident.revision,
        "opened_by": incident.opened_by, "acked_by": incident.acked_by or None, "fix": incident.fix or None,
        "times": {f"{name}_seconds": taken.total_seconds() if taken is not None else None for name, taken in _taken(incident)},
    }  # fmt: skip
    for name in ("began_at", "detected_at", "opened_at", "told_at", "acked_at", "mitigated_at", "resolved_at"):
        at = getattr(incident, name)
        told[name] = utc(at) if at else None
    if timeline is None:
        return told
    return {"schema": "opsbot.incident/1", **told, "timeline": [_entry(entry) for entry in timeline]}


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "at": utc(entry.at), "recorded_at": utc(entry.recorded_at), "kind": entry.kind.value,
        "actor": entry.actor.name, "via": entry.actor.via, "text": entry.text, "lines": list(entry.lines),
    }  # fmt: skip
