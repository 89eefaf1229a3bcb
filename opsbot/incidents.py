"""What people do with an incident, as pure steps: each gives what it becomes and the rows its timeline gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from opsbot.audit import Act
from opsbot.errors import IncidentError
from opsbot.model.actor import Actor
from opsbot.model.finding import Finding
from opsbot.model.incident import Entry, EntryKind, Incident, IncidentState, Role
from opsbot.model.status import Priority

Changed = tuple[Incident, tuple[Entry, ...]]
Step = Callable[[Incident], Changed]

REOPENED_WITHIN = timedelta(hours=24)


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
