"""What is told of strange points: the right way, large enough, no more than the budget, in words for people."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from opsbot.evaluate.seasonal import Anomaly, Direction, Sensitivity, Watched, sentence, threshold, watch
from tests.evaluate.seasonal.series import DAY, MONDAY, row, season, times


def wild(days: float, step: int = 1800) -> np.ndarray:
    """A series that is often strange: a calm level with leaps of any size."""
    size = int(days * DAY // step)
    return np.exp(np.clip(np.random.default_rng(3).standard_t(2, size=size), -8, 8)) * 10


def told(values: np.ndarray, days: float = 14, **how: object) -> list[int]:
    anomalies, _ = watch(Watched(), times(days), values, Sensitivity(**how))
    return [(anomaly.time - MONDAY) // 300 for anomaly in anomalies]


def with_spikes(factor: float, *, every: float = 3.0, days: float = 14) -> np.ndarray:
    values = season(days)
    for day in np.arange(8.4, days, every):
        values[row(day)] *= factor
    return values


@pytest.mark.parametrize(
    ("factor", "how", "expected"),
    [
        pytest.param(2.0, {}, True, id="twice the usual"),
        pytest.param(2.0, {"direction": Direction.UP}, True, id="up, when up is asked"),
        pytest.param(2.0, {"direction": Direction.DOWN}, False, id="up, when down is asked"),
        pytest.param(0.2, {"direction": Direction.DOWN}, True, id="down, when down is asked"),
        pytest.param(0.2, {"direction": Direction.UP}, False, id="down, when up is asked"),
        pytest.param(1.5, {"min_effect": 0.4}, True, id="half as much again, of 40 % asked"),
        pytest.param(1.5, {"min_effect": 0.8}, False, id="half as much again, of 80 % asked"),
        pytest.param(2.0, {"min_change": 500.0}, False, id="twice, but not 500 more"),
        pytest.param(2.0, {"alerts_per_month": 0}, False, id="no budget at all"),
    ],
)
def test_what_is_told(factor, how, expected):
    assert (row(8.4) in told(with_spikes(factor), **how)) is expected


def test_nothing_is_told_in_the_first_two_days():
    values = season(14)
    values[row(1.4)] *= 4
    assert row(1.4) not in told(values)


@pytest.mark.parametrize("budget", [1, 2, 4])
def test_never_more_in_a_month_than_the_budget(budget):
    anomalies, _ = watch(Watched(), times(90, 1800), wild(90), Sensitivity(alerts_per_month=budget))
    at = [anomaly.time for anomaly in anomalies]
    assert max(sum(0 <= later - first < 30 * DAY for later in at) for first in at) <= budget


def test_the_threshold_rises_on_a_series_that_is_often_strange():
    of = {}
    for name, values in (("calm", season(56, step=1800)), ("wild", wild(56))):
        _, watched = watch(Watched(), times(56, 1800), values, Sensitivity())
        of[name] = threshold(watched, MONDAY + 56 * DAY, Sensitivity())
    assert of["wild"] > of["calm"] >= 0.5


def test_a_watched_series_goes_on_where_it_stopped_and_the_one_given_stays():
    values, at = with_spikes(2.0), times(14)
    whole, last = watch(Watched(), at, values, Sensitivity())
    first, middle = watch(Watched(), at[:2700], values[:2700], Sensitivity())
    second, end = watch(middle, at[2700:], values[2700:], Sensitivity())
    assert first + second == whole
    assert end == last
    assert watch(middle, at[2700:], values[2700:], Sensitivity())[0] == second


def anomaly(**changes: object) -> Anomaly:
    plain = {
        "time": MONDAY + DAY + 9 * 3600,
        "value": 310.0,
        "score": 0.7,
        "threshold": 0.5,
        "usual": 100.0,
        "weekday": True,
        "record": 14 * DAY,
        "known": 14 * DAY,
    }
    return Anomaly(**{**plain, **changes})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "highest in 14 days, 3.1x the usual Tuesday 09:00 UTC"),
        ({"record": 3600}, "3.1x the usual Tuesday 09:00 UTC"),
        ({"weekday": False}, "highest in 14 days, 3.1x the usual 09:00 UTC"),
        ({"value": 40.0}, "lowest in 14 days, 60 % under the usual Tuesday 09:00 UTC"),
        ({"value": 140.0}, "highest in 14 days, 40 % over the usual Tuesday 09:00 UTC"),
        ({"value": 4500.0, "record": 3 * DAY}, "highest in 3 days, 45x the usual Tuesday 09:00 UTC"),
        ({"usual": 0.0}, "highest in 14 days, against 0 on a usual Tuesday 09:00 UTC"),
        ({"usual": 0.0, "weekday": False}, "highest in 14 days, against 0 usually at 09:00 UTC"),
        ({"value": -5.0}, "lowest in 14 days, against 100 on a usual Tuesday 09:00 UTC"),
        ({"value": -140.0, "usual": -100.0}, "lowest in 14 days, 40 % over the usual Tuesday 09:00 UTC"),
    ],
)
def test_words(changes, expected):
    assert sentence(anomaly(**changes)) == expected


def test_words_are_in_the_zone_of_those_who_read_them():
    assert sentence(anomaly(record=0), ZoneInfo("Europe/Berlin")) == "3.1x the usual Tuesday 10:00"


def test_the_whole_story_of_a_doubled_noon():
    values = season(21)
    at_noon = row(17.5)
    values[at_noon] *= 3
    found, _ = watch(Watched(), times(21), values, Sensitivity())
    (one,) = [anomaly for anomaly in found if anomaly.time == MONDAY + at_noon * 300]
    assert one.up
    assert one.weekday
    assert one.score > one.threshold >= 0.5
    assert sentence(one) == "highest in 14 days, 2.9x the usual Thursday 12:00 UTC"
