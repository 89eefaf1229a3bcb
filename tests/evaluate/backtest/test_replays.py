"""Replays see the past and no more, and say of each forecast what came of it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from opsbot.evaluate.backtest import Came, replay_capacity, replay_cost, replay_metric
from opsbot.evaluate.cost import Charge, Leaf, Sensitivity
from opsbot.evaluate.seasonal import Sensitivity as Usual
from opsbot.evaluate.trend import outlook
from opsbot.samples import Values

FIRST = date(2025, 1, 10)
LEAF = Leaf("prod", "Amazon Relational Database Service", "eu-central-1", "InstanceUsage:db.r6g.xlarge")


def line(days: int, begin: float, slope: float) -> Values:
    return begin + slope * np.arange(days) + np.random.default_rng(1).normal(0, 0.5, days)


def stopped(days: int, begin: float, slope: float, at: int) -> Values:
    """Rises until a day, and never again."""
    whole = line(days, begin, slope)
    whole[at:] = whole[at - 1] + np.random.default_rng(2).normal(0, 0.5, days - at)
    return whole


@pytest.mark.parametrize(
    ("values", "limit", "came"),
    [
        pytest.param(line(200, 20, 0.4), 90, {"2025-03-31": Came.HIT, "2025-05-31": Came.HIT}, id="a straight line is met"),
        pytest.param(line(200, 50, 0.0), 90, {"2025-02-28": Came.HIT, "2025-06-30": Came.OPEN}, id="silence about a flat line is right"),
        pytest.param(stopped(400, 20, 0.4, 100), 90, {"2025-03-31": Came.LATER}, id="it stopped rising"),
        pytest.param(np.r_[line(70, 50, 0.0), np.full(60, 95.0)], 90, {"2025-02-28": Came.SOONER, "2025-03-31": Came.OVER}, id="a leap nobody saw"),
    ],
)  # fmt: skip
def test_what_came_of_what_was_said(values: Values, limit: float, came: dict[str, Came]) -> None:
    track = replay_capacity(FIRST, values, limit)
    told = {one.made.isoformat(): one.came for one in track.said}
    assert {day: told[day] for day in came} == came


def test_a_forecast_is_what_the_job_would_have_said_that_day() -> None:
    values = line(120, 20, 0.4)
    track = replay_capacity(FIRST, values, 90)
    assert [one.made.day for one in track.said[:-1]] == [31, 28, 31, 30]
    for one in track.said:
        assert one.outlook == outlook(values[: (one.made - FIRST).days + 1], limit=90)
    later = replay_capacity(FIRST, np.r_[values, np.full(50, 500.0)], 90)
    assert [one.outlook for one in later.said[:4]] == [one.outlook for one in track.said[:4]]


@pytest.mark.parametrize("days", [1, 13])
def test_too_short_a_record_says_nothing(days: int) -> None:
    track = replay_capacity(FIRST, line(days, 20, 1), 90)
    assert (track.said, track.brier_30d, track.brier_90d) == ((), None, None)


def test_odds_are_held_against_what_happened() -> None:
    track = replay_capacity(FIRST, line(300, 20, 0.3), 80)
    assert track.brier_30d is not None
    assert track.brier_30d < 0.05
    over = [one for one in track.said if one.came is Came.OVER]
    assert {one.reached for one in over if one.in_30d} <= {
        one.made + timedelta(days=n) for one in over for n in range(1, 31)
    }


def test_a_metric_is_judged_in_order_whatever_order_it_came_in() -> None:
    times = np.arange(0, 8 * 86400, 300, dtype=np.int64)
    values = 50 + 10 * np.sin(times / 86400 * 2 * np.pi) + np.random.default_rng(3).normal(0, 1, times.size)
    values[2000:2012] += 90
    shuffled = np.random.default_rng(4).permutation(times.size)
    replay = replay_metric(times, values, Usual())
    assert [one.time // 300 for one in replay.anomalies] == [2000]
    assert replay_metric(times[shuffled], values[shuffled], Usual()) == replay
    twice = replay_metric(np.r_[times, times[:5]], np.r_[values, values[:5]], Usual())
    assert (twice.anomalies, twice.repeated) == (replay.anomalies, 5)


def charges(extra: dict[int, float], days: int = 112) -> list[Charge]:
    amount = 100 + np.random.default_rng(5).normal(0, 2, days)
    usual = [
        Charge(day=FIRST + timedelta(days=n), leaf=LEAF, amount=float(amount[n]) + extra.get(n, 0.0))
        for n in range(days)
    ]
    other = Leaf("prod", "Amazon Simple Storage Service", "eu-central-1", "TimedStorage-ByteHrs")
    return [*usual, *(Charge(day=one.day, leaf=other, amount=50.0) for one in usual)]


def quiet(label: str, done: int, total: int) -> None:
    assert 0 < done <= total


def test_a_bill_is_told_on_the_morning_after_and_closed_when_it_is_over() -> None:
    replay = replay_cost(charges(dict.fromkeys(range(100, 106), 150.0)), Sensitivity(), quiet)
    (alarm,) = replay.alarms
    assert alarm.told[0] == FIRST + timedelta(days=101)
    assert alarm.anomaly.start == FIRST + timedelta(days=100)
    assert alarm.closed is not None
    assert FIRST + timedelta(days=106) < alarm.closed <= FIRST + timedelta(days=110)
    assert 700 < alarm.anomaly.impact < 1000


def test_a_bill_says_nothing_while_it_learns_and_nothing_of_nothing() -> None:
    assert replay_cost(charges({}), Sensitivity(), quiet).alarms == ()
    early = replay_cost(charges(dict.fromkeys(range(30, 33), 500.0), days=50), Sensitivity(), quiet)
    assert (early.alarms, early.mornings) == ((), 0)
