"""The process that probes: an engine, a rota, and two pipes to the daemon. It ends when the daemon does.

Nothing else runs here, so that nobody's work makes an answer look late: no database, no report, no configuration file.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from opsbot.model.probe import ProbeResult
from opsbot.prober import wire
from opsbot.prober.rota import Rota
from opsbot.prober.rounds import Rounds
from opsbot.prober.uplink import Uplink
from opsbot.probes import Engine

log = logging.getLogger(__name__)

TOLD_EVERY = 1.0
# A daemon that takes nothing for so many seconds loses the oldest; it counts them as missing.
_MOST_LINES = 900
_LARGEST = 1 << 26
# A pipe that is full is tried again so soon.
_FULL = 0.05
# A probe leaves no garbage in circles unless it fails: to look for it every 700 objects cost a seventh of an HTTP probe.
_COLLECT_AFTER = (10_000, 10, 50)


class Prober:
    """Serves the orders that come in on file descriptor `orders` and writes what it finds to `told`.

    `now` gives the wall clock's time for results. Sockets of one host at most `per_host`, in all at most `limit`.
    """

    def __init__(
        self,
        orders: int,
        told: int,
        *,
        now: Callable[[], datetime],
        limit: int = 500,
        per_host: int = 20,
        resolv_conf: Path = Path("/etc/resolv.conf"),
        routes: Path = Path("/proc/net/route"),
    ) -> None:
        self._orders, self._told = orders, told
        self.engine = Engine(now=now, limit=limit, per_host=per_host, resolv_conf=resolv_conf)
        self._rota = Rota()
        self._uplink = Uplink(self.engine, resolv_conf=resolv_conf, routes=routes)
        self._rounds = Rounds(self.engine, self._rota, self._uplink, self._heard)
        self._found: list[list[Any]] = []
        self._shown: dict[str, str] = {}
        self._lines: deque[bytes] = deque(maxlen=_MOST_LINES)
        self._rest, self._read = b"", bytearray()
        self._late = 0.0
        self._ended = False
        self._tell_at = time.monotonic() + TOLD_EVERY
        for pipe in (orders, told):
            os.set_blocking(pipe, False)
        self.engine.watch(orders, self._hear)

    def run(self) -> None:
        """Until the daemon closes the pipe, or `stop`."""
        usual = gc.get_threshold()
        gc.set_threshold(*_COLLECT_AFTER)
        try:
            while not self._ended:
                self._turn(time.monotonic())
            self._tell(time.monotonic())
        finally:
            # What is under way ends as unsure and is not told: those turns did not come about.
            self.engine.close()
            gc.set_threshold(*usual)

    def stop(self) -> None:
        """End soon; safe in a signal handler."""
        self._ended = True
        # From another thread it may come after the end.
        with contextlib.suppress(OSError):
            self.engine.wake()

    def _turn(self, now: float) -> None:
        if self._rota.next <= now:
            for turn, slot, due in self._rota.due(now):
                self._late = max(self._late, now - due)
                self._rounds.start(turn, slot)
        if self._rounds.next <= now:
            self._rounds.tick(now)
        if self._tell_at <= now:
            self._tell(now)
        elif self._rest:
            self._write()
        upcoming = min(self._rota.next, self._rounds.next, self._tell_at)
        if self._rest:
            upcoming = min(upcoming, now + _FULL)
        self.engine.turn(max(0.0, upcoming - time.monotonic()))

    def _heard(self, result: ProbeResult, slot: int) -> None:
        shown = self._shown.get(result.target, "")
        self._found.append(wire.found(result, slot, shown))
        if result.secured is not None and (mark := wire.fingerprint(result)) and mark != shown:
            self._shown[result.target] = mark

    def _tell(self, now: float) -> None:
        self._tell_at = max(self._tell_at + TOLD_EVERY, now)
        line = wire.said(self._found, self._late, self.engine.stalled, self._uplink.broken, self.engine.busy)
        self._found, self._late = [], 0.0
        self._lines.append(line)
        self._write()

    def _write(self) -> None:
        """As much as the pipe takes: a daemon that is busy with its database keeps nobody from probing."""
        try:
            while self._rest or self._lines:
                self._rest = self._rest or self._lines.popleft()
                self._rest = self._rest[os.write(self._told, self._rest) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._ended = True

    def _hear(self) -> None:
        try:
            piece = os.read(self._orders, 1 << 20)
        except BlockingIOError:
            return
        self._read += piece
        if not piece or len(self._read) > _LARGEST:
            self._ended = True
            return
        *lines, rest = bytes(self._read).split(b"\n")
        self._read = bytearray(rest)
        if lines:
            self._obey(lines[-1])

    def _obey(self, line: bytes) -> None:
        try:
            probes, soon = wire.read_orders(line)
        except ValueError as error:
            log.error("orders not understood", extra={"error": str(error)[:300]})
            return
        self._rota.set(probes, time.monotonic(), soon)
        self._rounds.forget()
        names = {probe.name for probe in probes}
        self._shown = {name: mark for name, mark in self._shown.items() if name in names}
        _settle()
        log.info("probing", extra={"probes": len(self._rota)})


def _settle() -> None:
    """What probes are made of stays until the next orders: the collector need not look at it again and again."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()
