"""`opsbot worker`: take runs from a task queue and run them here."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opsbot.cli import Options

if TYPE_CHECKING:
    from opsbot.daemon.duty import Duty
    from opsbot.daemon.learn import Lesson
    from opsbot.daemon.orders import Orders
    from opsbot.executors.local import Supervisor
    from opsbot.home import Home
    from opsbot.store.sql import SqlStore

# A worker that hears nothing for so long while runs wait has lost its broker without noticing (celery/celery#10302).
DEAF = timedelta(minutes=5)
EX_SOFTWARE = 70
_COLLECT = 1.0
_LAST_GRACE = timedelta(seconds=5)

log = logging.getLogger(__name__)


@click.command(short_help="Take runs from a task queue.")
@click.option("--parallel", type=click.IntRange(1, 64), help="At most so many runs at once. Default: daemon.parallel.")
@click.pass_obj
def worker(options: Options, parallel: int | None) -> int:
    """Take runs that daemons with `executor = "celery"` put into the queue `daemon.broker`, and run them here.

    Which worker runs what is decided in the store, so all of them need the same one: PostgreSQL, or one SQLite file on
    one machine. SIGTERM: no new run, those at work may finish (daemon.drain). The home is read once, at the start.

    \b
    Examples:
      opsbot worker
      opsbot --home /etc/opsbot --log-format json worker --parallel 4
    \b
    Exit codes: 0 stopped as told; 2 the configuration is wrong; 3 it cannot begin; 70 it heard nothing for five minutes
    while runs were waiting, and ended so that whoever watches it starts it again.
    """
    from opsbot import home
    from opsbot import log as logs
    from opsbot.daemon.learn import learn

    logs.configure(options.log_format, verbose=options.verbose)
    logging.getLogger("opsbot").setLevel(logging.DEBUG if options.verbose else logging.INFO)
    place = home.find(options.home_option, os.environ, Path.cwd())
    lesson = learn(place)
    if problems := refused(lesson.orders):
        for problem in problems:
            click.echo(problem, err=True)
        return 2
    with _hands(place, lesson, parallel or lesson.orders.parallel) as hands:
        return hands.work()


def refused(orders: Orders) -> tuple[str, ...]:
    """Why a worker cannot work by these orders."""
    if orders.problems or orders.executor == "celery":
        return orders.problems
    return (f'config.toml.daemon.executor: expected "celery" for a worker, got "{orders.executor}"',)


@contextmanager
def _hands(home: Home, lesson: Lesson, slots: int) -> Iterator[Hands]:
    from opsbot.daemon.duty import Duty
    from opsbot.daemon.learn import command, surroundings
    from opsbot.daemon.serve import now
    from opsbot.executors.local import Supervisor
    from opsbot.model.timetable import Worker
    from opsbot.store import open_store

    orders, host, at = lesson.orders, platform.node() or "localhost", now()
    me = Worker(id=f"{host}-{os.getpid()}-{secrets.token_hex(3)}", host=host, pid=os.getpid(), version=_version(),
                started_at=at, beat=at)  # fmt: skip
    duty = Duty(worker=me, orders=orders, copy=lesson.copy, now=now)
    children = Supervisor(
        command(lesson.copy, "_exec"), home.state / "logs", environ=surroundings(home), memory=orders.memory
    )
    store = open_store(orders.store_url, orders.store_password)
    try:
        yield Hands(duty, store, children, slots)
    finally:
        store.close()


def _version() -> str:
    from opsbot import __version__

    return __version__


class Hands:
    """What a worker has of a daemon: runs at work, their leases, and their ends; it takes what it is offered, no more."""

    def __init__(
        self, duty: Duty, store: SqlStore, children: Supervisor, slots: int, lease: timedelta | None = None
    ) -> None:
        from opsbot.daemon.pulse import Loop, Pulse
        from opsbot.daemon.running import LEASE, Running

        self._duty, self._ledger, self._children, self._slots = duty, store.ledger(), children, slots
        self._lease = lease or LEASE
        self._running = Running(duty, self._ledger, children, self._lease)
        self._ended = threading.Condition()
        self._heard = time.monotonic()
        pulse = Pulse()
        self._collecting = Loop("collect", _COLLECT, self._collect, pulse, _tell, waits=False)
        self._beating = Loop("beat", self._lease.total_seconds() / 3, self._beat, pulse, _tell)

    def work(self) -> int:
        """Until told to end; the exit code."""
        from opsbot.executors import celery

        orders = self._duty.orders
        longest = max((table.timeout for table in orders.timetables), default=timedelta(minutes=10))
        queue = celery.application(orders.broker, longest + self._children.grace)
        self._running.beat()
        for loop in (self._collecting, self._beating):
            loop.start()
        log.info("worker takes runs", extra={"worker": self._duty.worker.id, "slots": self._slots})
        code = celery.work(queue, self.take, self._slots, self._drain)
        self._end(timedelta(0))
        return code

    def take(self, run_id: str, attempt: int) -> None:
        """Run what was offered to its end, if the ledger gives it to us."""
        from opsbot.errors import OpsbotError

        self._heard = time.monotonic()
        orders, me = self._duty.orders, self._duty.worker.id
        try:
            run = self._ledger.claim(
                me, self._duty.now(), self._lease.total_seconds(), orders.overlaps, run_id=run_id, attempt=attempt
            )
        except OpsbotError as error:
            # It stays queued and will be offered again.
            log.error("run could not be taken", extra={"run": run_id, "error": error.message})
            return
        if run is None:
            log.info("offer is not for us", extra={"run": run_id, "attempt": attempt})
            return
        log.info("run started", extra={"run": run.id, "job": run.job, "attempt": run.attempt})
        table = orders.timetable(run.job)
        self._children.start(run, table.timeout if table else timedelta(minutes=10))
        with self._ended:
            self._ended.wait_for(lambda: run.id not in self._children.running())

    def _collect(self) -> None:
        if self._running.collect(_COLLECT):
            with self._ended:
                self._ended.notify_all()

    def _beat(self) -> None:
        self._running.beat()
        silent = time.monotonic() - self._heard
        if silent > DEAF.total_seconds() and not self._duty.draining and not self._children.running():
            due = self._ledger.due(self._duty.now())
            if due is not None and self._duty.now() - due > DEAF:
                log.error("nothing was heard of the broker while runs wait", extra={"seconds": round(silent)})
                # Nothing runs here that could be lost.
                os._exit(EX_SOFTWARE)

    def _drain(self) -> None:
        """No new run; those at work get their time, then they are handed back."""
        if not self._duty.draining:
            self._duty.drain()
            waiting = threading.Timer(self._duty.orders.drain.total_seconds(), self._end, (_LAST_GRACE,))
            waiting.daemon = True
            waiting.start()

    def _end(self, grace: timedelta) -> None:
        for loop in (self._collecting, self._beating):
            loop.stop()
            loop.join(2 * _COLLECT)
        self._running.stop(grace)
        with self._ended:
            self._ended.notify_all()


def _tell(loop: str, error: Exception) -> None:
    log.error("loop failed", extra={"loop": loop, "error": str(error)})
