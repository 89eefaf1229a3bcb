"""Incidents, runbook runs and the audit log as they are kept; each change with its row of the log, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from opsbot.audit import Act, Head, Sealed
from opsbot.model.incident import Entry, Incident, IncidentState
from opsbot.model.message import Message
from opsbot.model.runbook import Approval, RunbookRun, RunState, StepState

Changed = tuple[Incident, tuple[Entry, ...]]


class Incidents(Protocol):
    """Every method is one transaction and raises StoreError."""

    def open(self, incident: Incident, entry: Entry, act: Act) -> tuple[Incident, bool]:
        """The incident with its number, and True; or the one that is active for its key, to which its alerts are added,
        and False."""

    def change(
        self, number: int, change: Callable[[Incident], Changed], act: Act, messages: Sequence[Message] = ()
    ) -> Incident:
        """What it was becomes what `change` makes of it, with rows of its timeline and messages that tell of it. Raises
        IncidentError for one that is not there; what `change` raises leaves everything as it was."""

    def incident(self, number: int) -> Incident | None: ...

    def incidents(
        self,
        *,
        states: Sequence[IncidentState] = (),
        tenant: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Incident, ...]:
        """Newest first; `since` by when they were opened."""

    def active(self, tenant: str, key: str) -> Incident | None: ...

    def to_look_at(self, now: datetime) -> tuple[Incident, ...]:
        """Those that are active and whose runbook is to look by itself by now."""

    def timeline(self, number: int) -> tuple[Entry, ...]:
        """In the order in which it happened."""


class Audit(Protocol):
    """The log of what people and opsbot did; raises StoreError."""

    def add(self, act: Act) -> Sealed: ...

    def rows(self, *, since: datetime | None = None) -> Iterator[Sealed]:
        """In their order, a part at a time."""

    def head(self) -> Head: ...


class Journal(Protocol):
    """Runbook runs. Every method is one transaction and raises StoreError, and RunbookError where it refuses."""

    def keep(self, run: RunbookRun, act: Act) -> RunbookRun:
        """A new run, with its number."""

    def run(self, number: int) -> RunbookRun | None: ...

    def runs(self, limit: int = 50) -> tuple[RunbookRun, ...]:
        """Newest first."""

    def approve(self, number: int, approval: Approval, act: Act) -> RunbookRun:
        """PLANNED becomes APPROVED, once."""

    def begin(
        self, number: int, targets: Sequence[str], now: datetime, lease: timedelta, most: int, per: timedelta, act: Act
    ) -> RunbookRun:
        """APPROVED becomes APPLYING, with every target locked; refused where another run has one of them, or where one
        was changed `most` times in `per` already."""

    def held(self, number: int, now: datetime) -> bool:
        """Whether whoever carries it out may still be at it."""

    def note(self, number: int, step: str, target: str, now: datetime, act: Act) -> None:
        """This change is about to be made. Refused if that was noted before: no change is made twice."""

    def settle(
        self, number: int, step: str, state: StepState, now: datetime, act: Act, *, request_id: str = "", why: str = ""
    ) -> None:
        """What came of it."""

    def changes(self, number: int) -> tuple[tuple[str, StepState, str], ...]:
        """Step, state and why of each change that was begun, in that order."""

    def end(self, number: int, state: RunState, why: str, now: datetime, act: Act) -> RunbookRun:
        """The run is over: its targets are free again."""
