"""The forecast: repaired history in, ways it can go, first passage of the limit out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opsbot.evaluate.trend.growth import by_leaps, deal, idle_share
from opsbot.evaluate.trend.history import Kind, Outlook, Pace, Repaired, Undone, unscaled
from opsbot.evaluate.trend.near import enough, near
from opsbot.evaluate.trend.pace import Way, weigh
from opsbot.evaluate.trend.paths import WAYS, simulate
from opsbot.evaluate.trend.repair import FEWEST, cleaned, moved, repair
from opsbot.evaluate.trend.shapes import Form
from opsbot.samples import Values

MONTH, QUARTER, HALF_YEAR = 30, 90, 180
LARGEST = float(np.finfo(np.float64).max)
MOSTLY_IDLE = 0.2
LONE = (Kind.FALSE_ZERO, Kind.OUTLIER)
BELIEVED = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Future:
    """Scaled ways a history can go from its end, and what was undone."""

    ways: Values
    undone: tuple[Undone, ...]
    cyclic: bool = False


def outlook(values: Values, *, limit: float, period: int = 7, horizon: int = HALF_YEAR) -> Outlook:
    """When `values`, one a day, oldest first, NaN where nothing was measured, reach `limit` from below.

    A value at or over the limit on any day after the last one counts, once. A limit already reached gives odds near 1.
    Never raises for what the values hold: too few of them, or none finite, give `Pace.UNKNOWN`.
    """
    horizon = max(int(horizon), QUARTER)
    fixed = repair(np.asarray(values, dtype=float).ravel(), period)
    future = _future(fixed, horizon)
    known = fixed.raw[np.isfinite(fixed.raw)]
    first = _first_passage(future.ways, _scaled_limit(limit, fixed.scale))
    p10, p50, p90 = (
        _day(float(np.quantile(first, share, method="inverted_cdf")), horizon) for share in (0.1, 0.5, 0.9)
    )
    return Outlook(
        limit=limit,
        current=unscaled(float(known[-1]), fixed.scale) if known.size else None,
        p_breach_30d=float(np.mean(first <= MONTH)),
        p_breach_90d=float(np.mean(first <= QUARTER)),
        p_horizon=float(np.mean(first <= horizon)),
        day=_likeliest(first, horizon) if known.size >= FEWEST else None,
        p10=p10,
        p50=p50,
        p90=p90,
        growth=unscaled(float(np.median(future.ways[:, -1] - future.ways[:, 0])) / (horizon - 1), fixed.scale),
        pace=_pace(future.ways, known),
        horizon=horizon,
        undone=future.undone,
        cycle=fixed.cycle.length if fixed.cycle and future.cyclic else None,
    )


def quantiles(values: Values, *, period: int, horizon: int, levels: Values) -> Values:
    """Quantiles (horizon x levels) of the values to come; `period` is the season in samples: 7, 24 or 52.

    Values that were never below zero are not expected there.
    """
    levels = np.asarray(levels, dtype=float)
    values = np.asarray(values, dtype=float).ravel()
    raw, scale, _ = cleaned(values)
    known = raw[np.isfinite(raw)]
    rhythm = period > 7 or not by_leaps(known)
    if rhythm and enough(known.size, period, horizon) and np.ptp(known) > 0:
        answer = near(_filled(raw, period), period, horizon, levels)
        answer = np.maximum(answer, 0.0) if known.min() >= 0 else answer
    else:
        fixed = repair(values, period)
        answer, scale = np.quantile(_future(fixed, horizon).ways, levels, axis=0).T, fixed.scale
    with np.errstate(over="ignore"):
        sized: Values = np.clip(answer * scale, -LARGEST, LARGEST)
    return sized


def fan(values: Values, *, horizon: int, levels: Values, period: int = 7) -> Values:
    """Quantiles (horizon x levels) of the ways that `outlook` counts first passages of, in the values' unit: to be drawn."""
    fixed = repair(np.asarray(values, dtype=float).ravel(), period)
    ways = np.quantile(_future(fixed, horizon).ways, np.asarray(levels, dtype=float), axis=0).T
    with np.errstate(over="ignore"):
        sized: Values = np.clip(ways * fixed.scale, -LARGEST, LARGEST)
    return sized


def _future(fixed: Repaired, horizon: int) -> _Future:
    """A gap at the history's end is part of what is unknown: ways begin at its last value, the answer after the gap."""
    there = np.flatnonzero(np.isfinite(fixed.raw))
    known, reading = fixed.raw[there], fixed.readings[0]
    odd = tuple(each for each in fixed.undone if each.kind in LONE)
    if known.size < 3 or float(np.ptp(known)) == 0 or reading.values.size < 3:
        return _Future(ways=np.full((WAYS, horizon), float(known[-1]) if known.size else 0.0), undone=odd)
    if _leaping(fixed, known):
        gap = fixed.raw.size - 1 - int(there[-1])
        ways = deal(_filled(fixed.raw[: there[-1] + 1], 1), horizon + gap)[:, gap:]
        return _Future(ways=ways, undone=odd)
    gap = fixed.raw.size - 1 - int(reading.times[-1])
    believed = weigh(fixed.readings)
    ways = simulate(believed, horizon + gap)
    if fixed.cycle:
        ways = ways + fixed.cycle.at(reading.times[-1] + np.arange(1, horizon + gap + 1))
    return _Future(ways=ways[:, gap:], undone=_undone(fixed, believed), cyclic=True)


def _undone(fixed: Repaired, believed: tuple[Way, ...]) -> tuple[Undone, ...]:
    """What the repair took out, with moves named after the reading most believed, and a move only the fit has seen."""
    plain = fixed.readings[0]
    resized = sum(way.weight for way in believed if way.reading is not plain) > BELIEVED
    odd = [each for each in fixed.undone if each.kind in LONE]
    moves = [moved(plain, at, fixed.scale, resized=resized) for at in plain.steps]
    x = (plain.times - plain.times[0] + 1) / (plain.times[-1] - plain.times[0] + 1)
    places = {way.shape.a for way in believed if way.shape.form is Form.LEAP}
    for place in places:
        if sum(way.weight for way in believed if way.shape.form is Form.LEAP and way.shape.a == place) > BELIEVED:
            moves.append(moved(plain, int(np.searchsorted(x, place)), fixed.scale))
    return tuple(sorted([*odd, *moves], key=lambda each: each.at))


def _leaping(fixed: Repaired, known: Values) -> bool:
    if known.size < FEWEST:
        return False
    if by_leaps(known) and (idle_share(known) > MOSTLY_IDLE or fixed.cycle is None):
        return True
    return by_leaps(fixed.readings[0].values)


def _filled(values: Values, season: int) -> Values:
    """Gaps closed by the value a season before, or between their neighbours."""
    known = np.isfinite(values)
    position = np.arange(values.size)
    line = np.interp(position, position[known], values[known])
    filled = np.where(known, values, line)
    if season > 1:
        for at in np.flatnonzero(~known):
            filled[at] = filled[at - season] if at >= season else line[at]
    return filled


def _first_passage(ways: Values, limit: float) -> Values:
    """First day at or over the limit, by way; infinite where it is never reached."""
    over = ways >= limit
    first: Values = np.where(over.any(axis=1), over.argmax(axis=1) + 1.0, np.inf)
    return first


def _likeliest(first: Values, horizon: int) -> float | None:
    """Centre of the stretch of +-7 days or 10 % that most ways fall into; None unless half of them get there."""
    if np.median(first) > horizon:
        return None
    days = np.arange(1.0, horizon + 1)
    reach = np.maximum(7.0, 0.1 * days)
    ordered = np.sort(first)
    inside = np.searchsorted(ordered, days + reach, side="right") - np.searchsorted(ordered, days - reach, side="left")
    best = days[inside >= 0.97 * inside.max()]
    return float(best[np.argmin(np.abs(best - np.median(first)))])


def _day(first: float, horizon: int) -> float | None:
    return first if first <= horizon else None


def _pace(ways: Values, known: Values) -> Pace:
    if known.size < FEWEST:
        return Pace.UNKNOWN
    low, high = np.quantile(ways[:, -1] - ways[:, 0], [0.1, 0.9])
    if low > 0:
        return Pace.RISING
    return Pace.FALLING if high < 0 else Pace.NONE


def _scaled_limit(limit: float, scale: float) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.float64(limit) / np.float64(scale))
