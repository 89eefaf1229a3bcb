"""Patterns that recur: weeks, month-end peaks, log rotation. Found in the day-to-day changes, fitted on the level.

The changes are used to find the length because a lasting move of the level is one odd change among them, while it would
bend every phase of the level itself.
"""

from __future__ import annotations

import numpy as np

from opsbot.evaluate.trend.history import Cycle, Indices, phase, spread
from opsbot.samples import Values

LENGTHS = (*map(float, range(5, 47)), 30.4375)
FEWEST = 12
# Lengths that calendars have need less evidence (twice the log of the odds) than any other.
CALENDAR = (7.0, 14.0, 28.0, 30.0, 30.4375, 31.0)
MARGIN, MARGIN_OTHER = 6.0, 14.0


def find(times: Values, values: Values, period: int) -> float | None:
    """The length, in samples, of the pattern that explains most of the changes for the phases it needs; None: no pattern."""
    joined = np.diff(times) == 1
    change = np.diff(values)[joined]
    if change.size < FEWEST:
        return None
    when = times[1:][joined]
    change = change - np.median(change)
    cap = float(np.quantile(np.abs(change), min(0.995, 1 - 1.5 / change.size)))
    if cap <= 0:
        return None
    clipped = np.clip(change, -cap, cap)
    span = times[-1] - times[0] + 1
    lengths = [length for length in LENGTHS if 2 * length <= span and (length >= period or period > 7)]
    gains = [(_gain(when, clipped, length) - _margin(length, period), length) for length in lengths]
    for gain, length in sorted(gains, key=lambda each: -each[0] + 0.02 * each[1]):
        if gain <= 0:
            return None
        if _agrees(when, clipped, length):
            return length
    return None


def _margin(length: float, period: int) -> float:
    return MARGIN if length in CALENDAR or length == period else MARGIN_OTHER


def _gain(when: Values, change: Values, length: float) -> float:
    """Log evidence gained by the phases whose mean stands out in odd and in even cycles alike."""
    count, sums, at = _sums(when, change, length)
    phases = count.size
    if (count < 2).sum() > 0.2 * phases:
        return -1.0
    mean = sums / np.maximum(count, 1)
    even = np.floor(when / length).astype(np.int64) % 2 == 0
    evens = np.bincount(at[even], minlength=phases)
    mean_even = np.bincount(at[even], change[even], minlength=phases) / np.maximum(evens, 1)
    mean_odd = (sums - mean_even * evens) / np.maximum(count - evens, 1)
    noise = np.sqrt(np.sum((change - mean[at]) ** 2) / max(change.size - phases, 1)) + 1e-300
    kept = np.abs(mean) * np.sqrt(count) / noise > np.sqrt(2 * np.log(phases)) + 0.3
    kept &= (mean_even * mean_odd > 0) & (np.minimum(np.abs(mean_even), np.abs(mean_odd)) > 0.35 * np.abs(mean))
    needed = int(kept.sum())
    if not needed:
        return -1.0
    left = np.sum((change - np.where(kept, mean, 0.0)[at]) ** 2)
    return float(
        change.size * np.log(np.sum(change**2) / max(left, 1e-300))
        - needed * (np.log(change.size) + 2 * np.log(phases))
    )


def _agrees(when: Values, change: Values, length: float) -> bool:
    """Whether the strongest phase is strong in most cycles: two great changes alone are no pattern."""
    count, sums, at = _sums(when, change, length)
    mean = sums / np.maximum(count, 1)
    strongest = int(np.argmax(np.abs(mean) * np.sqrt(count)))
    own = change[at == strongest]
    return bool(abs(np.median(own)) > 0.4 * abs(mean[strongest]))


def _sums(when: Values, change: Values, length: float) -> tuple[Indices, Values, Indices]:
    at = phase(when, length)
    phases = int(np.ceil(length))
    sums: Values = np.bincount(at, change, minlength=phases).astype(np.float64)
    return np.bincount(at, minlength=phases).astype(np.int64), sums, at


def fit(times: Values, values: Values, length: float, steps: tuple[int, ...]) -> Cycle:
    """Offsets by phase, least squares beside a bending trend and the level's moves; weak phases are shrunk."""
    at = phase(times, length)
    phases = int(np.ceil(length))
    design = _design(times, at, phases, length, steps)
    weights = np.ones(values.size)
    for _ in range(2):
        weighted = design * weights[:, None]
        normal = weighted.T @ design
        normal[np.diag_indices_from(normal)] += 1e-9 * np.trace(normal) / len(normal)
        solved = np.linalg.solve(normal, weighted.T @ values)
        rest = values - design @ solved
        wide = spread(rest)
        if wide <= 0:
            break
        weights = np.minimum(1.0, 3 * wide / np.maximum(np.abs(rest), 1e-300))
    count = np.bincount(at, minlength=phases).astype(np.int64)
    noise = float(np.var(rest)) * values.size / max(values.size - design.shape[1], 2)
    doubt: Values = np.asarray(noise / np.maximum(count, 1), dtype=np.float64)
    return Cycle(length=length, offsets=_shrunk(np.asarray(solved[:phases], dtype=np.float64), count, doubt))


def _design(times: Values, at: Indices, phases: int, length: float, steps: tuple[int, ...]) -> Values:
    span = times[-1] - times[0] + 1
    bends = int(np.clip(span // (2.5 * max(length, 14)) - 1, 0, 8))
    knots = np.linspace(times[0], times[-1], bends + 2)[1:-1]
    position = np.arange(times.size)
    dummies = np.zeros((times.size, phases))
    dummies[position, at] = 1
    trend = [(times - times[-1]) / span, *(np.maximum(times - knot, 0) / span for knot in knots)]
    moves = [(position < step).astype(float) for step in steps]
    return np.column_stack([dummies, *trend, *moves])


def _shrunk(offsets: Values, count: Indices, doubt: Values) -> Values:
    """Towards no pattern by the share that noise explains; of a peaky pattern only the peaks are kept."""
    known = count > 0
    offsets = np.where(known, offsets, np.median(offsets[known]))
    offsets = offsets - np.average(offsets, weights=count)
    if offsets.size > 10:
        peaks = np.abs(offsets - np.median(offsets)) > 2.2 * np.sqrt(doubt)
        if peaks.mean() < 0.35:
            offsets = np.where(peaks, offsets, offsets[~peaks].mean())
            offsets = offsets - np.average(offsets, weights=count)
    power = max(float(np.mean(offsets**2)), 1e-300)
    shrunk: Values = offsets * max(0.0, 1 - float(np.mean(doubt)) / power)
    return shrunk
