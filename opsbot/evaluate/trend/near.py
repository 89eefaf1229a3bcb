"""The next hours or weeks of a rhythm: what the same hour, the day, the week and the level say, weighed by their past.

Each moment of the history stands once as "now"; how the values after it differ from a plain guess is regressed on what
was known then, with the weight of a ridge chosen on the later third. The errors made give the spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from opsbot.evaluate.trend.history import Indices, Mask
from opsbot.samples import Values

LONGEST = {24: 1400}
LONGEST_OTHER = 800
ORIGINS = 160
RIDGES = (0.003, 0.03, 0.3, 3.0, 30.0)
STAGES = 4
FADES = 0.05
WIDER = 1.06
TAILS = 0.12
WEEK = 7
# Every so manieth row is enough to tell which plain guess is best; no divisor of a usual horizon.
THINNED = 7


@dataclass(frozen=True, slots=True)
class _Row:
    """A history without gaps and its running sum; `season` and, where there is one, `long` are in samples."""

    values: Values
    sums: Values
    season: int
    long: int

    def at(self, index: Indices) -> Values:
        picked: Values = self.values[np.maximum(index, 0)]
        return picked

    def mean(self, until: Indices, length: int) -> Values:
        """Mean of the `length` values that end with `until`."""
        start = np.maximum(until + 1 - length, 0)
        averaged: Values = (self.sums[until + 1] - self.sums[start]) / np.maximum(until + 1 - start, 1)
        return averaged


def enough(count: int, season: int, horizon: int) -> bool:
    """Whether a history is long enough beside what is asked to learn from itself."""
    return count >= 4 * season + 2 * horizon if season <= 24 else count >= 60 and count >= 4 * horizon


def near(values: Values, season: int, horizon: int, levels: Values) -> Values:
    """Quantiles (horizon x levels) of the next values; `values` is scaled and has no gaps."""
    values = values[-LONGEST.get(season, LONGEST_OTHER) :]
    long = WEEK * season if season == 24 and values.size >= 3 * WEEK * season else 0
    row = _Row(values, np.concatenate([[0.0], np.cumsum(values)]), season, long)
    origin, ahead = _origins(row, horizon)
    guess = _best_guess(row, origin, ahead)
    base, known = _features(row, origin, ahead, guess)
    next_ahead = np.arange(1, horizon + 1)
    next_base, next_known = _features(row, np.full(horizon, values.size - 1), next_ahead, guess)
    missed = values[origin + ahead] - base
    middle, rest = _regressed(missed, known, next_known, origin, ahead, horizon)
    return _spread(next_base + middle, rest, row, origin, ahead, horizon, levels)


def _origins(row: _Row, horizon: int) -> tuple[Indices, Indices]:
    size = row.values.size
    seasons = 4 * row.season if row.season <= 24 else min(row.season + 4, size // 3)
    first = 2 * row.long if row.long else seasons
    moments = np.arange(max(first, 8), size - 1)
    if moments.size > ORIGINS:
        moments = moments[np.unique(np.linspace(0, moments.size - 1, ORIGINS).astype(np.int64))]
    origin = np.repeat(moments, horizon)
    ahead = np.tile(np.arange(1, horizon + 1), moments.size)
    inside = origin + ahead < size
    return origin[inside], ahead[inside]


def _best_guess(row: _Row, origin: Indices, ahead: Indices) -> str:
    """Plain guess with the smallest error: as a week ago, as a day ago, or as now; the first unless beaten by 2 %."""
    guesses = ("long", "season", "now") if row.long else (("season", "now") if row.season <= 24 else ("now",))
    if len(guesses) == 1:
        return guesses[0]
    best, least = guesses[0], np.inf
    origin, ahead = origin[::THINNED], ahead[::THINNED]
    for guess in guesses:
        error = float(np.mean(np.abs(row.values[origin + ahead] - _features(row, origin, ahead, guess)[0])))
        if error < 0.98 * least:
            best, least = guess, error
    return best


def _features(row: _Row, origin: Indices, ahead: Indices, guess: str) -> tuple[Values, Values]:
    """(plain guess, what else was known then as differences to it, one column each)."""
    if row.long:
        return _hourly(row, origin, ahead, guess)
    return _seasonal(row, origin, ahead, guess) if row.season <= 24 and guess != "now" else _level(row, origin, ahead)


def _lags(row: _Row, origin: Indices, ahead: Indices, season: int, count: int) -> list[Values]:
    """Values of the same phase, the latest first, that were known at the origin."""
    back = season * -(-ahead // season)
    return [row.at(origin + ahead - back - season * each) for each in range(count)]


def _hourly(row: _Row, origin: Indices, ahead: Indices, guess: str) -> tuple[Values, Values]:
    day, week = row.season, row.long
    days, weeks = _lags(row, origin, ahead, day, 4), _lags(row, origin, ahead, week, 3)
    if row.values.size <= 4 * week:
        weeks[2] = weeks[1]
    now, mean_days, mean_weeks = row.at(origin), sum(days) / 4, sum(weeks) / 3
    base = {"long": (weeks[0] + mean_weeks) / 2, "season": days[0], "now": now}[guess]
    today = row.mean(origin, day)
    levels = (weeks[0], mean_weeks, days[0], days[1], mean_days, now, today, row.mean(origin, week))
    moves = (now - row.at(origin - day), now - row.at(origin - week), today - row.mean(origin - week, day))
    return base, np.column_stack([*(level - base for level in levels), *moves])


def _seasonal(row: _Row, origin: Indices, ahead: Indices, guess: str) -> tuple[Values, Values]:
    season = row.season
    lags = _lags(row, origin, ahead, season, 7)
    now, mean = row.at(origin), sum(lags[:4]) / 4
    base = (lags[0] + mean) / 2
    long = row.mean(origin, 4 * season)
    recent = row.mean(origin, season)
    levels = (lags[0], mean, sum(lags) / 7, now, recent, long, row.mean(origin, 8 * season))
    moves = (now - row.at(origin - season), recent - long)
    return base, np.column_stack([*(level - base for level in levels), *moves])


def _level(row: _Row, origin: Indices, ahead: Indices) -> tuple[Values, Values]:
    season, now = row.season, row.at(origin)
    quarter = max(4, season // 4) if season > WEEK else WEEK
    columns = [
        row.mean(origin, 4) - now,
        row.mean(origin, quarter) - now,
        row.mean(origin, 4 * quarter) - now,
        (now - row.at(origin - quarter)) * ahead / quarter,
        (now - row.at(origin - 4 * quarter)) * ahead / (4 * quarter),
        now - row.at(origin - 1),
    ]
    if season <= WEEK:
        lags = _lags(row, origin, ahead, season, 4)
        columns += [lags[0] - now, sum(lags) / 4 - now]
    elif row.values.size > 2.2 * season:
        back = season * -(-ahead // season)
        years = [row.at(origin + ahead - back - more) - row.at(origin - back - more) for more in (0, season)]
        columns += [years[0]] if row.values.size <= 3.3 * season else [years[0], (years[0] + years[1]) / 2]
    return now, np.column_stack(columns)


def _regressed(
    missed: Values, known: Values, asked: Values, origin: Indices, ahead: Indices, horizon: int
) -> tuple[Values, Values]:
    """(correction of the plain guess for each step asked, errors it would have made), by stages of the horizon.

    The errors are those of weights learned from the other thirds of the history: of their own they look too small.
    """
    cap = 1.5 * float(np.quantile(np.abs(missed), 0.98))
    tame = np.clip(missed, -cap, cap)
    later = float(np.quantile(origin, 0.65))
    third = np.searchsorted(np.quantile(origin, [1 / 3, 2 / 3]), origin)
    size = np.sqrt(np.mean(known**2, axis=0)) + 1e-12
    known, asked = known / size, asked / size
    edges = np.unique(np.concatenate([[0], np.round(np.geomspace(max(horizon / 8, 1), horizon, STAGES))]).astype(int))
    middle, rest = np.zeros(horizon), missed.copy()
    for low, high in pairwise(edges.tolist()):
        stage = (ahead > low) & (ahead <= high)
        train, check = stage & (origin + ahead <= later), stage & (origin > later)
        if train.sum() <= 30 or check.sum() <= 10:
            continue
        ridge, share = _chosen(known, missed, tame, train, check)
        parts = [_Sums.of(known, tame, stage & (third == part)) for part in range(3)]
        middle[low:high] = asked[low:high] @ (share * (parts[0] + parts[1] + parts[2]).weights(ridge))
        for part in range(3):
            held = stage & (third == part)
            others = parts[(part + 1) % 3] + parts[(part + 2) % 3]
            rest[held] = missed[held] - known[held] @ (share * others.weights(ridge))
    return middle, rest


@dataclass(frozen=True, slots=True)
class _Sums:
    """What a ridge regression needs of its rows, so that parts of a history can be put together."""

    normal: Values
    moment: Values
    count: int

    @classmethod
    def of(cls, known: Values, missed: Values, rows: Mask) -> _Sums:
        taken = known[rows]
        return cls(taken.T @ taken, taken.T @ missed[rows], len(taken))

    def __add__(self, other: _Sums) -> _Sums:
        return _Sums(self.normal + other.normal, self.moment + other.moment, self.count + other.count)

    def weights(self, ridge: float) -> Values:
        penalty = ridge * max(self.count, 1) * np.eye(len(self.normal))
        return np.asarray(np.linalg.solve(self.normal + penalty, self.moment), dtype=np.float64)


def _chosen(known: Values, missed: Values, tame: Values, train: Mask, check: Mask) -> tuple[float, float]:
    """(the ridge, the share of its correction to take): one that did not help later on is taken by less than a third."""
    sums = _Sums.of(known, tame, train)
    checked, truth = known[check], missed[check]
    errors = [float(np.mean(np.abs(truth - checked @ sums.weights(ridge)))) for ridge in RIDGES]
    best = int(np.argmin(errors))
    return RIDGES[best], 1.0 if errors[best] <= np.mean(np.abs(truth)) else 0.3


def _spread(
    middle: Values, rest: Values, row: _Row, origin: Indices, ahead: Indices, horizon: int, levels: Values
) -> Values:
    """Quantiles from the past errors, each measured against what is usual so far ahead and at that phase."""
    size = np.abs(rest)
    usual = _smooth(
        np.bincount(ahead, size, minlength=horizon + 1)[1:] / np.maximum(np.bincount(ahead)[1:], 1), horizon
    )
    at = (origin + ahead) % row.season
    ratio = size / usual[ahead - 1]
    busy = (np.bincount(at, ratio, minlength=row.season) + 10) / (np.bincount(at, minlength=row.season) + 10)
    errors = rest / (usual[ahead - 1] * busy[at])
    age = (row.values.size - 1 - origin) / row.values.size
    weights = FADES**age
    order = np.argsort(errors, kind="stable")
    share = np.cumsum(weights[order]) / weights.sum()
    steps = (row.values.size - 1 + np.arange(1, horizon + 1)) % row.season
    wide = WIDER * usual * busy[steps]
    # Rare errors are rarer in a history than they are: beyond the middle 80 % the quantiles are moved out.
    rare = 1 + TAILS * np.clip((np.abs(2 * levels - 1) - 0.8) / 0.2, 0, 1)
    quantiles: Values = middle[:, None] + wide[:, None] * (rare * np.interp(levels, share, errors[order]))
    return quantiles


def _smooth(errors: Values, horizon: int) -> Values:
    reach = max(2, horizon // 8)
    averaged = [errors[max(0, at - reach) : at + reach + 1].mean() for at in range(horizon)]
    smoothed: Values = np.maximum(np.array(averaged), 1e-12)
    return smoothed
