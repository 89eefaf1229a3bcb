"""The one shape of measured points, from the moment they leave AWS to the moment they are judged or drawn.

A Grid is `resources x moments`: CloudWatch's points stand on period borders, so a rectangle of float64 holds them in
8 bytes a point and every rule is one numpy expression over it. NaN is "no datum". `frame()` gives the long pandas
form (time, resource, value) that job files work with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from opsbot.model.finding import Series
from opsbot.model.period import Period, epoch, from_epoch

if TYPE_CHECKING:
    import pandas as pd

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """`values[i, j]` is what row i measured in [start + j*step, start + (j+1)*step); seconds; NaN where nothing was."""

    start: int
    step: int
    values: Values

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.dtype != np.float64:
            raise ValueError(f"a grid holds a float64 matrix, got {self.values.ndim} axes of {self.values.dtype}")

    @property
    def times(self) -> NDArray[np.int64]:
        return self.start + self.step * np.arange(self.values.shape[1], dtype=np.int64)

    @property
    def period(self) -> timedelta:
        return timedelta(seconds=self.step)

    def rows(self, picked: Sequence[int]) -> Grid:
        return Grid(start=self.start, step=self.step, values=self.values[list(picked)])

    def until(self, moment: datetime) -> Grid:
        """Without the points whose period ends after `moment`: what is settled by then."""
        kept = max(0, min(self.values.shape[1], (epoch(moment) - self.start) // self.step))
        return Grid(start=self.start, step=self.step, values=self.values[:, :kept])

    def series(self, row: int, judged: int) -> Series:
        # NaN is the one value that differs from itself; a call a point would be the dearest part of a breaching row.
        values = tuple(None if value != value else value for value in self.values[row].tolist())
        times = range(self.start, self.start + self.step * len(values), self.step)
        return Series(times=times, values=values, judged=judged)

    def frame(self, names: Sequence[str]) -> pd.DataFrame:
        """Long form: `time` (UTC), `resource`, `value`; sorted by resource and time, no NaN."""
        import pandas as pd

        width = self.values.shape[1]
        table: Any = pd.DataFrame(
            {
                "time": pd.to_datetime(np.tile(self.times, len(names)), unit="s", utc=True),
                "resource": np.repeat(np.asarray(names, dtype=object), width),
                "value": self.values.ravel(),
            }
        )
        return table.dropna(subset=["value"]).sort_values(["resource", "time"], ignore_index=True)


def aligned(period: Period, step: int) -> tuple[int, int]:
    """(start, count) of the whole periods of a stretch: both its ends rounded down, so that no half point is asked."""
    start = epoch(period.start) // step * step
    return start, max(0, (epoch(period.end) // step * step - start) // step)


def moment(grid: Grid, column: int) -> datetime:
    return from_epoch(grid.start + column * grid.step)
