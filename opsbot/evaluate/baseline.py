"""Measured against itself: the same hour of the last four weeks, so that a quiet Sunday is no alarm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from opsbot.samples import Grid, Values

WEEK = timedelta(weeks=1)
FEWEST = 2


@dataclass(frozen=True, slots=True)
class Compared:
    """`percent` of the baseline and the baseline itself, both on the grid's last columns; NaN where it is not known."""

    percent: Grid
    baseline: Values


def compare(grid: Grid, weeks: int, columns: int) -> Compared:
    """The last `columns` columns as percent of the mean of the same time in the `weeks` weeks before them (UTC).

    A missing week is left out of the mean; with fewer than two of them, or a mean of zero, nothing is known.
    The grid must reach back `weeks` weeks before those columns; what lies before its start counts as missing.
    """
    width = grid.values.shape[1]
    columns = min(columns, width)
    now = grid.values[:, width - columns :]
    with np.errstate(divide="ignore", invalid="ignore"):
        baseline = _mean(grid, weeks, columns)
        percent = np.where(baseline == 0, np.nan, now / baseline * 100.0)
    start = grid.start + (width - columns) * grid.step
    return Compared(Grid(start=start, step=grid.step, values=percent), baseline)


def _mean(grid: Grid, weeks: int, columns: int) -> Values:
    shift = int(WEEK.total_seconds()) // grid.step
    past = np.stack([_earlier(grid.values, shift * week, columns) for week in range(1, weeks + 1)])
    real = ~np.isnan(past)
    count = real.sum(axis=0)
    total = np.where(real, past, 0.0).sum(axis=0)
    mean: Values = np.where(count >= min(FEWEST, weeks), total / count, np.nan)
    return mean


def _earlier(values: Values, shift: int, columns: int) -> Values:
    """The columns that lie `shift` before the last ones; NaN where the matrix begins later."""
    rows, width = values.shape
    wanted = np.arange(width - columns - shift, width - shift)
    picked: Values = np.full((rows, columns), np.nan)
    there = wanted >= 0
    picked[:, there] = values[:, wanted[there]]
    return picked
