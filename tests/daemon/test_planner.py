"""Fires become rows: each once, late ones too, whatever the clock does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from opsbot.daemon.planner import LAG, Planner
from opsbot.model.run import Cause, Run, RunState
from opsbot.model.timetable import CatchUp, Clockwork, Timetable
from opsbot.store.sql import SqlStore
from opsbot.timetable import Due, due
from tests.daemon.parts import MINUTE, START, Clock, duty, timetable
from tests.outbox.world import fresh

DAILY = timetable("daily", "30 7 * * *")
WEEKLY = timetable("weekly", "0 8 * * FRI", catch_up_window=timedelta(days=7))
MINUTELY = timetable("often", "* * * * *")


class World:
    """A store, a clock that the test sets, and a planner of some jobs that has looked once."""

    def __init__(self, *timetables: Timetable) -> None:
        self.clock, self.store, self.rung = Clock(), fresh(), 0
        self.duty = duty(self.clock, *timetables)
        self.planner = Planner(self.duty, self.store.ledger(), self._ring)
        self.planner.sweep()

    def _ring(self) -> None:
        self.rung += 1

    def sweep_at(self, moment: datetime) -> list[tuple[str, str]]:
        """What is new after a sweep at this moment, oldest first: job and minutes after the start, state."""
        before = {run.id for run in self.store.runs(limit=1000)}
        self.clock.moment = moment
        self.planner.sweep()
        new = [run for run in self.store.runs(limit=1000) if run.id not in before]
        return [(f"{run.job} {(run.at - START) / MINUTE:g}", str(run.state)) for run in sorted(new, key=lambda r: r.at)]


def test_a_fire_is_queued_at_the_first_sweep_after_it_and_never_again() -> None:
    world = World(DAILY)
    assert world.sweep_at(START + 29 * MINUTE) == []
    assert world.sweep_at(START + 30 * MINUTE) == [("daily 30", "queued")]
    assert [world.sweep_at(START + (30 + n) * MINUTE) for n in range(5)] == [[]] * 5
    assert world.rung == 1


def test_what_passed_before_the_first_start_is_not_made_up_for() -> None:
    world = World(timetable("early", "0 6 * * *"))
    assert world.sweep_at(START + 15 * MINUTE) == []


def test_f26_after_eight_hours_of_sleep_each_missed_job_runs_once_and_the_weekly_report_is_not_dropped() -> None:
    world = World(DAILY, WEEKLY, timetable("hourly", "0 * * * *"))
    told = dict(world.sweep_at(START + 8 * 60 * MINUTE + MINUTE / 2))
    assert {what for what, state in told.items() if state == "queued"} == {"daily 30", "weekly 60", "hourly 480"}
    assert {state for what, state in told.items() if what.startswith("hourly") and what != "hourly 480"} == {"skipped"}
    late = {run.job: run for run in world.store.runs() if run.state is RunState.QUEUED}
    assert late["daily"].cause is Cause.CATCH_UP
    assert late["daily"].at == late["daily"].scheduled_for == START + 30 * MINUTE


@pytest.mark.parametrize(
    ("back", "id"), [(timedelta(minutes=1), "a minute"), (timedelta(hours=1), "an hour")], ids=lambda v: str(v)
)
def test_f23_a_clock_that_is_set_back_repeats_nothing(back: timedelta, id: str) -> None:
    world = World(MINUTELY)
    world.sweep_at(START + MINUTE)
    first = {run.id for run in world.store.runs()}
    again = [world.sweep_at(START + MINUTE - back + n * MINUTE / 2) for n in range(3)]
    assert again == [[], [], []]
    assert {run.id for run in world.store.runs()} == first


def test_f23_a_clock_that_jumps_a_month_ahead_makes_one_run_of_the_month() -> None:
    world = World(DAILY)
    told = world.sweep_at(START + timedelta(days=30, minutes=30))
    assert [what for what, state in told if state == "queued"] == ["daily 43230"]
    assert [state for _, state in told].count("skipped") == 30


def test_the_cursor_lags_so_that_an_idle_daemon_hardly_writes() -> None:
    world = World(DAILY)
    cursor = world.store.ledger().clockworks()["daily"].cursor
    world.sweep_at(START + LAG - MINUTE)
    assert world.store.ledger().clockworks()["daily"].cursor == cursor
    world.sweep_at(START + LAG + MINUTE)
    assert world.store.ledger().clockworks()["daily"].cursor == START + LAG + MINUTE


def test_settling_moves_every_cursor_so_that_a_job_switched_on_later_makes_up_for_nothing() -> None:
    world = World(replace(MINUTELY, enabled=False, catch_up=CatchUp.ALL))
    world.clock.moment = START + 3 * MINUTE
    world.planner.settle()
    world.duty.take_over(
        replace(world.duty.orders, timetables=(replace(MINUTELY, catch_up=CatchUp.ALL),)), world.duty.copy
    )
    assert world.sweep_at(START + 4 * MINUTE) == [("often 4", "queued")]


def test_a_draining_daemon_plans_nothing() -> None:
    world = World(DAILY)
    world.duty.drain()
    assert world.sweep_at(START + 30 * MINUTE) == []


def test_one_job_that_cannot_be_planned_keeps_no_other_from_it() -> None:
    clock, store = Clock(), fresh()

    def judge(timetable: Timetable, clockwork: Clockwork, now: datetime, last: Sequence[Run]) -> Due:
        if timetable.job == "a":
            raise ZeroDivisionError("a surprise")
        return due(timetable, clockwork, now, last)

    planner = Planner(duty(clock, replace(DAILY, job="a"), replace(DAILY, job="b")), store.ledger(), list, judge)
    for minutes in (0, 31):
        clock.moment = START + minutes * MINUTE
        with pytest.raises(ZeroDivisionError):
            planner.sweep()
    assert [run.job for run in store.runs()] == ["b"]


def test_a_job_that_failed_three_times_is_quarantined_by_what_the_ledger_remembers() -> None:
    world = World(MINUTELY)
    for n in range(1, 4):
        world.sweep_at(START + n * MINUTE)
        _fail_the_next(world.store, START + n * MINUTE)
    assert world.sweep_at(START + 4 * MINUTE) == [("often 4", "skipped")]


def _fail_the_next(store: SqlStore, now: datetime) -> None:
    run = store.ledger().claim("a", now, 30, {"often": MINUTELY.overlap})
    assert run is not None
    store.commit(replace(run, state=RunState.FAILED, finished_at=now), (), (), ())
