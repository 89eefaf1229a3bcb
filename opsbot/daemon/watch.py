"""The main thread of the daemon: it hears signals, watches the loops and the clock, and says when it is over."""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NoReturn

from opsbot.daemon import heartbeat
from opsbot.daemon.daemon import Daemon
from opsbot.model.vitals import Vitals

log = logging.getLogger(__name__)

STALLED = 70
TICK = 1.0
# The wall clock against the monotonic one: what lies below is NTP at its ordinary work.
JUMP = 60.0
# The process itself stood still (stopped, suspended, starved): not the loops' fault.
STOOD_STILL = 5.0
_WRITE = 3.0
_ENDING_GRACE = timedelta(seconds=3)
_AT_ONCE = timedelta(seconds=1)
# A message in hand may be in a slow peer's hands already.
_SENDING = 20.0
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


class Watch:
    """`told` is called with each sentence a person at the terminal wants to know. `extra` goes into the heartbeat file."""

    def __init__(self, daemon: Daemon, told: Callable[[str], None], extra: dict[str, object]) -> None:
        self._daemon, self._told, self._extra = daemon, told, extra
        self._signals: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._clock = Clocks(daemon.duty.now)
        self._written = 0.0
        self._until = float("inf")
        self._unwritable = ""

    def keep(self) -> int:
        """Watch until the daemon has ended; its exit code."""
        with _hearing(self._signals):
            self._look()
            while True:
                number = self._next_signal()
                if number in (signal.SIGTERM, signal.SIGINT):
                    if self._daemon.duty.draining:
                        return self._end(_AT_ONCE, 128 + number)
                    self._drain()
                elif number is not None:
                    self._obey(number)
                self._look()
                if self._daemon.duty.draining and not self._daemon.at_work:
                    return self._end(_ENDING_GRACE, 0)
                if time.monotonic() >= self._until:
                    return self._end(_ENDING_GRACE, 0)

    def _next_signal(self) -> int | None:
        try:
            return self._signals.get(timeout=TICK if not self._daemon.duty.draining else 0.1)
        except queue.Empty:
            return None

    def _drain(self) -> None:
        self._daemon.drain()
        allowed = self._daemon.duty.orders.drain
        self._until = time.monotonic() + allowed.total_seconds()
        running = len(self._daemon.children.running())
        log.info("draining", extra={"runs": running, "seconds": allowed.total_seconds()})
        if running:
            runs = "1 run" if running == 1 else f"{running} runs"
            self._told(f"{runs} may finish within {allowed.total_seconds():.0f} s; once more stops at once")

    def _end(self, grace: timedelta, code: int) -> int:
        left = len(self._daemon.children.running())
        unused = timedelta(seconds=min(max(self._until - time.monotonic(), 0.0), _SENDING))
        self._daemon.stop(grace, grace if code else max(grace, unused))
        if left:
            log.warning("runs handed back", extra={"runs": left})
            self._told(f"{left} handed back: the next daemon goes on with {'it' if left == 1 else 'them'}")
        heartbeat.remove(self._daemon.home.state)
        log.info("stopped", extra={"exit_code": code})
        return code

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            log.info("told to read the configuration")
            self._daemon.learn_now()
        else:
            _dump(self._daemon)

    def _look(self) -> None:
        still, jumped = self._clock.look()
        if still > STOOD_STILL:
            self._daemon.pulse.forgive(still)
            log.warning("the process stood still", extra={"seconds": round(still)})
        if abs(jumped) > JUMP or still > JUMP:
            self._daemon.clock_was_set(jumped or still)
        vitals = self._daemon.vitals()
        if not vitals.alive:
            self._give_up(vitals)
        if time.monotonic() - self._written >= _WRITE:
            self._write(vitals)

    def _write(self, vitals: Vitals) -> None:
        self._written = time.monotonic()
        told = {"worker": vitals.worker, "alive": vitals.alive, "ready": vitals.ready, "draining": vitals.draining}
        try:
            heartbeat.write(self._daemon.home.state, {**told, "troubles": list(vitals.troubles), **self._extra})
        except OSError as error:
            if not self._unwritable:
                log.warning("heartbeat not written", extra={"error": str(error)})
            self._unwritable = str(error)
        else:
            self._unwritable = ""

    def _give_up(self, vitals: Vitals) -> NoReturn:
        """A loop hangs and nothing here can end a thread: whoever started the daemon starts it anew."""
        stalled = [beat.loop for beat in vitals.beats if beat.stalled]
        log.critical("a loop hangs", extra={"loops": ", ".join(stalled), "exit_code": STALLED})
        _dump(self._daemon)
        self._write(vitals)
        os._exit(STALLED)


class Clocks:
    """The wall clock and the monotonic one side by side; they part when one is set, or when the machine sleeps."""

    def __init__(self, now: Callable[[], datetime], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._now, self._monotonic = now, monotonic
        self._last = self._read()

    def look(self) -> tuple[float, float]:
        """Since the last look: seconds for which this process stood still, and by how many the wall clock jumped."""
        wall, steady = self._read()
        passed, self._last = (wall - self._last[0], steady - self._last[1]), (wall, steady)
        return max(passed[1] - 2 * TICK, 0.0), passed[0] - passed[1]

    def _read(self) -> tuple[float, float]:
        return self._now().timestamp(), self._monotonic()


@contextmanager
def _hearing(heard: queue.SimpleQueue[int]) -> Iterator[None]:
    before = {number: signal.signal(number, lambda number, _: heard.put(number)) for number in _HEARD}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _dump(daemon: Daemon) -> None:
    """What runs and where each thread stands, for whoever must find out why."""
    for run_id, attempt in daemon.children.running().items():
        log.warning("at work", extra={"run": run_id, "attempt": attempt})
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        stack = [f"{place.filename}:{place.lineno} {place.name}" for place in traceback.extract_stack(frame)]
        log.warning("thread", extra={"named": names.get(ident, str(ident)), "stack": " < ".join(reversed(stack))})
