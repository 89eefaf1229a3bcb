"""A figure over twelve weeks, and what it takes to make one from hours."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from opsbot.samples import Values

# A change within so many usual ones, or below this share of the figure, is none.
_USUAL, _SAME = 1.5, 0.01
_LEAST_WEEKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """One value a week, oldest first, None where nothing is known; `year` is that of the same week last year."""

    weeks: tuple[float | None, ...] = ()
    year: float | None = None

    @property
    def now(self) -> float | None:
        return self.weeks[-1] if self.weeks else None

    @property
    def before(self) -> float | None:
        return self.weeks[-2] if len(self.weeks) > 1 else None

    @property
    def known(self) -> bool:
        return any(value is not None for value in self.weeks)

    @property
    def change(self) -> float | None:
        """This week less the one before."""
        return None if self.now is None or self.before is None else self.now - self.before

    @property
    def moved(self) -> bool:
        """Whether it changed by more than it usually does from one week to the next."""
        if self.change is None or self.before is None:
            return False
        past = [
            abs(b - a) for a, b in zip(self.weeks, self.weeks[1:-1], strict=False) if a is not None and b is not None
        ]
        usual = _USUAL * median(past) if len(past) >= _LEAST_WEEKS else 0.0
        return abs(self.change) > max(usual, _SAME * abs(self.before))


NOTHING = Course()


def sums(rows: Sequence[Values], cuts: Sequence[int]) -> tuple[float | None, ...]:
    """What all rows amount to in each week."""
    return _weekly(np.vstack(rows), None, cuts, total=True) if rows else (None,) * (len(cuts) - 1)


def means(
    rows: Sequence[Values], cuts: Sequence[int], weights: Sequence[Values] | None = None
) -> tuple[float | None, ...]:
    """The mean of all hours of all rows in each week; with weights, such as requests, of what was weighed."""
    if not rows:
        return (None,) * (len(cuts) - 1)
    return _weekly(np.vstack(rows), np.vstack(weights) if weights else None, cuts, total=False)


def _weekly(values: Values, weights: Values | None, cuts: Sequence[int], *, total: bool) -> tuple[float | None, ...]:
    weeks = [slice(start, end) for start, end in itertools.pairwise(cuts)]
    return tuple(_one(values[:, week], None if weights is None else weights[:, week], total) for week in weeks)


def _one(values: Values, weights: Values | None, total: bool) -> float | None:
    known = np.isfinite(values)
    if not known.any():
        return None
    if total:
        return float(values[known].sum())
    if weights is None:
        return float(values[known].mean())
    weighed = np.where(known & np.isfinite(weights), weights, 0.0)
    whole = float(weighed.sum())
    return float((np.where(known, values, 0.0) * weighed).sum() / whole) if whole > 0 else float(values[known].mean())


def ratio(part: Sequence[float | None], whole: Sequence[float | None], scale: float = 1.0) -> tuple[float | None, ...]:
    """Week by week; nothing of a part is zero where the whole is known."""
    return tuple(
        None if not all_of_it else scale * (one or 0.0) / all_of_it for one, all_of_it in zip(part, whole, strict=True)
    )


def mean_of(courses: Sequence[Course]) -> Course:
    """Of several, each counted alike, those that are known in a week."""
    if not courses:
        return NOTHING
    columns = zip(*(one.weeks for one in courses if one.weeks), strict=True)
    return Course(weeks=tuple(_mean(column) for column in columns), year=_mean([one.year for one in courses]))


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
