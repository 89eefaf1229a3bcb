"""The heartbeats of the daemon's loops: each ticks before and after its work, so that one that hangs is seen to hang."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from opsbot.errors import OpsbotError
from opsbot.model.vitals import Beat


@dataclass(slots=True)
class _Tick:
    period: float
    at: float
    error: str = ""


# No loop promises to come round more often: a database may hold each up for some seconds, several times in a round.
PROMISE = 15.0


class Pulse:
    """When each loop was last seen. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ticks: dict[str, _Tick] = {}
        self._lock = threading.Lock()

    def tick(self, loop: str, period: float, error: str | None = None) -> None:
        """The loop lives, and promises to come round every `period` seconds. `error`: its work failed with this, or ""
        for well; None: it has only begun."""
        with self._lock:
            known = self._ticks.setdefault(loop, _Tick(period, 0.0))
            known.period, known.at = period, self._clock()
            known.error = known.error if error is None else error

    def forgive(self, seconds: float) -> None:
        """The whole process stood still for so long: no loop is to blame for that."""
        with self._lock:
            for tick in self._ticks.values():
                tick.at += seconds

    def forget(self, loop: str) -> None:
        """The loop has ended as it should."""
        with self._lock:
            self._ticks.pop(loop, None)

    def beats(self) -> tuple[Beat, ...]:
        now = self._clock()
        with self._lock:
            return tuple(
                Beat(loop=name, period=tick.period, age=max(now - tick.at, 0.0), error=tick.error)
                for name, tick in self._ticks.items()
            )


class Loop:
    """A thread that does one thing again and again: each `period` seconds, or as soon as it is woken.

    `waits` False: its work does the waiting. A round may take `longest` seconds. What the work raises ends that round,
    not the loop: it is told once, and stands in the heartbeat until a round goes well; the next comes after `again`.
    """

    def __init__(
        self,
        name: str,
        period: float,
        work: Callable[[], object],
        pulse: Pulse,
        told: Callable[[str, Exception], None],
        *,
        waits: bool = True,
        longest: float = 0.0,
        again: float | None = None,
    ) -> None:
        self.name, self.period, self._waits = name, period, waits
        self._again = period if again is None else again
        self._promise = max(period, longest, PROMISE)
        self._work, self._pulse, self._told = work, pulse, told
        self._wake, self._ending, self._last_error = threading.Event(), False, ""
        self._thread = threading.Thread(target=self._go, name=f"opsbot-{name}", daemon=True)

    def start(self) -> None:
        # Before the thread has had its first turn: a loop that never begins is one that hangs.
        self._pulse.tick(self.name, self._promise)
        self._thread.start()

    def wake(self) -> None:
        """Do it now."""
        self._wake.set()

    def stop(self) -> None:
        self._ending = True
        self._wake.set()

    def join(self, seconds: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(seconds)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def _go(self) -> None:
        while not self._ending:
            self._pulse.tick(self.name, self._promise)
            begun = time.monotonic()
            error = self._round()
            self._pulse.tick(self.name, self._promise, error)
            if self._waits or error:
                pause = self._again if error else self.period
                self._wake.wait(max(pause - (time.monotonic() - begun), 0.0))
                self._wake.clear()
        self._pulse.forget(self.name)

    def _round(self) -> str:
        """The error of one round, "" if it went well."""
        error = ""
        try:
            self._work()
        except Exception as raised:  # noqa: BLE001  a loop that died of a surprise would stop the scheduler: it goes on, and its heartbeat tells
            error = raised.message if isinstance(raised, OpsbotError) else f"{type(raised).__name__}: {raised}"
            if error != self._last_error:
                self._told(self.name, raised)
        self._last_error = error
        return error
