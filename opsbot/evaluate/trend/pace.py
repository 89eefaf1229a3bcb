"""How far each way of growing is believed, given the history: evidence over shapes, noise memories and readings.

Every shape is fitted with a noise that remembers `phi` of yesterday (phi = 1 is a random walk), by generalised least
squares in closed form. The Bayesian information criterion (Schwarz 1978, Ann. Statist. 6:461) weighs the fits; the
forecast then draws from all of them, so that doubt about the pace is part of the odds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from opsbot.evaluate.trend.history import Reading
from opsbot.evaluate.trend.noise import whiten
from opsbot.evaluate.trend.shapes import BELIEF, COARSE, Form, Shape, coarse, compounding, curves, finer
from opsbot.samples import Values

MEMORY_BELIEF = {0.0: 0.15, 0.2: 0.15, 0.4: 0.15, 0.55: 0.15, 0.7: 0.12, 0.85: 0.08, 0.95: 0.05, 1.0: 0.15}
MEMORIES = tuple(MEMORY_BELIEF)
# Memories this far below the best, in log evidence, are not looked at on a finer lattice.
LIKELY = 6.0
HEARD = 24
LEAPS_TRIED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of growing, with the share of belief it got."""

    reading: Reading
    shape: Shape
    memory: float
    weight: float


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Log evidence, one row a memory, one column a shape."""

    shapes: tuple[Shape, ...]
    memories: tuple[float, ...]
    logs: Values


def weigh(readings: Sequence[Reading]) -> tuple[Way, ...]:
    """The believed ways of growing, with weights that sum to 1.

    Of thousands of ways a few dozen are dealt with: even steps along their cumulated weights, similar ones side by
    side, so that many weak ways are heard in proportion and the strongest does not stand for all.
    """
    parts = [(reading, part) for reading in readings for part in _evidence(reading)]
    logs = np.concatenate([(part.logs + reading.penalty).T.ravel() for reading, part in parts])
    shares = np.cumsum(np.exp(logs - logs.max()))
    steps = (np.arange(HEARD) + 0.5) / HEARD * shares[-1]
    chosen, counts = np.unique(np.searchsorted(shares, steps), return_counts=True)
    named = [(reading, shape, memory) for reading, part in parts for shape in part.shapes for memory in part.memories]
    return tuple(
        Way(reading=named[at][0], shape=named[at][1], memory=named[at][2], weight=count / HEARD)
        for at, count in zip(chosen.tolist(), counts.tolist(), strict=True)
    )


def place(times: Values, reading: Reading) -> Values:
    """Times as x: just above 0 at the first sample, 1 at the last."""
    first, last = reading.times[0], reading.times[-1]
    placed: Values = (times - first + 1) / (last - first + 1)
    return placed


def nuisances(reading: Reading) -> list[Values]:
    """Columns every fit has: the level now, and how far each move changed it."""
    position = np.arange(reading.values.size)
    return [np.ones(position.size), *((position < step).astype(float) for step in reading.steps)]


def _evidence(reading: Reading) -> list[_Weighed]:
    x = place(reading.times, reading)
    shapes = (Shape(Form.FLAT), *coarse(), *_leaps(reading, x))
    if not reading.steps:
        shapes += compounding(reading.times, reading.values, x)
    first = _weighed(reading, x, shapes, 0, MEMORIES)
    likely = tuple(
        memory for memory, row in zip(MEMORIES, first.logs, strict=True) if row.max() > first.logs.max() - LIKELY
    )
    second = _weighed(reading, x, _around(first, 1.0), 1, likely)
    third = _weighed(reading, x, _around(second, 0.25), 2, likely)
    return [part for part in (first, second, third) if part.shapes]


def _around(part: _Weighed, step: float) -> tuple[Shape, ...]:
    found: list[Shape] = []
    best = part.logs.max(axis=0)
    for form in (Form.BEND, Form.CURVE, Form.FILL):
        at = [index for index, shape in enumerate(part.shapes) if shape.form is form]
        if at:
            top = max(at, key=lambda index: best[index])
            if best[top] > best.max() - 8:
                found += finer(part.shapes[top], step)
    return tuple(found)


def _leaps(reading: Reading, x: Values) -> tuple[Shape, ...]:
    """The largest changes that are not yet moves: each may be one, if the evidence says so."""
    change = np.abs(np.diff(reading.values))
    order = [int(at) + 1 for at in np.argsort(-change)[: LEAPS_TRIED + len(reading.steps)]]
    picked = [at for at in order if at not in reading.steps and 3 <= at <= x.size - 3]
    return tuple(Shape(Form.LEAP, float(x[at])) for at in picked[:LEAPS_TRIED])


def _weighed(
    reading: Reading, x: Values, shapes: tuple[Shape, ...], depth: int, memories: tuple[float, ...]
) -> _Weighed:
    """Log evidence of each shape under each memory; `depth` is how often the lattice was made finer."""
    if not shapes:
        return _Weighed((), memories, np.zeros((len(memories), 0)))
    fixed = nuisances(reading)
    columns = np.column_stack([reading.values, *fixed, x - 1, curves(shapes, x)])
    gaps = np.diff(reading.times)
    kinds = _kinds(shapes, len(fixed))
    logs = np.array([_row(columns, gaps, memory, kinds) for memory in memories])
    believed = np.log(np.array([MEMORY_BELIEF[memory] for memory in memories]))
    return _Weighed(shapes, memories, logs + believed[:, None] + _beliefs(shapes, depth))


def _beliefs(shapes: tuple[Shape, ...], depth: int) -> Values:
    """Log belief in each shape; a finer lattice shares what one shape of the coarser had."""
    forms = [shape.form for shape in shapes]
    cells = {form: (COARSE[form] if depth else 1) * forms.count(form) ** max(depth, 1) for form in forms}
    believed: Values = np.log(np.array([BELIEF[form] / cells[form] for form in forms]))
    return believed


@dataclass(frozen=True, slots=True)
class _Kinds:
    """Of a row of shapes: which stand beside a line, which go through zero, and how many numbers each fits."""

    fixed: int
    bent: Values
    through: Values
    number: Values


def _kinds(shapes: tuple[Shape, ...], fixed: int) -> _Kinds:
    bent = np.array([shape.bent for shape in shapes])
    through = np.array([shape.form is Form.COMPOUND for shape in shapes])
    flat = np.array([shape.form is Form.FLAT for shape in shapes])
    number = np.where(through, 1, fixed + np.where(bent, 2, 1) - flat)
    return _Kinds(fixed, bent, through, number)


def _row(columns: Values, gaps: Values, memory: float, kinds: _Kinds) -> Values:
    white, cost = whiten(columns, gaps, memory)
    count, fixed = len(columns), kinds.fixed
    base = np.linalg.qr(white[:, 1 : 1 + fixed])[0]
    rest = white - base @ (base.T @ white)
    value, line, curves = rest[:, 0], rest[:, 1 + fixed], rest[:, 2 + fixed :]
    straight = line / max(float(np.sqrt(line @ line)), 1e-150)
    curves = curves - np.outer(straight, (straight @ curves) * kinds.bent)
    total = float(value @ value)
    start = np.where(kinds.bent, total - float(straight @ value) ** 2, total)
    # A curve that the line explains wholly has nothing left to fit with.
    power = np.einsum("ij,ij->j", curves, curves)
    there = power > 1e-12
    left = start - np.where(there, (value @ curves) ** 2 / np.where(there, power, 1.0), 0.0)
    if kinds.through.any():
        left[kinds.through] = _through_zero(white[:, 0], white[:, 2 + fixed :][:, kinds.through])
    floor = count * (1e-7 * max(float(np.ptp(columns[:, 0])), 1e-12)) ** 2
    score: Values = -0.5 * count * np.log(np.maximum(left, floor)) - cost - 0.5 * kinds.number * np.log(count)
    return score


def _through_zero(value: Values, curves: Values) -> Values:
    """What is left by curves fitted without a level of their own."""
    left: Values = value @ value - (value @ curves) ** 2 / np.maximum(np.einsum("ij,ij->j", curves, curves), 1e-300)
    return left
