"""An incident: what people work on together, with its timeline and the times that are measured afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from opsbot.model.actor import Actor
from opsbot.model.status import Priority

_ID = re.compile(r"(?:INC-)?([1-9][0-9]{0,8})", re.IGNORECASE)


OPSBOT = "opsbot"
"""Who opens what nobody opened by hand."""


class IncidentState(StrEnum):
    """OPEN until somebody has it, MITIGATED when users are well again, RESOLVED when it is over."""

    OPEN = "open"
    ACKED = "acked"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"

    @property
    def active(self) -> bool:
        return self is not IncidentState.RESOLVED


ACTIVE = tuple(state for state in IncidentState if state.active)


class Role(StrEnum):
    """Who does what in an incident; each is held by one person at a time."""

    COMMANDER = "commander"
    SCRIBE = "scribe"
    LIAISON = "liaison"


class EntryKind(StrEnum):
    """What a row of the timeline tells of."""

    OPENED = "opened"
    ALERT = "alert"
    TOLD = "told"
    ACKED = "acked"
    NOTE = "note"
    ROLE = "role"
    PRIORITY = "priority"
    RUNBOOK = "runbook"
    CHANGE = "change"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    REOPENED = "reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a timeline; never changed: a correction is another row.

    `at` is when it happened, `recorded_at` when it was written down. `lines` is what belongs under the sentence, such
    as a runbook's output.
    """

    at: datetime
    recorded_at: datetime
    kind: EntryKind
    actor: Actor
    text: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """`key` tells which trouble it is: of one key at most one incident is active. `alerts` are finding keys.

    `began_at` is the first breach the samples show, `detected_at` when opsbot or a person saw it, `told_at` when the
    first message arrived. `revision` counts changes: a click on an old message is recognised by it. `look_at` is when its
    runbook is to look by itself; None is never, or that it has.
    """

    number: int
    title: str
    priority: Priority
    state: IncidentState
    key: str
    opened_at: datetime
    detected_at: datetime
    opened_by: str
    environment: str = ""
    tenant: str = ""
    runbook: str = ""
    alerts: tuple[str, ...] = ()
    roles: tuple[tuple[str, str], ...] = ()
    began_at: datetime | None = None
    told_at: datetime | None = None
    acked_at: datetime | None = None
    acked_by: str = ""
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    resolved_by: str = ""
    fix: str = ""
    review_owner: str = ""
    revision: int = 1
    look_at: datetime | None = None

    @property
    def id(self) -> str:
        return f"INC-{self.number}"

    @property
    def by_hand(self) -> bool:
        """Whether a person opened it, and no route."""
        return self.opened_by != OPSBOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long each took: to detect from the first breach, to tell, acknowledge, mitigate and resolve from detection. Of
    one that a person opened, to tell is counted from its opening: before that there was nothing to tell.

    None is not yet, or not known."""

    detect: timedelta | None
    tell: timedelta | None
    acknowledge: timedelta | None
    mitigate: timedelta | None
    resolve: timedelta | None


def times(incident: Incident) -> Times:
    """What reports and post-mortems measure an incident by."""
    seen = incident.detected_at
    return Times(
        detect=_between(incident.began_at, seen),
        tell=_between(incident.opened_at if incident.by_hand else seen, incident.told_at),
        acknowledge=_between(seen, incident.acked_at),
        mitigate=_between(seen, incident.mitigated_at),
        resolve=_between(seen, incident.resolved_at),
    )


def _between(start: datetime | None, end: datetime | None) -> timedelta | None:
    """Never below zero: what was noted by hand may lie before what a machine saw."""
    return None if start is None or end is None else max(end - start, timedelta(0))


def number_of(text: str) -> int | None:
    """`INC-12`, `inc-12` and `12` are the twelfth; None for anything else."""
    found = _ID.fullmatch(text.strip())
    return int(found[1]) if found else None
