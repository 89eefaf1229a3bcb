"""Runs from the ledger to their end: what follows of each way in which an attempt can end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from opsbot.daemon.running import LEASE, Running
from opsbot.errors import StoreError
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import Clockwork, Overlap
from opsbot.ports import Ledger
from tests.daemon.parts import MINUTE, SECOND, START, Children, Clock, duty, timetable, worker
from tests.outbox.world import fresh


class World:
    """One daemon's runs, a job that may be tried twice, and a fire of it that is queued."""

    def __init__(self, fires: int = 1, **rules: object) -> None:
        told: dict[str, object] = {"overlap": Overlap.ALLOW, "retries": 1, "retry_after": MINUTE}
        self.timetable = timetable(**told | rules)
        self.clock, self.store, self.children = Clock(), fresh(), Children()
        self.ledger = self.store.ledger()
        self.duty = duty(self.clock, self.timetable, parallel=2)
        self.line = Line(self.ledger)
        self.running = Running(self.duty, self.line, self.children, steady=self.clock.steady)  # type: ignore[arg-type]
        self.ledger.plan(Clockwork(job="health", cursor=START), [fire(n) for n in range(fires)])

    def run(self, id: str = "run-0") -> Run:
        found = self.store.run(id)
        assert found is not None
        return found

    def pass_(self, length: timedelta) -> None:
        self.clock.pass_(length.total_seconds())


class Line:
    """The way to the ledger; while it is cut nothing gets through."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self.cut = ledger, False

    def __getattr__(self, name: str) -> object:
        if self.cut:
            raise StoreError("the disk is full")
        return getattr(self._ledger, name)


def fire(n: int, **changes: object) -> Run:
    told: dict[str, object] = {"state": RunState.QUEUED, "cause": Cause.SCHEDULE, "attempt": 0}
    at = START + n * SECOND
    return Run(id=f"run-{n}", job="health", queued_at=at, at=at, scheduled_for=at, **told | changes)  # type: ignore[arg-type]


def test_no_more_than_parallel_run_at_once_and_the_oldest_go_first() -> None:
    world = World(fires=3)
    world.pass_(MINUTE)
    world.running.dispatch()
    assert sorted(world.children.at_work) == ["run-0", "run-1"]
    world.children.end("run-0", None)
    world.running.collect(0)
    world.running.dispatch()
    assert sorted(world.children.at_work) == ["run-1", "run-2"]


def test_a_run_that_committed_its_own_end_keeps_it_and_gets_what_it_used() -> None:
    world = World()
    world.running.dispatch()
    world.store.commit(replace(world.run(), state=RunState.SUCCEEDED, finished_at=START, verdict="ok"), (), (), ())
    world.children.end("run-0", None)
    assert world.running.collect(0)
    ended = world.run()
    assert (ended.state, ended.verdict, ended.cpu_seconds, ended.peak_rss) == (RunState.SUCCEEDED, "ok", 0.5, 1 << 20)


def test_a_run_that_failed_is_tried_again_after_its_wait_and_then_given_up() -> None:
    world = World()
    world.running.dispatch()
    world.children.end("run-0", RunState.FAILED, "exit code 1")
    world.running.collect(0)
    again = world.run()
    assert (again.state, again.not_before, again.reason) == (RunState.QUEUED, START + MINUTE, "exit code 1")
    world.running.dispatch()
    assert not world.children.at_work
    world.pass_(MINUTE)
    world.running.dispatch()
    world.children.end("run-0", RunState.TIMED_OUT, "ended at its deadline")
    world.running.collect(0)
    assert [(run.id, state, why) for run, state, why in world.children.given_up] == [
        ("run-0", RunState.TIMED_OUT, "ended at its deadline; 2 attempts were made")
    ]


def test_what_tells_of_the_end_is_not_tried_again_itself() -> None:
    world = World(retries=0)
    world.running.dispatch()
    world.children.end("run-0", RunState.FAILED, "exit code 1")
    world.running.collect(0)
    world.children.end("run-0", RunState.FAILED, "exit code 1", given_up=True)
    world.running.collect(0)
    assert (world.run().state, len(world.children.given_up)) == (RunState.FAILED, 1)


def test_a_cancelled_run_ends_so_and_nobody_is_told() -> None:
    world = World()
    world.running.dispatch()
    world.ledger.cancel("run-0", "not today", world.clock.moment)
    world.running.beat()
    assert world.children.cancelled == [("run-0", "not today")]
    world.children.end("run-0", RunState.CANCELLED, "not today")
    world.running.collect(0)
    assert (world.run().state, world.run().reason, world.children.given_up) == (RunState.CANCELLED, "not today", [])


def test_f28_what_still_runs_at_the_end_is_handed_back_and_may_begin_at_once_elsewhere() -> None:
    world = World(retries=0)
    world.running.dispatch()
    world.duty.drain()
    assert world.running.stop(SECOND) == 1
    handed = world.run()
    assert (handed.state, handed.not_before) == (RunState.QUEUED, world.clock.moment)
    assert handed.reason.startswith("interrupted")
    other = world.ledger.claim("b", world.clock.moment, 30, {"health": Overlap.SKIP})
    assert other is not None
    assert other.attempt == 2


def test_a_draining_daemon_takes_nothing_and_says_so() -> None:
    world = World()
    world.duty.drain()
    world.running.dispatch()
    world.running.beat()
    assert world.run().state is RunState.QUEUED
    assert [w.draining for w in world.ledger.workers(START)] == [True]


def test_a_ledger_out_of_reach_is_told_once_it_is_back() -> None:
    world = World()
    world.running.dispatch()
    world.children.end("run-0", RunState.FAILED, "exit code 1")
    world.line.cut = True
    with pytest.raises(StoreError):
        world.running.collect(0)
    assert world.run().state is RunState.RUNNING
    world.line.cut = False
    assert world.running.collect(0)
    assert world.run().state is RunState.QUEUED


def test_f23_ones_own_runs_survive_a_clock_that_jumps_past_their_lease() -> None:
    world = World()
    world.running.dispatch()
    world.clock.moment += timedelta(days=30)
    world.running.beat()
    assert world.run().state is RunState.RUNNING
    assert world.run().lease_until == world.clock.moment + LEASE


def other_died(world: World, attempt: int = 1) -> None:
    """Another daemon took the run, and is silent since."""
    for _ in range(attempt):
        taken = world.ledger.claim("b", world.clock.moment, 30, {"health": Overlap.ALLOW})
        assert taken is not None
    world.ledger.beat(worker("b", world.clock.moment), {"run-0": attempt}, 30)


def watch(world: World, length: timedelta) -> None:
    """Beat every ten seconds for so long; both clocks pass."""
    for _ in range(int(length / (10 * SECOND))):
        world.pass_(10 * SECOND)
        world.running.beat()


def test_the_run_of_a_daemon_that_died_is_taken_up_again() -> None:
    world = World()
    other_died(world)
    watch(world, 20 * SECOND)
    assert world.run().state is RunState.RUNNING
    watch(world, 30 * SECOND)
    lost = world.run()
    assert (lost.state, lost.attempt) == (RunState.QUEUED, 1)
    assert lost.reason == "lost: its worker b was not heard of any more"
    world.pass_(MINUTE)
    world.running.dispatch()
    assert world.children.at_work["run-0"].attempt == 2


def test_one_that_was_lost_as_often_as_it_may_be_is_told_of_and_not_cancelled_by_the_next_beat() -> None:
    world = World(catch_up_window=30 * SECOND)
    other_died(world)
    watch(world, 90 * SECOND)
    assert [(run.id, state) for run, state, _ in world.children.given_up] == [("run-0", RunState.LOST)]
    assert world.children.cancelled == []


def test_f23_a_replica_whose_clock_runs_an_hour_ahead_takes_nothing_from_the_living() -> None:
    world = World()
    other_died(world)
    world.clock.moment += timedelta(hours=1)
    for n in range(12):
        # The other one lives, an hour behind.
        beat = worker("b", world.clock.moment - timedelta(hours=1) + n * SECOND)
        world.ledger.beat(beat, {"run-0": 1}, 30)
        watch(world, 10 * SECOND)
    assert world.run().state is RunState.RUNNING
    assert world.run().owner == "b"
