"""Which runs there are and who has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from opsbot.model.actor import Actor
from opsbot.model.run import Attempt, Run, RunState
from opsbot.model.timetable import Clockwork, Overlap, Worker


class Ledger(Protocol):
    """Which runs there are and who has them: the one truth for any number of daemons and task-queue workers.

    Every method is one transaction and raises StoreError.
    """

    def clockworks(self) -> Mapping[str, Clockwork]:
        """By job; jobs never planned are absent."""

    def plan(self, clockwork: Clockwork, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Insert these runs (QUEUED or SKIPPED, each with `scheduled_for`), those whose fire is a row already left out,
        and move the job's cursor on, never back. What was inserted."""

    def add(self, run: Run) -> None:
        """Queue a run by hand, for a daemon to take."""

    def claim(
        self,
        worker: str,
        now: datetime,
        lease_seconds: float,
        overlaps: Mapping[str, Overlap],
        *,
        run_id: str | None = None,
        attempt: int | None = None,
    ) -> Run | None:
        """The oldest due QUEUED run of the jobs in `overlaps`, now RUNNING at `attempt` + 1 and owned by `worker`.

        What a job's overlap rule does to runs that meet one at work is done here (`opsbot.timetable.overlapping`):
        skipped ones become rows with the reason, ones to be cancelled show up in `beat`. With `run_id` and `attempt`
        (the one to be made) only that very run, as a message of a task queue asks for it."""

    def beat(self, worker: Worker, runs: Mapping[str, int], lease_seconds: float) -> Mapping[str, str]:
        """Say that `worker` lives and holds these runs (id -> attempt); their leases are renewed. Those it must end, with
        the reason: taken by another, or cancelled."""

    def end(self, run: Run, attempt: Attempt, again: datetime | None = None) -> bool:
        """How an attempt ended: what the process group used, and for one that did not commit its own end, its state and
        reason. With `again` it is QUEUED for then. False, and nothing changed, if the run is held by another by now."""

    def expired(self, now: datetime) -> tuple[Run, ...]:
        """RUNNING runs whose lease ran out: their worker is dead or stands still."""

    def cancel(self, run_id: str, reason: str, now: datetime) -> RunState | None:
        """A queued one is CANCELLED at once; a running one is told at its worker's next beat. The state it had."""

    def pause(
        self, job: str, until: datetime | None, who: str, reason: str, now: datetime, actor: Actor | None = None
    ) -> None:
        """No fires of this job become runs before `until`; None resumes at once, and what passed is not replayed."""

    def attempts(self, run_id: str) -> tuple[Attempt, ...]: ...

    def last(self, job: str, limit: int) -> tuple[Run, ...]:
        """The newest ended runs of a job that were begun, newest first."""

    def workers(self, since: datetime) -> tuple[Worker, ...]:
        """Those that have been heard of since then."""

    def due(self, now: datetime) -> datetime | None:
        """When the next queued run may start: `now` or earlier if one waits already."""
