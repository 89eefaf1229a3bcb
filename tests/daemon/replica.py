"""One daemon of several, as a process: the real loops over a real ledger, jobs due each second, and runs that do nothing.

python -m tests.daemon.replica URL NAME FOLDER JOBS LEASE_SECONDS SECONDS
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.daemon.duty import Duty
from opsbot.daemon.orders import Orders
from opsbot.daemon.planner import Planner
from opsbot.daemon.pulse import Loop, Pulse
from opsbot.daemon.running import POLL, Running
from opsbot.errors import Fenced
from opsbot.executors.local import Ended
from opsbot.model.run import Attempt, Cause, Run, RunState
from opsbot.model.timetable import Clockwork, Overlap, Timetable, Worker
from opsbot.store import open_store
from opsbot.store.sql import SqlStore
from opsbot.timetable import Due, run_id

SECOND = timedelta(seconds=1)
BEAT = 0.4
WORK = 0.02


def now() -> datetime:
    return datetime.now(UTC)


def jobs(count: int) -> tuple[Timetable, ...]:
    """Each may be tried three times, at once; their runs may meet."""
    told = {"cron": "* * * * *", "zone": "UTC", "timeout": timedelta(minutes=1), "overlap": Overlap.ALLOW}
    return tuple(Timetable(job=f"job{n}", retries=5, retry_after=SECOND / 100, **told) for n in range(count))  # type: ignore[arg-type]


def each_second(timetable: Timetable, clockwork: Clockwork, at: datetime, last: Sequence[Run]) -> Due:
    """As `opsbot.timetable.due`, for a job that is due at every whole second."""
    moved = replace(clockwork, cursor=at, cron=timetable.cron)
    if clockwork.cursor is None:
        return Due(runs=(), clockwork=moved)
    fire, runs = clockwork.cursor.replace(microsecond=0) + SECOND, []
    while fire <= at:
        runs.append(Run(id=run_id(timetable.job, fire), job=timetable.job, queued_at=at, at=fire, scheduled_for=fire,
                        state=RunState.QUEUED, cause=Cause.SCHEDULE, attempt=0))  # fmt: skip
        fire += SECOND
    return Due(runs=tuple(runs), clockwork=moved)


class Instant:
    """Children that have done their work before `start` returns. Each writes down that it began and that it committed."""

    def __init__(self, store: SqlStore, name: str, folder: Path) -> None:
        self._store, self._name, self._over = store, name, list[Ended]()
        self._book = os.open(folder / "book", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def start(self, run: Run, timeout: timedelta) -> None:
        self._note("began", run)
        threading.Event().wait(WORK)
        ended = replace(run, state=RunState.SUCCEEDED, finished_at=now())
        try:
            self._store.commit(ended, (), (), ())
        except Fenced:
            self._note("fenced", run)
        else:
            self._note("committed", run)
        attempt = Attempt(n=run.attempt, owner=run.owner, started_at=run.started_at or run.queued_at, ended_at=now())
        self._over.append(Ended(run=ended, attempt=attempt, state=None))

    def _note(self, what: str, run: Run) -> None:
        os.write(self._book, f"{what} {run.id} {run.attempt} {self._name} {time.time():.3f}\n".encode())

    def give_up(self, run: Run, state: RunState, why: str) -> None:
        self._note("gave-up", run)

    def running(self) -> Mapping[str, int]:
        return {}

    def renewed(self, lease: timedelta) -> None:
        return

    def cancel(self, run_id: str, reason: str) -> bool:
        return False

    def ended(self, timeout: float = 0.0) -> Sequence[Ended]:
        over, self._over = self._over, []
        if not over:
            threading.Event().wait(timeout)
        return over

    def stop(self, grace: timedelta) -> Sequence[Ended]:
        return self.ended()


def ring(sweep: Callable[[], None]) -> None:
    """As the alarm does: at every whole second."""
    threading.Event().wait(1.0 - time.time() % 1.0)
    sweep()


def main(url: str, name: str, folder: str, count: str, lease: str, seconds: str) -> None:
    store = open_store(url)
    worker = Worker(id=name, host="box", pid=os.getpid(), version="1", started_at=now(), beat=now())
    duty = Duty(worker=worker, orders=Orders(timetables=jobs(int(count)), parallel=4), copy=Path(), now=now)
    pulse, loops = Pulse(), dict[str, Loop]()
    running = Running(duty, store.ledger(), Instant(store, name, Path(folder)), SECOND * float(lease))
    planner = Planner(duty, store.ledger(), lambda: loops["dispatch"].wake(), each_second)
    told = lambda loop, error: print(f"{name} {loop}: {error}", file=sys.stderr, flush=True)  # noqa: E731
    work = {"dispatch": (POLL, running.dispatch), "beat": (BEAT, running.beat)}
    loops |= {key: Loop(key, period, do, pulse, told) for key, (period, do) in work.items()}
    loops["sweep"] = Loop("sweep", 1.0, lambda: ring(planner.sweep), pulse, told, waits=False)
    loops["collect"] = Loop("collect", 0.2, lambda: running.collect(0.2), pulse, told, waits=False)
    running.beat()
    planner.sweep()
    for loop in loops.values():
        loop.start()
    (Path(folder) / name).touch()
    threading.Event().wait(float(seconds))
    duty.drain()
    for loop in loops.values():
        loop.stop()
        loop.join(5)
    running.stop(SECOND)
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
