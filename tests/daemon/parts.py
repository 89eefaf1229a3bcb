"""What the daemon's tests share: a clock that is set by hand, a duty with one job, and children that end when told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.daemon.duty import Duty
from opsbot.daemon.orders import Orders
from opsbot.executors.local import Ended
from opsbot.model.run import Attempt, Run, RunState
from opsbot.model.timetable import Timetable, Worker

START = datetime(2026, 11, 20, 7, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@dataclass
class Clock:
    """Both of them: the wall clock as `now`, the monotonic one as `steady`."""

    moment: datetime = START
    steady_seconds: float = 1000.0

    def now(self) -> datetime:
        return self.moment

    def steady(self) -> float:
        return self.steady_seconds

    def pass_(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)
        self.steady_seconds += seconds


def timetable(job: str = "health", cron: str = "0 7 * * *", **changes: object) -> Timetable:
    told: dict[str, object] = {"zone": "UTC", "timeout": timedelta(minutes=10)}
    return Timetable(job=job, cron=cron, **told | changes)  # type: ignore[arg-type]


def worker(id: str = "a", at: datetime = START) -> Worker:
    return Worker(id=id, host="box", pid=7, version="1.0", started_at=at, beat=at)


def duty(clock: Clock, *timetables: Timetable, id: str = "a", **orders: object) -> Duty:
    told = Orders(timetables=timetables or (timetable(),), **orders)  # type: ignore[arg-type]
    return Duty(worker=worker(id, clock.moment), orders=told, copy=Path("copy"), now=clock.now)


@dataclass
class Children:
    """Runs that last until the test ends them."""

    at_work: dict[str, Run] = field(default_factory=dict)
    over: list[Ended] = field(default_factory=list)
    given_up: list[tuple[Run, RunState, str]] = field(default_factory=list)
    cancelled: list[tuple[str, str]] = field(default_factory=list)
    leases: list[timedelta] = field(default_factory=list)

    def start(self, run: Run, timeout: timedelta) -> None:
        self.at_work[run.id] = run

    def give_up(self, run: Run, state: RunState, why: str) -> None:
        self.given_up.append((run, state, why))
        self.at_work[run.id] = run

    def running(self) -> Mapping[str, int]:
        return {id: run.attempt for id, run in self.at_work.items()}

    def renewed(self, lease: timedelta) -> None:
        self.leases.append(lease)

    def cancel(self, run_id: str, reason: str) -> bool:
        self.cancelled.append((run_id, reason))
        return run_id in self.at_work

    def ended(self, timeout: float = 0.0) -> Sequence[Ended]:
        over, self.over = self.over, []
        return over

    def stop(self, grace: timedelta) -> Sequence[Ended]:
        for id in tuple(self.at_work):
            self.end(id, RunState.FAILED, interrupted=True)
        return self.ended()

    def end(self, id: str, state: RunState | None, reason: str = "", **more: object) -> None:
        """The run's process has ended; `state` None: it committed its end itself."""
        run = self.at_work.pop(id)
        began = run.started_at or run.queued_at
        attempt = Attempt(n=run.attempt, owner=run.owner, started_at=began, ended_at=began + SECOND, cpu_seconds=0.5,
                          peak_rss=1 << 20)  # fmt: skip
        ended = replace(run, state=state or RunState.FAILED, reason=reason, finished_at=attempt.ended_at)
        self.over.append(Ended(run=ended, attempt=attempt, state=state, **more))  # type: ignore[arg-type]
