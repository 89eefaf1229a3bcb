"""A small organisation's bill, day by day, for telling stories on: what was billed, and what each morning showed of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np

from opsbot.evaluate.cost import Anomaly, Bill, Leaf, Watch
from opsbot.samples import Values

FIRST = date(2026, 1, 5)  # a Monday
DAYS = 170
EC2 = "Amazon Elastic Compute Cloud - Compute"

MACHINES = Leaf("prod", EC2, "eu-central-1", "BoxUsage:m6i.xlarge")
OTHER_MACHINES = Leaf("prod", EC2, "eu-central-1", "BoxUsage:c6i.2xlarge")
DEV = Leaf("dev", EC2, "eu-central-1", "BoxUsage:m6i.xlarge")
DISKS = Leaf("prod", "EC2 - Other", "eu-central-1", "EBS:VolumeUsage.gp3")
DATABASE = Leaf("prod", "Amazon Relational Database Service", "eu-central-1", "InstanceUsage:db.r6g.xlarge")
STORAGE = Leaf("prod", "Amazon Simple Storage Service", "eu-central-1", "TimedStorage-ByteHrs")
TRAFFIC = Leaf("prod", "Amazon CloudFront", "eu-central-1", "DataTransfer-Out-Bytes")

# leaf: (dollars a day, noise of a day, weekend factor, complete on the next morning)
USUAL: Mapping[Leaf, tuple[float, float, float, float]] = {
    MACHINES: (120.0, 0.06, 0.8, 0.93),
    OTHER_MACHINES: (80.0, 0.06, 0.8, 0.93),
    DEV: (90.0, 0.06, 0.4, 0.93),
    DISKS: (60.0, 0.015, 1.0, 0.97),
    DATABASE: (100.0, 0.015, 1.0, 0.97),
    STORAGE: (50.0, 0.006, 1.0, 0.5),
    TRAFFIC: (40.0, 0.15, 0.8, 0.8),
}


@dataclass(slots=True)
class Account:
    """Final cost by leaf; stories change it before the mornings are read."""

    cost: dict[Leaf, Values]
    late: dict[Leaf, float] = field(default_factory=dict)

    def add(self, leaf: Leaf, start: int, excess: float | Values, days: int = 1) -> None:
        """Money on top (or off, below zero), from day `start`; a new leaf costs nothing before."""
        series = self.cost.setdefault(leaf, np.zeros(DAYS))
        self.late.setdefault(leaf, 0.95)
        series[start : start + days] += np.asarray(excess)

    def bill(self, morning: int, missing: tuple[int, ...] = ()) -> Bill:
        """What is shown on a morning: yesterday incomplete, the day before nearly complete, nothing not yet billed."""
        leaves = tuple(sorted(leaf for leaf in self.cost if self.cost[leaf][:morning].any()))
        cost = np.stack([self.cost[leaf][:morning] for leaf in leaves])
        late = np.asarray([self.late.get(leaf, 1.0) for leaf in leaves])
        cost[:, -1] *= late
        cost[:, -2:-1] *= (1 - 0.1 * (1 - late))[:, None]
        cost[:, list(missing)] = np.nan
        return Bill(first=FIRST, leaves=leaves, cost=cost)


def account(seed: int = 1) -> Account:
    random = np.random.default_rng(seed)
    weekend = (np.arange(DAYS) % 7) >= 5
    cost, late = {}, {}
    for leaf, (level, noise, factor, complete) in USUAL.items():
        shape = np.where(weekend, factor, 1.0)
        cost[leaf] = level * shape * np.exp(random.normal(0, noise, DAYS))
        late[leaf] = complete
    return Account(cost=cost, late=late)


def scanned(
    story: Account, begin: int, end: int, watch: Watch | None = None
) -> Iterator[tuple[int, tuple[Anomaly, ...]]]:
    """The mornings `begin` to `end`, after two weeks in silence so that completeness is learnt."""
    watch = watch or Watch()
    for morning in range(begin - 14, end + 1):
        found = watch.morning(story.bill(morning))
        if morning >= begin:
            yield morning, found


def told(story: Account, begin: int = 130, end: int = 160) -> list[tuple[int, Anomaly]]:
    """What people hear: (morning, anomaly)."""
    return [(morning, one) for morning, found in scanned(story, begin, end) for one in found if one.news]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)
