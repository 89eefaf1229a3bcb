"""The daemon put together, in this process: what it shows of itself, what a lost store does to it, whom it offers runs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from opsbot.daemon.daemon import Daemon
from opsbot.daemon.duty import Duty
from opsbot.daemon.orders import Orders
from opsbot.executors.celery import QUEUE, application
from opsbot.home import Home
from opsbot.model.run import Run, RunState
from tests.daemon.parts import timetable, worker
from tests.daemon.test_loops import until
from tests.executors import brokers
from tests.outbox.world import fresh

SECOND = timedelta(seconds=1)


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def daemon(folder: Path, **orders: object) -> Iterator[Daemon]:
    """On a store of its own; it has begun, and is stopped at the end."""
    (folder / "var").mkdir()
    store = fresh(folder / "var" / "opsbot.db")
    told = Orders(timetables=(timetable("costs"),), **orders)  # type: ignore[arg-type]
    duty = Duty(worker=worker("a", now()), orders=told, copy=folder, now=now)
    made = Daemon(Home(path=folder, state=folder), duty, store)
    made.start()
    try:
        yield made
    finally:
        made.stop(SECOND, SECOND)
        store.close()


def test_it_is_well_from_the_start_and_gone_in_a_moment(tmp_path: Path) -> None:
    with daemon(tmp_path) as it:
        until(lambda: {"clock", "sweep", "dispatch", "supervise", "beat"} <= {beat.loop for beat in it.vitals().beats})
        told = it.vitals()
        assert (told.alive, told.ready, told.draining, told.troubles) == (True, True, False, ())
        it.watch_page(lambda: False)
        it._loops["web"].wake()
        until(lambda: it.vitals().troubles == ("web: the web page has ended",))
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not it.vitals().ready


def test_a_store_that_goes_away_costs_readiness_and_comes_back_by_itself(tmp_path: Path) -> None:
    with daemon(tmp_path) as it:
        until(lambda: it.vitals().ready)
        file = tmp_path / "var" / "opsbot.db"
        file.rename(tmp_path / "elsewhere")
        until(lambda: not it.vitals().ready)
        assert any("was moved, deleted or replaced" in trouble for trouble in it.vitals().troubles)
        assert it.vitals().alive
        (tmp_path / "elsewhere").rename(file)
        until(lambda: it.vitals().ready)


def test_a_jump_of_the_clock_has_everything_looked_at_at_once(tmp_path: Path) -> None:
    with daemon(tmp_path) as it:
        it.store.ledger().plan(it.store.ledger().clockworks()["costs"], ())
        before = it.store.ledger().workers(now() - 60 * SECOND)[0].beat
        it.clock_was_set(3600.0)
        until(lambda: it.store.ledger().workers(now() - 60 * SECOND)[0].beat > before)


def test_with_a_task_queue_due_runs_are_offered_and_not_taken(tmp_path: Path) -> None:
    with brokers.redis() as (broker, _), daemon(tmp_path, executor="celery", broker=broker) as it:
        it.store.ledger().add(Run(id="RUN1", job="costs", queued_at=now(), at=now(), state=RunState.QUEUED))
        with application(broker, SECOND).connection_for_read() as line:
            queue = line.SimpleQueue(QUEUE)
            message = queue.get(timeout=10)
            queue.close()
        assert message.payload[1] == {"run_id": "RUN1", "attempt": 1}
        found = it.store.run("RUN1")
        assert found is not None
        assert found.state is RunState.QUEUED
