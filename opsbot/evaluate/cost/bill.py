"""What was billed: a rectangle of leaves and days, read from rows that nobody vouches for.

A leaf is the finest thing a bill tells apart. Money is in one currency; days are whole days in UTC.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from opsbot.errors import OpsbotError
from opsbot.samples import Values

# What use costs. Fees, taxes, credits, refunds and commitments follow a calendar of their own and are reported apart.
USAGE = frozenset({"Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"})
COMMITMENTS = frozenset({"SavingsPlanRecurringFee", "SavingsPlanNegation", "RIFee"})


class BillError(OpsbotError):
    """The rows are no bill that can be judged; says which row and what was expected."""


@dataclass(frozen=True, slots=True, order=True)
class Leaf:
    """The finest thing a bill tells apart; `tag` is the value of one cost allocation tag, or ""."""

    account: str
    service: str
    region: str
    usage_type: str
    record_type: str = "Usage"
    tag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One row of a bill. `id` is the line's own identity where the source has one: a repeated line counts once."""

    day: date
    leaf: Leaf
    amount: float
    currency: str = "USD"
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What is shown on one morning: `cost[i, j]` is leaf i on day `first + j`; NaN where a whole day is missing.

    The morning is the day after the last column. Raises BillError when shape and labels disagree.
    """

    first: date
    leaves: tuple[Leaf, ...]
    cost: Values
    currency: str = "USD"

    def __post_init__(self) -> None:
        if self.cost.ndim != 2 or self.cost.shape[0] != len(self.leaves):
            raise BillError(f"expected one row for each of {len(self.leaves)} leaves, got {self.cost.shape}")
        if np.isinf(self.cost).any():
            raise BillError("expected finite amounts, got an infinite one")

    @property
    def morning(self) -> date:
        return self.first + timedelta(days=self.cost.shape[1])


def bill_of(charges: Iterable[Charge], morning: date) -> Bill:
    """Rows to a rectangle that ends the day before `morning`; later rows are left out.

    Several rows of one leaf and day are added up; a line id seen before is not. Days without any row are missing (NaN).
    Raises BillError on more than one currency and on an amount that is no number.
    """
    kept = [charge for charge in _once(charges) if charge.day < morning]
    currency = _currency(kept)
    first = min((charge.day for charge in kept), default=morning)
    leaves = tuple(sorted({charge.leaf for charge in kept}))
    place = {leaf: row for row, leaf in enumerate(leaves)}
    cost = np.zeros((len(leaves), (morning - first).days))
    told = np.zeros(cost.shape[1], dtype=bool)
    for charge in kept:
        column = (charge.day - first).days
        cost[place[charge.leaf], column] += charge.amount
        told[column] = True
    cost[:, ~told] = np.nan
    return Bill(first=first, leaves=leaves, cost=cost, currency=currency)


def _once(charges: Iterable[Charge]) -> Iterable[Charge]:
    seen: set[str] = set()
    for charge in charges:
        if not np.isfinite(charge.amount):
            raise BillError(f"{charge.day} {charge.leaf.service}: expected an amount, got {charge.amount}")
        if charge.id and charge.id in seen:
            continue
        seen.add(charge.id)
        yield charge


def _currency(charges: list[Charge]) -> str:
    found = sorted({charge.currency for charge in charges})
    if len(found) > 1:
        raise BillError(
            f"expected one currency, got {', '.join(found)}: sums over them would mean nothing",
            hint="judge each currency's payer on its own, or convert the amounts before they are read",
        )
    return found[0] if found else "USD"
