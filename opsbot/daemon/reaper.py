"""Which workers are dead, judged by one's own clock: theirs may be an hour off, but the living ones move on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from opsbot.model.run import Run
from opsbot.ports import Ledger

_LOOK_BACK = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Seen:
    beat: datetime
    since: float


class Reaper:
    """A run is dead when its lease ran out and its worker's heartbeat has stood still for as long as a lease.

    The lease alone would do if all clocks agreed; one that runs ahead would take every run away from the others. Runs
    of processes that have no heartbeat (by hand) are judged by their lease.
    """

    def __init__(self, ledger: Ledger, lease: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger, self._lease, self._clock = ledger, lease.total_seconds(), clock
        self._seen: dict[str, _Seen] = {}

    def dead(self, now: datetime) -> Iterator[Run]:
        """To be asked every few seconds, so that heartbeats are seen to move."""
        self._look(now)
        for run in self._ledger.expired(now):
            seen = self._seen.get(run.owner)
            if seen is None or self._clock() - seen.since >= self._lease:
                yield run

    def _look(self, now: datetime) -> None:
        at, before = self._clock(), self._seen
        beats = {worker.id: worker.beat for worker in self._ledger.workers(now - _LOOK_BACK)}
        self._seen = {
            id: known if (known := before.get(id)) and known.beat == beat else _Seen(beat, at)
            for id, beat in beats.items()
        }
