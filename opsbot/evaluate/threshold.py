"""Rules over a Grid: what is too much now, since when, and what was too much before and is over.

Everything is numpy over rows x columns; a row is walked alone only when one of its rules was broken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from opsbot.evaluate.missing import Codes, Flags, State, reach, states
from opsbot.model.check import Missing, Op, Rule
from opsbot.model.status import Status
from opsbot.samples import Grid, Values

OK = -1
UNKNOWN = -2
KEEP = -3
Verdicts = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Breach:
    """One row's unbroken breach: columns `began` to `last`, both in it. `value` was judged, `worst` is the furthest.

    `open_ended`: it reaches the first column, so it may be older than the samples show.
    """

    began: int
    last: int
    value: float | None
    worst: float | None
    open_ended: bool


@dataclass(frozen=True, slots=True)
class Episode:
    """A breach that was over before the last column; `rule` is the place of the rule it broke."""

    rule: int
    breach: Breach


def judge(grid: Grid, rules: Sequence[Rule], missing: Missing, *, quiet: Flags | None = None) -> Verdicts:
    """The state at the last column, by row: the place of the worst rule that is broken, or OK, UNKNOWN, KEEP.

    `rules` are worst first. `quiet` marks points that must not breach whatever they hold (too little traffic).
    """
    verdict: Verdicts = np.full(grid.values.shape[0], OK, dtype=np.int16)
    for place in reversed(range(len(rules))):
        codes = _now(grid, rules[place], missing, quiet)
        open_question = (verdict < 0) & (verdict != UNKNOWN)
        verdict[open_question & (codes == State.KEEP)] = KEEP
        verdict[(verdict < 0) & (codes == State.INSUFFICIENT)] = UNKNOWN
        verdict[codes == State.ALARM] = place
    return verdict


def judge_window(grid: Grid, rules: Sequence[Rule], missing: Missing, *, quiet: Flags | None = None) -> Verdicts:
    """As `judge`, but a breach anywhere in the grid counts: for events such as lost data, which do not "recover"."""
    silent = np.isnan(grid.values).all(axis=1) if quiet is None else (np.isnan(grid.values) & ~quiet).all(axis=1)
    verdict: Verdicts = np.full(grid.values.shape[0], OK, dtype=np.int16)
    verdict[silent & (missing is Missing.UNKNOWN)] = UNKNOWN
    verdict[silent & (missing is Missing.IGNORE)] = KEEP
    for place in reversed(range(len(rules))):
        rows = _candidates(grid.values, rules[place], missing)
        held = _held(grid, rules[place], missing, quiet, rows)
        verdict[rows[held.any(axis=1)]] = place
    return verdict


def trace(row: Values, rule: Rule, missing: Missing, period: timedelta) -> Breach:
    """How long a broken rule has been broken in one row, walking back from its last column.

    Gaps inside a breach do not end it, a point within the rule does (with M of N: when fewer than M of N breach).
    """
    m, n = rule.points(period)
    filled = _filled(row, missing)
    breach, real = _breaches(filled, rule, missing), _real(filled, missing)
    columns = np.flatnonzero(real)
    began = _began(breach[columns], m, n)
    first = int(columns[began]) if columns.size else 0
    inside = filled[first:]
    judged = filled[columns[-n:]] if rule.m_of_n and m < n else filled[columns]
    return Breach(
        began=first,
        last=int(columns[-1]) if columns.size else len(row) - 1,
        value=_worst(judged, rule.op) if rule.m_of_n and m < n else _last(inside),
        worst=_worst(inside[_breaches(inside, rule, Missing.UNKNOWN)], rule.op),
        open_ended=first == _first_real(real),
    )


def trace_window(row: Values, rule: Rule, missing: Missing, period: timedelta) -> Breach:
    """For `judge_window`: the last breach in the row, with the worst value of all of them."""
    grid = Grid(start=0, step=int(period.total_seconds()), values=row[None, :])
    held = np.flatnonzero(_held(grid, rule, missing, None, np.zeros(1, dtype=np.int64))[0])
    breach = trace(row[: int(held[-1]) + 1] if held.size else row, rule, missing, period)
    return replace(breach, worst=_worst(row[_breaches(row, rule, Missing.UNKNOWN)], rule.op))


def episodes(
    grid: Grid,
    rules: Sequence[Rule],
    missing: Missing,
    rows: Sequence[int] | NDArray[np.int64],
    *,
    quiet: Flags | None = None,
) -> Mapping[int, Episode]:
    """For rows that are well now: the last breach of the worst rule they broke in the grid. INFO rules do not count."""
    found: dict[int, Episode] = {}
    picked = np.asarray(rows, dtype=np.int64)
    for place, rule in enumerate(rules):
        if rule.status is Status.INFO:
            continue
        left = picked[_beyond(grid.values[picked], rule, missing)]
        held = _held(grid, rule, missing, quiet, left)
        for row, columns in zip(left[held.any(axis=1)].tolist(), held[held.any(axis=1)], strict=True):
            if row not in found:
                last = int(np.flatnonzero(columns)[-1])
                values = _quieted(grid.values[row], quiet, row)[: last + 1]
                found[row] = Episode(place, trace(values, rule, missing, grid.period))
    return found


def newest(values: Values) -> Values:
    """Each row's last real point; NaN for a row without any."""
    rows, width = values.shape
    if width == 0:
        return np.full(rows, np.nan)
    real = ~np.isnan(values)
    column = width - 1 - real[:, ::-1].argmax(axis=1)
    return np.asarray(values[np.arange(rows), column], dtype=np.float64)


def silent_since(row: Values) -> int:
    """The column where the silence at the end of a row began."""
    real = np.flatnonzero(~np.isnan(row))
    return int(real[-1]) + 1 if real.size else 0


def evaluated(row: Values, rule: Rule, period: timedelta) -> tuple[float | None, ...]:
    """The points that decided, oldest first, None where one was missing; late data change the past, so keep them."""
    tail = row[-reach(rule.points(period)[1]) :]
    return tuple(None if np.isnan(value) else float(value) for value in tail)


def _now(grid: Grid, rule: Rule, missing: Missing, quiet: Flags | None) -> Codes:
    m, n = rule.points(grid.period)
    width = grid.values.shape[1]
    size = min(reach(n), width)
    tail = grid.values[:, width - size :]
    hush = None if quiet is None else quiet[:, width - size :]
    codes = _states(tail, rule, missing, hush, m, n)
    if missing is Missing.IGNORE and size:
        _look_back(codes, grid, rule, quiet, size)
    return codes


def _states(tail: Values, rule: Rule, missing: Missing, hush: Flags | None, m: int, n: int) -> Codes:
    filled = _filled(tail, missing)
    real = ~np.isnan(filled)
    breach = _breaches(filled, rule, Missing.UNKNOWN)
    if hush is not None:
        breach, real = breach & ~hush, real | hush
    return states(breach, real, m, n, missing)


def _look_back(codes: Codes, grid: Grid, rule: Rule, quiet: Flags | None, size: int) -> None:
    """`ignore` keeps the state before, and the samples show it: the state when the last real point came in."""
    m, n = rule.points(grid.period)
    rows = np.flatnonzero(codes == State.KEEP)
    values = grid.values[rows]
    real = ~np.isnan(values)
    rows, values, real = rows[real.any(axis=1)], values[real.any(axis=1)], real[real.any(axis=1)]
    last = grid.values.shape[1] - 1 - real[:, ::-1].argmax(axis=1)
    columns = last[:, None] + np.arange(1 - size, 1)[None, :]
    there = columns >= 0
    tail = np.where(there, np.take_along_axis(values, np.maximum(columns, 0), axis=1), np.nan)
    hush = None if quiet is None else np.take_along_axis(quiet[rows], np.maximum(columns, 0), axis=1) & there
    codes[rows] = _states(tail, rule, Missing.IGNORE, hush, m, n)


def _filled(values: Values, missing: Missing) -> Values:
    return np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf) if missing is Missing.ZERO else values


def _real(values: Values, missing: Missing) -> Flags:
    return np.ones(values.shape, dtype=np.bool_) if missing is Missing.BREACHING else ~np.isnan(values)


def _breaches(values: Values, rule: Rule, missing: Missing) -> Flags:
    limit = rule.threshold
    with np.errstate(invalid="ignore"):
        match rule.op:
            case Op.ABOVE:
                beyond = values > limit
            case Op.AT_LEAST:
                beyond = values >= limit
            case Op.BELOW:
                beyond = values < limit
            case Op.AT_MOST:
                beyond = values <= limit
    return beyond | np.isnan(values) if missing is Missing.BREACHING else beyond


def _candidates(values: Values, rule: Rule, missing: Missing) -> NDArray[np.int64]:
    return np.flatnonzero(_beyond(values, rule, missing))


def _beyond(values: Values, rule: Rule, missing: Missing) -> Flags:
    """Rows with at least one point beyond the rule: one pass over the matrix, and the rest is never looked at again."""
    if values.shape[1] == 0:
        return np.zeros(values.shape[0], dtype=np.bool_)
    edge = (np.fmax if rule.op.upward else np.fmin).reduce(values, axis=1)
    found = _breaches(edge, rule, missing)
    if (
        missing in (Missing.BREACHING, Missing.ZERO)
        and _breaches(_filled(np.full(1, np.nan), missing), rule, missing)[0]
    ):
        found |= np.isnan(values).any(axis=1)
    return found


def _held(grid: Grid, rule: Rule, missing: Missing, quiet: Flags | None, rows: NDArray[np.int64]) -> Flags:
    """Where M of the N columns that end there breach."""
    m, n = rule.points(grid.period)
    filled = _filled(grid.values[rows], missing)
    breach = _breaches(filled, rule, missing)
    if quiet is not None:
        breach &= ~quiet[rows]
    count = np.cumsum(breach, axis=1, dtype=np.int32)
    count[:, n:] -= count[:, :-n].copy()
    return np.asarray(count >= m, dtype=np.bool_)


def _began(breach: Flags, m: int, n: int) -> int:
    """The place of the first point of the unbroken breach that the last points are in, among real points only."""
    n = max(1, min(n, breach.size))
    m = min(m, n)
    count = np.cumsum(breach, dtype=np.int64)
    count[n:] -= count[:-n].copy()
    if not breach.size or count[-1] < m:
        # Filled points raised the alarm: go back from the newest breaching point to the first that is within the rule.
        within = np.flatnonzero(~breach)
        return min(int(within[-1]) + 1, max(breach.size - 1, 0)) if within.size else 0
    broken = np.flatnonzero(count[n - 1 :] < m)
    start = int(broken[-1]) + 1 if broken.size else 0
    return start + int(breach[start:].argmax())


def _first_real(real: Flags) -> int:
    return int(real.argmax()) if real.size else 0


def _last(values: Values) -> float | None:
    real = values[~np.isnan(values)]
    return float(real[-1]) if real.size else None


def _worst(values: Values, op: Op) -> float | None:
    real = values[~np.isnan(values)]
    return float(real.max() if op.upward else real.min()) if real.size else None


def _quieted(row: Values, quiet: Flags | None, place: int) -> Values:
    return row if quiet is None else np.where(quiet[place], np.nan, row)
