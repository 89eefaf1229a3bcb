"""Days of a bill as one morning shows them, with what asking for them took and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

import numpy as np

from opsbot.evaluate.cost.bill import Bill, Leaf
from opsbot.samples import Values


class Metric(StrEnum):
    """Columns of a day's amounts, in this order. AMORTIZED spreads upfront and recurring fees over what they pay for,
    NET takes negotiated discounts off as well; QUANTITY is in the usage type's own unit."""

    UNBLENDED = "UnblendedCost"
    AMORTIZED = "AmortizedCost"
    NET = "NetAmortizedCost"
    QUANTITY = "UsageQuantity"


METRICS = tuple(Metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class CostDay:
    """One day: `amounts[i, j]` is leaf i in METRICS[j]. `estimated` as long as AWS may still change it.

    Leaves that are no usage (fees, credits, tax) carry no account and no usage type where the source tells none.
    """

    day: date
    leaves: tuple[Leaf, ...]
    amounts: Values
    estimated: bool = True

    def total(self, metric: Metric = Metric.UNBLENDED) -> float:
        return float(self.amounts[:, METRICS.index(metric)].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class CostGap:
    """What could not be read, for which days, why, and the IAM action that is missing if it is that."""

    why: str
    first: date
    end: date
    action: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostReading:
    """That the days [first, end) of a payer were read on a morning; `requests` are pages, each of them billed.

    `rows` are groups that came, `page_rows` the most on one page: what the next plan is made from.
    """

    payer: str
    morning: date
    first: date
    end: date
    source: str = "cost-explorer"
    requests: int = 0
    rows: int = 0
    page_rows: int = 0

    @property
    def days(self) -> int:
        return (self.end - self.first).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a morning's reading brought: days, each once, and the readings they came by. Gaps are told, never filled."""

    payer: str
    morning: date
    currency: str
    days: tuple[CostDay, ...] = ()
    readings: tuple[CostReading, ...] = ()
    gaps: tuple[CostGap, ...] = ()

    @property
    def requests(self) -> int:
        return sum(reading.requests for reading in self.readings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A cost budget as AWS keeps it. Money in `currency`; `forecast` is None in a period's first days.

    `unit` is AWS's: MONTHLY, QUARTERLY, ANNUALLY, DAILY or CUSTOM. `about` names what it is limited to, "" for all.
    """

    name: str
    limit: float
    actual: float
    forecast: float | None
    currency: str
    unit: str
    about: str = ""
    updated_at: datetime | None = None

    @property
    def spent(self) -> float:
        """The share that is gone, 1.0 = all of it."""
        return self.actual / self.limit

    @property
    def foreseen(self) -> float | None:
        """The share that will be gone at the period's end, as AWS forecasts it."""
        return None if self.forecast is None else self.forecast / self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetsRead:
    """The budgets of one account, and why some could not be read."""

    account: str
    budgets: tuple[Budget, ...] = ()
    gaps: tuple[str, ...] = ()
    action: str = ""


def bill_as_shown(days: Sequence[CostDay], morning: date, currency: str, metric: Metric = Metric.AMORTIZED) -> Bill:
    """The rectangle the detector judges: the days before `morning`; a day nobody read is a gap (NaN)."""
    known = [one for one in days if one.day < morning]
    first = min((one.day for one in known), default=morning)
    leaves = tuple(dict.fromkeys(_all_leaves(known)))
    place = {leaf: row for row, leaf in enumerate(leaves)}
    cost = np.full((len(leaves), (morning - first).days), np.nan)
    column = METRICS.index(metric)
    for one in known:
        at = (one.day - first).days
        cost[:, at] = 0.0
        np.add.at(cost[:, at], [place[leaf] for leaf in one.leaves], one.amounts[:, column])
    return Bill(first=first, leaves=leaves, cost=cost, currency=currency)


def _all_leaves(days: Iterable[CostDay]) -> Iterable[Leaf]:
    return (leaf for one in days for leaf in one.leaves)


def day_range(first: date, end: date) -> Iterable[date]:
    return (first + timedelta(days=n) for n in range((end - first).days))
