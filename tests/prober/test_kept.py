"""The daemon and its prober as they really run: restarted when it dies, told once, and one message for five hundred."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from opsbot.daemon.herald import GROUP, JOB, Herald, reason
from opsbot.model.period import Period
from opsbot.model.probe import ProbeState
from opsbot.model.run import RunState
from opsbot.model.uptime import Flip
from opsbot.store.sql import SqlStore
from tests.daemon.parts import START, Clock, duty, timetable
from tests.daemon.served import Served, make_home, served, wait_for
from tests.outbox.world import fresh
from tests.prober.parts import site

UP, DOWN = ProbeState.UP, ProbeState.DOWN
TABLE = """
[[probes]]
name = "{name}"
url = "{url}"
every = "{every}"
timeout = "{timeout}"
allow_private = true
expect = ["status == 200"]
failures = 1
recoveries = 1
retries = 0
"""


def table(name: str, url: str, every: str = "2s", timeout: str = "1s") -> str:
    return TABLE.format(name=name, url=url, every=every, timeout=timeout)


def pid(daemon: Served) -> int:
    found: int = wait_for(lambda: daemon.lines("prober started"), daemon.log.read_text)[-1]["pid"]
    return found


def test_a_prober_that_is_killed_is_back_at_once_and_tells_nothing_twice(tmp_path: Path) -> None:
    with site() as web:
        web.answers = lambda path: 500 if path == "/bad" else 200
        home = make_home(tmp_path, table("good", f"{web.url}/good") + table("bad", f"{web.url}/bad"))
        # A database that is there already: to make one takes longer than all that follows.
        (home / "var").mkdir()
        fresh(home / "var" / "opsbot.db").close()
        with served(home) as daemon:
            uptime = daemon.store.uptime()
            wait_for(uptime.untold, daemon.log.read_text)
            killed, asked = pid(daemon), len(web.asked["/good"])
            os.kill(killed, signal.SIGKILL)
            wait_for(lambda: pid(daemon) != killed, daemon.log.read_text)
            wait_for(lambda: len(web.asked["/good"]) > asked, daemon.log.read_text)
            assert [(flip.probe, flip.after) for flip in uptime.untold()] == [("bad", DOWN)]
            web.answers = lambda path: 200
            (home / "config.toml").write_text((home / "config.toml").read_text() + table("new", f"{web.url}/new"))
            daemon.tell(signal.SIGHUP)
            wait_for(lambda: web.asked.get("/new"), daemon.log.read_text)
            wait_for(lambda: [flip.after for flip in uptime.untold()] == [DOWN, UP], daemon.log.read_text)
            assert _counted(uptime, "good")["down"] == 0
            last = pid(daemon)
            daemon.tell(signal.SIGKILL)
            daemon.wait()
            wait_for(lambda: not _lives(last))


def _counted(uptime: Any, name: str) -> dict[str, int]:
    period = Period(start=START - timedelta(days=9), end=START + timedelta(days=4000))
    buckets = uptime.buckets(period, timedelta(days=1)).get(name, ())
    names = ("up", "down", "unsure", "missing", "excused", "asked")
    counted = {each: sum(getattr(bucket, each) for bucket in buckets) for each in names}
    assert sum(counted[each] for each in names[:-1]) == counted["asked"]
    return counted


def _lives(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


class TestHerald:
    @pytest.fixture
    def store(self) -> SqlStore:
        return fresh()

    def herald(self, store: SqlStore, clock: Clock, *jobs: str) -> Herald:
        called: list[int] = []
        mine = duty(clock, *(timetable(job) for job in jobs or (JOB,)))
        return Herald(mine, store, lambda: called.append(1), steady=clock.steady)

    def flip(self, store: SqlStore, name: str | list[str], clock: Clock, after: ProbeState = DOWN) -> None:
        names = [name] if isinstance(name, str) else name
        flips = [Flip(probe=name, at=clock.now(), before=UP, after=after, reason="tcp.refused") for name in names]
        store.uptime().record((), (), flips)

    def queued(self, store: SqlStore) -> list[str]:
        return [run.reason for run in store.runs(job=JOB) if run.state is RunState.QUEUED]

    def test_five_hundred_at_once_are_one_run(self, store: SqlStore) -> None:
        clock = Clock()
        herald = self.herald(store, clock)
        self.flip(store, [f"p{n:03}" for n in range(500)], clock)
        seen = []
        for _ in range(30):
            herald.look(news=not seen)
            seen.append(len(self.queued(store)))
            clock.pass_(1)
        assert seen == [0] * int(GROUP) + [1] * (30 - int(GROUP))
        assert self.queued(store) == ["p000 is down, p001 is down, p002 is down and 497 more"]

    def test_at_most_one_waits_and_what_comes_meanwhile_gets_the_next(self, store: SqlStore) -> None:
        clock = Clock()
        herald = self.herald(store, clock)
        self.flip(store, "api", clock)
        self._pass(herald, clock, 20)
        first = self.queued(store)
        self.flip(store, "web", clock)
        self._pass(herald, clock, 60)
        assert self.queued(store) == first == ["api is down"]
        self._run(store, clock, told=1)
        self._pass(herald, clock, 20)
        assert self.queued(store) == ["web is down"]
        self._run(store, clock, told=1)
        self._pass(herald, clock, 300)
        assert self.queued(store) == []

    def test_a_run_that_takes_nothing_up_is_followed_by_another_ever_later(self, store: SqlStore) -> None:
        clock = Clock()
        herald = self.herald(store, clock)
        self.flip(store, "api", clock)
        moments = []
        for _ in range(400):
            herald.look(news=False)
            if self.queued(store):
                moments.append(clock.steady())
                self._run(store, clock, told=0)
            clock.pass_(1)
        gaps = [b - a for a, b in pairwise(moments)]
        assert gaps == [pytest.approx(60 + GROUP, abs=3), pytest.approx(120 + GROUP, abs=3)]

    def test_a_home_without_the_job_queues_nothing(self, store: SqlStore) -> None:
        clock = Clock()
        herald = self.herald(store, clock, "daily_health")
        self.flip(store, "api", clock)
        self._pass(herald, clock, 30)
        assert store.runs() == ()

    def _pass(self, herald: Herald, clock: Clock, seconds: int) -> None:
        for second in range(seconds):
            herald.look(news=second == 0)
            clock.pass_(1)

    def _run(self, store: SqlStore, clock: Clock, told: int) -> None:
        """The queued run goes through; it takes up as many flips."""
        overlaps = {JOB: timetable(JOB).overlap}
        run = store.ledger().claim("a", clock.now() + timedelta(milliseconds=1), 30, overlaps)
        assert run is not None
        store.uptime().told(store.uptime().untold()[:told])
        store.commit(replace(run, state=RunState.SUCCEEDED, finished_at=clock.now()), (), (), ())


def test_a_reason_names_where_each_stands_now() -> None:
    flips = [
        Flip(probe=name, at=START, before=UP, after=after)
        for name, after in (("api", DOWN), ("web", DOWN), ("api", UP))
    ]
    assert reason(flips) == "api is up, web is down"


def test_a_reason_names_a_budget_by_what_it_does() -> None:
    burns = [Flip(probe="api", at=START, before=UP, after=UP, reason=why) for why in ("slo.slow", "slo.fast")]
    assert reason(burns) == "api burns its error budget fast"
    assert reason([*burns, Flip(probe="web", at=START, before=UP, after=DOWN)]).endswith(", web is down")
