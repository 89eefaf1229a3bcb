"""The prober's keeper: one child that probes, its orders, its signs of life, and what it found into the store.

Two loops: `look` keeps the child alive and waits for nobody; `digest` writes, and may wait for a database.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from opsbot.daemon.duty import Duty
from opsbot.daemon.herald import Herald
from opsbot.daemon.own import Own
from opsbot.errors import OpsbotError
from opsbot.evaluate.slo import Objective
from opsbot.evaluate.standing import PROBER
from opsbot.model.probe import ProbeResult, ProbeState
from opsbot.model.uptime import Sample
from opsbot.prober import wire
from opsbot.prober.book import HEARTBEAT_EVERY, Book
from opsbot.prober.burns import REMEMBERED, Burns
from opsbot.prober.wire import Found, Said
from opsbot.probes import heartbeat
from opsbot.probing import Probe
from opsbot.store.flips import flips
from opsbot.store.heartbeats import SqlHeartbeats
from opsbot.store.sql import SqlStore

log = logging.getLogger(__name__)

PROBING, DIGEST = 1.0, 1.0
# A child that says nothing for so long is stuck; one that was only stopped for ten seconds is not.
SILENCE = 25.0
ROLL_EVERY = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE, _WELL = 1.0, 60.0, 30.0


class Prober:
    """At most one child. `command` and `environ` say how it is started at that moment; `ended` is called when it needs a
    look, `begun` when there is something to digest."""

    def __init__(
        self,
        duty: Duty,
        store: SqlStore,
        herald: Herald,
        command: Callable[[], list[str]],
        environ: Callable[[], Mapping[str, str]],
        ended: Callable[[], None],
        begun: Callable[[], None],
    ) -> None:
        self._begun_watch = begun
        self._duty, self._uptime, self._herald = duty, store.uptime(), herald
        self._engine = store.engine
        self._heartbeats = SqlHeartbeats(store.engine)
        self._command, self._environ, self._ended = command, environ, ended
        self.book, self._burns = Book(self._uptime), Burns(self._uptime)
        self._child: _Child | None = None
        self._own = Own()
        self._told: tuple[Probe, ...] | None = None
        self._opened: tuple[Probe, ...] | None = None
        self._objectives: dict[str, Objective] = {}
        # Of several daemons on one database one probes. A term begins each time that it is this one.
        self._watching, self._term, self._opened_term = False, 0, 0
        self._inbox: queue.SimpleQueue[Said] = queue.SimpleQueue()
        self._soon: tuple[str, ...] = ()
        self._begun = self._not_before = 0.0
        self._pause = 0.0
        self._rolled = self._beaten = time.monotonic()

    def look(self) -> None:
        """Start the child if it is needed, give it new orders, bury it. Raises OpsbotError if it died or cannot start."""
        self._stand_watch()
        probes = self._opened
        # Before the store was read nobody knows who needs a turn at once.
        if probes is None or (self._watching and self._opened_term != self._term):
            return
        wanted = self._watching and any(probe.target is not None for probe in probes)
        if self._child is not None and self._over(self._child):
            self._bury(self._child)
        if not wanted:
            self._end(timedelta(seconds=2))
        elif self._child is None:
            if time.monotonic() >= self._not_before:
                self._start(probes)
        elif self._told is not probes:
            self._command_child(self._child, probes)

    def digest(self) -> None:
        """Count and write what came in, judge heartbeats, call a run if people must hear something. Raises StoreError."""
        probes, term = self._duty.orders.probes, self._term
        if self._watching and (self._opened is not probes or self._opened_term != term):
            self._open(probes, term)
        while True:
            try:
                self._take(self._inbox.get_nowait())
            except queue.Empty:
                break
        if not self._watching:
            self.book.write()
            return
        self._judge_heartbeats(probes)
        self._herald.look(news=self.book.write())
        if time.monotonic() - self._rolled >= ROLL_EVERY and probes:
            self._rolled = time.monotonic()
            self._uptime.roll_up(self._duty.now())
            self.book.note_burns(self._burns.look(probes, self.book.standings, self._duty.now()))

    def _stand_watch(self) -> None:
        """Ask whether it is this daemon that probes. Where nothing is probed, somebody still has to say so once."""
        probes = self._duty.orders.probes
        if not probes and self._opened is probes:
            self._uptime.let_go()
            self._watching = False
            return
        watching = self._uptime.watching()
        if watching is not self._watching:
            event = "prober's watch begun" if watching else "prober's watch ended"
            log.info(event)
            self._term += watching
            self._watching = watching
            self._begun_watch()

    def _open(self, probes: tuple[Probe, ...], term: int) -> None:
        """Take these probes over, from where whoever watched before has left them."""
        if self._opened_term != term:
            # What this one knew in an earlier term is written first, and then forgotten.
            self.book.write()
            self.book = Book(self._uptime)
            self._burns = Burns(self._uptime, flips(self._engine, self._duty.now() - REMEMBERED))
        self.book.open(probes, self._duty.orders.maintenance)
        self._objectives = {probe.name: probe.slo for probe in probes if probe.slo is not None}
        self._soon = self.book.soon(self._duty.now())
        self._uptime.keep({probe.name for probe in probes} | {PROBER})
        self._heartbeats.expect([probe.name for probe in probes if probe.heartbeat], self._duty.now())
        self._opened, self._opened_term = probes, term
        self._ended()

    def stop(self) -> None:
        """End the child, and write what it said last."""
        self._end(timedelta(seconds=2))
        if self._opened is not None:
            self.digest()
        self._uptime.let_go()

    @property
    def pid(self) -> int | None:
        """The child's."""
        return self._child.process.pid if self._child else None

    def _take(self, said: Said) -> None:
        reason, why = self._own.hear(said, time.monotonic())
        self._count(said.found)
        self.book.note_prober(self._duty.now(), reason, why)
        self._duty.trouble("prober", *((why,) if why else ()))

    def _judge_heartbeats(self, probes: tuple[Probe, ...]) -> None:
        if time.monotonic() - self._beaten < HEARTBEAT_EVERY or not any(probe.heartbeat for probe in probes):
            return
        self._beaten = time.monotonic()
        now = self._duty.now()
        self._count([_found(result) for result in heartbeat.look(probes, self._heartbeats.pulses(), now)])

    def _count(self, found: Sequence[Found]) -> None:
        self.book.take(found)
        self._burns.take((one.sample for one in found), self._objectives)

    def _start(self, probes: tuple[Probe, ...]) -> None:
        self._begun = time.monotonic()
        try:
            self._child = _Child(self._command(), self._environ(), self._inbox.put, self._ended)
        except OSError as error:
            self._hold_back()
            raise OpsbotError(f"the prober: its process cannot be started: {error.strerror or error}") from error
        log.info("prober started", extra={"pid": self._child.process.pid, "probes": len(probes)})
        self._command_child(self._child, probes)

    def _command_child(self, child: _Child, probes: tuple[Probe, ...]) -> None:
        self._told = probes
        soon, self._soon = self._soon, ()
        child.tell(wire.orders((probe for probe in probes if probe.target is not None), soon))

    def _over(self, child: _Child) -> bool:
        if child.process.poll() is None and time.monotonic() - child.heard > SILENCE:
            log.error("prober says nothing", extra={"pid": child.process.pid, "seconds": SILENCE})
            child.process.kill()
            child.process.wait()
        return child.process.poll() is not None

    def _bury(self, child: _Child) -> None:
        self._child = None
        child.close()
        if time.monotonic() - self._begun > _WELL:
            # The first restart is at once: every second without a prober is one nobody looks.
            self._pause = 0.0
        self._hold_back()
        log.warning("prober ended", extra={"exit_code": child.process.returncode, "again_in": self._pause})
        if self._pause > _FIRST_PAUSE:
            raise OpsbotError(
                f"the prober: its process ended with exit code {child.process.returncode}, again; it is started anew",
                hint="its own lines in this log say why",
            )

    def _hold_back(self) -> None:
        self._not_before = time.monotonic() + self._pause
        self._pause = min(max(self._pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)

    def _end(self, grace: timedelta) -> None:
        child, self._child = self._child, None
        self._told = None
        if child is not None:
            child.end(grace)


class _Child:
    """The process and its two pipes, each with a thread, because either may block."""

    def __init__(
        self,
        command: list[str],
        environ: Mapping[str, str],
        said: Callable[[Said], None],
        ended: Callable[[], None],
    ) -> None:
        self.process = subprocess.Popen(
            command, env=dict(environ), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
        self.heard = time.monotonic()
        self._said, self._ended = said, ended
        self._orders: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        if self.process.stdout is not None:
            wire.widen(self.process.stdout.fileno())
        self._threads = [
            threading.Thread(target=work, name="opsbot-prober-pipe", daemon=True)
            for work in (self._listen, self._speak)
        ]
        for thread in self._threads:
            thread.start()

    def tell(self, line: bytes) -> None:
        self._orders.put(line)

    def close(self) -> None:
        self._orders.put(None)

    def end(self, grace: timedelta) -> None:
        self.close()
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace.total_seconds())
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for thread in self._threads:
            thread.join(1.0)

    def _listen(self) -> None:
        pipe = self.process.stdout
        if pipe is None:
            return
        for line in pipe:
            try:
                self._said(wire.read(line))
            except ValueError as error:
                log.error("prober not understood", extra={"error": str(error)[:200]})
            self.heard = time.monotonic()
        pipe.close()
        self.process.wait()
        self._ended()

    def _speak(self) -> None:
        pipe = self.process.stdin
        if pipe is None:
            return
        with contextlib.suppress(OSError):
            while (line := self._orders.get()) is not None:
                pipe.write(line)
                pipe.flush()
        with contextlib.suppress(OSError):
            pipe.close()


def _found(result: ProbeResult) -> Found:
    """A heartbeat's verdict as if it had been probed."""
    seconds = result.seconds if result.state is ProbeState.UP and result.seconds else None
    sample = Sample(probe=result.target, at=result.at, state=result.state, seconds=seconds, reason=result.reason or "")
    evidence = (("excerpt", result.excerpt),) if result.excerpt else ()
    return Found(sample=sample, why=result.why, evidence=evidence)
