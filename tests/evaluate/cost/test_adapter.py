"""What the benchmark calls is what the jobs call: the news of a morning, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from benchmarks.adapters import CostDetector
from opsbot.evaluate.cost import Leaf, Watch
from opsbot.samples import Values
from tests.evaluate.cost.bills import DATABASE, FIRST, account


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the benchmark hands over on a morning."""

    morning: int
    date: date
    leaves: list[Leaf]
    cost: Values
    floor: float


def test_the_adapter_is_the_watch() -> None:
    it = account()
    it.add(DATABASE, 140, 40.0, 4)
    watch, detector = Watch(), CostDetector({})
    heard = []
    for morning in range(120, 146):
        bill = it.bill(morning)
        snap = Snapshot(morning=morning, date=bill.morning, leaves=list(bill.leaves), cost=bill.cost, floor=5.0)
        alerts = detector.morning(snap)
        found = [one for one in watch.morning(bill, 5.0) if one.news]
        assert [(alert.service, alert.impact) for alert in alerts] == [(one.service, one.impact) for one in found]
        assert [alert.start for alert in alerts] == [(one.start - FIRST).days for one in found]
        heard += alerts
    assert [(alert.account, alert.usage_type, alert.start) for alert in heard] == [("prod", DATABASE.usage_type, 140)]
