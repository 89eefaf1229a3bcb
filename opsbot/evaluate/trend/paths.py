"""Ways a resource can go from here: draws of the believed ways of growing, with their noise, day by day."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from opsbot.evaluate.trend.noise import whiten
from opsbot.evaluate.trend.pace import Way, nuisances, place
from opsbot.evaluate.trend.shapes import Form, Shape, curve
from opsbot.samples import Values

WAYS = 480
MOST_STEPS = 8
FAR = 1e6


@lru_cache(maxsize=8)
def normals(rows: int, columns: int, seed: int) -> Values:
    """Standard normal numbers, the same in every process: a forecast is a function of its history."""
    drawn: Values = np.random.default_rng(seed).standard_normal((rows, columns))
    drawn.flags.writeable = False
    return drawn


def simulate(ways: tuple[Way, ...], horizon: int) -> Values:
    """`WAYS` x `horizon` values after the last sample, shared among the ways by their weights."""
    level = np.empty((WAYS, horizon))
    last, sigma, memory = np.empty(WAYS), np.empty(WAYS), np.empty(WAYS)
    start = 0
    for way, count in zip(ways, _shares(ways), strict=True):
        if count:
            rows = slice(start, start + count)
            level[rows], last[rows], sigma[rows] = _levels(way, horizon, rows)
            memory[rows] = way.memory
            start += count
    drawn: Values = np.clip(level + _noise(memory, last, sigma, horizon), -FAR, FAR)
    return drawn


def _shares(ways: tuple[Way, ...]) -> list[int]:
    wanted = np.array([way.weight for way in ways]) * WAYS
    counts = np.floor(wanted).astype(int)
    for at in np.argsort(-(wanted - counts), kind="stable")[: WAYS - counts.sum()]:
        counts[at] += 1
    return [int(count) for count in counts]


def _columns(shape: Shape, x: Values) -> list[Values]:
    match shape.form:
        case Form.FLAT:
            return [np.ones_like(x)]
        case Form.COMPOUND:
            return [curve(shape, x)]
        case Form.BEND | Form.LEAP:
            return [np.ones_like(x), x - 1, curve(shape, x)]
        case _:
            return [np.ones_like(x), curve(shape, x)]


def _levels(way: Way, horizon: int, rows: slice) -> tuple[Values, Values, Values]:
    """(levels by draw and day, how far the last value stands from each draw's level, each draw's noise)."""
    reading = way.reading
    after = reading.times[-1] + np.arange(1, horizon + 1)
    moves = [] if way.shape.form is Form.COMPOUND else nuisances(reading)[1 : 1 + MOST_STEPS]
    past = np.column_stack([*_columns(way.shape, place(reading.times, reading)), *moves])
    future = np.vstack([*_columns(way.shape, place(after, reading)), *(np.zeros(horizon) for _ in moves)])
    white = whiten(np.column_stack([reading.values, past]), np.diff(reading.times), way.memory)[0]
    heights, sigma = _draws(white[:, 0], white[:, 1:], rows)
    return heights @ future, reading.values[-1] - heights @ past[-1], sigma


def _draws(value: Values, design: Values, rows: slice) -> tuple[Values, Values]:
    """Heights and noise as unsure as the history leaves them (normal-inverse-gamma, without a prior)."""
    base, upper = np.linalg.qr(design)
    diagonal = np.abs(np.diag(upper))
    upper = upper + np.diag(np.where(diagonal < 1e-9 * diagonal.max(), 1e-9 * diagonal.max() + 1e-300, 0.0))
    best = np.linalg.solve(upper, base.T @ value)
    free = max(value.size - design.shape[1] - 1, 2)
    rest = value - design @ best
    random = normals(WAYS, 4 + MOST_STEPS, 11)[rows]
    sigma = np.sqrt(rest @ rest / (free * _chi_square(free, random[:, -1])))
    return best + np.linalg.solve(upper, random[:, : design.shape[1]].T).T * sigma[:, None], sigma


def _chi_square(free: int, random: Values) -> Values:
    """A chi-square over its degrees of freedom, from a normal (Wilson & Hilferty 1931, PNAS 17:684)."""
    part = 2 / (9 * free)
    return np.asarray(np.maximum(1 - part + random * np.sqrt(part), 0.05) ** 3)


def _noise(memory: Values, last: Values, sigma: Values, horizon: int) -> Values:
    """Deviations from the level: each day keeps `memory` of the one before and adds a shock."""
    noise = normals(_rounded(horizon), WAYS, 7)[:horizon] * sigma
    now = last
    for day in range(horizon):
        noise[day] += memory * now
        now = noise[day]
    return noise.T


def _rounded(horizon: int) -> int:
    """Few different sizes, so that the drawn numbers are kept."""
    return -(-horizon // 64) * 64
