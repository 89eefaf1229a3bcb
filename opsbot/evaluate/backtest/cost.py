"""One bill replayed morning by morning: what would have been told on which morning, and when it was over.

A record holds what was billed in the end; how incomplete each day looked on the morning after is not in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from opsbot.evaluate.cost import Anomaly, Bill, Charge, Sensitivity, State, Watch, bill_of
from opsbot.evaluate.cost.watch import FIRST_WORD
from opsbot.samples import Values

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One anomaly as it was known last; `told` are the mornings on which people would have heard of it.

    `closed` is the morning it was over, or accepted as the new normal; None while it was still open at the end.
    """

    told: tuple[date, ...]
    closed: date | None
    anomaly: Anomaly


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReplay:
    """`daily` is the usage of each day from `first`, NaN where the record has none; `judged_from` the first morning judged."""

    first: date
    daily: Values
    leaves: int
    currency: str
    judged_from: date
    alarms: tuple[Alarm, ...]

    @property
    def mornings(self) -> int:
        return max(0, (self.first + timedelta(days=self.daily.size) - self.judged_from).days + 1)


def replay_cost(charges: Sequence[Charge], how: Sensitivity, progress: Progress) -> CostReplay:
    """Every morning of the record, in order. Raises BillError for rows that are no bill; there is at least one."""
    whole = bill_of(charges, max(charge.day for charge in charges) + timedelta(days=1))
    watch, alarms = Watch(how), dict[str, Alarm]()
    # A leaf is not known before it was first billed.
    born = _born(whole.cost)
    for days in range(1, whole.cost.shape[1] + 1):
        seen = np.flatnonzero(born < days)
        if len(seen):
            bill = replace(whole, leaves=tuple(whole.leaves[row] for row in seen), cost=whole.cost[seen, :days])
            _heard(alarms, watch.morning(bill), bill.morning)
        progress("mornings", days, whole.cost.shape[1])
    return CostReplay(
        first=whole.first, daily=_daily(whole), leaves=len(whole.leaves), currency=whole.currency,
        judged_from=whole.first + timedelta(days=FIRST_WORD), alarms=tuple(alarms.values()),
    )  # fmt: skip


def _born(cost: Values) -> Values:
    billed = np.nan_to_num(cost) != 0
    born: Values = np.where(billed.any(axis=1), billed.argmax(axis=1), cost.shape[1]).astype(np.float64)
    return born


def _daily(whole: Bill) -> Values:
    total: Values = whole.cost.sum(axis=0)
    return total


def _heard(alarms: dict[str, Alarm], found: Sequence[Anomaly], morning: date) -> None:
    for anomaly in found:
        known = alarms.get(anomaly.id)
        if known is None and not anomaly.news:
            continue
        told = (*(known.told if known else ()), *((morning,) if anomaly.news else ()))
        over = anomaly.state in (State.OVER, State.ACCEPTED)
        alarms[anomaly.id] = Alarm(told=told, closed=morning if over else None, anomaly=anomaly)
