"""What a node's own past errors say about how much excess is still chance.

For each horizon the mean excess of a settled day's window over what was expected, relative to it, is kept for 130 days.
From it: middle, spread, and a limit extrapolated from the upper tenth, because cost errors lean to the right.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.cost.tree import Rows
from opsbot.samples import Values

# (days back to the base, days averaged): one day, two, three .. and a week against the base of a month ago.
HORIZONS = ((1, 1), (2, 2), (3, 3), (5, 4), (8, 7), (15, 7), (29, 7))
HISTORY, GRACE, FEWEST, FIRM = 130, 3, 20, 60
RARE = 1 / 3000
ABOVE_MOST = 1.25
RECENT, CLEARLY, QUICK = 42, 0.6, 3
# Rows whose single days are usually off by this much and more: their past is a poor guide to what they can do.
WILD, ERRATIC = 0.4, 0.6


@dataclass(slots=True)
class Errors:
    """A ring of past errors, horizons x rows x days, and what was read from it last; infinite while unknown."""

    _kept: NDArray[np.float32] = field(default_factory=lambda: np.full((len(HORIZONS), 0, HISTORY), np.nan, np.float32))
    _next: int = 0
    middle: Values = field(default_factory=lambda: np.zeros((len(HORIZONS), 0)))
    spread: Values = field(default_factory=lambda: np.zeros((len(HORIZONS), 0)))
    tail: Values = field(default_factory=lambda: np.zeros((len(HORIZONS), 0)))
    most: Values = field(default_factory=lambda: np.zeros((len(HORIZONS), 0)))

    def grow(self, rows: int) -> None:
        more = rows - self.middle.shape[1]
        if more <= 0:
            return
        shape = (len(HORIZONS), more)
        self._kept = np.concatenate([self._kept, np.full((*shape, HISTORY), np.nan, np.float32)], axis=1)
        self.middle = np.concatenate([self.middle, np.zeros(shape)], axis=1)
        self.spread = np.concatenate([self.spread, np.full(shape, np.inf)], axis=1)
        self.tail = np.concatenate([self.tail, np.full(shape, np.inf)], axis=1)
        self.most = np.concatenate([self.most, np.full(shape, np.inf)], axis=1)

    def put(self, relative: Values) -> None:
        """One settled day, horizons x rows; NaN where the day must not count."""
        self._kept[:, :, self._next] = relative
        self._next = (self._next + 1) % HISTORY

    def read(self, horizon: int, distinct: Rows, same: Rows) -> None:
        """Refresh what is known of one horizon; rows with fewer than 20 days stay unknown.

        `distinct` are the rows to read, `same` the place among them of each row that is the same series.
        """
        # A slow leak would teach its own limit: what the horizon itself still reaches is not yet the past.
        recent = (self._next - 1 - np.arange(HORIZONS[horizon][0] + GRACE)) % HISTORY
        kept = self._kept[horizon, distinct]
        kept[:, recent] = np.nan
        count = np.isfinite(kept).sum(axis=1)
        rows = np.flatnonzero(count >= FEWEST)
        ordered, size = np.sort(kept[rows], axis=1).astype(np.float64), count[rows]
        at = np.arange(len(rows))
        middle = ordered[at, (size - 1) // 2]
        off = np.sort(np.abs(ordered - middle[:, None]), axis=1)
        upper = ordered[at, (0.84 * size).astype(np.int64)] - middle
        most = ordered[at, size - 1] - middle
        spread = np.maximum(1.4826 * off[at, (size - 1) // 2], upper)
        calmer = self._calmer(horizon, distinct[rows], middle, spread)
        known = np.full((4, len(distinct)), np.inf)
        known[0] = 0.0
        known[:, rows] = (
            middle,
            spread * calmer,
            np.maximum(_extrapolated(ordered, size) - middle, ABOVE_MOST * most) * calmer,
            np.where(size >= FIRM, most, np.inf),
        )
        self.middle[horizon], self.spread[horizon], self.tail[horizon], self.most[horizon] = known[:, same]

    def _calmer(self, horizon: int, rows: Rows, middle: Values, spread: Values) -> Values:
        """Less than 1 where the last six weeks were clearly calmer than the past: what was wild in spring is calm now.

        A row that is erratic by nature has quiet weeks, too: 1. Windows of several days overlap and say too little in six weeks: 1.
        """
        if HORIZONS[horizon][0] > QUICK:
            return np.ones(len(rows))
        reach = HORIZONS[horizon][0] + GRACE
        weeks = (self._next - 1 - np.arange(reach, reach + RECENT)) % HISTORY
        off = np.sort(np.abs(self._kept[horizon][np.ix_(rows, weeks)].astype(np.float64) - middle[:, None]), axis=1)
        count = np.isfinite(off).sum(axis=1)
        now = 1.4826 * off[np.arange(len(rows)), np.maximum((count - 1) // 2, 0)]
        ratio = np.where((count >= FEWEST) & (spread < ERRATIC), now / np.maximum(spread, 1e-9), 1.0)
        calmer: Values = np.clip(np.nan_to_num(ratio, nan=1.0) / CLEARLY, 0.2, 1.0)
        return calmer


def _extrapolated(ordered: Values, size: NDArray[np.int64]) -> Values:
    """The error exceeded once in 1 / RARE days, if the upper tenth goes on as it began (exponentially)."""
    cut = np.minimum((0.9 * size).astype(np.int64), size - 1)
    edge = ordered[np.arange(len(size)), cut]
    column = np.arange(ordered.shape[1])[None, :]
    beyond = (column > cut[:, None]) & (column < size[:, None])
    mean = np.where(beyond, ordered - edge[:, None], 0.0).sum(axis=1) / np.maximum(size - 1 - cut, 1)
    reach: Values = edge + mean * np.log(0.1 / RARE)
    return reach
