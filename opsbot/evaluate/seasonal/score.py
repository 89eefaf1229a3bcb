"""How strange each point of one series is, from 0 to 1, judged by nothing but what came before it.

Six views look at every point: the nearest earlier value, the nearest one of about this hour, the usual at this time of
day (for the last half hour and for the last two hours of 5-minute rows), and the distance from the last 400 residuals
and 1,600 values. Each view becomes a rarity in decades, so that views and series compare; their weighted sum is the
strangeness. Within fifteen hours only what is stranger than all before it is told again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from opsbot.evaluate.seasonal.days import Days, Hours
from opsbot.evaluate.seasonal.ordered import Ordered
from opsbot.evaluate.seasonal.rarity import decades
from opsbot.evaluate.seasonal.recent import Recent

# Rows that are remembered by value, 70 days of 5-minute rows: 3 MB a series at most.
MEMORY = 20_160
SHORT, MIDDLE, LONG = 3, 6, 24
NEAR_ROWS, FAR_ROWS = 400, 1600
TOLERANCE = 900
# A step this many times the one before is a gap.
GAP = 12
# Squares of greater numbers are none any more: such a value is taken for no datum.
LARGEST = 1e150
# What is told again within this time must be stranger by the margin than all before it.
QUIET, MARGIN = 15 * 3600, 0.3
WEIGHTS = (1.0, 2.2, 1.8, 0.45, 1.3, 0.35)
# No view tells more decades than this, however far out a point lies.
MOST = 10.0
# The strangeness that scores 0.5.
EVEN = 11.0


@dataclass(slots=True)
class State:
    """All that is remembered of one series: keep it (it pickles) and go on with `advance` when new points come."""

    newest: int | None = None
    step: int = 0
    rows: int = 0
    short: Recent = field(default_factory=lambda: Recent(SHORT))
    middle: Recent = field(default_factory=lambda: Recent(MIDDLE))
    long: Recent = field(default_factory=lambda: Recent(LONG))
    values: Ordered = field(default_factory=lambda: Ordered(MEMORY))
    hours: Hours = field(default_factory=lambda: Hours(MEMORY // 8))
    days: Days = field(default_factory=lambda: Days(3))
    residuals: Recent = field(default_factory=lambda: Recent(NEAR_ROWS))
    levels: Recent = field(default_factory=lambda: Recent(FAR_ROWS))
    views: tuple[Ordered, ...] = field(default_factory=lambda: tuple(Ordered(MEMORY) for _ in WEIGHTS))
    told: list[tuple[int, float]] = field(default_factory=list)

    def copy(self) -> State:
        return State(
            newest=self.newest,
            step=self.step,
            rows=self.rows,
            short=self.short.copy(),
            middle=self.middle.copy(),
            long=self.long.copy(),
            values=self.values.copy(),
            hours=self.hours.copy(),
            days=self.days.copy(),
            residuals=self.residuals.copy(),
            levels=self.levels.copy(),
            views=tuple(view.copy() for view in self.views),
            told=self.told[:],
        )


class Judged(NamedTuple):
    """One point judged: its score, and the value that was usual for it."""

    score: float
    usual: float


def advance(state: State, times: Iterable[int], values: Iterable[float]) -> tuple[list[float], State]:
    """Scores of the points that follow `state`, and the state after them; the one given stays as it is.

    Times are epoch seconds. A point that is no number, or not newer than the last one, scores 0 and is not learnt.
    """
    after = state.copy()
    return [learn(after, int(time), float(value)).score for time, value in zip(times, values, strict=True)], after


def learn(state: State, time: int, value: float) -> Judged:
    """Judges one point and adds it to `state` in place: for those who hold the state themselves."""
    if not abs(value) < LARGEST or (state.newest is not None and time <= state.newest):
        return Judged(0.0, value)
    _clock(state, time)
    seen, usual = _seen(state, time, value)
    strange = _strangeness(state, seen)
    return Judged(strange / (strange + EVEN) if _news(state.told, time, strange) else 0.0, usual)


def _clock(state: State, time: int) -> None:
    """Moves the series on; means over rows from both sides of a gap would be of no time at all, so they begin anew."""
    step = time - state.newest if state.newest is not None else 0
    if state.step and step > GAP * state.step:
        state.short, state.middle, state.long = Recent(SHORT), Recent(MIDDLE), Recent(LONG)
    state.newest, state.step, state.rows = time, step, state.rows + 1


def _seen(state: State, time: int, value: float) -> tuple[Sequence[float], float]:
    """What each view says of a point, in its own unit, and what was usual; the point is learnt on the way."""
    for recent in (state.short, state.middle, state.long):
        recent.add(value)
    short, means = state.short.mean(), (value, state.middle.mean(), state.long.mean())
    known = state.days.usual(time, TOLERANCE)
    usual = known or means
    residual = value - usual[0]
    seen = (
        state.values.nearest(short),
        state.hours.nearest(time, value),
        abs(means[1] - usual[1]),
        abs(means[2] - usual[2]),
        state.residuals.distance(residual),
        state.levels.distance(value),
    )
    expected = known[0] if known else state.levels.mean() if state.rows > 1 else value
    state.values.add(short)
    state.hours.add(time, value)
    state.days.add(time, means)
    state.residuals.add(residual)
    state.levels.add(value)
    return seen, expected


def _strangeness(state: State, seen: Sequence[float]) -> float:
    total = 0.0
    for weight, view, number in zip(WEIGHTS, state.views, seen, strict=True):
        total += weight * MOST * math.tanh(decades(view, number) / MOST)
        # Zeros before the first difference say that a view is blind still, not that all is usual.
        if number > 0.0 or len(view):
            view.add(number)
    return total


def _news(told: list[tuple[int, float]], time: int, strange: float) -> bool:
    """Whether a point is stranger than all of the last hours; `told` keeps those that could still outdo another."""
    while told and time - told[0][0] > QUIET:
        told.pop(0)
    news = not told or strange > told[0][1] + MARGIN
    while told and told[-1][1] <= strange:
        told.pop()
    told.append((time, strange))
    return news
