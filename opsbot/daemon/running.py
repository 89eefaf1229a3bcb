"""Runs from the ledger to their end: claimed, started as children, kept under a lease, and tried again or given up."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from opsbot.daemon.duty import Duty
from opsbot.daemon.reaper import Reaper
from opsbot.executors.local import Ended
from opsbot.model.run import Attempt, Cause, Run, RunState
from opsbot.model.timetable import Timetable
from opsbot.ports import Ledger
from opsbot.timetable import retry_at, why_given_up

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
BEAT = 10.0
POLL = 0.5
INTERRUPTED = "interrupted: its daemon was stopped; it goes on elsewhere, or with the next daemon"
# A run whose job is gone from the home still ends by some rule.
_UNKNOWN = Timetable(job="", cron="", zone="UTC", timeout=timedelta(minutes=10), retries=0)


class Children(Protocol):
    """What starts the runs: `opsbot.executors.local.Supervisor`."""

    def start(self, run: Run, timeout: timedelta) -> None: ...

    def give_up(self, run: Run, state: RunState, why: str) -> None: ...

    def running(self) -> Mapping[str, int]: ...

    def renewed(self, lease: timedelta) -> None: ...

    def cancel(self, run_id: str, reason: str) -> bool: ...

    def ended(self, timeout: float = 0.0) -> Sequence[Ended]: ...

    def stop(self, grace: timedelta) -> Sequence[Ended]: ...


class Running:
    """The runs of this daemon. `dispatch`, `collect` and `beat` each belong to one loop."""

    def __init__(
        self,
        duty: Duty,
        ledger: Ledger,
        children: Children,
        lease: timedelta = LEASE,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._duty, self._ledger, self._children, self._lease = duty, ledger, children, lease
        self._reaper = Reaper(ledger, lease, steady)
        # Ends that the ledger could not be told yet, and runs of dead workers whose end is told from here.
        self._untold: list[Ended] = []
        self._orphans: set[str] = set()

    def dispatch(self) -> None:
        """Take runs that are due while there is room for them."""
        orders, worker = self._duty.orders, self._duty.worker.id
        while not self._duty.draining and len(self._children.running()) < orders.parallel:
            run = self._ledger.claim(worker, self._duty.now(), self._lease.total_seconds(), orders.overlaps)
            if run is None:
                return
            log.info("run started", extra=_named(run) | {"attempt": run.attempt, "cause": str(run.cause)})
            self._children.start(run, self._timetable(run).timeout)

    def collect(self, seconds: float) -> bool:
        """Note how children ended; waits so many seconds for the first. Whether any did."""
        self._untold += self._children.ended(0.0 if self._untold else seconds)
        found = bool(self._untold)
        while self._untold:
            # Forgotten only once the ledger knows: one that is out of reach is told with the next round.
            self._settle(self._untold[0])
            del self._untold[0]
        return found

    def beat(self) -> None:
        """Say that this daemon lives, end what it must not go on with, and take up what dead ones left behind."""
        worker = replace(self._duty.worker, beat=self._duty.now(), draining=self._duty.draining)
        held = {id: attempt for id, attempt in self._children.running().items() if id not in self._orphans}
        endings = self._ledger.beat(worker, held, self._lease.total_seconds())
        self._children.renewed(self._lease)
        for run_id, why in endings.items():
            log.warning("run is ended", extra={"run": run_id, "reason": why})
            self._children.cancel(run_id, why)
        if not self._duty.draining:
            self._reap()

    def stop(self, grace: timedelta) -> int:
        """End everything that still runs here and hand it back; how many runs."""
        held = len(self._children.running())
        self._untold += self._children.stop(grace)
        self.collect(0.0)
        return held

    def _reap(self) -> None:
        mine = self._children.running()
        for run in self._reaper.dead(self._duty.now()):
            if run.id not in mine:
                self._bury(run)

    def _bury(self, run: Run) -> None:
        """A run of which nobody knows how it ended."""
        now, why = self._duty.now(), f"lost: its worker {run.owner or 'is unknown and'} was not heard of any more"
        lost = replace(run, state=RunState.LOST, reason=why)
        attempt = Attempt(
            n=run.attempt, owner=run.owner, started_at=run.started_at or run.queued_at, ended_at=now, error=why
        )
        self._go_on(Ended(run=lost, attempt=attempt, state=RunState.LOST))

    def _settle(self, ended: Ended) -> None:
        self._orphans.discard(ended.run.id)
        if ended.state is None or ended.given_up:
            self._note(ended, None)
        elif ended.interrupted:
            # A failure that is none of the job's: whatever its retries, it has not had its turn.
            run = replace(ended.run, state=RunState.FAILED, reason=INTERRUPTED)
            self._note(replace(ended, run=run), self._duty.now())
        else:
            self._go_on(ended)

    def _go_on(self, ended: Ended) -> None:
        """What follows of an attempt that told nobody anything: another one, or people are told that there is none."""
        timetable, run, now = self._timetable(ended.run), ended.run, self._duty.now()
        again = retry_at(timetable, run, now)
        if again is None and run.state is not RunState.CANCELLED and run.cause is not Cause.MANUAL:
            why = why_given_up(timetable, run, now)
            self._give_up(run, "; ".join(filter(None, (run.reason, why))))
        else:
            self._note(ended, again)

    def _give_up(self, run: Run, why: str) -> None:
        log.error("run is given up", extra=_named(run) | {"state": str(run.state), "reason": why})
        if run.owner != self._duty.worker.id:
            self._orphans.add(run.id)
        self._children.give_up(run, run.state, why)

    def _note(self, ended: Ended, again: datetime | None) -> None:
        """Tell the ledger what the attempt used and, if it did not say so itself, how it ended."""
        run, attempt = ended.run, ended.attempt
        state = None if ended.state is None else run.state
        self._ledger.end(run, attempt, again)
        seconds = round((attempt.ended_at - attempt.started_at).total_seconds(), 1) if attempt.ended_at else 0.0
        used = {"seconds": seconds, "cpu_seconds": round(attempt.cpu_seconds, 2), "peak_mb": attempt.peak_rss >> 20}
        fields: dict[str, object] = _named(run) | {"attempt": attempt.n} | used
        if state is None:
            log.info("run ended", extra=fields | self._answer(run))
        else:
            log.warning(
                "run ended", extra=fields | {"state": str(state), "reason": run.reason, "again": _moment(again)}
            )

    def _answer(self, run: Run) -> dict[str, object]:
        """What the run itself committed, for the log."""
        found = next((last for last in self._ledger.last(run.job, 3) if last.id == run.id), None)
        return {"state": str(found.state), "verdict": found.verdict, "headline": found.headline} if found else {}

    def _timetable(self, run: Run) -> Timetable:
        return self._duty.orders.timetable(run.job) or replace(_UNKNOWN, job=run.job)


def _named(run: Run) -> dict[str, object]:
    return {"run": run.id, "job": run.job}


def _moment(moment: datetime | None) -> str:
    return str(moment or "no")
