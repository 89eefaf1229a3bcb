"""Points at odd moments become one value a day."""

from __future__ import annotations

import math

import numpy as np
import pytest

from opsbot.evaluate.trend import daily, outlook

DAY = 86_400.0
NAN = math.nan


@pytest.mark.parametrize(
    ("seconds", "values", "start", "row"),
    [
        pytest.param([], [], 0, [], id="nothing"),
        pytest.param([5.0], [7.0], 0, [7.0], id="one point"),
        pytest.param([DAY + 5], [7.0], 86_400, [7.0], id="starts at midnight"),
        pytest.param([1.0, 2.0, 3.0], [1.0, 9.0, 2.0], 0, [2.0], id="the median of a day"),
        pytest.param([3 * DAY, 0.0], [4.0, 1.0], 0, [1.0, NAN, NAN, 4.0], id="any order, with a gap"),
        pytest.param([0.0, DAY, 2 * DAY], [1.0, NAN, 3.0], 0, [1.0, NAN, 3.0], id="a point that is none"),
        pytest.param([0.0, math.inf], [1.0, 2.0], 0, [1.0], id="a moment that is none"),
        pytest.param([0.0, DAY], [math.inf, 2.0], 86_400, [2.0], id="an infinite point is none"),
    ],
)
def test_one_value_a_day(seconds: list[float], values: list[float], start: int, row: list[float]) -> None:
    first, days = daily(np.array(seconds), np.array(values))
    assert first == start
    assert np.array_equal(days, np.array(row), equal_nan=True)


def test_irregular_steps_give_the_same_date() -> None:
    random = np.random.default_rng(2)
    seconds = np.sort(random.uniform(0, 180 * DAY, 700))
    _, days = daily(seconds, 100 + seconds / DAY)
    found = outlook(days, limit=330.0)
    assert found.day is not None
    assert abs(found.day - 51) <= 3
