"""Incidents, runbook runs and the audit log as they are kept; each change with its row of the log, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from opsbot.audit import Act, Head, Sealed
from opsbot.model.incident import Entry, Incident, IncidentState
from opsbot.model.message import Message
from opsbot.model.runbook import Answer, Approval, Begun, RunbookRun, RunState, StepState

Changed = tuple[Incident, tuple[Entry, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tidings:
    """What the people of an incident are told, in the transaction of what it tells of: rows of its timeline, and messages."""

    incident: int
    change: Callable[[Incident], Changed]
    act: Act
    messages: Sequence[Message] = ()


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
    """Runbook runs. Every method is one transaction and raises StoreError, and RunbookError where it refuses.

    Whoever carries a run out holds it until a moment, and says that moment whenever it goes on: it is refused as soon as
    somebody else has taken the run over, however long it stood still."""

    def keep(self, run: RunbookRun, act: Act) -> RunbookRun:
        """A new run, with its number."""

    def run(self, number: int) -> RunbookRun | None: ...

    def runs(self, limit: int = 50) -> tuple[RunbookRun, ...]:
        """Newest first."""

    def approve(self, number: int, approval: Approval, act: Act, tidings: Tidings | None = None) -> RunbookRun:
        """PLANNED becomes APPROVED, once."""

    def begin(
        self, number: int, targets: Sequence[str], now: datetime, lease: timedelta, most: int, per: timedelta, act: Act
    ) -> RunbookRun:
        """APPROVED becomes APPLYING, with every target locked; refused where another run has one of them, or where one
        was changed `most` times in `per` already."""

    def take_back(self, number: int, targets: Sequence[str], now: datetime, lease: timedelta, act: Act) -> RunbookRun:
        """A run that is over becomes ROLLING_BACK, with these targets locked; refused where another run has one."""

    def take_over(self, number: int, now: datetime, lease: timedelta) -> RunbookRun:
        """Hold a run that ended in the middle, to look what came of it; refused while somebody else holds it."""

    def renew(self, number: int, held: datetime, until: datetime) -> None:
        """Hold it longer than until `held`; refused if somebody has taken it over."""

    def let_go(self, number: int, held: datetime, now: datetime) -> None:
        """Whoever held it until `held` is not at it any more; nothing happens if it is over."""

    def held_until(self, number: int, now: datetime) -> datetime | None:
        """Until when whoever carries it out may still be at it; None if nobody is."""

    def note(
        self, number: int, held: datetime, step: str, target: str, now: datetime, act: Act, *,
        before: Answer | None = None, back_at: datetime | None = None, again: bool = False,
    ) -> None:  # fmt: skip
        """This change is about to be made. Refused if that was noted before: no change is made twice. `again`: unless it is
        known that it was not made."""

    def settle(
        self, number: int, step: str, state: StepState, now: datetime, act: Act, *, request_id: str = "", why: str = ""
    ) -> None:
        """What came of it."""

    def changes(self, number: int) -> tuple[Begun, ...]:
        """Each change that was begun, in that order."""

    def end(
        self, number: int, state: RunState, why: str, now: datetime, act: Act, *,
        held: datetime | None = None, tidings: Tidings | None = None,
    ) -> RunbookRun:  # fmt: skip
        """The run is over: its targets are free again. Refused if it was `held` and somebody has taken it over."""

    def stranded(self, since: datetime) -> tuple[RunbookRun, ...]:
        """Runs that ended in the middle: nobody is at them since then."""

    def due(self, now: datetime) -> tuple[tuple[RunbookRun, Begun], ...]:
        """Changes that are to be taken back by now, of runs at which nobody is."""

    def last_changed(self, target: str) -> int | None:
        """The run that changed it last, as far as is known."""

    def put_off(self, number: int, step: str, until: datetime | None) -> None:
        """It is taken back by itself then; None is not any more."""
