"""Fires become rows: on time when the alarm rings, and again with every sweep, because an alarm can be slept through."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from opsbot.daemon.duty import Duty
from opsbot.errors import StoreError
from opsbot.model.run import Run, RunState
from opsbot.model.timetable import Clockwork, Timetable
from opsbot.ports import Ledger
from opsbot.timetable import Due, due

log = logging.getLogger(__name__)

SWEEP = 15.0
# A cursor that follows each sweep would cost a disk's sync every few seconds; one that lags costs a look at these minutes.
LAG = timedelta(minutes=5)
_RECENT = 5
Judge = Callable[[Timetable, Clockwork, datetime, Sequence[Run]], Due]


class Planner:
    """`queued` is called when there is a new run to take."""

    def __init__(self, duty: Duty, ledger: Ledger, queued: Callable[[], None], judge: Judge = due) -> None:
        self._duty, self._ledger, self._queued, self._judge = duty, ledger, queued, judge

    def sweep(self) -> None:
        """Look at every job. One that cannot be planned keeps no other from it; the first such error is raised at the end."""
        if not self._duty.draining:
            self._plan_all(follow=False)

    def settle(self) -> None:
        """The same, and every cursor moved to now: before other orders are taken over, and at the end."""
        self._plan_all(follow=True)

    def _plan_all(self, *, follow: bool) -> None:
        now, kept, failed = self._duty.now(), self._ledger.clockworks(), None
        for timetable in self._duty.orders.timetables:
            try:
                self._plan(timetable, kept.get(timetable.job) or Clockwork(job=timetable.job), now, follow)
            except StoreError:
                # The same would hold up each of the others.
                raise
            except Exception as error:  # noqa: BLE001  raised below: the loop that called tells it, after the other jobs had their turn
                failed = failed or error
        if failed:
            raise failed

    def _plan(self, timetable: Timetable, clockwork: Clockwork, now: datetime, follow: bool) -> None:
        found = self._judge(timetable, clockwork, now, ())
        if found.runs:
            found = self._judge(timetable, clockwork, now, self._ledger.last(timetable.job, _RECENT))
        if not (found.runs or follow or _lags(clockwork, found.clockwork)):
            return
        planned = self._ledger.plan(found.clockwork, found.runs)
        for run in planned:
            _tell(run, now)
        if any(run.state is RunState.QUEUED for run in planned):
            self._queued()


def _lags(kept: Clockwork, moved: Clockwork) -> bool:
    if kept.cursor is None or moved.cursor is None or kept.cron != moved.cron:
        return True
    return abs(moved.cursor - kept.cursor) > LAG


def _tell(run: Run, now: datetime) -> None:
    fields = {"run": run.id, "job": run.job, "scheduled_for": run.at.isoformat(timespec="seconds")}
    if run.state is RunState.SKIPPED:
        log.info("run skipped", extra=fields | {"reason": run.reason})
    else:
        late = round((now - run.at).total_seconds(), 1)
        log.info("run queued", extra=fields | {"cause": str(run.cause), "late_seconds": late})
