"""Who sees to it that people hear of flips: it queues a run of the job that tells them, never two at once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from opsbot.daemon.duty import Duty
from opsbot.evaluate import slo
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.uptime import Flip
from opsbot.store.sql import SqlStore
from opsbot.timetable import run_id

log = logging.getLogger(__name__)

JOB = "uptime_probes"
# What goes down together is told together: one cause shows up within the pace of most probes' second look.
GROUP = 10.0
# A run that did not take the flips up is followed by another, ever later.
_AGAIN, _LONGEST = 60.0, 900.0
_SHOWN = 3


class Herald:
    """`queued` is called when there is a new run to take; `steady` gives monotonic seconds."""

    def __init__(
        self,
        duty: Duty,
        store: SqlStore,
        queued: Callable[[], None],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._duty, self._store, self._uptime = duty, store, store.uptime()
        self._queued, self._steady = queued, steady
        # At the start nobody knows what the last daemon left untold.
        self._since: float | None = steady()
        self._news = False
        self._run: Run | None = None
        self._pause = _AGAIN

    def look(self, *, news: bool) -> None:
        """Queue a run if flips wait long enough to be told. `news`: some came just now. Raises StoreError."""
        if news and not self._news:
            self._since, self._news = self._steady(), True
        if self._since is None or self._steady() - self._since < GROUP or self._at_work():
            return
        flips = self._uptime.untold()
        # A home may be without that job; then nobody is there to tell it.
        if not flips or self._duty.orders.timetable(JOB) is None:
            self._since, self._news, self._run, self._pause = None, False, None, _AGAIN
        elif not self._duty.draining and not self._failed(flips):
            self._queue(flips)

    def _at_work(self) -> bool:
        """Whether a run that will tell these flips waits or goes on."""
        mine = self._store.run(self._run.id) if self._run else None
        if mine is not None and not mine.state.ended:
            return True
        return any(run.state is RunState.QUEUED for run in self._store.runs(job=JOB, limit=5))

    def _failed(self, flips: Sequence[Flip]) -> bool:
        """Whether the last run has left flips that it knew; then the next one waits, longer each time."""
        if self._run is None or flips[0].at > self._run.queued_at:
            return False
        self._since = self._steady() + self._pause - GROUP
        self._pause = min(self._pause * 2, _LONGEST)
        self._run = None
        return True

    def _queue(self, flips: Sequence[Flip]) -> None:
        now = self._duty.now()
        run = Run(
            id=run_id(JOB, now), job=JOB, queued_at=now, at=now, state=RunState.QUEUED, cause=Cause.MANUAL,
            reason=reason(flips),
        )  # fmt: skip
        self._store.ledger().add(run)
        # What comes from here on is news for another run.
        self._run, self._news, self._since = run, False, self._steady()
        log.info("run queued", extra={"run": run.id, "job": JOB, "cause": run.reason})
        self._queued()


def reason(flips: Sequence[Flip]) -> str:
    """`api is down`, or the first few of many."""
    last = {flip.probe: flip for flip in flips}
    told = [f"{flip.probe} {slo.SAID.get(flip.reason, f'is {flip.after}')}" for flip in list(last.values())[:_SHOWN]]
    more = len(last) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")
