"""The Grid: rows of points on period borders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from opsbot.model.period import Period
from opsbot.samples import Grid, aligned

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


def grid(*rows: list[float]) -> Grid:
    return Grid(start=int(START.timestamp()), step=300, values=np.array(rows, dtype=np.float64))


def test_what_is_not_settled_is_cut_at_a_period_border() -> None:
    cut = grid([1, 2, 3, 4]).until(START + timedelta(minutes=14))
    assert cut.values.tolist() == [[1, 2]]


def test_cutting_beyond_the_end_keeps_all_and_before_the_start_nothing() -> None:
    whole = grid([1, 2])
    assert whole.until(START + timedelta(days=1)).values.shape == (1, 2)
    assert whole.until(START - timedelta(days=1)).values.shape == (1, 0)


def test_a_series_keeps_its_gaps() -> None:
    series = grid([1, np.nan, 3]).series(0, judged=2)
    assert series.values == (1.0, None, 3.0)
    assert series.judged == 2


def test_the_frame_is_long_sorted_and_has_no_gaps() -> None:
    frame = grid([1, np.nan], [3, 4]).frame(["b", "a"])
    assert frame["resource"].tolist() == ["a", "a", "b"]
    assert frame["value"].tolist() == [3.0, 4.0, 1.0]
    assert str(frame["time"].dt.tz) == "UTC"


def test_a_window_is_rounded_to_whole_periods() -> None:
    window = Period(start=START + timedelta(minutes=1), end=START + timedelta(minutes=29))
    assert aligned(window, 300) == (int(START.timestamp()), 5)


@pytest.mark.parametrize("values", [np.zeros(3), np.zeros((1, 2), dtype=np.int64)])
def test_anything_but_a_float_matrix_is_refused(values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="float64 matrix"):
        Grid(start=0, step=300, values=values)
