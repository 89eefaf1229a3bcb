"""Which strange points are told: in the direction asked, large enough, and at most so many a month.

The threshold sets itself: it is the score that the series' own past went over as often as the budget allows, and never
under a floor. On top of it the budget is a promise: within 30 days no more anomalies are told than it says.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from heapq import nlargest

from opsbot.evaluate.seasonal.days import DAY
from opsbot.evaluate.seasonal.score import Judged, State, learn

MONTH = 30 * DAY
# How far back past scores count for the threshold.
LOOK_BACK = 2 * MONTH
FLOOR = 0.5
LEARN_ROWS, LEARN_TIME = 60, 2 * DAY


class Direction(StrEnum):
    """Which way a value must leave the usual to be told."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """What is worth telling. `min_effect`: the least difference as a share of the usual (0.2 = 20 %); `min_change`: the
    least difference in the metric's unit; `alerts_per_month`: the budget of one series;
    `floor`: the least score."""

    direction: Direction = Direction.BOTH
    min_effect: float = 0.2
    min_change: float = 0.0
    alerts_per_month: int = 4
    floor: float = FLOOR


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """One point worth telling, and what is said of it: `usual` at this time of day (`weekday`: on this day of the week);
    `record` seconds since the value was as high (low), `known` seconds it could have been: equal if it never was."""

    time: int
    value: float
    score: float
    threshold: float
    usual: float
    weekday: bool
    record: int
    known: int

    @property
    def up(self) -> bool:
        return self.value > self.usual


@dataclass(slots=True)
class Watched:
    """One series under watch: what it was, the scores that were loud, and when anomalies were told."""

    state: State = field(default_factory=State)
    began: int | None = None
    loud: list[tuple[int, float]] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def copy(self) -> Watched:
        return replace(self, state=self.state.copy(), loud=self.loud[:], told=self.told[:])


def watch(
    watched: Watched, times: Iterable[int], values: Iterable[float], how: Sensitivity
) -> tuple[list[Anomaly], Watched]:
    """The anomalies among the points that follow, and the series after them; the one given stays as it is."""
    after = watched.copy()
    judged = ((int(time), float(value)) for time, value in zip(times, values, strict=True))
    found = (_judge(after, time, value, how) for time, value in judged)
    return [anomaly for anomaly in found if anomaly], after


def _judge(watched: Watched, time: int, value: float, how: Sensitivity) -> Anomaly | None:
    judged = learn(watched.state, time, value)
    if judged.score <= 0.0:
        return None
    if watched.began is None:
        watched.began = time
    if not _worth(value, judged.usual, how):
        return None
    limit = threshold(watched, time, how)
    watched.loud.append((time, judged.score))
    if judged.score <= limit or not _allowed(watched, time, how):
        return None
    watched.told.append(time)
    return _anomaly(watched.state, time, value, judged, limit)


def _worth(value: float, usual: float, how: Sensitivity) -> bool:
    off = value - usual
    wrong_way = {Direction.UP: off < 0, Direction.DOWN: off > 0, Direction.BOTH: False}[how.direction]
    return not wrong_way and abs(off) >= how.min_effect * abs(usual) and abs(off) >= how.min_change and off != 0


def threshold(watched: Watched, time: int, how: Sensitivity) -> float:
    """The score above which a point at `time` is told: as many past ones were over it as the budget allows."""
    watched.loud = [(at, score) for at, score in watched.loud if time - at <= LOOK_BACK]
    span = min(time - watched.began, LOOK_BACK) if watched.began is not None else 0
    allowed = int(how.alerts_per_month * span / MONTH) + 1
    loudest = nlargest(allowed, (score for _, score in watched.loud))
    return max(how.floor, loudest[-1] if len(loudest) == allowed else 0.0)


def _allowed(watched: Watched, time: int, how: Sensitivity) -> bool:
    watched.told = [at for at in watched.told if time - at < MONTH]
    learnt = watched.began is not None and time - watched.began >= LEARN_TIME and watched.state.rows > LEARN_ROWS
    return learnt and len(watched.told) < how.alerts_per_month


def _anomaly(state: State, time: int, value: float, judged: Judged, limit: float) -> Anomaly:
    same = state.days.same_weekday()
    usual = judged.usual if same is None else same
    # Against another day of the week the same value may lie on the other side: then the day is left out.
    weekday = same is not None and (value > usual) == (value > judged.usual)
    record, known = state.days.record(value, up=value > judged.usual)
    return Anomaly(
        time=time,
        value=value,
        score=judged.score,
        threshold=limit,
        usual=usual if weekday else judged.usual,
        weekday=weekday,
        record=record,
        known=known,
    )
