"""What people do with an incident, as pure steps: each gives what it becomes and the rows its timeline gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.alerting import Call
from opsbot.audit import Act
from opsbot.errors import IncidentError
from opsbot.model.actor import Actor
from opsbot.model.alert import Alert, Change, ChangeKind
from opsbot.model.finding import Finding
from opsbot.model.incident import OPSBOT as BY_ITSELF
from opsbot.model.incident import Entry, EntryKind, Incident, IncidentState, Role
from opsbot.model.status import Priority

Changed = tuple[Incident, tuple[Entry, ...]]
Step = Callable[[Incident], Changed]

REOPENED_WITHIN = timedelta(hours=24)
LOOKS_AGAIN = timedelta(minutes=10)
OPSBOT = Actor(login=BY_ITSELF, via="daemon")
"""Who does what nobody typed."""
_LISTED = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class By:
    """Who does it, and when: `at` is when it happened, `now` when it is written down."""

    actor: Actor
    now: datetime
    at: datetime | None = None

    def entry(self, kind: EntryKind, text: str, lines: Sequence[str] = ()) -> Entry:
        when = self.at or self.now
        return Entry(at=when, recorded_at=self.now, kind=kind, actor=self.actor, text=text, lines=tuple(lines))

    def act(self, what: str, **detail: str) -> Act:
        told = tuple(sorted((name, value) for name, value in detail.items() if value))
        return Act(at=self.now, actor=self.actor, what=f"incident.{what}", about="", detail=told)


def opened(
    by: By, title: str, priority: Priority, *, environment: str = "", tenant: str = "", findings: Sequence[Finding] = ()
) -> tuple[Incident, Entry, Act]:
    """A new incident, by hand or of these findings: what `Incidents.open` takes. Its key is the first finding's, so that
    the same trouble is not opened twice."""
    first = findings[0] if findings else None
    began = min((one.since for one in findings if one.since), default=None)
    detected = min((one.at for one in findings), default=by.now)
    where = environment or (first.environment if first else "")
    incident = Incident(
        number=0,
        title=title,
        priority=priority,
        state=IncidentState.OPEN,
        key=first.key if first else f"by hand/{where}/{title}",
        environment=where,
        tenant=tenant or (first.label("tenant") if first else ""),
        runbook=(first.runbook or "") if first else "",
        alerts=tuple(one.key for one in findings),
        opened_at=by.now,
        opened_by=by.actor.name,
        began_at=began,
        detected_at=min(detected, by.now),
    )
    lines = [f"{one.key}: {one.summary}" for one in findings]
    entry = by.entry(EntryKind.OPENED, f"opened as {priority}: {title}", lines)
    return incident, entry, replace(by.act("open", title=title, priority=priority.value), environment=where)


def of_call(call: Call, now: datetime) -> tuple[Incident, Entry, Act]:
    """A new incident as a route calls for it."""
    by = By(actor=OPSBOT, now=now)
    title, first = _title(call), call.alerts[0]
    incident, _, act = opened(
        by, title, call.priority, tenant=call.tenant, findings=[alert.finding for alert in call.alerts]
    )
    began = min(alert.since for alert in call.alerts)
    seen = min(alert.fired_at or now for alert in call.alerts)
    runbook = next((alert.finding.runbook for alert in call.alerts if alert.finding.runbook), "")
    places = {alert.finding.environment for alert in call.alerts}
    incident = replace(
        incident, key=call.key, runbook=runbook, began_at=min(began, seen), detected_at=min(seen, now),
        look_at=now if call.diagnose and runbook else None, environment=first.finding.environment if len(places) == 1 else "",
    )  # fmt: skip
    said = f"opened as {call.priority} by the route {call.route}: {title}"
    act = replace(act, detail=tuple(sorted((*act.detail, ("route", call.route)))), environment=incident.environment)
    return incident, by.entry(EntryKind.OPENED, said, _lines(call.alerts)), act


def joined(incident: Incident, call: Call, now: datetime) -> Changed:
    """More alerts of the same trouble, or one that fires again. What is more urgent makes the incident so, and what was
    well is not any more."""
    by = By(actor=OPSBOT, now=now)
    known = set(incident.alerts)
    new = tuple(alert.key for alert in call.alerts if alert.key not in known)
    number = len(call.alerts)
    said = f"{number} alert{'s' if number > 1 else ''} more" if new else "it fires again"
    entries = [by.entry(EntryKind.ALERT, said, _lines(call.alerts))]
    changed = replace(incident, alerts=(*incident.alerts, *new))
    if call.priority < incident.priority:
        entries.append(by.entry(EntryKind.PRIORITY, f"{incident.priority} became {call.priority}"))
        changed = replace(changed, priority=call.priority)
    if incident.state is IncidentState.MITIGATED:
        state = IncidentState.ACKED if incident.acked_at else IncidentState.OPEN
        changed = replace(changed, state=state, mitigated_at=None)
    return changed, tuple(entries)


def moved_on(incident: Incident, changes: Sequence[tuple[Alert, Change]], fires: bool, now: datetime) -> Changed:
    """What became of its alerts. When the last one is over users are well; people say when the incident is."""
    by = By(actor=OPSBOT, now=now)
    told = [(alert, change) for alert, change in changes if change.kind is not ChangeKind.FIRED]
    entries = [by.entry(EntryKind.ALERT, said, lines) for said, lines in _told(told)]
    if fires or incident.state is IncidentState.MITIGATED or not any(c.kind is ChangeKind.RESOLVED for _, c in told):
        return incident, tuple(entries)
    entries.append(
        by.entry(EntryKind.MITIGATED, f"all its alerts are over; to end it: opsbot incident resolve {incident.id}")
    )
    return replace(incident, state=IncidentState.MITIGATED, mitigated_at=incident.mitigated_at or now), tuple(entries)


def _told(changes: Sequence[tuple[Alert, Change]]) -> Iterator[tuple[str, list[str]]]:
    if len(changes) == 1:
        alert, change = changes[0]
        yield f"{alert.key}: {change.reason}", []
        return
    for kind in dict.fromkeys(change.kind for _, change in changes):
        mine = [(alert, change) for alert, change in changes if change.kind is kind]
        yield f"{len(mine)} alerts {kind}", _cut([f"{alert.key}: {change.reason}" for alert, change in mine])


def _title(call: Call) -> str:
    first, number = call.alerts[0].finding, len(call.alerts)
    if call.storm:
        return f"storm of {number} alerts" + (f" for {call.tenant}" if call.tenant else "")
    name = first.title or first.check
    place = f"{first.environment}: " if first.environment else ""
    return f"{place}{name}, {first.resource}" + (f" and {number - 1} more" if number > 1 else "")


def _lines(alerts: Sequence[Alert]) -> list[str]:
    return _cut([f"{alert.status.value} {alert.key}: {alert.finding.summary}" for alert in alerts])


def _cut(lines: list[str]) -> list[str]:
    return lines if len(lines) <= _LISTED else [*lines[:_LISTED], f"and {len(lines) - _LISTED} more"]


def acked(by: By, text: str = "") -> Step:
    """Somebody has it. A second acknowledgement changes who, not when it was first acknowledged."""

    def step(incident: Incident) -> Changed:
        _not_over(incident, "acknowledged")
        state = IncidentState.ACKED if incident.state is IncidentState.OPEN else incident.state
        changed = replace(incident, state=state, acked_at=incident.acked_at or by.at or by.now, acked_by=by.actor.name)
        return changed, (by.entry(EntryKind.ACKED, _with("acknowledged", text)),)

    return step


def noted(by: By, text: str, kind: EntryKind = EntryKind.NOTE, lines: Sequence[str] = ()) -> Step:
    """One more row of the timeline; a resolved incident takes them too."""

    def step(incident: Incident) -> Changed:
        return incident, (by.entry(kind, text, lines),)

    return step


def looking(by: By) -> Step:
    """Its runbook is about to look by itself; whoever dies over it is followed by another, within half an hour."""

    def step(incident: Incident) -> Changed:
        if incident.look_at is None or incident.look_at > by.now:
            raise IncidentError(f"{incident.id}: its runbook looks already, or has looked")
        again = by.now + LOOKS_AGAIN
        late = again >= incident.opened_at + 3 * LOOKS_AGAIN
        return replace(incident, look_at=None if late else again), ()

    return step


def looked(by: By, trouble: str = "") -> Step:
    """It has, and its run tells what it saw; or it could not, and here is why."""

    def step(incident: Incident) -> Changed:
        return replace(incident, look_at=None), (by.entry(EntryKind.RUNBOOK, trouble),) if trouble else ()

    return step


def told(by: By, channel: str) -> Step:
    """A message about it arrived; the first one is what "time to tell" ends with."""

    def step(incident: Incident) -> Changed:
        first = incident.told_at or by.at or by.now
        return replace(incident, told_at=first), (by.entry(EntryKind.TOLD, f"told {channel}"),)

    return step


def mitigated(by: By, text: str = "") -> Step:
    """Users are well again; the cause may still be there."""

    def step(incident: Incident) -> Changed:
        _not_over(incident, "mitigated")
        at = incident.mitigated_at or by.at or by.now
        changed = replace(incident, state=IncidentState.MITIGATED, mitigated_at=at)
        return changed, (by.entry(EntryKind.MITIGATED, _with("mitigated", text)),)

    return step


def resolved(by: By, fix: str = "", review_owner: str = "") -> Step:
    """It is over. `review_owner` is who writes what was learnt."""

    def step(incident: Incident) -> Changed:
        _not_over(incident, "resolved")
        at = by.at or by.now
        changed = replace(
            incident, state=IncidentState.RESOLVED, resolved_at=at, resolved_by=by.actor.name, fix=fix,
            mitigated_at=incident.mitigated_at or at, review_owner=review_owner,
        )  # fmt: skip
        return changed, (by.entry(EntryKind.RESOLVED, _with("resolved", fix)),)

    return step


def reopened(by: By, text: str = "") -> Step:
    """It was not over after all; within a day it is the same incident, later it is another one."""

    def step(incident: Incident) -> Changed:
        if incident.state is not IncidentState.RESOLVED or incident.resolved_at is None:
            raise IncidentError(f"{incident.id} is {incident.state}, not resolved")
        if by.now - incident.resolved_at > REOPENED_WITHIN:
            raise IncidentError(
                f"{incident.id} was resolved more than a day ago", hint="open a new one: opsbot incident open"
            )
        changed = replace(
            incident, state=IncidentState.ACKED if incident.acked_at else IncidentState.OPEN, resolved_at=None,
            resolved_by="", mitigated_at=None,
        )  # fmt: skip
        return changed, (by.entry(EntryKind.REOPENED, _with("reopened", text)),)

    return step


def assigned(by: By, role: Role, who: str) -> Step:
    """A role goes to somebody; whoever had it has it no more."""

    def step(incident: Incident) -> Changed:
        roles = dict(incident.roles) | {role.value: who}
        return replace(incident, roles=tuple(sorted(roles.items()))), (by.entry(EntryKind.ROLE, f"{role} is {who}"),)

    return step


def raised(by: By, priority: Priority, text: str = "") -> Step:
    """Another priority, up or down."""

    def step(incident: Incident) -> Changed:
        if incident.priority is priority:
            raise IncidentError(f"{incident.id} is {priority} already")
        said = _with(f"{incident.priority} became {priority}", text)
        return replace(incident, priority=priority), (by.entry(EntryKind.PRIORITY, said),)

    return step


def as_of(revision: int, step: Step) -> Step:
    """The same, unless the incident has moved on since somebody saw it: a click on an old message does nothing."""

    def guarded(incident: Incident) -> Changed:
        if incident.revision != revision:
            raise IncidentError(
                f"{incident.id} has changed since this message was written", hint="look at it again first"
            )
        return step(incident)

    return guarded


def _not_over(incident: Incident, what: str) -> None:
    if not incident.state.active:
        raise IncidentError(
            f"{incident.id} is resolved and cannot be {what}", hint=f"opsbot incident reopen {incident.id}"
        )


def _with(said: str, text: str) -> str:
    return f"{said}: {text}" if text else said
