"""The alarm clock: APScheduler rings when a job's next fire comes. What rings late or not at all, the sweep catches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.debug import DebugExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from opsbot.model.timetable import Timetable
from opsbot.timetable import next_fire

TICK = 5.0


class _Fires(BaseTrigger):  # type: ignore[misc]
    """Our reading of cron as an APScheduler trigger: its own loses days at clock changes and numbers weekdays differently."""

    def __init__(self, timetable: Timetable) -> None:
        self.timetable = timetable

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime | None:
        return next_fire(self.timetable, now.astimezone(UTC))


class _Ticks(BaseTrigger):  # type: ignore[misc]
    """Every few seconds from now: proof that the alarm clock goes."""

    def get_next_fire_time(self, previous: datetime | None, now: datetime) -> datetime:
        return now + timedelta(seconds=TICK if previous else 0.0)


class Alarm:
    """`ring` is called when anything fires, `tick` every few seconds; both in the alarm's own thread, so they must be quick."""

    def __init__(self, ring: Callable[[], None], tick: Callable[[], None]) -> None:
        self._ring, self._tick = ring, tick
        self._lock = threading.Lock()
        self._timetables: tuple[Timetable, ...] = ()
        self._scheduler = _scheduler()

    def start(self, timetables: Iterable[Timetable]) -> None:
        self._scheduler.start()
        self.set(timetables)

    def set(self, timetables: Iterable[Timetable]) -> None:
        """Ring for these from now on."""
        with self._lock:
            self._timetables = tuple(timetables)
            self._scheduler.remove_all_jobs()
            self._scheduler.add_job(self._tick, _Ticks(), id="tick")
            for timetable in self._timetables:
                self._scheduler.add_job(self._ring, _Fires(timetable), id=f"job/{timetable.job}")

    def reset(self) -> None:
        """The clock was set: what the alarm was waiting for may be an hour further away than it believes."""
        self.set(self._timetables)

    def stop(self) -> None:
        self._scheduler.shutdown(wait=False)


def _scheduler() -> Any:
    # Inline, without a pool: ringing is nothing but waking a loop. Never "missed", and several at once are one.
    return BackgroundScheduler(
        timezone=UTC,
        executors={"default": DebugExecutor()},
        job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1},
        daemon=True,
    )
