"""Budgets that burn without anything ever being down: told once within minutes, and once when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest

from opsbot.evaluate.slo import Objective
from opsbot.model.probe import ProbeState
from opsbot.model.uptime import Flip, Sample
from opsbot.prober.book import Book
from opsbot.prober.burns import Burns
from opsbot.prober.wire import Found
from opsbot.probing import Probe
from opsbot.store.flips import flips
from opsbot.store.sql import SqlStore
from tests.daemon.parts import START
from tests.outbox.world import fresh
from tests.prober.parts import probe

MINUTE = timedelta(minutes=1)
UP, DEGRADED, DOWN, UNSURE = ProbeState.UP, ProbeState.DEGRADED, ProbeState.DOWN, ProbeState.UNSURE

State = Callable[[int], ProbeState]


def api(objective: Objective | None = None) -> Probe:
    return probe("api", "http://a.test/", every=30.0, timeout=5.0, slo=objective or Objective(target=0.999))


class Day:
    """A daemon's day with one probe, asked twice a minute and looked at every five, or `closely` each; `at` is how many
    minutes it is old."""

    def __init__(self, store: SqlStore, one: Probe) -> None:
        self.store, self.one, self.at, self.number = store, one, 0, 0
        self.moved, self.closely = timedelta(0), False
        self.begin()

    def begin(self) -> None:
        """A daemon that has just been started."""
        uptime = self.store.uptime()
        self.book, self.burns = Book(uptime), Burns(uptime, flips(self.store.engine, self.now - timedelta(days=7)))
        self.book.open([self.one])

    @property
    def now(self) -> datetime:
        return START + self.at * MINUTE + self.moved

    def pass_(self, minutes: int, state: State, seconds: float = 0.1) -> list[tuple[int, str]]:
        """What people heard of budgets, with the minute."""
        return [
            (self.at, flip.reason)
            for _ in range(minutes)
            for flip in self._minute(state, seconds)
            if "slo" in flip.reason
        ]

    def _minute(self, state: State, seconds: float) -> Iterator[Flip]:
        assert self.one.slo is not None
        for half in (0, 1):
            self.number += 1
            told = state(self.number)
            at = self.now + timedelta(seconds=30 * half)
            sample = Sample(probe="api", at=at, state=told, seconds=seconds, reason="" if told is UP else "http.status")
            self.book.take([Found(sample=sample)])
            self.burns.take([sample], {"api": self.one.slo})
        self.at += 1
        if self.at % 5 and not self.closely:
            return
        self.book.write()
        self.store.uptime().roll_up(self.now)
        self.book.note_burns(self.burns.look([self.one], self.book.standings, self.now))
        self.book.write()
        untold = self.store.uptime().untold()
        self.store.uptime().told(untold)
        yield from untold


@pytest.fixture
def store() -> Iterator[SqlStore]:
    opened = fresh()
    yield opened
    opened.close()


def well(number: int) -> ProbeState:
    return UP


def now_and_then(number: int) -> ProbeState:
    """Every tenth, so that no two in a row ever make it down."""
    return DOWN if number % 10 == 0 else UP


def seldom(number: int) -> ProbeState:
    """One in 120: 8 times too fast."""
    return DOWN if number % 120 == 0 else UP


def test_what_fails_now_and_then_is_told_once_and_so_is_its_end(store: SqlStore) -> None:
    day = Day(store, api())
    assert day.pass_(60, well) == []
    (begun,) = day.pass_(60, now_and_then)
    assert begun[1] == "slo.fast"
    assert 65 <= begun[0] <= 75, "two have failed by then"
    assert [standing.state for standing in day.book.standings.values()] == [UP], "it was never down"
    milder, over = day.pass_(240, well)
    assert (milder[1], over[1]) == ("slo.slow", "slo.over")
    assert 135 <= milder[0] <= 145, "three of its short windows"
    assert day.pass_(60, well) == []


def test_a_slow_burn_is_told_as_slow(store: SqlStore) -> None:
    day = Day(store, api())
    assert {reason for _, reason in day.pass_(300, seldom)} == {"slo.slow"}


@pytest.mark.parametrize(
    ("state", "seconds", "objective"),
    [
        pytest.param(lambda n: DOWN if n == 60 else UP, 0.1, None, id="one in hours is none"),
        pytest.param(lambda n: DEGRADED, 0.1, None, id="degraded answers"),
        pytest.param(lambda n: UNSURE if n % 3 == 0 else UP, 0.1, None, id="who could not look says nothing"),
        pytest.param(lambda n: DOWN if n >= 60 else UP, 0.1, None, id="what is down is told as that"),
        pytest.param(well, 0.9, Objective(target=0.999, latency=1.0), id="fast enough"),
    ],
)
def test_no_news(store: SqlStore, state: State, seconds: float, objective: Objective | None) -> None:
    assert Day(store, api(objective)).pass_(80, state, seconds) == []


def test_slow_answers_spend_a_budget_of_latency(store: SqlStore) -> None:
    day = Day(store, api(Objective(target=0.999, latency=1.0)))
    assert [reason for _, reason in day.pass_(30, well, seconds=1.5)] == ["slo.fast"]


def test_an_outage_that_is_over_is_not_told_again_as_a_budget(store: SqlStore) -> None:
    day = Day(store, api())
    day.pass_(60, well)
    day.closely = True
    assert day.pass_(20, lambda n: DOWN) == []
    assert [reason for _, reason in day.pass_(5, well)] == []


def test_a_daemon_that_was_restarted_tells_nothing_again_and_knows_its_end(store: SqlStore) -> None:
    day = Day(store, api())
    assert [reason for _, reason in day.pass_(40, now_and_then)] == ["slo.fast"]
    day.begin()
    assert day.pass_(40, now_and_then) == []
    day.begin()
    assert [reason for _, reason in day.pass_(240, well)] == ["slo.slow", "slo.over"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_tells_nothing(store: SqlStore, hours: int) -> None:
    day = Day(store, api())
    day.pass_(60, well)
    day.moved = timedelta(hours=hours)
    assert day.pass_(60, well) == []
    assert [reason for _, reason in day.pass_(40, now_and_then)] == ["slo.fast"]


def test_a_prober_that_cannot_look_has_seen_no_end(store: SqlStore) -> None:
    day = Day(store, api())
    assert [reason for _, reason in day.pass_(40, now_and_then)] == ["slo.fast"]
    assert day.pass_(120, lambda n: UNSURE) == []
