"""The same hour of the weeks before, with weeks missing."""

from __future__ import annotations

import numpy as np
import pytest

from opsbot.evaluate.baseline import compare
from opsbot.samples import Grid
from tests.series import points

WEEK = 168


def hourly(*weeks: str, now: str) -> Grid:
    """Four weeks, each one number for all of its hours or _, and then the hours judged."""
    row = [np.full(WEEK, points(week)[0]) for week in weeks]
    judged = points(now)
    # The weeks are shifted so that they end where the last hours begin.
    return Grid(start=0, step=3600, values=np.concatenate([*row, judged])[None, :])


@pytest.mark.parametrize(
    ("weeks", "now", "percent", "baseline"),
    [
        pytest.param("100 100 100 100", "50", 50.0, 100.0, id="half of the usual"),
        pytest.param("80 120 90 110", "10", 10.0, 100.0, id="the mean of four weeks"),
        pytest.param("100 _ 200 _", "75", 50.0, 150.0, id="two weeks are enough"),
        pytest.param("_ 100 _ _", "75", np.nan, np.nan, id="one week tells nothing"),
        pytest.param("_ _ _ _", "75", np.nan, np.nan, id="no week at all"),
        pytest.param("0 0 0 0", "75", np.nan, 0.0, id="nothing was usual: no share of it"),
        pytest.param("100 100 100 100", "_", np.nan, 100.0, id="nothing measured now"),
        pytest.param("100 100 100 100", "0", 0.0, 100.0, id="nothing at all happens now"),
    ],
)
def test_share_of_the_usual(weeks: str, now: str, percent: float, baseline: float) -> None:
    compared = compare(hourly(*weeks.split(), now=now), 4, 1)
    assert np.array_equal(compared.percent.values, [[percent]], equal_nan=True)
    assert np.array_equal(compared.baseline, [[baseline]], equal_nan=True)


def test_each_hour_is_compared_with_its_own() -> None:
    day = np.where(np.arange(24) < 8, 10.0, 100.0)
    grid = Grid(start=0, step=3600, values=np.concatenate([np.tile(day, 28), day / 2])[None, :])
    compared = compare(grid, 4, 24)
    assert compared.percent.values.tolist() == [[50.0] * 24]
    assert compared.percent.start == 28 * 24 * 3600


def test_history_that_does_not_reach_back_counts_as_missing() -> None:
    grid = Grid(start=0, step=3600, values=np.full((1, 2 * WEEK + 1), 10.0))
    assert compare(grid, 4, 1).percent.values.tolist() == [[100.0]]
    short = Grid(start=0, step=3600, values=np.full((1, WEEK + 1), 10.0))
    assert np.isnan(compare(short, 4, 1).percent.values).all()
