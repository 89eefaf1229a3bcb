"""What a day should have cost: a level, the shape of the week, and what is left of yesterday's surprise.

The week's shape is what an account's leaves have in common (one profile, each with its own strength) plus what a leaf
has of its own and proves: with eight weeks at hand a single leaf's weekday factors are too noisy to be believed alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opsbot.evaluate.cost.tree import Rows
from opsbot.samples import Values

WEEKS = 8
LONG, MIDDLE, SHORT = 28, 14, 5
FEWEST = 21
# What remains of one day's surprise on the next: daily costs lean on the day before.
CARRY, CARRY_LIMIT = 0.35, 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What is known at the end of a day: enough to say what later days should cost, by row."""

    day: int
    level: Values
    week: Values
    carry: Values
    scale: Values

    def expected(self, days: Rows, rows: int) -> Values:
        """Rows x days; rows that came after this day are expected to cost nothing."""
        ahead = (days - self.day).astype(np.float64)
        lean = self.carry[:, None] * CARRY ** ahead[None, :]
        known: Values = np.maximum((self.level[:, None] + lean) * self.week[:, weekday(days)], 0.0)
        return known if len(known) == rows else np.vstack([known, np.zeros((rows - len(known), len(days)))])

    def spread(self, same: Rows) -> Base:
        """Known by distinct series, wanted by row: `same` is each row's series."""
        parts = {"level": self.level, "week": self.week, "carry": self.carry, "scale": self.scale}
        return Base(day=self.day, **{name: part[same] for name, part in parts.items()})


def weekday(days: Rows) -> Rows:
    """Monday is 0; a day is a proleptic ordinal, and ordinal 1 is a Monday."""
    return (days - 1) % 7


def week_shape(cost: Values, last: int, accounts: Rows) -> Values:
    """Rows x 7 factors around 1, from up to eight weeks that end on the ordinal `last`."""
    weeks = min(WEEKS, cost.shape[1] // 7)
    if weeks * 7 < FEWEST:
        return np.ones((len(cost), 7))
    own, error = _own_shape(cost[:, -7 * weeks :].reshape(len(cost), weeks, 7))
    shape = np.empty_like(own)
    for account in range(int(accounts.max(initial=-1)) + 1):
        rows = np.flatnonzero(accounts == account)
        shape[rows] = _shrunk(own[rows], error[rows])
    turned = np.empty_like(shape)
    turned[:, weekday(np.arange(last - 6, last + 1))] = shape
    return np.clip(1.0 + turned, 0.05, 4.0)


def _own_shape(weeks: Values) -> tuple[Values, Values]:
    """A row's own weekday factors less 1, and their standard error."""
    mean = weeks.mean(axis=2, keepdims=True)
    real = mean > 1e-9
    ratio = np.where(real, weeks / np.where(real, mean, 1.0), 1.0)
    factor = np.median(ratio, axis=1)
    factor /= np.maximum(factor.mean(axis=1, keepdims=True), 1e-9)
    factor[factor.sum(axis=1) < 1e-6] = 1.0
    spread = 1.4826 * np.median(np.abs(ratio - factor[:, None, :]).reshape(len(weeks), -1), axis=1)
    return factor - 1.0, 1.25 * spread / np.sqrt(weeks.shape[1]) + 1e-3


def _shrunk(own: Values, error: Values) -> Values:
    weighed = own / np.maximum(error, 0.01)[:, None]
    common = np.linalg.eigh(weighed.T @ weighed)[1][:, -1]
    strength = own @ common
    shared = np.outer(strength, common)
    rest = own - shared
    keep = np.clip(1 - 1.5 * error**2 / np.maximum(strength**2, 1e-9), 0, 1)
    keep_rest = np.clip(1 - 1.5 * error**2 / np.maximum((rest**2).mean(axis=1), 1e-9), 0, 1)
    shrunk: Values = shared * keep[:, None] + rest * keep_rest[:, None]
    return shrunk


def base(cost: Values, day: int, week: Values) -> Base:
    """What is known at the end of the ordinal `day`, the last column of `cost`.

    The level is a trimmed mean of three weeks, so that one odd day does not move it; when the last five days stand
    clearly apart from the last fortnight, it is their median: a step is followed within days.
    """
    recent = cost[:, -LONG:]
    days = np.arange(day + 1 - recent.shape[1], day + 1)
    flat = recent / week[:, weekday(days)]
    middle = np.median(flat[:, -MIDDLE:], axis=1)
    now = np.median(flat[:, -SHORT:], axis=1)
    spread = 1.4826 * np.median(np.abs(flat - np.median(flat, axis=1)[:, None]), axis=1) + 0.003 * np.abs(middle)
    trimmed = np.clip(flat[:, -21:], (middle - 2 * spread)[:, None], (middle + 2 * spread)[:, None]).mean(axis=1)
    level = np.maximum(np.where(np.abs(now - middle) > 1.6 * spread, now, trimmed), 0.0)
    carry = np.clip(flat[:, -1] - level, -CARRY_LIMIT * spread, CARRY_LIMIT * spread)
    scale = np.maximum(0.75 * np.abs(cost[:, -42:]).mean(axis=1) + 0.25 * middle, 1e-6)
    return Base(day=day, level=level, week=week, carry=carry, scale=scale)
