"""What the month will cost by its end, and how a budget stands against it.

The rest of the month is expected from the level, the shape of the week and what returns on the same day of each month;
how far that may be off is read from the same forecast made at earlier days of the same bill.
"""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from opsbot.samples import Values

FEWEST, MONTH = 14, 28
# Relative errors of a month's rest where the bill is too young to have made any: wide, and wider upwards.
UNPROVEN = np.asarray([-0.35, -0.2, -0.1, -0.05, 0.0, 0.05, 0.12, 0.25, 0.5])
CUTS, FEWEST_CUTS = 40, 8
TREND_KEPT = 0.5
WIDER, LEAST = 1.6, 0.01
P10, P50, P90 = 10.0, 50.0, 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MonthEnd:
    """The whole month's cost: `spent` until yesterday, and the quantiles of the total at its end.

    `totals` are equally likely totals, ascending. `p10` to `p90` hold the truth in about 80 of 100 months.
    """

    month: date
    spent: float
    p10: float
    p50: float
    p90: float
    totals: tuple[float, ...]
    expected: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a month's budget stands. Shares are of the budget, 1.0 = all of it.

    `spent` is gone, `due` is what would be gone by now if the month's expected cost were spread over it as usual and
    just met the budget, `forecast` the likeliest share at the month's end. `exhausted` is the likeliest day on which
    the budget ends, or None if it lasts; `p_over` the probability that it does not last.
    """

    spent: float
    due: float
    forecast: float
    p_over: float
    exhausted: date | None


def month_end(daily: Values, first: date) -> MonthEnd | None:
    """The current month's total from the bill's days so far; `daily[0]` is `first`, the last one yesterday.

    The current month is the one of the day after the last. NaN days are filled from a week before. None below 14 days:
    nothing is invented.
    """
    if len(daily) < FEWEST:
        return None
    cost = _filled(np.asarray(daily, dtype=np.float64))
    today = first + timedelta(days=len(cost))
    month = today.replace(day=1)
    passed = (today - month).days
    spent = float(cost[len(cost) - passed :].sum()) if passed <= len(cost) else float(cost.sum())
    rest = monthrange(today.year, today.month)[1] - passed
    expected = _expected(cost, first, rest)
    errors = _errors(cost, first, rest)
    totals = np.sort(spent + max(float(expected.sum()), 0.0) * (1.0 + errors))
    p10, p50, p90 = (float(value) for value in np.percentile(totals, [P10, P50, P90]))
    return MonthEnd(
        month=month,
        spent=spent,
        p10=p10,
        p50=p50,
        p90=p90,
        totals=tuple(totals.tolist()),
        expected=tuple(expected.tolist()),
    )


def pace(end: MonthEnd, budget: float) -> Pace:
    """Where a month's budget stands. Raises ValueError unless the budget is above zero."""
    if not budget > 0:
        raise ValueError(f"expected a budget above 0, got {budget}")
    totals = np.asarray(end.totals)
    over = float((totals > budget).sum())
    rest = np.asarray(end.expected)
    whole = end.spent + float(rest.sum())
    # The rest is scaled so that it ends at the likeliest total, not at the plain expectation.
    scale = (end.p50 - end.spent) / float(rest.sum()) if rest.sum() > 0 else 1.0
    gone = end.spent + np.cumsum(rest * scale)
    reached = np.flatnonzero(gone > budget)
    days = monthrange(end.month.year, end.month.month)[1]
    passed = days - len(rest)
    day = 0 if end.spent > budget else passed + int(reached[0]) if len(reached) else None
    return Pace(
        spent=end.spent / budget,
        due=end.spent / whole if whole > 0 else passed / days,
        forecast=end.p50 / budget,
        p_over=1.0 if end.spent > budget else (over + 0.5) / (len(totals) + 1),
        exhausted=None if day is None else end.month + timedelta(days=max(day, 0)),
    )


def _filled(cost: Values) -> Values:
    cost = cost.copy()
    for place in np.flatnonzero(np.isnan(cost)):
        cost[place] = cost[place - 7] if place >= 7 else 0.0
    return cost


def _expected(cost: Values, first: date, days: int) -> Values:
    """The next `days` days: level, half of the trend, shape of the week, and what the same day of a month brings."""
    past = cost[-8 * 7 :]
    week = _week(past)
    ahead = np.arange(days)
    flat = past / week[(np.arange(len(past)) - len(past)) % 7]
    level = _middle(flat[-21:])
    before = _middle(flat[-2 * MONTH : -MONTH]) if len(flat) >= 2 * MONTH else level
    slope = float(np.clip((level - before) / (1.5 * MONTH), -0.01 * abs(level), 0.01 * abs(level)))
    plain: Values = (level + TREND_KEPT * slope * (10.0 + ahead)) * week[ahead % 7]
    return plain + _returning(cost, first, days, level)


def _middle(flat: Values) -> float:
    """A mean that single odd days cannot move far."""
    median = float(np.median(flat))
    spread = 1.4826 * float(np.median(np.abs(flat - median))) + 0.003 * abs(median)
    return float(np.clip(flat, median - 2.5 * spread, median + 2.5 * spread).mean())


def _week(past: Values) -> Values:
    """Seven factors around 1; place 0 is the weekday of the day after the last."""
    weeks = len(past) // 7
    rows = past[len(past) - 7 * weeks :].reshape(weeks, 7)
    mean = rows.mean(axis=1, keepdims=True)
    if weeks < 3 or not (mean > 1e-9).all():
        return np.ones(7)
    factor: Values = np.clip(np.median(rows / mean, axis=0), 0.05, 4.0)
    even: Values = factor / factor.mean()
    return even


def _returning(cost: Values, first: date, days: int, level: float) -> Values:
    """What came on the same day of at least two of the last three months, above the level: fees, tax, monthly jobs."""
    today = first + timedelta(days=len(cost))
    extra = np.zeros(days)
    for ahead in range(days):
        day = today + timedelta(days=ahead)
        past = [_same_day(day, back) for back in (1, 2, 3)]
        places = [(one - first).days for one in past if one is not None]
        seen = sorted(float(cost[place]) - level for place in places if 0 <= place < len(cost))
        if len(seen) >= 2 and seen[-2] > 0.5 * abs(level):
            extra[ahead] = seen[len(seen) // 2] if len(seen) == 3 else seen[0]
    return np.maximum(extra, 0.0)


def _same_day(day: date, back: int) -> date | None:
    months = day.year * 12 + day.month - 1 - back
    year, month = divmod(months, 12)
    return date(year, month + 1, day.day) if day.day <= monthrange(year, month + 1)[1] else None


def _errors(cost: Values, first: date, days: int) -> Values:
    """Relative errors of the same forecast over as many days, made at up to 40 earlier days; ascending."""
    latest = max(len(cost) - days, 2 * MONTH)
    cuts = np.unique(np.linspace(2 * MONTH, latest, CUTS).astype(np.int64))
    errors = []
    for cut in cuts:
        told = float(_expected(cost[:cut], first, days).sum())
        if told > 1e-9 and cut + days <= len(cost):
            errors.append(float(cost[cut : cut + days].sum()) / told - 1.0)
    proven = np.clip(np.asarray(errors), -0.9, 3.0)
    shorter = UNPROVEN * np.sqrt(days / 30.0)
    return np.sort(shorter if len(proven) < FEWEST_CUTS else _widened(proven))


def _widened(errors: Values) -> Values:
    """Past errors overlap, so they are fewer than they look, and none of them holds what has not happened yet: wider."""
    middle = float(np.median(errors))
    wider: Values = np.sort(WIDER * (errors - middle) + 0.5 * middle)
    return wider + np.linspace(-LEAST, LEAST, len(errors))
