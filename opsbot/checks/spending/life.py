"""The life of each anomaly, from the mornings as they were shown and from what people said of it.

Pure: the same mornings and the same words give the same answer. What people called expected or planned is told once as
such and then no more, unless it grows by half; what they called expected is not told either when it comes again within
a month. What they called real stays open until it is over.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum

import numpy as np

from opsbot.checks.spending.names import covered
from opsbot.evaluate.cost import Anomaly, Bill, Kind, Sensitivity, State, Watch
from opsbot.evaluate.cost.incident import LEFT
from opsbot.evaluate.costdata.verdicts import Meaning, Verdict

LEARNT_FOR = timedelta(days=31)
GROWN = 1.5


class Stage(StrEnum):
    """OPENED, GROWING and OVER hold on the morning they become true; EXPLAINED is what somebody took responsibility for,
    or what has been there for four weeks."""

    OPENED = "opened"
    GROWING = "growing"
    OPEN = "open"
    OVER = "over"
    EXPLAINED = "explained"


_STAGES = {
    State.OPENED: Stage.OPENED,
    State.GROWING: Stage.GROWING,
    State.OPEN: Stage.OPEN,
    State.OVER: Stage.OVER,
    State.ACCEPTED: Stage.EXPLAINED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """One anomaly as it stands: `opened` is the first morning that told it, `news` whether people should hear of it now,
    `verdict` what somebody said of it, this time or within the last month."""

    key: str
    anomaly: Anomaly
    stage: Stage
    opened: date
    news: bool
    verdict: Verdict | None = None

    @property
    def open(self) -> bool:
        return self.stage in (Stage.OPENED, Stage.GROWING, Stage.OPEN)


@dataclass(slots=True)
class Replay:
    """One payer's scan over all mornings that are at hand; feed them in order."""

    sensitivity: Sensitivity
    key: Callable[[Anomaly], str]
    words: Mapping[str, Verdict]
    lives: tuple[Life, ...] = ()
    drops: tuple[Anomaly, ...] = ()
    judged: bool = False
    mornings: int = 0
    first: date | None = None
    last: date | None = None
    _watch: Watch = field(init=False)
    _story: dict[str, list[tuple[date, Anomaly]]] = field(default_factory=lambda: defaultdict(list))
    _opened: dict[str, date] = field(default_factory=dict)
    _kept: dict[str, Anomaly] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch = Watch(sensitivity=self.sensitivity)

    def morning(self, bill: Bill) -> None:
        """What stands out this morning. A morning that cannot be judged leaves everything as it was, untold."""
        self._judge(bill)
        self.mornings += 1
        self.last = bill.morning

    def _judge(self, bill: Bill) -> None:
        self.first = min(self.first or bill.first, bill.first)
        found = self._watch.morning(bill)
        self.judged = self._watch.judged
        if not self.judged:
            self.lives = unjudged(self.lives)
            return
        self.drops = tuple(one for one in found if one.kind is Kind.DROP)
        rising = [one for one in found if one.kind is not Kind.DROP]
        self.lives = (*self._placed(rising, bill.morning), *self._still(bill, {self.key(one) for one in rising}))

    def _placed(self, found: Sequence[Anomaly], morning: date) -> Iterable[Life]:
        largest: dict[str, Anomaly] = {}
        for one in sorted(found, key=lambda one: (one.state in (State.OVER, State.ACCEPTED), -one.daily)):
            # Two of one name are one thing for people: the one that goes on, or the larger one.
            largest.setdefault(self.key(one), one)
        for key, one in largest.items():
            yield self._life(key, one, morning)

    def _life(self, key: str, one: Anomaly, morning: date) -> Life:
        if one.state is State.OPENED or key not in self._opened:
            self._opened[key] = morning
        self._story[key].append((morning, one))
        opened, stage = self._opened[key], _STAGES[one.state]
        verdict = self._word(key, opened)
        news = stage is not Stage.OPEN
        if verdict and self._explained(verdict, key, one, morning):
            # Said since the last morning, it is shown once as such; what is over was no trouble either.
            told = stage is not Stage.OVER and (self.last is None or self.last <= verdict.at.date())
            stage, news = (Stage.OVER if stage is Stage.OVER else Stage.EXPLAINED), told
        elif stage is Stage.EXPLAINED and verdict and verdict.meaning is Meaning.REAL and verdict.at.date() >= opened:
            # Four weeks do not make it normal: somebody said that it is not.
            self._kept[key] = one
            stage, news = Stage.OPEN, False
        elif stage is Stage.OPEN and key in self._explained_before():
            stage, news = Stage.GROWING, True
        return Life(key=key, anomaly=one, stage=stage, opened=opened, news=news, verdict=verdict)

    def _word(self, key: str, opened: date) -> Verdict | None:
        """What was said of it, if that still counts."""
        verdict = self.words.get(key)
        return verdict if verdict and verdict.at.date() >= opened - LEARNT_FOR else None

    def _explained_before(self) -> frozenset[str]:
        return frozenset(one.key for one in self.lives if one.stage is Stage.EXPLAINED)

    def _explained(self, verdict: Verdict, key: str, one: Anomaly, morning: date) -> bool:
        said = verdict.at.date()
        if verdict.meaning is Meaning.REAL or said > morning:
            return False
        # Planned is this one time; what has gone on since before the word was said is still that time.
        if said < min(self._opened[key], one.start) and verdict.meaning is not Meaning.EXPECTED:
            return False
        return self._same_size(verdict, key, one)

    def _same_size(self, verdict: Verdict, key: str, one: Anomaly) -> bool:
        then = [told for at, told in self._story[key] if at <= verdict.at.date()]
        if not then:
            return True
        # What was taken for normal since is part of what is expected now, and still part of its size.
        since_normal = max(usual(one) - usual(then[-1]), 0.0)
        return one.daily + since_normal <= GROWN * then[-1].daily

    def _still(self, bill: Bill, told: set[str]) -> Iterable[Life]:
        """Those that somebody called real, after the scan took them for normal: until less than a third is left."""
        for key, one in list(self._kept.items()):
            if key in told:
                continue
            now = _grown(one, bill)
            over = now.daily < LEFT * one.daily
            if over:
                del self._kept[key]
            stage = Stage.OVER if over else Stage.OPEN
            yield Life(
                key=key, anomaly=now, stage=stage, opened=self._opened[key], news=over, verdict=self.words.get(key)
            )


def usual(one: Anomaly) -> float:
    """What was expected a day."""
    return one.expected / max((one.last - one.start).days + 1, 1)


def unjudged(lives: Iterable[Life]) -> tuple[Life, ...]:
    """The same on a morning that could not be judged: what was open still is, and nothing is news."""
    return tuple(
        replace(one, news=False, stage=Stage.OPEN if one.open else one.stage)
        for one in lives
        if one.stage is not Stage.OVER
    )


def _grown(one: Anomaly, bill: Bill) -> Anomaly:
    """The same anomaly measured on a later morning, against what was expected a day when it was last judged."""
    expected = usual(one)
    cost = bill.cost[covered(bill.leaves, one.causes)].sum(axis=0)
    settled = cost[-4:-1]
    daily = float(np.nanmean(settled)) - expected if len(settled) and not np.isnan(settled).all() else one.daily
    more = max((bill.morning - one.last).days - 1, 0)
    added = max(daily, 0.0) * more
    return replace(
        one,
        last=bill.morning - timedelta(days=1) if daily >= LEFT * one.daily else one.last,
        daily=daily,
        actual=one.actual + added + expected * more,
        expected=one.expected + expected * more,
        impact=one.impact + added,
    )
