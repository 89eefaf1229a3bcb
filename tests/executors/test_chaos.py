"""Workers are killed and a broker forgets everything: every run is finished, none twice, none beside another of its job."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from opsbot.executors import celery
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import Clockwork
from opsbot.store import open_store
from opsbot.store.engine import writing
from opsbot.store.sql import SqlStore
from opsbot.timetable import run_id
from tests.executors import brokers
from tests.postgres import server

LONG = "OPSBOT_CHAOS" in os.environ
JOBS = [f"job{n}" for n in range(8 if LONG else 3)]
RUNS_EACH, WORKERS, KILLS = (8, 3, 5) if LONG else (3, 2, 1)
LEASE = 2.0
ROOT = Path(__file__).parents[2]


def queued(store: SqlStore, now: datetime) -> list[str]:
    ids = []
    for job in JOBS:
        runs = [_run(job, now - timedelta(seconds=n)) for n in range(RUNS_EACH)]
        store.ledger().plan(Clockwork(job=job, cursor=now, cron="0 7 * * *"), runs)
        ids += [run.id for run in runs]
    return ids


def _run(job: str, fire: datetime) -> Run:
    return Run(id=run_id(job, fire), job=job, queued_at=fire, at=fire, scheduled_for=fire, state=RunState.QUEUED,
               cause=Cause.CATCH_UP)  # fmt: skip


@dataclass
class Crew:
    """Workers as processes; `hire` adds one, `kill` takes any of them."""

    words: list[str]
    log: Path
    chance: random.Random
    members: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def hire(self) -> None:
        with self.log.open("ab") as log:
            self.members.append(subprocess.Popen(self.words, stdout=log, stderr=log, cwd=ROOT))

    def kill(self) -> None:
        self.chance.choice([member for member in self.members if member.poll() is None]).kill()

    def dismiss(self) -> None:
        for member in self.members:
            member.kill()
            member.wait()


@contextmanager
def _crew(url: str, broker: str, folder: Path) -> Iterator[Crew]:
    words = [sys.executable, "-m", "tests.executors.chaos_worker", url, broker, str(folder), str(LEASE), *JOBS]
    crew = Crew(words, folder / "workers.log", random.Random(1))
    try:
        for _ in range(WORKERS):
            crew.hire()
        yield crew
    finally:
        crew.dismiss()


@pytest.mark.timeout(600 if LONG else 120)
def test_f2_workers_are_killed_and_a_broker_is_flushed(tmp_path: Path) -> None:
    url, tick = server().database(), threading.Event()
    store = open_store(url)
    with writing(store.engine) as db:
        db.execute(text("CREATE TABLE finished (run_id text)"))
    with brokers.redis() as (broker, client), _crew(url, broker, tmp_path) as crew:
        app = celery.application(broker, timedelta(seconds=30))
        offers = celery.Offers(app, store, lambda: datetime.now(UTC), again=timedelta(seconds=1.5))
        ids = queued(store, datetime.now(UTC).replace(microsecond=0))
        kills, flushed, end = 0, False, time.monotonic() + (500 if LONG else 100)
        while time.monotonic() < end:
            offers.dispatch(JOBS)
            begun = (tmp_path / "trace").read_text().count("begin") if (tmp_path / "trace").exists() else 0
            if begun >= 2 and not flushed:
                flushed = bool(client.flushall())
            if kills < KILLS and begun >= 3 + kills * len(ids) // (KILLS + 1):
                crew.kill()
                kills += 1
                if LONG:
                    crew.hire()
            if kills == KILLS and flushed and all(run.state.ended for run in store.runs(limit=1000)):
                break
            tick.wait(0.1)
        app.close()
    assert (kills, flushed) == (KILLS, True)
    said = (tmp_path / "workers.log").read_text()
    with writing(store.engine) as db:
        finished = Counter(db.scalars(text("SELECT run_id FROM finished")))
    assert {run.state for run in store.runs(limit=1000)} == {RunState.SUCCEEDED}, said
    assert finished == dict.fromkeys(ids, 1), said
    assert "overlap" not in (tmp_path / "trace").read_text(), said
    store.close()
