"""The states of alarms, worked out from the world over the last days as CloudWatch would have."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from opsbot.replica.alarmrule import read_rule
from opsbot.replica.series import DAY, Reader, span_of
from opsbot.replica.world import AlarmSpec, Floats, SeriesId

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
# How far back states are followed: from the midnight three days ago.
LOOKBACK = 3 * DAY
_COMPARE: Mapping[str, Callable[[Floats, float], np.ndarray]] = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_ALL_MISSING = {"missing": INSUFFICIENT, "breaching": ALARM, "notBreaching": OK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """An alarm came into `state` at `at` (epoch seconds); `points` are the newest evaluated, newest first."""

    at: int
    before: str
    state: str
    points: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """An alarm's states over the lookback: the one it began with, then the changes."""

    first: Transition
    changes: tuple[Transition, ...] = ()

    @property
    def last(self) -> Transition:
        """How it came into the state it is in."""
        return self.changes[-1] if self.changes else self.first

    def at(self, time: int) -> str:
        """The state at a time."""
        return next((change.state for change in reversed(self.changes) if change.at <= time), self.first.state)


def _timeline(steps: Sequence[Transition]) -> Timeline:
    """A timeline from one judgement after another; what did not change anything is left out."""
    changes = [after for before, after in pairwise(steps) if after.state != before.state]
    return Timeline(first=steps[0], changes=tuple(changes))


def evaluate(points: str, *, m: int, n: int, missing: str, current: str) -> str:
    """CloudWatch's M out of N: the state that `points` (oldest first; 0 fine, X breaching, - missing) give.

    `points` is the evaluation range, longer than n. Rules and their order: CloudWatch user guide, "Configuring how
    alarms treat missing data"; n or more real points leave `missing` unused, fewer are filled up as little as possible.
    """
    real = points.replace("-", "")
    breaching = real.count("X")
    if not real:
        return _ALL_MISSING.get(missing, current)
    if len(real) >= n:
        return ALARM if real[-n:].count("X") >= m else OK
    if missing == "breaching":
        return ALARM if breaching + n - len(real) >= m else OK
    if missing == "notBreaching" or "0" in real:
        return ALARM if breaching >= m else OK
    # All real points breach but are too few: AWS alarms early once the oldest of them is m periods old.
    if len(points) - points.index("X") < m:
        return current
    return ALARM if missing == "missing" else current


def evaluation_range(n: int) -> int:
    """How many periods CloudWatch looks at; it says only that they are more than n."""
    return n + max(2, n // 3)


def metric_timeline(alarm: AlarmSpec, series: SeriesId, reader: Reader, settle: int) -> Timeline:
    """A metric alarm's states; each period is judged once its points are final."""
    n, m = alarm.evaluation_periods, alarm.datapoints_to_alarm
    width, began = evaluation_range(n), _began(reader.now)
    last = int((reader.now - settle) // alarm.period) * alarm.period
    window = span_of(began - width * alarm.period, last, alarm.period)
    values = reader.values(series, alarm.statistic, window)
    marks = _marks(values, alarm)
    missing = "ignore" if series.namespace == "AWS/DynamoDB" else alarm.treat_missing
    steps = [Transition(at=began, before=INSUFFICIENT, state=INSUFFICIENT)]
    for end in range(width, window.n + 1):
        before = steps[-1].state
        after = evaluate(marks[end - width : end], m=m, n=n, missing=missing, current=before)
        at = window.start + end * alarm.period + settle
        points = _newest(values[end - width : end], n) if after != before or len(steps) == 1 else ()
        steps.append(Transition(at=at, before=before, state=after, points=points))
    return _timeline(_begun(steps, began))


def _begun(steps: Sequence[Transition], began: int) -> Sequence[Transition]:
    """Without the state before the first judgement: what was judged first had been so before."""
    return [replace(steps[1], at=began, before=steps[1].state), *steps[2:]] if len(steps) > 1 else steps


def _began(now: float) -> int:
    return int((now - LOOKBACK) // DAY) * DAY


def _marks(values: Floats, alarm: AlarmSpec) -> str:
    breaching = _COMPARE[alarm.comparison](values, alarm.threshold)
    return "".join(np.where(np.isnan(values), "-", np.where(breaching, "X", "0")).tolist())


def _newest(values: Floats, n: int) -> tuple[float, ...]:
    there = values[~np.isnan(values)]
    return tuple(there[::-1][:n].tolist())


def composite_timeline(alarm: AlarmSpec, timelines: Mapping[str, Timeline], now: float) -> Timeline:
    """A composite alarm's states, from those of the alarms that its rule names."""
    rule = read_rule(alarm.rule)
    began = _began(now)
    moments = sorted({began, *(change.at for timeline in timelines.values() for change in timeline.changes)})
    states = [ALARM if rule(_StatesAt(timelines, moment)) else OK for moment in moments]
    before = [states[0], *states]
    return _timeline([Transition(at=m, before=b, state=s) for m, b, s in zip(moments, before, states, strict=False)])


@dataclass(frozen=True, slots=True)
class _StatesAt:
    timelines: Mapping[str, Timeline]
    moment: int

    def __call__(self, name: str) -> str:
        timeline = self.timelines.get(name)
        return timeline.at(self.moment) if timeline is not None else INSUFFICIENT


@dataclass(slots=True)
class Timelines:
    """All alarms of an account and region as of one moment. Composites may name composites, but not themselves."""

    alarms: Sequence[AlarmSpec]
    reader: Reader
    _kept: dict[str, Timeline] = field(default_factory=dict)

    def of(self, alarm: AlarmSpec) -> Timeline:
        """One alarm's states."""
        if alarm.name not in self._kept:
            # A rule that leads back to itself finds no state there and so cannot recurse.
            unknown = Transition(at=_began(self.reader.now), before=INSUFFICIENT, state=INSUFFICIENT)
            self._kept[alarm.name] = Timeline(first=unknown)
            self._kept[alarm.name] = self._worked_out(alarm)
        return self._kept[alarm.name]

    def _worked_out(self, alarm: AlarmSpec) -> Timeline:
        if alarm.kind == "composite":
            named = {other.name: self.of(other) for other in self.alarms if other.name in alarm.rule}
            return composite_timeline(alarm, named, self.reader.now)
        if alarm.series is None:
            return self._kept[alarm.name]
        settle = self.reader.request.world.settle(alarm.series.namespace)
        return metric_timeline(alarm, alarm.series, self.reader, settle)
