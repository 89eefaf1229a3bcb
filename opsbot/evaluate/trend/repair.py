"""Undoing what is no growth: false zeros, lone outliers, and moves of the level by clean-ups, imports and resizes.

A straight line through a clean-up job is wrong for months. Each disturbance is found against the spread of the
day-to-day changes, which such events hardly move, and is reported.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from opsbot.evaluate.trend import cycle as cycles
from opsbot.evaluate.trend.history import Cycle, Indices, Kind, Mask, Reading, Repaired, Undone, spread, unscaled
from opsbot.evaluate.trend.noise import whiten
from opsbot.samples import Values

FEWEST = 8
LEAP = 6.5
MAYBE = 2.7
PROOF = 8.0
LIKELY_MEMORY = 0.5
MOST_MOVES = 6
SPIKE = 8.0
LONGEST_SPIKE = 3
BESIDE = 30
NOTHING = 1e-13
SUBNORMAL = 1e-200


def repair(values: Values, period: int) -> Repaired:
    """The history scaled to at most 1, without disturbances and cycle; `values` may hold NaN and infinities."""
    clean, scale, zeros = cleaned(values)
    there = np.flatnonzero(np.isfinite(clean))
    found = cycles.find(there.astype(float), clean[there], period) if there.size >= FEWEST else None
    lone = [Undone(kind=Kind.FALSE_ZERO, at=at, amount=0.0) for at in np.flatnonzero(zeros).tolist()]
    lone += _take_outliers(clean, there, found, scale)
    calm, more = scaled(clean)
    # What is so small beside the rest is below a float's precision, and only upsets the sums.
    calm[np.abs(calm) < NOTHING] = 0.0
    times = np.flatnonzero(np.isfinite(calm)).astype(float)
    kept = calm[np.isfinite(calm)]
    cycle = cycles.fit(times, kept, found, ()) if found else None
    steps = leaps(times, _without(cycle, times, kept))
    cycle = cycles.fit(times, kept, found, steps) if found and steps else cycle
    readings = _readings(times, _without(cycle, times, kept), steps)
    return Repaired(readings=readings, cycle=cycle, raw=calm, scale=scale * more, undone=tuple(lone))


def _take_outliers(clean: Values, there: Indices, found: float | None, scale: float) -> list[Undone]:
    """Makes outliers NaN in `clean`, whose finite values are `there`, and tells what they were."""
    times, kept = there.astype(float), clean[there]
    odd = outliers(_without(cycles.fit(times, kept, found, ()) if found else None, times, kept))
    clean[there[odd]] = np.nan
    return [
        Undone(kind=Kind.OUTLIER, at=int(there[at]), amount=unscaled(_lift(kept, odd, at), scale))
        for at in np.flatnonzero(odd).tolist()
    ]


def cleaned(values: Values) -> tuple[Values, float, Mask]:
    """(scaled values with NaN for what is none and for false zeros, the scale, which were false zeros)."""
    clean, scale = scaled(values)
    zeros = false_zeros(clean)
    clean[zeros] = np.nan
    return clean, scale, zeros


def scaled(values: Values) -> tuple[Values, float]:
    """Finite values divided by the largest magnitude, so that 1e308 and 1e-308 take the same path; else NaN."""
    clean = np.array(values, dtype=float)
    clean[~np.isfinite(clean)] = np.nan
    top = float(np.nanmax(np.abs(clean))) if np.isfinite(clean).any() else 0.0
    if top <= 0:
        return clean, 1.0
    sized = clean / top
    sized[np.abs(sized) < SUBNORMAL] = 0.0
    return sized, top


def false_zeros(values: Values) -> Mask:
    """Exact zeros between values that stay well away from zero: an agent that reported nothing as 0."""
    there = np.isfinite(values)
    zeros = there & (values == 0)
    false = np.zeros(values.size, dtype=bool)
    if not zeros.any() or zeros.sum() > 0.34 * there.sum():
        return false
    others = np.flatnonzero(there & ~zeros)
    for at in np.flatnonzero(zeros):
        near = int(np.searchsorted(others, at))
        around = np.abs(values[others[max(0, near - 4) : near + 4]])
        false[at] = around.size >= 3 and around.min() > 0.2 * np.median(around)
    return false


def outliers(values: Values) -> Mask:
    """Runs of up to three values that leap away and come back, and a last value far beyond all that was seen.

    Many of them are no outliers but how this resource behaves: then none is.
    """
    odd = np.zeros(values.size, dtype=bool)
    if values.size < FEWEST:
        return odd
    change = np.diff(values)
    # Where most days change nothing, what is usual is the change of a day that does.
    wide = spread(change) or float(np.median(np.abs(change[change != 0]))) if change.any() else 0.0
    if wide <= 0:
        return odd
    for left, right in _returns(change, np.flatnonzero(np.abs(change) > SPIKE * wide)):
        odd[left + 1 : right + 1] = True
    if odd.sum() > max(3, 0.02 * values.size):
        odd[:] = False
    rest = np.diff(values[~odd])
    if rest.size >= FEWEST and _beyond(rest):
        odd[np.flatnonzero(~odd)[-1]] = True
    return odd


def leaps(times: Values, values: Values) -> tuple[int, ...]:
    """Positions of the first value after a lasting move of the level; none when moves are how the values grow.

    The clear ones stand out of the changes; those near the noise must explain the whole history better.
    """
    if values.size < FEWEST:
        return ()
    change = np.diff(values)
    wide = spread(change)
    if wide <= 0:
        return ()
    far = np.abs(change - np.median(change)) / wide
    at = np.flatnonzero(far > LEAP) + 1
    if at.size > max(4, 0.03 * values.size):
        return ()
    unsure = [int(each) + 1 for each in np.argsort(-far)[: at.size + 6] if MAYBE < far[each] <= LEAP]
    return tuple(sorted(_proven(times, values, at.tolist(), unsure)))


def _proven(times: Values, values: Values, sure: list[int], unsure: list[int]) -> list[int]:
    """The sure moves and, one after the other, those unsure ones that explain much of what a bent line cannot."""
    found = list(sure)
    position, gaps = np.arange(values.size), np.diff(times)
    x = (times - times[-1]) / (times[-1] - times[0] + 1)
    bend = np.maximum(x + 0.5, 0)
    while unsure and len(found) < MOST_MOVES:
        fixed = [np.ones(x.size), x, bend, *((position < at).astype(float) for at in found)]
        tried = [(position < at).astype(float) for at in unsure]
        white = whiten(np.column_stack([values, *fixed, *tried]), gaps, LIKELY_MEMORY)[0]
        base = np.linalg.qr(white[:, 1 : 1 + len(fixed)])[0]
        white -= base @ (base.T @ white)
        rest, moves = white[:, 0], white[:, 1 + len(fixed) :]
        explained = (rest @ moves) ** 2 / np.maximum(np.einsum("ij,ij->j", moves, moves), 1e-12)
        best = int(np.argmax(explained))
        power = float(rest @ rest)
        left = max(power - float(explained[best]), 1e-12 * power)
        if power <= 0 or 0.5 * values.size * np.log(power / left) < np.log(values.size) + PROOF:
            break
        found.append(unsure.pop(best))
    return found


def _returns(change: Values, big: Indices) -> list[tuple[int, int]]:
    pairs = []
    for left, right in pairwise(big.tolist()):
        if right - left <= LONGEST_SPIKE and change[left] * change[right] < 0:
            net = abs(change[left : right + 1].sum())
            if net < 0.25 * min(abs(change[left]), abs(change[right])):
                pairs.append((left, right))
    return pairs


def _beyond(change: Values) -> bool:
    earlier = change[:-1]
    wide = spread(earlier)
    furthest = float(np.max(np.abs(earlier - np.median(earlier))))
    return wide > 0 and abs(change[-1]) > max(12 * wide, 3 * furthest)


def _without(cycle: Cycle | None, times: Values, values: Values) -> Values:
    return values if cycle is None else values - cycle.at(times)


def _lift(values: Values, odd: Mask, at: int) -> float:
    """How far an outlier stands from the straight line between its neighbours."""
    others = np.flatnonzero(~odd)
    return float(values[at] - np.interp(at, others, values[others]))


def moved(reading: Reading, at: int, scale: float, *, resized: bool = False) -> Undone:
    """A lasting move of the level, named by what it looks like."""
    before, after = _around(reading.values, at)
    kind = Kind.IMPORT if after > before else Kind.CLEAN_UP
    if 0 <= after < 0.12 * before:
        kind = Kind.RESET
    amount = unscaled(after - before, scale)
    return Undone(kind=Kind.RESIZE if resized else kind, at=int(reading.times[at]), amount=amount)


def _around(values: Values, at: int) -> tuple[float, float]:
    """Level at a move, as the values before it and as those after it have it."""
    return _level(values[max(0, at - BESIDE) : at]), _level(values[at : at + BESIDE][::-1])


def _level(side: Values) -> float:
    """Where the values lead at their end: the median of the last few, carried on by the slope between the halves."""
    half = side.size // 2
    slope = float(np.median(side[-half:]) - np.median(side[:half])) / (side.size - half) if half > 2 else 0.0
    last = side[-5:]
    return float(np.median(last + slope * np.arange(last.size - 0.5, 0, -1)))


def _readings(times: Values, values: Values, steps: tuple[int, ...]) -> tuple[Reading, ...]:
    """Moves read as additions, and, where it can be, as a change of scale (a resized volume's percentage)."""
    plain = Reading(times=times, values=values, steps=steps)
    if not steps or len(steps) > 3 or values.min() <= 0:
        return (plain,)
    resized, penalty = values.copy(), 0.0
    for at in reversed(steps):
        before, after = _around(values, at)
        if min(before, after) <= 0:
            return (plain,)
        resized[:at] *= after / before
        penalty += at * float(np.log(after / before))
    return plain, Reading(times=times, values=resized, steps=steps, penalty=penalty)
