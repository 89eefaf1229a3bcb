"""Whether the daemon is alive: what its loops say of themselves, for `/healthz`, the status page and the watchdog."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """One loop. `period` is how often it promises to tick, `age` how long ago it did (both seconds); `error` is the last
    thing that went wrong in it, "" if its last tick was fine."""

    loop: str
    period: float
    age: float
    error: str = ""

    @property
    def stalled(self) -> bool:
        """Three periods without a tick, and never less than ten seconds: a busy machine is not a dead loop."""
        return self.age > max(3 * self.period, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """The daemon as it sees itself. `ready`: it takes runs (not draining, its store answers). `troubles` are sentences
    for people, worst first: a configuration that was not taken over, a store that cannot be written, a dead letter."""

    worker: str
    started_at: datetime
    beats: tuple[Beat, ...]
    ready: bool
    draining: bool
    config_hash: str
    config_ok: bool
    config_loaded_at: datetime
    troubles: tuple[str, ...] = ()

    @property
    def alive(self) -> bool:
        return not any(beat.stalled for beat in self.beats)
